"""Small dense algebra of one lane.

Where many lanes are mapped, every operation runs along them, and LAPACK, whose cost per call is many times that of so
little arithmetic, is not called. What is used more than once is ``settled``: XLA would compute it anew for every use,
at a cost exponential in the size. Single numbers have shape (1,), since XLA keeps no barrier around what has no axis
besides the lanes. Matrices above the sizes below go to LAPACK.
"""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.linalg import cho_solve

from thalweg.numerics.layout import settled
from thalweg.numerics.precision import in_float64

# Largest sizes d taken along lanes: faster than LAPACK, and compiled within a second or two. Jacobi's fixed number of
# sweeps is no longer enough for repeated eigenvalues beyond d = 4.
PRODUCT, SOLVE, EIGH, LSTSQ = 32, 8, 4, 4
ROWS = 64  # of J
SWEEPS = (0, 0, 1, 5, 6)  # of rotations, by d


def product(a: Array, x: Array) -> Array:
    """A x of a matrix A (m, d), or a^T x of a vector a (d,), with a vector x (d,): shape (m,) or ()."""
    return settled(jnp.sum(a * x, axis=-1)) if max(a.shape) <= PRODUCT else a @ x


def gram(j: Array) -> Array:
    """J^T J of a matrix J (m, d): shape (d, d)."""
    d = j.shape[1]
    if d > SOLVE:
        return j.T @ j
    j = settled(j)
    rows = [[jnp.sum(j[:, a] * j[:, b]) for b in range(a + 1)] for a in range(d)]
    return settled(jnp.stack([jnp.stack([rows[max(a, b)][min(a, b)] for b in range(d)]) for a in range(d)]))


def rank_two(a: Array, s: Array, t: Array) -> Array:
    """A - s t^T - t s^T of a matrix A (d, d) and vectors (d,)."""
    s, t = settled(s), settled(t)
    return a - s[:, None] * t - t[:, None] * s


def solve(a: Array, b: Array) -> Array:
    """x of A x = b for any square A (d, d) and b (d,), by LU with partial pivoting: as stable as LAPACK's.

    A singular A gives infinity or NaN, and NaN in A or b gives NaN. Cost: d^3/3 multiplications and as many selections.
    Source: Golub and Van Loan (2013), algorithm 3.4.1.
    """
    d = b.shape[0]
    if d > SOLVE:
        return jnp.linalg.solve(a, b)
    rest, right, rows = a, settled(b), []  # with b beside it, all of A would be copied first
    for k in range(d):
        row, y, at = rest[0], right[:1], _largest(rest[:, 0])
        for i in range(1, d - k):
            row, y = jnp.where(at == i, rest[i], row), jnp.where(at == i, right[i], y)
        row, y = settled(row), settled(y)
        rows.append(jnp.concatenate([row, y]))
        moved = jnp.arange(1, d - k) == at  # where the pivot was, the first row goes
        factors = settled(jnp.where(moved, rest[0, 0], rest[1:, 0]) / row[0])
        rest = settled(jnp.where(moved[:, None], rest[0, 1:], rest[1:, 1:]) - factors[:, None] * row[1:])
        right = settled(jnp.where(moved, right[0], right[1:]) - factors * y)
    return _back(rows)


def cholesky_solve(a: Array, b: Array) -> Array:
    """x of A x = b for symmetric positive definite A (d, d), of which the lower triangle is read, and b (d,).

    All of x is NaN where A is not positive definite to rounding: where a pivot of A = L D L^T is not positive and
    finite. Cost: d^3/6 multiplications. Source: Golub and Van Loan (2013), section 4.1.
    """
    d = b.shape[0]
    if d > SOLVE:
        root = jnp.linalg.cholesky(a, symmetrize_input=False)
        return jnp.where(jnp.all(jnp.isfinite(jnp.diagonal(root))), cho_solve((root, True), b), jnp.nan)
    rest, rows, definite = settled(jnp.concatenate([a, b[None]])), [], jnp.array([True])
    for _ in range(d):
        row = rest[:, 0]  # of [D L^T, y]: the column from the pivot down, and the right side
        rows.append(row)
        definite &= (row[:1] > 0) & (row[:1] < jnp.inf)
        rest = settled(rest[1:, 1:] - row[1:, None] * settled(row[1:-1] / row[0]))
    rows[-1] = jnp.where(definite, rows[-1], jnp.nan)  # from the last of x it spreads to all
    return _back(rows)


def indefinite(a: Array, after: Array) -> Array:
    """Whether a symmetric A (d, d) has a negative eigenvalue beyond rounding, shape (): no Hessian of a minimum has.

    That is, whether a pivot of A + tau diag |A| = L D L^T is negative, with tau = sqrt(d eps): by Sylvester's law the
    units of components do not matter. ``after`` (d,) is computed first: batches of LAPACK calls that run at the same
    time wait for each other where XLA has two threads.

    Cost: d^3/6 multiplications, with no square root and no sorting; above ``SOLVE`` components a Cholesky
    factorization. Source: Golub and Van Loan (2013), sections 4.1.2 and 8.1.5.
    """
    d, eps, tiny = a.shape[0], float(jnp.finfo(a.dtype).eps), float(jnp.finfo(a.dtype).tiny)
    shifted = a + (d * eps) ** 0.5 * jnp.eye(d, dtype=a.dtype) * jnp.abs(a)
    if d > SOLVE:
        empty = jnp.max(jnp.abs(a), axis=1) == 0
        slightly = 1 + eps * (after[0] > 0)  # a dependence that XLA does not see through
        root = jnp.linalg.cholesky(slightly * shifted + jnp.diag(empty), symmetrize_input=False)
        return jnp.isfinite(jnp.sum(a)) & ~jnp.isfinite(jnp.sum(root[-1]))  # NaN spreads to the last row
    rest, lowest = settled(shifted), jnp.zeros(1, a.dtype)
    for _ in range(d):
        pivot, column = rest[0, :1], rest[1:, 0]
        lowest = jnp.where(pivot < lowest, pivot, lowest)
        # A pivot of zero, in a row that is not all zeros, belongs to an indefinite block: a later one will be negative.
        pivot = jnp.where(pivot == 0, eps * jnp.sum(jnp.abs(column)) + tiny, pivot)
        rest = settled(rest[1:, 1:] - column[:, None] * settled(column / pivot))
    return lowest[0] < 0


def lstsq(j: Array, r: Array) -> Array:
    """The x (d,) with the least |J x - r|, of these the shortest, for any J (m, d) and r (m,): as accurate as LAPACK's.

    J = Q R, always with the longest column next; what is no longer than 10 eps m of the first one is zero. Then the
    rows of R x = Q^T r are made orthogonal, from the last one on. A number in J or r that is not finite makes all of x
    NaN. Cost: 2 m d^2 multiplications. Source: Bjorck (1967), modified Gram-Schmidt with r as one more column; Golub
    and Van Loan (2013), sections 5.4.2 and 5.5.3.
    """
    m, d = j.shape
    negligible = 10 * m * float(jnp.finfo(j.dtype).eps)
    if not (d <= min(m, LSTSQ) and m <= ROWS):
        return jnp.linalg.lstsq(j, r, rcond=negligible)[0]
    columns, r, least = [settled(column) for column in j.T], settled(r), jnp.zeros(1, j.dtype)
    names, rows = list(jnp.arange(d, dtype=j.dtype)[:, None]), []
    for k in range(d):
        at = _largest(settled(jnp.stack([jnp.sum(column**2) for column in columns])))
        (first, *columns), names = _exchanged(columns, at), _exchanged(names, at)
        along = settled(jnp.stack([jnp.sum(first * other) for other in (first, *columns, r)]))
        least = along[:1] * negligible**2 if k == 0 else least
        unit = jnp.where(along[:1] <= least, 0, 1 / jnp.sqrt(along[:1]))
        row, share = settled(along * unit), settled(along * unit**2)
        row_of_r = sum(jnp.where(name == jnp.arange(d), row[i], 0) for i, name in enumerate(names))
        rows.append(settled(jnp.concatenate([row_of_r, row[-1:]])))
        columns, names = [settled(a - share[i] * first) for i, a in enumerate(columns, 1)], names[1:]
        r = settled(r - share[-1] * first)
    x, done = jnp.zeros(d, j.dtype), []
    for row in reversed(rows):  # where none is zero, the last has one entry, the next is left with one, …
        for other in done:
            row = settled(row - jnp.sum(row[:-1] * other[:-1]) * other)
        square = jnp.sum(row[:-1] ** 2, keepdims=True)
        row = settled(row * jnp.where(square == 0, 0, 1 / jnp.sqrt(square)))
        done.append(row)
        x += row[-1] * row[:-1]
    return settled(x)


def eigh(a: Array) -> tuple[Array, Array]:
    """Eigenvalues (d,) in ascending order and eigenvectors, the columns of (d, d), of a symmetric A (d, d).

    The lower triangle of A is read. A number in it that is not finite makes all of both NaN. Up to d = 4 by Jacobi's
    rotations, in a fixed number of sweeps over the triangle (one suffices for d = 2), each 3 d^3 multiplications.
    Source: Golub and Van Loan (2013), section 8.5.
    """
    d = a.shape[0]
    if d > EIGH:
        return jnp.linalg.eigh(a, symmetrize_input=False)
    a = settled(a)
    m = {(i, j): a[i, j : j + 1] for i in range(d) for j in range(i + 1)}
    finite = jnp.all(jnp.isfinite(jnp.concatenate(list(m.values()))))
    state = m, list(jnp.eye(d, dtype=a.dtype))
    m, v = jax.lax.fori_loop(0, SWEEPS[d], lambda _, state: _sweep(*state), state)
    values, vectors = _sorted(jnp.concatenate([m[i, i] for i in range(d)]), v)
    return settled(jnp.where(finite, values, jnp.nan)), settled(jnp.where(finite, vectors, jnp.nan))


def _largest(column: Array) -> Array:
    """The index of the entry of largest size, shape (1,), as a float: selects are fast where all numbers are as wide.
    NaN becomes no pivot unless it is the first, and either way reaches the solution."""
    size = jnp.abs(column)
    at, largest = jnp.zeros_like(size[:1]), size[:1]
    for i in range(1, len(column)):
        at = jnp.where(size[i] > largest, i, at)
        largest = jnp.maximum(size[i], largest)
    return settled(at)


def _exchanged(entries: list[Array], at: Array) -> list[Array]:
    """The entries with the one at index ``at`` and the first one exchanged."""
    first = entries[0]
    for i, entry in enumerate(entries):
        first = jnp.where(at == i, entry, first)
    others = [settled(jnp.where(at == i, entries[0], entry)) for i, entry in enumerate(entries)]
    return [settled(first), *others[1:]]


def _back(rows: list[Array]) -> Array:
    """x of U x = y, from the rows of [U, y], each from its diagonal on."""
    x: list[Array] = []
    for row in reversed(rows):
        y = row[-1:]
        for j, known in enumerate(x):
            y = y - row[-2 - j] * known
        x.append(settled(y / row[0]))
    return settled(jnp.concatenate(x[::-1]))


Triangle = dict[tuple[int, int], Array]


def _sweep(m: Triangle, v: list[Array]) -> tuple[Triangle, list[Array]]:
    """One rotation for each entry below the diagonal, which makes it zero. ``m`` holds the matrix by row and column,
    each entry of shape (1,); ``v`` the eigenvectors."""
    d, m, v = len(v), dict(m), list(v)
    for q, p in combinations(range(d), 2):
        entry = m[p, q]
        theta = (m[p, p] - m[q, q]) / (2 * entry)
        t = jnp.where(theta < 0, -1, 1) / (jnp.abs(theta) + jnp.sqrt(1 + theta**2))
        # Rotations of nothing but rounding, among equal eigenvalues, would undo those of other entries.
        negligible = jnp.finfo(entry.dtype).eps * jnp.minimum(jnp.abs(m[p, p]), jnp.abs(m[q, q]))
        t = settled(jnp.where(jnp.abs(entry) <= negligible, 0, t))
        c = settled(1 / jnp.sqrt(1 + t**2))
        s = t * c
        m[q, q], m[p, p] = settled(m[q, q] - t * entry), settled(m[p, p] + t * entry)
        m[p, q] = jnp.zeros_like(entry)
        for r in set(range(d)) - {p, q}:
            f, g = (max(r, q), min(r, q)), (max(r, p), min(r, p))
            m[f], m[g] = settled(c * m[f] - s * m[g]), settled(s * m[f] + c * m[g])
        v[q], v[p] = settled(c * v[q] - s * v[p]), settled(s * v[q] + c * v[p])
    return m, v


def _sorted(values: Array, vectors: list[Array]) -> tuple[Array, Array]:
    """Eigenvalues in ascending order, and their vectors as columns, by exchanges of neighbors: none is lost, whatever
    the rounding with which XLA compares them."""
    ordered, columns = jnp.split(values, len(values)), list(vectors)
    for end in range(len(values) - 1, 0, -1):
        for i in range(end):
            (a, b), (u, v) = ordered[i : i + 2], columns[i : i + 2]
            ordered[i], ordered[i + 1] = settled(jnp.minimum(a, b)), settled(jnp.maximum(a, b))
            columns[i], columns[i + 1] = jnp.where(b < a, v, u), jnp.where(b < a, u, v)
    return jnp.concatenate(ordered), jnp.stack(columns, axis=1)


def jacobian_power(j: Array, g: Array, factors: Callable[..., Array], *parameters: Any) -> Array:
    """J^T U F U^T g for J = U S V^T (m, d), g (m,) and F = factors(S, *parameters), of shape (d,): with the powers
    F = S^(-kappa - 1) of the singular values it is V S^(-kappa) U^T g.

    With m <= d it is J^T f(J J^T) g, else f(J^T J) J^T g, in float64 throughout. For J in float32 and shorter by the
    eigenvectors of the smaller product, where singular values down to 1e-8 of the largest are exact; for J in float64
    by a singular value decomposition of R, from J^T = Q R or J = Q R, which is slower and exact to rounding. Both cost
    m d min(m, d), a fraction of a singular value decomposition of J. NaN where a number is not finite.
    """
    exact, kind, wide = j.dtype == jnp.float64, j.dtype, j.shape[0] <= j.shape[1]

    def power(j: Array, g: Array, *parameters: Any) -> Array:
        j, g = j.astype(jnp.float64), g.astype(jnp.float64)
        a = j if wide else j.T
        if exact:
            u, s, _ = jnp.linalg.svd(jnp.linalg.qr(a.T, mode="r").T, full_matrices=False)
        else:
            squares, u = jnp.linalg.eigh(a @ a.T)
            s = jnp.sqrt(jnp.maximum(squares, 0))
        direction = u @ (factors(s, *parameters) * (u.T @ (g if wide else j.T @ g)))
        return (j.T @ direction if wide else direction).astype(kind)

    return in_float64(power)(j, g, *parameters)
