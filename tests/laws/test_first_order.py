"""Every first-order method is optax's rule, step by step."""

import jax
import numpy as np
import optax
import pytest

import thalweg as tw

PAIRS = {
    "gradient_descent": (tw.methods.gradient_descent(1e-3), optax.sgd(1e-3)),
    "momentum": (tw.methods.momentum(1e-3, 0.8), optax.sgd(1e-3, momentum=0.8)),
    "nesterov": (tw.methods.nesterov(1e-3), optax.sgd(1e-3, momentum=0.9, nesterov=True)),
    "adagrad": (tw.methods.adagrad(0.1), optax.adagrad(0.1)),
    "rmsprop": (tw.methods.rmsprop(0.01), optax.rmsprop(0.01)),
    "rmsprop centered": (
        tw.methods.rmsprop(0.01, momentum=0.5, centered=True),
        optax.rmsprop(0.01, centered=True, momentum=0.5),
    ),
    "adam": (tw.methods.adam(0.01, b1=0.8), optax.adam(0.01, b1=0.8)),
    "adamw": (tw.methods.adamw(0.01, weight_decay=0.1), optax.adamw(0.01, weight_decay=0.1)),
    "lion, by from_optax": (tw.methods.from_optax(optax.lion, learning_rate=0.01), optax.lion(0.01)),
    "a schedule": (
        tw.methods.from_optax(optax.sgd, learning_rate=optax.cosine_decay_schedule(1e-3, 20)),
        optax.sgd(optax.cosine_decay_schedule(1e-3, 20)),
    ),
    "a finished chain": (
        tw.methods.from_optax(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1))),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_equals_optax_step_by_step(name):
    method, rule = PAIRS[name]
    problem = tw.problems.rosenbrock(3)
    trace = tw.run(problem, method, steps=40, dtype="float64")
    with jax.enable_x64(True):
        x = jax.numpy.asarray(problem.start)
        state, update = rule.init(x), jax.jit(rule.update)
        for k in range(41):
            np.testing.assert_allclose(trace.x.values[0, 0, k], x, rtol=1e-11, atol=1e-13, err_msg=f"step {k}")
            change, state = update(problem.gradient(x), state, x)
            x = optax.apply_updates(x, change)


def test_line_searches_of_optax_get_the_loss():
    problem = tw.problems.rosenbrock(2)
    trace = tw.run(problem, tw.methods.from_optax(optax.lbfgs, memory_size=5), steps=60, dtype="float64")
    assert float(trace.loss[0, 0, -1]) < 1e-15
