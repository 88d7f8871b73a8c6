"""Counts: Poisson's deviance, Fisher's standard errors and likelihoods, as R's glm has them."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats
from figures import rendered
from numpy.testing import assert_allclose

import thalweg as tw
from thalweg import analysis, plot, problems

LM = tw.methods.LevenbergMarquardt()
DOBSON = {
    "counts": np.array([18, 17, 15, 20, 10, 20, 25, 13, 12]),
    "o2": np.array([0, 1, 0] * 3),
    "o3": np.array([0, 0, 1] * 3),
    "t2": np.repeat([0, 1, 0], 3),
    "t3": np.repeat([0, 0, 1], 3),
}  # Dobson (1990), page 93, in the help of R's glm
FULL, SMALL = "exp(b0 + b1*o2 + b2*o3 + c1*t2 + c2*t3)", "exp(b0 + 0*o2)"


def solved(problem, **settings):
    return tw.solve(problem, LM, **{"gtol": 0.0, "xtol": 1e-11, "max_steps": 1000} | settings)


@pytest.fixture(scope="module")
def dobson():
    problem = problems.regression(DOBSON, FULL, "counts", loss="poisson")
    return problem, solved(problem)


@pytest.mark.slow
def test_deviance_and_its_derivatives():
    """Twice the fall of the log likelihood from y = n, its gradient, and the expectation of its curvature."""
    n, y = np.array([0.0, 1, 5, 200, 7]), np.array([0.3, 2.0, 4.9, 150.0, 7.0])
    problem = tw.Problem(lambda x: x, loss=tw.PoissonDeviance(n, factor=0.7), start=y)
    with jax.enable_x64(True):
        law = scipy.stats.poisson
        right = 2 * (law.logpmf(n, np.where(n > 0, n, 1e-300)) - law.logpmf(n, y)).sum()
        assert_allclose(problem.value(y), 0.7 * right, rtol=1e-12)
        assert_allclose(problem.gradient(y), 1.4 * (1 - n / y), rtol=1e-12, atol=1e-15)
        r, j = problem.least_squares(y)
        assert_allclose(j.T @ r, problem.gradient(y), rtol=1e-12, atol=1e-14)
        assert_allclose(j.T @ j, np.diag(1.4 / y), rtol=1e-12)
        near = 5 * (1 + 1e-9)
        alone = tw.Problem(lambda x: x, loss=tw.PoissonDeviance([5]), start=[1.0])
        assert_allclose(alone.value([near]), (near - 5) ** 2 / 5, rtol=1e-6, atol=1e-17)
        assert alone.value([0.0]) == alone.value([-1.0]) == np.inf
        none = tw.Problem(lambda x: x, loss=tw.PoissonDeviance([0]), start=[1.0])
        assert (none.value([0.0]), none.gradient([0.0])[0], none.value([-0.1])) == (0, 2, np.inf)


def test_a_fit_is_that_of_glm(dobson):
    """glm.D93 of R: coefficients, standard errors, residual deviance 5.1291 on 4 degrees of freedom, AIC 56.76."""
    problem, fits = dobson
    table = analysis.fit_table(fits, problem)
    assert_allclose(table.value[:5], [3.044522, -0.4542553, -0.2929871, 0, 0], rtol=1e-6, atol=1e-8)
    assert_allclose(table.standard_error[:5], [0.1708987, 0.2021708, 0.1927423, 0.2, 0.2], rtol=1e-5)
    assert_allclose(fits.loss[0, 0], 5.129141, rtol=1e-6)
    known = analysis.criteria(fits, problem)
    assert_allclose(known[["AIC", "log likelihood"]], [56.76132, 5 - 56.76132 / 2], rtol=1e-6)
    y = analysis.fitted(fits, problem).predicted.values
    pearson = np.sum((DOBSON["counts"] - y) ** 2 / y)
    assert_allclose(known[["observations", "degrees of freedom", "sum of squares"]], [9, 4, pearson], rtol=1e-10)
    assert np.isnan(known["R squared"])


@pytest.mark.slow
def test_a_mean_has_the_standard_error_of_its_law():
    n = np.random.default_rng(1).poisson(3.3, 50)
    problem = problems.regression({"n": n}, "mu", "n", loss="poisson")
    table = analysis.fit_table(solved(problem), problem)
    assert_allclose([table.value["mu"], table.standard_error["mu"]], [n.mean(), np.sqrt(n.mean() / 50)], rtol=1e-8)


@pytest.mark.slow
def test_a_decay_with_a_background_is_that_of_the_likelihood():
    """Identity link, means that could become negative on the way; beside SciPy's minimum of -ln l."""
    rng, t = np.random.default_rng(2), np.arange(30.0)
    data = {"t": t, "n": rng.poisson(40 * np.exp(-0.3 * t) + 0.8)}
    problem = problems.regression(data, "a*exp(-k*t) + b", "n", {"a": 5.0, "k": 0.05, "b": 3.0}, loss="poisson")
    fits = solved(problem)
    assert analysis.OUTCOMES[fits.outcome.item()] == "converged"

    def unlikely(p):
        a, b, k = p
        return -scipy.stats.poisson.logpmf(data["n"], a * np.exp(-k * t) + b).sum()

    near, options = fits.x.values[0, 0] * 1.05, {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    right = scipy.optimize.minimize(unlikely, near, method="Nelder-Mead", options=options)
    assert_allclose(fits.x[0, 0], right.x, rtol=1e-6)
    assert_allclose(analysis.criteria(fits, problem)["log likelihood"], -right.fun, rtol=1e-12)


def test_what_is_drawn_and_written_is_of_pearsons_residuals(dobson):
    problem, fits = dobson
    shown = analysis.fitted(fits, problem)
    assert_allclose(shown.sigma, np.sqrt(shown.predicted))
    assert (shown.attrs["loss"], shown.attrs["absolute_sigma"], shown.attrs["sigma"]) == (
        "poisson",
        1,
        "sqrt(predicted)",
    )
    _, below = rendered(plot.fit(fits, problem)).axes
    assert below.get_ylabel() == "residual / sqrt(predicted)"
    report = json.loads(json.dumps(analysis.fit_report(fits, problem)))
    right = (shown.observed - shown.predicted) / np.sqrt(shown.predicted)
    assert_allclose(report["observations"]["residual"], right, rtol=1e-10, atol=1e-12)
    assert report["loss"] == "poisson" and report["observations"]["prediction_low"] == [None] * 9
    bands = analysis.prediction(fits, problem)
    assert_allclose(bands.confidence_high - bands.predicted, scipy.stats.norm.ppf(0.975) * bands.standard_error)


def test_counts_by_example_are_counts():
    loss = tw.PoissonDeviance(lambda data: data["n"])
    problem = tw.Problem(lambda x: x, loss=loss, start=[2.0, 2.0])
    fits = tw.solve(problem, LM, cases={"n": np.array([[3, 5], [1, 9]])})
    assert_allclose(fits.x[0, :, 0], [[3, 5], [1, 9]], rtol=1e-6)
    assert repr(tw.PoissonDeviance([1, 2])) == "PoissonDeviance([1, 2])"


REFUSED = {
    "rates": (
        {"n": [0.5, 1, 2]},
        {},
        "column 'n' has 0.5 at index 0, but Poisson's law is of counts, whole numbers of",
    ),
    "negative": ({"n": [1, -1, 2]}, {}, "column 'n' has -1 at index 1, but Poisson's law is of counts"),
    "a scale": ({"n": [1, 1, 2]}, {"f_scale": 1.0}, "f_scale was given, but only a robust loss has one"),
    "sigma": (
        {"n": [1, 1, 2]},
        {"sigma": 1.0},
        "sigma was given with the loss 'poisson', but the variance of counts",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name):
    data, more, sentence = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        problems.regression(data, "mu", "n", loss="poisson", **more)
    assert sentence in str(caught.value)


def test_refusal_of_what_is_no_sum_of_squares(dobson):
    problem, fits = dobson
    with pytest.raises(ValueError, match="the loss of 'regression' is no sum of squares, but an F-test"):
        analysis.f_test(fits, problem, fits, problem)
    with pytest.raises(ValueError, match="sigma was given for a prediction band, but only a sum of squares has one"):
        analysis.prediction(fits, problem, sigma=0.1)
    with pytest.raises(ValueError, match="target has -1 at index 0, but Poisson's law is of counts"):
        tw.PoissonDeviance([-1, 2])


@pytest.fixture
def folder(workplace):
    pd.DataFrame(DOBSON).to_csv(workplace / "dobson.csv", index=False)
    return workplace


@pytest.mark.slow
def test_models_of_counts_are_compared_by_their_likelihood(call):
    """anova of R: the deviance falls by 5.4523 for two outcomes, p 0.06547."""
    status, out, err = call(
        f'solve dobson.csv --y counts --loss poisson --model "{SMALL}" --model "exp(b0 + b1*o2 + b2*o3)"'
    )
    assert (status, err) == (0, "")
    assert "dobson: counts = exp(b0 + 0*o2), 9 observations of counts, 64 starts\n" in out
    assert "deviance 10.5814, degrees of freedom 8, Pearson's chi squared " in out
    assert "R squared" not in out.partition("model")[0]
    assert f"likelihood ratio of {SMALL} in exp(b0 + b1*o2 + b2*o3): deviance falls by 5.4523 on 2, p 0.0655\n" in out
