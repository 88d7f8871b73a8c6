"""Heat that has spread, and where it was: the inverse amplifies exponentially whatever is not heat."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.reading import positive, whole

__all__ = ["examples", "problem"]


def __dir__() -> list[str]:
    return __all__


STEEPEST = 80.0  # nu t k^2 beyond which a mode is gone and exp would overflow float32
ROUNDING = 1.2e-7  # relative, of examples: they are float32, also where x is float64


def problem(size: int = 64, diffusion: float = 8.0, uncertainty: float = 1e-6, key: int = 0) -> Problem:
    """y = F^-1(exp(-nu t k^2) F x), L = |y - y*|^2 / 2: the heat x on size x size periodic cells, a time t later.

    x and y are temperatures, shape (size, size), in [x] = [y] = K; [L] = K^2. F is the Fourier transform, k the wave
    vector in radians per cell. y* is that of one of ``examples``. Start 0, the only minimum is the x that y* was made
    from, domain 0 <= x <= 4. The mean of y is that of x.

    The inverse acts on the difference d = y - forward(x) of what is asked from what is, and sharpens each of its modes
    by exp(a nu t k^2): a = 2p - 1, where p is the probability that the mode is signal and not noise, and a = 0 for p
    from 1/2 to 0.68. Signal is expected with the amplitude size exp(-nu t k^2), noise with ``uncertainty`` |d|, and not
    below the rounding of examples, 1.2e-7 |y|: a certain mode is inverted (a = 1), and noise is diffused once more
    (a = -1), as in the gradient. The mean of inverse(y, x) is the mean of x plus that of d, and inverse(forward(x),
    x) = x exactly. From x = 0, one step restores a mode of low frequency to rounding, and a box of 25 x 14 cells to
    21.6 % (45.6 % before); more steps stay near there. The undamped inverse amplifies by e^157.9.

    The mean of the x wanted is that of y*: the published network, given y*, has it added to what it predicts,
    network(y*) + mean(y*) - mean(network(y*)).

    Args:
        size: cells along either axis, a whole number of at least 4.
        diffusion: nu t, positive and finite, in cells^2.
        uncertainty: noise as a part of |d|, positive and finite, a pure number.
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: where size or key is none, or diffusion or uncertainty is not positive and finite.
    Cost:
        Two transforms for y, four for the inverse.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, section 4.2 and its code; where both likelihoods are 0 in
        floating point, which there counts as noise, here the larger decides.
    Example:
        >>> problem = tw.problems.heat(size=8, diffusion=1.0)
        >>> problem, problem.units["x"]
        (Problem(heat(size=8, diffusion=1): x[64] -> y[64] -> loss), 'K')
    """
    size = _checked(size, diffusion)
    positive(uncertainty, "uncertainty")

    def forward(x: Array) -> Array:
        return _diffused(x, diffusion)

    def inverse(y: Array, x: Array) -> Array:
        difference = y - forward(x)
        noise = jnp.maximum(uncertainty * jnp.linalg.norm(difference), ROUNDING * jnp.linalg.norm(y))
        return x + _sharpened(difference, diffusion, noise)

    example = {name: values[0] for name, values in examples(1, key, size, diffusion).items()}
    return Problem(
        Stage(forward, inverse),
        loss=SquaredError(target=lambda example: example["target"], factor=0.5),
        start=np.zeros((size, size)),
        minima=[example["truth"]],
        domain=(0.0, 4.0),
        data=example,
        units={"x": "K", "y": "K", "loss": "K^2"},
        name=f"heat(size={size}, diffusion={diffusion:g})",
    )


def examples(n: int, key: int = 0, size: int = 64, diffusion: float = 8.0) -> dict[str, np.ndarray]:
    """n fields of heat in boxes, and what becomes of them.

    x is the sum of 4 to 10 boxes of a strength from 0 to 1 and sides of 0 to 20 cells (of 64; scaled with size), with
    centers in the inner 80 % and edges inside; a cell has the share of the box that covers it. y = forward(x), computed
    in float64.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
        size: cells along either axis, a whole number of at least 4.
        diffusion: nu t, positive and finite, in cells^2.
    Returns:
        dict: "truth", x, and "target", y, both of shape (n, size, size), float32, in [x] = [y] = K.
    Raises:
        ValueError: where n, key or size is none, or diffusion is not positive and finite.
    Source:
        As of ``problem``; its code softens the edges of boxes a little differently.
    Example:
        >>> examples = tw.problems.physics.heat.examples(3, size=8)
        >>> bool(np.allclose(examples["truth"].mean((1, 2)), examples["target"].mean((1, 2))))  # no heat is lost
        True
    """
    n, size = whole(n, "n", 1), _checked(size, diffusion)
    draw = np.random.default_rng(whole(key, "key", 0))
    count = draw.integers(4, 11, n)
    half = draw.uniform(0, 10 * size / 64, (n, 10, 2))
    center = np.clip(size * draw.uniform(0.1, 0.9, (n, 10, 2)), half, size - half)
    strength = draw.uniform(0, 1, (n, 10)) * (np.arange(10) < count[:, None])
    low, high, cell = (center - half)[..., None], (center + half)[..., None], np.arange(size)
    covered = np.clip(np.minimum(high, cell + 1) - np.maximum(low, cell), 0, 1)  # of each row and column
    truth = np.einsum("nb,nbi,nbj->nij", strength, covered[:, :, 0], covered[:, :, 1]).astype(np.float32)
    with jax.enable_x64(True):
        target = np.asarray(_diffused(jnp.asarray(truth, jnp.float64), diffusion), np.float32)
    return {"truth": truth, "target": target}


def _checked(size: int, diffusion: float) -> int:
    positive(diffusion, "diffusion")
    return whole(size, "size", 4)


def _decay(size: int, diffusion: float) -> np.ndarray:
    """nu t k^2 of each mode of a real transform, shape (size, size // 2 + 1)."""
    rows, columns = 2 * np.pi * np.fft.fftfreq(size), 2 * np.pi * np.fft.rfftfreq(size)
    return np.minimum(diffusion * (rows[:, None] ** 2 + columns**2), STEEPEST)


def _diffused(x: Array, diffusion: float) -> Array:
    kernel = jnp.asarray(np.exp(-_decay(x.shape[-1], diffusion)), x.dtype)
    return jnp.fft.irfft2(kernel * jnp.fft.rfft2(x), x.shape[-2:])


def _sharpened(difference: Array, diffusion: float, noise: Array) -> Array:
    size = difference.shape[-1]
    exponent = _decay(size, diffusion)
    modes = jnp.fft.rfft2(difference)
    amplitude = jnp.abs(modes)
    in_noise = amplitude / jnp.maximum(noise, jnp.finfo(noise.dtype).tiny)
    in_signal = amplitude * jnp.asarray(np.exp(exponent) / size, amplitude.dtype)
    certainty = jax.nn.sigmoid((in_noise - in_signal) * (in_noise + in_signal) / 2)  # of signal, for even odds before
    action = jnp.where((certainty <= 0.5) | (certainty >= 0.68), 2 * certainty - 1, 0)  # none below one sigma
    return jnp.fft.irfft2(modes * jnp.exp(jnp.asarray(exponent, action.dtype) * action), difference.shape)
