"""One answer as bytes: a header in JSON, which tells where the arrays lie that follow it."""

import json
import math
from typing import Any

import numpy as np

SHORT = {"float16": "float32", "bool": "uint8", "int32": "int32", "uint8": "uint8", "float32": "float32"}


def parted(answer: dict[str, Any]) -> tuple[Any, list[np.ndarray]]:
    """The header of an answer, which JSON can write, and its arrays: in the header each is {"array": number, "dtype",
    "shape"}."""
    arrays: list[np.ndarray] = []

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            array = np.ascontiguousarray(value, SHORT.get(value.dtype.name, "float64"))
            arrays.append(array)
            return {"array": len(arrays) - 1, "dtype": array.dtype.name, "shape": list(array.shape)}
        if isinstance(value, dict):
            return {str(key): plain(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [plain(one) for one in value]
        if isinstance(value, float) and not math.isfinite(value):
            return {"number": str(value)}  # which JSON has no word for
        return value

    return plain(answer), arrays


def framed(answer: dict[str, Any]) -> bytes:
    """Header and arrays in one message: the length of the header in four bytes, the header, the arrays, each from a
    multiple of eight bytes on."""
    header, arrays = parted(answer)
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % 8)
    parts = [len(text).to_bytes(4, "little"), text]
    for array in arrays:
        raw = array.tobytes()
        parts += [raw, bytes(-len(raw) % 8)]
    return b"".join(parts)
