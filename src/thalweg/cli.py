"""The command line. Imports of JAX, xarray and matplotlib wait until a command runs, so that --help is quick."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

app = App(
    name="thalweg",
    help="An optimization laboratory: run methods on a problem, keep every path in every space, see which won.",
    help_format="plaintext",
)


@app.command
def run(
    problem: str,
    *methods: str,
    steps: int = 100,
    start: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    starts: int | None = None,
    seed: int = 0,
    every: int = 1,
    dtype: Literal["float32", "float64"] = "float32",
    out: Path | None = None,
    figure: Path | None = None,
) -> None:
    """Run methods on a problem and print what became of each.

    Example: thalweg run pbdl gradient_descent:learning_rate=0.01 newton:learning_rate=1/3 --figure paths.png

    Parameters
    ----------
    problem
        A library name (pbdl, ackley:d=2), file.py:name, a NIST .dat file (file.dat or file.dat:start=2), or a quoted
        formula in x0, x1, … or x, y, z.
    methods
        name:key=value,… with numbers (0.1, 1/3), lists (0.1;0.2) or geom(1e-4,1,40) as values; a choice fit for the
        problem without any.
    steps
        How many steps each path takes.
    start
        Where paths begin, as numbers between commas; the problem's own start without it (ones for a formula).
    starts
        Begin at this many points drawn from the problem's domain instead.
    seed
        Seed of the drawn starts and of random methods.
    every
        Record each such step only, and the last.
    dtype
        Precision of the run.
    out
        Write the trace to this NetCDF file.
    figure
        Draw the paths (or the loss curves, above two dimensions) into this file.
    """
    from thalweg import commands

    commands.run(problem, methods, steps, start, starts, seed, every, dtype, out, figure)


@app.command(name="list")
def list_(what: Literal["problems", "methods"]) -> None:
    """List the problems or the methods of the library, with their parameters.

    Parameters
    ----------
    what
        problems or methods
    """
    from thalweg import commands

    print("\n".join(commands.listing(what)))


def main() -> None:
    """Entry point: a mistake in the input is one sentence on stderr and exit status 2."""
    try:
        app(exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        _refuse(str(error))
    except ValueError as error:
        _refuse(str(error))
    except BrokenPipeError:
        sys.exit(141)


def _refuse(sentence: str) -> None:
    print(f"thalweg: {' '.join(sentence.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
