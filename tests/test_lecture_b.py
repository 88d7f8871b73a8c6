"""The lecture on optimizers, each case at its own tolerance (``data/lectures.toml``).

B06 is in ``test_lectures.py``, B09, B14 and B15 in ``test_weight_decay.py``, B17 in ``test_one_dimensional.py``.
"""

import time
from dataclasses import dataclass
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg import methods, plot

X = np.arange(0, 10, 0.1)
STRAIGHT = 4 * X
CUBIC = 4 * X**3 + 3
THETA0 = 0.15920352935791016


def line_through_origin(observed, theta0=0.0, x=X):
    """The mean squared error of theta x."""
    return tw.Problem(
        lambda theta, data: theta[0] * data["x"],
        loss=lambda y, data: jnp.mean((y - data["observed"]) ** 2),
        start=[theta0],
        data={"x": x, "observed": observed},
        name="theta x",
    )


@final
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CoordinateDescent:
    """The lecture's descent, a method of one's own: each component at the point that the one before it left."""

    learning_rate: float

    def init(self, problem, x, key):
        return ()

    def step(self, problem, x, state):
        for i in range(x.shape[0]):
            x = x.at[i].add(-self.learning_rate * problem.gradient(x)[i])
        return x, state


def stops_at(losses, criterion=1e-6):
    """The lecture's rule: the first row whose loss is within the criterion of the one before, -1 if there is none."""
    below = np.abs(np.diff(losses)) < criterion
    return int(below.argmax()) + 1 if below.any() else -1


def history(trace, criterion):
    """The lecture's ``return_history``, from one path of a trace."""
    theta, losses = trace.x.values[0, 0], trace.loss.values[0, 0]
    last = stops_at(losses, criterion) - 1  # counted from 0
    return {"theta1s": theta[:, 0], "theta2s": theta[:, 1], "losses": losses, "max_n_iterations": last}


@pytest.fixture(scope="module")
def slope():
    """The data is computed in float32 too: its last digit is worth two of the loss."""
    x = jnp.arange(0, 10, 0.1, dtype=jnp.float32)
    return line_through_origin(np.asarray(4 * x**3 + 3), THETA0, np.asarray(x))


@pytest.fixture(scope="module")
def descent(slope):
    return tw.run(slope, methods.gradient_descent(0.01), steps=20, dtype="float32")


@pytest.fixture(scope="module")
def ackley():
    return tw.problems.ackley(2)


@pytest.fixture(scope="module")
def turns(ackley):
    """20 iterations and what the lecture draws after them."""
    several = {"one by one": CoordinateDescent(0.1), "both at once": methods.gradient_descent(0.1)}
    return tw.run(ackley, several, steps=21, dtype="float32")


@pytest.fixture(scope="module")
def slip(ackley):
    """Adam whose weight decay multiplies the theta of B04: a constant in every gradient, a plane under the loss."""
    tilt = 0.7 * 238.0388641357422
    tilted = tw.Problem(loss=lambda x: ackley.value(x) + tilt * jnp.sum(x), start=[4.0, 4.0], minima=[[0.0, 0.0]])
    return tw.run(tilted, methods.adam(0.01, b1=0.99, b2=0.999, eps=1e-8), steps=400)


def single_examples(examples, key):
    """SGD on points drawn from the square, one at each step."""
    problem = tw.problems.quadratic_fit(examples, key=577, batch_size=1)
    return tw.run(problem, methods.gradient_descent(1e-4), steps=50, key=key)


@pytest.fixture(scope="module")
def stochastic():
    return single_examples(50, 1)


def test_b01_derivative_at_every_point(lectures):
    expected, close = lectures["B01"], {"atol": 1e-6}
    problem = tw.Problem(loss=lambda x: 4 * x[0], start=[0.0], domain=(0.0, 10.0), name="4x")
    f, df = jax.jit(jax.vmap(problem.value_and_gradient))(X[:, None])
    np.testing.assert_allclose(X[:5], expected["head x"], **close)
    np.testing.assert_allclose(f[:5], expected["head f"], **close)
    np.testing.assert_allclose(df[:5, 0], expected["head df"], **close)
    np.testing.assert_allclose(df, np.full((100, 1), 4), **close)
    drawn = plot.landscape(problem).axes[0].get_lines()[-1].get_xydata()
    np.testing.assert_allclose(drawn[:, 1], 4 * drawn[:, 0], rtol=1e-6)


def test_b02_derivative_of_a_loss(lectures):
    expected = lectures["B02"]
    by_hand = 2 * (2 - 4) * np.mean(X**2)
    automatic = jax.jit(line_through_origin(STRAIGHT).gradient)(jnp.array([2.0]))[0]
    assert by_hand == pytest.approx(expected["by hand"], abs=1e-9)
    assert float(automatic) == pytest.approx(expected["autodiff"], abs=5e-4)


def test_b03_start_that_was_drawn(lectures, slope, descent):
    """The number printed is of JAX's random numbers of that time; a start is given, or drawn by a seed of NumPy's."""
    expected = lectures["B03"]["theta0"]
    with jax.threefry_partitionable(False):
        assert jax.random.uniform(jax.random.PRNGKey(577)).item() == expected
    assert descent.x.values[0, 0, 0, 0] == np.float32(expected) == slope.start[0].astype(np.float32)
    drawn = tw.starts.uniform(([0.0], [1.0]), 1, key=577)
    np.testing.assert_array_equal(drawn, tw.starts.uniform(([0.0], [1.0]), 1, key=577))
    assert 0 <= drawn[0, 0] < 1


def test_b04_descent_on_one_parameter(lectures, descent):
    expected = np.array(lectures["B04"]["theta, loss for iterations 1..9"])
    theta, loss = descent.x.values[0, 0, :, 0], descent.loss.values[0, 0]
    np.testing.assert_allclose(theta[1:10], expected[:, 0], rtol=0, atol=6e-4)
    np.testing.assert_allclose(loss[1:10], expected[:, 1], rtol=0, atol=0.07)
    assert stops_at(loss) == lectures["B04"]["converged at"]
    assert theta[10] == pytest.approx(238.03886, abs=6e-4)


def test_b04_in_float64_is_its_closed_form_and_takes_longer():
    double = tw.run(line_through_origin(CUBIC, THETA0), methods.gradient_descent(0.01), steps=20, dtype="float64")
    theta, best = double.x.values[0, 0, :, 0], np.sum(X * CUBIC) / np.sum(X**2)
    factor = 1 - 0.01 * 2 * np.mean(X**2)
    np.testing.assert_allclose(theta, best + (THETA0 - best) * factor ** np.arange(21), rtol=1e-12)
    assert (best, factor) == (pytest.approx(238.0442613, abs=1e-7), pytest.approx(0.3433))
    assert stops_at(double.loss.values[0, 0]) == 15  # ten is an effect of float32


def test_b05_one_line_for_each_iteration_over_the_truth(lectures, descent):
    expected, nine = lectures["B05"], descent.isel(step=slice(1, 10))
    ax = plot.predictions(nine, t=X, observed=CUBIC).axes[0]
    (lines,) = (c.get_segments() for c in ax.collections)
    (truth,) = (line for line in ax.get_lines() if line.get_label() == "observed")
    assert len(lines) + 1 == expected["traces"] and len(lines) == expected["steps"]
    np.testing.assert_array_equal(truth.get_ydata(), CUBIC)
    for drawn, predicted in zip(lines, nine.y.values[0, 0], strict=True):
        np.testing.assert_array_equal(drawn[:, 1], predicted)

    slider = plot.animate(nine, view="predictions", t=X, observed=CUBIC)
    assert slider.frames == expected["steps"]
    for i in range(slider.frames):
        slider.update(i)
        (line,) = (line for line in slider.figure.axes[0].get_lines() if line.get_label() == "sgd")
        np.testing.assert_array_equal(line.get_ydata()[:-1], nine.y.values[0, 0, i])
        assert slider.figure.axes[0].get_title() == f"theta x, step {i + 1}"


def test_b07_one_coordinate_after_the_other(lectures, ackley, turns):
    """Late iterates mean nothing: the rate is above the bound at the nearby minimum, and rounding grows."""
    expected, (one, both) = lectures["B07"], turns.x.values[:, 0]
    np.testing.assert_allclose(one[1], expected["iter 0"], rtol=0, atol=6e-4)
    np.testing.assert_allclose(one[11], expected["iter 10"], rtol=0, atol=2e-3)
    np.testing.assert_allclose(both[[1, 11]], [[3.91, 3.91], [3.723, 3.723]], rtol=0, atol=2e-3)
    assert not np.any(np.all(np.abs(one) < 1e-2, axis=1)) and not expected["converged"]
    basin = jnp.array([3.98307, 3.98307])
    sharpness = float(np.linalg.eigvalsh(jax.jit(ackley.hessian)(basin))[-1])
    assert 2 / sharpness == pytest.approx(0.03754, rel=1e-3) and 2 / sharpness < 0.1
    assert float(ackley.value(basin)) == pytest.approx(10.99826, abs=1e-5)


def test_b08_adam_with_the_theta_of_another_fit(lectures, slip):
    """The slip, not Adam: what Adam does is B09."""
    expected, path = lectures["B08"]["x = y at iteration i"], slip.x.values[0, 0]
    for i, value in expected.items():
        np.testing.assert_allclose(path[int(i)], [value, value], rtol=0, atol=6e-4, err_msg=f"iteration {i}")
    near = np.all(np.abs(path) < 1e-2, axis=1)
    assert near.argmax() == 399  # which the lecture prints as 400


def test_b10_has_converged(lectures):
    """|x - minimum| < 1e-2 is a question to a trace."""
    problem = tw.Problem(loss=lambda x: x[0] ** 2, start=[0.0], minima=[[0.0]])
    trace = tw.run(problem, methods.gradient_descent(0.1), starts=[[0.009], [0.011]], steps=0)
    converged = tw.analysis.distance(trace, problem).isel(variant=0, step=-1) < 1e-2
    assert converged.values.tolist() == list(lectures["B10"].values())


def test_b11_two_parameters_fitted_to_examples(lectures):
    problem = tw.problems.quadratic_fit(50)
    x, y, observed = (problem.data[name] for name in ("x", "y", "observed"))
    for theta in ([0.0, 0.0], [1.0, 2.0], lectures["B11"]["limit"]):
        theta = jnp.array(theta)
        mse = np.mean((float(theta[0]) * x**2 + float(theta[1]) * y**2 - observed) ** 2)
        assert float(problem.value(theta)) == pytest.approx(mse, rel=1e-5)
    fit = tw.run(problem, methods.Newton(), starts=[[0.0, 0.0], [10.0, 0.0]], steps=1, dtype="float64")
    np.testing.assert_allclose(fit.x[0, :, 1], [lectures["B11"]["limit"]] * 2, rtol=1e-12)


def test_b12_one_example_at_a_time(lectures, stochastic):
    """The rate is above the bound of some examples, and yet all agree on (3, 9), so the noise dies out."""
    limit, upstream = lectures["B11"]["limit"], lectures["B12"]["theta"]
    data = tw.problems.quadratic_fit(50, key=577).data
    bounds = 2 / (2 * (data["x"] ** 4 + data["y"] ** 4))
    assert 0 < np.mean(bounds < 1e-4) < 0.1 and stochastic.sizes["step"] == 51
    for trace in (stochastic, single_examples(50, 2)):
        np.testing.assert_allclose(trace.x[0, 0, -1], limit, rtol=0, atol=0.01)
        np.testing.assert_allclose(trace.x[0, 0, -1], upstream, rtol=0, atol=0.02)
        assert np.any(np.diff(trace.loss[0, 0]) > 0)  # stochastic: no descent


@pytest.mark.parametrize("seed", [None, 577])
def test_b13_batches(lectures, seed):
    problem = tw.problems.quadratic_fit(50, key=seed, batch_size=16)
    trace = tw.run(problem, methods.gradient_descent(1e-4), steps=50, key=1)
    assert problem.batch_size == 16
    np.testing.assert_allclose(trace.x[0, 0, 23], lectures["B13"]["theta near"], rtol=0, atol=0.1)
    np.testing.assert_allclose(trace.x[0, 0, -1], lectures["B13"]["theta near"], rtol=0, atol=1e-3)


def test_b16_history(lectures, stochastic):
    kept = history(stochastic, criterion=0.01)
    assert list(kept) == lectures["B16"]["keys"]
    assert len(kept["theta1s"]) == len(kept["theta2s"]) == len(kept["losses"]) == 51
    assert (kept["theta1s"][0], kept["theta2s"][0]) == (0, 0)
    whole = tw.problems.quadratic_fit(50, key=577)
    losses = jax.jit(jax.vmap(whole.value))(np.stack([kept["theta1s"], kept["theta2s"]], axis=1))
    np.testing.assert_allclose(kept["losses"], losses, rtol=1e-4, atol=1e-2)  # over all examples, not the last one's
    last = kept["max_n_iterations"]
    assert 0 < last < 50 and abs(kept["losses"][last + 1] - kept["losses"][last]) < 0.01
    assert np.all(np.abs(np.diff(kept["losses"][: last + 1])) >= 0.01)


def test_b18_surface_and_contours_with_the_path(lectures):
    """Swapped parameters, as upstream has them, would put the star at (9, 3)."""
    problem = tw.problems.quadratic_fit(49, batch_size=16)
    trace = tw.run(problem, {"SGD": methods.gradient_descent(1e-4)}, steps=6)
    movie = plot.animate(trace, problem, view=("surface", "contour"))
    surface, contour = movie.figure.axes
    assert surface.name == "3d" and contour.name == "rectilinear" and movie.frames == 7
    (star,) = (line for line in contour.get_lines() if line.get_label() == "minimum")
    np.testing.assert_array_equal(star.get_xydata(), [lectures["B11"]["limit"]])
    for frame in (0, 3):
        movie.update(frame)
        path = trace.x.values[0, 0, : frame + 1]
        (flat,) = (line for line in contour.get_lines() if line.get_label() == "SGD")
        (high,) = (line for line in surface.get_lines() if line.get_label() == "SGD")
        np.testing.assert_array_equal(flat.get_xydata()[:-1], path)
        np.testing.assert_allclose(np.array(high.get_data_3d())[:2, :-1], path.T)
        np.testing.assert_allclose(np.array(high.get_data_3d())[2, :-1], trace.loss.values[0, 0, : frame + 1])
        assert surface.get_title().endswith(f"step {frame}")


def test_b19_frames_of_both_paths(lectures, ackley, turns, slip):
    expected = lectures["B19"]
    assert (
        plot.animate(turns, ackley).frames
        == expected["frames for B07"]
        == lectures["B07"]["frames printed by the figure"]
    )
    assert (
        plot.animate(slip, ackley).frames
        == expected["frames for B08"]
        == lectures["B08"]["frames printed by the figure"]
    )


def test_b20_seconds(slope):
    began = time.perf_counter()
    trace = tw.run(slope, methods.adam(0.1), steps=5)
    elapsed = time.perf_counter() - began
    assert trace.compile_seconds > 0 and trace.run_seconds > 0
    assert trace.compile_seconds + trace.run_seconds <= elapsed


@pytest.mark.slow
def test_b_page(lectures, page):
    """The numbers of the page are those of the tests: the tables of B04 and B08, and the frames."""
    lines, _ = page("optimizers")
    table = lines.index("gradient descent on theta x, in float32") + 2
    rows = np.array([line.split() for line in lines[table : table + 9]], float)
    expected = np.array(lectures["B04"]["theta, loss for iterations 1..9"])
    np.testing.assert_allclose(rows[:, 1], expected[:, 0], rtol=0, atol=1.1e-3)  # rounded as the lecture's
    np.testing.assert_allclose(rows[:, 3], expected[:, 1], rtol=0, atol=0.07)
    np.testing.assert_array_equal(rows[:, [2, 4]], expected)
    assert lines[lines.index("converged at") + 2].split() == ["float32", "10", "10"]
    table = lines.index("Adam with the stale theta") + 2
    for line in lines[table : table + 6]:
        i, x, y = line.replace("(", "").replace(")", "").replace(",", "").split()[:3]
        np.testing.assert_allclose([float(x), float(y)], lectures["B08"]["x = y at iteration i"][i], atol=1.1e-3)
    assert lines[lines.index("its end") + 3].split() == ["frames", "401", "401"]
    assert [line.split()[-2:] for line in lines if line.lstrip().startswith("frames of the figure")] == [["22", "22"]]


def test_a_problem_with_data_is_drawn_as_the_one_it_is():
    """A loss that has its data asks for no more of it."""
    with_data = line_through_origin(CUBIC)
    closed = tw.Problem(
        lambda theta: theta[0] * X, loss=lambda y: jnp.mean((y - CUBIC) ** 2), start=[0.0], name="theta x"
    )
    drawn = [plot.landscape(p, domain=(0.0, 400.0)).axes[0].get_lines()[-1].get_xydata() for p in (with_data, closed)]
    np.testing.assert_allclose(*drawn, rtol=1e-6)


@pytest.mark.parametrize("size", [0, 50])
def test_batches_that_quadratic_fit_cannot_draw(size):
    with pytest.raises(ValueError, match=f"batch_size is {size}"):
        tw.problems.quadratic_fit(50, batch_size=size)
