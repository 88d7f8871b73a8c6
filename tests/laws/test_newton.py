"""Second-order steps land where their model says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3, 4))])
def test_newton_solves_a_quadratic_in_one_step(seed):
    draw = np.random.default_rng(seed)
    d = int(draw.integers(1, 12))
    root, center = draw.normal(size=(d, d)), draw.normal(size=d)
    a = root @ root.T + np.eye(d)
    problem = tw.Problem(loss=lambda x: (x - center) @ a @ (x - center) / 2, start=draw.normal(size=d))
    for method in (tw.methods.Newton(), tw.methods.Newton(saddle_free=True)):
        trace = tw.run(problem, method, steps=1, dtype="float64")
        np.testing.assert_allclose(trace.x.values[0, 0, 1], center, atol=1e-9)


def test_newton_is_drawn_to_a_saddle_and_saddle_free_newton_leaves_it():
    problem = tw.Problem(loss=lambda x: (x[0] ** 2 - x[1] ** 2) / 2, start=[1.0, 0.1])
    methods = {"newton": tw.methods.Newton(), "saddle-free": tw.methods.Newton(saddle_free=True)}
    newton, free = tw.run(problem, methods, steps=1, dtype="float64").x.values[:, 0, 1]
    np.testing.assert_allclose(newton, [0, 0], atol=1e-12)
    np.testing.assert_allclose(free, [0, 0.2], atol=1e-12)


def test_damping_turns_newton_into_scaled_gradient_descent():
    problem, damping = tw.problems.rosenbrock(4), 1e8
    methods = {"newton": tw.methods.Newton(1.0, damping), "gd": tw.methods.gradient_descent(1 / damping)}
    trace = tw.run(problem, methods, steps=1, dtype="float64")
    newton, descent = np.diff(trace.x.values[:, 0], axis=1)[:, 0]
    np.testing.assert_allclose(newton, descent, rtol=1e-4)


def test_gauss_newton_solves_linear_least_squares_in_one_step():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=(9, 4)), draw.normal(size=9)
    problem = tw.Problem(lambda x: a @ x, loss=tw.SquaredError(b, factor=0.5), start=np.zeros(4))
    trace = tw.run(problem, tw.methods.GaussNewton(), steps=1, dtype="float64")
    np.testing.assert_allclose(trace.x.values[0, 0, 1], np.linalg.lstsq(a, b)[0], atol=1e-12)


@pytest.mark.slow
def test_gauss_newton_of_any_convex_loss_is_the_generalized_step():
    """-(J^T H_y J)^-1 J^T dL/dy, formed directly (Schraudolph 2002)."""
    a = np.random.default_rng(1).normal(size=(5, 3))
    problem = tw.Problem(lambda x: jnp.tanh(a @ x), loss=lambda y: jnp.sum(jnp.cosh(y - 0.3)), start=[0.1, -0.2, 0.3])
    trace = tw.run(problem, tw.methods.GaussNewton(), steps=1, dtype="float64")
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        y, j = problem.forward(x), problem.jacobian(x)
        step = -jnp.linalg.solve(j.T @ problem.loss_hessian(y) @ j, j.T @ problem.loss_gradient(y))
    np.testing.assert_allclose(trace.x.values[0, 0, 1] - problem.start, step, rtol=1e-9)


@pytest.mark.parametrize(
    "problem", [tw.problems.pbdl(), pytest.param(tw.problems.sine(2.0, 30.0), marks=pytest.mark.slow)]
)
def test_gauss_newton_equals_inverse_gradient_for_a_square_jacobian(problem):
    methods = {"gn": tw.methods.GaussNewton(0.3), "ig": tw.methods.InverseGradient(0.3)}
    gauss_newton, inverse_gradient = tw.run(problem, methods, steps=10, dtype="float64").x.values
    np.testing.assert_allclose(gauss_newton, inverse_gradient, rtol=1e-9)


@pytest.mark.parametrize(
    "stages", [1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_inverse_simulator_with_full_step_lands_on_the_target(stages):
    target = np.array([2.0, 5.0])
    stage = tw.Stage(lambda x: x**3 + x, tw.numerical_inverse(lambda x: x**3 + x).inverse)
    problem = tw.Problem(*[stage] * stages, loss=tw.SquaredError(target), start=[0.5, 1.5])
    trace = tw.run(problem, tw.methods.InverseSimulator(), steps=1, dtype="float64")
    space = problem.chain.spaces[-1].name
    np.testing.assert_allclose(trace[space].values[0, 0, 1], target, rtol=1e-9)
    assert float(trace.loss[0, 0, 1]) < 1e-15


def test_inverse_simulator_with_a_gradient_step_moves_y_by_the_gradient():
    problem = tw.problems.pbdl()
    trace = tw.run(problem, tw.methods.InverseSimulator(0.1, loss_step="gradient"), steps=1, dtype="float64")
    np.testing.assert_allclose(trace.y.values[0, 0, 1], [3 * 0.8, 9 * 0.8], rtol=1e-12)
