"""``--at``: values of predictors, typed or of a table, at which a fit predicts.

"x=0:10:0.5" goes from 0 to 10 by 0.5, "x=0:10" by a twentieth of the way, "x=1,2,5" are numbers; with several
predictors every combination is meant.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.command import words
from thalweg.numerics.reading import nearest
from thalweg.problems.cells import DATES
from thalweg.problems.models import Model
from thalweg.problems.tables import STANDARD_INPUT, read_table
from thalweg.words import library
from thalweg.words.parameters import number

POINTS = 21  # of a range without a step
MOST = 1_000_000  # points in all
NAMED = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\"|([^=]*?))\s*=(.*)", re.DOTALL)


def read_points(given: Sequence[str], model: Model, table: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Columns of values (n,) of each predictor, and where a table has it that of the errors; ``table`` says how it is
    read."""
    values: dict[str, np.ndarray] = {}
    for text in given:
        if text == STANDARD_INPUT:
            raise ValueError("--at is '-', but it reads no standard input; give a file, or values by predictor.")
        named = NAMED.fullmatch(text)
        name = next((part for part in named.groups()[:3] if part), "") if named else ""
        if named is None or (name not in model.predictors and words.is_table(text, "")):
            if len(given) > 1:
                raise ValueError(f"--at has the table {text} beside others; give it alone, or values by predictor.")
            return _of_table(text, model, table)
        if name not in model.predictors:
            raise ValueError(nearest(name, model.predictors, "a predictor of the model"))
        if name in values:
            raise ValueError(f"--at of {name} is given twice; give it once.")
        worded = model.predictors[name].dtype.kind == "U"
        values[name] = np.array(library.split(named[4], ",")) if worded else _values(named[4], name)
    for name in _needed(model):
        if name not in values:
            raise ValueError(f'--at has no values of {name!r}, which the model predicts from; add --at "{name}=1".')
    count = int(np.prod([float(column.size) for column in values.values()]))
    if count > MOST:
        raise ValueError(f"--at has {count} points, but up to {MOST} are predicted; take longer steps.")
    grid = np.meshgrid(*values.values(), indexing="ij")
    return {name: column.ravel() for name, column in zip(values, grid, strict=True)}


def _needed(model: Model) -> list[str]:
    """The predictors of which points need values: all, but words of groups and responses, of which else every one is
    meant."""
    return [name for name, column in model.predictors.items() if column.dtype.kind != "U"]


def _values(text: str, name: str) -> np.ndarray:
    """Numbers between commas, or from low to high by steps."""
    what = f"--at of {name}"
    if any(date.fullmatch(text.strip()) for date in DATES):
        raise ValueError(
            f"{what} is {text.strip()!r}, but the model has its dates in numbers, as the line on the table says; give "
            f"such a number, e.g. {name}=0.5."
        )
    parts = text.split(":")
    if len(parts) == 1:
        return np.array([number(word.strip(), what) for word in library.split(text, ",")])
    if len(parts) > 3:
        raise ValueError(f"{what} is {text!r}, but it must be low:high:step; write e.g. {name}=0:10:0.5.")
    low, high, *rest = (number(part.strip(), what) for part in parts)
    if not rest:
        return np.linspace(low, high, POINTS)
    steps = (high - low) / rest[0] if rest[0] else -1.0
    if not 0 <= steps < MOST:
        raise ValueError(
            f"{what} goes from {low:g} to {high:g} by {rest[0]:g}, which does not lead there in {MOST} steps; write "
            f"e.g. {name}=0:10:0.5."
        )
    return low + rest[0] * np.arange(int(steps * (1 + 1e-12) + 1e-9) + 1)


def _of_table(path: str, model: Model, how: Mapping[str, Any]) -> dict[str, np.ndarray]:
    reading = {name: how[name] for name in ("missing", "decimal") if name in how}
    try:
        table = read_table(path, **reading)
    except ValueError:
        if "names" not in how:
            raise
        table = read_table(path, names=how["names"], **reading)  # laid out as the data are
    if renames := {new: old for new, old in how.get("rename", {}).items() if old in table}:
        table = table.renamed(renames)
    values = {}
    for name in [*_needed(model), *([model.sigma] if model.sigma in table else [])]:
        if name not in table:
            raise ValueError(f"{path} has no column {name!r}, which the model predicts from; add it.")
        if meaning := table.read(name)[1]:
            raise ValueError(
                f"column {name!r} of {path} is read in {meaning}, which may begin elsewhere than in the data; give "
                "numbers as the model has them."
            )
        values[name] = table[name]
    worded = [name for name in model.predictors if name not in values and name in table]
    return values | {name: np.array(table.text(name)) for name in worded}
