"""Benchmarks: shares against cost, and losses over sorted starts."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FormatStrFormatter, MaxNLocator

from thalweg.analysis import waterfall as ranked
from thalweg.analysis.selection import with_dims
from thalweg.analysis.view import PALETTE, is_finite, limits, problem_name, room, with_units
from thalweg.plot.style import canvas, color_scale, few_decades, few_ticks, look

COSTS = {"ratio": "solver", "simplex_gradients": "solver", "step": "variant"}  # dims of a share, and their partners
MARKS = {  # of the outcomes, and whether filled
    "converged": ("o", True),
    "stalled": ("s", False),
    "diverged": ("x", False),
    "exhausted": ("^", False),
}
LINEAR = 20  # the ratio of the differences of losses up to which their axis is linear


def profile(data: xr.DataArray) -> Figure:
    """Shares of problems, or of pairs of start and target, against their cost: one line for each solver or variant.

    The lines are steps, continuous from the right; the axes say what was counted. The ratio of a performance profile is
    on a logarithmic axis, of base 2 up to 1024; the other costs are where they span more than two decades. Lines of
    solvers that tie lie on each other, of up to ten the later one thinner.

    Args:
        data: what ``performance_profile``, ``data_profile`` or ``ecdf`` returned, or some of its solvers.
    Returns:
        The figure: shares, pure numbers in 0 … 1, upward.
    Raises:
        ValueError: for anything else.
    """
    at = next((str(dim) for dim in getattr(data, "dims", ()) if dim in COSTS), "")
    if not at or not {at} <= set(data.dims) <= {at, COSTS[at]}:
        raise ValueError(
            "what is given is no share of one cost and some solvers; "
            "give what performance_profile, data_profile or ecdf returned."
        )
    data = with_dims(data.to_dataset(name="share"), {"share": (COSTS[at], at)})["share"].assign_attrs(data.attrs)
    style = look(data.rename({COSTS[at]: "variant"}).to_dataset(name="share"))
    figure, axes = canvas(1, style.entries, width=5.2)
    ax, cost = axes[0], data[at].values
    left, right = _cost_axis(ax, at, cost)
    end = cost[-1] if at == "step" else right  # nothing is known beyond the last step
    widths = np.linspace(2.8, 1.4, len(data)) if 1 < len(data) <= len(PALETTE) else [1.6] * len(data)
    lines = zip(data.values, style.labels, style.colors, style.dashes, widths, strict=True)
    for shares, label, color, dash, width in lines:
        x, y = np.append(cost, end), np.append(shares, shares[-1])
        ax.step(x, y, where="post", color=color, linestyle=dash, linewidth=width, label=label)
    ax.set(
        xlabel=data[at].attrs.get("long_name", at),
        ylabel=data.attrs.get("long_name", "share"),
        xlim=(left, right),
        ylim=(-0.02, 1.02),
    )
    ax.set_title("\n".join(problem_name(data.attrs)), fontsize=10)
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    color_scale(figure, axes, style)
    return figure


def _cost_axis(ax: Axes, at: str, cost: np.ndarray) -> tuple[float, float]:
    """The scale of the horizontal axis, and its ends."""
    positive = cost[cost > 0]
    if at == "ratio" or (positive.size and positive[-1] > 100 * positive[0]):
        base = 2 if cost[-1] <= 1024 and at == "ratio" else 10
        ax.set_xscale("log", base=base)
        if base == 2:
            ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        beyond = room(positive[0], positive[-1], least=1.1)
        return float(positive[0] if at == "ratio" else positive[0] / beyond), float(max(positive[-1] * beyond, 2))
    few_ticks(ax)
    return float(cost[0]), float(cost[-1] + 0.05 * (cost[-1] - cost[0]) or 1)


def waterfall(fits: xr.Dataset) -> Figure:
    """The losses of all starts above the lowest of them, sorted for each variant: minima found often are level.

    Colors are variants, marks are outcomes. The vertical axis is linear where the differences that count are of one
    size; else from 0 to the power of ten below the smallest of them, and logarithmic from there. A difference counts if
    it is more than 1e-8 of the losses and than what the gradients leave open where a method stopped; where none counts,
    the losses are level. Losses that are not finite are not drawn; the title counts them.

    Args:
        fits: what ``solve`` returned, or a selection of it that has the dim start; of several cases, one.
    Returns:
        The figure, losses in [L].
    Raises:
        ValueError: as ``analysis.waterfall`` does.
    """
    data = ranked(fits)
    style, loss, ranks = look(data), data.loss.values.astype(float), data["rank"].values
    finite, codes = is_finite(loss), data.outcome.values
    flags = data.outcome.attrs
    named = zip(flags["flag_values"], flags["flag_meanings"].split(), strict=True)
    marks = [(code, name, MARKS[name]) for code, name in named if (finite & (codes == code)).any()]
    key = [Line2D([], [], label=name, **_mark(mark, "0.3", 7)) for _, name, mark in marks]
    figure, axes = canvas(1, [*style.entries, *key], width=5.2)
    ax = axes[0]
    heights, words, notes = _heights(ax, loss, finite, data["level"].values)
    sizes = np.clip(280 / len(ranks), 3, 9) * np.linspace(1, 0.6, len(loss))  # what lies below stays visible
    for i, (label, color, dash) in enumerate(zip(style.labels, style.colors, style.dashes, strict=True)):
        shown = finite[i]
        ax.plot(ranks[shown], heights[i, shown], color=color, linestyle=dash, linewidth=1.0, alpha=0.6, label=label)
        for value, name, mark in marks:
            at = shown & (codes[i] == value)
            ax.plot(ranks[at], heights[i, at], label=f"_{name}", **_mark(mark, color, sizes[i]))
    lost = int(np.sum(~finite))
    notes += [f"not finite: {lost} of {finite.size} fits"] * (lost > 0)
    ax.set_title("\n".join(filter(None, [*problem_name(data.attrs), ", ".join(notes)])), fontsize=10)
    units = data.loss.attrs.get("units", "")
    ax.set(xlabel="rank of the start by its loss", ylabel=with_units(words, units), xlim=(-0.5, len(ranks) - 0.5))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    color_scale(figure, axes, style)
    return figure


def _mark(mark: tuple[str, bool], color: Any, size: float) -> dict[str, Any]:
    marker, filled = mark
    face = color if filled else "white"
    return {"color": color, "linestyle": "none", "marker": marker, "markerfacecolor": face, "markersize": size}


def _heights(ax: Axes, loss: np.ndarray, finite: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, str, list[str]]:
    """What is drawn of the losses, its name and a note; sets the vertical scale."""
    if not finite.any():
        return loss, "loss", []
    lowest = loss[finite].min()
    above = np.where(level, 0, np.where(finite, loss, lowest) - lowest)
    counts = above[above > 0]
    if not counts.size:
        ax.set_ylim(limits(np.array([lowest]), np.array([lowest])))
        return np.where(level, lowest, loss), "loss", []
    notes = [f"lowest loss {lowest:.6g}"]
    if counts.max() <= LINEAR * counts.min():
        ax.set_ylim(-0.04 * counts.max(), 1.06 * counts.max())
        few_ticks(ax)
        return above, "loss above the lowest", notes
    smallest, high = 10 ** np.floor(np.log10(counts.min())), counts.max()
    ax.set_yscale("symlog", linthresh=smallest)
    ax.set_ylim(-smallest / 4, high * room(smallest, high, least=1.2))
    few_decades(ax.yaxis, smallest, 1.0, ax.get_ylim()[1])
    return above, "loss above the lowest", notes
