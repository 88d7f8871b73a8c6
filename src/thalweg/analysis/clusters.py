"""Points that belong together: those that lie close, and of these not those that lie in separate spots."""

from typing import NamedTuple, final

import numpy as np

OFFSET = 0.382  # of the cells, so that none ends at a round number, where minima like to be
TREE_COMPONENTS = 4
MOST_PAIRS = 2 * 10**7  # of cells that touch, each counted twice
FINER = 10  # times smaller cells at each look
FINEST = 1e-13
FAR = 1000  # times the error of what lies in spots, beyond which these are apart
MANY = 20  # sources whose points are one but for rounding, which is no accident of a symmetry
MOST = 0.9  # of the points of a cluster must lie in spots


@final
class Spots(NamedTuple):
    """Groups of linked points by number, each statistic of shape (spots,)."""

    cluster: np.ndarray  # to which it belongs
    points: np.ndarray  # how many
    diameter: np.ndarray
    steepest: np.ndarray  # the largest slope
    slopes: np.ndarray  # the extent of slopes
    error: np.ndarray  # the largest of the positions


def told_apart(
    points: np.ndarray, cluster: np.ndarray, source: np.ndarray, slope: np.ndarray, error: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) from 0 that refine ``cluster`` (n,), as some are separate spots at a finer look, and how large (n,)
    these spots are, 1 for clusters that stay.

    Ends of a single minimum, too, may lie in spots with gaps between them, as where it is reached from two sides; but
    slopes tell how far away it is. Where they differ by a over a spot of diameter b, the curvature is about a / b, and
    the minimum lies at a distance of about (largest slope) b / a. So a cluster is several where, at some scale below 1,
    nine tenths of its points lie in two or more spots of two sources or more, each sure of its minimum to a thousandth
    of that scale, by its own curvature and by the mean of the cluster. Other points go to the nearest of these. Points
    that are alone tell nothing, and a line of minima stays what it is.

    Args:
        points: (n, d), in units of the radius.
        cluster: which of those from 0 each is in.
        source: what each comes from, a number from 0; points of one source may agree for no other reason.
        slope: the largest component of the gradient at each point, in any unit; 0 where not known.
        error: of each position as such, such as its rounding, in units of the radius.
    """
    label, scale, left = cluster.copy(), 1.0, np.arange(len(points))
    sizes = np.ones(len(points))
    while len(left) and scale > FINEST:
        scale /= FINER
        at, spot = points[left], linked(points[left] / scale)[0]
        spots = _spots(spot, label[left], at, slope[left], error[left])
        sources, many = _sources(spot, source[left]), label.max() + 1
        several = sources > 1
        sure = several & (FAR * _unsure(spots, sources >= MANY) < scale)
        size, crowd, known = (np.bincount(spots.cluster, spots.points * of, many) for of in (1, several, sure))
        splits = (np.bincount(spots.cluster, sure, many) > 1) & (known >= MOST * size)
        for old in np.flatnonzero(splits):
            here = np.flatnonzero(label[left] == old)
            label[left[here]] = _nearest(at[here], spot[here], sure, int(old), label.max() + 1)
            sizes[left[here]] = scale / FAR
        # Where most points are alone they will be so at any finer scale, and a spot of rounding is one.
        whole = (np.bincount(spots.cluster, minlength=many) == 1) & (
            np.bincount(spots.cluster, spots.diameter - FAR * spots.error, many) <= 0
        )
        open_ = (crowd >= MOST * size) & ~whole & (size > 0)
        left = left[open_[spots.cluster[spot]]]
    return label, sizes


def _spots(spot: np.ndarray, cluster: np.ndarray, at: np.ndarray, slope: np.ndarray, error: np.ndarray) -> Spots:
    order = np.argsort(spot, kind="stable")
    first = np.flatnonzero(np.diff(spot[order], prepend=-1))

    def largest(column: np.ndarray) -> np.ndarray:
        return np.maximum.reduceat(column[order], first)

    return Spots(
        cluster=cluster[order[first]],
        points=np.bincount(spot),
        diameter=(largest(at) + largest(-at)).max(-1),
        steepest=largest(slope),
        slopes=largest(slope) + largest(-slope),
        error=largest(error),
    )


def _sources(spot: np.ndarray, source: np.ndarray) -> np.ndarray:
    """How many different ones each spot has."""
    many = int(source.max()) + 1
    return np.bincount(np.unique(spot.astype(np.int64) * many + source) // many)


def _unsure(spots: Spots, crowded: np.ndarray) -> np.ndarray:
    """How far from its points the minimum of a spot may lie: no further than rounding where many end at one number."""
    cluster, points, diameter, steepest, slopes, error = spots

    def away(extent: np.ndarray, slopes: np.ndarray, rounding: np.ndarray) -> np.ndarray:
        level = np.where(crowded & (extent <= rounding), 0, np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(steepest == 0, 0, np.where(slopes > 0, steepest * extent / slopes, level))

    mean = (np.bincount(cluster, points * of)[cluster] for of in (diameter, slopes, error))
    return np.max([diameter, error, away(diameter, slopes, error), away(*mean)], axis=0)


def _nearest(at: np.ndarray, spot: np.ndarray, sure: np.ndarray, old: int, new: int) -> np.ndarray:
    """The labels of points, each that of the nearest sure spot: the first has the old one, others are new."""
    from scipy.spatial import KDTree

    inside, nearest = sure[spot], spot.copy()
    nearest[~inside] = spot[inside][KDTree(at[inside]).query(at[~inside], p=np.inf)[1]]
    number = np.unique(nearest, return_inverse=True)[1]
    return np.where(number == 0, old, new + number - 1)


def linked(points: np.ndarray) -> tuple[np.ndarray, int]:
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
