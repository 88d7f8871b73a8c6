"""The trust region's subproblem is solved exactly, and what follows from it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.methods.conjugate_gradient import ConjugateGradient
from thalweg.methods.trust_region import _within


@pytest.mark.parametrize("kind", ["convex", "indefinite", "hard", "saddle"])
def test_the_step_is_the_minimum_over_the_region(kind):
    """Optimality of a step s: (H + shift) s = -g with H + shift semidefinite, shift (|s| - radius) = 0, shift >= 0."""
    draw, within = np.random.default_rng(7), jax.jit(_within)
    with jax.enable_x64(True):
        for _ in range(50):
            d = int(draw.integers(2, 8))
            w = np.sort(draw.uniform(0.1 if kind == "convex" else -2.0, 3.0, d))
            w[0] = w[0] if kind == "convex" else -abs(w[0]) - 0.1
            w = np.sort(w)
            c = draw.normal(size=d)
            c[0] = 0.0 if kind == "hard" else c[0]
            c = np.zeros(d) if kind == "saddle" else c
            radius = draw.uniform(0.1, 3.0)
            u = np.asarray(within(w, c, radius))
            size = np.linalg.norm(u)
            assert size <= radius * (1 + 1e-9)
            moved = np.argmax(np.abs(u)) if kind != "convex" or size > 0.999 * radius else None
            shift = 0.0 if moved is None else -c[moved] / u[moved] - w[moved]
            np.testing.assert_allclose((w + shift) * u, -c, atol=1e-7)
            assert (w + shift >= -1e-7).all() and shift >= -1e-9
            assert shift < 1e-9 or abs(size - radius) < 1e-7 * radius


@pytest.mark.slow
def test_one_step_solves_a_quadratic_within_the_region():
    problem = tw.problems.quadratic([1.0, 30.0, 4.0])
    trace = tw.run(problem, tw.methods.TrustRegion(radius=10.0), [[2.0, -3.0, 1.0]], steps=1, dtype="float64")
    np.testing.assert_allclose(trace.x.values[0, 0, -1], 0, atol=1e-12)


def test_conjugate_gradients_solve_the_model_in_d_iterations():
    draw = np.random.default_rng(3)
    with jax.enable_x64(True):
        root = draw.normal(size=(6, 6))
        h, g = jnp.asarray(root @ root.T + np.eye(6)), jnp.asarray(draw.normal(size=6))
        inner, norms = ConjugateGradient.begin(g), []
        for _ in range(6):
            inner, done, negative = inner.advance(h @ inner.direction, jnp.inf, 0.0)
            norms.append(float(jnp.linalg.norm(inner.s)))
            assert not negative
        assert done and (np.diff(norms) > 0).all()  # Steihaug 1983, theorem 2.1
        np.testing.assert_allclose(inner.s, -np.linalg.solve(h, g), rtol=1e-9)


def test_conjugate_gradients_follow_negative_curvature_to_the_border():
    with jax.enable_x64(True):
        h, g = jnp.diag(jnp.array([2.0, -1.0])), jnp.array([0.1, 1.0])
        inner, done, negative = ConjugateGradient.begin(g).advance(h @ -g, 3.0, 0.0)
        assert done and negative
        np.testing.assert_allclose(inner.s, -3 * g / jnp.linalg.norm(g), rtol=1e-12)
        np.testing.assert_allclose(inner.r, g + h @ inner.s, rtol=1e-12)


@pytest.mark.slow
def test_levenberg_marquardt_does_not_see_units():
    """Parameters measured in other units take the same path in these units."""
    t, scale = np.linspace(0.0, 2.0, 9), np.array([1e6, 1e-5])
    y = 3.0 * np.exp(-0.7 * t)

    def problem(units):
        return tw.Problem(
            lambda x: x[0] / units[0] * jnp.exp(-x[1] / units[1] * t), loss=tw.SquaredError(y), start=units * 1.0
        )

    paths = [
        tw.run(problem(units), tw.methods.LevenbergMarquardt(), steps=8, dtype="float64").x.values[0, 0] / units
        for units in (np.ones(2), scale)
    ]
    np.testing.assert_allclose(paths[0], paths[1], rtol=1e-8)


def test_bfgs_has_the_secant_equation_and_ends_on_a_quadratic():
    """B' y = s after each accepted step; B is the inverse Hessian after d steps with near exact searches."""
    problem = tw.problems.quadratic([1.0, 7.0])
    with jax.enable_x64(True):
        method, x = tw.methods.BFGS(), jnp.array([1.0, -2.0])
        state = method.init(problem, x, jax.random.key(0))
        checked = 0
        for _ in range(12):
            after, following = method.step(problem, x, state)
            s, y = after - x, following.gradient - state.gradient
            if jnp.any(s != 0) and not following.fresh:
                np.testing.assert_allclose(following.inverse @ y, s, rtol=1e-7, atol=1e-12)
                checked += 1
            x, state = after, following
        assert checked >= 4
        np.testing.assert_allclose(x, 0, atol=1e-6)
