"""Lecture C, "univariate optimization", and a page of cphy: each case at its own tolerance.

The lecture stops when the 2-norm of a step, over all starts together, is below 1e-6; its histories hold neither the
start nor the step that was too small. A trace holds every row, so that the rule is applied to it here.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.methods import Newton, gradient_descent, momentum

CONVEX, RUGGED, ROUGH = tw.problems.convex(), tw.problems.rugged(0.05), tw.problems.rugged(0.5)
HUNDRED = np.linspace(-1, 1, 100)[:, None]


def followed(problem, method, starts, steps=1001, dtype="float64"):
    return tw.run(problem, method, starts, steps, dtype=dtype).isel(variant=0)


def history(trace, tolerance=1e-6, most=1000):
    """The rows that the lecture keeps of at most ``most`` steps."""
    steps = np.linalg.norm(np.diff(trace.x.values[..., 0], axis=1), axis=0)
    small = np.flatnonzero(steps < tolerance)
    return trace.isel(step=slice(1, 1 + min(small[0] if small.size else most, most)))


def points(trace):
    return trace.x.values[0, :, 0]


def sharpness(problem, places):
    with jax.enable_x64(True):
        return np.asarray(jax.jit(jax.vmap(lambda x: tw.geometry.sharpness(problem, x)))(np.asarray(places, float)))


def ends_per_minimum(trace):
    """How many starts end nearest to each minimum of the landscape, from left to right."""
    minima = np.sort(RUGGED.minima[:, 0])
    nearest = np.abs(trace.x.values[:, -1] - minima).argmin(axis=1)
    return np.bincount(nearest, minlength=len(minima))


@pytest.fixture(scope="module")
def small_steps():
    return history(followed(RUGGED, gradient_descent(0.005), HUNDRED))


@pytest.fixture(scope="module")
def large_steps():
    return history(followed(RUGGED, gradient_descent(0.2), HUNDRED))


@pytest.fixture(scope="module")
def with_momentum():
    return history(followed(RUGGED, momentum(0.01, 0.9), HUNDRED))


@pytest.fixture(scope="module")
def near_the_bound():
    return history(followed(CONVEX, gradient_descent(1.99), np.linspace(-1, 1, 50)[:, None]))


@pytest.fixture(scope="module")
def newton_on_differences():
    """The lecture's Newton takes both derivatives from values, and all of its 1000 steps."""
    with jax.enable_x64(True):
        rough = tw.Problem(
            loss=ROUGH.loss, start=[0.6], domain=ROUGH.domain, derivatives=tw.FiniteDifference(step=1e-5)
        )
        return tw.run(rough, Newton(), steps=1000, dtype="float64").isel(variant=0)


def test_c01_empirical_risk_tends_to_the_true_risk():
    """y = a x + e with normal x and e of variances 1 and s^2: the true risk is R(theta) = (theta - a)^2 + s^2.

    y - theta x is normal with variance R, and the mean of n of its squares has the standard deviation R sqrt(2/n).
    """
    a, s, thetas, draw = 1.5, 0.5, np.linspace(-1, 4, 11), np.random.default_rng(0)
    true, deviations, fits = (thetas - a) ** 2 + s**2, [], []
    for n in (100, 1000, 10_000):
        x = draw.normal(size=n)
        data = {"x": x, "y": a * x + s * draw.normal(size=n)}
        problem = tw.Problem(
            tw.Stage(lambda theta, data: theta[0] * data["x"]),
            loss=lambda y, data: jnp.mean((data["y"] - y) ** 2),
            start=[0.0],
            data=data,
        )
        trace = tw.run(problem, Newton(), thetas[:, None], steps=1, dtype="float64")
        risk = trace.loss[0, :, 0].values
        np.testing.assert_allclose(risk, [np.mean((data["y"] - t * x) ** 2) for t in thetas], rtol=1e-12)
        deviations.append((risk / true - 1) / np.sqrt(2 / n))
        fit = data["x"] @ data["y"] / (data["x"] @ data["x"])
        np.testing.assert_allclose(trace.x[0, :, 1, 0], fit, rtol=1e-9)
        fits.append((fit - a) * np.sqrt(n) / s)
    assert np.abs(deviations).max() < 3 and np.abs(fits).max() < 3  # standard deviations


def test_c07_gradient_descent(lectures):
    expected = lectures["C07"]
    found = history(followed(RUGGED, gradient_descent(0.005), [[0.3]]))
    assert found.sizes["step"] == expected["len(history)"]
    assert points(found)[-1] == pytest.approx(expected["x"], abs=1e-9)
    assert float(found.loss[0, -1]) == pytest.approx(expected["loss"], abs=1e-9)
    assert abs(points(found)[-1] - 0.35031916) == pytest.approx(3.8e-6, rel=0.02)  # what its stop rule leaves


def test_c08_hundred_starts(lectures, small_steps):
    expected = lectures["C08"]
    assert [small_steps.sizes["step"], small_steps.sizes["start"]] == expected["history shape"]
    ends = small_steps.loss[:, -1].values
    assert ends.mean() == pytest.approx(expected["mean loss at the end"], abs=1e-9)
    assert ends.min() == pytest.approx(expected["best"], abs=1e-9)
    assert ends_per_minimum(small_steps).tolist() == expected["ends per minimum (left to right)"]


def test_each_start_on_its_own_stops_sooner():
    steps = np.abs(np.diff(followed(RUGGED, gradient_descent(0.005), HUNDRED).x.values[..., 0], axis=1))
    taken = (steps < 1e-6).argmax(axis=1)
    assert (taken.min(), taken.max(), np.median(taken)) == (17, 164, 48)


def test_c09_erratic_motion(lectures):
    """Its Lyapunov exponent is in tests/test_dynamics.py."""
    expected = lectures["C09"]
    trace = followed(RUGGED, gradient_descent(0.2), [[0.7]])
    found = history(trace)
    np.testing.assert_allclose(points(found)[:4], expected["first 4"], rtol=1e-9)
    assert found.sizes["step"] == expected["len(history)"]
    np.testing.assert_allclose([points(found).min(), points(found).max()], expected["attractor range"], atol=0.005)
    assert float(found.loss[0, -500:].mean()) == pytest.approx(expected["mean loss of the last 500"], abs=0.01)


def test_precisions_part_and_keep_their_mean():
    found = tw.analysis.precision(RUGGED, gradient_descent(0.2), [[0.7]], steps=1000).isel(variant=0, start=0)
    means = found.loss[:, -500:].mean("step")
    for name, mean in {"float32": -0.141, "float64": -0.135}.items():
        assert float(means.sel(dtype=name)) == pytest.approx(mean, abs=0.01)
    apart = found.departure.sel(dtype="float32").values
    assert apart[:4].max() < 1e-4 and 1e-4 < apart[6] < 1e-2 and apart[20:].max() > 0.5
    late = {name: np.unique(found.x.sel(dtype=name).values[-500:]).size for name in ("bfloat16", "float16", "float64")}
    assert late["bfloat16"] < 20 and late["float16"] < 100 and late["float64"] == 500  # short formats go in circles


def test_c10_erratic_motion_has_the_lower_mean_loss(lectures, small_steps, large_steps):
    expected = lectures["C10"]
    assert [large_steps.sizes["step"], large_steps.sizes["start"]] == expected["history shape"]
    late = large_steps.loss[:, -500:].values
    assert late.mean() == pytest.approx(expected["mean loss over the last 500"], abs=0.003)
    calm = small_steps.loss[:, -1].values.mean()
    assert calm == pytest.approx(expected["against lr 0.005"], abs=1e-6) and late.mean() < calm
    locked = np.flatnonzero(np.ptp(late, axis=1) < 1e-9)
    assert len(locked) == expected["starts that end with a constant loss 0.33723"]
    assert late[locked[0], -1] == pytest.approx(0.33723, abs=1e-5)
    held = RUGGED.minima[2 / sharpness(RUGGED, RUGGED.minima) > 0.2, 0]
    assert held.size == 1 and large_steps.x[locked[0], -1, 0] == pytest.approx(held[0], abs=1e-9)


def heavy_ball(x, rate, alpha, steps, kind):
    """The lecture's loop in NumPy: v <- alpha v - rate dL/dx, x <- x + v."""
    x, v, rows = np.asarray(x, kind), np.zeros(len(x), kind), [np.asarray(x, kind)]
    two, slope, thirty = kind(2), kind(1.5), kind(30)
    for _ in range(steps):
        v = kind(alpha) * v - kind(rate) * (two * x + slope * np.cos(thirty * x))
        x = x + v
        rows.append(x)
    return np.stack(rows, axis=-1)


@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-4), ("float64", 1e-12)])
def test_c11_every_hyperparameter_is_an_axis(dtype, close):
    """Learning rate, momentum, start and method are dims of one run, and the precision is its argument."""
    rates, alphas, starts = [0.001, 0.005], [0.0, 0.5, 0.9], [-0.8, 0.3, 0.9]
    methods = {
        "momentum": tw.sweep(momentum(0.1, 0.9), learning_rate=rates, momentum=alphas),
        "GD": tw.sweep(gradient_descent(0.1), learning_rate=rates),
        "Adam": tw.methods.adam(0.01),
    }
    trace = tw.run(RUGGED, methods, np.reshape(starts, (-1, 1)), steps=30, dtype=dtype)
    assert dict(trace.sizes) == {"variant": 9, "start": 3, "step": 31, "x_dim": 1}
    kind = np.dtype(dtype).type
    for i in range(8):
        alpha = float(trace.momentum[i]) if trace.method[i] == "momentum" else 0.0
        by_hand = heavy_ball(starts, float(trace.learning_rate[i]), alpha, 30, kind)
        np.testing.assert_allclose(trace.x[i, ..., 0], by_hand, rtol=0, atol=close)
    tuned = trace.loss.isel(step=-1).mean("start").values[:6].reshape(2, 3)  # tuning: optimization over hyperparameters
    by_hand = [[rugged_loss(heavy_ball(starts, r, a, 30, np.float64)[:, -1]).mean() for a in alphas] for r in rates]
    np.testing.assert_allclose(tuned, by_hand, atol=1e-3 if dtype == "float32" else 1e-9)


def rugged_loss(x):
    return x**2 + 0.05 * np.sin(30 * x) - 0.2


def test_c13_momentum(lectures):
    expected = lectures["C13"]
    found = history(followed(RUGGED, momentum(0.0005, 0.7), [[0.9]]))
    np.testing.assert_allclose(points(found)[:4], expected["first 4"], rtol=0, atol=1e-9)
    assert found.sizes["step"] == expected["len(history)"]
    assert points(found)[-1] == pytest.approx(expected["x"], abs=1e-9)


def test_c14_momentum_reaches_deeper_minima(lectures, small_steps, with_momentum):
    expected = lectures["C14"]
    assert [with_momentum.sizes["step"], with_momentum.sizes["start"]] == expected["history shape"]
    assert float(with_momentum.loss[:, -1].mean()) == pytest.approx(expected["mean final loss"], abs=1e-8)
    counts = ends_per_minimum(with_momentum)
    assert np.abs(counts - expected["ends per minimum"]).max() <= 1
    deepest = np.argmin(rugged_loss(np.sort(RUGGED.minima[:, 0])))
    assert abs(counts[deepest] - expected["in the global minimum"]) <= 1
    assert ends_per_minimum(small_steps)[deepest] == 11


def test_c15_just_below_the_bound(lectures, near_the_bound):
    expected = lectures["C15"]
    assert [near_the_bound.sizes["step"], near_the_bound.sizes["start"]] == expected["history shape"]
    assert expected["max |x| at the end"] == pytest.approx(0.99**1000, rel=1e-8)
    assert float(np.abs(near_the_bound.x[:, -1]).max()) == pytest.approx(0.99**1000, rel=1e-9)


def test_c16_decay_cycle_and_growth(lectures):
    rates = [1.98, 2.0, 2.02, 2.1]
    trace = tw.run(CONVEX, tw.sweep(gradient_descent(1.0), learning_rate=rates), [[0.5]], steps=1001, dtype="float64")
    closed = 0.5 * (1 - np.array(rates)[:, None]) ** np.arange(1002)
    np.testing.assert_allclose(trace.x[:, 0, :, 0], closed, rtol=1e-6)
    for i, name in enumerate(["1.98", "2.0", "2.02"]):
        found = history(trace.isel(variant=i))
        assert found.sizes["step"] == lectures["C16"][name]["len"]
        assert abs(points(found)[-1]) == pytest.approx(lectures["C16"][name]["x"], rel=1e-6)
    np.testing.assert_allclose(trace.loss[1, 0], -0.075, rtol=1e-12)
    assert abs(float(trace.x[3, 0, 1000, 0])) == pytest.approx(1.235e41, rel=1e-3)


def test_decay_and_growth_in_other_precisions():
    names = ["float16", "float32", "float64"]
    found = tw.analysis.precision(
        CONVEX, tw.sweep(gradient_descent(1.0), learning_rate=[1.98, 2.02]), [[0.5]], 1001, names
    )
    lengths = [history(found.isel(variant=0).sel(dtype=name)).sizes["step"] for name in names]
    assert lengths == [1000, 684, 684]
    grown = float(np.abs(found.x.sel(dtype="float32")[1, 0, 1000, 0]))
    assert grown == pytest.approx(1.99129e8, rel=1e-5)


CURVED = {0.5: 4, 1.0: 2, 4.0: 0.5, 10.0: 0.2}


@pytest.mark.parametrize("curvature", CURVED)
def test_c17_sharpness_bound_of_a_parabola(lectures, curvature):
    """Just below the bound a path shrinks, on it it has period 2, just above it grows."""
    bound, problem = lectures["C17"]["critical eta"][list(CURVED).index(curvature)], tw.problems.convex(curvature, 0.0)
    assert bound == CURVED[curvature] == pytest.approx(2 / sharpness(problem, [[0.3]])[0], rel=1e-6)
    method = tw.sweep(gradient_descent(1.0), learning_rate=bound * np.array([0.999, 1.0, 1.001]))
    trace = tw.run(problem, method, [[0.5]], steps=8000, dtype="float64")
    below, on, above = trace.x.values[:, 0, :, 0]
    np.testing.assert_allclose(on, 0.5 * (-1.0) ** np.arange(8001), rtol=1e-9)
    np.testing.assert_allclose(np.abs([below[-1], above[-1]]), 0.5 * np.array([0.998, 1.002]) ** 8000, rtol=1e-6)


def test_bounds_with_momentum_and_of_newton():
    """2 (1 + alpha) / f'' = 3.8 / f'', and 2 for the factor of Newton's step."""
    problem, near = tw.problems.convex(4.0, 0.0), np.array([0.999, 1.001])
    methods = {
        "momentum": tw.sweep(momentum(1.0, 0.9), learning_rate=near * 3.8 / 4),
        "Newton": tw.sweep(Newton(), learning_rate=near * 2),
    }
    trace = tw.run(problem, methods, [[0.5]], steps=20_000, every=1000, dtype="float64")
    sizes = np.abs(trace.x.values[:, 0, -1, 0])
    assert (sizes[::2] < 1e-3).all() and (sizes[1::2] > 1e3).all()


def test_sharpness_bounds_of_other_problems(lectures):
    x = np.arange(0, 10, 0.1)
    cubic = tw.Problem(
        lambda theta: theta[0] * x, loss=lambda y: jnp.mean((y - (4 * x**3 + 3)) ** 2), start=[0.0], name="B04"
    )
    ackley = tw.problems.ackley(2)
    near = tw.run(ackley, gradient_descent(0.01), [[4.0, 4.0]], steps=2000, dtype="float64").x[0, 0, -1].values
    cases = {
        "lecture A at (3,3)": (tw.problems.pbdl(), [3.0, 3.0]),
        "notebook B model (B04)": (cubic, [0.0]),
        "Ackley minimum near (4,4)": (ackley, near),
    }
    for name, (problem, at) in cases.items():
        assert 2 / sharpness(problem, [at])[0] == pytest.approx(lectures["C17"][name], rel=1e-6), name


def test_c19_newton_on_a_parabola_by_differences(lectures):
    expected = lectures["C19"]
    problem = tw.Problem(loss=CONVEX.loss, start=[0.5], derivatives=tw.FiniteDifference(step=1e-5))
    x = points(followed(problem, Newton(), [[0.5]], steps=1000))
    assert abs(x[1]) < expected["|x| after 1 step"] and abs(x[-1]) < expected["|x| at the end"]
    assert len(x) == expected["len(history)"]


def test_c20_newton_on_ripples_by_differences(lectures, newton_on_differences):
    expected, x = lectures["C20"], points(newton_on_differences)
    np.testing.assert_allclose(x[1:4], expected["history[1:4]"], atol=1e-7)
    assert x[-1] == pytest.approx(expected["x"], abs=1e-7)
    assert float(newton_on_differences.loss[0, -1]) == pytest.approx(expected["f"], abs=1e-7)


def test_newton_climbs_where_the_curvature_is_negative():
    """It ends on the maximum beside its start; saddle-free, it ends in a minimum."""
    trace = tw.run(ROUGH, {"Newton": Newton(), "free": Newton(saddle_free=True)}, [[0.69]], steps=50, dtype="float64")
    up, down = trace.x.values[:, 0, -1, 0]
    assert (sharpness(ROUGH, [[0.69], [up]]) < 0).all()
    assert abs(2 * up + 15 * np.cos(30 * up)) < 1e-9
    assert trace.loss[0, 0, -1] > trace.loss[0, 0, 0] > trace.loss[1, 0, -1]
    assert np.abs(ROUGH.minima - down).min() < 1e-9


def test_c23_newton_is_gradient_descent_at_a_rate_of_its_own():
    """x - f'/f'' is one step of gradient descent with the learning rate 1/f''(x), at every x with its own."""
    places = np.linspace(-0.95, 0.95, 40)[:, None]
    rates = 1 / (2 - 450 * np.sin(30 * places[:, 0]))
    newton = followed(ROUGH, Newton(), places, steps=1).x[:, 1, 0]
    descent = tw.run(
        ROUGH, tw.sweep(gradient_descent(1.0), learning_rate=rates), places, steps=1, dtype="float64"
    ).x.values[:, :, 1, 0]
    np.testing.assert_allclose(newton, np.diag(descent), rtol=1e-11)
    assert (rates > 0).any() and (rates < 0).any()


def test_c25_movies_have_a_frame_for_each_row(
    lectures, small_steps, large_steps, with_momentum, near_the_bound, newton_on_differences, tmp_path
):
    runs = {
        "C08": (small_steps, RUGGED),
        "C10": (large_steps, RUGGED),
        "C14": (with_momentum, RUGGED),
        "C15": (near_the_bound, CONVEX),
        "C20": (newton_on_differences, ROUGH),
    }
    movies = {case: tw.plot.animate(trace, problem, "curve") for case, (trace, problem) in runs.items()}
    assert {case: movie.frames for case, movie in movies.items()} == lectures["C25"]["frames"]
    saved = tw.plot.animate(small_steps.isel(step=slice(4)), RUGGED, "curve").save(tmp_path / "starts.gif")
    assert saved.path.stat().st_size > 1000


WELLS = tw.problems.wells(8, 2, key=5)


@pytest.mark.slow
def test_e04_methods_without_gradients_leave_a_well_that_is_not_the_lowest():
    """At the page's settings, from where descent ends in one of the two shallower wells."""
    starts = tw.starts.grid(WELLS.domain, 12)
    reached = tw.analysis.basins(tw.run(WELLS, gradient_descent(0.2), starts, steps=400))
    assert reached.sizes["basin"] == 3
    lost = starts[reached.label[0] > 0]
    methods = {
        "genetic": tw.methods.Genetic(100, 0.1, 0.5, 0.5),
        "annealing": tw.sweep(tw.methods.SimulatedAnnealing(3.0, 0.1, 99, 0.5), last=[0.1, 0.01]),
        "exchange": tw.methods.ReplicaExchange(3.0, 0.01, 8, 0.5),
        "Metropolis": tw.methods.Metropolis(0.1, 0.5),
    }
    trace = tw.run(WELLS, methods, lost, steps=100, key=1)
    in_lowest = np.linalg.norm(trace.x[:, :, -1] - reached.minimum.values[0], axis=-1) < 0.5
    genetic, warm, cold, exchanged, walked = in_lowest.mean(axis=1)
    assert genetic == exchanged == 1 and cold > 0.5 > warm > 0.1 and walked > 0.2
    assert float(trace.loss.sel(variant="genetic")[:, -1].max()) == pytest.approx(float(reached.loss[0]), abs=0.02)
