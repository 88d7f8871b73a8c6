"""Minibatches: every example once per epoch, the same for all lanes, and a step on all data where the batch is all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

N = 12
T = np.linspace(-1, 1, N)


def line(batch_size=None):
    """The mean squared error of a straight line through noisy points."""
    noise = np.random.default_rng(0).normal(0, 0.1, N)
    return tw.Problem(
        lambda x, data: x[0] * data["t"] + x[1],
        loss=lambda y, data: jnp.mean((y - data["observed"]) ** 2),
        start=[0.0, 0.0],
        data={"t": T, "observed": 2 * T - 1 + noise},
        batch_size=batch_size,
    )


def indexed(batch_size):
    """A loss whose gradient is the sum of 2^i over the examples i of the batch: a step tells which it saw."""
    bits = 2.0 ** np.arange(N)
    return tw.Problem(loss=lambda x, data: x[0] * jnp.sum(data), start=[0.0], data=bits, batch_size=batch_size)


def seen(trace):
    """The examples of each step, shape (variant, start, step, N), of unit steps on ``indexed``."""
    sums = np.rint(-np.diff(trace.x.isel(x_dim=0).values, axis=2) / trace.learning_rate.values[:, None, None])
    return (sums.astype(int)[..., None] >> np.arange(N)) & 1


@pytest.mark.parametrize("size", [1, 3, 5, 12])
def test_each_epoch_sees_an_example_at_most_once_and_as_many_as_fit(size):
    epoch, epochs = N // size, 4
    trace = tw.run(indexed(size), tw.methods.gradient_descent(1.0), steps=epoch * epochs, dtype="float64")
    examples = seen(trace)[0, 0]
    np.testing.assert_array_equal(examples.sum(-1), size)
    counts = examples.reshape(epochs, epoch, N).sum(1)
    assert counts.max() == 1
    np.testing.assert_array_equal(counts.sum(-1), epoch * size)


def test_epochs_differ_and_lanes_methods_and_chunks_do_not():
    problem = indexed(1)
    methods = {
        "one": tw.methods.gradient_descent(1.0),
        "many": tw.sweep(tw.methods.gradient_descent(1.0), learning_rate=[0.5, 1.0, 2.0]),
    }
    starts = np.array([[0.0], [1.0]])
    examples = seen(tw.run(problem, methods, starts, steps=4 * N, key=3, dtype="float64"))
    orders = examples.argmax(-1)
    assert (orders == orders[0, 0]).all()
    epochs = orders[0, 0].reshape(4, N)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    thinned = tw.run(problem, methods["one"], starts, steps=4 * N, key=3, every=7, dtype="float64")
    full = tw.run(problem, methods["one"], starts, steps=4 * N, key=3, dtype="float64")
    np.testing.assert_array_equal(thinned.x, full.x.sel(step=thinned.step))
    other = seen(tw.run(problem, methods["one"], steps=4 * N, key=4, dtype="float64")).argmax(-1)
    assert (other[0, 0] != orders[0, 0]).any()


@pytest.mark.slow
def test_a_batch_of_all_examples_is_a_step_on_all_data():
    methods = {"GD": tw.methods.gradient_descent(0.3), "Adam": tw.methods.adam(0.1), "GN": tw.methods.GaussNewton()}
    whole, batched = (tw.run(line(size), methods, steps=20, dtype="float64") for size in (None, N))
    np.testing.assert_allclose(batched.x, whole.x, rtol=1e-12, atol=1e-14)


def test_a_step_is_that_of_the_method_on_its_batch_and_the_record_is_over_all_data():
    problem, order = line(4), tw.run(indexed(4), tw.methods.gradient_descent(1.0), steps=6, dtype="float64")
    trace = tw.run(problem, tw.methods.gradient_descent(0.3), steps=6, dtype="float64")
    assert trace.sizes["y_dim"] == N
    x = np.zeros(2)
    with jax.enable_x64(True):
        for step, examples in enumerate(seen(order)[0, 0].astype(bool)):
            np.testing.assert_allclose(trace.loss[0, 0, step], problem.value(x), rtol=1e-12)
            x = x - 0.3 * np.asarray(problem.bind({k: v[examples] for k, v in problem.data.items()}).gradient(x))
            np.testing.assert_allclose(trace.x[0, 0, step + 1], x, rtol=1e-12)


def test_noise_of_batches_averages_to_the_gradient():
    """The mean over an epoch of unit steps on a linear loss is the gradient on all data, in every epoch."""
    problem = tw.Problem(loss=lambda x, data: x[0] * jnp.mean(data), start=[0.0], data=T**3 + T**2, batch_size=4)
    trace = tw.run(problem, tw.methods.gradient_descent(1.0), steps=9, dtype="float64")
    np.testing.assert_allclose(-np.diff(trace.x[0, 0, ::3, 0]) / 3, np.mean(T**3 + T**2), rtol=1e-12)
    assert np.ptp(np.diff(trace.x[0, 0, :, 0])) > 0.1


def test_an_observer_of_four_arguments_sees_method_and_state():
    def moment(problem, x, method, state):
        return jnp.sqrt(state[0].nu[0]) * method.hyper["learning_rate"]

    problem = tw.Problem(loss=lambda x: 3 * x[0], start=[0.0])
    trace = tw.run(
        problem, tw.sweep(tw.methods.adam(0.1), learning_rate=[0.1, 0.2]), steps=3, record=[moment], dtype="float64"
    )
    expected = np.sqrt(9 * (1 - 0.999 ** np.arange(4)))
    np.testing.assert_allclose(trace.moment[:, 0], np.outer([0.1, 0.2], expected), rtol=1e-9)


@pytest.mark.parametrize(
    ("size", "data", "said"),
    [
        (0, T, "batch_size is 0, but it must be a whole number of at least 1"),
        (N + 1, T, r"batch_size is 13 and the data has the shapes \(12,\), but a batch is drawn from arrays"),
        (2, {"a": T, "b": T[:3]}, r"the data has the shapes \(12,\), \(3,\), but a batch"),
        (2, None, "the data has the shapes none, but a batch"),
    ],
)
def test_batches_that_cannot_be_drawn(size, data, said):
    with pytest.raises(ValueError, match=said):
        tw.Problem(loss=lambda x, data: x[0], start=[0.0], data=data, batch_size=size)


def test_a_loss_for_all_examples_alone_is_refused_at_once():
    with pytest.raises(ValueError, match=r"the loss cannot take input of shape \(4,\)"):
        tw.Problem(lambda x, t: x[0] * t, loss=tw.SquaredError(T), start=[0.0], data=T, batch_size=4)
