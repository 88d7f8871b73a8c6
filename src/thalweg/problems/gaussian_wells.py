"""A random landscape of many minima: Gaussian wells of random places, depths and widths."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.problem import Problem
from thalweg.numerics.reading import whole


def wells(n: int = 8, d: int = 2, key: int = 0) -> Problem:
    """L = -sum over i of a_i exp(-|x - c_i|^2 / (2 s_i^2)): n Gaussian wells in d components.

    The centers c, shape (n, d), are uniform in [-2, 2], then the depths a and then the widths s, shape (n,), in [0.5,
    1.5]. Start 0; domain |x_i| <= 3. The minima are not stated: near the centers of wells that stand apart, fewer than
    n where wells merge. -sum a_i <= L < 0. [x] = [L] = 1, pure numbers.

    Args:
        n: wells, a whole number of at least 1.
        d: components of x, a whole number of at least 1.
        key: a seed of NumPy's generator, which draws the wells, a whole number of at least 0.
    Raises:
        ValueError: where n, d or key is none.
    Source:
        A course on computational physics, with eight wells in the plane.
    Example:
        >>> tw.problems.wells(n=20, d=3, key=1)
        Problem(wells(n=20, d=3, key=1): x[3] -> loss)
    """
    n, d = whole(n, "n", 1), whole(d, "d", 1)
    draw = np.random.default_rng(whole(key, "key", 0))
    centers, depths, widths = draw.uniform(-2, 2, (n, d)), draw.uniform(0.5, 1.5, n), draw.uniform(0.5, 1.5, n)

    def loss(x: Array) -> Array:
        square = jnp.sum((x - jnp.asarray(centers, x.dtype)) ** 2, axis=1)
        return -jnp.sum(jnp.asarray(depths, x.dtype) * jnp.exp(-square / jnp.asarray(2 * widths**2, x.dtype)))

    return Problem(loss=loss, start=np.zeros(d), domain=(-3.0, 3.0), name=f"wells(n={n}, d={d}, key={key})")
