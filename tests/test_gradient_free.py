"""Methods without a gradient: what they visit, what they sample, and that they are those of their sources."""

import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import thalweg as tw
from thalweg.methods import (
    CMAES,
    Genetic,
    GridSearch,
    Metropolis,
    RandomSearch,
    ReplicaExchange,
    SimulatedAnnealing,
    covariance_adaptation,
)
from thalweg.words import library

BOX = tw.problems.rastrigin(2)
RUGGED = tw.Problem(
    loss=lambda x: jnp.sum(x**2 + 0.5 * jnp.sin(30 * x) - 0.2), start=[0.9], domain=(-1.0, 1.0), name="rugged"
)
WELLS = tw.Problem(loss=lambda x: (x[0] ** 2 - 1) ** 2 + 0.3 * x[0], start=[1.0], domain=(-2.0, 2.0), name="wells")
EVERY = {
    "grid": GridSearch(5),
    "random": RandomSearch(),
    "metropolis": Metropolis(1.0, 0.5),
    "annealing": SimulatedAnnealing(3.0, 0.1, 20, 0.5),
    "exchange": ReplicaExchange(10.0, 1.0, 3, 0.5),
    "genetic": Genetic(10),
    "cmaes": CMAES(1.0, generations=30),
}
RANDOM = [name for name in EVERY if name != "grid"]


# Trials


@pytest.mark.parametrize(("d", "points"), [(1, 7), (3, 3)])
def test_a_grid_search_visits_the_grid_in_order_and_stays(d, points):
    """On a loss that falls from one grid point to the next x is the present one."""
    domain = np.arange(d) - 2.0, np.arange(d) + 3.0
    grid = tw.starts.grid(domain, points)
    order = points ** np.arange(d)[::-1]

    def loss(x):
        return -jnp.sum((x - domain[0]) / 5 * (points - 1) * order)

    problem = tw.Problem(loss=loss, start=domain[0], domain=domain)
    path = tw.run(problem, GridSearch(points), steps=len(grid) + 5, dtype="float64").x[0, 0].values
    assert len(grid) == GridSearch(points).evaluations(d)
    np.testing.assert_allclose(path[1 : len(grid) + 1], grid, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(path[len(grid) :], np.tile(domain[1], (6, 1)))


def test_a_grid_search_gives_the_best_of_grid_and_start():
    starts = np.vstack([tw.starts.uniform(BOX.domain, 20, key=1), np.zeros(2)])
    trace = tw.run(BOX, GridSearch(6), starts, steps=40, dtype="float64")
    grid = jax.vmap(BOX.value)(tw.starts.grid(BOX.domain, 6))
    best = np.minimum(float(grid.min()), trace.loss[0, :, 0])
    np.testing.assert_allclose(trace.loss[0, :, 36], best, rtol=1e-6)
    assert (np.diff(trace.loss[0], axis=1) <= 0).all()
    assert trace.loss[0, -1, -1] == 0  # a start that is better than the grid counts
    np.testing.assert_array_equal(trace.x[0, :, 36], trace.x[0, :, -1])


def test_c04_cost_of_a_grid():
    seconds = {d: 1e-5 * GridSearch(100).evaluations(d) for d in (2, 3, 5, 7)}
    assert seconds[2] == pytest.approx(0.1) and seconds[3] == pytest.approx(10)
    assert round(seconds[5] / 86400, 3) == 1.157
    assert round(seconds[7] / (365.25 * 86400), 1) == 31.7
    assert GridSearch(1000).evaluations(30) == 10**90  # whole numbers of Python: nothing overflows


def test_random_search_is_the_best_of_uniform_trials():
    """The chance that none of n trials was in a part q of the domain is (1 - q)^n, and trials fill all of it."""
    problem = tw.Problem(loss=lambda x: x[0] - 2 * x[1], start=[10.0, -10.0], domain=([0.0, -1.0], [4.0, 1.0]))
    trace = tw.run(problem, RandomSearch(), np.tile(problem.start, (4000, 1)), steps=30, key=3)
    first = trace.x[0, :, 1].values
    assert len(np.unique(first[:, 0])) > 3950
    low, high = problem.domain
    assert ((first >= low) & (first <= high)).all()
    for component, (a, b) in enumerate(zip(low, high, strict=True)):
        counts = np.histogram(first[:, component], 10, (a, b))[0]
        assert ((counts - 400) ** 2 / 400).sum() < 27.9  # chi squared of 9 degrees of freedom, 0.1 %
    inner = (trace.x[0, :, :, 0] < 1) & (trace.x[0, :, :, 1] > 0.5)  # the lowest 1/16 and more around it
    assert (np.diff(trace.loss[0], axis=1) <= 0).all()
    lowest = trace.loss[0].values < -1.0  # the corner x0 - 2 x1 < -1 with area 1/4, of 8
    for n in (1, 10, 30):
        missed = np.mean(~lowest[:, n])
        expected = (1 - 1 / 32) ** n
        assert abs(missed - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)
    assert inner.any()


# Walks


def averages(trace, function, skip):
    """The mean over lanes and later steps, with its standard error over lanes, which are independent."""
    lanes = function(trace.x.values[:, :, skip:]).mean(axis=2)
    return lanes.mean(axis=1), lanes.std(axis=1) / math.sqrt(lanes.shape[1])


def boltzmann(problem, temperature, function):
    """The mean of a function of x over exp(-L/temperature) in one dimension, by quadrature."""
    x = np.linspace(-4, 4, 20_001)
    weight = np.exp(-np.asarray(jax.vmap(problem.value)(x[:, None]), float) / temperature)
    return np.sum(weight * function(x)) / np.sum(weight)


@pytest.mark.slow
def test_metropolis_samples_the_boltzmann_distribution_of_a_quadratic():
    curvatures, temperatures = np.array([1.0, 4.0]), np.array([0.5, 2.0])
    method = tw.sweep(Metropolis(1.0, 1.0), temperature=temperatures)
    bowl = tw.Problem(loss=lambda x: jnp.sum(curvatures * x**2) / 2, start=[0.0, 0.0])
    trace = tw.run(bowl, method, np.zeros((2000, 2)), steps=400, key=1)
    for power, expected in ((1, 0 * curvatures), (2, 1 / curvatures), (4, 3 / curvatures**2)):
        mean, error = averages(trace, lambda x, power=power: x**power, 100)
        exact = expected * temperatures[:, None] ** (power / 2)
        assert (np.abs(mean - exact) < 4 * error).all()
        assert power == 1 or (error < 0.02 * exact).all()


@pytest.mark.slow
def test_metropolis_samples_the_part_of_the_distribution_that_is_in_the_domain():
    """x / T of an exponential distribution on [0, 1], whose mass is at the lower bound."""
    slope = tw.Problem(loss=lambda x: 3 * x[0], start=[0.5], domain=(0.0, 1.0))
    methods = {"metropolis": Metropolis(1.0, 0.5), "exchange": ReplicaExchange(2.0, 1.0, 2, 0.5)}
    trace = tw.run(slope, methods, np.full((2000, 1), 0.5), steps=150, key=2)
    assert trace.x.min() >= 0 and trace.x.max() <= 1
    mean, error = averages(trace, lambda x: x, 50)
    assert (np.abs(mean - (1 / 3 - 1 / (np.exp(3) - 1))) < 4 * error).all() and (error < 0.01).all()


WALKERS = {
    "CMAES": CMAES(0.5, generations=30),
    "Metropolis": Metropolis(0.1, 0.5),
    "SimulatedAnnealing": SimulatedAnnealing(1.0, 0.01, 30, 0.5),
    "ReplicaExchange": ReplicaExchange(1.0, 0.1, 2, 0.5),
    "Genetic": Genetic(20),
    "RandomSearch": RandomSearch(),
    "GridSearch": GridSearch(8),
}


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_no_search_leaves_the_domain_and_starts_outside_begin_at_its_border(dtype):
    """x + 2 y falls toward a corner of [0.1, 0.3]^2, whose bounds no binary number is; z is fixed."""
    low, high = [0.1, 0.1, 0.7], [0.3, 0.3, 0.7]
    corner = tw.Problem(loss=lambda x: x[0] + 2 * x[1] + x[2], start=[0.2, 0.2, 0.7], domain=(low, high))
    trace = tw.run(corner, WALKERS, [[0.2, 0.2, 0.7], [-5.0, 0.2, 1.0]], steps=30, dtype=dtype, key=1)
    x = trace.x.values.astype(float)
    at = np.where(np.arange(3) == 2, np.float32(0.7) if dtype == "float32" else 0.7, x)  # no float32 is 0.7
    assert (x[..., :2] >= low[:2]).all() and (x[..., :2] <= high[:2]).all() and (x == at).all()
    assert trace.attrs["projected"] == 1 and (trace.x[:, 1, 0, 0] < 0.1 + 1e-6).all()


@pytest.mark.parametrize("kind", ["metropolis", pytest.param("exchange", marks=pytest.mark.slow)])
def test_shares_of_a_double_well(kind):
    method = Metropolis(0.3, 0.8) if kind == "metropolis" else ReplicaExchange(1.2, 0.3, 4, 0.5)
    trace = tw.run(WELLS, method, np.ones((2000, 1)), steps=600, key=2)
    for function in (lambda x: x < 0, lambda x: x, lambda x: x**2):
        mean, error = averages(trace, lambda x, f=function: f(x[..., 0]), 200)
        exact = boltzmann(WELLS, 0.3, function)
        assert abs(mean[0] - exact) < 4 * error[0] and error[0] < 0.02
    assert boltzmann(WELLS, 0.3, lambda x: x < 0) > 0.8  # and all began in the other well


@pytest.mark.slow
def test_exchange_crosses_a_barrier_that_metropolis_does_not():
    walls = tw.Problem(loss=lambda x: 20 * (x[0] ** 2 - 1) ** 2 + 0.3 * x[0], start=[1.0])
    methods = {"one": Metropolis(0.5, 0.25), "many": ReplicaExchange(20.0, 0.5, 6, 0.25)}
    trace = tw.run(walls, methods, np.ones((1000, 1)), steps=1500, key=3)
    crossed, error = averages(trace, lambda x: x[..., 0] < 0, 750)
    exact = boltzmann(walls, 0.5, lambda x: x < 0)
    assert crossed[0] < 0.05 and abs(crossed[1] - exact) < 4 * error[1] and error[1] < 0.02


@pytest.mark.slow
def test_exchange_keeps_the_moments_of_a_quadratic_at_the_coldest():
    trace = tw.run(
        tw.problems.quadratic([1.0, 4.0]).within(None),
        ReplicaExchange(4.0, 0.5, 5, 0.8),
        np.zeros((2000, 2)),
        400,
        key=4,
    )
    for power, expected in ((2, [0.5, 0.125]), (4, [0.75, 0.046875])):
        mean, error = averages(trace, lambda x, power=power: x**power, 100)
        assert (np.abs(mean - expected) < 4 * error).all() and (error < 0.02 * np.array(expected)).all()


@pytest.mark.parametrize("kind", ["metropolis", pytest.param("exchange", marks=pytest.mark.slow)])
def test_trials_that_are_not_finite_are_rejected(kind):
    def loss(x):
        return jnp.sum(jnp.where(x < 0, jnp.nan, jnp.where(x > 2, -jnp.inf, x)))

    edge = tw.Problem(loss=loss, start=[0.1])
    method = Metropolis(0.5, 1.0) if kind == "metropolis" else ReplicaExchange(1.0, 0.5, 3, 1.0)
    starts = np.append(np.full((1000, 1), 0.1), [[-0.5]], axis=0)
    trace = tw.run(edge, method, starts, steps=200)
    assert np.isnan(trace.loss[:, -1, 0]).all() and np.isfinite(trace.loss[:, -1, -1]).all()  # it comes back
    trace = trace.isel(start=slice(-1))
    assert (trace.x >= 0).all() and (trace.x <= 2).all() and np.isfinite(trace.loss).all()
    mean, error = averages(trace, lambda x: x[..., 0], 100)
    exact = 0.5 - 2 / np.expm1(4)  # of the exponential distribution that ends at 2
    assert (np.abs(mean - exact) < 4 * error).all() and (error < 0.02).all()


SCHEDULES = {
    "linear": [3.0, 2.1, 1.2, 0.3, 0.3],
    "geometric": [3.0, 3 * 0.1 ** (1 / 3), 3 * 0.1 ** (2 / 3), 0.3, 0.3],
    "cosine": [3.0, 0.3 + 2.7 * 0.75, 0.3 + 2.7 * 0.25, 0.3, 0.3],
    "logarithmic": [3.0, 3 / 5.5, 3 / (1 + 9 * math.log2(3) / 2), 0.3, 0.3],
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_schedules(schedule):
    found = SimulatedAnnealing(3.0, 0.3, 3, 1.0, schedule).temperature(jnp.arange(5.0))
    np.testing.assert_allclose(found, SCHEDULES[schedule], rtol=1e-6)


@pytest.mark.slow
def test_annealing_at_one_temperature_is_metropolis_and_its_steps_follow_the_schedule():
    trace = tw.run(WELLS, {"a": SimulatedAnnealing(0.7, 0.7, 5, 0.5), "m": Metropolis(0.7, 0.5)}, np.ones((64, 1)), 30)
    np.testing.assert_allclose(trace.x[0], trace.x[1], rtol=1e-6)
    swept = tw.sweep(SimulatedAnnealing(50.0, 1e-9, 20, 0.5), first=[50.0, 1e-9])
    hot, cold = tw.run(WELLS, swept, np.ones((500, 1)), steps=60, key=5).loss.values
    rises = np.diff(hot) > 1e-6
    assert rises[:, :5].mean() > 0.2 and not rises[:, 20:].any() and not (np.diff(cold) > 1e-6).any()


@pytest.mark.parametrize("schedule", ["geometric", *(pytest.param(s, marks=pytest.mark.slow) for s in SCHEDULES)])
def test_annealing_finds_the_global_minimum_more_often_than_descent(schedule):
    starts = tw.starts.uniform(RUGGED.domain, 500, key=6)
    grid = np.linspace(-1, 1, 20_001)
    minimum = grid[np.argmin(jax.vmap(RUGGED.value)(grid[:, None]))]
    methods = {"SA": SimulatedAnnealing(3.0, 0.01, 500, 0.2, schedule), "GD": tw.methods.gradient_descent(1e-3)}
    ends = tw.run(RUGGED, methods, starts, steps=600, key=7).x[:, :, -1, 0]
    annealed, descended = np.mean(np.abs(ends - minimum) < 0.1, axis=1)
    assert annealed > 0.8 and descended < 0.2  # the box from which descent finds it is a tenth of the domain


# Populations


@pytest.mark.slow
def test_genetic_population_improves_and_keeps_its_best():
    starts = tw.starts.uniform(BOX.domain, 64, key=8)
    trace = tw.run(BOX, {"e04": Genetic(100, 0.1, 0.5, 0.5), "random": RandomSearch()}, starts, steps=100, key=9)
    assert (np.diff(trace.loss, axis=-1) <= 0).all()
    genetic, random = trace.loss[:, :, -1].values
    assert np.mean(genetic < 1e-2) > 0.9 and np.median(random) > 0.1
    assert (trace.loss[0, :, 0] >= genetic).all()


@pytest.mark.slow
def test_genetic_operators_one_by_one():
    """Without crossover and mutation nothing new is born; with one of them, only what it makes."""
    corner = tw.Problem(loss=lambda x: -x[0] - x[1], start=[0.2, 0.3], domain=(0.0, 1.0))
    x, key = jnp.array([0.2, 0.3]), jax.random.key(0)

    def bred(method):
        state = jax.jit(lambda x: method.init(corner, x, key))(x)
        return np.asarray(state.points), np.asarray(
            jax.jit(lambda x, state: method.step(corner, x, state))(x, state)[1].points
        )

    before, clones = bred(Genetic(4000, 0.0, 0.0, 0.01))
    assert any(np.array_equal(point, np.asarray(x)) for point in before)
    assert (np.diff(before.sum(1)) <= 1e-6).all()
    elites = {tuple(p) for p in before[:40]}
    assert {tuple(p) for p in clones} == elites  # every elite stays, and children copy one of them
    _, mutants = bred(Genetic(4000, 1.0, 0.0, 0.01))
    new = np.array([p for p in mutants if tuple(p) not in elites])
    assert len(new) == 4000 - 40 and ((new >= 0) & (new <= 1)).all()
    everyone, blended = bred(Genetic(4000, 0.0, 1.0, 2 / 4000))  # two parents: children of a, b, or of one alone
    a, b = everyone[:2]
    u = (blended - a) / (b - a)  # between -1/2 and 3/2 where the domain ends no sooner
    assert u.min() > -0.51 and u.max() < 1.51 and u.max() > 1.2 and u.min() < -0.2
    assert np.mean([tuple(p) in {tuple(a), tuple(b)} for p in blended]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_a_loss_that_is_no_number_ranks_last():
    edge = tw.Problem(loss=lambda x: jnp.sum(jnp.log(x) ** 2), start=[-1.0], domain=(-2.0, 3.0))
    trace = tw.run(edge, {"rs": RandomSearch(), "gs": GridSearch(30), "c": CMAES(1.0)}, steps=60)
    np.testing.assert_allclose(trace.x[:, 0, -1, 0], 1, atol=0.2)
    assert abs(trace.x[2, 0, -1, 0] - 1) < 1e-3
    points = jax.jit(lambda x: Genetic(100).init(edge, x, jax.random.key(0)).points)(jnp.array([-1.0]))
    numbers = np.isfinite(jax.vmap(edge.value)(points))
    assert 20 < numbers.sum() < 90 and numbers[: numbers.sum()].all() and not numbers[numbers.sum() :].any()


# CMA-ES


def plain_cmaes(problem, x, width, seed, generations, population=None):
    """The package as its own example uses it."""
    from cmaes import CMA

    bounds = np.transpose(problem.domain)
    optimizer, means = CMA(np.array(x), width, bounds, seed=seed, population_size=population), [np.array(x)]
    f = jax.jit(problem.value)
    for _ in range(generations):
        if not optimizer.should_stop():
            points = [optimizer.ask() for _ in range(optimizer.population_size)]
            optimizer.tell([(point, float(f(point))) for point in points])
        means.append(optimizer.mean.copy())
    return np.array(means)


@pytest.mark.parametrize("population", [None, pytest.param(9, marks=pytest.mark.slow)])
def test_generations_are_those_of_cmaes(population):
    problem, starts = tw.problems.rosenbrock(3), [[-1.0, 1.0, 0.5], [2.0, 0.0, 1.0]]
    trace = tw.run(problem, CMAES(0.5, population, 40), starts, steps=45, key=11, dtype="float64")
    with jax.enable_x64(True):
        for lane, start in enumerate(starts):
            key = jax.random.fold_in(jax.random.key(11), lane)
            seed = int(jax.random.randint(key, (), 0, 2**31 - 1, jnp.int32))
            theirs = plain_cmaes(problem, start, 0.5, seed, 40, population)
            np.testing.assert_allclose(trace.x[0, lane, :41], theirs, rtol=1e-9, atol=1e-12)
            np.testing.assert_array_equal(trace.x[0, lane, 40:], np.tile(trace.x[0, lane, 40], (6, 1)))
    assert not covariance_adaptation._strategies


@pytest.mark.slow
def test_cmaes_solves_and_ends_where_the_package_does():
    problems = {
        "rosenbrock": tw.problems.rosenbrock(2),
        "cigar": tw.problems.quadratic([1.0, 1e3, 1e6], rotation_key=1),
    }
    for problem in problems.values():
        starts = problem.minima + np.random.default_rng(0).uniform(-1, 1, (8, problem.dimension))
        trace = tw.run(problem, CMAES(0.5, generations=400), starts, steps=400, dtype="float64", every=50)
        np.testing.assert_allclose(trace.x[0, :, -1], np.tile(problem.minima, (8, 1)), atol=1e-5)
        assert (trace.loss[0, :, -1] < 1e-12).all()
    assert not covariance_adaptation._strategies


@pytest.mark.slow
def test_widths_are_swept_and_cases_are_told_apart():
    problem = tw.problems.quadratic([1.0, 2.0])
    swept = tw.run(problem, tw.sweep(CMAES(0.5, generations=5), width=[0.1, 1.0]), steps=5, dtype="float64")
    for width, variant in zip([0.1, 1.0], swept.x, strict=True):  # the variants are lanes 0 and 1
        moved = np.abs(variant[0, 1] - variant[0, 0]).max()
        assert 0.01 * width < moved < 3 * width
    shifted = tw.Problem(loss=lambda x, c: jnp.sum((x - c) ** 2), start=[0.0, 0.0])
    centers = np.array([[1.0, 2.0], [-1.0, 0.5]])
    fits = tw.solve(shifted, CMAES(0.5), cases=centers, gtol=1e-6, max_steps=200, dtype="float64")
    np.testing.assert_allclose(fits.x[0, :, 0], centers, atol=1e-6)
    assert (fits.outcome == 0).all() and (fits.evaluations == -1).all()


# All of them


@pytest.mark.parametrize("name", RANDOM)
def test_lanes_draw_differently_and_equal_keys_alike(name):
    starts = np.tile(BOX.start, (2, 1))
    trace, again, other = (tw.run(BOX, EVERY[name], starts, steps=12, key=key) for key in (1, 1, 2))
    np.testing.assert_array_equal(trace.x, again.x)
    assert not np.array_equal(trace.x[0, 0], trace.x[0, 1])
    assert not np.array_equal(trace.x[0, 0], other.x[0, 0])


@pytest.mark.parametrize("name", ["grid", "metropolis"])
def test_solve_takes_them(name):
    starts = [[4.0, 4.0], [1.0, 2.0]]
    fits = tw.solve(BOX, EVERY[name], starts, gtol=0, max_steps=30, key=1, dtype="float32")
    trace = tw.run(BOX, EVERY[name], starts, steps=30, key=1)
    np.testing.assert_allclose(fits.last_x, trace.x[:, :, -1], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(fits.loss, trace.loss.min("step"), rtol=1e-5, atol=1e-5)
    assert (fits.steps == 30).all() and (fits.evaluations.sel(evaluation="value") == 2 * 31).all()


WORDS = {
    "grid_search:points=3": GridSearch(3),
    "random_search": RandomSearch(),
    "metropolis:temperature=0.5;2,width=0.5": tw.sweep(Metropolis(1.0, 0.5), temperature=[0.5, 2.0]),
    "simulated_annealing:first=3,last=0.1,steps=20,width=0.5,schedule=cosine": SimulatedAnnealing(
        3, 0.1, 20, 0.5, "cosine"
    ),
    "replica_exchange:first=3,last=0.1,replicas=3,width=0.5": ReplicaExchange(3, 0.1, 3, 0.5),
    "genetic:population=10,mutation=0.2": Genetic(10, 0.2),
    "cmaes:width=1,generations=5": CMAES(1, None, 5),
    "cmaes:width=1,population=6": CMAES(1, 6),
    "gradient_flow:time_step=0.01": tw.methods.gradient_flow(0.01),
    "damped_newtonian:time_step=0.01,friction=0": tw.methods.damped_newtonian(0.01, friction=0),
    "adam:learning_rate=0.1,weight_decay=0.1": tw.methods.adam(0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("word", WORDS)
def test_words_of_the_command_line(word):
    (method,) = library.chosen_methods([word]).values()
    assert jax.tree.structure(method) == jax.tree.structure(WORDS[word])
    assert jax.tree.all(jax.tree.map(np.array_equal, method, WORDS[word]))


def test_the_command_line_names_methods_alone():
    assert "newtonian_momentum" not in library.METHODS
    with pytest.raises(ValueError, match=r"^'sinus' is not a value of schedule; did you mean 'cosine'"):
        library.chosen_methods(["simulated_annealing:first=3,last=1,steps=9,width=1,schedule=sinus"])
    with pytest.raises(ValueError, match=r"^points is 2\.5, but it must be a whole number"):
        library.chosen_methods(["grid_search:points=2.5"])
    with pytest.raises(ValueError, match=r"^grid_search needs points; write e\.g\. grid_search:points=10\.$"):
        library.chosen_methods(["grid_search"])


FREE = tw.Problem(loss=lambda x: jnp.sum(x**2), start=[1.0, 1.0], name="free")
HALF = tw.Problem(loss=lambda x: jnp.sum(x**2), start=[1.0, 1.0], domain=(0.0, math.inf), name="half")
REFUSED = {
    "no domain": (lambda: tw.run(FREE, GridSearch(3)), "^'free' has no domain, but a grid search .*; give Problem"),
    "half a domain": (
        lambda: tw.run(HALF, GridSearch(3)),
        "^'half' has an infinite domain, but a grid search searches",
    ),
    "random": (lambda: tw.run(FREE, RandomSearch()), "^'free' has no domain, but a random search searches a finite"),
    "genetic": (lambda: tw.run(HALF, Genetic()), "^'half' has an infinite domain, but a genetic algorithm searches"),
    "points": (lambda: GridSearch(1), "^points is 1, but it must be a whole number of at least 2"),
    "points a fraction": (lambda: GridSearch(2.5), r"^points is 2\.5, but it must be a whole number"),  # type: ignore[arg-type]
    "dimension": (lambda: GridSearch(2).evaluations(0), "^dimension is 0, but it must be a whole number of at least 1"),
    "temperature": (lambda: Metropolis(0.0, 1.0), r"^temperature is 0\.0, but it must be positive and finite; give"),
    "width": (lambda: Metropolis(1.0, -1.0), r"^width is -1\.0, but it must be positive"),
    "first": (lambda: SimulatedAnnealing(-3.0, 0.1, 10, 1.0), r"^first is -3\.0, but it must be positive"),
    "last": (lambda: SimulatedAnnealing(3.0, 0.0, 10, 1.0), r"^last is 0\.0, but it must be positive"),
    "steps": (lambda: SimulatedAnnealing(3.0, 0.1, 0, 1.0), "^steps is 0, but it must be a whole number of at least 1"),
    "schedule": (
        lambda: SimulatedAnnealing(3.0, 0.1, 10, 1.0, "lineer"),  # type: ignore[arg-type]
        "^'lineer' is not a schedule; did you mean 'linear'?",
    ),
    "replicas": (lambda: ReplicaExchange(3.0, 0.1, 1, 1.0), "^replicas is 1, .* whole number of at least 2"),
    "hottest": (lambda: ReplicaExchange(math.inf, 0.1, 3, 1.0), "^first is inf, but it must be positive and finite"),
    "population": (lambda: Genetic(1), "^population is 1, but it must be a whole number of at least 2"),
    "mutation": (lambda: Genetic(mutation=1.5), r"^mutation is 1\.5, but a share is a number from 0 to 1; give"),
    "crossover": (lambda: Genetic(crossover=-0.1), r"^crossover is -0\.1, but a share"),
    "elites": (lambda: Genetic(elites=math.nan), "^elites is nan, but a share"),
    "population of CMA-ES": (lambda: CMAES(1.0, 3), "^population is 3, but it must be a whole number of at least 4"),
    "generations": (lambda: CMAES(1.0, generations=0), "^generations is 0, but it must be a whole number"),
    "width of CMA-ES": (lambda: CMAES(0.0), r"^width is 0\.0, but it must be positive"),
}


@pytest.mark.parametrize(("call", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refusal(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_without_cmaes(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(ValueError, match=r"^CMAES needs cmaes, .* pip install 'thalweg\[solvers\]'\.$"):
        CMAES(1.0)
