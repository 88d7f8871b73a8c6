"""Figures of plotly as plain dictionaries: arrays, axes, heights and the colors of variants.

A color that begins with @ is a role, such as @ink; the page gives it the value of its theme.
"""

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import xarray as xr

from thalweg.analysis.view import PALETTE, is_finite, is_geometric, short, swept_hyperparameter

Figure = dict[str, Any]  # data, layout, and what the page says beside it

# Stops of matplotlib's plasma from 0 to 0.88, as plot.style has it.
SWEEP = (
    "#0d0887", "#38049a", "#5901a5", "#7a02a8", "#9613a1", "#b12a90",
    "#c6417d", "#d9586a", "#e87059", "#f58b47", "#fca636", "#fdc627",
)  # fmt: skip
ABSENT = "@quiet"  # a variant that does not have the swept hyperparameter
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star-diamond", "pentagon")
LEVELS = 20
WRITTEN = 5  # levels that the scale of a contour has in words


@final
@dataclass(frozen=True)
class Look:
    """How variants are told apart, as in ``plot.style``: a color, a dash and a symbol each."""

    labels: tuple[str, ...]
    colors: tuple[str, ...]
    dashes: tuple[str, ...]
    symbols: tuple[str, ...]
    swept: str = ""
    ends: tuple[float, float] = (0.0, 0.0)  # of the values of the swept hyperparameter


def look(data: xr.Dataset) -> Look:
    """One color of the palette for each variant; from eleven on, colors along the hyperparameter of most values."""
    labels = tuple(str(label) for label in data["variant"].values)
    many, swept = len(labels), swept_hyperparameter(data)
    symbols = tuple(SYMBOLS[i % len(SYMBOLS)] for i in range(many))
    if many <= len(PALETTE):
        return Look(labels, tuple(f"@{color}" for color in PALETTE[:many]), ("solid",) * many, symbols)
    if not swept:
        return Look(labels, tuple(map(along, np.linspace(0, 1, many))), ("solid",) * many, symbols)
    values = data[swept].values
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    wide = low > 0 and high > 10 * low
    place = (np.log(values / low) / np.log(high / low)) if wide else (values - low) / (high - low)
    colors = tuple(along(at) if np.isfinite(at) else ABSENT for at in place)
    names = [str(name) for name in data["method"].values]
    dash = {name: DASHES[i % len(DASHES)] for i, name in enumerate(dict.fromkeys(names))}
    return Look(labels, colors, tuple(dash[name] for name in names), symbols, swept, (low, high))


def along(share: float) -> str:
    """The color of a share from 0 to 1 of the way along the sweep."""
    stops = np.array([[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in SWEEP])
    mixed = [np.interp(share, np.linspace(0, 1, len(SWEEP)), channel) for channel in stops.T]
    return "#" + "".join(f"{round(channel):02x}" for channel in mixed)


def array(values: Any) -> dict[str, Any]:
    """Numbers as plotly reads them: base64 of little-endian floats, NaN where there is nothing to draw."""
    given = np.asarray(values)
    kept = given.astype("<f4" if given.dtype.itemsize <= 4 and given.dtype.kind == "f" else "<f8")
    kept = np.where(is_finite(kept), kept, kept.dtype.type(np.nan))
    packed = {"dtype": f"f{kept.dtype.itemsize}", "bdata": base64.b64encode(kept.tobytes()).decode()}
    return packed | ({"shape": ", ".join(map(str, kept.shape))} if kept.ndim > 1 else {})


def words(text: Any) -> str:
    """Text as plotly may have it, which reads a part of HTML, and %{…} as what to fill in."""
    return html.escape(str(text)).replace("%{", "% {")


def axis(title: str, ends: Sequence[float] | None = None, log: bool = False, **more: Any) -> dict[str, Any]:
    """An axis with its words and its range."""
    said: dict[str, Any] = {"title": {"text": words(title)}, "type": "log" if log else "linear", **more}
    if ends is not None:
        low, high = np.log10(ends) if log else ends
        said["range"] = [float(low), float(high)]
        if log and high - low > 2:
            said["dtick"] = int(-(-(high - low) // 6))
    return said


def figure(data: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any], **more: Any) -> Figure:
    return {"data": data, "layout": {"xaxis": x, "yaxis": y}, **more}


@final
@dataclass(frozen=True)
class Heights:
    """The loss over a grid as it is colored: the logarithm of the height above the lowest value, or the loss itself."""

    values: np.ndarray
    ends: tuple[float, float]
    step: float
    places: tuple[float, ...]  # on the scale beside it
    names: tuple[str, ...]

    @classmethod
    def of(cls, loss: np.ndarray) -> "Heights | None":
        """None where there is no relief."""
        loss = np.asarray(loss, float)
        finite = loss[np.isfinite(loss)]
        if not finite.size or np.ptp(finite) <= 1e-6 * np.abs(finite).max():
            return None
        lowest, heights = finite.min(), finite - finite.min()
        top, bottom = heights.max(), np.quantile(heights[heights > 0], 0.01)
        if np.median(heights) > 0.4 * top or bottom > 0.1 * top:
            ends = (lowest, lowest + top)
            values, places = loss, np.linspace(*ends, WRITTEN)
            names = [short(float(place)) for place in places]
        else:
            ends = (np.log10(bottom), np.log10(top))
            values = np.log10(np.maximum(loss - lowest, bottom / 10))
            ground = 0.0 if 0 <= lowest < bottom / 10 else lowest  # round numbers where the lowest value is nearly 0
            round_ = _round(*ends)
            places = np.log10(round_)
            names = [short(float(ground + height)) for height in round_]
        return cls(values, ends, (ends[1] - ends[0]) / LEVELS, tuple(map(float, places)), tuple(names))

    def scale(self, title: str) -> dict[str, Any]:
        """The color bar."""
        return {"title": {"text": words(title)}, "tickvals": list(self.places), "ticktext": list(self.names)}


def _round(low: float, high: float) -> np.ndarray:
    """Round numbers between two powers of ten: powers, or where these are few 2 and 5 times them."""
    first, last = int(np.ceil(low)), int(np.floor(high))
    if last - first >= 2:
        return 10.0 ** np.arange(first, last + 1, -(-(last - first) // (WRITTEN + 1)))
    fine = np.outer(10.0 ** np.arange(first - 1, last + 2), [1.0, 2.0, 5.0]).ravel()
    return fine[(fine >= 10.0**low) & (fine <= 10.0**high)]


def spread(values: np.ndarray) -> bool:
    """Whether values of a hyperparameter are drawn along their logarithm."""
    return is_geometric(np.unique(values))


def joined(lanes: np.ndarray) -> np.ndarray:
    """Rows of shape (lane, step) as one line with gaps between them."""
    gaps = np.full((len(lanes), 1), np.nan, lanes.dtype)
    return np.concatenate([lanes, gaps], axis=1).ravel()
