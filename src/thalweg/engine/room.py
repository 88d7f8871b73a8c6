"""Whether there is room for what a task needs, known before anything is computed."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from thalweg.chain.problem import Problem
from thalweg.engine.memory import lacking, lacking_on
from thalweg.methods.method import NeedsRoom

WITHOUT = "methods.LBFGS, NewtonCG and TrustRegion need no such matrix"
MATRIX = 10_000  # numbers
STEP_BYTES = 16  # of a row beside the record: of the coordinate and of a copy that is made on the way


def check_state(problem: Problem, name: str, state: Any, lanes: int) -> None:
    """ValueError where the matrices that a method called ``name`` remembers, for each of the ``lanes`` that are stepped
    at a time, would exceed the free memory; fewer numbers are the record's concern."""
    d, leaves = problem.dimension, jax.tree.leaves(state)
    large = [leaf.size * leaf.dtype.itemsize for leaf in leaves if leaf.size >= d * d >= MATRIX]
    needed = lanes * sum(large)
    if (free := lacking(needed)) is not None:
        raise ValueError(
            f"method {name!r} remembers {needed:,} bytes on {problem.name!r}, of {d:,} components, for {_lanes(lanes)} "
            f"at a time, and {free:,} are free; {WITHOUT}."
        )


def check_matrices(problem: Problem, name: str, method: NeedsRoom, lanes: int, dtype: np.dtype) -> None:
    """The same for matrices of d x d numbers, which a method with a ``workspace`` needs whatever the data."""
    d = problem.dimension
    needed = lanes * method.workspace(0, d, dtype.itemsize)
    if (free := lacking(needed)) is not None:
        raise ValueError(
            f"method {name!r} needs {needed:,} bytes on {problem.name!r}, for matrices of {d:,} x {d:,} numbers and "
            f"{_lanes(lanes)} at a time, and {free:,} are free; {WITHOUT}."
        )


def check_workspace(
    problem: Problem, name: str, method: NeedsRoom, lanes: int, dtype: np.dtype, rows: int, examples: int
) -> None:
    """ValueError where the matrices of a method with a ``workspace``, called ``name``, would exceed the free memory for
    ``lanes`` that are stepped at a time, with so many ``rows`` of a Jacobian over so many ``examples``; it tells the
    bytes and the largest batch."""
    columns = problem.dimension

    def needed(size: int) -> int:
        """Bytes with a batch of so many examples."""
        return lanes * method.workspace(rows * size // examples, columns, dtype.itemsize)

    if (free := lacking(needed(examples))) is not None:
        fitting = [size for size in range(1, examples) if needed(size) <= free]
        none = "no batch fits; methods.KrylovPower needs no Jacobian" if examples > 1 else WITHOUT
        advice = f"batch_size={fitting[-1]} fits" if fitting else none
        raise ValueError(
            f"method {name!r} needs {needed(examples):,} bytes on {problem.name!r}, for a Jacobian of {rows:,} x "
            f"{columns:,} numbers and {_lanes(lanes)} at a time, and {free:,} are free; {advice}."
        )


def check_record(
    shapes: Mapping[str, tuple[int, ...]],
    counts: Mapping[str, int],
    rows: int,
    dtype: np.dtype,
    lanes: int,
    steps: int,
    devices: tuple[Any, ...] = (),
) -> None:
    """ValueError where the record of a run of so many ``rows``, of which each name has ``counts``, would not fit in
    memory, or in that of ``devices``; it tells the ``every`` with which it does."""
    number = dtype.itemsize * lanes
    needed = sum(counts[name] * math.prod(shape) * number for name, shape in shapes.items()) + STEP_BYTES * rows
    if (free := lacking_on(devices, needed)) is not None:
        most = free // (sum(math.prod(shape) for shape in shapes.values()) * number + STEP_BYTES) - 2
        advice = f"every={-(-steps // most)} fits" if most > 0 else "no `every` helps, so take fewer starts or variants"
        large = max(shapes, key=lambda name: math.prod(shapes[name]))
        if math.prod(shapes[large]) > 1 and len(shapes) > 1:
            advice += f", and spaces= can leave out {large!r} or thin it alone"
        raise ValueError(f"the record needs {needed:,} bytes and {free:,} are free; {advice}.")


def _lanes(count: int) -> str:
    return f"{count} lane{'s' if count > 1 else ''}"
