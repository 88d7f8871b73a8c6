"""The precision of a run: short formats round every operation, and a device that cannot compute in one is named."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest

import thalweg as tw
from thalweg.numerics import precision

RUGGED = tw.Problem(loss=lambda x: x[0] ** 2 + 0.05 * jnp.sin(30 * x[0]) - 0.2, start=[0.7])


@pytest.mark.parametrize(("name", "kind"), [("bfloat16", ml_dtypes.bfloat16), ("float16", np.float16)])
def test_short_formats_round_every_operation(name, kind):
    """Chaotic steps, in which one operation of bfloat16 that is not rounded would show within six steps."""
    trace = tw.run(RUGGED, tw.methods.gradient_descent(0.2), steps=6, dtype=name)
    x, path = kind(0.7), []
    a, b, rate, two = kind(0.05), kind(30), kind(0.2), kind(2)
    for _ in range(6):
        slope = two * x + kind(a * kind(np.cos(np.float32(b * x)))) * b
        x = x - rate * slope
        path.append(float(x))
    found = trace.x[0, 0, 1:, 0].values
    if name == "bfloat16":
        np.testing.assert_array_equal(found, path)
    np.testing.assert_allclose(found[:2], path[:2], rtol=4 * float(jnp.finfo(kind).eps))
    np.testing.assert_array_equal(found, found.astype(kind).astype(np.float32))
    assert trace.x.dtype == trace.loss.dtype == np.float32
    assert trace.attrs["dtype"] == name


def test_a_method_that_a_short_format_cannot_serve_is_named():
    problem = tw.Problem(loss=lambda x: jnp.sum(x**4), start=np.ones(12))
    with pytest.raises(
        ValueError,
        match=r"method 'N' cannot take a step on 'problem'; .*(Unsupported dtype|does not accept dtype) float16",
    ):
        tw.run(problem, {"N": tw.methods.Newton()}, steps=1, dtype="float16")


def test_a_start_that_is_infinite_in_a_short_format_is_named():
    with pytest.raises(ValueError, match=r"start 0 is \[70000.0\], which is not finite in float16"):
        tw.run(RUGGED, tw.methods.gradient_descent(0.1), [[7e4]], steps=1, dtype="float16")


def test_a_device_that_does_not_compute_in_a_precision_is_named(monkeypatch):
    monkeypatch.setattr(precision, "computes", lambda kind: kind != np.dtype("float64"))
    said = "dtype is 'float64', which cpu does not compute in; choose another of 'bfloat16', 'float16', 'float32' and"
    with pytest.raises(ValueError, match=said):
        tw.run(RUGGED, tw.methods.gradient_descent(0.1), steps=1, dtype="float64")


def test_which_precisions_a_device_computes_in_is_tried_out(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "another")
    precision.computes.cache_clear()
    assert all(precision.computes(np.dtype(kind)) for kind in (jnp.bfloat16, np.float16, np.float32, np.float64))
    assert not precision.computes(np.dtype("S1"))
    precision.computes.cache_clear()


def test_solve_takes_no_short_format():
    with pytest.raises(ValueError, match="dtype is 'float16', but the precision is 'float32' or 'float64'; choose one"):
        tw.solve(RUGGED, tw.methods.BFGS(), dtype="float16")
