"""Observations with standard deviations: residuals over sigma, relative or absolute, in fits, errors and figures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from figures import rendered
from matplotlib.collections import LineCollection
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw
from thalweg import analysis, plot, problems

LM = tw.methods.LevenbergMarquardt()
RATES = {
    "S": np.array([3.6, 1.8, 0.9, 0.48, 0.225, 0.1125]),
    "v": np.array([0.004507692, 0.004192308, 0.00355384, 0.002576923, 0.001661538, 0.001064286]),
    "dv": np.array([12, 8, 12, 10, 7, 5]) * 1e-5,
}  # of the tutorial of biosoft-ipcms.fr
LAW = "A*S/(B+S)"
PUBLISHED = {False: [0.000109824, 0.0258981], True: [0.000113188, 0.0266921]}


def law(S, A, B):
    return A * S / (B + S)


def solved(problem, method=LM):
    return tw.solve(problem, method, gtol=0.0, xtol=1e-10, max_steps=10_000)


@pytest.fixture(scope="module")
def fitted():
    """Fits with relative and with absolute errors: {absolute: (problem, fits)}."""
    made = {a: problems.regression(RATES, LAW, "v", sigma="dv", absolute_sigma=a) for a in (False, True)}
    return {absolute: (problem, solved(problem)) for absolute, problem in made.items()}


@pytest.mark.parametrize("absolute", [False, True])
def test_errors_are_those_published_and_scipys(absolute, fitted):
    problem, fits = fitted[absolute]
    right, covariance = scipy.optimize.curve_fit(
        law, RATES["S"], RATES["v"], (0.004, 1), sigma=RATES["dv"], absolute_sigma=absolute, xtol=1e-14, ftol=1e-14
    )
    table = analysis.fit_table(fits, problem)
    assert_allclose(table.value[:2], [0.0051904, 0.4557006], rtol=1e-5)
    assert_allclose(table.standard_error[:2], PUBLISHED[absolute], rtol=4e-5)  # six digits
    assert_allclose(table.value[:2], right, rtol=1e-7)
    assert_allclose(table.standard_error[:2], np.sqrt(np.diag(covariance)), rtol=1e-5)
    residual = (RATES["v"] - law(RATES["S"], *right)) / RATES["dv"]
    assert_allclose(table.value["residual standard deviation"], np.sqrt(residual @ residual / 4), rtol=1e-8)
    assert_allclose(fits.loss, residual @ residual, rtol=1e-10)
    spread = analysis.uncertainty(fits, problem)
    rho = covariance[0, 1] / np.sqrt(np.prod(np.diag(covariance)))
    assert_allclose(spread.correlation[0, 0, 0, 1], rho, rtol=1e-5)


def test_relative_sigma_has_no_unit_and_absolute_has():
    """Ten times sigma: the same relative errors, ten times the absolute ones."""
    for absolute, factor in ((False, 1), (True, 10)):
        errors = []
        for scale in (1, 10):
            problem = problems.regression(RATES, LAW, "v", sigma=scale * RATES["dv"], absolute_sigma=absolute)
            at = analysis.best_fit(SAME).drop_vars("x_dim").assign_coords(x_dim=["A", "B"])
            errors.append(analysis.uncertainty(at, problem).standard_error.values)
        assert_allclose(errors[1], factor * errors[0], rtol=1e-12)


SAME = tw.solve(tw.Problem(lambda x: x, loss=tw.SquaredError([0.005, 0.45]), start=[0.005, 0.45]), LM, max_steps=1)


def test_one_number_is_the_sigma_of_all(fitted):
    plain = problems.regression(RATES, LAW, "v")
    same = problems.regression(RATES, LAW, "v", sigma=2e-4)
    x = fitted[True][1].x[0, 0].values
    with jax.enable_x64(True):
        assert_allclose(same.value(x) * 4e-8, plain.value(x), rtol=1e-13)
        assert_allclose(same.gradient(x) * 4e-8, plain.gradient(x), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [np.array([1.0, 2, 4]), 2.0, [[0.5]], np.arange(1.0, 7).reshape(2, 3)])
def test_the_loss_is_that_of_whitened_residuals(sigma):
    """In values, residuals, Jacobians and Hessians, for y of several shapes, beside a factor."""
    shape = np.shape(sigma) if np.ndim(sigma) == 2 and np.size(sigma) > 1 else (3,)
    if np.ndim(sigma) == 2 and np.size(sigma) == 1:
        shape = (2, 3)
    target = np.linspace(1, 2, int(np.prod(shape))).reshape(shape)

    def forward(x):
        return (x[0] * jnp.arange(1.0, 1 + target.size) ** 0.5 + x[1] ** 2).reshape(shape)

    ours = tw.Problem(forward, loss=tw.SquaredError(target, 0.7, sigma=sigma), start=[1.0, 2.0])
    whitened = tw.Problem(
        lambda x: forward(x) / jnp.asarray(sigma),
        loss=tw.SquaredError(target / np.asarray(sigma), 0.7),
        start=[1.0, 2.0],
    )
    x = np.array([0.3, 0.8])
    with jax.enable_x64(True):
        for name in ("value", "gradient", "hessian", "residual"):
            assert_allclose(getattr(ours, name)(x), getattr(whitened, name)(x), rtol=1e-12)
        for a, b in zip(ours.least_squares(x), whitened.least_squares(x), strict=True):
            assert_allclose(a, b, rtol=1e-12)
        assert_allclose(ours.newton_in_y(ours.forward(x)), np.ravel(target) - ours.forward(x), rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GaussNewton", "TrustRegion", "BFGS"])
def test_every_method_fits_the_weighted_loss(name, fitted):
    make = getattr(tw.methods, name)
    problem = problems.regression(RATES, LAW, "v", start={"A": 0.005, "B": 0.4}, sigma="dv")
    fits = tw.solve(problem, make(), gtol=1e-3)
    assert_allclose(fits.x[0, 0], fitted[False][1].x[0, 0], rtol=1e-5)


def test_the_figure_has_bars_and_weighted_residuals(fitted):
    for absolute, (problem, fits) in fitted.items():
        shown = analysis.fitted(fits, problem)
        assert_array_equal(shown.sigma, RATES["dv"])
        assert shown.attrs["sigma"] == "dv" and shown.attrs["absolute_sigma"] == absolute
        top, below = rendered(plot.fit(fits, problem)).axes
        s = float(shown.residual_standard_deviation)
        (bars,) = [c for c in top.collections if isinstance(c, LineCollection)]
        lengths = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
        assert_allclose(lengths, 2 * RATES["dv"] * (1 if absolute else s), rtol=1e-9)
        assert below.get_ylabel() == "residual / dv"
        (dots,) = [line for line in below.get_lines() if line.get_label() == "residual"]
        assert_allclose(dots.get_ydata(), (shown.observed - shown.predicted) / RATES["dv"], rtol=1e-12)
        (band,) = below.patches
        assert_allclose([band.get_y(), band.get_height()], [-s, 2 * s], rtol=1e-12)


@pytest.fixture
def folder(workplace):
    """A folder with the rates and their errors in a table."""
    rows = zip(*(column.tolist() for column in RATES.values()), strict=True)
    (workplace / "rates.csv").write_text("\n".join(["S,v,dv", *(",".join(map(repr, row)) for row in rows)]))
    return workplace


@pytest.mark.slow
def test_from_the_shell(call):
    for more, errors in (("", PUBLISHED[False]), ("--absolute-sigma", PUBLISHED[True])):
        status, out, err = call(f'solve rates.csv --model "{LAW}" --y v --sigma dv {more}')
        assert (status, err) == (0, "")
        words = "absolute" if more else "relative"
        assert out.startswith(f"rates: v = {LAW}, 6 observations with errors dv ({words}), 64 starts\n")
        found = [line.split() for line in out.splitlines() if line.startswith(("A ", "B "))][:2]
        assert_allclose([float(value) for _, value, _ in found], [0.0051904, 0.4557006], rtol=1e-5)
        assert_allclose([float(error) for _, _, error in found], errors, rtol=1e-4)


REFUSED = {
    "no such column": ("dV2", "'dV2' is not a column of the table"),
    "zero": (np.array([1, 1, 0, 1, 1, 1.0]), "sigma has 0 at index 2, but a standard deviation is positive and finite"),
    "negative": (-1.0, "sigma has -1 at index 0"),
    "not a number": (np.array([1, np.nan, 1, 1, 1, 1]), "sigma has nan at index 1"),
    "too few": (np.ones(5), "sigma has shape (5,), but there are 6 observations; give one number for each."),
    "a covariance": (np.eye(6), "sigma has shape (6, 6), but there are 6 observations"),
    "words": (["a"] * 6, "but it must be a column or real numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name):
    sigma, sentence = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        problems.regression(RATES, LAW, "v", sigma=sigma)
    assert sentence in str(caught.value)


def test_absolute_of_nothing_is_refused():
    with pytest.raises(ValueError, match="absolute_sigma was given without sigma"):
        problems.regression(RATES, LAW, "v", absolute_sigma=True)
    with pytest.raises(ValueError, match="sigma has a number that is no standard deviation"):
        tw.SquaredError([1.0, 2.0], sigma=[1.0, 0.0])
    with pytest.raises(ValueError, match=r"sigma has shape \(3,\), but y \(2,\)"):
        tw.Problem(lambda x: x, loss=tw.SquaredError([1.0, 2.0], sigma=[1.0, 2, 3]), start=[1.0, 2.0])


def test_a_sigma_column_is_not_taken_for_a_predictor_that_was_forgotten():
    table = {"y": np.arange(5.0), "dy": np.ones(5)}
    assert problems.regression(table, "mean", "y", sigma="dy").dimension == 1
