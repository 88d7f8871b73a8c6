"""What a method does by the value of one of its numbers: where it ends, whether nearby paths part, and what is left."""

from collections.abc import Mapping
from typing import Any, NamedTuple, final

import jax
import numpy as np
import xarray as xr

from thalweg import analysis
from thalweg.analysis.components import names_of
from thalweg.analysis.theory import is_adaptive, limit, variants_of
from thalweg.chain.problem import Problem
from thalweg.engine.shards import Progress
from thalweg.methods.sweeps import hyperparameters, sweep
from thalweg.numerics.reading import first_line, nearest
from thalweg.verbs.run import run
from thalweg.web.scene import Scene, number, short, whole, word
from thalweg.web.shelf import Shelf, facts
from thalweg.words.library import METHODS, arguments
from thalweg.words.parameters import Parameter, parameters

MOST_VALUES = 4000
STEPS, MOST_STEPS = 1000, 20_000
KEPT = 200  # iterates of each value
NUMBERS = 5_000_000  # that one diagram may record
WORK = 200_000_000  # components stepped in one answer
GRID = 96  # values along each side of the map
COPIES = 4  # paths whose growth is averaged
HALVINGS = 60
GROWTH = 1.2  # a path whose second half lies so many times farther out than the first is on its way out
START = "start"
View = dict[str, Any]


@final
class Axis(NamedTuple):
    """The values of one number, in geometric steps where they go over a decade or more."""

    name: str
    values: np.ndarray
    log: bool


@final
class Sweep(NamedTuple):
    """What a page asks about: one method with its numbers, one of which takes many values."""

    problem: Problem
    label: str
    method: Any  # with one number for each
    axis: Axis
    start: np.ndarray
    dtype: str

    @property
    def swept(self) -> dict[str, Any]:
        return {self.label: sweep(self.method, **{self.axis.name: self.axis.values})}

    @property
    def size(self) -> int:
        """Numbers of one row of a record."""
        return sum(space.size for space in self.problem.chain.spaces) + 1


@final
class StepSizes:
    """Answers a page's questions about the numbers of its methods."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self._last: tuple[Any, xr.Dataset] | None = None

    def numbers(self, scene: Scene, more: Mapping[str, Any], tell: Progress) -> View:
        """The numbers of the method with the number ``method``, and the range in which each is looked at first."""
        _, method = _single(scene, more, None)
        leaves = hyperparameters(method)
        names = [name for name in _typed(scene, more) if name in leaves]
        if not names:
            raise ValueError(f"{scene.methods[more.get('method', 0)]} has no number to look at; choose another method.")
        names.sort(key=lambda name: name != "learning_rate")
        values = [float(leaves[name]) for name in names]
        return {
            "names": names,
            "values": values,
            "ranges": [usual(*one) for one in zip(names, values, strict=True)],
            "starts": _starts(self.shelf.problem(scene.problem)),
        }

    def bifurcation(self, scene: Scene, more: Mapping[str, Any], tell: Progress) -> View:
        """The late iterates for each value, the loss after the last step, and where the method's limit is reached."""
        asked, steps, keep, found = self.diagram(scene, more, tell)
        labels = [*names_of(asked.problem), "loss"]
        component = whole(more.get("component", 0), "component", 0, len(labels) - 1)
        loss = found["loss"].values.astype(float)
        points = loss if labels[component] == "loss" else found["x"].values[..., component].astype(float)
        points = np.where(np.isfinite(loss), points, np.nan)  # another component may be what has run away
        return {
            "values": asked.axis.values,
            "log": asked.axis.log,
            "steps": steps,
            "keep": keep,
            "label": labels[component],
            "units": asked.problem.units.get("loss" if labels[component] == "loss" else "x", ""),
            "points": points.astype(np.float32),
            "frame": framed(points),
            "period": found["period"].values.astype(np.int32),
            "loss": loss[:, -1],
            **_lowest(asked.problem, asked.start, asked.dtype),
            **limits(asked, found),
            "interrupted": "interrupted" in found.attrs,
        }

    def diagram(self, scene: Scene, more: Mapping[str, Any], tell: Progress) -> tuple[Sweep, int, int, xr.Dataset]:
        """What is asked about, the steps, how many iterates are kept, and these."""
        asked = sweep_of(self.shelf, scene, more)
        steps = _steps(asked, more, len(asked.axis.values))
        most = min(steps, NUMBERS // (len(asked.axis.values) * asked.size))
        keep = _fitting(more.get("keep"), "the iterates kept", KEPT, most)
        return asked, steps, keep, self._diagram((scene.problem, scene.start, scene.dtype), asked, steps, keep, tell)

    def lyapunov(self, scene: Scene, more: Mapping[str, Any], tell: Progress) -> View:
        """The largest exponent for each value; a sentence where it cannot be had."""
        asked = sweep_of(self.shelf, scene, more)
        steps = _steps(asked, more, len(asked.axis.values))
        try:
            with np.errstate(all="ignore"):
                found = analysis.lyapunov(
                    asked.problem, asked.swept, asked.start, steps, copies=COPIES, dtype=asked.dtype, progress=tell
                )
        except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
            reason = " ".join(str(error).split()) if isinstance(error, ValueError) else first_line(error)
            return {"exponent": np.empty(0), "says": f"No exponent: {reason}"}
        return {"exponent": found.values[:, 0].astype(float), "says": ""}

    def losses(self, scene: Scene, more: Mapping[str, Any], tell: Progress) -> View:
        """The last loss over the values and, as a second side, another number or the first component of the start."""
        asked = sweep_of(self.shelf, scene, more, GRID)
        second = word(more.get("second"), "the second axis")
        if second == asked.axis.name:
            raise ValueError(f"the second axis is {second!r}, which the first one is; choose another.")
        if second != START:
            _known(second, asked.method)
        other = axis(second, more.get("low2"), more.get("high2"), GRID)
        steps = min(_steps(asked, more, 1), max(1, WORK // (GRID**2 * asked.size)))
        starts, numbers = asked.start, {second: other.values, asked.axis.name: asked.axis.values}
        if second == START:
            starts = np.repeat(asked.start, GRID, axis=0)
            starts[:, 0] = numbers.pop(START)
        swept = {asked.label: sweep(asked.method, **numbers)}
        trace = run(
            asked.problem, swept, starts, steps, every=steps, spaces=["loss"], key=scene.key, dtype=asked.dtype,
            progress=tell,
        )  # fmt: skip
        loss = trace["loss"].values.astype(float)
        ends = loss[..., -1].T if second == START else loss[:, 0, -1].reshape(GRID, GRID)
        return {
            "first": asked.axis.values,
            "second": other.values,
            "logs": [asked.axis.log, other.log],
            "name": second,
            "steps": steps,
            "loss": ends,
            "highest": float(np.max(loss[..., 0], initial=-np.inf, where=np.isfinite(loss[..., 0]))),
            "lowest": _lowest(asked.problem, asked.start, asked.dtype)["lowest"],
            "interrupted": "interrupted" in trace.attrs,
        }

    def _diagram(self, about: Any, asked: Sweep, steps: int, keep: int, tell: Progress) -> xr.Dataset:
        """The last one again where only another component of it is asked for."""
        numbers = sorted((name, float(leaf)) for name, leaf in hyperparameters(asked.method).items())
        numbers = [one for one in numbers if one[0] != asked.axis.name]
        shape = jax.tree.structure(asked.method)  # flags and words of the method are no numbers
        key = (about, asked.label, shape, numbers, asked.axis.name, asked.axis.values.tobytes(), steps, keep)
        if self._last is None or self._last[0] != key:
            found = analysis.bifurcation(
                asked.problem, asked.swept, asked.start, steps, keep, dtype=asked.dtype, progress=tell
            )
            if "interrupted" in found.attrs:
                return found
            self._last = key, found
        return self._last[1]


def sweep_of(shelf: Shelf, scene: Scene, more: Mapping[str, Any], many: int | None = None) -> Sweep:
    """What is asked about, with so many values, or as many as are said."""
    problem, name = shelf.problem(scene.problem), word(more.get("parameter"), "the number")
    label, method = _single(scene, more, name)
    _known(name, method)
    many = whole(more.get("values", 1000), "values", 3, MOST_VALUES) if many is None else many
    start = np.asarray(problem.start if scene.start is None else scene.start, float)
    if start.shape != (problem.dimension,):
        raise ValueError(
            f"start has {start.size} numbers, but x of {problem.name!r} has {problem.dimension}; give these."
        )
    values = axis(name, more.get("low"), more.get("high"), many)
    return Sweep(problem, label, method, values, start[None], scene.dtype)


def _typed(scene: Scene, more: Mapping[str, Any]) -> dict[str, Parameter]:
    name = scene.methods[whole(more.get("method", 0), "method", 0, len(scene.methods) - 1)].partition(":")[0]
    if name not in METHODS:
        raise ValueError(nearest(name, METHODS, "a method"))
    return parameters(METHODS[name])


def _single(scene: Scene, more: Mapping[str, Any], swept: str | None) -> tuple[str, Any]:
    """The chosen method with one number for each of its parameters, of which ``swept`` may have several."""
    known = _typed(scene, more)
    name, _, rest = scene.methods[more.get("method", 0)].partition(":")
    given = arguments(rest, known, name)
    lists = [key for key, value in given.items() if isinstance(value, np.ndarray)]
    if swept is not None and [key for key in lists if key != swept]:
        raise ValueError(f"{lists[0]} of {name} has several values, but only {swept} takes many here; give one.")
    first = METHODS[name](**{key: np.ravel(value)[0] if key in lists else value for key, value in given.items()})
    return name, first


def _known(name: str, method: Any) -> None:
    if name not in hyperparameters(method):
        raise ValueError(nearest(name[:40], hyperparameters(method), f"a number of {type(method).__name__}"))


def usual(name: str, value: float) -> list[float]:
    """Where a number is looked at first: two decades below its value to one above, a fraction from 0 to 1."""
    fraction = 0.5 <= value < 1 and "learning_rate" not in name
    if value == 0 or fraction:
        return [0.0, 1.0]
    low, high = sorted([value / 100, value * 10])
    return [float(f"{low:.6g}"), float(f"{high:.6g}")]


def _starts(problem: Problem) -> list[float]:
    """Where the first component of a start is looked at first: its domain, or else about what is known."""
    if problem.domain is not None:
        low, high = (float(np.ravel(np.asarray(side, float))[0]) for side in problem.domain)
        if np.isfinite([low, high]).all():
            return [low, high]
    known = np.concatenate([np.asarray(problem.start, float)[:1], *(np.asarray(m, float)[:1] for m in problem.minima)])
    low, high = float(known.min()), float(known.max())
    room = (high - low) / 2 or max(abs(low), 1.0)
    return [low - room, high + room]


def axis(name: str, low: Any, high: Any, many: int) -> Axis:
    """So many values from low to high."""
    low, high = number(low, f"the range of {name}"), number(high, f"the range of {name}")
    if not low < high:
        raise ValueError(f"the range of {name} is {short(low)} to {short(high)}, but it goes up; give the lower first.")
    log = low > 0 and high >= 10 * low
    return Axis(name, (np.geomspace if log else np.linspace)(low, high, many), log)


def _fitting(given: Any, what: str, usual: int, most: int) -> int:
    """A whole number of at most ``most``; what is usual, as far as it fits, where none is given."""
    if most < 1:
        raise ValueError(f"{what} do not fit a page for so many values and components; take fewer values.")
    return min(usual, most) if given is None else whole(given, what, 1, most)


def _steps(asked: Sweep, more: Mapping[str, Any], many: int) -> int:
    return _fitting(more.get("steps"), "steps", STEPS, min(MOST_STEPS, WORK // (many * asked.size)))


def framed(points: np.ndarray) -> list[float]:
    """The vertical range of points (value, iterate): of those that do not run away."""
    finite = np.isfinite(points)
    middle = float(np.median(points[finite])) if finite.any() else 0.0
    with np.errstate(all="ignore"):
        reach = np.where(finite, np.abs(points - middle), np.inf)
        first, second = (half.max(axis=1, initial=0) for half in np.array_split(reach, 2, axis=1))
        stays = np.isfinite(first + second) & (second <= GROWTH * first + 1e-12 * abs(middle))
    seen = points[stays] if stays.any() else points[finite]
    if not seen.size:
        return [-1.0, 1.0]
    low, high = float(seen.min()), float(seen.max())
    room = 0.06 * (high - low) or max(abs(low), 1.0) * 0.5
    return [low - room, high + room]


def _lowest(problem: Problem, start: np.ndarray, dtype: str) -> View:
    """The lowest loss that is known, NaN where none is; and that of the start."""
    points = np.concatenate([start, np.asarray(problem.minima, float).reshape(-1, problem.dimension)])
    with np.errstate(all="ignore"):
        known = np.array([facts(problem, point)[0] for point in points[:20]])
    return {"begin": float(known[0]), "lowest": float(np.nanmin(known[1:])) if len(known) > 1 else float("nan")}


def limits(asked: Sweep, found: xr.Dataset) -> View:
    """The values at which the sharpness of the minimum is what the method can stand; a sentence where none is known."""
    kinds, name = variants_of(found), asked.axis.name
    rule = kinds[0][0]
    if is_adaptive(rule):
        return {"limits": [], "curvature": float("nan"), "says": f"No line: what {rule} stands depends on its state."}
    if not np.isfinite([limit(*kind) for kind in kinds]).any():
        return {"limits": [], "curvature": float("nan"), "says": f"No line: no limit of {rule} is known."}
    place, which = _rest(asked.problem, found)
    curvature = facts(asked.problem, place)[2] if place is not None else float("nan")
    if not curvature > 0:
        return {"limits": [], "curvature": curvature, "says": f"No line: no positive sharpness is known at {which}."}

    def above(value: float) -> bool:
        return limit(rule, {**kinds[0][1], name: value}) < curvature

    values = asked.axis.values
    over = np.array([above(float(value)) for value in values])
    reached = []
    for i in np.flatnonzero(over[1:] != over[:-1]):
        low, high = float(values[i]), float(values[i + 1])
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if above(middle) == over[i] else (low, middle)
        reached.append((low + high) / 2)
    says = "" if reached else f"The limit at sharpness {curvature:.4g} of {which} is not within this range."
    return {"limits": reached, "curvature": curvature, "where": which, "says": says}


def _rest(problem: Problem, found: xr.Dataset) -> tuple[np.ndarray | None, str]:
    """The known minimum nearest to the lowest end, or else that end."""
    ends = found["loss"].values[:, -1].astype(float)
    x = found["x"].values[:, -1].astype(float)
    ends = np.where(np.isfinite(ends) & np.isfinite(x).all(axis=1), ends, np.inf)
    best = x[ends.argmin()]
    if not np.isfinite(ends.min()):
        return (np.asarray(problem.minima[0], float), "the minimum") if len(problem.minima) else (None, "any end")
    if not len(problem.minima):
        return best, "the lowest end"
    minima = np.asarray(problem.minima, float)
    return minima[np.linalg.norm(minima - best, axis=1).argmin()], "the minimum"
