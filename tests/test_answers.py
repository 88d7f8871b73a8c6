"""What ``thalweg solve`` answers of the best fit: intervals, derived quantities, predictions, and their files."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from thalweg import analysis, problems
from thalweg.command import commands
from thalweg.command.points import read_points

X = np.linspace(0, 5, 12)
Y = 3 * np.exp(-0.7 * X) + 0.05 * np.random.default_rng(0).normal(size=X.size)
DECAY = 'solve data.csv --model "a*exp(-k*x)" --y y --start a=1,k=1'


@pytest.fixture
def folder(workplace):
    pd.DataFrame({"x": X, "y": Y, "dy": 0.1 + 0.01 * X}).to_csv(workplace / "data.csv", index=False)
    (workplace / "new.csv").write_text("x;dy;note\n0,5;0,2;a\n7;0,4;b\n")
    (workplace / "days.csv").write_text("x\n2020-01-01\n2021-01-01\n")
    (workplace / "short.csv").write_text("z\n1\n2\n")
    return workplace


@pytest.fixture
def solved(monkeypatch):
    """The fits and problems of a command line."""
    found, solve = [], commands.solve_all
    monkeypatch.setattr(
        commands, "solve_all", lambda p, *a, **k: (found.append((solve(p, *a, **k), p)), found[-1][0])[1]
    )
    return found


def rows(printed, head):
    """The words of the lines of the table that begins with these words, by their first."""
    lines = printed[printed.index(f"\n{head} ") + 1 :].split("\n\n")[0].splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines[1:]}


@pytest.mark.slow
def test_all_that_may_be_asked_is_printed_and_written(call, folder, solved):
    asked = "--profile --bootstrap 60 --seed 5 --derive half=log(2)/k --derive 'two = 2*half' --level 0.9"
    status, out, err = call(f"{DECAY} {asked} --at x=0:10:0.4 --predict new.csv --out fit.json")
    assert (status, err) == (0, "") and out.endswith("\npredictions: new.csv\nfits: fit.json\n")
    fits, problem = solved[0]
    profile = analysis.profile_intervals(fits, problem, 0.9)
    draws = analysis.bootstrap(fits, problem, 60, key=5, level=0.9)
    derived = analysis.derived(fits, problem, {"half": "log(2)/k", "two": "2*half"}, 0.9)
    band = analysis.prediction(fits, problem, {"x": np.arange(26) * 0.4}, 0.9)

    tail = out[out.rindex("\nparameter ") :]
    assert tail.splitlines()[1].split() == (
        ["parameter", "value", "standard", "error", "90", "%", "profile", "90", "%", "bootstrap", "bootstrap", "error"]
    )
    for name, words in rows(tail, "parameter").items():
        if name in "ak":
            of, drawn = profile.loc[name], draws.sel(x_dim=name)
            right = [of.lower, of.upper, drawn.lower, drawn.upper, drawn.standard_error]
            assert_allclose([float(words[i]) for i in (2, 4, 5, 7, 8)], right, rtol=1e-4)
    assert "\nthe bootstrap is of 60 draws of residuals\n" in tail
    for name, words in rows(tail, "derived").items():
        right = derived.loc[name, ["value", "standard_error", "lower", "upper"]].to_numpy(float)
        assert_allclose([float(words[i]) for i in (0, 1, 2, 4)], right, rtol=1e-4)
    shown = rows(tail, "x")
    assert "\n(the first 20 of 26 points)\n" in tail and list(shown)[:3] == ["0", "0.4", "0.8"]
    assert_allclose(float(shown["7.6"][0]), band.predicted[19], rtol=1e-6)
    assert_allclose(
        [float(shown["7.6"][i]) for i in (5, 7)], [band.prediction_low[19], band.prediction_high[19]], rtol=1e-4
    )

    written = pd.read_csv("new.csv")
    assert list(written.columns) == [str(name) for name in band.data_vars] and len(written) == 26
    for name in band.data_vars:
        assert_allclose(written[name], band[name], rtol=1e-12)
    report = json.loads((folder / "fit.json").read_text())
    a = report["parameters"]["a"]
    assert a["profile"] == {"lower": profile.lower["a"], "upper": profile.upper["a"], "note": ""}
    assert a["bootstrap"] == pytest.approx(
        {key: float(draws[key].sel(x_dim="a")) for key in ("lower", "upper", "standard_error", "bias")}
    )
    assert report["bootstrap"] == {"draws": 60, "found": 60, "kind": "residuals", "key": 5, "level": 0.9}
    assert report["derived"]["two"] == pytest.approx(derived.loc["two"].to_dict())
    assert_allclose(report["predictions"]["confidence_high"], band.confidence_high) and report["level"] == 0.9


@pytest.mark.slow
def test_the_table_of_a_fit_has_what_was_asked_beside_it(call, folder, solved):
    line = f"{DECAY} --sigma dy --bound k=0.69: --profile --bootstrap 20 --resample cases --derive half=log(2)/k"
    status, out, err = call(f"{line} --at new.csv --out fit.csv")
    assert (status, err) == (0, "") and "\nk, lower end: at its bound\n" in out
    assert "\nthe bootstrap is of 20 draws of cases\n" in out
    fits, problem = solved[0]
    table = pd.read_csv("fit.csv", index_col="parameter")
    assert list(table.index) == ["a", "k", "half", "residual standard deviation", "degrees of freedom"]
    assert table.profile_lower["k"] == 0.69 and table.profile_note["k"] == "lower end: at its bound"
    draws = analysis.bootstrap(fits, problem, 20, kind="cases")
    assert draws.x[:, 1].min() == 0.69  # bounded, as the fit was
    assert_allclose(table.bootstrap_upper[["a", "k"]], draws.upper, rtol=1e-12)
    assert_allclose(
        table.standard_error["half"], analysis.derived(fits, problem, {"h": "log(2)/k"}).standard_error["h"]
    )
    assert table.note["half"] == "log(2)/k" and table.upper["half"] > table.value["half"]
    band = analysis.prediction(fits, problem, {"x": [0.5, 7]}, sigma=[0.2, 0.4])  # errors of the new table
    words = rows(out, "x")["7"]
    assert_allclose([float(words[i]) for i in (5, 7)], [band.prediction_low[1], band.prediction_high[1]], rtol=1e-4)


@pytest.mark.slow
def test_of_several_models_the_best_is_asked(call, folder):
    line = f'{DECAY} --model "a*exp(-k*x)+c" --out fit.json'
    status, out, err = call(f"{line} --derive half=log(2)/k")
    assert (status, err) == (0, "") and "half" in out.partition("the lowest AIC has a*exp(-k*x)\n")[2]
    status, out, err = call(f"{line} --derive u=2*c")  # which the best of them has not
    assert (status, err) == (0, "") and "\n'u' cannot be derived: 'c' at column 3" in out
    assert "derived" not in json.loads((folder / "fit.json").read_text())
    status, out, err = call(f"{line} --derive u=2*q")
    assert (status, out) == (2, "") and "'u' cannot be derived: 'q' at column 3" in err


def test_figures_of_a_fit(call, folder):
    status, out, err = call(f"{DECAY} --figure fit.png --log y --diagnostics left.svg")
    assert (status, err) == (0, "") and out.endswith("\nfigure: fit.png\ndiagnostics: left.svg\n")
    assert (folder / "fit.png").read_bytes().startswith(b"\x89PNG") and "Cook" in (folder / "left.svg").read_text()


@pytest.mark.slow
def test_without_points_the_data_are_predicted_and_a_failed_fit_answers_nothing(call, folder, solved):
    status, out, err = call(f"{DECAY} --predict at.csv")
    assert (status, err) == (0, "") and rows(out, "x")["5"]
    assert_array_equal(pd.read_csv("at.csv").x, X)
    status, out, err = call(
        'solve data.csv --model "a*log(k-9-x)" --y y --start a=1,k=1 --profile --derive u=a --at x=1 --out fit.json'
    )
    assert (status, err) == (1, "") and "\nno fit is finite, so that there is nothing to ask of the best one\n" in out
    assert "derived" not in json.loads((folder / "fit.json").read_text())


REFUSED = {
    "--at z=3": "'z' is not a predictor of the model; choose from x.",
    "--at x=3:1:1": "--at of x goes from 3 to 1 by 1, which does not lead there in 1000000 steps",
    "--at x=0:1:0": "--at of x goes from 0 to 1 by 0, which does not lead there",
    "--at x=0:1:1:1": "--at of x is '0:1:1:1', but it must be low:high:step; write e.g. x=0:10:0.5.",
    "--at x=a": "--at of x is 'a', but it must be a finite number",
    "--at x=1 --at x=2": "--at of x is given twice; give it once.",
    "--at -": "--at is '-', but it reads no standard input; give a file, or values by predictor.",
    "--at none.csv": "'none.csv' cannot be read as a table: no such file",
    "--at new.csv --at x=1": "--at has the table new.csv beside others; give it alone, or values by predictor.",
    "--at short.csv": "short.csv has no column 'x', which the model predicts from; add it.",
    "--at days.csv": "column 'x' of days.csv is read in years of 365.25 days since 2020-01-01, which may",
    "--derive half": "--derive is 'half', but it must be name=formula",
    "--derive u=a --derive u=k": "--derive of u is given twice; give it once.",
    "--derive a=k": "'a' is to be derived, but it is a parameter of the fit",
    "--derive u=q/2": "'u' cannot be derived: 'q' at column 1 of the formula is unknown",
    "--predict new.txt": "new.txt is no .csv file, but predictions are written so; let it end in .csv.",
    "--predict none/new.csv": "none/new.csv cannot be written, because its folder does not exist",
    "--log x": "--log was given without --figure, whose axes it names; give --figure, too.",
    "--figure fit.png --log z": "Invalid value",
    "--diagnostics left.txt": "left.txt does not end like a figure; let it end in one of",
    "--profile --level 95": "level is 95.0, but it must be between 0 and 1; give e.g. 0.95.",
    "--bootstrap 0": "Invalid value for --bootstrap: '0' is not a whole number from 1",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refusal(words, call, compiled):
    before = len(compiled)
    status, out, err = call(f"{DECAY} {words}")
    assert (status, out) == (2, "") and REFUSED[words] in " ".join(err.split()) and len(err.splitlines()) == 1
    assert len(compiled) == before


def test_only_regressions_are_asked(call):
    status, out, err = call("solve pbdl --profile")
    assert (status, out) == (2, "") and "--profile was given, but 'pbdl' is no regression" in err


POINTS = {
    ("x=0:1:0.25", "u=3"): ([0, 0.25, 0.5, 0.75, 1], [3] * 5),
    ("x=0:0.3:0.1", "u=1"): ([0, 0.1, 0.2, 0.3], [1] * 4),
    ("x=2:0:-1", "'u'=1/2"): ([2, 1, 0], [0.5] * 3),
    ("x = 1, 2", "u=-1:0:1"): ([1, 1, 2, 2], [-1, 0, -1, 0]),
    ("u=7", "x=0:10"): (np.arange(21) / 2, [7] * 21),
}


@pytest.mark.parametrize("words", POINTS)
def test_points_of_predictors(words):
    table = {"x": [1.0, 2, 3], "u": [1.0, 0, 2], "y": [1.0, 2, 3]}
    model = problems.regression(table, "a*x+b*u", "y").stages[0].forward
    found = read_points(words, model, {})
    for name, right in zip("xu", POINTS[words], strict=True):
        assert_allclose(found[name], right, rtol=1e-12)


@pytest.mark.parametrize("asked", ["--profile", "--bootstrap 100", "--diagnostics d.png"])
@pytest.mark.parametrize("loss", ["soft_l1", "poisson"])
def test_what_is_known_of_squares_alone_is_refused_before_work(asked, loss, call, workplace):
    (workplace / "counts.csv").write_text("x,n\n" + "\n".join(f"{x},{9 - x}" for x in range(9)))
    status, out, err = call(f'solve counts.csv --model "a*exp(-k*x)" --y n --loss {loss} {asked}')
    assert (status, out) == (2, "") and "ask them of a fit by squares" in err
