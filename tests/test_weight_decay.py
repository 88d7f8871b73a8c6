"""Coupled weight decay of rmsprop and adam: the lectures' figures, torch by transcription, and sweeps."""

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.methods import adam, adamw, rmsprop

SIDE = np.linspace(-10, 10, 10)
X, Y = (side.ravel() for side in np.meshgrid(SIDE, SIDE))
TORCH = {"decay": 0.99, "eps_in_sqrt": False}


@pytest.fixture(scope="module")
def model():
    def loss(t):
        return jnp.mean((t[0] * X**2 + t[1] * Y**2 - 3 * X**2 - 9 * Y**2) ** 2)

    return tw.Problem(loss=loss, start=[0.0, 0.0], minima=[[3.0, 9.0]])


def model_gradient(t):
    residual = t[0] * X**2 + t[1] * Y**2 - 3 * X**2 - 9 * Y**2
    return np.array([np.mean(2 * residual * X**2), np.mean(2 * residual * Y**2)])


def test_b14_rmsprop_in_the_form_of_torch(cases, model):
    expected, close = cases["B14"]["expected"], cases["B14"]["tolerance"]
    methods = dict(
        zip(
            expected,
            (
                rmsprop(0.1, momentum=0.9, weight_decay=0.1, **TORCH),
                rmsprop(0.1, **TORCH),
                rmsprop(0.1, centered=True, **TORCH),
            ),
            strict=True,
        )
    )
    trace = tw.run(model, methods, steps=100, dtype="float64")
    for name, figures in expected.items():
        for step, theta in figures.items():
            found = trace.x.sel(variant=name, step=int(step.removeprefix("theta_"))).isel(start=0)
            np.testing.assert_allclose(found, theta, err_msg=f"{name} {step}", **close)


def test_b15_adam(cases, model):
    expected, close = cases["B15"]["expected"], cases["B15"]["tolerance"]
    path = tw.run(model, adam(0.1), steps=400, dtype="float64").x[0, 0].values
    for step in (1, 10, 200):
        np.testing.assert_allclose(path[step], expected[f"theta_{step}"], **close)
    near = np.all(np.abs(path - [3, 9]) < 1e-2, axis=1)
    assert near.argmax() == expected["first i with |theta-(3,9)|<1e-2 per coordinate"]


def transcribed_adam(gradient, x, steps, rate, b1, b2, eps, coupled=0.0, decoupled=0.0, one_by_one=False):
    """torch.optim.Adam and AdamW; ``one_by_one`` as the lecture, whose second component sees the first one's step."""
    m, v, path = np.zeros_like(x), np.zeros_like(x), [x]
    for k in range(1, steps + 1):
        x = x.copy()
        for part in [[0], [1]] if one_by_one else [[0, 1]]:
            g = (gradient(x) + coupled * x)[part]
            m[part] = b1 * m[part] + (1 - b1) * g
            v[part] = b2 * v[part] + (1 - b2) * g**2
            x[part] *= 1 - rate * decoupled
            x[part] -= rate * (m[part] / (1 - b1**k)) / (np.sqrt(v[part] / (1 - b2**k)) + eps)
        path.append(x)
    return np.array(path)


def transcribed_rmsprop(gradient, x, steps, rate, alpha, eps, mu, decay, centered):
    """torch.optim.RMSprop."""
    mean, square, buffer, path = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x), [x]
    for _ in range(steps):
        g = gradient(x) + decay * x
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        buffer = mu * buffer + g / (np.sqrt(square - mean**2 if centered else square) + eps)
        x = x - rate * buffer
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("centered", [False, True])
def test_rmsprop_is_that_of_torch(model, centered):
    method = rmsprop(0.1, momentum=0.5, weight_decay=0.3, centered=centered, **TORCH)
    path = tw.run(model, method, [[1.0, -2.0]], steps=60, dtype="float64").x[0, 0]
    theirs = transcribed_rmsprop(model_gradient, np.array([1.0, -2.0]), 60, 0.1, 0.99, 1e-8, 0.5, 0.3, centered)
    np.testing.assert_allclose(path, theirs, rtol=1e-9)


@pytest.mark.parametrize("kind", ["coupled", "decoupled"])
def test_adam_is_that_of_torch(model, kind):
    method = (adam if kind == "coupled" else adamw)(0.1, weight_decay=0.3)
    path = tw.run(model, method, [[1.0, -2.0]], steps=60, dtype="float64").x[0, 0]
    theirs = transcribed_adam(model_gradient, np.array([1.0, -2.0]), 60, 0.1, 0.9, 0.999, 1e-8, **{kind: 0.3})
    np.testing.assert_allclose(path, theirs, rtol=1e-9)


def ackley_gradient(x):
    r, c = np.sqrt(np.mean(x**2)), np.mean(np.cos(2 * np.pi * x))
    return 2 * np.exp(-0.2 * r) * x / r + np.exp(c) * np.pi * np.sin(2 * np.pi * x)


def test_b09_adam_on_ackley(cases):
    """The figure is of a lecture that updates one component after the other, which takes 290 steps to the origin and
    ends off the diagonal; optax and torch update both at once, stay on it and take 293."""
    expected, close = cases["B09"]["expected"], cases["B09"]["tolerance"]
    given = {"b1": 0.99, "b2": 0.999, "eps": 1e-8}
    methods = dict(
        zip(
            expected,
            (adam(0.01, **given), adam(0.01, **given, weight_decay=0.7), adamw(0.01, **given, weight_decay=0.7)),
            strict=True,
        )
    )
    paths = tw.run(tw.problems.ackley(2), methods, steps=1000, dtype="float64").x.isel(start=0).values
    first, lecture = [], []
    decays = ({}, {"coupled": 0.7}, {"decoupled": 0.7})
    for path, figures, decay in zip(paths, expected.values(), decays, strict=True):
        once, in_turn = (
            transcribed_adam(ackley_gradient, np.array([4.0, 4.0]), 1000, 0.01, **given, **decay, one_by_one=turns)
            for turns in (False, True)
        )
        ends = [np.all(np.abs(p) < 1e-2, axis=1) for p in (path, in_turn)]
        ours, theirs = (int(end.argmax()) or 1000 for end in ends)
        np.testing.assert_allclose(path[:ours], once[:ours], rtol=1e-7)
        np.testing.assert_allclose(path[ours], figures["end"], **close)
        np.testing.assert_allclose(in_turn[theirs], figures["end"], atol=1e-3)
        first, lecture = [*first, ours], [*lecture, theirs]
    assert lecture == [1000, 1000, expected["decoupled (AdamW) 0.7"]["converged i"]]
    assert first == [1000, 1000, 293]


def test_weight_decay_is_a_number_that_is_swept(model, compiled):
    decays = [0.0, 0.1, 0.5]
    swept = {"adam": tw.sweep(adam(0.1, weight_decay=0.1), weight_decay=decays)}
    trace = tw.run(model, swept, steps=30, dtype="float64")
    np.testing.assert_array_equal(trace.weight_decay, decays)
    np.testing.assert_allclose(trace.x[0], tw.run(model, adam(0.1), steps=30, dtype="float64").x[0], rtol=1e-12)
    before = len(compiled)
    again = tw.run(
        model, tw.sweep(adam(0.1, weight_decay=0.1), weight_decay=[0.2, 0.3, 0.5]), steps=30, dtype="float64"
    )
    assert len(compiled) == before
    np.testing.assert_array_equal(again.x[2], trace.x[2])
    assert again.method.values.tolist() == ["adam"] * 3  # the name of the rule, decayed or not


def test_none_leaves_the_rule_of_optax():
    assert adam(0.1) == adam(0.1, weight_decay=None) and "weight_decay" not in adam(0.1).hyper
    assert rmsprop(0.1) == rmsprop(0.1, weight_decay=None) and "weight_decay" not in rmsprop(0.1).hyper
