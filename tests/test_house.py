"""The rules of the house that a machine can hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import thalweg as tw

SOURCE = Path(tw.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# Every room may import what stands before its own line, and no other room of its line.
ORDER = (
    ("numerics",),
    ("formula", "starts", "tolerances"),
    ("chain",),
    ("roots",),
    ("methods", "problems"),
    ("geometry", "training"),
    ("words",),
    ("engine",),
    ("verbs",),
    ("analysis",),
    ("plot",),
    ("fitting",),
    ("web",),
    ("command",),
)
FLOOR = {room: floor for floor, rooms in enumerate(ORDER) for room in rooms}
HEAVY = {
    "matplotlib": {"plot"},
    "xarray": {"verbs", "analysis", "plot", "fitting", "web"},
    "pandas": {"analysis", "fitting", "problems"},
    "plotly": {"web"},
    "starlette": {"web"},
    "uvicorn": {"web"},
    "anywidget": {"web"},
}  # libraries, and the rooms that may import them


def part(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(file: Path) -> set[str]:
    """What a file imports, wherever in it: modules by their dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            folder = SOURCE.parent / node.module.replace(".", "/")
            within = {alias.name for alias in node.names if (folder / f"{alias.name}.py").exists()}
            within |= {alias.name for alias in node.names if (folder / alias.name).is_dir()}
            names |= {f"{node.module}.{name}" for name in within}
            names |= {node.module} if len(within) < len(node.names) else set()
    return names


def modules() -> dict[str, set[str]]:
    """Every module of the house by its dotted name, and the modules of the house that it imports."""
    known = {".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES}
    known.pop("__init__")
    arrows = {}
    for name, file in known.items():
        inner = {said.removeprefix("thalweg.") for said in imported(file) if said.split(".")[0] == "thalweg"}
        arrows[name] = {said for said in inner if said in known} - {name}
        assert inner <= known.keys(), (name, inner - known.keys())
    return arrows


def test_the_top_level_is_what_a_person_types():
    private = {"numerics", "chain", "engine", "verbs", "fitting", "words", "web", "command"}
    rooms = {part(file) for file in FILES} - {"__init__"}
    assert rooms == set(FLOOR)
    assert rooms - private <= set(tw.__all__)


def test_imports_run_one_way():
    upward = [
        f"{name} -> {other}"
        for name, others in modules().items()
        for other in others
        if name.split(".")[0] != other.split(".")[0] and FLOOR[other.split(".")[0]] >= FLOOR[name.split(".")[0]]
    ]
    assert upward == []


def test_no_way_leads_back():
    arrows, done = modules(), set()

    def walk(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for other in arrows[name]:
                walk(other, (*path, name))
            done.add(name)

    for name in arrows:
        walk(name, ())


def test_one_place_knows_the_machine():
    """No other module asks for the platform, or for the number of cores."""
    asks = {"default_backend", "platform", "cpu_count", "sched_getaffinity", "device_kind"}
    found = {
        (str(file.relative_to(SOURCE)), node.attr)
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in asks
    }
    assert {file for file, _ in found} == {"engine/hardware.py", "numerics/precision.py"}, found
    assert {name for file, name in found if file == "numerics/precision.py"} == {"device_kind", "platform"}


def test_what_methods_offer_is_a_protocol():
    """Nothing is looked for by its name on an object whose class could say it."""
    for file in FILES:
        if part(file) in ("methods", "chain", "engine", "geometry"):
            calls = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call)]
            assert not [n for n in calls if ast.unparse(n.func) in ("hasattr", "getattr")], file


@pytest.mark.slow
def test_heavy_libraries_stay_in_their_rooms():
    for file in FILES:
        for library, allowed in HEAVY.items():
            if any(name.split(".")[0] == library for name in imported(file)):
                assert part(file) in allowed, (file, library)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_files_are_small_and_final(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 350
    assert file.stem not in ("utils", "helpers", "common", "base", "core")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if ast.get_docstring(node) else 0
            assert node.end_lineno - node.lineno + 1 - docstring <= 60, node.name
        if isinstance(node, ast.ClassDef):
            known = (
                "Protocol",
                "NamedTuple",
                "IntEnum",
                "pd.DataFrame",
                "Figure",
            )  # the last two to say how one is shown
            assert all(ast.unparse(base) in known for base in node.bases), node.name
            final = any(ast.unparse(decorator) in ("final", "method") for decorator in node.decorator_list)
            final = final or [ast.unparse(base) for base in node.bases] == ["IntEnum"]  # Python lets nobody extend it
            assert final or [ast.unparse(base) for base in node.bases] == ["Protocol"], node.name


def test_nothing_reads_a_folder_beside_the_repository():
    """Neither by climbing above the root nor by the name of the one that used to lie there."""
    root = Path(__file__).resolve().parents[1]
    rooms = (root / room for room in ("src", "tests", "examples", "docs", "benchmarks", ".ci"))
    files = [file for place in (root.glob("*"), *(room.rglob("*") for room in rooms)) for file in place]
    files = [file for file in files if file.suffix in (".py", ".md", ".toml") or file.name in ("Makefile", "run")]
    outside = []
    for file in files:
        text, depth = file.read_text(), len(file.relative_to(root).parts)
        climbs = any(int(steps) >= depth for steps in re.findall(r"\.parents\[(\d+)\]", text))
        if climbs or re.search(r"\.\./shared|\bshared/|(?<!`)[\"'`]shared[\"'`](?!`)", text):
            outside.append(str(file.relative_to(root)))
    assert len(files) > 200 and outside == []


def said(code: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_alone_loads_nothing_heavy():
    heavy = {"jax", "numpy", "xarray", "matplotlib", "pandas"}
    assert said(f"import sys, thalweg; print(sorted({heavy} & set(sys.modules)))") == "[]"


def test_functions_are_not_hidden_by_their_modules():
    code = (
        "import thalweg.verbs.run, thalweg.methods.sweeps, thalweg as tw; print(callable(tw.run), callable(tw.sweep))"
    )
    assert said(code) == "True True"


def test_floats_are_not_switched_by_import():
    code = "import thalweg as tw, jax; tw.problems, tw.run, tw.plot, tw.analysis; print(jax.config.jax_enable_x64)"
    assert said(code) == "False"
