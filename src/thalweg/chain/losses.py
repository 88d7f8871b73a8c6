"""Losses that tell methods more of themselves than a function can."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain import targets
from thalweg.chain.calls import call
from thalweg.chain.counts import PoissonDeviance
from thalweg.chain.examples import count
from thalweg.chain.robust_errors import RobustError
from thalweg.chain.signatures import asks, name_of
from thalweg.chain.targets import Known


@final
@dataclass(frozen=True, eq=False, repr=False)
class SquaredError:
    """The loss L(y) = factor * |(y - target) / sigma|^2, units [L] = [factor] [y]^2 / [sigma]^2.

    Written as this and not as a function of one's own, the loss tells methods that it is a sum of squares: the residual
    is then sqrt(2 factor) (y - target) / sigma, with L = |residual|^2 / 2, and no Hessian in y is ever formed.

    Args:
        target: where y should be, in [y]: an array of its shape, or one that broadcasts to it, or, for a problem with
            data, a function of them, target(data).
        factor: in [L]/[y]^2, a plain number; 1/n makes it a mean over n components.
        sigma: the standard deviations of the target's components, > 0, in [y]: a number, or an array of y's shape or
            one that broadcasts to it; all equal to 1 if None.
        absolute_sigma: whether ``analysis.uncertainty`` takes sigma as it is, and not as relative only.
    Raises:
        ValueError: for a sigma that is not positive; from ``Problem``, where the target or sigma has more dimensions or
            components than y.
    Cost:
        O(m), and no Hessian in y where a method would need one.
    Example:
        >>> problem = tw.Problem(lambda x: 2 * x, loss=tw.SquaredError([2.0], factor=0.5), start=[3.0])
        >>> print(problem.value([3.0]), problem.residual([3.0]))
        8.0 [4.]
    """

    target: ArrayLike | Callable[[Any], Any] = 0.0
    factor: float = 1.0
    sigma: ArrayLike | None = None
    absolute_sigma: bool = False

    def __post_init__(self) -> None:
        targets.check_sigma(self.sigma)

    def __repr__(self) -> str:
        usual = {"factor": 1.0, "sigma": None, "absolute_sigma": False}
        given = {"factor": self.factor, "sigma": self.sigma, "absolute_sigma": self.absolute_sigma}
        return call("SquaredError", [targets.written(self.target)], given, usual)

    def __call__(self, y: Array) -> Array:
        return self.factor * jnp.sum(self.weighted(y - self.goal(y.dtype, y.shape), y.shape) ** 2)

    def weighted(self, difference: Array, shape: tuple[int, ...]) -> Array:
        """(y - target) / sigma, of y of this shape, from the difference in that shape or ravelled; of a Jacobian of y,
        ravelled and with one more axis, each row over its sigma."""
        return targets.over(self.sigma, difference, shape)

    def goal(self, dtype: Any, shape: tuple[int, ...]) -> Array:
        """The target in a precision, in the shape of y."""
        return targets.goal(self.target, dtype, shape)

    def residual(self, y: Array, shape: tuple[int, ...]) -> Array:
        """r with L = |r|^2 / 2, of y raveled, (m,)."""
        return -math.sqrt(2 * self.factor) * self.weighted(self.newton(y, shape), shape)

    def least_squares(self, y: Array, jacobian: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """r and its Jacobian, of y, (m,), and dy/dx, (m, d)."""
        return self.residual(y, shape), math.sqrt(2 * self.factor) * self.weighted(jacobian, shape)

    def newton(self, y: Array, shape: tuple[int, ...]) -> Array:
        """target - y, the Newton step of L in y, of y raveled, (m,)."""
        return jnp.ravel(self.goal(y.dtype, shape)) - y


OfTarget = SquaredError | RobustError | PoissonDeviance  # sums over y, each against its target


@final
@dataclass(frozen=True, eq=False, repr=False)
class MeanLoss:
    """L(y) = mean_i loss(y_i, example_i) over the examples i of the data, which y has as its leading axis.

    Args:
        loss: written for one example: a function of y_i, or of y_i and the example, to a scalar in [L]; or a
            ``SquaredError`` or its like, whose target may be a function of the example.
    Raises:
        ValueError: from ``Problem``, where the loss of one example is no real scalar.
    Cost:
        one evaluation of ``loss`` for each example.
    Example:
        >>> stage = tw.Stage(lambda x, example: x * example["a"], each=True)
        >>> mean = tw.MeanLoss(lambda y, example: (y[0] - example["b"]) ** 2)
        >>> data = {"a": np.array([1.0, 2.0]), "b": np.array([1.0, 4.0])}
        >>> print(tw.Problem(stage, loss=mean, start=[1.0], data=data).value([1.0]))
        2.0
    """

    loss: Callable[..., Any]

    def __repr__(self) -> str:
        return call("MeanLoss", [self.loss])


def takes_data(loss: Any) -> bool:
    """Whether a loss cannot be evaluated without data."""
    if isinstance(loss, OfTarget):
        return callable(loss.target)
    return isinstance(loss, MeanLoss) or asks(loss, 1)


def squares(loss: Any, name: str) -> SquaredError:
    """The loss of a problem of this name as a sum of squares; ValueError where it is not known to be one."""
    if not isinstance(loss, SquaredError):
        raise ValueError(
            f"the loss of {name!r} is a function that is not known to be a sum of squares; "
            "give loss=SquaredError(target, factor) to have a residual."
        )
    return loss


def closed(loss: Any, data: Any) -> Any:
    """The loss with the data that it asks for."""
    if data is None or not takes_data(loss):
        return loss
    if isinstance(loss, OfTarget):
        return replace(loss, target=Known(loss.target, data))  # pyright: ignore[reportArgumentType]
    if not isinstance(loss, MeanLoss):
        return _handed(loss, lambda y: loss(y, data))
    one = loss.loss
    if isinstance(one, OfTarget):
        target = one.target if callable(one.target) else lambda _: jnp.asarray(one.target, float)
        return replace(one, target=Known(jax.vmap(target), data, True), factor=one.factor / count(data))
    if not asks(one, 1):
        return _handed(one, lambda y: jnp.mean(jax.vmap(one)(y)))
    return _handed(one, lambda y: jnp.mean(jax.vmap(one)(y, data)))


def _handed(loss: Callable[..., Any], with_data: Callable[[Any], Any]) -> Callable[[Any], Any]:
    with_data.__name__ = name_of(loss)
    return with_data
