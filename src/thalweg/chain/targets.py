"""Where y should be, and how precisely that is known: what losses of residuals have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.numerics.products import products_as_chosen


@final
class Known(NamedTuple):
    """A target that is evaluated where it is used, in the precision of its use."""

    of: Callable[[Any], Any]
    data: Any
    mapped: bool = False  # over examples, the leading axis of data and y


def check_sigma(sigma: Any) -> None:
    """ValueError for what can be no standard deviations; None can, where all are equal."""
    if sigma is not None and not np.all(np.isfinite(sigma) & (np.asarray(sigma) > 0)):
        raise ValueError("sigma has a number that is no standard deviation; give positive, finite numbers.")


def written(target: Any) -> Any:
    """The target as a person gave it."""
    return target.of if isinstance(target, Known) else target


def over(sigma: Any, difference: Array, shape: tuple[int, ...]) -> Array:
    """A difference over sigma, of y of this shape, in that shape or ravelled; of a Jacobian of y, ravelled and with one
    more axis, each row over its sigma."""
    if sigma is None:
        return difference
    sigma = jnp.asarray(sigma, difference.dtype)
    fits = sigma.ndim <= len(shape) and all(a in (1, b) for a, b in zip(sigma.shape[::-1], shape[::-1], strict=False))
    if not fits:
        raise ValueError(f"sigma has shape {sigma.shape}, but y {shape}; give a sigma like y")
    sigma = jnp.broadcast_to(sigma, shape)
    if difference.shape == shape:
        return difference / sigma
    return difference / sigma.reshape(-1, *[1] * (difference.ndim - 1))


def goal(target: Any, dtype: Any, shape: tuple[int, ...]) -> Array:
    """A target in a precision, in the shape of y."""
    with products_as_chosen():
        array = jnp.asarray(target.of(target.data) if isinstance(target, Known) else target, dtype)
    if isinstance(target, Known) and target.mapped:  # each example's is broadcast to y of that example
        more = len(shape) - array.ndim
        array = array.reshape(array.shape[0], *[1] * more, *array.shape[1:])
    if jnp.broadcast_shapes(array.shape, shape) != shape:
        raise ValueError(f"target has shape {array.shape}, but y {shape}; give a target like y")
    return jnp.broadcast_to(array, shape)
