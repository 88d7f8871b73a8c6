"""Steps of the loss in y, pulled back to x by the inverse of the Jacobian."""

import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.line_search import whole
from thalweg.methods.method import Report, method
from thalweg.numerics.linalg import lstsq, product, solve

HIDDEN = 64  # roundings of y, below which a step is none


@method
class GaussNewton:
    """x <- x - learning_rate J^+ r, where L = |r|^2/2 to second order in y and J = dr/dx.

    For a ``SquaredError`` r is the residual; for another loss, convex in y, it is the generalized Gauss-Newton step
    -(J_y^T H_y J_y)^-1 J_y^T dL/dy, the Newton step in y pulled back by the pseudo-inverse. J^+ is taken after its
    columns are scaled to length one, so that the step is invariant to the units of each component of x, also in
    floating point; where J has not full rank it is the shortest step in those units. One full step solves a linear
    least-squares problem.

    Args:
        learning_rate: a pure number, 1 the full step.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one Jacobian (min(m, d) passes) and one factorization of m x d.
    Source:
        Gauss (1809); Schraudolph (2002) for other losses; Marquardt (1963) for the scaling.
    Example:
        >>> goal = tw.SquaredError([1.0, 3.0, 5.0])
        >>> line = tw.Problem(lambda x: x[0] + x[1] * jnp.arange(3.0), loss=goal, start=[0.0, 0.0])
        >>> trace = tw.run(line, tw.methods.GaussNewton(), steps=1)
        >>> print(trace.x.values[0, 0, 1].round(3))
        [1. 2.]
    """

    learning_rate: float = 1.0

    def init(self, problem: Objective, x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: Objective, x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        r, j = problem.least_squares(x)
        lengths = jnp.linalg.norm(j, axis=0)
        lengths = jnp.where(lengths > 0, lengths, 1)
        return x - self.learning_rate * lstsq(j / lengths, r) / lengths, state

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of J and its factor."""
        return 2 * itemsize * rows * columns

    def look(self, problem: Objective, x: Array, after: Array) -> Report:
        """L, dL/dx = J^T r, and how far along the step |J s + r| falls."""
        r, j = problem.least_squares(x)
        g, s = product(j.T, r), after - x
        bent = product(j, s)
        step, promise = whole(x, s, product(g, s), product(bent, bent), self.learning_rate)
        lengths, eps = jnp.linalg.norm(j, axis=0), float(jnp.finfo(x.dtype).eps)
        rounding = HIDDEN * eps * (jnp.linalg.norm(lengths * x) + jnp.linalg.norm(r))
        step = jnp.where(lengths * jnp.abs(step) <= rounding, 0, step)
        return Report(problem.value(x), g, jnp.zeros((), bool), step=step, promise=promise, size=jnp.abs(x))


@method
class InverseGradient:
    """x <- x + learning_rate (dy/dx)^-1 dy, with dy = -(d2L/dy2)^-1 dL/dy the Newton step of the loss in y.

    For square Jacobians only: the linear version of an inverse simulator. Invariant to any linear map of x. A singular
    Jacobian gives infinity or NaN, which the trace keeps.

    Args:
        learning_rate: a pure number, 1 the full step.
    Raises:
        ValueError: from ``run`` and ``solve``, where y has not as many components as x.
    Cost:
        per step one Jacobian (d passes), the Hessian of the loss in y, and one d x d factorization.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, section 2.
    Example:
        >>> roots = tw.Problem(lambda x: x**2, loss=tw.SquaredError([4.0, 9.0]), start=[1.0, 1.0])
        >>> trace = tw.run(roots, tw.methods.InverseGradient(), steps=8)
        >>> print(trace.x.values[0, 0, -1].round(3))
        [2. 3.]
    """

    learning_rate: float = 1.0

    def init(self, problem: Objective, x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: Objective, x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        y, jacobian = problem.forward_and_jacobian(x)
        if y.shape != x.shape:
            raise ValueError(
                f"{problem.name!r} maps {x.shape[0]} components to {y.shape[0]}, but InverseGradient needs a square "
                "Jacobian; use GaussNewton."
            )
        # One solution for both inverses: (dy/dx)^-1 H^-1 g = (H dy/dx)^-1 g.
        whole = problem.loss_hessian(y) @ jacobian
        return x - self.learning_rate * solve(whole, problem.loss_gradient(y)), state

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of the Jacobian and its factor."""
        return 2 * itemsize * columns**2
