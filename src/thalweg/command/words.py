"""Problems by the words of the command line: those of the library, formulas, tables, and files of a person."""

import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from thalweg import problems
from thalweg.chain.problem import Problem
from thalweg.methods.method import Bounded
from thalweg.numerics.reading import first_line, nearest
from thalweg.problems.tables import STANDARD_INPUT
from thalweg.words.library import METHODS, PROBLEMS, made, method, named, of_formula
from thalweg.words.parameters import REQUIRED, parameters, signature

TABLES = r"\.(csv|tsv|tab|xlsx?|xlsm|ods|parquet|feather)(\.(gz|bz2|xz))?$"  # what is a table by its name alone


def problem(word: str, point: Sequence[float] | None) -> Problem:
    """The problem that a word means; ``point`` is where the loss of a file, which has no start of its own, begins."""
    name, _, rest = word.partition(":")
    if name in PROBLEMS:
        return named(word)
    if name.endswith(".py"):
        return _from_file(Path(name), rest, point)
    if is_table(name) and os.path.isfile(name):
        raise ValueError(f"{name} is a table, which is fitted; write thalweg solve {name} --model … --y ….")
    if name.endswith(".dat") or os.path.isfile(name):
        return made(partial(problems.nist, name), rest, name)
    if re.fullmatch(r"\w{3,}", name) and not re.fullmatch(r"x\d+", name):
        raise ValueError(nearest(name, PROBLEMS, "a problem of the library, a file or a formula"))
    if os.path.isdir(name) or re.search(r"\.[A-Za-z]{2,}$", name):
        raise ValueError(f"{name!r} is not a file; give the path of a Python file or of a NIST .dat file.")
    if name.startswith("--"):
        raise ValueError(f"{name} is not an option of this command; --help after the command lists them.")
    return of_formula(word)


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
    return made(partial(problems.regression, path, model, y, start, ranges, **more), "", path)


def _path(word: str) -> tuple[str, str]:
    """The path at the beginning of a word, which may have colons itself, and what follows the last."""
    name, _, rest = word.partition(":")
    return (word, "") if os.path.isfile(word) else (name, rest)


def bounded(words: Sequence[str]) -> list[str]:
    """The words of methods with ``bounded=true`` where that can be said; ValueError for a method that keeps to no
    bounds."""
    kept = []
    for word in words:
        name, colon, rest = word.partition(":")
        make = METHODS.get(name)
        if make is not None and "bounded" in parameters(make) and not re.search(r"(^|,)\s*bounded\s*=", rest):
            word = f"{word}{',' if rest else '' if colon else ':'}bounded=true"
        chosen = method(word)
        if not (isinstance(chosen, Bounded) and chosen.bounded):
            able = [known for known, make in METHODS.items() if "bounded" in parameters(make)]
            raise ValueError(f"{name} keeps to no bounds, but --bound or --fix was given; use {' or '.join(able)}.")
        kept.append(word)
    return kept


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
        return made(found, rest, f"{path}:{name}")
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
