"""The loss against the step, and what it ends at against a hyperparameter."""

from typing import Any

import numpy as np
import xarray as xr

from thalweg.analysis.view import is_finite, is_wide, limits, with_units
from thalweg.web.figures import Figure, Look, array, axis, figure, joined, spread, words

MOST_LINES = 12  # in a figure of a hyperparameter
NAMED = 6  # lines that a legend names
MOST_SWEPT = 4  # hyperparameters with a figure


def losses(trace: xr.Dataset, style: Look) -> Figure:
    """The median over starts of each variant, over thin lines of single starts."""
    loss, steps = np.asarray(trace["loss"].values), trace["step"].values
    log = is_wide(loss.astype(float))
    middle = median(loss)
    data: list[dict[str, Any]] = []
    for i, label in enumerate(style.labels):
        if loss.shape[1] > 1:
            across = joined(np.tile(steps.astype(np.float32), (loss.shape[1], 1)))
            thin = {"type": "scatter", "mode": "lines", "variant": i, "hoverinfo": "skip", "opacity": 0.25}
            data.append({**thin, "x": array(across), "y": array(joined(loss[i])), "line": {"width": 0.7}})
        data.append(
            {
                "type": "scatter",
                "role": "curve",
                "variant": i,
                "rows": len(steps),
                "name": words(label),
                "x": array(steps.astype(np.float32)),
                "y": array(middle[i]),
            }
        )
    heights = _heights(loss.astype(float), log)
    units = trace["loss"].attrs.get("units", "")
    return figure(
        data,
        axis("step", (float(steps[0]), float(max(steps[-1], steps[0] + 1)))),
        axis(with_units("loss", units), heights, log),
        title="the loss",
        note="Thick lines are medians over starts, thin lines single starts." if loss.shape[1] > 1 else "",
        steps=steps.tolist(),
    )


def median(loss: np.ndarray) -> np.ndarray:
    """Over starts, in the precision of the loss; what is not finite counts as above all else."""
    middle = np.median(np.where(is_finite(loss), loss, np.inf), axis=1)
    return np.where(np.isfinite(middle), middle, np.nan).astype(loss.dtype)


def _heights(loss: np.ndarray, log: bool) -> tuple[float, float]:
    usable = is_finite(loss) & ((loss > 0) | (not log))
    core = loss[usable & (loss <= np.nan_to_num(loss[..., :1], nan=np.inf))]
    everything = loss[usable]
    core = core if core.size else everything
    return limits(core, everything, log) if core.size else (0.1, 1.0)


def sensitivities(data: xr.Dataset, style: Look) -> list[Figure]:
    """The final loss against each hyperparameter of which a method has several values."""
    final = np.asarray(data["loss"].values, float)
    final = final[..., -1] if "step" in data["loss"].dims else final
    final = np.median(np.where(is_finite(final), final, np.inf), axis=1)
    swept = [
        str(name)
        for name, column in data.coords.items()
        if column.dims == ("variant",) and column.dtype.kind == "f" and len(_lines(data, str(name))) > 0
    ]
    return [_sensitivity(data, name, final, style) for name in swept[:MOST_SWEPT]]


def _lines(data: xr.Dataset, name: str) -> list[tuple[str, np.ndarray]]:
    """Variants that differ in one hyperparameter alone, in the order of its values, and what they are called."""
    others = [str(k) for k, c in data.coords.items() if c.dims == ("variant",) and c.dtype.kind == "f" and k != name]
    values = data[name].values
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, method in enumerate(data["method"].values):
        if np.isfinite(values[i]):
            key = (str(method), *(None if np.isnan(v := float(data[other].values[i])) else v for other in others))
            groups.setdefault(key, []).append(i)
    found = []
    for key, rows in groups.items():
        same = [k for k in groups if k[0] == key[0]]
        differs = [j for j in range(1, len(key)) if len({k[j] for k in same}) > 1]
        label = " ".join([key[0], *(f"{others[j - 1]}={key[j]:.4g}" for j in differs if key[j] is not None)])
        if len(set(values[rows])) > 1:
            found.append((label, np.array(rows)[np.argsort(values[rows])]))
    return found[:MOST_LINES]


def _sensitivity(data: xr.Dataset, name: str, final: np.ndarray, style: Look) -> Figure:
    values, lines = data[name].values, _lines(data, name)
    every = np.concatenate([rows for _, rows in lines])
    log = is_wide(final[every])
    usable = is_finite(final[every]) & ((final[every] > 0) | (not log))
    low, high = limits(final[every][usable], final[every][usable], log) if usable.any() else (0.1, 1.0)
    drawn = []
    for label, rows in lines:
        lost = ~is_finite(final[rows])
        color = style.colors[rows[np.argmin(final[rows])]]
        symbols = ["x" if gone else "circle" for gone in lost]
        drawn.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": words(label),
                "x": array(values[rows]),
                "y": array(np.where(lost, high, final[rows])),
                "line": {"color": color, "width": 1.6},
                "marker": {"color": color, "size": 8, "symbol": symbols},
                "hovertemplate": f"{words(label)}<br>{words(name)} %{{x:.4~g}}<br>loss %{{y:.4~g}}<extra></extra>",
            }
        )
    many = int((~is_finite(final[every])).sum())
    note = f"A cross at the upper edge: {many} value{'s' if many > 1 else ''} whose loss is not finite." if many else ""
    units = data["loss"].attrs.get("units", "")
    across = axis(name.replace("_", " "), log=spread(values[every]))
    title = with_units("final loss" if "step" in data["loss"].dims else "loss", units)
    return figure(
        drawn,
        across,
        axis(title, (low, high), log),
        title=name.replace("_", " "),
        note=note,
        legend=len(lines) <= NAMED,
    )
