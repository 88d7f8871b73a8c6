"""The loss on a grid, and stationary points against the lecture's figures and closed forms."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg import problems


def of(loss, low, high):
    return tw.analysis.stationary_points(tw.Problem(loss=lambda x: loss(x[0]), start=[0.1], domain=(low, high)))


def kinds(found):
    return [tw.analysis.KINDS[kind] for kind in found.kind.values]


def test_c02_twenty_stationary_points(lectures):
    expected, found = lectures["C02"], tw.analysis.stationary_points(problems.rugged())
    minima = found.where(found.kind == 0, drop=True)
    assert found.sizes == {"point": expected["non-convex stationary points in [-1,1]"]}
    assert minima.sizes["point"] == expected["of which minima"]
    lowest = minima.isel(point=int(np.argmin(minima.loss.values)))
    np.testing.assert_allclose([lowest.x, lowest.loss], expected["non-convex global min"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(minima.x, np.sort(problems.rugged().minima[:, 0]), rtol=0, atol=1e-15)


def test_c03_fifteen_stationary_points(lectures):
    expected, found = lectures["C03"], tw.analysis.stationary_points(problems.rugged(0.05))
    assert found.sizes["point"] == expected["stationary points in [-1,1]"]
    minima = found.where(found.kind == 0, drop=True)
    np.testing.assert_allclose(minima.x, expected["minima"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(minima.loss, expected["values"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(minima.curvature, expected["curvature"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(2 / minima.curvature, expected["2/curvature"], rtol=0, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("a", [0.0, 0.1234567])  # on the grid and off it
@pytest.mark.parametrize(
    "power, sign, kind",
    [
        *((2, 1, "minimum"), (2, -1, "maximum"), (3, 1, "inflection"), (3, -1, "inflection")),
        *((4, 1, "minimum"), (4, -1, "maximum"), (5, 1, "inflection")),
    ],
)
def test_a_single_point_of_any_order(a, power, sign, kind):
    found = of(lambda x: sign * (x - a) ** power, -1, 1)
    np.testing.assert_allclose(found.x, [a], rtol=0, atol=1e-15)
    assert kinds(found) == [kind]
    np.testing.assert_allclose(found.curvature, [2 * sign if power == 2 else 0], atol=1e-12)


@pytest.mark.slow
def test_inflections_of_polynomials_written_out():
    # (x - a)^3 and x (x - a)^3 with rounding in every coefficient.
    for a in (0.3, 1.0, 0.77):
        cubic = [1, -3 * a, 3 * a**2, -(a**3)]
        found = tw.analysis.stationary_points(problems.polynomial(cubic, (0, 2)))
        assert kinds(found) == ["inflection"]
        np.testing.assert_allclose(found.x, [a], atol=1e-12)
        found = tw.analysis.stationary_points(problems.polynomial([*cubic, 0.0], (-1, 2)))
        assert kinds(found) == ["minimum", "inflection"]
        np.testing.assert_allclose(found.x, [a / 4, a], atol=1e-12)


def test_neighbors_closer_than_the_grid():
    # L' = (x - 0.1)^2 - 1e-8: two stationary points 2e-4 apart where the grid has steps of 1e-3.
    found = of(lambda x: (x - 0.1) ** 3 / 3 - 1e-8 * x, -1, 1)
    np.testing.assert_allclose(found.x, [0.1 - 1e-4, 0.1 + 1e-4], rtol=0, atol=1e-11)
    assert kinds(found) == ["maximum", "minimum"]
    assert of(lambda x: (x - 0.1) ** 3 / 3 + 1e-8 * x, -1, 1).sizes["point"] == 0  # a near miss


@pytest.mark.slow
@pytest.mark.parametrize("many", [2000, 2001, 4002, 30000])
def test_as_many_points_as_there_are(many):
    """cos(n pi x) has n + 1 about [0, 1]; the first grid is too coarse, or falls on its period."""
    found = of(lambda x: jnp.cos(many * math.pi * x), -0.5 / many, 1 + 0.5 / many)
    assert found.sizes["point"] == many + 1
    np.testing.assert_allclose(found.x, np.arange(many + 1) / many, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_all_minima_of_a_rugged_loss_and_of_a_chirp():
    rugged = problems.rugged(b=5000.0)
    found = tw.analysis.stationary_points(rugged)
    minima = found.x[found.kind == 0]
    np.testing.assert_allclose(minima, np.sort(rugged.minima[:, 0]), atol=1e-9)
    found = of(lambda x: jnp.sin(1 / (x + 1e-3)), 0.0, 1.0)  # 1 / (x + 1e-3) = (k + 1/2) pi
    phases = math.pi * (np.arange(318) + 0.5)
    np.testing.assert_allclose(found.x, np.sort(1 / phases[phases < 1000] - 1e-3), atol=1e-9)


@pytest.mark.slow
def test_more_than_can_be_found_is_said():
    with pytest.warns(UserWarning, match="points show .* stationary points, but .* showed fewer, so that some may be"):
        found = of(lambda x: jnp.sin(1 / (x + 1e-8)), 0.0, 1.0)
    extrema = 1 / ((np.arange(20) + 0.5) * math.pi)  # of infinitely many, those farthest to the right
    inside = found.x.values[np.isin(kinds(found), ["minimum", "maximum"]) & (found.x.values.ravel() < 1)]
    np.testing.assert_allclose(np.sort(inside.ravel())[-20:], extrema[::-1], rtol=0, atol=1e-6)


def test_points_at_the_ends_of_the_domain_and_none():
    found = of(lambda x: jnp.cos(math.pi * x), 0.0, 1.0)
    np.testing.assert_allclose(found.x, [0.0, 1.0], rtol=0, atol=1e-15)
    assert kinds(found) == ["maximum", "minimum"]
    assert of(lambda x: jnp.exp(x), -1, 1).sizes["point"] == 0


def test_what_is_level_or_not_finite_does_not_break_it():
    found = of(lambda x: jnp.maximum(jnp.abs(x) - 0.5, 0.0) ** 2, -1, 1)
    assert kinds(found) == ["minimum"] and abs(float(found.x[0])) < 1e-3
    assert of(lambda x: 3.0 + 0 * x, -1, 1).sizes["point"] == 1
    found = of(lambda x: x * jnp.log(x), -1, 1)
    np.testing.assert_allclose(found.x, [math.exp(-1)], atol=1e-14)
    np.testing.assert_allclose(found.loss, [-math.exp(-1)], atol=1e-14)


def test_dataset():
    problem = tw.Problem(loss=lambda x: x[0] ** 2, start=[1.0], domain=(-1, 1), units={"x": "m", "loss": "J"}, name="p")
    found = tw.analysis.stationary_points(problem, points=50)
    assert dict(found.sizes) == {"point": 1} and found.attrs == {"problem": "p"}
    assert (found.x.units, found.loss.units) == ("m", "J")
    assert found.kind.flag_meanings == "minimum maximum inflection" and found.kind.flag_values.tolist() == [0, 1, 2]
    assert all(found[name].dtype == np.float64 for name in ("x", "loss", "curvature"))


def test_misuse_is_named():
    with pytest.raises(ValueError, match=r"'himmelblau' has 2 components, but stationary points .*; give a problem of"):
        tw.analysis.stationary_points(problems.himmelblau())
    for domain in (None, (0.0, np.inf)):
        open_ended = tw.Problem(loss=lambda x: x[0] ** 2, start=[1.0], domain=domain)
        with pytest.raises(ValueError, match=r"has no finite domain, but .* give Problem\(domain=\(low, high\)\)"):
            tw.analysis.stationary_points(open_ended)
    with pytest.raises(ValueError, match="points is 2, but it must be a whole number of at least 3"):
        tw.analysis.stationary_points(problems.rugged(), points=2)


# the loss on a grid


@pytest.fixture(scope="module")
def chain():
    def stretched(x):
        return jnp.array([2 * x[0], x[1] ** 2, x[2]])

    units = {"x": "m", "y": "K", "loss": "J"}
    return tw.Problem(
        tw.Stage(stretched), loss=lambda y: jnp.sum((y - 1) ** 2), start=[3.0, 2.0, 0.0], minima=[[0.5, 1.0, 1.0]],
        name="chain", units=units,
    )  # fmt: skip


def test_a_landscape_is_the_loss_along_two_components(chain):
    found = tw.analysis.landscape(chain, ([0.0, -1.0], [1.0, 1.0]), components=(0, 1), points=5)
    first, second = np.linspace(0, 1, 5), np.linspace(-1, 1, 5)
    np.testing.assert_array_equal(found.first, first)
    expected = (2 * first[:, None] - 1) ** 2 + (second**2 - 1) ** 2  # through the minimum, where the third part is 0
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
    assert found.loss.dims == ("first", "second") and found.loss.units == "J"
    assert (found.second.component, found.second.index, found.second.units) == ("1", 1, "m")
    np.testing.assert_array_equal(found.minimum, [[0.5, 1, 1]])
    assert found.minimum_loss.values == [0] and found.attrs == {"problem": "chain", "space": "x"}
    at = tw.analysis.landscape(chain, (0.0, 1.0), components=(1, 2), at=[1.5, 0.0, 0.0], points=2)
    np.testing.assert_allclose(at.loss, [[4 + 1 + 1, 4 + 1], [4 + 1, 4]])


def test_a_landscape_in_y_has_the_images_of_the_minima(chain):
    found = tw.analysis.landscape(chain, (0.0, 2.0), "y", ("0", "2"), points=3)
    np.testing.assert_array_equal(found.minimum, [[1, 1, 1]])
    np.testing.assert_allclose(found.loss, [[2, 1, 2], [1, 0, 1], [2, 1, 2]])
    assert found.minimum.dims == ("point", "y_dim") and found.minimum.units == "K"


def test_what_is_not_finite_is_nan_and_without_a_minimum_the_start_is_kept():
    problem = tw.Problem(loss=lambda x: jnp.log(x[0]) + x[1] + x[2], start=[1.0, 2.0, 5.0], domain=(-1.0, 1.0))
    found = tw.analysis.landscape(problem, components=(0, 1), points=3)
    np.testing.assert_array_equal(found.loss, [[np.nan] * 3, [np.nan] * 3, [4, 5, 6]])
    assert found.sizes["point"] == 0 and found.at.values.tolist() == [1, 2, 5]
    line = tw.analysis.landscape(problems.rugged())
    assert line.loss.dims == ("first",) and line.sizes["first"] == 4000


def test_a_landscape_is_compiled_once_for_a_problem(chain, compiled):
    def find(low):
        return tw.analysis.landscape(chain, (low, 1.0), components=(0, 1), points=4)

    find(0.0)
    before = len(compiled)
    find(-1.0)
    assert len(compiled) == before


def test_a_landscape_that_cannot_be_had_is_named(chain):
    refused = {
        "but a landscape needs a finite box": {"domain": (0.0, np.inf)},
        "no domain of x is known": {},
        "space is 'z', but 'chain' has x, y": {"space": "z"},
        "x has 3 components, but a landscape has two": {"domain": (0.0, 1.0), "components": None},
        r"at has shape \(2,\), but x has shape \(3,\)": {"domain": (0.0, 1.0), "at": [1.0, 2.0]},
        "points is 1, but it must be a whole number of at least 2": {"domain": (0.0, 1.0), "points": 1},
        "low must be below high": {"domain": ([1.0, 1.0], [2.0, 0.0])},
    }
    for words, given in refused.items():
        with pytest.raises(ValueError, match=words):
            tw.analysis.landscape(chain, **{"components": (0, 1), **given})
