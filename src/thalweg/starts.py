"""Where paths begin: arrays of points, shape (n, d), in [x], float64."""

from typing import Any

import numpy as np

from thalweg.numerics.reading import check_room, finite, real, shown, sides, whole

__all__ = ["grid", "sphere", "uniform"]

Box = tuple[Any, Any]
FARTHEST = 1e306  # of a sphere and its middle, so that a hundredth of the largest number is left for the draws


def __dir__() -> list[str]:
    return __all__


def _box(domain: Box | None) -> tuple[np.ndarray, np.ndarray]:
    if domain is None:
        raise ValueError(
            "the domain is None, but starts are drawn from a box (low, high); give one, or state it in the Problem."
        )
    both = sides(domain, None, "the domain")
    try:
        low, high = np.broadcast_arrays(*(np.atleast_1d(real(side)) for side in both))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the domain is {shown(domain)}, but it must be (low, high); give (-5.0, 5.0).") from error
    opened = np.flatnonzero(np.isinf(low) | np.isinf(high)) if low.ndim == 1 else []
    if len(opened) and np.all((low <= high) & (low < np.inf) & (high > -np.inf)):
        raise ValueError(
            f"the domain is ({low.tolist()}, {high.tolist()}), but it must be a finite box to draw starts from; give a "
            f"range, two finite numbers, for component {', '.join(map(str, opened))}, or for a regression "
            "problems.start_ranges."
        )
    if low.ndim != 1 or not low.size or not np.all(np.isfinite(low) & np.isfinite(high) & (low <= high)):
        raise ValueError(
            f"the domain is ({low.tolist()}, {high.tolist()}), but it must be a finite box with low below high, "
            "or equal where x is fixed."
        )
    if not np.all(np.isfinite(high / 2 - low / 2) & (high / 2 - low / 2 < np.finfo(float).max / 2)):
        raise ValueError(
            f"the domain is ({low.tolist()}, {high.tolist()}), which is wider than the largest number; give a smaller "
            "box, such as (-1e300, 1e300)."
        )
    return low, high


def _generator(key: int) -> np.random.Generator:
    return np.random.default_rng(whole(key, "key", 0))


def grid(domain: Box, n: int) -> np.ndarray:
    """The points of a regular grid in a box, the last component running fastest.

    low + i (high - low) / (n - 1) along each side, i = 0 … n - 1, so both ends are points; for n = 1 the low end alone.

    Args:
        domain: the box (low, high), each a number or d numbers, in [x]; such as ``problem.domain``.
        n: how many points along each side, a pure number, 1 or more.
    Returns:
        An array of shape (n^d, d) in [x], float64.
    Raises:
        ValueError: for a box that is None, not finite or empty, and for an n that is no whole number from 1 on.
    Cost:
        n^d d numbers of 8 bytes.
    Example:
        >>> tw.starts.grid(([0.0, 10.0], [1.0, 20.0]), 2).tolist()
        [[0.0, 10.0], [0.0, 20.0], [1.0, 10.0], [1.0, 20.0]]
    """
    low, high = _box(domain)
    d, n = low.size, whole(n, "n", 1)
    check_room("the grid", n**d, d)
    at = np.arange(n**d)
    sides = [np.linspace(a, b, n) for a, b in zip(low, high, strict=True)]
    return np.stack([side[at // n ** (d - 1 - i) % n] for i, side in enumerate(sides)], axis=1)


def uniform(domain: Box, n: int, key: int = 0) -> np.ndarray:
    """Points drawn uniformly from a box.

    low + u (high - low), u uniform in [0, 1), by NumPy's default generator seeded with ``key``.

    Args:
        domain: the box (low, high), each a number or d numbers, in [x]; such as ``problem.domain``.
        n: how many points, a pure number, 1 or more.
        key: the seed, a whole number, 0 or more; the same points for the same key.
    Returns:
        An array of shape (n, d) in [x], float64.
    Raises:
        ValueError: for a box that is None, not finite or empty, and for an n or a key that is no such whole number.
    Cost:
        n d random numbers of 8 bytes.
    Example:
        >>> points = tw.starts.uniform((-2.0, [2.0, 3.0]), 1000, key=1)
        >>> points.shape, bool((points[:, 0] < 2).all()), bool((points >= -2).all())
        ((1000, 2), True, True)
    """
    low, high = _box(domain)
    check_room("the starts", whole(n, "n", 1), low.size)
    return _generator(key).uniform(low, high, (whole(n, "n", 1), low.size))


def sphere(center: Any, radius: float, n: int, key: int = 0) -> np.ndarray:
    """Points drawn uniformly from the sphere |x - center| = radius.

    center + radius v / |v|, v of d independent normal numbers by NumPy's default generator seeded with ``key``.

    Args:
        center: the middle, d finite numbers in [x].
        radius: the distance of all points from it, in [x], 0 or more.
        n: how many points, a pure number, 1 or more.
        key: the seed, a whole number, 0 or more; the same points for the same key.
    Returns:
        An array of shape (n, d) in [x], float64.
    Raises:
        ValueError: for a radius below 0 or not finite, a center that is no vector of finite numbers, and for an n or a
            key that is no such whole number.
    Cost:
        n d random numbers of 8 bytes, and a norm each.
    Source:
        Muller (1959), A note on a method for generating points uniformly on n-dimensional spheres, Comm. ACM 2.
    Example:
        >>> points = tw.starts.sphere([1.0, 2.0, 3.0], 0.5, 4, key=0)
        >>> np.linalg.norm(points - [1.0, 2.0, 3.0], axis=1).round(12).tolist()
        [0.5, 0.5, 0.5, 0.5]
    """
    if not (isinstance(radius, (int, float, np.integer, np.floating)) and radius >= 0 and finite(radius)):
        raise ValueError(f"radius is {shown(radius)}, but it must be finite and not negative; give e.g. 1.0.")
    try:
        middle = np.atleast_1d(real(center))
    except (TypeError, ValueError):
        middle = np.empty((0, 0))
    if middle.ndim != 1 or not middle.size or not np.all(np.isfinite(middle)):
        raise ValueError(f"center is {shown(center)}, but it must be a vector of finite numbers; give e.g. [0.0, 0.0].")
    if max(float(radius), *np.abs(middle)) > FARTHEST:
        raise ValueError(
            f"the sphere of radius {radius:g} around {shown(center)} leaves the numbers of float64; keep both to "
            f"{FARTHEST:g}."
        )
    check_room("the starts", whole(n, "n", 1), middle.size)
    directions = _generator(key).normal(size=(whole(n, "n", 1), middle.size))
    return middle + radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
