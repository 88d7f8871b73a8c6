"""What ``run`` does: lanes stepped together, a row of everything after every stride."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.batches import shown
from thalweg.chain.objective import Objective
from thalweg.chain.problem import Problem
from thalweg.chain.signatures import asks
from thalweg.chain.space import abstract
from thalweg.engine.failures import told
from thalweg.engine.lanes import Lane, Settings, Stepper, on_host, point
from thalweg.engine.loops import Out
from thalweg.engine.program import Program
from thalweg.engine.supply import Items
from thalweg.methods.method import Method
from thalweg.numerics.precision import at_least_single

Observer = Callable[..., Any]


@final
class Recording:
    """A step whatever happens, and a row of the ``spaces`` that are named, the loss among them, and what observers
    give."""

    in_step = True

    def __init__(self, spaces: Sequence[str], record: Sequence[tuple[str, Observer]], single: bool) -> None:
        self.spaces, self.record, self.single = tuple(spaces), tuple(record), single
        self.names = [*self.spaces, *(name for name, _ in record)]  # of what is kept, in the order of the chain
        self.signature = "run", self.spaces, self.record, single

    def rules(self, dtype: np.dtype) -> Any:
        return ()

    def memo(self, x: Array) -> Any:
        return ()

    def begin(self, stepper: Stepper, problem: Objective, settings: Settings, lane: Lane) -> Lane:
        return lane

    def advance(self, stepper: Stepper, problem: Objective, settings: Settings, lane: Lane) -> Lane:
        x, state = stepper.step(problem, settings, lane)
        return lane._replace(x=x, state=state)

    def kept(self, stepper: Stepper, problem: Problem, settings: Settings, lane: Lane) -> dict[str, Array]:
        """Everything a trace holds of one point. An observer that asks for four arguments gets the method and its
        state."""
        part = shown(problem)
        seen = part.spaces(lane.x)
        if part is not problem:
            seen["loss"] = problem.value(lane.x)
        method, state = stepper.numbers(settings, lane.hyper), stepper.state.unflatten(lane.state)
        for name, f in self.record:
            seen[name] = jnp.asarray(f(problem, lane.x, method, state) if asks(f, 2) else f(problem, lane.x))
        return {name: jnp.asarray(seen[name], at_least_single(lane.x.dtype)) for name in self.names}

    def blame(self, problem: Problem, method: Method, dtype: np.dtype) -> None:
        """ValueError for an observer that cannot be evaluated, or that gives no scalar and no vector."""
        x, key = point(problem, dtype)
        for name, f in self.record:
            if asks(f, 2):
                state = jax.eval_shape(partial(method.init, problem), x, key)
                seen = abstract(lambda x, state, f=f: f(problem, x, method, state), f"observer {name!r}", x, state)
            else:
                seen = abstract(partial(f, problem), f"observer {name!r}", x)
            if not isinstance(seen, jax.ShapeDtypeStruct) or len(seen.shape) > 1:
                raise ValueError(
                    f"observer {name!r} returns {seen}, but an observer gives a scalar or a vector; ravel an array."
                )


@final
class Tile:
    """Lanes of ``run`` on their way.

    ``items`` are those of the method, ``which`` of them the lanes of this tile; ``into`` maps each recorded name to the
    slice of the record that belongs to these lanes, shape (rows, …, lanes); ``schedule`` holds the steps to record, and
    ``rare`` tells for names that are not recorded at each of them at which they are.
    """

    def __init__(
        self,
        program: Program,
        items: Items,
        which: np.ndarray,
        into: dict[str, np.ndarray],
        schedule: np.ndarray,
        rare: Mapping[str, np.ndarray],
    ) -> None:
        self.program, self.items, self.which, self.into, self.schedule = program, items, which, into, schedule
        self.rare = rare
        self.rows, self.step, self.more, self.lanes = 0, 0, True, None

    def start(self) -> Callable[[], None]:
        """Start the next chunk of steps on the way to the rows of the schedule; the first only records row 0. Returns
        what brings the rows home."""
        program, at, out, settings = self.program, self.rows, self.program.buffers(), self.items.settings
        most = program.hardware.most_steps
        if at == 0:
            which = np.pad(
                self.which, (0, program.width - len(self.which)), "edge"
            )  # lanes to spare repeat the last one
            queue, rows = self.items.load(which, program.width), 1
            self.lanes, out = program.call(program.begin, queue, settings, out)
        else:
            ahead = self.schedule[at : at + program.rows]
            gap = int(ahead[0]) - self.step
            even = int(np.sum(ahead == self.step + gap * np.arange(1, len(ahead) + 1)))  # only the last gap may differ
            rows, every = (1, most) if gap > most else (min(even, most // gap), gap)
            counts = np.int32(rows), np.int32(every)
            self.lanes, out = program.call(program.chunk, self.lanes, out, settings, *counts)
            self.step += rows * every
            rows = 0 if gap > most else rows  # on the way to a row that a later chunk reaches
        self.rows += rows
        self.more = self.rows < len(self.schedule)
        return partial(self._keep, out, slice(at, self.rows))

    def fail(self, error: Exception) -> None:
        raise told(error, self.items.name, self.program.of.problem.name) from error

    def _keep(self, out: Out, rows: slice) -> None:
        """Wait for what was recorded and bring it home."""
        jax.block_until_ready(out)  # outside Python's lock, which from_dlpack would hold
        for name, target in self.into.items():
            home = on_host(self.program.hardware, out[name])[: rows.stop - rows.start, ..., : target.shape[-1]]
            if name in self.rare:
                wanted, before = self.rare[name][rows], int(self.rare[name][: rows.start].sum())
                target[before : before + int(wanted.sum())] = home[wanted]
            else:
                target[rows] = home
        self.program.give_back(out)
