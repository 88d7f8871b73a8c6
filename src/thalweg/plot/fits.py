"""The best fit over its data, and what it leaves."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from thalweg.analysis import fitted
from thalweg.analysis.view import PALETTE, axis_label, is_finite, limits, log_limits, problem_name, short
from thalweg.chain.problem import Problem
from thalweg.plot.style import PANEL, Drawing, few_ticks

COLOR = PALETTE[0]
CROWD = 300  # observations from which markers get small
MOST = 12  # parameters in the legend
LOG = ("", "x", "y", "xy")
MOST_GROUPS = 12  # curves in the legend
BESIDE = 1.02  # widths of a panel, where its legend begins
ROWS = 19  # in legends beside a panel, beyond which parameters have two columns
HEADING = "parameters ± standard errors"
LONGEST = 60  # characters of a formula in the title


def fit(fits: xr.Dataset, problem: Problem | None = None, log: str = "") -> Figure:
    """The best of the fits over the observations, and below it the residuals, observed minus predicted.

    Where the problem is a ``problems.regression`` or ``problems.nist`` with one predictor, the horizontal axis is the
    predictor, and the model a curve over all of its range, in its confidence and prediction bands of 95 %
    (``analysis.prediction``); where parameters go by groups, each has its own. For every other sum of squares it is the
    prediction, and a line marks where observed and predicted are equal. Each of several responses has a panel of its
    own. The band in the lowest panel is the residual standard deviation s, to both sides of zero. Where the loss has a
    sigma the residuals are over sigma, and observations have bars of sigma to both sides, or of s sigma where it is
    relative. The legend has up to twelve parameters with standard errors (see ``analysis.uncertainty``). The frame
    holds the observations, and follows a model that leaves them a little further.

    Args:
        fits: what ``solve`` returned, or a selection of it such as ``fits.sel(variant=…)``; or what ``analysis.fitted``
            returned, which needs no problem.
        problem: the problem that was solved.
        log: which axes are logarithmic, "x", "y" or "xy", those of x and observed; what is not positive is left out
            there, and the title says how many observations that are.
    Returns:
        The figure: the fit in [y], and below it the residuals in [y].
    Raises:
        ValueError: for another ``log``, where an axis to be logarithmic has no positive number, and where
            ``analysis.best_fit`` and ``analysis.uncertainty`` do.
    """
    if log not in LOG:
        raise ValueError(f"log is {log!r}, but it names the logarithmic axes; give 'x', 'y', 'xy' or nothing.")
    best = fits if problem is None else fitted(fits, problem, "x" in log)
    if not {"observed", "predicted", "standard_error"} <= set(getattr(best, "data_vars", ())):
        raise ValueError(
            "the Dataset has no observed and predicted, but a fit is drawn over its data; give the problem that was "
            "solved, or what analysis.fitted returned."
        )
    observed, predicted = best["observed"].values, best["predicted"].values
    dots = {"color": "0.3", "linestyle": "none", "marker": "o", "markersize": 4 if len(observed) < CROWD else 2.5}
    parts = _responses(best)
    figure = Drawing(figsize=(1.9 * PANEL, (0.4 + 0.9 * len(parts)) * PANEL), layout="constrained")
    heights = (*[3] * len(parts), 1.3)
    *tops, below = figure.subplots(len(parts) + 1, 1, sharex=True, height_ratios=heights)
    across, label = _across(best)
    for top, (response, part) in zip(tops, parts, strict=True):
        _draw_response(top, part, response, log, dots)
    deviation, sigma = float(best["residual_standard_deviation"]), best["sigma"].values if "sigma" in best else None
    residual = observed - predicted if sigma is None else (observed - predicted) / sigma
    _draw_residuals(below, across, residual, deviation, dots)
    if sigma is not None:
        below.set(ylabel=f"residual / {best.attrs['sigma']}")
    below.set(xlabel=label)
    for ax in (*tops, below):
        few_ticks(ax)
        ax.grid(color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
    below.yaxis.set_major_locator(MaxNLocator(4))
    tops[0].set_title("\n".join([*_title(best), *_left_out(log, across, observed)]), fontsize=10)
    figure.align_ylabels([*tops, below])
    _draw_legends(tops[0], below, _parameters(best))
    return figure


def _draw_legends(top: Axes, below: Axes, parameters: list[str]) -> None:
    """Beside each panel what is drawn in it, and under the uppermost legend the parameters."""
    bands = [s for s in top.collections if str(s.get_label()).endswith(("confidence", "prediction"))]
    lines = [line for line in top.get_lines()[::-1] if not str(line.get_label()).startswith("_")]
    beside: dict[str, Any] = {"loc": "upper left", "fontsize": 9, "frameon": False, "borderaxespad": 0}
    drawn = top.legend(handles=[*lines[: MOST_GROUPS + 1], *bands], bbox_to_anchor=(BESIDE, 1), **beside)
    if below.patches:
        below.legend(handles=below.patches, bbox_to_anchor=(BESIDE, 1), **beside)
    figure = top.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    bottom = drawn.get_window_extent().transformed(top.transAxes.inverted()).y0
    entries = [Line2D([], [], linestyle="none", label=text) for text in parameters]
    said = Legend(
        top, entries, parameters, title=HEADING, title_fontsize=9, alignment="left", handlelength=0, handletextpad=0,
        ncols=1 + (len(drawn.get_texts()) + len(parameters) > ROWS), bbox_to_anchor=(BESIDE, bottom - 0.04), **beside
    )  # fmt: skip
    top.add_artist(said).set_clip_on(False)  # what is clipped has no place in the layout


def _responses(best: xr.Dataset) -> list[tuple[str, xr.Dataset]]:
    """What is drawn in each panel: the response and its fit, in the order of the observations."""
    if "response" not in best:
        return [(best.attrs["response"], best)]
    parts = []
    for name in dict.fromkeys(best["response"].values.tolist()):
        part = best.isel(observation=best["response"].values == name)
        if "curve_response" in best:
            part = part.isel(point=best["curve_response"].values == name)
        parts.append((str(name), part))
    return parts


def _across(best: xr.Dataset) -> tuple[np.ndarray, str]:
    """Where observations are drawn, and the label of that axis."""
    if "predictor" in best:
        return best["predictor"].values, best.attrs["predictor"]
    return _visible(best["predicted"].values), f"predicted {best.attrs['response']}"


def _draw_response(ax: Axes, part: xr.Dataset, response: str, log: str, dots: dict) -> None:
    """Observations of one response with what the model predicts."""
    (across, _), observed = _across(part), part["observed"].values
    if "predictor" in part:
        _draw_curve(ax, part)
        ax.set(xlim=limits(across, across), ylim=limits(observed, part["model"].values), ylabel=response)
    else:
        _draw_equality(ax, observed, part["predicted"].values, log)
        ax.set(ylabel=f"observed {response}")
    if "sigma" in part:
        sigma, deviation = part["sigma"].values, float(part["residual_standard_deviation"])
        _draw_bars(ax, across, observed, sigma if part.attrs["absolute_sigma"] else deviation * sigma)
    ax.plot(across, _visible(observed), label="observed", zorder=3, **dots)
    _make_logarithmic(ax, log, across, observed)


def _draw_curve(ax: Axes, best: xr.Dataset) -> None:
    across, grid, curve = (best[name].values for name in ("predictor", "grid", "model"))
    for i, (name, points, rows) in enumerate(_parts(best)):
        color = PALETTE[i % len(PALETTE)]
        ax.plot(grid[points], _visible(curve[points]), color=color, label=name or "model", zorder=4)
        if name and i < MOST_GROUPS:
            marks = {"color": color, "linestyle": "none", "marker": "o", "markersize": 4, "zorder": 3.5}
            ax.plot(across[rows], _visible(best["observed"].values[rows]), label="_", **marks)
        for band, alpha in ("confidence", 0.25), ("prediction", 0.1):
            if f"{band}_low" in best:
                low, high = (_visible(best[f"{band}_{side}"].values[points]) for side in ("low", "high"))
                label = "_" if i else f"{100 * best.attrs['level']:g} % {band}"
                ax.fill_between(grid[points], low, high, color=color, alpha=alpha, linewidth=0, label=label, zorder=1)


def _parts(best: xr.Dataset) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Each curve: its group or "", and which points and observations belong to it."""
    if "curve" not in best:
        return [("", np.ones(best.sizes["point"], bool), np.ones(best.sizes["observation"], bool))]
    points, rows = best["curve"].values, best["group"].values
    return [(str(name), points == name, rows == name) for name in dict.fromkeys(points.tolist())]


def _make_logarithmic(ax: Axes, log: str, across: np.ndarray, observed: np.ndarray) -> None:
    """The axes named in ``log`` over what is positive; that of x is shared with the residuals."""
    for axis, values in ("x", across), ("y", observed):
        if axis in log:
            positive = values[is_finite(values) & (values > 0)]
            if not positive.size:
                raise ValueError(f"log is {log!r}, but nothing along {axis} is positive; leave {axis} out of it.")
            ax.set(**{f"{axis}scale": "log", f"{axis}lim": log_limits(positive.min(), positive.max())})


def _left_out(log: str, across: np.ndarray, observed: np.ndarray) -> list[str]:
    """A line on observations that a logarithmic axis does not show."""
    gone = (across <= 0 if "x" in log else False) | (observed <= 0 if "y" in log else False)
    many = int(np.sum(gone))
    return [f"{many} observation{'s' if many > 1 else ''} not positive, not shown"] if many else []


def _draw_equality(ax: Axes, observed: np.ndarray, predicted: np.ndarray, log: str) -> None:
    ends = limits(observed, predicted)
    both = np.array([*observed, *predicted])
    least = both[is_finite(both) & (both > 0)].min(initial=max(ends[1], 0))
    equal = np.geomspace(least, ends[1], 200) if log and least > 0 else ends  # a curve where one axis is linear
    ax.plot(equal, equal, color=COLOR, label="observed = predicted", zorder=4)
    ax.set(xlim=ends, ylim=ends)


def _draw_bars(ax: Axes, across: np.ndarray, observed: np.ndarray, bars: np.ndarray) -> None:
    """The standard deviation of each observation, to both sides; none where it is not known."""
    if is_finite(bars).all():
        seen = _visible(observed)
        ax.vlines(across, seen - bars, seen + bars, colors="0.5", linewidth=0.8, zorder=2)


def _draw_residuals(ax: Axes, across: np.ndarray, residual: np.ndarray, deviation: float, dots: dict) -> None:
    ax.axhline(0, color=COLOR, linewidth=1.2, zorder=2)
    if is_finite(np.array(deviation)):
        label = f"± s = {short(deviation)}"
        ax.axhspan(-deviation, deviation, color=COLOR, alpha=0.15, linewidth=0, zorder=1, label=label)
    ax.plot(across, _visible(residual), label="residual", zorder=3, **dots)
    everything = np.array([*residual, -deviation, deviation, 0])
    ax.set(ylabel="residual", ylim=limits(everything, everything))


def _visible(values: np.ndarray) -> np.ndarray:
    return np.where(is_finite(values), values, np.nan)


def _title(best: xr.Dataset) -> list[str]:
    """The problem, its formula, and which fit was best."""
    text = best.attrs["formula"]
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    which = [str(best["variant"].item())] if "variant" in best.coords else []
    which += [f"start {best['start'].item()}"] if "start" in best.coords else []
    return [*problem_name(best.attrs), *filter(None, [text, ", ".join(which)])]


def _parameters(best: xr.Dataset) -> list[str]:
    """``b1 = 238.9 ± 2.7``, ``c = 290 ± 130``: both to the second digit of the standard error."""
    rows = list(zip(best["x_dim"].values, best["x"].values, best["standard_error"].values, strict=True))
    words = [f"{axis_label('x', str(name), '')} = {_rounded(float(v), float(error))}" for name, v, error in rows[:MOST]]
    return [*words, f"and {len(rows) - MOST} more"] if len(rows) > MOST else words


def _rounded(value: float, error: float) -> str:
    if not (math.isfinite(value) and 0 < error < math.inf):
        return f"{value:.6g} ± {error:.2g}"
    last = math.floor(math.log10(float(f"{error:.1e}"))) - 1
    first = math.floor(math.log10(max(abs(value), error)))
    power = 0 if -4 < first < 6 and last > -7 else first
    digits = power - last
    value, error = (round(a / 10.0**power, digits) + 0.0 for a in (value, error))  # and no -0
    words = f"{value:.{max(digits, 0)}f} ± {error:.{max(digits, 0)}f}"
    return rf"({words}) $\times10^{{{power}}}$" if power else words
