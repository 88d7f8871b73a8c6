"""The loss over two components of a space, or over one."""

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, LightSource, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from thalweg import analysis
from thalweg.analysis.components import Components
from thalweg.analysis.landscape import SIDES, find_space
from thalweg.analysis.view import axis_label, problem_name, short, units_of, with_units
from thalweg.chain.problem import Problem
from thalweg.plot.style import PANEL, STAR, canvas, few_ticks, stars_of

LEVELS = 20
ELEVATION = 48  # degrees, from which walls hide little of a valley
WRITTEN = 5  # levels that are written on contours
FACES = 100  # along each side of a surface
SEAM = 0.3  # points, of edges in the color of their face, without which antialiasing would mottle it
SHADE = 0.45  # of the brightness, that a face turned from the light loses
BOX = (1.0, 1.0, 0.75)  # the sides of a box of matplotlib
RELIEF = LinearSegmentedColormap.from_list("relief", ["#fbfcfd", "#d5dde5", "#a3b1c0"])  # pale: paths lie on it
NOWHERE = "#efe6d8"  # where the loss is not finite
CURVE: dict[str, Any] = {"color": "#6b7a8a", "linewidth": 1.4, "zorder": 3.5}  # above the chords of paths
MARKS = {"minimum": ("^", "#009E73"), "maximum": ("v", "#D55E00"), "inflection": ("s", "#0072B2")}


def landscape(
    problem: Problem | xr.Dataset,
    domain: tuple[Any, Any] | None = None,
    space: str = "x",
    kind: Literal["contour", "surface"] = "contour",
    components: Components | None = None,
    stationary: xr.Dataset | None = None,
) -> Figure:
    """The loss of ``problem`` over a box: contours with the known minima as stars, a surface, or a line in 1-D.

    Args:
        problem: the chain x -> y -> L, or what ``analysis.landscape`` returned of it, which is drawn as it is.
        domain: (low, high), each a number or a point of the space; ``problem.domain`` if None, which is a box in x.
        space: "x", or a later space of the chain, whose landscape is the loss of the rest of the chain.
        kind: "contour" or "surface".
        components: for a space of more than two components, the pair to draw, by label or index; the others stay at the
            first known minimum, or at the start where no minimum is known.
        stationary: what ``analysis.stationary_points`` returned, for one component: maxima are marked by triangles that
            point down, minima by those that point up, inflections by squares, and there are no stars.
    Returns:
        The figure, with the components in the units of their space and the loss in [L].
    Raises:
        ValueError: for an unknown space, kind or component, for more than two dimensions without ``components``,
            where no finite domain is known, and for stationary points in more than one.
    """
    if kind not in ("contour", "surface"):
        raise ValueError(f"kind is {kind!r}, but a landscape is a 'contour' or a 'surface'; choose one.")
    done = isinstance(problem, xr.Dataset)
    if done:
        check_ground(problem)
    name, many = (
        (str(problem.attrs["space"]), len(drawn_dims(problem))) if done else (space, find_space(problem, space).size)
    )
    if stationary is not None and many > 1:
        raise ValueError(
            f"stationary points were given, but {name} has {many} components, and they are marked on a line; "
            "leave them out."
        )
    ground = problem if done else analysis.landscape(problem, domain, space, components)
    *words, height = ground_words(ground)
    low, high = box_of(ground)
    surface = kind == "surface" and len(low) == 2
    figure, (ax,) = canvas(width=PANEL + 0.9, projections=["3d" if surface else None])
    ax.set(xlabel=words[0], ylabel=[*words, height][1], xlim=(low[0], high[0]))
    few_ticks(ax)
    if len(low) == 2:
        ax.set_ylim(low[1], high[1])
    if surface:
        ax.set_zlabel(height, labelpad=8)  # pyright: ignore[reportAttributeAccessIssue]
        draw_surface(ax, ground)
    elif len(low) == 2:
        ax.plot(*stars(ground).T, linestyle="none", label="minimum", zorder=5, **STAR)
        filled = draw_relief(ax, ground)
        if filled is not None:
            figure.colorbar(filled, ax=ax, label=height, format=FuncFormatter(short))
    else:
        ax.plot(ground["first"].values, ground["loss"].values, label="loss", **CURVE)
        if stationary is not None:
            _draw_stationary(ax, stationary)
        else:
            minima = stars(ground)
            ax.plot(*minima.T, linestyle="none", label="minimum", zorder=5, **stars_of(minima[:, 0], high[0] - low[0]))
    ax.set_title("".join(problem_name(ground.attrs)), fontsize=10)
    return figure


def check_ground(ground: xr.Dataset) -> None:
    if not {"loss", "minimum", "minimum_loss", "first"} <= set(ground.variables) or "space" not in ground.attrs:
        raise ValueError(
            "the Dataset is no landscape, with loss, minimum and minimum_loss; give the problem, or what "
            "analysis.landscape returned."
        )


def drawn_dims(ground: xr.Dataset) -> list[str]:
    """Along which the loss lies: two sides, or one."""
    return [dim for dim in SIDES if dim in ground.dims]


def box_of(ground: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) of the grid."""
    low, high = zip(*(ground[dim].values[[0, -1]] for dim in drawn_dims(ground)), strict=True)
    return np.array(low), np.array(high)


def ground_words(ground: xr.Dataset) -> list[str]:
    """The words on the axes: one for each component, and those of the loss."""
    sides = [ground[dim].attrs for dim in drawn_dims(ground)]
    many = ground.sizes[f"{ground.attrs['space']}_dim"]
    words = [
        axis_label(ground.attrs["space"], side["component"], units_of(side, side["index"], many)) for side in sides
    ]
    return [*words, with_units("loss", ground["loss"].attrs.get("units", ""))]


def stars(ground: xr.Dataset) -> np.ndarray:
    """The known minima, shape (n, 2): two components, or one and the loss."""
    picked = [int(ground[dim].attrs["index"]) for dim in drawn_dims(ground)]
    points, losses = ground["minimum"].values[:, picked], ground["minimum_loss"].values
    return points if len(picked) == 2 else np.column_stack([points, losses])


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


def draw_relief(ax: Axes, ground: xr.Dataset, written: bool = False) -> ScalarMappable | None:
    """Filled contours under thin lines, of which some have their level ``written`` on them; a plain ground, and None,
    where there is no relief."""
    sides, values = _grid(ground)
    levels = contour_levels(values)
    if not levels.size:
        ax.set_facecolor(RELIEF(0.3))
        return None
    ax.set_facecolor(NOWHERE)
    masked = np.ma.masked_invalid(values)
    norm = BoundaryNorm(levels, RELIEF.N, extend="both")
    filled = ax.contourf(*sides, masked, levels=levels, norm=norm, cmap=RELIEF, extend="both", zorder=0)
    lines = ax.contour(*sides, masked, levels=levels, colors="#6b7a8a", linewidths=0.4, linestyles="solid", zorder=1)
    if written:
        ax.clabel(lines, levels[1 :: -(-len(levels) // WRITTEN)], fontsize=6, colors="#4a5867", fmt=short, zorder=1.5)
    return filled


def draw_surface(ax: Any, ground: xr.Dataset) -> None:
    """Faces of four corners, where the loss is finite at all of these.

    Of our own: the faces of ``plot_surface`` differ in their number of corners where the grid is no multiple of its
    stride or a corner is not finite, and matplotlib 3.11 projects the numbers in unused memory of the shorter ones.
    """
    ax.view_init(elev=ELEVATION)
    sides, values = _grid(ground)
    levels = contour_levels(values)
    rows, columns = (np.unique(np.append(np.arange(0, n, -(-n // FACES)), n - 1)) for n in values.shape)
    points = np.stack([*np.meshgrid(*sides), values], axis=-1)[np.ix_(rows, columns)]
    corners = np.stack([points[:-1, :-1], points[1:, :-1], points[1:, 1:], points[:-1, 1:]], axis=2).reshape(-1, 4, 3)
    corners = corners[np.isfinite(corners).all(axis=(1, 2))]
    norm = BoundaryNorm(levels, RELIEF.N, extend="both") if levels.size else Normalize(-1, 1)
    colors = RELIEF(norm(corners[..., 2].mean(axis=1)))
    colors[:, :3] *= _light(corners)[:, None]
    faces = Poly3DCollection(corners, facecolors=colors, edgecolors=colors, linewidth=SEAM)
    ax.add_collection3d(faces, autolim=False)
    ax.auto_scale_xyz(*(corners[..., i] for i in range(3)))


def _light(corners: np.ndarray) -> np.ndarray:
    """How bright each face is, from 1 - SHADE to 1: matplotlib would shade the numbers as they are, and turn all black
    where the loss has larger ones than the components."""
    points = corners.reshape(-1, 3)
    extent = np.ptp(points, axis=0) if len(points) else np.ones(3)
    shape = (corners - corners[:, :1]) * BOX / np.where(extent > 0, extent, 1)
    normals = np.cross(shape[:, 1] - shape[:, 3], shape[:, 2])
    normals *= np.sign(normals[:, 2:]) / np.linalg.norm(normals, axis=1, keepdims=True)
    return 1 - SHADE * (1 - normals @ LightSource(225, 55).direction) / 2


def visible(ax: Any, ground: xr.Dataset, points: np.ndarray) -> np.ndarray:
    """Which points of shape (…, 3) the surface does not hide from the eye of ``ax``, shape (…).

    Matplotlib draws lines and markers over or under a surface as a whole. From each point the way to the eye is
    followed, in 200 steps across the box: the point is hidden where the surface is above that way.
    """
    sides, values = _grid(ground)
    low, high = np.array([ax.get_xlim(), ax.get_ylim(), ax.get_zlim()]).T
    elevation, azimuth = np.deg2rad(ax.elev), np.deg2rad(ax.azim)
    toward = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    toward = toward * (high - low) / BOX
    seen = np.ones(points.shape[:-1], bool)
    for t in np.linspace(0.01, 2, 200):
        way = points + t * toward
        inside = ((way >= low) & (way <= high)).all(axis=-1)
        i, j = (np.clip(np.searchsorted(side, way[..., k]), 0, len(side) - 1) for k, side in enumerate(sides))
        seen &= ~(inside & (values[j, i] > way[..., 2] + 0.01 * (high - low)[2]))
    return seen


def _grid(ground: xr.Dataset) -> tuple[list[np.ndarray], np.ndarray]:
    """The sides of the grid, and the loss with the second component along its rows, as matplotlib wants it."""
    return [ground[dim].values for dim in SIDES], ground["loss"].transpose(*SIDES[::-1]).values
