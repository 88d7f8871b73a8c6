"""The Python code that makes what a page shows."""

import re
from typing import Any

import numpy as np

from thalweg import methods
from thalweg.web.scene import Scene
from thalweg.web.shelf import Shelf
from thalweg.words.library import METHODS, PROBLEMS, arguments
from thalweg.words.parameters import parameters

CALL = re.compile(r"\b([A-Za-z_]\w*)(?=\()")


def script(scene: Scene, shelf: Shelf) -> str:
    """Code of public names: the same paths, their table and their picture."""
    named = zip(scene.chosen(), scene.methods, strict=True)
    chosen = "".join(f"    {label!r}: {_method(word)},\n" for label, word in named)
    start = "" if scene.start is None else f"[{list(scene.start)!r}], "
    key = f"key={scene.key}, " if scene.key else ""
    return (
        "import thalweg as tw\n\n"
        f"problem = {_problem(scene.problem, shelf)}\n"
        f"methods = {{\n{chosen}}}\n"
        f"trace = tw.run(problem, methods, {start}steps={scene.steps}, {key}dtype={scene.dtype!r})\n"
        "print(tw.analysis.table(trace, problem))\n"
        f"tw.plot.{'paths(trace, problem)' if shelf.problem(scene.problem).dimension < 3 else 'curves(trace)'}\n"
    )


def _problem(word: str, shelf: Shelf) -> str:
    name, _, rest = word.partition(":")
    if word in shelf.own:
        return f"...  # your own {word}"
    if name in PROBLEMS:
        given = arguments(rest, parameters(PROBLEMS[name]), name)
        return f"tw.problems.{name}({', '.join(f'{key}={_value(value)}' for key, value in given.items())})"
    many = shelf.problem(word).dimension
    return f"tw.Problem(loss=tw.formula.compile({word!r}), start={[1.0] * many!r}, domain=(-5.0, 5.0), name={word!r})"


def _method(word: str) -> str:
    """The call that makes a method, as it shows itself, in a ``sweep`` where there are lists."""
    name, _, rest = word.partition(":")
    given = arguments(rest, parameters(METHODS[name]), name)
    lists = {key: value for key, value in given.items() if isinstance(value, np.ndarray)}
    first = METHODS[name](**{key: value[0] if key in lists else value for key, value in given.items()})
    public = {*methods.__all__}
    call = CALL.sub(lambda match: f"tw.methods.{match[0]}" if match[0] in public else match[0], repr(first))
    swept = "".join(f", {key}={_value(value)}" for key, value in lists.items())
    return f"tw.sweep({call}{swept})" if lists else call


def _value(value: Any) -> str:
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)
