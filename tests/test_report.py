"""The page of a trace or of fits: what is in it, what it says, and what a browser makes of it."""

import base64
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import h5py
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest
import xarray as xr
from test_docstrings import faults

import thalweg as tw
from thalweg.analysis.view import PALETTE
from thalweg.plot import style
from thalweg.web import archives, figures
from thalweg.web.page import plotly
from thalweg.web.report import report

PBDL = tw.problems.pbdl()
METHODS = {
    "gradient_descent": tw.methods.gradient_descent(learning_rate=0.01),
    "newton": tw.methods.Newton(learning_rate=1 / 3),
    "inverse_simulator": tw.methods.InverseSimulator(learning_rate=0.3),
}
ARGUMENTS = ["--no-sandbox", "--enable-unsafe-swiftshader"]
HOSTILE = '</script><script>alert("1")</script><img src=x onerror=alert(2)> & %{x} \u2028'


@pytest.fixture(scope="module")
def trace():
    return tw.run(PBDL, METHODS, steps=10)


@pytest.fixture(scope="module")
def demo(trace):
    return report(trace, PBDL)


@pytest.fixture(scope="module")
def fit():
    t = np.linspace(0, 10, 30)
    y = 5 * np.exp(-0.4 * t) + 0.05 * np.random.default_rng(0).normal(size=30)
    return tw.fit({"t": t, "y": y}, "a*exp(-k*t)", y="y", start={"a": 1.0, "k": 1.0})


@pytest.fixture
def folder(workplace):
    return workplace


class Parsed(HTMLParser):
    """What a page has: tags with attributes, text, and the scripts."""

    def __init__(self, page: str) -> None:
        HTMLParser.__init__(self)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.inside = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text += data


def drawn(page):
    """The figures within a page."""
    return json.loads(Parsed(page).scripts[0])


def numbers(packed):
    return np.frombuffer(base64.b64decode(packed["bdata"]), "<" + packed["dtype"])


def roles(figure, role):
    return [one for one in figure["data"] if one.get("role") == role]


# What is in it.


def test_the_demo_is_one_file_of_under_six_megabytes(demo):
    assert len(demo.encode()) < 6e6
    outside = demo.replace(plotly(), "")
    assert not re.search(r"https?:|[\"'(]//", outside)
    for tag, attributes in Parsed(demo).tags:
        assert not {"src", "href", "srcset", "action"} & set(attributes), tag
        assert tag not in ("link", "iframe", "object", "embed", "form", "base")
    assert "@import" not in outside and "url(" not in outside


def test_only_the_scripts_of_the_page_are_allowed(demo):
    policy = next(a["content"] for t, a in Parsed(demo).tags if t == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.count("'sha256-") == 2 and "unsafe-eval" not in policy
    assert "script-src 'unsafe-inline'" not in policy and "connect-src" not in policy


def test_numbers_are_those_of_the_dataset(demo, trace):
    page = drawn(demo)
    for i, space in enumerate(("x", "y")):
        paths = roles(page[f"paths-{i}"], "path")
        assert [one["name"] for one in paths] == list(METHODS)
        for j, one in enumerate(paths):
            for k, key in enumerate("xy"):
                np.testing.assert_array_equal(numbers(one[key])[:-1], trace[space].values[j, 0, :, k])
            np.testing.assert_array_equal(numbers(one["loss"])[:-1], trace["loss"].values[j, 0])
    for j, one in enumerate(roles(page["losses"], "curve")):
        np.testing.assert_array_equal(numbers(one["y"]), trace["loss"].values[j, 0])
    assert page["paths-0"]["steps"] == list(range(11))


def test_contours_are_those_of_the_landscape(demo):
    ground = drawn(demo)["paths-0"]["data"][0]
    x, y, loss = (numbers(ground[key]) for key in ("x", "y", "customdata"))
    first, second = np.meshgrid(x, y)
    np.testing.assert_allclose(loss.reshape(len(y), len(x)), first**2 + second**4, rtol=1e-4, atol=1e-5)


def test_it_says_what_was_run_and_which_method_won(demo, trace):
    text = Parsed(demo).text
    assert "Of 3 methods on pbdl, inverse_simulator won after 10 steps." in text
    assert "The loss went from 90 to 0.0718. Next is newton, with 10 times that loss." in text
    table = tw.analysis.table(trace, PBDL)
    for number in table["final_loss"]:
        assert f"{number:.4g}" in text
    assert f"{trace.attrs['jax_version']}" in text and "float32" in text


def test_colors_are_those_of_the_other_figures(trace):
    assert [color.removeprefix("@") for color in figures.look(trace).colors] == list(PALETTE[:3])
    many = tw.run(PBDL, tw.sweep(METHODS["newton"], learning_rate=np.geomspace(0.01, 1, 12)), steps=1)
    theirs = np.array([color[:3] for color in style.look(many).colors])
    ours = np.array([matplotlib.colors.to_rgb(color) for color in figures.look(many).colors])
    np.testing.assert_allclose(ours, theirs, atol=0.02)


def test_a_fit_has_its_curve_its_residuals_and_its_parameters(fit):
    page = report(fit.fits, fit.problem)
    known, best, text = drawn(page), tw.analysis.fitted(fit.fits, fit.problem), Parsed(page).text
    (dots,) = roles(known["fit-0"], "observed")
    np.testing.assert_array_equal(numbers(dots["y"]), best["observed"].values)
    np.testing.assert_array_equal(numbers(roles(known["fit-0"], "model")[0]["y"]), best["model"].values)
    (left,) = roles(known["residuals"], "residual")
    np.testing.assert_array_equal(numbers(left["y"]), (best["observed"] - best["predicted"]).values)
    assert "levenberg_marquardt fitted y = a*exp(-k*t) to" in text
    for value, error in zip(best["x"].values, best["standard_error"].values, strict=True):
        assert f"{value:.9g}" in text and f"{error:.4g}" in text


@pytest.mark.slow
def test_fits_have_outcomes_reasons_and_the_losses_in_order():
    problem = tw.problems.himmelblau()
    starts = tw.starts.uniform(problem.domain, 50, key=0)
    fits = tw.solve(problem, {"TR": tw.methods.TrustRegion(), "BFGS": tw.methods.BFGS()}, starts)
    page = report(fits, problem)
    losses = drawn(page)["waterfall"]["data"]
    for i, one in enumerate(losses):
        np.testing.assert_allclose(numbers(one["y"]), np.sort(fits.loss.values[i]), atol=1e-9)
    converged = int((fits.outcome.values[0] == 0).sum())
    text = Parsed(page).text
    assert f"{converged} converged" in text and "won from 50 starts" in text
    assert report(fits)  # the problem is not needed


def test_hyperparameters_that_are_swept_have_a_figure():
    rates = np.geomspace(1e-3, 1, 5)
    trace = tw.run(PBDL, {"GD": tw.sweep(METHODS["gradient_descent"], learning_rate=rates)}, steps=20)
    page = report(trace, PBDL)
    one = drawn(page)["swept-0"]
    (line,) = one["data"]
    np.testing.assert_array_equal(numbers(line["x"]), rates)
    final = trace["loss"].values[:, 0, -1]
    lost = ~np.isfinite(final)
    np.testing.assert_allclose(numbers(line["y"])[~lost], final[~lost])
    assert lost.any() and line["marker"]["symbol"] == ["x" if gone else "circle" for gone in lost]


@pytest.mark.slow
def test_more_components_are_drawn_on_a_plane_and_the_way_out_of_it_is_said():
    problem = tw.problems.rosenbrock(5)
    trace = tw.run(problem, {"BFGS": tw.methods.BFGS(), "GD": tw.methods.gradient_descent(1e-4)}, steps=40)
    page = report(trace, problem)
    paths = roles(drawn(page)["paths-0"], "path")
    x = trace["x"].values.astype(float)
    moved, way = x - x[0, 0, 0], np.asarray(problem.minima[0]) - x[0, 0, 0]
    for i, one in enumerate(paths):
        along, across, away = (numbers(one[key])[:-1].astype(float) for key in ("x", "y", "away"))
        np.testing.assert_allclose(along, moved[i, 0] @ way / np.linalg.norm(way), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(along**2 + across**2 + away**2, (moved[i, 0] ** 2).sum(-1), rtol=1e-4, atol=1e-5)
    most = max(np.nanmax(numbers(one["away"])) for one in paths)
    assert f"They leave it by up to {most:.3g}" in Parsed(page).text


@pytest.mark.slow
def test_one_component_is_a_curve():
    problem = tw.problems.rugged()
    trace = tw.run(problem, {"GD": tw.methods.gradient_descent(0.01)}, steps=10)
    page = drawn(report(trace, problem))["paths-0"]
    line, path = page["data"][0], roles(page, "path")[0]
    at = numbers(line["x"])[::100]
    values = [float(problem.value(jnp.asarray([x]))) for x in at]
    np.testing.assert_allclose(numbers(line["y"])[::100], values, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(numbers(path["y"])[:-1], trace["loss"].values[0, 0])
    assert "surface" not in page


@pytest.mark.slow
def test_large_records_are_thinned_and_it_is_said():
    problem = tw.problems.rosenbrock()
    trace = tw.run(problem, METHODS["newton"], tw.starts.uniform(problem.domain, 500, key=0), steps=600)
    page = report(trace, problem)
    text = Parsed(page).text
    assert "Thinned for drawing: 200 of 500 starts and 200 of 601 recorded rows, evenly chosen." in text
    assert len(page.encode()) < 8e6 and "the median of 500 starts" in text
    assert drawn(page)["paths-0"]["steps"][-1] == 600


def test_a_path_that_is_not_finite_is_drawn_as_far_as_it_goes():
    trace = tw.run(PBDL, {"GD": tw.methods.gradient_descent(10.0), "N": METHODS["newton"]}, steps=10)
    page = report(trace, PBDL)
    assert not np.isfinite(trace["loss"].values[0]).all()
    assert np.isnan(numbers(roles(drawn(page)["losses"], "curve")[0]["y"])).any()
    assert "N won after 10 steps" in Parsed(page).text


def test_without_a_problem_it_draws_what_the_dataset_has(trace):
    page = report(trace)
    text = Parsed(page).text
    assert "The problem is not known here" in text and "inverse_simulator won" in text
    np.testing.assert_array_equal(numbers(roles(drawn(page)["paths-0"], "path")[0]["x"])[:-1], trace["x"][0, 0, :, 0])


def test_text_of_others_stays_text(trace):
    hostile = trace.assign_attrs(problem=HOSTILE, history=HOSTILE, jax_version=HOSTILE)
    hostile = hostile.assign_coords(variant=[HOSTILE, "b", "c"])
    hostile = hostile.rename({"y": HOSTILE, "y_dim": f"{HOSTILE}_dim"})
    hostile["x"].attrs["units"] = HOSTILE
    page = report(hostile)
    parsed = Parsed(page)
    assert [tag for tag, _ in parsed.tags].count("script") == 3
    assert not [tag for tag, attributes in parsed.tags if tag == "img" or "onerror" in attributes]
    assert HOSTILE in parsed.text
    packed = parsed.scripts[0]
    assert not set("<>&\u2028") & set(packed)
    name = drawn(page)["paths-0"]["data"][0]["name"]
    assert "<" not in name and "%{" not in name
    assert page.count("</script>") == 3 + plotly().count("</script>")


def test_kinds_of_evaluations_that_a_file_names_stay_text():
    fits = tw.solve(tw.problems.pbdl(), tw.methods.Newton(), [[1.0, 2.0], [3.0, 3.0]])
    kinds = [f"{HOSTILE}{i}" for i in range(fits.sizes["evaluation"])]
    page = report(fits.assign_coords(evaluation=kinds))
    assert not [tag for tag, attributes in Parsed(page).tags if tag == "img" or "onerror" in attributes]


def test_the_function_says_what_it_must():
    assert faults(report, "verb") == []


@pytest.mark.slow
def test_matplotlib_is_not_needed():
    code = """
import sys
sys.modules["matplotlib"] = None
import thalweg as tw
from thalweg.web.report import report
problem = tw.problems.pbdl()
print(len(report(tw.run(problem, tw.methods.Newton(), steps=2), problem)) > 1e6)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


# What is refused.


def test_what_is_no_trace_is_refused(trace):
    with pytest.raises(ValueError, match=r"has no x and loss by variant, start, step"):
        report(trace[["y"]])
    with pytest.raises(ValueError, match="x has 2 components in the trace, but 5"):
        report(trace, tw.problems.rosenbrock(5))
    with pytest.raises(ValueError, match="3 cases, but a report is of one"):
        report(trace.expand_dims(case=3))


def test_without_plotly_a_sentence_says_what_to_install(trace, monkeypatch):
    plotly.cache_clear()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"need plotly, which is not installed; pip install 'thalweg\[web\]'"):
        report(trace)
    plotly.cache_clear()


@pytest.fixture
def written(trace, folder):
    trace.to_netcdf("trace.nc", engine="h5netcdf")
    return "trace.nc"


def test_files_that_are_no_trace_are_refused_in_a_sentence(call, written, monkeypatch):
    Path("words.nc").write_text("no HDF5 at all")
    shutil.copy(written, "link.nc")
    with h5py.File("link.nc", "a") as file:
        file["elsewhere"] = h5py.ExternalLink(written, "x")
    shutil.copy(written, "outside.nc")
    with h5py.File("outside.nc", "a") as file:
        file.create_dataset("secret", (3,), "u1", external=[("words.nc", 0, 3)])
    with h5py.File("large.nc", "w") as file:
        file.create_dataset("x", (2**40,), "f4", chunks=(1024,), compression="gzip")
    with h5py.File("opaque.nc", "w") as file:
        file["x"] = np.zeros(3, "V4")
    with h5py.File("wordy.nc", "w") as file:
        file["variant"] = ["long " * 30_000] * 10
    xr.Dataset({"a": ("b", [1.0])}).to_netcdf("other.nc", engine="h5netcdf")
    expected = {
        "absent.nc": "absent.nc is no file; give",
        "words.nc": "words.nc cannot be read as NetCDF; give",
        "link.nc": "link.nc has a link to elsewhere, 'elsewhere', which is not followed; give",
        "outside.nc": "outside.nc has 'secret', which is no variable of its own; give",
        "large.nc": f"large.nc unfolds to over {archives.MOST_BYTES:,} bytes; thin",
        "opaque.nc": "opaque.nc has 'x', which is neither numbers nor text; give",
        "wordy.nc": f"wordy.nc has over {archives.MOST_CHARACTERS:,} characters in one variable; give",
        "other.nc": "other.nc has no x and loss by variant and start; give",
    }
    for file, sentence in expected.items():
        status, out, err = call(f"report {file} -o page.html")
        assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith(f"thalweg: {sentence}"), err
        assert not Path("page.html").exists()


def test_numbers_are_read_as_they_are_stored(written):
    """A few bytes in the file do not unfold to float64 by a factor that it names."""
    with h5py.File(written, "a") as file:
        file["loss"].attrs["scale_factor"] = 2.0
    read, whole = archives.read_archive(written), xr.load_dataset(written, engine="h5netcdf")
    assert read["loss"].dtype == np.float32 and np.array_equal(2 * read["loss"], whole["loss"])
    assert list(read["variant"].values) == list(whole["variant"].values)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("report trace.nc -o page.pdf", "page.pdf does not end like a page; let it end in .html."),
        (
            "report trace.nc -o absent/page.html",
            "absent/page.html cannot be written, because its folder does not exist",
        ),
        ("report trace.nc -o page.html --problem ackley", "trace.nc is not of 'ackley(d=2)'; give --problem"),
        ("report trace.nc", 'Command "report" parameter --out requires an argument.'),
        ("run pbdl newton --report page.pdf", "page.pdf does not end like a page; let it end in .html."),
    ],
)
def test_wrong_words_are_refused(line, sentence, call, written):
    status, out, err = call(line)
    assert (status, out) == (2, "") and err.startswith(f"thalweg: {sentence}"), err


# What the command line writes.


@pytest.mark.slow
def test_a_run_writes_the_page_that_a_report_of_its_trace_is(call, folder):
    status, out, err = call("run pbdl newton:learning_rate=1/3 --steps 5 --out trace.nc --report run.html")
    assert (status, err) == (0, "") and out.endswith("\ntrace: trace.nc\nreport: run.html\n")
    assert call("report trace.nc -o file.html") == (0, "report: file.html\n", "")
    ours, theirs = (Path(name).read_text("utf-8") for name in ("run.html", "file.html"))
    assert drawn(ours) == drawn(theirs)
    assert "thalweg run pbdl newton:learning_rate=1/3 --steps 5 --out trace.nc --report run.html" in Parsed(ours).text


def test_solve_writes_a_page(call, folder):
    Path("data.csv").write_text("x,y\n0,5\n1,3\n2,2.1\n3,1.3\n4,1\n")
    status, out, err = call('solve data.csv --model "a*exp(-k*x)" --y y --start a=4,k=0.5 --report fit.html')
    assert (status, err) == (0, "") and out.endswith("\nreport: fit.html\n")
    assert "fit-0" in drawn(Path("fit.html").read_text("utf-8"))


@pytest.mark.slow
def test_a_name_in_a_file_runs_nothing(call, trace, folder):
    Path("evil.py").write_text(
        "import pathlib\npathlib.Path('ran').touch()\nimport thalweg as tw\nproblem = tw.problems.pbdl()\n"
    )
    for name in ("evil.py:problem", "quadratic(d=2)", "x0**x99999999", "rosenbrock(d=100000000)", "x**2 + y**2"):
        trace.assign_attrs(problem=name).to_netcdf("trace.nc", engine="h5netcdf")
        assert call("report trace.nc -o page.html") == (
            0,
            f"drawn without its problem, {name!r}; --problem WORD says what it is\nreport: page.html\n",
            "",
        )
    assert not Path("ran").exists()
    trace.drop_vars(["y", "y_dim"]).assign_attrs(problem="x**2 + y**4").to_netcdf("trace.nc", engine="h5netcdf")
    assert call("report trace.nc -o page.html") == (0, "report: page.html\n", "")
    trace.assign_attrs(problem="mine").to_netcdf("trace.nc", engine="h5netcdf")
    assert call("report trace.nc -o page.html --problem evil.py:problem") == (0, "report: page.html\n", "")
    assert Path("ran").exists()


# What a browser makes of it.


@pytest.fixture
def opened(chromium, demo, tmp_path):
    """The demo in a browser that is offline, at a width; what it complains about is in ``page.complaints``."""
    file = tmp_path / "demo.html"
    file.write_text(demo, "utf-8")

    def show(width=1280, scheme="light"):
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        page = context.new_page()
        page.complaints, page.asked = [], []
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.wait_for_selector("[data-figure=losses] .main-svg")
        return page

    return show


AT = """figure => {
  const {data} = document.querySelector(`[data-figure=${figure}] .canvas`);
  return data.filter(one => one.mode === "markers" && one.hoverinfo === "skip" && one.name !== "start")
    .map(one => [one.x[0], one.y[0]]);
}"""


@pytest.mark.browser
def test_it_opens_offline_and_complains_about_nothing(opened):
    page = opened()
    assert page.complaints == [] and [url for url in page.asked if not url.startswith("file:")] == []
    assert len(page.asked) == 1
    assert page.locator(".canvas .main-svg").count() >= 3
    page.close()


@pytest.mark.browser
def test_the_slider_moves_the_markers(opened, trace):
    page = opened()
    x, y, loss = (trace[name].values[:, 0] for name in ("x", "y", "loss"))
    page.locator("#step").focus()
    for key, step in (("Home", 0), ("ArrowRight", 1), ("End", 10), ("ArrowLeft", 9)):
        page.keyboard.press(key)
        page.wait_for_selector(f"#at:text-is('{step} of 10')")
        np.testing.assert_allclose(page.evaluate(AT, "paths-0"), x[:, step], rtol=1e-6)
        np.testing.assert_allclose(page.evaluate(AT, "paths-1"), y[:, step], rtol=1e-6)
        curve = [[step, value] for value in loss[:, step]]
        np.testing.assert_allclose(page.evaluate(AT, "losses"), curve, rtol=1e-6)
    assert page.locator("#step").get_attribute("aria-valuetext") == "step 9 of 10"
    page.locator("#play").click()
    page.wait_for_selector("#at:text-is('10 of 10')")
    assert page.complaints == []
    page.close()


@pytest.mark.browser
def test_dark_follows_the_system_and_the_button(opened):
    ground = "getComputedStyle(document.body).backgroundColor"
    line = "document.querySelector('[data-figure=losses] .canvas').layout.xaxis.gridcolor"
    page = opened(scheme="dark")
    dark = page.evaluate(ground), page.evaluate(line)
    page.locator("#theme").click()
    light = page.evaluate(ground), page.evaluate(line)
    assert dark[0] != light[0] and dark[1] != light[1]
    assert page.locator("#theme").get_attribute("aria-pressed") == "false"
    page.emulate_media(color_scheme="light")
    other = opened(scheme="light")
    assert (other.evaluate(ground), other.evaluate(line)) == light
    assert page.complaints == other.complaints == []
    page.close()
    other.close()


@pytest.mark.browser
def test_the_surface_takes_the_place_of_the_contours_and_follows_the_slider(opened, trace):
    page = opened()
    page.locator("[data-view=surface]").click()
    page.wait_for_selector("[data-figure=paths-0] .gl-container canvas", state="attached")
    assert page.locator("[data-figure=paths-0] .main-svg:visible").count() == 0 or page.evaluate(
        "document.querySelector('[data-figure=paths-0] .canvas').hidden"
    )
    assert page.locator("[data-view=surface]").get_attribute("aria-pressed") == "true"
    page.locator("#step").focus()
    page.keyboard.press("Home")
    page.wait_for_selector("#at:text-is('0 of 10')")
    places = page.evaluate(
        "document.querySelectorAll('[data-figure=paths-0] .canvas')[1].data"
        ".filter(one => one.type === 'scatter3d' && one.mode === 'markers').map(one => [one.x[0], one.y[0]])"
    )
    np.testing.assert_allclose(places, [[3, 3]] * 3)
    page.locator("[data-view=contour]").click()
    np.testing.assert_allclose(page.evaluate(AT, "paths-0"), trace["x"].values[:, 0, 0])
    assert page.complaints == []
    page.close()


@pytest.mark.browser
def test_variants_can_be_hidden(opened):
    page = opened()
    chip = page.locator("#paths .chip").first
    chip.focus()
    page.keyboard.press("Enter")
    assert page.locator(".chip[data-variant='0'][aria-pressed=false]").count() == 2
    seen = "document.querySelector('[data-figure=losses] .canvas').data.map(one => one.visible !== false)"
    assert page.evaluate(seen).count(False) == 2
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid" and page.complaints == []
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [800, 1280])
def test_nothing_is_wider_than_the_window(opened, width):
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widest = "Math.max(...[...document.querySelectorAll('.main-svg')].map(one => one.getBoundingClientRect().right))"
    assert page.evaluate(widest) <= width
    page.set_viewport_size({"width": 800, "height": 900})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 800 and page.evaluate(widest) <= 800
    page.close()
