"""Minibatches: which examples of a problem's data each step sees."""

from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.examples import count, first
from thalweg.chain.problem import Problem

_STREAM = 2**32 - 1  # of random numbers, apart from those of the lanes, which are numbered from 0


def shown(problem: Problem) -> Problem:
    """The problem whose spaces a trace holds: of a network over examples, those of its first batch alone."""
    return batch_of(problem) if problem.examples.mapped else problem


def batch_of(problem: Problem) -> Problem:
    """The problem with its first batch, for shapes."""
    return problem.bind(first(problem.data, problem.batch_size)) if problem.batch_size else problem


@final
class Shuffle:
    """Every example once in each epoch, in an order drawn anew: random reshuffling (Bottou 2009).

    Step k sees the rows (k mod e) B … (k mod e) B + B - 1 of the order of epoch k // e, where e = n // B; the n mod B
    examples left over wait for a later epoch. The order depends on the seed alone, so all lanes, and all methods of a
    run, see the same batches. Its state is (key, order of shape (n,), k). Cost: one sort of n numbers per epoch.
    """

    def __init__(self, problem: Problem, dtype: np.dtype) -> None:
        self.problem, self.data = problem, jax.tree.map(lambda leaf: _in(dtype, leaf), problem.data)
        self.examples = count(self.data)
        self.size = problem.batch_size or self.examples

    def start(self, seed: Array) -> tuple[Array, Array, Array]:
        key = jax.random.fold_in(jax.random.key(seed), _STREAM)
        return jax.random.key_data(key), jnp.arange(self.examples, dtype=jnp.int32), jnp.zeros((), jnp.int32)

    def draw(self, state: tuple[Array, Array, Array]) -> tuple[Any, tuple[Array, Array, Array]]:
        """The batch of this step, and the state of the next."""
        key, order, k = state
        epoch, at = jnp.divmod(k, self.examples // self.size)

        def anew() -> Array:
            return jax.random.permutation(jax.random.fold_in(jax.random.wrap_key_data(key), epoch), self.examples)

        order = jax.lax.cond(at == 0, lambda: anew().astype(order.dtype), lambda: order)
        rows = jax.lax.dynamic_slice(order, (at * self.size,), (self.size,))
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[rows], self.data), (key, order, k + 1)

    def sample(self) -> Problem:
        """The problem with some batch, for shapes."""
        return self.problem.bind(first(self.data, self.size))


def _in(dtype: np.dtype, leaf: Any) -> np.ndarray:
    """Data in the precision of the run; whole numbers stay."""
    array = np.asarray(leaf)
    return array.astype(dtype) if array.dtype.kind == "f" else array
