"""The precision to compute in, and what is computed in float64 whatever the rest is in."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from thalweg.numerics.products import products_in_full


def precision(dtype: Any, half: bool = False, double: bool = False) -> np.dtype:
    """The precision to compute in; "bfloat16" and "float16" only where ``half`` allows them. Without one it is JAX's
    default, or float64 where ``double`` says so and the device has it."""
    if dtype is None:
        return np.dtype(np.float64 if double and computes(np.dtype(np.float64)) else jnp.result_type(float))
    kinds = [np.dtype(kind) for kind in (*((jnp.bfloat16, jnp.float16) if half else ()), jnp.float32, jnp.float64)]
    *names, last = [repr(kind.name) for kind in kinds]
    for kind in kinds:
        if dtype in (kind.name, kind, kind.type, getattr(jnp, kind.name)):
            if not computes(kind):
                raise ValueError(
                    f"dtype is {kind.name!r}, which {jax.devices()[0].device_kind} does not compute in; "
                    f"choose another of {', '.join(names)} and {last}."
                )
            return kind
    raise ValueError(f"dtype is {dtype!r}, but the precision is {', '.join(names)} or {last}; choose one.")


def at_least_single(kind: np.dtype) -> np.dtype:
    """float32 for what is shorter: for hyperparameters, of which 0.999 would be 1, and for records, since few programs
    and no file format read short formats."""
    return max(np.dtype(kind), np.dtype(np.float32), key=lambda kind: kind.itemsize)


def alike(table: np.ndarray, kind: np.dtype) -> tuple[float, float] | None:
    """Two values of a column, shape (n,), or of one of several, shape (n, …), that ``kind`` cannot tell apart although
    their differences are what it is about: they lie so far from 0 that its spacing there exceeds a millionth of their
    range. None where there are none."""
    columns = table.reshape(len(table), -1)
    far = float(jnp.finfo(kind).eps) * np.max(np.abs(columns), axis=0, initial=0.0) > 1e-6 * np.ptp(columns, axis=0)
    for known in map(np.unique, columns[:, far].T):
        same = np.flatnonzero(np.diff(known.astype(kind).astype(float)) == 0)
        if same.size:
            return float(known[same[0]]), float(known[same[0] + 1])
    return None


@cache
def computes(kind: np.dtype) -> bool:
    """Whether the device holds numbers of this precision."""
    try:
        with jax.enable_x64(kind == np.float64):
            return jax.device_put(np.ones((), kind)).dtype == kind
    except (RuntimeError, TypeError, ValueError):
        return False


def on_cpu() -> bool:
    """Whether JAX computes on a CPU."""
    return jax.devices()[0].platform == "cpu"


def in_float64(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` traced in float64 within a program of another precision; f converts what it takes and what it gives.

    JAX maps and differentiates a trace in the precision of the moment, which need not be that of the trace; here lanes
    are mapped by tracing f anew. Not for reverse mode.
    """

    def wide(*arguments: Any) -> Any:
        with jax.enable_x64(True), products_in_full():
            return f(*arguments)

    one = custom_vmap(wide)

    @one.def_vmap
    def _(_: int, batched: Any, *arguments: Any) -> tuple[Any, Any]:
        mapped = any(jax.tree.leaves(batched))  # or only a tangent is
        axes = jax.tree.map(lambda mapped: 0 if mapped else None, tuple(batched))
        found = jax.vmap(wide, axes)(*arguments) if mapped else wide(*arguments)
        return found, jax.tree.map(lambda _: mapped, found)

    def called(*arguments: Any) -> Any:
        with jax.enable_x64(True):
            return one(*arguments)

    return called
