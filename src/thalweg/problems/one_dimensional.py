"""Losses of one number, L(x) with x of one component: the landscapes on which optimizers are first taught."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

from thalweg.chain.problem import Problem
from thalweg.numerics.reading import whole
from thalweg.problems.intervals import crossings, polynomial_roots


def convex(curvature: float = 1.0, offset: float = -0.2) -> Problem:
    """L = curvature x^2 / 2 + offset: a parabola.

    Start 0.5; minimum 0; domain |x| <= 1. ``curvature`` > 0 is in [L]/[x]^2: gradient descent converges below a
    learning rate of 2 / curvature.
    """
    curvature, offset = _positive(curvature, "curvature"), _finite(offset, "offset")
    return Problem(
        loss=lambda x: curvature * x[0] ** 2 / 2 + offset,
        start=[0.5],
        minima=[[0.0]],
        domain=(-1.0, 1.0),
        name=f"convex(curvature={curvature:g})",
    )


def rugged(a: float = 0.5, b: float = 30.0, c: float = -0.2) -> Problem:
    """L = x^2 + a sin(b x) + c: a parabola with ripples.

    Start 0.3; domain |x| <= 1; all minima inside the domain are stated, the lowest first, found to the last digits of
    float64 by bisecting dL/dx = 2 x + a b cos(b x) between the roots of d2L/dx2 = 2 - a b^2 sin(b x), where it is
    monotone. For a = 0.5 there are 10, the lowest at -0.05212819482852862; for a = 0.05 there are 8. |b| <= 1e4.
    """
    a, b, c = _finite(a, "a"), _finite(b, "b"), _finite(c, "c")
    if abs(b) > 1e4:
        raise ValueError(f"b is {b}, but it must be at most 1e4, since every minimum is stated; give e.g. b=30.")

    def slope(x: np.ndarray) -> np.ndarray:
        return 2 * x + a * b * np.cos(b * x)

    bend = a * b**2
    turns = np.empty(0)
    if abs(bend) > 2:
        angle, k = math.asin(2 / bend), 2 * math.pi * np.arange(-math.ceil(abs(b)), math.ceil(abs(b)) + 1)
        turns = np.sort(np.concatenate([angle + k, math.pi - angle + k]) / b)
    ends = np.concatenate([[-1.0], turns[np.abs(turns) < 1], [1.0]])
    _, minima = crossings(slope, ends[:-1], ends[1:])
    return Problem(
        loss=lambda x: x[0] ** 2 + a * jnp.sin(b * x[0]) + c,
        start=[0.3],
        minima=[[x] for x in minima[np.argsort(minima**2 + a * np.sin(b * minima), kind="stable")]],
        domain=(-1.0, 1.0),
        name=f"rugged(a={a:g}, b={b:g})",
    )


def worst_case(points: int = 500, key: int = 0) -> Problem:
    """Independent uniform noise in [0, 1) at ``points`` places, evenly from -1 to 1, and straight lines in between.

    Nothing seen at one place tells of another, so no method beats a search of the grid. Start 0, or beside it where it
    is a place of the grid; domain |x| <= 1, beyond which L is constant; the lowest point is stated as the minimum, a
    kink where L has no derivative (the gradient given there is that of the line to the right), so that ``check`` finds
    it wanting. The noise is drawn by NumPy's generator seeded with ``key``; points >= 2.
    """
    places = np.linspace(-1.0, 1.0, whole(points, "points", 2))
    noise = np.random.default_rng(whole(key, "key", 0)).uniform(size=len(places))
    return Problem(
        loss=lambda x: jnp.interp(x[0], jnp.asarray(places, x.dtype), jnp.asarray(noise, x.dtype)),
        start=[(places[1] - places[0]) / 4 if len(places) % 2 else 0.0],
        minima=[[places[np.argmin(noise)]]],
        domain=(-1.0, 1.0),
        name=f"worst_case(points={len(places)}, key={key})",
    )


def double_well(a: float = 1.0, b: float = 2.0) -> Problem:
    """L = a x^4 - b x^2: two minima +-w with w = sqrt(b / 2a), L = -b^2 / 4a, and a maximum 0 between them.

    Start w / 2, on the right slope; domain |x| <= 2 w. a in [L]/[x]^4 and b in [L]/[x]^2 are positive; d2L/dx2 is 4 b
    at the minima and -2 b at the maximum.
    """
    a, b = _positive(a, "a"), _positive(b, "b")
    w = math.sqrt(b / (2 * a))
    return Problem(
        loss=lambda x: a * x[0] ** 4 - b * x[0] ** 2,
        start=[w / 2],
        minima=[[w], [-w]],
        domain=(-2 * w, 2 * w),
        name=f"double_well(a={a:g}, b={b:g})",
    )


def polynomial(coefficients: Sequence[float], domain: Sequence[float] = (-5.0, 5.0)) -> Problem:
    """L = coefficients[0] x^n + … + coefficients[n], the highest power first as in numpy.polyval.

    Start a quarter of the domain below its upper end; all minima inside the domain are stated, the lowest first: the
    roots of dL/dx where it turns from negative to positive, to the rounding of its value. Inflections, and levels where
    L is constant, are none.
    """
    given = _vector(coefficients)
    if given.size == 0:
        raise ValueError(
            f"coefficients is {coefficients!r}, but it must be one or more finite numbers; give e.g. [1.0, 0.0, -2.0]."
        )
    ends = _vector(domain)
    if ends.size != 2 or not ends[0] < ends[1]:
        raise ValueError(f"domain is {domain!r}, but it must be finite, low below high; give e.g. (-2.0, 2.0).")
    slope = np.polyder(given)
    roots = polynomial_roots(slope, *ends)
    between = np.polyval(slope, (np.append(ends[0], roots) + np.append(roots, ends[1])) / 2)
    minima = roots[(between[:-1] < 0) & (between[1:] > 0)]
    return Problem(
        loss=lambda x: jnp.polyval(jnp.asarray(given, x.dtype), x[0]),
        start=[ends[1] - (ends[1] - ends[0]) / 4],
        minima=[[x] for x in minima[np.argsort(np.polyval(given, minima), kind="stable")]],
        domain=(ends[0], ends[1]),
        name=f"polynomial(degree={given.size - 1})",
    )


def _finite(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}, but it must be a finite number; give e.g. {name}=0.5.")
    return float(value)


def _positive(value: float, name: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {value}, but it must be finite and positive; give e.g. {name}=1.0.")
    return float(value)


def _vector(values: Sequence[float]) -> np.ndarray:
    """Finite numbers in float64; empty where they are none."""
    try:
        vector = np.asarray(values, float)
    except (TypeError, ValueError):
        return np.empty(0)
    return vector if vector.ndim == 1 and np.all(np.isfinite(vector)) else np.empty(0)
