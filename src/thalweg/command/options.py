"""The options of ``thalweg run`` and ``thalweg solve``, with their help and what they are by default."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, final

from cyclopts import Parameter

from thalweg.command.counts import whole_from
from thalweg.command.questions import Questions

DONE, FAILED, INTERRUPTED = 0, 1, 130  # exit statuses; the last is 128 and the number of the signal, as shells have it


@final
class Beginning(NamedTuple):
    """Where paths begin and what bounds them, as typed: --start, --starts with --seed, --range, --bound, --fix."""

    start: str | None
    starts: int | None
    seed: int
    ranges: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


def _start(told: str) -> Any:
    return Parameter(allow_leading_hyphen=True, help=f"Where to begin: name=number,… or numbers between commas; {told}")


Starts = Annotated[
    int | None, Parameter(converter=whole_from(1), help="Begin at this many random points of the problem's domain.")
]
Seed = Annotated[int, Parameter(converter=whole_from(0), help="Seed of random starts and of random methods.")]
PRECISION = Parameter(help="Precision of all numbers.")


UNASKED = Questions()


@Parameter(name="*")  # the fields are options, without a prefix
@final
@dataclass(frozen=True)
class RunOptions:
    """What ``thalweg run`` takes beside a problem and methods."""

    steps: Annotated[int, Parameter(converter=whole_from(0), help="How many steps each path takes.")] = 100
    start: Annotated[str | None, _start("else the problem's own start (ones for a formula).")] = None
    starts: Starts = None
    seed: Seed = 0
    every: Annotated[int, Parameter(converter=whole_from(1), help="Record each such step only, and the last.")] = 1
    dtype: Annotated[Literal["bfloat16", "float16", "float32", "float64"], PRECISION] = "float32"
    out: Annotated[Path | None, Parameter(help="Write every path to this NetCDF file, for xarray.")] = None
    figure: Annotated[
        Path | None,
        Parameter(
            help="Draw the paths into this file (.png, .pdf, .svg), or the losses where x has over 2 components."
        ),
    ] = None
    report: Annotated[
        Path | None, Parameter(help="Write a page that has it all and opens offline (.html): table, figures, how made.")
    ] = None

    @property
    def beginning(self) -> Beginning:
        return Beginning(self.start, self.starts, self.seed)


@Parameter(name="*")
@final
@dataclass(frozen=True)
class SolveOptions:
    """What ``thalweg solve`` takes beside a problem and methods."""

    models: Annotated[
        tuple[str, ...],
        Parameter(
            name="--model",
            negative=(),
            show_default=False,
            allow_leading_hyphen=True,
            help="For a CSV file: the formula that predicts y; its names that are no columns are fitted. Of several "
            "models, each given by --model, a table compares the fits; models that name each its own response, "
            '"A = a*exp(-k*t)", are fitted together.',
        ),
    ] = ()
    y: Annotated[
        str | None,
        Parameter(
            help='For a table: the column that the model predicts, or a formula of columns, "log(k)"; several between '
            "commas have one model, as replicates."
        ),
    ] = None
    where: Annotated[
        str | None,
        Parameter(allow_leading_hyphen=True, help="Which rows of the table to use: \"0<x<5 and site=='north'\"."),
    ] = None
    renamed: Annotated[
        tuple[str, ...],
        Parameter(name="--as", negative=(), show_default=False, help='Another name for a column: "t=decimal date".'),
    ] = ()
    missing: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            show_default=False,
            allow_leading_hyphen=True,
            help="A mark of missing cells beside the usual ones (NA, nan, - and empty ones): -200.",
        ),
    ] = ()
    names: Annotated[str | None, Parameter(help="Names of the columns between commas, where the table has none.")] = (
        None
    )
    decimal: Annotated[
        Literal[".", ","] | None, Parameter(help="The decimal mark, where the cells of the table leave it open.")
    ] = None
    sigma: Annotated[
        str | None,
        Parameter(
            help="For a table: the column of the standard deviations of y, a formula of columns, a share of y (5%), or "
            "a number; of several responses one for each, A=0.1,B=errors."
        ),
    ] = None
    absolute_sigma: Annotated[
        bool,
        Parameter(
            negative=(), help="Standard errors take --sigma as it is; else it is relative, and fitted by a factor."
        ),
    ] = False
    loss: Annotated[
        Literal["linear", "soft_l1", "huber", "cauchy", "arctan", "poisson"] | None,
        Parameter(
            help="For a table, instead of squares: a robust loss, with which outliers count less, or poisson of counts."
        ),
    ] = None
    f_scale: Annotated[
        float | None, Parameter(help="The size of a residual from which on it counts less in --loss; else 1.")
    ] = None
    priors: Annotated[
        tuple[str, ...],
        Parameter(
            name="--prior",
            negative=(),
            show_default=False,
            help="What is known of a parameter beforehand: name=mean+-deviation, with --absolute-sigma.",
        ),
    ] = ()
    groups: Annotated[
        tuple[str, ...],
        Parameter(
            name="--group",
            negative=(),
            show_default=False,
            help="For a table: a column each of whose groups has parameters of its own, all, or those that are named: "
            "column:name,…",
        ),
    ] = ()
    start: Annotated[
        str | None, _start("else the problem's own start, and for a CSV file the middle of each range, or 1.")
    ] = None
    starts: Starts = None
    ranges: Annotated[
        tuple[str, ...],
        Parameter(
            name="--range",
            negative=(),
            show_default=False,
            help="Draw random starts of name from low to high: name=low:high.",
        ),
    ] = ()
    bounds: Annotated[
        tuple[str, ...],
        Parameter(
            name="--bound",
            negative=(),
            show_default=False,
            help="Keep name between low and high, of which one may be left out: name=low:high, name=low:, name=:high.",
        ),
    ] = ()
    fixed: Annotated[
        tuple[str, ...],
        Parameter(name="--fix", negative=(), show_default=False, help="Hold name at a number: name=number,…"),
    ] = ()
    seed: Seed = 0
    gtol: Annotated[float | None, Parameter(help="Converged where no |dL/dx_i| is above this; 0 for never.")] = None
    ftol: Annotated[float | None, Parameter(help="Or where a step changes L by less, relatively.")] = None
    xtol: Annotated[float | None, Parameter(help="Or where a step changes every x_i by less, relatively.")] = None
    max_steps: Annotated[int | None, Parameter(converter=whole_from(0), help="How many steps each start may take.")] = (
        None
    )
    max_seconds: Annotated[float | None, Parameter(help="How long all may take together.")] = None
    dtype: Annotated[Literal["float32", "float64"], PRECISION] = "float64"
    out: Annotated[
        Path | None,
        Parameter(help="Write every fit to this NetCDF file, or of a regression the best one: .csv, .json."),
    ] = None
    figure: Annotated[
        Path | None,
        Parameter(help="Draw the best fit of a regression, or else the waterfall, into this file (.png, .pdf, .svg)."),
    ] = None
    waterfall: Annotated[
        Path | None, Parameter(help="Draw the losses of all starts, sorted, into this file (.png, .pdf, .svg).")
    ] = None
    report: Annotated[
        Path | None, Parameter(help="Write a page that has it all and opens offline (.html): table, figures, how made.")
    ] = None

    questions: Questions = UNASKED

    @property
    def model(self) -> str | None:
        """The model, or the first of several."""
        return self.models[0] if self.models else None

    @property
    def beginning(self) -> Beginning:
        return Beginning(self.start, self.starts, self.seed, self.ranges, self.bounds, self.fixed)

    @property
    def table(self) -> dict[str, Any]:
        """How the table is read, as keywords of ``regression``, where anything was given."""
        rename: dict[str, str] = {}
        for text in self.renamed:
            new, equals, old = text.partition("=")
            if not new.strip() or not equals or not old.strip():
                raise ValueError(f'--as is {text!r}, but it must be new=old; write e.g. --as "t=decimal date".')
            rename[new.strip()] = old.strip().strip("'\"`")
        names = None if self.names is None else [name.strip() for name in self.names.split(",")]
        given = {"where": self.where, "rename": rename, "missing": self.missing}
        given |= {"names": names, "decimal": self.decimal}
        return {option: value for option, value in given.items() if value}

    @property
    def errors(self) -> dict[str, Any]:
        """What is known of errors of observations, as keywords of ``regression``, where anything was given."""
        given = {"sigma": self.sigma, "absolute_sigma": self.absolute_sigma or None}
        given |= {"loss": self.loss, "f_scale": self.f_scale}
        return {option: value for option, value in given.items() if value is not None}

    @property
    def budget(self) -> dict[str, Any]:
        """Tolerances and bounds that were given, as keywords of ``solve``."""
        budget = {"gtol": self.gtol, "ftol": self.ftol, "xtol": self.xtol}
        budget |= {"max_steps": self.max_steps, "max_seconds": self.max_seconds}
        return {name: value for name, value in budget.items() if value is not None}
