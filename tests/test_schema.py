"""docs/schema.md and the Datasets of ``run`` and ``solve`` tell the same."""

import os
import re
import signal
import threading
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import thalweg as tw
from thalweg.engine import endings, evaluations

PAGE = Path(__file__).resolve().parents[1] / "docs" / "schema.md"
UNITS = {"[x]": "x", "[L]": "loss"}  # by which name Problem(units=…) knows them


def tables(text: str) -> dict[str, list[dict[str, str]]]:
    """Every table of the page by the heading above it: its rows, each a dict by the heads of the columns."""
    found = {}
    for part in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
        heading, *lines = part.splitlines()
        cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
        if cells:
            head, _, *rows = [[cell.strip().replace("`", "") for cell in row] for row in cells]
            assert all(len(row) == len(head) for row in rows), heading
            found[heading] = [dict(zip(head, row, strict=True)) for row in rows]
    return found


TABLES = tables(PAGE.read_text())


class Case(NamedTuple):
    """A Dataset, and what the names of the page in angle brackets stand for in it."""

    of: str  # "a trace" or "fits"
    data: xr.Dataset
    units: dict[str, str]
    true: frozenset[str] = frozenset({"always"})  # of the words in a column "when"
    space: tuple[str, ...] = ()
    observer: dict[str, bool] = {}  # noqa: RUF012  (whether it gives a vector)
    hyperparameter: tuple[str, ...] = ()


def rows(case: Case, what: str) -> list[dict[str, str]]:
    """The rows of a table that hold for this Dataset, one for each of what a name in angle brackets stands for."""
    found = []
    for row in TABLES[f"{what} of {case.of}"]:
        kind = re.search(r"<(\w+)>", next(iter(row.values())))
        for name in getattr(case, kind[1]) if kind else [""]:
            if row["when"] in case.true or (row["when"] in ("vector", "scalar") and holds(case, name, row["when"])):
                found.append({head: cell.replace(kind[0], name) if kind else cell for head, cell in row.items()})
    return found


def holds(case: Case, observer: str, shape: str) -> bool:
    return case.observer[observer] == (shape == "vector")


def dtype_of(values: xr.DataArray) -> str:
    return "text" if values.dtype.kind in "UT" else values.dtype.name


def dims_of(case: Case, row: dict[str, str]) -> tuple[str, ...]:
    dims = tuple(row["dims"].split(", "))
    if "cases" in case.true and dims[:2] == ("variant", "start"):
        return ("variant", "case", *dims[1:])
    return dims


def differences(case: Case) -> list[str]:
    """What the page says and the Dataset does not, and the other way round."""
    data, found = case.data, []

    def compare(what: str, said: dict[str, object], real: dict[str, object]) -> None:
        found.extend(f"{what} {name} is not on the page" for name in real.keys() - said.keys())
        found.extend(f"{what} {name} is not in the Dataset" for name in said.keys() - real.keys())
        same = said.keys() & real.keys()
        found.extend(f"{what} {k}: {said[k]} on the page, {real[k]} here" for k in same if said[k] != real[k])

    compare("dim", {row["dim"]: None for row in rows(case, "Dims")}, dict.fromkeys(map(str, data.dims)))
    listed = rows(case, "Coordinates")
    said = {row["coordinate"]: (dims_of(case, row), row["dtype"]) for row in listed}
    compare("coordinate", said, {str(k): (v.dims, dtype_of(v)) for k, v in data.coords.items()})
    recorded = data.attrs["dtype"].replace("bfloat16", "float32")
    listed = [{**row, "dtype": row["dtype"].replace("run", recorded)} for row in rows(case, "Variables")]
    said = {row["variable"]: (dims_of(case, row), row["dtype"], attributes(case, row)) for row in listed}
    compare("variable", said, {str(k): (v.dims, dtype_of(v), attributes_here(v)) for k, v in data.data_vars.items()})
    types = {str: "text", int: "whole number", float: "number"}
    listed = rows(case, "Attributes")
    real = {name: types[type(value)] for name, value in data.attrs.items()}
    compare("attribute", {row["attribute"]: row["type"] for row in listed}, real)
    return found


def attributes(case: Case, row: dict[str, str]) -> dict[str, str]:
    """Those that the page says, with the unit that the problem of this Dataset was given."""
    names = [] if row["attributes"] == "none" else row["attributes"].split(", ")
    unit = case.units.get(UNITS.get(row["unit"], row["variable"]), "")
    return {name: unit if name == "units" else "" for name in names}


def attributes_here(values: xr.DataArray) -> dict[str, str]:
    return {name: value if name == "units" else "" for name, value in values.attrs.items()}


SLOW = tw.sweep(tw.methods.gradient_descent(1e-6), learning_rate=[1e-6, 1e-7])  # is not done before it is ended
BOTH = {"GD": SLOW, "heavy": tw.methods.momentum(1e-6)}


@pytest.fixture(scope="module")
def chain():
    """A pytree that leads through two spaces, of which not all have units."""
    return tw.Problem(
        tw.Stage(lambda x: jnp.stack([2 * x["a"], x["b"][0]]), name="u"),
        tw.Stage(lambda u: {"sum": u[0] + u[1], "far": 3 * u}, name="y"),
        loss=lambda y: y["sum"] ** 2 + jnp.sum(y["far"] ** 2),
        start={"a": 1.0, "b": np.array([3.0, 4.0])},
        units={"x": "m", "y": "s", "loss": "J"},
    )


@pytest.fixture(scope="module")
def fit():
    return tw.Problem(lambda x, t: x[0] * t, loss=lambda y, t: jnp.sum((y - 2.0) ** 2), start=[1.0], units={"x": "V"})


def size(problem, x):
    return jnp.sum(x**2)


def pair(problem, x):
    return x[:2]


def of_run(chain, methods=BOTH, **arguments):
    trace = tw.run(chain, methods, record=[size, pair], **arguments)
    known, shapes = tuple(trace.coords.keys() & {"learning_rate", "momentum"}), {"size": False, "pair": True}
    return Case("a trace", trace, chain.units, space=("u", "y"), observer=shapes, hyperparameter=known)


def of_solve(problem, *true, methods=BOTH, **arguments):
    fits = tw.solve(problem, methods, **{"gtol": 1e-30, **arguments})
    known = tuple(fits.coords.keys() & {"learning_rate", "momentum"})
    return Case("fits", fits, problem.units, frozenset({"always", *true}), hyperparameter=known)


@pytest.fixture(scope="module")
def trace(chain):
    return of_run(chain, steps=5, every=2)


@pytest.fixture(scope="module")
def fits(chain):
    return of_solve(chain, max_steps=5)


def test_a_trace_is_what_the_page_says(trace):
    assert differences(trace) == []
    data = trace.data
    assert data.step.values.tolist() == [0, 2, 4, 5]
    assert data.x_dim.values.tolist() == ["a", "b[0]", "b[1]"] and data.pair_dim.values.tolist() == ["0", "1"]
    assert data.rule.values.tolist() == ["sgd", "sgd", "sgd"] and np.isnan(data.momentum.values[:2]).all()


def test_a_trace_in_half_precision_is_what_the_page_says(chain):
    case = of_run(chain, SLOW, steps=1, dtype="bfloat16")
    assert differences(case) == [] and case.data.attrs["dtype"] == "bfloat16" and case.data.loss.dtype == np.float32


def test_fits_are_what_the_page_says(fits):
    assert differences(fits) == []


def test_fits_out_of_time_are_what_the_page_says(chain):
    late = of_solve(chain, max_steps=2**31, max_seconds=1e-9)
    assert differences(late) == []
    meanings = late.data.reason.attrs["flag_meanings"].split()
    assert {meanings[code] for code in late.data.reason.values.ravel()} == {"max_seconds"}


def test_fits_of_cases_are_what_the_page_says(fit):
    cases = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    case = of_solve(fit, "cases", starts=[[1.0], [2.0]], cases=cases, methods=SLOW, max_steps=3)
    assert differences(case) == [] and case.data.sizes["case"] == 3 and case.data.first_x.shape == (2, 1)


def test_interrupted_calls_are_what_the_page_says(chain, trace, fits):
    """Both are compiled already, so that Ctrl-C meets their steps."""

    def cut(call):
        timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
        timer.start()
        done = call()
        timer.cancel()
        return done._replace(true=frozenset({"always", "interrupted"}))

    assert differences(cut(lambda: of_run(chain, steps=10**8, every=10**5))) == []
    assert differences(cut(lambda: of_solve(chain, max_steps=2**31))) == []


def flags(values):
    return list(zip(values.attrs["flag_values"].tolist(), values.attrs["flag_meanings"].split(), strict=True))


def test_outcomes_are_those_of_the_page(chain, trace, fits):
    said = [(int(row["code"]), row["outcome"]) for row in TABLES["Outcomes"]]
    assert said == list(enumerate(endings.OUTCOMES))
    assert flags(fits.data.outcome) == said
    assert flags(tw.analysis.outcome(trace.data, chain)) == said
    assert tuple(tw.analysis.OUTCOMES) == endings.OUTCOMES
    of_fits = {row["outcome"] for row in TABLES["Outcomes"] if row["said of"] != "paths"}
    assert of_fits == {ending.outcome.name.lower() for ending in endings.Ending}


def test_reasons_are_those_of_the_page(fits):
    *fixed, last = TABLES["Reasons"]
    said = [(int(row["code"]), row["reason"]) for row in fixed]
    assert flags(fits.data.reason) == [*said, (len(said), "gtol")]
    assert (last["code"], last["outcome"]) == (f"{len(said)} …", "converged")
    for code, row in enumerate(fixed):
        assert endings.Ending(code).outcome.name.lower() == row["outcome"]
    both = tw.tolerances.gtol(1e-3) & tw.tolerances.xtol(1e-3) | tw.tolerances.ftol(1e-9)
    assert endings.reasons(both)[len(said) :] == ["gtol_and_xtol", "ftol"]


def test_evaluations_are_those_of_the_page(fits):
    said = [row["evaluation"] for row in TABLES["Evaluations"]]
    assert said == list(fits.data.evaluation.values) == list(evaluations.EVALUATIONS)


def test_what_is_missing_on_either_side_is_found(trace, fits):
    def told(case, **changes):
        return differences(case._replace(data=case.data.assign(changes)))

    assert told(trace, extra=trace.data.loss) == ["variable extra is not on the page"]
    assert differences(trace._replace(data=trace.data.drop_vars("rule"))) == ["coordinate rule is not in the Dataset"]
    assert len(told(fits, loss=fits.data.loss.astype(np.float32))) == 1
    assert len(told(fits, x=fits.data.x.assign_attrs(units="cm"))) == 1
    assert len(differences(fits._replace(data=fits.data.assign_attrs(note="")))) == 1
