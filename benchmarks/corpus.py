"""Published nonlinear fits without a start: thalweg, and SciPy's curve_fit and lmfit from ones, their defaults.

A program has the published minimum or a lower one where its residual sum of squares is at most 1e-6 above that of the
publication, relative to it, and 1e-12 of the sum of squares about the mean, which rounding leaves of exact data.
"""

import argparse
import math
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import curve_fit

import thalweg as tw

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import published  # which lies beside its tables

PAGE = Path(__file__).resolve().parents[1] / "docs" / "no-start.md"


class Data(NamedTuple):
    """What a program is given: predictions model(x, p1, p2, …) of NumPy, the observations, the names of parameters."""

    fit: published.Fit
    model: published.Model
    y: np.ndarray

    def rss(self, values: Any) -> float:
        return float(np.sum((self.model(self.y, *map(float, values)) - self.y) ** 2))


class End(NamedTuple):
    """Where a program ended: the residual sum of squares, or its word where there is none, and its seconds."""

    rss: float
    word: str = ""
    seconds: float = 0.0


def thalwegs(data: Data) -> np.ndarray:
    """The parameters that thalweg finds, from the file, the model and the name of y alone."""
    found = tw.fit(data.fit.path, data.fit.model, y=data.fit.y)
    best = tw.analysis.best_fit(found.fits)
    values = dict(zip(map(str, best.x_dim.values), best.x.values, strict=True))
    return np.array([values[name] for name in data.model.names])


def scipys(data: Data) -> np.ndarray:
    return curve_fit(data.model, np.arange(len(data.y)), data.y, np.ones(len(data.model.names)))[0]


def lmfits(data: Data) -> np.ndarray:
    import lmfit

    def predict(x: np.ndarray, **values: float) -> np.ndarray:
        return data.model(x, *(values[name] for name in data.model.names))

    arguments = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ("x", *data.model.names)]
    predict.__signature__ = Signature(arguments)  # by which lmfit knows the parameters
    model = lmfit.Model(predict, independent_vars=["x"])
    result = model.fit(data.y, model.make_params(**dict.fromkeys(data.model.names, 1.0)), x=np.arange(len(data.y)))
    if not result.success:
        raise RuntimeError(result.message)
    return np.array([result.params[name].value for name in data.model.names])


def programs() -> dict[str, Callable[[Data], np.ndarray]]:
    """By the heading of its column: those that are here."""
    found: dict[str, Callable[[Data], np.ndarray]] = {"thalweg, no start": thalwegs}
    found[f"curve_fit {version('scipy')}, from ones"] = scipys
    if find_spec("lmfit"):
        found[f"lmfit {version('lmfit')}, from ones"] = lmfits
    return found


def end(program: Callable[[Data], np.ndarray], data: Data) -> End:
    """Any error is the program's answer: it is what a user would be left with."""
    began = time.perf_counter()
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            values = program(data)
            rss = data.rss(values)
    except Exception as error:
        return End(math.inf, _word(error), time.perf_counter() - began)
    seconds = time.perf_counter() - began
    return End(rss, "", seconds) if math.isfinite(rss) else End(math.inf, "no number", seconds)


def _word(error: Exception) -> str:
    text = str(error).lower()
    if isinstance(error, AttributeError) and "'fit'" in text:
        return "not there yet"
    if isinstance(error, RuntimeError):
        return "gave up"
    known = {"nan": "no number", "infs": "no number"}
    return next((word for part, word in known.items() if part in text), type(error).__name__)


def reached(data: Data, rss: float) -> bool:
    total = float(np.sum((data.y - data.y.mean()) ** 2))
    return rss <= data.fit.rss * (1 + 1e-6) + 1e-12 * total


def cell(data: Data, found: End) -> str:
    if found.word:
        return found.word
    if reached(data, found.rss):
        lower = found.rss < data.fit.rss * (1 - 1e-6) and data.fit.rss > 1e-12 * float(np.sum(data.y**2))
        return f"ok, lower ({found.rss / data.fit.rss:.4f})" if lower else "ok"
    ratio = found.rss / max(data.fit.rss, 1e-300)
    return f"**{ratio:.3g}**" if ratio >= 1.01 else f"**1 + {ratio - 1:.1e}**"


def page(rows: list[tuple[Data, dict[str, End]]]) -> str:
    names = list(rows[0][1])
    totals = {name: sum(reached(data, ends[name].rss) for data, ends in rows) for name in names}
    seconds = {name: float(np.median([ends[name].seconds for _, ends in rows])) for name in names}
    lines = [
        "# Published fits, without a start",
        "",
        f"Made by `benchmarks/corpus.py`. {len(rows)} nonlinear fits that were published with their data",
        "(`tests/data/README.md`), each given as its file, its model and the name of its response:",
        "`tw.fit(file, model, y=…)`. `curve_fit` and lmfit need a start: theirs are ones, the default of `curve_fit`.",
        "**ok** is the published residual sum of squares, to 1e-6 of it, or a lower one; a bold number is where the",
        "program ended instead, as a multiple of the published sum; words are its refusal. m x d: observations x",
        "parameters.",
        "",
        "| | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
        "| published minimum, or lower | "
        + " | ".join(f"{totals[name]} of {len(rows)} ({totals[name] / len(rows):.0%})" for name in names)
        + " |",
        "| median seconds of a fit, compilation included | "
        + " | ".join(f"{seconds[name]:.2g}" for name in names)
        + " |",
        "",
        "| fit | source | m x d | " + " | ".join(names) + " |",
        "|---|---|---:|" + "---|" * len(names),
    ]
    for data, ends in rows:
        size = f"{len(data.y)} x {len(data.model.names)}"
        cells = " | ".join(cell(data, found) for found in ends.values())
        lines.append(f"| {data.fit.name} | {data.fit.source} | {size} | {cells} |")
    lower = [data.fit.name for data, _ in rows if data.fit.lower_rss is not None]
    lines += ["", f"Minima below the published ones are known of: {', '.join(lower)}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", help="names of fits")
    parser.add_argument("--without-thalweg", action="store_true", help="the other programs alone")
    parser.add_argument("--page", type=Path, help=f"a file to write, such as {PAGE.name}; else the page is printed")
    options = parser.parse_args()
    used = programs()
    if options.without_thalweg:
        used.pop("thalweg, no start")
    table = []
    for fit in published.fits():
        if options.only and fit.name not in options.only:
            continue
        data = Data(fit, *published.model(fit))
        ends = {name: end(program, data) for name, program in used.items()}
        print(fit.name, *(cell(data, found) for found in ends.values()), sep=" | ", file=sys.stderr, flush=True)
        table.append((data, ends))
    if options.page:
        options.page.write_text(page(table))
    else:
        print(page(table))
