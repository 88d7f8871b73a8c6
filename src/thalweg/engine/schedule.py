"""Which steps of ``run`` are recorded, and by which calls of compiled functions they are reached."""

from collections.abc import Iterator
from typing import NamedTuple, final

import numpy as np

from thalweg.engine.hardware import Hardware


@final
class Call(NamedTuple):
    """So many rows, with ``every`` steps before each."""

    rows: int
    every: int
    kept: bool  # or on the way to a row that a later call reaches


def calls(schedule: np.ndarray, rows: int, hardware: Hardware) -> Iterator[Call]:
    """The calls that take lanes from the first step of a schedule to all others, no more than so many ``rows`` each.

    Where loops are static each pair of numbers is a program, so there are few: steps between rows are as given, where
    that comes more than once, and all other lengths fall by the ``ratio`` of the hardware, 512, 128, 32, 8 and 2. A
    thousand rows take four programs, whatever else was run before, and a hundred two.
    """
    gaps, most = np.diff(schedule), hardware.most_steps
    changes = np.flatnonzero(np.diff(gaps)) + 1  # one or two, however many rows
    for same in np.split(gaps, changes) if len(gaps) else ():
        gap, count = int(same[0]), len(same)
        if hardware.static and (count == 1 or gap > most):
            for _ in range(count):
                yield from _leap(gap, hardware)
        elif hardware.static:
            most_rows = min(rows, most // gap)
            yield from (Call(n, gap, True) for n in _falling(count, most_rows, hardware.ratio))
        else:
            yield from _even(gap, count, rows, most)


def _even(gap: int, count: int, rows: int, most: int) -> Iterator[Call]:
    while count:
        left = gap
        while left > most:
            yield Call(1, most, False)
            left -= most
        n = 1 if gap > most else min(count, rows, most // gap)
        yield Call(n, left, True)
        count -= n


def _leap(gap: int, hardware: Hardware) -> Iterator[Call]:
    for steps in _falling(gap, hardware.most_steps, hardware.ratio):
        gap -= steps
        yield Call(1, steps, gap == 0)


def _falling(count: int, most: int, ratio: int) -> Iterator[int]:
    """Numbers that sum up to ``count``, as large as can be: ``most``, or the power of two below, and what remains of it
    after divisions by ``ratio``."""
    size = 1 << (most.bit_length() - 1)
    while count:
        yield from [size] * (count // size)
        count, size = count % size, max(size // ratio, 1)
