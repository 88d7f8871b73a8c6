"""A model fitted to a table that a page sends as text: what a person can choose, and what is known of the best fit."""

import re
from collections.abc import Callable, Mapping
from typing import Any, final

import numpy as np

from thalweg import analysis
from thalweg.chain.losses import OfTarget, SquaredError
from thalweg.chain.problem import Problem
from thalweg.fitting import reports
from thalweg.fitting.fit import Fit, fit_of
from thalweg.numerics.reading import nearest
from thalweg.problems.models import model_of
from thalweg.problems.regressions import regression
from thalweg.problems.tables import Table, table_of
from thalweg.web.examples import EXAMPLES
from thalweg.web.scene import Scene, word
from thalweg.words.library import split
from thalweg.words.parameters import number

TEXT = 2 << 20  # bytes of a table
CELLS = 100_000
BLANK = 1000  # lines of a table that are empty
LOSSES = ("linear", "soft_l1", "huber", "cauchy", "arctan")
PARAMETERS = 40
SHOWN = 8  # parameters in a matrix of correlations
NAME = 120  # characters of the name of a table
BETWEEN = re.compile(r"[,;|]|\s+")

View = dict[str, Any]
Tell = Callable[[int, int], bool]


@final
class Fits:
    """Answers about tables of a page; the last fit is kept, so that looking at it otherwise costs nothing."""

    def __init__(self) -> None:
        self._last: tuple[Any, Fit] | None = None

    def columns(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """What a table has; or an example by its name, with its text and a model of it."""
        chosen = more.get("example")
        if chosen is not None and (not isinstance(chosen, str) or chosen not in EXAMPLES):
            raise ValueError(nearest(str(chosen)[:40], EXAMPLES, "an example"))
        given = {"name": f"{chosen}.csv", **EXAMPLES[chosen]()} if chosen is not None else {}
        table = _table({**more, **given})
        numeric = [name for name in table if _is_numeric(table, name)]
        if len(numeric) < 2:
            raise ValueError(
                f"the table has {len(numeric)} columns of numbers ({str(table)[:NAME]}), but a fit needs two, such as "
                "x and y; give a line of names and a line for each observation."
            )
        return {
            **given,
            "columns": list(table),
            "numeric": numeric,
            "told": str(table),
            "examples": list(EXAMPLES),
        }

    def fit(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """The best fit beside its data, its parameters with standard errors, and how every start ended."""
        log = more.get("log", False)
        if not isinstance(log, bool):
            raise ValueError(f"log is {log!r}, but it is true or false; give one of these.")
        asked = (scene.key, *(more.get(name) for name in ("table", "name", "model", "y", "start", "bounds", "sigma")))
        asked = (*asked, more.get("loss"), more.get("scale"))
        if self._last is None or self._last[0] != asked:
            found = fit_of(_problem(more), key=scene.key, progress=tell)
            if "interrupted" in found.fits.attrs and not np.isfinite(found.fits["loss"].values).any():
                raise KeyboardInterrupt
            self._last = (asked if "interrupted" not in found.fits.attrs else None), found
        return _view(self._last[1], log)

    @property
    def last(self) -> Any:
        """The fits of the last one."""
        if self._last is None:
            raise ValueError("nothing has been fitted; fit something first.")
        return self._last[1].fits


def _table(more: Mapping[str, Any]) -> Table:
    """The table that a text is; ValueError for a long one before it is read."""
    text, name = more.get("text", more.get("table")), more.get("name") or "table"
    if not isinstance(text, str) or not text.strip():
        raise ValueError("there is no table; choose a file, paste one, or take the example.")
    if not isinstance(name, str) or len(name) > NAME:
        raise ValueError(f"the name of the table has more than {NAME} characters; give a shorter one.")
    if (size := len(text.encode("utf-8", "replace"))) > TEXT:
        raise ValueError(
            f"the table has {size / 2**20:.1f} MB, but a page takes up to {TEXT >> 20} MB; use thalweg solve for it."
        )
    if (cells := sum(1 for _ in BETWEEN.finditer(text.strip())) + 1) > CELLS:
        raise ValueError(
            f"the table has {cells:,} cells, but a page takes up to {CELLS:,}; leave out columns or rows, or use "
            "thalweg solve for it."
        )
    if (blank := sum(not line.strip() for line in text.splitlines())) > BLANK:
        raise ValueError(f"the table has {blank:,} empty lines, but a page takes up to {BLANK}; leave them out.")
    return table_of(text, name)


def _is_numeric(table: Table, name: str) -> bool:
    try:
        return bool(np.isfinite(table.read(name)[0]).any())
    except ValueError:
        return False


def _problem(more: Mapping[str, Any]) -> Problem:
    """The regression that the fields of a page ask for."""
    table = _table(more)
    model, y, start, bounds, others = settings(more)
    problem = regression(table, model, y, start, bounds=bounds, **others)
    if problem.dimension > PARAMETERS:
        raise ValueError(
            f"the model has {problem.dimension} parameters, but a page fits up to {PARAMETERS}; use thalweg solve."
        )
    return problem


def settings(more: Mapping[str, Any]) -> tuple[str, str, Any, Any, dict[str, Any]]:
    """The model, what it predicts, starts, bounds and what else there is, as ``tw.fit`` takes them."""
    others = dict[str, Any]()
    model, y = word(more.get("model"), "the model"), word(more.get("y"), "the column that the model predicts")
    if sigma := more.get("sigma"):
        others["sigma"] = word(sigma, "the column of standard deviations")
    loss = more.get("loss") or "linear"
    if not isinstance(loss, str) or loss not in LOSSES:
        raise ValueError(nearest(str(loss)[:40], LOSSES, "a loss"))
    if loss != "linear":
        others |= {"loss": loss, "f_scale": number(word(more.get("scale") or "1", "the scale"), "the scale")}
    return model, y, _starts(more.get("start") or ""), _bounds(more.get("bounds") or ""), others


def _pairs(text: Any, what: str, example: str) -> list[tuple[str, str]]:
    """name=value between commas, each name once."""
    pairs = []
    for part in split(word(text, what), ","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not name or not equals or not value:
            raise ValueError(f"{what} has {part.strip()!r} where {example} is due; write e.g. {example}.")
        if name in dict(pairs):
            raise ValueError(f"{what} has {name} twice; give it once.")
        pairs.append((name, value))
    return pairs


def _starts(text: Any) -> dict[str, float] | None:
    if not text:
        return None
    return {name: number(value, f"the start of {name}") for name, value in _pairs(text, "start", "a=5")}


def _bounds(text: Any) -> dict[str, tuple[float | None, float | None]] | None:
    if not text:
        return None
    bounds = {}
    for name, value in _pairs(text, "bounds", "k=0:10"):
        low, colon, high = (piece.strip() for piece in value.partition(":"))
        if not colon or not (low or high):
            raise ValueError(f"bounds have {name}={value} where low:high is due; write e.g. {name}=0:10 or {name}=0:.")
        ends = [number(end, f"the bound of {name}") if end else None for end in (low, high)]
        bounds[name] = ends[0], ends[1]
    return bounds


def _view(found: Fit, log: bool) -> View:
    fits, problem = found.fits, found.problem
    model = model_of(problem)
    assert model is not None
    best = analysis.fitted(fits, problem, log)
    table = analysis.fit_table(fits, problem)
    free = np.flatnonzero(np.isfinite(best["standard_error"].values))
    shown = free if 1 < len(free) <= SHOWN else free[:0]
    known = analysis.criteria(fits, problem).to_dict()
    names = [str(name) for name in best["x_dim"].values]
    return {
        "parameters": [str(name) for name in table.index[:-2]],
        "values": table["value"].to_numpy(float)[:-2],
        "errors": table["standard_error"].to_numpy(float)[:-2],
        "notes": [str(note) for note in table["note"]][:-2],
        "correlated": [names[i] for i in shown],
        "correlations": best["correlation"].values[np.ix_(shown, shown)],
        "criteria": [[str(name), float(value)] for name, value in known.items() if np.isfinite(value)],
        "told": model.told,
        "formula": model.text,
        "searched": reports.searched(found.search, problem),
        "succeeded": found.succeeded,
        "interrupted": "interrupted" in fits.attrs,
        **_drawn(best, problem),
        **_outcomes(fits),
    }


def _drawn(best: Any, problem: Problem) -> View:
    """What was observed, what is predicted, and the curve where there is one predictor."""
    assert isinstance(problem.loss, OfTarget)
    view: View = {name: best[name].values for name in ("observed", "predicted", "sigma", "weight") if name in best}
    deviation = float(best["residual_standard_deviation"])
    if "sigma" in view and not problem.loss.absolute_sigma:
        view["sigma"] = deviation * view["sigma"]
    bands = ("confidence_low", "confidence_high", "prediction_low", "prediction_high")
    view |= {name: best[name].values for name in ("grid", "model", *bands) if name in best}
    if "predictor" in best:
        view["across"] = best["predictor"].values
    plain = isinstance(problem.loss, SquaredError) and problem.loss.sigma is None
    return view | {
        "response": best.attrs["response"],
        "predictor": best.attrs["predictor"],
        "level": best.attrs["level"],
        "deviation": deviation if plain else np.nan,
    }


def _outcomes(fits: Any) -> View:
    """The loss where each start ended, the lowest first, and what became of it."""
    losses, codes = np.ravel(fits["loss"].values), np.ravel(fits["outcome"].values)
    order = np.argsort(np.where(np.isfinite(losses), losses, np.inf), kind="stable")
    return {
        "losses": losses[order].astype(float),
        "outcomes": codes[order].astype(np.int32),
        "meanings": str(fits["outcome"].attrs["flag_meanings"]).split(),
        "steps": np.ravel(fits["steps"].values)[order].astype(np.int32),
    }
