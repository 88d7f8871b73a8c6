"""Bootstrap: the same draws fitted one by one by SciPy, and the variance of linear models."""

import numpy as np
import pytest
import scipy.optimize
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

from thalweg import analysis, problems

T = np.linspace(0, 5, 15)
SIGMA = 0.03 + 0.01 * T
DECAY = 3 * np.exp(-0.7 * T) + SIGMA * np.random.default_rng(0).normal(size=T.size)


def predict(t, a, k):
    return a * np.exp(-k * t)


def jacobian(t, a, k):
    return np.stack([np.exp(-k * t), -a * t * np.exp(-k * t)], axis=1)


@pytest.fixture(scope="module")
def decay():
    problem = problems.regression({"t": T, "y": DECAY}, "a*exp(-k*t)", "y", start={"a": 3, "k": 0.7}, sigma=SIGMA)
    best = scipy.optimize.curve_fit(predict, T, DECAY, [3, 0.7], SIGMA, xtol=1e-15, ftol=1e-15)[0]
    return xr.Dataset({"x": ("x_dim", best), "loss": 0.0}), problem, best


@pytest.mark.parametrize("kind", ["residuals", "cases"])
def test_draws_are_those_that_scipy_fits_one_by_one(kind, decay):
    fits, problem, best = decay
    found = analysis.bootstrap(fits, problem, n=40, key=7, kind=kind)
    rows = np.random.default_rng(7).integers(15, size=(40, 15))
    j = jacobian(T, *best) / SIGMA[:, None]
    h = np.diag(j @ np.linalg.inv(j.T @ j) @ j.T)
    e = (DECAY - predict(T, *best)) / SIGMA / np.sqrt(1 - h)
    for i, row in enumerate(rows):
        t, y, s = (T[row], DECAY[row], SIGMA[row]) if kind == "cases" else (T, None, SIGMA)
        y = predict(T, *best) + SIGMA * (e - e.mean())[row] if y is None else y
        right = scipy.optimize.curve_fit(predict, t, y, best, s, xtol=1e-15, ftol=1e-15)[0]
        assert_allclose(found.x[i], right, rtol=1e-6)
        assert_allclose(found.loss[i], np.sum(((y - predict(t, *right)) / s) ** 2), rtol=1e-8)
    assert found.found.all() and found.attrs == {"problem": problem.name, "kind": kind, "key": 7, "level": 0.95}
    x = found.x.values
    assert_allclose([found.lower, found.upper], np.quantile(x, [0.025, 0.975], axis=0), rtol=1e-12)
    assert_allclose(found.standard_error, x.std(axis=0, ddof=1), rtol=1e-12)
    assert_allclose(found.bias, x.mean(axis=0) - best, rtol=1e-9)
    assert_allclose(found.correlation, np.corrcoef(x.T), rtol=1e-12)


def test_all_draws_are_one_program(decay, compiled):
    fits, problem, _ = decay
    one = analysis.bootstrap(fits, problem, n=40, key=7)
    before = len(compiled)
    again, other = (analysis.bootstrap(fits, problem, n=40, key=key) for key in (7, 8))
    analysis.bootstrap(fits, problem, n=40, kind="cases", level=0.5)
    assert len(compiled) == before
    assert_array_equal(one.x, again.x)
    assert not np.allclose(one.x, other.x, rtol=1e-6)


def test_of_a_linear_model_residuals_have_the_variance_of_its_errors():
    """The covariance of the draws is (X^T X)^-1 times the variance of the modified residuals."""
    y = 1 + 2 * T + np.random.default_rng(3).normal(size=15)
    problem = problems.regression({"t": T, "y": y}, "a+b*t", "y")
    design = np.stack([np.ones(15), T], axis=1)
    best = np.linalg.lstsq(design, y, rcond=None)[0]
    found = analysis.bootstrap(xr.Dataset({"x": ("x_dim", best), "loss": 0.0}), problem, n=4000)
    root = np.linalg.inv(design.T @ design)
    e = (y - design @ best) / np.sqrt(1 - np.diag(design @ root @ design.T))
    assert_allclose(found.standard_error, np.sqrt(np.diag(root) * e.var()), rtol=0.04)
    assert_allclose(found.bias, 0, atol=0.1 * np.sqrt(root[0, 0]))


@pytest.mark.slow
def test_bounds_and_draws_that_tell_nothing(decay):
    fits, _problem, _ = decay
    table = {"t": T, "y": DECAY}
    kept = problems.regression(table, "a*exp(-k*t)", "y", bounds={"k": (0.69, None)}, sigma=SIGMA)
    x = analysis.bootstrap(fits, kept, n=100).x.values[:, 1]
    assert x.min() == 0.69 and (x == 0.69).sum() > 10
    with np.errstate(all="ignore"):
        broken = problems.regression({"t": T, "y": DECAY}, "a*log(k-t)", "y", start={"a": 1, "k": 4})
        none = analysis.bootstrap(fits, broken, n=3)
    assert not none.found.any() and np.isnan(none.lower).all() and np.isnan(none.correlation).all()


REFUSED = {
    "kind": ({"kind": "residual"}, "'residual' is not a kind of bootstrap; did you mean 'residuals'"),
    "n": ({"n": 0}, "n is 0, but"),
    "key": ({"key": -1}, "key is -1, but"),
    "level": ({"level": 1.0}, "level is 1.0, but it must be between 0 and 1; give e.g. 0.95."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, decay):
    more, sentence = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        analysis.bootstrap(*decay[:2], **more)
    assert sentence in str(caught.value)
