"""What a step costs: the evaluations of a problem, counted where the step is traced."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
from jax import Array

from thalweg.chain.differences import Function
from thalweg.chain.problem import Problem
from thalweg.engine.traces import equations
from thalweg.numerics.constants import within

EVALUATIONS = ("value", "gradient", "product", "jacobian", "hessian")  # a product is one of the Hessian with a vector
UNKNOWN = -1  # how many, where evaluations hide in a loop
_SCOPE = "thalweg-evaluation"  # in the names of equations of a trace that evaluate a problem


@final
class _Point(NamedTuple):
    """Where a problem was evaluated: of which kinds, and what came out, by the names of its functions."""

    x: Array
    kinds: set[str]
    known: dict[str, Any]


@final
class Counted:
    """A problem as a method sees it (an ``Objective``) in one trace, with ``counts`` of what is evaluated, by kind.

    Nothing is evaluated twice at one point: what is asked for again is remembered. A value counts once however often it
    is asked for, and not where it is part of a derivative, but for y and the spaces before it, which no gradient
    gives.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem, self.counts = problem, Counter[str]()
        self.name, self.domain, self.data = problem.name, problem.domain, problem.data
        self.derivatives, self.examples, self.chain = problem.derivatives, problem.examples, problem.chain
        self._points: list[_Point] = []

    def _at(self, x: Array) -> _Point:
        # Points are told apart as objects: a trace has no numbers to compare, and its arrays cannot be hashed.
        for point in self._points:
            if point.x is x:
                return point
        self._points.append(_Point(x, set(), {}))
        return self._points[-1]

    def _evaluated(self, name: str, x: Array, evaluate: Callable[[Array], Any], *kinds: str) -> Any:
        """What ``evaluate`` gives at x, or gave there before."""
        point = self._at(x)
        if name not in point.known:
            self.counts.update(set(kinds) - point.kinds)
            point.kinds.update(kinds)
            with jax.named_scope(_SCOPE):
                point.known[name] = evaluate(x)
        return point.known[name]

    def _learned(self, x: Array, value: Array, gradient: Array) -> None:
        self._at(x).known.update(value=value, gradient=gradient, value_and_gradient=(value, gradient))

    def value(self, x: Array) -> Array:
        return self._of_y("value", x, self.chain.loss_at)

    def _of_y(self, name: str, x: Array, f: Callable[[Array], Any]) -> Any:
        """What f makes of y(x), or made of it before."""
        point = self._at(x)
        if name not in point.known:
            point.known[name] = f(self.forward(x))
        return point.known[name]

    def values(self, points: Array) -> Array:
        self.counts["value"] += len(points)
        with jax.named_scope(_SCOPE):
            return self.problem.values(points)

    def gradient(self, x: Array) -> Array:
        return self._evaluated("gradient", x, self.problem.gradient, "gradient")

    def value_and_gradient(self, x: Array) -> tuple[Array, Array]:
        both = self._evaluated("value_and_gradient", x, self.problem.value_and_gradient, "value", "gradient")
        self._learned(x, *both)
        return both

    def hessian(self, x: Array) -> Array:
        return self._evaluated("hessian", x, self.problem.hessian, "hessian")

    def hessian_product(self, x: Array, v: Array) -> tuple[Array, Array, Array]:
        point = self._at(x)
        self.counts.update({"value", "gradient"} - point.kinds | {"product"})
        point.kinds.update(("value", "gradient"))
        with jax.named_scope(_SCOPE):
            value, gradient, product = self.problem.hessian_product(x, v)
        self._learned(x, value, gradient)
        return value, gradient, product

    def path(self, x: Array) -> list[Array]:
        point = self._at(x)
        if "path" not in point.known:
            self.counts["value"] += 1
            point.kinds.add("value")
            with jax.named_scope(_SCOPE):
                point.known["path"] = self.problem.path(x)
            point.known.setdefault("forward", point.known["path"][-1])
        return point.known["path"]

    def forward(self, x: Array) -> Array:
        known = self._at(x).known
        return known["forward"] if "forward" in known else self.path(x)[-1]

    def forward_and_jacobian(self, x: Array) -> tuple[Array, Array]:
        both = self._evaluated("both", x, self.problem.forward_and_jacobian, "value", "jacobian")
        self._at(x).known["forward"] = both[0]
        return both

    def linearize(self, x: Array) -> tuple[Array, Function, Function]:
        y, push, pull = self._evaluated("linearize", x, self.problem.linearize, "value")
        self._at(x).known["forward"] = y
        scoped = jax.named_scope(_SCOPE)  # so that products in a loop are seen, which are of no kind that is counted
        return y, scoped(push), scoped(pull)

    def residual(self, x: Array) -> Array:
        return self._of_y("residual", x, self.problem.residual_at)

    def least_squares(self, x: Array) -> tuple[Array, Array]:
        return self.problem.least_squares_at(*self.forward_and_jacobian(x))

    def loss_gradient(self, y: Array) -> Array:
        return self.problem.loss_gradient(y)

    def loss_hessian(self, y: Array) -> Array:
        return self.problem.loss_hessian(y)

    def newton_in_y(self, y: Array) -> Array:
        return self.problem.newton_in_y(y)

    def walk_back(self, y: Array, x: Array) -> tuple[Array, int]:
        return self.chain.walk_back(y, self.path(x))

    def pull_back(self, y: Array, x: Array) -> Array:
        return self.chain.pull_back(y, self.path(x), self.name)


def in_loops(jaxpr: Any) -> bool:
    """Whether a traced step evaluates a problem in a loop, so that a count of the trace would tell too little."""

    def evaluates(equation: Any) -> bool:
        return _SCOPE in str(equation.source_info.name_stack)

    return any(
        equation.primitive.name in ("while", "scan")
        and not evaluates(equation)
        and any(evaluates(inner) for part in within(equation) for inner in equations(part))
        for equation in equations(jaxpr)
    )
