"""BBOB, the noiseless black-box functions of COCO, from the package bbob-jax that holds them."""

import importlib.metadata
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.problem import Problem
from thalweg.numerics.reading import whole

_FUNCTIONS = (
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
_COCO = (2, 1)  # the first version of bbob-jax whose functions are COCO's
_EARLIER = (1, 7, 8, 9, 19)  # what versions before it have of COCO's
_PEAKS = {21: 101, 22: 21}


def bbob(function: int, d: int = 2, key: int = 0) -> Problem:
    """One of COCO's 24 noiseless functions of BBOB by its number, shifted and turned at random by ``key``.

    Start 0; domain |x_i| <= 5; the minimum drawn is stated. The functions are those of COCO, to 1e-9, with bbob-jax 2.1
    or newer, which needs Python 3.12; earlier versions compute all but 1, 7, 8, 9 and 19 otherwise, so that these
    alone are to be had there. Shifts, rotations and peaks are bbob-jax's draws, no instances of COCO by their numbers;
    9 and 19 are turned only, as COCO has them. 7 is flat in steps. At the minima of some, such as 6 and 13, automatic
    differentiation gives NaN. [x] = [L] = 1, pure numbers.

    Args:
        function: its number in the collection, 1 to 24.
        d: components of x, a whole number of at least 2.
        key: a seed, which draws shift and rotation, a whole number of at least 0.
    Raises:
        ValueError: where bbob-jax is not installed or its function is not COCO's, where function is not from 1 to 24,
            and where d or key is none.
    Source:
        Hansen, Finck, Ros and Auger (2009), Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless
        Functions Definitions, INRIA RR-6829.
    Example:
        >>> tw.problems.bbob(function=1, d=3)
        Problem(bbob(sphere, d=3): x[3] -> loss)
    """
    try:
        from bbob_jax import registry
    except ImportError as error:
        raise ValueError("bbob needs bbob-jax, which is not installed; pip install 'thalweg[problems]'.") from error
    if whole(function, "function", 1) > len(_FUNCTIONS):
        raise ValueError(
            f"function is {function}, but BBOB has the functions 1 to {len(_FUNCTIONS)}; give one of these."
        )
    _check_version(function)
    with jax.enable_x64(True):  # the draws depend on the precision
        draw: Any = registry[_FUNCTIONS[function - 1]]
        drawn, _ = draw(ndim=whole(d, "d", 2), key=jax.random.key(whole(key, "key", 0)))
    fixed = _instance(function, {name: np.asarray(value) for name, value in drawn.keywords.items()})

    def loss(x: Array) -> Array:
        return drawn.func(x, **{name: jnp.asarray(value, x.dtype) for name, value in fixed.items()})

    return Problem(
        loss=loss,
        start=np.zeros(d),
        minima=[_minimum(function, fixed)],
        domain=(-5.0, 5.0),
        name=f"bbob({_FUNCTIONS[function - 1]}, d={d})",
    )


def _check_version(function: int) -> None:
    version = importlib.metadata.version("bbob-jax")
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _COCO and function not in _EARLIER:
        raise ValueError(
            f"function is {function}, which bbob-jax {version} computes otherwise than COCO; install bbob-jax "
            f"{'.'.join(map(str, _COCO))} or newer, for Python 3.12 or newer, or choose from "
            f"{', '.join(map(str, _EARLIER))}."
        )


def _instance(function: int, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What bbob-jax drew, where it draws from another family than COCO does put right."""
    if function in (9, 19):  # turned about 0: with a shift besides, the minimum may lie outside of the domain
        return drawn | {"x_opt": np.zeros_like(drawn["x_opt"])}
    if function in _PEAKS:  # COCO's condition numbers are 1000^(2j / (peaks - 2)), these end one step before 1000^2
        shapes = drawn["_gal_c_diags"].copy()
        shapes[1:] **= (_PEAKS[function] - 1) / (_PEAKS[function] - 2)
        return drawn | {"_gal_c_diags": shapes}
    return drawn


def _minimum(function: int, fixed: dict[str, np.ndarray]) -> np.ndarray:
    """x*: of 9 and 19, z = c R x + 1/2 is 1 there, c = max(1, sqrt(d) / 8); 5 is lowest in a corner."""
    if function == 5:
        return fixed["_ls_x_opt"]
    if function in (9, 19):
        turn = fixed["R"] if function == 9 else fixed["R"].T
        return turn.sum(1) / 2 / max(1.0, len(turn) ** 0.5 / 8)
    return fixed["x_opt"]
