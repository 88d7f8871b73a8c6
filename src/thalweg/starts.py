"""Where paths begin: arrays of points, shape (n, d), in [x], float64."""

from typing import Any

import numpy as np

from thalweg.numerics.reading import whole

Box = tuple[Any, Any]


def _box(domain: Box | None) -> tuple[np.ndarray, np.ndarray]:
    if domain is None:
        raise ValueError(
            "the domain is None, but starts are drawn from a box (low, high); give one, or state it in the Problem."
        )
    try:
        low, high = np.broadcast_arrays(*(np.atleast_1d(np.asarray(side, float)) for side in domain))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the domain is {domain!r}, but it must be a pair (low, high); give (-5.0, 5.0).") from error
    if low.ndim != 1 or not np.all(np.isfinite(low) & np.isfinite(high) & (low < high)):
        raise ValueError(
            f"the domain is ({low.tolist()}, {high.tolist()}), but it must be a finite box with low below high."
        )
    return low, high


def _generator(key: int) -> np.random.Generator:
    return np.random.default_rng(whole(key, "key", 0))


def grid(domain: Box, n: int) -> np.ndarray:
    """n points along each side of the box, ends included: n^d points, the last component running fastest."""
    low, high = _box(domain)
    sides = [np.linspace(a, b, whole(n, "n", 1)) for a, b in zip(low, high, strict=True)]
    return np.stack([side.ravel() for side in np.meshgrid(*sides, indexing="ij")], axis=1)


def uniform(domain: Box, n: int, key: int = 0) -> np.ndarray:
    """n points drawn uniformly from the box by NumPy's generator seeded with ``key``."""
    low, high = _box(domain)
    return _generator(key).uniform(low, high, (whole(n, "n", 1), low.size))


def sphere(center: Any, radius: float, n: int, key: int = 0) -> np.ndarray:
    """n points drawn uniformly from the sphere |x - center| = radius by NumPy's generator seeded with ``key``."""
    if not (isinstance(radius, (int, float, np.number)) and 0 <= radius < np.inf):
        raise ValueError(f"radius is {radius!r}, but it must be finite and not negative; give e.g. 1.0.")
    try:
        middle = np.atleast_1d(np.asarray(center, float))
    except (TypeError, ValueError):
        middle = np.empty((0, 0))
    if middle.ndim != 1 or not np.all(np.isfinite(middle)):
        raise ValueError(f"center is {center!r}, but it must be a vector of finite numbers; give e.g. [0.0, 0.0].")
    directions = _generator(key).normal(size=(whole(n, "n", 1), middle.size))
    return middle + radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
