"""The mistakes of the first hour: each is one sentence that says what to do, before anything is compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from test_errors import refusal

import thalweg as tw
from thalweg.numerics.reading import nearest

KEY = jax.random.key(0)
T = np.linspace(0.0, 1.0, 5)
EXAMPLES = {"target": np.ones((8, 2))}
INVERTED = tw.Stage(lambda u: 2 * u, lambda y, u: y / 2)
FORWARD = tw.Stage(lambda u: 2 * u)


def squares(y, example):
    return jnp.sum((y - example["target"]) ** 2)


def physics(loss=squares, stage=INVERTED):
    return tw.Problem(stage, loss=loss, start=[0.0, 0.0], name="physics")


def learning(one=None, network=lambda w, e: w @ e["target"], parameters=None, examples=EXAMPLES):
    given = np.zeros((2, 2)) if parameters is None else parameters
    return tw.training.problem(one or physics(), network, given, examples)


def fitted(data, **more):
    loss = lambda y, d: jnp.sum((y - d["y"]) ** 2)  # noqa: E731
    return tw.Problem(lambda x, d: x[0] * d["t"], loss=loss, start=[1.0], data=data, **more)


def bounded(domain, d=2):
    return tw.Problem(loss=jnp.sum, start=np.full(d, 0.5), domain=domain)


@pytest.mark.parametrize(
    ("loss", "given"),
    [
        (lambda y, e: (y - e["target"]) ** 2, "an array of shape (2,)"),
        (lambda y, e: jnp.sum(y)[None], "an array of shape (1,)"),
        (lambda y, e: jnp.sum(y > 0), "a scalar of int32"),
        (lambda y, e: (jnp.sum(y), e), "no single array"),
    ],
)
def test_the_loss_of_one_example_is_one_number(loss, given, compiled):
    said = f"the loss of one example returns {given}, but gradients need one real scalar"
    assert said in refusal(lambda: learning(physics(loss)), compiled)
    mapped = {"start": [1.0, 1.0], "data": EXAMPLES}
    each = tw.Stage(lambda x, e: x * e["target"], each=True)
    assert said in refusal(lambda: tw.Problem(each, loss=tw.MeanLoss(loss), **mapped), compiled)


def test_the_loss_of_one_example_that_asks_for_none(compiled):
    each, mapped = tw.Stage(lambda x, e: x * e["t"], each=True), {"start": [1.0], "data": {"t": T}}
    vector = lambda: tw.Problem(each, loss=tw.MeanLoss(lambda y: y), **mapped)  # noqa: E731
    assert "the loss of one example returns an array of shape (1,)" in refusal(vector, compiled)
    assert tw.Problem(each, loss=tw.MeanLoss(jnp.sum), **mapped).value([3.0]) == pytest.approx(3.0 * T.mean())


def test_a_target_of_one_example_is_broadcast_to_y_of_that_example():
    """With as many examples as components, a target for each example was taken for one of each component."""
    data = {"t": T, "y": np.arange(5.0)}
    stage = tw.Stage(lambda x, e: x * e["t"], each=True)
    problem = tw.Problem(stage, loss=tw.MeanLoss(tw.SquaredError(lambda e: e["y"])), start=np.ones(5), data=data)
    by_hand = np.mean(np.sum((T[:, None] * np.ones(5) - np.arange(5.0)[:, None]) ** 2, axis=1))
    assert problem.value(np.ones(5)) == pytest.approx(by_hand)
    assert np.sum(np.asarray(problem.residual(np.ones(5))) ** 2) / 2 == pytest.approx(by_hand, rel=1e-6)
    matrix = tw.Problem(lambda x: x.reshape(3, 2), loss=tw.SquaredError([1.0, 2.0]), start=np.zeros(6))
    assert matrix.newton_in_y(np.zeros(6)).tolist() == [1, 2, 1, 2, 1, 2]


@pytest.mark.parametrize(
    "box",
    [
        [(0, 1), (2, 3)],
        ((0, 1), (2, 3)),
        [[0, 1], [2, 3]],
        np.array([[0, 1], [2, 3]]),
        [(0, 5), (2, None)],
        [(0, 1), (0, 1)],
        ([0, 1], [0, 1]),
    ],
)
def test_a_box_of_two_pairs_is_refused(box, compiled):
    said = refusal(lambda: bounded(box), compiled)
    assert "a pair for each component" in said and "give ([0.0, " in said
    assert refusal(lambda: bounded((0, 9)).within(box), compiled) == said
    assert "a pair for each component" in refusal(lambda: tw.starts.uniform(box, 3), compiled)


@pytest.mark.parametrize(("box", "d"), [([(0, 1)], 1), ([(0, 1)] * 3, 3), (np.tile([0.0, 1.0], (7, 1)), 7)])
def test_a_box_of_other_pairs_is_refused(box, d, compiled):
    said = "a pair for each component, but it takes all low ends and all high ends; give ([0.0"
    assert said in refusal(lambda: bounded(box, d), compiled)
    assert said in refusal(lambda: tw.starts.grid(box, 2), compiled)


@pytest.mark.parametrize(
    "box",
    [
        ([0, 1], [2, 3]),
        (np.array([0, 1]), np.array([2, 3])),
        ((0, 0), (1, 1)),
        [[0, 0], [1, 1]],
        [(5, 0), (6, 1)],
        (0, [1, 2]),
        [0, 1],
        (-np.inf, np.inf),
    ],
)
def test_a_box_of_low_and_high_ends_is_one(box):
    low, high = bounded(box).domain
    assert low.tolist() == np.broadcast_to(np.asarray(box[0], float), 2).tolist()
    assert high.tolist() == np.broadcast_to(np.asarray(box[1], float), 2).tolist()


@pytest.mark.parametrize(
    "problem",
    [
        lambda: learning(physics(stage=FORWARD)),
        lambda: tw.Problem(lambda x: 2 * x, loss=jnp.sum, start=[1.0]),
        lambda: tw.Problem(INVERTED, lambda y: y**2, loss=jnp.sum, start=[1.0]),
    ],
)
@pytest.mark.parametrize("verb", [tw.run, tw.solve])
def test_physics_without_an_inverse_is_not_inverted(problem, verb, compiled):
    simulator = tw.methods.InverseSimulator(inner=tw.methods.adam(0.1))
    said = refusal(lambda: verb(problem(), simulator), compiled)
    assert "would be its inner rule alone" in said and "numerical_inverse" in said


@pytest.mark.parametrize(
    "given",
    [physics(stage=FORWARD), FORWARD, [INVERTED, FORWARD], [FORWARD, INVERTED], lambda u: 2 * u],
)
def test_the_proxy_loss_refuses_physics_without_an_inverse_at_once(given, compiled):
    said = refusal(lambda: tw.training.proxy_loss(given, jnp.sum), compiled)
    assert "without an inverse" in said and "numerical_inverse" in said


def test_the_proxy_loss_of_a_batch_says_vmap():
    batch, f = jnp.ones((8, 2)), tw.training.proxy_loss(physics())
    turned = tw.Stage(lambda u: jnp.ones((2, 2)) @ u, lambda y, u: u)
    of_stages = tw.training.proxy_loss(turned, lambda y: jnp.sum(y**2))
    own = tw.training.proxy_loss(tw.Problem(INVERTED, loss=jnp.sum, start=[0.0, 0.0]))
    for g, given in ((f, (batch, EXAMPLES)), (own, (batch,)), (of_stages, (batch,)), (f, (jnp.ones((1, 2)), EXAMPLES))):
        with pytest.raises(ValueError, match=r"batch by jax\.vmap, as in jnp\.mean\(jax\.vmap\(f\)\(predictions"):
            g(*given)
    assert jax.eval_shape(jax.vmap(f), batch, EXAMPLES).shape == (8,)
    targets = tw.training.proxy_loss(turned, lambda y, target: jnp.sum((y - target) ** 2))
    with pytest.raises(ValueError, match=r"batch by jax\.vmap"):
        targets(batch, 2 * batch)


def test_the_proxy_loss_of_a_vector_loss_says_so():
    """And not that it was given a batch."""
    for f in (lambda y: y**2, lambda y, target: (y - target) ** 2):
        with pytest.raises(
            ValueError, match=r"^the loss returns an array of shape \(2,\), but gradients need one real"
        ):
            tw.training.proxy_loss(INVERTED, f)(jnp.ones(2), jnp.ones(2))


@pytest.mark.slow
def test_a_network_that_was_not_partitioned(compiled):
    import equinox as eqx

    def applied(net, e):
        return net(e["target"])

    mlp = eqx.nn.MLP(2, 2, 4, 1, key=KEY)
    layered = eqx.nn.Sequential([eqx.nn.Linear(2, 2, key=KEY), eqx.nn.Lambda(jnp.tanh)])
    dropped = eqx.nn.Sequential([eqx.nn.Linear(2, 2, key=KEY), eqx.nn.Dropout(0.5)])
    for net, where in ((mlp, "activation"), (layered, "layers.1.fn"), (dropped, "layers.1.inference")):
        for what, call in (
            ("start has", lambda net=net: tw.Problem(loss=lambda net: jnp.sum(net(jnp.ones(2))), start=net)),
            ("parameters have", lambda net=net: learning(network=applied, parameters=net)),
        ):
            said = refusal(call, compiled)
            assert said.startswith(what) and f"at {where!r}" in said and "eqx.partition" in said
    assert "eqx.partition" in refusal(lambda: learning(network=mlp, parameters=mlp), compiled)
    params, static = eqx.partition(mlp, eqx.is_inexact_array)
    parted = learning(network=lambda p, e: eqx.combine(p, static)(e["target"]), parameters=params)
    assert parted.dimension == 22
    assert "starts have the function" in refusal(lambda: tw.run(parted, tw.methods.adam(0.1), mlp), compiled)


@pytest.mark.slow
def test_a_network_of_flax_that_was_not_split(compiled):
    linen, nnx = pytest.importorskip("flax.linen"), pytest.importorskip("flax.nnx")
    module, dense = linen.Dense(2), nnx.Linear(2, 2, rngs=nnx.Rngs(0))
    dropped = nnx.Dropout(0.5, rngs=nnx.Rngs(0))
    assert "nnx.split" in refusal(lambda: tw.Problem(loss=jnp.sum, start=dropped), compiled)
    assert "nnx.split" in refusal(lambda: learning(network=dense, parameters=dense), compiled)
    assert "module.init" in refusal(lambda: tw.Problem(loss=jnp.sum, start=module), compiled)
    assert "network.apply" in refusal(lambda: learning(network=module, parameters={"w": np.ones(2)}), compiled)


LARGE = 95_566


def large(**more):
    return tw.Problem(lambda x: x[:50_000] ** 2, loss=tw.SquaredError(), start=np.ones(LARGE), name="large", **more)


@pytest.mark.parametrize(
    "method",
    [
        tw.methods.Newton(),
        tw.methods.BFGS(),
        tw.methods.LevenbergMarquardt(),
        tw.methods.GaussNewton(),
        tw.methods.InverseGradient(),
        tw.methods.JacobianPower(),
        tw.methods.CMAES(1.0),
        tw.methods.from_scipy("BFGS"),
    ],
)
def test_matrices_of_a_large_problem_are_refused_with_their_size(method, compiled, monkeypatch):
    monkeypatch.setattr("thalweg.engine.memory.free", lambda: 16 << 30)
    for verb in (tw.run, tw.solve):
        said = refusal(lambda verb=verb: verb(large(), {"it": method}), compiled)
        assert "method 'it' needs " in said and " x 95,566 numbers" in said
        assert "methods.LBFGS, NewtonCG and TrustRegion need no such matrix" in said


def test_matrices_in_the_state_of_any_rule_are_refused(compiled, monkeypatch):
    import optimistix

    monkeypatch.setattr("thalweg.engine.memory.free", lambda: 16 << 30)
    solver = tw.methods.from_optimistix(optimistix.BFGS(rtol=1e-3, atol=1e-3))
    damped = tw.methods.from_optimistix(optimistix.LevenbergMarquardt(rtol=1e-3, atol=1e-3))
    with pytest.raises(ValueError, match="method 'BFGS' remembers 36,"):  # optimistix compiles to make its state
        tw.run(large(), solver)
    assert "for matrices of 95,566 x 95,566" in refusal(lambda: tw.run(large(), damped), compiled)
    made = optax.GradientTransformation(lambda x: jnp.eye(x.size), lambda g, state, _: (-(state @ g), state))
    assert "remembers 36," in refusal(lambda: tw.run(large(), tw.methods.from_optax(made)), compiled)
    differences = large(derivatives=tw.FiniteDifference())  # whose Hessian would list its pairs of components
    assert "for matrices of 95,566 x 95,566" in refusal(lambda: tw.run(differences, tw.methods.Newton()), compiled)


def test_lanes_together_need_their_matrices_together(compiled, monkeypatch):
    problem, method = tw.problems.quadratic(np.ones(500)), tw.methods.Newton()
    monkeypatch.setattr("thalweg.engine.memory.free", lambda: 3 * 2 * 4 * 500**2)
    assert tw.run(problem, method, steps=1).loss.values[0, 0, -1] < 1e-6
    several = tw.sweep(method, damping=np.zeros(8))
    assert "lanes at a time" in refusal(lambda: tw.run(problem, several, steps=1), compiled)


def test_minimize_refuses_a_large_matrix(monkeypatch):
    monkeypatch.setattr("thalweg.engine.memory.free", lambda: 16 << 30)
    with pytest.raises(ValueError, match="need no such matrix"):
        tw.minimize(lambda x: jnp.sum(x**2), np.ones(LARGE), method="BFGS")


def test_data_are_arrays(compiled):
    import pandas as pd
    import xarray as xr

    table = pd.DataFrame({"t": T, "y": T**2, "name": list("abcde")})
    for data, said in (
        ({"t": table.t, "y": table.y}, "a pandas Series at 't'"),
        (table, "a pandas DataFrame, but"),
        ({"t": T, "y": xr.DataArray(T)}, "a xarray DataArray at 'y'"),
        ({"t": T, "y": table.name.to_numpy(dtype=object)}, "an array of object at 'y'"),
        ({"t": T, "y": np.array(["2020-01-01"] * 5, "M8[D]")}, "an array of datetime64[D] at 'y'"),
    ):
        for call in (
            lambda data=data: fitted(data),
            lambda data=data: fitted(data, batch_size=2),
            lambda data=data: fitted(None).bind(data),
            lambda data=data: learning(examples=data),
        ):
            assert refusal(call, compiled).startswith(f"data has {said}")
    lists = fitted({"t": T.tolist(), "y": [value**2 for value in T]}, batch_size=2)
    assert lists.value([0.5]) == fitted({"t": T, "y": T**2}).value([0.5])


def test_examples_of_several_counts_are_named(compiled):
    short = {"t": T, "y": T[:4]}
    each = tw.Stage(lambda x, e: x * e["t"], each=True)
    for call in (
        lambda: fitted(short),
        lambda: fitted(None).bind(short),
        lambda: tw.Problem(each, loss=jnp.sum, start=[1.0], data=short),
        lambda: tw.Problem(each, loss=tw.MeanLoss(jnp.sum), start=[1.0], data=short),
    ):
        assert "data has 4 rows at 'y' and 5 rows at 't'" in refusal(call, compiled)
    assert "one leading axis of at least as many examples" in refusal(lambda: fitted(short, batch_size=2), compiled)
    for examples, found in (
        ({"target": np.ones((8, 2)), "z": np.ones(7)}, "examples have 7 rows at 'z' and 8 rows at 'target'"),
        ({"target": np.ones((8, 2)), "z": 1.0}, "examples have no rows at 'z' and 8 rows at 'target'"),
        ({"target": np.ones((0, 2))}, "examples have 0 rows at 'target'"),
        ({}, "examples have {}"),
    ):
        assert refusal(lambda examples=examples: learning(examples=examples), compiled).startswith(found)
    record = {"v": tw.training.validation_loss({"target": np.ones((8, 2)), "z": np.ones(7)})}
    with pytest.raises(ValueError, match="7 rows at 'z'"):
        tw.run(learning(), tw.methods.adam(0.1), record=record)


@pytest.mark.parametrize(
    "call",
    [
        lambda: tw.Problem(jnp.sum, start=[1.0]),
        lambda: tw.Problem(jnp.sum, [1.0, 2.0]),
        lambda: tw.Problem(),
        lambda: tw.Problem(tw.Stage(jnp.sum), start=[1.0], loss=None),
    ],
)
def test_a_problem_needs_a_loss(call, compiled):
    said = refusal(call, compiled)
    assert said.startswith("Problem was given no loss; where the function is the loss write Problem(loss=f, start=…)")


def test_a_problem_needs_a_start(compiled):
    assert "start is None, but it must be real numbers" in refusal(lambda: tw.Problem(loss=jnp.sum), compiled)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lm", "'levenberg_marquardt'"),
        ("gd", "'gradient_descent'"),
        ("gn", "'gauss_newton'"),
        ("tr", "'trust_region'"),
        ("levenberg", "'levenberg_marquardt'"),
        ("LBFGS", "'lbfgs'"),
        ("newon", "'newton'"),
        ("cma", "'cmaes'"),
        ("annealing", "'simulated_annealing'"),
    ],
)
def test_a_method_that_is_meant_is_offered(name, meant):
    assert nearest(name, tw.methods.COMMAND, "a method") == f"{name!r} is not a method; did you mean {meant}?"


def test_of_many_names_the_nearest_are_offered():
    said = nearest("zzz", tw.methods.COMMAND, "a method")
    assert "the nearest of 27 are " in said and said.count(",") == 2
    assert nearest("zzz", ["x", "y"], "a space") == "'zzz' is not a space; choose from x, y."
    assert nearest("", [], "a column") == "'' is not a column; choose from none."
