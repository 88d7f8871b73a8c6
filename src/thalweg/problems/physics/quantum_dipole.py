"""A particle in a box, and an electric field that steers it to another state."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain.problem import Problem
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import whole

__all__ = ["eigenstate", "evolve", "examples", "frequency", "problem"]


def __dir__() -> list[str]:
    return __all__


POINTS, WIDTH, TIME_STEP = 14, 2.0, 0.05
SPACING = WIDTH / (POINTS + 1)
PLACES = SPACING * np.arange(1, POINTS + 1)


def problem(steps: int = 384, key: int = 0) -> Problem:
    """Steer a particle in a box from its ground state to a target state, by a field u(t) along the box.

        i dpsi/dt = H psi,   H = -d2/dx2 + u(t) x,   psi = 0 at x = 0 and 2

    x is the field u, shape (steps,), constant over each step of 0.05; y is the state at the end on the 14 inner points
    of the box, real and imaginary parts, shape (14, 2), with |y| = 1; L = 1 - |<target|y>|^2, from 0 to 1. All without
    units, [x] = [y] = [L] = 1. Each step is one of Crank and Nicolson, psi <- (1 + i dt H / 2)^-1 (1 - i dt H / 2) psi,
    which keeps |psi| to rounding (1e-5 in float32 and 1e-13 in float64 over 384 steps). The conjugate of psi under the
    reversed field comes back to where it began.

    Start: the field sin(w t) / 2 in resonance with the first and second level, since without a field L = 1 is
    stationary: the target has no part in the ground state. Domain |u_i| <= 3. ``data`` is one example, that of
    ``examples(1, key)``: "target", shape (14, 2). There is no inverse: 28 numbers of a state do not determine the
    field, and the loss, which is not a sum of squares, asks for no one phase of y. No minimum is stated.

    Args:
        steps: components of the field, a whole number of at least 1; a step takes the time 0.05.
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: where steps or key is none.
    Cost:
        A tridiagonal solution (Thomas) per step, two for a gradient, whose time is twice to three times that of the
        value.
    Source:
        Schnell, Holl and Thuerey (2022), Half-Inverse Gradients for Physical Deep Learning, arXiv:2203.10131, section
        4.3, and its published code.
    Example:
        >>> problem = tw.problems.quantum_dipole(steps=48)
        >>> problem.dimension, problem.data["target"].shape
        (48, (14, 2))
    """
    steps = whole(steps, "steps", 1)
    resonance = frequency(2) - frequency(1)
    return Problem(
        jax.jit(lambda u: _pair(evolve(u, eigenstate(1)))),
        loss=_miss,
        start=0.5 * np.sin(resonance * TIME_STEP * (np.arange(steps) + 0.5)),
        domain=(-3.0, 3.0),
        data={name: array[0] for name, array in examples(1, key).items()},
        name=f"quantum_dipole(steps={steps})",
    )


def examples(n: int, key: int = 0) -> dict[str, np.ndarray]:
    """n target states: real superpositions of the second and third state, their angle uniform.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
    Returns:
        dict: "target", shape (n, 14, 2), float32, the real and imaginary parts on the inner points of the box, in [y].
    Raises:
        ValueError: where n or key is none.
    Source:
        As of ``problem``.
    Example:
        >>> target = tw.problems.physics.quantum_dipole.examples(3)["target"]
        >>> np.linalg.norm(target, axis=(1, 2)).round(3).tolist()
        [1.0, 1.0, 1.0]
    """
    parts = np.random.default_rng(whole(key, "key", 0)).standard_normal((whole(n, "n", 1), 2))
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    states = parts @ np.stack([eigenstate(2), eigenstate(3)])
    return {"target": np.stack([states, np.zeros_like(states)], axis=-1).astype(np.float32)}


def eigenstate(n: int) -> np.ndarray:
    """The state of level n = 1 … 14 without a field, shape (14,), of length 1."""
    return np.sqrt(2 / (POINTS + 1)) * np.sin(n * np.pi * PLACES / WIDTH)


def frequency(n: int) -> float:
    """That of level n = 1 … 14 without a field, as the time steps turn it: 2 arctan(dt E / 2) / dt for the energy E."""
    energy = (2 - 2 * np.cos(n * np.pi / (POINTS + 1))) / SPACING**2
    return 2 * np.arctan(TIME_STEP * energy / 2) / TIME_STEP


def evolve(u: Array, state: ArrayLike) -> Array:
    """The complex state, shape (14,), after as many steps as u has components."""
    real = jnp.asarray(u).dtype
    kind = jnp.result_type(real, jnp.complex64)
    off = jnp.asarray(-0.5j * TIME_STEP / SPACING**2, kind)  # beside the diagonal of 1 + i dt H / 2

    def step(psi: Array, force: Array) -> tuple[Array, None]:
        diagonal = 1 - 2 * off + 0.5j * TIME_STEP * force * jnp.asarray(PLACES, real)

        def product(v: Array) -> Array:
            return diagonal * v + off * (jnp.pad(v[1:], (0, 1)) + jnp.pad(v[:-1], (1, 0)))

        # Known to be linear and symmetric, the solution is differentiated by another one and not through its loops.
        half = jax.lax.custom_linear_solve(product, psi, lambda _, b: _thomas(diagonal, off, b), symmetric=True)
        return 2 * half - psi, None

    return jax.lax.scan(jax.checkpoint(step), jnp.asarray(state, kind), u)[0]


def _thomas(diagonal: Array, off: Array, b: Array) -> Array:
    """Elimination down and substitution up; stable without pivots, since the real part of each is at least 1."""

    def down(above: tuple[Array, Array], row: tuple[Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        factor = off / above[0]
        return (row[0] - factor * off, row[1] - factor * above[1]), above

    def up(below: Array, row: tuple[Array, Array]) -> tuple[Array, Array]:
        value = (row[1] - off * below) / row[0]
        return value, value

    (pivot, right), rows = jax.lax.scan(down, (diagonal[0], b[0]), (diagonal[1:], b[1:]))
    last = right / pivot
    return jnp.append(jax.lax.scan(up, last, rows, reverse=True)[1], last)


@products_in_full()
def _miss(y: Array, example: Any) -> Array:
    return 1 - jnp.abs(jnp.vdot(_complex(example["target"]), _complex(y))) ** 2


def _pair(psi: Array) -> Array:
    return jnp.stack([psi.real, psi.imag], axis=-1)


def _complex(y: Array) -> Array:
    return y[..., 0] + 1j * y[..., 1]
