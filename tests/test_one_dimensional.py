"""Landscapes of one number, random wells and a fit: starts, minima and curvatures; then the figures of the lectures."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg import problems

EPS = np.finfo(float).eps


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def derivatives(problem, points):
    """L, dL/dx and d2L/dx2 at every point of one component."""
    points = np.reshape(points, (-1, 1))
    value, gradient, hessian = jax.jit(jax.vmap(lambda x: (problem.value(x), problem.gradient(x), problem.hessian(x))))(
        points
    )
    return np.asarray(value), np.asarray(gradient)[:, 0], np.asarray(hessian)[:, 0, 0]


QUARTIC = [0.5, -1.0, -2.0, 0.3, 1.0]
# name: (problem, start, L in NumPy, d2L/dx2 in NumPy)
LIBRARY = {
    "convex": (problems.convex(), 0.5, lambda x: x**2 / 2 - 0.2, lambda x: 1 + 0 * x),
    "convex7": (problems.convex(7.0, 1.0), 0.5, lambda x: 3.5 * x**2 + 1, lambda x: 7 + 0 * x),
    "rugged": (
        *(problems.rugged(), 0.3),
        *(lambda x: x**2 + 0.5 * np.sin(30 * x) - 0.2, lambda x: 2 - 450 * np.sin(30 * x)),
    ),
    "rugged0.05": (
        *(problems.rugged(0.05), 0.3),
        *(lambda x: x**2 + 0.05 * np.sin(30 * x) - 0.2, lambda x: 2 - 45 * np.sin(30 * x)),
    ),
    "rugged turned": (
        *(problems.rugged(2.0, -50.0, 1.0), 0.3),
        *(lambda x: x**2 - 2 * np.sin(50 * x) + 1, lambda x: 2 + 5000 * np.sin(50 * x)),
    ),
    "rugged without ripples": (problems.rugged(0.0), 0.3, lambda x: x**2 - 0.2, lambda x: 2 + 0 * x),
    "double_well": (problems.double_well(), 0.5, lambda x: x**4 - 2 * x**2, lambda x: 12 * x**2 - 4),
    "double_well2": (problems.double_well(2.0, 9.0), 0.75, lambda x: 2 * x**4 - 9 * x**2, lambda x: 24 * x**2 - 18),
    "polynomial": (
        *(problems.polynomial(QUARTIC, (-3.0, 4.0)), 2.25),
        *(lambda x: np.polyval(QUARTIC, x), lambda x: np.polyval(np.polyder(QUARTIC, 2), x)),
    ),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_values_and_derivatives(name):
    problem, start, loss, curvature = LIBRARY[name]
    low, high = problem.domain
    points = np.linspace(low[0], high[0], 201)
    values, gradients, curvatures = derivatives(problem, points)
    assert problem.start.tolist() == [start]
    np.testing.assert_allclose(values, loss(points), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(curvatures, curvature(points), rtol=1e-11, atol=1e-10)
    h = 1e-5
    differences = (loss(points + h) - loss(points - h)) / (2 * h)
    np.testing.assert_allclose(gradients, differences, atol=1e-4 * np.abs(curvatures).max())
    assert problem.check()


@pytest.mark.parametrize("name", LIBRARY)
def test_every_minimum_of_the_domain_is_stated_to_the_last_digits(name):
    problem, _, loss, _ = LIBRARY[name]
    (low,), (high,) = problem.domain
    grid = np.linspace(low, high, 100_001)
    values = loss(grid)
    valleys = grid[1:-1][(values[1:-1] < values[:-2]) & (values[1:-1] <= values[2:])]
    stated = problem.minima[:, 0]
    np.testing.assert_allclose(np.sort(stated), valleys, atol=2 * (high - low) / 1e5)
    values, gradients, curvatures = derivatives(problem, stated)
    assert np.all(np.diff(values) >= -EPS) and np.all(curvatures > 0)
    # A root known to a unit or two in its last digit has a gradient of that size times the curvature.
    np.testing.assert_array_less(np.abs(gradients), 4 * EPS * curvatures + 1e-300)


def test_minima_of_polynomials_with_multiple_roots():
    for coefficients, minima in [
        ([1, 0, 0, 0, 0], [0.0]),
        ([-1, 0, 0, 0, 0], []),
        ([1, 0, 0, 0], []),
        ([1, -4, 6, -4, 1], [1.0]),  # (x - 1)^4
        ([1, 0, -2, 0, 1], [-1.0, 1.0]),
        ([1, -2, 1, 0, 0, 0], [1.0]),  # x^3 (x - 1)^2: an inflection at 0
        ([2.0], []),
        ([0.0, 0.0, 3.0, 0.0], []),
        ([0.0, 1.0, -4.0, 0.0], [2.0]),
        ([1, 0, 0, 0, 0, 0, 0], [0.0]),
    ]:
        stated = problems.polynomial(coefficients).minima[:, 0]
        np.testing.assert_allclose(np.sort(stated), minima, atol=1e-15, err_msg=str(coefficients))
    assert problems.polynomial([1, 0, -2, 0, 0], (0.5, 2.0)).minima.tolist() == [[1.0]]  # of two, the one inside


@pytest.mark.parametrize("points", [2, 3, 500])
def test_worst_case_is_noise_with_lines_between(points):
    problem = problems.worst_case(points, key=4)
    grid = np.linspace(-1, 1, points)
    noise = np.random.default_rng(4).uniform(size=points)
    values, _, _ = derivatives(problem, grid)
    np.testing.assert_allclose(values, noise, atol=1e-12)
    middle, slopes, curvatures = derivatives(problem, (grid[:-1] + grid[1:]) / 2)
    np.testing.assert_allclose(middle, (noise[:-1] + noise[1:]) / 2, atol=1e-12)
    np.testing.assert_allclose(slopes, np.diff(noise) / np.diff(grid), rtol=1e-12)
    np.testing.assert_array_equal(curvatures, 0)
    assert problem.minima.tolist() == [[grid[np.argmin(noise)]]]
    assert np.min(np.abs(grid - problem.start[0])) > 1e-3  # no kink there
    again, other = problems.worst_case(points, key=4), problems.worst_case(points, key=5)
    np.testing.assert_array_equal(derivatives(again, grid)[0], values)
    assert np.all(derivatives(other, grid)[0] != values)


@pytest.mark.slow
@pytest.mark.parametrize("n, d, key", [(8, 2, 0), (8, 2, 2022), (1, 1, 3), (20, 5, 1)])
def test_e01_wells_by_an_analytic_gradient_and_differences(n, d, key):
    problem = problems.wells(n, d, key)
    draw = np.random.default_rng(key)
    c, a, s = draw.uniform(-2, 2, (n, d)), draw.uniform(0.5, 1.5, n), draw.uniform(0.5, 1.5, n)

    def gradient(x):
        pull = a * np.exp(-np.sum((x - c) ** 2, axis=1) / (2 * s**2)) / s**2
        return pull @ (x - c)

    points = np.vstack([problem.start, draw.uniform(-3, 3, (100, d))])
    found = np.asarray(jax.jit(jax.vmap(problem.gradient))(points))
    np.testing.assert_allclose(found, [gradient(x) for x in points], rtol=1e-12, atol=1e-15)
    differences = np.asarray(jax.jit(jax.vmap(lambda x: tw.FiniteDifference().gradient(problem.value, x)))(points))
    np.testing.assert_allclose(found, differences, atol=1e-8)
    values = np.asarray(jax.jit(jax.vmap(problem.value))(points))
    np.testing.assert_allclose(values[0], -np.sum(a * np.exp(-np.sum(c**2, axis=1) / (2 * s**2))), rtol=1e-14)
    assert np.all((values < 0) & (values > -a.sum()))
    assert problem.check() and len(problem.minima) == 0


@pytest.mark.parametrize("make", [problems.rugged, problems.worst_case, problems.wells, problems.quadratic_fit])
def test_built_in_float32_has_all_digits_in_float64(make):
    with jax.enable_x64(False):
        early = make()
        value = jax.jit(early.value)(early.start)
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, make().value(make().start), rtol=1e-5)
    assert early.value(early.start) == make().value(make().start)


def test_roots_of_unity_by_newtons_root_finding():
    z = np.random.default_rng(0).uniform(-2, 2, (50, 2))
    trace = tw.run(problems.roots_of_unity(3), tw.methods.GaussNewton(1.0), z, steps=3, dtype="float64")
    x = trace.x.isel(variant=0, step=-1).transpose("start", "x_dim").values
    by_hand = z[:, 0] + 1j * z[:, 1]
    for _ in range(3):
        by_hand = by_hand - (by_hand**3 - 1) / (3 * by_hand**2)
    np.testing.assert_allclose(x[:, 0] + 1j * x[:, 1], by_hand, rtol=1e-8)


@pytest.mark.slow
def test_b17_quadratic_fit_has_the_examples_of_the_lecture(lectures):
    for n, count in ((50, lectures["B17"]["count"]), (100, lectures["B17"]["for 100"])):
        data = problems.quadratic_fit(n).data
        assert all(values.shape == (count,) for values in data.values())
        assert np.unique(data["x"]).tolist() == np.unique(data["y"]).tolist()
        assert (data["x"].min(), data["x"].max()) == (-10, 10)
    data, again = problems.quadratic_fit(50, key=1).data, problems.quadratic_fit(50, key=1).data
    assert len(np.unique(data["x"])) == 50 and np.abs(data["x"]).max() <= 10
    np.testing.assert_array_equal(data["x"], again["x"])
    np.testing.assert_array_equal(data["observed"], 3 * data["x"] ** 2 + 9 * data["y"] ** 2)
    assert problems.quadratic_fit(50, key=1).check()


def test_quadratic_fit_curvature():
    problem = problems.quadratic_fit(50, key=3)
    squares = np.stack([problem.data["x"] ** 2, problem.data["y"] ** 2])
    for t in ([0.0, 0.0], [3.0, 9.0]):
        np.testing.assert_allclose(problem.hessian(np.array(t)), 2 * squares @ squares.T / 50, rtol=1e-13)


def test_quadratic_fit_takes_the_paths_of_the_lecture(lectures):
    methods = {
        "rmsprop": tw.methods.rmsprop(learning_rate=0.1, decay=0.99),
        "adam": tw.methods.adam(learning_rate=0.1),
    }
    trace = tw.run(problems.quadratic_fit(100), methods, steps=389, dtype="float64")
    x = trace.x.isel(start=0).transpose("variant", "step", "x_dim").values
    expected = lectures["B14"]["no momentum, no decay"]
    np.testing.assert_allclose(x[0, [10, 100]], [expected["theta_10"], expected["theta_100"]], rtol=1e-6)
    expected = lectures["B15"]
    for step in (1, 10, 200):
        np.testing.assert_allclose(x[1, step], expected[f"theta_{step}"], rtol=1e-6)
    near = np.all(np.abs(x[1] - [3, 9]) < 1e-2, axis=1)
    assert np.argmax(near) == expected["first i with |theta-(3,9)|<1e-2 per coordinate"]


def test_b13_minibatches_of_the_lecture(lectures):
    problem = problems.quadratic_fit(50, batch_size=16)
    trace = tw.run(problem, tw.methods.gradient_descent(learning_rate=1e-4), steps=50, dtype="float64")
    end = trace.x.isel(variant=0, start=0, step=-1)
    np.testing.assert_allclose(end, lectures["B13"]["theta near"], atol=0.1)
    first = trace.x.isel(variant=0, start=0, step=1)
    assert np.all(np.abs(first + 1e-4 * np.asarray(problem.gradient(np.zeros(2)))) > 1e-3)  # not that of all examples


def test_minima_of_the_lecture(lectures):
    expected = lectures["C02"]
    assert problems.convex().minima[0, 0] == expected["convex min"][0]
    assert float(problems.convex().value(jnp.zeros(1))) == expected["convex min"][1]
    rugged = problems.rugged()
    assert len(rugged.minima) == expected["of which minima"]
    lowest = [rugged.minima[0, 0], float(rugged.value(rugged.minima[0]))]
    np.testing.assert_allclose(lowest, expected["non-convex global min"], rtol=0, atol=1e-15)
    expected, rugged = lectures["C03"], problems.rugged(0.05)
    minima = np.sort(rugged.minima[:, 0])
    values, _, curvatures = derivatives(rugged, minima)
    np.testing.assert_allclose(minima, expected["minima"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(values, expected["values"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(curvatures, expected["curvature"], rtol=1e-9)


def test_e05_double_well_of_the_lecture(lectures):
    value, slope, _ = derivatives(problems.double_well(), [0.12132987])
    np.testing.assert_allclose(value, lectures["E05"]["value"], rtol=1e-12)
    np.testing.assert_allclose(slope, lectures["E05"]["derivative"], rtol=1e-12)
    w = math.sqrt(9 / 4)
    assert problems.double_well(2.0, 9.0).minima.tolist() == [[w], [-w]]
