"""What is said of a selection is what is said of the whole, selected."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import thalweg as tw
from thalweg import analysis, methods, plot
from thalweg.analysis.selection import with_dims

SELECTIONS = {
    "variant": {"variant": 1},
    "start": {"start": 2},
    "one path": {"variant": 0, "start": 1},
}


@pytest.fixture(scope="module")
def problem():
    stage = tw.Stage(lambda x: jnp.array([x[0], x[1] ** 2, x[0] + x[1]]))
    return tw.Problem(stage, loss=tw.SquaredError(jnp.ones(3) * 4), start=[3.0, 3.0], minima=[[3.2, 1.9]])


STARTS = [[3.0, 3.0], [1.0, -2.0], [2.0, 1.0]]


@pytest.fixture(scope="module")
def trace(problem):
    several = {"GD": tw.sweep(methods.gradient_descent(0.1), learning_rate=[0.01, 0.02]), "GN": methods.GaussNewton()}
    return tw.run(problem, several, STARTS, steps=12, record=[tw.geometry.sharpness], dtype="float64")


@pytest.fixture(scope="module")
def fits(problem):
    several = {"GD": tw.sweep(methods.gradient_descent(0.1), learning_rate=[0.01, 0.02]), "GN": methods.GaussNewton()}
    return tw.solve(problem, several, STARTS, dtype="float64")


def costs(fits):
    return fits.steps.where(fits.outcome == 0).rename(variant="solver", start="problem")


JUDGES = {  # of a trace, of fits, or of both: what is judged for each path or fit alone
    "outcome": ("trace", analysis.outcome),
    "alignment": ("trace", analysis.alignment),
    "distance": ("trace", analysis.distance),
    "divergence": ("trace", lambda trace, problem: analysis.divergence(trace)),
    "rates": ("trace", analysis.rates),
    "stability": ("trace", analysis.stability),
    "uncertainty": ("fits", analysis.uncertainty),
}
TOGETHER = {  # and what is judged of all of them together
    "table": ("trace", analysis.table),
    "ecdf": ("trace", lambda trace, problem: analysis.ecdf(trace, [10.0, 1.0])),
    "waterfall": ("fits", lambda fits, problem: analysis.waterfall(fits)),
    "best_fit": ("fits", lambda fits, problem: analysis.best_fit(fits)),
    "fit_table": ("fits", analysis.fit_table),
    "performance_profile": ("fits", lambda fits, problem: analysis.performance_profile(costs(fits))),
    "data_profile": ("fits", lambda fits, problem: analysis.data_profile(costs(fits), dict.fromkeys(range(3), 2))),
}


@pytest.fixture(scope="module")
def whole(trace, fits, problem):
    """What is said of all, by the name of the judge; said once."""
    said = {}

    def judge(name):
        kind, f = JUDGES[name]
        if name not in said:
            said[name] = f({"trace": trace, "fits": fits}[kind], problem)
        return said[name]

    return judge


def numbers(found):
    columns = found.data_vars if isinstance(found, xr.Dataset) else {"it": found}
    return {name: np.squeeze(column.values) for name, column in columns.items()}


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)
@pytest.mark.parametrize("name", JUDGES)
def test_a_selection_is_judged_as_within_the_whole(name, selection, trace, fits, problem, whole):
    kind, judge = JUDGES[name]
    data = {"trace": trace, "fits": fits}[kind]
    found = judge(data.isel(selection), problem)
    expected = whole(name).isel(selection, missing_dims="ignore")
    for variable, values in numbers(expected).items():
        np.testing.assert_array_equal(numbers(found)[variable], values, err_msg=variable)
    if name != "uncertainty":  # which is of whatever dims the fits have
        assert {"variant", "start"} <= set(found.dims) and found.variant.dims == ("variant",)


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)
@pytest.mark.parametrize("name", TOGETHER)
def test_a_selection_of_one_is_judged_as_a_list_of_one(name, selection, trace, fits, problem):
    kind, judge = TOGETHER[name]
    data = {"trace": trace, "fits": fits}[kind]
    found, expected = (
        judge(data.isel(selection), problem),
        judge(data.isel({dim: [i] for dim, i in selection.items()}), problem),
    )
    if isinstance(found, xr.Dataset | xr.DataArray):
        xr.testing.assert_equal(*(said.drop_vars("rule", errors="ignore") for said in (found, expected)))
    else:
        assert found.equals(expected) and list(found.index) == list(expected.index)


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)
@pytest.mark.parametrize("verb", ["run", "solve"])
def test_a_selection_has_the_basins_that_its_starts_lead_to(verb, selection, trace, fits):
    """Labels are numbered anew, but minima are where they were."""
    data = {"run": trace, "solve": fits}[verb]
    found, all_of_them = (tw.analysis.basins(given, radius=1e-2) for given in (data.isel(selection), data))
    assert all_of_them.sizes["basin"] == {"solve": 2, "run": 8}[verb]  # paths that have not arrived are apart
    minima = [
        basins.minimum.isel(basin=basins.label).isel(selection if i else {})
        for i, basins in enumerate((found, all_of_them))
    ]
    np.testing.assert_allclose(np.squeeze(minima[0]), np.squeeze(minima[1]), atol=1e-2)
    assert found.label.dims == ("variant", "start") and found.sizes["start"] == len(
        np.atleast_1d(data.isel(selection).start)
    )


@pytest.fixture(scope="module")
def drawn(trace, fits, problem):
    """What every plot of paths or fits is drawn of: Datasets alone."""
    ground = analysis.landscape(problem, ([0.0, -3.0], [4.0, 4.0]), points=20)
    labels, judged = (
        analysis.basins(fits, radius=1e-2),
        (analysis.rates(trace, problem), analysis.stability(trace, problem)),
    )
    return {
        "paths": lambda s: plot.paths(trace.isel(s), ground),
        "paths alone": lambda s: plot.paths(trace.isel(s), space="y", components=(0, 2)),
        "contour": lambda s: plot.animate(trace.isel(s), ground).figure,
        "surface": lambda s: plot.animate(trace.isel(s), ground, "surface").figure,
        "curves": lambda s: plot.curves(trace.isel(s)),
        "x": lambda s: plot.curves(trace.isel(s), "x", component=0),
        "predictions": lambda s: plot.predictions(
            trace.isel(s), [0, 1, 2], [1, 2, 3], start=int(trace.isel(s).start.values.min())
        ),
        "rates": lambda s: plot.rates(judged[0].isel(s)),
        "stability": lambda s: plot.stability(judged[1].isel(s)),
        "basins": lambda s: plot.basins(labels.isel(s)),
        "waterfall": lambda s: plot.waterfall(fits.isel(s)),
        "ecdf": lambda s: plot.profile(analysis.ecdf(trace.isel(s), [10.0, 1.0])),
        "landscape": lambda s: plot.landscape(ground),
        "relief": lambda s: plot.landscape(ground, kind="surface"),
    }


PLOTS = (
    *("paths", "paths alone", "contour", "surface", "curves", "x", "predictions", "rates", "stability", "basins"),
    *("waterfall", "ecdf", "landscape", "relief"),
)


@pytest.mark.parametrize("name", PLOTS)
def test_plots_of_datasets_and_of_selections_compile_nothing(name, drawn, compiled):
    before = len(compiled)
    for selection in ({}, *SELECTIONS.values()):
        assert drawn[name](selection).axes
    assert len(compiled) == before


def test_a_fit_is_drawn_of_what_is_said_of_it(compiled):
    x = np.linspace(0, 2, 9)
    problem = tw.problems.regression({"x": x, "y": 3 * np.exp(-x) + 0.01 * np.cos(9 * x)}, "a*exp(-b*x)", "y")
    fits = tw.solve(problem, methods.LevenbergMarquardt())
    one = analysis.fitted(fits.isel(variant=0, start=0), problem)
    before = len(compiled)
    top, below = plot.fit(one).axes
    assert len(compiled) == before
    np.testing.assert_array_equal(top.get_lines()[0].get_ydata(), one.model)
    np.testing.assert_array_equal(below.get_lines()[1].get_ydata(), one.observed - one.predicted)
    a, b = one.x.values
    np.testing.assert_allclose(one.model, a * np.exp(-b * one.grid), rtol=1e-14)
    np.testing.assert_allclose(one.predicted, a * np.exp(-b * one.predictor), rtol=1e-14)
    assert (one.predictor.values == x).all() and one.attrs["formula"] == "a*exp(-b*x)"
    with pytest.raises(ValueError, match=r"give the problem that was solved, or what analysis\.fitted returned"):
        plot.fit(fits)


def test_all_that_told_of_a_variant_tells_of_it_again(trace):
    """Coordinates come back with their dim, and what is not of the schema is left alone."""
    path = {name: ("variant", "start", "step") for name in ("x", "loss")}
    back = with_dims(trace.isel(variant=1, start=0).assign(mean=1.0), path)
    xr.testing.assert_identical(back[["x", "loss"]], trace.isel(variant=[1], start=[0])[["x", "loss"]])
    assert back["mean"].dims == () and back.learning_rate.values.tolist() == [0.02]
    assert back.x.dims == ("variant", "start", "step", "x_dim") and list(back) == [*trace, "mean"]
    dropped = with_dims(trace.isel(variant=1, drop=True), path)
    assert dropped.x.dims == back.x.dims and "variant" not in dropped.coords


def test_what_has_no_steps_is_refused(trace, fits, problem):
    for bad in (trace.isel(step=0), trace.rename(start="trial"), trace["x"], fits, None):
        for judge in (analysis.outcome, analysis.rates, analysis.table):
            with pytest.raises(ValueError, match=r"no x and loss by variant, start, step; give a Dataset that run"):
                judge(bad, problem)
    with pytest.raises(ValueError, match=r"no x by variant, start, step; give a Dataset that run returned\.$"):
        analysis.distance(trace.drop_vars("x"), problem)
