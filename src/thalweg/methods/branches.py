"""``jnp.where`` on two pytrees: both branches of a step are computed, one is taken."""

from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import Array

Tree = TypeVar("Tree")


def pick(condition: Array, first: Tree, second: Tree) -> Tree:
    """``first`` where the condition holds, else ``second``, leaf by leaf of two pytrees of the same structure."""
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), first, second)
