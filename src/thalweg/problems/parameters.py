"""What a person says of the parameters of a model: where they begin, what bounds them, which are held."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from thalweg.numerics.reading import finite, length, nearest, shown

Box = tuple[np.ndarray, np.ndarray]
LARGEST = float(np.finfo(np.float64).max)


@final
class Said(NamedTuple):
    """What is said of parameters, by name; bounds are infinite where a side is open."""

    start: dict[str, Any]
    ranges: dict[str, Any]
    bounds: dict[str, tuple[float, float]]
    fixed: dict[str, float]

    @property
    def names(self) -> set[str]:
        return {*self.start, *self.ranges, *self.bounds, *self.fixed}

    def starting(self, points: Mapping[str, float]) -> "Said":
        """The same with starts of parameters of which neither a start nor a range is said."""
        free = {name: at for name, at in points.items() if name not in {*self.ranges, *self.fixed}}
        return self._replace(start=free | self.start)

    def check_names(self, parameters: Iterable[str], more: Iterable[str] = ()) -> None:
        """ValueError where something is said of what is no parameter, or no member of one."""
        known = list(dict.fromkeys(parameters))
        for name in sorted({*self.names, *more}.difference(known)):
            raise ValueError(nearest(name, known, "a parameter of the model"))

    def free(self, parameters: Iterable[str], model: str) -> tuple[str, ...]:
        """Those that are not fixed; ValueError where all are."""
        names = tuple(name for name in parameters if name not in self.fixed)
        if not names:
            raise ValueError(f"all parameters of the model {model!r} are fixed; leave at least one free.")
        return names

    def of_groups(self, members: Mapping[str, Sequence[str]]) -> "Said":
        """What is said of k is said of k[A] and k[B], where these are its ``members``, but for what is said of one of
        them itself; ValueError where one is fixed so and has a start, a range or bounds of its own."""
        own = {name for names in members.values() for name in names}
        every: Iterator[dict[str, Any]] = iter(self)
        start, ranges, bounds, fixed = ({k: v for k, v in one.items() if k in own} for one in every)
        for parameter, names in members.items():
            for name in names:
                if parameter in self.fixed and parameter != name:
                    if name in start or name in ranges or name in bounds:
                        raise ValueError(
                            f"{parameter!r} is fixed, and {name!r} with it, which has a start, a range or bounds; "
                            "leave one of them out."
                        )
                    fixed.setdefault(name, self.fixed[parameter])
                for mine, of_all in (start, self.start), (ranges, self.ranges), (bounds, self.bounds):
                    if name not in fixed and parameter in of_all:
                        mine.setdefault(name, of_all[parameter])
        return Said(start, ranges, bounds, fixed)

    def places(self, parameters: Iterable[str]) -> "Places":
        """Where these begin, and within what."""
        rows = [self._place(name) for name in parameters]
        start, low, high, least, most = np.array(rows).T
        ranged = [name in self.ranges for name in parameters]
        if not self.bounds:
            low, high = np.where(ranged, least, -np.inf), np.where(ranged, most, np.inf)
        return Places(start, (low, high), (least, most))

    def _place(self, name: str) -> tuple[float, float, float, float, float]:
        """(start, low and high bound, low and high end of the range) of one parameter."""
        low, high = self.bounds.get(name, (-np.inf, np.inf))
        at, least, most = _start_and_range(name, self.start.get(name), self.ranges.get(name), low, high)
        least, most = max(low, least), min(high, most)
        if not least < most:
            ends = " to ".join(f"{end:g}" for end in self.ranges[name])
            raise ValueError(
                f"the range of {name!r} is from {ends}, which its bounds, {low:g} to {high:g}, leave nothing of; "
                "move one of them."
            )
        return at, low, high, least, most


@final
class Places(NamedTuple):
    """Of d parameters: where they begin, the box that bounded methods keep to, and that of random starts."""

    start: np.ndarray
    domain: Box
    ranges: Box


def said(start: Any, ranges: Any, bounds: Any, fixed: Any) -> Said:
    """What a person said, with what equal bounds fix; ValueError where it does not go by parameter, or is no such."""
    examples = {"start": "1.0", "domain": "(0.0, 10.0)", "bounds": "(0.0, None)", "fixed": "0.0"}
    for (what, example), given in zip(examples.items(), (start, ranges, bounds, fixed), strict=True):
        if given is not None and not (isinstance(given, Mapping) and all(isinstance(name, str) for name in given)):
            raise ValueError(f"{what} is {shown(given)}, but it goes by parameter; give e.g. {{'b1': {example}}}.")
    sides = {name: _bounds(name, pair) for name, pair in (bounds or {}).items()}
    held = {name: _constant(name, value) for name, value in (fixed or {}).items()}
    for name in held:
        if name in sides:
            raise ValueError(f"{name!r} is fixed and has bounds; leave one of them out.")
    held |= {name: low for name, (low, high) in sides.items() if low == high}
    for name, value in held.items():
        for what, given in ("start", start), ("range", ranges):
            if name in (given or {}) and (what == "range" or given[name] != value):
                raise ValueError(f"{name!r} is fixed at {value:g} and has a {what}; leave one of them out.")
    kept = {name: value for name, value in (start or {}).items() if name not in held}
    sides = {name: pair for name, pair in sides.items() if name not in held}
    return Said(kept, dict(ranges or {}), sides, held)


def _constant(name: str, value: Any) -> float:
    if not _is_finite(value):
        raise ValueError(f"{name!r} is fixed at {shown(value)}, but it must be a finite number; give e.g. 0.0.")
    return float(value)


def _bounds(name: str, pair: Any) -> tuple[float, float]:
    """(low, high), infinite where a side is open."""
    ends = _two(pair) or [np.nan, np.nan]
    ends = [end if end is not None else side for end, side in zip(ends, (-np.inf, np.inf), strict=True)]
    if not all(map(_is_end, ends)) or not ends[0] <= ends[1]:
        raise ValueError(
            f"the bounds of {name!r} are {shown(pair)}, but they must be two numbers, low below high, or equal where "
            "it is fixed; give e.g. (0.0, 10.0), or (0.0, None) with an open side."
        )
    low, high = map(float, ends)
    if low == np.inf or high == -np.inf:
        raise ValueError(
            f"the bounds of {name!r} are {shown(pair)}, between which is no number; give e.g. (0.0, None)."
        )
    return low, high


def _start_and_range(name: str, start: Any, box: Any, low: float, high: float) -> tuple[float, float, float]:
    """(start, low and high end of the range) of a parameter that is bounded by low and high."""
    if start is not None and not _is_finite(start):
        raise ValueError(f"the start of {name!r} is {shown(start)}, but it must be a finite number; give e.g. 1.0.")
    if box is None:
        at = _between(low, high) if start is None else float(start)
        inside = min(max(at, low), high)
        if inside == 0:
            return at, -1.0, 1.0
        ends = inside / 10, float(np.clip(10 * inside, -LARGEST, LARGEST))
        return at, min(ends), max(ends)
    pair = _two(box)
    if not pair or not all(map(_is_finite, pair)) or not pair[0] < pair[1]:
        raise ValueError(
            f"the range of {name!r} is {shown(box)}, but it must be two finite numbers, low below high; "
            "give e.g. (0.0, 10.0)."
        )
    least, most = map(float, pair)
    at = max(least, low) / 2 + min(most, high) / 2 if start is None else float(start)
    if start is not None and not least <= at <= most:
        raise ValueError(
            f"the start of {name!r} is {at:g}, outside its range from {least:g} to {most:g}; move one of them."
        )
    return at, least, most


def _between(low: float, high: float) -> float:
    """Where a parameter begins of which only bounds are known: at 1 if that is between them, else in their middle, or
    on the side of the only one that is open, with its sign."""
    if low < 1 < high:
        return 1.0
    if np.isinf(high):
        return min(2 * low, LARGEST)
    if np.isinf(low):
        return high / 2 if high > 0 else max(2 * high, -LARGEST) or -1.0
    return low / 2 + high / 2


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and finite(value)


def _is_end(value: Any) -> bool:
    return _is_finite(value) or (isinstance(value, (float, np.floating)) and bool(np.isinf(value)))


def _two(pair: Any) -> list[Any]:
    """A pair as a list, which is empty where it is none."""
    return list(pair) if length(pair) == 2 else []
