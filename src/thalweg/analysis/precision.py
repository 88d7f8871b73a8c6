"""The same run in several precisions, and when their paths part."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from thalweg.chain.problem import Problem
from thalweg.verbs.arguments import task
from thalweg.verbs.run import run

PARTED = 0.01  # of the reach of the reference path


def precision(
    problem: Problem,
    methods: Any,
    starts: Any = None,
    steps: int = 100,
    dtypes: Sequence[Any] = ("bfloat16", "float16", "float32", "float64"),
    **settings: Any,
) -> xr.Dataset:
    """The same run in several precisions, and when their paths part.

    Args:
        problem: the problem to run.
        methods: as in ``run``.
        starts: as in ``run``, points in [x].
        steps: how many.
        dtypes: two precisions or more, the last of which is the reference.
        settings: all else that ``run`` takes.
    Returns:
        What ``run`` gives in each of ``dtypes``, side by side along a dim ``dtype``, in the longest of the precisions;
        besides

        - ``departure`` (dtype, variant, start, step): the distance |x - x_ref| in [x] to the path in the last
          precision;
        - ``parted`` (dtype, variant, start): the first recorded step at which it exceeds a hundredth of how far the
          reference path ever is from its start, or is not finite where the reference is; -1 where it never is.
    Raises:
        ValueError: as ``run`` does, and for fewer than two precisions.
    Cost:
        One run for each precision.
    """
    if isinstance(dtypes, str) or len(dtypes) < 2:
        raise ValueError(f"dtypes is {dtypes!r}, but precisions are compared; give at least two, the reference last.")
    task("precision", problem, methods, starts, dtype=dtypes[0], half=True)  # what it refuses, it refuses by this name
    traces = [run(problem, methods, starts, steps, dtype=dtype, **settings) for dtype in dtypes]
    names = [trace.attrs["dtype"] for trace in traces]
    seconds = {key: [trace.attrs[key] for trace in traces] for key in ("compile_seconds", "run_seconds")}
    together = xr.concat(traces, xr.IndexVariable("dtype", names), combine_attrs="drop_conflicts", join="override")
    x = together["x"].transpose("dtype", "variant", "start", "step", "x_dim").values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        departure = np.linalg.norm(x - x[-1], axis=-1)
        departure[np.isfinite(x).all(-1) != np.isfinite(x[-1]).all(-1)] = np.inf
        reach = np.nanmax(np.linalg.norm(x[-1] - x[-1][..., :1, :], axis=-1), axis=-1, initial=0)
        apart = departure > PARTED * reach[..., None]
    first = np.where(apart.any(-1), together["step"].values[apart.argmax(-1)], -1)
    together["departure"] = ("dtype", "variant", "start", "step"), departure
    together["parted"] = ("dtype", "variant", "start"), first
    return together.assign_attrs(seconds)
