"""The compiled functions that step a tile of lanes, in ``run`` and in ``solve``."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from thalweg.engine.functions import Functions
from thalweg.engine.hardware import CORES, Hardware
from thalweg.engine.lanes import Lane, Settings, in_turn
from thalweg.engine.loops import Loops, Out
from thalweg.engine.memory import Pool
from thalweg.engine.static_loops import StaticLoops
from thalweg.engine.traces import calls_lapack
from thalweg.engine.xla import compiled
from thalweg.numerics.layout import memory_order


@final
@dataclass(frozen=True, eq=False)
class Program:
    """Compiled functions for a tile of lanes of one width, which they take and give back, lanes along the last axis.

    In step: ``begin`` loads all lanes and gives row 0; ``march`` takes ``every`` steps and gives a row, ``rows`` times.
    Else: ``recycle`` loads lanes from the queue as they end, until so many of its items as are waiting are taken, or if
    ``final`` done, but steps no more than so many blocks, the three ``bounds``; beside ``out`` it gives the rows of it
    that are written, the items taken and the blocks gone through. Where loops are static it has two bounds of the
    ``tail``, too, and gives the blocks of this.

    One compiled function, ``chunk``, serves any numbers, and lanes and ``out`` are buffers that it is given for good.
    But where loops are static, a march of other numbers is another function, compiled when it is first needed, and rows
    are gathered in memory of its own.
    """

    of: Functions
    hardware: Hardware
    first: Any  # compiled, to begin in step
    chunk: Any
    width: int
    rows: int  # of ``out``
    places: int  # in the queue
    lanes: Lane  # shapes
    out: dict[str, jax.ShapeDtypeStruct]
    lapack: bool

    def begin(self, queue: Any, settings: Settings) -> tuple[Lane, Out]:
        return self.call(self.first, queue, settings, *(() if self.hardware.static else (self.buffers(),)))

    def march(self, lanes: Lane, settings: Settings, rows: int, every: int) -> tuple[Lane, Out]:
        if self.hardware.static:
            return self.call(march(self.of, self.width, self.hardware, rows, every), lanes, settings)
        return self.call(self.chunk, lanes, self.buffers(), settings, np.int32(rows), np.int32(every))

    def recycle(
        self,
        lanes: Lane,
        out: Out,
        settings: Settings,
        queue: Any,
        bounds: tuple[int, bool, int],
        tail: tuple[int, int],
    ) -> Any:
        numbers = np.int32(bounds[0]), np.bool_(bounds[1]), np.int32(bounds[2])
        few = map(np.int32, tail) if self.hardware.static else ()
        return self.call(self.chunk, lanes, out, settings, queue, *numbers, *few)

    def narrowed(self, lanes: Lane, left: int) -> tuple["Program", Lane, Lane]:
        """The narrowest program with room for so many lanes that are left, with these; and all lanes, vacant."""
        width = self.hardware.narrower(self.width)
        while (narrower := self.hardware.narrower(width)) >= max(left, 1):
            width = narrower
        return program(self.of, width, self.hardware), *self.call(gather(self, width), lanes)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return in_turn(self.hardware, self.lapack, function, *arguments)

    def buffers(self) -> Out:
        """An ``out`` for one call, which gives it back filled, for ``give_back``."""
        fresh = SPARE.take(self._kind)  # zeros of NumPy need no program
        return fresh or jax.device_put(
            {name: np.zeros(a.shape, a.dtype) for name, a in self.out.items()}, may_alias=False
        )

    def give_back(self, out: Out) -> None:
        """Keep buffers for the next call: fresh pages cost more than a short run. Those of a single row may be of any
        size and are not kept."""
        if self.rows > 1 and not self.hardware.static:
            SPARE.keep(self._kind, out)

    @property
    def _kind(self) -> Any:
        return tuple((name, a.shape, a.dtype) for name, a in self.out.items())


SPARE = Pool(2 * CORES)  # for each thread buffers that are filled and buffers on their way home


def size(tree: Any) -> int:
    """Bytes of all leaves."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def row_count(of: Functions, width: int, hardware: Hardware) -> int:
    """Rows of ``out``."""
    most = hardware.most_steps if of.verb.in_step else hardware.most_blocks
    return int(np.clip(hardware.chunk_bytes // (width * size(of.row)), 1, most))


def program(of: Functions, width: int, hardware: Hardware) -> Program:
    """The program for ``width`` lanes, from the cache where it was compiled before."""
    return of.programs((width, hardware), lambda: _build(of, width, hardware))


def march(of: Functions, width: int, hardware: Hardware, rows: int, every: int) -> Any:
    """The compiled ``march`` of these numbers, where loops are static."""

    def make() -> Any:
        with memory_order(hardware.order):
            shapes = Shapes(of, width, hardware)
            f = jax.jit(partial(shapes.static.march, rows, every), donate_argnums=0, keep_unused=True)
            return compiled(f, hardware.options, shapes.lanes, of.settings)

    return of.programs((width, hardware, rows, every), make)


def gather(wide: Program, width: int) -> Any:
    """The compiled function that takes the lanes that are left into a tile of this width."""

    def make() -> Any:
        with memory_order(wide.hardware.order):
            shapes = Shapes(wide.of, wide.width, wide.hardware)
            f = jax.jit(partial(shapes.static.gathered, width), donate_argnums=0)
            return compiled(f, wide.hardware.options, wide.lanes)

    return wide.of.programs((wide.width, wide.hardware, "into", width), make)


@final
class Shapes:
    """The arrays of a program, and the loops over them."""

    def __init__(self, of: Functions, width: int, hardware: Hardware) -> None:
        in_step = of.verb.in_step
        self.rows = row_count(of, width, hardware)
        each = int(np.clip(hardware.chunk_bytes // (width * size(of.item)), 1, hardware.most_places))
        self.places = width if in_step else width * each
        self.loops = Loops(of, width, self.places, self.rows, 1 if of.cost.dear else hardware.block)
        self.static = StaticLoops(self.loops, max(1, hardware.unroll // of.equations))
        self.queue, self.settings = self._many(of.item, self.places), of.settings
        kind = jax.ShapeDtypeStruct
        self.out = {name: kind((self.rows, *leaf.shape, width), leaf.dtype) for name, leaf in of.row.items()}
        loaded = jax.eval_shape(self.loops.load, of.settings, self._many(of.item, width))
        self.lanes = jax.eval_shape(self.loops.packed, loaded)

    def _many(self, tree: Any, n: int) -> Any:
        def of_lanes(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((n, *leaf.shape), leaf.dtype, weak_type=leaf.weak_type)

        return jax.tree.map(of_lanes, tree)


def _build(of: Functions, width: int, hardware: Hardware) -> Program:
    in_step, long, static = of.verb.in_step, of.outputs >= hardware.long, hardware.static
    rows_minor = hardware.order == "lanes" and (of.transforms or (long and not in_step))
    first, chunk, count = None, None, jax.ShapeDtypeStruct((), jnp.int32)
    with memory_order("rows" if rows_minor else hardware.order):  # of all that is mapped here: JAX keeps what it mapped
        shapes = Shapes(of, width, hardware)
        loops, lanes, out, queue = shapes.static if static else shapes.loops, shapes.lanes, shapes.out, shapes.queue
        if in_step:
            first = jax.jit(loops.begin, donate_argnums=() if static else 2, keep_unused=True)
            options = hardware.options + (() if of.cost.dear else hardware.quick)
            first = compiled(first, options, queue, of.settings, *(() if static else (out,)))
            bounds = count, count
        else:
            bounds = queue, count, jax.ShapeDtypeStruct((), bool), count, *((count, count) if static else ())
        if not (in_step and static):
            options = hardware.options + (() if in_step or of.equations < hardware.many else hardware.plain)
            chunk = jax.jit(loops.march if in_step else loops.recycle, donate_argnums=(0, 1), keep_unused=True)
            chunk = compiled(chunk, options, lanes, out, of.settings, *bounds)
    lapack = hardware.lapack_in_turn and any(f is not None and calls_lapack(f) for f in (first, chunk))
    return Program(of, hardware, first, chunk, width, shapes.rows, shapes.places, lanes, out, lapack)
