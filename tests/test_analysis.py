"""What is said of paths, on paths whose fate is known."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

import thalweg as tw
from thalweg.analysis import OUTCOMES


def fates(problem, methods, starts=None, **options) -> list[str]:
    trace = tw.run(problem, methods, starts, **options)
    return [OUTCOMES[code] for code in tw.analysis.outcome(trace, problem).values.ravel()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outcomes_of_gradient_descent_on_a_parabola(dtype):
    problem = tw.problems.quadratic([1.0])
    rates = {"converged": 0.5, "moving": 1e-2, "cycling": 2.0, "diverged": 2.1, "stalled": 1e-9}
    swept = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=rates.values())
    assert fates(problem, swept, steps=100, dtype=dtype) == list(rates)


def test_overflow_is_divergence_and_spares_the_others():
    methods = {"GD": tw.methods.gradient_descent(1e-3)}
    assert fates(tw.problems.rosenbrock(2), methods, [[1e20, 0.0], [1.0, 1.0]]) == ["diverged", "converged"]


def test_a_longer_cycle_and_a_saddle():
    problem = tw.problems.quadratic([1.0, 1.0])
    turn = tw.Problem(loss=lambda x: (x[0] ** 2 - x[1] ** 2) / 2, start=[1.0, 0.0])
    assert fates(turn, tw.methods.gradient_descent(0.5), steps=200) == ["stalled"]
    assert fates(problem, tw.methods.gradient_descent(2.0), steps=20) == ["cycling"]


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_rest_at_a_maximum_or_saddle_is_stalled(dtype):
    """A rise of the loss that dies out is no divergence, by whatever method."""
    hill = tw.Problem(loss=lambda x: x[0] ** 4 - 2 * x[0] ** 2, start=[0.1])
    uphill = {
        "L-BFGS": tw.methods.from_optax(optax.lbfgs, learning_rate=0.5, linesearch=None),
        "Newton": tw.methods.Newton(),
        "slow Newton": tw.methods.Newton(learning_rate=0.3),
        "ascent": tw.methods.gradient_descent(-0.05),
        "momentum": tw.methods.momentum(-0.02, 0.5),
    }
    assert fates(hill, uphill, [[0.1], [-0.2]], steps=200, dtype=dtype) == ["stalled"] * 10
    saddle = tw.Problem(loss=lambda x: x[0] ** 2 - x[1] ** 2 + x[1] ** 4, start=[0.01, 0.3])
    assert fates(saddle, {"N": tw.methods.Newton(learning_rate=0.3)}, steps=200, dtype=dtype) == ["stalled"]
    dome = tw.Problem(loss=lambda x: -jnp.sum(x**2), start=[1.0, 2.0])
    assert fates(dome, tw.methods.gradient_descent(-0.1), steps=200, dtype=dtype) == ["stalled"]


@pytest.mark.slow
def test_what_rises_for_good_has_diverged():
    """At any pace: exponentially, by a slope, as a square root, as a logarithm; in few rows, too."""
    slow = {"log": lambda x: jnp.log(1 + x[0] ** 2), "root": lambda x: jnp.sqrt(1 + x[0] ** 2)}
    for loss in slow.values():
        for steps in (6, 7, 8, 40):
            problem = tw.Problem(loss=loss, start=[1.5])
            assert fates(problem, tw.methods.Newton(), steps=steps, dtype="float64") == ["diverged"]
    for loss in (lambda x: -x[0], lambda x: -jnp.log(x[0]), lambda x: -jnp.sqrt(x[0])):
        problem = tw.Problem(loss=loss, start=[0.9])
        rising = tw.methods.gradient_descent(-0.01)
        assert fates(problem, rising, steps=30, dtype="float64") == ["diverged"]
    assert fates(tw.problems.quadratic([1.0]), tw.methods.gradient_descent(2.00001), [[1.0]], steps=100) == ["diverged"]


def test_a_path_that_turns_is_not_at_rest():
    """Heavy ball without a move from row 4 to 5, as it began: z^5 is real."""
    problem = tw.problems.quadratic([1.0])
    rate = 1 + 0.9999 - 2 * 0.9999**0.5 * np.cos(2 * np.pi / 5)
    trace = tw.run(problem, tw.methods.momentum(rate, 0.9999), [[1.0]], steps=1000, dtype="float64")
    assert abs(np.diff(trace.x.values[0, 0, :, 0])[-1]) < 1e-10
    assert OUTCOMES[tw.analysis.outcome(trace, problem).item()] == "moving"


def test_steps_of_what_only_diverged_are_infinite():
    """Alone, for several starts, at once, and beside others; a path that is there already needs none."""
    free = tw.Problem(loss=lambda x: jnp.sum(x**2), start=[1.0, 1.0])
    far = tw.methods.gradient_descent(5.0)
    for starts in ([[1.0, 1.0]], [[1.0, 1.0], [2.0, 0.0]]):
        trace = tw.run(free, {"far": far, "further": tw.methods.gradient_descent(1e30)}, starts, steps=20)
        assert tw.analysis.table(trace, free)["steps"].tolist() == [np.inf, np.inf]
    both = tw.run(free, {"far": far, "GD": tw.methods.gradient_descent(0.1)}, steps=20)
    assert tw.analysis.table(both, free)["steps"].tolist() == [np.inf, 11]
    lost = tw.Problem(loss=lambda x: jnp.log(x[0]), start=[-1.0])
    assert tw.analysis.table(tw.run(lost, far, steps=3), lost)["steps"].tolist() == [np.inf]
    there = tw.run(free, tw.methods.gradient_descent(0.1), [[0.0, 0.0]], steps=20)
    assert tw.analysis.table(there, free)["steps"].tolist() == [0]


def test_convergence_does_not_depend_on_units():
    """A start at the certified values has converged; a path stuck in the valley has not."""
    problem = tw.problems.misra1a()
    methods = {"GD": tw.methods.gradient_descent(1e-12), "GN": tw.methods.GaussNewton()}
    assert fates(problem, methods, steps=50, dtype="float64") == ["stalled", "converged"]
    assert fates(problem, {"GN": tw.methods.GaussNewton()}, problem.minima, steps=3, dtype="float64") == ["converged"]


WON = {"little": 0.945, "nothing": 1 - 1e-9, "all": 1e-8}  # what is left of the distance after each path


def paths_to(scale: float, d: int, dtype: str):
    """Straight paths of 40 steps toward the minimum of scale |x|^2_h / 2, h from 1 to 100, made by hand."""
    h = np.geomspace(1, 100, d)
    problem = tw.Problem(loss=lambda x: jnp.sum((scale * h).astype(x.dtype) * x**2) / 2, start=np.ones(d))
    left = np.stack([np.linspace(1, end, 41) for end in WON.values()])[:, None, :, None]
    x = (left * np.ones(d)).astype(dtype)
    loss = scale * np.sum(h * x.astype(float) ** 2, -1) / 2
    dims = ("variant", "start", "step")
    columns = {"x": ((*dims, "x_dim"), x), "loss": (dims, loss.astype(dtype))}
    return xr.Dataset(columns, {"variant": list(WON), "start": [0], "step": range(41)}), problem


@pytest.mark.parametrize(("dtype", "scale"), [("float32", 1e-9), ("float64", 1e-12)])
@pytest.mark.parametrize("d", [100, 101])
def test_outcomes_do_not_depend_on_the_unit_of_the_loss(d, dtype, scale):
    """A path that has won 11 % of the decrease is moving whatever L is measured in, with the whole Hessian or not."""
    trace, problem = paths_to(scale, d, dtype)
    assert 1 - trace.loss[0, 0, -1] / trace.loss[0, 0, 0] == pytest.approx(0.107, abs=1e-3)
    found = tw.analysis.outcome(trace, problem).values.ravel()
    assert [OUTCOMES[code] for code in found] == ["moving", "stalled", "converged"]


@pytest.mark.parametrize(("d", "scale"), [(3, 1e-12), (3, 1e12), (101, 1e6)])
def test_a_saddle_is_one_in_all_units_of_x_and_of_the_loss(d, scale):
    """Gradient descent that comes to rest where two components whose Hessian has no diagonal cross."""
    size = np.ones(d)
    size[:2] = [1e-3, 1e3] if d <= 100 else 1

    def loss(x):
        z = x / jnp.asarray(size, x.dtype)
        return scale * (z[0] * z[1] + jnp.sum(z[2:] ** 2))

    problem = tw.Problem(loss=loss, start=np.append(np.zeros(2), np.ones(d - 2)))
    assert fates(problem, tw.methods.gradient_descent(0.4 / scale), steps=100, dtype="float64") == ["stalled"]


def test_stalled_is_what_a_thousand_quarters_would_not_finish():
    """Of a parabola the last quarter of 100 steps wins 50 times the learning rate of what is left."""
    rates = {"moving": 1e-4, "stalled": 1e-5}
    swept = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=rates.values())
    assert fates(tw.problems.quadratic([1.0]), swept, steps=100, dtype="float64") == list(rates)


def test_alignment_and_distance_go_by_the_nearest_minimum():
    problem = tw.problems.himmelblau()
    trace = tw.run(problem, tw.methods.gradient_descent(1e-3), problem.minima + 1e-2, steps=2, dtype="float64")
    np.testing.assert_allclose(tw.analysis.distance(trace, problem)[0, :, 0], 1e-2 * np.sqrt(2), rtol=1e-9)
    cosines = tw.analysis.alignment(trace, problem)
    assert cosines.dims == ("variant", "start", "step") and "x_dim" not in cosines.coords
    assert np.all(cosines[..., :-1] > 0.8) and np.all(np.abs(cosines[..., :-1]) <= 1 + 1e-12)
    assert np.isnan(cosines[..., -1]).all()


def test_newton_is_aligned_on_a_quadratic():
    problem = tw.problems.quadratic([1.0, 100.0])
    trace = tw.run(problem, {"n": tw.methods.Newton(0.5), "g": tw.methods.gradient_descent(1e-3)}, steps=1)
    newton, gradient = tw.analysis.alignment(trace, problem)[:, 0, 0].values
    assert newton == pytest.approx(1, abs=1e-6)
    assert gradient == pytest.approx(101 / np.sqrt(2) / np.hypot(1, 100), rel=1e-5)


def test_minima_are_needed_for_directions():
    problem = tw.Problem(loss=lambda x: x @ x, start=[1.0])
    trace = tw.run(problem, tw.methods.gradient_descent(0.1), steps=1)
    for judge in (tw.analysis.alignment, tw.analysis.distance):
        with pytest.raises(ValueError, match="states no minima"):
            judge(trace, problem)
    assert list(tw.analysis.table(trace, problem).columns) == ["final_loss", "best_loss", "outcome", "steps"]


def test_table_is_of_medians_over_starts():
    problem = tw.problems.quadratic([1.0])
    methods = {"half": tw.methods.gradient_descent(0.5), "bad": tw.methods.gradient_descent(3.0)}
    trace = tw.run(problem, methods, [[1.0], [2.0], [4.0]], steps=10, dtype="float64")
    table = tw.analysis.table(trace, problem)
    assert table.index.tolist() == ["half", "bad"]
    assert table.final_loss["half"] == pytest.approx(2 * 4.0**-10)
    assert table.best_loss["bad"] == pytest.approx(2)
    assert table.steps["half"] == 4 and np.isinf(table.steps["bad"])  # 4^-4 < 1 % < 4^-3
    assert table.outcome["bad"] == "diverged (loss)" and table.distance["half"] == pytest.approx(2 * 2.0**-10)
    assert tw.analysis.table(trace, problem, target=0.5).steps["half"] == 1


@pytest.mark.parametrize("start", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_scale_problem_on_real_data(start):
    """Gauss-Newton has NIST's certified parameters to six digits; gradient descent fails at every learning rate."""
    problem = tw.problems.misra1a(start)
    methods = {
        "GD": tw.sweep(tw.methods.gradient_descent(1.0), learning_rate=np.geomspace(1e-14, 1e-6, 33)),
        "GN": tw.methods.GaussNewton(),
    }
    trace = tw.run(problem, methods, steps=300, every=3, dtype="float64")
    table = tw.analysis.table(trace, problem)
    np.testing.assert_allclose(trace.x.sel(variant="GN").values[0, -1], problem.minima[0], rtol=1e-6)
    assert table.outcome["GN"] == "converged" and table.final_loss["GN"] == pytest.approx(1.2455138894e-01, rel=1e-9)
    descent = table.drop("GN")
    assert len(descent) == 33 and not (descent.outcome == "converged").any()
    assert not (descent.final_loss < 2 * table.final_loss["GN"]).any()  # NaN where it has left
    assert not (descent.distance < 10).any()
