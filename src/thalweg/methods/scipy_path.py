"""SciPy's minimizers as methods, for comparison: the path is SciPy's own, the problem evaluates.

SciPy calls the function it minimizes, but a function that XLA has called back must not call JAX: the threads that would
compute may all be waiting for it. So SciPy runs on a thread of its own that only asks: a callback hands its next point
out to the compiled program, which evaluates there and hands the answer in with the next call.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.core import Tracer

from thalweg.chain.calls import call
from thalweg.chain.objective import Objective
from thalweg.methods.box import Box, bounds
from thalweg.methods.method import Method, Report, method, static
from thalweg.numerics.host import HostTable, host_call
from thalweg.numerics.reading import first_line, whole


def from_scipy(method: str = "BFGS", maxiter: int = 200, bounded: bool = False, **options: Any) -> Method:
    """A method from ``scipy.optimize.minimize``: x <- SciPy's next iterate, with the value and gradient of the problem.

    After ``maxiter`` iterations, or where SciPy ends by its own ``options`` or by numbers that it cannot take, the
    method is stuck. With ``bounded`` SciPy gets the problem's domain as bounds, and x stays in it. This is for
    reference and not for speed: SciPy runs to its end before the first step, in Python, and what it evaluates is not
    counted.

    Args:
        method: one that takes a gradient and no Hessian: "CG", "BFGS", "L-BFGS-B", "Newton-CG", "SLSQP" or
            "TNC" or "trust-constr".
        maxiter: 1 or more; structure.
        bounded: whether x stays in the domain, which "L-BFGS-B", "TNC", "SLSQP" and "trust-constr" can; structure.
        **options: of SciPy's method, such as ``gtol=1e-8``; structure.
    Returns:
        a method.
    Raises:
        ValueError: where SciPy refuses what is given, and from ``run`` and ``solve``, where it is bounded and the
            problem has no domain.
    Cost:
        per step one gradient with its value beside SciPy's own; memory of a lane: maxiter d numbers.
    Source:
        Virtanen et al. (2020), Nature Methods 17, 261-272.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0, 10.0]), tw.methods.from_scipy("BFGS", maxiter=20), steps=20)
        >>> print(trace.loss.values[0, 0, -1] < 1e-6)
        True
    """
    made = SciPy(method, whole(maxiter, "maxiter", 1), tuple(options.items()), bounded)
    try:
        hash(made)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            box = np.array([[-2.0] * 2, [2.0] * 2])
            made.minimize(lambda x: (x @ x / 2, x), np.ones(2), box, lambda *_: None)
    except Exception as error:  # whatever SciPy says of its arguments
        raise ValueError(
            f"from_scipy was given {method!r} with {options}, which SciPy refuses ({first_line(error)}); choose e.g. "
            "from_scipy('BFGS', gtol=1e-8)."
        ) from error
    return made


@final
class SciPyState(NamedTuple):
    value: Array
    gradient: Array
    path: Array  # SciPy's iterates, the start first, (maxiter + 1, d)
    last: Array  # the index of the last of them
    at: Array  # and of the present


@method
class SciPy:
    """The iterates of ``scipy.optimize.minimize`` (see ``from_scipy``)."""

    method: str = static()
    maxiter: int = static()
    options: tuple[tuple[str, Any], ...] = static()
    bounded: bool = static(default=False)

    def written(self) -> str:
        return call(
            "from_scipy",
            [self.method],
            {"maxiter": self.maxiter, "bounded": self.bounded, **dict(self.options)},
            {"maxiter": 200, "bounded": False},
        )

    def minimize(self, fun: Callable[..., Any], x: np.ndarray, box: np.ndarray, callback: Callable[..., Any]) -> Any:
        """SciPy's result; ``box`` holds low and high, (2, d), which count where the method is bounded."""
        from scipy.optimize import Bounds, minimize

        more = {"bounds": Bounds(*box)} if self.bounded else {}
        options = {"maxiter": self.maxiter, **dict(self.options)}
        return minimize(fun, x, jac=True, method=self.method, callback=callback, options=options, **more)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of the matrix that SciPy's method keeps, if it does."""
        return 8 * columns**2 if self.method.lower() in ("bfgs", "slsqp", "trust-constr") else 0

    def init(self, problem: Objective, x: Array, key: Array) -> SciPyState:
        number = jax.ShapeDtypeStruct((), jnp.int32)
        path = jax.ShapeDtypeStruct((self.maxiter + 1, *x.shape), x.dtype)

        def go_on(loop: Any) -> Array:
            return loop[2] == 0

        def ask(loop: Any) -> Any:
            which, question, _ = loop
            return which, *host_call(_answer, (x, number), which, *problem.value_and_gradient(question))

        data = [leaf for leaf in jax.tree.leaves(problem.data) if isinstance(leaf, Tracer)]
        box = np.stack(bounds(problem, x.dtype)).astype(float) if self.bounded else np.array([[-np.inf], [np.inf]])
        loop = host_call(partial(_begin, self, box), (number, x, number), x, *data)
        loop = jax.lax.while_loop(go_on, ask, loop)
        found, last = host_call(partial(_end, self), (path, number), *loop)  # all of loop, so that this comes after it
        return SciPyState(*self._look(problem, x), found, last, jnp.zeros_like(last))

    def step(self, problem: Objective, x: Array, state: SciPyState) -> tuple[Array, SciPyState]:
        at = jnp.minimum(state.at + 1, state.last)
        there = state.path[at]
        return there, SciPyState(*self._look(problem, there), state.path, state.last, at)

    def _look(self, problem: Objective, x: Array) -> tuple[Array, Array]:
        """L and the gradient of components that no bound holds."""
        value, g = problem.value_and_gradient(x)
        return value, Box.of(problem, self.bounded, x).free(x, g)

    def report(self, x: Array, state: SciPyState) -> Report:
        return Report(state.value, state.gradient, state.at == state.last)


_conversations = HostTable()


@final
class _Conversation:
    """SciPy on a thread that waits for the answer to each of its questions."""

    def __init__(self, method: SciPy, box: np.ndarray, start: np.ndarray) -> None:
        self.path, self.question, self.box = [start], start, box
        self.asking = self.done = False
        self.questions, self.answers = SimpleQueue[np.ndarray | None](), SimpleQueue[Any]()
        Thread(target=self._minimize, args=(method, start), daemon=True).start()

    def answer(self, value: float, gradient: np.ndarray) -> None:
        """The first answer to a question, and from lanes that are alike the same again."""
        if self.asking:
            self.asking = False
            self.answers.put((value, gradient))

    def listen(self) -> None:
        """Wait for the next question, or that there is none."""
        if not self.asking and not self.done:
            question = self.questions.get()
            self.asking, self.done = question is not None, question is None
            self.question = self.question if question is None else question

    def _ask(self, x: np.ndarray) -> Any:
        self.questions.put(self._inside(x))
        return self.answers.get()

    def _inside(self, x: np.ndarray) -> np.ndarray:
        """A copy, projected: where some of SciPy's methods go beyond bounds by a little."""
        return np.clip(x, *self.box)

    def _minimize(self, method: SciPy, start: np.ndarray) -> None:
        try:
            with np.errstate(all="ignore"):
                found = method.minimize(self._ask, start, self.box, lambda x, *_: self.path.append(self._inside(x)))
            last = self._inside(found.x)
            self.path += [last] if np.any(last != self.path[-1]) else []
        except Exception:  # of numbers that SciPy cannot go on with: the path ends there
            pass
        finally:
            self.questions.put(None)


def _begin(method: SciPy, box: np.ndarray, *given: np.ndarray) -> tuple[Any, ...]:
    """SciPy's numbers in ``_conversations``, from starts and data, its first questions, and whether it is done
    already."""
    numbers = _conversations.add(lambda start, *_: _Conversation(method, box, start.astype(float)), *given)
    return numbers, *_questions(numbers)


def _answer(numbers: np.ndarray, values: np.ndarray, gradients: np.ndarray) -> tuple[Any, ...]:
    """The next questions, and whether SciPy is done, so that there is none."""
    mine = _conversations.of(numbers)
    for number, value, gradient in zip(numbers.tolist(), values, gradients, strict=True):
        mine[number].answer(float(value), gradient.astype(float))
    return _questions(numbers)


def _questions(numbers: Sequence[int] | np.ndarray) -> tuple[Any, ...]:
    mine = _conversations.of(numbers)
    for conversation in mine.values():
        conversation.listen()
    conversations = [mine[int(number)] for number in numbers]
    return [c.question for c in conversations], [c.done for c in conversations]


def _end(method: SciPy, numbers: np.ndarray, *_: np.ndarray) -> tuple[Any, ...]:
    """The paths, whose last point is repeated to full length, and the index where that begins."""
    mine = _conversations.of(numbers)
    _conversations.drop(mine)
    paths = [mine[number].path[: method.maxiter + 1] for number in numbers.tolist()]
    return [path + [path[-1]] * (method.maxiter + 1 - len(path)) for path in paths], [len(path) - 1 for path in paths]
