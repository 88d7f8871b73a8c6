"""Problems and methods of the library by their words: ``ackley:d=2``, a formula, ``adam:learning_rate=0.1;0.2``.

Nothing here opens a file, or runs what a person wrote but for formulas, which only compute.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from thalweg import formula, methods, problems
from thalweg.chain.losses import OfTarget
from thalweg.chain.problem import Problem
from thalweg.methods.sweeps import sweep
from thalweg.numerics.reading import first_line, nearest
from thalweg.words.parameters import REQUIRED, Parameter, parameters

PROBLEMS, METHODS = problems.COMMAND, methods.COMMAND


def named(word: str) -> Problem:
    """The problem of the library that a word names, with its parameters."""
    name, _, rest = word.partition(":")
    return made(PROBLEMS[name], rest, name)


def of_formula(word: str) -> Problem:
    """The loss that a formula is, from ones."""
    loss = formula.compile(word)
    return Problem(loss=loss, start=np.ones(loss.dimension), domain=(-5.0, 5.0), name=word)


def chosen_methods(words: Sequence[str]) -> dict[str, methods.Method]:
    """Methods by name, or by the whole word where a name comes twice."""
    names = [word.partition(":")[0] for word in words]
    labels = [name if names.count(name) == 1 else word for name, word in zip(names, words, strict=True)]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"method {label!r} is given twice; leave one out, or give the two different values.")
    return {label: method(word) for label, word in zip(labels, words, strict=True)}


def suiting(chosen: Problem) -> list[str]:
    """The methods that run for a person who named none; without those that are cubic in d where d is large."""
    words = ["gradient_descent:learning_rate=geom(1e-4,1,5)", "adam:learning_rate=0.1"]
    if chosen.dimension <= 1000:
        words += ["newton", *(["gauss_newton"] if chosen.stages else [])]
    if chosen.stages and all(stage.inverse is not None for stage in chosen.stages):
        words.append("inverse_simulator")
    return words


def finishing(chosen: Problem) -> list[str]:
    """The method that solves for a person who named none."""
    return ["levenberg_marquardt" if isinstance(chosen.loss, OfTarget) else "trust_region"]


def method(word: str) -> methods.Method:
    name, _, rest = word.partition(":")
    if name not in METHODS:
        raise ValueError(nearest(name, METHODS, "a method"))
    given = arguments(rest, parameters(METHODS[name]), name)
    lists = {key: value for key, value in given.items() if isinstance(value, np.ndarray)}
    first = METHODS[name](**{key: value[0] if key in lists else value for key, value in given.items()})
    return sweep(first, **lists) if lists else first


def made(make: Callable[..., Any], rest: str, name: str) -> Problem:
    """The problem that ``make`` gives for the arguments in ``rest``."""
    known = parameters(make)
    given = arguments(rest, known, name)
    for key, value in given.items():
        if isinstance(value, np.ndarray) and not known[key].kind.lists:
            raise ValueError(f"{key} of {name} is a list, but a problem takes one number there; give one.")
    try:
        problem = make(**given)
    except ValueError:
        raise
    except MemoryError as error:
        raise ValueError(f"{name} cannot be made ({first_line(error)}); take fewer components or values.") from error
    except Exception as error:  # of the person's own function: one sentence names what went wrong in it
        raise ValueError(
            f"{name} cannot be made ({type(error).__name__}: {first_line(error)}); correct the function."
        ) from error
    if not isinstance(problem, Problem):
        kind = type(problem).__name__
        raise ValueError(f"{name} returns a {kind}, but it must return a Problem; correct the function.")
    return problem


def split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand outside brackets."""
    depth, parts = 0, [""]
    for character in text:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def arguments(text: str, known: dict[str, Parameter], name: str) -> dict[str, Any]:
    """``key=value,…`` for the known parameters: numbers, flags, words, and arrays where a list was given."""
    given: dict[str, str] = {}
    for pair in split(text, ",") if text else []:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not known:
            raise ValueError(f"{name} takes no parameters, but {pair!r} was given; leave it out.")
        if not equals or not value:
            raise ValueError(f"{pair!r} after {name!r} is not key=value; write {name}:{next(iter(known))}=….")
        if key not in known:
            raise ValueError(nearest(key, known, f"a parameter of {name}"))
        if key in given:
            raise ValueError(f"{key} is given twice for {name!r}; give it once, with ';' between several values.")
        given[key] = value
    for key, parameter in known.items():
        if parameter.default is REQUIRED and key not in given:
            raise ValueError(f"{name} needs {key}; write e.g. {name}:{key}={parameter.kind.example}.")
    return {key: known[key].read(text) for key, text in given.items()}
