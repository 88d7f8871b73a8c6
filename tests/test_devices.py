"""Lanes over several devices: all of them work, and the bits are those of one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import eight_devices
import jax
import numpy as np
import pytest

import thalweg as tw


@pytest.mark.slow
def test_eight_devices():
    """All checks in one process, where JAX sees eight devices: two minutes of a core."""
    flags = "--xla_force_host_platform_device_count=8"
    settings = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": str(Path(tw.__file__).parents[1])}
    script = [sys.executable, Path(__file__).with_name("eight_devices.py")]
    done = subprocess.run(script, env=settings, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(eight_devices.CHECKS)
    assert not any(found.values()), "\n".join(found.values())


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_record_that_stays_on_the_device(dtype):
    """Arrays of JAX with the numbers of the other record, also float64 where JAX's own default is float32."""
    problem = tw.problems.rosenbrock(2)
    methods = {
        "Adam": tw.sweep(tw.methods.adam(0.1), learning_rate=[0.01, 0.1]),
        "GD": tw.methods.gradient_descent(1e-3),
    }
    settings = dict(starts=eight_devices.STARTS[:50], steps=700, every=9, spaces={"loss": 1, "x": 3}, dtype=dtype)
    here, there = (
        tw.run(problem, methods, record=[tw.geometry.sharpness], device=kept, **settings) for kept in (False, True)
    )
    eight_devices.same_bits(here, there)
    for name in there.data_vars:
        assert isinstance(there[name].data, jax.Array) and there[name].dtype == dtype
    assert here.x.attrs == there.x.attrs and here.x.dims == there.x.dims
    at = {"variant": 1, "start": [0, 3]}
    assert isinstance(there.isel(at).x.data, jax.Array) and there.isel(at).x.dtype == dtype
    np.testing.assert_array_equal(there.isel(at).x.values, here.isel(at).x.values)
    assert isinstance(there.as_numpy().x.data, np.ndarray)


@pytest.mark.slow
def test_judgments_and_plots_take_a_record_on_the_device():
    problem = tw.problems.rosenbrock(2)
    method = tw.sweep(tw.methods.gradient_descent(1e-3), learning_rate=[1e-3, 1e-2])
    here, there = (tw.run(problem, method, eight_devices.STARTS[:4], steps=60, device=kept) for kept in (False, True))
    assert tw.analysis.table(there, problem).equals(tw.analysis.table(here, problem))
    for judge in (tw.analysis.outcome, tw.analysis.alignment, tw.analysis.distance, tw.analysis.rates):
        judged, expected = judge(there, problem), judge(here, problem)
        assert judged.broadcast_equals(expected) or judged.equals(expected)
    assert tw.plot.paths(there, problem).axes and tw.plot.curves(there).axes


def test_ctrl_c_returns_the_rows_on_the_device(monkeypatch):
    from thalweg.verbs import run

    problem, given = tw.problems.rosenbrock(2), tw.methods.gradient_descent(1e-3)

    def interrupted(tiles, *_):
        for _ in range(2):
            tiles[0].start()()
        return False

    monkeypatch.setattr(run, "advance", interrupted)
    here, there = (tw.run(problem, given, steps=100_000, device=kept) for kept in (False, True))
    assert here.attrs["interrupted"] == there.attrs["interrupted"] == 1 and 1 < there.sizes["step"] < 100_001
    eight_devices.same_bits(here, there)


def test_device_is_a_flag():
    with pytest.raises(ValueError, match="device is 'gpu', but it is True"):
        tw.run(tw.problems.rosenbrock(2), tw.methods.gradient_descent(1e-3), device="gpu")
