"""Methods: ways to pull a step in the loss back to x."""

from collections.abc import Callable

from thalweg.methods.adapters import from_optimistix
from thalweg.methods.covariance_adaptation import CMAES
from thalweg.methods.descent import adagrad, adam, adamw, gradient_descent, momentum, nesterov, rmsprop
from thalweg.methods.first_order import FirstOrder, from_optax
from thalweg.methods.flow import damped_newtonian, gradient_flow
from thalweg.methods.genetic import Genetic
from thalweg.methods.inverse_simulator import InverseSimulator
from thalweg.methods.jacobian_power import JacobianPower, KrylovPower
from thalweg.methods.least_squares import GaussNewton, InverseGradient
from thalweg.methods.levenberg_marquardt import LevenbergMarquardt
from thalweg.methods.method import Method, Report
from thalweg.methods.metropolis import Metropolis, ReplicaExchange, SimulatedAnnealing
from thalweg.methods.newton import Newton
from thalweg.methods.newton_cg import NewtonCG
from thalweg.methods.quasi_newton import BFGS, LBFGS
from thalweg.methods.scipy_path import from_scipy
from thalweg.methods.trials import GridSearch, RandomSearch
from thalweg.methods.trust_region import TrustRegion

__all__ = [
    "BFGS",
    "CMAES",
    "LBFGS",
    "FirstOrder",
    "GaussNewton",
    "Genetic",
    "GridSearch",
    "InverseGradient",
    "InverseSimulator",
    "JacobianPower",
    "KrylovPower",
    "LevenbergMarquardt",
    "Method",
    "Metropolis",
    "Newton",
    "NewtonCG",
    "RandomSearch",
    "ReplicaExchange",
    "Report",
    "SimulatedAnnealing",
    "TrustRegion",
    "adagrad",
    "adam",
    "adamw",
    "damped_newtonian",
    "from_optax",
    "from_optimistix",
    "from_scipy",
    "gradient_descent",
    "gradient_flow",
    "momentum",
    "nesterov",
    "rmsprop",
]

# What the command line offers, by the names that are typed there.
COMMAND: dict[str, Callable[..., Method]] = {
    "adagrad": adagrad,
    "adam": adam,
    "adamw": adamw,
    "bfgs": BFGS,
    "cmaes": CMAES,
    "damped_newtonian": damped_newtonian,
    "gauss_newton": GaussNewton,
    "genetic": Genetic,
    "gradient_descent": gradient_descent,
    "gradient_flow": gradient_flow,
    "grid_search": GridSearch,
    "inverse_gradient": InverseGradient,
    "inverse_simulator": InverseSimulator,
    "jacobian_power": JacobianPower,
    "krylov_power": KrylovPower,
    "lbfgs": LBFGS,
    "levenberg_marquardt": LevenbergMarquardt,
    "metropolis": Metropolis,
    "momentum": momentum,
    "nesterov": nesterov,
    "newton": Newton,
    "newton_cg": NewtonCG,
    "random_search": RandomSearch,
    "replica_exchange": ReplicaExchange,
    "rmsprop": rmsprop,
    "simulated_annealing": SimulatedAnnealing,
    "trust_region": TrustRegion,
}
