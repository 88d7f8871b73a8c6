"""Bounds on x: the problem's domain as a box."""

from typing import NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.objective import Smooth


@final
class Box(NamedTuple):
    """low <= x <= high, each of shape (d,), in [x]; infinite where x is free."""

    low: Array
    high: Array

    @staticmethod
    def of(problem: Smooth, bounded: bool, x: Array) -> "Box":
        """The domain, where a method is ``bounded`` by it, or else all of space."""
        if not bounded:
            return Box(jnp.full_like(x, -jnp.inf), jnp.full_like(x, jnp.inf))
        if problem.domain is None:
            raise ValueError(
                f"{problem.name!r} has no domain, but a bounded method stays in one; give Problem(domain=(low, high))."
            )
        return Box(*(jnp.asarray(side, x.dtype) for side in problem.domain))

    @staticmethod
    def searched(problem: Smooth, method: str, x: Array) -> "Box":
        """The domain, where a method searches all of it; ValueError unless it is finite."""
        if problem.domain is None or not np.isfinite(problem.domain).all():
            given = "no domain" if problem.domain is None else "an infinite domain"
            raise ValueError(
                f"{problem.name!r} has {given}, but {method} searches a finite one; give Problem(domain=(low, high))."
            )
        return Box.of(problem, True, x)

    def draw(self, key: Array, shape: tuple[int, ...]) -> Array:
        """Points drawn uniformly from a finite box; ``shape`` ends in d."""
        return self.low + (self.high - self.low) * jax.random.uniform(key, shape, self.low.dtype)

    def project(self, x: Array) -> Array:
        return jnp.clip(x, self.low, self.high)

    def held(self, x: Array, g: Array) -> Array:
        """Components at a bound that a step along -g would cross (Bertsekas 1982, eq. 32)."""
        return ((x <= self.low) & (g > 0)) | ((x >= self.high) & (g < 0))

    def projected(self, x: Array, g: Array) -> Array:
        """x - P(x - g), which vanishes at a solution; g itself inside the box."""
        return jnp.where(x - g < self.low, x - self.low, jnp.where(x - g > self.high, x - self.high, g))


def restricted(a: Array, held: Array) -> Array:
    """A with the rows and columns of held components replaced by those of the identity."""
    return jnp.where(held[:, None] | held, jnp.eye(len(held), dtype=a.dtype), a)
