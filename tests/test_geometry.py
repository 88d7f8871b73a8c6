"""Eigenvalues of Hessians against NumPy's; the edge of stability; the counts and the memory of a large network."""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg import geometry
from thalweg.numerics.lanczos import largest


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def spectra(d, draw):
    """Eigenvalues that are hard to find."""
    i = np.arange(d)
    return {
        "uniform": draw.uniform(-1, 1, d),
        "close together": 1 + 1e-4 * draw.uniform(size=d),
        "a cluster on top": np.where(i < d // 3 + 1, 1 + 1e-7 * draw.normal(size=d), draw.uniform(0, 0.9, d)),
        "one positive among large negative": np.where(i == 0, 1.0, -100 * draw.uniform(0, 1, d)),
        "over twelve decades": np.logspace(-8, 4, d),
        "denser to the top": np.cos(np.pi * (i + 0.5) / d) + 2,
        "low rank": np.where(i < 3, draw.uniform(1, 3, d), 0),
        "low rank, negative": np.where(i < 3, -draw.uniform(1, 3, d), 0),
        "all the same": np.full(d, 3.0),
        "in pairs": np.repeat(draw.uniform(1, 2, (d + 1) // 2), 2)[:d],
        "zero": np.zeros(d),
        "squares out of range": 1e-200 * draw.uniform(0.5, 1, d),
    }


def rotated(eigenvalues, draw):
    q = np.linalg.qr(draw.normal(size=(len(eigenvalues),) * 2))[0]
    a = (q * eigenvalues) @ q.T
    return (a + a.T) / 2


@pytest.mark.parametrize("d", [1, 2, 5, 50, pytest.param(200, marks=pytest.mark.slow)])
def test_lanczos_finds_the_largest_eigenvalue(float64, d):
    draw = np.random.default_rng(d)
    largest = jax.jit(lambda a, start: geometry.lanczos(lambda v: a @ v, start))
    for seed in range(10 if d < 200 else 3):
        for name, eigenvalues in spectra(d, draw).items():
            a = rotated(eigenvalues, draw)
            true = np.linalg.eigvalsh(a)
            found = largest(a, draw.normal(size=d))
            value, vector = float(found.values[0]), np.asarray(found.vectors[0])
            rounding, scale = 1e-13 * np.abs(true).max(), 1 / max(np.abs(true).max(), 1e-300)
            case = f"{name}, {seed}"
            assert abs(value - true[-1]) <= 1e-6 * abs(true[-1]) + rounding, case
            np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-9, err_msg=case)
            residual = np.linalg.norm(scale * (a @ vector - value * vector)) / scale
            assert residual <= 1.5e-8 * abs(value) * 1.01 + 100 * rounding, case
            assert abs(residual - found.residuals[0]) <= 0.01 * residual + 10 * rounding, case
            assert int(found.products) <= 1000


@pytest.mark.slow
def test_lanczos_takes_as_many_products_as_there_are_different_eigenvalues(float64):
    six = jax.jit(lambda a: geometry.lanczos(lambda v: a @ v, jnp.ones(40), k=6))
    for count in (1, 2, 5):
        a = rotated(np.resize(np.arange(1.0, count + 1), 40), np.random.default_rng(count))
        found = six(a)
        assert int(found.products) == count
        np.testing.assert_allclose(found.values[:count], np.arange(count, 0, -1), rtol=1e-12)
        assert np.all(np.isneginf(found.values[count:])) and np.all(found.vectors[count:] == 0)


@pytest.mark.slow
def test_lanczos_error_is_within_its_residuals_at_any_number_of_products(float64):
    draw = np.random.default_rng(0)
    a = rotated(draw.normal(size=100), draw)
    true = np.linalg.eigvalsh(a)
    last = -np.inf
    for products in (1, 12, 50):
        lanczos = partial(geometry.lanczos, lambda v: a @ v, basis=20, products=products, tolerance=0.0)
        found = jax.jit(lanczos)(jnp.ones(100))
        (value,), (residual,) = np.asarray(found.values), np.asarray(found.residuals)
        assert int(found.products) == products
        assert np.min(np.abs(true - value)) <= residual + 1e-13
        assert last <= value <= true[-1] + 1e-13  # each is a lower bound, and no worse than the one before
        last = value
    assert abs(last - true[-1]) < 1e-6


def test_lanczos_without_a_basis_finds_the_same(float64):
    draw = np.random.default_rng(9)

    @jax.jit
    def both(a, start):
        found = geometry.lanczos(lambda v: a @ v, start, 1, 16, 16, 1e-2)
        return found.values[0], found.products, *largest(lambda v: a @ v, start, 16, 1e-2)

    for name, eigenvalues in spectra(200, draw).items():
        a = rotated(eigenvalues, draw)
        value, products, same, as_many = both(a, draw.normal(size=200))
        norm = np.abs(np.linalg.eigvalsh(a)).max()
        assert abs(float(value) - float(same)) <= 1e-13 * norm and int(products) == int(as_many), name


def test_lanczos_goes_on_past_orthogonality(float64):
    draw = np.random.default_rng(4)
    a = rotated(np.geomspace(1e-3, 1.0, 50) ** 3, draw)
    value, products = jax.jit(lambda start: largest(lambda v: a @ v, start, 120, -1.0))(draw.normal(size=50))
    assert int(products) == 120  # of 50 components, so that vectors repeat
    assert float(value) == pytest.approx(1, rel=1e-12)


def test_lanczos_of_what_is_not_finite_ends(float64):
    found = jax.jit(partial(geometry.lanczos, lambda v: v * jnp.nan))(jnp.ones(30))
    assert np.isnan(found.values[0]) and int(found.products) == 1


@pytest.mark.parametrize("d", [3, 40, 100])
@pytest.mark.slow
def test_sharpness_and_spectrum_are_those_of_numpy(float64, d):
    draw = np.random.default_rng(d)
    cases = spectra(d, draw)
    hessians = np.stack([rotated(eigenvalues, draw) for eigenvalues in cases.values()])
    problem = tw.Problem(loss=lambda x, a: x @ a @ x / 2, start=np.ones(d))

    @jax.jit
    @jax.vmap
    def found(a):
        bound = problem.bind(a)
        return geometry.sharpness(bound, bound.start), geometry.spectrum(bound, bound.start, 3)

    for name, a, one, several in zip(cases, hessians, *map(np.asarray, found(hessians)), strict=True):
        true = np.linalg.eigvalsh(a)[::-1]
        rounding = 1e-13 * np.abs(true).max()
        assert abs(one - true[0]) <= 1e-6 * abs(true[0]) + rounding, name
        assert np.all(np.abs(several - true[:3]) <= 1e-6 * np.abs(true[:3]) + rounding), name


@pytest.mark.slow
def test_repeated_eigenvalues_are_told_as_often_as_they_are():
    problem = tw.problems.quadratic(np.repeat([2.0, 7.0, 9.0], [40, 40, 3]), rotation_key=5)
    found = jax.jit(partial(geometry.spectrum, problem, k=5))(jnp.zeros(83))
    np.testing.assert_allclose(found, [9, 9, 9, 7, 7], rtol=1e-5)


def test_condition(float64):
    def condition(problem):
        return float(jax.jit(partial(geometry.condition, problem))(problem.start))

    assert condition(tw.problems.scaling(10.0)) == pytest.approx(100, rel=1e-13)
    saddle = tw.problems.quadratic(np.append(-np.geomspace(2, 500, 10), 1.0), rotation_key=1)
    assert condition(saddle) == pytest.approx(500, rel=1e-10)
    assert np.isinf(condition(tw.problems.quadratic([1.0, 0.0])))


def test_facts_follow_derivatives_by_differences(float64):
    given = tw.problems.himmelblau()
    problem = tw.Problem(loss=given.loss, start=[1.0, 2.0], derivatives=tw.FiniteDifference())
    np.testing.assert_allclose(
        geometry.spectrum(problem, problem.start, 2), geometry.spectrum(given, problem.start, 2), rtol=1e-5
    )


class Diagonal(NamedTuple):
    """The part of a method that matters here."""

    power: float

    def preconditioner(self, state):
        return state**self.power


@pytest.mark.parametrize("d", [2, 100])
@pytest.mark.slow
def test_preconditioned_sharpness(float64, d):
    draw = np.random.default_rng(d)
    a, nu = rotated(draw.uniform(-1, 5, d), draw), draw.uniform(0.1, 10, d)
    problem = tw.Problem(loss=lambda x: x @ a @ x / 2, start=np.ones(d))
    for method in (Diagonal(0.5), Diagonal(1.0)):
        p = nu**method.power
        true = np.linalg.eigvals(a / p[:, None]).real.max()  # P^-1 H has the same eigenvalues
        found = jax.jit(partial(geometry.preconditioned_sharpness, problem, method=method))(problem.start, state=nu)
        assert float(found) == pytest.approx(true, rel=1e-6)
    plain = geometry.preconditioned_sharpness(problem, problem.start, tw.methods.Newton(), ())
    assert float(plain) == float(geometry.sharpness(problem, problem.start))


def test_misuse_is_named():
    problem = tw.problems.rosenbrock(3)
    with pytest.raises(ValueError, match=r"^k is 4, but the Hessian of 'rosenbrock\(d=3\)' has 3 eigenvalues; give at"):
        geometry.spectrum(problem, problem.start, 4)
    with pytest.raises(ValueError, match="k is 0, but it must be a whole number of at least 1"):
        geometry.spectrum(problem, problem.start, 0)
    with pytest.raises(ValueError, match="k is 3, but a basis of 2 vectors in 9 components has 2 eigenvalues"):
        geometry.lanczos(lambda v: v, jnp.ones(9), k=3, basis=2)
    large = tw.problems.quadratic(np.ones(5000))
    with pytest.raises(ValueError, match=r"has 5000 components, but the condition .* at most 4096; use spectrum\("):
        geometry.condition(large, large.start)


# Networks.


def network(sizes, examples, key):
    """Mean squared error of a tanh network on random data, its weights a pytree."""
    draw = np.random.default_rng(key)
    start = [{"w": draw.normal(size=(m, n)) / np.sqrt(m), "b": np.zeros(n)} for m, n in pairwise(sizes)]
    inputs = draw.normal(size=(examples, sizes[0])).astype(np.float32)
    targets = draw.normal(size=(examples, sizes[-1])).astype(np.float32)

    def predict(layers):
        h = inputs
        for layer in layers[:-1]:
            h = jnp.tanh(h @ layer["w"] + layer["b"])
        return h @ layers[-1]["w"] + layers[-1]["b"]

    return tw.Problem(predict, loss=lambda y: jnp.mean((y - targets) ** 2), start=start, name="network")


@pytest.mark.slow
def test_gradient_descent_settles_at_the_edge_of_stability():
    # Cohen et al. 2021, figure 1: the sharpness rises to 2 / learning_rate and stays, while the loss goes on to fall.
    problem = network((4, 16, 16, 2), 32, key=0)
    at_start = float(jax.jit(partial(geometry.sharpness, problem))(jnp.asarray(problem.start, jnp.float32)))
    limit = 4 * at_start
    method = tw.methods.gradient_descent(learning_rate=2 / limit)
    trace = tw.run(problem, method, steps=3000, every=50, record=[geometry.sharpness])
    sharpness, loss = trace.sharpness.values.squeeze(), trace.loss.values.squeeze()
    assert float(sharpness[0]) == pytest.approx(at_start, rel=1e-4)
    assert np.mean(sharpness[-20:]) == pytest.approx(limit, rel=0.1)
    assert loss[-1] < loss[20] < loss[0]


@pytest.fixture(scope="module")
def large():
    problem = network((784, 1000, 200, 15), 64, key=0)
    assert problem.dimension > 980_000
    return problem


@pytest.mark.slow
def test_sharpness_of_a_large_network_takes_less_than_forty_gradients(large):
    products = []

    class Counting:
        name, dimension = large.name, large.dimension

        def hessian_product(self, x, v):
            jax.debug.callback(lambda: products.append(2))  # two gradients each
            return large.hessian_product(x, v)

    x = jnp.asarray(large.start, jnp.float32)
    value, true = jax.jit(
        lambda x: (
            geometry.sharpness(Counting(), x),  # type: ignore[arg-type]
            geometry.lanczos(lambda v: large.hessian_product(x, v)[2], jnp.cos(jnp.arange(len(x)) ** 2.0), 1, 60, 60),
        )
    )(x)
    jax.effects_barrier()
    assert 0 < sum(products) < 40
    assert float(value) == pytest.approx(float(true.values[0]), rel=0.04)


@pytest.mark.slow
def test_sharpness_of_a_large_network_holds_at_most_forty_vectors(large):
    x = jax.ShapeDtypeStruct((large.dimension,), jnp.float32)

    def held(f):
        return jax.jit(f).lower(x).compile().memory_analysis().temp_size_in_bytes / (4 * large.dimension)

    assert held(partial(geometry.sharpness, large)) - held(large.gradient) < 40
