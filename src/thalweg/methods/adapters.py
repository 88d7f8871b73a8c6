"""Solvers of other libraries as methods."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import GetAttrKey, register_dataclass

from thalweg.chain.calls import call
from thalweg.chain.objective import Objective
from thalweg.methods.first_order import with_derivative
from thalweg.methods.method import Method, Report, method, static

if TYPE_CHECKING:
    from optimistix import AbstractLeastSquaresSolver, AbstractMinimiser


def from_optimistix(solver: "AbstractMinimiser | AbstractLeastSquaresSolver") -> Method:
    """A method from an optimistix solver: x <- the next iterate of the solver, one of its steps, such as one trial of
    its search, per step.

    A minimiser gets the loss, a least-squares solver the residual of a ``SquaredError``, both with the derivatives of
    the problem. A solver that has a search begins by evaluating the start, which here is no step: after k steps x is
    where ``optimistix.minimise`` is after k + 1.

    Args:
        solver: such as ``optimistix.BFGS(rtol=1e-8, atol=1e-8)``. Its numbers, such as ``learning_rate`` or ``slope``,
            are hyperparameters and can be swept, but for tolerances: those of the solver itself are not used, since
            ``solve`` has its own.
    Returns:
        a method.
    Raises:
        ValueError: where optimistix is not installed, for anything but such a solver, and for one that holds arrays,
            since what is not a hyperparameter must be hashable.
    Cost:
        that of a step of the solver.
    Source:
        Rader, Lyons and Kidger (2024), arXiv:2402.09983.
    Example:
        >>> import optimistix
        >>> descent = tw.methods.from_optimistix(optimistix.GradientDescent(learning_rate=0.5, rtol=1e-8, atol=1e-8))
        >>> trace = tw.run(tw.problems.quadratic([1.0]), descent, steps=2)
        >>> print(trace.rule.item(), trace.x.values.ravel())
        GradientDescent [1.   0.5  0.25]
    """
    try:
        import optimistix
    except ImportError as error:
        raise ValueError(
            "from_optimistix needs optimistix, which is not installed; pip install 'thalweg[solvers]'."
        ) from error
    if not isinstance(solver, optimistix.AbstractMinimiser | optimistix.AbstractLeastSquaresSolver):
        raise ValueError(
            f"from_optimistix was given {solver!r}, but it takes a minimiser or a least-squares solver; "
            "give e.g. optimistix.BFGS(rtol=1e-8, atol=1e-8)."
        )
    numbers = [name for path, leaf in jax.tree_util.tree_leaves_with_path(solver) if (name := _number(path, leaf))]
    hyper: dict[str, Any] = {}

    def without(path: Any, leaf: Any) -> Any:
        name = _number(path, leaf)
        if numbers.count(name) != 1:
            return leaf
        hyper[name] = float(leaf)
        return _Number(name)

    rest = jax.tree_util.tree_map_with_path(without, solver)
    try:
        hash(rest)
    except TypeError as error:
        raise ValueError(
            f"from_optimistix was given {type(solver).__name__} with an array in it, but it takes numbers; give these."
        ) from error
    least_squares = isinstance(solver, optimistix.AbstractLeastSquaresSolver)
    steps = OptimistixSteps(rest, hyper, least_squares)
    return OptimistixSearch(steps) if isinstance(solver, _Searches) else steps


@runtime_checkable
class _Searches(Protocol):
    """A solver that looks how far to go."""

    search: Any


@final
@dataclass(frozen=True)
class _Number:
    """The place of a hyperparameter in a solver."""

    name: str


def _number(path: Any, leaf: Any) -> str:
    """The name of a number that steps depend on, else nothing."""
    names = [entry.name if isinstance(entry, GetAttrKey) else "" for entry in path]
    single = isinstance(leaf, Array | np.ndarray | np.generic) and leaf.shape == ()
    real = isinstance(leaf, float) or (single and jnp.issubdtype(leaf.dtype, jnp.floating))
    return names[-1] if real and all(names) and names[-1] not in ("rtol", "atol") else ""


@final
@register_dataclass
@dataclass(frozen=True)
class OptimistixState:
    """The state of a solver: its arrays, and what else it holds, which stays as it is."""

    arrays: Any
    rest: Any = field(metadata={"static": True})


@method
class OptimistixSteps:
    """One step of an optimistix solver per step; ``rest`` is the solver without the numbers in ``hyper``."""

    rest: Any = static()
    hyper: dict[str, Any]
    least_squares: bool = static()

    def written(self) -> str:
        return call("from_optimistix", [self._solver()])

    def called(self) -> tuple[str, ...]:
        """The class of the solver."""
        return (type(self.rest).__name__,)

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of the Jacobian of a sum of squares, below which a damped solver has d rows more."""
        damped = "LevenbergMarquardt" in type(self.rest).__name__
        return itemsize * (rows + damped * columns) * columns if self.least_squares else 0

    def _solver(self) -> Any:
        return jax.tree.map(lambda leaf: self.hyper[leaf.name] if isinstance(leaf, _Number) else leaf, self.rest)

    def init(self, problem: Objective, x: Array, key: Array) -> OptimistixState:
        zero = jnp.zeros((problem.chain.spaces[-1].size,) if self.least_squares else (), x.dtype)
        shape, slope = jax.ShapeDtypeStruct(zero.shape, x.dtype), jnp.zeros((*zero.shape, len(x)), x.dtype)
        function = _of_solver(lambda _: zero, lambda _: (zero, slope))  # init asks for shapes alone
        return _split(self._solver().init(function, x, None, {}, shape, None, frozenset()))

    def step(self, problem: Objective, x: Array, state: OptimistixState) -> tuple[Array, OptimistixState]:
        import equinox

        def residual(y: Array) -> tuple[Array, Array]:  # the first raises where L is no sum of squares
            return problem.residual(y), problem.least_squares(y)[1]

        of_loss = problem.value, problem.value_and_gradient
        function = _of_solver(*((problem.residual, residual) if self.least_squares else of_loss))
        whole = equinox.combine(state.arrays, state.rest)
        x, whole, _ = self._solver().step(function, x, None, {}, whole, frozenset())
        return x, _split(whole)


@method
class OptimistixSearch:
    """A solver that searches, whose state knows the loss and its gradient at x once the start is evaluated."""

    steps: OptimistixSteps

    def written(self) -> str:
        return self.steps.written()

    def called(self) -> tuple[str, ...]:
        return self.steps.called()

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        return self.steps.workspace(rows, columns, itemsize)

    def init(self, problem: Objective, x: Array, key: Array) -> OptimistixState:
        return self.step(problem, x, self.steps.init(problem, x, key))[1]

    def step(self, problem: Objective, x: Array, state: OptimistixState) -> tuple[Array, OptimistixState]:
        return self.steps.step(problem, x, state)

    def report(self, x: Array, state: OptimistixState) -> Report:
        import equinox
        from optimistix import FunctionInfo

        whole = equinox.combine(state.arrays, state.rest)
        known = whole.f_info
        gradient = known.compute_grad() if isinstance(known, FunctionInfo.ResidualJac) else known.grad
        return Report(known.as_min(), gradient, jnp.all(whole.y_eval == x))


def _split(state: Any) -> OptimistixState:
    import equinox

    return OptimistixState(*equinox.partition(state, equinox.is_array))


def _of_solver(
    value: Callable[[Array], Array], both: Callable[[Array], tuple[Array, Array]]
) -> Callable[[Array, None], tuple[Array, None]]:
    function = with_derivative(value, both)
    return lambda y, _: (function(y), None)
