"""Which observations a fit hangs on, and whether its residuals look like errors."""

import numpy as np
import xarray as xr

from thalweg.analysis.spread import check_plain, judged, leverages
from thalweg.analysis.uncertainties import best_fit
from thalweg.chain.problem import Problem
from thalweg.problems.models import model_of


def diagnostics(fits: xr.Dataset, problem: Problem) -> xr.Dataset:
    """Residuals of the best of the fits with what each weighs, which is what ``plot.diagnostics`` draws.

    With e = (target - y) / sigma, p free parameters and the leverages h, the diagonal of J (J^T J)^-1 J^T with
    J = dy/dx / sigma, a standardized residual is e / (s sqrt(1 - h)), s = 1 where sigma is absolute. Its square times
    h / (p (1 - h)) is Cook's distance: how far all predictions move where that observation is left out, to first
    order. A residual is due at the normal quantile of (rank - a) / (m + 1 - 2 a), a = 3/8 up to m = 10 and 1/2 above.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
    Returns:
        A Dataset with the dim ``observation``: ``predicted`` in [y], ``residual`` e in [y], over sigma where there is
        one a pure number, and, pure numbers, ``leverage`` 0 … 1, ``standardized_residual``, ``normal_quantile`` and
        ``cooks_distance``. NaN where an observation alone determines a parameter, so that h = 1, and where the data
        determine too little. Attributes: ``problem``, ``response``, the name of what is observed, and ``parameters`` p.
    Raises:
        ValueError: as ``best_fit`` and ``uncertainty`` do.
    Cost:
        One Jacobian and O(m d^2).
    Source:
        Cook (1977), Technometrics 19; Cook and Weisberg (1982); Blom (1958) for a.
    Example:
        >>> table = {"t": [0.0, 1.0, 2.0, 3.0, 9.0], "y": [1.0, 2.9, 5.1, 7.0, 19.5]}
        >>> line = tw.problems.regression(table, "a + b*t", "y")
        >>> found = tw.analysis.diagnostics(tw.solve(line, tw.methods.LevenbergMarquardt()), line)
        >>> print(found.leverage.values.round(2))
        [0.38 0.28 0.22 0.2  0.92]
    """
    check_plain(problem, "diagnostics")
    fit = judged(best_fit(fits), problem)
    residual, h, model = -np.asarray(fit.residual), leverages(fit, problem), model_of(problem)
    m, p = residual.size, residual.size - int(fit.spread.freedom)
    left = np.where(1 - h > 1e-10, 1 - h, np.nan)
    with np.errstate(all="ignore"):
        standardized = residual / (float(fit.spread.scale) * np.sqrt(left))
        cooks = standardized**2 * h / (left * p)
    known, shift = np.flatnonzero(np.isfinite(standardized)), 0.375 if m <= 10 else 0.5
    quantile = np.full(m, np.nan)
    ranks = np.argsort(np.argsort(standardized[known], kind="stable"), kind="stable") + 1
    from scipy.special import ndtri  # which takes a while to import

    quantile[known] = ndtri((ranks - shift) / (len(known) + 1 - 2 * shift))
    units = {"units": problem.units.get(problem.chain.spaces[-1].name, "")}
    return xr.Dataset(
        {
            "predicted": ("observation", np.asarray(fit.y), units),
            "residual": ("observation", residual, {"units": ""} if problem.loss.sigma is not None else units),
            "leverage": ("observation", h),
            "standardized_residual": ("observation", standardized),
            "normal_quantile": ("observation", quantile),
            "cooks_distance": ("observation", cooks),
        },
        {"observation": np.arange(m)},
        {
            "problem": problem.name,
            "response": model.response if model else problem.chain.spaces[-1].name,
            "parameters": p,
        },
    )
