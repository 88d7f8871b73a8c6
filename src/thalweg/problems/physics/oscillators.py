"""Two coupled oscillators, and a control that steers them back to where they were."""

import math
from typing import Any, Literal, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.linalg import cholesky_solve, gram
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import nearest, whole

__all__ = ["examples", "problem", "simulate"]


def __dir__() -> list[str]:
    return __all__


Kind = Literal["linear", "cubic"]
DURATION = 12.0


@final
class _Springs(NamedTuple):
    """Published steps, and the factors of the two spring forces and of the control."""

    steps: int
    linear: float
    cubic: float
    gain: float


_SPRINGS = {"linear": _Springs(24, 0.2, 0.0, 1.0), "cubic": _Springs(96, 0.0, 1.0, 3.0)}


def problem(kind: Kind = "linear", steps: int | None = None, key: int = 0) -> Problem:
    """Steer two masses on springs, from their initial state to a target state, by a force u(t) on the last mass.

        q1'' = -q1 + f,   q2'' = -q2 - f + gain u(t),   f = linear (q2 - q1) + cubic (q2 - q1)^3

    x is the control u, shape (steps,), constant over each of the ``steps`` of classical Runge-Kutta that make up the
    time 12; y is the state (q1, q2, p1, p2) at the end, shape (4,); L = |y - target|^2. All without units,
    [x] = [y] = [L] = 1. ``linear`` has linear = 0.2, cubic = 0 and gain = 1, ``cubic`` 0, 1 and 3. Start: no control;
    domain |u_i| <= 1. ``data`` is one example, that of ``examples(1, key)``: "initial" and "target", both of shape
    (4,).

    Many controls reach the target; the inverse gives one near the guess. For ``linear`` it is the nearest, u + A^+ (y -
    y(u)) with the constant Jacobian A (4, steps), exact to 1e-6 in float32 and 1e-14 in float64, relative to 1 + |u|.
    For ``cubic`` it takes damped Gauss-Newton steps u <- u + J^T (J J^T + m I)^-1 (y - y(u)), m ten times smaller after
    each that helps, until the state is met to 2e-5 in float32 and 1e-13 in float64; for y = y(u), it is u itself. From
    guesses of components up to about 0.3, all of 4096 targets in [0, 1)^4 were met; from random ones of size 1, one of
    200 was not, and the nearest state that was reached is returned.

    Args:
        kind: of the springs, linear or cubic.
        steps: components of the control, a whole number of at least 1; None for 24 (linear) or 96 (cubic), as
            published.
        key: a seed of NumPy's generator, a whole number of at least 0, which draws the example.
    Raises:
        ValueError: for another kind, and where steps or key is none.
    Cost:
        ``linear`` is one product with A; ``cubic`` 4 forces per step, and its inverse one Jacobian per iteration, 5 to
        20 as a rule.
    Source:
        Schnell, Holl and Thuerey (2022), Half-Inverse Gradients for Physical Deep Learning, arXiv:2203.10131, section
        4.1 and its published code (cubic); Thuerey et al. (2021), Physics-based Deep Learning, arXiv:2109.05237,
        "Coupled Oscillators with Half-Inverse Gradients" (linear).
    Example:
        >>> problem = tw.problems.oscillators("cubic", steps=48)
        >>> problem.dimension, problem.data["target"].shape
        (48, (4,))
    """
    if kind not in _SPRINGS:
        raise ValueError(nearest(str(kind), _SPRINGS, "a kind of oscillators"))
    springs = _SPRINGS[kind]
    steps = springs.steps if steps is None else whole(steps, "steps", 1)
    return Problem(
        _linear_stage(springs, steps) if kind == "linear" else _cubic_stage(springs, steps),
        loss=SquaredError(target=lambda example: example["target"]),
        start=np.zeros(steps),
        domain=(-1.0, 1.0),
        data={name: array[0] for name, array in examples(1, key).items()},
        name=f"oscillators(kind={kind}, steps={steps})",
    )


def examples(n: int, key: int = 0) -> dict[str, np.ndarray]:
    """n initial states, uniform in [0, 1)^4, and the same states as targets.

    Args:
        n: how many, a whole number of at least 1.
        key: a seed of NumPy's generator, a whole number of at least 0.
    Returns:
        dict: "initial" and "target", both of shape (n, 4), float32, in [y].
    Raises:
        ValueError: where n or key is none.
    Source:
        As of ``problem``.
    Example:
        >>> examples = tw.problems.physics.oscillators.examples(5)
        >>> bool(np.all(examples["initial"] == examples["target"])), examples["target"].shape
        (True, (5, 4))
    """
    states = np.random.default_rng(whole(key, "key", 0)).random((whole(n, "n", 1), 4)).astype(np.float32)
    return {"initial": states, "target": states}


def simulate(u: Array, state: Array, springs: _Springs) -> Array:
    """The state after as many Runge-Kutta steps as u has components.

    The state goes as four numbers, each of which becomes an array along examples where these are mapped, and a step
    is computed anew where it is differentiated in reverse: 128 examples of 96 steps so take 0.7 ms for a gradient,
    where a state of shape (4,) that keeps all forces takes 1.5 ms. An unrolled loop is slower.
    """
    h = DURATION / u.shape[0]

    def rate(state: tuple[Array, ...], u: Array) -> tuple[Array, ...]:
        q1, q2, p1, p2 = state
        stretch = q2 - q1
        force = springs.linear * stretch + springs.cubic * stretch * stretch * stretch
        return p1, p2, force - q1, springs.gain * u - force - q2

    def moved(state: tuple[Array, ...], h: float, rates: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(s + h * r for s, r in zip(state, rates, strict=True))

    @jax.checkpoint
    def step(state: tuple[Array, ...], u: Array) -> tuple[tuple[Array, ...], None]:
        k1 = rate(state, u)
        k2 = rate(moved(state, h / 2, k1), u)
        k3 = rate(moved(state, h / 2, k2), u)
        k4 = rate(moved(state, h, k3), u)
        mean = tuple((a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
        return moved(state, h, mean), None

    q1, q2, p1, p2 = state.astype(u.dtype)
    return jnp.stack(jax.lax.scan(step, (q1, q2, p1, p2), u)[0])


def _linear_stage(springs: _Springs, steps: int) -> Stage:
    """The Runge-Kutta steps of linear springs as what they are together, an affine map y = F initial + A u."""
    free, driven = _matrices(springs, steps)
    inverse_driven = np.linalg.pinv(driven)

    @products_in_full()
    def forward(u: Array, example: Any) -> Array:
        return jnp.asarray(free, u.dtype) @ example["initial"].astype(u.dtype) + jnp.asarray(driven, u.dtype) @ u

    @products_in_full()
    def inverse(y: Array, u: Array, example: Any) -> Array:
        return u + jnp.asarray(inverse_driven, u.dtype) @ (y - forward(u, example))

    return Stage(forward, inverse, "y")


def _matrices(springs: _Springs, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """F (4, 4) and A (4, steps): Runge-Kutta takes the series of exp(h M) to the fourth power."""
    h, k = DURATION / steps, springs.linear
    motion = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [-1 - k, k, 0, 0], [k, -1 - k, 0, 0]])
    powers = np.stack([np.linalg.matrix_power(h * motion, i) for i in range(5)])
    advance = np.sum([power / math.factorial(i) for i, power in enumerate(powers)], axis=0)
    mean = np.sum([power / math.factorial(i + 1) for i, power in enumerate(powers[:4])], axis=0)
    push = h * springs.gain * mean[:, 3]
    pushes = [push]
    for _ in range(steps - 1):
        pushes.insert(0, advance @ pushes[0])
    return np.linalg.matrix_power(advance, steps), np.stack(pushes, axis=1)


def _cubic_stage(springs: _Springs, steps: int) -> Stage:
    @jax.jit  # or else it would be traced anew each time it is called by itself
    def forward(u: Array, example: Any) -> Array:
        return simulate(u, example["initial"], springs)

    @jax.jit
    @products_in_full()
    def inverse(y: Array, u: Array, example: Any) -> Array:
        def misfit(u: Array) -> Array:
            return y - forward(u, example)

        close = 20 * jnp.finfo(u.dtype).eps * (1 + jnp.linalg.norm(y))

        def go_on(loop: tuple[Array, ...]) -> Array:
            k, damping, _, r = loop
            return (k < 100) & (damping < 1e4) & (jnp.linalg.norm(r) > close)

        def step(loop: tuple[Array, ...]) -> tuple[Array, ...]:
            k, damping, u, r = loop
            jacobian = -jax.jacrev(misfit)(u)
            trial = u + jacobian.T @ cholesky_solve(gram(jacobian.T) + damping * jnp.eye(4, dtype=u.dtype), r)
            after = misfit(trial)
            better = jnp.linalg.norm(after) < jnp.linalg.norm(r)
            return (
                k + 1,
                jnp.where(better, damping / 10, damping * 10),
                jnp.where(better, trial, u),
                jnp.where(better, after, r),
            )

        return jax.lax.while_loop(go_on, step, (jnp.zeros((), int), jnp.full((), 1e-3, u.dtype), u, misfit(u)))[2]

    return Stage(forward, inverse, "y")
