"""Every method of thalweg, by its public name, as it is made to run on a problem of many components."""

import optax
import optimistix

import thalweg as tw

M = tw.methods
EVERY = {
    "BFGS": M.BFGS(),
    "CMAES": M.CMAES(width=0.1),
    "LBFGS": M.LBFGS(),
    "GaussNewton": M.GaussNewton(),
    "Genetic": M.Genetic(population=20),
    "GridSearch": M.GridSearch(points=2),
    "InverseGradient": M.InverseGradient(),
    "InverseSimulator": M.InverseSimulator(),
    "JacobianPower": M.JacobianPower(),
    "KrylovPower": M.KrylovPower(products=4),
    "LevenbergMarquardt": M.LevenbergMarquardt(),
    "Metropolis": M.Metropolis(1.0, width=0.1),
    "Newton": M.Newton(saddle_free=True),
    "NewtonCG": M.NewtonCG(),
    "RandomSearch": M.RandomSearch(),
    "ReplicaExchange": M.ReplicaExchange(0.1, 1.0, width=0.1, replicas=3),
    "SimulatedAnnealing": M.SimulatedAnnealing(1.0, 0.1, width=0.1, steps=10),
    "TrustRegion": M.TrustRegion(),
    "adagrad": M.adagrad(0.1),
    "adam": M.adam(0.1),
    "adamw": M.adamw(0.1),
    "damped_newtonian": M.damped_newtonian(0.1),
    "from_optax": M.from_optax(optax.lbfgs()),
    "from_optimistix": M.from_optimistix(optimistix.BFGS(1e-6, 1e-6)),
    "from_scipy": M.from_scipy(),
    "gradient_descent": M.gradient_descent(0.1),
    "gradient_flow": M.gradient_flow(0.1),
    "momentum": M.momentum(0.1),
    "nesterov": M.nesterov(0.1),
    "rmsprop": M.rmsprop(0.1),
}
