"""What a function of the user's asks for, read from its signature."""

import inspect
from typing import Any


def asks(f: Any, given: int) -> bool:
    """Whether a function needs one positional argument more than ``given``."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # no function, which is refused later, or one that tells nothing of itself
        return False
    return (
        sum(p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters) > given
    )
