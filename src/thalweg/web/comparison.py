"""All methods from the same random starts: how many reach the lowest loss, and at what cost."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from thalweg import analysis
from thalweg.chain.problem import Problem
from thalweg.engine.endings import OUTCOMES
from thalweg.methods.method import Method
from thalweg.methods.sweeps import variants
from thalweg.verbs.run import run
from thalweg.verbs.solve import solve
from thalweg.web.many_starts import MOST_STEPS, Tell, drawn, several
from thalweg.web.scene import Scene, whole
from thalweg.web.shelf import Shelf

MOST_STARTS = 2000
LOSSES = 5_000_000  # that paths record
POINTS = 600  # of a curve
TARGETS = np.logspace(0, -8, 51)  # parts of the way from where half of the starts begin down to the lowest loss
ENDS = OUTCOMES[:4]  # of fits
KEPT = ["x", "loss", "gradient_norm", "steps", "evaluations", "outcome"]
Verb = Callable[[Mapping[str, Method], Tell], xr.Dataset]


def fits_of(shelf: Shelf, scene: Scene, more: Mapping[str, Any], tell: Tell) -> tuple[xr.Dataset | None, list[str]]:
    """Fits of all methods from ``count`` random starts, and why some are left out; None where they were ended."""
    problem, methods, begin, steps = _asked(shelf, scene, more)

    def finish(chosen: Mapping[str, Method], progress: Tell) -> xr.Dataset:
        given = {"max_steps": steps, "key": scene.key, "dtype": scene.dtype, "progress": progress}
        return solve(problem, chosen, begin, **given)

    return _together(finish, methods, tell, KEPT)


def compared(shelf: Shelf, scene: Scene, more: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """A row of the table for each variant, the losses of its fits in order, and the performance profiles."""
    fits, left = fits_of(shelf, scene, more, tell)
    if fits is None or not tell(1, 1):
        return {"interrupted": True}
    found = analysis.waterfall(fits)
    level = np.zeros(found["level"].shape, bool)
    np.put_along_axis(level, found["start"].values, found["level"].values, axis=1)
    counted = fits["evaluations"].values
    evaluations = np.where((counted < 0).any(axis=2), np.nan, counted.sum(axis=2))
    costs = {"steps": fits["steps"].values.astype(float), "evaluations": evaluations}
    losses = np.where(np.isfinite(fits["loss"].values), fits["loss"].values.astype(float), np.inf)
    return {
        "variants": [str(name) for name in fits["variant"].values],
        "left": left,
        "count": fits.sizes["start"],
        "reached": level.mean(axis=1),
        "outcomes": np.stack([(fits["outcome"].values == code).sum(axis=1) for code in range(len(ENDS))], axis=1),
        "ends": list(ENDS),
        **{name: np.median(values, axis=1) for name, values in costs.items()},
        "best": losses.min(axis=1),
        "loss": found["loss"].values.astype(float),
        "level": found["level"].values.astype(np.uint8),
        "profiles": {name: _profile(values, level, name) for name, values in costs.items()},
    }


def runtimes(shelf: Shelf, scene: Scene, more: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The share of pairs of a start and a target that each variant reaches within so many steps, of as many of the
    starts of ``compared`` as can be recorded."""
    problem, methods, begin, steps = _asked(shelf, scene, more)
    many = sum(map(variants, methods.values()))
    begin = begin[: max(1, LOSSES // (many * (steps + 1)))]

    def watch(chosen: Mapping[str, Method], progress: Tell) -> xr.Dataset:
        given = {"spaces": ["loss"], "key": scene.key, "dtype": scene.dtype, "progress": progress}
        return run(problem, chosen, begin, steps, **given)

    trace, _ = _together(watch, methods, tell, ["loss"])
    if trace is None or not tell(len(begin), len(begin)):
        return {"interrupted": True}
    loss = trace["loss"].values.astype(float)
    loss[~np.isfinite(loss)] = np.nan
    if np.isnan(loss).all():
        raise ValueError("no loss on any path is finite, so no target is reached; choose other methods or a domain.")
    lowest, first = np.nanmin(loss), np.nanmedian(loss[:, :, 0])
    share = analysis.ecdf(trace, list(lowest + (first - lowest) * TARGETS))
    at = _thinned(share["step"].values)
    names = [str(name) for name in trace["variant"].values]
    return {"variants": names, "step": at, "share": share.sel(step=at, method="ffill").values, "count": len(begin)}


def random(
    problem: Problem, scene: Scene, more: Mapping[str, Any], methods: Mapping[str, Method]
) -> tuple[str, np.ndarray]:
    """The starts of all variants, and the call of ``starts`` for them."""
    return drawn(problem, more, MOST_STARTS, scene.key, sum(map(variants, methods.values())))


def _asked(shelf: Shelf, scene: Scene, more: Mapping[str, Any]) -> tuple[Any, dict[str, Method], np.ndarray, int]:
    problem, methods = shelf.problem(scene.problem), several(scene)
    _, begin = random(problem, scene, more, methods)
    return problem, methods, begin, whole(more.get("max_steps"), "max_steps", 1, MOST_STEPS)


def _together(
    verb: Verb, methods: Mapping[str, Method], tell: Tell, kept: list[str]
) -> tuple[xr.Dataset | None, list[str]]:
    """What a verb gives of all methods, and why some are left out; None where it was ended."""
    try:
        found = verb(methods, tell)
        return (None if "interrupted" in found.attrs else found[kept]), []
    except ValueError:
        if len(methods) == 1:
            raise
    parts, left = [], []
    for name, method in methods.items():
        try:
            found = verb({name: method}, tell)
        except ValueError as error:
            left.append(f"{name.replace('_', ' ')} is left out: {error}")
            continue
        if "interrupted" in found.attrs:
            return None, left
        parts.append(found)
    if not parts:
        raise ValueError(left[0].partition(": ")[2])
    return joined(parts, kept), left


def joined(parts: Sequence[xr.Dataset], kept: list[Any]) -> xr.Dataset:
    """The variants of several Datasets in one, without the hyperparameters, which differ."""
    plain = [
        part[kept].drop_vars([name for name in part.coords if name not in part.dims], errors="ignore") for part in parts
    ]
    together: Any = xr.concat(plain, "variant", combine_attrs="override")
    return together


def _profile(costs: np.ndarray, level: np.ndarray, words: str) -> dict[str, Any]:
    """The performance profile of the variants whose cost is counted (``rows``), a start being solved where it reached
    the lowest loss; a fit of no step costs as one does."""
    rows = np.flatnonzero(np.isfinite(costs).all(axis=1))
    if not len(rows):
        return {"rows": rows.astype(np.int32), "ratio": np.ones(1), "share": np.empty((0, 1))}
    solved = np.where(level, np.maximum(costs, 1), np.inf)[rows].T
    table = xr.DataArray(solved, {"problem": np.arange(len(solved)), "solver": rows}, ("problem", "solver"))
    share = analysis.performance_profile(table, words)
    at = _thinned(share["ratio"].values)
    values = share.sel(ratio=at, method="ffill").values
    return {"rows": rows.astype(np.int32), "ratio": at.astype(float), "share": values}


def _thinned(at: np.ndarray) -> np.ndarray:
    """Where a curve rises, at most so many places, evenly among them."""
    return at if len(at) <= POINTS else at[np.linspace(0, len(at) - 1, POINTS).round().astype(int)]
