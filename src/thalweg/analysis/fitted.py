"""The best fit beside its data: what was observed, what the model predicts, and its curve."""

from typing import Any

import numpy as np
import xarray as xr

from thalweg.analysis.prediction import LEVEL, prediction
from thalweg.analysis.spread import judged, sigma_of, weights_of
from thalweg.analysis.uncertainties import best_fit, uncertainty
from thalweg.chain.losses import RobustError
from thalweg.chain.problem import Problem
from thalweg.problems.regressions import Model, model_of

BANDS = ("confidence_low", "confidence_high", "prediction_low", "prediction_high")
CURVE = 400  # points on the curve of a model


def fitted(fits: xr.Dataset, problem: Problem, log: bool = False) -> xr.Dataset:
    """The best of the fits beside the data of the problem, which is what ``plot.fit`` draws.

    Args:
        fits: what ``solve`` returned, or a selection of it such as ``fits.sel(variant=…)``; of several cases, one.
        problem: the problem that was solved, whose loss is a ``SquaredError`` or ``RobustError``.
        log: whether the values on the curve are even in the logarithm of the predictor, over its positive ones.
    Returns:
        A Dataset with dims ``observation, x_dim, x_dim_2``, and ``point`` where there is a curve:

        - what ``uncertainty`` says of the best fit, and its ``x`` (x_dim) in [x];
        - ``observed`` and ``predicted`` (observation) in [y];
        - where the loss has a sigma, ``sigma`` (observation) in [y];
        - where the loss is robust, ``weight`` (observation), how much each counts, 1 for what is well within f_scale;
        - where the problem is a ``problems.regression`` or ``problems.nist`` with one predictor: ``predictor``
          (observation), and the ``model`` (point) in [y] over 400 values ``grid`` (point) of its range, with the bands
          of ``prediction`` (point) in [y], that of new observations only where the loss has no sigma and is not robust.

        Attributes: ``problem``, ``response``, the name of what is observed with its units, ``predictor``, ``formula``
        and ``sigma``, the name of the standard deviations, each "" where there is none, ``absolute_sigma``, 0 or 1,
        the ``level`` of the bands, and of a robust loss its kind as ``loss`` and ``f_scale``.
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
    known = model.predictors[predictor] if model and predictor else np.empty(0)
    units = problem.units.get(space.name, "")
    columns: dict[str, Any] = {
        "x": best["x"].variable,
        "observed": ("observation", observed, {"units": units}),
        "predicted": ("observation", predicted, {"units": units}),
    }
    if problem.loss.sigma is not None:
        columns["sigma"] = ("observation", sigma_of(problem), {"units": units})
    robust: dict[str, Any] = {}
    if isinstance(problem.loss, RobustError):
        columns["weight"] = ("observation", weights_of(problem, residual))
        robust = {"loss": problem.loss.kind, "f_scale": float(problem.loss.f_scale)}
    if known.size:
        shown = known[known > 0] if log and known.max() > 0 else known
        grid = (np.geomspace if log and shown.min() > 0 else np.linspace)(shown.min(), shown.max(), CURVE)
        bands = prediction(best, problem, {predictor: grid})
        columns |= {"predictor": ("observation", known), "grid": ("point", grid)}
        columns["model"] = ("point", bands["predicted"].values)
        columns |= {name: bands[name].variable for name in BANDS if np.isfinite(bands[name]).any()}
    return spread.assign(columns).assign_attrs(
        response=model.response if model else " ".join([space.name, *([f"[{units}]"] if units else [])]),
        predictor=predictor,
        formula=model.formula.text if model else "",
        sigma="" if problem.loss.sigma is None else (model.sigma if model else "sigma"),
        absolute_sigma=int(problem.loss.absolute_sigma),
        level=LEVEL,
        **robust,
    )


def _only_predictor(model: Model | None) -> str:
    """The predictor in the formula where there is exactly one, else ""."""
    used = [name for name in model.formula.names if name in model.predictors] if model else []
    return used[0] if len(used) == 1 else ""
