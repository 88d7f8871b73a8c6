"""Views of training: against seconds, a step in all spaces, and a sweep."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from figures import line, lines, rendered
from matplotlib.colors import to_hex
from matplotlib.quiver import Quiver

import thalweg as tw
from thalweg import methods, plot
from thalweg.analysis import timing
from thalweg.analysis.view import PALETTE
from thalweg.methods.sweeps import hyperparameters
from thalweg.verbs import run as runs


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.fixture(scope="module")
def bowl():
    return tw.Problem(loss=lambda x: x[0] ** 2 + 10 * x[1] ** 2, start=[1.0, 1.0], domain=(-2.0, 2.0), name="bowl")


THREE = {"GD": tw.sweep(methods.gradient_descent(0.1), learning_rate=[0.01, 0.02]), "Newton": methods.Newton()}


# seconds


def test_the_difference_of_a_long_and_a_short_run_in_turn(bowl, monkeypatch):
    """A clock with a start-up of 7 s and a cost by variant, which something else disturbs in one of three repeats."""
    asked = []
    costs = {0.01: 2.0, 0.02: 3.0, 1.0: 5.0}

    def follow(task, steps, since, every, **_):
        ((name, method),) = task.methods.items()
        rate = hyperparameters(method)["learning_rate"].item()
        assert task.problem is bowl and (since, every) == (steps, 1)
        asked.append((name, rate, steps))
        disturbed = 1000 * (len(asked) in (10, 11, 12))
        return SimpleNamespace(attrs={"run_seconds": 7 + steps * costs[rate] + disturbed})

    monkeypatch.setattr(timing, "follow", follow)
    found = tw.analysis.step_seconds(bowl, THREE, steps=20, repeats=3)
    np.testing.assert_allclose(found, [2, 3, 5])
    each = [("GD", 0.01), ("GD", 0.02), ("Newton", 1.0)]
    assert asked[:3] == [(*one, 2) for one in each]  # warm
    assert asked[3:] == 3 * [(*one, steps) for one in each for steps in (22, 2)]
    assert (found.name, found.dims, found.attrs) == ("time", ("variant",), {"units": "s"})


def test_load_that_leaves_one_run_of_each_alone_costs_nothing(bowl, monkeypatch):
    """Others make four runs of five last up to ten times as long."""
    load, asked = np.random.default_rng(0).uniform(1, 10, 100), []

    def follow(task, steps, *_, **__):
        ((_, method),) = task.methods.items()
        rate = hyperparameters(method)["learning_rate"].item()
        asked.append((rate, steps))
        quiet = len([one for one in asked if one == (rate, steps)]) == (3 if steps > 2 else 5)
        return SimpleNamespace(attrs={"run_seconds": (0.1 + 0.03 * steps) * (1 if quiet else load[len(asked)])})

    monkeypatch.setattr(timing, "follow", follow)
    np.testing.assert_allclose(tw.analysis.step_seconds(bowl, THREE, steps=20), 0.03)


@pytest.mark.parametrize(("step", "calls"), [(10.0, 3 * 3 + 3), (0.5, 3 * 3 + 30), (1e-4, None)])
def test_a_measurement_ends_in_time_however_long_a_step_takes(step, calls, bowl, monkeypatch, capsys):
    now, asked = [0.0], []

    def follow(task, steps, *_, **__):
        asked.append(now[0])
        now[0] += 0.001 + step * steps
        return SimpleNamespace(attrs={"run_seconds": 0.001 + step * steps})

    monkeypatch.setattr(timing, "follow", follow)
    monkeypatch.setattr(timing, "perf_counter", lambda: now[0])
    found = tw.analysis.step_seconds(bowl, THREE, max_seconds=60, progress=True)
    np.testing.assert_allclose(found, step)
    once = 3 * (2 + 3) * step + 1  # what every variant takes at least
    assert now[0] <= 60 + once + 3 * 3 * step and (calls is None or len(asked) <= calls)
    assert "measurements" in capsys.readouterr().err
    with pytest.raises(ValueError, match="max_seconds"):
        tw.analysis.step_seconds(bowl, THREE, max_seconds=0)


def test_an_interrupted_measurement_ends(bowl, monkeypatch):
    cut = SimpleNamespace(attrs={"run_seconds": 1.0, "interrupted": 1})
    monkeypatch.setattr(timing, "follow", lambda *_, **__: cut)
    with pytest.raises(KeyboardInterrupt):
        tw.analysis.step_seconds(bowl, THREE)


def test_seconds_of_a_run_have_its_variants_and_are_measured_warm(bowl, compiled, monkeypatch):
    programs = []

    def follow(*given, **options):
        trace = runs.follow(*given, **options)
        programs.append(len(compiled))
        return trace

    monkeypatch.setattr(timing, "follow", follow)
    starts = [[1.0, 1.0], [2.0, 0.5]]
    found = tw.analysis.step_seconds(bowl, THREE, starts, steps=3, repeats=2)
    assert programs[0] == programs[1] < programs[2]  # one for all variants of a method
    assert len(programs) == 15 and len(set(programs[2:])) == 1
    trace = tw.run(bowl, THREE, starts, steps=1)
    assert sorted(found.coords) == ["damping", "learning_rate", "method", "rule", "variant"]
    for name in found.coords:
        np.testing.assert_array_equal(found[name], trace[name])
    with pytest.raises(ValueError, match="steps is 0, but it must be a whole number of at least 1"):
        tw.analysis.step_seconds(bowl, THREE, steps=0)
    with pytest.raises(ValueError, match="repeats is 0"):
        tw.analysis.step_seconds(bowl, THREE, repeats=0)


def test_curves_against_seconds(bowl):
    trace = tw.run(bowl, THREE, [[1.0, 1.0], [2.0, 0.5]], steps=12, every=4)
    found = xr.DataArray([0.5, 0.25, 3.0], {"variant": trace.variant}, ["variant"], "time", {"units": "s"})
    plain, ax = rendered(plot.curves(trace)).axes[0], rendered(plot.curves(trace, against=found[::-1])).axes[0]
    assert (plain.get_xlabel(), ax.get_xlabel()) == ("step", "time [s]")
    for i, label in enumerate(trace.variant.values):
        np.testing.assert_array_equal(line(plain, label).get_xdata(), [0, 4, 8, 12])
        np.testing.assert_allclose(line(ax, label).get_xdata(), found.values[i] * np.array([0, 4, 8, 12]))
        np.testing.assert_array_equal(line(ax, label).get_ydata(), line(plain, label).get_ydata())
    thin = next(c for c in ax.collections if c.get_label() == "_starts").get_segments()[0]
    np.testing.assert_allclose(thin[:, 0], line(ax, trace.variant.values[0]).get_xdata())
    assert ax.get_xlim() == (0, 36) and plain.get_xlim() == (0, 12)
    assert ax.get_xscale() == "symlog" and plain.get_xscale() == "linear"
    assert rendered(plot.curves(trace, against=found.clip(max=2.5))).axes[0].get_xscale() == "linear"
    one = rendered(plot.curves(trace.isel(variant=1), against=found)).axes[0]
    assert one.get_xlim() == (0, 3)


def test_curves_refuses_seconds_that_are_none(bowl):
    trace = tw.run(bowl, THREE, steps=2)
    found = xr.DataArray([0.5, -0.25, 3.0], {"variant": trace.variant}, ["variant"], "time")
    with pytest.raises(ValueError, match=r"against has -0.25 for variant 'GD learning_rate=0.02', but a step costs"):
        plot.curves(trace, against=found)
    with pytest.raises(ValueError, match=r"against has nan for variant 'Newton'"):
        plot.curves(trace, against=abs(found[:2]))


# a step in all spaces

MIX = np.array([[2.0, 1.0], [-1.0, 0.5]], np.float32)
EXAMPLES = {"input": np.random.default_rng(1).normal(size=(40, 2)).astype(np.float32)}
EXAMPLES["target"] = EXAMPLES["input"] @ MIX.T


def learning(forward=lambda u: MIX @ u, examples=EXAMPLES, batch_size=36):
    """A linear network of four parameters in front of physics from two components."""
    physics = tw.Problem(
        tw.Stage(forward),
        loss=lambda y, e: jnp.sum((y - e["target"]) ** 2),
        start=np.zeros(2),
        data=jax.tree.map(lambda leaf: leaf[0], examples),
        name="mix",
        units={"y": "m"},
    )
    start = {"w": np.array([[0.5, 0.2], [0.1, 0.3]], np.float32)}
    return tw.training.problem(physics, lambda p, e: p["w"] @ e["input"], start, examples, batch_size)


@pytest.fixture(scope="module")
def mix():
    return learning()


SEVERAL = {"GD": methods.gradient_descent(0.02), "Adam": methods.adam(0.05)}


@pytest.fixture(scope="module")
def mixed(mix):
    rates = tw.sweep(methods.gradient_descent(0.02), learning_rate=[0.02, 0.05])
    return tw.run(mix, {**SEVERAL, "GD": rates}, steps=6, every=2)


def quivers(ax):
    return [artist for artist in ax.collections if isinstance(artist, Quiver)]


def arrows(ax):
    """Tails and heads of the arrows of each variant, shapes (variant, n, 2)."""
    tails = [np.column_stack([quiver.X, quiver.Y]) for quiver in quivers(ax)]
    moves = [np.column_stack([quiver.U, quiver.V]) for quiver in quivers(ax)]
    return np.array(tails), np.array(tails) + moves


def test_a_step_is_drawn_in_all_spaces(mix, mixed):
    """Every arrow goes from the recorded row to the next, example by example, and every target is a cross."""
    figure = rendered(plot.training_step(mixed, mix, 2, targets={"y": EXAMPLES["target"]}))
    assert [ax.get_title() for ax in figure.axes] == ["x, 4 parameters", "u, 30 of 36 examples", "y, 30 of 36 examples"]
    assert figure.get_suptitle() == "learning mix, step 2 to 4"
    assert words(figure) == ["GD learning_rate=0.02", "GD learning_rate=0.05", "Adam", "start", "target"]
    shown = np.linspace(0, 35, 30).astype(int)
    for ax, name in zip(figure.axes[1:], "uy", strict=True):
        rows = mixed[name].values[:, 0, 1:3].reshape(3, 2, 36, 2)[:, :, shown]
        tails, heads = arrows(ax)
        np.testing.assert_allclose(tails, rows[:, 0], rtol=1e-6)
        np.testing.assert_allclose(heads, rows[:, 1], rtol=1e-6)
        starts = np.unique(rows[:, 0].reshape(-1, 2), axis=0)
        np.testing.assert_allclose(line(ax, "start").get_xydata(), starts)
    ax = figure.axes[2]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("y0 [m]", "y1 [m]")
    np.testing.assert_allclose(line(ax, "target").get_xydata(), EXAMPLES["target"][shown])
    (ways,) = [artist for artist in ax.collections if artist.get_label() == "_ways"]
    begin, end = np.swapaxes(ways.get_segments(), 0, 1)
    begins = {tuple(point): tuple(goal) for point, goal in zip(begin, end, strict=True)}
    tail = tuple(arrows(ax)[0][1, 7])
    assert begins[tail] == pytest.approx(tuple(EXAMPLES["target"][shown[7]])) and len(begin) == 90
    assert not lines(figure.axes[1], "target")
    for ax in figure.axes:
        assert [to_hex(quiver.get_facecolor()[0]).upper() for quiver in quivers(ax)] == list(PALETTE[:3])


def test_parameters_move_in_the_plane_of_most_variance(mix, mixed):
    """Arrows are the moves times the leading right singular vectors; of two variants nothing is lost."""
    moves = np.diff(mixed.x.values[:, 0, :2].astype(float), axis=1)[:, 0]
    ax = rendered(plot.training_step(mixed, mix)).axes[0]
    tails, heads = arrows(ax)
    _, lengths, along = np.linalg.svd(moves, full_matrices=False)
    np.testing.assert_array_equal(tails, 0)
    np.testing.assert_allclose(np.abs(heads[:, 0]), np.abs(moves @ along[:2].T), atol=1e-6)
    shares = 100 * lengths**2 / np.sum(lengths**2)
    assert ax.get_xlabel() == f"direction 1 of moves, {round(shares[0])} % of variance"
    assert ax.get_ylabel() == f"direction 2 of moves, {round(shares[1])} % of variance"
    assert np.ptp(ax.get_xlim()) == pytest.approx(np.ptp(ax.get_ylim()))
    two = arrows(rendered(plot.training_step(mixed.isel(variant=[0, 2]), mix)).axes[0])[1][:, 0]
    np.testing.assert_allclose(two @ two.T, moves[[0, 2]] @ moves[[0, 2]].T, rtol=1e-5)
    one = rendered(plot.training_step(mixed.sel(variant="Adam"), mix)).axes[0]
    np.testing.assert_allclose(arrows(one)[1][0, 0], [np.linalg.norm(moves[2]), 0], rtol=1e-6, atol=1e-9)
    assert "100 %" in one.get_xlabel() and " 0 %" in one.get_ylabel()


def test_a_space_of_one_component_is_drawn_against_the_example():
    examples = {"input": EXAMPLES["input"][:10], "target": EXAMPLES["target"][:10, :1]}
    problem = learning(lambda u: u[:1] ** 2, examples, batch_size=None)
    trace = tw.run(problem, {"a": SEVERAL["GD"], "b": SEVERAL["Adam"]}, steps=1)
    ax = rendered(plot.training_step(trace, problem, targets={"y": examples["target"]})).axes[2]
    tails, heads = arrows(ax)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("example", "y0 [m]", "y, 10 examples")
    np.testing.assert_allclose(heads[..., 1], trace.y.values[:, 0, 1], rtol=1e-6)
    np.testing.assert_allclose(tails[..., 0], np.arange(10) + np.array([[-0.125], [0.125]]))
    np.testing.assert_allclose(heads[..., 0], tails[..., 0])
    np.testing.assert_allclose(line(ax, "target").get_xydata(), np.column_stack([np.arange(10), examples["target"]]))


def test_examples_of_a_tree_are_taken_leaf_by_leaf():
    """A space of a number and a vector for each example, whose records have all numbers first."""
    examples = {"input": EXAMPLES["input"]}
    physics = tw.Problem(lambda u: {"a": u["a"], "b": 10 * u["b"]}, loss=lambda y: y["a"] ** 2 + jnp.sum(y["b"] ** 2),
                         start={"a": 0.0, "b": np.zeros(2)})  # fmt: skip

    def network(p, e):
        return {"a": p["w"] @ e["input"], "b": p["w"] * e["input"]}

    problem = tw.training.problem(physics, network, {"w": np.ones(2)}, examples)
    trace = tw.run(problem, methods.gradient_descent(1e-3), steps=1)
    components = {"u": ("a", "b[1]"), "y": (2, 0)}
    targets = {"u": {"a": EXAMPLES["input"][:, 0], "b": EXAMPLES["input"]}}
    figure = rendered(plot.training_step(trace, problem, components=components, targets=targets))
    shown, (w0, w1) = np.linspace(0, 39, 30).astype(int), trace.x.values[0, 0].astype(float)
    inputs = EXAMPLES["input"][shown]
    (tails,), (heads,) = arrows(figure.axes[1])
    np.testing.assert_allclose(tails, np.column_stack([inputs @ w0, w0[1] * inputs[:, 1]]), rtol=1e-5)
    np.testing.assert_allclose(heads, np.column_stack([inputs @ w1, w1[1] * inputs[:, 1]]), rtol=1e-4, atol=1e-6)
    (tails,), _ = arrows(figure.axes[2])
    np.testing.assert_allclose(tails, np.column_stack([10 * w0[1] * inputs[:, 1], inputs @ w0]), rtol=1e-5)
    np.testing.assert_allclose(line(figure.axes[1], "target").get_xydata(), inputs)
    assert (figure.axes[2].get_xlabel(), figure.axes[2].get_ylabel()) == ("b[1]", "a")


def test_what_leads_nowhere_is_crossed_and_what_leaps_does_not_squash(mix):
    """One variant leaves for 1e9 and one for no finite place; the others are framed as without these."""
    trace = tw.run(mix, tw.sweep(methods.gradient_descent(1.0), learning_rate=[0.02, 1e9, 0.01]), steps=1).copy(True)
    for name in ("x", "u", "y", "loss"):
        trace[name][2, 0, 1] = np.nan
    assert np.abs(trace.u.values[1]).max() > 1e8
    figure = rendered(plot.training_step(trace, mix))
    assert words(figure)[-1] == "not finite"
    for ax in figure.axes:
        many = 1 if ax is figure.axes[0] else 30
        assert [len(marks.get_xydata()) for marks in lines(ax, "_lost")] == [0, 0, many]
        assert [len(quiver.X) for quiver in quivers(ax)] == [many, many, 0]
        assert np.abs([*ax.get_xlim(), *ax.get_ylim()]).max() < 40


def test_training_step_refuses_what_it_cannot_draw(bowl, mix, mixed):
    with pytest.raises(ValueError, match=r"'bowl' is not a network over examples.*or draw plot\.paths"):
        plot.training_step(mixed, bowl)
    for step in (1, 6, 7):
        with pytest.raises(ValueError, match=f"step is {step}, but .*'0', '2', '4', '6'; choose one before the last"):
            plot.training_step(mixed, mix, step)
    with pytest.raises(ValueError, match="targets name 'yy' is not a space of examples; did you mean 'y'"):
        plot.training_step(mixed, mix, targets={"yy": EXAMPLES["target"]})
    with pytest.raises(ValueError, match="components name 'x' is not a space of examples"):
        plot.training_step(mixed, mix, components={"x": (0, 1)})
    with pytest.raises(ValueError, match=r"targets of y have shapes \(40, 1\), but the batch has 36 examples of shape"):
        plot.training_step(mixed, mix, targets={"y": EXAMPLES["target"][:, :1]})
    with pytest.raises(ValueError, match=r"targets of y have shapes \(20, 2\), but the batch has 36"):
        plot.training_step(mixed, mix, targets={"y": EXAMPLES["target"][:20]})
    other = learning(lambda u: jnp.tile(u, 20), {**EXAMPLES, "target": np.tile(EXAMPLES["target"], 20)})
    with pytest.raises(ValueError, match="the trace has 72 components of y, which are no batch of 'learning mix'"):
        plot.training_step(mixed, other)


# a sweep


def results(values, **coordinates):
    """A DataArray over the given dims, and starts where there is one axis more."""
    dims = [*coordinates, *["start"] * (np.ndim(values) - len(coordinates))]
    return xr.DataArray(values, coordinates, dims, "distance", {"units": "m"})


def test_a_sweep_of_kappa_has_a_line_for_each_learning_rate():
    """Variants in any order are sorted along kappa, and grouped by method and the other hyperparameter."""
    kappa, rate, start = np.meshgrid(np.linspace(-1, 1, 5), [0.1, 1.0], range(3), indexing="ij")
    loss = (1 + start) * rate * 10**kappa
    kappa, rate, loss = (np.append(a.reshape(10, 3), b, axis=0)[::-1] for a, b in
                         ((kappa, [[np.nan] * 3]), (rate, [[0.03] * 3]), (loss, [[0.2, 0.3, 0.7]])))  # fmt: skip
    names = ["Adam", *["power"] * 10]
    coordinates = {"variant": [f"v{i}" for i in range(11)], "method": ("variant", names), "rule": ("variant", names),
                   "kappa": ("variant", kappa[:, 0]), "learning_rate": ("variant", rate[:, 0])}  # fmt: skip
    both = np.stack([np.full_like(loss, 50), loss], axis=-1)
    trace = xr.Dataset(
        {"loss": (("variant", "start", "step"), both)}, {**coordinates, "step": [0, 7]}, {"problem": "p"}
    )
    figure = rendered(plot.sweep(trace, "kappa"))
    ax = figure.axes[0]
    assert words(figure) == ["Adam", "power learning_rate=1", "power learning_rate=0.1", "median", "one start"]
    for value in (0.1, 1.0):
        drawn = line(ax, f"power learning_rate={value:g}")
        np.testing.assert_allclose(drawn.get_xydata(), np.column_stack([np.linspace(-1, 1, 5), drawn.get_ydata()]))
        np.testing.assert_allclose(drawn.get_ydata(), 2 * value * 10.0 ** np.linspace(-1, 1, 5))
    assert set(line(ax, "Adam").get_ydata()) == {0.3} and line(ax, "Adam").get_linestyle() == "--"
    assert sorted(len(dots.get_xdata()) for dots in lines(ax, "_starts")) == [0, 15, 15]
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "log")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("kappa", "median loss after step 7", "p")
    only = trace.isel(variant=slice(1, None))
    assert words(rendered(plot.sweep(only, "kappa")))[:2] == ["learning_rate=1", "learning_rate=0.1"]
    assert len(words(rendered(plot.sweep(only.loss.isel(step=-1), "learning_rate")))) == 7


def test_a_dim_of_a_result_is_a_hyperparameter_too():
    """Two methods over xi = 1 … 64, an axis in geometric steps; without starts each point is marked."""
    xi = 2.0 ** np.arange(7)
    figure = rendered(plot.sweep(results(np.stack([xi, 0.01 * xi]), method=["Adam", "SIP"], xi=xi), "xi"))
    ax = figure.axes[0]
    assert words(figure) == ["Adam", "SIP"] and (ax.get_xlabel(), ax.get_ylabel()) == ("xi", "distance [m]")
    assert ax.get_xscale() == ax.get_yscale() == "log"
    np.testing.assert_allclose(line(ax, "SIP").get_xydata(), np.column_stack([xi, 0.01 * xi]))
    assert line(ax, "SIP").get_markersize() > 0 and not lines(ax, "_starts")
    alone = rendered(plot.sweep(results(xi, xi=xi), "xi"))
    assert words(alone) == [] and len(alone.axes[0].get_lines()[0].get_xdata()) == 7


def test_what_is_not_finite_or_beyond_is_marked_at_the_top():
    """One of three starts lost is a hollow mark under a median, two a full one and a gap; no line hides another's."""
    values = np.ones((2, 4, 3))
    values[0, 1, 0], values[0, 2, :2], values[1, 3] = np.nan, [np.inf, np.nan], -np.inf
    ax = rendered(plot.sweep(results(values, method=["a", "b"], xi=[0.0, 1.0, 2.0, 3.0]), "xi")).axes[0]
    assert [list(marks.get_xdata()) for marks in lines(ax, "_hollow")] == [[1], []]
    assert [list(marks.get_xdata()) for marks in lines(ax, "_full")] == [[2], [3]]
    np.testing.assert_array_equal(line(ax, "a").get_ydata(), [1, 1, np.nan, 1])
    heights = [marks.get_ydata() for marks in lines(ax, "_full")]
    assert 0.8 < heights[1] < heights[0] < 1
    top = ax.transData.inverted().transform(ax.transAxes.transform([0, heights[1][0]]))[1]
    assert np.nanmax(line(ax, "b").get_ydata()) < top
    assert all(np.isfinite(ax.get_ylim()))
    nothing = rendered(plot.sweep(results(np.full((3,), np.nan), xi=[0.0, 1.0, 2.0]), "xi")).axes[0]
    assert [list(marks.get_xdata()) for marks in lines(nothing, "_full")] == [[0, 1, 2]]


def test_a_run_that_grew_does_not_squash_the_sweep(bowl):
    """Gradient descent beyond its limit of stability, 2 / 20, ends at more than 1e20."""
    rates = np.geomspace(1e-3, 1, 13)
    trace = tw.run(bowl, tw.sweep(methods.gradient_descent(0.1), learning_rate=rates), [[1.0, 1.0], [2.0, -1.0]], 40)
    assert trace.loss.values[..., -1].max() > 1e20 or not np.isfinite(trace.loss).all()
    ax = rendered(plot.sweep(trace, "learning_rate")).axes[0]
    assert ax.get_xscale() == "log" and ax.get_ylim()[1] < 1e7
    (full,) = lines(ax, "_full")
    np.testing.assert_allclose(full.get_xdata(), rates[rates > 0.11])


def test_many_lines_are_colored_along_their_hyperparameter():
    values = np.arange(1.0, 37).reshape(12, 3)
    figure = rendered(plot.sweep(results(values, width=np.arange(12.0), xi=[1.0, 2.0, 3.0]), "xi"))
    assert len(figure.axes) == 2 and figure.axes[1].get_ylabel() == "width"
    assert len({line(figure.axes[0], f"width={i}").get_color() for i in range(12)}) == 12


def test_sweep_refuses_what_it_cannot_draw(bowl):
    trace = tw.run(bowl, THREE, steps=1)
    with pytest.raises(ValueError, match="variable is 'joy', but the trace has loss; choose one"):
        plot.sweep(trace, "learning_rate", "joy")
    with pytest.raises(
        ValueError, match="'learning_rat' is not a hyperparameter of what is drawn; did you mean 'learn"
    ):
        plot.sweep(trace, "learning_rat")
    with pytest.raises(ValueError, match=r"the DataArray has step, but one number .* such as \.isel\(step=-1\)"):
        plot.sweep(trace.loss, "learning_rate")
    with pytest.raises(ValueError, match="damping has fewer than two values"):
        plot.sweep(trace, "damping")
