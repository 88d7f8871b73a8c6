"""A result over two swept hyperparameters."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path

from thalweg.analysis.selection import judged_paths
from thalweg.analysis.view import is_finite, is_geometric, problem_name, with_units
from thalweg.numerics.reading import nearest
from thalweg.plot.style import PANEL, STAR, canvas, cell_edges, few_ticks

DIVERGED: dict[str, Any] = {"facecolor": "#dddddd", "edgecolor": "#999999", "hatch": "////"}
WIDE = 100  # the ratio of values from which their colors are logarithmic


def heatmap(trace: xr.Dataset, x: str = "learning_rate", y: str = "momentum", variable: str = "loss") -> Figure:
    """A variable after the last step, the median over starts, by two swept hyperparameters: a panel for each method.

    A star marks the lowest cell, which the title states. Cells whose median is not finite are hatched. Colors are
    logarithmic where positive values span more than two decades; for a loss they end at the median over the starts
    themselves, above which a cell is no better than no step. An axis is logarithmic where its values are in geometric
    steps over more than a decade. Methods that do not have both hyperparameters are left out.

    Args:
        trace: what ``run`` returned for ``sweep(method, learning_rate=[…], momentum=[…])``.
        x: the hyperparameter along the horizontal axis.
        y: the other one.
        variable: "loss", or an observer that records one number.
    Returns:
        The figure, a panel for each method that has both hyperparameters.
    Raises:
        ValueError: for a hyperparameter or variable that does not exist or was not swept, and where variants differ
            in more than the two.
    """
    trace = judged_paths(trace)
    known = [str(name) for name, column in trace.items() if column.dims == ("variant", "start", "step")]
    if variable not in known:
        raise ValueError(f"variable is {variable!r}, but the trace has {', '.join(known)}; choose one of them.")
    _check_swept(trace, x, y)
    values = trace[variable].values[:, :, [0, -1]].astype(float)
    first, last = np.median(np.where(is_finite(values), values, np.inf), axis=1).T
    both = np.isfinite(trace[x].values) & np.isfinite(trace[y].values)
    methods = np.asarray(trace["method"].values if "method" in trace.coords else [""] * len(both), str)
    names = list(dict.fromkeys(methods[both]))
    finite = last[both & is_finite(last)]
    norm = _norm(finite, first[both & is_finite(first)] if variable == "loss" else finite)
    marks = [Line2D([], [], linestyle="none", label="best", **STAR)] * (finite.size > 0)
    lost = bool((both & ~is_finite(last)).any())
    figure, axes = canvas(len(names), [*marks, *[Patch(label="not finite", **DIVERGED)] * lost], width=PANEL + 0.6)
    for ax, name in zip(axes, names, strict=True):
        ours = np.flatnonzero(both & (methods == name))
        best = _draw_cells(ax, trace[x].values[ours], trace[y].values[ours], last[ours], norm, (x, y))
        title = ", ".join([*problem_name(trace.attrs), *filter(None, [name])])
        ax.set_title("\n".join(filter(None, [title, best])), fontsize=10)
    step = trace["step"].values[-1]
    middle = "median " if trace.sizes["start"] > 1 else ""
    words = with_units(f"{middle}{variable.replace('_', ' ')}", trace[variable].attrs.get("units", ""))
    mesh = next((artist for ax in axes for artist in ax.collections if artist.get_label() == "_cells"), None)
    if mesh is not None:
        beyond = "max" if finite.max() > norm.vmax else "neither"
        figure.colorbar(mesh, ax=axes, label=f"{words} after step {step}", extend=beyond)
    return figure


def _check_swept(trace: xr.Dataset, x: str, y: str) -> None:
    columns = {
        str(name): column.values
        for name, column in trace.coords.items()
        if column.dims == ("variant",) and column.dtype.kind in "fiu"
    }
    for name in (x, y):
        if name not in columns:
            raise ValueError(nearest(name, columns, "a hyperparameter of the trace"))
    both = np.isfinite(columns[x]) & np.isfinite(columns[y])
    for name, other in ((x, y), (y, x)):
        if np.unique(columns[name][both]).size < 2:
            raise ValueError(
                f"{name} has {np.unique(columns[name][both]).size} value where {other} is known, but a heat map needs "
                f"two swept hyperparameters; sweep both, such as sweep(method, {x}=[…], {y}=[…]), or draw plot.curves."
            )
    names = trace["method"].values[both] if "method" in trace.coords else np.zeros(both.sum())
    cells = list(zip(names, columns[x][both], columns[y][both], strict=True))
    if len(set(cells)) < len(cells):
        raise ValueError(
            f"the trace has {len(cells)} variants in {len(set(cells))} cells of {x} and {y}, but a cell is one "
            "variant; select some, such as trace.isel(variant=trace.b1 == 0.9)."
        )


def _norm(finite: np.ndarray, first: np.ndarray) -> Normalize:
    """Of colors: from the lowest value to the highest that is no worse than the starts."""
    if not finite.size:
        return Normalize(0, 1)
    good = finite[finite <= np.median(first)] if first.size else finite
    low, high = finite.min(), (good if good.size else finite).max()
    if low > 0 and high > WIDE * low:
        return LogNorm(low, high)
    if low >= 0 and (positive := good[good > 0]).size and positive.max() > WIDE * positive.min():
        return LogNorm(positive.min(), high)
    return Normalize(low, high)


def _draw_cells(
    ax: Axes, across: np.ndarray, up: np.ndarray, values: np.ndarray, norm: Normalize, names: tuple[str, str]
) -> str:
    """The cells of one method; the words for its best."""
    sides = np.unique(across), np.unique(up)
    cells, there = np.full((len(sides[1]), len(sides[0])), np.nan), np.zeros((len(sides[1]), len(sides[0])), bool)
    at = np.searchsorted(sides[1], up), np.searchsorted(sides[0], across)
    cells[at], there[at] = values, True
    finite = is_finite(cells)
    edges = [cell_edges(side) for side in sides]
    if finite.any():
        shown = np.ma.masked_where(~finite, cells)
        ax.pcolormesh(*edges, shown, norm=norm, cmap="viridis", label="_cells", rasterized=True, zorder=1)
    if (there & ~finite).any():
        boxes = [_box(edges, *cell) for cell in np.argwhere(there & ~finite)]
        ax.add_patch(PathPatch(Path.make_compound_path(*boxes), label="_diverged", linewidth=0, zorder=0, **DIVERGED))
    for axis, side, edge in zip("xy", sides, edges, strict=True):
        ax.set(**{f"{axis}scale": "log" if is_geometric(side) else "linear", f"{axis}lim": (edge[0], edge[-1])})
    ax.set(xlabel=names[0].replace("_", " "), ylabel=names[1].replace("_", " "))
    few_ticks(ax)
    if not finite.any():
        return ""
    row, column = np.unravel_index(np.argmin(np.where(finite, cells, np.inf)), cells.shape)
    spot = sides[0][column], sides[1][row]
    ax.plot(*spot, linestyle="none", label="best", zorder=5, **STAR)
    where = ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in zip(names, spot, strict=True))
    return f"best {cells[row, column]:.3g} at {where}"


def _box(edges: list[np.ndarray], row: int, column: int) -> Path:
    (left, right), (low, high) = edges[0][column : column + 2], edges[1][row : row + 2]
    return Path(np.array([[left, low], [right, low], [right, high], [left, high], [left, low]]), closed=True)
