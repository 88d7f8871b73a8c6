"""Names in the formula of a model: which are columns, which are parameters, and which could be either."""

import difflib
import math
import re
from collections.abc import Collection, Sequence
from typing import Final

from thalweg import formula
from thalweg.numerics.reading import nearest

ALIKE = 0.8  # how much of two names is the same where one may be the other misspelled (difflib's ratio, 1 for all)
QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"|`([^`]*)`")
STUCK: Final = re.compile(r"(?<![\w.])(\d+\.?\d*)(?![eE][+-]?\d)([^\W\d_]\w*)")
CIRCULAR: Final = re.compile(r"\b(a|arc)?(sin|cos|tan)\b|\d\s*[*/]\s*pi\b|\bpi\s*[*/]\s*\d|\bpi\s*\*\*")
MEANINGS: Final = {
    "e": (math.e, "Euler's number", "exp(1)"),
    "pi": (math.pi, "the number of the circle", "arccos(-1)"),
}  # of the constants of the language: value, name, another way to write it


def words(model: str) -> set[str]:
    """All that could be a column or a parameter; what else is in the text, ``formula.parse`` judges."""
    plain = re.sub(rf"{formula.LIBRARY.pattern}\w+", " ", QUOTED.sub(" ", model))
    found = {word for word in re.findall(r"[\w.]+", plain) if word[0].isalpha()}
    return found.difference(formula.FUNCTIONS)


def powers(text: str) -> str:
    """The text with ** for ^, which means a power wherever people write models."""
    return re.sub(rf"{QUOTED.pattern}|\^", lambda found: "**" if found[0] == "^" else found[0], text)


def spelled(model: str, columns: Collection[str]) -> str:
    """The model as the language of formulas has it: with ** for ^, and with quotes around names of columns that have a
    dot and no other sign, as R makes them: Temp.K. ValueError for a number and a name without a sign between them."""
    model = powers(model)
    stuck = STUCK.search(QUOTED.sub(" ", model))
    if stuck is not None and stuck[0] not in columns:
        raise ValueError(
            f"{stuck[0]!r} in the model is neither a number nor a name; write * between factors: {stuck[1]}*{stuck[2]}."
        )
    dotted = [name for name in columns if "." in name and re.fullmatch(r"[^\W\d][\w.]*", name)]
    if not dotted:
        return model
    names = "|".join(map(re.escape, sorted(dotted, key=len, reverse=True)))
    pattern = re.compile(rf"{QUOTED.pattern}|(?<![\w.])(?:{names})(?![\w.])")
    return pattern.sub(lambda found: found[0] if found[0][0] in "'\"`" else f"'{found[0]}'", model)


def quoted(model: str, columns: Collection[str]) -> list[str]:
    """The names in quotes, which are columns; ValueError for one that is not."""
    found = ["".join(groups) for groups in QUOTED.findall(model)]
    for name in found:
        if name not in columns:
            raise ValueError(nearest(name, columns, "a column of the table"))
    return found


def check_constants(model: str, found: Collection[str], known: Collection[str]) -> None:
    """ValueError for a name that is a constant of the language, and may as well be meant as a parameter.

    ``e`` always may. ``pi`` is a number beside sines and in 2*pi.
    """
    for name in sorted(set(found).intersection(formula.CONSTANTS).difference(known)):
        if name == "pi" and CIRCULAR.search(model):
            continue
        value, meaning, other = MEANINGS[name]
        raise ValueError(
            f"{name!r} in the model can be the constant {value:.6g}, {meaning}, or a parameter: write {other} for the "
            f"number, or give {name!r} a start if it is a parameter (start={{{name!r}: 1.0}}, --start {name}=1)."
        )


def check_columns(model: str, unknown: Collection[str], y: str, predictors: Sequence[str], left: Sequence[str]) -> None:
    """ValueError where a person cannot have meant that ``unknown`` are parameters, and the columns ``left`` unused."""
    if y in predictors:
        raise ValueError(f"the model {model!r} has {y!r}, which it is to predict; leave it out or choose another y.")
    unread = [name for name in left if not formula_name(name) and name.strip() and _stands_in(name, model)]
    for name in sorted(unread, key=len, reverse=True):
        raise ValueError(
            f'column {name!r} stands in the model without quotes; write {name!r} in quotes, as in "a*{name!r}", or '
            f"call it otherwise (rename={{'t': {name!r}}}, --as \"t={name}\")."
        )
    for name in sorted(unknown):
        if len(name) == 1 and predictors:  # a, b, k are parameters, also beside columns A, B, K
            continue
        alike = [c for c in left if c.lower() == name.lower()] or difflib.get_close_matches(name, left, 1, ALIKE)
        if alike:
            raise ValueError(
                f"{name!r} in the model is not a column, but {alike[0]!r} is and is not used; "
                f"correct the name, or give {name!r} a start or a range if it is a parameter."
            )
    if left and not predictors:
        choices = ", ".join(name if formula_name(name) else repr(name) for name in left)
        raise ValueError(
            f"the model {model!r} names no column to predict {y!r} from; use one of {choices}"
            f"{', with the quotes' if any(not formula_name(name) for name in left) else ''}."
        )


def formula_name(name: str) -> bool:
    """Whether a name can stand in a formula without quotes."""
    try:
        formula.parse("1", [name])
    except ValueError:
        return False
    return True


def _stands_in(name: str, model: str) -> bool:
    """Whether a name that needs quotes, such as CO(GT), is in the text; a function's name alone may be a function."""
    return name not in formula.FUNCTIONS and bool(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", QUOTED.sub(" ", model), re.UNICODE)
    )
