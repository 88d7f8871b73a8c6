"""Fuzz the reader of tables guided by coverage: bytes are refused in a sentence, or are columns of finite numbers.

    python fuzz/tables.py -max_total_time=600

An input that fails is written to build/fuzz and printed.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["thalweg.problems"]):
    from thalweg.problems.layouts import PACKED
    from thalweg.problems.tables import read_table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import numpy as np
from inputs import answer

FILE = Path(tempfile.mkdtemp()) / "fuzzed.txt"


def one(data: bytes) -> None:
    if data.startswith(tuple(PACKED)):
        return  # what is fuzzed is the reader, not zlib
    FILE.write_bytes(data)
    table = answer(read_table, FILE)
    for name in table or ():
        values = answer(table.__getitem__, name)
        assert values is None or (values.shape == (len(table.lines),) and np.isfinite(values).all())


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
