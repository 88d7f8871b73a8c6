"""The words of the command line: what ``ackley:d=2``, a formula or ``adam:learning_rate=0.1;0.2`` means."""

import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import numpy as np

from thalweg import formula, methods, problems
from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.methods.sweeps import sweep
from thalweg.numerics.reading import first_line, nearest

MOST = 1_000_000  # values of one list
PROBLEMS: dict[str, Callable[..., Problem]] = {
    name: getattr(problems, name)
    for name in problems.__all__
    if inspect.isfunction(getattr(problems, name))
    and name not in ("nist", "regression")  # which go by the paths of their files
}
METHODS: dict[str, Callable[..., methods.Method]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): getattr(methods, name)
    for name in sorted(methods.__all__, key=str.lower)
    if name not in ("Method", "Report", "FirstOrder") and not name.startswith("from_")
}


def number(text: str, what: str) -> float:
    """A finite number, or the value of an expression such as 1/3 or 2*pi; ValueError says of ``what`` it is none."""
    try:
        value = float(text)  # first, because an expression is compiled
    except ValueError:
        try:
            value = formula.number(text)
        except ValueError:
            value = np.nan
    if not np.isfinite(value):
        raise ValueError(f"{what} is {text!r}, but it must be a finite number; write one such as 0.1, 1e-3 or 1/3.")
    return value


def problem(word: str, point: Sequence[float] | None) -> Problem:
    """The problem that a word means; ``point`` is where the loss of a file, which has no start of its own, begins."""
    name, _, rest = word.partition(":")
    if name in PROBLEMS:
        return _made(PROBLEMS[name], rest, name)
    if name.endswith(".py"):
        return _from_file(Path(name), rest, point)
    if is_table(name) and os.path.isfile(name):
        raise ValueError(f"{name} is a table, which is fitted; write thalweg solve {name} --model … --y ….")
    if name.endswith(".dat") or os.path.isfile(name):
        return _made(partial(problems.nist, name), rest, name)
    if re.fullmatch(r"\w{3,}", name) and not re.fullmatch(r"x\d+", name):
        raise ValueError(nearest(name, PROBLEMS, "a problem of the library, a file or a formula"))
    if os.path.isdir(name) or re.search(r"\.[A-Za-z]{2,}$", name):
        raise ValueError(f"{name!r} is not a file; give the path of a Python file or of a NIST .dat file.")
    if name.startswith("--"):
        raise ValueError(f"{name} is not an option of this command; --help after the command lists them.")
    loss = formula.compile(word)
    return Problem(loss=loss, start=np.ones(loss.dimension), domain=(-5.0, 5.0), name=word)


def is_table(word: str) -> bool:
    """Whether a word for a problem is the path of a CSV file."""
    return word.partition(":")[0].lower().endswith(".csv")


def regression(
    word: str, model: str, y: str, start: dict[str, float] | None, ranges: dict[str, tuple[float, float]]
) -> Problem:
    """The fit of a formula to the CSV file that a word is the path of."""
    name, _, rest = word.partition(":")
    return _made(partial(problems.regression, name, model, y, start, ranges), rest, name)


def chosen_methods(words: Sequence[str]) -> dict[str, methods.Method]:
    """Methods by name, or by the whole word where a name comes twice."""
    names = [word.partition(":")[0] for word in words]
    labels = [name if names.count(name) == 1 else word for name, word in zip(names, words, strict=True)]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"method {label!r} is given twice; leave one out, or give the two different values.")
    return {label: _method(word) for label, word in zip(labels, words, strict=True)}


def fitting(chosen: Problem) -> list[str]:
    """Methods for a person who named none; without those that are cubic in d where d is large."""
    words = ["gradient_descent:learning_rate=geom(1e-4,1,5)", "adam:learning_rate=0.1"]
    if chosen.dimension <= 1000:
        words += ["newton", *(["gauss_newton"] if chosen.stages else [])]
    if chosen.stages and all(stage.inverse is not None for stage in chosen.stages):
        words.append("inverse_simulator")
    return words


def finishing(chosen: Problem) -> list[str]:
    """The method that solves for a person who named none."""
    return ["levenberg_marquardt" if isinstance(chosen.loss, SquaredError) else "trust_region"]


def parameters(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What can be given by name, in a word: not a method within a method."""
    every = inspect.signature(make).parameters
    many = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return {key: p for key, p in every.items() if p.kind not in many and "FirstOrder" not in str(p.annotation)}


def _method(word: str) -> methods.Method:
    name, _, rest = word.partition(":")
    if name not in METHODS:
        raise ValueError(nearest(name, METHODS, "a method"))
    arguments = _arguments(rest, parameters(METHODS[name]), name)
    lists = {key: value for key, value in arguments.items() if isinstance(value, np.ndarray)}
    method = METHODS[name](**{key: value[0] if key in lists else value for key, value in arguments.items()})
    return sweep(method, **lists) if lists else method


def _made(make: Callable[..., Any], rest: str, name: str) -> Problem:
    """The problem that ``make`` gives for the arguments in ``rest``."""
    known = parameters(make)
    arguments = _arguments(rest, known, name)
    for key, value in arguments.items():
        annotation = known[key].annotation
        many = annotation is inspect.Parameter.empty or "Sequence" in str(annotation)
        if isinstance(value, np.ndarray) and not many:
            raise ValueError(f"{key} of {name} is a list, but a problem takes one number there; give one.")
        arguments[key] = np.atleast_1d(value) if "Sequence" in str(annotation) else value
    try:
        made = make(**arguments)
    except ValueError:
        raise
    except Exception as error:  # of the person's own function: one sentence names what went wrong in it
        raise ValueError(
            f"{name} cannot be made ({type(error).__name__}: {first_line(error)}); correct the function."
        ) from error
    if not isinstance(made, Problem):
        raise ValueError(f"{name} returns a {type(made).__name__}, but it must return a Problem; correct the function.")
    return made


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand outside parentheses."""
    depth, parts = 0, [""]
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _arguments(text: str, known: dict[str, inspect.Parameter], name: str) -> dict[str, Any]:
    """``key=value,…`` for the known parameters: numbers, flags, words, and arrays where a list was given."""
    given: dict[str, str] = {}
    for pair in _split(text, ",") if text else []:
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
        if parameter.default is parameter.empty and key not in given:
            kind = str(parameter.annotation)
            other = "NAME" if "str" in kind else "10" if parameter.annotation is int else "0.1"
            example = "1;10;100" if "Sequence" in kind else other
            raise ValueError(f"{name} needs {key}; write e.g. {name}:{key}={example}.")
    return {key: _value(text, known[key]) for key, text in given.items()}


def _value(text: str, parameter: inspect.Parameter) -> Any:
    """What ``text`` means where ``parameter`` is due."""
    choices: dict[str, Any] = {}
    if isinstance(parameter.default, bool):
        choices = {"true": True, "false": False}
    elif get_origin(parameter.annotation) is Literal:
        choices = {str(choice): choice for choice in get_args(parameter.annotation)}
    if choices:
        if text.lower() not in choices:
            raise ValueError(nearest(text, choices, f"a value of {parameter.name}"))
        return choices[text.lower()]
    if isinstance(parameter.default, str) or parameter.annotation is str:
        return text
    if parameter.default is None and text.lower() == "none":
        return None
    if text.startswith("geom("):
        return _geometric(text, parameter.name)
    if ";" in text:
        return np.array([number(part, parameter.name) for part in text.split(";")])
    value = number(text, parameter.name)
    real = isinstance(parameter.default, float) or "float" in str(parameter.annotation)
    return int(value) if value % 1 == 0 and not real else value


def _geometric(text: str, what: str) -> np.ndarray:
    parts = text.removeprefix("geom(").removesuffix(")").split(",")
    complete = len(parts) == 3 and text.endswith(")")
    first, last, count = (number(part, what) for part in parts) if complete else (0, 0, 0)
    if min(first, last) <= 0 or not 1 <= count <= MOST or count % 1:
        raise ValueError(
            f"{what} is {text!r}, which is no list of 1 to {MOST:,} positive numbers; "
            "write geom(first,last,count), such as geom(1e-4,1,40)."
        )
    return np.geomspace(first, last, int(count))


def _from_file(path: Path, word: str, point: Sequence[float] | None) -> Problem:
    """``file.py:name``: a Problem, a function that makes one, or a loss L(x) that begins at ``point``."""
    name, _, rest = word.partition(":")
    module = _module(path)
    found = getattr(module, name, None)
    if isinstance(found, Problem):
        return found
    if not callable(found):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
        there = [key for key, value in vars(module).items() if isinstance(value, Problem) or key in own]
        given = f"has no problem and no function {name!r}" if name else "is given without a name"
        raise ValueError(f"{path} {given}; write {path}:NAME with a name of it: {', '.join(there) or 'it has none'}.")
    needed = [key for key, p in parameters(found).items() if p.default is p.empty]
    if rest or not needed:
        return _made(found, rest, f"{path}:{name}")
    if len(needed) > 1 or point is None:
        raise ValueError(
            f"{path}:{name} is a function of {', '.join(needed)}; give --start if it is a loss of x, "
            f"or {path}:{name}:{needed[0]}=2 if it makes a problem."
        )
    return Problem(loss=found, start=point, name=name)


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"{path} is not a file; give a Python file and a name in it, such as problem.py:problem.")
    described = importlib.util.spec_from_file_location(f"file {path.stem}", path)
    if described is None or described.loader is None:
        raise ValueError(f"{path} cannot be imported; give a Python file.")
    module = importlib.util.module_from_spec(described)
    sys.modules[module.__name__] = module  # where dataclasses of the file look for their types
    sys.path.insert(0, str(path.resolve().parent))  # as Python does, for what lies beside the file
    try:
        described.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # one sentence names what went wrong in the person's own file
        raise ValueError(
            f"{path} cannot be imported ({type(error).__name__}: {first_line(error)}); correct it."
        ) from error
    return module
