"""How time and memory of ``solve`` grow: with the dimension, and with the number of starts.

Chained Rosenbrock in float64 from (-1.2, 1, -1.2, ...). Seconds per step are the difference of two runs of many and few
steps, medians of 5; ``growth`` is what ten times the components cost, over ten. Memory is the peak of a process of its
own beyond what it had before its first call, which compiles. Of a million starts of Rosenbrock's function, d = 2, it is
the peak beyond that of a thousand.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

import thalweg as tw

METHODS = {"TrustRegion": tw.methods.TrustRegion(), "LBFGS": tw.methods.LBFGS()}
MORE = {1_000: 1000, 10_000: 300, 100_000: 100}  # steps between the two runs, by d
FEW, MILLION = 20, 1_000_000


def peak() -> int:
    """Bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def steps(name: str, d: int) -> tuple[float, float]:
    """Seconds per step, and bytes."""
    problem, start = tw.problems.rosenbrock(d), np.resize([-1.2, 1.0], d)

    def seconds(n: int) -> float:
        began = time.perf_counter()
        fits = tw.solve(problem, METHODS[name], start, gtol=0.0, max_steps=n, dtype="float64")
        assert fits.steps.item() == n
        return time.perf_counter() - began

    before = peak()
    seconds(FEW)
    pairs = [(seconds(FEW + MORE[d]), seconds(FEW)) for _ in range(5)]
    return statistics.median(many - few for many, few in pairs) / MORE[d], peak() - before


def starts(n: int) -> tuple[float, float]:
    """Seconds, and bytes at most."""
    problem = tw.problems.rosenbrock(2)

    def solved(n: int) -> None:
        points = np.random.default_rng(0).uniform(-2, 2, (n, 2))
        fits = tw.solve(problem, tw.methods.BFGS(), points, dtype="float64")
        assert (fits.outcome == 0).mean() > 0.999

    solved(1000)
    before, began = peak(), time.perf_counter()
    solved(n)
    return time.perf_counter() - began, peak() - before


def alone(*call: str | int) -> tuple[float, float]:
    """What one of these functions gives in a process of its own."""
    text = subprocess.run(
        [sys.executable, __file__, *map(str, call)], check=True, capture_output=True, text=True
    ).stdout
    return tuple(json.loads(text))


def main() -> None:
    print(f"## Growth\n\n{__doc__}")
    print("| method | d | per step | growth | memory |\n| --- | ---: | ---: | ---: | ---: |")
    for name in METHODS:
        last = None
        for d in MORE:
            seconds, size = alone("steps", name, d)
            growth = "" if last is None else f"{seconds / last / 10:.2f}"
            print(f"| {name} | {d} | {1e3 * seconds:.3f} ms | {growth} | {size / 1e6:.0f} MB |", flush=True)
            last = seconds
    seconds, size = alone("starts", MILLION)
    print(f"\n{MILLION} starts: {seconds:.1f} s, peak {size / 1e6:.0f} MB.\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["steps", name, d]:
            print(json.dumps(steps(name, int(d))))
        case ["starts", n]:
            print(json.dumps(starts(int(n))))
        case _:
            main()
