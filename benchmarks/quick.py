"""The main ratios in three minutes, and whether a change keeps them.

Each row is ours beside what an expert would write (the scripts trace, solve and learn, whose pieces these are, say
what); medians of rounds in which every row has its turn, compilation apart. The time of a ``cold`` row is that of the
first call of a process of its own, after its imports.

``--against SRC`` runs the rows with the installed thalweg and with that of SRC, the folder ``src`` of another checkout,
in turn, and gives seconds here over seconds there: a change is fine if no ratio is above 1.05 and their geometric mean
is not above 1. On a busy machine the ratio of the least seconds says more than that of the medians. Only public names
are used, so that SRC may be older.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import trace as paths  # the script beside this one
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import learn
import numpy as np
import scipy.optimize
import solve

import thalweg as tw

ROUNDS, COLD_ROUNDS = 7, 3
UPDATES, BATCH = 4, 32


class Row(NamedTuple):
    """What a row runs, ``times`` times for one measurement; ``part`` of the work of ours is what the expert does."""

    ours: Callable[[], object]
    theirs: Callable[[], object] | None = None
    times: int = 1
    part: float = 1.0


def run(name: str, d: int) -> Row:
    starts = np.random.default_rng(0).uniform(-2, 2, (paths.LANES, d)).astype(np.float32)
    problem = tw.Problem(loss=paths.rosenbrock, start=np.ones(d))
    expert = paths.expert(paths.RULES[name](paths.RATE))
    ours = partial(tw.run, problem, paths.METHODS[name](paths.RATE), starts, paths.STEPS)
    return Row(ours, partial(expert, starts), times=2)


def short_run() -> Row:
    start = np.ones((1, 2), np.float32)
    problem = tw.Problem(loss=paths.rosenbrock, start=np.ones(2))
    return Row(partial(tw.run, problem, tw.methods.gradient_descent(paths.RATE), start, 100), times=20)


def bfgs(d: int, lanes: int, endless: bool = False) -> Row:
    max_steps = 300 if endless else 1000
    starts = solve.endless() if endless else np.random.default_rng(0).uniform(-2, 2, (lanes, d))
    loss = solve.groove if endless else solve.rosenbrock
    expert = solve.optimistix_bfgs(loss, max_steps)

    def theirs() -> None:
        with jax.enable_x64(True):
            jax.block_until_ready(expert(jnp.asarray(starts)))

    return Row(solve.our_bfgs(loss, starts, max_steps), theirs)


def fits(method: Any) -> Row:
    loop, ours = solve.fits(method)
    return Row(ours, loop, times=3, part=solve.PART / solve.DATA_SETS)


def one_start() -> Row:
    both, start = jax.jit(jax.value_and_grad(solve.rosenbrock)), np.array([-1.2, 1.0])

    def theirs() -> None:
        scipy.optimize.minimize(lambda x: [np.asarray(part) for part in both(x)], start, jac=True, method="BFGS")

    return Row(lambda: tw.minimize(solve.rosenbrock, start, method="BFGS"), theirs, times=10)


def trust_region() -> Row:
    problem, start = tw.problems.rosenbrock(1000), np.resize([-1.2, 1.0], 1000)
    method = tw.methods.TrustRegion()
    return Row(lambda: tw.solve(problem, method, start, gtol=0.0, max_steps=1000, dtype="float64"), times=2)


def half_inverse() -> Row:
    physics = tw.problems.oscillators()
    control, start = learn.network((4, 20, 20, 20, physics.dimension), jnp.tanh, 0)
    states = np.random.default_rng(0).random((UPDATES * BATCH, 4)).astype(np.float32)
    data = {"initial": states, "target": states}
    problem = tw.training.problem(physics, control, start, data, batch_size=BATCH)
    step = learn.experts(physics, control, start, 1e-10)["each"]
    one = jax.tree.map(lambda leaf: leaf[:BATCH], data)  # what is in a batch costs no time
    ours = partial(tw.run, problem, tw.methods.JacobianPower(0.5, 1e-10), steps=UPDATES, every=UPDATES)
    theirs = partial(learn.loop, step, jnp.asarray(problem.start, jnp.float32), [one])
    return Row(ours, theirs, part=1 / UPDATES)


ROWS: dict[str, Callable[[], Row]] = {
    "run, Adam, d = 2, 4096 lanes x 1000 steps": partial(run, "Adam", 2),
    "run, Adam, d = 10": partial(run, "Adam", 10),
    "run, gradient descent, d = 10": partial(run, "gradient descent", 10),
    "run, 1 lane x 100 steps": short_run,
    "solve, BFGS, d = 2, 8192 starts": partial(bfgs, 2, 8192),
    "solve, BFGS, d = 10, 2048 starts": partial(bfgs, 10, 2048),
    "solve, BFGS, 1 % without end, 300 steps": partial(bfgs, 2, 8192, endless=True),
    "solve, GaussNewton, 10,000 fits": partial(fits, tw.methods.GaussNewton()),
    "solve, LevenbergMarquardt, 10,000 fits": partial(fits, tw.methods.LevenbergMarquardt()),
    "solve, TrustRegion, d = 1000, 1000 steps": trust_region,
    "minimize, BFGS, d = 2": one_start,
    "run, half-inverse gradients, 4 updates": half_inverse,
}


def small(call: Callable[..., Any], *methods: Any) -> Callable[[], object]:
    """A call that is nearly all compilation."""
    return partial(call, tw.problems.rosenbrock(10), *methods)


COLD: dict[str, Callable[[], object]] = {
    "cold: run, Adam": small(tw.run, tw.methods.adam(1e-4), None, 10),
    "cold: run, Newton": small(tw.run, tw.methods.Newton(), None, 10),
    "cold: run, BFGS": small(tw.run, tw.methods.BFGS(), None, 10),
    "cold: solve, BFGS": small(tw.solve, tw.methods.BFGS()),
}


def once(call: Callable[[], object], times: int = 1) -> float:
    return paths.seconds(lambda: [call() for _ in range(times)]) / times


class Here:
    """Rows in this process: the first measurement of each is after a call that compiles."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def measure(self, name: str) -> tuple[float, float]:
        """Seconds of ours, and of the same work by the expert."""
        if name not in self.rows:
            row = self.rows[name] = ROWS[name]()
            row.ours(), row.theirs and row.theirs()
        row = self.rows[name]
        theirs = math.nan if row.theirs is None else once(row.theirs, row.times if row.part == 1 else 1) / row.part
        return once(row.ours, row.times), theirs

    def serve(self) -> None:
        """Ours, for each name on a line."""
        for line in sys.stdin:
            name = line.rstrip("\n")
            if name not in self.rows:
                self.rows[name] = ROWS[name]()._replace(theirs=None)
                self.rows[name].ours()
            print(self.measure(name)[0], flush=True)


class There:
    """Rows in a process of its own, with thalweg from a folder."""

    def __init__(self, src: Path) -> None:
        self.src = src
        self.process = subprocess.Popen(
            command("--serve"), env=environment(src), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, name: str) -> float:
        if name in COLD:
            return cold(name, self.src)
        assert self.process.stdin is not None and self.process.stdout is not None
        print(name, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.communicate()


def command(*words: str) -> list[str]:
    return [sys.executable, __file__, *words]


def environment(src: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(src)}


def installed() -> Path:
    """The folder that thalweg is imported from here."""
    return Path(str(tw.__file__)).parents[1]


def cold(name: str, src: Path) -> float:
    """Seconds of the first call in a new process."""
    text = subprocess.run(command("--cold", name), env=environment(src), check=True, capture_output=True, text=True)
    return float(text.stdout)


def alone(rounds: int) -> dict[str, dict[str, float]]:
    here, numbers = Here(), {}
    rows = {name: [] for name in ROWS}
    for _ in range(rounds):
        for name, column in rows.items():
            column.append(here.measure(name))
    print("| | expert [ms] | thalweg [ms] | ratio |\n| --- | ---: | ---: | ---: |")
    for name, column in rows.items():
        ours, theirs = (statistics.median(times) for times in zip(*column, strict=True))
        numbers[name] = {"seconds": ours, "expert": theirs, "ratio": theirs / ours}
        print(f"| {name} | {1e3 * theirs:.2f} | {1e3 * ours:.2f} | {theirs / ours:.2f} |".replace("nan", ""))
    columns = {name: [] for name in COLD}
    for _ in range(COLD_ROUNDS):
        for name, column in columns.items():
            column.append(cold(name, installed()))
    for name, column in columns.items():
        numbers[name] = {"seconds": statistics.median(column)}
        print(f"| {name} | | {1e3 * numbers[name]['seconds']:.0f} | |")
    ratios = [one["ratio"] for one in numbers.values() if one.get("ratio", math.nan) > 0]
    print(f"\nGeometric mean of the ratios {statistics.geometric_mean(ratios):.2f}, lowest {min(ratios):.2f}.")
    return numbers


def against(src: Path, rounds: int) -> dict[str, dict[str, float]]:
    trees = There(installed()), There(src)
    pairs: dict[str, list[list[float]]] = {name: [] for name in [*ROWS, *COLD]}
    for i in range(rounds):
        for name, column in pairs.items():
            if name in ROWS or i < COLD_ROUNDS:
                times = [tree.measure(name) for tree in trees[:: 1 if i % 2 else -1]]
                column.append(times if i % 2 else times[::-1])
    for tree in trees:
        tree.end()
    numbers = {}
    print("| | there [ms] | here [ms] | here / there | of the least |\n| --- | ---: | ---: | ---: | ---: |")
    for name, column in pairs.items():
        columns = list(zip(*column, strict=True))
        here, there = map(statistics.median, columns)
        least = min(columns[0]) / min(columns[1])
        numbers[name] = {"seconds": here, "there": there, "ratio": here / there, "least": least}
        print(f"| {name} | {1e3 * there:.2f} | {1e3 * here:.2f} | {here / there:.3f} | {least:.3f} |")
    for kind, words in ("ratio", "Medians"), ("least", "Least"):
        ratios = {name: one[kind] for name, one in numbers.items()}
        worst = max(ratios, key=ratios.__getitem__)
        mean = statistics.geometric_mean(ratios.values())
        print(f"\n{words}: geometric mean {mean:.3f}, largest {ratios[worst]:.3f} ({worst}).")
    return numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--against", type=Path, metavar="SRC", help="folder src of another checkout")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the numbers, in seconds")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--cold", choices=COLD, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        return Here().serve()
    if given.cold:
        return print(once(COLD[given.cold]))
    numbers = alone(given.rounds) if given.against is None else against(given.against.resolve(), given.rounds)
    if given.json is not None:
        given.json.write_text(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    main()
