"""The page of ``thalweg explore`` in a browser: what a person does, and what comes of it."""

import json
import re

import numpy as np
import pytest
import xarray as xr

import thalweg as tw
from thalweg.words import library

pytestmark = pytest.mark.browser
TWO = "#problem=pbdl&method=gradient_descent:learning_rate=0.05&method=inverse_simulator:learning_rate=0.3&steps=30"


def drawn(page, act):
    """Do something, and wait until what comes of it is drawn."""
    before = page.locator(".thalweg").get_attribute("data-ready")
    act()
    page.wait_for_function("n => document.querySelector('.thalweg').dataset.ready !== n", arg=before, timeout=60_000)


def shown(page, what):
    """An array of what the page has got, as Python sees it."""
    found = page.evaluate(f"(() => {{ const a = {what}; return [Array.from(a), a.shape]; }})()")
    return np.array(found[0], float).reshape(found[1])


PAGE = "document.querySelector('.thalweg').explorer"
POINTS = f"{PAGE}.shown.result.panes[0].points"


def state(page):
    return page.evaluate(f"{PAGE}.state")


def place(page, x, y):
    """Where a point stands in the view of x, from the corner of its canvas."""
    return page.evaluate(f"{PAGE}.shown.panes[0].pixel({x}, {y})")


def click(page, x, y):
    at = place(page, x, y)
    page.locator(".pane canvas").first.click(position={"x": at[0], "y": at[1]})


def test_a_click_starts_all_methods_there(opened):
    page = opened(TWO)
    drawn(page, lambda: click(page, 2.0, -1.5))
    start = state(page)["start"]
    np.testing.assert_allclose(start, [2.0, -1.5], atol=0.03)  # a pixel
    found = shown(page, POINTS)
    assert found.shape == (2, 31, 2)
    np.testing.assert_allclose(found[:, 0], [start, start], rtol=1e-6)
    methods = {word: library.method(word) for word in state(page)["methods"]}
    trace = tw.run(tw.problems.pbdl(), methods, [start], steps=30)
    np.testing.assert_array_equal(found, trace.x.values[:, 0])
    # What is drawn is where it should be: the color of a method at the end of its path.
    end = place(page, *found[0, -1])
    color = page.evaluate(
        f"(at => {{ const c = {PAGE}.shown.panes[0].canvas; const r = devicePixelRatio;"
        " return [...c.getContext('2d').getImageData(at[0] * r, at[1] * r, 1, 1).data]; })",
        end,
    )
    assert color[:3] in ([0, 114, 178], [0, 158, 115], [213, 94, 0])


def test_the_paths_grow_while_they_play(opened):
    page = opened(TWO, reduced_motion="no-preference")
    page.evaluate(f"{PAGE}.shown.player.scrub(0)")

    def inked():
        return page.evaluate(
            f"(() => {{ const c = {PAGE}.shown.panes[0].canvas; const copy = new OffscreenCanvas(c.width, c.height);"
            " const ink = copy.getContext('2d', {willReadFrequently: true}); ink.drawImage(c, 0, 0);"
            " const d = ink.getImageData(0, 0, c.width, c.height).data;"
            " let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()"
        )

    first = inked()
    page.get_by_role("button", name="play", exact=True).click()
    page.wait_for_function(f"() => {PAGE}.shown.player.row > 5")
    page.get_by_role("button", name="pause", exact=True).click()
    middle = inked()
    page.evaluate(f"{PAGE}.shown.player.scrub(30)")
    assert first < middle < inked()
    assert "step 30 of 30" in page.locator(".lower .player output").inner_text()


def test_a_learning_rate_is_changed_by_its_field_and_by_its_slider(opened):
    page = opened(TWO)
    field = page.locator("#learning_rate-0")
    drawn(page, lambda: (field.fill("1/7"), field.press("Enter")))
    assert state(page)["methods"][0] == "gradient_descent:learning_rate=1/7"
    trace = tw.run(tw.problems.pbdl(), tw.methods.gradient_descent(1 / 7), [[3.0, 3.0]], steps=30)
    np.testing.assert_array_equal(shown(page, POINTS)[0], trace.x.values[0, 0])
    slider = page.get_by_label("learning rate of inverse simulator")
    drawn(page, lambda: (slider.focus(), slider.press("ArrowLeft")))
    rate = float(re.search(r"learning_rate=([\d.]+)", state(page)["methods"][1])[1])
    assert rate != 0.3 and page.locator("#learning_rate-1").input_value() == str(rate)


def test_a_formula_is_typed_and_a_hostile_one_refused(opened):
    page = opened(TWO)
    field = page.locator("#problem")
    drawn(page, lambda: (field.fill("(x0-1)**2 + 10*(x1+0.5)**4"), field.press("Enter")))
    assert "2 components" in page.locator("aside .known").inner_text()
    points = shown(page, POINTS)
    for bad in ("__import__('os').system('true')", "x.__class__", "open('/etc/passwd')", "file.py:loss", "x" * 3000):
        field.fill(bad)
        field.press("Enter")
        page.wait_for_function("() => document.querySelector('#refusal').textContent !== ''")
        assert "column" in page.locator("#refusal").inner_text() or "2000" in page.locator("#refusal").inner_text()
        np.testing.assert_array_equal(shown(page, POINTS), points)
    drawn(page, lambda: (field.fill("rosenbrock"), field.press("Enter")))
    assert page.locator("#refusal").inner_text() == ""


def test_the_address_brings_the_page_back(opened):
    page = opened(TWO)
    drawn(page, lambda: click(page, -2.0, 1.0))
    box = page.locator(".pane canvas").first
    box.hover(position={"x": 200, "y": 200})
    page.mouse.wheel(0, -200)
    page.wait_for_function("() => location.hash.includes('box=0')")
    points, before = shown(page, POINTS), state(page)
    again = opened(page.url[page.url.index("#") :])
    assert state(again) == before
    np.testing.assert_array_equal(shown(again, POINTS), points)
    assert again.evaluate(f"{PAGE}.shown.panes[0].plot.layout.xaxis.range") == before["boxes"]["0"][0]


def test_a_long_run_tells_how_far_it_is_and_stops(opened):
    page = opened("#problem=oscillators&method=newton&steps=3")
    page.locator("#steps").fill("20000")
    page.locator("#steps").press("Enter")
    stop = page.get_by_role("button", name="stop", exact=True)
    page.wait_for_function(
        "() => /paths: [0-9]+ of 20000/.test(document.querySelector('.doing').textContent)", timeout=60_000
    )
    stop.click()
    page.wait_for_function("() => document.querySelector('.doing').textContent === ''", timeout=30_000)
    assert shown(page, POINTS).shape[1] == 4  # what was there before


def test_what_is_downloaded_is_what_is_shown(opened, tmp_path):
    page = opened(TWO)

    def saved(name):
        with page.expect_download() as loading:
            page.get_by_role("button", name=name, exact=True).click()
        file = tmp_path / loading.value.suggested_filename
        loading.value.save_as(file)
        return file

    with xr.open_dataset(saved("download data"), engine="h5netcdf") as trace:
        np.testing.assert_array_equal(shown(page, POINTS), trace.x.values[:, 0])
    made: dict = {}
    exec(saved("download Python").read_text(), made)
    np.testing.assert_array_equal(shown(page, POINTS), made["trace"].x.values[:, 0])
    assert saved("download PNG").read_bytes().startswith(b"\x89PNG")
    assert saved("download SVG").read_text().startswith("<svg")


def test_the_page_goes_by_keyboard(opened):
    page = opened(TWO)
    canvas = page.locator(".pane canvas").first
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        canvas.press(key)
    drawn(page, lambda: canvas.press("Enter"))
    np.testing.assert_allclose(state(page)["start"], [0.64, 0.32], atol=1e-6)  # of a box of 8 by 8
    page.locator("h1").click()
    page.keyboard.press(" ")
    assert page.get_by_role("button", name="pause", exact=True).is_visible()


def test_what_is_under_the_pointer_is_told(opened):
    page = opened(TWO)
    at = place(page, 1.0, 1.0)
    page.locator(".pane canvas").first.hover(position={"x": at[0], "y": at[1]})
    page.wait_for_function("() => document.querySelector('.readout').textContent.includes('sharpness')")
    words = page.locator(".readout").first.inner_text()
    value = float(re.search(r"loss ([\d.]+)", words)[1])
    np.testing.assert_allclose(value, float(tw.problems.pbdl().value([1.0, 1.0])), rtol=0.1)
    assert "limit 40" in words


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_out_of_the_page(opened, width, scheme):
    page = opened(TWO, width, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="light or dark").click()
    page.wait_for_timeout(200)
    other = page.evaluate("getComputedStyle(document.querySelector('.thalweg')).backgroundColor")
    assert (other == "rgb(255, 255, 255)") == (scheme == "dark")


def test_the_surface_has_the_heights_of_the_contours(opened):
    page = opened(TWO + "&view=surface")
    drawn(page, lambda: page.get_by_role("button", name="3-D").first.click())
    assert page.evaluate(f"{PAGE}.shown.panes[0].plot.data[0].type") == "contour" and "view" not in page.url
    heights = page.evaluate(f"{PAGE}.shown.panes[0].plot.data[0].z")
    drawn(page, lambda: page.get_by_role("button", name="3-D").first.click())
    kinds = page.evaluate(f"{PAGE}.shown.panes.map((pane) => pane.plot.data.map((one) => one.type))")
    assert kinds == [["surface", "scatter3d", "scatter3d"]] * 2 and "view=surface" in page.url
    assert page.evaluate(f"{PAGE}.shown.panes[0].plot.data[0].z") == heights
    way = page.evaluate(f"{PAGE}.shown.panes[0].plot.data[1]")
    assert way["x"][0] == way["y"][0] == 3.0 and way["z"][0] > way["z"][5]


def test_methods_are_added_and_removed(opened):
    page = opened(TWO)
    drawn(page, lambda: page.get_by_label("add a method").select_option("newton"))
    assert state(page)["methods"][-1] == "newton" and shown(page, POINTS).shape[0] == 3
    drawn(page, lambda: page.get_by_label("remove gradient descent").click())
    assert [word.split(":")[0] for word in state(page)["methods"]] == ["inverse_simulator", "newton"]
    page.get_by_label("show newton").uncheck()
    assert page.evaluate(f"{PAGE}.shown.visible") == [True, False]


def test_a_server_that_is_gone_is_said(opened, address):
    page = opened(TWO)
    page.evaluate(f"{PAGE}.link.transport.socket.close()")
    page.wait_for_selector(".lost:not([hidden])")
    page.wait_for_selector(".lost[hidden]", state="attached", timeout=20_000)  # it was there all the time
    assert json.loads(json.dumps(state(page)))["problem"] == "pbdl"
