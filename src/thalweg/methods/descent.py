"""Descent along the gradient: the first-order rules that have a name here, as constructors over optax."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import optax

from thalweg.chain.signatures import name_of
from thalweg.methods.first_order import FirstOrder, from_optax


@final
@dataclass(frozen=True)
class _Decayed:
    """A rule on the gradient of L + weight_decay |x|^2 / 2."""

    rule: Callable[..., optax.GradientTransformation]

    @property
    def __name__(self) -> str:
        return name_of(self.rule, "FirstOrder")

    def __call__(self, weight_decay: float, **arguments: Any) -> optax.GradientTransformation:
        return optax.chain(optax.add_decayed_weights(weight_decay), self.rule(**arguments))


def _made(
    by: Callable[..., FirstOrder], rule: Callable[..., optax.GradientTransformation], **arguments: Any
) -> FirstOrder:
    """The rule with these arguments, which shows itself as a call of the constructor."""
    return replace(from_optax(rule, **arguments), made_by=by)


def _decayed(
    by: Callable[..., FirstOrder],
    weight_decay: float | None,
    rule: Callable[..., optax.GradientTransformation],
    **arguments: Any,
) -> FirstOrder:
    if weight_decay is None:
        return _made(by, rule, **arguments)
    return _made(by, _Decayed(rule), weight_decay=weight_decay, **arguments)


def gradient_descent(learning_rate: float) -> FirstOrder:
    """x <- x - learning_rate dL/dx. Stable on a quadratic for learning_rate < 2 / lambda_max.

    Args:
        learning_rate: in [x]^2/[L].
    Raises:
        ValueError: from ``run`` and ``solve``, for a learning rate that is no number.
    Cost:
        per step one gradient.
    Source:
        Cauchy (1847), Comptes Rendus 25, 536-538.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.gradient_descent(0.5), steps=3)
        >>> print(trace.x.values.ravel())
        [1.    0.5   0.25  0.125]
    """
    return _made(gradient_descent, optax.sgd, learning_rate=learning_rate)


def momentum(learning_rate: float, momentum: float = 0.9) -> FirstOrder:
    """Heavy ball: v <- momentum v + dL/dx, x <- x - learning_rate v.

    Stable on a quadratic for learning_rate < 2 (1 + momentum) / lambda_max.

    Args:
        learning_rate: in [x]^2/[L].
        momentum: a pure number from 0, which is gradient descent, to below 1.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one gradient; memory of d numbers.
    Source:
        Polyak (1964), USSR Computational Mathematics and Mathematical Physics 4, 1-17, eq. 9.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.momentum(0.5, momentum=0.5), steps=3)
        >>> print(trace.x.values.ravel())
        [ 1.    0.5   0.   -0.25]
    """
    return _made(_heavy_ball, optax.sgd, learning_rate=learning_rate, momentum=momentum)


_heavy_ball = momentum  # which within the function is a number


def nesterov(learning_rate: float, momentum: float = 0.9) -> FirstOrder:
    """v <- momentum v + dL/dx, x <- x - learning_rate (dL/dx + momentum v).

    Args:
        learning_rate: in [x]^2/[L].
        momentum: a pure number from 0, which is gradient descent, to below 1.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one gradient; memory of d numbers.
    Source:
        Nesterov (1983), Soviet Mathematics Doklady 27, 372-376; in this form Sutskever et al. (2013), ICML, section 2.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.nesterov(0.5, momentum=0.5), steps=2)
        >>> print(trace.x.values.ravel().round(3))
        [ 1.     0.25  -0.062]
    """
    return _made(nesterov, optax.sgd, learning_rate=learning_rate, momentum=momentum, nesterov=True)


def adagrad(learning_rate: float, initial_accumulator_value: float = 0.1, eps: float = 1e-7) -> FirstOrder:
    """s <- s + g^2, x <- x - learning_rate g / sqrt(s + eps), with g = dL/dx and all of it component by component.

    Invariant to a scaling of L and of each component of x, but for eps and the first s. torch starts at s = 0 with eps
    = 1e-10.

    Args:
        learning_rate: in [x].
        initial_accumulator_value: the first s, in [L]^2/[x]^2.
        eps: against division by zero, in [L]^2/[x]^2.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one gradient; memory of d numbers.
    Source:
        Duchi, Hazan and Singer (2011), Journal of Machine Learning Research 12, 2121-2159.
    Example:
        >>> rule = tw.methods.adagrad(0.5, initial_accumulator_value=0.0)
        >>> print(tw.run(tw.problems.quadratic([1.0]), rule, steps=2).x.values.ravel().round(3))
        [1.    0.5   0.276]
    """
    return _made(
        adagrad,
        optax.adagrad,
        learning_rate=learning_rate,
        initial_accumulator_value=initial_accumulator_value,
        eps=eps,
    )


def rmsprop(
    learning_rate: float,
    decay: float = 0.9,
    eps: float = 1e-8,
    momentum: float | None = None,
    *,
    centered: bool = False,
    eps_in_sqrt: bool = True,
    weight_decay: float | None = None,
) -> FirstOrder:
    """v <- decay v + (1 - decay) g^2, x <- x - learning_rate g / sqrt(v + eps), with g = dL/dx, component by component.

    Args:
        learning_rate: in [x].
        decay: of the mean of squares, a pure number from 0 to below 1.
        eps: against division by zero, in [L]^2/[x]^2.
        momentum: with which steps are accumulated, a pure number; None for none.
        centered: whether the squared running mean of g is subtracted from v (Graves 2013); structure.
        eps_in_sqrt: False adds eps to the root, in [L]/[x], as torch does (with its decay of 0.99); structure.
        weight_decay: in [L]/[x]^2, coupled: g = dL/dx + weight_decay x; None for none.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one gradient; memory of d numbers, of 2d with momentum or centered.
    Source:
        Tieleman and Hinton (2012), Coursera, Neural Networks for Machine Learning, lecture 6.5.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.rmsprop(0.1, decay=0.75), steps=2)
        >>> print(trace.x.values.ravel().round(3))
        [1.    0.8   0.664]
    """
    return _decayed(
        rmsprop,
        weight_decay,
        optax.rmsprop,
        learning_rate=learning_rate,
        decay=decay,
        eps=eps,
        momentum=momentum,
        centered=centered,
        eps_in_sqrt=eps_in_sqrt,
    )


def adam(
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float | None = None,
) -> FirstOrder:
    """x <- x - learning_rate m^ / (sqrt(v^) + eps), with m^ and v^ the means of g = dL/dx and of g^2, bias-corrected.

    m <- b1 m + (1 - b1) g and v <- b2 v + (1 - b2) g^2; after k steps m^ = m / (1 - b1^k) and v^ = v / (1 - b2^k).

    Args:
        learning_rate: in [x].
        b1: of the mean of g, a pure number from 0 to below 1.
        b2: of the mean of g^2, likewise.
        eps: against division by zero, in [L]/[x].
        weight_decay: in [L]/[x]^2, coupled: g = dL/dx + weight_decay x, of which the normalization leaves only the
            direction where it outweighs dL/dx; ``adamw`` decouples it. None for none.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one gradient; memory of 2d numbers.
    Source:
        Kingma and Ba (2015), arXiv:1412.6980, algorithm 1.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.adam(0.1), steps=2)
        >>> print(trace.x.values.ravel().round(2))
        [1.  0.9 0.8]
    """
    return _decayed(adam, weight_decay, optax.adam, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps)


def adamw(
    learning_rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, weight_decay: float = 1e-4
) -> FirstOrder:
    """Adam with decoupled weight decay, x <- x - learning_rate (m^ / (sqrt(v^) + eps) + weight_decay x) (see ``adam``).

    Args:
        learning_rate: in [x].
        b1: of the mean of the gradient, a pure number from 0 to below 1.
        b2: of the mean of its squares, likewise.
        eps: against division by zero, in [L]/[x].
        weight_decay: in 1/[x].
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one gradient; memory of 2d numbers.
    Source:
        Loshchilov and Hutter (2019), arXiv:1711.05101, algorithm 2.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.adamw(0.1, weight_decay=0.5), steps=2)
        >>> print(trace.x.values.ravel().round(2))
        [1.   0.85 0.71]
    """
    return _made(adamw, optax.adamw, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay)
