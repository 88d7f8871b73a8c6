"""CMA-ES by the package cmaes: its distribution on the host, the losses in the compiled program."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from thalweg.chain.objective import Objective
from thalweg.methods.box import sides
from thalweg.methods.method import method, static
from thalweg.numerics.host import HostTable, host_call
from thalweg.numerics.reading import positive, whole


@final
class CMAESState(NamedTuple):
    path: Array  # means of the generations, the start first, (generations + 1, d)
    at: Array  # the index of the present one


@method
class CMAES:
    """Covariance matrix adaptation: points of N(m, sigma^2 C) are drawn and ranked by L, and m, sigma and C move toward
    the best of them; x is the mean m.

    A step is one generation, as in the package cmaes, with its defaults. Where the problem has a domain, points are
    drawn again until they are in it, and projected if they never are. After ``generations``, or where cmaes stops, x
    stays. A loss that is no number ranks last. The seed is drawn from the lane's key. Invariant to increasing functions
    of L and to orthogonal maps of x, in the long run to all linear ones.

    Args:
        width: the first sigma, > 0, in [x], about a third of the distance to the minimum.
        population: 4 or more, 4 + floor(3 ln d) if None; structure.
        generations: 1 or more; structure.
    Raises:
        ValueError: where cmaes is not installed, and for numbers out of range.
    Cost:
        per step ``population`` values and, on the host, O(d^3); all generations are made before the first step, on the
        host in float64, and what they evaluate is not counted. Memory of a lane: generations d numbers.
    Source:
        Hansen (2016), arXiv:1604.00772; Nomura and Shibata (2024), arXiv:2402.01373, for the package.
    Example:
        >>> problem, method = tw.problems.quadratic([1.0, 10.0]), tw.methods.CMAES(1.0, generations=40)
        >>> print(tw.run(problem, method, [3.0, 4.0], steps=40).loss.values[0, 0, -1] < 1e-3)
        True
    """

    bounded: ClassVar[bool] = True
    width: float
    population: int | None = static(default=None)
    generations: int = static(default=200)

    def __post_init__(self) -> None:
        try:
            import cmaes  # noqa: F401
        except ImportError as error:
            raise ValueError("CMAES needs cmaes, which is not installed; pip install 'thalweg[solvers]'.") from error
        positive(self.width, "width")
        whole(self.generations, "generations", 1)
        if self.population is not None:
            whole(self.population, "population", 4)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of C and its eigenvectors, on the host."""
        return 2 * 8 * columns**2

    def init(self, problem: Objective, x: Array, key: Array) -> CMAESState:
        population = self.population or 4 + math.floor(3 * math.log(len(x)))
        number, points = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((population, len(x)), x.dtype)

        def generation(asked: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
            which, there = asked
            there, mean = host_call(_generation, (points, x), which, problem.values(there))
            return (which, there), mean

        seed = jax.random.randint(key, (), 0, 2**31 - 1, jnp.int32)
        data = [leaf for leaf in jax.tree.leaves(problem.data) if isinstance(leaf, Tracer)]
        domain = problem.domain or (np.full(x.shape, -np.inf), np.full(x.shape, np.inf))
        box = np.stack(sides(domain, x.dtype), axis=1).astype(float)
        begin = partial(_begin, population, self.generations, box)
        which, there = host_call(begin, (number, points), seed, x, jnp.asarray(self.width, x.dtype), *data)
        _, path = jax.lax.scan(generation, (which, there), length=self.generations)
        return CMAESState(jnp.concatenate([x[None], path]), jnp.zeros((), jnp.int32))

    def step(self, problem: Objective, x: Array, state: CMAESState) -> tuple[Array, CMAESState]:
        at = jnp.minimum(state.at + 1, self.generations)
        return state.path[at], CMAESState(state.path, at)


_strategies = HostTable()


@final
class _Strategy:
    """cmaes's optimizer and the points that it asks about."""

    def __init__(
        self, start: np.ndarray, width: float, seed: int, population: int, generations: int, box: np.ndarray
    ) -> None:
        from cmaes import CMA

        self.mean, self.points, self.left, self.box = start, np.tile(start, (population, 1)), generations, box
        self.done = not (0 < width < np.inf and np.all(np.abs(start) < 1e32))  # what CMA refuses
        if not self.done:
            self.cma = CMA(start, width, box, seed=seed, population_size=population)
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
                self.mean = np.clip(self.cma.mean, *self.box.T)  # but for rounding it is inside
                self.done = self.cma.should_stop()
                self.points = self.points if self.done else self._ask()
        except (AssertionError, ArithmeticError, np.linalg.LinAlgError):  # of numbers too large
            self.done = True


def _begin(population: int, generations: int, box: np.ndarray, *given: np.ndarray) -> tuple[Any, ...]:
    """Numbers of new strategies in ``_strategies``, from seeds, starts, widths and data, and their first points."""

    def made(seed: np.ndarray, start: np.ndarray, width: np.ndarray, *_: np.ndarray) -> _Strategy:
        return _Strategy(start.astype(float), float(width), int(seed), population, generations, box)

    numbers = _strategies.add(made, *given)
    mine = _strategies.of(numbers)
    return numbers, [mine[number].points for number in numbers]


def _generation(numbers: np.ndarray, values: np.ndarray) -> tuple[Sequence[np.ndarray], Sequence[np.ndarray]]:
    """The points that are asked about next, and the means."""
    mine = _strategies.of(numbers)
    first = dict(zip(numbers[::-1].tolist(), values[::-1], strict=True))  # lanes that share one have the same losses
    for number, strategy in mine.items():
        strategy.tell(first[number])
    _strategies.drop(number for number, strategy in mine.items() if strategy.left == 0)
    return [mine[int(n)].points for n in numbers], [mine[int(n)].mean for n in numbers]
