"""What other programs say of fits of the corpus: parameters, errors, bands, profile intervals (``data/README.md``)."""

import json
from typing import Any

import numpy as np
import published

import thalweg as tw

FITS = {fit.name: fit for fit in published.fits()}
BANDS = ("confidence_low", "confidence_high", "prediction_low", "prediction_high")


def rows() -> list[dict[str, Any]]:
    return json.loads((published.DATA / "agreement.json").read_text())


def row(fit: str, program: str, sigma: Any = None) -> dict[str, Any]:
    return next(r for r in rows() if (r["fit"], r["program"], r.get("sigma")) == (fit, program, sigma))


def problem(name: str, sigma: Any = None) -> tw.Problem:
    """The regression, from the published parameters on: sigma is relative as a word, and absolute as a number."""
    fit, columns = FITS[name], FITS[name].columns
    start = {key: float(text) for key, text in fit.parameters.items()}
    weights = {"sigma": np.sqrt(columns["rate"])} if sigma == "sqrt(rate)" else {}
    if isinstance(sigma, float):
        weights = {"sigma": sigma, "absolute_sigma": True}
    return tw.problems.regression(columns, fit.model, fit.y, start=start, **weights)


def model(name: str) -> tuple[published.Model, np.ndarray, np.ndarray]:
    """Predictions of NumPy, the observations, and the published parameters."""
    return *published.model(FITS[name]), FITS[name].published


def at(row: dict[str, Any]) -> dict[str, list[float]]:
    """Where its bands are given."""
    (predictor,) = published.model(FITS[row["fit"]])[0].predictors
    return {predictor: row["at"]}
