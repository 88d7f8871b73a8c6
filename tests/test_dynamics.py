"""An optimizer as a dynamical system: period doublings, Feigenbaum's ratio, Lyapunov exponents, precision."""

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg import analysis

GD = tw.methods.gradient_descent(0.1)
RUGGED = tw.Problem(loss=lambda x: x[0] ** 2 + 0.05 * jnp.sin(30 * x[0]) - 0.2, start=[0.7])
# x <- (1 + r) x - r x^3, the cubic map
WELL = tw.Problem(loss=lambda x: x[0] ** 4 / 4 - x[0] ** 2 / 2, start=[0.3])


def swept(low, high, n, method=GD):
    return tw.sweep(method, learning_rate=np.linspace(low, high, n))


@pytest.fixture(scope="module")
def cascade():
    return analysis.doublings(WELL, swept(0.8, 1.305, 800), steps=4000)


def test_the_first_doubling_is_where_the_curvature_says(cascade):
    """At 2 / f''(1) = 1, and from two points to four at sqrt(5) - 1, where the multiplier of their cycle is -1."""
    assert cascade.period.values[:4].tolist() == [1, 2, 4, 8]
    assert float(cascade[0]) == pytest.approx(2 / 2, abs=1e-9)
    assert float(cascade[1]) == pytest.approx(np.sqrt(5) - 1, abs=1e-9)


def test_feigenbaum_from_three_doublings(cascade):
    steps = np.diff(cascade.values[:5])
    np.testing.assert_allclose(steps[:-1] / steps[1:], 4.669201609, rtol=0.05)
    assert steps[2] / steps[3] == pytest.approx(4.669201609, rel=0.002)


def test_beyond_the_cascade_is_chaos_and_before_it_none(cascade):
    rates = [0.9, 1.2, float(cascade[1]) + 0.01, 1.31, 1.4]
    exponents = analysis.lyapunov(WELL, tw.sweep(GD, learning_rate=rates), steps=4000, dtype="float64").values[:, 0]
    assert (exponents[:3] < -0.01).all()
    assert (exponents[3:] > 0.05).all()
    assert exponents[0] == pytest.approx(np.log(abs(1 - 2 * 0.9)), abs=1e-9)


def test_doublings_of_a_method_with_a_state():
    """Heavy ball loses its rest at 2 (1 + momentum) / f''."""
    problem, method = tw.problems.double_well(), swept(0.2, 0.35, 60, tw.methods.momentum(0.1, 0.3))
    found = analysis.doublings(problem, method, [0.3], steps=2000)
    first = found.values[found.period.values == 1]
    np.testing.assert_allclose(first, 2 * 1.3 / 8, rtol=1e-9)


def test_iterates_are_those_of_run_and_periods_those_of_the_map():
    method = tw.sweep(GD, learning_rate=[0.9, 1.1, 1.26, 1.4])
    diagram = analysis.bifurcation(WELL, method, steps=1000, keep=150, dtype="float64")
    trace = tw.run(WELL, method, steps=1000, dtype="float64").isel(start=0, step=slice(-150, None))
    np.testing.assert_array_equal(diagram.x, trace.x)
    np.testing.assert_array_equal(diagram.iterate, trace.step)
    assert diagram.loss.dims == ("variant", "iterate")
    assert diagram.period.values.tolist() == [1, 2, 4, 0]


@pytest.mark.parametrize("start", [[0.7], [0.3], [-0.4]])
def test_lyapunov_exponent_of_erratic_motion(start):
    found = analysis.lyapunov(RUGGED, tw.methods.gradient_descent(0.2), start, dtype="float64")
    assert found.dims == ("variant", "exponent")
    assert float(found[0, 0]) == pytest.approx(1.54, abs=0.02)


def test_lyapunov_exponents_by_learning_rate():
    found = analysis.lyapunov(RUGGED, tw.sweep(GD, learning_rate=[0.1, 0.15, 0.2]), steps=4000, dtype="float64")
    np.testing.assert_allclose(found[:, 0], [0.91, 1.22, 1.54], atol=0.03)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_exponents_do_not_lose_what_they_sum(dtype):
    """x / 2 at each step, for as many steps as a short format cannot count."""
    problem = tw.problems.convex()
    for steps in (1000, 20_000):
        found = analysis.lyapunov(problem, tw.methods.gradient_descent(0.5), steps=steps, dtype=dtype)
        assert float(found[0, 0]) == pytest.approx(-np.log(2), abs=1e-5)
    linear = tw.problems.quadratic([1.0, 0.5])  # multipliers 3/4 and 7/8, which all formats hold
    found = analysis.lyapunov(linear, tw.methods.gradient_descent(0.25), exponents=2, steps=5000, dtype=dtype)
    np.testing.assert_allclose(found[0], np.log([7 / 8, 3 / 4]), atol=1e-3)


def test_a_million_steps_in_single_precision():
    found = analysis.lyapunov(tw.problems.convex(), tw.methods.gradient_descent(0.5), steps=10**6, dtype="float32")
    assert float(found[0, 0]) == pytest.approx(-np.log(2), abs=1e-6)


def companion(rate, momentum, curvature):
    return np.array([[1 + momentum - rate * curvature, -momentum], [1, 0]])


def test_all_exponents_of_a_linear_map_are_the_logarithms_of_its_multipliers():
    problem = tw.problems.quadratic([1.0, 10.0], rotation_key=3)
    found = analysis.lyapunov(problem, tw.methods.momentum(0.05, 0.5), exponents=4, steps=3000, dtype="float64")
    multipliers = [np.abs(np.linalg.eigvals(companion(0.05, 0.5, c))) for c in (1.0, 10.0)]
    np.testing.assert_allclose(found[0], np.sort(np.log(np.concatenate(multipliers)))[::-1], atol=2e-3)


def test_the_sum_of_all_exponents_is_the_mean_logarithm_of_the_volume():
    """|det DF| of heavy ball is its momentum, wherever the path goes."""
    problem = tw.problems.rosenbrock()
    found = analysis.lyapunov(problem, tw.methods.momentum(1e-3, 0.7), exponents=4, steps=500, dtype="float64")
    assert float(found.sum()) == pytest.approx(2 * np.log(0.7), abs=1e-9)


def test_more_exponents_than_are_unrolled_agree_with_the_spectrum():
    curvatures = np.linspace(0.1, 1.5, 12)
    found = analysis.lyapunov(
        tw.problems.quadratic(curvatures), GD, exponents=12, steps=200, transient=3000, dtype="float64", copies=2
    )
    np.testing.assert_allclose(found[0], np.log(1 - 0.1 * curvatures), atol=1e-3)


def test_superstable_and_diverging_paths_are_data():
    problem = tw.problems.quadratic([1.0])
    rates = tw.sweep(GD, learning_rate=[1.0, 2.5])
    found = analysis.lyapunov(problem, rates, steps=500, dtype="float64").values[:, 0]
    assert found[0] == -np.inf
    assert found[1] == pytest.approx(np.log(1.5))
    far = analysis.lyapunov(tw.Problem(loss=lambda x: x[0] ** 4, start=[9.0]), GD, steps=500).values
    assert np.isnan(far).all()


def test_precisions_side_by_side_and_when_their_paths_part():
    method = {"calm": tw.methods.gradient_descent(0.005), "chaotic": tw.methods.gradient_descent(0.2)}
    found = analysis.precision(RUGGED, method, steps=100)
    assert found.x.dims == ("dtype", "variant", "start", "step", "x_dim")
    assert found.dtype.values.tolist() == ["bfloat16", "float16", "float32", "float64"]
    for name in found.dtype.values:
        alone = tw.run(RUGGED, method, steps=100, dtype=name)
        np.testing.assert_array_equal(found.x.sel(dtype=name), alone.x)
    parted = found.parted.isel(start=0).sel(variant="chaotic").values
    assert parted[0] <= parted[1] < parted[2] <= 15 and parted[3] == -1
    calm = found.parted.isel(start=0).sel(variant="calm").values
    assert calm[0] >= 0 and calm[1:].tolist() == [-1, -1, -1]
    away = np.abs(found.x.sel(dtype="float32") - found.x.sel(dtype="float64")).isel(x_dim=0)
    np.testing.assert_array_equal(found.departure.sel(dtype="float32"), away)


def test_a_path_that_leaves_in_one_precision_alone_has_parted():
    problem = tw.Problem(loss=lambda x: jnp.exp(x[0] ** 2), start=[3.4])
    found = analysis.precision(problem, tw.methods.gradient_descent(1e-7), steps=3)
    assert found.parted.sel(dtype="float16").item() == 1


CASES = {
    "keep more": (lambda: analysis.bifurcation(WELL, GD, steps=5, keep=6), "keep is 6, but there are 5 steps"),
    "two starts": (lambda: analysis.bifurcation(WELL, GD, [[0.1], [0.2]]), "start holds 2 points, but one path"),
    "no sweep": (lambda: analysis.doublings(WELL, GD), "nothing is swept, but period doublings lie along one"),
    "two swept": (
        lambda: analysis.doublings(
            WELL, tw.sweep(tw.methods.momentum(0.1, 0.5), learning_rate=[0.1, 0.2], momentum=[0.1, 0.2])
        ),
        "learning_rate, momentum is swept, but",
    ),
    "exponents": (
        lambda: analysis.lyapunov(WELL, GD, exponents=2),
        "exponents is 2, but x and the state have 1 real numbers",
    ),
    "one dtype": (lambda: analysis.precision(WELL, GD, dtypes=["float32"]), "give at least two, the reference last"),
}


@pytest.mark.parametrize(("call", "said"), CASES.values(), ids=CASES.keys())
def test_misuse_is_named(call, said, compiled):
    before = len(compiled)
    with pytest.raises(ValueError, match=said):
        call()
    assert len(compiled) == before
