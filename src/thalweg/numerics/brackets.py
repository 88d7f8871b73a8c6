"""Brackets in which a function changes its sign, and whether it does so at a root, at a pole or by a jump."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

FALL = 0.999  # where |f| at an end keeps more than this share of it in a halving, it did not fall
ONE_SIDE, BOTH_SIDES = 6, 8  # halvings in a row by which it did not, at one end or at both: no root
FALLING = 3  # fewer of them
SMALL = 1 / 16  # share to which the values at the ends have fallen together: a root
FURTHER = 64  # the most halvings beyond those asked for, to see which it is


@final
class Bracket(NamedTuple):
    """Ends between which f changes its sign, arrays of one shape."""

    low: Any
    high: Any
    at_low: Any  # f there
    at_high: Any
    level_low: Any  # how often in a row this end was moved and |f| there did not fall
    level_high: Any

    @classmethod
    def of(cls, low: np.ndarray, high: np.ndarray, at_low: np.ndarray, at_high: np.ndarray) -> "Bracket":
        """A bracket given by its ends; where f is 0 at one, both are there."""
        right, left = (at_high == 0) & (at_low != 0), at_low == 0
        low, high = np.where(right, high, low), np.where(left, low, high)
        at_low, at_high = np.where(right, at_high, at_low), np.where(left, at_low, at_high)
        none = np.zeros(low.shape, np.int32)
        return cls(low, high, at_low, at_high, none, none)

    @property
    def middle(self) -> Any:
        return self.low + (self.high / 2 - self.low / 2)  # high - low may overflow

    @property
    def open(self) -> Any:
        """Whether there is a number between the ends."""
        return (self.low < self.middle) & (self.middle < self.high)

    @property
    def size(self) -> Any:
        """How large f is at both ends together."""
        return jnp.abs(self.at_low) + jnp.abs(self.at_high)

    def halved(self, value: Any, going: Any) -> "Bracket":
        """The half in which f, with this value at the middle, changes its sign; both ends where that is 0 or NaN."""
        x, there = self.middle, jnp.sign(value)
        up, down = going & (there != jnp.sign(self.at_high)), going & (there != jnp.sign(self.at_low))

        def level(moved: Any, at: Any, before: Any) -> Any:
            return jnp.where(moved, jnp.where(jnp.abs(value) < FALL * jnp.abs(at), 0, before + 1), before)

        return Bracket(
            jnp.where(up, x, self.low),
            jnp.where(down, x, self.high),
            jnp.where(up, value, self.at_low),
            jnp.where(down, value, self.at_high),
            level(up, self.at_low, self.level_low),
            level(down, self.at_high, self.level_high),
        )


def holds_root(f: Callable[[Array], Array], begin: Bracket, steps: Array, end: Bracket) -> Array:
    """Whether f changes its sign at a root in ``end``, to which a bracket was halved in so many steps.

    Towards a root |f| falls on both sides, if not by much; towards a pole it rises, and beside a jump it is level on
    one side at least. Where f was not falling to the end, the bracket is halved further, until it has fallen, or no
    number is left. Values that are small beside those at the first ends, as rounding is, have fallen.
    """
    rounding = jnp.finfo(begin.low.dtype).eps ** 0.75 * jnp.minimum(jnp.abs(begin.at_low), jnp.abs(begin.at_high))
    falling = jnp.maximum(end.level_low, end.level_high) < FALLING
    enough = jnp.where(falling, SMALL * begin.size, SMALL * end.size)
    enough = jnp.maximum(enough, jnp.where(jnp.isfinite(rounding), rounding, 0))

    def fallen(bracket: Bracket) -> Array:
        return (bracket.size <= enough) & jnp.isfinite(bracket.size)

    def go_on(state: tuple[Array, Array, Bracket]) -> Array:
        taken, going, _ = state
        return jnp.any(going & (taken < steps + FURTHER))

    def further(state: tuple[Array, Array, Bracket]) -> tuple[Array, Array, Bracket]:
        taken, going, bracket = state
        value = f(jnp.where(going, bracket.middle, end.middle))
        going &= value != 0  # which a jump may meet, too
        seen = bracket.halved(value, going)
        return taken + going, going & ~fallen(seen) & seen.open, seen

    taken, _, last = jax.lax.while_loop(go_on, further, (steps, end.open & ~fallen(end), end))
    both = last.level_low + last.level_high
    level = (jnp.maximum(last.level_low, last.level_high) >= ONE_SIDE) | (both >= jnp.clip(taken, 3, BOTH_SIDES))
    return jnp.isfinite(last.size) & (fallen(last) | ~level)
