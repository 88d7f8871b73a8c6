"""Which of several models the data ask for: likelihood, information criteria, the F-test."""

import math

import numpy as np
import pandas as pd
import xarray as xr

from thalweg.analysis.spread import judged, priors_of, sigma_of
from thalweg.analysis.uncertainties import best_fit
from thalweg.chain.losses import PoissonDeviance, RobustError, SquaredError
from thalweg.chain.problem import Problem


def criteria(fits: xr.Dataset, problem: Problem) -> pd.Series:
    """How well the best of the fits meets the data, and at the price of how many parameters.

    With p free parameters, residuals r = (y - target) / sigma, RSS = |r|^2, and sigma = 1 where the loss has none:

    - -2 ln l = m ln(2 pi RSS / m) + m + 2 sum ln sigma_i, of independent normal errors of the variance RSS/m that is
      most likely, which counts as one of k = p + 1 parameters; where sigma is absolute, RSS + sum ln(2 pi sigma_i^2)
      and k = p;
    - AIC = 2 k - 2 ln l; AICc = AIC + 2 k (k + 1) / (m - k - 1); BIC = k ln m - 2 ln l;
    - R^2 = 1 - RSS / sum ((target_i - mean) / sigma_i)^2, the mean weighted by 1/sigma^2.

    So has R's ``AIC``; programs that leave out what is the same for all models of the same data, or count p for k, have
    other numbers, and the same differences but for the penalty. With priors, which are no observations, the likelihood
    is not the largest, and AIC, AICc and BIC are NaN.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``; or a ``RobustError``, which is no
            likelihood, so that R squared and all below are NaN; or a ``PoissonDeviance``, of which l is Poisson's,
            k = p, RSS is Pearson's chi squared, and R squared is NaN.
    Returns:
        A Series of pure numbers but for what is in [y]: ``observations`` m, ``parameters`` p, ``degrees of freedom``
        m - p, ``sum of squares`` RSS in [y]^2, ``residual standard deviation`` s in [y] (both pure where there is a
        sigma), ``R squared``, ``log likelihood``, ``AIC``, ``AICc`` and ``BIC``. NaN where a number is not defined:
        AICc for m <= k + 1, -inf and infinity where the data are met exactly.
    Raises:
        ValueError: as ``best_fit`` and ``uncertainty`` do.
    Cost:
        One Jacobian.
    Source:
        Akaike (1974); Hurvich and Tsai (1989) for AICc; Schwarz (1978) for BIC; Burnham and Anderson (2002), sections
        2.2 and 2.4.
    """
    best = best_fit(fits)
    y, _, observed, residual, spread = judged(best, problem)
    sigma, m, freedom = sigma_of(problem), observed.size, int(spread.freedom)
    p, rss, absolute = m - freedom, float(residual @ residual), problem.loss.absolute_sigma
    k = p if absolute else p + 1
    mean = np.average(observed, weights=sigma**-2.0)
    total = float(np.sum(((observed - mean) / sigma) ** 2))
    with np.errstate(all="ignore"):
        if isinstance(problem.loss, RobustError):
            total = deviance = math.nan
        elif isinstance(problem.loss, PoissonDeviance):
            total, deviance = math.nan, -2 * problem.loss.log_likelihood(y, observed)
        elif absolute:
            deviance = rss + float(np.sum(np.log(2 * np.pi * sigma**2)))
        else:
            deviance = float(m * np.log(2 * np.pi * np.float64(rss) / m) + m + 2 * np.sum(np.log(sigma)))
        squared = float(1 - np.float64(rss) / total)
    aic = 2 * k + deviance
    if priors_of(problem):
        aic = math.nan  # the likelihood is not the largest
    return pd.Series(
        {
            "observations": m,
            "parameters": p,
            "degrees of freedom": freedom,
            "sum of squares": rss,
            "residual standard deviation": float(spread.deviation),
            "R squared": squared,
            "log likelihood": -deviance / 2,
            "AIC": aic,
            "AICc": aic + 2 * k * (k + 1) / (m - k - 1) if m > k + 1 else math.nan,
            "BIC": aic + k * (math.log(m) - 2),
        },
        dtype=float,
    )


def f_test(fits: xr.Dataset, problem: Problem, larger_fits: xr.Dataset, larger: Problem) -> pd.Series:
    """Whether a model with more parameters meets the data better than chance lets it.

    F = ((RSS1 - RSS2) / (p2 - p1)) / (RSS2 / (m - p2)); where the smaller model is right, normal errors give it the F
    distribution of p2 - p1 and m - p2 degrees of freedom, exactly for linear models.

    Args:
        fits: what ``solve`` returned for the smaller model.
        problem: that model, a special case of the larger one, which nothing checks.
        larger_fits: what ``solve`` returned for the larger model.
        larger: that model, of the same observations.
    Returns:
        A Series of pure numbers: ``F``, ``numerator`` p2 - p1 and ``denominator`` m - p2, its degrees of freedom, and
        ``p``, the probability of an F as large.
    Raises:
        ValueError: unless the losses are ``SquaredError``s, since others are no sums of squares to be compared; where
            the second model has no more parameters than the first, or no fewer than observations; where the two are not
            of the same observations with the same sigma; and as ``criteria`` does.
    Cost:
        Two Jacobians.
    Source:
        Bates and Watts (1988), section 3.10.
    """
    for model in (problem, larger):
        if priors_of(model):
            raise ValueError(f"{model.name!r} has priors, but an F-test is of observations alone; fit without them.")
        if not isinstance(model.loss, SquaredError):
            raise ValueError(
                f"the loss of {model.name!r} is no sum of squares, but an F-test compares such sums; fit both models "
                "with loss=SquaredError(target), or compare their AIC where there is one."
            )
    one, two = (criteria(*fitted).to_dict() for fitted in ((fits, problem), (larger_fits, larger)))
    target, same = judged(best_fit(fits), problem).target, judged(best_fit(larger_fits), larger).target
    if not (np.array_equal(target, same) and np.array_equal(sigma_of(problem), sigma_of(larger))):
        raise ValueError("the two models have other observations; fit both to the same, with the same sigma.")
    more, left = int(two["parameters"] - one["parameters"]), int(two["degrees of freedom"])
    if more < 1 or left < 1:
        raise ValueError(
            f"the models have {one['parameters']:.0f} and {two['parameters']:.0f} free parameters for "
            f"{two['observations']:.0f} observations, but the second must have more than the first and fewer than "
            "observations; give the smaller model first."
        )
    gain, rest = (one["sum of squares"] - two["sum of squares"]) / more, two["sum of squares"] / left
    with np.errstate(all="ignore"):
        f = float(np.divide(gain, rest))
    from scipy.special import fdtrc  # which takes a while to import

    return pd.Series({"F": f, "numerator": more, "denominator": left, "p": float(fdtrc(more, left, max(f, 0.0)))})
