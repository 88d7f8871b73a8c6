"""What may be asked of the best fit of a regression, once it is found: options of ``thalweg solve``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, final

from cyclopts import Parameter

from thalweg.command.counts import whole_from


@Parameter(name="*")
@final
@dataclass(frozen=True)
class Questions:
    """Intervals, predictions, derived quantities and diagnostics of the best fit."""

    profile: Annotated[
        bool, Parameter(negative=(), help="Intervals of the parameters by their profile likelihood, as of MINOS.")
    ] = False
    bootstrap: Annotated[
        int | None,
        Parameter(converter=whole_from(1), help="Intervals and errors by this many fits of resampled data: 1000."),
    ] = None
    resample: Annotated[
        Literal["residuals", "cases"], Parameter(help="What --bootstrap draws: residuals, or rows of the table.")
    ] = "residuals"
    derive: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            show_default=False,
            help='A quantity with its standard error: "half=log(2)/k", of parameters and of quantities before it.',
        ),
    ] = ()
    at: Annotated[
        tuple[str, ...],
        Parameter(
            negative=(),
            show_default=False,
            allow_leading_hyphen=True,
            help='Predict there, with bands: "x=0:10:0.5", "x=1,2,5", one for each predictor, or a table of them.',
        ),
    ] = ()
    predict: Annotated[
        Path | None, Parameter(help="Write what is predicted to this .csv file, at the data where there is no --at.")
    ] = None
    log: Annotated[
        Literal["x", "y", "xy"] | None, Parameter(help="Logarithmic axes of --figure, of the predictor and of y.")
    ] = None
    diagnostics: Annotated[
        Path | None,
        Parameter(help="Draw residuals, their quantiles and leverages into this file (.png, .pdf, .svg)."),
    ] = None
    level: Annotated[float, Parameter(help="Of all intervals and bands.")] = 0.95

    @property
    def asked(self) -> list[str]:
        """The options that were given, but for the level."""
        given = {
            "--profile": self.profile,
            "--bootstrap": self.bootstrap,
            "--derive": self.derive,
            "--at": self.at,
            "--predict": self.predict,
            "--log": self.log,
            "--diagnostics": self.diagnostics,
        }
        return [option for option, value in given.items() if value]
