"""Cells of a table as numbers: decimal points or commas, thousands, missing marks, dates and times.

A mark that can mean two things is not guessed: the sentence names both.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, final

import numpy as np

MISSING = frozenset(
    ["", "na", "n/a", "nan", "-nan", "null", "none", "nil", "missing", "nat", "<na>", "1.#qnan", "-", "--", "---"],
) | {"\u2013", "\u2014", "?", ".", "..", "*", "#n/a", "#na", "#div/0!", "#value!", "#num!", "#ref!"}
# in small letters; the first is an empty cell, the dashes are those of typesetters
BLANK = r" \u00a0\u2007\u2009\u202f'\u2019"  # between thousands: blanks of all widths, and apostrophes
EXPONENT = r"(?:[eEdD][+-]?\d+)?"
PLAIN = re.compile(rf"[+-]?(?:\d+\.?\d*|\.\d+){EXPONENT}")
COMMA = re.compile(rf"[+-]?(?:\d+,\d*|,\d+){EXPONENT}")
EITHER = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")  # 1.234 and 1,234: a decimal or a thousand
GROUPED = {
    ".": re.compile(rf"[+-]?\d{{1,3}}(?:(?:,\d{{3}})+|(?:[{BLANK}]\d{{3}})+)(?:\.\d*)?"),
    ",": re.compile(rf"[+-]?\d{{1,3}}(?:(?:\.\d{{3}})+|(?:[{BLANK}]\d{{3}})+)(?:,\d*)?"),
}
TIME = (
    r"(?P<hour>\d{1,3})[:.](?P<minute>[0-5]\d)(?:[:.](?P<second>[0-5]\d(?:[.,]\d+)?))?(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
ZONE = r"(?: ?(?P<zone>Z|UTC|[+-]\d\d:?\d\d))?"
AFTER = rf"(?:[T ,]+{TIME}{ZONE})?"
CLOCK = re.compile(TIME)
DATES = (
    re.compile(rf"(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})(?:[-/.](?P<day>\d{{1,2}}))?{AFTER}"),
    re.compile(rf"(?P<first>\d{{1,2}})(?P<mark>[-/.])(?P<other>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}){AFTER}"),
    re.compile(rf"(?P<day>\d{{1,2}})[-/. ]*(?P<name>[A-Za-z]{{3}})[a-z]*[-/., ]*(?P<year>\d{{4}}){AFTER}"),
    re.compile(rf"(?P<name>[A-Za-z]{{3}})[a-z]*\.? +(?P<day>\d{{1,2}}),? +(?P<year>\d{{4}}){AFTER}"),
)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
YEAR = 365.25 * 86400  # seconds


@final
class Unreadable(NamedTuple):
    """A cell that cannot be read, or in two ways: its row, and why. It is what a ValueError holds."""

    row: int
    reason: str


@final
class Marks(NamedTuple):
    """What the cells of a column, or of a table, show of their marks."""

    points: bool = False  # surely decimal points: 0.5, 12.34
    commas: bool = False  # surely decimal commas
    groups: str = ""  # the decimal mark that goes with thousands which were seen: 1,234.5 or 1.234.567


def is_missing(cell: str, more: Collection[str] = ()) -> bool:
    return cell.lower() in MISSING or cell in more


def is_value(cell: str) -> bool:
    """Whether a cell holds a number, a date or a time, by one reading or another."""
    cell = _plain(cell)
    return bool(_is_number(cell) or CLOCK.fullmatch(cell) or any(date.fullmatch(cell) for date in DATES))


def is_moment(cell: str) -> bool:
    """Whether a cell holds a date or a time of day."""
    return bool(CLOCK.fullmatch(cell) or any(date.fullmatch(cell) for date in DATES)) and not _is_number(cell)


def marks(cells: Sequence[str]) -> Marks:
    """What can be seen surely; 1.234 and 1,234 show nothing."""
    points = commas = False
    groups = ""
    for cell in map(_plain, cells):
        if EITHER.fullmatch(cell):
            continue
        if PLAIN.fullmatch(cell):
            points |= "." in cell
        elif COMMA.fullmatch(cell):
            commas = True
        else:
            for decimal, pattern in GROUPED.items():
                if pattern.fullmatch(cell) and not re.fullmatch(rf"[+-]?\d+(?:[{BLANK}]\d{{3}})+", cell):
                    groups = decimal
                    points, commas = points or decimal == ".", commas or decimal == ","
    return Marks(points, commas, groups)


def numbers(
    cells: Sequence[str], rows: np.ndarray, about: Marks, decimal: str | None, more: Collection[str]
) -> tuple[np.ndarray, str]:
    """The column in float64, NaN where a cell is missing or, outside of ``rows``, no number; and a word on its meaning.

    Args:
        cells: of the whole column.
        rows: those that will be used.
        about: what all columns of the table show of decimal marks.
        decimal: the mark that the person gave.
        more: marks of missing cells beside the usual ones.
    Raises:
        ValueError: with an ``Unreadable``, for the first of ``rows`` that cannot be read, or in two ways.
    """
    plain = [_plain(cell) for cell in cells]
    kept = [row for row in map(int, rows) if not is_missing(plain[row], more)]
    values = np.full(len(cells), np.nan)
    sentinels = [float(mark) for mark in more if PLAIN.fullmatch(mark)]  # -200,0 is -200
    if about == Marks() and decimal != "," and (fast := _floats([plain[row] for row in kept])) is not None:
        values[kept] = np.where(np.isin(fast, sentinels), np.nan, fast)
        return values, ""
    words = [row for row in kept if not _is_number(plain[row])]
    if words and all(any(date.fullmatch(plain[row]) for date in DATES) for row in kept):
        return _since_the_first(plain, kept, more)
    if words and all(CLOCK.fullmatch(plain[row]) for row in kept):
        return _clock(plain, kept, more)
    if words:
        raise ValueError(Unreadable(words[0], "but a fit needs finite numbers"))
    mark = decimal or _decimal(plain, kept, about)
    for row in kept:
        values[row] = _number(plain[row], mark)
        if not np.isfinite(values[row]):
            clear = "" if np.isinf(values[row]) else f" with decimal {'points' if mark == '.' else 'commas'}"
            raise ValueError(Unreadable(row, f"but a fit needs finite numbers{clear}"))
    values[np.isin(values, sentinels)] = np.nan
    return values, ""


def _floats(cells: Sequence[str]) -> np.ndarray | None:
    """Plain numbers, without a look at marks; None where one is none. Python would also read 1_000."""
    try:
        values = np.array([float(cell) for cell in cells], np.float64)
    except ValueError:
        return None
    return None if any("_" in cell for cell in cells) or not np.isfinite(values).all() else values


def _plain(cell: str) -> str:
    return cell.strip().replace("\u2212", "-")


def _is_number(cell: str) -> bool:
    return bool(PLAIN.fullmatch(cell) or COMMA.fullmatch(cell) or any(p.fullmatch(cell) for p in GROUPED.values()))


def _number(cell: str, decimal: str) -> float:
    """NaN where the cell is no number with this decimal mark."""
    if (PLAIN if decimal == "." else COMMA).fullmatch(cell) or (PLAIN.fullmatch(cell) and "." not in cell):
        return float(re.sub("[dD]", "e", cell.replace(",", ".")))
    if GROUPED[decimal].fullmatch(cell):
        return float(re.sub(rf"[{BLANK}{',' if decimal == '.' else '.'}]", "", cell).replace(",", "."))
    return np.nan


def _decimal(cells: Sequence[str], kept: Sequence[int], about: Marks) -> str:
    """The decimal mark of a column; a ValueError where its cells leave two readings."""
    own = marks([cells[row] for row in kept])
    doubtful = [row for row in kept if EITHER.fullmatch(cells[row])]
    if own.points and own.commas:
        row = next(row for row in kept if marks([cells[row]]).commas)
        other = next(cells[row] for row in kept if marks([cells[row]]).points)
        told = "with a comma" if "," in cells[row] else "in which points are for thousands"
        has = "a point" if "." in other else "commas for thousands"
        raise ValueError(
            Unreadable(row, f"{told} where {other!r} of the same column has {has}; say which is the decimal mark")
        )
    mark = "," if own.commas else "." if own.points or not about.commas else ","
    grouped = own.groups or ("" if own.commas or own.points else about.groups)
    for row in doubtful:
        comma = "," in cells[row]
        alone = not (own.points or own.commas or about.commas)  # nothing here speaks of decimal commas
        settled = grouped == mark or (comma and mark == ",") or (not comma and mark == "." and (own.points or alone))
        if not settled:
            decimal, whole = cells[row].replace(",", "."), re.sub("[.,]", "", cells[row])
            raise ValueError(Unreadable(row, f"which can be {decimal} or {whole}; say which mark is the decimal one"))
    return mark


def _since_the_first(cells: Sequence[str], kept: Sequence[int], more: Collection[str]) -> tuple[np.ndarray, str]:
    """Dates as years since the first one, or as seconds where they have times of day."""
    every = {row: date for row, cell in enumerate(cells) if not is_missing(cell, more) and (date := _date(cell))}
    wanted = set(kept)
    day_first = _day_first({row: date for row, date in every.items() if date["mark"] and row in wanted})
    values, moments = np.full(len(cells), np.nan), {}
    for row, date in every.items():
        try:
            moments[row] = _moment(date, day_first)
        except ValueError:  # of datetime
            if row in wanted:
                raise ValueError(Unreadable(row, "which is no day of the calendar")) from None
    zones = {bool(every[row]["zone"]) for row in kept}
    if len(zones) > 1:
        raise ValueError(Unreadable(kept[0], "but only some of the column have a time zone; give all of them one"))
    first = min(moments)
    timed = any(every[row]["hour"] for row in kept)
    for row, moment in moments.items():
        values[row] = (moment - moments[first]).total_seconds() / (1 if timed else YEAR)
    return values, f"{'seconds' if timed else 'years of 365.25 days'} since {cells[first]}"


def _date(cell: str) -> dict[str, str | None] | None:
    keys = ("year", "month", "day", "first", "other", "mark", "name", "hour", "minute", "second", "half", "zone")
    for pattern in DATES:
        if match := pattern.fullmatch(cell):
            return dict.fromkeys(keys) | match.groupdict()
    return None


def _day_first(dates: dict[int, dict]) -> bool:
    """Whether 3/4/2020 is in April; a ValueError where nothing tells."""
    sure = {True: [], False: []}
    for row, date in dates.items():
        if date["mark"] == "." or int(date["first"]) > 12:
            sure[True].append(row)
        elif int(date["other"]) > 12:
            sure[False].append(row)
    if dates and not sure[True] and not sure[False]:
        row, date = next(iter(dates.items()))
        pairs = (date["other"], date["first"]), (date["first"], date["other"])
        days = [f"{date['year']}-{int(month):02}-{int(day):02}" for month, day in pairs]
        raise ValueError(Unreadable(row, f"which can be {days[0]} or {days[1]}; write dates as {days[0]}"))
    if sure[True] and sure[False]:
        raise ValueError(
            Unreadable(sure[False][0], "which begins with the month where others begin with the day; write 2020-12-31")
        )
    return bool(sure[True])


def _moment(date: dict, day_first: bool) -> datetime:
    if date["name"]:
        month, day = MONTHS.index(date["name"].lower()) + 1, date["day"]
    elif date["mark"]:
        month, day = (date["other"], date["first"]) if day_first else (date["first"], date["other"])
    else:
        month, day = date["month"], date["day"] or 1
    midnight = datetime(int(date["year"]), int(month), int(day), tzinfo=UTC).timestamp()
    seconds = _seconds(date) if date["hour"] else 0.0
    if (zone := date["zone"]) and zone[0] in "+-":
        seconds -= (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)
    return datetime.fromtimestamp(midnight + seconds, UTC)


def _seconds(time: dict) -> float:
    hour = int(time["hour"])
    if time["half"]:
        hour = hour % 12 + 12 * (time["half"].lower() == "p")
    return 3600 * hour + 60 * int(time["minute"]) + float((time["second"] or "0").replace(",", "."))


def _clock(cells: Sequence[str], kept: Sequence[int], more: Collection[str]) -> tuple[np.ndarray, str]:
    """Times of day as seconds since the first one."""
    values = np.full(len(cells), np.nan)
    found = {row: match.groupdict() for row, cell in enumerate(cells) if (match := CLOCK.fullmatch(cell))}
    for row, time in found.items():
        values[row] = _seconds(time)
    steps = np.diff(values[list(kept)])
    if (steps < -43200).any():
        row = kept[int(np.argmax(steps < -43200)) + 1]
        raise ValueError(Unreadable(row, "after a later time, so that midnight may lie between them; give dates too"))
    first = min(found)
    return values - values[first], f"seconds since {cells[first]}, read as hours and minutes"
