"""A population that breeds."""

from typing import ClassVar, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.box import Box
from thalweg.methods.method import method, static
from thalweg.numerics.reading import share, whole


@final
class GeneticState(NamedTuple):
    points: Array  # (population, d), the best first
    key: Array


@method
class Genetic:
    """A real-coded genetic algorithm in the problem's domain; x is the best of the population.

    The first population is the start and ``population`` - 1 points drawn uniformly from the domain. In a step, one
    generation, the best round(``elites`` population), at least one, stay as they are, and children take all other
    places. The parents a and b of each are drawn uniformly from the elites. With probability ``crossover`` it is their
    blend a + (b - a) (2 u - 1/2), u uniform in [0, 1) for each component, else a copy of a; then each component is
    drawn anew from the domain with probability ``mutation``, and the child is projected onto the domain. The loss of x
    never rises. Invariant to increasing functions of L and to the units of each component of x.

    Args:
        population: 2 or more; structure.
        mutation: a share, a pure number from 0 to 1.
        crossover: likewise.
        elites: likewise.
    Raises:
        ValueError: for numbers out of range; from ``run`` and ``solve``, where the problem has no finite domain.
    Cost:
        per step ``population`` values; memory of population d numbers.
    Source:
        Eshelman and Schaffer (1993) for the blend, BLX-1/2; Michalewicz (1992), section 6.1, for the mutation.
    Example:
        >>> problem = tw.problems.quadratic([1.0]).within((-5.0, 5.0))
        >>> trace = tw.run(problem, tw.methods.Genetic(population=20), [4.0], steps=30)
        >>> print(trace.loss.values[0, 0, -1] < 0.1, bool((np.diff(trace.loss.values[0, 0]) <= 0).all()))
        True True
    """

    bounded: ClassVar[bool] = True
    population: int = static(default=100)
    mutation: float = 0.1
    crossover: float = 0.5
    elites: float = 0.5

    def __post_init__(self) -> None:
        whole(self.population, "population", 2)
        share(self.mutation, "mutation")
        share(self.crossover, "crossover")
        share(self.elites, "elites")

    def init(self, problem: Objective, x: Array, key: Array) -> GeneticState:
        key, draw = jax.random.split(key)
        points = Box.searched(problem, "a genetic algorithm", x).draw(draw, (self.population, *x.shape)).at[0].set(x)
        return GeneticState(_sorted(problem, points), key)

    def step(self, problem: Objective, x: Array, state: GeneticState) -> tuple[Array, GeneticState]:
        box, points = Box.searched(problem, "a genetic algorithm", x), state.points
        key, draw = jax.random.split(state.key)
        u = jax.random.uniform(draw, (3 + 3 * len(x), self.population), x.dtype)  # all at once: quick to compile
        (mother, father, cross), (blend, mutate, anew) = u[:3], u[3:].reshape(3, len(x), -1).transpose(0, 2, 1)
        elites = jnp.clip(jnp.round(self.elites * self.population), 1, self.population)
        a, b = (points[jnp.floor(parent * elites).astype(jnp.int32)] for parent in (mother, father))
        children = jnp.where(cross[:, None] < self.crossover, a + (b - a) * (2 * blend - 0.5), a)
        children = jnp.where(mutate < self.mutation, box.low + (box.high - box.low) * anew, children)
        rank = jnp.arange(self.population)
        points = _sorted(problem, jnp.where(rank[:, None] < elites, points, box.project(children)))
        return points[0], GeneticState(points, key)


def _sorted(problem: Objective, points: Array) -> Array:
    """The points by their losses, lowest first, those that are no number last."""
    return points[jnp.argsort(problem.values(points))]
