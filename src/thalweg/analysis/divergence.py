"""Where a path first holds a number that is none."""

import numpy as np
import xarray as xr

from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, coordinates, judged_paths


def divergence(trace: xr.Dataset) -> xr.Dataset:
    """When each path first holds infinity or NaN, and in which space.

    Of rows thinned by ``every`` it knows only what they hold: a step that was not recorded may have lost y before x.
    Of a network over examples the spaces are those of the first batch and the loss is over all, so that examples
    outside the first batch show in "loss".

    Args:
        trace: what ``run`` returned, or a selection of it.
    Returns:
        A Dataset with dims (variant, start):

        - ``step``: the first recorded step at which some component of a space, or the loss, is not finite; -1 if never;
        - ``space``: the first such space along the chain x -> … -> y -> loss; "" if never. So "y" says that x was still
          finite and the physics blew up, "x" that the update did, "loss" that only the loss overflowed.
    Raises:
        ValueError: for a Dataset without loss by variant, start and step.
    Cost:
        One look at every number of the trace.
    """
    trace = judged_paths(trace, "loss")
    names = [str(name) for name in trace]
    names = names[: names.index("loss") + 1]  # observers come after
    lost = np.stack([_lost(trace[name]) for name in names])
    anywhere = lost.any(0)
    row = anywhere.argmax(-1)
    first = np.take_along_axis(lost, row[None, ..., None], -1)[..., 0].argmax(0)
    ever = anywhere.any(-1)
    return xr.Dataset(
        {
            "step": (LANE_DIMS, np.where(ever, trace["step"].values[row], -1)),
            "space": (LANE_DIMS, np.where(ever, np.array(names)[first], "")),
        },
        coordinates(trace, LANE_DIMS),
        {"problem": trace.attrs.get("problem", "problem")},
    )


def _lost(column: xr.DataArray) -> np.ndarray:
    """Where some component is not finite, shape (variant, start, step)."""
    finite = np.isfinite(column.transpose(*PATH_DIMS, ...).values)
    return ~np.all(finite.reshape(*finite.shape[:3], -1), axis=-1)
