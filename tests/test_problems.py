"""Every problem at its stated start, minima, curvature and inverse; then the figures of the lectures."""

import json
import math
from fractions import Fraction

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from thalweg import problems
from thalweg.problem import Problem

E, PI = math.e, math.pi
EPS = np.finfo(float).eps


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def turned(x, phi):
    cos, sin = math.cos(math.radians(phi)), math.sin(math.radians(phi))
    return np.array([[cos, -sin], [sin, cos]]) @ x


def by_numpy_sine(x, xi, phi):
    u = turned(x, phi)
    return ((np.sin(u[0]) / xi - 0.3 / xi) ** 2 + (u[1] * xi + 0.5 * xi) ** 2) / 2


def by_numpy_ackley(x):
    funnel = -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2)))
    return funnel - np.exp(np.mean(np.cos(2 * PI * x))) + E + 20


def by_numpy_rosenbrock(x):
    return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(len(x) - 1))


def by_numpy_rastrigin(x):
    return 10 * len(x) + sum(xi**2 - 10 * np.cos(2 * PI * xi) for xi in x)


def by_numpy_beale(x):
    a, b = x
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


SINES = [(1.0, 0.0), (1.0, 15.0), (32.0, 0.0), (4.0, -70.0), (0.5, 200.0), (-2.0, 45.0)]
# name: (problem, the same loss in NumPy from its published formula, L at the start by hand)
LIBRARY = {
    "pbdl": (problems.pbdl(), lambda x: x[0] ** 2 + x[1] ** 4, 90.0),
    "exponential": (problems.exponential(), lambda x: x[0] ** 2 + (np.exp(x[1]) - 1) ** 2, 9 + (E**3 - 1) ** 2),
    "quadratic": (problems.quadratic([0.5, 2, 10]), lambda x: (0.5 * x[0] ** 2 + 2 * x[1] ** 2 + 10 * x[2] ** 2) / 2, 6.25),
    "rosenbrock2": (problems.rosenbrock(), by_numpy_rosenbrock, 24.2),
    "rosenbrock7": (problems.rosenbrock(7), by_numpy_rosenbrock, 3 * 24.2 + 3 * 484),
    "himmelblau": (problems.himmelblau(), lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2, 170.0),
    "beale": (problems.beale(), by_numpy_beale, 14.203125),
    "ackley1": (problems.ackley(1), by_numpy_ackley, 20 - 20 * math.exp(-0.8)),
    "ackley2": (problems.ackley(), by_numpy_ackley, 20 - 20 * math.exp(-0.8)),
    "ackley10": (problems.ackley(10), by_numpy_ackley, 20 - 20 * math.exp(-0.8)),
    "rastrigin2": (problems.rastrigin(), by_numpy_rastrigin, 32.0),
    "rastrigin5": (problems.rastrigin(5), by_numpy_rastrigin, 80.0),
}
for factor in (1.0, 10.0, 1e3, 1e6):
    LIBRARY[f"scaling{factor:g}"] = (
        problems.scaling(factor),
        lambda x, alpha=factor: x[0] ** 2 + (alpha * x[1]) ** 2,
        9 + 9 * factor**2,
    )
for scale, degrees in SINES:
    LIBRARY[f"sine{scale:g},{degrees:g}"] = (
        problems.sine(scale, degrees),
        lambda x, xi=scale, phi=degrees: by_numpy_sine(x, xi, phi),
        (0.09 / scale**2 + 0.25 * scale**2) / 2,
    )
STAGED = [name for name, (problem, *_) in LIBRARY.items() if problem.stages]


def drawn(problem: Problem, n: int, times: float = 1.0) -> np.ndarray:
    assert problem.domain is not None
    low, high = problem.domain
    return np.random.default_rng(0).uniform(times * low, times * high, (n, problem.dimension))


@pytest.mark.parametrize("name", LIBRARY)
def test_value_is_the_published_formula(name):
    problem, loss, at_start = LIBRARY[name]
    points = drawn(problem, 100)
    np.testing.assert_allclose(problem.value(problem.start), at_start, rtol=1e-14)
    np.testing.assert_allclose(jax.vmap(problem.value)(points), [loss(x) for x in points], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", LIBRARY)
def test_minima(name):
    problem, *_ = LIBRARY[name]
    low, high = problem.domain
    assert len(problem.minima) > 0
    near = 1e-3 * np.random.default_rng(1).normal(size=(100, problem.dimension))
    for x in problem.minima:
        assert np.all((low <= x) & (x <= high))
        curvatures = np.linalg.eigvalsh(problem.hessian(x))
        assert curvatures[0] >= -1e-12 * curvatures[-1]
        assert curvatures[-1] > 0
        # A root known to half a unit in its last digit has a gradient of that size times the curvature.
        np.testing.assert_allclose(problem.gradient(x), 0, atol=4 * EPS * curvatures[-1])
        np.testing.assert_allclose(problem.value(x), 0, atol=16 * EPS**2 * curvatures[-1])
        assert np.all(jax.vmap(problem.value)(x + near) > problem.value(x))


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_gradient_are_finite_in_both_precisions(name, dtype):
    problem, loss, _ = LIBRARY[name]
    with jax.enable_x64(dtype == np.float64):
        for x in (problem.start, *problem.minima):
            x = x.astype(dtype)
            value, gradient = problem.value(x), problem.gradient(x)
            assert (value.dtype, gradient.dtype) == (dtype, dtype)
            assert np.all(np.isfinite(gradient))
            np.testing.assert_allclose(value, loss(x.astype(float)), rtol=2e-5, atol=2e-6 * problem.value(problem.start))


@pytest.mark.parametrize("name", STAGED)
def test_inverse_returns_to_the_point(name):
    problem, *_ = LIBRARY[name]
    x = drawn(problem, 1000)
    np.testing.assert_allclose(jax.vmap(problem.pull_back)(jax.vmap(problem.forward)(x), x), x, rtol=1e-9, atol=1e-9)
    for point in (problem.start, *problem.minima):
        np.testing.assert_allclose(problem.pull_back(problem.forward(point), point), point, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", STAGED)
def test_forward_of_the_inverse_is_the_target(name):
    problem, *_ = LIBRARY[name]
    y = jax.vmap(problem.forward)(drawn(problem, 500))
    guesses = drawn(problem, 500, times=5)[::-1]
    x = jax.vmap(problem.pull_back)(y, guesses)
    scale = np.abs(y).max(axis=0)
    np.testing.assert_allclose(jax.vmap(problem.forward)(x) / scale, y / scale, rtol=1e-13, atol=2e-14)


@pytest.mark.parametrize("xi, phi", SINES)
def test_sine_inverse_is_the_solution_nearest_to_the_guess(xi, phi):
    problem = problems.sine(xi, phi)
    y = np.asarray(jax.vmap(problem.forward)(drawn(problem, 300)))
    guesses = drawn(problem, 300, times=6)
    found = turned(np.asarray(jax.vmap(problem.pull_back)(y, guesses)).T, phi)[0]
    principal, turns = np.arcsin(xi * y[:, 0]), 2 * PI * np.arange(-8, 9)[:, None]
    solutions = np.concatenate([principal + turns, PI - principal + turns])
    distances = np.abs(solutions - turned(guesses.T, phi)[0])
    np.testing.assert_allclose(found, np.take_along_axis(solutions, distances.argmin(0)[None], 0)[0], rtol=0, atol=1e-11)


reals = st.floats(-1000, 1000, allow_subnormal=False)


@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(reals, reals, st.sampled_from(SINES))
def test_sine_inverse_returns_to_any_point(x0, x1, parameters):
    with jax.enable_x64(True):
        problem, x = SINE_PROBLEMS[parameters], np.array([x0, x1])
        back = problem.pull_back(problem.forward(x), x)
    slope = abs(math.cos(turned(x, parameters[1])[0]))
    rounding = 8 * EPS * (1 + np.abs(x).max())
    # At a turning point only half of the digits of u0 are in sin(u0).
    np.testing.assert_allclose(back, x, rtol=0, atol=rounding + min(rounding / slope, 2 * math.sqrt(rounding)))


SINE_PROBLEMS = {parameters: problems.sine(*parameters) for parameters in SINES}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("xi", [1.0, 3.0, 32.0, 49.0, 0.1])
def test_sine_inverse_is_finite_at_turning_points(xi, dtype):
    with jax.enable_x64(dtype == np.float64):
        problem = problems.sine(xi)
        for u0 in (PI / 2, -PI / 2, 5 * PI / 2, 1001 * PI / 2):
            x = np.array([u0, 1.0], dtype)
            back = problem.pull_back(problem.forward(x), x)
            np.testing.assert_allclose(back, x, rtol=0, atol=8 * math.sqrt(np.finfo(dtype).eps * u0))if u0 > 0 else None


def test_pbdl_inverse_keeps_the_sign():
    (stage,) = problems.pbdl().stages
    for guess, expected in [([1.0, 7.0], 3.0), ([1.0, -1e-9], -3.0), ([1.0, -0.0], -3.0)]:
        np.testing.assert_array_equal(stage.inverse(jnp.array([2.0, 9.0]), jnp.array(guess)), [2.0, expected])


@pytest.mark.parametrize("name, y", [("pbdl", [1, -1e-9]), ("exponential", [1, -1e-9]), ("sine1,15", [1.001, 0])])
def test_inverse_is_nan_out_of_range(name, y):
    problem, *_ = LIBRARY[name]
    assert np.isnan(problem.pull_back(jnp.array(y, float), problem.start)).any()


def test_sine_states_all_minima_of_its_domain():
    for (xi, phi), problem in SINE_PROBLEMS.items():
        a = math.asin(0.3)
        found = {tuple(np.round(turned(x, phi), 12)) for x in problem.minima}
        all_u0 = [u for k in range(-9, 10) for u in (a + 2 * PI * k, PI - a + 2 * PI * k)]
        inside = {(round(u, 12), -0.5) for u in all_u0 if np.abs(turned([u, -0.5], -phi)).max() <= PI}
        assert found == inside, (xi, phi)
        assert list(np.linalg.norm(problem.minima, axis=1)) == sorted(np.linalg.norm(problem.minima, axis=1))


def test_himmelblau_minima_have_all_digits():
    for minimum in problems.himmelblau().minima:
        x, y = map(Fraction, minimum.tolist())
        p, q = x**2 + y - 11, x + y**2 - 7
        # One exact step of Newton's method for p = q = 0 is less than half a unit in the last place.
        determinant = 4 * x * y - 1
        step = ((2 * y * p - q) / determinant, (2 * x * q - p) / determinant)
        assert all(abs(s) <= Fraction(np.spacing(abs(v))) / 2 for s, v in zip(step, minimum.tolist(), strict=True))


@pytest.mark.parametrize("d", [1, 2, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ackley_at_the_tip(d, dtype):
    with jax.enable_x64(dtype == np.float64):
        problem, tip = problems.ackley(d), np.zeros(d, dtype)
        assert problem.value(tip) == 0
        np.testing.assert_array_equal(problem.gradient(tip), np.zeros(d))
        np.testing.assert_allclose(problem.hessian(tip), np.eye(d) * E * (2 * PI) ** 2 / d, rtol=1e-6)
        # The tip of a cone: beside it the slope is that of 4 r, with r the root mean square of x.
        beside = np.full(d, 1e-6, dtype)
        np.testing.assert_allclose(problem.value(beside), 4e-6, rtol=1e-4)
        np.testing.assert_allclose(np.sum(problem.gradient(beside)), 4, rtol=1e-4)


def test_quadratic_turned():
    spectrum = [1.0, 3.0, 10.0, 100.0]
    problem = problems.quadratic(spectrum, rotation_key=3)
    hessian = np.asarray(problem.hessian(problem.start))
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), spectrum, rtol=1e-12)
    assert np.abs(hessian - np.diag(np.diag(hessian))).max() > 1
    np.testing.assert_allclose(problem.value(problem.start), problem.start @ hessian @ problem.start / 2, rtol=1e-13)
    np.testing.assert_array_equal(problem.gradient(problem.minima[0]), np.zeros(4))
    again, other = (problems.quadratic(spectrum, rotation_key=key) for key in (3, 4))
    assert again.value(problem.start) == problem.value(problem.start) != other.value(problem.start)


def test_quadratic_without_minimum_and_with_a_flat_direction():
    assert len(problems.quadratic([1.0, -1.0]).minima) == 0
    np.testing.assert_array_equal(problems.quadratic([1.0, 0.0]).minima, [[0.0, 0.0]])


@pytest.mark.parametrize(
    "make",
    [
        lambda: problems.scaling(0.0),
        lambda: problems.scaling(math.nan),
        lambda: problems.sine(xi=0.0),
        lambda: problems.sine(phi=math.inf),
        lambda: problems.quadratic([]),
        lambda: problems.quadratic([1.0, math.inf]),
        lambda: problems.quadratic([[1.0]]),  # type: ignore[list-item]
        lambda: problems.rosenbrock(1),
        lambda: problems.ackley(0),
        lambda: problems.rastrigin(2.5),  # type: ignore[arg-type]
    ],
)
def test_bad_parameters_are_refused_in_one_sentence(make):
    with pytest.raises(ValueError, match=r"^[^\n]* is [^\n]*, but it must be [^\n]*\.$"):
        make()


@pytest.fixture(scope="module")
def figures(shared):
    return {case["id"]: case["expected"] for case in json.loads((shared / "figures" / "lectures.json").read_text())}


def test_figures_of_pbdl(figures):
    problem, x = problems.pbdl(), np.array([3.0, 3.0])
    np.testing.assert_array_equal(problem.forward(x), figures["A01"]["y(x)"])
    assert problem.value(x) == figures["A01"]["L(y(x))"]
    np.testing.assert_allclose(problem.jacobian(x), figures["A02"]["J_y"], atol=1e-5)
    np.testing.assert_allclose(problem.gradient(x), figures["A02"]["grad_x L"], atol=1e-5)
    np.testing.assert_allclose(problem.hessian(x), figures["A02"]["hess_x L (derived)"], atol=1e-5)


def test_figures_of_scaling(figures):
    for alpha, gradient_step, newton_step in zip((1, 10, 100), figures["D01"]["GD step"], [-0.9] * 3, strict=True):
        problem = problems.scaling(alpha)
        gradient, hessian = problem.gradient(problem.start), problem.hessian(problem.start)
        np.testing.assert_allclose(-0.01 * gradient, gradient_step, atol=1e-9)
        np.testing.assert_allclose(-0.3 * jnp.linalg.solve(hessian, gradient), [newton_step] * 2, atol=1e-9)


def test_figures_of_sine(figures):
    expected, problem = figures["D03"], problems.sine(xi=1, phi=15)
    np.testing.assert_allclose(problem.value(np.zeros(2)), expected["loss at x=0"], atol=1e-7)
    np.testing.assert_allclose(problem.gradient(np.zeros(2)), expected["grad at 0"], atol=1e-7)
    np.testing.assert_allclose(problem.minima[0], expected["solution"], atol=1e-7)
    steep = problems.sine(xi=32).jacobian(np.zeros(2))
    np.testing.assert_allclose(np.diag(steep), expected["J at 0 for xi=32, phi=0"], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_figures_of_ackley(figures, dtype):
    with jax.enable_x64(dtype == np.float64):
        problem, side = problems.ackley(), np.arange(-10, 10, 0.1).astype(dtype)
        grid = jax.vmap(jax.vmap(problem.value))(np.stack(np.meshgrid(side, side), axis=-1))
        assert problem.value(np.zeros(2, dtype)) == figures["B06"]["ackley(0,0)"]
        np.testing.assert_allclose(problem.value(problem.start), figures["B06"]["ackley(4,4) (derived)"], atol=2e-6)
    assert list(grid.shape) == figures["B06"]["grid shape"]
    # The figure prints seven digits of the maximum, of which float32 has six.
    np.testing.assert_allclose(grid.max(), figures["B06"]["grid max (derived)"], atol=1e-5)
    np.testing.assert_allclose(grid.min(), figures["B06"]["grid min (derived)"], atol=2e-6)
