"""The quadratic model of L minimized by conjugate gradients, one product with the Hessian at a time."""

from typing import NamedTuple, final

import jax.numpy as jnp
from jax import Array

from thalweg.numerics.linalg import product


@final
class ConjugateGradient(NamedTuple):
    """Where the iteration is: the step ``s`` so far, the residual r = g + H s, and the next ``direction``."""

    s: Array
    r: Array
    direction: Array
    iterations: Array

    @staticmethod
    def begin(g: Array) -> "ConjugateGradient":
        return ConjugateGradient(jnp.zeros_like(g), g, -g, jnp.zeros((), jnp.int32))

    def advance(self, hp: Array, radius: Array, goal: Array) -> tuple["ConjugateGradient", Array, Array]:
        """One iteration with ``hp``, the product of H and the direction: what follows, whether that is the end, and
        whether the curvature along the direction was not positive.

        The end is the border of the region |s| <= radius, to which a direction without positive curvature is followed
        (Steihaug 1983); a residual of size ``goal``; or d iterations. In an infinite region the step before such a
        direction is the last, or the direction itself where it is the first (Nocedal and Wright 2006, algorithm 7.1).
        """
        s, r, p, iterations = self
        bend, rr = product(p, hp), product(r, r)
        ss, sp, pp = product(s, s), product(s, p), product(p, p)
        length = rr / jnp.where(bend > 0, bend, 1)
        negative = ~(bend > 0)
        leaves = negative | (ss + length * (2 * sp + length * pp) >= radius**2)
        room = radius**2 - ss
        border = room / (sp + jnp.sqrt(jnp.maximum(sp**2 + pp * room, 0)))
        border = jnp.where(jnp.isfinite(radius), border, jnp.where(iterations == 0, 1, 0))
        length = jnp.where(leaves, jnp.where(pp > 0, border, 0), length)
        s, r = s + length * p, r + length * hp
        p = -r + product(r, r) / jnp.where(rr > 0, rr, 1) * p
        done = leaves | (product(r, r) <= goal**2) | (iterations + 1 >= len(s))
        return ConjugateGradient(s, r, p, iterations + 1), done, negative


def forcing(g: Array) -> Array:
    """The residual at which the iteration may end, min(1/2, sqrt |g|) |g| (Nocedal and Wright 2006, eq. 7.3)."""
    size = jnp.sqrt(product(g, g))
    return jnp.minimum(0.5, jnp.sqrt(size)) * size
