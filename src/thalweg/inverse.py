"""Local inverses found numerically, for stages that have none."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from thalweg.derivatives import AutoDiff, Derivatives
from thalweg.problem import Stage
from thalweg.reading import whole

Residual = Callable[[Array], Array]


def numerical_inverse(
    stage: Stage | Callable[[Any], Any],
    solver: Literal["levenberg-marquardt", "lbfgs"] = "levenberg-marquardt",
    *,
    max_steps: int = 100,
    derivatives: Derivatives | None = None,
) -> Stage:
    """The stage with a local inverse: inverse(y, x) minimizes |forward(u) - y|^2 over u, starting at the present x.

    "levenberg-marquardt" takes Gauss-Newton steps damped by the gain ratio (Marquardt 1963; Nielsen 1999), which ends
    quadratically at a regular solution: each step costs one Jacobian of the stage and one d x d solution. "lbfgs" takes
    quasi-Newton steps with a line search (Liu, Nocedal 1989, by optax), each at the cost of a few gradients, for many
    components; its line search may leave the branch of x for a target far away. Both stop when a step no longer changes
    u or the residual vanishes, so that the result is exact to rounding: to about 1e-7 in float32 and 1e-15 in float64,
    relative to u, where the Jacobian is well conditioned. Where no u with forward(u) = y is found, the nearest point in
    y that was reached is returned.

    Raises ValueError for an unknown solver or max_steps below 1.
    """
    if solver not in _SOLVERS:
        raise ValueError(
            f"solver is {solver!r}, but an inverse is found by {' or '.join(map(repr, _SOLVERS))}; choose one."
        )
    stage = stage if isinstance(stage, Stage) else Stage(stage)
    solve, rule, most = _SOLVERS[solver], derivatives or AutoDiff(), whole(max_steps, "max_steps", 1)

    def inverse(y: Any, x: Any) -> Any:
        start, unravel = ravel_pytree(x)
        target = ravel_pytree(y)[0]
        return unravel(solve(lambda u: ravel_pytree(stage.forward(unravel(u)))[0] - target, start, most, rule))

    return Stage(stage.forward, inverse, stage.name)


def _levenberg_marquardt(residual: Residual, start: Array, max_steps: int, derivatives: Derivatives) -> Array:
    eps = jnp.finfo(start.dtype).eps

    def go_on(state: tuple[Array, ...]) -> Array:
        k, _, r, _, _, moved = state
        return (k < max_steps) & (moved > eps) & jnp.any(r != 0)

    def step(state: tuple[Array, ...]) -> tuple[Array, ...]:
        k, u, r, damping, growth, _ = state
        j = derivatives.jacobian(residual, u)
        scale = jnp.sum(j**2, axis=0)
        scale = jnp.where(scale > 0, scale, 1)
        g = j.T @ r
        h = -jnp.linalg.solve(j.T @ j + damping * jnp.diag(scale), g)
        tried = residual(u + h)
        gain = (r @ r - tried @ tried) / (h @ (damping * scale * h - g))
        better = gain > 0  # false for NaN, so a step out of the domain is taken back
        moved = jnp.max(jnp.abs(h) / (jnp.abs(u) + eps))
        return (
            k + 1,
            jnp.where(better, u + h, u),
            jnp.where(better, tried, r),
            jnp.where(better, damping * jnp.clip(1 - (2 * gain - 1) ** 3, 0.1, 1), damping * growth),
            jnp.where(better, 2.0, 2 * growth).astype(u.dtype),
            moved,
        )

    one = jnp.ones((), start.dtype)
    state = (jnp.zeros((), int), start, residual(start), 1e-3 * one, 2 * one, one)
    return jax.lax.while_loop(go_on, step, state)[1]


def _lbfgs(residual: Residual, start: Array, max_steps: int, derivatives: Derivatives) -> Array:
    def half_square(u: Array) -> Array:
        return jnp.sum(residual(u) ** 2) / 2

    rule = optax.lbfgs()

    def go_on(state: tuple[Any, ...]) -> Array:
        k, u, previous, _ = state
        return (k < max_steps) & jnp.any(u != previous)

    def step(state: tuple[Any, ...]) -> tuple[Any, ...]:
        k, u, _, memory = state
        value, gradient = half_square(u), derivatives.gradient(half_square, u)
        change, memory = rule.update(gradient, memory, u, value=value, grad=gradient, value_fn=half_square)
        following = u + change
        return k + 1, jnp.where(half_square(following) < value, following, u), u, memory

    return jax.lax.while_loop(go_on, step, (jnp.zeros((), int), start, start + 1, rule.init(start)))[1]


_SOLVERS = {"levenberg-marquardt": _levenberg_marquardt, "lbfgs": _lbfgs}
