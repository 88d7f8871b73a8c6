"""The compiled functions that step a tile of lanes, in ``run`` and in ``solve``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from thalweg.engine.functions import Functions
from thalweg.engine.hardware import CORES, Hardware
from thalweg.engine.lanes import Lane, in_turn
from thalweg.engine.loops import Loops, Out
from thalweg.engine.memory import Pool
from thalweg.engine.traces import calls_lapack
from thalweg.engine.xla import compiled
from thalweg.numerics.layout import memory_order


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
