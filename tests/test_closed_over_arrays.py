"""Functions that close over NumPy arrays, which JAX takes for those of the precision that first met them."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

T = np.linspace(0.0, 3.0, 40)
Y = 2.0 * np.exp(-0.7 * T)
GD = tw.methods.gradient_descent(learning_rate=0.1)
START, BOX = [1.0, 1.0], (-1.0, 3.0)


def plain():
    """A loss, and how its owner calls it."""
    t, y = T.copy(), Y.copy()

    def loss(p):
        return jnp.mean((p[0] * jnp.exp(-p[1] * t) - y) ** 2)

    return loss, loss


def jitted():
    loss = jax.jit(plain()[0])
    return loss, loss


def compiled_beside():
    loss = plain()[0]
    return loss, jax.jit(loss)


def around_jitted():
    t, y = T.copy(), Y.copy()
    model = jax.jit(lambda p: p[0] * jnp.exp(-p[1] * t))
    return lambda p: jnp.mean((model(p) - y) ** 2), lambda p: jnp.mean((model(p) - y) ** 2)


def differentiated():
    t, y = T.copy(), Y.copy()
    model = jax.jit(lambda p: p[0] * jnp.exp(-p[1] * t))
    slope = jax.jit(jax.grad(lambda p: jnp.mean((model(p) - y) ** 2)))
    return lambda p: jnp.mean((model(p) - y) ** 2), lambda p: slope(p)[0]


def in_a_loop():
    t, y = T.copy(), Y.copy()
    part = jax.jit(lambda p, i: p[0] * jnp.exp(-p[1] * t) / 4 - y / 4)

    def loss(p):
        whole = jax.lax.scan(lambda s, i: (s + part(p, i), None), jnp.zeros(40, p.dtype), jnp.arange(4))[0]
        return jnp.mean(whole**2)

    return loss, loss


def _problem(loss):
    return tw.Problem(loss=loss, start=START, minima=[[2.0, 0.7]], domain=BOX)


def _judged(problem, dtype):
    trace = tw.run(problem, {"GD": GD}, steps=8, dtype=dtype)
    tw.analysis.table(trace, problem), tw.analysis.stability(trace, problem), tw.analysis.rates(trace, problem)
    tw.geometry.sharpness(problem, np.array(START))
    tw.analysis.landscape(problem, points=5)
    tw.plot.paths(trace, problem)
    return trace


def _solved(problem):
    fits = tw.solve(problem, tw.methods.BFGS(), tw.starts.uniform(problem.domain, 4, key=0))
    tw.analysis.basins(fits)
    return fits


ASKED = {
    "run": lambda loss: _judged(_problem(loss), None),
    "run64": lambda loss: _judged(_problem(loss), "float64"),
    "solve": lambda loss: _solved(_problem(loss)),
    "minimize": lambda loss: tw.minimize(loss, np.array(START)),
    "step sizes": lambda loss: tw.analysis.lyapunov(
        _problem(loss), tw.sweep(GD, learning_rate=[0.1, 0.2]), START, steps=5
    ),
}


FUNCTIONS = [plain, jitted, compiled_beside, around_jitted, differentiated, in_a_loop]
ORDERS = [("run64", "run"), ("minimize", "run"), ("run", "solve"), ("solve", "step sizes")]
QUICK = {(plain, ORDERS[0]), (compiled_beside, ORDERS[1]), (around_jitted, ORDERS[1])}
CASES = [
    pytest.param(f, order, id=f"{f.__name__}-{'-'.join(order)}", marks=[] if (f, order) in QUICK else pytest.mark.slow)
    for f in FUNCTIONS
    for order in ORDERS
]


@pytest.mark.parametrize("function, order", CASES)
def test_a_loss_is_anyones_in_either_precision(function, order):
    """Its owner calls it before and after, and between what is asked of thalweg, in float32 and in float64."""
    loss, own = function()
    here = jnp.array([1.0, 0.5])
    before = own(here)
    for asked in order:
        ASKED[asked](loss)
        assert own(here) == before and own(here).dtype == jnp.float32
    assert jax.jit(jax.grad(loss))(here).dtype == jnp.float32


def test_programs_over_a_problem_go_with_it():
    problem = _problem(plain()[0])
    trace = tw.run(problem, {"GD": GD}, steps=2)
    tw.analysis.table(trace, problem), tw.geometry.sharpness(problem, np.array(START))
    gone = weakref.ref(problem)
    del problem
    gc.collect()
    assert gone() is None
