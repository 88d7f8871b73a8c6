"""The figures of the lectures, each case at its own tolerance (``data/lectures.toml``)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import thalweg as tw

METHODS = {
    "GD": tw.methods.gradient_descent(learning_rate=0.01),
    "Newton": tw.methods.Newton(learning_rate=1 / 3),
    "PG": tw.methods.InverseSimulator(learning_rate=0.3),
}


@pytest.fixture(scope="module")
def pbdl() -> tw.Problem:
    return tw.problems.pbdl()


@pytest.fixture(scope="module")
def trace(pbdl):
    return tw.run(pbdl, METHODS, steps=10)


def path(trace, variant: str, space: str = "x") -> np.ndarray:
    return trace[space].sel(variant=variant).isel(start=0).values


def test_a01_composite_objective(lectures, pbdl):
    expected = lectures["A01"]
    spaces = pbdl.spaces([3.0, 3.0])
    assert list(spaces) == ["x", "y", "loss"]
    assert spaces["y"].tolist() == expected["y(x)"]
    assert float(spaces["loss"]) == expected["L(y(x))"] == float(pbdl.value([3.0, 3.0])) == expected["L(x)"]


def test_a02_derivatives_of_each_stage_and_of_the_whole(lectures, pbdl):
    expected, x = lectures["A02"], jnp.array([3.0, 3.0])
    jacobian = pbdl.jacobian(x)
    np.testing.assert_allclose(pbdl.loss_gradient(pbdl.forward(x)), expected["grad_y L"], atol=1e-5)
    np.testing.assert_allclose(jacobian, expected["J_y"], atol=1e-5)
    np.testing.assert_allclose(pbdl.gradient(x), expected["grad_x L"], atol=1e-5)
    np.testing.assert_allclose(jnp.linalg.solve(jacobian, jacobian @ x), expected["solve(J, J x)"], atol=1e-5)
    np.testing.assert_allclose(pbdl.hessian(x), expected["hess_x L (derived)"], atol=1e-5)
    np.testing.assert_allclose(pbdl.loss_hessian(pbdl.forward(x)), expected["hess_y L (derived)"], atol=1e-5)
    np.testing.assert_allclose(jax.jacfwd(jax.jacrev(pbdl.value))(x), expected["hess_x L (derived)"], atol=1e-5)


def test_a02_gradient_of_a_vector_or_of_a_value_is_refused():
    with pytest.raises(
        ValueError, match=r"the loss returns an array of shape \(2,\), but gradients need one real scalar"
    ):
        tw.Problem(loss=lambda x: x**2, start=[3.0, 3.0])
    with pytest.raises(ValueError, match=r"the loss is 90\.0, but it must be a function"):
        tw.Problem(loss=90.0, start=[3.0, 3.0])  # type: ignore[arg-type]


@pytest.mark.parametrize(("case", "variant"), [("A03", "GD"), ("A04", "Newton"), ("A05", "PG")])
def test_a03_a04_a05_paths(lectures, trace, case, variant):
    expected = np.array(lectures[case]["x after iter 0..9"])
    np.testing.assert_allclose(path(trace, variant)[1:], expected, rtol=2e-6, atol=1e-6)


def test_a06_distances(lectures, pbdl, trace):
    last = tw.analysis.distance(trace, pbdl).isel(start=0, step=-1)
    for variant, expected in lectures["A06"].items():
        assert float(last.sel(variant=variant)) == pytest.approx(expected, abs=0.005)
    np.testing.assert_allclose(last, [2.6331276, 0.9253021, 0.5112818], atol=1e-6)


def test_a07_alignment_with_the_diagonal(lectures, pbdl, trace):
    first = np.sqrt(2) * tw.analysis.alignment(trace, pbdl).isel(start=0, step=0)
    for variant in METHODS:
        assert float(first.sel(variant=variant)) == pytest.approx(lectures["A07"][variant], abs=1e-6)
    assert lectures["A07"]["upper bound"] == pytest.approx(np.sqrt(2) * 1.0)


def test_a08_lengths_of_what_is_recorded(lectures, pbdl, trace):
    expected = lectures["A08"]
    assert trace.sizes["step"] == expected["len historyGD"]
    assert int(tw.analysis.alignment(trace, pbdl).sel(variant="GD").notnull().sum()) == expected["len updatesGD"]
    assert path(trace, "PG", "y")[1:].shape[0] == expected["len historyPGy"]


def test_a09_paths_in_y(lectures, trace):
    expected, close = lectures["A09"], {"rtol": 2e-6, "atol": 1e-6}
    np.testing.assert_allclose(path(trace, "PG", "y")[1:], expected["PG y (10 points)"], **close)
    np.testing.assert_allclose(path(trace, "GD", "y")[1:10], expected["GD y (9 points)"], **close)
    np.testing.assert_allclose(path(trace, "Newton", "y")[1:10], expected["Newton y (9 points)"], **close)


def test_a10_a_gradient_step_seen_in_y(lectures, pbdl, trace):
    x, learning_rate = jnp.array([3.0, 3.0]), 0.01
    y, jacobian = pbdl.forward(x), pbdl.jacobian(x)
    first_order = y - learning_rate * jacobian @ jacobian.T @ pbdl.loss_gradient(y)
    exact = path(trace, "GD", "y")[1]
    np.testing.assert_allclose(first_order, lectures["A10"]["first-order y"], rtol=1e-6)
    np.testing.assert_allclose(exact, lectures["A10"]["exact y"], rtol=1e-6)
    assert exact[1] - first_order[1] == pytest.approx(1.08**2, rel=1e-6)


def scipy_inverse(y, guess) -> np.ndarray:
    """The lecture's inverse: L-BFGS-B on differences of |y(x) - y|^2, cast to float64 as its note asks."""
    y = np.asarray(y, np.float64)
    return scipy.optimize.fmin_l_bfgs_b(
        lambda x: np.sum((np.array([x[0], x[1] ** 2]) - y) ** 2), np.asarray(guess, np.float64), approx_grad=True
    )[0]


def on_the_host(y, guess):
    return jax.pure_callback(
        lambda y, guess: scipy_inverse(y, guess).astype(y.dtype), y, y, guess, vmap_method="sequential"
    )


def lecture_forward(x):
    return jnp.array([x[0], x[1] ** 2])


@pytest.mark.parametrize("solver", ["levenberg-marquardt", "lbfgs"])
def test_a11_the_inverse_found_numerically(lectures, solver):
    with jax.enable_x64(True):
        inverse = tw.numerical_inverse(lecture_forward, solver).inverse
        found = jax.jit(inverse)(jnp.array([2.0, 2.0]), jnp.array([3.0, 3.0]))
    np.testing.assert_allclose(found, lectures["A11"]["x"], atol=1e-7)
    np.testing.assert_allclose(scipy_inverse([2, 2], [3, 3]), lectures["A11"]["x"], atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["levenberg-marquardt", "lbfgs"])
@pytest.mark.parametrize(("dtype", "exact"), [("float32", 1e-6), ("float64", 1e-12)])
def test_a11_numerical_inverses_are_exact_to_rounding(solver, dtype, exact):
    targets = np.random.default_rng(0).uniform([1, 4], [5, 16], (32, 2))
    with jax.enable_x64(dtype == "float64"):
        inverse = tw.numerical_inverse(lecture_forward, solver).inverse
        found = jax.jit(jax.vmap(inverse, (0, None)))(jnp.asarray(targets, dtype), jnp.array([3.0, 3.0], dtype))
    np.testing.assert_allclose(found, np.c_[targets[:, 0], np.sqrt(targets[:, 1])], rtol=exact)


def test_a12_inverse_simulator_on_a_numerical_inverse(lectures, pbdl):
    expected = np.array(lectures["A12"]["x after iter 0..9"])
    problem = tw.Problem(tw.numerical_inverse(lecture_forward), loss=pbdl.loss, start=[3.0, 3.0])
    found = tw.run(problem, {"PG": METHODS["PG"]}, steps=10, dtype="float64")
    np.testing.assert_allclose(path(found, "PG")[1:], expected, atol=5e-6)


@pytest.mark.slow
def test_a13_error_of_the_lecture_inverse_and_of_ours(lectures, pbdl, trace):
    """The lecture's error is the tolerance of its optimizer; an inverse exact to rounding has a thirtieth of it."""
    host = tw.Problem(tw.Stage(lecture_forward, on_the_host), loss=pbdl.loss, start=[3.0, 3.0])
    ours = tw.Problem(tw.numerical_inverse(lecture_forward), loss=pbdl.loss, start=[3.0, 3.0])
    error = {}
    for name, problem in (("host", host), ("ours", ours)):
        found = tw.run(problem, {"PG": METHODS["PG"]}, steps=10, dtype="float64")
        error[name] = np.abs(path(found, "PG") - path(trace, "PG")).mean()
    assert error["host"] == pytest.approx(lectures["A13"]["MAE"], abs=5e-7)
    assert error["ours"] < 1e-7


def test_a14_first_steps_of_about_the_same_length(lectures, trace):
    first = [np.linalg.norm(np.diff(path(trace, variant)[:2], axis=0)) for variant in METHODS]
    np.testing.assert_allclose(first, lectures["A14"]["first step length"], atol=2e-6)


def test_a15_step_sizes_on_a_fourth_power(pbdl):
    rates = np.array([1 / 36, 1 / 18, 1 / 18 + 1e-6])
    found = tw.run(pbdl, tw.sweep(tw.methods.gradient_descent(0.01), learning_rate=rates), steps=20, dtype="float64")
    no_overshoot, period, growth = found.x.isel(start=0, x_dim=1).values
    assert no_overshoot[1] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(period[:5], [3, -3, 3, -3, 3], atol=1e-9)  # unstable: rounding grows fivefold a step
    assert np.all(np.diff(np.abs(growth[:10])) > 0)
    assert not np.isfinite(growth[-1])
    below = tw.run(pbdl, tw.methods.gradient_descent(1 / 36 - 1e-6), steps=20, dtype="float64")
    assert np.all(below.x.isel(variant=0, start=0, x_dim=1) > 0)


def test_a16_branch_of_the_inverse(lectures, pbdl):
    expected = lectures["A16"]
    principal = tw.Stage(pbdl.stages[0].forward, lambda y, x: jnp.array([y[0], jnp.sqrt(y[1])]))
    lecture = tw.Problem(principal, loss=pbdl.loss, start=[3.0, -3.0])
    method, start = {"PG": METHODS["PG"]}, [[3.0, -3.0]]
    np.testing.assert_allclose(
        path(tw.run(lecture, method, steps=1), "PG")[1], expected["lecture inverse, step 1"], atol=1e-6
    )
    local = path(tw.run(pbdl, method, start, steps=10), "PG")
    np.testing.assert_allclose(local[1], expected["local inverse, step 1"], atol=1e-6)
    assert np.all(local[:, 1] < 0)
    beyond = tw.run(lecture, {"PG": tw.methods.InverseSimulator(learning_rate=1.1)}, start, steps=1)
    assert np.isnan(path(beyond, "PG")[1, 1])
    assert not lecture.check()


def test_a17_inverse_gradient(lectures, pbdl):
    expected, steps = lectures["A17"], np.arange(11)
    found = tw.run(pbdl, {"IG": tw.methods.InverseGradient(learning_rate=0.3)}, steps=10, dtype="float64")
    np.testing.assert_allclose(path(found, "IG"), np.c_[3 * 0.7**steps, 3 * 0.85**steps], rtol=1e-6)
    np.testing.assert_allclose(path(found, "IG")[-1], expected["x_10"], rtol=1e-6)
    first = float(tw.analysis.alignment(found, pbdl)[0, 0, 0])
    assert np.sqrt(2) * first == pytest.approx(expected["alignment"], rel=1e-6)


def test_a18_several_intermediate_spaces(pbdl):
    """The lecture's map cut into three stages: every space is kept, and the paths stay the same."""
    problem = tw.Problem(
        tw.Stage(lambda x: 2 * x, lambda y, x: y / 2),
        tw.Stage(
            lambda u: jnp.array([u[0] / 2, u[1] ** 2 / 4]),
            lambda y, u: jnp.array([2 * y[0], jnp.copysign(2 * jnp.sqrt(y[1]), u[1])]),
        ),
        tw.Stage(lambda v: v[::-1], lambda y, v: y[::-1], name="swapped"),
        loss=lambda y: jnp.sum(y**2),
        start=[3.0, 3.0],
    )
    found, single = tw.run(problem, METHODS, steps=10), tw.run(pbdl, METHODS, steps=10)
    assert list(found.data_vars) == ["x", "y1", "y2", "swapped", "loss"]
    np.testing.assert_allclose(found.x, single.x, rtol=1e-5)
    np.testing.assert_allclose(found.swapped[..., ::-1], single.y, rtol=1e-5)
    assert problem.check()


def test_a19_adaptive_methods(lectures, pbdl):
    methods = {
        "adagrad lr0.3 (torch form: acc0=0, eps 1e-10)": tw.methods.adagrad(
            0.3, initial_accumulator_value=0.0, eps=1e-10
        ),
        "rmsprop lr0.1 decay0.99 eps outside sqrt (torch form)": tw.methods.rmsprop(0.1, decay=0.99, eps_in_sqrt=False),
        "rmsprop centered, same": tw.methods.rmsprop(0.1, decay=0.99, eps_in_sqrt=False, centered=True),
        "rmsprop momentum0.9, same": tw.methods.rmsprop(0.1, decay=0.99, eps_in_sqrt=False, momentum=0.9),
        "adam lr0.3": tw.methods.adam(0.3),
        "adam lr0.1": tw.methods.adam(0.1),
        "heavy ball lr0.01 mu0.9": tw.methods.momentum(0.01, momentum=0.9),
    }
    expected = lectures["A19"]
    assert methods.keys() == expected.keys()
    found = tw.run(pbdl, methods, steps=10, dtype="float64")
    for name, figures in expected.items():
        np.testing.assert_allclose(path(found, name)[1], figures["x_1"], rtol=1e-6)
        np.testing.assert_allclose(path(found, name)[10], figures["x_10"], rtol=1e-6)


def test_b06_ackley(lectures):
    expected, problem = lectures["B06"], tw.problems.ackley(2)
    axis = np.arange(-10, 10, 0.1)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    with jax.enable_x64(True):
        values = np.asarray(jax.jit(jax.vmap(jax.vmap(problem.value)))(grid))
    assert list(values.shape) == expected["grid shape"]
    assert values.max() == pytest.approx(expected["grid max (derived)"], abs=2e-6)
    assert values.min() == pytest.approx(expected["grid min (derived)"], abs=2e-6)
    assert float(problem.value([0.0, 0.0])) == pytest.approx(expected["ackley(0,0)"], abs=2e-6)
    assert float(problem.value([4.0, 4.0])) == pytest.approx(expected["ackley(4,4) (derived)"], abs=2e-6)
    assert np.asarray(problem.gradient([0.0, 0.0])).tolist() == [0.0, 0.0]


def test_c18_finite_differences(lectures):
    def f(x):
        return 0.5 * x[0] ** 2 - 0.2

    with jax.enable_x64(True):
        differences = tw.FiniteDifference(step=1e-5)
        x = jnp.array([0.5])
        assert float(differences.gradient(f, x)[0]) == pytest.approx(lectures["C18"]["order 1"], abs=1e-10)
        assert float(differences.hessian(f, x)[0, 0]) == pytest.approx(lectures["C18"]["order 2"], abs=1e-6)
    with pytest.raises(ValueError, match="'central', 'forward' or 'backward'"):
        tw.FiniteDifference(scheme="third")


def test_c21_errors_of_difference_schemes(lectures):
    with jax.enable_x64(True):
        for name, expected in lectures["C21"].items():
            scheme, order = name.split()[:2]
            differences, x = tw.FiniteDifference(step=1e-3, scheme=scheme), jnp.array([1.0])
            if order == "1st":
                error = differences.gradient(lambda x: jnp.sin(x[0]), x)[0] - np.cos(1.0)
            else:
                error = differences.hessian(lambda x: jnp.sin(x[0]), x)[0, 0] + np.sin(1.0)
            assert abs(float(error)) == pytest.approx(expected, rel=0.01), name


@pytest.mark.slow
@pytest.mark.parametrize("d", [1, 2, 3, 5, 10])
def test_c22_cost_of_differences(lectures, d):
    calls = []

    def count(x):
        calls.append(x)
        return np.float32(np.sum(x**2))

    def f(x):
        return jax.pure_callback(count, jax.ShapeDtypeStruct((), jnp.float32), x, vmap_method="sequential")

    i = [1, 2, 3, 5, 10].index(d)
    for derivative, expected in (
        ("gradient", lectures["C22"]["gradient"][i]),
        ("hessian", lectures["C22"]["hessian"][i]),
    ):
        calls.clear()
        jax.block_until_ready(getattr(tw.FiniteDifference(), derivative)(f, jnp.ones(d)))
        assert len(calls) == expected
