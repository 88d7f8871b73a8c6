"""What the commands do: words become a problem and methods, then run, table, files."""

import difflib
import importlib.util
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from thalweg import formula, methods, problems, starts
from thalweg.problem import Problem
from thalweg.problems import fits
from thalweg.runs import run as run_all
from thalweg.sweeps import sweep

PROBLEMS: dict[str, Callable[..., Problem]] = {
    **{name: getattr(problems, name) for name in problems.__all__ if inspect.isfunction(getattr(problems, name))},
    "misra1a": fits.misra1a,
}
METHODS: dict[str, Callable[..., methods.Method]] = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): getattr(methods, name)
    for name in methods.__all__
    if name not in ("Method", "FirstOrder", "from_optax")
}


def run(
    problem: str,
    specs: Sequence[str],
    steps: int,
    start: str | None,
    count: int | None,
    seed: int,
    every: int,
    dtype: str,
    out: Path | None,
    figure: Path | None,
) -> None:
    """``thalweg run``: print the table, write the files and say where they went."""
    for file in (out, figure):
        if file is not None and not file.resolve().parent.is_dir():
            raise ValueError(
                f"{file} cannot be written, because its folder does not exist; create the folder or name another."
            )
    if start is not None and count is not None:
        raise ValueError(
            "--start and --starts were both given, but a run begins at one point or at drawn ones; give one."
        )
    _keep_compilations()
    point = None if start is None else [formula.number(word) for word in start.split(",")]
    chosen = _problem(problem, point)
    begin = starts.uniform(chosen.domain, count, seed) if count is not None else point
    named = _named(specs or _fitting(chosen))
    trace = run_all(chosen, named, begin, steps, every=every, key=seed, dtype=dtype)

    from thalweg import analysis

    table = analysis.table(trace, chosen)
    shown = table if len(table) <= 40 else table.sort_values("final_loss").head(20)
    print(shown.to_string(float_format=lambda value: f"{value:.4g}"))
    if len(shown) < len(table):
        print(f"(the best {len(shown)} of {len(table)} variants by final loss)")
    if "interrupted" in trace.attrs:
        print(f"(interrupted: step {int(trace.step[-1])} of {steps})")
    if out is not None:
        trace.to_netcdf(out, engine="h5netcdf")
        print(f"trace: {out}")
    if figure is not None:
        from thalweg import plot

        flat = [space.name for space in chosen.inner_spaces if space.size <= 2]
        drawn = plot.paths(trace, chosen, space=flat) if flat and flat[0] == "x" else plot.curves(trace)
        drawn.savefig(figure, dpi=150)
        print(f"figure: {figure}")


def listing(what: str) -> list[str]:
    """``thalweg list``: a line per name, with its parameters and the first sentence of its documentation."""
    lines = []
    for name, make in (PROBLEMS if what == "problems" else METHODS).items():
        parameters = [
            str(p).split(":")[0] + (f"={p.default}" if p.default is not p.empty else "") for p in _parameters(make)
        ]
        heading = name + (":" + ",".join(parameters) if parameters else "")
        lines.append(f"{heading}\n    {' '.join((inspect.getdoc(make) or '').split(chr(10) * 2)[0].split())}")
    return lines


def _keep_compilations() -> None:
    """The second run of a command compiles nothing."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thalweg"
        jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


def _nearest(name: str, known: Iterable[str], what: str) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}" if near else f"choose from {', '.join(known)}"
    return f"{name!r} is not {what}; {hint}."


def _split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand outside parentheses."""
    depth, parts = 0, [""]
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _parameters(make: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(make).parameters.values())


def _arguments(text: str, make: Callable[..., Any], name: str) -> dict[str, Any]:
    """``key=value,…`` for the parameters of ``make``: numbers, flags, words, and arrays where a list was given."""
    known, given = {p.name: p for p in _parameters(make)}, {}
    for pair in _split(text, ",") if text else []:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            raise ValueError(f"{pair!r} after {name!r} has no value; write key=value, such as learning_rate=0.1.")
        if key not in known:
            raise ValueError(
                _nearest(key, known, f"a parameter of {name}")
                if known
                else f"{name} takes no parameters, but {pair!r} was given."
            )
        if key in given:
            raise ValueError(f"{key} is given twice for {name!r}; give it once, as a list with ';' for several values.")
        given[key] = _value(value)
    missing = [p.name for p in known.values() if p.default is p.empty and p.name not in given]
    if missing:
        raise ValueError(f"{name} needs {missing[0]}; write {name}:{missing[0]}=0.1.")
    return given


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    spaced = re.fullmatch(r"geom\((.*)\)", text)
    if spaced:
        numbers = [formula.number(part) for part in spaced[1].split(",")]
        if len(numbers) != 3 or min(numbers[:2]) <= 0 or numbers[2] < 1 or numbers[2] % 1:
            raise ValueError(
                f"{text!r} is not a geometric list; write geom(first,last,count) with positive ends, such as geom(1e-4,1,40)."
            )
        return np.geomspace(numbers[0], numbers[1], int(numbers[2]))
    if ";" in text:
        return np.array([formula.number(part) for part in text.split(";")])
    if re.fullmatch(r"[a-z_]+", text) and text not in formula.CONSTANTS:
        return text
    return formula.number(text)


def _fitting(problem: Problem) -> list[str]:
    """Methods for a person who named none."""
    chosen = ["gradient_descent:learning_rate=geom(1e-4,1,5)", "adam:learning_rate=0.1", "newton"]
    if problem.stages:
        chosen.append("gauss_newton")
    if problem.stages and all(stage.inverse is not None for stage in problem.stages):
        chosen.append("inverse_simulator")
    return chosen


def _named(specs: Sequence[str]) -> dict[str, methods.Method]:
    """Methods by name, or by the whole word where a name comes twice."""
    names = [spec.partition(":")[0] for spec in specs]
    labels = [name if names.count(name) == 1 else spec for name, spec in zip(names, specs, strict=True)]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"method {label!r} is given twice; leave one out, or give the two different values.")
    return {label: _method(spec) for label, spec in zip(labels, specs, strict=True)}


def _method(spec: str) -> methods.Method:
    name, _, text = spec.partition(":")
    if name not in METHODS:
        raise ValueError(_nearest(name, METHODS, "a method"))
    arguments = _arguments(text, METHODS[name], name)
    lists = {key: value for key, value in arguments.items() if isinstance(value, np.ndarray)}
    scalars = {key: float(value[0]) if key in lists else value for key, value in arguments.items()}
    for key, value in scalars.items():
        default = inspect.signature(METHODS[name]).parameters[key].default
        if isinstance(value, bool) != isinstance(default, bool) or isinstance(value, str) != isinstance(default, str):
            raise ValueError(
                f"{key}={value} does not fit {name}, whose default there is {default}; give a value of that kind."
            )
    method = METHODS[name](**scalars)
    return sweep(method, **lists) if lists else method


def _problem(spec: str, point: list[float] | None) -> Problem:
    """The problem that a word on the command line means."""
    name, _, text = spec.partition(":")
    if name in PROBLEMS:
        arguments = _arguments(text, PROBLEMS[name], name)
        return PROBLEMS[name](
            **{key: int(v) if isinstance(v, float) and v % 1 == 0 else v for key, v in arguments.items()}
        )
    if name.endswith(".py"):
        return _from_file(Path(name), text)
    if name.endswith(".dat") or (Path(name).is_file() and not name.endswith(".csv")):
        arguments = _arguments(text, lambda start=1: None, "a NIST file")
        return fits.nist(name, **{key: int(value) for key, value in arguments.items()})
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{2,}(:.*)?", spec) and not re.fullmatch(r"x\d+", spec):
        raise ValueError(_nearest(name, PROBLEMS, "a problem of the library, a file or a formula"))
    loss = formula.compile(spec)
    return Problem(loss=loss, start=np.ones(loss.dimension) if point is None else point, domain=(-5.0, 5.0), name=spec)


def _from_file(path: Path, name: str) -> Problem:
    """``file.py:name``: a Problem in the file, or a function that makes one."""
    if not path.is_file():
        raise ValueError(
            f"{path} is not a file; give the path of a Python file and a name in it, such as problem.py:problem."
        )
    described = importlib.util.spec_from_file_location(path.stem, path)
    if described is None or described.loader is None:
        raise ValueError(f"{path} cannot be imported; give a Python file.")
    module = importlib.util.module_from_spec(described)
    try:
        described.loader.exec_module(module)
    except Exception as error:  # the person's own file: one sentence names what went wrong in it
        raise ValueError(f"{path} cannot be imported ({type(error).__name__}: {error}).") from error
    found = getattr(module, name, None)
    found = found() if inspect.isfunction(found) else found
    if not isinstance(found, Problem):
        there = [key for key, value in vars(module).items() if isinstance(value, Problem)]
        raise ValueError(f"{path} has no problem {name!r}; it has {', '.join(there) or 'none'}: write {path}:NAME.")
    return found
