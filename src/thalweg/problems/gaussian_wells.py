"""A random landscape: wells of all depths and widths at places drawn by chance."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.problem import Problem
from thalweg.numerics.reading import whole


def wells(n: int = 8, d: int = 2, key: int = 0) -> Problem:
    """L = -sum over i of a_i exp(-|x - c_i|^2 / (2 s_i^2)): n Gaussian wells in d components.

    NumPy's generator seeded with ``key`` draws the centers c uniformly from [-2, 2], shape (n, d), then the depths a
    and then the widths s, shape (n,), from [0.5, 1.5]. Start 0; domain |x_i| <= 3. The minima are not stated: near the
    centers of wells that stand apart, fewer than n where wells merge. -sum a_i <= L < 0.
    """
    n, d = whole(n, "n", 1), whole(d, "d", 1)
    draw = np.random.default_rng(whole(key, "key", 0))
    centers, depths, widths = draw.uniform(-2, 2, (n, d)), draw.uniform(0.5, 1.5, n), draw.uniform(0.5, 1.5, n)

    def loss(x: Array) -> Array:
        square = jnp.sum((x - jnp.asarray(centers, x.dtype)) ** 2, axis=1)
        return -jnp.sum(jnp.asarray(depths, x.dtype) * jnp.exp(-square / jnp.asarray(2 * widths**2, x.dtype)))

    return Problem(loss=loss, start=np.zeros(d), domain=(-3.0, 3.0), name=f"wells(n={n}, d={d}, key={key})")
