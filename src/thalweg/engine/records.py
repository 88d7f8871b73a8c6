"""Where the rows of ``run`` go: into the memory of the host, or into arrays that stay on the devices."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any, NamedTuple, Protocol, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import PartitionSpec as P

from thalweg.engine.lanes import parts_on_host, sent
from thalweg.engine.loops import Out
from thalweg.engine.memory import empty
from thalweg.engine.mesh import LANES, Over
from thalweg.engine.program import Program
from thalweg.engine.supply import Items


@final
class Rows(NamedTuple):
    """What is recorded: the ``steps`` of all rows, the shape of each name, and of those that do not have every row
    ``rare``, at which they do."""

    steps: np.ndarray
    shapes: Mapping[str, tuple[int, ...]]
    rare: Mapping[str, np.ndarray]
    dtype: np.dtype

    def of(self, name: str, done: int | None = None) -> np.ndarray:
        """The steps of a name, within the first so many rows."""
        steps = self.steps[:done]
        return steps[self.rare[name][:done]] if name in self.rare else steps

    def within(self, name: str, rows: slice) -> tuple[int, np.ndarray]:
        """How many rows of a name come before these, and which of these it has, counted from their first."""
        every = np.arange(rows.stop - rows.start)
        if name not in self.rare:
            return rows.start, every
        return int(self.rare[name][: rows.start].sum()), every[self.rare[name][rows]]


@final
class Part(NamedTuple):
    """Lanes of a tile: the items that each device steps, those of the methods before, and where these begin among what
    is dealt to a device."""

    items: list[np.ndarray]
    before: int
    first: int


class Record(Protocol):
    rows: Rows

    def deal(self, items: Items, devices: int) -> list[np.ndarray]:
        """The items of a method that each device steps."""
        ...

    def sent(self, program: Program, out: Out, rows: slice) -> Out:
        """Of these rows, the first of ``out``, what is to be kept, on its way."""
        ...

    def keep(self, program: Program, out: Out, lanes: Part, rows: slice) -> None:
        """Keep it when it has come."""
        ...

    def blocks(self, done: int) -> dict[str, Any]:
        """The first so many rows, by name, of shape (variants, starts, rows, …)."""
        ...


@final
class HostRecord:
    """Arrays of NumPy, (rows, …, lanes): as programs write them, so that they are copied and not turned."""

    def __init__(self, rows: Rows, variants: int, starts: int) -> None:
        self.rows, self.sizes = rows, (variants, starts)
        self.arrays = {
            name: empty((len(rows.of(name)), *shape, variants * starts), rows.dtype)
            for name, shape in rows.shapes.items()
        }

    def deal(self, items: Items, devices: int) -> list[np.ndarray]:
        return np.array_split(np.arange(items.total), devices)

    def sent(self, program: Program, out: Out, rows: slice) -> Out:
        return sent(program.hardware, {name: out[name] for name in out if len(self.rows.within(name, rows)[1])})

    def keep(self, program: Program, out: Out, lanes: Part, rows: slice) -> None:
        for name, values in out.items():
            before, chosen = self.rows.within(name, rows)
            for own, part in zip(lanes.items, parts_on_host(program.hardware, values, program.over.size), strict=True):
                first = lanes.before + int(own[0]) if len(own) else 0
                home = part[: rows.stop - rows.start, ..., : len(own)]
                home = home[chosen] if name in self.rows.rare else home
                self.arrays[name][before : before + len(home), ..., first : first + len(own)] = home

    def blocks(self, done: int) -> dict[str, Any]:
        found = {}
        for name, array in self.arrays.items():
            block = array[: len(self.rows.of(name, done))]
            block = block.reshape(*block.shape[:-1], *self.sizes)
            found[name] = np.moveaxis(block, (-2, -1), (0, 1))
        return found


@final
class DeviceRecord:
    """Arrays of JAX, (variants, starts, rows, …): each device has all rows of its own starts, or of its own variants
    where the starts cannot be divided."""

    def __init__(self, rows: Rows, variants: int, starts: int, over: Over) -> None:
        self.rows, self.over, self.lock = rows, over, Lock()
        self.by_starts = starts % over.size == 0
        number, own = rows.dtype, P(None, LANES) if self.by_starts else P(LANES)
        shapes = {
            name: jax.ShapeDtypeStruct((variants, starts, len(rows.of(name)), *shape), number)
            for name, shape in rows.shapes.items()
        }
        self.parts = over.trailing(shapes, 3) if over.components else dict.fromkeys(shapes, own)
        alone = len(over.devices) == 1
        self.arrays = {
            name: jnp.zeros(of.shape, number, device=None if alone else over.where(self.parts[name]))
            for name, of in shapes.items()
        }

    def deal(self, items: Items, devices: int) -> list[np.ndarray]:
        many, _, starts = items.sizes
        each = np.arange(items.total).reshape(many, starts)
        return [own.ravel() for own in np.split(each, devices, axis=1 if self.by_starts else 0)]

    def sent(self, program: Program, out: Out, rows: slice) -> Out:
        return out

    def keep(self, program: Program, out: Out, lanes: Part, rows: slice) -> None:
        sources, width = {}, program.rows
        for name, array in self.arrays.items():
            before, chosen = self.rows.within(name, rows)
            window = min(width, array.shape[2])
            begin = min(before, array.shape[2] - window)
            source = np.full(window, -1, np.int32)
            source[before - begin : before - begin + len(chosen)] = chosen
            sources[name] = np.int32(begin), source
        write = _writing(self.over, tuple(self.parts.items()), len(lanes.items[0]))
        at = np.int32(lanes.before // self.over.size + lanes.first)
        with self.lock:
            self.arrays = write(self.arrays, out, at, sources)

    def blocks(self, done: int) -> dict[str, Any]:
        return {name: self.arrays[name][:, :, : len(self.rows.of(name, done))] for name in self.rows.shapes}


def divided(over: tuple[Any, ...], starts: int, variants: int) -> tuple[Any, ...]:
    """The devices that have equally many of the starts, or else of the variants: as many as can."""
    return over[: max(n for n in range(1, len(over) + 1) if starts % n == 0 or variants % n == 0)]


@lru_cache(maxsize=256)
def _writing(over: Over, parts: tuple[tuple[str, P], ...], lanes: int) -> Callable[..., dict[str, Array]]:
    """What writes rows of so many lanes on each device into a record, which it donates."""

    def write(record: Any, out: Any, at: Array, sources: Any) -> Any:
        return {name: _written(record[name], out[name], lanes, at, *sources[name]) for name, _ in parts}

    def apart(record: Any, out: Any, at: Array, sources: Any) -> Any:
        given = dict(parts), over.trailing(out), P(), P()
        return jax.shard_map(write, mesh=over.lanes, in_specs=given, out_specs=dict(parts), check_vma=False)(
            record, out, at, sources
        )

    where = {name: over.where(part) for name, part in parts} if over.components else None
    return jax.jit(write if over.size == 1 else apart, donate_argnums=0, out_shardings=where)


def _written(record: Array, out: Array, lanes: int, at: Array, begin: Array, source: Array) -> Array:
    """The record of one device with the rows of ``out`` that ``source`` names, or else its own, from row ``begin`` of
    lane ``at``."""
    flat = record.reshape(-1, *record.shape[2:])
    new = jnp.moveaxis(out, -1, 0)[:lanes, jnp.maximum(source, 0)]
    place = (at, begin, *[np.int32(0)] * (flat.ndim - 2))
    old = jax.lax.dynamic_slice(flat, place, new.shape)
    which = (source >= 0).reshape(-1, *[1] * (flat.ndim - 2))
    return jax.lax.dynamic_update_slice(flat, jnp.where(which, new, old), place).reshape(record.shape)
