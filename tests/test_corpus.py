"""The published fits of the corpus: each answer is a minimum of its model on its data, to the digits printed."""

import re

import numpy as np
import published
import pytest
from scipy.optimize import least_squares

FITS = published.fits()
NIST = [fit for fit in FITS if fit.source.startswith("NIST")]


def half_digit(text):
    """Half a unit of the last digit that is printed."""
    _, decimals, exponent = re.fullmatch(r"-?(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?", text).groups()
    return 0.5001 * 10.0 ** (int(exponent or 0) - len(decimals))


def minimum(fit):
    """MINPACK's minimum from the published parameters: its residuals, Jacobian and parameters."""
    predict, y = published.model(fit)
    x = fit.published
    for _ in range(3):  # each begins with a fresh trust region

        def residual(p):
            with np.errstate(all="ignore"):
                return np.nan_to_num(predict(y, *p) - y, nan=1e75, posinf=1e75, neginf=-1e75)

        scale = np.where(x == 0, 1, np.abs(x))
        found = least_squares(residual, x, method="lm", x_scale=scale, xtol=1e-15, ftol=1e-15, gtol=1e-15)
        x = found.x
    return found.fun, found.jac, x


@pytest.mark.parametrize("fit", FITS, ids=lambda fit: fit.name)
def test_the_published_answer_is_a_minimum_to_its_digits(fit):
    residuals, jacobian, x = minimum(fit)
    rss, freedom = float(residuals @ residuals), len(residuals) - len(x)
    floor = 1e-18 * float(np.sum(published.model(fit)[1] ** 2))  # what rounding leaves of Lanczos1
    assert rss == pytest.approx(fit.rss, rel=1e-8, abs=floor)
    if fit.printed_rss:
        assert abs(rss - float(fit.printed_rss)) <= 2 * half_digit(fit.printed_rss) + floor
    if fit.printed_sigma:
        assert abs(np.sqrt(rss / freedom) - float(fit.printed_sigma)) <= 2 * half_digit(fit.printed_sigma)
    # drc stops before the minimum; and differences, of which this Jacobian is made, tell it to 1e-4 standard errors.
    slack = 0.03 if fit.answer == "package" else 1e-4
    errors = np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-30)) * rss / freedom)
    allowed = np.array([2 * half_digit(text) for text in fit.parameters.values()]) + slack * errors
    assert (np.abs(x - fit.published) <= allowed).all()


def test_the_corpus_is_large_and_most_answers_are_printed():
    assert len({fit.name for fit in FITS}) == len(FITS) >= 60
    assert len(NIST) == 27 and len(FITS) - len(NIST) >= 33
    assert {fit.answer for fit in FITS} == {"printed", "package", "computed"}
    assert sum(fit.answer != "printed" for fit in FITS) <= len(FITS) / 3


def test_the_corpus_is_small():
    assert sum(path.stat().st_size for path in (published.DATA / "fits").iterdir()) < 200_000


def test_lower_minima_are_said_where_there_are_any():
    lower = [fit for fit in FITS if fit.lower_rss is not None]
    assert lower and all(fit.lower_rss < fit.rss for fit in lower)
