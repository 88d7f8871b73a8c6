"""When a fit is one to tell standard errors of, and when two are the same."""

from typing import NamedTuple, final

import jax
import numpy as np

from thalweg.chain.losses import OfTarget, PoissonDeviance
from thalweg.chain.problem import Problem
from thalweg.problems.models import model_of

REACHED = 1e-6  # how far, relatively, a loss may lie above the lowest and count as the same
DIGITS = {"float32": 1e-6, "float64": 1e-12}  # parts of |target| to which residuals of the same fit agree


def is_regression(problem: Problem) -> bool:
    """Whether L is a sum of more squares than x has components, so that there are standard errors, or of a table."""
    many = problem.chain.spaces[-1].size > problem.dimension or model_of(problem) is not None
    return isinstance(problem.loss, OfTarget) and many


@final
class Sameness(NamedTuple):
    """When losses of a problem are the same, but for where a method stopped and for rounding."""

    rounding: float  # of the target, the root of a loss
    squares: bool  # whether L is a sum of squares

    @classmethod
    def of(cls, problem: Problem, dtype: str) -> "Sameness":
        if not is_regression(problem) or isinstance(problem.loss, PoissonDeviance):
            return cls(0.0, False)
        shape = problem.chain.spaces[-1].shapes[0]
        with jax.enable_x64(True):
            target = problem.loss.weighted(problem.loss.goal(float, shape), shape)
            size = float(np.linalg.norm(target))
        return cls(DIGITS[dtype] * np.sqrt(problem.loss.factor) * size, True)

    def ceiling(self, lowest: float) -> float:
        """The highest loss that is the same as the lowest."""
        if not self.squares:
            return lowest + REACHED * max(1.0, abs(lowest))
        return (np.sqrt(lowest * (1 + REACHED)) + self.rounding) ** 2  # of exact data the lowest may be 0
