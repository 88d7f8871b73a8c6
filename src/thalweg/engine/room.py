"""The memory that a method needs for its matrices, known before they are built."""

import numpy as np

from thalweg.chain.problem import Problem
from thalweg.engine.memory import free_for
from thalweg.methods.method import NeedsRoom


def check_workspace(problem: Problem, name: str, method: NeedsRoom, lanes: int, dtype: np.dtype) -> None:
    """ValueError where the matrices of a method with a ``workspace``, called ``name``, would exceed the free memory for
    ``lanes`` that are stepped at a time on the data of ``problem``; it tells the bytes and the largest batch."""
    rows, columns, examples = problem.chain.spaces[-1].size, problem.dimension, problem.examples.count

    def needed(size: int) -> int:
        """Bytes with a batch of so many examples."""
        return lanes * method.workspace(rows * size // examples, columns, dtype.itemsize)

    free = free_for(needed(examples))
    if needed(examples) > free:
        fitting = [size for size in range(1, examples) if needed(size) <= free]
        advice = f"batch_size={fitting[-1]} fits" if fitting else "no batch fits; methods.KrylovPower needs no Jacobian"
        raise ValueError(
            f"method {name!r} needs {needed(examples):,} bytes on {problem.name!r}, for a Jacobian of {rows:,} x "
            f"{columns:,} numbers and {lanes} lanes at a time, and {free:,} are free; {advice}."
        )
