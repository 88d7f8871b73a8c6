"""Roots of functions of one number and of polynomials, for many brackets, starts or polynomials at once."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain.space import abstract
from thalweg.numerics.brackets import Bracket, holds_root
from thalweg.numerics.constants import evaluated
from thalweg.numerics.iteration import at_root, iterated, near, short
from thalweg.numerics.polynomials import Scaled, sweep, unscaled
from thalweg.numerics.precision import precision
from thalweg.numerics.reading import real, whole

__all__ = ["Roots", "bisection", "durand_kerner", "newton", "secant"]

Function = Callable[[Array], Array]


def __dir__() -> list[str]:
    return __all__


@final
class Roots(NamedTuple):
    """Roots, for elements of any shape (…), which a single number gives as ()."""

    root: np.ndarray  # (…), in [x]; for polynomials of degree n (…, n), complex
    value: np.ndarray  # of the function there
    steps: np.ndarray  # (…), how many were taken
    converged: np.ndarray  # (…)
    path: np.ndarray  # (most steps + 1, *root.shape), the iterates; those of a finished element repeat its root


def bisection(f: Function, low: ArrayLike, high: ArrayLike, tolerance: float = 1e-12, dtype: Any = None) -> Roots:
    """The root of f in a bracket, by halving it and keeping the half in which f changes its sign.

    The iterate is the middle; |error| <= (high - low) / 2^(i + 1) after i steps. There are
    ceil(log2((high - low) / tolerance)) of them, or fewer where f(middle) = 0 or no number is left between the ends.

    Args:
        f: a function of one number, in [x], that gives one number, written with jax.numpy.
        low: the lower ends, in [x]; any shape (…).
        high: the upper ends, in [x]; a shape that goes with that of ``low``. f has the other sign there, or is 0.
        tolerance: the width of a bracket that is small enough, in [x], positive.
        dtype: "float32" or "float64"; JAX's default if None.
    Returns:
        ``Roots`` of shape (…): ``root`` in [x], ``value`` in the units of f, ``steps`` a pure number, ``converged``
        where f is finite at the root and falls towards it, as it does not at a pole or a jump, ``path``
        (most steps + 1, …).
    Raises:
        ValueError: where f has the same sign at both ends, where low is not below high, where f does not map a number
            to a number, and for ends, a tolerance or a dtype that are no such numbers.
    Cost:
        One value of f per step and element and three more, or up to 67 where f did not fall to the end, to see whether
        there is a root; one compilation per call.
    Source:
        Dahlquist and Björck (1974), Numerical Methods, section 6.2.
    Example:
        >>> found = tw.roots.bisection(lambda x: x**2 - 2, 0.0, [2.0, 3.0], tolerance=1e-6)
        >>> bool(np.allclose(found.root, 2**0.5, atol=1e-6)), found.steps.tolist()
        (True, [21, 22])
    """
    kind, within = precision(dtype), _positive(tolerance)
    low, high = _numbers(kind, low=low, high=high)
    if not np.all(low < high):
        i = np.unravel_index(np.argmin(low < high), low.shape)
        raise ValueError(f"{_bracket(i, low, high)} is empty, but low must be below high; exchange the ends.")
    with jax.enable_x64(kind == np.float64):
        f = _elementwise(f, kind)
        at_low, at_high = (np.asarray(evaluated(f, end)) for end in (low, high))
        changes = np.sign(at_low) * np.sign(at_high) <= 0
        if not np.all(changes):
            i = np.unravel_index(np.argmin(changes), low.shape)
            raise ValueError(
                f"{_bracket(i, low, high)} has the values {at_low[i]:g} and {at_high[i]:g} at its ends, but a bracket "
                "has values of different sign there; give ends between which f crosses zero."
            )

        def halve(x: Array, state: tuple[Bracket, Array]) -> tuple[Array, tuple[Bracket, Array], Array]:
            bracket, left = state
            bracket = bracket.halved(f(x), True)
            return bracket.middle, (bracket, left - 1), (left <= 1) | ~bracket.open

        def judged(begin: Bracket, steps: Array, end: Bracket) -> tuple[Array, Array]:
            return f(end.middle), holds_root(f, begin, steps, end)

        halvings = _halvings(high.astype(float) / 2 - low.astype(float) / 2, within)
        begin = Bracket.of(low, high, at_low, at_high)
        done = (halvings == 0) | ~begin.open
        path, (end, _), steps, _ = iterated(halve, begin.middle, (begin, halvings), int(np.max(halvings)), done)
        value, root = (np.asarray(seen) for seen in evaluated(judged, begin, steps, end))
    return _result(path, value, steps, np.isfinite(value) & root)


def newton(
    f: Function,
    start: ArrayLike,
    derivative: Function | None = None,
    tolerance: float = 1e-12,
    steps: int = 50,
    dtype: Any = None,
) -> Roots:
    """A root of f by Newton's method, x <- x - f(x) / f'(x), until a step is short, and shorter than the
    one before, or x is as exact as it gets.

    Of order 2 near a simple root, and linear with ratio 1 - 1/m near an m-fold one.

    Args:
        f: a function of one number, in [x], that gives one number, written with jax.numpy.
        start: where to begin, in [x]; any shape (…).
        derivative: f', a function of one number; by JAX if None.
        tolerance: the length of a step that is small enough, in [x], positive; rounding of x is enough in any case.
        steps: the most steps, a pure number, 1 or more.
        dtype: "float32" or "float64"; JAX's default if None.
    Returns:
        ``Roots`` of shape (…): ``root`` in [x], ``value`` in the units of f, ``steps`` a pure number, ``converged``
        false where there was no end within ``steps``, the path is not finite or |f| is not smaller at its end than on
        both sides, ``path`` (most steps + 1, …).
    Raises:
        ValueError: where f or its derivative does not map a number to a number, and for a start, tolerance, steps or
            dtype that are no such numbers.
    Cost:
        One value of f and one of f' per step and element, three more values of f, one compilation per call.
    Source:
        Dahlquist and Björck (1974), Numerical Methods, section 6.3.
    Example:
        >>> found = tw.roots.newton(lambda x: x**3 - 1, [2.0, -0.5])
        >>> found.root.round(5).tolist(), found.converged.tolist()
        ([1.0, 1.0], [True, True])
    """
    kind, within = precision(dtype), _positive(tolerance)
    (start,) = _numbers(kind, start=start)
    with jax.enable_x64(kind == np.float64):
        function = _elementwise(f, kind)
        slope = _elementwise(jax.grad(f) if derivative is None else derivative, kind)

        def step(x: Array, before: Array) -> tuple[Array, Array, Array]:
            value = function(x)
            after = x - jnp.where(value == 0, 0, value / slope(x))
            size = jnp.abs(after - x)
            return after, size, short(after, size, before, within)

        none, going = np.zeros_like(start), np.zeros(start.shape, bool)
        ended = iterated(step, start, none, whole(steps, "steps", 1), going)
        return _at_root(function, *ended, within)


def secant(
    f: Function,
    start: ArrayLike,
    second: ArrayLike,
    tolerance: float = 1e-12,
    steps: int = 50,
    dtype: Any = None,
) -> Roots:
    """A root of f by secants, until two steps are short, the second one shorter, or x is as exact as it gets.

    x_(i+1) = x_i - f(x_i) (x_i - x_(i-1)) / (f(x_i) - f(x_(i-1))), of order (1 + sqrt 5) / 2 near a simple
    root.

    Args:
        f: a function of one number, in [x], that gives one number, written with jax.numpy.
        start: the first point x_0, in [x]; any shape (…).
        second: the second point x_1, in [x], another than ``start``; row 0 of the path.
        tolerance: the length of a step that is small enough, in [x], positive; rounding of x is enough in any case.
        steps: the most steps, a pure number, 1 or more.
        dtype: "float32" or "float64"; JAX's default if None.
    Returns:
        ``Roots`` of shape (…): ``root`` in [x], ``value`` in the units of f, ``steps`` a pure number, ``converged``
        false where there was no end within ``steps``, the path is not finite or |f| is not smaller at its end than on
        both sides, ``path`` (most steps + 1, …).
    Raises:
        ValueError: where both points are the same, where f does not map a number to a number, and for points,
            tolerance, steps or dtype that are no such numbers.
    Cost:
        One value of f per step and element and four more, and one compilation per call.
    Source:
        Dahlquist and Björck (1974), Numerical Methods, section 6.4.
    Example:
        >>> found = tw.roots.secant(jnp.cos, 1.0, 2.0)
        >>> round(float(found.root), 5), bool(found.converged)
        (1.5708, True)
    """
    kind, within = precision(dtype), _positive(tolerance)
    start, second = _numbers(kind, start=start, second=second)
    if np.any(start == second):
        raise ValueError(
            f"start and second are both {start[start == second][0]:g}, but a secant goes through two points; "
            "give two different ones."
        )
    with jax.enable_x64(kind == np.float64):
        function = _elementwise(f, kind)

        def step(x: Array, memo: tuple[Array, Array, Array]) -> tuple[Array, tuple[Array, Array, Array], Array]:
            last, at_last, before = memo
            value = function(x)
            level = (value == 0) | ((value == at_last) & near(x, jnp.abs(x - last), within))
            after = x - jnp.where(level, 0, value * (x - last) / (value - at_last))
            size = jnp.abs(after - x)
            ends = short(after, size, before, within) & near(after, before, within)
            return after, (x, value, size), ends

        memo, going = (start, evaluated(function, start), np.zeros_like(start)), np.zeros(start.shape, bool)
        path, (_, _, size), taken, done = iterated(step, second, memo, whole(steps, "steps", 1), going)
        return _at_root(function, path, size, taken, done, within)


def durand_kerner(coefficients: ArrayLike, tolerance: float = 1e-12, steps: int = 500, dtype: Any = None) -> Roots:
    """All n roots of polynomials of degree n at once, real or complex.

    z_k <- z_k - p(z_k) / prod over j != k of (z_k - z_j), where p has been divided by its leading coefficient, each
    with the latest values of the others. A step is a sweep over all k; it ends where each root moves by no more than
    ``tolerance`` of it, or p there is the rounding of its terms. Where all roots are simple it is of order 1 + s with
    s^n = s + 1, a little over 2; multiple ones are approached linearly and to fewer digits.

    It begins at z_k = (0.4 + 0.9 i)^k, k = 0 … n - 1, for degrees up to 20 whose roots have sizes between 1/8 and 8 by
    the Newton polygon of the coefficients, else on the circles that it gives; every root is computed in a unit of its
    own, so that sizes may differ by any factor. All arithmetic is in float64.

    Args:
        coefficients: the highest power first as in numpy.polyval, shape (…, n + 1) with n >= 1, finite, real or
            complex; that of [x]^k is in the units of p over [x]^k.
        tolerance: the length of a move that is small enough, as a share of the root, a pure number, positive.
        steps: the most sweeps, a pure number, 1 or more.
        dtype: of the real parts of what is returned, "float32" or "float64"; JAX's default if None.
    Returns:
        ``Roots``: ``root`` and ``value`` complex, of shape (…, n), in [x] and in the units of p; ``steps`` and
        ``converged`` of shape (…); ``path`` (most steps + 1, …, n).
    Raises:
        ValueError: where a leading coefficient is 0, and for coefficients, tolerance, steps or dtype that are no such
            numbers.
    Cost:
        4 n^2 complex multiplications per sweep and polynomial, and one compilation per call.
    Source:
        Durand (1960) and Kerner (1966), Numer. Math. 8; Alefeld and Herzberger (1974) for the order; Bini (1996),
        Numer. Algorithms 13, for the circles.
    Example:
        >>> found = tw.roots.durand_kerner([1.0, 0.0, 0.0, -1.0])  # z^3 = 1
        >>> np.sort(found.root.real.astype(float).round(4)).tolist()
        [-0.5, -0.5, 1.0]
    """
    kind, within = precision(dtype), _positive(tolerance)
    complexes = np.result_type(kind, np.complex64)
    try:
        given = np.asarray(coefficients, np.complex128)
    except (TypeError, ValueError):
        given = np.empty(0)
    if given.ndim < 1 or given.shape[-1] < 2 or given.size == 0 or not np.all(np.isfinite(given)):
        raise ValueError(
            f"coefficients are {coefficients!r}, but they must be two or more finite numbers, the highest power first; "
            "give e.g. [1.0, 0.0, -2.0]."
        )
    if np.any(given[..., 0] == 0):
        row = np.argwhere(given[..., 0] == 0)[0].tolist()
        where = f" of polynomial {row[0] if len(row) == 1 else tuple(row)}" if row else ""
        raise ValueError(
            f"the leading coefficient{where} is 0, but the degree must be that of the highest power; leave it out."
        )
    n = given.shape[-1] - 1
    rows = given.reshape(-1, n + 1)
    scaled = Scaled.of(rows)
    with jax.enable_x64(True):

        def step(w: Array, scaled: Scaled) -> tuple[Array, Scaled, Array]:
            w, ended = jax.vmap(partial(sweep, within=within))(scaled, w)
            return w, scaled, ended

        none = np.zeros(len(rows), bool)
        path, _, taken, done = iterated(step, scaled.start, scaled, whole(steps, "steps", 1), none)
    shape = given.shape[:-1]
    with np.errstate(all="ignore"):  # what is too large for this precision is infinite
        path = unscaled(path, scaled.exponents).astype(complexes)
        value = np.stack([np.polyval(row, z) for row, z in zip(rows, path[-1].astype(complex), strict=True)])
        value = value.astype(complexes).reshape(*shape, n)
    return _result(path.reshape(-1, *shape, n), value, taken.reshape(shape), done.reshape(shape))


def _at_root(
    f: Function, path: np.ndarray, size: np.ndarray, steps: np.ndarray, done: np.ndarray, within: float
) -> Roots:
    """The ends of paths, converged where there is a root; ``size`` is that of the last steps."""

    def seen(x: Array, size: Array) -> tuple[Array, Array]:
        value = f(x)
        return value, at_root(f, x, value, size, within)

    value, root = evaluated(seen, path[-1], size)
    return _result(path, value, steps, done & np.asarray(root))


def _result(path: np.ndarray, value: Any, steps: Any, converged: Any) -> Roots:
    return Roots(path[-1], np.asarray(value), np.asarray(steps), np.asarray(converged), path[: np.max(steps) + 1])


def _elementwise(f: Function, kind: np.dtype) -> Function:
    """f over arrays; ValueError unless it maps one number to one."""
    found = abstract(f, "f", jax.ShapeDtypeStruct((), kind))
    if not isinstance(found, jax.ShapeDtypeStruct) or found.shape:
        given = f"shape {found.shape}" if isinstance(found, jax.ShapeDtypeStruct) else "no array"
        raise ValueError(f"f returns {given}, but a root is that of one number; let f map a number to a number.")

    def over(x: Array) -> Array:
        return jax.vmap(f)(jnp.ravel(x)).reshape(jnp.shape(x))

    return over


def _numbers(kind: np.dtype, **given: Any) -> list[np.ndarray]:
    """Arrays of one shape; ValueError where they are not, or not finite in this precision."""
    for name, values in given.items():
        try:
            array = real(values)
        except (TypeError, ValueError):
            array = np.empty(0)
        with np.errstate(over="ignore"):
            finite = array.size and np.all(np.isfinite(array.astype(kind)))
        if not finite:
            raise ValueError(f"{name} is {values!r}, but it must be finite numbers; give e.g. {name}=1.0.")
    try:
        return [array.astype(kind) for array in np.broadcast_arrays(*map(real, given.values()))]
    except ValueError as error:
        shapes = " and ".join(str(np.shape(values)) for values in given.values())
        raise ValueError(
            f"{' and '.join(given)} have the shapes {shapes}, but they go together; give arrays of one shape."
        ) from error


def _halvings(half: np.ndarray, within: float) -> np.ndarray:
    """ceil(log2(2 half / within)), where the ratio may overflow."""
    (a, i), (b, j) = np.frexp(half), np.frexp(within)
    return np.ceil(np.log2(a / b) + i - j + 1).clip(0).astype(np.int32)


def _positive(tolerance: float) -> float:
    if not (isinstance(tolerance, (int, float, np.number)) and 0 < tolerance < np.inf):
        raise ValueError(f"tolerance is {tolerance!r}, but it must be finite and positive; give e.g. 1e-12.")
    return float(tolerance)


def _bracket(i: tuple[Any, ...], low: np.ndarray, high: np.ndarray) -> str:
    index = "" if not i else f" {int(i[0])}" if len(i) == 1 else f" {tuple(map(int, i))}"
    return f"bracket{index}, ({low[i]:g}, {high[i]:g}),"
