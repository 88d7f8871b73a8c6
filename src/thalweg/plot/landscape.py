"""The loss over two components of a space, or over one."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from thalweg.chain.problem import Problem
from thalweg.chain.space import Space
from thalweg.plot.style import PANEL, axis_label, canvas, few_ticks, is_finite, problem_name, some, with_units

RESOLUTION = 200  # points along each side of the grid
LINE = 4000  # points along a line
CHUNK = 4000  # points evaluated at once, so that a wide y does not fill the memory; a divisor of all, to compile once
LEVELS = 20
RELIEF = LinearSegmentedColormap.from_list("relief", ["#fbfcfd", "#d5dde5", "#a3b1c0"])  # pale: paths lie on it
NOWHERE = "#efe6d8"  # where the loss is not finite
CURVE: dict[str, Any] = {"color": "#6b7a8a", "linewidth": 1.2, "zorder": 1}
STAR: dict[str, Any] = {"marker": "*", "markersize": 14, "color": "#F0E442", "markeredgecolor": "black"}

MARKS = {"minimum": ("^", "#009E73"), "maximum": ("v", "#D55E00"), "inflection": ("s", "#0072B2")}

Components = Sequence[str | int]


def landscape(
    problem: Problem,
    domain: tuple[Any, Any] | None = None,
    space: str = "x",
    kind: Literal["contour", "surface"] = "contour",
    components: Components | None = None,
    stationary: xr.Dataset | None = None,
) -> Figure:
    """The loss of ``problem`` over a box: contours with the known minima as stars, a surface, or a line in 1-D.

    Args:
        problem: the chain x -> y -> L.
        domain: (low, high), each a number or a point of the space; ``problem.domain`` if None, which is a box in x.
        space: "x", or a later space of the chain, whose landscape is the loss of the rest of the chain.
        kind: "contour" or "surface".
        components: for a space of more than two components, the pair to draw, by label or index; the others stay at the
            first known minimum, or at the start where no minimum is known.
        stationary: what ``analysis.stationary_points`` returned, for one component: maxima are marked by triangles that
            point down, minima by those that point up, inflections by squares, and there are no stars.

    Raises ValueError for an unknown space, kind or component, for more than two dimensions without ``components``,
    where no finite domain is known, and for stationary points in more than one.
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
    if not np.all(np.isfinite([low, high])):
        raise ValueError(
            f"the domain of {space} is ({low.tolist()}, {high.tolist()}), but a landscape needs a finite box; "
            "give domain=(low, high)."
        )
    if stationary is not None and len(picked) == 2:
        raise ValueError(
            f"stationary points were given, but {space} has {place.size} components, and they are marked on a line; "
            "leave them out."
        )
    minima = images(problem, space)
    at = minima[0] if len(minima) else np.asarray(problem.spaces(problem.start)[space])
    sides, values = evaluate(loss_from(problem, space), at, picked, low, high)
    words = [axis_label(space, place.labels[i], problem.units.get(space, "")) for i in picked]
    words.append(with_units("loss", problem.units.get("loss", "")))
    surface = kind == "surface" and len(picked) == 2
    figure, (ax,) = canvas(width=PANEL + 0.9, projections=["3d" if surface else None])
    ax.set(xlabel=words[0], ylabel=words[1], xlim=(low[0], high[0]))
    few_ticks(ax)
    if len(picked) == 2:
        ax.set_ylim(low[1], high[1])
    if surface:
        ax.set_zlabel(words[2], labelpad=8)  # pyright: ignore[reportAttributeAccessIssue]
        draw_surface(ax, sides, values)
    elif len(picked) == 2:
        ax.plot(*minima[:, picked].T, linestyle="none", label="minimum", zorder=5, **STAR)
        filled = draw_relief(ax, sides, values)
        if filled is not None:
            figure.colorbar(filled, ax=ax, label=words[2], format=FuncFormatter(short))
    else:
        ax.plot(sides[0], values, label="loss", **CURVE)
        if stationary is not None:
            _draw_stationary(ax, stationary)
        else:
            heights = [float(problem.value(minimum)) for minimum in problem.minima]
            ax.plot(minima[:, 0], heights, linestyle="none", label="minimum", zorder=5, **STAR)
    ax.set_title("".join(problem_name({"problem": problem.name})), fontsize=10)
    return figure


def _draw_stationary(ax: Axes, stationary: xr.Dataset) -> None:
    x, loss = stationary["x"].values.ravel(), stationary["loss"].values
    kinds, flags = stationary["kind"].values, stationary["kind"].attrs
    handles = []
    codes = flags.get("flag_values", range(len(MARKS)))
    for code, name in zip(codes, flags["flag_meanings"].split(), strict=True):
        marker, color = MARKS[name]
        here = kinds == code
        if here.any():
            words = f"{name} ({here.sum()})"
            handles += ax.plot(x[here], loss[here], marker, color=color, markersize=6, zorder=6, label=words)
    ax.legend(handles=handles, fontsize=9)


def short(value: float, _: int | None = None) -> str:
    words = f"{value:.0f}" if 1e3 <= abs(value) < 1e5 else f"{value:.3g}"
    return words.replace("-", "\N{MINUS SIGN}")


def find_space(problem: Problem, name: str) -> Space:
    names = [space.name for space in problem.chain.spaces]
    if name not in names:
        raise ValueError(f"space is {name!r}, but {problem.name!r} has {', '.join(names)}; choose one of them.")
    return problem.chain.spaces[names.index(name)]


def pick(labels: Sequence[str], components: Components | None, space: str) -> list[int]:
    """The indices of the components to draw: all of one or two, else those of ``components``."""
    if len(labels) <= 2:
        return list(range(len(labels)))
    if components is None:
        raise ValueError(
            f"{space} has {len(labels)} components, but a landscape has two; "
            f"choose a pair of {some(labels)}, such as components=({labels[0]!r}, {labels[1]!r})."
        )
    indices = [index_of(labels, component) for component in components] if not isinstance(components, str) else []
    if len(indices) != 2 or None in indices or indices[0] == indices[1]:
        raise ValueError(
            f"components is {components!r}, but it must be two different components of {space}; "
            f"choose labels from {some(labels)} or indices from 0 to {len(labels) - 1}."
        )
    return [i for i in indices if i is not None]


def index_of(labels: Sequence[str], component: str | int) -> int | None:
    if isinstance(component, str):
        return labels.index(component) if component in labels else None
    return int(component) if 0 <= component < len(labels) else None


def loss_from(problem: Problem, space: str) -> Callable[[Array], Array]:
    """The loss as a function of a point in ``space``: of the rest of the chain from there on."""
    place = find_space(problem, space)
    rest = problem.stages[problem.chain.spaces.index(place) :]
    return Problem(*rest, loss=problem.loss, start=place.unravel(jnp.zeros(place.size))).value


def images(problem: Problem, space: str) -> np.ndarray:
    """The known minima in ``space``, shape (n, size)."""
    points = [np.asarray(problem.spaces(minimum)[space], float) for minimum in problem.minima]
    return np.array(points).reshape(-1, find_space(problem, space).size)


def evaluate(
    loss: Callable[[Array], Array], at: np.ndarray, picked: list[int], low: np.ndarray, high: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """The loss on a grid of the box through the point ``at``: the grid's sides, and values, NaN where not finite."""
    many = RESOLUTION if len(picked) == 2 else LINE
    sides = [np.linspace(a, b, many) for a, b in zip(low, high, strict=True)]
    mesh = np.meshgrid(*sides)
    points = jnp.asarray(np.stack([side.ravel() for side in mesh], axis=1))
    center, where = jnp.asarray(at, points.dtype), jnp.asarray(picked)
    chunks = points.reshape(-1, min(CHUNK, len(points)), len(picked))
    grid = jax.jit(lambda chunks: jax.lax.map(jax.vmap(lambda point: loss(center.at[where].set(point))), chunks))
    values = np.asarray(grid(chunks)).reshape(mesh[0].shape)
    return sides, np.where(is_finite(values), values, np.nan)


def contour_levels(values: np.ndarray) -> np.ndarray:
    """Levels even in the logarithm of the height above the lowest value, or in height itself where most of it is high.

    None where the loss is constant but for rounding.
    """
    finite = values[np.isfinite(values)]
    rounding = 8 * np.finfo(values.dtype).eps
    finite = finite.astype(float)
    if not finite.size or np.ptp(finite) <= rounding * np.abs(finite).max():
        return np.empty(0)
    lowest, heights = finite.min(), finite - finite.min()
    top, bottom = heights.max(), np.quantile(heights[heights > 0], 0.01)
    if np.median(heights) > 0.4 * top or bottom > 0.1 * top:
        levels = MaxNLocator(LEVELS).tick_values(lowest, lowest + top)
        return levels[(levels > lowest) & (levels < lowest + top)]
    levels = np.geomspace(bottom, top, LEVELS + 1)[:-1]
    digits = 2 if levels[1] > 1.2 * levels[0] else 3
    ground = 0.0 if 0 <= lowest < levels[0] / 10 else lowest  # round numbers where the lowest value is nearly 0
    return np.unique([ground + float(f"{level:.{digits}g}") for level in levels])


def draw_relief(ax: Axes, sides: list[np.ndarray], values: np.ndarray) -> ScalarMappable | None:
    """Filled contours under thin lines; a plain ground, and None, where there is no relief."""
    levels = contour_levels(values)
    if not levels.size:
        ax.set_facecolor(RELIEF(0.3))
        return None
    ax.set_facecolor(NOWHERE)
    masked = np.ma.masked_invalid(values)
    norm = BoundaryNorm(levels, RELIEF.N, extend="both")
    filled = ax.contourf(*sides, masked, levels=levels, norm=norm, cmap=RELIEF, extend="both", zorder=0)
    ax.contour(*sides, masked, levels=levels, colors="#6b7a8a", linewidths=0.4, linestyles="solid", zorder=1)
    return filled


def draw_surface(ax: Any, sides: list[np.ndarray], values: np.ndarray) -> None:
    levels = contour_levels(values)
    norm = BoundaryNorm(levels, 256, extend="both") if levels.size else None
    ax.plot_surface(*np.meshgrid(*sides), values, cmap="viridis", norm=norm, rcount=100, ccount=100, linewidth=0)
