"""The methods that a page offers, and the numbers that each takes."""

import inspect
from functools import cache
from typing import Any

import numpy as np

from thalweg.words.library import METHODS
from thalweg.words.parameters import REQUIRED, Parameter, parameters


@cache
def catalogue() -> list[dict[str, Any]]:
    """By name, what each method computes, and its parameters: what each may be, and what it is by default."""
    return [
        {
            "name": name,
            "says": (inspect.getdoc(make) or "").partition("\n\n")[0].replace("``", ""),
            "parameters": [_described(parameter) for parameter in parameters(make).values()],
        }
        for name, make in METHODS.items()
    ]


def _described(parameter: Parameter) -> dict[str, Any]:
    needed = parameter.default is REQUIRED
    default = parameter.kind.example if needed else parameter.default
    if isinstance(default, (tuple, list, np.ndarray)):
        default = ";".join(f"{value:g}" for value in default)
    return {
        "name": parameter.name,
        "needed": needed,
        "default": "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default),
        "choices": list(parameter.kind.choices) or (["true", "false"] if isinstance(parameter.default, bool) else []),
    }
