"""What ``solve`` finds from a start depends on the start alone: not on others, on their order, or on lanes."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

DRAW = np.random.default_rng(7)
STARTS = DRAW.uniform([-2.0, -1.0], [2.0, 1.0], (150, 2))
WELLS = tw.Problem(
    loss=lambda x: jnp.where(x[0] < -10, jnp.nan, (x[0] ** 2 - 1) ** 2 + x[1] ** 2 + x[0] * x[1] / 4), start=[0.5, 0.5]
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Drunk:
    """Gradient descent with strides of random length, by a key of its own."""

    rate: float

    def init(self, problem, x, key):
        return key

    def step(self, problem, x, state):
        state, draw = jax.random.split(state)
        stride = self.rate * jax.random.uniform(draw, (), x.dtype, 0.5, 1.5)
        return x - stride * problem.gradient(x), state


def fits(starts, method=None, **given):
    return tw.solve(WELLS, method or Drunk(0.1), starts, **{"gtol": 1e-8, "dtype": "float64", **given})


@pytest.fixture(scope="module")
def all_starts():
    return fits(STARTS)


def same(some, others):
    """Bit for bit; what differs is said."""
    assert list(some.data_vars) == list(others.data_vars)
    for name in some.data_vars:
        np.testing.assert_array_equal(some[name], others[name], err_msg=name)
    return True


@pytest.mark.parametrize("d", [10, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("method", [tw.methods.BFGS(), tw.methods.LBFGS()], ids=["BFGS", "LBFGS"])
def test_other_starts_change_no_bit_of_some_components(method, d):
    problem = tw.problems.rosenbrock(d)
    starts = tw.starts.uniform(([-2.048] * d, [2.048] * d), 40, key=0)
    among = tw.solve(problem, method, starts, max_steps=40)
    for n in (1, 2, 20):
        assert same(tw.solve(problem, method, starts[:n], max_steps=40), among.isel(start=slice(n)))


def test_strides_are_random_and_every_start_has_its_own(all_starts):
    twins = fits(np.tile(STARTS[:1], (150, 1)))
    assert (all_starts.outcome == 0).all() and (all_starts.gradient_norm <= 1e-8).all()
    assert len(np.unique(twins.steps)) > 5 and len(np.unique(twins.x[0, :, 0])) > 100
    np.testing.assert_allclose(twins.x, np.broadcast_to(twins.x[:, :1], twins.x.shape), atol=1e-7)


def test_the_key_decides(all_starts):
    assert same(fits(STARTS, key=0), all_starts)
    assert (fits(STARTS, key=1).steps != all_starts.steps).mean() > 0.5


@pytest.mark.parametrize("n", [1, 3, 149, pytest.param(5000, marks=pytest.mark.slow)])
def test_other_starts_change_nothing(n, all_starts):
    """Few starts have lanes to spare; thousands wait for the lanes of others."""
    some = fits(np.resize(STARTS, (n, 2)))
    first = slice(min(n, 150))
    assert same(some.isel(start=first), all_starts.isel(start=first))


def test_starts_that_are_lost_change_nothing(all_starts):
    starts = np.vstack([STARTS[:75], [[-11.0, 0.0]] * 75])
    some = fits(starts)
    assert same(some.isel(start=slice(75)), all_starts.isel(start=slice(75)))
    lost = some.isel(variant=0, start=slice(75, None))
    assert (lost.outcome == 2).all() and (lost.steps == 0).all()
    assert np.isnan(lost.loss).all() and np.isnan(lost.last_loss).all()
    for name in ("x", "last_x", "first_x"):
        np.testing.assert_array_equal(lost[name], starts[75:])


QUASI_NEWTON = [pytest.param(m(), marks=pytest.mark.slow) for m in (tw.methods.BFGS, tw.methods.LBFGS)]


@pytest.mark.parametrize(
    "method", [tw.methods.gradient_descent(0.1), *QUASI_NEWTON], ids=lambda one: type(one).__name__
)
def test_permuted_starts_give_permuted_results(method):
    order = np.random.default_rng(1).permutation(len(STARTS))
    straight, permuted = fits(STARTS, method), fits(STARTS[order], method)
    assert (straight.outcome == 0).all() and len(np.unique(straight.steps)) > 3
    assert same(permuted, straight.isel(start=order))


def test_a_budget_of_steps_cuts_the_same_path(all_starts):
    """A start that ends within the budget ends as it did; all others stand where the budget ended."""
    budget = int(np.median(all_starts.steps))
    cut = fits(STARTS, max_steps=budget)
    within = all_starts.steps.values[0] <= budget
    assert 0 < within.sum() < 150
    assert same(cut.isel(start=within), all_starts.isel(start=within))
    rest = cut.isel(start=~within)
    assert (rest.outcome == 3).all() and (rest.steps == budget).all()
    assert (rest.evaluations.sel(evaluation="gradient") == budget + 1).all()
    with jax.enable_x64(True):
        losses = jax.jit(jax.vmap(WELLS.value))
        np.testing.assert_allclose(rest.last_loss[0], losses(rest.last_x[0].values), rtol=1e-12)
        np.testing.assert_allclose(rest.loss[0], losses(rest.x[0].values), rtol=1e-12)
    assert (rest.loss <= rest.last_loss).all()


def test_without_steps_every_start_is_its_own_result():
    none = fits(STARTS, max_steps=0)
    for name in ("x", "last_x"):
        np.testing.assert_array_equal(none[name][0], STARTS)
    with jax.enable_x64(True):
        values, gradients = jax.jit(jax.vmap(jax.value_and_grad(WELLS.value)))(STARTS)
    np.testing.assert_allclose(none.loss[0], values, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(none.gradient_norm[0], np.abs(gradients).max(axis=1), rtol=1e-12, atol=1e-14)
    assert (none.steps == 0).all() and (none.outcome == 3).all()


def test_a_sweep_is_its_variants_one_by_one():
    """Of a method without a key: keys belong to the place in the sweep."""
    rates = [0.05, 0.1, 0.2]
    swept = fits(STARTS[:40], tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=rates))
    np.testing.assert_array_equal(swept.learning_rate, rates)
    for i, rate in enumerate(rates):
        alone = fits(STARTS[:40], tw.methods.gradient_descent(rate))
        for name in sorted(alone.data_vars.keys() - {"first_x"}):
            if alone[name].dtype.kind == "f":
                np.testing.assert_allclose(swept[name].values[i], alone[name].values[0], rtol=1e-9, atol=1e-9)
            else:
                np.testing.assert_array_equal(swept[name].values[i], alone[name].values[0])


def test_cases_are_the_problem_bound_to_each():
    centers = DRAW.uniform(-1, 1, (20, 2))
    problem = tw.Problem(loss=lambda x, center: jnp.sum(jnp.cosh(x - center)), start=[0.0, 0.0])
    method, given = tw.methods.gradient_descent(0.3), {"gtol": 1e-8, "dtype": "float64"}
    together = tw.solve(problem, method, STARTS[:3], cases=centers, **given)
    assert together.x.dims == ("variant", "case", "start", "x_dim") and (together.outcome == 0).all()
    np.testing.assert_allclose(together.x, np.broadcast_to(centers[:, None], (20, 3, 2))[None], atol=1e-7)
    alone = tw.solve(problem.bind(centers[13]), method, STARTS[:3], **given)
    for name in ("steps", "reason", "outcome", "evaluations"):
        np.testing.assert_array_equal(together[name].isel(case=13), alone[name])
    for name in ("x", "last_x", "loss", "gradient_norm"):
        np.testing.assert_allclose(together[name].isel(case=13), alone[name], rtol=1e-9, atol=1e-12)


ON_ONE_CORE = """
import os, sys
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
import numpy as np, test_recycled_lanes as laws
found = laws.fits(np.resize(laws.STARTS, (5000, 2)))
np.savez(sys.argv[1], **{name: values.values for name, values in found.data_vars.items()})
"""


@pytest.mark.slow
def test_threads_change_nothing(tmp_path):
    here, file = Path(__file__).parent, tmp_path / "found.npz"
    path = os.pathsep.join([str(here), *sys.path])
    subprocess.run([sys.executable, "-c", ON_ONE_CORE, file], check=True, env={**os.environ, "PYTHONPATH": path})
    found, expected = np.load(file), fits(np.resize(STARTS, (5000, 2)))
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
