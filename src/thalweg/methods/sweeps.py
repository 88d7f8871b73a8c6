"""Products of hyperparameters: the same method with stacked leaves."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import jax
import numpy as np

from thalweg.methods.method import Method
from thalweg.methods.writing import leaf_name
from thalweg.numerics.reading import check_room, nearest, real, shown

AnyMethod = TypeVar("AnyMethod")


def hyperparameters(method: Any) -> dict[str, np.ndarray]:
    """The numeric leaves of a method by name: shape () each, or (variants,) where swept."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(method)
    try:
        return {leaf_name(path): real(leaf) for path, leaf in leaves}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{method!r} has a hyperparameter that is not a number; give numbers.") from error


def variants(method: Any) -> int:
    """How many variants of a method its stacked leaves hold, 1 without a sweep."""
    return max([leaf.size for leaf in hyperparameters(method).values()], default=1)


def sweep(method: AnyMethod, **values: float | Iterable[float]) -> AnyMethod:
    """The method at every combination of ``values``, as one method whose hyperparameters are stacked.

    The combinations are those of nested loops, the last name running fastest.

    Args:
        method: an instance with its numbers, such as ``methods.adam(0.1)``.
        **values: numbers for hyperparameters by their names, in the units of these ([x]^2/[L] or whatever the method
            says), each a flat list or one number; of an inner rule
            ``inner_learning_rate``.
    Returns:
        the method with leaves of shape (variants,) instead of ().
    Raises:
        ValueError: for a name that the method does not have, for an empty or nested list, for a class instead of an
            instance, and for a method that is swept already.
    Cost:
        none here; a sweep is one compiled program, since hyperparameters are its arguments.
    Example:
        >>> swept = tw.sweep(tw.methods.adam(0.1), learning_rate=[0.01, 0.1], b1=[0.8, 0.9])
        >>> print(swept.hyper["learning_rate"], swept.hyper["b1"])
        [0.01 0.01 0.1  0.1 ] [0.8 0.9 0.8 0.9]
    """
    if isinstance(method, type) or not isinstance(method, Method):
        raise ValueError(
            f"sweep was given {shown(method)}, but it takes a method with its numbers; "
            "write e.g. sweep(adam(learning_rate=0.1), learning_rate=[0.01, 0.1])."
        )
    known = hyperparameters(method)
    if any(leaf.ndim for leaf in known.values()):
        raise ValueError("the method is swept already; give all values to one call of sweep.")
    for name in values:
        if name not in known:
            raise ValueError(nearest(name, known, f"a number that {type(method).__name__} can sweep"))
    axes = {name: _axis(name, value) for name, value in values.items()}
    check_room("the sweep", len(axes), math.prod(axis.size for axis in axes.values()))
    grid = dict(zip(axes, (g.ravel() for g in np.meshgrid(*axes.values(), indexing="ij")), strict=True))
    return jax.tree_util.tree_map_with_path(lambda path, leaf: grid.get(leaf_name(path), leaf), method)


def _axis(name: str, value: Any) -> np.ndarray:
    """The values of one hyperparameter, shape (n,) with n >= 1."""
    try:
        if isinstance(value, (bytes, bytearray, Mapping)):  # of which lists are numbers that nobody meant
            raise TypeError
        listed = list(value) if isinstance(value, Iterable) and not isinstance(value, np.ndarray) else value
        axis = np.atleast_1d(real(listed))
    except (TypeError, ValueError):
        axis = np.empty(0)
    if axis.ndim != 1 or axis.size == 0:
        raise ValueError(f"{name} is {shown(value)}, but a sweep takes a flat list of numbers; give e.g. [0.01, 0.1].")
    return axis
