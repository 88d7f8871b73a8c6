"""The command line, mostly in this process and a dozen times as a stranger would type it."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import jax
import numpy as np
import pytest
import xarray as xr
from conftest import THALWEG, environment

import thalweg as tw
from thalweg.command import cli, words
from thalweg.words import library
from thalweg.words.parameters import parameters

MODEL = """
from dataclasses import dataclass
import jax.numpy as jnp
import numpy as np
import thalweg as tw
from beside import target

@dataclass
class Setting:
    d: "int" = 2

bowl = tw.Problem(loss=lambda x: jnp.sum((x - target) ** 2), start=[1.0, 2.0], name="bowl")
def pbdl(): return tw.problems.pbdl()
def made(d, alpha: float = 2.0, kind="a", flag=False): return tw.problems.ackley(d)
def loss(x): return jnp.sum(x**2)
def of_numpy(x): return np.sum(np.sin(x))
def fails(): raise RuntimeError("the model is broken")
def three(): return 3
"""


@pytest.fixture
def folder(workplace):
    """A folder of its own to work in, with a few files."""
    (workplace / "model.py").write_text(MODEL)
    (workplace / "beside.py").write_text("target = 3.0")
    (workplace / "broken.py").write_text("import no_such_module")
    (workplace / "exits.py").write_text("raise SystemExit(3)")
    (workplace / "cut.dat").write_text("NIST/ITL StRD\nDataset Name:  Cut\n")
    (workplace / "data.csv").write_text("x,y\n1,2\n3,4\n")
    (workplace / "random.dat").write_bytes(np.random.default_rng(0).bytes(1000))
    return workplace


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def assert_table(printed, trace, problem):
    """The printed rows are those of ``analysis.table``, to four digits."""
    table = tw.analysis.table(trace, problem)
    header, *lines = printed.splitlines()
    assert header.split() == ["variant", *table.columns]
    for line, (variant, row) in zip(lines, table.iterrows(), strict=False):
        assert line.startswith(f"{variant} ")
        expected = [v if isinstance(v, str) else f"{v:.4g}".replace("nan", "NaN") for v in row.iloc[:-1]]
        assert line.removeprefix(variant).split() == " ".join([*expected, f"{row.steps:.12g}"]).split()


# What works: the words, and the same in Python.

PBDL = tw.problems.pbdl()
ADAM, GD, NEWTON = tw.methods.adam, tw.methods.gradient_descent, tw.methods.Newton


@pytest.fixture
def request_of(call, monkeypatch):
    """What a command line asks of ``run``, which then does nothing: problem, methods, starts, steps, the others."""
    from thalweg.command import commands

    asked = []

    def record(problem, methods, starts, steps, **others):
        asked.append((problem, methods, starts, steps, others))
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_all", record)

    def request(line):
        assert call(f"run {line}")[:2] == (cli.INTERRUPTED, "")
        return asked.pop()

    return request


@pytest.mark.parametrize(
    ("word", "name", "start"),
    [
        ("ackley", "ackley(d=2)", [4, 4]),
        ("ackley:d=3", "ackley(d=3)", [4, 4, 4]),
        ("'quadratic:spectrum=1;10;100'", "quadratic(d=3)", [1, 1, 1]),
        ("'quadratic:spectrum=geom(1,100,4),rotation_key=2'", "quadratic(d=4)", [1, 1, 1, 1]),
        ("quadratic:spectrum=2,rotation_key=none", "quadratic(d=1)", [1]),
        ("sine:xi=2,phi=45", "sine(xi=2, phi=45)", [0, 0]),
        ("scaling:alpha=1/4", "scaling(alpha=0.25)", [3, 3]),
        ("misra1a:start=2", "Misra1a", [250, 5e-4]),
        ("{nist}/Misra1a.dat", "Misra1a", [500, 1e-4]),
        ("{nist}/Misra1a.dat:start=2", "Misra1a", [250, 5e-4]),
        ("'x0**2 + 0.5*sin(30*x0)'", "x0**2 + 0.5*sin(30*x0)", [1]),
        ("x**2+z**2", "x**2+z**2", [1, 1, 1]),
        ("-x1", "-x1", [1, 1]),
        ("model.py:bowl", "bowl", [1, 2]),
        ("model.py:pbdl", "pbdl", [3, 3]),
        ("model.py:made:d=3,alpha=3,kind=b,flag=true", "ackley(d=3)", [4, 4, 4]),
        ("model.py:loss --start 1,2,3", "loss", [1, 2, 3]),
    ],
)
def test_words_for_problems(word, name, start, request_of, nist):
    problem = request_of(word.format(nist=nist("Misra1a").parent))[0]
    assert problem.name == name
    np.testing.assert_array_equal(problem.start, start)


@pytest.mark.parametrize(
    ("words", "methods"),
    [
        ("newton", {"newton": NEWTON()}),
        ("newton:", {"newton": NEWTON()}),
        ("newton:saddle_free=true,damping=1e-3", {"newton": NEWTON(1.0, 1e-3, True)}),
        ("newton newton:learning_rate=1/3", {"newton": NEWTON(), "newton:learning_rate=1/3": NEWTON(1 / 3)}),
        ("inverse_simulator:loss_step=gradient", {"inverse_simulator": tw.methods.InverseSimulator(1.0, "gradient")}),
        ("rmsprop:learning_rate=2*pi,momentum=none", {"rmsprop": tw.methods.rmsprop(2 * np.pi)}),
        ("rmsprop:learning_rate=1,momentum=0.5", {"rmsprop": tw.methods.rmsprop(1.0, momentum=0.5)}),
        (
            "'adam:learning_rate=0.1;-0.2,b1=0.5,b2=0.9;1/3'",
            {"adam": tw.sweep(ADAM(0.1, b1=0.5), learning_rate=[0.1, -0.2], b2=[0.9, 1 / 3])},
        ),
        (
            "'gradient_descent:learning_rate=geom(1e-4,1,40)'",
            {"gradient_descent": tw.sweep(GD(0.1), learning_rate=np.geomspace(1e-4, 1, 40))},
        ),
    ],
)
def test_words_for_methods(words, methods, request_of):
    asked = request_of(f"pbdl {words}")[1]
    assert list(asked) == list(methods)
    for name, method in methods.items():
        assert jax.tree.structure(asked[name]) == jax.tree.structure(method)
        jax.tree.map(np.testing.assert_array_equal, asked[name], method)


@pytest.mark.parametrize(
    ("line", "starts", "steps", "others"),
    [
        ("", None, 100, {}),
        ("--start -1.2,1", [-1.2, 1], 100, {}),
        ("--start=-1.2,1", [-1.2, 1], 100, {}),
        ("--start 2*pi,-1/3", [2 * np.pi, -1 / 3], 100, {}),
        ("--starts 5 --seed 3", tw.starts.uniform((-4, [4, 4]), 5, 3), 100, {"key": 3}),
        ("--steps 0 --every 7 --dtype bfloat16", None, 0, {"every": 7, "dtype": "bfloat16"}),
        ("--steps 1e3", None, 1000, {}),
    ],
)
def test_options(line, starts, steps, others, request_of):
    asked = request_of(f"pbdl newton {line}")
    assert (asked[2] is None) == (starts is None) and asked[3] == steps
    np.testing.assert_array_equal(asked[2], starts)
    assert asked[4] == {"every": 1, "key": 0, "dtype": "float32", **others}


@pytest.mark.parametrize(
    ("problem", "suiting"),
    [
        ("x**2", ["gradient_descent", "adam", "newton"]),
        ("misra1a", ["gradient_descent", "adam", "newton", "gauss_newton"]),
        ("pbdl", ["gradient_descent", "adam", "newton", "gauss_newton", "inverse_simulator"]),
        ("rosenbrock:d=2000", ["gradient_descent", "adam"]),
    ],
)
def test_without_a_method_some_that_suit_are_run(problem, suiting, request_of):
    assert list(request_of(problem)[1]) == suiting


@pytest.mark.parametrize(
    ("line", "problem", "methods", "options"),
    [
        ("pbdl", PBDL, None, {"steps": 100}),
        (
            "pbdl newton newton:learning_rate=1/3 --starts 5 --seed 3 --steps 10 --every 4 --dtype float64",
            PBDL,
            {"newton": NEWTON(), "newton:learning_rate=1/3": NEWTON(1 / 3)},
            {"starts": tw.starts.uniform((-4, [4, 4]), 5, 3), "key": 3, "steps": 10, "every": 4, "dtype": "float64"},
        ),
        (
            "x**2+sin(9*y) 'adam:learning_rate=0.1;0.2' --start 0.3,-2",
            tw.Problem(loss=tw.formula.compile("x**2+sin(9*y)"), start=[0.3, -2.0]),
            {"adam": tw.sweep(ADAM(0.1), learning_rate=[0.1, 0.2])},
            {},
        ),
    ],
)
@pytest.mark.slow
def test_a_run_is_that_of_python(line, problem, methods, options, call):
    status, out, err = call(f"run {line} --out trace.nc")
    assert (status, err) == (0, "") and out.endswith("\ntrace: trace.nc\n")
    trace = tw.run(problem, methods or library.chosen_methods(library.suiting(problem)), **options)
    assert_table(out, trace, problem)
    with xr.open_dataset("trace.nc", engine="h5netcdf") as saved:
        xr.testing.assert_identical(saved.drop_attrs(deep=False), trace.drop_attrs(deep=False))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "start"), [("Misra1a", 2), ("DanWood", 1)])
def test_nist_files_reach_their_certified_values(name, start, call, nist):
    file = nist(name)
    status, out, err = call(f"run {file}:start={start} gauss_newton --dtype float64 --out trace.nc")
    assert (status, err) == (0, "") and "converged" in out
    with xr.open_dataset("trace.nc", engine="h5netcdf") as saved:
        np.testing.assert_allclose(saved.x[0, 0, -1], tw.problems.nist(file).minima[0], rtol=1e-8)


@pytest.mark.parametrize(
    "line", ["9**9**9**9*x newton", "'sqrt(-x)' newton", "pbdl gradient_descent:learning_rate=1e30"]
)
def test_bad_numbers_are_results(line, call):
    status, out, err = call(f"run {line} --figure paths.png")
    assert (status, err) == (0, "") and "diverged" in out


def test_of_many_variants_the_best_are_shown(call):
    _, out, _ = call("run x**2 'adam:learning_rate=geom(1e-4,1,41)' --steps 3")
    losses = [float(line.split()[2]) for line in out.splitlines()[1:-1]]
    assert len(losses) == 20 and losses == sorted(losses)
    assert out.splitlines()[-1] == "(the best 20 of 41 variants by final loss)"


@pytest.mark.parametrize(
    ("line", "panels"),
    [("pbdl newton", 2), ("misra1a gauss_newton", 1), ("ackley:d=3 newton", 1), ("x**2 newton --starts 3", 1)],
)
def test_figures_are_drawn(line, panels, call, monkeypatch):
    from matplotlib.figure import Figure

    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k))[1])
    status, out, err = call(f"run {line} --steps 3 --figure paths.png")
    assert (status, err) == (0, "") and out.endswith("figure: paths.png\n")
    assert Path("paths.png").read_bytes().startswith(b"\x89PNG")
    assert len([ax for ax in drawn[0].axes if ax.get_title()]) == panels


def test_every_problem_and_method_can_be_typed_by_its_name():
    objects = {"FirstOrder", "Method", "Report", "from_optax", "from_optimistix", "from_scipy"}
    for room, typed, left in (
        (
            tw.problems,
            library.PROBLEMS,
            {"guesses", "nist", "regression", "start_ranges"},
        ),  # paths of files; a word about a problem
        (tw.methods, library.METHODS, objects),
    ):
        public = {name: value for name, value in vars(room).items() if name in room.__all__ and callable(value)}
        expected = {name.lower().replace("_", ""): value for name, value in public.items() if name not in left}
        assert {name.replace("_", ""): value for name, value in typed.items()} == expected
        assert list(typed) == sorted(typed)


def told(whole: "int", share: float | None, several: Sequence[float], rest=1.0, *, kind: Literal["a", "b"] = "b"):
    """Types of all kinds, one of them as a text."""


def untold(free, flag=False, several=(1, 2), name: str | None = None, inner: tw.Problem | None = None, **more):
    """Types that are seen by the defaults, and one that no text can mean."""


def unresolved(x: "Unknown[1]", d: "int" = 2):  # noqa: F821
    """A type that is nowhere."""


@pytest.mark.parametrize(
    ("function", "texts", "values"),
    [
        (told, {"whole": "1e3", "share": "2", "several": "3"}, {"whole": 1000, "share": 2.0, "several": [3.0]}),
        (told, {"share": "None", "rest": "1;2", "kind": "A"}, {"share": None, "rest": [1.0, 2.0], "kind": "a"}),
        (untold, {"free": "2", "flag": "True", "name": "NONE"}, {"free": 2, "flag": True, "name": None}),
        (untold, {"free": "1;2", "flag": "false", "name": "n"}, {"free": [1, 2], "flag": False, "name": "n"}),
        (
            untold,
            {"free": "0.5", "several": "geom(1,4,3)", "name": "n"},
            {"free": 0.5, "several": [1, 2, 4], "name": "n"},
        ),
        (unresolved, {"x": "2", "d": "3"}, {"x": 2, "d": 3}),
    ],
)
def test_what_a_text_means_is_told_by_the_type(function, texts, values):
    known = parameters(function)
    for name, text in texts.items():
        value = known[name].read(text)
        assert type(value) is (np.ndarray if isinstance(values[name], list) else type(values[name]))
        np.testing.assert_array_equal(value, values[name])
    assert "inner" not in known and "more" not in known


@pytest.mark.parametrize("what", ["problems", "methods"])
def test_lists_can_be_typed_back(what, call):
    status, out, err = call(f"list {what}")
    names = [line for line in out.splitlines() if not line.startswith("    ")]
    assert (status, err) == (0, "") and "``" not in out and not out.startswith("nist")
    assert all(len(line) <= 125 for line in out.splitlines())
    assert len(re.findall(r"^\S.*\n    \S", out, re.MULTILINE)) == len(names)
    example = {"function": "1", "name": "ROSENBR", "points": "5", "steps": "9", "replicas": "3"}  # not 0.1
    for word in names:
        typed = re.sub(r"(\w+)=…", lambda given: f"{given[1]}={example.get(given[1], '0.1')}", word)
        typed = re.sub(r"\|\w+", "", typed)
        assert words.problem(typed, None) if what == "problems" else library.chosen_methods([typed])


def test_lists_name_what_there_is(call):
    problems, methods = call("list problems")[1], call("list methods")[1]
    assert "nist" not in [word.partition(":")[0] for word in problems.split()]
    assert {"ackley:d=2", "pbdl", "quadratic:spectrum=…,rotation_key=none", "sine:xi=1,phi=0"} <= set(problems.split())
    assert "adam:learning_rate=…,b1=0.9,b2=0.999,eps=1e-08,weight_decay=none" in methods.split()
    assert "newton:learning_rate=1,damping=0,saddle_free=false" in methods.split()
    assert "inverse_simulator:learning_rate=1,loss_step=newton|gradient,proxy=l2|l1" in methods.split()
    assert "jacobian_power:kappa=0.5,truncation=1e-06,learning_rate=1,relative=true" in methods.split()


# What is refused.

REFUSED = {
    "run pdbl": "'pdbl' is not a problem .*; did you mean 'pbdl'?",
    "run Ackley": "did you mean 'ackley'",
    "run nist": "'nist' is not a problem",
    "run zzzzz": "the nearest of 27 are ",
    "run quadratic": "quadratic needs spectrum; write e.g. quadratic:spectrum=1;10;100",
    "run cutest": "cutest needs name; write e.g. cutest:name=NAME",
    "run ackley:dd=2": "'dd' is not a parameter of ackley; did you mean 'd'?",
    "run ackley:d": "'d' after 'ackley' is not key=value; write ackley:d=…",
    "run ackley:d=two": "d is 'two', but it must be a finite number; write",
    "run ackley:d=2.5": "d is 2.5, but it must be a whole number",
    "run ackley:d=0": "d is 0, but it must be a whole number",
    "run 'ackley:d=2;3'": "d of ackley is a list, but .* one number",
    "run pbdl:d=2": "pbdl takes no parameters, but 'd=2' was given; leave it out",
    "run pbdl gradent_descent": "'gradent_descent' is not a method; did you mean 'gradient_descent'?",
    "run pbdl GD": "'GD' is not a method; did you mean 'gradient_descent'",
    "run pbdl gradient_descent:learnin_rate=1": "not a parameter of .*; did you mean 'learning_rate'?",
    "run pbdl adam": "adam needs learning_rate; write e.g. adam:learning_rate=0.1",
    "run pbdl adam:0.1": "'0.1' after 'adam' is not key=value",
    "run pbdl adam:learning_rate=": "'learning_rate=' after 'adam' is not key=value",
    "run pbdl adam:learning_rate=fast": "learning_rate is 'fast', but it must be a finite number",
    "run pbdl adam:learning_rate=nan": "learning_rate is 'nan', but",
    "run pbdl adam:learning_rate=1/0": "learning_rate is '1/0', but",
    "run pbdl adam:learning_rate=__import__('os')": "learning_rate is .*, but it must be a finite number",
    "run pbdl 'adam:learning_rate=0.1;'": "learning_rate is '', but",
    "run pbdl adam:learning_rate=1,learning_rate=2": "learning_rate is given twice for 'adam'; give it once",
    "run pbdl 'adam:learning_rate=geom(1,2)'": r"write geom\(first,last,count\)",
    "run pbdl 'adam:learning_rate=geom(1,2,3'": r"write geom\(first,last,count\)",
    "run pbdl 'adam:learning_rate=geom(0,2,3)'": r"write geom\(first,last,count\)",
    "run pbdl 'adam:learning_rate=geom(1,2,2.5)'": r"write geom\(first,last,count\)",
    "run pbdl 'adam:learning_rate=geom(1,2,1e9)'": "1 to 1,000,000 positive numbers",
    "run pbdl 'adam:learning_rate=geom(1,b,3)'": "learning_rate is 'b', but",
    "run pbdl newton:saddle_free=yes": "'yes' is not a value of saddle_free; choose from true, false",
    "run pbdl inverse_simulator:loss_step=gradint": "'gradint' is not a value of loss_step; did you mean 'gradient'?",
    "run pbdl newton newton": "method 'newton' is given twice; leave one out",
    "run x**2 inverse_gradient:rate=1": "'rate' is not a parameter of inverse_gradient; did you mean 'learning_rate'",
    "run misra1a inverse_simulator": "has no inverse, but .*; give",
    "run misra1a inverse_gradient": "2 components to 14, .* use GaussNewton",
    "run misra1a:start=3": "start is 3, but .*; choose one",
    "run missing.dat": "cannot be read as .* No such file or directory; give a file as NIST",
    "run cut.dat": "cannot be read as .*: it lacks ",
    "run random.dat": "cannot be read as .*: it is not ASCII text",
    "run cut.dat:begin=2": "'begin' is not a parameter of cut.dat; choose from start",
    "run missing.csv": "'missing.csv' is not a file; give the path",
    "run data.csv": "data.csv is a table, which is fitted; write thalweg solve data.csv --model … --y …",
    "run .": "'.' (is not a file|.* formula)",
    "run missing.py:a": "missing.py is not a file; give a Python file and a name",
    "run broken.py:a": r"broken.py cannot be imported \(ModuleNotFoundError: No module named 'no_such_module'\)",
    "run exits.py:a": r"exits.py cannot be imported \(SystemExit: 3\)",
    "run model.py": "model.py is given without a name; write model.py:NAME with .* bowl, pbdl, made, loss",
    "run model.py:bowls": "model.py has no problem and no function 'bowls'; write model.py:NAME",
    "run model.py:made": "a function of d; give --start 1,2,… if it is a loss of x, or model.py:made:d=2",
    "run model.py:made:d=3,e=4": "'e' is not a parameter of model.py:made",
    "run model.py:loss": "a function of x; give --start",
    "run model.py:of_numpy --start 1,2": "the loss, of_numpy, cannot .*; write it with jax.numpy",
    "run model.py:fails": r"cannot be made \(RuntimeError: the model is broken\); correct the function",
    "run model.py:three": "returns a int, but it must return a Problem",
    "run model.py:bowl newton --starts 3": "'bowl' has no domain .*; give --start",
    "run ''": "formula is empty",
    "run 3": "formula has no variable",
    "run x**2+": "'[+]' at column 5 of the formula cannot be read; put",
    'run \'__import__("os").system("touch hacked")\'': "at column 1 of the formula is not allowed",
    "run '().__class__.__bases__[0]'": "of the formula is not allowed",
    "run 'x0[open(1)]'": "of the formula",
    "run pbdl --start 1,2,3": "--start has 3 numbers, but x of 'pbdl' has 2; give 2",
    "run x**2 --start 1,2": r"--start has 2 numbers, but x of 'x\*\*2' has 1; give 1",
    "run pbdl --start a,b": "--start is 'a', but it must be a finite number; write",
    "run pbdl --start 1,": "--start is '', but",
    "run pbdl --start nan,1": "--start is 'nan', but",
    "run pbdl --start 1e39,1": "not finite in float32; .* dtype='float64'",
    "run pbdl --start": "--start requires an argument",
    "run pbdl --start 1,2 --starts 3": "--start and --starts were both given",
    "run pbdl --starts 0": "--starts: '0' is not a whole number from 1",
    "run pbdl --starts 1e15": "more than fit in memory; take fewer",
    "run pbdl --steps -1": "--steps: '-1' is not a whole number from 0",
    "run pbdl --steps 1.5": "--steps: '1.5' is not a whole number",
    "run pbdl --steps many": "--steps: 'many' is not a whole number",
    "run pbdl --steps 1e14": "needs .* bytes and .* are free; every=.* fits",
    "run pbdl --every 0": "--every: '0' is not a whole number from 1",
    "run pbdl --seed -1": "--seed: '-1' is not a whole number from 0",
    "run pbdl --dtype float8": 'Invalid value "float8" for --dtype.*"bfloat16", "float16", "float32", "float64"',
    "solve pbdl --dtype float16": 'Invalid value "float16" for --dtype.*"float32", "float64"',
    "run pbdl --stps 5": "Unknown option: --stps.*--steps",
    "run --stps 5 pbdl": "--stps is not an option of this command; --help",
    "run pbdl --out absent/a.nc": "absent/a.nc cannot be written, because its folder does not exist; create",
    "run pbdl --out .": ". cannot be written, being a folder",
    "run pbdl --figure absent/a.png": "absent/a.png cannot be written",
    "run pbdl --figure paths.xyz": "paths.xyz does not end like a figure; let it end in one of",
    "run": "requires an argument. See thalweg run --help",
    "list": "requires an argument. See thalweg list --help",
    "list problem": 'Did you mean "problems"',
    "lst": 'Did you mean "list"',
}


@pytest.mark.parametrize("line", REFUSED)
def test_refusal_is_one_line_and_status_2(line, call, folder, compiled):
    before, files = len(compiled), sorted(folder.iterdir())
    status, out, err = call(line)
    assert (status, out) == (2, "")
    assert err.startswith("thalweg: ") and err.count("\n") == 1 and "Traceback" not in err
    assert re.search(REFUSED[line], err)
    assert len(compiled) - before <= ("1/0" in line)  # an expression is computed to be judged
    assert [file for file in sorted(folder.iterdir()) if file.name != "__pycache__"] == files


def test_figures_without_matplotlib_are_refused_before_the_run(call, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("thalweg.plot", "matplotlib"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(tw, "plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    status, out, err = call("run pbdl --figure paths.png")
    assert (status, out) == (2, "") and "pip install 'thalweg[plot]'" in err


# As a stranger would type it.


@pytest.mark.parametrize(
    "line", [["--help"], ["run", "--help"], ["solve", "--help"], ["list", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(line):
    code = (
        f"import sys; from thalweg.command import cli; sys.argv[1:] = {line}; cli.main(); "
        "print(sorted({'jax', 'xarray', 'matplotlib', 'numpy', 'pandas', 'optax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]" and done.stderr == ""


def test_help_tells_a_stranger_what_to_type(call):
    for told in ("problem", "METHOD", "--steps", "--start", "--out", "Ctrl-C", "Examples", "list problems", "file.py"):
        assert told in call("run --help")[1]
    for example in re.findall(r"^thalweg (.*)", cli.MORE, re.MULTILINE):
        assert call(example + " --out trace.nc")[::2] == (0, "")


UNINSTALLED = """
import importlib.metadata as metadata, sys
found = metadata.MetadataPathFinder.find_distributions  # of which this process hides one
metadata.MetadataPathFinder.find_distributions = lambda context: [] if context.name == "thalweg" else found(context)
try:
    metadata.version("thalweg")
except metadata.PackageNotFoundError:
    from thalweg.command import cli
    print(cli.__file__)
    cli.main()
"""


def test_a_source_tree_runs_without_being_installed(tmp_path, cache):
    shutil.copytree(Path(tw.__file__).parent, tmp_path / "src/thalweg")
    words = ["run", "x**2", "gradient_descent:learning_rate=0.1", "--steps", "1", "--out", "trace.nc"]
    done = subprocess.run(
        [sys.executable, "-c", UNINSTALLED, *words],
        cwd=tmp_path,
        env=environment(PYTHONPATH=tmp_path / "src", XDG_CACHE_HOME=cache),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(str(tmp_path / "src/thalweg/command/cli.py"))
    with xr.open_dataset(tmp_path / "trace.nc", engine="h5netcdf") as saved:
        assert saved.attrs["thalweg_version"] == tw.__version__


def test_the_version_is_said_once(call):
    root = Path(__file__).resolve().parents[1]
    assert re.fullmatch(r"\d+\.\d+\.\d+", tw.__version__) and call("--version") == (0, f"{tw.__version__}\n", "")
    assert re.findall(r"^version: (.*)$", (root / "CITATION.cff").read_text(), re.MULTILINE) == [tw.__version__]
    described = tomllib.loads((root / "pyproject.toml").read_text())
    assert described["project"]["dynamic"] == ["version"] and "version" not in described["project"]
    assert described["tool"]["hatch"]["version"]["path"] == "src/thalweg/verbs/version.py"
    assert (Path(tw.__file__).parent / "py.typed").is_file()


@pytest.mark.slow
def test_a_run_writes_what_it_says_and_the_next_compiles_nothing(shell, folder, cache):
    line = ["run", "pbdl", "gradient_descent:learning_rate=0.01", "newton:learning_rate=1/3"]
    line += ["--out", "trace.nc", "--figure", "paths.png", "--steps", "20"]
    first = shell(*line, XDG_CACHE_HOME=cache)
    methods = {"gradient_descent": GD(0.01), "newton": NEWTON(1 / 3)}
    trace = tw.run(PBDL, methods, steps=20)
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines()[3:] == ["trace: trace.nc", "figure: paths.png"]
    assert_table(first.stdout, trace, PBDL)
    with xr.open_dataset("trace.nc", engine="h5netcdf") as saved:
        timeless = {"compile_seconds", "run_seconds"}
        assert set(saved.attrs) == set(trace.attrs) > timeless
        assert {k: v for k, v in saved.attrs.items() if k not in timeless} == {
            k: v for k, v in trace.attrs.items() if k not in timeless
        }
        xr.testing.assert_identical(saved.drop_attrs(deep=False), trace.drop_attrs(deep=False))
    assert Path("paths.png").read_bytes().startswith(b"\x89PNG")
    kept = sorted((cache / "thalweg").iterdir())
    assert any("jit_march" in file.name for file in kept)
    again = shell(*line, XDG_CACHE_HOME=cache)
    assert (again.stdout, again.stderr) == (first.stdout, "")
    assert sorted((cache / "thalweg").iterdir()) == kept


@pytest.mark.slow
def test_the_persons_own_cache_comes_first(shell, folder, tmp_path):
    done = shell(
        "run", "x**2", "newton", JAX_COMPILATION_CACHE_DIR=tmp_path / "mine", XDG_CACHE_HOME=tmp_path / "other"
    )
    assert done.returncode == 0 and list((tmp_path / "mine").iterdir()) and not (tmp_path / "other").exists()


def test_import_alone_keeps_no_compilations():
    assert jax.config.jax_compilation_cache_dir is None


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_no_word(shell, folder):
    done = shell("run", "x**2", "newton", XDG_CACHE_HOME=folder / "model.py")
    assert (done.returncode, done.stderr) == (0, "") and "converged" in done.stdout


@pytest.mark.parametrize("line", [["run", "pdbl"], ["run", "x**2", "adam"], ["run", "x**2", "--steps", "-1"], ["lst"]])
def test_refusal_in_a_process_of_its_own(shell, line, folder):
    done = shell(*line)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("thalweg: ") and done.stderr.count("\n") == 1


def test_a_closed_pipe_ends_quietly(folder):
    listing = subprocess.Popen([THALWEG, "list", "methods"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert listing.stdout is not None and listing.stderr is not None
    listing.stdout.close()
    assert listing.stderr.read() == b"" and listing.wait(60) == cli.PIPE_CLOSED
    listing.stderr.close()


@pytest.mark.slow
def test_ctrl_c_returns_what_is_done(folder, cut_short):
    line = ["run", "pbdl", "newton", "--steps", 10**7, "--every", 10**4, "--out", "trace.nc"]
    status, out, err = cut_short(line)
    assert (status, err) == (cli.INTERRUPTED, "")
    step = int(re.search(r"^interrupted at step (\d+) of 10000000; the table is", out, re.MULTILINE)[1])
    assert 0 < step < 10**7 and step % 10**4 == 0
    assert "newton" in out and "converged" in out
    with xr.open_dataset("trace.nc", engine="h5netcdf") as saved:
        assert int(saved.step[-1]) == step and saved.attrs["interrupted"] == 1


def test_ctrl_c_before_there_is_anything(folder, monkeypatch, call):
    from thalweg.command import commands

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_all", stopped)
    status, out, err = call("run pbdl newton")
    assert (status, out, err) == (130, "", "thalweg: interrupted before there was anything to show.\n")
