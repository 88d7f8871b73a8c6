"""Benchmarks: profiles and distributions against their definitions, and the figures that draw them."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from figures import line, rendered
from matplotlib.colors import to_hex

import thalweg as tw
from thalweg import methods, plot
from thalweg.analysis import data_profile, ecdf, performance_profile, waterfall
from thalweg.analysis.view import PALETTE

NAN, INF = np.nan, np.inf
# Worked by hand: the best are 10, 20, 5 and nobody; the ratios of a 1, 2, fail, fail; of b 3, 1, 1, fail; of c fail
# but for the third problem, where it ties with b.
COSTS = pd.DataFrame(
    {"a": [10.0, 40.0, NAN, INF], "b": [30.0, 20.0, 5.0, NAN], "c": [NAN, INF, 5.0, NAN]},
    index=["p", "q", "r", "unsolved"],
)
FLAGS = {"flag_values": np.arange(4, dtype=np.int8), "flag_meanings": "converged stalled diverged exhausted"}


def draw(problems, solvers, seed):
    """Costs of a seeded draw in whole numbers, so that there are ties, three of ten failed."""
    generator = np.random.default_rng(seed)
    values = generator.integers(1, 12, (problems, solvers)).astype(float)
    values[generator.uniform(size=values.shape) < 0.3] = NAN
    return pd.DataFrame(values, [f"p{i}" for i in range(problems)], [f"s{i}" for i in range(solvers)])


def dolan_more(table, solver, tau):
    """rho_s(tau) as it is written, problem by problem."""
    solved = 0
    for _, row in table.iterrows():
        best = min((t for t in row if np.isfinite(t)), default=INF)
        solved += bool(np.isfinite(row[solver]) and row[solver] / best <= tau)
    return solved / len(table)


def recorded(loss, steps=None):
    """A trace made by hand, from a loss of shape (variant, start, step)."""
    loss = np.asarray(loss, float)
    names = [f"v{i}" for i in range(len(loss))]
    steps = np.arange(loss.shape[2]) if steps is None else steps
    return xr.Dataset(
        {"loss": (("variant", "start", "step"), loss)},
        {"variant": names, "method": ("variant", names), "start": range(loss.shape[1]), "step": steps},
        {"problem": "by hand"},
    )


def fitted(loss, outcome=None, **coordinates):
    """What ``solve`` returns, made by hand, as far as a waterfall reads it."""
    loss = np.asarray(loss, float)
    dims = ("variant", *coordinates, "start")
    codes = np.zeros(loss.shape, np.int8) if outcome is None else np.asarray(outcome, np.int8)
    names = [f"v{i}" for i in range(len(loss))]
    return xr.Dataset(
        {
            "loss": (dims, loss, {"units": "J"}),
            "outcome": (dims, codes, FLAGS),
            "x": (("variant",), np.zeros(len(loss))),
        },
        {"variant": names, "method": ("variant", names), "start": 10 + np.arange(loss.shape[-1]), **coordinates},
        {"problem": "by hand"},
    )


def words(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


# performance profiles


def test_a_performance_profile_worked_by_hand():
    profile = performance_profile(COSTS, cost="gradient evaluations")
    assert profile.dims == ("solver", "ratio") and profile.solver.values.tolist() == ["a", "b", "c"]
    assert profile.ratio.values.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(profile, [[0.25, 0.5, 0.5], [0.5, 0.5, 0.75], [0.25, 0.25, 0.25]])
    assert profile.attrs["cost"] == "gradient evaluations" and profile.name == "share"


@pytest.mark.parametrize("seed", range(5))
def test_performance_profiles_are_those_of_dolan_and_more(seed):
    table = draw(problems=17, solvers=4, seed=seed)
    profile = performance_profile(table)
    for tau in [*profile.ratio.values, *np.random.default_rng(seed).uniform(1, 12, 20), 1e9]:
        at = profile.sel(ratio=tau, method="ffill")
        assert [dolan_more(table, name, tau) for name in table.columns] == at.values.tolist()


def test_ends_of_a_performance_profile_are_wins_and_solved():
    """rho_s(1) is the share of wins and rho_s(inf) that of problems solved; without ties the wins sum to the solved."""
    table = draw(problems=40, solvers=5, seed=1)
    profile = performance_profile(table)
    wins = table.eq(table.min(axis=1), axis=0).mean().values
    np.testing.assert_array_equal(profile[:, 0], wins)
    np.testing.assert_array_equal(profile[:, -1], table.notna().mean().values)
    assert (np.diff(profile, axis=1) >= 0).all() and wins.sum() > table.notna().any(axis=1).mean()
    distinct = table + np.arange(5) / 10
    assert performance_profile(distinct)[:, 0].sum() == pytest.approx(distinct.notna().any(axis=1).mean())


def test_performance_profiles_do_not_depend_on_units_or_order():
    table = draw(problems=30, solvers=3, seed=2)
    profile = performance_profile(table)
    generator = np.random.default_rng(3)
    scaled = table.mul(2.0 ** generator.integers(-9, 9, 30), axis=0)  # powers of two, which do not round
    xr.testing.assert_identical(performance_profile(scaled), profile)
    xr.testing.assert_identical(performance_profile(table.sample(frac=1, random_state=4)), profile)
    turned = performance_profile(table[["s2", "s0", "s1"]])
    xr.testing.assert_equal(turned.sel(solver=profile.solver), profile)


def test_a_profile_where_nothing_is_solved():
    profile = performance_profile(pd.DataFrame({"a": [NAN, INF], "b": [NAN, NAN]}))
    assert profile.ratio.values.tolist() == [1] and profile.values.tolist() == [[0], [0]]


def test_tables_come_in_several_clothes():
    profile = performance_profile(COSTS)
    array = xr.DataArray(
        COSTS.values.T, {"solver": list(COSTS.columns), "problem": list(COSTS.index)}, ("solver", "problem")
    )
    xr.testing.assert_identical(performance_profile(array), profile)
    counted = COSTS.replace(INF, NAN).astype("Int64")
    xr.testing.assert_identical(performance_profile(counted), profile)
    fits = fitted(np.ones((3, 4)), COSTS.isna().values.T).assign(steps=(("variant", "start"), COSTS.values.T))
    solved = fits.steps.where(fits.outcome == 0).rename(variant="solver", start="problem")
    np.testing.assert_array_equal(performance_profile(solved), profile)
    sizes = {"p": 1, "q": 2, "r": 3, "unsolved": 4}
    xr.testing.assert_identical(data_profile(array, sizes), data_profile(COSTS, pd.Series(sizes, dtype=float)))


# data profiles


def test_a_data_profile_worked_by_hand():
    """With 10, 4, 5 and 2 evaluations to a simplex gradient, a needs 1 and 10 of them, b 3, 5 and 1, c 1."""
    profile = data_profile(COSTS, {"p": 9, "q": 3, "r": 4, "unsolved": 1})
    assert profile.dims == ("solver", "simplex_gradients")
    assert profile.simplex_gradients.values.tolist() == [0, 1, 3, 5, 10]
    np.testing.assert_array_equal(
        profile, [[0, 0.25, 0.25, 0.25, 0.5], [0, 0.25, 0.5, 0.75, 0.75], [0, 0.25, 0.25, 0.25, 0.25]]
    )
    assert profile.attrs["cost"] == "function evaluations"


@pytest.mark.parametrize("seed", range(3))
def test_data_profiles_are_those_of_more_and_wild(seed):
    table = draw(problems=13, solvers=3, seed=seed)
    generator = np.random.default_rng(seed)
    sizes = pd.Series(generator.integers(1, 6, 13), table.index).sample(frac=1, random_state=seed)
    profile = data_profile(table, sizes)
    for alpha in [*profile.simplex_gradients.values, *generator.uniform(0, 8, 20), 1e9]:
        expected = [np.mean([t / (sizes[p] + 1) <= alpha for p, t in table[name].items()]) for name in table.columns]
        np.testing.assert_allclose(profile.sel(simplex_gradients=alpha, method="ffill"), expected, rtol=1e-15)
    alone = data_profile(table[["s1"]], sizes)
    xr.testing.assert_equal(alone, profile.sel(solver=["s1"], simplex_gradients=alone.simplex_gradients))


def test_bad_tables_are_refused():
    for table, sentence in {
        "no solver": (COSTS[[]], r"4 problems and 0 solvers, but it needs one of each"),
        "no problem": (COSTS.iloc[:0], r"0 problems and 3 solvers"),
        "zero": (COSTS.replace(40.0, 0.0), r"the cost of 'a' on 'q' is 0, but a cost is positive; give NaN"),
        "negative": (COSTS.replace(5.0, -INF), r"the cost of 'b' on 'r' is -inf"),
        "text": (COSTS.reset_index(names="problem"), r"the column 'problem' has the type \w+, but a solver"),
        "twice": (COSTS[["a", "b", "a"]], r"the column 'a' comes more than once"),
        "dims": (xr.DataArray(np.ones((2, 2)), dims=("case", "solver")), r"given as dims case, solver, but it has"),
        "list": ([[1.0, 2.0]], r"given as list, but .* give a pandas.DataFrame"),
    }.values():
        with pytest.raises(ValueError, match=sentence):
            performance_profile(table)
        with pytest.raises(ValueError, match=sentence):
            data_profile(table, {})


def test_bad_dimensions_are_refused():
    with pytest.raises(ValueError, match=r"the dimension of problem 'r' is missing; give a dict or pandas.Series"):
        data_profile(COSTS, {"p": 1, "q": 2})
    with pytest.raises(ValueError, match="the dimension of problem 'p' is missing"):
        data_profile(COSTS, 3)  # pyright: ignore[reportArgumentType]
    for bad in (0, 1.5, NAN, "2", None):
        with pytest.raises(
            ValueError, match=r"dimension of problem 'q' is .*, but it must be a whole number of at leas"
        ):
            data_profile(COSTS, {"p": 1, "q": bad, "r": 1, "unsolved": 1})


# runtimes


def test_runtimes_on_a_parabola():
    """Gradient descent at half the learning rate of Newton divides the loss by 4 in each step."""
    problem = tw.problems.quadratic([1.0])
    halves = {"half": methods.gradient_descent(0.5), "newton": methods.gradient_descent(1.0)}
    trace = tw.run(problem, halves, [[1.0], [2.0]], steps=10, dtype="float64")
    share = ecdf(trace, [2.0, 0.5, 0.5 / 4**3])
    assert share.step.values.tolist() == [0, 1, 3, 4, 10]  # from 1/2: 0, 0, 3; from 2: 0, 1, 4
    np.testing.assert_allclose(share, [[3 / 6, 4 / 6, 5 / 6, 1, 1], [3 / 6, 1, 1, 1, 1]])
    assert share.dims == ("variant", "step") and share.learning_rate.values.tolist() == [0.5, 1]
    assert share.attrs["problem"] == problem.name and share.attrs["cost"] == "steps"


@pytest.mark.parametrize("seed", range(3))
def test_the_ecdf_counts_pairs_reached_within_a_budget(seed):
    generator = np.random.default_rng(seed)
    loss = 10 ** generator.normal(size=(3, 5, 8))
    loss[generator.uniform(size=loss.shape) < 0.2] = generator.choice([NAN, INF, -INF])
    steps, targets = np.arange(8) * 25, 10 ** generator.normal(size=6)
    share = ecdf(recorded(loss, steps), targets)
    for budget in [*steps, 10, 180, 10_000]:
        seen = np.where(np.isfinite(loss), loss, INF)[:, :, steps <= budget].min(axis=2)
        reached = [np.mean([best <= target for best in row for target in targets]) for row in seen]
        np.testing.assert_allclose(share.sel(step=budget, method="ffill"), reached, rtol=1e-15)
    assert share.step.dtype.kind == "i" and share.step.values[[0, -1]].tolist() == [0, 175]


def test_the_ecdf_of_several_problems_is_the_mean_over_all_their_pairs():
    generator = np.random.default_rng(0)
    traces = {"one": recorded(generator.uniform(size=(2, 3, 6))), "two": recorded(generator.uniform(size=(2, 4, 9)))}
    targets = {"one": [0.5, 0.1], "two": [0.3]}
    both = ecdf(traces, targets)
    assert both.step.values[-1] == 8 and "problem" not in both.attrs
    each = [ecdf(traces[name], targets[name]).reindex(step=range(9), method="ffill") for name in traces]
    mean = (6 * each[0] + 4 * each[1]) / 10
    np.testing.assert_allclose(both, mean.sel(step=both.step), rtol=1e-15)


def test_the_ecdf_takes_a_selection():
    trace = recorded(np.random.default_rng(1).uniform(size=(2, 3, 5)))
    xr.testing.assert_equal(ecdf(trace.sel(variant="v1", start=2), [0.5])[0], ecdf(trace.isel(start=[2]), [0.5])[1])


def test_what_has_no_runtimes_is_refused():
    trace = recorded(np.ones((2, 1, 3)))
    for bad in ([], [1.0, NAN], [INF], 0.1, [[0.1]], ["low"], None):
        with pytest.raises(ValueError, match=r"targets are .*, but they are a list of finite losses; give"):
            ecdf(trace, bad)  # pyright: ignore[reportArgumentType]
    for bad in (trace.rename(step="time"), trace.drop_vars("loss"), trace.loss, None):
        with pytest.raises(ValueError, match="no loss by variant, start, step; give a Dataset that run returned"):
            ecdf(bad, [1.0])  # pyright: ignore[reportArgumentType]
    for names, targets in (({"a": trace}, {"b": [1.0]}), ({}, {}), ({"a": trace}, [1.0])):
        with pytest.raises(
            ValueError, match=r"traces are given for .* and targets for .*; give both by the same names"
        ):
            ecdf(names, targets)
    with pytest.raises(ValueError, match="the trace 'b' has other variants than the first"):
        ecdf({"a": trace, "b": recorded(np.ones((1, 1, 3)))}, {"a": [1.0], "b": [1.0]})


# waterfalls


def test_a_waterfall_is_sorted_and_what_is_not_finite_comes_last():
    fits = fitted([[3.0, NAN, 1.0, 2.0], [INF, 5.0, -INF, 5.0]], [[0, 2, 1, 3], [2, 0, 2, 1]])
    sorted_ = waterfall(fits)
    assert sorted_.loss.dims == ("variant", "rank") and sorted_["rank"].values.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(sorted_.loss, [[1, 2, 3, NAN], [5, 5, INF, -INF]])
    assert sorted_.start.values.tolist() == [[12, 13, 10, 11], [11, 13, 10, 12]]
    assert sorted_.outcome.values.tolist() == [[1, 3, 0, 2], [0, 1, 2, 2]]
    assert sorted_.outcome.attrs == fits.outcome.attrs and sorted_.attrs == fits.attrs
    assert sorted_.method.values.tolist() == ["v0", "v1"] and sorted_.outcome.dtype == np.int8


def test_a_waterfall_keeps_each_fit():
    loss = np.random.default_rng(0).normal(size=(3, 50))
    fits = fitted(loss)
    sorted_ = waterfall(fits.transpose("start", "variant"))
    np.testing.assert_array_equal(sorted_.loss, np.sort(loss, axis=1))
    for name in fits.variant.values:
        row = sorted_.sel(variant=name)
        np.testing.assert_array_equal(fits.loss.sel(variant=name, start=row.start), row.loss)


def test_a_waterfall_is_of_one_case():
    fits = fitted(np.arange(12.0).reshape(2, 3, 2), case=["x", "y", "z"])
    with pytest.raises(
        ValueError, match=r"the fits have 3 cases, but a waterfall is of one; select it, e.g. fits.isel"
    ):
        waterfall(fits)
    np.testing.assert_array_equal(waterfall(fits.sel(case="y")).loss, [[2, 3], [8, 9]])
    np.testing.assert_array_equal(waterfall(fits.isel(case=0, variant=1)).loss, [[6, 7]])


def test_what_is_no_fit_is_refused():
    fits = fitted(np.ones((1, 2)))
    for bad in (fits.drop_vars("outcome"), fits.rename(start="trial"), fits.loss, recorded(np.ones((1, 1, 2)))):
        with pytest.raises(
            ValueError, match="no loss and outcome by variant, start; give a Dataset that solve returned"
        ):
            plot.waterfall(bad)  # pyright: ignore[reportArgumentType]


# figures


def height(line, x):
    """Where a drawn step function is at x."""
    assert line.get_drawstyle() == "steps-post"
    return line.get_ydata()[np.searchsorted(line.get_xdata(), x, side="right") - 1]


def test_a_profile_draws_steps_and_says_the_cost():
    profile = performance_profile(COSTS, cost="gradient evaluations")
    figure = rendered(plot.profile(profile))
    ax = figure.axes[0]
    assert words(figure) == ["a", "b", "c"]
    for solver, color in zip("abc", PALETTE, strict=False):
        drawn = line(ax, solver)
        assert to_hex(drawn.get_color()).upper() == color
        for tau in (1, 1.5, 2, 2.9, 3, 3.1):
            assert height(drawn, tau) == dolan_more(COSTS, solver, tau)
        assert drawn.get_xdata()[-1] == ax.get_xlim()[1] > 3
    assert ax.get_xlabel() == "cost relative to the best solver (cost = gradient evaluations)"
    assert ax.get_ylabel() == "share of problems (4)"
    assert ax.get_xscale() == "log" and ax.get_xlim()[0] == 1 and ax.get_ylim() == (-0.02, 1.02)
    assert [t.get_text() for t in ax.get_xticklabels() if 1 <= t.get_position()[0] <= 3] == ["1", "2"]


def test_the_scale_of_a_data_profile_goes_by_its_span():
    sizes = dict.fromkeys(COSTS.index, 4)
    ax = rendered(plot.profile(data_profile(COSTS, sizes))).axes[0]
    assert ax.get_xscale() == "linear" and ax.get_xlim()[0] == 0
    assert ax.get_xlabel() == "simplex gradients (cost = function evaluations / (n + 1))"
    wide = rendered(plot.profile(data_profile(COSTS.replace(40.0, 4e4), sizes))).axes[0]
    assert wide.get_xscale() == "log" and wide.get_xlim()[0] < 1 and wide.get_xlim()[1] > 8000
    assert height(line(wide, "a"), 7999) == 0.25 and height(line(wide, "a"), 8000) == 0.5


@pytest.mark.parametrize("table", [COSTS * NAN, COSTS[["a"]], COSTS.replace(10.0, 1e-7)], ids=["none", "one", "wide"])
def test_odd_profiles_can_be_drawn(table):
    for profile in (performance_profile(table), data_profile(table, dict.fromkeys(table.index, 2))):
        ax = rendered(plot.profile(profile)).axes[0]
        assert ax.get_xlim()[0] < ax.get_xlim()[1] and len(ax.get_lines()) == table.shape[1]


def test_an_ecdf_ends_with_its_budget():
    trace = recorded(10.0 ** -np.arange(500.0)[None, None] + np.array([0, 1e-3])[:, None, None])
    share = ecdf(trace, 10.0 ** -np.arange(300.0))
    figure = rendered(plot.profile(share))
    ax = figure.axes[0]
    assert ax.get_xscale() == "log" and (ax.get_xlabel(), ax.get_title()) == ("steps", "by hand")
    assert ax.get_ylabel() == "share of pairs of start and target (300)"
    for i, name in enumerate(trace.variant.values):
        assert line(ax, name).get_xdata()[-1] == 499 < ax.get_xlim()[1]
        assert height(line(ax, name), 100) == pytest.approx([101 / 300, 4 / 300][i])
    alone = rendered(plot.profile(share.sel(variant="v1")))
    assert words(alone) == ["v1"] and len(alone.axes[0].get_lines()) == 1


@pytest.mark.slow
def test_many_variants_of_an_ecdf_are_colored_along_the_swept_hyperparameter():
    problem = tw.problems.quadratic([1.0])
    swept = tw.sweep(methods.gradient_descent(0.1), learning_rate=np.geomspace(1e-3, 1, 12))
    figure = rendered(plot.profile(ecdf(tw.run(problem, swept, steps=20), [1e-1, 1e-2])))
    assert figure.axes[1].get_ylabel() == "learning rate" and len(figure.axes[0].get_lines()) == 12


def test_what_is_no_profile_is_refused():
    share = performance_profile(COSTS)
    for bad in (share.isel(ratio=0), share.rename(solver="method"), COSTS, share.expand_dims("case")):
        with pytest.raises(ValueError, match="no share of one cost and some solvers; give what performance_profile"):
            plot.profile(bad)  # pyright: ignore[reportArgumentType]


def test_a_waterfall_is_drawn_above_the_lowest_loss():
    fits = fitted([[7.0, 5.0, 5.0, NAN], [5.0, 5.5, INF, 105.0]], [[0, 0, 1, 2], [0, 3, 2, 0]])
    figure = rendered(plot.waterfall(fits))
    ax = figure.axes[0]
    np.testing.assert_array_equal(line(ax, "v0").get_xydata(), [[0, 0], [1, 0], [2, 2]])
    np.testing.assert_array_equal(line(ax, "v1").get_xydata(), [[0, 0], [1, 0.5], [2, 100]])
    assert ax.get_ylabel() == "loss above the lowest [J]"
    assert ax.get_title() == "by hand\nlowest loss 5, not finite: 2 of 8 fits"
    assert ax.get_yscale() == "symlog" and ax.yaxis.get_transform().linthresh == 0.1
    assert ax.get_xlim() == (-0.5, 3.5) and ax.get_ylim()[0] < 0 and ax.get_ylim()[1] > 100
    assert words(figure) == ["v0", "v1", "converged", "stalled", "exhausted"]  # nothing diverged is drawn
    marks = {kind: [x for x in ax.get_lines() if x.get_label() == f"_{kind}"] for kind in ("converged", "stalled")}
    assert [mark.get_xdata().tolist() for mark in marks["converged"]] == [[0, 2], [0, 2]]
    assert [mark.get_xdata().tolist() for mark in marks["stalled"]] == [[1], []]
    assert marks["converged"][0].get_marker() != marks["stalled"][0].get_marker()
    assert [to_hex(mark.get_color()).upper() for mark in marks["converged"]] == list(PALETTE[:2])


def test_a_waterfall_keeps_level_what_differs_by_rounding():
    noise = 1e-12 * np.random.default_rng(0).uniform(size=(1, 20))
    level = rendered(plot.waterfall(fitted(3 + noise))).axes[0]
    assert (level.get_yscale(), level.get_ylabel()) == ("linear", "loss [J]")
    assert level.get_ylim() == pytest.approx((1.5, 4.5))
    two = rendered(plot.waterfall(fitted(noise + np.repeat([0.0, 3.0], 10)))).axes[0]
    assert two.get_yscale() == "linear" and two.get_ylim()[0] > -1 and two.get_ylim()[1] > 3
    assert set(line(two, "v0").get_ydata()[:10]) == {0.0}


@pytest.mark.parametrize("loss", [[[NAN, INF]], [[0.0, 0.0]], [[-1e99, 1e200]], [[2.0]]], ids=str)
def test_odd_waterfalls_can_be_drawn(loss):
    ax = rendered(plot.waterfall(fitted(loss))).axes[0]
    drawn = line(ax, "v0").get_ydata()
    assert len(drawn) == np.sum(np.abs(loss) < 1e100) and np.isfinite(ax.get_ylim()).all()
