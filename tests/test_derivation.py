"""Quantities derived from parameters: the delta method by hand, and what predictions say of the same."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import xarray as xr
from numpy.testing import assert_allclose

import thalweg as tw
from thalweg import analysis, problems

T = np.linspace(0, 5, 12)
Y = 3 - 0.7 * T + 0.05 * np.random.default_rng(0).normal(size=T.size)
DESIGN = np.stack([np.ones(12), T], axis=1)
BEST = np.linalg.lstsq(DESIGN, Y, rcond=None)[0]
FITS = xr.Dataset({"x": ("x_dim", BEST), "loss": 0.0})


@pytest.fixture(scope="module")
def line():
    return problems.regression({"t": T, "y": Y}, "a+b*t+0*scale", "y", fixed={"scale": 2.0})


def test_the_delta_method_is_that_by_hand(line):
    s = np.sqrt(np.sum((Y - DESIGN @ BEST) ** 2) / 10)
    covariance = s**2 * np.linalg.inv(DESIGN.T @ DESIGN)
    (a, b), q = BEST, scipy.stats.t.ppf(0.95, 10)
    formulas = {"zero": "-a/b", "half": "zero/scale", "three": "3", "square": "a**2"}
    found = analysis.derived(FITS, line, formulas, level=0.9)
    slopes = {"zero": [-1 / b, a / b**2], "half": [-0.5 / b, 0.5 * a / b**2], "three": [0, 0], "square": [2 * a, 0]}
    values = {"zero": -a / b, "half": -a / b / 2, "three": 3.0, "square": a**2}
    assert list(found.index) == list(formulas) and found.formula.to_dict() == formulas
    for name, g in slopes.items():
        error = np.sqrt(g @ covariance @ g)
        right = [values[name], error, values[name] - q * error, values[name] + q * error]
        assert_allclose(found.loc[name, found.columns[:4]].to_numpy(float), right, rtol=1e-9)


def test_a_prediction_is_a_quantity_like_others(line):
    band = analysis.prediction(FITS, line, {"t": 9.0})
    found = analysis.derived(FITS, line, {"there": "a + 9*b"}).loc["there"]
    names = ["predicted", "standard_error", "confidence_low", "confidence_high"]
    assert_allclose(found.iloc[:4].to_numpy(float), [float(band[name][0]) for name in names], rtol=1e-12)


def test_with_absolute_errors_the_interval_is_normal():
    problem = problems.regression({"t": T, "y": Y}, "a+b*t", "y", sigma=0.2, absolute_sigma=True)
    found = analysis.derived(FITS, problem, {"half": "log(2)/a"}).loc["half"]
    error = np.log(2) / BEST[0] ** 2 * 0.2 * np.sqrt(np.linalg.inv(DESIGN.T @ DESIGN)[0, 0])
    assert_allclose([found.standard_error, found.upper - found.value], [error, 1.959963984540054 * error], rtol=1e-9)


def test_components_without_names_and_those_that_are_held():
    loss = tw.SquaredError(Y)
    tree = tw.Problem(lambda x: x["w"][0] + x["w"][1] * T + x["c"], loss=loss, start={"c": 0.0, "w": jnp.ones(2)})
    kept = tree.within(({"c": 0.0, "w": [-9.0, -9.0]}, {"c": 0.0, "w": [9.0, 9.0]}))  # c is fixed, at an infinite slope
    found = analysis.derived(xr.Dataset({"x": ("x_dim", [0.0, *BEST]), "loss": 0.0}), kept, {"u": "2*'w[1]'+sqrt(c)"})
    plain = tw.Problem(lambda x: x[0] + x[1] * T, loss=loss, start=[1.0, 1.0])
    right = analysis.derived(FITS, plain, {"u": "2*x1"})
    assert_allclose(found.loc["u"].iloc[:4].to_numpy(float), right.loc["u"].iloc[:4].to_numpy(float), rtol=1e-12)
    assert found.standard_error["u"] > 0


def test_what_is_not_finite_has_no_error(line):
    found = analysis.derived(FITS, line, {"none": "log(b)", "far": "1/(a-a)", "fine": "a"})
    assert np.isnan(found.value["none"]) and np.isinf(found.value["far"])
    assert found.standard_error.isna().tolist() == [True, True, False]


REFUSED = {
    "a parameter": ({"a": "b"}, "'a' is to be derived, but it is a parameter of the fit; give another name."),
    "a constant": ({"scale": "b"}, "'scale' is to be derived, but it is a parameter of the fit"),
    "no name": ({"2a": "b"}, "'2a' is to be derived, but it is no name"),
    "unknown": ({"u": "c/2"}, "'u' cannot be derived: 'c' at column 1 of the formula is unknown; use the variables"),
    "later": ({"u": "v", "v": "a"}, "'u' cannot be derived: 'v' at column 1"),
    "a predictor": ({"u": "a*t"}, "'u' cannot be derived: 't' at column 3"),
    "a number": ({"u": 2}, "'u' is 2, but it is derived by a formula; give e.g. 'log(2)/k'."),
    "nothing": ({}, "formulas is {}, but it has a formula by name"),
    "a function": ({"exp": "a"}, "'exp' is to be derived, but it is a word of the language; give another name."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, line):
    formulas, sentence = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        analysis.derived(FITS, line, formulas)
    assert sentence in str(caught.value)
