"""Where a problem is looked at: a line, a plane of two components, or a plane laid through the paths of many."""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from thalweg import analysis
from thalweg.analysis.components import names_of
from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once

GRID, LINE = 120, 600  # points along each side of the ground
BATCH = 1000  # points that are evaluated at once
MOST = 3  # panes beside each other
ROOM = 0.12  # around what is shown


@final
class Pane(NamedTuple):
    """One view: of a space of one component (``line``) or two (``plane``), or x on a plane through it (``cut``)."""

    space: str
    kind: str
    labels: list[str]
    units: str


@final
class Cut(NamedTuple):
    """A plane in x: its origin, and two unit vectors at right angles."""

    origin: np.ndarray
    axes: np.ndarray  # (2, d)

    def flat(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates of points (…, d) on the plane, (…, 2), and how far off it they are, (…)."""
        beside = x - self.origin
        on = beside @ self.axes.T
        return on, np.linalg.norm(beside - on @ self.axes, axis=-1)


def panes(problem: Problem) -> list[Pane]:
    """x, and the later spaces of one or two components."""
    found = []
    for place in problem.chain.spaces:
        first = place.name == "x"
        if place.size > 2 and not first:
            continue
        units = problem.units.get(place.name, "")
        labels = names_of(problem) if first else [f"{place.name}[{label}]" for label in place.labels]
        if place.size > 2:
            found.append(Pane("x", "cut", ["toward the minimum", "across"], units))
        else:
            found.append(Pane(place.name, ("line", "plane")[place.size - 1], labels[:2], units))
    return found[:MOST]


def cut_through(problem: Problem, start: np.ndarray, x: np.ndarray) -> Cut:
    """The plane through the start and the nearest known minimum, or else the best end, that holds most of the ways
    ``x`` (n, d)."""
    x = x[np.isfinite(x).all(axis=-1)]
    if len(problem.minima):
        origin = min((np.asarray(one, float) for one in problem.minima), key=lambda one: np.linalg.norm(one - start))
    else:
        origin = x[-1] if len(x) else np.zeros_like(start)
    first = _unit(start - origin)
    beside = x - origin
    beside = beside - np.outer(beside @ first, first)
    scale = np.abs(beside).max(initial=0.0)
    second = np.linalg.svd(beside / scale, full_matrices=False)[2][0] if scale > 0 else np.zeros_like(first)
    second = second - (second @ first) * first
    if np.linalg.norm(second) < 0.5:  # the ways are straight: any direction at right angles
        second = np.eye(len(first))[np.abs(first).argmin()]
        second = second - (second @ first) * first
    return Cut(origin, np.stack([first, _unit(second)]))


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector)
    return vector / length if length > 0 else np.eye(len(vector))[0]


def points(pane: Pane, trace: xr.Dataset, cut: Cut | None) -> tuple[np.ndarray, np.ndarray | None]:
    """The paths (variant, row, 2) in a pane, over the loss where it is a line; and how far off a plane they are."""
    x = trace[pane.space].values[:, 0].astype(float)
    if pane.kind == "cut":
        assert cut is not None
        with np.errstate(all="ignore"):
            return cut.flat(x)
    if pane.kind == "line":
        return np.stack([x[..., 0], trace["loss"].values[:, 0].astype(float)], axis=-1), None
    return x, None


def framed(problem: Problem, pane: Pane, seen: np.ndarray, cut: Cut | None) -> list[list[float]]:
    """The box in which a pane begins: the domain of x where there is one, else all that is seen with some room."""
    place = next(space for space in problem.chain.spaces if space.name == pane.space)
    if pane.kind != "cut" and pane.space == "x" and problem.domain is not None:
        low, high = (np.broadcast_to(np.asarray(side, float), (place.size,)) for side in problem.domain)
        if np.isfinite([low, high]).all():
            return np.stack([low, high], axis=1).tolist()
    minima = [np.asarray(one, float) for one in problem.minima]
    if pane.kind == "cut" and cut is not None:
        stars = [cut.flat(one)[0] for one in minima]
    elif pane.space == "x":
        stars = minima
    else:
        stars = [np.asarray(problem.spaces(jnp.asarray(one))[pane.space], float) for one in minima]
    held = [seen.reshape(-1, seen.shape[-1])[:, : place.size if pane.kind != "cut" else 2], *[s[None] for s in stars]]
    every = np.concatenate(held)
    every = every[np.isfinite(every).all(axis=1)]
    first = seen[:, :1].reshape(-1, seen.shape[-1])[:, : every.shape[1]]
    reach = np.abs(np.concatenate([first, *held[1:]])).max() if len(first) else 1.0
    every = every[np.abs(every).max(axis=1) <= 3 * max(reach, 1e-300)]  # paths that run away leave it
    if not len(every):
        return [[-1.0, 1.0]] * (1 if pane.kind == "line" else 2)
    low, high = every.min(axis=0), every.max(axis=0)
    wide = np.where(high > low, high - low, np.maximum(np.abs(low), 1.0))
    if pane.kind == "cut":  # both sides are in one unit
        wide[:] = wide.max()
    middle = (low + high) / 2
    return [[float(m - (0.5 + ROOM) * w), float(m + (0.5 + ROOM) * w)] for m, w in zip(middle, wide, strict=True)]


def ground(problem: Problem, pane: Pane, box: list[tuple[float, float]], cut: Cut | None) -> dict[str, Any]:
    """The loss over a box of a pane: the sides, the values with the second side along rows, and the known minima."""
    if pane.kind != "cut":
        low, high = np.array(box).T
        many = LINE if pane.kind == "line" else GRID
        found = analysis.landscape(problem, (low, high), pane.space, points=many)
        minima = found["minimum"].values
        stars = np.column_stack([minima[:, :1], found["minimum_loss"].values]) if pane.kind == "line" else minima[:, :2]
        sides = [found[dim].values for dim in ("first", "second")[: len(box)]]
        return {"sides": sides, "loss": found["loss"].values.T, "minima": stars}
    assert cut is not None
    sides = [np.linspace(low, high, GRID) for low, high in box]
    mesh = np.stack(np.meshgrid(*sides), axis=-1)
    values = np.asarray(_values(problem, jnp.asarray(cut.origin + mesh.reshape(-1, 2) @ cut.axes)))
    minima = np.array([cut.flat(np.asarray(one, float))[0] for one in problem.minima]).reshape(-1, 2)
    return {"sides": sides, "loss": values.reshape(GRID, GRID), "minima": minima}


@compiled_once
def _values(problem: Problem, x: jax.Array) -> jax.Array:
    return jax.lax.map(problem.value, x, batch_size=BATCH)


def at(pane: Pane, place: np.ndarray, cut: Cut | None) -> np.ndarray:
    """The point of x under a place of a pane of x."""
    return cut.origin + place @ cut.axes if cut is not None and pane.kind == "cut" else place
