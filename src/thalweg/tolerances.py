"""When a start is done: tolerances, and their combinations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from jax import Array
from jax.tree_util import register_dataclass

from thalweg.numerics.reading import real

__all__ = ["ftol", "gtol", "xtol"]


def __dir__() -> list[str]:
    return __all__


def _both(first: "Condition", second: "Condition") -> "Combination":
    return Combination("and", first, second)


def _either(first: "Condition", second: "Condition") -> "Combination":
    return Combination("or", first, second)


@final
@register_dataclass
@dataclass(frozen=True, repr=False)
class Tolerance:
    """One measure of a step and its bound; made by ``gtol``, ``ftol``, ``xtol``, combined with ``&`` and ``|``."""

    kind: Literal["gtol", "ftol", "xtol"] = field(metadata={"static": True})
    bound: Any

    def __repr__(self) -> str:
        return f"{self.kind}({self.bound!r})"

    __and__, __or__ = _both, _either


@final
@register_dataclass
@dataclass(frozen=True, repr=False)
class Combination:
    """Two conditions, of which both ("and") or one ("or") must be met."""

    operator: Literal["and", "or"] = field(metadata={"static": True})
    first: "Condition"
    second: "Condition"

    def __repr__(self) -> str:
        sign = {"and": "&", "or": "|"}[self.operator]
        sides = (f"({side!r})" if isinstance(side, Combination) else repr(side) for side in (self.first, self.second))
        return f" {sign} ".join(sides)

    __and__, __or__ = _both, _either


Condition = Tolerance | Combination


def gtol(bound: float) -> Tolerance:
    """The gradient is small: max_i |dL/dx_i| <= bound.

    With bounds on x it is that of the projected gradient x - P(x - dL/dx), P the projection into the bounds.

    Args:
        bound: the largest component allowed, in [L]/[x] (in [x] with bounds on x), positive.
    Returns:
        A condition for ``solve(until=…)``, which combines with others by ``&`` and ``|``.
    Raises:
        ValueError: for a bound that is not a positive number.
    Cost:
        None beside the gradient, which is asked for at every step.
    Source:
        Nocedal and Wright (2006), Numerical Optimization, section 17.4 for the projected gradient.
    Example:
        >>> tw.tolerances.gtol(1e-8)
        gtol(1e-08)
    """
    return _tolerance("gtol", bound)


def ftol(bound: float) -> Tolerance:
    """The loss stands still: |L - L'| <= bound max(|L|, |L'|), L before and L' after a step that moved x.

    Args:
        bound: the largest relative change allowed, a pure number, positive.
    Returns:
        A condition for ``solve(until=…)``, which combines with others by ``&`` and ``|``.
    Raises:
        ValueError: for a bound that is not a positive number.
    Cost:
        None beside the loss, which is asked for at every step.
    Example:
        >>> both = tw.tolerances.ftol(1e-9) & tw.tolerances.gtol(1e-4)  # after the same step
        >>> both
        ftol(1e-09) & gtol(0.0001)
    """
    return _tolerance("ftol", bound)


def xtol(bound: float) -> Tolerance:
    """Steps are short: max_i |x_i - x'_i| / |x_i| <= bound, x before and x' after a step that moved x.

    Each component is measured by its own size, so the bound is the same in any units of x_i. Also met where a method is
    stuck: steps have become so short that they leave x as it is.

    Args:
        bound: the largest relative change allowed, a pure number, positive.
    Returns:
        A condition for ``solve(until=…)``, which combines with others by ``&`` and ``|``.
    Raises:
        ValueError: for a bound that is not a positive number.
    Cost:
        One comparison of d numbers a step.
    Example:
        >>> either = tw.tolerances.xtol(1e-8) | tw.tolerances.gtol(1e-6)
        >>> either
        xtol(1e-08) | gtol(1e-06)
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
