"""Docstrings are plain text, where ``|y|^2`` is a norm and ``**`` a power: what reStructuredText would read as marks of
its own is escaped, outside of ``literals`` and examples."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

# What stays: examples, literals within a paragraph, and the entries "**more: …" of Args, which napoleon escapes.
KEPT = re.compile(
    r"(^ *>>>.*?(?:\n[ \t]*$|\Z)|``(?:[^`\n]|\n(?![ \t]*\n))+``|^ *\*{1,2}\w+(?:, \*{0,2}\w+)*:)", re.M | re.S
)
MARK = re.compile(r"[*|`]|(?<=\w)_(?!\w)")


def escaped(text: str) -> str:
    """The same text for reStructuredText."""
    parts = KEPT.split(text)
    plain = [MARK.sub(r"\\\g<0>", part) for part in parts[::2]]
    plain = [rf"\ {part}" if i and re.match(r"\w", part) else part for i, part in enumerate(plain)]  # ``Stage``s
    return "".join(part for pair in zip(plain, [*parts[1::2], ""], strict=True) for part in pair)


def _process(app: "Sphinx", what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    lines[:] = escaped("\n".join(lines)).splitlines()


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("autodoc-process-docstring", _process, priority=100)  # before napoleon
    return {"parallel_read_safe": True}
