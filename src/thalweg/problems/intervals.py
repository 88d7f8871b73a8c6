"""Roots on an interval, in NumPy and float64, for minima that a problem states."""

from collections.abc import Callable

import numpy as np

# Not roots.bisection, which compiles for each function, 0.5 s where this takes 1 to 14 ms, and ends at a middle, up to
# 53 units in the last place away for the 6368 intervals of rugged(b=1e4), not at the number with the smallest |f|.
# scipy.optimize.elementwise.find_root has the same numbers, in 70 to 230 ms and after an import of 0.7 s.


def crossings(
    f: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where f falls through 0 and where it rises through it, in intervals (low, high) on which it is monotone.

    Bisection until two neighbors in float64 are left, of which the one with the smaller |f| is taken.
    """
    sign = np.sign(f(low))
    changes = sign * np.sign(f(high)) < 0
    low, high, sign = low[changes], high[changes], sign[changes]
    while True:
        middle = low + (high - low) / 2
        if np.all((middle == low) | (middle == high)):
            break
        there = np.sign(f(middle))
        low, high = np.where(there == -sign, low, middle), np.where(there == sign, high, middle)
    roots = np.where(np.abs(f(low)) <= np.abs(f(high)), low, high)
    return roots[sign > 0], roots[sign < 0]


def polynomial_roots(coefficients: np.ndarray, low: float, high: float) -> np.ndarray:
    """The real roots of a polynomial, highest power first, inside (low, high), ascending, each once.

    Between the roots of its derivative, found the same way, a polynomial is monotone. Where it vanishes to rounding at
    one of these it has a multiple root there, and no other one up to the next. A polynomial that is 0 has none.
    """
    coefficients = np.trim_zeros(coefficients, "f")
    if len(coefficients) < 2:
        return np.empty(0)
    turns = polynomial_roots(np.polyder(coefficients), low, high)
    rounding = 4 * len(coefficients) * np.finfo(float).eps * np.polyval(np.abs(coefficients), np.abs(turns))
    multiple = np.abs(np.polyval(coefficients, turns)) <= rounding
    ends, root = np.concatenate([[low], turns, [high]]), np.concatenate([[False], multiple, [False]])
    free = ~(root[:-1] | root[1:])
    simple = crossings(lambda x: np.polyval(coefficients, x), ends[:-1][free], ends[1:][free])
    return np.sort(np.concatenate([turns[multiple], *simple]))
