"""The engine of ``solve``: lanes that take the next start as soon as they are done with one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import jaxpr_as_fun

from thalweg.chain.problem import Problem
from thalweg.engine.evaluations import EVALUATIONS, UNKNOWN, Counted, in_loops
from thalweg.engine.lanes import CORES, filled, once, point, settled, stepper
from thalweg.engine.room import check_workspace
from thalweg.engine.traces import calls_lapack
from thalweg.engine.xla import compiled
from thalweg.methods.method import Method, NeedsRoom, Report
from thalweg.numerics.layout import lanes_minor, rows_minor
from thalweg.tolerances import Condition, alternatives, kinds, label, met

TILE_BYTES = 1 << 17  # of the state of all lanes of a tile, which stays in cache
WIDEST = 512  # lanes of a tile
SMALL_BYTES = 1 << 12  # of a lane's state, up to which a tile is filled up with vacant lanes
CHUNK_BYTES = 12 << 20  # of the results and the starts of one chunk
BLOCK = 8  # steps between two looks for lanes that are done
MOST_BLOCKS = 64  # in one chunk
MOST_PLACES = 8  # in the queue, for each lane
VACANT, RUNNING = -1, 0  # codes of lanes; above, the reasons why they ended, the tolerances first
STUCK, NOT_FINITE, MAX_STEPS = "stuck", "not_finite", "max_steps"
MAX_SECONDS, INTERRUPTED = "max_seconds", "interrupted"
OUTCOMES = ("converged", "stalled", "diverged", "exhausted")

Lane = dict[str, Any]


def reasons(until: Condition | None) -> list[str]:
    """The meanings of the codes from ``RUNNING`` on."""
    labels = [label(condition) for condition in alternatives(until)]
    return ["running", *labels, STUCK, NOT_FINITE, MAX_STEPS, MAX_SECONDS, INTERRUPTED]


def outcomes(until: Condition | None) -> np.ndarray:
    """Which of ``OUTCOMES`` each code from ``RUNNING`` on stands for."""
    return np.array([3, *[0] * len(alternatives(until)), 1, 2, 3, 3, 3], np.int8)


def result(lane: Lane) -> dict[str, Any]:
    """What is kept of a lane that is done."""
    best = {"x": lane["best_x"], "loss": lane["best_loss"], "gradient_norm": lane["best_norm"]}
    counts = {name: lane[name] for name in ("item", "code", "steps")}
    return {**counts, **best, "last_x": lane["x"], "last_loss": lane["loss"]}


@final
@dataclass(frozen=True)
class Program:
    """One compiled function that steps lanes and reloads them, and what a step evaluates.

    ``chunk(carry, results, queue, settings, (waiting, final, blocks))`` steps until ``waiting`` items of the queue are
    taken, or if ``final`` done, but no more than so many ``blocks``. It gives (carry, results, rows of results filled,
    items taken, blocks gone through), and donates what it takes of the first two. Lanes are the last axis of these.
    """

    chunk: Callable[..., Any]
    width: int
    places: int  # in the queue
    carry: Any
    results: dict[str, jax.ShapeDtypeStruct]
    first: np.ndarray  # evaluations of EVALUATIONS before the first step, and of each step
    each: np.ndarray
    lapack: bool
    idle: list[Any]  # lanes of earlier calls, all vacant: fresh pages, and to learn their pace, cost milliseconds


def program(
    problem: Problem,
    method: Method,
    swept: Sequence[bool],
    case: Any,
    until: Condition | None,
    items: int,
    dtype: np.dtype,
) -> Program:
    """The program for ``items`` starts of a method, from the cache where the structure was compiled before.

    ``swept`` tells which hyperparameters have one value per lane; ``case`` is one of the data sets, or None.
    Values of hyperparameters, starts, data, keys, tolerances and budgets are arguments of the program.
    """
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(case))
    structures = jax.tree.structure(method), tuple(swept), jax.tree.structure(case), shapes, jax.tree.structure(until)
    lane = once(problem, ("lane", *structures, dtype), partial(_Lane, problem, method, swept, case, until, dtype))
    width = _width(size(lane.shape), items, problem.dimension)
    if isinstance(method, NeedsRoom):
        bound = problem if case is None else problem.bind(case)
        check_workspace(bound, type(method).__name__, method, min(CORES * width, items), dtype)
    return once(problem, (*structures, dtype, width), partial(_build, lane, width))


def size(tree: Any) -> int:
    """Bytes of all leaves."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _width(size: int, items: int, dimension: int) -> int:
    """Lanes of a tile: as many as stay in cache, no more than there is work for.

    Small lanes are filled up, so that a start gives the same bits alone and among others.
    """
    most = int(np.clip(TILE_BYTES // size, 1, WIDEST))
    share = -(-items // CORES)
    if size > SMALL_BYTES:
        return min(most, share)
    width = filled(1, dimension)
    while width < min(most, share):  # doubled, so that few widths are compiled
        width *= 2
    return width


@final
class _Lane:
    """What is done to one lane, as functions of one lane."""

    def __init__(
        self, problem: Problem, method: Method, swept: Sequence[bool], case: Any, until: Condition | None, dtype: Any
    ) -> None:
        self.problem, self.swept, self.until = settled(problem), list(swept), until
        self.stepper = stepper(self._bound(case), method, dtype)
        scalar, whole = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct((), jnp.int32)
        x, _ = point(problem, dtype)
        mine = [scalar for s in swept if s]
        shared = {"hyper": [scalar for s in swept if not s], "until": jax.tree.map(lambda _: scalar, until)}
        self.settings = {**shared, "max_steps": whole, "seed": jax.ShapeDtypeStruct((), jnp.uint32)}
        data = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), case)
        self.item = {"item": whole, "x": x, "hyper": mine, "case": data}
        self.load, self.shape, self.first = self._traced(self._load, self.settings, self.item)
        self.advance, _, self.each = self._traced(self._advance, self.settings, self.shape)
        if not self.stepper.reports:  # the last look, which no step follows
            self.first = self.first + np.isin(EVALUATIONS, ("value", "gradient"))
        if UNKNOWN in (*self.first, *self.each):
            self.first = self.each = np.full(len(EVALUATIONS), UNKNOWN)

    def _bound(self, case: Any) -> Problem:
        return self.problem if case is None else self.problem.bind(case)

    def _problem(self, case: Any) -> Counted:
        problem = Counted(self._bound(case))
        self.counts = problem.counts
        return problem

    def _traced(self, f: Callable[..., Lane], *shapes: Any) -> tuple[Callable[..., Lane], Lane, np.ndarray]:
        """f from its one trace, the shapes of the lane that it gives, and how much of each kind it evaluates.

        NumPy arrays in the trace become JAX's: else JAX 0.10.2 would give them, in the precision of this trace, to the
        functions that read them whenever the user calls these, as long as the trace is kept.
        """
        traced, shape = jax.make_jaxpr(lambda *a: f(*a), return_shape=True)(*shapes)
        unknown = np.full(len(EVALUATIONS), UNKNOWN)
        counts = unknown if in_loops(traced.jaxpr) else np.array([self.counts[kind] for kind in EVALUATIONS])
        flat = jaxpr_as_fun(traced.replace(consts=[jnp.asarray(const) for const in traced.consts]))
        structure = jax.tree.structure(shape)
        return lambda *a: structure.unflatten(flat(*jax.tree.leaves(a))), shape, counts

    def _hyper(self, settings: Any, mine: list[Array]) -> list[Array]:
        own, shared = iter(mine), iter(settings["hyper"])
        return [next(own if s else shared) for s in self.swept]

    def _load(self, settings: Any, item: Any) -> Lane:
        """A lane at its start."""
        problem, x = self._problem(item["case"]), item["x"]
        key = jax.random.fold_in(jax.random.key(settings["seed"]), item["item"])
        hyper = self._hyper(settings, item["hyper"])
        number, count = jnp.full((), jnp.inf, x.dtype), jnp.zeros((), jnp.int32)
        return {
            **item,
            "state": self.stepper.init(problem, hyper, x, key),
            "code": count + RUNNING,
            "steps": count,
            "loss": number,
            "gradient_norm": number,
            "best_x": x,
            "best_loss": number,
            "best_norm": number,
            "change": number,
        }

    def _advance(self, settings: Any, lane: Lane) -> Lane:
        """Look at where a lane is; where it is not done, take a step."""
        problem, x, state = self._problem(lane["case"]), lane["x"], lane["state"]
        hyper = self._hyper(settings, lane["hyper"])
        report = self.stepper.report(problem, hyper, x, state)
        value = report.value
        norm = jnp.max(jnp.abs(report.gradient))
        code = jnp.where(lane["code"] == RUNNING, self._judge(settings, lane, report, norm), lane["code"])
        active, going = lane["code"] == RUNNING, code == RUNNING
        # A loss that is equal but for rounding counts as lower: it comes later, with a smaller gradient.
        rounding = 8 * jnp.finfo(x.dtype).eps * jnp.abs(lane["best_loss"])
        reached = (code >= 1) & (code <= len(alternatives(self.until)))
        better = active & ((value <= lane["best_loss"] + rounding) | (lane["steps"] == 0) | reached)
        after, state = self.stepper.step(problem, hyper, x, state)
        if not (self.stepper.reports or state):  # without a memory a step that does not move is the last
            code = jnp.where(going & jnp.all(after == x), self._code(STUCK), code)
            going = code == RUNNING
        moved = jnp.any(after != x)
        change = jnp.max(jnp.where(after == x, 0, jnp.abs((after - x) / x))) if "xtol" in kinds(self.until) else 0.0
        return {
            **lane,
            "x": jnp.where(going, after, x),
            "state": state,
            "code": code,
            "steps": lane["steps"] + going,
            "loss": jnp.where(active, value, lane["loss"]),
            "gradient_norm": jnp.where(active, norm, lane["gradient_norm"]),
            "best_x": jnp.where(better, x, lane["best_x"]),
            "best_loss": jnp.where(better, value, lane["best_loss"]),
            "best_norm": jnp.where(better, norm, lane["best_norm"]),
            "change": jnp.where(moved, change, jnp.inf).astype(x.dtype),
        }

    def _code(self, reason: str) -> int:
        return reasons(self.until).index(reason)

    def _judge(self, settings: Any, lane: Lane, report: Report, norm: Array) -> Array:
        """Why a lane is done, the first reason that holds, or ``RUNNING``."""
        value = report.value
        moved = lane["change"] < jnp.inf
        fall = jnp.abs(value - lane["loss"])
        fall = jnp.where(fall == 0, 0, fall / jnp.maximum(jnp.abs(value), jnp.abs(lane["loss"])))
        measures = {
            "gtol": jnp.where(report.saddle, jnp.inf, norm),
            "ftol": jnp.where(moved, fall, jnp.inf),
            "xtol": jnp.where(report.stuck, 0, lane["change"]),
        }
        held = [met(condition, measures) for condition in alternatives(settings["until"])]
        lost = ~(jnp.isfinite(value) & jnp.isfinite(norm))
        choices = [
            (lost, self._code(NOT_FINITE)),
            *((holds, 1 + i) for i, holds in enumerate(held)),
            (report.stuck, self._code(STUCK)),
            (lane["steps"] >= settings["max_steps"], self._code(MAX_STEPS)),
        ]
        reason = jnp.int32(RUNNING)
        for holds, code in reversed(choices):
            reason = jnp.where(holds, jnp.int32(code), reason)
        return reason


def _build(lane: _Lane, width: int) -> Program:
    def many(tree: Any, n: int) -> Any:
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((n, *leaf.shape), leaf.dtype), tree)

    load, advance = (jax.vmap(f, (None, 0)) for f in (lane.load, lane.advance))
    kept = jax.eval_shape(result, lane.shape)
    rows = int(np.clip(CHUNK_BYTES // (width * size(kept)), 1, MOST_BLOCKS))
    places = width * int(np.clip(CHUNK_BYTES // (width * size(lane.item)), 1, MOST_PLACES))

    def last(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), tree)

    def first(tree: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), tree)

    def steps(settings: Any, lanes: Lane) -> Lane:
        """A block of steps, or less where no lane is running any more."""

        def go_on(loop: Any) -> Array:
            return (loop[0] < BLOCK) & jnp.any(loop[1]["code"] == RUNNING)

        def step(loop: Any) -> Any:
            return loop[0] + 1, lanes_minor(advance(settings, lanes_minor(loop[1])))

        return jax.lax.while_loop(go_on, step, (jnp.int32(0), lanes))[1]

    def chunk(carry: Any, results: dict[str, Array], queue: Any, settings: Any, bounds: Any) -> Any:
        waiting, final, blocks = bounds

        def reload(loop: Any) -> Any:
            """Bring out the results of lanes that are done and load the next items."""
            lanes, results, row, taken, block = loop
            done = lanes["code"] > RUNNING
            out = result(lanes) | {"item": jnp.where(done, lanes["item"], -1)}
            into = jax.lax.dynamic_update_index_in_dim
            results = {name: into(results[name], jnp.moveaxis(out[name], 0, -1), row, 0) for name in results}
            free = lanes["code"] != RUNNING
            place = taken + jnp.cumsum(free, dtype=jnp.int32) - 1
            fresh = free & (place < waiting)
            items = jax.tree.map(lambda leaf: leaf[jnp.clip(place, 0, places - 1)], queue)
            lanes = {**lanes, "code": jnp.where(done, VACANT, lanes["code"])}

            def pick(new: Array, old: Array) -> Array:
                return jnp.where(fresh.reshape(width, *[1] * (old.ndim - 1)), new, old)

            lanes = lanes_minor(jax.tree.map(pick, load(settings, items), lanes))
            return lanes, results, row + 1, taken + jnp.sum(fresh, dtype=jnp.int32), block

        def go_on(loop: Any) -> Array:
            lanes, _, row, taken, block = loop
            work = jnp.any(lanes["code"] != VACANT) | (taken < waiting)
            return work & (row < rows) & (block < blocks) & ((taken < waiting) | final)

        def body(loop: Any) -> Any:
            codes, taken = loop[0]["code"], loop[3]
            due = jnp.any(codes > RUNNING) | (jnp.any(codes == VACANT) & (taken < waiting))
            lanes, results, row, taken, block = jax.lax.cond(due, reload, lambda loop: loop, loop)
            return steps(settings, lanes), results, row, taken, block + 1

        none = jnp.int32(0)
        lanes, results, *ends = jax.lax.while_loop(go_on, body, (first(carry), results, none, none, none))
        return last(lanes), results, *ends

    carry = jax.eval_shape(last, many(lane.shape, width))
    results = {name: jax.ShapeDtypeStruct((rows, *leaf.shape, width), leaf.dtype) for name, leaf in kept.items()}
    count, flag = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((), bool)
    go = jax.jit(chunk, donate_argnums=(0, 1), keep_unused=True)
    with rows_minor(lane.stepper.transforms):
        made = compiled(go, carry, results, many(lane.item, places), lane.settings, (count, flag, count))
    return Program(made, width, places, carry, results, lane.first, lane.each, calls_lapack(made), [])
