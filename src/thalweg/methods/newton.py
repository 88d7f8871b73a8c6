"""Newton's method on the whole chain."""

import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.line_search import whole
from thalweg.methods.method import Report, method, static
from thalweg.numerics.linalg import eigh, indefinite, product, solve


@method
class Newton:
    """x <- x - learning_rate (H + damping I)^-1 g, with g = dL/dx and H = d2L/dx2.

    With ``saddle_free`` the eigenvalues of H are taken by their absolute value, so that saddle points and maxima repel:
    x <- x - learning_rate V (|Lambda| + damping)^-1 V^T g.

    Undamped and full-rank it is invariant to any linear map of x and to a scaling of L; one full step solves a
    quadratic. A singular H gives infinity or NaN, which the trace keeps.

    Args:
        learning_rate: a pure number, 1 the full step.
        damping: >= 0, in [L]/[x]^2.
        saddle_free: whether eigenvalues are taken by their absolute value; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number, and where H would not fit in memory.
    Cost:
        per step one gradient, one Hessian (d passes), one d x d factorization or eigendecomposition.
    Source:
        Nocedal and Wright (2006), section 3.3; damping by Levenberg (1944); Dauphin et al. (2014), arXiv:1406.2572,
        algorithm 1, for saddle_free.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0, 10.0]), tw.methods.Newton(), starts=[3.0, 4.0], steps=1)
        >>> print(np.abs(trace.x.values[0, 0, 1]).round(3))
        [0. 0.]
    """

    learning_rate: float = 1.0
    damping: float = 0.0
    saddle_free: bool = static(default=False)

    def init(self, problem: Objective, x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: Objective, x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        (_, g), h = problem.value_and_gradient(x), problem.hessian(x)
        if self.saddle_free:
            eigenvalues, v = eigh(h)
            direction = product(v, product(v.T, g) / (jnp.abs(eigenvalues) + self.damping))
        else:
            direction = solve(h + self.damping * jnp.eye(x.shape[0], dtype=x.dtype), g)
        return x - self.learning_rate * direction, state

    def look(self, problem: Objective, x: Array, after: Array) -> Report:
        (value, g), h, s = problem.value_and_gradient(x), problem.hessian(x), after - x
        negative, no = indefinite(h, after), jnp.zeros((), bool)
        saddle, rests = (negative, no) if self.saddle_free else (no, negative)
        step, promise = whole(x, s, product(g, s), product(s, product(h, s)), self.learning_rate)
        return Report(value, g, no, saddle, rests, step, promise)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of H and its factor."""
        return 2 * itemsize * columns**2
