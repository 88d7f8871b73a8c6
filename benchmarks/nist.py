"""The 27 nonlinear regressions of NIST StRD by Levenberg and Marquardt's method, with one setting for all.

``LevenbergMarquardt()`` in float64 until no parameter changes by more than 1e-10 of itself (``gtol=0, xtol=1e-10``), at
most 10,000 steps. Digits are those of the log relative error, 11 at most, the lowest of all parameters and of their
standard deviations. The share is of 1,000 starts drawn from the domain of ``problems.nist``, which reach the certified
sum of squares to six digits (where the data are exact, a residual below 1e-9 of the data) within 1,000 steps. The
residuals of Lanczos1 are a few hundred units of rounding of its data, so that float64 gives its deviations to three or
four digits.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import thalweg as tw

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import nist_layout  # which lies beside its tables

STARTS = 1000


def digits(found: np.ndarray, certified: np.ndarray) -> np.ndarray:
    """The lowest of each fit."""
    with np.errstate(divide="ignore"):
        return np.clip(-np.log10(np.abs(found / certified - 1)), 0, 11).min(axis=-1)


def report(files: list[Path]) -> None:
    print(f"## NIST\n\n{__doc__}")
    print("| problem | digits of parameters | of deviations | steps | share of 1,000 starts | seconds |")
    print("| --- | --- | --- | --- | ---: | ---: |")
    reached = []
    method = tw.methods.LevenbergMarquardt()
    for path in files:
        file, problem = tw.problems.statistical_reference.read(path), tw.problems.nist(path)
        common = {"gtol": 0.0, "xtol": 1e-10, "dtype": "float64"}
        fits = tw.solve(problem, method, file.starts, max_steps=10_000, **common).isel(variant=0)
        errors = tw.analysis.uncertainty(fits, problem).standard_error.values
        found, spread = digits(fits.x.values, file.certified), digits(errors, file.standard_deviations)
        reached += found.tolist()
        points = tw.starts.uniform(problem.domain, STARTS, key=0)
        began = time.perf_counter()
        many = tw.solve(problem, method, points, max_steps=1000, **common).isel(variant=0)
        seconds = time.perf_counter() - began
        data = np.linalg.norm(problem.newton_in_y(np.zeros(problem.chain.spaces[-1].size)))
        ceiling = (np.sqrt(file.residual_sum_of_squares * (1 + 1e-6)) + 1e-9 * data) ** 2
        share = np.mean(many.loss.values / problem.loss.factor <= ceiling)
        print(
            f"| {path.stem} | {', '.join(f'{n:.1f}' for n in found)} | {', '.join(f'{n:.1f}' for n in spread)} "
            f"| {', '.join(map(str, fits.steps.values))} | {share:.1%} | {seconds:.2f} |",
            flush=True,
        )
    reached = np.array(reached)
    print(f"\n{(reached >= 6).sum()} of {len(reached)} with 6 digits or more, the lowest {reached.min():.1f}.\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", help="of NIST StRD, instead of all 27")
    with tempfile.TemporaryDirectory() as folder:
        report(parser.parse_args().files or nist_layout.write(Path(folder)))


if __name__ == "__main__":
    main()
