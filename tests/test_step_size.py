"""The step size of the page: what Python answers, and what a person sees and does in a browser."""

import contextlib
import re
import time

import numpy as np
import pytest

import thalweg as tw
from thalweg import analysis

pytest.importorskip("uvicorn")
from thalweg.web.desk import Desk
from thalweg.web.scene import Scene
from thalweg.web.shelf import Shelf
from thalweg.web.step_sizes import GRID, MOST_VALUES, NUMBERS, usual

GD = "gradient_descent:learning_rate=0.1"
WHOLE = {"method": 0, "parameter": "learning_rate", "low": 0.2, "high": 0.5, "values": 60, "steps": 300, "keep": 40}


@pytest.fixture(scope="module")
def desk():
    return Desk(Shelf())


@pytest.fixture
def ask(desk):
    """An answer of the page about a problem and the words of its methods."""

    def ask(what, problem="double_well", methods=(GD,), tell=lambda done, total: True, start=None, **more):
        scene = Scene.read({"problem": problem, "methods": list(methods), "start": start, "steps": 60})
        return desk.questions[what](scene, {**WHOLE, **more}, tell)

    return ask


def test_the_diagram_has_the_iterates_of_the_analysis(ask):
    view = ask("bifurcation")
    rates = np.linspace(0.2, 0.5, 60)
    method = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=rates)
    found = analysis.bifurcation(tw.problems.double_well(), method, None, 300, 40, dtype="float32")
    np.testing.assert_array_equal(view["values"], rates)
    np.testing.assert_array_equal(view["points"], found["x"].values[..., 0])
    np.testing.assert_array_equal(view["loss"], found["loss"].values[:, -1])
    np.testing.assert_array_equal(view["period"], found["period"].values)
    low, high = view["frame"]
    assert -2 < low < -1 and 1 < high < 2  # what runs away is no part of it
    loss = ask("bifurcation", component=1)
    assert loss["label"] == "loss"
    np.testing.assert_array_equal(loss["points"], found["loss"].values)


def test_the_limit_is_where_gradient_descent_loses_its_minimum(ask):
    view = ask("bifurcation")
    assert view["where"] == "the minimum" and view["curvature"] == pytest.approx(8)
    assert view["limits"] == [pytest.approx(2 / 8, rel=1e-12)]
    rests = view["period"] == 1
    assert rests[view["values"] < 0.24].all() and not rests[view["values"] > 0.26].any()
    heavy = ask("bifurcation", methods=["momentum:learning_rate=0.1,momentum=0.5"])
    assert heavy["limits"] == [pytest.approx(2 * 1.5 / 8, rel=1e-12)]
    by_momentum = {"parameter": "momentum", "low": 0.0, "high": 0.99}
    heavy = ask("bifurcation", methods=["momentum:learning_rate=0.3,momentum=0.5"], **by_momentum)
    assert heavy["limits"] == [pytest.approx(0.2, rel=1e-12)]  # 2 (1 + m) / 0.3 = 8


def test_a_path_that_another_component_loses_is_not_drawn(ask):
    view = ask("bifurcation", "pbdl", low=0.04, high=0.5, steps=1000)
    lost = ~np.isfinite(view["loss"])
    assert lost.any() and not lost.all()
    assert np.isnan(view["points"][lost, -1]).all() and np.isfinite(view["points"][~lost, -1]).all()


def test_without_known_minima_the_limit_is_at_the_lowest_end(ask):
    view = ask("bifurcation", "x**4/4 - x**2/2", start=[0.3], low=0.8, high=2.2)
    assert view["where"] == "the lowest end" and view["limits"] == [pytest.approx(1, rel=1e-4)]


@pytest.mark.parametrize(
    "method, says", [("adam:learning_rate=0.1", "depends on its state"), ("newton", "no limit of")]
)
def test_a_method_without_a_limit_says_why(ask, method, says):
    view = ask("bifurcation", methods=[method])
    assert view["limits"] == [] and says in view["says"]
    assert np.isfinite(view["points"]).any()


def test_the_exponents_are_those_of_the_analysis(ask):
    view = ask("lyapunov", steps=500)
    method = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=np.linspace(0.2, 0.5, 60))
    found = analysis.lyapunov(tw.problems.double_well(), method, None, 500, copies=4, dtype="float32")
    np.testing.assert_array_equal(view["exponent"], found.values[:, 0])
    assert view["exponent"][0] < 0 < np.nanmax(view["exponent"]) < 1.2


def test_where_no_exponent_can_be_had_a_sentence_says_why(ask, monkeypatch):
    def refuse(*given, **more):
        raise TypeError("no derivative of this step")

    monkeypatch.setattr(analysis, "lyapunov", refuse)
    view = ask("lyapunov")
    assert view["exponent"].size == 0 and view["says"] == "No exponent: no derivative of this step"


def test_the_map_over_the_start_has_the_losses_of_run(ask):
    view = ask("losses", second="start", low2=-1.5, high2=1.5, steps=50)
    rates, starts = np.linspace(0.2, 0.5, GRID), np.linspace(-1.5, 1.5, GRID)
    method = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=rates[[0, 40]])
    loss = tw.run(tw.problems.double_well(), method, starts[[3, 90], None], 50, dtype="float32")["loss"].values
    assert view["loss"].shape == (GRID, GRID)
    np.testing.assert_allclose(view["loss"][np.ix_([3, 90], [0, 40])], loss[..., -1].T, rtol=1e-6)
    assert view["lowest"] == pytest.approx(-1)


def test_the_map_over_two_numbers_has_the_losses_of_run(ask):
    heavy = "momentum:learning_rate=0.1,momentum=0.9"
    view = ask("losses", methods=[heavy], low=0.001, high=0.1, second="momentum", low2=0.0, high2=0.9, steps=50)
    rates, momenta = np.geomspace(0.001, 0.1, GRID), np.linspace(0, 0.9, GRID)
    for row, column in [(0, 95), (70, 20)]:
        one = tw.methods.momentum(rates[column], momenta[row])
        loss = tw.run(tw.problems.double_well(), one, steps=50, dtype="float32")["loss"].values[0, 0, -1]
        assert view["loss"][row, column] == pytest.approx(loss, rel=1e-5)
    assert view["logs"] == [True, False]


def test_what_a_method_has_and_where_it_is_looked_at_first(ask):
    view = ask("numbers", methods=["momentum:learning_rate=0.2,momentum=0.9"])
    assert view["names"][:2] == ["learning_rate", "momentum"] and view["values"][:2] == [0.2, 0.9]
    assert view["ranges"][:2] == [[0.002, 2.0], [0.0, 1.0]] and view["starts"] == [-2.0, 2.0]
    assert ask("numbers", methods=["gradient_descent:learning_rate=0.1;0.2"])["values"] == [0.1]
    assert usual("learning_rate", 0.7) == [0.007, 7.0] and usual("damping", 0.0) == [0.0, 1.0]


REFUSED = {
    "upside down": ({"low": 0.5, "high": 0.2}, "the range of learning_rate is 0.5 to 0.2, but it goes up"),
    "no number": ({"low": "x"}, "the range of learning_rate is 'x', but it must be a finite number"),
    "infinite": ({"high": float("inf")}, "must be a finite number"),
    "many values": ({"values": MOST_VALUES + 1}, f"values is {MOST_VALUES + 1}, but it is a whole number from 3 to"),
    "many steps": ({"steps": 20_001}, "steps is 20001, but it is a whole number from 1 to 20000"),
    "values by steps": ({"values": 4000, "steps": 20_001, "keep": 1}, "from 1 to 20000"),
    "keep more": ({"keep": 301}, "the iterates kept is 301, but it is a whole number from 1 to 300"),
    "fraction of a step": ({"steps": 2.5}, "steps is 2.5, but it is a whole number"),
    "another number": ({"parameter": "momentun"}, "momentun"),
    "another method": ({"method": 1}, "method is 1, but it is a whole number from 0 to 0"),
    "another component": ({"component": 2}, "component is 2, but it is a whole number from 0 to 1"),
    "start": ({"start": [1.0, 2.0]}, "start has 2 numbers, but x of 'double_well(a=1, b=2)' has 1"),
}


@pytest.mark.parametrize("more, sentence", REFUSED.values(), ids=REFUSED)
def test_what_a_page_sends_is_refused_in_a_sentence(ask, compiled, more, sentence):
    before = len(compiled)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ask("bifurcation", **more)
    assert len(compiled) == before


def test_several_values_of_another_number_are_refused(ask):
    with pytest.raises(ValueError, match="momentum of momentum has several values, but only learning_rate takes many"):
        ask("bifurcation", methods=["momentum:learning_rate=0.1,momentum=0.8;0.9"])
    with pytest.raises(ValueError, match="the second axis is 'learning_rate', which the first one is"):
        ask("losses", second="learning_rate", low2=0.1, high2=1.0)


@pytest.mark.slow
def test_many_components_are_looked_at_in_what_fits(ask):
    view = ask("bifurcation", "rosenbrock:d=500", low=1e-6, high=1e-5, values=100, steps=None, keep=None)
    assert view["keep"] * 100 * 501 <= NUMBERS and view["steps"] == 1000 and view["keep"] == 99
    with pytest.raises(ValueError, match="from 1 to 99; give one"):
        ask("bifurcation", "rosenbrock:d=500", low=1e-6, high=1e-5, values=100, keep=100)


def test_another_range_or_component_compiles_nothing(ask, compiled):
    more = {"second": "start", "low2": -1.0, "high2": 1.0}
    for what in ("bifurcation", "lyapunov", "losses"):
        ask(what, **more)
    before = len(compiled)
    for what in ("bifurcation", "lyapunov", "losses"):
        ask(what, **{**more, "low": 0.03, "high": 0.4})
        ask(what, methods=["gradient_descent:learning_rate=0.3"], **{**more, "low2": -1.2})
    ask("bifurcation", component=1)
    assert len(compiled) == before


@pytest.mark.slow
@pytest.mark.parametrize("what", ["bifurcation", "lyapunov", "losses"])
def test_a_page_can_end_it(ask, what, monkeypatch):
    monkeypatch.setattr("thalweg.engine.shards.TELL", 0.001)  # or all may be done before anyone is asked
    told = []

    def no(done, total):
        told.append((done, total))
        return False

    adam, long = ["adam:learning_rate=0.1"], {"low": 0.1, "high": 0.2, "values": 1000, "steps": 15_000, "keep": 1}
    # Before there is a first row nothing is returned, and a page says that it was stopped.
    with contextlib.suppress(KeyboardInterrupt):
        assert ask(what, "rosenbrock:d=10", adam, tell=no, second="start", low2=0, high2=1, **long)["interrupted"]
    assert told and told[0][0] < told[0][1]


def test_a_flag_of_a_method_is_no_number_and_asks_anew(ask):
    plain = ask("bifurcation", "rugged", ("newton",), low=0.3, high=1.0)
    other = ask("bifurcation", "rugged", ("newton:saddle_free=true",), low=0.3, high=1.0)
    assert not np.array_equal(plain["points"], other["points"], equal_nan=True)


# In a browser.


@pytest.fixture
def sized(address, chromium):
    """A page opened at the part of an address, when it is drawn; no page may tell of an error."""
    wrong, pages = [], []

    def open_at(state, width=1280):
        page = chromium.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(address + state)
        page.wait_for_selector("[data-ready]", timeout=60_000)
        pages.append(page)
        return page

    yield open_at
    for page in pages:
        page.close()
    assert wrong == []


def again(page, act):
    """Act, and wait until what it asked for is drawn."""
    ready = page.get_attribute("#thalweg", "data-ready")
    act()
    page.wait_for_selector(f'#thalweg:not([data-ready="{ready}"])', timeout=60_000)


def tab(page, rest):
    return page.evaluate(f"document.querySelector('#thalweg').explorer.tabs.get('step size').{rest}")


WELL = f"#problem=double_well&method={GD}&tab=step size&of.size.range=0.2,0.5&of.size.parameter=learning_rate"


@pytest.mark.browser
def test_a_thousand_values_are_drawn_and_one_is_taken_over(sized):
    page = sized(WELL)
    assert tab(page, "diagram.view.values.length") == 1000
    began = time.perf_counter()
    again(page, lambda: page.fill("#size-low", "0.21") or page.press("#size-low", "Enter"))
    assert time.perf_counter() - began < 3
    drawn = "diagram.image.getContext('2d').getImageData(0, 0, 400, 200).data.filter((v, i) => i % 4 === 3 && v).length"
    assert tab(page, drawn) > 1000
    assert page.get_by_text("the method's limit is the sharpness at the minimum, 8").is_visible()
    canvas = page.locator(".strips canvas")
    box = canvas.bounding_box()
    at = {"x": box["width"] * 0.6, "y": 100}
    canvas.hover(position=at)
    assert re.search(r"η = 0\.\d+ .*λ = .*last loss", page.locator(".sweeps .readout").first.inner_text())
    again(page, lambda: canvas.click(position=at))
    word = page.evaluate("document.querySelector('#thalweg').explorer.state.methods[0]")
    taken = float(word.partition("=")[2])
    assert 0.3 < taken < 0.45 and tab(page, "diagram.present") == taken
    assert page.input_value("#learning_rate-0") == str(taken) and f"learning_rate%3D{taken}" in page.url
    assert page.input_value("#size-low") == "0.21"  # the range stays
    again(page, lambda: page.click("#tab-paths"))
    shown = page.evaluate("document.querySelector('#thalweg').explorer.tabs.get('paths').result.loss")
    assert shown is not None and page.input_value("#learning_rate-0") == str(taken)


@pytest.mark.browser
def test_a_place_of_the_map_and_the_keyboard(sized):
    page = sized(WELL + "&of.size.values=200&of.size.steps=200")
    canvas = page.locator(".sweeps .pane:nth-child(2) canvas")
    box = canvas.bounding_box()
    again(page, lambda: canvas.click(position={"x": box["width"] * 0.4, "y": box["height"] * 0.3}))
    start = page.evaluate("document.querySelector('#thalweg').explorer.state.start")
    assert 0.2 < start[0] < 1.9 and tab(page, "map.present[1]") == start[0]
    strips = page.locator(".strips canvas")
    strips.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    value = tab(page, "diagram.cross")
    again(page, lambda: page.keyboard.press("Enter"))
    assert tab(page, "diagram.present") == pytest.approx(value, rel=1e-4)
    again(page, lambda: page.select_option("#size-component", "1"))
    assert tab(page, "diagram.view.label") == "loss" and "of.size.component=1" in page.url


@pytest.mark.browser
def test_a_link_shows_the_same_and_a_wrong_range_is_refused(sized):
    page = sized(WELL + "&of.size.values=300&of.size.second_range=-1,1", 800)
    other = sized(page.url[page.url.index("#") :], 800)
    assert tab(other, "diagram.view.values.length") == 300 and other.url == page.url
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    page.fill("#size-low", "0.9")
    page.press("#size-low", "Enter")
    page.get_by_text("it goes up; give the lower first").wait_for()
    assert tab(page, "diagram.view.values[0]") == 0.2
    page.fill("#size-low", "0.2")
    page.press("#size-low", "Enter")
    page.fill("#size-keep", "1001")
    page.press("#size-keep", "Enter")
    page.get_by_text("it is a whole number from 1 to 1000; give one").wait_for()
    page.fill("#size-values", "250")  # of which the exponents could be had
    page.press("#size-values", "Enter")
    page.wait_for_timeout(1500)
    assert page.get_by_text("it is a whole number from 1 to 1000; give one").is_visible()
    again(page, lambda: page.fill("#problem", "rosenbrock") or page.press("#problem", "Enter"))
    assert "1001" not in page.url and tab(page, "diagram.view.values[0]") == 0.001
