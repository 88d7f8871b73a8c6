"""How a method shows itself: as the call that makes it, in a ``sweep`` where its numbers are stacked."""

from dataclasses import MISSING, fields
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from thalweg.chain.calls import First, call, shown

FEW = 8  # values of one number that are shown


def leaf_name(path: tuple[Any, ...]) -> str:
    """The name of a number; of an inner rule, ``inner_learning_rate``."""
    names = [jax.tree_util.keystr((entry,), simple=True) for entry in path]
    return f"inner_{names[-1]}" if "inner" in names[:-1] else names[-1]


def of_fields(method: Any) -> str:
    """``Newton(damping=0.1)``: the class and its fields that are not usual."""
    named = {one.name: vars(method)[one.name] for one in fields(method)}
    usual = {one.name: one.default for one in fields(method) if one.default is not MISSING}
    return call(type(method).__name__, named=named, usual=usual)


def in_sweep(method: Any) -> str | None:
    """``sweep(adam(learning_rate=0.1), learning_rate=[0.1, 0.2])`` of a method whose numbers are stacked."""
    leaves = jax.tree_util.tree_leaves_with_path(method)
    stacked = {leaf_name(path): np.asarray(leaf) for path, leaf in leaves if _is_stacked(leaf)}
    if not stacked:
        return None
    first = jax.tree.map(lambda leaf: First(leaf[0]) if _is_stacked(leaf) else leaf, method)
    slowest = sorted(stacked, key=lambda name: -int(np.argmax(stacked[name] != stacked[name][0])))
    values = {name: _axis(stacked[name]) for name in slowest}
    grid = np.meshgrid(*values.values(), indexing="ij")
    product = all(np.array_equal(g.ravel(), stacked[name]) for g, name in zip(grid, slowest, strict=True))
    texts = [f"{name}={_listed(axis)}" for name, axis in (values if product else stacked).items()]
    return f"sweep({first!r}, {', '.join(texts)})"


def _is_stacked(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray) and not isinstance(leaf, Tracer) and leaf.ndim == 1


def _axis(stacked: np.ndarray) -> np.ndarray:
    """The values of a number in the order they come, each once."""
    return stacked[np.sort(np.unique(stacked, return_index=True)[1])]


def _listed(axis: np.ndarray) -> str:
    numbers = [shown(value) for value in axis]
    return f"[{', '.join(numbers if len(numbers) <= FEW else [*numbers[:3], '…', numbers[-1]])}]"
