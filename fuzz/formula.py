"""Fuzz ``thalweg.formula`` guided by coverage: a text is refused in a sentence, or has the value that Python gives it.

    python fuzz/formula.py -max_total_time=600

An input that fails is written to build/fuzz and printed. Nothing that was not accepted is ever evaluated.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["thalweg.formula", "thalweg.numerics.expression"]):
    import thalweg.formula  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import inputs
from test_inputs import right_formula

POINT = dict(zip((*inputs.NAMES, *inputs.QUOTED), [0.5, -1.25, 2.0, 0.0, 3.0, -0.5, 1.0] * 2, strict=False))


def one(data: bytes) -> None:
    right_formula((data.decode("utf-8", "surrogateescape"), POINT))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
