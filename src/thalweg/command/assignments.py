"""``--start``, ``--range``, ``--bound`` and ``--fix``: the problem of the command line with the box and the starts that
a person assigns.

A start is numbers between commas, ``500,1e-4``, or by name, ``b1=500,b2=1e-4``; a range goes by name, ``b1=0:1000``,
and so do bounds, ``b1=0:``, and what is fixed, ``b1=0``.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg import starts
from thalweg.analysis.components import names_of
from thalweg.chain.problem import Problem
from thalweg.command import words
from thalweg.command.groups import read_groups
from thalweg.command.options import Beginning
from thalweg.numerics.reading import nearest
from thalweg.problems import guesses, start_ranges
from thalweg.problems.models import model_of
from thalweg.words import library
from thalweg.words.parameters import number

Box = tuple[np.ndarray, np.ndarray]
_WORD = re.compile(r"[^\W\d]\w*")  # that may be the name of a parameter


def posed(word: str, begin: Beginning) -> tuple[Problem, Any]:
    """The problem that a word means, in the box of the ranges, and its starts: a point, several drawn ones, or None for
    its own."""
    if begin.start is not None and begin.starts is not None:
        raise ValueError(
            "--start and --starts were both given, but paths begin at one point or at drawn ones; give one."
        )
    given, boxes = read_start(begin.start), read_ranges(begin.ranges)
    problem = words.problem(word, given if isinstance(given, list) else None)
    point = started(problem, given) if isinstance(given, dict) else given
    problem = ranged(problem, boxes) if boxes else problem
    limits = read_bounds(begin.bounds) | {name: (at, at) for name, at in read_fixed(begin.fixed).items()}
    box, problem = problem.domain, bounded(problem, limits) if limits else problem
    if begin.starts is not None:
        return problem, _drawn(problem, _common(problem, box, boxes) if limits else box, begin.starts, begin.seed)
    if point is not None and len(point) != problem.dimension:
        raise ValueError(
            f"--start has {len(point)} numbers, but x of {problem.name!r} has {problem.dimension}; "
            f"give {problem.dimension} between commas."
        )
    check_start(problem, boxes, problem.start if point is None else point)
    return problem, point


def fitted(
    word: str,
    model: str | Mapping[str, str],
    y: str | list[str] | None,
    begin: Beginning,
    sigma: str | None = None,
    groups: Sequence[str] = (),
    priors: Sequence[str] = (),
    others: Sequence[str] = (),
    **more: Any,
) -> tuple[Problem, Any]:
    """The regression of a table, and its starts; --start beside --starts says where these are drawn. ``more`` as
    ``problems.regression`` has it. What is said of a parameter that only ``others`` have is theirs."""
    given = read_start(begin.start)
    if isinstance(given, list):
        raise ValueError(
            "--start is without names, but parameters of a model have some; write e.g. --start b1=500,b2=1e-4."
        )
    own = model if isinstance(model, str) else " ".join(model.values())
    theirs = set(_WORD.findall(" ".join(others))).difference(_WORD.findall(own))
    said = (
        given or {},
        read_ranges(begin.ranges),
        read_bounds(begin.bounds),
        read_fixed(begin.fixed),
        read_priors(priors),
    )
    given, boxes, limits, fixed, known = (
        {name: at for name, at in one.items() if name.partition("[")[0] not in theirs} for one in said
    )
    more |= {"priors": known} if known else {}
    more |= {"bounds": limits, "fixed": fixed, "sigma": read_sigma(sigma), "groups": read_groups(groups, theirs)}
    problem = words.regression(word, model, y, given, boxes, **more)
    if begin.starts is None:
        return problem, None
    known = model_of(problem)
    if known is not None and known.unsaid:
        return problem, guesses(problem, begin.starts, begin.seed)
    return problem, _drawn(problem, start_ranges(problem), begin.starts, begin.seed)


def _drawn(problem: Problem, box: Box | None, count: int, seed: int) -> np.ndarray:
    if box is None:
        raise ValueError(f"{problem.name!r} has no domain from which --starts could be drawn; give --start.")
    return starts.uniform(box, count, seed)


def _common(problem: Problem, box: Box | None, ranges: Collection[str]) -> Box | None:
    """What a box and the bounds of a problem have in common, from which random starts are drawn: the bounds alone where
    that is nothing and no range was given; None where a side of it is open."""
    assert problem.domain is not None
    low, high = (np.array(side) for side in problem.domain)
    if box is not None:
        apart = np.maximum(low, box[0]) > np.minimum(high, box[1])
        for name, nothing in zip(names_of(problem), apart, strict=True):
            if nothing and name in ranges:
                raise ValueError(f"the range of {name!r} and its bounds have nothing in common; move one of them.")
        low, high = np.where(apart, low, np.maximum(low, box[0])), np.where(apart, high, np.minimum(high, box[1]))
    return (low, high) if np.isfinite([low, high]).all() else None


def read_start(text: str | None) -> list[float] | dict[str, float] | None:
    """``--start``: numbers between commas, or numbers by name."""
    if text is None:
        return None
    if "=" not in text:
        return [number(word, "--start") for word in text.split(",")]
    return _by_name("--start", library.split(text, ","), "--start b1=500,b2=1e-4")


def _parted(text: str) -> tuple[str, str | None]:
    """name and what is said of it, None where nothing is; a name may have the sign within brackets, as k[T=5]."""
    name, *rest = library.split(text, "=")
    return name.strip(), "=".join(rest).strip() if rest else None


def _by_name(option: str, given: Sequence[str], example: str) -> dict[str, float]:
    """Numbers by name, each given once."""
    numbers: dict[str, float] = {}
    for word in given:
        name, value = _parted(word)
        if not name or value is None:
            raise ValueError(f"{option} has {word!r} where name=number is due; write e.g. {example}.")
        if name in numbers:
            raise ValueError(f"{option} has {name} twice; give it once.")
        numbers[name] = number(value, f"{option} of {name}")
    return numbers


def _sides(option: str, texts: Sequence[str], example: str) -> dict[str, tuple[str, str]]:
    """What stands on both sides of the colon, by name, each given once."""
    sides: dict[str, tuple[str, str]] = {}
    for text in texts:
        name, ends = _parted(text)
        low, colon, high = (part.strip() for part in (ends or "").partition(":"))
        if not name or not colon:
            raise ValueError(f"{option} is {text!r}, but it must be name=low:high; write e.g. {option} {example}.")
        if name in sides:
            raise ValueError(f"{option} of {name} is given twice; give it once.")
        sides[name] = low, high
    return sides


def read_ranges(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each ``--range``, one for a name."""
    ranges: dict[str, tuple[float, float]] = {}
    for name, ends in _sides("--range", texts, "b1=0:1000").items():
        low, high = (number(end, f"--range of {name}") for end in ends)
        if not low < high:
            raise ValueError(
                f"--range of {name} is from {low:g} to {high:g}, but low must be below high; turn it round."
            )
        ranges[name] = low, high
    return ranges


def read_bounds(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each ``--bound``, one for a name, infinite where a side is left open."""
    bounds: dict[str, tuple[float, float]] = {}
    for name, (low, high) in _sides("--bound", texts, "b1=0:").items():
        least = -np.inf if low in ("", "-inf") else number(low, f"--bound of {name}")
        most = np.inf if high in ("", "inf", "+inf") else number(high, f"--bound of {name}")
        if not least <= most or np.isinf([least, most]).all():
            told = "bounds nothing" if least < most else f"is from {least:g} to {most:g}, low above high"
            raise ValueError(f"--bound of {name} {told}; write {name}=low:high, or leave one of the two out.")
        bounds[name] = least, most
    return bounds


def read_fixed(texts: Sequence[str]) -> dict[str, float]:
    """Each ``--fix``, of one name or several."""
    return _by_name("--fix", [word for text in texts for word in library.split(text, ",")], "--fix b1=0")


def read_priors(texts: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Each ``--prior``: mean and standard deviation by name."""
    priors: dict[str, tuple[float, float]] = {}
    for text in texts:
        name, pair = _parted(text)
        ends = re.split(r"\s*(?:\+/?-|±)\s*(?=[\d.])", pair or "")
        if not name or len(ends) != 2:
            raise ValueError(
                f"--prior is {text!r}, but it must be name=mean+-deviation; write e.g. --prior k=0.1+-0.02."
            )
        if name in priors:
            raise ValueError(f"--prior of {name} is given twice; give it once.")
        mean, deviation = (number(end, f"--prior of {name}") for end in ends)
        priors[name] = mean, deviation
    return priors


def read_responses(text: str) -> str | list[str]:
    """``--y``: a column, or a formula of columns, or several between commas that have the same model."""
    names = [name.strip() for name in library.split(text, ",")]
    return names if len(names) > 1 else text


def read_sigma(text: str | None) -> str | float | dict[str, str | float] | None:
    """``--sigma``: a number, or else the name of a column; of several responses, one for each, ``A=0.1,B=errors``."""
    if text is None:
        return None
    if "=" not in text:
        return _number_or_name(text)
    pairs = [_parted(part) for part in library.split(text, ",")]
    if not all(name and said for name, said in pairs):
        raise ValueError(
            f"--sigma is {text!r}, but of several responses it is one for each; write e.g. --sigma A=0.1,B=errors."
        )
    return {name: _number_or_name(said or "") for name, said in pairs}


def _number_or_name(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


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
        missing = next(name for name in names_of(problem) if name not in ranges)
        raise ValueError(
            f"{problem.name!r} has no domain, so that each component needs a range; give --range for {missing} too."
        )
    low, high = np.zeros((2, problem.dimension)) if problem.domain is None else np.array(problem.domain)
    low[at], high[at] = np.array(list(ranges.values())).T
    return problem.within((low, high))


def bounded(problem: Problem, bounds: dict[str, tuple[float, float]]) -> Problem:
    """The problem with these bounds alone as its domain."""
    at = _indices(problem, bounds)
    low, high = np.full(problem.dimension, -np.inf), np.full(problem.dimension, np.inf)
    low[at], high[at] = np.array(list(bounds.values())).T
    return problem.within((low, high))


def check_start(problem: Problem, ranges: dict[str, tuple[float, float]], start: Any) -> None:
    """ValueError where a component of the start lies outside its range."""
    values = dict(zip(names_of(problem), start, strict=True))
    for name, (low, high) in ranges.items():
        if not low <= values[name] <= high:
            raise ValueError(
                f"the start of {name!r} is {values[name]:g}, outside its range from {low:g} to {high:g}; "
                "move one of them."
            )


def _indices(problem: Problem, given: dict) -> list[int]:
    names = names_of(problem)
    for name in given:
        if name not in names:
            raise ValueError(nearest(name, names, f"a component of x of {problem.name!r}"))
    return [names.index(name) for name in given]
