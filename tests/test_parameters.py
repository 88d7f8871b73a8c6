"""What bounds a fit and what is held in it, in Python: bounds that bound what they name, and fixed parameters."""

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw
from thalweg import problems

INF = np.inf
M = tw.methods
BOUNDED = {
    "LevenbergMarquardt": M.LevenbergMarquardt(bounded=True),
    "TrustRegion": M.TrustRegion(bounded=True),
    "LBFGS": M.LBFGS(bounded=True),
}
MODEL = "a*exp(-k*x)+c"
X = np.linspace(0, 10, 21)
EXACT = {"x": X, "y": 80 * np.exp(-0.35 * X) - 3}
NOISY = {"x": X, "y": EXACT["y"] + np.random.default_rng(4).normal(size=21)}


def predict(x, a, c, k):
    return a * np.exp(-k * x) + c


def solved(problem, methods=BOUNDED["LevenbergMarquardt"], starts=None):
    return tw.solve(problem, methods, starts, gtol=0.0, xtol=1e-10, max_steps=10_000)


# Bounds


@pytest.mark.slow
def test_a_range_bounds_no_other_parameter():
    """80 exp(-0.35 x) - 3, where a tenth of the start to ten times it would hold a and c."""
    problem = problems.regression(EXACT, MODEL, "y", domain={"k": (0, 10)})
    assert_array_equal(problem.domain, [[-INF, -INF, 0], [INF, INF, 10]])
    starts = np.vstack([problem.start, tw.starts.uniform(problems.start_ranges(problem), 19)])
    some = {name: BOUNDED[name] for name in ("LevenbergMarquardt", "TrustRegion")}
    fits = solved(problem, some, starts)
    for name in some:
        assert_allclose(tw.analysis.best_fit(fits.sel(variant=[name])).x, [80, -3, 0.35], rtol=1e-7)
        assert_allclose(fits.x.sel(variant=name, start=0), [80, -3, 0.35], rtol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bounds",
    [
        {"c": (0, None)},
        {"c": (0, INF), "k": (None, 0.3)},
        {"a": (None, 70.0)},
        {"a": (-INF, 70), "k": (0.0, np.float64(1)), "c": (-2, 5)},
        {"k": (1, 2)},
    ],
    ids=str,
)
def test_bounded_fits_are_those_of_scipy(bounds):
    problem = problems.regression(NOISY, MODEL, "y", bounds=bounds)
    low = [-INF if (side := bounds.get(name, (None, None))[0]) is None else side for name in "ack"]
    high = [INF if (side := bounds.get(name, (None, None))[1]) is None else side for name in "ack"]
    assert_array_equal(problem.domain, (low, high))
    begin = np.clip(problem.start, np.add(low, 1e-3), np.subtract(high, 1e-3))
    right, _ = scipy.optimize.curve_fit(predict, X, NOISY["y"], begin, bounds=(low, high), xtol=1e-14, ftol=1e-14)
    fits = solved(problem)
    assert ((fits.x.values >= low) & (fits.x.values <= high)).all()
    ours = float(fits.loss[0, 0])
    assert ours <= np.sum((predict(X, *right) - NOISY["y"]) ** 2) * (1 + 1e-9)
    assert_allclose(fits.x[0, 0], right, rtol=2e-4, atol=1e-9)  # SciPy's is an interior method


def test_a_start_outside_of_its_bounds_begins_at_the_nearest_point_and_is_counted():
    problem = problems.regression(NOISY, MODEL, "y", start={"c": -9, "a": 50}, bounds={"c": (0, None), "k": (0, None)})
    assert_array_equal(problem.start, [50, -9, 1])
    low, high = problems.start_ranges(problem)
    assert_array_equal([low[1], high[1]], [0, 1])
    fits = solved(problem)
    assert fits.attrs["projected"] == 1
    assert_array_equal(fits.first_x[0], [50, 0, 1])


BEGIN = {
    "around 1": ((0, None), 1.0),
    "wide": ((0, 1e6), 1.0),
    "all above 1": ((100, 500), 300.0),
    "from 2": ((2, None), 4.0),
    "from 1": ((1, None), 2.0),
    "up to 0.2": ((None, 0.2), 0.1),
    "up to 0": ((None, 0), -1.0),
    "up to -5": ((None, -5), -10.0),
    "all below": ((-1, 0), -0.5),
    "free": ((None, None), 1.0),
}


@pytest.mark.parametrize("name", BEGIN)
def test_without_a_start_a_parameter_begins_between_its_bounds(name):
    bounds, start = BEGIN[name]
    problem = problems.regression(EXACT, "a*x", "y", bounds={"a": bounds})
    (low,), (high,) = problems.start_ranges(problem)
    assert problem.start == [start] and problem.domain[0] <= low < high <= problem.domain[1]
    assert low <= start <= high and np.isfinite([low, high]).all()


def test_a_range_beside_bounds_says_where_to_begin_and_bounds_nothing():
    problem = problems.regression(EXACT, MODEL, "y", domain={"a": (0, 10), "k": (-4, 2)}, bounds={"k": (0, None)})
    assert_array_equal(problem.start, [5, 1, 1])
    assert_array_equal(problem.domain, [[-INF, -INF, 0], [INF, INF, INF]])
    assert_array_equal(problems.start_ranges(problem), [[0, 0.1, 0], [10, 10, 2]])


def test_the_ranges_of_other_problems_are_their_domain():
    himmelblau = problems.himmelblau()
    assert_array_equal(problems.start_ranges(himmelblau), himmelblau.domain)
    assert_array_equal(problems.start_ranges(problems.misra1a()), problems.misra1a().domain)
    bowl = tw.Problem(loss=lambda x: x @ x, start=[1.0], name="bowl")
    with pytest.raises(ValueError, match=r"^'bowl' has no domain from which starts could be drawn; give Problem\("):
        problems.start_ranges(bowl)


def test_no_start_is_drawn_up_to_infinity():
    problem = problems.regression(EXACT, MODEL, "y", bounds={"a": (0, 10)})
    for draw in (tw.starts.uniform, tw.starts.grid):
        with pytest.raises(
            ValueError, match=r"must be a finite box to draw starts from; give a range, .* component 1, 2,"
        ):
            draw(problem.domain, 3)


@pytest.mark.slow
def test_what_searches_a_finite_box_says_so_and_others_take_an_open_one():
    problem = problems.regression(EXACT, "a*exp(-0.35*x)-3", "y", bounds={"a": (70, None)})
    for method in (M.RandomSearch(), M.GridSearch(3), M.Genetic()):
        with pytest.raises(ValueError, match=r"has an infinite domain, but .* or a range of every parameter"):
            tw.solve(problem, method, max_steps=2)
    fits = tw.solve(problem, {"annealing": M.SimulatedAnnealing(1.0, 0.1, 10, 5.0)}, max_steps=5)
    assert (fits.x >= 70).all()
    assert problem.check().passed


REFUSED = {
    "reversed": ({"bounds": {"k": (1, 0)}}, "the bounds of 'k' are (1, 0), but they must be two numbers, low below"),
    "one number": ({"bounds": {"k": 0}}, "the bounds of 'k' are 0, but they must be two numbers"),
    "words": ({"bounds": {"k": ("0", "1")}}, "the bounds of 'k' are ('0', '1'), but"),
    "no number": ({"bounds": {"k": (np.nan, 1)}}, "the bounds of 'k' are (nan, 1), but"),
    "beyond all numbers": ({"bounds": {"k": (INF, INF)}}, "between which is no number; give e.g. (0.0, None)."),
    "a row": ({"bounds": (0, 1)}, "bounds is (0, 1), but it goes by parameter; give e.g. {'b1': (0.0, None)}."),
    "misspelled": ({"bounds": {"kk": (0, 1)}}, "'kk' is not a parameter of the model; did you mean 'k'?"),
    "a column": ({"bounds": {"x": (0, 1)}}, "'x' is not a parameter of the model"),
    "beside the range": (
        {"bounds": {"k": (0, 1)}, "domain": {"k": (1, 3)}},
        "the range of 'k' is from 1 to 3, which its bounds, 0 to 1, leave nothing of; move one of them.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, compiled):
    more, sentence = REFUSED[name]
    before = len(compiled)
    with pytest.raises(ValueError) as caught:
        problems.regression(EXACT, MODEL, "y", **more)
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert len(compiled) == before


# What is fixed


@pytest.mark.slow
@pytest.mark.parametrize("said", [{"fixed": {"c": -2}}, {"bounds": {"c": (-2, -2.0)}}], ids=str)
def test_what_is_fixed_is_a_constant_of_the_model(said):
    problem = problems.regression(NOISY, MODEL, "y", start={"a": 5.0}, **said)
    assert problem.chain.spaces[0].labels == ("a", "k") and problem.start.tolist() == [5, 1]
    fits = solved(problem, M.LevenbergMarquardt())
    right, covariance = scipy.optimize.curve_fit(
        lambda x, a, k: predict(x, a, -2, k), X, NOISY["y"], (5, 1), xtol=1e-13, ftol=1e-13
    )
    table = tw.analysis.fit_table(fits, problem)
    assert list(table.index) == ["a", "k", "c", "residual standard deviation", "degrees of freedom"]
    assert_allclose(table.value[:3], [*right, -2], rtol=1e-7)
    assert_allclose(table.standard_error[:2], np.sqrt(np.diag(covariance)), rtol=1e-5)
    assert table.note.tolist() == ["", "", "fixed", "", ""] and np.isnan(table.standard_error["c"])
    assert table.value["degrees of freedom"] == 19
    shown = tw.analysis.fitted(fits, problem)
    assert_allclose(shown.model, predict(shown.grid.values, right[0], -2, right[1]), rtol=1e-6)


def test_the_start_of_what_is_fixed_may_be_the_same():
    problem = problems.regression(NOISY, MODEL, "y", start={"a": 5.0, "c": 1}, fixed={"c": 1.0})
    assert problem.start.tolist() == [5, 1]


def test_equal_bounds_of_any_problem_fix():
    problem = problems.misra1a().within(([-INF, 5e-4], [INF, 5e-4]))
    fits = solved(problem)
    table = tw.analysis.fit_table(fits, problem)
    model = problem.stages[0].forward
    curve = 1 - np.exp(-5e-4 * model.predictors["x"])  # linear in b1
    b1 = curve @ model.observed / (curve @ curve)
    s = np.sqrt(np.sum((model.observed - b1 * curve) ** 2) / 13)
    assert_allclose(table.value[:2], [b1, 5e-4], rtol=1e-9)
    assert_allclose(table.standard_error["b1"], s / np.linalg.norm(curve), rtol=1e-9)
    assert table.note.tolist() == ["", "fixed", "", ""] and table.value["degrees of freedom"] == 13


# Standard errors beside an active bound


def test_at_a_bound_the_other_errors_are_those_with_it_held():
    problem = problems.regression(NOISY, MODEL, "y", bounds={"c": (0, None), "k": (0, 5)})
    fits = solved(problem)
    table = tw.analysis.fit_table(fits, problem)
    right, covariance = scipy.optimize.curve_fit(
        lambda x, a, k: a * np.exp(-k * x), X, NOISY["y"], (50, 0.5), xtol=1e-13, ftol=1e-13
    )
    assert_allclose(table.value[["a", "c", "k"]], [right[0], 0, right[1]], rtol=1e-7)
    assert table.note.tolist() == ["", "at its bound", "", "", ""] and np.isnan(table.standard_error["c"])
    assert_allclose(table.standard_error[["a", "k"]], np.sqrt(np.diag(covariance)), rtol=1e-5)
    assert table.value["degrees of freedom"] == 19
    spread = tw.analysis.uncertainty(tw.analysis.best_fit(fits), problem)
    assert spread.at_bound.values.tolist() == [False, True, False]
    assert np.isnan(spread.correlation.values[1]).all() and np.isnan(spread.correlation.values[:, 1]).all()
    rho = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert_allclose(spread.correlation.values[0, 2], rho, rtol=1e-5)


def spread_of(problem, point, dtype=np.float64):
    import xarray as xr

    labels = list(problem.chain.spaces[0].labels)
    fits = xr.Dataset({"x": ("x_dim", np.asarray(point, dtype)), "loss": 1.0}, {"x_dim": labels})
    return tw.analysis.uncertainty(fits, problem)


@pytest.mark.slow
def test_only_a_bound_beyond_which_the_loss_falls_holds():
    """a + b x on a line of slope 2 and intercept 1, with noise that is orthogonal to both."""
    x = np.array([-1.0, 0.0, 1.0, 0.0])
    noise = np.array([1.0, -1.0, 1.0, -1.0]) / 10
    table = {"x": x, "y": 1 + 2 * x + noise}

    def at(point, dtype=np.float64, **bounds):
        return spread_of(problems.regression(table, "a+b*x", "y", bounds=bounds), point, dtype).at_bound.values.tolist()

    assert at([1, 2], a=(1, None), b=(None, 2)) == [False, False]  # a minimum that happens to lie there
    assert at([1, 1.5], b=(None, 1.5)) == [False, True]
    assert at([1, 2.5], b=(2.5, 9)) == [False, True]
    assert at([1, 2.5], b=(None, 2.5)) == [False, False]  # not a minimum: inside L is lower
    assert at([1.1, 2], a=(1.1, None)) == [True, False]
    assert at([0.9, 2.5], a=(None, 0.9), b=(2.5, None)) == [True, True]
    assert at([np.float32(1.1), 2], np.float32, a=(1.1, None)) == [True, False]  # to the rounding of the fit
    assert at([1, 1.5], b=(None, 1.5001)) == [False, False]


def test_exact_data_push_no_parameter_through_its_bound():
    problem = problems.regression({"x": X, "y": 0.1 + 0.3 * X}, "a+b*x", "y", bounds={"a": (0.1, None)})
    spread = spread_of(problem, [0.1, np.nextafter(0.3, 1)])  # whose rounding alone would lower a
    assert not spread.at_bound.any() and np.isfinite(spread.standard_error).all()


# As many parameters as observations


def test_as_many_parameters_as_observations_are_fitted_without_errors():
    table = {"x": [350.0, 380.0], "y": [48.0, 17.0]}
    problem = problems.regression(table, "exp(a*x+b)", "y", start={"a": -0.01, "b": 1})
    fits = solved(problem, M.LevenbergMarquardt())
    a = np.log(17 / 48) / 30
    assert_allclose(fits.x[0, 0], [a, np.log(48) - 350 * a], rtol=1e-9)
    shown = tw.analysis.fit_table(fits, problem)
    assert shown.value["degrees of freedom"] == 0 and shown.standard_error.isna().all()
    known = problems.regression(table, "exp(a*x+b)", "y", {"a": -0.01, "b": 1}, sigma=[1.0, 2], absolute_sigma=True)
    errors = spread_of(known, fits.x[0, 0]).standard_error.values
    u = np.array([1 / 48, 2 / 17])  # of log y, of which a and b are linear
    assert_allclose(errors, [np.hypot(*u) / 30, np.hypot(380 * u[0], 350 * u[1]) / 30], rtol=1e-6)
    with pytest.raises(ValueError, match=r"2 observations for 3 parameters \(a, b, c\), but a fit needs at least 3"):
        problems.regression(table, "exp(a*x+b)+c", "y")
    assert problems.regression(table, "exp(a*x+b)+c", "y", fixed={"c": 0}).dimension == 2


REFUSED_FIXED = {
    "no number": ({"fixed": {"k": "0"}}, "'k' is fixed at '0', but it must be a finite number; give e.g. 0.0."),
    "infinite": ({"fixed": {"k": INF}}, "'k' is fixed at inf, but it must be a finite number"),
    "a row": ({"fixed": ["k"]}, "fixed is ['k'], but it goes by parameter; give e.g. {'b1': 0.0}."),
    "misspelled": ({"fixed": {"kk": 0}}, "'kk' is not a parameter of the model; did you mean 'k'?"),
    "with another start": ({"fixed": {"k": 0}, "start": {"k": 1}}, "'k' is fixed at 0 and has a start; leave one"),
    "with a range": ({"fixed": {"k": 1}, "domain": {"k": (0, 2)}}, "'k' is fixed at 1 and has a range; leave one"),
    "with bounds": ({"fixed": {"k": 1}, "bounds": {"k": (0, 2)}}, "'k' is fixed and has bounds; leave one of them"),
    "all of them": ({"fixed": {"a": 1, "c": 1}, "bounds": {"k": (0, 0)}}, "are fixed; leave at least one free."),
}


@pytest.mark.parametrize("name", REFUSED_FIXED)
def test_refusal_of_what_cannot_be_fixed(name):
    more, sentence = REFUSED_FIXED[name]
    with pytest.raises(ValueError) as caught:
        problems.regression(EXACT, MODEL, "y", **more)
    assert sentence in str(caught.value)
