"""A thousand starts of a fit, until all are done, against a loop of ``scipy.optimize.curve_fit`` from the same starts.

Sunspots (309 x 4), temperatures of Seattle (1440 x 5) and a patient's weight (52 x 3); the tables in ``data`` say where
they are from. Both stop where x or L changes by less than 1e-8 of itself, or give up after the 200 steps that curve_fit
takes at most: 200 (d + 1) evaluations, d + 1 for a step. Interleaved medians, compilation apart; how many starts reach
the lowest sum of squares that either finds, to 1e-6 of it.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import curve_fit

import thalweg as tw
from thalweg.problems.tables import read_table

DATA = Path(__file__).with_name("data")
STARTS, TOLERANCE, STEPS = 1000, 1e-8, 200


class Fit(NamedTuple):
    """A model for thalweg, and the same of NumPy for SciPy, its parameters in the same order."""

    table: str
    model: str
    y: str
    ranges: dict[str, tuple[float, float]]
    plain: Callable[..., np.ndarray]


FITS = {
    "sunspots": Fit(
        "sunspots",
        "a+b*sin(w*(year-1700)+p)",
        "number",
        {"a": (0, 100), "b": (0, 100), "p": (0, 6.3), "w": (0.1, 1)},
        lambda year, a, b, p, w: a + b * np.sin(w * (year - 1700) + p),
    ),
    "temperatures": Fit(
        "seattle",
        "a+b*day+c*cos(w*day+p)",
        "temperature",
        {"a": (0, 10), "b": (-0.1, 0.1), "c": (0, 5), "p": (0, 6.3), "w": (4, 8)},
        lambda day, a, b, c, p, w: a + b * day + c * np.cos(w * day + p),
    ),
    "weight": Fit(
        "weight_loss",
        "a+b*2**(-day/h)",
        "weight",
        {"a": (0, 200), "b": (0, 200), "h": (10, 1000)},
        lambda day, a, b, h: a + b * 2 ** (-day / h),
    ),
}


def scipys(fit: Fit, x: np.ndarray, y: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The sums of squares that a loop reaches; infinite where it gives up."""
    losses = []
    for start in starts:
        try:
            best, _ = curve_fit(fit.plain, x, y, start)
            losses.append(float(np.sum((fit.plain(x, *best) - y) ** 2)))
        except RuntimeError:
            losses.append(np.inf)
    return np.array(losses)


def row(name: str, fit: Fit, repeats: int) -> float:
    table = read_table(DATA / f"{fit.table}.csv")
    (predictor,) = (column for column in table if column != fit.y)
    problem = tw.problems.regression(DATA / f"{fit.table}.csv", fit.model, fit.y, domain=fit.ranges)
    starts = tw.starts.uniform(tw.problems.start_ranges(problem), STARTS, key=0)
    method, found, times = tw.methods.LevenbergMarquardt(), [], []

    def ours() -> Any:
        return tw.solve(problem, method, starts, gtol=0.0, ftol=TOLERANCE, xtol=TOLERANCE, max_steps=STEPS)

    compiled = ours().attrs["compile_seconds"]
    for _ in range(repeats):
        began = time.perf_counter()
        fits = ours()
        between = time.perf_counter()
        theirs = scipys(fit, table[predictor], table[fit.y], starts)
        times.append((between - began, time.perf_counter() - between))
        found = [fits.loss.values[0], theirs]
    best = (1 + 1e-6) * min(np.nanmin(losses) for losses in found)
    mine, loop = np.median(times, axis=0)
    shares = " | ".join(f"{np.sum(losses <= best)}" for losses in found)
    size = f"{len(table[fit.y])} x {starts.shape[1]}"
    print(
        f"| {name} | {size} | {loop:.2f} s | {mine:.3f} s | {loop / mine:.1f} | {compiled:.1f} s | {shares} |",
        flush=True,
    )
    return loop / mine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    print(f"## Fits\n\n{__doc__}\nMedians of {repeats}.\n")
    print("| fit | size | curve_fit | solve | ratio | compile | reached, solve | curve_fit |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ratios = [row(name, fit, repeats) for name, fit in FITS.items()]
    print(f"\nGeometric mean {np.exp(np.mean(np.log(ratios))):.1f}, lowest {min(ratios):.1f}.\n")


if __name__ == "__main__":
    main()
