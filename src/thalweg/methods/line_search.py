"""A line search that takes one trial a step, so that lanes stay in step."""

from typing import NamedTuple, final

import jax.numpy as jnp
from jax import Array

from thalweg.numerics.layout import largest
from thalweg.numerics.linalg import product

ROUNDINGS = 8  # of L, by which x may rise above the lowest point so far
SHORT = 16  # roundings of x
PATIENCE = 100  # moves without progress after which it has arrived where rounding rules


@final
class Along(NamedTuple):
    """What is known of a point of a line x + t p."""

    value: Array  # L
    slope: Array  # dL/dt


@final
class LineSearch(NamedTuple):
    """The next trial ``length`` t of phi(t) = L(x + t p), below a length ``high`` that was not low enough; and how far
    all searches have come."""

    length: Array
    high: Array
    flattest: Array  # the largest component of the gradient, at its smallest since L fell
    idle: Array  # moves since either fell
    height: Array  # |L| where it began
    reach: Array  # the largest component of x there

    @staticmethod
    def first(length: Array, x: Array, value: Array) -> "LineSearch":
        infinite = jnp.full_like(length, jnp.inf)
        return LineSearch(length, infinite, infinite, jnp.zeros_like(length), jnp.abs(value), largest(jnp.abs(x)))

    def again(self, length: Array) -> "LineSearch":
        """The next search, along another line."""
        return self._replace(length=length, high=jnp.full_like(length, jnp.inf))

    def judge(self, here: Along, there: Along, decrease: float, curvature: float) -> tuple[Array, Array, "LineSearch"]:
        """Whether x moves to the trial, whether that ends the search, and how it goes on if not.

        x moves if phi(t) <= phi(0) + decrease t phi'(0), or, for where L is equal but for rounding, phi'(t) <= (2
        decrease - 1) phi'(0) (Hager and Zhang 2005, eq. 23). The search ends where phi'(t) >= curvature phi'(0), too
        (Wolfe 1969), else it goes on from there, twice as far or half the way to ``high``. Where x does not move, the
        trial is ``high`` and the next is the minimum of the parabola through what is known, within [1/10, 1/2] of it.
        Lines that do not go down, and values that are not finite, are not followed.
        """
        lower = there.value <= here.value + decrease * self.length * here.slope
        level = there.value <= here.value + _rounding(here.value)
        level &= there.slope <= (2 * decrease - 1) * here.slope
        moves = (lower | level) & (here.slope < 0) & jnp.isfinite(there.value + there.slope)
        serves = moves & (there.slope >= curvature * here.slope)

        parabola = here.slope * self.length / (2 * (here.value + self.length * here.slope - there.value))
        shorter = self.length * jnp.where(parabola < 0.5, jnp.maximum(parabola, 0.1), 0.5)
        left = self.high - self.length
        longer = jnp.minimum(left / 2, 2 * self.length)
        length, high = jnp.where(moves, longer, shorter), jnp.where(moves, left, self.length)
        return moves, serves, self._replace(length=length, high=high)

    def promised(self, before: Array, here: Along, x: Array, s: Array, moves: Array, serves: Array) -> Array:
        """How much lower a model with this slope has its minimum, where its whole step s served at once; ``before`` as
        long as x stays, but 0 where s is so short that only rounding can have spoiled it."""
        first = (self.length == 1) & (self.high == jnp.inf)
        short = first & jnp.all(jnp.abs(s) <= SHORT * float(jnp.finfo(x.dtype).eps) * jnp.abs(x))
        moves &= jnp.any(x + s != x)
        return jnp.where(moves, jnp.where(first & serves, -here.slope / 2, jnp.inf), jnp.where(short, 0, before))

    def seen(
        self, before: Array, value: Array, g: Array, s: Array, moved: Array, patience: int = PATIENCE
    ) -> tuple[Array, "LineSearch"]:
        """Whether it goes round where L and its gradient are as small as they get in this arithmetic: for ``patience``
        moves L has not fallen by more than rounding, from before a step to now, nor was the gradient ever smaller.

        Towards a kink at x = 0 L falls as far as numbers go. So a fall counts only where it, or the step s, is more
        than rounding of what there was where the path began.
        """
        steepness, fell = largest(jnp.abs(g)), before - value > _rounding(value)
        far = largest(jnp.abs(s)) > jnp.finfo(value.dtype).eps * self.reach
        fell &= far | (before - value > _rounding(self.height))
        idle = jnp.where(fell | (steepness < self.flattest), 0, self.idle + moved)
        flattest = jnp.where(fell, steepness, jnp.minimum(self.flattest, steepness))
        return idle > patience, self._replace(flattest=flattest, idle=idle)


def along(value: Array, g: Array, p: Array) -> Along:
    """A point of a line along p."""
    return Along(value, product(g, p))


def whole(x: Array, s: Array, slope: Array, bend: Array, rate: float) -> tuple[Array, Array]:
    """The step along s to where the parabola with this slope and bend, g^T s and s^T H s, is level, and how far away L
    is there. A step s at this rate that leaves x as it is, is one by rounding."""
    bend = jnp.where(jnp.isfinite(bend), bend, jnp.nan)  # or the step would be none where bend overflows
    stays, rounding = jnp.all(s == 0), float(jnp.finfo(x.dtype).eps) * jnp.abs(x) / rate
    return jnp.where(stays, rounding, -slope / bend * s), jnp.where(stays, jnp.nan, slope**2 / (2 * jnp.abs(bend)))


def _rounding(value: Array) -> Array:
    return ROUNDINGS * jnp.finfo(value.dtype).eps * jnp.abs(value)
