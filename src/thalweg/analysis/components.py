"""What components are called, and which of a vector are looked at: one or two, by label or index."""

from collections.abc import Sequence

from thalweg.chain.problem import Problem
from thalweg.formula import VectorFormula

Components = Sequence[str | int]


def some(labels: Sequence[str]) -> str:
    """The first six labels, for a sentence."""
    return ", ".join(map(repr, labels[:6])) + (", …" if len(labels) > 6 else "")


def index_of(labels: Sequence[str], component: str | int) -> int | None:
    """The index of a component, None where there is no such one."""
    if isinstance(component, str):
        return labels.index(component) if component in labels else None
    return int(component) if 0 <= component < len(labels) else None


def looked_at(labels: Sequence[str], components: Components | None, space: str) -> list[int]:
    """The indices of the components to look at: all of one or two, else those of ``components``."""
    if len(labels) <= 2:
        return list(range(len(labels)))
    if components is None:
        raise ValueError(
            f"{space} has {len(labels)} components, but a landscape has two; "
            f"choose a pair of {some(labels)}, such as components=({labels[0]!r}, {labels[1]!r})."
        )
    indices = [index_of(labels, component) for component in components] if not isinstance(components, str) else []
    if len(indices) != 2 or None in indices or indices[0] == indices[1]:
        raise ValueError(
            f"components is {components!r}, but it must be two different components of {space}; "
            f"choose labels from {some(labels)} or indices from 0 to {len(labels) - 1}."
        )
    return [i for i in indices if i is not None]


def names_of(problem: Problem) -> list[str]:
    """What the components of x are called: as in the formula, a pytree's own names, or x0, x1, … and x[0,1], …"""
    if isinstance(problem.loss, VectorFormula) and not problem.stages:
        return list(problem.loss.names)
    return [_named(label) for label in problem.chain.spaces[0].labels]


def _named(label: str) -> str:
    """x1 and x[0,1] for entries of an array alone; the person's own names of a pytree stay."""
    return f"x{label}" if label.isdigit() else f"x[{label}]" if label[0].isdigit() and "," in label else label
