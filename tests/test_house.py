"""The rules of the house that a machine can hold."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import thalweg as tw

SOURCE = Path(tw.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# Each part of the house may import the parts before it, and those named with it.
LAYERS = {
    "derivatives": set(),
    "reading": set(),
    "space": {"problem", "reading"},  # the problem for the type of a stage alone
    "formula": set(),
    "sweeps": {"reading"},
    "memory": set(),
    "starts": {"reading"},
    "stages": {"derivatives", "reading"},
    "losses": {"reading"},
    "problem": {"derivatives", "linalg", "losses", "reading", "space", "stages", "check"},
    "check": {"problem"},
    "inverse": {"derivatives", "linalg", "methods", "problem", "reading"},
    "linalg": {"xla"},
    "lanczos": {"reading"},
    "geometry": {"lanczos", "linalg", "methods", "problem", "reading"},
    "roots": {"arguments", "reading", "space"},
    "methods": {"problem", "methods", "lanczos", "linalg", "reading"},
    "training": {"batches", "losses", "methods", "problem", "reading", "space", "stages"},
    "problems": {"problem", "formula", "linalg", "losses", "problems", "reading", "stages"},
    "xla": {"derivatives"},
    "evaluations": {"problem"},
    "tolerances": {"reading"},
    "lanes": {"problem", "methods", "xla"},
    "sharing": {"lanes", "problem"},
    "batches": {"problem"},
    "workspace": {"memory", "methods", "problem"},
    "recording": {"batches", "reading", "lanes", "methods", "problem", "sharing", "xla"},
    "recycling": {"evaluations", "lanes", "methods", "problem", "tolerances", "workspace", "xla"},
    "supply": {"evaluations", "lanes", "methods", "recycling", "sweeps"},
    "shards": {"lanes"},
    "trace": {"batches", "problem", "sweeps"},
    "arguments": {"methods", "problem", "reading", "recording", "sweeps"},
    "runs": {
        *("arguments", "batches", "lanes", "memory", "methods", "problem", "reading"),
        *("recording", "shards", "space", "sweeps", "trace", "workspace"),
    },
    "solves": {
        *("arguments", "evaluations", "lanes", "methods", "problem", "reading"),
        *("recycling", "shards", "supply", "tolerances", "trace"),
    },
    "minimization": {"methods", "problem", "reading", "solves", "sweeps"},
    "analysis": {"analysis", "arguments", "geometry", "problem", "reading", "roots", "runs", "sweeps", "trace"},
    "plot": {"problem", "problems", "reading", "space", "analysis", "plot"},
    "words": {"formula", "methods", "problem", "problems", "reading", "sweeps"},
    "assignments": {"formula", "problem", "reading", "words"},
    "reports": {"analysis", "assignments", "problem", "problems"},
    "commands": {*("analysis", "assignments", "plot", "problem", "reports", "runs", "solves", "starts", "words")},
    "cli": {"commands"},
}
HEAVY = {"matplotlib": {"plot"}, "xarray": {"trace", "runs", "solves", "analysis", "plot"}, "pandas": {"analysis"}}


def part(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {
                f"{node.module}.{alias.name}" if node.module == "thalweg" else node.module for alias in node.names
            }
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_run_one_way(file):
    if part(file) == "__init__":
        return
    inner = {name.split(".")[1] for name in imported(file) if name.startswith("thalweg.")}
    assert inner <= LAYERS[part(file)]
    for library, allowed in HEAVY.items():
        if any(name.split(".")[0] == library for name in imported(file)):
            assert part(file) in allowed


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_are_small_and_final(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    assert file.stem not in ("utils", "helpers", "common", "base", "core")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert all(ast.unparse(base) in ("Protocol", "NamedTuple") for base in node.bases), node.name
            final = any(ast.unparse(decorator) == "final" for decorator in node.decorator_list)
            assert final or [ast.unparse(base) for base in node.bases] == ["Protocol"], node.name


def test_public_names_are_documented():
    for name in tw.__all__:
        assert getattr(tw, name).__doc__, name
    for module in (tw.analysis, tw.methods, tw.plot, tw.problems):
        for name in module.__all__:
            value = getattr(module, name)
            assert not callable(value) or value.__doc__, f"{module.__name__}.{name}"


def said(code: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_alone_loads_nothing_heavy():
    heavy = {"jax", "numpy", "xarray", "matplotlib", "pandas"}
    assert said(f"import sys, thalweg; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_functions_are_not_hidden_by_their_modules():
    code = "import thalweg.runs, thalweg.sweeps, thalweg as tw; print(callable(tw.run), callable(tw.sweep))"
    assert said(code) == "True True"


def test_floats_are_not_switched_by_import():
    code = "import thalweg as tw, jax; tw.problems, tw.run, tw.plot, tw.analysis; print(jax.config.jax_enable_x64)"
    assert said(code) == "False"
