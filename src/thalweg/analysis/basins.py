"""Which minimum each start reaches."""

import math
from collections import Counter
from typing import Any, NamedTuple, final

import numpy as np
import xarray as xr

from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, coordinates, judged
from thalweg.numerics.reading import whole

ARRIVED = ("converged", "stalled", "finite")
FRACTION = 1e-3  # of the extent of the starts: half a pixel of an image of 512
OFFSET = 0.382  # of the cells, so that none ends at a round number, where minima like to be
TREE_COMPONENTS = 4
MOST_PAIRS = 2 * 10**7  # of cells that touch, each counted twice
ROUNDINGS = 100  # by which equal losses may differ


@final
class Ends(NamedTuple):
    """Where each (variant, start) came from and went, v variants of s starts, and how sure its loss is."""

    x: xr.DataArray  # (v, s, d)
    loss: xr.DataArray  # (v, s)
    slope: np.ndarray  # (v, s), the largest |dL/dx_i|, 0 where unknown
    fate: np.ndarray  # (v, s), in words
    first: np.ndarray  # (s, d)


def basins(fits: xr.Dataset, radius: float | None = None, box: int = 5) -> xr.Dataset:
    """The minimum that each start reaches, how many starts each has, and how intertwined the basins are.

    Of fits, starts whose outcome is converged or stalled have arrived; of a trace, those whose last row is finite,
    wherever it is: let paths be long enough. Ends of all variants within ``radius`` of each other in every component
    are one minimum, as is a chain of such ends; ends more than twice that apart are not linked. The entropies are means
    over boxes of ``box`` x ``box`` starts of S = -sum over labels of p log p, where p is the part of the box that has
    the label (-1 counts as one).

    Args:
        fits: what ``solve`` returned, of several cases one, or what ``run`` returned; or a selection of these.
        radius: in [x]; by default, for each component, a thousandth of the extent of the starts. Doubled as often as
            needed where millions of ends in a cloud of many components lie as close.
        box: side of the boxes of which entropies are means, in starts, at least 2.
    Returns:
        A Dataset with dims ``variant, start, basin, x_dim``:

        - ``label`` (variant, start): the basin, -1 of starts that have not arrived; 0, 1, … are ordered by loss, equal
          ones by position, for all variants alike;
        - ``minimum`` (basin, x_dim) in [x] and ``loss`` (basin) in [L]: the end of lowest loss;
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
        Sorts of all ends and a tree of the cells of size ``radius`` that they lie in.
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
    size = _radius(radius, ends, arrived)
    points, losses = np.asarray(ends.x, np.float64)[arrived], np.asarray(ends.loss, np.float64)[arrived]
    cluster, doubled = _clusters(points / size)
    size = size * doubled
    best, spread = _lowest(cluster, losses)
    rounding = ROUNDINGS * np.finfo(ends.x.dtype).eps * np.abs(losses[best])
    order = _order(losses[best], spread + ends.slope[arrived][best] * size.sum() + rounding, points[best], size)
    best = best[order]
    label = np.full(arrived.shape, -1, np.int32)
    label[arrived] = np.argsort(order)[cluster]

    shares = np.stack([np.bincount(row[row >= 0], minlength=len(best)) for row in label]) / len(ends.first)
    n = _side(ends.first)
    entropies = np.full((len(label), 2), np.nan)
    if n >= box:
        entropies[:] = [_entropies(row.reshape(n, n), box) for row in label]
    x_units, loss_units = ({"units": array.attrs.get("units", "")} for array in (ends.x, ends.loss))
    return xr.Dataset(
        {
            "label": (LANE_DIMS, label),
            "minimum": (("basin", "x_dim"), points[best], x_units),
            "loss": ("basin", losses[best], loss_units),
            "share": (("variant", "basin"), shares),
            "basin_entropy": ("variant", entropies[:, 0]),
            "boundary_entropy": ("variant", entropies[:, 1]),
            "first_x": (("start", "x_dim"), ends.first, x_units),
        },
        {**coordinates(ends.x, (*LANE_DIMS, "x_dim")), "basin": np.arange(len(best))},
        {"problem": fits.attrs.get("problem", "problem"), "radius": size, "box": box, "grid": n},
    )


def _ends(fits: Any) -> Ends:
    """What is needed of fits or of a trace, also where a single variant or start was selected."""
    if isinstance(fits, xr.Dataset) and "case" in fits.dims:
        raise ValueError(
            f"the fits have {fits.sizes['case']} cases, but each has minima of its own; give one, fits.isel(case=0)."
        )
    run = isinstance(fits, xr.Dataset) and "step" in fits.dims
    if run:
        trace = judged(fits, dict.fromkeys(("x", "loss"), PATH_DIMS), "solve or run")
        last, first = trace.isel(step=-1, drop=True), trace["x"].isel(variant=0, step=0)
    else:
        names = ("x", "loss", "outcome", "gradient_norm")
        last = judged(fits, {**dict.fromkeys(names, LANE_DIMS), "first_x": ("start",)}, "solve or run")
        first = last["first_x"]
    if run:
        finite = np.isfinite(last["x"].values).all(-1) & np.isfinite(last["loss"].values)
        slope, fate = np.zeros(finite.shape), np.where(finite, "finite", "not finite")
    else:
        outcome = last["outcome"]
        slope, fate = last["gradient_norm"].values, np.array(outcome.attrs["flag_meanings"].split())[outcome.values]
    return Ends(last["x"], last["loss"], slope, fate, first.values)


def _radius(radius: Any, ends: Ends, arrived: np.ndarray) -> np.ndarray:
    """The radius in each component, shape (d,)."""
    if radius is not None:
        number = isinstance(radius, (int, float, np.number)) and not isinstance(radius, bool)
        if not number or not 0 < radius < np.inf:
            raise ValueError(f"radius is {radius!r}, but it must be positive and finite, in the units of x; give 1e-3.")
        return np.full(ends.first.shape[1], float(radius))
    extent = np.ptp(ends.first.astype(np.float64), axis=0)
    size = np.abs(ends.x.values[arrived].astype(np.float64)).max(axis=0)  # where there is one start
    return FRACTION * np.where(extent > 0, extent, np.where(size > 0, size, 1))


def _clusters(points: np.ndarray) -> tuple[np.ndarray, int]:
    """Which cluster each point is in, shape (n,), for points (n, d) in units of the radius: those of cells that touch
    are linked. Cells have the side 1, or 2, 4, … where so many touch that links would not fit in memory."""
    side = 1
    while True:
        cells = np.floor(points / side + OFFSET)
        order = np.lexsort(cells.T)
        first = np.append(True, np.any(np.diff(cells[order], axis=0) != 0, axis=1))
        pairs = _touching(cells[order[first]])
        if pairs is not None:
            break
        side *= 2
    cell = np.empty(len(cells), int)
    cell[order] = np.cumsum(first) - 1
    from scipy.sparse import coo_array  # half a second to import
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs), bool), pairs.T), shape=(cell.max() + 1, cell.max() + 1))
    return connected_components(links, directed=False)[1][cell], side


def _touching(cells: np.ndarray) -> np.ndarray | None:
    """Pairs of cells (n, d) that touch, shape (pairs, 2); None where they are too many.

    A tree is slow in many components, so it gets those with most values only, and beside them the number of the group
    in which no component alone has a gap.
    """
    group = np.zeros(len(cells), int)
    for column in cells.T:
        order = np.lexsort((column, group))
        apart = (np.diff(group[order]) > 0) | (np.diff(column[order]) > 1)
        group[order] = np.append(0, np.cumsum(apart))
    widest = np.argsort([-len(np.unique(column)) for column in cells.T])[:TREE_COMPONENTS]
    from scipy.spatial import KDTree

    tree = KDTree(np.column_stack([2 * group, cells[:, widest]]))
    if tree.count_neighbors(tree, 1.5, p=np.inf) > MOST_PAIRS:
        return None
    pairs = tree.query_pairs(1.5, p=np.inf, output_type="ndarray")
    return pairs[np.all(np.abs(cells[pairs[:, 0]] - cells[pairs[:, 1]]) <= 1, axis=1)]


def _lowest(cluster: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index of the lowest loss in each cluster, and how far the median is above it."""
    order = np.lexsort((losses, cluster))
    counts = np.bincount(cluster)
    first = np.cumsum(counts) - counts
    best = order[first]
    return best, losses[order[first + counts // 2]] - losses[best]


def _order(losses: np.ndarray, sure: np.ndarray, points: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The order by loss, where it differs by more than how sure it is, and then by the components of the points."""
    columns = [_ranks(column, np.full(len(column), width)) for column, width in zip(points.T, size, strict=True)]
    return np.lexsort((*columns[::-1], _ranks(losses, sure)))


def _ranks(values: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal for neighbors whose values are within the larger slack of the two."""
    order = np.argsort(values, kind="stable")
    apart = np.diff(values[order]) > np.maximum(slack[order][1:], slack[order][:-1])
    ranks = np.empty(len(values), int)
    ranks[order] = np.append(0, np.cumsum(apart))
    return ranks


def _side(points: np.ndarray) -> int:
    """n where the points are n x n of two components, the last running fastest, else 0."""
    n = math.isqrt(len(points))
    if points.shape[1] != 2 or n * n != len(points) or n < 2:
        return 0
    rows, columns = np.moveaxis(points.reshape(n, n, 2), -1, 0)
    regular = np.all(rows == rows[:, :1]) and np.all(columns == columns[:1])
    return n if regular and np.all(np.diff(rows[:, 0]) > 0) and np.all(np.diff(columns[0]) > 0) else 0


def _entropies(image: np.ndarray, box: int) -> tuple[float, float]:
    """The mean of S over all boxes, and over those with more than one label."""
    many = len(image) // box
    boxes = image[: many * box, : many * box].reshape(many, box, many, box).swapaxes(1, 2).reshape(many**2, box**2)
    labels = image.max() + 2
    keys, counts = np.unique(boxes + 1 + labels * np.arange(many**2)[:, None], return_counts=True)
    p = counts / box**2
    s = np.bincount(keys // labels, -p * np.log(p))
    mixed = np.bincount(keys // labels) > 1
    return float(s.mean()), float(s[mixed].mean()) if mixed.any() else math.nan
