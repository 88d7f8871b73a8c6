"""Bad input is one sentence of a ValueError, which says what to do. Nothing is compiled for it."""

import math
import re
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import optax
import psutil
import pytest

import thalweg as tw
from thalweg import methods

PBDL = tw.problems.pbdl()
TALL = tw.Problem(lambda x: jnp.concatenate([x, x]), loss=tw.SquaredError(), start=[1.0, 2.0], name="tall")
GD = methods.gradient_descent(0.1)


def of_numpy(x):
    return np.sum(np.sin(x))


def hessian(problem, x):
    return problem.hessian(x)


def sums(**arguments):
    return tw.Problem(**{"loss": jnp.sum, "start": [1.0, 2.0], **arguments})


def staged(forward=jnp.sin, inverse=None, name=None, **arguments):
    return tw.Problem(tw.Stage(forward, inverse, name), loss=jnp.sum, start=[1.0, 2.0], **arguments)


def run(method=GD, starts=None, problem=PBDL, **arguments):
    return tw.run(problem, method, starts, **arguments)


def record(**observers):
    return tw.run(PBDL, GD, record=observers)


PROBLEMS = {
    "vector loss": (lambda: sums(loss=jnp.sin), r"^the loss returns an array of shape \(2,\), .*sum"),
    "loss a value": (lambda: sums(loss=90.0), r"^the loss is 90\.0, but it must be a function; give the function"),
    "loss an integer": (lambda: sums(loss=lambda x: jnp.sum(x > 0)), "a scalar of int32, but .* one real scalar"),
    "loss complex": (lambda: sums(loss=lambda x: jnp.sum(x * 1j)), "a scalar of complex64, but .* one real scalar"),
    "loss None": (lambda: sums(loss=lambda x: None), "no single array"),
    "loss of NumPy": (
        lambda: sums(loss=of_numpy),
        r"^the loss, of_numpy, cannot take .*\(2,\); write it with jax\.numpy",
    ),
    "loss of math": (lambda: sums(loss=lambda x: math.sin(x[0])), r"^the loss cannot .*write it with jax\.numpy"),
    "loss with if": (lambda: sums(loss=lambda x: x[0] if x[0] > 0 else x[1]), r"write it with jax\.numpy"),
    "loss of another shape": (
        lambda: sums(loss=lambda x: jnp.dot(x, np.ones(3))),
        r"cannot take input of shape \(2,\)",
    ),
    "target of another length": (lambda: sums(loss=tw.SquaredError([1.0, 2.0, 3.0])), r"\(2,\).*\(3,\)"),
    "target a column": (lambda: sums(loss=tw.SquaredError(np.ones((2, 1)))), r"target .* \(2, 1\), but y \(2,\)"),
    "stage a value": (lambda: staged(3.0), "must be a function"),
    "stage of NumPy": (lambda: staged(np.sin), r"^stage 'y', sin, cannot take .*write it with jax\.numpy"),
    "stage None": (lambda: staged(lambda x: None), "maps real arrays to real arrays"),
    "stage named x": (lambda: staged(name="x"), "choose another name"),
    "inverse a value": (lambda: staged(inverse=3.0), "the inverse of stage 'y' is 3.0, but it must be a function"),
    "inverse of NumPy": (lambda: staged(inverse=lambda y, x: np.arcsin(y)), r"^the inverse of stage 'y' .*jax\.numpy"),
    "inverse of another shape": (
        lambda: staged(inverse=lambda y, x: y[0]),
        r"returns shape \(\), .* shape \(2,\); let",
    ),
    "inverse without guess": (lambda: staged(inverse=lambda y: y), r"takes 1 positional argument but 2 were given"),
    "start of another shape": (lambda: sums(loss=lambda x: x @ np.ones(3)), r"cannot take input of shape \(2,\)"),
    "start NaN": (lambda: sums(start=[1.0, math.nan]), r"^start is \[1\.0, nan\], but it must be finite; replace"),
    "start infinite": (lambda: sums(start=[math.inf, 1.0]), "but it must be finite"),
    "start text": (lambda: sums(start="here"), "^start is 'here', but it must be real numbers; give"),
    "start of texts": (lambda: sums(start=["1", "2"]), "but it must be real numbers"),
    "start None": (lambda: sums(start=None), "but it must be real numbers"),
    "start empty": (lambda: sums(start=[]), "but it must be real numbers"),
    "start complex": (lambda: sums(start=np.array([1j, 2])), "but it must be real numbers"),
    "minimum of another shape": (lambda: sums(minima=[[1.0]]), r"^a minimum has shape \(1,\), but x has shape \(2,\)"),
    "minimum NaN": (lambda: sums(minima=[[1.0, math.nan]]), "^a minimum is .* finite"),
    "domain of three": (lambda: sums(domain=(1, 2, 3)), r"must be a pair \(low, high\)"),
    "domain a number": (lambda: sums(domain=3), r"must be a pair \(low, high\)"),
    "domain upside down": (lambda: sums(domain=(1, -1)), "low must be below high"),
    "domain of another shape": (lambda: sums(domain=([0, 0, 0], 1)), r"shape \(3,\), but x has shape \(2,\)"),
    "domain NaN": (lambda: sums(domain=([math.nan, 0], 1)), r"^domain is \(\[nan, 0\.0\], .*low must be below high"),
    "domain of texts": (lambda: sums(domain=("a", "b")), "'a', but it must be real numbers"),
    "residual": (lambda: PBDL.residual([1.0, 1.0]), "give loss=SquaredError"),
    "differences": (lambda: tw.FiniteDifference(scheme="middle"), "'central', 'forward' or 'backward'; choose one"),
    "difference step": (lambda: tw.FiniteDifference(step=-1), "^step is -1, but a difference step is positive"),
    "steps of another length": (
        lambda: sums(derivatives=tw.FiniteDifference(step=(1e-3, 1e-3, 1e-3))),
        r"^step is \(0\.001, 0\.001, 0\.001\), but x has 2 components; give one step, or one for each",
    ),
    "derivatives a class": (lambda: sums(derivatives=tw.AutoDiff), r"give AutoDiff\(\) or FiniteDifference\(\)\.$"),
    "derivatives by name": (
        lambda: sums(derivatives="central"),
        r"^derivatives is 'central', .*; give AutoDiff\(\) or",
    ),
    "solver": (lambda: tw.numerical_inverse(jnp.sin, "newton"), "'levenberg-marquardt' or 'lbfgs'; choose one"),
}

METHODS = {
    "class": (
        lambda: run(methods.Newton),
        r"class .*Newton'>, but a method has init and step; give an instance such as",
    ),
    "function": (lambda: run(methods.adam), "^method 'adam' is <function adam .*give an instance"),
    "name": (lambda: run("adam"), "is 'adam', but a method has init and step"),
    "None": (lambda: run(None), "is None, but a method has init and step"),
    "optax rule": (lambda: run(optax.adam), "a method has init and step"),
    "optax transformation": (lambda: run([optax.adam(0.1)]), "a method has init and step"),
    "none": (lambda: run([]), "no method, but it needs at least one; give"),
    "none by name": (lambda: run({}), "no method, but it needs at least one; give"),
    "no problem": (lambda: run(problem=jnp.sum), r"given a PjitFunction|given a function, but it takes a Problem"),
    "no inverse": (
        lambda: run(methods.InverseSimulator(), problem=TALL),
        "^stage 'y' of 'tall' has no inverse.*; give",
    ),
    "not square": (lambda: run(methods.InverseGradient(), problem=TALL), "2 components to 4, .* use GaussNewton"),
    "loss step": (lambda: run(methods.InverseSimulator(loss_step="newtn")), "'newton' or 'gradient'; choose one"),
    "text for a number": (lambda: run(methods.Newton("fast")), "hyperparameter that is not a number; give numbers"),
    "text for a rate": (
        lambda: run(methods.adam("fast")),
        "^the rule adam of optax .* 'pbdl', but it cannot take a step .*numbers",
    ),
    "None for a number": (lambda: run(methods.Newton(None)), "^method 'Newton' cannot take a step on 'pbdl'"),
    "list for a number": (lambda: run(methods.Newton([0.1, 0.2])), "^method 'Newton' cannot take a step on 'pbdl'"),
    "stacked by hand": (lambda: run(methods.Newton(np.ones(2), np.ones(3))), "different shapes; make them with sweep"),
    "unknown for optax": (lambda: run(methods.from_optax(optax.adam, lr=1.0)), "unexpected keyword argument 'lr'"),
    "sweep of an unknown": (lambda: tw.sweep(methods.adam(0.1), learning_rte=[1]), "did you mean 'learning_rate'"),
    "sweep of a function": (
        lambda: tw.sweep(methods.adam, learning_rate=[1]),
        r"function adam .*write e\.g\. sweep\(adam",
    ),
    "sweep of a class": (lambda: tw.sweep(methods.Newton, damping=[1]), r"Newton'>, but it takes a method"),
    "sweep of nothing": (lambda: tw.sweep(methods.adam(0.1), b1=[]), r"^b1 is \[\], but .* a flat list of numbers"),
    "sweep of None": (lambda: tw.sweep(methods.adam(0.1), b1=None), "^b1 is None, but .* a flat list of numbers"),
    "sweep of text": (lambda: tw.sweep(methods.adam(0.1), b1="0.1"), "^b1 is '0.1', but .* a flat list of numbers"),
    "sweep of ragged lists": (lambda: tw.sweep(methods.adam(0.1), b1=[[1, 2], [3]]), "a flat list of numbers"),
}

RUNS = {
    "starts of another shape": (lambda: run(starts=[1.0, 2.0, 3.0]), r"^starts have shape \(3,\), .* shape \(n, 2\)"),
    "starts of another width": (lambda: run(starts=np.ones((4, 3))), r"^starts have shape \(4, 3\), .* shape \(n, 2\)"),
    "starts of one axis too many": (lambda: run(starts=np.ones((4, 2, 2))), r"^starts have shape \(4, 2, 2\)"),
    "starts none": (lambda: run(starts=np.ones((0, 2))), r"^starts have shape \(0, 2\)"),
    "starts empty": (lambda: run(starts=[]), r"^starts have shape \(0,\)"),
    "starts a number": (lambda: run(starts=3.0), r"^starts have shape \(\)"),
    "starts text": (lambda: run(starts="here"), "^starts are 'here', but they must be real numbers; give"),
    "starts ragged": (lambda: run(starts=[[1.0, 2.0], [3.0]]), "but they must be real numbers"),
    "starts complex": (lambda: run(starts=np.array([[1j, 2]])), "but they must be real numbers"),
    "starts a dict": (lambda: run(starts={"a": 1.0}), "but they must be real numbers"),
    "starts NaN": (lambda: run(starts=[[1.0, 2.0], [1.0, math.nan]]), r"^start 1 is \[1\.0, nan\], .* not finite"),
    "starts infinite": (lambda: run(starts=[[math.inf, 2.0]]), "^start 0 is .* not finite"),
    "starts beyond float32": (lambda: run(starts=[1e39, 2.0]), "not finite in float32; .* dtype='float64'"),
    "start beyond float32": (lambda: run(problem=sums(start=[1e39])), "not finite in float32"),
    "steps negative": (lambda: run(steps=-1), "^steps is -1, but it must be a whole number of at least 0"),
    "steps a fraction": (lambda: run(steps=1.5), "^steps is 1.5, but it must be a whole number"),
    "steps a whole float": (lambda: run(steps=10.0), "^steps is 10.0, but it must be a whole number"),
    "steps text": (lambda: run(steps="10"), "^steps is '10', but it must be a whole number"),
    "steps a flag": (lambda: run(steps=True), "^steps is True, but it must be a whole number"),
    "every zero": (lambda: run(every=0), "^every is 0, but it must be a whole number of at least 1"),
    "every a fraction": (lambda: run(every=0.5), "^every is 0.5, but"),
    "key text": (lambda: run(key="a"), "^key is 'a', but it must be a whole number"),
    "key huge": (lambda: run(key=2**80), r"^key is .* below 2\*\*63"),
    "dtype unknown": (
        lambda: run(dtype="double double"),
        "but the precision is 'bfloat16', 'float16', 'float32' or 'float64'; choose one",
    ),
    "dtype int": (lambda: run(dtype=int), "'float32' or 'float64'; choose one"),
    "observer a value": (lambda: record(a=3.0), "^record has 'a': 3.0, but an observer is a function"),
    "observer a name": (lambda: run(record="loss"), "an observer is a function"),
    "observer without a name": (lambda: run(record=[lambda p, x: x[0]]), r"with a name; give e\.g\. record={"),
    "observer a matrix": (lambda: record(a=hessian), "^observer 'a' returns .*2, 2.*, but .* a vector; ravel"),
    "observer None": (lambda: record(a=lambda p, x: None), "^observer 'a' returns None, but"),
    "observer a dict": (lambda: record(a=lambda p, x: {"b": x}), "^observer 'a' returns {'b': .*, but"),
    "observer text": (lambda: record(a=lambda p, x: "b"), "^observer 'a' cannot take"),
    "observer of NumPy": (lambda: record(a=lambda p, x: np.sin(x)), r"^observer 'a' cannot .*write it with jax\.numpy"),
    "observer of x alone": (lambda: record(a=lambda x: x), "^observer 'a' cannot take .*1 positional argument"),
    "observer named as a space": (lambda: record(y=hessian), "^'y' would be two things .* another name"),
    "observer named as the loss": (lambda: record(loss=hessian), "^'loss' would be two things"),
    "observer named as a coordinate": (lambda: record(step=hessian), "^'step' would be two things"),
    "observer named as a dimension": (lambda: record(x_dim=hessian), "^'x_dim' would be two things"),
    "observer named as a hyperparameter": (lambda: record(learning_rate=hessian), "^'learning_rate' would be two"),
    "two observers of a name": (lambda: run(record=[hessian, hessian]), "^'hessian' would be two things"),
    "stage named as a hyperparameter": (
        lambda: run(methods.Newton(), problem=staged(name="damping")),
        "^'damping' would be two things",
    ),
}

STARTS = {
    "none": (lambda: tw.starts.uniform((-1, 1), 0), "^n is 0, but it must be a whole number of at least 1"),
    "a fraction": (lambda: tw.starts.grid((-1, 1), 2.5), "^n is 2.5, but"),
    "text": (lambda: tw.starts.uniform((-1, 1), "many"), "^n is 'many', but"),
    "infinity": (lambda: tw.starts.uniform((-1, 1), math.inf), "^n is inf, but"),
    "no domain": (lambda: tw.starts.uniform(None, 3), r"^the domain is None, .*give one, or state it"),
    "box of three": (lambda: tw.starts.uniform((1, 2, 3), 3), r"must be a pair \(low, high\)"),
    "box a number": (lambda: tw.starts.uniform(3, 3), r"must be a pair \(low, high\)"),
    "box infinite": (lambda: tw.starts.uniform((-math.inf, 1), 3), "must be a finite box"),
    "box upside down": (lambda: tw.starts.grid((1, -1), 3), "low below high"),
    "key negative": (lambda: tw.starts.uniform((-1, 1), 3, key=-1), "^key is -1, but"),
    "radius": (lambda: tw.starts.sphere([0.0], -1, 3), "^radius is -1, but it must be finite and not negative"),
    "center": (lambda: tw.starts.sphere([0.0, math.nan], 1, 3), "^center is .* vector of finite numbers"),
}


def refusal(call, compiled):
    """The one sentence of the ValueError that ``call`` ends in, before anything is compiled."""
    before = len(compiled)
    with pytest.raises(ValueError) as caught:
        call()
    assert len(compiled) == before
    text = str(caught.value)
    assert "\n" not in text and text[-1] in ".?" and len(text) < 400
    assert not re.search(r"[a-z]{3}\. [A-Z]", text), "more than one sentence"
    return text


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        pytest.param(*case, id=f"{group}-{name}")
        for group, cases in {"problem": PROBLEMS, "method": METHODS, "run": RUNS, "starts": STARTS}.items()
        for name, case in cases.items()
    ],
)
def test_refusal(call, sentence, compiled):
    assert re.search(sentence, refusal(call, compiled))


UNREADABLE = {
    "missing.dat": "No such file or directory",
    ".": "Is a directory",
    "cut.dat": r"it has 13 observations where 'Number of Observations:' says 14",
    "random.dat": "it is not ASCII text",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_nist_files_that_cannot_be_read(name, tmp_path, nist, compiled):
    (tmp_path / "cut.dat").write_bytes(nist("Misra1a").read_bytes()[:-30])
    (tmp_path / "random.dat").write_bytes(np.random.default_rng(0).bytes(1000))
    text = refusal(lambda: tw.problems.nist(tmp_path / name), compiled)
    assert re.search(f"cannot be read as a .* NIST StRD: {UNREADABLE[name]}; give a file as NIST", text)


def test_arguments_that_a_method_does_not_have_are_a_matter_of_python():
    with pytest.raises(TypeError, match="learning_rate"):
        methods.adam()
    with pytest.raises(TypeError, match="learnin_rate"):
        methods.adam(learnin_rate=0.1)


def memory(monkeypatch, available):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=available))


def test_a_record_too_large_names_the_bytes_and_the_thinning_that_fits(monkeypatch, compiled):
    memory(monkeypatch, 100_000)
    sweep, starts, before = tw.sweep(GD, learning_rate=[0.1, 0.2, 0.3]), np.ones((4, 2)), len(compiled)
    with pytest.raises(ValueError, match="bytes") as caught:
        tw.run(PBDL, sweep, starts, steps=10_000, dtype="float64")
    assert len(compiled) == before
    needed, free, every = map(int, re.findall(r"\d+", str(caught.value).replace(",", "")))
    row = 3 * 4 * (2 + 2 + 1) * 8 + 16  # x, y and loss of 12 lanes, and the step
    assert (needed, free) == (row * 10_001, 90_000)
    thinned = tw.run(PBDL, sweep, starts, steps=10_000, every=every, dtype="float64")
    assert free - 3 * row < thinned.sizes["step"] * row <= free
    with pytest.raises(ValueError, match="bytes"):
        tw.run(PBDL, sweep, starts, steps=10_000, every=every // 2, dtype="float64")


def test_a_record_too_large_at_any_thinning_says_so(monkeypatch, compiled):
    memory(monkeypatch, 30_000)
    before = len(compiled)
    with pytest.raises(ValueError, match=r"needs .* bytes and 27,000 are free; no `every` helps, so take fewer starts"):
        tw.run(PBDL, GD, np.ones((1500, 2)), steps=100)
    assert len(compiled) == before


def test_a_number_of_steps_beyond_all_memory_takes_none(compiled):
    before = len(compiled)
    with pytest.raises(ValueError, match=r"needs 360,000,000,000,000,036 bytes"):
        tw.run(PBDL, GD, steps=10**16)
    assert len(compiled) == before
