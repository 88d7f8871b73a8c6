"""CUTEst, unconstrained, d <= 100, from the standard start: who reaches the best value that any solver finds.

Solved means within 1e-6 max(1, |f*|) of f*, the lower of what the solvers find here and of the column ``scipy`` of
cutest_best.csv: the best of SciPy's BFGS, L-BFGS-B, trust-exact, Newton-CG and, up to d = 9, Nelder-Mead, each run much
longer than here. Its column ``lowest`` also knows some 150 variants of trust region methods that were tried when
``TrustRegion`` was designed. All stop at a gradient of 1e-6 or after 1000 steps, in float64, and SciPy's also after a
minute; the cost is counted in evaluations of the gradient, a Hessian being d of them.
"""

import argparse
import math
import time
import warnings
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
import scipy.optimize

import thalweg as tw

BEST = pd.read_csv(Path(__file__).with_name("cutest_best.csv"), index_col="problem")
OURS = {"TrustRegion": tw.methods.TrustRegion(), "BFGS": tw.methods.BFGS()}
Pool = get_context("spawn").Pool
GTOL, STEPS, NEAR, SECONDS = 1e-6, 1000, 1e-6, 60

Found = tuple[float, float]  # the loss, and the cost in gradients


def ours(problem: tw.Problem) -> dict[str, Found]:
    fits = tw.solve(problem, OURS, gtol=GTOL, max_steps=STEPS, dtype="float64").isel(start=0)
    cost = fits.evaluations.sel(evaluation=["gradient", "hessian"]).values @ [1, problem.dimension]
    return dict(zip(OURS, zip(fits.loss.values.tolist(), cost.tolist(), strict=True), strict=True))


def scipys(problem: tw.Problem) -> dict[str, Found]:
    gradient, value = jax.jit(problem.value_and_gradient), jax.jit(problem.value)
    hessian = jax.jit(problem.hessian)
    found = {}
    for name, extra in (("BFGS", {}), ("trust-exact", {"hess": lambda x: np.asarray(hessian(x))})):
        best, deadline = math.inf, time.monotonic() + SECONDS

        def slopes(x: np.ndarray, deadline: float = deadline) -> np.ndarray:
            nonlocal best
            best = min(best, float(value(x)))
            if time.monotonic() > deadline:
                raise TimeoutError
            return np.asarray(gradient(x)[1])

        try:
            options = {"gtol": GTOL, "maxiter": STEPS}
            ended: Any = scipy.optimize.minimize(
                lambda x: float(value(x)), problem.start, jac=slopes, method=name, options=options, **extra
            )
            found[f"SciPy {name}"] = min(best, float(ended.fun)), ended.njev + problem.dimension * ended.get("nhev", 0)
        except (ValueError, np.linalg.LinAlgError, TimeoutError):  # numbers that are not finite, or no end
            found[f"SciPy {name}"] = best, math.inf
    return found


def solved(name: str) -> dict[str, Found]:
    """What each solver finds."""
    problem = tw.problems.cutest(name)
    with jax.enable_x64(True), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return {**ours(problem), **scipys(problem)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="*", help="only these")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="where the performance profile goes")
    given = parser.parse_args()
    names = given.problems or tw.problems.collections.cutest_names()
    with Pool(given.processes, maxtasksperchild=20) as pool:  # programs of many problems would fill the memory
        found = dict(zip(names, pool.map(solved, names, chunksize=1), strict=True))
    loss = pd.DataFrame({name: {s: f for s, (f, _) in row.items()} for name, row in found.items()}).T
    cost = pd.DataFrame({name: {s: c for s, (_, c) in row.items()} for name, row in found.items()}).T
    here = loss.where(np.isfinite(loss)).min(axis=1)
    goals = {"solved": np.fmin(here, BEST.scipy[loss.index]), "of lowest": np.fmin(here, BEST.lowest[loss.index])}
    within = {name: loss.le(goal + NEAR * np.maximum(1, abs(goal)), axis=0) for name, goal in goals.items()}

    print(f"## CUTEst\n\n{__doc__.partition(chr(10))[2].strip()}\n")
    print(f"| solver | solved of {len(loss)} | with f* = `lowest` |\n| --- | ---: | ---: |")
    for solver in loss:
        print(f"| {solver} | {within['solved'][solver].sum()} | {within['of lowest'][solver].sum()} |")
    mine = next(iter(OURS))
    print(f"\nNot solved by {mine}:\n\n| problem | loss | f* | lowest |\n| --- | ---: | ---: | ---: |")
    for name in loss.index[~within["of lowest"][mine]]:
        print(f"| {name} | {loss[mine][name]:.10g} | {goals['solved'][name]:.10g} | {goals['of lowest'][name]:.10g} |")
    print()
    if given.figure:
        units = "evaluations of the gradient, a Hessian being d"
        profile = tw.analysis.performance_profile(cost.where(within["solved"]), units)
        tw.plot.profile(profile).savefig(given.figure)


if __name__ == "__main__":
    main()
