"""Every number that suits a machine, in one record: two instances, for CPUs and for GPUs.

The figures of the CPU's record were measured on two cores (benchmarks/RESULTS.md). Those of the GPU's follow from what
was seen on an H200: every launch costs microseconds and every look from the host stops the device, so one wide tile on
one thread, long chunks of loops whose length is known, and no say in the order of memory, where a constraint cuts
kernels apart. What comes home goes through pinned memory. Not measured yet on a card: ``unroll``, ``ratio``,
``narrowest``, ``patience`` and ``idle_bytes``.
"""

import os
import sys
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import jax
import numpy as np

from thalweg.numerics.layout import Order

# Short formats round after every operation; else XLA would round once at the end of many that it fuses. LLVM may still
# add a product of float16 unrounded.
EXACT = ("xla_allow_excess_precision", False)
# The CPU backend hands reductions to a library whose fixed cost exceeds a short sum over components.
LIBRARY = ("xla_cpu_experimental_ynn_fusion_type", "LIBRARY_FUSION_TYPE_DOT")
# jax 0.10's CPU backend compiles loops of many operations a third faster without these, which they hardly speed up.
PLAIN = ("xla_cpu_use_fusion_emitters", False)
CORES = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


@final
class Cost(NamedTuple):
    """What one evaluation of a problem is like."""

    dear: bool  # so that every one counts: it calls Python, or is long
    host: bool  # it calls Python
    alone: bool  # it calls Python for each lane, and not once for many


@final
@dataclass(frozen=True)
class Hardware:
    """What suits one kind of machine, by default a CPU. A tile is a number of lanes that one thread steps together."""

    threads: int = CORES  # tiles under way at a time
    order: Order = "lanes"  # of memory: lanes next to each other, or as XLA likes
    options: tuple[tuple[str, Any], ...] = (LIBRARY, EXACT)  # to XLA; those it does not know are left out
    many: int = 800  # equations of a load and a step, from which ``plain`` is added to these in ``solve``
    plain: tuple[tuple[str, Any], ...] = (PLAIN,)
    lapack_in_turn: bool = True  # whether programs that call LAPACK must wait for each other (``xla.lapack_in_turn``)
    views: bool = True  # whether the host can read an array where it lies, or has it sent through pinned memory
    static: bool = False  # whether loops must have lengths that XLA knows: see ``schedule.calls`` and ``StaticLoops``
    unroll: int = 1  # equations, up to which several turns of a static loop are compiled as one
    ratio: int = 4  # of lengths of static loops, and of widths of tiles, from one to the next: each is compiled
    vector: int = 16  # lanes of the widest vector instruction: tiles are multiples of it
    least: int = 32  # lanes of a tile, and
    smallest: int = 128  # components of x: XLA compiles smaller loops in another way, with other rounding
    small: int = 1024  # components of all spaces up to which lanes are filled up to these, whatever they compute
    small_bytes: int = 9 << 9  # likewise in ``solve``: bytes of a lane
    cheap: float = 1e4  # operations of one evaluation up to which lanes are filled up: a tenth of a millisecond for all
    worth: int = 512  # lanes of ``run`` that are worth a second thread
    widest: int = 2048  # lanes of one tile of ``run``
    tile_components: int = 1 << 17  # components of x in one tile of ``run``: its state stays in cache
    widest_recycled: int = 512  # lanes of a tile of ``solve``
    tile_bytes: int = 1 << 17  # of a tile of ``solve``, its states and their matrices, which stay in cache
    long: int = 64  # components of y from which ``solve`` runs along them, and not along lanes, in tiles of so many
    long_bytes: int = 5 << 16  # bytes: with half as many the few lanes wait for their small algebra
    chunk_bytes: int = 12 << 20  # of what one call records; each call costs a quarter of a millisecond
    most_steps: int = 500  # of one call of ``run``, so that Ctrl-C and the progress bar need not wait long
    block: int = 8  # steps of ``solve`` between two looks for lanes that are done
    most_blocks: int = 64  # of one call of ``solve``
    most_places: int = 8  # in the queue of a tile, for each lane
    narrowest: int = 1 << 30  # lanes down to which a tile goes into a narrower one when nothing waits and few are left
    patience: int = 4  # blocks for which it waits before: most often all lanes end in them, and nothing is compiled
    chunk_seconds: float = 0.1  # of one call of ``solve``, for Ctrl-C, budgets and the progress bar
    idle_bytes: int = 24 << 20  # of a tile of ``solve`` and its results, up to which they are kept for the next call
    take_seconds: float = 0.0025  # of work that a tile takes at least, where a call costs a millisecond or two

    def together(self) -> "Hardware":
        """The same where all devices step each lane: one tile at a time, or two would wait for each other's devices,
        and no order of memory, which XLA would bring all components together for."""
        return replace(self, threads=1, order="divided")

    def filled(self, width: int, dimension: int) -> int:
        """The width with lanes to spare, so that all run through the same instructions and give the same bits among
        others and alone."""
        return -(-max(width, self.least, self.smallest // dimension) // self.vector) * self.vector

    def width_in_step(self, lanes: int, dimension: int, components: int, cost: "Cost") -> int:
        """Lanes of one tile of ``run``: as even as threads allow, no wider than the cache likes; where the host is
        called, all, but few where it is called for each lane, a call that XLA compiles for each.

        Widths are ``filled``, with copies of the last lane. Where points are so large or an evaluation so dear that
        copies would cost time, results depend on the width by rounding.
        """
        if cost.host:
            return max(w for w in range(1, self.vector + 1) if lanes % w == 0) if cost.alone else lanes
        most = max(1, min(self.widest, self.tile_components // dimension))
        tiles = -(-lanes // most)
        if tiles == 1 and lanes >= self.worth:
            tiles = self.threads
        elif tiles > 1:
            tiles = -(-tiles // self.threads) * self.threads
        width = -(-lanes // tiles)
        return width if cost.dear or components > self.small else self.filled(width, dimension)

    def width_recycled(self, size: int, matrices: int, items: int, dimension: int, outputs: int, cost: "Cost") -> int:
        """Lanes of a tile of ``solve``: as many lanes of ``size`` bytes, and of matrices in a step, as stay in cache,
        no more than there is work; few where an evaluation of so many ``outputs`` is dear, since the last lanes to end
        have vacant ones beside them, and one where the host is called for each.

        Small and cheap lanes are filled up, so that a start gives the same bits alone and among others.
        """
        room = max(self.tile_bytes, self.long_bytes) if outputs >= self.long else self.tile_bytes
        most = int(np.clip(room // (size + matrices), 1, self.widest_recycled))
        share = -(-items // self.threads)
        if cost.alone:
            return 1
        if cost.dear and not cost.host:
            most = min(most, self.vector)
        if cost.dear or size > self.small_bytes:
            return min(most, share)
        width = self.filled(1, dimension)
        while width < min(most, share):  # doubled, so that few widths are compiled
            width *= 2
        return width

    def narrower(self, width: int) -> int:
        """Lanes of the tile of ``solve`` into which one of this width goes when so few are left; 0 where none is."""
        return width // self.ratio if width // self.ratio >= self.narrowest else 0


CPU = Hardware()
GPU = Hardware(
    threads=1,  # with 2, small and very large runs took 1.6 times as long
    order="free",
    options=(EXACT,),
    plain=(),
    lapack_in_turn=False,
    views=False,
    static=True,
    unroll=400,  # four steps of Adam; of BFGS one, which takes XLA long enough
    vector=32,
    worth=1 << 30,
    widest=1 << 20,
    tile_components=1 << 26,
    widest_recycled=1 << 16,
    tile_bytes=1 << 28,
    chunk_bytes=64 << 20,  # on an H200 a million lanes took 0.25 s, with 256 MB 0.72 s, with 1 GB 2.4 s
    most_steps=512,
    block=32,  # 131,072 starts took 0.37 s there, with blocks of 8 0.82 s, of 128 0.36 s
    most_places=4,
    narrowest=256,  # fewer would leave most of the card idle all the same
    chunk_seconds=0.25,
    idle_bytes=1 << 29,  # to send so many zeros anew would take longer than many a call
)


def devices() -> tuple[Any, ...]:
    """What JAX computes on here: all devices of its default kind, or the one that a person has set as the default."""
    config: Any = jax.config
    chosen = config.jax_default_device
    if chosen is None or isinstance(chosen, str):
        every = jax.local_devices(backend=chosen)
        return tuple(every if chosen is None else every[:1])
    return (chosen,)


def present() -> Hardware:
    """The record for the machine that JAX computes on."""
    return CPU if devices()[0].platform == "cpu" else GPU
