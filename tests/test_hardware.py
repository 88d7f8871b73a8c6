"""What suits a machine changes how the engine goes about its work, and no answer."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.engine import hardware
from thalweg.engine.endings import OUTCOMES
from thalweg.engine.hardware import CPU, GPU, Cost

SMALL_GPU = dataclasses.replace(GPU, widest=96, worth=64, widest_recycled=128, chunk_bytes=1 << 16)  # several tiles
STARTS = np.random.default_rng(0).uniform(-2, 2, (300, 2))


@pytest.fixture(scope="module")
def problem():
    return tw.problems.rosenbrock(2)


@pytest.mark.parametrize(
    "machine", [pytest.param(GPU, id="wide", marks=pytest.mark.slow), pytest.param(SMALL_GPU, id="several tiles")]
)
def test_run_gives_the_same_paths_on_either_machine(machine, on, problem):
    methods = {
        "Adam": tw.sweep(tw.methods.adam(0.1), learning_rate=[0.01, 0.1]),
        "Newton": tw.methods.Newton(0.5, 1e-3),
    }
    settings = {"steps": 30, "every": 7, "dtype": "float64", "record": [tw.geometry.sharpness]}
    here, there = (on(kind, tw.run, problem, methods, STARTS, **settings) for kind in (CPU, machine))
    assert list(here.data_vars) == list(there.data_vars) and here.sizes == there.sizes
    for name in here.data_vars:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-7, atol=1e-9)


def test_minibatches_and_fourier_transforms_run_on_either_machine(on):
    line = tw.Problem(
        lambda x, data: x[0] * data,
        loss=tw.SquaredError(1.0),
        start=[0.0],
        data=np.linspace(0.0, 1.0, 12),
        batch_size=4,
    )
    waves = tw.Problem(loss=lambda x: jnp.sum(jnp.abs(jnp.fft.rfft(x)) ** 2), start=np.arange(8.0))
    for problem in (line, waves):
        method = tw.methods.gradient_descent(1e-2)
        here, there = (on(kind, tw.run, problem, method, steps=5, dtype="float64") for kind in (CPU, GPU))
        assert not np.array_equal(here.x[..., -1, :], here.x[..., 0, :])
        np.testing.assert_allclose(here.x, there.x, rtol=1e-12)


@pytest.mark.parametrize(
    ("machine", "names"),
    [
        pytest.param(GPU, ["BFGS", "trust"], id="wide", marks=pytest.mark.slow),
        pytest.param(SMALL_GPU, ["BFGS"], id="recycled"),
    ],
)
def test_solve_gives_the_same_answers_on_either_machine(machine, names, on, problem):
    methods = {name: {"BFGS": tw.methods.BFGS(), "trust": tw.methods.TrustRegion()}[name] for name in names}
    here, there = (on(kind, tw.solve, problem, methods, STARTS, dtype="float64") for kind in (CPU, machine))
    assert (here.outcome == OUTCOMES.index("converged")).all() and (there.outcome == here.outcome).all()
    np.testing.assert_allclose(here.x, there.x, atol=1e-5)
    assert np.abs(here.steps - there.steps).max() <= 2  # roundings differ where a trial is near a bound
    cut = on(machine, tw.solve, problem, methods["BFGS"], STARTS, max_steps=3)
    assert (cut.outcome == OUTCOMES.index("exhausted")).any() and (cut.steps <= 3).all()


LIGHT, LONG = Cost(dear=False, host=False, alone=False), Cost(dear=True, host=False, alone=False)
PYTHON, EACH = Cost(dear=True, host=True, alone=False), Cost(dear=True, host=True, alone=True)


def test_widths_are_as_even_as_threads_allow_and_no_wider_than_there_is_work():
    two = dataclasses.replace(CPU, threads=2)
    assert two.width_in_step(4096, 2, 4, LIGHT) == 2048 and two.width_in_step(600, 2, 4, LIGHT) == 304
    assert (
        two.width_in_step(1, 2, 4, LIGHT) == 64 and two.width_in_step(1, 2000, 4000, LIGHT) == 1
    )  # what is large is not filled up
    assert two.width_recycled(100, 0, 10_000, 2, 1, LIGHT) == 512 and two.width_recycled(100, 0, 1, 2, 1, LIGHT) == 64
    assert two.width_recycled(1 << 14, 0, 10, 500, 1, LIGHT) == 5
    assert two.width_recycled(1000, 10_000, 10_000, 4, 1, LIGHT) == 32  # matrices of a step stay in cache, too
    assert two.width_recycled(100, 70_000, 10_000, 5, 1440, LONG) == 4  # a few long ones share their small algebra
    assert GPU.width_in_step(65_536, 10, 21, LIGHT) == 65_536
    assert GPU.width_recycled(1000, 0, 10**6, 10, 1, LIGHT) == 65_536
    assert GPU.width_in_step(1 << 20, 10_000, 20_001, LIGHT) <= (1 << 26) // 10_000
    for machine in (two, GPU):
        assert machine.width_in_step(3, 2, 4, LONG) == machine.width_in_step(3, 2, 4, PYTHON) == 3
        assert machine.width_in_step(9000, 2, 4, PYTHON) == 9000 and machine.width_recycled(100, 0, 1, 2, 1, LONG) == 1
        assert machine.width_recycled(100, 0, 1000, 2, 1, EACH) == 1
        assert [machine.width_in_step(n, 2, 4, EACH) for n in (1, 1000, 37)] == [1, 25 if machine is GPU else 10, 1]
        assert (
            machine.width_recycled(100, 0, 1000, 2, 1, LONG)
            == machine.vector
            < machine.width_recycled(100, 0, 1000, 2, 1, PYTHON)
        )


def test_the_machine_is_asked_in_one_place(monkeypatch):
    assert hardware.present() is (CPU if jax.devices()[0].platform == "cpu" else GPU)
    monkeypatch.setattr(jax, "local_devices", lambda **_: [type("Device", (), {"platform": "gpu"})()])
    assert hardware.present() is GPU


@pytest.mark.slow
def test_long_steps_are_compiled_plainly_and_short_ones_are_not(on, monkeypatch):
    """The loops of a long step take a third less to compile without XLA's emitters of fusions."""
    from thalweg.engine import mesh

    seen, compiled = {}, mesh.compiled
    monkeypatch.setattr(
        mesh, "compiled", lambda f, options, *shapes: (seen.update(options), compiled(f, options, *shapes))[1]
    )
    for method, plain in ((tw.methods.LevenbergMarquardt(), True), (tw.methods.GaussNewton(), False)):
        seen.clear()
        fits = on(CPU, tw.solve, tw.problems.misra1a(2), method)
        assert ("xla_cpu_use_fusion_emitters" in seen) == plain
        np.testing.assert_allclose(fits.x.values[0, 0], tw.problems.misra1a().minima[0], rtol=1e-6)
