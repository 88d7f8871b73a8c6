"""Parameters, errors, bands and intervals against R's nls and drc, lmfit, iminuit and SciPy, to 4 digits or more."""

from functools import cache

import numpy as np
import others
import pytest
from scipy.optimize import curve_fit

import thalweg as tw
from thalweg import analysis


def label(row):
    return f"{row['program']}-{row['fit']}"


@cache
def fitted(name, sigma=None):
    problem = others.problem(name, sigma)
    return tw.solve(problem, tw.methods.LevenbergMarquardt(), gtol=0.0, xtol=1e-12), problem


def estimates(name, names, sigma=None):
    fits, problem = fitted(name, sigma)
    best = analysis.best_fit(fits)
    errors = analysis.uncertainty(best, problem)
    return best.x.sel(x_dim=names).values, errors.standard_error.sel(x_dim=names).values, errors


def check_nls(name, sigma=None):
    row = others.row(name, "nls", sigma)
    values, errors, judged = estimates(name, row["parameters"], sigma)
    assert values == pytest.approx(row["value"], rel=1e-6)
    assert errors == pytest.approx(row["standard_error"], rel=1e-6)
    assert float(judged.residual_standard_deviation) == pytest.approx(row["residual_standard_deviation"], rel=1e-6)
    assert int(judged.degrees_of_freedom) == row["degrees_of_freedom"]
    if "at" in row:
        band = analysis.prediction(*fitted(name), at=others.at(row))
        for key in ("predicted", *others.BANDS):
            assert band[key].values == pytest.approx(row[key], rel=1e-6), key
        assert band.standard_error.values == pytest.approx(row["predicted_error"], rel=1e-6)


def second_derivatives(name, values, sigma):
    """Standard errors by the Hessian of half the sum of squares, for the names of the model."""
    model, y, _ = others.model(name)
    steps = np.diag(3e-4 * np.abs(values))

    def rss(x):
        return float(np.sum((model(y, *x) - y) ** 2))

    hessian = np.array(
        [
            [
                sum(a * b * rss(values + a * one + b * two) for a in (1, -1) for b in (1, -1))
                / (8 * one.sum() * two.sum())
                for two in steps
            ]
            for one in steps
        ]
    )
    s2 = rss(values) / (len(y) - len(values)) if sigma is None else sigma**2
    return np.sqrt(s2 * np.diag(np.linalg.inv(hessian)))


@pytest.mark.slow
def test_nls_and_its_bands():
    check_nls("puromycin_treated")


def test_curve_fit_with_its_covariance():
    model, y, start = others.model("puromycin_treated")
    theirs, covariance = curve_fit(model, np.arange(len(y)), y, start)
    values, errors, _ = estimates("puromycin_treated", list(model.names))
    assert values == pytest.approx(theirs, rel=1e-6)
    assert errors == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)  # which are made of differences


def test_lmfit():
    row = others.row("puromycin_treated", "lmfit")
    values, errors, _ = estimates("puromycin_treated", row["parameters"])
    assert values == pytest.approx(row["value"], rel=1e-6)
    assert errors == pytest.approx(row["standard_error"], rel=1e-4)  # of differences


@pytest.mark.parametrize("row", [r for r in others.rows() if r["program"] in ("drc", "iminuit")], ids=label)
def test_errors_that_differ_are_those_of_second_derivatives(row):
    # The words of docs/agreement.md: drc and HESSE take the Hessian of the sum of squares, which the residuals enter.
    names = list(others.model(row["fit"])[0].names)
    order = [names.index(name) for name in row["parameters"]]
    values = np.array(row["value"])[np.argsort(order)]
    sigma = row.get("sigma")
    errors = second_derivatives(row["fit"], values, sigma)[order]
    assert errors == pytest.approx(row["standard_error"], rel=1e-5 if sigma is None else 2e-3)


@pytest.mark.slow
def test_profile_intervals_of_nls_and_lmfit():
    intervals = analysis.profile_intervals(*fitted("puromycin_treated"))
    for program, digits in (("nls", 3e-4), ("lmfit", 1e-6)):  # R's are interpolated
        row = others.row("puromycin_treated", program)
        theirs = np.array([row["profile_low"], row["profile_high"]])
        ours = intervals.loc[row["parameters"], ["lower", "upper"]].to_numpy().T
        assert (np.abs(ours - theirs) < digits * (theirs[1] - theirs[0])).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bod", "ryegrass", "stormer"])
def test_nls_and_its_bands_of_more_fits(name):
    check_nls(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["puromycin_treated", "ryegrass"])
def test_delta_method(name):
    row = others.row(name, "nls")
    formulas = {f"q{i}": formula for i, formula in enumerate(row["derived"])}
    quantities = analysis.derived(*fitted(name), formulas)[["value", "standard_error"]].to_numpy()
    assert quantities == pytest.approx(np.array(list(row["derived"].values())), rel=1e-6)


@pytest.mark.slow
def test_nls_with_weights():
    check_nls("puromycin_treated", "sqrt(rate)")


@pytest.mark.slow
def test_minos():
    row = others.row("puromycin_treated", "iminuit", 11.0)
    intervals = analysis.profile_intervals(*fitted("puromycin_treated", 11.0))
    theirs = np.array([row["profile_low"], row["profile_high"]])
    ours = intervals.loc[row["parameters"], ["lower", "upper"]].to_numpy().T
    assert (np.abs(ours - theirs) < 1e-4 * (theirs[1] - theirs[0])).all()
