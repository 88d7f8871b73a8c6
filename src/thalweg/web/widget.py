"""The page in a notebook: the same script, with the kernel behind it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import anywidget
import numpy as np
from traitlets import Unicode

from thalweg.chain.problem import Problem
from thalweg.methods.method import Method
from thalweg.methods.sweeps import hyperparameters
from thalweg.web import page
from thalweg.web.desk import Desk
from thalweg.web.frame import parted
from thalweg.web.scene import Scene, address
from thalweg.web.shelf import Shelf
from thalweg.web.worker import Worker
from thalweg.words.library import METHODS, method, suiting


def explore(
    problem: Problem | str,
    methods: Method | str | Sequence[Method | str] | Mapping[str, Method] | None = None,
    start: Any = None,
    steps: int = 100,
) -> anywidget.AnyWidget:
    """The page of ``thalweg explore`` as a widget of a notebook: click a start and see every method go from there.

    Args:
        problem: the chain x -> y -> L, or a word of the command line, such as "rosenbrock:d=3" or a formula.
        methods: methods of the library, or their words, such as "adam:learning_rate=0.1"; some that suit if None.
        start: where they begin, shape (d,), in [x]; ``problem.start`` if None.
        steps: how many, 1 to 20,000.
    Returns:
        The widget, which a notebook shows where it is the last line of a cell. ``address`` has its state, as the
        address of the page.
    Raises:
        ValueError: for a problem that is no word and no Problem, for a method that no word can say, and for a start or
            steps that do not fit.
    Cost:
        5 MB to the notebook once, for its charts; then what ``run`` costs at each click.
    Example:
        >>> tw.explore(tw.problems.pbdl(), [tw.methods.adam(0.1), "newton"]).address[:13]
        '#problem=pbdl'
    """
    shelf = Shelf({problem.name: problem} if isinstance(problem, Problem) else None)
    word = problem.name if isinstance(problem, Problem) else problem
    given = [methods] if isinstance(methods, str | Method) else methods
    given = list(given.values()) if isinstance(given, Mapping) else given
    chosen = suiting(shelf.problem(word)) if given is None else [_word(one) for one in given]
    point = None if start is None else np.ravel(np.asarray(start, float)).tolist()
    scene = Scene.read({"problem": word, "methods": chosen, "start": point, "steps": steps})
    scene.chosen()
    return widget(shelf, address(scene))


def widget(shelf: Shelf, first: str) -> anywidget.AnyWidget:
    shown = anywidget.AnyWidget(_esm=page.script())
    shown.add_traits(_css=Unicode(page.style()).tag(sync=True), address=Unicode(first).tag(sync=True))

    def send(answer: dict[str, Any]) -> None:
        header, arrays = parted(answer)
        shown.send(header, [array.tobytes() for array in arrays])

    worker = Worker(Desk(shelf), send)

    def take(_: Any, question: Any, buffers: Any) -> None:
        if isinstance(question, dict) and question.get("plotly") is True:
            shown.send({"plotly": True}, [page.plotly().encode()])
        else:
            worker.ask(question)

    shown.on_msg(take)
    return shown


def _word(given: Any) -> str:
    """The word for a method; ValueError where none makes the same."""
    if isinstance(given, str):
        method(given)
        return given
    found = re.fullmatch(r"(\w+)\((.*)\)", repr(given))
    names = {name.replace("_", ""): name for name in METHODS}
    name = names.get(found[1].replace("_", "").lower()) if found else None
    if found and name:
        word = f"{name}:{found[2].replace(', ', ',')}".rstrip(":")
        try:
            same = method(word)
        except ValueError:
            same = None
        if repr(same) == repr(given) and _numbers(same) == _numbers(given):
            return word
    raise ValueError(f"{given!r} is a method that no word says; give a method of the library with its numbers.")


def _numbers(given: Any) -> dict[str, list[float]]:
    return {name: np.ravel(value).tolist() for name, value in hyperparameters(given).items()}
