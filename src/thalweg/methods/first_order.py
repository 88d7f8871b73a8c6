"""First-order methods: every update rule of optax, on the gradient of the problem."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, final

import jax.numpy as jnp
import optax
from jax import Array
from jax.tree_util import register_dataclass

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem

Static = {"static": True}


@final
@register_dataclass
@dataclass(frozen=True)
class FirstOrder:
    """x <- x + rule(dL/dx), with ``rule`` any optax update rule.

    ``rule`` is a function that makes an ``optax.GradientTransformation`` (``optax.adam``, …), ``hyper`` its numeric
    arguments, which are leaves and can be swept, and ``options`` its remaining arguments as pairs, which are structure.

    Cost per step: one gradient. The pull-back of the loss is the transposed Jacobian: dL/dx = (dy/dx)^T dL/dy, whose
    units [L]/[x] are not those of a step in [x]; the learning rate carries [x]^2/[L] where the rule does not normalize.
    """

    rule: Callable[..., optax.GradientTransformation] = field(metadata=Static)
    hyper: dict[str, Any]
    options: tuple[tuple[str, Any], ...] = field(default=(), metadata=Static)

    def _transformation(self) -> optax.GradientTransformationExtraArgs:
        return optax.with_extra_args_support(self.rule(**self.hyper, **dict(self.options)))

    def init(self, problem: "Problem", x: Array, key: Array) -> Any:
        return self._transformation().init(x)

    def step(self, problem: "Problem", x: Array, state: Any) -> tuple[Array, Any]:
        gradient = problem.gradient(x)
        loss = {"value": problem.value(x), "grad": gradient, "value_fn": problem.value}  # for rules that search a line
        update, state = self._transformation().update(gradient, state, x, **loss)
        return optax.apply_updates(x, update), state  # pyright: ignore[reportReturnType]

    def preconditioner(self, state: Any) -> Array:
        """P, the diagonal by which the rule divides its mean of gradients, so that x <- x - learning_rate P^-1 m.

        sqrt(v^) + eps (adam, adamw), sqrt(v + eps) (rmsprop, adagrad), shape (d,), in [L]/[x]; 1 for other rules. NaN
        before the first step of adam. Source: Cohen et al. (2022), arXiv:2207.14484, section 3.
        """
        numbers = {**self.hyper, **dict(self.options)}
        kept, eps = partial(optax.tree.get, state), numbers.get("eps", 0.0)
        match getattr(self.rule, "__name__", ""):
            case "adam" | "adamw":
                return jnp.sqrt(kept("nu") / (1 - numbers["b2"] ** kept("count"))) + eps
            case "rmsprop":
                v = kept("nu") - (kept("mu") ** 2 if numbers.get("centered") else 0)
                return jnp.sqrt(v + eps) if numbers.get("eps_in_sqrt", True) else jnp.sqrt(v) + eps
            case "adagrad":
                return jnp.sqrt(kept("sum_of_squares") + eps)
        return jnp.ones(())


def from_optax(
    rule: Callable[..., optax.GradientTransformation] | optax.GradientTransformation, **arguments: Any
) -> FirstOrder:
    """A method from an optax rule: ``from_optax(optax.lion, learning_rate=1e-3, b1=0.95)``.

    Numbers become hyperparameters that can be swept; flags, functions (such as schedules), None and what the rule
    annotates as a whole number (a memory, a period) become structure. A finished transformation,
    ``from_optax(optax.lion(1e-3))``, serves too, with nothing to sweep.
    """
    if isinstance(rule, optax.GradientTransformation):
        if arguments:
            raise ValueError(
                f"from_optax was given a finished transformation and {', '.join(arguments)}; "
                "give the rule itself, such as from_optax(optax.adam, learning_rate=0.1)."
            )
        return FirstOrder(_Finished(rule), {})
    whole = {k for k, p in inspect.signature(rule).parameters.items() if p.annotation in (int, "int")}
    hyper = {k: v for k, v in arguments.items() if _is_number(v) and k not in whole}
    return FirstOrder(rule, hyper, tuple((k, v) for k, v in arguments.items() if k not in hyper))


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, Real) or getattr(value, "ndim", None) == 0)


@final
@dataclass(frozen=True)
class _Finished:
    transformation: optax.GradientTransformation

    def __call__(self) -> optax.GradientTransformation:
        return self.transformation


@final
@dataclass(frozen=True)
class _Decayed:
    """A rule on the gradient of L + weight_decay |x|^2 / 2."""

    rule: Callable[..., optax.GradientTransformation]

    @property
    def __name__(self) -> str:
        return self.rule.__name__

    def __call__(self, weight_decay: float, **arguments: Any) -> optax.GradientTransformation:
        return optax.chain(optax.add_decayed_weights(weight_decay), self.rule(**arguments))


def _decayed(
    weight_decay: float | None, rule: Callable[..., optax.GradientTransformation], **arguments: Any
) -> FirstOrder:
    if weight_decay is None:
        return from_optax(rule, **arguments)
    return from_optax(_Decayed(rule), weight_decay=weight_decay, **arguments)


def gradient_descent(learning_rate: float) -> FirstOrder:
    """x <- x - learning_rate dL/dx (Cauchy 1847). Stable on a quadratic for learning_rate < 2 / lambda_max."""
    return from_optax(optax.sgd, learning_rate=learning_rate)


def momentum(learning_rate: float, momentum: float = 0.9) -> FirstOrder:
    """Heavy ball: v <- momentum v + dL/dx, x <- x - learning_rate v (Polyak 1964, eq. 9).

    Stable on a quadratic for learning_rate < 2 (1 + momentum) / lambda_max.
    """
    return from_optax(optax.sgd, learning_rate=learning_rate, momentum=momentum)


def nesterov(learning_rate: float, momentum: float = 0.9) -> FirstOrder:
    """v <- momentum v + dL/dx, x <- x - learning_rate (dL/dx + momentum v) (Nesterov 1983; Sutskever et al. 2013)."""
    return from_optax(optax.sgd, learning_rate=learning_rate, momentum=momentum, nesterov=True)


def adagrad(learning_rate: float, initial_accumulator_value: float = 0.1, eps: float = 1e-7) -> FirstOrder:
    """s <- s + g^2, x <- x - learning_rate g / sqrt(s + eps), g = dL/dx (Duchi, Hazan, Singer 2011).

    Invariant to a scaling of L and of each component of x, but for eps. torch starts at s = 0 with eps = 1e-10.
    """
    return from_optax(
        optax.adagrad, learning_rate=learning_rate, initial_accumulator_value=initial_accumulator_value, eps=eps
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
    """v <- decay v + (1 - decay) g^2, x <- x - learning_rate g / sqrt(v + eps), g = dL/dx (Tieleman, Hinton 2012).

    ``centered`` subtracts the squared running mean of g from v (Graves 2013); ``eps_in_sqrt=False`` adds eps to the
    root, as torch does (with its decay of 0.99); ``momentum`` accumulates the steps; ``weight_decay``, in [L]/[x]^2, is
    coupled: g = dL/dx + weight_decay x.
    """
    return _decayed(
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
    """x <- x - learning_rate m^ / (sqrt(v^) + eps), bias-corrected means of g and g^2 (Kingma, Ba 2015, algorithm 1).

    ``weight_decay``, in [L]/[x]^2, is coupled: g = dL/dx + weight_decay x, of which the normalization leaves only the
    direction where it outweighs dL/dx; ``adamw`` decouples it.
    """
    return _decayed(weight_decay, optax.adam, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps)


def adamw(
    learning_rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, weight_decay: float = 1e-4
) -> FirstOrder:
    """Adam with decoupled weight decay, x <- x - learning_rate (adam + weight_decay x) (Loshchilov, Hutter 2019)."""
    return from_optax(optax.adamw, learning_rate=learning_rate, b1=b1, b2=b2, eps=eps, weight_decay=weight_decay)
