"""Whether the residuals of a fit look like errors, and which observations it hangs on."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from thalweg import analysis
from thalweg.analysis.view import PALETTE, is_finite, limits, problem_name, with_units
from thalweg.chain.problem import Problem
from thalweg.plot.style import canvas, few_ticks

COLOR = PALETTE[0]
CROWD = 300  # observations from which markers get small
NAMED = 3  # observations that bear their number: those of the largest Cook's distance
LEVELS = (0.5, 1.0)  # of Cook's distance, that are drawn


def diagnostics(fits: xr.Dataset, problem: Problem | None = None) -> Figure:
    """Three views of the residuals of the best of the fits: over the prediction, over normal quantiles, over leverage.

    Residuals are standardized, e / (s sqrt(1 - h)): errors would lie within -2 and 2, the dashed lines, nineteen times
    of twenty, alike for all predictions; in the second panel along the line of equality if they are normal. In the
    third, lines are Cook's distances of 0.5 and 1, beyond which one observation moves the fit by much. The three of the
    largest distance bear their number, from 0.

    Args:
        fits: what ``solve`` returned, or a selection of it; or what ``analysis.diagnostics`` returned, which needs no
            problem.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
    Returns:
        The figure: standardized residuals, pure numbers, over the prediction in [y], and pure numbers.
    Raises:
        ValueError: as ``analysis.diagnostics`` does, and for another Dataset without a problem.
    """
    found = fits if problem is None else analysis.diagnostics(fits, problem)
    if not {"standardized_residual", "leverage", "normal_quantile"} <= set(getattr(found, "data_vars", ())):
        raise ValueError(
            "the Dataset has no standardized_residual, leverage and normal_quantile, but they are drawn; give the "
            "problem that was solved, or what analysis.diagnostics returned."
        )
    residual = _visible(found["standardized_residual"].values)
    figure, (first, second, third) = canvas(3)
    response, units = found.attrs["response"], found["predicted"].attrs.get("units", "")
    across = {
        first: (found["predicted"], with_units(f"predicted {response}", units)),
        second: (found["normal_quantile"], "normal quantile"),
        third: (found["leverage"], "leverage"),
    }
    far = np.argsort(-np.nan_to_num(found["cooks_distance"].values, nan=-1.0), kind="stable")[:NAMED]
    size = 4 if len(residual) < CROWD else 2.5
    for ax, (column, label) in across.items():
        x = _visible(column.values)
        ax.plot(x, residual, "o", color="0.3", markersize=size, label="residual", zorder=3)
        for i in far[is_finite(x[far]) & is_finite(residual[far])]:
            ax.annotate(
                str(found["observation"].values[i]), (x[i], residual[i]), (4, 4), textcoords="offset points", fontsize=8
            )
        span = np.array([*residual, -2.2, 2.2])
        ax.set(xlabel=label, ylabel="standardized residual", xlim=limits(x, x), ylim=limits(span, span))
        few_ticks(ax)
        ax.axhline(0, color=COLOR, linewidth=1.2, zorder=2, label="_zero")
    for side in (-2, 2):
        first.axhline(side, color=COLOR, linewidth=1, linestyle="--", zorder=1, label="_two")
    ends = np.array(second.get_xlim())
    second.plot(ends, ends, color=COLOR, linewidth=1.2, label="equal", zorder=2)
    _draw_distances(third, found["leverage"].values, int(found.attrs["parameters"]))
    for ax, title in zip(across, ("residuals", "normal Q-Q", "Cook's distance"), strict=True):
        ax.set_title(title, fontsize=10)
    figure.suptitle("\n".join(problem_name(found.attrs)), fontsize=11)
    return figure


def _draw_distances(ax: Axes, leverage: np.ndarray, p: int) -> None:
    """Lines r = sqrt(D p (1 - h) / h) of Cook's distances D, written at their right end."""
    ax.set_xlim(0, min(1.0, 1.1 * np.max(leverage[is_finite(leverage)], initial=0.1)))
    h = np.linspace(0, ax.get_xlim()[1], 201)[1:]
    for level in LEVELS:
        r = np.sqrt(level * p * np.maximum(1 - h, 0) / h)
        style: dict[str, Any] = {"color": PALETTE[1], "linewidth": 1, "linestyle": "--", "zorder": 1}
        for side in (-1, 1):
            ax.plot(h, side * r, label=f"distance {level:g}", **style)
            if abs(r[-1]) < abs(ax.get_ylim()[(side + 1) // 2]):
                at = (h[-1], side * r[-1])
                ax.annotate(f"{level:g}", at, (-2, 2), textcoords="offset points", fontsize=8, ha="right")


def _visible(values: np.ndarray) -> np.ndarray:
    return np.where(is_finite(values), values, np.nan)
