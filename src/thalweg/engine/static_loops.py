"""The loops that a program compiles where their length must be known to XLA."""

from typing import Any, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.engine.endings import Ending
from thalweg.engine.lanes import Lane, Settings
from thalweg.engine.loops import Loop, Loops, Out


@final
class StaticLoops:
    """What ``Loops`` does, in loops of static length: for each turn of another a GPU would ask the host.

    Within a program lanes are the first axis from the first step to the last, as they are to ``vmap``: the order that
    XLA chooses for steps in any case. What is recorded is turned one row at a time, within the kernel that writes it,
    so that the record itself is never moved.
    """

    def __init__(self, loops: Loops, unroll: int) -> None:
        self.loops, self.unroll = loops, unroll

    def begin(self, queue: Any, settings: Settings) -> tuple[Lane, Out]:
        """All lanes at their start, and row 0."""
        lanes = self.loops.load(settings, queue)
        return lanes, {name: row[None] for name, row in self._row(settings, lanes).items()}

    def march(self, rows: int, every: int, lanes: Lane, settings: Settings) -> tuple[Lane, Out]:
        """All lanes in step: ``every`` steps and a row, so many times; the rows are gathered by the loop itself."""

        def stride(lanes: Lane, _: None) -> tuple[Lane, Out]:
            lanes = self._steps(settings, lanes, every, freeze=False)
            return lanes, self._row(settings, lanes)

        turns = self._turns(rows) if every == 1 else 1
        lanes, out = jax.lax.scan(stride, lanes, length=rows, unroll=turns)
        return lanes, out

    def recycle(
        self,
        lanes: Lane,
        out: Out,
        settings: Settings,
        queue: Any,
        waiting: Array,
        final: Array,
        blocks: Array,
        narrow: Array,
        patience: Array,
    ) -> Any:
        """Blocks of steps, in which lanes that end stay as they are; after each they are written and take the next
        items. It ends as well when nothing has waited for more blocks than ``patience``, and no more than ``narrow``
        lanes are left; and also gives the blocks for which nothing waited."""

        def goes_on(carried: tuple[Loop, Array]) -> Array:
            loop, tail = carried
            more = loop.taken < waiting
            left = jnp.sum(loop.lanes.code != Ending.VACANT, dtype=jnp.int32)
            work = more | (left > jnp.where(tail >= patience, narrow, 0))
            return work & (loop.row < self.loops.rows) & (loop.block < blocks) & (more | final)

        def look(loop: Loop) -> Loop:
            done = jnp.any(loop.lanes.code > Ending.RUNNING)
            return self.loops.look(settings, queue, waiting, loop)._replace(row=loop.row + done)

        def body(carried: tuple[Loop, Array]) -> tuple[Loop, Array]:
            loop, tail = carried
            lanes = self._steps(settings, loop.lanes, self.loops.steps_of_block, freeze=True)
            return look(loop._replace(lanes=lanes, block=loop.block + 1)), tail + (loop.taken >= waiting)

        none = jnp.int32(0)
        first = look(Loop(lanes, out, none, none, none))
        loop, tail = jax.lax.while_loop(goes_on, body, (first, none))
        return loop.lanes, *loop[1:], tail

    def gathered(self, width: int, lanes: Lane) -> tuple[Lane, Lane]:
        """The lanes that have an item, and vacant ones beside them up to ``width``; and all lanes, vacant."""
        first = jnp.argsort(lanes.code == Ending.VACANT)[:width]
        few = jax.tree.map(lambda leaf: leaf[first], lanes)
        return few, lanes._replace(code=jnp.full_like(lanes.code, Ending.VACANT))

    def _steps(self, settings: Settings, lanes: Lane, count: int, freeze: bool) -> Lane:
        def step(lanes: Lane, _: None) -> tuple[Lane, None]:
            return self.loops.step(settings, lanes, freeze), None

        if count == 1:
            return step(lanes, None)[0]
        return jax.lax.scan(step, lanes, length=count, unroll=self._turns(count))[0]

    def _row(self, settings: Settings, lanes: Lane) -> Out:
        return {name: jnp.moveaxis(values, 0, -1) for name, values in self.loops.kept(settings, lanes).items()}

    def _turns(self, length: int) -> int:
        """Turns of a loop that are compiled as one; no turn is left over."""
        return max(n for n in range(1, self.unroll + 1) if length % n == 0)
