"""One row per variant: who won, and how each ended."""

from collections import Counter
from typing import Any

import jax
import numpy as np
import pandas as pd
import xarray as xr

from thalweg.analysis.alignment import alignment, distance
from thalweg.analysis.outcome import outcome
from thalweg.analysis.selection import judged_paths
from thalweg.analysis.whole import Table
from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once
from thalweg.engine.endings import OUTCOMES, Outcome


def table(trace: xr.Dataset, problem: Problem, target: float | None = None) -> pd.DataFrame:
    """One row for each variant: who won, and how each ended; over several starts each figure is the median.

    Args:
        trace: what ``run`` returned, or a selection of it.
        problem: the problem that was run.
        target: a loss in [L]. By default it is one hundredth of the way from the lowest loss, known or found, to the
            loss at the start, for each start: the step at which 99 % of the possible decrease is won. Where no lower
            loss than at the start is known, only a path that has converged has reached it.
    Returns:
        A DataFrame with a row for each variant, in the order of the trace: ``final_loss`` and ``best_loss`` in [L];
        where minima are known, ``distance`` of the last point in [x] and ``alignment``, the cosine of the first update
        with the direction to the solution; ``outcome``, with the space where a path diverged in brackets, such as
        ``diverged (y)`` (counts over starts where they differ); ``steps``, the first recorded step whose loss is at or
        below the target, infinite where none is.
    Raises:
        ValueError: for a Dataset without x and loss by variant, start and step.
    Cost:
        That of ``outcome``, one value for each known minimum, and a pass over the trace.
    """
    trace = judged_paths(trace, "x", "loss")
    loss = np.asarray(trace["loss"], np.float64)
    finite = np.where(np.isfinite(loss), loss, np.inf)
    fates = outcome(trace, problem)
    if target is None:
        known = np.asarray(_values(problem, problem.minima)).tolist() if len(problem.minima) else []
        lowest = np.minimum(finite.min((0, 2)), min(known, default=np.inf))
        goal = lowest + 0.01 * (finite[0, :, 0] - lowest)
        can_be = (lowest < loss[0, :, 0]) | (fates.values == Outcome.CONVERGED)
    else:
        goal, can_be = np.full(loss.shape[1], float(target)), np.ones(loss.shape[:2], bool)
    reached = np.isfinite(loss) & (loss <= goal[None, :, None]) & can_be[..., None]
    steps = np.where(reached.any(-1), trace["step"].values[reached.argmax(-1)], np.inf)

    columns: dict[str, object] = {
        "final_loss": np.median(loss[..., -1], -1),
        "best_loss": np.median(finite.min(-1), -1),
    }
    if len(problem.minima):
        columns["distance"] = np.median(distance(trace, problem).values[..., -1], -1)
        columns["alignment"] = np.median(alignment(trace, problem).values[..., 0], -1)
    columns["outcome"] = [_counts(row) for row in fates]
    columns["steps"] = np.median(steps, -1)
    return Table(columns, index=pd.Index(trace["variant"].values, name="variant"))


@compiled_once
def _values(problem: Problem, points: Any) -> Any:
    return jax.lax.map(problem.value, points)


def _counts(fates: xr.DataArray) -> str:
    """The one outcome that all starts share, or how many starts had each."""
    pairs = zip(fates.values, fates["space"].values, strict=True)
    counts = Counter(f"{OUTCOMES[code]} ({space})" if space else OUTCOMES[code] for code, space in pairs)
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{n} {name}" for name, n in counts.most_common())
