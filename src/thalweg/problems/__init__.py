"""The problem library: functions that return a ``Problem`` whose start, minima, domain and inverses are tested."""

from thalweg.problems import collections, fits
from thalweg.problems.classic import ackley, beale, himmelblau, quadratic, rastrigin, rosenbrock
from thalweg.problems.collections import bbob, cutest
from thalweg.problems.composed import exponential, pbdl, scaling, sine
from thalweg.problems.fits import misra1a, nist
from thalweg.problems.regressions import regression

__all__ = [
    "ackley",
    "bbob",
    "beale",
    "collections",
    "cutest",
    "exponential",
    "fits",
    "himmelblau",
    "misra1a",
    "nist",
    "pbdl",
    "quadratic",
    "rastrigin",
    "regression",
    "rosenbrock",
    "scaling",
    "sine",
]
