"""Nonlinear regression: a formula of predictors and parameters, fitted to a table of observations."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg import formula
from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.formula import Formula
from thalweg.numerics.reading import nearest, real
from thalweg.problems import conditions, naming
from thalweg.problems.tables import Table, read_table, renamed


@runtime_checkable
class Columns(Protocol):
    """What a table of observations is: columns by name, as a dict of arrays or a data frame of pandas has them."""

    def keys(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __getitem__(self, name: Any, /) -> Any: ...


@final
@dataclass(frozen=True, eq=False)
class Model:
    """What a formula predicts for m observations: a function of the dict of its d parameters, with the data.

    The data are kept in float64, and the prediction, shape (m,), is in the dtype of the parameters.
    """

    formula: Formula
    parameters: tuple[str, ...]
    predictors: dict[str, np.ndarray]  # each (m,)
    response: str  # the name of what is observed
    observed: np.ndarray  # (m,)
    told: str = ""  # what was read of the table and what was left out, in one line

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        dtype = jnp.result_type(*parameters.values())
        # As NumPy's they are data to the formula, which by their zeros knows what does not depend on a parameter.
        predictors = {name: np.asarray(values, dtype) for name, values in self.predictors.items()}
        return jnp.broadcast_to(self.formula({**parameters, **predictors}), self.observed.shape)

    def problem(
        self,
        name: str,
        start: np.ndarray,
        domain: tuple[np.ndarray, np.ndarray] | None,
        minima: Sequence[np.ndarray] = (),
    ) -> Problem:
        """The sum of squares of observed minus predicted, from vectors of d parameters."""
        return Problem(
            Stage(self),
            loss=SquaredError(target=self.observed),
            start=self._point(start),
            minima=[self._point(minimum) for minimum in minima],
            domain=None if domain is None else (self._point(domain[0]), self._point(domain[1])),
            name=name,
        )

    def _point(self, values: np.ndarray) -> dict[str, float]:
        # JAX sorts the keys of a dict as text, b10 before b2, and leaves those of an OrderedDict as they are.
        kind = dict if list(self.parameters) == sorted(self.parameters) else OrderedDict
        return kind(zip(self.parameters, values.tolist(), strict=True))


def regression(
    data: str | Path | Columns,
    model: str,
    y: str,
    start: Mapping[str, float] | None = None,
    domain: Mapping[str, tuple[float, float]] | None = None,
    *,
    where: str | None = None,
    rename: Mapping[str, str] | None = None,
    missing: Sequence[str | float] = (),
    names: Sequence[str] | None = None,
    decimal: str | None = None,
) -> Problem:
    """L(b) = sum over m observations of (y_i - model(x_i; b))^2, from a table and a formula.

    Names in the model that are columns are predictors; every other name is one of the d parameters. x is the dict of
    the parameters, b2 before b10, each in its own [x], and y the predictions, shape (m,), in the [y] of the column;
    [L] = [y]^2. No minimum is stated.

    Args:
        data: the path of a file, as ``read_table`` reads it: separated by commas, semicolons, tabs or blanks, with
            decimal points or commas, .xlsx, .parquet; or a mapping of columns, each of shape (m,), such as a dict of
            arrays or a data frame. Rows of a file in which a column that is used has no number (NA, an empty cell) are
            left out; what was read stands in ``problem.stages[0].forward.told``.
        model: a formula (``thalweg.formula``) of the predicted response, such as "b1*(1-exp(-b2*x))". A column with
            blanks or signs in its name stands in quotes: "a + b*'CO(GT)'".
        y: the column that it predicts.
        start: of parameters by name, in [x]. Else it is the middle of the parameter's range in domain, else 1.
        domain: ranges (low, high) of parameters by name, in [x], from which random starts are drawn. They bound the fit
            with methods that are ``bounded`` or search without a gradient, no others. Else a range is from a tenth of
            the start to ten times the start, of the same sign, and (-1, 1) where the start is 0.
        where: which rows to use: comparisons of formulas of the columns, such as "0<x<5 and site=='north'".
        rename: other names of columns: {"t": "decimal date"}.
        missing: marks of missing cells of a file, beside the usual ones: [-200].
        names: of the columns of a file that has none.
        decimal: "." or ",", where the cells of a file leave it open.
    Raises:
        ValueError: where the file is no table, or a cell can be two numbers; for a name that can be a constant of the
            language or a parameter, as e, and has neither start nor range; for a column that is missing or not of
            finite numbers; where the formula cannot be read, has no parameter, names y, or names no column of several;
            for a start or a range of what is no parameter, a range that is not finite, empty or without its start; with
            fewer than d + 1 observations; and where a name that is not a column looks like a column that the model
            leaves out and has neither start nor range: given one of these, it is a parameter.
    Source:
        None: the table is yours. As tables, the regressions of ``nist`` are the same problems.
    Example:
        >>> x = np.array([0.0, 1.0, 2.0, 4.0])
        >>> table = {"time": x, "signal": 3 * np.exp(-x)}
        >>> tw.problems.regression(table, "height*exp(-rate*time)", y="signal", start={"height": 2.0}).start.tolist()
        [2.0, 1.0]
    """
    _check_kinds(data, model, start, domain)
    table, told = _chosen(data, where, rename, {"missing": missing, "names": names, "decimal": decimal})
    columns = [name for name in table if isinstance(name, str)]
    if y not in columns:
        raise ValueError(nearest(str(y), columns, "a column of the table"))
    starts, ranges = dict(start or {}), dict(domain or {})
    declared, words, quoted = {*starts, *ranges}, naming.words(model), naming.quoted(model, columns)
    predictors = [name for name in columns if name in words or name in quoted]
    naming.check_constants(model, words, {*declared, *predictors})
    constants = set(formula.CONSTANTS).difference(declared, predictors)
    unknown = words.difference(constants, declared, predictors)
    naming.check_columns(model, unknown, y, predictors, [name for name in columns if name not in (y, *predictors)])
    parsed = formula.parse(model, sorted(words.difference(constants)), quoted)
    parameters = tuple(name for name in parsed.names if name not in predictors)
    if not parameters:
        raise ValueError(f"the model {model!r} has no parameter to fit; name one that is no column, such as b1.")
    for name in sorted(declared.difference(parameters)):
        raise ValueError(nearest(name, parameters, "a parameter of the model"))
    if isinstance(table, Table):
        table = table.complete((y, *predictors))
        told = str(table)
    values = {name: _column(table, name) for name in (y, *predictors)}
    counts = {name: len(column) for name, column in values.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"the columns have the lengths {counts}, but observations need one of each; give equal lengths."
        )
    if counts[y] <= len(parameters):
        raise ValueError(
            f"there are {counts[y]} observations for {len(parameters)} parameters ({', '.join(parameters)}), but a fit "
            f"needs at least {len(parameters) + 1}; give more observations or a simpler model."
        )
    points = np.array([_start_and_range(name, starts.get(name), ranges.get(name)) for name in parameters]).T
    response = values.pop(y)
    name = Path(table.path).stem if isinstance(table, Table) else "regression"
    return Model(parsed, parameters, values, y, response, told).problem(name, points[0], (points[1], points[2]))


def _check_kinds(data: Any, model: Any, start: Any, domain: Any) -> None:
    if not isinstance(data, (str, Path)) and not isinstance(data, Columns):
        raise ValueError(
            f"data is of type {type(data).__name__}, but it must be a table; "
            "give the path of a CSV file or a dict of columns such as {'x': x, 'y': y}."
        )
    if not isinstance(model, str):
        raise ValueError(
            f"model is {model!r}, but it must be a formula such as 'b1*(1-exp(-b2*x))'; "
            "for a function of your own give Problem(function, loss=SquaredError(target), start=…)."
        )
    for what, given, example in ("start", start, "1.0"), ("domain", domain, "(0.0, 10.0)"):
        if given is not None and not isinstance(given, Mapping):
            raise ValueError(f"{what} is {given!r}, but it goes by parameter; give e.g. {{'b1': {example}}}.")


def _chosen(data: Any, where: str | None, rename: Mapping[str, str] | None, file: dict[str, Any]) -> tuple[Any, str]:
    """The table with the rows and the names that are wanted, and a word on what was left out."""
    if isinstance(data, (str, Path)):
        data = read_table(data, **file)
    elif given := [name for name, value in file.items() if value is not None and len(value)]:
        raise ValueError(f"{given[0]} says how a file is read, but data is none; leave it out, or give a path.")
    if isinstance(data, Table):
        data = data.renamed(rename) if rename else data
        return (data if where is None else data.where(where)), ""
    columns = {name: data[name] for name in data} if rename or where is not None else data
    columns = renamed(columns, rename) if rename else columns
    if where is None:
        return columns, ""
    held = conditions.rows(where, conditions.Arrays(columns))
    told = f"{int((~held).sum())} of {len(held)} rows left out, not being where {where}"
    return {name: np.asarray(column)[held] for name, column in columns.items()}, told


def _column(table: Any, name: str) -> np.ndarray:
    """A column in float64, shape (m,)."""
    found = table[name]
    try:
        values = real(found)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} is not of real numbers; give a vector of them.") from error
    if values.ndim != 1:
        raise ValueError(f"column {name!r} has shape {values.shape}, but it must be a vector; give shape (m,).")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"column {name!r} has {values[bad[0]]} at index {bad[0]}, but a fit needs finite numbers; "
            "leave out the observation."
        )
    return values


def _start_and_range(name: str, start: Any, box: Any) -> tuple[float, float, float]:
    """(start, low, high) of one parameter."""
    if start is not None and not _is_finite(start):
        raise ValueError(f"the start of {name!r} is {start!r}, but it must be a finite number; give e.g. 1.0.")
    if box is None:
        at = 1.0 if start is None else float(start)
        low, high = (-1.0, 1.0) if at == 0 else sorted((at / 10, 10 * at))
        return at, low, high
    pair = isinstance(box, (tuple, list, np.ndarray)) and len(box) == 2 and all(map(_is_finite, box))
    if not pair or not box[0] < box[1]:
        raise ValueError(
            f"the range of {name!r} is {box!r}, but it must be two finite numbers, low below high; "
            "give e.g. (0.0, 10.0)."
        )
    low, high = map(float, box)
    at = low / 2 + high / 2 if start is None else float(start)
    if not low <= at <= high:
        raise ValueError(
            f"the start of {name!r} is {at:g}, outside its range from {low:g} to {high:g}; move one of them."
        )
    return at, low, high


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))
