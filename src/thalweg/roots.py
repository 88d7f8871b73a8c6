"""Roots of functions of one number and of polynomials, for many brackets, starts or polynomials at once."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain.space import abstract
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
        where f is finite at the root, ``path`` (most steps + 1, …).
    Raises:
        ValueError: where f has the same sign at both ends, where low is not below high, where f does not map a number
            to a number, and for ends, a tolerance or a dtype that are no such numbers.
    Cost:
        One value of f per step and element, and one compilation per call.
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
    halvings = np.ceil(np.log2((high.astype(float) - low.astype(float)) / within)).clip(0).astype(int)
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

        def middle(low: Any, high: Any) -> Any:
            return low + (high - low) / 2

        def halve(state: tuple[Array, Array, Array], i: Array) -> tuple[tuple[Array, Array, Array], Array]:
            low, high, steps = state
            x = middle(low, high)
            there = jnp.sign(f(x))
            going = (i < halvings) & (low < x) & (x < high)
            up, down = going & (there != -np.sign(at_low)), going & (there != np.sign(at_low))
            low, high = jnp.where(up & (at_low != 0), x, low), jnp.where(down, x, high)
            return (low, high, steps + going), middle(low, high)

        low, high = np.where((at_high == 0) & (at_low != 0), high, low), np.where(at_low == 0, low, high)
        state = low, high, np.zeros(low.shape, np.int32)
        (_, _, steps), path = jax.jit(lambda state: jax.lax.scan(halve, state, jnp.arange(halvings.max())))(state)
        path = np.concatenate([np.asarray(middle(low, high))[None], path])
        value = np.asarray(jax.jit(f)(path[-1]))
    return _result(path, value, steps, np.isfinite(value))


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
        One value of f and one of f' per step and element, and one compilation per call.
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

        def step(x: Array, _: Array) -> tuple[Array, Array]:
            value = function(x)
            return x - jnp.where(value == 0, 0, value / slope(x)), x

        return _iterated(step, start, start, within, whole(steps, "steps", 1), function)


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
        Two values of f per step and element (the last one is taken again), and one compilation per call.
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

        def step(x: Array, before: Array) -> tuple[Array, Array]:
            value = function(x)
            return x - jnp.where(value == 0, 0, value * (x - before) / (value - function(before))), x

        return _iterated(step, second, start, within, whole(steps, "steps", 1), function)


def durand_kerner(coefficients: ArrayLike, tolerance: float = 1e-12, steps: int = 500, dtype: Any = None) -> Roots:
    """All n roots of polynomials of degree n at once, real or complex.

    z_k <- z_k - p(z_k) / prod over j != k of (z_k - z_j), where p has been divided by its leading coefficient, from
    z_k = (0.4 + 0.9 i)^k for k = 0 … n - 1, each with the latest values of the others. A step is a sweep over all k; it
    ends where no root moves by more than ``tolerance`` or its rounding. Where all roots are simple it is of order 1 + s
    with s^n = s + 1, a little over 2; multiple ones are approached linearly and to fewer digits.

    Args:
        coefficients: the highest power first as in numpy.polyval, shape (…, n + 1) with n >= 1, finite, real or
            complex; that of [x]^k is in the units of p over [x]^k.
        tolerance: the length of a move that is small enough, in [x], positive.
        steps: the most sweeps, a pure number, 1 or more.
        dtype: of the real parts, "float32" or "float64"; JAX's default if None.
    Returns:
        ``Roots``: ``root`` and ``value`` complex, of shape (…, n), in [x] and in the units of p; ``steps`` and
        ``converged`` of shape (…); ``path`` (most steps + 1, …, n).
    Raises:
        ValueError: where a leading coefficient is 0, and for coefficients, tolerance, steps or dtype that are no such
            numbers.
    Cost:
        2 n^2 complex multiplications per sweep and polynomial, and one compilation per call.
    Source:
        Durand (1960) and Kerner (1966), Numer. Math. 8; Alefeld and Herzberger (1974) for the order.
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
    with jax.enable_x64(kind == np.float64):
        monic = jnp.asarray(rows / rows[:, :1], complexes)

        def sweep(p: Array, z: Array) -> Array:
            def move(k: Array, z: Array) -> Array:
                there = jnp.polyval(p, z[k])
                away = jnp.prod(jnp.where(jnp.arange(n) == k, 1, z[k] - z))
                return z.at[k].add(-jnp.where(there == 0, 0, there / away))

            return jax.lax.fori_loop(0, n, move, z)

        def step(z: Array, _: Array) -> tuple[Array, Array]:
            return jax.vmap(sweep)(monic, z), z

        def value(z: Array) -> Array:
            return jax.vmap(jnp.polyval)(jnp.asarray(rows, complexes), z)

        start = np.broadcast_to((0.4 + 0.9j) ** np.arange(n), (len(rows), n)).astype(complexes)
        found = _iterated(step, start, start, within, whole(steps, "steps", 1), value, together=True)
    shape = given.shape[:-1]
    return Roots(
        root=found.root.reshape(*shape, n),
        value=found.value.reshape(*shape, n),
        steps=found.steps.reshape(shape),
        converged=found.converged.reshape(shape),
        path=found.path.reshape(-1, *shape, n),
    )


def _iterated(
    step: Callable[[Array, Array], tuple[Array, Array]],
    x: Any,
    before: Any,
    within: float,
    most: int,
    f: Function,
    together: bool = False,
) -> Roots:
    """Steps (x, before) -> (x, before) of every element until it moves no further; with ``together`` an element is a
    row of x."""
    eps = float(jnp.finfo(x.dtype).eps)

    def one(state: tuple[Array, Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array, Array], Array]:
        x, before, steps, done = state
        moved, left = step(x, before)
        still = (jnp.abs(moved - x) <= within + 4 * eps * jnp.abs(moved)) & jnp.isfinite(moved)
        still = jnp.all(still, axis=-1) if together else still
        frozen = done[:, None] if together else done
        x, before = jnp.where(frozen, x, moved), jnp.where(frozen, before, left)
        return (x, before, steps + ~done, done | still), x

    shape = x.shape[:1] if together else x.shape
    state = jnp.asarray(x), jnp.asarray(before), jnp.zeros(shape, jnp.int32), jnp.zeros(shape, bool)
    (root, _, taken, done), path = jax.jit(lambda state: jax.lax.scan(one, state, length=most))(state)
    path = np.concatenate([np.asarray(x)[None], path])
    return _result(path, np.asarray(jax.jit(f)(root)), taken, done)


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


def _positive(tolerance: float) -> float:
    if not (isinstance(tolerance, (int, float, np.number)) and 0 < tolerance < np.inf):
        raise ValueError(f"tolerance is {tolerance!r}, but it must be finite and positive; give e.g. 1e-12.")
    return float(tolerance)


def _bracket(i: tuple[Any, ...], low: np.ndarray, high: np.ndarray) -> str:
    index = "" if not i else f" {int(i[0])}" if len(i) == 1 else f" {tuple(map(int, i))}"
    return f"bracket{index}, ({low[i]:g}, {high[i]:g}),"
