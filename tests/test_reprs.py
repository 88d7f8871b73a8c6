"""Objects show themselves as the call that makes them, and tables whole."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
import pandas as pd
import pytest

import thalweg as tw
from thalweg.methods.method import method

CALLS = (  # what is typed, which is what is shown
    "adam(learning_rate=0.1)",
    "adam(learning_rate=0.1, weight_decay=0.01)",
    "adamw(learning_rate=0.1, b2=0.99)",
    "adagrad(learning_rate=0.1, initial_accumulator_value=0.0)",
    "gradient_descent(learning_rate=1e-05)",
    "momentum(learning_rate=0.1, momentum=0.5)",
    "nesterov(learning_rate=0.1)",
    "rmsprop(learning_rate=0.1, centered=True)",
    "from_optax(optax.lion, learning_rate=0.25, b1=0.95)",
    "from_optax(optax.contrib.muon, learning_rate=0.02)",
    "from_optax(optax.adam, learning_rate=0.1, nesterov=True)",
    "Newton()",
    "Newton(learning_rate=0.5, saddle_free=True)",
    "TrustRegion(bounded=True)",
    "LBFGS(memory=5)",
    "JacobianPower(kappa=1.0)",
    "GridSearch(points=10)",
    "CMAES(width=1.0, population=8)",
    "InverseSimulator(inner=adam(learning_rate=0.001))",
    "InverseSimulator(learning_rate=0.3, loss_step='gradient', inner=momentum(learning_rate=0.1), proxy='l1')",
    "from_scipy('BFGS', gtol=1e-08)",
    "gradient_flow(time_step=1.0)",
    "damped_newtonian(time_step=0.5, friction=2.0)",
    "sweep(adam(learning_rate=0.1), learning_rate=[0.1, 0.2])",
    "sweep(adam(learning_rate=0.1), learning_rate=[0.1, 0.2], b1=[0.8, 0.9])",
    "sweep(adam(learning_rate=0.3), b1=[0.8, 0.9], learning_rate=[0.3, 0.1, 0.2])",
    "sweep(Newton(), damping=[0.0, 1.0])",
    "sweep(InverseSimulator(inner=adam(learning_rate=0.1)), inner_learning_rate=[0.1, 0.2])",
    "gtol(1e-08) & (xtol(1e-06) | ftol(1e-09))",
    "compile('x0**2 + 1')",
    "compile('a*b', ['b', 'a'])",
    "FiniteDifference(step=None, scheme='central')",
    "FiniteDifference(step=1e-05, scheme='forward')",
    "AutoDiff()",
)
NAMES = {"optax": optax, "sweep": tw.sweep, "compile": tw.formula.compile, **vars(tw.methods), **vars(tw.tolerances)}
NAMES |= {"FiniteDifference": tw.FiniteDifference, "AutoDiff": tw.AutoDiff}


@pytest.mark.parametrize("call", CALLS)
def test_what_is_shown_makes_the_same(call):
    made = eval(call, NAMES)
    assert repr(made) == call
    if dataclasses.is_dataclass(made) and "sweep" not in call:
        assert eval(repr(made), NAMES) == made
    again = jax.tree.map(np.asarray, eval(repr(made), NAMES))
    for leaf, other in zip(jax.tree.leaves(again), jax.tree.leaves(made), strict=True):
        np.testing.assert_array_equal(leaf, other)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (tw.methods.adam(np.float32(0.1)), "adam(learning_rate=0.1)"),
        (tw.methods.adam(jnp.float32(0.1)), "adam(learning_rate=0.1)"),
        (tw.methods.from_optax(optax.adam(0.1)), "from_optax(…)"),
        (tw.sweep(tw.methods.adam(0.1), learning_rate=np.geomspace(1e-4, 1.0, 40)), "…[0.0001, …, 1.0])"),
        (tw.methods.Newton(np.array([0.1, 0.2]), np.ones(2)), "… learning_rate=[0.1, 0.2], damping=[1.0])"),
        (tw.methods.Newton(np.array([1.0, 2.0]), np.array([3.0, 4.0])), "… damping=[3.0, 4.0])"),
        (tw.methods.from_optimistix(optimistix.BFGS(rtol=1e-3, atol=1e-3)), "from_optimistix(BFGS(rtol=0.001, …"),
        (tw.Stage(jnp.sin, jnp.arctan2, "z"), "Stage(sin, inverse=arctan2, name='z')"),
        (tw.Stage.from_host(np.sin), "Stage.from_host(sin)"),
        (tw.SquaredError([1.0, 4.0], factor=0.5), "SquaredError([1.0, 4.0], factor=0.5)"),
        (tw.SquaredError(np.ones((10, 3))), "SquaredError(array of shape (10, 3))"),
        (tw.MeanLoss(jnp.sum), "MeanLoss(sum)"),
        (tw.problems.pbdl(), "Problem(pbdl: x[2] -> y[2] -> loss)"),
    ],
)
def test_what_is_shown_is_short(value, text):
    assert re.fullmatch(re.escape(text).replace("…", ".*"), repr(value))
    assert len(repr(value)) < 300 and " at 0x" not in repr(value) and "\n" not in repr(value)


def test_a_method_of_ones_own_shows_itself_likewise():
    @method
    class Halving:
        factor: float = 0.5
        often: int = 1

        def init(self, problem, x, key):
            return ()

        def step(self, problem, x, state):
            return self.factor * x, state

    assert repr(Halving()) == "Halving()" and repr(Halving(often=3)) == "Halving(often=3)"
    assert repr(tw.sweep(Halving(), factor=[0.1, 0.2])) == "sweep(Halving(), factor=[0.1, 0.2])"


def test_what_is_traced_is_shown_without_its_values():
    texts = []
    jax.jit(lambda m: texts.append(repr(m)) or 0.0)(tw.methods.adam(0.1))
    assert texts[0].startswith("adam(learning_rate=")


def test_a_movie_tells_its_frames():
    problem = tw.problems.pbdl()
    trace = tw.run(problem, tw.methods.gradient_descent(0.01), steps=4)
    movie = tw.plot.animate(trace, problem)
    width, height = movie.figure.canvas.get_width_height()
    assert repr(movie) == f"Movie({movie.frames} frames of {width} x {height} pixels; save(path) writes them)"


def test_tables_print_whole(monkeypatch):
    problem = tw.problems.pbdl()
    methods = {"a name that is long enough to leave no room for more": tw.methods.gradient_descent(0.01)}
    table = tw.analysis.table(tw.run(problem, methods, steps=3), problem)
    monkeypatch.setattr("pandas.io.formats.console.get_console_size", lambda: (60, 20))
    with pd.option_context("display.max_columns", 0, "display.width", 60):  # as in a terminal
        assert "..." in pd.DataFrame.__repr__(table)
        for shown in (table, table.sort_values("steps"), table[["final_loss", *table.columns[1:]]]):
            lines = repr(shown).splitlines()
            assert "..." not in repr(shown) and "\\" not in repr(shown) and len(lines) == 3
            assert all(name in lines[0] for name in table.columns)
            assert str(shown) == repr(shown)
    pd.testing.assert_frame_equal(table, pd.DataFrame(table))
    line = tw.Problem(lambda x: x[0] * jnp.arange(3.0), loss=tw.SquaredError([0.0, 1.0, 2.5]), start=[0.5])
    fits = tw.solve(line, tw.methods.GaussNewton(), max_steps=2)
    assert type(tw.analysis.fit_table(fits, line)) is type(table)
    assert len(repr(pd.concat([table] * 70)).splitlines()) < 70  # rows are left out as ever
