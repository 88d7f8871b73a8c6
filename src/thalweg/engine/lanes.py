"""Lanes, the (variant, case, start)s that are stepped together: a method as functions of one lane."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.chain.problem import Problem
from thalweg.engine.hardware import Hardware
from thalweg.engine.xla import Settled, lapack_in_turn
from thalweg.methods.method import Looks, Method, Report, Reports
from thalweg.numerics.precision import at_least_single


@final
class Item(NamedTuple):
    """What a lane begins with: one (variant, case, start) of a method."""

    item: Any  # its number, the start running fastest
    x: Any  # its start, (d,)
    hyper: list[Any]  # the numbers of the method that are swept, as its variant has them
    case: Any  # its data set, a pytree, or None


@final
class Lane(NamedTuple):
    """One item on its way. As lanes of a tile, all but what does not differ between them has an axis of lanes."""

    item: Any
    x: Any  # where it is, (d,)
    hyper: list[Any]
    case: Any
    batches: Any  # which examples the next step sees, of a problem with minibatches; else ()
    state: list[Any]  # the leaves of the method's state
    code: Any  # an ``Ending``
    steps: Any  # that it took
    memo: Any  # what ``solve`` remembers of its way; () in ``run``


@final
class Settings(NamedTuple):
    """What all lanes of a call share, arguments of the compiled program."""

    hyper: list[Any]  # the numbers of the method that are not swept
    seed: Any
    rules: Any  # of the verb: tolerances and budgets of ``solve``; () in ``run``


@final
@dataclass(frozen=True)
class Stepper:
    """A method on flat lists: its numbers, shared and own, and the leaves of its state."""

    name: str
    method: Any  # the structures of the method and of its state
    state: Any
    swept: tuple[bool, ...]  # which numbers are a lane's own
    reports: bool
    looks: bool
    dear: bool  # whether no evaluation is to be made that is not needed

    @classmethod
    def of(cls, problem: Problem, method: Method, swept: tuple[bool, ...], dtype: np.dtype, dear: bool) -> "Stepper":
        leaves, treedef = jax.tree.flatten(method)
        numbers = [hyperparameter(dtype) for _ in leaves]
        state = jax.eval_shape(
            lambda h, x, k: treedef.unflatten(h).init(problem, x, k), numbers, *point(problem, dtype)
        )
        return cls(
            type(method).__name__,
            treedef,
            jax.tree.structure(state),
            swept,
            isinstance(method, Reports),
            isinstance(method, Looks),
            dear,
        )

    def numbers(self, settings: Settings, own: list[Array]) -> Any:
        """The method with the numbers of one lane."""
        mine, shared = iter(own), iter(settings.hyper)
        return self.method.unflatten([next(mine if own_one else shared) for own_one in self.swept])

    def init(self, problem: Objective, settings: Settings, item: Item, key: Array) -> list[Array]:
        state = self.numbers(settings, item.hyper).init(problem, item.x, key)
        return [jnp.asarray(leaf) for leaf in jax.tree.leaves(state)]

    def step(self, problem: Objective, settings: Settings, lane: Lane) -> tuple[Array, list[Array]]:
        """x and state after one step; ValueError where they are not shaped as before."""
        x, state = self.numbers(settings, lane.hyper).step(problem, lane.x, self.state.unflatten(lane.state))
        x, leaves = x.astype(lane.x.dtype), [jnp.asarray(leaf) for leaf in jax.tree.leaves(state)]
        taken, given = ([(a.shape, a.dtype) for a in point] for point in ((lane.x, *lane.state), (x, *leaves)))
        if taken != given:
            raise ValueError(
                f"a step of {self.name} turns x and state of shapes and dtypes {taken} into {given}, but both "
                "must stay as they were; return arrays like those that were taken."
            )
        return x, leaves

    def report(self, problem: Objective, settings: Settings, lane: Lane) -> Report:
        """What the method knows of x, or else what the problem says."""
        if self.reports:
            return self.numbers(settings, lane.hyper).report(lane.x, self.state.unflatten(lane.state))
        return Report(*problem.value_and_gradient(lane.x), jnp.zeros((), bool))

    def look(self, problem: Objective, settings: Settings, lane: Lane, after: Array) -> Report:
        """What the method knows of x, from which its step leads to ``after``."""
        return self.numbers(settings, lane.hyper).look(problem, lane.x, after)


def along_lanes(problem: Problem) -> Problem:
    """Another problem for the traces of lanes, which may live as long as the problem: its derivatives are computed once
    along lanes, but for those of many examples, which run along these."""
    mine = problem.derivatives
    return problem.with_derivatives(mine if problem.examples.mapped else Settled(mine))


def hyperparameter(dtype: np.dtype) -> jax.ShapeDtypeStruct:
    """The shape of one number of a method that steps x in ``dtype``: no shorter than float32 and weakly typed, so that
    it takes part in any arithmetic as a number of Python would, and x stays in its own precision."""
    return jax.ShapeDtypeStruct((), at_least_single(dtype), weak_type=True)


def point(problem: Problem, dtype: np.dtype) -> tuple[Any, Any]:
    """The shapes of x and of a random key."""
    return jax.ShapeDtypeStruct((problem.dimension,), dtype), jax.eval_shape(lambda: jax.random.key(0))


def in_turn(hardware: Hardware, lapack: bool, f: Callable[..., Any], *arguments: Any) -> Any:
    """What a compiled program gives; where it calls LAPACK and such programs must take turns, when no other runs, and
    waited for."""
    if not (lapack and hardware.lapack_in_turn):
        return f(*arguments)
    with lapack_in_turn():
        return jax.block_until_ready(f(*arguments))


def sent(hardware: Hardware, arrays: Any) -> Any:
    """The arrays on their way to the host, without waiting for them. Through pinned memory, which a device writes by
    itself while it computes; ``copy_to_host_async`` would end in pages that are not pinned (2.7 instead of 25 GB/s in
    https://github.com/jax-ml/jax/issues/21438), and results of a program in this kind of memory would hold up the next
    program."""
    if hardware.views:
        return arrays
    return jax.device_put(arrays, jax.tree.map(lambda a: a.sharding.with_memory_kind("pinned_host"), arrays))


def parts_on_host(hardware: Hardware, array: Array, parts: int) -> list[np.ndarray]:
    """The parts of an array along lanes, each from its device, ``on_host``."""
    if parts == 1:  # or of several devices that have all lanes, of divided components
        return [on_host(hardware, array) if len(array.sharding.device_set) == 1 else np.asarray(array)]
    return [on_host(hardware, shard.data) for shard in array.addressable_shards]


def on_host(hardware: Hardware, array: Array) -> np.ndarray:
    """The array of one device on the host; where that can be a view, one without the reference that ``np.asarray``
    would leave in the array and that would forbid to donate it."""
    return np.from_dlpack(array) if hardware.views else np.asarray(array)  # pyright: ignore[reportArgumentType]
