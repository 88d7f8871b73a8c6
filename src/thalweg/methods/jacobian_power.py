"""Half-inverse gradients and their relatives: the loss pulled back by a power of the Jacobian."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass

from thalweg.numerics.lanczos import lanczos_power
from thalweg.numerics.linalg import jacobian_power

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem


@final
@register_dataclass
@dataclass(frozen=True)
class JacobianPower:
    """x <- x - learning_rate V S^(-kappa) U^T g, with g = dL/dy, J = dy/dx = U S V^T, and singular values up to a
    cutoff left out (Schnell, Holl, Thuerey 2022, arXiv:2203.10131, eq. 5).

    kappa = -1 is gradient descent, 1/2 half-inverse gradients, 1 the Gauss-Newton direction of L = |y - y*|^2 / 2.
    Over a minibatch y is that of all its examples and J their stacked Jacobians, whose rows belong together. The cutoff
    is ``truncation`` times the largest singular value, as in the paper's code, or with ``relative=False`` the number
    ``truncation`` itself, in [y]/[x], as in the paper.

    Mind the scale: for a loss that is a mean over B examples g has a factor 1/B, and J has none. With L = mean |y -
    y*|^2 the step of kappa = 1 at learning_rate 1 is 2/B of a full Gauss-Newton step, which B/2 gives; that of kappa =
    1/2 is as published at learning_rate 1, and changes with B, since half-inverse steps are not invariant to it. The
    units of learning_rate are [x]^(1 - kappa) [y]^(1 + kappa) / [L].

    The step is J^T (J J^T)^(-(kappa + 1)/2) g, or with m > d (J^T J)^(-(kappa + 1)/2) J^T g: never a singular value
    decomposition of J itself. Cost per step: one value, one Jacobian, m d min(m, d) multiplications. ``workspace``
    tells the memory, which ``run`` and ``solve`` compare with what is free before anything is built; ``KrylovPower``
    needs no J.
    """

    kappa: float = 0.5
    truncation: float = 1e-6
    learning_rate: float = 1.0
    relative: bool = field(default=True, metadata={"static": True})

    def init(self, problem: "Problem", x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: "Problem", x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        g, j = problem.loss_gradient(problem.forward(x)), problem.jacobian(x)
        return x - self.learning_rate * jacobian_power(j, g, _factors, self), state

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of one step for J of shape (rows, columns): J, J in float64, and squares of its shorter side."""
        return rows * columns * (itemsize + 8) + 3 * 8 * min(rows, columns) ** 2


@final
@register_dataclass
@dataclass(frozen=True)
class KrylovPower:
    """The step of ``JacobianPower`` without a Jacobian: (J J^T)^(-(kappa + 1)/2) g from ``products`` steps of Lanczos,
    each one product with J^T and one with J, a reverse and a forward pass.

    On the Krylov space of g it is |g| Q T^(-(kappa + 1)/2) e_1, with the basis Q and J J^T Q ~ Q T; singular values are
    those of T. It is the exact step where ``products`` reaches the number of distinct singular values that g has parts
    along (for kappa = 1 it is a step of conjugate gradients on J J^T), and before that leaves out the small ones, which
    act as a truncation. Memory: ``products`` vectors of m components, in the precision of x. Learning rate, kappa,
    truncation and scale are those of ``JacobianPower``.
    Source: Golub and Van Loan (2013), section 10.2; Higham (2008), Functions of Matrices, section 13.2.

    Raises ValueError unless products is a whole number of at least 1.
    """

    kappa: float = 0.5
    truncation: float = 1e-6
    learning_rate: float = 1.0
    relative: bool = field(default=True, metadata={"static": True})
    products: int = field(default=32, metadata={"static": True})

    def init(self, problem: "Problem", x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: "Problem", x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        y, push, pull = problem.linearize(x)

        def factors(squares: Array) -> Array:
            return _factors(jnp.sqrt(jnp.maximum(squares, 0)), self)

        w = lanczos_power(lambda v: push(pull(v)), problem.loss_gradient(y), factors, self.products)
        return x - self.learning_rate * pull(w), state


def _factors(s: Array, method: JacobianPower | KrylovPower) -> Array:
    """S^(-kappa - 1) of the singular values above the cutoff, 0 of others."""
    kept = s > (method.truncation * jnp.max(s) if method.relative else method.truncation)
    return jnp.where(kept, jnp.where(kept, s, 1) ** (-method.kappa - 1), 0)
