"""Networks that learn in front of physics: their losses as they come, and one step of theirs in every space."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg import analysis, training
from thalweg.chain.batches import shown
from thalweg.chain.problem import Problem
from thalweg.methods import FirstOrder, InverseSimulator
from thalweg.methods.method import Method
from thalweg.methods.sweeps import variants
from thalweg.numerics.constants import evaluated
from thalweg.numerics.reading import nearest
from thalweg.problems import physics
from thalweg.verbs.run import run
from thalweg.web.comparison import joined
from thalweg.web.scene import Scene, whole, word
from thalweg.words.library import method as method_of

EXAMPLES = 256  # that a network learns from
WIDEST, MOST_BATCH = 64, 128
OUTPUTS = 1024  # components of y of one batch: methods that invert Jacobians are cubic in them
NUMBERS = 20_000_000  # that one method may record
BYTES = 200 << 20  # of all traces that are kept, beside the last one
ARROWS = 16  # examples in a view of a step
SECONDS = 5.0  # to measure a step of one method
LEARNERS = (
    "adagrad", "adam", "adamw", "gradient_descent", "inverse_simulator", "jacobian_power", "krylov_power", "momentum",
    "nesterov", "rmsprop",
)  # fmt: skip

View = dict[str, Any]
Tell = Callable[[int, int], bool]


@final
class Physics(NamedTuple):
    """What a network may stand before: the problem of one example, and examples."""

    says: str
    problem: dict[str, Any]  # what ``problem`` of its module is given
    examples: dict[str, Any]  # and ``examples``, beside their number


PHYSICS = {
    "sine": Physics(
        "y = (sin(10 u0 / 4), 40 u1): two controls, two results, scaled 16 : 1",
        {"xi": 4.0},
        {},
    ),
    "oscillators": Physics(
        "24 pushes steer two coupled masses to a state",
        {},
        {},
    ),
    "exponential": Physics(
        "y = exp(u): gradients that differ by e^24",
        {},
        {},
    ),
    "poisson": Physics(
        "laplace(y) = u on 8 x 8 cells: high frequencies hardly show",
        {"size": 8},
        {"size": 8},
    ),
}


@final
class Lesson(NamedTuple):
    """What is learnt by which network; hashable, so that it can be kept by."""

    physics: str
    width: int
    batch: int
    key: int

    @classmethod
    def read(cls, scene: Scene, more: Mapping[str, Any]) -> "Lesson":
        name = more.get("physics")
        if not isinstance(name, str) or name not in PHYSICS:
            raise ValueError(nearest(str(name)[:40], PHYSICS, "a physics to learn"))
        return cls(
            name,
            whole(more.get("width", 16), "width", 1, WIDEST),
            whole(more.get("batch", 32), "batch", 1, MOST_BATCH),
            scene.key,
        )

    def parts(self) -> tuple[Problem, dict[str, np.ndarray]]:
        """The physics of one example, and the examples."""
        module, chosen = getattr(physics, self.physics), PHYSICS[self.physics]
        return module.problem(**chosen.problem), module.examples(EXAMPLES, **chosen.examples)

    def shapes(self, one: Problem, examples: Mapping[str, np.ndarray]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The sizes of the layers, and the shape of what the network says."""
        return (np.size(examples["target"][0]), self.width, self.width, one.dimension), one.chain.spaces[0].shapes[0]

    def problem(self) -> Problem:
        """A network of two hidden layers of tanh in front of the physics."""
        one, examples = self.parts()
        outputs = self.batch * one.chain.spaces[-1].size
        if outputs > OUTPUTS:
            raise ValueError(
                f"batch is {self.batch}, which makes {outputs} results of {self.physics}, but a page takes {OUTPUTS}; "
                f"give at most {OUTPUTS * self.batch // outputs}."
            )
        sizes, shape = self.shapes(one, examples)

        def network(layers: Any, example: Any) -> Array:
            h = jnp.ravel(example["target"])
            for layer in layers[:-1]:
                h = jnp.tanh(h @ layer["w"] + layer["b"])
            return (h @ layers[-1]["w"] + layers[-1]["b"]).reshape(shape)

        return training.problem(
            one, network, _layers(sizes, self.key), examples, self.batch, f"learning {self.physics}"
        )


def _layers(sizes: tuple[int, ...], key: int) -> list[dict[str, np.ndarray]]:
    """Glorot's uniform weights, and biases of zero."""
    draw, layers = np.random.default_rng(key), []
    for m, n in pairwise(sizes):
        reach = np.sqrt(6 / (m + n))
        layers.append({"w": draw.uniform(-reach, reach, (m, n)).astype(np.float32), "b": np.zeros(n, np.float32)})
    return layers


@final
class Lessons:
    """Answers about what networks learn; the last problem and the longest traces of its methods are kept."""

    def __init__(self) -> None:
        self._problem: tuple[Lesson, Problem] | None = None
        self._traces: dict[tuple[Any, ...], xr.Dataset] = {}

    def lesson(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """What can be learnt, and which methods of the page can train."""
        problem = self._of(Lesson.read(scene, more))
        rule = rule_of(more)
        learners, left = [], []
        for one in scene.methods:
            if one.partition(":")[0] in LEARNERS:
                learners.append({"word": one, "variants": variants(learner(one, rule))})
            else:
                left.append(f"{one.partition(':')[0]} is left out: it asks for more of a loss than batches tell.")
        return {
            "physics": [[name, one.says] for name, one in PHYSICS.items()],
            "dimension": problem.dimension,
            "examples": EXAMPLES,
            "spaces": [[place.name, place.of_one().size] for place in problem.chain.spaces[1:]],
            "learners": learners,
            "left": left,
        }

    def train(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """The losses of one method of the page over so many steps."""
        trace = self._trace(scene, more, whole(more.get("steps"), "steps", 1, scene.steps), tell)
        return {
            "variants": [str(name) for name in trace["variant"].values],
            "loss": trace["loss"].values[:, 0].astype(float),
            "seconds": float(trace.attrs["run_seconds"]),
            "interrupted": "interrupted" in trace.attrs,
        }

    def pace(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """The seconds that a step of one method takes by itself."""
        problem, made = self._of(Lesson.read(scene, more)), _chosen(scene, more)
        settings: dict[str, Any] = {"repeats": 2, "max_seconds": SECONDS, "progress": False}
        return {"seconds": analysis.step_seconds(problem, made, dtype=scene.dtype, **settings).values.astype(float)}

    def moves(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> View:
        """One step of every method that can train: its weights, and the examples of a batch in each space."""
        lesson, rule = Lesson.read(scene, more), rule_of(more)
        problem, step = self._of(lesson), whole(more.get("step", 0), "step", 0, scene.steps - 1)
        words = [one for one in scene.methods if one.partition(":")[0] in LEARNERS]
        traces = [self._trace(scene, {**more, "method": one}, step + 1, tell) for one in words]
        if not traces or any(trace.sizes["step"] < step + 2 for trace in traces):
            raise KeyboardInterrupt
        rows = [trace.isel(start=0, step=[step, step + 1]) for trace in traces]
        moves = np.concatenate([np.diff(row["x"].values.astype(float), axis=1)[:, 0] for row in rows])
        plane, shares = _plane(moves)
        losses = np.concatenate([row["loss"].values for row in rows]).astype(float)
        with jax.enable_x64(scene.dtype == "float64"):
            aims = [_aims(problem, learner(one, rule), row) for one, row in zip(words, rows, strict=True)]
        return {
            "step": step,
            "variants": [name for word, trace in zip(words, traces, strict=True) for name in _names(word, trace)],
            "plane": plane,
            "shares": shares,
            "losses": losses,
            "lengths": np.linalg.norm(moves, axis=1),
            "spaces": [_space(problem, place, rows, aims) for place in problem.chain.spaces[1:]],
        }

    def together(self, scene: Scene, more: Mapping[str, Any], tell: Tell) -> xr.Dataset:
        """The traces of all methods of the page that can train."""
        words = [one for one in scene.methods if one.partition(":")[0] in LEARNERS]
        if not words:
            raise ValueError("no method of the page trains a network; choose one that does.")
        traces = [self._trace(scene, {**more, "method": one}, scene.steps, tell) for one in words]
        return joined(traces, list(traces[0].data_vars))

    def _of(self, lesson: Lesson) -> Problem:
        if self._problem is None or self._problem[0] != lesson:
            self._problem = lesson, lesson.problem()
            self._traces = {}
        return self._problem[1]

    def _trace(self, scene: Scene, more: Mapping[str, Any], steps: int, tell: Tell) -> xr.Dataset:
        """The trace of one method, of as many steps or more; what was run before is not run again."""
        lesson = Lesson.read(scene, more)
        problem, made = self._of(lesson), _chosen(scene, more)
        known = (more["method"], str(more.get("rule")), scene.dtype)
        kept = self._traces.get(known)
        if kept is None or kept.sizes["step"] <= steps:
            size = variants(made) * (sum(place.size for place in shown(problem).chain.spaces) + 1)
            if size * (scene.steps + 1) > NUMBERS:
                raise ValueError(
                    f"steps is {scene.steps}, but a page holds {NUMBERS // size - 1} of this network; give at most so "
                    "many, or a smaller width or batch."
                )
            kept = run(problem, made, steps=steps, key=scene.key, dtype=scene.dtype, progress=tell)
            if "interrupted" not in kept.attrs:
                self._traces = {**self._traces, known: kept}
                while sum(trace.nbytes for trace in self._traces.values()) > BYTES and len(self._traces) > 1:
                    self._traces.pop(next(iter(self._traces)))
        return kept.isel(step=slice(0, steps + 1))


def rule_of(more: Mapping[str, Any]) -> FirstOrder:
    """The rule by which a network follows the targets of an inverse simulator."""
    made = method_of(text := word(more.get("rule") or "adam:learning_rate=0.003", "rule"))
    if not isinstance(made, FirstOrder) or variants(made) > 1:
        raise ValueError(f"rule is {text!r}, but it is one first-order method; write e.g. adam:learning_rate=0.003.")
    return made


def learner(text: str, rule: FirstOrder) -> Method:
    """A method that can train a network; behind an inverse simulator the network follows by a rule."""
    name = text.partition(":")[0]
    if name not in LEARNERS:
        raise ValueError(nearest(name, LEARNERS, "a method that trains a network"))
    made = method_of(text)
    if isinstance(made, InverseSimulator):
        many = variants(made)
        inner = rule if many == 1 else jax.tree.map(lambda leaf: np.full(many, leaf), rule)
        return replace(made, inner=inner)
    return made


def _chosen(scene: Scene, more: Mapping[str, Any]) -> dict[str, Method]:
    """The method of the page that a question is about."""
    text = word(more.get("method"), "method")
    if text not in scene.methods:
        raise ValueError(f"method is {text[:60]!r}, but it is one of the page; give one of these.")
    return {text.partition(":")[0]: learner(text, rule_of(more))}


def _names(text: str, trace: xr.Dataset) -> list[str]:
    names = [str(name) for name in trace["variant"].values]
    return names if len(names) > 1 else [text]


def _plane(moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The moves of the weights (variant, d) in the plane that holds most of their mean square, and what each of its
    directions holds."""
    flat, shares = np.full((len(moves), 2), np.nan), np.zeros(2)
    finite = np.isfinite(moves).all(axis=1)
    _, lengths, along = np.linalg.svd(moves[finite], full_matrices=False)
    many = min(2, len(lengths))
    along = along[:many] * np.where((moves[finite] @ along[:many].T).sum(0) < 0, -1, 1)[:, None]
    flat[finite] = 0.0
    flat[finite, :many] = moves[finite] @ along.T
    shares[:many] = lengths[:many] ** 2 / max(np.sum(lengths**2), np.finfo(float).tiny)
    return flat, shares


def _aims(problem: Problem, made: Method, row: xr.Dataset) -> dict[str, np.ndarray]:
    """Where an inverse simulator would have the spaces of the first batch, (variant, components); of others nothing."""
    if not isinstance(made, InverseSimulator):
        return {}
    batch, x = shown(problem), jnp.asarray(row["x"].values[:, 0])
    rates = np.broadcast_to(np.asarray(made.learning_rate), (len(x),))

    def aims(x: Array, rate: Array) -> tuple[Array, Array]:
        y = replace(made, learning_rate=rate, inner=None).target(batch, x)
        return batch.walk_back(y, x)[0], y

    u, y = evaluated(jax.vmap(aims), x, jnp.asarray(rates, x.dtype))
    return {"u": np.asarray(u, float), problem.chain.spaces[-1].name: np.asarray(y, float)}


def _space(problem: Problem, place: Any, rows: list[xr.Dataset], aims: list[dict[str, np.ndarray]]) -> View:
    """The examples of the first batch in a space, before and after: points (variant, 2, example, 2)."""
    one = place.of_one()
    points = np.concatenate([row[place.name].values for row in rows]).astype(float)
    batch = points.shape[-1] // one.size
    some = np.linspace(0, batch - 1, min(batch, ARROWS)).astype(int)

    def seen(values: np.ndarray) -> np.ndarray:
        each = values.reshape(*values.shape[:-1], batch, one.size)[..., some, :]
        if one.size > 1:
            return each[..., :2]
        return np.concatenate([np.broadcast_to(some[:, None].astype(float), each.shape), each], axis=-1)

    last, lost = place.name == problem.chain.spaces[-1].name, np.full((points.shape[0], points.shape[-1]), np.nan)
    aimed, before = lost.copy(), 0
    for row, aim in zip(rows, aims, strict=True):
        if place.name in aim:
            aimed[before : before + row.sizes["variant"]] = aim[place.name]
        before += row.sizes["variant"]
    target = np.asarray(problem.data["target"])[:batch].reshape(-1) if last else lost[0]
    label = one.labels[:2] if one.size > 1 else ["", ""]
    return {
        "name": place.name,
        "labels": [f"{place.name}[{text}]" for text in label] if one.size > 1 else ["example", place.name],
        "components": one.size,
        "batch": batch,
        "points": seen(points),
        "aims": seen(aimed),
        "targets": seen(target),
    }
