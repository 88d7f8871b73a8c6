"""The layout of a text file: its encoding, comments, separator, line of names, line of units."""

import bz2
import csv
import gzip
import lzma
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from io import BytesIO, StringIO
from typing import NamedTuple, final

from thalweg.problems.cells import is_missing, is_value

SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", "  ": "several blanks", " ": "blanks"}
COMMENT = re.compile(r"\s*(#|%|//|!)+\s*")
REMARK = re.compile(r"^(\s*[-+.\d][^\"'#]*)(?<=\s)#.*$")  # behind a row of numbers; in time linear in its length
PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
MOST_BYTES = 1 << 29  # that a compressed file may unpack to: a small one could fill any memory
QUANTITY = re.compile(r"[<>~≈=±]?\s*[+-]?\.?\d")  # how a cell begins that is no unit, though perhaps no number
MOST_UNITS = 2  # lines below the names
MOST_ABOVE = 200  # lines above them
MOST_BELOW = 20  # lines below the table, after a blank one
HEADED = re.compile(r"\*\*\*End_of_Header\*\*\*")  # below which LabVIEW begins anew

Row = tuple[int, list[str]]  # the line where it stands, from 1, and its cells


@final
class Layout(NamedTuple):
    """Names, rows below them, and what there is to say of the file."""

    names: list[str]
    rows: list[Row]
    said: list[str]


@final
class _Split(NamedTuple):
    separator: str
    rows: list[Row]
    width: int  # cells of a row
    above: int  # rows before the table

    @property
    def order(self) -> tuple[int, int]:
        return self.above, list(SEPARATORS).index(self.separator)


def decoded(data: bytes) -> tuple[str, list[str]]:
    """The text of a file and what there is to say of it; ValueError where it is none."""
    if opened := next((opened for magic, opened in PACKED.items() if data.startswith(magic)), None):
        try:
            data = opened(BytesIO(data)).read(MOST_BYTES + 1)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            raise ValueError("it is compressed, but not whole") from None
        if len(data) > MOST_BYTES:
            raise ValueError(f"it unpacks to over {MOST_BYTES >> 20} MB; unpack it, and take some of its rows")
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            try:
                return data.decode(encoding), []
            except UnicodeDecodeError:
                raise ValueError(f"it begins as text in {encoding.removesuffix('-sig').upper()}, but is not") from None
    if b"\0" in data:
        raise ValueError("it is not text")
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), ["read as Windows-1252"]
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None


def layout(text: str, names: Sequence[str] | None) -> Layout:
    """Names and rows of a text; ValueError where they cannot be told."""
    lines = StringIO(text, newline=None).read().split("\n")
    comments = {i: COMMENT.sub("", line, count=1) for i, line in enumerate(lines) if COMMENT.match(line)}
    told = re.fullmatch(r"\s*sep=(.)\s*", lines[0])
    # A comment becomes an empty line, so that its quotes mean nothing and the lines below keep their numbers.
    source = ["" if i in comments or (told and i == 0) else _remarkless(line) for i, line in enumerate(lines)]
    headed = max((i + 1 for i, line in enumerate(source) if HEADED.match(line)), default=0)
    source[:headed] = [""] * headed
    split, below = _above_the_last_words(source, told[1] if told else None)
    rows = split.rows[split.above :]
    said = [f"separated by {SEPARATORS[split.separator]}"] if split.width > 1 else []
    if above := split.above + headed:
        said.append(f"{_count(above, 'line')} above the names left out")
    if below:
        said.append(f"{_count(below, 'line')} below the table left out")
    header, rows = _header(rows, split, comments, names, said)
    if not rows:
        raise ValueError("it has no line below the names of its columns")
    return arranged(header, rows, said, rownames=split.separator != "," or source[rows[-1][0] - 1].startswith('"'))


def _remarkless(line: str) -> str:
    found = REMARK.match(line)
    return found[1].rstrip() if found else line


def arranged(names: list[str], rows: list[Row], said: list[str], rownames: bool) -> Layout:
    """Names and rows of equal length, without trailing separators, row names and lines of units."""
    if rownames and rows and all(len(cells) == len(names) + 1 and cells[-1] for _, cells in rows):
        names = ["", *names]  # as R writes them
        said.append("the first cell of each line is its name")
    rows = [(line, cells if any(cells[len(names) :]) else cells[: len(names)]) for line, cells in rows]
    for line, cells in rows:
        if len(cells) != len(names):
            raise ValueError(f"line {line} has {len(cells)} cells where the names are {len(names)}")
    for name in filter(None, names):
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is the name of {names.count(name)} columns")
    units = next((n for n in range(MOST_UNITS, 0, -1) if _are_of_units(rows[:n], rows[n:])), 0)
    said += [f"line {line} with units left out" for line, _ in rows[:units]]
    return Layout(names, rows[units:], said)


def _above_the_last_words(lines: list[str], told: str | None) -> tuple[_Split, int]:
    """The lines in cells, and how many lines after a blank one at their end are none of the table."""
    try:
        return _split(lines, told), 0
    except ValueError:
        for blank in [i for i in reversed(range(1, len(lines))) if not lines[i].strip()]:
            below = [re.split(r"[\t;|, ]", line.strip())[0] for line in lines[blank:] if line.strip()]
            if len(below) > MOST_BELOW or any(map(is_value, below)):  # observations, and no words
                break
            if below:
                try:
                    return _split(lines[:blank], told), len(below)
                except ValueError:
                    continue
        raise


def _split(lines: list[str], told: str | None) -> _Split:
    """The lines in cells, by the separator that makes rows of equal length."""
    if not any(line.strip() for line in lines):
        raise ValueError("it is empty")
    found, failed = [], {}
    for separator in [told] if told in SEPARATORS else SEPARATORS:
        try:
            rows = _rows(lines, separator)
            above, width = _extent(rows)
            found.append(_Split(separator, rows, width, above))
            if above == 0:
                break  # no later one comes before it
        except (ValueError, csv.Error) as error:
            failed[separator] = str(error)
    if found:
        return min(found, key=lambda split: split.order)
    first = next(line for line in lines if line.strip())
    if not re.search(r"[\t;|, ]", first.strip()) and {len(cells) for _, cells in _rows(lines, "\t")} == {1}:
        return _Split("\t", _rows(lines, "\t"), 1, 0)
    # What the first line is separated by tells which reason a person can use.
    separator = max(failed, key=lambda separator: (first.count(separator), -list(SEPARATORS).index(separator)))
    raise ValueError(failed["," if "," in failed and "," in first and separator == " " else separator])


def _rows(lines: list[str], separator: str) -> list[Row]:
    if separator == "  ":
        split = [(i + 1, re.split(r"[ \t]{2,}|\t", line.strip())) for i, line in enumerate(lines)]
        return [(line, cells) for line, cells in split if any(cells)]
    if separator == " ":
        lines = [re.sub(r"\s+", " ", line.strip()) for line in lines]
    else:  # a space after a quoted cell is no mistake
        lines = [re.sub(rf'"[ \t]+(?={re.escape(separator)}|$)', '"', line) for line in lines]
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, skipinitialspace=True, strict=True)
    return [(reader.line_num, cells) for row in reader if any(cells := [cell.strip() for cell in row])]


def _extent(rows: list[Row]) -> tuple[int, int]:
    """How many rows stand above the table, and how wide it is: as most rows, all from the first such row on."""
    if not rows:
        raise ValueError("all its cells are empty")
    widths = [len(cells) for _, cells in rows]
    filled = [max(i + 1 for i, cell in enumerate(cells) if cell) for _, cells in rows]
    body = Counter(widths[1:] or widths).most_common(1)[0][0]
    for above in range(min(len(rows), MOST_ABOVE)):
        width = widths[above]
        if width < 2:
            continue
        below = range(above, len(rows))
        same = all(widths[i] == width or filled[i] <= width < widths[i] for i in below)
        named = (
            filled[above] == width == body - 1 and all(widths[i] == body for i in below[1:]) and len(below) > 1
        ) and any(is_value(cell) for cell in rows[above + 1][1])  # rows with names, and no names themselves
        if (same or named) and (above == 0 or len(below) > 2):
            return above, width
    width = widths[0]
    line, cells = next(((line, cells) for line, cells in rows if len(cells) != width), rows[0])
    raise ValueError(f"line {line} has {len(cells)} cells where the names are {width}")


def _header(
    rows: list[Row], split: _Split, comments: dict[int, str], given: Sequence[str] | None, said: list[str]
) -> tuple[list[str], list[Row]]:
    """The names: those that are given, the first row, or a comment above it."""
    line, first = rows[0]
    numbers = all(is_value(cell) or is_missing(cell) for cell in first) and any(is_value(cell) for cell in first)
    if given is not None:
        if len(given) != len(first):
            raise ValueError(f"line {line} has {len(first)} cells where the names are {len(given)}")
        return list(given), rows if numbers else rows[1:]
    if not numbers:
        return first, rows[1:]
    for at in sorted((at for at in comments if at < line - 1), reverse=True):
        for separator in (split.separator, ",", "\t", "  ", " "):
            words = _rows([comments[at]], separator) if comments[at].count('"') % 2 == 0 else []
            if words and len(words[0][1]) == len(first) and not any(is_value(word) for word in words[0][1]):
                said.append(f"named by the comment in line {at + 1}")
                return words[0][1], rows
    raise ValueError(
        f"its first line, {', '.join(first)[:60]!r}, has numbers where the names of columns are due "
        "(names given beside the file, as --names x,y, would name them)"
    )


def _are_of_units(above: list[Row], below: list[Row]) -> bool:
    """Whether rows have no numbers, but words over a column that is of numbers below."""
    if not below:
        return False
    for _, row in above:
        worded = [i for i, cell in enumerate(row) if not is_missing(cell)]
        if any(QUANTITY.match(row[i]) or is_value(row[i]) for i in worded):
            return False
        columns = ([cells[i] for _, cells in below if not is_missing(cells[i])] for i in worded)
        if not any(column and all(map(is_value, column)) for column in columns):
            return False
    return True


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' if n != 1 else ''}"
