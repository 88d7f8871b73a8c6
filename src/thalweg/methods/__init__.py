"""Methods: ways to pull a step in the loss back to x."""

from thalweg.methods.first_order import (
    FirstOrder,
    adagrad,
    adam,
    adamw,
    from_optax,
    gradient_descent,
    momentum,
    nesterov,
    rmsprop,
)
from thalweg.methods.inverse_simulator import InverseSimulator
from thalweg.methods.least_squares import GaussNewton, InverseGradient
from thalweg.methods.method import Method
from thalweg.methods.newton import Newton

__all__ = [
    "FirstOrder",
    "GaussNewton",
    "InverseGradient",
    "InverseSimulator",
    "Method",
    "Newton",
    "adagrad",
    "adam",
    "adamw",
    "from_optax",
    "gradient_descent",
    "momentum",
    "nesterov",
    "rmsprop",
]
