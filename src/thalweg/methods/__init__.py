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

# The classes by the names of the command line, so that one word serves both; below all imports, since they take the
# places of the modules that are called so.
bfgs, cmaes, lbfgs, newton, newton_cg, trust_region = BFGS, CMAES, LBFGS, Newton, NewtonCG, TrustRegion
gauss_newton, inverse_gradient, levenberg_marquardt = GaussNewton, InverseGradient, LevenbergMarquardt
inverse_simulator, jacobian_power, krylov_power = InverseSimulator, JacobianPower, KrylovPower
genetic, metropolis, replica_exchange, simulated_annealing = Genetic, Metropolis, ReplicaExchange, SimulatedAnnealing
grid_search, random_search = GridSearch, RandomSearch

# What the command line offers, by the names that are typed there.
COMMAND: dict[str, Callable[..., Method]] = {
    "adagrad": adagrad,
    "adam": adam,
    "adamw": adamw,
    "bfgs": bfgs,
    "cmaes": cmaes,
    "damped_newtonian": damped_newtonian,
    "gauss_newton": gauss_newton,
    "genetic": genetic,
    "gradient_descent": gradient_descent,
    "gradient_flow": gradient_flow,
    "grid_search": grid_search,
    "inverse_gradient": inverse_gradient,
    "inverse_simulator": inverse_simulator,
    "jacobian_power": jacobian_power,
    "krylov_power": krylov_power,
    "lbfgs": lbfgs,
    "levenberg_marquardt": levenberg_marquardt,
    "metropolis": metropolis,
    "momentum": momentum,
    "nesterov": nesterov,
    "newton": newton,
    "newton_cg": newton_cg,
    "random_search": random_search,
    "replica_exchange": replica_exchange,
    "rmsprop": rmsprop,
    "simulated_annealing": simulated_annealing,
    "trust_region": trust_region,
}


def __dir__() -> list[str]:
    return [*__all__, *COMMAND]
