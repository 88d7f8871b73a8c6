"""What is found by its name: the words of the command line, and what tab completion shows."""

import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest
from IPython.core.completer import provisionalcompleter

import thalweg as tw

ROOMS = ("methods", "training", "starts", "geometry", "roots", "tolerances", "analysis", "plot", "problems", "formula")
MODULES = {"collections", "physics", "statistical_reference"}  # that are public


@pytest.fixture(scope="module", autouse=True)
def everything():
    """All modules, each of which takes the place of whatever bore its name when it is imported for the first time."""
    for found in pkgutil.walk_packages(tw.__path__, "thalweg."):
        importlib.import_module(found.name)


@pytest.mark.parametrize("name", tw.methods.COMMAND)
def test_a_method_is_called_as_on_the_command_line(name):
    assert getattr(tw.methods, name) is tw.methods.COMMAND[name]
    assert callable(getattr(tw.methods, name))


@pytest.mark.parametrize("name", tw.problems.COMMAND)
def test_a_problem_is_called_as_on_the_command_line(name):
    assert getattr(tw.problems, name) is tw.problems.COMMAND[name]


def test_a_method_by_either_name_is_the_same():
    assert tw.methods.newton(0.1) == tw.methods.Newton(learning_rate=0.1)
    assert tw.methods.trust_region is tw.methods.TrustRegion
    with pytest.raises(AttributeError):
        tw.methods.newtn  # noqa: B018


PUBLIC = {
    "tw": {*tw.__all__, "__version__"},
    **{f"tw.{name}": set(getattr(tw, name).__all__) for name in ROOMS},
    "tw.methods": {*tw.methods.__all__, *tw.methods.COMMAND},
}
PHYSICS = {f"tw.problems.physics.{name}": {"problem", "examples"} for name in tw.problems.physics.__all__}


@pytest.mark.parametrize("name", [*PUBLIC, *PHYSICS])
def test_tab_completion_shows_what_is_public(name):
    room = eval(name)
    shown = set(dir(room))
    assert shown == PUBLIC[name] if name in PUBLIC else shown >= PHYSICS[name]
    for word in shown - {"__version__"}:
        value = getattr(room, word)
        assert not word.startswith("_")
        assert not isinstance(value, ModuleType) or word in MODULES | set(tw.__all__), word
        if inspect.isfunction(value) or inspect.isclass(value):
            assert value.__module__.startswith("thalweg"), word  # and nothing that was imported to be used


@pytest.mark.parametrize("jedi", [True, False])
def test_ipython_completes_what_is_public(jedi, notebook):
    notebook.push({"tw": tw})
    notebook.Completer.use_jedi = jedi
    for name, public in PUBLIC.items():
        with provisionalcompleter():
            found = {word.text.strip(".") for word in notebook.Completer.completions(f"{name}.", len(name) + 1)}
        assert found == public - {"__version__"}, name
