"""How fast the error shrinks, as measured and as theory has it."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.analysis import theory
from thalweg.analysis.clusters import linked
from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, coordinates, judged_paths
from thalweg.chain.problem import Problem
from thalweg.methods.newton import Newton
from thalweg.methods.newton_cg import NewtonCG
from thalweg.numerics.constants import evaluated
from thalweg.verbs.solve import solve

ROUNDINGS = 100  # of x below which a move says nothing
END = 0.1  # of the rows at the end, whose largest error counts as noise
MARGIN = 10  # times the noise, if half of the rows are above it
CONVERGED = 0.1  # of the largest error, below which a path must get
NOTHING = 1e-8  # of the size of y, below which a residual counts as none
EXACT_HESSIAN = 1000  # components up to which theory gets the eigenvalues of the Hessian
POLISHING = 50, 200  # steps to where paths lead, up to so many components and beyond
SAME = 1e-6  # of the largest, within which two such points are one
FEWEST = 4  # rows of a tail, unless the path has only 3


def rates(trace: xr.Dataset, problem: Problem) -> xr.Dataset:
    """The rate r of linear convergence, e_(k+1) ~ r e_k, and the order q, e_(k+1) ~ C e_k^q, of each path.

    e_k = |x_k - x*| in [x], with x* the known minimum nearest to where the path ends. Where the problem states none, it
    is where Newton's method leads from there in float64, which may be a saddle point (above 1000 components
    ``NewtonCG``, which goes down); if that is not finite, as where H is singular, it is the end itself, and measured
    rates are true only well above its own error.

    Both are slopes over a tail: the second half, and at least four, of the rows above rounding, which are those before
    the error first falls to the largest of the last tenth of all rows (to ten times that, if it leaves half of them) or
    to 100 roundings of x, and whose move is above these, too. NaN where they are fewer than three, where the error does
    not fall to a tenth of its largest, and where the path is not finite.

    Args:
        trace: what ``run`` returned, or a selection of it.
        problem: the problem that was run.
    Returns:
        A Dataset with dims ``variant, start, step``:

        - ``error`` (variant, start, step): e_k in [x];
        - ``rate`` (variant, start), a pure number: exp of the slope of log e_k against the step, by least squares; for
          superlinear convergence it falls with every step more;
        - ``order`` (variant, start), a pure number: the slope of log e_(k+1) against log e_k, 1 for linear convergence;
          steps that leave x where it is (refused trials, inner iterations) do not count. NaN unless all were recorded;
        - ``theory_rate``, ``theory_order`` (variant): what theory knows of the method on the quadratic at the x* that
          most starts of the variant end at (see ``theory.rate``).
    Raises:
        ValueError: for a trace without rules, and for a Dataset without x and loss by variant, start and step.
    Cost:
        The errors, and one Hessian for each x*, where none is stated up to 50 for each path; above 1000 components up
        to 200 products with it instead, and theory is left out.
    """
    trace = judged_paths(trace, "x", "loss")
    kinds = theory.variants_of(trace)
    x = trace["x"].values
    eps, x, steps = np.finfo(x.dtype).eps, x.astype(np.float64), trace["step"].values
    with np.errstate(all="ignore"):
        minima, nearest = _nearest(problem, x) if len(problem.minima) else _limits(problem, x)
        error = np.linalg.norm(x - minima[nearest][:, :, None], axis=-1)
        tail = _tail(x, error, eps)
        logs = np.where(tail, np.log(error), 0)
        rate = np.exp(_slope(np.broadcast_to(steps, error.shape), logs, tail))
        order = _order(logs, tail) if np.all(np.diff(steps) == 1) else np.full(rate.shape, np.nan)

    most = [int(np.bincount(row).argmax()) for row in nearest]
    known = np.full((len(kinds), 2), np.nan)
    for at in set(most):
        here = [i for i, one in enumerate(most) if one == at]
        known[here] = _known(problem, minima[at], [kinds[i] for i in here])
    units = {"units": problem.units.get("x", "")}
    return xr.Dataset(
        {
            "error": (PATH_DIMS, error, units),
            "rate": (LANE_DIMS, rate),
            "order": (LANE_DIMS, order),
            "theory_rate": ("variant", known[:, 0]),
            "theory_order": ("variant", known[:, 1]),
        },
        coordinates(trace, PATH_DIMS),
        {"problem": trace.attrs.get("problem", problem.name)},
    )


def _nearest(problem: Problem, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The known minima (n, d), and which is the nearest to the end of each path."""
    away = np.linalg.norm(x[:, :, -1, None] - problem.minima, axis=-1)
    return problem.minima, np.where(np.isnan(away), np.inf, away).argmin(-1)


def _limits(problem: Problem, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where paths go to, points (n, d), and which is that of each path."""
    limits = x[:, :, -1].reshape(-1, x.shape[-1]).copy()
    finite = np.isfinite(limits).all(-1)
    if finite.any():
        large = x.shape[-1] > EXACT_HESSIAN
        method, most = NewtonCG() if large else Newton(), POLISHING[large]
        fits = solve(problem, method, limits[finite], gtol=0, max_steps=most, dtype="float64", progress=False)
        further = fits["last_x"].values[0]
        limits[finite] = np.where(np.isfinite(further).all(-1, keepdims=True), further, limits[finite])
    limits[~finite] = limits[finite][:1] if finite.any() else problem.start
    size = SAME * np.abs(limits).max(0)
    which = linked(limits / np.where(size > 0, size, 1))[0]
    one = np.unique(which, return_index=True)[1]
    return limits[one], which.reshape(x.shape[:2])


def _tail(x: np.ndarray, error: np.ndarray, eps: float) -> np.ndarray:
    """Which rows count, shape (variant, start, step)."""
    rows = error.shape[-1]
    noise = error[..., -max(1, round(END * rows)) :].max(-1, keepdims=True)
    moves = np.linalg.norm(np.diff(x, axis=2, append=x[:, :, -1:]), axis=-1)
    rounding = ROUNDINGS * eps * np.linalg.norm(x, axis=-1)
    before_it = np.concatenate([rounding[..., :1], rounding[..., :-1]], axis=-1)
    above, well_above = (
        np.logical_and.accumulate((error > times * noise) & (error > before_it), axis=-1) & (moves > rounding)
        for times in (1, MARGIN)
    )
    enough = 2 * well_above.sum(-1, keepdims=True) >= above.sum(-1, keepdims=True)
    usable = np.where(enough, well_above, above)
    usable &= noise <= CONVERGED * error.max(-1, keepdims=True)
    count = usable.sum(-1, keepdims=True)
    from_end = np.flip(np.flip(usable, -1).cumsum(-1), -1)
    return usable & (from_end <= np.maximum(FEWEST, -(-count // 2))) & (count >= 3)


def _slope(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The slope of b against a by least squares, over the entries of the last axis that count; NaN without any."""
    many = where.sum(-1)
    a, b = (np.where(where, v - (v * where).sum(-1, keepdims=True) / many[..., None], 0) for v in (a, b))
    return (a * b).sum(-1) / (a * a).sum(-1)


def _order(logs: np.ndarray, tail: np.ndarray) -> np.ndarray:
    """The slope of each log e in the tail against the one before it."""
    first = np.argsort(~tail, axis=-1, kind="stable")
    logs, tail = (np.take_along_axis(v, first, -1) for v in (logs, tail))
    return _slope(logs[..., :-1], logs[..., 1:], tail[..., 1:])


def _known(problem: Problem, x: np.ndarray, kinds: Sequence[tuple[str, theory.Numbers]]) -> list[tuple[float, float]]:
    """Rate and order by theory of each kind of method at the minimum x, NaN for a Hessian too large."""
    if len(x) > EXACT_HESSIAN:
        return [(np.nan, np.nan)] * len(kinds)

    def eigenvalues(point: Array) -> Array:
        return jnp.linalg.eigvalsh(problem.hessian(point))

    def residual(point: Array) -> Array:
        y = problem.forward(point)
        scale = jnp.linalg.norm(problem.jacobian(point) * point) + jnp.linalg.norm(y)
        return jnp.linalg.norm(problem.newton_in_y(y)) > NOTHING * scale

    with jax.enable_x64(True):
        point = jnp.asarray(x)
        h, left = np.asarray(evaluated(eigenvalues, point)), False
        if any(rule in theory.LEAST_SQUARES for rule, _ in kinds):
            left = bool(evaluated(residual, point))
    return [(theory.rate(*kind, h, left), theory.order(*kind, h, left)) for kind in kinds]
