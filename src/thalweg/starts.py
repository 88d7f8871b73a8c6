"""Where paths begin: arrays of points, shape (n, d), in [x], float64."""

from typing import Any

import numpy as np

Box = tuple[Any, Any]


def _box(domain: Box | None) -> tuple[np.ndarray, np.ndarray]:
    if domain is None:
        raise ValueError("the domain is None, but starts are drawn from a box (low, high); give one, or state it in the Problem.")
    low, high = np.broadcast_arrays(*(np.atleast_1d(np.asarray(side, float)) for side in domain))
    if low.ndim != 1 or not np.all(np.isfinite(low) & np.isfinite(high) & (low < high)):
        raise ValueError(f"the domain is ({low.tolist()}, {high.tolist()}), but it must be a finite box with low below high.")
    return low, high


def _count(n: int, what: str) -> int:
    if int(n) != n or n < 1:
        raise ValueError(f"{what} is {n}, but it must be a whole number of at least 1.")
    return int(n)


def grid(domain: Box, n: int) -> np.ndarray:
    """n points along each side of the box, ends included: n^d points, the last component running fastest."""
    low, high = _box(domain)
    sides = [np.linspace(a, b, _count(n, "n")) for a, b in zip(low, high, strict=True)]
    return np.stack([side.ravel() for side in np.meshgrid(*sides, indexing="ij")], axis=1)


def uniform(domain: Box, n: int, key: int = 0) -> np.ndarray:
    """n points drawn uniformly from the box by NumPy's generator seeded with ``key``."""
    low, high = _box(domain)
    return np.random.default_rng(key).uniform(low, high, (_count(n, "n"), low.size))


def sphere(center: Any, radius: float, n: int, key: int = 0) -> np.ndarray:
    """n points drawn uniformly from the sphere |x - center| = radius by NumPy's generator seeded with ``key``."""
    middle = np.atleast_1d(np.asarray(center, float))
    if not (np.isfinite(radius) and radius >= 0):
        raise ValueError(f"radius is {radius}, but it must be finite and not negative.")
    directions = np.random.default_rng(key).normal(size=(_count(n, "n"), middle.size))
    return middle + radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
