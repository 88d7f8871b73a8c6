"""``solve``: lanes that are taken again, tolerances, outcomes, evaluations, cases."""

import os
import signal
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.optimize

import thalweg as tw
from thalweg import tolerances
from thalweg.engine import recycling, supply

STARTS = tw.starts.uniform((-2.0, 2.0), 150, key=1)[:, :1] * [1.0, -1.0] + [0.3, 0.1]
FINISHERS = {
    "trust": tw.methods.TrustRegion(),
    "bfgs": tw.methods.BFGS(),
    "lbfgs": tw.methods.LBFGS(),
    "cg": tw.methods.NewtonCG(),
    "marquardt": tw.methods.LevenbergMarquardt(),
}


def residuals(x):
    return jnp.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def rosenbrock():
    """A problem of its own for each test, so that nothing is compiled yet."""
    return tw.Problem(residuals, loss=tw.SquaredError(), start=[-1.2, 1.0], minima=[[1.0, 1.0]])


@pytest.fixture(scope="module")
def finished():
    problem = rosenbrock()
    return problem, tw.solve(problem, FINISHERS, STARTS, dtype="float64")


def test_every_start_reaches_the_minimum(finished):
    problem, fits = finished
    assert fits.x.dims == ("variant", "start", "x_dim") and fits.sizes["start"] == 150
    assert (fits.outcome == 0).all() and (fits.reason == fits.reason.attrs["flag_meanings"].split().index("gtol")).all()
    assert fits.reason.attrs["flag_meanings"].split()[1] == "gtol"
    np.testing.assert_allclose(fits.x, 1.0, atol=1e-5)
    with jax.enable_x64(True):
        gradients = jax.vmap(jax.vmap(problem.gradient))(fits.x.values)
    np.testing.assert_allclose(fits.gradient_norm, np.abs(gradients).max(axis=-1), atol=1e-12)
    assert (fits.gradient_norm <= 1e-6).all()
    np.testing.assert_array_equal(fits.x, fits.last_x)
    assert list(fits.variant.values) == list(FINISHERS)


@pytest.mark.parametrize(
    "names", [["bfgs"], pytest.param(["trust", "lbfgs", "cg", "marquardt"], marks=pytest.mark.slow)]
)
def test_results_do_not_depend_on_lanes_chunks_or_threads(names, finished, monkeypatch):
    """All starts in narrow lanes, with a look after every step, one block to a chunk and one thread; and few alone."""
    fits, methods = finished[1].sel(variant=names), {name: FINISHERS[name] for name in names}
    monkeypatch.setattr(recycling, "WIDEST", 64)
    monkeypatch.setattr(recycling, "BLOCK", 1)
    monkeypatch.setattr(supply, "MOST_BLOCKS", 1)
    monkeypatch.setattr("thalweg.engine.shards.CORES", 1)
    narrow = tw.solve(rosenbrock(), methods, STARTS, dtype="float64")
    few = tw.solve(rosenbrock(), methods, STARTS[:3], dtype="float64")
    for other, some in ((narrow, fits), (few, fits.isel(start=slice(3)))):
        for name in ("outcome", "reason", "steps", "evaluations"):
            np.testing.assert_array_equal(other[name], some[name])
        for name in ("x", "last_x"):
            np.testing.assert_allclose(other[name], some[name], rtol=1e-10)


def hostile(x):
    """Two wells, a saddle at 0, NaN left of -10, an endless slope right of 10."""
    wells = (x[0] ** 2 - 1) ** 2 + x[1] ** 2
    return jnp.where(x[0] < -10, jnp.nan, jnp.where(x[0] > 10, -x[0], wells))


def test_bad_lanes_leave_the_others_unchanged():
    methods = {name: FINISHERS[name] for name in ("trust", "bfgs", "lbfgs", "cg")}
    problem = tw.Problem(loss=hostile, start=[0.0, 0.0])
    good = tw.starts.uniform((-2.0, 2.0), 40, key=3)[:, :1] * [1.0, 0.5]
    bad = [[-11.0, 0.0], [20.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    alone = tw.solve(problem, methods, good, dtype="float64", max_steps=300)
    among = tw.solve(problem, methods, np.vstack([bad, good]), dtype="float64", max_steps=300)
    for name in alone.data_vars:
        np.testing.assert_array_equal(among[name].isel(start=slice(len(bad), None)), alone[name])
    outcome = among.outcome.values
    assert (outcome[:, 0] == 2).all() and (among.steps.values[:, 0] == 0).all()
    assert np.isnan(among.loss.values[:, 0]).all()
    assert set(outcome[:, 1]) <= {1, 3} and (among.steps.values[:, 1] > 100).all()
    assert outcome[0, 2] == outcome[0, 3] == 0  # the trust region leaves the saddle; the rest is content with it
    np.testing.assert_allclose(np.abs(among.x.values[0, 2:4]), [[1, 0], [1, 0]], atol=1e-6)
    np.testing.assert_array_equal(among.x.values[1:, 2], 0)


def test_a_saddle_of_many_components_is_left():
    d = recycling.MOST_BLOCKS * 5
    curvatures = jnp.linspace(0.5, 2.0, d - 1)
    problem = tw.Problem(loss=lambda x: (x[7] ** 2 - 1) ** 2 + jnp.sum(curvatures * x[1:] ** 2), start=np.zeros(d))
    fits = tw.solve(problem, tw.methods.TrustRegion(), dtype="float64")
    c = float(curvatures[6])
    lowest = c - c**2 / 4  # at x7^2 = 1 - c/2
    assert fits.outcome.item() == 0
    np.testing.assert_allclose(fits.loss.item(), lowest, rtol=1e-6)


def test_tolerances_combine_and_are_told_apart():
    problem = tw.problems.quadratic([1.0])
    method = tw.methods.gradient_descent(learning_rate=0.015)  # each step multiplies x by 0.985
    g, f, x = tolerances.gtol(1e-3), tolerances.ftol(0.02), tolerances.xtol(1e-3)

    def ends(until):
        fits = tw.solve(problem, method, [[1.0]], until=until, dtype="float64", max_steps=5000)
        meaning = fits.reason.attrs["flag_meanings"].split()[fits.reason.item()]
        return fits.steps.item(), meaning

    path = tw.run(problem, method, [[1.0]], steps=5000, dtype="float64")
    at, loss = path.x.values[0, 0], path.loss.values[0, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        measured = {
            "gtol": np.abs(at).max(-1) <= 1e-3,
            "ftol": np.append(False, np.abs(np.diff(loss)) / np.maximum(loss[1:], loss[:-1]) <= 0.02),
            "xtol": np.append(False, (np.abs(np.diff(at, axis=0)) / np.abs(at[:-1])).max(-1) <= 1e-3),
        }
    assert ends(g) == (measured["gtol"].argmax(), "gtol")
    assert ends(g | f) == (min((measured["gtol"].argmax(), "gtol"), (5001, "ftol")))
    assert not measured["xtol"].any() and ends(x | g)[1] == "gtol"
    assert ends(g & x) == (5000, "max_steps") == ends(f)
    assert ends(tolerances.xtol(0.02) & g) == (measured["gtol"].argmax(), "xtol_and_gtol")


def test_what_ends_a_start_without_a_tolerance():
    problem = tw.problems.quadratic([1.0, 100.0])
    fits = tw.solve(
        problem,
        tw.sweep(tw.methods.gradient_descent(1.0), learning_rate=[1e-4, 0.025, 1e-40]),
        [[1.0, 1.0]],
        gtol=0,
        dtype="float64",
        max_steps=3000,
    )
    assert list(fits.outcome.values[:, 0]) == [3, 2, 1]  # slow, diverging, and too small to move
    assert list(fits.steps.values[[0, 2], 0]) == [3000, 0]
    assert fits.loss.values[1, 0] == problem.value(jnp.ones(2)) and fits.last_loss.values[1, 0] == np.inf
    np.testing.assert_array_equal(fits.x.values[1, 0], [1.0, 1.0])
    none = tw.solve(problem, tw.methods.Newton(), gtol=0, max_steps=0, dtype="float64")
    assert none.steps.item() == 0 and none.loss.item() == problem.value(problem.start)


@pytest.mark.slow
def test_a_search_that_cannot_improve_is_stalled():
    """Rounding leaves a gradient of about 1e-5: beyond the reach of gtol = 1e-12."""
    problem = tw.Problem(loss=lambda x: 1e6 * jnp.sum((x - 0.1) ** 2) + 1e3, start=[1.0, 2.0])
    methods = {name: FINISHERS[name] for name in ("trust", "bfgs", "cg")}
    fits = tw.solve(problem, methods, [[0.3, 0.7]], gtol=1e-300, dtype="float64")
    assert set(fits.outcome.values[:, 0]) <= {0, 1} and (fits.steps < 500).all()
    np.testing.assert_allclose(fits.x, 0.1, atol=1e-7)


@pytest.mark.slow
def test_evaluations_are_those_that_were_made():
    """Counted by a callback in the loss; the trust region has a gradient and a Hessian at each trial."""
    problem = tw.problems.rosenbrock(2)
    methods = {
        "gd": tw.methods.gradient_descent(1e-3),
        "newton": tw.methods.Newton(),
        "search": tw.methods.from_optax(optax.lbfgs),
        **{name: FINISHERS[name] for name in ("trust", "bfgs", "cg")},
    }
    fits = tw.solve(problem, methods, [[-1.2, 1.0]], dtype="float64", max_steps=50)
    steps = fits.steps.sel(variant=list(methods)).values[:, 0]
    counts = {name: fits.evaluations.sel(variant=name).values[0].tolist() for name in methods}
    assert list(fits.evaluation.values) == ["value", "gradient", "product", "jacobian", "hessian"]
    n = dict(zip(methods, steps, strict=True))
    assert counts["gd"] == [n["gd"] + 1, n["gd"] + 1, 0, 0, 0]
    assert counts["newton"] == [n["newton"] + 1, n["newton"] + 1, 0, 0, n["newton"]]
    assert counts["trust"] == [n["trust"] + 1, n["trust"] + 1, 0, 0, n["trust"] + 1]
    assert counts["bfgs"] == [n["bfgs"] + 1, n["bfgs"] + 1, 0, 0, 0]
    assert counts["cg"] == [n["cg"] + 1, n["cg"] + 1, n["cg"], 0, 0]
    assert counts["search"] == [-1] * 5  # its line search is a loop inside a step


def decay(x, data):
    return x[0] * jnp.exp(-x[1] * data["t"]) - data["y"]


def many_decays(n):
    draw = np.random.default_rng(5)
    t = np.linspace(0.0, 2.0, 12)
    truth = draw.uniform([1.0, 0.5], [3.0, 2.0], (n, 2))
    y = truth[:, :1] * np.exp(-truth[:, 1:] * t) + 0.01 * draw.normal(size=(n, 12))
    return {"t": np.broadcast_to(t, (n, 12)), "y": y}


def test_cases_are_each_solved_as_alone(compiled):
    data = many_decays(40)
    problem = tw.Problem(decay, loss=tw.SquaredError(), start=[1.0, 1.0])
    assert problem.is_open
    starts = [[1.0, 1.0], [2.0, 0.5]]
    fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), starts, cases=data, dtype="float64", gtol=1e-8)
    assert fits.x.dims == ("variant", "case", "start", "x_dim") and fits.sizes["case"] == 40
    assert (fits.outcome == 0).all()
    for i in (0, 17, 39):
        one = {"t": data["t"][i], "y": data["y"][i]}
        expected = scipy.optimize.curve_fit(lambda t, a, b: a * np.exp(-b * t), one["t"], one["y"], [1, 1])[0]
        np.testing.assert_allclose(fits.x.values[0, i], [expected, expected], rtol=1e-6)
        bound = problem.bind(one)
        np.testing.assert_allclose(fits.loss.values[0, i, 0], bound.value(fits.x.values[0, i, 0]), rtol=1e-4)
    before = len(compiled)
    again = tw.solve(
        problem, tw.methods.LevenbergMarquardt(), starts, cases=many_decays(40), dtype="float64", gtol=1e-8
    )
    assert len(compiled) == before and again.sizes == fits.sizes


def test_time_and_ctrl_c_keep_what_is_done(monkeypatch):
    """A few starts converge at once; the others would go on for ever."""
    problem = tw.problems.rosenbrock(2)
    method = tw.sweep(tw.methods.gradient_descent(1e-3), learning_rate=[1e-3, 1e-12])
    starts = np.vstack([np.ones((5, 2)), np.zeros((700, 2))])
    short = tw.solve(problem, method, starts, max_steps=2**31, max_seconds=0.5, dtype="float64")
    assert short.attrs["run_seconds"] < 3 and "interrupted" not in short.attrs
    meanings = short.reason.attrs["flag_meanings"].split()
    assert (short.outcome.values[0, :5] == 0).all() and (short.outcome.values[:, 5:] == 3).any()
    cut = short.reason.values == meanings.index("max_seconds")
    assert cut.any() and (short.outcome.values[cut] == 3).all()
    never = short.steps.values == 0
    assert np.isnan(short.loss.values[never & cut]).all()
    np.testing.assert_array_equal(short.x.values[never], np.broadcast_to(starts, short.x.shape)[never])

    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    ended = tw.solve(problem, method, starts, max_steps=2**31, max_seconds=60, dtype="float64")
    timer.cancel()
    assert ended.attrs["interrupted"] == 1 and (ended.outcome.values[0, :5] == 0).all()
    assert (ended.reason.values == meanings.index("interrupted")).any()


def test_budgets_starts_and_tolerances_are_no_new_compile(compiled):
    problem = tw.problems.quadratic([1.0, 3.0])
    method = tw.methods.BFGS()
    tw.solve(problem, method, np.ones((200, 2)), dtype="float64")
    before = len(compiled)
    tw.solve(
        problem, tw.methods.BFGS(decrease=1e-3), 2 * np.ones((180, 2)), gtol=1e-4, max_steps=7, key=4, dtype="float64"
    )
    assert len(compiled) == before


BOUNDED = {"trust": tw.methods.TrustRegion(bounded=True), "lbfgs": tw.methods.LBFGS(bounded=True)}


def test_a_call_is_not_changed_by_those_before(compiled):
    """Lanes are used again, also those in which something went wrong; those that were left running are not."""
    starts = np.random.default_rng(0).uniform(-2, 2, (300, 2))
    expected = tw.solve(tw.Problem(loss=hostile, start=[0.0, 0.0]), tw.methods.BFGS(), starts, max_steps=60)
    problem = tw.Problem(loss=hostile, start=[0.0, 0.0])
    spoiled = tw.solve(problem, tw.methods.BFGS(), starts - 20.0, max_steps=60)
    cut = tw.solve(problem, tw.methods.BFGS(), starts + 20.0, max_steps=10**6, max_seconds=0.05)
    assert (cut.steps > 60).any()
    before = len(compiled)
    after = tw.solve(problem, tw.methods.BFGS(), starts, max_steps=60)
    assert len(compiled) == before
    assert (spoiled.outcome == 2).all() and after.equals(expected)


@pytest.mark.slow
@pytest.mark.parametrize("d", [6, 12])
def test_bounded_methods_find_the_constrained_minimum(d):
    """A convex quadratic in a box has one solution; SciPy's L-BFGS-B knows it."""
    draw = np.random.default_rng(d)
    root = draw.normal(size=(d + 2, d))
    target = draw.normal(size=d + 2)
    problem = tw.Problem(
        lambda x: jnp.asarray(root, x.dtype) @ x,
        loss=tw.SquaredError(target, 0.5),
        start=np.zeros(d),
        domain=(-0.1, 0.15),
    )
    expected = scipy.optimize.lsq_linear(root, target, (-0.1, 0.15), tol=1e-14).x
    assert 0 < np.isclose(np.abs(expected - 0.025), 0.125).sum() < d
    methods = {**BOUNDED, "marquardt": tw.methods.LevenbergMarquardt(bounded=True)}
    fits = tw.solve(problem, methods, tw.starts.uniform(problem.domain, 20, key=1), gtol=1e-9, dtype="float64")
    assert (fits.outcome == 0).all()
    np.testing.assert_allclose(fits.x, np.broadcast_to(expected, fits.x.shape), atol=1e-7)
    assert ((fits.x >= -0.1) & (fits.x <= 0.15)).all()


def test_bounded_methods_on_a_curved_valley():
    problem = tw.Problem(loss=ROSENBROCK, start=[-1.2, 1.0], domain=([-2.0, -2.0], [0.5, 2.0]))
    fits = tw.solve(problem, BOUNDED, tw.starts.uniform(problem.domain, 50, key=2), gtol=1e-8, dtype="float64")
    assert (fits.outcome == 0).all()
    np.testing.assert_allclose(fits.x, np.broadcast_to([0.5, 0.25], fits.x.shape), atol=1e-6)


def ROSENBROCK(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_gradient_free_of_finite_differences_serves_solve():
    problem = tw.Problem(loss=ROSENBROCK, start=[-1.2, 1.0], derivatives=tw.FiniteDifference())
    fits = tw.solve(problem, FINISHERS["cg"], gtol=1e-4, dtype="float64")
    assert (fits.outcome == 0).all()
    np.testing.assert_allclose(fits.x, 1.0, atol=1e-3)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"gtol": -1.0}, "gtol is -1.0, but a tolerance is a positive number"),
        ({"xtol": "small"}, "xtol is 'small', but a tolerance is a positive number"),
        ({"until": 1e-3}, "until is 0.001, but it must combine tolerances"),
        ({"until": tolerances.gtol(1e-3), "ftol": 0.1}, "until was given beside gtol"),
        ({"max_steps": -1}, "max_steps is -1"),
        ({"max_seconds": 0}, "max_seconds is 0, but a budget is a positive number"),
        ({"cases": {"t": np.ones((3, 2))}}, "no function of 'quadratic"),
        ({"starts": [[1.0, np.inf]]}, "not finite in float32"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments, sentence, compiled):
    problem = tw.problems.quadratic([1.0, 3.0])
    before = len(compiled)
    with pytest.raises(ValueError, match=sentence) as raised:
        tw.solve(problem, tw.methods.Newton(), **arguments)
    assert len(compiled) == before and "\n" not in str(raised.value)


def test_bad_cases_and_methods_are_one_sentence():
    problem = tw.Problem(decay, loss=tw.SquaredError(), start=[1.0, 1.0])
    with pytest.raises(ValueError, match="asks for data, but the problem has none; give Problem"):
        tw.solve(problem, tw.methods.LevenbergMarquardt())
    with pytest.raises(ValueError, match=r"cases have the shapes .*; stack the data sets"):
        tw.solve(problem, tw.methods.LevenbergMarquardt(), cases={"t": np.ones((3, 4)), "y": np.ones((2, 4))})
    with pytest.raises(ValueError, match="cases cannot be read"):
        tw.solve(problem, tw.methods.LevenbergMarquardt(), cases={"t": ["a"], "y": [1.0]})
    with pytest.raises(ValueError, match="stage 'y', decay, cannot take input"):
        tw.solve(problem, tw.methods.LevenbergMarquardt(), cases={"u": np.ones((3, 4))})
    free = tw.problems.quadratic([1.0, 3.0])
    free.domain = None
    with pytest.raises(ValueError, match="has no domain, but a bounded method stays in one"):
        tw.solve(free, tw.methods.LBFGS(bounded=True))
    with pytest.raises(ValueError, match="takes a Problem"):
        tw.solve(lambda x: x, tw.methods.Newton())
