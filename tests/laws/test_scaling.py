"""What does not depend on the units of x, and what does (Holl, Koltun, Thuerey 2022)."""

import numpy as np
import pytest

import thalweg as tw

INVARIANT = {
    "Newton": tw.methods.Newton(0.5),
    "GaussNewton": tw.methods.GaussNewton(0.5),
    "InverseGradient": tw.methods.InverseGradient(0.5),
    "InverseSimulator": tw.methods.InverseSimulator(0.5),
}
ALPHAS = [1.0, 1e3, 1e6]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.slow
def test_paths_do_not_depend_on_the_scale_of_y(dtype):
    paths = np.stack(
        [tw.run(tw.problems.scaling(alpha), INVARIANT, steps=10, dtype=dtype).x.values for alpha in ALPHAS]
    )
    np.testing.assert_allclose(paths, paths[:1].repeat(len(ALPHAS), 0), rtol=2e-5 if dtype == "float32" else 1e-10)


def test_gradient_descent_depends_on_it():
    rate = {"GD": tw.methods.gradient_descent(0.1)}
    finals = [
        tw.run(tw.problems.scaling(alpha), rate, steps=10, dtype="float64").loss.values[0, 0] for alpha in (1.0, 10.0)
    ]
    assert finals[0][-1] < 0.02 * finals[0][0]
    assert finals[1][-1] > 1e6 * finals[1][0]


@pytest.mark.parametrize("units", [1e-6, 1e6])
@pytest.mark.slow
def test_least_squares_steps_do_not_depend_on_the_units_of_x(units):
    """The same fit with its second parameter in other units, also in float32."""
    times = np.linspace(0, 2, 9)

    def problem(scale: float) -> tw.Problem:
        return tw.Problem(
            lambda b: b[0] * (1 - np.e ** (-b[1] / scale * times)),
            loss=tw.SquaredError(1 - np.exp(-times)),
            start=[0.9, 1.2 * scale],
        )

    for dtype, exact in (("float32", 1e-4), ("float64", 1e-9)):
        path, scaled = (
            tw.run(problem(s), tw.methods.GaussNewton(), steps=5, dtype=dtype).x.values for s in (1.0, units)
        )
        np.testing.assert_allclose(scaled / [1.0, units], path, rtol=exact)
