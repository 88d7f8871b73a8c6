"""Sharpness along each path, against the limit that the method can stand."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg import geometry
from thalweg.analysis.cycles import final_period
from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, coordinates, judged_paths
from thalweg.analysis.theory import is_adaptive, limit, variants_of
from thalweg.chain.problem import Problem
from thalweg.numerics.constants import evaluated

BATCH_BYTES = 2**24  # of Hessians that are formed together
RECORD = "record=[geometry.preconditioned_sharpness]"


def stability(trace: xr.Dataset, problem: Problem) -> xr.Dataset:
    """Sharpness along each path and the limit of its method: beyond it a step on the quadratic model grows.

    Gradient descent trained to the edge of stability hovers about its limit 2 / learning_rate.

    Args:
        trace: what ``run`` returned, or a selection of it; with adam, adamw, rmsprop or adagrad, of
            ``run(record=[geometry.preconditioned_sharpness])``.
        problem: the problem that was run.
    Returns:
        A Dataset with dims ``variant, start, step``:

        - ``sharpness`` (variant, start, step): the largest eigenvalue of the Hessian, in [L]/[x]^2, as recorded under
          this name or else computed; of adam, adamw, rmsprop and adagrad that of P^-1/2 H P^-1/2, as recorded under
          ``preconditioned_sharpness``. NaN where x is not finite;
        - ``limit`` (variant), in the units of the sharpness: see ``theory.limit``, NaN where none is known;
        - ``crossing`` (variant, start): the first recorded step whose sharpness is above the limit, -1 where none is;
        - ``period`` (variant, start): the period of the end in rows, see ``final_period``.
    Raises:
        ValueError: for a trace without rules or without x by variant, start and step, and where an adaptive method has
            no ``preconditioned_sharpness``: its state is not in the trace.
    Cost:
        One ``geometry.sharpness`` for each row, where it is not recorded.
    Source:
        Cohen et al. (2021), arXiv:2103.00065.
    """
    trace = judged_paths(trace, "x")
    kinds = variants_of(trace)
    adaptive = np.array([is_adaptive(rule) for rule, _ in kinds])
    x = trace["x"].values
    sharpness = np.empty(x.shape[:-1])
    if adaptive.any():
        if "preconditioned_sharpness" not in trace:
            first = trace["variant"].values[adaptive.argmax()]
            raise ValueError(
                f"the variant {str(first)!r} divides its gradients by what it remembers, so that its sharpness is not "
                f"known from x; give run({RECORD})."
            )
        recorded = trace["preconditioned_sharpness"].values
        sharpness[adaptive] = recorded[adaptive]
    if "sharpness" in trace:
        sharpness[~adaptive] = trace["sharpness"].values[~adaptive]
    elif not adaptive.all():
        sharpness[~adaptive] = _sharpness(problem, x[~adaptive])

    limits = np.array([limit(*kind) for kind in kinds])
    above = sharpness > limits[:, None, None]
    crossing = np.where(above.any(-1), trace["step"].values[above.argmax(-1)], -1)
    return xr.Dataset(
        {
            "sharpness": (PATH_DIMS, sharpness),
            "limit": ("variant", limits),
            "crossing": (LANE_DIMS, crossing),
            "period": (LANE_DIMS, final_period(x)),
        },
        coordinates(trace, PATH_DIMS),
        {"problem": trace.attrs.get("problem", problem.name)},
    )


def _sharpness(problem: Problem, x: np.ndarray) -> np.ndarray:
    """The sharpness at points x (…, d), in their own precision, NaN where they are not finite."""

    def at(point: Array) -> Array:
        return jnp.where(jnp.all(jnp.isfinite(point)), geometry.sharpness(problem, point), jnp.nan)

    with jax.enable_x64(x.dtype == np.float64):
        points = x.reshape(-1, x.shape[-1])
        batch = min(len(points), max(1, BATCH_BYTES // (x.itemsize * x.shape[-1] ** 2)))
        return np.asarray(evaluated(lambda points: jax.lax.map(at, points, batch_size=batch), points)).reshape(
            x.shape[:-1]
        )
