"""Where step sizes stop working, on quadratics whose spectrum is known (Polyak 1987, section 3.2)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

SPECTRUM = [0.5, 3.0, 8.0]


def end_over_start(method, edge: float, spectrum=SPECTRUM) -> np.ndarray:
    """The growth of |x| over 4000 steps a little below and a little above the edge."""
    problem = tw.problems.quadratic(spectrum)
    swept = tw.sweep(method, learning_rate=edge * np.array([0.995, 1.005]))
    trace = tw.run(problem, swept, steps=4000, every=4000, dtype="float64")
    length = np.abs(trace.x.values[:, 0]).max(axis=-1)
    return length[:, -1] / length[:, 0]


@pytest.mark.parametrize("spectrum", [[1.0], SPECTRUM, [1e-2, 1e2]])
def test_gradient_descent_is_stable_up_to_two_over_the_sharpness(spectrum):
    below, above = end_over_start(tw.methods.gradient_descent(1.0), 2 / max(spectrum), spectrum)
    assert below < 1 < 1e6 < above


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_heavy_ball_is_stable_up_to_two_times_one_plus_momentum_over_the_sharpness(momentum):
    below, above = end_over_start(tw.methods.momentum(1.0, momentum), 2 * (1 + momentum) / max(SPECTRUM))
    assert below < 1 < 1e6 < above


def test_at_the_edge_the_path_has_period_two():
    problem = tw.problems.quadratic([1.0])
    trace = tw.run(problem, tw.methods.gradient_descent(2.0), steps=10, dtype="float64")
    np.testing.assert_array_equal(trace.x.values.ravel(), problem.start[0] * (-1.0) ** np.arange(11))
    assert tw.analysis.OUTCOMES[tw.analysis.outcome(trace, problem).item()] == "cycling"


ADAPTIVE = {
    "adam": (tw.methods.adam(0.1), lambda m, k: m / (1 - 0.9**k)),
    "adamw": (tw.methods.adamw(0.1, weight_decay=0.0), lambda m, k: m / (1 - 0.9**k)),
    "rmsprop": (tw.methods.rmsprop(0.1, decay=0.8), None),
    "rmsprop torch": (tw.methods.rmsprop(0.1, eps=1e-2, eps_in_sqrt=False), None),
    "rmsprop centered": (tw.methods.rmsprop(0.1, centered=True), None),
    "rmsprop decayed": (tw.methods.rmsprop(0.1, weight_decay=0.0), None),
    "adagrad": (tw.methods.adagrad(0.1, eps=1e-3), None),
    "sgd": (tw.methods.gradient_descent(0.1), None),
}


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_step_times_the_preconditioner_is_the_mean_gradient(name):
    """x_(k+1) - x_k = -learning_rate P^-1 m, with P of the state after the step."""
    (method, mean), problem = ADAPTIVE[name], tw.problems.rosenbrock()
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        state = method.init(problem, x, jax.random.key(0))
        moment = jnp.zeros(2)
        for k in range(1, 6):
            gradient = problem.gradient(x)
            moment = 0.9 * moment + 0.1 * gradient
            after, state = method.step(problem, x, state)
            expected = gradient if mean is None else mean(moment, k)
            np.testing.assert_allclose(method.preconditioner(state) * (x - after) / 0.1, expected, rtol=1e-9)
            x = after


def test_adam_settles_at_its_own_edge_of_stability():
    """The preconditioned sharpness rises as P falls, until it hovers at its limit 2 (1 + b1) / ((1 - b1) learning_rate)
    (Cohen et al. 2022)."""
    problem = tw.problems.quadratic([1.0, 30.0], rotation_key=1)
    method = tw.methods.adam(0.01, b1=0.9, b2=0.99)
    trace = tw.run(
        problem, {"Adam": method}, steps=6000, record=[tw.geometry.preconditioned_sharpness], dtype="float64"
    )
    judged = tw.analysis.stability(trace, problem)
    assert float(judged.limit[0]) == pytest.approx(2 * 1.9 / (0.1 * 0.01))
    late = judged.sharpness.isel(variant=0, start=0, step=slice(-2000, None))
    assert float(late.median()) == pytest.approx(float(judged.limit[0]), rel=0.1)
