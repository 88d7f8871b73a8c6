"""Several responses of one model, and responses that are formulas of columns."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

import thalweg as tw

T = np.linspace(0.0, 10.0, 25)
NOISE = np.random.default_rng(0).normal(size=(2, 25))
TABLE = {"t": T, "A": 2 * np.exp(-0.5 * T) + 0.02 * NOISE[0], "B": 300 * (1 - np.exp(-0.5 * T)) + 5 * NOISE[1]}
SYSTEM = {"A": "a*exp(-k*t)", "B": "b*(1-exp(-k*t))"}
SIGMA = {"A": 0.02, "B": 5.0}


@pytest.fixture
def folder(workplace):
    return workplace


def scipys(t_a, a, t_b, b):
    """The same residuals, one response below the other."""

    def residual(p):
        one, other = p[0] * np.exp(-p[2] * t_a), p[1] * (1 - np.exp(-p[2] * t_b))
        return np.concatenate([(one - a) / SIGMA["A"], (other - b) / SIGMA["B"]])

    return least_squares(residual, [1.0, 100.0, 1.0], x_scale="jac", xtol=1e-15, ftol=1e-15, gtol=1e-15)


def written(folder, table):
    pd.DataFrame(table).to_csv(folder / "two.csv", index=False, na_rep="")
    return str(folder / "two.csv")


@pytest.mark.slow
def test_parameters_and_errors_are_those_of_the_stacked_residuals():
    found, theirs = tw.fit(TABLE, SYSTEM, sigma=SIGMA), scipys(T, TABLE["A"], T, TABLE["B"])
    np.testing.assert_allclose(list(found.parameters.values()), theirs.x, rtol=1e-7)
    np.testing.assert_allclose(found.best.loss, 2 * theirs.cost, rtol=1e-12)
    covariance = np.linalg.inv(theirs.jac.T @ theirs.jac) * 2 * theirs.cost / (50 - 3)
    np.testing.assert_allclose(list(found.standard_errors.values()), np.sqrt(np.diag(covariance)), rtol=1e-5)


def test_each_response_has_the_rows_where_it_is_there():
    """Of a row without A, B counts, in a data frame as in a file."""
    frame = pd.DataFrame(TABLE)
    frame.loc[[3, 7], "A"] = np.nan
    problem = tw.problems.regression(frame, SYSTEM, sigma=SIGMA)
    model, kept = problem.stages[0].forward, np.delete(np.arange(25), [3, 7])
    assert model.observed.tolist() == [*TABLE["A"][kept], *TABLE["B"]]
    assert model.told == "2 of 25 rows left out where 'A' is missing"
    theirs = scipys(T[kept], TABLE["A"][kept], T, TABLE["B"])
    fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), theirs.x, max_steps=0)
    np.testing.assert_allclose(fits.loss, 2 * theirs.cost, rtol=1e-10)


def test_a_formula_is_never_computed_at_rows_of_another_response():
    """log(x) of B's rows, where x is not positive, spoils neither value nor derivatives."""
    table = {"x": np.array([1.0, 2.0, 4.0]), "z": np.array([-1.0, 0.0, 1.0]), "A": np.zeros(3), "B": np.zeros(3)}
    problem = tw.problems.regression(table, {"A": "a*log(x)", "B": "a*z + c"})
    x = np.array([2.0, 1.0])
    assert problem.spaces(x)["y"].tolist() == pytest.approx([*(2 * np.log(table["x"])), -1.0, 1.0, 3.0])
    assert problem.jacobian(x)[:, 0].tolist() == pytest.approx([*np.log(table["x"]), -1.0, 0.0, 1.0])
    assert np.isfinite(problem.gradient(x)).all()


@pytest.mark.slow
def test_predictions_are_of_every_response_with_its_own_band():
    found = tw.fit(TABLE, SYSTEM, sigma=SIGMA)
    p, at = found.parameters, found.predict({"t": [1.0, 2.0]})
    assert at.response.values.tolist() == ["A", "A", "B", "B"]
    e = np.exp(-p["k"] * np.array([1.0, 2.0]))
    np.testing.assert_allclose(at.predicted, [*(p["a"] * e), *(p["b"] * (1 - e))], rtol=1e-12)
    width = (at.prediction_high - at.prediction_low).values
    assert (width[2:] > 100 * width[:2]).all()
    alone = found.predict({"t": [1.0], "response": ["B"]})
    np.testing.assert_allclose(alone.predicted, at.predicted.values[2:3])


@pytest.mark.slow
def test_groups_and_responses_go_together():
    """k of each batch from both responses."""
    batch = np.repeat(["one", "two"], [12, 13])
    k = np.where(batch == "one", 0.3, 0.6)
    table = {"t": T, "batch": batch, "A": 2 * np.exp(-k * T), "B": 300 * (1 - np.exp(-k * T))}
    found = tw.fit(table, SYSTEM, groups={"batch": "k"}, sigma=SIGMA)
    assert found.parameters == pytest.approx({"a": 2, "b": 300, "k[one]": 0.3, "k[two]": 0.6}, rel=1e-6)
    assert found.plot().axes[0].get_ylabel() == "A"


@pytest.mark.slow
def test_each_response_has_a_panel():
    found = tw.fit(TABLE, SYSTEM, sigma=SIGMA)
    *tops, below = found.plot().axes
    assert [ax.get_ylabel() for ax in tops] == ["A", "B"] and below.get_xlabel() == "t"
    for ax, name in zip(tops, "AB", strict=True):
        dots = next(line for line in ax.get_lines() if line.get_label() == "observed")
        np.testing.assert_array_equal(dots.get_xydata(), np.column_stack([T, TABLE[name]]))
    plt.close("all")


@pytest.mark.slow
def test_the_report_says_what_is_left_of_each_and_what_weighs():
    text = str(tw.fit(TABLE, SYSTEM))
    assert "A = a*exp(-k*t); B = b*(1-exp(-k*t))" in text
    assert "root mean square residual" in text and "give {'A': …, 'B': …} as sigma" in text
    assert "weigh by their own units" not in str(tw.fit(TABLE, SYSTEM, sigma=SIGMA))


@pytest.mark.slow
def test_bootstrap_and_profile_know_responses():
    found = tw.fit(TABLE, SYSTEM, sigma=SIGMA)
    draws = tw.analysis.bootstrap(found.fits, found.problem, 200, 0)
    np.testing.assert_allclose(draws.standard_error, list(found.standard_errors.values()), rtol=0.3)
    ends = tw.analysis.profile_intervals(found.fits, found.problem)
    assert (ends.lower < ends.value).all() and (ends.value < ends.upper).all()


@pytest.mark.slow
def test_the_command_line_fits_both(call, folder):
    written(folder, TABLE)
    models = " ".join(f'--model "{name} = {text}"' for name, text in SYSTEM.items())
    status, shown, _ = call(f"solve two.csv {models} --sigma A=0.02,B=5 --at t=1,2 --predict p.csv")
    found = tw.fit(TABLE, SYSTEM, sigma=SIGMA)
    assert status == 0 and f"a           {found.parameters['a']:#.9g}" in shown
    predicted = pd.read_csv(folder / "p.csv")
    assert predicted.response.tolist() == ["A", "A", "B", "B"]
    np.testing.assert_allclose(predicted.predicted, found.predict({"t": [1.0, 2.0]}).predicted, rtol=1e-6)


@pytest.mark.slow
def test_a_frame_without_a_cell_has_no_response_there():
    frame = pd.DataFrame({"t": T, "k": np.where(T == 0, np.nan, np.exp(1 + 2 * T))})
    found = tw.fit(frame, "log(k) = a + b*t")
    assert found.parameters == pytest.approx({"a": 1, "b": 2})
    assert "1 of 25 rows left out where 'log(k)' is missing" in str(found)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["y", "model"])
def test_a_response_may_be_a_formula_of_columns(way, tmp_path):
    """log(k) is linear in its parameters; rows without k are left out."""
    table = {"T": 1 / np.linspace(1.0, 2.0, 9), "k": np.exp(3 - 2 * np.linspace(1.0, 2.0, 9))}
    table["k"][4] = np.nan
    file = written(tmp_path, table)
    found = tw.fit(file, "a - b/T", y="log(k)") if way == "y" else tw.fit(file, "log(k) = a - b/T")
    assert found.parameters == pytest.approx({"a": 3, "b": 2}, rel=1e-9)
    assert "1 row left out where 'log(k)' is missing" in str(found)


@pytest.mark.slow
def test_a_power_is_written_as_people_do():
    """^ is **, in the model, a response, a condition, a derived quantity and a share; not within quotes."""
    table = {"x": T, "y": 2 + T**1.5, "m^2": T}
    found = tw.fit(table, "y^2 = (a + x^b)^2", where="x^2 > 1")
    assert found.parameters == pytest.approx({"a": 2, "b": 1.5})
    assert found.problem.stages[0].forward.formula.text == "(a + x**b)**2"
    squared = tw.analysis.derived(found.fits, found.problem, {"c": "a^2"})
    assert squared.value["c"] == pytest.approx(4)
    assert tw.fit(table, "a*'m^2'", y="x").parameters == pytest.approx({"a": 1})


@pytest.mark.slow
def test_a_formula_of_r_names_its_response():
    assert tw.fit(TABLE, "A ~ a*exp(-k*t)").parameters == tw.fit(TABLE, "A = a*exp(-k*t)").parameters


def test_replicates_share_a_model():
    """The mean of two columns of the same length, with the errors of both."""
    found = tw.fit({"t": T, "one": 1 + T, "two": 3 + T}, "a + b*t", y=["one", "two"])
    assert found.parameters == pytest.approx({"a": 2, "b": 1})
    assert found.report["statistics"]["degrees of freedom"] == 48


@pytest.mark.parametrize(
    "sigma, deviations",
    [
        ("5%", 0.05 * np.abs(TABLE["A"])),
        (" 0.5 %", 0.005 * np.abs(TABLE["A"])),
        ("0.01 + 0.02*t", 0.01 + 0.02 * T),
        ("sqrt(abs(A)) + 1", np.sqrt(np.abs(TABLE["A"])) + 1),
    ],
)
@pytest.mark.parametrize("of", ["file", "arrays"])
def test_a_sigma_may_be_a_share_or_a_formula_of_columns(sigma, deviations, of, tmp_path):
    table = written(tmp_path, TABLE) if of == "file" else TABLE
    problem = tw.problems.regression(table, "a*exp(-k*t)", "A", sigma=sigma)
    np.testing.assert_allclose(problem.loss.sigma, deviations, rtol=1e-12)


def test_a_share_is_of_each_response():
    problem = tw.problems.regression({name: column[1:] for name, column in TABLE.items()}, SYSTEM, sigma="10%")
    np.testing.assert_allclose(problem.loss.sigma, 0.1 * np.abs(np.append(TABLE["A"][1:], TABLE["B"][1:])))


@pytest.mark.slow
def test_one_undetermined_group_leaves_the_errors_of_the_others():
    """k of the group of one observation is open; all else is as without that group."""
    group = np.array(["A"] * 12 + ["B"] * 13 + ["C"])
    table = {"t": np.append(T, 0.0), "y": np.append(TABLE["A"], 2.0), "group": group}
    found, alone = tw.fit(table, "a*exp(-k*t)", y="y", groups="group"), {}
    for name in "AB":
        rows = group == name
        alone[name] = tw.fit({key: column[rows] for key, column in table.items()}, "a*exp(-k*t)", y="y")
    errors = found.standard_errors
    assert [name for name, error in errors.items() if np.isnan(error)] == ["k[C]"]
    s = {name: one.report["statistics"]["residual standard deviation"] for name, one in alone.items()}
    whole = found.report["statistics"]["residual standard deviation"]
    for name, one in alone.items():
        for parameter, error in one.standard_errors.items():
            assert errors[f"{parameter}[{name}]"] == pytest.approx(error * whole / s[name], rel=1e-6)
    assert found.report["statistics"]["degrees of freedom"] == 26 - 5
    assert "standard errors of k[C] are NaN: here the data do not determine them" in str(found)
    bands = found.predict({"t": [1.0]})
    assert np.isfinite(bands.confidence_low[:2]).all() and np.isnan(bands.confidence_low[2])


@pytest.mark.parametrize(
    "model, more, message",
    [
        (SYSTEM, {"y": "A"}, "y is 'A', but the model names its responses, A, B; leave y out"),
        ("A = a*exp(-k*t)", {"y": "B"}, "the model predicts 'A', but y is 'B'; give one of them"),
        ("a*exp(-k*t)", {}, "there is no y, the column that 'a*exp(-k*t)' predicts"),
        ({}, {}, "it must be formulas by response"),
        ({"A": "a*t", "C": "b*t"}, {}, "'C' is not a column of the table"),
        (SYSTEM, {"sigma": {"A": 1.0}}, "sigma has none of 'B'"),
        (SYSTEM, {"sigma": {"A": 1.0, "B": 1.0, "D": 1.0}}, "'D' is not a response of the model"),
        (SYSTEM, {"sigma": np.ones(50)}, "sigma has shape (50,), but there are the responses A, B"),
        ("log(A - 2) = a + k*t", {}, "log(A - 2) is nan at index 1, of A 1."),
        ("log(Q) = a + k*t", {}, "'Q' is not a column of the table"),
        ("A = a*2t", {}, "'2t' in the model is neither a number nor a name; write * between factors: 2*t"),
        ("A = 1.5k*t", {}, "write * between factors: 1.5*k"),
    ],
)
def test_what_is_refused(model, more, message):
    with pytest.raises(ValueError) as refused:
        tw.problems.regression(TABLE, model, **more)
    assert message in str(refused.value)
