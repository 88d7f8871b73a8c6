"""What a verb was asked to do, and the plan for each of its methods: whatever cannot be done is refused here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, final

import numpy as np

from thalweg.chain.problem import Problem
from thalweg.engine.functions import Functions, Verb, functions
from thalweg.engine.hardware import Hardware
from thalweg.engine.program import Program, march, program, row_count, size
from thalweg.engine.room import check_matrices, check_state, check_workspace
from thalweg.engine.schedule import calls
from thalweg.engine.supply import Items
from thalweg.methods.box import begun, keeps
from thalweg.methods.method import Method, NeedsRoom
from thalweg.numerics.reading import first_line


@final
class Task(NamedTuple):
    """What a person gave, read once. After its plans nobody but the compiled programs sees ``problem``."""

    verb: str  # as the person calls it, for sentences
    problem: Problem
    methods: dict[str, Method]
    points: np.ndarray  # starts, (n, d), or (cases, n, d) where each case has its own, in dtype
    cases: Any  # data sets, a pytree of arrays with one leading axis, or None
    key: int
    dtype: np.dtype

    def begun(self, name: str) -> np.ndarray:
        """Where a method begins from each start, shaped like the points."""
        return begun(self.problem, self.methods[name], self.points)

    @property
    def keeps(self) -> bool:
        """Whether all methods stay in the domain."""
        return all(keeps(self.problem, method) for method in self.methods.values())

    @property
    def projected(self) -> int:
        """How many starts lie outside of a domain that a method keeps to, which begins at the nearest points there."""
        if self.problem.domain is None or not any(keeps(self.problem, method) for method in self.methods.values()):
            return 0
        with np.errstate(over="ignore"):
            low, high = (side.astype(self.dtype) for side in self.problem.domain)
        return int(np.any((self.points < low) | (self.points > high), axis=-1).sum())

    @property
    def x64(self) -> bool:
        return self.dtype == np.float64


@final
class Plan(NamedTuple):
    """How one method of a task is computed."""

    name: str
    items: Items
    of: Functions
    width: int  # lanes of a tile
    hardware: Hardware
    problem: str  # its name, for sentences

    def build(self) -> Program:
        """The compiled program."""
        with refused(self.name, self.problem):
            return program(self.of, self.width, self.hardware)

    def marches(self, schedule: np.ndarray) -> list[Callable[[], Any]]:
        """What else must be compiled to reach the steps of a schedule, where loops are static."""

        def build(rows: int, every: int) -> Any:
            with refused(self.name, self.problem):
                return march(self.of, self.width, self.hardware, rows, every)

        if not self.hardware.static:
            return []
        rows = row_count(self.of, self.width, self.hardware)
        pairs = {call[:2] for call in calls(schedule, rows, self.hardware)}
        return [partial(build, *pair) for pair in sorted(pairs)]


def plan(task: Task, name: str, verb: Verb, rules: Any, hardware: Hardware) -> Plan:
    """The plan for the method called so. ValueError where it cannot take a step on the problem, where something that it
    should observe cannot be, and where its matrices would not fit in memory."""
    problem, method, dtype = task.problem, task.methods[name], task.dtype
    if isinstance(method, NeedsRoom):  # before it is traced, which may take as much
        check_matrices(problem, name, method, 1, dtype)
    items = Items(name, method, task.begun(name), task.cases, task.key, rules)
    with refused(name, problem.name):
        try:
            of = functions(problem, method, items.swept, items.first_case(), verb, dtype, hardware)
        except Exception:
            verb.blame(problem, method, dtype)
            raise
    if any(len(seen.shape) > 1 for seen in of.row.values()):
        verb.blame(problem, method, dtype)
    if verb.in_step:
        components = sum(space.size for space in problem.chain.spaces)
        width = hardware.width_in_step(items.total, problem.dimension, components, of.cost)
    else:
        needs = isinstance(method, NeedsRoom)
        matrices = method.workspace(of.outputs, problem.dimension, dtype.itemsize) if needs else 0
        lane = size(of.lane)
        width = hardware.width_recycled(lane, matrices, items.total, problem.dimension, of.outputs, of.cost)
    lanes = min(hardware.threads * width, items.total)
    if isinstance(method, NeedsRoom):
        check_matrices(problem, name, method, lanes, dtype)
        check_workspace(problem, name, method, lanes, dtype, of.outputs, of.examples)
    check_state(problem, name, of.lane.state, lanes)
    return Plan(name, items, of, width, hardware, problem.name)


@contextmanager
def refused(name: str, problem: str) -> Iterator[None]:
    """Whatever a method raises on this problem, as one sentence that names it."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(
            f"method {name!r} cannot take a step on {problem!r}; write it with jax.numpy and give it numbers "
            f"({type(error).__name__}: {first_line(error)})."
        ) from error
