"""What each of several devices has: lanes of its own, so that none waits for another in a loop, or components of x."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, final

import jax
import numpy as np
from jax.experimental.layout import Format
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from thalweg.engine.lanes import Lane
from thalweg.engine.xla import compiled
from thalweg.numerics.layout import lanes_layout

LANES = "lanes"  # the one axis of a mesh that lanes are laid over
Parts = Any  # a ``PartitionSpec`` for each leaf of a tree


@lru_cache
def mesh(devices: tuple[Any, ...]) -> Mesh:
    return Mesh(np.array(devices), (LANES,))


@final
class Over(NamedTuple):
    """Lanes are laid over the devices of ``lanes``, the first ones on the first device. Or that is one, and all lanes
    have their components of x divided by ``components``, and so what is of their number ``d`` in a state."""

    lanes: Mesh
    components: NamedSharding | None
    d: int

    @property
    def size(self) -> int:
        """Into how many parts lanes are divided."""
        return self.lanes.size

    @property
    def devices(self) -> tuple[Any, ...]:
        return tuple(self.where(P()).device_set)

    def shared(self, tree: Any) -> Parts:
        """All devices have all of it."""
        return jax.tree.map(lambda _: P(), tree)

    def leading(self, tree: Any) -> Parts:
        """Of arrays whose first axis is that of lanes, or of devices. What is empty all devices have: XLA does not
        divide it."""
        return self._divided(tree, 1) if self.components else jax.tree.map(lambda a: P(LANES) if a.size else P(), tree)

    def trailing(self, tree: Any, first: int = 0) -> Parts:
        """Of arrays whose last axis is that of lanes, and which may have components from their ``first`` axis on."""
        if self.components:
            return self._divided(tree, first)
        return jax.tree.map(lambda leaf: P(*[None] * (len(leaf.shape) - 1), LANES) if leaf.size else P(), tree)

    def _divided(self, tree: Any, first: int) -> Parts:
        names = self.components.spec if self.components else P()

        def part(leaf: Any) -> P:
            at = [axis for axis, size in enumerate(leaf.shape) if size == self.d and axis >= first]
            return P(*[None] * at[0], *names) if at else P()

        return jax.tree.map(part, tree)

    def whole(self, tree: Any, parts: Parts) -> Any:
        """The shapes of all lanes together, from those of one device, and where they are, lanes in their order of
        memory; on one device that is said of these alone."""

        def of_all(leaf: Any, part: P) -> jax.ShapeDtypeStruct:
            layout = lanes_layout(leaf) if isinstance(tree, Lane) else None
            if self.size == 1 and self.components is None and layout is None:
                return leaf
            names, where = dict(enumerate(part)), self.where(part)
            shape = [size * self.size if names.get(i) == LANES else size for i, size in enumerate(leaf.shape)]
            where = Format(layout, where) if layout else where
            return jax.ShapeDtypeStruct(tuple(shape), leaf.dtype, weak_type=leaf.weak_type, sharding=where)

        return jax.tree.map(of_all, tree, parts)

    def where(self, part: P) -> NamedSharding:
        return NamedSharding(self.components.mesh if self.components else self.lanes, part)

    def build(
        self,
        f: Callable[..., Any],
        options: tuple[tuple[str, Any], ...],
        arguments: Sequence[tuple[Any, Parts]],
        results: Sequence[tuple[Any, Parts]],
        donated: int | tuple[int, ...],
    ) -> Any:
        """f of one device compiled once for all: ``arguments`` are its shapes, with their parts, and ``results`` those
        of what it gives. With components XLA divides what lies between. On one device it is f itself."""
        shapes = [self.whole(*pair) for pair in arguments]
        where = tuple(jax.tree.map(lambda a: a.format if a.sharding else None, self.whole(*pair)) for pair in results)
        if self.size > 1:
            taken, given = (tuple(parts for _, parts in pairs) for pairs in (arguments, results))
            # Of numbers that all devices share JAX cannot see that all compute the same.
            f = jax.shard_map(f, mesh=self.lanes, in_specs=taken, out_specs=given, check_vma=False)
        return compiled(jax.jit(f, donate_argnums=donated, keep_unused=True, out_shardings=where), options, *shapes)
