"""How fast the error shrinks, against theory."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from thalweg import analysis
from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, judged
from thalweg.analysis.view import CEILING, PALETTE, evenly, is_finite, log_limits, problem_name, with_units
from thalweg.chain.problem import Problem
from thalweg.plot.style import canvas, look

MOST = 200  # thin lines in one figure
FASTER = 1.2  # an order from which a path is faster than any line


def rates(rates: xr.Dataset, problem: Problem | None = None) -> Figure:
    """The error of each variant against the step, the line of its measured rate, and dashed that of theory.

    The strong line is the start of median rate, thin ones the others. A measured rate r is the line r^k through the
    end of the errors that are above rounding; theory has the slope of its own rate through the same point. Where theory
    knows an order p above one, its line is e_{k+1} = C e_k^p, with C the median there. The legend states rate and order
    as measured, and in brackets those of theory.

    Args:
        rates: what ``analysis.rates`` returned: error by variant, start and step; rate, order, theory_rate and
            theory_order; or the trace that it judges.
        problem: the problem that was run, where a trace is given.
    Returns:
        The figure, errors in [x].
    Raises:
        ValueError: for anything else, and where no error is positive.
    """
    if problem is not None:
        rates = analysis.rates(rates, problem)
    if not {"error", "rate"} <= set(getattr(rates, "data_vars", ())):
        raise ValueError(
            "the Dataset has no error and rate, but both are drawn; give what analysis.rates returned, or the trace "
            "and the problem."
        )
    schema = {"error": PATH_DIMS, "rate": LANE_DIMS}
    optional = {"order": LANE_DIMS, "theory_rate": ("variant",), "theory_order": ("variant",)}
    also = {name: dims for name, dims in optional.items() if name in rates}
    data = judged(rates, schema, "analysis.rates", also)
    error, steps = data["error"].values.astype(float), data["step"].values
    error = np.where(is_finite(error) & (error > 0), error, np.nan)
    if np.isnan(error).all():
        raise ValueError("no error is positive and finite, but they are drawn on a logarithmic axis; give other paths.")
    style, shown = look(data), evenly(data, MOST)
    typical = [_typical(row) for row in data["rate"].values]
    several = [data.isel(variant=i, start=start) for i, start in enumerate(typical)]
    texts = [_words(one, label) for one, label in zip(several, style.labels, strict=True)]
    entries = [Line2D([], [], color=color, label=text) for color, text in zip(style.colors, texts, strict=True)]
    if len(entries) > len(PALETTE):
        entries = list(style.entries)
    key: list[tuple[str, str, Any, float]] = [
        ("measured rate", "0.3", "-", 0.8),
        ("theory (in brackets)", "0.3", "--", 1.4),
    ]
    entries += [Line2D([], [], color=c, linestyle=d, linewidth=w, label=text) for text, c, d, w in key]
    figure, axes = canvas(1, entries, width=5.2)
    ax = axes[0]
    for i, (label, color) in enumerate(zip(style.labels, style.colors, strict=True)):
        thin = [np.column_stack([steps, lane]) for start, lane in enumerate(error[i]) if start in shown]
        if len(error[i]) > 1:
            ax.add_collection(
                LineCollection(thin, colors=[color], linewidths=0.5, alpha=0.35, zorder=2, label="_starts")
            )
        lane = error[i, typical[i]]
        ax.plot(steps, lane, color=color, linewidth=2, alpha=0.55, zorder=3, label=label)
        one = {name: float(several[i].get(name, np.nan)) for name in ("rate", "theory_rate", "theory_order")}
        measured = _line(steps, lane, one["rate"])
        ax.plot(steps, measured, color=color, linewidth=0.8, zorder=4, label="_measured")
        theory = (
            _power(lane, one["theory_order"])
            if one["theory_order"] > FASTER
            else _line(steps, lane, one["theory_rate"])
        )
        ax.plot(steps, theory, color=color, linewidth=1.4, linestyle="--", zorder=5, label="_theory")
    low, high = np.nanmin(error), min(np.nanmax(error), CEILING * np.nanmax(error[:, :, 0], initial=np.nanmin(error)))
    units = data["error"].attrs.get("units", "")
    ax.set(xlabel="step", ylabel=with_units("error", units), yscale="log", ylim=log_limits(low, max(high, 10 * low)))
    ax.set_title("\n".join(problem_name(data.attrs)), fontsize=10)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    return figure


def _typical(rate: np.ndarray) -> int:
    """The start of median rate; the first where none was measured."""
    known = np.flatnonzero(np.isfinite(rate))
    return int(known[np.argsort(rate[known])[(len(known) - 1) // 2]]) if known.size else 0


def _words(path: xr.Dataset, label: str) -> str:
    """``GD: rate 0.905 (0.904), order 1 (1)``, without what is not known."""
    parts = []
    for name in ("rate", "order"):
        measured = float(path[name]) if name in path else np.nan
        theory = float(path[f"theory_{name}"]) if f"theory_{name}" in path else np.nan
        brackets = f" ({theory:.4g})" if np.isfinite(theory) else ""
        if np.isfinite(measured) or brackets:
            parts.append(f"{name} {f'{measured:.4g}' if np.isfinite(measured) else 'unknown'}{brackets}")
    return ": ".join(filter(None, [label, ", ".join(parts)]))


def _tail(lane: np.ndarray) -> np.ndarray:
    """The later half, by index, of the errors well above the smallest, which is where rounding ends them."""
    known = np.flatnonzero(np.isfinite(lane))
    if not known.size:
        return known
    above = known[lane[known] > 10 * lane[known].min()]
    tail = above if above.size > 3 else known
    return tail[len(tail) // 2 :] if len(tail) > 7 else tail


def _line(steps: np.ndarray, lane: np.ndarray, rate: float) -> np.ndarray:
    """``rate**k`` through the middle of the tail, as long as it lies within the errors."""
    tail = _tail(lane)
    if not tail.size or not 0 < rate < np.inf:
        return np.full(len(steps), np.nan)
    logs = np.log(lane[tail]).mean() + np.log(rate) * (steps - steps[tail].mean())
    known = np.log(lane[np.isfinite(lane)])
    with np.errstate(over="ignore"):
        return np.where((logs >= known.min() - 0.1) & (logs <= known.max() + 0.1), np.exp(logs), np.nan)


def _power(lane: np.ndarray, order: float) -> np.ndarray:
    """``C e_k**order`` at step k + 1."""
    tail = _tail(lane)
    pairs = tail[(tail > 0) & np.isfinite(lane[tail - 1])]
    if not pairs.size:
        return np.full(len(lane), np.nan)
    factor = np.exp(np.median(np.log(lane[pairs]) - order * np.log(lane[pairs - 1])))
    return np.append(np.nan, factor * lane[:-1] ** order)
