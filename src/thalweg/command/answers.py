"""What is asked of the best fit, answered: intervals, derived quantities and predictions, and their lines."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg import analysis
from thalweg.analysis.components import names_of
from thalweg.analysis.derivation import read_derived
from thalweg.analysis.prediction import check_level
from thalweg.analysis.spread import check_plain
from thalweg.chain.problem import Problem
from thalweg.command.points import read_points
from thalweg.command.questions import Questions
from thalweg.fitting import reports
from thalweg.fitting.answers import Answers
from thalweg.fitting.sameness import is_regression
from thalweg.problems.models import model_of

MOST_ROWS = 20  # of predictions in the terminal
COLUMNS = ("predicted", "standard_error", "confidence_low", "confidence_high", "prediction_low", "prediction_high")


def check(questions: Questions, problems: Sequence[Problem], table: Mapping[str, Any], figure: bool) -> None:
    """ValueError, before any work is done, for what cannot be asked of a fit of these problems, drawn in a
    ``figure`` or not."""
    check_level(questions.level)
    for problem in problems if questions.asked else ():
        if not is_regression(problem):
            raise ValueError(
                f"{questions.asked[0]} was given, but {problem.name!r} is no regression; give a table with --model and "
                "--y, or leave it out."
            )
    if questions.predict is not None and questions.predict.suffix.lower() != ".csv":
        raise ValueError(f"{questions.predict} is no .csv file, but predictions are written so; let it end in .csv.")
    if questions.log is not None and not figure:
        raise ValueError("--log was given without --figure, whose axes it names; give --figure, too.")
    refusals = [refusal for problem in problems if (refusal := _refusal(questions, problem, table))]
    if len(refusals) == len(problems):  # of several models each has its own parameters
        raise ValueError(refusals[0])


def _refusal(questions: Questions, problem: Problem, table: Mapping[str, Any]) -> str:
    """Why these cannot be asked of a fit of this problem, or nothing."""
    asked = {
        "profile intervals": questions.profile,
        "bootstrap intervals": questions.bootstrap,
        "diagnostics": questions.diagnostics,
    }
    try:
        for what in (what for what, given in asked.items() if given):
            check_plain(problem, what)
        _read(questions, problem, table)
    except ValueError as error:
        return str(error)
    return ""


def _read(questions: Questions, problem: Problem, table: Mapping[str, Any]) -> tuple[dict[str, str], Any]:
    """The formulas of derived quantities, and the points of predictions, or None for the data."""
    formulas: dict[str, str] = {}
    for text in questions.derive:
        name, equals, formula = (part.strip() for part in text.partition("="))
        if not equals:
            raise ValueError(f'--derive is {text!r}, but it must be name=formula; write e.g. --derive "half=log(2)/k".')
        if name in formulas:
            raise ValueError(f"--derive of {name} is given twice; give it once.")
        formulas[name] = formula
    if formulas:
        read_derived(problem, formulas)
    model = model_of(problem)
    if questions.at and model is None:
        raise ValueError(f"--at was given, but {problem.name!r} has no predictors by name; leave it out.")
    return formulas, read_points(questions.at, model, table) if questions.at and model else None


def answers(fits: Any, problem: Problem, questions: Questions, key: int, bounded: bool, table: Any) -> Answers:
    """What is asked of the best of the fits, which is ``bounded`` by the domain or not."""
    level = questions.level
    if not _is_finite(fits):
        return Answers(level=level, refused="no fit is finite, so that there is nothing to ask of the best one")
    if refusal := _refusal(questions, problem, table):
        return Answers(level=level, refused=refusal)
    formulas, points = _read(questions, problem, table)
    n, kind = questions.bootstrap, questions.resample
    return Answers(
        analysis.profile_intervals(fits, problem, level, bounded) if questions.profile else None,
        analysis.bootstrap(fits, problem, n, key, kind, level, bounded) if n else None,
        analysis.derived(fits, problem, formulas, level) if formulas else None,
        _predicted(fits, problem, points, level) if questions.at or questions.predict else None,
        level,
    )


def _is_finite(fits: Any) -> bool:
    best = analysis.best_fit(fits)
    return bool(np.isfinite(best["loss"]) and np.isfinite(best["x"]).all())


def _predicted(fits: Any, problem: Problem, points: Any, level: float) -> Any:
    if points is None:
        return analysis.prediction(fits, problem, None, level)
    model, sigma = model_of(problem), problem.loss.sigma
    at = {name: points[name] for name in model.predictors if name in points} if model else {}
    errors = points.get(model.sigma) if model and model.sigma else None
    if errors is None and sigma is not None and np.ptp(sigma) == 0:  # of all observations, and so of others
        errors = float(np.ravel(sigma)[0])
    return analysis.prediction(fits, problem, at, level, errors)


def lines(known: Answers, fits: Any, problem: Problem) -> list[str]:
    """What is printed of it."""
    if known.refused:
        return ["", known.refused]
    parts = [_intervals(known, fits, problem), _derived(known), _predictions(known)]
    return [line for part in parts if part for line in ["", *part]]


def _intervals(known: Answers, fits: Any, problem: Problem) -> list[str]:
    if known.profile is None and known.bootstrap is None:
        return []
    best, share = analysis.best_fit(fits), f"{100 * known.level:g} %"
    errors = analysis.uncertainty(best, problem)["standard_error"].values
    names, head, below = names_of(problem), ["parameter", "value", "standard error"], list[str]()
    rows = [
        [name, f"{x:#.9g}", f"{error:#.5g}"] for name, x, error in zip(names, best["x"].values, errors, strict=True)
    ]
    if known.profile is not None:
        head.append(f"{share} profile")
        for name, row, one in zip(names, rows, known.profile.to_dict("records"), strict=True):
            row.append(_interval(one["lower"], one["upper"]))
            below += [f"{name}, {one['note']}"] if one["note"] else []
    if known.bootstrap is not None:
        draws = known.bootstrap
        head += [f"{share} bootstrap", "bootstrap error"]
        for i, row in enumerate(rows):
            row += [_interval(draws.lower.values[i], draws.upper.values[i]), f"{draws.standard_error.values[i]:#.5g}"]
        kept, many = int(draws.found.sum()), draws.sizes["draw"]
        lost = "" if kept == many else f", of which {many - kept} found no fit"
        below.append(f"the bootstrap is of {many} draws of {draws.attrs['kind']}{lost}")
    return [*reports.aligned([head, *rows]), *below]


def _interval(lower: Any, upper: Any) -> str:
    return " to ".join("?" if np.isnan(end) else f"{end:#.6g}" for end in (lower, upper))


def _derived(known: Answers) -> list[str]:
    if known.derived is None:
        return []
    head = ["derived", "value", "standard error", f"{100 * known.level:g} %"]
    rows = [
        [name, f"{one['value']:#.9g}", f"{one['standard_error']:#.5g}", _interval(one["lower"], one["upper"])]
        for name, one in known.derived.to_dict("index").items()
    ]
    return reports.aligned([head, *rows])


def _predictions(known: Answers) -> list[str]:
    if known.predicted is None:
        return []
    table = frame(known.predicted)
    shown = table.head(MOST_ROWS)
    share = f"{100 * known.level:g} %"
    predictors = [name for name in table.columns if name not in COLUMNS]
    head = [*predictors, "predicted", "standard error", f"{share} confidence", f"{share} prediction"]
    rows = [
        [
            *(row[name] if isinstance(row[name], str) else f"{row[name]:.6g}" for name in predictors),
            f"{row['predicted']:#.7g}",
            f"{row['standard_error']:#.5g}",
            *(_interval(row[f"{band}_low"], row[f"{band}_high"]) for band in ("confidence", "prediction")),
        ]
        for row in shown.to_dict("records")
    ]
    rest = [f"(the first {MOST_ROWS} of {len(table)} points)"] if len(table) > MOST_ROWS else []
    return [*reports.aligned([head, *rows]), *rest]


def frame(predicted: Any) -> Any:
    """Predictions as a table, predictors first."""
    return predicted.to_dataframe().reset_index(drop=True)
