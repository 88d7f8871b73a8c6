"""R of A = Q R along lanes: least squares whose normal equations would lose half the digits.

Sums over up to ``ROWS`` rows run along lanes; longer ones are products of matrices, of A^T A, which XLA hands to a
library that runs along rows.
"""

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.numerics.layout import settled

COLUMNS, ROWS = 9, 63  # of A; beyond so many columns LAPACK is faster
FLAT = 1e-6  # the least pivot of A^T A, with columns of length one, whose Cholesky factor has ten digits of R
ROUNDS = 4  # after which A^T A of any A is that well conditioned


def triangle(columns: Array) -> Array:
    """R (n, n), upper triangular, of A = Q R for any A, given by its columns (n, m): as accurate as Householder's, but
    for signs.

    A column that depends on those before it leaves zeros in its row, or numbers of the size of rounding. A number that
    is not finite makes R so. Cost: m n^2 multiplications, for more than ``ROWS`` rows two or three times as many where
    columns are nearly dependent. Source: Bjorck (1967), modified Gram-Schmidt; Fukaya et al. (2020), shifted Cholesky
    QR, for more rows.
    """
    n, m = columns.shape
    if n > COLUMNS:
        r = jnp.linalg.qr(columns.T, mode="r")
        return jnp.concatenate([r, jnp.zeros((n - len(r), n), columns.dtype)])
    return _gram_schmidt(columns) if m <= ROWS else _cholesky(columns)


def back(r: Array, b: Array) -> Array:
    """x of R x = b, R (n, n) upper triangular, b (n,); infinite or NaN where a pivot is 0."""
    if len(b) > COLUMNS:
        return jax.scipy.linalg.solve_triangular(r, b)
    x: list[Array] = []
    for k in reversed(range(len(b))):
        x.append(settled(b[k:] / r[k, k]))
        b = settled(b[:k] - r[:k, k] * x[-1])
    return jnp.concatenate(x[::-1])


def forward(r: Array, b: Array) -> Array:
    """x of R^T x = b, likewise."""
    if len(b) > COLUMNS:
        return jax.scipy.linalg.solve_triangular(r, b, trans="T")
    x: list[Array] = []
    for k in range(len(b)):
        x.append(settled(b[:1] / r[k, k]))
        b = settled(b[1:] - r[k, k + 1 :] * x[-1])
    return jnp.concatenate(x)


def _gram_schmidt(columns: Array) -> Array:
    rest, rows = settled(columns), []
    for k in range(len(columns)):
        first = rest[:1]
        along = settled(jnp.sum(first * rest, axis=1))
        unit = jnp.where(along[:1] == 0, 0, 1 / jnp.sqrt(along[:1]))
        rows.append(jnp.concatenate([jnp.zeros(k, columns.dtype), along * unit]))
        rest = settled(rest[1:] - first * (along[1:] * unit**2)[:, None])
    return settled(jnp.stack(rows))


def _cholesky(columns: Array) -> Array:
    """Q = A; R <- S R and Q <- Q S^-1 with S the Cholesky factor of Q^T Q, until Q is nearly orthogonal."""

    def again(loop: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        rest, r, s, _, k = loop
        done: list[Array] = []
        for i in range(len(s)):
            done.append(settled(rest[:1] * jnp.where(s[i, i] == 0, 0, 1 / s[i, i])))
            rest = settled(rest[1:] - s[i, i + 1 :, None] * done[-1])
        q = jnp.concatenate(done)
        s, flat = _factor(q)
        return q, s @ r, s, flat, k + 1

    s, flat = _factor(columns)
    begun = columns, s, s, flat, jnp.zeros((), jnp.int32)
    return jax.lax.while_loop(lambda loop: ~loop[3] & (loop[4] < ROUNDS), again, begun)[1]


def _factor(q: Array) -> tuple[Array, Array]:
    """S (n, n) of Q^T Q = S^T S of columns (n, m), with pivots no smaller than rounding, and whether none is small (or
    all is lost)."""
    n, m = q.shape
    squares = settled(q @ q.T)
    lengths = settled(jnp.sqrt(jnp.diagonal(squares)))
    units = jnp.where(lengths == 0, 1, lengths)  # a column of zeros is as good as any, and its row is zero
    scaled = squares / units[:, None] / units + jnp.diag(jnp.where(lengths == 0, 1, 0).astype(q.dtype))
    rest, rows, least = settled(scaled), [], jnp.ones(1, q.dtype)
    rounding = 11 * n * (m + n) * float(jnp.finfo(q.dtype).eps)
    for k in range(n):
        pivot = rest[0, :1]
        least = jnp.minimum(least, pivot)
        root = jnp.sqrt(jnp.maximum(pivot, rounding))
        row = settled(jnp.concatenate([root, rest[0, 1:] / root]))
        rows.append(jnp.concatenate([jnp.zeros(k, q.dtype), row]))
        rest = settled(rest[1:, 1:] - row[1:, None] * row[1:])
    s = settled(jnp.stack(rows) * lengths)
    return s, (least[0] >= FLAT) | ~jnp.isfinite(jnp.sum(s))
