"""Which axis of an array is fastest in memory: lanes, so that one operation runs along many of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap
from jax.experimental.layout import Layout, with_layout_constraint

from thalweg.numerics.precision import on_cpu

Order = Literal["lanes", "rows", "free", "divided"]
_order: ContextVar[Order | None] = ContextVar("order", default=None)  # that of the machine


@contextmanager
def memory_order(order: Order) -> Iterator[None]:
    """Programs that are traced here keep lanes next to each other in memory, or components ("rows": XLA's Fourier
    transforms on a CPU fail on anything else), or leave the order to XLA ("free"), as where components are "divided"
    among devices."""
    token = _order.set(order)
    try:
        yield
    finally:
        _order.reset(token)


def _said() -> Order:
    return _order.get() or ("lanes" if on_cpu() else "free")


def lanes_minor(tree: Any) -> Any:
    """Lanes are the first axis to ``vmap`` and, where memory is ordered so, the fastest one: operations run along
    them."""
    return jax.tree.map(_laid_out, tree)


def largest(a: Array) -> Array:
    """The largest of numbers that belong to components of x, NaN where one is: the maximum that XLA takes over several
    devices leaves it out (jaxlib 0.10 to 0.12), so there it is asked for."""
    most = jnp.max(a)
    return jnp.where(jnp.any(jnp.isnan(a)), jnp.nan, most) if _said() == "divided" else most


def lanes_layout(a: Any) -> Layout | None:
    """How an array lies in memory that goes into a program and comes out of it, with lanes as its first axis; None
    where that is as everybody has it. In another order it would be turned at each call."""
    if a.ndim < 2 or _said() != "lanes" or jnp.issubdtype(a.dtype, jax.dtypes.prng_key):
        return None
    return Layout((*range(1, a.ndim), 0))


def _laid_out(a: Array) -> Array:
    order = _said()
    if a.ndim < 2 or order in ("free", "divided"):
        return a
    first, last = ((0,), ()) if order == "rows" else ((), (0,))
    return with_layout_constraint(a, Layout((*first, *range(1, a.ndim), *last)))


def _settling(always: bool) -> Callable[[Array], Array]:
    """The identity; where lanes are mapped, a barrier before which all is computed once, with the order of memory if
    there is one. Not ``always``: only where there is, since a barrier cuts the kernels of a GPU apart."""

    @custom_vmap
    def identity(a: Array) -> Array:
        return a

    @identity.def_vmap
    def _(_: int, __: Any, a: Array) -> tuple[Array, bool]:
        if _said() in ("free", "divided"):
            return jax.lax.optimization_barrier(a) if always else a, True
        if a.ndim == 1:  # a number of each lane: only an array of two axes has a layout to hold on to
            return jax.lax.optimization_barrier(_laid_out(a[:, None]))[:, 0], True
        return jax.lax.optimization_barrier(_laid_out(a)), True

    @jax.custom_jvp
    def settling(a: Array) -> Array:
        return identity(a)

    @settling.defjvp
    def _(a: tuple[Array], tangent: tuple[Array]) -> tuple[Array, Array]:
        return settling(*a), *tangent

    return settling


# ``a`` itself; where lanes are mapped, computed once, and laid out along lanes where memory has an order. Small algebra
# needs it on every machine: XLA may compute a number anew for each use, with another rounding, so that it is smaller
# than itself or a pivot two rows at once (seen on a CPU, jaxlib 0.10.2).
settled = _settling(always=True)
settled_in_order = _settling(always=False)
