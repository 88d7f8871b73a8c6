"""How a person has divided the components of a point among devices."""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P


def divided(point: Any, axis: int = 0) -> NamedSharding | None:
    """The sharding of the d components of a point as one vector, where the point is a single array that is divided
    among several devices along this axis and no other; None for all else."""
    leaves = jax.tree.leaves(point)
    if len(leaves) != 1 or not isinstance(leaves[0], jax.Array):
        return None
    where = leaves[0].sharding
    if not isinstance(where, NamedSharding) or len(where.device_set) == 1:
        return None
    names = dict(enumerate(where.spec))
    if names.get(axis) is None or any(name is not None for at, name in names.items() if at != axis):
        return None
    # A mesh whose axes XLA is free to use: a person's own may ask for every operation's sharding in words.
    return NamedSharding(Mesh(np.asarray(where.mesh.devices), where.mesh.axis_names), P(names[axis]))
