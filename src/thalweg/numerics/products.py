"""The precision of products of matrices: in full within thalweg, as a person chose within their own functions.

On an accelerator a product in float32 is one of shorter numbers unless told, with three digits, and a Gram matrix or a
secant loses half of those. JAX keeps the precision in each product where it is traced, and its derivatives and maps
over lanes have it too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax

# The choice of the person, while what is traced is thalweg's own.
_chosen: ContextVar[str | None] = ContextVar("chosen", default=None)


@contextmanager
def products_in_full() -> Iterator[None]:
    """Products that are traced here, or in a function decorated by this, have all digits of their numbers."""
    if _chosen.get() is not None:
        yield
        return
    config: Any = jax.config
    # Said and not left out: a product that says nothing would take what is said where it is differentiated or mapped.
    token = _chosen.set(config.jax_default_matmul_precision or "default")
    try:
        with jax.default_matmul_precision("highest"):
            yield
    finally:
        _chosen.reset(token)


@contextmanager
def products_as_chosen() -> Iterator[None]:
    """Products that are traced here are a person's, in the precision that JAX was told outside."""
    chosen = _chosen.get()
    if chosen is None:
        yield
        return
    token = _chosen.set(None)
    try:
        with jax.default_matmul_precision(chosen):
            yield
    finally:
        _chosen.reset(token)
