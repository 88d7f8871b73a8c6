"""First-order methods are the published rules, step by step, and what optax has is wired as a loop would use it."""

import jax
import numpy as np
import optax
import pytest
import scipy.optimize

import thalweg as tw

PROBLEM = tw.problems.rosenbrock(3)


def momentum(x, g, k, m):
    """Polyak (1964)."""
    m["m"] = 0.8 * m.get("m", 0) + g
    return x - 1e-3 * m["m"]


def nesterov(x, g, k, m):
    """Sutskever et al. (2013), with the look-ahead point as x."""
    m["m"] = 0.9 * m.get("m", 0) + g
    return x - 1e-3 * (0.9 * m["m"] + g)


def adagrad(x, g, k, m):
    """Duchi, Hazan and Singer (2011); optax begins the sum at 0.1."""
    m["v"] = m.get("v", 0.1) + g**2
    return x - 0.1 * g / np.sqrt(m["v"] + 1e-7)


def rmsprop(x, g, k, m):
    """Tieleman and Hinton (2012)."""
    m["v"] = 0.9 * m.get("v", 0) + 0.1 * g**2
    return x - 0.01 * g / np.sqrt(m["v"] + 1e-8)


def centered(x, g, k, m):
    """Graves (2013), eqs. 38 to 41."""
    m["v"] = 0.9 * m.get("v", 0) + 0.1 * g**2
    m["m"] = 0.9 * m.get("m", 0) + 0.1 * g
    m["p"] = 0.5 * m.get("p", 0) + 0.01 * g / np.sqrt(m["v"] - m["m"] ** 2 + 1e-8)
    return x - m["p"]


def adam(x, g, k, m, b1=0.8, decay=0.0):
    """Kingma and Ba (2015), algorithm 1; decay after Loshchilov and Hutter (2019), algorithm 2."""
    m["m"] = b1 * m.get("m", 0) + (1 - b1) * g
    m["v"] = 0.999 * m.get("v", 0) + 0.001 * g**2
    step = m["m"] / (1 - b1**k) / (np.sqrt(m["v"] / (1 - 0.999**k)) + 1e-8)
    return x - 0.01 * (step + decay * x)


RULES = {
    "gradient_descent": (tw.methods.gradient_descent(1e-3), lambda x, g, k, m: x - 1e-3 * g),
    "momentum": (tw.methods.momentum(1e-3, 0.8), momentum),
    "nesterov": (tw.methods.nesterov(1e-3), nesterov),
    "adagrad": (tw.methods.adagrad(0.1), adagrad),
    "rmsprop": (tw.methods.rmsprop(0.01), rmsprop),
    "rmsprop centered": (tw.methods.rmsprop(0.01, momentum=0.5, centered=True), centered),
    "adam": (tw.methods.adam(0.01, b1=0.8), adam),
    "adamw": (
        tw.methods.adamw(0.01, weight_decay=0.1),
        lambda x, g, k, m: adam(x, g, k, m, b1=0.9, decay=0.1),
    ),
}


@pytest.fixture(scope="module")
def paths():
    methods = {name: method for name, (method, _) in RULES.items()}
    return tw.run(PROBLEM, methods, steps=40, dtype="float64").x


@pytest.mark.parametrize("name", RULES)
def test_equals_its_formula_step_by_step(name, paths):
    """Written out in NumPy, with the gradient of Rosenbrock's function as SciPy has it."""
    x, memory, rule = np.array(PROBLEM.start, float), {}, RULES[name][1]
    for k in range(41):
        np.testing.assert_allclose(paths.sel(variant=name).values[0, k], x, rtol=1e-9, atol=1e-12, err_msg=f"step {k}")
        x = rule(x, scipy.optimize.rosen_der(x), k + 1, memory)


WIRED = {
    "a rule": (tw.methods.from_optax(optax.lion, learning_rate=0.01), optax.lion(0.01)),
    "a schedule": (
        tw.methods.from_optax(optax.sgd, learning_rate=optax.cosine_decay_schedule(1e-3, 20)),
        optax.sgd(optax.cosine_decay_schedule(1e-3, 20)),
    ),
    "a finished chain": (
        tw.methods.from_optax(optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1))),
        optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)),
    ),
}


@pytest.mark.parametrize("name", WIRED)
def test_from_optax_gives_a_rule_what_its_own_loop_would(name):
    """That the gradient, the state and x reach optax's rule as they should; the rule itself is optax's own."""
    method, rule = WIRED[name]
    trace = tw.run(PROBLEM, method, steps=40, dtype="float64")
    with jax.enable_x64(True):
        x = jax.numpy.asarray(PROBLEM.start)
        state, update = rule.init(x), jax.jit(lambda x, state: rule.update(PROBLEM.gradient(x), state, x))
        for k in range(41):
            np.testing.assert_allclose(trace.x.values[0, 0, k], x, rtol=1e-11, atol=1e-13, err_msg=f"step {k}")
            change, state = update(x, state)
            x = optax.apply_updates(x, change)


def test_line_searches_of_optax_get_the_loss():
    trace = tw.run(
        tw.problems.rosenbrock(2), tw.methods.from_optax(optax.lbfgs, memory_size=5), steps=60, dtype="float64"
    )
    assert float(trace.loss[0, 0, -1]) < 1e-15
