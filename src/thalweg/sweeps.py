"""Products of hyperparameters: the same method with stacked leaves."""

import difflib
from collections.abc import Iterable
from typing import Any, TypeVar

import jax
import numpy as np

AnyMethod = TypeVar("AnyMethod")


def _leaf_name(path: tuple[Any, ...]) -> str:
    entry = path[-1]
    return str(getattr(entry, "name", getattr(entry, "key", entry)))


def hyperparameters(method: Any) -> dict[str, np.ndarray]:
    """The numeric leaves of a method by name: shape () each, or (variants,) where swept."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(method)
    return {_leaf_name(path): np.asarray(leaf, np.float64) for path, leaf in leaves}


def variants(method: Any) -> int:
    """How many variants of a method its stacked leaves hold, 1 without a sweep."""
    return max([leaf.size for leaf in hyperparameters(method).values()], default=1)


def sweep(method: AnyMethod, **values: float | Iterable[float]) -> AnyMethod:
    """The method at every combination of ``values``: ``sweep(adam(0.1), learning_rate=np.geomspace(1e-4, 1, 40), b1=[0.8, 0.9])``.

    The combinations are those of nested loops, the last name running fastest. A sweep is one compiled program, since
    hyperparameters are its arguments. Raises ValueError for a name that the method does not have, for an empty or
    nested list, and for a method that is swept already.
    """
    known = hyperparameters(method)
    if any(leaf.ndim for leaf in known.values()):
        raise ValueError("the method is swept already; give all values to one call of sweep.")
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}" if near else f"choose from {', '.join(known) or 'none'}"
            raise ValueError(f"{name!r} is not a number that {type(method).__name__} can sweep; {hint}.")
    axes = {name: np.atleast_1d(np.asarray(list(v) if isinstance(v, Iterable) else v, float)) for name, v in values.items()}
    for name, axis in axes.items():
        if axis.ndim != 1 or axis.size == 0:
            raise ValueError(f"{name} has shape {axis.shape}, but a sweep takes a flat list of at least one number.")
    grid = dict(zip(axes, (g.ravel() for g in np.meshgrid(*axes.values(), indexing="ij")), strict=True))
    return jax.tree_util.tree_map_with_path(lambda path, leaf: grid.get(_leaf_name(path), leaf), method)
