"""What a loss looks like: where it is level."""

import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from thalweg import roots
from thalweg.chain.problem import Problem
from thalweg.numerics.constants import evaluated
from thalweg.numerics.reading import whole

MOST = 1 << 21  # points of a grid
NEGLIGIBLE = 1e-12  # of the largest slope or curvature
KINDS = ("minimum", "maximum", "inflection")
Function = Callable[[jax.Array], jax.Array]


def stationary_points(problem: Problem, points: int = 2001) -> xr.Dataset:
    """Every x of the domain with dL/dx = 0, of a problem of one component.

    Between the roots of d2L/dx2 dL/dx is monotone. Both are bisected in float64 between the points of an even grid over
    the domain, so that no stationary point is missed where neighboring points have at most one root of d2L/dx2 between
    them. The grid begins with ``points`` and gets twice as many as long as more roots of either are seen, up to two
    million. Where dL/dx vanishes at a root of d2L/dx2, to 1e-12 of its largest size, there is a stationary point
    without a change of sign; likewise at the ends of the domain. The kind follows from the slopes beside the point, and
    not from the curvature, which is 0 at a degenerate minimum such as that of x^4. A level stretch counts once, by its
    middle.

    Args:
        problem: a problem of one component with a finite domain.
        points: of the first grid, at least 3.
    Returns:
        A Dataset with the dim ``point``, ascending: ``x`` in [x], ``loss`` in [L], ``curvature`` d2L/dx2 in [L]/[x]^2,
        and ``kind``, one of ``KINDS`` as an integer with flags.
    Raises:
        ValueError: for several components, for a domain that is missing or not finite, and for fewer than 3 points. A
        warning where the finest grid still shows more.
    Cost:
        One gradient and Hessian for each point of the grids, and some 60 for each root.
    """
    interval, points = _interval(problem), whole(points, "points", 3)
    with jax.enable_x64(True):

        def slope(t: jax.Array) -> jax.Array:
            return problem.gradient(t[None])[0]

        def bend(t: jax.Array) -> jax.Array:
            return problem.hessian(t[None])[0, 0]

        grid, slopes, bends = _fine(slope, bend, *interval, points)
        turns = np.concatenate([_crossings(bend, grid, bends), grid[bends == 0]])
        at_turns, negligible = _over(slope, turns), NEGLIGIBLE * np.nanmax(np.abs(slopes), initial=0)
        at_turns[np.abs(at_turns) <= negligible] = 0
        slopes[[0, -1]] = np.where(np.abs(slopes[[0, -1]]) <= negligible, 0, slopes[[0, -1]])
        # Beside a level turn the slope is rounding alone.
        apart = _distance(grid, turns[at_turns == 0]) > 1e-3 * (grid[1] - grid[0])
        nodes, first = np.unique(np.concatenate([turns, grid[apart]]), return_index=True)
        slopes = np.concatenate([at_turns, slopes[apart]])[first]
        stretches = _level(slopes)
        x = np.concatenate([_crossings(slope, nodes, slopes), [(nodes[a] + nodes[b]) / 2 for a, b in stretches]])
        kinds = [_kind(slopes[i], slopes[i + 1]) for i in np.flatnonzero(slopes[:-1] * slopes[1:] < 0)]
        curvatures = _over(bend, x)
        for (a, b), curvature in zip(stretches, curvatures[len(kinds) :], strict=True):
            before = slopes[a - 1] if a > 0 else -curvature
            after = slopes[b + 1] if b + 1 < len(nodes) else curvature
            kinds.append(_kind(before, after))
        losses = _over(lambda t: problem.value(t[None]), x)
    order = np.argsort(x)
    flags = {"flag_values": np.arange(len(KINDS), dtype=np.int8), "flag_meanings": " ".join(KINDS)}
    return xr.Dataset(
        {
            "x": ("point", x[order], {"units": problem.units.get("x", "")}),
            "loss": ("point", losses[order], {"units": problem.units.get("loss", "")}),
            "curvature": ("point", curvatures[order]),
            "kind": ("point", np.array(kinds, np.int8)[order], flags),
        },
        attrs={"problem": problem.name},
    )


def _interval(problem: Problem) -> tuple[float, float]:
    if problem.dimension != 1:
        raise ValueError(
            f"{problem.name!r} has {problem.dimension} components, but stationary points are found along a line; "
            "give a problem of one."
        )
    if problem.domain is None or not np.all(np.isfinite(problem.domain)):
        raise ValueError(
            f"{problem.name!r} has no finite domain, but stationary points are found in one; "
            "give Problem(domain=(low, high))."
        )
    return float(problem.domain[0][0]), float(problem.domain[1][0])


def _fine(
    slope: Function, bend: Function, low: float, high: float, points: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An even grid on which no more roots show than on one of half as many points, with the values there."""
    roots: tuple[int, int] | None = None
    while True:
        grid = np.linspace(low, high, points)
        slopes, bends = _over(slope, grid), _over(bend, grid)
        before, roots = roots, (_changes(slopes), _changes(bends))
        if before == roots:
            return grid, slopes, bends
        if 2 * points >= MOST:
            warnings.warn(
                f"{points} points show {roots[0]} stationary points, but {points // 2} showed fewer, so that some may "
                "be missing; give a smaller domain.",
                stacklevel=3,
            )
            return grid, slopes, bends
        points = 2 * points + 1  # which has few points in common with the last, that a period could fall on


def _changes(values: np.ndarray) -> int:
    """Changes of sign, but for those within rounding of zero."""
    some = values[np.abs(values) > NEGLIGIBLE * np.nanmax(np.abs(values), initial=0)]
    return int(np.sum(some[:-1] * some[1:] < 0))


def _distance(x: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of each x to the nearest of the points, infinite where there are none."""
    points = np.concatenate([[-np.inf], np.sort(points), [np.inf]])
    after = np.searchsorted(points, x)
    return np.minimum(x - points[after - 1], points[after] - x)


def _over(f: Function, x: np.ndarray) -> np.ndarray:
    return np.array(evaluated(jax.vmap(f), jnp.asarray(x, jnp.float64)))


def _crossings(f: Function, nodes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Roots of f between nodes where its values have different sign, to the last digits."""
    i = np.flatnonzero(values[:-1] * values[1:] < 0)
    if not len(i):
        return np.empty(0)
    within = float(np.spacing(np.max(np.abs(nodes)))) / 4
    return roots.bisection(f, nodes[i], nodes[i + 1], within, dtype="float64").root


def _level(slopes: np.ndarray) -> list[tuple[int, int]]:
    """First and last node of each stretch on which the slope is 0."""
    level = np.concatenate([[0], (slopes == 0).astype(int), [0]])
    edges = np.diff(level)
    return [(int(a), int(b) - 1) for a, b in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True)]


def _kind(before: float, after: float) -> int:
    """From the slopes on both sides."""
    return 0 if before < 0 < after else 1 if before > 0 > after else 2
