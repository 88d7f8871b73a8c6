"""What is read of JAX's traces and of XLA's programs, and what a step evaluates.

A JAX that names things otherwise fails here, and switches no guard off in silence.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.engine.evaluations import EVALUATIONS, Counted, in_loops
from thalweg.engine.traces import calls_lapack, constants, equations, transforms

X = np.array([1.0, 2.0, 3.0, 4.0], np.float32)


def looped(f):
    return lambda x: jax.lax.scan(lambda x, _: (jax.lax.cond(x[0] > 0, f, jnp.sin, x), None), x, length=3)[0]


def test_equations_within_loops_and_branches_are_found():
    names = [equation.primitive.name for equation in equations(jax.make_jaxpr(looped(jnp.cos))(X))]
    assert {"scan", "cond", "cos", "sin"} <= set(names) and "tan" not in names


@pytest.mark.parametrize("f", [jnp.fft.fft, lambda x: jnp.fft.irfft(jnp.fft.rfft(x)), jnp.fft.rfft])
def test_fourier_transforms_are_seen(f):
    assert transforms(jax.make_jaxpr(f)(X))
    assert transforms(jax.make_jaxpr(looped(lambda x: jnp.abs(jnp.fft.fft(x))))(X))
    assert not transforms(jax.make_jaxpr(looped(lambda fft: fft + 1))(X))


@pytest.mark.parametrize("f", [jnp.linalg.eigh, jnp.linalg.inv, jnp.linalg.cholesky, jnp.linalg.qr])
def test_calls_of_lapack_are_seen(f):
    matrices = np.eye(4, dtype=np.float32)[None].repeat(3, 0)
    assert calls_lapack(jax.jit(f).lower(matrices).compile())
    assert not calls_lapack(jax.jit(jnp.sin).lower(matrices).compile())


def test_arrays_in_a_trace_are_found():
    inner, outer = np.array([5.0, 6.0, 7.0, 8.0], np.float32), np.array([9.0, 9.0, 9.0, 9.0], np.float32)
    found = list(constants(jax.make_jaxpr(lambda x: looped(lambda x: x * jnp.asarray(inner))(x) + outer)(X)))
    assert all(any(np.array_equal(array, given) for array in found) for given in (inner, outer))


@pytest.fixture(scope="module")
def problem():
    return tw.problems.rosenbrock(4)


def counts(problem, f):
    """How many evaluations of each kind a trace of f makes; f is a function (problem, x)."""
    made = Counted(problem)
    traced = jax.make_jaxpr(lambda x: f(made, x))(X)
    return [made.counts[kind] for kind in EVALUATIONS], in_loops(traced)


def test_nothing_is_counted_twice_at_one_point(problem):
    def step(seen, x):
        value, gradient = seen.value_and_gradient(x)
        return seen.value(x) + value, seen.gradient(x) + gradient, seen.hessian(x), seen.value(x + 1)

    assert counts(problem, step) == ([2, 1, 0, 0, 1], False)
    assert counts(problem, lambda seen, x: (seen.hessian_product(x, x), seen.hessian_product(x, 2 * x))) == (
        [1, 1, 2, 0, 0],
        False,
    )
    squares = tw.Problem(lambda x: x**2, loss=tw.SquaredError(), start=X)
    assert counts(squares, lambda seen, x: (seen.least_squares(x), seen.value(x))) == ([1, 0, 0, 1, 0], False)


def test_as_many_values_are_counted_as_there_are_points(problem):
    assert counts(problem, lambda seen, x: seen.values(jnp.stack([x] * 7))) == ([7, 0, 0, 0, 0], False)


@pytest.mark.parametrize(
    ("method", "many"),
    [(tw.methods.Genetic(8), 8), (tw.methods.ReplicaExchange(1.0, 0.1, 5, 0.1), 5), (tw.methods.RandomSearch(), 1)],
    ids=["Genetic", "ReplicaExchange", "RandomSearch"],
)
def test_a_step_of_a_population_is_counted(problem, method, many):
    boxed, x = problem.within((-2.0, 2.0)), jnp.asarray(X / 4)
    state = jax.eval_shape(lambda x, key: method.init(boxed, x, key), x, jax.random.key(0))
    made = Counted(boxed)
    assert not in_loops(jax.make_jaxpr(lambda x, state: method.step(made, x, state))(x, state))
    assert made.counts == {"value": many}


def test_evaluations_in_loops_cannot_be_counted(problem):
    def descent(seen, x):
        return jax.lax.fori_loop(0, 5, lambda _, x: x - 1e-3 * seen.gradient(x), x)

    assert counts(problem, descent)[1]
    assert not counts(problem, lambda seen, x: jax.lax.fori_loop(0, 5, lambda _, x: 2 * x, seen.gradient(x)))[1]
    squares = tw.Problem(lambda x: x**2, loss=tw.SquaredError(), start=X)

    def krylov(seen, x):
        _, push, pull = seen.linearize(x)
        return jax.lax.fori_loop(0, 5, lambda _, v: pull(push(v)), x)

    assert counts(squares, krylov)[1]
    loops = tw.Problem(loss=lambda x: jax.lax.fori_loop(0, 3, lambda _, s: s * 0.5, jnp.sum(x**2)), start=X)
    assert not counts(loops, lambda seen, x: seen.value(x))[1]  # a loop within one evaluation hides none
