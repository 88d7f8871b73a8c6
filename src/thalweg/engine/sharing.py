"""Which state all lanes share: it stays one number, where a copy per lane would cost as much as the state itself."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from thalweg.chain.problem import Problem
from thalweg.engine.lanes import Stepper, point
from thalweg.engine.traces import is_literal


def state_axes(problem: Problem, stepper: Stepper, swept: Sequence[bool], dtype: np.dtype) -> list[int | None]:
    """0 for each leaf of the state that differs between lanes, None for one that does not, such as a step counter.

    ``swept`` tells which hyperparameters have one value per lane. What a step mixes in may make more leaves differ, so
    the search goes on until it finds no more.
    """
    hyper = [jax.ShapeDtypeStruct((), dtype) for _ in swept]
    x, key = point(problem, dtype)
    init = jax.make_jaxpr(lambda h, x, key: stepper.init(problem, h, x, key))(hyper, x, key)
    step = jax.make_jaxpr(lambda h, x, s: stepper.step(problem, h, x, s)[1])(hyper, x, list(stepper.shapes))
    varying, more = [], _varying(init.jaxpr, [*swept, True, True])
    while more != varying:
        varying = more
        after = _varying(step.jaxpr, [*swept, True, *varying])
        more = [a or b for a, b in zip(varying, after, strict=True)]
    return [0 if v else None for v in varying]


def _varying(jaxpr: Any, arguments: Sequence[bool]) -> list[bool]:
    """Which results of a trace depend on arguments that vary."""
    varying = {v for v, varies in zip(jaxpr.invars, arguments, strict=True) if varies}
    for equation in jaxpr.eqns:
        if any(v in varying for v in equation.invars if not is_literal(v)):
            varying.update(equation.outvars)
    return [not is_literal(v) and v in varying for v in jaxpr.outvars]
