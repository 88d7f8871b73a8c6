"""``run`` against the loop an expert would write: the same record in NumPy, the same numbers, one process.

Adam and gradient descent, 4096 lanes x 1000 steps, Rosenbrock with d = 2 and d = 10, x and loss recorded, float32. Runs
are interleaved and the medians compared; compilation is timed apart. The lecture's own loop (one start, Python,
compiled gradient) is timed on 200 of its steps of one lane and scaled to all.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thalweg as tw

LANES, STEPS, RATE = 4096, 1000, 1e-4
RULES = {"gradient descent": optax.sgd, "Adam": optax.adam}
METHODS = {"gradient descent": tw.methods.gradient_descent, "Adam": tw.methods.adam}


def rosenbrock(x: jax.Array) -> jax.Array:
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def expert(rule: optax.GradientTransformation) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """jit(vmap(scan)), the record brought to NumPy."""

    def path(x):
        def step(carry, _):
            x, state = carry
            update, state = rule.update(jax.grad(rosenbrock)(x), state, x)
            x = optax.apply_updates(x, update)
            return (x, state), (x, rosenbrock(x))

        return jax.lax.scan(step, (x, rule.init(x)), None, length=STEPS)[1]

    compiled = jax.jit(jax.vmap(path))

    def record(starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, loss = jax.block_until_ready(compiled(starts))
        return np.asarray(x), np.asarray(loss)

    return record


def lecture(rule: optax.GradientTransformation, start: np.ndarray, steps: int) -> None:
    """The loop of a notebook: one start, a list of points, one compiled gradient."""
    gradient, loss, x = jax.jit(jax.grad(rosenbrock)), jax.jit(rosenbrock), jnp.asarray(start)
    state, xs, losses = rule.init(x), [], []
    for _ in range(steps):
        update, state = rule.update(gradient(x), state, x)
        x = optax.apply_updates(x, update)
        xs.append(np.asarray(x))
        losses.append(float(loss(x)))


def seconds(f: Callable[[], object]) -> float:
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(f"## run\n\n{__doc__}\nMedians of {repeats}.\n")
    print("| method | d | expert | run | ratio | lecture | ratio | compile, expert | run | error |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    ratios = []
    for name, rule in RULES.items():
        for d in (2, 10):
            starts = np.random.default_rng(0).uniform(-2, 2, (LANES, d)).astype(np.float32)
            problem = tw.Problem(loss=rosenbrock, start=np.ones(d))
            theirs, method = expert(rule(RATE)), METHODS[name](RATE)

            def ours(problem=problem, method=method, starts=starts):
                return tw.run(problem, method, starts, STEPS)

            first = seconds(lambda theirs=theirs, starts=starts: theirs(starts)), seconds(ours)
            x, trace = theirs(starts)[0], ours()
            error = np.nanmax(np.abs(trace.x.values[0, :, 1:] - x) / (1 + np.abs(x)))
            del x, trace
            pairs = [(seconds(lambda theirs=theirs, s=starts: theirs(s)), seconds(ours)) for _ in range(repeats)]
            slow, fast = (statistics.median(column) for column in zip(*pairs, strict=True))
            lecture(rule(RATE), starts[0], 5)
            loop = seconds(lambda rule=rule, starts=starts: lecture(rule(RATE), starts[0], 200)) / 200 * STEPS * LANES
            ratios.append(slow / fast)
            print(
                f"| {name} | {d} | {1e3 * slow:.1f} ms | {1e3 * fast:.1f} ms | {slow / fast:.2f} | {loop:.0f} s "
                f"| {loop / fast:.0f} | {first[0]:.2f} s | {first[1]:.2f} s | {error:.0e} |"
            )
    print(f"\nGeometric mean {math.prod(ratios) ** (1 / len(ratios)):.2f}, lowest {min(ratios):.2f}.\n")


if __name__ == "__main__":
    main()
