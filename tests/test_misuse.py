"""Two hundred ways to be wrong: each is one sentence before the work, or a right answer."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import thalweg as tw

M = tw.methods
CALLS = itertools.count()


def third(x):
    """Raises when it is called for the third time, in a trace or not."""
    if next(CALLS) % 3 == 2:
        raise OSError("the license server is gone")
    return jnp.asarray(x) ** 2


def host(x):
    if next(CALLS) % 4 == 3:
        raise OSError("the license server is gone")
    return np.asarray(x) ** 2


STAGES = {
    "good": lambda x: x**2,
    "its shape depends on nothing": lambda x: jnp.ones(3),
    "a scalar": lambda x: jnp.sum(x),
    "a list": lambda x: [x[0], x],
    "a string": lambda x: "y",
    "None": lambda x: None,
    "whole numbers": lambda x: jnp.round(x).astype(int),
    "complex numbers": lambda x: x + 1j,
    "NumPy of a tracer": lambda x: np.sin(np.asarray(x)),
    "if of a tracer": lambda x: x if x[0] > 0 else -x,
    "a missing index": lambda x: x[7:9].reshape(2),
    "NaN below 1": lambda x: jnp.sqrt(x - 1.0),
    "infinite": lambda x: x / 0.0,
    "the third call raises": third,
    "the host raises": tw.Stage.from_host(host),
    "no function": 3.0,
    "two arguments": lambda x, data: x * data,
    "the other branch": tw.Stage(lambda x: x**2, inverse=lambda y, x: -jnp.sqrt(y)),
    "an inverse of another shape": tw.Stage(lambda x: x**2, inverse=lambda y, x: y[:1]),
    "an inverse that is none": tw.Stage(lambda x: x**2, inverse=lambda y, x: y * 3),
}
LOSSES = {
    "good": lambda y: jnp.sum((y - 2.0) ** 2),
    "squares": tw.SquaredError([2.0, 2.0]),
    "a target of another shape": tw.SquaredError(np.ones(5)),
    "a target with NaN": tw.SquaredError([np.nan, 1.0]),
    "a vector": lambda y: y,
    "a bool": lambda y: jnp.all(y > 0),
    "a Python number": lambda y: 3.0,
    "infinite": lambda y: jnp.sum(y) / 0.0,
    "not defined": lambda y: jnp.log(-jnp.sum(y**2)),
    "no function": None,
}
STARTS = {
    "good": [1.5, 1.2],
    "a number": 1.5,
    "none": [],
    "a NaN": [np.nan, 1.0],
    "text": ["a", "b"],
    "ragged": [[1.0], [1.0, 2.0]],
    "complex": [1j, 2.0],
    "a dict": {"a": 1.0, "b": 1.0},
    "whole numbers": np.array([1, 2]),
    "too long": [1.5, 1.2, 1.0],
}
METHODS = [
    M.gradient_descent(0.01), M.gradient_descent(np.nan), M.adam(1e30), M.BFGS(), M.Newton(), M.GaussNewton(),
    M.LevenbergMarquardt(), M.InverseSimulator(0.1), M.TrustRegion(bounded=True), M.gradient_descent, "Newton", None,
    [], {}, tw.sweep(M.adam(0.1), b1=[0.5, 2.0]),
]  # fmt: skip
MORE = [
    {}, {"starts": [[1.0, 2.0, 3.0]]}, {"starts": np.full((2, 2), np.inf)}, {"starts": np.zeros((0, 2))}, {"key": -1},
    {"dtype": "int8"}, {"dtype": "float32"}, {"starts": [[1.0, 2.0]] * 3}, {"cases": np.ones((3, 2))}, {"steps": -1},
    {"steps": 2.5}, {"record": [3]}, {"spaces": ["q"]}, {"gtol": -1.0}, {"max_steps": "many"}, {"until": 1e-3},
]  # fmt: skip
KINDS = [
    *(("stage", name) for name in STAGES),
    *(("loss", name) for name in LOSSES),
    *(("start", name) for name in STARTS),
    *(("method", i) for i in range(len(METHODS))),
    *(("more", i) for i in range(len(MORE))),
]


def judged(choice, verb):
    """Nothing but a sentence, or a Dataset of the right sizes."""
    wrong = {"stage": "good", "loss": "good", "start": "good", "method": 0, "more": 0, **dict(choice)}
    more = dict(MORE[wrong["more"]])
    own = {tw.run: ("gtol", "max_steps", "until", "cases"), tw.solve: ("steps", "record", "spaces")}[verb]
    more = {name: value for name, value in more.items() if name not in own}
    try:
        problem = tw.Problem(STAGES[wrong["stage"]], loss=LOSSES[wrong["loss"]], start=STARTS[wrong["start"]])
        result = verb(problem, METHODS[wrong["method"]], **{("steps" if verb is tw.run else "max_steps"): 4, **more})
    except ValueError as error:
        sentence = str(error)
        assert sentence and "\n" not in sentence.strip() and sentence.rstrip().endswith("."), sentence
        assert len(sentence) < 700 and "Tracer<" not in sentence
        return
    assert result.sizes["start"] == len(np.atleast_2d(more.get("starts", [[0.0]])))
    assert set(result.data_vars) >= {"x", "loss"}
    if wrong["stage"] in ("good", "the other branch", "an inverse that is none") and wrong["loss"] in (
        "good",
        "squares",
    ):
        first = result.loss.values[0, 0, 0] if verb is tw.run else None
        if first is not None and wrong["start"] == "good" and "starts" not in more:
            np.testing.assert_allclose(first, (2.25 - 2) ** 2 + (1.44 - 2) ** 2, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("verb", [tw.run, pytest.param(tw.solve, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["stage", "loss", "start", "method", "more"])
def test_one_thing_is_wrong(kind, verb):
    choices = [choice for choice in KINDS if choice[0] == kind]
    assert len(choices) > 1
    for choice in choices:
        judged([choice], verb)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(KINDS), min_size=2, max_size=4, unique_by=lambda c: c[0]),
    st.sampled_from([tw.run, tw.solve]),
)
def test_several_things_are_wrong(choice, verb):
    judged(choice, verb)
    jax.clear_caches()
