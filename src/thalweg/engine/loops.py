"""The loops of a tile of lanes that a program compiles: in step for ``run``, with lanes that end for ``solve``."""

from collections.abc import Callable
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.engine.endings import Ending
from thalweg.engine.functions import Functions
from thalweg.engine.lanes import Lane, Settings
from thalweg.engine.mesh import Over
from thalweg.numerics.layout import lanes_minor

Out = dict[str, Array]  # what is written of each lane, by name: (rows, …, lanes)


@final
class Loop(NamedTuple):
    """What a chunk of ``solve`` takes from one block of steps to the next."""

    lanes: Lane
    out: Out
    row: Array  # rows of ``out`` that are filled
    taken: Array  # items of the queue that lanes have begun
    block: Array  # blocks gone through


def _alone(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of (settings, lane) for an array of one lane."""

    def of_one(settings: Settings, lane: Any) -> Any:
        return jax.tree.map(lambda leaf: leaf[None], f(settings, jax.tree.map(lambda leaf: leaf[0], lane)))

    return of_one


@final
class Loops:
    """The functions that a program compiles, in loops whose length is an argument (``StaticLoops`` has the others).
    Within them lanes are the first axis, to be mapped; outside the last."""

    def __init__(self, of: Functions, width: int, places: int, rows: int, block: int) -> None:
        self.of, self.width, self.places, self.rows, self.steps_of_block = of, width, places, rows, block
        self.load = jax.vmap(of.load, (None, 0), of.axes)
        self.advance = jax.vmap(of.advance, (None, of.axes), of.axes)
        if width == 1 and not of.verb.in_step:  # alone, so that a condition on the lane is one and skips a branch
            self.load, self.advance = _alone(of.load), _alone(of.advance)
        self.kept = jax.vmap(of.kept, (None, of.axes))

    def parts(self, lanes: Lane, over: Over) -> Lane:
        """What part of all lanes one device has, of each leaf of its own."""
        leaves, structure = jax.tree.flatten(lanes)
        pairs = zip(leaves, self.of.varies, strict=True)
        return structure.unflatten([(over.leading if varies else over.shared)(leaf) for leaf, varies in pairs])

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
        return lanes, self.put(out, self.kept(settings, lanes), 0)

    def march(self, lanes: Lane, out: Out, settings: Settings, rows: Array, every: Array) -> tuple[Lane, Out]:
        """All lanes in step: ``every`` steps and a row, so many times."""

        def stride(lanes: Lane) -> Lane:
            if self.of.verb.single:  # a loop of one turn would cost as much as a step of a small problem
                return self.step(settings, lanes)
            return jax.lax.fori_loop(0, every, lambda _, lanes: self.step(settings, lanes), lanes)

        def row(i: Array, loop: tuple[Lane, Out]) -> tuple[Lane, Out]:
            lanes = stride(loop[0])
            return lanes, self.put(loop[1], self.kept(settings, lanes), i)

        return jax.lax.fori_loop(0, rows, row, (lanes, out))

    def reload(self, settings: Settings, queue: Any, waiting: Array, loop: Loop) -> Loop:
        """Lanes that are done are written, and free ones take the next items."""
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

    def look(self, settings: Settings, queue: Any, waiting: Array, loop: Loop) -> Loop:
        """Reload where a lane is done, or vacant while something waits."""
        code = loop.lanes.code
        due = jnp.any(code > Ending.RUNNING) | (jnp.any(code == Ending.VACANT) & (loop.taken < waiting))
        if self.of.cost.dear:  # vacant lanes follow a live one step by step, which is told apart from none
            due |= jnp.any(code == Ending.VACANT)
        return jax.lax.cond(due, lambda loop: self.reload(settings, queue, waiting, loop), lambda loop: loop, loop)

    def recycle(
        self, lanes: Lane, out: Out, settings: Settings, queue: Any, waiting: Array, final: Array, blocks: Array
    ) -> Any:
        """Blocks of steps; between two of them lanes that are done are written and take the next items."""

        def goes_on(loop: Loop) -> Array:
            more = loop.taken < waiting
            work = jnp.any(loop.lanes.code != Ending.VACANT) | more
            return work & (loop.row < self.rows) & (loop.block < blocks) & (more | final)

        def body(loop: Loop) -> Loop:
            loop = self.look(settings, queue, waiting, loop)
            return loop._replace(lanes=self._block(settings, loop.lanes), block=loop.block + 1)

        none = jnp.int32(0)
        loop = jax.lax.while_loop(goes_on, body, Loop(lanes, out, none, none, none))
        return tuple(loop)

    def _block(self, settings: Settings, lanes: Lane) -> Lane:
        """A block of steps, or less where no lane is running any more."""

        def goes_on(loop: tuple[Array, Lane]) -> Array:
            return (loop[0] < self.steps_of_block) & jnp.any(loop[1].code == Ending.RUNNING)

        def step(loop: tuple[Array, Lane]) -> tuple[Array, Lane]:
            return loop[0] + 1, self.step(settings, loop[1], self.width > 1)

        return jax.lax.while_loop(goes_on, step, (jnp.int32(0), lanes))[1]
