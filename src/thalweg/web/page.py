"""The one page and its one script, which a browser and a notebook share."""

import importlib.util
from functools import cache
from importlib.resources import files
from pathlib import Path

# In this order; each uses what stands before it.
SCRIPTS = (
    "words", "link", "theme", "picture", "surface", "pane", "curves", "controls", "paths", "spread", "starts",
    "sweep_diagram", "sweep_map", "step_sizes", "compare", "charts", "reading", "fitted", "fit", "train", "tabs",
    "explorer", "mount",
)  # fmt: skip
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
    found = importlib.util.find_spec("plotly")
    source = Path(found.origin).parent / "package_data" / "plotly.min.js" if found and found.origin else None
    if source is None or not source.is_file():
        raise ValueError("pages need plotly, which is not installed; pip install 'thalweg[web]'.")
    return source.read_text("utf-8")
