"""``minimize`` gives what ``scipy.optimize.minimize`` gives, in the same clothes."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from thalweg import Problem, methods, minimize, run, solve

TIME = np.linspace(0.0, 4.0, 20)
DECAY = 2.5 * np.exp(-1.3 * TIME)


def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def decay(x, t, y):
    return jnp.sum((x[0] * jnp.exp(-x[1] * t) - y) ** 2)


def valley(x):
    """Convex, with its minimum outside of the boxes below."""
    return jnp.sum((x - jnp.arange(1, len(x) + 1)) ** 2) + x[0] * x[-1] + jnp.sum(x**4) / 100


def scipys(fun, x0, **arguments):
    """What SciPy finds with the same derivatives."""
    with jax.enable_x64(True):
        both = jax.jit(jax.value_and_grad(fun))
        options = {"ftol": 0, "gtol": 1e-10, "maxiter": 10_000}
        return scipy.optimize.minimize(
            lambda x: tuple(map(np.asarray, both(x))), x0, jac=True, method="L-BFGS-B", options=options, **arguments
        )


@pytest.mark.parametrize("method", [None, "BFGS", "l-bfgs-b", "Newton-CG", "trust-exact", methods.BFGS(curvature=0.5)])
def test_minimum_is_that_of_scipy(method):
    ours, theirs = minimize(rosenbrock, [-1.2, 1.0], method=method, tol=1e-9), scipys(rosenbrock, [-1.2, 1.0])
    assert isinstance(ours, scipy.optimize.OptimizeResult)
    assert (ours.success, ours.status, ours.message) == (True, 0, "Converged: gtol is met.")
    assert ours.x.dtype == ours.jac.dtype == np.float64 and isinstance(ours.fun, float)
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-7)
    assert np.abs(ours.jac).max() <= 1e-9
    np.testing.assert_allclose(ours.fun, scipy.optimize.rosen(ours.x), atol=1e-12)
    np.testing.assert_allclose(ours.jac, scipy.optimize.rosen_der(ours.x), atol=1e-10)
    assert ours.nfev == ours.njev == ours.nit + 1
    assert {"trust-exact": ours.nfev, None: ours.nfev, "Newton-CG": ours.nit}.get(method, 0) == ours.nhev


BOUNDS = {
    "pairs": [(None, 0.5), (0.0, None), (-1.0, 2.5)],
    "infinite": [(-np.inf, 0.5), (0, np.inf), (-1, 2.5)],
    "SciPy's": scipy.optimize.Bounds([-np.inf, 0, -1], [0.5, np.inf, 2.5]),
    "SciPy's, one for all": scipy.optimize.Bounds(-1, 1),
    "all free": [(None, None)] * 3,
}


@pytest.mark.parametrize("bounds", BOUNDS.values(), ids=BOUNDS)
@pytest.mark.slow
def test_bounded_minimum_is_that_of_scipy(bounds):
    ours, theirs = minimize(valley, [0.1, 0.2, 0.3], bounds=bounds), scipys(valley, [0.1, 0.2, 0.3], bounds=bounds)
    assert ours.success
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-6)
    np.testing.assert_allclose(ours.jac, theirs.jac, atol=1e-5)


@pytest.mark.parametrize("bounds", [None, pytest.param([(None, 0.5)] * 1000, marks=pytest.mark.slow)])
def test_a_thousand_components(bounds):
    x0 = np.linspace(-2.0, 0.4, 1000)

    def fun(x):
        return jnp.sum(jnp.cosh(x - 1)) + jnp.sum((x[1:] - x[:-1]) ** 2)

    ours = minimize(fun, x0, bounds=bounds)
    assert ours.success and ours.nhev == 0
    np.testing.assert_allclose(ours.x, 1.0 if bounds is None else 0.5, atol=1e-5)


@pytest.mark.slow
def test_a_trial_that_a_bound_clips_serves_where_it_is_lower():
    """A wall within the bounds, which the first trials of L-BFGS cross; without it, every trial is too short until a
    bound clips it."""

    def loss(x, wall):
        return -x[0] + wall / (1 + jnp.exp(-50 * (x[0] - 9.5)))

    def found(wall):
        ours = minimize(loss, 0.0, args=(wall,), method="L-BFGS-B", bounds=[(0, 10)])
        assert ours.success
        return ours.x.item()

    grid = np.linspace(0, 10, 1_000_001)
    lowest = grid[np.argmin(-grid + 101 / (1 + np.exp(-50 * (grid - 9.5))))]
    assert found(101.0) == pytest.approx(lowest, rel=1e-5) and found(0.0) == 10


@pytest.mark.slow
def test_arguments_beside_x():
    ours = minimize(decay, [1.0, 1.0], args=(TIME, DECAY), method="bfgs", options={"gtol": 1e-9, "maxiter": 200})
    np.testing.assert_allclose(ours.x, [2.5, 1.3], rtol=1e-8)
    one = minimize(lambda x, power: jnp.sum((x - 3) ** power), 0.0, args=2, method="BFGS")
    np.testing.assert_allclose(one.x, [3.0])


@pytest.mark.slow
def test_how_it_ends():
    few = minimize(rosenbrock, [-1.2, 1.0], method="BFGS", options={"maxiter": 3})
    assert (few.success, few.status, few.nit, few.message) == (False, 1, 3, "Exhausted: maxiter steps are taken.")
    steep = minimize(lambda x: jnp.sum((x**2 - 2) ** 2), [1.0], method="BFGS", tol=1e-18)
    assert (steep.success, steep.status, steep.message[:7]) == (False, 2, "Stalled")
    np.testing.assert_allclose(steep.x, np.sqrt(2), rtol=1e-15)
    tiny = minimize(rosenbrock, [-1.2, 1.0], method="BFGS", options={"gtol": 0, "xtol": 1e-3})
    assert tiny.message == "Converged: xtol is met."
    lost = minimize(lambda x: jnp.log(x[0]), [-1.0])
    assert (lost.success, lost.status, lost.message[:8]) == (False, 3, "Diverged")
    assert np.isnan(lost.fun)


def test_a_function_is_compiled_once(compiled):
    def fun(x, scale):
        return jnp.sum(scale * (x - 2) ** 2)

    minimize(fun, [1.0, 0.0], args=(3.0,), method="BFGS", tol=1e-6)
    before = len(compiled)
    again = minimize(fun, [5.0, 7.0], args=(3.0,), method="BFGS", tol=1e-8)
    assert len(compiled) == before
    np.testing.assert_allclose(again.x, 2.0)


@pytest.mark.slow
def test_a_function_may_be_called_in_another_precision_afterwards():
    """JAX 0.10.2 keeps the precision that it first gave an array, as long as a trace with it lives."""
    shift = np.array([1.0, 2.0])

    def fun(x, scale):
        return jnp.sum(scale * (x - shift) ** 2)

    scale = np.array([3.0, 4.0])
    found = minimize(fun, [0.0, 0.0], args=(scale,), method="BFGS")
    np.testing.assert_allclose(found.x, shift, rtol=1e-6)
    at = fun(jnp.zeros(2), scale)
    assert at.dtype == np.float32 and at == 19
    problem = Problem(fun, loss=jnp.sum, start=np.zeros(2), data=scale)
    solve(problem, methods.Newton(), dtype="float64")
    run(problem, methods.Newton(), dtype="float64", steps=2)
    assert problem.value(problem.start) == 19


@pytest.mark.slow
def test_what_a_function_reads_may_change():
    center = {"plain": np.ones(2), "compiled": jax.jit(lambda x: x - 1.0)}

    def fun(x):
        return jnp.sum((x - center["plain"]) ** 2 + center["compiled"](x) ** 2)

    def found():
        return minimize(fun, [0.0, 0.0], method="BFGS").x

    np.testing.assert_allclose(found(), 1.0)
    center["plain"] = np.array([3.0, 5.0])
    np.testing.assert_allclose(found(), [2.0, 3.0])
    shift = np.array([5.0, 7.0])
    center["compiled"] = jax.jit(lambda x: x - shift)
    np.testing.assert_allclose(found(), [4.0, 6.0])
    other = np.array([1.0, 1.0])
    center["compiled"] = jax.jit(lambda x: x - other)
    np.testing.assert_allclose(found(), [2.0, 3.0])


X = [0.5, 0.5]
REFUSED = {
    "no function": (lambda: minimize(3.0, X), "^fun is 3.0, but it must be a function; give the function"),
    "NumPy": (lambda: minimize(lambda x: np.sum(np.sin(x)), X), r"^the loss cannot take .* write it with jax\.numpy"),
    "a vector": (lambda: minimize(lambda x: x, X), r"^the loss returns an array of shape \(2,\), .* sum over"),
    "arguments missing": (lambda: minimize(decay, X), r"^the loss, decay, cannot take .*missing 2 required positional"),
    "x0 text": (lambda: minimize(rosenbrock, "here"), "^x0 is 'here', but it must be a vector of finite numbers; give"),
    "x0 a matrix": (lambda: minimize(rosenbrock, [[1.0], [2.0]]), "but it must be a vector of finite numbers"),
    "x0 NaN": (lambda: minimize(rosenbrock, [1.0, np.nan]), r"^x0 is \[1\.0, nan\], but .* finite"),
    "x0 empty": (lambda: minimize(rosenbrock, []), r"^x0 is \[\], but"),
    "bounds too few": (
        lambda: minimize(rosenbrock, X, bounds=[(0, 1)]),
        r"^bounds are \[\(0, 1\)\], but x takes 2 pairs",
    ),
    "bounds upside down": (lambda: minimize(rosenbrock, X, bounds=[(1, 0), (0, 1)]), "with low <= high"),
    "bounds infinite": (
        lambda: minimize(rosenbrock, X, bounds=[(np.inf, np.inf), (0, 1)]),
        "with low <= high",
    ),
    "bounds NaN": (lambda: minimize(rosenbrock, X, bounds=[(0, np.nan), (0, 1)]), "with low <= high"),
    "bounds a number": (lambda: minimize(rosenbrock, X, bounds=1), "^bounds are 1, but x takes 2 pairs"),
    "bounds of another length": (
        lambda: minimize(rosenbrock, X, bounds=scipy.optimize.Bounds([0, 0, 0], 1)),
        "but x takes 2 pairs",
    ),
    "bounds for BFGS": (
        lambda: minimize(rosenbrock, X, method="BFGS", bounds=[(0, 1)] * 2),
        "^bounds were given, but 'BFGS' has no use for them; choose 'trust-region' or 'L-BFGS-B'",
    ),
    "method misspelt": (lambda: minimize(rosenbrock, X, method="BGFS"), "^'bgfs' is not a method .* 'bfgs'?"),
    "method of SciPy": (lambda: minimize(rosenbrock, X, method="COBYLA"), "choose from trust-region, trust-exact, "),
    "class": (lambda: minimize(rosenbrock, X, method=methods.BFGS), r"^method is <class .* give e\.g\. 'BFGS'"),
    "several": (lambda: minimize(rosenbrock, X, method=[methods.BFGS()]), "but minimize takes a name or one method"),
    "option": (lambda: minimize(rosenbrock, X, options={"maxitr": 3}), "^'maxitr' is not an option .* 'maxiter'?"),
    "options": (lambda: minimize(rosenbrock, X, options=100), r"^options are 100, but .* options=\{'maxiter': 100\}"),
    "maxiter": (lambda: minimize(rosenbrock, X, options={"maxiter": 1e3}), "^maxiter is 1000.0, but .* whole number"),
    "tol": (lambda: minimize(rosenbrock, X, tol=-1.0), "-1.0, but a tolerance is a positive number"),
}


@pytest.mark.parametrize(("call", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refusal(call, sentence, compiled):
    before = len(compiled)
    with pytest.raises(ValueError, match=sentence) as caught:
        call()
    assert len(compiled) == before
    assert "\n" not in str(caught.value) and not re.search(r"[a-z]{3}\. [A-Z]", str(caught.value))
