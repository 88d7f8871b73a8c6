"""What converged means has no unit: losses of 1e-20 and 1e20, parameters of 1e-30 and 1e9, ends that are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg import tolerances

M = tw.methods
FIT = tolerances.decrement(1e-20) | tolerances.step(1e-10)  # as `thalweg solve` fits a table
QUARTIC = next(root.real for root in np.roots([2, 0, 1, -3.3]) if abs(root.imag) < 1e-9)
SCALES = {"scale": np.array([1e-20, 1e-12, 1e-6, 1.0, 1e6, 1e13, 1e20])}
SHORT = {"scale": np.array([1e-10, 1e-4, 1.0, 1e4, 1e10])}  # what float32 can square


def quartic(x, case):
    return case["scale"] * jnp.sum((x - 3.3) ** 2 + x**4)


def valley(x, case):
    return case["scale"] * (100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2)


def roots_of_valley(x, case):
    return jnp.sqrt(case["scale"]) * jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def said(fits, name="reason"):
    words = fits[name].attrs["flag_meanings"].split()
    return [words[code] for code in fits[name].values.ravel()]


def loss_of(f, start):
    return tw.Problem(loss=f, start=start)


NEWTONIAN = {"trust": M.TrustRegion(), "BFGS": M.BFGS(), "LBFGS": M.LBFGS(), "CG": M.NewtonCG(), "Newton": M.Newton()}
SQUARES = {"marquardt": M.LevenbergMarquardt(), "gauss": M.GaussNewton()}


@pytest.mark.parametrize(
    "name", ["trust", "BFGS", *(pytest.param(n, marks=pytest.mark.slow) for n in ("LBFGS", "CG", "Newton"))]
)
@pytest.mark.parametrize(("f", "start", "right"), [(quartic, [0.0, 0.0], QUARTIC), (valley, [-1.2, 1.0], 1.0)])
def test_the_unit_of_the_loss_changes_nothing(name, f, start, right):
    """With a minimum above zero, and with one at zero, where no share of L is small."""
    fits = tw.solve(loss_of(f, start), NEWTONIAN[name], cases=SCALES)
    assert set(said(fits, "outcome")) == {"converged"} and fits.steps.max() < 400
    np.testing.assert_allclose(fits.x, right, rtol=3e-6)


@pytest.mark.parametrize("name", SQUARES)
def test_the_unit_of_a_residual_changes_nothing(name):
    problem = tw.Problem(roots_of_valley, loss=tw.SquaredError(), start=[-1.2, 1.0])
    fits = tw.solve(problem, SQUARES[name], cases=SCALES)
    assert set(said(fits, "outcome")) == {"converged"} and fits.steps.max() < 100
    np.testing.assert_allclose(fits.x, 1.0, rtol=1e-6)


@pytest.mark.parametrize("name", ["LBFGS", *(pytest.param(n, marks=pytest.mark.slow) for n in ("trust", "BFGS"))])
def test_the_unit_of_the_loss_changes_nothing_in_float32(name):
    fits = tw.solve(loss_of(quartic, [0.0, 0.0]), NEWTONIAN[name], cases=SHORT, dtype="float32")
    assert set(said(fits, "outcome")) == {"converged"}
    np.testing.assert_allclose(fits.x, QUARTIC, rtol=3.5e-4)  # the step that may be left by default


@pytest.mark.parametrize("unit", [1e-12, pytest.param(1e9, marks=pytest.mark.slow)])
def test_the_unit_of_x_changes_nothing(unit):
    methods = {name: NEWTONIAN[name] for name in ("trust", "LBFGS")}
    problem = loss_of(lambda x, case: quartic(x / unit, case), np.array([0.0, 2.0]) * unit)
    fits = tw.solve(problem, methods, cases=SCALES)
    assert set(said(fits, "outcome")) == {"converged"}
    np.testing.assert_allclose(fits.x / unit, QUARTIC, rtol=3e-6)


@pytest.mark.slow
def test_a_bounded_minimum_in_any_unit():
    """One component ends at its bound, with a slope of the size of the loss."""
    methods = {"trust": M.TrustRegion(bounded=True), "LBFGS": M.LBFGS(bounded=True)}
    problem = loss_of(quartic, [0.0, 0.0]).within(([-1.0, -1.0], [0.5, 3.0]))
    fits = tw.solve(problem, methods, cases=SCALES)
    assert set(said(fits, "outcome")) == {"converged"}
    np.testing.assert_allclose(fits.x, np.broadcast_to([0.5, QUARTIC], fits.x.shape), rtol=3e-6)


def test_a_method_without_a_model_has_that_of_its_last_move():
    """Gradient descent with a rate in the unit of the loss; with one that is too small it is not done."""
    problem = loss_of(lambda x: 1e-12 * jnp.sum(jnp.array([1.0, 3.0]) * (x - 3) ** 2), [0.0, 1.0])
    fits = tw.solve(problem, tw.sweep(M.gradient_descent(1.0), learning_rate=[2e11, 0.1]))
    assert said(fits, "outcome") == ["converged", "exhausted"]
    np.testing.assert_allclose(fits.x[0, 0], 3.0, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["trust-region", "BFGS", pytest.param("L-BFGS-B", marks=pytest.mark.slow)])
def test_minimize_succeeds_in_any_unit_and_does_as_it_is_told(method):
    small = tw.minimize(lambda x: 1e-8 * jnp.sum((x - 3) ** 2), [0.0, 0.0], method=method)
    large = tw.minimize(lambda x: 1e12 * jnp.sum((x - 3.3) ** 2 + x**4), [0.0, 0.0], method=method)
    assert small.success and large.success and large.nit < 100
    np.testing.assert_allclose(small.x, 3.0)
    np.testing.assert_allclose(large.x, QUARTIC)
    told = tw.minimize(lambda x: 1e-8 * jnp.sum((x - 3) ** 2), [0.0, 0.0], method=method, tol=1e-6)
    assert told.success and told.nit == 0 and told.message == "Converged: gtol is met."


@pytest.mark.slow
def test_a_search_that_begins_at_the_minimum_has_arrived():
    """Where the gradient is rounding, and where a loss of 1e-30 is 1e5 away from the scale of x."""
    here = tw.minimize(lambda x: jnp.sum(jnp.cosh(x - 0.1) + (x - 0.1) ** 2), [0.1 + 1e-17, 0.1], method="BFGS")
    assert here.success and here.nit < 60
    faint = tw.minimize(lambda x: 1e-30 * jnp.sum((x - 3) ** 2), [1e5, -1e5], method="BFGS")
    assert faint.success
    np.testing.assert_allclose(faint.x, 3.0, rtol=1e-6)


# Fits.

T = np.linspace(0.1, 5, 20)
FAINT = 0.01 * np.random.default_rng(0).random(20) * 1e-9 * np.exp(T)


def fitted(model, x, y, start, **more):
    problem = tw.problems.regression({"x": x, "y": y}, model, "y", start)
    fits = tw.solve(problem, M.LevenbergMarquardt(), max_steps=1000, **more)
    return fits.x.values.ravel(), said(fits, "outcome")[0]


@pytest.mark.parametrize("more", [{}, {"until": FIT}], ids=["default", "table"])
@pytest.mark.parametrize("unit", [1.0, pytest.param(1e-20, marks=pytest.mark.slow)])
def test_parameters_of_small_data(more, unit):
    """Currents of 1e-9; the same numbers in units of their own are the oracle."""
    start = {"a": 1e-9 * unit, "b": 4e-10}
    x, outcome = fitted("a*exp(b*x/4e-10)", T, FAINT * unit, start, **more)
    own, _ = fitted("a*exp(b*x)", T, FAINT * 1e9, {"a": 1.0, "b": 1.0}, until=FIT)
    assert outcome == "converged"
    np.testing.assert_allclose(x, own * [1e-9 * unit, 4e-10], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-30, pytest.param(1e9, marks=pytest.mark.slow)])
def test_a_start_of_one_is_far_from_small_and_large_data(scale):
    t = np.arange(8.0)
    x, outcome = fitted("a*exp(-b*x)", t, scale * 2 * np.exp(-0.3 * t), {"a": 1.0, "b": 1.0}, until=FIT)
    assert outcome == "converged"
    np.testing.assert_allclose(x, [2 * scale, 0.3], rtol=1e-8)


@pytest.mark.parametrize(
    ("model", "start"),
    [
        ("a*exp(b*x+c)", {"a": 1.0, "b": 0.1, "c": -190.0}),
        pytest.param("exp(b*x+c)", {"b": 0.1, "c": -190.0}, marks=pytest.mark.slow),
        pytest.param("a*2**(b*x+c)", {"a": 1.0, "b": 0.15, "c": -275.0}, marks=pytest.mark.slow),
    ],
)
def test_a_search_that_is_stuck_on_its_way_has_not_converged(model, start):
    """Yearly growth from the year itself, of which MINPACK has 1238.3327757 as the least sum of squares."""
    x, y = np.arange(2011.0, 2016.0), np.array([255.0, 349, 449, 554, 658])
    problem = tw.problems.regression({"x": x, "y": y}, model, "y", start)
    fits = tw.solve(problem, M.LevenbergMarquardt(), until=FIT, max_steps=2000)
    assert said(fits, "outcome") != ["converged"] or fits.loss.item() < 1238.3327757 * (1 + 1e-6)


@pytest.mark.slow
def test_exact_data_and_parameters_of_zero_converge():
    t = np.arange(8.0)
    for y in 2 * t, 1e-25 * t, 3 + 0 * t:
        x, outcome = fitted("a+b*x", t, y, {"a": 0.0, "b": 0.0}, until=FIT)
        assert outcome == "converged"
        np.testing.assert_allclose(x[0] + x[1] * t, y, rtol=1e-12, atol=1e-14 * y.max())


@pytest.mark.slow
def test_decrement_is_the_squared_cosine_and_step_is_the_steps_size():
    """By NumPy's least squares along the path of Levenberg-Marquardt, from where the whole step is far too long."""
    t = np.arange(8.0)
    y = np.exp(-0.4 * t) + 0.05 * np.cos(5 * t)
    problem = tw.Problem(lambda x: x[0] * jnp.exp(-x[1] * t), loss=tw.SquaredError(y), start=[9.0, 3.0])
    path = tw.run(problem, M.LevenbergMarquardt(), steps=30, dtype="float64").x.values[0, 0]
    with jax.enable_x64(True):
        r, j = (np.asarray(a) for a in jax.vmap(problem.least_squares)(path))
    whole = np.stack([np.linalg.lstsq(a, -b)[0] for a, b in zip(j, r, strict=True)])
    won = 1 - np.linalg.norm(r + np.einsum("kmd,kd->km", j, whole), axis=1) ** 2 / np.linalg.norm(r, axis=1) ** 2
    left = np.abs(whole / path).max(axis=1)
    for until, along in (tolerances.decrement(1e-3), won <= 1e-3), (tolerances.step(1e-3), left <= 1e-3):
        fits = tw.solve(problem, M.LevenbergMarquardt(), until=until)
        assert fits.steps.item() == along.argmax() > 2 and said(fits) == [until.kind]


@pytest.mark.slow
def test_decrement_of_newton_is_half_the_slope_along_its_step():
    """L = 1 + sum h (x - a)^2 / 2: half-steps leave a quarter of the promise each."""
    h, a = np.array([1.0, 100.0]), np.array([2.0, -1.0])
    problem = tw.Problem(loss=lambda x: 1 + jnp.sum(h * (x - a) ** 2) / 2, start=[3.0, 1.0])
    begun = float(np.sum(h * (np.array([3.0, 1.0]) - a) ** 2) / 2)
    promise = begun / 4.0 ** np.arange(30)
    for method in M.Newton(learning_rate=0.5), M.Newton(learning_rate=0.5, saddle_free=True):
        fits = tw.solve(problem, method, until=tolerances.decrement(1e-6))
        assert fits.steps.item() == (promise / (1 + promise) <= 1e-6).argmax() and said(fits) == ["decrement"]


@pytest.mark.slow
@pytest.mark.parametrize("wall", [10.0, 1e6])
def test_a_trial_at_a_wall_is_no_end(wall):
    """At x = wall the loss is infinite, so that a trial there is held and has no step left: the search goes on."""
    problem = tw.Problem(
        loss=lambda x: -0.01 * jnp.log(1 - x[0] / wall) - 10 * x[0] / wall, start=[0.0], domain=(0.0, wall)
    )
    fits = tw.solve(problem, tw.methods.LBFGS(bounded=True))
    np.testing.assert_allclose(fits.x.values.ravel(), 0.999 * wall, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["gradient_descent", "momentum", "newton", "gauss_newton", "bfgs"])
def test_a_curvature_beyond_all_numbers_ends_no_step(name, dtype):
    """Where g^T s overflows and neither L nor its gradient does, the step to go would be 0."""
    scale = 1.0 if dtype == "float32" else 1e20
    methods = {
        "gradient_descent": tw.methods.gradient_descent(0.1 / scale**2),
        "momentum": tw.methods.momentum(0.1 / scale**2, 0.5),
        "newton": tw.methods.Newton(),
        "gauss_newton": tw.methods.GaussNewton(),
        "bfgs": tw.methods.BFGS(),
    }
    problem = tw.Problem(lambda x: jnp.stack([x[0], x[1] ** 2, x[2]]), loss=tw.SquaredError(), start=[1.0, 1.0, 1.0])
    starts = scale * np.random.default_rng(0).uniform(-5, 5, (300, 3))
    fits = tw.solve(problem, methods[name], starts, max_steps=40, dtype=dtype)
    converged = fits.outcome.values[0] == 0
    lost = converged & ~(fits.loss.values[0] <= 1e-3 * scale**2)
    assert not lost.any(), fits.loss.values[0][lost]
