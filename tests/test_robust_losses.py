"""Robust losses: those of SciPy in value and fit, Huber's standard errors, and reports that say what they are."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from figures import rendered
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw
from thalweg import analysis, plot, problems
from thalweg.analysis.spread import judged

LM = tw.methods.LevenbergMarquardt()
KINDS = ("soft_l1", "huber", "cauchy", "arctan")
MODEL = "a*exp(-k*t) + c"
START = {"a": 2.5, "k": 0.6, "c": 0.4}
C = 0.1


def decay():
    """An exponential with every seventh point far off."""
    rng = np.random.default_rng(0)
    t = np.linspace(0, 10, 60)
    y = 3 * np.exp(-0.5 * t) + 0.5 + 0.05 * rng.normal(size=60)
    y[::7] += 3 * rng.normal(size=9)
    return {"t": t, "y": y, "dy": np.linspace(0.5, 2, 60)}


DATA = decay()


def model(p):
    a, c, k = p  # in the order of the parameters
    return a * np.exp(-k * DATA["t"]) + c


def solved(problem, **settings):
    return tw.solve(problem, LM, **{"gtol": 0.0, "xtol": 1e-11, "max_steps": 10_000} | settings)


@pytest.fixture(scope="module")
def fitted():
    """{kind: (problem, fits)}, without a sigma."""
    made = {kind: problems.regression(DATA, MODEL, "y", START, loss=kind, f_scale=C) for kind in KINDS}
    return {kind: (problem, solved(problem)) for kind, problem in made.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_twice_the_cost_of_scipy(kind):
    z = np.array([0.0, 0.3, -0.999, 1.0, 1.001, -4.0, 1e6])
    with jax.enable_x64(True):
        for scale in (1.0, 0.02, 50.0):
            right = [
                scipy.optimize.least_squares(lambda x: x, [one], loss=kind, f_scale=scale, max_nfev=1).cost for one in z
            ]
            ours = [float(tw.RobustError(one, kind, scale)(jnp.zeros(1))) for one in z]
            assert_allclose(ours, 2 * np.array(right), rtol=1e-11)
        assert_allclose(tw.RobustError(1e-9, kind)(jnp.zeros(1)), 1e-18, rtol=1e-15)  # where SciPy has lost digits


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_methods_see_has_the_gradient_and_a_positive_curvature(kind):
    """J^T r is dL/dx; J^T J is d2L/dy2 where that is positive enough, and never below a tenth of the slope over z."""
    target, sigma = np.array([0.0, 0.05, -0.3, 2.0, -40.0]), np.array([1.0, 2.0, 0.5, 1.0, 3.0])
    loss = tw.RobustError(target, kind, f_scale=0.25, factor=0.7, sigma=sigma)
    problem = tw.Problem(lambda x: x, loss=loss, start=np.zeros(5))
    with jax.enable_x64(True):
        y = np.array([0.01, 0.0, 0.2, -1.0, 0.0])
        r, j = problem.least_squares(y)
        slope, curvature = problem.gradient(y), np.diag(problem.hessian(y))
        assert_allclose(j.T @ r, slope, rtol=1e-12)
        least = 0.1 * slope / (y - target)
        assert_allclose(np.diag(j.T @ j), np.maximum(curvature, least), rtol=1e-12)
        assert_allclose(np.diag(np.diag(j.T @ j)), j.T @ j)
        assert_allclose(problem.newton_in_y(y), -slope / np.maximum(curvature, least), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_fits_are_those_of_scipy(kind, fitted):
    _, fits = fitted[kind]
    start = [START[name] for name in ("a", "c", "k")]
    right = scipy.optimize.least_squares(
        lambda p: model(p) - DATA["y"], start, loss=kind, f_scale=C, xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    assert_allclose(fits.x[0, 0], right.x, rtol=1e-7)
    assert_allclose(fits.loss[0, 0], 2 * right.cost, rtol=1e-12)
    assert analysis.OUTCOMES[fits.outcome.item()] == "converged" and fits.steps.item() < 50


@pytest.mark.slow
def test_a_sigma_scales_residuals_before_the_loss():
    problem = problems.regression(DATA, MODEL, "y", START, loss="soft_l1", sigma="dy", f_scale=0.05)
    right = scipy.optimize.least_squares(
        lambda p: (model(p) - DATA["y"]) / DATA["dy"], [2, 0.4, 0.6], loss="soft_l1", f_scale=0.05, xtol=1e-15
    )
    fits = solved(problem)
    assert_allclose(fits.x[0, 0], right.x, rtol=1e-6)
    assert_allclose(fits.loss[0, 0], 2 * right.cost, rtol=1e-11)


STACKLOSS = {
    "air": [80, 80, 75, 62, 62, 62, 62, 62, 58, 58, 58, 58, 58, 58, 50, 50, 50, 50, 50, 56, 70],
    "water": [27, 27, 25, 24, 22, 23, 24, 24, 23, 18, 18, 17, 18, 19, 18, 18, 19, 19, 20, 20, 20],
    "acid": [89, 88, 90, 87, 87, 87, 93, 93, 87, 80, 89, 88, 82, 93, 89, 86, 72, 79, 80, 82, 91],
    "loss": [42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15],
}  # Brownlee (1965)


@pytest.mark.slow
def test_standard_errors_are_those_published_for_stack_losses():
    """By MASS::rlm in R and by RLM of statsmodels, Huber's loss with 1.345 times the scale that they found, 2.4407."""
    data = {name: np.array(column, float) for name, column in STACKLOSS.items()}
    problem = problems.regression(
        data, "b0 + b1*air + b2*water + b3*acid", "loss", loss="huber", f_scale=1.345 * 2.440714
    )
    fits = solved(problem)
    table = analysis.fit_table(fits, problem)
    assert_allclose(table.value[:4], [-41.02649835, 0.82938433, 0.92606597, -0.12784672], rtol=1e-4)
    assert_allclose(table.standard_error[:4], [9.79189854, 0.11100521, 0.30293016, 0.12864961], rtol=1e-4)  # H1
    assert_allclose(table.standard_error[:4], [9.8073, 0.1112, 0.3034, 0.1289], rtol=3e-3)  # R divides by m - 1
    residual = judged(analysis.best_fit(fits), problem).residual
    assert_allclose(np.median(np.abs(residual)) / 0.6744898, 2.440714, rtol=1e-4)  # it is the scale of this fit


@pytest.mark.slow
def test_standard_errors_are_the_spread_of_many_fits():
    """Of a line, with errors of Student's t with two degrees of freedom, whose variance is infinite."""
    rng, m, n = np.random.default_rng(3), 40, 600
    t = np.linspace(-1, 1, m)
    y = 1 + 2 * t + rng.standard_t(2, (n, m))
    loss = tw.RobustError(lambda data: data["y"], "huber", 1.345)
    problem = tw.Problem(lambda x: x[0] + x[1] * t, loss=loss, start=[1.0, 2.0])
    fits = solved(problem, cases={"y": y}, xtol=1e-6)
    x = fits.x.values[0, :, 0]
    errors = np.array(
        [
            analysis.uncertainty(fits.isel(case=i), problem.bind({"y": y[i]})).standard_error.values[0, 0]
            for i in range(8)
        ]
    )
    assert_allclose(x.mean(axis=0), [1, 2], atol=4 * x.std(axis=0).max() / np.sqrt(n))
    assert_allclose(np.sqrt(np.mean(errors**2, axis=0)), x.std(axis=0), rtol=0.15)


@pytest.mark.slow
def test_beyond_all_residuals_it_is_least_squares(fitted):
    """In everything that is said of a fit, but for what a robust loss is not."""
    same = problems.regression(DATA, MODEL, "y", START, loss="huber", f_scale=1e3)
    plain = problems.regression(DATA, MODEL, "y", START, loss="linear")
    assert isinstance(plain.loss, tw.SquaredError)
    fits = solved(plain)
    with jax.enable_x64(True):
        x = fits.x.values[0, 0]
        assert_allclose(same.value(x), plain.value(x), rtol=1e-13)
        assert_allclose(same.hessian(x), plain.hessian(x), rtol=1e-12)
    one, two = (analysis.uncertainty(fits, problem) for problem in (same, plain))
    for name in ("standard_error", "correlation", "residual_standard_deviation", "degrees_of_freedom"):
        assert_allclose(one[name], two[name], rtol=1e-12)
    one, two = (analysis.criteria(fits, problem) for problem in (same, plain))
    assert_allclose(one[:5], two[:5], rtol=1e-13)
    assert one[5:].isna().all() and not two[5:].isna().any()
    one, two = (analysis.prediction(fits, problem, {"t": [3.0, 20.0]}) for problem in (same, plain))
    assert_allclose(one.confidence_low, two.confidence_low, rtol=1e-12)
    assert np.isnan(one.prediction_low).all() and np.isfinite(two.prediction_low).all()


@pytest.mark.slow
def test_outliers_count_less_and_it_is_said(fitted):
    problem, fits = fitted["cauchy"]
    report = json.loads(json.dumps(analysis.fit_report(fits, problem)))
    assert (report["loss"], report["f_scale"], report["absolute_sigma"]) == ("cauchy", C, False)
    residual, weight = (np.array(report["observations"][name]) for name in ("residual", "weight"))
    assert_allclose(weight, 1 / (1 + (residual / C) ** 2), rtol=1e-12)
    assert report["statistics"]["AIC"] is None and report["statistics"]["R squared"] is None
    assert_allclose(report["statistics"]["sum of squares"], residual @ residual, rtol=1e-12)
    shown = analysis.fitted(fits, problem)
    assert_array_equal(shown.weight, weight)
    assert shown.attrs["loss"] == "cauchy" and "prediction_low" not in shown and "confidence_low" in shown
    top, _ = rendered(plot.fit(fits, problem)).axes
    assert [c.get_label() for c in top.collections] == ["95 % confidence"]
    plain = problems.regression(DATA, MODEL, "y", START)
    assert "weight" not in analysis.fitted(fits, plain)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["TrustRegion", "BFGS", "GaussNewton"])
def test_every_method_fits_a_convex_loss(name, fitted):
    problem, fits = fitted["soft_l1"]
    near = fits.x.values[0] * 1.01
    assert_allclose(tw.solve(problem, getattr(tw.methods, name)(), near).x[0, 0], fits.x[0, 0], rtol=1e-5)


@pytest.mark.slow
def test_a_parameter_at_its_bound_is_held(fitted):
    problem = problems.regression(DATA, MODEL, "y", START, bounds={"c": (None, 0.4)}, loss="cauchy", f_scale=C)
    fits = tw.solve(problem, tw.methods.LevenbergMarquardt(bounded=True), gtol=0.0, xtol=1e-11)
    table = analysis.fit_table(fits, problem)
    assert table.note["c"] == "at its bound" and table.value["c"] == 0.4 and np.isnan(table.standard_error["c"])
    held = problems.regression(DATA, MODEL, "y", {"a": 2.5, "k": 0.6}, fixed={"c": 0.4}, loss="cauchy", f_scale=C)
    free = fits.x.values[0, 0, [0, 2]]
    with jax.enable_x64(True):
        assert_allclose(held.gradient(free), 0, atol=1e-6)
    spread = analysis.uncertainty(tw.solve(held, LM, [free], max_steps=0), held)
    assert_allclose(table.standard_error[["a", "k"]], spread.standard_error[0, 0], rtol=1e-8)


def test_too_many_outliers_have_no_standard_errors():
    """Where most residuals are on the part of the loss that bends down."""
    y = np.array([0.0, 1.4, -1.4, 1.4, -1.4, 1.4, -1.4])
    problem = tw.Problem(lambda x: x * np.ones(7), loss=tw.RobustError(y, "arctan", 1.3), start=[0.0])
    fits = tw.solve(problem, LM, max_steps=0)
    spread = analysis.uncertainty(fits, problem)
    assert np.isnan(spread.standard_error).all() and np.isfinite(spread.correlation).all()


def test_examples_of_data_have_a_robust_mean():
    data = {"a": np.array([1.0, 2.0, 4.0]), "b": np.array([2.0, 4.1, 100.0])}
    stage = tw.Stage(lambda x, example: x * example["a"], each=True)
    mean = tw.MeanLoss(tw.RobustError(lambda example: example["b"], "cauchy", 0.1))
    problem = tw.Problem(stage, loss=mean, start=[2.0], data=data)
    flat = tw.Problem(
        lambda x: x[0] * data["a"], loss=tw.RobustError(data["b"], "cauchy", 0.1, factor=1 / 3), start=[2.0]
    )
    with jax.enable_x64(True):
        assert_allclose(problem.value([1.9]), flat.value([1.9]), rtol=1e-14)
        for one, two in zip(problem.least_squares([1.9]), flat.least_squares([1.9]), strict=True):
            assert_allclose(one, two, rtol=1e-14)


def test_it_reads_as_it_is_written():
    assert repr(tw.RobustError([1.0, 2.0], "huber", 0.1)) == "RobustError([1.0, 2.0], 'huber', f_scale=0.1)"


@pytest.fixture
def folder(workplace):
    rows = zip(*(column.tolist() for column in DATA.values()), strict=True)
    (workplace / "decay.csv").write_text("\n".join(["t,y,dy", *(",".join(map(repr, row)) for row in rows)]))
    return workplace


LINE = f'solve decay.csv --model "{MODEL}" --y y --start a=2.5,k=0.6,c=0.4 --loss huber'


@pytest.mark.slow
def test_from_the_shell(call, fitted, folder):
    status, out, err = call(f"{LINE} --f-scale 0.1 --out fit.json")
    problem, fits = fitted["huber"]
    table = analysis.fit_table(fits, problem)
    assert (status, err) == (0, "")
    assert out.startswith(f"decay: y = {MODEL}, 60 observations with the loss huber beyond 0.1, 1 start\n")
    rows = [line.split() for line in out.splitlines() if line.startswith(("a ", "c ", "k "))][:3]
    assert_allclose([float(value) for _, value, _ in rows], table.value[:3], rtol=1e-7)
    assert_allclose([float(error) for _, _, error in rows], table.standard_error[:3], rtol=1e-4)
    beyond = int(np.sum(np.abs(judged(analysis.best_fit(fits), problem).residual) > 0.1))
    assert f"huber loss {fits.loss.item():.6g}, {beyond} residuals beyond 0.1\n" in out
    assert "AIC" not in out and "R squared" not in out
    assert json.loads((folder / "fit.json").read_text())["loss"] == "huber"


REFUSED = {
    "no loss": ({"loss": "softl1"}, "'softl1' is not a loss; did you mean 'soft_l1'?"),
    "a scale of squares": ({"f_scale": 0.1}, "f_scale was given, but only a robust loss has one; give loss='soft_l1'"),
    "a scale of linear": ({"loss": "linear", "f_scale": 0.1}, "f_scale was given, but only a robust loss has one"),
    "no scale": ({"loss": "huber", "f_scale": 0.0}, "f_scale is 0.0, but it must be a positive, finite number"),
    "a flag": ({"loss": "huber", "f_scale": True}, "f_scale is True, but it must be a positive, finite number"),
    "infinite": ({"loss": "huber", "f_scale": np.inf}, "f_scale is inf, but it must be a positive, finite number"),
    "absolute": (
        {"loss": "cauchy", "sigma": "dy", "absolute_sigma": True},
        "absolute_sigma was given with the loss 'cauchy', but outliers are errors that no sigma knows, so that",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, compiled):
    given, sentence = REFUSED[name]
    before = len(compiled)
    with pytest.raises(ValueError) as caught:
        problems.regression(DATA, MODEL, "y", **given)
    assert sentence in str(caught.value) and len(compiled) == before


def test_refusal_of_what_a_robust_loss_has_not(fitted):
    problem, fits = fitted["huber"]
    with pytest.raises(ValueError, match="the loss of 'regression' is no sum of squares, but an F-test"):
        analysis.f_test(fits, problem, fits, problem)
    with pytest.raises(ValueError, match="sigma was given for a prediction band, but only a sum of squares"):
        analysis.prediction(fits, problem, sigma=0.1)
    with pytest.raises(ValueError, match="is not known to be a sum of squares"):
        problem.residual(problem.start)
    with pytest.raises(ValueError, match="'hubert' is not a robust loss; did you mean 'huber'"):
        tw.RobustError(0.0, "hubert")
    with pytest.raises(ValueError, match="sigma has a number that is no standard deviation"):
        tw.RobustError([1.0, 2.0], sigma=[1.0, 0.0])


def test_refusal_from_the_shell(call):
    for line, sentence in {
        f"{LINE} --model a*t": "2 models were given with the loss 'huber', but models are compared by AIC, which a",
        f"{LINE} --f-scale 0": "f_scale is 0.0, but it must be a positive, finite number",
        "solve rosenbrock --loss huber": "--loss was given, but 'rosenbrock' is no table",
        "solve rosenbrock --f-scale 2": "--f-scale was given, but 'rosenbrock' is no table",
    }.items():
        status, _, err = call(line)
        assert status == 2 and sentence in err, err
