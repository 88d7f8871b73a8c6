"""Parameters of groups: k[A] and k[B] of one formula, where the others are shared."""

import json

import jax
import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from figures import beside, rendered
from numpy.testing import assert_allclose, assert_array_equal

import thalweg as tw
from thalweg import analysis, plot, problems
from thalweg.command.assignments import read_start
from thalweg.command.groups import read_groups

LM = tw.methods.LevenbergMarquardt()
MODEL = "Vm*conc/(K+conc)"
CONC = [0.02, 0.02, 0.06, 0.06, 0.11, 0.11, 0.22, 0.22, 0.56, 0.56, 1.10, 1.10]
TREATED_RATES = [76, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200]
UNTREATED_RATES = [67, 51, 84, 86, 98, 115, 131, 124, 144, 158, 160]
DATA = {
    "conc": np.array(CONC + CONC[:-1]),
    "rate": np.array([*TREATED_RATES, *UNTREATED_RATES], float),
    "state": ["treated"] * 12 + ["untreated"] * 11,
}  # Puromycin of R, from Bates and Watts (1988), appendix A1.3
TREATED = np.array([state == "treated" for state in DATA["state"]])
START = {"Vm": 160.0, "K": 0.05}


def regressed(groups, model=MODEL, **more):
    return problems.regression(DATA, model, "rate", **{"start": START} | more, groups=groups)


def solved(problem):
    return tw.solve(problem, LM, gtol=0.0, xtol=1e-11)


@pytest.fixture(scope="module")
def shared():
    """A K for both states, and a Vm for each."""
    problem = regressed({"state": ["Vm"]})
    return problem, solved(problem)


@pytest.fixture(scope="module")
def apart():
    problem = regressed("state")
    return problem, solved(problem)


def test_a_shared_parameter_is_that_published(shared):
    """R's help of Puromycin: Vm 166.6041 (5.8074) and 42.0259 more for treated cells, K 0.05797 (0.00591)."""
    problem, fits = shared
    assert problem.chain.spaces[0].labels == ("K", "Vm[treated]", "Vm[untreated]")
    table = analysis.fit_table(fits, problem)
    assert_allclose(table.value[:3], [0.05797, 166.6041 + 42.0259, 166.6041], rtol=1e-4)
    assert_allclose(table.standard_error[["K", "Vm[untreated]"]], [0.00591, 5.807], rtol=1e-3)
    assert_allclose(table.value[3:], [10.59, 20], rtol=1e-3)

    def law(conc, k, a, b):
        return np.where(TREATED, a, b) * conc / (k + conc)

    right, covariance = scipy.optimize.curve_fit(
        law, DATA["conc"], DATA["rate"], (0.05, 160, 160), xtol=1e-14, ftol=1e-15
    )
    assert_allclose(table.value[:3], right, rtol=1e-6)
    assert_allclose(table.standard_error[:3], np.sqrt(np.diag(covariance)), rtol=1e-5)


def test_all_parameters_by_groups_are_fits_one_by_one(apart):
    """Bates and Watts, page 48: 212.7 and 0.06412 treated, 160.3 and 0.0477 untreated."""
    problem, fits = apart
    table = analysis.fit_table(fits, problem)
    assert list(table.index[:4]) == ["K[treated]", "K[untreated]", "Vm[treated]", "Vm[untreated]"]
    assert_allclose(table.value[:4], [0.06412, 0.04771, 212.7, 160.3], rtol=2e-4)
    total = 0.0
    for state, rows in ("treated", TREATED), ("untreated", ~TREATED):
        conc, rate = DATA["conc"][rows], DATA["rate"][rows]
        right, _ = scipy.optimize.curve_fit(lambda x, k, v: v * x / (k + x), conc, rate, (0.05, 160), ftol=1e-15)
        assert_allclose(table.value[[f"K[{state}]", f"Vm[{state}]"]], right, rtol=1e-6)
        total += np.sum((rate - right[1] * conc / (right[0] + conc)) ** 2)
    assert_allclose(fits.loss[0, 0], total, rtol=1e-12)


def test_an_f_test_tells_whether_a_parameter_is_shared(shared, apart):
    """F = 1.718 on 1 and 19, p = 0.2057, of R's anova of the two fits of its help."""
    f = analysis.f_test(shared[1], shared[0], apart[1], apart[0])
    assert_allclose(f.values, [1.718, 1, 19, 0.2056], rtol=1e-3)


def test_predictions_say_their_group(shared):
    problem, fits = shared
    k, a, b = fits.x.values[0, 0]
    one = analysis.prediction(fits, problem, {"conc": [0.1, 0.1, 0.5], "state": ["treated", "untreated", "treated"]})
    assert_allclose(one.predicted, [a * 0.1 / (k + 0.1), b * 0.1 / (k + 0.1), a * 0.5 / (k + 0.5)], rtol=1e-12)
    assert_array_equal(one.state, ["treated", "untreated", "treated"])
    same = analysis.prediction(fits, problem, {"conc": [0.1, 0.5], "state": "treated"})
    assert_allclose(same.confidence_low, one.confidence_low[[0, 2]], rtol=1e-12)
    with pytest.raises(ValueError, match="'treat' is not a group of 'state'; did you mean 'treated'"):
        analysis.prediction(fits, problem, {"conc": [0.1], "state": ["treat"]})
    every = analysis.prediction(fits, problem, {"conc": [0.1]})  # in each group
    assert_array_equal(every.state, ["treated", "untreated"])
    assert_allclose(every.confidence_low, one.confidence_low[:2], rtol=1e-12)
    with pytest.raises(ValueError, match="at has no values of 'conc'"):
        analysis.prediction(fits, problem, {"state": ["treated"]})


def test_the_figure_has_a_curve_for_each_group(shared):
    problem, fits = shared
    shown = analysis.fitted(fits, problem)
    k, a, b = fits.x.values[0, 0]
    for state, height in ("treated", a), ("untreated", b):
        grid = shown.grid.values[shown.curve == state]
        assert_allclose(shown.model.values[shown.curve == state], height * grid / (k + grid), rtol=1e-12)
        assert (grid.min(), grid.max()) == (0.02, 1.1)
    assert_array_equal(shown.group, DATA["state"])
    figure = rendered(plot.fit(fits, problem))
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert {"treated", "untreated", "observed"} <= lines.keys()
    assert lines["treated"].get_color() != lines["untreated"].get_color()
    assert beside(figure.axes[0])[0][:4] == ["observed", "untreated", "treated", "95 % confidence"]


def test_a_report_has_the_group_of_each_observation(shared):
    problem, fits = shared
    report = json.loads(json.dumps(analysis.fit_report(fits, problem)))
    assert report["observations"]["state"] == DATA["state"]
    assert list(report["parameters"]) == ["K", "Vm[treated]", "Vm[untreated]"]
    assert report["statistics"]["parameters"] == 3


def test_what_is_said_of_all_is_said_of_each_that_is_not_named():
    problem = regressed(
        {"state": ["Vm", "K"]},
        start={"Vm": 100.0, "Vm[treated]": 200.0, "K[untreated]": 0.02},
        domain={"Vm": (10.0, 300.0), "K[treated]": (0.01, 0.09)},
        bounds={"Vm": (0, None), "Vm[untreated]": (50, 180)},
    )
    assert problem.chain.spaces[0].labels == ("K[treated]", "K[untreated]", "Vm[treated]", "Vm[untreated]")
    assert_allclose(problem.start, [0.05, 0.02, 200, 100])
    low, high = problem.domain
    assert_array_equal(low, [-np.inf, -np.inf, 0, 50])
    assert_array_equal(high, [np.inf, np.inf, np.inf, 180])
    low, high = problems.start_ranges(problem)
    assert_allclose(low, [0.01, 0.002, 10, 50])
    assert_allclose(high, [0.09, 0.2, 300, 180])


def test_fixed_are_all_or_one():
    one = regressed({"state": ["Vm"]}, fixed={"Vm[treated]": 210.0}, bounds={"Vm": (0, None)}, start={"K": 0.05})
    assert one.chain.spaces[0].labels == ("K", "Vm[untreated]")
    k = analysis.fitted(tw.solve(one, LM, max_steps=0), one)
    assert_allclose(k.predicted[0], 210 * 0.02 / (0.05 + 0.02), rtol=1e-12)
    every = regressed("state", fixed={"Vm": 200.0}, start={"K": 0.05})
    assert every.chain.spaces[0].labels == ("K[treated]", "K[untreated]")
    assert list(every.stages[0].forward.fixed) == ["Vm[treated]", "Vm[untreated]"]
    with jax.enable_x64(True):
        assert_allclose(every.forward([0.05, 0.1]), 200 * DATA["conc"] / (np.where(TREATED, 0.05, 0.1) + DATA["conc"]))


@pytest.mark.parametrize(
    "cells, labels",
    [
        ([10, 9, 10, 9, 100, 100], ["9", "10", "100"]),
        ([0.5, 1.0, 1, 0.5, 1, 1], ["0.5", "1"]),
        (["10", "9.0", "10.0", "9", "9", "9"], ["9", "10"]),
        (["b10", "b9", "b10", "b9", "a", "a"], ["a", "b9", "b10"]),
        ([True, False, True, False, True, True], ["False", "True"]),
        (pd.Categorical(["x", "y", "x", "y", "x", "x"]), ["x", "y"]),
    ],
)
def test_groups_are_words_or_numbers_in_their_order(cells, labels):
    frame = pd.DataFrame({"t": np.arange(6.0), "y": np.arange(6.0), "site": cells})
    for data in (frame, {name: frame[name] for name in frame}):
        problem = problems.regression(data, "a + b*t", "y", groups={"site": "b"})
        assert problem.chain.spaces[0].labels == ("a", *(f"b[{label}]" for label in labels))


def test_a_column_may_be_predictor_and_group():
    data = {"dose": np.array([1.0, 1, 2, 2, 4, 4]), "y": np.array([3.0, 4, 5, 6, 7, 8]), "t": np.arange(6.0)}
    problem = problems.regression(data, "a + b*dose", "y", groups={"dose": ["a"]}, fixed={"b": 1.0})
    fits = solved(problem)
    assert_allclose(fits.x[0, 0], [2.5, 3.5, 3.5], rtol=1e-10)  # means of y - dose
    bands = analysis.prediction(fits, problem, {"dose": [4, 1.0]})
    assert_allclose(bands.predicted, [7.5, 3.5], rtol=1e-10)


def test_means_of_groups_need_no_predictor():
    problem = problems.regression({k: DATA[k] for k in ("rate", "state")}, "mu", "rate", groups="state")
    with jax.enable_x64(True):
        means = [DATA["rate"][TREATED].mean(), DATA["rate"][~TREATED].mean()]
        assert_allclose(problem.gradient(means), 0, atol=1e-10)


def test_a_name_that_goes_by_groups_is_a_parameter():
    labels = regressed({"state": ["e"]}, model="Vm*conc/(e+conc)", start={"Vm": 160.0}).chain.spaces[0].labels
    assert labels == ("Vm", "e[treated]", "e[untreated]")


def test_rows_without_a_group_are_left_out_and_said(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("t,y,site\n1,2,a\n2,4,b\n3,5,\n4,9,NA\n5,6,a\n6,1,b\n7,7,a\n")
    problem = problems.regression(path, "s*t", "y", groups="site")
    model = problem.stages[0].forward
    assert problem.chain.spaces[0].labels == ("s[a]", "s[b]") and len(model.observed) == 5
    assert "2 rows left out where 'site' is missing" in model.told


REFUSED = {
    "no column": ("stat", {}, "'stat' is not a column of the table; did you mean 'state'?"),
    "y": ({"rate": ["K"]}, {}, "groups go by 'rate', which the model is to predict; choose another column."),
    "no parameter": ({"state": ["V"]}, {}, "'V' is not a parameter of the model"),
    "twice": ({"state": ["K"], "conc": ["K"]}, {}, "'K' goes by 'state' and by 'conc', but a parameter goes by one"),
    "a list": (["state"], {}, "groups is ['state'], but it must be a column, by which all parameters go, or"),
    "no names": ({"state": []}, {}, "groups is {'state': []}, but it must be a column"),
    "no member": ({"state": ["K"]}, {"start": {"K[treatd]": 1.0}}, "'K[treatd]' is not a parameter of the model; did"),
    "a member of a shared": ({"state": ["K"]}, {"start": {"Vm[treated]": 1.0}}, "'Vm[treated]' is not a parameter of"),
    "fixed and bounded": (
        "state",
        {"start": {}, "fixed": {"K": 1.0}, "bounds": {"K[treated]": (0, 1)}},
        "'K' is fixed, and 'K[treated]' with it, which has a start, a range or bounds; leave one of them out.",
    ),
    "too many": ({"conc": ["Vm", "K"], "rate2": ["a"]}, {}, "'rate2' is not a column"),
    "all fixed": ("state", {"start": {}, "fixed": {"K": 1.0, "Vm": 1.0}}, "all parameters of the model"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, compiled):
    groups, more, sentence = REFUSED[name]
    before = len(compiled)
    with pytest.raises(ValueError) as caught:
        regressed(groups, **more)
    assert sentence in str(caught.value) and len(compiled) == before


def test_cells_that_are_no_group_are_refused():
    with pytest.raises(ValueError, match="column 'state' has 'nan' at index 1, but groups go by it"):
        problems.regression({**DATA, "state": ["a", np.nan] + ["b"] * 21}, MODEL, "rate", groups="state")
    with pytest.raises(ValueError, match="there are 23 observations for 24 parameters"):
        problems.regression({**DATA, "row": np.arange(23)}, MODEL, "rate", groups={"row": "Vm"})


def test_words_of_the_command_line():
    assert read_groups(["batch"]) == {"batch": None}
    assert read_groups(["batch:k,A", "site: b "]) == {"batch": ["k", "A"], "site": ["b"]}
    assert read_groups(["'time: of day':k", "`x`"]) == {"time: of day": ["k"], "x": None}
    assert read_groups(["batch:k,A", "site:b"], {"A", "b"}) == {"batch": ["k"]}
    assert read_start("k[T=5]=1,k[a,b]=2, A = 3") == {"k[T=5]": 1, "k[a,b]": 2, "A": 3}
    for text in ("batch:", ":k", "", "batch:k,,A"):
        with pytest.raises(ValueError, match="but it must be column or column:name"):
            read_groups([text])
    with pytest.raises(ValueError, match="--group of 'batch' is given twice"):
        read_groups(["batch:k", "batch:A"])


@pytest.fixture
def folder(workplace):
    pd.DataFrame(DATA).to_csv(workplace / "cells.csv", index=False)
    return workplace


def test_from_the_shell(call, shared):
    problem, fits = shared
    line = f'solve cells.csv --model "{MODEL}" --y rate --group state:Vm --start Vm=160,K=0.05'
    status, out, err = call(f"{line} --bound Vm[treated]=0:")
    table = analysis.fit_table(fits, problem)
    assert (status, err) == (0, "")
    lines = [line.split() for line in out.splitlines() if line.startswith(("K ", "Vm["))][:3]  # correlations follow
    rows = {name: numbers for name, *numbers in lines}
    assert_allclose([float(rows[name][0]) for name in table.index[:3]], table.value[:3], rtol=1e-6)
    status, out, err = call("solve rosenbrock --group state:Vm")
    assert status == 2 and "--group was given, but 'rosenbrock' is no table" in err
