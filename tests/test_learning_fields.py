"""Networks that learn to invert physics: scale-invariant training against Adam on the loss, as published."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

poisson = tw.problems.physics.poisson


def rows(lines, title):
    """The numbers of the table under a title."""
    begin = next(i for i, line in enumerate(lines) if line.startswith(title)) + 2
    table = []
    for line in lines[begin:]:
        if not re.fullmatch(r"[\s\d.e+-]+", line):
            break
        table.append([float(word) for word in line.split()])
    return np.array(table)


@pytest.mark.slow
def test_one_convolution_learns_the_laplacian():
    """Of nine weights the proxy loss is a quadratic of the condition number 2e5, the loss in y one of 5e7."""
    physics = poisson.problem(size=16)

    def network(weights, example):
        y = jnp.pad(example["target"], 1)
        return sum(weights[i, j] * y[i : i + 16, j : j + 16] for i in range(3) for j in range(3))

    problem = tw.training.problem(physics, network, np.zeros((3, 3)), poisson.examples(32, size=16), batch_size=16)
    adam = tw.methods.adam(0.03)
    methods = {"Adam": adam, "scale-invariant": tw.methods.InverseSimulator(inner=adam)}
    record = [tw.training.distance(lambda example: example["truth"])]
    trace = tw.run(problem, methods, steps=400, every=100, record=record)
    found = trace.distance_u[:, 0, -1]
    assert trace.distance_u[0, 0, 0] == pytest.approx(16)  # |x| of 16 x 16 cells, as the network says 0
    assert found.sel(variant="scale-invariant") < 3 < 8 < found.sel(variant="Adam")


@pytest.mark.slow
def test_a_step_of_training_is_one_on_the_proxy_loss():
    """What run does is what a loop of one's own does with ``proxy_loss``: one convolution, one step of descent."""
    physics, examples = poisson.problem(size=8), poisson.examples(4, size=8)
    layer = eqx.nn.Conv2d(1, 1, 3, padding=1, key=jax.random.key(0))
    parameters, static = eqx.partition(layer, eqx.is_inexact_array)

    def network(parameters, example):
        return eqx.combine(parameters, static)(example["target"][None])[0]

    problem = tw.training.problem(physics, network, parameters, examples)
    method = tw.methods.InverseSimulator(inner=tw.methods.gradient_descent(1e-3))
    after = tw.run(problem, method, steps=1).x[0, 0, 1].values
    proxy = tw.training.proxy_loss(physics)

    def loss(parameters):
        return jnp.mean(jax.vmap(lambda example: proxy(network(parameters, example), example))(examples))

    slopes = jax.flatten_util.ravel_pytree(jax.grad(loss)(parameters))[0]
    np.testing.assert_allclose(after, problem.start - 1e-3 * slopes, rtol=1e-4, atol=1e-5)


@pytest.mark.exhaustive
def test_heat_and_poisson_are_learned_sooner_by_scale_invariant_training(page):
    lines, _ = page("fields", seconds=1100)
    step, _, _, ratio = rows(lines, "Heat").T
    assert np.all(ratio[step > 10] > 1)
    assert ratio[step == 50] >= 1.3  # 1.34 here; 1.34 to 1.41 from five initial networks
    step, _, _, ratio = rows(lines, "Poisson").T
    assert np.all(ratio[step > 0] > 1)
    assert ratio[-1] >= 2


@pytest.mark.exhaustive
def test_the_sine_is_learned_alike_at_all_scales(page):
    lines, _ = page("sine", seconds=1100)
    xi, _, invariant, ratio = rows(lines, "distance of x / xi").T
    assert xi[0] == 1 and xi[-1] == 64
    assert ratio[xi == 32] >= 10
    assert invariant.max() <= 3 * invariant.min()
