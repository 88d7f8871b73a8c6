"""The steps of a trace as a movie."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from thalweg.analysis.components import Components
from thalweg.analysis.ground import drawn_points, find_ground
from thalweg.analysis.selection import judged_paths
from thalweg.analysis.view import evenly, is_finite, problem_name, with_units
from thalweg.chain.problem import Problem
from thalweg.plot.landscape import box_of, draw_surface, ground_words, stars, visible
from thalweg.plot.movie import Movie, settle
from thalweg.plot.paths import circle, draw_ground, has_minima, picked_components
from thalweg.plot.predictions import box, dots, read_observations
from thalweg.plot.style import PANEL, STAR, Look, canvas, color_scale, few_ticks, look, nested, square

View = Literal["contour", "surface", "curve", "predictions"]
MOST = 200  # paths in one panel
BEHIND = 0.3  # the opacity of what a surface hides
MANY = 20  # paths from which lines and markers get thin
Moving = tuple[Artist, Callable[[int], Any]]  # what moves, and how to show a frame


def animate(
    trace: xr.Dataset,
    problem: Problem | xr.Dataset | None = None,
    view: View | Sequence[View] = "contour",
    *,
    space: str = "x",
    components: Components | None = None,
    t: Any = None,
    observed: Any = None,
) -> Movie:
    """The trace as a movie, one frame for each recorded step; several views are panels side by side.

    - "contour": the paths growing over the contours of the loss, as ``plot.paths`` draws them; of a space of one
      component, the "curve".
    - "surface": the same on the loss as a surface.
    - "curve": points that slide on the loss over the one component of the space.
    - "predictions": the last space of the chain against ``t``, over what was ``observed``.

    A hollow circle is a start, a filled one where a path is; one whose numbers end stays at its last finite point. Of
    very many starts about 200 paths are drawn, evenly chosen; the title says how many, and the step.

    Args:
        trace: what ``run`` returned, or a selection of it.
        problem: the problem that was run, or what ``analysis.landscape`` returned of it; None draws paths, points and
            predictions alone.
        view: one view or several.
        space: the space of paths and points.
        components: for a space of more than two components, the pair to draw, by label or index.
        t, observed: for predictions, one number each for every component of the last space.
    Returns:
        The ``Movie``: ``movie.save(path)`` writes it, and a notebook shows it.
    Raises:
        ValueError: for an unknown view, a surface without problem or of one component, a curve of two components,
            predictions without ``t`` and ``observed``, and where ``plot.paths`` and ``plot.predictions`` do.
    """
    trace = judged_paths(trace, "loss")
    views = (view,) if isinstance(view, str) else tuple(view)
    for name in views or ("",):
        if name not in get_args(View):
            raise ValueError(f"view is {name!r}, but it is {', '.join(map(repr, get_args(View)))}; choose among them.")
    paths: list[str] = [name for name in views if name != "predictions"]
    picked = picked_components(trace, problem, space, components) if paths else []
    _check(paths, picked, problem, space)
    ground = find_ground(trace, problem, space, picked) if paths else None
    style, predicted = look(trace), _last_space(trace)
    marks = [Line2D([], [], linestyle="none", label="start", **circle())] if len(picked) == 2 else []
    if has_minima(ground):
        marks.append(Line2D([], [], linestyle="none", label="minimum", **STAR))
    if "predictions" in views:
        t, observed = read_observations(trace, *_given(t, observed), predicted)
        marks.append(Line2D([], [], label="observed", **dots(len(t))))
    figure, axes = canvas(
        len(views),
        [*style.entries, *marks],
        width=PANEL + 0.9 * (style.sweep is not None) / len(views) + 0.5 * ("surface" in views),
        projections=["3d" if name == "surface" else None for name in views],
    )
    moving: list[Moving] = []
    for ax, name in zip(axes, views, strict=True):
        if name == "predictions":
            moving += _predictions(ax, trace, style, predicted, t, observed)
        elif name == "surface":
            assert ground is not None
            moving += _surface(ax, trace, style, ground, space, picked)
        else:
            points, _, _ = draw_ground(ax, trace, problem, ground, space, picked)
            moving += _paths(ax, trace, style, points, trails=len(picked) == 2)
        few_ticks(ax)
    color_scale(figure, axes, style)
    moving.append(_counter(axes[0], trace))
    settle(figure)
    return Movie(figure, trace.sizes["step"], tuple(moving))


def _check(paths: list[str], picked: list[int], problem: Problem | xr.Dataset | None, space: str) -> None:
    if "surface" in paths and problem is None:
        raise ValueError("view is 'surface', but no problem was given to draw it of; give the problem that was run.")
    if "surface" in paths and len(picked) == 1:
        raise ValueError(f"view is 'surface', but {space} has one component; choose view='curve'.")
    if "curve" in paths and len(picked) == 2:
        raise ValueError(f"view is 'curve', but {space} has more than one component; choose view='contour'.")


def _given(t: Any, observed: Any) -> tuple[Any, Any]:
    for name, value in (("t", t), ("observed", observed)):
        if value is None:
            raise ValueError(f"view is 'predictions', but {name} is None; give t and observed, one number a component.")
    return t, observed


def _last_space(trace: xr.Dataset) -> str:
    """The last space of the chain: the trace has the spaces in their order before the loss."""
    names = [str(name) for name in trace]
    spaces = [name for name in names[: names.index("loss")] if f"{name}_dim" in trace[name].dims]
    return spaces[-1] if spaces else "y"


def _counter(ax: Axes, trace: xr.Dataset) -> Moving:
    """The title, whose last word is the step."""
    starts, shown = trace.sizes["start"], len(evenly(trace, MOST))
    notes = [*problem_name(trace.attrs), *[f"{shown} of {starts} starts"] * (shown < starts)]
    steps = trace["step"].values
    words = [", ".join([*notes, f"step {step}"]) for step in steps]
    title = ax.set_title(words[-1], fontsize=10)
    return title, lambda i: title.set_text(words[i])


def _paths(ax: Axes, trace: xr.Dataset, style: Look, points: np.ndarray, trails: bool) -> list[Moving]:
    """Paths over contours, or points on a curve."""
    square(ax)
    points = points[:, evenly(trace, MOST)]
    if trails:
        starts = np.unique(points[:, :, 0].reshape(-1, 2), axis=0)
        ax.plot(*starts.T, linestyle="none", zorder=4, label="start", **circle(_thin(points)))
    return _growing(ax, points, style, trails)


def _surface(
    ax: Any, trace: xr.Dataset, style: Look, ground: xr.Dataset, space: str, picked: list[int]
) -> list[Moving]:
    """Paths on the loss as a surface; what leaves its box is not drawn, what lies behind a hill is pale."""
    low, high = box_of(ground)
    draw_surface(ax, ground)
    *words, height = ground_words(ground)
    ax.set(xlabel=words[0], ylabel=words[1], xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.set_zlabel(height, labelpad=8)
    bottom, top = ax.get_zlim()
    points = drawn_points(trace, space, picked)
    points = np.concatenate([points, trace["loss"].values[..., None]], axis=-1)[:, evenly(trace, MOST)]
    inside = ((points >= [*low, bottom]) & (points <= [*high, top])).all(axis=-1, keepdims=True)
    points = np.where(inside, points, np.nan)
    if has_minima(ground):
        minima = np.column_stack([stars(ground), ground["minimum_loss"].values])
        front = visible(ax, ground, minima)
        ax.plot(*minima[front].T, linestyle="none", zorder=9, label="minimum", **STAR)
        ax.plot(*minima[~front].T, linestyle="none", zorder=9, alpha=BEHIND, label="_behind", **STAR)
    starts = np.unique(points[:, :, 0].reshape(-1, 3), axis=0)
    ax.plot(*starts.T, linestyle="none", zorder=9, label="start", **circle(_thin(points)))
    return _growing(ax, points, style, trails=True, front=visible(ax, ground, points))


def _thin(points: np.ndarray) -> float:
    return 0.45 if points.shape[0] * points.shape[1] > MANY else 1.0


def _growing(ax: Any, points: np.ndarray, style: Look, trails: bool, front: np.ndarray | None = None) -> list[Moving]:
    """Lines up to the step and markers at it, one of each for every variant: points (variant, start, step, 2 or 3).

    Of points that are not all in ``front`` each is drawn pale, and those in front once more.
    """
    thin = _thin(points)
    sizes = max(7 * thin, 0 if trails else 5) * nested(len(points))
    moving: list[Moving] = []
    for i, lanes in enumerate(points):
        label, pale = style.labels[i], 1.0 if front is None else BEHIND
        moving += _lane(
            ax, lanes, style, i, label if trails else "", "_heads" if trails else label, sizes[i], thin, pale
        )
        if front is not None:
            shown = np.where(front[i][..., None], lanes, np.nan)
            moving += _lane(ax, shown, style, i, "_front", "_front heads", sizes[i], thin, 1.0, jump=True)
    return moving


def _lane(
    ax: Any,
    lanes: np.ndarray,
    style: Look,
    i: int,
    trail_label: str,
    head_label: str,
    size: float,
    thin: float,
    pale: float,
    jump: bool = False,
) -> list[Moving]:
    """The line and the marker of one variant; the marker stays at the last finite point, or with ``jump`` is gone where
    there is none."""
    color, many = style.colors[i], thin < 1
    finite = np.asarray(is_finite(lanes).all(axis=-1))
    lanes = np.where(finite[..., None], lanes, np.nan)
    gap = np.full((len(lanes), 1, lanes.shape[-1]), np.nan)
    moving: list[Moving] = []
    if trail_label:
        line = {"linewidth": 1.8 * thin, "alpha": (0.6 if many else 0.9) * pale, "zorder": 10}
        flat = lanes.reshape(-1, lanes.shape[-1])
        (trail,) = ax.plot(*flat.T, color=color, linestyle=style.dashes[i], label=trail_label, **line)
        moving.append((trail, _trail(trail, lanes, gap)))
    last = np.maximum.accumulate(np.where(finite, np.arange(finite.shape[1]), 0), axis=1)
    heads = lanes if jump else np.take_along_axis(lanes, last[..., None], axis=1)
    head = {"linestyle": "none", "marker": "o", "markersize": size, "markeredgecolor": "white", "alpha": pale}
    head |= {"markeredgewidth": 0.3 if many else 0.5, "zorder": 11}
    (marker,) = ax.plot(*heads[:, -1].T, color=color, label=head_label, **head)
    moving.append((marker, _marker(marker, heads)))
    return moving


def _place(line: Any, points: np.ndarray) -> None:
    """The points of a line in two or three dimensions."""
    (line.set_data if points.shape[1] == 2 else line.set_data_3d)(*points.T)


def _trail(line: Line2D, lanes: np.ndarray, gap: np.ndarray) -> Callable[[int], None]:
    return lambda i: _place(line, np.concatenate([lanes[:, : i + 1], gap], axis=1).reshape(-1, lanes.shape[-1]))


def _marker(line: Line2D, heads: np.ndarray) -> Callable[[int], None]:
    return lambda i: _place(line, heads[:, i])


def _predictions(
    ax: Axes, trace: xr.Dataset, style: Look, space: str, t: np.ndarray, observed: np.ndarray
) -> list[Moving]:
    """What each path predicts at the step, one line for all starts of a variant."""
    order = np.argsort(t, kind="stable")
    values = trace[space].values[:, evenly(trace, MOST)][..., order].astype(float)
    values = np.where(is_finite(values), values, np.nan)
    ax.plot(t, observed, zorder=2, label="observed", **dots(len(t)))
    ax.set(xlabel="t", ylabel=with_units(space, trace[space].attrs.get("units", "")), **box(t, observed, values))
    square(ax)
    across = np.tile(np.append(t[order], np.nan), values.shape[1])
    values = np.concatenate([values, np.full((*values.shape[:-1], 1), np.nan)], axis=-1)  # a gap after each start
    width = 2.0 if values.shape[0] * values.shape[1] <= MANY else 0.7
    moving: list[Moving] = []
    for lanes, label, color, dash in zip(values, style.labels, style.colors, style.dashes, strict=True):
        (line,) = ax.plot(across, lanes[:, -1].ravel(), color=color, linestyle=dash, linewidth=width, zorder=3)
        line.set_label(label)
        moving.append((line, lambda i, line=line, lanes=lanes: line.set_ydata(lanes[:, i].ravel())))
    return moving
