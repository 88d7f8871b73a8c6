"""The chain x -> y -> L and what is known of it."""

import math
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.derivatives import AutoDiff, Derivatives
from thalweg.linalg import solve
from thalweg.reading import asks, whole
from thalweg.space import Space

if TYPE_CHECKING:
    from thalweg.check import Report

RESERVED = ("x", "loss", "variant", "start", "step", "method", "rule")


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """One map between two spaces, ``forward(x) -> y``.

    ``inverse(y, x)`` is the *local* inverse: the solution u of ``forward(u) = y`` that is nearest to the guess x, so
    that inverse(forward(x), x) = x. Where y is outside the range of forward it may return anything, NaN by custom.
    ``name`` names the space that the stage leads to; without one, a single stage leads to ``y`` and several lead to
    ``y1 … yn``.
    """

    forward: Callable[..., Any]
    inverse: Callable[..., Any] | None = None
    name: str | None = None


@final
@dataclass(frozen=True, eq=False)
class SquaredError:
    """The loss L(y) = factor * |y - target|^2, units [L] = [factor] [y]^2.

    Written as this and not as a function of one's own, the loss tells methods that it is a sum of squares: the residual
    is then sqrt(2 factor) (y - target), with L = |residual|^2 / 2, and no Hessian in y is ever formed.
    """

    target: ArrayLike = 0.0
    factor: float = 1.0

    def __call__(self, y: Array) -> Array:
        target = jnp.asarray(self.target, y.dtype)
        if jnp.broadcast_shapes(target.shape, y.shape) != y.shape:
            raise ValueError(f"target has shape {target.shape}, but y {y.shape}; give a target like y")
        return self.factor * jnp.sum((y - target) ** 2)


def _handed(f: Any, given: int, data: Any) -> Any:
    """``f``, with ``data`` as its last argument where it asks for it."""
    if data is None or not asks(f, given):
        return f

    def handed(*arguments: Any) -> Any:
        return f(*arguments, data)

    handed.__name__ = getattr(f, "__name__", "<lambda>")  # and not functools.wraps, with which it would seem to ask
    return handed


@final
class Problem:
    """A loss over a chain of stages, L(y(x)), with what is known of it.

    Args:
        *stages: ``Stage``s or plain callables (stages without an inverse), x -> y1 -> … -> y. With no stage at all, y
            is x and the loss is a plain function of x.
        loss: y -> scalar, in [L]. ``SquaredError`` where L is a sum of squares.
        start: where a run begins, in [x]: a vector or any pytree of real arrays. Functions of the user get this
            structure; methods see its ravelled vector of d components.
        minima: known minima of L in x, a sequence of points like ``start``.
        domain: (low, high), the box of interest in [x]; each a number, a vector or a pytree like ``start``.
        data: what functions that ask for one more argument get as their last one: stage(x, data), inverse(y, x, data),
            loss(y, data); any pytree of arrays. Without it, such a problem is open: ``bind`` and ``solve(cases=…)``
            give it data.
        batch_size: examples of a minibatch, 1 … n, where all arrays of ``data`` have the same leading axis of n
            examples: each step of ``run`` sees that many of them, drawn without replacement until all were seen
            (``batches.Shuffle``). What is recorded, and ``solve``, is over all data. The loss should be a mean over
            examples, so that a batch has the scale of the whole.
        derivatives: ``AutoDiff()`` or ``FiniteDifference(...)``; every method takes its derivatives from here.
        name: for tables and figures.
        units: names of the units of spaces, such as ``{"x": "m", "loss": "J"}``; recorded in the trace.

    Raises ValueError, before anything is compiled, where start is not finite, where a stage cannot take what the one
    before it gives, where an inverse does not return the shape of its stage's input, where the loss is not a scalar,
    and where minima or domain do not fit start.

    Below, x is a vector of d components and y one of m; L is a scalar. All methods can be traced, mapped and compiled.
    """

    def __init__(
        self,
        *stages: Stage | Callable[[Any], Any],
        loss: Callable[..., Any],
        start: Any,
        minima: Sequence[Any] | np.ndarray | None = None,
        domain: tuple[Any, Any] | None = None,
        data: Any = None,
        batch_size: int | None = None,
        derivatives: Derivatives | None = None,
        name: str = "problem",
        units: dict[str, str] | None = None,
    ) -> None:
        chain = [stage if isinstance(stage, Stage) else Stage(stage) for stage in stages]
        defaults = ["y"] if len(chain) == 1 else [f"y{i + 1}" for i in range(len(chain))]
        chain = [
            Stage(stage.forward, stage.inverse, stage.name or default)
            for stage, default in zip(chain, defaults, strict=True)
        ]
        names = [stage.name for stage in chain]
        for space in names:
            if names.count(space) > 1 or space in RESERVED:
                raise ValueError(
                    f"a stage is named {space!r}, but the names of spaces must differ from each other and from "
                    f"{', '.join(RESERVED)}; choose another name."
                )
        self.derivatives = derivatives or AutoDiff()
        self.name = name
        self.units = dict(units or {})
        x_space = Space.of("x", start)
        self.start = x_space.ravel_point(start, "start")
        self.inner_spaces = (x_space,)
        self._open = tuple(chain), loss
        self.takes_data = asks(loss, 1) or any(asks(s.forward, 1) or asks(s.inverse, 2) for s in chain)
        self._close(data)
        self.batch_size = None if batch_size is None else self._batch_size(batch_size)
        self.minima = np.array(
            [x_space.ravel_point(point, "a minimum") for point in (() if minima is None else minima)]
        ).reshape(-1, x_space.size)
        self.domain = None if domain is None else x_space.ravel_box(domain)

    def _close(self, data: Any) -> None:
        """Hand ``data`` to the functions that ask for it and derive all spaces, where nothing is left open."""
        chain, loss = self._open
        self.data = data
        self.stages = tuple(
            Stage(_handed(stage.forward, 1, data), stage.inverse and _handed(stage.inverse, 2, data), stage.name)
            for stage in chain
        )
        self.loss = _handed(loss, 1, data)
        if not self.is_open:
            self.inner_spaces = self.inner_spaces[:1]
            for stage in self.stages:
                self.inner_spaces += (self.inner_spaces[-1].after(stage),)
            self.inner_spaces[-1].check_loss(self.loss)

    def _batch_size(self, given: int) -> int:
        """A number of examples that the data has, on which all functions can be evaluated."""
        size, leaves = whole(given, "batch_size", 1), jax.tree.leaves(self.data)
        counts = {np.shape(leaf)[:1] for leaf in leaves}
        if not self.takes_data or len(counts) != 1 or counts == {()} or size > next(iter(counts))[0]:
            shapes = ", ".join(str(np.shape(leaf)) for leaf in leaves) or "none"
            raise ValueError(
                f"batch_size is {size} and the data has the shapes {shapes}, but a batch is drawn from arrays with one "
                "leading axis of at least as many examples, for a stage(x, data) or a loss(y, data); give such data."
            )
        self.bind(jax.tree.map(lambda leaf: leaf[:size], self.data))
        return size

    @property
    def is_open(self) -> bool:
        """Whether the problem asks for data that it does not have yet."""
        return self.data is None and self.takes_data

    def bind(self, data: Any) -> "Problem":
        """The same problem with other data, which every function that asks for one more argument gets."""
        bound = copy(self)
        bound._close(data)
        return bound

    @property
    def dimension(self) -> int:
        """d, the number of components of x."""
        return self.inner_spaces[0].size

    def _path(self, x: Array) -> list[Array]:
        if self.is_open:
            raise ValueError(
                f"a function of {self.name!r} asks for data, but the problem has none; "
                "give Problem(data=…), problem.bind(data) or solve(cases=…)."
            )
        path = [x]
        for stage, space, following in zip(self.stages, self.inner_spaces, self.inner_spaces[1:], strict=False):
            path.append(following.ravel(stage.forward(space.unravel(path[-1]))))
        return path

    def _loss(self, y: Array) -> Array:
        return jnp.asarray(self.loss(self.inner_spaces[-1].unravel(y)))

    def forward(self, x: ArrayLike) -> Array:
        """y(x), shape (m,), in [y]."""
        return self._path(jnp.asarray(x))[-1]

    def value(self, x: ArrayLike) -> Array:
        """L(y(x)), a scalar in [L]."""
        return self._loss(self.forward(x))

    def gradient(self, x: ArrayLike) -> Array:
        """dL/dx, shape (d,), in [L]/[x]."""
        return self.derivatives.gradient(self.value, jnp.asarray(x))

    def value_and_gradient(self, x: ArrayLike) -> tuple[Array, Array]:
        """L and dL/dx in one pass, shapes () and (d,), in [L] and [L]/[x]."""
        return self.derivatives.value_and_gradient(self.value, jnp.asarray(x))

    def hessian(self, x: ArrayLike) -> Array:
        """d2L/dx2, shape (d, d), in [L]/[x]^2."""
        return self.derivatives.hessian(self.value, jnp.asarray(x))

    def hessian_product(self, x: ArrayLike, v: ArrayLike) -> tuple[Array, Array, Array]:
        """L, dL/dx and (d2L/dx2) v in one pass, shapes (), (d,) and (d,), in [L], [L]/[x] and [L]/[x]; v is in [x]."""
        return self.derivatives.hessian_product(self.value, jnp.asarray(x), jnp.asarray(v))

    def jacobian(self, x: ArrayLike) -> Array:
        """dy/dx over the whole chain, shape (m, d), in [y]/[x]."""
        return self.derivatives.jacobian(self.forward, jnp.asarray(x))

    def loss_gradient(self, y: ArrayLike) -> Array:
        """dL/dy, shape (m,), in [L]/[y]."""
        return self.derivatives.gradient(self._loss, jnp.asarray(y))

    def loss_hessian(self, y: ArrayLike) -> Array:
        """d2L/dy2, shape (m, m), in [L]/[y]^2."""
        return self.derivatives.hessian(self._loss, jnp.asarray(y))

    def newton_in_y(self, y: ArrayLike) -> Array:
        """The Newton step of the loss in its own space, -(d2L/dy2)^-1 dL/dy, shape (m,), in [y].

        For ``SquaredError`` this is target - y.
        """
        y = jnp.asarray(y)
        if isinstance(self.loss, SquaredError):
            return jnp.broadcast_to(jnp.ravel(jnp.asarray(self.loss.target, y.dtype)), y.shape) - y
        return -solve(self.loss_hessian(y), self.loss_gradient(y))

    def residual(self, x: ArrayLike) -> Array:
        """r(x) with L = |r|^2 / 2, shape (m,), in [L]^(1/2).

        Raises ValueError unless the loss is a ``SquaredError``: only then is L known to be a sum of squares.
        """
        if not isinstance(self.loss, SquaredError):
            raise ValueError(
                f"the loss of {self.name!r} is a function that is not known to be a sum of squares; "
                "give loss=SquaredError(target, factor) to have a residual."
            )
        return -math.sqrt(2 * self.loss.factor) * self.newton_in_y(self.forward(x))

    def least_squares(self, x: ArrayLike) -> tuple[Array, Array]:
        """(r, J) with L(x + h) = |r + J h|^2 / 2 + const to second order in y, shapes (m,) and (m, d).

        For ``SquaredError`` r is the residual and J its Jacobian. For another loss, r = C^-1 dL/dy and J = C^T dy/dx
        with d2L/dy2 = C C^T (Schraudolph 2002); not finite where the loss is not convex in y.
        """
        y, jacobian = self.forward(x), self.jacobian(x)
        if isinstance(self.loss, SquaredError):
            return self.residual(x), math.sqrt(2 * self.loss.factor) * jacobian
        root = jnp.linalg.cholesky(self.loss_hessian(y))
        return jax.scipy.linalg.solve_triangular(root, self.loss_gradient(y), lower=True), root.T @ jacobian

    def pull_back(self, y: Array, x: Array) -> Array:
        """The x with y(x) = y that the local inverses of all stages give, nearest to the present x.

        Raises ValueError where a stage has no inverse.
        """
        path = self._path(x)
        for i in reversed(range(len(self.stages))):
            stage, space, following = self.stages[i], self.inner_spaces[i], self.inner_spaces[i + 1]
            if stage.inverse is None:
                raise ValueError(
                    f"stage {stage.name!r} of {self.name!r} has no inverse, but inverse simulation needs one for every "
                    "stage; give Stage(forward, inverse=…) or wrap the stage in numerical_inverse."
                )
            y = space.ravel(stage.inverse(following.unravel(y), space.unravel(path[i])))
        return y

    def spaces(self, x: ArrayLike) -> dict[str, Array]:
        """Every space by name, from x over the stages to the loss."""
        path = self._path(jnp.asarray(x))
        return {
            **{space.name: point for space, point in zip(self.inner_spaces, path, strict=True)},
            "loss": self._loss(path[-1]),
        }

    def check(self) -> "Report":
        """Test what was stated: the gradient by its Taylor remainder, the inverses, the minima (see
        ``check.check``)."""
        from thalweg.check import check

        return check(self)

    def __repr__(self) -> str:
        spaces = " -> ".join(f"{space.name}[{space.size}]" for space in self.inner_spaces)
        return f"Problem({self.name}: {spaces} -> loss)"
