"""Steps of many elements, each until it ends, and whether it ended at a root."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.numerics.constants import evaluated

SHRINKS = 0.99  # share of the step before, which a step towards a root does not exceed
BESIDE = 64  # steps away from a root |f| must be larger


def iterated(
    step: Callable[[Array, Any], tuple[Array, Any, Array]], x: Any, memo: Any, most: int, done: Any
) -> tuple[np.ndarray, Any, np.ndarray, np.ndarray]:
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
    i, _, memo, steps, done, path = evaluated(lambda begin: jax.lax.while_loop(go_on, one, begin), begin)
    return np.asarray(path)[: int(i) + 1], jax.tree.map(np.asarray, memo), np.asarray(steps), np.asarray(done)


def short(x: Array, size: Array, before: Array, within: float) -> Array:
    """Whether a step of this length to x is the last one: short, and shorter than the one before, as those are that
    lead to a root, and those that leave a pole are not; next to rounding, no longer. ``before`` is 0 for the first."""
    shrinks = (size <= SHRINKS * before) | ((size <= before) & near(x, size, 0))
    return near(x, size, within) & shrinks & jnp.isfinite(x)


def near(x: Array, size: Array, within: float) -> Array:
    """Whether a length is small at x, or its rounding."""
    return size <= within + _rounding(x)


def at_root(f: Callable[[Array], Array], x: Array, value: Array, size: Array, within: float) -> Array:
    """Whether |f| is smaller at x than on both sides, some of the last steps away, which it is not at a pole, by a jump
    or where f decays. A side where f is not defined says nothing."""
    away = jnp.maximum(BESIDE * jnp.maximum(size, _rounding(x)), within)
    beside = jnp.fmin(jnp.abs(f(x - away)), jnp.abs(f(x + away)))
    return jnp.isfinite(value) & ((value == 0) | ~(jnp.abs(value) > beside / 2))


def _rounding(x: Array) -> Array:
    return 4 * float(jnp.finfo(x.dtype).eps) * jnp.abs(x)
