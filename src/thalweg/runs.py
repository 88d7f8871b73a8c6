"""``run``: a fixed number of steps of every method from every start, everything recorded."""

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import xarray as xr

from thalweg.lanes import CORES, Observer, Tile, program, row
from thalweg.memory import empty, release
from thalweg.methods.method import Method
from thalweg.problem import Problem
from thalweg.shards import advance, build
from thalweg.space import abstract, first_line, real
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
        starts: points of shape (n, d) in [x], or a pytree like ``problem.start`` with a leading axis; ``problem.start``
            if None.
        steps: how many steps, 0 or more.
        record: further observers by name, functions (problem, x) -> scalar or vector; functions alone go by their
            names.
        every: record each ``every``-th step only, and the last one; no more is ever held.
        key: seed of the random keys that methods get, one for each lane.
        dtype: "float32" or "float64"; JAX's default if None. float64 is switched on for this run alone; where a loss
            closes over NumPy arrays and was compiled in float32 by its owner before, JAX may still hold those arrays
            in float32, so switch float64 on for the whole program then.
        progress: show a progress bar; None for runs of more than a second in a terminal.

    Returns a Dataset with dims ``variant, start, step`` and one ``<space>_dim`` per space; coordinates
    ``method(variant)`` and one per hyperparameter; variables ``x``, each space, ``loss`` and each observer. ``step`` 0
    is the start itself. Infinity and NaN are recorded as they come. Attributes: problem, versions, dtype, key,
    compile_seconds, run_seconds. Ctrl-C returns the rows that all lanes have reached, with the attribute
    ``interrupted`` = 1.

    Raises ValueError, before anything is compiled, for anything of the above that does not fit, for a method that this
    problem cannot serve, and for a record that would not fit in memory.
    """
    if not isinstance(problem, Problem):
        raise ValueError(
            f"run was given a {type(problem).__name__}, but it takes a Problem; "
            "write Problem(*stages, loss=…, start=…)."
        )
    steps, every, key = _whole(steps, "steps", 0), _whole(every, "every", 1), _whole(key, "key", 0)
    named, kind = _named(methods), _dtype(dtype)
    points, observers = _points(problem, starts, kind), _observers(problem, named, record)
    lanes = [variants(method) * len(points) for method in named.values()]
    with jax.enable_x64(kind == np.float64):
        shapes = _shapes(problem, named, observers, kind)
        _check_memory(shapes, kind, -(-steps // every) + 1, sum(lanes), steps)
        rows = np.append(np.arange(0, steps, every), steps)
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
    x64 = dtype == np.float64
    makers = [
        partial(program, problem, m, _swept(m), observers, _width(lanes[name], problem), dtype, every == 1)
        for name, m in methods.items()
    ]
    programs = build(makers, x64)
    compiled = time.perf_counter()
    records = {name: empty((len(rows), *shape, sum(lanes.values())), dtype) for name, shape in shapes.items()}
    tiles, offset = [], 0
    for compiled_program, (name, method) in zip(programs, methods.items(), strict=True):
        for first in range(0, lanes[name], compiled_program.width):
            lane = np.arange(first, min(first + compiled_program.width, lanes[name]), dtype=np.int32)
            variant, start = np.divmod(lane, len(points))
            hyper = [
                np.asarray(leaf[variant] if leaf.ndim else leaf, dtype) for leaf in hyperparameters(method).values()
            ]
            into = {k: record[..., offset + lane[0] : offset + lane[-1] + 1] for k, record in records.items()}
            tiles.append(Tile(compiled_program, hyper, points[start].astype(dtype), key, lane, into))
        offset += lanes[name]
    done = advance(tiles, rows, x64, progress)
    if done == 0:  # only after Ctrl-C, before some lane had its first row
        raise KeyboardInterrupt
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
        several: list[Any] = (
            list(methods) if isinstance(methods, Sequence) and not isinstance(methods, str) else [methods]
        )
        kinds = [getattr(getattr(m, "rule", m), "__name__", type(m).__name__) for m in several]
        named = {
            k if kinds.count(k) == 1 else f"{k} {i}": m for i, (k, m) in enumerate(zip(kinds, several, strict=True))
        }
    if not named:
        raise ValueError(
            "run was given no method, but it needs at least one; "
            "give e.g. methods.gradient_descent(learning_rate=0.01)."
        )
    for name, method in named.items():
        if isinstance(method, type) or not (hasattr(method, "init") and hasattr(method, "step")):
            raise ValueError(
                f"method {name!r} is {method!r}, but a method has init and step; "
                "give an instance such as Newton(learning_rate=1.0)."
            )
        sizes = {leaf.size for leaf in hyperparameters(method).values() if leaf.ndim}
        if len(sizes) > 1 or any(leaf.ndim > 1 for leaf in hyperparameters(method).values()):
            raise ValueError(f"method {name!r} has stacked hyperparameters of different shapes; make them with sweep.")
    return named


def _points(problem: Problem, starts: Any, dtype: np.dtype) -> np.ndarray:
    """Starts as an array (n, d) of numbers that are finite in ``dtype``."""
    space = problem.inner_spaces[0]
    try:
        given = problem.start if starts is None else starts
        alike = jax.tree.structure(given) == space.treedef
        leaves = [real(leaf) for leaf in (jax.tree.leaves(given) if alike else [given])]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"starts are {starts!r}, but they must be real numbers; give an array of shape (n, {space.size})."
        ) from error
    if len(leaves) == 1 and leaves[0].shape == (space.size,):
        leaves = [leaves[0][None]]
    counts = {leaf.shape[:1] for leaf in leaves}
    if len(counts) != 1 or counts & {(), (0,)} or sum(leaf[0].size for leaf in leaves) != space.size:
        shapes = [leaf.shape for leaf in leaves]
        raise ValueError(
            f"starts have shape {shapes[0] if len(shapes) == 1 else shapes}, but a point of {problem.name!r} has shape "
            f"({space.size},); give an array of shape (n, {space.size})."
        )
    points = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
    with np.errstate(over="ignore"):
        finite = np.isfinite(points.astype(dtype)).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(
            f"start {first} is {points[first].tolist()}, which is not finite in {dtype.name}; "
            "give finite numbers, and dtype='float64' for very large ones."
        )
    return points


def _whole(n: Any, what: str, least: int) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not least <= n < 2**63:
        raise ValueError(f"{what} is {n!r}, but it must be a whole number, at least {least} and below 2**63.")
    return int(n)


def _dtype(dtype: Any) -> np.dtype:
    if dtype is None:
        return np.dtype(jnp.result_type(float))
    for kind in (np.dtype("float32"), np.dtype("float64")):
        if dtype in (kind.name, kind, kind.type, getattr(jnp, kind.name)):
            return kind
    raise ValueError(f"dtype is {dtype!r}, but a run is in 'float32' or 'float64'; choose one.")


def _observers(problem: Problem, methods: dict[str, Method], record: Any) -> tuple[tuple[str, Observer], ...]:
    """Observers by names that nothing else in the trace has."""
    if not isinstance(record, Mapping):
        record = [record] if callable(record) or isinstance(record, str) else record
        record = [(getattr(f, "__name__", ""), f) for f in record]
    pairs = tuple(record.items() if isinstance(record, Mapping) else record)
    for name, f in pairs:
        if not callable(f) or not str(name).isidentifier():
            raise ValueError(
                f"record has {name!r}: {f!r}, but an observer is a function (problem, x) with a name; "
                "give e.g. record={'gradient_norm': f}."
            )
    names = [space.name for space in problem.inner_spaces] + ["loss"] + [name for name, _ in pairs]
    taken = {"variant", "start", "step", "method"}.union(*(hyperparameters(method) for method in methods.values()))
    for name in names:
        if names.count(name) > 1 or name in taken.union(f"{other}_dim" for other in names):
            raise ValueError(
                f"{name!r} would be two things in the trace, which has "
                f"{', '.join(dict.fromkeys([*names, *sorted(taken)]))}; give the observer or the stage another name."
            )
    return pairs


def _swept(method: Method) -> list[bool]:
    return [leaf.ndim > 0 for leaf in hyperparameters(method).values()]


def _shapes(
    problem: Problem, methods: dict[str, Method], observers: tuple[tuple[str, Observer], ...], dtype: np.dtype
) -> dict[str, tuple[int, ...]]:
    """What one lane records in one row: the same for every method."""
    shapes = {}
    for name, method in methods.items():
        try:
            shapes = row(problem, method, observers, dtype)
        except Exception as error:  # whatever the method or an observer raises, the sentence must name it
            _check_observers(problem, observers, dtype)
            if isinstance(error, ValueError):
                raise
            raise ValueError(
                f"method {name!r} cannot take a step on {problem.name!r}; write it with jax.numpy and give it numbers "
                f"({type(error).__name__}: {first_line(error)})."
            ) from error
    if any(len(shape) > 1 for shape in shapes.values()):
        _check_observers(problem, observers, dtype)
    return shapes


def _check_observers(problem: Problem, observers: tuple[tuple[str, Observer], ...], dtype: np.dtype) -> None:
    for name, f in observers:
        x = jax.ShapeDtypeStruct((problem.dimension,), dtype)
        seen = abstract(partial(f, problem), f"observer {name!r}", x)
        if len(getattr(seen, "shape", (0, 0))) > 1:
            raise ValueError(
                f"observer {name!r} returns {seen}, but an observer gives a scalar or a vector; ravel an array."
            )


def _check_memory(shapes: dict[str, tuple[int, ...]], dtype: np.dtype, rows: int, lanes: int, steps: int) -> None:
    steps_bytes = 16  # of the coordinate and of a copy that is made on the way
    row_bytes = sum(math.prod(shape) for shape in shapes.values()) * dtype.itemsize * lanes + steps_bytes
    free = int(0.9 * psutil.virtual_memory().available)
    if row_bytes * rows > free and release():
        free = int(0.9 * psutil.virtual_memory().available)
    if row_bytes * rows > free:
        most = free // row_bytes - 2
        advice = f"every={-(-steps // most)} fits" if most > 0 else "no `every` helps, so take fewer starts or variants"
        raise ValueError(f"the record needs {row_bytes * rows:,} bytes and {free:,} are free; {advice}.")


def _width(lanes: int, problem: Problem) -> int:
    """Lanes of one tile: as even as cores allow, no wider than the cache likes.

    Widths are multiples of ``VECTOR`` with at least ``SMALLEST`` components, the rest filled with copies of the last
    lane, so that all lanes run through the same instructions and a start gives the same bits alone and among others.
    Where points are so large that copies would cost time, results depend on the width by rounding.
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
