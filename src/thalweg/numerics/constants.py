"""NumPy arrays that a person's functions close over, in traces of two precisions.

While a trace that reads such an array lives, JAX takes the array for one of the precision of that trace wherever it is
read (0.10.2 and 0.12; findings/jax_numpy_constants_in_two_precisions.sh). ``jax.jit`` keeps traces: a person's own of
what was called before, and those within what is traced here in another precision.
"""

import gc
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun

# What JAX says where an array is of another precision than the numbers that it meets.
_MIXED = re.compile("verifier errors|to have the same dtypes|RuntimeProgramInputMismatch")

R = TypeVar("R")


def anew(make: Callable[[], R]) -> R:
    """``make()``; where that fails since arrays are held in another precision, once more without what JAX keeps."""
    try:
        return make()
    except (TypeError, ValueError, RuntimeError) as error:
        if not _MIXED.search(str(error)):
            raise
    _forget()
    return make()


def compiled_for(f: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """f compiled for such arguments, of which no trace is kept."""

    def make() -> Any:
        traced = jax.jit(lambda *a: f(*a)).trace(*arguments)
        released(traced.jaxpr)
        return traced.lower().compile()

    return anew(make)


def evaluated(f: Callable[..., Any], *arguments: Any) -> Any:
    """``f(*arguments)`` by a program of its own."""
    return compiled_for(f, *arguments)(*arguments)


def released(traced: Any) -> Any:
    """The same trace with arrays of JAX for those of NumPy; TypeError where these are held in another precision. Where
    functions within it that a person has jitted hold such arrays, in a precision that is not everyone's, JAX forgets
    what it keeps, so that they can be called as before."""
    new = _of_jax(traced, {})
    if new is not traced:  # JAX promotes an array by what it was, and may find only now what it is held as
        jax.eval_shape(jaxpr_as_fun(new), *traced.in_avals)
    if _of_numpy(_parts(traced)) and bool(jax.config.read("jax_enable_x64")) != _everyones():
        _forget()
    return new


def _of_jax(traced: Any, done: dict[int, Any]) -> Any:
    """``done`` has the traces that were seen before: JAX compiles one that is met twice once."""

    def new(value: Any) -> Any:
        if isinstance(value, tuple):
            changed = tuple(map(new, value))
            return changed if any(a is not b for a, b in zip(changed, value, strict=True)) else value
        if not isinstance(value, (Jaxpr, ClosedJaxpr)):
            return value
        if id(value) not in done:
            done[id(value)] = _of_jax(value, done)
        return done[id(value)]

    def with_new_parts(equation: Any) -> Any:
        params = {name: new(value) for name, value in equation.params.items()}
        same = all(params[name] is value for name, value in equation.params.items())
        return equation if same else equation.replace(params=params)

    equations = [with_new_parts(equation) for equation in traced.eqns]
    changes = {}
    if any(a is not b for a, b in zip(equations, traced.eqns, strict=True)):
        inner = getattr(traced, "jaxpr", traced)
        changes = {"eqns": equations} if inner is traced else {"jaxpr": inner.replace(eqns=equations)}
    if _of_numpy([traced]):
        changes["consts"] = [jnp.asarray(const) for const in traced.consts]
    return traced.replace(**changes) if changes else traced


def within(equation: Any) -> list[Jaxpr | ClosedJaxpr]:
    """The traces that an equation holds itself: the body of a loop, the branches of a condition."""
    values = [v for value in equation.params.values() for v in (value if isinstance(value, tuple) else (value,))]
    return [value for value in values if isinstance(value, (Jaxpr, ClosedJaxpr))]


def _parts(traced: Any) -> Iterator[Any]:
    """The traces within, at every depth."""
    for equation in traced.eqns:
        for part in within(equation):
            yield part
            yield from _parts(part)


def _of_numpy(traces: Iterable[Any]) -> bool:
    return any(isinstance(const, np.ndarray) for traced in traces for const in getattr(traced, "consts", ()))


def _forget() -> None:
    jax.clear_caches()
    gc.collect()  # of traces that an error, or each other, hold


def _everyones() -> bool:
    """Whether JAX computes in float64 where no context is seen, on a thread of its own."""
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(bool(jax.config.read("jax_enable_x64"))))
    thread.start()
    thread.join()
    return seen[0]
