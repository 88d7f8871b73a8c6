"""What ``run`` does: lanes stepped together, a row of everything after every stride."""

from collections.abc import Callable, Sequence
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
from thalweg.engine.lanes import Lane, Settings, Stepper, point
from thalweg.engine.loops import Out
from thalweg.engine.program import Program
from thalweg.engine.records import Part, Record
from thalweg.engine.schedule import calls
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

    ``items`` are those of the method, ``part`` those of this tile among them; ``record`` keeps their rows."""

    def __init__(self, program: Program, items: Items, part: Part, record: Record) -> None:
        self.program, self.items, self.part, self.record = program, items, part, record
        self.schedule = record.rows.steps
        self.calls = calls(self.schedule, program.rows, program.hardware)
        self.rows, self.step, self.more = 0, 0, True
        self.lanes: Any = None

    def start(self) -> Callable[[], None]:
        """Start the next chunk of steps on the way to the rows of the schedule; the first only records row 0. Returns
        what brings the rows home."""
        program, at, settings = self.program, self.rows, self.items.settings
        if at == 0:
            self.lanes, out = program.begin(self.items.load(self.part.items, program.own), settings)
            self.rows = 1
        else:
            count, every, kept = next(self.calls)
            self.lanes, out = program.march(self.lanes, settings, count, every)
            self.step += count * every
            self.rows += count if kept else 0
        self.more, rows = self.rows < len(self.schedule), slice(at, self.rows)
        return partial(self._keep, out, self.record.sent(program, out, rows), rows)

    def fail(self, error: Exception) -> None:
        raise told(error, self.items.name, self.program.of.problem.name) from error

    def _keep(self, out: Out, recorded: Out, rows: slice) -> None:
        jax.block_until_ready((out, recorded))  # outside Python's lock, which from_dlpack would hold
        self.record.keep(self.program, recorded, self.part, rows)
        self.program.give_back(out)
