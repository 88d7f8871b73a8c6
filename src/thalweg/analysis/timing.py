"""What a step costs in seconds, on this machine."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import Any

import jax
import numpy as np
import xarray as xr

from thalweg.chain.problem import Problem
from thalweg.engine.shards import bar
from thalweg.methods.sweeps import variants
from thalweg.numerics.reading import positive, whole
from thalweg.verbs.arguments import task
from thalweg.verbs.run import follow
from thalweg.verbs.trace import variant_coordinates

SHORT = 2  # steps; a run of one records every step, which is another program
LONG, MOST = 0.25, 1 << 24  # seconds and steps of a run that is timed


def step_seconds(
    problem: Problem,
    methods: Any,
    starts: Any = None,
    *,
    steps: int | None = None,
    repeats: int = 5,
    max_seconds: float = 60.0,
    dtype: Any = None,
    progress: bool | None = None,
) -> xr.DataArray:
    """The seconds that one step of all starts takes, for each variant alone.

    For each variant, in turn and ``repeats`` times over, a run of 2 steps and one of 2 + ``steps`` steps are timed,
    neither of which records more than its ends. What else the machine does can only lengthen a run, so that the
    shortest of each counts: their difference, divided by ``steps``, is free of compiling, starting and recording (of
    more than 500 steps each 500 look at one row), and of load that left one run of each alone.

    This is a measurement: it differs by some 10 % from one call to the next, by more where others use the machine all
    the time, and between machines. Where the noise exceeds ``steps`` steps it comes out anyhow, zero or negative too.
    It is of the first steps from the starts, with all cores that ``run`` would use for this variant alone; a ``run`` of
    several shares these. What a method does before its first step is left out: of ``from_scipy`` that is everything.

    Args:
        problem: as in ``run``.
        methods: as in ``run``.
        starts: as in ``run``.
        dtype: as in ``run``.
        steps: how many, 1 or more; without it, for each variant as many as last a quarter of a second, since timers and
            start-up waver by about a millisecond, or fewer once half of ``max_seconds`` are over.
        repeats: how often, 1 or more.
        max_seconds: when these are over, every variant is measured once at least, and none once more; > 0.
        progress: as in ``run``.
    Returns:
        dim ``variant``, in seconds.
    Raises:
        ValueError: as ``run`` does, and unless max_seconds is positive. Ctrl-C raises KeyboardInterrupt.
    Cost:
        A second or two for each variant, or repeats (steps + 4) steps of it, in all ``max_seconds`` or the time that
        compiling and one measurement of each take, if that is more.
    """
    steps, repeats = None if steps is None else whole(steps, "steps", 1), whole(repeats, "repeats", 1)
    positive(max_seconds, "max_seconds")
    given, began = task("step_seconds", problem, methods, starts, dtype=dtype, half=True), perf_counter()
    named = given.methods
    alone = [{name: _variant(method, i)} for name, method in named.items() for i in range(variants(method))]

    def over(share: float) -> bool:
        return perf_counter() - began > share * max_seconds

    def seconds(one: dict[str, Any], steps: int) -> float:
        attributes = follow(given._replace(methods=one), steps, steps, 1, progress=False).attrs
        if "interrupted" in attributes:
            raise KeyboardInterrupt
        return attributes["run_seconds"]

    def enough(one: dict[str, Any]) -> int:
        """Steps that last long enough, found by taking ever more."""
        count = steps or 1
        seconds(one, SHORT)  # compiles, once for all variants of a method
        while steps is None and count < MOST and not over(0.5) and seconds(one, SHORT + count) < LONG:
            count *= 4
        return count

    with _told(progress, (1 + repeats) * len(alone)) as done:
        counts, measured = list[int](), [list[tuple[float, float]]() for _ in alone]
        for one in alone:
            counts.append(enough(one))
            done()
        for times, one, n in repeats * list(zip(measured, alone, counts, strict=True)):
            if not times or not over(1):
                times.append((seconds(one, SHORT + n), seconds(one, SHORT)))
            done()
    least = np.array([np.min(times, axis=0) for times in measured])
    known = variant_coordinates(named)
    found = (least[:, 0] - least[:, 1]) / counts
    return xr.DataArray(found, known, ["variant"], "time", {"units": "s"})


@contextmanager
def _told(progress: bool | None, total: int) -> Iterator[Callable[[], None]]:
    """What counts what is done; from a second on, where a person is looking, with a progress bar."""
    show, began, done = sys.stderr.isatty() if progress is None else progress, perf_counter(), 0
    with ExitStack() as stack:
        tell: Callable[[int], None] | None = None

        def more() -> None:
            nonlocal done, tell
            done += 1
            if tell is None and show and perf_counter() - began > 1:
                tell = stack.enter_context(bar(done, total, "measurements"))
            if tell is not None:
                tell(done)

        yield more


def _variant(method: Any, i: int) -> Any:
    """One variant of a sweep."""
    return jax.tree.map(lambda leaf: leaf[i] if np.ndim(leaf) else leaf, method)
