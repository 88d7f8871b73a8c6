"""Parameters that have a value for each group of observations: k[A] and k[B], where the others are shared."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from thalweg.numerics.expression import natural
from thalweg.numerics.reading import nearest, shown
from thalweg.problems.tables import Table


@final
@dataclass(frozen=True)
class Group:
    """What a column divides observations into, and the parameters of the formula that each part has for itself."""

    column: str
    labels: tuple[str, ...]
    parameters: tuple[str, ...]

    def members(self, parameter: str) -> tuple[str, ...]:
        """The names that a parameter has: k[A], k[B]."""
        return tuple(f"{parameter}[{label}]" for label in self.labels)

    def codes(self, values: Any) -> np.ndarray:
        """Which of the groups each value is, (n,); ValueError for one that is none of them."""
        found, codes = np.unique(texts(values), return_inverse=True)
        for label in found:
            if label not in self.labels:
                raise ValueError(nearest(str(label), self.labels, f"a group of {self.column!r}"))
        return np.array([self.labels.index(label) for label in found], int)[codes]


def texts(values: Any) -> np.ndarray:
    """What cells are called, (n,): numbers the same however they are written, 1 and 1.0, if all are some; or words."""
    cells = np.atleast_1d(np.asarray(values))
    words = [str(cell).strip() for cell in cells]
    if cells.dtype.kind == "b":
        return np.array(words)
    try:
        numbers = np.array(words, float)
    except ValueError:
        return np.array(words)
    return np.array([f"{number:.12g}" for number in numbers])


def said(groups: Any) -> dict[str, tuple[str, ...] | None]:
    """The parameters that go by each column, None for all; ValueError for what does not say so."""
    if groups is None:
        return {}
    given = {groups: None} if isinstance(groups, str) else groups
    names = {}
    for column, parameters in given.items() if isinstance(given, Mapping) else [(None, None)]:
        several = (parameters,) if isinstance(parameters, str) else parameters
        right = several is None or (isinstance(several, Sequence) and all(isinstance(name, str) for name in several))
        if not isinstance(column, str) or not right or (several is not None and not several):
            raise ValueError(
                f"groups is {shown(groups)}, but it must be a column, by which all parameters go, or parameters by "
                "column; give e.g. 'batch' or {'batch': ['k', 'a']}."
            )
        names[column] = None if several is None else tuple(several)
    return names


def check_columns(groups: Iterable[str], columns: Sequence[str], responses: Collection[str]) -> None:
    """ValueError where groups go by what is no column, or by one that is predicted."""
    for column in groups:
        if column not in columns:
            raise ValueError(nearest(column, columns, "a column of the table"))
        if column in responses:
            raise ValueError(f"groups go by {column!r}, which the model is to predict; choose another column.")


def of(about: Mapping[str, tuple[str, ...] | None], parameters: Sequence[str], table: Any) -> tuple[Group, ...]:
    """The groups of the rows of a table; ValueError for names that are no parameters, or go by two columns."""
    found = list[Group]()
    for column, given in about.items():
        names = tuple(parameters) if given is None else given
        for name in names:
            if name not in parameters:
                raise ValueError(nearest(name, parameters, "a parameter of the model"))
            if other := [group.column for group in found if name in group.parameters]:
                raise ValueError(
                    f"{name!r} goes by {other[0]!r} and by {column!r}, but a parameter goes by one column; make a "
                    "column of both, or leave one of them out."
                )
        labels = dict.fromkeys(cells(table, column).tolist())
        found.append(Group(column, _in_order(labels), tuple(dict.fromkeys(names))))
    return tuple(found)


def _in_order(labels: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(labels, key=float))
    except ValueError:
        return tuple(sorted(labels, key=natural))


def cells(table: Any, column: str) -> np.ndarray:
    """What each cell of a column is called, (m,); ValueError for one that is missing."""
    words = texts(table.text(column) if isinstance(table, Table) else np.asarray(table[column]))
    for i, word in enumerate(words):
        if word.lower() in ("", "nan", "none", "nat", "<na>"):
            raise ValueError(
                f"column {column!r} has {str(word)!r} at index {i}, but groups go by it; leave out the observation, or "
                "name its group."
            )
    return words


def members(groups: Iterable[Group], parameters: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The names that each parameter of a formula has, in its order: its own, or one for each group."""
    names = {parameter: (parameter,) for parameter in parameters}
    return names | {parameter: group.members(parameter) for group in groups for parameter in group.parameters}
