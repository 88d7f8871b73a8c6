"""Functions of a problem that are compiled once for it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from thalweg.chain.problem import Problem
from thalweg.numerics.constants import compiled_for
from thalweg.numerics.once import Once

F = TypeVar("F", bound=Callable[..., Any])

_programs: WeakKeyDictionary[Problem, Once] = WeakKeyDictionary()


def compiled_once(f: F) -> F:
    """``f(problem, *arguments)`` compiled for each problem, and for the shapes and the precision of its arrays; what
    else it is given belongs to the program. Within a trace f is f.

    The programs go with the problem, and no traces are kept, as ``jax.jit`` keeps them (``numerics.constants``).
    """

    @wraps(f)
    def call(problem: Problem, *arguments: Any, **others: Any) -> Any:
        leaves, structure = jax.tree.flatten((arguments, others))
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            return f(problem, *arguments, **others)
        arrays = {i: jnp.asarray(leaf) for i, leaf in enumerate(leaves) if isinstance(leaf, (np.ndarray, jax.Array))}
        fixed = tuple(leaf for i, leaf in enumerate(leaves) if i not in arrays)
        kinds = tuple((i, a.shape, a.dtype, a.weak_type, a.sharding) for i, a in arrays.items())
        config: Any = jax.config
        precisions = config.jax_enable_x64, config.jax_default_matmul_precision

        def whole(arrays: dict[int, Any]) -> Any:
            given, said = structure.unflatten([arrays.get(i, leaf) for i, leaf in enumerate(leaves)])
            return f(problem, *given, **said)

        once = _programs.setdefault(problem, Once())
        program = once((f, structure, fixed, kinds, precisions), lambda: compiled_for(whole, arrays))
        return program(arrays)

    return cast(F, call)
