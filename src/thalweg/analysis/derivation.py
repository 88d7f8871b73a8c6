"""What follows from the parameters of a fit: half-lives from rates, and how well these are known."""

import re
from collections.abc import Mapping
from keyword import iskeyword
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jax import Array

from thalweg.analysis.components import names_of
from thalweg.analysis.prediction import LEVEL, check_level, errors_of, quantile_of
from thalweg.analysis.spread import judged
from thalweg.analysis.uncertainties import best_fit, fixed_parameters
from thalweg.analysis.whole import Table
from thalweg.chain.problem import Problem
from thalweg.formula import FUNCTIONS, Formula, parse
from thalweg.numerics.constants import evaluated
from thalweg.problems.naming import powers

WORD = re.compile(r"[^\W\d_]\w*")  # that may stand in a formula without quotes


def derived(fits: xr.Dataset, problem: Problem, formulas: Mapping[str, str], level: float = LEVEL) -> pd.DataFrame:
    """Quantities that are computed from the parameters of the best fit, with standard errors to first order.

    With C the covariance of the parameters (``uncertainty``) and g = dq/dx of a quantity q, its standard error is
    sqrt(g^T C g), the delta method, and its interval q -+ t sqrt(g^T C g), t the quantile (1 + level) / 2 of Student's
    distribution with m - d degrees of freedom, or of the normal one where sigma is absolute. Parameters at a bound, and
    constants, do not vary.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
        formulas: by name, in the language of ``formula.parse``, of parameters, of the constants of a
            ``problems.regression`` and of quantities that stand before: {"half": "log(2)/k", "two": "2*half"}. A
            component of x without a name is x0, x1, …; other labels stand in quotes, "'b[0]'/2".
        level: of the intervals, a pure number between 0 and 1.
    Returns:
        A DataFrame with a row for each quantity, in its own units: ``value``, ``standard_error``, ``lower``, ``upper``
        and its ``formula``. NaN where the quantity or its slope is not finite, where the data do not determine the
        parameters, and, but for values, where no degree of freedom is left.
    Raises:
        ValueError: for a name that is a parameter or cannot stand in a formula, for a text that is no formula of known
            names, for a level that is none, and as ``best_fit`` and ``uncertainty`` do.
    Cost:
        One Jacobian, and one gradient of each quantity.
    Source:
        Seber and Wild (1989), section 5.1.
    Example:
        >>> table = {"x": [0.0, 1.0, 2.0, 3.0, 4.0], "y": [3.0, 1.9, 1.1, 0.7, 0.5]}
        >>> decay = tw.problems.regression(table, "a*exp(-k*x)", "y")
        >>> fits = tw.solve(decay, tw.methods.LevenbergMarquardt())
        >>> print(tw.analysis.derived(fits, decay, {"half": "log(2)/k"}).round(3))
                  value  standard_error  lower  upper   formula
        quantity
        half      1.451           0.045  1.307  1.596  log(2)/k
    """
    check_level(level)
    parsed, best = read_derived(problem, formulas), best_fit(fits)
    spread = judged(best, problem).spread
    names, point = names_of(problem), np.asarray(best["x"].values, np.float64)
    free = np.flatnonzero(~np.asarray(spread.held))
    # As NumPy's, what does not vary is data to a formula, by which nothing is differentiated.
    constants = {name: np.asarray(at) for name, at in zip(names, point, strict=True)}
    constants |= {name: np.asarray(at) for name, at in fixed_parameters(problem).items()}

    def quantities(x: Array) -> Array:
        known: dict[str, Any] = constants | {names[i]: at for i, at in zip(free, x, strict=True)}
        for name, formula in parsed.items():
            known[name] = formula(known)
        return jnp.stack([jnp.asarray(known[name], x.dtype) for name in parsed])

    with jax.enable_x64(True):
        both = evaluated(lambda x: (quantities(x), jax.jacfwd(quantities)(x)), jnp.asarray(point[free]))
        value, slopes = jax.device_get(both)
    g = np.zeros((len(value), len(point)))
    g[:, free] = slopes
    known = np.isfinite(value) & np.isfinite(g).all(axis=1)
    with np.errstate(all="ignore"):
        error = np.where(known, errors_of(g, spread), np.nan)
    wide = quantile_of(problem, spread, level) * error
    columns = {"value": value, "standard_error": error, "lower": value - wide, "upper": value + wide}
    texts = [formula.text for formula in parsed.values()]
    return Table({**columns, "formula": texts}, index=pd.Index(list(parsed), name="quantity"))


def read_derived(problem: Problem, formulas: Mapping[str, str]) -> dict[str, Formula]:
    """The formulas of quantities, each of parameters and of those before it; ValueError for what is none."""
    if not isinstance(formulas, Mapping) or not formulas:
        raise ValueError(f"formulas is {formulas!r}, but it has a formula by name; give e.g. {{'half': 'log(2)/k'}}.")
    known, found = [*names_of(problem), *fixed_parameters(problem)], dict[str, Formula]()
    for name, text in formulas.items():
        if name in known:
            raise ValueError(f"{name!r} is to be derived, but it is a parameter of the fit; give another name.")
        if not isinstance(name, str) or not WORD.fullmatch(name):
            raise ValueError(f"{name!r} is to be derived, but it is no name; use a letter, then letters and digits.")
        if name in FUNCTIONS or iskeyword(name):
            raise ValueError(f"{name!r} is to be derived, but it is a word of the language; give another name.")
        if not isinstance(text, str):
            raise ValueError(f"{name!r} is {text!r}, but it is derived by a formula; give e.g. 'log(2)/k'.")
        plain = [one for one in [*known, *found] if WORD.fullmatch(one)]
        try:
            found[name] = parse(powers(text), plain, [one for one in known if one not in plain])
        except ValueError as error:
            raise ValueError(f"{name!r} cannot be derived: {error}") from error
    return found
