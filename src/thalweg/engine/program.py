"""The compiled functions that step a tile of lanes, in ``run`` and in ``solve``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.engine.endings import Ending
from thalweg.engine.functions import Functions
from thalweg.engine.hardware import CORES, Hardware
from thalweg.engine.lanes import Lane, Settings, in_turn
from thalweg.engine.memory import Pool
from thalweg.engine.traces import calls_lapack
from thalweg.engine.xla import compiled
from thalweg.numerics.layout import lanes_minor, memory_order

Out = dict[str, Array]  # what is written of each lane, by name: (rows, …, lanes)


@final
class Loop(NamedTuple):
    """What a chunk of ``solve`` takes from one block of steps to the next."""

    lanes: Lane
    out: Out
    row: Array  # rows of ``out`` that are filled
    taken: Array  # items of the queue that lanes have begun
    block: Array  # blocks gone through


@final
@dataclass(frozen=True, eq=False)
class Program:
    """Compiled functions for a tile of lanes of one width. They donate ``lanes`` and ``out``, whose last axis is that
    of lanes, and give both back.

    In step: ``begin(queue, settings, out)`` loads all lanes and writes row 0; ``chunk(lanes, settings, out, rows,
    every)`` takes ``every`` steps and writes, ``rows`` times. Else there is no ``begin``, and ``chunk(lanes, settings,
    out, queue, waiting, final, blocks)`` loads lanes from the queue as they end, until ``waiting`` of its items are
    taken, or if ``final`` done, but steps no more than so many ``blocks``; it also gives the rows written, the items
    taken and the blocks gone through.
    """

    of: Functions
    hardware: Hardware
    begin: Any
    chunk: Any
    width: int
    rows: int  # of ``out``
    places: int  # in the queue
    lanes: Lane  # shapes
    out: dict[str, jax.ShapeDtypeStruct]
    lapack: bool

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return in_turn(self.hardware, self.lapack, function, *arguments)

    def buffers(self) -> Out:
        """An ``out`` for one call, which gives it back filled, for ``give_back``."""
        return SPARE.take(self._kind) or {name: jnp.zeros(a.shape, a.dtype) for name, a in self.out.items()}

    def give_back(self, out: Out) -> None:
        """Keep buffers for the next call: fresh pages cost more than a short run. Those of a single row may be of any
        size and are not kept."""
        if self.rows > 1:
            SPARE.keep(self._kind, out)

    @property
    def _kind(self) -> Any:
        return tuple((name, a.shape, a.dtype) for name, a in self.out.items())


SPARE = Pool(2 * CORES)  # for each thread buffers that are filled and buffers on their way home


def size(tree: Any) -> int:
    """Bytes of all leaves."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def program(of: Functions, width: int, hardware: Hardware) -> Program:
    """The program for ``width`` lanes, from the cache where it was compiled before."""
    return of.programs((width, hardware), lambda: _build(of, width, hardware))


def _build(of: Functions, width: int, hardware: Hardware) -> Program:
    in_step, long = of.verb.in_step, of.outputs >= hardware.long
    rows_minor = hardware.order == "lanes" and (of.transforms or (long and not in_step))
    most = hardware.most_steps if in_step else hardware.most_blocks
    rows = int(np.clip(hardware.chunk_bytes // (width * size(of.row)), 1, most))
    each = int(np.clip(hardware.chunk_bytes // (width * size(of.item)), 1, hardware.most_places))
    places = width if in_step else width * each

    def many(tree: Any, n: int) -> Any:
        def of_lanes(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((n, *leaf.shape), leaf.dtype, weak_type=leaf.weak_type)

        return jax.tree.map(of_lanes, tree)

    loops = Loops(of, width, places, rows, 1 if of.cost.dear else hardware.block)
    out = {name: jax.ShapeDtypeStruct((rows, *leaf.shape, width), leaf.dtype) for name, leaf in of.row.items()}
    lanes = jax.eval_shape(loops.packed, jax.eval_shape(loops.load, of.settings, many(of.item, width)))
    queue, count = many(of.item, places), jax.ShapeDtypeStruct((), jnp.int32)
    with memory_order("rows" if rows_minor else hardware.order):
        if in_step:
            begin = jax.jit(loops.begin, donate_argnums=2, keep_unused=True)
            begin = compiled(begin, hardware.options, queue, of.settings, out)
            chunk, bounds = loops.march, (count, count)
        else:
            begin, chunk = None, loops.recycle
            bounds = queue, count, jax.ShapeDtypeStruct((), bool), count
        options = hardware.options + (() if in_step or of.equations < hardware.many else hardware.plain)
        chunk = jax.jit(chunk, donate_argnums=(0, 1), keep_unused=True)
        chunk = compiled(chunk, options, lanes, out, of.settings, *bounds)
    lapack = calls_lapack(chunk) or (begin is not None and calls_lapack(begin))
    return Program(of, hardware, begin, chunk, width, rows, places, lanes, out, lapack)


def _alone(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of (settings, lane) for an array of one lane."""

    def of_one(settings: Settings, lane: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[None], f(settings, jax.tree.map(lambda leaf: leaf[0], lane)))

    return of_one


@final
class Loops:
    """The functions that a program compiles. Within them lanes are the first axis, to be mapped; outside the last."""

    def __init__(self, of: Functions, width: int, places: int, rows: int, block: int) -> None:
        self.of, self.width, self.places, self.rows, self.steps_of_block = of, width, places, rows, block
        self.load = jax.vmap(of.load, (None, 0), of.axes)
        self.advance = jax.vmap(of.advance, (None, of.axes), of.axes)
        if width == 1 and not of.verb.in_step:  # alone, so that a condition on the lane is one and skips a branch
            self.load, self.advance = _alone(of.load), _alone(of.advance)
        self.kept = jax.vmap(of.kept, (None, of.axes))

    def packed(self, lanes: Lane) -> Lane:
        return self._turned(lanes, 0, -1)

    def _turned(self, lanes: Lane, source: int, to: int) -> Lane:
        leaves, structure = jax.tree.flatten(lanes)
        pairs = zip(leaves, self.of.varies, strict=True)
        return structure.unflatten([jnp.moveaxis(leaf, source, to) if varies else leaf for leaf, varies in pairs])

    def step(self, settings: Settings, lanes: Lane, freeze: bool = False) -> Lane:
        lanes = lanes_minor(lanes)
        after = self.advance(settings, lanes)
        if freeze:
            after = self._where(lanes.code == Ending.RUNNING, after, lanes)
        return lanes_minor(after)

    def _where(self, which: Array, these: Lane, those: Lane) -> Lane:
        """These lanes where ``which`` says so, else those."""

        def pick(a: Array, b: Array) -> Array:
            return jnp.where(which.reshape(self.width, *[1] * (b.ndim - 1)), a, b)

        return jax.tree.map(pick, these, those)

    def put(self, out: Out, seen: Out, row: Any) -> Out:
        into = jax.lax.dynamic_update_index_in_dim
        return {name: into(out[name], jnp.moveaxis(seen[name], 0, -1), row, 0) for name in out}

    def begin(self, queue: Any, settings: Settings, out: Out) -> tuple[Lane, Out]:
        lanes = self.load(settings, queue)
        return self.packed(lanes), self.put(out, self.kept(settings, lanes), 0)

    def march(self, lanes: Lane, out: Out, settings: Settings, rows: Array, every: Array) -> tuple[Lane, Out]:
        """All lanes in step: ``every`` steps and a row, so many times."""

        def stride(lanes: Lane) -> Lane:
            if self.of.verb.single:  # a loop of one turn would cost as much as a step of a small problem
                return self.step(settings, lanes)
            return jax.lax.fori_loop(0, every, lambda _, lanes: self.step(settings, lanes), lanes)

        def row(i: Array, loop: tuple[Lane, Out]) -> tuple[Lane, Out]:
            lanes = stride(loop[0])
            return lanes, self.put(loop[1], self.kept(settings, lanes), i)

        lanes, out = jax.lax.fori_loop(0, rows, row, (self._turned(lanes, -1, 0), out))
        return self.packed(lanes), out

    def recycle(
        self, lanes: Lane, out: Out, settings: Settings, queue: Any, waiting: Array, final: Array, blocks: Array
    ) -> Any:
        """Blocks of steps; between two of them lanes that are done are written and take the next items."""

        def reload(loop: Loop) -> Loop:
            lanes, done, free = loop.lanes, loop.lanes.code > Ending.RUNNING, loop.lanes.code != Ending.RUNNING
            seen = self.kept(settings, lanes)
            out = self.put(loop.out, {**seen, "item": jnp.where(done, lanes.item, -1)}, loop.row)
            # Free lanes take the places after those that are taken, in order; there may be fewer than free lanes.
            place = loop.taken + jnp.cumsum(free, dtype=jnp.int32) - 1
            fresh = free & (place < waiting)

            # Vacant lanes stand at a start or where a live one is, and no function sees a point that nobody gave.
            def load() -> Lane:
                spare = jnp.minimum(loop.taken, self.places - 1)
                return self.load(settings, jax.tree.map(lambda leaf: leaf[jnp.where(fresh, place, spare)], queue))

            def repeat() -> Lane:
                return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[jnp.argmax(~free)], leaf.shape), lanes)

            new = jax.lax.cond(jnp.any(fresh), load, repeat) if self.of.cost.dear else load()
            new = new._replace(code=jnp.where(fresh, new.code, jnp.int32(Ending.VACANT)))
            lanes = self._where(free, new, lanes)
            taken = loop.taken + jnp.sum(fresh, dtype=jnp.int32)
            return Loop(lanes_minor(lanes), out, loop.row + 1, taken, loop.block)

        def goes_on(loop: Loop) -> Array:
            more = loop.taken < waiting
            work = jnp.any(loop.lanes.code != Ending.VACANT) | more
            return work & (loop.row < self.rows) & (loop.block < blocks) & (more | final)

        def body(loop: Loop) -> Loop:
            code = loop.lanes.code
            due = jnp.any(code > Ending.RUNNING) | (jnp.any(code == Ending.VACANT) & (loop.taken < waiting))
            if self.of.cost.dear:  # vacant lanes follow a live one step by step, which is told apart from none
                due |= jnp.any(code == Ending.VACANT)
            loop = jax.lax.cond(due, reload, lambda loop: loop, loop)
            return loop._replace(lanes=self._block(settings, loop.lanes), block=loop.block + 1)

        none = jnp.int32(0)
        loop = jax.lax.while_loop(goes_on, body, Loop(self._turned(lanes, -1, 0), out, none, none, none))
        return self.packed(loop.lanes), *loop[1:]

    def _block(self, settings: Settings, lanes: Lane) -> Lane:
        """A block of steps, or less where no lane is running any more."""

        def goes_on(loop: tuple[Array, Lane]) -> Array:
            return (loop[0] < self.steps_of_block) & jnp.any(loop[1].code == Ending.RUNNING)

        def step(loop: tuple[Array, Lane]) -> tuple[Array, Lane]:
            return loop[0] + 1, self.step(settings, loop[1], self.width > 1)

        return jax.lax.while_loop(goes_on, step, (jnp.int32(0), lanes))[1]
