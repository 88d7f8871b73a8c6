"""The compiled functions that step a tile of lanes, in ``run`` and in ``solve``."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec as P

from thalweg.engine.functions import Functions
from thalweg.engine.hardware import CORES, Hardware
from thalweg.engine.lanes import Lane, Settings, in_turn
from thalweg.engine.loops import Loops, Out
from thalweg.engine.memory import Pool
from thalweg.engine.mesh import Over
from thalweg.engine.static_loops import StaticLoops
from thalweg.engine.traces import calls_lapack
from thalweg.numerics.layout import memory_order


@final
@dataclass(frozen=True, eq=False)
class Program:
    """Compiled functions for a tile of lanes of one width, which they take and give back, lanes along the first axis,
    of what is written the last.

    In step: ``begin`` loads all lanes and gives row 0; ``march`` takes ``every`` steps and gives a row, ``rows`` times.
    Else: ``recycle`` loads lanes from the queue as they end, until so many of its items as are waiting are taken, or if
    ``final`` done, but steps no more than so many blocks, the three ``bounds``; beside ``out`` it gives the rows of it
    that are written, the items taken and the blocks gone through. Where loops are static it has two bounds of the
    ``tail``, too, and gives the blocks of this.

    One compiled function, ``chunk``, serves any numbers, and lanes and ``out`` are buffers that it is given for good.
    But where loops are static, a march of other numbers is another function, compiled when it is first needed, and rows
    are gathered in memory of its own.

    Where lanes are laid over several devices each steps its own part of them, the first ones on the first device, and
    what is waiting is a number of each, as are all that ``recycle`` counts; other bounds are the same on all.
    """

    of: Functions
    hardware: Hardware
    over: Over
    first: Any  # compiled, to begin in step
    chunk: Any
    width: int  # of all devices
    rows: int  # of ``out``
    places: int  # in the queue, of all devices
    lanes: Lane  # shapes
    out: dict[str, jax.ShapeDtypeStruct]
    lapack: bool

    @property
    def own(self) -> int:
        """Lanes of each device."""
        return self.width // self.over.size

    def begin(self, queue: Any, settings: Settings) -> tuple[Lane, Out]:
        return self.call(self.first, queue, settings, *(() if self.hardware.static else (self.buffers(),)))

    def march(self, lanes: Lane, settings: Settings, rows: int, every: int) -> tuple[Lane, Out]:
        if self.hardware.static:
            return self.call(march(self.of, self.own, self.hardware, self.over, rows, every), lanes, settings)
        return self.call(self.chunk, lanes, self.buffers(), settings, np.int32(rows), np.int32(every))

    def recycle(
        self,
        lanes: Lane,
        out: Out,
        settings: Settings,
        queue: Any,
        bounds: tuple[list[int], bool, int],
        tail: tuple[int, int],
    ) -> Any:
        waiting = np.array(bounds[0] if self.over.size > 1 else bounds[0][0], np.int32)
        numbers = waiting, np.bool_(bounds[1]), np.int32(bounds[2])
        few = map(np.int32, tail) if self.hardware.static else ()
        return self.call(self.chunk, lanes, out, settings, queue, *numbers, *few)

    def narrowed(self, lanes: Lane, left: int) -> tuple["Program", Lane, Lane]:
        """The narrowest program with room for so many lanes that are left on a device, with these; and all lanes,
        vacant."""
        width = self.hardware.narrower(self.own)
        while (narrower := self.hardware.narrower(width)) >= max(left, 1):
            width = narrower
        return program(self.of, width, self.hardware, self.over), *self.call(gather(self, width), lanes)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return in_turn(self.hardware, self.lapack, function, *arguments)

    def buffers(self) -> Out:
        """An ``out`` for one call, which gives it back filled, for ``give_back``."""

        def zeros(of: jax.ShapeDtypeStruct) -> Any:  # those of NumPy need no program
            return jax.device_put(np.zeros(of.shape, of.dtype), of.sharding, may_alias=False)

        return SPARE.take(self._kind) or {name: zeros(of) for name, of in self.out.items()}

    def give_back(self, out: Out) -> None:
        """Keep buffers for the next call: fresh pages cost more than a short run. Those of a single row may be of any
        size and are not kept."""
        if self.rows > 1 and not self.hardware.static:
            SPARE.keep(self._kind, out)

    @property
    def _kind(self) -> Any:
        return self.over, *((name, a.shape, a.dtype) for name, a in self.out.items())


SPARE = Pool(2 * CORES)  # for each thread buffers that are filled and buffers on their way home


def size(tree: Any) -> int:
    """Bytes of all leaves."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def row_count(of: Functions, width: int, hardware: Hardware) -> int:
    """Rows of ``out``."""
    most = hardware.most_steps if of.verb.in_step else hardware.most_blocks
    return int(np.clip(hardware.chunk_bytes // (width * size(of.row)), 1, most))


def program(of: Functions, width: int, hardware: Hardware, over: Over) -> Program:
    """The program for ``width`` lanes of each device, from the cache where it was compiled before."""
    return of.programs((width, hardware, over), lambda: _build(of, width, hardware, over))


def march(of: Functions, width: int, hardware: Hardware, over: Over, rows: int, every: int) -> Any:
    """The compiled ``march`` of these numbers, where loops are static."""

    def make() -> Any:
        with memory_order(hardware.order):
            shapes = Shapes(of, width, hardware, over)
            f = partial(shapes.static.march, rows, every)
            return over.build(f, hardware.options, (shapes.lanes, shapes.settings), shapes.given, 0)

    return of.programs((width, hardware, over, rows, every), make)


def gather(wide: Program, width: int) -> Any:
    """The compiled function that takes the lanes that are left into tiles of this width."""
    of, hardware, over = wide.of, wide.hardware, wide.over

    def make() -> Any:
        with memory_order(hardware.order):
            shapes = Shapes(of, wide.own, hardware, over)
            few, f = Shapes(of, width, hardware, over).lanes, partial(shapes.static.gathered, width)
            return over.build(f, hardware.options, (shapes.lanes,), (few, shapes.lanes), 0)

    return of.programs((wide.own, hardware, over, "into", width), make)


@final
class Shapes:
    """The arrays of a program on one device, each with the part of all that they are, and the loops over them."""

    def __init__(self, of: Functions, width: int, hardware: Hardware, over: Over) -> None:
        in_step, kind = of.verb.in_step, jax.ShapeDtypeStruct
        self.rows = row_count(of, width, hardware)
        each = int(np.clip(hardware.chunk_bytes // (width * size(of.item)), 1, hardware.most_places))
        self.places = width if in_step else width * each
        self.loops = Loops(of, width, self.places, self.rows, 1 if of.cost.dear else hardware.block)
        self.static = StaticLoops(self.loops, max(1, hardware.unroll // of.equations))
        queue, lanes = self._many(of.item, self.places), self._many(of.item, width)
        lanes = jax.eval_shape(self.loops.load, of.settings, lanes)
        out = {name: kind((self.rows, *leaf.shape, width), leaf.dtype) for name, leaf in of.row.items()}
        self.queue, self.settings = (queue, over.leading(queue)), (of.settings, over.shared(of.settings))
        self.lanes, self.out = (lanes, self.loops.parts(lanes, over)), (out, over.trailing(out, 1))
        self.given = self.lanes, self.out  # what loops give
        self.number, self.truth = (kind((), jnp.int32), P()), (kind((), bool), P())
        count = kind((1,) if over.size > 1 else (), jnp.int32)
        self.count = count, over.leading(count)  # of each device

    def _many(self, tree: Any, n: int) -> Any:
        def of_lanes(leaf: Any) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((n, *leaf.shape), leaf.dtype, weak_type=leaf.weak_type)

        return jax.tree.map(of_lanes, tree)


def _build(of: Functions, width: int, hardware: Hardware, over: Over) -> Program:
    in_step, long, static = of.verb.in_step, of.outputs >= hardware.long, hardware.static
    rows_minor = hardware.order == "lanes" and (of.transforms or (long and not in_step))
    first = chunk = None
    with memory_order("rows" if rows_minor else hardware.order):  # of all that is mapped here: JAX keeps what it mapped
        shapes = Shapes(of, width, hardware, over)
        loops, given = shapes.static if static else shapes.loops, (shapes.lanes, shapes.out, shapes.settings)
        if in_step:
            begun = shapes.queue, shapes.settings, *(() if static else (shapes.out,))
            first = over.build(loops.begin, hardware.options, begun, shapes.given, () if static else 2)
            if not static:
                bounds = shapes.number, shapes.number
                chunk = over.build(loops.march, hardware.options, (*given, *bounds), shapes.given, (0, 1))
        else:
            options = hardware.options + (() if of.equations < hardware.many else hardware.plain)
            bounds = shapes.queue, shapes.count, shapes.truth, *[shapes.number] * (3 if static else 1)
            counted = [shapes.count] * (4 if static else 3)
            recycle = _apart(loops.recycle) if over.size > 1 else loops.recycle
            chunk = over.build(recycle, options, (*given, *bounds), (*shapes.given, *counted), (0, 1))
        lanes, out, n = over.whole(*shapes.lanes), over.whole(*shapes.out), over.size
    lapack = hardware.lapack_in_turn and any(f is not None and calls_lapack(f) for f in (first, chunk))
    return Program(of, hardware, over, first, chunk, n * width, shapes.rows, n * shapes.places, lanes, out, lapack)


def _apart(recycle: Callable[..., Any]) -> Callable[..., Any]:
    """The same on one device of several, whose counts have an axis of devices."""

    def of_one(lanes: Lane, out: Out, settings: Settings, queue: Any, waiting: Any, *bounds: Any) -> Any:
        lanes, out, *counts = recycle(lanes, out, settings, queue, waiting[0], *bounds)
        return lanes, out, *(count[None] for count in counts)

    return of_one
