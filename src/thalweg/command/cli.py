"""The entry point of ``thalweg``: its commands, their help, and what becomes of errors and exit statuses.

Imports of JAX, xarray and matplotlib wait until a command runs, so that --help is quick.
"""

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter

from thalweg.command.options import INTERRUPTED, RunOptions, SolveOptions
from thalweg.verbs.version import __version__

PIPE_CLOSED = 141  # 128 and the number of the signal, as shells have it
RUN = """\
Run methods on a problem and print what became of each.

PROBLEM is a name that 'thalweg list problems' shows (pbdl, ackley:d=2, quadratic:spectrum=1;10), a NIST regression \
(Misra1a.dat, or Misra1a.dat:start=2 from its second start), a formula in x0, x1, … or x, y, z ("x**2 + y**2"), or \
file.py:name, where name is a Problem, a function that makes one (file.py:name:key=value gives it parameters), or a \
loss of x.

METHOD is a name that 'thalweg list methods' shows, with name:key=value,… for its hyperparameters. A value is a \
number (0.1), an expression (1/3), a list (0.1;0.2), geom(first,last,count), true, false, or a word. Of a list, every \
value is run. Without a METHOD, some that suit the problem are run. Quote what the shell would read: ; * ( ) and space.\
"""
MORE = """\
The table has a row for each method and value: the last and the lowest loss; where minima are known, the distance of \
the last point from the nearest, and the alignment of the first step with the direction there, a cosine; how the path \
ended; and the first step at which 99 % of the possible decrease was won, or inf. Of several starts it has medians.

Ctrl-C ends a run early: the table is of what is done, and the exit status 130. A mistake in the input is one line on \
stderr, and the exit status 2. Compiled programs are kept in ~/.cache/thalweg, or in JAX_COMPILATION_CACHE_DIR.

Examples:

thalweg run pbdl gradient_descent:learning_rate=0.01 newton:learning_rate=1/3 --figure paths.png

thalweg run "x**2 + 0.5*sin(30*x)" "adam:learning_rate=geom(1e-3,1,20)" --start -1.2 --steps 200\
"""


SOLVE = """\
Take every start of every method until it is done: fit a table of observations, or find the minima of a problem.

PROBLEM is a table (.csv, .tsv, .txt, .xlsx, .csv.gz, or - for standard input), fitted with --model and --y; or, as \
for 'thalweg run', a NIST regression (Misra1a.dat), a name that 'thalweg list problems' shows (rosenbrock:d=10), a \
formula ("x**2 + y**2"), or file.py:name.

METHOD is a word as 'thalweg run' takes it (bfgs, lbfgs:memory=5). Without one it is levenberg_marquardt for a sum of \
squares or a robust loss, and trust_region for every other. Quote what the shell would read: ; * ( ) and space.\
"""
MORE_SOLVE = """\
Of a table, separators, decimal commas, comments, units and missing cells are seen, and a line says what was read and \
left out. A column whose name is no word stands in quotes in the model, "a + b*'CO(GT)'", or gets another name, --as \
"t=decimal date". The constants of a model are pi and e; e is asked about, since it may be a parameter.

Of a regression, a sum of more squares than parameters, you get the best fit: its parameters with their standard \
errors, the residual standard deviation, and the correlations of up to eight parameters. Other problems show x at the \
lowest loss of each variant, up to ten components.

Of the best fit of a regression you may ask more: --profile and --bootstrap 1000 for intervals that know how curved a \
model is, and how the errors are spread; --derive "half=log(2)/k" for what follows from the parameters; --at "x=0:10" \
for predictions with bands, which --predict writes. --out .csv and .json have all of it.

The table has a row for each method and value: the lowest loss; how many starts reached the lowest loss of all, to \
1e-6 of it; how they ended; and the medians of their steps and evaluations. A start has converged where a tolerance is \
met, stalled where no step improves in this precision (often at a minimum, to the last digits), diverged where loss or \
gradient is not finite, and is exhausted where steps or time ran out.

Without --gtol, --ftol or --xtol a regression stops where the whole step of the method's model would change each \
parameter by less than 1e-10 of itself, or the sum of squares by less than 1e-20 of itself, or after 10000 steps; any \
other problem where that step is below 1e-6 and no |dL/dx_i| above 1e-6, or the step below 4e-11, or after 1000.

A table needs no start. Unless every parameter has a --start or a --range, thousands of points are drawn, whose scales \
come from data and model, and the best of them fitted; a line says how many minima were found, and how sure it is that \
the best is the best. --starts N fits N such points.

Random starts are drawn evenly from --range, else from the problem's own box; that of a table is from a tenth of \
--start to ten times it, within the bounds. --bound k=0: keeps the fit itself where k is at least 0, and bounds no \
other; the method is then a bounded one. Without --bound, ranges bound the fit with a method that is bounded, such as \
levenberg_marquardt:bounded=true, or that searches without a gradient. --fix c=0 makes a constant of c.

Ctrl-C ends early: what is done is printed, and the exit status is 130. It is 1 where no fit succeeded: none \
converged, stalled at a finite loss, or used up the steps of a method that only searches. A mistake in the input is \
one line on stderr, and the exit status 2.

Examples:

thalweg solve data.csv --model "a*exp(-k*x)" --y y --figure fit.png

thalweg solve data.csv --model "a*exp(-k*x)" --y y --start a=5,k=0.1

thalweg solve data.csv --model "a*exp(-k*x)" --y y --starts 1000 --range a=0:10 --range k=0:2

thalweg solve air.csv --model "a + b*T" --y "CO(GT)" --missing -200 --where "0<T<30"

thalweg solve data.csv --model "a*exp(-k*x)" --y y --profile --derive "half=log(2)/k" --at "x=0:10:0.5" --out fit.json

thalweg solve data.csv --model "a*exp(-k*x)+c" --y y --bound k=0: --fix c=0

thalweg solve rosenbrock:d=10 trust_region bfgs lbfgs:memory=5 --starts 1000 --waterfall starts.png\
"""


EXPLORE = """\
Serve a page on this machine: type a loss, click a start, and see how every method goes from there.

PROBLEM and METHOD are as 'thalweg run' takes them, but a table. The page asks this machine alone, and nothing leaves \
it: the server answers to 127.0.0.1 and to its own page. What is typed on the page are names of the library and \
formulas, which only compute; a file.py:name runs only where it is given here. The address of the page has its whole \
state. Ctrl-C ends the server. It needs pip install 'thalweg[web]'.\
"""


REPORT = """\
Write one HTML file of a trace or of fits that opens offline: which method won, the table, the paths at every step, \
losses, outcomes, what the hyperparameters do, and how it was made.

The loss under the paths needs the problem: a name of the library or a formula is known from the file. Of any other \
give --problem; no code that a file names is run.

Example:

thalweg report trace.nc -o report.html\
"""


RUN_DEFAULTS, SOLVE_DEFAULTS = RunOptions(), SolveOptions()
Method = Annotated[str, Parameter(name="METHOD", help="How to minimize it.")]

app = App(
    name="thalweg",
    version=__version__,
    help="An optimization laboratory: run methods on a problem, keep every path in every space, see which won.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,  # main says what it means
)


@app.command(help=RUN, help_epilogue=MORE, usage="Usage: thalweg run [OPTIONS] PROBLEM [METHOD ...]")
def run(
    problem: Annotated[str, Parameter(allow_leading_hyphen=True, help="What to minimize.")],
    /,
    *methods: Method,
    options: RunOptions = RUN_DEFAULTS,
) -> None:
    _keep_compilations()
    from thalweg.command import commands

    if not commands.run(problem, methods, options):
        sys.exit(INTERRUPTED)


@app.command(help=SOLVE, help_epilogue=MORE_SOLVE, usage="Usage: thalweg solve [OPTIONS] PROBLEM [METHOD ...]")
def solve(
    problem: Annotated[str, Parameter(allow_leading_hyphen=True, help="What to fit or to minimize.")],
    /,
    *methods: Method,
    options: SolveOptions = SOLVE_DEFAULTS,
) -> None:
    _keep_compilations()
    from thalweg.command import commands

    if status := commands.solve(problem, methods, options):
        sys.exit(status)


@app.command(help=EXPLORE, usage="Usage: thalweg explore [OPTIONS] [PROBLEM] [METHOD ...]")
def explore(
    problem: Annotated[str, Parameter(allow_leading_hyphen=True, help="What to look at.")] = "pbdl",
    /,
    *methods: Method,
    port: Annotated[int, Parameter(help="Of 127.0.0.1; 0 takes one that is free.")] = 0,
    browser: Annotated[bool, Parameter(help="Open the page in the browser.")] = True,
) -> None:
    _keep_compilations()
    from thalweg.command import exploration

    exploration.explore(problem, methods, port, browser)


@app.command(help=REPORT, usage="Usage: thalweg report [OPTIONS] TRACE")
def report(
    trace: Annotated[Path, Parameter(help="A NetCDF file that --out of 'thalweg run' or 'thalweg solve' wrote.")],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"], help="The page to write (.html).")],
    problem: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True, help="What was run, in the word of 'thalweg run', where the file cannot say."
        ),
    ] = None,
) -> None:
    _keep_compilations()
    from thalweg.command import commands

    commands.report(trace, out, problem)


@app.command(name="list")
def list_(what: Annotated[Literal["problems", "methods"], Parameter(help="Which of them to list.")], /) -> None:
    """List the problems or the methods of the library, with their parameters and what these are by default."""
    from thalweg.command import commands

    print("\n".join(commands.listing(what)))


def _keep_compilations() -> None:
    """The second run of a command compiles nothing. JAX reads these when it is imported; a person's own come first."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thalweg"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # A cache that cannot be written, or that another machine wrote, costs time and no result: no word of it.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", module=r"jax\b")


def main() -> None:
    """Entry point: a mistake in the input is one sentence on stderr and exit status 2."""
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(PIPE_CLOSED)
    except KeyboardInterrupt:
        _end("interrupted before there was anything to show.", INTERRUPTED)
    except MissingArgumentError as error:
        _end(f"{error} See thalweg {' '.join(error.command_chain or ())} --help.", 2)
    except MemoryError as error:
        _end(f"{error}; take fewer starts, values or components.", 2)
    except (CycloptsError, ValueError, OSError) as error:
        _end(str(error), 2)


def _end(sentence: str, status: int) -> None:
    print(f"thalweg: {' '.join(sentence.split())}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
