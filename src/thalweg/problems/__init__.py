"""The problem library: functions that return a ``Problem`` whose start, minima, domain and inverses are tested."""

from thalweg.problems import fits
from thalweg.problems.classic import ackley, beale, himmelblau, quadratic, rastrigin, rosenbrock
from thalweg.problems.composed import exponential, pbdl, scaling, sine
from thalweg.problems.fits import misra1a, nist

__all__ = [
    "ackley",
    "beale",
    "exponential",
    "fits",
    "himmelblau",
    "misra1a",
    "nist",
    "pbdl",
    "quadratic",
    "rastrigin",
    "rosenbrock",
    "scaling",
    "sine",
]
