"""BBOB: the functions are those of COCO, by values that COCO's own code states, or refused."""

import csv
import importlib.metadata
import pathlib
import re

import bbob_jax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from coco import instance

from thalweg import problems
from thalweg.problems.black_box import _FUNCTIONS

NEW = tuple(map(int, importlib.metadata.version("bbob-jax").split(".")[:2])) >= (2, 1)
OFFERED = tuple(range(1, 25)) if NEW else (1, 7, 8, 9, 19)
SMOOTH = (1, 2, 4, 8, 9, 10, 11, 14, 19, 21, 22)  # around x*


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def stated():
    """COCO's own points and values by function and instance."""
    lines = pathlib.Path(__file__).parent.joinpath("data", "coco.csv").read_text().splitlines()[1:]
    for row in csv.DictReader(lines):
        x = [float(row[name]) for name in ("x0", "x1", "x2")]
        yield int(row["function"]), int(row["instance"]), x, float(row["value"])


def drawn(function, key=0):
    return bbob_jax.registry[_FUNCTIONS[function - 1]](ndim=3, key=jax.random.key(key))[0]


@pytest.mark.parametrize("function", OFFERED)
def test_a_function_is_that_of_coco(function):
    rows = [row for row in stated() if row[0] == function]
    assert len(rows) == 6
    for _, number, x, value in rows:
        given = {name: jnp.asarray(part) for name, part in instance(function, number, 3).items()}
        found = drawn(function).func(jnp.asarray(x), **given)
        np.testing.assert_allclose(found, value, rtol=0, atol=1e-9 * max(1, abs(value - given["f_opt"])))


@pytest.mark.parametrize("function", OFFERED)
def test_a_problem_is_the_function_at_what_was_drawn(function):
    problem, x = problems.bbob(function, d=3, key=7), jnp.array([0.3, -2.0, 4.0])
    given = drawn(function, 7).keywords
    plain = {name: given[name] for name in ("x_opt", "f_opt", "R", "Q")}
    if function in (9, 19):
        plain["x_opt"] = jnp.zeros(3)
    if function in (21, 22):  # the condition numbers of the peaks, which are 1000^(2 j / (peaks - 2)) there
        plain |= {name: given[name] for name in ("_gal_w", "_gal_y_rot")}
        plain["_gal_c_diags"] = jnp.asarray(fixed(problem)["_gal_c_diags"])
    np.testing.assert_allclose(problem.value(x), drawn(function).func(x, **plain), rtol=1e-12)


def fixed(problem):
    """What the loss of a problem holds."""
    names = problem.loss.__code__.co_freevars
    return problem.loss.__closure__[names.index("fixed")].cell_contents


@pytest.mark.parametrize("function", [f for f in (21, 22) if f in OFFERED])
def test_peaks_are_as_narrow_as_those_of_coco(function):
    def ratio(shapes):
        return np.sort(shapes.max(1) / shapes.min(1))

    ours = ratio(fixed(problems.bbob(function, d=3))["_gal_c_diags"])
    np.testing.assert_allclose(ours, ratio(instance(function, 2, 3)["_gal_c_diags"]), rtol=1e-9)


@pytest.mark.parametrize("function", OFFERED)
def test_the_minimum_is_in_the_domain_and_lowest(function):
    problem = problems.bbob(function, d=3, key=7)
    (minimum,) = problem.minima
    level = float(drawn(function, 7).keywords["f_opt"])
    assert np.all(np.abs(minimum) <= 5)
    np.testing.assert_allclose(problem.value(minimum), level, rtol=0, atol=1e-9)
    around = minimum + np.random.default_rng(function).normal(size=(200, 3)) * np.geomspace(1e-3, 1, 200)[:, None]
    around = np.clip(around, -5, 5)
    assert np.all(jax.vmap(problem.value)(around) >= level - 1e-9)
    assert function not in SMOOTH or np.max(np.abs(problem.gradient(minimum))) < 1e-3


@pytest.mark.parametrize("function", [f for f in range(1, 25) if f not in OFFERED])
def test_what_this_version_computes_otherwise_is_refused(function):
    with pytest.raises(
        ValueError, match=f"function is {function}, which bbob-jax .* otherwise than COCO; install .* 2.1"
    ):
        problems.bbob(function)


def test_versions_are_told_apart(monkeypatch):
    for version, fails in (("1.4.0", True), ("2.0.3", True), ("2.1.0", False), ("2.10.1", False), ("3.0rc1", False)):
        monkeypatch.setattr("importlib.metadata.version", lambda name, version=version: version)
        if fails:
            with pytest.raises(ValueError, match=f"which bbob-jax {re.escape(version)} computes otherwise"):
                problems.bbob(3)
        else:
            assert problems.bbob(3).dimension == 2


def test_the_key_draws_the_same_instance_in_both_precisions():
    first = problems.bbob(8, d=4, key=3).minima
    with jax.enable_x64(False):
        second = problems.bbob(8, d=4, key=3).minima
    np.testing.assert_array_equal(first, second)
    assert np.any(first != problems.bbob(8, d=4, key=4).minima)


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: problems.bbob(25), "function is 25, but BBOB has the functions 1 to 24; give one of these"),
        (lambda: problems.bbob(0), "function is 0, but"),
        (lambda: problems.bbob(1, d=1), "d is 1, but it must be a whole number of at least 2"),
    ],
)
def test_a_sentence_says_what_is_wrong(ask, words):
    with pytest.raises(ValueError, match=words):
        ask()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "bbob_jax", None)
    with pytest.raises(ValueError, match="bbob needs bbob-jax, which is not installed; pip install"):
        problems.bbob(1)
