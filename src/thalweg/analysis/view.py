"""What pictures of a Dataset share, whatever draws them: colors of variants, words on axes, the box to look at."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from thalweg.analysis.landscape import HUGE  # beyond which matplotlib's own arithmetic would overflow, too

# The colors of Okabe and Ito (2008) without their yellow, too pale for a line, then wine, olive and indigo of Paul Tol.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#999933", "#332288",
)  # fmt: skip
REACH = 1.0  # how many widths of its core a frame follows paths that run away
MARGIN = 0.08
ROOM = 0.05  # of the decades of a logarithmic axis, beyond what it holds
CEILING = 1e3  # how far above what it must hold a logarithmic axis goes


def swept_hyperparameter(trace: xr.Dataset | xr.DataArray) -> str:
    """The numeric coordinate of variants with most different values, at least three; "" where there is none."""
    counts = {
        str(name): np.unique(column.values[np.isfinite(column.values)]).size
        for name, column in trace.coords.items()
        if column.dims == ("variant",) and column.dtype.kind == "f"
    }
    name = max(counts, key=lambda name: counts[name], default="")
    return name if counts.get(name, 0) > 2 else ""


def axis_label(space: str, component: str, units: str) -> str:
    """``x0 [m]`` for component 0 of a vector x, ``y1[0]`` of a vector y1, a pytree's own names as they are."""
    if component.isdigit() and not space[-1].isdigit():
        component = f"{space}{component}"
    elif component[0].isdigit():
        component = f"{space}[{component}]"
    return with_units(component, units)


def units_of(attributes: Mapping[Any, Any], index: int, many: int) -> str:
    """The units of one component of a space of so many: those of all, or one each, with commas between."""
    units = str(attributes.get("units", ""))
    each = units.split(",")
    return each[index].strip() if len(each) == many else units


def with_units(name: str, units: str) -> str:
    return f"{name} [{units}]" if units else name


def short(value: float, _: int | None = None) -> str:
    """A number in three digits, as matplotlib's ticks are written."""
    words = f"{value:.0f}" if 1e3 <= abs(value) < 1e5 else f"{value:.3g}"
    return words.replace("-", "\N{MINUS SIGN}")


def problem_name(attributes: Mapping[Any, Any]) -> list[str]:
    """The name of the problem for a title; none where it was not given one."""
    name = attributes.get("problem", "problem")
    return [] if name == "problem" else [name]


def evenly(trace: xr.Dataset, most: int) -> np.ndarray:
    """The starts to draw, so that all variants together have at most about ``most`` lines."""
    starts = trace.sizes["start"]
    return np.linspace(0, starts - 1, min(starts, max(1, most // trace.sizes["variant"]))).astype(int)


def is_finite(values: np.ndarray) -> np.ndarray:
    return np.abs(np.asarray(values, float)) < HUGE


def frame(core: np.ndarray, everything: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The box (low, high) to look at, shapes (k,): ``core`` and ``everything`` within one width of it, with a margin.

    Both are points of shape (n, k), of which only finite ones count. Where the sides are of like length they are made
    the same, so that a gradient stands at right angles on its contour.
    """
    core, everything = (points[is_finite(points).all(1)] for points in (core, everything))
    if not len(core):
        core = everything if len(everything) else np.zeros((1, core.shape[1]))
    low, high = core.min(0), core.max(0)
    reach = REACH * (high - low)
    if len(everything):
        low, high = (
            np.maximum(np.minimum(low, everything.min(0)), low - reach),
            np.minimum(np.maximum(high, everything.max(0)), high + reach),
        )
    middle, half = (low + high) / 2, (high - low) / 2
    flat = half <= 1e-6 * np.abs(middle)  # no wider than rounding in float32
    half = np.where(flat, np.where(middle == 0, 1, 0.5 * np.abs(middle)), (1 + 2 * MARGIN) * half)
    if half.max() <= 2 * half.min():
        half = np.full_like(half, half.max())
    return middle - half, middle + half


def limits(core: np.ndarray, everything: np.ndarray, log: bool = False) -> tuple[float, float]:
    """The range of one axis, as ``frame`` has it; a logarithmic one holds all down to the lowest of ``everything``, and
    up to ``CEILING`` times the highest of ``core``. Both are finite, of a logarithmic axis positive."""
    if log:
        return log_limits(everything.min(), min(everything.max(), CEILING * core.max()))
    low, high = frame(np.ravel(core)[:, None], np.ravel(everything)[:, None])
    return float(low[0]), float(high[0])


def log_limits(low: float, high: float) -> tuple[float, float]:
    """The range of a logarithmic axis that holds ``low`` and ``high``, with some room."""
    beyond = room(low, high)
    return float(low / beyond), float(high * beyond)


def room(low: float, high: float, least: float = 1.5) -> float:
    """By which factor a logarithmic axis goes beyond what it holds."""
    return float(max((high / low) ** ROOM, least))


def is_wide(values: np.ndarray) -> bool:
    """Whether a logarithmic axis suits: no finite value is negative, and the positive ones span over two decades."""
    finite = values[is_finite(values)]
    positive = finite[finite > 0]
    return bool(positive.size and finite.min() >= 0 and positive.max() > 100 * positive.min())


def is_geometric(values: np.ndarray) -> bool:
    """Whether the values, ascending, span more than a decade in steps that are more even in the logarithm."""
    if len(values) < 3 or values[0] <= 0 or values[-1] <= 10 * values[0]:
        return False
    unevenness = [np.std(steps) / np.mean(steps) for steps in (np.diff(values), np.diff(np.log(values)))]
    return bool(unevenness[1] < unevenness[0])
