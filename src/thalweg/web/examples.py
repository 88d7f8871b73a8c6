"""Tables to begin with: measured ones that NIST published, and one that a formula made."""

from collections.abc import Callable
from typing import Any

import numpy as np

from thalweg.problems import misra1a
from thalweg.problems.models import model_of

POINTS, NOISE = 60, 0.15
TRUTH = {"a": 5.0, "k": 0.35, "c": 1.0}


def _misra1a() -> dict[str, Any]:
    model = model_of(misra1a())
    assert model is not None
    return {"text": _csv({"x": model.predictors["x"], "y": model.observed}), "model": "b1*(1-exp(-b2*x))", "y": "y"}


def _decay() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    t = np.sort(draw.uniform(0, 12, POINTS)).round(2)
    y = TRUTH["a"] * np.exp(-TRUTH["k"] * t) + TRUTH["c"] + draw.normal(0, NOISE, POINTS)
    y[[7, 31, 52]] += [2.5, -1.5, 3.0]  # outliers, of which a robust loss takes no notice
    return {"text": _csv({"t": t, "y": y.round(3)}), "model": "a*exp(-k*t) + c", "y": "y"}


def _csv(columns: dict[str, np.ndarray]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(f"{value:.6g}" for value in row) for row in rows), ""])


EXAMPLES: dict[str, Callable[[], dict[str, Any]]] = {"Misra1a": _misra1a, "decay with outliers": _decay}
