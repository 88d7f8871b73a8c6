"""Where step sizes stop working, on quadratics whose spectrum is known (Polyak 1987, section 3.2)."""

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
