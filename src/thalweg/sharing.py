"""Which state all lanes share: it stays one number, where a copy per lane would cost as much as the state itself."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array

from thalweg.lanes import Stepper, point
from thalweg.problem import Problem


def state_axes(problem: Problem, stepper: Stepper, swept: Sequence[bool], dtype: np.dtype) -> list[int | None]:
    """0 for each leaf of the state that differs between lanes, None for one that does not, such as a step counter.

    ``swept`` tells which hyperparameters have one value per lane. What a step mixes in may make more leaves differ, so
    the search goes on until it finds no more.
    """
    scalars = [jax.ShapeDtypeStruct((), dtype) for _ in swept]
    hyper_axes = [0 if s else None for s in swept]
    x, key = point(problem, dtype)
    many = _batched(scalars, hyper_axes)

    def init(hyper: list[Array], x: Array, key: Array) -> list[Array]:
        return stepper.init(problem, hyper, x, key)

    def step(hyper: list[Array], x: Array, state: list[Array]) -> list[Array]:
        return stepper.step(problem, hyper, x, state)[1]

    varying = _varying(init, (hyper_axes, 0, 0), (many, *_batched((x, key), (0, 0))))
    while True:
        axes = [0 if v else None for v in varying]
        more = _varying(step, (hyper_axes, 0, axes), (many, *_batched(x, (0,)), _batched(stepper.shapes, axes)))
        if [a or b for a, b in zip(varying, more, strict=True)] == varying:
            return axes
        varying = [a or b for a, b in zip(varying, more, strict=True)]


def _flat(f: Callable[..., Any]) -> Callable[..., list[Array]]:
    return lambda *arguments: jax.tree.leaves(f(*arguments))


def _varying(f: Callable[..., Any], axes: Any, arguments: Any) -> list[bool]:
    """Which leaves of f's result differ between lanes: those that ``vmap`` does not accept as unmapped."""

    def varies(k: int) -> bool:
        try:
            jax.eval_shape(jax.vmap(lambda *a: _flat(f)(*a)[k], axes, None), *arguments)
        except ValueError:
            return True
        return False

    return [varies(k) for k in range(len(jax.tree.leaves(jax.eval_shape(jax.vmap(f, axes), *arguments))))]


def _batched(tree: Any, axes: Sequence[Any]) -> list[Any]:
    """Shapes of the leaves of ``tree`` with an axis of two lanes where mapped; two suffice to tell what varies."""
    return [
        jax.ShapeDtypeStruct((2, *leaf.shape) if axis == 0 else leaf.shape, leaf.dtype)
        for leaf, axis in zip(jax.tree.leaves(tree), axes, strict=True)
    ]
