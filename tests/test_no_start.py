"""Fits of which nobody says where they begin: what a formula tells of its parameters, and what a search finds."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares

import thalweg as tw
from thalweg import formula
from thalweg.fitting.search import Search
from thalweg.problems.dimensions import dimensions
from thalweg.problems.linear import linear, projected

NIST = Path(__file__).parent / "data" / "nist"


def parsed(text, predictors=("x",)):
    names = [name for name in "abcdkmpstwxz" if name in text.replace("exp", "").replace("sin", "").replace("cos", "")]
    found = formula.parse(text, names)
    return found, [name for name in found.names if name not in predictors]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a + b*x", "ab"),
        ("a*exp(-k*x) + b", "ab"),
        ("a*b*x", "a"),  # a product: one of the two
        ("-a/2 + (b - a)*x/(x + k)", "ab"),
        ("exp(a + b*x)", ""),
        ("a*x**b", "a"),
        ("(a + b*x)/(1 + c*x)", "ab"),
        ("a**2*x", ""),
        ("a**1*x", "a"),
        ("abs(a)*x + b", "b"),
        ("(a + b)*(c + d)", "ab"),
    ],
)
def test_a_formula_tells_in_which_parameters_it_is_linear(text, names):
    found, parameters = parsed(text)
    assert "".join(linear(found, parameters)) == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a*exp(-k*x)", {"a": (0, 1), "k": (-1, 0)}),
        ("d/(1 + (x/m)**b)", {"d": (0, 1), "m": (1, 0), "b": (0, 0)}),
        ("a*x/(k + x)", {"a": (0, 1), "k": (1, 0)}),
        ("a*exp(-(x - m)**2/(2*s**2))", {"a": (0, 1), "m": (1, 0), "s": (1, 0)}),
        ("a + b*x + c*x**2", {"a": (0, 1), "b": (-1, 1), "c": (-2, 1)}),
        ("a*sin(w*x + p)", {"a": (0, 1), "w": (-1, 0), "p": (0, 0)}),
        ("sqrt(a + b*x)", {"a": (0, 2), "b": (-1, 2)}),
        ("(a + b*x)/(1 + c*x + d*x**2)", {"a": (0, 1), "b": (-1, 1), "c": (-1, 0), "d": (-2, 0)}),
    ],
)
def test_terms_agree_in_the_dimensions_of_parameters(text, expected):
    found, parameters = parsed(text)
    powers = dimensions(found, parameters, ["x"])
    assert {name: tuple(row) for name, row in zip(parameters, powers, strict=True)} == expected


def test_projection_is_least_squares_in_the_linear_parameters():
    generator = np.random.default_rng(0)
    x, weights = np.linspace(0.1, 3, 15), generator.uniform(0.5, 2, 15)
    y, k = generator.normal(size=15), np.array([[0.3], [2.0], [1e-9]])
    model = formula.parse("a*exp(-k*x) + b + x/2", ["a", "b", "k", "x"])
    best, squares = projected(model, ("a", "b"), {"k": k, "x": x}, y, weights)
    for i in (0, 1):
        columns = np.stack([np.exp(-k[i] * x), np.ones(15)], axis=1) * weights[:, None]
        oracle, left, *_ = np.linalg.lstsq(columns, weights * (y - x / 2))
        np.testing.assert_allclose(best[i], oracle, rtol=1e-9)
        np.testing.assert_allclose(squares[i], left[0], rtol=1e-12)
    # Where the columns are equal, their sum is determined, and so is what is left.
    np.testing.assert_allclose(squares[2], np.sum((weights * (y - x / 2)) ** 2) - _explained(weights, y - x / 2))


def _explained(weights, y):
    return np.sum(weights**2 * y) ** 2 / np.sum(weights**2)


def test_a_point_without_a_number_is_last():
    model = tw.problems.regression({"x": [1.0, 2, 3, 4], "y": [1.0, 2, 2, 1]}, "a*log(b - x)", "y")
    points = tw.problems.guesses(model, 500, key=1)
    losses = np.array([float(model.value(point)) for point in points])
    finite = np.isfinite(losses)
    assert 10 < finite.sum() < 500
    assert finite[: finite.sum()].all()
    assert np.all(np.diff(losses[finite]) >= -1e-9 * losses[finite][1:])


def test_points_keep_to_what_a_person_says():
    x = np.linspace(1.0, 9.0, 9)
    model = tw.problems.regression(
        {"x": x, "y": 3 * x**1.5},
        "a*x**b + c*exp(d*x)",
        "y",
        start={"b": 2.0},
        domain={"d": (-1.0, -0.5)},
        bounds={"a": (0, 2.0), "c": (None, 0)},
    )
    a, b, c, d = tw.problems.guesses(model, 1000).T
    assert (a >= 0).all() and (a <= 2).all() and (c <= 0).all()
    assert (b >= 0.2).all() and (b <= 20).all() and np.std(b) > 1
    assert (d >= -1).all() and (d <= -0.5).all() and np.std(d) > 0.1


def test_the_same_key_gives_the_same_points():
    model = tw.problems.misra1a()
    first, again, other = (tw.problems.guesses(model, 50, key=key) for key in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    with pytest.raises(ValueError, match="is no formula of parameters"):
        tw.problems.guesses(tw.problems.rosenbrock(2))


@pytest.mark.slow
def test_units_of_the_table_do_not_matter():
    """In nanometers or light years, the search finds the same curve."""
    x = np.linspace(0.5, 10, 20)
    y = 2 / (1 + (x / 3) ** 2.5) + 0.01 * np.sin(40 * x)
    oracle = least_squares(lambda p: p[0] / (1 + (x / p[1]) ** p[2]) - y, [2, 3, 2.5], xtol=1e-15, ftol=1e-15)
    for u, v in ((1.0, 1.0), (1e-9, 1e12), (1e15, 1e-7)):
        found = tw.fit({"x": u * x, "y": v * y}, "d/(1+(x/m)**b)", y="y")
        assert found.search is not None and found.search.reached > 20
        values = np.array([found.parameters["d"] / v, found.parameters["m"] / u, found.parameters["b"]])
        np.testing.assert_allclose(values, oracle.x, rtol=1e-6)


def test_a_fit_prints_draws_and_saves(tmp_path):
    x = np.arange(8.0)
    found = tw.fit({"x": x, "y": 5 * np.exp(-0.3 * x) + 0.1 * np.cos(9 * x)}, "a*exp(-k*x)", y="y")
    text = repr(found)
    assert "no start was given: 4096 points were drawn" in text
    assert "one minimum was found, the lowest by" in text
    assert f"{found.parameters['k']:#.9g}" in text
    assert found.succeeded and found.report["parameters"]["k"]["value"] == found.parameters["k"]
    assert found.table["standard_error"]["k"] == found.standard_errors["k"] > 0
    assert found.predict({"x": [2.5]}).predicted.size == 1
    for name in ("fit.csv", "fit.json", "fit.nc", "fit.png"):
        found.save(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 100
    with pytest.raises(ValueError, match="has no ending that says what it holds"):
        found.save(tmp_path / "fit")


def test_a_start_for_every_parameter_is_where_it_begins():
    x = np.arange(8.0)
    table = {"x": x, "y": np.sin(2 * x)}
    found = tw.fit(table, "sin(w*x + p)", y="y", start={"w": 2.1, "p": 0.1})
    assert found.search is None and found.fits.sizes["start"] == 1
    np.testing.assert_allclose(found.parameters["w"], 2, rtol=1e-8)
    assert "no start was given" not in repr(found)


@pytest.mark.slow
def test_waves_come_back_as_the_slowest_ones():
    """On an even grid a sine of f and one of f + 1/step are the same numbers, and so are mirror images."""
    t = np.arange(0, 10, 0.05)
    y = 1.6 * np.exp(-0.3 * t) * np.sin(2 * np.pi * 1.7 * t + 0.6) + 0.05 * np.cos(37 * t**2)
    for key in (0, 1):
        found = tw.fit({"t": t, "y": y}, "A*exp(-g*t)*sin(2*pi*f*t + phi)", y="y", key=key)
        values = [found.parameters[name] for name in ("A", "f", "g", "phi")]
        np.testing.assert_allclose(values, [1.6, 1.7, 0.3, 0.6], rtol=0.1)


@pytest.mark.slow
def test_of_mirror_images_the_plain_one_is_told():
    dose = np.repeat([0.0, 0.1, 0.3, 1.0, 3.0, 10.0], 2)
    y = 0.1 + 1.3 / (1 + (dose / 0.8) ** 1.2) + 0.01 * np.sin(99 * np.arange(12))
    x = np.linspace(0, 10, 30)
    peak = 3 * np.exp(-((x - 4) ** 2) / (2 * 1.1**2)) + 0.05 * np.cos(50 * x)
    for key in (0, 1):
        found = tw.fit({"dose": dose, "y": y}, "bottom + (top - bottom)/(1 + (dose/EC50)**h)", y="y", key=key)
        assert found.parameters["h"] > 0 and found.parameters["bottom"] < found.parameters["top"]
        found = tw.fit({"x": x, "y": peak}, "A*exp(-(x-m)**2/(2*s**2))", y="y", key=key)
        assert found.parameters["s"] > 0


def test_only_what_is_not_said_is_drawn():
    x = np.arange(8.0)
    table = {"x": x, "y": 5 * np.exp(-0.3 * x) + 0.1 * np.cos(9 * x)}
    assert "only k had a start or a range: 4096 points" in repr(tw.fit(table, "a*exp(-k*x)", y="y", start={"k": 0.5}))


def test_groups_begin_together_and_end_apart():
    x, batch = np.tile(np.linspace(0.2, 8, 12), 2), np.repeat(["A", "B"], 12)
    k = np.where(batch == "A", 0.3, 1.2)
    table = {"x": x, "batch": batch, "y": np.where(batch == "A", 3, 30) * np.exp(-k * x) + 0.01 * np.sin(50 * x)}
    found = tw.fit(table, "a*exp(-k*x)", y="y", groups="batch")
    for name in "AB":
        own = batch == name
        oracle = least_squares(lambda p, own=own: p[0] * np.exp(-p[1] * x[own]) - table["y"][own], [5, 0.5], xtol=1e-15)
        values = [found.parameters[f"{parameter}[{name}]"] for parameter in "ak"]
        np.testing.assert_allclose(values, oracle.x, rtol=1e-6)


@pytest.mark.slow
def test_many_observations_race_in_part_and_end_with_all():
    x = np.linspace(0, 10, 6000)
    counts = np.random.default_rng(0).poisson(30 * np.exp(-0.4 * x) + 2)
    found = tw.fit({"x": x, "y": counts}, "a*exp(-k*x) + c", y="y", loss="poisson")
    assert found.fits.sizes["start"] == 8 and found.problem.chain.spaces[-1].size == 6000
    gradient = found.problem.gradient(list(found.parameters.values()))
    assert np.abs(gradient).max() < 1e-2 * 6000**0.5
    np.testing.assert_allclose(list(found.parameters.values()), [30, 2, 0.4], rtol=0.05)


def test_what_was_not_seen():
    """With one minimum in n searches, 2 / (n (n - 1)) (Boender and Rinnooy Kan 1987)."""
    assert Search(0, 0, 5, 5, (1.0,)).unseen == pytest.approx(0.1)
    assert Search(0, 0, 2, 1, (1.0, 2.0)).unseen == 1
    assert Search(0, 0, 0, 0, ()).unseen == 1


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(NIST.glob("*.dat")), ids=lambda file: file.stem)
def test_the_certified_minimum_is_found_without_a_start(file):
    known = tw.problems.statistical_reference.read(file)
    table = {"response": known.response, **known.predictors}
    found = tw.fit(table, known.model, y="response")
    assert float(found.best.loss) <= known.residual_sum_of_squares * (1 + 1e-6) + 1e-20
