"""One exponential: gradients that shrink by e^24 over the range of its solutions."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.reading import whole


def problem(key: int = 0) -> Problem:
    """y = exp(x), L = |y - y*|^2 / 2, for one component.

    y* is that of one of ``examples``. Start 0, y = 1; the only minimum is log y*, domain -12 <= x <= 0, over which the
    curvature at the minimum, y*^2, falls to e^-24. The inverse is log(y), NaN for y < 0; inverse(forward(x)) = x to
    rounding. Source: Holl, Koltun and Thuerey 2022, arXiv:2109.15048, its code.
    """
    example = {name: values[0] for name, values in examples(1, key).items()}
    return Problem(
        Stage(jnp.exp, _logarithm),
        loss=SquaredError(target=lambda example: example["target"], factor=0.5),
        start=[0.0],
        minima=[np.log(example["target"].astype(np.float64))],
        domain=(-12.0, 0.0),
        data=example,
        name="exponential",
    )


def examples(n: int, key: int = 0) -> dict[str, np.ndarray]:
    """n examples {"truth": x, "target": exp(x)}, shape (n, 1), float32, x = -12 u with u uniform in [0, 1), drawn with
    ``key``."""
    truth = (-12 * np.random.default_rng(key).uniform(0, 1, (whole(n, "n", 1), 1))).astype(np.float32)
    return {"truth": truth, "target": np.exp(truth.astype(np.float64)).astype(np.float32)}


def _logarithm(y: Array, x: Array) -> Array:
    return jnp.log(y)
