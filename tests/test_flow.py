"""Continuous limits: closed forms, SciPy's integrator, and what methods tend to for short steps."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate

import thalweg as tw
from thalweg.methods import damped_newtonian, gradient_descent, gradient_flow, momentum
from thalweg.methods.flow import newtonian_momentum

PARABOLA = tw.problems.quadratic([1.0])
RUGGED = tw.Problem(loss=lambda x: jnp.sum(x**2 + 0.05 * jnp.sin(30 * x) - 0.2), start=[0.3], name="rugged")
EXACT = {"float32": 2e-6, "float64": 1e-10}


def rugged_slope(x):
    return 2 * x + 1.5 * np.cos(30 * x)


def first_path(problem, method, steps, dtype="float64", **arguments):
    return tw.run(problem, method, steps=steps, dtype=dtype, **arguments).x[0, 0].values


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_flow_on_a_quadratic_decays_exponentially(dtype):
    """x_i exp(-curvature_i t / friction), also for steps of time far beyond what gradient descent could take."""
    curvatures = np.array([1.0, 50.0])
    swept = tw.sweep(gradient_flow(0.1), time_step=[0.01, 1.0], friction=[1.0, 2.0])
    trace = tw.run(tw.problems.quadratic(curvatures), swept, [[1.0, -1.0]], steps=12, dtype=dtype)
    rates = curvatures * (trace.time_step / trace.friction).values[:, None]
    expected = np.array([1, -1]) * np.exp(-rates[:, None] * np.arange(13)[:, None])
    np.testing.assert_allclose(trace.x[:, 0], expected, atol=EXACT[dtype])


def oscillation(t, mass, friction):
    """mass x'' + friction x' + x = 0 from x = 1 at rest, by the eigenvalues of its matrix."""
    a = np.array([[0, 1], [-1 / mass, -friction / mass]], complex)
    if friction**2 == 4 * mass:
        rate = friction / (2 * mass)
        return (1 + rate * t) * np.exp(-rate * t)
    values, vectors = np.linalg.eig(a)
    return np.real(np.exp(np.outer(t, values)) * np.linalg.solve(vectors, [1, 0]) @ vectors[0])


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.slow), "float64"])
def test_oscillator_under_over_and_critically_damped(dtype):
    pairs = [(1.0, 0.2), (0.25, 1.0), (1.0, 2.0), (0.5, 8.0)]
    masses, frictions = (sorted(set(side)) for side in zip(*pairs, strict=True))
    swept = tw.sweep(damped_newtonian(0.2), mass=masses, friction=frictions)
    trace = tw.run(PARABOLA, swept, steps=60, dtype=dtype)
    for mass, friction in pairs:
        found = trace.x[np.isclose(trace.mass, mass) & np.isclose(trace.friction, friction)].squeeze()
        np.testing.assert_allclose(found, oscillation(0.2 * np.arange(61), mass, friction), atol=EXACT[dtype])


@pytest.mark.slow
def test_c12_flow_is_that_of_scipy_and_of_short_steps(cases):
    expected, close = cases["C12"]["expected"], cases["C12"]["tolerance"]["atol"]
    flow = first_path(RUGGED, gradient_flow(0.01), steps=100)
    times = 0.01 * np.arange(101)
    theirs = scipy.integrate.solve_ivp(
        lambda _, x: -rugged_slope(x), (0, 1), [0.3], "DOP853", times, rtol=1e-12, atol=1e-12
    ).y[0]
    np.testing.assert_allclose(flow[:, 0], theirs, atol=1e-9)
    assert flow[-1, 0] == pytest.approx(expected["flow at t=1"], abs=close)
    rates = [0.02, 0.05]
    trace = tw.run(RUGGED, tw.sweep(gradient_descent(0.01), learning_rate=rates), steps=1000, dtype="float64")
    small, large = trace.x[:, 0, :, 0].values
    assert small[50] == pytest.approx(expected["eta <= 0.02"], abs=close)  # at t = 1 too
    np.testing.assert_allclose(np.sort(large[-2:]), expected["eta = 0.05"], atol=1e-6)
    np.testing.assert_allclose(large[-2:], large[-4:-2], atol=1e-9)


def slope(steps, errors):
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.slow
def test_gradient_descent_tends_to_the_flow_to_first_order():
    friction, times = 2.0, 0.2 / 2.0 ** np.arange(5)
    curved = tw.Problem(loss=lambda x: x[0] ** 4 / 4 + x[0] ** 2 * x[1] ** 2 + jnp.cosh(x[1]), start=[1.0, -0.7])
    limit = first_path(curved, gradient_flow(1.0, friction), steps=1)[-1]
    ends = [first_path(curved, gradient_descent(dt / friction), round(1 / dt))[-1] for dt in times]
    errors = np.linalg.norm(np.array(ends) - limit, axis=1)
    assert slope(times, errors) == pytest.approx(1, abs=0.05)


def test_momentum_tends_to_newtons_equation_to_first_order():
    """Along the whole path; at its end errors happen to cancel."""
    times, errors = 0.1 / 2.0 ** np.arange(4), []
    for dt in times:
        found = first_path(PARABOLA, momentum(**newtonian_momentum(1.0, 0.5, dt)), round(5 / dt))[:, 0]
        errors.append(np.abs(found - oscillation(dt * np.arange(len(found)), 1.0, 0.5)).max())
    assert slope(times, errors) == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_c24_errors_of_the_printed_and_of_the_consistent_map(lectures):
    """The figures are |x_50 - x(5)| from x = 1 at rest, x_{-1} = x_0; those along the path are larger."""
    mass, friction, dt = 1.0, 0.5, 0.1
    maps = {
        "consistent": momentum(**newtonian_momentum(mass, friction, dt)),
        "printed": momentum(dt * dt / mass, 1 - friction * dt / mass),
        "flow": damped_newtonian(dt, mass, friction),
    }
    trace = tw.run(PARABOLA, maps, steps=50, dtype="float64")
    errors = np.abs(trace.x.sel(variant=["printed", "consistent"]) - trace.x.sel(variant="flow")).squeeze()
    np.testing.assert_allclose(errors[:, -1], [lectures["C24"][name] for name in errors.variant.values], rtol=2e-3)
    np.testing.assert_allclose(errors.max("step"), [0.0472, 0.0257], rtol=2e-3)


def test_consistent_momentum_solves_its_difference_equation():
    mass, friction, dt = 0.7, 1.3, 0.05
    given = newtonian_momentum(mass, friction, dt)
    assert given == {"learning_rate": dt**2 / (mass + friction * dt), "momentum": mass / (mass + friction * dt)}
    x = first_path(RUGGED, momentum(**given), steps=40)[:, 0]
    inertia = mass * (x[2:] - 2 * x[1:-1] + x[:-2]) / dt**2
    np.testing.assert_allclose(inertia, -friction * (x[2:] - x[1:-1]) / dt - rugged_slope(x[1:-1]), atol=1e-9)
    assert newtonian_momentum(0.0, 2.0, 0.1) == pytest.approx({"learning_rate": 0.05, "momentum": 0.0})


@pytest.mark.slow
def test_light_masses_follow_the_gradient_flow():
    trace = tw.run(
        RUGGED, {"n": damped_newtonian(0.1, 1e-4, 2.0), "g": gradient_flow(0.1, 2.0)}, steps=10, dtype="float64"
    )
    np.testing.assert_allclose(trace.x[0], trace.x[1], atol=1e-3)
    assert np.abs(trace.x[0] - trace.x[1]).max() > 1e-9


def test_energy_is_conserved_without_friction_and_falls_with_it():
    problem = tw.problems.himmelblau()

    def energies(friction):
        method = damped_newtonian(0.05, 2.0, friction)

        def step(carry, _):
            x, velocity = method.step(problem, *carry)
            return (x, velocity), (problem.value(x) + 2.0 * velocity @ velocity / 2, jnp.linalg.norm(velocity))

        x = jnp.asarray(problem.start)
        begin = x, method.init(problem, x, jax.random.key(0))
        return problem.value(x), *jax.lax.scan(step, begin, length=100)[1]

    with jax.enable_x64(True):
        start, free, speed = map(np.asarray, jax.jit(energies)(0.0))
        damped = np.asarray(jax.jit(energies)(0.5)[1])
    np.testing.assert_allclose(free, start, rtol=1e-9)
    assert speed.max() > 5  # it moves
    assert np.all(np.diff(damped) < 0) and damped[-1] < 0.3 * start
    swing = first_path(PARABOLA, damped_newtonian(2 * np.pi, 1.0, 0.0), steps=50)[:, 0]
    np.testing.assert_allclose(swing, 1, atol=1e-8)  # after whole periods


@pytest.mark.slow
def test_the_loss_falls_along_the_flow_and_a_path_that_leaves_is_nan():
    steep = tw.Problem(loss=lambda x: -jnp.sum(x**4), start=[1.0])  # x = 1 reaches infinity at t = 1/8
    trace = tw.run(steep, gradient_flow(0.1), [[1.0], [0.1]], steps=20, dtype="float64")
    lost, kept = trace.x[0, :, :, 0].values
    assert np.isfinite(lost[:2]).all() and np.isnan(lost[2:]).all()
    np.testing.assert_allclose(kept, 0.1 / np.sqrt(1 - 0.08 * 0.1 * np.arange(21)), rtol=1e-8)
    assert np.all(np.diff(tw.run(RUGGED, gradient_flow(0.01), steps=30, dtype="float64").loss[0, 0]) <= 1e-15)


@pytest.mark.slow
def test_solve_finishes_with_a_flow():
    fits = tw.solve(PARABOLA, gradient_flow(1.0), [[1.0], [2.0]], gtol=1e-6, dtype="float64")
    assert (fits.outcome == 0).all() and fits.steps.values.tolist() == [[14, 15]]
    assert (fits.evaluations == -1).all()  # as many as diffrax needs


REFUSED = {
    "time step": (lambda: gradient_flow(0.0), r"^time_step is 0\.0, but it must be positive and finite; give"),
    "friction": (lambda: gradient_flow(0.1, friction=-1), "^friction is -1, but it must be positive"),
    "no friction": (lambda: gradient_flow(0.1, friction=0), "^friction is 0, but it must be positive"),
    "negative friction": (lambda: damped_newtonian(0.1, 1.0, -0.5), r"^friction is -0\.5, .* 0 or positive and finite"),
    "mass": (lambda: damped_newtonian(0.1, mass=0), "^mass is 0, but it must be positive"),
    "mass NaN": (lambda: damped_newtonian(0.1, mass=np.nan), "^mass is nan, but it must be positive"),
    "nothing resists": (lambda: newtonian_momentum(0.0, 0.0, 0.1), "both 0, but something must resist .*; give one"),
    "momentum": (lambda: newtonian_momentum(1.0, 1.0, -0.1), r"^time_step is -0\.1, but it must be positive"),
}


@pytest.mark.parametrize(("call", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refusal(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize("make", [gradient_flow, damped_newtonian])
def test_without_diffrax(monkeypatch, make):
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(ValueError, match=rf"^{make.__name__} needs diffrax, .* pip install 'thalweg\[solvers\]'\.$"):
        make(0.1)
