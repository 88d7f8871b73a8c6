"""``run``: a fixed number of steps of every method from every start, everything recorded."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import psutil
import xarray as xr

from thalweg.lanes import Observer, Tile, program, row
from thalweg.methods.method import Method
from thalweg.problem import Problem
from thalweg.shards import CORES, advance, build
from thalweg.sweeps import hyperparameters, variants
from thalweg.trace import assemble

WIDEST = 2048  # lanes of one tile; two such tiles keep two cores busy
VECTOR = 16  # lanes of the widest vector instruction
SMALLEST = 128  # components of x in one tile: XLA compiles smaller loops in another way, with other rounding
SMALL_COMPONENTS = 1024  # components of all spaces together up to which lanes are filled up to VECTOR
TILE_COMPONENTS = 1 << 17  # components of x in one tile: its state stays in cache


def run(
    problem: Problem,
    methods: Method | Mapping[str, Method] | Sequence[Method],
    starts: Any = None,
    steps: int = 100,
    *,
    record: Mapping[str, Observer] | Sequence[Observer] = (),
    every: int = 1,
    key: int = 0,
    dtype: Any = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Take ``steps`` steps of every variant of every method from every start and record all spaces.

    Args:
        problem: the chain x -> y -> L.
        methods: one method, a list, or a dict of names; each may be a ``sweep``.
        starts: points of shape (n, d) in [x], or a pytree like ``problem.start`` with a leading axis; ``problem.start`` if
            None.
        steps: how many steps, 0 or more.
        record: further observers by name, functions (problem, x) -> scalar or vector; functions alone go by their own names.
        every: record each ``every``-th step only, and the last one; no more is ever held.
        key: seed of the random keys that methods get, one for each lane.
        dtype: "float32" or "float64"; JAX's default if None. float64 is switched on for this run alone.
        progress: show a progress bar; None for runs of more than a second in a terminal.

    Returns a Dataset with dims ``variant, start, step`` and one ``<space>_dim`` per space; coordinates ``method(variant)``
    and one per hyperparameter; variables ``x``, each space, ``loss`` and each observer. ``step`` 0 is the start itself.
    Infinity and NaN are recorded as they come. Attributes: problem, versions, dtype, key, compile_seconds, run_seconds.
    Ctrl-C returns the rows that all lanes have reached, with the attribute ``interrupted`` = 1.

    Raises ValueError, before anything is compiled, for anything of the above that does not fit, for a method that this
    problem cannot serve, and for a record that would not fit in memory.
    """
    if not isinstance(problem, Problem):
        raise ValueError(f"run was given a {type(problem).__name__}, but it takes a Problem; write Problem(*stages, loss=…, start=…).")
    named, points = _named(methods), _points(problem, starts)
    steps, every = _whole(steps, "steps", 0), _whole(every, "every", 1)
    kind, observers = _dtype(dtype), _observers(problem, record)
    rows = np.unique(np.append(np.arange(0, steps + 1, every), steps))
    lanes = [variants(method) * len(points) for method in named.values()]
    with jax.enable_x64(kind == np.float64):
        shapes = _shapes(problem, named, observers, kind)
        _check_memory(shapes, kind, len(rows), sum(lanes), steps)
        return _execute(problem, named, points, rows, every, observers, shapes, kind, key, progress)


def _execute(
    problem: Problem,
    methods: dict[str, Method],
    points: np.ndarray,
    rows: np.ndarray,
    every: int,
    observers: tuple[tuple[str, Observer], ...],
    shapes: dict[str, tuple[int, ...]],
    dtype: np.dtype,
    key: int,
    progress: bool | None,
) -> xr.Dataset:
    """Compile, step, assemble. A lane is one (variant, start), starts running fastest."""
    began = time.perf_counter()
    lanes = {name: variants(method) * len(points) for name, method in methods.items()}
    programs = build(
        [
            (program, (problem, method, _swept(method), observers, _width(lanes[name], problem), dtype, every == 1))
            for name, method in methods.items()
        ]
    )
    compiled = time.perf_counter()
    records = {name: np.empty((len(rows), *shape, sum(lanes.values())), dtype) for name, shape in shapes.items()}
    seed, tiles, offset = jax.random.key(key), [], 0
    for compiled_program, (name, method) in zip(programs, methods.items(), strict=True):
        for first in range(0, lanes[name], compiled_program.width):
            lane = np.arange(first, min(first + compiled_program.width, lanes[name]), dtype=np.int32)
            variant, start = np.divmod(lane, len(points))
            hyper = [np.asarray(leaf[variant] if leaf.ndim else leaf, dtype) for leaf in hyperparameters(method).values()]
            into = {k: record[..., offset + lane[0] : offset + lane[-1] + 1] for k, record in records.items()}
            tiles.append(Tile(compiled_program, hyper, points[start].astype(dtype), seed, lane, into))
        offset += lanes[name]
    done = advance(tiles, rows, every, progress)
    attributes = {
        "dtype": dtype.name,
        "key": key,
        "compile_seconds": compiled - began,
        "run_seconds": time.perf_counter() - compiled,
        **({"interrupted": 1} if done < len(rows) else {}),
    }
    return assemble(problem, methods, rows[:done], {k: record[:done] for k, record in records.items()}, attributes)


def _named(methods: Any) -> dict[str, Method]:
    """Methods by name; the names that a person leaves out are those of their classes or rules."""
    if isinstance(methods, Mapping):
        named = {str(name): method for name, method in methods.items()}
    else:
        several = list(methods) if isinstance(methods, Sequence) else [methods]
        kinds = [getattr(getattr(m, "rule", m), "__name__", type(m).__name__) for m in several]
        named = {k if kinds.count(k) == 1 else f"{k} {i}": m for i, (k, m) in enumerate(zip(kinds, several, strict=True))}
    if not named:
        raise ValueError("run was given no method, but it needs at least one; give e.g. methods.gradient_descent(learning_rate=0.01).")
    for name, method in named.items():
        if isinstance(method, type) or not (hasattr(method, "init") and hasattr(method, "step")):
            raise ValueError(
                f"method {name!r} is {method!r}, but a method has init and step; give an instance such as Newton(learning_rate=1.0)."
            )
        sizes = {leaf.size for leaf in hyperparameters(method).values() if leaf.ndim}
        if len(sizes) > 1 or any(leaf.ndim > 1 for leaf in hyperparameters(method).values()):
            raise ValueError(f"method {name!r} has stacked hyperparameters of different shapes; make them with sweep.")
    return named


def _points(problem: Problem, starts: Any) -> np.ndarray:
    """Starts as an array (n, d) of finite numbers."""
    space = problem.inner_spaces[0]
    if starts is None:
        return problem.start[None]
    try:
        leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(starts if not isinstance(starts, (list, tuple)) else np.asarray(starts, float))]
        if len(leaves) == 1 and leaves[0].shape[1:] in ((space.size,), space.shapes[0]) and leaves[0].ndim > 1:
            points = leaves[0].reshape(len(leaves[0]), -1)
        elif len(leaves) == 1 and leaves[0].shape == (space.size,):
            points = leaves[0][None]
        else:
            points = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
        fits = points.shape[1] == space.size and len(points) > 0
    except (TypeError, ValueError, IndexError):
        fits, points = False, np.empty(0)
    if not fits:
        given = [np.shape(leaf) for leaf in jax.tree.leaves(starts, is_leaf=lambda node: isinstance(node, (list, tuple)))]
        raise ValueError(
            f"starts have shape {given[0] if len(given) == 1 else given}, but {problem.name!r} has {space.size} components; "
            f"give an array of shape (n, {space.size})."
        )
    if not np.all(np.isfinite(points)):
        first = int(np.argmin(np.isfinite(points).all(1)))
        raise ValueError(f"start {first} is {points[first].tolist()}, but starts must be finite; replace NaN and infinity by numbers.")
    return points


def _whole(n: Any, what: str, least: int) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < least:
        raise ValueError(f"{what} is {n!r}, but it must be a whole number of at least {least}.")
    return int(n)


def _dtype(dtype: Any) -> np.dtype:
    if dtype is None:
        return np.dtype("float64" if jax.config.jax_enable_x64 else "float32")
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = None
    if kind not in (np.dtype("float32"), np.dtype("float64")):
        raise ValueError(f"dtype is {dtype!r}, but a run is in 'float32' or 'float64'; choose one.")
    return kind


def _observers(problem: Problem, record: Any) -> tuple[tuple[str, Observer], ...]:
    pairs = tuple(record.items() if isinstance(record, Mapping) else ((getattr(f, "__name__", ""), f) for f in record))
    taken = [space.name for space in problem.inner_spaces] + ["loss", "variant", "start", "step", "method"]
    for name, f in pairs:
        if not callable(f) or not str(name).isidentifier() or name in taken or [n for n, _ in pairs].count(name) > 1:
            raise ValueError(
                f"record has {name!r}: {f!r}, but an observer is a function (problem, x) under a name of its own; "
                "give e.g. record={'gradient_norm': f}."
            )
    return pairs


def _swept(method: Method) -> list[bool]:
    return [leaf.ndim > 0 for leaf in hyperparameters(method).values()]


def _shapes(
    problem: Problem, methods: dict[str, Method], observers: tuple[tuple[str, Observer], ...], dtype: np.dtype
) -> dict[str, tuple[int, ...]]:
    """What one lane records in one row: the same for every method."""
    shapes = [row(problem, method, observers, dtype) for method in methods.values()][0]
    for name, shape in shapes.items():
        if len(shape) > 1:
            raise ValueError(f"observer {name!r} returns shape {shape}, but an observer gives a scalar or a vector; ravel it.")
    return shapes


def _check_memory(shapes: dict[str, tuple[int, ...]], dtype: np.dtype, rows: int, lanes: int, steps: int) -> None:
    row_bytes = sum(math.prod(shape) for shape in shapes.values()) * dtype.itemsize * lanes
    free = int(0.9 * psutil.virtual_memory().available)
    if row_bytes * rows > free:
        most = free // row_bytes - 2
        advice = f"every={-(-steps // most)} fits" if most > 0 else f"not even every={steps} fits, so take fewer starts or variants"
        raise ValueError(f"the record needs {row_bytes * rows:,} bytes and {free:,} are free; {advice}.")


def _width(lanes: int, problem: Problem) -> int:
    """Lanes of one tile: as even as cores allow, no wider than the cache likes.

    Widths are multiples of ``VECTOR`` with at least ``SMALLEST`` components, the rest filled with copies of the last lane, so
    that all lanes run through the same instructions and a start gives the same bits alone and among others. Where points are so large that
    copies would cost time, results depend on the width by rounding.
    """
    most = max(1, min(WIDEST, TILE_COMPONENTS // problem.dimension))
    tiles = -(-lanes // most)
    if tiles == 1 and lanes >= 512:
        tiles = CORES
    elif tiles > 1:
        tiles = -(-tiles // CORES) * CORES
    width = -(-lanes // tiles)
    if sum(space.size for space in problem.inner_spaces) > SMALL_COMPONENTS:
        return width
    return -(-max(width, SMALLEST // problem.dimension) // VECTOR) * VECTOR
