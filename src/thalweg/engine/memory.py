"""Memory that is used again: of records when nobody holds them any more, and of programs between two calls.

The first touch of fresh pages costs several times what writing to them costs.
"""

import math
import weakref
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Any, final

import numpy as np
import psutil

SMALL = 1 << 20  # below this the C library reuses memory by itself
LITTLE = 1 << 14  # there is always room for so much
KEPT = 512 << 20  # bytes of dropped records that are kept for the next run
_spare: list[np.ndarray] = []
_lock = Lock()


@final
class Pool:
    """What programs keep between two calls, by kind; the oldest goes first."""

    def __init__(self, most: int) -> None:
        self._kept: deque[tuple[Any, Any]] = deque(maxlen=most)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, kind: Any) -> Any:
        """One of this kind, which nobody else has now; None where there is none."""
        with self._lock:
            for i, (known, kept) in enumerate(self._kept):
                if known == kind:
                    del self._kept[i]
                    return kept
        return None

    def keep(self, kind: Any, thing: Any) -> None:
        with self._lock:
            self._kept.append((kind, thing))


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Like ``np.empty``, from the memory of an earlier record that has been dropped where one of the size is at hand.

    Up to ``KEPT`` bytes of dropped records are kept; ``release`` gives them back to the system.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    with _lock:
        fitting = [i for i, block in enumerate(_spare) if size <= block.nbytes <= 2 * size]
        best = min(fitting, key=lambda i: _spare[i].nbytes, default=None)
        block = np.empty(size, np.uint8) if best is None else _spare.pop(best)
    view = memoryview(block)[:size]  # pyright: ignore[reportArgumentType]
    array = np.frombuffer(view, dtype)  # the base of all its views, so that it lives as long as any of them
    weakref.finalize(array, _keep, block).atexit = False
    return array.reshape(shape)


def free() -> int:
    """Bytes that a computation may take."""
    return int(0.9 * psutil.virtual_memory().available)


def lacking(size: int) -> int | None:
    """The bytes that are free, after what is kept was given back, where ``size`` is more; None where it fits. A
    ``LITTLE`` fits: to ask the system takes as long as the rest of the plan for a short run."""
    if size <= LITTLE or size <= free():
        return None
    release()
    known = free()
    return known if size > known else None


def lacking_on(devices: Sequence[Any], size: int) -> int | None:
    """The same of all devices together; of the host where there are none, or where they have no memory of their own."""
    known = [device.memory_stats() for device in devices]
    if not known or None in known:
        return lacking(size)
    left = int(0.9 * len(known) * min(each["bytes_limit"] - each["bytes_in_use"] for each in known))
    return left if size > left else None


def release() -> int:
    """Give what is kept back to the system; returns its bytes."""
    with _lock:
        freed = sum(block.nbytes for block in _spare)
        _spare.clear()
    return freed


def _keep(block: np.ndarray) -> None:
    # No lock: a finalizer may run inside ``empty``. A race can only keep a block too many.
    if sum(spare.nbytes for spare in tuple(_spare)) + block.nbytes <= KEPT:
        _spare.append(block)
