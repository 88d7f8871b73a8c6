"""When a start is done: tolerances, and their combinations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from jax import Array
from jax.tree_util import register_dataclass

from thalweg.numerics.reading import real


def _both(first: "Condition", second: "Condition") -> "Combination":
    return Combination("and", first, second)


def _either(first: "Condition", second: "Condition") -> "Combination":
    return Combination("or", first, second)


@final
@register_dataclass
@dataclass(frozen=True)
class Tolerance:
    """One measure of a step and its bound; made by ``gtol``, ``ftol``, ``xtol``, combined with ``&`` and ``|``."""

    kind: Literal["gtol", "ftol", "xtol"] = field(metadata={"static": True})
    bound: Any

    __and__, __or__ = _both, _either


@final
@register_dataclass
@dataclass(frozen=True)
class Combination:
    """Two conditions, of which both ("and") or one ("or") must be met."""

    operator: Literal["and", "or"] = field(metadata={"static": True})
    first: "Condition"
    second: "Condition"

    __and__, __or__ = _both, _either


Condition = Tolerance | Combination


def gtol(bound: float) -> Tolerance:
    """max_i |dL/dx_i| <= bound, in [L]/[x]; with bounds on x, of the projected gradient x - P(x - dL/dx)."""
    return _tolerance("gtol", bound)


def ftol(bound: float) -> Tolerance:
    """|L - L'| <= bound max(|L|, |L'|) over a step that moved x; a pure number."""
    return _tolerance("ftol", bound)


def xtol(bound: float) -> Tolerance:
    """max_i |x_i - x'_i| / |x_i| <= bound over a step that moved x; a pure number, the same in any units of x_i.

    Also met where a method is stuck: steps have become so short that they leave x as it is.
    """
    return _tolerance("xtol", bound)


def _tolerance(kind: Literal["gtol", "ftol", "xtol"], bound: float) -> Tolerance:
    try:
        number = real(bound)
    except (TypeError, ValueError):
        number = real([])
    if number.shape != () or not number > 0:
        raise ValueError(f"{kind} is {bound!r}, but a tolerance is a positive number; give e.g. {kind}(1e-8).")
    return Tolerance(kind, float(number))


def alternatives(condition: Condition | None) -> list[Condition]:
    """The conditions of which one is enough, in the order they were written."""
    if isinstance(condition, Combination) and condition.operator == "or":
        return alternatives(condition.first) + alternatives(condition.second)
    return [] if condition is None else [condition]


def label(condition: Condition) -> str:
    """The condition as one word, such as ``gtol_and_xtol``."""
    if isinstance(condition, Tolerance):
        return condition.kind
    return f"{label(condition.first)}_{condition.operator}_{label(condition.second)}"


def kinds(condition: Condition | None) -> set[str]:
    """The measures that a condition asks for."""
    if isinstance(condition, Tolerance):
        return {condition.kind}
    return set() if condition is None else kinds(condition.first) | kinds(condition.second)


def met(condition: Condition, measures: Mapping[str, Array]) -> Array:
    """Whether measures, one of each kind that is asked for, keep their bounds."""
    if isinstance(condition, Tolerance):
        return measures[condition.kind] <= condition.bound
    first, second = met(condition.first, measures), met(condition.second, measures)
    return first & second if condition.operator == "and" else first | second
