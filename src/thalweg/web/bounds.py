"""How large a problem or a method may be that is typed on a page, or that a file names: told before it is made."""

import math
from typing import Any

import numpy as np

from thalweg.chain.problem import Problem
from thalweg.numerics.reading import nearest
from thalweg.words.library import METHODS, PROBLEMS, arguments, named, of_formula
from thalweg.words.parameters import KINDS, parameters

COMPONENTS = 2000  # of x
MOST_VARIANTS = 64  # of all methods together
HEAVY = ("bbob", "cutest")  # libraries of their own, which take a minute to import
FREE = ("key", "rotation_key", "start")  # numbers that make nothing larger
SIDE = 44  # of the square grids, whose points are components
SIDES = ("heat", "navier_stokes", "poisson")
MOST = {"population": 200, "generations": 500, "points": 1000, "products": 1000, "memory": 100, "replicas": 64}


def problem(word: str) -> Problem:
    """The problem of the library, or the formula, that a word means; nothing else is read, and nothing large made."""
    name, _, rest = word.partition(":")
    if name in HEAVY:
        raise ValueError(f"{name} is not on the page, since its library takes a minute to import; use thalweg run.")
    if name not in PROBLEMS:
        return of_formula(word)
    known = parameters(PROBLEMS[name])
    for key, value in arguments(rest, known, name).items():
        if isinstance(value, np.ndarray) or (known[key].kind is KINDS[int] and key not in FREE):
            _bound(key, value, SIDE if key == "size" and name in SIDES else COMPONENTS, name)
    found = named(word)
    if found.dimension > COMPONENTS:
        raise ValueError(
            f"{word!r} has {found.dimension} components, but a page looks at problems of up to {COMPONENTS}; "
            "give it a smaller size, or use thalweg run."
        )
    return found


def check_method(word: str) -> None:
    """ValueError for the word of a method that is none, that has too many values, or whose numbers are too large."""
    name, _, rest = word.partition(":")
    if name not in METHODS:
        raise ValueError(nearest(name, METHODS, "a method"))
    given = arguments(rest, parameters(METHODS[name]), name)
    many = math.prod(value.size for value in given.values() if isinstance(value, np.ndarray))
    if many > MOST_VARIANTS:
        raise ValueError(f"{name} has {many} values, but a page shows {MOST_VARIANTS}; give fewer.")
    for key in MOST.keys() & given.keys():
        _bound(key, given[key], MOST[key], name)


def _bound(key: str, value: Any, most: int, name: str) -> None:
    if isinstance(value, np.ndarray):
        if value.size > most:
            raise ValueError(f"{key} of {name} has {value.size} values, but a page takes up to {most}; give fewer.")
    elif isinstance(value, int | float) and abs(value) > most:
        raise ValueError(f"{key} of {name} is {value}, but a page takes up to {most} there; give less.")
