"""CMA-ES by the package cmaes: its distribution on the host, the losses in the compiled program."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer
from jax.tree_util import register_dataclass

from thalweg.methods.host import host_call
from thalweg.methods.population import losses
from thalweg.numerics.reading import positive, whole

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem

Static = {"static": True}


@final
class CMAESState(NamedTuple):
    path: Array  # means of the generations, the start first, (generations + 1, d)
    at: Array  # the index of the present one


@final
@register_dataclass
@dataclass(frozen=True)
class CMAES:
    """Covariance matrix adaptation: points of N(m, sigma^2 C) are drawn and ranked by L, and m, sigma and C move toward
    the best of them; x is the mean m (Hansen 2016, as in the package cmaes, with its defaults).

    A step is one generation of ``population`` >= 4 points, 4 + floor(3 ln d) if None. ``width`` > 0, in [x], is the
    first sigma, about a third of the distance to the minimum. After ``generations``, or where cmaes stops, x stays. A
    loss that is no number ranks last. Both whole numbers are structure. The seed is drawn from the lane's key.

    Invariant to increasing functions of L and to orthogonal maps of x, in the long run to all linear ones. All
    generations are made before the first step, on the host in float64, and what they evaluate is not counted. Cost per
    step: ``population`` values and, on the host, O(d^3). Memory of a lane: generations d numbers.

    Raises ValueError where cmaes is not installed.
    """

    width: float
    population: int | None = field(default=None, metadata=Static)
    generations: int = field(default=200, metadata=Static)

    def __post_init__(self) -> None:
        try:
            import cmaes  # noqa: F401
        except ImportError as error:
            raise ValueError("CMAES needs cmaes, which is not installed; pip install 'thalweg[solvers]'.") from error
        positive(self.width, "width")
        whole(self.generations, "generations", 1)
        if self.population is not None:
            whole(self.population, "population", 4)

    def init(self, problem: "Problem", x: Array, key: Array) -> CMAESState:
        population = self.population or 4 + math.floor(3 * math.log(len(x)))
        number, points = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((population, len(x)), x.dtype)

        def generation(asked: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
            which, there = asked
            there, mean = host_call(_generation, (points, x), which, losses(problem, there))
            return (which, there), mean

        seed = jax.random.randint(key, (), 0, 2**31 - 1, jnp.int32)
        data = [leaf for leaf in jax.tree.leaves(problem.data) if isinstance(leaf, Tracer)]
        begin = partial(_begin, population, self.generations)
        which, there = host_call(begin, (number, points), seed, x, jnp.asarray(self.width, x.dtype), *data)
        _, path = jax.lax.scan(generation, (which, there), length=self.generations)
        return CMAESState(jnp.concatenate([x[None], path]), jnp.zeros((), jnp.int32))

    def step(self, problem: "Problem", x: Array, state: CMAESState) -> tuple[Array, CMAESState]:
        at = jnp.minimum(state.at + 1, self.generations)
        return state.path[at], CMAESState(state.path, at)


_numbers = itertools.count()
_strategies: dict[int, "_Strategy"] = {}


@final
class _Strategy:
    """cmaes's optimizer and the points that it asks about."""

    def __init__(self, start: np.ndarray, width: float, seed: int, population: int, generations: int) -> None:
        from cmaes import CMA

        self.mean, self.points, self.left = start, np.tile(start, (population, 1)), generations
        self.done = not (0 < width < np.inf and np.all(np.abs(start) < 1e32))  # what CMA refuses
        if not self.done:
            self.cma = CMA(start, width, seed=seed, population_size=population)
            self.points = self._ask()

    def _ask(self) -> np.ndarray:
        return np.array([self.cma.ask() for _ in self.points])

    def tell(self, values: np.ndarray) -> None:
        """One generation, from the losses of ``points``; none where cmaes stops, or cannot go on."""
        self.left -= 1
        if self.done:
            return
        values = np.where(np.isnan(values), np.inf, values)
        try:
            with np.errstate(all="ignore"):
                self.cma.tell(list(zip(self.points, values.tolist(), strict=True)))
                self.mean = self.cma.mean.copy()
                self.done = self.cma.should_stop()
                self.points = self.points if self.done else self._ask()
        except (AssertionError, ArithmeticError, np.linalg.LinAlgError):  # of numbers too large
            self.done = True


def _begin(population: int, generations: int, *given: np.ndarray) -> tuple[Any, ...]:
    """Numbers of new strategies in ``_strategies`` and their first points.

    Lanes that are given the same seed, x, width and data share one: tiles are filled up with copies of lanes.
    """
    seeds, starts, widths = given[:3]
    keys = [b"".join(array[lane].tobytes() for array in given) for lane in range(len(seeds))]
    numbers: dict[bytes, int] = {}
    for key, seed, start, width in zip(keys, seeds, starts, widths, strict=True):
        if key not in numbers:
            numbers[key] = next(_numbers) % 2**31
            strategy = _Strategy(start.astype(float), float(width), int(seed), population, generations)
            _strategies[numbers[key]] = strategy
    mine = [numbers[key] for key in keys]
    return mine, [_strategies[number].points for number in mine]


def _generation(numbers: np.ndarray, values: np.ndarray) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """The points that are asked about next, and the means."""
    which, first = np.unique(numbers, return_index=True)
    mine = {int(number): _strategies[int(number)] for number in which}
    for strategy, lane in zip(mine.values(), first, strict=True):
        strategy.tell(values[lane])
    for number, strategy in mine.items():
        if strategy.left == 0:
            del _strategies[number]
    return [mine[int(n)].points for n in numbers], [mine[int(n)].mean for n in numbers]
