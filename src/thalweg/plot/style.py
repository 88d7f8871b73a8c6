"""What all figures share: the colors of variants, the legend, the words on axes, the box to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, final

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogFormatterMathtext, MaxNLocator, NullLocator, ScalarFormatter

from thalweg.analysis.landscape import HUGE  # beyond which matplotlib's own arithmetic would overflow, too

# The colors of Okabe and Ito (2008) without their yellow, too pale for a line, then wine, olive and indigo of Paul Tol.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#999933", "#332288",
)  # fmt: skip
SWEEP = LinearSegmentedColormap.from_list("sweep", colormaps["plasma"](np.linspace(0, 0.88, 256)))
ABSENT = "0.45"  # a variant that does not have the swept hyperparameter
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.")
PANEL = 4.3  # side of one panel in inches
REACH = 1.0  # how many widths of its core a frame follows paths that run away
MARGIN = 0.08
ROOM = 0.05  # of the decades of a logarithmic axis, beyond what it holds
DECADES = 7  # that are written on one axis
CEILING = 1e3  # how far above what it must hold a logarithmic axis goes
STAR: dict[str, Any] = {"marker": "*", "markersize": 14, "color": "#F0E442", "markeredgecolor": "black"}


@final
@dataclass(frozen=True)
class Look:
    """How the variants of a trace are told apart: a color and a dash each, by name or along a swept hyperparameter."""

    labels: tuple[str, ...]
    colors: tuple[Any, ...]
    dashes: tuple[Any, ...]
    entries: tuple[Line2D, ...]
    sweep: ScalarMappable | None = None
    swept: str = ""


def look(trace: xr.Dataset) -> Look:
    """One color of the palette for each variant; from eleven on, colors along the hyperparameter of most values."""
    labels = tuple(str(label) for label in trace["variant"].values)
    many, swept = len(labels), swept_hyperparameter(trace)
    if many <= len(PALETTE) or not swept:
        colors = PALETTE[:many] if many <= len(PALETTE) else tuple(SWEEP(np.linspace(0, 1, many)))
        entries = tuple(Line2D([], [], color=c, label=label) for c, label in zip(colors, labels, strict=True))
        return Look(labels, colors, ("-",) * many, entries)
    values = trace[swept].values
    known = values[np.isfinite(values)]
    wide = known.min() > 0 and known.max() > 10 * known.min()
    mappable = ScalarMappable((LogNorm if wide else Normalize)(known.min(), known.max()), SWEEP)
    colors = tuple(mappable.to_rgba(value) if np.isfinite(value) else ABSENT for value in values)
    methods = [str(name) for name in trace["method"].values]
    dash = {name: DASHES[i % len(DASHES)] for i, name in enumerate(dict.fromkeys(methods))}
    entries = tuple(Line2D([], [], color="0.2", linestyle=style, label=name) for name, style in dash.items())
    return Look(labels, colors, tuple(dash[name] for name in methods), entries, mappable, swept)


def swept_hyperparameter(trace: xr.Dataset | xr.DataArray) -> str:
    """The numeric coordinate of variants with most different values, at least three; "" where there is none."""
    counts = {
        str(name): np.unique(column.values[np.isfinite(column.values)]).size
        for name, column in trace.coords.items()
        if column.dims == ("variant",) and column.dtype.kind == "f"
    }
    name = max(counts, key=lambda name: counts[name], default="")
    return name if counts.get(name, 0) > 2 else ""


@final
class Drawing(Figure):
    """A figure that a notebook shows where it is the last line of a cell, whether matplotlib is switched on there or
    not; a ``Figure`` in all else."""

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png", dpi=self.dpi)
        return picture.getvalue()


def canvas(
    panels: int = 1, entries: Sequence[Artist] = (), width: float = PANEL, projections: Sequence[str | None] = ()
) -> tuple[Figure, list[Axes]]:
    """A figure with a row of panels and, on its right, room for a legend of ``entries``.

    Made without pyplot, which would keep every figure alive and is not for threads.
    """
    longest = max((len(str(entry.get_label())) for entry in entries), default=0)
    columns = -(-len(entries) // 24)
    room = columns * (0.075 * longest + 0.6) if entries else 0.0
    figure = Drawing(figsize=(panels * width + room + 0.3, PANEL), layout="constrained")
    axes = [
        figure.add_subplot(1, panels, i + 1, projection=projection)
        for i, projection in enumerate(projections or [None] * panels)
    ]
    if entries:
        figure.legend(handles=list(entries), loc="outside right upper", fontsize=9, frameon=False, ncols=columns)
    return figure, axes


def color_scale(figure: Figure, axes: list[Axes], style: Look) -> None:
    """A color bar for variants that are colored along a hyperparameter."""
    if style.sweep is not None:
        figure.colorbar(style.sweep, ax=axes, label=style.swept.replace("_", " "), fraction=0.06, pad=0.02)


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


def stars_of(places: np.ndarray, width: float) -> dict[str, Any]:
    """Stars at these places along an axis, smaller where there are many or they are close together."""
    gap = np.median(np.diff(np.sort(places))) / width * 64 * PANEL if len(places) > 1 else np.inf  # in points
    return STAR | {"markersize": float(np.clip(min(14 * (6 / max(len(places), 1)) ** 0.5, gap), 5, 14))}


def square(ax: Axes) -> None:
    """A square panel at the right of its place, beside the legend."""
    ax.set_box_aspect(1)
    ax.set_anchor("E")


def nested(many: int) -> np.ndarray:
    """Factors of the sizes of markers that may lie on one point, the first largest and below: each stays visible."""
    return np.linspace(1 + 0.35 * min(many - 1, 4), 1, many)


def few_decades(axis: Axis, linthresh: float, linscale: float, high: float) -> None:
    """Ticks of a symlog axis from 0 to ``high``: 0 and powers of ten, of which those are left out that would be written
    over each other; where there are few, 2 and 5 times them too."""
    first, last = (int(np.floor(np.log10(value) + 1e-9)) for value in (linthresh, high))
    powers = np.arange(last, first - 1, -max(1, -(-(last - first + 1) // DECADES)))[::-1]
    factors = np.array([1.0, 2.0, 5.0] if len(powers) <= 2 else [1.0])
    ticks = np.sort(np.outer(10.0**powers, factors).ravel())
    place = (np.log10(ticks / linthresh) + linscale) / (np.log10(high / linthresh) + linscale)
    ticks = ticks[(place > 0.08) & (ticks >= 0.999 * linthresh) & (ticks <= high)]
    axis.set_major_locator(FixedLocator([0.0, *ticks]))
    axis.set_minor_locator(NullLocator())
    power = LogFormatterMathtext()
    axis.set_major_formatter(lambda value, _: short(value) if value == 0 or len(factors) > 1 else power(value))


def few_ticks(ax: Axes) -> None:
    """About six numbers on each linear axis, a common power of ten written once at its end."""
    for axis in filter(None, (ax.xaxis, ax.yaxis, getattr(ax, "zaxis", None))):
        if axis.get_scale() == "linear":
            axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
            words = ScalarFormatter(useMathText=True)
            words.set_powerlimits((-3, 4))
            axis.set_major_formatter(words)


def is_geometric(values: np.ndarray) -> bool:
    """Whether the values, ascending, span more than a decade in steps that are more even in the logarithm."""
    if len(values) < 3 or values[0] <= 0 or values[-1] <= 10 * values[0]:
        return False
    unevenness = [np.std(steps) / np.mean(steps) for steps in (np.diff(values), np.diff(np.log(values)))]
    return bool(unevenness[1] < unevenness[0])


def cell_edges(values: np.ndarray) -> np.ndarray:
    """The edges halfway between neighbors, shape (n + 1,): of values in geometric steps, halfway in the logarithm."""
    if is_geometric(values):
        return np.exp(cell_edges(np.log(values)))
    if len(values) == 1:
        return values[0] + np.array([-0.5, 0.5])
    middles = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middles[0]], middles, [2 * values[-1] - middles[-1]]])


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
