"""Sine and cosine of formulas in float64, against those of the C library, which are exact to an ulp."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from thalweg.numerics.trigonometry import FAR, cos, sin, sine_and_cosine

ULPS = 2.5


@pytest.mark.parametrize("far", [1e-8, 1.0, 4.0, 300.0, 1e6, 1.6e6, 1e12])
def test_they_are_exact_to_an_ulp_or_two(far):
    x = np.random.default_rng(0).uniform(-far, far, 300)
    with jax.enable_x64(True):
        both = jax.jit(jax.vmap(sine_and_cosine))(x)
    for mine, right in zip(both, (np.sin(x), np.cos(x)), strict=True):
        assert np.all(np.abs(np.asarray(mine) - right) <= ULPS * np.spacing(np.abs(right)))


def test_beside_multiples_of_half_a_turn_they_have_no_digits_to_lose():
    x = np.arange(-2000, 2001) * np.pi / 2
    with jax.enable_x64(True):
        assert_allclose(sin(x), np.sin(x), rtol=1e-14, atol=1e-26)
        assert_allclose(cos(x), np.cos(x), rtol=1e-14, atol=1e-26)


def test_numbers_beyond_the_reduction_and_none_at_all():
    x = np.array([2 * FAR, -1e22, np.inf, -np.inf, np.nan, 0.0, -0.0])
    with jax.enable_x64(True), np.errstate(invalid="ignore"):
        assert_allclose(sin(x), np.sin(x), rtol=1e-15)
        assert_allclose(cos(x), np.cos(x), rtol=1e-15)
        assert_array_equal(np.signbit(sin(x[-2:])), [False, True])


@pytest.mark.slow
def test_derivatives_of_every_order_and_mode():
    with jax.enable_x64(True):
        f, x = lambda x: sin(2 * x) * cos(x), jnp.asarray(0.7)
        plain = lambda x: jnp.sin(2 * x) * jnp.cos(x)  # noqa: E731
        for d in (
            jax.grad,
            jax.jacfwd,
            lambda f: jax.grad(jax.grad(f)),
            lambda f: jax.jacfwd(jax.jacrev(jax.jacfwd(f))),
        ):
            assert_allclose(d(f)(x), d(plain)(x), rtol=1e-14)


def test_other_precisions_are_those_of_jax():
    x = jnp.linspace(-3, 3, 7, dtype=jnp.float32)
    assert_array_equal(sin(x), jnp.sin(x))
    assert cos(jnp.ones(2, jnp.bfloat16)).dtype == jnp.bfloat16
