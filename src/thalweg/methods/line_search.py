"""A line search that takes one trial a step, so that lanes stay in step."""

from typing import NamedTuple, final

import jax.numpy as jnp
from jax import Array


@final
class LineSearch(NamedTuple):
    """The next trial ``length`` t of phi(t) = L(x + t p), and an interval (low, high) that holds one that serves."""

    length: Array
    low: Array
    high: Array

    @staticmethod
    def begin(length: Array) -> "LineSearch":
        return LineSearch(length, jnp.zeros_like(length), jnp.full_like(length, jnp.inf))

    def judge(
        self, value: Array, slope: Array, tried: Array, slope_there: Array, decrease: float, curvature: float
    ) -> tuple[Array, "LineSearch"]:
        """Whether the trial serves, and where the search goes on if it does not.

        It serves if phi(t) <= phi(0) + decrease t phi'(0) and phi'(t) >= curvature phi'(0) (Wolfe 1969). Where L is
        equal but for rounding, the slope decides instead: phi'(t) <= (2 decrease - 1) phi'(0) (Hager and Zhang 2005,
        eq. 23). A failed first condition bounds the interval from above, a failed second one from below (Lewis and
        Overton 2013, algorithm 2.6); the next trial is the minimum of the parabola through what is known, kept inside
        the interval, or the double. Values that are not finite fail the first. Nothing serves that does not go down.
        """
        rounding = 8 * jnp.finfo(value.dtype).eps * jnp.abs(value)
        lower = tried <= value + decrease * self.length * slope
        level = (tried <= value + rounding) & (slope_there <= (2 * decrease - 1) * slope)
        low_enough = (lower | level) & jnp.isfinite(slope_there)
        low = jnp.where(low_enough, self.length, self.low)
        high = jnp.where(low_enough, self.high, self.length)
        parabola = slope * self.length**2 / (2 * (value + self.length * slope - tried))
        guess = jnp.where((low == 0) & jnp.isfinite(parabola), parabola, (low + high) / 2)
        inside = jnp.clip(guess, low + 0.1 * (high - low), low + 0.5 * (high - low))
        following = jnp.where(jnp.isfinite(high), inside, 2 * low)
        serves = low_enough & (slope_there >= curvature * slope) & (slope < 0)
        return serves, LineSearch(following, low, high)
