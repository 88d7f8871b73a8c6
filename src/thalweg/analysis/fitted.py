"""The best fit beside its data: what was observed, what the model predicts, and its curve."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.analysis.uncertainties import best_fit, uncertainty
from thalweg.chain.problem import Problem
from thalweg.problems.regressions import Model, model_of

CURVE = 400  # points on the curve of a model


def fitted(fits: xr.Dataset, problem: Problem) -> xr.Dataset:
    """The best of the fits beside the data of the problem, which is what ``plot.fit`` draws.

    Args:
        fits: what ``solve`` returned, or a selection of it such as ``fits.sel(variant=…)``; of several cases, one.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
    Returns:
        A Dataset with dims ``observation, x_dim, x_dim_2``, and ``point`` where there is a curve:

        - what ``uncertainty`` says of the best fit, and its ``x`` (x_dim) in [x];
        - ``observed`` and ``predicted`` (observation) in [y];
        - where the loss has a sigma, ``sigma`` (observation) in [y];
        - where the problem is a ``problems.regression`` or ``problems.nist`` with one predictor: ``predictor``
          (observation), and the ``model`` (point) in [y] over 400 values ``grid`` (point) of its range.

        Attributes: ``problem``, ``response``, the name of what is observed with its units, ``predictor``, ``formula``
        and ``sigma``, the name of the standard deviations, each "" where there is none, and ``absolute_sigma``, 0 or 1.
    Raises:
        ValueError: as ``best_fit`` and ``uncertainty`` do.
    Cost:
        One Jacobian, one prediction and the values of the curve, in float64.
    """
    best = best_fit(fits)
    spread = uncertainty(best, problem)
    x, space = np.asarray(best["x"], np.float64), problem.chain.spaces[-1]
    model = model_of(problem)
    predictor = _only_predictor(model)
    known = model.predictors[predictor] if model and predictor else np.empty(0)
    grid = np.linspace(known.min(), known.max(), CURVE) if known.size else known
    with jax.enable_x64(True):
        drawn = jax.jit(_drawn(problem, model if predictor else None, predictor))
        predicted, observed, curve = (np.asarray(values) for values in drawn(x, grid))
    units = problem.units.get(space.name, "")
    columns: dict[str, Any] = {
        "x": best["x"].variable,
        "observed": ("observation", observed, {"units": units}),
        "predicted": ("observation", predicted, {"units": units}),
    }
    if problem.loss.sigma is not None:
        sigma = np.broadcast_to(problem.loss.sigma, space.shapes[0]).ravel()
        columns["sigma"] = ("observation", np.asarray(sigma, np.float64), {"units": units})
    if known.size:
        columns |= {"predictor": ("observation", known), "grid": ("point", grid), "model": ("point", curve)}
    return spread.assign(columns).assign_attrs(
        response=model.response if model else " ".join([space.name, *([f"[{units}]"] if units else [])]),
        predictor=predictor,
        formula=model.formula.text if model else "",
        sigma="" if problem.loss.sigma is None else (model.sigma if model else "sigma"),
        absolute_sigma=int(problem.loss.absolute_sigma),
    )


def _only_predictor(model: Model | None) -> str:
    """The predictor in the formula where there is exactly one, else ""."""
    used = [name for name in model.formula.names if name in model.predictors] if model else []
    return used[0] if len(used) == 1 else ""


def _drawn(problem: Problem, model: Model | None, predictor: str) -> Callable[[Array, Array], tuple[Array, ...]]:
    """A function of x and of values of the predictor: what is predicted, what was observed, and the curve."""

    def at(x: Array, grid: Array) -> tuple[Array, ...]:
        observed = problem.newton_in_y(jnp.zeros(problem.chain.spaces[-1].size))  # the step from 0 to the target
        curve = grid
        if model is not None:
            parameters = dict(zip(model.parameters, x, strict=True))
            curve = model.predict(parameters, {predictor: grid}, grid.shape)
        return problem.forward(x), observed, curve

    return at
