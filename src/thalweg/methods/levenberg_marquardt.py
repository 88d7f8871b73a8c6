"""Gauss-Newton steps in a region where they are trusted: least squares from far away, to the last digit."""

from typing import NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Smooth
from thalweg.methods.box import Box, Region
from thalweg.methods.branches import pick
from thalweg.methods.method import Report, method, static
from thalweg.numerics.linalg import product
from thalweg.numerics.triangles import back, forward, triangle

ROUNDINGS = 8  # of L, within which it counts as equal
EVEN = 0.01  # the least |D_i x_i|, of the largest: what no digit of y depends on must not go to infinity first
SECULAR_STEPS = 12  # which here converge without a safeguard, most often within three
BEYOND = 1.5  # of the radius, where a step is within it


@final
class Model(NamedTuple):
    """J = Q R at a point, without the columns of components that are held."""

    root: Array  # R, (d, d)
    along: Array  # Q^T r, (d,)
    lengths: Array  # of the columns of J, (d,)


@final
class LevenbergMarquardtState(NamedTuple):
    value: Array
    lowest: Array  # value so far
    gradient: Array  # J^T r
    model: Model
    scale: Array  # D: the largest lengths of the columns of J so far, even at the start
    radius: Array
    ends: Array  # components at whose bound L was not finite, which stop short of it, (d,)
    free: Array  # the gradient without components that are held
    stuck: Array


@method
class LevenbergMarquardt:
    """x <- x + s with s the least |J s + r| over |D s| <= radius, where L = |r|^2/2 to second order in y and J = dr/dx:
    s = -(J^T J + lambda D^2)^-1 J^T r, with lambda = 0 where the Gauss-Newton step is within the radius.

    D holds the largest length that each column of J has had, so that steps are invariant to the units of each component
    of x. All is solved by orthogonal factors of J, whose condition is not squared. A step is one trial, which is taken
    if L falls. With rho the fall over the one predicted, the radius becomes twice the step where lambda = 0, grows to
    that where rho >= 3/4, and shrinks where rho <= 1/4, to where the parabola through L, its slope and the value found
    is lowest, within [1/10, 1/2]. Where L is the lowest so far but for rounding, also that of x, a trial is taken if it
    makes the gradient smaller, in units of D.

    With ``bounded`` x stays in the problem's domain, where it begins at the point nearest to the start: components at a
    bound that -J^T r would cross are held, the others take the step, and the trial is projected onto the box. Where L
    is not finite at a bound, as log 0, trials end short of that bound, and other components go on. For a loss that is
    not a ``SquaredError`` J^T J is the generalized Gauss-Newton matrix.

    Args:
        radius: the first, > 0, in units of |D x|, or of 1 where x is 0; a pure number.
        bounded: whether x stays in the domain; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, where it is bounded and the problem has no domain.
    Cost:
        per step one Jacobian with its value (min(m, d) passes), m d^2 multiplications and some d x d factorizations.
    Source:
        Levenberg (1944); Marquardt (1963); Moré (1978), sections 2 to 6; Bertsekas (1982) and Kanzow, Yamashita and
        Fukushima (2004) for bounds; Schraudolph (2002).
    Example:
        >>> fit = tw.Problem(lambda x: jnp.exp(x[0] * jnp.arange(3.0)), loss=tw.SquaredError([1, 2, 4.0]), start=[0.1])
        >>> fits = tw.solve(fit, tw.methods.LevenbergMarquardt(), dtype="float64")
        >>> print(np.allclose(fits.x.values, np.log(2)))
        True
    """

    radius: float = 1.0
    bounded: bool = static(default=False)

    def init(self, problem: Smooth, x: Array, key: Array) -> LevenbergMarquardtState:
        box, no = Box.of(problem, self.bounded, x), jnp.zeros((), bool)
        value, g, model = _model(problem, box, x)
        scale = _even(model.lengths, x)
        size = jnp.linalg.norm(scale * x)
        radius = jnp.asarray(self.radius * jnp.where(size > 0, size, 1), x.dtype)
        return LevenbergMarquardtState(value, value, g, model, scale, radius, box.open(x), box.free(x, g), no)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of J with r, and R."""
        return itemsize * (rows * (columns + 1) + 2 * columns**2)

    def step(self, problem: Smooth, x: Array, state: LevenbergMarquardtState) -> tuple[Array, LevenbergMarquardtState]:
        value, lowest, g, model, scale, radius, ends, free, _ = state
        box, d = Box.of(problem, self.bounded, x), _positive(scale)
        p, whole = _within(model.root / d, model.along, radius)
        there = box.short(ends, x, x + jnp.where(box.held(x, g), 0, p / d))
        s = there - x
        length, bent = jnp.linalg.norm(d * s), product(model.root, s)
        slope, promise = product(free, s), -product(free, s) - product(bent, bent) / 2

        tried, g_there, model_there = _model(problem, box, there)
        free_there = box.free(there, g_there)
        eps, moved = ROUNDINGS * jnp.finfo(x.dtype).eps, jnp.linalg.norm(_positive(model.lengths) * x)
        rounding = eps * jnp.sqrt(2 * jnp.abs(value)) * moved  # of L where x is rounded, and so y by eps moved
        lower = tried < lowest - eps * jnp.abs(lowest)
        level = ~lower & (tried <= lowest + eps * jnp.abs(lowest) + rounding)
        flatter = jnp.max(jnp.abs(free_there) / d) < jnp.max(jnp.abs(free) / d)
        finite = jnp.isfinite(tried) & jnp.all(jnp.isfinite(free_there))
        better, new = (lower | (level & flatter)) & finite, box.walls(ends, x, there, finite)

        gain = jnp.where(level, promise, value - tried)
        rho = jnp.where(finite & (promise > 0), gain / jnp.where(promise > 0, promise, 1), -1)
        bend = -slope - gain
        lowest_at = jnp.where(bend > 0, -slope / (2 * jnp.where(bend > 0, bend, 1)), 0.5)
        shrunk = jnp.where(finite, jnp.clip(lowest_at, 0.1, 0.5), 0.1) * jnp.minimum(radius, 10 * length)
        grown = jnp.where(rho >= 0.75, jnp.maximum(radius, 2 * length), radius)
        grown = jnp.where(whole, 2 * length, grown)
        next_radius = jnp.where(rho <= 0.25, shrunk, grown)
        radius = jnp.where(jnp.any(new), radius, jnp.where(better | (rho <= 0.25), next_radius, shrunk))
        nothing = jnp.maximum(jnp.abs(slope), product(bent, bent)) <= eps * jnp.abs(value) / 64  # to be won
        stuck = ~better & (jnp.all(there == x) | nothing) & ~jnp.any(new)
        x, value, g, model = pick(better, (there, tried, g_there, model_there), (x, value, g, model))
        return x, LevenbergMarquardtState(
            value,
            jnp.minimum(lowest, value),
            g,
            model,
            jnp.maximum(scale, model.lengths),
            radius,
            ~better & (ends | new),
            box.free(x, g),
            stuck,
        )

    def report(self, x: Array, state: LevenbergMarquardtState) -> Report:
        step, promise = _whole(state.model, x, state.value)
        return Report(state.value, state.free, state.stuck, step=step, promise=promise, size=jnp.abs(x))


def _whole(model: Model, x: Array, value: Array) -> tuple[Array, Array]:
    """s of the least |J s + r|, and how much lower it makes L. Columns that depend on those before take no part, nor
    does what y shows by rounding only."""
    root, along, lengths = model
    eps = float(jnp.finfo(x.dtype).eps)
    held = jnp.abs(jnp.diagonal(root)) <= 16 * len(x) * eps * lengths
    along = jnp.where(held, 0, along)
    won, rounding = jnp.linalg.norm(along), ROUNDINGS * eps * jnp.linalg.norm(lengths * x)
    step = -back(jnp.where(held[:, None], jnp.eye(len(x), dtype=x.dtype), root), along)
    hidden = lengths * jnp.abs(step) <= 8 * (rounding + ROUNDINGS * eps * jnp.sqrt(2 * jnp.abs(value)))
    return jnp.where(hidden, 0, step), jnp.where(won <= rounding, 0, won**2 / 2)


def _within(a: Array, along: Array, radius: Array) -> tuple[Array, Array]:
    """The least |A p + along| over |p| <= radius, A upper triangular, to half the radius; and whether it is that over
    all p, and alone.

    |p| falls with lambda in (A^T A + lambda) p = -A^T along. From below, where the first |p| is larger, Newton's method
    on 1/|p| = 1/radius rises to the root (Moré 1978, section 5).
    """
    n, eps = len(along), float(jnp.finfo(along.dtype).eps)

    def at(damping: Array) -> tuple[Array, Array]:
        """R of A^T A + damping = R^T R, and p."""
        below = jnp.concatenate([jnp.sqrt(damping) * jnp.eye(n, dtype=a.dtype), jnp.zeros((1, n), a.dtype)])
        r = triangle(jnp.concatenate([jnp.concatenate([a.T, along[None]]), below], axis=1))
        return r[:n, :n], -back(r[:n, :n], r[:n, n])

    def further(loop: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        damping, r, p, k = loop
        size = jnp.linalg.norm(p)
        slope = forward(r, p / size)
        rise = damping + (size - radius) / radius / product(slope, slope)
        damping = jnp.where(jnp.isfinite(rise), rise, jnp.maximum(100 * damping, least))
        return damping, *at(damping), k + 1

    def beyond(loop: tuple[Array, Array, Array, Array]) -> Array:
        return ~(jnp.linalg.norm(loop[2]) <= BEYOND * radius) & (loop[3] < SECULAR_STEPS)

    newton = -back(a, along)  # NaN where columns are dependent, and then damped by what is rounding
    least, none = (n * eps * jnp.max(jnp.abs(a))) ** 2, jnp.zeros_like(radius)
    damping, _, p, _ = jax.lax.while_loop(beyond, further, (none, a, newton, jnp.zeros((), jnp.int32)))
    return p, damping == 0


def _even(scale: Array, x: Array) -> Array:
    """D at the start, with no |D_i x_i| negligible beside others."""
    d, size = _positive(scale), jnp.abs(x)
    size = jnp.where(size > 0, size, jnp.max(size))  # a component of 0 has no size of its own
    return jnp.maximum(d, EVEN * jnp.max(d * jnp.abs(x)) / jnp.where(size > 0, size, jnp.inf))


def _positive(lengths: Array) -> Array:
    return jnp.where(lengths > 0, lengths, 1)


def _model(problem: Smooth, box: Region, x: Array) -> tuple[Array, Array, Model]:
    """L, J^T r and J = Q R, of one pass, with zeros for what is held, where slopes may be infinite."""
    r, j = problem.least_squares(x)
    d, (g, j) = len(x), box.columns(x, r, j)
    whole = triangle(jnp.concatenate([j.T, r[None]]))
    root, along = whole[:d, :d], whole[:d, d]
    g = product(root.T, along) if g is None else g
    return problem.value(x), g, Model(root, along, jnp.linalg.norm(root, axis=0))
