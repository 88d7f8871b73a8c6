"""The work of a method: its items, the queue from which lanes of ``solve`` take them, and what came of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Lock
from typing import Any, final
from weakref import ref

import jax
import jax.numpy as jnp
import numpy as np

from thalweg.engine.endings import Ending
from thalweg.engine.evaluations import UNKNOWN
from thalweg.engine.failures import told
from thalweg.engine.hardware import Hardware
from thalweg.engine.lanes import Item, Lane, Settings, parts_on_host, sent
from thalweg.engine.loops import Out
from thalweg.engine.memory import Pool
from thalweg.engine.program import Program, size
from thalweg.engine.recycling import result
from thalweg.methods.method import Method
from thalweg.methods.sweeps import hyperparameters
from thalweg.numerics.precision import at_least_single

# Vacant lanes of ``solve`` between two calls, of the programs that were used last: to learn their pace anew would cost
# milliseconds.
IDLE = Pool(32)


@final
class Items:
    """The items of one method, each a (variant, case, start), starts running fastest; ``settings`` are of all. The
    points have one more axis, of cases, where each has its own."""

    def __init__(self, name: str, method: Method, points: np.ndarray, cases: Any, key: int, rules: Any = ()) -> None:
        self.name, self.points, self.cases = name, points, cases
        numbers = [np.asarray(leaf, at_least_single(points.dtype)) for leaf in hyperparameters(method).values()]
        self.swept = tuple(leaf.ndim > 0 for leaf in numbers)
        self.hyper = [leaf for leaf in numbers if leaf.ndim]
        self.settings = Settings([leaf for leaf in numbers if not leaf.ndim], np.uint32(key % 2**32), rules)
        data, many = jax.tree.leaves(cases), max([leaf.size for leaf in numbers], default=1)
        self.sizes = many, len(data[0]) if data else 1, points.shape[-2]
        self.total = int(np.prod(self.sizes))

    @property
    def starts(self) -> np.ndarray:
        """The points one below the other; that of an item has its number, modulo their count."""
        return self.points.reshape(-1, self.points.shape[-1])

    def first_case(self) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], self.cases)

    def load(self, which: Sequence[np.ndarray], places: int) -> Item:
        """What lanes need to begin these items of each device, in the first of its so many places; in the others, which
        hold nothing that nobody gave, is the last of them, or the first of all."""
        filled = [np.append(own, np.full(places - len(own), own[-1] if len(own) else 0)) for own in which]
        numbers = np.concatenate(filled).astype(np.int32)
        variant, case, _ = np.unravel_index(numbers, self.sizes)
        own = [leaf[variant] for leaf in self.hyper]
        data = jax.tree.map(lambda leaf: leaf[case], self.cases)
        return Item(numbers, self.starts[numbers % len(self.starts)], own, data)


@final
class Supply:
    """What ``solve`` has to do and has done, for one method."""

    def __init__(self, items: Items, hardware: Hardware) -> None:
        self.items, self.threads, self.given, self.done = items, hardware.threads, 0, 0
        points, total = items.points, items.total
        number, point, whole = ((), points.dtype), (points.shape[-1:], points.dtype), ((), np.int32)
        columns = {"x": point, "loss": number, "gradient_norm": number, "last_x": point, "last_loss": number}
        columns |= {"steps": whole, "code": whole}
        self.results = {name: np.empty((total, *shape), kind) for name, (shape, kind) in columns.items()}
        self.results["code"][:] = Ending.VACANT
        self.raised: list[Exception] = []  # by functions on the way of a start, in words
        self._lock = Lock()

    def take(self, worth: int, most: int) -> np.ndarray:
        """The next items that nobody has taken, at most so many: a fair share of the rest, or half of one where that
        is more than a few times what is ``worth`` a chunk, so that all threads end at about the same time."""
        with self._lock:
            first, rest = self.given, self.items.total - self.given
            fair = -(-rest // self.threads)
            self.given += min(max(-(-fair // 2), min(4 * worth, fair), worth), rest, most)
            return np.arange(first, self.given, dtype=np.int32)

    @property
    def empty(self) -> bool:
        return self.given == self.items.total

    def keep(self, found: Mapping[str, np.ndarray]) -> None:
        """Results of items that are done; their items are ``found["item"]``."""
        for name, values in self.results.items():
            values[found["item"]] = found[name]
        with self._lock:
            self.done += len(found["item"])

    def lose(self, item: int, error: Exception) -> None:
        """An item whose way is lost, since a function raised an exception."""
        with self._lock:
            self.results["code"][item] = Ending.RAISED
            self.raised.append(error)
            self.done += 1

    def finish(self, program: Program, reason: Ending) -> dict[str, np.ndarray]:
        """All results. Items that never began, or whose way is lost, stand at their start, with ``reason`` for it."""
        of, code = program.of, self.results["code"]
        never = np.flatnonzero((code == Ending.VACANT) | (code == Ending.RAISED))
        start = self.items.starts[never % len(self.items.starts)]
        why = np.where(code[never] == Ending.VACANT, reason, code[never])
        blank = {"x": start, "last_x": start, "steps": 0, "code": why}
        for name, values in self.results.items():
            values[never] = blank.get(name, np.nan)
        counts = of.first + of.each * self.results["steps"][:, None].astype(np.int64)
        counts = np.where(of.each == UNKNOWN, UNKNOWN, counts)
        counts[never] = 0
        return {**self.results, "evaluations": counts}


def vacant(program: Program) -> tuple[Lane, Out, float, float]:
    """Lanes without items, buffers for their results, and that nothing is known of their pace."""

    def zeros(leaf: jax.ShapeDtypeStruct) -> Any:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):  # only JAX has these
            return jax.vmap(jax.random.key)(np.zeros(leaf.size, np.uint32)).reshape(leaf.shape)
        return np.zeros(leaf.shape, leaf.dtype)

    lanes, out = jax.tree.map(zeros, (program.lanes, program.out))
    return lanes._replace(code=lanes.code + np.int32(Ending.VACANT)), out, np.inf, 0.0


def kept_or_vacant(program: Program) -> tuple[Lane, Out, float, float]:
    """The same as an earlier call left it, where one did."""
    return IDLE.take(ref(program)) or vacant(program)


@final
class Tile:
    """Lanes that work off a supply, and how fast they were."""

    def __init__(self, program: Program, supply: Supply, deadline: float) -> None:
        self.program, self.supply, self.deadline = program, supply, deadline
        self.queue, self.more = np.empty(0, np.int32), True
        self.held, self.alone = np.empty(0, np.int32), list[int]()  # items in lanes; those to be tried one by one
        self.tail = 0  # blocks gone through with nothing waiting, where loops are static
        self.lanes, self.out, self.block_seconds, self.items_per_second = kept_or_vacant(program)

    def start(self) -> Callable[[], None]:
        """Start a chunk of steps; returns what waits for it and brings results home."""
        self.more, hardware = False, self.program.hardware
        worth = max(self.program.width, int(self.items_per_second * hardware.take_seconds))
        if not self.alone:
            self.queue = np.append(self.queue, self.supply.take(worth, self.program.places - len(self.queue)))
        elif not len(self.held):
            self.queue = np.array([self.alone.pop()], np.int32)
        tail = self._tail()
        program, final, n = self.program, self.supply.empty or bool(self.alone), self.program.over.size
        parts, settings = np.array_split(self.queue, n), self.supply.items.settings
        queue = self.supply.items.load(parts, program.places // n)
        blocks = int(np.clip(hardware.chunk_seconds / self.block_seconds, 1, hardware.most_blocks))
        began, bounds = time.perf_counter(), ([len(part) for part in parts], final, blocks)
        self.lanes, self.out, *ends = program.recycle(self.lanes, self.out, settings, queue, bounds, tail)
        return partial(self._keep, began, parts, *ends)

    def _tail(self) -> tuple[int, int]:
        """How few lanes of a device may be left before the tile narrows, which it does here if they are as few on each,
        and how many blocks it waits before."""
        wide, patience = self.program, max(0, self.program.hardware.patience - self.tail)
        narrow = wide.hardware.narrower(wide.own)
        if self.alone or not self.supply.empty:
            return 0, patience
        if narrow and not len(self.queue) and not patience and (left := self._left()) <= narrow:
            began = time.perf_counter()
            self.program, few, self.lanes = wide.narrowed(self.lanes, left)
            self.deadline += time.perf_counter() - began  # to compile is not of the budget, here as elsewhere
            self._rest(wide)
            _, self.out, self.block_seconds, self.items_per_second = kept_or_vacant(self.program)
            self.lanes = few
        return self.program.hardware.narrower(self.program.own), patience

    def _left(self) -> int:
        """Lanes that have an item, on the device that has most of them."""
        if self.program.over.size == 1:
            return len(self.held)
        codes = parts_on_host(self.program.hardware, self.lanes.code, self.program.over.size)
        return max(int(np.sum(code != Ending.VACANT)) for code in codes)

    def _keep(self, began: float, parts: list[np.ndarray], *ends: Any) -> None:
        jax.block_until_ready(self.out)  # outside Python's lock
        now = time.perf_counter()
        rows, taken, blocks, *tail = (np.atleast_1d(end) for end in ends)
        self.tail += sum(int(gone.max()) for gone in tail)
        seconds = max(now - began, 1e-6)
        self.block_seconds = seconds / max(blocks.max(), 1)
        self.items_per_second = max(taken.sum() / seconds, self.items_per_second)
        self.queue = np.concatenate([part[own:] for part, own in zip(parts, taken, strict=True)])
        self.held = np.concatenate([self.held, *(part[:own] for part, own in zip(parts, taken, strict=True))])
        if rows.any():
            self._written(rows)
        self.more = (
            bool(len(self.held) or len(self.queue) or self.alone or not self.supply.empty) and now < self.deadline
        )

    def _written(self, rows: np.ndarray) -> None:
        """Bring home what is written of lanes that are done, so many rows of each device."""
        hardware, n = self.program.hardware, self.program.over.size
        home = {name: parts_on_host(hardware, values, n) for name, values in sent(hardware, self.out).items()}
        for device, own in enumerate(rows):
            found = {name: values[device][:own] for name, values in home.items()}
            row, lane = np.nonzero(found["item"] >= 0)
            self.supply.keep({name: values[row, ..., lane] for name, values in found.items()})
        self.held = self.held[self.supply.results["code"][self.held] == Ending.VACANT]

    def fail(self, error: Exception) -> None:
        """The lanes are lost. All items under way begin anew one by one, and one that fails alone is done."""
        of, suspects = self.program.of, np.append(self.held, self.queue).tolist()
        error = told(error, self.supply.items.name, of.problem.name)
        if not isinstance(error, ValueError):
            raise error
        if len(suspects) == 1:
            self.supply.lose(suspects[0], error)
        else:
            self.alone += suspects
        self.queue = self.held = np.empty(0, np.int32)
        self.lanes, self.out, self.block_seconds, self.items_per_second = vacant(self.program)
        self.more = bool(self.alone or not self.supply.empty)

    def abandon(self, reason: Ending) -> None:
        """Keep what unfinished lanes have reached, with ``reason`` for their end; or else the tile, for the next
        call."""
        hardware = self.program.hardware
        if len(self.held):
            kept = {
                name: np.concatenate(parts_on_host(hardware, values, self.program.over.size))
                for name, values in result(self.lanes).items()
            }
            busy = np.flatnonzero(kept["code"] != Ending.VACANT)
            found = {name: values[busy] for name, values in kept.items()}
            self.supply.keep({**found, "code": np.where(found["code"] == Ending.RUNNING, reason, found["code"])})
        else:
            self._rest(self.program)

    def _rest(self, program: Program) -> None:
        """Keep vacant lanes, and their pace, for the next call."""
        if size((program.lanes, program.out)) <= program.hardware.idle_bytes:
            IDLE.keep(ref(program), (self.lanes, self.out, self.block_seconds, self.items_per_second))
