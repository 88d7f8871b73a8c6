"""Validation of input: numbers and names as a person gives them, and the messages for those that are none."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


def real(values: Any) -> np.ndarray:
    """``values`` in float64; TypeError for text, complex numbers and objects, which NumPy would convert or cut."""
    array = np.asarray(values)
    if array.dtype.kind not in "biufV":
        raise TypeError(f"{array.dtype} is not real")
    return array.astype(np.float64)


def whole(n: Any, what: str, least: int) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not least <= n < 2**63:
        raise ValueError(f"{what} is {n!r}, but it must be a whole number of at least {least} and below 2**63.")
    return int(n)


def positive(number: Any, what: str, zero: bool = False) -> None:
    """ValueError for a plain number that is not positive and finite, or ``zero`` where that is allowed.

    Arrays, tracers and whatever else stands in the place of a hyperparameter pass.
    """
    if isinstance(number, (int, float, np.number)) and not (0 < number < np.inf or (zero and number == 0)):
        allowed = "0 or positive" if zero else "positive"
        raise ValueError(f"{what} is {number!r}, but it must be {allowed} and finite; give e.g. 0.1.")


def share(number: Any, what: str) -> None:
    """ValueError for a plain number that is not from 0 to 1."""
    if isinstance(number, (int, float, np.number)) and not 0 <= number <= 1:
        raise ValueError(f"{what} is {number!r}, but a share is a number from 0 to 1; give e.g. 0.5.")


def nearest(name: str, known: Iterable[str], what: str) -> str:
    """The sentence that ``name`` is not ``what``, with the known name most like it, or all."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known) or 'none'}."
    return f"{name!r} is not {what}; {hint}"


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
