"""One space of a chain: a vector for methods, any pytree for the user's functions."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.signatures import name_of
from thalweg.numerics.reading import first_line, real, shown, sides

if TYPE_CHECKING:
    from thalweg.chain.stages import Stage

COORDINATES = ("variant", "start", "step", "method", "rule")  # of every trace
RESERVED = ("x", "loss", *COORDINATES)  # names that no space after x may have


def abstract(f: Callable[..., Any], what: str, *arguments: Any) -> Any:
    """The shapes that f returns; a ValueError naming what f is where it is no function or cannot be traced."""
    if not callable(f):
        raise ValueError(f"{what} is {f!r}, but it must be a function; give the function and not its value.")
    name = name_of(f)
    what = what if name == "<lambda>" else f"{what}, {name},"
    try:
        # A function of its own for each trace: JAX keeps traces of f, and with them float32 copies of the arrays that f
        # closes over, which a later float64 run would be given instead of the arrays.
        result = jax.eval_shape(lambda *a: f(*a), *arguments)
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), result)
    except Exception as error:  # whatever the user's function raises, the sentence must name the function
        shapes = ", ".join(str(jax.tree.map(lambda leaf: leaf.shape, argument)) for argument in arguments)
        raise ValueError(
            f"{what} cannot take input of shape {' '.join(shapes.split())}; write it with jax.numpy for that shape "
            f"({type(error).__name__}: {first_line(error)})."
        ) from error


@final
@dataclass(frozen=True)
class Space:
    """A named space of ``size`` components, with the pytree of shapes that its points have outside."""

    name: str
    treedef: Any
    shapes: tuple[tuple[int, ...], ...]
    keys: tuple[str, ...]

    @classmethod
    def of(cls, name: str, tree: Any) -> Self:
        """The space of points like ``tree``. A list of numbers is a vector."""
        leaves, treedef = jax.tree_util.tree_flatten_with_path(_vectors(tree))
        shapes = tuple(tuple(np.shape(leaf)) for _, leaf in leaves)
        keys = tuple(jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in leaves)
        return cls(name, treedef, shapes, keys)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many components each leaf has."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def size(self) -> int:
        return sum(self.sizes)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A name for each component."""
        labels: list[str] = []
        for key, shape in zip(self.keys, self.shapes, strict=True):
            if not shape:
                labels.append(key or "0")
            else:
                indices = [",".join(map(str, index)) for index in np.ndindex(shape)]
                labels += [f"{key}[{index}]" if key else index for index in indices]
        return tuple(labels)

    def of_one(self) -> Self:
        """The space of one example, where points have a leading axis of examples."""
        return type(self)(self.name, self.treedef, tuple(shape[1:] for shape in self.shapes), self.keys)

    def leaves(self, tree: Any) -> list[np.ndarray]:
        """The arrays of a tree, in the order of the components, whatever their shapes."""
        return [np.asarray(leaf, float) for leaf in jax.tree.leaves(tree)]

    def ravel(self, tree: Any) -> Array:
        leaves = jax.tree.leaves(tree)
        return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves]) if len(leaves) != 1 else jnp.ravel(leaves[0])

    def tree(self, x: np.ndarray) -> Any:
        """A vector of NumPy as a point of the space."""
        parts = np.split(x, np.cumsum(self.sizes)[:-1])
        shaped = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return jax.tree.unflatten(self.treedef, shaped)

    def unravel(self, x: Array) -> Any:
        if len(self.shapes) == 1:
            return jax.tree.unflatten(self.treedef, [x.reshape(self.shapes[0])])
        ends = np.cumsum(self.sizes)[:-1]
        parts = jnp.split(x, ends.tolist())
        leaves = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        return jax.tree.unflatten(self.treedef, leaves)

    def ravel_point(self, point: Any, what: str, infinite: bool = False) -> np.ndarray:
        """A point given by a person as a float64 vector; ValueError where it does not fit, or is not finite, unless it
        may be ``infinite``."""
        try:
            leaves, treedef = jax.tree.flatten(_vectors(point))
            vector = np.concatenate([np.ravel(real(leaf)) for leaf in leaves])
            if vector.size == 0:
                raise ValueError("there is no number")
            if len(leaves) > 1 and any(np.asarray(leaf).dtype == bool for leaf in leaves):
                raise ValueError("a flag is no number")
        except (TypeError, ValueError) as error:
            raise ValueError(no_numbers(point, what, "a vector such as [3.0, 3.0]")) from error
        fits = treedef == self.treedef and tuple(np.shape(leaf) for leaf in leaves) == self.shapes
        if not (fits or (len(leaves) == 1 and vector.shape == (self.size,) == np.shape(leaves[0]))):
            given = [np.shape(leaf) for leaf in leaves] if len(leaves) != 1 else np.shape(leaves[0])
            raise ValueError(
                f"{what} has shape {given}, but {self.name} has shape ({self.size},); give a vector of that shape."
            )
        if not (infinite or np.all(np.isfinite(vector))):
            raise ValueError(
                f"{what} is {vector.tolist()}, but it must be finite; replace NaN and infinity by numbers."
            )
        return vector

    def ravel_box(self, box: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
        """(low, high) as two vectors, infinite where x is free, equal where it is fixed; ValueError unless low <= high
        in every component."""
        low, high = (
            np.full(self.size, float(side))
            if isinstance(side, (int, float, np.number))
            else self.ravel_point(side, "a side of the domain", infinite=True)
            for side in sides(box, self.size, "domain")
        )
        if not np.all((low <= high) & (low < np.inf) & (high > -np.inf)):
            raise ValueError(
                f"domain is ({low.tolist()}, {high.tolist()}), but low must be below high in every component, or equal "
                "where it is fixed."
            )
        return low, high

    def points(self) -> Any:
        """The shapes of a point, for tracing without values."""
        leaves = [jax.ShapeDtypeStruct(shape, jnp.result_type(float)) for shape in self.shapes]
        return jax.tree.unflatten(self.treedef, leaves)

    def after(self, stage: "Stage") -> Self:
        """The space that ``stage`` leads to from here; ValueError where it does not fit or its inverse does not lead
        back."""
        outcome = abstract(stage.forward, f"stage {stage.name!r}", self.points())
        if not jax.tree.leaves(outcome) or any(leaf.dtype.kind not in "fV" for leaf in jax.tree.leaves(outcome)):
            raise ValueError(f"stage {stage.name!r} returns {outcome}, but a stage maps real arrays to real arrays.")
        space = type(self).of(str(stage.name), outcome)
        if stage.inverse is not None:
            what = f"the inverse of stage {stage.name!r}"
            back = abstract(stage.inverse, what, space.points(), self.points())
            shapes = tuple(leaf.shape for leaf in jax.tree.leaves(back))
            if jax.tree.structure(back) != self.treedef or shapes != self.shapes:
                raise ValueError(
                    f"{what} returns shape {_shown(shapes)}, but the stage takes shape {_shown(self.shapes)}; "
                    "let inverse(y, x) return a point like x."
                )
        return space

    def check_loss(self, loss: Callable[..., Any], what: str = "the loss", *data: Any) -> None:
        """ValueError unless ``loss`` maps a point of this space, and ``data``, to one real number."""
        outcome = abstract(loss, what, self.points(), *data)
        shape = outcome.shape if isinstance(outcome, jax.ShapeDtypeStruct) else None
        if shape != () or outcome.dtype.kind not in "fV":
            given = f"a scalar of {outcome.dtype}" if shape == () else f"an array of shape {shape}"
            given = "no single array" if shape is None else given
            raise ValueError(f"{what} returns {given}, but gradients need one real scalar; sum over the components.")


def no_numbers(point: Any, what: str, example: str) -> str:
    """The sentence for a point that is no real numbers, which names the leaf that is none."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(point):
        try:
            number = real(leaf).size > 0 and np.asarray(leaf).dtype != bool
        except (TypeError, ValueError):
            number = False
        given = f"the function {name_of(leaf)}" if callable(leaf) and name_of(leaf) != "<lambda>" else shown(leaf)
        if not number and path and not isinstance(point, list | tuple):
            where = jax.tree_util.keystr(path, simple=True, separator=".")
            advice = "give a number there"
            if callable(leaf) or not isinstance(point, dict):
                advice = (
                    "give the arrays of a network alone, as eqx.partition(network, eqx.is_inexact_array)[0] of equinox "
                    "or nnx.split and init of flax do"
                )
            has = "have" if what.endswith("s") else "has"
            return f"{what} {has} {given} at {where!r}, which is no real number; {advice}."
        if not number and callable(leaf):
            return (
                f"{what} is {given}, but it must be real numbers; give the parameters of a network and not the "
                "network, such as module.init(key, x) of flax or the first part of eqx.partition."
            )
    given = f"{what} are {shown(point)}, but they" if what.endswith("s") else f"{what} is {shown(point)}, but it"
    return f"{given} must be real numbers; give {example}."


def _shown(shapes: tuple[tuple[int, ...], ...]) -> str:
    return str(shapes[0] if len(shapes) == 1 else shapes)


def _vectors(tree: Any) -> Any:
    """Lists and tuples of numbers as arrays, so that [3, 3] is one vector and not a pytree of two scalars."""

    def is_row(node: Any) -> bool:
        return isinstance(node, (list, tuple)) and all(isinstance(entry, (int, float, np.number)) for entry in node)

    return jax.tree.map(lambda node: np.asarray(node) if is_row(node) else node, tree, is_leaf=is_row)
