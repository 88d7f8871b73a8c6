"""A network of 1e5 weights beside the loop an expert would write: the first call, and 800 warm steps.

Adam on an 8-220-220-220-4 tanh network in float32, 2048 examples, batches of 128. The expert scans over batches that
were drawn before, with the weights as a pytree; ``run`` draws them itself and records the loss over all examples at
both ends. First calls, of 8 steps, are in processes of their own, after imports of jax, optax and thalweg; warm calls
are interleaved. Medians.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import thalweg as tw

SIZES, EXAMPLES, BATCH, RATE = (8, 220, 220, 220, 4), 2048, 128, 1e-3
FIRST, WARM = 8, 800  # steps


def network(weights: Any, x: jax.Array) -> jax.Array:
    *hidden, (last, offset) = weights
    for w, b in hidden:
        x = jnp.tanh(x @ w + b)
    return x @ last + offset


def loss(weights: Any, batch: Any) -> jax.Array:
    return jnp.mean(jnp.sum((network(weights, batch["x"]) - batch["y"]) ** 2, -1))


def beginning() -> tuple[Any, dict[str, np.ndarray]]:
    """Weights and examples."""
    draw = np.random.default_rng(0)
    pairs = pairwise(SIZES)
    weights = [((draw.normal(size=(m, n)) / np.sqrt(m)).astype(np.float32), np.zeros(n, np.float32)) for m, n in pairs]
    x = draw.normal(size=(EXAMPLES, SIZES[0])).astype(np.float32)
    return weights, {"x": x, "y": np.tanh(x @ draw.normal(size=(SIZES[0], SIZES[-1]))).astype(np.float32)}


def expert(steps: int) -> Callable[[], object]:
    weights, examples = beginning()
    rule, held = optax.adam(RATE), jax.tree.map(jnp.asarray, examples)
    draw = np.random.default_rng(1)
    epochs = [draw.permutation(EXAMPLES).reshape(-1, BATCH) for _ in range(-(-steps * BATCH // EXAMPLES))]
    batches = jnp.asarray(np.concatenate(epochs)[:steps])

    @jax.jit
    def train(weights, state, batches):
        def step(carry, chosen):
            weights, state = carry
            batch = jax.tree.map(lambda leaf: leaf[chosen], held)
            value, gradient = jax.value_and_grad(loss)(weights, batch)
            update, state = rule.update(gradient, state)
            return (optax.apply_updates(weights, update), state), value

        return jax.lax.scan(step, (weights, state), batches)

    return lambda: jax.block_until_ready(train(weights, rule.init(weights), batches))


def ours(steps: int) -> Callable[[], object]:
    weights, examples = beginning()
    problem = tw.Problem(loss=loss, start=weights, data=examples, batch_size=BATCH)
    return lambda: tw.run(problem, tw.methods.adam(RATE), steps=steps, every=steps, spaces=["loss"])


WAYS = {"expert": expert, "ours": ours}


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def first(way: str) -> float:
    """Seconds of the first call of a new process."""
    words = [sys.executable, __file__, "--first", way]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--first", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.first:
        call = WAYS[given.first](FIRST)
        return print(seconds(call))
    calls = {way: make(WARM) for way, make in WAYS.items()}
    rounds: list[dict[str, float]] = []
    for call in calls.values():
        call()
    for _ in range(given.repeats):
        rounds.append({way: seconds(call) for way, call in calls.items()})
    warm = {way: statistics.median(one[way] for one in rounds) for way in WAYS}
    fresh = [{way: first(way) for way in WAYS} for _ in range(given.repeats)]
    cold = {way: statistics.median(one[way] for one in fresh) for way in WAYS}
    print(f"## Network\n\n{__doc__}\n| | expert | run | run / expert |\n| --- | ---: | ---: | ---: |")
    for name, both in ((f"first call, {FIRST} steps", cold), (f"{WARM} warm steps", warm)):
        print(f"| {name} | {both['expert']:.2f} s | {both['ours']:.2f} s | {both['ours'] / both['expert']:.2f} |")


if __name__ == "__main__":
    main()
