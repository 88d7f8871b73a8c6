"""Damped Gauss-Newton steps: least squares from far away, to the last digit."""

from typing import NamedTuple, final

import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Smooth
from thalweg.methods.box import Box, Region
from thalweg.methods.branches import pick
from thalweg.methods.method import Report, method, static
from thalweg.numerics.linalg import cholesky_solve, gram, product


@final
class LevenbergMarquardtState(NamedTuple):
    value: Array
    lowest: Array  # value so far
    gradient: Array  # J^T r
    normal: Array  # J^T J, (d, d), with zeros for components that are held
    scale: Array  # the largest squared lengths of the columns of J so far
    damping: Array
    growth: Array
    ends: Array  # components at whose bound L was not finite, which stop short of it, (d,)
    free: Array  # the gradient without components that are held
    stuck: Array


@method
class LevenbergMarquardt:
    """x <- x - (J^T J + damping D)^-1 J^T r, where L = |r|^2/2 to second order in y and J = dr/dx.

    D holds the largest squared length that each column of J has had, so that steps are invariant to the units of each
    component of x. A step is one trial, which is taken if L falls. With rho the fall over the one predicted, damping is
    then multiplied by max(1/10, 1 - (2 rho - 1)^3), else by 2, 4, 8, …. Where L is the lowest so far but for rounding,
    also that of x, a trial is taken if it makes the gradient smaller, in units of D.

    With ``bounded`` x stays in the problem's domain, where it begins at the point nearest to the start: components at a
    bound that -J^T r would cross are held, the others take the step, and the trial is projected onto the box. Where L
    is not finite at a bound, as log 0, trials end short of that bound, and other components go on. For a loss that is
    not a ``SquaredError`` J^T J is the generalized Gauss-Newton matrix.

    Args:
        damping: the first, >= 0, a pure number; where the first trial would go further than x is large,
            |D^1/2 s| > |D^1/2 x|, it is raised to |D^-1/2 J^T r| / |D^1/2 x|, with which it does not.
        bounded: whether x stays in the domain; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, where it is bounded and the problem has no domain.
    Cost:
        per step one Jacobian with its value (min(m, d) passes), m d^2 multiplications and one d x d factorization.
    Source:
        Levenberg (1944); Marquardt (1963); Moré (1978), eq. 6.3, for D; Nielsen (1999), eq. 2.21, with 1/3 where
        Marquardt has 1/10; Bertsekas (1982) and Kanzow, Yamashita and Fukushima (2004) for bounds; Schraudolph (2002).
    Example:
        >>> fit = tw.Problem(lambda x: jnp.exp(x[0] * jnp.arange(3.0)), loss=tw.SquaredError([1, 2, 4.0]), start=[0.1])
        >>> fits = tw.solve(fit, tw.methods.LevenbergMarquardt(), dtype="float64")
        >>> print(np.allclose(fits.x.values, np.log(2)))
        True
    """

    damping: float = 1e-3
    bounded: bool = static(default=False)

    def init(self, problem: Smooth, x: Array, key: Array) -> LevenbergMarquardtState:
        box = Box.of(problem, self.bounded, x)
        value, g, normal = _normal_equations(problem, box, x)
        root = _lengths(jnp.diagonal(normal))
        size, free = jnp.linalg.norm(root * x), box.free(x, g)
        first = cholesky_solve(_damped(normal, root, self.damping), free / root)
        far = (size > 0) & ~(jnp.linalg.norm(first) <= size)  # or not definite
        damping = jnp.maximum(self.damping, jnp.where(far, jnp.linalg.norm(free / root) / size, 0))
        scale, two, no = jnp.diagonal(normal), jnp.full((), 2, x.dtype), jnp.zeros((), bool)
        return LevenbergMarquardtState(value, value, g, normal, scale, damping, two, box.open(x), free, no)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of J, J^T J and its factor."""
        return itemsize * (rows * columns + 2 * columns**2)

    def step(self, problem: Smooth, x: Array, state: LevenbergMarquardtState) -> tuple[Array, LevenbergMarquardtState]:
        value, lowest, g, normal, scale, damping, growth, ends, free, _ = state
        box, root = Box.of(problem, self.bounded, x), _lengths(scale)
        scaled = box.restricted(_damped(normal, root, damping), x, g)
        there = box.short(ends, x, x - cholesky_solve(scaled, free / root) / root)
        s = there - x
        predicted = -product(free, s) - product(s, product(normal, s)) / 2

        tried, g_there, normal_there = _normal_equations(problem, box, there)
        free_there = box.free(there, g_there)
        eps, moved = 8 * jnp.finfo(x.dtype).eps, jnp.linalg.norm(_lengths(jnp.diagonal(normal)) * x)
        rounding = eps * jnp.sqrt(2 * jnp.abs(value)) * moved  # of L where x is rounded, and so y by eps moved
        lower = tried < lowest - eps * jnp.abs(lowest)
        level = ~lower & (tried <= lowest + eps * jnp.abs(lowest) + rounding)
        flatter = jnp.max(jnp.abs(free_there) / root) < jnp.max(jnp.abs(free) / root)
        finite = jnp.isfinite(tried) & jnp.all(jnp.isfinite(free_there))
        better, new = (lower | (level & flatter)) & finite, box.walls(ends, x, there, finite)
        rho = jnp.where(level, 1, jnp.where(predicted > 0, (value - tried) / predicted, 0))
        easier = damping * jnp.maximum(1 / 10, 1 - (2 * jnp.minimum(rho, 1) - 1) ** 3)

        harder, faster = pick(jnp.any(new), (damping, growth), (damping * growth, 2 * growth))
        stuck = ~better & jnp.all(there == x)
        x, value, g, normal = pick(better, (there, tried, g_there, normal_there), (x, value, g, normal))
        return x, LevenbergMarquardtState(
            value,
            jnp.minimum(lowest, value),
            g,
            normal,
            jnp.maximum(scale, jnp.diagonal(normal)),
            jnp.where(better, easier, harder),
            jnp.where(better, 2, faster).astype(x.dtype),
            ~better & (ends | new),
            box.free(x, g),
            stuck,
        )

    def report(self, x: Array, state: LevenbergMarquardtState) -> Report:
        return Report(state.value, state.free, state.stuck)


def _damped(normal: Array, root: Array, damping: Array | float) -> Array:
    """D^-1/2 J^T J D^-1/2 + damping."""
    return normal / root[:, None] / root + damping * jnp.eye(len(root), dtype=root.dtype)


def _lengths(squares: Array) -> Array:
    return jnp.sqrt(jnp.where(squares > 0, squares, 1))


def _normal_equations(problem: Smooth, box: Region, x: Array) -> tuple[Array, Array, Array]:
    """L, J^T r and J^T J, of one pass, with zeros for what is held, where slopes may be infinite."""
    r, j = problem.least_squares(x)
    g = product(j.T, r)
    held = box.held(x, g)
    return problem.value(x), g, jnp.where(held[:, None] | held, 0, gram(j))
