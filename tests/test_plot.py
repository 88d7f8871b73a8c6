"""Figures: what is drawn is what the Dataset holds, in a frame a person would choose."""

import ast
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
import xarray as xr
from figures import line, lines, rendered
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.contour import ContourSet

import thalweg as tw
from thalweg import methods, plot
from thalweg.analysis.view import PALETTE, axis_label, frame
from thalweg.plot.landscape import LEVELS, contour_levels

SQUARE = tw.Stage(
    lambda x: jnp.array([x[0], x[1] ** 2]),
    inverse=lambda y, x: jnp.array([y[0], jnp.copysign(jnp.sqrt(y[1]), x[1])]),
)


def sum_of_squares(y):
    return jnp.sum(y**2)


def mixed(tree):
    x = jnp.concatenate([tree["a"], tree["b"]])
    return jnp.array([x[0] * x[1], x[1] + x[2] ** 2, x[3] - x[4], jnp.sum(x)])


@pytest.fixture(scope="module")
def physics():
    return tw.Problem(SQUARE, loss=sum_of_squares, start=[3.0, 3.0], minima=[[0.0, 0.0]])


@pytest.fixture(scope="module")
def trace(physics):
    """The example of the design page, and a gradient descent that diverges."""
    return tw.run(
        physics,
        {
            "GD": methods.gradient_descent(learning_rate=0.01),
            "Newton": methods.Newton(learning_rate=1 / 3),
            "PG": methods.InverseSimulator(learning_rate=0.3),
            "wild": methods.gradient_descent(learning_rate=0.07),
        },
        steps=10,
    )


@pytest.fixture(scope="module")
def bowl():
    return tw.Problem(loss=lambda x: x[0] ** 2 + 10 * x[1] ** 2, start=[1.0, 1.0], domain=(-2.0, 2.0), name="bowl")


@pytest.fixture(scope="module")
def swept(bowl):
    """Two methods of twelve learning rates each, from three starts."""
    rates = np.geomspace(1e-3, 0.2, 12)
    several = {
        "GD": tw.sweep(methods.gradient_descent(0.1), learning_rate=rates),
        "momentum": tw.sweep(methods.momentum(0.1), learning_rate=rates),
    }
    return tw.run(bowl, several, starts=tw.starts.uniform(bowl.domain, 3), steps=8)


@pytest.fixture(scope="module")
def deep():
    """Five components, then four, then two."""
    stages = tw.Stage(mixed, name="mid"), tw.Stage(lambda m: m[:2] * m[2:], name="y")
    start = {"a": jnp.full(2, 0.5), "b": jnp.arange(3.0)}
    return tw.Problem(*stages, loss=lambda y: jnp.sum((y - 1) ** 2), start=start, name="deep", units={"x": "m"})


@pytest.fixture(scope="module")
def deep_trace(deep):
    rates = {"slow": methods.gradient_descent(0.001), "fast": methods.gradient_descent(0.01)}
    return tw.run(deep, rates, steps=10)


def recorded(loss, first_step=0):
    """A trace made by hand, from a loss of shape (variant, start, step)."""
    loss = np.asarray(loss, float)
    variants, starts, steps = loss.shape
    return xr.Dataset(
        {"loss": (("variant", "start", "step"), loss)},
        {"variant": [f"v{i}" for i in range(variants)], "start": range(starts), "step": np.arange(steps) + first_step},
    )


def collections(ax):
    return [artist for artist in ax.collections if type(artist) is LineCollection]


def relief(ax):
    return [artist for artist in ax.collections if isinstance(artist, ContourSet)]


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


# paths


def test_paths_draws_each_recorded_point_in_each_space(physics, trace):
    figure = rendered(plot.paths(trace, physics, space=["x", "y"]))
    assert len(figure.axes) == 2
    for ax, space in zip(figure.axes, ("x", "y"), strict=True):
        assert [path.get_label() for path in collections(ax)] == list(trace.variant.values)
        steps = lines(ax, "_steps")
        assert len(steps) == 4
        for i, dots in enumerate(steps):
            np.testing.assert_array_equal(dots.get_xydata(), trace[space].values[i, 0])
        for i, path in enumerate(collections(ax)[:3]):
            np.testing.assert_array_equal(path.get_segments()[0], trace[space].values[i, 0])
        assert ax.get_xlabel() == f"{space}0" and ax.get_ylabel() == f"{space}1" and ax.get_title() == space
    assert words(figure) == ["GD", "Newton", "PG", "wild", "start", "minimum"]


def test_paths_gives_each_variant_a_color_of_the_palette(physics, trace):
    ax = rendered(plot.paths(trace, physics)).axes[0]
    assert [to_hex(path.get_color()[0], keep_alpha=False).upper() for path in collections(ax)] == list(PALETTE[:4])
    assert len(set(PALETTE)) == 10


def test_physical_gradients_go_straight_to_the_origin_in_y(physics, trace):
    ax = plot.paths(trace, physics, space="y").axes[0]
    path = collections(ax)[2].get_segments()[0]
    np.testing.assert_allclose(path[:, 1], 3 * path[:, 0], rtol=1e-4)


def test_starts_ends_and_minima_are_marked(physics, trace):
    for space, start in (("x", [3, 3]), ("y", [3, 9])):
        ax = plot.paths(trace, physics, space=space).axes[0]
        circle, star = line(ax, "start"), line(ax, "minimum")
        np.testing.assert_array_equal(circle.get_xydata(), [start])
        assert circle.get_markerfacecolor() == "none" and star.get_marker() == "*"
        np.testing.assert_array_equal(star.get_xydata(), [[0, 0]])
        ends = [end.get_xydata()[0] for end in lines(ax, "_ends")]
        np.testing.assert_array_equal(ends[:3], trace[space].values[:3, 0, -1])
        assert np.isfinite(ends[3]).all() and np.abs(ends[3]).max() > 1e6


def test_minima_are_drawn_as_their_images():
    minima = [[4.0, 2.0], [4.0, -2.0]]
    shifted = tw.Problem(SQUARE, loss=lambda y: jnp.sum((y - 4) ** 2), start=[1.0, 1.0], minima=minima)
    run = tw.run(shifted, methods.gradient_descent(0.01), steps=2)
    np.testing.assert_allclose(line(plot.paths(run, shifted).axes[0], "minimum").get_xydata(), minima)
    np.testing.assert_allclose(line(plot.paths(run, shifted, "y").axes[0], "minimum").get_xydata(), [[4, 4], [4, 4]])


def test_a_diverging_path_does_not_squash_the_frame(physics, trace):
    assert np.nanmax(np.where(np.isfinite(trace.x), np.abs(trace.x), 0)) > 1e9
    ax = rendered(plot.paths(trace, physics)).axes[0]
    for low, high in (ax.get_xlim(), ax.get_ylim()):
        assert -5 < low < 0 and 3 < high < 10
    alone = rendered(plot.paths(trace.sel(variant="wild"), physics, space=["x", "y"]))
    assert all(np.abs([*ax.get_xlim(), *ax.get_ylim()]).max() < 40 for ax in alone.axes)


def test_a_path_that_ends_nowhere_is_framed_by_its_start(bowl):
    points = np.array([[1.0, 1.0], [1e300, -1e305], [np.inf, np.nan]])[None, None]
    lost = recorded([[[11.0, np.inf, np.nan]]]).assign(x=(("variant", "start", "step", "x_dim"), points))
    ax = rendered(plot.paths(lost.assign_coords(x_dim=["0", "1"]), bowl)).axes[0]
    assert ax.get_xlim() == ax.get_ylim() == (0.5, 1.5)


def test_a_saddle_is_framed_by_the_domain():
    saddle = tw.Problem(loss=lambda x: x[0] ** 2 - x[1] ** 2, start=[1.0, 1e-3], domain=(-2.0, 2.0))
    escaped = tw.run(saddle, methods.gradient_descent(0.1), steps=100)
    assert escaped.x.max() > 1e4
    assert rendered(plot.paths(escaped, saddle)).axes[0].get_ylim()[1] < 20


def test_frame_holds_the_core_and_follows_the_rest_by_one_width():
    core, far = np.array([[0.0, 0.0], [1.0, 1e-4]]), np.array([[1e30, 5e-5], [0.5, np.nan]])
    low, high = frame(core, far)
    np.testing.assert_allclose(low, [-0.16, -8e-6])
    np.testing.assert_allclose(high, [2.16, 1.08e-4])


def test_frame_gives_like_sides_one_length_and_still_points_a_width():
    low, high = frame(np.array([[0.0, 0.0], [1.0, 0.8]]), np.empty((0, 2)))
    np.testing.assert_allclose(high - low, [1.16, 1.16])
    low, high = frame(np.array([[0.0, 500.0]]), np.empty((0, 2)))
    np.testing.assert_allclose((low, high), [[-1, 250], [1, 750]])
    low, high = frame(np.full((2, 1), np.nan), np.full((2, 1), np.inf))
    assert (low, high) == (-1, 1)


def test_badly_scaled_components_get_an_axis_each():
    grid = jnp.linspace(80, 760, 14)
    target = 238.9 * (1 - jnp.exp(-5.5e-4 * grid))
    fit = tw.Problem(
        lambda b: b["b1"] * (1 - jnp.exp(-b["b2"] * grid)),
        loss=tw.SquaredError(target),
        start={"b1": 250.0, "b2": 5e-4},
        minima=[{"b1": 238.9, "b2": 5.5e-4}],
        name="Misra1a",
    )
    run = tw.run(fit, methods.gradient_descent(1e-13), steps=2)
    ax = rendered(plot.paths(run, fit)).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("b1", "b2", "Misra1a")
    assert 235 < ax.get_xlim()[0] < 238.9 < 250 < ax.get_xlim()[1] < 270
    assert 4.5e-4 < ax.get_ylim()[0] < 5e-4 < 5.5e-4 < ax.get_ylim()[1] < 7e-4
    assert "10^" in ax.yaxis.get_offset_text().get_text()
    with pytest.raises(ValueError, match=r"y has 14 components.*choose a pair of '0', '1'.*components=\('0', '1'\)"):
        plot.paths(run, fit, space="y")


def test_paths_without_a_problem_draws_no_landscape(trace):
    figure = rendered(plot.paths(trace))
    assert not relief(figure.axes[0]) and len(collections(figure.axes[0])) == 4
    assert words(figure) == ["GD", "Newton", "PG", "wild", "start"]


def test_paths_takes_a_selection_of_the_trace(physics, trace):
    ax = rendered(plot.paths(trace.isel(variant=0, start=0, step=slice(2, None)), physics)).axes[0]
    np.testing.assert_array_equal(line(ax, "_steps").get_xydata(), trace.x.values[0, 0, 2:])


def test_a_space_of_one_component_is_drawn_on_its_loss():
    wave = tw.Problem(loss=lambda x: jnp.sin(3 * x[0]) + 0.3 * x[0] ** 2, start=[3.0], minima=[[-0.49]])
    run = tw.run(wave, methods.gradient_descent(0.05), steps=20)
    ax = rendered(plot.paths(run, wave)).axes[0]
    curve = line(ax, "loss").get_xydata()
    np.testing.assert_allclose(curve[:, 1], np.sin(3 * curve[:, 0]) + 0.3 * curve[:, 0] ** 2, atol=1e-5)
    steps = lines(ax, "_steps")[0].get_xydata()
    np.testing.assert_array_equal(steps, np.column_stack([run.x.values[0, 0, :, 0], run.loss.values[0, 0]]))
    np.testing.assert_allclose(line(ax, "minimum").get_xydata(), [[-0.49, float(wave.value([-0.49]))]], rtol=1e-6)
    assert ax.get_ylabel() == "loss" and ax.get_ylim()[0] < -0.92


def test_components_choose_a_slice_through_the_best_point(deep, deep_trace):
    figure = plot.paths(deep_trace, deep, space=["x", "mid", "y"], components=(1, 3))
    x, mid, y = figure.axes
    assert (x.get_xlabel(), x.get_ylabel()) == ("a[1] [m]", "b[1] [m]")
    assert (mid.get_xlabel(), mid.get_ylabel()) == ("mid1", "mid3")
    assert "slice through the best point" in x.get_title() and "slice" not in y.get_title()
    np.testing.assert_array_equal(lines(x, "_steps")[1].get_xydata(), deep_trace.x.values[1, 0][:, [1, 3]])
    by_label = plot.paths(deep_trace, deep, components=("a[1]", "b[1]")).axes[0]
    assert by_label.get_xlabel() == "a[1] [m]"
    np.testing.assert_array_equal(lines(by_label, "_steps")[0].get_xydata(), deep_trace.x.values[0, 0][:, [1, 3]])


@pytest.mark.parametrize("components", [("a[1]",), ("a[1]", "a[1]"), (0, 9), (-1, 0), ("z", "a[1]"), "ab", (0, 1, 2)])
def test_components_that_do_not_exist_are_refused(deep, deep_trace, components):
    with pytest.raises(ValueError, match=r"two different components of x; choose labels from 'a\[0\]'.* 0 to 4"):
        plot.paths(deep_trace, deep, components=components)


def test_paths_refuses_what_it_cannot_draw(physics, trace, bowl, deep):
    with pytest.raises(ValueError, match="space is 'z', but the trace has x, y; choose one"):
        plot.paths(trace, physics, space="z")
    with pytest.raises(ValueError, match="space is 'y', but 'bowl' has x; choose one"):
        plot.paths(trace, bowl, space="y")
    with pytest.raises(ValueError, match="x has 2 components in the trace, which are not the 5 of 'deep'"):
        plot.paths(trace, deep)
    with pytest.raises(ValueError, match=r"no loss by variant, start, step; give a Dataset that run returned"):
        plot.paths(trace.isel(step=0), physics)


def test_many_variants_are_colored_along_the_swept_hyperparameter(bowl, swept):
    figure = rendered(plot.paths(swept, bowl))
    panel, bar = figure.axes
    assert bar.get_ylabel() == "learning rate" and bar.get_yscale() == "log"
    np.testing.assert_allclose(bar.get_ylim(), (1e-3, 0.2))
    assert words(figure) == ["GD", "momentum", "start"]
    drawn = collections(panel)
    assert len(drawn) == 24 and all(len(path.get_segments()) == 3 for path in drawn)
    colors = [tuple(path.get_color()[0][:3]) for path in drawn]
    assert len(set(colors)) == 12 and colors[:12] == colors[12:]
    assert drawn[0].get_linestyle() != drawn[12].get_linestyle()


def test_many_variants_without_a_sweep_are_all_named(bowl):
    optimizers = {f"method {i}": methods.gradient_descent(0.01) for i in range(11)}
    figure = rendered(plot.curves(tw.run(bowl, optimizers, steps=2)))
    assert words(figure) == list(optimizers) and len(figure.axes) == 1


def test_very_many_starts_are_thinned_and_the_title_says_so(bowl):
    starts = tw.starts.uniform(bowl.domain, 1500)
    run = tw.run(bowl, methods.gradient_descent(0.001), starts=starts, steps=20)
    ax = rendered(plot.paths(run, bowl)).axes[0]
    assert "1000 of 1500 starts" in ax.get_title()
    assert not lines(ax, "_steps") and len(line(ax, "start").get_xdata()) == 1000
    np.testing.assert_array_equal(lines(ax, "_ends")[0].get_xydata()[-1], run.x.values[0, -1, -1])


def test_a_long_path_keeps_its_shape(bowl):
    run = tw.run(bowl, methods.gradient_descent(1e-4), steps=25_000)
    ax = plot.paths(run, bowl).axes[0]
    pieces = collections(ax)[0].get_segments()
    kept = np.concatenate(pieces)
    assert len(kept) < 6000 and all((a[-1] == b[0]).all() for a, b in pairwise(pieces))
    width = np.diff([ax.get_xlim(), ax.get_ylim()], axis=1)[:, 0]
    closest = [np.abs((kept - point) / width).max(axis=1).min() for point in run.x.values[0, 0, ::500]]
    assert max(closest) < 1e-3


# curves


def test_curves_draws_the_recorded_loss(trace):
    figure = rendered(plot.curves(trace))
    ax = figure.axes[0]
    assert ax.get_yscale() == "log" and (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    for i, name in enumerate(trace.variant.values[:3]):
        np.testing.assert_array_equal(line(ax, name).get_xdata(), trace.step)
        np.testing.assert_array_equal(line(ax, name).get_ydata(), trace.loss.values[i, 0])
    assert words(figure) == ["GD", "Newton", "PG", "wild", "last finite"]


def test_curves_marks_where_a_path_leaves(trace):
    ax = rendered(plot.curves(trace)).axes[0]
    loss = trace.loss.values[3, 0]
    last = np.flatnonzero(np.isfinite(loss))[-1]
    assert last < 9
    marks = [marks.get_xydata() for marks in lines(ax, "_leaves")]
    assert [len(mark) for mark in marks] == [0, 0, 0, 1]
    np.testing.assert_allclose(marks[3], [[last, ax.get_ylim()[1]]])
    drawn = line(ax, "wild").get_ydata()
    np.testing.assert_array_equal(np.isnan(drawn), ~np.isfinite(loss))
    assert ax.get_ylim()[1] < 1e6


def test_a_gap_within_a_path_is_a_gap():
    ax = rendered(plot.curves(recorded([[[4.0, 3.0, np.nan, 2.0, 1.0]]], first_step=7))).axes[0]
    np.testing.assert_array_equal(line(ax, "v0").get_xdata(), [7, 8, 9, 10, 11])
    np.testing.assert_array_equal(line(ax, "v0").get_ydata(), [4, 3, np.nan, 2, 1])
    np.testing.assert_array_equal(line(ax, "_leaves").get_xydata(), [[8, 3]])


@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        ([1, 50, 99], "linear"),
        ([1e-3, 1], "log"),
        ([-1, 1e4], "linear"),
        ([0, 1e-5, 1], "log"),
        ([np.nan, np.inf], "linear"),
    ],
)
def test_the_vertical_scale_follows_the_range(loss, scale):
    ax = rendered(plot.curves(recorded([[loss]]))).axes[0]
    assert ax.get_yscale() == scale and np.isfinite(ax.get_ylim()).all()
    assert rendered(plot.curves(recorded([[loss]]), scale="linear")).axes[0].get_yscale() == "linear"


def test_several_starts_get_their_median_and_mean():
    loss = np.random.default_rng(0).uniform(1, 2, (2, 7, 5))
    loss[1, 2, 3:] = np.inf
    loss[1, 3:6, 4] = np.nan
    figure = rendered(plot.curves(recorded(loss)))
    ax = figure.axes[0]
    assert words(figure) == ["v0", "v1", "median", "one start", "mean", "last finite"]
    assert [len(thin.get_segments()) for thin in collections(ax)] == [7, 7]
    medians, means = [line(ax, name) for name in ("v0", "v1")], lines(ax, "_mean")
    np.testing.assert_allclose(medians[0].get_ydata(), np.median(loss[0], axis=0))
    np.testing.assert_allclose(means[0].get_ydata(), loss[0].mean(axis=0))
    assert medians[0].get_linewidth() > means[0].get_linewidth() and means[0].get_linestyle() == "--"
    ordered = np.sort(np.where(np.isfinite(loss[1]), loss[1], np.inf), axis=0)
    np.testing.assert_allclose(medians[1].get_ydata(), np.where(np.isfinite(ordered[3]), ordered[3], np.nan))
    np.testing.assert_array_equal(np.isnan(means[1].get_ydata()), [False, False, False, True, True])


def test_thousands_of_starts_draw_two_hundred_lines_and_say_so():
    loss = np.random.default_rng(0).uniform(1, 2, (2, 4096, 40))
    ax = rendered(plot.curves(recorded(loss))).axes[0]
    assert [len(thin.get_segments()) for thin in collections(ax)] == [100, 100]
    assert ax.get_title() == "thin lines: 100 of 4096 starts"
    np.testing.assert_allclose(line(ax, "v1").get_ydata(), np.median(loss[1], axis=0))


def test_a_sweep_of_curves_has_a_color_bar_and_no_means(swept):
    figure = rendered(plot.curves(swept))
    ax, bar = figure.axes
    assert bar.get_ylabel() == "learning rate" and not lines(ax, "_mean") and len(collections(ax)) == 24
    assert words(figure)[:3] == ["GD", "momentum", "median"]


def test_curves_draws_a_component_an_observer_and_a_target(deep):
    run = tw.run(deep, methods.gradient_descent(0.01), steps=3, record={"size": lambda problem, x: jnp.linalg.norm(x)})
    ax = rendered(plot.curves(run, "x", component="b[1]")).axes[0]
    np.testing.assert_array_equal(line(ax, run.variant.values[0]).get_ydata(), run.x.values[0, 0, :, 3])
    assert ax.get_ylabel() == "b[1] [m]" and ax.get_title() == "deep"
    assert plot.curves(run, "y", component=1).axes[0].get_ylabel() == "y1"
    figure = rendered(plot.curves(run, "size", target=1.0))
    assert set(line(figure.axes[0], "target").get_ydata()) == {1.0}
    assert words(figure)[-1] == "target 1" and figure.axes[0].get_ylim()[0] < 1


def test_curves_refuses_what_it_cannot_draw(trace, physics):
    with pytest.raises(ValueError, match="variable is 'joy', but the trace has x, y, loss; choose one"):
        plot.curves(trace, "joy")
    with pytest.raises(ValueError, match="component is None, but x has '0', '1'; choose one of these labels"):
        plot.curves(trace, "x")
    with pytest.raises(ValueError, match="component is 2, but x has '0', '1'"):
        plot.curves(trace, "x", component=2)
    with pytest.raises(ValueError, match="component is 0, but loss has none, being a scalar; leave it out"):
        plot.curves(trace, component=0)
    with pytest.raises(ValueError, match="scale is 'cubic', but it is 'linear', 'log' or None"):
        plot.curves(trace, scale="cubic")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="loss has no positive value; choose scale='linear'"):
        plot.curves(recorded([[[-1.0, -2.0]]]), scale="log")
    with pytest.raises(ValueError, match="no loss by variant, start, step; give a Dataset that run"):
        plot.curves(trace.isel(step=0))


# landscape


def test_landscape_draws_contours_and_minima_over_the_domain():
    problem = tw.Problem(
        loss=lambda x: (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2,
        start=[-1.2, 1.0],
        minima=[[1.0, 1.0]],
        domain=([-2.0, -1.0], [2.0, 3.0]),
        units={"x": "m", "loss": "J"},
        name="Rosenbrock",
    )
    ax, bar = rendered(plot.landscape(problem)).axes
    assert ax.get_xlim() == (-2, 2) and ax.get_ylim() == (-1, 3)
    assert (ax.get_xlabel(), ax.get_ylabel(), bar.get_ylabel()) == ("x0 [m]", "x1 [m]", "loss [J]")
    assert [len(contours.levels) for contours in relief(ax)] == [LEVELS, LEVELS]
    np.testing.assert_array_equal(line(ax, "minimum").get_xydata(), [[1, 1]])
    other = plot.landscape(problem, domain=(-0.5, 0.5)).axes[0]
    assert other.get_xlim() == other.get_ylim() == (-0.5, 0.5)


@pytest.mark.slow
def test_landscape_as_surface_and_as_line(bowl):
    surface = rendered(plot.landscape(bowl, kind="surface")).axes[0]
    assert surface.name == "3d" and surface.get_zlabel() == "loss" and len(surface.collections) == 1
    one = tw.Problem(loss=lambda x: x[0] ** 4, start=[1.0], minima=[[0.0]], domain=(-1.0, 2.0))
    ax = rendered(plot.landscape(one)).axes[0]
    curve = line(ax, "loss").get_xydata()
    np.testing.assert_allclose(curve[:, 1], curve[:, 0] ** 4, atol=1e-5)
    assert ax.get_xlim() == (-1, 2)


def test_landscape_of_a_later_space_is_the_loss_of_the_rest(deep, physics):
    point = np.array([0.3, -0.2, 0.7, 1.1])
    found = tw.analysis.landscape(deep, ([0.0, 1.0], [2.0, 4.0]), "mid", (3, 0), at=point, points=50)
    expected = (found.second * 0.7 - 1) ** 2 + (-0.2 * found.first - 1) ** 2
    np.testing.assert_allclose(found.loss, expected.transpose("first", "second"), rtol=1e-4, atol=1e-5)
    ax = rendered(plot.landscape(physics, domain=([0.0, 0.0], [4.0, 10.0]), space="y")).axes[0]
    assert (ax.get_xlabel(), ax.get_ylim()) == ("y0", (0, 10))


ODD = {
    "constant": (lambda x: 3.0 + 0 * jnp.sum(x), False),
    "nowhere": (lambda x: jnp.nan * jnp.sum(x), False),
    "overflowing": (lambda x: jnp.exp(40 * x[0] ** 2) + jnp.log(x[1]), True),
    "negative": (lambda x: -jnp.exp(-jnp.sum(x**2)), True),
    "step": (lambda x: jnp.where(x[0] > 0, 1.0, 0.0), True),
    "below rounding": (lambda x: 1e6 + 1e-3 * jnp.sum(x), False),
}


@pytest.mark.parametrize(("loss", "has_relief"), ODD.values(), ids=ODD)
def test_any_landscape_can_be_drawn(loss, has_relief):
    odd = tw.Problem(loss=loss, start=[1.0, 1.0], domain=(-2.0, 2.0))
    figure = rendered(plot.landscape(odd))
    ax = figure.axes[0]
    assert ax.get_xlim() == ax.get_ylim() == (-2, 2)
    assert len(relief(ax)) == 2 * has_relief and len(figure.axes) == 1 + has_relief  # areas and lines, a color bar
    for contours in relief(ax):
        assert np.isfinite(contours.levels).all() and (np.diff(contours.levels) > 0).all()
        assert any(len(path.vertices) for path in contours.get_paths())


@pytest.mark.parametrize(("top", "faces"), [(0.0, 100 * 100), (jnp.inf, 49 * 100)], ids=["constant", "not finite"])
def test_an_odd_surface_can_be_drawn(top, faces):
    odd = tw.Problem(loss=lambda x: jnp.where(x[0] > 0, top, 0.0), start=[1.0, 1.0], domain=(-2.0, 2.0))
    ax = rendered(plot.landscape(odd, kind="surface")).axes[0]
    (surface,) = ax.collections
    assert len(surface.get_facecolor()) == faces  # one where the loss is finite at all four corners
    assert ax.get_xlim() == ax.get_ylim() == (-2, 2)
    assert -1 < ax.get_zlim()[0] < 0 < ax.get_zlim()[1] < 1


def test_levels_are_even_in_the_logarithm_of_height():
    side = np.linspace(-1, 1, 200)
    values = side**8 + 1e-4 * side[:, None] ** 2 - 7
    levels = contour_levels(values)
    assert len(levels) == LEVELS and values.min() < levels[0] and levels[-1] < values.max()
    ratios = np.diff(np.log(levels - values.min()))
    np.testing.assert_allclose(ratios, ratios.mean(), rtol=0.25)


def test_levels_are_even_in_height_where_most_of_it_is_high():
    side = np.linspace(-4, 4, 200)
    levels = contour_levels(-np.exp(-(side**2) - side[:, None] ** 2))
    assert 10 <= len(levels) <= LEVELS
    np.testing.assert_allclose(np.diff(levels), np.diff(levels)[0])


def test_rounding_is_no_relief():
    assert contour_levels(np.full((5, 5), 3.0, np.float32)).size == 0
    assert contour_levels(np.full((5, 5), np.nan)).size == 0
    assert contour_levels(np.float32(1e6) + np.float32(0.0625) * np.arange(9, dtype=np.float32)).size == 0


def test_landscape_refuses_what_it_cannot_draw(physics, bowl, deep):
    with pytest.raises(ValueError, match=r"no domain of x is known.*domain=\(low, high\) or state it in the Problem"):
        plot.landscape(physics)
    with pytest.raises(ValueError, match=r"no domain of y is known.*give domain=\(low, high\) in y"):
        plot.landscape(physics, space="y")
    with pytest.raises(ValueError, match="kind is 'map', but a landscape is a 'contour' or a 'surface'"):
        plot.landscape(bowl, kind="map")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="space is 'q', but 'deep' has x, mid, y"):
        plot.landscape(deep, space="q")
    with pytest.raises(ValueError, match=r"x has 5 components, but a landscape has two"):
        plot.landscape(deep, domain=(-1, 1))
    ax = rendered(plot.landscape(deep, domain=(-1, 1), components=("a[0]", "b[2]"))).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("a[0] [m]", "b[2] [m]")


# the house


def test_axis_labels():
    assert axis_label("x", "0", "") == "x0"
    assert axis_label("y1", "0", "") == "y1[0]"
    assert axis_label("x", "0,1", "m") == "x[0,1] [m]"
    assert axis_label("x", "b1", "s") == "b1 [s]"


def test_plots_import_no_jax():
    for file in Path(plot.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "jax" for name in names), file.name


def test_paths_over_a_landscape_that_was_given(physics, trace, bowl):
    """The box, the relief and the stars are those of the landscape; the paths those of the trace."""
    ground = tw.analysis.landscape(physics, ([-1.0, -1.0], [4.0, 4.0]))
    ax = rendered(plot.paths(trace, ground)).axes[0]
    assert (*ax.get_xlim(), *ax.get_ylim()) == (-1, 4, -1, 4) and len(relief(ax)) == 2
    np.testing.assert_array_equal(line(ax, "minimum").get_xydata(), [[0, 0]])
    np.testing.assert_array_equal(lines(ax, "_steps")[0].get_xydata(), trace.x.values[0, 0])
    assert rendered(plot.landscape(ground)).axes[0].get_xlim() == (-1, 4)
    with pytest.raises(ValueError, match=r"the landscape is in x of 'problem', which is not y of the trace; give ana"):
        plot.paths(trace, ground, space="y")
    with pytest.raises(ValueError, match="the Dataset is no landscape, with loss, minimum and minimum_loss; give the"):
        plot.paths(trace, trace)


@pytest.mark.slow
def test_figures_do_not_need_pyplot_or_change_its_settings(trace, physics):
    before = dict(matplotlib.rcParams)
    with ThreadPoolExecutor(2) as pool:
        figures = list(pool.map(lambda _: rendered(plot.paths(trace, physics)), range(2)))
    assert len({id(figure) for figure in figures}) == 2
    assert dict(matplotlib.rcParams) == before
    code = "import sys, thalweg.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
