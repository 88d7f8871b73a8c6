"""Observations of a fit: columns of numbers, their standard deviations, and the loss of what a model leaves."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from thalweg.chain import robust_errors
from thalweg.chain.counts import check_counts
from thalweg.chain.losses import OfTarget, PoissonDeviance, RobustError, SquaredError
from thalweg.numerics.reading import nearest, real, shown

LOSSES: Final = ("linear", *robust_errors.KINDS, "poisson")  # but for the last as scipy.optimize.least_squares has them


def loss_of(
    observed: np.ndarray,
    name: str,
    deviations: np.ndarray | None,
    absolute: bool,
    kind: str | None,
    f_scale: float | None,
) -> OfTarget:
    """The loss of what a model leaves of m observations; ValueError for a kind that is none, or what does not go with
    it."""
    if kind is not None and not (isinstance(kind, str) and kind in LOSSES):
        raise ValueError(nearest(kind if isinstance(kind, str) else shown(kind), LOSSES, "a loss"))
    if kind in (None, "linear", "poisson") and f_scale is not None:
        raise ValueError(
            "f_scale was given, but only a robust loss has one; give loss='soft_l1', 'huber', 'cauchy' or 'arctan'."
        )
    if kind == "poisson":
        if deviations is not None:
            raise ValueError(
                "sigma was given with the loss 'poisson', but the variance of counts is their mean; leave it out."
            )
        check_counts(observed, f"column {name!r}")
        return PoissonDeviance(observed)
    if kind in (None, "linear"):
        return SquaredError(observed, sigma=deviations, absolute_sigma=absolute)
    if absolute:
        raise ValueError(
            f"absolute_sigma was given with the loss {kind!r}, but outliers are errors that no sigma knows, so that "
            "standard errors come from the residuals; leave it out."
        )
    return RobustError(observed, str(kind), 1.0 if f_scale is None else f_scale, sigma=deviations)


def deviations(sigma: Any, absolute: Any, table: Any, columns: list[str], m: int) -> np.ndarray | None:
    """The standard deviation of each observation, (m,), or None; ValueError for what cannot be one."""
    if not isinstance(absolute, bool):
        raise ValueError(f"absolute_sigma is {shown(absolute)}, but it is a flag; give True or False.")
    if sigma is None and absolute:
        raise ValueError("absolute_sigma was given without sigma, of which it says what it means; give sigma, too.")
    if sigma is None:
        return None
    if isinstance(sigma, str) and sigma not in columns:
        raise ValueError(nearest(sigma, columns, "a column of the table"))
    what = f"column {sigma!r}" if isinstance(sigma, str) else "sigma"
    try:
        values = column(table, sigma) if isinstance(sigma, str) else real(sigma)
    except TypeError as error:
        raise ValueError(f"sigma is {shown(sigma)}, but it must be a column or real numbers; give (m,).") from error
    if values.shape not in ((), (m,)):
        raise ValueError(f"{what} has shape {values.shape}, but there are {m} observations; give one number for each.")
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if bad.size:
        raise ValueError(
            f"{what} has {np.ravel(values)[bad[0]]:g} at index {bad[0]}, but a standard deviation is positive and "
            "finite; leave out the observation, or give its error."
        )
    return np.full(m, values) if values.ndim == 0 else values


def complete(frame: Any, names: Sequence[str], told: str) -> tuple[dict[str, np.ndarray], str]:
    """The columns of a data frame in the rows that have a cell in all that are named, and what was left out."""
    columns = {name: np.asarray(frame[name]) for name in frame}
    lacking = {name: np.array([cell is None or cell != cell for cell in columns[name].tolist()]) for name in names}
    gone = np.any(list(lacking.values()), axis=0)
    if not gone.any():
        return columns, told
    where = ", ".join(f"{name!r}" for name, lacks in lacking.items() if lacks.any())
    left = f"{gone.sum()} of {len(gone)} rows left out where {where} is missing"
    return {name: cells[~gone] for name, cells in columns.items()}, "; ".join(filter(None, [told, left]))


def numbers(table: Any, name: str) -> np.ndarray:
    """A column in float64, shape (m,), NaN and infinite where it is so."""
    try:
        values = real(table[name])
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} is not of real numbers; give a vector of them.") from error
    if values.ndim != 1:
        raise ValueError(f"column {name!r} has shape {values.shape}, but it must be a vector; give shape (m,).")
    return values


def column(table: Any, name: str) -> np.ndarray:
    """The same of finite numbers alone; ValueError for another."""
    values = numbers(table, name)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"column {name!r} has {values[bad[0]]} at index {bad[0]}, but a fit needs finite numbers; "
            "leave out the observation."
        )
    return values
