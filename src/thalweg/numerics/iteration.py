"""Steps of many elements, each until it ends."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

Step = Callable[[Array, Any], tuple[Array, Any, Array]]


def iterated(step: Step, x: Any, memo: Any, most: int, done: Any) -> tuple[np.ndarray, Any, np.ndarray, np.ndarray]:
    """Steps (x, memo) -> (x, memo, whether it ends there) of every element, or row of x, until it ends: the path of x,
    the last memo, how many steps were taken, and what has ended."""

    def go_on(loop: tuple[Any, ...]) -> Array:
        i, _, _, _, done, _ = loop
        return (i < most) & ~jnp.all(done)

    def one(loop: tuple[Any, ...]) -> tuple[Any, ...]:
        i, x, memo, steps, done, path = loop
        *after, ended = step(x, memo)

        def kept(old: Array, new: Array) -> Array:
            return jnp.where(done.reshape(done.shape + (1,) * (new.ndim - done.ndim)), old, new)

        x, memo = jax.tree.map(kept, (x, memo), tuple(after))
        return i + 1, x, memo, steps + ~done, done | ended, path.at[i + 1].set(x)

    x, memo, done = jax.tree.map(jnp.asarray, (x, memo, done))
    path = jnp.zeros((most + 1, *x.shape), x.dtype).at[0].set(x)
    begin = 0, x, memo, jnp.zeros(done.shape, jnp.int32), done, path
    i, _, memo, steps, done, path = jax.jit(lambda begin: jax.lax.while_loop(go_on, one, begin))(begin)
    return np.asarray(path)[: int(i) + 1], jax.tree.map(np.asarray, memo), np.asarray(steps), np.asarray(done)


def short(x: Array, move: Array, last: Array, within: float) -> Array:
    """Whether a move to x is the last one: short, and no longer than the one before, as moves away from a pole are."""
    short = jnp.abs(move) <= within + 4 * float(jnp.finfo(x.dtype).eps) * jnp.abs(x)
    return short & (jnp.abs(move) <= last) & jnp.isfinite(x)


@final
class Bracket(NamedTuple):
    """What bisection knows; f changes its sign between ``low`` and ``high``."""

    low: Any
    high: Any
    at_low: Any  # f there
    at_high: Any
    left: Any  # halvings to come
    level: Any  # halvings in a row by which f did not fall

    @property
    def middle(self) -> Any:
        return self.low + (self.high / 2 - self.low / 2)  # where high - low would overflow, too

    @property
    def done(self) -> Any:
        """Whether it is short enough, or no number is left between its ends."""
        return (self.left <= 0) | ~((self.low < self.middle) & (self.middle < self.high))
