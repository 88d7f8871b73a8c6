"""A population that breeds."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass

from thalweg.methods.box import Box
from thalweg.methods.population import losses
from thalweg.numerics.reading import share, whole

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem


@final
class GeneticState(NamedTuple):
    points: Array  # (population, d), the best first
    key: Array


@final
@register_dataclass
@dataclass(frozen=True)
class Genetic:
    """A real-coded genetic algorithm in the problem's domain; x is the best of the population.

    The first population is the start and ``population`` - 1 points drawn uniformly from the domain. In a step, one
    generation, the best round(``elites`` population), at least one, stay as they are, and children take all other
    places. The parents a and b of each are drawn uniformly from the elites. With probability ``crossover`` it is their
    blend a + (b - a) (2 u - 1/2), u uniform in [0, 1) for each component (BLX-1/2, Eshelman and Schaffer 1993), else a
    copy of a; then each component is drawn anew from the domain with probability ``mutation`` (Michalewicz 1992,
    section 6.1), and the child is projected onto the domain.

    ``population`` >= 2 is structure; the others are shares from 0 to 1. The loss of x never rises. Invariant to
    increasing functions of L and to the units of each component of x. Cost per step: ``population`` values.

    Raises ValueError where the problem has no finite domain.
    """

    population: int = field(default=100, metadata={"static": True})
    mutation: float = 0.1
    crossover: float = 0.5
    elites: float = 0.5

    def __post_init__(self) -> None:
        whole(self.population, "population", 2)
        share(self.mutation, "mutation")
        share(self.crossover, "crossover")
        share(self.elites, "elites")

    def init(self, problem: "Problem", x: Array, key: Array) -> GeneticState:
        key, draw = jax.random.split(key)
        points = Box.searched(problem, "a genetic algorithm", x).draw(draw, (self.population, *x.shape)).at[0].set(x)
        return GeneticState(_sorted(problem, points), key)

    def step(self, problem: "Problem", x: Array, state: GeneticState) -> tuple[Array, GeneticState]:
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


def _sorted(problem: "Problem", points: Array) -> Array:
    """The points by their losses, lowest first, those that are no number last."""
    return points[jnp.argsort(losses(problem, points))]
