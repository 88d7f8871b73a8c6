"""How an object shows itself: as the call that makes it, without what is usual."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import jax
import numpy as np
from jax.core import Tracer

from thalweg.chain.signatures import name_of

FEW = 8  # numbers that are shown


@final
class First(NamedTuple):
    """The first of several values, which is shown only where one must be given."""

    value: Any


def call(made: str, given: Sequence[Any] = (), named: Mapping[str, Any] | None = None, usual: Any = None) -> str:
    """``made(given, name=value, …)`` without the values that are ``usual``, by name."""
    usual = usual or {}
    named = {name: value for name, value in (named or {}).items() if name not in usual or not same(value, usual[name])}
    return f"{made}({', '.join([*map(shown, given), *(f'{name}={shown(value)}' for name, value in named.items())])})"


def same(value: Any, usual: Any) -> bool:
    """Whether a value is the usual one."""
    if isinstance(value, First):
        return True
    value, usual = _plain(value), _plain(usual)
    if isinstance(value, bool) or isinstance(usual, bool):
        return value is usual
    comparable = isinstance(value, int | float | str) and isinstance(usual, int | float | str)
    return value is usual or (comparable and value == usual)


def shown(value: Any) -> str:
    """A value as it is typed: numbers short, few of many, functions by their names."""
    value = _plain(value.value if isinstance(value, First) else value)
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.size <= FEW and value.dtype.kind in "fiu":
            return f"[{', '.join(str(_plain(number)) for number in value)}]"
        return f"array of shape {value.shape}"
    if callable(value) and name_of(value, ""):
        return name_of(value)
    return " ".join(repr(value).split()).replace("( ", "(").replace(" )", ")")


def _plain(value: Any) -> Any:
    """A number of any library as one of Python; arrays as NumPy's."""
    if isinstance(value, Tracer) or not isinstance(value, jax.Array | np.ndarray | np.generic | list | float | int):
        return value
    if isinstance(value, bool):
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):  # ragged, or keys of JAX
        return value
    if array.ndim == 0 and array.dtype.kind in "fiu":
        return float(str(array)) if array.dtype.kind == "f" else int(array)  # as short as its own precision allows
    return array if array.dtype.kind in "fiu" else value
