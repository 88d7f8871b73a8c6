"""Sweeps, starts, derivatives, inverses and the check of a problem."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.engine import memory


def test_sweep_is_the_product_with_the_last_name_fastest():
    swept = tw.sweep(tw.methods.adam(0.1), learning_rate=[0.1, 0.2], b1=[0.5, 0.6, 0.7])
    np.testing.assert_array_equal(swept.hyper["learning_rate"], [0.1, 0.1, 0.1, 0.2, 0.2, 0.2])
    np.testing.assert_array_equal(swept.hyper["b1"], [0.5, 0.6, 0.7] * 2)
    assert swept.hyper["b2"] == 0.999


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"learnin_rate": [0.1]}, "did you mean 'learning_rate'"),
        ({"zzz": [0.1]}, "choose from"),
        ({"learning_rate": []}, "flat list"),
        ({"learning_rate": [[0.1]]}, "flat list"),
    ],
)
def test_sweep_refuses(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        tw.sweep(tw.methods.adam(0.1), **values)
    with pytest.raises(ValueError, match="swept already"):
        tw.sweep(tw.sweep(tw.methods.adam(0.1), b1=[0.1]), b2=[0.1])


def test_starts():
    domain = ([-1.0, 0.0], [1.0, 10.0])
    np.testing.assert_array_equal(tw.starts.grid(domain, 3)[:4], [[-1, 0], [-1, 5], [-1, 10], [0, 0]])
    assert tw.starts.grid(domain, 3).shape == (9, 2)
    points = tw.starts.uniform(domain, 1000, key=1)
    np.testing.assert_array_equal(points, tw.starts.uniform(domain, 1000, key=1))
    assert not np.array_equal(points, tw.starts.uniform(domain, 1000, key=2))
    assert np.all((points >= domain[0]) & (points <= domain[1]))
    np.testing.assert_allclose(points.mean(0), [0, 5], atol=0.3)
    sphere = tw.starts.sphere([1.0, 2.0, 3.0], 2.0, 500, key=0)
    np.testing.assert_allclose(np.linalg.norm(sphere - [1, 2, 3], axis=1), 2)
    np.testing.assert_allclose(sphere.mean(0), [1, 2, 3], atol=0.2)


@pytest.mark.parametrize(
    "scheme", ["central", *(pytest.param(s, marks=pytest.mark.slow) for s in ("forward", "backward"))]
)
def test_differences_converge_in_their_order(scheme):
    def f(x):
        return jnp.exp(x[0]) * jnp.sin(2 * x[1]) + x[0] * x[2] ** 3

    with jax.enable_x64(True):
        x, steps = jnp.array([0.3, -0.5, 0.8]), np.array([1e-2, 5e-3])
        order = 2 if scheme == "central" else 1
        for kind in ("gradient", "hessian"):

            @jax.jit
            def errors(x, kind=kind):
                exact = getattr(tw.AutoDiff(), kind)(f, x)
                found = (getattr(tw.FiniteDifference(h, scheme), kind)(f, x) for h in steps)
                return [jnp.abs(one - exact).max() for one in found]

            first, second = errors(x)
            assert np.log2(first / second) == pytest.approx(order, abs=0.1)

        def both(x):
            return jnp.array([f(x), x[1] ** 2])

        jacobian = jax.jit(lambda x: tw.FiniteDifference(1e-5, scheme).jacobian(both, x))(x)
        np.testing.assert_allclose(jacobian, jax.jit(jax.jacobian(both))(x), atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_default_difference_steps_fit_the_precision(dtype):
    with jax.enable_x64(dtype == "float64"):
        x = jnp.array([0.3, -5.0], dtype)
        differences, eps = tw.FiniteDifference(), float(jnp.finfo(dtype).eps)
        gradient = differences.gradient(lambda x: jnp.sum(jnp.sin(x)), x)
        hessian = differences.hessian(lambda x: jnp.sum(jnp.sin(x)), x)
        assert gradient.dtype == hessian.dtype == x.dtype
        np.testing.assert_allclose(gradient, np.cos(x), atol=100 * eps ** (2 / 3))
        np.testing.assert_allclose(hessian, -np.diag(np.sin(x)), atol=100 * eps ** (1 / 2))


def test_difference_steps_per_component():
    with jax.enable_x64(True):
        differences = tw.FiniteDifference(step=(1e-5, 1e-9))
        gradient = differences.gradient(lambda x: x[0] ** 2 + jnp.sin(1e4 * x[1]), jnp.array([3.0, 1e-4]))
        np.testing.assert_allclose(gradient, [6, 1e4 * np.cos(1)], rtol=1e-5)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), (1e-3, 0.0)])
def test_difference_steps_are_positive(step):
    with pytest.raises(ValueError, match="positive"):
        tw.FiniteDifference(step=step)


@pytest.mark.slow
def test_numerical_inverse_of_structures_and_of_more_outputs_than_inputs():
    def forward(p):
        return {"u": p["a"] ** 3 + p["a"], "v": jnp.array([p["b"], p["a"] * p["b"]])}

    stage = tw.numerical_inverse(forward)
    p = {"a": jnp.array(1.3), "b": jnp.array(-0.4)}
    found = stage.inverse(forward(p), {"a": jnp.array(0.5), "b": jnp.array(0.1)})
    np.testing.assert_allclose([found["a"], found["b"]], [1.3, -0.4], rtol=1e-5)
    with pytest.raises(ValueError, match="choose one"):
        tw.numerical_inverse(forward, "simplex")  # type: ignore[arg-type]


def test_check_finds_what_is_wrong():
    def problem(**changes):
        inverse = changes.pop("inverse", lambda y, x: jnp.log(y))
        given = {"loss": lambda y: jnp.sum((y - 1) ** 2), "start": [0.5, -0.5], "minima": [[0.0, 0.0]], **changes}
        return tw.Problem(tw.Stage(jnp.exp, inverse), **given)

    assert problem().check()
    assert str(problem().check()).startswith("problem: all passed\n  pass  start ")
    wrong_inverse = problem(inverse=lambda y, x: y - 1).check()
    assert not wrong_inverse and [f.passed for f in wrong_inverse.findings] == [True, True, False, True]
    wrong_minimum = problem(minima=[[0.0, 0.1]]).check()
    assert [f.passed for f in wrong_minimum.findings] == [True, True, True, False]
    maximum = tw.Problem(loss=lambda x: jnp.cos(x[0]), start=[1.0], minima=[[0.0]]).check()
    assert not maximum and "FAIL  minimum (0)" in str(maximum)

    @jax.custom_jvp
    def twice(x):
        return 2 * x

    twice.defjvp(lambda primals, tangents: (twice(primals[0]), 3 * tangents[0]))  # a derivative that is not one
    wrong_gradient = tw.Problem(loss=lambda x: twice(x[0]) ** 2, start=[1.0]).check()
    assert not wrong_gradient


def test_residual_is_known_of_squares_alone():
    square = tw.Problem(lambda x: 2 * x, loss=tw.SquaredError([1.0, 2.0], factor=3.0), start=[1.0, 1.0])
    residual = square.residual([1.0, 4.0])
    assert float(residual @ residual) / 2 == pytest.approx(float(square.value([1.0, 4.0])))
    with pytest.raises(ValueError, match="SquaredError"):
        tw.problems.pbdl().residual([1.0, 1.0])


def test_memory_of_a_record_is_used_again_only_when_nobody_holds_it():
    memory.release()
    first = memory.empty((1000, 700), np.dtype("float32"))
    first[:] = 7
    held = first.reshape(-1)[::2]
    del first
    second = memory.empty((1000, 700), np.dtype("float32"))
    second[:] = 0
    assert np.all(held == 7) and not np.shares_memory(held, second)
    address = held.ctypes.data
    del held
    third = memory.empty((900, 700), np.dtype("float32"))
    assert third.ctypes.data == address and third.shape == (900, 700)
    assert memory.release() == 0
    del second, third
    assert memory.release() == 2 * 1000 * 700 * 4
    blocks = [memory.empty((1 << 28,), np.dtype("uint8")) for _ in range(3)]
    del blocks
    assert memory.release() <= memory.KEPT


def test_a_domain_may_be_open():
    problem = tw.Problem(
        loss=lambda x: jnp.sum((x - 2) ** 2), start=[-1.0, 3.0], domain=([-np.inf, 2.5], [1.0, np.inf]), name="open"
    )
    np.testing.assert_array_equal(problem.domain, [[-np.inf, 2.5], [1.0, np.inf]])
    fits = tw.solve(problem, tw.methods.TrustRegion(bounded=True), dtype="float64")
    np.testing.assert_allclose(fits["x"].squeeze(), [1.0, 2.5])
    with pytest.raises(ValueError, match="it must be a finite box"):
        tw.starts.uniform(problem.domain, 3)
    with pytest.raises(ValueError, match=r"^the domain of x is .* needs a finite box; give domain=\(low, high\)\.$"):
        tw.plot.landscape(problem)


def test_a_method_may_have_a_rule_of_its_own():
    @jax.tree_util.register_dataclass
    @dataclass(frozen=True)
    class Halving:
        factor: float
        rule: str = field(default="half", metadata={"static": True})

        def init(self, problem, x, key):
            return ()

        def step(self, problem, x, state):
            return self.factor * x, state

    trace = tw.run(tw.problems.quadratic([1.0]), Halving(0.5), steps=2)
    assert trace.rule.values.tolist() == ["Halving"]
    assert trace.x.values.ravel().tolist() == [1.0, 0.5, 0.25]
