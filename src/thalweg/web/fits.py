"""What solve found: the losses of all starts in order, and a regression over its data."""

from typing import Any

import numpy as np
import xarray as xr

from thalweg.analysis.view import PALETTE, is_finite, is_wide, limits, short, with_units
from thalweg.web.figures import Figure, Look, array, axis, figure, words

MOST_RANKS = 2000  # starts of a variant in a waterfall
MOST_OBSERVATIONS = 20_000
DEEP = 1e-12  # of the highest loss, below which losses are all one
BANDS = (("prediction", 0.10), ("confidence", 0.22))


def waterfall(fits: xr.Dataset, style: Look) -> Figure:
    """The losses of each variant from the lowest up."""
    losses = fits["loss"].values
    loss = np.sort(np.where(is_finite(losses), losses, np.inf), axis=1)
    ranks = np.arange(loss.shape[1])
    kept = np.unique(np.linspace(0, len(ranks) - 1, min(len(ranks), MOST_RANKS)).astype(int))
    finite, log = loss[is_finite(loss)], is_wide(loss)
    floor = DEEP * finite.max() if log else -np.inf
    usable = np.maximum(finite, floor)
    ends = limits(usable, usable, log) if usable.size else (0.1, 1.0)
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "variant": i,
            "name": words(label),
            "x": array((ranks[kept] + 1).astype(np.float32)),
            "y": array(np.maximum(loss[i], floor)[kept].astype(losses.dtype)),
            "line": {"width": 1.4, "shape": "hv"},
            "marker": {"size": 5 if len(kept) < 100 else 3},
            "hovertemplate": f"{words(label)}<br>rank %{{x}}<br>loss %{{y:.6~g}}<extra></extra>",
        }
        for i, label in enumerate(style.labels)
    ]
    lost = int((~is_finite(loss)).sum())
    note = [f"{len(kept)} of {len(ranks)} ranks are drawn, evenly chosen."] * (len(kept) < len(ranks))
    note += [f"{lost} fits whose loss is not finite are left out."] * (lost > 0)
    note += [f"What is below {short(floor)} is drawn there."] * bool((finite < floor).any())
    units = fits["loss"].attrs.get("units", "")
    return figure(
        data,
        axis("starts, from the lowest loss up", (0.5, len(ranks) + 0.5)),
        axis(with_units("loss", units), ends, log),
        title="losses in order",
        note=" ".join(note),
    )


def over_data(best: xr.Dataset) -> list[Figure]:
    """What ``analysis.fitted`` returned: the model over the observations, a figure for each response."""
    if "response" not in best:
        return [_response(best, best.attrs["response"])]
    found = []
    for name in dict.fromkeys(best["response"].values.tolist()):
        part = best.isel(observation=best["response"].values == name)
        part = part.isel(point=best["curve_response"].values == name) if "curve_response" in best else part
        found.append(_response(part, str(name)))
    return found


def _response(part: xr.Dataset, response: str) -> Figure:
    observed, predicted = part["observed"].values, part["predicted"].values
    data: list[dict[str, Any]] = []
    if "predictor" in part:
        across, title = part["predictor"].values, part.attrs["predictor"]
        groups = part["group"].values if "group" in part else np.full(len(observed), "")
        for i, (name, points) in enumerate(_curves(part)):
            data += _curve(part, name, points, f"@{PALETTE[i % len(PALETTE)]}", first=i == 0)
        ends = limits(observed, part["model"].values)
    else:
        across, title = predicted, f"predicted {response}"
        groups, ends = np.full(len(observed), ""), limits(observed, predicted)
        line = {"type": "scatter", "mode": "lines", "name": "observed = predicted", "hoverinfo": "skip"}
        data.append({**line, "x": list(ends), "y": list(ends), "line": {"color": f"@{PALETTE[0]}", "width": 1.6}})
    for i, name in enumerate(dict.fromkeys(groups.tolist())):
        rows = np.flatnonzero(groups == name)
        kept = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_OBSERVATIONS)).astype(int))]
        color = f"@{PALETTE[i % len(PALETTE)]}" if name else "@ink"
        dots = {"type": "scatter", "mode": "markers", "name": words(f"observed {name}".strip()), "role": "observed"}
        bars = {"error_y": {"array": array(_deviations(part)[kept]), "color": "@quiet"}} if "sigma" in part else {}
        marker = {"color": color, "size": 7 if len(observed) < 300 else 4, "line": {"color": "@paper", "width": 0.8}}
        data.append(
            {
                **dots,
                **bars,
                "x": array(across[kept]),
                "y": array(observed[kept]),
                "marker": marker,
                "hovertemplate": "%{x:.5~g}<br>observed %{y:.6~g}<extra></extra>",
            }
        )
    label = response if "predictor" in part else f"observed {response}"
    return figure(data, axis(title, limits(across, across)), axis(label, ends), title=response, legend=True)


def _curves(part: xr.Dataset) -> list[tuple[str, np.ndarray]]:
    if "curve" not in part:
        return [("", np.ones(part.sizes["point"], bool))]
    return [(str(name), part["curve"].values == name) for name in dict.fromkeys(part["curve"].values.tolist())]


def _curve(part: xr.Dataset, name: str, points: np.ndarray, color: str, first: bool) -> list[dict[str, Any]]:
    """The bands of a model, widest first, and its line over them."""
    grid, data = part["grid"].values[points], []
    for band, alpha in BANDS:
        if f"{band}_low" in part:
            low, high = (part[f"{band}_{side}"].values[points] for side in ("low", "high"))
            data.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": f"{100 * part.attrs['level']:g} % {band} band",
                    "x": array(np.concatenate([grid, grid[::-1]])),
                    "y": array(np.concatenate([low, high[::-1]])),
                    "fill": "toself",
                    "fillcolor": f"{color}/{alpha}",
                    "line": {"width": 0},
                    "hoverinfo": "skip",
                    "showlegend": first,
                }
            )
    line = {"type": "scatter", "mode": "lines", "name": words(name or "model"), "role": "model"}
    return [*data, {**line, "x": array(grid), "y": array(part["model"].values[points]), "line": {"color": color}}]


def _deviations(part: xr.Dataset) -> np.ndarray:
    sigma = part["sigma"].values
    return sigma if part.attrs["absolute_sigma"] else float(part["residual_standard_deviation"]) * sigma


def residuals(best: xr.Dataset) -> Figure:
    """Observed minus predicted, over sigma where there is one, in the band of the residual standard deviation."""
    residual, label = best["observed"].values - best["predicted"].values, "residual"
    if "sigma" in best:
        residual, label = residual / best["sigma"].values, f"residual / {best.attrs['sigma']}"
    across, title = best["predicted"].values, f"predicted {best.attrs['response']}"
    if "predictor" in best:
        across, title = best["predictor"].values, best.attrs["predictor"]
    deviation = float(best["residual_standard_deviation"])
    low, high = limits(across, across)
    data: list[dict[str, Any]] = [
        {"type": "scatter", "mode": "lines", "x": [low, high], "y": [0, 0], "hoverinfo": "skip", "name": "0"}
    ]
    data[0] |= {"line": {"color": f"@{PALETTE[0]}", "width": 1.2}, "showlegend": False}
    if np.isfinite(deviation):
        band = {"type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": f"@{PALETTE[0]}/0.12"}
        band |= {"x": [low, high, high, low], "y": [-deviation, -deviation, deviation, deviation], "line": {"width": 0}}
        data.append({**band, "hoverinfo": "skip", "name": f"± s = {deviation:.3g}"})
    marker = {"color": "@ink", "size": 7 if len(residual) < 300 else 4, "line": {"color": "@paper", "width": 0.8}}
    dots = {"type": "scatter", "mode": "markers", "name": "residual", "marker": marker, "role": "residual"}
    kept = np.unique(np.linspace(0, len(residual) - 1, min(len(residual), MOST_OBSERVATIONS)).astype(int))
    data.append({**dots, "x": array(across[kept]), "y": array(residual[kept])})
    data[-1]["hovertemplate"] = "%{x:.5~g}<br>residual %{y:.4~g}<extra></extra>"
    every = np.array([*residual, -deviation, deviation, 0])
    return figure(data, axis(title, (low, high)), axis(label, limits(every, every)), title="residuals", legend=True)
