"""What thalweg asks of XLA beyond JAX's defaults."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, final

import jax
from jax import Array

from thalweg.chain.derivatives import Derivatives, in_x, in_y
from thalweg.chain.differences import Function
from thalweg.numerics.constants import anew
from thalweg.numerics.layout import settled_in_order

# Batched LAPACK calls wait on XLA's pool of threads while they hold one of them, so two programs with such calls wait
# for each other without end where the pool is as small as two (jaxlib 0.10, ParallelBatchMap). They take turns; each
# still spreads its batch over all cores.
_LAPACK = Lock()


@cache
def _libraries() -> Any:
    """Those behind LAPACK, which a program that calls it has loaded."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def lapack_in_turn() -> Iterator[None]:
    """No other program that calls LAPACK runs, and this one has the cores for XLA's threads alone: those of OpenBLAS,
    which every call of a batch would wake, spin while they wait for each other and for a core. One large matrix is no
    slower for it. A limit of ``threadpoolctl`` that another thread holds stands."""
    with _LAPACK, _libraries().limit(limits=1, user_api="blas"):
        yield


def compiled(f: Any, options: tuple[tuple[str, Any], ...], *shapes: Any) -> Any:
    """The jitted ``f`` compiled for arguments of these shapes, with those of the options that XLA knows."""
    lowered = anew(lambda: f.lower(*shapes))
    while True:
        try:
            return lowered.compile(dict(options))
        except jax.errors.JaxRuntimeError as error:
            known = tuple((name, value) for name, value in options if name not in str(error))
            if "No such compile option" not in str(error) or known == options:
                raise
            options = known


@final
@dataclass(frozen=True)
class Settled:
    """Derivatives whose gradient is ``settled_in_order``. XLA would compute parts of it anew for everything that uses
    it, such as both moments of Adam, and across lanes; this way a step is up to a quarter faster."""

    inner: Derivatives

    @property
    def exact(self) -> bool:
        return self.inner.exact

    def in_x(self, start: Any, domain: Any) -> "Settled":
        return Settled(in_x(self.inner, start, domain))

    def in_y(self, y: Array) -> "Settled":
        return Settled(in_y(self.inner, y))

    def gradient(self, f: Function, x: Array) -> Array:
        return settled_in_order(self.inner.gradient(f, x))

    def value_and_gradient(self, f: Function, x: Array) -> tuple[Array, Array]:
        value, gradient = self.inner.value_and_gradient(f, x)
        return settled_in_order(value), settled_in_order(gradient)

    def jacobian(self, f: Function, x: Array) -> Array:
        return settled_in_order(self.inner.jacobian(f, x))

    def value_and_jacobian(self, f: Function, x: Array) -> tuple[Array, Array]:
        y, jacobian = self.inner.value_and_jacobian(f, x)
        return settled_in_order(y), settled_in_order(jacobian)

    def linearize(self, f: Function, x: Array) -> tuple[Array, Function, Function]:
        return self.inner.linearize(f, x)

    def hessian(self, f: Function, x: Array) -> Array:
        return settled_in_order(self.inner.hessian(f, x))

    def hessian_product(self, f: Function, x: Array, v: Array) -> tuple[Array, Array, Array]:
        value, gradient, product = self.inner.hessian_product(f, x, v)
        return settled_in_order(value), settled_in_order(gradient), settled_in_order(product)
