"""Problems of CUTEst and BBOB: against closed forms, NIST, published optima and the package that holds them."""

import re
import sys
from typing import Any

import bbob_jax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from thalweg import problems
from thalweg.chain.losses import SquaredError

MISPLACED = (5, 9, 19)  # bbob-jax has values below f_opt's elsewhere than at x_opt
SMOOTH = (1, 2, 4, 8, 10, 11, 14, 16, 20, 21, 22, 24)  # around x_opt

pytestmark = pytest.mark.slow  # sif2jax compiles for minutes


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def lowest(problem):
    value, gradient = jax.jit(problem.value), jax.jit(problem.gradient)
    box = None if problem.domain is None else list(zip(*problem.domain, strict=True))
    options = {"gtol": 1e-10, "ftol": 1e-16, "maxiter": 5000, "maxfun": 50000}
    return minimize(value, problem.start, jac=gradient, method="L-BFGS-B", bounds=box, options=options).fun


def test_rosenbr_is_scipys_and_its_start_is_not_rounded_to_float32():
    problem = problems.cutest("ROSENBR")
    np.testing.assert_array_equal(problem.start, [-1.2, 1.0])
    for x in (problem.start, np.array([0.3, -0.7])):
        np.testing.assert_allclose(problem.value(x), rosen(x), rtol=1e-14)
        np.testing.assert_allclose(problem.gradient(x), rosen_der(x), rtol=1e-13)
    assert problem.name == "ROSENBR"
    assert problem.domain is None
    assert problem.minima.shape == (0, 2)


def test_misra1als_is_the_problem_of_nist():
    ours, theirs = problems.misra1a(), problems.cutest("MISRA1ALS")
    np.testing.assert_array_equal(ours.start, theirs.start)
    np.testing.assert_allclose(theirs.value(theirs.start), ours.value(ours.start), rtol=1e-14)
    np.testing.assert_allclose(theirs.gradient(theirs.start), ours.gradient(ours.start), rtol=1e-12)
    np.testing.assert_allclose(theirs.value(ours.minima[0]), 0.12455138894, rtol=1e-10)


# Moré, Garbow and Hillstrom 1981, problems 8 and 16; Hock and Schittkowski 1981, problems 5, 45 and 110.
@pytest.mark.parametrize(
    ("name", "optimum", "digits"),
    [
        ("BARD", 8.21487e-3, 6),
        ("BROWNDEN", 85822.2, 6),
        ("HS5", -np.sqrt(3) / 2 - np.pi / 3, 12),
        ("HS45", 1.0, 12),
        ("HS110", -45.77846971, 10),
    ],
)
def test_the_published_optimum_is_reached(name, optimum, digits):
    assert abs(lowest(problems.cutest(name)) - optimum) <= 0.6 * 10 ** (1 - digits) * abs(optimum)


def test_bounds_are_the_domain_where_they_make_a_box():
    np.testing.assert_array_equal(problems.cutest("HS5").domain, [[-1.5, -3.0], [4.0, 3.0]])
    np.testing.assert_array_equal(problems.cutest("HS1").domain, [[-np.inf, -1.5], [np.inf, np.inf]])
    low, high = problems.cutest("HADAMALS").domain
    assert np.sum(low == high) == 20  # of 400 components, that are fixed


def test_a_bounded_problem_that_offers_constraints_has_none():
    """sif2jax gives HS25, and no other of its bounded problems, a constraint, which returns None."""
    problem = problems.cutest("HS25")
    assert problem.stages == ()
    np.testing.assert_array_equal(problem.domain, [[0.1, 0.0, 0.0], [100.0, 25.6, 5.0]])
    assert abs(problem.value(problem.start) - 32.835) < 5e-4  # Hock and Schittkowski 1981, with the minimum
    assert problem.value(np.array([50.0, 25.0, 1.5])) < 1e-25


@pytest.mark.parametrize("kind", ["unconstrained_minimisation", "bounded_minimisation", "nonlinear_equations"])
def test_every_name_is_a_problem(kind):
    """A Problem looks at the shapes of its stages and its loss when it is made, so that to build it is enough."""
    names = problems.collections.cutest_names(kind)
    for name in names:
        problem = problems.cutest(name)
        assert problem.name == name and problem.dimension <= 100
        assert kind != "bounded_minimisation" or np.isfinite(problem.domain).any()
    assert len(names) == {"unc": 118, "bou": 65, "non": 153}[kind[:3]]


def test_what_is_unconstrained_has_no_domain():
    assert problems.cutest("SNAIL").domain is None  # whose bounds are infinite in sif2jax


@pytest.mark.parametrize(("equations", "squares"), [("BEALENE", "BEALE"), ("HATFLDFLNE", "HATFLDFL")])
def test_equations_are_the_least_squares_that_cutest_minimizes(equations, squares):
    ours, theirs = problems.cutest(equations), problems.cutest(squares)
    x = ours.start + 0.1
    assert isinstance(ours.loss, SquaredError)
    np.testing.assert_array_equal(ours.start, theirs.start)
    np.testing.assert_allclose(ours.value(x), theirs.value(x), rtol=1e-13)
    np.testing.assert_allclose(ours.gradient(x), theirs.gradient(x), rtol=1e-11)
    np.testing.assert_allclose(ours.residual(x) @ ours.residual(x) / 2, ours.value(x), rtol=1e-14)


def test_names_by_kind_and_size():
    names = problems.collections.cutest_names()
    assert len(names) == 118
    assert {"ROSENBR", "HAIRY", "LUKSAN11LS"} <= set(names)
    assert all(problems.cutest(name).dimension <= 2 for name in problems.collections.cutest_names(most=2))
    assert "BEALENE" in problems.collections.cutest_names("nonlinear_equations")
    assert "HS5" in problems.collections.cutest_names("bounded_minimisation", most=2)


def test_sif2jax_is_left_for_others_to_import():
    problems.cutest("ROSENBR")
    assert not [name for name in sys.modules if name.partition(".")[0] == "sif2jax"]


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: problems.cutest("ROSENBROK"), "'ROSENBROK' is not a problem of CUTEst .* did you mean 'ROSENBR'?"),
        (lambda: problems.cutest("HS76"), "'HS76' has general constraints, but a Problem has none; choose"),
        (lambda: problems.collections.cutest_names("bounded"), "did you mean 'bounded_minimisation'?"),
        (lambda: problems.bbob(25), "function is 25, but BBOB has the functions 1 to 24; give one of these"),
        (lambda: problems.bbob(1, d=1), "d is 1, but it must be a whole number of at least 2"),
    ],
)
def test_a_sentence_says_what_is_wrong(ask, words):
    with pytest.raises(ValueError, match=words):
        ask()


@pytest.mark.parametrize(
    ("ask", "package", "what"),
    [
        (lambda: problems.cutest("ROSENBR"), "sif2jax", "cutest"),
        (lambda: problems.collections.cutest_names(), "sif2jax", "cutest_names"),
        (lambda: problems.bbob(1), "bbob_jax", "bbob"),
    ],
)
def test_a_missing_package_is_named(ask, package, what, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else ...)
    sentence = f"{what} needs {package.replace('_', '-')}, which is not installed; pip install 'thalweg[problems]'."
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ask()


@pytest.mark.parametrize("function", range(1, 25))
def test_bbob_is_the_function_of_bbob_jax_and_lowest_at_its_minimum(function):
    problem = problems.bbob(function, d=3, key=7)
    name = problem.name.removeprefix("bbob(").partition(",")[0]
    draw: Any = bbob_jax.registry[name]
    drawn, level = draw(ndim=3, key=jax.random.key(7))
    x = jnp.array([0.3, -2.0, 4.0])
    np.testing.assert_allclose(problem.value(x), drawn(x), rtol=1e-12)
    np.testing.assert_allclose(problem.gradient(x), jax.grad(drawn)(x), rtol=1e-9)
    assert len(problem.minima) == (0 if function in MISPLACED else 1)
    for minimum in problem.minima:
        np.testing.assert_allclose(problem.value(minimum), level, rtol=1e-12)
        around = minimum + np.random.default_rng(function).normal(size=(200, 3)) * np.geomspace(1e-3, 1, 200)[:, None]
        assert np.all(jax.vmap(problem.value)(around) >= level - 1e-9)
        assert function not in SMOOTH or np.max(np.abs(problem.gradient(minimum))) < 1e-3


def test_the_key_draws_the_same_instance_in_both_precisions():
    first = problems.bbob(8, d=4, key=3).minima
    with jax.enable_x64(False):
        second = problems.bbob(8, d=4, key=3).minima
    np.testing.assert_array_equal(first, second)
    assert np.any(first != problems.bbob(8, d=4, key=4).minima)
