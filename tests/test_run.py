"""The engine: lanes do not know of each other, hyperparameters are data, and only what is asked for is held."""

import dataclasses
import functools
import gc
import os
import re
import signal
import threading
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import psutil
import pytest

import thalweg as tw

FIRST_ORDER = {
    "GD": tw.methods.gradient_descent(1e-3),
    "momentum": tw.methods.momentum(1e-3),
    "RMSProp": tw.methods.rmsprop(0.01, centered=True),
    "Adam": tw.methods.adam(0.01),
}
PBDL = tw.problems.pbdl()
ON_LOSSES = {**FIRST_ORDER, "Newton": tw.methods.Newton(0.5, 1e-3)}
ON_CHAINS = {
    "GD": tw.methods.gradient_descent(1e-3),
    "Newton": tw.methods.Newton(0.5),
    "saddle-free": tw.methods.Newton(0.5, saddle_free=True),
    "GN": tw.methods.GaussNewton(0.3),
    "IG": tw.methods.InverseGradient(0.3),
    "PG": tw.methods.InverseSimulator(0.3),
}


def programs():
    """The texts of all that XLA holds compiled now and that loops."""
    texts = [program.hlo_modules()[0].to_string() for program in jax.devices()[0].client.live_executables()]
    return [text for text in texts if " while(" in text]


def compiled_by(call):
    """The texts of the programs that ``call`` adds to these."""
    before = programs()
    call()
    return [text for text in programs() if text not in before]


def held():
    """Bytes of all arrays of JAX that are alive."""
    gc.collect()
    return sum(array.nbytes for array in jax.live_arrays())


def each_alone(dtypes):
    """Problems, their methods, and both dtypes: quick are those of ``dtypes``, one for each problem or none."""
    cases = [
        (tw.problems.rosenbrock(2), ON_LOSSES),
        (tw.problems.rosenbrock(10), ON_LOSSES),
        (tw.problems.rastrigin(1), FIRST_ORDER),
        (tw.problems.ackley(5), {"Adam": FIRST_ORDER["Adam"]}),
        (tw.problems.ackley(5), FIRST_ORDER),
        (PBDL, {name: ON_CHAINS[name] for name in ("saddle-free", "GN", "PG")}),
        (PBDL, ON_CHAINS),
        (tw.problems.sine(2.0, 30.0), ON_CHAINS),
    ]
    for (problem, methods), quick in zip(cases, dtypes, strict=True):
        for dtype in ("float32", "float64"):
            marks = () if dtype == quick else pytest.mark.slow
            yield pytest.param(problem, methods, dtype, marks=marks, id=f"{problem.name}-{len(methods)}-{dtype}")


@pytest.mark.parametrize(
    ("problem", "methods", "dtype"), [*each_alone(["float32", "", "float64", "float32", "", "float64", "", ""])]
)
def test_64_starts_together_equal_each_alone_bit_for_bit(problem, methods, dtype):
    starts = np.random.default_rng(0).uniform(-2, 2, (64, problem.dimension))
    together = tw.run(problem, methods, starts, steps=50, dtype=dtype)
    tiles = tw.run(problem, methods, np.tile(starts, (17, 1))[:1030], steps=50, dtype=dtype)
    for k in (0, 17, 63):
        alone = tw.run(problem, methods, starts[k], steps=50, dtype=dtype)
        for name in together.data_vars:
            np.testing.assert_array_equal(alone[name][:, 0], together[name][:, k], err_msg=name)
            np.testing.assert_array_equal(tiles[name][:, 64 * 9 + k], together[name][:, k], err_msg=name)


def test_a_diverging_lane_changes_no_other():
    problem, starts = tw.problems.rosenbrock(2), np.random.default_rng(0).uniform(-2, 2, (32, 2))
    poisoned = np.concatenate([starts, [[1e30, -1e30], [1e3, 1e3]]])
    for method in ({"GD": tw.methods.gradient_descent(1e-3)}, {"Newton": tw.methods.Newton()}):
        clean, spoiled = tw.run(problem, method, starts, 200), tw.run(problem, method, poisoned, 200)
        np.testing.assert_array_equal(clean.x, spoiled.x[:, :32])
    assert not np.isfinite(tw.run(problem, FIRST_ORDER["GD"], poisoned, 200).x[0, -2, -1]).all()
    swept = tw.sweep(tw.methods.gradient_descent(1e-3), learning_rate=[1e-3, 1e30])
    np.testing.assert_array_equal(tw.run(problem, swept, starts).x[0], tw.run(problem, FIRST_ORDER["GD"], starts).x[0])


def test_a_second_run_with_other_values_compiles_nothing(compiled):
    problem, draw = tw.problems.rosenbrock(3), np.random.default_rng(0)

    def run(rate: float, steps: int, every: int) -> None:
        methods = {"GD": tw.methods.gradient_descent(rate), "Adam": tw.methods.adam(rate, b1=1 - rate)}
        trace = tw.run(problem, methods, draw.uniform(-1, 1, (20, 3)), steps, every=every, key=int(1e6 * rate))
        assert trace.sizes["step"] == 1 + -(-steps // every)

    run(1e-3, 100, 1)
    run(1e-3, 100, 3)
    before = len(compiled)
    assert before > 0  # the listener hears
    run(2e-3, 50, 1)
    run(3e-4, 700, 7)
    assert len(compiled) == before


def test_a_thousand_learning_rates_are_one_program():
    problem = tw.problems.rosenbrock(2)
    rates = np.geomspace(1e-6, 1e-2, 1000)
    swept = tw.sweep(tw.methods.adam(0.1), learning_rate=rates)
    assert len(compiled_by(lambda: tw.run(problem, swept, steps=20, dtype="float64"))) == 1
    trace = tw.run(problem, swept, steps=20, dtype="float64")
    np.testing.assert_array_equal(trace.learning_rate, rates)
    assert trace.sizes["variant"] == len(set(trace.variant.values)) == 1000
    for k in (0, 500, 999):
        alone = tw.run(problem, tw.methods.adam(rates[k]), steps=20, dtype="float64")
        np.testing.assert_allclose(trace.x[k], alone.x[0], rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("verb", [tw.run, tw.solve])
def test_programs_go_with_their_problem(verb):
    problem = tw.Problem(loss=lambda x: jnp.sum((x - 0.0625) ** 4), start=[1.0, 2.0])
    texts = compiled_by(partial(verb, problem, FIRST_ORDER["GD"]))
    assert len(texts) == 1 and texts[0] in programs()
    del problem
    gc.collect()
    if jax.__version_info__ >= (0, 12):  # whose own caches keep the last 2048 programs
        jax.clear_caches()
        gc.collect()
    assert texts[0] not in programs()


@pytest.mark.parametrize(
    ("steps", "every"),
    [(0, 1), (1, 5), (13, 4), pytest.param(12, 4, marks=pytest.mark.slow), (999, 10), (700, 1), (1300, 600)],
)
def test_every_thins_the_record_and_keeps_the_last_step(steps, every):
    methods = {name: ON_CHAINS[name] for name in ("GD", "GN", "PG")}
    full = tw.run(PBDL, methods, steps=steps)
    thin = tw.run(PBDL, methods, steps=steps, every=every)
    kept = sorted({*range(0, steps + 1, every), steps})
    assert thin.step.values.tolist() == kept
    for name in full.data_vars:
        np.testing.assert_allclose(thin[name], full[name].isel(step=kept), rtol=1e-4, atol=1e-6)


def test_every_holds_no_more_than_it_records():
    """A million steps of 2048 lanes thinned to 11 rows: the full record would be 25 GB."""
    problem, starts = tw.problems.quadratic([1.0, 2.0]), np.random.default_rng(0).normal(size=(2048, 2))
    tw.run(problem, FIRST_ORDER["GD"], starts, 10, every=2)
    peak, done = [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], psutil.Process().memory_info().rss)

    before, watcher = psutil.Process().memory_info().rss, threading.Thread(target=watch)
    watcher.start()
    trace = tw.run(problem, FIRST_ORDER["GD"], starts, 100_000, every=10_000)
    done.set()
    watcher.join()
    assert trace.sizes["step"] == 11
    assert peak[0] - before < 64 << 20


@pytest.mark.slow
def test_only_small_record_buffers_are_kept():
    """Of a wide record, which a tile of lanes fills row by row: once nobody has the trace, nothing of it is left."""
    record, before = {"wide": lambda problem, x: jnp.full(200_000, x[0])}, held()
    trace = tw.run(tw.problems.rosenbrock(2), FIRST_ORDER["GD"], steps=3, record=record)
    assert trace.wide.nbytes == 3_200_000
    del trace
    assert held() - before < 500_000


@pytest.mark.slow
def test_schema_of_the_trace():
    methods = {"a": tw.sweep(tw.methods.adam(0.1), learning_rate=[0.1, 0.2], b1=[0.8, 0.9]), "n": tw.methods.Newton()}
    problem = tw.Problem(
        tw.problems.pbdl().stages[0],
        loss=lambda y: jnp.sum(y**2),
        start={"a": 3.0, "b": [1.0]}["b"] * 2,
        units={"x": "m"},
    )
    record = {
        "gradient": tw.Problem.gradient,
        "sharpness": lambda problem, x: jnp.linalg.eigvalsh(problem.hessian(x))[-1],
    }
    trace = tw.run(problem, methods, [[3.0, 3.0], [1.0, -2.0], [0.5, 0.5]], steps=7, record=record, key=5)
    assert list(trace.data_vars) == ["x", "y", "loss", "gradient", "sharpness"]
    assert trace.x.dims == ("variant", "start", "step", "x_dim")
    assert trace.gradient.dims == ("variant", "start", "step", "gradient_dim")
    assert trace.sharpness.dims == trace.loss.dims == ("variant", "start", "step")
    assert dict(trace.sizes) == {"variant": 5, "start": 3, "step": 8, "x_dim": 2, "y_dim": 2, "gradient_dim": 2}
    assert trace.method.values.tolist() == ["a"] * 4 + ["n"]
    np.testing.assert_array_equal(trace.learning_rate, [0.1, 0.1, 0.2, 0.2, 1.0])
    np.testing.assert_array_equal(trace.b1, [0.8, 0.9, 0.8, 0.9, np.nan])
    np.testing.assert_array_equal(trace.damping, [np.nan] * 4 + [0.0])
    np.testing.assert_allclose(
        trace.gradient, jax.vmap(problem.gradient)(trace.x.values.reshape(-1, 2)).reshape(5, 3, 8, 2), rtol=1e-5
    )
    assert trace.x.attrs["units"] == "m"
    assert trace.attrs["key"] == 5 and trace.attrs["dtype"] == "float32"
    assert trace.attrs["compile_seconds"] > 0 and trace.attrs["run_seconds"] > 0
    np.testing.assert_array_equal(trace.sel(variant="a b1=0.9 learning_rate=0.2").x, trace.x[3])


@pytest.mark.slow
def test_start_of_any_structure():
    def loss(p):
        return (p["scale"] - 2) ** 2 + jnp.sum((p["shift"] - jnp.arange(4.0).reshape(2, 2)) ** 2)

    start = {"scale": 1.0, "shift": np.zeros((2, 2))}
    problem = tw.Problem(loss=loss, start=start, minima=[{"scale": 2.0, "shift": np.arange(4.0).reshape(2, 2)}])
    starts = {"scale": np.array([1.0, 5.0]), "shift": np.zeros((2, 2, 2))}
    trace = tw.run(problem, tw.methods.Newton(), starts, steps=1)
    assert trace.x_dim.values.tolist() == ["scale", "shift[0,0]", "shift[0,1]", "shift[1,0]", "shift[1,1]"]
    np.testing.assert_allclose(trace.x[0, :, 1], [[2, 0, 1, 2, 3]] * 2, atol=1e-6)
    assert problem.check()


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Noise:
    """A method of a user: gradient descent with noise of its own key."""

    learning_rate: float
    scale: float = 0.1

    def init(self, problem, x, key):
        return {"key": key, "count": jnp.zeros((), int)}

    def step(self, problem, x, state):
        key, draw = jax.random.split(state["key"])
        noise = self.scale * jax.random.normal(draw, x.shape, x.dtype)
        return x - self.learning_rate * problem.gradient(x) + noise, {"key": key, "count": state["count"] + 1}


def test_keys_belong_to_lanes_and_not_to_tiles():
    problem, starts = tw.problems.quadratic([1.0, 3.0]), np.zeros((2100, 2))
    trace, again = (tw.run(problem, Noise(0.1), starts, steps=5, key=3) for _ in range(2))
    few, other = (
        tw.run(problem, Noise(0.1), starts[:70], steps=5, key=3),
        tw.run(problem, Noise(0.1), starts, steps=5, key=4),
    )
    np.testing.assert_array_equal(trace.x, again.x)
    np.testing.assert_allclose(few.x, trace.x[:, :70], rtol=1e-5, atol=1e-7)
    assert len(np.unique(trace.x[0, :, 1, 0])) > 2090
    assert not np.array_equal(trace.x, other.x)


@pytest.mark.parametrize(
    "method", [tw.sweep(tw.methods.adam(0.1), eps=[1e-8, 1e-7]), Noise(0.1)], ids=["Adam", "Noise"]
)
def test_shared_state_stays_shared(method):
    """Between two steps the count of steps is one number for all lanes, also in a sweep; points are one per lane."""
    problem, starts = tw.problems.rosenbrock(2), np.ones((64, 2))
    text = max(compiled_by(lambda: tw.run(problem, method, starts, steps=20)), key=len)
    taken = re.search(r"^ENTRY .*? -> ", text, re.M)[0]
    state = dict(re.findall(r"lanes_(state_\d)_[\d.]*: (\w+\[[\d,]*\])", taken))
    assert state["state_0"] == "s32[]" and len(state) == (3 if "f32" in state["state_1"] else 2)
    assert all(re.fullmatch(r"(f32\[(64|128),2\]|u32\[64,2\])", shape) for shape in [*state.values()][1:])


def test_lanes_are_minor_in_the_compiled_loop():
    """No transpose or copy of the state between steps: the body holds lanes fastest, layout {0,1}, throughout."""
    problem, starts = tw.problems.rosenbrock(10), np.ones((1024, 10))
    (text,) = compiled_by(lambda: tw.run(problem, tw.methods.adam(0.1), starts, steps=20))
    body = max((part for part in text.split("\n\n") if "get-tuple-element" in part and "ENTRY" not in part), key=len)
    lanes = re.search(r"f32\[(\d+),10\]", body)[1]
    shape = f"[{lanes},10]"
    moved = [line for line in body.splitlines() if (" copy(" in line or " transpose(" in line) and shape in line]
    assert int(lanes) > 100 and f"f32{shape}{{0,1}}" in body
    assert moved == []
    assert f"f32{shape}{{1,0}}" not in body
    entry = text[text.index("\nENTRY") :]  # nor is any of it turned where it comes in or goes out
    assert f"f32{shape}{{0,1}} parameter" in entry
    assert not re.search(r"transpose|f32\[\d+,\d+\]\S* copy\(", re.sub(r"metadata=.*", "", entry))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FlattestDescent:
    """Descent on |dL/dx|^2: a method that differentiates the gradient of the problem in reverse."""

    learning_rate: float

    def init(self, problem, x, key):
        return ()

    def step(self, problem, x, state):
        return x - self.learning_rate * jax.grad(lambda x: jnp.sum(problem.gradient(x) ** 2))(x), state


@pytest.mark.slow
def test_a_method_may_differentiate_the_gradient_of_the_problem():
    problem = tw.problems.rosenbrock(3)
    trace = tw.run(problem, FlattestDescent(1e-7), steps=3, dtype="float64")
    x = problem.start
    with jax.enable_x64(True):
        for k in range(3):
            x = x - 2e-7 * problem.hessian(x) @ problem.gradient(x)
            np.testing.assert_allclose(trace.x[0, 0, k + 1], x, rtol=1e-12)


def test_float64_is_a_choice_of_the_run_alone():
    problem, methods = tw.problems.rosenbrock(2), {name: FIRST_ORDER[name] for name in ("GD", "Adam")}
    single, double = (tw.run(problem, methods, steps=30, dtype=dtype) for dtype in ("float32", "float64"))
    again = tw.run(problem, methods, steps=30)
    assert single.x.dtype == again.x.dtype == np.float32 and double.x.dtype == np.float64
    assert not jax.config.jax_enable_x64
    np.testing.assert_array_equal(single.x, again.x)
    np.testing.assert_allclose(single.x, double.x, rtol=1e-3)
    assert np.abs(single.x - double.x).max() > 0


@pytest.mark.slow
def test_constants_of_a_loss_keep_their_digits_in_either_order():
    center = np.array([1.1, 2.2])

    def final(problem, dtype):
        return tw.run(problem, tw.methods.Newton(), steps=1, dtype=dtype).x.values[0, 0, 1]

    problem = tw.Problem(loss=lambda x: jnp.sum((x - center) ** 2), start=[0.0, 0.0])
    for dtype, exact in (("float32", 1e-6), ("float64", 1e-15), ("float32", 1e-6), ("float64", 1e-15)):
        np.testing.assert_allclose(final(problem, dtype), center, rtol=exact)


@pytest.mark.parametrize(
    "scheme", ["central", *(pytest.param(name, marks=pytest.mark.slow) for name in ("forward", "backward"))]
)
@pytest.mark.slow
def test_every_method_works_with_finite_differences(scheme):
    differences = tw.FiniteDifference(scheme=scheme)
    problem = tw.Problem(PBDL.stages[0], loss=PBDL.loss, start=[3.0, 3.0], derivatives=differences)
    methods = {**ON_CHAINS, **FIRST_ORDER}
    numeric, automatic = (tw.run(p, methods, steps=10, dtype="float64") for p in (problem, PBDL))
    np.testing.assert_allclose(numeric.x, automatic.x, rtol=1e-6 if scheme == "central" else 1e-3)
    assert np.abs(numeric.x - automatic.x).max() > 0


def test_interrupt_returns_what_is_done():
    problem, starts = tw.problems.rosenbrock(2), np.random.default_rng(0).uniform(-1, 1, (4096, 2))
    methods = {"GD": tw.methods.gradient_descent(1e-3), "Adam": tw.methods.adam(1e-2)}
    tw.run(problem, methods, starts, 10, every=2)  # compiled: the interrupt meets the steps
    timer = threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.perf_counter()
    trace = tw.run(problem, methods, starts, 10**7, every=10**5, progress=False)
    assert time.perf_counter() - began < 30
    rows = trace.sizes["step"]
    assert trace.attrs["interrupted"] == 1
    assert 1 <= rows < 101 and trace.step.values.tolist() == [10**5 * k for k in range(rows)]
    assert np.isfinite(trace.loss).all()
    np.testing.assert_allclose(trace.x[:, :, 0], np.broadcast_to(starts, (2, 4096, 2)), rtol=1e-6)


@pytest.mark.parametrize("verb", [tw.run, tw.solve])
def test_a_function_is_told_of_the_progress_and_may_end_it(verb):
    problem, told = tw.Problem(loss=lambda x: jnp.sum(x**2), start=[1.0, 2.0]), []
    endless = {"steps": 10**8, "every": 10**6} if verb is tw.run else {"max_steps": 10**8, "gtol": 0.0, "xtol": 0.0}

    def progress(done, total):
        told.append((done, total))
        return len(told) < 3

    method = tw.methods.gradient_descent(1e-12)
    found = verb(problem, method, np.ones((4, 2)), progress=progress, **endless)
    assert found.attrs["interrupted"] == 1
    assert len(told) == 3 and all(0 <= done < total for done, total in told)

    def broken(done, total):
        raise LookupError(done)

    with pytest.raises(LookupError):
        verb(problem, method, np.ones((4, 2)), progress=broken, **endless)


@pytest.mark.slow
def test_progress_bar_is_shown_when_asked_for(capsys):
    problem = tw.problems.rosenbrock(2)
    tw.run(problem, FIRST_ORDER["Adam"], np.zeros((4096, 2)), steps=300, progress=False)
    assert capsys.readouterr() == ("", "")
    tw.run(problem, FIRST_ORDER["Adam"], np.zeros((4096, 2)), steps=400_000, every=1000, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "steps" in err


@pytest.mark.parametrize("lanes", [pytest.param(2, marks=pytest.mark.slow), 40])
def test_fourier_transforms_run_in_lanes(lanes):
    """XLA's transforms on a CPU fail on the layout of lanes; a program that has any keeps another."""

    def forward(x):
        return jnp.fft.irfft(jnp.fft.rfft(x) * jnp.arange(5), 8)

    problem = tw.Problem(forward, loss=tw.SquaredError(1.0), start=np.arange(8.0))
    starts = np.random.default_rng(0).normal(size=(lanes, 8))
    trace = tw.run(problem, {"GD": tw.methods.gradient_descent(0.01), "Adam": tw.methods.adam(0.1)}, starts, steps=2)
    alone = [tw.run(problem, tw.methods.adam(0.1), start, steps=2).x.values[0, 0] for start in starts[:2]]
    np.testing.assert_allclose(trace.x[1, :2], alone, rtol=1e-5, atol=1e-6)
    fits = tw.solve(problem, tw.methods.LBFGS(), starts)
    assert (fits.outcome == 0).all()


@pytest.mark.slow
def test_a_run_records_the_spaces_that_are_asked_for():
    starts = np.random.default_rng(0).normal(size=(700, 2))
    call = functools.partial(tw.run, PBDL, FIRST_ORDER, starts, steps=1201, every=2)
    whole, loss = call(), call(spaces=["loss"])
    assert list(loss.data_vars) == ["loss"] and not {"x_dim", "y_dim"} & set(loss.dims)
    np.testing.assert_allclose(loss.loss, whole.loss, rtol=1e-6)  # other programs, with other roundings
    rare = call(spaces={"loss": 1, "x": 100}, record={"far": lambda problem, x: x[0]})
    assert list(rare.data_vars) == ["x", "loss", "far"] and rare.x.dims == ("variant", "start", "x_step", "x_dim")
    assert rare.x_step.values.tolist() == [0, 200, 400, 600, 800, 1000, 1200, 1201]
    np.testing.assert_allclose(rare.loss, whole.loss, rtol=1e-6)
    np.testing.assert_array_equal(rare.far, whole.x[..., 0])
    np.testing.assert_array_equal(rare.x, whole.x.sel(step=rare.x_step.values))
    for judge in tw.analysis.outcome, tw.analysis.distance:
        with pytest.raises(ValueError, match="has no x"):
            judge(loss, PBDL)
    for wrong, sentence in (["z"], "'z'.*x, y, loss"), ("loss", r"\['loss'\]"), ({"x": 0}, "'x'"), ([], "nothing"):
        with pytest.raises(ValueError, match=sentence):
            tw.run(PBDL, FIRST_ORDER, spaces=wrong)


def test_the_losses_of_a_large_problem_are_a_small_record():
    """Neither x nor its labels are held: of 200,000 components and 2,000 steps a few kilobytes are left."""
    problem = tw.Problem(loss=lambda x: jnp.sum(x**2), start=np.ones(200_000))
    trace = tw.run(problem, tw.methods.gradient_descent(1e-3), steps=2000, every=10, spaces={"loss": 1, "x": 1000})
    assert trace.x.shape == (1, 1, 2, 200_000) and trace.sizes["step"] == 201
    assert trace.nbytes < 4e6 and trace.x_dim.values[-1] == 199_999
    np.testing.assert_allclose(trace.loss.values[0, 0, -1], 200_000 * 0.998**4000, rtol=1e-3)
