"""Simulators that are no JAX: functions of Python on the host as stages, with derivatives."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache, partial
from inspect import signature
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.signatures import asks, name_of
from thalweg.numerics.host import host_call
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import first_line

REMEMBERED = 4  # calls: a trial and its differences, and a row
STEP = np.finfo(float).eps ** (1 / 3)  # of differences, relative to a component


@final
class HostFunction:
    """A function of Python that JAX calls with batches of points, and differentiates.

    Points are pytrees of NumPy arrays in float64, whatever the precision of the program, which rounds what it hands
    over and gets. In one call the function is evaluated once for each different point, over the threads of ``pool``;
    what the last few calls found is remembered, so that a row of a point that a step has tried costs nothing. What it
    raises is NaN there, and is kept in ``raised``.
    """

    def __init__(self, f: Callable[..., Any], jacobian: Callable[..., Any] | None, batched: bool, pool: Any) -> None:
        self.f, self.jacobian, self.batched, self.pool = f, jacobian, batched, pool
        self.like: Any = None  # what it returns, as shapes
        self.known: dict[bytes, np.ndarray] = {}  # what it returned at the start, where these were found
        self.recent: deque[dict[bytes, np.ndarray]] = deque(maxlen=REMEMBERED)  # what the last calls returned
        self.scale = np.ones(1)  # of the components of x, for differences
        self.raised: list[Exception] = []
        self.__name__ = name_of(f)
        self.__signature__ = signature(f)

    def measured(self, x: Any, *data: Any) -> "HostFunction":
        """The same, having been called at the start: it knows what it returns."""
        other = HostFunction(self.f, self.jacobian, self.batched, self.pool)
        other.raised = self.raised
        given = jax.tree.map(lambda leaf: np.asarray(leaf, float), x)
        many = partial(jax.tree.map, lambda leaf: np.asarray(leaf)[None])
        found = self.f(many(given), *map(many, data)) if self.batched else self.f(given, *data)
        found = jax.tree.map(lambda leaf: np.asarray(leaf, float), found)
        found = jax.tree.map(lambda leaf: leaf[0], found) if self.batched else found
        other.like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), found)
        other.known, other.scale = {_key(_raveled(given), data): _raveled(found)}, np.abs(_raveled(given))
        return other

    def __call__(self, x: Any, *data: Any) -> Any:
        if self.like is None:
            raise ValueError("it is not known what it returns before it was called with data; give Problem(data=…)")
        leaves = jax.tree.leaves(x)
        dtype, shapes = jnp.result_type(*leaves), [leaf.shape for leaf in leaves]
        point = jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])
        structures = jax.tree.structure(x), shapes, jax.tree.structure(data)
        y = _differentiable(self, structures, dtype)(point, *jax.tree.leaves(data))
        targets = jax.tree.leaves(self.like)
        parts = jnp.split(y, np.cumsum([leaf.size for leaf in targets])[:-1].tolist())
        shaped = [part.reshape(leaf.shape) for part, leaf in zip(parts, targets, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(self.like), shaped)

    @property
    def size(self) -> int:
        """m, the number of components that it returns."""
        return sum(leaf.size for leaf in jax.tree.leaves(self.like))

    def values(self, structures: Any, points: np.ndarray, *data: np.ndarray) -> tuple[np.ndarray]:
        """What it returns at points of shape (n, d), with their data: shape (n, m)."""
        points = points.astype(float)
        keys = [_key(point, rows) for point, *rows in zip(points, *data, strict=True)]
        where = {key: i for i, key in enumerate(keys)}
        found = {key: known[key] for known in (self.known, *tuple(self.recent)) for key in where if key in known}
        asked = [i for key, i in where.items() if key not in found]
        rows = [(points[i], [rows[i] for rows in data]) for i in asked]
        made = self._together(structures, rows) if self.batched else self._each(self.f, (self.size,), structures, rows)
        found |= {keys[i]: y for i, y in zip(asked, made, strict=True)}
        self.recent.append(found)
        return (np.array([found[key] for key in keys]),)

    def slopes(self, structures: Any, points: np.ndarray, *data: np.ndarray) -> tuple[np.ndarray]:
        """dy/dx at points of shape (n, d): shape (n, m, d). Without a Jacobian of its own by central differences."""
        n, d = points.shape
        points = points.astype(float)
        if self.jacobian is not None:
            rows = [(point, rows) for point, *rows in zip(points, *data, strict=True)]
            different = {_key(*row): row for row in rows}
            found = self._each(self.jacobian, (self.size, d), structures, list(different.values()))
            by_key = dict(zip(different, found, strict=True))
            return (np.array([by_key[_key(*row)] for row in rows]),)
        step = STEP * np.maximum(np.abs(points), np.where(self.scale > 0, self.scale, 1.0))
        shifts = step[:, :, None] * np.eye(d)  # (n, component of the step, component of x)
        ends = np.concatenate([points[:, None] + shifts, points[:, None] - shifts], axis=1)
        many = [np.repeat(rows, 2 * d, axis=0) for rows in data]
        (y,) = self.values(structures, ends.reshape(-1, d), *many)
        high, low = np.split(y.reshape(n, 2 * d, -1), 2, axis=1)
        between = np.einsum("nii->ni", ends[:, :d] - ends[:, d:])[:, :, None]  # as rounded
        return (np.swapaxes((high - low) / between, 1, 2),)

    def _each(self, f: Any, shape: tuple[int, ...], structures: Any, rows: Sequence[Any]) -> list[np.ndarray]:
        """What f gives for each row, over the threads of the pool where there are several."""
        given = [(_tree(structures, x, 0), *jax.tree.unflatten(structures[2], data)) for x, data in rows]
        pool = self.pool or _threads()
        later = (
            [pool.submit(f, *row).result for row in given] if len(given) > 1 else [partial(f, *row) for row in given]
        )
        return [self._shaped(result, shape) for result in later]

    def _shaped(self, result: Callable[[], Any], shape: tuple[int, ...]) -> np.ndarray:
        try:
            return _raveled(result()).reshape(shape)
        except Exception as error:
            self.raised.append(error)
            return np.full(shape, np.nan)

    def _together(self, structures: Any, rows: Sequence[Any]) -> np.ndarray:
        """One call for all points."""
        if not rows:
            return np.empty((0, self.size))
        points, data = np.array([point for point, _ in rows]), zip(*(data for _, data in rows), strict=True)
        try:
            result = self.f(_tree(structures, points, 1), *jax.tree.unflatten(structures[2], map(np.array, data)))
            leaves = [np.asarray(leaf, float).reshape(len(points), -1) for leaf in jax.tree.leaves(result)]
            return np.concatenate(leaves, axis=1)
        except Exception as error:
            self.raised.append(error)
            return np.full((len(points), self.size), np.nan)


@cache
def _threads() -> Executor:
    return ThreadPoolExecutor(thread_name_prefix="simulators")


def _differentiable(function: HostFunction, structures: Any, dtype: Any) -> Callable[..., Array]:
    """The function of a vector and its data as JAX sees it: y and dy/dx are calls of the host, and the derivative of
    dy/dx along a direction is a difference of two."""
    d = sum(int(np.prod(shape)) for shape in structures[1])
    y, slope = (jax.ShapeDtypeStruct(shape, dtype) for shape in ((function.size,), (function.size, d)))

    @jax.custom_jvp
    def value(x: Array, *data: Array) -> Array:
        return host_call(partial(function.values, structures), [y], x, *data)[0]

    @jax.custom_jvp
    def slopes(x: Array, *data: Array) -> Array:
        return host_call(partial(function.slopes, structures), [slope], x, *data)[0]

    @value.defjvp
    @products_in_full()
    def _(given: Any, tangents: Any) -> tuple[Array, Array]:
        return value(*given), slopes(*given) @ tangents[0]

    @slopes.defjvp
    def _(given: Any, tangents: Any) -> tuple[Array, Array]:
        (x, *data), v = given, tangents[0]
        size = jnp.asarray(np.where(function.scale > 0, function.scale, 1.0), dtype)
        length = jnp.max(jnp.abs(v) / jnp.maximum(jnp.abs(x), size))
        h, here = STEP / jnp.where(length > 0, length, 1), slopes(*given)
        return here, (slopes(x + h * v, *data) - here) / h

    return value


def host_inverse(inverse: Callable[..., Any], pool: Any, raised: list[Exception]) -> Callable[..., Any]:
    """An inverse (y, x) -> u on the host, which returns points like x."""
    function = HostFunction(lambda both, *data: inverse(*both, *data), None, False, pool)
    function.raised = raised

    def back(y: Any, x: Any, *data: Any) -> Any:
        function.like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), float), x)
        return function((y, x), *data)

    back.__name__, back.__signature__ = name_of(inverse), signature(inverse)  # pyright: ignore[reportFunctionMemberAccess]
    return back


def raised(functions: Iterable[Any]) -> dict[str, list[Exception]]:
    """What functions of the host raised since this was asked last, by their names."""
    found = {}
    for function in functions:
        if isinstance(function, HostFunction) and function.raised:
            found[function.__name__] = list(function.raised)
            function.raised.clear()
    return found


def measured(function: Any, x: Any, data: Any) -> Any:
    """A function of the host that knows what it returns from x on; any other function as it is. ValueError where it
    cannot be called there."""
    if not isinstance(function, HostFunction) or function.like is not None:
        return function
    try:
        return function.measured(x, *([data] if asks(function, 1) else []))
    except Exception as error:
        raise ValueError(
            f"function {function.__name__!r} cannot be called at the start ({type(error).__name__}: "
            f"{first_line(error)}); let it take NumPy arrays like the start and return numbers."
        ) from error


def _tree(structures: Any, points: np.ndarray, axes: int) -> Any:
    """Points as the function takes them: pytrees of arrays, with so many leading axes."""
    treedef, shapes, _ = structures
    parts = np.split(points, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1], axis=-1)
    return jax.tree.unflatten(treedef, [p.reshape((*p.shape[:axes], *s)) for p, s in zip(parts, shapes, strict=True)])


def _raveled(tree: Any) -> np.ndarray:
    return np.concatenate([np.ravel(np.asarray(leaf, float)) for leaf in jax.tree.leaves(tree)])


def _key(point: np.ndarray, data: Any) -> bytes:
    return b"".join([np.ascontiguousarray(point).tobytes(), *(np.asarray(d).tobytes() for d in jax.tree.leaves(data))])
