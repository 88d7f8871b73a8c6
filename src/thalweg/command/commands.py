"""What ``thalweg run``, ``solve`` and ``list`` do: words become a problem and methods, then table and files."""

import inspect
import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal

import numpy as np

from thalweg.chain.problem import Problem
from thalweg.command import answers, assignments, pages, words
from thalweg.command.options import DONE, FAILED, INTERRUPTED, RunOptions, SolveOptions
from thalweg.fitting import files, reports
from thalweg.fitting.answers import Answers
from thalweg.fitting.sameness import is_regression
from thalweg.fitting.search import MOST_STEPS, REGRESSION, Search, search
from thalweg.methods.box import keeps
from thalweg.problems.models import model_of
from thalweg.problems.responses import parted
from thalweg.verbs.run import run as run_all
from thalweg.verbs.solve import solve as solve_all
from thalweg.words import library
from thalweg.words.parameters import REQUIRED, Parameter, parameters

FORMATS = (".jpg", ".pdf", ".png", ".svg")
WIDTH, INDENT = 120, "    "  # of a listing


def run(problem: str, methods: Sequence[str], options: RunOptions) -> bool:
    """``thalweg run``: print the table, write the files, say where they went; False where Ctrl-C cut the run short."""
    _check_file(options.out)
    _check_figure(options.figure, "--figure")
    _check_page(options.report)
    chosen, points = assignments.posed(problem, options.beginning)
    named = library.chosen_methods(methods or library.suiting(chosen))
    settings: dict[str, Any] = {"every": options.every, "key": options.seed, "dtype": options.dtype}
    trace = run_all(chosen, named, points, options.steps, **settings)
    done = "interrupted" not in trace.attrs
    print("\n".join(_table(trace, chosen)))
    if not done:
        print(f"interrupted at step {int(trace.step[-1])} of {options.steps}; the table is of the steps until there")
    if options.out is not None:
        trace.to_netcdf(options.out, engine="h5netcdf")
        print(f"trace: {options.out}")
    if options.figure is not None:
        _draw(trace, chosen, options.figure)
        print(f"figure: {options.figure}")
    if options.report is not None:
        pages.write_page(trace, chosen, options.report)
        print(f"report: {options.report}")
    return done


def solve(problem: str, methods: Sequence[str], options: SolveOptions) -> int:
    """``thalweg solve``: print what was found, write the files, say where they went; the exit status, that of Ctrl-C
    where it came first, and ``FAILED`` where no fit succeeded."""
    _check_file(options.out)
    _check_figure(options.figure, "--figure")
    _check_figure(options.waterfall, "--waterfall")
    _check_page(options.report)
    asked = [_asked(problem, options, model) for model in _models(options)]
    reports.check_comparable([chosen for chosen, _ in asked])
    questions = options.questions
    answers.check(questions, [chosen for chosen, _ in asked], options.table, options.figure is not None)
    _check_file(questions.predict)
    _check_figure(questions.diagnostics, "--diagnostics")
    found, named = [], {}
    for chosen, points in asked:
        files.check_fits(options.out, chosen)
        words_of = methods or library.finishing(chosen)
        named = library.chosen_methods(words.bounded(words_of) if _bounds(problem, options) else words_of)
        limits = (_regression(options) if is_regression(chosen) else {}) | options.budget
        fits, seen = _fits(chosen, named, points, options, limits)
        heading, *lines = reports.report(fits, chosen)
        print("\n".join([*([""] if found else []), heading, *_told(chosen), *reports.searched(seen, chosen), *lines]))
        found.append((fits, chosen, reports.succeeded(fits, named)))
        if "interrupted" in fits.attrs:
            break
    best = 0
    if len(found) > 1:
        best, lines = reports.comparison([(fits, chosen) for fits, chosen, _ in found])
        print("\n".join(["", *lines]))
    fits, chosen, _ = found[best]
    known = Answers()
    if "interrupted" not in fits.attrs and questions.asked:
        bounded = any(keeps(chosen, method) for method in named.values())
        known = answers.answers(fits, chosen, questions, options.seed, bounded, options.table)
        print("\n".join(answers.lines(known, fits, chosen)))
    _write(fits, chosen, options, known)
    if "interrupted" in found[-1][0].attrs:
        return INTERRUPTED
    return DONE if all(done for *_, done in found) else FAILED


def _fits(
    chosen: Problem, named: Any, points: Any, options: SolveOptions, limits: dict[str, Any]
) -> tuple[Any, Search | None]:
    """Every fit, and what a search saw, for a table of which nobody says where a parameter begins."""
    settings, model = {"key": options.seed, "dtype": options.dtype} | limits, model_of(chosen)
    if options.models and points is None and model is not None and model.unsaid:
        return search(chosen, named, **settings)
    return solve_all(chosen, named, points, **settings), None


def _regression(options: SolveOptions) -> dict[str, Any]:
    """What ends a regression, but for what was asked."""
    asked = any(bound is not None for bound in (options.gtol, options.ftol, options.xtol))
    return {"max_steps": MOST_STEPS, **({"gtol": 0.0} if asked else {"until": REGRESSION})}


def _write(fits: Any, chosen: Problem, options: SolveOptions, known: Answers) -> None:
    """The files that were asked for, and where they went."""
    predictions = options.questions.predict
    if predictions is not None and known.predicted is not None:
        answers.frame(known.predicted).to_csv(predictions, index=False)
        print(f"predictions: {predictions}")
    if options.out is not None:
        files.write_fits(fits, chosen, options.out, known)
        print(f"fits: {options.out}")
    diagnostics = options.questions.diagnostics
    for option, file in ("figure", options.figure), ("diagnostics", diagnostics), ("waterfall", options.waterfall):
        if file is not None:
            _drawn(option, fits, chosen, options.questions.log).savefig(file, dpi=150)
            print(f"{option}: {file}")
    if options.report is not None:
        pages.write_page(fits, chosen, options.report)
        print(f"report: {options.report}")


def _drawn(option: str, fits: Any, chosen: Problem, log: str | None) -> Any:
    """The figure of an option."""
    from thalweg import plot

    if option == "diagnostics":
        return plot.diagnostics(fits, chosen)
    if option == "figure" and is_regression(chosen):
        return plot.fit(fits, chosen, log or "")
    return plot.waterfall(fits)


def _models(options: SolveOptions) -> list[Any]:
    """The models that are fitted one after the other; those that name each a response of its own are one."""
    named = {left: right for left, right in map(parted, options.models) if left is not None}
    if len(named) == len(options.models) > 1:
        return [named]
    return [*options.models] or [None]


def _asked(word: str, options: SolveOptions, model: Any) -> tuple[Problem, Any]:
    """What is to be solved, and where it begins: --model and --y go with a table, and with nothing else."""
    columns = {"--model": model, "--y": options.y}
    if not words.is_table(word, options.model):
        of_tables = {f"--{'as' if key == 'rename' else key}": value for key, value in options.table.items()}
        of_tables |= {f"--{key.replace('_', '-')}": value for key, value in options.errors.items()}
        of_tables |= {"--group": options.groups or None, "--prior": options.priors or None}
        for option, given in (columns | of_tables).items():
            if given is not None:
                raise ValueError(
                    f"{option} was given, but {word!r} is no table; give {option} with the path of a file of "
                    "observations only."
                )
        return assignments.posed(word, options.beginning)
    if model is None or (options.y is None and isinstance(model, str) and parted(model)[0] is None):
        missing = " and no ".join(option for option, given in columns.items() if given is None)
        raise ValueError(
            f"{word} is a table, but there is no {missing}; write e.g. thalweg solve {word} "
            '--model "b1*(1-exp(-b2*x))" --y y.'
        )
    return assignments.fitted(
        word,
        model,
        None if options.y is None else assignments.read_responses(options.y),
        options.beginning,
        others=options.models,
        groups=options.groups,
        priors=options.priors,
        **options.errors,
        **options.table,
    )


def _told(chosen: Problem) -> list[str]:
    """A line on the table that was read, of a fit to one."""
    model = model_of(chosen)
    return [model.told] if model and model.told else []


def _bounds(word: str, options: SolveOptions) -> bool:
    """Whether the person gave bounds to components of x; what is fixed in the model of a table is none of them."""
    return bool(options.bounds or (options.fixed and not words.is_table(word, options.model)))


def report(trace: Path, out: Path, problem: str | None) -> None:
    """``thalweg report``: write the page of a file of ``--out``, and say where it went."""
    _check_page(out)
    pages.report_file(trace, out, problem)


def listing(what: Literal["problems", "methods"]) -> list[str]:
    """Each name of the library with its parameters and what they are by default, then what it computes."""
    lines = []
    for name, make in (library.PROBLEMS if what == "problems" else library.METHODS).items():
        known = [f"{key}={_shown(parameter)}" for key, parameter in parameters(make).items()]
        summary = (inspect.getdoc(make) or "").partition("\n\n")[0].replace("``", "")
        lines += [
            name + (":" if known else "") + ",".join(known),
            *wrap(summary, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT),
        ]
    return lines


def _shown(parameter: Parameter) -> str:
    """The default, as it is typed, or all choices, or … where one must be given."""
    if parameter.default is REQUIRED:
        return "…"
    if parameter.kind.choices:
        return "|".join(parameter.kind.choices)
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


def _check_page(file: Path | None) -> None:
    _check_file(file)
    pages.check_page(file)


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
