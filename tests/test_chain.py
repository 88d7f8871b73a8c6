"""A problem is a value: it never changes, and what differs in one respect is another."""

import weakref
from dataclasses import FrozenInstanceError

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.chain.examples import Examples
from thalweg.chain.objective import Misfit


@pytest.fixture(scope="module")
def problem():
    return tw.Problem(
        lambda x, data: data["a"] * x,
        loss=tw.SquaredError([1.0, 2.0]),
        start=[3.0, 4.0],
        domain=(-5.0, 5.0),
        data={"a": np.array([1.0, 2.0])},
        name="scaled",
    )


def test_a_problem_does_not_change(problem):
    with pytest.raises(FrozenInstanceError):
        problem.domain = None
    with pytest.raises(FrozenInstanceError):
        problem.name = "another"


def test_what_differs_in_one_respect_is_another_problem(problem):
    free, other = problem.within(None), problem.bind({"a": np.array([1.0, 1.0])})
    differences = problem.with_derivatives(tw.FiniteDifference())
    assert free.domain is None and problem.domain is not None
    np.testing.assert_array_equal(problem.within((0.0, [1.0, 2.0])).domain, [[0, 0], [1, 2]])
    assert float(problem.value([1.0, 1.0])) == 0 and float(other.value([1.0, 1.0])) == 1
    assert not differences.derivatives.exact and problem.derivatives.exact
    for changed in (free, other, differences):
        assert changed.name == "scaled" and changed.given is problem.given
        np.testing.assert_array_equal(changed.start, problem.start)
    with pytest.raises(ValueError, match="low must be below high in every component"):
        problem.within((1.0, 0.0))
    with pytest.raises(ValueError, match=r"stage 'y'.* cannot take input"):
        problem.bind({"b": np.ones(2)})


def test_a_problem_equals_itself_alone_and_can_be_let_go(problem):
    same = problem.bind(problem.data)
    assert problem == problem and problem != same and len({problem, same}) == 2
    gone = weakref.ref(same)
    del same
    assert gone() is None


def test_values_are_those_of_each_point(problem):
    points = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(problem.values(points), [float(problem.value(x)) for x in points], rtol=1e-6)


def test_examples_are_counted_where_all_stages_are_for_each(problem):
    def stage(each):
        return tw.Stage(lambda x, example: x * example, each=each)

    given = {"loss": lambda y: jnp.sum(y**2), "start": [1.0, 2.0], "data": np.ones((7, 2))}
    assert tw.Problem(stage(each=True), **given).examples == Examples(7, mapped=True)
    assert tw.Problem(stage(each=False), **given).examples == problem.examples == Examples(1, mapped=False)


def test_a_misfit_is_the_problem_of_its_residual():
    def residual(x):
        return jnp.array([x[0] * x[1], jnp.sin(x[0]), x[1] ** 2])

    x, whole = jnp.array([0.3, -0.7]), tw.Problem(residual, loss=tw.SquaredError(factor=0.5), start=[0.0, 0.0])
    part = Misfit(residual, tw.AutoDiff())
    np.testing.assert_allclose(part.value(x), whole.value(x), rtol=1e-6)
    np.testing.assert_allclose(part.gradient(x), whole.gradient(x), rtol=1e-6)
    for one, other in zip(part.least_squares(x), whole.least_squares(x), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
