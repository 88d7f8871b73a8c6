"""``run``: a fixed number of steps of every method from every start, everything recorded."""

import math
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr

from thalweg.chain.batches import batch_of
from thalweg.chain.problem import Problem
from thalweg.chain.space import abstract
from thalweg.engine.lanes import CORES, filled, point
from thalweg.engine.memory import empty, free_for
from thalweg.engine.recording import Observer, Program, Tile, program, recorded, row
from thalweg.engine.room import check_workspace
from thalweg.engine.shards import advance, build
from thalweg.methods.method import Method, NeedsRoom
from thalweg.methods.sweeps import hyperparameters, variants
from thalweg.numerics.precision import precision
from thalweg.numerics.reading import asks, whole
from thalweg.verbs import arguments
from thalweg.verbs.trace import assemble

WIDEST = 2048  # lanes of one tile; two such tiles keep two cores busy
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
        record: further observers by name, functions (problem, x) -> scalar or vector, or of four arguments
            (problem, x, method, state); functions alone go by their names.
        every: record each ``every``-th step only, and the last one; no more is ever held.
        key: seed of the random keys that methods get, one for each lane.
        dtype: "bfloat16", "float16", "float32" or "float64"; JAX's default if None. The first two round after every
            operation (float16 may add a product unrounded), and are recorded in float32. float64 is switched on for
            this run alone; where a loss closes over NumPy arrays and was compiled in float32 by its owner before, JAX
            may still hold those arrays in float32, so switch float64 on for the whole program then.
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
    steps, every = whole(steps, "steps", 0), whole(every, "every", 1)
    return follow(problem, methods, starts, steps, 0, every, record=record, key=key, dtype=dtype, progress=progress)


def follow(
    problem: Problem,
    methods: Method | Mapping[str, Method] | Sequence[Method],
    starts: Any,
    steps: int,
    since: int,
    every: int,
    *,
    record: Mapping[str, Observer] | Sequence[Observer] = (),
    key: int = 0,
    dtype: Any = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """What ``run`` does, with row 0 and then only the rows from ``since`` on."""
    key = whole(key, "key", 0)
    named, kind = arguments.named_methods(methods), precision(dtype, half=True)
    points, observers = arguments.points(problem, starts, kind), arguments.observers(problem, named, record)
    lanes = [variants(method) * len(points) for method in named.values()]
    with jax.enable_x64(kind == np.float64):
        for (name, method), many in zip(named.items(), lanes, strict=True):
            if isinstance(method, NeedsRoom):
                check_workspace(batch_of(problem), name, method, min(CORES * _width(many, problem), many), kind)
        shapes = _shapes(problem, named, observers, kind)
        _check_memory(shapes, recorded(kind), -(-(steps - since) // every) + 1 + (since > 0), sum(lanes), steps)
        rows = np.unique(np.concatenate([[0], np.arange(since, steps, every), [steps]]))
        return _execute(problem, named, points, rows, observers, shapes, kind, key, progress)


def _execute(
    problem: Problem,
    methods: dict[str, Method],
    points: np.ndarray,
    rows: np.ndarray,
    observers: tuple[tuple[str, Observer], ...],
    shapes: dict[str, tuple[int, ...]],
    dtype: np.dtype,
    key: int,
    progress: bool | None,
) -> xr.Dataset:
    """Compile, step, assemble. A lane is one (variant, start), starts running fastest."""
    began = time.perf_counter()
    lanes = {name: variants(method) * len(points) for name, method in methods.items()}
    x64, single = dtype == np.float64, bool(np.all(np.diff(rows) == 1))
    makers = [
        partial(_program, problem, name, m, _swept(m), observers, _width(lanes[name], problem), dtype, single)
        for name, m in methods.items()
    ]
    programs = build(makers, x64)
    compiled = time.perf_counter()
    records = {name: empty((len(rows), *shape, sum(lanes.values())), recorded(dtype)) for name, shape in shapes.items()}
    tiles, offset = [], 0
    for compiled_program, (name, method) in zip(programs, methods.items(), strict=True):
        for first in range(0, lanes[name], compiled_program.width):
            lane = np.arange(first, min(first + compiled_program.width, lanes[name]), dtype=np.int32)
            variant, start = np.divmod(lane, len(points))
            hyper = [
                np.asarray(leaf[variant] if leaf.ndim else leaf, dtype) for leaf in hyperparameters(method).values()
            ]
            into = {k: record[..., offset + lane[0] : offset + lane[-1] + 1] for k, record in records.items()}
            tiles.append(Tile(compiled_program, hyper, points[start].astype(dtype), key, lane, into, rows))
        offset += lanes[name]
    advance(tiles, x64, progress, lambda: (min(tile.step for tile in tiles), int(rows[-1]), "steps"))
    done = min(tile.rows for tile in tiles)
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


def _program(problem: Problem, name: str, method: Method, *arguments_of_program: Any) -> Program:
    with arguments.named(name, problem):
        return program(problem, method, *arguments_of_program)


def _swept(method: Method) -> list[bool]:
    return [leaf.ndim > 0 for leaf in hyperparameters(method).values()]


def _shapes(
    problem: Problem, methods: dict[str, Method], observers: tuple[tuple[str, Observer], ...], dtype: np.dtype
) -> dict[str, tuple[int, ...]]:
    """What one lane records in one row: the same for every method."""
    shapes = {}
    for name, method in methods.items():
        with arguments.named(name, problem):
            try:
                shapes = row(problem, method, observers, dtype)
            except Exception:  # an observer's fault is named first
                _check_observers(problem, method, observers, dtype)
                raise
        if any(len(shape) > 1 for shape in shapes.values()):
            _check_observers(problem, method, observers, dtype)
    return shapes


def _check_observers(
    problem: Problem, method: Method, observers: tuple[tuple[str, Observer], ...], dtype: np.dtype
) -> None:
    for name, f in observers:
        x, key = point(problem, dtype)
        if asks(f, 2):
            state = jax.eval_shape(partial(method.init, problem), x, key)
            seen = abstract(
                partial(lambda f, x, state: f(problem, x, method, state), f), f"observer {name!r}", x, state
            )
        else:
            seen = abstract(partial(f, problem), f"observer {name!r}", x)
        if len(getattr(seen, "shape", (0, 0))) > 1:
            raise ValueError(
                f"observer {name!r} returns {seen}, but an observer gives a scalar or a vector; ravel an array."
            )


def _check_memory(shapes: dict[str, tuple[int, ...]], dtype: np.dtype, rows: int, lanes: int, steps: int) -> None:
    steps_bytes = 16  # of the coordinate and of a copy that is made on the way
    row_bytes = sum(math.prod(shape) for shape in shapes.values()) * dtype.itemsize * lanes + steps_bytes
    free = free_for(row_bytes * rows)
    if row_bytes * rows > free:
        most = free // row_bytes - 2
        advice = f"every={-(-steps // most)} fits" if most > 0 else "no `every` helps, so take fewer starts or variants"
        raise ValueError(f"the record needs {row_bytes * rows:,} bytes and {free:,} are free; {advice}.")


def _width(lanes: int, problem: Problem) -> int:
    """Lanes of one tile: as even as cores allow, no wider than the cache likes.

    Widths are ``filled``, with copies of the last lane. Where points are so large that copies would cost time, results
    depend on the width by rounding.
    """
    most = max(1, min(WIDEST, TILE_COMPONENTS // problem.dimension))
    tiles = -(-lanes // most)
    if tiles == 1 and lanes >= 512:
        tiles = CORES
    elif tiles > 1:
        tiles = -(-tiles // CORES) * CORES
    width = -(-lanes // tiles)
    if sum(space.size for space in problem.chain.spaces) > SMALL_COMPONENTS:
        return width
    return filled(width, problem.dimension)
