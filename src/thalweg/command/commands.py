"""What the commands do: words become a problem and methods, then run, table, files."""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal, get_args, get_origin

import numpy as np

from thalweg import starts
from thalweg.chain.problem import Problem
from thalweg.command import assignments, reports, words
from thalweg.verbs.run import run as run_all
from thalweg.verbs.solve import solve as solve_all

FORMATS = (".jpg", ".pdf", ".png", ".svg")
WIDTH, INDENT = 120, "    "  # of a listing
# A regression's parameters differ in units, so that no bound of the gradient means the same to all of them. With these
# each of NIST's reaches its certified parameters from both starts.
REGRESSION = {"gtol": 0.0, "xtol": 1e-10, "max_steps": 10_000}


def run(
    problem: str,
    methods: Sequence[str],
    steps: int,
    start: str | None,
    count: int | None,
    seed: int,
    every: int,
    dtype: str,
    out: Path | None,
    figure: Path | None,
) -> bool:
    """``thalweg run``: print the table, write the files, say where they went; False where Ctrl-C cut the run short."""
    if start is not None and count is not None:
        raise ValueError(
            "--start and --starts were both given, but a run begins at one point or at drawn ones; give one."
        )
    _check_file(out)
    _check_figure(figure, "--figure")
    point = None if start is None else [words.number(word, "--start") for word in start.split(",")]
    chosen = words.problem(problem, point)
    named = words.chosen_methods(methods or words.fitting(chosen))
    trace = run_all(chosen, named, _begin(chosen, point, count, seed), steps, every=every, key=seed, dtype=dtype)
    done = "interrupted" not in trace.attrs
    print("\n".join(_table(trace, chosen)))
    if not done:
        print(f"interrupted at step {int(trace.step[-1])} of {steps}; the table is of the steps until there")
    if out is not None:
        trace.to_netcdf(out, engine="h5netcdf")
        print(f"trace: {out}")
    if figure is not None:
        _draw(trace, chosen, figure)
        print(f"figure: {figure}")
    return done


def solve(
    problem: str,
    methods: Sequence[str],
    model: str | None,
    y: str | None,
    start: str | None,
    count: int | None,
    ranges: Sequence[str],
    seed: int,
    budget: dict[str, Any],
    dtype: str,
    out: Path | None,
    figure: Path | None,
    waterfall: Path | None,
) -> bool:
    """``thalweg solve``: print what was found, write the files, say where they went; False where Ctrl-C came first."""
    _check_file(out)
    _check_figure(figure, "--figure")
    _check_figure(waterfall, "--waterfall")
    begun = None if start is None else assignments.read_start(start)
    boxes = assignments.read_ranges(ranges)
    if words.is_table(problem):
        chosen, points = _fitted(problem, model, y, begun, count, boxes, seed)
    else:
        for option, given in ("--model", model), ("--y", y):
            if given is not None:
                raise ValueError(
                    f"{option} was given, but {problem!r} is no CSV file; give {option} with a CSV file only."
                )
        chosen, points = _posed(problem, begun, count, boxes, seed)
    named = words.chosen_methods(methods or words.finishing(chosen))
    limits = (REGRESSION if reports.is_regression(chosen) else {}) | budget
    fits = solve_all(chosen, named, points, key=seed, dtype=dtype, **limits)
    print("\n".join(reports.report(fits, chosen)))
    if out is not None:
        fits.to_netcdf(out, engine="h5netcdf")
        print(f"fits: {out}")
    for option, file in ("figure", figure), ("waterfall", waterfall):
        if file is not None:
            from thalweg import plot

            fit = option == "figure" and reports.is_regression(chosen)
            (plot.fit(fits, chosen) if fit else plot.waterfall(fits)).savefig(file, dpi=150)
            print(f"{option}: {file}")
    return "interrupted" not in fits.attrs


def listing(what: Literal["problems", "methods"]) -> list[str]:
    """Each name of the library with its parameters and what they are by default, then what it computes."""
    lines = []
    for name, make in (words.PROBLEMS if what == "problems" else words.METHODS).items():
        known = [f"{key}={_shown(parameter)}" for key, parameter in words.parameters(make).items()]
        summary = (inspect.getdoc(make) or "").partition("\n\n")[0].replace("``", "")
        lines += [
            name + (":" if known else "") + ",".join(known),
            *wrap(summary, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT),
        ]
    return lines


def _shown(parameter: inspect.Parameter) -> str:
    """The default, as it is typed, or all choices, or … where one must be given."""
    if parameter.default is parameter.empty:
        return "…"
    if get_origin(parameter.annotation) is Literal:
        return "|".join(get_args(parameter.annotation))
    if isinstance(parameter.default, tuple):
        return ";".join(f"{value:g}" for value in parameter.default)
    return f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default).lower()


def _check_file(file: Path | None) -> None:
    """ValueError, before any work is done, where the file cannot be written in the end."""
    if file is None:
        return
    folder = file.resolve().parent
    if not folder.is_dir():
        raise ValueError(f"{file} cannot be written, because its folder does not exist; create the folder first.")
    if file.is_dir() or not os.access(file if file.exists() else folder, os.W_OK):
        raise ValueError(f"{file} cannot be written, being a folder or protected; name another file.")


def _check_figure(file: Path | None, option: str) -> None:
    _check_file(file)
    if file is None:
        return
    try:
        from thalweg import plot  # noqa: F401
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{option} needs {error.name}, which is not installed; pip install 'thalweg[plot]'."
        ) from error
    if file.suffix.lower() not in FORMATS:
        raise ValueError(f"{file} does not end like a figure; let it end in one of {', '.join(FORMATS)}.")


def _begin(chosen: Problem, point: list[float] | None, count: int | None, seed: int) -> Any:
    if count is not None:
        if chosen.domain is None:
            raise ValueError(f"{chosen.name!r} has no domain from which --starts could be drawn; give --start.")
        return starts.uniform(chosen.domain, count, seed)
    if point is not None and len(point) != chosen.dimension:
        raise ValueError(
            f"--start has {len(point)} numbers, but x of {chosen.name!r} has {chosen.dimension}; "
            f"give {chosen.dimension} between commas."
        )
    return point


def _fitted(
    word: str, model: str | None, y: str | None, begun: Any, count: int | None, boxes: dict[str, Any], seed: int
) -> tuple[Problem, Any]:
    """The regression of a CSV file, and its starts; --start beside --starts says where these are drawn."""
    if model is None or y is None:
        missing = " and no ".join(option for option, given in (("--model", model), ("--y", y)) if given is None)
        raise ValueError(
            f"{word} is a table, but there is no {missing}; write e.g. thalweg solve {word} "
            '--model "b1*(1-exp(-b2*x))" --y y.'
        )
    if isinstance(begun, list):
        raise ValueError(
            "--start is without names, but parameters of a model have some; write e.g. --start b1=500,b2=1e-4."
        )
    chosen = words.regression(word, model, y, begun, boxes)
    return chosen, _begin(chosen, None, count, seed)


def _posed(word: str, begun: Any, count: int | None, boxes: dict[str, Any], seed: int) -> tuple[Problem, Any]:
    """Any other problem, in the box of the ranges, and its starts."""
    if begun is not None and count is not None:
        raise ValueError(
            "--start and --starts were both given, but fits begin at one point or at drawn ones; give one."
        )
    chosen = words.problem(word, begun if isinstance(begun, list) else None)
    point = assignments.started(chosen, begun) if isinstance(begun, dict) else begun
    chosen = assignments.ranged(chosen, boxes) if boxes else chosen
    points = _begin(chosen, point, count, seed)
    if count is None:
        assignments.check_start(chosen, boxes, chosen.start if points is None else points)
    return chosen, points


def _table(trace: Any, chosen: Problem) -> list[str]:
    from thalweg import analysis

    with np.errstate(all="ignore"):  # infinity and NaN are results, here as in the trace
        table = analysis.table(trace, chosen)
    many = len(table) > reports.MOST_VARIANTS
    shown = table.sort_values("final_loss").head(reports.MOST_VARIANTS // 2) if many else table
    text = shown.rename_axis(index=None, columns=str(table.index.name)).to_string(
        float_format=lambda value: f"{value:.4g}", formatters={"steps": lambda value: f"{value:.12g}"}
    )
    rest = [f"(the best {len(shown)} of {len(table)} variants by final loss)"] if len(shown) < len(table) else []
    return [text, *rest]


def _draw(trace: Any, chosen: Problem, figure: Path) -> None:
    """The paths in all spaces of one or two components, where x is one of them, or else the losses."""
    from thalweg import plot

    flat = [space.name for space in chosen.chain.spaces if space.size <= 2]
    drawn = plot.paths(trace, chosen, space=flat) if flat and flat[0] == "x" else plot.curves(trace)
    drawn.savefig(figure, dpi=150)
