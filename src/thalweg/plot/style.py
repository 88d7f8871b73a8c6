"""What all figures share: the colors of variants, the legend, the words on axes, the box to look at."""

from collections.abc import Sequence
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

from thalweg.analysis.view import (
    PALETTE,
    is_geometric,
    short,
    swept_hyperparameter,
)

SWEEP = LinearSegmentedColormap.from_list("sweep", colormaps["plasma"](np.linspace(0, 0.88, 256)))
ABSENT = "0.45"  # a variant that does not have the swept hyperparameter
DASHES: tuple[Any, ...] = ("-", "--", ":", "-.")
PANEL = 4.3  # side of one panel in inches
DECADES = 7  # that are written on one axis
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


def cell_edges(values: np.ndarray) -> np.ndarray:
    """The edges halfway between neighbors, shape (n + 1,): of values in geometric steps, halfway in the logarithm."""
    if is_geometric(values):
        return np.exp(cell_edges(np.log(values)))
    if len(values) == 1:
        return values[0] + np.array([-0.5, 0.5])
    middles = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middles[0]], middles, [2 * values[-1] - middles[-1]]])
