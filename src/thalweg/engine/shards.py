"""Tiles of lanes on a thread per core: compiled code runs outside Python's lock."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache, partial
from threading import Event
from typing import Any, Protocol, TypeVar

import jax

from thalweg.engine.failures import DEFAULT
from thalweg.engine.hardware import CORES

TELL = 0.1  # seconds between two looks at what is done
Made = TypeVar("Made")
# Whether to show a bar, None where a person is looking; or a function of (done, total) that gives False to stop.
Progress = bool | None | Callable[[int, int], Any]


def build(makers: Sequence[Callable[[], Made]], x64: bool) -> list[Made]:
    """Every compilation on a thread of its own."""
    settings = _settings(x64)

    def one(make: Callable[[], Made]) -> Made:
        with settings():
            return make()

    if len(makers) == 1:  # most often from the cache, where another thread would take longer
        return [one(makers[0])]
    return list(_threads().map(one, makers))


def _settings(x64: bool) -> Callable[[], AbstractContextManager[Any]]:
    """What JAX holds for the thread of the caller alone, for others: the precision, and what ``with`` has set."""
    config: Any = jax.config
    nans, infs, products = config.jax_debug_nans, config.jax_debug_infs, config.jax_default_matmul_precision
    device = config.jax_default_device

    @contextmanager
    def settings() -> Iterator[None]:
        with (
            jax.enable_x64(x64),
            jax.debug_nans(nans),
            jax.debug_infs(infs),
            jax.default_matmul_precision(products),
            jax.default_device(device),
        ):
            yield

    return settings


class Tile(Protocol):
    """Some lanes on their way. ``more`` tells whether another chunk of steps can be started now."""

    more: bool

    def start(self) -> Callable[[], None]:
        """Start a chunk; returns what waits for it and brings its results home."""
        ...

    def fail(self, error: Exception) -> None:
        """Go on after an exception in a chunk, or raise it in words."""
        ...


def advance(
    tiles: Sequence[Tile],
    threads: int,
    x64: bool,
    progress: Progress,
    state: Callable[[], tuple[int, int, str]],
    host: bool = False,
) -> bool:
    """Bring all tiles to their end, a chunk at a time in turn; False where Ctrl-C came first.

    A tile with work left waits in the queue for the next free thread, so all stay near the same step. Each thread
    starts a chunk before it brings home the one it started before, so that no core waits. KeyboardInterrupt lets the
    chunks under way end. ``state`` gives what is done, of how much, and of what, for the progress bar; ``host`` tells
    whether a program calls Python.
    """
    stop, queue = Event(), deque(tiles)

    def start() -> Callable[[], None] | None:
        """Start the next chunk; returns what brings its results home."""
        try:
            tile = queue.popleft()
        except IndexError:
            return None
        try:
            bring_home = tile.start()
        except Exception as error:
            tile.fail(error)
            if tile.more:
                queue.append(tile)
            return lambda: None
        if tile.more:
            queue.append(tile)
            return partial(home, tile, bring_home)
        return partial(finish, tile, bring_home)

    def home(tile: Tile, bring_home: Callable[[], None]) -> None:
        try:
            bring_home()
        except Exception as error:
            tile.fail(error)

    def finish(tile: Tile, bring_home: Callable[[], None]) -> None:
        home(tile, bring_home)
        if tile.more:
            queue.append(tile)

    settings = _settings(x64)

    def work() -> None:
        with settings():
            under_way = start()
            while under_way:
                following = None if stop.is_set() else start()
                under_way()
                under_way = following or (None if stop.is_set() else start())

    with DEFAULT.held(x64) if host else nullcontext():
        return _finished(work, min(threads, len(tiles)), stop, progress, state)


def _finished(
    work: Callable[[], None],
    threads: int,
    stop: Event,
    progress: Progress,
    state: Callable[[], tuple[int, int, str]],
) -> bool:
    crew = [_threads().submit(work) for _ in range(threads)]
    try:
        _watch(crew, progress, state)
    except KeyboardInterrupt:
        stop.set()
    except BaseException:  # of the function that is told
        stop.set()
        wait(crew)
        raise
    for worker in crew:
        worker.result()
    return not stop.is_set()


@cache
def _threads() -> ThreadPoolExecutor:
    """The crew of all runs: to start threads anew would take a millisecond of each."""
    return ThreadPoolExecutor(CORES, thread_name_prefix="thalweg")


def _watch(crew: Sequence[Any], progress: Progress, state: Callable[[], tuple[int, int, str]]) -> None:
    """Wait for the crew, and tell ``progress``; after a second, where a person is looking, with a progress bar."""
    if callable(progress):
        while wait(crew, timeout=TELL).not_done:
            done, total, _ = state()
            if progress(done, total) is False:
                raise KeyboardInterrupt
        return
    show = sys.stderr.isatty() if progress is None else progress
    if wait(crew, timeout=1.0 if show else None).not_done:
        with bar(*state()) as tell:
            while wait(crew, timeout=TELL).not_done:
                tell(state()[0])


@contextmanager
def bar(done: int, total: int, what: str) -> Iterator[Callable[[int], None]]:
    """A progress bar, and what tells it how much is done; it is drawn anew when it is told, and not meanwhile."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), f"{{task.completed}}/{{task.total}} {what}", TimeRemainingColumn())
    console = Console(stderr=True, force_terminal=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as drawn:
        task = drawn.add_task("", total=total, completed=done)
        yield lambda done: drawn.update(task, completed=done, refresh=True)
