"""Which minimum each start reaches."""

from collections import Counter
from typing import Any, NamedTuple, final

import jax
import numpy as np
import xarray as xr

from thalweg.analysis.clusters import linked, told_apart
from thalweg.analysis.entropies import entropies, side
from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, coordinates, judged
from thalweg.chain.problem import Problem
from thalweg.numerics.constants import evaluated
from thalweg.numerics.linalg import indefinite
from thalweg.numerics.reading import whole

ARRIVED = ("converged", "stalled", "finite")
FRACTION = 1e-3  # of the extent of the starts: half a pixel of an image of 512
LATE = 0.1  # of the rows of a path, whose moves count as the error of its end
KINDS = {True: ("minimum", "saddle", "maximum"), False: ("minimum", "saddle_or_maximum")}  # with the problem, without
FORMED = 1000  # components up to which Hessians tell the kind of an end
ROUNDINGS = 100  # by which equal losses may differ, and equal positions


@final
class Ends(NamedTuple):
    """Where each (variant, start) came from and went, v variants of s starts, and how sure that is."""

    data: xr.Dataset
    x: np.ndarray  # (v, s, d), in float64
    loss: np.ndarray  # (v, s), likewise
    slope: np.ndarray  # (v, s), the largest |dL/dx_i|, 0 where unknown
    moved: np.ndarray  # (v, s, d), at last
    fate: np.ndarray  # (v, s), in words
    saddle: np.ndarray  # (v, s), whether it is known to be no minimum
    first: np.ndarray  # (s, d)


def basins(fits: xr.Dataset, radius: float | None = None, box: int = 5, problem: Problem | None = None) -> xr.Dataset:
    """The minimum that each start reaches, how many starts each has, and how intertwined the basins are.

    Of fits, starts whose outcome is converged or stalled have arrived, the latter at their last point; of a trace,
    those whose last row is finite, wherever it is: let paths be long enough. Ends of all variants within ``radius`` of
    each other in every component are one minimum, as is a chain of such ends; ends more than twice that apart are not
    linked. The entropies are means over boxes of ``box`` x ``box`` starts of S = -sum over labels of p log p, where p
    is the part of the box that has the label (-1 counts as one).

    Without ``radius`` minima that lie closer than that, as in a wide search, are told apart where the ends show it:
    where nine tenths of those that are linked lie in separate spots, each of several ends and a thousand times smaller
    than the gaps between them, and where by the gradients in each spot its minimum is as near.

    Args:
        fits: what ``solve`` returned, of several cases one, or what ``run`` returned; or a selection of these.
        radius: in [x]; by default, for each component, a thousandth of the extent of the starts or, if more, of the
            median way from start to end. Doubled as often as needed where millions of ends in a cloud of many
            components lie as close.
        box: side of the boxes of which entropies are means, in starts, at least 2.
        problem: the problem that was solved, whose Hessian tells minima, saddle points and maxima apart.
    Returns:
        A Dataset with dims ``variant, start, basin, x_dim``:

        - ``label`` (variant, start): the basin, -1 of starts that have not arrived; 0, 1, … are ordered by loss, equal
          ones by position, for all variants alike;
        - ``end`` (basin, x_dim) in [x] and ``loss`` (basin) in [L]: the end of lowest loss;
        - ``kind`` (basin): of the end, as an integer with flags: ``minimum``, ``saddle`` or ``maximum`` by the Hessian
          of ``problem``, up to 1000 components. Without it, ``saddle_or_maximum`` where most fits have ended for the
          reason ``saddle``, which methods give that know the Hessian, and else ``minimum``;
        - ``minimum`` (basin, x_dim) in [x]: the end where that is a minimum, else NaN;
        - ``share`` (variant, basin): the part of all starts that reach it, 0 … 1;
        - ``basin_entropy`` (variant), 0 … log(box^2): the mean of S over all boxes; ``boundary_entropy`` (variant):
          over boxes with more than one label, NaN where there are none. Above log 2 the boundary is fractal; below it
          may be. NaN where the starts are not ``starts.grid`` of two components with sides of at least ``box``; starts
          beyond the last whole box are left out;
        - ``first_x`` (start, x_dim) in [x]: the starts.

        Attributes: ``radius`` used by component, ``box``, and ``grid`` = n where the starts are such a grid, so that
        ``label[i].values.reshape(n, n)`` has the first component along its rows, else 0.
    Raises:
        ValueError: for another Dataset, several cases, a radius or box that does not fit, and where none has arrived.
    Cost:
        Sorts of all ends and a tree of the cells of size ``radius`` that they lie in, likewise of finer ones.
    Source:
        Daza, Wagemakers, Georgeot, Guéry-Odelin and Sanjuán (2016), Sci. Rep. 6:31416, eqs. 4 and 8, for the entropies.
    """
    box = whole(box, "box", 2)
    ends = _ends(fits)
    arrived = np.isin(ends.fate, ARRIVED)
    if not arrived.any():
        counts = " and ".join(f"{n} {fate}" for fate, n in Counter(ends.fate.ravel().tolist()).most_common())
        raise ValueError(
            f"of {arrived.size} starts none has reached a minimum ({counts}); give more steps, a wider tolerance or "
            "another method."
        )
    points, losses, slopes = ends.x[arrived], ends.loss[arrived], ends.slope[arrived]
    eps = float(np.finfo(ends.data["x"].dtype).eps)
    size = _radius(radius, ends, arrived)
    cluster, doubled = linked(points / size)
    size, small = size * doubled, np.ones(len(points))
    if radius is None:
        error = ends.moved[arrived] + ROUNDINGS * eps * np.abs(points)
        source = np.unique(ends.first, axis=0, return_inverse=True)[1]
        source = np.broadcast_to(source.ravel(), arrived.shape)[arrived]
        cluster, small = told_apart(points / size, cluster, source, slopes, (error / size).max(-1))
    saddle = 2 * np.bincount(cluster, ends.saddle[arrived]) > np.bincount(cluster)
    best, spread = _lowest(cluster, np.where(saddle[cluster], slopes, losses))
    width, steepest = small[best, None] * size, np.zeros(len(best))
    np.maximum.at(steepest, cluster, slopes)  # that of the best may be zero by chance
    sure = np.where(saddle, 0, spread) + steepest * width.sum(-1) + ROUNDINGS * eps * np.abs(losses[best])
    order = _order(losses[best], sure, points[best], width)
    best, (kind, kinds) = best[order], _kinds(problem, points[best[order]], saddle[order])
    label = np.full(arrived.shape, -1, np.int32)
    label[arrived] = np.argsort(order)[cluster]

    shares = np.stack([np.bincount(row[row >= 0], minlength=len(best)) for row in label]) / len(ends.first)
    n = side(ends.first)
    both = [entropies(row.reshape(n, n), box) if n >= box else (np.nan, np.nan) for row in label]
    basin_entropy, boundary_entropy = np.transpose(both)
    flags = {"flag_values": np.arange(len(kinds), dtype=np.int8), "flag_meanings": " ".join(kinds)}
    x_units, loss_units = ({"units": ends.data[name].attrs.get("units", "")} for name in ("x", "loss"))
    return xr.Dataset(
        {
            "label": (LANE_DIMS, label),
            "end": (("basin", "x_dim"), points[best], x_units),
            "kind": ("basin", kind, flags),
            "minimum": (("basin", "x_dim"), np.where(kind[:, None] > 0, np.nan, points[best]), x_units),
            "loss": ("basin", losses[best], loss_units),
            "share": (("variant", "basin"), shares),
            "basin_entropy": ("variant", basin_entropy),
            "boundary_entropy": ("variant", boundary_entropy),
            "first_x": (("start", "x_dim"), ends.first, x_units),
        },
        {**coordinates(ends.data["x"], (*LANE_DIMS, "x_dim")), "basin": np.arange(len(best))},
        {"problem": fits.attrs.get("problem", "problem"), "radius": size, "box": box, "grid": n},
    )


def _ends(fits: Any) -> Ends:
    """What is needed of fits or of a trace, also where a single variant or start was selected."""
    known = set(fits.data_vars) if isinstance(fits, xr.Dataset) else set()
    if known and "case" in fits.dims:
        raise ValueError(
            f"the fits have {fits.sizes['case']} cases, but each has minima of its own; give one, fits.isel(case=0)."
        )
    if known and "step" in fits.dims:
        return _of_paths(judged(fits, dict.fromkeys(("x", "loss"), PATH_DIMS), "solve or run"))
    needed = dict.fromkeys(("x", "loss", "outcome", "gradient_norm"), LANE_DIMS) | {"first_x": ("start",)}
    also = dict.fromkeys({"last_x", "last_loss", "reason"} & known, LANE_DIMS)
    return _of_fits(judged(fits, needed, "solve or run", also))


def _of_paths(trace: xr.Dataset) -> Ends:
    x, loss = np.asarray(trace["x"], np.float64), np.asarray(trace["loss"], np.float64)[:, :, -1]
    last = x[:, :, -1]
    finite, none = np.isfinite(last).all(-1) & np.isfinite(loss), np.zeros(loss.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        moved = np.abs(x[:, :, -1 - max(1, round(LATE * x.shape[2])) :] - last[:, :, None]).max(2)
    fate = np.where(finite, "finite", "not finite")
    return Ends(trace, last, loss, none, moved, fate, none > 0, trace["x"].values[0, :, 0])


def _of_fits(fits: xr.Dataset) -> Ends:
    """The best points, but last ones of those that stalled: the best may be a point that they passed."""
    fate, reason = (_words(fits, name) for name in ("outcome", "reason"))
    x, loss, last_x, last_loss = (
        np.asarray(fits.get(name, fits[name.removeprefix("last_")]), np.float64)
        for name in ("x", "loss", "last_x", "last_loss")
    )
    x, loss = np.where(fate[..., None] == "stalled", last_x, x), np.where(fate == "stalled", last_loss, loss)
    slope = np.asarray(fits["gradient_norm"], np.float64)
    return Ends(fits, x, loss, slope, np.zeros(x.shape), fate, reason == "saddle", fits["first_x"].values)


def _words(fits: xr.Dataset, name: str) -> np.ndarray:
    """What the codes of a variable mean; "" where there is none."""
    if name not in fits:
        return np.full(fits["loss"].shape, "")
    return np.array(fits[name].attrs["flag_meanings"].split())[fits[name].values]


def _radius(radius: Any, ends: Ends, arrived: np.ndarray) -> np.ndarray:
    """The radius in each component, shape (d,)."""
    if radius is not None:
        number = isinstance(radius, (int, float, np.number)) and not isinstance(radius, bool)
        if not number or not 0 < radius < np.inf:
            raise ValueError(f"radius is {radius!r}, but it must be positive and finite, in the units of x; give 1e-3.")
        return np.full(ends.first.shape[1], float(radius))
    first, size = ends.first.astype(np.float64), np.median(np.abs(ends.x[arrived]), axis=0)
    way = np.median(np.abs(ends.x - first)[arrived], axis=0)
    reach = FRACTION * np.maximum(np.ptp(first, axis=0), way)
    reach = np.maximum(reach, ROUNDINGS * float(np.finfo(ends.data["x"].dtype).eps) * size)
    return np.where(reach > 0, reach, FRACTION)


def _lowest(cluster: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index of the lowest loss in each cluster, and how far the median is above it."""
    order = np.lexsort((losses, cluster))
    counts = np.bincount(cluster)
    first = np.cumsum(counts) - counts
    best = order[first]
    return best, losses[order[first + counts // 2]] - losses[best]


def _kinds(problem: Problem | None, points: np.ndarray, saddle: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """What points (n, d) are, as codes and their words; ``saddle`` tells which are known to be no minima."""
    if problem is None or points.shape[1] > FORMED:
        return saddle.astype(np.int8), KINDS[False]

    def falls_and_rises(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        h = problem.hessian(x)
        return indefinite(h, x), indefinite(-h, x)

    with jax.enable_x64(True):
        falls, rises = evaluated(lambda points: jax.lax.map(falls_and_rises, points), points)
        return np.where(falls, np.where(rises, 1, 2), 0).astype(np.int8), KINDS[True]


def _order(losses: np.ndarray, sure: np.ndarray, points: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The order by loss, where it differs by more than how sure it is, and then by the components of the points."""
    columns = [_ranks(column, slack) for column, slack in zip(points.T, width.T, strict=True)]
    return np.lexsort((*columns[::-1], _ranks(losses, sure)))


def _ranks(values: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal for neighbors whose values are within the larger slack of the two."""
    order = np.argsort(values, kind="stable")
    apart = np.diff(values[order]) > np.maximum(slack[order][1:], slack[order][:-1])
    ranks = np.empty(len(values), int)
    ranks[order] = np.append(0, np.cumsum(apart))
    return ranks
