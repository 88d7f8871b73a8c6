"""A surface fitted to points of the plane by least squares, all at once or in minibatches."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.reading import whole

_TRUE = np.array([3.0, 9.0])


def quadratic_fit(n: int = 50, key: int | None = None, batch_size: int | None = None) -> Problem:
    """L(t) = mean over examples (x, y) of (t0 x^2 + t1 y^2 - (3 x^2 + 9 y^2))^2: a fit of two parameters, with batches.

    The examples are the grid of floor(sqrt n) values of x and as many of y, evenly from -10 to 10 (49 examples for
    n = 50), or with ``key`` n points drawn uniformly from that square. They are the problem's ``data``: ``x``, ``y``
    and ``observed``, arrays of one axis. Start (0, 0); minimum (3, 9), L = 0, which is that of every batch; domain
    0 <= t_i <= 10. d2L/dt2 = 2 mean of (x^2, y^2) (x^2, y^2)^T, which is singular on a grid of n < 9. The parameters t
    are in [x], what they predict in [y], [L] = [y]^2; all are pure numbers here.

    Args:
        n: how many examples, a whole number of at least 1; on a grid, the square of a whole number that is at most n.
        key: a seed of NumPy's generator, which draws the examples, a whole number of at least 0; None for the grid.
        batch_size: how many of the examples make a step of ``run``, from 1 to all of them; None for all.
    Raises:
        ValueError: where n or key is none, or batch_size is not from 1 to the number of examples.
    Source:
        The two-parameter model of a lecture on optimizers, by gradient descent on examples one by one and in batches.
    Example:
        >>> problem = tw.problems.quadratic_fit(n=50, batch_size=16)
        >>> problem.data["observed"].shape, problem.minima.tolist()
        ((49,), [[3.0, 9.0]])
    """
    n = whole(n, "n", 1)
    if key is None:
        side = np.linspace(-10, 10, math.isqrt(n))
        x, y = (a.ravel() for a in np.meshgrid(side, side, indexing="ij"))
    else:
        x, y = np.random.default_rng(whole(key, "key", 0)).uniform(-10, 10, (2, n))

    def predict(t: Array, data: dict[str, np.ndarray]) -> Array:
        return t[0] * data["x"] ** 2 + t[1] * data["y"] ** 2

    def mean_squared_error(predicted: Array, data: dict[str, np.ndarray]) -> Array:
        return jnp.mean((predicted - data["observed"]) ** 2)

    return Problem(
        Stage(predict, name="prediction"),
        loss=mean_squared_error,
        start=[0.0, 0.0],
        minima=[_TRUE],
        domain=(0.0, 10.0),
        data={"x": x, "y": y, "observed": _TRUE[0] * x**2 + _TRUE[1] * y**2},
        batch_size=batch_size,
        name=f"quadratic_fit({len(x)} examples)",
    )
