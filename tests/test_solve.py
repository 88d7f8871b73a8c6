"""``solve``: lanes that are taken again, tolerances, outcomes, evaluations, cases."""

import dataclasses
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


ROSENBROCK = tw.Problem(residuals, loss=tw.SquaredError(), start=[-1.2, 1.0], minima=[[1.0, 1.0]])


def reasons(fits):
    """The words for what ended each start."""
    codes = dict(zip(fits.reason.attrs["flag_values"], fits.reason.attrs["flag_meanings"].split(), strict=True))
    return np.vectorize(codes.__getitem__, otypes=[object])(fits.reason.values)


def steepest(problem, points):
    """max_i |dL/dx_i| at points of shape (..., d)."""
    with jax.enable_x64(True):
        gradients = jax.vmap(problem.gradient)(points.reshape(-1, points.shape[-1]))
    return np.abs(gradients).max(axis=-1).reshape(points.shape[:-1])


@pytest.mark.parametrize(
    "names", [["bfgs"], pytest.param(["trust", "lbfgs", "cg", "marquardt"], marks=pytest.mark.slow)]
)
def test_every_start_reaches_the_minimum(names):
    fits = tw.solve(ROSENBROCK, {name: FINISHERS[name] for name in names}, STARTS, dtype="float64")
    assert fits.x.dims == ("variant", "start", "x_dim") and fits.sizes["start"] == 150
    assert (fits.outcome == 0).all() and (reasons(fits) == "gtol").all()
    np.testing.assert_allclose(fits.x, 1.0, atol=1e-5)
    np.testing.assert_allclose(fits.gradient_norm, steepest(ROSENBROCK, fits.x.values), atol=1e-12)
    assert (fits.gradient_norm <= 1e-6).all()
    np.testing.assert_array_equal(fits.x, fits.last_x)
    assert list(fits.variant.values) == names


def hostile(x):
    """Two wells, a saddle at 0, NaN left of -10, an endless slope right of 10."""
    wells = (x[0] ** 2 - 1) ** 2 + x[1] ** 2
    return jnp.where(x[0] < -10, jnp.nan, jnp.where(x[0] > 10, -x[0], wells))


HOSTILE = tw.Problem(loss=hostile, start=[0.0, 0.0])


@pytest.mark.parametrize("names", [["trust", "bfgs"], pytest.param(["lbfgs", "cg"], marks=pytest.mark.slow)])
def test_bad_lanes_leave_the_others_unchanged(names):
    methods = {name: FINISHERS[name] for name in names}
    good = tw.starts.uniform((-2.0, 2.0), 40, key=3)[:, :1] * [1.0, 0.5]
    bad = [[-11.0, 0.0], [20.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    alone = tw.solve(HOSTILE, methods, good, dtype="float64", max_steps=300)
    among = tw.solve(HOSTILE, methods, np.vstack([bad, good]), dtype="float64", max_steps=300)
    for name in alone.data_vars:
        np.testing.assert_array_equal(among[name].isel(start=slice(len(bad), None)), alone[name])
    outcome = among.outcome.values
    assert (outcome[:, 0] == 2).all() and (among.steps.values[:, 0] == 0).all()
    assert np.isnan(among.loss.values[:, 0]).all()
    assert set(outcome[:, 1]) <= {1, 3} and (among.steps.values[:, 1] > 100).all()
    for name, at_saddle in zip(names, outcome[:, 2:4], strict=True):  # the trust region leaves it, others are content
        assert (at_saddle == 0).all()
        x = among.x.sel(variant=name).values[2:4]
        np.testing.assert_allclose(np.abs(x), [[name == "trust", 0]] * 2, atol=1e-6)
    np.testing.assert_allclose(among.gradient_norm[:, 1:], steepest(HOSTILE, among.x.values[:, 1:]), atol=1e-12)


def test_a_saddle_of_many_components_is_left():
    d = 320
    curvatures = jnp.linspace(0.5, 2.0, d - 1)
    problem = tw.Problem(loss=lambda x: (x[7] ** 2 - 1) ** 2 + jnp.sum(curvatures * x[1:] ** 2), start=np.zeros(d))
    fits = tw.solve(problem, tw.methods.TrustRegion(), dtype="float64")
    c = float(curvatures[6])
    lowest = c - c**2 / 4  # at x7^2 = 1 - c/2
    assert fits.outcome.item() == 0
    np.testing.assert_allclose(fits.loss.item(), lowest, rtol=1e-6)


@pytest.mark.slow
def test_tolerances_combine_and_are_told_apart():
    """Against their definitions along the path, where x and L are far from 0 and from 1: relative is not absolute."""
    problem = tw.Problem(loss=lambda x: (x[0] - 2.0) ** 2 / 2 + 100.0, start=[1.0])
    method = tw.methods.gradient_descent(learning_rate=0.015)  # each step multiplies x - 2 by 0.985
    path = tw.run(problem, method, steps=1000, dtype="float64")
    at, loss = path.x.values[0, 0, :, 0], path.loss.values[0, 0]
    g = np.abs(at - 2) <= 1e-3
    f = np.append(False, np.abs(np.diff(loss)) / np.maximum(loss[1:], loss[:-1]) <= 1e-6)
    x = np.append(False, np.abs(np.diff(at) / at[:-1]) <= 1e-3)
    assert 1 < x.argmax() < f.argmax() < g.argmax()
    gtol, ftol, xtol = tolerances.gtol(1e-3), tolerances.ftol(1e-6), tolerances.xtol(1e-3)
    for until, met, reason in (
        (ftol, f, "ftol"),
        (xtol | gtol & ftol, x, "xtol"),
        (gtol & ftol | xtol & ftol, f & x, "xtol_and_ftol"),
    ):
        fits = tw.solve(problem, method, until=until, dtype="float64")
        assert (fits.steps.item(), reasons(fits).item()) == (met.argmax(), reason)
        few = tw.solve(problem, method, until=until, max_steps=met.argmax() - 1, dtype="float64")
        assert (few.outcome.item(), reasons(few).item()) == (3, "max_steps")
    short = tw.solve(problem, method, gtol=1e-3, max_steps=1000, dtype="float64")
    assert (short.steps.item(), reasons(short).item()) == (g.argmax(), "gtol")


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
    np.testing.assert_allclose(fits.gradient_norm, steepest(problem, fits.x.values))  # there, not where it ended


@pytest.mark.slow
def test_a_search_that_cannot_improve_is_stalled():
    """Rounding leaves a gradient of about 1e-5: beyond the reach of gtol = 1e-12."""
    problem = tw.Problem(loss=lambda x: 1e6 * jnp.sum((x - 0.1) ** 2) + 1e3, start=[1.0, 2.0])
    methods = {name: FINISHERS[name] for name in ("trust", "bfgs", "cg")}
    fits = tw.solve(problem, methods, [[0.3, 0.7]], gtol=1e-300, dtype="float64")
    assert set(fits.outcome.values[:, 0]) <= {0, 1} and (fits.steps < 500).all()
    np.testing.assert_allclose(fits.x, 0.1, atol=1e-7)


class Counting:
    """Derivatives by JAX that tell the host of each that is computed."""

    def __init__(self):
        self.kinds, self.made = {}, []

    def gradient(self, f, x):
        jax.debug.callback(lambda: self.made.append("gradient"))
        return jax.grad(f)(x)

    def value_and_gradient(self, f, x):
        jax.debug.callback(lambda: self.made.extend(["value", "gradient"]))
        return jax.value_and_grad(f)(x)

    def hessian(self, f, x):
        jax.debug.callback(lambda: self.made.append("hessian"))
        return jax.hessian(f)(x)

    def hessian_product(self, f, x, v):
        jax.debug.callback(lambda: self.made.extend(["value", "gradient", "product"]))
        (value, gradient), (_, product) = jax.jvp(jax.value_and_grad(f), (x,), (v,))
        return value, gradient, product


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Often:
    """Three steps of gradient descent in one, in a loop or written out."""

    learning_rate: float
    loop: bool = dataclasses.field(default=True, metadata={"static": True})

    def init(self, problem, x, key):
        return ()

    def step(self, problem, x, state):
        def once(_, x):
            return x - self.learning_rate * problem.gradient(x)

        return (jax.lax.fori_loop(0, 3, once, x) if self.loop else once(2, once(1, once(0, x)))), state


@pytest.mark.parametrize(
    "method",
    [
        FINISHERS["bfgs"],
        Often(1e-3, loop=False),
        tw.methods.Newton(),
        *(
            pytest.param(method, marks=pytest.mark.slow)
            for method in (tw.methods.gradient_descent(1e-3), FINISHERS["trust"], FINISHERS["cg"])
        ),
    ],
    ids=lambda method: type(method).__name__,
)
def test_evaluations_are_those_that_were_made(method):
    """Counted on the host by callbacks in the derivatives, in a loop over the steps of one start."""
    fits = tw.solve(ROSENBROCK, method, [[-1.2, 1.0]], dtype="float64", max_steps=20)
    assert list(fits.evaluation.values) == ["value", "gradient", "product", "jacobian", "hessian"]
    counting = Counting()
    problem = tw.Problem(residuals, loss=tw.SquaredError(), start=[-1.2, 1.0], derivatives=counting)
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        state = jax.jit(lambda x: method.init(problem, x, jax.random.key(0)))(x)
        step = jax.jit(lambda x, state: method.step(problem, x, state))
        for _ in range(fits.steps.item()):
            x, state = step(x, state)
        if hasattr(method, "look"):  # then the last look asks for what a step would
            step(x, state)
        elif not hasattr(method, "report"):  # then each look at a point costs a value and a gradient
            look = jax.jit(problem.value_and_gradient)
            for _ in range(fits.steps.item() + 1):
                look(x)
        jax.effects_barrier()
    np.testing.assert_allclose(fits.last_x[0, 0], x, rtol=1e-8)
    made = [counting.made.count(kind) for kind in fits.evaluation.values]
    alone = hasattr(method, "report") or hasattr(method, "look")
    shared = 0 if alone else fits.steps.item()  # the gradient of a look, which the step has too
    assert fits.evaluations[0, 0].values.tolist() == [made[0], made[1] - shared, *made[2:]]


def test_evaluations_in_a_loop_of_a_method_cannot_be_counted():
    fits = tw.solve(ROSENBROCK, Often(1e-3), [[-1.2, 1.0]], dtype="float64", max_steps=20)
    assert (fits.evaluations == -1).all()


@pytest.mark.slow
def test_evaluations_in_a_line_search_of_optax_cannot_be_counted():
    search = tw.methods.from_optax(optax.lbfgs)
    assert (tw.solve(ROSENBROCK, search, dtype="float64", max_steps=3).evaluations == -1).all()


def decay(x, data):
    return x[0] * jnp.exp(-x[1] * data["t"]) - data["y"]


def many_decays(n):
    draw = np.random.default_rng(5)
    t = np.linspace(0.0, 2.0, 12)
    truth = draw.uniform([1.0, 0.5], [3.0, 2.0], (n, 2))
    y = truth[:, :1] * np.exp(-truth[:, 1:] * t) + 0.01 * draw.normal(size=(n, 12))
    return {"t": np.broadcast_to(t, (n, 12)), "y": y}


@pytest.mark.slow
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


@pytest.mark.slow
def test_each_case_may_have_starts_of_its_own():
    """(x^2 - c)^2 has two minima: the sign of the start decides which is found."""
    problem = tw.Problem(lambda x, c: x["u"] ** 2 - c, loss=tw.SquaredError(), start={"u": np.ones(2)})
    c = np.array([[1.0, 4.0], [9.0, 16.0], [25.0, 36.0]])
    signs = np.array([[[1, 1], [1, -1]], [[-1, 1], [-1, -1]], [[1, -1], [-1, 1]]])
    for starts in (2.0 * signs, {"u": 2.0 * signs}):
        fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), starts, cases=c, gtol=1e-10)
        np.testing.assert_allclose(fits.x.values[0], signs * np.sqrt(c)[:, None], rtol=1e-8)
        assert fits.first_x.dims == ("case", "start", "x_dim")
        np.testing.assert_array_equal(fits.first_x, 2 * signs)
    kept = problem.within((-1.0, 9.0))
    ended = tw.solve(kept, tw.methods.LevenbergMarquardt(bounded=True), 2.0 * signs, cases=c, max_steps=0)
    np.testing.assert_array_equal(ended.x.values[0], np.maximum(2 * signs, -1))
    assert ended.attrs["projected"] == 5
    with pytest.raises(ValueError, match=r"starts have shape \(2, 2, 2\), but a point of 'problem' has shape \(2,\)"):
        tw.solve(problem, tw.methods.LevenbergMarquardt(), signs[:2], cases=c)


@pytest.mark.slow
def test_time_and_ctrl_c_keep_what_is_done(monkeypatch):
    """A few starts converge at once; the others would go on for ever."""
    problem = tw.problems.rosenbrock(2)
    method = tw.sweep(tw.methods.gradient_descent(1e-3), learning_rate=[1e-3, 1e-12])
    starts = np.vstack([np.ones((5, 2)), np.zeros((2000, 2))])  # more than have lanes
    short = tw.solve(problem, method, starts, max_steps=2**31, max_seconds=0.5, dtype="float64")
    assert short.attrs["run_seconds"] < 3 and "interrupted" not in short.attrs
    assert (short.outcome.values[0, :5] == 0).all() and (short.outcome.values[:, 5:] == 3).any()
    cut = reasons(short) == "max_seconds"
    assert cut.any() and (short.outcome.values[cut] == 3).all()
    never = short.steps.values == 0
    assert (never & cut).any()
    for name in ("loss", "last_loss", "gradient_norm"):
        assert np.isnan(short[name].values[never & cut]).all()
    assert (short.evaluations.values[never & cut] == 0).all()
    for name in ("x", "last_x"):
        np.testing.assert_array_equal(short[name].values[never], np.broadcast_to(starts, short.x.shape)[never])

    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    ended = tw.solve(problem, method, starts, max_steps=2**31, max_seconds=60, dtype="float64")
    timer.cancel()
    assert ended.attrs["interrupted"] == 1 and (ended.outcome.values[0, :5] == 0).all()
    assert (reasons(ended) == "interrupted").any()


@pytest.mark.slow
def test_budgets_starts_and_tolerances_are_no_new_compile(compiled):
    tw.solve(ROSENBROCK, FINISHERS["bfgs"], STARTS, gtol=1e-6, dtype="float64")
    before, other = len(compiled), tw.methods.BFGS(decrease=1e-3)
    tw.solve(ROSENBROCK, other, 2 * STARTS[:140], gtol=1e-4, max_steps=7, key=4, dtype="float64")
    assert len(compiled) == before


BOUNDED = {"trust": tw.methods.TrustRegion(bounded=True), "lbfgs": tw.methods.LBFGS(bounded=True)}


@pytest.mark.slow
def test_a_call_is_not_changed_by_those_before(compiled):
    """Lanes are used again, also those in which something went wrong; those that were left running are not."""
    starts = np.random.default_rng(0).uniform(-2, 2, (300, 2))
    problem = tw.Problem(loss=hostile, start=[0.0, 0.0])
    expected = tw.solve(problem, tw.methods.BFGS(), starts, max_steps=60)
    before = len(compiled)
    spoiled = tw.solve(problem, tw.methods.BFGS(), starts - 20.0, max_steps=60)
    cut = tw.solve(problem, tw.methods.BFGS(), starts + 20.0, max_steps=10**6, max_seconds=0.05)
    assert (cut.steps > 60).any()
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


@pytest.mark.parametrize("name", ["lbfgs", pytest.param("trust", marks=pytest.mark.slow)])
def test_bounded_methods_on_a_curved_valley(name):
    problem = tw.Problem(loss=valley, start=[-1.2, 1.0], domain=([-2.0, -2.0], [0.5, 2.0]))
    fits = tw.solve(problem, BOUNDED[name], tw.starts.uniform(problem.domain, 50, key=2), gtol=1e-8, dtype="float64")
    assert (fits.outcome == 0).all()
    np.testing.assert_allclose(fits.x, np.broadcast_to([0.5, 0.25], fits.x.shape), atol=1e-6)


def valley(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_gradient_free_of_finite_differences_serves_solve():
    problem = tw.Problem(loss=valley, start=[-1.2, 1.0], derivatives=tw.FiniteDifference())
    fits = tw.solve(problem, FINISHERS["cg"], gtol=1e-4, dtype="float64")
    assert (fits.outcome == 0).all()
    np.testing.assert_allclose(fits.x, 1.0, atol=1e-3)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"gtol": -1.0}, "gtol is -1.0, but a tolerance is a positive number"),
        ({"xtol": "small"}, "xtol is 'small', but a tolerance is a positive number"),
        ({"until": 1e-3}, "until is 0.001, but it must combine tolerances"),
        ({"until": tolerances.gtol(1e-3), "ftol": 0.1}, "until was given beside ftol"),
        ({"max_steps": -1}, "max_steps is -1"),
        ({"max_seconds": 0}, "max_seconds is 0, but a budget is a positive number"),
        ({"cases": {"t": np.ones((3, 2))}}, "no function of 'quadratic"),
        ({"starts": [[1.0, np.inf]]}, "not finite in float64"),
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
    free = tw.problems.quadratic([1.0, 3.0]).within(None)
    with pytest.raises(ValueError, match="has no domain, but a bounded method stays in one"):
        tw.solve(free, tw.methods.LBFGS(bounded=True))
    with pytest.raises(ValueError, match="takes a Problem"):
        tw.solve(lambda x: x, tw.methods.Newton())
