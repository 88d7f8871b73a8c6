"""What ``thalweg solve`` writes: every fit as NetCDF, or the best one as a table or as JSON."""

import json
from pathlib import Path
from typing import Any

from thalweg import analysis
from thalweg.chain.problem import Problem
from thalweg.fitting.sameness import is_regression

OF_A_FIT = (".csv", ".json")


def check_fits(file: Path | None, problem: Problem) -> None:
    """ValueError where a file is to hold a fit of data, and the problem is none."""
    if file is not None and file.suffix.lower() in OF_A_FIT and not is_regression(problem):
        raise ValueError(
            f"{file} would hold parameters with standard errors, but {problem.name!r} is no regression; let --out end "
            "in .nc."
        )


def write_fits(fits: Any, problem: Problem, file: Path) -> None:
    """``.csv``: the table of the best fit; ``.json``: all that is known of it; else every fit as NetCDF."""
    match file.suffix.lower():
        case ".csv":
            analysis.fit_table(fits, problem).to_csv(file)
        case ".json":
            file.write_text(
                json.dumps(analysis.fit_report(fits, problem), indent=1, ensure_ascii=False) + "\n", "utf-8"
            )
        case _:
            fits.to_netcdf(file, engine="h5netcdf")
