"""Quasi-Newton methods: curvature from the gradients that the path has seen."""

import math
from typing import NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Smooth
from thalweg.methods.box import Box
from thalweg.methods.branches import pick
from thalweg.methods.line_search import LineSearch, along
from thalweg.methods.method import Report, method, static
from thalweg.numerics.layout import largest
from thalweg.numerics.linalg import product, rank_two


@final
class BFGSState(NamedTuple):
    value: Array
    gradient: Array
    inverse: Array  # of the Hessian, (d, d)
    direction: Array
    search: LineSearch
    fresh: Array  # whether ``inverse`` has no update yet
    promise: Array  # of the step that led to x, where the first trial of a search served
    stuck: Array


@method
class BFGS:
    """x <- x - t B g, with g = dL/dx and B an approximate inverse of the Hessian from Broyden, Fletcher, Goldfarb and
    Shanno's update

        B <- (I - s y^T / s^T y) B (I - y s^T / s^T y) + s s^T / s^T y,  s = x' - x, y = g' - g

    and t from a line search with Wolfe's conditions (``LineSearch``). A step is one trial of the search; x moves with
    those that serve. The first trial goes as far as 1 in the units of x at most, and the first update scales B = s^T y
    / y^T y. Where the search fails, it begins again along -g; where that fails too, the method is stuck. Invariant to a
    linear map of x but for its first step.

    Args:
        decrease: of the first of Wolfe's conditions, a pure number, 0 < decrease < curvature.
        curvature: of the second, a pure number below 1.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number, and where B would not fit in memory.
    Cost:
        per step one gradient with its value and about 4 d^2 multiplications; memory of d^2 numbers.
    Source:
        Nocedal and Wright (2006), algorithm 6.1, eqs. 6.17 and 6.20.
    Example:
        >>> fits = tw.solve(tw.problems.rosenbrock(), tw.methods.BFGS(), dtype="float64")
        >>> print(fits.x.values.squeeze().round(3))
        [1. 1.]
    """

    decrease: float = 1e-4
    curvature: float = 0.9

    def init(self, problem: Smooth, x: Array, key: Array) -> BFGSState:
        value, g = problem.value_and_gradient(x)
        yes, search = jnp.ones((), bool), LineSearch.first(first_length(g, x), x, value)
        return BFGSState(value, g, jnp.eye(x.shape[0], dtype=x.dtype), -g, search, yes, search.high, ~yes)

    def step(self, problem: Smooth, x: Array, state: BFGSState) -> tuple[Array, BFGSState]:
        value, g, b, p, search, fresh, promise, _ = state
        s = search.length * p
        there = x + s
        tried, g_there = problem.value_and_gradient(there)
        here, beyond = along(value, g, p), along(tried, g_there, p)
        moves, serves, following = search.judge(here, beyond, self.decrease, self.curvature)

        known = search.promised(promise, here, x, s, moves, serves)
        promise = jnp.where(fresh, jnp.inf, known)
        y, sy = g_there - g, search.length * (beyond.slope - here.slope)
        scale = jnp.where(fresh & serves & (sy > 0), sy / product(y, y), 1)
        rho = jnp.where(serves & (sy > 0), 1 / sy, 0)
        by, bg = scale * product(b, y), scale * product(b, g_there)
        s, t = pick(serves, (s, rho * by - rho * (1 + rho * product(y, by)) / 2 * s), (0 * p, 0 * p))
        p_there = s * product(t, g_there) + t * product(s, g_there) - bg  # B' = B - s t^T - t s^T, p = -B' g

        x, value, g = pick(moves, (there, tried, g_there), (x, value, g))
        arrived, following = following.seen(here.value, value, g, search.length * p, moves)
        failed = ~serves & (jnp.all(x + following.length * p == x) | ~(here.slope < 0))
        again = failed | (serves & ~(product(g_there, p_there) < 0))
        b = jnp.where(again, jnp.eye(len(x), dtype=x.dtype), rank_two(scale * b, s, t))
        p = jnp.where(again, -g, jnp.where(serves, p_there, p))
        anew = following.again(jnp.where(again, first_length(g, x), 1))
        search = pick(again | serves, anew, following)
        stuck = arrived | (failed & fresh & ~moves)
        return x, BFGSState(value, g, b, p, search, again | (fresh & ~serves), promise, stuck)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of B."""
        return itemsize * columns**2

    def report(self, x: Array, state: BFGSState) -> Report:
        return Report(state.value, state.gradient, state.stuck, promise=state.promise)


@final
class LBFGSState(NamedTuple):
    value: Array
    gradient: Array
    ends: Array  # components at whose bound L was not finite, which stop short of it, (d,)
    steps: Array  # the last s, oldest first, (memory, d); zero where there is none yet
    changes: Array  # and their y
    direction: Array
    search: LineSearch
    free: Array  # the gradient without components that are held
    promise: Array  # of the step that led to x, where the first trial of a search served
    stuck: Array


@method
class LBFGS:
    """``BFGS`` whose matrix is never formed: x <- x - t B g with B g from the last ``memory`` pairs (s, y) by the
    two-loop recursion, begun with B = s^T y / y^T y of the last pair.

    With ``bounded`` x stays in the problem's domain, where it begins at the point nearest to the start: components at a
    bound that -g would cross are held and left out of all pairs, and trials are projected onto the box. Where L is not
    finite at a bound, as log 0, trials end short of that bound, and other components go on.

    Args:
        decrease: of the first of Wolfe's conditions, a pure number, 0 < decrease < curvature.
        curvature: of the second, a pure number below 1.
        memory: how many pairs, 1 or more; structure.
        bounded: whether x stays in the domain; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, where it is bounded and the problem has no domain.
    Cost:
        per step one gradient with its value and about 8 memory d multiplications; memory of 2 memory d numbers.
    Source:
        Liu and Nocedal (1989); Nocedal and Wright (2006), algorithm 7.4; bounds by Bertsekas (1982) and Schmidt, Kim
        and Sra (2011), section 11.4.
    Example:
        >>> fits = tw.solve(tw.problems.rosenbrock(), tw.methods.LBFGS(), dtype="float64")
        >>> print(fits.x.values.squeeze().round(3))
        [1. 1.]
    """

    decrease: float = 1e-4
    curvature: float = 0.9
    memory: int = static(default=10)
    bounded: bool = static(default=False)

    def init(self, problem: Smooth, x: Array, key: Array) -> LBFGSState:
        value, g = problem.value_and_gradient(x)
        box, no = Box.of(problem, self.bounded, x), jnp.zeros((), bool)
        none, free = jnp.zeros((self.memory, len(x)), x.dtype), box.free(x, g)
        first = jnp.maximum(first_length(free, x), jnp.where(box.finite, 1, 0))
        search = LineSearch.first(first, x, value)
        return LBFGSState(value, g, box.open(x), none, none, -free, search, free, search.high, no)

    def step(self, problem: Smooth, x: Array, state: LBFGSState) -> tuple[Array, LBFGSState]:
        value, g, ends, steps, changes, p, search, free, promise, _ = state
        box = Box.of(problem, self.bounded, x)
        there = box.short(ends, x, x + search.length * p)
        tried, g_there = problem.value_and_gradient(there)
        s = there - x
        here = along(value, free, s / search.length)
        beyond = along(tried, box.free(there, g_there), s / search.length)
        moves, serves, following = search.judge(here, beyond, self.decrease, self.curvature)
        down = (here.slope < 0) & jnp.isfinite(here.slope)
        failed = ~serves & (jnp.all(box.project(x + following.length * p) == x) | ~down)
        new_ends = box.walls(ends, x, there, jnp.isfinite(tried + beyond.slope))

        known = search.promised(promise, here, x, s, moves, serves)  # of the trial, before what is held is left out
        moved, held = s, box.held(x, g) | box.held(there, g_there)
        s, y = jnp.where(held, 0, s), jnp.where(held, 0, g_there - g)
        newer, fresh = serves & (product(s, y) > 0), jnp.all(steps[-1] == 0)
        promise = jnp.where(fresh, jnp.inf, known)
        steps, changes = (
            jnp.where(failed, 0, jnp.where(newer, jnp.concatenate([old[1:], new[None]]), old))
            for old, new in ((steps, s), (changes, y))
        )
        x, value, g = pick(moves, (there, tried, g_there), (x, value, g))
        held, free = box.held(x, g), box.free(x, g)
        arrived, following = following.seen(here.value, value, free, moved, moves)
        anew = serves | failed
        p = jnp.where(anew, _two_loops(free, jnp.where(held, 0, steps), jnp.where(held, 0, changes)), p)
        first = following.again(jnp.where(jnp.all(steps[-1] == 0), first_length(free, x), 1))
        search = pick(anew, first, pick(jnp.any(new_ends), search, following))
        stuck = arrived | (failed & fresh & ~moves)
        ends = ~anew & (ends | new_ends)
        return x, LBFGSState(value, g, ends, steps, changes, p, search, free, promise, stuck)

    def report(self, x: Array, state: LBFGSState) -> Report:
        return Report(state.value, state.free, state.stuck, promise=state.promise)


def _two_loops(g: Array, steps: Array, changes: Array) -> Array:
    """-B g. Pairs without positive curvature are left out."""
    sy = jnp.sum(steps * changes, axis=1)
    rho = jnp.where(sy > 0, 1 / sy, 0)

    def back(q: Array, pair: tuple[Array, ...]) -> tuple[Array, Array]:
        s, y, rho = pair
        weight = rho * product(s, q)
        return q - weight * y, weight

    def forth(r: Array, pair: tuple[Array, ...]) -> tuple[Array, None]:
        s, y, rho, weight = pair
        return r + (weight - rho * product(y, r)) * s, None

    q, weights = jax.lax.scan(back, g, (steps, changes, rho), reverse=True)
    scale = jnp.where(rho[-1] > 0, sy[-1] / product(changes[-1], changes[-1]), 1)
    return -jax.lax.scan(forth, scale * q, (steps, changes, rho, weights))[0]


def first_length(g: Array, x: Array) -> Array:
    """Of a trial along -g: not further than 1 in any component, and as far as x can show, or 1 where x is 0."""
    steepness, size = largest(jnp.abs(g)), largest(jnp.abs(x))
    least = math.sqrt(jnp.finfo(x.dtype).eps) * jnp.where(size > 0, size, 1)
    length = jnp.clip(steepness, least, jnp.maximum(least, 1)) / jnp.where(steepness == 0, 1, steepness)
    return jnp.where(steepness == 0, 1, length)
