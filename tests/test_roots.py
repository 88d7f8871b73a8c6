"""Root finding: orders by slope, the lectures' figures, NumPy's roots, many elements at once, misuse by its text."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import thalweg as tw
from thalweg import roots


def order(errors):
    """The slope of log |e_(i+1)| over log |e_i|, of errors above rounding."""
    e = np.abs(errors)
    e = e[: np.argmax(e < 1e-14)] if np.any(e < 1e-14) else e
    e = np.log(e[-4:])
    return np.polyfit(e[:-1], e[1:], 1)[0]


def test_c05_bisection_takes_the_halvings_that_it_must(cases):
    low, high = cases["C05"]["bracket"]
    for tolerance, halvings in cases["C05"]["expected"].items():
        found = roots.bisection(lambda x: x, low, high, tolerance=float(tolerance), dtype="float64")
        assert found.steps == halvings and found.converged and len(found.path) == halvings + 1
        assert abs(found.root) <= float(tolerance) / 2


def test_bisection_is_linear_with_ratio_one_half():
    for root in np.random.default_rng(0).uniform(-0.9, 0.9, 5):
        found = roots.bisection(lambda x, root=root: jnp.sinh(x - root), -1.0, 1.2, dtype="float64")
        error, i = np.abs(found.path - root), np.arange(len(found.path))
        assert np.all(error <= 2.2 / 2.0 ** (i + 1) + 1e-15)
        assert np.polyfit(i, np.log2(error), 1)[0] == pytest.approx(-1, abs=0.1)


def test_bisection_ends_at_a_root_of_any_kind():
    for low, high in ((0.0, 1.0), (-1.0, 0.0), (-1.0, 1.0)):  # at an end, or the first middle
        found = roots.bisection(lambda x: x, low, high, dtype="float64")
        assert found.root == 0 and found.value == 0 and found.steps <= 1 and found.converged
    found = roots.bisection(lambda x: x**3 - 2, 1.0, 2.0, tolerance=1e-30)  # float32: until no number is left between
    assert found.root.dtype == np.float32 and found.converged and found.steps < 26
    assert float(found.root) == pytest.approx(2 ** (1 / 3), rel=2e-7)
    assert roots.bisection(lambda x: -x, -3.0, 5.0, tolerance=10.0).steps == 0
    found = roots.bisection(lambda x: jnp.where(jnp.abs(x) < 0.9, jnp.nan, x), -1.0, 1.0)
    assert np.isnan(found.value) and not found.converged


def test_minimum_by_bisection_of_the_gradient():
    for a in (0.5, 0.05):
        problem = tw.problems.rugged(a)
        start = problem.start[0]
        found = roots.bisection(lambda x, p=problem: p.gradient(x[None])[0], start, start + 0.1, 1e-16, "float64")
        nearest = problem.minima[np.argmin(np.abs(problem.minima - found.root))]
        np.testing.assert_allclose(found.root, nearest[0], rtol=0, atol=2e-16)


def test_newton_is_quadratic_and_linear_at_a_double_root():
    found = roots.newton(lambda x: jnp.exp(x) - 3, 2.5, dtype="float64")
    assert found.converged and order(found.path - math.log(3)) == pytest.approx(2, abs=0.1)
    double = roots.newton(lambda x: (jnp.exp(x) - 3) ** 2, 2.5, steps=25, tolerance=1e-30, dtype="float64")
    ratios = (double.path[1:] - math.log(3))[10:20] / (double.path[:-1] - math.log(3))[10:20]
    np.testing.assert_allclose(ratios, 0.5, atol=2e-3)
    assert not double.converged and double.steps == 25


def test_newton_by_a_given_derivative_takes_the_steps_of_scipy():
    for derivative in (None, lambda x: 2 * x):
        found = roots.newton(lambda x: x**2 - 2, 10.0, derivative, dtype="float64")
        _, told = scipy.optimize.newton(lambda x: x**2 - 2, 10.0, lambda x: 2 * x, tol=1e-12, full_output=True)
        assert abs(int(found.steps) - told.iterations) <= 1
        x = 10.0
        for expected in found.path[: int(found.steps)]:
            assert expected == pytest.approx(x, rel=1e-15)
            x -= (x**2 - 2) / (2 * x)
    slower = roots.newton(lambda x: x**2 - 2, 10.0, lambda x: 4 * x, steps=200, dtype="float64")
    assert slower.converged and slower.steps > 20  # what is given is what is used


def test_newton_away_from_any_root_says_so():
    found = roots.newton(lambda x: x**2 + 1, [0.7, 0.0], dtype="float64")
    assert not found.converged.any() and found.steps.tolist() == [50, 50]
    assert np.isfinite(found.path[:, 0]).all() and not np.isfinite(found.root[1])  # f' = 0 there


def test_secant_is_of_the_golden_order():
    found = roots.secant(lambda x: jnp.exp(x) - 3, 3.0, 2.5, dtype="float64")
    assert found.converged and found.root == pytest.approx(math.log(3), abs=1e-15)
    assert order(found.path - math.log(3)) == pytest.approx((1 + math.sqrt(5)) / 2, abs=0.1)
    a, b, f = 3.0, 2.5, lambda x: math.exp(x) - 3
    for expected in found.path[1 : int(found.steps) - 1]:
        a, b = b, b - f(b) * (b - a) / (f(b) - f(a))
        assert expected == pytest.approx(b, rel=1e-13)


def test_c06_durand_kerner_of_the_lecture(lectures):
    expected = np.array([complex(*root) for root in lectures["C06"]["roots"]])
    found = roots.durand_kerner([1, -3, 3, -5], dtype="float64")
    assert found.steps == 8 and found.converged
    np.testing.assert_allclose(found.root, expected, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(found.path[0], (0.4 + 0.9j) ** np.arange(3))
    z = found.path[0].copy()
    for k in range(3):  # the first sweep by hand, each root with the latest values of the others
        z[k] -= np.polyval([1, -3, 3, -5], z[k]) / np.prod([z[k] - z[j] for j in range(3) if j != k])
    np.testing.assert_allclose(found.path[1], z, rtol=1e-13)


def test_durand_kerner_is_of_order_two_and_a_little_more():
    found = roots.durand_kerner(np.poly([1.0, -2.0, 3.0, 0.5]), dtype="float64")
    errors = np.abs(found.path - found.root).max(axis=1)
    s = np.roots([1, 0, 0, -1, -1]).real.max()  # s^4 = s + 1 (Alefeld and Herzberger 1974)
    assert order(errors) == pytest.approx(1 + s, abs=0.1)


def test_durand_kerner_finds_the_roots_of_numpy():
    draw = np.random.default_rng(3)
    for n in (1, 2, 5, 9):
        rows = draw.normal(size=(4, 5, n + 1)) + (1j * draw.normal(size=(4, 5, n + 1)) if n == 5 else 0)
        found = roots.durand_kerner(rows, dtype="float64")
        assert found.root.shape == (4, 5, n) and found.steps.shape == found.converged.shape == (4, 5)
        assert found.converged.all() and found.path.shape[1:] == (4, 5, n)
        for index in np.ndindex(4, 5):
            by_numpy = np.roots(rows[index])
            away = np.abs(found.root[index][:, None] - by_numpy)
            np.testing.assert_allclose([away.min(axis=0), away.min(axis=1)], 0, atol=1e-8)
            np.testing.assert_allclose(found.value[index], np.polyval(rows[index], found.root[index]), atol=1e-11)
    assert np.abs(roots.durand_kerner([1, -2, 1], dtype="float64").root - 1).max() < 1e-6  # a double root
    assert roots.durand_kerner([1.0, 0.0, 1.0]).root.dtype == np.complex64


def test_many_elements_go_their_own_ways():
    starts = np.array([[1.0, 2.0, 50.0], [-1.0, -3.0, 1e-2]])
    found = roots.newton(lambda x: x**2 - 2, starts, dtype="float64")
    assert found.root.shape == found.steps.shape == (2, 3) and found.path.shape == (found.steps.max() + 1, 2, 3)
    for index in np.ndindex(2, 3):
        alone = roots.newton(lambda x: x**2 - 2, starts[index], dtype="float64")
        assert (alone.root, alone.steps) == (found.root[index], found.steps[index])
        np.testing.assert_array_equal(found.path[: alone.steps + 1, *index], alone.path)
        np.testing.assert_array_equal(found.path[alone.steps :, *index], alone.root)
    np.testing.assert_allclose(np.abs(found.root), math.sqrt(2), rtol=1e-15)
    lows = np.arange(5.0) * math.pi - 0.7
    found = roots.bisection(jnp.sin, lows, lows + 2.0, dtype="float64")
    np.testing.assert_allclose(found.root, np.arange(5) * math.pi, atol=1e-12)
    found = roots.secant(jnp.sin, 3.0, [3.3, 3.5], dtype="float64")
    np.testing.assert_allclose(found.root, math.pi, rtol=1e-15)


def test_precision_is_that_asked_for_and_switched_nowhere_else():
    for found in (
        roots.newton(lambda x: x**2 - 2, 1.0),
        roots.bisection(lambda x: x**2 - 2, 1.0, 2.0),
        roots.secant(lambda x: x**2 - 2, 1.0, 2.0),
    ):
        assert found.root.dtype == found.path.dtype == np.float32 and found.converged
        assert float(found.root) == pytest.approx(math.sqrt(2), rel=2e-7)
    assert roots.newton(lambda x: x**2 - 2, 1.0, dtype="float64").root.dtype == np.float64
    assert not jax.config.jax_enable_x64


def misuse():
    f = jnp.sin
    return [
        (
            lambda: roots.bisection(f, [0.5, 1.0], [4.0, 2.0]),
            r"bracket 1, \(1, 2\), has the values 0.84\d+ and 0.90\d+",
        ),
        (
            lambda: roots.bisection(f, 1.0, 2.0),
            r"^bracket, \(1, 2\), has the values .* different sign there; give ends",
        ),
        (lambda: roots.bisection(f, 2.0, -2.0), r"^bracket, \(2, -2\), is empty, but low must be below high; exchange"),
        (lambda: roots.bisection(f, [[1.0, 3.0]], 3.0), r"bracket \(0, 1\), \(3, 3\), is empty"),
        (lambda: roots.bisection(jnp.log, -1.0, 2.0), "has the values nan and 0.69"),
        (lambda: roots.bisection(f, math.nan, 2.0), "low is nan, but it must be finite numbers; give e.g. low=1.0"),
        (lambda: roots.bisection(f, [0.0, 1.0], [1.0, 2.0, 3.0]), r"low and high have the shapes \(2,\) and \(3,\)"),
        (lambda: roots.bisection(f, -1.0, 2.0, tolerance=0.0), "tolerance is 0.0, but it must be finite and positive"),
        (lambda: roots.newton(f, [1.0, math.inf]), "start is .*inf.*, but it must be finite numbers; give e.g. start"),
        (lambda: roots.newton(f, "one"), "start is 'one', but it must be finite numbers"),
        (lambda: roots.newton(f, 1e60), r"start is 1e\+60, but it must be finite numbers"),  # in float32
        (lambda: roots.newton(f, 1.0, steps=0), "steps is 0, but it must be a whole number of at least 1"),
        (lambda: roots.newton(3.0, 1.0), "f is 3.0, but it must be a function"),
        (
            lambda: roots.newton(lambda x: jnp.stack([x, x]), 1.0),
            r"f returns shape \(2,\), but a root is that",
        ),
        (lambda: roots.newton(math.sin, 1.0), "f, sin, cannot take input .* write it with jax.numpy"),
        (lambda: roots.newton(f, 1.0, dtype="int32"), "dtype is 'int32'"),
        (lambda: roots.secant(f, [1.0, 2.0], 2.0), "start and second are both 2, but a secant .*; give two different"),
        (lambda: roots.durand_kerner([0.0, 1.0, 2.0]), "the leading coefficient is 0, but the degree .*; leave it out"),
        (lambda: roots.durand_kerner([[1.0, 2.0], [0.0, 1.0]]), "the leading coefficient of polynomial 1 is 0"),
        (lambda: roots.durand_kerner([1.0, math.nan]), "coefficients are .*, but they must be two or more finite"),
        (lambda: roots.durand_kerner([1.0]), "coefficients are .*, but they must be two or more finite"),
        (lambda: roots.durand_kerner([[1.0, 2.0], [1.0]]), "coefficients are .*, but they must be two or more finite"),
    ]


@pytest.mark.parametrize("call, text", misuse())
def test_misuse_is_named(call, text):
    with pytest.raises(ValueError, match=text) as raised:
        call()
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
