"""What ``solve`` has to do and has done: items handed out to tiles of lanes, results brought home."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Lock
from typing import Any, final

import jax
import numpy as np

from thalweg.evaluations import UNKNOWN
from thalweg.lanes import CORES, in_turn, on_host
from thalweg.methods.method import Method
from thalweg.recycling import MOST_BLOCKS, RUNNING, VACANT, Program, result
from thalweg.sweeps import hyperparameters, variants

CHUNK_SECONDS = 0.1  # so that Ctrl-C, a budget and the progress bar need not wait long
TAKE_SECONDS = 0.01  # of work that a tile takes at least, where every chunk costs a millisecond or two


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

    def take(self, least: int, most: int) -> np.ndarray:
        """The next items that nobody has taken: half of what would be a fair share of the rest, within these bounds,
        so that all threads end at about the same time."""
        with self._lock:
            share = -(-(self.total - self.given) // (2 * CORES))
            first, self.given = self.given, min(self.given + min(max(share, least), most), self.total)
            return np.arange(first, self.given, dtype=np.int32)

    def load(self, items: np.ndarray) -> dict[str, Any]:
        """What lanes need to begin these items."""
        variant, case, start = np.unravel_index(items, self.sizes)
        return {
            "item": items,
            "x": self.points[start],
            "hyper": [leaf[variant] for leaf in self.hyper],
            "case": jax.tree.map(lambda leaf: leaf[case], self.cases),
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
class Tile:
    """Lanes that work off a supply."""

    def __init__(self, program: Program, supply: Supply, deadline: float) -> None:
        self.program, self.supply, self.deadline = program, supply, deadline
        self.queue = np.empty(0, np.int32)
        self.blocks, self.least, self.more, self.carry = 1, program.width, True, None

    def start(self) -> Callable[[], None]:
        """Start a chunk of steps; returns what waits for it and brings results home."""
        if self.carry is None:
            self.carry, self.results = jax.tree.map(
                lambda leaf: np.zeros(leaf.shape, leaf.dtype), (self.program.carry, self.program.results)
            )
            self.carry["code"] += VACANT
        self.more = False
        room = self.program.places - len(self.queue)
        self.queue = np.append(self.queue, self.supply.take(min(self.least, room), room))
        items = (
            np.resize(self.queue, self.program.places) if len(self.queue) else np.zeros(self.program.places, np.int32)
        )
        final = self.supply.given == self.supply.total
        bounds = np.int32(len(self.queue)), np.bool_(final), np.int32(self.blocks)
        arguments = self.carry, self.results, self.supply.load(items), self.supply.settings
        began = time.perf_counter()
        chunk = in_turn(self.program.lapack, self.program.chunk, *arguments, bounds)
        return partial(self._keep, began, *chunk)

    def _keep(self, began: float, carry: Any, results: Any, rows: Any, taken: Any, blocks: Any) -> None:
        jax.block_until_ready(results)  # outside Python's lock
        now = time.perf_counter()
        self.carry, self.results = carry, results
        self.queue = self.queue[int(taken) :]
        found = {name: on_host(values)[: int(rows)] for name, values in results.items()}
        row, lane = np.nonzero(found["item"] >= 0)
        self.supply.keep({name: values[row, ..., lane] for name, values in found.items()})
        seconds = max(now - began, 1e-6)
        self.blocks = int(np.clip(int(blocks) * CHUNK_SECONDS / seconds, 1, MOST_BLOCKS))
        self.least = max(self.program.width, int(int(taken) * TAKE_SECONDS / seconds))
        left = len(self.queue) or self.supply.given < self.supply.total or np.any(on_host(carry["code"]) != VACANT)
        self.more = bool(left) and now < self.deadline

    def abandon(self, code: int) -> None:
        """Keep what unfinished lanes have reached, with ``code`` for the reason."""
        if self.carry is not None:
            names = {name for name in self.carry if name not in ("state", "hyper", "case")}
            lanes = {name: np.moveaxis(on_host(self.carry[name]), -1, 0) for name in names}
            busy = np.flatnonzero(lanes["code"] != VACANT)
            found = {name: values[busy] for name, values in result(lanes).items()}
            self.supply.keep({**found, "code": np.where(found["code"] == RUNNING, code, found["code"])})
