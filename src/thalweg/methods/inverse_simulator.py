"""A step in the loss, walked back through the inverses of all stages, or as far as there are any."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, final

import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass

from thalweg.methods.first_order import FirstOrder

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem


@final
@register_dataclass
@dataclass(frozen=True)
class InverseSimulator:
    """x <- P^-1(y + learning_rate dy; x), with y = P(x), P^-1 the local inverse of the chain and dy a step of the loss
    in y.

    ``loss_step`` is "newton", dy = -(d2L/dy2)^-1 dL/dy, whose learning_rate is a pure number and 1 lands on the target
    of a quadratic loss; or "gradient", dy = -dL/dy, whose learning_rate is in [y]^2/[L]. Each stage is inverted near
    the point that the present x has before it, so the path stays on its branch (Holl, Koltun, Thuerey 2022, eq. 4).

    Where a stage has no inverse, such as a network of the parameters x, the inverses of the stages after it lead to a
    target u~ of its output u(x), and ``inner``, any first-order rule, takes a step on the proxy loss: with ``proxy``
    "l2" |u(x) - u~|^2 / 2, with "l1" |u(x) - u~|_1, u~ held fixed, the mean over examples where there are any
    (scale-invariant training; Holl et al. 2022, algorithm 1). Its gradient (du/dx)^T (u - u~) has no Jacobian of the
    stages with inverses.

    Without ``inner``, invariant to any invertible change of variables in x, linear or not; with it, to those of the
    stages that are inverted. A target outside the range of a stage gives what its inverse says, NaN by custom, which
    the trace keeps. Cost per step: one forward pass, one inverse of each stage, the Hessian of the loss in y (none for
    a sum of squares), and with ``inner`` one gradient of the rest of the chain.

    Raises ValueError where a stage has no inverse and there is no ``inner``, and for an unknown word.
    """

    learning_rate: float = 1.0
    loss_step: Literal["newton", "gradient"] = field(default="newton", metadata={"static": True})
    inner: FirstOrder | None = None
    proxy: Literal["l2", "l1"] = field(default="l2", metadata={"static": True})

    def __post_init__(self) -> None:
        for name, value, known in (
            ("loss_step", self.loss_step, ("newton", "gradient")),
            ("proxy", self.proxy, ("l2", "l1")),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}, but it is {known[0]!r} or {known[1]!r}; choose one.")

    def init(self, problem: "Problem", x: Array, key: Array) -> Any:
        return () if self.inner is None else self.inner.init(problem, x, key)

    def step(self, problem: "Problem", x: Array, state: Any) -> tuple[Array, Any]:
        y = self.target(problem, x)
        if self.inner is None:
            return problem.pull_back(y, x), state
        target, left = problem.walk_back(y, x)
        if left == 0:
            return target, state
        return self.inner.step(_Proxy(problem, left, target, self.proxy_loss), x, state)  # pyright: ignore

    def target(self, problem: "Problem", x: Array) -> Array:
        """Where the step of the loss leads in y."""
        y = problem.forward(x)
        dy = problem.newton_in_y(y) if self.loss_step == "newton" else -problem.loss_gradient(y)
        return y + self.learning_rate * dy

    def proxy_loss(self, miss: Array) -> Array:
        """|u - u~|^2 / 2 or |u - u~|_1 of the miss u - u~."""
        return jnp.sum(miss**2) / 2 if self.proxy == "l2" else jnp.sum(jnp.abs(miss))


@final
@dataclass(frozen=True)
class _Proxy:
    """The loss of the first ``stages`` stages with a target for what they give, as far as a first-order rule asks."""

    problem: "Problem"
    stages: int
    target: Array
    loss: Callable[[Array], Array]

    def value(self, x: Array) -> Array:
        return self.loss(self.problem.path(x)[self.stages] - self.target) / (self.problem.examples or 1)

    def gradient(self, x: Array) -> Array:
        return self.problem.derivatives.gradient(self.value, x)
