"""Local inverses found numerically, for stages that have none."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from thalweg.chain.derivatives import AutoDiff, Derivatives, in_x
from thalweg.chain.objective import Misfit
from thalweg.chain.signatures import asks
from thalweg.chain.stages import Stage
from thalweg.methods import LBFGS, LevenbergMarquardt
from thalweg.numerics.linalg import eigh, product
from thalweg.numerics.precision import in_float64
from thalweg.numerics.products import products_as_chosen, products_in_full
from thalweg.numerics.reading import positive, whole


def numerical_inverse(
    stage: Stage | Callable[[Any], Any],
    solver: Literal["levenberg-marquardt", "lbfgs"] = "levenberg-marquardt",
    *,
    max_steps: int = 100,
    derivatives: Derivatives | None = None,
) -> Stage:
    """The stage with a local inverse that is found: inverse(y, x) minimizes |forward(u) - y|^2 over u, starting at the
    present x.

    Both solvers stop when no step improves any more or the residual vanishes, so that the result is exact to rounding:
    to about 1e-7 in float32 and 1e-15 in float64, relative to u, where the Jacobian is well conditioned. Where no u
    with forward(u) = y is found, the nearest point in y that was reached is returned.

    Args:
        stage: a ``Stage``, whose own inverse is not used, or a function x -> y.
        solver: "levenberg-marquardt" takes the steps of ``methods.LevenbergMarquardt``, which ends quadratically at a
            regular solution; "lbfgs" those of ``methods.LBFGS``, for many components: its line search may leave the
            branch of x for a target far away.
        max_steps: of the solver, 1 or more.
        derivatives: of the stage, ``AutoDiff()`` if None.
    Returns:
        a ``Stage`` with the same forward, name and ``each``.
    Raises:
        ValueError: for an unknown solver or max_steps below 1.
    Cost:
        of each step of the inverse one Jacobian of the stage and one d x d solution, or with "lbfgs" one gradient.
    Source:
        those of the two methods.
    Example:
        >>> stage = tw.numerical_inverse(lambda x: x**3 + x)
        >>> print(stage.inverse(jnp.array([10.0]), jnp.array([1.0])).round(4))
        [2.]
    """
    if solver not in _SOLVERS:
        raise ValueError(
            f"solver is {solver!r}, but an inverse is found by {' or '.join(map(repr, _SOLVERS))}; choose one."
        )
    stage = stage if isinstance(stage, Stage) else Stage(stage)
    method, most = _SOLVERS[solver], whole(max_steps, "max_steps", 1)
    onward = products_as_chosen()(stage.forward)

    @products_in_full()
    def inverse(y: Any, x: Any, *data: Any) -> Any:
        start, unravel = ravel_pytree(x)
        target = ravel_pytree(y)[0]
        misfit = Misfit(lambda u: ravel_pytree(onward(unravel(u), *data))[0] - target, in_x(derivatives, start, None))
        return unravel(_least(misfit, method, start, most))

    return Stage(stage.forward, _like(stage, inverse), stage.name, stage.each)


def saddle_free_inverse(stage: Stage | Callable[..., Any], max_decrease: float = 0.2) -> Stage:
    """The stage with one saddle-free Newton step on L = |forward(u) - y|^2 / 2 for an inverse, capped along each
    eigenvector of its Hessian: with g_i and s_i gradient and eigenvalue along eigenvector i,

        du_i = -sign(g_i) |g_i / s_i| where s_i is above the geometric mean of all |s|,
        du_i = -sign(g_i) min(|g_i / s_i|, max_decrease / |g_i|) elsewhere,

    so that where the curvature is small or negative the step goes down, by at most ``max_decrease``, to first order.
    Directions without curvature are left alone. It is no exact inverse: it approaches one near a solution, and is
    defined where there is none. The step is computed in float64, also from x in float32.

    Args:
        stage: a ``Stage``, whose own inverse is not used, or a function x -> y.
        max_decrease: of L along one eigenvector, > 0, in [y]^2.
    Returns:
        a ``Stage`` with the same forward, name and ``each``.
    Raises:
        ValueError: unless max_decrease is positive.
    Cost:
        one gradient, one Hessian of the stage (d passes) and one d x d eigendecomposition.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, section 4 and its code.
    Example:
        >>> stage = tw.saddle_free_inverse(lambda x: x**2, max_decrease=10.0)
        >>> print(stage.inverse(jnp.array([1.0]), jnp.array([1.1])).round(2))
        [1.01]
    """
    positive(max_decrease, "max_decrease")
    stage, rule = stage if isinstance(stage, Stage) else Stage(stage), AutoDiff()

    @in_float64  # since eigenvalues differ by the square of those of the Jacobian
    def inverse(y: Any, x: Any, *data: Any) -> Any:
        found = step(*jax.tree.map(_double, (y, x, *data)))
        return jax.tree.map(lambda found, x: found.astype(jnp.asarray(x).dtype), found, x)

    def step(y: Any, x: Any, *data: Any) -> Any:
        u, unravel = ravel_pytree(x)

        def misfit(u: Array) -> Array:
            return jnp.sum((ravel_pytree(stage.forward(unravel(u), *data))[0] - ravel_pytree(y)[0]) ** 2) / 2

        curvature, v = eigh(rule.hessian(misfit, u))
        g, size = product(v.T, rule.gradient(misfit, u)), jnp.abs(curvature)
        newton = jnp.where(size > 0, jnp.abs(g) / jnp.where(size > 0, size, 1), 0)
        cap = jnp.where(g != 0, max_decrease / jnp.abs(jnp.where(g != 0, g, 1)), 0)
        steep = curvature > jnp.exp(jnp.mean(jnp.log(size)))
        return unravel(u - product(v, jnp.sign(g) * jnp.where(steep, newton, jnp.minimum(newton, cap))))

    return Stage(stage.forward, _like(stage, inverse), stage.name, stage.each)


def _double(leaf: Any) -> Array:
    array = jnp.asarray(leaf)
    return array.astype(jnp.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


def _like(stage: Stage, inverse: Callable[..., Any]) -> Callable[..., Any]:
    """``inverse`` with the arguments that say whether it takes data, as the stage does."""
    if asks(stage.forward, 1):
        return lambda y, x, data: inverse(y, x, data)
    return lambda y, x: inverse(y, x)


def _least(misfit: Misfit, method: LevenbergMarquardt | LBFGS, start: Array, max_steps: int) -> Array:
    """Where the method ends: at no misfit, or where no step improves."""

    def go_on(loop: tuple[Any, ...]) -> Array:
        k, u, state = loop
        report = method.report(u, state)
        return (k < max_steps) & (report.value > 0) & ~report.stuck

    def step(loop: tuple[Any, ...]) -> tuple[Any, ...]:
        k, u, state = loop
        return k + 1, *method.step(misfit, u, state)

    begin = (jnp.zeros((), int), start, method.init(misfit, start, jax.random.key(0)))
    return jax.lax.while_loop(go_on, step, begin)[1]


_SOLVERS = {"levenberg-marquardt": LevenbergMarquardt(), "lbfgs": LBFGS()}
