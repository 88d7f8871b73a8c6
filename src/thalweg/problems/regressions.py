"""Nonlinear regression: a formula of predictors and parameters, fitted to a table of observations."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, final, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg import formula
from thalweg.chain.losses import OfTarget, SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.formula import Formula
from thalweg.numerics.reading import nearest
from thalweg.problems import conditions, naming, observations, parameters
from thalweg.problems import groups as grouping
from thalweg.problems import priors as prior_knowledge
from thalweg.problems.groups import Group
from thalweg.problems.priors import Priors
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
    """What a formula predicts for m observations: a function of the dict of its d parameters, with the data. Those that
    have a prior follow.

    The data are kept in float64, and the prediction, shape (m,), is in the dtype of the parameters.
    """

    formula: Formula
    parameters: tuple[str, ...]
    predictors: dict[str, np.ndarray]  # each (m,), numbers, or words that only groups go by
    response: str  # the name of what is observed
    observed: np.ndarray  # (m,)
    fixed: Mapping[str, float] = field(default_factory=dict)  # parameters that are none, but constants
    bounded: bool = False  # whether a person gave bounds
    ranges: tuple[np.ndarray, np.ndarray] | None = None  # from which random starts are drawn, each (d,)
    sigma: str = ""  # the name of the standard deviations of what is observed, where these are known
    told: str = ""  # what was read of the table and what was left out, in one line
    groups: tuple[Group, ...] = ()  # of parameters that have several values
    priors: Priors = field(default_factory=dict)  # of parameters, whose values follow the predictions
    started: frozenset[str] = frozenset()  # parameters of which a person gave a start,
    ranged: frozenset[str] = frozenset()  # or a range

    @property
    def unsaid(self) -> bool:
        """Whether nobody said where some parameter may begin."""
        return not self.started | self.ranged >= set(self.parameters)

    def rows(self, which: np.ndarray) -> "Model":
        """The model of some of the observations."""
        predictors = {name: column[which] for name, column in self.predictors.items()}
        return replace(self, predictors=predictors, observed=self.observed[which])

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        y = self.predict(parameters, self.predictors, self.observed.shape)
        return jnp.append(y, jnp.stack([parameters[name] for name in self.priors])) if self.priors else y

    def predict(self, parameters: Mapping[str, Any], predictors: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
        """The response at values of the predictors, in the dtype of the parameters."""
        dtype = jnp.result_type(*parameters.values())
        # As NumPy's they are data to the formula, which by their zeros knows what does not depend on a parameter.
        names = self.formula.names
        told = {name: values for name, values in {**self.fixed, **predictors}.items() if name in names}
        known: dict[str, Any] = {name: np.asarray(values, dtype) for name, values in told.items()}
        for group in self.groups:
            codes = group.codes(predictors[group.column])
            known |= {name: self._members(group.members(name), parameters, dtype)[codes] for name in group.parameters}
        return jnp.broadcast_to(self.formula({**parameters, **known}), shape)

    def _members(self, names: Sequence[str], parameters: Mapping[str, Any], dtype: Any) -> Any:
        """The values of the members of one parameter: data where all are fixed."""
        if all(name in self.fixed for name in names):
            return np.array([self.fixed[name] for name in names], dtype)
        return jnp.stack([jnp.asarray({**self.fixed, **parameters}[name], dtype) for name in names])

    def problem(
        self,
        name: str,
        start: np.ndarray,
        domain: tuple[np.ndarray, np.ndarray] | None,
        minima: Sequence[np.ndarray] = (),
        loss: OfTarget | None = None,
    ) -> Problem:
        """The sum of squares of observed minus predicted, from vectors of d parameters."""
        return Problem(
            Stage(self),
            loss=SquaredError(target=self.observed) if loss is None else loss,
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
    bounds: Mapping[str, tuple[float | None, float | None]] | None = None,
    fixed: Mapping[str, float] | None = None,
    priors: Mapping[str, tuple[float, float]] | None = None,
    sigma: str | ArrayLike | None = None,
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
            blanks or signs in its name stands in quotes: "a + b*'CO(GT)'".
        y: the column that it predicts.
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
        sigma: the standard deviation of each observation, in [y]: a column, an array of shape (m,), or one number for
            all; without it all are equal.
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
        where: which rows to use: comparisons of formulas of the columns, such as "0<x<5 and site=='north'".
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
    _check_kinds(data, model)
    about = parameters.said(start, domain, bounds, fixed)
    table, told = _chosen(data, where, rename, {"missing": missing, "names": names, "decimal": decimal})
    columns = [name for name in table if isinstance(name, str)]
    if y not in columns:
        raise ValueError(nearest(str(y), columns, "a column of the table"))
    groups_of, known = grouping.said(groups), prior_knowledge.said(priors)
    grouping.check_columns(groups_of, columns, y)
    weights = sigma if isinstance(sigma, str) else ""
    parsed, predictors = _read(model, y, columns, about.names | {*known}, weights, groups_of)
    found = tuple(name for name in parsed.names if name not in predictors)
    if not found:
        raise ValueError(f"the model {model!r} has no parameter to fit; name one that is no column, such as b1.")
    used = (y, *predictors, *([weights] if weights in columns else []))
    if isinstance(table, Table):
        told = str(table := table.complete(used, list(groups_of)))
    elif type(data).__module__.startswith("pandas."):
        table, told = observations.complete(table, used, told)
    members = grouping.members(parts := grouping.of(groups_of, found, table), found)
    found = tuple(name for parameter in found for name in members[parameter])
    about.check_names([*members, *found], known)
    about = about.of_groups(members)
    known = prior_knowledge.of_groups(known, members, about.fixed)
    about = about.starting({name: mean for name, (mean, _) in known.items()})
    free = about.free(found, model)
    prior_knowledge.check_free(known, free)
    values = {name: observations.column(table, name) for name in (y, *predictors)}
    values |= {name: grouping.cells(table, name) for name in groups_of if name not in predictors}
    _check_counts({name: len(column) for name, column in values.items()}, y, free, len(known))
    response, places = values.pop(y), about.places(free)
    deviations = observations.deviations(sigma, absolute_sigma, table, columns, len(response))
    name = Path(table.path).stem if isinstance(table, Table) else "regression"
    said = weights or ("" if sigma is None else "sigma")
    given = frozenset(about.start), frozenset(about.ranges)
    more = (places.ranges, said, told, parts, known, *given)
    fitted = Model(parsed, free, values, y, response, about.fixed, bool(about.bounds), *more)
    error = observations.loss_of(response, y, deviations, absolute_sigma, loss, f_scale)
    return fitted.problem(name, places.start, places.domain, loss=prior_knowledge.beside(error, known))


def _read(
    model: str, y: str, columns: Sequence[str], declared: set[str], weights: str, groups_of: Mapping[str, Any]
) -> tuple[Formula, list[str]]:
    """The formula and the columns that it predicts from; ValueError for a name that may be meant otherwise, and is none
    of the parameters that are ``declared``."""
    if groups_of:
        declared = {name.partition("[")[0] for name in declared}.union(*(names or () for names in groups_of.values()))
    words, quoted = naming.words(model), naming.quoted(model, columns)
    predictors = [name for name in columns if name in words or name in quoted]
    naming.check_constants(model, words, {*declared, *predictors})
    constants = set(formula.CONSTANTS).difference(declared, predictors)
    used = [*predictors, *groups_of]
    left = [name for name in columns if name not in {y, weights, *used}]
    naming.check_columns(model, words.difference(constants, declared, predictors), y, used, left)
    return formula.parse(model, sorted(words.difference(constants)), quoted), predictors


def model_of(problem: Problem) -> Model | None:
    """The formula that a problem fits, where it is one."""
    forward = problem.stages[0].forward if len(problem.stages) == 1 else None
    return forward if isinstance(forward, Model) else None


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


def _check_counts(counts: Mapping[str, int], y: str, free: Sequence[str], priors: int) -> None:
    """ValueError for columns of several lengths, and for too few observations and priors."""
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"the columns have the lengths {counts}, but observations need one of each; give equal lengths."
        )
    if counts[y] + priors < len(free):
        raise ValueError(
            f"there are {counts[y]} observations for {len(free)} parameters ({', '.join(free)}), but a fit "
            f"needs at least {len(free)}; give more observations or a simpler model, or fix a parameter."
        )


def _check_kinds(data: Any, model: Any) -> None:
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
