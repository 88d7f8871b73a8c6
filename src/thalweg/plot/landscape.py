"""The loss over two components of a space, or over one."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from thalweg.plot.style import PANEL, axis_label, canvas, few_ticks, is_finite, with_units
from thalweg.problem import Problem
from thalweg.space import Space

RESOLUTION = 200  # points along each side of the grid
CHUNK = 4096  # points evaluated at once, so that a wide y does not fill the memory
LEVELS = 20
RELIEF = LinearSegmentedColormap.from_list("relief", ["#fbfcfd", "#d5dde5", "#a3b1c0"])  # pale: paths lie on it
CURVE: dict[str, Any] = {"color": "#6b7a8a", "linewidth": 1.2, "zorder": 1}
STAR: dict[str, Any] = {"marker": "*", "markersize": 14, "color": "#F0E442", "markeredgecolor": "black"}

Components = Sequence[str | int]


def landscape(
    problem: Problem,
    domain: tuple[Any, Any] | None = None,
    space: str = "x",
    kind: Literal["contour", "surface"] = "contour",
    components: Components | None = None,
) -> Figure:
    """The loss of ``problem`` over a box: contours with the known minima as stars, a surface, or a line in 1-D.

    Args:
        problem: the chain x -> y -> L.
        domain: (low, high), each a number or a point of the space; ``problem.domain`` if None, which is a box in x.
        space: "x", or a later space of the chain, whose landscape is the loss of the rest of the chain.
        kind: "contour" or "surface".
        components: for a space of more than two components, the pair to draw, by label or index; the others stay at the
            first known minimum, or at the start where no minimum is known.

    Raises ValueError for an unknown space, kind or component, for more than two dimensions without ``components``, and
    where no domain is known.
    """
    if kind not in ("contour", "surface"):
        raise ValueError(f"kind is {kind!r}, but a landscape is a 'contour' or a 'surface'; choose one.")
    place = find_space(problem, space)
    picked = pick(place.labels, components, space)
    box = problem.domain if domain is None and space == "x" else domain
    if box is None:
        raise ValueError(
            f"no domain of {space} is known, but a landscape needs a box; give domain=(low, high)"
            + (" or state it in the Problem." if space == "x" else f" in {space}.")
        )
    low, high = (side[picked] for side in place.ravel_box(box))
    minima = images(problem, space)
    at = minima[0] if len(minima) else np.asarray(problem.spaces(problem.start)[space])
    sides, values = evaluate(loss_from(problem, space), at, picked, low, high)
    surface = kind == "surface" and len(picked) == 2
    figure, (ax,) = canvas(width=PANEL + 0.9, projection="3d" if surface else None)
    units = {"space": problem.units.get(space, ""), "loss": problem.units.get("loss", "")}
    words = [axis_label(space, place.labels[i], units["space"]) for i in picked]
    loss_words = with_units("loss", units["loss"])
    ax.set(xlabel=words[0], ylabel=words[1] if len(words) == 2 else loss_words, xlim=(low[0], high[0]))
    few_ticks(ax)
    if len(picked) == 1:
        ax.plot(sides[0], values, label="loss", **CURVE)
        heights = [float(problem.value(minimum)) for minimum in problem.minima]
        ax.plot(minima[:, 0], heights, linestyle="none", label="minimum", zorder=5, **STAR)
    elif surface:
        ax.set_zlabel(loss_words, labelpad=8)  # pyright: ignore[reportAttributeAccessIssue]
        draw_surface(ax, sides, values)
    else:
        ax.set_ylim(low[1], high[1])
        filled = draw_relief(ax, sides, values)
        ax.plot(*minima[:, picked].T, linestyle="none", label="minimum", zorder=5, **STAR)
        if filled is not None:
            figure.colorbar(filled, ax=ax, label=loss_words, format=FuncFormatter(_short))
    ax.set_title(problem.name)
    return figure


def _short(value: float, _: int | None = None) -> str:
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e5 else f"{value:.3g}"


def find_space(problem: Problem, name: str) -> Space:
    names = [space.name for space in problem.inner_spaces]
    if name not in names:
        raise ValueError(f"space is {name!r}, but {problem.name!r} has {', '.join(names)}; choose one of them.")
    return problem.inner_spaces[names.index(name)]


def pick(labels: Sequence[str], components: Components | None, space: str) -> list[int]:
    """The indices of the components to draw: all of one or two, else those of ``components``."""
    if len(labels) <= 2:
        return list(range(len(labels)))
    shown = ", ".join(map(repr, labels[:6])) + (", …" if len(labels) > 6 else "")
    if components is None:
        raise ValueError(
            f"{space} has {len(labels)} components, but a landscape has two; "
            f"choose a pair of {shown}, such as components=({labels[0]!r}, {labels[1]!r})."
        )
    indices = [index_of(labels, component) for component in components] if not isinstance(components, str) else []
    if len(indices) != 2 or None in indices or indices[0] == indices[1]:
        raise ValueError(
            f"components is {components!r}, but it must be two different components of {space}; "
            f"choose labels from {shown} or indices from 0 to {len(labels) - 1}."
        )
    return [i for i in indices if i is not None]


def index_of(labels: Sequence[str], component: str | int) -> int | None:
    if isinstance(component, str):
        return labels.index(component) if component in labels else None
    return int(component) if 0 <= component < len(labels) else None


def loss_from(problem: Problem, space: str) -> Callable[[Array], Array]:
    """The loss as a function of a point in ``space``: of the rest of the chain from there on."""
    places = problem.inner_spaces
    first = [place.name for place in places].index(space)

    def loss(point: Array) -> Array:
        for i in range(first, len(problem.stages)):
            point = places[i + 1].ravel(problem.stages[i].forward(places[i].unravel(point)))
        return jnp.asarray(problem.loss(places[-1].unravel(point)))

    return problem.value if first == 0 else loss


def images(problem: Problem, space: str) -> np.ndarray:
    """The known minima in ``space``, shape (n, size)."""
    points = [np.asarray(problem.spaces(minimum)[space], float) for minimum in problem.minima]
    return np.array(points).reshape(-1, find_space(problem, space).size)


def evaluate(
    loss: Callable[[Array], Array], at: np.ndarray, picked: list[int], low: np.ndarray, high: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """The loss on a grid of the box through the point ``at``: the grid's sides, and values, NaN where not finite."""
    sides = [np.linspace(a, b, RESOLUTION) for a, b in zip(low, high, strict=True)]
    mesh = np.meshgrid(*sides)
    points = jnp.asarray(np.stack([side.ravel() for side in mesh], axis=1))
    center, where = jnp.asarray(at, points.dtype), jnp.asarray(picked)
    grid = jax.jit(lambda points: jax.lax.map(lambda p: loss(center.at[where].set(p)), points, batch_size=CHUNK))
    values = np.asarray(grid(points)).reshape(mesh[0].shape)
    return sides, np.where(is_finite(values), values, np.nan)


def contour_levels(values: np.ndarray) -> np.ndarray:
    """Levels evenly spaced in the logarithm of the height above the lowest value; none where the loss is constant."""
    finite = values[np.isfinite(values)]
    rounding = 8 * np.finfo(values.dtype).eps
    finite = finite.astype(float)
    if not finite.size or np.ptp(finite) <= rounding * np.abs(finite).max():
        return np.empty(0)
    lowest = finite.min()
    heights = finite - lowest
    top, bottom = heights.max(), np.quantile(heights[heights > 0], 0.01)
    if bottom > top / 10:  # steps, or a lone hole: nothing to resolve near the bottom
        bottom = top / LEVELS
    rounded = [float(f"{height:.2g}") for height in np.geomspace(bottom, top, LEVELS + 1)[:-1]]
    ground = 0.0 if 0 <= lowest < bottom / 10 else lowest  # round numbers where the lowest value is nearly 0
    return np.unique(ground + np.array(rounded))


def draw_relief(ax: Axes, sides: list[np.ndarray], values: np.ndarray) -> ScalarMappable | None:
    """Filled contours under thin lines; a plain ground, and None, where there is no relief."""
    levels = contour_levels(values)
    if not levels.size:
        ax.set_facecolor(RELIEF(0.3))
        return None
    masked = np.ma.masked_invalid(values)
    norm = BoundaryNorm(levels, RELIEF.N, extend="both")
    filled = ax.contourf(*sides, masked, levels=levels, norm=norm, cmap=RELIEF, extend="both", zorder=0)
    ax.contour(*sides, masked, levels=levels, colors="#6b7a8a", linewidths=0.4, linestyles="solid", zorder=1)
    return filled


def draw_surface(ax: Any, sides: list[np.ndarray], values: np.ndarray) -> None:
    levels = contour_levels(values)
    norm = BoundaryNorm(levels, 256, extend="both") if levels.size else None
    ax.plot_surface(*np.meshgrid(*sides), values, cmap="viridis", norm=norm, rcount=100, ccount=100, linewidth=0)
