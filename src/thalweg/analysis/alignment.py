"""Where a path goes, against where the solution is."""

import numpy as np
import xarray as xr

from thalweg.analysis.selection import PATH_DIMS, coordinates, judged_paths
from thalweg.chain.problem import Problem


def _known(problem: Problem) -> np.ndarray:
    if not len(problem.minima):
        raise ValueError(
            f"{problem.name!r} states no minima, but a direction and a distance need one; give Problem(minima=…)."
        )
    return problem.minima


def _to_nearest(trace: xr.Dataset, problem: Problem) -> np.ndarray:
    """The vector from each point to the minimum nearest to it, shape (variant, start, step, d)."""
    x = np.asarray(trace["x"], np.float64)
    best = np.full(x.shape[:-1], np.inf)
    vector = np.full(x.shape, np.nan)
    for minimum in _known(problem):
        to = minimum - x
        length = np.linalg.norm(to, axis=-1)
        nearer = length < best
        best[nearer], vector[nearer] = length[nearer], to[nearer]
    return vector


def distance(trace: xr.Dataset, problem: Problem) -> xr.DataArray:
    """|x - x*| to the nearest known minimum x*.

    Args:
        trace: what ``run`` returned, or a selection of it.
        problem: the problem that was run, which states minima.
    Returns:
        The distance, dims (variant, start, step), in [x]; NaN where x is not finite.
    Raises:
        ValueError: where the problem states no minima, and for a Dataset without x by variant, start and step.
    Cost:
        One pass over x for each minimum.
    """
    trace = judged_paths(trace, "x")
    values = np.linalg.norm(_to_nearest(trace, problem), axis=-1)
    return xr.DataArray(values, coordinates(trace, PATH_DIMS), PATH_DIMS, "distance")


def alignment(trace: xr.Dataset, problem: Problem) -> xr.DataArray:
    """The cosine of each recorded update with the direction to the solution: u.s / |u||s|.

    u = x_(k+1) - x_k and s = x* - x_k, where x* is the known minimum nearest to x_k; the row of a step holds the update
    that starts there. On the diagonal of two dimensions the dot product with (1, 1), used in lectures, is sqrt(2) times
    this.

    Args:
        trace: what ``run`` returned, or a selection of it.
        problem: the problem that was run, which states minima.
    Returns:
        The cosine, dims (variant, start, step), a pure number in -1 … 1; NaN in the last row and in rows without a
        move.
    Raises:
        ValueError: where the problem states no minima, and for a Dataset without x by variant, start and step.
    Cost:
        One pass over x for each minimum.
    """
    trace = judged_paths(trace, "x")
    x = np.asarray(trace["x"], np.float64)
    solution = _to_nearest(trace, problem)[:, :, :-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        update = np.diff(x, axis=2)
        cosine = np.sum(update * solution, axis=-1) / (
            np.linalg.norm(update, axis=-1) * np.linalg.norm(solution, axis=-1)
        )
    values = np.concatenate([cosine, np.full((*cosine.shape[:2], 1), np.nan)], axis=2)
    return xr.DataArray(values, coordinates(trace, PATH_DIMS), PATH_DIMS, "alignment")
