"""``Problem.check`` fails what is broken, and says where."""

import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw


def findings(**arguments):
    report = tw.Problem(**arguments).check()
    return {finding.statement: (finding.passed, finding.measured) for finding in report.findings}


NETWORK = {"w": np.full((3, 2), 50.0), "b": np.zeros(3)}


@pytest.mark.parametrize(
    ("stages", "loss", "start", "measured"),
    [
        ((), lambda x: 1 / (x[0] - 1) + x[1], [1.0, 2.0], "the loss is inf"),
        ((), lambda x: jnp.log(x[0]), [0.0], "the loss is -inf"),
        ((), lambda x: jnp.sqrt(x[0] - 2) + x[1], [1.0, 2.0], "the loss is nan"),
        ((), lambda x: jnp.sqrt(x[0]) + x[1], [0.0, 2.0], "dL/dx[0] is inf"),
        ((), lambda x: jnp.linalg.norm(x), [0.0, 0.0], "dL/dx[0] is nan, and 1 more"),
        (
            (lambda x: 1 / x,),
            lambda y: jnp.sum(1 / y),
            [1.0, 0.0, 3.0],
            "y[1] is inf",
        ),
        ((jnp.sqrt, jnp.abs), lambda y: jnp.nansum(y), [1.0, -1.0], "y1[1] is nan"),
        ((lambda w: jnp.exp(w["w"] @ jnp.full(2, 8.0)) ** 2,), jnp.sum, NETWORK, "y[0] is inf, and 2 more"),
    ],
)
def test_a_start_where_something_is_not_finite(stages, loss, start, measured):
    report = tw.Problem(*stages, loss=loss, start=start).check()
    assert not report
    assert (report.findings[0].statement, report.findings[0].measured) == ("start", measured)


@pytest.mark.parametrize(
    "inverse",
    [
        lambda y, x: -jnp.sqrt(y),  # the other branch
        lambda y, x: jnp.sqrt(y - 3),  # not a number at some points
        lambda y, x: jnp.sqrt(y) * (1 + 1e-5),
        lambda y, x: jnp.where(x == 2, x, 0),  # right at the start alone
    ],
)
def test_an_inverse_that_is_none(inverse):
    report = tw.Problem(tw.Stage(lambda x: x**2, inverse), loss=jnp.sum, start=[1.0, 2.0]).check()
    assert [f.statement for f in report.findings if not f.passed] == ["inverse of y"]


def test_a_minimum_is_not_one_because_the_gradient_at_the_start_is_infinite():
    report = tw.Problem(loss=lambda x: -jnp.sqrt(x[0]), start=[0.0], minima=[[4.0]]).check()
    assert [f.statement for f in report.findings if not f.passed] == ["start", "minimum (4)"]


@pytest.mark.parametrize(("lowest", "passed"), [(0.0, True), (-1.0, False)])
def test_a_minimum_of_many_components_needs_no_hessian(lowest, passed):
    """A Hessian of a hundred thousand components would take 80 GB."""
    bend = np.r_[lowest, np.ones(99_999)]
    problem = tw.Problem(
        loss=lambda x: jnp.sum(bend * (x - 1) ** 2), start=np.zeros(100_000), minima=[np.ones(100_000)]
    )
    assert problem.check().findings[-1].passed == passed


def test_a_slope_too_steep_to_tell_of_a_gradient():
    """Within the decades above rounding this loss is no parabola anywhere: nothing was tested."""
    passed, measured = findings(loss=lambda x: 1e25 * (x[0] - 1) ** 20, start=[1.0])["gradient (Taylor remainder)"]
    assert not passed and float(measured.split()[1]) > 4.5


@pytest.mark.parametrize("loss", [lambda x: x[0] ** 4, lambda x: 1e4 + x[0] ** 4, lambda x: x[0] ** 3, lambda x: x[0]])
def test_a_loss_without_curvature_passes(loss):
    assert tw.Problem(loss=loss, start=[0.0]).check()


@pytest.mark.parametrize("start", [[0.0, 2.0], [1e-3, 2.0], [5e-4, 2.0]])
def test_a_start_at_a_bound_is_tested_on_its_free_side(start):
    def loss(x):
        return jnp.where((x[0] < 0) | (x[0] > 1e-3), jnp.nan, 1e6 * (x[0] - 1e-4) ** 2 + jnp.sin(x[1]))

    assert tw.Problem(loss=loss, start=start, domain=([0, -jnp.inf], [1e-3, jnp.inf])).check()


MISRA1A = tw.problems.misra1a()


@pytest.mark.parametrize(
    ("step", "poor"),
    [(None, []), (0.01, ["float32", "float64"]), (1e-5, ["float32"]), ((0.1, 1e-7), []), ((1.0, 1e-3), ["float64"])],
)
def test_differences_that_are_poor_are_found_and_named(step, poor):
    report = tw.Problem(
        *MISRA1A.stages,
        loss=MISRA1A.loss,
        start={"b1": 500.0, "b2": 1e-4},
        derivatives=tw.FiniteDifference(step),
    ).check()
    found = [f for f in report.findings if f.statement.startswith("differences in") and not f.passed]
    assert set(poor) <= {finding.statement.split()[-1] for finding in found} and bool(report) == (not poor)
    if step == 0.01:
        assert "half the step changes dL/dx[b2] by " in str(report)


def test_a_report_reads_as_a_table():
    report = tw.problems.pbdl().check()
    lines = repr(report).splitlines()
    assert lines[0] == "pbdl: all passed" and repr(report) == str(report)
    assert [line.split()[0] for line in lines[1:]] == ["pass"] * len(report.findings)
    statements = [finding.statement for finding in report.findings]
    assert all(line[8:].startswith(name) for line, name in zip(lines[1:], statements, strict=True))
    at = {line.index(finding.measured) for line, finding in zip(lines[1:], report.findings, strict=True)}
    assert at == {8 + max(map(len, statements)) + 2} and report.passed
