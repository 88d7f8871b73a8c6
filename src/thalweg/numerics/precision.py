"""The precision to compute in, and what is computed in float64 whatever the rest is in."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap


def precision(dtype: Any, half: bool = False) -> np.dtype:
    """The precision to compute in; "bfloat16" and "float16" only where ``half`` allows them."""
    if dtype is None:
        return np.dtype(jnp.result_type(float))
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


@cache
def computes(kind: np.dtype) -> bool:
    """Whether the device holds numbers of this precision."""
    try:
        with jax.enable_x64(kind == np.float64):
            return jax.device_put(np.ones((), kind)).dtype == kind
    except (RuntimeError, TypeError, ValueError):
        return False


def in_float64(f: Callable[..., Any]) -> Callable[..., Any]:
    """``f`` traced in float64 within a program of another precision; f converts what it takes and what it gives.

    JAX maps and differentiates a trace in the precision of the moment, which need not be that of the trace; here lanes
    are mapped by tracing f anew. Not for reverse mode.
    """

    def wide(*arguments: Any) -> Any:
        with jax.enable_x64(True):
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
