"""Lanes, the (variant, start) pairs that are stepped together: a method as functions of one lane, compiled once."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, final
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.chain.problem import Problem
from thalweg.engine.traces import transforms
from thalweg.engine.xla import LAPACK, Settled
from thalweg.methods.method import Method, Report, Reports

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
VECTOR = 16  # lanes of the widest vector instruction
SMALLEST = 128  # components of x in one tile: XLA compiles smaller loops in another way, with other rounding
_lock = Lock()
_compiled: WeakKeyDictionary[Problem, dict[Any, Future[Any]]] = WeakKeyDictionary()


def once(problem: Problem, signature: Any, make: Callable[[], Any]) -> Any:
    """What ``make`` gives, made once per problem and signature, also when several threads ask at the same time."""
    with _lock:
        made = _compiled.setdefault(problem, {})
        mine = signature not in made
        future = made.setdefault(signature, Future())
    if mine:
        try:
            future.set_result(make())
        except BaseException as error:
            del made[signature]
            future.set_exception(error)
    return future.result()


@final
@dataclass(frozen=True)
class Stepper:
    """A method on flat lists: its numbers ``hyper`` and the leaves of its state. All functions are of one lane."""

    method: Any  # the structures of the method and of its state
    state: Any
    shapes: tuple[jax.ShapeDtypeStruct, ...]  # of the leaves of the state
    reports: bool
    transforms: bool  # whether a step takes Fourier transforms

    def init(self, problem: Objective, hyper: list[Array], x: Array, key: Array) -> list[Array]:
        state = self.method.unflatten(hyper).init(problem, x, key)
        return [jnp.asarray(leaf) for leaf in jax.tree.leaves(state)]

    def step(self, problem: Objective, hyper: list[Array], x: Array, state: list[Array]) -> tuple[Array, list[Array]]:
        following, after = self.method.unflatten(hyper).step(problem, x, self.state.unflatten(state))
        return following.astype(x.dtype), [jnp.asarray(leaf) for leaf in jax.tree.leaves(after)]

    def observe(self, observe: Callable[..., Any], hyper: list[Array], x: Array, state: list[Array]) -> Any:
        """What ``observe(x, method, state)`` gives."""
        return observe(x, self.method.unflatten(hyper), self.state.unflatten(state))

    def report(self, problem: Objective, hyper: list[Array], x: Array, state: list[Array]) -> Report:
        """What the method knows of x, or else what the problem says."""
        if self.reports:
            return self.method.unflatten(hyper).report(x, self.state.unflatten(state))
        return Report(*problem.value_and_gradient(x), jnp.zeros((), bool))


def filled(width: int, dimension: int) -> int:
    """The width with lanes to spare, a multiple of ``VECTOR`` with at least ``SMALLEST`` components, so that all lanes
    run through the same instructions and give the same bits among others and alone."""
    return -(-max(width, SMALLEST // dimension) // VECTOR) * VECTOR


def settled(problem: Problem) -> Problem:
    """The problem for the traces of lanes, whose derivatives are computed once along lanes; those of many examples run
    along these."""
    return problem if problem.examples.mapped else problem.with_derivatives(Settled(problem.derivatives))


def stepper(problem: Problem, method: Method, dtype: np.dtype) -> Stepper:
    """The method for one lane of this problem; ValueError where a step does not give what it takes."""
    leaves, treedef = jax.tree.flatten(method)
    scalars = [jax.ShapeDtypeStruct((), dtype) for _ in leaves]
    x, key = point(problem, dtype)
    state = jax.eval_shape(lambda h, x, k: treedef.unflatten(h).init(problem, x, k), scalars, x, key)
    state = jax.eval_shape(lambda s: jax.tree.map(jnp.asarray, s), state)
    shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(state))
    made = Stepper(treedef, jax.tree.structure(state), shapes, isinstance(method, Reports), False)
    taken = [(a.shape, a.dtype) for a in (x, *shapes)]
    traced, after = jax.make_jaxpr(lambda h, x, s: made.step(problem, h, x, s), return_shape=True)(
        scalars, x, list(shapes)
    )
    given = [(a.shape, a.dtype) for a in jax.tree.leaves(after)]
    if given != taken:
        raise ValueError(
            f"a step of {type(method).__name__} turns x and state of shapes and dtypes {taken} into {given}, but both "
            "must stay as they were; return arrays like those that were taken."
        )
    return replace(made, transforms=transforms(traced))


def point(problem: Problem, dtype: np.dtype) -> tuple[Any, Any]:
    """The shapes of x and of a random key."""
    return jax.ShapeDtypeStruct((problem.dimension,), dtype), jax.eval_shape(lambda: jax.random.key(0))


def in_turn(lapack: bool, f: Callable[..., Any], *arguments: Any) -> Any:
    """What a compiled program gives; where it calls LAPACK, when no other such program runs, and waited for."""
    with LAPACK if lapack else nullcontext():
        result = f(*arguments)
        return jax.block_until_ready(result) if lapack else result


def on_host(array: Array) -> np.ndarray:
    """The array on the host: on a CPU a view, without the reference that ``np.asarray`` would leave in the array and
    that would forbid to donate it."""
    if jax.default_backend() == "cpu":
        return np.from_dlpack(array)  # pyright: ignore[reportArgumentType]
    return np.asarray(array)
