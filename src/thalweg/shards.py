"""Tiles of lanes on a thread per core: compiled code runs outside Python's lock."""

import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, partial
from threading import Event
from typing import Any

import jax
import numpy as np

from thalweg.lanes import CORES, Program, Tile


def build(makers: Sequence[Callable[[], Program]], x64: bool) -> list[Program]:
    """Every compilation on a thread of its own; ``enable_x64`` holds for one thread, so each sets it."""

    def one(make: Callable[[], Program]) -> Program:
        with jax.enable_x64(x64):
            return make()

    if len(makers) == 1:  # most often from the cache, where another thread would take longer
        return [one(makers[0])]
    return list(_threads().map(one, makers))


def advance(tiles: Sequence[Tile], schedule: np.ndarray, x64: bool, progress: bool | None) -> int:
    """Bring all tiles through the steps of ``schedule``, a chunk at a time in turn; returns how many rows all have
    reached.

    A tile with work left waits in the queue for the next free thread, so all stay near the same row. Each thread starts
    a chunk before it brings home the one it started before, so that no core waits. KeyboardInterrupt lets the chunks
    under way end and returns what is done.
    """
    stop, queue = Event(), deque(tiles)

    def start() -> Callable[[], None] | None:
        """Start the next chunk; returns what brings its records home."""
        try:
            tile = queue.popleft()
        except IndexError:
            return None
        bring_home = partial(tile.keep, *tile.advance(schedule))
        if tile.rows < len(schedule):
            queue.append(tile)
        return bring_home

    def work() -> None:
        with jax.enable_x64(x64):
            bring_home = start()
            while bring_home:
                following = None if stop.is_set() else start()
                bring_home()
                bring_home = following

    crew = [_threads().submit(work) for _ in range(min(CORES, len(tiles)))]
    try:
        _watch(crew, tiles, schedule, progress)
    except KeyboardInterrupt:
        stop.set()
    for worker in crew:
        worker.result()
    return min(tile.rows for tile in tiles)


@cache
def _threads() -> ThreadPoolExecutor:
    """The crew of all runs: to start threads anew would take a millisecond of each."""
    return ThreadPoolExecutor(CORES, thread_name_prefix="thalweg")


def _watch(crew: Sequence[Any], tiles: Sequence[Tile], schedule: np.ndarray, progress: bool | None) -> None:
    """Wait for the crew; after a second, where a person is looking, with a progress bar."""
    show = sys.stderr.isatty() if progress is None else progress
    if wait(crew, timeout=1.0 if show else None).not_done:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TimeRemainingColumn

        columns = ("run", BarColumn(), "{task.completed}/{task.total} steps", TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True, force_terminal=True), transient=True) as bar:
            task = bar.add_task("run", total=int(schedule[-1]))
            while wait(crew, timeout=0.1).not_done:
                bar.update(task, completed=min(tile.step for tile in tiles))
