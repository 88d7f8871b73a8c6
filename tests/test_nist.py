"""All 27 nonlinear regressions of NIST StRD, from both starts, with one method and one setting."""

import numpy as np
import pytest
from nist_layout import NAMES

import thalweg as tw

pytestmark = pytest.mark.slow


def digits(found, certified):
    """The log relative error: about how many digits agree (NIST's measure), 11 at most."""
    with np.errstate(divide="ignore"):
        return np.minimum(-np.log10(np.abs(found - certified) / np.abs(certified)), 11)


@pytest.mark.parametrize("name", NAMES)
def test_levenberg_marquardt_has_the_certified_values_from_both_starts(name, nist):
    file, problem = tw.problems.statistical_reference.read(nist(name)), tw.problems.nist(nist(name))
    fits = tw.solve(
        problem,
        tw.methods.LevenbergMarquardt(),
        file.starts,
        gtol=0,
        xtol=1e-10,
        max_steps=10_000,
        dtype="float64",
    )
    assert (fits.outcome == 0).all()
    assert digits(fits.x.values[0], file.certified).min() >= 6
    errors = tw.analysis.uncertainty(fits, problem)
    if name == "Lanczos1":  # its certified residuals are rounding: 1e-14 of the data, which have 11 digits
        assert np.isfinite(errors.standard_error).all()
    else:
        assert digits(errors.standard_error.values[0], file.standard_deviations).min() >= 5
        deviation = errors.residual_standard_deviation.values[0]
        freedom = 11 if name == "Rat43" else file.degrees_of_freedom  # the file says 9 and means 11
        expected = np.sqrt(file.residual_sum_of_squares / freedom)
        assert digits(deviation, expected).min() >= 5
        assert (errors.degrees_of_freedom == freedom).all()


@pytest.mark.parametrize(("name", "dtype"), [("Misra1a", "float64"), ("Lanczos3", "float32")])
def test_levenberg_marquardt_ends_where_rounding_hides_the_rest(name, dtype, nist):
    """No tolerance can be met: it goes down to the floor, neither before it nor round and round on it."""
    file, problem = tw.problems.statistical_reference.read(nist(name)), tw.problems.nist(nist(name))
    starts = tw.starts.uniform(problem.domain, 100, key=0)
    fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), starts, gtol=1e-30, max_steps=1000, dtype=dtype)
    assert (fits.outcome == 1).all() and fits.steps.max() < 800
    assert (fits.loss <= 1.01 * problem.loss.factor * file.residual_sum_of_squares).mean() > 0.6
