"""What the matrix of a quasi-Newton method has learned."""

import numpy as np

import thalweg as tw


def test_the_matrix_of_bfgs_maps_the_last_change_of_the_gradient_to_the_last_step():
    """B y = s after every step that moves x and begins no new search, and B is symmetric and positive definite: the
    defining equation of the family (Nocedal and Wright 2006, eq. 6.6)."""
    problem = tw.problems.rosenbrock(3)
    record = {
        "gradient": tw.Problem.gradient,
        "matrix": lambda problem, x, method, state: state.inverse.ravel(),
        "fresh": lambda problem, x, method, state: state.fresh,
    }
    trace = tw.run(problem, tw.methods.BFGS(), [[-1.2, 1.0, 0.5]], steps=40, record=record, dtype="float64")
    x, g, fresh = (trace[name].values[0, 0] for name in ("x", "gradient", "fresh"))
    matrices = trace.matrix.values[0, 0].reshape(-1, 3, 3)
    learned = [k for k in range(1, 41) if np.any(x[k] != x[k - 1]) and not fresh[k]]
    assert len(learned) > 20
    for k in learned:
        np.testing.assert_allclose(matrices[k] @ (g[k] - g[k - 1]), x[k] - x[k - 1], rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(matrices[k], matrices[k].T, rtol=1e-9, atol=1e-12)
        assert np.linalg.eigvalsh(matrices[k])[0] > 0
