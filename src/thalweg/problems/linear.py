"""Parameters of a formula in which it is linear, and what they are best where the others are given."""

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from thalweg.formula import Formula
from thalweg.numerics.arithmetic import Operation

MOST_BYTES = 2**24  # of the columns of points that are projected together
RELATIVE = 1e-13  # eigenvalues of A^T A that are rounding


def linear(formula: Formula, parameters: Collection[str]) -> tuple[str, ...]:
    """A largest set of parameters, found greedily, in which the formula is linear together: a sum of terms, each with
    one of them as a factor, or with none."""
    alone = [name for name in parameters if _degree(formula, {name}) == 1]
    clashes = {name: {name} for name in alone}
    for pair in combinations(alone, 2):
        if _degree(formula, set(pair)) > 1:
            clashes[pair[0]].add(pair[1])
            clashes[pair[1]].add(pair[0])
    chosen: list[str] = []
    for name in sorted(alone, key=lambda name: len(clashes[name])):
        if not clashes[name].intersection(chosen):
            chosen.append(name)
    return tuple(name for name in parameters if name in chosen)


def _degree(formula: Formula, names: Collection[str]) -> int:
    """Of the formula as a polynomial in some variables: 0 without them, 1 where it is linear, 2 for all else."""

    def combine(operation: Operation, degrees: list[int]) -> int:
        match operation.name:
            case "+" | "-":
                return max(degrees)
            case "select":
                return max(degrees[1:])
            case "*":
                return min(2, sum(degrees))
            case "/" if degrees[1] == 0:
                return degrees[0]
            case "integer_pow 1":
                return degrees[0]
            case _:
                return 2 if any(degrees) else 0

    return formula.fold(lambda step: int(step in names), combine)


def projected(
    formula: Formula,
    names: Collection[str],
    values: Mapping[str, Any],
    observed: np.ndarray,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The best values of the parameters in which the formula is linear, (n, k), and the sums of squares there, (n,).

    f = f0 + F c is linear in the k parameters c, so that the least |W (y - f)|^2 has W F c = W (y - f0), solved by
    the normal equations of columns of length one, twice; infinite where the formula has no finite value.

    Args:
        formula: of parameters and predictors.
        names: the k parameters in which it is linear.
        values: of all others, (n, 1) each, and of predictors, (m,).
        observed: y, (m,).
        weights: the diagonal of W, (m,).
    Source:
        Golub and Pereyra (1973), SIAM J. Numer. Anal. 10, section 2.
    """
    n, m = max(np.shape(value)[0] for value in values.values() if np.ndim(value) == 2), len(observed)
    least = max(1, MOST_BYTES // (8 * m * (len(names) + 2)))
    parts = [slice(i, i + least) for i in range(0, n, least)]
    found = [_projected(formula, names, _rows(values, part), observed, weights) for part in parts]
    return np.concatenate([best for best, _ in found]), np.concatenate([squares for _, squares in found])


def _rows(values: Mapping[str, Any], part: slice) -> dict[str, Any]:
    return {name: value[part] if np.ndim(value) == 2 else value for name, value in values.items()}


def _projected(
    formula: Formula, names: Collection[str], values: dict[str, Any], observed: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    n = max(np.shape(value)[0] for value in values.values() if np.ndim(value) == 2)
    none = dict.fromkeys(names, 0.0)

    def at(**some: float) -> np.ndarray:
        return np.broadcast_to(formula.in_numpy({**values, **none, **some}), (n, len(observed)))

    with np.errstate(all="ignore"):
        rest = at()
        left = weights * (observed - rest)
        if not names:
            squares = np.sum(left**2, axis=1)
            return np.empty((n, 0)), np.where(np.isfinite(squares), squares, np.inf)
        columns = np.stack([weights * (at(**{name: 1.0}) - rest) for name in names], axis=2)
        lengths = np.linalg.norm(columns, axis=1)
        good = np.isfinite(lengths).all(axis=1) & np.isfinite(left).all(axis=1)
        lengths = np.where(good[:, None] & (lengths > 0), lengths, 1)
        units = np.where(good[:, None, None], columns / lengths[:, None, :], 0)
        left = np.where(good[:, None], left, 0)[:, :, None]
        inverse = _inverse(units)
        best = inverse @ (units.mT @ left)
        best = best + inverse @ (units.mT @ (left - units @ best))  # to the digits that the inverse lost
        squares = np.sum((left - units @ best) ** 2, axis=(1, 2))
        return best[:, :, 0] / lengths, np.where(good, squares, np.inf)


def _inverse(units: np.ndarray) -> np.ndarray:
    """Of A^T A, without the directions in which it is nothing but rounding, for matrices A (n, m, k)."""
    values, vectors = np.linalg.eigh(units.mT @ units)
    some = values > RELATIVE * values[:, -1:]
    return (vectors * np.where(some, 1 / np.where(some, values, 1), 0)[:, None, :]) @ vectors.mT
