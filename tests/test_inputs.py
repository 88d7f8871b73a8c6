"""What a person types is answered rightly or refused in a sentence, whatever it is."""

import re
import sys

import hypothesis.strategies as st
import inputs
import jax
import numpy as np
import pytest
from inputs import answer, holds, near_bytes, near_misses, typed

import thalweg as tw
from thalweg import formula, problems
from thalweg.command import assignments, cli, words
from thalweg.command.groups import read_groups
from thalweg.command.points import read_points
from thalweg.methods.sweeps import hyperparameters
from thalweg.problems import conditions
from thalweg.problems.tables import read_table
from thalweg.words import library
from thalweg.words.parameters import parameters

pytestmark = pytest.mark.parametrize("profile", ["quick", pytest.param("exhaustive", marks=pytest.mark.exhaustive)])
NUMPY = {name: operation.numpy for name, operation in formula.FUNCTIONS.items()}


def by_python(text, values, real=np.float64, under="ignore"):
    """What Python itself reads in a formula that was accepted, with NumPy numbers of the given type."""
    names = {f"column{i}": name for i, name in enumerate(inputs.QUOTED)}
    for stand_in, name in names.items():
        text = re.sub(rf"(['\"`]){re.escape(name)}\1", stand_in, text)
    text = formula.LIBRARY.sub("", text)
    text = re.sub(r"(?<![\w.])(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", r"real(float('\g<0>'))", text)
    text = " ".join(text.replace("[", "(").replace("]", ")").split())
    known = {"real": real, "pi": real(np.pi), "e": real(np.e), "float": float}
    known |= {name: real(values[name]) for name in inputs.NAMES}
    known |= {stand_in: real(values[name]) for stand_in, name in names.items()}
    with np.errstate(all="ignore", under=under):
        return eval(text, {"__builtins__": {}}, NUMPY | known)


def below_normal(text, values):
    """Whether a number on the way is smaller than float64 has digits for, which is 0 for XLA on a CPU."""
    try:
        by_python(text, values, under="raise")
    except FloatingPointError:
        return True
    return False


def right_formula(example):
    """Whether a formula is taken; then it means what Python reads."""
    text, values = example
    parsed = answer(formula.parse, text, inputs.NAMES, inputs.QUOTED)
    if parsed is None:
        return False
    exact, expected = by_python(text, values, np.longdouble), by_python(text, values)
    if np.allclose(float(exact), expected, rtol=1e-12, atol=1e-13, equal_nan=True):
        if not below_normal(text, values):
            with jax.enable_x64(True):
                np.testing.assert_allclose(parsed(values), expected, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(parsed.in_numpy(values), expected, rtol=1e-9, atol=1e-10)
    return True


def test_formulas(profile):
    assert holds(profile, st.tuples(inputs.formulas, inputs.points), right_formula) > 0.9


def test_near_misses_of_formulas(profile):
    assert 0.05 < holds(profile, st.tuples(near_misses(inputs.formulas), inputs.points), right_formula) < 0.9


def test_tables(profile, tmp_path):
    path, read = tmp_path / "table.txt", []

    def right_table(example):
        data, columns, decimal = example
        path.write_bytes(data)
        table = answer(read_table, path, decimal=decimal)
        assert table is not None and list(table) == list(columns), (data, table)
        for name, expected in columns.items():
            values = answer(table.__getitem__, name)
            read.append(values is not None)
            assert values is None or values.tolist() == expected, (data, name, values)

    holds(profile, inputs.tables(), right_table)
    assert np.mean(read) > 0.9


def test_near_misses_of_tables(profile, tmp_path):
    path = tmp_path / "table.txt"

    def sound_table(data):
        path.write_bytes(data)
        table = answer(read_table, path)
        for name in table or ():
            values = answer(table.__getitem__, name)
            assert values is None or (values.shape == (len(table.lines),) and np.isfinite(values).all())

    holds(profile, near_bytes(inputs.tables().map(lambda table: table[0])), sound_table)


def test_conditions(profile):
    table = conditions.Arrays(inputs.COLUMNS)
    rows = [dict(zip(inputs.COLUMNS, row, strict=True)) for row in zip(*inputs.COLUMNS.values(), strict=True)]

    def right_rows(example):
        text, test = example
        held = answer(conditions.rows, text, table)
        assert held is not None and held.tolist() == [test(row) for row in rows], (text, held)

    holds(profile, inputs.conditions, right_rows)


def test_near_misses_of_conditions(profile):
    def sound_rows(text):
        held = answer(conditions.rows, text, conditions.Arrays(inputs.COLUMNS))
        assert held is None or (held.shape == (5,) and held.dtype == bool)

    holds(profile, near_misses(inputs.conditions.map(lambda condition: condition[0])), sound_rows)


def test_odd_values_for_starts(profile):
    def sound_starts(example):
        a, b, n, key = example
        for points in (
            answer(tw.starts.uniform, (a, b), n, key),
            answer(tw.starts.grid, (a, b), n),
            answer(tw.starts.sphere, a, b, n, key),
            answer(tw.starts.uniform, a, n, key),
        ):
            assert points is None or (points.ndim == 2 and points.size and np.isfinite(points).all()), example

    number = st.one_of(st.floats(-1e3, 1e3), inputs.odd)
    count = st.one_of(st.integers(1, 3), inputs.odd)
    holds(profile, st.tuples(number, number, count, count), sound_starts)


def test_odd_values_for_sweeps(profile):
    def sound_sweep(example):
        values, name = example
        swept = answer(tw.sweep, tw.methods.adam(0.1), **{name: values, "b2": [0.9, 0.99]})
        assert swept is None or np.shape(swept.hyper["learning_rate"]) in ((), np.shape(swept.hyper["b2"]))

    name = st.sampled_from(["learning_rate", "b1", "eps", "no such", ""])
    holds(profile, st.tuples(inputs.odd, name), sound_sweep)


def right_method(word):
    """Whether a method is taken; then it has the numbers that stand in its words."""
    method = typed(library.method, word)
    if method is None:
        return False
    _, _, rest = word.partition(":")
    for key, _, value in (pair.partition("=") for pair in library.split(rest, ",") if pair):
        swept = hyperparameters(method).get(key.strip())
        if swept is not None and re.fullmatch(r"[-+]?[\d.]+(e-?\d+)?", value.strip()):
            assert set(np.ravel(swept)) == {float(value)}, (word, swept)
    return True


def test_words_for_methods(profile):
    assert holds(profile, inputs.words(library.METHODS, parameters), right_method) > 0.1


def test_near_misses_of_words_for_methods(profile):
    assert 0.02 < holds(profile, near_misses(inputs.words(library.METHODS, parameters)), right_method) < 0.9


def right_problem(word):
    """Whether a problem is taken; then it has the components that its words say."""
    problem = typed(words.problem, word, None)
    assert problem is None or np.isfinite(problem.start).all()
    name, _, rest = word.partition(":")
    if problem is not None and name in library.PROBLEMS and (said := re.fullmatch(r"d=(\d+)", rest)):
        assert problem.dimension == int(said[1])
    return problem is not None


def test_words_for_problems(profile, workplace):
    assert holds(profile, inputs.words(library.PROBLEMS, parameters), right_problem) > 0.1


def test_near_misses_of_words_for_problems(profile, workplace):
    formulas = inputs.formulas.map(lambda text: text.replace("ä", "x2"))
    words_of = inputs.words(library.PROBLEMS, parameters)
    assert 0.02 < holds(profile, near_misses(words_of | formulas), right_problem) < 0.9


READ = {
    "--start": [assignments.read_start],
    "--range": [lambda text: assignments.read_ranges([text]), lambda text: assignments.read_bounds([text])],
    "--prior": [lambda text: assignments.read_priors([text]), lambda text: assignments.read_fixed([text])],
    "--sigma": [assignments.read_sigma, assignments.read_responses],
    "--group": [lambda text: read_groups([text])],
}


@pytest.mark.parametrize("option", READ)
def test_words_of_options(profile, option):
    def read(text):
        return any([typed(reader, text) is not None for reader in READ[option]])

    assert holds(profile, inputs.named[option] | near_misses(inputs.named[option]), read) > 0.05


def test_words_of_points(profile):
    table = {"x": np.arange(4.0), "y": np.array([1.0, 3.0, 5.0, 8.0])}
    model = problems.regression(table, "a + b*x", "y").stages[0].forward

    def read(text):
        points = typed(read_points, [text], model, {})
        assert points is None or (points["x"].ndim == 1 and np.isfinite(points["x"]).all()), (text, points)

    holds(profile, inputs.named["--at"] | near_misses(inputs.named["--at"]), read)


def test_command_lines(profile, workplace, monkeypatch, capsys):
    from thalweg.command import commands

    def asked(*given, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_all", asked)
    problem = st.sampled_from(["pbdl", "x0**2", "misra1a", "ackley:d=3"])
    problem |= near_misses(inputs.words(library.PROBLEMS, parameters))
    method = inputs.words(library.METHODS, parameters) | st.sampled_from(["newton", "adam:learning_rate=0.1"])

    def ends(line):
        monkeypatch.setattr(
            sys, "argv", ["thalweg", "run", *line[0], *(word for part in line[1] for word in part.split(" ", 1))]
        )
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("thalweg: ") and err.count("\n") == 1 and "Traceback" not in err, (
            line,
            err,
        )
        assert end.value.code == (cli.INTERRUPTED if err.startswith("thalweg: interrupted") else 2), (line, err)

    words_of = st.tuples(problem, method).map(list) | problem.map(lambda word: [word])
    holds(
        profile,
        st.tuples(words_of.filter(lambda line: line[0] not in ("-h", "--help", "--version")), inputs.options),
        ends,
    )


def test_near_misses_of_nist_files(profile, nist, tmp_path):
    files, path = [nist(name).read_bytes() for name in ("Misra1a", "DanWood", "Nelson")], tmp_path / "near.dat"

    def sound_file(data):
        path.write_bytes(data)
        problem = answer(problems.nist, path)
        assert problem is None or (problem.start.shape == problem.minima[0].shape and np.isfinite(problem.start).all())

    holds(profile, near_bytes(st.sampled_from(files)), sound_file)


def test_models_of_tables(profile):
    table = {"x": np.arange(1.0, 7), "y": np.array([1.0, 3, 5, 8, 9, 12]), "site": np.array(list("aabbab"))}
    table |= {"CO(GT)": np.ones(6) / 4, "A.1": np.arange(6.0), "größe": np.arange(6.0) ** 2}

    def sound_problem(said):
        problem = answer(problems.regression, table, **said)
        assert problem is None or np.isfinite(problem.start).all()

    holds(profile, inputs.models(), sound_problem)
