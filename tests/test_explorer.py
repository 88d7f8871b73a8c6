"""What is behind the page of ``thalweg explore``: its questions and answers, and what it refuses."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import thalweg as tw
from thalweg.web import page, server
from thalweg.web.bounds import HEAVY
from thalweg.web.desk import Desk
from thalweg.web.frame import framed, parted
from thalweg.web.panes import cut_through
from thalweg.web.scene import MOST_STEPS, Scene, address
from thalweg.web.shelf import Shelf, facts
from thalweg.web.worker import Worker
from thalweg.words.library import METHODS, PROBLEMS

PORT = 8000
HOST = {"host": f"127.0.0.1:{PORT}"}
OWN = {**HOST, "origin": f"http://127.0.0.1:{PORT}"}
STATE = {"problem": "pbdl", "methods": ["gradient_descent:learning_rate=0.05", "newton:learning_rate=0.3"], "steps": 8}


def go_on(done, total):
    return True


def asked(what, state=STATE, desk=None, **more):
    desk = desk or Desk(Shelf())
    return desk.questions[what](Scene.read(state), more, go_on)


def read(message: bytes):
    """A message as the script of the page reads it."""
    length = int.from_bytes(message[:4], "little")
    at = 4 + length
    arrays = {}

    def back(value):
        if isinstance(value, dict) and "array" in value:
            shape, dtype = value["shape"], np.dtype(value["dtype"])
            arrays[value["array"]] = (shape, dtype)
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
            back(one)

    header = json.loads(message[4:at])
    back(header)
    found = []
    for _, (shape, dtype) in sorted(arrays.items()):
        size = int(np.prod(shape)) * dtype.itemsize
        found.append(np.frombuffer(message[at : at + size], dtype).reshape(shape))
        at += -(-size // 8) * 8
    assert at == len(message)
    return header, found


class Page:
    """A page without a browser: a worker, and what it has sent."""

    def __init__(self, shelf=None):
        self.answers, self.here = [], threading.Condition()
        self.worker = Worker(Desk(shelf or Shelf()), self.take)

    def take(self, answer):
        with self.here:
            self.answers.append(answer)
            self.here.notify_all()

    def answer(self, number, seconds=60):
        """The last word on a question."""

        def last():
            return [one for one in self.answers if one["id"] == number and "progress" not in one]

        with self.here:
            assert self.here.wait_for(last, seconds), self.answers
        return last()[0]


@pytest.mark.slow
def test_paths_are_those_of_run():
    problem = tw.problems.pbdl()
    methods = {"gradient_descent": tw.methods.gradient_descent(0.05), "newton": tw.methods.Newton(0.3)}
    trace = tw.run(problem, methods, [[1.0, 2.0]], steps=8)
    view = asked("paths", {**STATE, "start": [1.0, 2.0]})
    assert view["variants"] == ["gradient_descent", "newton"]
    np.testing.assert_array_equal(view["panes"][0]["points"], trace.x.values[:, 0])
    np.testing.assert_array_equal(view["panes"][1]["points"], trace.y.values[:, 0])
    np.testing.assert_array_equal(view["loss"], trace.loss.values[:, 0])
    assert view["limits"][0] == 40.0 and np.isnan(view["limits"][1])
    table, frame = asked("table", {**STATE, "start": [1.0, 2.0]}), tw.analysis.table(trace, problem)
    assert table["columns"] == list(frame) and table["outcome"] == list(frame["outcome"])
    np.testing.assert_array_equal(table["final_loss"], frame["final_loss"])


def test_one_component_is_drawn_over_its_loss():
    state = {"problem": "x**4 - x**2", "methods": ["gradient_descent:learning_rate=0.05"], "start": [1.5], "steps": 20}
    view = asked("paths", state)
    x, loss = view["panes"][0]["points"][0].T
    np.testing.assert_allclose(loss, x**4 - x**2, rtol=1e-5, atol=1e-6)
    ground = asked("ground", state, box=[[-2, 2]])
    np.testing.assert_allclose(ground["loss"], ground["sides"][0] ** 4 - ground["sides"][0] ** 2, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_many_components_lie_on_a_plane_with_their_distance_from_it():
    state = {"problem": "rosenbrock:d=6", "methods": ["bfgs"], "steps": 60, "dtype": "float64"}
    desk = Desk(Shelf())
    view = asked("paths", state, desk)
    problem = tw.problems.rosenbrock(6)
    x = tw.run(problem, tw.methods.BFGS(), steps=60, dtype="float64").x.values[0, 0]
    on, off = view["panes"][0]["points"][0], view["panes"][0]["off"][0]
    far = np.linalg.norm(x - np.ones(6), axis=1)
    np.testing.assert_allclose(np.hypot(np.linalg.norm(on, axis=1), off), far, rtol=1e-9, atol=1e-9)  # Pythagoras
    assert off[0] < 1e-9 and abs(on[0, 1]) < 1e-9 and off.max() > 0.01  # the start lies in the plane
    ground = asked("ground", state, desk, box=[[-1, 2], [-1, 1]])
    i, j = 40, 77
    place = [ground["sides"][0][j], ground["sides"][1][i]]
    told = asked("facts", state, desk, at=place)
    np.testing.assert_allclose(told["loss"], ground["loss"][i, j], rtol=1e-4)
    np.testing.assert_allclose(told["loss"], float(problem.value(told["x"])), rtol=1e-5)


def test_a_plane_of_straight_ways_has_two_axes_at_right_angles():
    problem = tw.problems.quadratic([1.0, 2.0, 3.0])
    start = np.array([1.0, 0.0, 0.0])
    cut = cut_through(problem, start, np.linspace(start, np.zeros(3), 5))
    np.testing.assert_allclose(cut.axes @ cut.axes.T, np.eye(2), atol=1e-12)


def test_what_stands_under_the_pointer():
    value, gradient, curvature = facts(tw.problems.quadratic([1.0, 4.0]), np.array([3.0, 1.0]))
    assert (value, gradient.tolist(), curvature) == (6.5, [3.0, 4.0], 4.0)


NEEDED = {
    "quadratic": "quadratic:spectrum=1;4",
    "polynomial": "polynomial:coefficients=1;0;-2;0",
    "heat": "heat:size=16",
    "poisson": "poisson:size=8",
}


@pytest.mark.parametrize("name", sorted(set(PROBLEMS) - set(HEAVY)))
def test_every_problem_of_the_library_is_described(name):
    word = NEEDED.get(name, name)
    view = asked("problem", {"problem": word, "methods": ["bfgs"]})
    assert view["dimension"] == len(view["start"]) and view["panes"][0]["space"] == "x"
    framed({"id": 0, "view": view})


@pytest.mark.parametrize(
    ("problem", "methods", "more"),
    [
        ("pbdl", ["gradient_descent:learning_rate=0.1;0.2", "newton:learning_rate=1/3"], {"start": [1.0, -2.0]}),
        ("rosenbrock:d=3", ["adam:learning_rate=geom(1e-3,1e-1,3)", "lbfgs:memory=4"], {"key": 3}),
        ("x**2 + 0.5*sin(30*x)", ["metropolis:temperature=0.1,width=0.2"], {"key": 1, "dtype": "float64"}),
        ("exponential", ["inverse_simulator:learning_rate=0.3", "jacobian_power:learning_rate=0.1"], {}),
    ],
)
def test_the_code_makes_what_is_shown(problem, methods, more, capsys):
    state = {"problem": problem, "methods": methods, "steps": 5, **more}
    desk = Desk(Shelf())
    made: dict = {}
    exec(asked("code", state, desk)["text"], made)
    trace = desk.trace(Scene.read(state), go_on)
    np.testing.assert_array_equal(made["trace"].x.values, trace.x.values)
    assert list(made["trace"].variant.values) == list(trace.variant.values)


@pytest.mark.slow
def test_the_file_is_the_trace(tmp_path):
    import xarray as xr

    file = tmp_path / "trace.nc"
    file.write_bytes(asked("file")["bytes"].tobytes())
    with xr.open_dataset(file, engine="h5netcdf") as trace:
        np.testing.assert_array_equal(trace.x.values[:, 0], asked("paths")["panes"][0]["points"].astype("float32"))


@pytest.mark.slow
def test_no_value_of_a_number_compiles_anew(compiled):
    desk = Desk(Shelf())
    asked("paths", STATE, desk)
    asked("table", STATE, desk)
    asked("ground", STATE, desk, box=[[-4, 4], [-4, 4]])
    before = len(compiled)
    other = {
        **STATE,
        "methods": ["gradient_descent:learning_rate=0.013", "newton:learning_rate=0.7"],
        "start": [2.0, 1.0],
    }
    asked("paths", other, desk)
    asked("table", other, desk)
    asked("ground", other, desk, box=[[-3, 1], [-2, 4]])
    assert len(compiled) == before


def test_the_address_is_the_state():
    scene = Scene.read({**STATE, "start": [0.5, -1e-9]})
    assert address(scene) == (
        "#problem=pbdl&method=gradient_descent%3Alearning_rate%3D0.05&method=newton%3Alearning_rate%3D0.3"
        "&start=0.5%2C-1e-09&steps=8"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"problem": 3}, "problem is 3"),
        ({"problem": "x" * 2001}, "text of 1 to 2000"),
        ({"problem": "__import__('os').system('true')"}, "column"),
        ({"problem": "(lambda: 0)()"}, "column"),
        ({"problem": "/etc/passwd"}, "column"),
        ({"problem": "file.py:loss"}, "column"),
        ({"problem": "Misra1a.dat"}, "column"),
        ({"problem": "rosenbrock:d=1000000"}, "up to 2000"),
        ({"problem": "rosenbrock:d=1e12"}, "up to 2000"),
        ({"problem": "rosenbrock:d=99999*99999"}, "up to 2000"),
        ({"problem": "quadratic:spectrum=geom(1,2,60000)"}, "60000 values"),
        ({"problem": "navier_stokes:size=10000"}, "up to 44"),
        ({"methods": ["adam:learning_rate=geom(1e-4,1,30000),b1=geom(0.1,0.9,30000)"]}, "900000000 values"),
        ({"methods": ["cmaes:width=1,generations=1e6,population=100"]}, "generations of cmaes"),
        ({"methods": ["genetic:population=2e7"]}, "population of genetic"),
        ({"problem": "cutest:name=ROSENBR"}, "thalweg run"),
        ({"methods": []}, "list of 1 to 12"),
        ({"methods": ["adam:learning_rate=0.1"] * 13}, "list of 1 to 12"),
        ({"methods": ["admm"]}, "admm"),
        ({"methods": ["adam:learning_rate=geom(1e-3,1,65)"]}, "65 values"),
        ({"methods": ["adam:learning_rate=open('x')"]}, "learning_rate"),
        ({"start": [1.0]}, "1 numbers"),
        ({"start": ["a", 2]}, "start is 'a'"),
        ({"start": [float("nan"), 1.0]}, "finite"),
        ({"steps": 0}, "from 1 to 20000"),
        ({"steps": True}, "from 1 to 20000"),
        ({"steps": MOST_STEPS, "problem": "rosenbrock:d=2000"}, "give at most"),
        ({"dtype": "object"}, "float32 or float64"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_compiles(change, said, compiled):
    before = len(compiled)
    page = Page()
    page.worker.ask({"id": 1, "ask": "paths", "state": {**STATE, **change}})
    refused = page.answer(1)["refused"]
    assert said in refused and "\n" not in refused
    assert len(compiled) == before


@pytest.mark.parametrize(
    "message",
    [None, 7, "x", [], {}, {"id": "1"}, {"id": -1, "ask": "paths"}, {"id": 1, "ask": "eval"}, {"id": 1, "ask": 3},
     {"id": 1, "ask": "paths"}, {"id": 1, "ask": "paths", "state": []}, {"id": 1, "ask": "paths", "slot": "x" * 50},
     {"id": 1, "ask": "ground", "state": STATE, "pane": 9},
     {"id": 1, "ask": "ground", "state": STATE, "box": [[1, 0], [0, 1]]},
     {"id": 1, "ask": "facts", "state": STATE, "at": [1]}, {"id": 1, "ask": "facts", "state": STATE, "at": "x"}],
)  # fmt: skip
def test_a_message_that_is_none_is_told_so(message):
    page = Page()
    page.worker.ask(message)
    number = message.get("id") if isinstance(message, dict) and isinstance(message.get("id"), int) else None
    assert "refused" in page.answer(number)


def endless(progress=None):
    return {"problem": "slow", "methods": ["gradient_descent:learning_rate=1e-9"], "steps": MOST_STEPS}


@pytest.fixture(scope="module")
def slow():
    """A shelf with a problem whose steps take a millisecond."""

    def loss(x):
        return jax.lax.fori_loop(0, 300, lambda i, s: jax.numpy.sin(s), jax.numpy.sum(x**2))

    shelf = Shelf({"slow": tw.Problem(loss=loss, start=[1.0, 1.0], derivatives=tw.FiniteDifference(), name="slow")})
    page = Page(shelf)
    page.worker.ask({"id": 0, "ask": "paths", "state": {**endless(), "steps": 2}})
    assert "view" in page.answer(0)
    return shelf


def test_long_work_tells_how_far_it_is_and_can_be_stopped(slow):
    page = Page(slow)
    page.worker.ask({"id": 1, "ask": "paths", "state": endless()})
    with page.here:
        assert page.here.wait_for(lambda: page.answers, 30)
    done, total = page.answers[0]["progress"]
    assert 0 <= done < total == MOST_STEPS
    began = time.monotonic()
    page.worker.ask({"stop": True})
    assert page.answer(1).get("stopped") is True
    assert time.monotonic() - began < 5


def test_a_new_question_takes_the_place_of_an_old_one(slow):
    page = Page(slow)
    for number in range(1, 6):
        page.worker.ask({"id": number, "ask": "paths", "state": {**endless(), "key": number}})
        time.sleep(0.02)
    page.worker.ask({"id": 6, "ask": "paths", "state": {**endless(), "steps": 3}})
    assert page.answer(6)["view"]["loss"].shape == (1, 4)
    for number in range(1, 6):
        assert page.answer(number).get("stopped") is True


def test_an_error_of_a_function_is_told_and_the_page_goes_on(capfd):
    def host(x):
        raise LookupError("nothing there")

    def broken(x):
        return jax.pure_callback(host, jax.ShapeDtypeStruct((), x.dtype), x, vmap_method="sequential")

    page = Page(
        Shelf({"broken": tw.Problem(loss=broken, start=[1.0], derivatives=tw.FiniteDifference(), name="broken")})
    )
    page.worker.ask({"id": 1, "ask": "paths", "state": {**STATE, "problem": "broken", "methods": ["bfgs"]}})
    answer = page.answer(1)
    assert "nothing there" in (answer.get("failed") or answer.get("refused"))
    page.worker.ask({"id": 2, "ask": "problem", "state": STATE})
    assert "view" in page.answer(2)


def test_messages_hold_numbers_as_they_are():
    sent = {"id": 3, "view": {"a": np.array([[1.5, np.nan]], "float32"), "b": [np.arange(3), np.float64("inf") * 1.0],
                              "c": {"d": float("nan"), "e": "é"}, "none": None, "empty": np.zeros((0, 2))}}  # fmt: skip
    header, arrays = read(framed(sent))
    np.testing.assert_array_equal(arrays[0], sent["view"]["a"])
    np.testing.assert_array_equal(arrays[1], [0, 1, 2])
    assert arrays[2].shape == (0, 2)
    assert header["view"]["c"] == {"d": {"number": "nan"}, "e": "é"} and header["view"]["b"][1] == {"number": "inf"}
    assert parted(sent)[0] == header


@pytest.fixture(scope="module")
def client():
    with TestClient(server.application(PORT), base_url=f"http://127.0.0.1:{PORT}") as one:
        yield one


@pytest.mark.parametrize("place", ["/", "/explorer.js", "/explorer.css", "/plotly.js", "/start.js"])
def test_the_page_allows_nothing_from_elsewhere(client, place):
    answer = client.get(place)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy and "http:" not in policy
    if place != "/plotly.js":
        assert "http://" not in answer.text.replace("http://www.w3.org", "") and "https://" not in answer.text


@pytest.mark.parametrize("place", ["/../pyproject.toml", "/static/explorer.js", "/%2e%2e/secret", "/live", "/x"])
def test_nothing_else_is_served(client, place):
    assert client.get(place).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"host": "evil.example:8000"}, {"host": "127.0.0.1"}, {"host": "127.0.0.1:1"},
     {"host": ""}, {**HOST, "origin": "http://evil.example"}, {**HOST, "origin": "null"}],
)  # fmt: skip
def test_another_name_or_page_is_turned_away(client, headers):
    assert client.get("/", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [HOST, {**HOST, "origin": "http://evil.example"}, {**HOST, "origin": "null"}, {**HOST, "origin": "https://127.0.0.1:8000"},
     {**OWN, "host": "evil.example:8000"}, {**HOST, "origin": "http://127.0.0.1:8001"}],
)  # fmt: skip
def test_the_wire_answers_its_own_page_alone(client, headers):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", headers=headers) as wire:
        wire.receive_bytes()


def test_the_wire_answers(client):
    with client.websocket_connect("/live", headers=OWN) as wire:
        wire.send_text(json.dumps({"id": 5, "ask": "problem", "state": STATE}))
        header, arrays = read(wire.receive_bytes())
        assert header["id"] == 5 and header["view"]["name"] == "pbdl"
        np.testing.assert_array_equal(arrays[0], [3.0, 3.0])
        wire.send_text(json.dumps({"id": 6, "ask": "paths", "state": {**STATE, "problem": "x.__class__"}}))
        assert "refused" in read(wire.receive_bytes())[0]


def test_so_many_pages_and_no_more(client):
    with ExitStack() as open_pages:
        for _ in range(server.PAGES):
            open_pages.enter_context(client.websocket_connect("/live", headers=OWN))
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", headers=OWN) as one:
            one.receive_bytes()
    with client.websocket_connect("/live", headers=OWN) as wire:
        wire.send_text("{}")
        assert "refused" in read(wire.receive_bytes())[0]


def test_who_sends_nothing_but_noise_is_shut_out(client):
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live", headers=OWN) as wire:
        for _ in range(server.WRONG + 1):
            wire.send_bytes(b"\x00")
            wire.receive_bytes()


def test_a_page_that_vanishes_leaves_no_work_behind(slow):
    app = server.application(PORT, slow.own)
    with TestClient(app, base_url=f"http://127.0.0.1:{PORT}") as client:
        with client.websocket_connect("/live", headers=OWN) as wire:
            wire.send_text(json.dumps({"id": 1, "ask": "paths", "state": endless()}))
            assert "progress" in read(wire.receive_bytes())[0]
        with client.websocket_connect("/live", headers=OWN) as wire:
            wire.send_text(json.dumps({"id": 2, "ask": "paths", "state": {**endless(), "steps": 3}}))
            header = {}
            while "view" not in header:
                header, _ = read(wire.receive_bytes())
                assert header["id"] == 2


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["adam", "x**2", "paths"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
WORDS = st.sampled_from(sorted(METHODS)).flatmap(lambda name: st.text(max_size=12).map(lambda rest: f"{name}:{rest}"))
STATES = st.fixed_dictionaries(
    {},
    optional={
        "problem": st.sampled_from(["pbdl", "x", "rosenbrock:d=3"]) | st.text(max_size=40) | VALUES,
        "methods": st.lists(st.sampled_from(["bfgs", "adam:learning_rate=0.1"]) | WORDS | VALUES, max_size=3) | VALUES,
        "start": st.lists(st.floats(), max_size=3) | VALUES,
        "steps": st.integers(-2, 30) | VALUES,
        "key": VALUES,
        "dtype": VALUES,
    },
)
MESSAGES = VALUES | st.fixed_dictionaries(
    {"id": st.just(1)},
    optional={
        "ask": st.sampled_from(["problem", "paths", "ground", "facts", "table", "code"]) | VALUES,
        "state": st.just(STATE) | STATES | VALUES,
        "pane": st.integers(-1, 3) | VALUES,
        "box": st.lists(st.lists(st.floats(), max_size=3), max_size=3) | VALUES,
        "at": st.lists(st.floats(), max_size=3) | VALUES,
        "slot": VALUES,
    },
)


def answered(message):
    """What a page gets for anything, and that it can be sent."""
    page = Page(SHELF)
    page.worker.ask(message)
    if isinstance(message, dict) and message.get("stop") is True:
        return {"stopped": True}
    number = message.get("id") if isinstance(message, dict) and isinstance(message.get("id"), int) else None
    answer = page.answer(number, 120)
    framed(answer)
    return answer


SHELF = Shelf()


@pytest.mark.slow
@settings(max_examples=150, deadline=None, derandomize=True)
@given(MESSAGES)
def test_no_message_breaks_the_page(message):
    assert answered(message).keys() & {"view", "refused", "stopped"}


@pytest.mark.exhaustive
@settings(max_examples=10_000, deadline=None, derandomize=True)
@given(MESSAGES)
def test_ten_thousand_messages_do_not_break_the_page(message):
    assert answered(message).keys() & {"view", "refused", "stopped"}


def test_the_command_serves_the_page_until_it_is_told_to_end():
    words = [sys.executable, "-m", "thalweg.command.cli", "explore", "rosenbrock", "bfgs", "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        said = running.stdout.readline()
        where = re.search(r"http://127\.0\.0\.1:\d+/", said)[0]
        with urllib.request.urlopen(where) as answer:
            assert "#problem=rosenbrock&amp;method=bfgs" in answer.read().decode()
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (0, "", "")


def test_names_of_the_scripts_are_unique():
    names = re.findall(r"^(?:async )?(?:class|function|const|let) (\w+)", page.script(), re.M)
    assert sorted(names) == sorted(set(names)) and len(names) > 100


def test_palette_is_that_of_the_figures():
    from thalweg.plot.style import PALETTE

    assert all(f'"{color}"' in page.script() for color in PALETTE)


def test_a_word_says_a_method_of_python():
    shown = tw.explore(tw.problems.pbdl(), [tw.methods.adam(0.1), "newton"], start=[1.0, 2.0], steps=7)
    assert shown.address == "#problem=pbdl&method=adam%3Alearning_rate%3D0.1&method=newton&start=1.0%2C2.0&steps=7"
    with pytest.raises(ValueError, match="no word says"):
        tw.explore(
            "pbdl",
            tw.methods.from_optax(lambda learning_rate: __import__("optax").sgd(learning_rate), learning_rate=0.1),
        )
