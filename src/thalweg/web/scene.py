"""What a page shows: its state as the address of the page has it, read once and bounded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final
from urllib.parse import urlencode

from thalweg.methods.method import Method
from thalweg.numerics.reading import nearest
from thalweg.web.bounds import check_method
from thalweg.words.library import chosen_methods

WORD = 2000  # characters of a problem or a method
MOST_METHODS = 12
MOST_STEPS = 20_000
DTYPES = ("float32", "float64")


@final
@dataclass(frozen=True)
class Scene:
    """A problem, methods by their words, where they begin, and how far they go."""

    problem: str
    methods: tuple[str, ...]
    start: tuple[float, ...] | None = None  # the problem's own where it is None
    steps: int = 100
    key: int = 0
    dtype: str = "float32"

    @classmethod
    def read(cls, given: Any) -> "Scene":
        """A scene of plain lists and numbers, as JSON has it; ValueError for what is none."""
        if not isinstance(given, Mapping):
            raise ValueError(f"the state is a {type(given).__name__}, but it has names; give a problem and methods.")
        for name in given:
            if name not in cls.__dataclass_fields__:
                raise ValueError(nearest(str(name)[:40], cls.__dataclass_fields__, "a part of the state"))
        methods = given.get("methods", [])
        if not isinstance(methods, list) or not 1 <= len(methods) <= MOST_METHODS:
            raise ValueError(
                f"methods are {short(methods)}, but a page has a list of 1 to {MOST_METHODS}; choose these."
            )
        start = given.get("start")
        dtype = given.get("dtype", "float32")
        if dtype not in DTYPES:
            raise ValueError(f"dtype is {short(dtype)}, but a page computes in {' or '.join(DTYPES)}; choose one.")
        words = tuple(word(method, "method") for method in methods)
        for one in words:
            check_method(one)
        return cls(
            word(given.get("problem"), "problem"),
            words,
            None if start is None else tuple(numbers(start, "start")),
            whole(given.get("steps", 100), "steps", 1, MOST_STEPS),
            whole(given.get("key", 0), "key", 0, 2**31 - 1),
            dtype,
        )

    def chosen(self) -> dict[str, Method]:
        """The methods that the words mean."""
        return chosen_methods(self.methods)


def address(scene: Scene) -> str:
    """The part of an address that has this state."""
    said = [("problem", scene.problem), *(("method", word) for word in scene.methods)]
    said += [] if scene.start is None else [("start", ",".join(map(repr, scene.start)))]
    return "#" + urlencode([*said, ("steps", scene.steps)])


def short(value: Any) -> str:
    """A value for a sentence."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def word(given: Any, what: str) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= WORD:
        raise ValueError(f"{what} is {short(given)}, but it is a text of 1 to {WORD} characters; write one.")
    return given


def number(given: Any, what: str) -> float:
    fine = isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) < 1e300
    if not fine or not math.isfinite(given):
        raise ValueError(f"{what} is {short(given)}, but it must be a finite number; give one.")
    return float(given)


def numbers(given: Any, what: str, most: int = 10_000) -> list[float]:
    if not isinstance(given, list) or not 1 <= len(given) <= most:
        raise ValueError(f"{what} is {short(given)}, but it is a list of 1 to {most} numbers; give these.")
    return [number(one, what) for one in given]


def whole(given: Any, what: str, low: int, high: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
        raise ValueError(f"{what} is {short(given)}, but it is a whole number from {low} to {high}; give one.")
    return given


def box(given: Any, what: str, sides: int) -> list[tuple[float, float]]:
    """(low, high) of each side."""
    if not isinstance(given, list) or len(given) != sides:
        raise ValueError(f"{what} is {short(given)}, but it has {sides} sides of two numbers; give these.")
    pairs = [numbers(side, what, 2) for side in given]
    if any(len(pair) < 2 or not pair[0] < pair[1] for pair in pairs):
        raise ValueError(f"{what} is {short(given)}, but each side goes from low to high; give these.")
    return [(low, high) for low, high in pairs]
