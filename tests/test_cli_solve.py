"""``thalweg solve``, mostly in this process: what it fits, what it prints, what it refuses."""

import gzip
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
import xarray as xr

import thalweg as tw
from thalweg.command import cli, commands
from thalweg.fitting import reports

INF = np.inf
X = np.linspace(0, 5, 12)
Y = 3 * np.exp(-0.7 * X) + 0.05 * np.random.default_rng(0).normal(size=X.size)
DECAY = 'solve data.csv --model "a*exp(-k*x)" --y y'
FLAGS = {"flag_values": np.arange(4, dtype=np.int8), "flag_meanings": "converged stalled diverged exhausted"}
LEFT = re.compile(r"^residual standard deviation (\S+), degrees of freedom (\d+), sum of squares (\S+)$", re.MULTILINE)
REGRESSION = tw.tolerances.decrement(1e-20) | tw.tolerances.step(1e-10)
REASONS = "running gtol stuck not_finite max_steps max_seconds interrupted"
MODEL = """
import numpy as np
import thalweg as tw
square = np.array([[2.0, 3.0], [4.0, 5.0]])
bowl = tw.Problem(loss=lambda x: (x**2).sum(), start=[1.0, 2.0], name="bowl")
tree = tw.Problem(loss=lambda x: x["a"], start={"a": 1.0, "w": square}, name="tree")
table = tw.Problem(loss=lambda x: x.sum(), start=square, name="table")
def loss(x): return (x**2).sum()
"""


@pytest.fixture
def folder(workplace):
    """A folder of its own to work in, with a few tables."""
    rows = [f"{x!r},{y!r},ok" for x, y in zip(X.tolist(), Y.tolist(), strict=True)]
    (workplace / "data.csv").write_text("\n".join(["x,y,note", *rows]))
    (workplace / "words.csv").write_text("x,y\n1,2\n\n2,many\n3,4\n")
    (workplace / "short.csv").write_text("x,y\n1,2\n2,3\n")
    (workplace / "air.csv").write_text("T,CO(GT)\n1,2\n2,3\n3,4.5\n4,-200\n5,6\n")
    (workplace / "model.py").write_text(MODEL)
    return workplace


@pytest.fixture
def solved(monkeypatch):
    """The fits that a command line gets from ``solve``, in the order of the calls."""
    fits, solve = [], commands.solve_all
    monkeypatch.setattr(commands, "solve_all", lambda *a, **k: (fits.append(solve(*a, **k)), fits[-1])[1])
    return fits


@pytest.fixture
def request_of(call, monkeypatch):
    """What a command line asks of ``solve``, which then does nothing: problem, methods, starts, the others."""
    asked = []

    def record(problem, methods, starts=None, **others):
        asked.append((problem, methods, starts, others))
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "solve_all", record)
    monkeypatch.setattr(commands, "search", record)

    def request(line):
        assert call(line)[:2] == (cli.INTERRUPTED, "")
        return asked.pop()

    return request


def row(printed, name, last=False):
    """Words of the first or last line that begins with ``name``."""
    found = [line.split() for line in printed.splitlines() if line.startswith(f"{name} ")]
    return found[-1 if last else 0]


# What is fitted.


@pytest.mark.slow
def test_a_fit_is_that_of_scipy(call, solved):
    status, out, err = call(f"{DECAY} --starts 20 --range a=1:5 --range k=0.1:2 --out fits.nc --figure fit.png")
    assert (status, err) == (0, "") and out.endswith("\nfits: fits.nc\nfigure: fit.png\n")
    assert out.startswith("data: y = a*exp(-k*x), 12 observations, 20 starts\n")
    optimum, covariance = scipy.optimize.curve_fit(lambda x, a, k: a * np.exp(-k * x), X, Y, [1, 1], xtol=1e-12)
    errors = np.sqrt(np.diag(covariance))
    residual = Y - optimum[0] * np.exp(-optimum[1] * X)
    for name, value, error in zip("ak", optimum, errors, strict=True):
        words = row(out, name)
        np.testing.assert_allclose(float(words[1]), value, rtol=1e-7)
        np.testing.assert_allclose(float(words[2]), error, rtol=5e-5)
    deviation, freedom, squares = LEFT.search(out).groups()
    assert freedom == "10"
    np.testing.assert_allclose(float(deviation), np.sqrt(residual @ residual / 10), rtol=1e-5)
    np.testing.assert_allclose(float(squares), residual @ residual, rtol=1e-5)
    assert row(out, "k", last=True) == ["k", f"{covariance[0, 1] / errors.prod():.4f}", "1.0000"]
    assert row(out, "levenberg_marquardt")[1:4] == [f"{float(solved[0].loss.min()):.7g}", "20", "(100.0%)"]
    with xr.open_dataset("fits.nc", engine="h5netcdf") as saved:
        xr.testing.assert_identical(saved.drop_attrs(), solved[0].drop_attrs())
        assert saved.outcome.attrs["flag_meanings"] == solved[0].outcome.attrs["flag_meanings"]
    assert Path("fit.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_nist_file_has_its_certified_table(call, nist):
    file = nist("Misra1a")
    status, out, err = call(f"solve {file}:start=2")
    published = tw.problems.statistical_reference.read(file)
    assert (status, err) == (0, "") and row(out, "levenberg_marquardt")[2:4] == ["1", "(100.0%)"]
    for i, name in enumerate(published.names):
        words = row(out, name)
        np.testing.assert_allclose(float(words[1]), published.certified[i], rtol=1e-8)
        np.testing.assert_allclose(float(words[2]), published.standard_deviations[i], rtol=5e-5)
    deviation, freedom, squares = LEFT.search(out).groups()
    assert int(freedom) == published.degrees_of_freedom
    np.testing.assert_allclose(float(deviation), published.residual_standard_deviation, rtol=1e-5)
    np.testing.assert_allclose(float(squares), published.residual_sum_of_squares, rtol=1e-5)


def test_every_start_that_fits_exact_data_reaches_the_lowest_loss(call, folder):
    exact = [f"{x},{2 * x + 1}" for x in (0.1, 0.2, 0.3, 0.4)]
    (folder / "exact.csv").write_text("\n".join(["x,y", *exact]))
    _, out, err = call('solve exact.csv --model "a*x+b" --y y --starts 50')
    words = row(out, "levenberg_marquardt")
    assert err == "" and float(words[1]) < 1e-25 and words[2:4] == ["50", "(100.0%)"]


TABLE = "decimal date;CO(GT);site\n0;1,5;a\n1;3,5;a\n2;-200;a\n3;7,5;a\n4;9,25;a\n5;;a\n6;99;b\n"


@pytest.mark.slow
@pytest.mark.parametrize("file", ["air.csv.gz", "-", "a:b.tsv"])
def test_tables_as_people_have_them(file, call, folder, monkeypatch):
    content = gzip.compress(TABLE.encode()) if file.endswith("gz") else TABLE.encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    if file != "-":
        (folder / file).write_bytes(content)
    line = f"solve {file} --y 'CO(GT)' --missing -200 --where \"site=='a'\""
    for model in ("--model \"a + b*'decimal date'\"", "--model a+b*t --as 't=decimal date'"):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        status, out, err = call(f"{line} {model}")
        assert (status, err) == (0, "")
        slope, level = np.polyfit([0, 1, 3, 4], [1.5, 3.5, 7.5, 9.25], 1)
        np.testing.assert_allclose([float(row(out, name)[1]) for name in "ab"], [level, slope], rtol=1e-8)
        assert out.splitlines()[1] == (
            f"{'standard input' if file == '-' else file}: 7 rows of 3 columns; separated by semicolons; 1 row left "
            "out, not being where site=='a'; 2 rows left out where 'CO(GT)' is missing"
        )


def test_a_constant_that_has_a_start_is_a_parameter(call):
    status, out, err = call('solve data.csv --model "a*exp(-e*x)" --y y --start e=0.5')
    assert (status, err) == (0, "")
    optimum, _ = scipy.optimize.curve_fit(lambda x, a, k: a * np.exp(-k * x), X, Y, [1, 1], xtol=1e-12)
    np.testing.assert_allclose([float(row(out, name)[1]) for name in "ae"], optimum, rtol=1e-7)


def test_the_rows_of_other_problems_are_those_of_the_fits(call, solved):
    line = "solve rosenbrock:d=4 newton gradient_descent:learning_rate=0.001 --starts 30 --max-steps 300"
    status, out, err = call(line)
    (fits,) = solved
    assert (status, err) == (0, "") and out.startswith("rosenbrock(d=4): 30 starts\n")
    table, points = (part.splitlines() for part in out.split("\n\n")[1:3])
    kinds = ["values", "gradients", "hessians"]
    assert table[0].split() == ["variant", "lowest_loss", "reached", *FLAGS["flag_meanings"].split(), "steps", *kinds]
    assert points[0].split()[-4:] == ["x0", "x1", "x2", "x3"]
    for i, name in enumerate(["newton", "gradient_descent"]):
        loss = fits.loss.values[i]
        hits = int(np.sum(loss - np.nanmin(fits.loss) <= 1e-6))
        expected = [name, f"{np.nanmin(loss):.7g}", str(hits), f"({hits / 30:.1%})"]
        expected += [str(n) for n in np.bincount(fits.outcome.values[i], minlength=4)]
        expected += [f"{np.median(fits.steps.values[i]):g}"]
        expected += [f"{np.median(fits.evaluations.sel(evaluation=kind[:-1]).values[i]):g}" for kind in kinds]
        assert table[i + 1].split() == expected
        best = fits.x.values[i, np.nanargmin(loss)]
        assert points[i + 1].split() == [name, *(f"{x:.5g}" for x in best)]
    assert re.search(r"^diverged: \d+ of 60 fits \(loss or gradient is not finite\)", out, re.MULTILINE)
    assert re.search(r"^exhausted: \d+ of 60 fits \(after 300 steps\)", out, re.MULTILINE)


# What the words ask for.


@pytest.mark.parametrize(
    ("line", "start", "low", "high"),
    [
        ("", [1, 1], [0.1, 0.1], [10, 10]),
        ("--start k=0.5,a=-2", [-2, 0.5], [-20, 0.05], [-0.2, 5]),
        ("--start=k=1/2", [1, 0.5], [0.1, 0.05], [10, 5]),
        ("--range k=-1:5 --range a=0:2*pi", [np.pi, 2], [0, -1], [2 * np.pi, 5]),
        ("--range k=0:5 --start k=4", [1, 4], [0.1, 0], [10, 5]),
    ],
)
def test_start_and_range_of_parameters(line, start, low, high, request_of):
    problem, methods, starts, others = request_of(f"{DECAY} {line}")
    assert problem.chain.spaces[0].labels == ("a", "k") and list(methods) == ["levenberg_marquardt"] and starts is None
    np.testing.assert_allclose(problem.start, start)
    np.testing.assert_allclose(tw.problems.start_ranges(problem), (low, high))
    named = [f"--range {name}=" in line for name in "ak"]  # and no others are bounded
    np.testing.assert_allclose(problem.domain, (np.where(named, low, -np.inf), np.where(named, high, np.inf)))
    assert others == {"until": REGRESSION, "max_steps": 10_000, "key": 0, "dtype": "float64"}


@pytest.mark.parametrize(
    ("line", "start", "bounds", "ranges"),
    [
        ("--bound k=0:", [1, 1], ([-INF, 0], [INF, INF]), ([0.1, 0.1], [10, 10])),
        ("--bound k=:0.4", [1, 0.2], ([-INF, -INF], [INF, 0.4]), ([0.1, 0.02], [10, 0.4])),
        ("--bound 'k = 2 : 10'", [1, 6], ([-INF, 2], [INF, 10]), ([0.1, 2], [10, 10])),
        ("--bound k=-inf:0 --bound a=1/2:inf", [1, -1], ([0.5, -INF], [INF, 0]), ([0.5, -10], [10, -0.1])),
        ("--bound k=0: --range k=-1:3 --range a=2:8", [5, 1.5], ([-INF, 0], [INF, INF]), ([2, 0], [8, 3])),
        ("--bound k=0: --start k=-2,a=5", [5, -2], ([-INF, 0], [INF, INF]), ([0.5, -1], [50, 1])),
        ("--bound k=0: --bound a=:0", [-1, 1], ([-INF, 0], [0, INF]), ([-10, 0.1], [-0.1, 10])),
    ],
)
def test_bounds_of_parameters(line, start, bounds, ranges, request_of):
    problem, methods, _, _ = request_of(f"{DECAY} {line}")
    assert [method.bounded for method in methods.values()] == [True]  # without being told
    np.testing.assert_allclose(problem.start, start)
    np.testing.assert_array_equal(problem.domain, bounds)
    low, high = np.maximum(bounds[0], ranges[0]), np.minimum(bounds[1], ranges[1])
    np.testing.assert_allclose(tw.problems.start_ranges(problem), (low, high))


@pytest.mark.parametrize(
    ("line", "methods", "bounds", "drawn"),
    [
        ("misra1a --bound b1=0:200 --starts 4", {"levenberg_marquardt"}, ([0, -INF], [200, INF]), "inside"),
        ("pbdl --bound x0=1: --starts 4", {"trust_region"}, ([1, -INF], [INF, INF]), ([1, -4], [4, 4])),
        ("pbdl lbfgs --range x0=0:3 --bound x0=:2 --starts 4", {"lbfgs"}, ([-INF] * 2, [2, INF]), ([0, -4], [2, 4])),
        (
            "model.py:bowl --bound x0=0:1 --bound x1=2:3 --starts 4",
            {"trust_region"},
            ([0, 2], [1, 3]),
            ([0, 2], [1, 3]),
        ),
        ("pbdl genetic --bound x0=0:1 --bound x1=2:3", {"genetic"}, ([0, 2], [1, 3]), None),
        ("pbdl 'trust_region:radius=1;2' --bound x0=0:1", {"trust_region"}, ([0, -INF], [1, INF]), None),
    ],
)
def test_bounds_of_other_problems(line, methods, bounds, drawn, request_of):
    problem, named, starts, _ = request_of(f"solve {line}")
    assert set(named) == methods and all(method.bounded for method in named.values())
    np.testing.assert_array_equal(problem.domain, bounds)
    if drawn == "inside":  # no start of the problem's own box is
        assert starts.shape == (4, 2) and np.all((starts >= bounds[0]) & (starts <= bounds[1]))
    else:
        np.testing.assert_array_equal(starts, None if drawn is None else tw.starts.uniform(drawn, 4, 0))


def test_a_start_outside_of_its_bounds_is_told(call):
    status, out, err = call(f"{DECAY} --bound k=0.9: --start a=1,k=-3")
    assert (status, err) == (0, "") and row(out, "k") == ["k", "0.900000000", "at", "its", "bound"]
    assert out.endswith("\nthe start lay outside of the bounds, and began at the nearest point there\n")


def test_starts_beside_a_start_are_drawn_around_it(request_of):
    _, _, starts, others = request_of(f"{DECAY} --start a=5,k=0.1 --starts 7 --seed 3")
    np.testing.assert_array_equal(starts, tw.starts.uniform(([0.5, 0.01], [50, 1]), 7, 3))
    assert others["key"] == 3


@pytest.mark.parametrize(
    ("line", "start", "box"),
    [
        ("pbdl --start 3,4", [3, 4], ([-4, -4], [4, 4])),
        ("pbdl --start x1=4", [3, 4], ([-4, -4], [4, 4])),
        ("pbdl --range x1=-7:1/2 --starts 4 --seed 1", None, ([-4, -7], [4, 0.5])),
        ("'x**2+z**2' --start z=3 --range y=0:2 --range z=2:4", [1, 1, 3], ([-5, 0, 2], [5, 2, 4])),
        ("model.py:bowl --range x0=-1:1 --range x1=0:3 --starts 4 --seed 1", None, ([-1, 0], [1, 3])),
        ("model.py:bowl --range x1=0:3 --range x0=-1:1", [1, 2], ([-1, 0], [1, 3])),
        ("misra1a --start b1=300 --range b2=0:1 --range b1=0:1000", [300, 1e-4], ([0, 0], [1000, 1])),
    ],
)
def test_start_and_range_of_other_problems(line, start, box, request_of):
    problem, _, starts, _ = request_of(f"solve {line}")
    np.testing.assert_array_equal(problem.domain, box)
    expected = tw.starts.uniform(box, 4, 1) if start is None else start
    np.testing.assert_array_equal(problem.start if starts is None else starts, expected)


@pytest.fixture
def begun(call, monkeypatch):
    """Where a command line asks ``run`` or ``solve`` to begin, or what it is refused with."""
    asked = []

    def record(problem, methods, starts, *_, **__):
        asked.append(starts)
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "run_all", record)
    monkeypatch.setattr(commands, "solve_all", record)

    def begin(line):
        status, _, err = call(line)
        return asked.pop() if status == cli.INTERRUPTED else err

    return begin


BOTH = pytest.mark.parametrize("verb", ["run", "solve"])


@BOTH
@pytest.mark.parametrize(
    ("words", "start"),
    [
        ("misra1a --start 500,1e-4", [500, 1e-4]),
        ("misra1a --start b1=500,b2=1e-4", [500, 1e-4]),
        ("misra1a --start b2=1e-4,b1=1000/2", [500, 1e-4]),
        ("misra1a --start b2=1", [500, 1]),
        ("misra1a:start=2 --start b2=1", [250, 1]),
        ("pbdl --start=x1=-4", [3, -4]),
        ("'x**2+z**2' --start ' z = 3 , x=-1 '", [-1, 1, 3]),
        ("model.py:tree --start w[1,0]=7,a=0", [0, 2, 3, 7, 5]),
        ("model.py:table --start x[0,1]=7", [2, 7, 4, 5]),
        ("model.py:table --start 1,2,3,4", [1, 2, 3, 4]),
    ],
)
def test_both_verbs_read_both_forms_of_a_start(verb, words, start, begun):
    np.testing.assert_array_equal(begun(f"{verb} {words}"), start)


@BOTH
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("misra1a --start b3=500", "'b3' is not a component of x of 'Misra1a'; did you mean 'b2'"),
        ("misra1a --start x0=500", "'x0' is not a component of x of 'Misra1a'; choose from b1, b2"),
        ("misra1a --start =500", "--start has '=500' where name=number is due; write e.g. --start b1=500,b2=1e-4"),
        ("misra1a --start b1=500,", "--start has '' where name=number is due"),
        ("misra1a --start b1=,b2=1", "--start of b1 is '', but it must be a finite number"),
        ("misra1a --start b1=1,b1=2", "--start has b1 twice; give it once"),
        ("misra1a --start b1=500,1e-4", "--start has '1e-4' where name=number is due"),
        ("misra1a --start 500,b2=1e-4", "--start has '500' where name=number is due"),
        ("misra1a --start b1=500 --start b2=1", "--start specified multiple times"),
        ("misra1a --start b1=500 --starts 5", "--start and --starts were both given"),
        ("misra1a --start '500,1e-4;250,1e-4'", "--start is '1e-4;250', but it must be a finite number"),
        ("model.py:table --start w[0,1]=7", r"'w\[0,1\]' is not a component of x of 'table'; did you mean 'x\[0,1\]'"),
        ("model.py:loss --start x0=1", "is a function of x; give --start 1,2,… if it is a loss of x"),
    ],
)
def test_both_verbs_refuse_a_start_alike(verb, words, sentence, begun):
    assert re.search(sentence, begun(f"{verb} {words}"))


@pytest.mark.parametrize(
    ("line", "methods", "others"),
    [
        ("pbdl", {"trust_region"}, {}),
        ("misra1a", {"levenberg_marquardt"}, {"until": REGRESSION, "max_steps": 10_000}),
        ("misra1a bfgs --gtol 1e-3", {"bfgs"}, {"gtol": 1e-3, "max_steps": 10_000}),
        ("misra1a --xtol 1e-8", {"levenberg_marquardt"}, {"gtol": 0.0, "xtol": 1e-8, "max_steps": 10_000}),
        ("pbdl bfgs lbfgs:memory=5", {"bfgs", "lbfgs"}, {}),
        (
            "pbdl --xtol 1e-3 --ftol 0.5 --dtype float32",
            {"trust_region"},
            {"xtol": 1e-3, "ftol": 0.5, "dtype": "float32"},
        ),
        ("pbdl --max-steps 1e3 --max-seconds 0.5", {"trust_region"}, {"max_steps": 1000, "max_seconds": 0.5}),
    ],
)
def test_methods_and_tolerances(line, methods, others, request_of):
    asked = request_of(f"solve {line}")
    assert set(asked[1]) == methods
    assert asked[3] == {"key": 0, "dtype": "float64", **others}


# What is printed of fits made by hand.


def made(loss, outcome, reason, evaluations=None):
    """Fits of a plane loss in two components."""
    loss = np.array(loss, float)
    dims, shape = ("variant", "start"), loss.shape
    counts = np.zeros((*shape, 5), int) if evaluations is None else np.broadcast_to(evaluations, (*shape, 5))
    return xr.Dataset(
        {
            "x": ((*dims, "x_dim"), np.arange(loss.size * 2.0).reshape(*shape, 2)),
            "loss": (dims, loss),
            "steps": (dims, np.full(shape, 4)),
            "evaluations": ((*dims, "evaluation"), counts),
            "outcome": (dims, np.array(outcome, np.int8), FLAGS),
            "reason": (dims, np.array(reason, np.int8), {"flag_meanings": REASONS}),
        },
        {
            "variant": [f"v{i}" for i in range(shape[0])],
            "start": range(shape[1]),
            "x_dim": ["0", "1"],
            "evaluation": ["value", "gradient", "product", "jacobian", "hessian"],
        },
        {"problem": "by hand", "dtype": "float64", "max_steps": 9},
    )


PLANE = tw.Problem(loss=lambda x: x.sum(), start=[0.0, 0.0], name="plane")


def test_every_fit_that_did_not_converge_is_told():
    nan, inf = np.nan, np.inf
    fits = made([[5, 5 + 1e-7, 6, nan], [-inf, 7, 5, nan]], [[0, 1, 1, 3], [2, 3, 3, 3]], [[1, 2, 2, 6], [3, 4, 6, 6]])
    lines = reports.report(fits, PLANE)
    assert lines[-4:] == [
        "stalled: 2 of 8 fits (no step improves in float64), 1 at the lowest loss",
        "diverged: 1 of 8 fits (loss or gradient is not finite)",
        "exhausted: 1 of 8 fits (after 9 steps)",
        "exhausted: 3 of 8 fits (Ctrl-C), 1 at the lowest loss, 2 before they began",
    ]
    assert lines[3].split() == ["v0", "5", "2", "(50.0%)", "1", "2", "0", "1", "4"]
    assert lines[4].split() == ["v1", "-inf", "1", "(25.0%)", "0", "0", "1", "3", "4"]
    assert lines[6:9] == [
        "x at its lowest loss  x0  x1",
        "v0                     0   1",
        "v1                    12  13",
    ]


def test_where_no_loss_is_finite_nothing_is_reached():
    lines = reports.report(made([[np.nan, np.inf]], [[2, 2]], [[3, 3]]), PLANE)
    assert lines[3].split() == ["v0", "inf", "0", "(0.0%)", "0", "0", "2", "0", "4"]


def test_evaluations_that_cannot_be_counted():
    lines = reports.report(made([[1.0]], [[0]], [[1]], [3, -1, 0, 0, 0]), PLANE)
    assert lines[2].split()[-3:] == ["steps", "values", "gradients"] and lines[3].split()[-2:] == ["3", "?"]


def test_of_many_variants_the_best_are_shown():
    loss = np.random.default_rng(0).permutation(np.arange(41.0))[:, None]
    lines = reports.report(made(loss, np.zeros_like(loss), np.ones_like(loss)), PLANE)
    assert [float(line.split()[1]) for line in lines[3:23]] == list(range(20))
    assert lines[23] == "(the best 20 of 41 variants by loss)"


def test_parameters_that_are_not_determined():
    problem = tw.problems.regression({"x": X, "y": Y}, "(a+b)*x", "y")
    lines = reports.report(made([[1.0]], [[0]], [[1]]), problem)
    assert [line.split()[::2] for line in lines[3:5]] == [["a", "nan"], ["b", "nan"]]
    assert lines[9].startswith("standard errors are NaN: here the data do not determine")
    assert not any(line.startswith("correlation") for line in lines)


# Figures.


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "options", "labels"),
    [
        (DECAY, "--figure a.png", [["y", "residual"]]),
        (DECAY, "--waterfall b.png", [["loss"]]),
        (DECAY, "--waterfall b.png --figure a.png", [["y", "residual"], ["loss"]]),
        ("solve x**2+y**2", "--figure a.png", [["loss"]]),
    ],
)
def test_figures_are_drawn(problem, options, labels, call, monkeypatch):
    from matplotlib.figure import Figure

    drawn, save = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **k: (drawn.append(self), save(self, *a, **k))[1])
    monkeypatch.setattr(commands, "solve_all", lambda *_, **__: made([[1.0]], [[0]], [[1]]))
    status, out, err = call(f"{problem} {options}")
    assert (status, err) == (0, "")
    assert [[ax.get_ylabel() for ax in figure.axes] for figure in drawn] == labels
    files = sorted(re.findall(r"--(figure|waterfall) (\S+)", options))
    assert out.splitlines()[-len(files) :] == [f"{option}: {file}" for option, file in files]
    assert all(Path(file).read_bytes().startswith(b"\x89PNG") for _, file in files)


# What is refused.

REFUSED = {
    DECAY.replace("--y y", "--y z"): "'z' is not a column of the table; choose from x, y, note",
    DECAY.replace("--y y", ""): "data.csv is a table, but there is no --y; write e.g. thalweg solve data.csv --model",
    "solve data.csv": "data.csv is a table, but there is no --model and no --y; write",
    "solve missing.csv --model a*x --y y": "'missing.csv' cannot be read as a table: no such file",
    "solve words.csv --model a*x --y y": "'many' in line 4, column 'y', but a fit needs finite numbers",
    "solve data.csv --model a*note --y y": "'ok' in line 2, column 'note', but a fit needs finite numbers",
    "solve short.csv --model a*x+b+c*x**2 --y y": "2 observations for 3 parameters .* needs at least 3",
    f"{DECAY} --fix k": "--fix has 'k' where name=number is due; write e.g. --fix b1=0",
    f"{DECAY} --fix k=1 --fix a=2,k=3": "--fix has k twice; give it once",
    f"{DECAY} --fix k=fast": "--fix of k is 'fast', but it must be a finite number",
    f"{DECAY} --fix kk=1": "'kk' is not a parameter of the model; did you mean 'k'?",
    f"{DECAY} --fix k=1,a=1": "all parameters of the model 'a.*' are fixed; leave at least one free",
    f"{DECAY} --fix k=1 --start k=2": "'k' is fixed at 1 and has a start; leave one of them out",
    f"{DECAY} --fix k=1 --range k=0:2": "'k' is fixed at 1 and has a range; leave one of them out",
    f"{DECAY} --fix k=1 --bound k=0:": "'k' is fixed and has bounds; leave one of them out",
    "solve misra1a --fix b1=240 gauss_newton": "gauss_newton keeps to no bounds, but --bound or --fix was given",
    f"{DECAY} --sigma z": "'z' is not a column of the table; choose from x, y, note",
    f"{DECAY} --sigma x": "column 'x' has 0 at index 0, but a standard deviation is positive and finite",
    f"{DECAY} --sigma 0": "sigma has 0 at index 0, but a standard deviation is positive",
    f"{DECAY} --absolute-sigma": "absolute_sigma was given without sigma",
    "solve misra1a --sigma y": "--sigma was given, but 'misra1a' is no table",
    "solve data.csv:start=2 --model a*x --y y": "data.csv takes no parameters, but 'start=2' was given",
    "solve data.csv --model 'a*x+' --y y": "of the formula cannot be read",
    "solve data.csv --model '' --y y": "names no column|formula is empty",
    "solve data.csv --model a*b --y y": "names no column to predict 'y' from; use one of x, note",
    f"{DECAY} --range kk=0:1": "'kk' is not a parameter of the model; did you mean 'k'?",
    f"{DECAY} --start kk=1": "'kk' is not a parameter of the model; did you mean 'k'?",
    f"{DECAY} --range k=0:1 --start k=2": "the start of 'k' is 2, outside its range from 0 to 1; move one",
    f"{DECAY} --range k": "--range is 'k', but it must be name=low:high; write e.g. --range b1=0:1000",
    f"{DECAY} --range k=1": "--range is 'k=1', but it must be name=low:high",
    f"{DECAY} --range 0:1": "--range is '0:1', but it must be name=low:high",
    f"{DECAY} --range k=0:1:2": "--range of k is '1:2', but it must be a finite number",
    f"{DECAY} --range k=:2": "--range of k is '', but it must be a finite number",
    f"{DECAY} --range k=0:inf": "--range of k is 'inf', but it must be a finite number",
    f"{DECAY} --range k=2:1": "--range of k is from 2 to 1, but low must be below high; turn it round",
    f"{DECAY} --range k=1:2 --range k=1:3": "--range of k is given twice; give it once",
    f"{DECAY} --bound k": "--bound is 'k', but it must be name=low:high; write e.g. --bound b1=0:",
    f"{DECAY} --bound k=:": "--bound of k bounds nothing; write k=low:high, or leave one of the two out",
    f"{DECAY} --bound k=2:1": "--bound of k is from 2 to 1, low above high",
    f"{DECAY} --bound k=0:x": "--bound of k is 'x', but it must be a finite number",
    f"{DECAY} --bound k=0: --bound k=:1": "--bound of k is given twice",
    f"{DECAY} --bound kk=0:": "'kk' is not a parameter of the model; did you mean 'k'?",
    f"{DECAY} --bound k=0:1 --range k=2:3": "the range of 'k' is from 2 to 3, which its bounds, 0 to 1, leave nothing",
    f"{DECAY} --bound k=0:1 bfgs": "bfgs keeps to no bounds, but --bound .* use lbfgs or levenberg_marquardt or trust",
    f"{DECAY} --bound k=0:1 trust_region:bounded=false": "trust_region keeps to no bounds, but --bound",
    f"{DECAY} genetic": "infinite domain, but a genetic algorithm searches a finite one; .* range of every parameter",
    "solve pbdl --bound x2=0:": "'x2' is not a component of x of 'pbdl'; did you mean",
    "solve pbdl --range x0=0:3 --bound x0=4: --starts 3": "the range of 'x0' and its bounds have nothing in common",
    "solve model.py:bowl --bound x0=0: --starts 5": "'bowl' has no domain",
    f"{DECAY} --start 1,2": "--start is without names, .* write e.g. --start b1=500,b2=1e-4",
    f"{DECAY} --start k=1,2": "--start has '2' where name=number is due",
    f"{DECAY} --start k=1,k=2": "--start has k twice",
    f"{DECAY} --start k=fast": "--start of k is 'fast', but it must be a finite number",
    f"{DECAY} inverse_gradient": "2 components to 12, .* use GaussNewton",
    f"{DECAY} bfg": "'bfg' is not a method; did you mean 'bfgs'?",
    "solve absent.txt --model a*x --y y": "--model was given, but 'absent.txt' is no table; give --model with the path",
    "solve misra1a --y y": "--y was given, but 'misra1a' is no table",
    "solve pbdl --where x0>0": "--where was given, but 'pbdl' is no table; give --where with the path of a file",
    "solve pbdl --as a=b": "--as was given, but 'pbdl' is no table",
    f"{DECAY} --where z>1": "'z' at column 1 of the formula is unknown",
    f"{DECAY} --where x": "'x' in the condition 'x' is no comparison; write e.g. \"x>0\"",
    f"{DECAY} --as x": "--as is 'x', but it must be new=old; write e.g. --as \"t=decimal date\"",
    f"{DECAY} --as t=z": "'z' is not a column of the table; choose from x, y, note",
    f"{DECAY} --decimal ;": "--decimal",
    f"{DECAY} --names a,b": "line 1 has 3 cells where the names are 2",
    'solve data.csv --model "a*exp(-e*x)" --y y': "'e' in the model can be the constant 2.71828, Euler's number, or",
    "solve pbdl --range x2=0:1": "'x2' is not a component of x of 'pbdl'; did you mean",
    "solve pbdl --start y=1": "'y' is not a component of x of 'pbdl'; choose from x0, x1",
    "solve pbdl --range x0=0:1": "the start of 'x0' is 3, outside its range from 0 to 1",
    "solve pbdl --start 1,2 --starts 5": "--start and --starts were both given",
    "solve pbdl --start 1,2,3": "--start has 3 numbers, but x of 'pbdl' has 2; give 2",
    "solve model.py:bowl --starts 5": "'bowl' has no domain",
    "solve model.py:bowl --range x0=0:1": "'bowl' has no domain, .* give --range for x1 too",
    "solve pbdl --gtol -1": "gtol is -1.0, but a tolerance is a positive number",
    "solve pbdl --gtol fast": "gtol",
    "solve pbdl --max-seconds 0": "max_seconds is 0.0, but a budget is a positive number",
    "solve pbdl --max-steps 1.5": "--max-steps: '1.5' is not a whole number",
    "solve pbdl --starts 1e15": "more than fit in memory; take fewer",
    "solve pbdl --figure fit.xyz": "fit.xyz does not end like a figure",
    "solve pbdl --waterfall absent/a.png": "absent/a.png cannot be written, because its folder does not exist",
    "solve pbdl --out .": ". cannot be written, being a folder",
    "solve pbdl --steps 5": "Unknown option: --steps",
    "solve missing.dat": "cannot be read as .* No such file or directory",
    "solve pdbl": "did you mean 'pbdl'",
    "solve": "requires an argument. See thalweg solve --help",
}


@pytest.mark.parametrize("line", REFUSED)
def test_refusal_is_one_line_and_status_2(line, call, folder, compiled):
    before, files = len(compiled), sorted(folder.iterdir())
    status, out, err = call(line)
    assert (status, out) == (2, "")
    assert err.startswith("thalweg: ") and err.count("\n") == 1 and "Traceback" not in err
    assert re.search(REFUSED[line], err)
    assert len(compiled) == before
    assert [file for file in sorted(folder.iterdir()) if file.name != "__pycache__"] == files


def test_a_waterfall_without_matplotlib_is_refused_before_the_fit(call, monkeypatch):
    for name in [name for name in sys.modules if name.startswith(("thalweg.plot", "matplotlib"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(tw, "plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.axes", None)
    status, out, err = call("solve pbdl --waterfall starts.png")
    assert (status, out) == (2, "") and "--waterfall needs " in err and "pip install 'thalweg[plot]'" in err


# As a stranger would type it.


def test_help_tells_a_stranger_what_to_type(call, request_of):
    for told in (
        "METHOD",
        "--model",
        "--range",
        "--bound",
        "--fix",
        "--profile",
        "--bootstrap",
        "--derive",
        "--at",
        "--diagnostics",
        "--gtol",
        "1e-10",
        "Ctrl-C",
        "Examples",
        "bounded=true",
        "stalled",
    ):
        assert told in call("solve --help")[1]
    examples = re.findall(r"^thalweg (.*)", cli.MORE_SOLVE, re.MULTILINE)
    assert len(examples) == 7 and all(request_of(example)[0] for example in examples)


@pytest.mark.slow
def test_ctrl_c_prints_what_is_done(folder, cut_short):
    # Newton's method is done in a step from each start; that momentum is not, in ten million.
    line = ["solve", "x**2 + y**2", "newton", "momentum:learning_rate=1e-12", "--max-steps", 10**9, "--starts", 500]
    status, out, err = cut_short([*line, "--out", "fits.nc"], programs=2)
    assert (status, err) == (cli.INTERRUPTED, "")
    assert row(out, "newton")[4] == "500" and row(out, "momentum")[7] == "500"
    assert re.search(r"^exhausted: 500 of 1000 fits \(Ctrl-C\)", out, re.MULTILINE)
    with xr.open_dataset("fits.nc", engine="h5netcdf") as saved:
        assert saved.attrs["interrupted"] == 1 and int(saved.steps.sel(variant="momentum").max()) > 0
