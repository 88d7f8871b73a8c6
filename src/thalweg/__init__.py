"""thalweg: an optimization laboratory on JAX. Problem -> Method -> run -> Dataset -> analysis, plot."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thalweg import analysis, formula, geometry, methods, plot, problems, roots, starts, tolerances, training
    from thalweg.derivatives import AutoDiff, FiniteDifference
    from thalweg.inverse import numerical_inverse, saddle_free_inverse
    from thalweg.losses import MeanLoss, SquaredError
    from thalweg.minimization import minimize
    from thalweg.problem import Problem
    from thalweg.runs import run
    from thalweg.solves import solve
    from thalweg.stages import Stage
    from thalweg.sweeps import sweep

# The public names in the order data flows, each with the module that holds it ("" for the module itself).
_HOMES = {
    "Stage": "stages",
    "Problem": "problem",
    "SquaredError": "losses",
    "MeanLoss": "losses",
    "AutoDiff": "derivatives",
    "FiniteDifference": "derivatives",
    "numerical_inverse": "inverse",
    "saddle_free_inverse": "inverse",
    "formula": "",
    "problems": "",
    "methods": "",
    "training": "",
    "sweep": "sweeps",
    "starts": "",
    "geometry": "",
    "roots": "",
    "run": "runs",
    "tolerances": "",
    "solve": "solves",
    "minimize": "minimization",
    "analysis": "",
    "plot": "",
}
__all__ = [
    "AutoDiff",
    "FiniteDifference",
    "MeanLoss",
    "Problem",
    "SquaredError",
    "Stage",
    "analysis",
    "formula",
    "geometry",
    "methods",
    "minimize",
    "numerical_inverse",
    "plot",
    "problems",
    "roots",
    "run",
    "saddle_free_inverse",
    "solve",
    "starts",
    "sweep",
    "tolerances",
    "training",
]


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``thalweg --help`` need not wait for JAX."""
    if name not in _HOMES:
        raise AttributeError(f"module 'thalweg' has no attribute {name!r}")
    module = import_module(f"thalweg.{_HOMES[name] or name}")
    globals()[name] = getattr(module, name) if _HOMES[name] else module
    return globals()[name]


def __dir__() -> list[str]:
    return __all__
