"""The tabs of many starts and of a comparison: what Python answers, and what a page shows of it."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.web import comparison, many_starts
from thalweg.web.desk import Desk
from thalweg.web.scene import Scene
from thalweg.web.shelf import Shelf
from thalweg.words.library import method

GD = "gradient_descent:learning_rate=0.01"
KNOWN = Scene("himmelblau", ("newton", GD), key=3, dtype="float64")


def on(done, total):
    return True


@pytest.fixture(scope="module")
def desk():
    return Desk(Shelf())


@pytest.fixture
def ask(desk):
    return lambda what, scene=KNOWN, tell=on, **more: desk.questions[what](scene, more, tell)


def test_an_image_is_what_solve_and_basins_say(ask, desk):
    problem, box = desk.shelf.problem("himmelblau"), [[-4.0, 4.5], [-5.0, 3.0]]
    seen = ask("starts", variant=1, grid=100, box=box, max_steps=300)
    begin = tw.starts.grid(([-4.0, -5.0], [4.5, 3.0]), 100)
    fits = tw.solve(problem, method(GD), begin, max_steps=300, key=3)
    found = tw.analysis.basins(fits, problem=problem)
    np.testing.assert_array_equal(seen["label"], found.label[0])
    np.testing.assert_array_equal(seen["end"], fits.x[0])
    np.testing.assert_array_equal(seen["loss"], fits.loss[0])
    np.testing.assert_array_equal(seen["shares"], found.share[0])
    np.testing.assert_array_equal(seen["entropies"], [found.basin_entropy[0], found.boundary_entropy[0]])
    np.testing.assert_array_equal(seen["order"], tw.analysis.waterfall(fits).start[0])
    assert seen["many"] == 4 and seen["kinds"] == ["minimum"] * 4 and seen["lost"] == ""
    first, second = seen["sides"]
    assert [first[7], second[42]] == begin[7 * 100 + 42].tolist()


def test_one_value_of_a_sweep_is_its_own_method(ask):
    swept = Scene("himmelblau", ("newton", "gradient_descent:learning_rate=0.001;0.01"), dtype="float64")
    names = ask("variants", swept)["variants"]
    assert names == ["newton", "gradient_descent learning_rate=0.001", "gradient_descent learning_rate=0.01"]
    seen = ask("starts", swept, variant=2, grid=8, max_steps=100)
    alone = ask("starts", Scene("himmelblau", (GD,), dtype="float64"), variant=0, grid=8, max_steps=100)
    np.testing.assert_array_equal(seen["loss"], alone["loss"])
    assert seen["variant"] == names[2] and seen["box"] == [[-5.0, 5.0], [-5.0, 5.0]]


def test_starts_of_many_components_are_drawn_from_the_domain(ask, desk):
    scene = Scene("rastrigin:d=3", ("bfgs",), key=5, dtype="float64")
    problem, seen = desk.shelf.problem("rastrigin:d=3"), ask("starts", scene, variant=0, count=50, max_steps=200)
    fits = tw.solve(problem, method("bfgs"), tw.starts.uniform(problem.domain, 50, 5), max_steps=200, key=5)
    np.testing.assert_array_equal(seen["loss"], fits.loss[0])
    assert seen["sides"] == [] and seen["ends"].shape == (seen["many"], 3)


def test_where_no_start_arrives_the_losses_are_told_all_the_same(ask):
    seen = ask("starts", variant=1, grid=8, max_steps=1)
    assert set(seen["label"]) == {-1} and seen["many"] == 0 and "none has reached a minimum" in seen["lost"]
    assert len(seen["loss"]) == 64


def test_without_a_domain_starts_lie_around_what_is_known():
    problem = tw.Problem(loss=lambda x: (x[0] - 2) ** 2, start=[0.0], minima=[[2.0]])
    assert [side.tolist() for side in many_starts.region(problem)] == [[-1.0], [3.0]]


def test_a_comparison_is_what_solve_and_analysis_say(ask, desk):
    problem = desk.shelf.problem("himmelblau")
    seen = ask("compare", count=40, max_steps=100)
    begin = tw.starts.uniform(problem.domain, 40, 3)
    chosen = {"newton": method("newton"), "gradient_descent": method(GD)}
    fits = tw.solve(problem, chosen, begin, max_steps=100, key=3)
    ranked = tw.analysis.waterfall(fits)
    assert seen["variants"] == ["newton", "gradient_descent"] and seen["left"] == []
    np.testing.assert_array_equal(seen["loss"], ranked.loss)
    np.testing.assert_array_equal(seen["reached"], ranked.level.mean("rank"))
    np.testing.assert_array_equal(seen["steps"], fits.steps.median("start"))
    np.testing.assert_array_equal(seen["evaluations"], fits.evaluations.sum("evaluation").median("start"))
    np.testing.assert_array_equal(seen["outcomes"].sum(axis=1), [40, 40])
    lowest = fits.loss < 1e-6  # the saddle points and the maximum lie above 10
    costs = fits.steps.where(lowest).rename(variant="solver", start="problem")
    profile = tw.analysis.performance_profile(costs)
    np.testing.assert_allclose(
        seen["profiles"]["steps"]["share"], profile.sel(ratio=seen["profiles"]["steps"]["ratio"])
    )


def test_runtimes_are_the_ecdf_of_the_paths(ask, desk):
    problem = desk.shelf.problem("himmelblau")
    seen = ask("runtimes", count=20, max_steps=50)
    chosen = {"newton": method("newton"), "gradient_descent": method(GD)}
    trace = tw.run(problem, chosen, tw.starts.uniform(problem.domain, 20, 3), 50, key=3, dtype="float64")
    low, first = float(trace.loss.min()), float(trace.loss.isel(step=0).median())
    share = tw.analysis.ecdf(trace, list(low + (first - low) * comparison.TARGETS))
    np.testing.assert_allclose(seen["share"], share.sel(step=seen["step"]))


def test_a_method_that_cannot_be_solved_is_left_out_with_its_reason(ask, monkeypatch):
    def refuse(problem, methods, *rest, **given):
        if "newton" in methods:
            raise ValueError("newton needs what this problem lacks; choose another.")
        return tw.solve(problem, methods, *rest, **given)

    monkeypatch.setattr(comparison, "solve", refuse)
    words = ("newton", GD, "momentum:learning_rate=0.001")
    seen = ask("compare", Scene("himmelblau", words), count=8, max_steps=20)
    assert seen["variants"] == ["gradient_descent", "momentum"] and seen["loss"].shape == (2, 8)
    assert seen["left"] == ["newton is left out: newton needs what this problem lacks; choose another."]


def test_costs_that_are_not_counted_are_no_part_of_the_profile(ask):
    scene = Scene("himmelblau", (GD, "gradient_flow:time_step=0.01"))
    seen = ask("compare", scene, count=8, max_steps=20)
    assert np.isnan(seen["evaluations"][1]) and seen["profiles"]["evaluations"]["rows"].tolist() == [0]
    assert seen["profiles"]["steps"]["rows"].tolist() == [0, 1]


@pytest.mark.parametrize("what", ["starts", "compare", "runtimes"])
def test_who_is_told_to_end_ends(ask, what):
    given = {"variant": 0, "grid": 8} if what == "starts" else {"count": 5}
    assert ask(what, tell=lambda done, total: False, max_steps=20, **given) == {"interrupted": True}


@pytest.mark.parametrize(
    ("what", "more", "sentence"),
    [
        ("starts", {"variant": 2}, "variant is 2, but it is a whole number from 0 to 1; give one."),
        ("starts", {"grid": 257}, "grid is 257, but it is a whole number from 8 to 256; give one."),
        ("starts", {"max_steps": 10_001}, "max_steps is 10001, but it is a whole number from 1 to 10000; give one."),
        ("starts", {"box": [[0, 1]]}, "box is [[0, 1]], but it has 2 sides of two numbers; give these."),
        ("starts", {"box": [[1, 0], [0, 1]]}, "box is [[1, 0], [0, 1]], but each side goes from low to high; give"),
        ("compare", {"count": 2001}, "count is 2001, but it is a whole number from 1 to 2000; give one."),
        ("compare", {"count": "9"}, "count is '9', but it is a whole number from 1 to 2000; give one."),
        ("runtimes", {"max_steps": 0}, "max_steps is 0, but it is a whole number from 1 to 10000; give one."),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_compiles(ask, compiled, what, more, sentence):
    before = len(compiled)
    with pytest.raises(ValueError) as refused:
        ask(what, **{"variant": 0, "grid": 8, "count": 5, "max_steps": 20, **more})
    assert str(refused.value).startswith(sentence)
    assert len(compiled) == before


def test_what_a_page_cannot_hold_is_refused(ask):
    with pytest.raises(ValueError, match="count is 10000, but a page holds 5000 starts of this problem"):
        ask("starts", Scene("rosenbrock:d=1000", ("newton",)), variant=0, count=10_000, max_steps=10)
    with pytest.raises(ValueError, match="the methods have 65 values, but a page shows 64"):
        ask("compare", Scene("himmelblau", ("adam:learning_rate=geom(1e-4,1,65)",)), count=10, max_steps=10)


@pytest.fixture
def visit(address, chromium):
    """Opens the page in a state, waits until all is drawn, and holds that nothing was wrong in the console."""
    wrong = []
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def go(state):
        page.goto(address + state)
        page.wait_for_selector("[data-ready]", timeout=60_000)
        return page

    yield go
    page.close()
    assert wrong == []


def ready(page):
    return int(page.locator("[data-ready]").get_attribute("data-ready"))


def again(page, before):
    page.wait_for_function("(n) => Number(document.querySelector('[data-ready]').dataset.ready) > n", arg=before)


@pytest.mark.browser
def test_a_pixel_tells_its_start_and_takes_it_to_the_paths(visit):
    page = visit(f"#problem=himmelblau&method={GD}&tab=many+starts")
    assert "65536 starts" in page.locator(".settings:visible .known").inner_text()
    rows = page.locator("#thalweg .table:visible tbody tr")
    assert rows.count() == 4 and all("minimum" in text for text in rows.all_inner_texts())
    canvas = page.locator("section.image canvas")
    frame = canvas.bounding_box()
    canvas.hover(position={"x": frame["width"] * 0.75, "y": frame["height"] * 0.7})
    told = page.locator("section.image .readout").inner_text()
    assert "→ (3.58, " in told and "basin" in told and "steps" in told
    before = ready(page)
    canvas.click(position={"x": frame["width"] * 0.75, "y": frame["height"] * 0.7})
    again(page, before)
    assert page.locator("[role=tab][aria-selected=true]").inner_text() == "paths"
    start = page.evaluate("document.getElementById('thalweg').explorer.state.start")
    sides = page.evaluate(
        "[...document.getElementById('thalweg').explorer.tabs.get('many starts').view.sides].map((s) => [...s])"
    )
    assert start[0] in sides[0] and start[1] in sides[1]
    assert "start=" in page.url and "tab=" not in page.url


@pytest.mark.browser
def test_zooming_draws_anew_and_the_address_keeps_it(visit):
    page = visit(f"#problem=himmelblau&method={GD}&tab=many+starts&of.starts.steps=150")
    assert page.locator("[id='of.starts.steps']").input_value() == "150"
    before = ready(page)
    page.locator("section.image canvas").focus()
    page.keyboard.press("+")
    again(page, before)
    assert "of.starts.box=-4%2C4%2C-4%2C4" in page.url
    box = page.evaluate("document.getElementById('thalweg').explorer.tabs.get('many starts').view.box")
    assert box == [[-4, 4], [-4, 4]]


@pytest.mark.browser
def test_random_starts_have_a_field_and_no_image(visit):
    page = visit("#problem=ackley:d=1&method=bfgs&tab=many+starts&of.starts.count=77")
    assert "77 starts" in page.locator(".settings:visible .known").inner_text()
    assert page.locator("section.image").count() == 0
    before = ready(page)
    page.locator("[id='of.starts.count']").fill("33")
    page.keyboard.press("Enter")
    again(page, before)
    assert "33 starts" in page.locator(".settings:visible .known").inner_text() and "of.starts.count=33" in page.url
    page.locator("[id='of.starts.count']").fill("20000")
    page.keyboard.press("Enter")
    page.get_by_text("count is 20000, but it is a whole number from 1 to 10000; give one.").wait_for()


@pytest.mark.browser
def test_a_comparison_has_a_row_and_a_line_for_each_method(visit):
    page = visit(f"#problem=himmelblau&method=newton&method={GD}&tab=compare&of.compare.count=50")
    rows = page.locator("#thalweg .table:visible tbody tr").all_inner_texts()
    assert [row.split("\t")[0].strip() for row in rows] == ["newton", "gradient descent"]
    assert "100 %" in rows[1]
    page.locator("[id='of.compare.cost']").select_option("evaluations")
    page.wait_for_function("document.body.textContent.includes('evaluations / evaluations of the best')")
    assert "of.compare.cost=evaluations" in page.url
    lines = page.evaluate(
        "Object.values(document.getElementById('thalweg').explorer.tabs.get('compare').charts)"
        ".map((chart) => chart.plot.data.map((one) => one.line.color))"
    )
    assert lines == [["#0072B2", "#D55E00"]] * 3
