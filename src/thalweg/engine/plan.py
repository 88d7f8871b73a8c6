"""What a verb was asked to do, and the plan for each of its methods: whatever cannot be done is refused here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, final

import numpy as np
from jax.sharding import NamedSharding

from thalweg.chain.problem import Problem
from thalweg.engine.functions import Functions, Verb, functions
from thalweg.engine.hardware import Hardware
from thalweg.engine.mesh import Over, mesh
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
    sharding: NamedSharding | None = None  # of the components of x, which several devices have among them

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
    width: int  # lanes of a tile, of each device
    hardware: Hardware
    over: Over  # the devices
    problem: str  # its name, for sentences

    def build(self) -> Program:
        """The compiled program."""
        with refused(self.name, self.problem):
            return program(self.of, self.width, self.hardware, self.over)

    def marches(self, schedule: np.ndarray) -> list[Callable[[], Any]]:
        """What else must be compiled to reach the steps of a schedule, where loops are static."""

        def build(rows: int, every: int) -> Any:
            with refused(self.name, self.problem):
                return march(self.of, self.width, self.hardware, self.over, rows, every)

        if not self.hardware.static:
            return []
        rows = row_count(self.of, self.width, self.hardware)
        pairs = {call[:2] for call in calls(schedule, rows, self.hardware)}
        return [partial(build, *pair) for pair in sorted(pairs)]


def plan(task: Task, name: str, verb: Verb, rules: Any, hardware: Hardware, devices: tuple[Any, ...]) -> Plan:
    """The plan for the method called so, on no more of the devices than have work. ValueError where it cannot take a
    step on the problem, where something that it should observe cannot be, and where its matrices would not fit in
    memory."""
    problem, method, dtype = task.problem, task.methods[name], task.dtype
    if isinstance(method, NeedsRoom):  # before it is traced, which may take as much
        check_matrices(problem, name, method, 1, dtype)
    items = Items(name, method, task.begun(name), task.cases, task.key, rules)
    machine = hardware.together() if task.sharding else hardware
    with refused(name, problem.name):
        try:
            of = functions(problem, method, items.swept, items.first_case(), verb, dtype, machine)
        except Exception:
            verb.blame(problem, method, dtype)
            raise
    if any(len(seen.shape) > 1 for seen in of.row.values()):
        verb.blame(problem, method, dtype)
    if task.sharding and confined(of, hardware):
        return plan(task._replace(sharding=None), name, verb, rules, hardware, devices)
    devices, hardware = devices[:1] if task.sharding or confined(of, hardware) else devices, machine
    share = -(-items.total // len(devices))
    if verb.in_step:
        components = sum(space.size for space in problem.chain.spaces)
        width = hardware.width_in_step(share, problem.dimension, components, of.cost)
    else:
        needs = isinstance(method, NeedsRoom)
        matrices = method.workspace(of.outputs, problem.dimension, dtype.itemsize) if needs else 0
        lane = size(of.lane)
        width = hardware.width_recycled(lane, matrices, share, problem.dimension, of.outputs, of.cost)
    lanes = min(hardware.threads * width, items.total)
    if isinstance(method, NeedsRoom):
        check_matrices(problem, name, method, lanes, dtype)
        check_workspace(problem, name, method, lanes, dtype, of.outputs, of.examples)
    check_state(problem, name, of.lane.state, lanes)
    over = Over(mesh(devices[: -(-items.total // width)]), task.sharding, problem.dimension)
    return Plan(name, items, of, width, hardware, over, problem.name)


def confined(of: Functions, hardware: Hardware) -> bool:
    """Whether one device alone can compute these: Python has one lock, and on the devices of one CPU calls of LAPACK
    would wait for each other (``xla.lapack_in_turn``)."""
    return of.cost.host or (of.factors and hardware.lapack_in_turn)


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
