"""One HTML file of a trace or of fits, with everything in it, which opens without a network."""

import base64
import hashlib
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from thalweg import analysis
from thalweg.analysis.selection import LANE_DIMS, judged, judged_paths
from thalweg.chain.problem import Problem
from thalweg.fitting.sameness import is_regression
from thalweg.problems.models import model_of
from thalweg.web import verdicts
from thalweg.web.curves import losses, sensitivities
from thalweg.web.figures import Figure, Look, look
from thalweg.web.fits import over_data, residuals, waterfall
from thalweg.web.markup import number, plot, section, swatch, table, text
from thalweg.web.page import plotly
from thalweg.web.paths import panels, thinned

STATIC = Path(__file__).parent / "static"
CHIPS = 24  # variants that have a button each
SHOWN = 200  # characters of a name
FITS = ("x", "loss", "gradient_norm", "steps", "evaluations", "outcome", "reason")  # variables that are needed
ATTRIBUTES = {
    "dtype": "precision",
    "key": "seed",
    "max_steps": "most steps",
    "compile_seconds": "to compile",
    "run_seconds": "to run",
    "thalweg_version": "thalweg",
    "jax_version": "JAX",
    "optax_version": "optax",
    "numpy_version": "NumPy",
}  # of a Dataset, that say how it was made
Part = tuple[str, dict[str, Figure]]  # HTML, and the figures that belong into it


def report(dataset: xr.Dataset, problem: Problem | None = None, file: str | Path | None = None) -> str:
    """A page on what ``run`` or ``solve`` returned: which method won, its table, paths, losses, and how it was made.

    It is one file, which holds plotly.js, too, and asks nothing of any network. Of a trace it has the paths over the
    loss in x and in the later spaces of two components, at any step, as contours or as a surface (of one component the
    curve of the loss; of more than two a plane through the first start and the lowest minimum); the losses; and the
    final loss against each hyperparameter that was swept. Of fits it has outcomes and reasons, the losses in order, and
    of a regression the best fit over its data with bands, residuals and standard errors. Large records are thinned for
    drawing, which the page says.

    Args:
        dataset: what ``run`` or ``solve`` returned, or a selection of it; of several cases, one. Its attribute
            ``history``, where it has one, is shown as the command that made it.
        problem: the problem that was run or solved; None draws what the Dataset has: no contours, no outcomes of paths,
            no data of a regression.
        file: where to write the page; None writes nothing.
    Returns:
        The page.
    Raises:
        ValueError: for what neither ``run`` nor ``solve`` returned, for fits of several cases, where the problem is
            another one than that of the Dataset, and where plotly is not installed.
    Cost:
        14,641 values of the loss for each space of two components, 3,721 for a plane, and those of ``analysis.table``.
    Example:
        >>> problem = tw.problems.pbdl()
        >>> trace = tw.run(problem, tw.methods.Newton(), steps=5)
        >>> from thalweg.web.report import report
        >>> page = report(trace, problem, "report.html")
    """
    if isinstance(dataset, xr.Dataset) and "case" in dataset.dims:
        raise ValueError(
            f"the fits have {dataset.sizes['case']} cases, but a report is of one; select it, e.g. fits.isel(case=0)."
        )
    script = plotly()
    name = _named(dataset, problem)
    if isinstance(dataset, xr.Dataset) and "outcome" in dataset:
        if missing := [name for name in FITS if name not in dataset]:
            raise ValueError(f"the fits have no {missing[0]}; give a Dataset that solve returned.")
        schema = dict.fromkeys((name for name in FITS if name != "evaluations"), LANE_DIMS)
        data = judged(dataset, schema, "solve", {"evaluations": LANE_DIMS})
        heading, said = verdicts.of_fits(data, name, problem, _formula(problem))
        parts = _of_fits(data, problem)
    else:
        data = judged_paths(dataset, "x", "loss")
        _check_problem(data, problem)
        heading, said = verdicts.of_trace(data, name)
        parts = _of_trace(data, problem)
    if "interrupted" in data.attrs:
        said += " It was interrupted, and shows what was done until then."
    page = _page(heading, said, [*parts, (_made(data), {})], look(data), script)
    if file is not None:
        Path(file).write_text(page, "utf-8")
    return page


def _named(dataset: Any, problem: Problem | None) -> str:
    name = problem.name if problem is not None else getattr(dataset, "attrs", {}).get("problem", "problem")
    name = "the problem" if name == "problem" else str(name)
    return name if len(name) <= SHOWN else f"{name[: SHOWN - 1]}…"


def _formula(problem: Problem | None) -> str:
    """What is fitted, of a regression with a formula that a heading can hold."""
    model = model_of(problem) if problem is not None else None
    return model.text if model and len(model.text) <= 60 else ""


def _of(data: xr.Dataset) -> str:
    return "Which method won" if data.sizes["variant"] > 1 else "What came out"


def _check_problem(trace: xr.Dataset, problem: Problem | None) -> None:
    """ValueError where a trace cannot be of the problem."""
    if problem is None:
        return
    for space in problem.chain.spaces[:1]:
        labels = [str(label) for label in trace[f"{space.name}_dim"].values]
        if len(labels) != space.size:
            raise ValueError(
                f"{space.name} has {len(labels)} components in the trace, but {space.size} in {problem.name!r}; give "
                "the problem that was run."
            )


def _of_trace(trace: xr.Dataset, problem: Problem | None) -> list[Part]:
    style, drawn = look(trace), thinned(trace)
    rows, note = verdicts.trace_table(trace, problem, style)
    parts: list[Part] = [(section("table", _of(trace), rows, text(note)), {})]
    found = panels(drawn.trace, problem, style)
    if found:
        parts.append(_paths(found, style, drawn.note))
    curves = losses(drawn.trace, style)
    drawing = plot("losses", "The loss of each variant against the step", "", curves["note"], "full")
    inner, note = _legend(style) + drawing, "" if found else text(drawn.note)
    parts.append((section("losses", "The loss, step by step", inner, note), {"losses": curves}))
    if problem is not None and trace.sizes["start"] > 1:
        bars = verdicts.trace_outcomes(trace, problem, style)
        parts.append((section("outcomes", "What became of the paths", bars), {}))
    return [*parts, *_swept(trace, style)]


def _paths(found: list[Figure], style: Look, note: str) -> Part:
    """The paths with their controls."""
    figures = {f"paths-{i}": one for i, one in enumerate(found)}
    steps = found[0]["steps"]
    surfaces = any(one.get("surface") for one in found)
    views = (
        '<span class="views" role="group" aria-label="View">'
        '<button type="button" data-view="contour" aria-pressed="true">Contours</button>'
        '<button type="button" data-view="surface" aria-pressed="false">Surface</button></span>'
        if surfaces
        else ""
    )
    controls = (
        '<div class="controls"><button type="button" id="play" aria-label="Play the steps">Play</button>'
        f'<label for="step">Step</label><input type="range" id="step" min="0" max="{len(steps) - 1}" '
        f'value="{len(steps) - 1}" step="1"><output id="at" for="step">{steps[-1]} of {steps[-1]}</output>{views}</div>'
    )
    places = "".join(
        plot(key, f"Paths {one['title']} over the loss", one["title"], one["note"]) for key, one in figures.items()
    )
    inner = f'{_legend(style)}{controls}<div class="panels of{min(len(found), 2)}">{places}</div>'
    told = "A ring marks a start, a star a known minimum, a filled mark where a path is at this step."
    return section("paths", "The paths", inner, text(f"{told} {note}".strip())), figures


def _legend(style: Look) -> str:
    """A button for each variant, or the scale of the hyperparameter by which many are colored."""
    if len(style.labels) > CHIPS and style.swept:
        low, high = (number(end, 3) for end in style.ends)
        return f'<p class="sweep"><span>{text(style.swept)}</span> {low} <i class="ramp"></i> {high}</p>'
    chips = "".join(
        f'<button type="button" class="chip" data-variant="{i}" aria-pressed="true">{swatch(color)}{text(label)}'
        "</button>"
        for i, (label, color) in enumerate(zip(style.labels[:CHIPS], style.colors, strict=False))
    )
    return f'<div class="legend" role="group" aria-label="Show or hide variants">{chips}</div>'


def _swept(data: xr.Dataset, style: Look) -> list[Part]:
    """A figure for each hyperparameter of several values."""
    figures = {f"swept-{i}": one for i, one in enumerate(sensitivities(data, style))}
    if not figures:
        return []
    places = "".join(
        plot(key, f"The final loss against {one['title']}", one["title"], one["note"]) for key, one in figures.items()
    )
    inner = f'<div class="panels of{min(len(figures), 2)}">{places}</div>'
    note = "The final loss, the median over starts, against what was swept; a line for each setting of all else."
    return [(section("swept", "What the hyperparameters do", inner, note), figures)]


def _of_fits(fits: xr.Dataset, problem: Problem | None) -> list[Part]:
    style = look(fits)
    parts: list[Part] = []
    if problem is not None and is_regression(problem) and np.isfinite(fits["loss"].values).any():
        parts.append(_regression(fits, problem))
    rows, note = verdicts.fits_table(fits, problem, style)
    points = "" if parts else verdicts.points_table(fits, style)
    parts.append((section("table", _of(fits), rows + points, text(note)), {}))
    bars, reasons = verdicts.fits_outcomes(fits, style)
    parts.append((section("outcomes", "How the fits ended", bars + reasons), {}))
    if fits.sizes["start"] > 1:
        falls = waterfall(fits, style)
        place = plot("waterfall", "The loss of every start, from the lowest up", "", falls["note"], "full")
        told = "A step is a minimum, and its width says how many starts lead there."
        figures = {"waterfall": falls}
        parts.append((section("waterfall", "The losses of all starts", _legend(style) + place, told), figures))
    return [*parts, *_swept(fits, style)]


def _regression(fits: xr.Dataset, problem: Problem) -> Part:
    """The best fit over its data, what it leaves, and its parameters."""
    best, model = analysis.fitted(fits, problem), model_of(problem)
    figures = {f"fit-{i}": one for i, one in enumerate(over_data(best))} | {"residuals": residuals(best)}
    places = "".join(
        plot(key, "The model over the observations" if key != "residuals" else "Residuals", "", "", "full " + key)
        for key in figures
    )
    known, squares = analysis.fit_table(fits, problem), analysis.criteria(fits, problem).to_dict()
    errors = known["standard_error"].to_numpy()
    rows = [
        [
            text(name),
            number(float(known["value"].iloc[i]), 9),
            text(known["note"].iloc[i]) if known["note"].iloc[i] else number(float(errors[i]), 4),
            "" if known["note"].iloc[i] else _relative(float(known["value"].iloc[i]), float(errors[i])),
        ]
        for i, name in enumerate(known.index[:-2])
    ]
    parameters = table(["parameter", "value", "standard error", "relative"], rows, "Parameters of the best fit")
    kept = ("observations", "degrees of freedom", "residual standard deviation", "R squared", "AIC", "BIC")
    listed = "".join(
        f"<div><dt>{text(name)}</dt><dd>{number(float(squares[name]), 6)}</dd></div>"
        for name in kept
        if name in squares and np.isfinite(squares[name])
    )
    note = text(model.text) if model else ""
    inner = f'<div class="fit">{places}</div>{parameters}<dl class="facts">{listed}</dl>'
    return section("fit", "The best fit over its data", inner, f"<code>{note}</code>" if note else ""), figures


def _relative(value: float, error: float) -> str:
    return f"{100 * abs(error / value):.2g} %" if value and np.isfinite(error) else ""


def _made(data: xr.Dataset) -> str:
    """What the attributes of a Dataset say of how it was made."""
    facts = []
    if "history" in data.attrs:
        facts.append(("command", f"<code>{text(str(data.attrs['history'])[:2000])}</code>"))
    for key, name in ATTRIBUTES.items():
        if key in data.attrs:
            value = data.attrs[key]
            seconds = key.endswith("_seconds") and not isinstance(value, str)
            facts.append((name, f"{number(float(value), 3)} s" if seconds else text(str(value)[:SHOWN])))
    sizes = ", ".join(verdicts.counted(data.sizes[dim], dim) for dim in ("variant", "start") if dim in data.sizes)
    facts += [("record", text(sizes)), ("page written", text(f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"))]
    listed = "".join(f"<div><dt>{text(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    return section("made", "How it was made", f'<dl class="facts">{listed}</dl>')


def _page(heading: str, said: str, parts: list[Part], style: Look, script: str) -> str:
    """The page, each of whose scripts is allowed by its hash and no other."""
    figures: dict[str, Any] = {key: one for _, owned in parts for key, one in owned.items()}
    looks = zip(style.colors, style.dashes, style.symbols, strict=True)
    figures["styles"] = [{"color": color, "dash": dash, "symbol": symbol} for color, dash, symbol in looks]
    # Where the browser reads markup before JSON, these characters would end the script.
    packed = json.dumps(figures, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    packed = packed.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    own = (STATIC / "report.js").read_text("utf-8")
    filled = {
        "title": text(heading),
        "scripts": " ".join(f"'sha256-{_hash(one)}'" for one in (script, own)),
        "style": (STATIC / "report.css").read_text("utf-8"),
        "said": text(said),
        "body": "\n".join(part for part, _ in parts),
        "figures": packed,
        "plotly": script,
        "script": own,
    }
    frame = (STATIC / "report.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: filled[mark[1]], frame)


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
