"""R of A = Q R along lanes: the law R^T R = A^T A to the rounding of A, whatever the condition, and LAPACK's pivots."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from thalweg.numerics.triangles import COLUMNS, back, forward, triangle

SHAPES = [(2, 3), (5, 3), (14, 3), (40, 5), (100, 4), (309, 5), (20, COLUMNS + 2), (4, COLUMNS + 2)]
KINDS = ["plain", "graded", "powers", "dependent", "zero"]


def matrices(kind, m, n):
    a = np.random.default_rng(m + n).normal(size=(3, m, n))
    match kind:
        case "graded":
            a = a @ (10.0 ** -np.arange(0, 2 * n, 2)[:, None] * a[:, :n, :n] if m >= n else np.eye(n))
        case "powers":  # of a Julian date: conditions up to 1e16 and beyond
            a = (2.459e6 + np.arange(m))[None, :, None] ** np.arange(n) * np.ones((3, 1, 1))
            a /= np.linalg.norm(a, axis=1, keepdims=True)
        case "dependent":
            a[..., -1] = 2 * a[..., 0]
        case "zero":
            a[..., 1] = 0
    return a


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_r_has_the_products_of_the_columns(kind, m, n):
    a = matrices(kind, m, n)
    with jax.enable_x64(True):
        r = np.asarray(jax.jit(jax.vmap(triangle))(np.swapaxes(a, 1, 2)))
    assert np.all(np.tril(r, -1) == 0)
    lengths = np.linalg.norm(a, axis=1)
    error = np.abs(np.swapaxes(r, 1, 2) @ r - np.swapaxes(a, 1, 2) @ a)
    assert np.all(error <= 50 * m * np.finfo(float).eps * lengths[:, :, None] * lengths[:, None])


@pytest.mark.parametrize(("m", "n"), [(14, 3), (309, 5), (20, COLUMNS + 2)])
def test_pivots_are_those_of_lapack_as_far_as_the_condition_allows(m, n):
    a = matrices("graded", m, n)
    with jax.enable_x64(True):
        r = np.asarray(jax.jit(jax.vmap(triangle))(np.swapaxes(a, 1, 2)))
    for one, mine in zip(a, r, strict=True):
        theirs = np.abs(np.diagonal(np.linalg.qr(one, mode="r")))
        scaled = one / np.linalg.norm(one, axis=0)
        assert_allclose(np.abs(np.diagonal(mine)), theirs, rtol=100 * np.finfo(float).eps * np.linalg.cond(scaled))


@pytest.mark.parametrize("n", [1, 2, 5, COLUMNS, COLUMNS + 3])
def test_both_substitutions_solve(n):
    draw = np.random.default_rng(n)
    r, b = np.triu(draw.normal(size=(4, n, n))) + 3 * np.eye(n), draw.normal(size=(4, n))
    with jax.enable_x64(True):
        x, y = jax.vmap(back)(r, b), jax.vmap(forward)(r, b)
    assert_allclose(np.einsum("nij,nj->ni", r, x), b, atol=1e-13)
    assert_allclose(np.einsum("nji,nj->ni", r, y), b, atol=1e-13)


def test_what_is_not_finite_stays_so_and_float32_has_its_digits():
    a = np.ones((4, 2))
    a[2, 1] = np.nan
    assert np.isnan(triangle(jnp.asarray(a.T))).any()
    single = triangle(jnp.asarray(matrices("plain", 14, 3)[0].T, jnp.float32))
    assert single.dtype == jnp.float32
    assert_allclose(single.T @ single, (lambda m: m.T @ m)(matrices("plain", 14, 3)[0]), rtol=1e-4, atol=1e-4)
