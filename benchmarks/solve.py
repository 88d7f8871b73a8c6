"""``solve`` against what an expert would write: many starts, many Newton steps, many fits, in one process.

Runs are interleaved and medians compared, in float64; compilation is left out, and loops in Python are timed on a part
and scaled. ``gradient`` is the median over starts of the largest component of the gradient where each ended.

- BFGS from many starts: optimistix's BFGS (rtol = atol = 1e-8), vmapped and jitted, stops where a step changes x and L
  by less than 1e-8 of them; ours at a gradient of 1e-8. SciPy's BFGS has the same bound and a jitted gradient.
- With 1 % of the starts in a spiral groove that descends without end, both stop at 5000 steps.
- Newton's method, 4096 lanes, d = 4, 100 steps: vmap of x - jnp.linalg.solve(hessian, gradient) in one jitted loop. The
  difference is the largest of 99 % of the lanes; the others are still far away, where rounding decides.
- Fits of b1 (1 - exp(-b2 x)) to 10,000 data sets like Misra1a, against scipy.optimize.curve_fit in a loop; both stop
  where x or L changes by less than 1e-8 of itself.
- What float64, in which ``solve`` answers unless told, costs beside float32: the same number of steps of every start.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optimistix
import scipy.optimize

import thalweg as tw

TOLERANCE = 1e-8
NEWTON_LANES, NEWTON_STEPS, DATA_SETS, PART = 4096, 100, 10_000, 100


def rosenbrock(x: jax.Array) -> jax.Array:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rastrigin(x: jax.Array) -> jax.Array:
    return jnp.sum(10 + x**2 - 10 * jnp.cos(2 * jnp.pi * x))


def groove(x: jax.Array) -> jax.Array:
    """The function of Rosenbrock, and beyond x0 = 10 a spiral that descends without end."""
    a, b = x[0] - 100, x[1]
    radius = jnp.sqrt(a**2 + b**2 + 1e-3)
    spiral = 10 * (1 - jnp.cos(jnp.arctan2(b, a) - radius)) - 0.1 * radius
    return jnp.where(x[0] > 10, spiral, rosenbrock(x))


def endless() -> np.ndarray:
    """Starts of which one in a hundred never ends."""
    starts = np.random.default_rng(0).uniform(-2, 2, (8192, 2))
    starts[::100] += [110.0, 0.0]
    return starts


def seconds(f: Callable[[], object]) -> float:
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def medians(repeats: int, *calls: Callable[[], object]) -> list[float]:
    """Of interleaved runs, each after one that compiles."""
    for call in calls:
        call()
    rounds = [[seconds(call) for call in calls] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def optimistix_bfgs(loss: Callable[[jax.Array], jax.Array], max_steps: int) -> Callable[[jax.Array], jax.Array]:
    """From many starts to where optimistix's BFGS ends."""
    solver = optimistix.BFGS(rtol=TOLERANCE, atol=TOLERANCE)

    def one(x: jax.Array) -> jax.Array:
        return optimistix.minimise(lambda y, _: loss(y), solver, x, max_steps=max_steps, throw=False).value

    return jax.jit(jax.vmap(one))


def our_bfgs(loss: Callable[[jax.Array], jax.Array], starts: np.ndarray, max_steps: int) -> Callable[[], Any]:
    problem = tw.Problem(loss=loss, start=starts[0])
    return partial(tw.solve, problem, tw.methods.BFGS(), starts, gtol=TOLERANCE, max_steps=max_steps, dtype="float64")


def many_bfgs(loss: Callable[[jax.Array], jax.Array], starts: np.ndarray, max_steps: int, repeats: int) -> list[float]:
    """Seconds of optimistix, ours, and SciPy scaled; and the gradients of the first two where they ended."""
    with jax.enable_x64(True):
        batch, vmapped = jnp.asarray(starts), optimistix_bfgs(loss, max_steps)
        gradients = jax.jit(jax.vmap(jax.grad(loss)))
        both, ours = jax.jit(jax.value_and_grad(loss)), our_bfgs(loss, starts, max_steps)
        theirs, mine = medians(repeats, lambda: jax.block_until_ready(vmapped(batch)), ours)
        at_end = np.abs(np.asarray(gradients(vmapped(batch)))).max(axis=1)

        def one_by_one() -> None:
            for x in starts[-PART:]:
                scipy.optimize.minimize(
                    lambda y: [np.asarray(part) for part in both(y)],
                    x,
                    jac=True,
                    method="BFGS",
                    options={"gtol": TOLERANCE, "maxiter": max_steps},
                )

        loop = medians(1, one_by_one)[0] * len(starts) / PART
    return [theirs, mine, loop, float(np.median(at_end)), float(np.median(ours().gradient_norm))]


def newton(repeats: int) -> list[float]:
    starts = np.random.default_rng(0).uniform(0.5, 1.5, (NEWTON_LANES, 4))

    def one(x: jax.Array) -> jax.Array:
        def step(_: int, x: jax.Array) -> jax.Array:
            return x - jnp.linalg.solve(jax.hessian(rosenbrock)(x), jax.grad(rosenbrock)(x))

        return jax.lax.fori_loop(0, NEWTON_STEPS, step, x)

    problem = tw.Problem(loss=rosenbrock, start=np.ones(4))
    ours = partial(tw.run, problem, tw.methods.Newton(), starts, NEWTON_STEPS, every=NEWTON_STEPS, dtype="float64")
    with jax.enable_x64(True):
        idiom, batch = jax.jit(jax.vmap(one)), jnp.asarray(starts)
        theirs, mine = medians(repeats, lambda: jax.block_until_ready(idiom(batch)), ours)
        error = np.abs(np.asarray(idiom(batch)) - ours().x.values[0, :, -1]).max(1)
    return [theirs, mine, float(np.nanquantile(error, 0.99))]


def fits(method: tw.methods.GaussNewton | tw.methods.LevenbergMarquardt) -> tuple[Callable[[], Any], ...]:
    """SciPy's fits of a part of the data sets, and ours of all."""
    draw = np.random.default_rng(0)
    x = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
    truth = np.array([238.9, 5.5e-4]) * draw.uniform(0.8, 1.25, (DATA_SETS, 2))
    y = truth[:, :1] * (1 - np.exp(-truth[:, 1:] * x)) + 0.1 * draw.normal(size=(DATA_SETS, len(x)))
    start = [250.0, 5e-4]
    problem = tw.Problem(lambda b, y: b[0] * (1 - jnp.exp(-b[1] * x)) - y, loss=tw.SquaredError(), start=start)
    ours = partial(tw.solve, problem, method, cases=y, gtol=0.0, ftol=TOLERANCE, xtol=TOLERANCE, dtype="float64")

    def loop() -> list[np.ndarray]:
        return [
            scipy.optimize.curve_fit(lambda x, a, b: a * (1 - np.exp(-b * x)), x, one, start)[0] for one in y[:PART]
        ]

    return loop, ours


def many_fits(method: tw.methods.GaussNewton | tw.methods.LevenbergMarquardt, repeats: int) -> list[float]:
    loop, ours = fits(method)
    theirs, mine = medians(repeats, loop, ours)
    found = ours()
    error = np.abs(found.x.values[0, :PART, 0] / np.array(loop()) - 1).max()
    return [theirs * DATA_SETS / PART, mine, float(error), float((found.outcome == 0).mean())]


def precisions(repeats: int) -> dict[str, list[float]]:
    """Seconds of the same steps in float32 and in float64."""
    draw = np.random.default_rng(0)
    bfgs, large = tw.methods.BFGS(), tw.problems.rosenbrock(1000)
    two, ten = (tw.Problem(loss=rosenbrock, start=np.ones(d)) for d in (2, 10))
    regression = tw.problems.misra1a()
    rows: dict[str, tuple[Any, ...]] = {
        "BFGS, d = 2, 8192 starts, 20 steps": (two, bfgs, draw.uniform(-2, 2, (8192, 2)), 20),
        "BFGS, d = 10, 2048 starts, 20 steps": (ten, bfgs, draw.uniform(-2, 2, (2048, 10)), 20),
        "TrustRegion, d = 1000, 1000 steps": (large, tw.methods.TrustRegion(), None, 1000),
        "LevenbergMarquardt, 14 x 2, 10,000 starts, 20 steps": (
            regression,
            tw.methods.LevenbergMarquardt(),
            tw.starts.uniform(regression.domain, 10_000, key=0),
            20,
        ),
    }
    found = {}
    for name, (problem, method, starts, steps) in rows.items():
        both = [
            partial(tw.solve, problem, method, starts, gtol=0.0, max_steps=steps, dtype=dtype)
            for dtype in ("float32", "float64")
        ]
        found[name] = medians(repeats, *both)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print(f"## solve\n\n{__doc__}\nMedians of {repeats}.\n")
    print("| BFGS | starts | optimistix | solve | ratio | SciPy | ratio | gradient, optimistix | solve |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")

    def row(name: str, loss: Callable[[jax.Array], jax.Array], starts: np.ndarray, max_steps: int) -> float:
        theirs, mine, loop, far, near = many_bfgs(loss, starts, max_steps, repeats if max_steps < 5000 else 3)
        print(
            f"| {name}, d = {starts.shape[1]} | {len(starts)} | {theirs:.3f} s | {mine:.3f} s | {theirs / mine:.1f} | "
            f"{loop:.0f} s | {loop / mine:.0f} | {far:.0e} | {near:.0e} |",
            flush=True,
        )
        return theirs / mine

    ratios = []
    for name, loss, side in (("Rosenbrock", rosenbrock, 2.0), ("Rastrigin", rastrigin, 5.12)):
        for d, n in ((2, 8192), (10, 2048)):
            ratios.append(row(name, loss, np.random.default_rng(0).uniform(-side, side, (n, d)), 1000))
    row("1 % without end", groove, endless(), 5000)
    print(
        f"\nGeometric mean of the first four {math.prod(ratios) ** (1 / len(ratios)):.1f}, lowest {min(ratios):.1f}.\n"
    )
    theirs, mine, error = newton(repeats)
    print("| | expert | thalweg | ratio | difference |\n| --- | ---: | ---: | ---: | ---: |")
    print(f"| Newton | {theirs:.3f} s | {mine:.4f} s | {theirs / mine:.1f} | {error:.0e} |")
    shares = []
    for method in (tw.methods.GaussNewton(), tw.methods.LevenbergMarquardt()):
        theirs, mine, error, share = many_fits(method, repeats)
        name = f"{DATA_SETS} fits, {type(method).__name__}"
        print(f"| {name} | {theirs:.1f} s | {mine:.4f} s | {theirs / mine:.0f} | {error:.0e} |")
        shares.append(f"{share:.2%}")
    print(f"\nOf the fits {' and '.join(shares)} converged.\n")
    print("| the same steps | float32 | float64 | ratio |\n| --- | ---: | ---: | ---: |")
    for name, (single, double) in precisions(repeats).items():
        print(f"| {name} | {1e3 * single:.1f} ms | {1e3 * double:.1f} ms | {double / single:.2f} |", flush=True)
    print()


if __name__ == "__main__":
    main()
