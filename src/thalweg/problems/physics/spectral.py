"""Fields on a periodic grid, stepped in time in Fourier space."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def wave_numbers(size: int, dimensions: int) -> np.ndarray:
    """k along each axis of the real Fourier transform on a torus of side 2 pi: (dimensions, size, ..., size // 2 + 1).

    Those of the highest wave of an even size are 0, since a derivative of that wave is none on the grid.
    """
    full, half = np.fft.fftfreq(size, 1 / size), np.fft.rfftfreq(size, 1 / size)
    axes = [np.where(2 * np.abs(k) == size, 0, k) for k in [full] * (dimensions - 1) + [half]]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def resolved(size: int, dimensions: int) -> np.ndarray:
    """Whether a wave is kept in products: |k| < size / 3 along every axis, free of aliases (Orszag 1971)."""
    full, half = np.fft.fftfreq(size, 1 / size), np.fft.rfftfreq(size, 1 / size)
    axes = np.meshgrid(*[full] * (dimensions - 1), half, indexing="ij")
    return np.max(np.abs(axes), axis=0) < size / 3


def to_waves(field: Array, dimensions: int) -> Array:
    """The real Fourier transform over the last axes."""
    return jnp.fft.rfftn(field, axes=range(-dimensions, 0))


def to_field(waves: Array, dimensions: int, size: int) -> Array:
    """The field of waves, the inverse of ``to_waves``."""
    return jnp.fft.irfftn(waves, s=(size,) * dimensions, axes=range(-dimensions, 0))


def integrator(linear: np.ndarray, rate: Any, duration: float, steps: int) -> Any:
    """A function F -> F after ``duration`` under dF/dt = linear F + rate(F), for waves F like ``linear``.

    ``steps`` steps of ETDRK4, which takes the linear part exactly (Cox and Matthews 2002; Kassam and Trefethen 2005).
    Raises ValueError where exponax, of which the steps are, is not installed.
    """
    try:
        from exponax.etdrk import ETDRK4
    except ImportError:
        raise ValueError(
            "this problem needs exponax, which is not installed; pip install 'thalweg[physics]'."
        ) from None

    with jax.enable_x64(True), jax.ensure_compile_time_eval():  # coefficients lose digits: once, in float64
        exact = jax.tree.map(_kept, ETDRK4(duration / steps, jnp.asarray(linear, complex), rate))

    def advance(field: Array) -> Array:
        stepper = jax.tree.map(lambda leaf: _like(leaf, field.dtype), exact)
        return jax.lax.fori_loop(0, steps, lambda _, f: stepper.step_fourier(f), field)

    return advance


def _kept(leaf: Any) -> Any:
    return np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf


def _like(leaf: Any, kind: Any) -> Any:
    """A coefficient in the precision of a complex field."""
    if not isinstance(leaf, np.ndarray):
        return leaf
    return jnp.asarray(leaf, kind if np.iscomplexobj(leaf) else jnp.finfo(kind).dtype)
