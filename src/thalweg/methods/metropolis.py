"""Random walks that accept by Metropolis's rule: at one temperature, at a falling one, and at several at once."""

from typing import Any, ClassVar, Literal, NamedTuple, final, get_args

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.box import Box
from thalweg.methods.branches import pick
from thalweg.methods.method import method, static
from thalweg.numerics.reading import nearest, positive, whole

Schedule = Literal["linear", "geometric", "cosine", "logarithmic"]


@final
class MetropolisState(NamedTuple):
    value: Array  # L at x, infinity where that is not finite
    key: Array


@method
class Metropolis:
    """x <- x' = x + width n, n standard normal, with probability min(1, exp(-(L(x') - L(x))/temperature)).

    Its points are in the long run those of the Boltzmann distribution exp(-L/temperature). A trial whose loss is not
    finite is rejected. About 0.44 of the trials are accepted at the best width in one dimension, 0.23 in many. Where
    the problem has a domain, x stays in it: a component stays where it is if it would leave, and the distribution is
    that of the domain. Invariant to orthogonal maps of x.

    Args:
        temperature: > 0, in [L].
        width: of a trial, > 0, in [x].
    Raises:
        ValueError: for a temperature or width that is not positive.
    Cost:
        per step one value.
    Source:
        Metropolis et al. (1953), Journal of Chemical Physics 21, 1087; Roberts, Gelman and Gilks (1997) for the width.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.Metropolis(0.01, 0.3), [3.0], steps=200)
        >>> print(abs(trace.x.values[0, 0, -1, 0]) < 1)
        True
    """

    bounded: ClassVar[bool] = True
    temperature: float
    width: float

    def __post_init__(self) -> None:
        positive(self.temperature, "temperature")
        positive(self.width, "width")

    def init(self, problem: Objective, x: Array, key: Array) -> MetropolisState:
        return MetropolisState(_finite(problem.value(x)), key)

    def step(self, problem: Objective, x: Array, state: MetropolisState) -> tuple[Array, MetropolisState]:
        key, walk, toss = jax.random.split(state.key, 3)
        there = _walked(problem, x, self.width * jax.random.normal(walk, x.shape, x.dtype))
        chance = jax.random.uniform(toss, (), x.dtype)
        x, value = _judged(chance, self.temperature, (there, problem.value(there)), (x, state.value))
        return x, MetropolisState(value, key)


@final
class AnnealingState(NamedTuple):
    value: Array
    key: Array
    k: Array  # steps so far, up to those of the schedule


@method
class SimulatedAnnealing:
    """``Metropolis`` whose temperature T goes from ``first`` to ``last`` in ``steps`` steps and stays there.

    Like ``Metropolis`` it stays in the problem's domain. Step k = 0, 1, … is taken at T_k, with s = min(k/steps, 1):

    - "linear": first + s (last - first);
    - "geometric": first (last/first)^s;
    - "cosine": last + (first - last) (1 + cos(pi s))/2;
    - "logarithmic": first / (1 + (first/last - 1) ln(1 + s steps) / ln(1 + steps)), the form c/(c' + ln(1 + k)).

    Args:
        first: > 0, in [L].
        last: > 0, in [L].
        steps: of the schedule, 1 or more; structure.
        width: of a trial, > 0, in [x].
        schedule: one of these words; structure.
    Raises:
        ValueError: for an unknown schedule, fewer than one step, and for what is not positive.
    Cost:
        per step one value.
    Source:
        Kirkpatrick, Gelatt and Vecchi (1983), Science 220, 671; Geman and Geman (1984) for the logarithmic schedule.
    Example:
        >>> annealing = tw.methods.SimulatedAnnealing(first=1.0, last=0.01, steps=200, width=0.3)
        >>> print(np.asarray(annealing.temperature(jnp.array([0.0, 100.0, 200.0]))).round(2))
        [1.   0.1  0.01]
        >>> trace = tw.run(tw.problems.quadratic([1.0]), annealing, [3.0], steps=300)
        >>> print(abs(trace.x.values[0, 0, -1, 0]) < 1)
        True
    """

    bounded: ClassVar[bool] = True
    first: float
    last: float
    steps: int = static()
    width: float
    schedule: Schedule = static(default="geometric")

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

    def init(self, problem: Objective, x: Array, key: Array) -> AnnealingState:
        return AnnealingState(_finite(problem.value(x)), key, jnp.zeros((), jnp.int32))

    def step(self, problem: Objective, x: Array, state: AnnealingState) -> tuple[Array, AnnealingState]:
        temperature: Any = self.temperature(state.k.astype(x.dtype))
        x, walk = Metropolis(temperature, self.width).step(problem, x, MetropolisState(state.value, state.key))
        return x, AnnealingState(walk.value, walk.key, state.k + (state.k < self.steps))


@final
class ReplicaExchangeState(NamedTuple):
    points: Array  # (replicas, d), the hottest first
    values: Array  # (replicas,)
    key: Array
    odd: Array  # whether odd pairs are swapped next


@method
class ReplicaExchange:
    """Parallel tempering: ``replicas`` walkers of ``Metropolis`` at once, x the coldest.

    Replica i has temperature first (last/first)^(i/(replicas - 1)). In a step each takes one of Metropolis, then
    neighbors i, i + 1, for even and odd i in turn, change places with probability min(1, exp((1/T_i - 1/T_{i+1}) (L_i -
    L_{i+1}))), which leaves each with its Boltzmann distribution. All begin at the start, and stay in the problem's
    domain, if it has one. Invariant to orthogonal maps of x.

    Args:
        first: the hottest temperature, > 0, in [L].
        last: the coldest, > 0, in [L].
        replicas: 2 or more; structure.
        width: of a trial, > 0, in [x].
    Raises:
        ValueError: for fewer than two replicas, and for what is not positive.
    Cost:
        per step ``replicas`` values; memory of replicas (d + 1) numbers.
    Source:
        Swendsen and Wang (1986), Physical Review Letters 57, 2607.
    Example:
        >>> tempering = tw.methods.ReplicaExchange(first=1.0, last=0.01, replicas=4, width=0.3)
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tempering, [3.0], steps=200)
        >>> print(abs(trace.x.values[0, 0, -1, 0]) < 1)
        True
    """

    bounded: ClassVar[bool] = True
    first: float
    last: float
    replicas: int = static()
    width: float

    def __post_init__(self) -> None:
        positive(self.first, "first")
        positive(self.last, "last")
        positive(self.width, "width")
        whole(self.replicas, "replicas", 2)

    def init(self, problem: Objective, x: Array, key: Array) -> ReplicaExchangeState:
        values = jnp.broadcast_to(_finite(problem.value(x)), self.replicas)
        return ReplicaExchangeState(jnp.broadcast_to(x, (self.replicas, *x.shape)), values, key, jnp.zeros((), bool))

    def step(self, problem: Objective, x: Array, state: ReplicaExchangeState) -> tuple[Array, ReplicaExchangeState]:
        key, walk, toss = jax.random.split(state.key, 3)
        i, chance = jnp.arange(self.replicas), jax.random.uniform(toss, (2, self.replicas), x.dtype)
        temperatures = self.first * (self.last / self.first) ** (i.astype(x.dtype) / (self.replicas - 1))
        there = _walked(problem, state.points, self.width * jax.random.normal(walk, state.points.shape, x.dtype))
        trials, present = (there, problem.values(there)), (state.points, state.values)
        moved = points, values = jax.vmap(_judged)(chance[0], temperatures, trials, present)

        partner = jnp.where(i % 2 == state.odd, i + 1, i - 1)
        partner = jnp.where((partner >= 0) & (partner < self.replicas), partner, i)
        ratio = jnp.exp((1 / temperatures - 1 / temperatures[partner]) * (values - values[partner]))
        taken = chance[1, jnp.minimum(i, partner)] < ratio  # one number for both of a pair
        points, values = jax.vmap(pick)(taken, (points[partner], values[partner]), moved)
        return points[-1], ReplicaExchangeState(points, values, key, ~state.odd)


def _walked(problem: Objective, x: Array, s: Array) -> Array:
    """The trial x + s, whose components stay where they would leave the domain: as likely as the way back."""
    return Box.of(problem, problem.domain is not None, x).stay(x, x + s)


def _judged(chance: Array, temperature: Any, trial: tuple[Array, Array], present: tuple[Array, Array]) -> Any:
    """The next of two points, each with its loss, by Metropolis's rule; ``chance`` is drawn from [0, 1)."""
    taken = jnp.isfinite(trial[1]) & (chance < jnp.exp(-(trial[1] - present[1]) / temperature))
    return pick(taken, trial, present)


def _finite(value: Array) -> Array:
    """L, or infinity where it is not finite, from where every trial is accepted."""
    return jnp.where(jnp.isfinite(value), value, jnp.inf)
