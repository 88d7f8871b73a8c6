"""Functions of Python in a chain: called where a start leads, in the precision of the call, and what they raise."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

STARTS = np.array([[0.5, 0.5], [0.95, 0.3], [0.3, 0.3], [0.1, 0.2], [0.92, 0.1], [0.0, 0.0]])
METHODS = {
    "GD": tw.methods.gradient_descent(0.3),
    "BFGS": tw.methods.BFGS(),
    "Newton": tw.methods.Newton(),
    "trust": tw.methods.TrustRegion(),
    "LM": tw.methods.LevenbergMarquardt(),
    "GN": tw.methods.GaussNewton(),
    "half-inverse": tw.methods.JacobianPower(),
    "inverse simulator": tw.methods.InverseSimulator(inner=tw.methods.adam(0.1)),
}
# Of the kinds value, gradient, product, jacobian and hessian those that are passes of their own.
PASSES = {"LM": (0,), "GN": (0,), "half-inverse": (0, 3)}


def counted(d):
    """A sum of squares behind two stages, the second with an inverse, and a list that grows by every point where the
    first is evaluated."""
    points = []

    def stage(x):
        jax.debug.callback(lambda x: points.append(np.array(x)), x)
        return jnp.concatenate([x - 1.0, jnp.sin(x) / 4])

    half = tw.Stage(lambda y: y / 2, inverse=lambda z, y: 2 * z)
    return tw.Problem(stage, half, loss=tw.SquaredError(factor=4.0), start=np.full(d, 0.3)), points


def called(points, verb, *given, **settings):
    points.clear()
    result = verb(*given, **settings)
    jax.effects_barrier()
    return result, np.array(points)


SIZES = [(2, 1), (1, 5), (10, 3), (200, 1), (2, 1000)]  # d, starts
QUICK = [(name, *SIZES[0]) for name in METHODS] + [("BFGS", *size) for size in SIZES[:4]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "d", "n"),
    [
        pytest.param(name, d, n, marks=() if (name, d, n) in QUICK else pytest.mark.exhaustive)
        for name in METHODS
        for d, n in SIZES
    ],
)
def test_solve_calls_a_function_as_often_as_it_says(name, d, n):
    """A value and its gradient are one call, and a value, y and the Jacobian, a Hessian, a product with a vector."""
    problem, points = counted(d)
    starts = problem.start + 0.1 * np.random.default_rng(0).normal(size=(n, d))
    fits, seen = called(points, tw.solve, problem, METHODS[name], starts, max_steps=20)
    made = fits.evaluations.sum("start").values[0]
    assert len(seen) == sum(made[kind] for kind in PASSES.get(name, (0, 2, 4))) and np.isfinite(seen).all()
    if name in ("LM", "GN"):
        assert made[0] == made[3] and len(np.unique(seen, axis=0)) == len(seen)  # one simulation of each point


@pytest.mark.parametrize(("d", "n"), [(1, 1), (2, 7), (200, 2)])
def test_run_calls_a_function_once_a_step_and_once_a_row(d, n):
    problem, points = counted(d)
    starts = problem.start + 0.1 * np.random.default_rng(0).normal(size=(n, d))
    trace, seen = called(points, tw.run, problem, METHODS["BFGS"], starts, steps=5)
    assert len(seen) == n * (6 + 6)  # a row of each point, and a trial with its gradient of each step and at the start
    for x in trace.x.values.reshape(-1, d):
        assert (np.abs(seen - x).max(axis=1) < 1e-6).sum() >= 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["BFGS", "L-BFGS-B", "Newton-CG"])
def test_minimize_calls_a_function_as_often_as_it_says(method):
    problem, points = counted(10)
    found, seen = called(points, tw.minimize, lambda x: problem.value(x), problem.start, method=method)
    assert found.success and len(seen) <= found.nfev + 1  # one to see what it returns
    products = found.nit if method == "Newton-CG" else 0
    assert len(seen) >= found.nfev - products and np.isfinite(seen).all()


@pytest.mark.slow
def test_one_long_simulation_is_not_made_for_others():
    """A chain of more than a few thousand operations is not evaluated for lanes that nobody asked for."""

    def long(x):
        return jax.lax.scan(lambda y, _: (y + 1e-3 * jnp.sin(y), None), x, length=20_000)[0]

    def short(x):
        return x + jnp.sin(x)

    sizes = {}
    for stage in (long, short):
        problem = tw.Problem(stage, loss=tw.SquaredError([1.0, 2.0]), start=[1.0, 1.0])
        tw.run(problem, METHODS["GD"], steps=1)
        tw.solve(problem, METHODS["BFGS"], max_steps=1)
        sizes[stage] = [width for made in functions_of(problem) for width, *_ in made.programs._made]
    assert sizes[long] == [1, 1] and min(sizes[short]) >= 16


def functions_of(problem):
    from thalweg.engine.functions import _functions

    return [future.result() for future in _functions[problem]._made.values()]


@pytest.mark.slow
def test_vacant_lanes_stand_where_a_live_one_is():
    """No function sees a point that nobody gave: not 0, not one that is not finite, though the range ends nearby."""
    seen = []

    def stage(x):
        y = jax.pure_callback(look, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="expand_dims")
        return y

    def look(x):
        seen.append(np.array(x).reshape(-1, 2))
        return np.exp(x)

    problem = tw.Problem(stage, loss=tw.SquaredError([3.0, 4.0]), start=[1.0, 1.0], derivatives=tw.FiniteDifference())
    starts = np.random.default_rng(0).uniform(0.9, 1.5, (9, 2))
    fits = tw.solve(problem, tw.methods.BFGS(), starts)
    np.testing.assert_allclose(fits.x.values[0], np.broadcast_to(np.log([3.0, 4.0]), (9, 2)), rtol=1e-5)
    together = np.concatenate(seen)
    seen.clear()
    for start in starts:
        tw.solve(problem, tw.methods.BFGS(), start)
    alone = np.concatenate(seen)
    apart = np.abs(together[:, None] - alone).max(axis=2).min(axis=1)
    assert len(together) >= len(alone) and apart.max() < 1e-6


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("verb", [tw.run, tw.solve])
@pytest.mark.parametrize("vmap_method", ["sequential", "expand_dims"])
def test_a_function_of_the_host_has_the_precision_of_the_call(verb, dtype, vmap_method):
    kinds = set()

    def host(x):
        kinds.add(np.asarray(x).dtype.name)
        return np.exp(x)

    def stage(x):
        return jax.pure_callback(host, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method=vmap_method)

    problem = tw.Problem(stage, loss=tw.SquaredError([2.0, 2.0]), start=[0.5, 0.6], derivatives=tw.FiniteDifference())
    given = {"steps": 60} if verb is tw.run else {}
    result = verb(problem, tw.methods.BFGS(), STARTS[:3], dtype=dtype, **given)
    x = result.x.values.reshape(3, -1, 2)[:, -1]
    np.testing.assert_allclose(x, np.log(2.0), atol=1e-4 if dtype == "float32" else 1e-8)
    assert kinds == {dtype} and not jax.config.jax_enable_x64


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_an_exception_ends_its_start_alone(dtype):
    def host(x):
        if x[0] > 0.9:
            raise LookupError("no table beyond 0.9")
        return np.exp(x)

    def stage(x):
        return jax.pure_callback(host, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")

    def ranged(x):
        return jnp.exp(eqx.error_if(x, x[0] > 0.9, "no table beyond 0.9"))

    for f, given in (stage, {"derivatives": tw.FiniteDifference()}), (ranged, {}):
        problem = tw.Problem(f, loss=lambda y: jnp.sum((y - 1.1) ** 2) / 4, start=[0.5, 0.5], **given)
        with pytest.warns(RuntimeWarning, match="raised .*no table beyond 0.9 .* 2 of 6 starts") as told:
            fits = tw.solve(problem, tw.methods.BFGS(), STARTS, gtol=1e-4, dtype=dtype)
        assert len(told) == 1 and str(told[0].message).count("\n") == 0
        lost = np.array([False, True, False, False, True, False])
        outcomes = [tw.analysis.OUTCOMES[code] for code in fits.outcome.values[0]]
        assert outcomes == ["diverged" if gone else "converged" for gone in lost]
        np.testing.assert_allclose(fits.x.values[0][~lost], np.log(1.1), atol=2e-3)
        np.testing.assert_array_equal(fits.x.values[0][lost], STARTS[lost].astype(dtype))
        for verb in (tw.solve, tw.run):
            with pytest.raises(ValueError, match="'BFGS'") as raised:
                verb(problem, tw.methods.BFGS(), STARTS[1], dtype=dtype)
            assert "no table beyond 0.9" in str(raised.value) and "\n" not in str(raised.value)


def test_debug_nans_name_the_method():
    with jax.debug_nans(True), pytest.raises(FloatingPointError, match=r"'steep' on 'rosenbrock.*jax_debug_nans"):
        tw.run(tw.problems.rosenbrock(), {"steep": tw.methods.gradient_descent(0.1)}, steps=50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tw.run(tw.problems.rosenbrock(), tw.methods.gradient_descent(0.1), steps=50).loss.isnull().any()
