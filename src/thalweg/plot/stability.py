"""Sharpness along a path against what the method's step endures."""

import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from thalweg import analysis
from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, judged
from thalweg.analysis.view import evenly, is_finite, limits, log_limits, problem_name, with_units
from thalweg.chain.problem import Problem
from thalweg.plot.style import canvas, color_scale, few_ticks, look

MOST = 60  # lines in one figure
WIDE = 100  # the ratio of sharpnesses from which the axis is logarithmic


def stability(stability: xr.Dataset, problem: Problem | None = None) -> Figure:
    """The sharpness along the paths of each variant, its limit as a dashed line, a dot where a path first crosses it.

    Beyond the limit a step makes the error along the sharpest direction grow. Of several starts about 60 lines are
    drawn in all, evenly chosen; the title says how many. The axis is logarithmic where positive sharpness spans more
    than two decades; it then leaves out what is not positive.

    Args:
        stability: what ``analysis.stability`` returned: sharpness(variant, start, step), limit(variant) and
            crossing(variant, start), the step, negative where there is none; or the trace that it judges.
        problem: the problem that was run, where a trace is given.
    Returns:
        The figure, sharpness in [L]/[x]^2.
    Raises:
        ValueError: for anything else.
    """
    if problem is not None:
        stability = analysis.stability(stability, problem)
    if not {"sharpness", "limit", "crossing"} <= set(getattr(stability, "data_vars", ())):
        raise ValueError(
            "the Dataset does not have sharpness, limit and crossing, but they are drawn; "
            "give what analysis.stability returned, or the trace and the problem."
        )
    schema = {"sharpness": PATH_DIMS, "crossing": LANE_DIMS, "limit": ("variant",)}
    data = judged(stability, schema, "analysis.stability")
    sharpness, steps = data["sharpness"].values.astype(float), data["step"].values
    bounds, crossing = data["limit"].values.astype(float), data["crossing"].values
    style, shown = look(data), evenly(data, MOST)
    sharpness = np.where(is_finite(sharpness), sharpness, np.nan)[:, shown]
    crossed = [_crossings(steps, *lanes) for lanes in zip(sharpness, crossing[:, shown], strict=True)]
    key = [Line2D([], [], color="0.3", linestyle="--", linewidth=1.2, label="limit of stability")]
    dot = {"linestyle": "none", "marker": "o", "markeredgecolor": "white", "markeredgewidth": 0.8}
    key += [Line2D([], [], color="0.3", label="first above it", markersize=7, **dot)] * any(map(len, crossed))
    figure, axes = canvas(1, [*style.entries, *key], width=5.2)
    ax = axes[0]
    low, high, scale = _vertical(sharpness, bounds)
    ax.set(xlabel="step", ylabel=with_units("sharpness", data["sharpness"].attrs.get("units", "")))
    ax.set(yscale=scale, ylim=(low, high))
    width = 1.3 if len(shown) * len(sharpness) <= 10 else 0.6
    for i, (label, color, dash) in enumerate(zip(style.labels, style.colors, style.dashes, strict=True)):
        lanes = [np.column_stack([steps, lane]) for lane in sharpness[i]]
        line = LineCollection(lanes, colors=[color], linestyles=dash, linewidths=width, zorder=3, label=label)
        ax.add_collection(line, autolim=False)
        if np.isfinite(bounds[i]):
            ax.axhline(bounds[i], color=color, linestyle="--", linewidth=1.2, zorder=2, label="_limit")
        ax.plot(*crossed[i].T, color=color, markersize=7 if width > 1 else 4, zorder=4, label="_crossing", **dot)
    if len(steps) > 1:
        ax.set_xlim(steps[0] - 0.02 * (steps[-1] - steps[0]), steps[-1])  # a first crossing is often at the start
    notes = [f"{len(shown)} of {data.sizes['start']} starts"] * (len(shown) < data.sizes["start"])
    ax.set_title("\n".join([*problem_name(data.attrs), *notes]), fontsize=10)
    few_ticks(ax)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    color_scale(figure, axes, style)
    return figure


def _crossings(steps: np.ndarray, lanes: np.ndarray, crossing: np.ndarray) -> np.ndarray:
    """The points (step, sharpness) where paths first cross, shape (n, 2)."""
    lane, at = np.nonzero(steps == crossing[:, None])
    return np.column_stack([steps[at], lanes[lane, at]]).astype(float)


def _vertical(sharpness: np.ndarray, bounds: np.ndarray) -> tuple[float, float, str]:
    """The vertical range and scale: all but a fiftieth of the sharpness, the limits, and some way on."""
    finite = sharpness[np.isfinite(sharpness)]
    known = bounds[is_finite(bounds)]
    everything = np.concatenate([finite, known])
    positive = everything[everything > 0]
    if positive.size and positive.max() > WIDE * positive.min() and (finite > 0).mean() > 0.9:
        return *log_limits(positive.min(), positive.max()), "log"
    ends = np.quantile(finite, [0.02, 0.98]) if finite.size else np.zeros(0)
    return *limits(np.concatenate([ends, known]), everything), "linear"
