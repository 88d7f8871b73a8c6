"""What ``test_devices`` checks where JAX sees eight devices; ``python eight_devices.py`` prints what became of each, as
JSON."""

import json
import re
import sys
import traceback
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import thalweg as tw
from thalweg.engine import program
from thalweg.engine.functions import _functions
from thalweg.engine.hardware import GPU

VERBS = [import_module(f"thalweg.verbs.{name}") for name in ("run", "solve")]
STARTS = np.random.default_rng(0).uniform(-2, 2, (600, 2))
COLLECTIVES = re.compile(r"all-(reduce|gather|to-all)|collective|reduce-scatter|partition-id|\b(send|recv)\(")


def on_one(verb, *arguments, **settings):
    """On the first device alone."""
    with jax.default_device(jax.devices()[0]):
        return verb(*arguments, **settings)


def same_bits(here, there):
    assert list(here.variables) == list(there.variables) and here.sizes == there.sizes
    for name in here.variables:
        np.testing.assert_array_equal(here[name].values, there[name].values, name)


def programs(problem):
    """All that were compiled for it."""
    return [
        made.result()
        for functions in _functions[problem]._made.values()
        for made in functions.result().programs._made.values()
    ]


@contextmanager
def watched():
    """What each call of a compiled program was given and gave."""
    calls, before = [], program.Program.call

    def call(self, function, *arguments):
        given = before(self, function, *arguments)
        calls.append((self, arguments, given))
        return given

    program.Program.call = call
    try:
        yield calls
    finally:
        program.Program.call = before


def check_paths_of_sweeps_and_observers():
    problem = tw.problems.rosenbrock(2)
    methods = {
        "Adam": tw.sweep(tw.methods.adam(0.1), learning_rate=[0.01, 0.1]),
        "Newton": tw.methods.Newton(0.5, 1e-3),
    }
    radius = lambda problem, x: jnp.sqrt(jnp.sum(x**2))  # noqa: E731
    for dtype in ("float32", "float64"):
        settings = {
            "steps": 13,
            "every": 3,
            "dtype": dtype,
            "record": {"radius": radius},
            "spaces": {"loss": 1, "x": 2},
        }
        same_bits(*(verb(tw.run, problem, methods, STARTS, **settings) for verb in (on_all, on_one)))
    assert {made.over.size for made in programs(problem)} == {1, 8}


def on_all(verb, *arguments, **settings):
    return verb(*arguments, **settings)


def check_every_device_has_work():
    problem = tw.problems.rosenbrock(2)
    with watched() as calls:
        tw.run(problem, tw.methods.gradient_descent(1e-3), STARTS, steps=3)
        for made, _, (_, out) in calls:
            assert made.over.size == 8
            ends = [np.asarray(shard.data) for shard in out["x"].addressable_shards]
            assert len({end.tobytes() for end in ends}) == 8 and len(out["x"].sharding.device_set) == 8
    with watched() as calls:
        tw.solve(problem, tw.methods.BFGS(), STARTS)
        taken = sum(np.asarray(given[3]) for _, _, given in calls)
        assert taken.shape == (8,) and taken.min() >= len(STARTS) // 16 and taken.sum() == len(STARTS)


def check_no_device_waits_for_another_in_a_loop():
    problem = tw.problems.rosenbrock(2)
    method = tw.methods.adam(1e-3)
    tw.run(problem, method, STARTS, steps=3)
    tw.solve(problem, method, STARTS, max_steps=3)
    for made in programs(problem):
        assert made.over.size == 8
        for function in (made.first, made.chunk):
            text = "" if function is None else function.as_text()
            assert not COLLECTIVES.search(text), COLLECTIVES.search(text)
            assert function is None or "num_partitions=8" in text


def check_a_record_that_stays_on_the_devices():
    problem = tw.problems.rosenbrock(2)
    sweep = tw.sweep(tw.methods.adam(0.1), learning_rate=np.geomspace(1e-3, 1e-1, 8))
    several = {"Adam": sweep, "Newton": tw.methods.Newton(0.5, 1e-3)}
    for methods, n, spec in ((several, 600, (None, "lanes")), (sweep, 601, ("lanes",)), (several, 63, (None, "lanes"))):
        settings = {"starts": np.resize(STARTS, (n, 2)), "steps": 40, "every": 3, "spaces": {"loss": 1, "x": 2}}
        here = tw.run(problem, methods, **settings, device=True)
        same_bits(here, on_one(tw.run, problem, methods, **settings))
        for name in ("x", "loss"):
            array = here[name].data
            shards = array.addressable_shards
            assert isinstance(array, jax.Array) and tuple(array.sharding.spec) == spec
            assert len(shards) == (7 if n == 63 else 8)
            assert {shard.data.size * len(shards) for shard in shards} == {array.size}


def check_minibatches():
    data = np.linspace(0.0, 1.0, 12)
    line = tw.Problem(
        lambda x, data: x[0] * data + x[1], loss=tw.SquaredError(1.0), start=[0.0, 0.0], data=data, batch_size=4
    )
    method = tw.sweep(tw.methods.adam(0.1), learning_rate=np.geomspace(1e-3, 1, 7))
    same_bits(*(verb(tw.run, line, method, STARTS, steps=9) for verb in (on_all, on_one)))
    assert {made.over.size for made in programs(line)} == {1, 8}


def check_answers_of_solve():
    problem = tw.problems.rosenbrock(2)
    methods = {"BFGS": tw.methods.BFGS(), "trust": tw.sweep(tw.methods.TrustRegion(), radius=[0.1, 1.0])}
    for dtype in ("float32", "float64"):
        same_bits(*(verb(tw.solve, problem, methods, STARTS, dtype=dtype) for verb in (on_all, on_one)))
    assert {made.over.size for made in programs(problem)} == {1, 8}


def decay(times):
    return tw.Problem(
        lambda p, y: p[0] * jnp.exp(-p[1] * times) - y, loss=tw.SquaredError(np.zeros(len(times))), start=[1.0, 1.0]
    )


def check_cases():
    times = np.linspace(0.0, 3.0, 9)
    truth = np.random.default_rng(1).uniform(0.5, 2.0, (600, 2, 1))
    cases = truth[:, 0] * np.exp(-truth[:, 1] * times)
    problem = decay(times)
    here, there = (verb(tw.solve, problem, tw.methods.LevenbergMarquardt(), cases=cases) for verb in (on_all, on_one))
    same_bits(here, there)
    np.testing.assert_allclose(here.x.values[0, :, 0], truth[..., 0], rtol=1e-6)
    assert {made.over.size for made in programs(problem)} == {1, 8}


def check_endless_starts_end_with_the_budget():
    problem = tw.problems.rosenbrock(2)
    endless = dict(gtol=1e-30, max_steps=10**9)
    tw.solve(problem, tw.methods.gradient_descent(1e-9), STARTS, max_steps=1)
    with watched() as calls:
        fits = tw.solve(problem, tw.methods.gradient_descent(1e-9), STARTS, max_seconds=1.0, **endless)
    assert (fits.outcome == tw.analysis.OUTCOMES.index("exhausted")).all()
    assert (fits.steps > 0).all() and fits.run_seconds < 5
    assert {made.over.size for made, *_ in calls} == {8}


def check_a_minimum_and_a_fit():
    rosen = lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)  # noqa: E731
    here, there = (verb(tw.minimize, rosen, [-1.2, 1.0, 2.0]) for verb in (on_all, on_one))
    assert here.x.tobytes() == there.x.tobytes() and here.nit == there.nit
    t = np.linspace(0.1, 4.0, 25)
    table = {"t": t, "y": 2.5 * np.exp(-1.3 * t) + 0.01 * np.sin(9 * t)}
    here, there = (verb(tw.fit, table, "a*exp(-k*t)", y="y") for verb in (on_all, on_one))
    same_bits(here.fits, there.fits)


def check_few_lanes_take_few_devices():
    problem = tw.problems.rosenbrock(2)
    tw.run(problem, tw.methods.gradient_descent(1e-3), STARTS[:3], steps=2)
    assert [made.over.size for made in programs(problem)] == [1]
    wide = tw.problems.quadratic(np.linspace(1.0, 2.0, 3000))
    trace = tw.run(wide, tw.methods.gradient_descent(0.1), np.ones((3, 3000)), steps=2)
    assert [made.over.size for made in programs(wide)] == [3]
    np.testing.assert_allclose(trace.x.values[0, :, 2], np.tile((1 - 0.1 * np.linspace(1, 2, 3000)) ** 2, (3, 1)), 1e-6)


def check_what_calls_python_or_lapack_takes_one_device():
    def host(x):
        shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
        return jax.pure_callback(lambda x: np.asarray(x), shape, jax.lax.stop_gradient(x), vmap_method="expand_dims")

    python = tw.Problem(loss=lambda x: jnp.sum((x - host(x) / 2) ** 2), start=[1.0, 1.0])
    trace = tw.run(python, tw.methods.gradient_descent(0.1), STARTS, steps=2)
    assert [made.over.size for made in programs(python)] == [1] and np.isfinite(trace.x.values).all()
    large = tw.problems.rosenbrock(12)
    starts = np.random.default_rng(0).uniform(-2, 2, (300, 12))
    fits = tw.solve(large, tw.methods.TrustRegion(), starts, max_steps=30)
    assert [(made.over.size, made.lapack) for made in programs(large)] == [(1, True)] and fits.sizes["start"] == 300


def check_the_device_that_a_person_has_set():
    problem, third = tw.problems.rosenbrock(2), jax.devices()[3]
    with jax.default_device(third), watched() as calls:
        several = [
            tw.methods.gradient_descent(1e-3),
            tw.methods.adam(1e-3),
        ]  # which are compiled on threads of their own
        tw.run(problem, several, STARTS, steps=2)
        tw.solve(problem, several, STARTS, max_steps=2)
    used = [given[1]["x"].sharding.device_set for _, _, given in calls]
    assert len(used) > 2 and all(devices == {third} for devices in used)


N = 1 << 17


def huge(start):
    """A problem whose components are coupled to their neighbors, of which each device has some."""
    weights = np.linspace(1.0, 3.0, N)
    return tw.Problem(
        loss=lambda x: jnp.sum(jnp.cosh(x) * weights + 0.1 * x**4) + 0.1 * jnp.sum(jnp.diff(x) ** 2), start=start
    )


HUGE = {
    "GD": tw.methods.gradient_descent(0.05),
    "Adam": tw.methods.adam(0.05),
    "LBFGS": tw.methods.LBFGS(),
    "trust": tw.methods.TrustRegion(),  # by conjugate gradients: no matrix
}


def check_components_stay_divided_as_the_start_was():
    where = NamedSharding(jax.make_mesh((8,), ("parts",)), P("parts"))
    start = np.linspace(-0.5, 1.5, N, dtype=np.float32)  # as JAX has it without float64
    divided, one = huge(jax.device_put(start, where)), huge(start)
    for name, method in HUGE.items():
        with watched() as calls:
            here = tw.run(divided, method, steps=6, every=2, dtype="float64")
        made, _, (lanes, out) = calls[-1]
        large = [leaf for leaf in jax.tree.leaves((lanes, out)) if leaf.size >= N]
        assert len(large) >= 2 and all(leaf.addressable_shards[0].data.size == leaf.size // 8 for leaf in large), name
        there = on_one(tw.run, one, method, steps=6, every=2, dtype="float64")
        np.testing.assert_allclose(here.x, there.x, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(here.loss, there.loss, rtol=1e-12)
        (alone,) = [known for known in programs(one) if known.of.stepper.name == made.of.stepper.name]
        few, many = made.chunk.memory_analysis(), alone.chunk.memory_analysis()
        assert few.argument_size_in_bytes <= many.argument_size_in_bytes / 7.9
        same_bits(here, tw.run(divided, method, steps=6, every=2, dtype="float64", device=True))
        one = huge(start)


def check_a_divided_record_and_answers():
    where = NamedSharding(jax.make_mesh((8,), ("parts",)), P(None, "parts"))
    start = np.linspace(-0.5, 1.5, N, dtype=np.float32)  # as JAX has it without float64
    problem, starts = huge(start), np.stack([start, -start])
    trace = tw.run(problem, HUGE["GD"], jax.device_put(starts, where), steps=3, dtype="float32", device=True)
    array = trace.x.data
    assert array.shape == (1, 2, 4, N) and {shard.data.shape for shard in array.addressable_shards} == {
        (1, 2, 4, N // 8)
    }
    np.testing.assert_allclose(trace.x.values, on_one(tw.run, problem, HUGE["GD"], starts, steps=3).x.values, rtol=1e-6)
    for name in ("GD", "LBFGS", "trust"):
        with watched() as calls:
            here = tw.solve(problem, HUGE[name], jax.device_put(starts, where), max_steps=12)
        assert {shard.data.size for shard in calls[-1][2][0].x.addressable_shards} == {N // 8}
        there = on_one(tw.solve, problem, HUGE[name], starts, max_steps=12)
        np.testing.assert_allclose(here.loss, there.loss, rtol=1e-12)
        np.testing.assert_allclose(here.x, there.x, atol=1e-8)  # near the minimum LBFGS divides differences of rounding
        np.testing.assert_array_equal(here.steps, there.steps)
        np.testing.assert_array_equal(here.outcome, there.outcome)


def check_what_is_not_finite_on_one_device_is_seen():
    """XLA's maximum over devices leaves NaN out."""
    start = jax.device_put(np.ones(800), NamedSharding(jax.make_mesh((8,), ("parts",)), P("parts")))
    kink = lambda x: jnp.sum(x**2) + jnp.sqrt((x[650] - 1) ** 2)  # noqa: E731
    problem = tw.Problem(loss=kink, start=start)
    assert np.isnan(problem.gradient(np.ones(800))).sum() == 1 and np.isfinite(problem.value(np.ones(800)))
    fits = tw.solve(problem, tw.methods.gradient_descent(0.1), max_steps=5)
    assert np.isnan(fits.gradient_norm.values[0, 0]) and fits.steps.values[0, 0] == 0
    assert fits.outcome.values[0, 0] == tw.analysis.OUTCOMES.index("stalled")


def check_loops_of_a_gpu():
    """Of static length, in tiles that narrow when few lanes are left on each device, as some starts have no end."""
    machine = replace(GPU, widest_recycled=64, narrowest=16, patience=1)
    slope = lambda x: jnp.where(x[0] > 10, -x[0], jnp.sum(x**2))  # noqa: E731
    starts = STARTS + np.where(np.arange(len(STARTS)) % 50 == 0, 20.0, 0.0)[:, None]
    problem, descent = tw.Problem(loss=slope, start=starts[0]), tw.methods.gradient_descent(0.05)
    before = [module.present for module in VERBS]
    try:
        for module in VERBS:
            module.present = lambda: machine
        for verb, settings in ((tw.run, {"steps": 21, "every": 2}), (tw.solve, {"max_steps": 700})):
            with watched() as calls:
                here = verb(problem, descent, starts, **settings)
            same_bits(here, on_one(verb, problem, descent, starts, **settings))
        assert {made.over.size for made, *_ in calls} == {8} and min(made.own for made, *_ in calls) < 64
    finally:
        for module, present in zip(VERBS, before, strict=True):
            module.present = present


CHECKS = {name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")}


def main(names):
    found = {}
    for name in names or CHECKS:
        try:
            CHECKS[name]()
            found[name] = ""
        except Exception:
            found[name] = traceback.format_exc()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
