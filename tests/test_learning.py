"""Published figures of training through physics, and that no method fails silently on a bad start."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw


def dense(sizes, key, scale=1.0):
    keys, glorot = jax.random.split(jax.random.key(key), len(sizes)), jax.nn.initializers.glorot_uniform()
    pairs = zip(keys, pairwise(sizes), strict=False)
    return [{"w": scale * glorot(k, (m, n)), "b": jnp.zeros(n)} for k, (m, n) in pairs]


def layers(parameters, h, activation=jnp.tanh):
    for layer in parameters[:-1]:
        h = activation(h @ layer["w"] + layer["b"])
    return h @ parameters[-1]["w"] + parameters[-1]["b"]


def stacked(seeds):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *seeds)


def steering(kind="linear", batch_size=32, activation=jnp.tanh, examples=4096, start=None):
    physics = tw.problems.oscillators(kind=kind)
    start = start or dense((4, 20, 20, 20, physics.dimension), 0)
    data = tw.problems.physics.oscillators.examples(examples)
    return tw.training.problem(physics, lambda p, e: layers(p, e["target"], activation), start, data, batch_size)


@pytest.mark.slow
def test_d05_half_inverse_gradients_steer_coupled_oscillators(lectures):
    starts = stacked([dense((4, 20, 20, 20, 24), key) for key in (0, 1)])
    trace = tw.run(steering(), tw.methods.JacobianPower(0.5, 1e-10), starts, steps=3 * 128, every=128)
    published = np.array(lectures["D05"]["loss per sample at epochs 0..4"][1:4])
    for losses in trace.loss.values[0, :, 1:]:
        assert (np.abs(np.log(losses / published)) < np.log(2)).all()


@pytest.mark.slow
def test_d05_adam_and_scale_invariant_training_beside_it():
    """Adam's eps is that of Keras; the published 0.44 and 2.7e-3 after epochs 1 and 20, and 0.47 and 2.4e-3."""
    adam = tw.methods.adam(1e-3, eps=1e-7)
    methods = {"Adam": adam, "scale-invariant": tw.methods.InverseSimulator(inner=adam)}
    starts = stacked([dense((4, 20, 20, 20, 24), key) for key in (0, 1)])
    trace = tw.run(steering(batch_size=256), methods, starts, steps=20 * 16, every=16)
    for name, published in (("Adam", [0.44, 2.7e-3]), ("scale-invariant", [0.47, 2.4e-3])):
        for losses in trace.loss.sel(variant=name).values[:, [1, 20]]:
            assert (np.abs(np.log(losses / published)) < np.log(2)).all()


@pytest.mark.slow
def test_half_inverse_gradients_steer_cubic_oscillators():
    problem = steering("cubic", 128, jax.nn.relu)
    trace = tw.run(problem, tw.methods.JacobianPower(0.5, 1e-6), steps=7 * 32, every=7 * 32)
    assert trace.loss[0, 0, 0] > 0.5
    assert trace.loss[0, 0, -1] < 2e-3


def waves(scale, seeds):
    """Case D06."""
    x = np.random.default_rng(0).uniform(-1, 1, 1024).astype(np.float32)
    factors = np.array([1.0, scale], np.float32)
    return tw.training.problem(
        tw.Problem(lambda u: factors * u, loss=tw.SquaredError(lambda e: e["target"], 0.5), start=np.zeros(2)),
        lambda parameters, example: layers(parameters, example["x"][None]),
        seeds[0],
        {"x": x, "target": np.stack([np.sin(6 * x), np.cos(9 * x)], 1)},
        batch_size=256,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "bound"), [(1.0, 1e-4), (0.01, 2e-3)])
def test_d06_half_inverse_gradients_see_an_output_however_it_is_scaled(scale, bound):
    seeds = [dense((1, 7, 2), key) for key in (1, 2, 3)]
    trace = tw.run(waves(scale, seeds), tw.methods.JacobianPower(0.5, 1e-6), stacked(seeds), steps=10_000, every=10_000)
    assert trace.loss[0, 0, 0] > 0.2
    assert (trace.loss[0, :, -1] < bound).all()


METHODS = {
    "GD": tw.methods.gradient_descent(1e-2),
    "Adam": tw.methods.adam(1e-2),
    "half-inverse": tw.methods.JacobianPower(0.5, 1e-6),
    "Gauss-Newton": tw.methods.JacobianPower(1.0, 1e-6),
    "without a matrix": tw.methods.KrylovPower(0.5, 1e-6, products=8),
    "scale-invariant": tw.methods.InverseSimulator(inner=tw.methods.adam(1e-2)),
    "L1": tw.methods.InverseSimulator(inner=tw.methods.adam(1e-2), proxy="l1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["saturated", "zero", "huge"])
def test_no_method_fails_silently_from_a_bad_start(name, kind):
    """A thousand steps from weights 30 times too large, zero or of 1e18: finite, or diverged and it is said where."""
    start = dense((4, 8, 8, 24), 0, {"saturated": 30.0, "zero": 0.0, "huge": 1e18}[kind])
    problem = steering(batch_size=8, examples=64, start=start)
    trace = tw.run(problem, METHODS[name], steps=1000, every=20)
    finite = bool(np.isfinite(trace.x).all() and np.isfinite(trace.y).all() and np.isfinite(trace.loss).all())
    outcome = tw.analysis.outcome(trace, problem)
    diverged = outcome.attrs["flag_meanings"].split()[int(outcome[0, 0])] == "diverged"
    assert finite or (diverged and str(outcome.space.values[0, 0]) in ("x", "u", "y", "loss"))
    assert finite or kind == "huge"


def test_outcomes_of_training_say_where_it_broke_first():
    """A network whose output grows without bound breaks the physics first: y is lost where x and u are still finite."""
    physics = tw.Problem(lambda u: jnp.exp(jnp.exp(u)), loss=lambda y, e: jnp.sum(y) * e["sign"], start=np.zeros(1))
    problem = tw.training.problem(physics, lambda p, e: p * e["sign"], np.ones(1), {"sign": np.array([1.0, 1.0])})
    trace = tw.run(problem, tw.methods.gradient_descent(-0.05), steps=20)
    outcome = tw.analysis.outcome(trace, problem)
    assert outcome.attrs["flag_meanings"].split()[int(outcome[0, 0])] == "diverged"
    assert str(outcome.space.values[0, 0]) == "y"
    assert "diverged (y)" in tw.analysis.table(trace, problem).to_string()
