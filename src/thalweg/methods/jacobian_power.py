"""Half-inverse gradients and their relatives: the loss pulled back by a power of the Jacobian."""

import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.method import method, static
from thalweg.numerics.lanczos import bidiagonal_power
from thalweg.numerics.linalg import jacobian_power


@method
class JacobianPower:
    """x <- x - learning_rate V S^(-kappa) U^T g, with g = dL/dy, J = dy/dx = U S V^T, and singular values up to a
    cutoff left out.

    kappa = -1 is gradient descent, 1/2 half-inverse gradients, 1 the Gauss-Newton direction of L = |y - y*|^2 / 2. Over
    a minibatch y is that of all its examples and J their stacked Jacobians, whose rows belong together. The step is J^T
    (J J^T)^(-(kappa + 1)/2) g, or with m > d (J^T J)^(-(kappa + 1)/2) J^T g: never a singular value decomposition of J
    itself.

    Mind the scale: for a loss that is a mean over B examples g has a factor 1/B, and J has none. With L = mean |y -
    y*|^2 the step of kappa = 1 at learning_rate 1 is 2/B of a full Gauss-Newton step, which B/2 gives; that of kappa =
    1/2 is as published at learning_rate 1, and changes with B, since half-inverse steps are not invariant to it.

    Args:
        kappa: a pure number, of -1 to 1.
        truncation: of the largest singular value, as in the paper's code: a pure number that makes the cutoff.
        learning_rate: in [x]^(1 - kappa) [y]^(1 + kappa) / [L].
        relative: with False the cutoff is the number ``truncation`` itself, in [y]/[x], as in the paper; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, where the matrices would not fit in the memory that is free
            (``workspace`` tells their bytes); ``KrylovPower`` needs none.
    Cost:
        per step one value, one Jacobian, m d min(m, d) multiplications; memory of J, also in float64, and of three
        squares of its shorter side.
    Source:
        Schnell, Holl and Thuerey (2022), arXiv:2203.10131, eq. 5.
    Example:
        >>> scaled = tw.Problem(lambda x: x * np.array([1.0, 16.0]), loss=tw.SquaredError(factor=0.5), start=[1.0, 1.0])
        >>> trace = tw.run(scaled, tw.methods.JacobianPower(kappa=0.5, learning_rate=0.1), steps=1)
        >>> print(trace.x.values[0, 0, 1].round(3))
        [0.9 0.6]
    """

    kappa: float = 0.5
    truncation: float = 1e-6
    learning_rate: float = 1.0
    relative: bool = static(default=True)

    def init(self, problem: Objective, x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: Objective, x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        y, j = problem.forward_and_jacobian(x)
        return x - self.learning_rate * jacobian_power(j, problem.loss_gradient(y), _factors, self), state

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of one step for J of shape (rows, columns): J, J in float64, and squares of its shorter side."""
        return rows * columns * (itemsize + 8) + 3 * 8 * min(rows, columns) ** 2


@method
class KrylovPower:
    """The step of ``JacobianPower`` without a Jacobian: x <- x - learning_rate J^T (J J^T)^(-(kappa + 1)/2) g from
    ``products`` steps of Golub and Kahan's bidiagonalization, with g = dL/dy and J = dy/dx.

    On the Krylov space of g, with the basis Q and J^T Q ~ V L^T, L bidiagonal, it is |g| J^T Q (L L^T)^(-(kappa + 1)/2)
    e_1; singular values are those of L, to the rounding of J, and none below that are taken. It is the exact step where
    ``products`` reaches the number of distinct singular values that g has parts along (for kappa = 1 it is a step of
    conjugate gradients on J J^T), and before that leaves out the small ones, which act as a truncation.

    Args:
        kappa: a pure number, of -1 to 1.
        truncation: of the largest singular value: a pure number that makes the cutoff.
        learning_rate: in [x]^(1 - kappa) [y]^(1 + kappa) / [L]; mind the scale, as with ``JacobianPower``.
        relative: with False the cutoff is the number ``truncation`` itself, in [y]/[x]; structure.
        products: how many, 1 or more; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, unless products is a whole number of at least 1.
    Cost:
        per step one value and ``products`` products with J^T and with J, a reverse and a forward pass each, and one
        more with J^T; memory of ``products`` vectors of m components, in the precision of x.
    Source:
        Golub and Kahan (1965), section 3; Higham (2008), Functions of Matrices, section 13.2.
    Example:
        >>> scaled = tw.Problem(lambda x: x * np.array([1.0, 16.0]), loss=tw.SquaredError(factor=0.5), start=[1.0, 1.0])
        >>> trace = tw.run(scaled, tw.methods.KrylovPower(kappa=0.5, learning_rate=0.1, products=2), steps=1)
        >>> print(trace.x.values[0, 0, 1].round(3))
        [0.9 0.6]
    """

    kappa: float = 0.5
    truncation: float = 1e-6
    learning_rate: float = 1.0
    relative: bool = static(default=True)
    products: int = static(default=32)

    def init(self, problem: Objective, x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: Objective, x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        y, push, pull = problem.linearize(x)
        direction = bidiagonal_power(push, pull, problem.loss_gradient(y), lambda s: _factors(s, self), self.products)
        return x - self.learning_rate * direction, state


def _factors(s: Array, method: JacobianPower | KrylovPower) -> Array:
    """S^(-kappa - 1) of the singular values above the cutoff, 0 of others."""
    kept = s > (method.truncation * jnp.max(s) if method.relative else method.truncation)
    return jnp.where(kept, jnp.where(kept, s, 1) ** (-method.kappa - 1), 0)
