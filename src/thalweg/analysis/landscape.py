"""The loss over two components of a space, or over one, on a grid."""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.analysis.components import Components, looked_at
from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once
from thalweg.chain.space import Space
from thalweg.numerics.reading import whole

RESOLUTION = 200  # points along each side of the grid
LINE = 4000  # points along a line, half of them even
FINEST = 64  # points at most between two of the even ones
CHUNK = 4000  # points evaluated at once, so that a wide y does not fill the memory
HUGE = 1e100  # beyond this a number is as good as infinite
SIDES = ("first", "second")


@final
class Images(NamedTuple):
    """Where the known minima of a problem lie in a space, and how low."""

    points: np.ndarray  # (n, size of the space)
    losses: np.ndarray  # (n,)


def landscape(
    problem: Problem,
    domain: tuple[Any, Any] | None = None,
    space: str = "x",
    components: Components | None = None,
    *,
    at: Any = None,
    points: int | None = None,
) -> xr.Dataset:
    """The loss over a box in one of the spaces of a problem, which is what ``plot.landscape`` and ``plot.paths`` draw.

    In x it is L(x), in a later space the loss of the rest of the chain from there on.

    Args:
        problem: the chain x -> y -> L.
        domain: (low, high) in the units of the space, each a number, a point of the space, or one number for each of
            the ``components``; ``problem.domain`` if None, which is a box in x.
        space: "x", or a later space of the chain.
        components: for a space of more than two components, the pair to vary, by label or index.
        at: a point of the space, whose other components stay as they are; by default the first known minimum, or the
            start where no minimum is known.
        points: along each side, 2 or more; by default 200, and of a space of one component 4000, half of them even and
            the others where the loss bends.
    Returns:
        A Dataset with the dims ``first`` and, of two components, ``second``, along which lie the values of the
        components (attributes ``component``, the label, ``index`` and ``units``):

        - ``loss`` (first, second) in [L], in JAX's default precision, NaN where it is not finite or above 1e100;
        - ``minimum`` (point, <space>_dim), the known minima, in a later space their images, and ``minimum_loss``
          (point) in [L];
        - ``at`` (<space>_dim). Attributes: ``problem`` and ``space``.
    Raises:
        ValueError: for an unknown space or component, for more than two dimensions without ``components``, where no
            finite domain is known, and for a point or domain that does not fit the space.
    Cost:
        One value of the loss for each point of the grid, and of the chain for each minimum.
    """
    place = find_space(problem, space)
    picked = looked_at(place.labels, components, space)
    low, high = _box(problem, place, domain, picked)
    bends = points is None and len(picked) == 1
    many = whole((RESOLUTION, LINE // 2)[bends] if points is None else points, "points", 2)
    minima = images(problem, space)
    if at is not None:
        center = place.ravel_point(at, "at", infinite=True)
    elif len(minima.points):
        center = minima.points[0]
    else:
        center = np.asarray(_path(problem, jnp.asarray(problem.start))[space])
    sides = [np.linspace(a, b, many) for a, b in zip(low, high, strict=True)]
    values = _on_grid(problem, space, center, picked, sides)
    if bends:
        between = _where_it_bends(sides[0], values, LINE - many)
        values = np.append(values, _on_grid(problem, space, center, picked, [between]))
        order = np.argsort(both := np.append(sides[0], between), kind="stable")
        sides, values = [both[order]], values[order]
    dims, units = SIDES[: len(picked)], problem.units.get(space, "")
    loss = np.where(np.abs(values.astype(float)) < HUGE, values, np.nan)
    loss_units = {"units": problem.units.get("loss", "")}
    coordinates: dict[str, Any] = {
        dim: (dim, side, {"component": place.labels[i], "index": i, "units": units})
        for dim, side, i in zip(dims, sides, picked, strict=True)
    }
    return xr.Dataset(
        {
            "loss": (dims, loss, loss_units),
            "minimum": (("point", f"{space}_dim"), minima.points, {"units": units}),
            "minimum_loss": ("point", minima.losses, loss_units),
            "at": (f"{space}_dim", np.asarray(center, float), {"units": units}),
        },
        {**coordinates, f"{space}_dim": list(place.labels)},
        {"problem": problem.name, "space": space},
    )


def find_space(problem: Problem, name: str) -> Space:
    """The space of that name; ValueError where there is none."""
    names = [space.name for space in problem.chain.spaces]
    if name not in names:
        raise ValueError(f"space is {name!r}, but {problem.name!r} has {', '.join(names)}; choose one of them.")
    return problem.chain.spaces[names.index(name)]


def images(problem: Problem, space: str) -> Images:
    """The known minima in a space."""
    place = find_space(problem, space)
    if not len(problem.minima):
        return Images(np.empty((0, place.size)), np.empty(0))
    known = _paths(problem, jnp.asarray(problem.minima))
    return Images(np.asarray(known[space], float), np.asarray(known["loss"], float))


def loss_from(problem: Problem, space: str, u: Array) -> Array:
    """The loss at a point u of a space: of the rest of the chain from there on."""
    names = [place.name for place in problem.chain.spaces]
    for i in range(names.index(space), len(problem.stages)):
        u = problem.link(i)(u)
    return problem.chain.loss_at(u)


def _box(problem: Problem, place: Space, domain: Any, picked: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the components that are looked at."""
    space = place.name
    box: Any = problem.domain if domain is None and space == "x" else domain
    if box is None:
        raise ValueError(
            f"no domain of {space} is known, but a landscape needs a box; give domain=(low, high)"
            + (" or state it in the Problem." if space == "x" else f" in {space}.")
        )
    if place.size > 2 and isinstance(box, tuple) and all(np.shape(side) == (2,) for side in box):
        low, high = Space.of(space, np.zeros(2)).ravel_box(box)
    else:
        low, high = (side[picked] for side in place.ravel_box(box))
    if not np.all(np.isfinite([low, high])):
        raise ValueError(
            f"the domain of {space} is ({low.tolist()}, {high.tolist()}), but a landscape needs a finite box; "
            "give domain=(low, high)."
        )
    return low, high


def _on_grid(
    problem: Problem, space: str, center: np.ndarray, picked: list[int], sides: list[np.ndarray]
) -> np.ndarray:
    mesh = np.meshgrid(*sides, indexing="ij")
    grid = jnp.asarray(np.stack([side.ravel() for side in mesh], axis=1))
    values = _losses(problem, space, jnp.asarray(center, grid.dtype), jnp.asarray(picked), grid)
    return np.asarray(values).reshape(mesh[0].shape)


def _where_it_bends(side: np.ndarray, values: np.ndarray, many: int) -> np.ndarray:
    """So many points between those of ``side``, as dense as chords over these need to be equally good: by the square
    root of the second difference. Where numbers begin or end to be finite the loss bends as anywhere."""
    values = values.astype(float)
    finite = np.abs(values) < HUGE
    bend = np.sqrt(np.abs(np.diff(np.where(finite, values, np.nan), 2)))
    ends = np.any([finite[:-2], finite[1:-1], finite[2:]], axis=0) & np.isnan(bend)
    bend = np.nan_to_num(bend, nan=0.0)
    bend = np.pad(np.where(ends, bend.max(), bend), 1)
    weights = np.maximum(bend[1:], bend[:-1])
    weights = np.minimum(weights, FINEST / many * weights.sum()) + (weights.mean() or 1.0) / 10
    reached = np.append(0, np.cumsum(weights))
    return np.interp((np.arange(many) + 0.5) / many * reached[-1], reached, side)


@compiled_once
def _losses(problem: Problem, space: str, at: Array, picked: Array, points: Array) -> Array:
    def loss(point: Array) -> Array:
        return loss_from(problem, space, at.at[picked].set(point))

    return jax.lax.map(loss, points, batch_size=min(CHUNK, len(points)))


@compiled_once
def _path(problem: Problem, x: Array) -> dict[str, Array]:
    return problem.spaces(x)


@compiled_once
def _paths(problem: Problem, points: Array) -> dict[str, Array]:
    return jax.lax.map(problem.spaces, points)
