"""Newton's method in a region where its model is trusted."""

import math
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.box import Box, Region
from thalweg.methods.branches import pick
from thalweg.methods.conjugate_gradient import ConjugateGradient, forcing
from thalweg.methods.method import Report, method, static
from thalweg.numerics.linalg import eigh, product

EXACT = 250  # components up to which the Hessian is formed
SECULAR_STEPS = 20  # of Newton's method, which here converges without a safeguard


@final
class TrustRegionState(NamedTuple):
    value: Array
    gradient: Array
    model: Any  # eigenvalues and vectors of the Hessian, or where the inner iteration is
    radius: Array
    ends: Array  # components at whose bound L was not finite, which stop short of it, (d,)
    free: Array  # the gradient without components that are held
    saddle: Array  # whether the curvature is known to be negative somewhere
    stuck: Array


@final
class Inner(NamedTuple):
    iteration: ConjugateGradient
    trying: Array  # whether its step is tried next, else one more iteration is made


@method
class TrustRegion:
    """x <- x + s with s the minimum of the model m(s) = g^T s + s^T H s / 2 over |s| <= radius, taken where L falls by
    more than a tenth of what m promises; the radius follows how well it does. g = dL/dx, H = d2L/dx2.

    Up to ``EXACT`` components H is formed and the minimum is exact, by its eigenvalues: H may be indefinite, and saddle
    points and maxima are left. A step is one trial. Above, the minimum is approached by conjugate gradients, which
    leave a saddle point where a random direction shows it; a step is then one product of the Hessian with a vector or
    one trial, and no matrix is formed.

    A trial that gains less than a quarter of the promise shrinks the radius to where the parabola through L, its slope
    and the value found is lowest, within [1/16, 1/2] of the step; one that gains more than three quarters lets it grow
    to there, within [2, 8] of the step. Negative curvature is not trusted to gain more than the slope does.

    With ``bounded`` x stays in the problem's domain, where it begins at the point nearest to the start: components at a
    bound that -g would cross are held, and trials are projected onto the box. Where L is not finite at a bound, as log
    0, trials end short of that bound, and other components go on. Invariant to orthogonal maps of x.

    Args:
        radius: the first, > 0, in [x]; larger where x would show no such step.
        bounded: whether x stays in the domain; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, where it is bounded and the problem has no domain.
    Cost:
        per step one gradient, one Hessian (d passes) and one eigendecomposition, memory of 2 d^2 numbers; above
        ``EXACT`` components one product of the Hessian and one gradient in one pass, memory of some vectors of d
        numbers.
    Source:
        Moré and Sorensen (1983) for the exact minimum; Steihaug (1983) for conjugate gradients; Conn, Gould and Toint
        (2000), algorithm 6.1.1, sections 17.1 and 17.4.2, for the radius; Bertsekas (1982) for bounds.
    Example:
        >>> maximum = tw.Problem(loss=lambda x: x[0] ** 4 - 2 * x[0] ** 2, start=[0.1])
        >>> fits = tw.solve(maximum, tw.methods.TrustRegion(), dtype="float64")
        >>> print(fits.x.values.squeeze().round(3))
        1.0
    """

    radius: float = 1.0
    bounded: bool = static(default=False)

    def init(self, problem: Objective, x: Array, key: Array) -> TrustRegionState:
        box, no = Box.of(problem, self.bounded, x), jnp.zeros((), bool)
        value, g = problem.value_and_gradient(x)
        if len(x) <= EXACT:
            model, saddle = _spectrum(box, x, g, problem.hessian(x))
        else:
            model, saddle = Inner(ConjugateGradient.begin(_slopes(box, x, g)), no), jnp.all(g == 0)
        visible = math.sqrt(jnp.finfo(x.dtype).eps) * jnp.max(jnp.abs(x))
        radius = jnp.maximum(jnp.asarray(self.radius, x.dtype), visible)
        return TrustRegionState(value, g, model, radius, box.open(x), box.free(x, g), saddle, no)

    def step(self, problem: Objective, x: Array, state: TrustRegionState) -> tuple[Array, TrustRegionState]:
        one = _exact_step if len(x) <= EXACT else _inner_step
        return one(problem, Box.of(problem, self.bounded, x), x, state)

    def report(self, x: Array, state: TrustRegionState) -> Report:
        step, promise = _exact_whole(x, state) if len(x) <= EXACT else _inner_whole(state)
        return Report(state.value, state.free, state.stuck, state.saddle, step=step, promise=promise)


def _exact_whole(x: Array, state: TrustRegionState) -> tuple[Array, Array]:
    """The minimum s of the model over all of space and -m(s), but for directions in which slope and curvature are
    rounding; not finite where there is none."""
    eigenvalues, vectors = state.model
    along = product(vectors.T, state.free)
    rounding = 16 * len(x) * float(jnp.finfo(x.dtype).eps) * jnp.max(jnp.abs(eigenvalues))
    flat = (jnp.abs(eigenvalues) <= rounding) & (jnp.abs(along) <= rounding * _size(x))
    u = jnp.where(flat, 0, along / eigenvalues)
    return -product(vectors, u), jnp.where(jnp.all(flat | (eigenvalues > 0)), product(along, u) / 2, jnp.inf)


def _inner_whole(state: TrustRegionState) -> tuple[Array, Array]:
    """The same to the goal of the inner iteration, where that is done and inside of the region."""
    (s, r, _, _), trying = state.model
    inside = trying & (_size(s) < 0.99 * state.radius)
    return jnp.where(inside, s, jnp.inf), jnp.where(inside, -(product(state.free, s) + product(r, s)) / 2, jnp.inf)


def _exact_step(problem: Objective, box: Region, x: Array, state: TrustRegionState) -> tuple[Array, TrustRegionState]:
    value, g, (eigenvalues, vectors), radius, ends, free, _, _ = state
    along = product(vectors.T, free)
    there = box.short(ends, x, x + product(vectors, _within(eigenvalues, along, radius)))
    s = there - x
    parts = product(vectors.T, s)
    tried, g_there = problem.value_and_gradient(there)
    model, saddle = _spectrum(box, there, g_there, problem.hessian(there))
    finite = jnp.isfinite(tried) & jnp.all(jnp.isfinite(box.free(there, g_there))) & jnp.all(jnp.isfinite(model[0]))
    slope = product(free, s)
    taken, next_radius = _judge(value, tried, finite, slope, product(eigenvalues, parts**2), _size(s), radius)
    new = box.walls(ends, x, there, finite)
    radius = jnp.where(jnp.any(new), radius, next_radius)
    following = (there, tried, g_there, model, saddle)
    x, value, g, model, saddle = pick(taken, following, (x, value, g, (eigenvalues, vectors), state.saddle))
    stuck = ~taken & (jnp.all(there == x) | ~jnp.isfinite(slope))
    return x, TrustRegionState(value, g, model, radius, ~taken & (ends | new), box.free(x, g), saddle, stuck)


def _inner_step(problem: Objective, box: Region, x: Array, state: TrustRegionState) -> tuple[Array, TrustRegionState]:
    value, g, (iteration, trying), radius, ends, free, saddle, _ = state
    there = jnp.where(trying, box.short(ends, x, x + iteration.s), x)
    tried, g_there, hp = problem.hessian_product(there, iteration.direction)
    slopes = _slopes(box, x, g)
    goal = jnp.where(saddle, jnp.sqrt(jnp.finfo(x.dtype).eps) * _size(slopes), forcing(slopes))
    further, done, negative = iteration.advance(jnp.where(box.held(x, g), 0, hp), radius, goal)

    s = there - x
    finite = jnp.isfinite(tried) & jnp.all(jnp.isfinite(box.free(there, g_there)))
    curved = product(iteration.r - slopes, iteration.s)  # s^T H s
    taken, next_radius = _judge(value, tried, finite, product(free, s), curved, _size(s), radius)
    taken &= trying
    new = trying & box.walls(ends, x, there, finite)
    again, stuck = jnp.any(new), trying & ~taken & jnp.all(there == x)
    x, value, g = pick(taken, (there, tried, g_there), (x, value, g))
    begun = ConjugateGradient.begin(_slopes(box, x, g))
    inner = Inner(pick(again, iteration, pick(trying, begun, further)), jnp.where(trying, again, done))
    radius = jnp.where(trying & ~again, next_radius, radius)
    saddle = jnp.where(trying, jnp.all(g == 0), saddle & (~done | negative))
    return x, TrustRegionState(value, g, inner, radius, ~taken & (ends | new), box.free(x, g), saddle, stuck)


def _slopes(box: Region, x: Array, g: Array) -> Array:
    """The gradient of free components, with which the inner iteration begins; where it vanishes, a vector without
    symmetry, from which the iteration finds negative curvature, so small that it does not leave the region before."""
    free = box.free(x, g)
    tiny = jnp.finfo(x.dtype).eps * jnp.cos(jnp.arange(1, len(x) + 1, dtype=x.dtype))
    return jnp.where(jnp.all(free == 0), tiny, free)


def _within(eigenvalues: Array, along: Array, radius: Array) -> Array:
    """The minimum u of along^T u + u^T diag(eigenvalues) u / 2 over |u| <= radius (More and Sorensen 1983).

    -along_i / (eigenvalue_i + shift), with the shift from a lower bound of it, where |u_i| = radius for one i, by
    Newton's method on 1/|u| = 1/radius, which rises to the root (Conn, Gould, Toint 2000, section 7.3). What is missing
    to the radius where curvature is negative lies along the lowest eigenvector (the hard case).
    """

    def at(shift: Array) -> tuple[Array, Array]:
        bend = eigenvalues + shift
        safe = jnp.where(bend > 0, bend, 1)
        return jnp.where(bend > 0, -along / safe, 0), safe

    def rise(_: int, shift: Array) -> Array:
        u, bend = at(shift)
        uu, slope = product(u, u), jnp.sum(u**2 / bend)
        size = jnp.sqrt(uu)
        return shift + jnp.where(size > radius, (size - radius) / radius * uu / jnp.where(slope > 0, slope, 1), 0)

    lowest = jnp.maximum(jnp.max(jnp.abs(along) / radius - eigenvalues), 0)
    u, _ = at(jax.lax.fori_loop(0, SECULAR_STEPS, rise, lowest))
    missing = jnp.sqrt(jnp.maximum(radius**2 - jnp.sum(u[1:] ** 2), 0))
    return u.at[0].set(jnp.where(eigenvalues[0] < 0, jnp.where(along[0] > 0, -missing, missing), u[0]))


def _judge(
    value: Array, tried: Array, finite: Array, slope: Array, curved: Array, size: Array, radius: Array
) -> tuple[Array, Array]:
    """Whether a trial s is taken and the next radius, from g^T s, s^T H s and |s|."""
    gain, promise = value - tried, -slope - jnp.maximum(curved, 0) / 2
    noise = 10 * jnp.finfo(value.dtype).eps * jnp.abs(value)
    serious = finite & (promise >= 0) & (jnp.maximum(gain, promise) > 0)
    ratio = jnp.where(serious, (gain + noise) / (promise + noise), -jnp.inf)
    bend = -slope - gain
    lowest = jnp.where(bend > 0, -slope / (2 * jnp.where(bend > 0, bend, 1)), jnp.inf)
    shrunk = size * jnp.where(finite, jnp.clip(lowest, 1 / 16, 1 / 2), 1 / 16)
    grown = jnp.maximum(radius, size * jnp.clip(lowest, 2, 8))
    return ratio > 0.1, jnp.where(ratio > 0.75, grown, jnp.where(ratio >= 0.25, radius, shrunk))


def _spectrum(box: Region, x: Array, g: Array, h: Array) -> tuple[tuple[Array, Array], Array]:
    """Eigenvalues and vectors of the Hessian of free components, and whether one is negative beyond rounding."""
    h = jnp.where(jnp.isfinite(h), h, 0)  # of |x|^1.5 at 0, where the slope alone must do
    eigenvalues, vectors = eigh(box.restricted(h, x, g))
    rounding = jnp.sqrt(jnp.finfo(x.dtype).eps) * jnp.max(jnp.abs(eigenvalues))
    return (eigenvalues, vectors), eigenvalues[0] < -rounding


def _size(s: Array) -> Array:
    return jnp.sqrt(product(s, s))
