"""Steps of the loss in y, pulled back to x by the inverse of the Jacobian."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass

from thalweg.numerics.linalg import lstsq, solve

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem


@final
@register_dataclass
@dataclass(frozen=True)
class GaussNewton:
    """x <- x - learning_rate J^+ r, where L = |r|^2/2 to second order in y and J = dr/dx (Gauss 1809).

    For a ``SquaredError`` r is the residual; for another loss, convex in y, it is the generalized Gauss-Newton step
    -(J_y^T H_y J_y)^-1 J_y^T dL/dy (Schraudolph 2002), the Newton step in y pulled back by the pseudo-inverse. J^+ is
    taken after its columns are scaled to length one (Marquardt 1963), so that the step is invariant to the units of
    each component of x, also in floating point; where J has not full rank it is the shortest step in those units.

    ``learning_rate`` is a pure number, 1 the full step; one full step solves a linear least-squares problem. Cost per
    step: one Jacobian (min(m, d) passes) and one factorization of m x d.
    """

    learning_rate: float = 1.0

    def init(self, problem: "Problem", x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: "Problem", x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        r, j = problem.least_squares(x)
        lengths = jnp.linalg.norm(j, axis=0)
        lengths = jnp.where(lengths > 0, lengths, 1)
        return x - self.learning_rate * lstsq(j / lengths, r) / lengths, state


@final
@register_dataclass
@dataclass(frozen=True)
class InverseGradient:
    """x <- x + learning_rate (dy/dx)^-1 dy, with dy = -(d2L/dy2)^-1 dL/dy the Newton step of the loss in y.

    For square Jacobians only: the linear version of an inverse simulator (Holl, Koltun, Thuerey 2022, section 2).
    ``learning_rate`` is a pure number, 1 the full step. Invariant to any linear map of x. A singular Jacobian gives
    infinity or NaN, which the trace keeps. Cost per step: one Jacobian (d passes), the Hessian of the loss in y, and
    one d x d factorization.

    Raises ValueError where y has not as many components as x.
    """

    learning_rate: float = 1.0

    def init(self, problem: "Problem", x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: "Problem", x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        y = problem.forward(x)
        if y.shape != x.shape:
            raise ValueError(
                f"{problem.name!r} maps {x.shape[0]} components to {y.shape[0]}, but InverseGradient needs a square "
                "Jacobian; use GaussNewton."
            )
        # One solution for both inverses: (dy/dx)^-1 H^-1 g = (H dy/dx)^-1 g.
        whole = problem.loss_hessian(y) @ problem.jacobian(x)
        return x - self.learning_rate * solve(whole, problem.loss_gradient(y)), state
