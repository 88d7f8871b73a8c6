"""Where the roots of a polynomial lie, to a factor, and steps towards them in which nothing overflows."""

from itertools import pairwise
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

CLASSIC = 20, 8.0  # degree up to which, and factor about 1 within which, all roots begin near the unit circle
FAR = 8  # units beyond |w| to which a correction leads at most
ROUNDINGS = 1  # of the terms of a polynomial, within which its value is 0


@final
class Scaled(NamedTuple):
    """Polynomials of degree n, for each of n starts in a unit 2^e of its own: z_k = w_k 2^e_k."""

    exponents: np.ndarray  # e, (…, n)
    start: np.ndarray  # w, (…, n), complex
    coefficients: np.ndarray  # of w_k, the highest power first and the largest of size 1, (…, n, n + 1)
    factor: np.ndarray  # by which their value over the product of differences is a correction of w_k, (…, n)
    shares: np.ndarray  # (…, n, n): z_k - z_j is w_k shares_kj - w_j shares_jk, in the larger of both units

    @classmethod
    def of(cls, rows: np.ndarray) -> "Scaled":
        """The same of rows of complex coefficients, the first not 0."""
        return cls(*(np.stack(parts) for parts in zip(*map(_scaled, rows), strict=True)))


def _scaled(row: np.ndarray) -> tuple[Any, ...]:
    n = len(row) - 1
    radii, angles = _circles(row)  # radii by their logarithm to the base 2
    degree, factor = CLASSIC
    if n <= degree and np.all(np.abs(radii) <= np.log2(factor)):
        exponents, start = np.zeros(n, int), (0.4 + 0.9j) ** np.arange(n)
    else:
        low = np.min(radii, where=np.isfinite(radii), initial=np.inf)
        exponents = np.round(np.where(np.isfinite(radii), radii, low if np.isfinite(low) else 0)).astype(int)
        start = 2.0 ** (radii - exponents) * np.exp(1j * angles)
    powers = np.arange(n, -1, -1)
    parts = np.maximum(np.abs(np.real(row)), np.abs(np.imag(row)))
    sizes = np.frexp(parts)[1] + exponents[:, None] * powers
    largest = np.max(sizes, axis=1, where=row != 0, initial=-(2**30))
    coefficients = _ldexp(row, exponents[:, None] * powers - largest[:, None])
    units = np.maximum(exponents[:, None], exponents)
    first = np.frexp(np.abs(row[0]))[1]
    total = largest - first - np.sum(units, axis=1)  # with its own unit, by which the correction is divided
    factors = np.ldexp(1.0, total) / _ldexp(row[0], -first)
    return exponents, start, coefficients, factors, np.ldexp(1.0, exponents[:, None] - units)


def _circles(row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of radii and angles of n starts (Bini 1996): each edge of the upper hull of log |a_k| over k, from k
    to k + m, puts m of them evenly on the circle |z|^m = |a_k / a_(k+m)|; zeros at the end of a row are roots 0."""
    with np.errstate(divide="ignore"):
        logs = np.log2(np.abs(row[::-1]))
    hull: list[int] = []
    for k in np.flatnonzero(np.isfinite(logs)):
        while len(hull) > 1 and _rise(logs, hull[-2], hull[-1]) <= _rise(logs, hull[-1], k):
            hull.pop()
        hull.append(int(k))
    n = len(row) - 1
    radii, angles = np.full(n, -np.inf), np.zeros(n)
    for edge, (k, end) in enumerate(pairwise(hull)):
        radii[k:end] = -_rise(logs, k, end)
        angles[k:end] = 2 * np.pi * (np.arange(end - k) / (end - k) + edge / n) + 0.7
    return radii, angles


def _rise(logs: np.ndarray, a: Any, b: Any) -> Any:
    return (logs[b] - logs[a]) / (b - a)


def _ldexp(z: Any, exponent: Any) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        return np.ldexp(np.real(z), exponent) + 1j * np.ldexp(np.imag(z), exponent)


def sweep(scaled: Scaled, w: Array, within: float) -> tuple[Array, Array]:
    """Durand and Kerner's correction of one w after the other, and whether none was larger than ``within`` of it."""
    others, eps = ~jnp.eye(len(w), dtype=bool), float(jnp.finfo(scaled.shares.dtype).eps)

    def move(k: Array, loop: tuple[Array, Array]) -> tuple[Array, Array]:
        w, ended = loop
        p = scaled.coefficients[k]
        there, rounding = jnp.polyval(p, w[k]), ROUNDINGS * eps * jnp.polyval(jnp.abs(p), jnp.abs(w[k]))
        away = jnp.prod(jnp.where(others[k], w[k] * scaled.shares[k] - w * scaled.shares[:, k], 1))
        change = jnp.where(away == 0, eps * w[k], scaled.factor[k] * there / away)
        far = FAR * (1 + jnp.abs(w[k])) / jnp.abs(change)
        change = jnp.where(jnp.isfinite(change), jnp.where(far < 1, far * change, change), w[k] / 2)  # back from where
        change = jnp.where(jnp.abs(there) <= rounding, 0, change)  # the highest power overflows
        w = w.at[k].add(-change)
        return w, ended & (jnp.abs(change) <= (within + 4 * eps) * jnp.abs(w[k]))

    return jax.lax.fori_loop(0, len(w), move, (w, jnp.array(True)))


def unscaled(w: np.ndarray, exponents: np.ndarray) -> np.ndarray:
    """z = w 2^e; infinite where that is too large."""
    return _ldexp(w, exponents)
