"""How well the data of a fit determine its parameters."""

import math

import jax
import numpy as np
import pandas as pd
import xarray as xr
from jax import Array

from thalweg.analysis.selection import coordinates
from thalweg.analysis.spread import Spread, check_residuals, judged, judged_at, rounding_of
from thalweg.analysis.whole import Table
from thalweg.chain.problem import Problem
from thalweg.numerics.constants import evaluated
from thalweg.problems.models import model_of

SAME = 1e-10  # of a loss, to which fits of the same minimum agree
BATCH_BYTES = 2**24  # of the Jacobians that are decomposed together


def best_fit(fits: xr.Dataset) -> xr.Dataset:
    """The one fit of lowest loss over all variants and starts.

    A loss that is not finite counts as above all others. Of those that agree with the lowest to 1e-10 it is the first.

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
    index = np.unravel_index(np.argmax(values <= values.min() + SAME * abs(values.min())), values.shape)
    return fits.isel(dict(zip(loss.dims, index, strict=True)))


def uncertainty(fits: xr.Dataset, problem: Problem) -> xr.Dataset:
    """Standard errors and correlations of the parameters of each fit, from the Jacobian J of the m predictions y(x).

    With residuals r = (y - target) / sigma, J = dr/dx and s^2 = |r|^2 / (m - d), the covariance of the parameters is
    C = s^2 (J^T J)^-1, or (J^T J)^-1 where the loss has an ``absolute_sigma``. These are the standard deviations that
    NIST certifies for its regressions. They hold for independent errors and a model that is nearly linear in x within
    them, at a point x that is a minimum. A parameter at a bound of the problem's domain beyond which L is lower, or
    between equal ones, has no standard error; the others' are those with it held, and d counts the others. All is
    computed in float64, whatever the fits are in, by the singular values of J with columns scaled to length one, so
    that neither the units of x nor the square of the condition number cost digits.

    Priors of a ``problems.regression`` are rows of J, so that C is the covariance of the posterior, but are not counted
    by m, nor in s.

    Of a ``PoissonDeviance`` they are those of Fisher's information, (J^T J)^-1 with r = (y - target) / sqrt(y).

    Of a ``RobustError`` the standard errors are Huber's, with s^2 replaced by K^2 sum psi_i^2 / (m - d) / mean(c)^2,
    where psi = rho' r is what each residual pulls by, c = dpsi/dr, and K = 1 + d/m var(c) / mean(c)^2. They hold for
    errors that are independent, alike and symmetric, whatever their distribution, with f_scale chosen beforehand.
    ``scipy.optimize.curve_fit`` has other numbers, (J^T diag(c) J)^-1 times sum C^2 rho_i / (m - d), which no theorem
    says are standard errors.

    Args:
        fits: what ``solve`` returned, or a selection of it. Of a problem solved for many cases, give one case at a
            time, ``fits.isel(case=…)`` and ``problem.bind(…)`` to its data.
        problem: the problem that was solved, whose loss is a ``SquaredError``, ``RobustError`` or ``PoissonDeviance``.
    Returns:
        A Dataset with the dims of the loss, such as (variant, start), and more where said:

        - ``residual_standard_deviation`` s in [y], of the residuals over sigma where there is one a pure number, with
          all outliers;
        - ``standard_error`` sqrt(C_ii) in [x], and along x_dim;
        - ``correlation`` C_ij / sqrt(C_ii C_jj), -1 … 1, and along x_dim, x_dim_2;
        - ``at_bound``, whether a parameter is held by its bounds, and along x_dim;
        - ``degrees_of_freedom``, m less the directions that the data determine, d of them most often.

        NaN where x or J is not finite; for parameters at their bound; for those that move where the columns of J are
        dependent to rounding, which the data do not determine; and, but for the correlation and absolute sigma, where
        as many are determined as there are observations.
    Raises:
        ValueError: unless the loss of the problem is one of these.
    Cost:
        For each fit one Jacobian and O(m d^2).
    Source:
        Bates and Watts (1988), section 2.3; Huber (1981), Robust Statistics, section 7.6, equation (6.5), as R's
        ``summary(MASS::rlm)`` and H1 of statsmodels' ``RLM`` have it.
    """
    check_residuals(problem)
    x = fits["x"].transpose(..., "x_dim")
    points, dims = np.asarray(x, np.float64), [str(dim) for dim in x.dims[:-1]]
    x_space, y_space = problem.chain.spaces[0], problem.chain.spaces[-1]
    d = x_space.size
    if points.ndim == 1:
        spread = jax.tree.map(lambda a: np.asarray(a)[None], judged(fits, problem).spread)
    else:
        spread = _of_many(fits, problem, points)

    error, root = spread.scale[:, None] * spread.error, spread.root
    x_units, y_units = ({"units": problem.units.get(space.name, "")} for space in (x_space, y_space))
    return xr.Dataset(
        {
            "standard_error": ((*dims, "x_dim"), error.reshape(points.shape), x_units),
            "correlation": ((*dims, "x_dim", "x_dim_2"), (root @ root.swapaxes(1, 2)).reshape(*points.shape, d)),
            "at_bound": ((*dims, "x_dim"), spread.held.reshape(points.shape)),
            "residual_standard_deviation": (
                dims,
                spread.deviation.reshape(points.shape[:-1]),
                y_units if problem.loss.sigma is None and not problem.loss.absolute_sigma else {"units": ""},
            ),
            "degrees_of_freedom": (dims, spread.freedom.reshape(points.shape[:-1])),
        },
        {**coordinates(fits, dims), "x_dim": list(x_space.labels), "x_dim_2": list(x_space.labels)},
        {"problem": problem.name},
    )


def _of_many(fits: xr.Dataset, problem: Problem, points: np.ndarray) -> Spread:
    """Of fits of shape (…, d), along one axis."""
    m, d = problem.chain.spaces[-1].size, points.shape[-1]
    lanes = points.reshape(-1, d)
    batch = min(len(lanes), max(1, BATCH_BYTES // (8 * m * d)))  # no longer, or a batch would be compiled for none

    def of_one(x: Array) -> Spread:
        return judged_at(problem, rounding_of(fits), x).spread

    with jax.enable_x64(True):
        return jax.device_get(evaluated(lambda lanes: jax.lax.map(of_one, lanes, batch_size=batch), lanes))


def fit_table(fits: xr.Dataset, problem: Problem) -> pd.DataFrame:
    """The best of the fits as a table, as NIST's are.

    The correlations are ``uncertainty(best_fit(fits), problem).correlation.to_pandas()``, a file is
    ``fit_table(fits, problem).to_csv("fit.csv")``.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``, ``RobustError`` or ``PoissonDeviance``.
    Returns:
        A DataFrame with a row for each parameter, with ``value`` and ``standard_error`` in [x], and a ``note`` that it
        is "at its bound" or "fixed", where its standard error is NaN. Below them, rows for the residual standard
        deviation in [y] and the degrees of freedom, whose standard error is NaN, too.
    Raises:
        ValueError: as ``best_fit`` and ``uncertainty`` do.
    Cost:
        One Jacobian.
    """
    best = best_fit(fits)
    spread = uncertainty(best, problem)
    below = ("residual_standard_deviation", "degrees_of_freedom")
    fixed = fixed_parameters(problem)
    names = [*spread["x_dim"].values, *fixed, *(name.replace("_", " ") for name in below)]
    rest = len(fixed) + len(below)
    return Table(
        {
            "value": [
                *np.asarray(best["x"], np.float64),
                *fixed.values(),
                *(float(spread[name]) for name in below),
            ],
            "standard_error": [*spread["standard_error"].values, *[math.nan] * rest],
            "note": [*notes(spread, problem), *["fixed"] * len(fixed), *[""] * len(below)],
        },
        index=pd.Index(names, name="parameter"),
    )


def notes(spread: xr.Dataset, problem: Problem) -> list[str]:
    """What is to be said of each parameter of one fit: "at its bound", "fixed" by equal bounds, or nothing."""
    low, high = problem.domain or (np.zeros(0), np.ones(0))
    same = low == high if low.size else np.zeros(spread.sizes["x_dim"], bool)
    words = np.where(same, "fixed", "at its bound")
    return [str(word) if held else "" for word, held in zip(words, spread["at_bound"].values, strict=True)]


def fixed_parameters(problem: Problem) -> dict[str, float]:
    """The constants of a formula that were parameters, and what they are."""
    model = model_of(problem)
    return dict(model.fixed) if model else {}
