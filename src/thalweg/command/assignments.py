"""Components of x by their names on the command line: ``b1=500,b2=1e-4`` and ``b1=0:1000``."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from thalweg.chain.problem import Problem
from thalweg.command import words
from thalweg.formula import VectorFormula
from thalweg.numerics.reading import nearest


def components(problem: Problem) -> list[str]:
    """What the components of x are called: as in the formula, a pytree's own names, or x0, x1, …"""
    if isinstance(problem.loss, VectorFormula) and not problem.stages:
        return list(problem.loss.names)
    return [f"x{label}" if label.isdigit() else label for label in problem.chain.spaces[0].labels]


def read_start(text: str) -> list[float] | dict[str, float]:
    """``--start``: numbers between commas, or numbers by name."""
    if "=" not in text:
        return [words.number(word, "--start") for word in text.split(",")]
    numbers: dict[str, float] = {}
    for word in text.split(","):
        name, equals, value = (part.strip() for part in word.partition("="))
        if not name or not equals:
            raise ValueError(f"--start has {word!r} where name=number is due; write e.g. --start b1=500,b2=1e-4.")
        if name in numbers:
            raise ValueError(f"--start has {name} twice; give it once.")
        numbers[name] = words.number(value, f"--start of {name}")
    return numbers


def read_ranges(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each ``--range``, one for a name."""
    ranges: dict[str, tuple[float, float]] = {}
    for text in texts:
        name, _, ends = (part.strip() for part in text.partition("="))
        low, colon, high = ends.partition(":")
        if not name or not colon:
            raise ValueError(f"--range is {text!r}, but it must be name=low:high; write e.g. --range b1=0:1000.")
        if name in ranges:
            raise ValueError(f"--range of {name} is given twice; give it once.")
        low, high = (words.number(end, f"--range of {name}") for end in (low, high))
        if not low < high:
            raise ValueError(
                f"--range of {name} is from {low:g} to {high:g}, but low must be below high; turn it round."
            )
        ranges[name] = low, high
    return ranges


def started(problem: Problem, numbers: dict[str, float]) -> list[float]:
    """The start of the problem with the components that are given."""
    at = _indices(problem, numbers)
    point = problem.start.copy()
    point[at] = list(numbers.values())
    return point.tolist()


def ranged(problem: Problem, ranges: dict[str, tuple[float, float]]) -> Problem:
    """The problem in a box with the sides that are given; ValueError where it has no box and not all are."""
    at = _indices(problem, ranges)
    if problem.domain is None and len(at) < problem.dimension:
        missing = next(name for name in components(problem) if name not in ranges)
        raise ValueError(
            f"{problem.name!r} has no domain, so that each component needs a range; give --range for {missing} too."
        )
    low, high = np.zeros((2, problem.dimension)) if problem.domain is None else np.array(problem.domain)
    low[at], high[at] = np.array(list(ranges.values())).T
    return problem.within((low, high))


def check_start(problem: Problem, ranges: dict[str, tuple[float, float]], start: Any) -> None:
    """ValueError where a component of the start lies outside its range."""
    values = dict(zip(components(problem), start, strict=True))
    for name, (low, high) in ranges.items():
        if not low <= values[name] <= high:
            raise ValueError(
                f"the start of {name!r} is {values[name]:g}, outside its range from {low:g} to {high:g}; "
                "move one of them."
            )


def _indices(problem: Problem, given: dict) -> list[int]:
    names = components(problem)
    for name in given:
        if name not in names:
            raise ValueError(nearest(name, names, f"a component of x of {problem.name!r}"))
    return [names.index(name) for name in given]
