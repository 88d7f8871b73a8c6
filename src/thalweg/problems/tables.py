"""Tables of observations in CSV files: columns by name, in float64."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import final

import numpy as np


@final
@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a file: ``table[name]`` is a column in float64, and iteration gives the names.

    A column is only read as numbers when it is asked for, so that others may hold words.
    """

    path: str
    columns: dict[str, list[str]]
    lines: list[int]  # where each row stands in the file, from 1

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> np.ndarray:
        """The column in float64, shape (m,); ValueError naming the first cell that is no finite number."""
        values = np.array([_number(cell) for cell in self.columns[name]], np.float64)
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            given = self.columns[name][bad[0]]
            raise ValueError(
                f"{self.path!r} has {given[:40]!r} in line {self.lines[bad[0]]}, column {name!r}, but a fit needs "
                "finite numbers; correct the cell or leave out the line."
            )
        return values


def read_table(path: str | Path) -> Table:
    """Read comma-separated values in UTF-8: a line of column names, then rows of cells.

    Spaces around cells, quotes, a byte-order mark, empty lines and lines that begin with # are allowed; a column
    without a name is left out.

    Args:
        path: of the file.
    Returns:
        A ``Table``, whose columns are read as numbers when they are asked for.
    Raises:
        ValueError: where there is no such file, or it is not such a table.
    """
    try:
        return _parse(str(path), Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        reason = (error.strerror or "it is not readable").lower()
    except UnicodeDecodeError:
        reason = "it is not text in UTF-8"
    except (ValueError, csv.Error) as error:
        reason = str(error)
    raise ValueError(
        f"{str(path)!r} cannot be read as a table: {reason}; "
        "give a CSV file with a line of column names and a line for each observation, such as 'x,y' and '1.5,2.0'."
    )


def _parse(path: str, text: str) -> Table:
    if "\0" in text:
        raise ValueError("it is not text in UTF-8")
    # A comment becomes an empty line, so that its quotes mean nothing and the lines below keep their numbers.
    lines = ("\n" if line.lstrip().startswith("#") else line for line in StringIO(text))
    source = (re.sub(r'"[ \t]+(?=,|$)', '"', line) for line in lines)  # a space after a quoted cell is no mistake
    reader = csv.reader(source, skipinitialspace=True, strict=True)
    rows = [(reader.line_num, cells) for row in reader if any(cells := [cell.strip() for cell in row])]
    if not rows:
        raise ValueError("it is empty")
    _, names = rows.pop(0)
    if len(names) == 1 and any(mark in names[0] for mark in ";\t "):
        raise ValueError(f"the column names {names[0][:60]!r} have no comma between them")
    if all(np.isfinite(_number(name)) for name in names):
        raise ValueError(f"its first line, {', '.join(names)[:60]!r}, has numbers where the names of columns are due")
    for name in filter(None, names):
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is the name of {names.count(name)} columns")
    for line, cells in rows:
        if len(cells) != len(names):
            raise ValueError(f"line {line} has {len(cells)} cells where the names are {len(names)}")
    columns = {name: [cells[i] for _, cells in rows] for i, name in enumerate(names) if name}
    return Table(path, columns, [line for line, _ in rows])


def _number(cell: str) -> float:
    """The number that a cell holds, NaN where it holds none; Python would also read 1_000."""
    try:
        return np.nan if "_" in cell else float(cell)
    except ValueError:
        return np.nan
