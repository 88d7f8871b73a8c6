"""Bounds on x: the problem's domain as a box."""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.objective import Smooth
from thalweg.methods.method import Bounded
from thalweg.numerics.linalg import product


@final
class Unbounded(NamedTuple):
    """All of space: what a ``Box`` does, without its work."""

    finite = False

    def open(self, x: Array) -> Array:
        return jnp.zeros(0, bool)

    def stay(self, x: Array, there: Array) -> Array:
        return there

    def project(self, x: Array) -> Array:
        return x

    def held(self, x: Array, g: Array) -> Array:
        return jnp.zeros(x.shape, bool)

    def free(self, x: Array, g: Array) -> Array:
        return g

    def restricted(self, h: Array, x: Array, g: Array) -> Array:
        return h

    def columns(self, x: Array, r: Array, j: Array) -> tuple[Array | None, Array]:
        return None, j

    def short(self, ends: Array, x: Array, there: Array) -> Array:
        return there

    def walls(self, ends: Array, x: Array, there: Array, finite: Array) -> Array:
        return ends


@final
class Box(NamedTuple):
    """low <= x <= high, each of shape (d,), in [x]; infinite where x is free, equal where it is fixed.

    ``ends``, of shape (d,), are components at whose bound L was not finite, such as log 0: until the next step that is
    taken, trials stop short of these bounds, so that one such component does not hold back the others.
    """

    low: Array
    high: Array

    @staticmethod
    def of(problem: Smooth, bounded: bool, x: Array) -> "Region":
        """The domain, where a method is ``bounded`` by it, or else all of space."""
        return Box.domain(problem, x) if bounded else Unbounded()

    @staticmethod
    def domain(problem: Smooth, x: Array) -> "Box":
        """The domain in the precision of x; ValueError where there is none."""
        return Box(*(jnp.asarray(side) for side in bounds(problem, x.dtype)))

    @staticmethod
    def searched(problem: Smooth, method: str, x: Array) -> "Box":
        """The domain, where a method searches all of it; ValueError unless it is finite."""
        if problem.domain is None or not np.isfinite(problem.domain).all():
            given = "no domain" if problem.domain is None else "an infinite domain"
            raise ValueError(
                f"{problem.name!r} has {given}, but {method} searches a finite one; give Problem(domain=(low, high)), "
                "or a range of every parameter."
            )
        return Box.domain(problem, x)

    @property
    def finite(self) -> Array:
        return jnp.all(jnp.isfinite(self.low) & jnp.isfinite(self.high))

    def draw(self, key: Array, shape: tuple[int, ...]) -> Array:
        """Points drawn uniformly from a finite box; ``shape`` ends in d."""
        return self.low + (self.high - self.low) * jax.random.uniform(key, shape, self.low.dtype)

    def stay(self, x: Array, there: Array) -> Array:
        """there, but x in components in which that is outside."""
        return jnp.where((there < self.low) | (there > self.high), x, there)

    def project(self, x: Array) -> Array:
        return jnp.clip(x, self.low, self.high)

    def held(self, x: Array, g: Array) -> Array:
        """Components at a bound that a step along -g would cross (Bertsekas 1982, eq. 32), and fixed ones."""
        return ((x <= self.low) & (g > 0)) | ((x >= self.high) & (g < 0)) | (self.low == self.high)

    def free(self, x: Array, g: Array) -> Array:
        """g with zeros where x is held, which vanishes at a solution."""
        return jnp.where(self.held(x, g), 0, g)

    def restricted(self, h: Array, x: Array, g: Array) -> Array:
        """A symmetric matrix with the rows and columns of held components replaced by a multiple of the identity."""
        return restricted(h, self.held(x, g))

    def columns(self, x: Array, r: Array, j: Array) -> tuple[Array | None, Array]:
        """J^T r, and the Jacobian J with zeros for components that are held, where slopes may be infinite."""
        g = product(j.T, r)
        return g, jnp.where(self.held(x, g), 0, j)

    def open(self, x: Array) -> Array:
        """``ends``, of which there are none yet."""
        return jnp.zeros(x.shape, bool)

    def short(self, ends: Array, x: Array, there: Array) -> Array:
        """The trial ``there`` from x in the box, whose ``ends`` stop a hundredth of the way short of their bounds."""
        low, high = (jnp.where(ends & jnp.isfinite(side), side + (x - side) / 100, side) for side in self)
        return jnp.clip(there, low, high)

    def walls(self, ends: Array, x: Array, there: Array, finite: Array) -> Array:
        """Components to add to ``ends``: those that come to a bound on the way to a trial that is not ``finite``."""
        return (x != there) & ((there == self.low) | (there == self.high)) & ~ends & ~finite


Region = Box | Unbounded


def sides(domain: tuple[np.ndarray, np.ndarray], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) in a precision, rounded inward, so that what lies between them is in the domain; where no number of
    that precision is, the nearest. Zeros have the sign of what is inside: the slope of sqrt(-x) at -0 is that from
    below, at 0 it has the wrong sign."""
    with np.errstate(over="ignore"):
        low, high = (np.asarray(side, float).astype(dtype) for side in domain)
    above = np.where(low < domain[0], np.nextafter(low, np.asarray(np.inf, dtype)), low)
    below = np.where(high > domain[1], np.nextafter(high, np.asarray(-np.inf, dtype)), high)
    low, high = np.where(above > below, low, above), np.where(above > below, low, below)
    return np.where(low == 0, np.zeros_like(low), low), np.where(high == 0, -np.zeros_like(high), high)


def bounds(problem: Smooth, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """The ``sides`` of a problem's domain; ValueError where it has none."""
    if problem.domain is None:
        raise ValueError(
            f"{problem.name!r} has no domain, but a bounded method stays in one; give Problem(domain=(low, high))."
        )
    return sides(problem.domain, dtype)


def keeps(problem: Smooth, method: Any) -> bool:
    """Whether the method stays in a domain, and the problem has one."""
    return problem.domain is not None and isinstance(method, Bounded) and method.bounded


def begun(problem: Smooth, method: Any, points: np.ndarray) -> np.ndarray:
    """Where a method begins from these starts, (…, d): there, or at the nearest points of the domain it keeps to."""
    if problem.domain is None or not keeps(problem, method):
        return points
    return np.clip(points, *sides(problem.domain, points.dtype)).astype(points.dtype)


def restricted(a: Array, held: Array) -> Array:
    """A with the rows and columns of held components replaced by those of the identity times the largest of the others,
    beside which none is small."""
    out = held[:, None] | held
    size = jnp.max(jnp.where(out, 0, jnp.abs(a)))
    return jnp.where(out, jnp.where(size > 0, size, 1) * jnp.eye(len(held), dtype=a.dtype), a)
