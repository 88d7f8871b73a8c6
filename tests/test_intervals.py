"""Intervals of parameters by their profiles: closed forms, refits by SciPy one by one, published numbers."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw
from thalweg import analysis, problems

LM = tw.methods.LevenbergMarquardt()
T = np.linspace(0, 5, 12)
DECAY = 3 * np.exp(-0.7 * T) + 0.1 + 0.05 * np.random.default_rng(0).normal(size=T.size)
SIGMA = 0.03 + 0.01 * T
# Velocities [counts/min^2] of an enzyme treated with puromycin at concentrations [ppm], Treloar (1974).
CONCENTRATION = [0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.1, 1.1]
VELOCITY = [76.0, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200]
MINOS = {
    "a": [2.921957503412104, 3.1215591925956407],
    "c": [-0.02198434879696272, 0.17554358762566757],
    "k": [0.6280167471132205, 0.7447913729070117],
}


def posed(model, table, point, **more):
    """A problem, and fits that found this point: the intervals begin with a fit of their own."""
    problem = problems.regression(table, model, "y", start=point, **more)
    x = [point[name] for name in problem.chain.spaces[0].labels]
    return xr.Dataset({"x": ("x_dim", np.array(x, float)), "loss": 0.0}), problem


def ends(intervals, name):
    return intervals.loc[name, ["lower", "upper"]].to_numpy(float)


@pytest.fixture(scope="module")
def decay():
    problem = problems.regression({"t": T, "y": DECAY}, "a*exp(-k*t)+c", "y", sigma=SIGMA, absolute_sigma=True)
    return tw.solve(problem, LM, gtol=0.0, xtol=1e-10), problem


def by_hand(residual, best, i, side, height, far, low=-np.inf):
    """Where the least of |residual|^2 over the other parameters is ``height``, by refits and a bracket of SciPy."""

    def above(c):
        others = np.delete(best, i)
        found = scipy.optimize.least_squares(
            lambda x: residual(np.insert(x, i, c)),
            others,
            bounds=(low, np.inf),
            x_scale=np.abs(others),
            **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15),
        )
        return 2 * found.cost - height

    return scipy.optimize.brentq(above, best[i], best[i] + side * far, xtol=1e-13 * abs(best[i]), rtol=1e-13)


def test_of_a_linear_model_they_are_those_of_the_standard_errors():
    y = 1 + 2 * T + 0.3 * T**2 + np.random.default_rng(1).normal(size=12)
    design = np.stack([T**0, T, T**2], axis=1) / SIGMA[:, None]
    best, squares, *_ = np.linalg.lstsq(design, y / SIGMA, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares[0] / 9)
    fits, problem = posed("a+b*t+c*t**2", {"t": T, "y": y}, {"a": 1, "b": 2, "c": 0.3}, sigma=SIGMA)
    found, wide = analysis.profile_intervals(fits, problem), scipy.stats.t.ppf(0.975, 9) * errors
    assert list(found.index) == ["a", "b", "c"] and (found.note == "").all()
    assert_allclose(found.value, best, rtol=1e-9)
    assert_allclose(found.lower, best - wide, rtol=1e-8)
    assert_allclose(found.upper, best + wide, rtol=1e-8)


def test_they_are_those_of_r_and_of_refits_by_scipy(compiled):
    """confint(nls(rate ~ Vm*conc/(K+conc), Puromycin, subset = state == "treated")) puts splines through a profile."""
    c, v = np.array(CONCENTRATION), np.array(VELOCITY)
    fits, problem = posed("Vm*c/(K+c)", {"c": c, "y": v}, {"K": 0.0641, "Vm": 212.7})
    found = analysis.profile_intervals(fits, problem)
    assert_allclose(ends(found, "Vm"), [197.30212848, 229.29006490], rtol=1e-5)
    assert_allclose(ends(found, "K"), [0.04692517, 0.08615995], rtol=2e-4)

    def residual(x):
        return v - x[1] * c / (x[0] + c)

    best = found.value.to_numpy()
    height = np.sum(residual(best) ** 2) * (1 + scipy.stats.f.ppf(0.95, 1, 10) / 10)
    for i, name in enumerate(("K", "Vm")):
        right = [by_hand(residual, best, i, side, height, 0.5 * best[i]) for side in (-1, 1)]
        assert_allclose(ends(found, name), right, rtol=1e-8)
    before = len(compiled)
    wider = analysis.profile_intervals(fits, problem, level=0.99)
    assert len(compiled) == before  # one program for all levels, parameters and sides
    assert (wider.lower < found.lower).all() and (wider.upper > found.upper).all()


def test_with_absolute_errors_they_are_those_of_minos(decay):
    """iminuit 2.33 with a strategy of 2, a tolerance of 1e-6 and minos(cl=0.95)."""
    found = analysis.profile_intervals(*decay)
    for name, right in MINOS.items():
        assert_allclose(ends(found, name), right, rtol=1e-7)


def test_a_fit_that_was_not_done_is_taken_to_its_minimum(decay):
    fits, problem = decay
    early = fits.assign(x=fits.x * [1.05, 0.9, 1.1])
    assert_allclose(
        analysis.profile_intervals(early, problem)[["value", "lower", "upper"]],
        analysis.profile_intervals(fits, problem)[["value", "lower", "upper"]],
        rtol=1e-6,
    )


def test_bounds_end_them_and_what_is_fixed_has_none():
    table = {"t": T, "y": DECAY - 0.1}
    bounds = {"c": (0.02, None), "k": (0.69, 0.8), "b": (1, 1)}
    fits, problem = posed("a*exp(-k*t)+b*c", table, {"a": 3, "k": 0.7, "c": 0.03}, bounds=bounds)
    found = analysis.profile_intervals(fits, problem)
    assert list(found.index) == ["a", "c", "k"]  # b is a constant
    assert found.value["c"] == found.lower["c"] == 0.02 and found.note["c"] == "lower end: at its bound"
    assert found.lower["k"] == 0.69 and found.note["k"] == "lower end: at its bound"
    best = found.value.to_numpy()

    def residual(x):
        return DECAY - 0.1 - x[0] * np.exp(-x[2] * T) - x[1]

    height = np.sum(residual(best) ** 2) * (1 + scipy.stats.f.ppf(0.95, 1, 10) / 10)  # c, at its bound, counts not
    assert_allclose(found.upper["k"], by_hand(residual, best, 2, 1, height, 0.09, low=[0, 0.02]), rtol=1e-7)


@pytest.mark.slow
def test_bounds_may_be_others():
    bounds = {"c": (0.02, None), "k": (0.69, 0.8)}
    fits, problem = posed("a*exp(-k*t)+c", {"t": T, "y": DECAY - 0.1}, {"a": 3, "k": 0.7, "c": 0.03}, bounds=bounds)
    found = analysis.profile_intervals(fits, problem)
    free = analysis.profile_intervals(fits, problem, bounded=False)
    assert free.lower["c"] < 0 and free.value["c"] < 0.02 and (free.note == "").all()
    fixed = problem.within(({"a": 0, "c": 0.02, "k": 0.69}, {"a": 9, "c": 0.02, "k": 0.8}))
    pinned = analysis.profile_intervals(fits, fixed, bounded=True)
    assert pinned.note["c"] == "fixed" and np.isnan(ends(pinned, "c")).all()
    assert pinned.upper["k"] < found.upper["k"]  # where c may rise


def test_what_the_data_leave_open_has_no_end():
    """Nearly a line: a curve of any larger V and K is as good."""
    table = {"t": np.arange(1.0, 6), "y": [1.1, 1.7, 2.4, 2.7, 3.6]}
    fits, problem = posed("V*t/(K+t)", table, {"V": 10, "K": 10})
    found = analysis.profile_intervals(fits, problem)
    assert_array_equal(found.upper, [np.inf, np.inf])
    assert (found.note == "upper end: L stays below the level").all()
    assert np.isfinite(found.lower).all() and (found.lower > 0).all()


@pytest.mark.slow
def test_where_the_model_gives_no_number_they_end():
    """sqrt(t - c) has a finite L at c = 0.5, its first t, below the level, and none beyond."""
    t = T[1:] + 0.5 - T[1]
    y = 2 * np.sqrt(t - 0.4) + np.array([-0.15, 0.3, -0.2, 0.3, -0.3, 0.3, -0.2, -0.3, 0.2, -0.3, 0.2])
    fits, problem = posed("a*sqrt(t-c)", {"t": t, "y": y}, {"a": 2, "c": 0.4})
    found = analysis.profile_intervals(fits, problem)
    assert found.note.to_dict() == {"a": "", "c": "upper end: L leaps over the level"}
    assert_allclose(found.upper["c"], 0.5, rtol=1e-9)


def test_beside_a_lower_minimum_there_is_no_interval():
    t = np.linspace(0, 6, 30)
    wave = tw.Problem(
        lambda x: x[1] * jnp.sin(x[0] * t), loss=tw.SquaredError(np.sin(2 * t), factor=0.5), start=[3.2, 0.5]
    )
    fits = xr.Dataset({"x": ("x_dim", [3.2, 0.1]), "loss": 7.44})  # beside a local minimum
    found = analysis.profile_intervals(fits, wave)
    assert found.value["0"] > 3 and np.isnan(found.lower["0"]) and "L falls below that of the fit" in found.note["0"]


def test_exact_data_determine_all():
    fits, problem = posed("a*exp(-k*t)", {"t": T, "y": 3 * np.exp(-0.7 * T)}, {"a": 3.1, "k": 0.6})
    found = analysis.profile_intervals(fits, problem)
    assert_allclose(found[["lower", "upper"]], [[3, 3], [0.7, 0.7]], rtol=1e-12)
    assert (found.note == "").all()


@pytest.mark.slow
def test_as_many_data_as_parameters_tell_nothing():
    fits, problem = posed("a*exp(-k*t)", {"t": T[:2], "y": DECAY[:2]}, {"a": 3, "k": 0.7})
    found = analysis.profile_intervals(fits, problem)
    assert (found.note == "no degree of freedom is left").all() and np.isnan(found.lower).all()


REFUSED = {
    "level": ({"level": 95}, "level is 95, but it must be between 0 and 1; give e.g. 0.95."),
    "no domain": ({"bounded": True}, "'bowl' has no domain, but bounded was given; leave it out, or give bounds."),
    "no squares": ({}, "the loss of 'bowl' is a function that is not known to be a sum of squares"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name):
    more, sentence = REFUSED[name]
    bowl = tw.Problem(loss=lambda x: (x**2).sum(), start=[1.0], name="bowl")
    fits = xr.Dataset({"x": ("x_dim", [1.0]), "loss": 1.0})
    with pytest.raises(ValueError) as caught:
        analysis.profile_intervals(fits, bowl, **more)
    assert sentence in str(caught.value)
