"""The problems that pages look at, each made once, so that its programs are compiled once."""

from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock
from typing import Any, final

import jax
import numpy as np

from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once
from thalweg.geometry import sharpness
from thalweg.web import bounds
from thalweg.words.library import PROBLEMS

MOST = 24  # problems that are kept
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
        return [*self.own, *(name for name in PROBLEMS if name not in bounds.HEAVY)]

    def problem(self, word: str) -> Problem:
        """The problem that a word means: one of their own, of the library, or a formula; nothing else is read."""
        if word in self.own:
            return self.own[word]
        with self._lock:
            if word in self._made:
                self._made.move_to_end(word)
                return self._made[word]
        made = bounds.problem(word)
        with self._lock:
            made = self._made.setdefault(word, made)
            while len(self._made) > MOST:
                self._made.popitem(last=False)
            return made


@compiled_once
def _facts(problem: Problem, x: Any) -> Any:
    value, gradient = problem.value_and_gradient(x)
    return value, gradient, sharpness(problem, x) if problem.dimension <= CURVED else np.nan


def facts(problem: Problem, x: np.ndarray) -> tuple[float, np.ndarray, float]:
    """L, dL/dx and the largest eigenvalue of the Hessian at x, in float64; NaN where x has many components."""
    with jax.enable_x64(True):
        value, gradient, curvature = _facts(problem, np.asarray(x, np.float64))
    return float(value), np.asarray(gradient), float(curvature)
