"""What ``thalweg explore`` does."""

from collections.abc import Sequence

from thalweg.command import words
from thalweg.words import library


def explore(problem: str, methods: Sequence[str], port: int, browser: bool) -> None:
    """Serve the page of a problem until Ctrl-C."""
    if not 0 <= port < 2**16:
        raise ValueError(f"--port is {port}, but ports are whole numbers from 0 to 65535; give one, or none.")
    try:
        from thalweg.web.scene import Scene, address
        from thalweg.web.server import serve
        from thalweg.web.shelf import Shelf
    except ModuleNotFoundError as error:
        raise ValueError(
            f"thalweg explore needs {error.name}, which is not installed; pip install 'thalweg[web]'."
        ) from error
    chosen = words.problem(problem, None)
    known = problem.partition(":")[0] in library.PROBLEMS or not problem.partition(":")[0].endswith((".py", ".dat"))
    own = {} if known else {problem: chosen}
    Shelf(own).problem(problem)
    scene = Scene.read({"problem": problem, "methods": list(methods) or library.suiting(chosen)})
    scene.chosen()
    serve(own, address(scene), port, browser)
