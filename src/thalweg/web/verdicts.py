"""What was run and which method won, in a sentence; and what became of each variant, in tables."""

from typing import Any

import numpy as np
import xarray as xr

from thalweg import analysis
from thalweg.analysis.view import is_finite, with_units
from thalweg.chain.problem import Problem
from thalweg.engine.endings import why
from thalweg.fitting.sameness import REACHED, Sameness
from thalweg.web.figures import Look
from thalweg.web.markup import bars, number, plain, swatch, table, text

MANY = 1000  # times a loss, from which on it says nothing
MOST_VARIANTS = 40  # in a table, else the best half as many
MOST_COMPONENTS = 10  # of x in a table
NEVER = '<span class="nothing" title="not reached">never</span>'
HEADS = {
    "final_loss": "last loss",
    "best_loss": "lowest loss",
    "distance": "distance",
    "alignment": "alignment",
    "outcome": "outcome",
    "steps": "steps to 99 %",
}


def counted(many: int, word: str) -> str:
    return f"{many:,} {word}{'' if many == 1 else 's'}"


def _of(data: xr.Dataset) -> str:
    """What was compared: methods, or variants of them."""
    variants, methods = data.sizes["variant"], len(set(data["method"].values.tolist()))
    return counted(methods, "method") if variants == methods else f"{variants:,} variants of {methods}"


def of_trace(trace: xr.Dataset, name: str) -> tuple[str, str]:
    """The heading of a report on a trace, and the sentences below it."""
    loss = np.asarray(trace["loss"].values, float)
    last = np.median(np.where(is_finite(loss[..., -1]), loss[..., -1], np.inf), axis=1)
    order, steps = np.argsort(last, kind="stable"), counted(int(trace["step"].values[-1]), "step")
    labels = [str(label) for label in trace["variant"].values]
    starts, units = trace.sizes["start"], trace["loss"].attrs.get("units", "")
    best, first = int(order[0]), float(np.median(loss[:, :, 0]))
    which = f", the median of {starts:,} starts" if starts > 1 else ""
    if not np.isfinite(last[best]):
        return (
            f"No method brought {name} to a finite loss in {steps}.",
            "Every path ended with a loss that is not finite.",
        )
    fall = f"from {plain(first, 3)} to {with_units(plain(float(last[best]), 3), units)}{which}"
    if len(labels) == 1:
        return f"{labels[0]} took {steps} on {name}.", f"The loss went {fall}."
    level = [labels[i] for i in order[1:] if last[i] <= last[best] * (1 + 1e-6) and last[i] - last[best] <= 1e-30]
    if level:
        return f"Of {_of(trace)} on {name}, {counted(len(level) + 1, 'variant')} ended level.", f"The loss went {fall}."
    next_ = float(last[order[1]])
    told = f"The loss went {fall}."
    if not np.isfinite(next_):
        told += " No other ended with a finite loss."
    elif 0 < 1.05 * last[best] < next_ < MANY * last[best]:
        told += f" Next is {labels[int(order[1])]}, with {plain(next_ / float(last[best]), 2)} times that loss."
    else:
        told += f" Next is {labels[int(order[1])]}, with {plain(next_, 4)}."
    return f"Of {_of(trace)} on {name}, {labels[best]} won after {steps}.", told


def of_fits(fits: xr.Dataset, name: str, problem: Problem | None, model: str = "") -> tuple[str, str]:
    """The heading of a report on fits, of a ``model`` where there is one, and the sentences below it."""
    loss, labels = np.asarray(fits["loss"].values, float), [str(label) for label in fits["variant"].values]
    starts = counted(fits.sizes["start"], "start")
    lowest = np.where(is_finite(loss), loss, np.inf).min(axis=1)
    if not np.isfinite(lowest.min()):
        return f"No fit of {name} came to a finite loss.", f"{_of(fits)} began at {starts}."
    level = reached(fits, problem)
    shares = level.sum(axis=1)
    order = np.lexsort((np.median(fits["steps"].values, axis=1), -shares))
    best = int(order[0])
    units = fits["loss"].attrs.get("units", "")
    told = f"The lowest loss is {with_units(plain(float(lowest.min()), 5), units)}"
    told += f", reached by {int(shares[best]):,} of {fits.sizes['start']:,} starts" if fits.sizes["start"] > 1 else ""
    if len(labels) == 1:
        did = f"fitted {model} to {name}" if model else f"solved {name}"
        return f"{labels[0]} {did} from {starts}.", f"{told}."
    others = [i for i in order[1:] if shares[i] == shares[best]]
    told += f"; {labels[int(others[0])]} reached it as often, in more steps" if others else ""
    return f"Of {_of(fits)} on {name}, {labels[best]} won from {starts}.", f"{told}."


def reached(fits: xr.Dataset, problem: Problem | None) -> np.ndarray:
    """Which fits have the lowest loss of all, as the command line counts them, shape (variant, start)."""
    loss = np.asarray(fits["loss"].values, float)
    finite = np.where(is_finite(loss), loss, np.inf)
    lowest = finite.min()
    if problem is None:
        return is_finite(loss) & (finite <= lowest + REACHED * max(1.0, abs(lowest)))
    return is_finite(loss) & (finite <= Sameness.of(problem, fits.attrs.get("dtype", "float64")).ceiling(lowest))


def trace_table(trace: xr.Dataset, problem: Problem | None, style: Look) -> tuple[str, str]:
    """The table of a trace and a note on it."""
    if problem is None:
        loss = np.asarray(trace["loss"].values, float)
        finite = np.where(is_finite(loss), loss, np.inf)
        columns = {"final_loss": np.median(loss[..., -1], axis=1), "best_loss": np.median(finite.min(-1), axis=1)}
        known = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        heads = list(columns)
    else:
        with np.errstate(all="ignore"):
            frame = analysis.table(trace, problem)
        known, heads = frame.to_dict("records"), list(frame.columns)
        if trace.sizes["start"] > 1:  # which have a bar each
            heads.remove("outcome")
    final = np.nan_to_num([row["final_loss"] for row in known], nan=np.inf)
    order = np.argsort(final, kind="stable")
    kept = np.arange(len(order)) if len(order) <= MOST_VARIANTS else order[: MOST_VARIANTS // 2]
    units = {"final_loss": trace["loss"], "best_loss": trace["loss"], "distance": trace["x"]}
    words = [text(with_units(HEADS[k], units[k].attrs.get("units", "") if k in units else "")) for k in heads]
    rows = [
        [swatch(style.colors[i]) + text(style.labels[i]), *(_cell(key, known[i][key]) for key in heads)] for i in kept
    ]
    marked = int(np.flatnonzero(kept == order[0])[0]) if len(order) > 1 else -1
    notes = [f"The best {len(kept)} of {len(order)} variants by last loss."] * (len(kept) < len(order))
    notes += ["Each figure is the median over starts."] * (trace.sizes["start"] > 1)
    if problem is not None:
        notes += ["Distance is from the last point to the nearest known minimum."] * ("distance" in heads)
        notes += ["Alignment is the cosine of the first step with the way to the minimum."] * ("alignment" in heads)
        notes += ["Steps to 99 % is the first step at which 99 % of the possible decrease is won."]
    return table(["variant", *words], rows, "What became of each variant", marked), " ".join(notes)


def _cell(key: str, value: Any) -> str:
    if key == "outcome":
        return f'<span class="outcome {text(str(value).split()[0])}">{text(value)}</span>'
    if key == "steps":
        return NEVER if not np.isfinite(value) else f"{value:.6g}"
    return number(float(value), 3 if key == "alignment" else 4)


def trace_outcomes(trace: xr.Dataset, problem: Problem, style: Look) -> str:
    """A bar of the outcomes of all starts for each variant."""
    with np.errstate(all="ignore"):
        codes = analysis.outcome(trace, problem)
    return _bars(codes.values, codes.attrs["flag_meanings"].split(), style)


def _bars(codes: np.ndarray, meanings: list[str], style: Look) -> str:
    rows = [
        (
            swatch(style.colors[i]) + text(label),
            [(word, int(np.sum(codes[i] == code))) for code, word in enumerate(meanings)],
        )
        for i, label in enumerate(style.labels[:MOST_VARIANTS])
    ]
    return bars(rows)


def fits_outcomes(fits: xr.Dataset, style: Look) -> tuple[str, str]:
    """A bar of the outcomes for each variant, and a list of the reasons."""
    codes, reasons = fits["outcome"], fits["reason"]
    said = []
    for code, word in enumerate(reasons.attrs["flag_meanings"].split()):
        many = int(np.sum(reasons.values == code))
        if many:
            ended = codes.attrs["flag_meanings"].split()[int(codes.values[reasons.values == code][0])]
            said.append(f"<li><b>{many:,}</b> {text(ended)}: {text(_why(word, fits.attrs))}</li>")
    return _bars(codes.values, codes.attrs["flag_meanings"].split(), style), f"<ul class=reasons>{''.join(said)}</ul>"


def _why(word: str, attributes: Any) -> str:
    sentence = why(word)
    return sentence.replace("{max_steps}", str(attributes.get("max_steps", "all")))


def fits_table(fits: xr.Dataset, problem: Problem | None, style: Look) -> tuple[str, str]:
    """A row for each variant: its lowest loss, how many starts reached the lowest of all, and what that cost."""
    loss, level = np.asarray(fits["loss"].values, float), reached(fits, problem)
    lowest = np.where(is_finite(loss), loss, np.inf).min(axis=1)
    order = np.argsort(lowest, kind="stable")
    kept = np.arange(len(order)) if len(order) <= MOST_VARIANTS else order[: MOST_VARIANTS // 2]
    counted_ = (fits["evaluations"].values != 0).any((0, 1))
    kinds = [(j, str(kind)) for j, kind in enumerate(fits["evaluation"].values) if counted_[j]]
    rows = []
    for i in kept:
        costs = [np.median(fits["evaluations"].values[i, :, j]) for j, _ in kinds]
        rows.append(
            [
                swatch(style.colors[i]) + text(style.labels[i]),
                number(lowest[i], 7),
                f"{level[i].sum():,} <small>({level[i].mean():.1%})</small>",
                number(float(np.median(fits["steps"].values[i])), 6),
                *("?" if cost < 0 else number(float(cost), 6) for cost in costs),
            ]
        )
    units = fits["loss"].attrs.get("units", "")
    head = [
        "variant",
        text(with_units("lowest loss", units)),
        "reached by",
        "steps",
        *(text(f"{k}s") for _, k in kinds),
    ]
    note = "Reached by counts the starts that end at the lowest loss of all; steps and evaluations are medians."
    marked = int(np.argmax(level.sum(axis=1)[kept])) if len(kept) > 1 else -1
    return table(head, rows, "What each variant found", marked), note


def points_table(fits: xr.Dataset, style: Look) -> str:
    """x at the lowest loss of each variant; nothing for many components."""
    if fits.sizes["x_dim"] > MOST_COMPONENTS or fits.sizes["variant"] > MOST_VARIANTS:
        return ""
    loss = np.where(is_finite(fits["loss"].values), fits["loss"].values, np.inf)
    best = np.argmin(loss, axis=1)
    names = [f"x{label}" if str(label).isdigit() else text(label) for label in fits["x_dim"].values]
    rows = [
        [swatch(style.colors[i]) + text(label), *(number(float(v), 6) for v in fits["x"].values[i, best[i]])]
        for i, label in enumerate(style.labels)
    ]
    return table(["x at its lowest loss", *names], rows, "Where each variant ends lowest")
