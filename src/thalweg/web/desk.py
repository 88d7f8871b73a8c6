"""What one page has before it: the last run, and the views that are asked of it."""

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import xarray as xr

from thalweg import analysis
from thalweg.analysis.components import names_of
from thalweg.analysis.theory import limit, variants_of
from thalweg.chain.problem import Problem
from thalweg.methods.sweeps import variants
from thalweg.numerics.reading import nearest
from thalweg.verbs.run import run
from thalweg.web import comparison, many_starts
from thalweg.web.bounds import MOST_VARIANTS
from thalweg.web.catalogue import catalogue
from thalweg.web.lessons import Lessons
from thalweg.web.panes import Cut, Pane, at, cut_through, framed, ground, panes, points
from thalweg.web.regressions import Fits
from thalweg.web.scene import Scene, box, numbers, whole
from thalweg.web.script import script
from thalweg.web.shelf import Shelf, facts
from thalweg.web.step_sizes import StepSizes

NUMBERS = 5_000_000  # that one run of a page may record
Tell = Callable[[int, int], bool]  # (done, total) -> whether to go on
View = dict[str, Any]  # plain values, and arrays


@final
class Desk:
    """Answers what a page asks, one question at a time."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._last: tuple[Scene, xr.Dataset] | None = None
        self._cuts: dict[Scene, Cut] = {}
        fits, lessons, sizes = Fits(), Lessons(), StepSizes(shelf)
        self.files: dict[str, tuple[str, Callable[[Scene, Mapping[str, Any], Tell], xr.Dataset | None]]] = {
            "paths": ("trace.nc", lambda scene, _, tell: self.trace(scene, tell)),
            "many starts": ("fits.nc", partial(many_starts.fits_of, shelf)),
            "step size": ("bifurcation.nc", lambda *asked: sizes.diagram(*asked)[-1]),
            "compare": ("fits.nc", lambda *asked: comparison.fits_of(shelf, *asked)[0]),
            "fit": ("fits.nc", lambda *_: fits.last),
            "train": ("trace.nc", lessons.together),
        }
        self.questions: dict[str, Callable[[Scene, Mapping[str, Any], Tell], View]] = {
            "bifurcation": sizes.bifurcation,
            "code": self.code,
            "columns": fits.columns,
            "compare": partial(comparison.compared, shelf),
            "facts": self.facts,
            "file": self.file,
            "fit": fits.fit,
            "ground": self.ground,
            "lesson": lessons.lesson,
            "losses": sizes.losses,
            "lyapunov": sizes.lyapunov,
            "moves": lessons.moves,
            "numbers": sizes.numbers,
            "pace": lessons.pace,
            "paths": self.paths,
            "problem": self.problem,
            "runtimes": partial(comparison.runtimes, shelf),
            "starts": partial(many_starts.reached, shelf),
            "table": self.table,
            "train": lessons.train,
            "variants": partial(many_starts.listed, shelf),
        }

    def problem(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """What is known of the problem."""
        problem = self.shelf.problem(scene.problem)
        return {
            "name": problem.name,
            "dimension": problem.dimension,
            "components": names_of(problem)[:50],
            "start": np.asarray(problem.start, float),
            "minima": np.asarray(problem.minima, float).reshape(-1, problem.dimension)[:50],
            "units": dict(problem.units),
            "spaces": [place.name for place in problem.chain.spaces],
            "panes": [pane._asdict() for pane in panes(problem)],
            "problems": self.shelf.names(),
            "methods": catalogue(),
        }

    def paths(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """The paths of all variants in all panes, and their losses."""
        problem, trace = self.shelf.problem(scene.problem), self.trace(scene, tell)
        every = panes(problem)
        cut = self._cut(scene, problem, trace) if any(pane.kind == "cut" for pane in every) else None
        shown = []
        for pane in every:
            on, off = points(pane, trace, cut)
            shown.append({"points": on, "off": off, "box": framed(problem, pane, on, cut)})
        return {
            "variants": [str(name) for name in trace["variant"].values],
            "method": [str(name) for name in trace["method"].values],
            "panes": shown,
            "loss": trace["loss"].values[:, 0].astype(float),
            "limits": np.array([limit(rule, known) for rule, known in variants_of(trace)], float),
            "seconds": float(trace.attrs["run_seconds"]),
            "interrupted": "interrupted" in trace.attrs,
        }

    def table(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """One row for each variant: who won, and how each ended."""
        with np.errstate(all="ignore"):
            found = analysis.table(self.trace(scene, tell), self.shelf.problem(scene.problem))
        texts = {name: [str(value) for value in found[name]] for name in found if found[name].dtype.kind not in "fiu"}
        rest = {str(name): found[name].to_numpy(float) for name in found if name not in texts}
        return {"variants": [str(name) for name in found.index], "columns": [*map(str, found)], **texts, **rest}

    def ground(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """The loss over the ``box`` of the pane with the number ``pane``."""
        problem = self.shelf.problem(scene.problem)
        pane, cut = self._pane(scene, more, tell)
        sides = box(more.get("box"), "box", 1 if pane.kind == "line" else 2)
        return {"box": [list(side) for side in sides], **ground(problem, pane, sides, cut)}

    def facts(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """Loss, gradient and sharpness under a place (``at``) of a pane of x."""
        problem = self.shelf.problem(scene.problem)
        pane, cut = self._pane(scene, more, tell)
        place = np.array(numbers(more.get("at"), "at", 2))
        if pane.space != "x" or len(place) != (1 if pane.kind == "line" else 2):
            raise ValueError(f"at is {more.get('at')}, which is no place in a view of x; point into that.")
        x = at(pane, place, cut)
        value, gradient, curvature = facts(problem, x)
        return {"x": x, "loss": value, "slope": float(np.linalg.norm(gradient)), "sharpness": curvature}

    def code(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """The Python code that makes what is shown."""
        return {"name": "explore.py", "text": script(scene, more, self.shelf)}

    def file(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """What the ``tab`` draws as a netCDF file."""
        tab = more.get("tab", "paths")
        if not isinstance(tab, str) or tab not in self.files:
            raise ValueError(nearest(str(tab)[:40], self.files, "a tab"))
        name, found = self.files[tab]
        data = found(scene, more, tell)
        if data is None:
            raise KeyboardInterrupt
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            data.to_netcdf(path, engine="h5netcdf")
            return {"name": name, "bytes": np.frombuffer(path.read_bytes(), np.uint8)}

    def trace(self, scene: Scene, tell: Tell) -> xr.Dataset:
        """The run of a scene, the last one where it is the same."""
        if self._last is not None and self._last[0] == scene:
            return self._last[1]
        problem, methods = self.shelf.problem(scene.problem), scene.chosen()
        many = sum(map(variants, methods.values()))
        if many > MOST_VARIANTS:
            raise ValueError(f"the methods have {many} values, but a page shows {MOST_VARIANTS}; give fewer.")
        size = sum(place.size for place in problem.chain.spaces) + 1
        if many * (scene.steps + 1) * size > NUMBERS:
            most = NUMBERS // (many * size) - 1
            raise ValueError(f"steps is {scene.steps}, but a page holds {most} of this problem; give at most so many.")
        if scene.start is not None and len(scene.start) != problem.dimension:
            raise ValueError(
                f"start has {len(scene.start)} numbers, but x of {problem.name!r} has {problem.dimension}; give these."
            )
        begin = None if scene.start is None else np.array([scene.start])
        trace = run(problem, methods, begin, scene.steps, key=scene.key, dtype=scene.dtype, progress=tell)
        if "interrupted" not in trace.attrs:
            self._last = scene, trace
        return trace

    def _pane(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> tuple[Pane, Cut | None]:
        problem = self.shelf.problem(scene.problem)
        every = panes(problem)
        pane = every[whole(more.get("pane", 0), "pane", 0, len(every) - 1)]
        return pane, self._cut(scene, problem, self.trace(scene, tell)) if pane.kind == "cut" else None

    def _cut(self, scene: Scene, problem: Problem, trace: xr.Dataset) -> Cut:
        if scene not in self._cuts:
            x = trace["x"].values[:, 0].astype(float)
            ends = trace["loss"].values[:, 0, -1]
            best = np.where(np.isfinite(ends), ends, np.inf).argmin()
            ways = np.concatenate([np.delete(x, best, axis=0).reshape(-1, x.shape[-1]), x[best]])
            self._cuts = {scene: cut_through(problem, x[0, 0], ways)}
        return self._cuts[scene]
