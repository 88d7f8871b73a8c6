"""Where a method ends up as a hyperparameter grows: points, cycles and chaos."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thalweg.analysis.components import index_of, some
from thalweg.analysis.view import (
    PALETTE,
    axis_label,
    is_finite,
    is_geometric,
    limits,
    problem_name,
    swept_hyperparameter,
    units_of,
)
from thalweg.plot.style import PANEL, Drawing, few_ticks

WIDTH = 7.5  # of the figure in inches
GROWTH = 1.2  # a path whose second half lies so many times farther out than the first is on its way out


def bifurcation(
    diagram: xr.Dataset,
    lyapunov: xr.DataArray | None = None,
    component: str | int | None = None,
    doublings: Sequence[float] | None = None,
) -> Figure:
    """The late iterates of each variant against its hyperparameter, and below them its Lyapunov exponents.

    One dot for each late iterate, one color for each method. The lower panel has a line for each exponent, its zero,
    and in color the range where the largest is positive: chaos. Both panels share the hyperparameter, which is on a
    logarithmic axis where its values are in geometric steps over more than a decade. The frame holds the iterates that
    stay, and follows those that run away a little further; the title counts variants without a finite iterate.

    Args:
        diagram: what ``analysis.bifurcation`` returned: x(variant, iterate, x_dim) and a swept hyperparameter.
        lyapunov: what ``analysis.lyapunov`` returned, dims variant and exponent, swept over the same hyperparameter.
        component: which component of x to draw, by label or index; None where there is one.
        doublings: values of the hyperparameter to draw a thin line at.
    Returns:
        The figure: the iterates in [x], and below them the exponents in 1/step, where they are given.
    Raises:
        ValueError: for a Dataset of other dims, for fewer than three values of the hyperparameter, for a component
            that does not exist, and for exponents without the hyperparameter.
    """
    swept = _swept(diagram)
    words, points = _iterates(diagram, component)
    if lyapunov is not None and (set(lyapunov.dims) != {"variant", "exponent"} or swept not in lyapunov.coords):
        raise ValueError(
            f"lyapunov has dims {', '.join(map(str, lyapunov.dims))} and coordinates "
            f"{', '.join(map(str, lyapunov.coords))}, but its variants and exponents are drawn along {swept}; "
            "give what analysis.lyapunov returned for the same sweep."
        )
    values = diagram[swept].values
    figure, axes = _panels(lyapunov is not None)
    top = axes[0]
    names = _methods(diagram)
    kinds = list(dict.fromkeys(names))
    ends = np.array([np.nanmin(values), np.nanmax(values)])
    _draw_iterates(top, values, points, names)
    top.set(ylabel=words, ylim=_that_stay(points))
    if lyapunov is not None:
        _draw_exponents(axes[1], lyapunov, swept)
    log = is_geometric(np.unique(values[np.isfinite(values)]))
    axes[-1].set(xlabel=swept.replace("_", " "), xscale="log" if log else "linear", xlim=ends)
    for ax in axes:
        few_ticks(ax)
        for value in () if doublings is None else np.ravel(doublings):
            ax.axvline(value, color="0.55", linewidth=0.6, zorder=1, label="_doubling")
    lost = int((~is_finite(points)).all(axis=1).sum())
    notes = [f"no finite iterate: {lost} of {len(points)} variants"] * (lost > 0)
    top.set_title("\n".join(filter(None, [_name(diagram, kinds), *notes])), fontsize=10)
    if len(kinds) > 1:
        dots = {"linestyle": "none", "marker": "o", "markersize": 5}
        entries = [
            Line2D([], [], color=color, label=name, **dots) for color, name in zip(_colors(kinds), kinds, strict=True)
        ]
        figure.legend(handles=entries, loc="outside right upper", fontsize=9, frameon=False)
    figure.align_ylabels(axes)
    return figure


def _swept(diagram: xr.Dataset) -> str:
    if not {"variant", "iterate", "x_dim"} <= set(getattr(diagram, "dims", ())) or "x" not in diagram:
        raise ValueError(
            f"the Dataset has dims {', '.join(map(str, getattr(diagram, 'dims', ())))}, but a diagram has x by "
            "variant, iterate and x_dim; give what analysis.bifurcation returned."
        )
    swept = swept_hyperparameter(diagram)
    if not swept:
        raise ValueError(
            "no hyperparameter of the diagram has three different values, but it is drawn along one; "
            "sweep one, such as sweep(method, learning_rate=np.linspace(0.02, 0.2, 800))."
        )
    return swept


def _iterates(diagram: xr.Dataset, component: str | int | None) -> tuple[str, np.ndarray]:
    """The name of the component, and its iterates in float64, shape (variant, iterate)."""
    labels = [str(label) for label in diagram["x_dim"].values]
    index = 0 if component is None and len(labels) == 1 else index_of(labels, -1 if component is None else component)
    if index is None:
        raise ValueError(
            f"component is {component!r}, but x has {some(labels)}; choose one of these labels or an index."
        )
    x = diagram["x"].transpose("variant", "iterate", "x_dim")
    return axis_label("x", labels[index], units_of(x.attrs, index, len(labels))), x.values[..., index].astype(float)


def _panels(two: bool) -> tuple[Figure, list[Axes]]:
    figure = Drawing(figsize=(WIDTH, PANEL * (1.4 if two else 1.1)), layout="constrained")
    ratios = (2.4, 1) if two else (1,)
    return figure, list(figure.subplots(1 + two, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0])


def _methods(data: xr.Dataset | xr.DataArray) -> np.ndarray:
    return np.asarray(data["method"].values if "method" in data.coords else [""] * data.sizes["variant"], str)


def _colors(kinds: Sequence[str]) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(len(kinds))]


def _name(diagram: xr.Dataset, kinds: list[str]) -> str:
    return ", ".join(filter(None, [*problem_name(diagram.attrs), kinds[0] if len(kinds) == 1 else ""]))


def _draw_iterates(ax: Axes, values: np.ndarray, points: np.ndarray, names: np.ndarray) -> None:
    """One dot an iterate, the smaller and paler the more there are: 400,000 draw in a fraction of a second."""
    size = float(np.clip(400 / len(values), 0.8, 3))
    dot = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgewidth": 0, "rasterized": True}
    alpha = float(np.clip(60 / points.shape[1] * 400 / len(values), 0.12, 0.6))
    kinds = list(dict.fromkeys(names))
    for kind, color in zip(kinds, _colors(kinds), strict=True):
        ours = names == kind
        across, heights = np.repeat(values[ours], points.shape[1]), points[ours].ravel()
        shown = is_finite(heights)
        ax.plot(across[shown], heights[shown], color=color, alpha=alpha, zorder=2, label=kind, **dot)


def _that_stay(points: np.ndarray) -> tuple[float, float]:
    """The vertical range: of the iterates that do not run away, and some way on."""
    finite = is_finite(points)
    middle = np.median(points[finite]) if finite.any() else 0.0
    reach = np.where(finite, np.abs(points - middle), np.inf)
    first, second = (half.max(axis=1, initial=0) for half in np.array_split(reach, 2, axis=1))
    stays = np.isfinite(first + second) & (second <= GROWTH * first + 1e-12 * abs(middle))
    return limits(points[stays], points)


def _draw_exponents(ax: Axes, lyapunov: xr.DataArray, swept: str) -> None:
    lyapunov = lyapunov.transpose("variant", "exponent")
    names, values = _methods(lyapunov), lyapunov[swept].values
    kinds = list(dict.fromkeys(names))
    for kind, color in zip(kinds, _colors(kinds), strict=True):
        ours = np.flatnonzero(names == kind)
        ours = ours[np.argsort(values[ours])]
        across, exponents = values[ours], lyapunov.values[ours].astype(float)
        exponents = np.where(is_finite(exponents), exponents, np.nan)
        ax.plot(across, exponents[:, 0], color=color, linewidth=0.9, zorder=3, label=kind)
        for other in exponents.T[1:]:
            ax.plot(across, other, color=color, linewidth=0.7, alpha=0.55, zorder=2, label="_smaller")
        ax.fill_between(
            across, 0, exponents[:, 0], where=exponents[:, 0] > 0, interpolate=True, color="#D55E00", alpha=0.3,
            linewidth=0, zorder=1, label="_chaos",
        )  # fmt: skip
    ax.axhline(0, color="0.3", linewidth=0.8, zorder=2, label="_zero")
    everything = lyapunov.values[is_finite(lyapunov.values)]
    if everything.size:  # a superstable cycle has an exponent of minus infinity
        low, high = np.quantile(everything, 0.03), max(everything.max(), 0)
        room = 0.12 * (high - low) or 1.0
        ax.set_ylim(min(low, 0) - room, high + room)
    ax.set_ylabel(f"Lyapunov exponent{'s' * (lyapunov.shape[1] > 1)}\n[1/step]")  # in one line longer than its panel
