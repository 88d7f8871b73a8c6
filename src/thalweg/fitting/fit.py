"""``fit``: a model and a table, and all that is to be known of the best parameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import pandas as pd
import xarray as xr

from thalweg import analysis, tolerances
from thalweg.chain.problem import Problem
from thalweg.fitting import files, reports
from thalweg.fitting.search import MOST_STEPS, REGRESSION, Search, search
from thalweg.methods.levenberg_marquardt import LevenbergMarquardt
from thalweg.methods.method import Method
from thalweg.problems.models import model_of
from thalweg.problems.regressions import regression
from thalweg.verbs.solve import solve

FIGURES = (".jpg", ".pdf", ".png", ".svg")


@final
@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """The fit of a model to a table: the problem, every fit that was made, and what the best of them says.

    It prints as its report: parameters with standard errors, what is left, and how sure it is that the best is the
    best. All of ``analysis`` and ``plot`` takes ``fit.fits, fit.problem``.

    Args:
        problem: the regression.
        fits: what ``solve`` returned.
        search: what a search for the start saw, None where a start was given.
    """

    problem: Problem
    fits: xr.Dataset
    search: Search | None = None

    @property
    def best(self) -> xr.Dataset:
        """The fit of the lowest loss."""
        return analysis.best_fit(self.fits)

    @property
    def parameters(self) -> dict[str, float]:
        """The best parameters by name, in [x]."""
        best = self.best
        return dict(zip(map(str, best.x_dim.values), map(float, best.x.values), strict=True))

    @property
    def standard_errors(self) -> dict[str, float]:
        """The standard error of each parameter, in [x] (``analysis.uncertainty``)."""
        errors = analysis.uncertainty(self.best, self.problem).standard_error
        return dict(zip(map(str, errors.x_dim.values), map(float, errors.values), strict=True))

    @property
    def table(self) -> pd.DataFrame:
        """Value, standard error and a note for each parameter (``analysis.fit_table``)."""
        return analysis.fit_table(self.fits, self.problem)

    @property
    def report(self) -> dict[str, Any]:
        """All that is known, as plain numbers (``analysis.fit_report``)."""
        return analysis.fit_report(self.fits, self.problem)

    @property
    def succeeded(self) -> bool:
        """Whether a fit came to an end, at a minimum or where rounding rules."""
        return reports.succeeded(self.fits, {})

    def predict(self, at: Mapping[str, Any] | None = None, level: float = 0.95) -> xr.Dataset:
        """The model at new values of its predictors, with its bands (``analysis.prediction``)."""
        return analysis.prediction(self.fits, self.problem, at, level)

    def plot(self) -> Any:
        """The figure of the best fit over its data (``plot.fit``)."""
        from thalweg import plot

        return plot.fit(self.fits, self.problem)

    def save(self, file: str | Path) -> None:
        """Write a file by its ending: .csv the table, .json the report, .nc every fit, .png, .svg, .pdf the figure."""
        path = Path(file)
        if path.suffix.lower() in FIGURES:
            self.plot().savefig(path, dpi=150)
        elif path.suffix.lower() in (*files.OF_A_FIT, ".nc"):
            files.write_fits(self.fits, self.problem, path)
        else:
            raise ValueError(f"{path} has no ending that says what it holds; let it end in .csv, .json, .nc or .png.")

    def __repr__(self) -> str:
        heading, *lines = reports.report(self.fits, self.problem)
        model = model_of(self.problem)
        told = [model.told] if model and model.told else []
        return "\n".join([heading, *told, *reports.searched(self.search, self.problem), *lines])


def fit(
    data: Any,
    model: str | Mapping[str, str],
    y: str | Sequence[str] | None = None,
    start: Mapping[str, float] | None = None,
    domain: Mapping[str, tuple[float, float]] | None = None,
    *,
    method: Method | None = None,
    until: tolerances.Condition | None = None,
    max_steps: int = MOST_STEPS,
    max_seconds: float | None = None,
    key: int = 0,
    dtype: Any = None,
    **more: Any,
) -> Fit:
    """Fit a formula to a table by least squares, from wherever it takes: the least |(y - model(x)) / sigma|^2.

    Parameters are x, each in its own [x], predictions in the [y] of the column, and [L] = [y]^2 without sigma.
    Without a start for each parameter, thousands of points whose scales come from data and formula are drawn
    (``problems.guesses``), and the best of them fitted; what is given of starts, ranges and bounds is kept to.

    Args:
        data, model, y, start, domain: as ``problems.regression`` has them.
        method: ``LevenbergMarquardt``, bounded where bounds are given, if None.
        until: when a fit is done (``tolerances``).
        max_steps: of one fit.
        max_seconds: for one round of fits, in s; None for no limit.
        key: the seed of the search, a whole number, 0 or more.
        dtype: "float32" or "float64", which is also what None means.
        more: of ``problems.regression``: bounds, fixed, sigma, absolute_sigma, where, rename, missing, ….
    Returns:
        A ``Fit``: prints as its report; ``parameters``, ``standard_errors``, ``table``, ``report``, ``predict``,
        ``plot``, ``save``, and the ``problem`` and ``fits`` for everything else.
    Raises:
        ValueError: as ``problems.regression`` and ``solve`` do.
    Cost:
        Of the search, 4096 sums of squares and 64 fits, up to four times as many where few of them agree.
    Source:
        Golub and Pereyra (1973) for the parameters in which the formula is linear; Boender and Rinnooy Kan (1987),
        Mathematical Programming 37, for what may not have been seen.
    Example:
        >>> t = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 8.0])
        >>> table = {"t": t, "y": 300 * np.exp(-0.5 * t) + np.array([1.0, -2.0, 0.5, 1.0, -1.0, 0.5])}
        >>> found = tw.fit(table, "a*exp(-k*t)", y="y")
        >>> {name: round(value, 2) for name, value in found.parameters.items()}
        {'a': 300.35, 'k': 0.5}
    """
    problem = regression(data, model, y, start, domain, **more)
    settings: dict[str, Any] = {
        "until": REGRESSION if until is None else until,
        "max_seconds": max_seconds,
        "dtype": dtype,
    }
    return fit_of(problem, method, key=key, max_steps=max_steps, **settings)


def fit_of(problem: Problem, method: Method | None = None, **settings: Any) -> Fit:
    """The fit of a ``regression``; ``settings`` as ``solve`` has them."""
    known = model_of(problem)
    assert known is not None
    named = {"levenberg_marquardt": LevenbergMarquardt(bounded=known.bounded) if method is None else method}
    settings = {"until": REGRESSION, "max_steps": MOST_STEPS} | settings
    if known.started >= set(known.parameters):
        return Fit(problem, solve(problem, named, **settings))
    return Fit(problem, *search(problem, named, **settings))
