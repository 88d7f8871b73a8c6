"""What a person gave, read once into a ``Task``: methods by name, starts as an array, precision, observers, data."""

from collections.abc import Iterable, Mapping, Sequence
from inspect import isclass, isfunction
from typing import Any

import jax
import numpy as np

from thalweg.chain.examples import count
from thalweg.chain.problem import Problem
from thalweg.chain.space import COORDINATES, no_numbers
from thalweg.chain.stages import Tabled
from thalweg.engine.plan import Task
from thalweg.engine.recording import Observer
from thalweg.methods.method import Method, called
from thalweg.methods.sweeps import hyperparameters
from thalweg.numerics.precision import alike, precision
from thalweg.numerics.reading import first_line, nearest, real, whole
from thalweg.numerics.sharding import divided


def task(
    verb: str,
    problem: Any,
    methods: Any,
    starts: Any,
    *,
    cases: Any = None,
    key: Any = 0,
    dtype: Any = None,
    half: bool = False,
    double: bool = False,
) -> Task:
    """What was given, as a task; ``half`` allows the short precisions, and ``double`` makes float64 the usual one.
    ValueError for what is not what it should be."""
    if not isinstance(problem, Problem):
        raise ValueError(
            f"{verb} was given a {type(problem).__name__}, but it takes a Problem; "
            "write Problem(*stages, loss=…, start=…)."
        )
    key = whole(key, "key", 0)
    named, kind = named_methods(verb, methods), precision(dtype, half, double)
    _check_columns(problem, cases, kind)
    with jax.enable_x64(kind == np.float64):
        data = data_sets(problem, cases, kind)
    points = starting_points(problem, starts, kind, 0 if data is None else count(data)).astype(kind)
    sharding = problem.sharding if starts is None else divided(starts, min(np.ndim(jax.tree.leaves(starts)[0]) - 1, 1))
    return Task(verb, problem, named, points, data, key, kind, sharding)


def named_methods(verb: str, methods: Any) -> dict[str, Method]:
    """Methods by name; the names that a person leaves out are those of their classes or rules."""
    if isinstance(methods, Mapping):
        named = {str(name): method for name, method in methods.items()}
    else:
        several: list[Any] = (
            list(methods) if isinstance(methods, Sequence) and not isinstance(methods, str) else [methods]
        )
        kinds = [m.__name__ if isfunction(m) or isclass(m) else called(m)[0] for m in several]
        named = {
            k if kinds.count(k) == 1 else f"{k} {i}": m for i, (k, m) in enumerate(zip(kinds, several, strict=True))
        }
    if not named:
        raise ValueError(
            f"{verb} was given no method, but it needs at least one; "
            "give e.g. methods.gradient_descent(learning_rate=0.01)."
        )
    for name, method in named.items():
        if isinstance(method, type) or not isinstance(method, Method):
            raise ValueError(
                f"method {name!r} is {method!r}, but a method has init and step; "
                "give an instance such as Newton(learning_rate=1.0)."
            )
        sizes = {leaf.size for leaf in hyperparameters(method).values() if leaf.ndim}
        if len(sizes) > 1 or any(leaf.ndim > 1 for leaf in hyperparameters(method).values()):
            raise ValueError(f"method {name!r} has stacked hyperparameters of different shapes; make them with sweep.")
    return named


def starting_points(problem: Problem, starts: Any, dtype: np.dtype, cases: int = 0) -> np.ndarray:
    """Starts as an array (n, d) of numbers that are finite in ``dtype``, or (cases, n, d) where each has its own."""
    space = problem.chain.spaces[0]
    try:
        given = problem.start if starts is None else starts
        alike = jax.tree.structure(given) == space.treedef
        leaves = [real(leaf) for leaf in (jax.tree.leaves(given) if alike else [given])]
    except (TypeError, ValueError) as error:
        raise ValueError(no_numbers(starts, "starts", f"an array of shape (n, {space.size})")) from error
    if len(leaves) == 1 and leaves[0].shape == (space.size,):
        leaves = [leaves[0][None]]
    shapes = space.shapes if alike else ((space.size,),)
    apart = cases > 0 and [leaf.shape[:1] + leaf.shape[2:] for leaf in leaves] == [(cases, *shape) for shape in shapes]
    leaves = [leaf.reshape(-1, *leaf.shape[2:]) for leaf in leaves] if apart else leaves
    counts = {leaf.shape[:1] for leaf in leaves}
    if len(counts) != 1 or counts & {(), (0,)} or sum(leaf[0].size for leaf in leaves) != space.size:
        shapes = [leaf.shape for leaf in leaves]
        raise ValueError(
            f"starts have shape {shapes[0] if len(shapes) == 1 else shapes}, but a point of {problem.name!r} has shape "
            f"({space.size},); give an array of shape (n, {space.size})."
        )
    points = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)
    with np.errstate(over="ignore"):
        finite = np.isfinite(points.astype(dtype)).all(axis=1)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(
            f"start {first} is {points[first].tolist()}, which is not finite in {dtype.name}; "
            "give finite numbers, and dtype='float64' for very large ones."
        )
    return points.reshape(cases, -1, space.size) if apart else points


def _check_columns(problem: Problem, cases: Any, kind: np.dtype) -> None:
    """ValueError for numbers that the data tell apart and ``kind`` does not."""
    tables = [stage.forward.predictors for stage in problem.stages if isinstance(stage.forward, Tabled)]
    together = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]) if np.ndim(leaf) > 1 else leaf, cases)
    for path, leaf in jax.tree_util.tree_flatten_with_path([*tables, problem.data, together])[0]:
        finer = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" and leaf.dtype.itemsize > kind.itemsize
        if finer and leaf.size and (pair := alike(leaf, kind)):
            name = jax.tree_util.keystr(path[1:], simple=True, separator=".") or "the data"
            raise ValueError(
                f"{name!r} has {pair[0]!r} and {pair[1]!r}, which are the same number in {kind.name}; give "
                "dtype='float64', or subtract what all values have in common."
            )


def observers(problem: Problem, methods: dict[str, Method], record: Any) -> tuple[tuple[str, Observer], ...]:
    """Observers by names that nothing else in the trace has."""
    if not isinstance(record, Mapping):
        record = [record] if callable(record) or isinstance(record, str) else record
        record = [(getattr(f, "__name__", ""), f) for f in record]
    pairs = tuple(record.items() if isinstance(record, Mapping) else record)
    for name, f in pairs:
        if not callable(f) or not str(name).isidentifier():
            raise ValueError(
                f"record has {name!r}: {f!r}, but an observer is a function (problem, x) with a name; "
                "give e.g. record={'gradient_norm': f}."
            )
    names = [space.name for space in problem.chain.spaces] + ["loss"] + [name for name, _ in pairs]
    taken = set(COORDINATES).union(*(hyperparameters(method) for method in methods.values()))
    for name in names:
        if names.count(name) > 1 or name in taken.union(f"{other}_dim" for other in names):
            raise ValueError(
                f"{name!r} would be two things in the trace, which has "
                f"{', '.join(dict.fromkeys([*names, *sorted(taken)]))}; give the observer or the stage another name."
            )
    return pairs


def recorded_spaces(problem: Problem, spaces: Any) -> dict[str, int]:
    """Which spaces to record, in the order of the chain, and each how many-th row of all."""
    known = [*(space.name for space in problem.chain.spaces), "loss"]
    if spaces is None:
        return dict.fromkeys(known, 1)
    if isinstance(spaces, str) or not isinstance(spaces, Iterable):
        raise ValueError(f"spaces is {spaces!r}, but it is a list of names or a dict; give e.g. ['loss'].")
    for name in spaces:
        if name not in known:
            raise ValueError(nearest(str(name), known, "a space that can be recorded"))
    strides = spaces if isinstance(spaces, Mapping) else dict.fromkeys(spaces, 1)
    return {name: whole(strides[name], f"the stride of {name!r}", 1) for name in known if name in strides}


def data_sets(problem: Problem, given: Any, dtype: np.dtype) -> Any:
    """Data sets as a pytree of arrays with one leading axis, numbers in ``dtype``; None without."""
    if given is None:
        return None
    if not problem.takes_data:
        raise ValueError(
            f"cases were given, but no function of {problem.name!r} asks for data; let a stage take (x, data) or the "
            "loss (y, data)."
        )
    try:
        data = jax.tree.map(lambda leaf: leaf if np.asarray(leaf).dtype.kind in "biu" else real(leaf), given)
        data = jax.tree.map(lambda leaf: np.asarray(leaf, dtype if leaf.dtype.kind == "f" else None), data)
        counts = {leaf.shape[:1] for leaf in jax.tree.leaves(data)}
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"cases cannot be read ({first_line(error)}); give arrays of numbers with one leading axis."
        ) from error
    if len(counts) != 1 or counts & {(), (0,)}:
        shapes = [leaf.shape for leaf in jax.tree.leaves(data)]
        raise ValueError(
            f"cases have the shapes {shapes}, but all arrays share a leading axis, one entry for each data set; "
            "stack the data sets."
        )
    return data
