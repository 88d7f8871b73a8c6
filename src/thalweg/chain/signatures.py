"""What a function of the user's asks for, read from its signature."""

import inspect
from typing import Any, Protocol, runtime_checkable


def asks(f: Any, given: int) -> bool:
    """Whether a function needs one positional argument more than ``given``."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # no function, which is refused later, or one that tells nothing of itself
        return False
    return (
        sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) > given
    )


@runtime_checkable
class _Named(Protocol):
    __name__: str


def name_of(f: Any, otherwise: str = "<lambda>") -> str:
    """What a function is called, or ``otherwise`` for one without a name."""
    return f.__name__ if isinstance(f, _Named) else otherwise
