"""Tables of observations in files: columns by name, in float64, and what there is to say of how they were read."""

import csv
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, final

import numpy as np

from thalweg.numerics.reading import nearest, shown
from thalweg.problems import cells, conditions, layouts
from thalweg.problems.layouts import Layout

FRAMES = {".xlsx": "read_excel", ".xls": "read_excel", ".xlsm": "read_excel", ".ods": "read_excel",
          ".parquet": "read_parquet", ".pq": "read_parquet", ".feather": "read_feather"}  # fmt: skip
STANDARD_INPUT = "-"
MARKS = (99.0, 999.0, 9999.0, 99999.0, 99.9, 999.9, 9999.9)  # of missing cells, most often below zero
FAR = 3.0  # spans of all other numbers, from which on such a mark is far from them


@final
@dataclass(frozen=True, eq=False)
class Table:
    """The cells of a file: ``table[name]`` is a column in float64, and iteration gives the names.

    A column is only read as numbers when it is asked for, so that others may hold words. ``str(table)`` says in one
    line what was read: rows and columns, and what was left out.
    """

    path: str
    columns: dict[str, list[str]]
    lines: list[int]  # where each row stands in the file, from 1
    said: tuple[str, ...] = ()  # of the file
    decimal: str | None = None  # the mark that was given
    missing: tuple[str, ...] = ()  # marks of missing cells beside the usual ones
    rows: np.ndarray | None = None  # those that are in use, all where it is None
    computed: Mapping[str, np.ndarray] = field(default_factory=dict)  # columns of formulas of others, of all rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __str__(self) -> str:
        columns = len(self.columns) - len(self.computed)
        return "; ".join([f"{self.path}: {_rows(len(self.lines))} of {columns} columns", *self.said])

    def __contains__(self, name: str, /) -> bool:
        return name in self.columns

    def keys(self) -> list[str]:
        return list(self.columns)

    def __getitem__(self, name: str) -> np.ndarray:
        """The column in float64, shape (m,); ValueError naming the first cell that is no finite number."""
        values = self.read(name)[0][self.used]
        if (at := np.flatnonzero(np.isnan(values))).size:
            raise self._refusal(name, int(self.used[at[0]]), "but a fit needs finite numbers")
        return values

    @property
    def used(self) -> np.ndarray:
        return np.arange(len(self.lines)) if self.rows is None else self.rows

    @cached_property
    def marks(self) -> cells.Marks:
        """What the cells show of decimal marks, all columns together."""
        each = [cells.marks(column) for column in self.columns.values() if any("," in cell for cell in column)]
        groups = next((one.groups for one in each if one.groups), "")
        return cells.Marks(any(one.points for one in each), any(one.commas for one in each), groups)

    def read(self, name: str) -> tuple[np.ndarray, str]:
        """The whole column, NaN where it is missing or not in use, and a word on its meaning, such as seconds."""
        if name in self.computed:
            return self.computed[name], ""
        try:
            return cells.numbers(self.columns[name], self.used, self.marks, self.decimal, self.missing)
        except ValueError as error:
            match error.args:
                case (cells.Unreadable(row, reason),):
                    raise self._refusal(name, row, reason) from None
            raise

    def beside(self, name: str, cell: str) -> tuple[np.ndarray, float]:
        """The column in the rows that are in use, and what a cell would be in it, such as a date."""
        column, rows = [*self.columns[name], cell], np.append(self.used, len(self.lines))
        try:
            values, _ = cells.numbers(column, rows, self.marks, self.decimal, self.missing)
        except ValueError as error:
            match error.args:
                case (cells.Unreadable(row, reason),) if row < len(self.lines):
                    raise self._refusal(name, row, reason) from None
                case (cells.Unreadable(_, reason),):
                    raise ValueError(f"{cell!r} is compared with column {name!r}, {reason}.") from None
            raise
        return values[self.used], float(values[-1])

    def complete(self, names: Sequence[str], words: Sequence[str] = ()) -> "Table":
        """The rows that have a number in each of the named columns, and a cell in those of words; what was left out is
        said."""
        read = {name: self.read(name) for name in dict.fromkeys(names)}
        lacking = {name: np.isnan(values[self.used]) for name, (values, _) in read.items()}
        for name in words:
            lacking[name] = np.array([cells.is_missing(cell, self.missing) for cell in self.text(name)], bool)
        gone = np.any(list(lacking.values()), axis=0) if lacking else np.zeros(len(self.used), bool)
        said = [f"{name!r} in {meaning}" for name, (_, meaning) in read.items() if meaning]
        if gone.any():
            where = ", ".join(f"{name!r}" for name, lacks in lacking.items() if lacks.any())
            said.append(f"{_rows(gone.sum())} left out where {where} is missing")
        for name, (values, _) in read.items():
            said += _marks(name, values[self.used[~gone]])
        return self._within(self.used[~gone], said)

    def where(self, condition: str) -> "Table":
        """The rows of which a condition holds, such as ``x>0 and site=='north'``; the others are counted."""
        holds = conditions.rows(condition, self)
        gone = int((~holds).sum())
        return self._within(self.used[holds], [f"{_rows(gone)} left out, not being where {condition}"])

    def text(self, name: str) -> list[str]:
        """The cells of a column in the rows that are in use."""
        return [self.columns[name][row] for row in self.used]

    def renamed(self, names: Mapping[str, str]) -> "Table":
        """The table with other names: ``{"t": "decimal date"}`` calls the column 'decimal date' t."""
        return replace(self, columns=renamed(self.columns, names))

    def with_computed(self, name: str, values: np.ndarray) -> "Table":
        """The table with a column more, of numbers, NaN where they are missing."""
        columns = self.columns | {name: [repr(value) for value in values.tolist()]}
        return replace(self, columns=columns, computed={**self.computed, name: values})

    def _within(self, rows: np.ndarray, said: Sequence[str]) -> "Table":
        return replace(self, rows=rows, said=(*self.said, *said))

    def _refusal(self, name: str, row: int, reason: str) -> ValueError:
        remedy = "give decimal=',' or '.' (--decimal)" if "decimal one" in reason else "correct the cell"
        others = "" if "; " in reason else f"; {remedy}, leave out the line, or give its mark as missing= (--missing)"
        return ValueError(
            f"{self.path!r} has {self.columns[name][row][:40]!r} in line {self.lines[row]}, column {name!r}, "
            f"{reason}{others}."
        )


def _marks(name: str, values: np.ndarray) -> list[str]:
    """A word on numbers that programs write where there is none, where they are far from all others."""
    for mark in MARKS:
        for number, least in (-mark, 1), (mark, 2):
            here = values == number
            others = values[~here]
            if here.sum() >= least and others.size and abs(number - np.median(others)) > FAR * np.ptp(others):
                told = f"{here.sum()} cells of {name!r} are" if here.sum() > 1 else f"one cell of {name!r} is"
                way = f"missing=[{number:g}] (--missing {number:g}) leaves out what is no number"
                return [f"{told} {number:g}, far from all others, and used: {way}"]
    return []


def _rows(n: int) -> str:
    return f"{n} row{'s' if n != 1 else ''}"


def renamed(columns: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The columns, those in ``names`` under their new names; ValueError for a name that is none."""
    if not isinstance(names, Mapping) or not all(isinstance(name, str) for pair in names.items() for name in pair):
        raise ValueError(f"rename is {shown(names)}, but it must be new names of columns; give e.g. {{'t': 'time'}}.")
    for new, old in names.items():
        if old not in columns:
            raise ValueError(nearest(old, columns, "a column of the table"))
        if new in columns and new not in names.values():
            raise ValueError(f"{new!r} is a column already, so that {old!r} cannot be called so; choose another name.")
    olds = {old: new for new, old in names.items()}
    return {olds.get(name, name): column for name, column in columns.items()}


def read_table(
    path: str | Path,
    *,
    names: Sequence[str] | None = None,
    decimal: str | None = None,
    missing: Sequence[str | float] = (),
) -> Table:
    """Read a table as instruments, spreadsheets and NumPy write it: names of columns, then a row for each observation.

    Cells are separated by commas, semicolons, tabs, bars or blanks, as the lines themselves show; numbers have decimal
    points or commas. Lines that begin with #, %, // or ! are comments; where the first row is of numbers, the comment
    above it has the names. Lines of units below the names, trailing separators, names of rows, a byte-order mark,
    Windows' letters and compression (.gz, .bz2, .xz) are seen to. Cells such as NA, nan, - and empty ones are missing.
    Columns of dates are read as years since the first one, with times of day as seconds.

    Args:
        path: of the file, or "-" for standard input; .xlsx, .ods, .parquet and .feather through pandas.
        names: of the columns, where the file has none.
        decimal: "." or ",", where the cells leave it open.
        missing: marks of missing cells beside the usual ones, such as -200.
    Returns:
        A ``Table``, whose columns are read as numbers when they are asked for; ``str`` of it says what was read.
    Raises:
        ValueError: where there is no such file, or it is not such a table; where its columns are asked for, for a cell
            that is no number, or can be two.
    """
    marks = tuple(str(mark).strip() for mark in missing)
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal is {decimal!r}, but it must be '.' or ','; leave it out to have it seen.")
    try:
        found = _layout(path, names)
    except OSError as error:
        reason = (error.strerror or "it is not readable").lower()
    except ImportError as error:
        raise ValueError(
            f"{str(path)!r} needs the package {error.name or _engine(path)}, which is not installed; pip install "
            f"{error.name or _engine(path)}, or save the table as CSV."
        ) from None
    except Exception as error:  # of pandas' engines too
        reason = str(error).partition("\n")[0].rstrip(".")
    else:
        return _filled("standard input" if str(path) == STANDARD_INPUT else str(path), found, decimal, marks)
    raise _unreadable(str(path), reason)


def table_of(text: str, name: str) -> Table:
    """The table that a text is, called ``name``: no file is opened, and nothing is unpacked."""
    try:
        return _filled(name, layouts.layout(text, None), None, ())
    except (ValueError, csv.Error) as error:
        raise _unreadable(name, str(error).partition("\n")[0].rstrip(".")) from None


def _filled(name: str, found: Layout, decimal: str | None, marks: tuple[str, ...]) -> Table:
    columns = {name: [row[i] for _, row in found.rows] for i, name in enumerate(found.names) if name}
    return Table(name, columns, [line for line, _ in found.rows], tuple(found.said), decimal, marks)


def _unreadable(name: str, reason: str) -> ValueError:
    return ValueError(
        f"{name!r} cannot be read as a table: {reason}; "
        "give a CSV file with a line of column names and a line for each observation, such as 'x,y' and '1.5,2.0'."
    )


def _layout(path: str | Path, names: Sequence[str] | None) -> Layout:
    if str(path) == STANDARD_INPUT:
        data = sys.stdin.buffer.read()
    elif (reader := FRAMES.get(Path(path).suffix.lower())) is not None:
        return _of_pandas(Path(path), reader, names)
    else:
        data = Path(path).read_bytes()
    text, said = layouts.decoded(data)
    found = layouts.layout(text, names)
    return found._replace(said=[*said, *found.said])


def _engine(path: str | Path) -> str:
    """The package with which pandas reads a file."""
    reader = FRAMES.get(Path(path).suffix.lower())
    return "pyarrow" if reader != "read_excel" else "odfpy" if str(path).lower().endswith(".ods") else "openpyxl"


def _of_pandas(path: Path, reader: str, names: Sequence[str] | None) -> Layout:
    """The cells of a sheet, or of a file of columns, as texts."""
    import pandas as pd

    path.open("rb").close()  # a file that is not there is no matter of engines
    if reader == "read_excel":
        frame = pd.read_excel(path, header=None, dtype=object)
        rows = [(i + 1, [_text(cell) for cell in row]) for i, row in enumerate(frame.itertuples(index=False))]
        rows = [(line, row) for line, row in rows if any(row)]
        if not rows:
            raise ValueError("it is empty")
        said = ["the first sheet"]
        width = max(sum(map(bool, row)) for _, row in rows)
        above = next(i for i, (_, row) in enumerate(rows) if sum(map(bool, row)) > 1 or width == 1)
        if above:
            said.append(f"{above} line{'s' if above > 1 else ''} above the names left out")
            rows = rows[above:]
        header, rows = (list(names), rows) if names is not None else (rows[0][1], rows[1:])
        return layouts.arranged(header, rows, said, rownames=False)
    frame = pd.read_parquet(path) if reader == "read_parquet" else pd.read_feather(path)
    rows = [(i + 1, [_text(cell) for cell in row]) for i, row in enumerate(frame.itertuples(index=False))]
    return Layout([str(name) for name in frame.columns], rows, [])


def _text(cell: Any) -> str:
    if cell is None or cell != cell:  # None, NaN and NaT
        return ""
    if isinstance(cell, datetime) and cell.time() == datetime.min.time():
        return cell.date().isoformat()
    if isinstance(cell, (datetime, date)):
        return cell.isoformat(sep=" ") if isinstance(cell, datetime) else cell.isoformat()
    return repr(float(cell)) if isinstance(cell, (float, np.floating)) else str(cell).strip()
