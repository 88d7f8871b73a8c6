"""The pull-back by a power of the Jacobian: its limits, its oracle, its scale, and its variant without a matrix."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw
from thalweg.numerics.lanczos import bidiagonal_power
from thalweg.numerics.linalg import jacobian_power


@cache
def chain(m, d, seed, factor=0.5):
    """A random smooth map from d to m components, whose Jacobian has full rank."""
    draw = np.random.default_rng(seed)
    a, b, target = draw.normal(size=(m, d)), draw.normal(size=(m, d)), draw.normal(size=m)
    return tw.Problem(
        lambda x: a @ x + 0.1 * jnp.sin(b @ x),
        loss=tw.SquaredError(target=target, factor=factor),
        start=draw.normal(size=d),
    )


@partial(jax.jit, static_argnums=0)
def moved(problem, method, x):
    """The step; numbers of the method are arguments, so that all that differ in these alone are one program."""
    return method.step(problem, x, method.init(problem, x, None))[0] - x


def step(problem, method, dtype="float64"):
    with jax.enable_x64(dtype == "float64"):
        return np.asarray(moved(problem, method, jnp.asarray(problem.start, dtype)))


@cache
def derivatives(problem):
    """dy/dx and dL/dy, residual and its Jacobian, all in float64."""
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        squares = problem.least_squares if isinstance(problem.loss, tw.SquaredError) else lambda x: (x, x)
        found = jax.jit(lambda x: (problem.jacobian(x), problem.loss_gradient(problem.forward(x)), *squares(x)))(x)
    return [np.asarray(one) for one in found]


def oracle(problem, kappa, truncation=0.0, relative=True):
    """-V S^-kappa U^T g by NumPy's singular value decomposition."""
    j, g, *_ = derivatives(problem)
    u, s, vt = np.linalg.svd(j, full_matrices=False)
    kept = s > truncation * (s[0] if relative else 1)
    return -vt[kept].T @ (s[kept] ** -kappa * (u.T[kept] @ g))


SHAPES = [(3, 7), (7, 3), (5, 5), (1, 4), (12, 40)]


@pytest.mark.parametrize(("m", "d"), SHAPES)
@pytest.mark.parametrize("kappa", [-1.0, 0.0, 0.5, 1.0])
def test_the_step_is_that_of_a_singular_value_decomposition(m, d, kappa):
    problem = chain(m, d, seed=m + d)
    expected = oracle(problem, kappa)
    found = step(problem, tw.methods.JacobianPower(kappa, 0.0))
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    single = step(problem, tw.methods.JacobianPower(kappa, 0.0), "float32")
    assert_allclose(single, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize(("m", "d"), SHAPES)
def test_its_ends_are_gradient_descent_and_gauss_newton(m, d):
    problem = chain(m, d, seed=m * d)
    methods = {
        "first": tw.methods.JacobianPower(-1.0, 0.0, 0.3),
        "GD": tw.methods.gradient_descent(0.3),
        "last": tw.methods.JacobianPower(1.0, 0.0, 0.3),
        "GN": tw.methods.GaussNewton(0.3),
    }
    moves = {name: step(problem, method) for name, method in methods.items()}
    scale = np.abs(moves["GD"]).max()
    assert_allclose(moves["first"], moves["GD"], rtol=0, atol=1e-6 * scale)
    if m >= d:  # else Gauss-Newton's shortest step is that in units of each component
        assert_allclose(moves["last"], moves["GN"], rtol=0, atol=1e-6 * np.abs(moves["GN"]).max())
    *_, residual, jacobian = derivatives(problem)
    shortest = -0.3 * np.linalg.pinv(jacobian) @ residual
    assert_allclose(moves["last"], shortest, rtol=0, atol=1e-6 * np.abs(shortest).max())


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_of_a_mean_over_a_batch_the_last_is_two_over_batch_of_a_full_gauss_newton_step(batch):
    """As the docstring says: g has the factor 2 / B of L = mean |y - y*|^2, and J has none."""
    problem = chain(batch, 20, seed=batch, factor=1 / batch)
    *_, residual, jacobian = derivatives(problem)
    full = -np.linalg.pinv(jacobian) @ residual
    assert_allclose(step(problem, tw.methods.JacobianPower(1.0, 0.0)), 2 / batch * full, rtol=1e-8, atol=1e-12)
    assert_allclose(step(problem, tw.methods.JacobianPower(1.0, 0.0, batch / 2)), full, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("relative", [True, False])
def test_truncation_is_relative_to_the_largest_singular_value_or_absolute(relative):
    draw = np.random.default_rng(3)
    u, v = (np.linalg.qr(draw.normal(size=(n, 6)))[0] for n in (6, 9))
    s = np.array([40.0, 20.0, 4.0, 1.0, 0.1, 0.01])
    problem = tw.Problem(lambda x: u * s @ v.T @ x, loss=tw.SquaredError(np.ones(6), 0.5), start=draw.normal(size=9))
    moves = {}
    for truncation in (0.05, 2.0):
        method = tw.methods.JacobianPower(0.5, truncation, relative=relative)
        moves[truncation] = step(problem, method)
        assert_allclose(moves[truncation], oracle(problem, 0.5, truncation, relative), rtol=1e-9, atol=1e-9)
    kept = {True: (3, 0), False: (5, 3)}[relative]
    assert [np.sum(np.abs(v.T @ move) > 1e-9) for move in moves.values()] == list(kept)


def test_half_inverse_steps_scale_with_the_root_of_the_jacobian():
    """y -> c y with the same L turns the step of kappa into c^(-1 - kappa) … of g / c: c^-(1 + kappa)."""
    draw = np.random.default_rng(0)
    a, x = draw.normal(size=(3, 8)), draw.normal(size=8)
    scaled = [
        tw.Problem(lambda x, c=c: c * (a @ x), loss=lambda y, c=c: jnp.sum((y / c) ** 2), start=x) for c in (1.0, 100.0)
    ]
    for kappa in (-1.0, 0.0, 0.5, 1.0):
        moves = [step(problem, tw.methods.JacobianPower(kappa, 0.0)) for problem in scaled]
        assert_allclose(moves[1], moves[0] * 100.0 ** -(1 + kappa), rtol=1e-9)


@pytest.mark.parametrize(
    "kappa", [pytest.param(-1.0, marks=pytest.mark.slow), 0.5, pytest.param(1.0, marks=pytest.mark.slow)]
)
def test_without_a_matrix_it_is_the_same_step_after_as_many_products_as_rows(kappa):
    problem = chain(10, 30, seed=1)
    exact = step(problem, tw.methods.JacobianPower(kappa, 1e-8))
    assert_allclose(step(problem, tw.methods.KrylovPower(kappa, 1e-8, products=10)), exact, rtol=1e-7, atol=1e-9)
    errors = [np.linalg.norm(step(problem, tw.methods.KrylovPower(kappa, 1e-8, products=k)) - exact) for k in (2, 6)]
    assert kappa == -1.0 or errors[0] > 2 * errors[1]


def test_for_kappa_1_products_are_steps_of_conjugate_gradients():
    """k steps of Lanczos on J J^T solve J J^T w = g as k steps of conjugate gradients do (SciPy's)."""
    from scipy.sparse.linalg import cg

    draw = np.random.default_rng(5)
    j, g = draw.normal(size=(12, 30)), draw.normal(size=12)
    a = j @ j.T
    with jax.enable_x64(True):
        for k in (1, 3, 6):
            steps = partial(bidiagonal_power, lambda v: j @ v, lambda w: w @ j, f=inverse_square, products=k)
            w = jax.jit(steps)(g)
            expected, _ = cg(a, g, rtol=0, atol=0, maxiter=k)
            assert_allclose(w, j.T @ expected, rtol=1e-8)


def inverse_square(s):
    return jnp.where(s > 0, 1 / jnp.where(s > 0, s, 1) ** 2, 0)


@pytest.mark.parametrize("condition", [1e2, 1e5])
@pytest.mark.parametrize(("m", "d"), [(12, 30), (30, 12)])
@pytest.mark.parametrize("kappa", [0.5, 1.0])
def test_without_a_matrix_float32_loses_the_rounding_of_the_jacobian_alone(kappa, m, d, condition):
    """That is condition times 6e-8, where by products of J J^T all below its root is gone. No truncation is given, and
    where there are more rows than columns there is a space that J does not reach."""
    draw, n = np.random.default_rng(11), min(m, d)
    u, v = np.linalg.qr(draw.normal(size=(m, n)))[0], np.linalg.qr(draw.normal(size=(d, n)))[0]
    a, g = (u * np.geomspace(1, 1 / condition, n) @ v.T).astype(np.float32), draw.normal(size=m).astype(np.float32)
    left, s, right = np.linalg.svd(a.astype(float), full_matrices=False)
    exact = right.T @ (s**-kappa * (left.T @ g))

    def factors(s):
        return jnp.where(s > 0, jnp.where(s > 0, s, 1) ** (-kappa - 1), 0)

    steps = partial(bidiagonal_power, lambda v: a @ v, lambda w: w @ a, f=factors, products=m)
    found = jax.jit(steps)(jnp.asarray(g))
    assert found.dtype == np.float32
    assert np.linalg.norm(found - exact) < 20 * condition * 6e-8 * np.linalg.norm(exact)


@pytest.mark.parametrize("wide", [True, False])
def test_powers_are_exact_in_both_precisions_where_the_condition_is_large(wide):
    draw = np.random.default_rng(7)
    u, v = np.linalg.qr(draw.normal(size=(24, 24)))[0], np.linalg.qr(draw.normal(size=(60, 24)))[0]
    u, v = (u, v) if wide else (v, u)
    s, b = np.geomspace(1, 1e-4, 24), draw.normal(size=len(u))
    a, exact = u * s @ v.T, v @ (s**-0.5 * (u.T @ b))
    found = jacobian_power(jnp.asarray(a, jnp.float32), jnp.asarray(b, jnp.float32), lambda s: s**-1.5)
    assert found.dtype == np.float32
    size = np.linalg.norm(exact)
    assert np.linalg.norm(np.asarray(found) - exact) < 1e-3 * size  # a itself is rounded to 6e-8 of 1e-4
    with jax.enable_x64(True):
        double = jacobian_power(jnp.asarray(a), jnp.asarray(b), lambda s: s**-1.5)
    assert np.linalg.norm(np.asarray(double) - exact) < 1e-11 * size


@pytest.mark.parametrize(
    ("stage", "m", "d"),
    [
        ("power", 5, 7),
        ("saddle-free", 9, 6),
        pytest.param("power", 9, 6, marks=pytest.mark.slow),
        pytest.param("saddle-free", 5, 7, marks=pytest.mark.slow),
    ],
)
def test_float64_within_a_float32_program_is_that_in_every_verb(m, d, stage):
    """``solve`` maps the trace of a step over lanes, ``run`` the step."""
    problem, method = chain(m, d, 3), tw.methods.JacobianPower(kappa=1.0, learning_rate=0.5)
    if stage == "saddle-free":
        (given,) = problem.given.stages
        inverted = tw.saddle_free_inverse(given, max_decrease=1e9)
        problem = tw.Problem(inverted, loss=problem.loss, start=problem.start)
        method = tw.methods.InverseSimulator(0.1)
    starts = problem.start + 0.1 * np.random.default_rng(0).normal(size=(3, d))
    trace = tw.run(problem, method, starts, steps=4)
    fits = tw.solve(problem, method, starts, gtol=0, max_steps=4, dtype="float32")
    assert fits.x.dtype == np.float32 and np.all(np.diff(trace.loss.values) < 0)
    assert_allclose(fits.x[0], trace.x[0, :, -1], rtol=2e-4, atol=1e-5)


def test_exponents_of_powers_are_those_of_a_linear_map():
    """Near a solution of d = m equations the update is (1 - learning_rate) times the distance, in all directions."""
    swept = tw.sweep(tw.methods.JacobianPower(kappa=1.0), learning_rate=[0.25, 0.75])
    exponents = tw.analysis.lyapunov(chain(3, 3, 2), swept, np.zeros(3), steps=50, exponents=3)
    assert_allclose(exponents, np.log([[0.75] * 3, [0.25] * 3]), rtol=0.02)


@pytest.mark.parametrize("method", [tw.methods.JacobianPower(), tw.methods.KrylovPower(products=4)])
def test_where_nothing_can_be_pulled_back_x_stays(method):
    problem = tw.Problem(lambda x: 0 * x[:2], loss=tw.SquaredError(np.ones(2)), start=[1.0, 2.0, 3.0])
    assert_allclose(step(problem, method, "float32"), np.zeros(3))
