"""Line searches where rounding rules: they end, and not before they have arrived."""

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

SEARCHES = {"BFGS": tw.methods.BFGS(), "LBFGS": tw.methods.LBFGS(), "NewtonCG": tw.methods.NewtonCG()}
STALLED, EXHAUSTED = 1, 3


def local_minimum():
    """Rosenbrock's function of 10 components from where one start in eight ends at its other minimum, L = 3.98658."""
    return tw.problems.rosenbrock(10), tw.starts.uniform(([-2.048] * 10, [2.048] * 10), 60, key=0)


def offset():
    rise = tw.problems.rosenbrock(4)
    return tw.Problem(loss=lambda x: 7.0 + rise.value(x), start=rise.start), tw.starts.uniform(
        ([-2.0] * 4, [2.0] * 4), 20, key=1
    )


def waves():
    loss = lambda x: jnp.sum(jnp.cos(3 * x)) + 0.01 * jnp.sum((x - 1) ** 4)  # noqa: E731
    return tw.Problem(loss=loss, start=[0.0] * 5), np.random.default_rng(0).uniform(-4, 4, (20, 5))


def steep():
    loss = lambda x: jnp.sqrt(1 + 1e4 * jnp.sum(jnp.arange(1, 7) * x**2)) + jnp.sum(x)  # noqa: E731
    return tw.Problem(loss=loss, start=[1.0] * 6), np.random.default_rng(0).uniform(-4, 4, (20, 6))


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [local_minimum, *(pytest.param(case, marks=pytest.mark.slow) for case in (offset, waves, steep))]
)
def test_in_float32_no_search_goes_round_at_a_minimum(case):
    problem, starts = case()
    fits = tw.solve(problem, SEARCHES, starts, gtol=1e-6, dtype="float32")
    assert not (fits.outcome == EXHAUSTED).any()
    assert (fits.gradient_norm < 0.01).all()
    if case is local_minimum:
        local = np.abs(fits.loss - 3.98658) < 1e-4
        assert local.sum("start").min() >= 4 and (fits.outcome.where(local, STALLED) == STALLED).all()


@pytest.mark.slow
@pytest.mark.parametrize("height", [1e3, pytest.param(1e6, marks=pytest.mark.slow)])
def test_a_search_goes_on_by_the_slope_where_the_loss_shows_no_difference(height):
    """L = height + a bowl: next to all of the way to gtol lies below a rounding of L."""
    weights = jnp.logspace(0, 2, 8)
    bowl = tw.Problem(loss=lambda x: height + jnp.sum(weights * x**2) / 2 + jnp.sum(x**4), start=np.ones(8))
    fits = tw.solve(bowl, SEARCHES, np.random.default_rng(0).uniform(-2, 2, (20, 8)), dtype="float32")
    assert (fits.outcome == 0).all() and np.abs(fits.x).max() < 1e-6
