"""The one page and its one script, which a browser and a notebook share."""

from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

# In this order; each uses what stands before it.
SCRIPTS = (
    "words",
    "link",
    "theme",
    "picture",
    "pane",
    "curves",
    "controls",
    "paths",
    "charts",
    "reading",
    "fitted",
    "fit",
    "train",
    "tabs",
    "explorer",
    "mount",
)
STATIC = files("thalweg.web") / "static"


@cache
def script() -> str:
    """All scripts as one module, with ``mount`` for a page and ``render`` for a widget."""
    parts = [(STATIC / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    return "\n".join([*parts, "export { mount };", "export default { render };", ""])


@cache
def style() -> str:
    return (STATIC / "explorer.css").read_text("utf-8")


@cache
def document() -> str:
    return (STATIC / "explorer.html").read_text("utf-8")


@cache
def plotly() -> str:
    """plotly.js as the installed wheel has it, without importing plotly."""
    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise ValueError("the page needs plotly, which is not installed; pip install 'thalweg[web]'.")
    return Path(found.submodule_search_locations[0], "package_data", "plotly.min.js").read_text("utf-8")
