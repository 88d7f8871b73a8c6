"""Validation of input: numbers and names as a person gives them, and the messages for those that are none."""

import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np


def real(values: Any) -> np.ndarray:
    """``values`` in float64, NaN where a masked array of NumPy is masked; TypeError for text, complex numbers and
    objects, which NumPy would convert or cut."""
    if isinstance(values, np.ma.MaskedArray) and values.dtype.kind in "biuf":
        return np.ma.filled(values.astype(np.float64), np.nan)
    array = np.asarray(values)
    if array.dtype.kind not in "biufV":
        raise TypeError(f"{array.dtype} is not real")
    return array.astype(np.float64)


def whole(n: Any, what: str, least: int) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not least <= n < 2**63:
        raise ValueError(f"{what} is {shown(n)}, but it must be a whole number of at least {least} and below 2**63.")
    return int(n)


def positive(number: Any, what: str, zero: bool = False) -> None:
    """ValueError for a plain number that is not positive and finite, or ``zero`` where that is allowed.

    Arrays, tracers and whatever else stands in the place of a hyperparameter pass.
    """
    if isinstance(number, (int, float, np.number)) and not ((number > 0 and finite(number)) or (zero and number == 0)):
        allowed = "0 or positive" if zero else "positive"
        raise ValueError(f"{what} is {shown(number)}, but it must be {allowed} and finite; give e.g. 0.1.")


def finite(number: Any) -> bool:
    """Whether a plain number is a finite one in float64, which whole numbers from 2**1024 on are not."""
    try:
        return bool(np.isfinite(float(number)))
    except OverflowError:
        return False


def share(number: Any, what: str) -> None:
    """ValueError for a plain number that is not from 0 to 1."""
    if isinstance(number, (int, float, np.number)) and not 0 <= number <= 1:
        raise ValueError(f"{what} is {shown(number)}, but a share is a number from 0 to 1; give e.g. 0.5.")


FEW = 12  # names that are listed whole
LONG = 200  # letters of a name by which those like it are found


def nearest(name: str, known: Iterable[str], what: str) -> str:
    """The sentence that ``name`` is not ``what``, with the known names most like it, or all where these are few.

    Like it are those that it abbreviates (gd, lm, levenberg), then those that are spelled almost so.
    """
    low, known = name.lower()[:LONG], list(known)
    lowered = {one.lower(): one for one in known}

    def like(count: int, cutoff: float) -> list[str]:
        return [lowered[one] for one in difflib.get_close_matches(low, lowered, count, cutoff)]

    near = [one for one in known if low and _abbreviates(low, one.lower())]
    near = near or [one for one in known if one.lower() == low] or like(1, 0.5)
    if near and len(near) <= 3:
        return f"{shown(name)} is not {what}; did you mean {' or '.join(map(repr, near))}?"
    if len(known) <= FEW:
        return f"{shown(name)} is not {what}; choose from {', '.join(known) or 'none'}."
    closest = near or like(len(known), 0)
    return f"{shown(name)} is not {what}; the nearest of {len(known)} are {', '.join(closest[:3])}."


def _abbreviates(short: str, name: str) -> bool:
    """Whether ``short`` begins the name or one of its words, or has the first letters of its words."""
    words = name.replace("-", "_").split("_")
    initials = "".join(word[:1] for word in words)
    return short == initials or (len(short) >= 3 and any(word.startswith(short) for word in (name, *words)))


def check_room(what: str, *shape: int) -> None:
    """ValueError where an array of float64 of this shape is more than NumPy can have here; none of it is filled."""
    try:
        np.empty(shape)
    except (MemoryError, ValueError, OverflowError):
        raise ValueError(
            f"{what} would be {' x '.join(map(shown, shape))} numbers, more than fit in memory; take fewer."
        ) from None


def shown(value: Any) -> str:
    """What a person gave, on one line and not too long."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # of Python, of whole numbers with more than 4300 digits
        text = f"a {type(value).__name__} of too many digits"
    return text if len(text) <= 80 else f"{text[:77]}…"


def sides(box: Any, d: int | None, what: str) -> tuple[Any, Any]:
    """The low and the high side of a box as they were given; ValueError where it may be a pair for each of the ``d``
    components, as SciPy has it, which would be another box."""
    pairs = _pairs(box) if d is None or length(box) == d else None
    if pairs is None:
        if length(box) != 2:
            raise ValueError(f"{what} is {shown(box)}, but it must be a pair (low, high); give e.g. (-5.0, 5.0).")
        return box[0], box[1]
    low, high = pairs.T
    turned = f"({low.tolist()}, {high.tolist()})"
    if len(pairs) != 2 or not np.all(pairs[0] < pairs[1]):
        raise ValueError(
            f"{what} is {shown(box)}, a pair for each component, but it takes all low ends and all high ends; "
            f"give {shown(turned)[1:-1]}."
        )
    if type(box) is not tuple or any(isinstance(side, tuple) for side in box):
        raise ValueError(
            f"{what} is {shown(box)}, which may be low and high ends or a pair for each component; give {turned} for "
            f"pairs, and else the tuple of lists ({pairs[0].tolist()}, {pairs[1].tolist()})."
        )
    return box[0], box[1]


def length(box: Any) -> int:
    """How many things a tuple, a list or an array holds, and -1 for what is none of these."""
    return len(box) if isinstance(box, (tuple, list)) or (isinstance(box, np.ndarray) and box.ndim) else -1


def _pairs(box: Any) -> np.ndarray | None:
    """A box as pairs of numbers low < high, (d, 2), with None for infinity, where it can be read so."""
    try:
        ends = [[-np.inf if low is None else low, np.inf if high is None else high] for low, high in box]
        pairs = real(ends)
    except (TypeError, ValueError):
        return None
    return pairs if pairs.ndim == 2 and len(pairs) and np.all(pairs[:, 0] < pairs[:, 1]) else None


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
