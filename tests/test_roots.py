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


@pytest.mark.slow
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


def away(found, expected):
    """The largest distance between roots and the nearest expected ones, as a share of the smallest of these."""
    apart = np.abs(found.root[:, None] - np.asarray(expected))
    return max(apart.min(axis=0).max(), apart.min(axis=1).max()) / np.min(np.abs(expected))


@pytest.mark.parametrize("n", [10, 16, 18, 20, 22])
def test_durand_kerner_finds_wilkinsons_roots_as_well_as_numpy(n):
    coefficients, integers = np.poly(np.arange(1, n + 1.0)), np.arange(1, n + 1)
    found, by_numpy = roots.durand_kerner(coefficients, dtype="float64"), np.sort(np.roots(coefficients).real)
    assert found.converged
    assert np.abs(np.sort(found.root.real) - integers).max() <= 3 * np.abs(by_numpy - integers).max()


@pytest.mark.slow
def test_durand_kerner_begins_where_the_roots_are_whatever_their_size():
    for size, n in ((1e4, 10), (1e-4, 10), (1e-20, 10), (1e30, 10), (1e300, 1)):
        for dtype in ("float64", "float32")[: 1 if size > 1e30 else 2]:
            found = roots.durand_kerner([1.0, *[0.0] * (n - 1), -(size**n)], dtype=dtype)
            assert found.converged and found.steps < 20
            np.testing.assert_allclose(np.abs(found.root) / size, 1, rtol=1e-13 if dtype == "float64" else 1e-6)
    found = roots.durand_kerner([1e-300, 1.0, 1e300], dtype="float64")  # z^2 + z + 1 in z = x / 1e300
    assert found.converged and np.abs(found.root / 1e300 - np.exp([[2j * np.pi / 3], [-2j * np.pi / 3]])).min() < 1e-15


@pytest.mark.parametrize(
    "wide",
    [[1e8, 1.0, 1e-8], 10.0 ** np.arange(-8, 9), [1e150, 1e-150], 0.5 ** np.arange(20), [1 + 2j, 3e4j, -2e-3, 5]],
)
def test_durand_kerner_finds_small_roots_beside_large_ones(wide):
    found = roots.durand_kerner(np.poly(wide), dtype="float64")
    assert found.converged and found.steps < 40
    nearest = np.abs(found.root - np.asarray(wide)[:, None]).min(axis=1)  # each by its own size
    np.testing.assert_array_less(nearest, 1e-9 * np.abs(wide))


@pytest.mark.slow
def test_durand_kerner_of_many_and_of_multiple_roots():
    noise = np.random.default_rng(0).normal(size=301)
    found = roots.durand_kerner(noise, dtype="float64")
    assert found.converged and away(found, np.roots(noise)) < 1e-11
    for multiple, digits in (([1.0] * 9, 0.05), ([1e5] * 4, 1e-3), ([1.0, 1.0, 2.0, 3.0], 1e-6)):  # eps^(1/m)
        found = roots.durand_kerner(np.poly(multiple), dtype="float64")
        assert found.converged and away(found, multiple) < digits
    found = roots.durand_kerner([[1.0, -3.0, 2.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]], dtype="float64")
    np.testing.assert_allclose(np.sort(np.abs(found.root)), [[0, 0, 1, 2], [0, 0, 0, 0]], rtol=1e-14)
    assert found.converged.all()
    found = roots.durand_kerner([1e-20, 1.0, -3.0, 2.0], dtype="float64")  # a leading coefficient next to 0
    np.testing.assert_allclose(np.sort(np.abs(found.root)), [1, 2, 1e20], rtol=1e-14)


THIRD = 1 / 3
NO_ROOTS = {
    "1 / (x - 0.3)": lambda x: 1 / (x - 0.3),
    "its cube": lambda x: 1 / (x - 0.3) ** 3,
    "its root": lambda x: jnp.sign(x - 0.3) / jnp.sqrt(jnp.abs(x - 0.3)),
    "a small pole": lambda x: 1e-9 / (x - 0.3),
    "a pole on a slope": lambda x: 1 / (x - 0.3) - 5 * (x - 0.3),
    "tan": lambda x: jnp.tan(x + np.pi / 2 - 0.3),
    "a logarithm": lambda x: jnp.sign(x - 0.3) * jnp.log(jnp.abs(x - 0.3)),
    "sign": lambda x: jnp.sign(x - THIRD),
    "a tiny jump": lambda x: 1e-30 * jnp.sign(x - THIRD),
    "a jump on a slope": lambda x: 3 * (x - THIRD) + jnp.where(x < THIRD, -1.0, 2.0),
    "a jump from 0": lambda x: jnp.where(x < THIRD, x - THIRD, 2.0),
}


@pytest.mark.parametrize("name", NO_ROOTS)
def test_a_change_of_sign_that_is_no_root_has_not_converged(name):
    low, high = np.array([0.0, 0.29, 0.2999]), np.array([0.7, 0.6, 0.334])
    found = roots.bisection(NO_ROOTS[name], low, high, dtype="float64")
    assert not found.converged.any(), found.value


def test_an_end_where_the_value_is_infinite_is_no_root():
    assert not roots.bisection(lambda x: 1 / (x - 0.25), -1.0, 0.25, dtype="float64").converged  # inf at the pole
    found = roots.bisection(lambda x: jnp.log(x) + 1, 0.0, 1.0, dtype="float64")  # -inf, and a root beyond
    assert found.converged and found.root == pytest.approx(math.exp(-1), abs=1e-12)
    assert not roots.bisection(jnp.tan, 1.0, 2.0).converged  # in float32


@pytest.mark.slow
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x - THIRD,
        lambda x: (x - THIRD) ** 9,
        lambda x: jnp.cbrt(x - THIRD),
        lambda x: jnp.sign(x - THIRD) * jnp.abs(x - THIRD) ** (1 / 99),
        lambda x: 1e12 * (x - THIRD),
        lambda x: 1e-20 * (x - THIRD),
        lambda x: jnp.tanh(1e4 * (x - THIRD)),
        lambda x: jnp.exp(100 * (x - THIRD)) - 1,
        lambda x: jnp.where(x < THIRD, 1e-6, 1.0) * (x - THIRD),
        lambda x: (x - THIRD) / (x + 1.7),  # a pole elsewhere
        lambda x: x**3 - x**2 + x / 3 - 1 / 27,  # a triple root in noise
        lambda x: (x + 1e3) - 1e3 - THIRD,  # in steps of 1e-13
    ],
)
def test_a_root_of_any_steepness_has_converged(f):
    low, high = np.array([0.0, 0.1, -1.6]), np.array([1.0, 0.35, 0.5])
    for tolerance in (1e-3, 1e-12, 1e-300):
        found = roots.bisection(f, low, high, tolerance, dtype="float64")
        assert found.converged.all()
        np.testing.assert_allclose(found.root, THIRD, atol=max(tolerance, 1e-5))


@pytest.mark.slow
def test_newton_and_secants_that_leave_a_pole_have_not_converged():
    by = np.array([0.0, 1e-16, 1e-14, 1e-13, -1e-13, 1e-12, 1e-10])
    poles = [(lambda x: 1 / x, 0.0), (lambda x: 1 / (x - 0.3) ** 3, 0.3), (lambda x: 1 / x**2, 0.0)]
    poles += [(jnp.tan, np.pi / 2), (lambda x: jnp.exp(-1e14 * x), 0.0), (lambda x: jnp.sign(x - THIRD), THIRD)]
    one, two = (np.outer(pair, by[3:]).ravel() for pair in ((1, 2, 9, 1, 1), (2, 1, 1, 9, 0.01)))
    for f, pole in poles:
        for found in (
            roots.newton(f, pole + by, dtype="float64"),
            roots.newton(f, pole + by, dtype="float64", steps=4),
            roots.secant(f, pole + one, pole + two, dtype="float64"),
        ):
            assert not (found.converged & (np.abs(found.value) > 1e-12)).any()


def test_newton_goes_on_from_a_pole_to_the_root():
    found = roots.newton(lambda x: 1 / x - 1, 1e-13, dtype="float64", steps=60)
    assert found.converged and found.root == pytest.approx(1, rel=1e-15)


@pytest.mark.slow
def test_newton_and_secants_that_begin_at_a_root_have_converged():
    start = THIRD + np.array([0.0, 1e-16, 1e-13, -1e-10, 1e-6, 0.1])
    functions = [lambda x: x**2 - THIRD**2, lambda x: (x - THIRD) ** 3, lambda x: 1e12 * jnp.tanh(x - THIRD)]
    functions += [lambda x: 1e-20 * (x - THIRD), lambda x: (x + 1e3) - 1e3 - THIRD, lambda x: jnp.sqrt(x) - THIRD**0.5]
    for f in functions:
        for tolerance in (1e-3, 1e-12):
            found = roots.newton(f, start, tolerance=tolerance, dtype="float64", steps=100)
            assert found.converged.all() and np.abs(found.root - THIRD).max() <= 2 * tolerance
            second = start + np.array([1e-3, 1e-3, 1e-3, 1e-9, 1e-5, 0.1])
            assert roots.secant(f, start, second, tolerance=tolerance, dtype="float64", steps=100).converged.all()


def test_any_tolerance_and_any_bracket_will_do():
    found = roots.bisection(lambda x: x**2 - 2, 1.0, 2.0, tolerance=5e-324, dtype="float64")
    assert found.converged and found.root == pytest.approx(2**0.5, rel=3e-16) and found.steps <= 53
    found = roots.bisection(lambda x: jnp.sign(x - 1) * jnp.abs(x - 1), -1.7e308, 1.6e308, 5e-324, dtype="float64")
    assert found.converged and abs(found.root - 1) < 1e-15


@pytest.mark.slow
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
