"""Problems and methods by the words of the command line: ``ackley:d=2``, a formula, ``adam:learning_rate=0.1;0.2``."""

import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from thalweg import formula, methods, problems
from thalweg.chain.losses import OfTarget
from thalweg.chain.problem import Problem
from thalweg.command.parameters import REQUIRED, Parameter, parameters, signature
from thalweg.methods.method import Bounded
from thalweg.methods.sweeps import sweep
from thalweg.numerics.reading import first_line, nearest
from thalweg.problems.tables import STANDARD_INPUT

PROBLEMS, METHODS = problems.COMMAND, methods.COMMAND
TABLES = r"\.(csv|tsv|tab|xlsx?|xlsm|ods|parquet|feather)(\.(gz|bz2|xz))?$"  # what is a table by its name alone


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


def is_table(word: str, model: str | None = None) -> bool:
    """Whether a word for a problem is the path of a table: of a CSV file, or of any file where there is a model."""
    path, _ = _path(word)
    if model is not None and (os.path.isfile(path) or path == STANDARD_INPUT):
        return not path.endswith(".py")
    return re.search(TABLES, path.lower()) is not None


def regression(word: str, model: Any, y: Any, start: Any, ranges: Any, **more: Any) -> Problem:
    """The fit of a formula to the table that a word is the path of; ``more`` as ``problems.regression`` has it."""
    path, rest = _path(word)
    if rest:
        raise ValueError(f"{path} takes no parameters, but {rest!r} was given; leave it out.")
    return _made(partial(problems.regression, path, model, y, start, ranges, **more), "", path)


def _path(word: str) -> tuple[str, str]:
    """The path at the beginning of a word, which may have colons itself, and what follows the last."""
    name, _, rest = word.partition(":")
    return (word, "") if os.path.isfile(word) else (name, rest)


def chosen_methods(words: Sequence[str]) -> dict[str, methods.Method]:
    """Methods by name, or by the whole word where a name comes twice."""
    names = [word.partition(":")[0] for word in words]
    labels = [name if names.count(name) == 1 else word for name, word in zip(names, words, strict=True)]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"method {label!r} is given twice; leave one out, or give the two different values.")
    return {label: _method(word) for label, word in zip(labels, words, strict=True)}


def suiting(chosen: Problem) -> list[str]:
    """The methods that run for a person who named none; without those that are cubic in d where d is large."""
    words = ["gradient_descent:learning_rate=geom(1e-4,1,5)", "adam:learning_rate=0.1"]
    if chosen.dimension <= 1000:
        words += ["newton", *(["gauss_newton"] if chosen.stages else [])]
    if chosen.stages and all(stage.inverse is not None for stage in chosen.stages):
        words.append("inverse_simulator")
    return words


def bounded(words: Sequence[str]) -> list[str]:
    """The words of methods with ``bounded=true`` where that can be said; ValueError for a method that keeps to no
    bounds."""
    kept = []
    for word in words:
        name, colon, rest = word.partition(":")
        make = METHODS.get(name)
        if make is not None and "bounded" in parameters(make) and not re.search(r"(^|,)\s*bounded\s*=", rest):
            word = f"{word}{',' if rest else '' if colon else ':'}bounded=true"
        method = _method(word)
        if not (isinstance(method, Bounded) and method.bounded):
            able = [known for known, make in METHODS.items() if "bounded" in parameters(make)]
            raise ValueError(f"{name} keeps to no bounds, but --bound or --fix was given; use {' or '.join(able)}.")
        kept.append(word)
    return kept


def finishing(chosen: Problem) -> list[str]:
    """The method that solves for a person who named none."""
    return ["levenberg_marquardt" if isinstance(chosen.loss, OfTarget) else "trust_region"]


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
        if isinstance(value, np.ndarray) and not known[key].kind.lists:
            raise ValueError(f"{key} of {name} is a list, but a problem takes one number there; give one.")
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


def _arguments(text: str, known: dict[str, Parameter], name: str) -> dict[str, Any]:
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


def _from_file(path: Path, word: str, point: Sequence[float] | None) -> Problem:
    """``file.py:name``: a Problem, a function that makes one, or a loss L(x) that begins at ``point``."""
    name, _, rest = word.partition(":")
    module = _module(path)
    found = vars(module).get(name)
    if isinstance(found, Problem):
        return found
    if not callable(found):
        there = [key for key, value in vars(module).items() if isinstance(value, Problem) or _own(value, module)]
        given = f"has no problem and no function {name!r}" if name else "is given without a name"
        raise ValueError(f"{path} {given}; write {path}:NAME with a name of it: {', '.join(there) or 'it has none'}.")
    needed = [key for key, p in signature(found).items() if p.default is REQUIRED]
    if rest or not needed:
        return _made(found, rest, f"{path}:{name}")
    if len(needed) > 1 or point is None:
        raise ValueError(
            f"{path}:{name} is a function of {', '.join(needed)}; give --start 1,2,… if it is a loss of x, "
            f"or {path}:{name}:{needed[0]}=2 if it makes a problem."
        )
    return Problem(loss=found, start=point, name=name)


def _own(value: Any, module: ModuleType) -> bool:
    return callable(value) and inspect.getmodule(value) is module


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
