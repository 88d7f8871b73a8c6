"""When a start is done: tolerances, and their combinations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

from jax import Array
from jax.tree_util import register_dataclass

from thalweg.numerics.reading import real

__all__ = ["decrement", "ftol", "gtol", "step", "xtol"]

Kind = Literal["gtol", "ftol", "xtol", "step", "decrement"]

GTOL = 1e-6  # of the default


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
    """One measure of a step and its bound; made by ``gtol`` and the others, combined with ``&`` and ``|``."""

    kind: Kind = field(metadata={"static": True})
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
    name: str = field(default="", metadata={"static": True})  # instead of those of both

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


def step(bound: float) -> Tolerance:
    """What is left to go is short: max_i |p_i| / |x_i| <= bound, p the whole step of the method's model.

    A Newton-like method knows p at x; a line search measures the last p that it took whole and at once; the model of a
    method without one, such as gradient descent, is the curvature along its last move. So the bound means the same in
    any units of x_i and of L, for short steps as for long ones. Where x_i has come near 0, its largest size on the way
    times eps^(1/4) takes its place, eps the rounding of one in this precision.

    Also met where a method is stuck and p is below eps^(1/4) or promises no more of L than is rounding. Where it is
    stuck and has no model, p counts as sqrt(eps).

    Args:
        bound: the largest relative step allowed, a pure number, positive.
    Returns:
        A condition for ``solve(until=…)``, which combines with others by ``&`` and ``|``.
    Raises:
        ValueError: for a bound that is not a positive number.
    Cost:
        O(d) numbers a step, and for trust regions and Levenberg-Marquardt O(d^2); a method without a model also
        remembers the gradient before.
    Source:
        Dennis and Schnabel (1996), Numerical Methods for Unconstrained Optimization, section 7.2, for the sizes.
    Example:
        >>> tiny = tw.Problem(loss=lambda x: 1e-20 * jnp.sum((x - 3.0) ** 2), start=[1.0])
        >>> print(tw.solve(tiny, tw.methods.BFGS(), until=tw.tolerances.step(1e-8)).x.values.ravel().round(6))
        [3.]
    """
    return _tolerance("step", bound)


def decrement(bound: float) -> Tolerance:
    """What is left to win is little: the whole step p of the method's model promises to lower L by at most bound |L|.

    For L = |r|^2 / 2 and a method of least squares that is the squared cosine between r and the columns of its
    Jacobian: 1 where they could take all of r, 0 at a minimum, in any units of x and of L. For Newton's method it is
    -g^T p / 2 over |L|, g = dL/dx. What is below the rounding of x counts as 0. Which p that is, and what is met where
    a method is stuck: as for ``step``.

    Args:
        bound: the largest relative decrease allowed, a pure number, positive.
    Returns:
        A condition for ``solve(until=…)``, which combines with others by ``&`` and ``|``.
    Raises:
        ValueError: for a bound that is not a positive number.
    Cost:
        As ``step``.
    Source:
        Bates and Watts (1981), Technometrics 23, for least squares; Boyd and Vandenberghe (2004), Convex Optimization,
        section 9.5.1, for Newton's decrement.
    Example:
        >>> either = tw.tolerances.decrement(1e-20) | tw.tolerances.step(1e-10)
        >>> either
        decrement(1e-20) | step(1e-10)
    """
    return _tolerance("decrement", bound)


def default(eps: float) -> Condition:
    """What ``solve`` and ``minimize`` ask for where nothing is given, with the rounding of one in their precision: a
    short step to go and a small gradient in the units of the loss, or without this one a very short step."""
    near = Combination("and", gtol(GTOL), step(max(GTOL, eps**0.5)), "gtol")
    return near | step(min(eps ** (2 / 3), GTOL))


def _tolerance(kind: Kind, bound: float) -> Tolerance:
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
    return condition.name or f"{label(condition.first)}_{condition.operator}_{label(condition.second)}"


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
