"""Published nonlinear fits with their data: tables, models and answers, as ``data/README.md`` tells them."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from thalweg import formula
from thalweg.problems.tables import read_table

DATA = Path(__file__).with_name("data")


class Fit(NamedTuple):
    """A fit as it was published; numbers in quotes have the digits that were printed."""

    name: str
    table: str  # below data
    model: str
    y: str
    parameters: dict[str, str]
    rss: float  # the residual sum of squares of the minimum, to 12 digits
    source: str
    answer: str  # printed, package or computed
    printed_sigma: str | None = None  # the residual standard error
    printed_rss: str | None = None
    lower_rss: float | None = None  # of a minimum that is lower than the published one

    @property
    def path(self) -> Path:
        return DATA / self.table

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The columns that the fit uses, in float64."""
        table = read_table(self.path)
        words = {self.y, *re.findall(r"[^\W\d]\w*", self.model)}
        return {name: table[name] for name in table if name in words}

    @property
    def published(self) -> np.ndarray:
        return np.array([float(text) for text in self.parameters.values()])


class Model(NamedTuple):
    """Predictions of NumPy from the fit's formula, for the programs that are compared: model(x, p1, p2, …)."""

    formula: formula.Formula
    predictors: dict[str, np.ndarray]
    names: tuple[str, ...]
    size: int

    def __call__(self, _: np.ndarray, *values: float) -> np.ndarray:
        given = {name: np.asarray(value, float) for name, value in zip(self.names, values, strict=True)}
        with jax.enable_x64(True):  # of arrays of NumPy, the formula computes by NumPy, in their precision
            return np.broadcast_to(np.asarray(self.formula({**self.predictors, **given})), (self.size,))


def fits() -> list[Fit]:
    return [Fit(**row) for row in json.loads((DATA / "fits" / "index.json").read_text())]


def model(fit: Fit) -> tuple[Model, np.ndarray]:
    """Its predictions and the observations."""
    columns = fit.columns
    y = columns.pop(fit.y)
    names = tuple(fit.parameters)
    return Model(formula.parse(fit.model, [*columns, *names]), columns, names, len(y)), y
