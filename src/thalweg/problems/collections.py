"""CUTEst and BBOB, on which optimizers are compared, from the packages sif2jax and bbob-jax that hold them."""

import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.reading import nearest, whole

_KINDS = ("unconstrained_minimisation", "bounded_minimisation", "nonlinear_equations")
_FREE, _, _EQUATIONS = _KINDS
_BBOB = (
    "sphere",
    "ellipsoid_seperable",  # spelled so in bbob-jax
    "rastrigin_seperable",
    "skew_rastrigin_bueche",
    "linear_slope",
    "attractive_sector",
    "step_ellipsoid",
    "rosenbrock",
    "rosenbrock_rotated",
    "ellipsoid",
    "discuss",
    "bent_cigar",
    "sharp_ridge",
    "sum_of_different_powers",
    "rastrigin",
    "weierstrass",
    "schaffer_f7_condition_10",
    "schaffer_f7_condition_1000",
    "griewank_rosenbrock_f8f2",
    "schwefel_xsinx",
    "gallagher_101_peaks",
    "gallagher_21_peaks",
    "katsuura",
    "lunacek_bi_rastrigin",
)


def cutest(name: str) -> Problem:
    """A problem of CUTEst by its name, such as ROSENBR, at its standard size and start, from sif2jax.

    Unconstrained problems are plain losses. Bounds are the domain, which methods with ``bounded`` keep; a side may be
    infinite, and both may be equal, where a component is fixed. Nonlinear equations r(x) = 0
    become a stage r with L = |r|^2, which is what CUTEst minimizes under names in LS. Minima are not stated: those in
    the collection are not of one precision. The numbers are meant for float64. CUTEst states no units:
    [x] = [y] = [L] = 1, pure numbers.

    Args:
        name: as CUTEst spells it; ``collections.cutest_names`` lists them.
    Raises:
        ValueError: where sif2jax is not installed, where it has no such problem, and where the problem has general
            constraints.
    Cost:
        The first call of a process takes some seconds, in which sif2jax is read.
    Source:
        Gould, Orban and Toint (2015), CUTEst: a Constrained and Unconstrained Testing Environment with safe threads for
        mathematical optimization, Computational Optimization and Applications 60.
    Example:
        >>> problem = tw.problems.cutest("ROSENBR")
        >>> problem.start.tolist()
        [-1.2, 1.0]
    """
    _needed("sif2jax", "cutest")
    with jax.enable_x64(True):  # or the data, and the start, would be float32 for good
        for kind in _KINDS:
            found = {problem.name: problem for problem in _problems(kind)}.get(name)
            if found is not None:
                return _posed(found, kind)
    raise ValueError(_unknown(name))


def _posed(found: Any, kind: str) -> Problem:
    """A problem of sif2jax, whose kind tells what it has: HS25, which has bounds alone, offers constraints as well."""
    start, box = np.asarray(found.y0, float), None if kind == _FREE else found.bounds
    if kind == _EQUATIONS:
        equations = Stage(lambda x: found.constraint(x)[0], name="residual")
        return Problem(equations, loss=SquaredError(), start=start, domain=box, name=found.name)
    return Problem(loss=lambda x: found.objective(x, found.args), start=start, domain=box, name=found.name)


def cutest_names(kind: str = "unconstrained_minimisation", most: int = 100) -> list[str]:
    """Names that ``cutest`` takes, of problems with at most ``most`` components, in the order of sif2jax.

    Args:
        kind: unconstrained_minimisation, bounded_minimisation or nonlinear_equations.
        most: the most components of x, a pure number.
    Returns:
        The names, a list of text.
    Raises:
        ValueError: for another kind, and where sif2jax is not installed.
    Cost:
        The first call of a process takes some seconds, in which sif2jax is read.
    Source:
        As of ``cutest``.
    Example:
        >>> "ROSENBR" in tw.problems.collections.cutest_names(most=2)
        True
    """
    _needed("sif2jax", "cutest_names")
    if kind not in _KINDS:
        raise ValueError(nearest(kind, _KINDS, "a kind of problem"))
    with jax.enable_x64(True):
        return [found.name for found in _problems(kind) if jax.eval_shape(lambda p=found: p.y0).size <= most]


def bbob(function: int, d: int = 2, key: int = 0) -> Problem:
    """One of the 24 noiseless functions of BBOB by its number, shifted and turned at random by ``key``, from bbob-jax.

    Start 0; domain |x_i| <= 5. The minimum drawn is stated for all but 5, 9 and 19, which bbob-jax does not put there.
    At the minima of 6, 12, 13, 15, 17 and 18 automatic differentiation gives NaN; 7 is flat in steps. The peaks of 21
    and 22 are drawn when L is compiled: float32 and float64 see different ones around the same minimum. [x] = [L] = 1,
    pure numbers.

    Args:
        function: its number in the collection, 1 to 24.
        d: components of x, a whole number of at least 2.
        key: a seed, which draws shift and rotation, a whole number of at least 0.
    Raises:
        ValueError: where bbob-jax is not installed, where function is not from 1 to 24, and where d or key is none.
    Source:
        Hansen, Finck, Ros and Auger (2009), Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless
        Functions Definitions, INRIA RR-6829.
    Example:
        >>> tw.problems.bbob(function=1, d=3)
        Problem(bbob(sphere, d=3): x[3] -> loss)
    """
    _needed("bbob_jax", "bbob", "bbob-jax")
    from bbob_jax import registry

    if not 1 <= whole(function, "function", 1) <= len(_BBOB):
        raise ValueError(f"function is {function}, but BBOB has the functions 1 to {len(_BBOB)}; give one of these.")
    with jax.enable_x64(True):  # the draws depend on the precision
        draw: Any = registry[_BBOB[function - 1]]
        drawn, lowest = draw(ndim=whole(d, "d", 2), key=jax.random.key(whole(key, "key", 0)))
        fixed = {name: np.asarray(value) for name, value in drawn.keywords.items()}
        minimum = fixed["x_opt"]

        def loss(x: Array) -> Array:
            return drawn.func(x, **{name: jnp.asarray(value, x.dtype) for name, value in fixed.items()})

        return Problem(
            loss=loss,
            start=np.zeros(d),
            minima=[minimum] if np.isclose(loss(jnp.asarray(minimum)), lowest) else None,
            domain=(-5.0, 5.0),
            name=f"bbob({_BBOB[function - 1]}, d={d})",
        )


def _needed(module: str, what: str, package: str | None = None) -> None:
    if importlib.util.find_spec(module) is None:
        raise ValueError(f"{what} needs {package or module}, which is not installed; pip install 'thalweg[problems]'.")


@cache
def _problems(kind: str) -> tuple[Any, ...]:
    """All problems of a kind. Importing sif2jax takes a minute, nearly all for one constrained problem, so that the
    packages above the kind's own stay empty, unless they are imported already, and are forgotten at the end."""
    path = f"sif2jax.cutest._{kind}"
    above = [package for package in ("sif2jax", "sif2jax.cutest") if package not in sys.modules]
    try:
        for package in above:
            sys.modules[package] = _empty(package)
        return vars(importlib.import_module(path))[f"{kind}_problems"]
    finally:
        for package in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "sif2jax" and above]:
            del sys.modules[package]


def _folders(package: str) -> list[str]:
    spec = PathFinder.find_spec("sif2jax")  # which looks past an empty package of that name
    assert spec is not None and spec.submodule_search_locations is not None
    return ["/".join([folder, *package.split(".")[1:]]) for folder in spec.submodule_search_locations]


def _empty(package: str) -> ModuleType:
    module = ModuleType(package)
    module.__path__ = _folders(package)
    return module


def _unknown(name: str) -> str:
    """The sentence that there is no problem of that name."""
    kinds = ("_constrained_minimisation", "_quadratic_problems")
    folders = [folder for kind in kinds for folder in _folders(f"sif2jax.cutest.{kind}")]
    if name.lower() in {module.name for module in pkgutil.iter_modules(folders)}:
        return (
            f"{name!r} has general constraints, but a Problem has none; "
            "choose a problem that is unconstrained, has bounds only, or is a set of nonlinear equations."
        )
    known = [problem.name for kind in _KINDS for problem in _problems(kind)]
    return nearest(name, known, "a problem of CUTEst that sif2jax has")
