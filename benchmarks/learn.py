"""What an update of half-inverse gradients costs, and what it gives, beside what an expert would write.

Two coupled oscillators and a network that steers them (Schnell, Holl, Thuerey 2022, arXiv:2203.10131, and its code):
``linear`` with 24 controls, 4-20-20-20-24 tanh, batch 32, and ``cubic`` with 96 controls, 4-20-20-20-96 relu, batch
128. Beside ``run`` with ``JacobianPower`` are two loops over a compiled step that takes the full singular value
decomposition of the same stacked Jacobian: ``reverse`` has it by ``jax.jacrev`` of the whole batch, ``each`` example
by example. All see the same batches. ``update`` is the median of 5 rounds in turn, that of ``run`` from the
difference of a long and a short run; losses are per sample, over all 4096 examples.
"""

import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import thalweg as tw

EXAMPLES, ROUNDS = 4096, 5


def network(sizes: tuple[int, ...], activation: Callable[..., Any], key: int) -> tuple[Callable[..., Any], Any]:
    """A dense network with Glorot's uniform weights, and the parameters it starts from."""
    keys = jax.random.split(jax.random.key(key), len(sizes))
    glorot = jax.nn.initializers.glorot_uniform()
    start = [{"w": glorot(k, (m, n)), "b": jnp.zeros(n)} for k, (m, n) in zip(keys, pairwise(sizes), strict=False)]

    def control(layers: Any, example: Any) -> Any:
        h = example["target"]
        for layer in layers[:-1]:
            h = activation(h @ layer["w"] + layer["b"])
        return h @ layers[-1]["w"] + layers[-1]["b"]

    return control, start


def experts(physics: tw.Problem, control: Callable[..., Any], start: Any, truncation: float) -> dict[str, Any]:
    """A step of half-inverse gradients by the full singular value decomposition, from two ways to the Jacobian."""
    unravel = ravel_pytree(start)[1]

    def outcome(x: Any, example: Any) -> Any:
        return physics.bind(example).forward(control(unravel(x), example))

    def half_inverse(y: Any, j: Any, batch: Any) -> Any:
        g = 2 * (y - batch["target"].ravel()) / len(batch["target"])
        u, s, vt = jnp.linalg.svd(j, full_matrices=False)
        return vt.T @ (jnp.where(s > truncation * s[0], s**-0.5, 0) * (u.T @ g))

    def reverse(x: Any, batch: Any) -> Any:
        def whole(x: Any) -> Any:
            return jax.vmap(lambda example: outcome(x, example))(batch).ravel()

        return x - half_inverse(whole(x), jax.jacrev(whole)(x), batch)

    def each(x: Any, batch: Any) -> Any:
        y = jax.vmap(lambda example: outcome(x, example))(batch).ravel()
        j = jax.vmap(lambda example: jax.jacrev(outcome)(x, example))(batch)
        return x - half_inverse(y, j.reshape(len(y), len(x)), batch)

    return {"reverse": jax.jit(reverse), "each": jax.jit(each)}


def batches(problem: tw.Problem, steps: int) -> list[Any]:
    """Those that ``run`` draws."""
    from thalweg.chain.batches import Shuffle  # no public name: here, so that the rest runs with other versions

    shuffle = Shuffle(problem, np.dtype(np.float32))
    state, drawn, draw = shuffle.start(np.uint32(0)), [], jax.jit(shuffle.draw)
    for _ in range(steps):
        batch, state = draw(state)
        drawn.append(batch)
    return drawn


def loop(step: Callable[..., Any], x: Any, drawn: list[Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    for batch in drawn:
        x = step(x, batch)
    jax.block_until_ready(x)
    return (time.perf_counter() - began) / len(drawn), x


def measure(
    kind: Any, activation: Callable[..., Any], batch: int, truncation: float, epochs: int, short: int, beside: bool
) -> None:
    physics = tw.problems.oscillators(kind=kind)
    control, start = network((4, 20, 20, 20, physics.dimension), activation, 0)
    data = tw.problems.physics.oscillators.examples(EXAMPLES)
    problem = tw.training.problem(physics, control, start, data, batch_size=batch)
    method, x = tw.methods.JacobianPower(0.5, truncation), jnp.asarray(problem.start, jnp.float32)
    epoch = EXAMPLES // batch

    def run(steps: int) -> float:
        return tw.run(problem, method, steps=steps, every=steps).attrs["run_seconds"]

    steps, drawn = experts(physics, control, start, truncation), batches(problem, short)
    for step in steps.values():
        loop(step, x, drawn[:1])
    run(short), run(4 * short)
    times: dict[str, list[float]] = {"run": [], **{name: [] for name in steps}}
    for _ in range(ROUNDS):
        times["run"].append((run(4 * short) - run(short)) / (3 * short))
        for name, step in steps.items():
            times[name].append(loop(step, x, drawn)[0])
    update = {name: statistics.median(seconds) for name, seconds in times.items()}
    trace = tw.run(problem, method, steps=epochs * epoch, every=epoch)
    losses = {"run": float(trace.loss[0, 0, -1])}
    if beside:
        losses["each"] = float(problem.value(loop(steps["each"], x, batches(problem, epochs * epoch))[1]))
    print(f"\n{kind}, {problem.dimension} weights, batch {batch}, loss at the start {float(trace.loss[0, 0, 0]):.3g}\n")
    print(f"| loop | update [ms] | times that of run | loss after {epochs} epochs |\n|---|---|---|---|")
    for name, seconds in update.items():
        loss = f"{losses[name]:.2e}" if name in losses else ""
        print(f"| {name} | {1e3 * seconds:.2f} | {seconds / update['run']:.1f} | {loss} |", flush=True)


if __name__ == "__main__":
    print("## Half-inverse gradients\n")
    print(__doc__.split("\n\n", 1)[1].strip(), flush=True)
    measure("linear", jnp.tanh, 32, 1e-10, 3, 32, True)
    measure("cubic", jax.nn.relu, 128, 1e-6, 7, 3, False)
    print()
