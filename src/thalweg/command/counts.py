"""Whole numbers of the command line, read without what takes time to import."""

from collections.abc import Callable, Sequence
from typing import Any

from cyclopts import Token

MOST = 9 * 10**15  # a float still holds each whole number


def whole_from(least: int) -> Callable[[Any, Sequence[Token]], int]:
    """What reads a whole number of at least so much, also as 1e3."""

    def convert(_: Any, tokens: Sequence[Token]) -> int:
        word = tokens[0].value
        try:
            n = float(word)
        except ValueError:
            n = float("nan")
        if not (least <= n <= MOST and n % 1 == 0):
            raise ValueError(f"{word!r} is not a whole number from {least} to {MOST:.0e}.")
        return int(n)

    return convert
