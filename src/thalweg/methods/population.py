"""Several points of one lane at once."""

from typing import TYPE_CHECKING

import jax
from jax import Array

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem


def losses(problem: "Problem", points: Array) -> Array:
    """L at each of n points, shape (n, d), all together; a map of one turn, in which ``solve`` sees that a count of the
    trace would tell too little."""
    return jax.lax.map(problem.value, points, batch_size=len(points))
