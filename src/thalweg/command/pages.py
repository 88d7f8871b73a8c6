"""``thalweg report`` and ``--report``: the page of a trace or of fits, and the problem that a file may be of."""

import re
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from thalweg import formula
from thalweg.chain.problem import Problem
from thalweg.command import words
from thalweg.web import bounds
from thalweg.words import library

FITTED = ("first_x", "last_x")  # points of x in fits, with dims of their own


def check_page(file: Path | None) -> None:
    """ValueError, before any work is done, where no page can be written under that name."""
    if file is None:
        return
    if file.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{file} does not end like a page; let it end in .html.")
    from thalweg.web.page import plotly

    plotly()


def write_page(data: Any, problem: Problem, file: Path) -> None:
    """The page of what this command line has made."""
    from thalweg.web.report import report

    line = shlex.join(["thalweg", *sys.argv[1:]])
    said = f"{datetime.now().astimezone().isoformat(timespec='seconds')}: {line}"
    with np.errstate(all="ignore"):  # infinity and NaN are results, here as in the Dataset
        report(data.assign_attrs(history=said), problem, file)


def report_file(trace: Path, out: Path, word: str | None) -> None:
    """``thalweg report``: the page of a file that ``--out`` wrote, of the problem that a word means, or else of the
    one that the file names, where it is of the library or a formula."""
    from thalweg.web.archives import read_archive
    from thalweg.web.report import report

    data = read_archive(trace)
    if word is not None:
        problem = words.problem(word, None)
        if not _is_of(data, problem):
            raise ValueError(f"{trace} is not of {problem.name!r}; give --problem with the word that was run.")
    else:
        problem = named(data)
    with np.errstate(all="ignore"):
        report(data, problem, out)
    if problem is None:
        print(
            f"drawn without its problem, {str(data.attrs.get('problem', 'problem'))!r}; --problem WORD says what it is"
        )
    print(f"report: {out}")


def named(data: Any) -> Problem | None:
    """The problem that the attributes name, of the library or a formula, if it has the losses of the Dataset; no file
    is read, and no code run, that a trace names."""
    name, size = data.attrs.get("problem", ""), data.sizes.get("x_dim", 0)
    if not isinstance(name, str) or not name:
        return None
    called = re.fullmatch(r"(\w+)(?:\(([^()]*)\))?", name)
    try:
        if called and called[1].lower() in library.PROBLEMS:
            given = (called[2] or "").replace(" ", "")
            found = bounds.problem(called[1].lower() + (f":{given}" if given else ""))
        elif formula.compile(name).dimension == size:
            found = library.of_formula(name)
        else:
            return None
        return found if _is_of(data, found) else None
    except ValueError:  # a name that is no word
        return None


def _is_of(data: Any, problem: Problem) -> bool:
    """Whether x has the components of the problem, and the problem the losses of the Dataset, where they begin or are
    best."""
    spaces = {space.name: list(space.labels) for space in problem.chain.spaces}
    given = [str(name) for name in data.data_vars if f"{name}_dim" in data[name].dims]
    for name in ["x", *(space for space in given if space not in FITTED)]:
        if [str(label) for label in data[f"{name}_dim"].values] != spaces.get(name):
            return False
    steps = "step" in data["loss"].dims
    x, loss = (data[key].isel(step=0) if steps else data[key] for key in ("x", "loss"))
    x, loss = np.asarray(x.values, float).reshape(-1, problem.dimension), np.asarray(loss.values, float).ravel()
    known = np.flatnonzero(np.isfinite(x).all(1) & np.isfinite(loss))[:3]
    mine = np.array([float(problem.value(np.asarray(x[i]))) for i in known])
    coarse = str(data.attrs.get("dtype", "")) in ("bfloat16", "float16")
    size = np.maximum(np.abs(loss[known]), np.abs(mine))
    return bool(np.all(np.abs(mine - loss[known]) <= (0.05 if coarse else 1e-3) * size + 1e-6))
