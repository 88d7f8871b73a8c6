"""``--group``: the parameters that each part of a table has for itself, by the column that parts it, ``batch:k,a``."""

import re
from collections.abc import Collection, Sequence

_GROUP = re.compile(r"""(?:(['"`])(?P<quoted>.+)\1|(?P<column>[^:'"`][^:]*?))\s*(?::(?P<names>.*))?""")


def read_groups(texts: Sequence[str], theirs: Collection[str] = ()) -> dict[str, list[str] | None]:
    """Each ``--group``: the parameters that go by a column, or None for all, without ``theirs``."""
    groups: dict[str, list[str] | None] = {}
    for text in texts:
        found = _GROUP.fullmatch(text.strip())
        listed = found and found["names"]
        names = None if listed is None else [word.strip() for word in listed.split(",")]
        if found is None or (names is not None and not all(names)):
            raise ValueError(f"--group is {text!r}, but it must be column or column:name,…; write e.g. batch:k,a.")
        column = found["quoted"] or found["column"]
        if column in groups:
            raise ValueError(f"--group of {column!r} is given twice; give it once, with commas between parameters.")
        kept = None if names is None else [name for name in names if name not in theirs]
        if kept is None or kept:
            groups[column] = kept
    return groups
