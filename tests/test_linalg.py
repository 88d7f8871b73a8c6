"""Small dense algebra against NumPy's LAPACK, on both sides of the sizes at which it goes to LAPACK itself."""

from functools import cache
from itertools import permutations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from thalweg.numerics.linalg import (
    EIGH,
    LSTSQ,
    PRODUCT,
    ROWS,
    SOLVE,
    cholesky_solve,
    eigh,
    gram,
    lstsq,
    product,
    rank_two,
    solve,
)

EPS = float(np.finfo(np.float64).eps)
CONDITIONS = np.repeat(10.0 ** np.arange(0, 13, 3), 40)


def quick(cases, these):
    """All cases, of which only these are quick: others take long to compile, or LAPACK does them as it does these."""
    values = [case if isinstance(case, tuple) else (case,) for case in cases]
    marks = [() if case in these else pytest.mark.slow for case in cases]
    return [pytest.param(*value, marks=mark) for value, mark in zip(values, marks, strict=True)]


def orthogonal(rng, n, d):
    return np.linalg.qr(rng.normal(size=(n, d, d)))[0]


def spectra(d):
    """Singular values from 1 down to the inverse of each of ``CONDITIONS``, evenly on a logarithmic scale."""
    return CONDITIONS[:, None] ** -np.linspace(0, 1, d)


@cache
def over_lanes(f):
    return jax.jit(jax.vmap(f))


def mapped(f, *arrays):
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, over_lanes(f)(*arrays))


def backward_error(a, x, b):
    """|A x - b| / (|A| |x| + |b|) in maximum norms: how far the nearest system is that x solves exactly."""
    residual = np.abs(np.einsum("nij,nj->ni", a, x) - b).max(1)
    return residual / (np.abs(a).sum(2).max(1) * np.abs(x).max(1) + np.abs(b).max(1))


def assert_as_good_as_lapack(f, a, rng):
    truth = rng.normal(size=a.shape[:2])
    b = np.einsum("nij,nj->ni", a, truth)
    x, oracle = mapped(f, a, b), np.linalg.solve(a, b[..., None])[..., 0]
    error = np.linalg.norm(x - truth, axis=1) / np.linalg.norm(truth, axis=1)
    assert np.all(error <= 50 * EPS * np.linalg.cond(a))
    for condition in np.unique(CONDITIONS):
        here = condition == CONDITIONS
        best = backward_error(a[here], oracle[here], b[here]).max()
        assert backward_error(a[here], x[here], b[here]).max() <= 3 * best + EPS


@pytest.mark.parametrize("d", quick(range(1, 13), (1, 2, 3, SOLVE, SOLVE + 1)))
def test_solve_is_as_stable_as_lapack(d):
    rng = np.random.default_rng(d)
    n = len(CONDITIONS)
    a = orthogonal(rng, n, d) * spectra(d)[:, None] @ orthogonal(rng, n, d)
    assert_as_good_as_lapack(solve, a, rng)


@pytest.mark.parametrize("d", [2, 5, 9])
def test_solve_of_indefinite_matrices(d):
    rng = np.random.default_rng(d)
    q = orthogonal(rng, len(CONDITIONS), d)
    signs = np.where(np.arange(d) % 2, -1, 1)
    assert_as_good_as_lapack(solve, q * (signs * spectra(d))[:, None] @ q.transpose(0, 2, 1), rng)


@pytest.mark.parametrize("d", [1, 2, 3, 5, SOLVE, SOLVE + 1, 12])
def test_cholesky_solve_is_as_stable_as_lapack(d):
    rng = np.random.default_rng(d)
    q = orthogonal(rng, len(CONDITIONS), d)
    a = q * spectra(d)[:, None] @ q.transpose(0, 2, 1)
    assert_as_good_as_lapack(cholesky_solve, (a + a.transpose(0, 2, 1)) / 2, rng)


SHAPES = [(1, 1), (14, 1), (2, 2), (14, 2), (ROWS, 3), (14, 4), (4, 4), (LSTSQ + 1, LSTSQ + 1), (ROWS + 1, 2), (2, 3)]
MOST = [shape for shape in SHAPES if shape not in ((ROWS, 3), (14, 4))]


def numpy_lstsq(a, b):
    return np.stack([np.linalg.lstsq(one, right, rcond=1e-12 / len(right))[0] for one, right in zip(a, b, strict=True)])


def assert_least_squares(j, r, condition):
    """As close to LAPACK's as the condition and its square allow (Golub and Van Loan, section 5.3.7)."""
    x, oracle = mapped(lstsq, j, r), numpy_lstsq(j, r)
    size = np.linalg.norm(r, axis=1) / np.linalg.norm(j, 2, axis=(1, 2))
    error = np.linalg.norm(x - oracle, axis=1)
    assert np.all(error <= 30 * EPS * condition * (np.linalg.norm(x, axis=1) + condition * size))


@pytest.mark.parametrize(("m", "d"), quick(SHAPES[:-1], MOST[:-1]))
def test_least_squares_are_as_accurate_as_lapack(m, d):
    rng, n = np.random.default_rng(m + d), len(CONDITIONS)
    j = orthogonal(rng, n, m)[:, :, :d] * spectra(d)[:, None] @ orthogonal(rng, n, d) * 10.0 ** rng.integers(-3, 4)
    truth, condition = rng.normal(size=(n, d)), np.linalg.cond(j)
    r = np.einsum("nij,nj->ni", j, truth)
    error = np.linalg.norm(mapped(lstsq, j, r) - truth, axis=1)
    assert np.all(error <= 30 * EPS * condition * np.linalg.norm(truth, axis=1))
    assert_least_squares(j, r + rng.normal(size=(n, m)), condition)


@pytest.mark.parametrize(("m", "d"), quick(SHAPES, MOST))
def test_least_squares_without_full_rank_have_the_shortest_solution(m, d):
    rng, n = np.random.default_rng(m + d), 200
    assert not np.any(mapped(lstsq, np.zeros((n, m, d)), rng.normal(size=(n, m))))
    for rank in range(1, d):
        j = rng.normal(size=(n, m, rank)) @ rng.normal(size=(n, rank, d))
        values = np.linalg.svd(j, compute_uv=False)
        assert_least_squares(j, rng.normal(size=(n, m)), values[:, 0] / values[:, min(rank, m) - 1])


def test_least_squares_whose_columns_come_in_any_order():
    j, x = np.diag([1e-3, 1.0, 1e2, 10.0]), np.array([1.0, -2.0, 3.0, -4.0])
    for order in permutations(range(4)):
        np.testing.assert_allclose(mapped(lstsq, j[None][:, :, order], (j @ x)[None])[0], x[list(order)], rtol=4 * EPS)


@pytest.mark.slow
@pytest.mark.parametrize(("m", "d"), quick(SHAPES, MOST))
def test_bad_lanes_of_least_squares_change_no_other(m, d):
    rng = np.random.default_rng(0)
    good, r = rng.normal(size=(5, m, d)), rng.normal(size=(5, m))
    bad, bad_r = good.copy(), r.copy()
    bad[1, -1, -1], bad_r[3, 0], others = np.nan, np.nan, [0, 2, 4]
    x = mapped(lstsq, bad, bad_r)
    assert np.array_equal(x[others], mapped(lstsq, good, r)[others])
    assert np.all(np.isnan(x[[1, 3]]))


@pytest.mark.parametrize("d", [2, 3, 4])
def test_permutations_are_solved_exactly(d):
    a = np.array([np.eye(d)[list(order)] for order in permutations(range(d))])
    x = np.random.default_rng(d).normal(size=a.shape[:2])
    assert np.array_equal(mapped(solve, a, np.einsum("nij,nj->ni", a, x)), x)


def test_small_pivots_are_exchanged():
    a, b = np.array([[1e-20, 1.0], [1.0, 1.0]]), np.array([1.0, 2.0])
    np.testing.assert_allclose(mapped(solve, a[None], b[None])[0], [1, 1], rtol=EPS)


@pytest.mark.parametrize("d", quick([1, 3, EIGH, SOLVE + 1], (1, EIGH, SOLVE + 1)))
def test_bad_lanes_change_no_other(d):
    rng = np.random.default_rng(d)
    q = orthogonal(rng, 6, d)
    good = q * rng.uniform(1, 2, (6, 1, d)) @ q.transpose(0, 2, 1)
    good, b = (good + good.transpose(0, 2, 1)) / 2, rng.normal(size=(6, d))
    bad, others = good.copy(), [0, 3, 5]
    bad[1] = np.ones((d, d)) * (d > 1)
    bad[2] = -np.eye(d)
    bad[4, -1, 0] = bad[4, 0, -1] = np.nan
    for f in (solve, cholesky_solve):
        x = mapped(f, bad, b)
        assert np.array_equal(x[others], mapped(f, good, b)[others])
        assert not np.any(np.isfinite(x[1])) if f is solve else np.all(np.isnan(x[1:3]))
        assert np.all(np.isnan(x[4]))
    np.testing.assert_allclose(mapped(solve, bad, b)[2], -b[2], rtol=EPS)
    (values, vectors), (expected, axes) = mapped(eigh, bad), mapped(eigh, good)
    assert np.array_equal(values[others], expected[others]) and np.array_equal(vectors[others], axes[others])
    assert np.all(np.isnan(values[4])) and np.all(np.isnan(vectors[4]))


@pytest.mark.parametrize("d", [1, 3, SOLVE, SOLVE + 1])
def test_not_finite_is_not_positive_definite(d):
    a = np.stack([np.diag(np.r_[np.ones(d - 1), last]) for last in (1.0, 0.0, -1.0, np.inf, np.nan)])
    finite = np.isfinite(mapped(cholesky_solve, a, np.ones((5, d))))
    assert np.all(finite[0]) and not np.any(finite[1:])


def test_nan_anywhere_reaches_all_of_the_solution():
    rng, d = np.random.default_rng(0), 4
    system = np.tile(rng.normal(size=(d, d + 1)), (d * (d + 1), 1, 1))
    system.reshape(len(system), -1)[np.arange(len(system)), np.arange(len(system))] = np.nan
    assert np.all(np.isnan(mapped(solve, system[..., :-1], system[..., -1])))


@pytest.mark.parametrize("d", [3, SOLVE + 1])
def test_the_lower_triangle_is_read(d):
    rng = np.random.default_rng(d)
    a = rng.normal(size=(1, d, d)) + 4 * d * np.eye(d)
    whole, b = np.tril(a) + np.tril(a, -1).transpose(0, 2, 1), rng.normal(size=(1, d))
    np.testing.assert_allclose(mapped(cholesky_solve, a, b)[0], np.linalg.solve(whole[0], b[0]), rtol=1e-13)
    np.testing.assert_allclose(mapped(eigh, a)[0][0], np.linalg.eigvalsh(whole[0]), rtol=1e-13)


def symmetric(rng, d):
    """Matrices hard for eigenvalue solvers, each kind many times."""
    n = 300
    q = orthogonal(rng, n, d)
    normal, sides = rng.normal(size=(n, d, d)), rng.integers(0, 2, (n, d))
    scale, wild = (10 ** rng.uniform(-reach, reach, (n, d)) for reach in (2, 8))
    yield normal
    yield normal * scale[:, :, None] * scale[:, None, :]
    yield normal * wild[:, :, None] * wild[:, None, :]
    yield np.round(normal) + 0 * normal  # many zeros and equal eigenvalues
    for spectrum in (np.logspace(0, -12, d), sides, 2 * sides - 1, 1 + 1e-5 * sides, 1 + 1e-9 * normal[:, 0]):
        yield q * np.broadcast_to(spectrum, (n, d))[:, None] @ q.transpose(0, 2, 1)
    yield np.stack([np.zeros((d, d)), np.ones((d, d)), np.eye(d), np.diag(np.arange(d) % 2), np.diag(-np.arange(d))])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("d", quick([1, 2, 3, EIGH, EIGH + 1, 8, 12], (1, 2, EIGH, EIGH + 1)))
def test_eigenvectors_of_hard_matrices(d, dtype):
    a = np.concatenate(list(symmetric(np.random.default_rng(d), d))).astype(dtype)
    a = np.tril(a) + np.tril(a, -1).transpose(0, 2, 1)
    values, v = mapped(eigh, a)
    assert values.dtype == v.dtype == dtype and np.all(np.diff(values) >= 0)
    a, values, v = (array.astype(float) for array in (a, values, v))
    bound = 10 * d * np.finfo(dtype).eps
    size = np.linalg.norm(a, 2, (1, 2))
    assert np.all(np.abs(a @ v - v * values[:, None]).max((1, 2)) <= bound * size)
    assert np.all(np.abs(v.transpose(0, 2, 1) @ v - np.eye(d)) <= bound)
    assert np.all(np.abs(values - np.linalg.eigvalsh(a)).max(1) <= bound * size)


def test_equal_eigenvalues_do_not_wear_the_vectors_off():
    rng, n, d = np.random.default_rng(0), 20_000, 4
    q, sides = orthogonal(rng, n, d), rng.integers(0, 2, (n, d))
    a = q * (1 + 1e-5 * sides)[:, None] @ q.transpose(0, 2, 1)
    values, v = mapped(eigh, np.tril(a) + np.tril(a, -1).transpose(0, 2, 1))
    assert np.abs(v.transpose(0, 2, 1) @ v - np.eye(d)).max() <= 12 * EPS  # LAPACK: 11
    assert np.abs(a @ v - v * values[:, None]).max() <= 12 * EPS


def test_small_eigenvalues_beside_large_ones_keep_their_digits():
    beside = np.array([[2.0, 0.0, 1.0], [0.0, 1e30, 0.0], [1.0, 0.0, 2.0]])
    coupled = np.array([[1.0, 1e14], [1e14, 1e30]])
    np.testing.assert_allclose(mapped(eigh, beside[None])[0][0], [1, 3, 1e30], rtol=4 * EPS)
    np.testing.assert_allclose(mapped(eigh, coupled[None])[0][0], [0.99, 1e30], rtol=4 * EPS)


@pytest.mark.parametrize(("f", "largest"), [(solve, SOLVE), (cholesky_solve, SOLVE), (eigh, EIGH)])
def test_small_matrices_never_reach_lapack(f, largest):
    def program(d):
        shapes = [jax.ShapeDtypeStruct((5, *(d,) * order), "float32") for order in ((2,) if f is eigh else (2, 1))]
        return over_lanes(f).lower(*shapes).compile().as_text()

    call = 'custom_call_target="lapack'
    assert call not in program(largest) and call not in program(2) and call in program(largest + 1)


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, SOLVE + 1])
@pytest.mark.parametrize("f", [solve, cholesky_solve])
def test_solutions_have_derivatives(f, d):
    rng = np.random.default_rng(d)
    a, b, c = rng.normal(size=(2, d, d)), rng.normal(size=(2, d)), rng.normal(size=(2, d))
    a = a @ a.transpose(0, 2, 1) + np.eye(d)
    value = mapped(jax.grad(lambda b, a, c: f(a, b) @ c), b, a, c)  # A^-T c
    assert np.allclose(value, np.linalg.solve(a, c[..., None])[..., 0], rtol=1e-10)
    x = np.linalg.solve(a, b[..., None])[..., 0]
    forward = mapped(lambda a, b, t: jax.jvp(lambda s: f(a + s * jnp.eye(d), b), (0.0 * t,), (t,))[1], a, b, np.ones(2))
    assert np.allclose(forward, -np.linalg.solve(a, x[..., None])[..., 0], rtol=1e-10)  # -A^-1 dA x


def test_lanes_of_lanes_and_a_shared_matrix():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4, 3, 3)), rng.normal(size=(3, 4, 3))
    expected = np.linalg.solve(a, b[..., None])[..., 0]
    np.testing.assert_allclose(mapped(jax.vmap(solve), a, b), expected, rtol=1e-11)
    shared = mapped(lambda b: solve(jnp.asarray(a[0, 0]), b), b[0])
    np.testing.assert_allclose(shared, np.linalg.solve(a[0, 0], b[0].T).T, rtol=1e-11)


@pytest.mark.parametrize(("m", "d"), [(1, 1), (2, 3), (7, SOLVE), (5, SOLVE + 1), (PRODUCT + 1, PRODUCT + 1)])
def test_products(m, d):
    rng = np.random.default_rng(d)
    j, a, x, s = (rng.normal(size=(4, *shape)) for shape in ((m, d), (d, d), (d,), (d,)))
    np.testing.assert_allclose(mapped(product, j, x), np.einsum("nmd,nd->nm", j, x), atol=1e-13)
    np.testing.assert_allclose(mapped(product, s, x), np.einsum("nd,nd->n", s, x), atol=1e-13)
    np.testing.assert_allclose(mapped(gram, j), j.transpose(0, 2, 1) @ j, atol=1e-13)
    both = np.einsum("ni,nj->nij", s, x)
    np.testing.assert_allclose(mapped(rank_two, a, s, x), a - both - both.transpose(0, 2, 1), atol=1e-14)
