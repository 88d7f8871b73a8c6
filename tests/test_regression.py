"""Curve fitting: tables and formulas as problems, what the data determine, the figure of a fit."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.optimize
import xarray as xr
from figures import beside, rendered
from nist_layout import NAMES

import thalweg as tw
from thalweg import analysis, plot, problems
from thalweg.problems import statistical_reference as fits
from thalweg.problems.tables import read_table

MODEL = "b1*(1-exp(-b2*x))"
LETTERS = {"x": np.arange(6.0), "y": np.array([0.1, 0.8, 2.1, 2.9, 4.2, 5.0]), "temp": np.ones(6)}


def fitted(problem, points, loss=None):
    """Fits with the schema of ``solve``, from points of shape (variant, start, d)."""
    points = np.asarray(points)
    loss = np.zeros(points.shape[:2]) if loss is None else loss
    return xr.Dataset(
        {"x": (("variant", "start", "x_dim"), points), "loss": (("variant", "start"), np.asarray(loss, float))},
        {
            "variant": [f"v{i}" for i in range(points.shape[0])],
            "method": ("variant", ["m"] * points.shape[0]),
            "start": range(points.shape[1]),
            "x_dim": list(problem.chain.spaces[0].labels),
        },
    )


def decay():
    """A regression of 40 observations of three parameters, and its least squares by SciPy: (problem, x, covariance)."""
    rng = np.random.default_rng(3)
    t = np.sort(rng.uniform(0, 5, 40))
    y = 3 * np.exp(-1.3 * t) + 0.5 + 0.05 * rng.normal(size=40)

    def predict(t, a, c, k):
        return a * np.exp(-k * t) + c

    def jacobian(t, a, c, k):
        return np.stack([np.exp(-k * t), np.ones_like(t), -a * t * np.exp(-k * t)], axis=1)

    x, covariance = scipy.optimize.curve_fit(predict, t, y, (1, 1, 1), jac=jacobian, xtol=1e-15, ftol=1e-15)
    return problems.regression({"t": t, "y": y}, "a*exp(-k*t)+c", "y"), x, covariance


# Tables.

PLAIN = "x,y,site\n1,2.5,north\n2,-3e1,south\n3,.5,\n"
WRITTEN = {
    "plain": PLAIN,
    "byte-order mark": "\ufeff" + PLAIN,
    "spaces": " x ,\ty , site \n 1 , 2.5 , north\n2 ,-3e1,south \n3,  .5 ,\n",
    "quotes": '"x","y" , "site"\n"1" ,"2.5","north, by ""east"""\n2,-3e1,south\n3,.5,""\n',
    "no last line end": PLAIN.rstrip("\n"),
    "blank lines": "\n\n" + PLAIN.replace("\n", "\n \n,,\n"),
    "comments": '# a "comment\n' + PLAIN.replace("\n2", "\n  # more, \n2"),
    "Windows": PLAIN.replace("\n", "\r\n"),
    "unnamed index": PLAIN.replace("x,y", ",x,y")
    .replace("\n1", "\n0,1")
    .replace("\n2", "\n1,2")
    .replace("\n3", "\n2,3"),
}


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "data.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("name", WRITTEN)
def test_tables_as_people_write_them(name, written):
    table = read_table(written(WRITTEN[name]))
    assert list(table) == ["x", "y", "site"]
    np.testing.assert_array_equal(table["x"], [1, 2, 3])
    np.testing.assert_array_equal(table["y"], [2.5, -30, 0.5])
    assert table["x"].dtype == np.float64


def test_a_table_of_pandas_comes_back(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 3)) * 10.0 ** np.random.default_rng(1).integers(-9, 9, (50, 3))
    pd.DataFrame(values, columns=["a", "b", "c"]).to_csv(tmp_path / "data.csv")
    table = read_table(str(tmp_path / "data.csv"))
    np.testing.assert_array_equal(np.stack([table[name] for name in "abc"], axis=1), values)


UNREADABLE = {
    "empty": ("", "read as a table: it is empty; give a CSV file with a line of column names"),
    "only a comment": ("# x,y\n\n", "it is empty"),
    "binary": (bytes(range(256)), "it is not text"),
    "zeros": (bytes(100), "it is not text"),
    "ragged": ("x,y\n1,2\n\n3\n", "line 4 has 1 cells where the names are 2"),
    "one cell more": ("# a\nx,y\n1,2,3\n", "line 3 has 3 cells where the names are 2"),
    "names twice": ("x,y,x\n1,2,3\n", "'x' is the name of 2 columns"),
    "no names": ("1.5,2\n3,4\n", "its first line, '1.5, 2', has numbers where the names of columns are due"),
    "decimal commas between commas": ("x,y\n1,5,2,5\n", "line 2 has 4 cells where the names are 2"),
    "open quote": ('x,y\n1,"2\n3,4\n', "unexpected end of data"),
}
CELLS = {
    "word": ("x,y\n# c\n1,2\n\n3,four\n", "has 'four' in line 5, column 'y', but a fit needs finite numbers"),
    "too large": ("x,y\n1,1e999\n", "has '1e999' in line 2, column 'y'"),
    "Python's own": ("x,y\n1_0,1\n", "has '1_0' in line 2, column 'x'"),
    "after a line break in quotes": ('x,y,note\n1,2,"a\nb"\nz,3,c\n', "has 'z' in line 4, column 'x'"),
}


def refusal(call, compiled):
    """The sentence of the ValueError, for which nothing was compiled."""
    before = len(compiled)
    with pytest.raises(ValueError) as caught:
        call()
    sentence = str(caught.value)
    assert len(compiled) == before
    assert "\n" not in sentence and sentence[-1] in ".?"
    return sentence


@pytest.mark.parametrize("name", UNREADABLE)
def test_no_table(name, written, compiled):
    content, reason = UNREADABLE[name]
    path = written(content)
    sentence = refusal(lambda: problems.regression(path, MODEL, "y"), compiled)
    assert sentence.startswith(f"{str(path)!r} cannot be read as a table: ") and reason in sentence


@pytest.mark.parametrize("name", CELLS)
def test_cells_that_are_no_numbers(name, written, compiled):
    content, reason = CELLS[name]
    assert reason in refusal(lambda: problems.regression(written(content), "b1*x", "y"), compiled)


def test_no_file(tmp_path, compiled):
    for path, reason in ((tmp_path / "none.csv", "no such file"), (tmp_path, "is a directory"), ("a\0b", "null")):
        assert reason in refusal(lambda path=path: problems.regression(path, MODEL, "y"), compiled)


# Problems.


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Misra1a", "Chwirut2", "Hahn1", "Rat43"])
def test_a_table_is_the_same_problem_as_the_file_of_nist(name, nist, tmp_path):
    file, theirs = fits.read(nist(name)), problems.nist(nist(name))
    columns = {"y": file.response, **file.predictors}
    pd.DataFrame(columns).to_csv(tmp_path / f"{name}.csv", index=False)
    near = dict(zip(file.names, file.starts[1].tolist(), strict=True))
    for data in (tmp_path / f"{name}.csv", columns, pd.DataFrame(columns)):
        ours = problems.regression(data, file.model, "y", start=near)
        assert ours.chain.spaces[0].labels == theirs.chain.spaces[0].labels
        np.testing.assert_array_equal(ours.start, file.starts[1])
        with jax.enable_x64(True):
            for x in (*file.starts, file.certified):
                np.testing.assert_array_equal(ours.forward(x), theirs.forward(x))
                np.testing.assert_array_equal(ours.gradient(x), theirs.gradient(x))
    assert problems.regression(tmp_path / f"{name}.csv", file.model, "y").name == name


def test_several_predictors_and_a_column_of_words(written):
    path = written("x1,who,x2,out\n1,a,2,3\n2,b,5,7\n3,c,1,9\n4,d,0,8\n")
    problem = problems.regression(path, "b1*x1 + b2*x2**2 + b1", "out", start={"b1": 2, "b2": 0.5})
    x1, x2, out = np.array([1, 2, 3, 4]), np.array([2, 5, 1, 0]), np.array([3, 7, 9, 8])
    np.testing.assert_allclose(problem.forward(problem.start), 2 * x1 + 0.5 * x2**2 + 2, rtol=1e-6)
    np.testing.assert_allclose(problem.value(problem.start), np.sum((out - 2 * x1 - 0.5 * x2**2 - 2) ** 2), rtol=1e-6)


def test_ten_parameters_are_in_the_order_of_people():
    rng = np.random.default_rng(0)
    x, b = rng.normal(size=20), rng.normal(size=11)
    columns = {"x": x, "y": rng.normal(size=20)}
    model = " + ".join(f"b{i + 1}*x**{i}" for i in reversed(range(11)))
    ranges = {f"b{i + 1}": (i - 1.0, i + 3.0) for i in range(11)}
    problem = problems.regression(columns, model, "y", start={"b10": 9.5}, domain=ranges)
    assert problem.chain.spaces[0].labels == tuple(f"b{i + 1}" for i in range(11))
    np.testing.assert_array_equal(problem.start, [*range(1, 10), 9.5, 11])
    np.testing.assert_array_equal(problem.domain, [np.arange(11) - 1, np.arange(11) + 3])
    with jax.enable_x64(True):
        np.testing.assert_allclose(problem.forward(b), np.polyval(b[::-1], x), rtol=1e-11, atol=1e-12)


def test_start_and_domain_of_each_parameter():
    starts = {"a": 5.0, "b": -2, "c": 0.0, "d": 3}
    problem = problems.regression(
        LETTERS, "a*x + b + c*x**2 + d*x**3 + f*0", "y", starts, {"d": (3, 4), "f": (0, 1000)}
    )
    np.testing.assert_array_equal(problem.start, [5, -2, 0, 3, 500])
    low, high = problems.start_ranges(problem)
    np.testing.assert_array_equal(low, [0.5, -20, -1, 3, 0])
    np.testing.assert_array_equal(high, [50, -0.2, 1, 4, 1000])
    np.testing.assert_array_equal(problem.domain, [[-np.inf] * 3 + [3, 0], [np.inf] * 3 + [4, 1000]])
    plain = problems.regression(LETTERS, "a*x", "y")
    np.testing.assert_array_equal([plain.start, *problems.start_ranges(plain)], [[1], [0.1], [10]])
    np.testing.assert_array_equal(plain.domain, [[-np.inf], [np.inf]])
    points = tw.starts.uniform((low, high), 100)
    assert np.all((low <= points) & (points <= high))


def test_what_looks_like_a_column_is_a_parameter_where_it_is_declared():
    for given in ({"start": {"tmp": 2.0}}, {"domain": {"tmp": (1.0, 3.0)}}):
        assert problems.regression(LETTERS, "tmp*x", "y", **given).chain.spaces[0].labels == ("tmp",)
    assert problems.regression(LETTERS, "X*x", "y").chain.spaces[0].labels == ("X",)  # x itself is used
    assert problems.regression({"y": np.arange(5.0)}, "mean", "y").dimension == 1  # there is no other column


def test_a_regression_is_in_the_precision_of_the_run():
    problem = problems.regression(LETTERS, MODEL, "y")
    assert problem.forward(np.ones(2, np.float32)).dtype == np.float32
    with jax.enable_x64(True):
        expected = 1 - np.exp(-LETTERS["x"])
        np.testing.assert_allclose(jax.jit(lambda x: problem.forward(x))(np.ones(2)), expected, rtol=1e-15)


def test_names_that_are_constants_are_parameters_where_they_are_declared():
    for given in ({"start": {"e": 3.0}}, {"domain": {"e": (1.0, 5.0)}}):
        problem = problems.regression(LETTERS, "c+(d-c)/(1+(x/e)**b)", "y", **given)
        assert problem.chain.spaces[0].labels == ("b", "c", "d", "e")
        with jax.enable_x64(True):
            value = problem.forward(np.array([1.0, 0.5, 2.0, 4.0]))
            np.testing.assert_allclose(value, 0.5 + 1.5 / (1 + LETTERS["x"] / 4), rtol=1e-15)
    column = problems.regression({**LETTERS, "e": np.arange(6.0)}, "a*e", "y")
    np.testing.assert_array_equal(column.forward(np.array([2.0])), 2 * np.arange(6.0))
    assert problems.regression(LETTERS, "pi*x", "y", {"pi": 1.0}).chain.spaces[0].labels == ("pi",)


@pytest.mark.parametrize(
    "model", ["a*sin(2*pi*x)", "a*cos(pi*x)", "a*x/(2*pi)", "a*x*pi/180", "a*arctan(x/b)/pi", "np.pi*a*x", "exp(1)*a*x"]
)
def test_a_constant_that_can_be_no_parameter_is_not_asked_about(model):
    labels = problems.regression(LETTERS, model, "y").chain.spaces[0].labels
    assert set(labels) <= {"a", "b"}


def test_names_of_columns_as_people_have_them():
    names = ["CO(GT)", "decimal date", "temp_C", "\u03c4", "log", "lambda", "1st", "T [K]", "x.1"]
    columns = {name: np.arange(6.0) + i for i, name in enumerate(names)} | {"y": np.arange(6.0)}
    for i, name in enumerate(names):
        marks = ("'", '"', "`") if name not in ("temp_C", "\u03c4") else ("'", "")
        for mark in marks:
            model = problems.regression(columns, f"a*{mark}{name}{mark} + b", "y").stages[0].forward
            assert model.parameters == ("a", "b")
            np.testing.assert_array_equal(model.predictors[name], columns[name])
        renamed = problems.regression(columns, "a*short", "y", rename={"short": name}).stages[0].forward
        np.testing.assert_array_equal(renamed.predictors["short"], np.arange(6.0) + i)
    assert problems.regression(columns, "a*np.exp(-temp_C)", "CO(GT)").stages[0].forward.response == "CO(GT)"


def regress(model=MODEL, y="y", data=LETTERS, **arguments):
    return lambda: problems.regression(data, model, y, **arguments)


REFUSED = {
    "no such column": (regress(y="tmp"), "'tmp' is not a column of the table; did you mean 'temp'?"),
    "unlike any column": (regress(y="response"), "'response' is not a column of the table; choose from x, y, temp."),
    "y no word": (regress(y=3), "y is 3, but it must be a column, a formula of columns, or a list of them"),
    "no y": (regress(y=None), "there is no y, the column that"),
    "no table": (
        regress(data=np.ones((5, 2))),
        "data is of type ndarray, but it must be a table; give the path of a CSV",
    ),
    "model a function": (regress(lambda x: x), "but it must be a formula such as 'b1*(1-exp(-b2*x))'"),
    "predictor misspelled": (
        regress("b1*tmp"),
        "'tmp' in the model is not a column, but 'temp' is and is not used; cor",
    ),
    "predictor in capitals": (regress("b1*X"), "'X' in the model is not a column, but 'x' is and is not used"),
    "no predictor": (regress("b1*exp(-b2)"), "names no column to predict 'y' from; use one of x, temp."),
    "y in the model": (regress("b1*x + y"), "has 'y', which it is to predict; leave it out or choose another y."),
    "no parameter": (regress("2*x"), "the model '2*x' has no parameter to fit; name one that is no column"),
    "unknown function": (regress("b1*expo(x)"), "'expo(x)' at column 4 of the formula is not a call"),
    "keyword": (regress("exp(-lambda*x)"), "'lambda' cannot be a variable; use a letter"),
    "Euler's number or a parameter": (
        regress("c+(d-c)/(1+(x/e)**b)"),
        "'e' in the model can be the constant 2.71828, Euler's number, or a parameter: write exp(1) for the number, or "
        "give 'e' a start if it is a parameter (start={'e': 1.0}, --start e=1).",
    ),
    "e as a base": (regress("a*e**(-b*x)"), "'e' in the model can be the constant 2.71828"),
    "pi": (regress("pi*x"), "write arccos(-1) for the number, or give 'pi' a start if it is a parameter"),
    "a column without quotes": (
        regress("a*CO(GT)", data={"CO(GT)": np.ones(6), "y": np.ones(6)}),
        "column 'CO(GT)' stands in the model without quotes; write 'CO(GT)' in quotes, as in \"a*'CO(GT)'\", or call "
        "it otherwise (rename={'t': 'CO(GT)'}, --as \"t=CO(GT)\").",
    ),
    "a column of two words": (
        regress("a*x", data={"decimal date": np.ones(6), "y": np.ones(6)}),
        "names no column to predict 'y' from; use one of 'decimal date', with the quotes.",
    ),
    "no column in quotes": (regress("a*'tempo'"), "'tempo' is not a column of the table; did you mean 'temp'?"),
    "renamed to a column": (regress("a*x", rename={"x": "temp"}), "'x' is a column already, so that 'temp' cannot be"),
    "renamed from nothing": (
        regress("a*t", rename={"t": "tempo"}),
        "'tempo' is not a column of the table; did you mean",
    ),
    "marks without a file": (regress("a*x", missing=[-200]), "missing says how a file is read, but data is none"),
    "unbalanced": (regress("b1*(x"), "'(' at column 4 of the formula is never closed"),
    "range of nothing": (regress(domain={"b22": (0, 1)}), "'b22' is not a parameter of the model; did you mean 'b2'?"),
    "start of nothing": (regress(start={"rate": 1}), "'rate' is not a parameter of the model; choose from b1, b2."),
    "range of a column": (regress(domain={"x": (0, 1)}), "'x' is not a parameter of the model; choose from b1, b2."),
    "range reversed": (
        regress(domain={"b1": (1, 0)}),
        "the range of 'b1' is (1, 0), but it must be two finite numbers",
    ),
    "range empty": (regress(domain={"b1": (1, 1)}), "low below high; give e.g. (0.0, 10.0)."),
    "range infinite": (regress(domain={"b1": (0, np.inf)}), "the range of 'b1' is (0, inf), but it must be two finite"),
    "range a number": (regress(domain={"b1": 3}), "the range of 'b1' is 3, but it must be two finite numbers"),
    "range of words": (
        regress(domain={"b1": ("0", "1")}),
        "the range of 'b1' is ('0', '1'), but it must be two finite",
    ),
    "ranges in a row": (
        regress(domain=(0, 1)),
        "domain is (0, 1), but it goes by parameter; give e.g. {'b1': (0.0, 10",
    ),
    "starts in a row": (regress(start=[1, 2]), "start is [1, 2], but it goes by parameter; give e.g. {'b1': 1.0}."),
    "start infinite": (regress(start={"b1": np.inf}), "the start of 'b1' is inf, but it must be a finite number"),
    "start a word": (regress(start={"b1": "one"}), "the start of 'b1' is 'one', but it must be a finite number"),
    "start outside": (
        regress(start={"b1": 11}, domain={"b1": (0, 10)}),
        "the start of 'b1' is 11, outside its range from 0 to 10; move one of them.",
    ),
    "too few": (
        regress(data={"x": [1.0], "y": [1.0]}),
        "there are 1 observations for 2 parameters (b1, b2), but a fit needs at least 2; give more",
    ),
    "of other length": (regress(data={"x": [1.0, 2], "y": [1.0]}), "the columns have the lengths {'y': 1, 'x': 2}"),
    "a matrix": (
        regress(data={**LETTERS, "x": np.ones((6, 1))}),
        "column 'x' has shape (6, 1), but it must be a vector",
    ),
    "not finite": (regress(data={**LETTERS, "x": [1, 2, np.nan, 4, 5, 6]}), "column 'x' has nan at index 2, but a fit"),
    "of words": (regress(data={**LETTERS, "x": list("abcdef")}), "column 'x' is not of real numbers; give a vector"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusal(name, compiled):
    call, words = REFUSED[name]
    assert words in refusal(call, compiled)


# What the data determine.


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_standard_deviations_that_nist_certifies(name, nist):
    file, problem = fits.read(nist(name)), problems.nist(nist(name))
    spread = analysis.uncertainty(fitted(problem, file.certified[None, None]), problem)
    error, deviation = spread.standard_error.values[0, 0], float(spread.residual_standard_deviation[0, 0])
    if name == "Lanczos1":  # the printed parameters leave residuals 168 times the certified ones; s enters as a factor
        assert deviation > 100 * file.residual_standard_deviation
        error = error * file.residual_standard_deviation / deviation
    else:
        np.testing.assert_allclose(deviation, file.residual_standard_deviation, rtol=1e-10)
    np.testing.assert_allclose(error, file.standard_deviations, rtol=1e-9)
    assert spread.degrees_of_freedom.item() == len(file.response) - len(file.names)


def test_covariance_is_that_of_scipy():
    problem, x, covariance = decay()
    spread = analysis.uncertainty(fitted(problem, x[None, None]), problem)
    error = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(spread.standard_error[0, 0], error, rtol=1e-7)
    np.testing.assert_allclose(spread.correlation[0, 0], covariance / np.outer(error, error), rtol=0, atol=1e-8)
    with jax.enable_x64(True):
        deviation = np.sqrt(problem.value(x) / 37)
    np.testing.assert_allclose(spread.residual_standard_deviation, deviation, rtol=1e-12)


def exact_inverse(matrix):
    """By Gauss-Jordan elimination, of fractions."""
    d = len(matrix)
    rows = [[*row, *(Fraction(i == j) for j in range(d))] for i, row in enumerate(matrix)]
    for i in range(d):
        rows[i] = [entry / rows[i][i] for entry in rows[i]]
        for k in set(range(d)) - {i}:
            rows[k] = [a - rows[k][i] * b for a, b in zip(rows[k], rows[i], strict=True)]
    return np.array([[float(entry) for entry in row[d:]] for row in rows])


def test_an_ill_conditioned_polynomial_agrees_with_fractions():
    x, degree = range(31, 55), 8  # 54^8 is exact in float64
    design = [[Fraction(a) ** k for k in range(degree + 1)] for a in x]
    gram = [[sum(row[i] * row[j] for row in design) for j in range(degree + 1)] for i in range(degree + 1)]
    inverse = exact_inverse(gram)
    scaled = np.array(design, float) / np.sqrt(np.diag(np.array(gram, float)))
    assert np.linalg.cond(scaled) > 1e9  # and squared, as in normal equations, beyond what float64 can tell
    y = np.where(np.arange(24) % 2, 1.0, -1.0)
    model = " + ".join(f"b{k}*x**{k}" for k in range(degree + 1))
    problem = problems.regression({"x": np.array(x, float), "y": y}, model, "y")
    spread = analysis.uncertainty(fitted(problem, np.zeros((1, 1, degree + 1))), problem)
    s = np.sqrt(24 / (24 - degree - 1))  # all predictions are 0
    np.testing.assert_allclose(spread.residual_standard_deviation, s, rtol=1e-15)
    np.testing.assert_allclose(spread.standard_error[0, 0], s * np.sqrt(np.diag(inverse)), rtol=1e-6)
    root = np.sqrt(np.diag(inverse))
    np.testing.assert_allclose(spread.correlation[0, 0], inverse / np.outer(root, root), rtol=0, atol=1e-6)


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_the_factor_of_the_loss_and_the_units_of_x_do_not_matter(factor):
    problem, x, _ = decay()
    units, model = np.array([2.0**-60, 2.0**40, 2.0**7]), problem.stages[0].forward
    scaled = tw.Problem(
        lambda u: model({name: u[i] * units[i] for i, name in enumerate(model.parameters)}),
        loss=tw.SquaredError(model.observed, factor),
        start=x / units,
    )
    known = analysis.uncertainty(fitted(problem, x[None, None]), problem)
    found = analysis.uncertainty(fitted(scaled, (x / units)[None, None]), scaled)
    np.testing.assert_allclose(found.standard_error * units, known.standard_error, rtol=1e-13)
    np.testing.assert_allclose(found.correlation, known.correlation, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.residual_standard_deviation, known.residual_standard_deviation, rtol=1e-13)


UNDETERMINED = {
    "product": ("a*c*x", "ac"),
    "amplitude and shift": ("a*exp(c + k*x)", "ac"),
    "without effect": ("a*x + 0*c", "c"),
    "three ways": ("a*x + c*(x+1) + k*(2*x-1)", "ack"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", UNDETERMINED)
def test_what_is_not_determined_is_nan_and_the_rest_is_as_without_it(name):
    """The errors of the others, and the degrees of freedom, are those where one that is open is held."""
    rng = np.random.default_rng(5)
    model, open_ = UNDETERMINED[name]
    problem = problems.regression(LETTERS, model, "y")
    labels = problem.chain.spaces[0].labels
    points = rng.uniform(0.1, 2, (1, 50, problem.dimension))
    spread = analysis.uncertainty(fitted(problem, points), problem)
    assert np.isfinite(spread.residual_standard_deviation).all()
    for i, label in enumerate(labels):
        gone = np.isnan([spread.standard_error[..., i], spread.correlation[..., i, i]])
        assert gone.all() if label in open_ else not gone.any()
    at = labels.index(open_[-1])
    held = problems.regression(LETTERS, model, "y", fixed={open_[-1]: float(points[0, 0, at])})
    known = analysis.uncertainty(fitted(held, np.delete(points[:, :1], at, axis=2)), held)
    for label in set(labels).difference(open_):
        error = spread.standard_error.sel(x_dim=label)[0, 0]
        np.testing.assert_allclose(error, known.standard_error.sel(x_dim=label)[0, 0], rtol=1e-9)
    if name != "three ways":
        np.testing.assert_array_equal(spread.degrees_of_freedom[0, 0], known.degrees_of_freedom[0, 0])


def test_as_many_parameters_as_observations_leave_no_freedom():
    x = np.array([[[1.0, 2.0, 3.0]]])
    square = tw.Problem(lambda x: x**2, loss=tw.SquaredError(1.0), start=[1.0, 2.0, 3.0])
    spread = analysis.uncertainty(fitted(square, x), square)
    assert spread.degrees_of_freedom.item() == 0
    assert np.isnan(spread.standard_error).all() and np.isnan(spread.residual_standard_deviation).all()
    np.testing.assert_allclose(spread.correlation[0, 0], np.eye(3), atol=1e-15)
    flat = tw.Problem(lambda x: x[:2] * x[2], loss=tw.SquaredError(), start=[1.0, 2.0, 3.0])
    spread = analysis.uncertainty(fitted(flat, x), flat)
    assert spread.degrees_of_freedom.item() == 0  # two observations, and two directions that they determine
    assert all(
        np.isnan(spread[name]).all() for name in ("standard_error", "correlation", "residual_standard_deviation")
    )


@pytest.mark.slow
def test_many_fits_are_those_of_each_alone(monkeypatch):
    monkeypatch.setattr("thalweg.analysis.uncertainties.BATCH_BYTES", 8 * 40 * 3 * 4)  # four at once, of ten
    problem, x, _ = decay()
    points = x * np.random.default_rng(0).uniform(0.9, 1.1, (2, 5, 3))
    points[1, 2] = np.nan, 1, np.inf
    many = fitted(problem, points)
    together = analysis.uncertainty(many, problem)
    assert together.standard_error.dims == ("variant", "start", "x_dim")
    assert together.correlation.dims == ("variant", "start", "x_dim", "x_dim_2")
    assert list(together.x_dim.values) == list(together.x_dim_2.values) == ["a", "c", "k"]
    assert list(together.method.values) == ["m", "m"]
    for name in ("standard_error", "correlation", "residual_standard_deviation"):
        assert np.isnan(together[name][1, 2]).all() and np.isnan(together[name]).sum() == together[name][1, 2].size
    for variant, start in ((0, 0), (1, 4)):
        alone = analysis.uncertainty(many.isel(variant=variant, start=start), problem)
        xr.testing.assert_allclose(alone, together.isel(variant=variant, start=start), rtol=1e-12)
    turned = analysis.uncertainty(many.transpose("x_dim", "start", "variant"), problem)
    xr.testing.assert_allclose(turned.transpose(*together.dims), together, rtol=1e-12)


def test_fits_in_float32_are_judged_in_float64():
    problem, x, _ = decay()
    x = x.astype(np.float32)
    spread = [analysis.uncertainty(fitted(problem, point[None, None]), problem) for point in (x, x.astype(np.float64))]
    assert spread[0].standard_error.dtype == np.float64
    xr.testing.assert_identical(*spread)


def test_finite_differences_are_those_of_the_problem():
    problem, x, covariance = decay()
    model = problem.stages[0].forward
    start = dict(zip(model.parameters, x.tolist(), strict=True))
    loss, rule = tw.SquaredError(model.observed), tw.FiniteDifference(step=0.5, scheme="forward")
    rough = tw.Problem(model, loss=loss, start=start, derivatives=rule)
    error = analysis.uncertainty(fitted(rough, x[None, None]), rough).standard_error[0, 0]
    assert np.all(np.abs(error / np.sqrt(np.diag(covariance)) - 1)[[0, 2]] > 0.01)


def test_another_loss_is_refused(compiled):
    problem = tw.problems.himmelblau()
    sentence = refusal(lambda: analysis.uncertainty(fitted(problem, np.ones((1, 1, 2))), problem), compiled)
    assert sentence.startswith("the loss of 'himmelblau' is a function that is not known to be a sum of squares, but ")


def test_the_best_fit_is_the_lowest_finite_loss():
    problem, x, _ = decay()
    points = x + np.arange(6).reshape(2, 3, 1)
    many = fitted(problem, points, [[np.nan, 3, -np.inf], [np.inf, 2, 4]])
    best = analysis.best_fit(many)
    assert (best.variant.item(), best.start.item(), float(best.loss)) == ("v1", 1, 2)
    np.testing.assert_array_equal(best.x, points[1, 1])
    assert float(analysis.best_fit(many.sel(variant="v0")).loss) == 3
    assert float(analysis.best_fit(many.isel(variant=0, start=1)).loss) == 3
    assert analysis.best_fit(many.isel(start=[0])).x.dims == ("x_dim",)  # none is finite: still one of them
    with pytest.raises(
        ValueError, match=r"^the fits have the dim 'case', but .*; give fits\.isel\(case=0\) or another\.$"
    ):
        analysis.best_fit(many.expand_dims("case"))


def test_the_table_of_a_fit():
    problem, x, covariance = decay()
    table = analysis.fit_table(fitted(problem, [[x + 1, x]], [[1.0, 0.5]]), problem)
    assert list(table.index) == ["a", "c", "k", "residual standard deviation", "degrees of freedom"]
    assert list(table.columns) == ["value", "standard_error", "note"] and (table.note == "").all()
    np.testing.assert_array_equal(table.value[:3], x)
    np.testing.assert_allclose(table.standard_error[:3], np.sqrt(np.diag(covariance)), rtol=1e-7)
    assert table.value["degrees of freedom"] == 37
    assert table.standard_error[3:].isna().all()
    with jax.enable_x64(True):
        np.testing.assert_allclose(table.value["residual standard deviation"] ** 2 * 37, problem.value(x), rtol=1e-12)


# The figure.


def line(ax, label):
    (only,) = [line for line in ax.get_lines() if line.get_label() == label]
    return np.asarray(only.get_data())


@pytest.mark.slow
def test_figure_of_one_predictor():
    problem, x, covariance = decay()
    model = problem.stages[0].forward
    figure = rendered(plot.fit(fitted(problem, [[x + 1, x]], [[1.0, 0.5]]), problem))
    top, below = figure.axes
    t, y = model.predictors["t"], model.observed
    np.testing.assert_array_equal(line(top, "observed"), [t, y])
    grid, curve = line(top, "model")
    assert (len(grid), grid[0], grid[-1]) == (400, t.min(), t.max())
    np.testing.assert_allclose(curve, x[0] * np.exp(-x[2] * grid) + x[1], rtol=1e-13)
    np.testing.assert_allclose(line(below, "residual"), [t, y - x[0] * np.exp(-x[2] * t) - x[1]], rtol=1e-12)
    s = float(analysis.uncertainty(fitted(problem, [[x]]), problem).residual_standard_deviation[0, 0])
    (band,) = below.patches
    np.testing.assert_allclose([band.get_y(), band.get_height()], [-s, 2 * s], rtol=1e-13)
    assert (top.get_ylabel(), below.get_xlabel(), below.get_ylabel()) == ("y", "t", "residual")
    assert top.get_title() == "regression\na*exp(-k*t)+c\nv0, start 1"
    assert top.get_xlim() == below.get_xlim() and top.get_xlim()[0] < t.min() and top.get_xlim()[1] > t.max()
    bands = ["95 % confidence", "95 % prediction"]
    drawn, parameters = beside(top)
    assert drawn == ["observed", "model", *bands] and beside(below) == [[f"± s = {s:.3g}"]]
    for text, name, value, error in zip(parameters, "ack", x, np.sqrt(np.diag(covariance)), strict=True):
        (shown, told), (name_shown, _) = text.split(" = ")[1].split(" ± "), text.split(" = ")
        assert name_shown == name and float(told) == pytest.approx(error, rel=0.05)
        assert abs(float(shown) - value) < 0.1 * error


@pytest.mark.slow
def test_figure_of_several_predictors(nist):
    file, problem = fits.read(nist("Nelson")), problems.nist(nist("Nelson"))
    figure = rendered(plot.fit(fitted(problem, file.certified[None, None]), problem))
    top, below = figure.axes
    x1, x2 = file.predictors["x1"], file.predictors["x2"]
    predicted = file.certified[0] - file.certified[1] * x1 * np.exp(-file.certified[2] * x2)
    np.testing.assert_allclose(line(top, "observed"), [predicted, file.response], rtol=1e-12)
    np.testing.assert_allclose(line(below, "residual"), [predicted, file.response - predicted], rtol=1e-9)
    across, up = line(top, "observed = predicted")
    np.testing.assert_array_equal(across, up)
    assert (top.get_ylabel(), below.get_xlabel()) == ("observed log[y]", "predicted log[y]")


def test_figure_of_any_sum_of_squares():
    problem = tw.Problem(
        tw.Stage(lambda x: jnp.stack([x[0], x[0] * x[1], x[1] ** 2]), name="field"),
        loss=tw.SquaredError([1.0, 2.0, 3.0], 0.5),
        start=[1.0, 1.0],
        units={"field": "T"},
    )
    figure = rendered(plot.fit(fitted(problem, [[[1.0, 2.0]]]), problem))
    np.testing.assert_array_equal(line(figure.axes[0], "observed"), [[1, 2, 4], [1, 2, 3]])
    np.testing.assert_array_equal(line(figure.axes[1], "residual"), [[1, 2, 4], [0, 0, -1]])
    assert figure.axes[1].get_xlabel() == "predicted field [T]"
    drawn, parameters = beside(figure.axes[0])
    assert drawn == ["observed", "observed = predicted"]
    assert [text.split(" = ")[0] for text in parameters] == ["x0", "x1"]


@pytest.mark.slow
def test_figure_of_a_fit_that_went_wrong():
    problem, x, _ = decay()
    y = problem.stages[0].forward.observed
    for point in (x + 1e300, [np.nan, np.inf, 1], x * [1, 1, -50]):
        top, below = rendered(plot.fit(fitted(problem, [[point]], [[np.nan]]), problem)).axes
        low, high = top.get_ylim()
        assert low < y.min() and high > y.max() and high - low < 5 * np.ptp(y)
        np.testing.assert_array_equal(line(top, "observed")[1], y)
        assert np.isfinite(below.get_ylim()).all()


@pytest.mark.slow
def test_figure_of_many_parameters_and_observations():
    rng = np.random.default_rng(0)
    columns = {"x": rng.uniform(size=400), "y": rng.normal(size=400)}
    model = "+".join(f"b{k + 1}*sin({k + 1}*x)" for k in range(15))
    problem = problems.regression(columns, model, "y")
    figure = rendered(plot.fit(fitted(problem, np.ones((1, 1, 15))), problem))
    drawn, parameters = beside(figure.axes[0])
    assert len(drawn) == 2 and len(parameters) == 12 + 1
    assert parameters[-1] == "and 3 more" and parameters[1].startswith("b2 = ")
    assert len(figure.axes[0].get_title().splitlines()[1]) == 60


def test_rows_of_a_data_frame_without_a_cell_are_left_out_and_told():
    """As those of a file; a NaN in arrays is a mistake in a computation."""
    frame = pd.DataFrame({"x": np.arange(6.0), "y": [5.0, 4, np.nan, 2, 1.5, 1], "site": [None, *"aabbb"]})
    whole = tw.problems.regression(frame, "a*exp(-k*x)", "y").stages[0].forward
    assert whole.told == "1 of 6 rows left out where 'y' is missing" and whole.observed.tolist() == [5, 4, 2, 1.5, 1]
    some = tw.problems.regression(frame, "a*exp(-k*x)", "y", where="x>0").stages[0].forward
    assert some.told.endswith("; 1 of 5 rows left out where 'y' is missing") and len(some.observed) == 4
    with pytest.raises(ValueError, match="column 'y' has nan at index 2"):
        tw.problems.regression(frame.to_dict("list"), "a*exp(-k*x)", "y")
