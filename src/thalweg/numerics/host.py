"""Python on the host, called from a compiled program of lanes."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def host_call(f: Callable[..., Any], shapes: Sequence[Any], *given: Array) -> tuple[Array, ...]:
    """What f gives for NumPy arrays with a first axis of lanes, as arrays of these shapes for one lane.

    All numbers go as bits, since XLA calls back on a thread where JAX would make float32 of float64.
    """
    given = tuple(a if jnp.issubdtype(a.dtype, jnp.floating) else a.astype(int) for a in given)
    like, shapes = ([jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays] for arrays in (given, shapes))
    packed, rank = [jax.eval_shape(_bits, shape) for shape in shapes], _bits(given[0]).ndim

    def call(*arguments: Any) -> list[np.ndarray]:
        arrays = [np.array(argument) for argument in arguments]
        lanes = arrays[0].shape[: arrays[0].ndim - rank]
        results = f(*(a.ravel().view(s.dtype).reshape(-1, *s.shape) for a, s in zip(arrays, like, strict=True)))
        numbers = [np.array(r, s.dtype).ravel() for r, s in zip(results, shapes, strict=True)]
        return [n.view(s.dtype).reshape((*lanes, *s.shape)) for n, s in zip(numbers, packed, strict=True)]

    # io_callback, made for what has effects, has no place in a mapped while_loop; this one runs once too.
    results = jax.pure_callback(call, packed, *map(_bits, given), vmap_method="broadcast_all")
    return tuple(jax.lax.bitcast_convert_type(r, shape.dtype) for r, shape in zip(results, shapes, strict=True))


@final
class HostTable:
    """Objects of Python, such as a solver on its way, that compiled programs know by numbers."""

    def __init__(self) -> None:
        self._numbers, self._kept = itertools.count(), dict[int, Any]()

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, make: Callable[..., Any], *given: np.ndarray) -> list[int]:
        """The number of a new object ``make(*rows)`` for each lane of what is given.

        Lanes that are given the same share one: tiles are filled up with copies of lanes.
        """
        numbers: dict[bytes, int] = {}
        lanes = list(zip(*given, strict=True))
        keys = [b"".join(row.tobytes() for row in rows) for rows in lanes]
        for key, rows in zip(keys, lanes, strict=True):
            if key not in numbers:
                numbers[key] = next(self._numbers) % 2**31
                self._kept[numbers[key]] = make(*rows)
        return [numbers[key] for key in keys]

    def of(self, numbers: Iterable[Any]) -> dict[int, Any]:
        """The objects of some numbers, which may be repeated, by their numbers."""
        return {number: self._kept[number] for number in map(int, numbers)}

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget objects whose work is done."""
        for number in numbers:
            del self._kept[number]


def _bits(a: Array) -> Array:
    return jax.lax.bitcast_convert_type(a, jnp.uint16 if a.dtype.itemsize == 2 else jnp.uint32)
