"""Simulators that are no JAX, as stages: called once for each point, differentiated, and no danger to other starts."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares
from scipy.special import gamma

import thalweg as tw

TIMES = np.linspace(1.0, 8.0, 9)
START = [0.6, 0.2]


class Simulator:
    """y_i = a exp(-b t_i), which counts its calls."""

    def __init__(self):
        self.points = []

    def __call__(self, x):
        assert isinstance(x, np.ndarray) and x.dtype == np.float64
        self.points.append(x.copy())
        return x[0] * np.exp(-x[1] * TIMES)

    def jacobian(self, x):
        return np.stack([np.exp(-x[1] * TIMES), -x[0] * TIMES * np.exp(-x[1] * TIMES)], axis=1)


def fitted(stage, **given):
    target = 0.9 * np.exp(-0.3 * TIMES)
    return tw.Problem(stage, loss=tw.SquaredError(target), start=START, **given)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_value_jacobian_and_hessian_are_those_of_jax(dtype):
    host, own = Simulator(), fitted(lambda x: x[0] * jnp.exp(-x[1] * TIMES))
    exact = fitted(tw.Stage.from_host(host, jacobian=host.jacobian))
    differences = fitted(tw.Stage.from_host(host))
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray([0.7, 0.25], dtype)
        tight, loose = (1e-12, 1e-8) if dtype == "float64" else (1e-5, 1e-3)
        for problem, tolerance in (exact, tight), (differences, loose):
            np.testing.assert_allclose(problem.value(x), own.value(x), rtol=tight)
            np.testing.assert_allclose(problem.gradient(x), own.gradient(x), rtol=tolerance)
            np.testing.assert_allclose(problem.jacobian(x), own.jacobian(x), rtol=tolerance, atol=tolerance)
            if dtype == "float64":
                np.testing.assert_allclose(problem.hessian(x), own.hessian(x), rtol=1e-3)


@pytest.mark.slow
def test_a_value_is_one_call_and_a_jacobian_is_none():
    host = Simulator()
    problem = fitted(tw.Stage.from_host(host, jacobian=host.jacobian))
    assert len(host.points) == 1  # to see what it returns
    host.points.clear()
    fits = tw.solve(problem, tw.methods.BFGS())
    assert fits.evaluations.sel(evaluation="value").item() - 1 == len(host.points)  # the start is known
    host.points.clear()
    starts = START + 0.1 * np.random.default_rng(0).normal(size=(40, 2))
    fits = tw.solve(problem, tw.methods.BFGS(), starts)
    assert fits.evaluations.sel(evaluation="value").sum() == len(host.points)
    assert len({point.tobytes() for point in host.points}) == len(host.points) and (fits.outcome == 0).all()


def test_a_run_calls_once_a_step():
    """Rows are of points that steps have tried."""
    host = Simulator()
    problem = fitted(tw.Stage.from_host(host, jacobian=host.jacobian))
    host.points.clear()
    tw.run(problem, tw.methods.BFGS(), np.tile([[0.5, 0.1]], (3, 1)) + np.arange(3)[:, None] / 10, steps=4)
    assert len(host.points) == 3 * 5


@pytest.mark.slow
@pytest.mark.parametrize("method", ["LevenbergMarquardt", "TrustRegion", "BFGS"])
def test_an_epidemic_is_fitted_as_scipy_does(method):
    def infected(x):
        def motion(_, y):
            return [-x[0] * y[0] * y[1], x[0] * y[0] * y[1] - x[1] * y[1]]

        return solve_ivp(motion, (0, 20), [0.99, 0.01], t_eval=np.arange(1, 21), rtol=1e-9, atol=1e-11).y[1]

    observed = infected([0.9, 0.3]) * (1 + 0.02 * np.random.default_rng(0).normal(size=20))
    problem = tw.Problem(tw.Stage.from_host(infected), loss=tw.SquaredError(observed), start=START)
    fits = tw.solve(problem, getattr(tw.methods, method)(), gtol=1e-7)
    oracle = least_squares(lambda x: infected(x) - observed, START, xtol=1e-12, ftol=1e-12, gtol=1e-12)
    np.testing.assert_allclose(fits.x.values[0, 0], oracle.x, rtol=1e-6)
    assert tw.analysis.OUTCOMES[fits.outcome.item()] == "converged"


def test_a_program_of_the_command_line_is_a_stage():
    code = "import sys; a, b = map(float, sys.argv[1:]); print(*[repr(a * t ** b) for t in (1, 2, 3, 5)])"

    def program(x):
        words = [sys.executable, "-S", "-c", code, *map(repr, x.tolist())]
        return np.array(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split(), float)

    observed = 2.0 * np.array([1.0, 2.0, 3.0, 5.0]) ** 0.5
    problem = tw.Problem(tw.Stage.from_host(program), loss=tw.SquaredError(observed), start=[1.0, 1.0])
    fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), gtol=1e-8)
    np.testing.assert_allclose(fits.x.values[0, 0], [2.0, 0.5], rtol=1e-6)


def test_what_it_raises_is_told_and_counts_as_nan():
    def narrow(x):
        if x[0] > 0.8:
            raise ArithmeticError("the mesh is inverted")
        return np.exp(x)

    problem = tw.Problem(tw.Stage.from_host(narrow), loss=tw.SquaredError([1.5, 1.5]), start=[0.1, 0.1])
    starts = [[0.1, 0.1], [0.9, 0.1], [0.2, 0.3]]
    with pytest.warns(RuntimeWarning, match="'narrow' of 'problem' raised ArithmeticError: the mesh is inverted"):
        fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), starts)
    assert [tw.analysis.OUTCOMES[code] for code in fits.outcome.values[0]] == ["converged", "diverged", "converged"]
    np.testing.assert_allclose(fits.x.values[0, ::2], np.log(1.5), rtol=1e-6)
    with pytest.warns(RuntimeWarning, match="the mesh is inverted"):
        trace = tw.run(problem, tw.methods.gradient_descent(0.01), starts, steps=3)
    assert trace.loss.notnull().all("step").values.tolist() == [[True, False, True]]
    with pytest.raises(ValueError, match=r"'narrow' cannot be called at the start .*the mesh is inverted"):
        tw.Problem(tw.Stage.from_host(narrow), loss=tw.SquaredError(), start=[0.9, 0.1])


def test_many_points_in_one_call():
    sizes = []

    def rows(x):
        sizes.append(len(x["a"]))
        return {"y": x["a"][:, None] * np.exp(-x["b"][:, None] * TIMES)}

    stage = tw.Stage.from_host(rows, batched=True)
    target = 0.9 * np.exp(-0.3 * TIMES)
    problem = tw.Problem(stage, loss=lambda y: jnp.sum((y["y"] - target) ** 2), start={"a": 0.6, "b": 0.2})
    starts = START + 0.1 * np.random.default_rng(0).normal(size=(40, 2))
    fits = tw.solve(problem, tw.methods.BFGS(), starts, gtol=1e-7)
    np.testing.assert_allclose(fits.x.values[0], np.broadcast_to([0.9, 0.3], (40, 2)), rtol=1e-5)
    assert len(sizes) < fits.evaluations.sel(evaluation="value").sum() / 3


def powers(x):
    return gamma(1 + x)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, pytest.param(ProcessPoolExecutor, marks=pytest.mark.slow)])
def test_calls_go_to_an_executor(pool):
    from multiprocessing import get_context

    given = {} if pool is ThreadPoolExecutor else {"mp_context": get_context("spawn")}
    with pool(2, **given) as executor:
        stage = tw.Stage.from_host(powers, executor=executor)
        problem = tw.Problem(stage, loss=tw.SquaredError([6.0]), start=[2.0])
        fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), [[2.0], [2.5], [3.5]])
    np.testing.assert_allclose(fits.x.values, 3.0, rtol=1e-6)


@pytest.mark.slow
def test_data_and_inverse_of_the_host():
    def forward(x, data):
        return x * data["scale"]

    def back(y, x, data):
        return y / data["scale"]

    stage = tw.Stage.from_host(forward, inverse=back)
    problem = tw.Problem(
        stage, loss=tw.SquaredError([3.0, 4.0]), start=[1.0, 1.0], data={"scale": np.array([2.0, 8.0])}
    )
    for method in tw.methods.InverseSimulator(), tw.methods.GaussNewton():
        trace = tw.run(problem, method, steps=2, dtype="float64")
        np.testing.assert_allclose(trace.x.values[0, 0, -1], [1.5, 0.5], rtol=1e-8)
    assert problem.check()
