"""What a notebook shows of a figure: a picture, once, with matplotlib switched on there or not."""

import copy
import pickle

import pytest

import thalweg as tw
from thalweg import analysis, plot

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def problem():
    return tw.problems.pbdl()


@pytest.fixture(scope="module")
def trace(problem):
    methods = {"GD": tw.methods.gradient_descent(0.01), "Newton": tw.methods.Newton()}
    return tw.run(problem, methods, [[3.0, 3.0], [1.0, 2.0]], steps=12, record=[tw.geometry.sharpness], dtype="float64")


@pytest.fixture(scope="module")
def fits(problem):
    return tw.solve(problem, tw.methods.Newton(), [[3.0, 3.0], [1.0, 2.0]])


def outputs(notebook, cell, **names):
    """The rich outputs of a cell, each a dict of types."""
    notebook.push(names)
    ran = notebook.run_cell(f"%%capture seen\n{cell}")
    ran.raise_error()
    return [one.data for one in notebook.user_ns["seen"].outputs]


def pictures(shown):
    return [data["image/png"] for data in shown if "image/png" in data]


@pytest.fixture(params=["bare", "inline"])
def shell(request, notebook):
    """A notebook before and after ``%matplotlib inline``."""
    if request.param == "inline":
        notebook.run_line_magic("matplotlib", "inline")
        yield notebook
        notebook.events.callbacks["post_execute"].clear()
        notebook.display_formatter.formatters["image/png"].type_printers.clear()
    else:
        yield notebook


def test_a_figure_is_shown_once(shell, trace, problem):
    names = {"trace": trace, "problem": problem, "plot": plot}
    shown = outputs(shell, "plot.curves(trace)", **names)
    assert len(shown) == 1 and len(pictures(shown)) == 1
    assert outputs(shell, "figure = plot.curves(trace)", **names) == []
    twice = outputs(shell, "display(figure)\nfigure", **names)
    assert len(pictures(twice)) == 2  # as asked
    assert len(pictures(outputs(shell, "import matplotlib.pyplot as plt\nplt.show()\nfigure", **names))) == 1


@pytest.mark.parametrize(
    "name", ["paths", "landscape", "surface", "basins", "stability", "rates", "waterfall", "bifurcation", "fit"]
)
def test_every_figure_has_a_picture(name, trace, problem, fits, notebook):
    made = {
        "paths": lambda: plot.paths(trace, problem),
        "landscape": lambda: plot.landscape(problem),
        "surface": lambda: plot.landscape(problem, kind="surface"),
        "basins": lambda: plot.basins(fits),
        "stability": lambda: plot.stability(trace, problem),
        "rates": lambda: plot.rates(trace, problem),
        "waterfall": lambda: plot.waterfall(fits),
        "bifurcation": lambda: plot.bifurcation(analysis.bifurcation(*swept(), steps=20, keep=5)),
        "fit": lambda: plot.fit(*fitted()),
    }[name]()
    formats, _ = notebook.display_formatter.format(made)
    assert formats["image/png"].startswith(PNG) if isinstance(formats["image/png"], bytes) else formats["image/png"]


def swept():
    method = tw.sweep(tw.methods.gradient_descent(0.1), learning_rate=[0.1, 0.2, 0.3])
    return tw.problems.double_well(), method, [0.5]


def fitted():
    table = {"t": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 2.1, 2.9, 4.2]}
    line = tw.problems.regression(table, "a + b*t", "y")
    return tw.solve(line, tw.methods.GaussNewton(), max_steps=3), line


def test_a_movie_is_shown_once(shell, trace, problem):
    shown = outputs(shell, "plot.animate(trace.isel(step=[0, 1]), problem)", trace=trace, problem=problem, plot=plot)
    assert len(shown) == 1 and "text/html" in shown[0] and "image/png" not in shown[0]


def test_a_figure_is_still_one_of_matplotlib(trace):
    figure = plot.curves(trace)
    for other in (pickle.loads(pickle.dumps(figure)), copy.deepcopy(figure)):
        assert other._repr_png_().startswith(PNG)
    figure.axes[0].set_title("of my own")
    assert figure._repr_png_() != plot.curves(trace)._repr_png_()


def test_plots_take_what_is_judged_or_what_judges(trace, problem, fits):
    assert sharp(plot.stability(trace, problem)) == sharp(plot.stability(analysis.stability(trace, problem)))
    assert sharp(plot.rates(trace, problem)) == sharp(plot.rates(analysis.rates(trace, problem)))
    assert shares(plot.basins(fits)) == shares(plot.basins(analysis.basins(fits)))
    for drawn in (plot.stability, plot.rates):
        with pytest.raises(ValueError, match="the trace and the problem"):
            drawn(trace)


def sharp(figure):
    return str([line.get_xydata().tolist() for line in figure.axes[0].get_lines()])


def shares(figure):
    return [ax.get_title() for ax in figure.axes]
