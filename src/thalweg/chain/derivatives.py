"""How a problem differentiates, and the way that JAX does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, Self, final, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from thalweg.chain.differences import FiniteDifference, Function
from thalweg.chain.signatures import name_of
from thalweg.numerics.products import products_as_chosen, products_in_full
from thalweg.numerics.reading import first_line

ROWS, GRADIENTS = "rows", "differences of gradients"  # the last ways, by a Jacobian and by gradients


class Derivatives(Protocol):
    """First and second derivatives of functions of one vector x, shape (d,)."""

    @property
    def exact(self) -> bool:
        """Whether they hold whatever the units of x, so that a chain may be cut anywhere."""
        ...

    def gradient(self, f: Function, x: Array) -> Array:
        """df/dx of a scalar f, shape (d,)."""
        ...

    def value_and_gradient(self, f: Function, x: Array) -> tuple[Array, Array]:
        """f and df/dx of a scalar f, in one pass where that can be had."""
        ...

    def jacobian(self, f: Function, x: Array) -> Array:
        """df/dx of a vector f of m components, shape (m, d)."""
        ...

    def value_and_jacobian(self, f: Function, x: Array) -> tuple[Array, Array]:
        """f and df/dx of a vector f, in one pass where that can be had."""
        ...

    def linearize(self, f: Function, x: Array) -> tuple[Array, Function, Function]:
        """f, v -> (df/dx) v and w -> (df/dx)^T w of a vector f of m components, the products as functions."""
        ...

    def hessian(self, f: Function, x: Array) -> Array:
        """d2f/dx2 of a scalar f, shape (d, d)."""
        ...

    def hessian_product(self, f: Function, x: Array, v: Array) -> tuple[Array, Array, Array]:
        """f, df/dx and (d2f/dx2) v of a scalar f; no matrix is formed."""
        ...


@runtime_checkable
class Placed(Protocol):
    """Derivatives that depend on where functions are taken."""

    def in_x(self, start: Array | np.ndarray, domain: tuple[np.ndarray, np.ndarray] | None) -> Self:
        """The same for functions of an x whose components are about as large as those of ``start``, and that need not
        be defined beyond the domain."""
        ...

    def in_y(self, y: Array) -> Self:
        """The same for functions of a y about as large as this one."""
        ...


@runtime_checkable
class _Differentiates(Protocol):
    def gradient(self, f: Function, x: Array) -> Array: ...


def in_x(given: Any, start: Array | np.ndarray, domain: tuple[np.ndarray, np.ndarray] | None) -> Any:
    """What was given for the derivatives of functions of x, ``AutoDiff()`` for None; ValueError for what is none."""
    rule = AutoDiff() if given is None else given
    if isinstance(rule, type) or not isinstance(rule, _Differentiates):
        raise ValueError(
            f"derivatives is {given!r}, but it is how a problem differentiates; give AutoDiff() or FiniteDifference()."
        )
    return rule.in_x(start, domain) if isinstance(rule, Placed) else rule


def in_y(rule: Derivatives, y: Array) -> Derivatives:
    """The same for functions of y."""
    return rule.in_y(y) if isinstance(rule, Placed) else rule


@final
@dataclass(frozen=True)
class AutoDiff:
    """Derivatives by JAX, exact in the units of what is differentiated over [x].

    What JAX has a rule for in one mode alone, such as a ``jax.custom_vjp`` (reverse) or a ``while_loop`` (forward), is
    differentiated by that mode: Jacobians and gradients by the other where the cheaper one is missing, Hessians forward
    over reverse, else reverse over reverse, else forward over forward. Where a gradient has no derivative of either
    kind, such as that of diffrax's default adjoint, the Hessian and its products are the central differences of exact
    gradients, with the steps of ``FiniteDifference``.

    Raises:
        ValueError: where a function has a rule for neither mode, such as a ``pure_callback``.
    Cost:
        the gradient is one reverse pass, by forward mode d passes; the Jacobian takes min(m, d) forward or reverse
        passes; the Hessian d passes of the gradient, and its product with a vector one, by differences 2d and 2. JAX
        refuses while it traces; which mode serves is then known for the rest.
    Example:
        >>> print(tw.AutoDiff().gradient(lambda x: x[0] ** 2 * x[1], jnp.array([3.0, 2.0])))
        [12.  9.]
    """

    _differences: FiniteDifference = field(default=FiniteDifference(), init=False, repr=False, compare=False)
    _served: dict[Any, str] = field(default_factory=dict, init=False, repr=False, compare=False)  # which way, last time

    @property
    def exact(self) -> bool:
        return True

    def in_x(self, start: Array | np.ndarray, domain: tuple[np.ndarray, np.ndarray] | None) -> "AutoDiff":
        placed = AutoDiff()
        object.__setattr__(placed, "_differences", self._differences.in_x(start, domain))
        return placed

    def in_y(self, y: Array) -> "AutoDiff":
        return self

    def gradient(self, f: Function, x: Array) -> Array:
        return self.value_and_gradient(f, x)[1]

    def value_and_gradient(self, f: Function, x: Array) -> tuple[Array, Array]:
        ways = {"reverse": lambda: jax.value_and_grad(f)(x), "forward": lambda: _by_forward_mode(f, x)}
        return self._first("a gradient", f, x, ways)

    def jacobian(self, f: Function, x: Array) -> Array:
        return self.value_and_jacobian(f, x)[1]

    def value_and_jacobian(self, f: Function, x: Array) -> tuple[Array, Array]:
        def twice(x: Array) -> tuple[Array, Array]:
            y = f(x)
            return y, y

        ways = {
            "forward": lambda: jax.jacfwd(twice, has_aux=True)(x)[::-1],
            "reverse": lambda: jax.jacrev(twice, has_aux=True)(x)[::-1],
        }
        few = len(x) <= jax.eval_shape(f, x).shape[0]
        return self._first("a Jacobian", f, x, ways if few else dict(reversed(ways.items())))

    def linearize(self, f: Function, x: Array) -> tuple[Array, Function, Function]:
        def by_rows() -> tuple[Array, Function]:
            y, j = self.value_and_jacobian(f, x)
            return y, products_in_full()(lambda w: j.T @ w)

        def pulled(way: Callable[[], tuple[Array, Function]]) -> Any:
            y, pull = way()
            return pull(y)

        ways = {"reverse": lambda: _by_reverse_mode(f, x), ROWS: by_rows}
        probes = {name: partial(pulled, way) for name, way in ways.items()}
        y, pull = self._first("a vector times a Jacobian", f, x, ways, probes)
        return y, self.tangents(f, x), products_as_chosen()(pull)

    def tangents(self, f: Function, x: Array) -> Function:
        """v -> (df/dx) v of a vector f."""

        def transposed() -> Function:
            y, pull = _by_reverse_mode(f, x)
            return lambda v: jax.vjp(pull, y)[1](v)[0]  # of what is linear in w

        def by_rows() -> Function:
            j = self.jacobian(f, x)
            return products_in_full()(lambda v: j @ v)

        ways = {"forward": lambda: jax.linearize(f, x)[1], "reverse": transposed, ROWS: by_rows}
        probes = {name: lambda way=way: jax.vmap(way())(x[None]) for name, way in ways.items()}
        return products_as_chosen()(self._first("a Jacobian times a vector", f, x, ways, probes))

    def hessian(self, f: Function, x: Array) -> Array:
        def by_differences() -> Array:
            h = self._differences.jacobian(lambda x: self.gradient(f, x), x)
            return (h + h.T) / 2

        ways = {
            "forward over reverse": lambda: jax.hessian(f)(x),
            "reverse over reverse": lambda: jax.jacrev(jax.grad(f))(x),
            "forward over forward": lambda: jax.jacfwd(jax.jacfwd(f))(x),
            GRADIENTS: by_differences,
        }
        return self._first("a Hessian", f, x, ways)

    def hessian_product(self, f: Function, x: Array, v: Array) -> tuple[Array, Array, Array]:
        def forward(gradient: Callable[..., tuple[Array, Array]], v: Array) -> tuple[Array, Array, Array]:
            (value, g), (_, product) = jax.jvp(gradient, (x,), (v,))
            return value, g, product

        def reverse() -> tuple[Array, Array, Array]:
            (value, g), pull = jax.vjp(jax.value_and_grad(f), x)
            return value, g, pull((jnp.zeros_like(value), v))[0]

        def by_differences() -> tuple[Array, Array, Array]:
            product = self._differences.along(lambda x: self.gradient(f, x), x, v)
            return *self.value_and_gradient(f, x), product

        over = {"reverse": jax.value_and_grad(f), "forward": lambda x: _by_forward_mode(f, x)}
        ways = {
            "forward over reverse": lambda: forward(over["reverse"], v),
            "reverse over reverse": reverse,
            "forward over forward": lambda: forward(over["forward"], v),
            GRADIENTS: by_differences,
        }
        probes = {
            f"forward over {mode}": lambda g=gradient: jax.vmap(lambda v: forward(g, v))(v[None])
            for mode, gradient in over.items()
        }
        return self._first("a product of the Hessian", f, x, ways, probes)

    @products_as_chosen()  # rules that a person wrote are theirs, too
    def _first(
        self, what: str, f: Function, x: Array, ways: dict[str, Callable[[], Any]], probes: Any = MappingProxyType({})
    ) -> Any:
        """What the first of the ways gives that JAX can go, beginning with the one that served last.

        JAX refuses while it traces, so that nothing is computed to find out. ``probes`` are for ways whose own trace
        would not tell: a ``custom_vjp`` refuses tangents only where they are mapped.
        """
        key, errors = (what, name_of(f), len(x)), list[Exception]()
        known = self._served.get(key)
        for name in sorted(ways, key=lambda name: name != known):
            try:
                if name != known and (name in probes or not isinstance(x, Tracer)):
                    probe = probes.get(name, ways[name])
                    jax.eval_shape(lambda probe=probe: (probe(), None)[1])
                found = ways[name]()
            except Exception as error:  # of whatever kind: libraries on JAX refuse in their own ways
                if name in (ROWS, GRADIENTS):  # these say themselves what has no rule
                    raise
                errors.append(error)
            else:
                self._served[key] = name
                return found
        jax.eval_shape(f, x)  # what f itself does wrong is said as it is
        told = "; ".join(dict.fromkeys(f"{type(error).__name__}: {first_line(error)}" for error in errors))
        raise ValueError(
            f"{what} is asked for, but JAX has a rule for it neither in forward nor in reverse mode ({told}); give the "
            "function one by jax.custom_jvp or jax.custom_vjp, or take differences of values, "
            "Problem(derivatives=FiniteDifference())."
        ) from errors[0]


def _by_forward_mode(f: Function, x: Array) -> tuple[Array, Array]:
    """f and df/dx of a scalar f, as many forward passes as x has components."""
    return jax.vmap(lambda v: jax.jvp(f, (x,), (v,)), out_axes=(None, 0))(jnp.eye(len(x), dtype=x.dtype))


def _by_reverse_mode(f: Function, x: Array) -> tuple[Array, Function]:
    """f and w -> (df/dx)^T w of a vector f."""
    y, pull = jax.vjp(f, x)
    return y, lambda w: pull(w)[0]
