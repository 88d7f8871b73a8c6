"""A thousand fits of resampled data, 100 observations of a decay of three parameters, against loops from the best fit.

The loops are of ``lmfit.Model.fit``, where lmfit is installed (it is no dependency), and of
``scipy.optimize.curve_fit``. Interleaved medians, compilation apart, and how far the standard errors of the draws are
apart, relatively: all fit the same data.
"""

import argparse
import importlib.util
import time
from typing import Any

import numpy as np
from scipy.optimize import curve_fit

import thalweg as tw

N, M = 1000, 100


def decay(x: np.ndarray, a: float, c: float, k: float) -> np.ndarray:
    return a * np.exp(-k * x) + c


def looped(name: str, x: np.ndarray, drawn: np.ndarray, best: np.ndarray) -> np.ndarray:
    """The parameters of each fit, (n, 3)."""
    if name == "curve_fit":
        return np.array([curve_fit(decay, x, y, best)[0] for y in drawn])
    import lmfit  # pyright: ignore[reportMissingImports]

    model = lmfit.Model(decay)
    start = model.make_params(**dict(zip("ack", best.tolist(), strict=True)))
    return np.array([list(model.fit(y, start, x=x).best_values.values()) for y in drawn])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    x = np.linspace(0, 5, M)
    y = decay(x, 3, 0.5, 0.7) + 0.05 * np.random.default_rng(0).normal(size=M)
    problem = tw.problems.regression({"x": x, "y": y}, "a*exp(-k*x)+c", "y")
    fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), gtol=0.0, xtol=1e-10)
    best = fits.x.values[0, 0]
    found = tw.analysis.diagnostics(fits, problem)
    e = found.residual.values / np.sqrt(1 - found.leverage.values)
    drawn = decay(x, *best) + (e - e.mean())[np.random.default_rng(0).integers(M, size=(N, M))]

    def timed(f: Any) -> tuple[float, Any]:
        began = time.perf_counter()
        result = f()
        return time.perf_counter() - began, result

    def ours() -> Any:
        return tw.analysis.bootstrap(fits, problem, N)

    compiled, _ = timed(ours)
    loops = [*(["lmfit"] if importlib.util.find_spec("lmfit") else []), "curve_fit"]
    times: dict[str, list[float]] = {name: [] for name in ("bootstrap", *loops)}
    print(f"## Bootstrap\n\n{__doc__}\nMedians of {repeats}; the first call took {compiled:.1f} s.\n")
    print("| loop | loop | bootstrap | ratio | errors apart |\n| --- | ---: | ---: | ---: | ---: |")
    apart = {}
    for _ in range(repeats):
        seconds, draws = timed(ours)
        times["bootstrap"].append(seconds)
        for name in loops:
            seconds, theirs = timed(lambda name=name: looped(name, x, drawn, best))
            times[name].append(seconds)
            apart[name] = np.max(np.abs(theirs.std(axis=0, ddof=1) / draws.standard_error.values - 1))
    mine = np.median(times["bootstrap"])
    for name in loops:
        loop = np.median(times[name])
        print(f"| {name} | {loop:.2f} s | {mine:.3f} s | {loop / mine:.0f} | {apart[name]:.0e} |", flush=True)
    print()


if __name__ == "__main__":
    main()
