"""The problem library: functions that return a ``Problem`` whose start, minima, domain and inverses are tested."""

from thalweg.problems import collections, fits
from thalweg.problems.classic import ackley, beale, himmelblau, quadratic, rastrigin, rosenbrock
from thalweg.problems.collections import bbob, cutest
from thalweg.problems.composed import exponential, pbdl, roots_of_unity, scaling, sine
from thalweg.problems.fits import misra1a, nist
from thalweg.problems.gaussian_wells import wells
from thalweg.problems.one_dimensional import convex, double_well, polynomial, rugged, worst_case
from thalweg.problems.regressions import regression
from thalweg.problems.surface_fits import quadratic_fit

__all__ = [
    "ackley",
    "bbob",
    "beale",
    "collections",
    "convex",
    "cutest",
    "double_well",
    "exponential",
    "fits",
    "himmelblau",
    "misra1a",
    "nist",
    "pbdl",
    "polynomial",
    "quadratic",
    "quadratic_fit",
    "rastrigin",
    "regression",
    "roots_of_unity",
    "rosenbrock",
    "rugged",
    "scaling",
    "sine",
    "wells",
    "worst_case",
]
