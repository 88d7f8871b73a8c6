"""The prediction of a fit as the steps go by."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thalweg.analysis.components import some
from thalweg.analysis.selection import judged_paths
from thalweg.analysis.view import PALETTE, is_finite, limits, problem_name, with_units
from thalweg.plot.style import SWEEP, canvas, few_ticks

LAST = PALETTE[2]  # unlike any color of a step
MOST = 50  # lines in one figure
CROWD = 300  # observations from which markers get small


def predictions(
    trace: xr.Dataset, t: Any, observed: Any, space: str = "y", variant: str | None = None, start: int = 0
) -> Figure:
    """What one path predicts against t, one line for each recorded step, over what was observed.

    The lines are colored by their step, the last one is strong; of many steps about 50 are drawn, evenly chosen, the
    first and the last among them. The frame holds the observations, and follows the lines a little further.

    Args:
        trace: what ``run`` returned, or a selection of it.
        t: where the observations were made, one number for each component of ``space``.
        observed: the observations, likewise, in the units of ``space``.
        space: the name of the space that predicts, "y" in a problem of one stage.
        variant: whose path; None takes the variant whose last loss is lowest.
        start: from which start, a value of the trace's coordinate.
    Returns:
        The figure, in the units of the space.
    Raises:
        ValueError: for a space, variant or start that is not there, and for t or observed of another length.
    """
    trace = judged_paths(trace, "loss")
    t, observed = read_observations(trace, t, observed, space)
    lane = _lane(trace, variant, start)
    lines, steps = lane[space].values.astype(float), trace["step"].values
    shown = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST)).astype(int))
    key = [
        Line2D([], [], label="observed", **dots(len(t))),
        Line2D([], [], color=LAST, linewidth=2.4, label=f"step {steps[-1]}"),
    ]
    figure, axes = canvas(1, key, width=5.8)
    ax, order = axes[0], np.argsort(t, kind="stable")
    scale = ScalarMappable(Normalize(steps[0], max(steps[-1], steps[0] + 1)), SWEEP)
    visible = np.where(is_finite(lines), lines, np.nan)[:, order]
    segments = [np.column_stack([t[order], visible[i]]) for i in shown]
    colors = [scale.to_rgba(steps[i]) for i in shown]
    width = 1.0 if len(shown) > 10 else 1.4
    ax.add_collection(
        LineCollection(segments, colors=colors, linewidths=width, zorder=2, label="_steps"), autolim=False
    )
    ax.plot(t[order], visible[-1], color=LAST, linewidth=2.4, zorder=3, label="last")
    ax.plot(t, observed, zorder=4, label="observed", **dots(len(t)))
    units = trace[space].attrs.get("units", "")
    ax.set(xlabel="t", ylabel=with_units(space, units), **box(t, observed, visible))
    named = str(lane["variant"].item()) if "variant" in lane.coords else ""
    notes = [f"{len(shown)} of {len(steps)} steps"] * (len(shown) < len(steps))
    title = ", ".join(filter(None, [*problem_name(trace.attrs), named]))
    ax.set_title("\n".join(filter(None, [title, *notes])), fontsize=10)
    few_ticks(ax)
    figure.colorbar(scale, ax=ax, label="step", pad=0.02)
    return figure


def read_observations(trace: xr.Dataset, t: Any, observed: Any, space: str) -> tuple[np.ndarray, np.ndarray]:
    """t and observed in float64, as long as the space."""
    known = [str(name) for name, column in trace.items() if f"{name}_dim" in column.dims]
    if space not in known:
        raise ValueError(f"space is {space!r}, but the trace has {', '.join(known)}; choose one of them.")
    size = trace.sizes[f"{space}_dim"]
    pair = []
    for name, given in (("t", t), ("observed", observed)):
        try:
            array = np.asarray(given, float)
        except (TypeError, ValueError):
            array = np.empty((0, 0))
        if array.shape != (size,):
            words = f"shape {array.shape}" if array.size or array.ndim == 1 else f"the value {given!r}"
            raise ValueError(
                f"{name} has {words}, but {space} has {size} components; give one number for each of them."
            )
        pair.append(array)
    return pair[0], pair[1]


def _lane(trace: xr.Dataset, variant: str | None, start: int) -> xr.Dataset:
    """One path of the trace."""
    names = [str(name) for name in trace["variant"].values] if "variant" in trace.coords else ["the only one"]
    starts = list(trace["start"].values) if "start" in trace.coords else list(range(trace.sizes["start"]))
    if variant is not None and variant not in names:
        raise ValueError(f"variant is {variant!r}, but the trace has {some(names)}; choose one of them.")
    if start not in starts:
        raise ValueError(f"start is {start!r}, but the trace has {starts[0]} to {starts[-1]}; choose one of them.")
    ours = trace.isel(start=starts.index(start))
    last = ours["loss"].values[:, -1]
    best = int(np.argmin(np.where(is_finite(last), last, np.inf)))
    return ours.isel(variant=best if variant is None else names.index(variant))


def dots(many: int) -> dict[str, Any]:
    """How observations are drawn."""
    return {"color": "0.2", "linestyle": "none", "marker": "o", "markersize": 4.5 if many < CROWD else 2}


def box(t: np.ndarray, observed: np.ndarray, lines: np.ndarray) -> dict[str, tuple[float, float]]:
    """The box that holds the observations, and follows the lines a little further."""
    return {"xlim": limits(t, t), "ylim": limits(observed, np.append(lines.ravel(), observed))}
