"""Search without a slope: every point of a grid, or points at random."""

from typing import ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.box import Box
from thalweg.methods.method import method, static
from thalweg.numerics.reading import whole


@final
class GridSearchState(NamedTuple):
    lowest: Array  # loss so far
    digits: Array  # of the next grid point, (d,), the last running fastest
    done: Array  # whether all were tried


@method
class GridSearch:
    """x <- the best of the start and of the grid points so far, one more of them per step.

    The grid has ``points`` values along each side of the problem's domain, ends included, in the order of
    ``starts.grid``; after points^d steps x stays. It finds the lowest grid point whatever L is, to within eps =
    side/(points - 1) in each component, for points^d evaluations: O(1/eps) in one dimension, O(1/eps^d) in d. Invariant
    to increasing functions of L.

    Args:
        points: 2 or more; structure.
    Raises:
        ValueError: for fewer than two points; from ``run`` and ``solve``, where the problem has no finite domain.
    Cost:
        per step one value.
    Source:
        the exhaustive search; Nesterov (2018), Lectures on Convex Optimization, section 1.1.3, for its cost.
    Example:
        >>> problem = tw.problems.quadratic([1.0]).within((-4.0, 5.0))
        >>> trace = tw.run(problem, tw.methods.GridSearch(points=10), [3.5], steps=10)
        >>> print(trace.x.values.ravel()[[0, 1, 5, 10]])
        [3.5 3.5 0.  0. ]
    """

    bounded: ClassVar[bool] = True
    points: int = static()

    def __post_init__(self) -> None:
        whole(self.points, "points", 2)

    def evaluations(self, dimension: int) -> int:
        """points^d, how many evaluations, and steps, the grid takes in d dimensions."""
        return int(self.points) ** whole(dimension, "dimension", 1)

    def init(self, problem: Objective, x: Array, key: Array) -> GridSearchState:
        Box.searched(problem, "a grid search", x)
        return GridSearchState(_finite(problem, x), jnp.zeros(x.shape, jnp.int32), jnp.zeros((), bool))

    def step(self, problem: Objective, x: Array, state: GridSearchState) -> tuple[Array, GridSearchState]:
        box, last = Box.searched(problem, "a grid search", x), self.points - 1
        t = state.digits.astype(x.dtype) / last
        there = (1 - t) * box.low + t * box.high  # exact at both ends
        x, lowest = _better(problem, x, state.lowest, jnp.where(state.done, x, there))
        full = jnp.append(state.digits == last, True)
        carried = jnp.flip(jnp.cumprod(jnp.flip(full)))[1:].astype(bool)  # all digits to the right are full
        digits = jnp.where(carried, jnp.where(state.digits == last, 0, state.digits + 1), state.digits)
        return x, GridSearchState(lowest, digits, state.done | jnp.all(state.digits == last))


@final
class RandomSearchState(NamedTuple):
    lowest: Array  # loss so far
    key: Array


@method
class RandomSearch:
    """x <- the better of x and a point drawn uniformly from the problem's domain.

    After n steps the best is among the fraction q of the domain with the lowest L with probability 1 - (1 - q)^n, in
    any dimension. Invariant to increasing functions of L.

    Raises:
        ValueError: from ``run`` and ``solve``, where the problem has no finite domain.
    Cost:
        per step one value.
    Source:
        Brooks (1958), Operations Research 6, 244-251.
    Example:
        >>> problem = tw.problems.quadratic([1.0]).within((-4.0, 5.0))
        >>> trace = tw.run(problem, tw.methods.RandomSearch(), [3.5], steps=100)
        >>> print(abs(trace.x.values[0, 0, -1, 0]) < 1)
        True
    """

    bounded: ClassVar[bool] = True

    def init(self, problem: Objective, x: Array, key: Array) -> RandomSearchState:
        Box.searched(problem, "a random search", x)
        return RandomSearchState(_finite(problem, x), key)

    def step(self, problem: Objective, x: Array, state: RandomSearchState) -> tuple[Array, RandomSearchState]:
        box = Box.searched(problem, "a random search", x)
        key, draw = jax.random.split(state.key)
        x, lowest = _better(problem, x, state.lowest, box.draw(draw, x.shape))
        return x, RandomSearchState(lowest, key)


def _finite(problem: Objective, x: Array) -> Array:
    """L, or infinity where it is no number, so that every number is below."""
    value = problem.value(x)
    return jnp.where(jnp.isnan(value), jnp.inf, value)


def _better(problem: Objective, x: Array, lowest: Array, there: Array) -> tuple[Array, Array]:
    value = problem.value(there)
    return jnp.where(value < lowest, there, x), jnp.where(value < lowest, value, lowest)
