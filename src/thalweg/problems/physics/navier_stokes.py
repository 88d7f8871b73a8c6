"""A dye in a flow, and the flow that carried it where it is seen."""

from collections.abc import Callable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.numerics.reading import positive, whole
from thalweg.problems.physics.spectral import integrator, wave_numbers

__all__ = ["evolve", "examples", "problem"]


def __dir__() -> list[str]:
    return __all__


DURATION, STEPS = 1.0, 16


def problem(size: int = 16, viscosity: float = 0.01, key: int = 0) -> Problem:
    """Find the vortices that carried a dye from where it was to where it is: incompressible flow on a torus.

        dw/dt + div(v w) = viscosity lap w,   dd/dt + div(v d) = 0,   v = (dp/ds2, -dp/ds1),   -lap p = w

    for 0 <= s1, s2 < 2 pi and 0 <= t <= 1. x is the vorticity w at the beginning, [x] = 1/[t]; y is the density d of
    the dye at the end, both of shape (size, size) at the points 2 pi (i, j) / size; L = |y - target|^2 / 2,
    [L] = [y]^2. Spectral, with products free of aliases, in 16 steps of ETDRK4. The mass of the dye and the mean of w
    are kept to rounding; without viscosity the energy of the flow is kept to the order of the steps. The mean of w has
    no effect.

    Start: no flow. Domain |w_i| <= 4. ``data`` is one example, that of ``examples(1, key, size, viscosity)``:
    "initial", the density at the beginning, "target" and "truth", all of shape (size, size). There is no inverse: one
    dye does not determine the flow where it is even, so that the truth is one minimum of many, and none is stated;
    ``numerical_inverse(stage, "lbfgs")`` finds flows that fit.

    Args:
        size: points along either axis, a whole number of at least 4.
        viscosity: how fast vortices diffuse, 0 or positive, finite, in [s]^2/[t].
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: where size or key is none, viscosity is negative or not finite, or exponax is not installed.
    Cost:
        4 times 16 times 6 Fourier transforms.
    Source:
        After Holl, Koltun and Thuerey (2022), arXiv:2109.15048, section 4 (flow from the marker at its end); steps of
        Cox and Matthews (2002), Exponential time differencing for stiff systems, J. Comput. Phys. 176.
    Example:
        >>> problem = tw.problems.navier_stokes(size=8)
        >>> initial, target = problem.data["initial"], problem.data["target"]
        >>> bool(np.isclose(initial.mean(), target.mean())), bool(np.allclose(initial, target, atol=0.01))
        (True, False)
    """
    advance = _advance(*_checked(size, viscosity), STEPS)
    example = {name: array[0] for name, array in examples(1, key, size, viscosity).items()}
    return Problem(
        jax.jit(lambda x, example: advance(x, example["initial"])[1]),
        loss=SquaredError(target=lambda example: example["target"], factor=0.5),
        start=np.zeros((size, size)),
        domain=(-4.0, 4.0),
        data=example,
        name=f"navier_stokes(size={size}, viscosity={viscosity:g})",
    )


def examples(n: int, key: int = 0, size: int = 16, viscosity: float = 0.01) -> dict[str, np.ndarray]:
    """n drops of dye of width 0.7 anywhere, flows, and where they carry the dye.

    A flow is 12 waves of numbers up to 2; its vorticity at a point is normal with 1.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
        size: points along either axis, a whole number of at least 4.
        viscosity: 0 or positive, finite, in [s]^2/[t].
    Returns:
        dict: "initial" and "target", the dye at the beginning and at the end, in [y], and "truth", the vorticity at the
            beginning, in [x]; all of shape (n, size, size), float32.
    Raises:
        ValueError: where n, key or size is none, viscosity is negative or not finite, or exponax is not installed.
    Cost:
        That of ``problem`` for each, and one compilation for each n, size and viscosity.
    Source:
        None: made for ``problem``.
    Example:
        >>> sorted(tw.problems.physics.navier_stokes.examples(1, size=8))
        ['initial', 'target', 'truth']
    """
    n, ended = whole(n, "n", 1), _ended(*_checked(size, viscosity))
    draw, s = np.random.default_rng(whole(key, "key", 0)), 2 * np.pi * np.arange(size) / size
    near = [np.exp(2 * np.cos(s - center) - 2) for center in 2 * np.pi * draw.random((2, n, 1))]
    initial = (near[0][:, :, None] * near[1][:, None, :]).astype(np.float32)
    numbers = [(k1, k2) for k1 in range(3) for k2 in range(-2, 3) if k1 > 0 or k2 > 0]
    phases = np.stack([k1 * s[:, None] + k2 * s for k1, k2 in numbers])
    cosines, sines = draw.standard_normal((2, n, len(numbers))) / np.sqrt(len(numbers))
    truth = np.tensordot(cosines, np.cos(phases), 1) + np.tensordot(sines, np.sin(phases), 1)
    with jax.enable_x64(True):
        truth = truth.astype(np.float32)
        target = ended(jnp.asarray(truth, jnp.float64), jnp.asarray(initial, jnp.float64))[1]
    return {"initial": initial, "target": np.asarray(target, np.float32), "truth": truth}


def evolve(vorticity: Array, density: Array, viscosity: float = 0.01, steps: int = STEPS) -> tuple[Array, Array]:
    """Vorticity and density after the time 1, of shape (size, size) as at the beginning."""
    return _advance(vorticity.shape[-1], viscosity, steps)(vorticity, density)


def _checked(size: int, viscosity: float) -> tuple[int, float]:
    positive(viscosity, "viscosity", zero=True)
    return whole(size, "size", 4), viscosity


@lru_cache(maxsize=8)  # or else every problem would compile it anew
def _ended(size: int, viscosity: float) -> Callable[..., tuple[Array, Array]]:
    return jax.jit(jax.vmap(_advance(size, viscosity, STEPS)))


@lru_cache(maxsize=8)
def _advance(size: int, viscosity: float, steps: int) -> Callable[[Array, Array], tuple[Array, Array]]:
    k, kept = wave_numbers(size, 2)
    squares = np.sum(k**2, axis=0)
    stream = kept / np.where(squares > 0, squares, np.inf)
    to_velocity = np.stack([1j * k[1] * stream, -1j * k[0] * stream])

    def to_field(waves: Array) -> Array:
        return jnp.fft.irfft2(waves, (size, size))

    def rate(state: Array) -> Array:
        velocity = to_field(jnp.asarray(to_velocity, state.dtype) * state[0])
        carried = to_field(jnp.asarray(kept) * state)
        fluxes = jnp.fft.rfft2(velocity[:, None] * carried)  # (axis, carried, …)
        return -jnp.sum((1j * k * kept).astype(state.dtype)[:, None] * fluxes, axis=0)

    advance = integrator(np.stack([-viscosity * squares, 0 * squares]), rate, DURATION, steps)

    def fields(vorticity: Array, density: Array) -> tuple[Array, Array]:
        state = advance(jnp.fft.rfft2(jnp.stack([vorticity, density.astype(vorticity.dtype)])))
        ended = to_field(state)
        return ended[0], ended[1]

    return fields
