"""Physics that moves: conservation laws, orders of the time steps, oracles, and the stated accuracy of inverses."""

import exponax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import thalweg as tw
from thalweg.problems.physics import burgers, navier_stokes, oscillators, quantum_dipole, spectral

SPRINGS = {"linear": (0.2, 0.0, 1.0), "cubic": (0.0, 1.0, 3.0)}  # of the two forces and the control, as published


def slope(steps, errors):
    """The order of an error in the length of a step."""
    return -np.polyfit(np.log(steps), np.log(errors), 1)[0]


def stage(problem):
    return problem.bind(problem.data).stages[0]


def mapped(make, examples, x, *y):
    """forward, or the inverse of y, for every example at once."""

    def one(example, x, *y):
        bound = stage(make().bind(example))
        return bound.inverse(*y, x) if y else bound.forward(x)

    return jax.jit(jax.vmap(one))(examples, x, *y)


def controls(steps, n, size=0.3):
    return size * np.random.default_rng(7).standard_normal((n, steps))


def steered(kind, u, state):
    """The state to which oscillators come from another."""
    return oscillators.problem(kind, len(u)).bind({"initial": state, "target": state}).forward(u)


def rates(kind):
    linear, cubic, gain = SPRINGS[kind]

    def rate(_, state, u):
        q1, q2, p1, p2 = state
        force = linear * (q2 - q1) + cubic * (q2 - q1) ** 3
        return np.array([p1, p2, force - q1, -force - q2 + gain * u])

    return rate


def energy(kind, state):
    linear, cubic, _ = SPRINGS[kind]
    stretch = state[1] - state[0]
    return np.sum(state**2) / 2 + linear * stretch**2 / 2 + cubic * stretch**4 / 4


@pytest.mark.parametrize("kind", ["linear", pytest.param("cubic", marks=pytest.mark.slow)])
def test_oscillators_state_what_is_true(kind):
    report = oscillators.problem(kind).check()
    assert report, report


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_oscillators_agree_with_an_integrator_to_the_order_of_runge_kutta(kind):
    u, state = controls(6, 1, 1.0)[0], np.array([0.9, 0.1, 0.4, 0.7])  # each for 2 units of time
    expected = state
    for force in u:
        expected = solve_ivp(rates(kind), (0, 2), expected, "DOP853", args=(force,), rtol=1e-13, atol=1e-13).y[:, -1]
    counts = np.array([96, 192, 384])
    with jax.enable_x64(True):
        made = [steered(kind, jnp.repeat(u, n // 6), state) for n in counts]
    errors = np.linalg.norm(np.array(made) - expected, axis=1)
    assert errors[-1] < 1e-5 and slope(counts, errors) == pytest.approx(4, abs=0.2)


def test_linear_oscillators_converge_to_the_exponential_of_their_matrix():
    motion = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [-1.2, 0.2, 0, 0], [0.2, -1.2, 0, 0]])
    initial = np.array([0.3, 0.8, 0.5, 0.2])
    with jax.enable_x64(True):
        y = steered("linear", jnp.zeros(3000), initial)
    np.testing.assert_allclose(y, expm(12 * motion) @ initial, atol=1e-10)


def test_linear_oscillators_are_the_runge_kutta_steps_of_their_forces():
    u, state, h = controls(24, 1, 1.0)[0], np.array([0.9, 0.1, 0.4, 0.7]), 0.5
    rate, expected = rates("linear"), state
    for force in u:
        k1 = rate(0, expected, force)
        k2 = rate(0, expected + h / 2 * k1, force)
        k3 = rate(0, expected + h / 2 * k2, force)
        k4 = rate(0, expected + h * k3, force)
        expected = expected + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    with jax.enable_x64(True):
        np.testing.assert_allclose(steered("linear", jnp.asarray(u), state), expected, rtol=1e-13)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_energy_of_free_oscillators_is_conserved_to_the_order_of_runge_kutta(kind):
    counts, state = np.array([192, 384, 768]), np.array([0.9, 0.1, 0.4, 0.7])
    with jax.enable_x64(True):
        ends = [steered(kind, jnp.zeros(n), state) for n in counts]
    errors = [abs(energy(kind, np.asarray(end)) - energy(kind, state)) for end in ends]
    order = slope(counts, errors)  # linear: the modulus of the amplification is 1 - O(h^6)
    assert errors[-1] < 1e-8 and (order == pytest.approx(5, abs=0.1) if kind == "linear" else order > 4)


@pytest.mark.parametrize(("x64", "kind", "accuracy"), [(False, "linear", 1e-6), (True, "linear", 1e-14)])
def test_inverse_of_linear_oscillators_is_the_nearest_control(x64, kind, accuracy):
    examples = oscillators.examples(64, key=2)
    with jax.enable_x64(x64):
        u = jnp.asarray(controls(24, 64, 1.0))
        found = mapped(oscillators.problem, examples, u, jnp.asarray(examples["target"], u.dtype))
        y = mapped(oscillators.problem, examples, found)
        jacobian = np.asarray(oscillators.problem().jacobian(u[0]))
        assert np.max(np.abs(y - examples["target"])) < accuracy * (1 + np.max(np.linalg.norm(u, axis=1)))
        moved = np.asarray(found - u)  # only along the rows of the Jacobian, across which it would not help
        across = moved - moved @ np.linalg.pinv(jacobian) @ jacobian
        assert np.max(np.abs(across)) < 20 * accuracy and np.max(np.abs(moved)) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("x64", "accuracy"), [(False, 2e-5), (True, 1e-13)])
def test_inverse_of_cubic_oscillators_meets_every_target(x64, accuracy):
    def make():
        return oscillators.problem("cubic")

    examples = oscillators.examples(64, key=2)
    with jax.enable_x64(x64):
        u = jnp.asarray(controls(96, 64))
        before = mapped(make, examples, u)
        target = jnp.asarray(examples["target"], u.dtype).at[:32].set(before[:32])  # half are there, half far away
        found = mapped(make, examples, u, target)
        np.testing.assert_array_equal(found[:32], u[:32])
        assert np.min(np.linalg.norm(before - target, axis=1)[32:]) > 0.1
        assert np.max(np.linalg.norm(mapped(make, examples, found) - target, axis=1)) < accuracy


@pytest.mark.parametrize("kind", ["linear", pytest.param("cubic", marks=pytest.mark.slow)])
def test_an_inverse_simulator_steers_oscillators_in_one_step(kind):
    trace = tw.run(oscillators.problem(kind), tw.methods.InverseSimulator(), steps=1)
    start, end = trace.loss.values.ravel()
    assert start > 0.1 and end < 1e-9


def test_mapped_oscillators_are_those_one_by_one():
    examples, u = oscillators.examples(5, key=1), jnp.asarray(controls(96, 5), jnp.float32)
    problem = oscillators.problem("cubic")
    singly = [problem.bind({name: array[i] for name, array in examples.items()}).gradient(u[i]) for i in range(len(u))]
    together = jax.vmap(lambda example, u: oscillators.problem("cubic").bind(example).gradient(u))(examples, u)
    np.testing.assert_allclose(together, np.stack(singly), rtol=1e-4, atol=1e-5)


def test_examples_of_oscillators_come_from_their_key():
    examples = oscillators.examples(1000, key=4)
    np.testing.assert_array_equal(examples["initial"], oscillators.examples(1000, key=4)["initial"])
    assert not np.array_equal(examples["initial"], oscillators.examples(1000, key=5)["initial"])
    assert examples["initial"].dtype == np.float32 and examples["initial"].shape == (1000, 4)
    assert 0 <= examples["initial"].min() < 0.01 and 0.99 < examples["initial"].max() < 1
    np.testing.assert_array_equal(
        oscillators.problem(key=4).data["target"], oscillators.examples(1, key=4)["target"][0]
    )


def test_oscillators_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match="did you mean 'cubic'"):
        oscillators.problem("cubik")
    with pytest.raises(ValueError, match="steps is 0"):
        oscillators.problem(steps=0)
    with pytest.raises(ValueError, match="n is 0"):
        oscillators.examples(0)
    with pytest.raises(ValueError, match="key is -1"):
        oscillators.problem(key=-1)


def hamiltonian(force):
    """Of the dipole, on 14 points of spacing 2/15."""
    second = 2 * np.eye(14) - np.eye(14, k=1) - np.eye(14, k=-1)
    return second * (15 / 2) ** 2 + np.diag(force * np.arange(1, 15) * 2 / 15)


def cayley(u, psi):
    for force in u:
        half = 0.025j * hamiltonian(force)
        psi = np.linalg.solve(np.eye(14) + half, (np.eye(14) - half) @ psi)
    return psi


@pytest.mark.slow
def test_dipole_states_what_is_true():
    report = quantum_dipole.problem(48).check()
    assert report, report


@pytest.mark.parametrize(("x64", "accuracy"), [(False, 2e-5), (True, 1e-12)])
def test_dipole_takes_unitary_steps(x64, accuracy):
    u = controls(384, 1, 1.0)[0]
    with jax.enable_x64(x64):
        psi = quantum_dipole.evolve(jnp.asarray(u), quantum_dipole.eigenstate(1))
        assert abs(np.linalg.norm(psi) - 1) < accuracy
        np.testing.assert_allclose(psi, cayley(u, quantum_dipole.eigenstate(1)), atol=accuracy)
        back = quantum_dipole.evolve(jnp.asarray(u[::-1].copy()), jnp.conj(psi))
        np.testing.assert_allclose(jnp.conj(back), quantum_dipole.eigenstate(1), atol=accuracy)


def test_levels_of_the_free_dipole_turn_at_their_frequencies():
    levels, states = np.linalg.eigh(hamiltonian(0.0))
    for n in (1, 2, 3, 14):
        state, turned = quantum_dipole.eigenstate(n), np.exp(-0.05j * 24 * quantum_dipole.frequency(n))
        assert abs(states[:, n - 1] @ state) == pytest.approx(1, abs=1e-12)
        assert np.tan(0.025 * quantum_dipole.frequency(n)) == pytest.approx(0.025 * levels[n - 1], rel=1e-12)
        np.testing.assert_allclose(quantum_dipole.evolve(jnp.zeros(24), state), turned * state, atol=1e-5)


@pytest.mark.slow
def test_gradient_of_the_dipole_is_that_of_its_steps():
    problem, u = quantum_dipole.problem(24), controls(24, 1, 1.0)[0]
    target = problem.data["target"][:, 0].astype(np.float64)

    def loss(u):
        return 1 - abs(target @ cayley(u, quantum_dipole.eigenstate(1))) ** 2

    differences = [(loss(u + 1e-4 * e) - loss(u - 1e-4 * e)) / 2e-4 for e in np.eye(24)]
    with jax.enable_x64(True):
        assert problem.value(u) == pytest.approx(loss(u), abs=1e-12)

        gradient = problem.gradient(u)
        together = jax.vmap(problem.gradient)(jnp.asarray(np.stack([u, 2 * u])))
        np.testing.assert_allclose(gradient, differences, atol=1e-9)
        np.testing.assert_allclose(together[0], gradient, atol=1e-14)


def test_a_field_in_resonance_brings_the_dipole_to_the_second_state():
    problem = quantum_dipole.problem()
    assert problem.value(jnp.zeros(384)) == pytest.approx(1)
    psi = quantum_dipole.evolve(jnp.asarray(problem.start, jnp.float32), quantum_dipole.eigenstate(1))
    assert abs(quantum_dipole.eigenstate(2) @ np.asarray(psi)) ** 2 > 0.9


def test_targets_of_the_dipole_are_superpositions_of_two_states():
    target = quantum_dipole.examples(500, key=3)["target"]
    assert target.shape == (500, 14, 2) and target.dtype == np.float32 and not target[..., 1].any()
    parts = target[..., 0] @ np.stack([quantum_dipole.eigenstate(n) for n in (1, 2, 3)], axis=1)
    np.testing.assert_allclose(parts[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(np.sum(parts**2, axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(target, quantum_dipole.examples(500, key=3)["target"])
    assert np.mean(parts[:, 1] ** 2) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_burgers_states_what_is_true():
    report = burgers.problem(16, 0.05).check()
    assert report, report


def test_burgers_agrees_with_cole_and_hopf():
    size, viscosity = 64, 0.1
    s, k = 2 * np.pi * np.arange(size) / size, np.fft.fftfreq(size, 1 / size)
    u, integral = np.sin(s), -np.cos(s)
    heat = np.fft.fft(np.exp(-integral / (2 * viscosity))) * np.exp(-viscosity * k**2 * 0.5)
    expected = -2 * viscosity * np.fft.ifft(1j * k * heat).real / np.fft.ifft(heat).real
    with jax.enable_x64(True):
        np.testing.assert_allclose(burgers.problem(size, viscosity).forward(u), expected, atol=1e-6)


def test_burgers_agrees_with_an_integrator_and_keeps_momentum():
    examples = burgers.examples(4, key=1)
    k = np.fft.rfftfreq(64, 1 / 64)
    kept = k < 64 / 3

    def rate(_, u):
        product = np.fft.irfft(kept * np.fft.rfft(u)) ** 2 / 2
        return np.fft.irfft(-1j * k * kept * np.fft.rfft(product) - 0.01 * k**2 * np.fft.rfft(u))

    for truth, target in zip(examples["truth"], examples["target"], strict=True):
        u = truth.astype(float)
        expected = solve_ivp(rate, (0, 0.5), u, "DOP853", rtol=1e-10, atol=1e-10).y[:, -1]
        np.testing.assert_allclose(target, expected, atol=1e-5)
        assert np.mean(target) == pytest.approx(np.mean(u), abs=1e-7)
        assert np.sum(target**2) < np.sum(u**2)


@pytest.mark.parametrize(("x64", "accuracy"), [(False, 5e-5), pytest.param(True, 1e-5, marks=pytest.mark.slow)])
def test_time_reversed_burgers_is_its_inverse(x64, accuracy):
    examples = burgers.examples(64, key=2)
    with jax.enable_x64(x64):
        problem = burgers.problem()
        u = jnp.asarray(examples["truth"], float)
        y = jax.vmap(problem.forward)(u)
        back = jax.vmap(lambda y: problem.stages[0].inverse(y, y))(y)  # wherever the guess is
        assert back.dtype == u.dtype
        assert np.max(np.abs(back - u)) < accuracy < 0.01 * np.max(np.abs(y - u))
        np.testing.assert_allclose(y[0], problem.forward(u[0]), atol=1e-6)


def test_an_inverse_simulator_traces_burgers_back_in_one_step():
    problem = burgers.problem()
    trace = tw.run(problem, tw.methods.InverseSimulator(), steps=1)
    np.testing.assert_allclose(trace.x.values.reshape(2, -1)[1], problem.data["truth"], atol=5e-5)
    assert trace.loss.values.ravel()[1] < 1e-9


@pytest.mark.slow
def test_flow_states_what_is_true():
    report = navier_stokes.problem(8).check()
    assert report, report


def test_vortices_of_taylor_and_green_decay():
    s = 2 * np.pi * np.arange(16) / 16
    vorticity = 2 * np.sin(s[:, None]) * np.sin(s)
    with jax.enable_x64(True):
        ended, density = navier_stokes.evolve(jnp.asarray(vorticity), jnp.asarray(vorticity + 3), 0.05)
    np.testing.assert_allclose(ended, np.exp(-2 * 0.05) * vorticity, atol=1e-14)
    np.testing.assert_allclose(density, vorticity + 3, atol=1e-14)  # constant along the stream lines


def test_a_sheared_dye_is_where_the_flow_took_it():
    s = 2 * np.pi * np.arange(32) / 32
    vorticity = jnp.asarray(np.tile(0.5 * np.cos(s), (32, 1)))  # v1 = -sin(s2) / 2, v2 = 0
    with jax.enable_x64(True):
        _, density = navier_stokes.evolve(vorticity.astype(float), jnp.asarray(np.tile(np.cos(s)[:, None], 32)), 0.0)
    np.testing.assert_allclose(density, np.cos(s[:, None] + np.sin(s) / 2), atol=1e-6)


def test_a_flow_keeps_mass_mean_vorticity_and_without_viscosity_energy():
    k = np.fft.fftfreq(16, 1 / 16)
    squares = k[:, None] ** 2 + k**2

    def energy_of(vorticity):
        return np.sum(np.abs(np.fft.fft2(vorticity)) ** 2 / np.where(squares > 0, squares, np.inf)) / 16**4

    examples, counts, changes = navier_stokes.examples(1, key=5), [4, 8, 16], []
    with jax.enable_x64(True):
        vorticity, density = (jnp.asarray(examples[name][0], float) for name in ("truth", "initial"))
        for steps in counts:
            ended, carried = navier_stokes.evolve(vorticity + 0.3, density, 0.0, steps)
            changes.append(abs(energy_of(ended) - energy_of(vorticity)))
            assert float(jnp.mean(ended)) == pytest.approx(float(jnp.mean(vorticity)) + 0.3, abs=1e-14)
            assert float(jnp.mean(carried)) == pytest.approx(float(jnp.mean(density)), abs=1e-14)
    assert np.max(np.abs(carried - density)) > 0.05
    assert changes[-1] < 1e-7 and slope(counts, changes) > 3.8


@pytest.mark.slow
def test_examples_of_flows_are_what_the_forward_gives():
    examples = navier_stokes.examples(3, key=1, size=8)
    problem = navier_stokes.problem(8)
    for i in range(3):
        bound = problem.bind({name: array[i] for name, array in examples.items()})
        y = bound.forward(examples["truth"][i].ravel())
        np.testing.assert_allclose(y, examples["target"][i].ravel(), atol=1e-6)
        assert bound.value(bound.start) > 1e-2 > 1e-8 > bound.value(examples["truth"][i].ravel())
    np.testing.assert_array_equal(examples["truth"], navier_stokes.examples(3, key=1, size=8)["truth"])
    assert {array.dtype for array in examples.values()} == {np.dtype(np.float32)}


@pytest.mark.slow
def test_a_method_moves_toward_the_flow_that_carried_the_dye():
    trace = tw.run(navier_stokes.problem(8), tw.methods.gradient_descent(learning_rate=0.1), steps=5)
    assert np.all(np.diff(trace.loss.values.ravel()) < 0)


def test_wave_numbers_are_those_of_exponax():
    sizes, theirs = ((1, 9), (2, 12)), exponax.spectral

    @jax.jit  # operation by operation it takes seconds
    def expected():
        return [
            (theirs.build_wavenumbers(d, n), theirs.low_pass_filter_mask(d, n, cutoff=(n - 1) // 3)[0])
            for d, n in sizes
        ]

    for (k, kept), (d, n) in zip(expected(), sizes, strict=True):
        ours = spectral.wave_numbers(n, d)
        np.testing.assert_array_equal(ours[0], k)
        np.testing.assert_array_equal(ours[1], kept)


def test_fields_refuse_what_has_no_grid_or_diffuses_backward():
    for module in (burgers, navier_stokes):
        with pytest.raises(ValueError, match="size is 3"):
            module.problem(3)
        with pytest.raises(ValueError, match="viscosity is -1"):
            module.problem(viscosity=-1.0)
