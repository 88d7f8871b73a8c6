"""What every public docstring says, and that its examples run.

A docstring begins with what the object is. Then come its sections, each a heading at the left margin and indented text.
"""

import ast
import doctest
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw

HEADINGS = ("Args", "Returns", "Raises", "Cost", "Source", "Example")

# What each kind of object must say. Args besides, wherever it takes something, and Raises, wherever it raises.
NEEDED = {
    "verb": {"Returns", "Raises", "Cost", "Example"},
    "chain": {"Cost"},
    "method": {"Cost", "Source", "Example"},
    "adapter": {"Raises", "Cost", "Example"},
    "problem": {"Source", "Example"},
    "examples": {"Returns"},
    "function": {"Returns", "Cost"},
    "analysis": {"Returns", "Cost"},
    "plot": {"Returns", "Raises"},
    "value": set(),  # what is returned, and contracts: nobody calls it
}
VERBS = ("run", "solve", "minimize", "sweep")
INVERSES = ("numerical_inverse", "saddle_free_inverse")
ADAPTERS = ("methods.FirstOrder", "methods.from_optax", "methods.from_optimistix", "methods.from_scipy")
VALUES = ("methods.Method", "methods.Report", "plot.Movie", "plot.Saved", "roots.Roots")
KINDS = {"methods": "method", "problems": "problem", "analysis": "analysis", "plot": "plot"}
KIND_OF = {
    **dict.fromkeys(VALUES, "value"),
    **dict.fromkeys(VERBS, "verb"),
    **dict.fromkeys(INVERSES, "function"),
    **dict.fromkeys(ADAPTERS, "adapter"),
    "problems.start_ranges": "function",
}
READERS = {"whole", "positive", "share", "precision"}  # of numerics: they raise where a number is none
NUMBERS = re.compile(r"float|Array|ndarray")  # in an annotation: what has a unit
UNITS = re.compile(r"\[[A-Za-z]\]|pure number|seconds|degrees|radians|bytes")


class Public(NamedTuple):
    name: str
    value: Any
    kind: str


def public() -> Iterator[Public]:
    """Every public object that is not a module or a constant, once, with its kind."""
    seen: set[int] = set()
    for name, value in named():
        if callable(value) and id(value) not in seen and not typing.get_origin(value):
            seen.add(id(value))
            yield Public(name, value, KIND_OF.get(name) or kind_of(name))


def kind_of(name: str) -> str:
    if name.endswith(".examples"):
        return "examples"
    room = name.split(".")[0]
    return KINDS.get(room, "function" if "." in name else "chain")


def named() -> Iterator[tuple[str, Any]]:
    rooms = {name: getattr(tw, name) for name in tw.__all__ if inspect.ismodule(getattr(tw, name))}
    rooms |= {f"problems.physics.{name}": getattr(tw.problems.physics, name) for name in tw.problems.physics.__all__}
    yield from ((name, getattr(tw, name)) for name in tw.__all__ if name not in rooms)
    for room, module in reversed(rooms.items()):  # where a function has two names, that of its own module
        if room == "formula":
            yield "formula.compile", module.compile
        else:
            names = ("problem", "examples") if room.startswith("problems.physics.") else module.__all__
            yield from ((f"{room}.{name}", getattr(module, name)) for name in names)


def sections(doc: str) -> dict[str, str]:
    """The text of a docstring by heading, "" for what stands before the first; ValueError where it is not in order."""
    found = {"": ""}
    here = ""
    for line in inspect.cleandoc(doc).splitlines():
        heading = re.fullmatch(r"([A-Z]\w+):", line)
        if heading:
            here = heading[1]
            if here not in HEADINGS:
                raise ValueError(f"{here} is no heading; choose from {', '.join(HEADINGS)}")
            if here in found:
                raise ValueError(f"{here} comes twice")
            found[here] = ""
        elif here and line and not line.startswith("    "):
            raise ValueError(f"{line!r} is not indented, but stands below {here}")
        else:
            found[here] += line + "\n"
    order = [HEADINGS.index(name) for name in found if name]
    if order != sorted(order):
        raise ValueError(f"the sections are {', '.join(filter(None, found))}, but their order is {', '.join(HEADINGS)}")
    empty = [name or "the first line" for name, text in found.items() if not text.strip()]
    if empty:
        raise ValueError(f"{', '.join(empty)} says nothing")
    return {name: textwrap.dedent(text) for name, text in found.items()}


def entries(text: str) -> list[str]:
    """The names that a section Args explains; one entry may have several."""
    found = []
    for line in text.splitlines():
        entry = re.match(r"(\*{0,2}\w+(?:, \*{0,2}\w+)*):(?: |$)", line)
        if entry:
            found += [name.strip("* ") for name in entry[1].split(",")]
        elif line and not line.startswith("    "):
            raise ValueError(f"{line!r} in Args is no entry 'name: meaning'")
    return found


def parameters(value: Any) -> dict[str, str]:
    """What an object takes, by name, with the annotation as text."""
    return {
        name: str(p.annotation)
        for name, p in inspect.signature(value).parameters.items()
        if not name.startswith("_") and name != "self"
    }


def raises(value: Any) -> bool:
    """Whether a function or class, or what it calls in its module, says ``raise ValueError`` or reads a person's
    numbers. What it asks of a ``Problem`` or of a method is theirs to explain."""
    module = inspect.getmodule(value)
    tree = ast.parse(inspect.getsource(module)) if module else ast.Module([], [])
    bodies = {node.name: node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    seen: set[str] = set()
    to_read = [value.__name__]
    while to_read:
        name = to_read.pop()
        if name in READERS:
            return True
        if name in seen or name not in bodies:
            continue
        seen.add(name)
        for node in ast.walk(bodies[name]):
            if isinstance(node, ast.Raise) and "ValueError" in ast.unparse(node):
                return True
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                to_read.append(node.func.id)
    return False


def faults(value: Any, kind: str) -> list[str]:
    """What is wrong with a docstring, a sentence each."""
    doc = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    if not doc:
        return ["there is no docstring"]
    try:
        said = sections(doc)
        explained = entries(said.get("Args", ""))
    except ValueError as error:
        return [str(error)]
    if kind == "value":
        return []
    taken = parameters(value)
    needed = NEEDED[kind] | ({"Args"} if taken else set()) | ({"Raises"} if raises(value) else set())
    wrong = [f"{name} is missing" for name in HEADINGS if name in needed - said.keys()]
    if "Args" in said:
        wrong += [f"Args does not say what {name} is" for name in taken if name not in explained]
        wrong += [f"Args explains {name}, which is no parameter" for name in explained if name not in taken]
    if "Raises" in said and "ValueError" not in said["Raises"]:
        wrong += ["Raises does not say ValueError"]
    if "Example" in said and ">>>" not in said["Example"]:
        wrong += ["Example has no line that runs"]
    numbers = kind != "problem" and any(NUMBERS.search(annotation) for annotation in taken.values())
    if numbers and not UNITS.search(said.get("Args", "") + said.get("Returns", "")):
        wrong += ["neither Args nor Returns has a unit: [x], [y], [L] or 'a pure number'"]
    if kind == "problem" and not ("[x]" in doc and "[L]" in doc):
        wrong += ["it does not say what [x] and [L] are"]
    return wrong


def failures(name: str, value: Any, **names: Any) -> str:
    """What the example of a docstring prints where it should print something else."""
    names = {"jnp": jnp, "np": np, "tw": tw, **names}
    test = doctest.DocTestParser().get_doctest(inspect.cleandoc(value.__doc__), names, name, None, 0)
    said: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    return "".join(said)


PUBLIC = list(public())


@pytest.mark.parametrize("one", PUBLIC, ids=lambda one: one.name)
def test_docstrings_say_what_they_must(one):
    assert faults(one.value, one.kind) == []


EXAMPLES = [
    pytest.param(one, id=one.name, marks=[pytest.mark.slow] if one.kind in ("method", "problem") else [])
    for one in PUBLIC
    if ">>>" in (one.value.__doc__ or "")
]  # of methods and problems together about a minute


@pytest.mark.slow
@pytest.mark.parametrize("one", EXAMPLES)
def test_examples_run_as_they_stand(one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert failures(one.name, one.value) == ""


def test_what_is_public_is_found():
    names = {one.name for one in PUBLIC}
    assert {"run", "Problem", "methods.adam", "problems.physics.heat.examples", "roots.newton"} <= names
    assert {"starts.grid", "formula.compile", "analysis.table", "plot.paths", "tolerances.gtol"} <= names
    assert not {name for name in KIND_OF if name not in names}
    assert len(PUBLIC) > 120


@pytest.mark.parametrize("room", ["starts", "tolerances", "roots", "training", "geometry"])
def test_completion_shows_what_is_public(room):
    module = getattr(tw, room)
    assert dir(module) == sorted(module.__all__)


# A docstring that is right, and what becomes of it by one change each.
RIGHT = """
    The square of a number.

    Args:
        x: the number, in [x].
        scale: a factor, a pure number.
    Returns:
        scale x^2, in [x]^2.
    Raises:
        ValueError: for a scale that is negative.
    Cost:
        Two multiplications.
    Example:
        >>> square(3.0)
        9.0
"""


def square(x: float, scale: float = 1.0) -> float:
    if scale < 0:
        raise ValueError("scale is negative.")
    return scale * x**2


def documented(doc: str) -> Callable[..., Any]:
    square.__doc__ = doc
    return square


def test_a_docstring_that_is_right_passes():
    assert faults(documented(RIGHT), "verb") == []
    assert failures("square", square, square=square) == ""


@pytest.mark.parametrize(
    "old, new, fault",
    [
        (RIGHT, "", "there is no docstring"),
        ("    The square of a number.\n", "", "the first line says nothing"),
        ("    Returns:\n        scale x^2, in [x]^2.\n", "", "Returns is missing"),
        ("    Cost:\n        Two multiplications.\n", "", "Cost is missing"),
        ("    Cost:\n        Two multiplications.\n", "    Cost:\n", "Cost says nothing"),
        ("        scale: a factor, a pure number.\n", "", "Args does not say what scale is"),
        ("scale: a", "factor: a", "Args explains factor, which is no parameter"),
        ("scale: a", "scale, step: a", "Args explains step, which is no parameter"),
        ("        scale: a factor", "        a factor", "in Args is no entry"),
        ("    Returns:", "    Yields:", "Yields is no heading"),
        ("    Cost:", "    Source:\n        Euclid.\n    Cost:", "their order is"),
        ("        Two multiplications", "    Two multiplications", "is not indented"),
        ("    Example:", "    Source:\n        Euclid.\n    Cost:\n        Two.\n    Example:", "Cost comes twice"),
        ("ValueError: for", "an error for", "Raises does not say ValueError"),
        (">>> ", "", "Example has no line that runs"),
    ],
)  # fmt: skip
def test_a_docstring_that_is_wrong_is_found(old, new, fault):
    assert old in RIGHT
    assert any(fault in said for said in faults(documented(RIGHT.replace(old, new)), "verb"))


def test_numbers_without_units_and_silent_errors_are_found():
    bare = RIGHT.replace(", in [x]^2", "").replace(", in [x]", "").replace(", a pure number", "")
    assert faults(documented(bare), "verb") == ["neither Args nor Returns has a unit: [x], [y], [L] or 'a pure number'"]
    assert faults(documented(RIGHT), "problem") == ["Source is missing", "it does not say what [x] and [L] are"]
    assert raises(tw.starts.grid) and raises(tw.Problem) and not raises(tw.problems.beale)


def test_an_example_that_prints_something_else_is_found():
    assert "Got:\n    9.0" in failures("square", documented(RIGHT.replace("    9.0", "    8.0")), square=square)
