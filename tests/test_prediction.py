"""What is said of the best fit: criteria of models, bands of predictions, and the files and figure that have them."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import scipy.stats
import xarray as xr
from figures import beside, rendered
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw
from thalweg import analysis, plot, problems
from thalweg.fitting import files

LM = tw.methods.LevenbergMarquardt()
# Speeds [mph] and stopping distances [ft], Ezekiel (1930): the table "cars" of R.
SPEED = "4 4 7 7 8 9 10 10 10 11 11 12 12 12 12 13 13 13 13 14 14 14 14 15 15 15 16 16 17 17 17 18 18 18 18 19 19 19 20"
SPEED += " 20 20 20 20 22 23 24 24 24 24 25"
DIST = "2 10 4 22 16 10 18 26 34 17 28 14 20 24 28 26 34 34 46 26 36 60 80 20 26 54 32 40 32 40 50 42 56 76 84 36 46 68"
DIST += " 32 48 52 56 64 66 54 70 92 93 120 85"
CARS = {"speed": np.array(SPEED.split(), float), "dist": np.array(DIST.split(), float)}
SIGMA = 5 + CARS["speed"]
LINE = "a+b*speed"


def solved(model, table=CARS, y="dist", **more):
    problem = problems.regression(table, model, y, **more)
    bounded = tw.methods.LevenbergMarquardt(bounded=True) if "bounds" in more else LM
    return tw.solve(problem, bounded, gtol=0.0, xtol=1e-12, max_steps=10_000), problem


@pytest.fixture(scope="module")
def cars():
    return solved(LINE)


@pytest.fixture(scope="module")
def weighted():
    return {a: solved(LINE, sigma=SIGMA, absolute_sigma=a) for a in (False, True)}


# Criteria


def test_criteria_are_those_of_r(cars):
    """lm(dist ~ speed, cars) of R: logLik, AIC, BIC, R squared and the residual standard error."""
    known = analysis.criteria(*cars)
    assert_allclose(known["log likelihood"], -206.5784, atol=5e-5)
    assert_allclose([known["AIC"], known["BIC"]], [419.1569, 424.8929], atol=5e-5)
    assert_allclose(known["R squared"], 0.6511, atol=5e-5)
    assert_allclose(known["residual standard deviation"], 15.38, atol=5e-3)
    assert_allclose(known["AICc"], 419.1569 + 24 / 46, atol=1e-4)
    assert known[["observations", "parameters", "degrees of freedom"]].tolist() == [50, 2, 48]


@pytest.mark.parametrize("absolute", [False, True])
def test_likelihood_of_weighted_fits_is_that_of_the_normal_distribution(absolute, weighted):
    fits, problem = weighted[absolute]
    known, x = analysis.criteria(fits, problem), fits.x.values[0, 0]
    left = CARS["dist"] - x[0] - x[1] * CARS["speed"]

    def likelihood(factor):
        return scipy.stats.norm.logpdf(left, scale=factor * SIGMA).sum()

    best = scipy.optimize.minimize_scalar(lambda t: -likelihood(np.exp(t)), (-1, 1), tol=1e-12)
    expected = likelihood(1.0) if absolute else -best.fun
    assert_allclose(known["log likelihood"], expected, rtol=1e-10)
    k = 2 if absolute else 3
    assert_allclose([known["AIC"], known["BIC"]], [2 * k - 2 * expected, k * np.log(50) - 2 * expected], rtol=1e-10)


@pytest.mark.slow
def test_fixed_parameters_and_those_at_a_bound_cost_nothing():
    half = np.sum(CARS["speed"] * CARS["dist"]) / np.sum(CARS["speed"] ** 2)
    rss = np.sum((CARS["dist"] - half * CARS["speed"]) ** 2)
    for more in ({"fixed": {"a": 0}}, {"bounds": {"a": (0, None)}}):  # the free intercept is negative
        known = analysis.criteria(*solved(LINE, **more))
        assert known["parameters"] == 1
        assert_allclose(known["AIC"], 50 * np.log(2 * np.pi * rss / 50) + 50 + 4, rtol=1e-12)


def test_exact_and_scarce_data_have_no_criterion_that_misleads():
    known = analysis.criteria(*solved("a+b*x", {"x": [0.0, 1.0], "y": [1.0, 3.0]}, "y"))
    assert np.isnan(known["AICc"]) and np.isnan(known["residual standard deviation"])


def test_f_test_is_that_of_r(cars):
    """anova(lm(dist ~ 1), lm(dist ~ speed)): F 89.567 on 1 and 48, p 1.49e-12."""
    fits, problem = cars
    constant = solved("a+0*speed")
    found = analysis.f_test(*constant, fits, problem)
    assert_allclose(found["F"], 89.567, atol=5e-4)
    assert found[["numerator", "denominator"]].tolist() == [1, 48]
    assert_allclose(found["p"], 1.49e-12, rtol=2e-3)
    for swapped in ((fits, problem, *constant), (fits, problem, fits, problem)):
        with pytest.raises(ValueError, match=r"the second must have more than the first .*; give the smaller model"):
            analysis.f_test(*swapped)
    with pytest.raises(ValueError, match="other observations; fit both to the same"):
        analysis.f_test(constant[0], problems.regression(CARS, "a+0*speed", "dist", sigma=SIGMA), fits, problem)


# Bands


def test_bands_are_those_of_r(cars):
    """predict(lm(dist ~ speed, cars), data.frame(speed = c(12, 19, 24)), interval = ...)."""
    found = analysis.prediction(*cars, at={"speed": [12, 19, 24]})
    assert_array_equal(found.speed, [12, 19, 24])
    assert_allclose(found.predicted, [29.60981, 57.13667, 76.79872], atol=5e-6)
    assert_allclose(found.confidence_low, [24.39514, 51.82913, 68.38765], atol=5e-6)
    assert_allclose(found.confidence_high, [34.82448, 62.44421, 85.20978], atol=5e-6)
    assert_allclose(found.prediction_low[:2], [-1.749529, 25.76176], atol=5e-6)
    assert_allclose(found.prediction_high[:2], [60.96915, 88.51159], atol=5e-6)
    narrow = analysis.prediction(*cars, at={"speed": 12}, level=0.5)
    ratio = scipy.stats.t.ppf(0.75, 48) / scipy.stats.t.ppf(0.975, 48)
    width = (found.confidence_high - found.confidence_low)[0]
    assert_allclose((narrow.confidence_high - narrow.confidence_low)[0], ratio * width, rtol=1e-12)


@pytest.mark.parametrize("absolute", [False, True])
def test_weighted_bands_are_the_closed_form(absolute, weighted):
    fits, problem = weighted[absolute]
    design = np.stack([np.ones(50), CARS["speed"]], axis=1)
    covariance = np.linalg.inv(design.T @ (design / SIGMA[:, None] ** 2))
    x = covariance @ design.T @ (CARS["dist"] / SIGMA**2)
    s = 1.0 if absolute else np.sqrt(np.sum(((CARS["dist"] - design @ x) / SIGMA) ** 2) / 48)
    q = scipy.stats.norm.ppf(0.975) if absolute else scipy.stats.t.ppf(0.975, 48)
    u = s * np.sqrt(np.einsum("ij,jk,ik->i", design, covariance, design))
    found = analysis.prediction(fits, problem)
    assert found.predicted.dims == ("observation",)
    assert_allclose(found.standard_error, u, rtol=1e-8)
    assert_allclose(found.confidence_high, design @ x + q * u, rtol=1e-8)
    assert_allclose(found.prediction_low, design @ x - q * np.hypot(u, s * SIGMA), rtol=1e-7, atol=1e-6)
    new = analysis.prediction(fits, problem, {"speed": CARS["speed"]})
    assert_allclose(new.confidence_low, found.confidence_low, rtol=1e-10) and np.isnan(new.prediction_low).all()
    told = analysis.prediction(fits, problem, {"speed": CARS["speed"]}, sigma=SIGMA)
    assert_allclose(told.prediction_high, found.prediction_high, rtol=1e-10)


@pytest.mark.slow
def test_a_curve_has_the_delta_method_of_scipys_covariance_and_a_bound_holds():
    t = np.linspace(0, 5, 15)
    table = {"t": t, "u": t**2 / 9, "y": 3 * np.exp(-0.8 * t) + 0.1 * t**2 / 9 + 0.05 * np.cos(9 * t)}
    more = {"start": {"a": 2.0, "k": 1.0, "b": 0.1}, "bounds": {"c": (0.2, None), "k": (0, 9)}}
    fits, problem = solved("a*exp(-k*t)+b*u+c", table, "y", **more)
    assert analysis.fit_table(fits, problem).note["c"] == "at its bound"

    def predict(x, a, b, k):
        return a * np.exp(-k * x[0]) + b * x[1] + 0.2

    right, covariance = scipy.optimize.curve_fit(
        predict, [t, table["u"]], table["y"], (2, 0.1, 1), xtol=1e-13, ftol=1e-13
    )
    at = {"t": np.array([0.5, 2, 9]), "u": 1.5}
    a, _, k = right
    g = np.stack([np.exp(-k * at["t"]), np.full(3, 1.5), -a * at["t"] * np.exp(-k * at["t"])], axis=1)
    found = analysis.prediction(fits, problem, at)
    assert_allclose(found.u, [1.5] * 3)
    assert_allclose(found.predicted, predict([at["t"], 1.5], *right), rtol=1e-6)
    assert_allclose(found.standard_error, np.sqrt(np.einsum("ij,jk,ik->i", g, covariance, g)), rtol=1e-4)


@pytest.mark.slow
def test_any_sum_of_squares_has_bands_at_its_data():
    problem = tw.Problem(lambda x: x[0] + x[1] * CARS["speed"], loss=tw.SquaredError(CARS["dist"]), start=[1.0, 1.0])
    fits = tw.solve(problem, LM)
    expected = analysis.prediction(*solved(LINE))
    assert_allclose(analysis.prediction(fits, problem).confidence_low, expected.confidence_low, rtol=1e-7)
    with pytest.raises(ValueError, match="the problem has no predictors, but at gives values of them"):
        analysis.prediction(fits, problem, {"speed": 3})


@pytest.mark.slow
def test_without_freedom_there_is_no_band():
    found = analysis.prediction(*solved("a+b*x", {"x": [0.0, 1.0], "y": [1.0, 3.0]}, "y"), at={"x": 2.0})
    assert_allclose(found.predicted, 5) and np.isnan(found.confidence_low).all() and np.isnan(
        found.prediction_high
    ).all()


REFUSED = {
    "level": ({"level": 95}, "level is 95, but it must be between 0 and 1; give e.g. 0.95."),
    "no predictor": ({"at": {"spee": 3}}, "'spee' is not a predictor of the model; did you mean 'speed'?"),
    "the response": ({"at": {"dist": 3}}, "'dist' is not a predictor of the model"),
    "none": ({"at": {}}, "at has no values of 'speed', which the model predicts from"),
    "a list": ({"at": [3, 4]}, "at is [3, 4], but it goes by predictor; give e.g. {'x': [0.0, 1.0]}."),
    "words": ({"at": {"speed": ["a"]}}, "at has values of 'speed' that are no real numbers"),
    "infinite": ({"at": {"speed": [1, np.inf]}}, "at has values of 'speed' that are no vector of finite numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, cars):
    more, sentence = REFUSED[name]
    with pytest.raises(ValueError) as caught:
        analysis.prediction(*cars, **more)
    assert sentence in str(caught.value)


# Figure and files


def test_the_figure_has_both_bands(cars):
    figure = rendered(plot.fit(*cars))
    found = analysis.prediction(*cars, at={"speed": np.linspace(4, 25, 400)})
    bands = {shade.get_label(): shade.get_paths()[0].vertices for shade in figure.axes[0].collections}
    assert set(bands) == {"95 % confidence", "95 % prediction"}
    for name in ("confidence", "prediction"):
        corners = bands[f"95 % {name}"]
        assert_allclose(corners[:, 1].min(), found[f"{name}_low"].min(), rtol=1e-9)
        assert_allclose(corners[:, 1].max(), found[f"{name}_high"].max(), rtol=1e-9)
    top, below = figure.axes
    assert beside(top)[0] == ["observed", "model", "95 % confidence", "95 % prediction"]
    assert beside(below) == [["± s = 15.4"]]


def test_a_weighted_fit_has_no_prediction_band_between_its_data(weighted):
    figure = rendered(plot.fit(*weighted[False]))
    labels = beside(figure.axes[0])[0]
    assert "95 % confidence" in labels and "95 % prediction" not in labels


def test_the_report_is_what_the_parts_say(cars):
    fits, problem = cars
    report = json.loads(json.dumps(analysis.fit_report(fits, problem), allow_nan=False))
    table, bands = analysis.fit_table(fits, problem), analysis.prediction(fits, problem)
    assert report["model"] == LINE and report["response"] == "dist" and report["sigma"] is None
    for name in "ab":
        assert report["parameters"][name] == {**table.loc[name].to_dict()}
    assert report["statistics"] == pytest.approx(analysis.criteria(fits, problem).to_dict())
    assert (report["outcome"], report["start"]) == ("converged", 0)
    columns = report["observations"]
    assert list(columns)[:4] == ["speed", "observed", "predicted", "residual"]
    assert_allclose(columns["residual"], CARS["dist"] - bands.predicted, rtol=1e-12)
    assert_allclose(columns["prediction_high"], bands.prediction_high)
    assert_array_equal(columns["observed"], CARS["dist"])


@pytest.fixture
def folder(workplace):
    pd.DataFrame(CARS).to_csv(workplace / "cars.csv", index=False)
    (workplace / "demand.csv").write_text("Time,demand\n1,8.3\n2,10.3\n3,19\n4,16\n5,15.6\n7,19.8\n")
    return workplace


@pytest.mark.slow
def test_files_of_a_fit(call, folder, cars):
    fits, problem = cars
    table = analysis.fit_table(fits, problem)
    files.write_fits(fits, problem, folder / "fit.csv")
    written = pd.read_csv("fit.csv", index_col="parameter")
    assert list(written.index) == list(table.index) and list(written.columns) == list(table.columns)
    assert_allclose(written.standard_error[:2], table.standard_error[:2], rtol=1e-14)
    files.write_fits(fits, problem, folder / "fit.nc")
    with xr.open_dataset("fit.nc", engine="h5netcdf") as saved:
        xr.testing.assert_identical(saved.drop_attrs(), fits.drop_attrs())
    status, out, err = call(f'solve cars.csv --model "{LINE}" --y dist --out FIT.JSON')
    assert (status, err) == (0, "") and out.endswith("\nfits: FIT.JSON\n")
    assert "\nR squared 0.651079, AIC 419.157, AICc 419.679, BIC 424.893\n" in out
    report = json.loads((folder / "FIT.JSON").read_text())
    assert_allclose(report["parameters"]["b"]["value"], table.value["b"], rtol=1e-8)
    status, out, err = call("solve pbdl --out fit.csv")
    assert (status, out) == (2, "") and "'pbdl' is no regression; let --out end in .nc" in err


@pytest.mark.slow
def test_two_models_are_compared(call, folder):
    """anova of the line and the parabola in R: F 2.296 on 1 and 47, p 0.1364."""
    line = f'solve cars.csv --model "{LINE}" --model "{LINE}+c*speed**2" --y dist --start b=3,c=0.1 --out fit.json'
    status, out, err = call(line)
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.startswith(LINE)]
    assert rows[0][:2] == [LINE, "2"] and rows[1][:2] == [f"{LINE}+c*speed**2", "3"]
    assert_allclose([float(rows[i][4]) for i in range(2)], [419.1569, 418.7721], atol=1e-3)
    assert f"\nF-test of {LINE} in {LINE}+c*speed**2: F 2.296 on 1 and 47, p 0.136\n" in out
    assert json.loads((folder / "fit.json").read_text())["model"].endswith("c*speed**2")  # of the lowest AIC
    status, out, err = call(line.replace("c=0.1", "d=0.1"))
    assert (status, out) == (2, "") and "'d' is not a parameter of the model" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ('solve demand.csv --model "a*log(b-Time)" --y demand', 1),
        ('solve demand.csv --model "a*(1-exp(-b*Time))" --y demand', 0),
        ('solve demand.csv --model "a*(1-exp(-b*Time))" --y demand --max-steps 1', 1),
        ("solve pbdl random_search --max-steps 5", 0),
        ("solve pbdl gradient_descent:learning_rate=1e9 --max-steps 50", 1),
    ],
)
def test_the_exit_status_tells_whether_a_fit_succeeded(line, status, call):
    found, out, err = call(line)
    assert (found, err) == (status, "") and out
