"""Random walks that accept by Metropolis's rule: at one temperature, at a falling one, and at several at once."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, final, get_args

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass

from thalweg.methods.branches import pick
from thalweg.methods.population import losses
from thalweg.numerics.reading import nearest, positive, whole

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem

Schedule = Literal["linear", "geometric", "cosine", "logarithmic"]


@final
class MetropolisState(NamedTuple):
    value: Array  # L at x, infinity where that is not finite
    key: Array


@final
@register_dataclass
@dataclass(frozen=True)
class Metropolis:
    """x <- x' = x + width n, n standard normal, with probability min(1, exp(-(L(x') - L(x))/temperature)).

    Its points are in the long run those of the Boltzmann distribution exp(-L/temperature) (Metropolis et al. 1953). A
    trial whose loss is not finite is rejected. ``temperature`` > 0 is in [L], ``width`` > 0 in [x]; about 0.44 of the
    trials are accepted at the best width in one dimension, 0.23 in many (Roberts, Gelman, Gilks 1997). Invariant to
    orthogonal maps of x. Cost per step: one value.
    """

    temperature: float
    width: float

    def __post_init__(self) -> None:
        positive(self.temperature, "temperature")
        positive(self.width, "width")

    def init(self, problem: "Problem", x: Array, key: Array) -> MetropolisState:
        return MetropolisState(_finite(problem.value(x)), key)

    def step(self, problem: "Problem", x: Array, state: MetropolisState) -> tuple[Array, MetropolisState]:
        key, walk, toss = jax.random.split(state.key, 3)
        there = x + self.width * jax.random.normal(walk, x.shape, x.dtype)
        chance = jax.random.uniform(toss, (), x.dtype)
        x, value = _judged(chance, self.temperature, (there, problem.value(there)), (x, state.value))
        return x, MetropolisState(value, key)


@final
class AnnealingState(NamedTuple):
    value: Array
    key: Array
    k: Array  # steps so far, up to those of the schedule


@final
@register_dataclass
@dataclass(frozen=True)
class SimulatedAnnealing:
    """``Metropolis`` whose temperature T goes from ``first`` to ``last`` in ``steps`` steps and stays there.

    Step k = 0, 1, … is taken at T_k, with s = min(k/steps, 1):

    - "linear": first + s (last - first);
    - "geometric": first (last/first)^s (Kirkpatrick, Gelatt, Vecchi 1983);
    - "cosine": last + (first - last) (1 + cos(pi s))/2;
    - "logarithmic": first / (1 + (first/last - 1) ln(1 + s steps) / ln(1 + steps)), the form c/(c' + ln(1 + k)) of
      Geman and Geman (1984).

    ``first``, ``last`` > 0 are in [L], ``width`` > 0 in [x]; ``steps`` >= 1 is structure. Cost per step: one value.
    Raises ValueError for an unknown ``schedule``.
    """

    first: float
    last: float
    steps: int = field(metadata={"static": True})
    width: float
    schedule: Schedule = field(default="geometric", metadata={"static": True})

    def __post_init__(self) -> None:
        positive(self.first, "first")
        positive(self.last, "last")
        positive(self.width, "width")
        whole(self.steps, "steps", 1)
        if self.schedule not in get_args(Schedule):
            raise ValueError(nearest(str(self.schedule), get_args(Schedule), "a schedule"))

    def temperature(self, k: Array) -> Array:
        """T_k, in [L]."""
        first, last = self.first, self.last
        s = jnp.minimum(k / self.steps, 1)
        if self.schedule == "linear":
            return first + s * (last - first)
        if self.schedule == "geometric":
            return first * (last / first) ** s
        if self.schedule == "cosine":
            return last + (first - last) * (1 + jnp.cos(jnp.pi * s)) / 2
        return first / (1 + (first / last - 1) * jnp.log1p(s * self.steps) / jnp.log1p(self.steps))

    def init(self, problem: "Problem", x: Array, key: Array) -> AnnealingState:
        return AnnealingState(_finite(problem.value(x)), key, jnp.zeros((), jnp.int32))

    def step(self, problem: "Problem", x: Array, state: AnnealingState) -> tuple[Array, AnnealingState]:
        temperature: Any = self.temperature(state.k.astype(x.dtype))
        x, walk = Metropolis(temperature, self.width).step(problem, x, MetropolisState(state.value, state.key))
        return x, AnnealingState(walk.value, walk.key, state.k + (state.k < self.steps))


@final
class ReplicaExchangeState(NamedTuple):
    points: Array  # (replicas, d), the hottest first
    values: Array  # (replicas,)
    key: Array
    odd: Array  # whether odd pairs are swapped next


@final
@register_dataclass
@dataclass(frozen=True)
class ReplicaExchange:
    """Parallel tempering: ``replicas`` >= 2 walkers of ``Metropolis`` at once, x the coldest (Swendsen, Wang 1986).

    Replica i has temperature first (last/first)^(i/(replicas - 1)). In a step each takes one of Metropolis, then
    neighbors i, i + 1, for even and odd i in turn, change places with probability
    min(1, exp((1/T_i - 1/T_{i+1}) (L_i - L_{i+1}))), which leaves each with its Boltzmann distribution. All begin at
    the start.

    ``first`` (the hottest) and ``last``, > 0, are in [L], ``width`` > 0 in [x], ``replicas`` is structure. Invariant to
    orthogonal maps of x. Cost per step: ``replicas`` values.
    """

    first: float
    last: float
    replicas: int = field(metadata={"static": True})
    width: float

    def __post_init__(self) -> None:
        positive(self.first, "first")
        positive(self.last, "last")
        positive(self.width, "width")
        whole(self.replicas, "replicas", 2)

    def init(self, problem: "Problem", x: Array, key: Array) -> ReplicaExchangeState:
        values = jnp.broadcast_to(_finite(problem.value(x)), self.replicas)
        return ReplicaExchangeState(jnp.broadcast_to(x, (self.replicas, *x.shape)), values, key, jnp.zeros((), bool))

    def step(self, problem: "Problem", x: Array, state: ReplicaExchangeState) -> tuple[Array, ReplicaExchangeState]:
        key, walk, toss = jax.random.split(state.key, 3)
        i, chance = jnp.arange(self.replicas), jax.random.uniform(toss, (2, self.replicas), x.dtype)
        temperatures = self.first * (self.last / self.first) ** (i.astype(x.dtype) / (self.replicas - 1))
        there = state.points + self.width * jax.random.normal(walk, state.points.shape, x.dtype)
        trials, present = (there, losses(problem, there)), (state.points, state.values)
        moved = points, values = jax.vmap(_judged)(chance[0], temperatures, trials, present)

        partner = jnp.where(i % 2 == state.odd, i + 1, i - 1)
        partner = jnp.where((partner >= 0) & (partner < self.replicas), partner, i)
        ratio = jnp.exp((1 / temperatures - 1 / temperatures[partner]) * (values - values[partner]))
        taken = chance[1, jnp.minimum(i, partner)] < ratio  # one number for both of a pair
        points, values = jax.vmap(pick)(taken, (points[partner], values[partner]), moved)
        return points[-1], ReplicaExchangeState(points, values, key, ~state.odd)


def _judged(chance: Array, temperature: Any, trial: tuple[Array, Array], present: tuple[Array, Array]) -> Any:
    """The next of two points, each with its loss, by Metropolis's rule; ``chance`` is drawn from [0, 1)."""
    taken = jnp.isfinite(trial[1]) & (chance < jnp.exp(-(trial[1] - present[1]) / temperature))
    return pick(taken, trial, present)


def _finite(value: Array) -> Array:
    """L, or infinity where it is not finite, from where every trial is accepted."""
    return jnp.where(jnp.isfinite(value), value, jnp.inf)
