"""The paths of a trace over the loss: contours, a surface, a curve, or a plane in more than two components."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import xarray as xr

from thalweg.analysis.ground import cores, drawn_points, find_ground, find_plane
from thalweg.analysis.view import axis_label, frame, short, with_units
from thalweg.chain.problem import Problem
from thalweg.web.figures import Figure, Heights, Look, array, axis, figure, joined, words

SIDE = 121  # points along each side of a contour
COARSE = 61  # of a plane, where a value of the loss costs more
LINE = 1000  # points on a curve
LIFT = 0.02  # of the height of a surface, by which paths lie above it


@final
@dataclass(frozen=True)
class Thinned:
    """A trace as it is drawn: of many starts and steps evenly chosen ones."""

    trace: xr.Dataset
    note: str


MOST_PATHS = 200
MOST_ROWS = 400
MOST_POINTS = 40_000


def thinned(trace: xr.Dataset) -> Thinned:
    """The trace with so few paths and rows that a page can hold and draw them, and a sentence that says so."""
    variants, starts, rows = (trace.sizes[dim] for dim in ("variant", "start", "step"))
    kept = np.linspace(0, starts - 1, min(starts, max(1, MOST_PATHS // variants))).astype(int)
    many = min(rows, max(2, min(MOST_ROWS, MOST_POINTS // (variants * len(kept)))))
    steps = np.unique(np.linspace(0, rows - 1, many).astype(int))
    parts = [f"{len(kept)} of {starts} starts"] * (len(kept) < starts)
    parts += [f"{len(steps)} of {rows} recorded rows"] * (len(steps) < rows)
    note = f"Thinned for drawing: {' and '.join(parts)}, evenly chosen." if parts else ""
    return Thinned(trace.isel(start=kept, step=steps), note)


def panels(trace: xr.Dataset, problem: Problem | None, style: Look) -> list[Figure]:
    """A figure for x and, of a chain, for every later space of two components; the trace is thinned already."""
    drawn = []
    for name in [str(key) for key, column in trace.items() if f"{key}_dim" in column.dims]:
        size = trace.sizes[f"{name}_dim"]
        if size == 2 or (name == "x" and size == 1):
            drawn.append(_flat(trace, problem, name, style))
        elif name == "x" and problem is not None:
            drawn.append(_sliced(trace, problem, style))
    return drawn


def _flat(trace: xr.Dataset, problem: Problem | None, name: str, style: Look) -> Figure:
    """Contours, or the loss against one component."""
    size, column, loss = trace.sizes[f"{name}_dim"], trace[name], trace["loss"]
    ground = find_ground(trace, problem, name, list(range(size)), SIDE if size == 2 else LINE)
    points = drawn_points(trace, name, list(range(size)))
    labels = [axis_label(name, str(part), column.attrs.get("units", "")) for part in column[f"{name}_dim"].values]
    height = with_units("loss", loss.attrs.get("units", ""))
    minima = np.empty((0, size))
    if ground is not None and ground.sizes["point"]:
        minima = ground["minimum"].values
    told = "" if ground is not None else "The problem is not known here, so that no contours lie under the paths."
    if size == 1:
        return _curve(trace, ground, minima, points, (labels[0], height), style, told)
    if ground is None:
        low, high = frame(*cores(trace, points, minima, None))
        sides, values = None, None
    else:
        sides, values = (ground["first"].values, ground["second"].values), ground["loss"].values
        low, high = (np.array([side[i] for side in sides]) for i in (0, -1))
    box = (low, high)
    drawn = figure(
        _contours(sides, values, height) + _paths(trace, points, style) + _stars(minima),
        axis(labels[0], (low[0], high[0])),
        axis(labels[1], (low[1], high[1])),
        title=f"in {name}",
        note=told,
        steps=trace["step"].values.tolist(),
    )
    if sides is not None and values is not None:
        drawn["surface"] = _surface(trace, sides, values, points, box, (labels[0], labels[1], height), style)
    return drawn


def _curve(
    trace: xr.Dataset,
    ground: xr.Dataset | None,
    minima: np.ndarray,
    points: np.ndarray,
    labels: tuple[str, str],
    style: Look,
    told: str,
) -> Figure:
    """The loss against x, with the paths on it."""
    stars = np.empty((0, 2))
    line, data = np.empty((0, 2)), []
    if ground is not None:
        line = np.column_stack([ground["first"].values, ground["loss"].values])
        stars = np.column_stack([minima[:, 0], ground["minimum_loss"].values])
        data.append({"type": "scatter", "mode": "lines", "name": "loss", "hoverinfo": "skip"})
        data[0] |= {"x": array(line[:, 0]), "y": array(line[:, 1]), "line": {"color": "@contour", "width": 2}}
    core, everything = cores(trace, points, stars, None)
    low, high = frame(core[:, :1], everything[:, :1]) if ground is None else (line[0], line[-1])
    bottom, top = frame(core[:, 1:], np.concatenate([everything, line])[:, 1:])
    return figure(
        data + _paths(trace, points, style) + _stars(stars),
        axis(labels[0], (low[0], high[0])),
        axis(labels[1], (bottom[0], top[0])),
        title="the loss along x",
        note=told,
        steps=trace["step"].values.tolist(),
        flat=True,
    )


def _sliced(trace: xr.Dataset, problem: Problem, style: Look) -> Figure:
    """A plane through the first start and the best minimum."""
    plane = find_plane(trace, problem, COARSE)
    units, height = trace["x"].attrs.get("units", ""), with_units("loss", trace["loss"].attrs.get("units", ""))
    target = "the lowest known minimum" if plane.known else "the best point found"
    labels = (with_units(f"toward {target}", units), with_units("across", units))
    ends = [(float(side[0]), float(side[-1])) for side in plane.sides]
    known = plane.away[np.isfinite(plane.away)]
    out = short(float(known.max())) if known.size else "0"
    share = with_units(out, units)
    drawn = figure(
        _contours(plane.sides, plane.loss, height)
        + _paths(trace, plane.points, style, plane.away)
        + _stars(plane.target[None] if plane.known else np.empty((0, 2))),
        axis(labels[0], ends[0]),
        axis(labels[1], ends[1]),
        title=f"in x, a plane in {trace.sizes['x_dim']} components",
        note=f"The plane goes through the first start and {target}, and turns toward where the paths go. They leave it "
        f"by up to {share}; the contours are those on the plane.",
        steps=trace["step"].values.tolist(),
    )
    low, high = np.array(ends).T
    box = (low, high)
    drawn["surface"] = _surface(trace, plane.sides, plane.loss, plane.points, box, (*labels, height), style)
    return drawn


def _contours(sides: Any, values: np.ndarray | None, height: str) -> list[dict[str, Any]]:
    heights = Heights.of(values) if values is not None else None
    if sides is None or values is None or heights is None:
        return []
    low, high = heights.ends
    levels = {"start": low, "end": high, "size": heights.step, "coloring": "fill", "showlines": True}
    return [
        {
            "type": "contour",
            "x": array(sides[0].astype(np.float32)),
            "y": array(sides[1].astype(np.float32)),
            "z": array(heights.values.T.astype(np.float32)),
            "customdata": array(np.asarray(values).T.astype(np.float32)),
            "contours": levels,
            "zmin": low - heights.step,
            "zmax": high,
            "colorscale": "@relief",
            "line": {"color": "@contour", "width": 0.7},
            "colorbar": heights.scale(height),
            "hovertemplate": "loss %{customdata:.4~g}<extra></extra>",
        }
    ]


def _paths(trace: xr.Dataset, points: np.ndarray, style: Look, away: np.ndarray | None = None) -> list[dict[str, Any]]:
    """A trace for each variant: all of its starts with a gap between two; the page draws them up to a step."""
    kept = np.float32 if trace["x"].dtype.itemsize <= 4 else np.float64
    drawn = []
    for i, label in enumerate(style.labels):
        lanes = points[i].astype(kept)
        drawn.append(
            {
                "type": "scatter",
                "role": "path",
                "variant": i,
                "rows": lanes.shape[1],
                "name": words(label),
                "x": array(joined(lanes[..., 0])),
                "y": array(joined(lanes[..., 1])),
                "loss": array(joined(np.asarray(trace["loss"].values[i]))),
                **({} if away is None else {"away": array(joined(away[i]))}),
            }
        )
    return drawn


def _stars(minima: np.ndarray) -> list[dict[str, Any]]:
    if not len(minima):
        return []
    marker = {"symbol": "star", "size": 14, "color": "#F0E442", "line": {"color": "#000000", "width": 1}}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "known minimum",
            "x": array(minima[:, 0]),
            "y": array(minima[:, 1]),
            "marker": marker,
            "hovertemplate": "known minimum<extra></extra>",
        }
    ]


def _surface(
    trace: xr.Dataset,
    sides: Any,
    values: np.ndarray,
    points: np.ndarray,
    box: tuple[np.ndarray, np.ndarray],
    labels: tuple[str, str, str],
    style: Look,
) -> Figure:
    """The loss as a surface, with the part of the paths that lies over it."""
    heights = Heights.of(values)
    finite = values[np.isfinite(values)]
    if heights is None:
        return {}
    lift, every = LIFT * float(np.ptp(finite)), slice(None, None, 2)
    floor = {
        "type": "surface",
        "x": array(sides[0][every].astype(np.float32)),
        "y": array(sides[1][every].astype(np.float32)),
        "z": array(values.T[every, every].astype(np.float32)),
        "surfacecolor": array(heights.values.T[every, every].astype(np.float32)),
        "cmin": heights.ends[0] - heights.step,
        "cmax": heights.ends[1],
        "colorscale": "@steep",
        "showscale": False,
        "lighting": {"ambient": 0.72, "diffuse": 0.5, "specular": 0.04, "roughness": 0.9},
        "hoverinfo": "skip",
    }
    data: list[dict[str, Any]] = [floor]
    low, high = box
    top = float(finite.max())
    for i, label in enumerate(style.labels):
        lanes, loss = points[i], np.asarray(trace["loss"].values[i], float)
        inside = ((lanes >= low) & (lanes <= high)).all(-1) & (loss <= top + lift)
        xyz = [np.where(inside, column, np.nan).astype(np.float32) for column in (*np.moveaxis(lanes, -1, 0), loss)]
        xyz[2] = xyz[2] + np.float32(lift)
        columns = {key: array(joined(column)) for key, column in zip("xyz", xyz, strict=True)}
        data.append({"type": "scatter3d", "role": "path", "variant": i, "rows": lanes.shape[1], "name": words(label)})
        data[-1] |= columns
    titles = {f"{key}axis": {"title": {"text": words(label)}} for key, label in zip("xyz", labels, strict=True)}
    return {"data": data, "layout": {"scene": titles}}
