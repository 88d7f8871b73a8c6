"""Poisson's equation: the sources of a potential, whose high frequencies hardly show in it."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import positive, whole

__all__ = ["examples", "problem"]


def __dir__() -> list[str]:
    return __all__


def problem(size: int = 64, smoothness: float = 1.0, key: int = 0) -> Problem:
    """laplace(y) = x, L = |y - y*|^2 / 2: the potential y of the sources x on size x size cells of width 1.

    laplace is that of 5 points, with y = 0 in the cells around the grid; [x] = [y]/cell^2, [L] = [y]^2. y* is that of
    one of ``examples``. Start 0, the only minimum is the x that y* was made from, domain |x| <= 4. The Jacobian has the
    condition number cot(pi / (2 size + 2))^2, 1711 for 64: L hardly shows what varies from cell to cell.

    forward divides by the eigenvalues of laplace between two sine transforms, which are products with a size x size
    matrix; the inverse is laplace itself, exact: inverse(forward(x)) = x to rounding times the condition number, 1e-12
    in float64 and 1e-3 in float32.

    Args:
        size: cells along either axis, a whole number of at least 4.
        smoothness: of the example's sources, positive and finite, a pure number; see ``examples``.
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: where size or key is none, or smoothness is not positive and finite.
    Cost:
        8 size^3 operations for y, 6 size^2 for the inverse.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, section 4.2 and its code, where y is found by conjugate
        gradients to 1e-5.
    Example:
        >>> problem = tw.problems.poisson(size=8)
        >>> y = problem.data["target"].astype(float)
        >>> around = np.pad(y, 1)[2:, 1:-1] + np.pad(y, 1)[:-2, 1:-1] + np.pad(y, 1)[1:-1, 2:] + np.pad(y, 1)[1:-1, :-2]
        >>> bool(np.allclose(around - 4 * y, problem.data["truth"], atol=1e-5))
        True
    """
    size = _checked(size, smoothness)
    example = {name: values[0] for name, values in examples(1, key, size, smoothness).items()}
    return Problem(
        Stage(_potential, lambda y, x: _laplace(y)),
        loss=SquaredError(target=lambda example: example["target"], factor=0.5),
        start=np.zeros((size, size)),
        minima=[example["truth"]],
        domain=(-4.0, 4.0),
        data=example,
        name=f"poisson(size={size})",
    )


def examples(n: int, key: int = 0, size: int = 64, smoothness: float = 1.0) -> dict[str, np.ndarray]:
    """n fields of sources, and their potentials.

    x is Gaussian noise whose modes have amplitudes of |k|^(-2 smoothness), and none for wavelengths above 31.6 cells,
    scaled to a variance of 1 over the grid. y = forward(x), computed in float64.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
        size: cells along either axis, a whole number of at least 4.
        smoothness: positive and finite, a pure number.
    Returns:
        dict: "truth", x, and "target", y, both of shape (n, size, size), float32, in [x] and [y].
    Raises:
        ValueError: where n, key or size is none, or smoothness is not positive and finite.
    Source:
        As of ``problem``, whose noise is that of the library PhiFlow.
    Example:
        >>> tw.problems.physics.poisson.examples(3, size=8)["truth"].std((1, 2)).round(3).tolist()
        [1.0, 1.0, 1.0]
    """
    n, size = whole(n, "n", 1), _checked(size, smoothness)
    frequency = np.fft.fftfreq(size)
    squared = frequency[:, None] ** 2 + frequency**2
    seen = squared > 1e-3
    spectrum = np.where(seen, squared, np.inf) ** -smoothness
    draw = np.random.default_rng(whole(key, "key", 0))
    modes = spectrum * (draw.standard_normal((n, size, size)) + 1j * draw.standard_normal((n, size, size)))
    noise = np.fft.ifft2(modes).real
    truth = (noise / noise.std((1, 2), keepdims=True)).astype(np.float32)
    with jax.enable_x64(True):
        target = np.asarray(_potential(jnp.asarray(truth, jnp.float64)), np.float32)
    return {"truth": truth, "target": target}


def _checked(size: int, smoothness: float) -> int:
    positive(smoothness, "smoothness")
    return whole(size, "size", 4)


@products_in_full()
def _potential(x: Array) -> Array:
    size = x.shape[-1]
    k = np.arange(1, size + 1)
    transform = jnp.asarray(
        np.sqrt(2 / (size + 1)) * np.sin(np.pi / (size + 1) * np.outer(k, k)), x.dtype
    )  # orthogonal
    along = -4 * np.sin(np.pi * k / (2 * size + 2)) ** 2
    modes = (transform @ x @ transform) / jnp.asarray(along[:, None] + along, x.dtype)
    return transform @ modes @ transform


def _laplace(y: Array) -> Array:
    around = jnp.pad(y, 1)
    return around[2:, 1:-1] + around[:-2, 1:-1] + around[1:-1, 2:] + around[1:-1, :-2] - 4 * y
