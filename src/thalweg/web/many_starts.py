"""Where many starts lead: a basin image of two components, and the losses that starts end with."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
import xarray as xr

from thalweg import analysis, starts
from thalweg.chain.problem import Problem
from thalweg.engine.endings import OUTCOMES
from thalweg.methods.method import Method
from thalweg.methods.sweeps import hyperparameters, variants
from thalweg.verbs.solve import solve
from thalweg.verbs.trace import variant_coordinates
from thalweg.web.bounds import MOST_VARIANTS
from thalweg.web.scene import Scene, box, whole
from thalweg.web.shelf import CURVED, Shelf

SIDE = 256  # starts along each side of an image
COARSE = 64  # up to which an image comes at once, without Hessians at its ends
MOST_STARTS = 10_000
MOST_STEPS = 10_000
NUMBERS = 5_000_000  # of x, over all fits
LISTED = 300  # basins whose ends are marked
WRITTEN = 4  # components of an end that a table has
Tell = Callable[[int, int], bool]


def listed(shelf: Shelf, scene: Scene, more: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The variants of all methods by their names, and the method of each."""
    known = variant_coordinates(several(scene))
    return {"variants": list(known["variant"]), "method": [str(name) for name in known["method"][1]]}


def several(scene: Scene) -> dict[str, Method]:
    """The methods, no more than a page tells apart."""
    methods = scene.chosen()
    many = sum(map(variants, methods.values()))
    if many > MOST_VARIANTS:
        raise ValueError(f"the methods have {many} values, but a page shows {MOST_VARIANTS}; give fewer.")
    return methods


def region(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """The box that starts are drawn from: the domain where it is finite, else around the start and the minima."""
    if problem.domain is not None:
        low, high = (np.broadcast_to(np.asarray(side, float), (problem.dimension,)) for side in problem.domain)
        if np.isfinite([low, high]).all():
            return low, high
    known = np.array([problem.start, *problem.minima], float).reshape(-1, problem.dimension)
    low, high = known.min(axis=0), known.max(axis=0)
    room = np.maximum(high - low, np.maximum(np.abs(low), 1.0))
    return low - room / 2, high + room / 2


def drawn(problem: Problem, more: Mapping[str, Any], most: int, key: int, many: int = 1) -> tuple[str, np.ndarray]:
    """As many random starts as ``count`` says, for each of so many variants; and the call of ``starts`` for them."""
    count, held = whole(more.get("count"), "count", 1, most), NUMBERS // (problem.dimension * many)
    if count > held:
        raise ValueError(f"count is {count}, but a page holds {held} starts of this problem; give at most so many.")
    box = region(problem)
    return f"uniform({_said(*box)}, {count}, key={key})", starts.uniform(box, count, key)


def _said(low: np.ndarray, high: np.ndarray) -> str:
    return f"({low.tolist()!r}, {high.tolist()!r})"


def begin(problem: Problem, scene: Scene, more: Mapping[str, Any]) -> tuple[str, np.ndarray]:
    """``grid`` x ``grid`` starts in a ``box`` of two components, or ``count`` random ones; and the call for them."""
    if problem.dimension != 2:
        return drawn(problem, more, MOST_STARTS, scene.key)
    side, given = whole(more.get("grid"), "grid", 8, SIDE), more.get("box")
    box_of = region(problem) if given is None else tuple(np.array(box(given, "box", 2)).T)
    return f"grid({_said(*box_of)}, {side})", starts.grid(box_of, side)


def fits_of(shelf: Shelf, scene: Scene, more: Mapping[str, Any], tell: Tell) -> xr.Dataset:
    """Where one ``variant`` leads from ``grid`` x ``grid`` starts in a ``box``, or from ``count`` random ones."""
    problem = shelf.problem(scene.problem)
    name, method = one_of(scene, more)
    steps = whole(more.get("max_steps"), "max_steps", 1, MOST_STEPS)
    _, points = begin(problem, scene, more)
    return solve(problem, {name: method}, points, max_steps=steps, key=scene.key, dtype=scene.dtype, progress=tell)


def reached(shelf: Shelf, scene: Scene, more: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """The basins of these fits, and how they ended."""
    problem, fits = shelf.problem(scene.problem), fits_of(shelf, scene, more, tell)
    points = fits["first_x"].values
    side = round(len(points) ** 0.5) if problem.dimension == 2 else 0
    sides = list(zip(points[0], points[-1], strict=True)) if side else []
    if "interrupted" in fits.attrs or not tell(len(points), len(points)):
        return {"interrupted": True}
    hessians = problem.dimension <= CURVED and not 0 < side <= COARSE
    return {
        "variant": str(fits["variant"].values[0]),
        "sides": [np.linspace(low, high, side) for low, high in sides],
        "box": [[float(low), float(high)] for low, high in sides],
        "region": [side[:WRITTEN] for side in region(problem)],
        "end": fits["x"].values[0] if side else np.empty((0, 2)),
        "loss": fits["loss"].values[0].astype(float),
        "steps": fits["steps"].values[0].astype(np.int32),
        "outcome": fits["outcome"].values[0].astype(np.uint8),
        "outcomes": list(OUTCOMES),
        "seconds": float(fits.attrs["run_seconds"]),
        **_basins(fits, problem if hessians else None),
        **ranked(fits, 0),
    }


def one_of(scene: Scene, more: Mapping[str, Any]) -> tuple[str, Method]:
    """The variant with the number ``variant`` of all, by its name."""
    methods = several(scene)
    names = list(variant_coordinates(methods)["variant"])
    number = whole(more.get("variant", 0), "variant", 0, len(names) - 1)
    each = [(method, i) for method in methods.values() for i in range(variants(method))]
    method, at = each[number]
    swept = any(leaf.ndim for leaf in hyperparameters(method).values())
    return names[number], jax.tree.map(lambda leaf: leaf[at] if np.ndim(leaf) else leaf, method) if swept else method


def _basins(fits: xr.Dataset, problem: Problem | None) -> dict[str, Any]:
    """Which end each start reaches, and the ends; where none is reached, why."""
    try:
        found = analysis.basins(fits, problem=problem)
    except ValueError as error:
        none = np.empty(0)
        label = np.full(fits.sizes["start"], -1, np.int32)
        empty = {"ends": np.empty((0, 1)), "losses": none, "shares": none, "kinds": [], "entropies": none}
        return {"label": label, "many": 0, "lost": str(error), **empty}
    kinds = [word.replace("_", " ") for word in found["kind"].attrs["flag_meanings"].split()]
    return {
        "label": found["label"].values[0],
        "many": found.sizes["basin"],
        "lost": "",
        "ends": found["end"].values[:LISTED, :WRITTEN].astype(float),
        "losses": found["loss"].values[:LISTED].astype(float),
        "shares": found["share"].values[0, :LISTED],
        "kinds": [kinds[code] for code in found["kind"].values[:LISTED]],
        "entropies": np.array([float(found[f"{kind}_entropy"][0]) for kind in ("basin", "boundary")]),
    }


def ranked(fits: xr.Dataset, variant: int) -> dict[str, np.ndarray]:
    """The starts of a variant in the order of their losses, and which of them have the lowest of all."""
    found = analysis.waterfall(fits)
    return {
        "order": found["start"].values[variant].astype(np.int32),
        "level": found["level"].values[variant].astype(np.uint8),
    }
