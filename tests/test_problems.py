"""Every problem at its stated start, minima, curvature and inverse; then the figures of the lectures."""

import math
import re
from fractions import Fraction
from functools import cache, partial

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from thalweg import problems
from thalweg.chain.problem import Problem

E, PI = math.e, math.pi
EPS = np.finfo(float).eps


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def turned(x, phi):
    cos, sin = math.cos(math.radians(phi)), math.sin(math.radians(phi))
    return np.array([[cos, -sin], [sin, cos]]) @ x


def by_numpy_scaling(x, alpha):
    return x[0] ** 2 + (alpha * x[1]) ** 2


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


def by_numpy_roots_of_unity(x, n):
    return abs(complex(*x) ** n - 1) ** 2 / 2


def by_numpy_quadratic_fit(t):
    x, y = np.meshgrid(np.linspace(-10, 10, 7), np.linspace(-10, 10, 7))
    return np.mean(((t[0] - 3) * x**2 + (t[1] - 9) * y**2) ** 2)


SINES = [(1.0, 0.0), (1.0, 15.0), (32.0, -70.0), (-0.5, 200.0)]
# name: (problem, the same loss in NumPy from its published formula, L at the start by hand)
LIBRARY = {
    "pbdl": (problems.pbdl, lambda x: x[0] ** 2 + x[1] ** 4, 90.0),
    "exponential": (problems.exponential, lambda x: x[0] ** 2 + (np.exp(x[1]) - 1) ** 2, 9 + (E**3 - 1) ** 2),
    "quadratic": (partial(problems.quadratic, [0.5, 2, 10]), lambda x: np.sum([0.5, 2, 10] * x**2) / 2, 6.25),
    "rosenbrock2": (problems.rosenbrock, by_numpy_rosenbrock, 24.2),
    "rosenbrock7": (partial(problems.rosenbrock, 7), by_numpy_rosenbrock, 3 * 24.2 + 3 * 484),
    "himmelblau": (problems.himmelblau, lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2, 170.0),
    "beale": (problems.beale, by_numpy_beale, 14.203125),
    "ackley2": (problems.ackley, by_numpy_ackley, 20 - 20 * math.exp(-0.8)),
    "ackley10": (partial(problems.ackley, 10), by_numpy_ackley, 20 - 20 * math.exp(-0.8)),
    "rastrigin2": (problems.rastrigin, by_numpy_rastrigin, 32.0),
    "rastrigin5": (partial(problems.rastrigin, 5), by_numpy_rastrigin, 80.0),
    "roots_of_unity3": (
        problems.roots_of_unity,
        partial(by_numpy_roots_of_unity, n=3),
        abs((1.5 + 1j) ** 3 - 1) ** 2 / 2,
    ),
    "roots_of_unity12": (
        *(partial(problems.roots_of_unity, 12), partial(by_numpy_roots_of_unity, n=12)),
        abs((1.5 + 1j) ** 12 - 1) ** 2 / 2,
    ),
    "quadratic_fit": (problems.quadratic_fit, by_numpy_quadratic_fit, by_numpy_quadratic_fit([0.0, 0.0])),
}
for a in (1.0, 1e6):
    LIBRARY[f"scaling{a:g}"] = (partial(problems.scaling, a), partial(by_numpy_scaling, alpha=a), 9 + 9 * a**2)
for xi, phi in SINES:
    at_start = (0.09 / xi**2 + 0.25 * xi**2) / 2
    LIBRARY[f"sine{xi:g},{phi:g}"] = (partial(problems.sine, xi, phi), partial(by_numpy_sine, xi=xi, phi=phi), at_start)
STAGED = [name for name in LIBRARY if re.match("pbdl|scaling|exponential|sine", name)]


def drawn(problem: Problem, n: int, times: float = 1.0) -> np.ndarray:
    assert problem.domain is not None
    low, high = problem.domain
    return np.random.default_rng(0).uniform(times * low, times * high, (n, problem.dimension))


def over(function, *points):
    """The function at many points, in one compiled program."""
    return jax.tree.map(np.asarray, jax.jit(jax.vmap(function))(*points))


def derivatives(problem, points):
    """L, its gradient and its Hessian at every point."""
    return over(lambda x: (problem.value(x), problem.gradient(x), problem.hessian(x)), points)


@pytest.mark.parametrize("name", LIBRARY)
def test_value_is_the_published_formula(name):
    make, loss, at_start = LIBRARY[name]
    problem = make()
    points = np.vstack([problem.start, drawn(problem, 100)])
    values = over(problem.value, points)
    np.testing.assert_allclose(values[0], at_start, rtol=1e-14)
    np.testing.assert_allclose(values, [loss(x) for x in points], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", LIBRARY)
def test_minima(name):
    problem = LIBRARY[name][0]()
    low, high = problem.domain
    assert len(problem.minima) > 0
    assert np.all((low <= problem.minima) & (problem.minima <= high))
    values, gradients, hessians = derivatives(problem, problem.minima)
    near = 1e-3 * np.random.default_rng(1).normal(size=(100, 1, problem.dimension))
    beside = over(problem.value, (problem.minima + near).reshape(-1, problem.dimension)).reshape(100, -1)
    assert np.all(beside > values)
    for value, gradient, curvatures in zip(values, gradients, np.linalg.eigvalsh(hessians), strict=True):
        assert curvatures[0] >= -1e-12 * curvatures[-1]
        assert curvatures[-1] > 0
        # A root known to half a unit in its last digit has a gradient of that size times the curvature.
        np.testing.assert_allclose(gradient, 0, atol=4 * EPS * curvatures[-1])
        np.testing.assert_allclose(value, 0, atol=16 * EPS**2 * curvatures[-1])


# As published where it was, and as the docstrings say: the box is -width <= x_i <= width, or (low, high).
BOXES = {
    **dict.fromkeys(("pbdl", "scaling", "exponential"), 4.0),
    **{"sine": PI, "quadratic": 2.0, "roots_of_unity": 2.0, "rosenbrock": 2.048, "himmelblau": 5.0, "beale": 4.5},
    **{"ackley": 32.768, "rastrigin": 5.12, "quadratic_fit": (0.0, 10.0), "wells": 3.0},
    **{"convex": 1.0, "rugged": 1.0, "worst_case": 1.0, "double_well": 2.0, "polynomial": 5.0},
    **{"heat": (0.0, 4.0), "poisson": 4.0, "oscillators": 1.0, "quantum_dipole": 3.0},
}
GIVEN = {"quadratic": [[1.0, 2.0]], "polynomial": [[1.0, 0.0]], "heat": [8], "poisson": [8], "quantum_dipole": [5]}


@pytest.mark.parametrize("name", BOXES)
def test_the_domain_is_the_published_one(name):
    problem = getattr(problems, name)(*GIVEN.get(name, []))
    low, high = BOXES[name] if isinstance(BOXES[name], tuple) else (-BOXES[name], BOXES[name])
    np.testing.assert_array_equal(problem.domain, np.full((problem.dimension, 2), (low, high)).T)
    assert np.all((low <= problem.start) & (problem.start <= high))


@pytest.mark.parametrize("name", LIBRARY)
def test_float32(name):
    make, loss, _ = LIBRARY[name]
    with jax.enable_x64(False):
        problem = make()
        points = np.vstack([problem.start, problem.minima]).astype(np.float32)
        values, gradients = over(lambda x: (problem.value(x), problem.gradient(x)), points)
    assert values.dtype == gradients.dtype == np.float32
    assert np.all(np.isfinite(gradients))
    exact = np.array([loss(x) for x in points.astype(float)])
    np.testing.assert_allclose(values, exact, rtol=2e-5, atol=2e-7 * exact[0])


@pytest.mark.parametrize("name", ["quadratic", "beale", "exponential", "sine1,15"])
def test_problem_built_in_float32_has_all_digits_in_float64(name):
    # This is what run(problem, dtype="float64") does with a problem that was built before.
    with jax.enable_x64(False):
        early = LIBRARY[name][0]()
    late = LIBRARY[name][0]()
    points = np.vstack([late.start, late.minima])
    np.testing.assert_array_equal(over(early.value, points), over(late.value, points))


@pytest.mark.parametrize("name", STAGED)
def test_inverse_returns_to_the_point(name):
    problem = LIBRARY[name][0]()
    x = np.vstack([problem.start, problem.minima, drawn(problem, 1000)])
    back = over(lambda x: problem.pull_back(problem.forward(x), x), x)
    np.testing.assert_allclose(back, x, rtol=1e-9, atol=1e-9)
    known = 1 + len(problem.minima)
    np.testing.assert_allclose(back[:known], x[:known], rtol=0, atol=4 * EPS)


@pytest.mark.parametrize("name", STAGED)
def test_forward_of_the_inverse_is_the_target(name):
    problem = LIBRARY[name][0]()
    y = over(problem.forward, drawn(problem, 500))
    again = over(lambda y, x: problem.forward(problem.pull_back(y, x)), y, drawn(problem, 500, times=5)[::-1])
    scale = np.abs(y).max(axis=0)
    np.testing.assert_allclose(again / scale, y / scale, rtol=1e-13, atol=2e-14)


@pytest.mark.parametrize("xi, phi", SINES)
def test_sine_inverse_is_the_solution_nearest_to_the_guess(xi, phi):
    problem = problems.sine(xi, phi)
    y, guesses = over(problem.forward, drawn(problem, 300)), drawn(problem, 300, times=6)
    found = turned(over(problem.pull_back, y, guesses).T, phi)[0]
    principal, turns = np.arcsin(xi * y[:, 0]), 2 * PI * np.arange(-8, 9)[:, None]
    solutions = np.concatenate([principal + turns, PI - principal + turns])
    nearest = np.abs(solutions - turned(guesses.T, phi)[0]).argmin(axis=0)
    np.testing.assert_allclose(found, solutions[nearest, np.arange(300)], rtol=0, atol=1e-11)
    assert len(np.unique(nearest)) > 10  # many branches were met


reals = st.floats(-1000, 1000, allow_subnormal=False)


@pytest.mark.slow
@settings(derandomize=True, deadline=None, max_examples=200, database=None)
@given(reals, reals, st.sampled_from(SINES))
def test_sine_inverse_returns_to_any_point(x0, x1, parameters):
    with jax.enable_x64(True):
        x = np.array([x0, x1])
        back = round_trip(parameters)(x)
    slope = abs(math.cos(turned(x, parameters[1])[0]))
    rounding = 8 * EPS * (1 + np.abs(x).max())
    # At a turning point only half of the digits of u0 are in sin(u0).
    np.testing.assert_allclose(back, x, rtol=0, atol=rounding + min(rounding / slope, 2 * math.sqrt(rounding)))


@cache
def round_trip(parameters):
    problem = problems.sine(*parameters)
    return jax.jit(lambda x: problem.pull_back(problem.forward(x), x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("xi", [1.0, 3.0, 49.0, 0.1])
def test_sine_inverse_at_turning_points(xi, dtype):
    with jax.enable_x64(dtype == np.float64):
        problem = problems.sine(xi)
        x = np.stack([np.array([-1, 1, 3, 5, 101]) * PI / 2, np.ones(5)], axis=1).astype(dtype)
        back = over(lambda x: problem.pull_back(problem.forward(x), x), x)
    np.testing.assert_allclose(back, x, rtol=0, atol=4 * math.sqrt(np.finfo(dtype).eps))


def test_pbdl_inverse_keeps_the_sign():
    (stage,) = problems.pbdl().stages
    for guess, expected in [([1.0, 7.0], 3.0), ([1.0, -1e-9], -3.0), ([1.0, -0.0], -3.0)]:
        np.testing.assert_array_equal(stage.inverse(jnp.array([2.0, 9.0]), jnp.array(guess)), [2.0, expected])


@pytest.mark.parametrize("name, y", [("pbdl", [1, -1e-9]), ("exponential", [1, -1e-9]), ("sine1,15", [1.001, 0])])
def test_inverse_is_nan_out_of_range(name, y):
    problem = LIBRARY[name][0]()
    assert np.isnan(problem.pull_back(jnp.array(y, float), problem.start)).any()


def test_sine_states_all_minima_of_its_domain():
    for xi, phi in SINES:
        problem = problems.sine(xi, phi)
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


@pytest.mark.parametrize("d", [1, 10])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ackley_at_the_tip(d, dtype):
    with jax.enable_x64(dtype == np.float64):
        problem = problems.ackley(d)
        points = np.array([np.zeros(d), np.full(d, 1e-6)], dtype)
        values, gradients, hessians = derivatives(problem, points)
    assert values[0] == 0
    np.testing.assert_array_equal(gradients[0], np.zeros(d))
    np.testing.assert_allclose(hessians[0], np.eye(d) * E * (2 * PI) ** 2 / d, rtol=1e-6)
    # Beside the tip of the cone L is 4 r, with r the root mean square of x.
    np.testing.assert_allclose(values[1], 4e-6, rtol=1e-4)
    np.testing.assert_allclose(np.sum(gradients[1]), 4, rtol=1e-4)


def test_quadratic_turned():
    spectrum = [1.0, 3.0, 10.0, 100.0]
    problem, again, other = (problems.quadratic(spectrum, rotation_key=key) for key in (3, 3, 4))
    points = np.array([problem.start, problem.minima[0]])
    values, gradients, (hessian, _) = derivatives(problem, points)
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian), spectrum, rtol=1e-12)
    assert np.abs(hessian - np.diag(np.diag(hessian))).max() > 1
    np.testing.assert_allclose(values, [problem.start @ hessian @ problem.start / 2, 0], rtol=1e-13)
    np.testing.assert_array_equal(gradients[1], np.zeros(4))
    np.testing.assert_array_equal(over(again.value, points), values)
    assert over(other.value, points)[0] != values[0]


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
        lambda: problems.quadratic([1.0], rotation_key=-1),
        lambda: problems.rosenbrock(1),
        lambda: problems.ackley(0),
        lambda: problems.rastrigin(2.5),  # type: ignore[arg-type]
        lambda: problems.convex(0.0),
        lambda: problems.convex(1.0, math.nan),
        lambda: problems.rugged(math.inf),
        lambda: problems.rugged(0.5, 1e5),
        lambda: problems.worst_case(1),
        lambda: problems.worst_case(500, -1),
        lambda: problems.double_well(1.0, -2.0),
        lambda: problems.polynomial([]),
        lambda: problems.polynomial([1.0, math.nan]),
        lambda: problems.polynomial(["one"]),  # type: ignore[list-item]
        lambda: problems.polynomial([1.0, 0.0], (2.0, -2.0)),
        lambda: problems.polynomial([1.0, 0.0], (0.0, math.inf)),
        lambda: problems.wells(0),
        lambda: problems.wells(8, 0),
        lambda: problems.roots_of_unity(0),
        lambda: problems.quadratic_fit(0),
        lambda: problems.quadratic_fit(50, -1),
    ],
)
def test_bad_parameters_are_refused_in_one_sentence(make):
    with pytest.raises(ValueError, match=r"^[^\n]* is [^\n]*, but it must be [^\n]*\.$"):
        make()


def test_figures_of_pbdl(lectures):
    problem, x = problems.pbdl(), np.array([[3.0, 3.0]])
    value, gradient, hessian = derivatives(problem, x)
    y, jacobian = over(lambda x: (problem.forward(x), problem.jacobian(x)), x)
    np.testing.assert_array_equal(y[0], lectures["A01"]["y(x)"])
    assert value[0] == lectures["A01"]["L(y(x))"]
    np.testing.assert_allclose(jacobian[0], lectures["A02"]["J_y"], atol=1e-5)
    np.testing.assert_allclose(gradient[0], lectures["A02"]["grad_x L"], atol=1e-5)
    np.testing.assert_allclose(hessian[0], lectures["A02"]["hess_x L (derived)"], atol=1e-5)


def test_figures_of_scaling(lectures):
    for alpha, gradient_step, newton_step in zip((1, 10, 100), lectures["D01"]["GD step"], [-0.9] * 3, strict=True):
        problem = problems.scaling(alpha)
        _, (gradient,), (hessian,) = derivatives(problem, problem.start[None])
        np.testing.assert_allclose(-0.01 * gradient, gradient_step, atol=1e-9)
        np.testing.assert_allclose(-0.3 * np.linalg.solve(hessian, gradient), [newton_step] * 2, atol=1e-9)


def test_figures_of_sine(lectures):
    expected, problem = lectures["D03"], problems.sine(xi=1, phi=15)
    value, gradient, _ = derivatives(problem, np.zeros((1, 2)))
    np.testing.assert_allclose(value[0], expected["loss at x=0"], atol=1e-7)
    np.testing.assert_allclose(gradient[0], expected["grad at 0"], atol=1e-7)
    np.testing.assert_allclose(problem.minima[0], expected["solution"], atol=1e-7)
    steep = over(problems.sine(xi=32).jacobian, np.zeros((1, 2)))[0]
    np.testing.assert_allclose(np.diag(steep), expected["J at 0 for xi=32, phi=0"], atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_figures_of_ackley(lectures, dtype):
    with jax.enable_x64(dtype == np.float64):
        problem, side = problems.ackley(), np.arange(-10, 10, 0.1).astype(dtype)
        grid = over(jax.vmap(problem.value), np.stack(np.meshgrid(side, side), axis=-1))
        assert problem.value(np.zeros(2, dtype)) == lectures["B06"]["ackley(0,0)"]
        np.testing.assert_allclose(problem.value(problem.start), lectures["B06"]["ackley(4,4) (derived)"], atol=2e-6)
    assert list(grid.shape) == lectures["B06"]["grid shape"]
    # The figure prints seven digits of the maximum, of which float32 has six.
    np.testing.assert_allclose(grid.max(), lectures["B06"]["grid max (derived)"], atol=1e-5)
    np.testing.assert_allclose(grid.min(), lectures["B06"]["grid min (derived)"], atol=2e-6)
