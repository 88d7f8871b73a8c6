"""The loss of counts, whose variance is their mean."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain import targets
from thalweg.chain.calls import call


@final
@dataclass(frozen=True, eq=False, repr=False)
class PoissonDeviance:
    """The loss L(y) = factor * sum_i 2 (y_i - n_i + n_i ln(n_i / y_i)) of counts n, whose means y predicts.

    With factor 1 it is the deviance, -2 ln of the likelihood over that of y = n: near n about (y - n)^2 / y, and 2 y
    where n is 0. It is convex in y, and infinite where a mean is negative, or is 0 and its count is not. Least-squares
    methods solve it by Fisher's scoring: with the residuals (y - n) / sqrt(y) of Pearson, times sqrt(2 factor), and
    dy/dx over sqrt(y) they see its gradient, and the expectation of its curvature.

    Args:
        target: the counts n, whole numbers of at least 0, in [y], which are pure numbers: an array of y's shape, or one
            that broadcasts to it, or, for a problem with data, a function of them, target(data).
        factor: in [L], a plain number.
    Raises:
        ValueError: for numbers that are no counts; from ``Problem``, where the target has more dimensions or components
            than y.
    Cost:
        O(m), and no Hessian in y where a method would need one.
    Source:
        McCullagh and Nelder (1989), Generalized Linear Models, sections 2.3 to 2.5 and 6.2.
    Example:
        >>> counts = tw.PoissonDeviance([2, 4, 0, 6])
        >>> mean = tw.Problem(lambda x: x * jnp.ones(4), loss=counts, start=[1.0])
        >>> print(tw.solve(mean, tw.methods.LevenbergMarquardt()).x.values)
        [[[3.]]]
    """

    target: ArrayLike | Callable[[Any], Any]
    factor: float = 1.0
    sigma: ClassVar[None] = None  # it follows from the means
    absolute_sigma: ClassVar[bool] = True  # and is known

    def __post_init__(self) -> None:
        if not callable(self.target) and not isinstance(self.target, targets.Known):
            check_counts(self.target, "target")

    def __repr__(self) -> str:
        return call("PoissonDeviance", [targets.written(self.target)], {"factor": self.factor}, {"factor": 1.0})

    def __call__(self, y: Array) -> Array:
        n = self.goal(y.dtype, y.shape)
        some, positive = jnp.where(n > 0, n, 1), jnp.where(y > 0, y, 1)
        e = (positive - some) / some
        each = jnp.where(n > 0, some * (e - jnp.log1p(e)), y)  # y - n + n ln(n / y), with its digits near y = n
        allowed = (y > 0) | ((y == 0) & (n == 0)) | jnp.isnan(y)
        return self.factor * 2 * jnp.sum(jnp.where(allowed, each, jnp.inf))

    def goal(self, dtype: Any, shape: tuple[int, ...]) -> Array:
        """The counts in a precision, in the shape of y."""
        return targets.goal(self.target, dtype, shape)

    def log_likelihood(self, y: Any, n: Any) -> float:
        """ln of the probability of the counts where these are their means."""
        from scipy.special import gammaln, xlogy

        return float(np.sum(xlogy(n, y) - y - gammaln(n + 1)))

    def newton(self, y: Array, shape: tuple[int, ...]) -> Array:
        """n - y, the step of Fisher's scoring in y, of y raveled, (m,)."""
        return jnp.ravel(self.goal(y.dtype, shape)) - y

    def least_squares(self, y: Array, jacobian: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """sqrt(2 factor) times Pearson's residuals and dy/dx over sqrt(y), of y, (m,), and dy/dx, (m, d)."""
        root = jnp.sqrt(2 * self.factor / y)
        return -self.newton(y, shape) * root, jacobian * root[:, None]


def check_counts(values: Any, what: str) -> None:
    """ValueError for numbers that are no counts."""
    counts = np.ravel(np.asarray(values))
    bad = np.flatnonzero(~((counts >= 0) & (counts % 1 == 0) & (counts < np.inf)))
    if bad.size:
        raise ValueError(
            f"{what} has {counts[bad[0]]:g} at index {bad[0]}, but Poisson's law is of counts, whole numbers of at "
            "least 0, and not of rates; give the counts."
        )
