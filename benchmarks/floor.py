"""What bounds ``run``: its steps alone, the record's way home, and all of it.

Rosenbrock, 4096 lanes x 1000 steps, x and loss recorded in float32. ``steps`` is the CPU time of the compiled program
for one step of 2048 lanes, whose rows stay in its own buffer; ``of the run`` is that of all steps over the cores;
``home`` is a copy of as many bytes as the record has by one core, into memory that was touched before. ``run`` and the
expert, ``jit(vmap(scan))``, as in trace.py.
"""

import argparse
import statistics
import time
import trace as paths  # the script beside this one
from collections.abc import Callable

import jax
import numpy as np

import thalweg as tw
from thalweg.engine.hardware import CPU, devices
from thalweg.engine.plan import plan
from thalweg.engine.recording import Recording
from thalweg.verbs.arguments import task

WIDTH, ROWS = 2048, 500


def seconds(f: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    times = []
    for _ in range(repeats):
        began = clock()
        f()
        times.append(clock() - began)
    return statistics.median(times)


def steps_alone(problem: tw.Problem, method: object, starts: np.ndarray, repeats: int) -> float:
    """CPU seconds of one step of 2048 lanes with its row."""
    given, verb = task("run", problem, method, starts), Recording([*problem.spaces(problem.start)], (), True)
    made = plan(given, next(iter(given.methods)), verb, (), CPU, devices()[:1])
    program, settings = made.build(), made.items.settings
    lanes, out = program.begin(made.items.load([np.arange(WIDTH)], WIDTH), settings)
    program.give_back(out)

    def chunk() -> None:
        nonlocal lanes
        lanes, out = program.march(lanes, settings, ROWS, 1)
        jax.block_until_ready(out)
        program.give_back(out)

    chunk()
    return seconds(chunk, repeats, time.process_time) / ROWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(f"## Floor\n\n{__doc__}\nMedians of {repeats}.\n")
    print("| method | d | record | steps, 2048 lanes | of the run | home | run | expert |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, rule in paths.RULES.items():
        for d in (2, 10):
            starts = np.random.default_rng(0).uniform(-2, 2, (paths.LANES, d)).astype(np.float32)
            problem, method = tw.Problem(loss=paths.rosenbrock, start=np.ones(d)), paths.METHODS[name](paths.RATE)
            expert = paths.expert(rule(paths.RATE))
            calls = [lambda: tw.run(problem, method, starts, paths.STEPS), lambda: expert(starts)]  # noqa: B023
            for call in calls:
                call()
            ours, theirs = (seconds(call, repeats) for call in calls)
            step = steps_alone(problem, method, starts, repeats)
            record = np.ones((paths.STEPS, d + 1, paths.LANES), np.float32)
            target = np.zeros_like(record)
            home = seconds(lambda: np.copyto(target, record), repeats)  # noqa: B023
            share = step * paths.STEPS * paths.LANES / WIDTH / CPU.threads
            print(
                f"| {name} | {d} | {record.nbytes / 1e6:.0f} MB | {1e6 * step:.1f} us | {1e3 * share:.1f} ms "
                f"| {1e3 * home:.1f} ms | {1e3 * ours:.1f} ms | {1e3 * theirs:.1f} ms |"
            )
    print()


if __name__ == "__main__":
    main()
