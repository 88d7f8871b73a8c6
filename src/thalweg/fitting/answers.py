"""What was asked of the best fit, beside its parameters."""

from typing import Any, NamedTuple, final


@final
class Answers(NamedTuple):
    """What was found out; None for what was not asked."""

    profile: Any = None  # tables and Datasets, as ``analysis`` has them
    bootstrap: Any = None
    derived: Any = None
    predicted: Any = None
    level: float = 0.95
    refused: str = ""  # why nothing was found out
