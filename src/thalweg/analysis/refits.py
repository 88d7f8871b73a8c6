"""A fit made again many times, each time with other data or with a parameter held."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.methods.levenberg_marquardt import LevenbergMarquardt
from thalweg.problems.models import model_of
from thalweg.verbs.solve import solve

# L is flat at a minimum: where it has stopped falling, x is right to the square root of this in standard errors.
XTOL, FTOL, MAX_STEPS = 1e-9, 1e-14, 1000


def is_bounded(problem: Problem, bounded: bool | None) -> bool:
    """Whether fits stay in the domain: as told, or else where a person gave bounds, and in that of a problem which is
    no formula."""
    if bounded is None:
        model = model_of(problem)
        bounded = problem.domain is not None and (model is None or model.bounded)
    if bounded and problem.domain is None:
        raise ValueError(f"{problem.name!r} has no domain, but bounded was given; leave it out, or give bounds.")
    return bounded


def refit(problem: Problem, points: np.ndarray, cases: Any, bounded: bool) -> xr.Dataset:
    """The fit of each case from its own points, (cases, n, d), or from all, (n, d): one variant, in float64; compiled
    once for a problem and so many cases. ValueError where a point is not finite."""
    if not np.isfinite(points).all():
        raise ValueError(f"the best fit of {problem.name!r} is not finite; try other starts.")
    method = LevenbergMarquardt(bounded=bounded)
    fits = solve(problem, method, points, cases=cases, gtol=0.0, xtol=XTOL, ftol=FTOL, max_steps=MAX_STEPS)
    return fits.isel(variant=0)


def squares_of(residual: Callable[[Array, Any], Array], problem: Problem) -> Problem:
    """The sum of squares of a residual of x and data, with all else as the problem has it."""
    return Problem(
        Stage(residual),
        loss=SquaredError(),
        start=problem.start,
        domain=problem.domain,
        derivatives=problem.derivatives,
        name=problem.name,
    )
