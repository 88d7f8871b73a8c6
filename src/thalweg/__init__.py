"""thalweg: an optimization laboratory on JAX. Problem -> Method -> run -> Dataset -> analysis, plot."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from thalweg.verbs.version import __version__ as __version__

if TYPE_CHECKING:
    from thalweg import analysis, formula, geometry, methods, plot, problems, roots, starts, tolerances, training
    from thalweg.chain.counts import PoissonDeviance
    from thalweg.chain.derivatives import AutoDiff
    from thalweg.chain.differences import FiniteDifference
    from thalweg.chain.losses import MeanLoss, SquaredError
    from thalweg.chain.problem import Problem
    from thalweg.chain.robust_errors import RobustError
    from thalweg.chain.stages import Stage
    from thalweg.fitting.fit import fit
    from thalweg.methods.stage_inverses import numerical_inverse, saddle_free_inverse
    from thalweg.methods.sweeps import sweep
    from thalweg.verbs.minimize import minimize
    from thalweg.verbs.run import run
    from thalweg.verbs.solve import solve
    from thalweg.web.widget import explore


# The public names in the order data flows, each with the module that holds it ("" for the module itself).
_HOMES = {
    "Stage": "chain.stages",
    "Problem": "chain.problem",
    "SquaredError": "chain.losses",
    "RobustError": "chain.robust_errors",
    "PoissonDeviance": "chain.counts",
    "MeanLoss": "chain.losses",
    "AutoDiff": "chain.derivatives",
    "FiniteDifference": "chain.differences",
    "numerical_inverse": "methods.stage_inverses",
    "saddle_free_inverse": "methods.stage_inverses",
    "formula": "",
    "problems": "",
    "methods": "",
    "training": "",
    "sweep": "methods.sweeps",
    "starts": "",
    "geometry": "",
    "roots": "",
    "run": "verbs.run",
    "tolerances": "",
    "solve": "verbs.solve",
    "minimize": "verbs.minimize",
    "fit": "fitting.fit",
    "analysis": "",
    "plot": "",
    "explore": "web.widget",
}
__all__ = [
    "AutoDiff",
    "FiniteDifference",
    "MeanLoss",
    "PoissonDeviance",
    "Problem",
    "RobustError",
    "SquaredError",
    "Stage",
    "analysis",
    "explore",
    "fit",
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
    return [*__all__, "__version__"]
