"""Figures of the stability laboratory: what is drawn is what the Datasets hold."""

import time

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from figures import line, rendered
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.image import AxesImage

import thalweg as tw
from thalweg import methods, plot
from thalweg.analysis.view import is_geometric
from thalweg.plot.basins import AREAS, NONE
from thalweg.plot.style import cell_edges

SWEPT = np.linspace(0.02, 0.22, 60)


def all_lines(ax, label):
    return [line for line in ax.get_lines() if line.get_label() == label]


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def ragged(x):
    return x[0] ** 2 + 0.05 * jnp.sin(30 * x[0]) - 0.2


@pytest.fixture(scope="module")
def rough():
    return tw.Problem(loss=ragged, start=[0.7], domain=(-1.0, 1.0), name="rough")


@pytest.fixture(scope="module")
def diagram(rough):
    """The late iterates of a run, in the schema of ``analysis.bifurcation``."""
    swept = tw.sweep(methods.gradient_descent(0.1), learning_rate=SWEPT)
    late = tw.run(rough, {"GD": swept}, steps=400).isel(start=0, step=slice(-100, None))
    return late.rename(step="iterate")[["x", "loss"]]


@pytest.fixture(scope="module")
def exponents(diagram):
    """log |1 - lr L''| in the mean over the path."""
    x, rate = diagram.x.values[..., 0].astype(float), diagram.learning_rate.values
    mean = np.log(np.abs(1 - rate[:, None] * (2 - 45 * np.sin(30 * x)))).mean(axis=1)
    columns = {name: column for name, column in diagram.coords.items() if column.dims == ("variant",)}
    return xr.DataArray(mean[:, None], dims=("variant", "exponent"), coords=columns)


# bifurcation


def test_bifurcation_draws_each_late_iterate_over_its_learning_rate(diagram):
    (ax,) = rendered(plot.bifurcation(diagram, doublings=[0.05, 0.06])).axes
    dots = line(ax, "GD").get_xydata()
    np.testing.assert_array_equal(dots[:, 0], np.repeat(SWEPT, 100).astype(diagram.learning_rate.dtype))
    np.testing.assert_array_equal(dots[:, 1], diagram.x.values.ravel())
    assert line(ax, "GD").get_rasterized()
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("learning rate", "x0", "rough, GD")
    assert ax.get_xlim() == pytest.approx((0.02, 0.22)) and ax.get_xscale() == "linear"  # eleven-fold, but even
    assert [mark.get_xdata()[0] for mark in all_lines(ax, "_doubling")] == [0.05, 0.06]


def test_bifurcation_shades_chaos_below(diagram, exponents):
    top, below = rendered(plot.bifurcation(diagram, exponents)).axes
    np.testing.assert_array_equal(line(below, "GD").get_ydata(), exponents.values[:, 0])
    assert set(line(below, "_zero").get_ydata()) == {0}
    (shade,) = [area for area in below.collections if area.get_label() == "_chaos"]
    vertices = np.concatenate([path.vertices for path in shade.get_paths()])
    assert vertices[:, 1].min() == 0 and vertices[:, 1].max() == pytest.approx(exponents.values.max())
    stable = SWEPT[exponents.values[:, 0] < 0]
    assert len(stable) > 5 and vertices[:, 0].min() > 0.06 > stable.min()
    assert top.get_xlim() == below.get_xlim() and below.get_xlabel() == "learning rate"


def test_bifurcation_frames_what_stays_and_counts_what_is_lost(diagram):
    x = diagram.x.values.astype(float).copy()
    x[-5:] = np.nan
    x[-10:-5] = (10.0 ** np.arange(100))[:, None]
    wild = diagram.assign(x=(diagram.x.dims, x))
    ax = rendered(plot.bifurcation(wild)).axes[0]
    assert ax.get_ylim()[0] > -3 and ax.get_ylim()[1] < 3
    assert ax.get_title() == "rough, GD\nno finite iterate: 5 of 60 variants"


def test_bifurcation_of_geometric_steps_is_logarithmic_and_colors_methods(diagram):
    names = ["GD"] * 30 + ["momentum"] * 30
    spread = diagram.assign_coords(learning_rate=("variant", np.geomspace(1e-3, 1, 60)), method=("variant", names))
    figure = rendered(plot.bifurcation(spread, component="0"))
    (ax,) = figure.axes
    assert ax.get_xscale() == "log" and words(figure) == ["GD", "momentum"]
    assert line(ax, "GD").get_color() != line(ax, "momentum").get_color()


def test_four_hundred_thousand_iterates_are_drawn_at_once():
    x = np.random.default_rng(0).normal(size=(2000, 200, 1))
    many = xr.Dataset({"x": (("variant", "iterate", "x_dim"), x)}, {"x_dim": ["0"]})
    many = many.assign_coords(learning_rate=("variant", np.linspace(0.1, 1, 2000)))
    start = time.process_time()
    rendered(plot.bifurcation(many))
    assert time.process_time() - start < 20  # patches or thick markers would take minutes


def test_bifurcation_refuses_what_it_cannot_draw(diagram, exponents):
    with pytest.raises(ValueError, match="but a diagram has x by variant, iterate and x_dim; give what"):
        plot.bifurcation(diagram.rename(iterate="step"))
    with pytest.raises(ValueError, match="no hyperparameter of the diagram has three different values"):
        plot.bifurcation(diagram.isel(variant=slice(0, 2)))
    with pytest.raises(ValueError, match="component is 'b', but x has '0'; choose one of these labels or an index"):
        plot.bifurcation(diagram, component="b")
    with pytest.raises(ValueError, match="its variants and exponents are drawn along learning_rate; give what"):
        plot.bifurcation(diagram, exponents.drop_vars("learning_rate"))


# basins


def labeled(label, minima, first_x, grid=0, variants=("GD",)):
    label, minima = np.atleast_2d(label), np.asarray(minima, float)
    share = np.array([[np.mean(row == k) for k in range(len(minima))] for row in label])
    data = {
        "label": (("variant", "start"), label),
        "minimum": (("label", "x_dim"), minima),
        "share": (("variant", "label"), share),
        "basin_entropy": ("variant", np.full(len(label), 0.5)),
        "boundary_entropy": ("variant", np.full(len(label), np.nan)),
        "first_x": (("start", "x_dim"), np.asarray(first_x, float)),
    }
    names = [str(i) for i in range(minima.shape[1])]
    return xr.Dataset(data, {"variant": list(variants), "x_dim": names}, {"grid": grid, "problem": "toy"})


@pytest.fixture(scope="module")
def quarters():
    """A grid of 8 x 8: label 0 in x0 < 0 (but one start lost), 1 where also x1 > 0.5, 2 else."""
    starts = tw.starts.grid(([-1.0, -2.0], [1.0, 2.0]), 8)
    label = np.where(starts[:, 0] < 0, np.where(starts[:, 1] > 1, 1, 0), 2)
    label[0] = -1
    return labeled(label, [[-0.5, 0.0], [-0.5, 1.5], [0.5, 0.0]], starts, grid=8)


def test_basins_of_a_grid_are_an_image_with_the_right_side_up(quarters):
    figure = rendered(plot.basins(quarters))
    (ax,) = figure.axes
    (image,) = [artist for artist in ax.get_images() if isinstance(artist, AxesImage)]
    assert image.get_extent() == pytest.approx((-1 - 1 / 7, 1 + 1 / 7, -2 - 2 / 7, 2 + 2 / 7))
    colors = image.to_rgba(image.get_array())
    left, bottom, width = -1 - 1 / 7, -2 - 2 / 7, 2 / 7
    for start, label in zip(quarters.first_x.values, quarters.label.values[0], strict=True):
        column, row = int((start[0] - left) / width), int((start[1] - bottom) / (2 * width))
        assert to_hex(colors[row, column]).upper() == (AREAS[label] if label >= 0 else NONE.upper())
    np.testing.assert_array_equal(line(ax, "minimum").get_xydata(), quarters.minimum.values)
    assert ax.get_title() == "toy, GD\nentropy of the basin 0.5"
    assert words(figure) == [  # each share beside its own minimum, whichever is the largest
        *("(\N{MINUS SIGN}0.5, 0): 35.9 %", "(\N{MINUS SIGN}0.5, 1.5): 12.5 %", "(0.5, 0): 50 %"),
        *("none reached", "minimum"),
    ]


@pytest.mark.parametrize("other, told", [(3e-30, "0"), (1e-6, "1e\N{MINUS SIGN}06")])
def test_a_component_of_rounding_is_told_as_zero(quarters, other, told):
    ends = quarters.minimum.where(quarters.minimum != 0, other)
    assert words(plot.basins(quarters.assign(minimum=ends)))[2] == f"(0.5, {told}): 50 %"


def test_basins_of_saddle_points_and_maxima_get_no_star(quarters):
    flags = {"flag_values": [0, 1, 2], "flag_meanings": "minimum saddle maximum"}
    kinds = quarters.assign(end=quarters.minimum, kind=("label", [2, 0, 1], flags))
    kinds["minimum"] = quarters.minimum.where(kinds.kind == 0)
    for given in (kinds, kinds.isel(variant=0)):
        figure = rendered(plot.basins(given))
        for name, k in (("maximum", 0), ("minimum", 1), ("saddle point", 2)):
            mark = line(figure.axes[0], name)
            np.testing.assert_array_equal(mark.get_xydata(), quarters.minimum.values[[k]])
            assert (mark.get_marker() == "*") == (name == "minimum")
        assert words(figure)[0] == "(\N{MINUS SIGN}0.5, 0): 35.9 %"  # of the maximum
        assert words(figure)[-3:] == ["minimum", "saddle point", "maximum"]
    unsure = kinds.kind // 2
    unsure.attrs = {"flag_values": [0, 1], "flag_meanings": "minimum saddle_or_maximum"}
    assert words(rendered(plot.basins(kinds.assign(kind=unsure))))[-1] == "saddle point or maximum"


def test_basins_of_other_starts_are_dots(quarters):
    some = quarters.isel(start=[5, 3, 0, 60, 7])
    (ax,) = rendered(plot.basins(some, "GD")).axes
    (dots,) = ax.collections
    assert not ax.get_images()
    found = {
        tuple(point): to_hex(color).upper()
        for point, color in zip(dots.get_offsets(), dots.get_facecolors(), strict=True)
    }
    for start, label in zip(some.first_x.values, some.label.values[0], strict=True):
        assert found[tuple(start)] == (AREAS[label] if label >= 0 else NONE.upper())


def test_basins_of_one_component_are_a_strip_for_each_variant():
    starts = np.linspace(-1, 1, 11)[::-1, None]
    label = np.array([(starts[:, 0] > 0.1).astype(int), np.full(11, -1)])
    figure = rendered(plot.basins(labeled(label, [[-0.5], [0.5]], starts, variants=("slow", "fast"))))
    (ax,) = figure.axes
    (mesh,) = [artist for artist in ax.collections if isinstance(artist, QuadMesh)]
    np.testing.assert_array_equal(mesh.get_array(), [[0] * 6 + [1] * 5, [-1] * 11])
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], np.linspace(-1.1, 1.1, 12))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["slow", "fast"]
    assert words(figure)[:2] == ["\N{MINUS SIGN}0.5: 54.5, 0 %", "0.5: 45.5, 0 %"] and ax.get_ylim() == (1.5, -0.5)


def test_many_basins_are_colored_along_their_label():
    minima = tw.starts.grid((-1.0, 1.0, -1.0, 1.0)[:2], 5)[:, [0]].repeat(2, axis=1)
    figure = rendered(
        plot.basins(labeled(np.arange(25) % 5, np.tile(minima, (5, 1)), tw.starts.grid(([0, 0], [1, 1]), 5), 5))
    )
    assert figure.axes[1].get_ylabel() == "label of the minimum" and words(figure) == ["minimum"]


def test_basins_draws_a_real_map():
    problem = tw.problems.himmelblau()
    starts, minima = tw.starts.grid(problem.domain, 20), np.asarray(problem.minima)
    ends = tw.run(problem, methods.gradient_descent(0.01), starts=starts, steps=200).x.values[0, :, -1]
    distance = np.linalg.norm(ends[:, None] - minima, axis=-1)
    found = labeled(np.where(distance.min(1) < 0.1, distance.argmin(1), -1), minima, starts, 20)
    image = rendered(plot.basins(found)).axes[0].get_images()[0].get_array()
    for k, minimum in enumerate(minima):
        column, row = np.round((minimum + 5) / 10 * 19).astype(int)
        assert image[row, column] == k  # each minimum lies in its own basin


def test_basins_refuses_what_it_cannot_draw(quarters):
    with pytest.raises(ValueError, match="does not have label, minimum and first_x, but basins are drawn from them"):
        plot.basins(quarters.drop_vars("first_x"))
    with pytest.raises(ValueError, match="variant is 'Newton', but the labels have 'GD'; choose one of them"):
        plot.basins(quarters, "Newton")
    many = quarters.isel(variant=[0] * 7)
    with pytest.raises(
        ValueError, match="7 variants, but a figure has at most 6 panels; choose one, such as variant='GD'"
    ):
        plot.basins(many)
    deep = labeled([0, 0], [[0.0, 0.0, 0.0]], np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"3 components, but basins are drawn in one or two; .*isel\(x_dim=\[0, 1\]\)"):
        plot.basins(deep)


# rates and stability


@pytest.fixture(scope="module")
def measured():
    """Errors 0.9^k and 0.5^k from three starts, and one that is squared at each step."""
    steps = np.arange(60)
    lanes = np.stack([0.9**steps, 0.5**steps, 1e-300 + 0.5 ** np.minimum(2.0**steps, 1000)])
    error = lanes[:, None] * np.array([1.0, 2.0, 4.0])[:, None]
    rate = np.array([0.9, 0.5, np.nan])[:, None] * np.ones(3)
    data = {
        "error": (("variant", "start", "step"), error),
        "rate": (("variant", "start"), rate),
        "order": (("variant", "start"), np.array([1.0, 1.0, 2.0])[:, None] * np.ones(3)),
        "theory_rate": ("variant", [0.91, np.nan, np.nan]),
        "theory_order": ("variant", [1.0, np.nan, 2.0]),
    }
    return xr.Dataset(data, {"variant": ["GD", "odd", "Newton"], "step": steps}, {"problem": "toy"})


def test_rates_draws_errors_with_the_slopes_measured_and_of_theory(measured):
    figure = rendered(plot.rates(measured))
    (ax,) = figure.axes
    assert ax.get_yscale() == "log" and ax.get_title() == "toy"
    assert words(figure) == [
        *("GD: rate 0.9 (0.91), order 1 (1)", "odd: rate 0.5, order 1", "Newton: order 2 (2)"),
        *("measured rate", "theory (in brackets)"),
    ]
    fits, theories = all_lines(ax, "_measured"), all_lines(ax, "_theory")
    np.testing.assert_allclose(fits[0].get_ydata(), line(ax, "GD").get_ydata(), rtol=1e-9)  # it lies on its errors
    slope = np.diff(np.log(theories[0].get_ydata()))
    np.testing.assert_allclose(slope[np.isfinite(slope)], np.log(0.91), rtol=1e-9)
    assert theories[0].get_linestyle() == "--" and np.isnan(theories[1].get_ydata()).all()
    squared = theories[2].get_ydata()
    np.testing.assert_allclose(np.log(squared[1:9]), -np.log(2) * 2.0 ** np.arange(1, 9), rtol=1e-6)
    thin = [artist for artist in ax.collections if isinstance(artist, LineCollection)]
    assert [len(bunch.get_segments()) for bunch in thin] == [3, 3, 3]


def test_rates_leaves_the_frame_to_paths_that_converge(measured):
    wild = measured.copy(deep=True)
    wild.error[1] = 2.0**wild.step
    assert rendered(plot.rates(wild.isel(variant=[0, 1]))).axes[0].get_ylim()[1] < 1e5
    one = rendered(plot.rates(measured.isel(start=0))).axes[0]
    np.testing.assert_allclose(line(one, "GD").get_ydata(), 0.9 ** np.arange(60))


def test_rates_refuses_what_it_cannot_draw(measured):
    with pytest.raises(ValueError, match="the Dataset has no error and rate, but both are drawn; give what"):
        plot.rates(measured.drop_vars("rate"))
    with pytest.raises(ValueError, match="no error is positive and finite, but they are drawn on a logarithmic axis"):
        plot.rates(measured.assign(error=0 * measured.error))


@pytest.fixture(scope="module")
def sharpened():
    """Sharpness k + 1 against limits 5.5 and 100, and one unknown."""
    sharpness = np.broadcast_to(np.arange(1.0, 11.0), (3, 2, 10)).copy()
    sharpness[1, 1, 5:] = np.nan
    data = {
        "sharpness": (("variant", "start", "step"), sharpness, {"units": "J/m2"}),
        "limit": ("variant", [5.5, 100.0, np.nan]),
        "crossing": (("variant", "start"), [[10, -1], [-1, -1], [-1, -1]]),
    }
    names = ["fast", "slow", "adam"]
    return xr.Dataset(data, {"variant": names, "start": [0, 1], "step": 2 * np.arange(10)}, {"problem": "toy"})


def test_stability_draws_sharpness_its_limit_and_where_it_crosses(sharpened):
    figure = rendered(plot.stability(sharpened))
    (ax,) = figure.axes
    drawn = [artist for artist in ax.collections if isinstance(artist, LineCollection)]
    assert [artist.get_label() for artist in drawn] == ["fast", "slow", "adam"]
    np.testing.assert_array_equal(drawn[0].get_segments()[1], np.column_stack([2 * np.arange(10), np.arange(1, 11)]))
    limits = all_lines(ax, "_limit")
    assert [limit.get_ydata()[0] for limit in limits] == [5.5, 100]
    assert limits[0].get_linestyle() == "--"
    assert limits[0].get_color() == to_hex(drawn[0].get_color()[0], keep_alpha=False).upper()
    marks = [mark.get_xydata().tolist() for mark in all_lines(ax, "_crossing")]
    assert marks == [[[10, 6]], [], []]
    assert words(figure) == ["fast", "slow", "adam", "limit of stability", "first above it"]
    assert ax.get_ylabel() == "sharpness [J/m2]" and ax.get_ylim()[1] > 100
    alone = rendered(plot.stability(sharpened.isel(start=0, variant=0))).axes[0]
    assert [limit.get_ydata()[0] for limit in all_lines(alone, "_limit")] == [5.5]


def test_stability_spanning_decades_is_logarithmic_and_thins_starts(sharpened):
    wide = sharpened.assign(sharpness=10**sharpened.sharpness).isel(start=[0] * 50)
    (ax,) = rendered(plot.stability(wide)).axes
    assert ax.get_yscale() == "log" and ax.get_title() == "toy\n20 of 50 starts"
    with pytest.raises(ValueError, match="does not have sharpness, limit and crossing, but they are drawn; give what"):
        plot.stability(sharpened.drop_vars("limit"))


# heat map


@pytest.fixture(scope="module")
def grid():
    """Momentum on a bowl, 7 learning rates by 4 momenta, from three starts; the largest learning rates diverge."""
    bowl = tw.Problem(loss=lambda x: x[0] ** 2 + 10 * x[1] ** 2, start=[1.0, 1.0], domain=(-2.0, 2.0), name="bowl")
    rates, momenta = np.geomspace(1e-3, 1e3, 7), [0.0, 0.3, 0.6, 0.9]
    swept = tw.sweep(methods.momentum(0.1, 0.5), learning_rate=rates, momentum=momenta)
    return tw.run(
        bowl, {"momentum": swept, "GD": methods.gradient_descent(0.01)}, tw.starts.uniform(bowl.domain, 3), 60
    )


def test_heatmap_is_the_median_last_loss_of_each_cell(grid):
    figure = rendered(plot.heatmap(grid))
    ax, bar = figure.axes
    (mesh,) = [artist for artist in ax.collections if isinstance(artist, QuadMesh)]
    last = grid.loss.values[:28, :, -1].astype(float)
    median = np.median(np.where(np.isfinite(last), last, np.inf), axis=1).reshape(7, 4).T
    cells = np.ma.getdata(mesh.get_array()).reshape(4, 7)
    shown = ~np.ma.getmaskarray(mesh.get_array()).reshape(4, 7)
    np.testing.assert_array_equal(shown, np.isfinite(median))
    assert 8 <= shown.sum() < 28
    np.testing.assert_allclose(cells[shown], median[shown])
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], np.geomspace(10**-3.5, 10**3.5, 8), rtol=1e-5)
    np.testing.assert_allclose(mesh.get_coordinates()[:, 0, 1], np.arange(-0.15, 1.1, 0.3), atol=1e-6)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert isinstance(mesh.norm, LogNorm) and bar.get_ylabel() == "median loss after step 60"
    star = line(ax, "best").get_xydata()[0]
    row, column = np.unravel_index(np.nanargmin(median), median.shape)
    np.testing.assert_allclose(star, [np.geomspace(1e-3, 1e3, 7)[column], [0, 0.3, 0.6, 0.9][row]], rtol=1e-6)
    assert ax.get_title().startswith("bowl, momentum\nbest ")


def test_heatmap_hatches_the_cells_that_diverged(grid):
    figure = rendered(plot.heatmap(grid))
    (hatched,) = [patch for patch in figure.axes[0].patches if patch.get_label() == "_diverged"]
    (mesh,) = [artist for artist in figure.axes[0].collections if isinstance(artist, QuadMesh)]
    assert hatched.get_hatch() and words(figure) == ["best", "not finite"]
    assert len(hatched.get_path().vertices) >= 5 * np.ma.getmaskarray(mesh.get_array()).sum() > 0
    assert hatched.get_path().contains_point((1e3, 0.0)) and not hatched.get_path().contains_point((1e-3, 0.0))


def test_heatmap_of_lost_runs_and_of_an_observer(grid):
    lost = grid.assign(loss=grid.loss * np.nan)
    figure = rendered(plot.heatmap(lost))
    assert len(figure.axes) == 1 and words(figure) == ["not finite"]
    flat = grid.assign(height=1 + 0 * grid.loss.fillna(0).clip(0, 1))
    (mesh,) = [artist for artist in rendered(plot.heatmap(flat, variable="height")).axes[0].collections]
    assert type(mesh.norm) is Normalize


def test_heatmap_refuses_what_it_cannot_draw(grid):
    one = grid.isel(variant=grid.momentum.values == 0)
    with pytest.raises(ValueError, match="momentum has 1 value where learning_rate is known, but a heat map needs two"):
        plot.heatmap(one)
    with pytest.raises(ValueError, match="'momenta' is not a hyperparameter of the trace; did you mean 'momentum'"):
        plot.heatmap(grid, y="momenta")
    with pytest.raises(ValueError, match="variable is 'x', but the trace has loss; choose one of them"):
        plot.heatmap(grid, variable="x")
    with pytest.raises(ValueError, match=r"56 variants in 28 cells of learning_rate and momentum.*select some"):
        plot.heatmap(grid.isel(variant=[*range(28), *range(28)]))


def test_cells_meet_halfway():
    np.testing.assert_allclose(cell_edges(np.array([1.0, 2.0, 4.0])), [0.5, 1.5, 3.0, 5.0])
    np.testing.assert_allclose(cell_edges(np.array([1.0, 10.0, 100.0])), 10.0 ** np.array([-0.5, 0.5, 1.5, 2.5]))
    assert is_geometric(np.geomspace(1, 20, 5)) and not is_geometric(np.linspace(1, 20, 5))
    assert not is_geometric(np.geomspace(1, 9, 5)) and not is_geometric(np.array([0.0, 1.0, 100.0]))


# landscape and predictions


def test_landscape_marks_stationary_points(rough):
    data = {
        "x": ("point", [-0.5, 0.0, 0.25]),
        "loss": ("point", [0.1, -0.2, 0.0]),
        "kind": ("point", np.array([1, 0, 2], np.int8), {"flag_meanings": "minimum maximum inflection"}),
    }
    ax = rendered(plot.landscape(rough, stationary=xr.Dataset(data))).axes[0]
    for label, marker, at in (("maximum (1)", "v", -0.5), ("minimum (1)", "^", 0.0), ("inflection (1)", "s", 0.25)):
        mark = line(ax, label)
        assert mark.get_marker() == marker and mark.get_xdata() == [at]
    assert len(ax.get_legend().get_texts()) == 3
    bowl = tw.Problem(loss=lambda x: jnp.sum(x**2), start=[1.0, 1.0], domain=(-1.0, 1.0))
    with pytest.raises(ValueError, match="x has 2 components, and they are marked on a line; leave them out"):
        plot.landscape(bowl, stationary=xr.Dataset(data))


T = np.linspace(0, 4, 30)[::-1]
SEEN = 2 * np.exp(-1.3 * T)


@pytest.fixture(scope="module")
def decay():
    t = jnp.asarray(T)
    return tw.Problem(
        lambda b: b[0] * jnp.exp(-b[1] * t), loss=tw.SquaredError(jnp.asarray(SEEN)), start=[1.0, 0.5], name="decay"
    )


@pytest.fixture(scope="module")
def fitted(decay):
    rates = {"slow": methods.gradient_descent(1e-3), "fast": methods.gradient_descent(0.05)}
    return tw.run(decay, rates, starts=[[1.0, 0.5], [3.0, 1.0]], steps=120)


def test_predictions_draws_a_line_a_step_over_what_was_observed(fitted):
    figure = rendered(plot.predictions(fitted, T, SEEN))
    ax, bar = figure.axes
    np.testing.assert_array_equal(line(ax, "observed").get_xydata(), np.column_stack([T, SEEN]))
    last = line(ax, "last").get_xydata()
    np.testing.assert_array_equal(last[:, 0], T[::-1])
    np.testing.assert_array_equal(last[:, 1], fitted.y.values[1, 0, -1, ::-1])  # the best variant, along t
    (steps,) = [artist for artist in ax.collections if isinstance(artist, LineCollection)]
    segments = steps.get_segments()
    assert len(segments) == 50 and ax.get_title() == "decay, fast\n50 of 121 steps"
    np.testing.assert_array_equal(segments[0][:, 1], fitted.y.values[1, 0, 0, ::-1])
    assert len({tuple(color) for color in steps.get_colors()}) == 50
    assert bar.get_ylabel() == "step" and bar.get_ylim() == (0, 120)


def test_predictions_takes_a_variant_and_a_start(fitted):
    few = fitted.isel(step=slice(0, 5))
    ax = rendered(plot.predictions(few, T, SEEN, variant="slow", start=1)).axes[0]
    np.testing.assert_array_equal(line(ax, "last").get_ydata(), fitted.y.values[0, 1, 4, ::-1])
    assert ax.get_title() == "decay, slow" and len(ax.collections[0].get_segments()) == 5


def test_predictions_refuses_what_it_cannot_draw(fitted):
    with pytest.raises(ValueError, match=r"t has shape \(3,\), but y has 30 components; give one number for each"):
        plot.predictions(fitted, [1, 2, 3], SEEN)
    with pytest.raises(ValueError, match="observed has the value 'many', but y has 30 components"):
        plot.predictions(fitted, T, "many")
    with pytest.raises(ValueError, match="space is 'z', but the trace has x, y; choose one"):
        plot.predictions(fitted, T, SEEN, space="z")
    with pytest.raises(ValueError, match="variant is 'GD', but the trace has 'slow', 'fast'; choose one"):
        plot.predictions(fitted, T, SEEN, variant="GD")
    with pytest.raises(ValueError, match="start is 2, but the trace has 0 to 1; choose one"):
        plot.predictions(fitted, T, SEEN, start=2)
