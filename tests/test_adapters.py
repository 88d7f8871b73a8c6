"""Solvers of other libraries as methods: their own iterates, in lanes."""

import math
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pytest
import scipy.optimize
from optimistix import BFGS, Dogleg, GaussNewton, GradientDescent, LevenbergMarquardt, NonlinearCG, OptaxMinimiser

import thalweg as tw
from thalweg.methods import from_optimistix, from_scipy, scipy_path

NEVER = 1e-300  # a tolerance that is not met
TIME = np.linspace(1.0, 10.0, 14)


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def rosenbrock():
    return tw.problems.rosenbrock()


def misra():
    """NIST's Misra1a with data of its own, b0 (1 - exp(-b1 t))."""
    seen = 2 * (1 - np.exp(-0.3 * TIME)) + 0.01 * np.cos(TIME)
    return tw.Problem(
        lambda b: b[0] * (1 - jnp.exp(-b[1] * TIME)), loss=tw.SquaredError(seen, factor=0.5), start=[1.5, 0.2]
    )


def quartic():
    """Convex, so that rounding does not grow along a path."""
    return tw.Problem(
        loss=lambda x: jnp.sum((x - 1) ** 4) + jnp.sum(x**2 * jnp.arange(1, 4)), start=[2.0, -1.0, 1.5], domain=(-3, 3)
    )


def quick(chosen, names):
    """The names, of which those that are not chosen are slow: they take the same way."""
    return [pytest.param(name, marks=() if name in chosen else pytest.mark.slow) for name in names]


MINIMISERS = {
    "BFGS": BFGS(NEVER, NEVER),
    "NonlinearCG": NonlinearCG(NEVER, NEVER),
    "GradientDescent": GradientDescent(1e-3, NEVER, NEVER),
    "OptaxMinimiser": OptaxMinimiser(optax.adam(0.1), NEVER, NEVER),
}
LEAST_SQUARES = {
    "LevenbergMarquardt": LevenbergMarquardt(NEVER, NEVER),
    "GaussNewton": GaussNewton(NEVER, NEVER),
    "Dogleg": Dogleg(NEVER, NEVER),
}


@pytest.mark.parametrize("name", quick(("BFGS",), [*MINIMISERS, *LEAST_SQUARES]))
def test_iterates_are_those_of_optimistix(name):
    squares = name in LEAST_SQUARES
    solver, problem = (LEAST_SQUARES[name], misra()) if squares else (MINIMISERS[name], rosenbrock())
    solve, f = (optimistix.least_squares, problem.residual) if squares else (optimistix.minimise, problem.value)
    path = tw.run(problem, from_optimistix(solver), steps=30, dtype="float64")
    assert path.variant.item() == name
    steps = 31 if hasattr(solver, "search") else 30  # where it searches, x stays at the start in the first
    theirs = solve(lambda x, _: f(x), solver, jnp.asarray(problem.start), max_steps=steps, throw=False)
    np.testing.assert_allclose(path["x"].sel(step=30).squeeze(), theirs.value, rtol=1e-10)
    assert len(np.unique(path["x"].squeeze(), axis=0)) > 2


@pytest.mark.parametrize("name", ["BFGS", pytest.param("LevenbergMarquardt", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_lanes_give_each_start_its_own_answer(name):
    squares = name in LEAST_SQUARES
    problem, method = (misra(), LEAST_SQUARES[name]) if squares else (rosenbrock(), MINIMISERS[name])
    starts = problem.start + np.random.default_rng(0).uniform(-0.1, 0.5, (64, 2))
    fits = tw.solve(problem, from_optimistix(method), starts, dtype="float64", gtol=1e-7)
    assert fits.attrs["dtype"] == "float64" and (fits.outcome == 0).all()
    gradients = jax.vmap(problem.gradient)(fits["x"].values[0])
    np.testing.assert_allclose(fits.gradient_norm.values[0], np.abs(gradients).max(1), atol=1e-12)
    kinds = ["value", "jacobian"] if squares else ["value", "gradient"]
    assert (fits.evaluations.sel(evaluation=kinds) == fits.steps + 1).all()
    few = [0, 31, 63]
    alone = tw.solve(problem, from_optimistix(method), starts[few], dtype="float64", gtol=1e-7)
    np.testing.assert_array_equal(alone.steps.values, fits.steps.values[:, few])
    np.testing.assert_allclose(alone["x"].values, fits["x"].values[:, few], rtol=1e-10)


def test_numbers_of_a_solver_can_be_swept():
    curvatures, rates = np.array([1.0, 3.0]), np.array([0.05, 0.1, 0.3])
    method = tw.sweep(from_optimistix(GradientDescent(0.1, NEVER, NEVER)), learning_rate=rates)
    path = tw.run(tw.problems.quadratic(curvatures), method, steps=6, dtype="float64")
    np.testing.assert_array_equal(path.learning_rate, rates)
    expected = (1 - rates[:, None] * curvatures)[:, None, None] ** np.arange(7)[:, None]
    np.testing.assert_allclose(path["x"], expected, rtol=1e-12)


def line(method, **arguments):
    """Fits of a line to each of three data sets, and those of LAPACK."""
    design = np.stack([np.ones(8), np.arange(8)], axis=1)
    data = np.random.default_rng(1).normal(size=(3, 8))
    problem = tw.Problem(lambda b, y: design @ b - y, loss=tw.SquaredError(), start=[0.0, 0.0])
    fits = tw.solve(problem, method, cases=data, dtype="float64", **arguments)
    return fits["x"].values[0, :, 0], np.linalg.lstsq(design, data.T, rcond=None)[0].T


@pytest.mark.parametrize("method", [from_optimistix(LEAST_SQUARES["LevenbergMarquardt"]), from_scipy(gtol=1e-9)])
@pytest.mark.slow
def test_each_case_is_fitted_to_its_own_data(method):
    ours, lapack = line(method, gtol=1e-8)
    np.testing.assert_allclose(ours, lapack, atol=1e-8)


@pytest.mark.parametrize("name", quick(("BFGS",), ["BFGS", "CG", "L-BFGS-B", "Newton-CG", "SLSQP", "trust-constr"]))
def test_iterates_are_those_of_scipy(name):
    problem = quartic()
    both, theirs = jax.jit(problem.value_and_gradient), [problem.start]

    def f(x):
        value, gradient = both(x)
        return float(value), np.asarray(gradient)

    found = scipy.optimize.minimize(
        f, problem.start, jac=True, method=name, callback=lambda x, *_: theirs.append(x.copy()), options={"maxiter": 20}
    )
    path = tw.run(problem, from_scipy(name, maxiter=20), steps=25, dtype="float64")["x"].squeeze().values
    np.testing.assert_allclose(path[: len(theirs)], theirs, atol=1e-9)
    np.testing.assert_allclose(path[len(theirs) :], np.tile(found.x, (26 - len(theirs), 1)), atol=1e-9)


@pytest.mark.slow
def test_two_of_scipy_at_once_from_many_starts():
    problem, before = quartic(), threading.active_count()
    several = {"BFGS": from_scipy("BFGS", maxiter=40, gtol=1e-7), "L-BFGS-B": from_scipy("L-BFGS-B", gtol=1e-7, ftol=0)}
    starts = tw.starts.uniform(problem.domain, 48)
    fits = tw.solve(problem, several, starts, dtype="float64")
    assert (fits.outcome == 0).all() and not scipy_path._conversations
    np.testing.assert_allclose(fits["x"], np.broadcast_to(fits["x"].values[0, 0], (2, 48, 3)), atol=1e-5)
    few = [0, 20, 47]
    alone = tw.solve(problem, several, starts[few], dtype="float64")
    np.testing.assert_array_equal(alone["x"].values, fits["x"].values[:, few])
    assert threading.active_count() <= before + 4  # threads of the crew and of XLA, none of SciPy


def test_where_scipy_ends_the_method_is_stuck():
    fits = tw.solve(quartic(), from_scipy(maxiter=3), dtype="float64", gtol=1e-12)
    assert (fits.outcome.item(), fits.steps.item()) == (1, 3)


@pytest.mark.slow
def test_numbers_that_are_not_finite_end_the_path():
    problem = tw.Problem(loss=lambda x: jnp.sum(jnp.log(x)), start=[1.0, 2.0])
    fits = tw.solve(problem, from_scipy("SLSQP"), [[1.0, 2.0], [-1.0, 1.0]], dtype="float64", max_steps=50)
    assert fits.outcome.values[0].tolist()[1] == 2
    assert not np.isfinite(fits.last_loss.values[0, 1])


@pytest.mark.slow
def test_float32():
    fits = tw.solve(quartic(), {"a": from_scipy(), "b": from_optimistix(BFGS(0.1, 0.1))}, dtype="float32", gtol=1e-3)
    assert fits["x"].dtype == np.float32 and (fits.outcome == 0).all()


FREE = tw.Problem(loss=lambda x: x[0] ** 2, start=[1.0])
REFUSED = {
    "no solver": (lambda: from_optimistix(optax.adam), "takes a minimiser or a least-squares solver; give e.g"),
    "root finder": (lambda: from_optimistix(optimistix.Newton(1e-8, 1e-8)), "^from_optimistix was given Newton"),
    "array": (
        lambda: from_optimistix(GradientDescent(jnp.ones(2), 1e-8, 1e-8)),
        "with an array in it, .*numbers; give",
    ),
    "no sum of squares": (
        lambda: tw.run(rosenbrock(), from_optimistix(LEAST_SQUARES["GaussNewton"]), dtype="float64"),
        "not known to be a sum of squares; give loss=SquaredError",
    ),
    "unknown method": (lambda: from_scipy("BFSG"), r"^from_scipy was given 'BFSG' .* \(Unknown solver BFSG\); choose"),
    "method with a Hessian": (lambda: from_scipy("trust-exact"), "Hessian .* is required"),
    "method without a gradient": (lambda: from_scipy("Nelder-Mead"), "does not use gradient information"),
    "unknown option": (lambda: from_scipy("BFGS", gtl=1e-8), "Unknown solver options: gtl"),
    "no bounds": (lambda: from_scipy("BFGS", bounded=True), "cannot handle .*bounds"),
    "no domain": (lambda: tw.solve(FREE, from_scipy("L-BFGS-B", bounded=True)), "has no domain, but a bounded"),
    "option an array": (lambda: from_scipy("BFGS", hess_inv0=np.eye(2)), "unhashable type"),
    "maxiter a fraction": (lambda: from_scipy(maxiter=math.pi), r"^maxiter is 3\.14.* whole number of at least 1"),
}


@pytest.mark.parametrize(("call", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refusal(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_without_optimistix(monkeypatch):
    monkeypatch.setitem(sys.modules, "optimistix", None)
    with pytest.raises(ValueError, match=r"not installed; pip install 'thalweg\[solvers\]'\.$"):
        from_optimistix(MINIMISERS["BFGS"])
