"""One step of training in every space of the chain."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from thalweg.analysis.components import Components, looked_at, some
from thalweg.analysis.selection import judged_paths
from thalweg.analysis.view import axis_label, frame, is_finite, problem_name, units_of
from thalweg.chain.problem import Problem
from thalweg.chain.space import Space
from thalweg.numerics.reading import nearest
from thalweg.plot.paths import circle
from thalweg.plot.style import Look, canvas, color_scale, few_ticks, look, square

MOST = 30  # examples in one panel
TARGET: dict[str, Any] = {"linestyle": "none", "marker": "+", "color": "black", "markersize": 7, "markeredgewidth": 1.1}
WIDER = 0.4  # of the width, by which an arrow is wider than the one that lies on it
WAY: dict[str, Any] = {"colors": ["0.75"], "linewidths": 0.6, "zorder": 1.5}  # to the target
ARROW: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "units": "inches", "headwidth": 4.5}
LOST: dict[str, Any] = {"linestyle": "none", "marker": "x", "markersize": 6}


def training_step(
    trace: xr.Dataset,
    problem: Problem,
    step: int = 0,
    *,
    components: Mapping[str, Components] | None = None,
    targets: Mapping[str, Any] | None = None,
) -> Figure:
    """What one step of each variant does in each space, x -> u -> … -> y: an arrow from where it began to where it led.

    In x, the parameters, there is one arrow for each variant, all from one origin, in the plane of the two leading
    principal directions of these moves; the axes say what share of their variance (their mean square) lies along each.
    In the spaces behind there is an arrow for each example of the first batch, which the trace holds (whichever batch
    the step itself saw): of the examples about 30, evenly chosen, as the title says. A space of one component is drawn
    against the example, that of each variant a little beside it. Circles mark where arrows begin, colored crosses what
    leads to no finite place. The frame holds beginnings, targets and the moves of variants whose loss did not grow, and
    follows the others a little further.

    Args:
        trace: what ``run`` returned for a ``training.problem``; of several starts the first is drawn, another by
            ``trace.isel(start=…)``.
        problem: the problem that was run.
        step: the recorded step where the arrows begin; they end at the next one that was recorded.
        components: for spaces of more than two components, the pair to draw, by label or index, such as
            ``{"y": (0, 3)}``; without, the first two.
        targets: where examples should be, such as ``{"y": data["target"]}``: points like those of the space, with a
            leading axis of the first batch or of all examples. Black crosses, with thin lines to where arrows begin.
    Returns:
        The figure, a panel for x and one for each space behind it.
    Raises:
        ValueError: for a problem that is not over examples, a trace of another problem, a step that was not
            recorded or is the last, and for a space, component or targets that do not exist or fit.
    """
    trace = judged_paths(trace, "x", "loss")
    if not problem.examples.mapped:
        raise ValueError(
            f"{problem.name!r} is not a network over examples, whose training steps are drawn; "
            "give a training.problem, or draw plot.paths."
        )
    rows = _rows(trace, step)
    first = trace.isel(start=0, step=rows)
    spaces = [space.of_one() for space in problem.chain.spaces[1:]]
    _check_names({"components": components, "targets": targets}, [space.name for space in spaces])
    moves = [_examples(first, problem, space) for space in spaces]
    batch = moves[0].shape[2]
    shown = np.linspace(0, batch - 1, min(batch, MOST)).astype(int)
    calm = first["loss"].values[:, 1] <= first["loss"].values[:, 0]
    style = look(trace)
    marks = [Line2D([], [], linestyle="none", label="start", **circle(0.5))]
    marks += [Line2D([], [], label="target", **TARGET)] * bool(targets)
    lost = (is_finite(first["loss"].values[:, 0]) & ~is_finite(first["loss"].values[:, 1])).any()
    marks += [Line2D([], [], label="not finite", color="0.3", **LOST)] * bool(lost)
    figure, axes = canvas(1 + len(spaces), [*style.entries, *marks])
    _draw_parameters(axes[0], first["x"].values, calm, style)
    axes[0].set_title(f"x, {problem.dimension} parameters", fontsize=10)
    for ax, space, points in zip(axes[1:], spaces, moves, strict=True):
        pair = looked_at(space.labels, (components or {}).get(space.name, (0, 1)), space.name)
        goals, units = None, {"units": problem.units.get(space.name, "")}
        if targets and space.name in targets:
            goals = _targets(targets[space.name], space, batch)[shown][:, pair]
        words = [axis_label(space.name, space.labels[i], units_of(units, i, space.size)) for i in pair]
        points = points[:, :, shown][..., pair]
        if len(pair) == 1:
            numbers = shown + _dodge(len(points), batch / len(shown))[:, None, None]
            points, words = _beside(numbers, points), ["example", *words]
            goals = None if goals is None else _beside(shown, goals)
        _draw_moves(ax, points, goals, calm, style)
        ax.set(xlabel=words[0], ylabel=words[1])
        of = f"{len(shown)} of {batch}" if len(shown) < batch else str(batch)
        ax.set_title(f"{space.name}, {of} examples", fontsize=10)
    for ax in axes:
        few_ticks(ax)
        square(ax)
        ax.grid(color="0.92", linewidth=0.8)
        ax.set_axisbelow(True)
    begin, end = first["step"].values
    several = [f"start {first['start'].item()}"] * (trace.sizes["start"] > 1)
    figure.suptitle(", ".join([*problem_name(trace.attrs), f"step {begin} to {end}", *several]), fontsize=10)
    color_scale(figure, axes, style)
    return figure


def _rows(trace: xr.Dataset, step: int) -> list[int]:
    """The row of ``step`` and the one after it."""
    steps = trace["step"].values
    at = np.flatnonzero(steps[:-1] == step)
    if not at.size:
        raise ValueError(
            f"step is {step!r}, but a step is drawn from a recorded row to the next, and those are "
            f"{some([str(k) for k in steps])}; choose one before the last."
        )
    return [int(at[0]), int(at[0]) + 1]


def _check_names(given: Mapping[str, Mapping[str, Any] | None], known: list[str]) -> None:
    for what, mapping in given.items():
        for name in mapping or {}:
            if name not in known:
                raise ValueError(f"{what} name {nearest(name, known, 'a space of examples')}")


def _examples(first: xr.Dataset, problem: Problem, one: Space) -> np.ndarray:
    """The points of each example of the batch, shape (variant, 2, example, component)."""
    values = first[one.name].values.astype(float) if one.name in first else np.empty(0)
    batch = values.shape[-1] // one.size
    if not batch or values.shape[-1] != batch * one.size or batch > problem.examples.count:
        raise ValueError(
            f"the trace has {values.shape[-1]} components of {one.name}, which are no batch of {problem.name!r}; give "
            "the problem that was run."
        )
    leaves = np.split(values, batch * np.cumsum(one.sizes)[:-1], axis=-1)
    return np.concatenate([leaf.reshape(*leaf.shape[:2], batch, -1) for leaf in leaves], axis=-1)


def _targets(given: Any, one: Space, batch: int) -> np.ndarray:
    """Where the examples of the batch should be, shape (example, component)."""
    leaves = one.leaves(given)
    if [leaf.shape[1:] for leaf in leaves] != list(one.shapes) or min(map(len, leaves)) < batch:
        raise ValueError(
            f"targets of {one.name} have shapes {', '.join(str(leaf.shape) for leaf in leaves)}, but the batch has "
            f"{batch} examples of shape {', '.join(map(str, one.shapes))}; give one for each."
        )
    return np.concatenate([leaf[:batch].reshape(batch, -1) for leaf in leaves], axis=1)


def _dodge(variants: int, room: float) -> np.ndarray:
    """How far the arrows of each variant stand beside their example, so that they do not hide each other."""
    return room * (np.arange(variants) - (variants - 1) / 2) / (2 * variants)


def _beside(numbers: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points of one component, with the number of the example before it."""
    return np.concatenate([np.broadcast_to(numbers, points.shape[:-1])[..., None], points], axis=-1)


def _draw_parameters(ax: Axes, x: np.ndarray, calm: np.ndarray, style: Look) -> None:
    """The moves of the variants, x of shape (variant, 2, d), from one origin."""
    with np.errstate(invalid="ignore"):
        moves = x[:, 1].astype(float) - x[:, 0]
    finite = is_finite(moves).all(axis=1)
    along, share = _principal(moves[finite])
    heads = np.full((len(moves), 2), np.nan)
    heads[finite] = moves[finite] @ along.T
    points = np.stack([np.zeros_like(heads), heads], axis=1)[:, :, None]
    _draw_moves(ax, points, None, calm, style)
    sides = np.array([ax.get_xlim(), ax.get_ylim()])
    half = np.diff(sides).max() / 2  # lengths in the plane are those in x
    (left, right), (low, high) = [(middle - half, middle + half) for middle in sides.mean(axis=1)]
    words = [f"direction {i + 1} of moves, {round(100 * s)} % of variance" for i, s in enumerate(share)]
    ax.set(xlim=(left, right), ylim=(low, high), xlabel=words[0], ylabel=words[1])


def _principal(moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two orthonormal directions that hold most of the mean square of ``moves``, shape (2, d), and their shares of it;
    a direction that nothing lies along is 0. Moves lie mostly on the positive side of both."""
    directions, shares = np.zeros((2, moves.shape[1])), np.zeros(2)
    _, lengths, along = np.linalg.svd(moves, full_matrices=False)
    many = min(2, len(lengths))
    directions[:many] = along[:many] * np.where((moves @ along[:many].T).sum(0) < 0, -1, 1)[:, None]
    shares[:many] = lengths[:many] ** 2 / max(np.sum(lengths**2), np.finfo(float).tiny)
    return directions, shares


def _draw_moves(ax: Axes, points: np.ndarray, goals: np.ndarray | None, calm: np.ndarray, style: Look) -> None:
    """Arrows of each variant, points of shape (variant, 2, example, 2), targets, beginnings, and the frame."""
    tails, heads = points[:, 0], points[:, 1]
    targets = np.empty((0, 2)) if goals is None else goals
    core = np.concatenate([tails.reshape(-1, 2), heads[calm].reshape(-1, 2), targets])
    low, high = frame(core, np.concatenate([core, heads.reshape(-1, 2)]))
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    thin = {"width": 0.016, "alpha": 0.8} if points.shape[2] > 1 else {"width": 0.03}
    with np.errstate(invalid="ignore", over="ignore"):
        lengths = np.linalg.norm(heads - tails, axis=-1)
    typical = np.median(np.where(is_finite(lengths), lengths, np.inf), axis=1)
    ranks = np.argsort(np.argsort(-typical))  # what goes far lies below: it would hide the rest
    for begin, end, label, color, on_top, rank in zip(
        tails, heads, style.labels, style.colors, calm, ranks, strict=True
    ):
        known = is_finite(begin).all(axis=1)
        goes = known & is_finite(end).all(axis=1)
        order = (3 if on_top else 2.5) + rank / (10 * len(ranks))
        width = thin["width"] * (1 + WIDER * (len(ranks) - 1 - rank))  # so that equal arrows all show
        arrow: dict[str, Any] = {**ARROW, **thin, "width": width, "color": [color], "zorder": order}
        ax.quiver(*begin[goes].T, *(end - begin)[goes].T, label=label, **arrow)
        ax.plot(*begin[known & ~goes].T, color=color, zorder=4, label="_lost", **LOST)
    starts = np.unique(tails.reshape(-1, 2), axis=0)
    ax.plot(*starts.T, linestyle="none", zorder=2, label="start", **circle(0.5))
    if goals is not None:
        ways = np.stack(np.broadcast_arrays(tails, goals), axis=2).reshape(-1, 2, 2)
        ways = np.unique(ways, axis=0)
        ax.add_collection(LineCollection(list(ways), label="_ways", **WAY), autolim=False)
        ax.plot(*goals.T, zorder=4, label="target", **TARGET)
