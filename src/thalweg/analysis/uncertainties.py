"""How well the data of a fit determine its parameters."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jax import Array

from thalweg.analysis.selection import coordinates
from thalweg.analysis.whole import Table
from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem

BATCH_BYTES = 2**24  # of the Jacobians that are decomposed together
DEPENDENT = 100  # roundings by which dependent columns may differ: a formula makes some tens in each entry


def best_fit(fits: xr.Dataset) -> xr.Dataset:
    """The one fit of lowest loss over all variants and starts.

    A loss that is not finite counts as above all others.

    Args:
        fits: what ``solve`` returned; for the best of one variant ``fits.sel(variant=…)``.
    Returns:
        ``fits`` without the dims variant and start.
    Raises:
        ValueError: where the fits have another dim, such as case, to be selected first.
    Cost:
        One look at each loss.
    """
    loss = fits["loss"]
    for dim in loss.dims:
        if dim not in ("variant", "start"):
            raise ValueError(
                f"the fits have the dim {str(dim)!r}, but the best is sought over variants and starts of one problem; "
                f"give fits.isel({dim}=0) or another."
            )
    values = np.where(np.isfinite(loss.values), loss.values, np.inf)
    index = np.unravel_index(np.argmin(values), values.shape)
    return fits.isel(dict(zip(loss.dims, index, strict=True)))


def uncertainty(fits: xr.Dataset, problem: Problem) -> xr.Dataset:
    """Standard errors and correlations of the parameters of each fit, from the Jacobian J of the m predictions y(x).

    With s^2 = |y - target|^2 / (m - d), the covariance of the parameters is C = s^2 (J^T J)^-1. These are the standard
    deviations that NIST certifies for its regressions. They hold for independent errors of equal variance and a model
    that is nearly linear in x within them, at a point x that is a minimum. All is computed in float64, whatever the
    fits are in, by the singular values of J with columns scaled to length one, so that neither the units of x nor the
    square of the condition number cost digits.

    Args:
        fits: what ``solve`` returned, or a selection of it. Of a problem solved for many cases, give one case at a
            time, ``fits.isel(case=…)`` and ``problem.bind(…)`` to its data.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
    Returns:
        A Dataset with the dims of the loss, such as (variant, start), and more where said:

        - ``residual_standard_deviation`` s in [y];
        - ``standard_error`` sqrt(C_ii) in [x], and along x_dim;
        - ``correlation`` C_ij / sqrt(C_ii C_jj), -1 … 1, and along x_dim, x_dim_2;
        - ``degrees_of_freedom`` m - d, one number.

        NaN where x or J is not finite; where the columns of J are dependent to rounding, so that some combination of
        parameters is not determined; and, but for the correlation, where m <= d.
    Raises:
        ValueError: unless the loss of the problem is a ``SquaredError``.
    Cost:
        For each fit one Jacobian and O(m d^2).
    Source:
        Bates and Watts (1988), section 2.3.
    """
    if not isinstance(problem.loss, SquaredError):
        raise ValueError(
            f"the loss of {problem.name!r} is a function that is not known to be a sum of squares, but standard errors "
            "come from residuals; give loss=SquaredError(target)."
        )
    x = fits["x"].transpose(..., "x_dim")
    points, dims = np.asarray(x, np.float64), [str(dim) for dim in x.dims[:-1]]
    x_space, y_space = problem.chain.spaces[0], problem.chain.spaces[-1]
    m, d = y_space.size, x_space.size
    freedom = m - d if m > d else math.nan

    def at(point: Array) -> tuple[Array, Array, Array]:
        residual, jacobian = problem.newton_in_y(problem.forward(point)), problem.jacobian(point)
        deviation = jnp.sqrt(residual @ residual / freedom)
        lengths = jnp.linalg.norm(jacobian, axis=0)
        _, s, vt = jnp.linalg.svd(jnp.linalg.qr(jacobian / lengths, mode="r"), full_matrices=False)
        determined = (m >= d) & (s[-1] > DEPENDENT * d * jnp.finfo(point.dtype).eps * s[0])
        root = jnp.where(determined, vt.T / s, jnp.nan)  # (J^T J)^-1 = root root^T in the scaled columns
        spread = jnp.linalg.norm(root, axis=1)
        unit = root / spread[:, None]
        return deviation, deviation * spread / lengths, unit @ unit.T

    with jax.enable_x64(True):
        lanes = points.reshape(-1, points.shape[-1])
        batch = min(len(lanes), max(1, BATCH_BYTES // (8 * m * d)))  # no longer, or a batch would be compiled for none
        compute = jax.jit(lambda lanes: jax.lax.map(at, lanes, batch_size=batch))
        deviation, error, correlation = (np.asarray(a) for a in compute(lanes))

    x_units, y_units = ({"units": problem.units.get(space.name, "")} for space in (x_space, y_space))
    return xr.Dataset(
        {
            "standard_error": ((*dims, "x_dim"), error.reshape(points.shape), x_units),
            "correlation": ((*dims, "x_dim", "x_dim_2"), correlation.reshape(*points.shape, d)),
            "residual_standard_deviation": (dims, deviation.reshape(points.shape[:-1]), y_units),
            "degrees_of_freedom": m - d,
        },
        {**coordinates(fits, dims), "x_dim": list(x_space.labels), "x_dim_2": list(x_space.labels)},
        {"problem": problem.name},
    )


def fit_table(fits: xr.Dataset, problem: Problem) -> pd.DataFrame:
    """The best of the fits as a table, as NIST's are.

    The correlations are ``uncertainty(best_fit(fits), problem).correlation.to_pandas()``.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
    Returns:
        A DataFrame with a row for each parameter, with ``value`` and ``standard_error`` in [x]. Below them, rows for
        the residual standard deviation in [y] and the degrees of freedom, whose standard error is NaN.
    Raises:
        ValueError: as ``best_fit`` and ``uncertainty`` do.
    Cost:
        One Jacobian.
    """
    best = best_fit(fits)
    spread = uncertainty(best, problem)
    below = ("residual_standard_deviation", "degrees_of_freedom")
    return Table(
        {
            "value": [*np.asarray(best["x"], np.float64), *(float(spread[name]) for name in below)],
            "standard_error": [*spread["standard_error"].values, *[math.nan] * len(below)],
        },
        index=pd.Index([*spread["x_dim"].values, *(name.replace("_", " ") for name in below)], name="parameter"),
    )
