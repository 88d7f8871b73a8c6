"""Roots of functions of one number and of polynomials, for many brackets, starts or polynomials at once."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain.space import abstract
from thalweg.numerics.iteration import Bracket, iterated, short
from thalweg.numerics.polynomials import Monic
from thalweg.numerics.precision import precision
from thalweg.numerics.reading import real, whole

__all__ = ["Roots", "bisection", "durand_kerner", "newton", "secant"]

Function = Callable[[Array], Array]
_FALL, _LEVEL = 0.999, 8  # f falls by more than that in a halving, or by less in so many of them: that is no root


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
        where f is finite at the root and its values have fallen on the way there, which they do not at a pole or a
        jump, ``path`` (most steps + 1, …).
    Raises:
        ValueError: where f has the same sign at both ends, where low is not below high, where f does not map a number
            to a number, and for ends, a tolerance or a dtype that are no such numbers.
    Cost:
        One value of f per step and element and three more, and one compilation per call.
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
        at_low, at_high = (np.asarray(jax.jit(f)(end)) for end in (low, high))
        changes = np.sign(at_low) * np.sign(at_high) <= 0
        if not np.all(changes):
            i = np.unravel_index(np.argmin(changes), low.shape)
            raise ValueError(
                f"{_bracket(i, low, high)} has the values {at_low[i]:g} and {at_high[i]:g} at its ends, but a bracket "
                "has values of different sign there; give ends between which f crosses zero."
            )

        def halve(x: Array, bracket: Bracket) -> tuple[Array, Bracket, Array]:
            low, high, at_low, at_high, left, level = bracket
            value = f(x)
            up, down = jnp.sign(value) != -jnp.sign(at_low), jnp.sign(value) != jnp.sign(at_low)
            fell = (up & (jnp.abs(value) < _FALL * jnp.abs(at_low))) | (
                down & (jnp.abs(value) < _FALL * jnp.abs(at_high))
            )
            low, at_low = jnp.where(up, x, low), jnp.where(up, value, at_low)
            high, at_high = jnp.where(down, x, high), jnp.where(down, value, at_high)
            after = Bracket(low, high, at_low, at_high, left - 1, jnp.where(fell, 0, level + 1))
            return after.middle, after, after.done

        halvings = _halvings(high.astype(float) / 2 - low.astype(float) / 2, within)
        low, high = np.where((at_high == 0) & (at_low != 0), high, low), np.where(at_low == 0, low, high)
        begin = Bracket(low, high, at_low, at_high, halvings, np.zeros(low.shape, int))
        path, end, steps, _ = iterated(halve, begin.middle, begin, int(np.max(halvings)), begin.done)
        value = np.asarray(jax.jit(f)(path[-1]))
    rounding = 64 * np.finfo(kind).eps * np.maximum(np.abs(at_low), np.abs(at_high))
    return _result(path, value, steps, np.isfinite(value) & ((end.level < _LEVEL) | (np.abs(value) <= rounding)))


def newton(
    f: Function,
    start: ArrayLike,
    derivative: Function | None = None,
    tolerance: float = 1e-12,
    steps: int = 50,
    dtype: Any = None,
) -> Roots:
    """A root of f by Newton's method, x <- x - f(x) / f'(x), until a step is short or x is as exact as it gets.

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
        false where there was no end within ``steps`` or the path is not finite, ``path`` (most steps + 1, …).
    Raises:
        ValueError: where f or its derivative does not map a number to a number, and for a start, tolerance, steps or
            dtype that are no such numbers.
    Cost:
        One value of f and one of f' per step and element and one value more, and one compilation per call.
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

        def step(x: Array, last: Array) -> tuple[Array, Array, Array]:
            value = function(x)
            move = jnp.where(value == 0, 0, value / slope(x))
            return x - move, jnp.abs(move), short(x - move, move, last, within)

        path, _, taken, done = iterated(
            step, start, np.zeros_like(start), whole(steps, "steps", 1), np.zeros(start.shape, bool)
        )
        return _result(path, jax.jit(function)(path[-1]), taken, done)


def secant(
    f: Function,
    start: ArrayLike,
    second: ArrayLike,
    tolerance: float = 1e-12,
    steps: int = 50,
    dtype: Any = None,
) -> Roots:
    """A root of f by secants, until a step is short or x is as exact as it gets.

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
        false where there was no end within ``steps`` or the path is not finite, ``path`` (most steps + 1, …).
    Raises:
        ValueError: where both points are the same, where f does not map a number to a number, and for points,
            tolerance, steps or dtype that are no such numbers.
    Cost:
        One value of f per step and element and two more, and one compilation per call.
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

        def step(x: Array, before: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...], Array]:
            value, (previous, at_previous, last) = function(x), before
            move = jnp.where(value == 0, 0, value * (x - previous) / (value - at_previous))
            return x - move, (x, value, jnp.abs(move)), short(x - move, move, last, within)

        begin, going = (start, jax.jit(function)(start), np.zeros_like(start)), np.zeros(start.shape, bool)
        path, _, taken, done = iterated(step, second, begin, whole(steps, "steps", 1), going)
        return _result(path, jax.jit(function)(path[-1]), taken, done)


def durand_kerner(coefficients: ArrayLike, tolerance: float = 1e-12, steps: int = 500, dtype: Any = None) -> Roots:
    """All n roots of polynomials of degree n at once, real or complex.

    z_k <- z_k - p(z_k) / prod over j != k of (z_k - z_j), where p has been divided by its leading coefficient, each
    with the latest values of the others, from z_k = r (0.4 + 0.9 i)^k for k = 0 … n - 1, with r the radius after
    Fujiwara of a circle that holds all roots. A step is a sweep over all k; it ends where each root moves by no more
    than ``tolerance`` of it, or p there is rounding of its terms. Where all roots are simple it is of order 1 + s with
    s^n = s + 1, a little over 2; multiple ones are approached linearly and to fewer digits.

    Args:
        coefficients: the highest power first as in numpy.polyval, shape (…, n + 1) with n >= 1, finite, real or
            complex; that of [x]^k is in the units of p over [x]^k.
        tolerance: the length of a move that is small enough as a share of the root, a pure number, positive; where the
            root is 0, its square as a share of r.
        steps: the most sweeps, a pure number, 1 or more.
        dtype: of the real parts, "float32" or "float64"; JAX's default if None.
    Returns:
        ``Roots``: ``root`` and ``value`` complex, of shape (…, n), in [x] and in the units of p; ``steps`` and
        ``converged`` of shape (…); ``path`` (most steps + 1, …, n).
    Raises:
        ValueError: where a leading coefficient is 0, and for coefficients, tolerance, steps or dtype that are no such
            numbers.
    Cost:
        3 n^2 complex multiplications per sweep and polynomial, and one compilation per call.
    Source:
        Durand (1960) and Kerner (1966), Numer. Math. 8; Alefeld and Herzberger (1974) for the order; Fujiwara (1916),
        Tohoku Math. J. 10, for the radius.
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
    monic, eps = Monic.of(rows), np.finfo(kind).eps
    with jax.enable_x64(kind == np.float64):

        def sweep(p: Array, w: Array) -> tuple[Array, Array]:
            def move(k: Array, loop: tuple[Array, Array]) -> tuple[Array, Array]:
                w, ended = loop
                there, rounding = jnp.polyval(p, w[k]), 4 * eps * jnp.polyval(jnp.abs(p), jnp.abs(w[k]))
                away = jnp.prod(jnp.where(jnp.arange(n) == k, 1, w[k] - w))
                change = jnp.where(there == 0, 0, there / away)
                w = w.at[k].add(-change)
                small = jnp.abs(change) <= (within + 4 * eps) * (jnp.abs(w[k]) + within)
                return w, ended & ((small & jnp.isfinite(w[k])) | (jnp.abs(there) <= rounding))

            return jax.lax.fori_loop(0, n, move, (w, jnp.array(True)))

        p = jnp.asarray(monic.coefficients, complexes)

        def step(w: Array, _: Any) -> tuple[Array, Any, Array]:
            w, ended = jax.vmap(sweep)(p, w)
            return w, (), ended

        start = (monic.radius[:, None] * (0.4 + 0.9j) ** np.arange(n)).astype(complexes)
        path, _, taken, done = iterated(step, start, (), whole(steps, "steps", 1), np.zeros(len(rows), bool))
    with np.errstate(all="ignore"):  # what is too large for this precision is infinite
        path = np.ldexp(np.real(path), monic.exponent[:, None]) + 1j * np.ldexp(np.imag(path), monic.exponent[:, None])
        value = np.stack([np.polyval(row, z) for row, z in zip(rows, path[-1].astype(complex), strict=True)])
    shape = given.shape[:-1]
    path = path.reshape(-1, *shape, n)
    return _result(path, value.reshape(path.shape[1:]).astype(complexes), taken.reshape(shape), done.reshape(shape))


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
    return np.ceil(np.log2(a / b) + i - j + 1).clip(0).astype(int)


def _positive(tolerance: float) -> float:
    if not (isinstance(tolerance, (int, float, np.number)) and 0 < tolerance < np.inf):
        raise ValueError(f"tolerance is {tolerance!r}, but it must be finite and positive; give e.g. 1e-12.")
    return float(tolerance)


def _bracket(i: tuple[Any, ...], low: np.ndarray, high: np.ndarray) -> str:
    index = "" if not i else f" {int(i[0])}" if len(i) == 1 else f" {tuple(map(int, i))}"
    return f"bracket{index}, ({low[i]:g}, {high[i]:g}),"
