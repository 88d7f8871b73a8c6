"""Quasi-Newton methods: curvature from the gradients that the path has seen."""

from typing import NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Smooth
from thalweg.methods.box import Box
from thalweg.methods.branches import pick
from thalweg.methods.line_search import LineSearch
from thalweg.methods.method import Report, method, static
from thalweg.numerics.linalg import product, rank_two


@final
class BFGSState(NamedTuple):
    value: Array
    gradient: Array
    inverse: Array  # of the Hessian, (d, d)
    direction: Array
    search: LineSearch
    fresh: Array  # whether ``inverse`` has no update yet
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
        yes = jnp.ones((), bool)
        return BFGSState(value, g, jnp.eye(x.shape[0], dtype=x.dtype), -g, first_search(g), yes, ~yes)

    def step(self, problem: Smooth, x: Array, state: BFGSState) -> tuple[Array, BFGSState]:
        value, g, b, p, search, fresh, _ = state
        s = search.length * p
        there = x + s
        tried, g_there = problem.value_and_gradient(there)
        slope, slope_there = product(g, p), product(g_there, p)
        serves, following = search.judge(value, slope, tried, slope_there, self.decrease, self.curvature)

        y, sy = g_there - g, search.length * (slope_there - slope)
        scale = jnp.where(fresh & serves & (sy > 0), sy / product(y, y), 1)
        rho = jnp.where(serves & (sy > 0), 1 / sy, 0)
        by, bg = scale * product(b, y), scale * product(b, g_there)
        s, t = pick(serves, (s, rho * by - rho * (1 + rho * product(y, by)) / 2 * s), (0 * p, 0 * p))
        p_there = s * product(t, g_there) + t * product(s, g_there) - bg  # B' = B - s t^T - t s^T, p = -B' g

        failed = ~serves & (jnp.all(x + following.length * p == x) | ~(slope < 0))
        again = failed | (serves & ~(product(g_there, p_there) < 0))
        b = jnp.where(again, jnp.eye(len(x), dtype=x.dtype), rank_two(scale * b, s, t))
        x, value, g = pick(serves, (there, tried, g_there), (x, value, g))
        p = jnp.where(again, -g, jnp.where(serves, p_there, p))
        search = pick(again, first_search(g), pick(serves, LineSearch.begin(jnp.ones_like(value)), following))
        return x, BFGSState(value, g, b, p, search, again | (fresh & ~serves), failed & fresh)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of B."""
        return itemsize * columns**2

    def report(self, x: Array, state: BFGSState) -> Report:
        return Report(state.value, state.gradient, state.stuck)


@final
class LBFGSState(NamedTuple):
    value: Array
    gradient: Array
    steps: Array  # the last s, oldest first, (memory, d); zero where there is none yet
    changes: Array  # and their y
    direction: Array
    search: LineSearch
    projected: Array  # the gradient that vanishes at a solution
    stuck: Array


@method
class LBFGS:
    """``BFGS`` whose matrix is never formed: x <- x - t B g with B g from the last ``memory`` pairs (s, y) by the
    two-loop recursion, begun with B = s^T y / y^T y of the last pair.

    With ``bounded`` x stays in the problem's domain: components at a bound that -g would cross are held and left out of
    all pairs, and trials are projected onto the box.

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
        box = Box.of(problem, self.bounded, x)
        none, free = jnp.zeros((self.memory, len(x)), x.dtype), jnp.where(box.held(x, g), 0, g)
        return LBFGSState(value, g, none, none, -free, first_search(free), box.projected(x, g), jnp.zeros((), bool))

    def step(self, problem: Smooth, x: Array, state: LBFGSState) -> tuple[Array, LBFGSState]:
        value, g, steps, changes, p, search, _, _ = state
        box = Box.of(problem, self.bounded, x)
        there = box.project(x + search.length * p)
        s = there - x
        tried, g_there = problem.value_and_gradient(there)
        slope, slope_there = product(g, s) / search.length, product(g_there, s) / search.length
        serves, following = search.judge(value, slope, tried, slope_there, self.decrease, self.curvature)
        clipped = jnp.any(there != x + search.length * p)  # a longer trial would end at the same bounds
        serves |= clipped & (following.low == search.length)  # low enough, only not flat enough

        y = g_there - g
        newer = serves & (product(s, y) > 0)
        steps, changes = (
            jnp.where(newer, jnp.concatenate([old[1:], new[None]]), old) for old, new in ((steps, s), (changes, y))
        )
        failed = ~serves & (jnp.all(box.project(x + following.length * p) == x) | ~(slope < 0))
        fresh = jnp.all(steps[-1] == 0)
        steps, changes = (jnp.where(failed, 0, old) for old in (steps, changes))
        x, value, g = pick(serves, (there, tried, g_there), (x, value, g))
        held = box.held(x, g)
        free = jnp.where(held, 0, g)
        p = jnp.where(serves | failed, _two_loops(free, jnp.where(held, 0, steps), jnp.where(held, 0, changes)), p)
        afresh = first_search(free)
        one = pick(jnp.all(steps[-1] == 0), afresh, LineSearch.begin(jnp.ones_like(value)))
        search = pick(serves | failed, one, following)
        return x, LBFGSState(value, g, steps, changes, p, search, box.projected(x, g), failed & fresh)

    def report(self, x: Array, state: LBFGSState) -> Report:
        return Report(state.value, state.projected, state.stuck)


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


def first_search(g: Array) -> LineSearch:
    """Along -g, not further than 1 in any component."""
    return LineSearch.begin(1 / jnp.maximum(1, jnp.max(jnp.abs(g))))
