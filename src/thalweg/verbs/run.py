"""``run``: a fixed number of steps of every method from every start, everything recorded."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from thalweg.chain.problem import Problem
from thalweg.engine.failures import tell_of_the_host
from thalweg.engine.hardware import devices, present
from thalweg.engine.mesh import mesh
from thalweg.engine.plan import Plan, Task, confined, plan
from thalweg.engine.program import Program
from thalweg.engine.recording import Observer, Recording, Tile
from thalweg.engine.records import DeviceRecord, HostRecord, Part, Record, Rows, divided
from thalweg.engine.room import check_record
from thalweg.engine.shards import Progress, advance, build
from thalweg.methods.method import Method
from thalweg.numerics.precision import at_least_single
from thalweg.numerics.reading import whole
from thalweg.verbs.arguments import observers, recorded_spaces, task
from thalweg.verbs.trace import assemble, fetch_xarray, history

if TYPE_CHECKING:
    import xarray as xr


def run(
    problem: Problem,
    methods: Method | Mapping[str, Method] | Sequence[Method],
    starts: Any = None,
    steps: int = 100,
    *,
    record: Mapping[str, Observer] | Sequence[Observer] = (),
    every: int = 1,
    spaces: Sequence[str] | Mapping[str, int] | None = None,
    key: int = 0,
    dtype: Any = None,
    progress: Progress = None,
    device: bool = False,
) -> "xr.Dataset":
    """Take ``steps`` steps of every variant of every method from every start and record all spaces.

    A lane is one (variant, start). Row k of a lane holds x_k with x_0 the start and x_{k+1} = step(x_k). Lanes are
    shared out among all devices that JAX has, which step them in one program each for itself, or take the one that
    ``jax.default_device`` names; functions that call Python take one, and lanes that fill fewer take fewer.

    Args:
        problem: the chain x -> y -> L.
        methods: one method, a list, or a dict of names; each may be a ``sweep``.
        starts: points of shape (n, d) in [x], or a pytree like ``problem.start`` with a leading axis; ``problem.start``
            if None. An array of JAX whose components (and not its points) are divided among devices keeps x so, with
            the methods' states: then all devices step each lane, and results agree to rounding.
        steps: how many steps, 0 or more.
        record: further observers by name, functions (problem, x) -> scalar or vector, or of four arguments
            (problem, x, method, state); functions alone go by their names.
        every: record each ``every``-th step only, and the last one, 1 or more; no more is ever held.
        spaces: which spaces to record by name, such as ``["loss"]``; all, x, the later ones and loss, if None. A dict
            tells of each how many recorded rows go by from one of its own to the next: ``{"loss": 1, "x": 1000}`` has
            x along a dim ``x_step`` of its own.
        key: seed of the random keys that methods get, one for each lane; a whole number of 0 or more.
        dtype: "bfloat16", "float16", "float32" or "float64"; JAX's default if None. The first two round after every
            operation (float16 may add a product unrounded), and are recorded in float32. float64 is switched on for
            this run alone.
        progress: show a progress bar; None for runs of more than a second in a terminal. Or a function (done, total)
            that is called ten times a second; where it gives False, the run ends as by Ctrl-C.
        device: leave the record where it is computed: the variables are arrays of JAX on the device, or the devices
            (each with its own starts, or variants where the starts of a single method cannot be divided; as many
            devices as divide either). That saves the way to the host and a copy there, most of the time of a long
            record on an accelerator, where what comes next is computed there, too. What needs NumPy, such as plots,
            brings home what it reads (``trace.as_numpy()`` all); sums of float64 need ``jax.enable_x64(True)``.
    Returns:
        A Dataset with dims ``variant, start, step`` and one ``<space>_dim`` per space; coordinates ``method(variant)``
        and one per hyperparameter; variables ``x`` in [x], each space, ``loss`` in [L] and each observer;
        docs/schema.md has all. ``step`` 0 is the start itself. Infinity and NaN are recorded as they come. Attributes:
        problem, versions, dtype, key, compile_seconds, run_seconds. Ctrl-C returns the rows that all lanes have
        reached, with the attribute ``interrupted`` = 1.
    Raises:
        ValueError: before anything is compiled, for anything of the above that does not fit, for a method that this
            problem cannot serve, and for a record that would not fit in memory.
    Cost:
        lanes x steps steps, and one evaluation of the chain for each row; (spaces + observers) x rows x lanes numbers
        of memory. Each method is compiled once for a problem, whatever the values of its hyperparameters; for a GPU in
        a few programs for each ``every``, of lengths that runs of other numbers of steps share.
    Example:
        >>> problem = tw.problems.quadratic([1.0, 4.0])
        >>> trace = tw.run(problem, tw.methods.gradient_descent(0.25), [[1.0, 1.0]], steps=2)
        >>> trace.x.values[0, 0].tolist()
        [[1.0, 1.0], [0.75, 0.0], [0.5625, 0.0]]
    """
    steps, every = whole(steps, "steps", 0), whole(every, "every", 1)
    given = task("run", problem, methods, starts, key=key, dtype=dtype, half=True)
    if not isinstance(device, bool):
        raise ValueError(f"device is {device!r}, but it is True where the record stays on the device, else False.")
    return follow(given, steps, 0, every, spaces=spaces, record=record, progress=progress, device=device)


def follow(
    task: Task,
    steps: int,
    since: int,
    every: int,
    *,
    spaces: Sequence[str] | Mapping[str, int] | None = None,
    record: Mapping[str, Observer] | Sequence[Observer] = (),
    progress: Progress = None,
    device: bool = False,
) -> "xr.Dataset":
    """What ``run`` does, with row 0 and then only the rows from ``since`` on."""
    strides = recorded_spaces(task.problem, spaces)
    verb = Recording(list(strides), observers(task.problem, task.methods, record), single=every == 1 and since <= 1)
    if not verb.names:
        raise ValueError("nothing is to be recorded; name a space, such as spaces=['loss'], or an observer.")
    plans = _planned(task, verb, device)
    shapes, dtype = {name: plans[0].of.row[name].shape for name in verb.names}, at_least_single(task.dtype)
    sizes = sum(plan.items.sizes[0] for plan in plans), len(task.points)
    count = -(-(steps - since) // every) + 1 + (since > 0)
    counts = {name: -(-(count - 1) // strides.get(name, 1)) + 1 for name in verb.names}
    check_record(shapes, counts, count, dtype, math.prod(sizes), steps, plans[0].over.devices if device else ())
    rows = np.unique(np.concatenate([[0], np.arange(since, steps, every), [steps]]))
    index = np.arange(len(rows))
    rare = {k: (index % stride == 0) | (index == index[-1]) for k, stride in strides.items() if stride > 1}
    recorded = Rows(rows, shapes, rare, dtype)
    began = time.perf_counter()
    fetch_xarray()
    makers = [plan.build for plan in plans] + [make for plan in plans for make in plan.marches(rows)]
    programs = build(makers, task.x64)[: len(plans)]
    compiled = time.perf_counter()
    with jax.enable_x64(task.x64):
        held = DeviceRecord(recorded, *sizes, plans[0].over) if device else HostRecord(recorded, *sizes)
    tiles = tiles_of(plans, programs, held)
    host = any(plan.of.cost.host for plan in plans)
    state = lambda: (min(tile.step for tile in tiles), int(rows[-1]), "steps")  # noqa: E731
    advance(tiles, min(plan.hardware.threads for plan in plans), task.x64, progress, state, host)
    tell_of_the_host(task.problem)
    done = min(tile.rows for tile in tiles)
    if done == 0:  # only after Ctrl-C, before some lane had its first row
        raise KeyboardInterrupt
    cut = {"interrupted": 1} if done < len(rows) else {}
    with jax.enable_x64(task.x64):
        blocks = jax.block_until_ready(held.blocks(done))
    known = {name: recorded.of(name, done) for name in verb.names}
    return assemble(task, known, blocks, history(task, began, compiled, **cut))


def _planned(task: Task, verb: Recording, device: bool) -> list[Plan]:
    """The plan for each method. Where the record stays on the devices, all methods take the same, which divide it."""

    def plans(task: Task, over: tuple[Any, ...]) -> list[Plan]:
        with jax.enable_x64(task.x64):
            return [plan(task, name, verb, (), present(), over) for name in task.methods]

    planned = plans(task, devices())
    if not device:
        return planned
    most, variants = max(plan.over.size for plan in planned), planned[0].items.sizes[0] if len(planned) == 1 else 1
    if any(confined(plan.of, plan.hardware) for plan in planned):
        task, most = task._replace(sharding=None), 1
    over = divided(devices()[:most], len(task.points), variants)
    return [plan._replace(over=plan.over._replace(lanes=mesh(over))) for plan in plans(task, over)]


def tiles_of(plans: Sequence[Plan], programs: Sequence[Program], record: Record) -> list[Tile]:
    """The lanes of all methods dealt to the devices and cut into tiles; a lane is one (variant, start)."""
    tiles, before = [], 0
    for items, program in zip((planned.items for planned in plans), programs, strict=True):
        own, width = record.deal(items, program.over.size), program.own
        for first in range(0, len(own[0]), width):
            part = Part([dealt[first : first + width] for dealt in own], before, first)
            tiles.append(Tile(program, items, part, record))
        before += items.total
    return tiles
