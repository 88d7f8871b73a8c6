"""Newton's method without a matrix."""

from typing import NamedTuple, final

import jax.numpy as jnp
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.methods.branches import pick
from thalweg.methods.conjugate_gradient import ConjugateGradient, forcing
from thalweg.methods.line_search import LineSearch, along
from thalweg.methods.method import Report, method
from thalweg.numerics.linalg import product

PATIENCE = 20  # moves, each of many products


@final
class NewtonCGState(NamedTuple):
    value: Array
    gradient: Array
    inner: ConjugateGradient
    search: LineSearch
    searching: Array  # whether the next step is a trial along inner.s, else one of the inner iteration
    promise: Array  # of the step that led to x, where it was a whole one
    stuck: Array


@method
class NewtonCG:
    """x <- x - t p with H p = g solved by conjugate gradients to the forcing term, and t from a line search that begins
    at 1 and asks for L(x - t p) <= L - decrease t g^T p; g = dL/dx, H = d2L/dx2.

    A step is one inner iteration or one trial, so that lanes stay in step; x moves with trials that serve. Invariant to
    an orthogonal map of x.

    Args:
        decrease: a pure number from 0 to 1.
    Raises:
        ValueError: from ``run`` and ``solve``, for what is no number.
    Cost:
        per step one gradient with its value and one product of the Hessian with a vector, in one pass; memory of some
        vectors of d numbers.
    Source:
        Nocedal and Wright (2006), algorithm 7.1.
    Example:
        >>> fits = tw.solve(tw.problems.quadratic([1.0, 10.0]), tw.methods.NewtonCG(), [3.0, 4.0], dtype="float64")
        >>> print(np.abs(fits.x.values).max() < 1e-4)
        True
    """

    decrease: float = 1e-4

    def init(self, problem: Objective, x: Array, key: Array) -> NewtonCGState:
        value, g = problem.value_and_gradient(x)
        one, no = jnp.ones_like(value), jnp.zeros((), bool)
        search = LineSearch.first(one, x, value)
        return NewtonCGState(value, g, ConjugateGradient.begin(g), search, no, jnp.inf * one, no)

    def step(self, problem: Objective, x: Array, state: NewtonCGState) -> tuple[Array, NewtonCGState]:
        value, g, inner, search, searching, promise, _ = state
        there = jnp.where(searching, x + search.length * inner.s, x)
        tried, g_there, hp = problem.hessian_product(there, inner.direction)
        here, beyond = (along(*point, inner.s) for point in ((value, g), (tried, g_there)))
        moves, _, following = search.judge(here, beyond, self.decrease, jnp.inf)
        serves = moves & searching
        failed = searching & ~serves & jnp.all(x + following.length * inner.s == x)

        further, done, _ = inner.advance(hp, jnp.full_like(value, jnp.inf), forcing(g))
        solved = product(inner.r, inner.r) <= product(g, g) / 4  # no direction of negative curvature came before
        solved &= product(inner.r - g, inner.s) > 0
        known = search.promised(promise, here, x, search.length * inner.s, serves, serves & solved)
        promise = jnp.where(searching & (solved | serves), known, promise)
        x, value, g = pick(serves, (there, tried, g_there), (x, value, g))
        arrived, following = following.seen(here.value, value, g, search.length * inner.s, serves, PATIENCE)
        inner = pick(serves, ConjugateGradient.begin(g), pick(searching, inner, further))
        search = pick(searching & ~serves, following, following.again(jnp.ones_like(value)))
        searching = jnp.where(searching, ~serves, done)
        return x, NewtonCGState(value, g, inner, search, searching, promise, arrived | failed)

    def report(self, x: Array, state: NewtonCGState) -> Report:
        return Report(state.value, state.gradient, state.stuck, promise=state.promise)
