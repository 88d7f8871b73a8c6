"""A formula that has been read: its steps, and what can be done with them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.numerics.arithmetic import Operation, Term

Step = float | str | Operation  # a number, the name of a variable, or what is done with operands


@final
@dataclass(frozen=True, repr=False)
class Formula:
    """A checked formula: its text, the variables that occur in it (x2 before x10), its steps."""

    text: str
    names: tuple[str, ...]
    steps: tuple[Step, ...] = field(repr=False, compare=False)

    @classmethod
    def of(cls, text: str, steps: tuple[Step, ...]) -> "Formula":
        return cls(text, tuple(sorted({step for step in steps if isinstance(step, str)}, key=natural)), steps)

    def __repr__(self) -> str:
        return f"parse({self.text!r}, {list(self.names)})"

    def __call__(self, values: Mapping[str, Any]) -> Array:
        """The value where each variable has the given value; arrays broadcast elementwise.

        All arithmetic is in the common floating dtype of the values. Those that are arrays of NumPy are data: nothing
        is differentiated by them. Raises KeyError for a variable without a value.
        """
        dtype = jnp.result_type(0.0, *(values[name] for name in self.names))

        def leaf(step: float | str) -> Term:
            if isinstance(step, str) and not isinstance(values[step], np.ndarray):
                return Term(jnp.asarray(values[step], dtype))
            return Term.constant(np.asarray(values[step] if isinstance(step, str) else step, dtype))

        with np.errstate(all="ignore"):  # 1e300 is inf in float32, and log(0) is -inf, without a warning
            return jnp.asarray(self.fold(leaf, lambda operation, terms: operation(*terms)).value)

    def in_numpy(self, values: Mapping[str, Any]) -> np.ndarray:
        """The value in float64 by NumPy alone, where nothing is to be differentiated or compiled."""

        def leaf(step: float | str) -> np.ndarray:
            return np.asarray(values[step] if isinstance(step, str) else step, np.float64)

        with np.errstate(all="ignore"):
            return np.asarray(self.fold(leaf, lambda operation, terms: operation.numpy(*terms)))

    def fold(self, leaf: Callable[[float | str], Any], combine: Callable[[Operation, list[Any]], Any]) -> Any:
        """What the formula comes to where numbers and variables have the meaning of ``leaf``, and operations that of
        ``combine``, of their operands from left to right."""
        stack: list[Any] = []
        # Prefix order read backwards: the operands lie on the stack, leftmost on top.
        for step in reversed(self.steps):
            if isinstance(step, Operation):
                stack.append(combine(step, [stack.pop() for _ in range(step.arity)]))
            else:
                stack.append(leaf(step))
        return stack.pop()

    def parts(self) -> tuple["Formula", ...]:
        """The formula and everything that it is made of, each before its operands."""
        ends = list(range(len(self.steps) + 1))  # where the part that begins at a step ends
        for i in reversed(range(len(self.steps))):
            step, end = self.steps[i], i + 1
            for _ in range(step.arity if isinstance(step, Operation) else 0):
                end = ends[end]
            ends[i] = end
        return tuple(Formula.of(self.text, self.steps[i : ends[i]]) for i in range(len(self.steps)))


def natural(name: str) -> tuple[list[str | int], str]:
    """By which names are sorted: x2 before x10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdecimal() else part for part in parts], name
