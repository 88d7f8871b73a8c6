"""Heat, Poisson's equation, the sine and the exponential with data: physics, inverses and how the data are drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse

import thalweg as tw

physics = tw.problems.physics
heat, poisson, sine, exponential = physics.heat, physics.poisson, physics.sine, physics.exponential
SMALL = {
    "heat": lambda: heat.problem(size=8, diffusion=1.0),
    "poisson": lambda: poisson.problem(size=9),
    "sine": lambda: sine.problem(xi=32, phi=45),
    "exponential": lambda: exponential.problem(key=3),
}


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def relative(found, exact):
    return float(np.linalg.norm(np.asarray(found) - exact) / np.linalg.norm(exact))


def compiled(problem):
    """The forward of its stage and the inverse."""
    return jax.jit(problem.stages[0].forward), jax.jit(problem.stages[0].inverse)


def box():
    x = np.zeros((64, 64))
    x[10:35, 20:34] = 1
    return x


def smooth(n, size, key=0):
    """n fields in float64."""
    return poisson.examples(n, key, size)["truth"].astype(np.float64)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_what_is_stated_is_true(name):
    problem = SMALL[name]()
    report = problem.check()
    assert report, report
    low, high = problem.domain
    assert len(problem.minima) >= 1
    assert np.all((problem.minima >= low) & (problem.minima <= high))
    with jax.enable_x64(True):
        assert all(problem.value(x) <= 1e-12 for x in problem.minima)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_stages_follow_the_dtype_and_can_be_mapped(name, dtype):
    with jax.enable_x64(dtype == "float64"):
        problem, draw = SMALL[name](), np.random.default_rng(0)
        stage, space = problem.stages[0], problem.chain.spaces[0]
        low, high = problem.domain
        flat = jnp.asarray(draw.uniform(0.9 * low, 0.9 * high, (5, problem.dimension)), dtype)
        x = jax.vmap(space.unravel)(flat)
        y = jax.jit(jax.vmap(stage.forward))(x)
        near = x * (1 + 1e-3)
        back = jax.jit(jax.vmap(stage.inverse))(y, near)
        assert y.dtype == back.dtype == dtype
        eps = float(jnp.finfo(dtype).eps)
        forward, inverse = jax.jit(stage.forward), jax.jit(stage.inverse)
        for i in range(5):
            np.testing.assert_allclose(forward(x[i]), y[i], rtol=0, atol=30 * eps * np.abs(y).max())
            np.testing.assert_allclose(inverse(y[i], near[i]), back[i], rtol=0, atol=1e4 * eps * np.abs(back).max())


# Heat


def test_heat_restores_a_certain_mode_to_rounding(float64):
    forward, inverse = compiled(heat.problem())
    i = np.arange(64)
    x = jnp.asarray(np.cos(2 * np.pi * 2 * i / 64)[:, None] * np.cos(2 * np.pi * i / 64))
    y = forward(x)
    assert relative(y, x) > 0.3
    assert relative(inverse(y, jnp.zeros_like(x)), x) < 1.3e-15
    assert relative(inverse(y, 0.7 * x), x) < 1.3e-15


def test_heat_restores_a_box_as_far_as_it_is_certain(float64):
    (forward, inverse), x = compiled(heat.problem()), jnp.asarray(box())
    y = forward(x)
    assert relative(y, x) == pytest.approx(0.456, abs=5e-4)
    assert relative(inverse(y, jnp.zeros_like(x)), x) == pytest.approx(0.216, abs=5e-4)
    k = 2 * np.pi * np.fft.fftfreq(64)
    exponent = 8 * (k[:, None] ** 2 + k**2)
    assert exponent.max() == pytest.approx(157.9, abs=0.05)
    undamped = np.fft.ifft2(np.exp(np.minimum(exponent, 88)) * np.fft.fft2(y)).real
    assert 1e21 < relative(undamped, x) < 1e23


def test_heat_restores_the_box_in_float32_too():
    (forward, inverse), x = compiled(heat.problem()), jnp.asarray(box(), jnp.float32)
    restored = inverse(forward(x), jnp.zeros_like(x))
    assert restored.dtype == jnp.float32
    assert relative(restored, x) == pytest.approx(0.216, abs=1e-3)


def test_heat_with_noise_needs_its_uncertainty(float64):
    x = jnp.asarray(box())
    noisy = compiled(heat.problem())[0](x) + 1e-4 * np.random.default_rng(0).standard_normal(x.shape)
    error = {u: relative(compiled(heat.problem(uncertainty=u))[1](noisy, jnp.zeros_like(x)), x) for u in (1e-6, 1e-3)}
    assert error[1e-6] > 10
    assert error[1e-3] < 0.6 * relative(noisy, x)


def test_heat_damps_as_the_gradient_where_all_is_noise(float64):
    forward, inverse = compiled(heat.problem(size=16, uncertainty=100.0))
    d = jnp.asarray(smooth(1, 16)[0])
    np.testing.assert_allclose(inverse(d, jnp.zeros_like(d)), forward(d), atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_heat_stays_where_more_steps_are_taken(dtype):
    """Rounding of the float32 target is amplified by 1e5 unless it counts as noise, in float64 too."""
    problem = heat.problem()
    x = tw.run(problem, tw.methods.InverseSimulator(), steps=30, dtype=dtype).x[0, 0].values
    errors = np.linalg.norm(x - problem.minima[0], axis=1) / np.linalg.norm(problem.minima[0])
    assert errors[1] < 0.2
    assert errors[2:].max() < errors[1]
    np.testing.assert_allclose(x.mean(1), [0, *[problem.data["target"].mean()] * 30], rtol=2e-6)


def test_heat_is_the_exponential_of_the_laplacian(float64):
    n, nu_t = 8, 0.7
    frequency = 2 * np.pi * np.fft.fftfreq(n)
    second = np.fft.ifft(-(frequency**2)[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real
    laplacian = np.kron(second, np.eye(n)) + np.kron(np.eye(n), second)
    jacobian = heat.problem(size=n, diffusion=nu_t).jacobian(np.zeros(n * n))
    np.testing.assert_allclose(jacobian, scipy.linalg.expm(nu_t * laplacian), atol=1e-14)


def test_heat_widens_a_gaussian_by_two_nu_t(float64):
    i = np.arange(64) - 32

    def gaussian(variance):
        return np.exp(-(i[:, None] ** 2 + i**2) / (2 * variance)) / (2 * np.pi * variance)

    y = heat.problem(diffusion=8).stages[0].forward(jnp.asarray(gaussian(9.0)))
    np.testing.assert_allclose(y, gaussian(25.0), atol=1e-11)


def test_heat_keeps_the_mean_and_adds_up_in_time(float64):
    x = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (15, 15)))
    first, second, whole = (heat.problem(size=15, diffusion=t).stages[0].forward for t in (3.0, 5.0, 8.0))
    np.testing.assert_allclose(second(first(x)), whole(x), atol=1e-14)
    assert float(whole(x).mean()) == pytest.approx(float(x.mean()), rel=1e-14)
    assert float(whole(x).std()) < float(x.std())


def test_boxes_are_drawn_as_published():
    drawn = heat.examples(1000, key=7)
    truth, target = drawn["truth"].astype(np.float64), drawn["target"].astype(np.float64)
    assert truth.min() == 0
    # 7 boxes on average, half the strength, sides of 10 cells each
    assert truth.mean() == pytest.approx(7 * 0.5 * 10 * 10 / 64**2, rel=0.04)
    np.testing.assert_allclose(target.mean((1, 2)), truth.mean((1, 2)), rtol=1e-6)
    assert heat.examples(50, size=32)["truth"].mean() == pytest.approx(7 * 0.5 * 5 * 5 / 32**2, rel=0.2)


# Poisson


def test_poisson_solves_the_five_point_equations(float64):
    n = 17
    second = scipy.sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(n, n))
    laplacian = scipy.sparse.kronsum(second, second).tocsc()
    x = smooth(1, n)[0]
    stage = poisson.problem(size=n).stages[0]
    solved = scipy.sparse.linalg.spsolve(laplacian, x.ravel()).reshape(n, n)
    np.testing.assert_allclose(stage.forward(jnp.asarray(x)), solved, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(stage.inverse(jnp.asarray(solved), 0.0), (laplacian @ solved.ravel()).reshape(n, n))


@pytest.mark.parametrize(("dtype", "allowed"), [("float32", 1e-3), ("float64", 1e-12)])
def test_poisson_has_an_exact_inverse(dtype, allowed):
    with jax.enable_x64(dtype == "float64"):
        stage = poisson.problem().stages[0]
        x = jnp.asarray(poisson.examples(8, key=2)["truth"], dtype)
        back = jax.vmap(stage.inverse)(jax.vmap(stage.forward)(x), 0 * x)
        assert back.dtype == dtype
        assert float(jnp.abs(back - x).max()) < allowed


def test_poisson_has_the_stated_condition_number(float64):
    n = 11
    values = np.linalg.svd(np.asarray(poisson.problem(size=n).jacobian(np.zeros(n * n))), compute_uv=False)
    assert values[0] / values[-1] == pytest.approx(np.tan(np.pi / (2 * n + 2)) ** -2, rel=1e-9)
    assert np.tan(np.pi / 130) ** -2 == pytest.approx(1711, abs=1)


@pytest.mark.parametrize("smoothness", [1.0, 0.5])
def test_noise_has_the_stated_spectrum(smoothness):
    x = poisson.examples(300, key=1, smoothness=smoothness)["truth"].astype(np.float64)
    np.testing.assert_allclose(x.std((1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(x.mean((1, 2)), 0, atol=1e-6)
    power = np.mean(np.abs(np.fft.fft2(x)) ** 2, 0)
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64))
    seen = frequency > 1 / 31.6
    assert power[~seen].max() < 1e-6 * power[seen].min()
    slope = np.polyfit(np.log(frequency[seen]), np.log(power[seen]), 1)[0]
    assert slope == pytest.approx(-4 * smoothness, abs=0.03)


# Sine


@pytest.mark.parametrize(("xi", "phi", "scale"), [(1, 0, 10), (32, 45, 10), (0.5, -20, 3)])
def test_sine_returns_the_nearest_of_all_solutions(float64, xi, phi, scale):
    problem, draw = sine.problem(xi, phi, scale), np.random.default_rng(0)
    forward, inverse = compiled(problem)
    angle = np.radians(phi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    far = jax.jit(lambda target, x: sine.distance(problem.bind({"target": target}), x))
    targets = sine.examples(40)["target"].astype(np.float64)
    for x, target in zip(draw.uniform(*[side[0] for side in problem.domain], (40, 2)), targets, strict=True):
        y = np.array([np.sin(scale / xi * (turn @ x)[0]), scale * xi * (turn @ x)[1]])
        np.testing.assert_allclose(forward(jnp.asarray(x)), y, atol=1e-12 * xi)
        first = np.arcsin(target[0]) + 2 * np.pi * np.arange(-30, 31)
        phases = np.concatenate([first, np.pi - 2 * np.arcsin(target[0]) + first])
        u = np.stack([phases * xi / scale, np.full(phases.shape, target[1] / (scale * xi))])
        solutions = (turn.T @ u).T
        nearest = solutions[np.argmin(np.linalg.norm(solutions - x, axis=1))]
        np.testing.assert_allclose(inverse(jnp.asarray(target), jnp.asarray(x)), nearest, atol=1e-12 * xi)
        assert far(jnp.asarray(target), jnp.asarray(x)) == pytest.approx(np.linalg.norm(nearest - x), rel=1e-9)


def test_sine_has_the_condition_number_xi_squared(float64):
    values = np.linalg.svd(np.asarray(sine.problem(xi=8, phi=45).jacobian([0.0, 0.0])), compute_uv=False)
    np.testing.assert_allclose(values, [80, 10 / 8], rtol=1e-12)
    assert np.isnan(sine.problem().stages[0].inverse(jnp.array([1.1, 0.0]), jnp.zeros(2))[0])


# Exponential


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exponential_is_inverted_to_rounding(dtype):
    with jax.enable_x64(dtype == "float64"):
        stage = exponential.problem().stages[0]
        x = jnp.linspace(-12, 0, 1001, dtype=dtype)[:, None]
        error = jnp.abs(stage.inverse(stage.forward(x), x) - x).max()
        assert error < 8 * jnp.finfo(dtype).eps * 12
        assert jnp.isnan(stage.inverse(jnp.array([-1.0]), x[0]))[0]


def test_exponents_are_uniform():
    x = exponential.examples(2000, key=1)["truth"]
    assert -12 <= x.min() < -11.9 and -0.1 < x.max() <= 0
    assert x.mean() == pytest.approx(-6, abs=0.2)


# All


ALL = {"heat": heat, "poisson": poisson, "sine": sine, "exponential": exponential}


@pytest.mark.parametrize("name", ALL)
def test_examples_come_from_the_key_alone(name):
    draw = ALL[name].examples
    first, again, other = draw(3, key=5), draw(3, key=5), draw(3, key=6)
    for which, values in first.items():
        assert values.dtype == np.float32 and len(values) == 3
        np.testing.assert_array_equal(values, again[which])
        assert not np.any(np.all(np.equal(values, other[which]).reshape(3, -1), axis=1))
    problem = ALL[name].problem(key=5)
    np.testing.assert_array_equal(problem.data["target"], draw(1, key=5)["target"][0])


@pytest.mark.parametrize("name", ["poisson", "sine", "exponential"])
def test_one_step_of_the_inverse_simulator_solves_an_example(name):
    problem = ALL[name].problem(key=2)
    trace = tw.run(problem, tw.methods.InverseSimulator(), steps=1, dtype="float64")
    x = trace.x[0, 0, 1].values
    assert min(np.abs(x - minimum).max() for minimum in problem.minima) < 1e-5 * max(
        1, np.abs(x).max()
    )  # y* is float32
    assert trace.loss[0, 0, 1] < 1e-12 * trace.loss[0, 0, 0]


def test_distance_is_observed_along_a_run():
    trace = tw.run(
        sine.problem(xi=4, phi=45),
        {"PG": tw.methods.InverseSimulator(0.5), "GD": tw.methods.gradient_descent(1e-5)},
        steps=3,
        record={"distance": sine.distance},
        dtype="float64",
    )
    # The second component is halved with each step, and so is the sine of the first.
    distance = trace.distance.sel(variant="PG")[0].values
    assert np.all(distance[1:] < 0.6 * distance[:-1])
    assert trace.distance.sel(variant="GD")[0, -1] > 0.9 * distance[0]


def test_cases_are_solved_each():
    cases = poisson.examples(4, key=9, size=8)
    fits = tw.solve(poisson.problem(size=8), tw.methods.InverseSimulator(), cases=cases, max_steps=3, dtype="float64")
    np.testing.assert_allclose(fits.x[0, :, 0].values, cases["truth"].reshape(4, 64), atol=2e-4)


def test_words_of_the_command_line_mean_them():
    from thalweg.command import words

    assert words.problem("heat:size=16,diffusion=2", None).name == "heat(size=16, diffusion=2)"
    assert words.problem("poisson:size=8", None).dimension == 64


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: heat.problem(size=3), "size is 3"),
        (lambda: heat.problem(diffusion=0.0), "diffusion is 0.0"),
        (lambda: heat.problem(uncertainty=-1e-6), "uncertainty is -1e-06"),
        (lambda: heat.examples(0), "n is 0"),
        (lambda: poisson.problem(size=2.5), "size is 2.5"),
        (lambda: poisson.examples(1, smoothness=float("nan")), "smoothness is nan"),
        (lambda: sine.problem(xi=0.0), "xi is 0.0"),
        (lambda: sine.problem(scale=-1), "scale is -1"),
        (lambda: sine.problem(phi=float("inf")), "phi is inf"),
        (lambda: sine.examples(-1), "n is -1"),
        (lambda: exponential.examples(True), "n is True"),
        (lambda: poisson.problem(size=4, key=0.5), "key is 0.5"),
    ],
)
def test_what_cannot_be_is_said(make, said):
    with pytest.raises(ValueError, match=said):
        make()
