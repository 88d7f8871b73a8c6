"""What a reader must be able to tell apart in a figure: levels, ticks, curves under paths, methods on one spot."""

import sys
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from figures import beside, line, lines, rendered
from matplotlib.collections import LineCollection
from matplotlib.legend import Legend
from test_profiles import fitted

import thalweg as tw
from thalweg import analysis, plot
from thalweg.analysis.view import PALETTE
from thalweg.plot.landscape import visible
from thalweg.plot.style import Look

RNG = np.random.default_rng(0)


def traced(x, loss, names=None):
    """What ``run`` returns, made by hand: x of shape (variant, start, step, d)."""
    many, starts, steps, d = np.shape(x)
    dims = ("variant", "start", "step")
    names = names or [f"v{i}" for i in range(many)]
    coords = {"variant": names, "method": ("variant", names), "start": range(starts), "step": range(steps)}
    return xr.Dataset(
        {"x": ((*dims, "x_dim"), np.asarray(x, float)), "loss": (dims, np.asarray(loss, float))},
        {**coords, "x_dim": [str(i) for i in range(d)]},
        {"problem": "made"},
    )


def stopped(loss, x, slope, outcome=0):
    fits = fitted(loss)
    fits["x"] = ("variant", "start", "x_dim"), np.asarray(x, float)
    fits["gradient_norm"] = fits.loss * 0 + slope
    fits["outcome"] = fits.outcome * 0 + outcome
    return fits.assign(outcome=fits.outcome.assign_attrs(fitted(loss).outcome.attrs))


# waterfalls


def test_a_waterfall_does_not_rank_where_methods_stopped():
    """Four minima of the same loss, 5 apart, each met to a gradient of 1e-7: what differs is below 5e-7 or so."""
    x = RNG.choice([-2.5, 2.5], (1, 30, 2)) + 1e-6 * RNG.choice([-1, 1], (1, 30, 2)) * RNG.uniform(1, 2, (1, 30, 1))
    fits = stopped(1e-14 * RNG.uniform(size=(1, 30)), x, 1e-7)
    ranked = analysis.waterfall(fits)
    assert ranked.level.all() and ranked.start.values.tolist() == [list(range(10, 40))]
    ax = rendered(plot.waterfall(fits)).axes[0]
    assert np.ptp(line(ax, "v0").get_ydata()) == 0
    assert not analysis.waterfall(stopped(fits.loss.values, x, 1e-7, outcome=3)).level.values[0, 5:].any()  # not done
    higher = np.where(np.arange(30) % 3 == 0, 1.0, 0.0) + fits.loss.values
    two = analysis.waterfall(stopped(higher, x, 1e-7))
    assert two.level.values.sum() == 20 and (np.diff(two.start.values[0, :20]) > 0).all()


@pytest.mark.parametrize("high", [3.0, 15.0, 40.0, 900.0, 1e5, 1e20])
def test_a_waterfall_has_ticks_that_can_be_read(high):
    loss = np.concatenate([[0.0, 0.0], np.geomspace(1.0, high, 30)])[None]
    figure = rendered(plot.waterfall(fitted(loss)))
    assert len(written(figure.axes[0], "yaxis")) >= 4
    assert apart(figure, "yaxis")


def written(ax, axis):
    """The ticks of an axis that are seen, with their places."""
    low, high = sorted(ax.get_ylim() if axis == "yaxis" else ax.get_xlim())
    return [
        label for label in getattr(ax, axis).get_ticklabels() if label.get_text() and low <= at(label, axis) <= high
    ]


def at(label, axis):
    return label.get_position()[axis == "yaxis"]


def apart(figure, axis):
    """Whether no two labels of the first panel are written over each other."""
    renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else None
    boxes = [label.get_window_extent(renderer) for label in written(figure.axes[0], axis)]
    return not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


# curves


@pytest.mark.parametrize("costs", [(1e-6, 2e-6, 5e-5), (2e-7, 3e-6, 4e-3), (1e-3, 2e-3, 5e-1), (1e-9, 1e-3, 1.0)])
@pytest.mark.parametrize("steps", [20, 1000])
def test_ticks_of_seconds_are_not_written_over_each_other(costs, steps):
    loss = np.tile(np.geomspace(1e3, 1e-3, steps), (3, 1, 1))
    trace = traced(loss[..., None], loss)
    seconds = xr.DataArray(list(costs), dims="variant", coords={"variant": trace.variant.values}, name="seconds")
    figure = rendered(plot.curves(trace, against=seconds))
    assert 3 <= len(written(figure.axes[0], "xaxis")) <= 8 and apart(figure, "xaxis")


# paths


RUGGED = tw.Problem(
    loss=lambda x: jnp.sin(12 * x[0]),
    start=[1.0],
    minima=[[(2 * i - 0.5) * np.pi / 12] for i in range(12)],
    name="made",
)


def test_a_path_in_one_component_does_not_hide_the_loss():
    x = RNG.uniform(0, 6, (2, 3, 60, 1))
    ax = rendered(plot.paths(traced(x, np.sin(12 * x[..., 0])), RUGGED)).axes[0]
    chords = [one for one in ax.collections if isinstance(one, LineCollection)]
    curve = line(ax, "loss")
    assert all(
        one.get_zorder() < curve.get_zorder() and one.get_linewidth()[0] < curve.get_linewidth() for one in chords
    )
    assert all(one.get_alpha() < 0.5 for one in chords)
    star = line(ax, "minimum")
    assert len(star.get_xdata()) == 12 and star.get_markersize() < 11


@pytest.mark.parametrize(
    "draw", [plot.landscape, lambda one: plot.paths(traced(np.ones((1, 1, 2, 1)), [[[1, 1]]]), one)]
)
def test_a_curve_is_sampled_where_it_bends(draw):
    """A peak of 1e-4 of the range, and a kink: both are met, and waves beside them lose nothing."""
    spiked = tw.Problem(
        loss=lambda x: jnp.sin(30 * x[0]) + 10 / (1 + (1e4 * (x[0] - 0.3)) ** 2) + 5 * jnp.abs(x[0] + 1 / 3),
        start=[1.0],
        minima=[[-1.0]],
        domain=(-1.0, 1.0),
    )
    x, loss = line(rendered(draw(spiked)).axes[0], "loss").get_xydata().T
    assert (np.diff(x) >= 0).all() and np.diff(x).max() < 2 * np.ptp(x) / 1999
    assert loss[np.abs(x - 0.3) < 1e-3].max() > np.sin(9) + 10 + 19 / 6 - 0.3
    assert np.abs(x + 1 / 3).min() < 1e-4
    assert np.sum(np.abs(x) > 0.5) > 1500
    wall = tw.Problem(loss=lambda x: jnp.log(x[0]), start=[1.0], domain=(-1.0, 1.0))
    x, loss = line(plot.landscape(wall).axes[0], "loss").get_xydata().T
    assert 0 < x[np.isfinite(loss)].min() < 1e-4


def test_steps_that_would_run_together_are_one_dot():
    bowl = tw.problems.quadratic([1.0, 1.0])
    slow = np.stack([np.linspace(1, 0.2, 500), np.linspace(1, 0.8, 500)], -1)[None, None]
    ax = rendered(plot.paths(traced(slow, (slow**2).sum(-1)), bowl)).axes[0]
    (dots,) = lines(ax, "_steps")
    shown = dots.get_xydata()
    assert len(shown) < 120 and {tuple(point) for point in shown} <= {tuple(point) for point in slow[0, 0]}
    few = slow[:, :, :30]
    (dots,) = lines(rendered(plot.paths(traced(few, (few**2).sum(-1)), bowl)).axes[0], "_steps")
    np.testing.assert_array_equal(dots.get_xydata(), few[0, 0])


def test_dots_of_steps_have_gaps_between_them():
    """A path that creeps across the borders of cells leaves no pair of dots that touch."""
    x = np.stack([np.linspace(-1, 1, 700), 0.3 * np.sin(np.linspace(0, 9, 700))], -1)[None, None]
    figure = rendered(plot.paths(traced(x, (x**2).sum(-1)), tw.problems.quadratic([1.0, 1.0])))
    (dots,) = lines(figure.axes[0], "_steps")
    places = figure.axes[0].transData.transform(dots.get_xydata())
    gaps = np.linalg.norm(np.diff(places, axis=0), axis=1) * 72 / figure.dpi
    assert len(places) > 20 and gaps.min() > 1.3 * dots.get_markersize()


def test_stars_close_together_are_small():
    many = tw.Problem(loss=lambda x: jnp.sin(x[0]), start=[1.0], minima=[[0.0], [1.0], [2.0]], domain=(-100.0, 100.0))
    assert line(rendered(plot.landscape(many)).axes[0], "minimum").get_markersize() == 5
    assert line(rendered(plot.landscape(many, domain=(-3.0, 3.0))).axes[0], "minimum").get_markersize() == 14


def test_components_have_units_of_their_own():
    fall = tw.Problem(
        tw.Stage(lambda x: x[0] * x[1:], name="y"),
        loss=lambda y: jnp.sum(y**2),
        start=[2.0, 3.0],
        domain=(-4.0, 4.0),
        units={"x": "kg, m/s", "y": "N s"},
    )
    trace = tw.run(fall, tw.methods.gradient_descent(0.01), steps=2)
    for figure in (plot.paths(trace, fall), plot.landscape(fall), plot.landscape(fall, kind="surface")):
        ax = rendered(figure).axes[0]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("x0 [kg]", "x1 [m/s]")
    assert plot.curves(trace, "x", component=1).axes[0].get_ylabel() == "x1 [m/s]"
    assert plot.curves(trace, "y").axes[0].get_ylabel() == "y0 [N s]"
    fits = tw.solve(fall, tw.methods.Newton(), tw.starts.grid(fall.domain, 3))
    assert rendered(plot.basins(fits)).axes[0].get_ylabel() == "x1 [m/s]"


def test_contours_have_their_loss_written_on_them():
    bowl = tw.problems.quadratic([1.0, 5.0])
    x = RNG.uniform(-1, 1, (1, 1, 5, 2))
    ax = rendered(plot.paths(traced(x, (x**2).sum(-1)), bowl)).axes[0]
    levels = np.concatenate([one.levels for one in ax.collections if hasattr(one, "levels")])
    said = [float(text.get_text().replace("\N{MINUS SIGN}", "-")) for text in ax.texts]
    assert len(said) >= 3 and all(np.abs(levels / value - 1).min() < 0.01 for value in said)


@pytest.mark.parametrize("panels", ["x", ["x", "y"]])
@pytest.mark.parametrize("name", ["GD", "a method with a long name"])
def test_the_legend_stands_beside_the_panel(panels, name):
    physics = tw.problems.pbdl()
    trace = tw.run(physics, {name: tw.methods.gradient_descent(0.01)}, steps=2)
    figure = rendered(plot.paths(trace, physics, space=panels))
    gap = figure.legends[0].get_window_extent().x0 - figure.axes[-1].get_window_extent().x1
    assert -0.01 < gap / figure.dpi < 0.35  # inches


# surfaces and movies


HILL = tw.Problem(
    loss=lambda x: 5 * jnp.exp(-jnp.sum((x - 1) ** 2)) + 0.01 * jnp.sum(x**2),
    start=[3.0, -1.0],
    minima=[[-0.5, 3.0], [3.0, -1.0]],  # behind the hill and before it, as seen from the lower right
    domain=(-2.0, 4.0),
    name="made",
)


def test_what_a_hill_hides_is_pale():
    x = np.array([[-0.5, 3.0], [0.3, 2.0], [3.0, -1.0]])[None, None]
    loss = np.array([float(HILL.value(point)) for point in x[0, 0]])[None, None]
    movie = plot.animate(traced(x, loss), HILL, "surface")
    ax = movie.figure.axes[0]
    np.testing.assert_allclose(np.array(line(ax, "minimum").get_data_3d()).T[:, :2], [[3.0, -1.0]])
    np.testing.assert_allclose(np.array(line(ax, "_behind").get_data_3d()).T[:, :2], [[-0.5, 3.0]])
    assert line(ax, "_behind").get_alpha() < 0.5
    movie.update(2)
    full, front = (np.array(line(ax, label).get_data_3d()).T[:3] for label in ("v0", "_front"))
    np.testing.assert_allclose(full[:, :2], x[0, 0])
    assert np.isnan(front[0]).all() and np.isfinite(front[2]).all()
    assert line(ax, "v0").get_alpha() < line(ax, "_front").get_alpha()


def test_what_is_seen_depends_on_the_eye():
    ground = analysis.landscape(HILL)
    ax = rendered(plot.landscape(ground, kind="surface")).axes[0]
    behind = np.array([[-0.5, 3.0, float(HILL.value([-0.5, 3.0]))]])
    assert not visible(ax, ground, behind).any()
    ax.view_init(azim=120)  # from the other side
    assert visible(ax, ground, behind).all()
    ax.view_init(elev=89)
    assert visible(ax, ground, behind).all()


def test_a_surface_has_the_colors_of_the_contours():
    colors = rendered(plot.landscape(HILL, kind="surface")).axes[0].collections[0].get_facecolor()
    red, green, blue = colors[:, :3].T
    assert (red <= green + 0.02).all() and (green <= blue + 0.02).all() and (blue - red < 0.25).all()  # slate
    assert len(np.unique(colors.round(3), axis=0)) > 50  # in light and shade


@pytest.mark.parametrize("large", [1.0, 1e5])
def test_light_on_a_surface_does_not_depend_on_units(large):
    hill = tw.Problem(loss=lambda x: large * HILL.value(x), start=[0.0, 0.0], domain=(-2.0, 4.0))
    figure = rendered(plot.landscape(hill, kind="surface"))
    (surface,) = figure.axes[0].collections
    colors = surface.get_facecolor()[:, :3]
    assert colors.min() > 0.3 and np.median(colors) > 0.6 and colors.std() > 0.03  # slate, not black, not flat
    np.testing.assert_array_equal(surface.get_edgecolor(), surface.get_facecolor())  # no seams


@pytest.mark.parametrize("view", ["contour", "surface"])
def test_methods_on_one_spot_are_all_seen(view):
    x = np.repeat(RNG.uniform(1, 2, (1, 1, 3, 2)), 3, axis=0)
    movie = plot.animate(traced(x, (x**2).sum(-1)), tw.problems.quadratic([1.0, 1.0]), view)
    movie.update(0)
    heads = lines(movie.figure.axes[0], "_heads")
    assert len(heads) == 3
    for below, above in pairwise(heads):
        edge = above.get_markeredgewidth()
        assert below.get_markersize() > above.get_markersize() + 2 * edge and below.get_zorder() <= above.get_zorder()


def test_long_arrows_lie_below_short_ones():
    drawn = sys.modules["thalweg.plot.training_step"]
    figure, (ax,) = drawn.canvas()
    tails = RNG.uniform(-1, 1, (5, 2))
    points = np.stack([np.stack([tails, tails + length]) for length in (1.0, 3.0, 0.2)])
    style = Look(("a", "b", "c"), PALETTE[:3], ("-",) * 3, ())
    drawn._draw_moves(ax, points, None, np.ones(3, bool), style)
    arrows = {one.get_label(): one.get_zorder() for one in ax.collections if one.get_label() in "abc"}
    assert arrows["b"] < arrows["a"] < arrows["c"]
    rendered(figure)


def test_a_diagram_is_titled_by_the_name_that_was_given():
    rates = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=[0.1, 0.2, 0.3])
    diagram = analysis.bifurcation(tw.problems.double_well(), {"gradient descent": rates}, [0.5], steps=20, keep=5)
    assert plot.bifurcation(diagram).axes[0].get_title().endswith(", gradient descent")


# fits


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (290.536, 132.4, "290 ± 130"),
        (290.536, 42.9, "291 ± 43"),
        (238.94213, 2.7069, "238.9 ± 2.7"),
        (5.50156e-4, 7.2668e-6, r"(5.502 ± 0.073) $\times10^{-4}$"),
        (1.2e9, 3.4e7, r"(1.200 ± 0.034) $\times10^{9}$"),
        (-3.0, 9.96, "-3 ± 10"),
        (0.0, 0.0012, "0.0000 ± 0.0012"),
        (-0.3, 9.0, "-0.3 ± 9.0"),
        (-0.3, 40.0, "0 ± 40"),
        (12345.6, 3210.0, "12300 ± 3200"),
    ],
)
def test_numbers_are_rounded_to_their_errors(value, error, said):
    assert sys.modules["thalweg.plot.fits"]._rounded(value, error) == said


def test_legends_of_a_fit_stand_beside_what_they_say():
    figure = rendered(tw.fit({"x": [0.0, 1, 2, 3], "y": [3.1, 2.2, 0.9, 0.1]}, "a - b*x", y="y").plot())
    top, below = figure.axes
    (band,) = below.patches
    (drawn, parameters), ((said,),) = beside(top), beside(below)
    assert drawn == ["observed", "model", "95 % confidence", "95 % prediction"]
    assert [text[:4] for text in parameters] == ["a = ", "b = "] and said.startswith("± s = ") and band.get_height() > 0
    legends = [one for ax in (top, below) for one in ax.get_children() if isinstance(one, Legend)]
    boxes = [one.get_window_extent() for one in legends]
    assert len({round(box.x0) for box in boxes}) == 1 and all(box.x1 <= figure.bbox.x1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


# basins and crossings


def test_stars_do_not_hide_a_thousand_basins():
    starts = tw.starts.grid(([0.0, 0.0], [1.0, 1.0]), 32)
    labels = xr.Dataset(
        {
            "label": ("start", np.arange(1024)),
            "minimum": (("label", "x_dim"), starts),
            "first_x": (("start", "x_dim"), starts),
        },
        {"x_dim": ["0", "1"]},
        {"grid": 32},
    )
    figure = rendered(plot.basins(labels))
    assert not lines(figure.axes[0], "minimum") and not figure.legends
    few = rendered(plot.basins(labels.isel(label=slice(0, 100), start=slice(0, 100))))
    assert len(line(few.axes[0], "minimum").get_xdata()) == 100


def test_a_crossing_at_the_start_is_seen_whole():
    data = {
        "sharpness": (("variant", "start", "step"), [[[9.0, 5.0, 4.0]]]),
        "limit": ("variant", [8.0]),
        "crossing": (("variant", "start"), [[0]]),
    }
    ax = rendered(plot.stability(xr.Dataset(data, {"variant": ["GD"], "step": [0, 50, 100]}))).axes[0]
    mark = line(ax, "_crossing")
    left = ax.transData.transform(mark.get_xydata())[0, 0] - ax.get_window_extent().x0
    assert left * 72 / ax.figure.dpi > mark.get_markersize() / 2


def test_exponents_have_units():
    rates = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=[0.1, 0.2, 0.3])
    well = tw.problems.double_well()
    diagram = analysis.bifurcation(well, rates, [0.5], steps=20, keep=5)
    figure = rendered(plot.bifurcation(diagram, analysis.lyapunov(well, rates, [0.5], steps=20)))
    label, panel = figure.axes[1].yaxis.label, figure.axes[1].get_window_extent()
    assert label.get_text().split() == ["Lyapunov", "exponent", "[1/step]"]
    assert label.get_window_extent().height < panel.height  # and does not reach into the panel above
