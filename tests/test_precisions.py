"""Every method in every precision: a run is the loop of Python that a person would write with the same rule."""

import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pytest

import thalweg as tw

STEPS = 12
DTYPES = ("bfloat16", "float16", "float32", "float64")
# y = (x0 + x1 / 4, x1 + x0^2 / 4), with its inverse near the start, so that every kind of method can take steps.
BENT = tw.Stage(
    lambda x: jnp.array([x[0] + x[1] / 4, x[1] + x[0] ** 2 / 4]),
    inverse=lambda y, x: (lambda u: jnp.array([u, 4 * (y[0] - u)]))(8 - jnp.sqrt(64 - 16 * (4 * y[0] - y[1]))),
)
PROBLEM = tw.Problem(BENT, loss=tw.SquaredError([0.5, 1.0]), start=[1.5, -0.5], domain=(-4.0, 4.0))
ARGUMENTS = {  # of those that cannot do without
    "CMAES": {"width": 0.5, "generations": 20},
    "FirstOrder": {"rule": optax.sgd, "hyper": {"learning_rate": 0.1}},
    "Genetic": {"population": 10},
    "GridSearch": {"points": 5},
    "Metropolis": {"temperature": 0.1, "width": 0.3},
    "ReplicaExchange": {"first": 1.0, "last": 0.1, "replicas": 3, "width": 0.3},
    "SimulatedAnnealing": {"first": 1.0, "last": 0.1, "steps": 20, "width": 0.3},
    "damped_newtonian": {"time_step": 0.1},
    "from_optax": {"rule": optax.adam, "learning_rate": 0.1, "b2": 0.9999},
    "from_optimistix": {"solver": optimistix.BFGS(1e-8, 1e-8)},
    "gradient_flow": {"time_step": 0.1},
}
MORE = {
    "adam, slow": tw.methods.adam(0.1, b1=0.99, b2=0.9999, eps=1e-12),
    "rmsprop, slow": tw.methods.rmsprop(0.1, decay=0.9995),
    "momentum, heavy": tw.methods.momentum(0.01, 0.999),
}


def constructed():
    """One of every method that the library has, by its name."""
    for name in tw.methods.__all__:
        make = getattr(tw.methods, name)
        if name not in ("Method", "Report"):
            needs = [k for k, p in inspect.signature(make).parameters.items() if p.default is p.empty]
            yield name, make(**ARGUMENTS.get(name, {k: 0.1 for k in needs if k == "learning_rate"}))


METHODS = {**dict(constructed()), **MORE}
QUICK = [(name, "bfloat16") for name in ("adam", "adam, slow", "momentum, heavy", "Newton", "GaussNewton")]


def looped(method, dtype):
    """The path of a plain loop, with numbers of Python for hyperparameters, as float32 or float64 holds them."""
    wide = np.float64 if dtype == "float64" else np.float32
    method = jax.tree.map(lambda leaf: float(wide(leaf)), method)
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(PROBLEM.start, dtype)
        step = jax.jit(lambda x, state: method.step(PROBLEM, x, state))
        state, path = method.init(PROBLEM, x, jax.random.fold_in(jax.random.key(0), 0)), [x]
        for _ in range(STEPS):
            x, state = step(x, state)
            path.append(x.astype(dtype))
        return np.array(path, float)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=() if (name, dtype) in QUICK else pytest.mark.exhaustive)
        for name in METHODS
        for dtype in DTYPES
    ],
)
def test_a_run_is_the_loop_of_its_rule(name, dtype):
    path = tw.run(PROBLEM, METHODS[name], steps=STEPS, dtype=dtype).x.values[0, 0]
    loop = looped(METHODS[name], dtype)
    eps = float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(path, loop, atol=64 * eps, rtol=0)


PAGE = Path(__file__).resolve().parents[1] / "docs" / "precisions.md"
HEAD = f"""# Methods and precisions

`run(dtype=…)` and `solve(dtype=…)` take `bfloat16`, `float16`, `float32` and `float64`: x, the spaces and the loss are
computed in it, hyperparameters stay in float32 at least (0.999 is 1 in bfloat16, and Adam's bias correction 0). `run`
watches in JAX's default unless told, `solve` answers in float64.

"Equal" means: {STEPS} steps from one start are those of a loop of Python over the method's own step, with numbers of
Python for its hyperparameters, to 64 units of rounding. Each is a test of `tests/test_precisions.py`, which finds the
methods in `tw.methods`; run it as a script to write this page anew.

| method | {" | ".join(DTYPES)} |
|---|{"---|" * len(DTYPES)}
"""


def page() -> str:
    return HEAD + "".join(f"| `{name}` |{' equal |' * len(DTYPES)}\n" for name in METHODS)


def test_the_page_lists_every_method():
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
