"""A line search that takes one trial a step, so that lanes stay in step."""

from typing import NamedTuple, final

import jax.numpy as jnp
from jax import Array

from thalweg.numerics.linalg import product

ROUNDINGS = 8  # of L, by which x may rise above the lowest point so far


@final
class Along(NamedTuple):
    """What is known of a point of a line x + t p."""

    value: Array  # L
    slope: Array  # dL/dt
    steepness: Array  # the largest component of the gradient


@final
class LineSearch(NamedTuple):
    """The next trial ``length`` t of phi(t) = L(x + t p), below a length ``high`` that was not low enough, and what L
    may not exceed."""

    length: Array
    high: Array
    ceiling: Array

    @staticmethod
    def first(length: Array, value: Array) -> "LineSearch":
        return LineSearch(length, jnp.full_like(length, jnp.inf), value + ROUNDINGS * _rounding(value))

    def again(self, length: Array) -> "LineSearch":
        """The next search, along another line."""
        return LineSearch(length, jnp.full_like(length, jnp.inf), self.ceiling)

    def judge(self, here: Along, there: Along, decrease: float, curvature: float) -> tuple[Array, Array, "LineSearch"]:
        """Whether x moves to the trial, whether that ends the search, and how it goes on if not.

        x moves if phi(t) <= phi(0) + decrease t phi'(0), or, for where L is equal but for rounding, phi'(t) <= (2
        decrease - 1) phi'(0) (Hager and Zhang 2005, eq. 23), below the ceiling. That is a few roundings above the
        lowest point so far, and comes down by one where x moves and the gradient is no smaller, so that no search goes
        round for ever. It ends where phi'(t) >= curvature phi'(0), too (Wolfe 1969), else goes on from there, twice as
        far or half the way to ``high``. Where x does not move, the trial is ``high`` and the next is the minimum of the
        parabola through what is known, within [1/10, 1/2] of it. Lines that do not go down, and values that are not
        finite, are not followed.
        """
        lower = there.value <= here.value + decrease * self.length * here.slope
        lower &= there.value < here.value
        level = there.slope <= (2 * decrease - 1) * here.slope
        moves = (lower | level) & (there.value <= self.ceiling) & (here.slope < 0)
        moves &= jnp.isfinite(there.value) & jnp.isfinite(there.slope)
        serves = moves & (there.slope >= curvature * here.slope)
        one = _rounding(there.value)
        lowered = jnp.where(there.steepness < here.steepness, self.ceiling, self.ceiling - one)
        ceiling = jnp.where(moves, jnp.minimum(there.value + ROUNDINGS * one, lowered), self.ceiling)

        parabola = here.slope * self.length / (2 * (here.value + self.length * here.slope - there.value))
        shorter = self.length * jnp.clip(jnp.where(jnp.isfinite(parabola), parabola, 0.5), 0.1, 0.5)
        left = self.high - self.length
        longer = jnp.where(jnp.isfinite(left), left / 2, 2 * self.length)
        length, high = jnp.where(moves, longer, shorter), jnp.where(moves, left, self.length)
        return moves, serves, LineSearch(length, high, ceiling)


def along(value: Array, g: Array, p: Array) -> Along:
    """A point of a line along p."""
    return Along(value, product(g, p), jnp.max(jnp.abs(g)))


def _rounding(value: Array) -> Array:
    return jnp.finfo(value.dtype).eps * jnp.abs(value)
