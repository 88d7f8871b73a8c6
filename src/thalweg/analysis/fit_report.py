"""The best fit and all that is known of it, as plain numbers for a file."""

import math
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thalweg.analysis.criteria import criteria
from thalweg.analysis.prediction import LEVEL, prediction
from thalweg.analysis.spread import judged, priors_of, weights_of
from thalweg.analysis.uncertainties import best_fit, fit_table, uncertainty
from thalweg.chain.losses import PoissonDeviance, RobustError
from thalweg.chain.problem import Problem
from thalweg.problems.models import model_of


def fit_report(
    fits: xr.Dataset,
    problem: Problem,
    level: float = LEVEL,
    *,
    profile: pd.DataFrame | None = None,
    bootstrap: xr.Dataset | None = None,
    derived: pd.DataFrame | None = None,
    predicted: xr.Dataset | None = None,
) -> dict[str, Any]:
    """The best of the fits as a dict of plain numbers and text, as ``json.dumps`` takes it.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``, ``RobustError`` or ``PoissonDeviance``.
        level: of the bands, a pure number between 0 and 1.
        profile: what ``profile_intervals`` returned of it.
        bootstrap: what ``bootstrap`` returned of it.
        derived: what ``derived`` returned of it.
        predicted: what ``prediction`` returned of it, elsewhere than at the data.
    Returns:
        A dict, with None for what is not finite:

        - ``problem``, and where it is a formula ``model``, ``response`` and ``sigma``, a name or None;
          ``absolute_sigma``; of another loss than squares its kind as ``loss``, of a robust one ``f_scale``;
          ``priors``, mean and standard deviation by name, where there are some;
        - ``parameters``, a dict by name of ``value``, ``standard_error`` and ``note`` ("", "at its bound" or "fixed"),
          in [x]; ``correlation``, a list of rows over the parameters that are not constants;
        - ``statistics``: what ``criteria`` says;
        - ``outcome`` and ``reason`` of the fit, its ``variant`` and ``start``, where the fits say so;
        - ``observations``, a dict of columns: the predictors, ``observed``, ``predicted``, ``residual`` (observed minus
          predicted, over sigma where there is one, or the root of what is predicted of counts), of a robust loss
          ``weight``, how much each counts, and ``standard_error`` and the bands of ``prediction``, in [y], at its
          ``level``;
        - where these are given, of each parameter ``profile`` (``lower``, ``upper``, ``note``) and ``bootstrap``
          (``lower``, ``upper``, ``standard_error``, ``bias``); ``derived``, a dict by name of the columns of
          ``derived``; and ``predictions``, a dict of the columns of ``predicted``.
    Raises:
        ValueError: as ``best_fit``, ``uncertainty`` and ``prediction`` do.
    Cost:
        Two Jacobians.
    Example:
        >>> line = tw.problems.regression({"t": [0.0, 1.0, 2.0], "y": [1.0, 2.9, 5.1]}, "a + b*t", "y")
        >>> report = tw.analysis.fit_report(tw.solve(line, tw.methods.LevenbergMarquardt()), line)
        >>> round(report["parameters"]["b"]["value"], 6), report["statistics"]["degrees of freedom"]
        (2.05, 1)
    """
    best, model = best_fit(fits), model_of(problem)
    spread, table, bands = (
        uncertainty(best, problem),
        fit_table(best, problem)[:-2],
        prediction(best, problem, None, level),
    )
    _, _, observed, residual, _ = judged(best, problem)
    said: dict[str, Any] = {"problem": problem.name}
    if model is not None:
        said |= {"model": model.formula.text, "response": model.response, "sigma": model.sigma or None}
    said["absolute_sigma"] = problem.loss.absolute_sigma
    if isinstance(problem.loss, RobustError):
        said |= {"loss": problem.loss.kind, "f_scale": float(problem.loss.f_scale)}
    if priors := priors_of(problem):
        said["priors"] = {name: list(pair) for name, pair in priors.items()}
    if isinstance(problem.loss, PoissonDeviance):
        said["loss"] = "poisson"
    said["parameters"] = {
        str(name): {"value": _plain(value), "standard_error": _plain(error), "note": note}
        for name, (value, error, note) in zip(table.index, table.itertuples(index=False), strict=True)
    }
    said["correlation"] = [[_plain(entry) for entry in row] for row in spread["correlation"].values]
    said["statistics"] = {str(name): _plain(value) for name, value in criteria(best, problem).items()}
    for name in ("outcome", "reason"):
        if name in best and "flag_meanings" in best[name].attrs:
            said[name] = best[name].attrs["flag_meanings"].split()[int(best[name])]
    for name in ("variant", "start"):
        if name in best.coords:
            said[name] = best[name].item()
    columns = {str(name): column.values for name, column in bands.data_vars.items()}
    first = {name: columns[name] for name in (model.predictors if model else ())}
    rest = {name: values for name, values in columns.items() if name not in first and name != "predicted"}
    every = first | {"observed": observed, "predicted": columns["predicted"], "residual": -residual}
    every |= {} if (weights := weights_of(problem, residual)) is None else {"weight": weights}
    every |= rest
    said["level"] = float(level)
    said["observations"] = {name: [_cell(value) for value in values] for name, values in every.items()}
    return said | _more(said["parameters"], profile, bootstrap, derived, predicted)


def _more(parameters: dict[str, Any], profile: Any, bootstrap: Any, derived: Any, predicted: Any) -> dict[str, Any]:
    """What else is known; that of parameters is added to them."""
    said: dict[str, Any] = {}
    if profile is not None:
        for name, row in profile.iterrows():
            ends = {side: _plain(row[side]) for side in ("lower", "upper")}
            parameters[str(name)]["profile"] = ends | {"note": row["note"]}
    if bootstrap is not None:
        for name in map(str, bootstrap["x_dim"].values):
            one = bootstrap[["lower", "upper", "standard_error", "bias"]].sel(x_dim=name)
            parameters[name]["bootstrap"] = {str(key): _plain(value) for key, value in one.data_vars.items()}
        said["bootstrap"] = {"draws": bootstrap.sizes["draw"], "found": int(bootstrap["found"].sum())}
        said["bootstrap"] |= {name: bootstrap.attrs[name] for name in ("kind", "key", "level")}
    if derived is not None:
        rows = derived.to_dict("index").items()
        said["derived"] = {
            str(name): {str(key): value if key == "formula" else _plain(value) for key, value in row.items()}
            for name, row in rows
        }
    if predicted is not None:
        columns = predicted.data_vars.items()
        said["predictions"] = {str(name): [_plain(value) for value in column.values] for name, column in columns}
    return said


def _cell(value: Any) -> str | int | float | None:
    """A number, or the word of a group."""
    return str(value) if isinstance(value, str) else _plain(value)


def _plain(value: Any) -> int | float | None:
    """A number that JSON has: whole ones as such, None for what is not finite."""
    number = float(np.asarray(value))
    return (int(number) if number % 1 == 0 and abs(number) < 2**53 else number) if math.isfinite(number) else None
