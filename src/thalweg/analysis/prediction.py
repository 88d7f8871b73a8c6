"""What a fit predicts, at its data and elsewhere, and how well that is known."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import xarray as xr
from jax import Array
from jax.typing import ArrayLike

from thalweg.analysis.spread import Spread, in_errors, judged, sigma_of
from thalweg.analysis.uncertainties import best_fit
from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.numerics.constants import evaluated
from thalweg.numerics.reading import nearest, real
from thalweg.problems import groups as grouping
from thalweg.problems.models import Model, model_of

LEVEL = 0.95


def prediction(
    fits: xr.Dataset,
    problem: Problem,
    at: Mapping[str, ArrayLike] | None = None,
    level: float = LEVEL,
    sigma: ArrayLike | None = None,
) -> xr.Dataset:
    """What the best of the fits predicts, with a confidence and a prediction band, to first order in the parameters.

    With C the covariance of the parameters (``uncertainty``) and g = dy/dx of a prediction y, its standard error is
    u = sqrt(g^T C g). The confidence band of the curve is y -+ q u, the prediction band of one new observation
    y -+ q sqrt(u^2 + v^2), v the standard deviation of an observation: s, or s sigma, or sigma where it is absolute. q
    is the quantile (1 + level) / 2 of Student's t with m - d degrees of freedom, and of the normal distribution where
    sigma is absolute. Each band holds point by point, not for the whole curve at once. Parameters at a bound are held.
    Of a ``RobustError`` there is no prediction band, since with outliers no quantile tells where a new observation is,
    nor of a ``PoissonDeviance``, whose counts are not normal.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``, ``RobustError`` or ``PoissonDeviance``.
        at: values of each predictor, in its own units, numbers or arrays of n, and the group of each where parameters
            go by groups, and which of several responses it is, else every one of them; of a ``problems.regression`` or
            ``problems.nist`` alone. Without it, at the data.
        level: of the bands, a pure number between 0 and 1.
        sigma: the standard deviation of new observations, in [y], a number or n of them; at the data it is that of
            the loss. None where that is no ``SquaredError``.
    Returns:
        A Dataset with the dim ``point``, or ``observation`` at the data: the predictors where they are known, and in
        [y] ``predicted``, ``standard_error`` u, ``confidence_low``, ``confidence_high``, ``prediction_low`` and
        ``prediction_high``. NaN where it depends on what the data do not determine, where no freedom is left, and for
        the prediction band at new points of a loss with a sigma where none is given, or of another loss. Its attribute
        ``level``.
    Raises:
        ValueError: for a level that is none; for values of what is no predictor, or of some of them only, or that are
            not finite or of several lengths; for a sigma where the loss is no ``SquaredError``; and as ``uncertainty``
            does.
    Cost:
        One Jacobian at the data, and one of the n predictions.
    Source:
        Bates and Watts (1988), section 2.3.2; Seber and Wild (1989), section 5.1.
    Example:
        >>> t = np.array([0.0, 1.0, 2.0, 3.0])
        >>> line = tw.problems.regression({"t": t, "y": np.array([1.0, 2.9, 5.1, 7.0])}, "a + b*t", "y")
        >>> fits = tw.solve(line, tw.methods.LevenbergMarquardt())
        >>> band = tw.analysis.prediction(fits, line, at={"t": [4.0]})
        >>> [round(float(band[name][0]), 2) for name in ("confidence_low", "predicted", "confidence_high")]
        [8.55, 9.05, 9.55]
    """
    check_level(level)
    normal = isinstance(problem.loss, SquaredError)
    if not normal and sigma is not None:
        raise ValueError(
            "sigma was given for a prediction band, but only a sum of squares has one, whose errors may be normal; "
            "leave it out."
        )
    best, model = best_fit(fits), model_of(problem)
    y, g, *_, spread = judged(best, problem)
    if at is None:
        predictors = dict(model.predictors) if model else {}
        given = sigma_of(problem) if sigma is None else sigma
    else:
        predictors = _points(model, at)
        y, g = _elsewhere(model, predictors, np.asarray(best["x"], np.float64))
        given = _known(model, predictors, problem.loss.sigma) if sigma is None else sigma
    deviation = np.broadcast_to(real(given if normal else np.nan).ravel(), y.shape) * float(spread.scale)
    error, quantile = errors_of(np.asarray(g), spread), quantile_of(problem, spread, level)
    dim = "observation" if at is None else "point"
    units = {"units": problem.units.get(problem.chain.spaces[-1].name, "")}
    wide = np.hypot(error, deviation)
    columns = {
        "predicted": y,
        "standard_error": error,
        "confidence_low": y - quantile * error,
        "confidence_high": y + quantile * error,
        "prediction_low": y - quantile * wide,
        "prediction_high": y + quantile * wide,
    }
    return xr.Dataset(
        {name: (dim, values) for name, values in predictors.items()}
        | {name: (dim, values, units) for name, values in columns.items()},
        attrs={"problem": problem.name, "level": float(level)},
    )


def _known(model: Any, predictors: Mapping[str, np.ndarray], sigma: Any) -> Any:
    """The standard deviation of new observations: 1 without one, that of all observations of a response where these
    have the same, of several responses, and else NaN."""
    if sigma is None or model.responses is None:
        return 1.0 if sigma is None else np.nan
    which, own = model.responses, np.asarray(sigma)[: len(model.observed)]
    codes = which.codes(model.predictors[which.column])
    each = [own[codes == i] for i in range(len(which.labels))]
    return np.array([part[0] if np.ptp(part) == 0 else np.nan for part in each])[which.codes(predictors[which.column])]


def check_level(level: float) -> None:
    """ValueError unless it is a share of all cases that an interval may hold."""
    if not (isinstance(level, (int, float, np.number)) and 0 < level < 1):
        raise ValueError(f"level is {level!r}, but it must be between 0 and 1; give e.g. 0.95.")


def errors_of(g: np.ndarray, spread: Spread) -> np.ndarray:
    """sqrt(g^T C g) of each row of g = dy/dx, (n, d)."""
    return float(spread.scale) * np.linalg.norm(in_errors(g, spread), axis=1)


def quantile_of(problem: Problem, spread: Spread, level: float) -> float:
    """Half the width of an interval, in standard errors; NaN where no degree of freedom is left."""
    from scipy.special import ndtri, stdtrit  # which take a while to import

    if problem.loss.absolute_sigma:
        return float(ndtri(0.5 + level / 2))
    return float(stdtrit(int(spread.freedom), 0.5 + level / 2)) if spread.freedom > 0 else np.nan


def _elsewhere(model: Any, predictors: Mapping[str, np.ndarray], x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The predictions at values of the predictors, (n,), and their Jacobian, (n, d)."""
    shape = next(iter(predictors.values())).shape if predictors else (1,)

    def curve(x: Array) -> Array:
        return model.predict(dict(zip(model.parameters, x, strict=True)), predictors, shape)

    with jax.enable_x64(True):
        return jax.device_get(evaluated(lambda x: (curve(x), jax.jacfwd(curve)(x)), x))


def _points(model: Model | None, at: Any) -> dict[str, np.ndarray]:
    """Values of each predictor, (n,)."""
    if model is None:
        raise ValueError("the problem has no predictors, but at gives values of them; leave it out, or use regression.")
    if not isinstance(at, Mapping):
        raise ValueError(f"at is {at!r}, but it goes by predictor; give e.g. {{'x': [0.0, 1.0]}}.")
    for name in at:
        if name not in model.predictors:
            raise ValueError(nearest(str(name), model.predictors, "a predictor of the model"))
    values = {}
    for which in model.groups:
        if which.column not in at and model.predictors[which.column].dtype.kind == "U":  # each point in every group
            many = max((np.size(column) for column in at.values()), default=1)
            at = {name: np.tile(np.broadcast_to(column, (many,)), len(which.labels)) for name, column in at.items()}
            at[which.column] = np.repeat(which.labels, many)
    for name in model.predictors:
        if name not in at:
            raise ValueError(f"at has no values of {name!r}, which the model predicts from; give one for each point.")
        if model.predictors[name].dtype.kind == "U":
            values[name] = grouping.texts(at[name])
            continue
        try:
            values[name] = np.atleast_1d(real(at[name]))
        except TypeError as error:
            raise ValueError(f"at has values of {name!r} that are no real numbers; give some.") from error
        if values[name].ndim != 1 or not np.isfinite(values[name]).all():
            raise ValueError(f"at has values of {name!r} that are no vector of finite numbers; give shape (n,).")
    for group in model.groups:
        group.codes(values[group.column])
    counts = {name: column.size for name, column in values.items()}
    n = max(counts.values(), default=1)
    if any(count not in (1, n) for count in counts.values()):
        raise ValueError(f"at has the lengths {counts}, but points need one value of each predictor; give equal ones.")
    return {name: np.broadcast_to(column, (n,)) for name, column in values.items()}
