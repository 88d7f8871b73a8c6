"""One exponential: gradients that shrink by e^24 over the range of its solutions."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.reading import whole

__all__ = ["examples", "problem"]


def __dir__() -> list[str]:
    return __all__


def problem(key: int = 0) -> Problem:
    """y = exp(x), L = |y - y*|^2 / 2, for one component: what training sees when gradients differ by e^24.

    y* is that of one of ``examples``. Start 0, y = 1; the only minimum is log y*, domain -12 <= x <= 0, over which the
    curvature at the minimum, y*^2, falls to e^-24. The inverse is log(y), NaN for y < 0; inverse(forward(x)) = x to
    rounding. [x] = [y] = [L] = 1, pure numbers.

    Args:
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: where key is none.
    Source:
        Holl, Koltun and Thuerey (2022), Scale-invariant Learning by Physics Inversion, arXiv:2109.15048, its code.
    Example:
        >>> problem = tw.problems.physics.exponential.problem(key=3)
        >>> bool(np.isclose(problem.forward(problem.minima[0])[0], problem.data["target"][0]))
        True
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
    """n numbers x = -12 u, with u uniform in [0, 1), and their exponentials.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
    Returns:
        dict: "truth", x, and "target", exp(x), both of shape (n, 1), float32, in [x] and [y].
    Raises:
        ValueError: where n or key is none.
    Source:
        As of ``problem``.
    Example:
        >>> examples = tw.problems.physics.exponential.examples(100)
        >>> bool(np.all(examples["truth"] <= 0)), examples["target"].shape
        (True, (100, 1))
    """
    truth = (-12 * np.random.default_rng(whole(key, "key", 0)).uniform(0, 1, (whole(n, "n", 1), 1))).astype(np.float32)
    return {"truth": truth, "target": np.exp(truth.astype(np.float64)).astype(np.float32)}


def _logarithm(y: Array, x: Array) -> Array:
    return jnp.log(y)
