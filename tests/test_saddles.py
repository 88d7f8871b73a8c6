"""Where a method that knows the Hessian rests though it is no minimum: it is stalled, and says so."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.numerics.linalg import indefinite

M = tw.methods
SADDLE = tw.Problem(loss=lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, start=[1.0, 0.1])
HILL = tw.Problem(loss=lambda x: x[0] ** 4 - 2 * x[0] ** 2, start=[0.1])


def said(fits):
    """The reasons, by start."""
    return [fits.reason.attrs["flag_meanings"].split()[code] for code in fits.reason.values.ravel()]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_newton_is_stalled_at_saddle_points_and_maxima(dtype):
    """However it comes there: at once, by a rate below 1, damped, or since it starts there."""
    methods = {"plain": M.Newton(), "slow": M.Newton(learning_rate=0.3), "damped": M.Newton(damping=0.01)}
    fits = tw.solve(SADDLE, methods, [[1.0, 0.1], [1.0, 0.0], [0.0, 0.0], [0.3, 0.75]], dtype=dtype, max_steps=400)
    saddles, minimum = fits.isel(start=slice(3)), fits.isel(start=3)
    assert (saddles.outcome == 1).all() and set(said(saddles)) == {"saddle"}
    assert np.abs(saddles.last_x).max() < 1e-5 and np.abs(saddles.x).max() < 1e-5
    assert (minimum.outcome <= 1).all() and not set(said(minimum)) & {"saddle", "max_steps"}
    top = tw.solve(HILL, methods, [[0.1], [-0.2], [0.0]], dtype=dtype, max_steps=400)
    assert set(said(top)) == {"saddle"} and (top.outcome == 1).all() and np.abs(top.x).max() < 1e-5


@pytest.mark.slow
def test_words_of_fits_are_those_of_paths():
    """Newton's method on Himmelblau's function: what ``solve`` says of a start, ``outcome`` says of its path."""
    problem = tw.problems.himmelblau()
    starts = tw.starts.uniform(([-5, -5], [5, 5]), 60, key=1)
    fits = tw.solve(problem, M.Newton(), starts)
    trace = tw.run(problem, M.Newton(), starts, steps=100, dtype="float64")
    np.testing.assert_array_equal(fits.outcome[0], tw.analysis.outcome(trace, problem)[0])
    assert set(np.unique(fits.outcome)) == {0, 1}


@pytest.mark.parametrize("d", [2, 12, 60])
def test_saddle_points_of_many_components(d):
    """Above 8 components the Hessian is factored by LAPACK."""
    curvatures = jnp.asarray(np.where(np.arange(d) == d // 2, -1.0, np.linspace(1, 3, d)))
    problem = tw.Problem(loss=lambda x: jnp.sum(curvatures * x**2) / 2 + jnp.sum(x**4), start=np.full(d, 0.1))
    starts = np.stack([np.full(d, 0.01), np.where(np.arange(d) == d // 2, 0.5, 0.0)])
    assert said(tw.solve(problem, M.Newton(), starts)) == ["saddle", "gtol"]


@pytest.mark.slow
@pytest.mark.parametrize("method", [M.TrustRegion(), M.Newton(saddle_free=True)], ids=["trust", "saddle-free"])
def test_methods_that_leave_a_saddle_do_not_rest_there(method):
    fits = tw.solve(SADDLE, method, [[1.0, 0.1], [1.0, 1e-7]])
    assert said(fits) == ["gtol", "gtol"]
    np.testing.assert_allclose(np.abs(fits.x[0]), [[0, 0.5**0.5]] * 2, atol=1e-6)
    resting = tw.solve(SADDLE, M.Newton(saddle_free=True), [[0.0, 0.0]])  # with no slope there is no way out
    assert said(resting) == ["stuck"] or said(resting) == ["saddle"]


@pytest.mark.parametrize("power", [3, 4, 6])
def test_a_degenerate_minimum_is_a_minimum(power):
    """|x|^p, where the curvature vanishes; and a long way through negative curvature to a plain one."""
    flat = tw.Problem(loss=lambda x: jnp.sum(jnp.abs(x) ** power), start=[1.0, 0.7])
    assert said(tw.solve(flat, M.Newton())) == ["gtol"]


def test_a_small_gradient_in_a_region_of_negative_curvature_is_no_rest():
    """In small units of the loss the tolerance is met everywhere; Newton's method goes on to where it rests."""
    small = tw.Problem(loss=lambda x: 1e-9 * ((x[0] - 2) ** 4 - 2 * (x[0] - 2) ** 2), start=[2.3])
    fits = tw.solve(small, M.Newton(), [[2.3], [2.5]])
    assert said(fits)[0] == "saddle" and fits.last_x[0, 0].item() == pytest.approx(2, abs=1e-6)
    assert said(fits)[1] == "gtol"


def test_indefinite_agrees_with_eigenvalues():
    """In all units of the components, with rows of zeros, and for pivots that vanish."""
    rng, compiled = np.random.default_rng(0), jax.jit(lambda a: indefinite(a, a[0]))
    for d in (1, 2, 3, 5, 8, 9, 20):
        for _ in range(20):
            q = np.linalg.qr(rng.normal(size=(d, d)))[0]
            values = rng.uniform(-0.3, 1, d) if rng.random() < 0.5 else rng.uniform(0.01, 1, d)
            units = 10.0 ** rng.integers(-6, 7, d)
            a = units * (q * values @ q.T) * units[:, None]
            with jax.enable_x64(True):
                assert bool(compiled(jnp.asarray(a))) == (values.min() < 0)
    cases = [
        ([[0, 0, 10], [0, 1, 0], [10, 0, 1]], True),
        ([[0, 0], [0, 1]], False),
        ([[0, 0], [0, -1]], True),
        ([[0, 1], [1, 0]], True),
        ([[1, 1], [1, 1]], False),
        ([[0.0]], False),
    ]
    for rows, expected in cases:
        for scale in (1e-30, 1.0, 1e30):
            a = scale * jnp.asarray(rows, jnp.float32)
            assert bool(compiled(a)) == expected
