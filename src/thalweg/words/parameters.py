"""Parameters as they are typed on the command line: what a function takes by name, and how each type is read."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from types import NoneType, UnionType
from typing import Any, Final, Literal, NamedTuple, Union, final, get_args, get_origin

import numpy as np
from jax import Array

from thalweg import formula
from thalweg.numerics.reading import nearest, shown

MOST = 1_000_000  # values of one list
REQUIRED: Final = inspect.Parameter.empty  # the default of what must be given


@final
class Kind(NamedTuple):
    """A type of parameters: what a text means there, given the parameter's name, and a text for example."""

    read: Callable[[str, str], Any]
    example: str
    lists: bool = False  # whether one problem takes several numbers there; of a method, several are a sweep
    choices: Sequence[str] = ()  # all that may be written, where they are few


@final
class Parameter(NamedTuple):
    """What can be given by name; ``default`` is ``REQUIRED`` where it must be."""

    name: str
    kind: Kind
    default: Any
    optional: bool  # whether none is a value

    def read(self, text: str) -> Any:
        """The value that ``text`` means here."""
        return None if self.optional and text.lower() == "none" else self.kind.read(text, self.name)


def parameters(make: Callable[..., Any]) -> dict[str, Parameter]:
    """What can be given to ``make`` by name, in a word: not, say, a method within a method."""
    return {key: typed for key, parameter in signature(make).items() if (typed := _typed(parameter)) is not None}


def signature(make: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Every parameter with its type, but for ``*these`` and ``**those``."""
    try:
        every = inspect.signature(make, eval_str=True)  # as typing.get_type_hints, and of a partial too
    except Exception:  # an annotation of a person's own that only a type checker can resolve stays a text
        every = inspect.signature(make)
    many = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return {key: parameter for key, parameter in every.parameters.items() if parameter.kind not in many}


def number(text: str, what: str) -> float:
    """A finite number, or the value of an expression such as 1/3 or 2*pi; ValueError says of ``what`` it is none."""
    try:
        value = float(text)  # first, because an expression is compiled
    except ValueError:
        try:
            value = formula.number(text)
        except ValueError:
            value = np.nan
    if not np.isfinite(value):
        raise ValueError(
            f"{what} is {shown(text)}, but it must be a finite number; write one such as 0.1, 1e-3 or 1/3."
        )
    return value


def _real(text: str, what: str) -> float | np.ndarray:
    """A number, or an array of those of a list."""
    if text.startswith("geom("):
        return _geometric(text, what)
    if ";" in text:
        return np.array([number(part, what) for part in text.split(";")])
    return number(text, what)


def _geometric(text: str, what: str) -> np.ndarray:
    parts = text.removeprefix("geom(").removesuffix(")").split(",")
    complete = len(parts) == 3 and text.endswith(")")
    first, last, count = (number(part, what) for part in parts) if complete else (0, 0, 0)
    if min(first, last) <= 0 or not 1 <= count <= MOST or count % 1:
        raise ValueError(
            f"{what} is {shown(text)}, which is no list of 1 to {MOST:,} positive numbers; "
            "write geom(first,last,count), such as geom(1e-4,1,40)."
        )
    return np.geomspace(first, last, int(count))


def _whole(text: str, what: str) -> int | float | np.ndarray:
    """As ``_real``, and a whole number as an int; what is not whole, the function that gets it refuses by its name."""
    value = _real(text, what)
    return int(value) if isinstance(value, float) and value % 1 == 0 else value


def _several(text: str, what: str) -> np.ndarray:
    return np.atleast_1d(_real(text, what))


def _word(text: str, _: str) -> str:
    return text


def _choice(choices: dict[str, Any], text: str, what: str) -> Any:
    if text.lower() not in choices:
        raise ValueError(nearest(text, choices, f"a value of {what}"))
    return choices[text.lower()]


ANY: Final = Kind(_whole, "0.1", lists=True)  # a person's own function need not tell its types
KINDS: Final[dict[Any, Kind]] = {
    bool: Kind(partial(_choice, {"true": True, "false": False}), "true"),
    int: Kind(_whole, "10"),
    float: Kind(_real, "0.1"),
    str: Kind(_word, "NAME"),
    **dict.fromkeys((Sequence, list, tuple, np.ndarray, Array), Kind(_several, "1;10;100", lists=True)),
    Any: ANY,
}


def _typed(parameter: inspect.Parameter) -> Parameter | None:
    """A parameter with its kind, by its type, else by that of its default; None where no text can mean such a type."""
    name, annotation, default = parameter.name, parameter.annotation, parameter.default
    if annotation is REQUIRED:
        return Parameter(name, KINDS.get(type(default), ANY)._replace(lists=True), default, default is None)
    types = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    kinds = [_kind(one) for one in types if one is not NoneType]
    known = [kind for kind in kinds if kind is not None]
    if not known:
        return None
    return Parameter(name, known[0] if len(kinds) == 1 else ANY, default, default is None or NoneType in types)


def _kind(annotation: Any) -> Kind | None:
    if get_origin(annotation) is Literal:
        choices = {str(choice): choice for choice in get_args(annotation)}
        return Kind(partial(_choice, choices), next(iter(choices)), choices=tuple(choices))
    unresolved = isinstance(annotation, str)
    return ANY if unresolved else KINDS.get(get_origin(annotation) or annotation)
