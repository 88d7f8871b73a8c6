"""Loops whose length XLA knows, as a GPU wants them: how few programs they are, what they hold, and what they save."""

import dataclasses
import math
import re
from collections import Counter

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.engine import mesh, program, records
from thalweg.engine.hardware import CPU, GPU
from thalweg.engine.lanes import on_host, parts_on_host, sent
from thalweg.engine.schedule import calls
from thalweg.engine.traces import equations

GD = tw.methods.gradient_descent(0.25)
STARTS = np.random.default_rng(0).uniform(-2, 2, (64, 3))


@pytest.fixture
def made(monkeypatch):
    """What is compiled: (function, shapes, compiled), in the order in which it is asked for."""
    made, compiled = [], mesh.compiled

    def noted(f, options, *shapes):
        made.append((f, shapes, compiled(f, options, *shapes)))
        return made[-1][2]

    monkeypatch.setattr(mesh, "compiled", noted)
    return made


def quadratic():
    return tw.problems.quadratic([1.0, 2.0, 3.0])


def schedules():
    draw = np.random.default_rng(0)
    named = [
        (0, 0, 1),
        (1000, 0, 1),
        (1000, 0, 100),
        (1000, 800, 1),
        (7, 0, 3),
        (1, 0, 1),
        (5000, 0, 5000),
        (5000, 0, 1500),
    ]
    return named + [tuple(draw.integers((1, 0, 1), (4000, 300, 700))) for _ in range(100)]


@pytest.mark.parametrize("machine", [CPU, GPU], ids=["CPU", "GPU"])
def test_calls_reach_every_row_of_a_schedule_in_order(machine):
    for steps, since, every in schedules():
        schedule = np.unique(np.concatenate([[0], np.arange(since, steps, every), [steps]]))
        for rows in (1, 23, 500):
            at, reached, pairs = 0, [0], set()
            for n, stride, kept in calls(schedule, rows, machine):
                assert 1 <= n <= rows and n * stride <= machine.most_steps
                reached += [at + stride * (i + 1) for i in range(n)] if kept else []
                at, pairs = at + n * stride, pairs | {(n, stride)}
            assert reached == schedule.tolist()
            assert machine is CPU or len(pairs) <= 12  # six lengths of leaps, and six of rows


def test_a_long_run_takes_few_programs():
    def pairs(steps, every, rows=512):
        schedule = np.append(np.arange(0, steps, every), steps)
        return {call[:2] for call in calls(schedule, rows, GPU)}

    assert pairs(1000, 1) == {(512, 1), (128, 1), (32, 1), (8, 1)}
    assert pairs(1000, 1, rows=23) == {(16, 1), (4, 1)}
    assert pairs(1000, 100) == {(4, 100), (1, 100)}
    assert pairs(232, 1) < pairs(1000, 1)


@pytest.mark.slow
def test_programs_are_compiled_once_and_for_runs_of_other_lengths_too(on, made):
    problem = quadratic()
    on(GPU, tw.run, problem, GD, STARTS, steps=1000)
    assert len(made) == 5  # and one to begin
    on(GPU, tw.run, problem, GD, STARTS + 1, steps=1000)
    trace = on(GPU, tw.run, problem, GD, STARTS, steps=232)
    assert len(made) == 5
    np.testing.assert_allclose(trace.x[0], on(CPU, tw.run, problem, GD, STARTS, steps=232).x[0], rtol=1e-6, atol=1e-30)


def text(f, shapes):
    """What XLA is given."""
    return f.lower(*shapes).as_text()


def loops(f, shapes):
    return Counter(e.primitive.name for e in equations(f.trace(*shapes).jaxpr) if e.primitive.name in ("scan", "while"))


def moved(compiled):
    """Numbers of each array that a compiled program transposes or copies."""
    shapes = re.findall(r"= \w+\[([\d,]*)\]\{[\d,]*\} (?:transpose|copy)\(", compiled.as_text())
    return [math.prod(int(n) for n in shape.split(",") if n) for shape in shapes]


@pytest.mark.parametrize("every", [1, 10])
def test_loops_of_run_are_static_and_their_record_is_never_moved(every, on, made):
    rows = 32
    on(GPU, tw.run, quadratic(), tw.methods.adam(0.1), STARTS, steps=rows * every, every=every)
    _, (march, shapes, compiled) = made
    assert loops(march, shapes) == ({"scan": 1} if every == 1 else {"scan": 2})
    whiles = [line for line in compiled.as_text().splitlines() if " while(" in line]
    assert len(whiles) == 1 + (every > 1) and all("known_trip_count" in line for line in whiles)
    for f, s, _ in made:
        assert "LayoutConstraint" not in text(f, s) and "optimization_barrier" not in text(f, s)
    lanes = shapes[0].x.shape[0]
    assert max(moved(compiled)) < rows * lanes  # each row is turned, and not what they are gathered in


def test_only_the_loop_over_blocks_of_solve_asks_whether_to_go_on(on, made):
    on(GPU, tw.solve, tw.problems.rosenbrock(3), tw.methods.BFGS(), STARTS, dtype="float32")
    [(recycle, shapes, compiled)] = made
    assert loops(recycle, shapes) == {"while": 1, "scan": 1}
    whiles = [line for line in compiled.as_text().splitlines() if " while(" in line]
    assert [re.findall(r'known_trip_count":\{"n":"(\d+)"', line) for line in whiles if "known_trip" in line] == [["32"]]
    assert "LayoutConstraint" not in text(recycle, shapes)


def test_a_chunk_goes_home_while_the_next_is_stepped(on, monkeypatch):
    seen = []
    monkeypatch.setattr(records, "sent", lambda *a: (seen.append("sent"), sent(*a))[1])
    monkeypatch.setattr(records, "parts_on_host", lambda *a: (seen.append("home"), parts_on_host(*a))[1])
    trace = on(GPU, tw.run, quadratic(), GD, STARTS, steps=1024, spaces=["loss"])
    assert seen == ["sent", "sent", "home", "sent", "home", "home"]  # row 0, and twice 512
    assert trace.sizes["step"] == 1025


def test_what_is_sent_lies_in_pinned_memory():
    a = {"x": jnp.arange(6.0).reshape(2, 3)}
    assert sent(CPU, a) is a
    there = sent(GPU, a)["x"]
    assert there.sharding.memory_kind == "pinned_host"
    np.testing.assert_array_equal(on_host(GPU, there), a["x"])


def test_names_that_are_recorded_rarely_are_sent_as_rarely(on, monkeypatch):
    chunks = []
    monkeypatch.setattr(records, "sent", lambda hardware, arrays: (chunks.append(set(arrays)), arrays)[1])
    few = dataclasses.replace(GPU, most_steps=8)
    trace = on(few, tw.run, quadratic(), GD, STARTS, steps=64, spaces={"loss": 1, "x": 32})
    assert [names for names in chunks if "x" in names] == [{"loss", "x"}] * 3 and len(chunks) == 9
    whole = on(CPU, tw.run, quadratic(), GD, STARTS, steps=64)
    np.testing.assert_allclose(trace.x[0], whole.x[0, :, ::32], rtol=1e-6, atol=1e-30)


WIDE = dataclasses.replace(GPU, widest_recycled=512, narrowest=1 << 30, patience=2)
NARROWING = dataclasses.replace(WIDE, narrowest=32)


def endless(starts):
    """A bowl, and beyond x0 = 10 a slope without end."""
    return tw.Problem(loss=lambda x: jnp.where(x[0] > 10, -x[0], jnp.sum(x**2)), start=starts[0])


def with_endless(n):
    """Starts of which one in a thousand never ends."""
    starts = np.random.default_rng(0).uniform(-2, 2, (n, 3))
    starts[500::1000] += [20.0, 0.0, 0.0]
    return starts


@pytest.mark.slow
def test_a_tile_narrows_when_few_lanes_are_left_and_answers_are_the_same(on, made, monkeypatch):
    starts, steps, recycle, called = with_endless(2000), 3000, program.Program.recycle, []

    def noted(self, *arguments):
        result = recycle(self, *arguments)
        called.append((self.width, int(result[4]) * self.hardware.block))
        return result

    monkeypatch.setattr(program.Program, "recycle", noted)
    fits, spent, compiled = [], [], []
    for problem, machine in ((bowl := endless(starts), WIDE), (bowl := endless(starts), NARROWING), (bowl, NARROWING)):
        called.clear(), made.clear()
        fits.append(on(machine, tw.solve, problem, GD, starts, gtol=1e-6, max_steps=steps))
        spent.append(sum(width * taken for width, taken in called))
        compiled.append(len(made))
        assert {width for width, _ in called} == ({512} if machine is WIDE else {512, 32})
    assert (fits[0].outcome == tw.analysis.OUTCOMES.index("exhausted")).sum() == 2
    for other in fits[1:]:
        for name in fits[0].data_vars:
            np.testing.assert_array_equal(fits[0][name], other[name])  # sums of three go through the same instructions
    assert compiled == [1, 3, 0]  # the tile; the way into the narrow one, and that; nothing
    assert spent[0] > steps * 512 and max(spent[1:]) < steps * 32 + spent[0] / 4


def test_a_tile_that_is_stopped_after_it_narrowed_keeps_what_it_has(on):
    starts = with_endless(1000)
    problem = endless(starts)
    fits = on(NARROWING, tw.solve, problem, GD, starts, gtol=1e-6, max_steps=10**9, max_seconds=0.5)
    assert (fits.outcome == tw.analysis.OUTCOMES.index("exhausted")).sum() == 1
    assert fits.steps.max() > 1000 and np.isfinite(fits.loss).all()
