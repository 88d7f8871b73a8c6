"""Derivatives: by the mode that a function has, or by differences that know how large x is and where it may go."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw

X = np.array([0.7, 0.4])


def plain(x):
    return jnp.concatenate([jnp.sqrt(x), x**2, x[:1] * x[1:], jnp.exp(-x[:1])])


def looped(x):
    """The same, its roots by Newton's method in a loop of a length that is not known before."""

    def go_on(loop):
        return (loop[0] < 50) & (jnp.max(jnp.abs(loop[1] ** 2 - x)) > 1e-15)

    def improve(loop):
        k, y = loop
        return k + 1, y - (y**2 - x) / (2 * y)

    roots = jax.lax.while_loop(go_on, improve, (0, jnp.ones_like(x)))[1]
    return jnp.concatenate([roots, plain(x)[2:]])


def with_adjoint(forward, adjoint):
    f = jax.custom_vjp(lambda x: plain(x))
    f.defvjp(lambda x: (forward(f, x), x), lambda x, w: (adjoint(x, w),))
    return f


def product(x, w):
    return jax.jacfwd(plain)(x).T @ w


def product_in_a_loop(x, w):
    j, w = jax.jacfwd(plain)(x), jnp.asarray(w)
    return jax.lax.while_loop(lambda s: s[0] < len(w), lambda s: (s[0] + 1, s[1] + j[s[0]] * w[s[0]]), (0, 0 * x))[1]


def product_on_the_host(x, w):
    def host(x, w):
        x, w = np.asarray(x), np.asarray(w)
        own = w[:2] / (2 * np.sqrt(x)) + 2 * x * w[2:4] + x[::-1] * w[4]
        return (own - np.array([np.exp(-x[0]) * w[5], 0])).astype(x.dtype)

    return jax.pure_callback(host, jax.ShapeDtypeStruct(x.shape, x.dtype), x, w, vmap_method="sequential")


def with_tangents():
    f = jax.custom_jvp(lambda x: looped(x))
    f.defjvp(lambda point, tangent: (f(*point), jax.jvp(plain, point, tangent)[1]))
    return f


# What JAX can do with each: the error of second derivatives, which are differences where there is nothing else.
KINDS = {
    "an adjoint by hand": (with_adjoint(lambda f, x: f(x), product), 1e-12),
    "an adjoint by hand whose forward pass is plain": (with_adjoint(lambda f, x: plain(x), product), 1e-12),
    "an adjoint with a loop": (with_adjoint(lambda f, x: f(x), product_in_a_loop), 1e-8),
    "a loop": (looped, 1e-12),
    "tangents by hand": (with_tangents(), 1e-12),
}


def problem_of(stage, **arguments):
    return tw.Problem(stage, loss=tw.SquaredError(np.asarray(plain(X + 0.2))), start=X, **arguments)


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_has_a_derivative_in_one_mode_has_all_derivatives(kind, float64):
    (stage, error), known, v, w = KINDS[kind], problem_of(plain), np.array([1.0, -2.0]), np.arange(6.0)
    problem = problem_of(stage)

    def first(problem, x, v, w):
        _, push, pull = problem.linearize(x)
        return problem.value_and_gradient(x), problem.jacobian(x), push(v), pull(w)

    def second(problem, x, v, w):
        return problem.hessian(x), problem.hessian_product(x, v)

    for asked, tolerance in ((first, 1e-12), (second, error)):
        found, right = (jax.tree.leaves(jax.jit(asked, static_argnums=0)(p, X, v, w)) for p in (problem, known))
        for one, other in zip(found, right, strict=True):
            assert_allclose(one, other, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["an adjoint by hand", "a loop"])
def test_a_mode_is_found_where_x_is_a_number_too(kind):
    x = jnp.asarray(X)
    for asked in (lambda f: tw.AutoDiff().gradient(lambda x: f(x)[2], x), lambda f: tw.AutoDiff().tangents(f, x)(x)):
        assert_allclose(asked(KINDS[kind][0]), asked(plain), 1e-5)


def test_an_adjoint_on_the_host_has_a_jacobian_and_differences_of_its_gradients():
    """In float32: JAX calls the host from a thread of its own, which knows nothing of float64 here."""
    stage = with_adjoint(lambda f, x: f(x), product_on_the_host)
    (found, known), v = (problem_of(stage), problem_of(plain)), np.array([1.0, -2.0])

    @partial(jax.jit, static_argnums=0)
    def facts(problem, x, v):
        return problem.jacobian(x), problem.hessian(x), problem.hessian_product(x, v)[2]

    for one, other in zip(facts(found, X, v), facts(known, X, v), strict=True):
        assert_allclose(one, other, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["an adjoint by hand", "a loop"])
def test_a_jacobian_of_more_inputs_than_outputs_too(kind, float64):
    """The cheaper mode is the other one."""
    weights = np.arange(1.0, 7.0)

    def found(f):
        wide = tw.AutoDiff().gradient(lambda x: f(x[:2]) @ weights + jnp.sum(x**3), jnp.full(9, 1.5))
        return wide, tw.AutoDiff().jacobian(lambda x: f(x)[:1], jnp.asarray(X))

    for one, known in zip(found(KINDS[kind][0]), found(plain), strict=True):
        assert_allclose(one, known, 1e-12)


METHODS = {
    "lm": tw.methods.LevenbergMarquardt(),
    "gn": tw.methods.GaussNewton(),
    "newton": tw.methods.Newton(),
    "trust": tw.methods.TrustRegion(),
    "cg": tw.methods.NewtonCG(),
    "bfgs": tw.methods.BFGS(),
    "krylov": tw.methods.KrylovPower(products=3),
    "adam": tw.methods.adam(0.1),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["an adjoint by hand", "a loop"])
@pytest.mark.parametrize(
    "names",
    [
        ["lm", "cg", "krylov"],
        *(pytest.param([n], marks=pytest.mark.slow) for n in ("gn", "newton", "trust", "bfgs", "adam")),
    ],
    ids=" ".join,
)
def test_methods_take_the_steps_that_they_take_on_a_plain_stage(kind, names):
    methods = {name: METHODS[name] for name in names}
    found, known = (tw.run(problem_of(f), methods, steps=3, dtype="float64") for f in (KINDS[kind][0], plain))
    assert np.ptp(known.x.values, axis=2).min() > 1e-4
    assert_allclose(found.x, known.x, 1e-9)


@pytest.mark.parametrize("kind", ["an adjoint by hand", "a loop"])
def test_solve_looks_at_gauss_newton_by_its_jacobian(kind):
    """J^T r is the gradient: none is evaluated, in either mode."""
    fits = tw.solve(problem_of(KINDS[kind][0]), tw.methods.GaussNewton(), gtol=1e-9, dtype="float64")
    assert_allclose(fits.x[0, 0], X + 0.2, 1e-6)
    steps = fits.steps.item()
    assert fits.evaluations[0, 0].values.tolist() == [steps + 1, 0, 0, steps + 1, 0]
    known = np.abs(problem_of(plain).gradient(fits.x.values[0, 0])).max()
    assert fits.gradient_norm.item() <= 1e-9 and known < 1e-5


@pytest.mark.slow
def test_exponents_and_spectra_of_an_adjoint_by_hand():
    stage = KINDS["an adjoint by hand"][0]
    found, known = (
        tw.analysis.lyapunov(problem_of(f), tw.methods.gradient_descent(0.01), steps=10, transient=2).item()
        for f in (stage, plain)
    )
    assert found == pytest.approx(known, rel=1e-4)
    found, known = (tw.geometry.spectrum(problem_of(f), X, 2) for f in (stage, plain))
    assert_allclose(found, known, 1e-4)


def on_the_host(x, seen=None):
    def host(x):
        if seen is not None:
            seen.append(x)
        return np.exp(np.asarray(x))

    return jax.pure_callback(host, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="sequential")


def test_which_mode_serves_is_found_without_a_value():
    seen = []

    def f(x):
        return jnp.sum(on_the_host(x, seen))

    for kind in "gradient", "hessian":
        with pytest.raises(ValueError, match="is asked for, but JAX has a rule"):
            getattr(tw.AutoDiff(), kind)(f, jnp.ones(2))
    with pytest.raises(ValueError, match="is asked for, but JAX has a rule"):
        tw.run(tw.Problem(loss=f, start=X), tw.methods.Newton())
    assert not seen


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (lambda p: p.gradient(X), "^a gradient is asked for, but"),
        (lambda p: p.hessian(X), "^a gradient is asked for, but"),
        (lambda p: p.jacobian(X), "^a Jacobian is asked for, but"),
        (lambda p: tw.solve(p, tw.methods.LevenbergMarquardt()), "^a Jacobian is asked for, but"),
        (lambda p: tw.geometry.sharpness(p, X), "^a gradient is asked for, but"),
    ],
)
def test_what_has_no_derivative_is_told_what_is_missing(asked, sentence):
    stage = tw.Stage(on_the_host)
    with pytest.raises(ValueError, match=sentence) as caught:
        asked(tw.Problem(stage, loss=tw.SquaredError(2.0), start=X))
    told = str(caught.value)
    assert "\n" not in told and told.count("Pure callbacks do not support JVP") == 1
    assert told.endswith(
        "give the function one by jax.custom_jvp or jax.custom_vjp, or take differences of values, "
        "Problem(derivatives=FiniteDifference())."
    )


def test_what_a_function_does_wrong_is_said_as_it_is():
    def wrong(x):
        raise RuntimeError("there is no such grid")

    with pytest.raises(RuntimeError, match="there is no such grid"):
        tw.AutoDiff().gradient(wrong, jnp.ones(2))


# --- differences ---------------------------------------------------------------------------------------------------

MISRA1A = np.array([2.3894212918e2, 5.5015643181e-4])  # NIST StRD, certified
FIRST, SECOND = [500.0, 1e-4], [250.0, 5e-4]


@pytest.mark.parametrize(
    ("start", "scheme", "dtype", "error"),
    [
        (FIRST, "central", "float64", 1e-9),
        (FIRST, "central", "float32", 1e-4),
        *(
            pytest.param(start, scheme, dtype, 1e-7 if dtype == "float64" else 2e-4, marks=pytest.mark.slow)
            for start in (FIRST, SECOND)
            for scheme in ("central", "forward", "backward")
            for dtype in ("float64", "float32")
        ),
    ],
)
def test_differences_fit_parameters_of_different_sizes(start, scheme, dtype, error):
    """Misra1a of NIST: parameters of 239 and 5.5e-4."""
    known = tw.problems.misra1a()
    start, differences = dict(zip(("b1", "b2"), start, strict=True)), tw.FiniteDifference(scheme=scheme)
    problem = tw.Problem(*known.stages, loss=known.loss, start=start, derivatives=differences)
    fits = tw.solve(
        problem, tw.methods.LevenbergMarquardt(), gtol=0, xtol=1e-8 if dtype == "float64" else 1e-5, dtype=dtype
    )
    assert fits.outcome.item() == 0
    assert_allclose(fits.x[0, 0], MISRA1A, error)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("scheme", ["central", "forward", "backward"])
def test_derivatives_by_differences_follow_the_units_of_x(size, scheme, float64):
    """A change of units by a power of two changes nothing but the units."""
    size = 2.0 ** round(np.log2(size))

    def of(unit):
        loss = lambda x: jnp.sin(x[0] / unit) * jnp.exp(x[1] / unit) + x[2] / unit  # noqa: E731
        start = np.array([0.3, 0.7, 0.9]) * unit
        return tw.Problem(loss=loss, start=start, derivatives=tw.FiniteDifference(scheme=scheme)), start

    (problem, x), (known, one) = of(size), of(1.0)
    v = np.array([1.0, 2.0, 3.0])
    assert_allclose(problem.gradient(x) * size, known.gradient(one), 1e-12)
    assert_allclose(problem.hessian(x) * size**2, known.hessian(one), 1e-12, 1e-12)
    assert_allclose(problem.hessian_product(x, v * size)[2] * size, known.hessian_product(one, v)[2], 1e-12, 1e-12)


@pytest.mark.slow
def test_differences_in_y_follow_the_size_of_y(float64):
    """A loss that is no sum of squares, of currents of 1e-9, and steps that are those of x."""
    scale, differences = 1e-9, tw.FiniteDifference(step=(1e-5, 1e-5))
    loss = lambda y: jnp.sum(jnp.cosh(y / scale - 1))  # noqa: E731
    problem = tw.Problem(lambda x: scale * plain(x), loss=loss, start=X, derivatives=differences)
    known = problem.with_derivatives(tw.AutoDiff())
    y = problem.forward(X)
    assert_allclose(problem.loss_gradient(y), known.loss_gradient(y), 1e-6)
    assert_allclose(problem.loss_hessian(y), known.loss_hessian(y), 1e-4, 1e12)


@pytest.mark.slow
def test_numerical_inverses_by_differences_follow_the_size_of_x(float64):
    stage = tw.numerical_inverse(lambda u: u**2, derivatives=tw.FiniteDifference())
    assert_allclose(stage.inverse(jnp.array([4e-18]), jnp.array([1e-9])), [2e-9], 1e-9)


LOW, HIGH = np.array([0.1, -1e-3]), np.array([0.4, 2e-3])
EDGES = {  # of the box: where a component is, from 0 to 1
    "inside": (0.5, 0.4),
    "at both lower bounds": (0.0, 0.0),
    "at both upper bounds": (1.0, 1.0),
    "in a corner": (0.0, 1.0),
    "nearer to a bound than the step": (1e-8, 1 - 1e-8),
}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["central", "forward", "backward"])
@pytest.mark.parametrize("where", EDGES)
def test_differences_stay_in_the_domain(where, scheme, float64):
    """The loss is NaN beyond the domain; at a bound first derivatives by central differences keep their order."""

    def loss(x):
        inside = jnp.all((x >= LOW) & (x <= HIGH))
        u = (x - LOW) / (HIGH - LOW)
        return jnp.where(inside, jnp.exp(u[0]) * jnp.sin(2 * u[1]) + u[0] ** 2, jnp.nan)

    x = LOW + np.array(EDGES[where]) * (HIGH - LOW)
    problem = tw.Problem(loss=loss, start=x, domain=(LOW, HIGH), derivatives=tw.FiniteDifference(scheme=scheme))
    size, v, inner = HIGH - LOW, np.array([1.0, -2.0]), tw.Problem(loss=loss, start=x)
    first, second = (1e-8, 5e-3) if scheme == "central" else (1e-6, 0.1)
    assert_allclose(problem.gradient(x) * size, inner.gradient(x) * size, rtol=0, atol=first)
    assert_allclose(problem.hessian(x) * np.outer(size, size), inner.hessian(x) * np.outer(size, size), atol=second)
    products = (p.hessian_product(x, v * size)[2] * size for p in (problem, inner))
    assert_allclose(*products, atol=second)


@pytest.mark.slow
def test_a_start_beyond_the_domain_and_a_domain_without_bounds_change_nothing(float64):
    loss, x = (lambda x: jnp.sum(jnp.sin(x) * x**2)), np.array([3.0, -4.0])
    free = tw.Problem(loss=loss, start=x, derivatives=tw.FiniteDifference())
    for domain in ((-1.0, 1.0), (-np.inf, np.inf), ([0.0, -np.inf], [np.inf, 0.0])):
        boxed = free.within(domain)
        assert_allclose(boxed.gradient(x), free.gradient(x), 1e-9)
        assert_allclose(boxed.hessian(x), free.hessian(x), 1e-5, 1e-6)


def test_steps_that_were_given_are_kept_in_a_problem(float64):
    steps = (1e-2, 1e-3)
    problem = tw.Problem(loss=lambda x: jnp.sum(x**3), start=[1.0, 1.0], derivatives=tw.FiniteDifference(steps))
    assert_allclose(problem.gradient([1.0, 1.0]) - 3, np.square(steps) / 4, 1e-6)  # h^2 f''' / 24
    assert repr(problem.derivatives) == "FiniteDifference(step=(0.01, 0.001), scheme='central')"


BOUNDED = {
    "x^2 + y^2": (lambda x: jnp.where(x[0] < 0, jnp.nan, x[0] ** 2 + x[1] ** 2), [1.0, 2.0], [0.0, 0.0]),
    "x + x^1.5": (lambda x: x[0] + x[0] ** 1.5 + (x[1] - 2) ** 2, [1.0, 1.0], [0.0, 2.0]),
    "x + x^2": (lambda x: jnp.where(x[0] < 0, jnp.nan, x[0] + x[0] ** 2) + (x[1] - 2) ** 2, [1.0, 1.0], [0.0, 2.0]),
    "log": (lambda x: x[0] - 0.01 * jnp.log(3 - x[1]) - x[1], [1.0, 1.0], [0.0, 2.99]),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == "x + x^1.5" else pytest.mark.slow) for n in BOUNDED])
@pytest.mark.parametrize(
    "method", [tw.methods.TrustRegion(bounded=True), tw.methods.LBFGS(bounded=True)], ids=["TR", "L"]
)
def test_bounded_methods_arrive_at_a_bound_by_differences(name, method):
    """Optim.jl, issue 541: the loss is not defined beyond x = 0, where the minimum is."""
    loss, start, minimum = BOUNDED[name]
    problem = tw.Problem(loss=loss, start=start, domain=([0, -np.inf], [np.inf, 3]), derivatives=tw.FiniteDifference())
    fits = tw.solve(problem, method, dtype="float64")
    assert_allclose(fits.x[0, 0], minimum, 1e-4, 1e-5)
