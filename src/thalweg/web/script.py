"""The Python code that makes what a page shows: one function for each tab, of public names alone."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg import methods
from thalweg.methods.method import Method
from thalweg.numerics.reading import nearest
from thalweg.web.comparison import random
from thalweg.web.lessons import EXAMPLES as LEARNT
from thalweg.web.lessons import LEARNERS, PHYSICS, Lesson, learner, rule_of
from thalweg.web.many_starts import begin, one_of, several
from thalweg.web.regressions import settings
from thalweg.web.scene import Scene
from thalweg.web.shelf import Shelf
from thalweg.web.step_sizes import COPIES, KEPT, STEPS, sweep_of
from thalweg.words.library import METHODS, PROBLEMS, arguments
from thalweg.words.parameters import parameters

CALL = re.compile(r"\b([A-Za-z_]\w*)(?=\()")
NETWORK = """\
sizes, draw, layers = {sizes}, np.random.default_rng({key}), []
for m, n in zip(sizes, sizes[1:]):
    reach = np.sqrt(6 / (m + n))
    layers.append({{"w": draw.uniform(-reach, reach, (m, n)).astype(np.float32), "b": np.zeros(n, np.float32)}})


def network(layers, example):
    h = jnp.ravel(example["target"])
    for layer in layers[:-1]:
        h = jnp.tanh(h @ layer["w"] + layer["b"])
    return (h @ layers[-1]["w"] + layers[-1]["b"]).reshape({shape})


"""
Code = Callable[[Scene, Mapping[str, Any], Shelf], str]


def script(scene: Scene, more: Mapping[str, Any], shelf: Shelf) -> str:
    """The code of the ``tab`` that is shown, with what it was asked."""
    tab = more.get("tab", "paths")
    if not isinstance(tab, str) or tab not in TABS:
        raise ValueError(nearest(str(tab)[:40], TABS, "a tab"))
    text = TABS[tab](scene, more, shelf)
    return ("import numpy as np\n\n" if "np." in text and "import numpy" not in text else "") + text


def _paths(scene: Scene, more: Mapping[str, Any], shelf: Shelf) -> str:
    start = "" if scene.start is None else f"[{list(scene.start)!r}], "
    return (
        f"{_posed(scene, shelf)}{_methods(scene)}"
        f"trace = tw.run(problem, methods, {start}steps={scene.steps}, {_settings(scene)})\n"
        "print(tw.analysis.table(trace, problem))\n"
        f"tw.plot.{'paths(trace, problem)' if shelf.problem(scene.problem).dimension < 3 else 'curves(trace)'}\n"
    )


def _starts(scene: Scene, more: Mapping[str, Any], shelf: Shelf) -> str:
    problem = shelf.problem(scene.problem)
    name, method = one_of(scene, more)
    words, _ = begin(problem, scene, more)
    shown = "basins(labels)" if problem.dimension == 2 else "waterfall(fits)"
    return (
        f"{_posed(scene, shelf)}method, starts = {_call(method)}, tw.starts.{words}\n"
        f"fits = tw.solve(problem, {{{name!r}: method}}, starts, max_steps={more['max_steps']}, {_settings(scene)})\n"
        f"labels = tw.analysis.basins(fits, problem=problem)\nprint(labels)\ntw.plot.{shown}\n"
    )


def _sizes(scene: Scene, more: Mapping[str, Any], shelf: Shelf) -> str:
    asked = sweep_of(shelf, scene, more)
    axis, steps, keep = asked.axis, more.get("steps") or STEPS, more.get("keep") or KEPT
    low, high, many = float(axis.values[0]), float(axis.values[-1]), len(axis.values)
    values = f"np.{'geomspace' if axis.log else 'linspace'}({low!r}, {high!r}, {many})"
    start, last = asked.start.tolist(), asked.problem.dimension - 1
    component = f", {min(int(more.get('component') or 0), last)}" if last else ""
    given = f"problem, {{{asked.label!r}: method}}, {start!r}, steps={steps}"
    return (
        f"{_posed(scene, shelf)}method = tw.sweep({_call(asked.method)}, {axis.name}={values})\n"
        f"diagram = tw.analysis.bifurcation({given}, keep={keep}, dtype={scene.dtype!r})\n"
        f"exponents = tw.analysis.lyapunov({given}, copies={COPIES}, dtype={scene.dtype!r})\n"
        f"tw.plot.bifurcation(diagram, exponents{component})\n"
    )


def _compare(scene: Scene, more: Mapping[str, Any], shelf: Shelf) -> str:
    words, _ = random(shelf.problem(scene.problem), scene, more, several(scene))
    return (
        f"{_posed(scene, shelf)}{_methods(scene)}starts = tw.starts.{words}\n"
        f"fits = tw.solve(problem, methods, starts, max_steps={more['max_steps']}, {_settings(scene)})\n"
        'print(fits[["loss", "steps"]].median("start").to_dataframe())\ntw.plot.waterfall(fits)\n'
    )


def _fit(scene: Scene, more: Mapping[str, Any], shelf: Shelf) -> str:
    model, y, start, bounds, others = settings(more)
    given = {"y": y, "start": start, "bounds": bounds, **others, "key": scene.key}
    words = ", ".join(f"{name}={value!r}" for name, value in given.items() if value)
    return (
        f"import thalweg as tw\n\nfound = tw.fit({more.get('name') or 'table.csv'!r}, {model!r}, {words})\n"
        "print(found)\nfound.plot()\n"
    )


def _train(scene: Scene, more: Mapping[str, Any], shelf: Shelf) -> str:
    lesson, rule = Lesson.read(scene, more), rule_of(more)
    sizes, shape = lesson.shapes(*lesson.parts())
    chosen = PHYSICS[lesson.physics]

    def call(what: str, *given: Any, **named: Any) -> str:
        words = [*map(repr, given), *(f"{name}={value!r}" for name, value in named.items())]
        return f"tw.problems.physics.{lesson.physics}.{what}({', '.join(words)})"

    words = [word for word in scene.methods if word.partition(":")[0] in LEARNERS]
    known = "".join(f"    {word.partition(':')[0]!r}: {_call(learner(word, rule))},\n" for word in words)
    return (
        "import jax.numpy as jnp\nimport numpy as np\n\nimport thalweg as tw\n\n"
        f"physics, examples = {call('problem', **chosen.problem)}, {call('examples', LEARNT, **chosen.examples)}\n"
        f"{NETWORK.format(sizes=sizes, key=scene.key, shape=shape)}"
        f"problem = tw.training.problem(physics, network, layers, examples, {lesson.batch})\n"
        f"methods = {{\n{known}}}\n"
        f"trace = tw.run(problem, methods, steps={scene.steps}, {_settings(scene)})\n"
        "tw.plot.curves(trace)\n"
    )


TABS: dict[str, Code] = {
    "paths": _paths, "many starts": _starts, "step size": _sizes, "compare": _compare, "fit": _fit, "train": _train,
}  # fmt: skip


def _posed(scene: Scene, shelf: Shelf) -> str:
    return f"import thalweg as tw\n\nproblem = {_problem(scene.problem, shelf)}\n"


def _settings(scene: Scene) -> str:
    return (f"key={scene.key}, " if scene.key else "") + f"dtype={scene.dtype!r}"


def _problem(word: str, shelf: Shelf) -> str:
    name, _, rest = word.partition(":")
    if word in shelf.own:
        return f"...  # your own {word}"
    if name in PROBLEMS:
        given = arguments(rest, parameters(PROBLEMS[name]), name)
        return f"tw.problems.{name}({', '.join(f'{key}={_value(value)}' for key, value in given.items())})"
    many = shelf.problem(word).dimension
    return f"tw.Problem(loss=tw.formula.compile({word!r}), start={[1.0] * many!r}, domain=(-5.0, 5.0), name={word!r})"


def _methods(scene: Scene) -> str:
    named = zip(scene.chosen(), scene.methods, strict=True)
    return "methods = {\n" + "".join(f"    {label!r}: {_method(word)},\n" for label, word in named) + "}\n"


def _method(word: str) -> str:
    """The call that makes a method, as it shows itself, in a ``sweep`` where there are lists."""
    name, _, rest = word.partition(":")
    given = arguments(rest, parameters(METHODS[name]), name)
    lists = {key: value for key, value in given.items() if isinstance(value, np.ndarray)}
    first = METHODS[name](**{key: value[0] if key in lists else value for key, value in given.items()})
    swept = "".join(f", {key}={_value(value)}" for key, value in lists.items())
    return f"tw.sweep({_call(first)}{swept})" if lists else _call(first)


def _call(method: Method) -> str:
    """The call of one method, as it shows itself; in a ``sweep`` where it has several numbers."""
    public = {*methods.__all__}
    return CALL.sub(lambda match: f"tw.methods.{match[0]}" if match[0] in public else match[0], repr(method))


def _value(value: Any) -> str:
    return repr(value.tolist() if isinstance(value, np.ndarray) else value)
