"""Movies: a frame for each recorded step, in files that others can open."""

import base64
import io
import re
import sys

import imageio_ffmpeg
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

import thalweg as tw
from thalweg import methods, plot
from thalweg.plot.movie import settle
from thalweg.plot.style import PALETTE

SIZE = re.compile(r"(\d+)x(\d+)")


@pytest.fixture(scope="module")
def bowl():
    return tw.Problem(
        loss=lambda x: x[0] ** 2 + 10 * x[1] ** 2,
        start=[1.0, 1.0],
        minima=[[0.0, 0.0]],
        domain=(-2.0, 2.0),
        name="bowl",
    )


@pytest.fixture(scope="module")
def trace(bowl):
    """Two methods from three starts, and one that diverges."""
    several = {
        "GD": methods.gradient_descent(0.02),
        "adam": methods.adam(0.2),
        "wild": methods.gradient_descent(100.0),
    }
    return tw.run(bowl, several, starts=tw.starts.uniform(bowl.domain, 3), steps=21)


@pytest.fixture(scope="module")
def wave():
    return tw.Problem(loss=lambda x: x[0] ** 2 + 0.05 * jnp.sin(30 * x[0]), start=[0.7], minima=[[-0.05]], name="wave")


@pytest.fixture(scope="module")
def slides(wave):
    return tw.run(wave, methods.gradient_descent(0.02), starts=np.linspace(-1, 1, 30)[:, None], steps=12)


T = np.linspace(0, 4, 20)
SEEN = 2 * np.exp(-1.3 * T)


@pytest.fixture(scope="module")
def decay():
    t = jnp.asarray(T)
    return tw.Problem(
        lambda b: b[0] * jnp.exp(-b[1] * t), loss=tw.SquaredError(jnp.asarray(SEEN)), start=[1.0, 0.5], name="decay"
    )


@pytest.fixture(scope="module")
def fitted(decay):
    return tw.run(decay, methods.gradient_descent(0.05), steps=8)


@pytest.fixture
def without_ffmpeg(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)


def line(ax, label):
    (only,) = [line for line in ax.get_lines() if line.get_label() == label]
    return only


def lines(ax, label):
    return [line for line in ax.get_lines() if line.get_label() == label]


def frames_of(path):
    return imageio_ffmpeg.count_frames_and_secs(path)


# what a frame shows


def test_a_frame_holds_each_path_up_to_its_step(bowl, trace):
    movie = plot.animate(trace, bowl)
    ax = movie.figure.axes[0]
    assert movie.frames == trace.sizes["step"] == 22
    for frame in (7, 0, 21, 3):
        movie.update(frame)
        for i, name in enumerate(("GD", "adam")):
            drawn = line(ax, name).get_xydata().reshape(3, -1, 2)
            np.testing.assert_array_equal(drawn[:, :-1], trace.x.values[i, :, : frame + 1])
            assert np.isnan(drawn[:, -1]).all()  # a gap between two starts
            np.testing.assert_array_equal(lines(ax, "_heads")[i].get_xydata(), trace.x.values[i, :, frame])
        assert ax.get_title() == f"bowl, step {frame}"
    movie.update(21)
    assert np.isfinite(lines(ax, "_heads")[2].get_xydata()).all()  # the last finite point of the path that diverged


def test_the_ground_is_that_of_paths(bowl, trace):
    moved, still = plot.animate(trace, bowl).figure.axes[0], plot.paths(trace, bowl).axes[0]
    assert (moved.get_xlim(), moved.get_ylim()) == (still.get_xlim(), still.get_ylim())
    for label in ("start", "minimum"):
        np.testing.assert_array_equal(line(moved, label).get_xydata(), line(still, label).get_xydata())


def test_recorded_steps_are_counted_not_frames(bowl):
    thinned = tw.run(bowl, methods.gradient_descent(0.01), steps=100, every=10)
    movie = plot.animate(thinned, bowl)
    movie.update(4)
    assert movie.frames == 11 and movie.figure.axes[0].get_title() == "bowl, step 40"


def test_points_slide_on_the_curve_of_one_component(wave, slides):
    for view in ("contour", "curve"):
        movie = plot.animate(slides, wave, view)
        movie.update(5)
        ax = movie.figure.axes[0]
        points = line(ax, str(slides.variant.values[0])).get_xydata()
        np.testing.assert_array_equal(points[:, 0], slides.x.values[0, :, 5, 0])
        np.testing.assert_array_equal(points[:, 1], slides.loss.values[0, :, 5])
        assert len(line(ax, "loss").get_xdata()) == 4000 and not lines(ax, "start")


def test_a_surface_carries_the_paths(bowl, trace):
    movie = plot.animate(trace, bowl, "surface")
    movie.update(9)
    ax = movie.figure.axes[0]
    drawn = np.array(line(ax, "adam").get_data_3d()).T.reshape(3, -1, 3)[:, :-1]
    np.testing.assert_array_equal(drawn[..., :2], trace.x.values[1, :, :10])
    np.testing.assert_array_equal(drawn[..., 2], trace.loss.values[1, :, :10])
    wild = np.array(line(ax, "wild").get_data_3d()).T.reshape(3, -1, 3)
    assert np.isnan(wild[:, 2:]).all()  # outside of the box, which would draw it all the same
    assert ax.name == "3d" and ax.get_zlabel() == "loss" and len(lines(ax, "minimum")) == 1


def test_predictions_move_beside_their_path(decay, fitted):
    movie = plot.animate(fitted, decay, ("predictions", "contour"), t=T, observed=SEEN)
    movie.update(6)
    left, right = movie.figure.axes
    name = str(fitted.variant.values[0])
    np.testing.assert_array_equal(line(left, name).get_ydata()[:-1], fitted.y.values[0, 0, 6])
    np.testing.assert_array_equal(line(left, "observed").get_xydata(), np.column_stack([T, SEEN]))
    np.testing.assert_array_equal(line(right, name).get_xydata()[:-1], fitted.x.values[0, 0, :7])
    alone = plot.animate(fitted, view="predictions", t=T, observed=SEEN)  # without the problem
    alone.update(2)
    np.testing.assert_array_equal(line(alone.figure.axes[0], name).get_ydata()[:-1], fitted.y.values[0, 0, 2])


def test_many_starts_are_thinned_and_the_title_says_so(bowl):
    run = tw.run(bowl, methods.gradient_descent(0.01), starts=tw.starts.uniform(bowl.domain, 500), steps=3)
    movie = plot.animate(run, bowl)
    assert movie.figure.axes[0].get_title() == "bowl, 200 of 500 starts, step 3"
    assert len(lines(movie.figure.axes[0], "_heads")[0].get_xdata()) == 200


def test_a_lecture_has_as_many_frames_as_its_history(wave, bowl):
    """C25: the lengths of the histories; B19: n + 2 points of 20 and 399 steps, as the notebook counts."""
    start = np.linspace(-1, 1, 5)[:, None]
    for rows in (174, 255, 1000, 1001):
        run = tw.run(wave, methods.gradient_descent(0.005), starts=start, steps=rows - 1)
        assert plot.animate(run, wave, "curve").frames == rows
    for rows in (22, 401):
        run = tw.run(bowl, methods.adam(0.01), steps=rows - 1)
        assert plot.animate(run, bowl).frames == rows


# files


def test_mp4_holds_every_frame(bowl, trace, tmp_path):
    saved = plot.animate(trace, bowl).save(tmp_path / "paths.mp4", fps=11)
    assert saved == plot.Saved(tmp_path / "paths.mp4", "ffmpeg")
    frames, seconds = frames_of(saved.path)
    assert frames == 22 and seconds == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("inches", [(4.333, 3.777), (3.01, 3.03)])
def test_odd_sizes_in_pixels_are_rounded(bowl, trace, tmp_path, inches):
    figure = Figure(figsize=inches)
    settle(figure)
    pixels = figure.get_size_inches() * 100
    np.testing.assert_allclose(pixels, 2 * np.round(pixels / 2), atol=1e-6)
    assert (pixels >= 100 * np.array(inches) - 1e-6).all()
    movie = plot.animate(trace.isel(step=slice(0, 3)), bowl)
    movie.figure.set_size_inches(inches)
    saved = movie.save(tmp_path / "odd.mp4")
    assert frames_of(saved.path)[0] == 3


def test_gif_holds_every_frame(bowl, trace, tmp_path):
    movie = plot.animate(trace, bowl)
    saved = movie.save(tmp_path / "paths.gif")
    assert saved.writer == "pillow"
    with Image.open(saved.path) as gif:
        assert gif.n_frames == 22 and gif.info["duration"] == 100
        assert gif.size == tuple(np.round(movie.figure.get_size_inches() * 100).astype(int))


def test_a_saved_frame_is_the_figure(bowl, trace, tmp_path):
    movie = plot.animate(trace, bowl)
    page = movie.save(tmp_path / "paths.html").path.read_text()
    embedded = re.findall(r'frames\[\d+\] = "data:image/png;base64,([^"]*)"', page)
    (ground,) = re.findall(r"background: url\(data:image/png;base64,([^)]*)\)", page)
    ground = Image.open(io.BytesIO(base64.b64decode(ground))).convert("RGBA")
    for frame in (0, 13):
        movie.update(frame)
        whole = io.BytesIO()
        movie.figure.savefig(whole, format="png", dpi=100)
        above = Image.open(io.BytesIO(base64.b64decode(embedded[frame]))).convert("RGBA")
        shown = Image.alpha_composite(ground, above), Image.open(whole)
        pixels = [np.asarray(picture.convert("RGB"), float) for picture in shown]
        assert np.mean(np.abs(pixels[0] - pixels[1]) > 8) < 0.002  # what lies above a path is below it in the movie


def test_html_is_a_page_of_its_own_with_a_slider_over_every_frame(bowl, trace, tmp_path):
    saved = plot.animate(trace, bowl).save(tmp_path / "paths.html", fps=20)
    page = saved.path.read_text(encoding="utf-8")
    assert saved.writer == "html" and page.count('] = "data:image/png;base64,') == 22
    assert re.search(r'<input[^>]*type="range"', page) and 'title="Play"' in page and page.startswith("<!DOCTYPE html>")
    assert "://" not in page and "fa-" not in page and "<title>paths</title>" in page
    assert re.search(r"slider_id, 50,", page)


@pytest.mark.slow
def test_movies_are_small(tmp_path):
    """What does not move is in a file once: of 61 frames of a surface and contours, each was 280 kB in a page."""
    problem = tw.problems.rosenbrock()
    trace = tw.run(problem, {"GD": methods.gradient_descent(1e-3), "adam": methods.adam(0.05)}, steps=60)
    movie = plot.animate(trace, problem, ("surface", "contour"))
    for ending in ("html", "gif"):
        assert movie.save(tmp_path / f"movie.{ending}").path.stat().st_size < 1e6
    with Image.open(tmp_path / "movie.gif") as gif:
        gif.seek(60)
        pixels = np.asarray(gif.convert("RGB")).reshape(-1, 3).astype(int)
    for color in (*PALETTE[:2], "white"):  # those of methods are not lost among slates
        assert np.abs(pixels - 255 * np.array(to_rgb(color))).max(axis=1).min() <= 8


def test_the_suffix_is_chosen_where_there_is_none(bowl, trace, tmp_path):
    saved = plot.animate(trace.isel(step=slice(0, 2)), bowl).save(str(tmp_path / "paths"))
    assert saved == plot.Saved(tmp_path / "paths.mp4", "ffmpeg") and frames_of(saved.path)[0] == 2


def test_without_ffmpeg_there_are_gif_and_page(bowl, trace, tmp_path, without_ffmpeg):
    movie = plot.animate(trace.isel(step=slice(0, 2)), bowl)
    saved = movie.save(tmp_path / "paths")
    assert saved == plot.Saved(tmp_path / "paths.gif", "pillow")
    with Image.open(saved.path) as gif:
        assert gif.n_frames == 2
    assert 'type="range"' in movie._repr_html_()
    with pytest.raises(
        ValueError,
        match=r"as 'a.mp4', but imageio-ffmpeg is not installed.*pip install imageio-ffmpeg \(the extra movie",
    ):
        movie.save(tmp_path / "a.mp4")
    assert [file.name for file in tmp_path.iterdir()] == ["paths.gif"]


def test_a_notebook_shows_a_video(bowl, trace):
    shown = plot.animate(trace.isel(step=slice(0, 2)), bowl)._repr_html_()
    assert shown.startswith("<video") and "data:video/mp4;base64," in shown


def test_a_surface_and_predictions_are_saved(bowl, trace, decay, fitted, tmp_path):
    surface = plot.animate(trace, bowl, ("surface", "contour")).save(tmp_path / "surface.mp4")
    fit = plot.animate(fitted, decay, ("predictions", "contour"), t=T, observed=SEEN).save(tmp_path / "fit.mp4")
    assert (frames_of(surface.path)[0], frames_of(fit.path)[0]) == (22, 9)


def test_settings_of_matplotlib_stay(bowl, trace, tmp_path):
    before = dict(matplotlib.rcParams)
    plot.animate(trace.isel(step=slice(0, 2)), bowl).save(tmp_path / "paths.mp4")
    assert dict(matplotlib.rcParams) == before


def test_movies_refuse_what_they_cannot_show(bowl, trace, wave, slides, fitted, decay, tmp_path):
    with pytest.raises(
        ValueError, match="view is 'map', but it is 'contour', 'surface', 'curve', 'predictions'; choose"
    ):
        plot.animate(trace, bowl, "map")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="view is '', but it is 'contour'"):
        plot.animate(trace, bowl, ())
    with pytest.raises(ValueError, match="view is 'surface', but no problem was given to draw it of; give the problem"):
        plot.animate(trace, view="surface")
    with pytest.raises(ValueError, match="view is 'surface', but x has one component; choose view='curve'"):
        plot.animate(slides, wave, "surface")
    with pytest.raises(ValueError, match="view is 'curve', but x has more than one component; choose view='contour'"):
        plot.animate(trace, bowl, "curve")
    with pytest.raises(ValueError, match="view is 'predictions', but observed is None; give t and observed"):
        plot.animate(fitted, decay, "predictions", t=T)
    with pytest.raises(ValueError, match=r"t has shape \(3,\), but y has 20 components"):
        plot.animate(fitted, decay, "predictions", t=T[:3], observed=SEEN)
    movie = plot.animate(trace, bowl)
    with pytest.raises(ValueError, match=r"saved as 'a.avi', but it can be .mp4, .gif or .html; choose one"):
        movie.save(tmp_path / "a.avi")
    with pytest.raises(ValueError, match="nowhere', but there is no such folder; make it first"):
        movie.save(tmp_path / "nowhere" / "a.gif")
    with pytest.raises(ValueError, match="fps is 0, but it must be a number above 0 and at most 1000"):
        movie.save(tmp_path / "a.gif", fps=0)
    assert not list(tmp_path.iterdir())
