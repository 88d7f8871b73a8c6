"""One map between two spaces, and the derivative of a chain of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final, runtime_checkable

import jax
from jax import Array

from thalweg.chain.calls import call
from thalweg.chain.host import HostFunction, host_inverse
from thalweg.chain.signatures import asks, name_of
from thalweg.numerics.products import products_in_full

if TYPE_CHECKING:
    from thalweg.chain.derivatives import Derivatives


@final
@dataclass(frozen=True, eq=False, repr=False)
class Stage:
    """One map between two spaces, ``forward(x) -> y``, and where there is one the way back.

    The inverse is *local*: ``inverse(y, x)`` is the solution u of ``forward(u) = y`` that is nearest to the guess x, so
    that inverse(forward(x), x) = x.

    Args:
        forward: x -> y, or (x, data) -> y; points of the two spaces, pytrees of real arrays, in [x] and [y].
        inverse: (y, x) -> u, or (y, x, data) -> u, a point like x; where y is outside the range of forward it may
            return anything, NaN by custom. None where there is none.
        name: of the space that the stage leads to; without one, a single stage leads to ``y``, several to ``y1 … yn``.
        each: whether both are written for one example of the problem's data, ``forward(x, example)`` and ``inverse(y,
            x, example)``, and are mapped over all of them: y has a leading axis of examples. The first stage of a chain
            sees all of x for every example (parameters of a network), a later one its example of the space before.
    Raises:
        ValueError: from ``Problem``, where functions do not fit what comes before them.
    Cost:
        that of its functions; an inverse is asked for by ``InverseSimulator`` alone, once a step.
    Example:
        >>> stage = tw.Stage(jnp.exp, lambda y, x: jnp.log(y), name="growth")
        >>> tw.Problem(stage, loss=tw.SquaredError(1.0), start=[1.0])
        Problem(problem: x[1] -> growth[1] -> loss)
    """

    forward: Callable[..., Any]
    inverse: Callable[..., Any] | None = None
    name: str | None = None
    each: bool = False

    def __repr__(self) -> str:
        named = {"inverse": self.inverse, "name": self.name, "each": self.each}
        usual = {"inverse": None, "name": None, "each": False}
        made = "Stage.from_host" if isinstance(self.forward, HostFunction) else "Stage"
        return call(made, [self.forward], named, usual)

    @classmethod
    def from_host(
        cls,
        f: Callable[..., Any],
        jacobian: Callable[..., Any] | None = None,
        inverse: Callable[..., Any] | None = None,
        batched: bool = False,
        *,
        name: str | None = None,
        executor: Executor | None = None,
    ) -> "Stage":
        """A stage whose functions are Python on the host, not JAX: NumPy, SciPy, torch, a subprocess, an FMU.

        ``f`` is called with float64, once for each different point and over threads. Problem calls it once at the start
        to see what it returns. What it raises is NaN there, and ``run`` and ``solve`` tell of it in the end.

        Args:
            f: x -> y, or (x, data) -> y; points like those of JAX stages, with NumPy arrays.
            jacobian: x -> dy/dx, or (x, data) -> dy/dx, shape (m, d) in [y]/[x] of raveled points. Without one it is
                made of central differences, 2 d points in one call, of steps relative to the components of x and start.
            inverse: (y, x) -> u, or (y, x, data) -> u, as in ``Stage``.
            batched: whether f takes many points at once, arrays with a leading axis, and returns as many.
            name: as in ``Stage``.
            executor: any ``concurrent.futures.Executor`` for the calls; one of processes needs a function that it can
                pickle. A pool of threads if None.
        Raises:
            ValueError: from ``Problem``, where f cannot be called at the start.
        Cost:
            one call of f per evaluation; per gradient or Jacobian one of ``jacobian``, or 2 d of f; per product of a
            Hessian two Jacobians more.
        Example:
            >>> from scipy.special import gammaln
            >>> stage = tw.Stage.from_host(lambda x: gammaln(x))
            >>> problem = tw.Problem(stage, loss=tw.SquaredError([1.0]), start=[3.0])
            >>> print(tw.solve(problem, tw.methods.LevenbergMarquardt()).x.values.ravel().round(6))
            [3.313089]
        """
        forward = HostFunction(f, jacobian, batched, executor)
        return cls(forward, inverse and host_inverse(inverse, executor, forward.raised), name)


@runtime_checkable
class Tabled(Protocol):
    """A function of a stage that holds observations, columns by name."""

    predictors: dict[str, Any]


def closed(stage: Stage, data: Any, shared: bool) -> Stage:
    """The stage with ``data`` as the last argument of its functions where they ask for it, mapped over examples where
    it is for ``each``; ``shared`` where all examples have the same x."""
    forward = _closed(stage.forward, (None if shared else 0,), data, stage.each)
    inverse = stage.inverse and _closed(stage.inverse, (0, None if shared else 0), data, stage.each)
    return Stage(forward, inverse, stage.name, stage.each)


def _closed(f: Any, axes: tuple[int | None, ...], data: Any, each: bool) -> Any:
    if data is None:
        return f
    name = name_of(f)
    if each:
        f = jax.vmap(_with_example(f, len(axes)), (*axes, 0))
    elif not asks(f, len(axes)):
        return f

    def handed(*arguments: Any) -> Any:
        return f(*arguments, data)

    handed.__name__ = name  # and not functools.wraps, with which it would seem to ask
    return handed


def _with_example(f: Any, given: int) -> Any:
    """``f``, as a function that takes an example too."""
    if asks(f, given):
        return f

    def without(*arguments: Any) -> Any:
        return f(*arguments[:-1])

    without.__name__ = name_of(f)
    return without


def forward_of(stage: Stage, example: Any) -> Callable[[Any], Any]:
    """The map of one example."""
    return lambda x: _with_example(stage.forward, 1)(x, example)


def value_and_jacobian(
    derivatives: "Derivatives", maps: Sequence[Callable[[Array], Array]], sizes: Sequence[int], x: Array
) -> tuple[Array, Array]:
    """y = map_n(… map_1(x)) and dy/dx, shape (sizes[-1], sizes[0]), for maps between vectors of ``sizes``.

    Exact derivatives cut the chain at its narrowest inner space, where that is narrower than both ends, and multiply
    the two Jacobians, so that the passes are as many as the narrowest spaces have components.
    """

    def through(maps: Sequence[Callable[[Array], Array]], x: Array) -> Array:
        for f in maps:
            x = f(x)
        return x

    narrowest = min(range(1, len(maps)), key=lambda i: sizes[i], default=0)
    if not derivatives.exact or narrowest == 0 or sizes[narrowest] >= min(sizes[0], sizes[-1]):
        return derivatives.value_and_jacobian(lambda x: through(maps, x), x)
    u, before = value_and_jacobian(derivatives, maps[:narrowest], sizes[: narrowest + 1], x)
    y, after = value_and_jacobian(derivatives, maps[narrowest:], sizes[narrowest:], u)
    with products_in_full():
        return y, after @ before
