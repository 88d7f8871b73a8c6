"""What theory says of limits and rates, derived from the linearized update of the methods themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.analysis import theory

M = tw.methods
SECOND_MOMENT = 4.0


def linearized(method, spectrum) -> np.ndarray:
    """The eigenvalues of d(x', state')/d(x, state) of one step at the minimum of a quadratic, long after the start."""
    problem = tw.problems.quadratic(spectrum)
    with jax.enable_x64(True):

        def late(path, leaf):
            name = str(getattr(path[-1], "name", "")) if path else ""
            if name in ("nu", "sum_of_squares"):
                return jnp.full_like(leaf, SECOND_MOMENT)
            return jnp.full_like(leaf, 1_000_000) if name == "count" else 0 * leaf

        x = jnp.zeros(len(spectrum))
        state = jax.tree_util.tree_map_with_path(late, method.init(problem, x, jax.random.key(0)))
        leaves, tree = jax.tree.flatten((x, state))
        moving = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
        sizes = np.cumsum([leaves[i].size for i in moving])[:-1]

        def step(flat):
            now = list(leaves)
            for i, part in zip(moving, jnp.split(flat, sizes), strict=True):
                now[i] = part.reshape(leaves[i].shape)
            after = jax.tree.leaves(method.step(problem, *jax.tree.unflatten(tree, now)))
            return jnp.concatenate([after[i].ravel() for i in moving])

        flat = jnp.concatenate([leaves[i].ravel() for i in moving])
        return np.linalg.eigvals(np.asarray(jax.jit(jax.jacfwd(step))(flat)))


# Each method with the P by which it divides the gradient in its next step, where the gradient is zero.
CASES = {
    "sgd": (M.gradient_descent(0.03), 1.0),
    "sgd, momentum": (M.momentum(0.03, 0.7), 1.0),
    "sgd nesterov": (M.nesterov(0.03, 0.7), 1.0),
    "adam": (M.adam(0.03, b1=0.8, b2=0.97), np.sqrt(0.97 * SECOND_MOMENT) + 1e-8),
    "adamw": (M.adamw(0.03, b1=0.8, b2=0.97, weight_decay=5.0), np.sqrt(0.97 * SECOND_MOMENT) + 1e-8),
    "rmsprop": (M.rmsprop(0.03, 0.9), np.sqrt(0.9 * SECOND_MOMENT + 1e-8)),
    "rmsprop, momentum": (M.rmsprop(0.03, 0.9, momentum=0.6), np.sqrt(0.9 * SECOND_MOMENT + 1e-8)),
    "rmsprop centered": (M.rmsprop(0.03, 0.9, momentum=0.6, centered=True), np.sqrt(0.9 * SECOND_MOMENT + 1e-8)),
    "adagrad": (M.adagrad(0.03), np.sqrt(SECOND_MOMENT + 1e-7)),
}


@pytest.mark.parametrize("name", CASES)
def test_at_the_limit_an_eigenvalue_of_the_update_is_minus_one(name):
    method, divisor = CASES[name]
    trace = tw.run(tw.problems.quadratic([1.0]), method, steps=0)
    ((rule, numbers),) = theory.variants_of(trace)
    assert rule == name.partition(",")[0]
    numbers = {k: float(np.asarray(method.hyper[k])) for k in numbers}  # in float64
    edge = theory.limit(rule, numbers) * divisor
    at, below, above = (linearized(method, [edge * part]) for part in (1.0, 0.999, 1.001))
    assert np.min(np.abs(at + 1)) < 1e-9
    assert np.max(np.abs(below)) <= 1 and np.min(np.abs(below + 1)) > 1e-5
    assert np.max(np.abs(above)) > 1 + 1e-5 and np.min(np.abs(linearized(method, [0.5 * edge]) + 1)) > 1e-2


@pytest.mark.parametrize("seed", range(4))
def test_rates_are_spectral_radii_of_the_update(seed):
    rng = np.random.default_rng(seed)
    spectrum, eta, m, damping = rng.uniform(0.5, 5, 3), rng.uniform(0.05, 0.4), rng.uniform(0.1, 0.95), rng.uniform()
    for method, rule, numbers in (
        (M.gradient_descent(eta), "sgd", {"learning_rate": eta}),
        (M.momentum(eta, m), "sgd", {"learning_rate": eta, "momentum": m}),
        (M.nesterov(eta, m), "sgd nesterov", {"learning_rate": eta, "momentum": m}),
        (M.Newton(eta, damping), "Newton", {"learning_rate": eta, "damping": damping}),
    ):
        expected = np.max(np.abs(linearized(method, spectrum)))
        assert theory.rate(rule, numbers, spectrum) == pytest.approx(expected, rel=1e-8), rule
        assert theory.order(rule, numbers, spectrum) == (1 if expected < 1 else pytest.approx(np.nan, nan_ok=True))


def test_momentum_is_best_where_the_eigenvalues_meet():
    """Polyak's eta = (2 / (sqrt L + sqrt mu))^2 and m = ((sqrt k - 1) / (sqrt k + 1))^2 give the rate sqrt m (1964)."""
    low, high = 1.0, 100.0
    eta, m = (2 / (low**0.5 + high**0.5)) ** 2, ((10 - 1) / (10 + 1)) ** 2
    best = theory.rate("sgd", {"learning_rate": eta, "momentum": m}, [low, 30.0, high])
    assert best == pytest.approx(9 / 11, rel=1e-6)
    for a, b in ((1.05, 1), (0.95, 1), (1, 1.05), (1, 0.95)):
        other = theory.rate("sgd", {"learning_rate": a * eta, "momentum": b * m}, [low, 30.0, high])
        assert other > best + 1e-3


def test_what_is_not_known_is_nan():
    for rule, numbers in (("lion", {"learning_rate": 0.1, "b1": 0.9}), ("Newton", {"learning_rate": 1.0}), ("sgd", {})):
        assert np.isnan(theory.limit(rule, numbers)), rule
    for rule, numbers in (("adam", {"learning_rate": 0.1}), ("LBFGS", {}), ("sgd", {})):
        assert np.isnan(theory.rate(rule, numbers, [1.0])), rule
    full = {"learning_rate": 1.0, "damping": 0.0}
    assert theory.order("Newton", full, [1.0, 2.0]) == 2 and theory.order("TrustRegion", {}, [1.0]) == 2
    assert np.isnan(theory.order("Newton", full, [0.0, 2.0])) and np.isnan(theory.order("BFGS", {}, [1.0]))
    assert theory.rate("BFGS", {}, [1.0]) == 0 and theory.rate("sgd", {"learning_rate": 0.1}, [0.0, 1.0]) == 1
    for rule in ("GaussNewton", "LevenbergMarquardt"):
        assert theory.order(rule, full, [1.0]) == 2 and np.isnan(theory.order(rule, full, [1.0], residual=True))
    assert theory.rate("GaussNewton", {"learning_rate": 0.25}, [1.0]) == 0.75
