"""The problems that pages look at, each made once, so that its programs are compiled once."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from threading import Lock
from typing import Any, final

import jax
import numpy as np

from thalweg.chain.problem import Problem
from thalweg.geometry import sharpness
from thalweg.words.library import PROBLEMS, named, of_formula

MOST = 24  # problems that are kept
COMPONENTS = 2000  # of x, of a problem on a page
LARGEST = 10_000  # whole number among the parameters of a problem
HEAVY = ("bbob", "cutest")  # libraries of their own, which take a minute to import
CURVED = 64  # components up to which a page tells the sharpness


@final
class Shelf:
    """Problems by the words of pages; ``own`` are those that a person gave in Python, by their names."""

    def __init__(self, own: Mapping[str, Problem] | None = None) -> None:
        self.own = dict(own or {})
        self._made: OrderedDict[str, Problem] = OrderedDict()
        self._lock = Lock()

    def names(self) -> list[str]:
        """What a person can choose without typing a formula."""
        return [*self.own, *(name for name in PROBLEMS if name not in HEAVY)]

    def problem(self, word: str) -> Problem:
        """The problem that a word means: one of their own, of the library, or a formula; nothing else is read."""
        if word in self.own:
            return self.own[word]
        with self._lock:
            if word not in self._made:
                self._made[word] = _made(word)
            self._made.move_to_end(word)
            while len(self._made) > MOST:
                self._made.popitem(last=False)
            return self._made[word]


def _made(word: str) -> Problem:
    name, _, rest = word.partition(":")
    if name in HEAVY:
        raise ValueError(f"{name} is not on the page, since its library takes a minute to import; use thalweg run.")
    if name not in PROBLEMS:
        return of_formula(word)
    for value in rest.replace(";", ",").replace("=", ",").split(","):
        if value.strip().lstrip("+-").isdigit() and abs(int(value)) > LARGEST:
            raise ValueError(f"{word!r} has {value}, but a page takes numbers up to {LARGEST} there; give less.")
    problem = named(word)
    if problem.dimension > COMPONENTS:
        raise ValueError(
            f"{word!r} has {problem.dimension} components, but a page looks at problems of up to {COMPONENTS}; "
            "give it a smaller size, or use thalweg run."
        )
    return problem


@partial(jax.jit, static_argnums=0)
def _facts(problem: Problem, x: Any) -> Any:
    value, gradient = problem.value_and_gradient(x)
    return value, gradient, sharpness(problem, x) if problem.dimension <= CURVED else np.nan


def facts(problem: Problem, x: np.ndarray) -> tuple[float, np.ndarray, float]:
    """L, dL/dx and the largest eigenvalue of the Hessian at x, in float64; NaN where x has many components."""
    with jax.enable_x64(True):
        value, gradient, curvature = _facts(problem, np.asarray(x, np.float64))
    return float(value), np.asarray(gradient), float(curvature)
