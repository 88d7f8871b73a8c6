"""The examples of a problem's data: how many there are, and the first of them."""

from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import jax
import numpy as np

from thalweg.numerics.reading import shown, whole


@final
@dataclass(frozen=True)
class Examples:
    """What a chain is written for: each of ``count`` examples of the data where it is ``mapped`` over them, so that all
    spaces but x have a leading axis of examples; else one, and no axis of them."""

    count: int = 1
    mapped: bool = False


@runtime_checkable
class _Convertible(Protocol):
    """What NumPy makes an array of: a table of pandas, a tensor."""

    def __array__(self) -> np.ndarray: ...


def arrays(data: Any) -> Any:
    """Data as functions get them: lists of numbers are arrays; ValueError for tables, tensors and arrays of texts."""

    def one(path: Any, leaf: Any) -> Any:
        where = f" at {name!r}" if (name := jax.tree_util.keystr(path, simple=True, separator=".")) else ""
        if isinstance(leaf, list):
            return np.asarray(leaf)
        if isinstance(leaf, jax.Array | np.generic):
            return leaf
        kind = f"a {type(leaf).__module__.partition('.')[0]} {type(leaf).__name__}"
        if isinstance(leaf, np.ndarray):
            if leaf.dtype.kind not in "OSUMm":
                return leaf
            kind = f"an array of {leaf.dtype}"
        elif not isinstance(leaf, _Convertible):
            return leaf
        raise ValueError(
            f"data has {kind}{where}, but functions compute with arrays of numbers; give NumPy arrays, such as "
            "{'t': table['t'].to_numpy()} of a table."
        )

    return jax.tree_util.tree_map_with_path(one, data, is_leaf=_is_numbers)


def _is_numbers(node: Any) -> bool:
    """Whether it is a list of numbers, or of such lists."""
    return isinstance(node, list) and bool(node) and all(isinstance(n, int | float) or _is_numbers(n) for n in node)


def check_axis(data: Any, what: str = "data") -> None:
    """ValueError unless all arrays have one leading axis, of the same length, of examples."""
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(data)}
    if len(lengths) != 1 or lengths & {(), (0,)}:
        has = "have" if what.endswith("s") else "has"
        raise ValueError(
            f"{what} {has} {ends(data) or shown(data)}, but every example has its row of every array; give arrays with "
            "one leading axis of examples, of the same length."
        )


def ends(data: Any) -> str:
    """The shortest and the longest leading axis, and whose they are; nothing where all are alike and not empty."""
    leaves = jax.tree_util.tree_leaves_with_path(data)
    named = [(np.shape(leaf)[:1], jax.tree_util.keystr(path, simple=True, separator=".")) for path, leaf in leaves]
    two = [min(named), max(named)] if named else []
    if not two or (two[0][0] == two[1][0] and two[0][0] not in ((), (0,))):
        return ""
    told = [f"{axis[0] if axis else 'no'} row{'' if axis == (1,) else 's'} at {name!r}" for axis, name in two]
    return " and ".join(dict.fromkeys(told))


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
