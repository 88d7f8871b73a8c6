"""What a model predicts: one response, or several at once, whose observations stand one below the other."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, final

import jax.numpy as jnp
import numpy as np

from thalweg import formula
from thalweg.formula import Formula
from thalweg.numerics.arithmetic import Operation
from thalweg.numerics.reading import nearest, shown
from thalweg.problems import groups as grouping
from thalweg.problems import naming, observations
from thalweg.problems.groups import Group
from thalweg.problems.tables import Table

SIGNS: Final = re.compile(r"[-+*/(^]")  # of what is computed from columns
SELECT: Final = Operation("select", 3, lambda c, a, b: np.where(c != 0, a, b), lambda c, a, b: jnp.where(c != 0, a, b))


@final
class Equation(NamedTuple):
    """A response, the formula that predicts it, and the columns that are its predictors."""

    response: str
    formula: Formula
    predictors: Sequence[str]


@final
class Rows(NamedTuple):
    """The observations of all responses, one response after the other."""

    columns: dict[str, np.ndarray]  # predictors, NaN where a response does not go by one, and words of groups, (m,)
    observed: np.ndarray  # (m,)
    deviations: np.ndarray | None  # (m,)
    responses: Group | None  # which observations are of which, of several
    told: str  # what was read and what was left out


def parted(model: str) -> tuple[str | None, str]:
    """The two sides of "y = a*x", or of "y ~ a*x"; None for the left one where there is no such sign."""
    sign = re.search("[=~]", naming.QUOTED.sub(lambda quoted: "_" * len(quoted[0]), model))
    if sign is None:
        return None, model
    at = sign.start()
    left = model[:at].strip()
    name = naming.QUOTED.fullmatch(left)
    return "".join(filter(None, name.groups())) if name else left, model[at + 1 :].strip()


def equations(model: Any, y: Any) -> dict[str, str]:
    """The formula of each response; ValueError where it is not said what the model predicts, or said twice."""
    if isinstance(model, Mapping):
        if y is not None:
            raise ValueError(f"y is {shown(y)}, but the model names its responses, {', '.join(model)}; leave y out.")
        if not model or not all(isinstance(text, str) for pair in model.items() for text in pair):
            raise ValueError(
                f"model is {shown(model)}, but it must be formulas by response; give e.g. "
                "{'A': 'a*exp(-k*t)', 'B': 'a*(1-exp(-k*t))'}."
            )
        return dict(model)
    if not isinstance(model, str):
        raise ValueError(
            f"model is {shown(model)}, but it must be a formula such as 'b1*(1-exp(-b2*x))'; "
            "for a function of your own give Problem(function, loss=SquaredError(target), start=…)."
        )
    if isinstance(y, (list, tuple)) and y and all(isinstance(name, str) for name in y):
        return dict.fromkeys(y, model)
    if y is not None and not isinstance(y, str):
        raise ValueError(
            f"y is {shown(y)}, but it must be a column, a formula of columns, or a list of them; give e.g. y='y'."
        )
    left, right = parted(model)
    response = left if y is None else y
    if response is None:
        raise ValueError(
            f"there is no y, the column that {model!r} predicts; give y='…' (--y), or write {'y = ' + model!r}."
        )
    if left is not None and y not in (None, left):
        raise ValueError(f"the model predicts {left!r}, but y is {shown(y)}; give one of them.")
    return {str(response): right}


SHARE: Final = re.compile(r"\s*([\d.]+)\s*%\s*")  # of what is observed


def spelled(sigma: Any, responses: Collection[str]) -> Any:
    """A sigma of 5% as the formula 0.05*abs('y') of what is observed."""
    if isinstance(sigma, Mapping):
        return {name: spelled(one, [name]) for name, one in sigma.items()}
    share = SHARE.fullmatch(sigma) if isinstance(sigma, str) else None
    if share is None:
        return sigma
    shares = {name: f"{float(share[1]) / 100:g}*abs('{name}')" for name in responses}
    return shares if len(shares) > 1 else next(iter(shares.values()))


def with_computed(table: Any, names: Collection[str]) -> Any:
    """The table with those names as columns that are formulas of its columns, such as log(k)."""
    for y in names:
        columns = [name for name in table if isinstance(name, str)]
        if y in columns or not SIGNS.search(y):
            continue
        words = naming.words(y).difference(set(formula.CONSTANTS).difference(columns))
        for name in sorted(words):
            if name not in columns:
                raise ValueError(nearest(name, columns, "a column of the table"))
        parsed = formula.parse(naming.powers(y), sorted(words), naming.quoted(y, columns))
        whole = isinstance(table, Table)
        known = {name: table.read(name)[0] if whole else observations.numbers(table, name) for name in parsed.names}
        values = np.broadcast_to(parsed.in_numpy(known), (len(next(iter(known.values()), ())),))
        there = np.all([~np.isnan(column) for column in known.values()], axis=0)
        bad = np.flatnonzero(there & ~np.isfinite(values))
        if bad.size:
            cause = ", ".join(f"{name} {column[bad[0]]:g}" for name, column in known.items())
            raise ValueError(
                f"{y} is {values[bad[0]]:g} at index {bad[0]}, of {cause}; leave it out by where (--where)."
            )
        table = table.with_computed(y, values) if whole else {**{name: table[name] for name in table}, y: values}
    return table


def stacked(
    table: Any,
    equations: Sequence[Equation],
    sigma: Any,
    absolute: Any,
    groups: Collection[str],
    told: str,
    frame: bool,
) -> Rows:
    """The observations of which all that is needed is there; ValueError for columns that are no numbers or of several
    lengths, and for what cannot be their deviations.

    Args:
        table: a ``Table``, a data frame or a mapping of columns.
        equations: of one response or several.
        sigma: a column, numbers or a number, or of several responses one of these for each.
        absolute: whether standard errors take it as it is.
        groups: columns of words.
        told: what is known to be left out.
        frame: whether the mapping was a data frame, of which rows without a number are left out.
    """
    sigmas = _by_response(sigma, [one.response for one in equations])
    parts = [_rows(table, one, sigmas[one.response], absolute, groups, told, frame) for one in equations]
    if len(equations) == 1:
        return parts[0]
    names = list(dict.fromkeys(name for part in parts for name in part.columns))
    sizes = [len(part.observed) for part in parts]
    columns = {
        name: np.concatenate([part.columns.get(name, np.full(m, np.nan)) for part, m in zip(parts, sizes, strict=True)])
        for name in names
    }
    which = "response" if "response" not in names else "which response"
    responses = Group(which, tuple(one.response for one in equations), ())
    columns[which] = np.repeat(responses.labels, sizes)
    known = [part.deviations for part in parts if part.deviations is not None]
    said = dict.fromkeys(text for part in parts for text in part.told.split("; ") if text)
    observed, deviations = np.concatenate([part.observed for part in parts]), np.concatenate(known) if known else None
    return Rows(columns, observed, deviations, responses, "; ".join(said))


def _by_response(sigma: Any, responses: Sequence[str]) -> dict[str, Any]:
    """The sigma of each response; ValueError for one of several that has none."""
    if not isinstance(sigma, Mapping):
        if len(responses) > 1 and not (sigma is None or isinstance(sigma, str) or np.ndim(sigma) == 0):
            raise ValueError(
                f"sigma has shape {np.shape(sigma)}, but there are the responses {', '.join(responses)}; give one for "
                f"each: {{{responses[0]!r}: …}}."
            )
        return dict.fromkeys(responses, sigma)
    for name in sigma:
        if name not in responses:
            raise ValueError(nearest(str(name), responses, "a response of the model"))
    for name in responses:
        if sigma.get(name) is None:
            raise ValueError(f"sigma has none of {name!r}, but each response needs one beside the others; give it.")
    return dict(sigma)


def _rows(
    table: Any, one: Equation, sigma: Any, absolute: Any, groups: Collection[str], told: str, frame: bool
) -> Rows:
    """The observations of one response."""
    columns = [name for name in table if isinstance(name, str)]
    used = (one.response, *one.predictors, *([sigma] if isinstance(sigma, str) and sigma in columns else []))
    if isinstance(table, Table):
        told = str(table := table.complete(used, list(groups)))
    elif frame:
        table, told = observations.complete(table, used, told)
    values = {name: observations.column(table, name) for name in used[: 1 + len(one.predictors)]}
    values |= {name: grouping.cells(table, name) for name in groups if name not in one.predictors}
    if len({len(column) for column in values.values()}) > 1:
        raise ValueError(
            f"the columns have the lengths { ({name: len(column) for name, column in values.items()}) }, but "
            "observations need one of each; give equal lengths."
        )
    observed = values.pop(one.response)
    deviations = observations.deviations(sigma, absolute, table, columns, len(observed))
    return Rows(values, observed, deviations, None, told)


def together(equations: Sequence[Equation], responses: Group) -> Formula:
    """One formula for all responses, in which a variable such as response[A] is not 0 where that response is meant."""
    *others, last = equations
    steps = last.formula.steps
    for one in reversed(others):
        steps = (SELECT, indicator(responses, one.response), *one.formula.steps, *steps)
    return Formula.of("; ".join(f"{one.response} = {one.formula.text}" for one in equations), steps)


def indicator(responses: Group, label: str) -> str:
    return f"{responses.column}[{label}]"
