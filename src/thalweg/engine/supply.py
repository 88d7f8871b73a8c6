"""What ``solve`` has to do and has done: items handed out to tiles of lanes, results brought home."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from thalweg.engine.evaluations import UNKNOWN
from thalweg.engine.lanes import CORES, in_turn, on_host
from thalweg.engine.recycling import CHUNK_BYTES, MOST_BLOCKS, RUNNING, VACANT, Program, result, size
from thalweg.methods.method import Method
from thalweg.methods.sweeps import hyperparameters, variants

CHUNK_SECONDS = 0.1  # so that Ctrl-C, a budget and the progress bar need not wait long
TAKE_SECONDS = 0.0025  # of work that a tile takes at least, where every chunk costs a millisecond or two


@final
class Supply:
    """The items of one method, each a (variant, case, start), starts running fastest, and their results.

    ``settings`` go to the program of every tile; numbers of the method that are not swept are added here.
    """

    def __init__(self, method: Method, points: np.ndarray, cases: Any, settings: Mapping[str, Any]) -> None:
        self.points, self.cases = points, cases
        numbers = [np.asarray(leaf, points.dtype) for leaf in hyperparameters(method).values()]
        self.swept = [leaf.ndim > 0 for leaf in numbers]
        self.hyper = [leaf for leaf in numbers if leaf.ndim]
        self.settings = {**settings, "hyper": [leaf for leaf in numbers if not leaf.ndim]}
        data = jax.tree.leaves(cases)
        self.sizes = variants(method), len(data[0]) if data else 1, len(points)
        self.total, self.given, self.done = int(np.prod(self.sizes)), 0, 0
        number, point = ((), points.dtype), (points.shape[1:], points.dtype)
        columns = {"x": point, "loss": number, "gradient_norm": number, "last_x": point, "last_loss": number}
        columns |= {"steps": ((), np.int32), "code": ((), np.int32)}
        self.results = {name: np.empty((self.total, *shape), kind) for name, (shape, kind) in columns.items()}
        self.results["code"][:] = VACANT
        self._lock = Lock()

    def first_case(self) -> Any:
        return jax.tree.map(lambda leaf: leaf[0], self.cases)

    def take(self, worth: int, most: int) -> np.ndarray:
        """The next items that nobody has taken, at most so many: a fair share of the rest, or half of one where that
        is more than a few times what is ``worth`` a chunk, so that all threads end at about the same time."""
        with self._lock:
            first, rest = self.given, self.total - self.given
            fair = -(-rest // CORES)
            self.given += min(max(-(-fair // 2), min(4 * worth, fair), worth), rest, most)
            return np.arange(first, self.given, dtype=np.int32)

    def load(self, items: np.ndarray, places: int) -> dict[str, Any]:
        """What lanes need to begin these items, in the first of so many places."""
        variant, case, start = np.unravel_index(items, self.sizes)

        def taken(values: np.ndarray, index: np.ndarray) -> np.ndarray:
            queue = np.zeros((places, *values.shape[1:]), values.dtype)
            np.take(values, index, axis=0, out=queue[: len(items)], mode="clip")
            return queue

        return {
            "item": np.append(items, np.zeros(places - len(items), np.int32)),
            "x": taken(self.points, start),
            "hyper": [taken(leaf, variant) for leaf in self.hyper],
            "case": jax.tree.map(lambda leaf: taken(leaf, case), self.cases),
        }

    def keep(self, found: Mapping[str, np.ndarray]) -> None:
        """Results of items that are done; their items are ``found["item"]``."""
        for name, values in self.results.items():
            values[found["item"]] = found[name]
        with self._lock:
            self.done += len(found["item"])

    def finish(self, program: Program, reason: int) -> dict[str, np.ndarray]:
        """All results. Items that never began stand at their start, with ``reason`` for it."""
        never = np.flatnonzero(self.results["code"] == VACANT)
        start = self.points[never % len(self.points)]
        blank = {"x": start, "last_x": start, "steps": 0, "code": reason}
        for name, values in self.results.items():
            values[never] = blank.get(name, np.nan)
        counts = program.first + program.each * self.results["steps"][:, None].astype(np.int64)
        counts = np.where(program.each == UNKNOWN, UNKNOWN, counts)
        counts[never] = 0
        return {**self.results, "evaluations": counts}


@final
@dataclass
class Lanes:
    """Lanes of a program between two chunks, the buffers of their results, and how fast they were."""

    carry: dict[str, Any]
    results: dict[str, Any]
    block_seconds: float = np.inf
    items_per_second: float = 0.0

    @classmethod
    def vacant(cls, program: Program) -> "Lanes":
        shapes = program.carry, program.results
        carry, results = jax.tree.map(_zeros, shapes)
        return cls({**carry, "code": carry["code"] + VACANT}, results)


def _zeros(leaf: jax.ShapeDtypeStruct) -> Any:
    """Zeros of NumPy, or random keys, which only JAX has."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.vmap(jax.random.key)(np.zeros(leaf.size, np.uint32)).reshape(leaf.shape)
    return np.zeros(leaf.shape, leaf.dtype)


@final
class Tile:
    """Lanes that work off a supply."""

    def __init__(self, program: Program, supply: Supply, deadline: float) -> None:
        self.program, self.supply, self.deadline = program, supply, deadline
        self.queue, self.more = np.empty(0, np.int32), True
        try:
            self.lanes: Lanes = program.idle.pop()
        except IndexError:
            self.lanes = Lanes.vacant(program)

    def start(self) -> Callable[[], None]:
        """Start a chunk of steps; returns what waits for it and brings results home."""
        self.more, lanes, places = False, self.lanes, self.program.places
        room = places - len(self.queue)
        worth = max(self.program.width, int(lanes.items_per_second * TAKE_SECONDS))
        self.queue = np.append(self.queue, self.supply.take(worth, room))
        final = self.supply.given == self.supply.total
        blocks = np.clip(CHUNK_SECONDS / lanes.block_seconds, 1, MOST_BLOCKS)
        bounds = np.int32(len(self.queue)), np.bool_(final), np.int32(blocks)
        arguments = lanes.carry, lanes.results, self.supply.load(self.queue, places), self.supply.settings
        began = time.perf_counter()
        chunk = in_turn(self.program.lapack, self.program.chunk, *arguments, bounds)
        return partial(self._keep, began, *chunk)

    def _keep(self, began: float, carry: Any, results: Any, rows: Any, taken: Any, blocks: Any) -> None:
        jax.block_until_ready(results)  # outside Python's lock
        now = time.perf_counter()
        rows, taken, blocks = int(rows), int(taken), int(blocks)
        seconds = max(now - began, 1e-6)
        fastest = max(taken / seconds, self.lanes.items_per_second)
        self.lanes = Lanes(carry, results, seconds / max(blocks, 1), fastest)
        self.queue = self.queue[taken:]
        found = {name: on_host(values)[:rows] for name, values in results.items()}
        row, lane = np.nonzero(found["item"] >= 0)
        self.supply.keep({name: values[row, ..., lane] for name, values in found.items()})
        busy = np.any(on_host(carry["code"]) != VACANT)
        left = busy or len(self.queue) or self.supply.given < self.supply.total
        self.more = bool(left) and now < self.deadline

    def abandon(self, code: int) -> None:
        """Keep what unfinished lanes have reached, with ``code`` for the reason."""
        carry = self.lanes.carry
        busy = np.flatnonzero(on_host(carry["code"]) != VACANT)
        if len(busy):
            names = carry.keys() - {"state", "hyper", "case"}
            found = result({name: np.moveaxis(on_host(carry[name]), -1, 0)[busy] for name in names})
            self.supply.keep({**found, "code": np.where(found["code"] == RUNNING, code, found["code"])})
        elif size((self.program.carry, self.program.results)) <= 2 * CHUNK_BYTES:
            self.program.idle.append(self.lanes)
