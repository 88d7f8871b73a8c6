"""A step in the loss, walked back through the inverses of all stages."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, final

from jax import Array
from jax.tree_util import register_dataclass

if TYPE_CHECKING:
    from thalweg.problem import Problem


@final
@register_dataclass
@dataclass(frozen=True)
class InverseSimulator:
    """x <- P^-1(y + learning_rate dy; x), with y = P(x), P^-1 the local inverse of the chain and dy a step of the loss
    in y.

    ``loss_step`` is "newton", dy = -(d2L/dy2)^-1 dL/dy, whose learning_rate is a pure number and 1 lands on the target
    of a quadratic loss; or "gradient", dy = -dL/dy, whose learning_rate is in [y]^2/[L]. Each stage is inverted near
    the point that the present x has before it, so the path stays on its branch (Holl, Koltun, Thuerey 2022, eq. 4).

    Invariant to any invertible change of variables in x, linear or not. A target outside the range of a stage gives
    what its inverse says, NaN by custom, which the trace keeps. Cost per step: one forward pass, one inverse of each
    stage, and the Hessian of the loss in y.

    Raises ValueError where a stage has no inverse, or for an unknown ``loss_step``.
    """

    learning_rate: float = 1.0
    loss_step: Literal["newton", "gradient"] = field(default="newton", metadata={"static": True})

    def init(self, problem: "Problem", x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: "Problem", x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        y = problem.forward(x)
        if self.loss_step == "newton":
            dy = problem.newton_in_y(y)
        elif self.loss_step == "gradient":
            dy = -problem.loss_gradient(y)
        else:
            raise ValueError(
                f"loss_step is {self.loss_step!r}, but a step of the loss is 'newton' or 'gradient'; choose one."
            )
        return problem.pull_back(y + self.learning_rate * dy, x), state
