"""How a problem differentiates: automatically, or by finite differences of its values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Function = Callable[[Array], Array]


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

    def linearize(self, f: Function, x: Array) -> tuple[Array, Function, Function]:
        """f, v -> (df/dx) v and w -> (df/dx)^T w of a vector f of m components, the products as functions."""
        ...

    def hessian(self, f: Function, x: Array) -> Array:
        """d2f/dx2 of a scalar f, shape (d, d)."""
        ...

    def hessian_product(self, f: Function, x: Array, v: Array) -> tuple[Array, Array, Array]:
        """f, df/dx and (d2f/dx2) v of a scalar f; no matrix is formed."""
        ...


@final
@dataclass(frozen=True)
class AutoDiff:
    """Exact derivatives by JAX, in the units of what is differentiated over [x].

    Raises:
        ValueError: from ``run`` and ``solve``, for functions that JAX cannot differentiate.
    Cost:
        the gradient is one reverse pass; the Jacobian takes min(m, d) forward or reverse passes; the Hessian is forward
        over reverse, d passes of the gradient, and its product with a vector one such pass.
    Example:
        >>> print(tw.AutoDiff().gradient(lambda x: x[0] ** 2 * x[1], jnp.array([3.0, 2.0])))
        [12.  9.]
    """

    @property
    def exact(self) -> bool:
        return True

    def gradient(self, f: Function, x: Array) -> Array:
        return jax.grad(f)(x)

    def value_and_gradient(self, f: Function, x: Array) -> tuple[Array, Array]:
        return jax.value_and_grad(f)(x)

    def jacobian(self, f: Function, x: Array) -> Array:
        outputs = jax.eval_shape(f, x).shape[0]
        return (jax.jacfwd if x.shape[0] <= outputs else jax.jacrev)(f)(x)

    def linearize(self, f: Function, x: Array) -> tuple[Array, Function, Function]:
        y, pull = jax.vjp(f, x)
        return y, jax.linearize(f, x)[1], lambda w: pull(w)[0]

    def hessian(self, f: Function, x: Array) -> Array:
        return jax.hessian(f)(x)

    def hessian_product(self, f: Function, x: Array, v: Array) -> tuple[Array, Array, Array]:
        (value, gradient), (_, product) = jax.jvp(jax.value_and_grad(f), (x,), (v,))
        return value, gradient, product


@final
@dataclass(frozen=True)
class FiniteDifference:
    """Derivatives from values alone.

    With h the step, the spacing of the points, and e_i the unit vectors, the first derivatives are

    - central: (f(x + h e_i / 2) - f(x - h e_i / 2)) / h, error O(h^2), 2d values;
    - forward: (f(x + h e_i) - f(x)) / h, error O(h), d + 1 values;
    - backward: (f(x) - f(x - h e_i)) / h, error O(h), d + 1 values;

    and the second derivatives are the same difference taken twice. The product of the Hessian with v is the central
    difference of two gradients along v.

    Args:
        step: h in [x]: one number > 0, or one per component for variables of different size. Without it
            h_i = max(1, |x_i|) * 2 eps^(1/p), with eps the rounding unit of x and p = 3 (central) or 2 (one-sided) for
            first derivatives, 4 and 3 for second ones, which balances truncation against rounding. A fixed step of 1e-5
            serves first derivatives in float64 and is too small for float32 and for second derivatives.
        scheme: "central", "forward" or "backward".
    Raises:
        ValueError: for an unknown scheme or a step that is not positive.
    Cost:
        in values as above; of the Hessian 2d^2 + 1 values (central) or (d + 1)(d + 2)/2 (one-sided).
    Source:
        Dennis and Schnabel (1983), sections 5.4 and 5.6; Nocedal and Wright (2006), section 8.1.
    Example:
        >>> gradient = tw.FiniteDifference().gradient(lambda x: x[0] ** 2 * x[1], jnp.array([3.0, 2.0]))
        >>> print(gradient.round(2))
        [12.  9.]
    """

    step: float | tuple[float, ...] | None = None
    scheme: str = field(default="central")

    def __post_init__(self) -> None:
        if self.scheme not in ("central", "forward", "backward"):
            raise ValueError(
                f"scheme is {self.scheme!r}, but finite differences are 'central', 'forward' or 'backward'; choose one."
            )
        if self.step is not None:
            steps = np.atleast_1d(np.asarray(self.step, float))
            if steps.ndim != 1 or not np.all(np.isfinite(steps) & (steps > 0)):
                raise ValueError(f"step is {self.step!r}, but a difference step is positive; give e.g. step=1e-5.")
            object.__setattr__(self, "step", tuple(steps.tolist()) if np.ndim(self.step) else float(steps[0]))

    @property
    def exact(self) -> bool:
        return False

    def _steps(self, x: Array, order: int) -> Array:
        if self.step is not None:
            return jnp.broadcast_to(jnp.asarray(self.step, x.dtype), x.shape)
        power = order + (2 if self.scheme == "central" else 1)
        return 2 * float(jnp.finfo(x.dtype).eps) ** (1 / power) * jnp.maximum(1, jnp.abs(x))

    def jacobian(self, f: Function, x: Array) -> Array:
        h = self._steps(x, order=1)
        values = jax.vmap(f)
        if self.scheme == "central":
            ahead, behind = x + jnp.diag(h) / 2, x - jnp.diag(h) / 2
            f_ahead, f_behind = jnp.split(values(jnp.concatenate([ahead, behind])), 2)
            width = jnp.diag(ahead - behind)
            return (f_ahead - f_behind).T / width
        sign = 1 if self.scheme == "forward" else -1
        points = x + sign * jnp.diag(h)
        f_here, f_points = jnp.split(values(jnp.concatenate([x[None], points])), [1])
        width = jnp.diag(points) - x
        return (f_points - f_here).T / width

    def linearize(self, f: Function, x: Array) -> tuple[Array, Function, Function]:
        j = self.jacobian(f, x)
        return f(x), lambda v: j @ v, lambda w: j.T @ w

    def gradient(self, f: Function, x: Array) -> Array:
        return self.jacobian(f, x)

    def value_and_gradient(self, f: Function, x: Array) -> tuple[Array, Array]:
        return f(x), self.gradient(f, x)

    def hessian_product(self, f: Function, x: Array, v: Array) -> tuple[Array, Array, Array]:
        largest = jnp.max(jnp.abs(v) / self._steps(x, order=2))  # so that no component moves by more than its step
        move = v / jnp.where(largest > 0, largest, 1)
        change = self.gradient(f, x + move / 2) - self.gradient(f, x - move / 2)
        return *self.value_and_gradient(f, x), change * largest

    def hessian(self, f: Function, x: Array) -> Array:
        d, h = x.shape[0], self._steps(x, order=2)
        i, j = np.triu_indices(d, 1)
        e = jnp.diag(h)
        if self.scheme == "central":
            p, q = e[i] / 2, e[j] / 2
            corners = [x + p + q, x + p - q, x - p + q, x - p - q]
            values = jax.vmap(f)(jnp.concatenate([x[None], x + e, x - e, *corners]))
            center, ahead, behind = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
            pp, pm, mp, mm = jnp.split(values[2 * d + 1 :], 4)
            diagonal, mixed = (ahead - 2 * center + behind) / h**2, (pp - pm - mp + mm) / (h[i] * h[j])
        else:
            s = e if self.scheme == "forward" else -e
            values = jax.vmap(f)(jnp.concatenate([x[None], x + s, x + 2 * s, x + s[i] + s[j]]))
            center, once, twice = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
            diagonal = (twice - 2 * once + center) / h**2
            mixed = (values[2 * d + 1 :] - once[i] - once[j] + center) / (h[i] * h[j])
        return jnp.diag(diagonal).at[i, j].set(mixed).at[j, i].set(mixed)
