"""Polynomials in a unit of their variable in which nothing overflows."""

from typing import Any, NamedTuple, final

import numpy as np


@final
class Monic(NamedTuple):
    """Polynomials of degree n as 1 and smaller coefficients in w = z / 2^exponent."""

    coefficients: np.ndarray  # (k, n + 1), the highest power first, each at most 1
    exponent: np.ndarray  # (k,)
    radius: np.ndarray  # (k,), in w: of a circle about 0 that holds all roots

    @classmethod
    def of(cls, rows: np.ndarray) -> Any:
        """The same of rows of complex coefficients, the first not 0.

        The radius is 2 max(|a_(n-1) / a_n|, |a_(n-2) / a_n|^(1/2), …, |a_0 / (2 a_n)|^(1/n)), and the unit the next
        power of 2, so that nothing is rounded but by the division. Source: Fujiwara (1916), Tohoku Math. J. 10.
        """
        n = rows.shape[1] - 1
        with np.errstate(divide="ignore"):
            sizes = np.log2(np.abs(rows))
        shares = sizes[:, 1:] - sizes[:, :1]
        shares[:, -1] -= 1
        radius = 1 + np.max(shares / np.arange(1, n + 1), axis=1)  # its logarithm
        radius = np.where(np.isfinite(radius), radius, 0)  # all roots are 0
        exponent = np.ceil(radius).astype(int)
        shift = -np.frexp(np.abs(rows[:, :1]))[1] - exponent[:, None] * np.arange(n + 1)
        small = np.ldexp(np.real(rows), shift) + 1j * np.ldexp(np.imag(rows), shift)
        return cls(small / small[:, :1], exponent, 2.0 ** (radius - exponent))
