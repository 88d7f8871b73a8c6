"""Waves that steepen and diffuse, traced back to how they began."""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.reading import positive, whole
from thalweg.problems.physics.spectral import integrator, wave_numbers

__all__ = ["examples", "problem"]


def __dir__() -> list[str]:
    return __all__


DURATION, STEPS = 0.5, 32


def problem(size: int = 64, viscosity: float = 0.01, key: int = 0) -> Problem:
    """Find how a wave began: Burgers' equation on a circle.

        du/dt = -d(u^2/2)/ds + viscosity d2u/ds2,   0 <= s < 2 pi,   0 <= t <= 0.5

    x is u at the beginning and y at the end, both at ``size`` points 2 pi i / size, shape (size,), in units of speed;
    L = |y - target|^2 / 2, so that [x] = [y] = [s]/[t] and [L] = [y]^2. Spectral, with products free of aliases, in 32
    steps of ETDRK4. The mean of u is kept to rounding, |u|^2 falls. Start: 0. Domain |u_i| <= 2. ``data`` is one
    example, that of ``examples(1, key, size, viscosity)``: "target" and "truth", both of shape (size,); the truth is
    the minimum.

    The inverse runs time backward, the linear part exactly. A wave of number k comes back enlarged by exp(0.5 viscosity
    k^2), and rounding with it: by 170 for the shortest waves of the default, and far beyond any digits for large size
    or viscosity. For the default and its examples, inverse(y(u)) is u to 5e-5 in float32, and in float64 to 1e-5, the
    error of the steps at the steepest (1e-8 as a rule); for a field that forms shocks, to less.

    Args:
        size: points on the circle, a whole number of at least 4.
        viscosity: how fast waves diffuse, positive and finite, in [s]^2/[t], which is [s] [x].
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: where size or key is none, viscosity is not positive and finite, or exponax is not installed.
    Cost:
        4 times 32 pairs of Fourier transforms in either direction.
    Source:
        Cox and Matthews (2002), Exponential time differencing for stiff systems, J. Comput. Phys. 176 (steps);
        inversion by reversed time as for the heat equation in Holl, Koltun and Thuerey (2022), arXiv:2109.15048.
    Example:
        >>> problem = tw.problems.burgers(size=16, viscosity=0.1)
        >>> truth, target = problem.data["truth"], problem.data["target"]
        >>> bool(abs(target.mean() - truth.mean()) < 1e-6 < truth @ truth - target @ target)
        True
    """
    size = whole(size, "size", 4)
    positive(viscosity, "viscosity")
    forth, back = (_advance(size, viscosity, duration) for duration in (DURATION, -DURATION))
    example = {name: array[0] for name, array in examples(1, key, size, viscosity).items()}
    return Problem(
        Stage(jax.jit(forth), jax.jit(lambda y, x: back(y)), "y"),
        loss=SquaredError(target=lambda example: example["target"], factor=0.5),
        start=np.zeros(size),
        minima=[example["truth"]],
        domain=(-2.0, 2.0),
        data=example,
        name=f"burgers(size={size}, viscosity={viscosity:g})",
    )


def examples(n: int, key: int = 0, size: int = 64, viscosity: float = 0.01) -> dict[str, np.ndarray]:
    """n waves of numbers 1 to 4, and what becomes of them.

    The amplitudes are normal with 0.3 / k, so that most form no shock before the end.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
        size: points on the circle, a whole number of at least 4.
        viscosity: positive and finite, in [s]^2/[t].
    Returns:
        dict: "truth", the waves at the beginning, and "target", at the end, both of shape (n, size), float32, in [x]
            and [y].
    Raises:
        ValueError: where n, key or size is none, viscosity is not positive and finite, or exponax is not installed.
    Cost:
        That of ``problem`` for each, and one compilation for each n, size and viscosity.
    Source:
        None: made for ``problem``.
    Example:
        >>> tw.problems.physics.burgers.examples(1, size=16, viscosity=0.1)["truth"].shape
        (1, 16)
    """
    n, size = whole(n, "n", 1), whole(size, "size", 4)
    positive(viscosity, "viscosity")
    draw = np.random.default_rng(whole(key, "key", 0))
    k, s = np.arange(1, min(4, (size - 1) // 2) + 1), 2 * np.pi * np.arange(size) / size
    cosines, sines = 0.3 / k * draw.standard_normal((2, n, 4))[..., : len(k)]
    truth = (cosines @ np.cos(np.outer(k, s)) + sines @ np.sin(np.outer(k, s))).astype(np.float32)
    with jax.enable_x64(True):
        target = _ended(size, viscosity)(truth.astype(np.float64))
    return {"target": np.asarray(target, np.float32), "truth": truth}


@lru_cache(maxsize=8)  # or else every problem would compile it anew
def _ended(size: int, viscosity: float) -> Callable[[Array], Array]:
    return jax.jit(jax.vmap(_advance(size, viscosity, DURATION)))


@lru_cache(maxsize=8)
def _advance(size: int, viscosity: float, duration: float) -> Callable[[Array], Array]:
    (k,), kept = wave_numbers(size, 1)

    def rate(waves: Array) -> Array:
        u = jnp.fft.irfft(jnp.asarray(kept) * waves, size)
        return (-0.5j * k * kept).astype(waves.dtype) * jnp.fft.rfft(u**2)

    advance = integrator(-viscosity * k**2, rate, duration, STEPS)
    return lambda u: jnp.fft.irfft(advance(jnp.fft.rfft(u)), size)
