"""Nonlinear regression: a formula of predictors and parameters, fitted to a table of observations."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jax.typing import ArrayLike

from thalweg import formula
from thalweg.chain.problem import Problem
from thalweg.numerics.expression import natural
from thalweg.numerics.reading import nearest
from thalweg.problems import conditions, naming, observations, parameters
from thalweg.problems import groups as grouping
from thalweg.problems import priors as prior_knowledge
from thalweg.problems import responses as responding
from thalweg.problems.models import Model, model_of
from thalweg.problems.responses import Equation
from thalweg.problems.tables import Table, read_table, renamed


@runtime_checkable
class Columns(Protocol):
    """What a table of observations is: columns by name, as a dict of arrays or a data frame of pandas has them."""

    def keys(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __getitem__(self, name: Any, /) -> Any: ...


def regression(
    data: str | Path | Columns,
    model: str | Mapping[str, str],
    y: str | Sequence[str] | None = None,
    start: Mapping[str, float] | None = None,
    domain: Mapping[str, tuple[float, float]] | None = None,
    *,
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    fixed: Mapping[str, float] | None = None,
    priors: Mapping[str, tuple[float, float]] | None = None,
    sigma: str | ArrayLike | Mapping[str, str | ArrayLike] | None = None,
    absolute_sigma: bool = False,
    loss: str | None = None,
    f_scale: float | None = None,
    groups: str | Mapping[str, str | Sequence[str] | None] | None = None,
    where: str | None = None,
    rename: Mapping[str, str] | None = None,
    missing: Sequence[str | float] = (),
    names: Sequence[str] | None = None,
    decimal: str | None = None,
) -> Problem:
    """L(b) = sum over m observations of (y_i - model(x_i; b))^2 / sigma_i^2, from a table and a formula.

    Names in the model that are columns are predictors; every other name is one of the d parameters. x is the dict of
    the parameters, b2 before b10, each in its own [x], and y the predictions, shape (m,), in the [y] of the column;
    [L] = [y]^2 without sigma, and else a pure number. With a robust loss it is a ``RobustError`` of the same
    residuals, and of counts a ``PoissonDeviance``. No minimum is stated.

    Args:
        data: the path of a file, as ``read_table`` reads it: separated by commas, semicolons, tabs or blanks, with
            decimal points or commas, .xlsx, .parquet; or a mapping of columns, each of shape (m,), such as a dict of
            arrays or a data frame. Rows of a file or a frame in which a column that is used has no number (NA, an empty
            cell) are left out; what was read stands in ``problem.stages[0].forward.told``.
        model: a formula (``thalweg.formula``) of the predicted response, such as "b1*(1-exp(-b2*x))". A column with
            blanks or signs in its name stands in quotes: "a + b*'CO(GT)'". It may name its response itself, "y = a*x".
            Several responses are fitted together by formulas that share parameters: {"A": "a*exp(-k*t)", "B":
            "a*(1-exp(-k*t))"}; each has the rows in which it is not missing, and L is the sum over all.
        y: the column that it predicts, or a formula of columns: "log(k)"; a list of them where each is a response of
            the same formula, as replicates are.
        start: of parameters by name, in [x]. Else it is the middle of the parameter's range in domain, within its
            bounds; else 1, or a number between the bounds where 1 is not.
        domain: ranges (low, high) of parameters by name, in [x], from which random starts are drawn
            (``start_ranges``).
        bounds: (low, high) of parameters by name, in [x], None or infinite where a side is open, equal where the
            parameter is fixed. Methods that are ``bounded``, or search without a gradient, keep to them, and begin at
            the nearest point where the start lies outside; the domain of the problem is made of them, and infinite for
            what has none. Where no bounds are given, the ranges in domain are these bounds.
        fixed: parameters by name that are held at these values, in [x]: constants of the model, no components of x.
        priors: (mean, standard deviation) of parameters by name, in [x], known beforehand: (k - mean) / deviation is a
            residual more for each, of L, and of no statistic of the observations. They start at the mean. With an
            absolute sigma alone, since nothing else tells how they weigh beside the observations.
        sigma: the standard deviation of each observation, in [y]: a column, a formula of columns ("0.1 + 0.02*y"), a
            share of what is observed ("5%"), an array of shape (m,), or one number for all; without it all are equal.
            Of several responses, one of these for each: {"A": 0.1, "B": "errors"}.
        absolute_sigma: whether standard errors take sigma as it is. Else it is relative, weights 1/sigma^2: the errors
            are those for sigma times the residual standard deviation, as of ``scipy.optimize.curve_fit``.
        loss: "soft_l1", "huber", "cauchy" or "arctan", with which outliers count less (``RobustError``), as of
            ``scipy.optimize.least_squares``, whose cost is half of L; "poisson" for counts, of which L is the deviance
            (``PoissonDeviance``); "linear" or None for squares.
        f_scale: the size of a residual from which on an observation counts less, in [y], or with a sigma a pure
            number; 1 if None. Of a robust loss alone.
        groups: parameters that each group of observations has for itself, by the column that tells the groups:
            {"batch": ["k", "a"]}, or a column by which all parameters go. They are then called k[A], k[B] …, of cells A
            and B, and what is said of k in start, domain, bounds or fixed is said of each that is not named itself.
        where: which rows to use: comparisons of formulas of the columns, such as "0<x<5 and site=='north'"; of a file
            also of dates, "day>2024-01-03".
        rename: other names of columns: {"t": "decimal date"}.
        missing: marks of missing cells of a file, beside the usual ones: [-200].
        names: of the columns of a file that has none.
        decimal: "." or ",", where the cells of a file leave it open.
    Raises:
        ValueError: where the file is no table, or a cell can be two numbers; for groups by what is no column, or of
            what is no parameter; for a name that can be a constant of the language or a parameter, as e, of which
            nothing is said; for a column that is missing or not of finite numbers; where the formula cannot be read,
            has no parameter, names y, or names no column of several; for a start, range, bound or fixed value of what
            is no parameter, a range that is not finite, empty or without its start, bounds with nothing between them or
            in the range; where all parameters are fixed; for a sigma that is not positive, or absolute without being
            given; for a loss that is none, an f_scale that is not positive or without a robust loss, an absolute sigma
            with one, and a sigma or what is no count with that of counts; with fewer than d observations; and where a
            name that is not a column looks like a column that the model leaves out and has neither start nor range,
            bounds or fixed value: given one of these, it is a parameter.
    Source:
        None: the table is yours. As tables, the regressions of ``nist`` are the same problems.
    Example:
        >>> x = np.array([0.0, 1.0, 2.0, 4.0])
        >>> table = {"time": x, "signal": 3 * np.exp(-x)}
        >>> tw.problems.regression(table, "height*exp(-rate*time)", y="signal", start={"height": 2.0}).start.tolist()
        [2.0, 1.0]
    """
    _check_kind(data)
    said = responding.equations(model, y)
    about = parameters.said(start, domain, bounds, fixed)
    table, told = _chosen(data, where, rename, {"missing": missing, "names": names, "decimal": decimal})
    sigma = responding.spelled(sigma, said)
    weights = [one for one in (sigma.values() if isinstance(sigma, Mapping) else [sigma]) if isinstance(one, str)]
    table = responding.with_computed(table, [*said, *weights])
    columns = [name for name in table if isinstance(name, str)]
    for response in said:
        if response not in columns:
            raise ValueError(nearest(str(response), columns, "a column of the table"))
    said = {y: naming.spelled(text, columns) for y, text in said.items()}
    groups_of, known = grouping.said(groups), prior_knowledge.said(priors)
    grouping.check_columns(groups_of, columns, said)
    equations = _read(said, columns, about.names | {*known}, weights, groups_of)
    predictors = {name for one in equations for name in one.predictors}
    found = tuple(sorted({name for one in equations for name in one.formula.names} - predictors, key=natural))
    if not found:
        raise ValueError(f"the model {model!r} has no parameter to fit; name one that is no column, such as b1.")
    rows = responding.stacked(table, equations, sigma, absolute_sigma, groups_of, told, _is_frame(data))
    members = grouping.members(parts := grouping.of(groups_of, found, rows.columns), found)
    found = tuple(name for parameter in found for name in members[parameter])
    about.check_names([*members, *found], known)
    about = about.of_groups(members)
    known = prior_knowledge.of_groups(known, members, about.fixed)
    about = about.starting({name: mean for name, (mean, _) in known.items()})
    free = about.free(found, " and ".join(said.values()))
    prior_knowledge.check_free(known, free)
    _check_count(len(rows.observed), free, len(known))
    places = about.places(free)
    fitted = Model.of(equations, rows, free, about, sigma, parts, known)
    error = observations.loss_of(rows.observed, fitted.response, rows.deviations, absolute_sigma, loss, f_scale)
    name = Path(table.path).stem if isinstance(table, Table) else "regression"
    return fitted.problem(name, places.start, places.domain, loss=prior_knowledge.beside(error, known))


def _read(
    said: Mapping[str, str], columns: Sequence[str], declared: set[str], weights: Sequence[str], groups_of: Any
) -> list[Equation]:
    """The formula of each response and the columns that it predicts from; ValueError for a name that may be meant
    otherwise, and is none of the parameters that are ``declared``."""
    if groups_of:
        declared = {name.partition("[")[0] for name in declared}.union(*(names or () for names in groups_of.values()))
    spoken = {*said, *weights, *groups_of}
    spoken |= {name for model in said.values() for name in columns if name in naming.words(model)}
    equations = []
    for y, model in said.items():
        words, quoted = naming.words(model), naming.quoted(model, columns)
        predictors = [name for name in columns if name in words or name in quoted]
        naming.check_constants(model, words, {*declared, *predictors})
        constants = set(formula.CONSTANTS).difference(declared, predictors)
        left = [name for name in columns if name not in spoken and name not in predictors]
        unknown = words.difference(constants, declared, predictors)
        naming.check_columns(model, unknown, y, [*predictors, *groups_of], left)
        equations.append(Equation(y, formula.parse(model, sorted(words.difference(constants)), quoted), predictors))
    return equations


def start_ranges(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The box from which random starts of a problem are drawn, (low, high), each of shape (d,), in [x].

    Of a ``regression`` it is the range of each parameter that has one in domain, else from a tenth of the start to ten
    times the start, of the same sign, and (-1, 1) where the start is 0, all within the bounds. Of another problem it is
    its domain.

    Args:
        problem: of which ``starts.uniform`` or ``starts.grid`` is to draw.
    Returns:
        (low, high), two arrays of shape (d,) in [x], float64.
    Raises:
        ValueError: for another problem without a domain.
    Cost:
        None.
    Example:
        >>> line = tw.problems.regression({"t": [1.0, 2, 3], "y": [2.0, 4, 6]}, "a*t + b", "y", bounds={"b": (0, 5)})
        >>> tw.starts.uniform(tw.problems.start_ranges(line), 100, key=0).shape
        (100, 2)
    """
    model = model_of(problem)
    if model is not None and model.ranges is not None:
        return model.ranges
    if problem.domain is None:
        raise ValueError(f"{problem.name!r} has no domain from which starts could be drawn; give Problem(domain=…).")
    return problem.domain


def _check_count(observations: int, free: Sequence[str], priors: int) -> None:
    """ValueError for too few observations and priors."""
    if observations + priors < len(free):
        raise ValueError(
            f"there are {observations} observations for {len(free)} parameters ({', '.join(free)}), but a fit "
            f"needs at least {len(free)}; give more observations or a simpler model, or fix a parameter."
        )


def _is_frame(data: Any) -> bool:
    return type(data).__module__.partition(".")[0] == "pandas"


def _check_kind(data: Any) -> None:
    if not isinstance(data, (str, Path)) and not isinstance(data, Columns):
        raise ValueError(
            f"data is of type {type(data).__name__}, but it must be a table; "
            "give the path of a CSV file or a dict of columns such as {'x': x, 'y': y}."
        )


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
