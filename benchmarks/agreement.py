"""Digits on which parameters, errors, bands and intervals agree with R's nls and drc, lmfit, iminuit and SciPy.

The numbers of others are stored in ``tests/data/agreement.json`` (R 4.2.2, drc 3.0-1, lmfit 1.3.4, iminuit 2.33.0);
``curve_fit`` is run. Digits are those of the largest difference: relative to the number for parameters and standard
errors, to the width of the interval for bands and intervals.
"""

import argparse
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
import xarray as xr
from scipy.optimize import curve_fit

import thalweg as tw

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import others  # which lies beside its numbers

PAGE = Path(__file__).resolve().parents[1] / "docs" / "agreement.md"
COLUMNS = ("parameters", "standard errors", "derived quantities", "bands", "profile intervals")
WORDS = """
## Where they differ, and why

- **Standard errors of drc and of iminuit's HESSE**, and with them drc's bands, are those of the second derivatives of
  the sum of squares; ours, like those of `nls`, lmfit, `curve_fit` and the certified ones of NIST, are s^2 (J^T J)^-1
  from the first derivatives of the predictions. The two differ by the residuals times the curvature of the model, which
  is noise: its expectation is 0, so that (J^T J)^-1 is the same information without it. With our own second derivatives
  we have drc's errors to 6 digits and HESSE's to 3 or 4 (`tests/test_agreement.py`). Both are of first order; where
  they differ, the profile interval is the one to quote.
- **Profile intervals of `nls`** (`confint`) are interpolated by a spline through some ten points of the profile, which
  costs 1e-3 of the width on bod, whose profile is the most curved: A of bod ends at 14.0845, where lmfit and we have
  14.0494. Ours, lmfit's and MINOS's are roots of the profile itself and agree to 5 digits or more, but where MINOS's
  own tolerance ends it before (4 digits of the upper ends of bod and Misra1a).
- **Parameters of drc** stop at its tolerance, 1e-7 of the sum of squares: 5 digits.
- **Standard errors of lmfit and `curve_fit`** come from differences: 4 to 6 digits. Ours come from derivatives.
- **The quantile**: with an absolute sigma, intervals are of the normal distribution, as MINOS's; else of Student's t
  with m - d degrees of freedom, as those of R and lmfit. `confint.default` of R and `deltaMethod` of car always take
  the normal one.
"""


@cache
def fitted(name: str, sigma: Any) -> tuple[xr.Dataset, tw.Problem]:
    problem = others.problem(name, sigma)
    return tw.solve(problem, tw.methods.LevenbergMarquardt(), gtol=0.0, xtol=1e-12), problem


@cache
def profiles(name: str, sigma: Any) -> Any:
    return tw.analysis.profile_intervals(*fitted(name, sigma))


def digits(difference: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return float(np.clip(-np.log10(np.max(np.abs(difference))), 0, 9))


def compared(row: dict[str, Any]) -> list[float | None]:
    """Digits in the order of the columns, None for what the program does not tell."""
    fits, problem = fitted(row["fit"], row.get("sigma"))
    best, names = tw.analysis.best_fit(fits), row["parameters"]
    errors = tw.analysis.uncertainty(best, problem).standard_error
    found: list[float | None] = [
        digits(ours.sel(x_dim=names).values / np.array(row[key]) - 1)
        for ours, key in ((best.x, "value"), (errors, "standard_error"))
    ]
    found.append(_derived(row, fits, problem) if "derived" in row else None)
    found.append(_bands(row, fits, problem) if "at" in row else None)
    if "profile_low" not in row:
        return [*found, None]
    ends = profiles(row["fit"], row.get("sigma")).loc[names, ["lower", "upper"]].to_numpy().T
    theirs = np.array([row["profile_low"], row["profile_high"]])
    return [*found, digits((ends - theirs) / (theirs[1] - theirs[0]))]


def _derived(row: dict[str, Any], fits: xr.Dataset, problem: tw.Problem) -> float:
    names = {f"q{i}": formula for i, formula in enumerate(row["derived"])}
    ours = tw.analysis.derived(fits, problem, names)[["value", "standard_error"]].to_numpy()
    return digits(ours / np.array(list(row["derived"].values())) - 1)


def _bands(row: dict[str, Any], fits: xr.Dataset, problem: tw.Problem) -> float:
    band = tw.analysis.prediction(fits, problem, at=others.at(row))
    width = np.array(row["prediction_high"]) - row["prediction_low"]
    ends = [key for key in others.BANDS if key in row]
    return digits(np.array([(band[key].values - np.array(row[key])) / width for key in ends]))


def scipys(name: str) -> list[float | None]:
    model, y, start = others.model(name)
    values, covariance = curve_fit(model, np.arange(len(y)), y, start)
    fits, problem = fitted(name, None)
    best, names = tw.analysis.best_fit(fits), list(model.names)
    errors = tw.analysis.uncertainty(best, problem).standard_error
    return [
        digits(values / best.x.sel(x_dim=names).values - 1),
        digits(np.sqrt(np.diag(covariance)) / errors.sel(x_dim=names).values - 1),
        *(None for _ in COLUMNS[2:]),
    ]


def page(rows: list[tuple[str, str, list[float | None]]]) -> str:
    heading = " | ".join(COLUMNS)
    told = wrap("Made by `benchmarks/agreement.py`. " + _told(), 117)
    lines = ["# Agreement with other programs", "", *told, ""]
    lines += ["The least of all fits:", "", f"| program | fits | {heading} |", "|---|---:|" + "---:|" * len(COLUMNS)]
    for program in dict.fromkeys(program for program, _, _ in rows):
        each = [found for other, _, found in rows if other == program]
        least = [min((row[i] for row in each if row[i] is not None), default=None) for i in range(len(COLUMNS))]
        lines.append(f"| {program} | {len(each)} | {_cells(least)} |")
    lines += [WORDS, "## Every fit", "", f"| program | fit | {heading} |", "|---|---|" + "---:|" * len(COLUMNS)]
    lines += [f"| {program} | {name} | {_cells(found)} |" for program, name, found in rows]
    return "\n".join(lines) + "\n"


def _told() -> str:
    return " ".join((__doc__ or "").replace("``", "`").split())


def _cells(found: list[float | None]) -> str:
    return " | ".join("" if value is None else f"{value:.1f}" for value in found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", nargs="+", help="names of fits")
    parser.add_argument("--page", type=Path, help=f"a file to write, such as {PAGE.name}; else the page is printed")
    options = parser.parse_args()
    every, plain = [row for row in others.rows() if not options.fits or row["fit"] in options.fits], []
    for row in every:
        name = row["fit"] + (f", sigma = {row['sigma']}" if "sigma" in row else "")
        plain.append((row["program"], name, compared(row)))
        print(*plain[-1], file=sys.stderr, flush=True)
    for name in dict.fromkeys(row["fit"] for row in every):
        plain.append((f"curve_fit {version('scipy')}", name, scipys(name)))
    if options.page:
        options.page.write_text(page(plain))
    else:
        print(page(plain))
