"""Rates, orders, stability and cycles of paths for which theory has them."""

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.analysis import final_period

M = tw.methods
EDGE = tw.Problem(loss=lambda x: x[0] ** 2 + 0.05 * jnp.sin(30 * x[0]), start=[0.3], name="rugged")


def logistic(r: float, steps: int) -> np.ndarray:
    x = [0.3]
    for _ in range(steps):
        x.append(r * x[-1] * (1 - x[-1]))
    return np.array(x)[:, None]


def test_periods_of_the_logistic_map():
    """Its cascade: 2 above 3, 4 above 1 + sqrt 6, 8 above 3.54409, 3 above 1 + sqrt 8; chaos at 4 (May 1976)."""
    periods = {2.8: 1, 3.2: 2, 3.5: 4, 3.55: 8, 3.565: 16, 3.83: 3, 3.845: 6, 4.0: 0}
    paths = np.stack([logistic(r, 5000) for r in periods])
    assert final_period(paths).tolist() == list(periods.values())
    assert final_period(paths.astype(np.float32)).tolist() == list(periods.values())
    assert final_period(paths, most=3).tolist() == [p if p <= 3 else 0 for p in periods.values()]
    assert final_period(paths[:, -7:]).tolist() == [p if p <= 3 else 0 for p in periods.values()]
    assert final_period(paths[None]).shape == (1, 8) and final_period(paths[:, -1:]).tolist() == [1] * 8


def test_paths_on_their_way_or_not_finite_have_no_period():
    k = np.arange(100.0)
    paths = np.stack([0.9**k, 1.1**k, (-0.9) ** k, (-1.1) ** k, k, np.full(100, np.nan), np.full(100, np.inf)])
    assert final_period(paths[..., None]).tolist() == [0] * 7
    huge = np.stack([np.where(k % 2, 1e200, -1e200), np.where(k == 99, np.nan, 1)])[..., None]
    assert final_period(huge).tolist() == [0, 0]
    assert final_period(np.stack([np.cos(2 * np.pi * k / 5), np.sin(2 * np.pi * k / 5)], axis=-1)) == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slow_convergence_is_no_cycle(dtype):
    """Multipliers near the unit circle: -1 + e, and r exp(2 pi i / p); on it they are cycles."""
    k = np.arange(1001)
    for shrink in (1e-3, 1e-4, 1e-5):
        paths = np.stack([(1 - shrink) ** k * np.cos(2 * np.pi * k / p + 0.3) for p in (2, 3, 4, 5, 7)])
        assert final_period(paths[..., None].astype(dtype)).tolist() == [0] * 5
        offset = 3 + 1e-2 * paths[..., None]  # about a point that is not 0
        assert final_period(offset.astype(dtype)).tolist() == [0] * 5
    around = np.stack([np.cos(2 * np.pi * k / p + 0.3) for p in (2, 3, 4, 5, 7)])[..., None]
    assert final_period(around.astype(dtype)).tolist() == [2, 3, 4, 5, 7]
    arriving = around * (1 + 0.1 * 0.98 ** k[:, None])
    assert final_period(arriving.astype(dtype)).tolist() == [2, 3, 4, 5, 7]


@pytest.mark.slow
@pytest.mark.parametrize("shrink", [1e-4, 1e-3, 0.0])
def test_methods_just_below_their_limit_converge(shrink):
    """Gradient descent and heavy ball at 2 (1 + momentum) / lambda, Newton's method at the rate 2."""
    problem = tw.problems.quadratic([1.0])
    below = 1 - shrink / 2
    methods = {
        "GD": M.gradient_descent(2 * below),
        "momentum": M.momentum(3 * below, 0.5),
        "heavier": M.momentum(3.8 * below, 0.9),
        "Newton": M.Newton(learning_rate=2 * below),
    }
    trace = tw.run(problem, methods, [[1.0]], steps=1000, dtype="float64")
    found = [tw.analysis.OUTCOMES[code] for code in tw.analysis.outcome(trace, problem)[:, 0].values]
    if shrink:
        assert "cycling" not in found and final_period(trace.x.values).max() == 0
    else:
        assert found == ["cycling"] * 4 and (final_period(trace.x.values) == 2).all()
    swept = tw.sweep(M.gradient_descent(1.0), learning_rate=[2 * below])
    diagram = tw.analysis.bifurcation(tw.problems.convex(), swept, [0.5], dtype="float64")
    assert diagram.period.values.tolist() == [0 if shrink else 2]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_rates_where_no_minimum_is_stated_are_those_to_where_the_path_leads(dtype):
    """One minus the learning rate times the least curvature, not bent by the error of the last point."""

    def rate(loss, start, method, steps):
        problem = tw.Problem(loss=loss, start=start)
        found = tw.analysis.rates(tw.run(problem, method, steps=steps, dtype=dtype), problem)
        return found.rate.item()

    bowl, atol = lambda x: (x[0] - 2) ** 2 + 10 * (x[1] - 1) ** 2, 1e-5 if dtype == "float32" else 1e-8
    assert rate(bowl, [0.0, 0.0], M.gradient_descent(0.05), 40) == pytest.approx(0.9, abs=atol)
    assert rate(bowl, [0.0, 0.0], M.Newton(learning_rate=0.3), 12) == pytest.approx(0.7, abs=atol)
    well = lambda x: x[0] ** 4 - 2 * x[0] ** 2  # noqa: E731
    assert rate(well, [2.0], M.gradient_descent(0.05), 30) == pytest.approx(0.6, abs=2e-3)
    assert rate(lambda x: jnp.sum(jnp.log(1 + x**2)), [0.1, 0.1], M.gradient_descent(0.1), 30) == pytest.approx(
        0.8, abs=2e-3
    )
    assert np.isnan(rate(lambda x: jnp.exp(-x[0]), [0.0], M.gradient_descent(0.5), 60))  # it has no minimum
    assert np.isnan(rate(bowl, [0.0, 0.0], M.gradient_descent(0.005), 20))  # it is far away yet


@pytest.mark.slow
def test_rates_of_many_components_are_measured_to_the_minimum():
    h = np.where(np.arange(1100) % 2, 1.0, 5.0)
    problem = tw.Problem(loss=lambda x: jnp.sum(h * (x - 1) ** 2) / 2, start=np.zeros(1100))
    found = tw.analysis.rates(tw.run(problem, M.gradient_descent(0.1), steps=40, dtype="float64"), problem)
    assert found.rate.item() == pytest.approx(0.9, abs=1e-6)


@pytest.mark.slow
def test_first_order_methods_have_the_spectral_radius_as_rate():
    problem = tw.problems.quadratic([0.5, 3.0, 8.0], rotation_key=1)
    methods = {
        "GD": tw.sweep(M.gradient_descent(0.1), learning_rate=[0.05, 0.1, 0.2, 0.24]),
        "momentum": tw.sweep(M.momentum(0.1), learning_rate=[0.01, 0.1, 0.2], momentum=[0.3, 0.8]),
        "Nesterov": tw.sweep(M.nesterov(0.1), learning_rate=[0.01, 0.05], momentum=[0.3, 0.8]),
        "Newton": tw.sweep(M.Newton(), learning_rate=[0.3, 1.5]),
    }
    starts = [[1.0, 1.0, 1.0], [2.0, -1.0, 0.5]]
    trace = tw.run(problem, methods, starts, steps=300, dtype="float64")
    found = tw.analysis.rates(trace, problem)
    theory = np.broadcast_to(found.theory_rate.values[:, None], found.rate.shape)
    np.testing.assert_allclose(found.rate, theory, atol=2e-3)  # complex eigenvalues make the error wave about its slope
    real = [name.startswith(("GD", "Newton")) for name in found.variant.values]
    np.testing.assert_allclose(found.rate[real], theory[real], rtol=1e-6)
    np.testing.assert_allclose(found.order[real], 1, atol=1e-4)
    assert np.all(found.theory_order == 1) and found.error.dims == ("variant", "start", "step")
    thinned = tw.analysis.rates(tw.run(problem, methods, starts, steps=300, every=7, dtype="float64"), problem)
    np.testing.assert_allclose(thinned.rate, theory, atol=3e-3)
    assert np.isnan(thinned.order).all()


@pytest.mark.parametrize(("dtype", "atol"), [("float64", 0.05), pytest.param("float32", 0.2, marks=pytest.mark.slow)])
def test_orders_of_newton_and_gradient_descent(dtype, atol):
    """Newton is quadratic, and cubic where the third derivative vanishes; BFGS is known to be superlinear."""
    skew = tw.Problem(loss=lambda x: x[0] ** 4 + (x[0] - 1) ** 2, start=[2.0], name="skew")  # its minimum is not stated
    methods = {"N": M.Newton(), "GD": M.gradient_descent(0.05), "BFGS": M.BFGS()}
    found = tw.analysis.rates(tw.run(skew, methods, steps=60, dtype=dtype), skew)
    newton, descent, bfgs = found.order.values[:, 0]
    assert newton == pytest.approx(2, abs=2 * atol) and descent == pytest.approx(1, abs=1e-3) and 1.3 < bfgs < 1.9
    curvature = 12 * np.roots([4, 0, 2, -2])[-1].real ** 2 + 2
    assert found.rate[1].item() == pytest.approx(1 - 0.05 * curvature, abs=2e-3)
    assert found.theory_rate[1] == pytest.approx(1 - 0.05 * curvature, abs=1e-5)
    np.testing.assert_array_equal(found.theory_order, [2, 1, np.nan])
    even = tw.Problem(loss=lambda x: x[0] ** 4 + x[0] ** 2, start=[2.0], minima=[[0.0]], name="even")
    found = tw.analysis.rates(tw.run(even, M.Newton(), steps=20, dtype=dtype), even)
    assert found.order.item() == pytest.approx(3, abs=2 * atol)


@pytest.mark.slow
def test_rosenbrock_by_newton_and_bfgs():
    problem = tw.problems.rosenbrock()
    methods = {"N": M.Newton(), "BFGS": M.BFGS(), "GD": M.gradient_descent(1e-3)}
    found = tw.analysis.rates(tw.run(problem, methods, steps=100, dtype="float64"), problem)
    newton, bfgs, descent = found.order.values[:, 0]
    assert newton == pytest.approx(2, abs=0.2) and 1.1 < bfgs < 2
    assert np.isnan(descent) and np.isnan(found.rate[2]).all()  # it has not arrived
    np.testing.assert_array_equal(found.theory_rate[:2], 0)
    np.testing.assert_allclose(np.linalg.eigvalsh([[802, -400], [-400, 200]])[0] * 1e-3, 1 - found.theory_rate[2])


@pytest.mark.slow
def test_a_degenerate_minimum_makes_newton_linear():
    """L = x0^2 + x1^4 by Newton: x1 <- 2/3 x1, with a factor 1/3 x1 <- 8/9 x1; the Hessian is singular at 0."""
    problem = tw.problems.pbdl()
    methods = {"N": M.Newton(), "N/3": M.Newton(1 / 3), "GN": M.GaussNewton(), "GD": M.gradient_descent(0.01)}
    found = tw.analysis.rates(tw.run(problem, methods, steps=200, dtype="float64"), problem)
    np.testing.assert_allclose(found.rate[:3, 0], [2 / 3, 8 / 9, 1 / 2], rtol=1e-6)
    np.testing.assert_allclose(found.order[:3, 0], 1, atol=1e-6)
    np.testing.assert_array_equal(found.theory_rate, [np.nan, np.nan, np.nan, 1])  # gradients are sublinear
    assert 0.98 < found.rate[3].item() < 1


@pytest.mark.slow
def test_least_squares_are_quadratic_where_no_residual_is_left():
    exact, left = tw.problems.exponential(), tw.problems.misra1a()
    methods = {"GN": M.GaussNewton(), "half": M.GaussNewton(0.5)}
    found = tw.analysis.rates(tw.run(exact, methods, steps=40, dtype="float64"), exact)
    assert found.order[0].item() == pytest.approx(2, abs=0.05) and found.theory_order[0] == 2
    assert found.rate[1].item() == pytest.approx(0.5, rel=1e-4) and found.theory_rate[1] == 0.5
    linear = tw.problems.scaling(3.0)  # solved in one step to rounding, which has no rate
    one = tw.analysis.rates(tw.run(linear, M.GaussNewton(), steps=30, dtype="float64"), linear)
    assert np.isnan(one.rate).all() and np.isnan(one.order).all() and one.error[0, 0, 1] < 1e-14
    found = tw.analysis.rates(tw.run(left, methods, steps=20, dtype="float64"), left)
    assert np.isnan(found.theory_rate).all() and found.rate[0] < 0.02


def made(errors: np.ndarray) -> tuple:
    """A trace whose path has these errors about the minimum 1 of a parabola."""
    problem = tw.Problem(loss=lambda x: (x[0] - 1) ** 2, start=[0.0], minima=[[1.0]])
    trace = tw.run(problem, M.gradient_descent(0.1), steps=len(errors) - 1, dtype="float64")
    return trace.assign(x=(trace.x.dims, (1 + errors)[None, None, :, None])), problem


def test_noise_and_refused_trials_do_not_count():
    k = np.arange(200)
    noise = 1e-6 * np.random.default_rng(0).uniform(0.5, 1, len(k))
    found = tw.analysis.rates(*made(0.9**k + noise))
    assert found.rate.item() == pytest.approx(0.9, rel=2e-3) and found.order.item() == pytest.approx(1, abs=0.02)
    square = 0.5 ** (2.0 ** np.arange(12))
    found = tw.analysis.rates(*made(np.repeat(square, 3)))
    assert found.order.item() == pytest.approx(2, abs=1e-2)
    assert tw.analysis.rates(*made(square)).order.item() == pytest.approx(2, abs=1e-2)


def test_paths_that_do_not_arrive_have_no_rate():
    problem = tw.problems.quadratic([1.0, 4.0])
    methods = {"slow": M.gradient_descent(1e-4), "away": M.gradient_descent(0.6), "far": M.gradient_descent(1e30)}
    found = tw.analysis.rates(tw.run(problem, methods, steps=60), problem)
    assert np.isnan(found.rate).all() and np.isnan(found.order).all()
    np.testing.assert_allclose(found.theory_rate[:2], [1 - 1e-4, 1.4], rtol=1e-6)
    assert np.isnan(tw.analysis.rates(tw.run(problem, M.Newton(), steps=0), problem).rate).all()


def test_gradient_descent_bifurcates_where_the_sharpness_passes_its_limit():
    """Case C12: the minimum near 0.35 has the sharpness 41.789, so that 2/eta = 50 holds it and 40 does not."""
    methods = {"GD": tw.sweep(M.gradient_descent(0.1), learning_rate=[0.02, 0.04, 0.05, 0.1])}
    trace = tw.run(EDGE, methods, steps=1000, dtype="float64")
    found = tw.analysis.stability(trace, EDGE)
    np.testing.assert_allclose(found.limit, [100, 50, 40, 20])
    assert found.period.values.ravel().tolist() == [1, 1, 2, 0]
    x = trace.x.values[..., 0]
    np.testing.assert_allclose(found.sharpness, 2 - 45 * np.sin(30 * x), rtol=1e-9, atol=1e-9)
    assert found.sharpness[1, 0, -1] == pytest.approx(41.789, abs=1e-3)
    np.testing.assert_allclose(np.sort(x[2, 0, -2:]), [0.336307, 0.361721], atol=1e-6)
    for i in range(4):
        above = np.flatnonzero(2 - 45 * np.sin(30 * x[i, 0]) > found.limit.values[i])
        assert found.crossing[i].item() == (above[0] if len(above) else -1)
    thinned = tw.analysis.stability(trace.isel(step=slice(3, None, 3)), EDGE)
    assert thinned.crossing[3].item() % 3 == 0 and thinned.crossing[3].item() >= 3


def test_recorded_sharpness_is_taken_and_that_of_adaptive_methods_is_needed():
    problem = tw.problems.quadratic([1.0, 4.0])
    methods = {"GD": M.gradient_descent(0.6), "Adam": M.adam(0.1), "Newton": M.Newton()}
    trace = tw.run(problem, methods, steps=5)
    with pytest.raises(ValueError, match=r"'Adam' divides its gradients .* run\(record=\[geometry.precond"):
        tw.analysis.stability(trace, problem)
    shape = trace.loss.dims, np.full(trace.loss.shape, 500.0) * [[[0]], [[1]], [[2]]]
    found = tw.analysis.stability(trace.assign(preconditioned_sharpness=shape), problem)
    np.testing.assert_allclose(found.sharpness[:, 0, 0], [4, 500, 4])
    np.testing.assert_allclose(found.limit, [2 / 0.6, 380, np.nan], rtol=1e-6)
    assert found.crossing.values.ravel().tolist() == [0, 0, -1]
    recorded = trace.assign(preconditioned_sharpness=shape, sharpness=(shape[0], shape[1] + 1))
    np.testing.assert_allclose(tw.analysis.stability(recorded, problem).sharpness[:, 0, 0], [1, 500, 1001])


@pytest.mark.slow
def test_adam_comes_to_the_adaptive_edge_of_stability():
    """On a parabola its divisor falls until the preconditioned sharpness is 38 / eta (Cohen et al. 2022)."""
    problem = tw.problems.quadratic([1.0, 4.0, 10.0], rotation_key=0)
    methods = {"Adam": tw.sweep(M.adam(0.01, b2=0.99), learning_rate=[0.003, 0.01, 0.03])}
    record = [tw.geometry.preconditioned_sharpness]
    trace = tw.run(problem, methods, steps=4000, dtype="float64", record=record)
    found = tw.analysis.stability(trace, problem)
    np.testing.assert_allclose(found.limit, 38 / np.array([0.003, 0.01, 0.03]))
    np.testing.assert_allclose(found.sharpness[:, 0, -1000:].mean("step"), found.limit, rtol=0.05)
    assert np.all(found.crossing > 1000)


def test_sharpness_is_nan_where_a_path_has_left():
    problem = tw.problems.quadratic([1.0])
    found = tw.analysis.stability(tw.run(problem, M.gradient_descent(1e30), steps=4), problem)
    assert found.sharpness[0, 0, 0] == 1 and np.isnan(found.sharpness[0, 0, -1]) and found.period.item() == 0


def test_a_trace_without_rules_is_named():
    problem = tw.problems.quadratic([1.0])
    trace = tw.run(problem, M.gradient_descent(0.1), steps=1).drop_vars("rule")
    for judge in (tw.analysis.stability, tw.analysis.rates):
        with pytest.raises(ValueError, match=r"the trace has no coordinate rule, .* give a trace that run returned"):
            judge(trace, problem)
