"""A bifurcation diagram, its Lyapunov exponents and basin images, beside the loops an expert would write.

Seconds are medians of 5 warm calls, in turn; ``first call`` includes compilation. The diagram: gradient descent on
x^2 + 0.05 sin(30 x), 2000 learning rates x 1000 steps, the last 200 iterates kept. The basins: 512 x 512 starts x 200
steps, labels and entropies. float32. The idioms are ``jit(vmap(scan))`` with the same results brought to NumPy.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import thalweg as tw

RATES = np.linspace(0.02, 0.22, 2000)
RUGGED = tw.problems.rugged(a=0.05, b=30.0)
GD = tw.methods.gradient_descent(0.01)
CUBE, HIMMELBLAU = tw.problems.roots_of_unity(3), tw.problems.himmelblau()
SIDE, STEPS = 512, 200


def diagram() -> None:
    found = tw.analysis.bifurcation(RUGGED, tw.sweep(GD, learning_rate=RATES), [0.7], steps=1000, keep=200)
    assert found.x.shape == (2000, 200, 1)


@jax.jit
def iterates(rates: jax.Array) -> jax.Array:
    def lane(rate: jax.Array) -> jax.Array:
        def step(x: jax.Array, _: Any) -> tuple[jax.Array, jax.Array]:
            x = x - rate * jax.grad(lambda x: x**2 + 0.05 * jnp.sin(30 * x))(x)
            return x, x

        x, _ = jax.lax.scan(lambda x, _: (step(x, None)[0], None), jnp.float32(0.7), length=800)
        return jax.lax.scan(step, x, length=200)[1]

    return jax.vmap(lane)(rates)


def idiom() -> None:
    assert np.asarray(iterates(jnp.asarray(RATES, jnp.float32))).shape == (2000, 200)


def exponents() -> None:
    tw.analysis.lyapunov(RUGGED, tw.sweep(GD, learning_rate=RATES), [0.7], steps=1000)


def solved(problem: tw.Problem, method: Any, domain: Any) -> Callable[[], None]:
    starts = tw.starts.grid(domain, SIDE)

    def call() -> None:
        found = tw.analysis.basins(tw.solve(problem, method, starts, max_steps=STEPS))
        assert found.label.size == SIDE**2

    return call


def watched(problem: tw.Problem, method: Any, domain: Any) -> Callable[[], None]:
    starts = tw.starts.grid(domain, SIDE)

    def call() -> None:
        found = tw.analysis.basins(tw.run(problem, method, starts, steps=STEPS, every=STEPS))
        assert found.label.size == SIDE**2

    return call


CALLS = {
    "bifurcation diagram": diagram,
    "the same, jit(vmap(scan))": idiom,
    "Lyapunov exponents of it, 16 copies": exponents,
    "basins of Newton on z^3 = 1, solve": solved(CUBE, tw.methods.GaussNewton(), ([-1.5, -1.5], [1.5, 1.5])),
    "basins of Newton on z^3 = 1, run": watched(CUBE, tw.methods.GaussNewton(), ([-1.5, -1.5], [1.5, 1.5])),
    "basins of gradient descent on Himmelblau, solve": solved(HIMMELBLAU, GD, HIMMELBLAU.domain),
    "basins of momentum on Himmelblau, run": watched(HIMMELBLAU, tw.methods.momentum(0.01, 0.8), HIMMELBLAU.domain),
}


def seconds(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    first = {name: seconds(call) for name, call in CALLS.items()}
    warm: dict[str, list[float]] = {name: [] for name in CALLS}
    for _ in range(5):
        for name, call in CALLS.items():
            warm[name].append(seconds(call))
    print("## Dynamics\n")
    print((__doc__ or "") + "\n| what | first call | median | slowest |\n|---|---:|---:|---:|")
    for name, times in warm.items():
        print(f"| {name} | {first[name]:.2f} s | {statistics.median(times):.3f} s | {max(times):.3f} s |")
    print()
