"""Least squares where starts are far, columns of the Jacobian are rounding, or the normal equations have no digits."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw

METHOD = tw.methods.LevenbergMarquardt()
FIT = {"gtol": 0.0, "xtol": 1e-10, "max_steps": 10_000}


def fitted(columns, model):
    problem = tw.problems.regression(columns, model, "y")
    fits = tw.solve(problem, METHOD, **FIT)
    return dict(zip(map(str, problem.chain.spaces[0].labels), fits.x.values[0, 0], strict=True)), fits.loss.item()


X = np.linspace(0, 30, 21)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "y"),
    [
        ("a*exp(b*x)", 2 * np.exp(X / 30)),
        ("a*10**(b*x)", 2 * 10 ** (0.03 * X)),
        ("a*sinh(x/b)", 2 * np.sinh(X / 12)),
        ("a*(exp(x/b)-1)", 2 * (np.exp(X / 10) - 1)),
        ("a*exp(b*x)+c", 2 * np.exp(X / 30) + 3),
    ],
)
def test_an_exponential_comes_back_from_1e13(model, y):
    """From parameters of 1 the first sum of squares is up to 1e27; the right one is 0."""
    assert fitted({"x": X, "y": y}, model)[1] < 1e-12


@pytest.mark.slow
def test_noise_is_fitted_as_minpack_does():
    y = 2 * np.exp(X / 30) + 0.05 * np.random.default_rng(0).standard_normal(21)
    found, loss = fitted({"x": X, "y": y}, "a*exp(b*x)")
    assert_allclose([found["a"], found["b"]], [1.993463, 0.0333579], rtol=3e-6)
    assert_allclose(loss, 0.03580675, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [0.085, 1.0, 410.0])
def test_a_peak_is_found_in_any_unit_from_a_center_of_zero(scale):
    """At the start the column of the center is 0 but for rounding, and its size is no guide either."""
    grid = np.linspace(0, 1, 100)
    y = np.exp(-(((grid - 0.5) / 0.223) ** 2)) + 0.1 * np.random.default_rng(42).random(100)
    problem = tw.problems.regression({"x": grid * scale, "y": y}, "a*exp(-(x-m)**2/w**2)", "y", {"m": 0.0})
    fits = tw.solve(problem, METHOD, **FIT)
    assert_allclose(fits.x.values[0, 0, 1], 0.5 * scale, rtol=0.01)


FAR = np.linspace(50, 100, 26)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "y"),
    [
        ("a*exp(-b*x)+c", 1000 * np.exp(-0.05 * FAR) + 5),
        ("c+a*x*exp(-b*x)", 5 + 10 * FAR * np.exp(-0.05 * FAR)),
        ("c+a/(1+exp(b*x))", 5 + 1000 / (1 + np.exp(0.05 * FAR))),
        ("c+a*exp(-(x*b)**2)", 5 + 10 * np.exp(-((0.02 * FAR) ** 2))),
    ],
)
def test_columns_that_are_rounding_do_not_hold_the_others(model, y):
    """At parameters of 1 all but c moves y by 1e-22 or less: c at least goes to the mean."""
    assert fitted({"x": FAR, "y": y}, model)[1] <= 1.001 * np.sum((y - y.mean()) ** 2)


def exact(t, y, degree):
    """Coefficients and the sum of squares of a polynomial, by rational arithmetic on these doubles."""
    t, y, n = [Fraction(float(v)) for v in t], [Fraction(float(v)) for v in y], degree + 1
    rows = [
        [sum(v ** (i + j) for v in t) for j in range(n)] + [sum(w * v**i for v, w in zip(t, y, strict=True))]
        for i in range(n)
    ]
    for i in range(n):
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for k in range(n):
            if k != i:
                rows[k] = [p - rows[k][i] * q for p, q in zip(rows[k], rows[i], strict=True)]
    c = [row[-1] for row in rows]
    squares = sum((w - sum(ci * v**i for i, ci in enumerate(c))) ** 2 for v, w in zip(t, y, strict=True))
    return [float(v) for v in c], float(squares)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("t", "degree", "digits"),
    [
        (2.459e6 + np.arange(30.0), 2, 1e-3),  # condition 4e11
        (2.459e6 + np.arange(90.0), 2, 1e-3),
        (np.arange(1990.0, 2021.0), 3, 1e-3),
        (1.7e9 + 3600 * np.arange(40.0), 1, 1e-8),
    ],
)
def test_polynomials_in_dates_have_the_digits_of_orthogonal_factors(t, degree, digits):
    z = t - t.mean()
    y = 3 + 0.2 * z / np.ptp(z) + 0.5 * (z / np.ptp(z)) ** 2 + 0.1 * np.random.default_rng(0).standard_normal(len(t))
    c, squares = exact(t, y, degree)
    model = "+".join(["c0", "c1*t", *(f"c{i}*t**{i}" for i in range(2, degree + 1))])
    found, loss = fitted({"t": t, "y": y}, model)
    assert_allclose(found[f"c{degree}"], c[-1], rtol=digits)
    assert_allclose(loss, squares, rtol=1e-3)


@pytest.mark.slow
def test_a_parameter_that_the_data_do_not_determine_stays_finite():
    fits = tw.solve(
        tw.Problem(
            lambda x: (x[0] + x[1]) * jnp.ones(3) + 0 * x[2], loss=tw.SquaredError([1.0, 2, 3]), start=[0.0, 0, 5]
        ),
        METHOD,
        **FIT,
    )
    assert_allclose(fits.loss.item(), 2) and np.isfinite(fits.x.values).all()
