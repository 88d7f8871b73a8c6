"""The best fit beside its data: what was observed, what the model predicts, and its curve."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from thalweg.analysis.prediction import LEVEL, prediction
from thalweg.analysis.spread import judged, sigma_of, weights_of
from thalweg.analysis.uncertainties import best_fit, uncertainty
from thalweg.chain.losses import PoissonDeviance, RobustError
from thalweg.chain.problem import Problem
from thalweg.problems.groups import texts
from thalweg.problems.models import Model, model_of

BANDS = ("confidence_low", "confidence_high", "prediction_low", "prediction_high")
CURVE = 400  # points on the curve of a model


def fitted(fits: xr.Dataset, problem: Problem, log: bool = False) -> xr.Dataset:
    """The best of the fits beside the data of the problem, which is what ``plot.fit`` draws.

    Args:
        fits: what ``solve`` returned, or a selection of it such as ``fits.sel(variant=…)``; of several cases, one.
        problem: the problem that was solved, whose loss is a ``SquaredError``, ``RobustError`` or ``PoissonDeviance``.
        log: whether the values on the curve are even in the logarithm of the predictor, over its positive ones.
    Returns:
        A Dataset with dims ``observation, x_dim, x_dim_2``, and ``point`` where there is a curve:

        - what ``uncertainty`` says of the best fit, and its ``x`` (x_dim) in [x];
        - ``observed`` and ``predicted`` (observation) in [y];
        - where the loss has a sigma, ``sigma`` (observation) in [y]; of counts it is the root of what is predicted;
        - where the loss is robust, ``weight`` (observation), how much each counts, 1 for what is well within f_scale;
        - where parameters go by groups, ``group`` (observation), in words;
        - of several responses, ``response`` (observation), which of them it is, and of a curve ``curve_response``
          (point);
        - where the problem is a ``problems.regression`` or ``problems.nist`` with one predictor: ``predictor``
          (observation), and the ``model`` (point) in [y] over 400 values ``grid`` (point) of its range, or of that of
          each group, one after the other, named by ``curve`` (point), with the bands of ``prediction`` (point) in [y],
          that of new observations only of a ``SquaredError`` without sigma.

        Attributes: ``problem``, ``response``, the name of what is observed with its units, ``predictor``, ``formula``
        and ``sigma``, the name of the standard deviations, each "" where there is none, ``absolute_sigma``, 0 or 1,
        the ``level`` of the bands, and of another loss than squares its kind as ``loss``, of a robust one ``f_scale``.
    Raises:
        ValueError: as ``best_fit`` and ``uncertainty`` do.
    Cost:
        Two Jacobians, one prediction and the Jacobian of the curve, in float64.
    """
    best = best_fit(fits)
    spread = uncertainty(best, problem)
    space, model = problem.chain.spaces[-1], model_of(problem)
    predicted, _, observed, residual, _ = judged(best, problem)
    predictor = _only_predictor(model)
    units = problem.units.get(space.name, "")
    columns: dict[str, Any] = {
        "x": best["x"].variable,
        "observed": ("observation", observed, {"units": units}),
        "predicted": ("observation", predicted, {"units": units}),
    }
    if problem.loss.sigma is not None:
        columns["sigma"] = ("observation", sigma_of(problem), {"units": units})
    said: dict[str, Any] = {}
    sigma = "" if problem.loss.sigma is None else (model.sigma if model else "sigma")
    if isinstance(problem.loss, PoissonDeviance):
        columns["sigma"], sigma = ("observation", np.sqrt(predicted), {"units": units}), "sqrt(predicted)"
        said = {"loss": "poisson"}
    if isinstance(problem.loss, RobustError):
        columns["weight"] = ("observation", weights_of(problem, residual))
        said = {"loss": problem.loss.kind, "f_scale": float(problem.loss.f_scale)}
    if model and (named := _joined(model, model.predictors)) is not None:
        columns["group"] = ("observation", named)
    if model and model.responses:
        columns["response"] = ("observation", model.predictors[model.responses.column])
    if model and predictor:
        at = _curves(model, predictor, log)
        bands = prediction(best, problem, at)
        columns |= {"predictor": ("observation", model.predictors[predictor]), "grid": ("point", at[predictor])}
        columns |= {} if (named := _joined(model, at)) is None else {"curve": ("point", named)}
        columns |= {"curve_response": ("point", at[model.responses.column])} if model.responses else {}
        columns["model"] = ("point", bands["predicted"].values)
        columns |= {name: bands[name].variable for name in BANDS if np.isfinite(bands[name]).any()}
    return spread.assign(columns).assign_attrs(
        response=model.response if model else " ".join([space.name, *([f"[{units}]"] if units else [])]),
        predictor=predictor,
        formula=model.formula.text if model else "",
        sigma=sigma,
        absolute_sigma=int(problem.loss.absolute_sigma),
        level=LEVEL,
        **said,
    )


def _only_predictor(model: Model | None) -> str:
    """The predictor in the formula where there is exactly one, else ""."""
    used = [name for name in model.formula.names if name in model.predictors] if model else []
    return used[0] if len(used) == 1 else ""


def _joined(model: Model, at: Mapping[str, np.ndarray], responses: bool = False) -> np.ndarray | None:
    """The group of each value of the predictors in words, of several groupings together: "A, north"; or None."""
    groups = [group for group in model.groups if responses or group != model.responses]
    words = [texts(at[column]) for column in dict.fromkeys(group.column for group in groups)]
    return np.array([", ".join(row) for row in zip(*words, strict=True)]) if words else None


def _along(known: np.ndarray, log: bool) -> np.ndarray:
    """Values over the range of these, even in their logarithm where that is asked for and they are positive."""
    known = known[np.isfinite(known)]
    shown = known[known > 0] if log and known.max() > 0 else known
    return (np.geomspace if log and shown.min() > 0 else np.linspace)(shown.min(), shown.max(), CURVE)


def _curves(model: Model, predictor: str, log: bool) -> dict[str, np.ndarray]:
    """Values of the predictor over its range, in each group over its own, and these groups."""
    known = model.predictors[predictor]
    names = _joined(model, model.predictors, responses=True)
    if names is None:
        return {predictor: _along(known, log)}
    first = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    grids = [_along(known[rows], log) for rows in first.values()]
    columns = {group.column for group in model.groups}
    rows = np.repeat([rows[0] for rows in first.values()], CURVE)
    return {name: model.predictors[name][rows] for name in columns} | {predictor: np.concatenate(grids)}
