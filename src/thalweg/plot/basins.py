"""Which minimum each start reaches."""

from itertools import zip_longest
from typing import Any, NamedTuple, final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thalweg import analysis
from thalweg.analysis.components import some
from thalweg.analysis.selection import with_dims
from thalweg.analysis.view import MARGIN, PALETTE, axis_label, frame, problem_name, short, units_of
from thalweg.plot.style import PANEL, STAR, SWEEP, canvas, cell_edges, few_ticks, square

AREAS = tuple(color for color in PALETTE if color != "#000000")  # black would hide the edge of a star
NONE = "#bdbdbd"  # a start that reached no minimum
NOTHING = 1e-12  # of the largest component, which is none
CROSS = STAR | {"marker": "X", "markersize": 9, "color": "white"}
MARKS = {"minimum": STAR, "saddle": CROSS, "maximum": CROSS | {"marker": "v"}, "saddle_or_maximum": CROSS}
CROWDED = 0.57  # of the size of marks, where they are many
MARKED = 200  # ends beyond which their marks would hide the basins
MOST = 6  # panels in a row
SHARES = 4  # of the largest basins in a title
CROWD = 2000  # starts from which dots get small


@final
class Ends(NamedTuple):
    """Where basins lead to, by label."""

    x: np.ndarray  # (k, d)
    kinds: list[str]
    colors: list[Any]


def basins(labels: xr.Dataset, variant: str | None = None) -> Figure:
    """The starts in x, each in the color of the end it reached, gray where it reached none; stars are the minima.

    Where the starts are the grid of ``starts.grid(domain, n)`` each is a cell of an image, else a dot. Variants are
    panels side by side; with one component they are rows of one figure. Ends that are known to be saddle points are
    crosses, maxima triangles; where there are more than 200 ends, none is marked. Up to nine are in the legend, in the
    order of their labels, each with its share of the starts of every variant that is drawn; more are colored along
    their label, and titles have the largest shares. Titles have the entropies where these are known.

    Args:
        labels: what ``analysis.basins`` returned, or the fits or the trace that it judges.
        variant: the variant to draw; None draws all.
    Returns:
        The figure: one panel, or one for each variant.
    Raises:
        ValueError: for a Dataset without labels and starting points, for a variant that is not there, for more than
            six variants in two components, and for starts of more than two components.
    """
    fits = {"label", "loss", "x"} & set(getattr(labels, "data_vars", ())) == {"loss", "x"}
    labels = _checked(analysis.basins(labels) if fits else labels)
    chosen = _chosen(labels, variant)
    ends, first_x = _ends(labels), labels["first_x"].values.astype(float)
    few = len(ends.x) <= len(AREAS)
    shown, attributes = np.stack([one["label"].values for one in chosen]), labels["first_x"].attrs
    names = labels["x_dim"].values
    words = [axis_label("x", str(name), units_of(attributes, i, len(names))) for i, name in enumerate(names)]
    flat, many = first_x.shape[1] == 1, len(chosen)
    entries = _key(ends, chosen, bool((shown < 0).any()))
    room = 0.0 if few else 0.9 / many
    figure, axes = canvas(1 if flat else many, entries, width=6 if flat else PANEL + room)
    if flat:
        (ax,) = axes
        figure.set_figheight(max(1.5 + 0.45 * many, 0.27 * len(entries) + 0.3))
        _draw_strips(ax, first_x[:, 0], shown, ends)
        few_ticks(ax)
        ax.set_yticks(range(many), [_name(one) for one in chosen] if many > 1 else [""])
        ax.tick_params(axis="y", length=0)
        titles = ["\n".join(_title(chosen[0], few) if many == 1 else problem_name(labels.attrs))]
    else:
        n = int(labels.attrs.get("grid", 0))
        for ax, codes in zip(axes, shown, strict=True):
            (_draw_image if n * n == len(codes) else _draw_dots)(ax, first_x, codes, ends)
            ax.set_ylabel(words[1])
            square(ax)
            few_ticks(ax)
        titles = ["\n".join(_title(one, few)) for one in chosen]
    for ax, title in zip(axes, titles, strict=True):
        ax.set_xlabel(words[0])
        ax.set_title(title, fontsize=10 if many == 1 else 9)
    if not few:
        bounds = np.arange(len(ends.x) + 1) - 0.5
        scale = ScalarMappable(BoundaryNorm(bounds, len(ends.x)), ListedColormap(ends.colors))
        ticks = np.unique(np.linspace(0, len(ends.x) - 1, 6).astype(int))
        what = "minimum" if set(ends.kinds) == {"minimum"} else "end"
        bar = figure.colorbar(scale, ax=axes, label=f"label of the {what}", fraction=0.06, pad=0.02, ticks=ticks)
        bar.minorticks_off()
    return figure


def _checked(labels: xr.Dataset) -> xr.Dataset:
    """Labels and starting points along starts, also where one start was selected."""
    if not {"label", "minimum", "first_x"} <= set(getattr(labels, "variables", ())):
        raise ValueError(
            "the Dataset does not have label, minimum and first_x, but basins are drawn from them; "
            "give what analysis.basins returned."
        )
    if labels.sizes["x_dim"] > 2:
        raise ValueError(
            f"the starts have {labels.sizes['x_dim']} components, but basins are drawn in one or two; "
            "choose some, such as labels.isel(x_dim=[0, 1])."
        )
    return with_dims(labels, dict.fromkeys(("label", "first_x"), ("start",)))


def _chosen(labels: xr.Dataset, variant: str | None) -> list[xr.Dataset]:
    """The variants to draw, one Dataset each."""
    one_by_one = (
        [labels.isel(variant=i) for i in range(labels.sizes["variant"])] if "variant" in labels.dims else [labels]
    )
    names = [_name(one) for one in one_by_one]
    if variant is not None:
        if variant not in names:
            raise ValueError(f"variant is {variant!r}, but the labels have {some(names)}; choose one of them.")
        return [one_by_one[names.index(variant)]]
    if labels.sizes["x_dim"] == 2 and len(names) > MOST:
        raise ValueError(
            f"the labels have {len(names)} variants, but a figure has at most {MOST} panels; "
            f"choose one, such as variant={names[0]!r}."
        )
    return one_by_one


def _name(one: xr.Dataset) -> str:
    return str(one["variant"].item()) if "variant" in one.coords else ""


def _ends(labels: xr.Dataset) -> Ends:
    x = labels.get("end", labels["minimum"]).values.astype(float)
    colors = AREAS if len(x) <= len(AREAS) else [SWEEP(value) for value in np.linspace(0, 1, len(x))]
    words = ["minimum"] * len(x)
    if "kind" in labels:
        meanings = labels["kind"].attrs["flag_meanings"].split()
        words = [meanings[code] for code in labels["kind"].values]
    return Ends(x, words, list(colors[: len(x)]))


def _image(codes: np.ndarray, colors: list[Any]) -> dict[str, Any]:
    """The colors of labels for matplotlib: gray is -1."""
    scale = BoundaryNorm(np.arange(-1, len(colors) + 1) - 0.5, len(colors) + 1)
    return {"cmap": ListedColormap([NONE, *colors]), "norm": scale, "rasterized": True, "zorder": 1}


def _draw_image(ax: Axes, first_x: np.ndarray, codes: np.ndarray, ends: Ends) -> None:
    """The grid of starts, its last component running fastest: rows of the image are the second component."""
    n = round(len(codes) ** 0.5)
    sides = first_x[::n, 0], first_x[:n, 1]
    edges = [cell_edges(side) for side in sides]
    extent = (edges[0][0], edges[0][-1], edges[1][0], edges[1][-1])
    image = codes.reshape(n, n).T
    ax.imshow(
        image, origin="lower", extent=extent, aspect="auto", interpolation="nearest", **_image(codes, ends.colors)
    )
    _draw_marks(ax, ends)
    ax.set(xlim=extent[:2], ylim=extent[2:])


def _draw_dots(ax: Axes, first_x: np.ndarray, codes: np.ndarray, ends: Ends) -> None:
    size = 14 if len(codes) < CROWD else 3
    shades = np.array([NONE, *ends.colors], object)
    order = np.argsort(codes, kind="stable")  # those that reached none lie below
    ax.scatter(*first_x[order].T, c=list(shades[codes[order] + 1]), s=size, linewidths=0, zorder=1, rasterized=True)
    _draw_marks(ax, ends)
    low, high = frame(first_x, first_x)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def _draw_strips(ax: Axes, first_x: np.ndarray, shown: np.ndarray, ends: Ends) -> None:
    """One row of cells for each variant, the first on top."""
    order = np.argsort(first_x)
    edges = [cell_edges(np.unique(first_x)), np.arange(len(shown) + 1) - 0.5]
    cells = shown[:, order][:, np.unique(first_x[order], return_index=True)[1]]
    ax.pcolormesh(*edges, cells, **_image(cells, ends.colors))
    for row in range(len(shown)):
        _draw_marks(ax, ends._replace(x=np.column_stack([ends.x[:, 0], np.full(len(ends.x), row)])))
    room = MARGIN / 4 * np.ptp(edges[0])
    ax.set(xlim=(edges[0][0] - room, edges[0][-1] + room), ylim=(len(shown) - 0.5, -0.5))


def _draw_marks(ax: Axes, ends: Ends) -> None:
    for kind, mark in _marks(ends).items():
        at = ends.x[[word == kind for word in ends.kinds]]
        size = mark["markersize"] * (1 if len(ends.x) <= len(AREAS) else CROWDED)
        ax.plot(*at.T, linestyle="none", zorder=5, label=_named(kind), **mark | {"markersize": size})


def _marks(ends: Ends) -> dict[str, dict[str, Any]]:
    """How each kind that there is is drawn."""
    return {kind: mark for kind, mark in MARKS.items() if kind in ends.kinds and len(ends.x) <= MARKED}


def _named(kind: str) -> str:
    return kind.replace("_", " ").replace("saddle", "saddle point")


def _title(one: xr.Dataset, few: bool) -> list[str]:
    """The problem and the variant; the largest shares, unless all are in the legend; the entropies."""
    lines = [", ".join(filter(None, [*problem_name(one.attrs), _name(one)]))]
    if "share" in one and not few:
        shares = np.sort(one["share"].values)[::-1]
        more = f" and {len(shares) - SHARES} more" if len(shares) > SHARES else ""
        lines.append("shares " + ", ".join(f"{100 * share:.3g} %" for share in shares[:SHARES]) + more)
    kinds = {kind: float(one.get(f"{kind}_entropy", np.nan)) for kind in ("basin", "boundary")}
    known = [f"{kind} {value:.3g}" for kind, value in kinds.items() if np.isfinite(value)]
    if known:
        lines.append(f"entropy of the {', of the '.join(known)}")
    return [line for line in lines if line]


def _key(ends: Ends, chosen: list[xr.Dataset], lost: bool) -> list[Line2D]:
    """A square for each end with its place and its shares, of one variant after the other; what else there is."""
    dot = {"linestyle": "none", "marker": "s", "markersize": 8}
    entries = []
    if len(ends.x) <= len(AREAS):
        seen = np.where(np.abs(ends.x) < NOTHING * np.abs(ends.x).max(initial=0), 0, ends.x)
        places = [", ".join(short(value) for value in point) for point in seen]
        places = places if ends.x.shape[1] == 1 else [f"({place})" for place in places]
        shares = np.stack([one["share"].values for one in chosen], axis=1) if "share" in chosen[0] else []
        parts = [": " + ", ".join(f"{100 * share:.3g}" for share in row) + " %" for row in shares]
        texts = [place + part for place, part in zip_longest(places, parts, fillvalue="")]
        entries = [Line2D([], [], color=c, label=text, **dot) for c, text in zip(ends.colors, texts, strict=True)]
    entries += [Line2D([], [], color=NONE, label="none reached", **dot)] * lost
    return [*entries, *(Line2D([], [], linestyle="none", label=_named(k), **mark) for k, mark in _marks(ends).items())]
