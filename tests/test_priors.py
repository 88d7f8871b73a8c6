"""What is known of parameters beforehand: a residual more for each, and no observation."""

import json

import numpy as np
import pandas as pd
import pytest
from figures import rendered
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw
from thalweg import analysis, plot, problems
from thalweg.command.assignments import read_priors

LM = tw.methods.LevenbergMarquardt()
T = np.arange(12.0)
DATA = {
    "t": T,
    "y": 1.5 + 0.8 * T + np.random.default_rng(0).normal(0, 0.5, 12),
    "dy": np.linspace(0.3, 0.7, 12),
    "site": ["a", "b"] * 6,
}
ABSOLUTE = {"sigma": "dy", "absolute_sigma": True}
PRIORS = {"b": (0.6, 0.03), "a": (2.0, 0.5)}


def regressed(model="a + b*t", **more):
    return problems.regression(DATA, model, "y", **ABSOLUTE | {"priors": PRIORS} | more)


def solved(problem):
    return tw.solve(problem, LM, gtol=0.0, xtol=1e-11)


@pytest.fixture(scope="module")
def fitted():
    problem = regressed()
    return problem, solved(problem)


def test_a_line_has_the_posterior_of_the_normal_equations(fitted):
    """(X^T W X + P)^-1 is the covariance, and that times X^T W y + P mu the mean."""
    problem, fits = fitted
    X, w = np.stack([np.ones(12), T], axis=1), DATA["dy"] ** -2
    P, mu = np.diag([0.5**-2, 0.03**-2]), np.array([2.0, 0.6])
    covariance = np.linalg.inv(X.T * w @ X + P)
    right = covariance @ (X.T * w @ DATA["y"] + P @ mu)
    table = analysis.fit_table(fits, problem)
    assert_allclose(table.value[:2], right, rtol=1e-9)
    assert_allclose(table.standard_error[:2], np.sqrt(np.diag(covariance)), rtol=1e-9)
    residual = (DATA["y"] - X @ right) / DATA["dy"]
    assert_allclose(fits.loss[0, 0], residual @ residual + (right - mu) @ P @ (right - mu), rtol=1e-11)
    band = analysis.prediction(fits, problem, {"t": [20.0]})
    assert_allclose(band.standard_error, np.sqrt([1, 20] @ covariance @ [1, 20]), rtol=1e-9)


def test_priors_are_no_observations(fitted):
    problem, fits = fitted
    shown = analysis.fitted(fits, problem)
    known = analysis.criteria(fits, problem)
    residual = (shown.observed - shown.predicted) / DATA["dy"]
    rss = float(residual @ residual)
    assert_allclose(known[["observations", "parameters", "degrees of freedom"]], [12, 2, 10])
    assert_allclose(known[["sum of squares", "residual standard deviation"]], [rss, np.sqrt(rss / 10)], rtol=1e-12)
    likely = -(rss + np.sum(np.log(2 * np.pi * DATA["dy"] ** 2))) / 2
    assert_allclose(known["log likelihood"], likely, rtol=1e-12)
    assert known[["AIC", "AICc", "BIC"]].isna().all()
    report = json.loads(json.dumps(analysis.fit_report(fits, problem)))
    assert {len(column) for column in report["observations"].values()} == {12}
    assert report["priors"] == {"b": [0.6, 0.03], "a": [2.0, 0.5]}
    top, _ = rendered(plot.fit(fits, problem)).axes
    assert len(next(line for line in top.get_lines() if line.get_label() == "observed").get_xdata()) == 12
    with pytest.raises(ValueError, match="'regression' has priors, but an F-test is of observations alone"):
        analysis.f_test(fits, problem, fits, problem)


@pytest.mark.slow
def test_wide_priors_say_nothing_and_narrow_ones_fix():
    line = np.polyfit(T, DATA["y"], 1, w=1 / DATA["dy"])[::-1]
    assert_allclose(solved(regressed(priors={"a": (0.0, 1e9), "b": (5.0, 1e9)})).x[0, 0], line, rtol=1e-8)
    held = solved(regressed(priors={"b": (0.7, 1e-9)}))
    assert_allclose(held.x[0, 0], [np.average(DATA["y"] - 0.7 * T, weights=DATA["dy"] ** -2), 0.7], rtol=1e-6)


def test_they_begin_at_the_mean_where_nothing_else_is_said():
    assert_array_equal(regressed().start, [2.0, 0.6])
    assert_array_equal(regressed(start={"a": 5.0}, domain={"b": (0.0, 1.0)}).start, [5.0, 0.5])


def test_priors_of_groups_are_of_all_or_of_one():
    problem = regressed(groups={"site": "a"}, priors={"a": (2.0, 0.5), "a[b]": (3.0, 0.1)})
    assert dict(problem.stages[0].forward.priors) == {"a[a]": (2.0, 0.5), "a[b]": (3.0, 0.1)}
    assert_array_equal(problem.start, [2, 3, 1])
    one = regressed(groups={"site": "a"}, priors={"a": (2.0, 0.5)}, fixed={"a[b]": 3.0})
    assert dict(one.stages[0].forward.priors) == {"a[a]": (2.0, 0.5)}
    with pytest.raises(ValueError, match=r"'a\[a\]' is fixed and has a prior"):
        regressed(groups={"site": "a"}, priors={"a": (2.0, 0.5)}, fixed={"a": 3.0})


@pytest.mark.slow
def test_fewer_observations_than_parameters_are_enough_with_priors():
    problem = problems.regression(
        {"t": T[:1], "y": [3.0]}, "a + b*t", "y", sigma=0.1, absolute_sigma=True, priors={"b": (0.5, 0.1)}
    )
    spread = analysis.uncertainty(solved(problem), problem)
    assert_allclose(spread.standard_error[0, 0], [0.1, 0.1], rtol=1e-10)
    assert np.isnan(spread.residual_standard_deviation) and spread.degrees_of_freedom.item() == -1


REFUSED = {
    "relative": ({"absolute_sigma": False}, "priors were given, but only beside squares over an absolute sigma is it"),
    "no sigma": (
        {"sigma": None, "absolute_sigma": False},
        "priors were given, but only beside squares over an absolute",
    ),
    "robust": ({"absolute_sigma": False, "loss": "huber"}, "priors were given, but only beside squares"),
    "no parameter": ({"priors": {"c": (1, 1)}}, "'c' is not a parameter of the model; choose from a, b."),
    "fixed": ({"fixed": {"b": 1.0}}, "'b' is fixed and has a prior; leave one of them out."),
    "zero": ({"priors": {"b": (1.0, 0.0)}}, "the prior of 'b' is (1.0, 0.0), but it must be a mean and a positive"),
    "one number": ({"priors": {"b": 1.0}}, "the prior of 'b' is 1.0, but it must be a mean and a positive standard"),
    "no mapping": ({"priors": [(1.0, 1.0)]}, "priors is [(1.0, 1.0)], but it goes by parameter; give e.g."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, compiled):
    given, sentence = REFUSED[name]
    before = len(compiled)
    with pytest.raises(ValueError) as caught:
        regressed(**given)
    assert sentence in str(caught.value) and len(compiled) == before


def test_words_of_the_command_line():
    right = {"k": (0.1, 0.02), "a[T=5]": (-1e-3, 1e-4), "c": (2.0, 0.5), "d": (1.0, 0.1)}
    assert read_priors(["k=0.1+-0.02", "a[T=5] = -1e-3 ± 1e-4", "c=2+/-0.5", "d=+1+-0.1"]) == right
    for text in ("k", "k=0.1", "k=0.1,0.02", "=1+-2", "k=1+-"):
        with pytest.raises(ValueError, match="but it must be name=mean"):
            read_priors([text])
    with pytest.raises(ValueError, match="--prior of k is given twice"):
        read_priors(["k=1+-1", "k=2+-1"])


@pytest.fixture
def folder(workplace):
    pd.DataFrame(DATA).to_csv(workplace / "line.csv", index=False)
    return workplace


@pytest.mark.slow
def test_from_the_shell(call, fitted):
    problem, fits = fitted
    line = 'solve line.csv --model "a + b*t" --y y --sigma dy --prior b=0.6+-0.03 --prior a=2+-0.5'
    status, out, err = call(f"{line} --absolute-sigma")
    table = analysis.fit_table(fits, problem)
    assert (status, err) == (0, "")
    assert out.startswith("line: y = a + b*t, 12 observations with errors dy (absolute) and priors of a, b, 1 start\n")
    rows = [line.split() for line in out.splitlines() if line.startswith(("a ", "b "))][:2]
    assert_allclose([[float(value), float(error)] for _, value, error in rows], table.iloc[:2, :2], rtol=1e-4)
    assert "AIC" not in out
    status, _, err = call(line)
    assert status == 2 and "give sigma and absolute_sigma=True (--sigma dy --absolute-sigma)" in err
    status, _, err = call("solve rosenbrock --prior x0=1+-1")
    assert status == 2 and "--prior was given, but 'rosenbrock' is no table" in err
