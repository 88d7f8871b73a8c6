"""The examples of a problem's data: how many there are, and the first of them."""

from dataclasses import dataclass
from typing import Any, final

import jax
import numpy as np

from thalweg.numerics.reading import whole


@final
@dataclass(frozen=True)
class Examples:
    """What a chain is written for: each of ``count`` examples of the data where it is ``mapped`` over them, so that all
    spaces but x have a leading axis of examples; else one, and no axis of them."""

    count: int = 1
    mapped: bool = False


def count(data: Any) -> int:
    """How many examples there are: the length of the leading axis, the same of all arrays of ``data``."""
    return len(jax.tree.leaves(data)[0])


def first(data: Any, size: int) -> Any:
    """The first examples of the data."""
    return jax.tree.map(lambda leaf: leaf[:size], data)


def batch_size(given: Any, data: Any, taken: bool) -> int:
    """A number of examples that the data has; ValueError for another, and where no function has ``taken`` data."""
    size, leaves = whole(given, "batch_size", 1), jax.tree.leaves(data)
    counts = {np.shape(leaf)[:1] for leaf in leaves}
    if not taken or len(counts) != 1 or counts == {()} or size > next(iter(counts))[0]:
        shapes = ", ".join(str(np.shape(leaf)) for leaf in leaves) or "none"
        raise ValueError(
            f"batch_size is {size} and the data has the shapes {shapes}, but a batch is drawn from arrays with one "
            "leading axis of at least as many examples, for a stage(x, data) or a loss(y, data); give such data."
        )
    return size
