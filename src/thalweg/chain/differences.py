"""Derivatives by finite differences of values."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.numerics.products import products_in_full

Function = Callable[[Array], Array]


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

    Of a problem with a domain, no point lies beyond a bound unless x does: near one, central first derivatives are
    those of the parabola through f(x), f(x +- h e_i / 2) and f(x +- h e_i) on the free side, error O(h^2), one-sided
    ones turn round, and second derivatives are taken as near to x as fits, error O(h).

    Args:
        step: h in [x]: one number > 0, or one per component. Without it h_i = s_i * 2 eps^(1/p), with eps the rounding
            unit of x and p = 3 (central) or 2 (one-sided) for first derivatives, 4 and 3 for second ones, which
            balances truncation against rounding where f changes over a distance of s_i. This is max(|x_i|, t_i), t_i
            the size of this component of the problem's start, 1 where that is 0 or unknown; in y, the
            largest |y_j|. None is more than a quarter of the domain's width. A fixed step of 1e-5 serves first
            derivatives in float64 and is too small for float32 and for second derivatives.
        scheme: "central", "forward" or "backward".
    Raises:
        ValueError: for an unknown scheme or a step that is not positive; from ``Problem``, for another number of steps
            than x has components.
    Cost:
        in values as above, with a domain one more; of the Hessian 2d^2 + 1 values (central) or (d + 1)(d + 2)/2
        (one-sided).
    Source:
        Dennis and Schnabel (1983), sections 5.4 and 5.6; Nocedal and Wright (2006), section 8.1.
    Example:
        >>> gradient = tw.FiniteDifference().gradient(lambda x: x[0] ** 2 * x[1], jnp.array([3.0, 2.0]))
        >>> print(gradient.round(2))
        [12.  9.]
    """

    step: float | tuple[float, ...] | None = None
    scheme: str = field(default="central")
    _size: Any = field(default=1.0, init=False, repr=False, compare=False)  # t, (d,) or ()
    _box: Any = field(default=None, init=False, repr=False, compare=False)  # (low, high), beyond which f is unknown

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

    def in_x(self, start: Array | np.ndarray, domain: tuple[np.ndarray, np.ndarray] | None) -> "FiniteDifference":
        if self.step is not None and np.ndim(self.step) and len(np.atleast_1d(self.step)) != len(start):
            raise ValueError(
                f"step is {self.step!r}, but x has {len(start)} components; give one step, or one for each component."
            )
        xp = np if isinstance(start, np.ndarray) else jnp
        return _placed(FiniteDifference(self.step, self.scheme), xp.where(start != 0, xp.abs(start), 1), domain)

    def in_y(self, y: Array) -> "FiniteDifference":
        largest = jnp.max(jnp.abs(y))
        return _placed(FiniteDifference(scheme=self.scheme), jnp.where(largest > 0, largest, 1), None)

    def halved(self, x: Array) -> "FiniteDifference":
        """The same with half the steps of first derivatives at x."""
        return _placed(FiniteDifference(tuple((self.steps(x, 1) / 2).tolist()), self.scheme), self._size, self._box)

    def steps(self, x: Array, order: int) -> Array:
        """h for derivatives of this order at x, shape (d,), in [x]."""
        if self.step is not None:
            h = jnp.broadcast_to(jnp.asarray(self.step, x.dtype), x.shape)
        else:
            power = order + (2 if self.scheme == "central" else 1)
            size = jnp.maximum(jnp.asarray(self._size, x.dtype), jnp.abs(x))
            h = 2 * float(jnp.finfo(x.dtype).eps) ** (1 / power) * size
        return h if self._box is None else jnp.minimum(h, jnp.asarray(self._box[1] - self._box[0], x.dtype) / 4)

    def _room(self, x: Array) -> tuple[Array, Array]:
        """The bounds that points have to keep; infinite for components that are beyond one as it is."""
        if self._box is None:
            return jnp.full_like(x, -jnp.inf), jnp.full_like(x, jnp.inf)
        low, high = (jnp.asarray(side, x.dtype) for side in self._box)
        inside = (low <= x) & (x <= high)
        return jnp.where(inside, low, -jnp.inf), jnp.where(inside, high, jnp.inf)

    def _onward(self, x: Array, h: Array, reach: int) -> Array:
        """Steps of one-sided schemes, that turn round where ``reach`` of them lead out of the room."""
        low, high = self._room(x)
        if self.scheme == "forward":
            return jnp.where(x + reach * h > high, -h, h)
        return jnp.where(x - reach * h < low, h, -h)

    def jacobian(self, f: Function, x: Array) -> Array:
        if self.scheme == "central" and self._box is None:  # which alone has no use for f(x)
            ahead, behind = self._beside(x)
            f_ahead, f_behind = jnp.split(jax.vmap(f)(jnp.concatenate([ahead, behind])), 2)
            return (f_ahead - f_behind).T / jnp.diag(ahead - behind)
        return self.value_and_jacobian(f, x)[1]

    def _beside(self, x: Array) -> tuple[Array, Array]:
        """The points half a step ahead of x and behind it, shapes (d, d)."""
        half = jnp.diag(self.steps(x, order=1)) / 2
        return x + half, x - half

    def value_and_jacobian(self, f: Function, x: Array) -> tuple[Array, Array]:
        d, h, values = len(x), self.steps(x, order=1), jax.vmap(f)
        if self.scheme != "central":
            points = x + jnp.diag(self._onward(x, h, 1))
            here, there = jnp.split(values(jnp.concatenate([x[None], points])), [1])
            return here[0], (there - here).T / (jnp.diag(points) - x)
        if self._box is None:
            ahead, behind = self._beside(x)
            here, f_ahead, f_behind = jnp.split(values(jnp.concatenate([x[None], ahead, behind])), [1, 1 + d])
            return here[0], (f_ahead - f_behind).T / jnp.diag(ahead - behind)
        low, high = self._room(x)
        at_low, at_high = x - h / 2 < low, x + h / 2 > high
        one = x + jnp.diag(jnp.where(at_low, h, -h) / 2)
        two = x + jnp.diag(jnp.where(at_low, h, jnp.where(at_high, -h, h / 2)))
        here, f_one, f_two = jnp.split(values(jnp.concatenate([x[None], one, two])), [1, 1 + d])
        a, b = jnp.diag(one) - x, jnp.diag(two) - x  # as they are in floating point
        return here[0], (b / a * (f_one - here).T - a / b * (f_two - here).T) / (b - a)

    def linearize(self, f: Function, x: Array) -> tuple[Array, Function, Function]:
        y, j = self.value_and_jacobian(f, x)
        return y, products_in_full()(lambda v: j @ v), products_in_full()(lambda w: j.T @ w)

    def gradient(self, f: Function, x: Array) -> Array:
        return self.jacobian(f, x)

    def value_and_gradient(self, f: Function, x: Array) -> tuple[Array, Array]:
        return self.value_and_jacobian(f, x)

    def hessian_product(self, f: Function, x: Array, v: Array) -> tuple[Array, Array, Array]:
        return *self.value_and_gradient(f, x), self.along(lambda x: self.gradient(f, x), x, v, 2)

    def along(self, g: Function, x: Array, v: Array, order: int = 1) -> Array:
        """(dg/dx) v of a vector g, by a central difference in which no component moves by more than its step."""
        largest = jnp.max(jnp.abs(v) / self.steps(x, order))
        move = v / jnp.where(largest > 0, largest, 1) / 2
        low, high = self._room(x)
        center = jnp.clip(x, low + jnp.abs(move), high - jnp.abs(move))
        ahead, behind = (jnp.clip(point, low, high) for point in (center + move, center - move))
        return (g(ahead) - g(behind)) * largest

    def hessian(self, f: Function, x: Array) -> Array:
        d, h = x.shape[0], self.steps(x, order=2)
        i, j = np.triu_indices(d, 1)
        low, high = self._room(x)
        if self.scheme == "central":
            center, e = jnp.clip(x, low + h, high - h), jnp.diag(h)
            p, q = e[i] / 2, e[j] / 2
            moves = [e, -e, p + q, p - q, q - p, -p - q]
            values = jax.vmap(f)(jnp.clip(center + jnp.concatenate([0 * h[None], *moves]), low, high))
            middle, ahead, behind = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
            pp, pm, mp, mm = jnp.split(values[2 * d + 1 :], 4)
            diagonal, mixed = (ahead - 2 * middle + behind) / h**2, (pp - pm - mp + mm) / (h[i] * h[j])
        else:
            h = self._onward(x, h, 2)
            s = jnp.diag(h)
            values = jax.vmap(f)(x + jnp.concatenate([0 * h[None], s, 2 * s, s[i] + s[j]]))
            middle, once, twice = values[0], values[1 : d + 1], values[d + 1 : 2 * d + 1]
            diagonal = (twice - 2 * once + middle) / h**2
            mixed = (values[2 * d + 1 :] - once[i] - once[j] + middle) / (h[i] * h[j])
        return jnp.diag(diagonal).at[i, j].set(mixed).at[j, i].set(mixed)


def _placed(rule: FiniteDifference, size: Array | np.ndarray, box: tuple[np.ndarray, np.ndarray] | None) -> Any:
    """The rule, that knows how large x is and where it may go."""
    object.__setattr__(rule, "_size", size)
    object.__setattr__(rule, "_box", box)
    return rule
