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
from thalweg.engine.lanes import Lane, Settings, Stepper, on_host, point, sent
from thalweg.engine.loops import Out
from thalweg.engine.program import Program
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
        self.rare, self.calls = rare, calls(schedule, program.rows, program.hardware)
        self.rows, self.step, self.more = 0, 0, True
        self.lanes: Any = None

    def start(self) -> Callable[[], None]:
        """Start the next chunk of steps on the way to the rows of the schedule; the first only records row 0. Returns
        what brings the rows home."""
        program, at, settings = self.program, self.rows, self.items.settings
        if at == 0:
            which = np.pad(
                self.which, (0, program.width - len(self.which)), "edge"
            )  # lanes to spare repeat the last one
            self.lanes, out = program.begin(self.items.load(which, program.width), settings)
            self.rows = 1
        else:
            count, every, kept = next(self.calls)
            self.lanes, out = program.march(self.lanes, settings, count, every)
            self.step += count * every
            self.rows += count if kept else 0
        self.more, rows = self.rows < len(self.schedule), slice(at, self.rows)
        home = sent(program.hardware, {name: out[name] for name in self.into if self._wanted(name, rows)})
        return partial(self._keep, out, home, rows)

    def fail(self, error: Exception) -> None:
        raise told(error, self.items.name, self.program.of.problem.name) from error

    def _wanted(self, name: str, rows: slice) -> bool:
        return bool(np.any(self.rare[name][rows])) if name in self.rare else rows.stop > rows.start

    def _keep(self, out: Out, recorded: Out, rows: slice) -> None:
        """Wait for what was recorded and bring it home."""
        jax.block_until_ready((out, recorded))  # outside Python's lock, which from_dlpack would hold
        for name, values in recorded.items():
            target = self.into[name]
            home = on_host(self.program.hardware, values)[: rows.stop - rows.start, ..., : target.shape[-1]]
            if name in self.rare:
                wanted, before = self.rare[name][rows], int(self.rare[name][: rows.start].sum())
                target[before : before + int(wanted.sum())] = home[wanted]
            else:
                target[rows] = home
        self.program.give_back(out)
