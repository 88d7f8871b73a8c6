"""A sine and a line, turned and scaled against each other: many solutions, and any condition number."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.numerics.reading import positive, whole
from thalweg.problems.composed import turned_sine

__all__ = ["distance", "examples", "problem"]


def __dir__() -> list[str]:
    return __all__


def problem(xi: float = 1.0, phi: float = 0.0, scale: float = 10.0, key: int = 0) -> Problem:
    """y = (sin(scale u0 / xi), scale xi u1) with u = R x, L = |y - y*|^2 / 2, where R turns x by ``phi``.

    y* is that of one of ``examples``, with components from -1 to 1. Start (0, 0), where the Jacobian has the condition
    number xi^2, or its inverse. The minima are u = ((s + 2 pi k) xi / scale, y1* / (scale xi)) and the same with pi - s
    for s = arcsin y0*; those in the domain |x_i| <= pi max(xi, 1 / xi) / scale are stated, the nearest to the start
    first. The inverse is the solution nearest to the guess; NaN for |y0| > 1. It is exact to rounding, but where y0 is
    near 1 or -1: the sine turns there, and scale u0 / xi is known to 5e-4 in float32 and 2e-8 in float64.
    [x] = [y] = [L] = 1, pure numbers. With ``problems.sine`` it shares the shape: that one has its target scaled with
    xi and no data.

    Args:
        xi: by how much the components of y are scaled apart, positive and finite, a pure number.
        phi: the angle of R in degrees, finite.
        scale: of x, positive and finite, a pure number; 10 suits the initial predictions of a network.
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: where xi or scale is not positive and finite, phi is not finite, or key is none.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, section 4.1 and its code.
    Example:
        >>> problem = tw.problems.physics.sine.problem(xi=4.0)
        >>> bool(np.isclose(np.sin(10 / 4 * problem.minima[0][0]), problem.data["target"][0]))
        True
    """
    for number, name in ((xi, "xi"), (scale, "scale")):
        positive(number, name)
    angle = math.radians(phi)
    if not math.isfinite(angle):
        raise ValueError(f"phi is {phi}, but it must be a finite number of degrees; give e.g. phi=45.")
    cos, sin = math.cos(angle), math.sin(angle)
    across, along = scale / xi, scale * xi

    example = {name: values[0] for name, values in examples(1, key).items()}
    width = math.pi * max(xi, 1 / xi) / scale
    first, second = (float(component) for component in example["target"])
    branches = range(-2 - math.ceil(width * across / math.pi), 3 + math.ceil(width * across / math.pi))
    u = [((k * math.pi + (-1) ** k * math.asin(first)) / across, second / along) for k in branches]
    solutions = [(cos * u0 + sin * u1, cos * u1 - sin * u0) for u0, u1 in u]
    return Problem(
        turned_sine(angle, across, along),
        loss=SquaredError(target=lambda example: example["target"], factor=0.5),
        start=[0.0, 0.0],
        minima=sorted((x for x in solutions if max(map(abs, x)) <= width), key=lambda x: math.hypot(*x)),
        domain=(-width, width),
        data=example,
        name=f"sine(xi={xi:g}, phi={phi:g}, scale={scale:g})",
    )


def examples(n: int, key: int = 0) -> dict[str, np.ndarray]:
    """n targets y, uniform in [-1, 1)^2; which x made them is not unique.

    ``distance`` tells how far x is from the nearest.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
    Returns:
        dict: "target", shape (n, 2), float32, in [y].
    Raises:
        ValueError: where n or key is none.
    Source:
        As of ``problem``.
    Example:
        >>> tw.problems.physics.sine.examples(5)["target"].shape
        (5, 2)
    """
    draw = np.random.default_rng(whole(key, "key", 0))
    return {"target": draw.uniform(-1, 1, (whole(n, "n", 1), 2)).astype(np.float32)}


def distance(problem: Problem, x: Array) -> Array:
    """|x - inverse(y*, x)|, a scalar in [x]: how far x is from the nearest solution; an observer for ``run``."""
    return jnp.sqrt(jnp.sum((x - problem.pull_back(jnp.asarray(problem.data["target"], x.dtype), x)) ** 2))
