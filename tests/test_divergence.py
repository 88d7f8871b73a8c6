"""Where paths stop being finite: on traces made by hand, and on chains that blow up in a known space."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import thalweg as tw
from thalweg import methods
from thalweg.analysis import OUTCOMES

PATH = ("variant", "start", "step")


def recorded(**rows):
    """A trace of one path, recorded at steps 0, 10, …, from rows of each space along the chain."""
    values = {name: np.asarray(row, float)[None, None] for name, row in rows.items()}
    columns = {name: (PATH + (f"{name}_dim",) * (v.ndim - 3), v) for name, v in values.items()}
    return xr.Dataset(columns, {"variant": ["a"], "start": [0], "step": 10 * np.arange(len(rows["loss"]))})


@pytest.mark.parametrize(
    ("spoiled", "step", "space"),
    [
        ({}, -1, ""),
        ({"loss": 3}, 30, "loss"),
        ({"y": 2, "loss": 2}, 20, "y"),
        ({"y": 2, "loss": 1}, 10, "loss"),
        ({"x": 2, "u": 2, "y": 2, "loss": 2}, 20, "x"),
        ({"x": 3, "u": 2, "y": 3}, 20, "u"),
        ({"size": 1}, -1, ""),
    ],
)
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_the_first_step_and_there_the_first_space_of_the_chain(spoiled, step, space, number):
    """One component of a space is lost at a row; what an observer sees is no space."""
    rows = {"x": np.ones((5, 3)), "u": np.ones((5, 2)), "y": np.ones((5, 2)), "loss": np.ones(5), "size": np.ones(5)}
    for name, row in spoiled.items():
        rows[name][row, ...] = np.where(np.arange(rows[name][row].size) == 0, number, 1).reshape(rows[name][row].shape)
    found = tw.analysis.divergence(recorded(**rows))
    assert (found.step.item(), found.space.item()) == (step, space)
    assert found.step.dims == found.space.dims == ("variant", "start")


def fall(x):
    """sqrt(x), of which gradient descent falls off the edge."""
    return jnp.sqrt(x)


def test_each_space_of_a_chain_can_be_the_first():
    """Of chains the physics, the loss or the update is lost, by the arithmetic of the first step."""

    def fate(forward, loss, start, rate):
        problem = tw.Problem(tw.Stage(forward), loss=loss, start=start)
        trace = tw.run(problem, methods.gradient_descent(rate), steps=8)
        found, judged = tw.analysis.divergence(trace), tw.analysis.outcome(trace, problem)
        return found.step.item(), found.space.item(), OUTCOMES[judged.item()], judged.space.item()

    assert fate(fall, jnp.sum, [1.0], 4.0) == (1, "y", "diverged", "y")  # 1 - 4 / 2 < 0
    assert fate(jnp.exp, lambda y: jnp.sum(jnp.log(y - 1)), [1.0], 1.0) == (
        1,
        "loss",
        "diverged",
        "loss",
    )  # 1 - e/(e-1)
    edge = fate(fall, lambda y: jnp.sum(y**2 + y), [1.0, 0.0], 0.1)  # the slope of the root at 0 is infinite
    assert edge == (1, "x", "diverged", "x")
    grows = fate(jnp.abs, lambda y: jnp.sum(y**2), [1.0], 1.1)  # by 1.44 each step: far from overflow
    assert grows == (-1, "", "diverged", "loss")
    assert fate(jnp.abs, lambda y: jnp.sum(y**2), [1.0], 0.01) == (-1, "", "moving", "")


def test_each_variant_and_start_has_its_own():
    problem = tw.Problem(tw.Stage(fall), loss=lambda y: jnp.sum(y), start=[1.0])
    swept = tw.sweep(methods.gradient_descent(1.0), learning_rate=[0.01, 4.0, 9.0])
    trace = tw.run(problem, {"GD": swept}, [[1.0], [4.0], [9.0]], steps=5)
    found, judged = tw.analysis.divergence(trace), tw.analysis.outcome(trace, problem)

    def fallen(x, rate):
        """The step at which x is below 0; exact."""
        for step in range(6):
            if x < 0:
                return step
            x -= rate / (2 * np.sqrt(x))
        return -1

    expected = [[fallen(x, rate) for x in (1.0, 4.0, 9.0)] for rate in (0.01, 4.0, 9.0)]
    assert set(np.ravel(expected)) == {-1, 1, 2, 4, 5}
    np.testing.assert_array_equal(found.step, expected)
    np.testing.assert_array_equal(found.space, np.where(found.step < 0, "", "y"))
    assert found.learning_rate.values.tolist() == pytest.approx([0.01, 4, 9]) and "x_dim" not in found.coords
    np.testing.assert_array_equal(judged.space, found.space)
    assert judged.space.dims == ("variant", "start")
    fates = tw.analysis.table(trace, problem).outcome
    assert fates.iloc[2] == "diverged (y)" and "diverged (y)" in fates.iloc[1] and "diverged" not in fates.iloc[0]
    assert tw.analysis.divergence(trace.isel(variant=[2], start=[0])).step.item() == 1


def test_a_trace_from_a_file_says_the_same(tmp_path):
    """Variables come back in the order of the chain."""
    problem = tw.Problem(tw.Stage(fall, name="b"), tw.Stage(jnp.exp, name="a"), loss=lambda y: jnp.sum(y), start=[1.0])
    trace = tw.run(problem, methods.gradient_descent(4.0), steps=3)
    trace.to_netcdf(tmp_path / "trace.nc")
    with xr.open_dataset(tmp_path / "trace.nc") as read:
        found = tw.analysis.divergence(read)
    assert found.space.item() == "b"
    xr.testing.assert_equal(found, tw.analysis.divergence(trace))


def test_physics_behind_a_network_that_blow_up():
    """The gradient of (exp(u) - 5)^2 at u = 0 is -8: a rate of 100 leads to u = 800, which the physics cannot take."""
    examples = {"target": np.full((8, 1), 5, np.float32)}
    physics = tw.Problem(tw.Stage(jnp.exp), loss=tw.SquaredError(lambda e: e["target"]), start=np.zeros(1))
    problem = tw.training.problem(physics, lambda p, example: p["b"], {"b": np.zeros(1)}, examples, batch_size=4)
    trace = tw.run(problem, tw.sweep(methods.gradient_descent(1.0), learning_rate=[0.001, 100.0]), steps=6)
    np.testing.assert_allclose(trace.u.values[1, 0, 1], 800)
    found = tw.analysis.divergence(trace)
    np.testing.assert_array_equal(found.step, [[-1], [1]])
    np.testing.assert_array_equal(found.space, [[""], ["y"]])
    assert tw.analysis.table(trace, problem).outcome.iloc[1] == "diverged (y)"
