"""What a step costs in seconds, on this machine."""

from typing import Any

import jax
import numpy as np
import xarray as xr

from thalweg.chain.problem import Problem
from thalweg.methods.sweeps import variants
from thalweg.numerics.reading import whole
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
    dtype: Any = None,
) -> xr.DataArray:
    """The seconds that one step of all starts takes, for each variant alone.

    For each variant, in turn and ``repeats`` times over, a run of 2 steps and one of 2 + ``steps`` steps are timed,
    neither of which records more than its ends: the difference, divided by ``steps``, is free of compiling, starting
    and recording (of more than 500 steps each 500 look at one row).

    This is a measurement: it differs by some 10 % from one call to the next, by a factor of 2 or 3 where others use the
    machine, and between machines. Where the noise exceeds ``steps`` steps it comes out anyhow, zero or negative too. It
    is of the first steps from the starts, with all cores that ``run`` would use for this variant alone; a ``run`` of
    several shares these. What a method does before its first step is left out: of ``from_scipy`` that is everything.

    Args:
        problem: as in ``run``.
        methods: as in ``run``.
        starts: as in ``run``.
        dtype: as in ``run``.
        steps: how many, 1 or more; without it, for each variant as many as last a quarter of a second, since timers and
            start-up waver by about a millisecond.
        repeats: how often, 1 or more.
    Returns:
        The median over the repeats, dim ``variant``, in seconds.
    Raises:
        ValueError: as ``run`` does. Ctrl-C raises KeyboardInterrupt.
    Cost:
        A second or two for each variant, or repeats (steps + 4) steps of it.
    """
    steps, repeats = None if steps is None else whole(steps, "steps", 1), whole(repeats, "repeats", 1)
    given = task("step_seconds", problem, methods, starts, dtype=dtype, half=True)
    named = given.methods
    alone = [{name: _variant(method, i)} for name, method in named.items() for i in range(variants(method))]

    def seconds(one: dict[str, Any], steps: int) -> float:
        attributes = follow(given._replace(methods=one), steps, steps, 1, progress=False).attrs
        if "interrupted" in attributes:
            raise KeyboardInterrupt
        return attributes["run_seconds"]

    def enough(one: dict[str, Any]) -> int:
        """Steps that last long enough, found by taking ever more."""
        count = steps or 16
        seconds(one, SHORT)  # compiles, once for all variants of a method
        while steps is None and count < MOST and seconds(one, SHORT + count) < LONG:
            count *= 4
        return count

    counts = [enough(one) for one in alone]
    measured = [
        [(seconds(one, SHORT + n) - seconds(one, SHORT)) / n for one, n in zip(alone, counts, strict=True)]
        for _ in range(repeats)
    ]
    known = variant_coordinates(named)
    return xr.DataArray(np.median(measured, axis=0), known, ["variant"], "time", {"units": "s"})


def _variant(method: Any, i: int) -> Any:
    """One variant of a sweep."""
    return jax.tree.map(lambda leaf: leaf[i] if np.ndim(leaf) else leaf, method)
