"""A figure that moves, and the files it can be saved in."""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np
from matplotlib import rc_context
from matplotlib.animation import FFMpegWriter, FuncAnimation, HTMLWriter
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

INTERVAL = 100  # ms between frames
DPI = 100
EMBED = 4096.0  # MB of frames in a page, more than any browser opens
PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<body>
{movie}
</body>
</html>
"""
# The buttons of matplotlib's page are drawn with a font that it loads from the network; these characters are in any.
GLYPHS = {
    "minus": "&minus;",
    "fast-backward": "&laquo;",
    "step-backward": "&lsaquo;",
    "play fa-flip-horizontal": "&#9664;&#65038;",
    "pause": "&#10074;&#10074;",
    "play": "&#9654;&#65038;",
    "step-forward": "&rsaquo;",
    "fast-forward": "&raquo;",
    "plus": "+",
}


@final
@dataclass(frozen=True)
class Saved:
    """Where a movie is, and what wrote it: "ffmpeg", "pillow" or "html"."""

    path: Path
    writer: str


@final
@dataclass(frozen=True, eq=False, repr=False)
class Movie:
    """A figure with artists that move: ``update(i)`` shows frame i, 0 ≤ i < ``frames``, in ``figure``.

    A notebook shows it as a video where imageio-ffmpeg is installed, else as a page with a slider.
    """

    figure: Figure
    frames: int
    moving: tuple[tuple[Artist, Callable[[int], Any]], ...]  # each artist, and what brings it to a frame

    def __repr__(self) -> str:
        width, height = self.figure.canvas.get_width_height()
        return f"Movie({self.frames} frames of {width} x {height} pixels; save(path) writes them)"

    def update(self, frame: int) -> list[Artist]:
        """Bring all that moves to a frame; the artists in the order they are drawn."""
        for _, show in self.moving:
            show(frame)
        return sorted((artist for artist, _ in self.moving), key=lambda artist: artist.get_zorder())

    def save(self, path: str | Path, fps: float = 10) -> Saved:
        """Write the movie: .mp4 (imageio-ffmpeg), .gif (Pillow) or .html, a page of its own with buttons and a slider.

        Without a suffix, .mp4 where imageio-ffmpeg is installed, else .gif; the answer says which.

        Args:
            path: the file to write, in a folder that exists; one of the same name is replaced.
            fps: frames per second, positive.
        Returns:
            Where the movie is, and what wrote it.
        Raises:
            ValueError: for another suffix, for .mp4 without imageio-ffmpeg, for a missing folder and for other fps.
        Cost:
            About 30 ms a frame and the compression. What does not move is in a page once, and each frame of a few paths
            about 5 kB.
        """
        path, ffmpeg = Path(path), _ffmpeg()
        path = path if path.suffix else path.with_suffix(".mp4" if ffmpeg else ".gif")
        kind = path.suffix.lower()
        _check(path, kind, ffmpeg, fps)
        if kind == ".html":
            path.write_text(PAGE.format(title=escape(path.stem), movie=_page(self, fps)), encoding="utf-8")
            return Saved(path, "html")
        if kind == ".gif":
            _save_gif(self, path, fps)
            return Saved(path, "pillow")
        with rc_context({"animation.ffmpeg_path": ffmpeg}):
            _film(self).save(path, writer=FFMpegWriter(fps=fps), dpi=DPI)  # pyright: ignore[reportArgumentType]
        return Saved(path, "ffmpeg")

    def _repr_html_(self) -> str:
        """HTML for notebooks."""
        ffmpeg = _ffmpeg()
        if not ffmpeg:
            return _page(self, 1000 / INTERVAL)
        with rc_context({"animation.ffmpeg_path": ffmpeg, "animation.writer": "ffmpeg", "savefig.dpi": DPI}):
            return _film(self).to_html5_video(embed_limit=EMBED)


def settle(figure: Figure) -> None:
    """Make both sides an even number of pixels, which video needs, and keep the layout from moving."""
    figure.set_dpi(DPI)
    width, height = 2 * np.ceil(figure.get_size_inches() * DPI / 2) / DPI
    figure.set_size_inches(float(width), float(height))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _check(path: Path, kind: str, ffmpeg: str, fps: float) -> None:
    if kind not in (".mp4", ".gif", ".html"):
        raise ValueError(f"the movie was to be saved as {path.name!r}, but it can be .mp4, .gif or .html; choose one.")
    if kind == ".mp4" and not ffmpeg:
        raise ValueError(
            f"the movie was to be saved as {path.name!r}, but imageio-ffmpeg is not installed, and there are .gif and "
            ".html without it; pip install imageio-ffmpeg (the extra movie), or choose one of these."
        )
    if not path.parent.is_dir():
        raise ValueError(
            f"the movie was to be saved in {str(path.parent)!r}, but there is no such folder; make it first."
        )
    if isinstance(fps, bool) or not isinstance(fps, (int, float, np.number)) or not 0 < fps <= 1000:
        raise ValueError(f"fps is {fps!r}, but it must be a number above 0 and at most 1000; give e.g. 10.")


def _ffmpeg() -> str:
    """The program of imageio-ffmpeg, "" without it."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # not installed, or without the program
        return ""


def _ground(movie: Movie) -> FigureCanvasAgg:
    """A canvas of the movie's figure on which all is drawn that does not move."""
    artists = movie.update(0)
    drawing = FigureCanvasAgg(movie.figure)
    for artist in artists:
        artist.set_animated(True)
    try:
        drawing.draw()
    finally:
        for artist in artists:
            artist.set_animated(False)
    return drawing


def _frames(movie: Movie) -> tuple[np.ndarray, Callable[[int], np.ndarray]]:
    """The pixels of what does not move, drawn once, and what gives those of a frame: several times faster than to draw
    everything for each frame. Both have the shape (height, width, 4)."""
    drawing = _ground(movie)
    ground = drawing.copy_from_bbox(movie.figure.bbox)

    def frame(i: int) -> np.ndarray:
        drawing.restore_region(ground)
        for artist in movie.update(i):
            artist.draw(drawing.get_renderer())
        return np.array(drawing.buffer_rgba())

    return np.array(drawing.buffer_rgba()), frame


def _screen(movie: Movie) -> tuple[Figure, Artist]:
    """A figure of one image, the ``pixels`` of its artist, for matplotlib's writers to save."""
    width, height = movie.figure.get_size_inches()
    screen, picture = Figure(figsize=(width, height), dpi=DPI), Artist()
    FigureCanvasAgg(screen)
    screen.add_artist(picture)

    def draw(renderer: Any) -> None:  # an image artist would resample each picture
        renderer.draw_image(renderer.new_gc(), 0, 0, np.flipud(vars(picture)["pixels"]))

    picture.draw = draw  # pyright: ignore[reportAttributeAccessIssue]
    return screen, picture


def _film(movie: Movie) -> FuncAnimation:
    """matplotlib's animation of the movie's pictures."""
    _, frame = _frames(movie)
    screen, picture = _screen(movie)

    def show(i: int) -> list[Artist]:
        vars(picture)["pixels"] = frame(i)
        return [picture]

    return FuncAnimation(screen, show, movie.frames, init_func=list, interval=INTERVAL, cache_frame_data=False)


def _save_gif(movie: Movie, path: Path, fps: float) -> None:
    """Frames of one palette without dither, so that Pillow writes of each no more than what moved."""
    _, frame = _frames(movie)
    last, palette = _picture(frame(movie.frames - 1)), Image.new("P", (1, 1))
    # The median cut, Pillow's own choice, has all colors for the many pixels of the ground, and none for what moves.
    kinds = (Image.Quantize.MEDIANCUT, 160), (Image.Quantize.MAXCOVERAGE, 95)
    colors = [value for kind, many in kinds for value in last.quantize(many, kind).getpalette() or []]
    palette.putpalette([255, 255, 255, *colors])
    frames = (_picture(frame(i)).quantize(palette=palette, dither=Image.Dither.NONE) for i in range(movie.frames))
    next(frames).save(path, save_all=True, append_images=frames, duration=int(1000 / fps), loop=0)


def _page(movie: Movie, fps: float) -> str:
    """matplotlib's page of buttons, slider and all frames, without what it loads from the network.

    Frames hold the pixels that differ from what does not move, and are transparent else: that lies behind them all.
    """
    ground, frame = _frames(movie)
    screen, picture = _screen(movie)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "movie.html"
        writer = HTMLWriter(fps=fps, embed_frames=True, embed_limit=EMBED)  # pyright: ignore[reportArgumentType]
        with writer.saving(screen, file, DPI):
            for i in range(movie.frames):
                pixels = frame(i)
                vars(picture)["pixels"] = np.where((pixels != ground).any(axis=-1, keepdims=True), pixels, 0)
                writer.grab_frame(transparent=True)
        page = file.read_text()
    behind = f"background: url({_in_page(_picture(ground))}) 0 0 / 100% 100%"
    page = re.sub(r'data:image/png;base64,([^"]*)', lambda match: _of_few_colors(match[1]), page)
    page = page.replace("<img ", f'<img style="{behind}" ', 1)
    page = re.sub(r'<link rel="stylesheet"[^>]*>', "", page)
    return re.sub(r'<i class="fa fa-([a-z -]+)"></i>', lambda match: GLYPHS[match[1]], page)


def _of_few_colors(frame: str) -> str:
    """A frame in 255 colors and none, a third of its size."""
    pixels = np.asarray(Image.open(BytesIO(b64decode(frame))).convert("RGBA"))
    few = _picture(pixels).quantize(255, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    picture = Image.fromarray(np.where(pixels[..., 3] > 0, np.asarray(few), 255).astype(np.uint8))
    palette = few.getpalette() or []
    picture.putpalette([*palette, *[0] * (768 - len(palette))])
    return _in_page(picture, transparency=255)


def _picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[..., :3])


def _in_page(picture: Image.Image, **how: int) -> str:
    written = BytesIO()
    picture.save(written, "png", optimize=True, **how)
    return f"data:image/png;base64,{b64encode(written.getvalue()).decode()}"
