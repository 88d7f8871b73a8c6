"""A result against one hyperparameter."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thalweg.analysis.selection import judged_paths
from thalweg.analysis.view import is_finite, is_geometric, limits, problem_name, with_units
from thalweg.numerics.reading import nearest
from thalweg.plot.curves import is_log
from thalweg.plot.style import canvas, color_scale, few_ticks, look

ROW, ROWS = 0.04, 0.3  # of the height: for the marks of one line at the top, and at most for those of all
USUAL = 0.9  # of the results without a start to compare with, by which the frame goes
MARK: dict[str, Any] = {"linestyle": "none", "marker": "^", "markersize": 6}


def sweep(values: xr.Dataset | xr.DataArray, x: str, variable: str = "loss") -> Figure:
    """A result against one hyperparameter, one line for each method and each value of the others: medians over starts.

    With several starts, small dots are the single ones. Triangles below the top edge, a row for each line, mark where
    some start ended at no finite number or above the frame, which holds what is no worse than the starts: they are full
    where half of them or more did, so that the median lies there too. Variants without the hyperparameter are dashed
    across. An axis is logarithmic where hyperparameters are in geometric steps over more than a decade, or positive
    results span more than two.

    Args:
        values: what ``run`` returned for a sweep, whose last row is drawn; or a DataArray by ``variant`` and ``start``,
            such as ``analysis.distance(trace, problem).isel(step=-1)``; or one with x as a dim, such as
            distance(method, xi), with or without ``start``.
        x: the hyperparameter along the horizontal axis: a numeric coordinate of the variants, or a dim.
        variable: of a trace, "loss" or an observer that records one number.
    Returns:
        The figure, the result in its own units, such as [L] of a loss.
    Raises:
        ValueError: for a hyperparameter or variable that does not exist, for fewer than two values of x, and for a
            DataArray in which rows or components are left.
    """
    results, words, worst = _results(values, variable)
    points, lines, line = _lines(results, x)
    across, heights = points[x].values.astype(float), points["value"].values
    log = is_log(heights, variable, None)
    low, high = _vertical(heights, worst, log)
    beyond = ~is_finite(heights) | (heights > high)
    rows = np.unique(line[beyond.any(axis=1)])
    row = min(ROW, ROWS / max(len(rows), 1))
    style, several = look(lines), heights.shape[1] > 1
    key = [Line2D([], [], color="0.3", linewidth=2, label="median")] * several
    key += [Line2D([], [], color="0.3", linestyle="none", marker=".", markersize=5, label="one start")] * several
    key += [Line2D([], [], color="0.3", label="not finite or beyond", **MARK)] * (len(rows) > 0)
    figure, axes = canvas(1, [*(entry for entry in style.entries if entry.get_label()), *key], width=5.2)
    ax = axes[0]
    for i, (label, color, dash) in enumerate(zip(style.labels, style.colors, style.dashes, strict=True)):
        ours = np.flatnonzero(line == i)
        ours = ours[np.argsort(across[ours])]
        level = 1 - row * (np.searchsorted(rows, i) + 0.7)
        _draw_line(ax, across[ours], heights[ours], beyond[ours], level, color=color, label=label, dash=dash)
    share = row * (len(rows) + 0.4) if len(rows) else 0.0  # of the height, above all that is drawn
    room = share / (1 - share)
    top = high * (high / low) ** room if log else high + (high - low) * room
    known = np.unique(across[np.isfinite(across)])
    ax.set(xlabel=x.replace("_", " "), xscale="log" if is_geometric(known) else "linear")
    ax.set(ylabel=words, yscale="log" if log else "linear", ylim=(low, top))
    ax.set_title("\n".join(problem_name(values.attrs)), fontsize=10)
    few_ticks(ax)
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    color_scale(figure, axes, style)
    return figure


def _results(values: xr.Dataset | xr.DataArray, variable: str) -> tuple[xr.DataArray, str, float]:
    """The numbers to draw, with a dim ``start``, their name, and above what they are no better than no step."""
    worst, after = np.inf, ""
    if isinstance(values, xr.Dataset):
        trace = judged_paths(values)
        known = [str(name) for name, column in trace.items() if column.dims == ("variant", "start", "step")]
        if variable not in known:
            raise ValueError(f"variable is {variable!r}, but the trace has {', '.join(known)}; choose one of them.")
        first = trace[variable].values[:, :, 0]
        if variable == "loss" and is_finite(first).any():
            worst = float(first[is_finite(first)].max())
        after, values = f" after step {trace['step'].values[-1]}", trace[variable].isel(step=-1)
    left = [str(dim) for dim in values.dims if dim == "step" or str(dim).endswith("_dim")]
    if left:
        raise ValueError(
            f"the DataArray has {', '.join(left)}, but one number is drawn for each variant and start; "
            f"select one, such as .isel({left[0]}=-1)."
        )
    values = values if "start" in values.dims else values.drop_vars("start", errors="ignore").expand_dims("start")
    middle = "median " if values.sizes["start"] > 1 else ""
    name = f"{middle}{str(values.name or 'result').replace('_', ' ')}{after}"
    return values, with_units(name, values.attrs.get("units", "")), worst


def _lines(results: xr.DataArray, x: str) -> tuple[xr.Dataset, xr.Dataset, np.ndarray]:
    """Every point with its ``value`` by start and all hyperparameters, the lines as ``look`` takes variants, and to
    which of them each point belongs."""
    dims = [dim for dim in results.dims if dim != "start"]
    results = results.assign_coords({dim: np.arange(results.sizes[dim]) for dim in dims if dim not in results.coords})
    columns = {
        str(name): column.broadcast_like(results.isel(start=0)).transpose(*dims).values.ravel()
        for name, column in results.coords.items()
        if column.dims and set(column.dims) <= set(dims)
    }
    numeric = [name for name, column in columns.items() if column.dtype.kind in "fiu"]
    if x not in numeric:
        raise ValueError(nearest(x, numeric, "a hyperparameter of what is drawn"))
    if np.unique(columns[x][np.isfinite(columns[x])]).size < 2:
        raise ValueError(f"{x} has fewer than two values, but a line is drawn along it; sweep it, or draw plot.curves.")
    along = results[x].dims
    names = [str(dim) for dim in dims if dim not in along]
    carried = [str(name) for name, column in results.coords.items() if column.dims == along and name != x]
    if x not in dims:
        names += [name for name in carried if name == "method" or name in numeric]
    keys = list(zip(*(columns[name].astype(str) for name in names), strict=True)) or [()] * len(columns[x])
    order = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    line = np.array([order[key] for key in keys])
    firsts = [int(np.argmax(line == i)) for i in range(len(order))]
    kinds = {name: columns[name][firsts] for name in names}
    lines = xr.Dataset(
        coords={
            "variant": _labels(kinds, len(order)),
            "method": ("variant", kinds.get("method", np.full(len(order), ""))),
            **{name: ("variant", c.astype(float)) for name, c in kinds.items() if name in numeric},
        }
    )
    heights = results.transpose(*dims, "start").values.reshape(len(line), -1).astype(float)
    points = xr.Dataset({"value": (("point", "start"), heights), x: ("point", columns[x])})
    return points, lines, line


def _labels(kinds: dict[str, np.ndarray], many: int) -> list[str]:
    """What tells each line from the others: names, and the numbers that differ between lines of the same names."""
    names = {name: column.astype(str) for name, column in kinds.items() if column.dtype.kind not in "fiu"}
    named = list(zip(*names.values(), strict=True)) or [()] * many
    labels = []
    for i in range(many):
        like = [j for j in range(many) if named[j] == named[i]]
        numbers = [
            f"{name}={column[i]:.6g}"
            for name, column in kinds.items()
            if name not in names and len(set(column[like].astype(str))) > 1
        ]
        words = [column[i] for column in names.values() if len(set(column)) > 1 or not numbers]
        labels.append(" ".join([*words, *numbers]))
    return labels


def _vertical(heights: np.ndarray, worst: float, log: bool) -> tuple[float, float]:
    """The vertical range without the marks: what is no worse than the starts, and some way on."""
    finite = heights[is_finite(heights) & ((heights > 0) | (not log))]
    if not finite.size:
        return 0.0, 1.0
    usual = worst if np.isfinite(worst) else np.quantile(finite, USUAL)
    core = finite[finite <= usual]
    return limits(core if core.size else finite, finite, log)


def _draw_line(
    ax: Axes,
    across: np.ndarray,
    heights: np.ndarray,
    beyond: np.ndarray,
    level: float,
    *,
    color: Any,
    label: str,
    dash: Any,
) -> None:
    """One line: its dots, heights of shape (points, starts), its median, and its marks at ``level`` of the height."""
    several = heights.shape[1] > 1
    shown = np.where(beyond, np.nan, heights)
    middles = np.median(np.where(beyond, np.inf, heights), axis=1)
    middles = np.where(np.isfinite(middles), middles, np.nan)
    for height in middles[np.isnan(across)]:
        ax.axhline(height, color=color, linestyle="--", linewidth=1.3, zorder=2, label=label)
    known = ~np.isnan(across)
    across, shown, middles, beyond = across[known], shown[known], middles[known], beyond[known]
    if several:
        dots = {"linestyle": "none", "marker": ".", "markersize": 5, "alpha": 0.45, "markeredgewidth": 0}
        ax.plot(np.repeat(across, shown.shape[1]), shown.ravel(), color=color, zorder=2, label="_starts", **dots)
    if len(across):
        points = {"marker": "o", "markersize": 0 if several else 4}
        ax.plot(across, middles, color=color, linestyle=dash, linewidth=2, zorder=3, label=label, **points)
    for full in (False, True):
        marked = across[beyond.any(axis=1) & (np.isnan(middles) == full)]
        face = color if full else "white"
        edge = ax.get_xaxis_transform()
        ax.plot(marked, np.full(len(marked), level), color=color, markerfacecolor=face, zorder=4, transform=edge,
                label="_full" if full else "_hollow", **MARK)  # fmt: skip
