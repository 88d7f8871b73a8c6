"""The trace of a run: one xarray.Dataset with every path in every space."""

import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import version
from threading import Thread
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from thalweg.chain.batches import shown
from thalweg.chain.space import Space
from thalweg.engine.plan import Task
from thalweg.methods.method import called
from thalweg.methods.sweeps import hyperparameters, variants
from thalweg.verbs.version import __version__

if TYPE_CHECKING:
    import xarray as xr

# The space whose units each variable of fits has.
UNITS = {"x": "x", "first_x": "x", "last_x": "x", "loss": "loss", "last_loss": "loss"}


MOST_LABELS = 10_000  # components of a space that have names; of more, names weigh 20 times what x does


def _label(name: str, values: dict[str, np.ndarray], i: int) -> str:
    """The method's name, with the values that are swept."""
    swept = [f"{key}={value[i]:.6g}" for key, value in values.items() if value.ndim and value.size > 1]
    return " ".join([name, *swept])


def variant_coordinates(methods: Mapping[str, Any]) -> dict[str, Any]:
    """``variant``, ``method``, ``rule`` and one coordinate per hyperparameter, NaN where a method has none."""
    names: list[str] = []
    rules: list[str] = []
    labels: list[str] = []
    columns: dict[str, np.ndarray] = {}
    total = sum(variants(method) for method in methods.values())
    for name, method in methods.items():
        values, many, at = hyperparameters(method), variants(method), len(labels)
        for key, value in values.items():
            column = columns.setdefault(key, np.full(total, np.nan))
            column[at : at + many] = value
        labels += [_label(name, values, i) for i in range(many)]
        names += [name] * many
        rules += [" ".join(called(method))] * many
    if len(set(labels)) < total:  # values that print alike
        labels = [f"{label} #{i}" if labels.count(label) > 1 else label for i, label in enumerate(labels)]
    return {
        "variant": labels,
        "method": ("variant", names),
        "rule": ("variant", rules),
        **{key: ("variant", column) for key, column in columns.items()},
    }


@cache
def fetch_xarray() -> None:
    """Import xarray, with pandas a third of a second, while XLA compiles the first programs."""
    Thread(target=import_module, args=("xarray",)).start()


@cache
def _versions() -> dict[str, str]:
    others = {f"{package}_version": version(package) for package in ("jax", "optax", "numpy")}
    return {"thalweg_version": __version__, **others}


def history(task: Task, began: float, compiled: float, **more: Any) -> dict[str, Any]:
    """What a Dataset tells of the call that made it, by the times at which it began and all was compiled."""
    seconds = {"compile_seconds": compiled - began, "run_seconds": time.perf_counter() - compiled}
    return {
        "problem": task.problem.name,
        "dtype": task.dtype.name,
        "key": task.key,
        "projected": task.projected,
        **more,
        **seconds,
        **_versions(),
    }


def assemble(
    task: Task,
    steps: Mapping[str, np.ndarray],
    blocks: Mapping[str, Any],
    attributes: Mapping[str, Any],
) -> "xr.Dataset":
    """The trace from blocks of shape (variants, starts, rows, …) at the ``steps`` of each, of which nothing is copied.

    Dims ``variant, start, step`` and one ``<space>_dim`` per space of the chain and per vector observer; and
    ``<space>_step`` for ``step`` where there are fewer rows of a space than of others.
    """
    coordinates: dict[str, Any] = variant_coordinates(task.methods)
    every = max(steps.values(), key=len)
    coordinates["step"] = every
    spaces = {space.name: space for space in shown(task.problem).chain.spaces}
    data = {}
    for name, block in blocks.items():
        step = "step" if len(steps[name]) == len(every) else f"{name}_step"
        coordinates[step] = steps[name]
        dims = ("variant", "start", step) + ((f"{name}_dim",) if block.ndim == 4 else ())
        data[name] = (dims, block, {"units": task.problem.units.get(name, "")})
        if block.ndim == 4:
            size = block.shape[3]
            coordinates[f"{name}_dim"] = component_labels(spaces[name]) if name in spaces else numbered(size)
    coordinates["start"] = np.arange(len(task.points))
    import xarray as xr

    return xr.Dataset(data, coordinates, attributes)


def component_labels(space: Space) -> list[str] | np.ndarray:
    """A name for each component, or their numbers where names would weigh more than the values."""
    return list(space.labels) if space.size <= MOST_LABELS else np.arange(space.size)


def numbered(size: int) -> list[str] | np.ndarray:
    return [str(i) for i in range(size)] if size <= MOST_LABELS else np.arange(size)


def assemble_fits(
    task: Task,
    columns: Mapping[str, np.ndarray],
    flags: Mapping[str, Sequence[str]],
    kinds: Sequence[str],
    attributes: Mapping[str, Any],
) -> "xr.Dataset":
    """What ``solve`` found, from columns of one entry for each item: variant, case if any, and start.

    Dims are these, ``x_dim`` and ``evaluation``, of which there are these ``kinds``. ``flags`` names the values of
    columns that hold codes. The starts are viewed, not copied, but for those that lie outside of a domain that all
    methods keep to.
    """
    coordinates: dict[str, Any] = variant_coordinates(task.methods)
    sizes = {"variant": len(coordinates["variant"]), "start": task.points.shape[-2]}
    if task.cases is not None:
        sizes = {"variant": sizes["variant"], "case": len(jax.tree.leaves(task.cases)[0]), "start": sizes["start"]}
    vectors = {"x": "x_dim", "last_x": "x_dim", "evaluations": "evaluation"}
    units = {name: task.problem.units.get(space, "") for name, space in UNITS.items()}
    data = {}
    for name, column in columns.items():
        dims = (*sizes, *([vectors[name]] if name in vectors else []))
        described: dict[str, Any] = {"units": units[name]} if name in units else {}
        if name in flags:
            described["flag_values"] = np.arange(len(flags[name]), dtype=column.dtype)
            described["flag_meanings"] = " ".join(flags[name])
        data[name] = (dims, column.reshape(*sizes.values(), *column.shape[1:]), described)
    first = task.begun(next(iter(task.methods))) if task.keeps else task.points
    own = ["case"] * (first.ndim - 2)
    data["first_x"] = ((*own, "start", "x_dim"), first, {"units": units["first_x"]})
    coordinates |= {"x_dim": component_labels(task.problem.chain.spaces[0]), "evaluation": list(kinds)}
    coordinates |= {dim: np.arange(size) for dim, size in sizes.items() if dim != "variant"}
    import xarray as xr

    return xr.Dataset(data, coordinates, attributes)
