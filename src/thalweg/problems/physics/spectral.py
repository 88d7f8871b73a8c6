"""Fields on a periodic grid, stepped in time in Fourier space by exponax."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def wave_numbers(size: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Those of the real Fourier transform on a torus of side 2 pi, k of shape (dimensions, size, …, size // 2 + 1), and
    whether a wave is kept in products, of shape (size, …, size // 2 + 1).

    Kept is |k| < size / 3 along every axis, free of aliases (Orszag 1971). So the highest wave of an even size, whose
    derivative is none on the grid, never is. exponax has the same numbers, but compiles 0.3 to 1.4 s for each size.
    """
    full, half = np.fft.fftfreq(size, 1 / size), np.fft.rfftfreq(size, 1 / size)
    k = np.stack(np.meshgrid(*[full] * (dimensions - 1), half, indexing="ij"))
    return k, np.max(np.abs(k), axis=0) < size / 3


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
