"""Basins against brute force, entropies by hand, and the fractal of Newton's method."""

from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from scipy.stats import entropy

import thalweg as tw


def fits_of(image: np.ndarray) -> xr.Dataset:
    """Fits whose starts, a grid, reach the minimum at (k, 0) with the loss k, k being their number in the image."""
    codes = np.asarray(image).ravel()
    first = tw.starts.grid(([-1.0, -1.0], [1.0, 1.0]), len(image))
    flags = {"flag_values": [0, 1], "flag_meanings": "converged diverged"}
    return xr.Dataset(
        {
            "x": (("variant", "start", "x_dim"), np.stack([codes, 0 * codes], axis=1)[None].astype(float)),
            "loss": (("variant", "start"), codes[None].astype(float)),
            "gradient_norm": (("variant", "start"), np.zeros((1, len(codes)))),
            "outcome": (("variant", "start"), (codes < 0).astype(int)[None], flags),
            "first_x": (("start", "x_dim"), first),
        },
        {"variant": ["made"], "start": np.arange(len(codes))},
    )


def entropies(image: np.ndarray, box: int) -> tuple[float, float]:
    found = tw.analysis.basins(fits_of(image), box=box)
    return found.basin_entropy.item(), found.boundary_entropy.item()


def root_of_unity_problem() -> tw.Problem:
    def cube(z):
        return jnp.stack([z[0] ** 3 - 3 * z[0] * z[1] ** 2, 3 * z[0] ** 2 * z[1] - z[1] ** 3])

    return tw.Problem(cube, loss=tw.SquaredError(np.array([1.0, 0.0]), factor=0.5), start=[1.0, 0.5], name="z^3 = 1")


def ends_of(x: np.ndarray, slope: np.ndarray, first: np.ndarray) -> xr.Dataset:
    """Fits of one variant that have converged at x (n, d) with largest gradients (n,), from ``first`` (n, d)."""
    lanes = ("variant", "start")
    return xr.Dataset(
        {
            "x": ((*lanes, "x_dim"), x[None]),
            "loss": (lanes, np.zeros((1, len(x)))),
            "gradient_norm": (lanes, slope[None]),
            "outcome": (lanes, np.zeros((1, len(x)), int), {"flag_values": [0], "flag_meanings": "converged"}),
            "first_x": (("start", "x_dim"), first),
        },
        {"variant": ["made"], "start": np.arange(len(x))},
    )


@pytest.fixture(scope="module")
def himmelblau():
    return tw.problems.himmelblau()


@pytest.mark.parametrize(
    ("method", "dtype", "reach"),
    [
        pytest.param(tw.methods.TrustRegion(), "float64", (5, 2000, 5000, 1e6)),
        (tw.methods.BFGS(), "float32", (5000,)),
        (tw.methods.gradient_descent(5e-3), "float64", (5,)),
    ],
    ids=["trust-64", "bfgs-32", "gd-64"],
)
def test_minima_of_a_wide_search_are_told_apart(himmelblau, method, dtype, reach):
    """In boxes whose thousandth is more than the 3.9 between them."""
    order = np.lexsort(himmelblau.minima.T[::-1])
    for side in reach:
        starts = tw.starts.uniform(([-side, -side], [side, side]), 300, key=0)
        fits = tw.solve(himmelblau, method, starts, dtype=dtype, max_steps=2000)
        found = tw.analysis.basins(fits)
        np.testing.assert_allclose(found.minimum, himmelblau.minima[order], atol=1e-4)
        nearest = cdist(fits.x.values[0], himmelblau.minima[order]).argmin(1)
        np.testing.assert_array_equal(found.label[0], np.where(fits.outcome[0] <= 1, nearest, -1))


@pytest.mark.parametrize("apart", [1e-6, 1e-2, 0.5])
@pytest.mark.parametrize("d", [1, 3])
def test_two_minima_much_closer_than_the_radius(d, apart):
    """The radius is 2: ends scatter about two minima as far as their gradients say, curvature 3."""
    rng = np.random.default_rng(0)
    first, which = rng.uniform(-1000, 1000, (60, d)), rng.integers(0, 2, 60)
    off = 1e-6 * apart * rng.uniform(-1, 1, (60, d))
    made = ends_of(which[:, None] * apart + off, 3 * np.abs(off).max(1), first)
    found = tw.analysis.basins(made)
    assert found.sizes["basin"] == 2 and found.share.sum() == pytest.approx(1)
    assert len(np.unique(found.label[0].values + 2 * which)) == 2
    assert tw.analysis.basins(made, radius=2.0).sizes["basin"] == 1  # what a person asks for is done


def test_a_minimum_in_several_spots_is_one():
    """From two sides; in copies, each found twice; along a line; and without a gradient to tell, in one component."""
    rng = np.random.default_rng(1)
    first = rng.uniform(-1000, 1000, (60, 2))
    side = np.where(rng.random(60) < 0.5, -1, 1)[:, None] * np.array([[1e-3, 0.0]])
    off = side * (1 + 1e-4 * rng.uniform(-1, 1, (60, 1)))
    assert tw.analysis.basins(ends_of(off, np.abs(off).max(1), first)).sizes["basin"] == 1
    off = 1e-3 * rng.uniform(-1, 1, (60, 2))
    twice = ends_of(off, np.abs(off).max(1), first).isel(variant=[0, 0])
    assert tw.analysis.basins(twice).sizes["basin"] == 1
    doubled = [np.concatenate([part, part]) for part in (off, np.abs(off).max(1), first)]
    assert tw.analysis.basins(ends_of(*doubled)).sizes["basin"] == 1
    line = np.column_stack([rng.uniform(-1, 1, 60)] * 2)
    assert tw.analysis.basins(ends_of(line, np.full(60, 1e-7), first)).sizes["basin"] == 1
    flat = tw.Problem(loss=lambda x: 1e-3 * jnp.sum(x**2), start=[1.0, 1.0])
    fits = tw.solve(flat, tw.methods.TrustRegion(), tw.starts.grid(([-1, -1], [1, 1]), 16), dtype="float32")
    assert tw.analysis.basins(fits).sizes["basin"] == 1


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_saddle_points_and_maxima_are_no_minimum(himmelblau, dtype):
    """Newton's method ends at the four minima, the four saddle points and the maximum of Himmelblau's function."""
    fits = tw.solve(himmelblau, tw.methods.Newton(), tw.starts.grid(([-5, -5], [5, 5]), 31), dtype=dtype)
    found = tw.analysis.basins(fits)
    assert found.sizes["basin"] == 9 and found.kind.flag_meanings == "minimum saddle_or_maximum"
    order = np.lexsort(himmelblau.minima.T[::-1])
    np.testing.assert_allclose(found.minimum[:4], himmelblau.minima[order], atol=1e-4)
    assert np.isnan(found.minimum[4:]).all() and found.kind.values.tolist() == [0] * 4 + [1] * 5
    level = [np.abs(himmelblau.gradient(jnp.asarray(end))).max() for end in found.end.values]
    assert np.max(level) < 1e-3 and found.loss[-1] == pytest.approx(181.617, abs=1e-3)
    known = tw.analysis.basins(fits, problem=himmelblau)
    assert [known.kind.flag_meanings.split()[k] for k in known.kind.values] == ["minimum"] * 4 + ["saddle"] * 4 + [
        "maximum"
    ]


@pytest.mark.parametrize(
    "method",
    [pytest.param(tw.methods.BFGS(), marks=pytest.mark.slow), tw.methods.gradient_descent(0.01)],
    ids=["BFGS", "GD"],
)
def test_the_problem_tells_the_kind_of_any_end(method):
    """Starts at a saddle point, a maximum, a degenerate and a plain minimum, where a gradient alone sees no more."""
    made = tw.Problem(loss=lambda x: (x[0] ** 2 - 1) ** 2 + x[1] ** 4 - 2 * x[1] ** 2, start=[0.0, 0.0])
    fits = tw.solve(made, method, [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    found = tw.analysis.basins(fits, problem=made)
    words = [found.kind.flag_meanings.split()[k] for k in found.kind.values[found.label[0]]]
    assert words == ["maximum", "saddle", "saddle", "minimum", "minimum"]
    assert np.isfinite(found.minimum).all("x_dim").sum() == 2
    of_run = tw.analysis.basins(tw.run(made, method, [[0.0, 0.0], [1.0, 1.0]], steps=3), problem=made)
    assert of_run.kind.values[of_run.label[0]].tolist() == [2, 0]
    level = tw.Problem(loss=lambda x: jnp.sum(x**4), start=[0.0, 0.0])
    assert tw.analysis.basins(tw.solve(level, method), problem=level).kind.values.tolist() == [0]


def test_stalled_starts_are_where_they_stopped():
    """And not at the lowest point that they passed: here the start, beside a maximum."""
    hill = tw.Problem(loss=lambda x: x[0] ** 4 - 2 * x[0] ** 2, start=[0.1])
    fits = tw.solve(hill, tw.methods.Newton(), [[0.1], [0.2], [-0.1], [1.1]])
    found = tw.analysis.basins(fits)
    np.testing.assert_allclose(found.end[:, 0], [1.0, 0.0], atol=1e-6)
    assert found.label[0].values.tolist() == [1, 1, 1, 0]
    stuck = fits.assign(x=fits.x + 0.3).drop_vars("reason")  # as of a method that does not know the curvature
    np.testing.assert_allclose(tw.analysis.basins(stuck).end[:, 0], [1.3, 0.0], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.slow
def test_starts_of_himmelblau_are_counted_as_by_brute_force(dtype):
    problem = tw.problems.himmelblau()
    methods = {"GD": tw.methods.gradient_descent(5e-3), "BFGS": tw.methods.BFGS()}
    fits = tw.solve(problem, methods, tw.starts.grid(problem.domain, 40), dtype=dtype)
    found = tw.analysis.basins(fits)
    order = np.lexsort(problem.minima.T[::-1])  # all four have the loss 0, so that they are in the order of positions
    np.testing.assert_allclose(found.minimum, problem.minima[order], atol=1e-3)
    nearest = cdist(fits.x.values.reshape(-1, 2), problem.minima[order]).argmin(1).reshape(2, 1600)
    arrived = fits.outcome.values <= 1
    np.testing.assert_array_equal(found.label, np.where(arrived, nearest, -1))
    counts = [[np.sum(row[at] == k) for k in range(4)] for row, at in zip(nearest, arrived, strict=True)]
    np.testing.assert_allclose(found.share, np.array(counts) / 1600, rtol=1e-12)
    assert found.label.dtype == np.int32 and found.attrs["grid"] == 40 and len(np.unique(nearest)) == 4
    one = tw.analysis.basins(fits.isel(variant=1))  # what was selected is judged alike
    np.testing.assert_array_equal(one.label[0], found.label[1])
    assert tw.analysis.basins(fits.isel(variant=1, start=7)).label.item() == 0


def test_solve_returns_its_starts_without_a_copy_for_each_variant():
    problem = tw.problems.himmelblau()
    starts = tw.starts.grid(problem.domain, 3)
    fits = tw.solve(
        problem, tw.sweep(tw.methods.gradient_descent(5e-3), learning_rate=[5e-3, 1e-3]), starts, dtype="float64"
    )
    assert fits.first_x.dims == ("start", "x_dim") and fits.first_x.dtype == np.float64
    np.testing.assert_array_equal(fits.first_x, starts)


def test_many_minima_in_one_component_are_ordered_by_loss():
    problem = tw.Problem(loss=lambda x: x[0] ** 2 + 0.5 * jnp.sin(30 * x[0]), start=[0.3], domain=(-1.0, 1.0))
    starts = np.linspace(-1, 1, 401)[:, None]
    trace = tw.run(problem, tw.methods.gradient_descent(2e-3), starts, steps=1500, every=1500, dtype="float64")
    found = tw.analysis.basins(trace)
    x = np.linspace(-1.15, 1.15, 230_001)  # begins below the lowest minimum that is reached
    level = x**2 + 0.5 * np.sin(30 * x)
    low = np.flatnonzero((level[1:-1] < level[:-2]) & (level[1:-1] < level[2:])) + 1
    tops = x[1:-1][(level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])]  # basins in one component end at maxima
    reached = np.searchsorted(tops, starts[:, 0])
    by_loss = [k for k in np.argsort(level[low]) if k in reached]
    np.testing.assert_allclose(found.minimum[:, 0], x[low][by_loss], atol=1e-5)
    np.testing.assert_array_equal(np.array(by_loss)[found.label[0]], reached)
    assert np.all(np.diff(found.loss) > 0) and found.sizes["basin"] >= 10
    assert found.share.sum() == pytest.approx(1) and np.isnan(found.basin_entropy).all() and found.attrs["grid"] == 0


def test_points_within_the_radius_are_one_and_beyond_twice_it_are_not():
    rng = np.random.default_rng(0)
    for d, spread in ((1, 300.0), (2, 20.0), (3, 7.0), (6, 2.5)):
        points = rng.uniform(-spread, spread, (400, d))
        fits = fits_of(np.zeros((20, 20), int)).drop_dims("x_dim")
        fits = fits.assign(x=(("variant", "start", "x_dim"), points[None]), first_x=(("start", "x_dim"), points))
        label = tw.analysis.basins(fits, radius=1.0).label[0].values
        apart = cdist(points, points, "chebyshev")
        within, linked = (connected_components(apart <= r, directed=False)[1] for r in (1, 2))
        same = label[:, None] == label
        assert np.all(same[within[:, None] == within]) and not np.any(same[linked[:, None] != linked])
        assert 1 < len(np.unique(label)) < 400


def test_a_cloud_in_many_components_is_one_minimum(monkeypatch):
    """Half a million pairs touch: cells grow until they do not, instead of links that would not fit in memory."""
    points = 1e-3 * np.random.default_rng(0).normal(size=(900, 20))
    fits = fits_of(np.zeros((30, 30), int)).drop_dims("x_dim")
    fits = fits.assign(x=(("variant", "start", "x_dim"), points[None]), first_x=(("start", "x_dim"), 1e3 * points))
    monkeypatch.setattr(import_module("thalweg.analysis.clusters"), "MOST_PAIRS", 10_000)
    found = tw.analysis.basins(fits, radius=1e-3)
    assert found.sizes["basin"] == 1 and np.all(found.attrs["radius"] > 1e-3)
    far = points + 1e-1 * (np.arange(900) % 3)[:, None]
    found = tw.analysis.basins(fits.assign(x=(("variant", "start", "x_dim"), far[None])), radius=1e-3)
    np.testing.assert_allclose(found.share, 1 / 3)


def test_labels_do_not_depend_on_units():
    problem = tw.problems.himmelblau()
    fits = tw.solve(problem, tw.methods.gradient_descent(5e-3), tw.starts.grid(problem.domain, 20), dtype="float64")
    units = np.array([1e9, 1e-9])
    scaled = tw.analysis.basins(fits.assign(x=fits.x * units, first_x=fits.first_x * units))
    xr.testing.assert_equal(scaled.label, tw.analysis.basins(fits).label)


def test_entropies_of_small_images():
    half, checks = np.zeros((20, 20), int), np.add.outer(np.arange(20), np.arange(20)) % 2
    half[:, 7:] = 1
    assert entropies(checks, 2) == pytest.approx((np.log(2), np.log(2)))
    assert entropies(checks, 5) == pytest.approx([entropy([12, 13])] * 2)
    mixed = entropy([2, 3])  # of the four columns of boxes one is mixed, in which two of five starts are on one side
    assert entropies(half, 5) == pytest.approx((mixed / 4, mixed))
    assert entropies(np.zeros((10, 10), int), 5) == pytest.approx((0, np.nan), nan_ok=True)
    assert entropies(half[:4, :4], 5) == pytest.approx((np.nan, np.nan), nan_ok=True)


def test_entropies_of_noise_are_those_of_its_boxes():
    image = np.random.default_rng(1).integers(-1, 4, (23, 23))  # the last rows and columns are no box; -1 counts
    boxes = [image[i : i + 3, j : j + 3].ravel() for i in range(0, 21, 3) for j in range(0, 21, 3)]
    each = [entropy(np.bincount(cell + 1)) for cell in boxes]
    assert entropies(image, 3) == pytest.approx((np.mean(each), np.mean([s for s in each if s > 0])))
    large = np.random.default_rng(2).integers(0, 3, (60, 60))
    assert entropies(large, 30) == pytest.approx([np.log(3)] * 2, abs=3e-3)


@pytest.mark.slow
def test_basins_of_newtons_method_are_a_fractal_with_threefold_symmetry():
    """z <- z - (z^3 - 1) / 3 z^2: Gauss-Newton on z^3 = 1. A smooth boundary, as himmelblau has, stays below log 2."""
    problem, n = root_of_unity_problem(), 256
    turn = np.array([[np.cos(2 * np.pi / 3), -np.sin(2 * np.pi / 3)], [np.sin(2 * np.pi / 3), np.cos(2 * np.pi / 3)]])
    grid = tw.starts.grid(([-1.5, -1.5], [1.5, 1.5]), n)
    starts = np.concatenate([grid, grid @ turn.T, grid @ turn.T @ turn.T])
    fits = tw.solve(problem, tw.methods.GaussNewton(), starts, gtol=1e-10, dtype="float64")
    found = tw.analysis.basins(fits)
    roots = np.array([[-0.5, -np.sqrt(0.75)], [-0.5, np.sqrt(0.75)], [1.0, 0.0]])
    np.testing.assert_allclose(found.minimum, roots, atol=1e-9)
    label = found.label.values.reshape(3, -1)
    following = cdist(roots @ turn.T, roots).argmin(1)
    for before, after in ((0, 1), (1, 2)):
        assert np.mean(label[after] == following[label[before]]) > 0.999
    image = tw.analysis.basins(fits.isel(start=slice(n * n)))
    assert np.log(2) < image.boundary_entropy.item() == pytest.approx(0.714, abs=2e-3)
    conjugate = image.label.values.reshape(n, n)[:, ::-1]  # the second component along columns
    assert np.mean(conjugate == np.array([1, 0, 2])[image.label.values.reshape(n, n)]) > 0.999

    smooth = tw.problems.himmelblau()
    fits = tw.solve(smooth, tw.methods.gradient_descent(5e-3), tw.starts.grid(smooth.domain, 100), dtype="float64")
    assert 0.3 < tw.analysis.basins(fits).boundary_entropy.item() < np.log(2)


def test_misuse_is_named():
    problem = tw.problems.quadratic([1.0, 2.0])
    fits = tw.solve(problem, tw.methods.gradient_descent(0.1), [[1.0, 1.0], [2.0, 1.0]], max_steps=1)
    with pytest.raises(ValueError, match=r"of 2 starts none has reached a minimum \(2 exhausted\); give more steps"):
        tw.analysis.basins(fits)
    trace = tw.run(problem, tw.methods.gradient_descent(1e30), steps=9)
    with pytest.raises(ValueError, match=r"of 1 starts none has reached a minimum \(1 not finite\)"):
        tw.analysis.basins(trace)
    good = tw.solve(problem, tw.methods.Newton(), [[1.0, 1.0]])
    for radius in (0.0, -1.0, np.nan, np.inf, True, "1"):
        with pytest.raises(ValueError, match="but it must be positive and finite, in the units of x"):
            tw.analysis.basins(good, radius=radius)
    with pytest.raises(ValueError, match="box is 1, but it must be a whole number of at least 2"):
        tw.analysis.basins(good, box=1)
    for wrong in (good.drop_vars("first_x"), good["x"], None):
        with pytest.raises(ValueError, match="give a Dataset that solve or run returned"):
            tw.analysis.basins(wrong)
    several = good.expand_dims(case=2)
    with pytest.raises(ValueError, match=r"the fits have 2 cases, .* give one, fits.isel\(case=0\)"):
        tw.analysis.basins(several)
    assert tw.analysis.basins(several.isel(case=0)).sizes["basin"] == 1
