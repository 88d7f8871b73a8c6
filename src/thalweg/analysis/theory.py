"""What is known of methods near a minimum, on the quadratic L = x^T H x / 2.

A ``rule`` is what the coordinate of that name calls a method: the name of its optax rule and of the flags that are set,
or of its class. ``numbers`` are its hyperparameters by name, without those that it does not have.
"""

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

Numbers = Mapping[str, float]
ADAPTIVE = ("adam", "adamw", "rmsprop", "adagrad")  # those whose limit is one of the preconditioned sharpness
LEAST_SQUARES = ("GaussNewton", "LevenbergMarquardt")  # those that depend on the residual at the minimum
ORDERS = {"Newton": 2.0, "TrustRegion": 2.0, "GaussNewton": 2.0, "LevenbergMarquardt": 2.0, "NewtonCG": 1.5}


def is_adaptive(rule: str) -> bool:
    return rule.partition(" ")[0] in ADAPTIVE


def limit(rule: str, numbers: Numbers) -> float:
    """The sharpness, the largest eigenvalue of H, above which a step grows, in [L]/[x]^2; NaN where none is known.

    With the learning rate eta, the momentum m, b1 and the weight decay w, the update oscillates with growing size above

    - sgd: 2 (1 + m) / eta (Polyak 1964); with nesterov: 2 (1 + m) / (eta (1 + 2 m)) (Cohen et al. 2021,
      arXiv:2103.00065);
    - adam: 2 (1 + b1) / ((1 - b1) eta); adamw: (2 / eta - w) (1 + b1) / (1 - b1) (Cohen et al. 2022, arXiv:2207.14484;
      w by the same matrix); rmsprop: 2 (1 + m) / eta; adagrad: 2 / eta.

    The last four bound the *preconditioned* sharpness, the largest eigenvalue of P^-1/2 H P^-1/2, where P is the
    diagonal by which the gradient is divided, as if P were held.
    """
    eta, m, b1 = numbers.get("learning_rate", math.nan), numbers.get("momentum", 0.0), numbers.get("b1", math.nan)
    match rule:
        case "sgd" | "rmsprop" | "rmsprop centered":
            return 2 * (1 + m) / eta
        case "sgd nesterov":
            return 2 * (1 + m) / (eta * (1 + 2 * m))
        case "adam":
            return 2 * (1 + b1) / ((1 - b1) * eta)
        case "adamw":
            return (2 / eta - numbers.get("weight_decay", math.nan)) * (1 + b1) / (1 - b1)
        case "adagrad":
            return 2 / eta
    return math.nan


def rate(rule: str, numbers: Numbers, eigenvalues: ArrayLike, residual: bool = False) -> float:
    """The factor by which the error shrinks in a step in the end, from the ``eigenvalues`` of H; NaN where not known.

    sgd: the spectral radius of the matrix that takes (x_(k-1), x_k) to (x_k, x_(k+1)), over all eigenvalues h. It has
    the characteristic polynomial z^2 - (1 + m - eta h) z + m, with nesterov z^2 - (1 + m) (1 - eta h) z + m (1 - eta h)
    (Lessard, Recht, Packard 2016, section 2.2), and is 1 - eta h without momentum. It is 1 where H is singular.

    Newton: max |1 - eta h / (h + damping)|, of which 0 is faster than any linear rate. GaussNewton: |1 - eta| where the
    residual vanishes at the minimum. TrustRegion, BFGS, NewtonCG, and LevenbergMarquardt where the residual vanishes:
    0. These need H to be positive definite; where it is singular to rounding, NaN. ``residual`` tells whether one is
    left at the minimum.
    """
    h = np.asarray(eigenvalues, np.float64)
    eta, m = numbers.get("learning_rate", math.nan), numbers.get("momentum", 0.0)
    match rule:
        case "sgd":
            return max(_radius(1 + m - eta * e, m) for e in h)
        case "sgd nesterov":
            return max(_radius((1 + m) * (1 - eta * e), m * (1 - eta * e)) for e in h)
    if not _is_definite(h):
        return math.nan
    match rule:
        case "Newton":
            return float(np.max(np.abs(1 - eta * h / (h + numbers.get("damping", 0.0)))))
        case "GaussNewton" if not residual:
            return abs(1 - eta)
        case "LevenbergMarquardt" if not residual:
            return 0.0
        case "TrustRegion" | "BFGS" | "NewtonCG":
            return 0.0
    return math.nan


def order(rule: str, numbers: Numbers, eigenvalues: ArrayLike, residual: bool = False) -> float:
    """The order q of convergence, |e_(k+1)| ~ C |e_k|^q, at least; NaN where it is not known.

    1 where ``rate`` is between 0 and 1. Where that is 0: 2 for Newton, TrustRegion, GaussNewton and LevenbergMarquardt
    (Nocedal and Wright 2006, theorems 3.5 and 4.9, section 10.3), 3/2 for NewtonCG with its forcing sqrt |g| (theorem
    7.2); of BFGS it is only known to be superlinear (theorem 6.6). Where symmetry makes the third derivatives vanish
    it is higher.
    """
    factor = rate(rule, numbers, eigenvalues, residual)
    if factor == 0:
        return ORDERS.get(rule, math.nan)
    return 1.0 if factor < 1 else math.nan


def variants_of(trace: xr.Dataset) -> list[tuple[str, dict[str, float]]]:
    """The rule and the numbers of each variant.

    Raises ValueError for a Dataset without the coordinate ``rule``.
    """
    if "rule" not in trace.coords:
        raise ValueError(
            "the trace has no coordinate rule, by which limits and rates are known; give a trace that run returned."
        )
    of_variants = {str(name): c.values for name, c in trace.coords.items() if c.dims == ("variant",)}
    columns = {name: values for name, values in of_variants.items() if values.dtype.kind == "f"}
    return [
        (str(rule), {name: float(values[i]) for name, values in columns.items() if not np.isnan(values[i])})
        for i, rule in enumerate(of_variants["rule"])
    ]


def _radius(trace: float, determinant: float) -> float:
    """The larger |z| of z^2 - trace z + determinant = 0."""
    root = np.sqrt(complex(trace**2 / 4 - determinant))
    return float(max(abs(trace / 2 + root), abs(trace / 2 - root)))


def _is_definite(h: np.ndarray) -> bool:
    return bool(np.min(h) > len(h) * np.finfo(h.dtype).eps * np.max(np.abs(h)))
