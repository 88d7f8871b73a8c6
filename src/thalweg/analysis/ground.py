"""The landscape under the paths of a trace, over the box that their picture shows."""

from typing import NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.analysis.landscape import CHUNK, HUGE, images, landscape
from thalweg.analysis.view import frame, is_finite
from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once

Box = tuple[np.ndarray, np.ndarray]  # (low, high)
SAMPLE = 500  # points of paths by which a plane is laid


@final
class Plane(NamedTuple):
    """The loss on a plane in x, and the paths as they fall on it."""

    sides: tuple[np.ndarray, np.ndarray]  # lengths along the two directions, in [x]
    loss: np.ndarray  # (first, second) in [L]
    points: np.ndarray  # (variant, start, step, 2) in [x]
    away: np.ndarray  # (variant, start, step), how far from the plane, in [x]
    target: np.ndarray  # (2,) in [x]
    known: bool  # whether the target is a known minimum, or else the best point found


def find_ground(
    trace: xr.Dataset, problem: Problem | xr.Dataset | None, name: str, picked: list[int], points: int | None = None
) -> xr.Dataset | None:
    """The landscape under the paths: as it was given, or of the problem over what a frame of them holds."""
    if problem is None or isinstance(problem, xr.Dataset):
        return problem
    minima = images(problem, name)
    known = minima.points[:, picked]
    known = known if len(picked) == 2 else np.column_stack([known, minima.losses])
    core, everything = cores(trace, drawn_points(trace, name, picked), known, problem.domain)
    box = frame(core[:, : len(picked)], everything[:, : len(picked)])
    return landscape(problem, box, name, picked, at=best_point(trace, name), points=points)


def drawn_points(trace: xr.Dataset, name: str, picked: list[int]) -> np.ndarray:
    """What is drawn of the trace, shape (variant, start, step, 2): two components, or one and the loss."""
    points = np.asarray(trace[name].values[..., picked], float)
    return points if len(picked) == 2 else np.concatenate([points, trace["loss"].values[..., None]], axis=-1)


def cores(
    trace: xr.Dataset, points: np.ndarray, minima: np.ndarray, domain: Box | None
) -> tuple[np.ndarray, np.ndarray]:
    """The points that a frame must hold, shape (n, 2), and all of them."""
    core = [points[_calm(trace, domain)], points[:, :, 0].reshape(-1, 2), minima]
    return np.concatenate(core), points.reshape(-1, 2)


def _calm(trace: xr.Dataset, domain: Box | None) -> np.ndarray:
    """Which points are no worse than the start of their path and not far outside the domain.

    A path that diverges has few of these, however far it gets before its numbers end.
    """
    loss = trace["loss"].values
    calm = loss <= np.nan_to_num(loss[:, :, :1], nan=np.inf)
    if domain is not None and "x" in trace:
        low, high = domain
        x, width = trace["x"].values, high - low
        calm &= ((x >= low - width) & (x <= high + width)).all(-1)
    return calm


def best_point(trace: xr.Dataset, name: str) -> np.ndarray:
    """The point of lowest finite loss, in a space."""
    loss = trace["loss"].values.ravel()
    best = np.argmin(np.where(is_finite(loss), loss, np.inf))
    return trace[name].values.reshape(loss.size, -1)[best]


def find_plane(trace: xr.Dataset, problem: Problem, points: int) -> Plane:
    """The plane through the first start and the lowest known minimum, or else the best point found, that turns toward
    where the paths go."""
    x = np.asarray(trace["x"], np.float64)
    origin, minima = x[0, 0, 0], images(problem, "x")
    known = len(minima.points) > 0
    target = minima.points[np.argmin(minima.losses)] if known else best_point(trace, "x").astype(float)
    first, second = _directions(trace, x, target - origin)
    basis = np.stack([first, second])
    away = np.where(is_finite(x), x, np.nan) - origin
    fallen = away @ basis.T
    core, everything = cores(trace, fallen, ((target - origin) @ basis.T)[None], None)
    low, high = frame(core, everything)
    sides = (np.linspace(low[0], high[0], points), np.linspace(low[1], high[1], points))
    mesh = np.stack([side.ravel() for side in np.meshgrid(*sides, indexing="ij")], axis=1)
    values = np.asarray(_values(problem, jnp.asarray(origin), jnp.asarray(basis), jnp.asarray(mesh)), float)
    loss = np.where(np.abs(values) < HUGE, values, np.nan).reshape(points, points)
    left = np.sqrt(np.sum((away - fallen @ basis) ** 2, axis=-1))
    return Plane(sides, loss, fallen, left, (target - origin) @ basis.T, known)


def _directions(trace: xr.Dataset, x: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors at right angles: toward the target, and along what most of the paths' way is besides."""
    moved = (x - x[:, :, :1])[_calm(trace, None)]
    moved = moved[is_finite(moved).all(1)]
    moved = moved[np.linspace(0, len(moved) - 1, min(len(moved), SAMPLE)).astype(int)]
    if not np.any(way):
        way = np.linalg.svd(moved, full_matrices=False)[2][0] if np.any(moved) else np.eye(len(way))[0]
    first = way / np.linalg.norm(way)
    rest = moved - np.outer(moved @ first, first)
    if np.linalg.norm(rest) <= 1e-6 * np.linalg.norm(moved):  # straight paths: any other direction
        rest = np.eye(len(way))[[np.argmin(np.abs(first))]]
        rest -= np.outer(rest @ first, first)
    second = np.linalg.svd(rest, full_matrices=False)[2][0]
    second -= (second @ first) * first
    return first, second / np.linalg.norm(second)


@compiled_once
def _values(problem: Problem, origin: Array, basis: Array, points: Array) -> Array:
    return jax.lax.map(lambda at: problem.value(origin + at @ basis), points, batch_size=min(CHUNK, len(points)))
