"""The problem library: functions that return a ``Problem`` whose start, minima, domain and inverses are tested."""

from collections.abc import Callable

from thalweg.chain.problem import Problem
from thalweg.problems import collections, physics, statistical_reference
from thalweg.problems.black_box import bbob
from thalweg.problems.classic import ackley, beale, himmelblau, quadratic, rastrigin, rosenbrock
from thalweg.problems.collections import cutest
from thalweg.problems.composed import exponential, pbdl, roots_of_unity, scaling, sine
from thalweg.problems.gaussian_wells import wells
from thalweg.problems.guesses import guesses
from thalweg.problems.one_dimensional import convex, double_well, polynomial, rugged, worst_case
from thalweg.problems.regressions import regression, start_ranges
from thalweg.problems.statistical_reference import misra1a, nist
from thalweg.problems.surface_fits import quadratic_fit

heat = physics.heat.problem
poisson = physics.poisson.problem
burgers = physics.burgers.problem
navier_stokes = physics.navier_stokes.problem
oscillators = physics.oscillators.problem
quantum_dipole = physics.quantum_dipole.problem

__all__ = [
    "ackley",
    "bbob",
    "beale",
    "burgers",
    "collections",
    "convex",
    "cutest",
    "double_well",
    "exponential",
    "guesses",
    "heat",
    "himmelblau",
    "misra1a",
    "navier_stokes",
    "nist",
    "oscillators",
    "pbdl",
    "physics",
    "poisson",
    "polynomial",
    "quadratic",
    "quadratic_fit",
    "quantum_dipole",
    "rastrigin",
    "regression",
    "roots_of_unity",
    "rosenbrock",
    "rugged",
    "scaling",
    "sine",
    "start_ranges",
    "statistical_reference",
    "wells",
    "worst_case",
]

# What the command line offers, by the names that are typed there; files of NIST and tables go by their paths.
COMMAND: dict[str, Callable[..., Problem]] = {
    "ackley": ackley,
    "bbob": bbob,
    "beale": beale,
    "burgers": burgers,
    "convex": convex,
    "cutest": cutest,
    "double_well": double_well,
    "exponential": exponential,
    "heat": heat,
    "himmelblau": himmelblau,
    "misra1a": misra1a,
    "navier_stokes": navier_stokes,
    "oscillators": oscillators,
    "pbdl": pbdl,
    "poisson": poisson,
    "polynomial": polynomial,
    "quadratic": quadratic,
    "quadratic_fit": quadratic_fit,
    "quantum_dipole": quantum_dipole,
    "rastrigin": rastrigin,
    "roots_of_unity": roots_of_unity,
    "rosenbrock": rosenbrock,
    "rugged": rugged,
    "scaling": scaling,
    "sine": sine,
    "wells": wells,
    "worst_case": worst_case,
}


def __dir__() -> list[str]:
    return __all__
