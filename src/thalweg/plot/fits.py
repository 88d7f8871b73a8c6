"""The best fit over its data, and what it leaves."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from thalweg.analysis import best_fit, uncertainty
from thalweg.chain.problem import Problem
from thalweg.plot.style import PALETTE, PANEL, axis_label, few_ticks, frame, is_finite, problem_name, with_units
from thalweg.problems.regressions import Model

COLOR = PALETTE[0]
CURVE = 400  # points on the curve of a model
CROWD = 300  # observations from which markers get small
MOST = 12  # parameters in the legend
LONGEST = 60  # characters of a formula in the title


def fit(fits: xr.Dataset, problem: Problem) -> Figure:
    """The best of the fits over the observations, and below it the residuals, observed minus predicted.

    Where the problem is a ``problems.regression`` or ``problems.nist`` with one predictor, the horizontal axis is the
    predictor, and the model a curve over all of its range. For every other sum of squares it is the prediction, and a
    line marks where observed and predicted are equal. The band in the lower panel is the residual standard deviation s,
    to both sides of zero; the legend has up to twelve parameters with standard errors (see ``analysis.uncertainty``).
    The frame holds the observations, and follows a model that leaves them a little further.

    Args:
        fits: what ``solve`` returned, or a selection of it such as ``fits.sel(variant=…)``.
        problem: the problem that was solved.

    Raises ValueError where ``analysis.best_fit`` and ``analysis.uncertainty`` do.
    """
    best = best_fit(fits)
    spread = uncertainty(best, problem)
    x, y_space = np.asarray(best["x"], np.float64), problem.chain.spaces[-1]
    with jax.enable_x64(True):
        predicted = np.asarray(jax.jit(lambda x: problem.forward(x))(x))
        observed = np.asarray(problem.newton_in_y(jnp.zeros(y_space.size)))  # the step from 0 to the target
    model = _model(problem)
    response = model.response if model else with_units(y_space.name, problem.units.get(y_space.name, ""))
    dots = {"color": "0.3", "linestyle": "none", "marker": "o", "markersize": 4 if len(observed) < CROWD else 2.5}

    figure = Figure(figsize=(1.9 * PANEL, 1.3 * PANEL), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    predictor = _only_predictor(model)
    if model and predictor:
        across, label = model.predictors[predictor], predictor
        _draw_curve(top, model, predictor, x)
        top.set(ylabel=response)
    else:
        across, label = _visible(predicted), f"predicted {response}"
        _draw_equality(top, observed, predicted)
        top.set(ylabel=f"observed {response}")
    _draw_residuals(below, across, observed - predicted, float(spread["residual_standard_deviation"]), dots)
    top.plot(across, _visible(observed), label="observed", zorder=3, **dots)
    below.set(xlabel=label)
    for ax in (top, below):
        few_ticks(ax)
        ax.grid(color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
    below.yaxis.set_major_locator(MaxNLocator(4))
    top.set_title("\n".join(_title(best, problem, model)), fontsize=10)
    figure.align_ylabels([top, below])
    handles = [*top.get_lines()[::-1], *below.patches]
    entries = [Line2D([], [], linestyle="none", label=text) for text in _parameters(best, spread)]
    figure.legend(handles=[*handles, *entries], loc="outside right upper", fontsize=9, frameon=False)
    return figure


def _model(problem: Problem) -> Model | None:
    """The formula that the problem fits, where it is one."""
    forward = problem.stages[0].forward if len(problem.stages) == 1 else None
    return forward if isinstance(forward, Model) else None


def _only_predictor(model: Model | None) -> str:
    """The predictor in the formula where there is exactly one, else ""."""
    used = [name for name in model.formula.names if name in model.predictors] if model else []
    return used[0] if len(used) == 1 else ""


def _draw_curve(ax: Axes, model: Model, predictor: str, x: np.ndarray) -> None:
    across = model.predictors[predictor]
    grid = np.linspace(across.min(), across.max(), CURVE)
    with jax.enable_x64(True):
        values = np.asarray(model.formula({**dict(zip(model.parameters, x, strict=True)), predictor: grid}))
    ax.plot(grid, _visible(values), color=COLOR, label="model", zorder=4)
    ax.set(xlim=_limits(across, across), ylim=_limits(model.observed, values))


def _draw_equality(ax: Axes, observed: np.ndarray, predicted: np.ndarray) -> None:
    limits = _limits(observed, predicted)
    ax.plot(limits, limits, color=COLOR, label="observed = predicted", zorder=4)
    ax.set(xlim=limits, ylim=limits)


def _draw_residuals(ax: Axes, across: np.ndarray, residual: np.ndarray, deviation: float, dots: dict) -> None:
    ax.axhline(0, color=COLOR, linewidth=1.2, zorder=2)
    if is_finite(np.array(deviation)):
        label = f"± s = {deviation:.3g}"
        ax.axhspan(-deviation, deviation, color=COLOR, alpha=0.15, linewidth=0, zorder=1, label=label)
    ax.plot(across, _visible(residual), label="residual", zorder=3, **dots)
    everything = np.array([*residual, -deviation, deviation, 0])
    ax.set(ylabel="residual", ylim=_limits(everything, everything))


def _visible(values: np.ndarray) -> np.ndarray:
    return np.where(is_finite(values), values, np.nan)


def _limits(core: np.ndarray, everything: np.ndarray) -> tuple[float, float]:
    low, high = frame(core[:, None], everything[:, None])
    return float(low[0]), float(high[0])


def _title(best: xr.Dataset, problem: Problem, model: Model | None) -> list[str]:
    """The problem, its formula, and which fit was best."""
    text = model.formula.text if model else ""
    text = text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
    which = [str(best["variant"].item())] if "variant" in best.coords else []
    which += [f"start {best['start'].item()}"] if "start" in best.coords else []
    return [*problem_name({"problem": problem.name}), *filter(None, [text, ", ".join(which)])]


def _parameters(best: xr.Dataset, spread: xr.Dataset) -> list[str]:
    """``b1 = 238.9 ± 2.7``: the value to the second digit of its standard error."""
    rows = list(zip(spread["x_dim"].values, best["x"].values, spread["standard_error"].values, strict=True))
    words = [f"{axis_label('x', str(name), '')} = {_rounded(float(v), float(error))}" for name, v, error in rows[:MOST]]
    return [*words, f"and {len(rows) - MOST} more"] if len(rows) > MOST else words


def _rounded(value: float, error: float) -> str:
    if not (math.isfinite(value) and 0 < error < math.inf and value):
        return f"{value:.6g} ± {error:.2g}"
    digits = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 2
    return " ± ".join(f"{a:#.{n}g}".rstrip(".") for a, n in ((value, min(max(digits, 1), 12)), (error, 2)))
