"""The pages run as they stand: every block of Python in order, every command, with what they print."""

import io
import re
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from shutil import copyfile
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


class Block(NamedTuple):
    """A fenced block of a page, and the text below it, if a block of that follows."""

    line: int
    language: str
    code: str
    expected: str | None


def blocks(text: str) -> Iterator[Block]:
    found = list(re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    for block, following in zip(found, [*found[1:], None], strict=True):
        said = following is not None and following[1] == "text"
        expected = following[2] if following is not None and said else None
        yield Block(text[: block.start()].count("\n") + 2, block[1], block[2], expected)


def alike(expected: str, printed: str) -> bool:
    """Whether a page shows what is printed, but for spaces at the ends of lines; "…" stands for anything in a line."""
    said, real = ([line.rstrip() for line in text.strip().splitlines()] for text in (expected, printed))
    patterns = [re.escape(line).replace("…", ".*") for line in said]
    return len(said) == len(real) and all(map(re.fullmatch, patterns, real))


def run(name: str, block: Block, names: dict[str, Any]) -> str:
    """What a block of Python prints; one that begins with the name of a file is written to it."""
    file = re.match(r"# (\w+\.py)\n", block.code)
    if file:
        Path(file[1]).write_text(block.code)
        return ""
    printed = io.StringIO()
    with redirect_stdout(printed):
        # on its own line of the page, so that a traceback leads there
        exec(compile("\n" * (block.line - 1) + block.code, name, "exec"), names)
    return printed.getvalue()


@pytest.fixture
def folder(workplace, monkeypatch):
    """An empty folder to work in, whose modules can be imported and are forgotten afterwards."""
    monkeypatch.syspath_prepend(workplace)
    known = set(sys.modules)
    yield workplace
    for name in set(sys.modules) - known:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == workplace:
            del sys.modules[name]


@pytest.fixture
def follow(folder, call):
    """Run blocks of a page in one namespace."""

    def run_all(page, several, **names):
        for block in several:
            if block.language == "python":
                printed = run(str(page), block, names)
            elif block.language == "sh":
                printed = command(call, block.code)
            else:
                continue
            if block.expected is not None:
                assert alike(block.expected, printed), f"{page}, line {block.line}, prints\n{printed}"
        return names

    return run_all


def command(call, line):
    """What a command line prints that ends well."""
    status, printed, err = call(line.strip().removeprefix("thalweg "))
    assert (status, err) == (0, ""), line
    return printed


@pytest.mark.slow
def test_the_first_hour_runs_as_it_stands(follow, folder):
    page = ROOT / "docs" / "first-hour.md"
    names = follow(page, blocks(page.read_text()))
    assert bool(names["problem"].check()) and (folder / "misses.png").stat().st_size > 1000


SIMULATORS = ROOT / "docs" / "simulators.md"


@pytest.mark.slow
def test_the_page_of_simulators_runs_as_it_stands(follow):
    names = follow(SIMULATORS, [block for block in blocks(SIMULATORS.read_text()) if "import torch" not in block.code])
    assert names["fit"].attrs["problem"] == "epidemic"


@pytest.mark.slow
def test_the_network_of_torch_runs_as_it_stands(follow):
    """Not among the dependencies of the tests: its wheels bring gigabytes of libraries for GPUs."""
    pytest.importorskip("torch")
    first, *_, network = [b for b in blocks(SIMULATORS.read_text()) if re.search(r"^import (numpy|torch)", b.code)]
    assert follow(SIMULATORS, [first, network])["machine"].dimension == 2


README = ROOT / "README.md"


@pytest.mark.slow
def test_the_readme_runs_as_it_stands(follow, folder):
    names = follow(README, blocks(README.read_text().partition("## Four verbs")[2]))
    assert all((folder / f"{name}.png").stat().st_size > 1000 for name in ("paths", "waterfall"))
    assert (names["fits"].outcome.values == 0).mean() > 0.995
    assert set(names["trace"].method.values) == {"GD", "PG", "Adam"}


def transcripts(text: str) -> dict[str, str]:
    """What a page shows a shell to print, by command."""
    shown = {}
    for block in blocks(text):
        if not block.language and block.code.startswith("$ "):
            line, _, printed = block.code.removeprefix("$ ").partition("\n")
            shown[line] = printed
    return shown


COMMANDS = README.read_text() + (ROOT / "docs" / "command-line.md").read_text()
TRANSCRIPTS = transcripts(COMMANDS)
QUICK = ("thalweg run pbdl",)


@pytest.mark.parametrize(
    "line",
    [pytest.param(line, marks=[] if line.startswith(QUICK) else pytest.mark.slow) for line in TRANSCRIPTS],
    ids=lambda line: " ".join(line.split()[1:3]),
)
def test_commands_print_what_the_pages_show(line, folder, call):
    copyfile(ROOT / "tests" / "data" / "nist" / "Misra1a.csv", folder / "data.csv")
    printed = command(call, line)
    assert alike(TRANSCRIPTS[line], printed), printed
    assert (folder / line.split("--figure ")[1].split()[0]).stat().st_size > 1000


SERVES = "thalweg explore"  # until it is told to end: tests/test_explorer.py
INLINE = sorted({line.replace("\n", " ") for line in re.findall(r"`(thalweg [^`]+)`", COMMANDS)})
INLINE = [line for line in INLINE if not line.startswith(SERVES)]


@pytest.mark.parametrize(
    "line",
    [pytest.param(line, marks=[] if re.search("thalweg list|--help", line) else pytest.mark.slow) for line in INLINE],
)
def test_commands_in_the_text_of_the_pages_run(line, folder, call, nist):
    copyfile(nist("Eckerle4"), folder / "Eckerle4.dat")
    (folder / "model.py").write_text("import thalweg as tw\n\nproblem = tw.problems.quadratic([1.0, 2.0])\n")
    command(call, "thalweg run pbdl newton --steps 3 --out trace.nc")
    printed = command(call, line)
    assert len(printed.splitlines()) > 2 or (folder / "report.html").stat().st_size > 1e6


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"


def test_files_that_pages_name_are_there():
    for page in PAGES:
        for name in re.findall(r"`(?:src/thalweg/)?(\w+/[\w/]*\w\.py)`", page.read_text()):
            assert (ROOT / "src" / "thalweg" / name).exists() or (ROOT / name).exists(), f"{page.name}: {name}"


WORDS = (
    "space stage chain problem start method variant case observer lane item tile carry supply chunk block settled "
    "stride trace fits outcome ending task plan program hardware"
)


def test_the_glossary_explains_each_word_once():
    text = (ROOT / "docs" / "glossary.md").read_text()
    entries = re.findall(r"^\*\*([^*]+)\.\*\* (.*?)\n\n", text + "\n\n", re.MULTILINE | re.DOTALL)
    names = [name.lower() for entry, _ in entries for name in entry.split(", ")]
    assert set(WORDS.split()) <= set(names) and len(set(names)) == len(names)
    for name, said in entries:
        assert 1 <= len(re.findall(r"[.)](?:\s|$)", said)) <= 5, name


def test_a_page_that_shows_something_else_is_found(follow):
    page = "```python\nprint(1 + 1, 'and', 0.1)\n```\n\n```text\n2 and …\n```\n"
    assert len(list(blocks(page))) == 2 and follow("page", blocks(page)) is not None
    with pytest.raises(AssertionError, match=r"line 2, prints\s+2 and 0\.1"):
        follow("page", blocks(page.replace("2 and …", "3 and …")))
    assert not alike("a\nb", "a") and alike("a  \nb", "\na\nb \n") and not alike("a.c", "abc")
