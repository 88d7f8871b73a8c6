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

    Start 0.5; minimum 0; domain |x| <= 1; gradient descent converges below a learning rate of 2 / curvature. [x] and
    [L] are of your choice.

    Args:
        curvature: d2L/dx2, positive and finite, in [L]/[x]^2.
        offset: L at the minimum, finite, in [L].
    Raises:
        ValueError: where curvature is not positive and finite, or offset is not finite.
    Source:
        A lecture on optimization in one variable.
    Example:
        >>> float(tw.problems.convex(curvature=4.0, offset=0.0).value([0.5]))
        0.5
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
    monotone. For a = 0.5 there are 10, the lowest at -0.05212819482852862; for a = 0.05 there are 8. [x] is a pure
    number, and so is [L].

    Args:
        a: the height of a ripple, finite, in [L].
        b: radians of ripple for one [x], finite and |b| <= 1e4, in 1/[x].
        c: L at 0, finite, in [L].
    Raises:
        ValueError: where a, b or c is not finite, or |b| > 1e4, since every minimum is stated.
    Source:
        A lecture on optimization in one variable, with a = 0.5, and 0.05 for its landscapes.
    Example:
        >>> problem = tw.problems.rugged()
        >>> len(problem.minima), problem.minima[0].round(6).tolist()
        (10, [-0.052128])
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
    it wanting. [x] = [L] = 1, pure numbers.

    Args:
        points: places of the grid, a whole number of at least 2.
        key: a seed of NumPy's generator, which draws the noise, a whole number of at least 0.
    Raises:
        ValueError: where points or key is none.
    Source:
        A lecture on optimization in one variable; Wolpert and Macready (1997), No free lunch theorems for optimization,
        IEEE Transactions on Evolutionary Computation 1, for why.
    Example:
        >>> problem = tw.problems.worst_case(points=5)
        >>> problem.start.tolist(), problem.minima.tolist()
        ([0.125], [[0.5]])
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

    Start w / 2, on the right slope; domain |x| <= 2 w; d2L/dx2 is 4 b at the minima and -2 b at the maximum. [x] and
    [L] are of your choice.

    Args:
        a: how steep the walls are, positive and finite, in [L]/[x]^4.
        b: how high the hill between the wells is, positive and finite, in [L]/[x]^2.
    Raises:
        ValueError: where a or b is not positive and finite.
    Source:
        A textbook potential; with a = 1 and b = 2, that of a course on computational physics.
    Example:
        >>> tw.problems.double_well(a=2.0, b=9.0).minima.tolist()
        [[1.5], [-1.5]]
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
    L is constant, are none. [x] and [L] are of your choice.

    Args:
        coefficients: shape (n + 1,), one or more finite numbers; that of x^k is in [L]/[x]^k.
        domain: (low, high), finite, low below high, in [x].
    Raises:
        ValueError: where coefficients are none, or domain is no such pair.
    Source:
        None: made for landscapes of one's own, with all their minima.
    Example:
        >>> tw.problems.polynomial([1.0, 0.0, -2.0, 0.5, 0.0]).minima.round(2).tolist()
        [[-1.06], [0.93]]
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
