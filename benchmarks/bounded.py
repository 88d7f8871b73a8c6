"""CUTEst with bounds, d <= 100, from the standard start: where our methods end, and where SciPy's L-BFGS-B ends.

Reached means at most 1e-6 max(1, |f|) above the value f of SciPy's L-BFGS-B: the same minimum or a lower one. All stop
at a gradient of 1e-8, without components that bounds hold, or after 15,000 steps, in float64; a problem gets some
minutes.
"""

import argparse
import math
import time
import warnings
from multiprocessing import TimeoutError, get_context
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.optimize

import thalweg as tw

OURS = {
    "TrustRegion": tw.methods.TrustRegion(bounded=True),
    "LBFGS": tw.methods.LBFGS(bounded=True),
}
SCIPY = "SciPy L-BFGS-B"
GTOL, STEPS, NEAR, SECONDS = 1e-8, 15_000, 1e-6, 600
PAGE = Path(__file__).resolve().parents[1] / "docs" / "bounded.md"
HEAD = """# Bounded problems of CUTEst

Made by `benchmarks/bounded.py`: the problems with bounds and at most 100 components that sif2jax has, from their
standard starts, in float64. The loss where each ends; **bold** where that is more than 1e-6 max(1, |f|) above the value
f of SciPy's L-BFGS-B (`scipy.optimize.minimize`, version {scipy}). In brackets: evaluations of SciPy, steps of ours,
of which each is one evaluation. All stop at a gradient of 1e-8 without components that bounds hold, or after
15,000 steps. `LevenbergMarquardt` has no column, since sif2jax gives these problems as losses, not as sums of squares.

A bold number without a word beside it is another minimum: the gradient is below 1e-8 there, and `TrustRegion` leaves
saddle points. These losses (ELATVIDUB and the functions of Levy and Montalvo) have many minima, and which one is found
depends on the length of the first steps: `TrustRegion` goes no further than 1 at first. From 200 random starts both end
below SciPy's single one: 1.7128 of ELATVIDUB, 0 of the others.
"""


class End(NamedTuple):
    loss: float
    steps: int
    word: str  # outcome


def ours(problem: tw.Problem) -> dict[str, End]:
    found = {}
    for name, method in OURS.items():
        try:
            fit = tw.solve(problem, method, gtol=GTOL, max_steps=STEPS, max_seconds=SECONDS / 4).isel(
                start=0, variant=0
            )
            low, high = problem.domain
            assert np.all((fit.x >= low) & (fit.x <= high) & (fit.last_x >= low) & (fit.last_x <= high)), problem.name
            found[name] = End(fit.loss.item(), fit.steps.item(), tw.analysis.OUTCOMES[fit.outcome.item()])
        except ValueError as error:
            found[name] = End(math.nan, 0, str(error))
    return found


def scipys(problem: tw.Problem) -> End:
    compiled: Any = jax.jit(problem.value_and_gradient)

    def both(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = compiled(x)
        return float(value), np.asarray(gradient)

    options = {"gtol": GTOL, "ftol": 0.0, "maxiter": STEPS, "maxfun": STEPS}
    bounds = scipy.optimize.Bounds(*problem.domain)
    found = scipy.optimize.minimize(both, problem.start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return End(float(found.fun), int(found.nfev), str(found.message))


def ends(name: str) -> dict[str, End]:
    """Where each ends."""
    with jax.enable_x64(True), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        problem = tw.problems.cutest(name)
        return {SCIPY: scipys(problem), **ours(problem)}


def reached(end: End, goal: float) -> bool:
    return end.loss <= goal + NEAR * max(1, abs(goal))


def row(name: str, found: dict[str, End]) -> str:
    goal = found[SCIPY].loss
    cells = [f"{goal:.8g} ({found[SCIPY].steps})"]
    for method in OURS:
        end = found[method]
        mark = "" if reached(end, goal) else "**"
        cells.append(f"{mark}{end.loss:.8g}{mark} ({end.steps}{'' if end.word == 'converged' else ', ' + end.word})")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="*", help="only these, to the terminal")
    given = parser.parse_args()
    found: dict[str, dict[str, End]] = {}
    for name in given.problems or tw.problems.collections.cutest_names("bounded_minimisation"):
        began = time.monotonic()
        with get_context("spawn").Pool(1) as pool:  # programs of many problems would fill the memory
            try:
                found[name] = pool.apply_async(ends, [name]).get(SECONDS)
            except TimeoutError:
                found[name] = dict.fromkeys([SCIPY, *OURS], End(math.nan, 0, "out of time"))
        print(row(name, found[name]), f"{time.monotonic() - began:.0f} s", flush=True)
    counts = {method: sum(reached(f[method], f[SCIPY].loss) for f in found.values()) for method in OURS}
    best = sum(any(reached(f[method], f[SCIPY].loss) for method in OURS) for f in found.values())
    lines = [f"| problem | {' | '.join([SCIPY, *OURS])} |", "|---|" + "---:|" * (1 + len(OURS))]
    lines += [row(name, ends) for name, ends in found.items()]
    counted = ", ".join(f"`{method}` {count}" for method, count in counts.items())
    summary = f"Of {len(found)} problems reach what SciPy reaches: {counted}; one of them at least: {best}."
    text = "\n".join([HEAD.format(scipy=scipy.__version__), summary, "", *lines, ""])
    print(text) if given.problems else PAGE.write_text(text)


if __name__ == "__main__":
    main()
