"""A figure that moves, and the files it can be saved in."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import numpy as np
from matplotlib import rc_context
from matplotlib.animation import FFMpegWriter, FuncAnimation, HTMLWriter, PillowWriter
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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
            About 30 ms a frame and the compression; a page has 30 kB or so for each frame.
        """
        path, ffmpeg = Path(path), _ffmpeg()
        path = path if path.suffix else path.with_suffix(".mp4" if ffmpeg else ".gif")
        kind = path.suffix.lower()
        _check(path, kind, ffmpeg, fps)
        if kind == ".html":
            path.write_text(PAGE.format(title=escape(path.stem), movie=_page(self, fps)), encoding="utf-8")
            return Saved(path, "html")
        writer = FFMpegWriter(fps=fps) if kind == ".mp4" else PillowWriter(fps=fps)  # pyright: ignore[reportArgumentType]
        with rc_context({"animation.ffmpeg_path": ffmpeg}):
            _film(self).save(path, writer=writer, dpi=DPI)
        return Saved(path, "ffmpeg" if kind == ".mp4" else "pillow")

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


def _film(movie: Movie) -> FuncAnimation:
    """matplotlib's animation of the movie's pictures.

    What does not move is drawn once. Each frame is that image with the artists drawn on it, shown by a second figure of
    one image, which is what matplotlib's writers save: several times faster than to draw everything for each frame.
    """
    artists = movie.update(0)
    drawing = FigureCanvasAgg(movie.figure)
    for artist in artists:
        artist.set_animated(True)
    try:
        drawing.draw()
    finally:
        for artist in artists:
            artist.set_animated(False)
    ground = drawing.copy_from_bbox(movie.figure.bbox)
    width, height = movie.figure.get_size_inches()
    screen, picture = Figure(figsize=(width, height), dpi=DPI), Artist()
    FigureCanvasAgg(screen)
    screen.add_artist(picture)

    def draw(renderer: Any) -> None:  # an image artist would resample each picture
        renderer.draw_image(renderer.new_gc(), 0, 0, np.flipud(drawing.buffer_rgba()))

    def show(frame: int) -> list[Artist]:
        drawing.restore_region(ground)
        for artist in movie.update(frame):
            artist.draw(drawing.get_renderer())
        return [picture]

    picture.draw = draw  # pyright: ignore[reportAttributeAccessIssue]
    return FuncAnimation(screen, show, movie.frames, init_func=list, interval=INTERVAL, cache_frame_data=False)


def _page(movie: Movie, fps: float) -> str:
    """matplotlib's page of buttons, slider and all frames, without what it loads from the network."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "movie.html"
        writer = HTMLWriter(fps=fps, embed_frames=True, embed_limit=EMBED)  # pyright: ignore[reportArgumentType]
        _film(movie).save(file, writer=writer, dpi=DPI)
        page = file.read_text()
    page = re.sub(r'<link rel="stylesheet"[^>]*>', "", page)
    return re.sub(r'<i class="fa fa-([a-z -]+)"></i>', lambda match: GLYPHS[match[1]], page)
