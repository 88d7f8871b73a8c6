"""What all lanes share: it stays one number, where a copy per lane would cost as much as the state itself."""

from collections.abc import Sequence
from typing import Any

from jax.extend.core import Literal


def varying_leaves(load: Any, advance: Any, settings: int) -> list[bool]:
    """Which leaves of a lane differ between lanes; one that does not is, for example, a step counter.

    ``load`` and ``advance`` are the traces of (settings, item) -> lane and (settings, lane) -> lane, whose first
    ``settings`` arguments all lanes have in common. What a step mixes in may make more leaves differ, so the search
    goes on until it finds no more.
    """
    common = [False] * settings
    varying, more = [], _varying(load, [*common, *[True] * (len(load.invars) - settings)])
    while more != varying:
        varying = more
        after = _varying(advance, [*common, *varying])
        more = [a or b for a, b in zip(varying, after, strict=True)]
    return varying


def _varying(jaxpr: Any, arguments: Sequence[bool]) -> list[bool]:
    """Which results of a trace depend on arguments that vary."""
    varying = {v for v, varies in zip(jaxpr.invars, arguments, strict=True) if varies}
    for equation in jaxpr.eqns:
        if any(v in varying for v in equation.invars if not isinstance(v, Literal)):
            varying.update(equation.outvars)
    return [not isinstance(v, Literal) and v in varying for v in jaxpr.outvars]
