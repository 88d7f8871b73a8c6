"""A script of ``examples`` as a page: its comments are the text, its code runs, its figures stand where they are made.

A page says which one by ``<!-- script: univariate.py -->``. Scripts have cells as editors know them, after ``# %%``.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PLACE = re.compile(r"^<!-- script: (\w+\.py) -->$", re.MULTILINE)
HIDDEN = """
import sys

sys.argv = ["script"]  # figures go into the folder where the page runs
"""
SHOWN = """
def save(figure, name):
    import io
    from IPython.display import Image

    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    display(Image(picture.getvalue()))
"""
PLAYED = """
from IPython.display import Video

Video(str({}.path), embed=True)
"""
MOVIE = re.compile(r"^(\w+) = tw\.plot\.animate\(.*?\)\.save\(", re.MULTILINE | re.DOTALL)
NAMES = re.compile(r'print\(f?"\\nfigures:')  # of the files, at the end of a script


def cells(script: str) -> list[tuple[str, str]]:
    """The cells of a script in order, each with its kind, "markdown" or "code"."""
    found = []
    for part in re.split(r"^# %%", script, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            found.append(("markdown", re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip()))
        elif body.strip() and not NAMES.match(body):
            found.append(("code", body.strip()))
    return found


def page(script: str) -> str:
    """The script as Markdown with cells that run."""
    parts = [] if script.startswith("# %%") else [script.partition("# %%")[0]]
    for kind, text in cells(script):
        parts += [text] if kind == "markdown" else [_cell(text)]
        if re.search(r"^def save\(", text, re.MULTILINE):
            parts += [_cell(SHOWN.strip(), "remove-cell")]
        for name in MOVIE.findall(text):
            parts += [_cell(PLAYED.format(name).strip(), "remove-input")]
    first = next(i for i, part in enumerate(parts) if part.startswith("````"))
    return "\n\n".join([*parts[:first], _cell(HIDDEN.strip(), "remove-cell"), *parts[first:]])


def _cell(code: str, tag: str = "") -> str:
    return "````{code-cell} python\n" + (f":tags: [{tag}]\n\n" if tag else "") + f"{code}\n````"


def _read(app: "Sphinx", name: str, source: list[str]) -> None:
    for file in PLACE.findall(source[0]):
        app.env.note_dependency(str(EXAMPLES / file))
    source[0] = PLACE.sub(lambda match: page((EXAMPLES / match[1]).read_text()), source[0])


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("source-read", _read)
    return {"parallel_read_safe": True}
