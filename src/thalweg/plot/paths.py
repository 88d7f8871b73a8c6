"""Contours of the loss and the paths over them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thalweg.analysis.components import Components, looked_at
from thalweg.analysis.ground import cores, drawn_points, find_ground
from thalweg.analysis.landscape import find_space
from thalweg.analysis.selection import judged_paths
from thalweg.analysis.view import axis_label, evenly, frame, is_finite, problem_name, units_of, with_units
from thalweg.chain.problem import Problem
from thalweg.plot.landscape import CURVE, box_of, check_ground, draw_relief, drawn_dims, stars
from thalweg.plot.style import PANEL, STAR, Look, canvas, color_scale, few_ticks, look, square, stars_of

MANY = 20  # paths from which lines and markers get thin
MOST = 1000  # paths in one panel
CROWD = 20_000  # points in one panel beyond which markers of steps would hide everything
PIXELS = 2000  # along each side of a panel, finer than any print
SHORT = 40  # recorded rows up to which every step has its dot
APART = 1 / 45  # of a side of a panel, nearer than which dots of steps run together: one has 1 / 80
PIECE = 500  # points of a long path that are drawn at once


def paths(
    trace: xr.Dataset,
    problem: Problem | xr.Dataset | None = None,
    space: str | Sequence[str] = "x",
    components: Components | None = None,
) -> Figure:
    """The paths of all variants and starts in a space of the chain, over the contours of the loss there.

    In x the contours are those of L(x), in the last space of the chain those of the loss itself, and between them those
    of the loss of the rest of the chain; some have their loss written on them. A hollow circle marks each start, small
    dots the steps (of long paths, those that do not run together), a filled circle the last finite point, a star each
    known minimum (in a later space, its image). The frame holds the starts, the minima and all that is no worse than
    its start; a path that runs away leaves it. A space of one component is drawn as the loss against it. Of very many
    starts, about 1000 paths are drawn, evenly chosen; the title says how many.

    Args:
        trace: what ``run`` returned, or a selection of it.
        problem: the problem that was run; or, for one space, what ``analysis.landscape`` returned of it, whose box is
            then that of the figure, and nothing is computed; None draws the paths alone.
        space: the name of a space, or several for panels side by side.
        components: for spaces of more than two components, the pair to draw, by label or index. The contours are then
            a slice through the best point of the trace.
    Returns:
        The figure, a panel for each space, in the units of that space.
    Raises:
        ValueError: for a Dataset without loss by step, where the trace or the problem does not have the space, and for
            a space of more than two components without ``components``.
    """
    trace = judged_paths(trace, "loss")
    names = [space] if isinstance(space, str) else list(space)
    picked = [picked_components(trace, problem, name, components) for name in names]
    grounds = [find_ground(trace, problem, *panel) for panel in zip(names, picked, strict=True)]
    style = look(trace)
    marks = [Line2D([], [], linestyle="none", label="start", **circle())]
    if any(has_minima(ground) for ground in grounds):
        marks.append(Line2D([], [], linestyle="none", label="minimum", **STAR))
    room = 0.9 / len(names) if style.sweep is not None else 0.0
    figure, axes = canvas(len(names), [*style.entries, *marks], width=PANEL + room)
    for ax, name, indices, ground in zip(axes, names, picked, grounds, strict=True):
        points, low, high = draw_ground(ax, trace, problem, ground, name, indices)
        _draw_lanes(ax, points[:, evenly(trace, MOST)], style, (high - low) / PIXELS, flat=len(indices) == 1)
        few_ticks(ax)
        square(ax)
        ax.set_title(_title(trace, ground, name, alone=len(names) == 1), fontsize=10)
    color_scale(figure, axes, style)
    return figure


def picked_components(
    trace: xr.Dataset, problem: Problem | xr.Dataset | None, name: str, components: Components | None
) -> list[int]:
    """The indices of the components to draw; ValueError where trace and problem have other spaces."""
    known = [str(key) for key, variable in trace.items() if f"{key}_dim" in variable.dims]
    if name not in known:
        raise ValueError(f"space is {name!r}, but the trace has {', '.join(known)}; choose one of them.")
    labels = [str(label) for label in trace[f"{name}_dim"].values]
    if isinstance(problem, xr.Dataset):
        return _picked_by(problem, labels, name)
    if problem is not None and list(find_space(problem, name).labels) != labels:
        raise ValueError(
            f"{name} has {len(labels)} components in the trace, which are not the {find_space(problem, name).size} of "
            f"{problem.name!r}; give the problem that was run."
        )
    return looked_at(labels, components, name)


def _picked_by(ground: xr.Dataset, labels: list[str], name: str) -> list[int]:
    """The components of a landscape that was given."""
    check_ground(ground)
    if ground.attrs["space"] != name or [str(label) for label in ground[f"{name}_dim"].values] != labels:
        raise ValueError(
            f"the landscape is in {ground.attrs['space']} of {ground.attrs.get('problem', 'problem')!r}, which is not "
            f"{name} of the trace; give analysis.landscape(problem, space={name!r}) of the problem that was run."
        )
    return [int(ground[dim].attrs["index"]) for dim in drawn_dims(ground)]


def has_minima(ground: xr.Dataset | None) -> bool:
    return ground is not None and ground.sizes["point"] > 0


def _title(trace: xr.Dataset, ground: xr.Dataset | None, name: str, alone: bool) -> str:
    title = ", ".join(problem_name(trace.attrs) + ([] if alone else [name]))
    sliced = ground is not None and trace.sizes[f"{name}_dim"] > 2
    starts, shown = trace.sizes["start"], len(evenly(trace, MOST))
    notes = ["slice through the best point"] * sliced + [f"{shown} of {starts} starts"] * (shown < starts)
    return "\n".join(filter(None, [title, ", ".join(notes)]))


def draw_ground(
    ax: Axes,
    trace: xr.Dataset,
    problem: Problem | xr.Dataset | None,
    ground: xr.Dataset | None,
    name: str,
    picked: list[int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All that lies under paths: contours, or the loss against one component, minima, and the limits of the axes.

    Returns what is drawn of the trace, shape (variant, start, step, 2), and the box (low, high).
    """
    column, loss, flat = trace[name], trace["loss"], len(picked) == 1
    labels = column[f"{name}_dim"].values
    points = drawn_points(trace, name, picked)
    words = [axis_label(name, str(labels[i]), units_of(column.attrs, i, len(labels))) for i in picked]
    if flat:
        words.append(with_units("loss", loss.attrs.get("units", "")))
    minima = np.empty((0, 2)) if ground is None else stars(ground)
    domain = problem.domain if isinstance(problem, Problem) else None
    core, everything = cores(trace, points, minima, domain)
    if ground is None:
        low, high = frame(core[:, : len(picked)], everything[:, : len(picked)])
    else:
        low, high = box_of(ground)
        if flat:
            line = np.column_stack([ground["first"].values, ground["loss"].values])
            ax.plot(*line.T, label="loss", **CURVE)
            everything = np.concatenate([everything, line])
        else:
            draw_relief(ax, ground, written=True)
    if flat:
        bottom, top = frame(core[:, 1:], everything[:, 1:])
        low, high = np.append(low, bottom), np.append(high, top)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=words[0], ylabel=words[1])
    if len(minima):
        stars_here = stars_of(minima[:, 0], high[0] - low[0]) if flat else STAR
        ax.plot(*minima.T, linestyle="none", zorder=5, label="minimum", **stars_here)
    return points, low, high


def circle(scale: float = 1.0) -> dict[str, Any]:
    edge = {"markeredgecolor": "black", "markeredgewidth": 1.1 * scale}
    return {"marker": "o", "markersize": 8 * scale, "markerfacecolor": "none", **edge}


def _draw_lanes(ax: Axes, points: np.ndarray, style: Look, pixel: np.ndarray, flat: bool) -> None:
    """Lines, steps and ends of each variant, points of shape (variant, start, step, 2), and the starts.

    In one component lines are chords across the curve of the loss, and no more than hints of what follows what.
    """
    crowded = points[..., 0].size > CROWD
    many = points.shape[0] * points.shape[1] > MANY
    thin = 0.45 if many else 1.0
    line = {"linewidths": 1.5 * thin, "alpha": 0.6 if many else 0.9, "zorder": 3}
    line |= {"linewidths": 0.5, "alpha": 0.35} if flat else {}
    round_ = {"linestyle": "none", "marker": "o", "markeredgecolor": "white"}
    dot = {**round_, "markersize": 3.6 * thin, "markeredgewidth": 0, "zorder": 3}
    end = {**round_, "markersize": 7 * thin, "markeredgewidth": 0 if many else 0.8, "zorder": 4}
    for lanes, label, color, dash in zip(points, style.labels, style.colors, style.dashes, strict=True):
        segments = [piece for lane in lanes for piece in _pieces(lane, pixel)] if crowded else list(lanes)
        collection = LineCollection(segments, colors=[color], linestyles=dash, label=label, **line)
        ax.add_collection(collection, autolim=False)
        if not crowded:
            steps = lanes.reshape(-1, 2)
            steps = _apart(steps, APART * PIXELS * pixel) if lanes.shape[1] > SHORT else steps
            ax.plot(*steps.T, color=color, label="_steps", **dot)
        ax.plot(*_ends(lanes).T, color=color, label="_ends", **end)
    starts = np.unique(points[:, :, 0].reshape(-1, 2), axis=0)
    ax.plot(*starts.T, linestyle="none", zorder=4, label="start", **circle(thin))


def _apart(points: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """The first point of each cell, and of these in turn those that are a cell or more from the one before."""
    points = points[is_finite(points).all(axis=1)]
    _, first = np.unique(np.floor(points / cell), axis=0, return_index=True)
    kept: list[int] = []
    for i in np.sort(first):
        if not kept or (np.abs(points[i] - points[kept[-1]]) >= cell).any():
            kept.append(i)
    return points[kept]


def _pieces(lane: np.ndarray, pixel: np.ndarray) -> list[np.ndarray]:
    """A long path without the points that stay on their pixel, cut up: matplotlib needs minutes for it in one piece."""
    with np.errstate(invalid="ignore"):
        moves = (np.diff(lane // pixel, axis=0) != 0).any(axis=1)
    lane = lane[np.append(True, moves)]
    return [lane[i : i + PIECE + 1] for i in range(0, len(lane), PIECE)]


def _ends(lanes: np.ndarray) -> np.ndarray:
    """The last finite point of each path, shape (start, 2)."""
    finite = np.asarray(is_finite(lanes).all(axis=-1))
    last = finite.shape[1] - 1 - np.argmax(finite[:, ::-1], axis=1)
    return lanes[np.arange(len(lanes)), last]
