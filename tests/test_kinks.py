"""Losses without a derivative at their minimum: the kink is found, and the end is said, also of starts there."""

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

CONVERGED, STALLED, DIVERGED = 0, 1, 2
CENTER = np.array([1.0, 2.0])


@pytest.mark.parametrize("method", ["trust-region", "BFGS", "L-BFGS-B", "Newton-CG"])
def test_the_norm_is_minimized_to_its_kink(method):
    found = tw.minimize(lambda x: jnp.linalg.norm(x - CENTER), [3.0, 3.0], method=method, tol=1e-6)
    np.testing.assert_allclose(found.x, CENTER, atol=1e-8)
    assert found.nit < 1000 and found.message.startswith("Stalled")


KINKS = {
    "norm": lambda x: jnp.linalg.norm(x - jnp.arange(1, len(x) + 1)),
    "absolute": lambda x: jnp.sum(jnp.abs(x - jnp.arange(1, len(x) + 1))),
    "largest": lambda x: jnp.max(jnp.abs(x - jnp.arange(1, len(x) + 1))),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINKS)
def test_quasi_newton_methods_end_at_kinks_of_ten_components(name):
    problem = tw.Problem(loss=KINKS[name], start=np.full(10, 3.5))
    fits = tw.solve(problem, [tw.methods.BFGS(), tw.methods.LBFGS()], gtol=1e-6)
    assert (fits.outcome == STALLED).all() and (fits.steps < 1000).all()
    np.testing.assert_allclose(fits.x, np.broadcast_to(np.arange(1.0, 11), fits.x.shape), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("loss", [jnp.linalg.norm, lambda x: jnp.sum(jnp.abs(x)), lambda x: jnp.max(jnp.abs(x))])
def test_a_kink_at_0_ends_where_the_rest_is_rounding_of_the_start(loss):
    """There every step gains: numbers go down to 1e-308."""
    problem = tw.Problem(loss=loss, start=[3.0, 4.0])
    fits = tw.solve(problem, [tw.methods.BFGS(), tw.methods.LBFGS()], gtol=1e-6)
    assert (fits.outcome == STALLED).all() and (fits.steps < 700).all() and (fits.loss < 1e-15).all()


@pytest.mark.slow
@pytest.mark.parametrize("method", [tw.methods.TrustRegion(), tw.methods.LBFGS(), tw.methods.adam(0.1)])
def test_a_start_at_a_kink_is_no_divergence(method):
    problem = tw.Problem(loss=KINKS["norm"], start=[1.0, 2.0])
    fits = tw.solve(problem, method).squeeze()
    assert fits.outcome == STALLED and fits.steps == 0 and fits.loss == 0
    np.testing.assert_array_equal(fits.x, [1, 2])
    assert "Stalled" in tw.minimize(lambda x: jnp.linalg.norm(x), [0.0, 0.0]).message


def test_a_loss_or_a_rising_path_that_is_not_finite_has_diverged():
    wall = lambda x: jnp.sum(jnp.where(x < 2, -x, 3 + jnp.sqrt(jnp.where(x < 2, 1, x - 2))))  # noqa: E731
    for problem in (
        tw.Problem(loss=lambda x: jnp.sum(jnp.log(x)), start=[-1.0]),
        tw.Problem(loss=wall, start=[1.0]),  # a step to 2, where the slope is infinite and L higher
    ):
        assert tw.solve(problem, tw.methods.gradient_descent(1.0)).outcome == DIVERGED


@pytest.mark.slow
def test_a_curvature_that_is_infinite_at_the_start_does_not_hold_the_trust_region():
    for d in (2, 10):
        problem = tw.Problem(
            loss=lambda x: jnp.sum(jnp.abs(x - jnp.arange(1, len(x) + 1)) ** 1.5), start=np.full(d, 3.0)
        )
        fits = tw.solve(problem, tw.methods.TrustRegion())
        assert fits.outcome == CONVERGED
        np.testing.assert_allclose(fits.x.squeeze(), np.arange(1, d + 1), atol=1e-8)
