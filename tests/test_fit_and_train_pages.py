"""The tabs "fit" and "train" of the page: what Python answers, and what a person sees."""

from time import process_time

import numpy as np
import pytest
from scipy.optimize import least_squares

import thalweg as tw
from thalweg.problems.tables import table_of
from thalweg.web.desk import Desk
from thalweg.web.scene import Scene
from thalweg.web.shelf import Shelf

LEARNING = ("adam:learning_rate=0.01", "inverse_simulator:learning_rate=0.5;1", "newton")
SMALL = {"physics": "sine", "width": 3, "batch": 4, "rule": "gradient_descent:learning_rate=0.1"}
TABLE = "x,y,s,word\n" + "\n".join(f"{x},{2 * x + 1 + 0.1 * (-1) ** x},0.1,a" for x in range(8))
LINE = {"table": TABLE, "name": "line.csv", "model": "a*x+b", "y": "y"}


def on(done, total):
    return True


@pytest.fixture(scope="module")
def ask():
    desk, scene = Desk(Shelf()), Scene("pbdl", LEARNING, steps=6)

    def ask(what, given, tell=on):
        return desk.questions[what](scene, given, tell)

    return ask


@pytest.mark.slow
def test_parameters_are_those_of_a_fit_of_the_same_file(ask, tmp_path):
    given = ask("columns", {"example": "Misra1a"})
    assert given["columns"] == ["x", "y"] and given["name"] == "Misra1a.csv"
    view = ask("fit", {**given, "table": given["text"], "start": "b1=250, b2=5e-4"})
    file = tmp_path / "Misra1a.csv"
    file.write_text(given["text"])
    found = tw.fit(file, given["model"], "y", {"b1": 250, "b2": 5e-4})
    assert dict(zip(view["parameters"], view["values"].tolist(), strict=True)) == found.parameters
    assert dict(zip(view["parameters"], view["errors"].tolist(), strict=True)) == found.standard_errors
    np.testing.assert_allclose(view["values"], tw.problems.misra1a().minima[0], rtol=1e-8)
    band = found.predict({"x": view["grid"]})
    np.testing.assert_allclose(view["confidence_low"], band["confidence_low"], rtol=1e-9)
    assert view["losses"].tolist() == found.fits["loss"].values.ravel().tolist()
    assert view["meanings"][view["outcomes"][0]] == "converged" and view["steps"][0] == found.fits["steps"].item()


@pytest.mark.slow
def test_starts_bounds_errors_and_losses_go_by_name(ask):
    view = ask("fit", {**LINE, "start": "a=1, b=1/2", "bounds": "a=0:1.5,b=:9", "sigma": "s"})
    assert view["notes"] == ["at its bound", ""] and view["values"][0] == 1.5 and view["losses"].shape == (1,)
    view = ask("fit", {**LINE, "start": "a=1,b=0", "loss": "huber", "scale": "0.05"})
    x = np.arange(8.0)
    found = least_squares(lambda p: p[0] * x + p[1] - _line(x), [1, 0], loss="huber", f_scale=0.05, xtol=1e-12)
    np.testing.assert_allclose(view["values"], found.x, rtol=1e-5)
    assert view["weight"].max() <= 1


def _line(x):
    return 2 * x + 1 + 0.1 * (-1) ** x


@pytest.mark.slow
def test_the_last_fit_is_kept_for_another_axis(ask, monkeypatch):
    given = {**LINE, "start": "a=1,b=2"}
    first = ask("fit", given)
    monkeypatch.setattr("thalweg.web.regressions.fit_of", None)
    second = ask("fit", {**given, "log": True})
    assert second["values"].tolist() == first["values"].tolist()
    assert np.ptp(np.diff(np.log(second["grid"]))) < 1e-9 < np.ptp(np.diff(np.log(first["grid"][1:])))


@pytest.mark.parametrize(
    "text", ["/etc/passwd", "file:///etc/passwd", "-", "data.xlsx", "PAR1", "BZh91AY", "\x1f\x8b\x08"]
)
def test_a_text_is_never_a_path_nor_a_packed_file(ask, text, monkeypatch):
    seen = []

    def opened(*given, **more):
        seen.append(given)
        raise OSError("a file was opened")

    monkeypatch.setattr("pathlib.Path.open", opened)
    monkeypatch.setattr("pathlib.Path.read_bytes", opened)
    monkeypatch.setattr("thalweg.problems.layouts.decoded", opened)
    for what, given in ("columns", {}), ("fit", {"model": "a*x", "y": "y"}):
        with pytest.raises(ValueError, match="column"):
            ask(what, {"table": text, "name": text[:100], **given})
    assert seen == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"table": ""}, "there is no table; choose a file"),
        ({"table": 5}, "there is no table"),
        ({"table": "x" * (2 << 20) + "y"}, "takes up to 2 MB; use thalweg solve"),
        ({"table": "x,y\n" + "1,2\n" * 60_000}, "cells, but a page takes up to 100,000"),
        ({"table": "x,y\n" + "\n" * 5000 + "1,2"}, "empty lines, but a page takes up to 1000"),
        ({"name": "n" * 200}, "give a shorter one"),
        ({"model": ""}, "the model is ''"),
        ({"model": "import os"}, "names no column to predict"),
        ({"model": "a*x+" + "b" * 3000}, "1 to 2000 characters"),
        ({"y": "z"}, "'z' is not a column of the table"),
        ({"start": "a"}, "start has 'a' where a=5 is due"),
        ({"start": "a=1,a=2"}, "start has a twice; give it once"),
        ({"start": "a=one"}, "the start of a is 'one'"),
        ({"bounds": "a=1"}, "a=1 where low:high is due"),
        ({"bounds": "a=3:1"}, "bounds? of '?a"),
        ({"loss": "square"}, "is not a loss"),
        ({"loss": "huber", "scale": "-1"}, "f_scale"),
        ({"sigma": "word"}, "word"),
        ({"log": "yes"}, "log is 'yes'"),
    ],
)
def test_what_cannot_be_fitted_is_refused_by_a_sentence(ask, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        ask("fit", {**LINE, **given})


def test_long_lines_are_read_in_time_that_is_linear():
    began = process_time()
    with pytest.raises(ValueError, match="cannot be read as a table"):
        table_of("x\n" + "\n".join(["1" + " " * 30_000 + "2"] * 5), "long")
    assert process_time() - began < 2


@pytest.mark.slow
def test_losses_and_moves_are_those_of_run(ask):
    view = ask("lesson", SMALL)
    assert [one["variants"] for one in view["learners"]] == [1, 2] and "newton is left out" in view["left"][0]
    part = ask("train", {**SMALL, "method": LEARNING[0], "steps": 2})
    whole = ask("train", {**SMALL, "method": LEARNING[0], "steps": 6})
    assert part["loss"].tolist() == whole["loss"][:, :3].tolist()
    problem = _learning()
    rule = tw.methods.gradient_descent(0.1)
    trace = tw.run(problem, [tw.methods.adam(0.01), tw.methods.InverseSimulator(inner=rule)], steps=6)
    np.testing.assert_allclose(whole["loss"][0], trace.loss[0, 0], rtol=1e-5)
    both = ask("train", {**SMALL, "method": LEARNING[1], "steps": 6})
    np.testing.assert_allclose(both["loss"][1], trace.loss[1, 0], rtol=1e-5)
    moves = ask("moves", {**SMALL, "step": 4})
    u, y = moves["spaces"]
    for k in (0, 1):
        np.testing.assert_allclose(u["points"][0, k].ravel(), trace.u[0, 0, 4 + k], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(y["points"][2, k].ravel(), trace.y[1, 0, 4 + k], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moves["lengths"][0], np.linalg.norm(np.diff(trace.x[0, 0, 4:6], axis=0)), rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(moves["plane"], axis=1), moves["lengths"], rtol=0.05)
    assert np.isnan(u["aims"][0]).all() and np.isnan(u["targets"]).all()
    np.testing.assert_allclose(y["aims"][2], y["targets"], atol=1e-4)  # at the rate 1 a whole step is aimed at
    half = (y["points"][1, 0] + y["targets"]) / 2
    np.testing.assert_allclose(y["aims"][1], half, atol=1e-3)
    controls = tw.problems.physics.sine.problem(xi=4.0)
    np.testing.assert_allclose([controls.forward(one) for one in u["aims"][2]], y["targets"], atol=2e-3)


def _learning():
    from thalweg.web.lessons import Lesson

    return Lesson("sine", 3, 4, 0).problem()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"physics": "magic"}, "'magic' is not a physics to learn"),
        ({"width": 0}, "width is 0, but it is a whole number from 1 to 64"),
        ({"width": 2.5}, "width is 2.5"),
        ({"batch": 1000}, "whole number from 1 to 128"),
        ({"physics": "poisson", "batch": 64}, "batch is 64, which makes 4096 results .* give at most 16"),
        ({"rule": "newton"}, "rule is 'newton', but it is one first-order method"),
        ({"rule": "adam:learning_rate=0.1;0.2"}, "one first-order method"),
        ({"method": "newton"}, "a method that trains a network"),
        ({"method": "adam"}, "it is one of the page"),
        ({"steps": 7}, "steps is 7, but it is a whole number from 1 to 6"),
        ({"steps": True}, "steps is True"),
    ],
)
def test_what_cannot_be_learnt_is_refused_by_a_sentence(ask, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        ask("train", {**SMALL, "method": LEARNING[0], "steps": 6, **given})


@pytest.mark.slow
def test_training_stops_where_it_is_told_to():
    desk, scene = Desk(Shelf()), Scene("pbdl", LEARNING, steps=20_000)
    view = desk.questions["train"](scene, {**SMALL, "method": LEARNING[0], "steps": 20_000}, lambda done, total: False)
    assert view["interrupted"] and view["loss"].shape[1] < 20_001


@pytest.fixture
def sheet(address, chromium):
    """A page in a browser, which may say nothing to its console."""
    said = []
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(60_000)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.base = address
    yield page
    page.close()
    assert said == []


def ready(page, act):
    """Do something, and wait until the page has drawn what comes of it."""
    count = "document.getElementById('thalweg')?.dataset.ready ?? '0'"
    before = page.evaluate(count)
    act()
    page.wait_for_function(f"(before) => ({count}) !== before", arg=before)


@pytest.mark.browser
def test_a_person_fits_a_table(sheet):
    ready(sheet, lambda: sheet.goto(f"{sheet.base}#tab=fit"))
    cells = sheet.locator(".parameters td.strong")
    assert cells.all_inner_texts() == ["238.9 ± 2.7", "(5.50 ± 0.07)·10⁻⁴"]
    assert sheet.locator(".matrix").inner_text().split() == [
        "correlation",
        "b1",
        "b2",
        "b1",
        "1",
        "b2",
        "\u22120.999",
        "1",
    ]
    losses = sheet.evaluate("[...document.getElementById('thalweg').explorer.shown.result.losses]")
    assert len(losses) == 64 and losses == sorted(losses) and losses[0] == pytest.approx(0.12455138894)
    sheet.locator(".fit canvas").hover(position={"x": 200, "y": 150})
    assert "95 % confidence" in sheet.locator(".fit .readout").inner_text()
    sheet.locator(".fit canvas").focus()
    sheet.keyboard.press("ArrowRight")
    assert sheet.locator(".fit .readout").inner_text().startswith("x = ")
    file = {"name": "own.csv", "mimeType": "text/csv", "buffer": TABLE.encode()}
    ready(sheet, lambda: sheet.locator("input[type=file]").set_input_files(file))
    assert (
        sheet.locator("#fit-y").input_value() == "s"
        and "own.csv: 8 rows" in sheet.locator(".source .known").inner_text()
    )
    ready(sheet, lambda: sheet.locator("#fit-y").select_option("y"))
    assert cells.count() == 2
    ready(sheet, lambda: (sheet.locator("#fit-model").fill("a*q"), sheet.locator("#fit-model").press("Enter")))
    assert sheet.locator(".tab > .refusal[role=alert]:visible").inner_text()
    ready(sheet, lambda: (sheet.locator("#fit-model").fill("a*x+b"), sheet.locator("#fit-model").press("Enter")))
    texts, address = cells.all_inner_texts(), sheet.url
    sheet.goto("about:blank")
    ready(sheet, lambda: sheet.goto(address))
    assert cells.all_inner_texts() == texts


@pytest.mark.browser
def test_a_person_trains_a_network(sheet):
    words = "&".join(f"method={word}" for word in (LEARNING[0], "inverse_simulator", "newton"))
    ready(sheet, lambda: sheet.goto(f"{sheet.base}#tab=train&{words}&steps=40&of.train.width=4&of.train.batch=8"))
    sheet.wait_for_selector(".views:visible")
    assert sheet.locator(".tab:visible table tbody tr").count() == 2
    assert "newton is left out" in sheet.locator(".tab:visible").inner_text()
    lengths = "document.getElementById('thalweg').explorer.shown.losses.plot.data.map((line) => line.y.length)"
    assert sheet.evaluate(lengths) == [41, 41]
    drawn = (
        "document.getElementById('thalweg').explorer.shown.spaces.map(({plot}) => plot.data.map((one) => one.x.length))"
    )
    assert sheet.evaluate(drawn) == [[16, 24, 24, 8], [16, 24, 24, 8, 8]]  # starts, arrows, aims; and targets in y
    slider = sheet.locator("#train-step")
    slider.focus()
    ready(sheet, lambda: sheet.keyboard.press("ArrowRight"))
    assert sheet.locator(".player output:visible").inner_text() == "step 1 to 2" and "of.train.step=1" in sheet.url
    sheet.get_by_label("light or dark").click()
