"""Derivatives of formulas where factors are 0 or infinite: closed forms there, complex steps elsewhere, and fits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg import formula, problems

LOGISTIC = {"b": 1.5, "c": 0.1, "d": 2.0, "m": 3.0}
# Models with their parameters, and the derivatives at x = 0 that are not 0.
AT_ZERO = {
    "x**b": ({"b": 0.6}, {}),
    "x**b + 0*a": ({"a": 1.0, "b": 1.0}, {}),
    "(x/k)**b": ({"k": 2.0, "b": 0.6}, {}),
    "A*exp(-(x/tau)**b)": ({"A": 2.0, "tau": 3.0, "b": 0.5}, {"A": 1}),
    "A*(1-exp(-k*x))**p": ({"A": 2.0, "k": 0.3, "p": 0.6}, {}),
    "a + sqrt(k*x)": ({"a": 1.0, "k": 2.0}, {"a": 1}),
    "A*sqrt(1-exp(-k*x))": ({"A": 2.0, "k": 2.0}, {}),
    "sqrt(sqrt(k*x))": ({"k": 2.0}, {}),
    "a + sqrt((k*x)**2)": ({"a": 1.0, "k": 2.0}, {"a": 1}),
    "A*(maximum(k*x, 0))**b": ({"A": 1.0, "k": 2.0, "b": 0.5}, {}),
    "A*abs(k*x)**b": ({"A": 1.0, "k": 2.0, "b": 0.5}, {}),
    "A*tanh(k*x)**b": ({"A": 1.0, "k": 2.0, "b": 0.5}, {}),
    "A*exp(-b/x)": ({"A": 2.0, "b": 2.0}, {}),
    "A/(1+(k/x)**n)": ({"A": 2.0, "k": 3.0, "n": 1.5}, {}),
    "A/(1/(a*x)+1/b)": ({"A": 1.0, "a": 2.0, "b": 3.0}, {}),
    "A/(1+(a*x)**(-1))": ({"A": 1.0, "a": 2.0}, {}),
    "A/(1+(a*x)**(-0.5))": ({"A": 1.0, "a": 2.0}, {}),
    "c+(d-c)/(1+exp(b*(log(x)-log(m))))": (LOGISTIC, {"d": 1}),
    "c+(d-c)/(1+exp(-b*(log(x)-log(m))))": (LOGISTIC, {"c": 1}),
    "c+(d-c)/(1+10**(b*(log10(x)-log10(m))))": (LOGISTIC, {"d": 1}),
    "c+(d-c)*(1-1/(1+(m/x)**b))": (LOGISTIC, {"d": 1}),
    "d/(1+exp(b*log(x/m)))": ({"b": 1.5, "d": 2.0, "m": 3.0}, {"d": 1}),
    "exp(b*log(x))": ({"b": 0.5}, {}),
    "A*x**n/(k**n+x**n)": ({"A": 1.0, "k": 2.0, "n": 0.5}, {}),
    "A*arcsin(exp(-k*x))": ({"A": 1.0, "k": 2.0}, {"A": np.pi / 2}),
    "A*arccos(exp(-k*x))": ({"A": 1.0, "k": 2.0}, {}),
}  # fmt: skip
# What overflows or underflows in the middle: at x = 4000 nothing of it is left.
FAR = {
    "c+A/(1+exp(b*x))": ({"c": 1.0, "A": 2.0, "b": 2.0}, {"c": 1}),
    "A*exp(-b*exp(k*x))": ({"A": 2.0, "b": 1.0, "k": 1.0}, {}),
    "c-A*exp(-x**b)": ({"c": 1.0, "A": 2.0, "b": 99.5}, {"c": 1}),
    "c+A/(1+x**b)": ({"c": 1.0, "A": 2.0, "b": 99.5}, {"c": 1}),
    "A/(1+exp(k*x))**(1/b)": ({"A": 1.0, "k": 2.0, "b": 0.3}, {}),
    "A*(1+exp(k*x))**(-b)": ({"A": 1.0, "k": 2.0, "b": 0.3}, {}),
    "A/(1+exp(k*x))**2": ({"A": 1.0, "k": 2.0}, {}),
    "A/cosh(k*x)": ({"A": 1.0, "k": 2.0}, {}),
    "c + 1/sinh(k*x)**2": ({"c": 1.0, "k": 2.0}, {"c": 1}),
    "A*x/(exp(k*x)-1)": ({"A": 1.0, "k": 2.0}, {}),
    "A*sqrt(exp(-k*x))": ({"A": 1.0, "k": 2.0}, {}),
    "A*exp(-k*x)**b": ({"A": 1.0, "k": 2.0, "b": 0.5}, {}),
}
CASES = [(text, 0.0, *case) for text, case in AT_ZERO.items()] + [(text, 4000.0, *case) for text, case in FAR.items()]


def model(text, parameters, x, dtype):
    """The formula as a function of the vector of its parameters, for data x."""
    read = formula.parse(text, [*parameters, "x"])
    data = np.asarray(x, dtype)
    return lambda p: jnp.broadcast_to(read({**dict(zip(parameters, p, strict=True)), "x": data}), data.shape)


def complex_steps(text, parameters, x):
    """The derivatives by complex steps, which have no differences to lose digits in; a column for each parameter."""
    names = {"exp": np.exp, "log": np.log, "log10": np.log10, "sqrt": np.sqrt, "tanh": np.tanh, "cosh": np.cosh,
             "sinh": np.sinh, "arcsin": np.arcsin, "arccos": np.arccos,
             "abs": lambda u: u * np.sign(u.real), "maximum": lambda u, v: np.where(u.real > v, u, v)}  # fmt: skip
    columns = []
    for name in parameters:
        moved = {**parameters, name: parameters[name] + 1e-40j}
        columns.append(np.imag(eval(text, names | moved | {"x": np.asarray(x, complex)})) / 1e-40)  # of this file
    return np.stack(np.broadcast_arrays(*columns), axis=-1)


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float32", "float64"])
def derivatives(request):
    """Of every case the value, derivatives in forward and reverse mode, and of the sum over a batch: in one program."""

    def all_of(text, at, parameters, _):
        predict, p = model(text, parameters, [at, 0.7, 2.5], dtype), jnp.asarray(list(parameters.values()), dtype)
        together = jax.vmap(jax.grad(lambda p: jnp.sum(predict(p))))(jnp.stack([p, p]))
        return predict(p), jax.jacfwd(predict)(p), jax.jacrev(predict)(p), together[1]

    dtype = request.param
    with jax.enable_x64(dtype is np.float64):
        return dtype, jax.jit(lambda: {case[0]: all_of(*case) for case in CASES})()


@pytest.mark.parametrize(("text", "at", "parameters", "some"), CASES, ids=[case[0] for case in CASES])
def test_derivatives_where_factors_vanish_or_overflow(text, at, parameters, some, derivatives):
    dtype, found = derivatives
    value, forward, reverse, total = found[text]
    steps = complex_steps(text, parameters, np.array([0.7, 2.5]))
    expected = np.vstack([[some.get(name, 0.0) for name in parameters], steps])
    digits = 1e-11 if dtype is np.float64 else 2e-4
    assert np.isfinite(value).all() and forward.dtype == reverse.dtype == dtype
    np.testing.assert_allclose(forward, expected, rtol=digits, atol=digits)
    np.testing.assert_allclose(reverse, expected, rtol=digits, atol=digits)
    np.testing.assert_allclose(total, expected.sum(axis=0), rtol=10 * digits, atol=10 * digits)


@pytest.mark.slow
@pytest.mark.parametrize(("text", "at", "parameters", "some"), CASES[::4], ids=[case[0] for case in CASES[::4]])
def test_second_derivatives_in_every_order_of_modes(text, at, parameters, some):
    with jax.enable_x64(True):
        predict, p = model(text, parameters, [at, 0.7], np.float64), jnp.asarray(list(parameters.values()))
        one = jax.jit(lambda p: jax.jacfwd(jax.jacrev(predict))(p))(p)
        two = jax.jit(lambda p: jax.jacrev(jax.jacrev(predict))(p))(p)
        steps = [(jax.jacfwd(predict)(p + e) - jax.jacfwd(predict)(p - e)) / 2e-5 for e in 1e-5 * np.eye(len(p))]
    np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(one, np.stack(steps, axis=-1), rtol=1e-6, atol=1e-7)


def test_what_depends_on_a_variable_keeps_its_infinite_derivative():
    """At 0 the root rises without bound: no number is put in the place of what is none."""
    assert np.isinf(jax.grad(formula.compile("sqrt(x0)"))(jnp.zeros(1))[0])
    assert np.isinf(jax.grad(formula.compile("x0**0.5"))(jnp.zeros(1))[0])
    assert np.isinf(jax.jacfwd(formula.compile("log(x0)"))(jnp.zeros(1))[0])
    assert jax.grad(formula.compile("x0**1.5"))(jnp.zeros(1))[0] == 0


def test_zeros_of_literals_and_shifted_predictors():
    assert jax.grad(formula.compile("0**x0"))(jnp.ones(1))[0] == 0
    with jax.enable_x64(True):
        for text in ("(x-5)**b", "(x/5-1)**b", "sqrt(b*(x-5))", "(b*(x-5)/(1+x))**0.5"):
            for mode in (jax.jacfwd, jax.jacrev):
                assert mode(model(text, {"b": 0.5}, [5.0], np.float64))(jnp.array([0.5]))[0, 0] == 0


def test_a_model_without_zeros_costs_what_it_did():
    """Nothing is masked where no predictor is 0: the program has no choice between values, but for overflow."""
    for text, x, choices in (("A*exp(-k*sqrt(x))*sqrt(k*x)", [1.0, 2.0], False), ("A*sqrt(k*x)", [0.0, 2.0], True)):
        predict = model(text, {"A": 1.0, "k": 1.0}, x, np.float32)
        assert (" eq " in str(jax.make_jaxpr(predict)(jnp.ones(2)))) == choices


# Fits of observations with a control at 0; their least squares by MINPACK, from differences.

DOSE = np.concatenate([np.zeros(6), np.repeat(12.109375 * 2.0 ** np.arange(8), 3)])
GROWTH = np.array([
    0.301773087, 0.276029147, 0.314525678, 0.266317413, 0.287130279, 0.38057718, 0.327505284, 0.281334937, 0.310153564,
    0.281363466, 0.289717585, 0.288542754, 0.232920155, 0.265290594, 0.258416528, 0.216333408, 0.226247106, 0.199386103,
    0.103517717, 0.149762764, 0.208224879, 0.0785257, 0.091162153, 0.116551942, 0.014877372, 0.035288521, 0.051944135,
    0.012263292, 0.03711101, 0.033358339,
])  # fmt: skip  # terbuthylazin of R's package drc
CONCENTRATION = np.repeat([0, 0.32, 1, 3.2, 10, 32, 100], 2)
WEIGHT = np.array([1.126, 0.833, 1.096, 1.106, 1.163, 1.336, 0.985, 0.754, 0.716, 0.683, 0.56, 0.488, 0.375, 0.344])
LETTUCE = {"b": 1.383312, "c": 0.372180, "d": 1.101071, "m": 8.607128}  # lettuce of the same package
TIMES = np.array([0, 0.5, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80])
NOISE = np.random.default_rng(1).standard_normal(len(TIMES))
STRETCHED = 2 * np.exp(-((TIMES / 7) ** 0.6)) + 0.01 * NOISE
RISING = 30 * (1 - np.exp(-0.12 * TIMES)) ** 0.6 + 0.1 * NOISE
LATE = np.where(TIMES > 0, 40 * np.exp(-6 / np.where(TIMES > 0, TIMES, 1)), 0) + 0.2 * NOISE
FITS = {
    "d/(1+(x/m)**b)": (DOSE, GROWTH, None, {"b": 1.241488, "d": 0.307021, "m": 190.1648}),
    "c+(d-c)/(1+exp(b*(log(x)-log(m))))": (CONCENTRATION, WEIGHT, {"b": 1, "c": 0.3, "d": 1.1, "m": 10}, LETTUCE),
    "A*exp(-(x/tau)**b)": (TIMES, STRETCHED, None, {"A": 2.005519, "b": 0.5969786, "tau": 6.998041}),
    "A*(1-exp(-k*x))**p": (TIMES, RISING, {"A": 25, "k": 0.1}, {"A": 30.03791, "k": 0.119467, "p": 0.5983581}),
    "A*exp(-b/x)": (TIMES, LATE, {"A": 30, "b": 5}, {"A": 40.07226, "b": 5.998581}),
}


@pytest.mark.slow
@pytest.mark.parametrize("text", FITS)
def test_fits_with_observations_at_zero(text):
    x, y, start, best = FITS[text]
    problem = problems.regression({"x": x, "y": y}, text, "y", start)
    fits = tw.solve(problem, tw.methods.LevenbergMarquardt(), gtol=0, xtol=1e-10, max_steps=300, dtype="float64")
    assert list(fits.x_dim.values) == list(best)
    np.testing.assert_allclose(fits.x[0, 0], list(best.values()), rtol=2e-6)
