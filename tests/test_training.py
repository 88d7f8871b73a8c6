"""Networks in front of physics: what a training problem is, how it is differentiated, and what anyone's loop gets."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw
from thalweg.chain import stages
from thalweg.chain.examples import Examples

A = np.array([[1.0, 0.0], [0.0, 50.0], [2.0, 1.0]])
N, B = 12, 4


def forward(u, example):
    # JAX 0.10.2 keeps the precision it first saw a NumPy array in while a program with it lives
    return {"sum": jnp.asarray(A, u.dtype) @ u + example["shift"], "wave": jnp.sin(u)[:1]}


def physics(loss=None):
    draw = np.random.default_rng(0)
    return tw.Problem(
        tw.Stage(forward, name="y"),
        loss=loss or (lambda y, example: jnp.sum((y["sum"] - example["target"]) ** 2) + jnp.sum(y["wave"] ** 4)),
        start=np.zeros(2),
        data={"shift": draw.normal(size=3), "target": draw.normal(size=3), "input": draw.normal(size=5)},
        units={"x": "N", "y": "m", "loss": "J"},
    )


def network(parameters, example):
    return jnp.tanh(example["input"] @ parameters["w"] + parameters["b"])


def examples(n=N, key=1):
    draw = np.random.default_rng(key)
    return {"shift": draw.normal(size=(n, 3)), "target": draw.normal(size=(n, 3)), "input": draw.normal(size=(n, 5))}


def parameters(key=2):
    draw = np.random.default_rng(key)
    return {"b": draw.normal(size=2), "w": draw.normal(size=(5, 2))}


def learning(batch_size=None, **arguments):
    return tw.training.problem(physics(), network, parameters(), examples(), batch_size, **arguments)


def test_its_loss_is_the_mean_over_examples_of_what_the_physics_says():
    problem, one = learning(), physics()
    with jax.enable_x64(True):
        alone = jax.jit(lambda example: one.bind(example).value(network(parameters(), example)))
        values = [alone(jax.tree.map(lambda leaf, i=i: leaf[i], examples())) for i in range(N)]
        assert_allclose(jax.jit(problem.value)(problem.start), np.mean(values), rtol=1e-12)
        assert_allclose(
            problem.bind(examples(5, 7)).value(problem.start),
            problem.bind(examples(5, 7)).spaces(problem.start)["loss"],
        )
    assert repr(problem) == "Problem(learning problem: x[12] -> u[24] -> y[48] -> loss)"
    assert problem.units == {"u": "N", "y": "m", "loss": "J"}
    assert problem.examples == Examples(N, mapped=True) and physics().examples == Examples()


def test_its_jacobian_taken_example_by_example_is_that_of_the_whole():
    problem = learning()
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        j = jax.jit(problem.jacobian)(x)
        assert_allclose(j, jax.jit(jax.jacfwd(problem.forward))(x), rtol=1e-11, atol=1e-12)
        v, w = np.random.default_rng(0).normal(size=j.shape[1]), np.random.default_rng(1).normal(size=j.shape[0])

        @jax.jit
        def products(x, v, w):
            _, push, pull = problem.linearize(x)
            return push(v), pull(w)

        pushed, pulled = products(x, v, w)
        assert_allclose(pushed, j @ v, rtol=1e-10, atol=1e-11)
        assert_allclose(pulled, j.T @ w, rtol=1e-10, atol=1e-11)


class Counting:
    """Derivatives by JAX that tell which Jacobians were asked for."""

    exact = True

    def __init__(self):
        self.shapes = []

    def value_and_jacobian(self, f, x):
        j = jax.jacfwd(f)(x)
        self.shapes.append(j.shape)
        return f(x), j


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sizes", "cut"),
    [
        ((6, 2, 5), [(2, 6), (5, 2)]),
        ((6, 3, 2), [(2, 6)]),
        ((3, 9, 4), [(4, 3)]),
        ((4, 4, 4), [(4, 4)]),
        ((9, 7, 1, 4, 3, 8), [(1, 9), (8, 1)]),
    ],
)
def test_a_chain_is_cut_at_its_narrowest_space(sizes, cut):
    """The Jacobian is that of the whole, from Jacobians with as few passes as the narrowest space has components."""
    draw = np.random.default_rng(sum(sizes))
    maps = [partial(lambda a, x: jnp.sin(a @ x), draw.normal(size=(n, m))) for m, n in pairwise(sizes)]
    x, counting = jnp.asarray(draw.normal(size=sizes[0]), jnp.float32), Counting()

    def whole(x):
        for f in maps:
            x = f(x)
        return x

    assert_allclose(stages.value_and_jacobian(counting, maps, sizes, x)[1], jax.jacfwd(whole)(x), rtol=1e-4, atol=1e-5)
    assert sorted(counting.shapes) == sorted(cut)


def test_finite_differences_of_a_chain_keep_the_steps_of_x():
    chain = [lambda x: 1e6 * x, lambda u: u[:1] / 1e6]
    derivatives = tw.FiniteDifference(step=(1e-3, 1e-3))
    problem = tw.Problem(*chain, loss=lambda y: jnp.sum(y**2), start=[1.0, 2.0], derivatives=derivatives)
    assert_allclose(problem.jacobian(problem.start), [[1.0, 0.0]], atol=1e-3)
    y, push, pull = problem.linearize(problem.start)
    assert_allclose([y[0], push(np.ones(2))[0], *pull(np.ones(1))], [1.0, 1.0, 1.0, 0.0], atol=1e-3)


def test_a_trace_holds_the_spaces_of_the_first_batch_and_the_loss_of_all():
    problem = learning(B, name="fit")
    trace = tw.run(problem, tw.methods.gradient_descent(1e-3), steps=6, every=3, dtype="float64")
    assert dict(trace.sizes) | {"u_dim": 2 * B, "y_dim": 4 * B, "x_dim": 12, "step": 3} == dict(trace.sizes)
    assert list(trace.u_dim.values[:3]) == ["0,0", "0,1", "1,0"]
    assert trace.x_dim.values[0] == "b[0]" and trace.attrs["problem"] == "fit" and trace.u.attrs["units"] == "N"
    with jax.enable_x64(True):
        x = jnp.asarray(trace.x.values[0, 0, -1])
        assert_allclose(trace.loss[0, 0, -1], problem.value(x), rtol=1e-12)
        assert_allclose(trace.u[0, 0, -1], problem.path(x)[1][: 2 * B], rtol=1e-12)


def test_observers_say_what_they_are_defined_as():
    truth = np.random.default_rng(5).normal(size=2)
    unseen = examples(5, key=9)
    record = [
        tw.training.validation_loss(unseen),
        tw.training.distance(lambda example: truth * example["shift"][0]),
        tw.training.saturation(lambda p, example: {"a": network(p, example)}, limit=0.5),
        tw.training.gradient_ratios,
    ]
    problem = learning(B)
    trace = tw.run(problem, tw.methods.gradient_descent(1e-3), steps=1, record=record, dtype="float64")
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        u = np.asarray(problem.path(x)[1]).reshape(N, 2)
        assert_allclose(trace.validation_loss[0, 0, 0], problem.bind(unseen).value(x), rtol=1e-12)
        away = np.linalg.norm(u - examples()["shift"][:, :1] * truth, axis=1).mean()
        assert_allclose(trace.distance_u[0, 0, 0], away, rtol=1e-12)
        assert_allclose(trace.saturation[0, 0, 0], np.mean(np.abs(u[:B]) > 0.5), rtol=1e-12)
        over_u = tw.Problem(lambda u: problem.link(1)(u), loss=problem.chain.loss_at, start=np.zeros(2 * N))
        g_y = np.linalg.norm(jax.jit(lambda x: problem.loss_gradient(problem.forward(x)))(x))
        gradients = jax.jit(problem.gradient)(x), jax.jit(over_u.gradient)(u.ravel())
        expected = [np.linalg.norm(g) / g_y for g in gradients]
        assert_allclose(trace.gradient_ratios[0, 0, 0], expected, rtol=1e-10)


def test_squared_errors_know_their_targets_and_stay_sums_of_squares():
    squares = tw.Problem(
        lambda u, e: A @ u + e["shift"], loss=tw.SquaredError(lambda e: e["target"], 0.5), start=[0.0, 0.0]
    )
    problem = tw.training.problem(squares, network, parameters(), examples(), B)
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        residual = problem.residual(x)
        assert_allclose(jnp.sum(residual**2) / 2, problem.value(x), rtol=1e-12)
        assert_allclose(problem.newton_in_y(problem.forward(x)), examples()["target"].ravel() - problem.forward(x))
        first = {key: leaf[0] for key, leaf in examples().items()}
        assert_allclose(squares.bind(first).residual(jnp.zeros(2)), first["shift"] - first["target"], rtol=1e-12)
    fits = tw.solve(squares, tw.methods.LevenbergMarquardt(), cases=examples(3), dtype="float64")
    expected = [
        np.linalg.lstsq(A, t - s, rcond=None)[0]
        for t, s in zip(examples(3)["target"], examples(3)["shift"], strict=True)
    ]
    assert_allclose(fits.x[0, :, 0], expected, atol=1e-6)


def inverted(xi=50.0):
    """A scaled map with its inverse."""
    scale = np.array([1 / xi, xi])
    return tw.Problem(
        tw.Stage(lambda u: scale * u**3, lambda y, u: jnp.cbrt(y / scale), name="y"),
        loss=tw.SquaredError(lambda example: example["target"][:2], 0.5),
        start=np.zeros(2),
    )


@pytest.mark.parametrize("learning_rate", [1.0, 0.3])
@pytest.mark.parametrize("proxy", ["l2", "l1"])
def test_the_gradient_of_the_proxy_is_that_of_the_network_alone(proxy, learning_rate):
    """One step of gradient descent inside is x - lr (du/dx)^T (u - u~) / n, or with the sign of u - u~."""
    problem = tw.training.problem(inverted(), network, parameters(), examples())
    method = tw.methods.InverseSimulator(learning_rate, inner=tw.methods.gradient_descent(0.1), proxy=proxy)
    trace = tw.run(problem, method, steps=1, dtype="float64")
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        u, scale = problem.path(x)[1].reshape(N, 2), np.array([1 / 50.0, 50.0])
        y = scale * u**3
        miss = u - np.cbrt((y + learning_rate * (examples()["target"][:, :2] - y)) / scale)
        miss = miss if proxy == "l2" else np.sign(miss)
        j = jax.jit(jax.jacfwd(lambda x: problem.path(x)[1]))(x)
        assert_allclose(trace.x[0, 0, 1], x - 0.1 * j.T @ miss.ravel() / N, rtol=1e-10)
        f = tw.training.proxy_loss(inverted(), method=method)
        both = jax.jit(jax.value_and_grad(lambda u: jnp.mean(jax.vmap(f)(u, examples()))))
        found, gradient = both(u)
        assert_allclose(gradient, miss / N, rtol=1e-10)
        assert proxy == "l1" or np.isclose(found, np.sum(miss**2) / 2 / N)


def test_without_a_network_scale_invariant_training_is_the_inverse_simulator():
    one = inverted().bind({k: v[0] for k, v in examples().items()})
    methods = {
        "bare": tw.methods.InverseSimulator(0.5),
        "inner": tw.methods.InverseSimulator(0.5, inner=tw.methods.adam(0.1)),
    }
    trace = tw.run(one, methods, np.array([[1.0, -1.0]]), steps=5, dtype="float64")
    np.testing.assert_array_equal(trace.x[0], trace.x[1])
    target = np.cbrt(examples()["target"][0, :2] / np.array([1 / 50.0, 50.0]))
    back = tw.run(one, tw.methods.InverseSimulator(), np.array([[1.0, -1.0]]), steps=1, dtype="float64")
    assert_allclose(back.x[0, 0, 1], target, rtol=1e-12)


def test_inner_rules_are_swept_by_their_own_names():
    problem = tw.training.problem(inverted(), network, parameters(), examples(), B)
    method = tw.methods.InverseSimulator(inner=tw.methods.adam(1e-3))
    trace = tw.run(problem, tw.sweep(method, learning_rate=[0.5, 1.0], inner_learning_rate=[1e-3, 1e-2]), steps=2)
    assert_allclose(trace.learning_rate, [0.5, 0.5, 1, 1])
    assert_allclose(trace.inner_learning_rate, [1e-3, 1e-2] * 2)
    moves = np.abs(np.diff(trace.x.values[:, 0, :2], axis=1)).max((1, 2))
    assert_allclose(moves, [1e-3, 1e-2] * 2, rtol=1e-3)  # the first step of Adam


def test_scale_invariant_training_does_not_see_the_scale_of_the_physics():
    traces = []
    for xi in (1.0, 1000.0):
        scaled = {**examples(), "target": examples()["target"] * [1 / xi, xi, 1.0]}
        problem = tw.training.problem(inverted(xi), network, parameters(), scaled, B)
        method = tw.methods.InverseSimulator(inner=tw.methods.adam(1e-2))
        traces.append(tw.run(problem, method, steps=30, dtype="float64").x)
    assert_allclose(traces[0], traces[1], rtol=1e-9)


@pytest.mark.slow
def test_numerical_inverses_take_the_example_too():
    stage = tw.numerical_inverse(tw.Stage(lambda u, e: e["target"][:2] + jnp.sinh(u)))
    physics = tw.Problem(stage, loss=tw.SquaredError(lambda e: e["shift"][:2]), start=np.zeros(2))
    problem = tw.training.problem(physics, network, parameters(), examples())
    with jax.enable_x64(True):
        x = jnp.asarray(problem.start)
        found = jax.jit(lambda x: problem.walk_back(problem.forward(x) + 0.5, x)[0])(x)
        expected = np.arcsinh(np.sinh(problem.path(x)[1]) + 0.5)
        assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.slow
def test_the_saddle_free_step_of_a_quadratic_is_its_inverse_and_is_capped_where_it_is_flat():
    a = np.diag([10.0, 0.1])
    stage = tw.saddle_free_inverse(lambda u: jnp.asarray(a) @ u, max_decrease=0.2)
    with jax.enable_x64(True):
        u, y = jnp.array([1.0, 2.0]), jnp.array([3.0, -1.0])
        gradient = a @ (a @ u - y)
        steep, flat = gradient / np.diag(a) ** 2
        assert abs(flat) > 0.2 / abs(gradient[1])
        assert_allclose(
            jax.jit(stage.inverse)(y, u), u - np.array([steep, np.sign(flat) * 0.2 / abs(gradient[1])]), rtol=1e-10
        )
        loose = tw.saddle_free_inverse(lambda u: jnp.asarray(a) @ u, max_decrease=1e9)
        assert_allclose(jax.jit(loose.inverse)(y, u), np.linalg.solve(a, y), rtol=1e-9)
        downhill = tw.saddle_free_inverse(lambda u: jnp.cos(u), max_decrease=1e9)
        before, after = (
            np.sum((np.cos(p) + 1) ** 2) for p in (0.3, jax.jit(downhill.inverse)(jnp.array([-1.0]), jnp.array([0.3])))
        )
        assert after < before  # where the curvature is negative
    with pytest.raises(ValueError, match="max_decrease is -1, but it must be positive"):
        tw.saddle_free_inverse(lambda u: u, max_decrease=-1)


@pytest.mark.slow
def test_equinox_modules_train_through_the_run_and_through_a_loop_of_ones_own():
    """Twenty steps of Adam on the proxy loss, in a bare loop over an equinox module and by ``run``, are the same."""
    eqx = pytest.importorskip("equinox")
    import optax

    model = eqx.nn.MLP(5, 2, 8, 1, activation=jnp.tanh, key=jax.random.key(0))
    arrays, static = eqx.partition(model, eqx.is_array)
    data = jax.tree.map(lambda leaf: leaf.astype(np.float32), examples())
    f, rule = tw.training.proxy_loss(inverted()), optax.adam(1e-2)

    @eqx.filter_jit
    def step(model, state):
        loss = lambda model: jnp.mean(jax.vmap(f)(jax.vmap(model)(data["input"]), data))  # noqa: E731
        update, state = rule.update(eqx.filter_grad(loss)(model), state)
        return eqx.apply_updates(model, update), state

    state = rule.init(eqx.filter(model, eqx.is_array))
    for _ in range(20):
        model, state = step(model, state)
    problem = tw.training.problem(inverted(), lambda p, e: eqx.combine(p, static)(e["input"]), arrays, data)
    trace = tw.run(problem, tw.methods.InverseSimulator(inner=tw.methods.adam(1e-2)), steps=20)
    ours = problem.chain.spaces[0].unravel(jnp.asarray(trace.x.values[0, 0, -1]))
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(eqx.filter(model, eqx.is_array)), strict=True):
        assert_allclose(a, b, atol=2e-5)
    mean = eqx.filter_jit(lambda m: jnp.mean(jax.vmap(f)(jax.vmap(m)(data["input"]), data)))
    proxies = [mean(m) for m in (model, eqx.combine(arrays, static))]
    assert proxies[0] < proxies[1]


def test_proxy_loss_takes_a_stage_with_a_loss_and_a_target():
    stage = tw.Stage(lambda u: u**3, lambda y, u: jnp.cbrt(y))
    f = tw.training.proxy_loss(stage, lambda y, target: jnp.sum((y - target) ** 2))
    with jax.enable_x64(True):
        u, target = jnp.array([2.0, -1.0]), jnp.array([27.0, 1.0])
        assert_allclose(jax.jit(f)(u, target), np.sum((np.array([2.0, -1.0]) - [3.0, 1.0]) ** 2) / 2)
        assert_allclose(jax.jit(jax.grad(f))(u, target), [-1.0, -2.0], rtol=1e-12)


def of_inverted(method, record=()):
    problem = tw.training.problem(inverted(), network, parameters(), examples())
    return tw.run(problem, method, steps=1, record=record)


def with_network(f):
    return tw.training.problem(physics(), f, parameters(), examples())


REFUSED = {
    "physics is a Stage, but it must be the Problem of one example": lambda: tw.training.problem(
        tw.Stage(forward), network, parameters(), examples()
    ),
    r"network gives shape \(\(1,\),\) for an example, but the physics 'problem' takes \(\(2,\),\)": lambda: (
        with_network(lambda p, e: p["b"][:1])
    ),
    "network cannot take input of shape": lambda: with_network(lambda p, e: p["c"]),
    "batch_size is 13 and the data has the shapes": lambda: learning(13),
    "stages without a loss, but it needs one": lambda: tw.training.proxy_loss(tw.Stage(forward)),
    "proxy is 'l3', but it is 'l2' or 'l1'": lambda: tw.methods.InverseSimulator(proxy="l3"),
    "stage 'u' of 'learning problem' has no inverse, but inverse simulation needs one": lambda: of_inverted(
        tw.methods.InverseSimulator()
    ),
    "space is 'z', but 'learning problem' has x, u, y": lambda: of_inverted(
        tw.methods.adam(0.1), [tw.training.distance(lambda e: e["shift"], "z")]
    ),
    "limit is 2, but a share is a number from 0 to 1": lambda: tw.training.saturation(network, 2),
    "products is 0, but it must be a whole number of at least 1": lambda: of_inverted(
        tw.methods.KrylovPower(products=0)
    ),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_does_not_fit_is_said_in_a_sentence(said):
    with pytest.raises(ValueError, match=said):
        REFUSED[said]()


def test_a_jacobian_that_would_not_fit_is_refused_with_its_bytes_and_the_largest_batch(monkeypatch):
    """Before anything is built: 64 (4 + 8) bytes per row and column, and 3 squares of the shorter side."""
    monkeypatch.setattr("thalweg.engine.memory.free", lambda: 20_000)
    method = tw.methods.JacobianPower()
    problem = learning(N)
    needed = method.workspace(4 * N, 12, 4)
    assert needed == 4 * N * 12 * (4 + 8) + 3 * 8 * 12**2 <= 20_000
    tw.run(problem, method, steps=1)
    fits = max(size for size in range(1, N) if 3 * method.workspace(4 * size, 12, 4) <= 20_000)
    said = (
        rf"method 'HIG' needs {3 * needed:,} bytes on 'learning problem', for a Jacobian of 48 x 12 numbers and 3 "
        rf"lanes at a time, and 20,000 are free; batch_size={fits} fits"
    )
    with pytest.raises(ValueError, match=said):
        tw.run(problem, {"HIG": tw.sweep(method, kappa=[0.0, 0.5, 1.0])}, steps=1)
    tw.run(learning(fits), tw.sweep(method, kappa=[0.0, 0.5, 1.0]), steps=1)
    monkeypatch.setattr("thalweg.engine.memory.free", lambda: 100)
    monkeypatch.setattr("thalweg.engine.memory.LITTLE", 0)
    with pytest.raises(ValueError, match=r"no batch fits; methods.KrylovPower needs no Jacobian"):
        tw.run(problem, method, steps=1)
    with pytest.raises(ValueError, match=r"method 'JacobianPower' needs [\d,]+ bytes on 'learning problem'"):
        tw.solve(learning(B), method)  # on all data, whatever the batch
