"""A step in the loss, walked back through the inverses of all stages, or as far as there are any."""

from typing import Any, Literal

import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Misfit, Objective
from thalweg.methods.first_order import FirstOrder
from thalweg.methods.method import method, static


@method
class InverseSimulator:
    """x <- P^-1(y + learning_rate dy; x), with y = P(x), P^-1 the local inverse of the chain and dy a step of the loss
    in y.

    Each stage is inverted near the point that the present x has before it, so the path stays on its branch. A target
    outside the range of a stage gives what its inverse says, NaN by custom, which the trace keeps.

    Where a stage has no inverse, such as a network of the parameters x, the inverses of the stages after it lead to a
    target u~ of its output u(x), and ``inner`` takes a step on the proxy loss (scale-invariant training): |u(x) - u~|^2
    / 2 or |u(x) - u~|_1, u~ held fixed, the mean over examples where there are any. Its gradient (du/dx)^T (u - u~) has
    no Jacobian of the stages with inverses.

    Without ``inner``, invariant to any invertible change of variables in x, linear or not; with it, to those of the
    stages that are inverted.

    Args:
        learning_rate: with "newton" a pure number, 1 lands on the target of a quadratic loss; with "gradient" in
            [y]^2/[L].
        loss_step: "newton", dy = -(d2L/dy2)^-1 dL/dy, or "gradient", dy = -dL/dy; structure.
        inner: any first-order rule, for the stages that have no inverse; its numbers are swept as
            ``inner_learning_rate``.
        proxy: "l2" or "l1"; structure.
    Raises:
        ValueError: for an unknown word; from ``run`` and ``solve``, where the last stage has no inverse, or another
            one and there is no ``inner``.
    Cost:
        per step one forward pass, one inverse of each stage, the Hessian of the loss in y (none for a sum of squares),
        and with ``inner`` one gradient of the rest of the chain.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, eq. 4 and algorithm 1.
    Example:
        >>> stage = tw.Stage(lambda x: x**3, lambda y, x: jnp.cbrt(y))
        >>> problem = tw.Problem(stage, loss=tw.SquaredError([8.0]), start=[5.0])
        >>> print(tw.run(problem, tw.methods.InverseSimulator(), steps=1).x.values.ravel().round(3))
        [5. 2.]
    """

    learning_rate: float = 1.0
    loss_step: Literal["newton", "gradient"] = static(default="newton")
    inner: FirstOrder | None = None
    proxy: Literal["l2", "l1"] = static(default="l2")

    def __post_init__(self) -> None:
        for name, value, known in (
            ("loss_step", self.loss_step, ("newton", "gradient")),
            ("proxy", self.proxy, ("l2", "l1")),
        ):
            if value not in known:
                raise ValueError(f"{name} is {value!r}, but it is {known[0]!r} or {known[1]!r}; choose one.")

    def init(self, problem: Objective, x: Array, key: Array) -> Any:
        if self.inner is None:
            return ()
        if problem.chain.stages and problem.chain.stages[-1].inverse is None:
            raise ValueError(
                f"stage {problem.chain.stages[-1].name!r}, the last of {problem.name!r}, has no inverse, so that "
                "InverseSimulator(inner=…) would be its inner rule alone; give Stage(forward, inverse=…) or wrap the "
                "stage in numerical_inverse."
            )
        return self.inner.init(problem, x, key)

    def step(self, problem: Objective, x: Array, state: Any) -> tuple[Array, Any]:
        y = self.target(problem, x)
        if self.inner is None:
            return problem.pull_back(y, x), state
        target, left = problem.walk_back(y, x)
        if left == 0:
            return target, state

        def miss(x: Array) -> Array:
            return problem.path(x)[left] - target

        def size(miss: Array) -> Array:
            return self.proxy_loss(miss) / problem.examples.count

        return self.inner.follow(Misfit(miss, problem.derivatives, size), problem.chain.spaces[0], x, state)

    def target(self, problem: Objective, x: Array) -> Array:
        """Where the step of the loss leads in y."""
        y = problem.forward(x)
        dy = problem.newton_in_y(y) if self.loss_step == "newton" else -problem.loss_gradient(y)
        return y + self.learning_rate * dy

    def proxy_loss(self, miss: Array) -> Array:
        """|u - u~|^2 / 2 or |u - u~|_1 of the miss u - u~."""
        return jnp.sum(miss**2) / 2 if self.proxy == "l2" else jnp.sum(jnp.abs(miss))
