"""Which axis of an array is fastest in memory: lanes, so that one operation runs along many of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax
from jax import Array
from jax.custom_batching import custom_vmap
from jax.experimental.layout import Layout, with_layout_constraint

_rows: ContextVar[bool] = ContextVar("rows", default=False)


@contextmanager
def rows_minor(wanted: bool) -> Iterator[None]:
    """Programs that are traced here keep components, not lanes, next to each other in memory: XLA's Fourier transforms
    on a CPU fail on anything else."""
    token = _rows.set(wanted)
    try:
        yield
    finally:
        _rows.reset(token)


def lanes_minor(tree: Any) -> Any:
    """Lanes are the first axis to ``vmap`` and the fastest one in memory, so that operations run along lanes."""
    first = (0,) if _rows.get() else ()
    last = () if _rows.get() else (0,)

    def laid_out(a: Array) -> Array:
        return with_layout_constraint(a, Layout((*first, *range(1, a.ndim), *last))) if a.ndim > 1 else a

    return jax.tree.map(laid_out, tree)


@custom_vmap
def _batched_identity(a: Array) -> Array:
    return a


@_batched_identity.def_vmap
def _(_: int, __: Any, a: Array) -> tuple[Array, bool]:
    if a.ndim == 1:  # a number of each lane: only an array of two axes has a layout to hold on to
        return jax.lax.optimization_barrier(lanes_minor(a[:, None]))[:, 0], True
    return jax.lax.optimization_barrier(lanes_minor(a)), True


@jax.custom_jvp
def settled(a: Array) -> Array:
    """``a`` itself; where lanes are mapped, computed once and laid out along lanes."""
    return _batched_identity(a)


@settled.defjvp
def _(a: tuple[Array], tangent: tuple[Array]) -> tuple[Array, Array]:
    return settled(*a), *tangent
