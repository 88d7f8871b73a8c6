"""Local inverses found numerically, for stages that have none."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, final

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from thalweg.derivatives import AutoDiff, Derivatives
from thalweg.methods import LBFGS, LevenbergMarquardt
from thalweg.problem import Stage
from thalweg.reading import whole


def numerical_inverse(
    stage: Stage | Callable[[Any], Any],
    solver: Literal["levenberg-marquardt", "lbfgs"] = "levenberg-marquardt",
    *,
    max_steps: int = 100,
    derivatives: Derivatives | None = None,
) -> Stage:
    """The stage with a local inverse: inverse(y, x) minimizes |forward(u) - y|^2 over u, starting at the present x.

    "levenberg-marquardt" takes the steps of ``methods.LevenbergMarquardt``, which ends quadratically at a regular
    solution: each costs one Jacobian of the stage and one d x d solution. "lbfgs" takes those of ``methods.LBFGS``,
    each at the cost of one gradient, for many components; its line search may leave the branch of x for a target far
    away. Both stop when no step improves any more or the residual vanishes, so that the result is exact to rounding: to
    about 1e-7 in float32 and 1e-15 in float64, relative to u, where the Jacobian is well conditioned. Where no u with
    forward(u) = y is found, the nearest point in y that was reached is returned.

    Raises ValueError for an unknown solver or max_steps below 1.
    """
    if solver not in _SOLVERS:
        raise ValueError(
            f"solver is {solver!r}, but an inverse is found by {' or '.join(map(repr, _SOLVERS))}; choose one."
        )
    stage = stage if isinstance(stage, Stage) else Stage(stage)
    method, rule, most = _SOLVERS[solver], derivatives or AutoDiff(), whole(max_steps, "max_steps", 1)

    def inverse(y: Any, x: Any) -> Any:
        start, unravel = ravel_pytree(x)
        target = ravel_pytree(y)[0]
        misfit = _Misfit(lambda u: ravel_pytree(stage.forward(unravel(u)))[0] - target, rule)
        return unravel(_least(misfit, method, start, most))

    return Stage(stage.forward, inverse, stage.name)


@final
@dataclass(frozen=True)
class _Misfit:
    """The problem |r(u)|^2 / 2, as far as a method asks; u and r may belong to a trace, which a Problem's may not."""

    residual: Callable[[Array], Array]
    derivatives: Derivatives

    def value(self, u: Array) -> Array:
        return jnp.sum(self.residual(u) ** 2) / 2

    def value_and_gradient(self, u: Array) -> tuple[Array, Array]:
        return self.derivatives.value_and_gradient(self.value, u)

    def least_squares(self, u: Array) -> tuple[Array, Array]:
        return self.residual(u), self.derivatives.jacobian(self.residual, u)


def _least(misfit: Any, method: LevenbergMarquardt | LBFGS, start: Array, max_steps: int) -> Array:
    """Where the method ends: at no misfit, or where no step improves."""

    def go_on(loop: tuple[Any, ...]) -> Array:
        k, u, state = loop
        value, _, stuck, _ = method.report(u, state)
        return (k < max_steps) & (value > 0) & ~stuck

    def step(loop: tuple[Any, ...]) -> tuple[Any, ...]:
        k, u, state = loop
        return k + 1, *method.step(misfit, u, state)

    begin = (jnp.zeros((), int), start, method.init(misfit, start, jax.random.key(0)))
    return jax.lax.while_loop(go_on, step, begin)[1]


_SOLVERS = {"levenberg-marquardt": LevenbergMarquardt(), "lbfgs": LBFGS()}
