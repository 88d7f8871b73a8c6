"""Programs that call LAPACK have the cores to themselves: one at a time, of one thread of OpenBLAS."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg  # noqa: F401  whose LAPACK is that of XLA
from threadpoolctl import threadpool_info, threadpool_limits

import thalweg as tw
from thalweg.engine.hardware import CPU, GPU
from thalweg.engine.lanes import in_turn


def threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def give(number):
    """On a thread that ends, since a limit that the thread of the test held would stand."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(threadpool_limits, number, "blas").result()


@pytest.fixture(autouse=True)
def two_threads():
    (before,) = threads()
    give(2)
    yield
    give(before)


def seen(f, *methods, **settings):
    """The numbers of threads while f runs with each method, from a function of the host that a step calls."""
    found = []

    def forward(x):
        found.append(threads())
        return np.sin(x)

    stage = tw.Stage.from_host(forward, jacobian=lambda x: np.diag(np.cos(x)))
    problem = tw.Problem(stage, loss=tw.SquaredError(np.zeros(6)), start=np.linspace(0.1, 0.6, 6))
    found.clear()  # of its shapes
    for method in methods:
        f(problem, method, starts=problem.start * np.linspace(1, 2, 3)[:, None], **settings)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("verb", [tw.run, tw.solve])
def test_openblas_has_one_thread_while_a_program_calls_it(verb):
    assert {1} in seen(verb, tw.methods.JacobianPower(learning_rate=0.1)) and threads() == {2}
    assert {1} not in seen(verb, tw.methods.gradient_descent(0.1)) and threads() == {2}


def test_threads_come_back_after_whatever_ends_a_program():
    for error in (ValueError, KeyboardInterrupt):

        def fail(error=error):
            assert threads() == {1}
            raise error

        with pytest.raises(error):
            in_turn(CPU, True, fail)
        assert threads() == {2}
    assert in_turn(GPU, True, threads) == in_turn(CPU, False, threads) == {2}


def test_several_tiles_take_turns_and_none_sees_the_threads_of_another_come_back():
    under_way, most = [], []

    def work():
        under_way.append(threading.get_ident())
        most.append(len(under_way))
        time.sleep(0.01)
        assert threads() == {1}
        under_way.pop()
        return jnp.zeros(2)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(in_turn, CPU, True, work) for _ in range(12)]:
            done.result()
    assert max(most) == 1 and threads() == {2}
