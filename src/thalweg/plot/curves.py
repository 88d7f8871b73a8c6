"""A recorded number against the step."""

from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from thalweg.analysis.components import index_of, some
from thalweg.analysis.selection import judged_paths
from thalweg.analysis.view import (
    PALETTE,
    axis_label,
    evenly,
    is_finite,
    is_wide,
    limits,
    problem_name,
    short,
    units_of,
    with_units,
)
from thalweg.plot.style import canvas, color_scale, few_decades, few_ticks, look

MOST = 200  # thin lines in one figure
DEAR = 10  # times the cost of another variant, from which their axis is logarithmic


def curves(
    trace: xr.Dataset,
    variable: str = "loss",
    target: float | None = None,
    *,
    component: str | int | None = None,
    scale: Literal["linear", "log"] | None = None,
    against: xr.DataArray | None = None,
) -> Figure:
    """A variable of the trace against the step, or what the steps cost, one color for each variant.

    With several starts, the thin lines are single starts (about 200 in all at most, evenly chosen; the title says how
    many), the thick line is their median and, of up to ten variants, the dashed one their mean. Numbers that are not
    finite leave a gap; a cross marks the last finite one, or the edge of the frame where that is beyond. The median
    counts what is not finite as above all else; the mean ends with the first of it. The frame of a loss holds all that
    is no worse than its start, and follows what runs away a little further.

    Args:
        trace: what ``run`` returned, or a selection of it.
        variable: "loss", an observer or a space.
        target: a value to draw a horizontal line at.
        component: which component of a vector variable, by label or index; None for a scalar.
        scale: of the vertical axis; None takes "log" where no finite value is negative and the positive ones span more
            than two decades.
        against: what one step of each variant costs, dim ``variant``, such as ``analysis.step_seconds(problem,
            methods, starts)``; the horizontal axis is then the step times this, so that each variant has its own end.
            Where costs differ by more than a factor of ten, the axis is logarithmic beyond the first recorded row.
    Returns:
        The figure, the variable upward in its own units.
    Raises:
        ValueError: for a variable, component or scale that does not exist, for a vector without ``component``, for
            scale="log" without a positive value, and for costs that are not positive or miss a variant.
    """
    trace = judged_paths(trace)
    values, words = _column(trace, variable, component)
    log = is_log(values, variable, scale)
    style, starts = look(trace), values.shape[1]
    across, progress = _horizontal(trace, against)
    shown = evenly(trace, MOST)
    leaves = (is_finite(values[:, shown, :-1]) & ~is_finite(values[:, shown, 1:])).any()
    meant = starts > 1 and len(values) <= len(PALETTE)
    figure, axes = canvas(1, [*style.entries, *_key(starts > 1, meant, bool(leaves), target)], width=5.2)
    ax = axes[0]
    middles, means = _median(values), _mean(values)
    drawn = np.concatenate([values[:, shown], middles[:, None], means[:, None]], axis=1)
    heights = _vertical(drawn, variable == "loss", target, log)
    ax.set(xlabel=progress, ylabel=words, yscale="log" if log else "linear", ylim=heights)
    for i, (label, color, dash) in enumerate(zip(style.labels, style.colors, style.dashes, strict=True)):
        steps = across[i]
        if starts > 1:
            _thin_lines(ax, steps, values[i, shown], color)
        if meant:
            ax.plot(steps, means[i], color=color, linestyle="--", linewidth=1.1, zorder=3, label="_mean")
        width = 2.2 if meant else 1.5
        ax.plot(steps, middles[i], color=color, linestyle=dash, linewidth=width, zorder=3, label=label)
        if leaves:
            _crosses(ax, steps, values[i, shown], color, heights)
    if target is not None:
        ax.axhline(target, label="target", **_target())
    if across.shape[1] > 1:
        if across[:, -1].max() > DEAR * across[:, -1].min():
            ax.set_xscale("symlog", linthresh=across[:, 1].min(), linscale=0.5)  # the starts are at 0
            few_decades(ax.xaxis, across[:, 1].min(), 0.5, across[:, -1].max())
        ax.set_xlim(across[:, 0].min(), across[:, -1].max())
    notes = [f"thin lines: {len(shown)} of {starts} starts"] * (len(shown) < starts)
    ax.set_title("\n".join([*problem_name(trace.attrs), *notes]), fontsize=10)
    few_ticks(ax)
    if against is None:
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    color_scale(figure, axes, style)
    return figure


def _horizontal(trace: xr.Dataset, against: xr.DataArray | None) -> tuple[np.ndarray, str]:
    """Where each row of each variant lies, shape (variant, step), and what of."""
    steps = trace["step"].values
    if against is None:
        return np.tile(steps, (trace.sizes["variant"], 1)), "step"
    labels = np.atleast_1d(against["variant"].values if "variant" in against.coords else []).tolist()
    costs = dict(zip(labels, np.atleast_1d(against.values.astype(float)), strict=True))
    several = np.array([costs.get(label, np.nan) for label in trace["variant"].values])
    if not (is_finite(several) & (several > 0)).all():
        wrong = int(np.argmin(is_finite(several) & (several > 0)))
        raise ValueError(
            f"against has {several[wrong]:.3g} for variant {str(trace['variant'].values[wrong])!r}, but a step costs "
            "something; give analysis.step_seconds of the same methods, taken over more steps."
        )
    name = str(against.name or "cost").replace("_", " ")
    return np.outer(several, steps), with_units(name, against.attrs.get("units", ""))


def _column(trace: xr.Dataset, variable: str, component: str | int | None) -> tuple[np.ndarray, str]:
    """One number for each variant, start and step, and its name with units."""
    known = [str(name) for name, column in trace.items() if column.dims[:3] == ("variant", "start", "step")]
    if variable not in known:
        raise ValueError(f"variable is {variable!r}, but the trace has {', '.join(known)}; choose one of them.")
    column = trace[variable]
    units = column.attrs.get("units", "")
    values = column.values.astype(float)
    if column.ndim == 3 and component is None:
        return values, with_units(variable.replace("_", " "), units)
    labels = [str(label) for label in column[column.dims[3]].values] if column.ndim > 3 else []
    index = 0 if component is None and len(labels) == 1 else index_of(labels, -1 if component is None else component)
    if index is None:
        raise ValueError(
            f"component is {component!r}, but {variable} has {some(labels) or 'none, being a scalar'}; "
            + ("choose one of these labels or an index." if labels else "leave it out.")
        )
    return values[..., index], axis_label(variable, labels[index], units_of(column.attrs, index, len(labels)))


def is_log(values: np.ndarray, variable: str, scale: str | None) -> bool:
    if scale not in (None, "linear", "log"):
        raise ValueError(f"scale is {scale!r}, but it is 'linear', 'log' or None; choose one.")
    finite = values[is_finite(values)]
    positive = finite[finite > 0]
    if scale == "log" and not positive.size:
        raise ValueError(f"scale is 'log', but {variable} has no positive value; choose scale='linear'.")
    return scale == "log" or (scale is None and is_wide(values))


def _vertical(values: np.ndarray, is_loss: bool, target: float | None, log: bool) -> tuple[float, float]:
    """The vertical range: what is no worse than its start (of other variables, all but a fiftieth), and some way on."""
    usable = is_finite(values) & ((values > 0) | (not log))
    everything = values[usable]
    if is_loss:
        core = values[usable & (values <= np.nan_to_num(values[..., :1], nan=np.inf))]
    else:
        ends = np.quantile(everything, [0.02, 0.98]) if everything.size else (0, 0)
        core = everything[(everything >= ends[0]) & (everything <= ends[1])]
    core = core if core.size else everything
    if target is not None and (target > 0 or not log):
        core, everything = np.append(core, target), np.append(everything, target)
    return limits(core, everything, log)


def _median(values: np.ndarray) -> np.ndarray:
    """The median over starts; NaN where half of them or more are not finite."""
    middle = np.median(np.where(is_finite(values), values, np.inf), axis=1)
    return np.where(is_finite(middle), middle, np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean over starts; NaN where one of them is not finite."""
    return np.where(is_finite(values), values, np.nan).mean(axis=1)


def _thin_lines(ax: Axes, steps: np.ndarray, lanes: np.ndarray, color: object) -> None:
    segments = [np.column_stack([steps, lane]) for lane in lanes]
    ax.add_collection(
        LineCollection(segments, colors=[color], linewidths=0.5, alpha=0.35, zorder=2, label="_starts"), autolim=False
    )


def _crosses(ax: Axes, steps: np.ndarray, lanes: np.ndarray, color: object, ends: tuple[float, float]) -> None:
    """A cross on the last finite value before each gap."""
    lane, step = np.nonzero(is_finite(lanes[:, :-1]) & ~is_finite(lanes[:, 1:]))
    heights = np.clip(lanes[lane, step], *ends)
    ax.plot(steps[step], heights, "x", color=color, markersize=6, zorder=4, clip_on=False, label="_leaves")


def _key(several: bool, meant: bool, leaves: bool, target: float | None) -> list[Line2D]:
    """What the lines mean that all variants have alike."""
    entries = []
    if several:
        entries += [
            Line2D([], [], color="0.3", linewidth=2.2, label="median"),
            Line2D([], [], color="0.3", linewidth=0.5, label="one start"),
        ]
    if meant:
        entries.append(Line2D([], [], color="0.3", linewidth=1.1, linestyle="--", label="mean"))
    if leaves:
        entries.append(Line2D([], [], color="0.3", marker="x", linestyle="none", label="last finite"))
    if target is not None:
        entries.append(Line2D([], [], label=f"target {short(target)}", **_target()))
    return entries


def _target() -> dict[str, Any]:
    return {"color": "0.4", "linewidth": 1.0, "linestyle": "-."}
