"""What a step costs: the evaluations of a problem, counted where the step is traced."""

from collections import Counter
from collections.abc import Callable
from copy import copy
from typing import Any

import jax
from jax import Array

from thalweg.chain.problem import Problem

# What each function of a problem evaluates at a point; a product is one of the Hessian with a vector.
_EVALUATED = {
    "forward": ("value",),
    "value": ("value",),
    "gradient": ("gradient",),
    "value_and_gradient": ("value", "gradient"),
    "hessian_product": ("value", "gradient", "product"),
    "jacobian": ("jacobian",),
    "hessian": ("hessian",),
}
KINDS = ("value", "gradient", "product", "jacobian", "hessian")
UNKNOWN = -1  # how many, where evaluations hide in a loop
_SCOPE = "thalweg-evaluation"


def counted(problem: Problem) -> tuple[Problem, Counter[str]]:
    """A copy of a problem for one trace, with a count of what it evaluates.

    The copy evaluates nothing twice at one point: what is asked for again is remembered. Points are told apart as
    objects. A value counts once however often it is asked for, and not where it is part of a derivative.
    """
    problem, counts = copy(problem), Counter[str]()
    known: dict[tuple[str, int], tuple[Array, Any]] = {}
    seen: set[tuple[str, int]] = set()
    inside: list[str] = []

    def keep(name: str, x: Array, result: Any) -> Any:
        known[name, id(x)] = x, result  # x too, so that no other object gets its id
        return result

    def remember(name: str, evaluate: Callable[..., Any]) -> Callable[..., Any]:
        def at(x: Array, *direction: Array) -> Any:
            if inside:  # a part of another evaluation
                return evaluate(x, *direction)
            if not direction and (name, id(x)) in known:
                return known[name, id(x)][1]
            counts.update(kind for kind in _EVALUATED[name] if (kind, id(x)) not in seen or kind == "product")
            seen.update((kind, id(x)) for kind in _EVALUATED[name])
            inside.append(name)
            with jax.named_scope(_SCOPE):
                result = evaluate(x, *direction)
            inside.pop()
            if name in ("value_and_gradient", "hessian_product"):
                keep("value", x, result[0])
                keep("gradient", x, result[1])
                keep("value_and_gradient", x, result[:2])
            return keep(name, x, result)

        return at

    for name in _EVALUATED:
        setattr(problem, name, remember(name, getattr(problem, name)))
    return problem, counts


def in_loops(jaxpr: Any) -> bool:
    """Whether a traced step evaluates a problem in a loop, so that a count of the trace would tell too little."""

    def evaluates(equation: Any) -> bool:
        return _SCOPE in str(equation.source_info.name_stack)

    def inner(equation: Any) -> list[Any]:
        values = [v for value in equation.params.values() for v in (value if isinstance(value, tuple) else (value,))]
        return [getattr(value, "jaxpr", value) for value in values if hasattr(getattr(value, "jaxpr", value), "eqns")]

    def anywhere(jaxpr: Any, test: Callable[[Any], bool]) -> bool:
        return any(test(e) or any(anywhere(part, test) for part in inner(e)) for e in jaxpr.eqns)

    def loops(equation: Any) -> bool:
        is_loop = equation.primitive.name in ("while", "scan") and not evaluates(equation)
        return is_loop and any(anywhere(part, evaluates) for part in inner(equation))

    return anywhere(jaxpr, loops)
