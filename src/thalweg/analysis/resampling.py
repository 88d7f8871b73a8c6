"""How a fit varies with its data: bootstrap."""

from functools import lru_cache
from typing import Literal

import numpy as np
import xarray as xr
from jax import Array

from thalweg.analysis.prediction import LEVEL, check_level
from thalweg.analysis.refits import is_bounded, refit, squares_of
from thalweg.analysis.spread import Judged, check_plain, judged, leverages, sigma_of
from thalweg.analysis.uncertainties import best_fit
from thalweg.chain.problem import Problem
from thalweg.engine.endings import Outcome
from thalweg.numerics.reading import nearest, whole

KINDS = ("residuals", "cases")
FOLLOWED = 1e-8  # of its variance, which a residual keeps where the fit follows its datum: rounding


def bootstrap(
    fits: xr.Dataset,
    problem: Problem,
    n: int = 1000,
    key: int = 0,
    kind: Literal["residuals", "cases"] = "residuals",
    level: float = LEVEL,
    bounded: bool | None = None,
) -> xr.Dataset:
    """The best of the fits made again from n data sets that are drawn from its own, which asks for no normal errors.

    With ``kind="residuals"`` the new data are y_i + sigma_i e_k(i), y the prediction of the fit and e its modified
    residuals (target - prediction) / (sigma sqrt(1 - h)) less their mean, h the leverages: of a linear model the
    variances are then those of ``uncertainty`` on average. With ``kind="cases"`` they are the observations k(i)
    themselves, with their sigma. The k are ``numpy.random.default_rng(key).integers(m, size=(n, m))``.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
        n: how many data sets, 1 or more.
        key: seed of the draws, a whole number of 0 or more.
        kind: what is drawn, "residuals" or "cases".
        level: of the intervals, a pure number between 0 and 1.
        bounded: whether parameters stay in the problem's domain; None as in ``profile_intervals``.
    Returns:
        A Dataset with dims ``draw``, ``x_dim`` and ``x_dim_2``:

        - ``x`` (draw, x_dim) in [x], ``loss`` (draw) in [L] with a factor of 1, and ``found`` (draw), whether the fit
          converged or stalled at a finite loss;
        - of the fits that were found, ``lower`` and ``upper`` (x_dim) in [x], quantiles (1 -+ level) / 2;
          ``standard_error`` (x_dim) in [x]; ``bias`` (x_dim) in [x], their mean less the fit; and ``correlation``
          (x_dim, x_dim_2).

        Attributes: ``problem``, ``kind``, ``key`` and ``level``.
    Raises:
        ValueError: for another kind, an n, key or level that is none, ``bounded`` without a domain, and as ``best_fit``
            and ``uncertainty`` do.
    Cost:
        n fits from the best one, in one program: of 100 observations and 3 parameters some tens of milliseconds for
        1000; and n m numbers.
    Source:
        Efron (1979); Davison and Hinkley (1997), sections 6.2 and 6.3.
    Example:
        >>> table = {"x": [0.0, 1.0, 2.0, 3.0, 4.0], "y": [3.0, 1.9, 1.1, 0.7, 0.5]}
        >>> decay = tw.problems.regression(table, "a*exp(-k*x)", "y")
        >>> draws = tw.analysis.bootstrap(tw.solve(decay, tw.methods.LevenbergMarquardt()), decay, n=200)
        >>> draws.x.shape, bool(draws.found.all()), bool((draws.lower < draws.upper).all())
        ((200, 2), True, True)
    """
    check_level(level)
    n, key, bounded = whole(n, "n", 1), whole(key, "key", 0), is_bounded(problem, bounded)
    if kind not in KINDS:
        raise ValueError(nearest(str(kind), KINDS, "a kind of bootstrap"))
    best = best_fit(fits)
    check_plain(problem, "bootstrap intervals")
    fit = judged(best, problem)
    m = fit.target.size
    rows = np.random.default_rng(key).integers(m, size=(n, m))
    if kind == "residuals":
        drawn = {"target": fit.y + sigma_of(problem) * _modified(fit, problem)[rows], "weight": np.ones((n, m))}
    else:
        counts = np.apply_along_axis(np.bincount, 1, rows, minlength=m)
        drawn = {"target": np.broadcast_to(fit.target, (n, m)), "weight": np.sqrt(counts)}
    found = refit(_resampled(problem), np.asarray(best["x"], np.float64)[None], drawn, bounded).isel(start=0)
    return _summary(found, best, problem, level).assign_attrs(
        problem=problem.name, kind=kind, key=key, level=float(level)
    )


def _modified(fit: Judged, problem: Problem) -> np.ndarray:
    """Residuals of equal variance, target less prediction over sigma, less their mean, (m,)."""
    left = 1 - np.nan_to_num(leverages(fit, problem))
    with np.errstate(all="ignore"):
        e = np.where(left > FOLLOWED, -np.asarray(fit.residual) / np.sqrt(left), 0)
    return e - e.mean()


@lru_cache(maxsize=4)
def _resampled(problem: Problem) -> Problem:
    """The same sum of squares of other data: the residual to another target, each entry times a weight."""
    loss, shape = problem.loss, problem.chain.spaces[-1].shapes[0]

    def residual(x: Array, data: dict[str, Array]) -> Array:
        return data["weight"] * loss.weighted(problem.forward(x) - data["target"], shape)

    return squares_of(residual, problem)


def _summary(found: xr.Dataset, best: xr.Dataset, problem: Problem, level: float) -> xr.Dataset:
    x, loss = found["x"].values, found["loss"].values
    ended = np.isfinite(loss) & np.isin(found["outcome"].values, (Outcome.CONVERGED, Outcome.STALLED))
    kept, labels = x[ended], list(problem.chain.spaces[0].labels)
    d, units = x.shape[1], {"units": problem.units.get(problem.chain.spaces[0].name, "")}
    if len(kept) > 1:
        lower, upper = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2], axis=0)
        apart = kept - kept.mean(axis=0)
        covariance = apart.T @ apart / (len(kept) - 1)
        error, bias = np.sqrt(np.diag(covariance)), kept.mean(axis=0) - np.asarray(best["x"], np.float64)
        with np.errstate(all="ignore"):
            correlation = covariance / np.outer(error, error)
    else:
        lower, upper, error, bias = np.full((4, d), np.nan)
        correlation = np.full((d, d), np.nan)
    return xr.Dataset(
        {
            "x": (("draw", "x_dim"), x, units),
            "loss": ("draw", loss),
            "found": ("draw", ended),
            "lower": ("x_dim", lower, units),
            "upper": ("x_dim", upper, units),
            "standard_error": ("x_dim", error, units),
            "bias": ("x_dim", bias, units),
            "correlation": (("x_dim", "x_dim_2"), correlation),
        },
        {"draw": np.arange(len(x)), "x_dim": labels, "x_dim_2": labels},
    )
