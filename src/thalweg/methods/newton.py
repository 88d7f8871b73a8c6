"""Newton's method on the whole chain."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass

from thalweg.numerics.linalg import eigh, product, solve

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem


@final
@register_dataclass
@dataclass(frozen=True)
class Newton:
    """x <- x - learning_rate (H + damping I)^-1 g, with g = dL/dx and H = d2L/dx2.

    With ``saddle_free`` the eigenvalues of H are taken by their absolute value, so that saddle points and maxima repel
    (Dauphin et al. 2014, algorithm 1): x <- x - learning_rate V (|Lambda| + damping)^-1 V^T g.

    ``learning_rate`` is a pure number, 1 the full step; ``damping`` >= 0 is in [L]/[x]^2 (Levenberg 1944). A singular H
    gives infinity or NaN, which the trace keeps. Undamped and full-rank it is invariant to any linear map of x and to a
    scaling of L; one full step solves a quadratic. Cost per step: one gradient, one Hessian (d passes), one d x d
    factorization or eigendecomposition.
    """

    learning_rate: float = 1.0
    damping: float = 0.0
    saddle_free: bool = field(default=False, metadata={"static": True})

    def init(self, problem: "Problem", x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: "Problem", x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        g, h = problem.gradient(x), problem.hessian(x)
        if self.saddle_free:
            eigenvalues, v = eigh(h)
            direction = product(v, product(v.T, g) / (jnp.abs(eigenvalues) + self.damping))
        else:
            direction = solve(h + self.damping * jnp.eye(x.shape[0], dtype=x.dtype), g)
        return x - self.learning_rate * direction, state
