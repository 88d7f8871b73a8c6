"""What ``thalweg solve`` writes: every fit as NetCDF, or the best one as a table or as JSON."""

import json
from pathlib import Path
from typing import Any

from thalweg import analysis
from thalweg.chain.problem import Problem
from thalweg.fitting.answers import Answers
from thalweg.fitting.sameness import is_regression

OF_A_FIT = (".csv", ".json")
NOTHING = Answers()  # asked beyond the fit


def check_fits(file: Path | None, problem: Problem) -> None:
    """ValueError where a file is to hold a fit of data, and the problem is none."""
    if file is not None and file.suffix.lower() in OF_A_FIT and not is_regression(problem):
        raise ValueError(
            f"{file} would hold parameters with standard errors, but {problem.name!r} is no regression; let --out end "
            "in .nc."
        )


def write_fits(fits: Any, problem: Problem, file: Path, known: Answers = NOTHING) -> None:
    """``.csv``: the table of the best fit; ``.json``: all that is known of it; else every fit as NetCDF."""
    match file.suffix.lower():
        case ".csv":
            _table(fits, problem, known).to_csv(file)
        case ".json":
            found = {name: value for name, value in known._asdict().items() if name != "refused"}
            report = analysis.fit_report(fits, problem, **found)
            file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
        case _:
            fits.to_netcdf(file, engine="h5netcdf")


def _table(fits: Any, problem: Problem, known: Answers) -> Any:
    """The table of the best fit, with columns of intervals and rows of derived quantities where these were asked."""
    table = analysis.fit_table(fits, problem)
    if known.profile is not None:
        table = table.join(known.profile[["lower", "upper", "note"]].add_prefix("profile_"))
    if known.bootstrap is not None:
        draws = known.bootstrap[["lower", "upper", "standard_error"]].to_dataframe()
        table = table.join(draws.add_prefix("bootstrap_"))
    if known.derived is not None:
        order = [*table.index[:-2], *known.derived.index, *table.index[-2:]]
        columns = [*table.columns, "lower", "upper"]
        more = known.derived.rename(columns={"formula": "note"})
        table = table.combine_first(more).loc[order, columns].rename_axis(table.index.name)
    return table
