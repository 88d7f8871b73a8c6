"""Which axis of an array is fastest in memory: lanes, so that one operation runs along many of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import jax
from jax import Array
from jax.custom_batching import custom_vmap
from jax.experimental.layout import Layout, with_layout_constraint

_order: ContextVar[Literal["lanes", "rows", "free"]] = ContextVar("order", default="lanes")


@contextmanager
def memory_order(order: Literal["lanes", "rows", "free"]) -> Iterator[None]:
    """Programs that are traced here keep lanes next to each other in memory, or components ("rows": XLA's Fourier
    transforms on a CPU fail on anything else), or leave the order to XLA ("free")."""
    token = _order.set(order)
    try:
        yield
    finally:
        _order.reset(token)


def lanes_minor(tree: Any) -> Any:
    """Lanes are the first axis to ``vmap`` and, where memory is ordered so, the fastest one: operations run along
    them."""
    order = _order.get()
    if order == "free":
        return tree
    first, last = ((), (0,)) if order == "lanes" else ((0,), ())

    def laid_out(a: Array) -> Array:
        return with_layout_constraint(a, Layout((*first, *range(1, a.ndim), *last))) if a.ndim > 1 else a

    return jax.tree.map(laid_out, tree)


@custom_vmap
def _batched_identity(a: Array) -> Array:
    return a


@_batched_identity.def_vmap
def _(_: int, __: Any, a: Array) -> tuple[Array, bool]:
    if _order.get() == "free":
        return a, True
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
