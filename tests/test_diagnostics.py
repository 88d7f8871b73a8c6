"""Residuals, leverages and Cook's distances against R and by hand, their figure, and logarithmic axes of a fit."""

import numpy as np
import pytest
import scipy.stats
import xarray as xr
from figures import line, lines, rendered
from numpy.testing import assert_allclose, assert_array_equal
from test_prediction import CARS

import thalweg as tw
from thalweg import analysis, plot, problems

SPEED, DIST = CARS["speed"], CARS["dist"]
DESIGN = np.stack([np.ones(50), SPEED], axis=1)


def at(problem, x):
    """Fits that found this point."""
    return xr.Dataset({"x": ("x_dim", np.asarray(x, float)), "loss": 0.0}), problem


def straight(sigma=None, **more):
    weight = 1 / (np.ones(50) if sigma is None else sigma)
    best = np.linalg.lstsq(DESIGN * weight[:, None], DIST * weight, rcond=None)[0]
    return at(problems.regression(CARS, "a+b*speed", "dist", sigma=sigma, **more), best)


@pytest.fixture(scope="module")
def cars():
    return straight()


def test_they_are_those_of_r(cars):
    """lm(dist ~ speed, cars): rstandard, hatvalues, cooks.distance of the rows 49, 23, 39, 1 and 50."""
    found = analysis.diagnostics(*cars)
    assert_allclose(found.cooks_distance[[48, 22, 38]], [0.340396, 0.085552, 0.068053], atol=5e-7)
    assert_allclose(found.leverage[[0, 49]], [0.11486131, 0.08727007], atol=5e-9)
    assert_allclose(found.standardized_residual[[48, 22]], [2.919060, 2.795166], atol=5e-7)
    assert_allclose(np.sort(found.normal_quantile), scipy.stats.norm.ppf((np.arange(50) + 0.5) / 50), rtol=1e-12)
    assert_array_equal(np.argsort(found.normal_quantile), np.argsort(found.standardized_residual, kind="stable"))
    assert found.attrs == {"problem": "regression", "response": "dist", "parameters": 2}


@pytest.mark.parametrize("absolute", [False, True])
def test_a_distance_is_how_far_the_fit_moves_without_the_observation(absolute):
    """Of a linear model exactly: |J (x - x without i)|^2 / (p s^2), s = 1 where sigma is absolute."""
    sigma = 5 + SPEED
    fits, problem = straight(sigma, absolute_sigma=absolute)
    found, x = analysis.diagnostics(fits, problem), fits.x.values
    j, y = DESIGN / sigma[:, None], DIST / sigma
    s2 = 1.0 if absolute else np.sum((y - j @ x) ** 2) / 48
    for i in (0, 22, 48):
        without = np.linalg.lstsq(np.delete(j, i, 0), np.delete(y, i), rcond=None)[0]
        assert_allclose(found.cooks_distance[i], np.sum((j @ (x - without)) ** 2) / (2 * s2), rtol=1e-8)
    assert_allclose(found.residual, y - j @ x, rtol=1e-9, atol=1e-12)


def test_an_observation_that_alone_determines_a_parameter_has_none():
    table = {"t": [0.0, 1, 2, 3], "u": [0.0, 0, 0, 1], "y": [1.0, 2.2, 2.9, 9]}
    slope, level = np.polyfit([0, 1, 2], [1.0, 2.2, 2.9], 1)
    fits, problem = at(problems.regression(table, "a+b*t+c*u", "y"), [level, slope, 9 - level - 3 * slope])
    found = analysis.diagnostics(fits, problem)
    assert_allclose(found.leverage[3], 1) and np.isnan(found.cooks_distance[3]) and np.isnan(found.normal_quantile[3])
    assert_allclose(np.sort(found.normal_quantile[:3]), scipy.stats.norm.ppf((np.arange(3) + 0.625) / 3.25), rtol=1e-12)
    held = problems.regression(table, "a+b*t+c*u", "y", bounds={"c": (-1, 99), "a": (None, 0.9)})
    bound = analysis.diagnostics(*at(held, [0.9, slope, 9 - 0.9 - 3 * slope]))
    assert bound.attrs["parameters"] == 2  # a is held at its bound, beyond which L falls


def test_the_figure_has_three_views(cars):
    found = analysis.diagnostics(*cars)
    for figure in (plot.diagnostics(*cars), plot.diagnostics(found)):
        views = rendered(figure).axes
        assert [ax.get_title() for ax in views] == ["residuals", "normal Q-Q", "Cook's distance"]
        assert [ax.get_xlabel() for ax in views] == ["predicted dist", "normal quantile", "leverage"]
        for ax, name in zip(views, ("predicted", "normal_quantile", "leverage"), strict=True):
            across, residual = line(ax, "residual").get_data()
            assert_array_equal(across, found[name])
            assert_array_equal(residual, found.standardized_residual)
            named = {text.get_text(): text.xy for text in ax.texts}
            for i in (48, 22, 38):  # the largest distances
                assert_allclose(named[str(i)], (found[name][i], found.standardized_residual[i]))
    assert sorted(one.get_ydata()[0] for one in lines(views[0], "_two")) == [-2, 2]
    across, equal = line(views[1], "equal").get_data()
    assert_array_equal(across, equal)
    for level in (0.5, 1):
        for one in lines(views[2], f"distance {level:g}"):
            h, r = one.get_data()
            assert_allclose(r**2 / 2 * h / (1 - h), level, rtol=1e-12)
    with pytest.raises(ValueError, match="has no standardized_residual, leverage and normal_quantile"):
        plot.diagnostics(cars[0])


DOSE = {"x": np.array([0, 0, 0.1, 0.3, 1, 3, 10, 30, 100]), "y": [8.5, 8.2, 8.3, 8.3, 7.4, 4.5, 1.1, 0.6, 0.4]}


@pytest.fixture(scope="module")
def dose():
    start = {"b": 2.0, "c": 0.4, "d": 7.9, "m": 3.0}
    return at(problems.regression(DOSE, "c+d/(1+(x/m)**b)", "y", start=start), list(start.values()))


@pytest.mark.parametrize("log", ["", "x", "y", "xy"])
def test_axes_of_a_fit_are_logarithmic(log, dose):
    figure = rendered(plot.fit(*dose, log=log))
    top, below = figure.axes
    assert top.get_xscale() == below.get_xscale() == ("log" if "x" in log else "linear")
    assert top.get_yscale() == ("log" if "y" in log else "linear") and below.get_yscale() == "linear"
    grid, curve = line(top, "model").get_data()
    steps = np.diff(np.log(grid) if "x" in log else grid)
    assert_allclose(steps, steps[0], rtol=1e-6) and assert_allclose(grid[-1], 100)
    assert_allclose(grid[0], 0.1 if "x" in log else 0, rtol=1e-12)
    assert_allclose(curve, 0.4 + 7.9 / (1 + (grid / 3) ** 2), rtol=1e-9)
    (left, right), (bottom, up) = top.get_xlim(), top.get_ylim()
    assert left < (0.1 if "x" in log else 0) and right > 100 and bottom < 0.4 and up > 8.5
    assert left > 0 or "x" not in log
    assert ("2 observations not positive, not shown" in top.get_title()) == ("x" in log)


def test_the_line_of_equality_is_seen_on_any_axes():
    problem = tw.Problem(lambda x: x[0] * np.array([1.0, 10, 100]), loss=tw.SquaredError([2.0, 20, 210]), start=[2.0])
    for log in ("x", "y", "xy"):
        top = rendered(plot.fit(*at(problem, [2.0]), log=log)).axes[0]
        across, equal = line(top, "observed = predicted").get_data()
        assert_array_equal(across, equal)
        assert across[0] == 2 and len(across) == 200


def test_axes_that_cannot_be_logarithmic_are_refused(dose):
    with pytest.raises(ValueError, match="log is 'z', but it names the logarithmic axes; give 'x', 'y', 'xy' or"):
        plot.fit(*dose, log="z")
    below = at(problems.regression({"x": [1.0, 2, 3], "y": [-1.0, -2, -3.1]}, "a*x", "y"), [-1.0])
    with pytest.raises(ValueError, match="log is 'xy', but nothing along y is positive; leave y out of it"):
        plot.fit(*below, log="xy")
