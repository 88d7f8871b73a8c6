"""What the sharpness of a large network costs.

A tanh network 784-1000-200-10 with mean squared error on random data in float32, at its start and after 50 steps of
gradient descent at 1.8 / sharpness. ``gradients`` counts two for each product of the Hessian with a vector; ``time`` is
that of ``geometry.sharpness`` over that of a gradient, medians of 7 in turn; ``memory`` is what XLA reserves beyond a
gradient, in vectors of parameters; ``error`` is relative to Lanczos with 100 products.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import thalweg as tw
from thalweg import geometry

SIZES = (784, 1000, 200, 10)


def network(examples: int) -> tw.Problem:
    draw = np.random.default_rng(0)
    start = [{"w": draw.normal(size=(m, n)) / np.sqrt(m), "b": np.zeros(n)} for m, n in pairwise(SIZES)]
    inputs = draw.normal(size=(examples, SIZES[0])).astype(np.float32)
    targets = draw.normal(size=(examples, SIZES[-1])).astype(np.float32)

    def predict(layers: Any) -> Any:
        h = inputs
        for layer in layers[:-1]:
            h = jnp.tanh(h @ layer["w"] + layer["b"])
        return h @ layers[-1]["w"] + layers[-1]["b"]

    return tw.Problem(predict, loss=lambda y: jnp.mean((y - targets) ** 2), start=start, name="network")


def seconds(f: Callable[..., Any], x: Any) -> float:
    began = time.perf_counter()
    jax.block_until_ready(f(x))
    return time.perf_counter() - began


def products(problem: tw.Problem, x: Any) -> int:
    """How many ``sharpness`` takes."""
    calls: list[int] = []

    class Counting:
        name, dimension = problem.name, problem.dimension

        def hessian_product(self, x: Any, v: Any) -> Any:
            jax.debug.callback(lambda: calls.append(1))
            return problem.hessian_product(x, v)

    jax.block_until_ready(jax.jit(partial(geometry.sharpness, Counting()))(x))  # type: ignore[arg-type]
    jax.effects_barrier()
    return len(calls)


def main() -> None:
    print(f"## Geometry\n\n{__doc__}")
    print("| examples | point | parameters | gradients | time | memory | error |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for examples in (64, 128, 256):
        problem = network(examples)
        x = jnp.asarray(problem.start, jnp.float32)
        d = len(x)
        gradient, sharpness = (
            jax.jit(f).lower(x).compile() for f in (problem.gradient, partial(geometry.sharpness, problem))
        )
        extra = sharpness.memory_analysis().temp_size_in_bytes - gradient.memory_analysis().temp_size_in_bytes

        def exact(x: Any, problem: tw.Problem = problem) -> Any:
            start = jnp.cos(jnp.arange(len(x)) ** 2.0)
            return geometry.lanczos(lambda v: problem.hessian_product(x, v)[2], start, 1, 100, 100, 1e-5).values[0]

        long = jax.jit(exact)
        for point in ("start", "50 steps"):
            if point != "start":
                rate = 1.8 / float(sharpness(x))
                for _ in range(50):
                    x = x - rate * gradient(x)
            error = float(sharpness(x)) / float(long(x)) - 1
            times = [(seconds(sharpness, x), seconds(gradient, x)) for _ in range(7)]
            ratio = statistics.median(s for s, _ in times) / statistics.median(g for _, g in times)
            print(
                f"| {examples} | {point} | {d} | {2 * products(problem, x)} | {ratio:.1f} | {extra / 4 / d:.1f} | "
                f"{error:.1e} |",
                flush=True,
            )
    print()


if __name__ == "__main__":
    main()
