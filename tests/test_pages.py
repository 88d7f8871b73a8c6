"""The documentation is whole: every page is reached, every block of code is run by the build or by a test, and the
reference has every public name. The build itself, which runs the code of the pages, is ``make docs``."""

import inspect
import re
from pathlib import Path

import pytest

import thalweg as tw

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = {str(page.relative_to(DOCS).with_suffix("")): page.read_text() for page in sorted(DOCS.rglob("*.md"))}
PICTURES = (".png", ".gif", ".webp", ".svg", ".jpg")

# Pages whose blocks of Python, and of a shell, a test of tests/test_docs.py runs.
TESTED = {"first-hour", "simulators"}
SHELL = "command-line"
MODULES = [name for name in tw.__all__ if inspect.ismodule(getattr(tw, name))]


def fences(page: str) -> list[str]:
    """What stands behind the opening of each fenced block of a page."""
    found, open_by = [], ""
    for line in page.splitlines():
        fence = re.match(r"(`{3,}|:{3,})(.*)", line)
        if fence and not open_by and fence[1][0] == "`":
            found.append(fence[2].strip())
            open_by = fence[1]
        elif fence and fence[1] == open_by and not fence[2]:
            open_by = ""
    assert not open_by
    return found


def reached() -> set[str]:
    """Every page that a toctree leads to from the first one."""
    found, to_read = set(), ["index"]
    while to_read:
        name = to_read.pop()
        if name in found:
            continue
        found.add(name)
        folder = Path(name).parent
        for tree in re.findall(r"^```\{toctree\}\n(.*?)^```", PAGES[name], re.MULTILINE | re.DOTALL):
            lines = [line.strip() for line in tree.splitlines()]
            to_read += [str(folder / line) for line in lines if line and not line.startswith(":")]
    return found


def test_every_page_is_reached():
    assert reached() == set(PAGES)


def test_every_block_of_code_is_run():
    """A cell runs while the page is built, which says so at its head; a plain block is of a page that a test runs."""
    known = {"{code-cell}", "{eval-rst}", "{toctree}", "{include}", "text", "bibtex"}
    for name, page in PAGES.items():
        kinds = {fence.split()[0] if fence else "" for fence in fences(page)}
        allowed = known | ({"python", "sh"} if name in TESTED else set()) | ({""} if name == SHELL else set())
        assert kinds <= allowed, (name, kinds - allowed)
        runs = page.startswith("---\nfile_format: mystnb\n")
        assert runs == ("{code-cell}" in kinds or "<!-- script: " in page), name


def test_blocks_without_a_language_are_commands():
    shown = re.findall(r"^```\n(.*?)^```$", PAGES[SHELL], re.MULTILINE | re.DOTALL)
    assert len(shown) > 1 and all(block.startswith("$ thalweg ") for block in shown)


def test_every_script_of_examples_is_a_page():
    scripts = {script.stem for script in (ROOT / "examples").glob("*.py")}
    assert {name for name in PAGES if name.startswith("lectures/")} == {f"lectures/{s}" for s in [*scripts, "index"]}
    for script in scripts:
        assert PAGES[f"lectures/{script}"].rstrip().endswith(f"\n<!-- script: {script}.py -->")


@pytest.mark.parametrize("module", ["thalweg", *MODULES])
def test_the_reference_has_every_public_name(module):
    page = PAGES[f"reference/{module}"]
    said = set(re.findall(r"^\.\. auto(?:class|function|data|module):: (?:[\w.]+\.)?(\w+)$", page, re.MULTILINE))
    public = set(tw.__all__) - set(MODULES) if module == "thalweg" else set(getattr(tw, module).__all__)
    assert public - said == set()


def test_physics_has_its_examples_in_the_reference():
    for name in tw.problems.physics.__all__:
        assert f".. autofunction:: thalweg.problems.physics.{name}.examples" in PAGES["reference/problems"]


def test_the_gallery_has_every_figure():
    drawn = set(re.findall(r"tw\.plot\.(\w+)\(", PAGES["gallery"])) | {"fit"}  # which is fit.plot()
    assert drawn == {name for name in tw.plot.__all__ if name[0].islower()}


def test_pictures_are_few_and_small():
    files = [file for file in DOCS.rglob("*") if file.suffix in PICTURES]
    assert len(files) <= 12 and all(file.stat().st_size < 300_000 for file in files)
    shown = (ROOT / "README.md").read_text() + "".join(PAGES.values())
    assert all(file.name in shown for file in files)


def test_commands_of_make_are_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = (
        (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text() + (ROOT / ".ci" / "run").read_text()
    )
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", pages, re.MULTILINE))
    assert {"demo", "test", "slow", "lint", "docs", "browser"} <= named <= targets


@pytest.fixture
def extension(monkeypatch):
    """An extension of the build by its name, which needs no Sphinx until the build calls it."""
    monkeypatch.syspath_prepend(DOCS / "extensions")
    return lambda name: __import__(name)


def test_a_script_becomes_a_page(extension):
    scripts = extension("scripts")
    script = (
        "# %% [markdown]\n# # Title\n#\n# Words.\n\n# %%\ndef save(figure, name):\n    pass\n\n# %%\nsave(1, 'a')\n"
    )
    assert scripts.cells(script)[0] == ("markdown", "# Title\n\nWords.")
    page = scripts.page(script)
    assert page.startswith("# Title") and page.count("````{code-cell} python") == 4
    assert page.index("sys.argv") < page.index("pass") < page.index("savefig(picture") < page.index("save(1, 'a')")


def test_docstrings_become_text(extension):
    escaped = extension("docstrings").escaped
    assert escaped("L = |y|^2, a ** 2 and ``|y|``s") == r"L = \|y\|^2, a \*\* 2 and ``|y|``\ s"
    assert escaped("Args:\n    **more: a * b") == "Args:\n    **more: a \\* b"
    assert escaped("Example:\n    >>> 2**3\n    8\n\nx*y") == "Example:\n    >>> 2**3\n    8\n\nx\\*y"


def test_how_to_cite_says_this_version():
    assert f"version: {tw.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"Version {tw.__version__}." in PAGES["citing"] and f"{{{tw.__version__}}}" in PAGES["citing"]
