"""Pieces of HTML: text without meaning of its own, numbers, tables, bars."""

import html
import math
import re
from collections.abc import Sequence
from typing import Any

Row = Sequence[str]
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"


def text(value: Any) -> str:
    """Anything as text of a page, or of an attribute in quotes."""
    return html.escape(str(value), quote=True)


def plain(value: float, digits: int = 4) -> str:
    """A number as text alone: 0.07181, 1.2 × 10⁻⁵."""
    if not math.isfinite(value):
        return "not finite"
    mantissa, _, power = f"{value:.{digits}g}".partition("e")
    raised = f"\u202f{TIMES}\u202f10{str(int(power)).translate(RAISED)}" if power else ""
    return mantissa.replace("-", MINUS) + raised


def number(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, and a power of ten as such."""
    value = float(value)
    if math.isnan(value):
        return '<span class="nothing">NaN</span>'
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    mantissa, _, power = f"{value:.{digits}g}".partition("e")
    mantissa = mantissa.replace("-", MINUS)
    if not power:
        return mantissa
    return f"{mantissa}&#8239;{TIMES}&#8239;10<sup>{str(int(power)).replace('-', MINUS)}</sup>"


def swatch(color: str) -> str:
    """The color of a variant, which the page adapts to its theme."""
    shown = color.removeprefix("@")
    shown = shown if re.fullmatch(r"#[0-9a-fA-F]{6}", shown) else "#7a8793"
    return f'<i class="swatch" data-color="{text(color)}" style="background:{shown}"></i>'


def table(head: Row, rows: Sequence[Row], caption: str, marked: int = -1) -> str:
    """A table of cells that are HTML already; the first of a row is its heading, the ``marked`` row stands out."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr{" class=best" if i == marked else ""}><th scope="row">{first}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
        for i, (first, *cells) in enumerate(rows)
    )
    named = f"<caption>{text(caption)}</caption>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{text(caption)}"><table>{named}<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>'  # noqa: E501


def bars(rows: Sequence[tuple[str, Sequence[tuple[str, int]]]]) -> str:
    """A bar for each row, divided by how many there are of each word, with the words and numbers written out."""
    drawn = []
    for label, counts in rows:
        total = sum(count for _, count in counts) or 1
        parts = "".join(
            f'<span class="part {text(word)}" style="flex-grow:{count}"><b>{count}</b></span>'
            for word, count in counts
            if count
        )
        said = ", ".join(f"{count} {word}" for word, count in counts if count)
        drawn.append(
            f'<div class="row"><span class="label">{label}</span><span class="bar" role="img" '
            f'aria-label="{text(said)} of {total}">{parts}</span><span class="said">{text(said)}</span></div>'
        )
    return f'<div class="bars">{"".join(drawn)}</div>'


def section(name: str, heading: str, inner: str, note: str = "") -> str:
    said = f'<p class="note">{note}</p>' if note else ""
    return f'<section id="{name}"><h2>{heading}</h2>{said}{inner}</section>'


def plot(key: str, said: str, title: str = "", note: str = "", shape: str = "") -> str:
    """The place of a figure, which the page draws."""
    heading = f"<h3>{text(title)}</h3>" if title else ""
    below = f"<figcaption>{text(note)}</figcaption>" if note else ""
    return (
        f'<figure class="plot {shape}" data-figure="{text(key)}">{heading}'
        f'<div class="canvas" role="img" aria-label="{text(said)}"></div>{below}</figure>'
    )
