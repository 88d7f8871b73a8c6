"""Methods that keep to a domain: where they begin, what they do at a bound, and that they never leave it."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw

M = tw.methods
BOUNDED = {
    "TrustRegion": M.TrustRegion(bounded=True),
    "LBFGS": M.LBFGS(bounded=True),
    "LevenbergMarquardt": M.LevenbergMarquardt(bounded=True),
}
PLAIN = {name: method for name, method in BOUNDED.items() if name != "LevenbergMarquardt"}
PAIRS = [(0.0, 10.0), (0.0, 10.0)]
INF = np.inf


def squares(r, start, domain, **more):
    """Minimize |r(x)|^2 / 2."""
    return tw.Problem(r, loss=tw.SquaredError(factor=0.5), start=start, domain=domain, **more)


# Starts outside

# A component of each kind: below, above with the minimum inside, a half-space, fixed.
LOW, HIGH = np.array([1.0, -1.0, -INF, 0.7]), np.array([2.0, 2.0, -1.5, 0.7])
FAR, RIGHT = np.array([0.5, 9.0, 5.0, 3.0]), np.array([1.0, 0.0, -1.5, 0.7])
SEPARABLE = squares(lambda x: x, FAR, (LOW, HIGH))


@pytest.mark.slow
def test_a_start_outside_begins_at_the_nearest_point_and_the_answer_is_inside():
    fits = tw.solve(SEPARABLE, BOUNDED)
    assert_allclose(fits.x.values[:, 0], [RIGHT] * 3, atol=1e-6)
    assert (fits.outcome == 0).all() and fits.attrs["projected"] == 1
    for points in (fits.x, fits.last_x, fits.first_x):
        assert ((points >= LOW) & (points <= HIGH)).all()
    assert_array_equal(fits.first_x[0], np.clip(FAR, LOW, HIGH))


@pytest.mark.parametrize(
    "name", ["L-BFGS-B", *(pytest.param(m, marks=pytest.mark.slow) for m in ("SLSQP", "trust-constr"))]
)
def test_scipys_methods_stay_inside_as_well(name):
    start, domain = [0.5, 9.0, -3.0], ([1.0, -1.0, -0.5], [2.0, 2.0, np.inf])
    problem = squares(lambda x: x - jnp.array([0.0, 0.3, -2.0]), start, domain)
    fits = tw.solve(problem, M.from_scipy(name, bounded=True, maxiter=60))
    assert_allclose(fits.x.values[0, 0], [1.0, 0.3, -0.5], atol=2e-3)  # trust-constr stays off by its barrier
    trace = tw.run(problem, M.from_scipy(name, bounded=True, maxiter=60), steps=20, dtype="float64")
    assert ((trace.x >= domain[0]) & (trace.x <= domain[1])).all()


def test_a_path_begins_at_the_nearest_point():
    trace = tw.run(SEPARABLE, BOUNDED["LBFGS"], [FAR, RIGHT], steps=2, dtype="float64")
    assert_array_equal(trace.x.values[0, :, 0], [np.clip(FAR, LOW, HIGH), RIGHT])
    assert ((trace.x >= LOW) & (trace.x <= HIGH)).all() and trace.attrs["projected"] == 1


@pytest.mark.slow
def test_starts_are_counted_that_lie_outside_and_other_methods_begin_where_they_are_told():
    problem = squares(lambda x: x, [0.5], (0.1, 0.7))
    starts = [[0.1], [0.7], [0.5], [-1.0], [0.7000001]]
    both = {"free": M.BFGS(), "bounded": BOUNDED["LBFGS"]}
    fits = tw.solve(problem, both, starts, max_steps=0, dtype="float32")
    assert fits.attrs["projected"] == 2  # the bounds themselves, which float32 rounds, are inside
    assert_array_equal(fits.first_x[:, 0], np.float32(starts)[:, 0])
    assert_array_equal(fits.x[0, :, 0], np.float32(starts)[:, 0])
    within = fits.x.values[1].astype(float)
    assert (within >= 0.1).all() and (within <= 0.7).all()
    assert_allclose(within, np.clip(starts, 0.1, 0.7), rtol=1e-7)


def roots(x):
    return jnp.sum(jnp.sqrt(x))


def test_minimize_begins_at_the_nearest_point_and_says_so():
    far, near = (tw.minimize(roots, x, bounds=[(1, 10), (4, 10)]) for x in ([-3.0, 20.0], [3.0, 5.0]))
    assert_array_equal([far.x, near.x], [[1.0, 4.0]] * 2)
    assert far.projected and "nearest point within took its place" in far.message
    assert not near.projected and "nearest" not in near.message


# At a bound


ENDS = {  # loss, start, bounds, where its minimum is
    "log at a far bound": (lambda x: -0.01 * jnp.log(1 - x[0] / 10) - x[0], [0.0], [(0, 10)], [9.99]),
    "entropies": (
        lambda x: -jnp.log(x[0]) + x[0] ** 2 + x[1] * jnp.log(x[1] / 1e-3),
        [1.0, 1.0],
        PAIRS,
        [2**-0.5, 1e-3 / np.e],
    ),
    "a cliff": (lambda x: -x[0] + 101 / (1 + jnp.exp(-50 * (x[0] - 9.5))), [0.0], [(0, 10)], [9.32946505]),
    "root": (lambda x: jnp.sqrt(x[0]) + (x[1] - 2) ** 2, [1.0, 1.0], PAIRS, [0.0, 2.0]),
}
MORE = {
    "NaN beyond a wall": (lambda x: jnp.where(x[0] < 9.9, -x[0], jnp.nan), [0.0], [(0, 10)], [9.9]),
    "p log p": (lambda x: x[0] * jnp.log(x[0]) + (x[1] - 2) ** 2, [5.0, 5.0], PAIRS, [np.exp(-1), 2.0]),
    "poles behind both bounds": (lambda x: 1 / x[0] + 4 / (10 - x[0]), [1e-3], [(0, 10)], [10 / 3]),
    "barriers": (
        lambda x: -1e-3 * jnp.log(x[0]) + x[0] - 1e-3 * jnp.log(10 - x[1]) - x[1],
        [8.0, 3.0],
        PAIRS,
        [1e-3, 10 - 1e-3],
    ),
    "a steep wall": (lambda x: -x[0] + 1e6 * jnp.maximum(0, x[0] - 9) ** 2, [0.0], [(0, 10)], [9 + 5e-7]),
    "a smooth wall": (
        lambda x: jnp.sum(-x + 1e4 * jnp.maximum(0, x - 9) ** 4),
        [0.0, 3.0],
        PAIRS,
        [9 + 4e4 ** (-1 / 3)] * 2,
    ),
    "a hump before the bound": (lambda x: jnp.sin(x[0]) - 0.01 * x[0], [2.0], [(0, 8)], [2 * np.pi - np.arccos(0.01)]),
    "root at zero from below": (lambda x: jnp.sqrt(-x[0]) + (x[1] + 2) ** 2, [-5.0, -5.0], [(-10, 0)] * 2, [0.0, -2.0]),
    "root at the upper bound": (lambda x: jnp.sqrt(10 - x[0]) + (x[1] - 2) ** 2, [9.0, 8.0], PAIRS, [10.0, 2.0]),
    "cube root": (
        lambda x: jnp.cbrt(x[0]) + (x[1] - 2) ** 2 + (x[2] - 3) ** 2,
        [1.0] * 3,
        [*PAIRS, (0, 10)],
        [0.0, 2.0, 3.0],
    ),
    "nearly linear power": (lambda x: x[0] ** 0.9 + x[1] ** 0.1, [1.0, 4.0], PAIRS, [0.0, 0.0]),
    "roots of both": (lambda x: jnp.sqrt(x[0]) + jnp.sqrt(10 - x[1]), [1.0, 1.0], PAIRS, [0.0, 10.0]),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", [*ENDS, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_losses_that_end_at_a_bound(case):
    """Logarithms, roots, poles and walls: paths stay inside, never rise, and end at the minimum."""
    loss, start, bounds, right = {**ENDS, **MORE}[case]
    low, high = np.transpose(bounds)
    trace = tw.run(tw.Problem(loss=loss, start=start, domain=(low, high)), PLAIN, steps=150, dtype="float64")
    x, value = trace.x.values[:, 0], trace.loss.values[:, 0]
    assert ((x >= low) & (x <= high)).all()
    assert (np.diff(value) <= 2e-15 * np.abs(value[:, 1:])).all()
    assert_allclose(x[:, -1], [right] * 2, atol=1e-5)


PAGE = (Path(__file__).resolve().parents[1] / "docs" / "bounded.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["HS1", "HS4", "HS5", "HS45", "LEVYMONT6"])
def test_problems_of_cutest_end_where_the_page_says(name):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    _, trust_region, lbfgs = (float(cell.strip(" *").split()[0].strip("*")) for cell in row.split("|")[2:5])
    problem = tw.problems.cutest(name)
    both = {"TrustRegion": BOUNDED["TrustRegion"], "LBFGS": BOUNDED["LBFGS"]}
    fits = tw.solve(problem, both, gtol=1e-8, max_steps=15_000)
    assert_allclose(fits.loss.values[:, 0], [trust_region, lbfgs], rtol=1e-6, atol=1e-12)
