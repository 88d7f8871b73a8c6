"""Conditions on rows, such as ``x>0 and (site=='north' or t<=5)``: comparisons of formulas of the columns."""

import operator
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, final

import jax
import numpy as np

from thalweg import formula
from thalweg.numerics.reading import nearest, real, shown
from thalweg.problems import cells, naming

COMPARISONS: Final = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<>": operator.ne,
    "<": operator.lt, ">": operator.gt, "=": operator.eq, "≤": operator.le, "≥": operator.ge, "≠": operator.ne,
}  # fmt: skip
COMPARISON: Final = re.compile("|".join(map(re.escape, COMPARISONS)))
TOKEN: Final = re.compile(
    r"""'[^']*'|"[^"]*"|`[^`]*`|[()\[\]]|[<>=!]=|<>|&&?|\|\|?|!|\b(?:and|or|not)\b|.""", re.IGNORECASE | re.DOTALL
)
WORD: Final = re.compile(r"[^\W\d]\w*")
JOINS: Final = {"&": "and", "&&": "and", "|": "or", "||": "or", "!": "not"}


class Cells(Protocol):
    """Columns of which each can be had as numbers, NaN where a cell is missing, and as texts."""

    def __iter__(self) -> Iterator[str]: ...
    def __contains__(self, name: str, /) -> bool: ...
    def text(self, name: str) -> list[str]: ...
    def read(self, name: str) -> tuple[np.ndarray, str]: ...
    def beside(self, name: str, cell: str) -> tuple[np.ndarray, float]: ...  # and the cell as one of that column
    @property
    def used(self) -> np.ndarray: ...


@final
@dataclass(frozen=True, eq=False)
class Arrays:
    """Columns of a mapping of arrays as ``Cells``."""

    columns: Mapping[str, Any]

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: str, /) -> bool:
        return name in self.columns

    def text(self, name: str) -> list[str]:
        return [str(cell) for cell in self.columns[name]]

    def read(self, name: str) -> tuple[np.ndarray, str]:
        try:
            return real(self.columns[name]), ""
        except (TypeError, ValueError) as error:
            raise ValueError(f"column {name!r} is not of real numbers; compare it with a word in quotes.") from error

    def beside(self, name: str, cell: str) -> tuple[np.ndarray, float]:
        raise ValueError(f"{cell} is a date, but column {name!r} is of no file, whose dates are read; give numbers.")

    @property
    def used(self) -> np.ndarray:
        return np.arange(len(next(iter(self.columns.values()), ())))


def rows(condition: str, table: Cells) -> np.ndarray:
    """Where the condition holds: a bool for each row in use. Nothing holds of a cell that is missing.

    Raises:
        ValueError: for a text that is no condition, naming what cannot be read.
    """
    if not isinstance(condition, str):
        raise ValueError(f"the condition is {shown(condition)}, but it must be a text; write one such as 'x>0'.")
    if not condition.strip():
        raise ValueError("the condition is empty; write one such as 'x>0'.")
    if len(condition) > formula.MAX_LENGTH:
        raise ValueError(f"the condition has {len(condition)} characters; shorten it to at most {formula.MAX_LENGTH}.")
    tokens = _tokens(condition)
    if _depth(tokens) > formula.MAX_DEPTH:
        raise ValueError(f"the condition nests too deeply; keep to {formula.MAX_DEPTH} brackets and denials.")
    return _any(tokens, table, condition)


def _depth(tokens: list[str]) -> int:
    """How many calls of ``_one`` may be within each other: brackets inside brackets, and whatever is denied."""
    depth = np.cumsum([(token == "(") - (token == ")") for token in tokens])
    return int(depth.max()) + tokens.count("not")


def _tokens(text: str) -> list[str]:
    words = [match[0] for match in TOKEN.finditer(text)]
    return [JOINS.get(word, word.lower() if word.lower() in ("and", "or", "not") else word) for word in words]


def _any(tokens: list[str], table: Cells, whole: str) -> np.ndarray:
    return np.any([_all(part, table, whole) for part in _parts(tokens, "or")], axis=0)


def _all(tokens: list[str], table: Cells, whole: str) -> np.ndarray:
    return np.all([_one(part, table, whole) for part in _parts(tokens, "and")], axis=0)


def _parts(tokens: list[str], join: str) -> list[list[str]]:
    """What stands between the joins that are outside of brackets."""
    parts, depth = [[]], 0
    for token in tokens:
        depth += (token in ("(", "[")) - (token in (")", "]"))
        if token == join and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _one(tokens: list[str], table: Cells, whole: str) -> np.ndarray:
    """A comparison or a chain of them, or a condition in brackets, or one that is denied."""
    text = "".join(tokens).strip()
    while tokens and tokens[0].isspace():
        tokens = tokens[1:]
    if tokens and tokens[0] == "not":
        return ~_one(tokens[1:], table, whole)
    if text.startswith("(") and text.endswith(")") and _closes_last(text) and COMPARISON.search(text):
        return _any(_tokens(text[1:-1]), table, whole)
    sides, signs = _sides(tokens)
    if not signs or not all(side.strip() for side in sides):
        raise ValueError(
            f'{text or whole!r} in the condition {whole!r} is no comparison; write e.g. "x>0", "0<x<5 and y!=2" '
            "or \"site=='north'\"."
        )
    held = [
        _compared(left.strip(), sign, right.strip(), table, whole)
        for left, sign, right in zip(sides, signs, sides[1:], strict=False)
    ]
    return np.all(held, axis=0)


def _closes_last(text: str) -> bool:
    depth, tokens = 0, TOKEN.findall(text)
    for i, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if depth == 0 and i < len(tokens) - 1:
            return False
    return True


def _sides(tokens: list[str]) -> tuple[list[str], list[str]]:
    sides, signs = [""], []
    for token in tokens:
        if token in COMPARISONS:
            sides.append("")
            signs.append(token)
        else:
            sides[-1] += token
    return sides, signs


def _compared(left: str, sign: str, right: str, table: Cells, whole: str) -> np.ndarray:
    compare = COMPARISONS[sign]
    for column, word in ((left, right), (right, left)):
        name = _column(column, table)
        if name is not None and (text := _word(word, name, table)) is not None:
            if compare not in (operator.eq, operator.ne):
                raise ValueError(
                    f"{sign} in the condition {whole!r} orders words, which have no order here; compare with == or !=."
                )
            return np.array([compare(cell, text) for cell in table.text(name)], bool)
        if name is not None and cells.is_moment(_bare(word)) and _column(word, table) is None:
            known, moment = table.beside(name, _bare(word))
            with np.errstate(all="ignore"):
                held = compare(known, moment) if column == left else compare(moment, known)
            return held & ~np.isnan(known)
        if name is not None and WORD.fullmatch(word) and word not in table and word not in formula.CONSTANTS:
            raise ValueError(nearest(word, dict.fromkeys(table.text(name)), f"a cell of column {name!r}"))
    with np.errstate(all="ignore"):
        values = _value(left, table), _value(right, table)
        held = compare(*values)
    known = ~(np.isnan(values[0]) | np.isnan(values[1]))
    return np.broadcast_to(held & known, table.used.shape)


def _column(text: str, table: Cells) -> str | None:
    name = text[1:-1] if text[:1] in "'\"`" and text[-1:] == text[:1] and len(text) > 1 else text
    return name if name in table else None


def _bare(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0] else text


def _word(text: str, name: str, table: Cells) -> str | None:
    """What stands in quotes and is no column, or is the cell of some row; but for dates."""
    bare = _bare(text)
    if bare in table or cells.is_moment(bare):
        return None
    return bare if bare != text or (WORD.fullmatch(bare) and bare in table.text(name)) else None


def _value(text: str, table: Cells) -> np.ndarray:
    columns = list(table)
    plain = {name for name in columns if re.fullmatch(r"[^\W\d_]\w*", name) and name not in formula.FUNCTIONS}
    read = formula.parse(naming.powers(text), sorted(plain & set(re.findall(r"\w+", text))), columns)
    values: Mapping[str, np.ndarray] = {name: table.read(name)[0][table.used] for name in read.names}
    with jax.enable_x64(True):
        return np.asarray(read(values), np.float64)
