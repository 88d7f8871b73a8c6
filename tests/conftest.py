"""What several test files need."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import nist_layout
import pytest

from thalweg.command import cli

THALWEG = Path(sys.executable).with_name("thalweg")
# What the command line sets for JAX, if a person has not.
SETTINGS = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "TF_CPP_MIN_LOG_LEVEL")

signal.signal(
    signal.SIGINT, signal.default_int_handler
)  # what runs in the background ignores it, and so do its children
COMPILED: list[str] = []
LOOPS = "jit_march*-cache", "jit_recycle*-cache"
jax.monitoring.register_event_duration_secs_listener(
    lambda event, duration, **_: (
        COMPILED.append(event) if event == "/jax/core/compile/backend_compile_duration" else None
    )
)

# Without LLVM's expensive passes programs compile in 60 % of the time. All have tests of what it makes of lanes,
# bits and rounding, and slow tests, but for those of many small programs.
OF_MANY_PROGRAMS = {
    "test_adapters", "test_bounds", "test_collections", "test_derivatives", "test_docstrings", "test_host_functions",
    "test_kinks", "test_minimize", "test_misuse", "test_newton", "test_nist", "test_optax", "test_parameters",
    "test_precisions", "test_robust_losses", "test_roots", "test_scaling", "test_tolerances",
}  # fmt: skip
OF_THE_COMPILER = {
    "test_arithmetic", "test_cli", "test_floor", "test_hardware", "test_lecture_c", "test_linalg", "test_limits",
    "test_precision", "test_precisions", "test_recycled_lanes", "test_run", "test_solve", "test_traces",
    "test_triangles", "test_trigonometry",
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def compiler(request):
    quick, module = "not slow" in request.config.option.markexpr, request.module.__name__.rpartition(".")[2]
    plain = module not in OF_THE_COMPILER if quick else module in OF_MANY_PROGRAMS
    jax.config.update("jax_disable_most_optimizations", plain)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def nist(tmp_path_factory) -> Callable[[str], Path]:
    """The file of a regression of NIST by its name, in the layout of NIST."""
    files = {file.stem: file for file in nist_layout.write(tmp_path_factory.mktemp("nist"))}
    return lambda name: files[name]


@pytest.fixture(scope="session")
def cases() -> dict[str, Any]:
    """The cases of the lectures by their ids, each with what is ``expected`` and its ``tolerance``."""
    return tomllib.loads((nist_layout.DATA / "lectures.toml").read_text())


@pytest.fixture(scope="session")
def lectures(cases) -> dict[str, Any]:
    """What is expected of each case."""
    return {name: case["expected"] for name, case in cases.items()}


@pytest.fixture
def page(tmp_path):
    """A script of ``examples/`` as a stranger would run it: the lines it prints, and the folder of its figures, which
    the last line names. It writes these and nothing else."""

    def run(name, seconds=1100):
        script = Path(__file__).resolve().parents[1] / "examples" / f"{name}.py"
        this = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).resolve().parents[1])}  # thalweg that is tested
        done = subprocess.run(
            [sys.executable, script, "figures"], cwd=tmp_path, env=this, capture_output=True, text=True, timeout=seconds
        )
        assert done.returncode == 0, done.stderr
        lines, folder = done.stdout.splitlines(), tmp_path / "figures"
        heading, _, names = lines[-1].partition(" ")
        assert heading == "figures:"
        written = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
        assert written and written == sorted(names.split())
        assert all((folder / file).stat().st_size > 1000 for file in written)
        assert [file.name for file in tmp_path.iterdir()] == [folder.name]
        return lines, folder

    return run


@pytest.fixture(scope="session")
def notebook(tmp_path_factory) -> Any:
    """A shell of IPython, as behind a notebook, that leaves nothing behind."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Notebook(InteractiveShell):
        def enable_gui(self, gui: Any = None) -> None:
            """As a notebook, which has no windows."""

    os.environ["IPYTHONDIR"] = str(tmp_path_factory.mktemp("ipython"))
    return Notebook.instance(config=Config({"HistoryManager": {"enabled": False}}))


@pytest.fixture(scope="session")
def address():
    """Where ``thalweg explore`` serves its page."""
    import uvicorn

    from thalweg.web.server import application

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # so that a page that comes before the server waits for it
        port = listener.getsockname()[1]
        config = uvicorn.Config(application(port), log_level="error", ws="websockets-sansio", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{port}/"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def chromium():
    """Debian's browser, which make browser installs."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        yield browser
        browser.close()


@pytest.fixture
def opened(address, chromium):
    """A page at a part of an address, once it is drawn. No page may tell of an error, or ask another machine."""
    wrong, contexts = [], []

    def open_page(part="", width=1280, **more):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **{"reduced_motion": "reduce", **more})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda asked: wrong.append(asked.url) if not asked.url.startswith((address, "blob:", "data:")) else None,
        )
        page.goto(address + part)
        page.wait_for_selector("[data-ready]", timeout=120_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def compiled() -> list[str]:
    """An entry for each program that XLA has compiled so far in this process."""
    return COMPILED


@pytest.fixture
def on(monkeypatch):
    """A verb called as if on a machine of another kind."""

    def call(machine, verb, *arguments, **settings):
        for module in ("run", "solve"):
            monkeypatch.setattr(f"thalweg.verbs.{module}.present", lambda: machine)
        return verb(*arguments, **settings)

    return call


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty folder to work in, from which nothing of a command line stays behind."""
    monkeypatch.chdir(tmp_path)
    for name in SETTINGS:
        monkeypatch.setenv(name, "0")  # so that what the command line sets is taken back
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def call(folder, monkeypatch, capsys):
    """A command line in this process, in the ``folder`` of its test file: (status, stdout, stderr)."""

    def run(line):
        monkeypatch.setattr(sys, "argv", ["thalweg", *shlex.split(line)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


def environment(**settings):
    """That of a stranger, who has set nothing of JAX, and ``settings``."""
    bare = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return {**bare, **{name: str(value) for name, value in settings.items()}}


@pytest.fixture
def shell():
    """A command line as a stranger would type it: the finished process."""

    def run(*words, **settings):
        return subprocess.run(
            [THALWEG, *words], capture_output=True, text=True, env=environment(**settings), timeout=120
        )

    return run


@pytest.fixture
def cut_short(tmp_path):
    """(status, stdout, stderr) of a command that Ctrl-C ends two seconds after its programs are compiled."""

    def run(line, programs=1):
        cache = tmp_path / "cache"
        with subprocess.Popen(
            [THALWEG, *map(str, line)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(JAX_COMPILATION_CACHE_DIR=cache),
        ) as running:
            limit = time.monotonic() + 60
            # The loops of run and of solve, of which each method compiles one.
            while time.monotonic() < limit and sum(len(list(cache.glob(loop))) for loop in LOOPS) < programs:
                time.sleep(0.1)
            time.sleep(2)
            running.send_signal(signal.SIGINT)
            try:
                out, err = running.communicate(timeout=60)
            finally:
                running.kill()  # or else leaving the block waits for it
        return running.returncode, out, err

    return run
