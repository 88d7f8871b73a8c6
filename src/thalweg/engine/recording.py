"""The engine of ``run``: lanes stepped together by compiled chunks of steps, every row recorded."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.batches import Shuffle, shown
from thalweg.chain.problem import Problem
from thalweg.engine.lanes import CORES, in_turn, on_host, once, point, settled, stepper
from thalweg.engine.sharing import state_axes
from thalweg.engine.traces import calls_lapack
from thalweg.engine.xla import compiled
from thalweg.methods.method import Method
from thalweg.numerics.layout import lanes_minor, rows_minor
from thalweg.numerics.reading import asks

Observer = Callable[..., Any]
CHUNK_BYTES = 12 << 20  # record of one chunk: each chunk costs a quarter of a millisecond to start and to hand over
MOST_STEPS = 500  # of one chunk, so that Ctrl-C and the progress bar need not wait long


@final
@dataclass(frozen=True)
class Program:
    """Two compiled functions for lanes of one width, and what they record.

    ``begin(hyper, x, seed, lane, records)`` gives the carry and records row 0; ``chunk(hyper, carry, records, rows,
    every)`` takes ``every`` steps and records, ``rows`` times. Both give (carry, records), and donate what they take of
    these. Lanes are the last axis of all.
    """

    begin: Callable[..., Any]
    chunk: Callable[..., Any]
    rows: int
    width: int
    shapes: dict[str, tuple[tuple[int, ...], Any]]
    lapack: bool

    def buffers(self) -> dict[str, Array]:
        """Record buffers for one call of ``begin`` or ``chunk``, which returns them filled, for ``give_back``."""
        with _lock:
            for i, (shapes, buffers) in enumerate(_spare):
                if shapes == self.shapes:
                    del _spare[i]
                    return buffers
        return {name: jnp.zeros(shape, dtype) for name, (shape, dtype) in self.shapes.items()}

    def give_back(self, buffers: dict[str, Array]) -> None:
        """Keep buffers for the next chunk or run: fresh pages cost more than a short run. Those of a single row may be
        of any size and are not kept."""
        if self.rows > 1:
            with _lock:
                _spare.append((self.shapes, buffers))


_lock = Lock()
_spare: deque[tuple[Any, dict[str, Array]]] = deque(maxlen=2 * CORES)


def observe(
    problem: Problem, record: Sequence[tuple[str, Observer]], x: Array, method: Any, state: Any
) -> dict[str, Array]:
    """Everything a trace holds of one point. An observer that asks for four arguments gets the method and its state."""
    seen = {**shown(problem).spaces(x), "loss": problem.value(x)}
    for name, f in record:
        seen[name] = jnp.asarray(f(problem, x, method, state) if asks(f, 2) else f(problem, x))
    return {name: jnp.asarray(value, recorded(x.dtype)) for name, value in seen.items()}


def recorded(dtype: np.dtype) -> np.dtype:
    """The precision of records: float32 for what is shorter, which few programs and no file format read."""
    return max(np.dtype(dtype), np.dtype(np.float32), key=lambda kind: kind.itemsize)


def row(
    problem: Problem, method: Method, record: Sequence[tuple[str, Observer]], dtype: np.dtype
) -> dict[str, tuple[int, ...]]:
    """The shapes of what one lane records. Traces one step, so that a method that this problem cannot serve says so."""

    def shapes() -> dict[str, tuple[int, ...]]:
        x, key = point(problem, dtype)
        scalars = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((), dtype), method)
        batch = Shuffle(problem, dtype).sample() if problem.batch_size else problem
        jax.eval_shape(lambda m, x, key: m.step(batch, x, m.init(batch, x, key)), scalars, x, key)

        seen: dict[str, tuple[int, ...]] = {}  # filled on the way: a dict that comes out of JAX is sorted

        def look(m: Any, x: Array, key: Array) -> None:
            seen.update({k: v.shape for k, v in observe(problem, record, x, m, m.init(batch, x, key)).items()})

        jax.eval_shape(look, scalars, x, key)
        return seen

    return once(problem, ("row", jax.tree.structure(method), tuple(record), dtype), shapes)


def program(
    problem: Problem,
    method: Method,
    swept: Sequence[bool],
    record: Sequence[tuple[str, Observer]],
    width: int,
    dtype: np.dtype,
    single: bool,
) -> Program:
    """The program for ``width`` lanes of a method, from the cache where the structure was compiled before.

    ``swept`` tells which hyperparameters have one value per lane, ``single`` whether every step is recorded. Values of
    hyperparameters, starts and keys are arguments of the program.
    """

    def build() -> Program:
        lane_problem = settled(problem)
        shuffle = Shuffle(lane_problem, dtype) if problem.batch_size else None
        sample = shuffle.sample() if shuffle else lane_problem
        one = stepper(sample, method, dtype)
        axes = state_axes(sample, one, swept, dtype)
        hyper_axes = [0 if s else None for s in swept]

        def all_init(batches: Any, hyper: list[Array], x: Array, keys: Array) -> list[Array]:
            seen = lane_problem.bind(shuffle.draw(batches)[0]) if shuffle else lane_problem
            return jax.vmap(partial(one.init, seen), (hyper_axes, 0, 0), axes)(hyper, x, keys)

        def all_step(hyper: list[Array], x: Array, state: list[Array], batches: Any) -> Any:
            seen, following = lane_problem, batches
            if shuffle:
                batch, following = shuffle.draw(batches)
                seen = lane_problem.bind(batch)
            step = jax.vmap(partial(one.step, seen), (hyper_axes, 0, axes), (0, axes))
            return *lanes_minor(step(hyper, x, state)), following

        look = jax.vmap(partial(one.observe, partial(observe, problem, record)), (hyper_axes, 0, axes))

        def turn(leaf: Array, axis: int | None, source: int, to: int) -> Array:
            return leaf if axis is None else jnp.moveaxis(leaf, source, to)

        def packed(x: Array, state: list[Array], batches: Any) -> Any:
            return x.T, [turn(leaf, axis, 0, -1) for leaf, axis in zip(state, axes, strict=True)], batches

        def unpacked(carry: Any) -> Any:
            x, state, batches = carry
            return x.T, [turn(leaf, axis, -1, 0) for leaf, axis in zip(state, axes, strict=True)], batches

        def put(records: dict[str, Array], seen: dict[str, Array], i: Any) -> dict[str, Array]:
            into = jax.lax.dynamic_update_index_in_dim
            return {k: into(record, jnp.moveaxis(seen[k], 0, -1), i, 0) for k, record in records.items()}

        def begin(hyper: list[Array], x: Array, seed: Array, lane: Array, records: dict[str, Array]) -> Any:
            keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), lane)
            batches = shuffle.start(seed) if shuffle else ()
            state = all_init(batches, hyper, x, keys)
            return packed(x, state, batches), put(records, look(hyper, x, state), 0)

        def chunk(hyper: list[Array], carry: Any, records: dict[str, Array], rows: Array, every: Array) -> Any:
            def advance(_: Any, carry: Any) -> Any:
                x, state = lanes_minor(carry[:2])
                return all_step(hyper, x, state, carry[2])

            def row(i: Array, loop: Any) -> Any:
                carry, records = loop
                carry = advance(i, carry) if single else jax.lax.fori_loop(0, every, advance, carry)
                return carry, put(records, look(hyper, *carry[:2]), i)

            carry, records = jax.lax.fori_loop(0, rows, row, (unpacked(carry), records))
            return packed(*carry), records

        some = [jax.ShapeDtypeStruct((width,) if s else (), dtype) for s in swept]
        x = jax.ShapeDtypeStruct((width, problem.dimension), dtype)
        count, seed = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((), jnp.uint32)
        lane = jax.ShapeDtypeStruct((width,), jnp.int32)
        keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), width))
        state = jax.eval_shape(jax.vmap(partial(one.init, sample), (hyper_axes, 0, 0), axes), some, x, keys)
        seen = jax.eval_shape(look, some, x, state)
        rows = int(np.clip(CHUNK_BYTES // sum(a.size * a.dtype.itemsize for a in seen.values()), 1, MOST_STEPS))
        shapes = {k: ((rows, *a.shape[1:], width), a.dtype) for k, a in seen.items()}
        records = {k: jax.ShapeDtypeStruct(*shape) for k, shape in shapes.items()}
        with rows_minor(one.transforms):
            carry, _ = jax.eval_shape(begin, some, x, seed, lane, records)
            start = compiled(jax.jit(begin, donate_argnums=4, keep_unused=True), some, x, seed, lane, records)
            go_on = compiled(
                jax.jit(chunk, donate_argnums=(1, 2), keep_unused=True), some, carry, records, count, count
            )
        return Program(start, go_on, rows, width, shapes, calls_lapack(start) or calls_lapack(go_on))

    signature = (jax.tree.structure(method), tuple(swept), tuple(record), width, dtype, single)
    return once(problem, signature, build)


@final
class Tile:
    """One width of lanes on its way: their hyperparameters, their carry, and where their rows go.

    ``into`` maps each recorded name to the slice of the record that belongs to these lanes, shape (rows, …, lanes);
    ``schedule`` holds the steps to record.
    """

    def __init__(
        self,
        program: Program,
        hyper: list[np.ndarray],
        x: np.ndarray,
        seed: int,
        lane: np.ndarray,
        into: dict[str, np.ndarray],
        schedule: np.ndarray,
    ) -> None:
        self.program, self.hyper, self.x, self.seed, self.lane, self.into = program, hyper, x, seed, lane, into
        self.schedule, self.rows, self.step, self.more = schedule, 0, 0, True

    def start(self) -> Callable[[], None]:
        """Start the next chunk of at most ``MOST_STEPS`` steps on the way to the rows of the schedule; the first only
        records row 0. Returns what brings the rows home."""
        at, records = self.rows, self.program.buffers()
        if at == 0:  # lanes that only fill the width repeat the last one
            lane = np.minimum(np.arange(self.program.width), len(self.lane) - 1)
            self.arguments = [np.asarray(h[lane] if h.ndim else h, self.x.dtype) for h in self.hyper]
            seed = np.uint32(self.seed % 2**32)
            records = self._call(self.program.begin, self.arguments, self.x[lane], seed, self.lane[lane], records)
            rows = 1
        else:
            ahead = self.schedule[at : at + self.program.rows]
            gap = int(ahead[0]) - self.step
            even = int(np.sum(ahead == self.step + gap * np.arange(1, len(ahead) + 1)))  # only the last gap may differ
            rows, every = (1, MOST_STEPS) if gap > MOST_STEPS else (min(even, MOST_STEPS // gap), gap)
            counts = np.int32(rows), np.int32(every)
            records = self._call(self.program.chunk, self.arguments, self.carry, records, *counts)
            self.step += rows * every
            rows = 0 if gap > MOST_STEPS else rows
        self.rows += rows
        self.more = self.rows < len(self.schedule)
        return partial(self._keep, records, slice(at, self.rows))

    def _call(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Array]:
        self.carry, records = in_turn(self.program.lapack, function, *arguments)
        return records

    def _keep(self, records: dict[str, Array], rows: slice) -> None:
        """Wait for records and bring them home."""
        jax.block_until_ready(records)  # outside Python's lock, which from_dlpack would hold
        for name, target in self.into.items():
            target[rows] = on_host(records[name])[: rows.stop - rows.start, ..., : target.shape[-1]]
        self.program.give_back(records)
