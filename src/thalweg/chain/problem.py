"""The chain x -> y -> L and what is known of it."""

import math
from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain import losses, stages
from thalweg.chain.check import Report, check
from thalweg.chain.derivatives import AutoDiff, Derivatives, Function
from thalweg.chain.losses import MeanLoss, SquaredError
from thalweg.chain.signatures import asks
from thalweg.chain.space import Space
from thalweg.chain.stages import Stage
from thalweg.numerics.linalg import solve
from thalweg.numerics.reading import whole

RESERVED = ("x", "loss", "variant", "start", "step", "method", "rule")


def _between(forward: Callable[[Any], Any], before: Space, after: Space) -> Function:
    """A stage's map between vectors."""
    return lambda x: after.ravel(forward(before.unravel(x)))


@final
class Problem:
    """A loss over a chain of stages, L(y(x)), with what is known of it.

    Args:
        *stages: ``Stage``s or plain callables (stages without an inverse), x -> y1 -> … -> y. With no stage at all, y
            is x and the loss is a plain function of x.
        loss: y -> scalar, in [L]. ``SquaredError`` where L is a sum of squares, ``MeanLoss`` for a loss of one example.
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
        loss: Callable[..., Any] | MeanLoss,
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
            Stage(stage.forward, stage.inverse, stage.name or default, stage.each)
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
        self.given = tuple(chain), loss
        self.takes_data = losses.takes_data(loss) or any(
            stage.each or asks(stage.forward, 1) or asks(stage.inverse, 2) for stage in chain
        )
        self._close(data)
        self.batch_size = None if batch_size is None else self._batch_size(batch_size)
        self.minima = np.array(
            [x_space.ravel_point(point, "a minimum") for point in (() if minima is None else minima)]
        ).reshape(-1, x_space.size)
        self.domain = None if domain is None else x_space.ravel_box(domain)

    def _close(self, data: Any) -> None:
        """Hand ``data`` to the functions that ask for it and derive all spaces, where nothing is left open."""
        chain, loss = self.given
        self.data = data
        self.stages = tuple(stages.closed(stage, data, i == 0) for i, stage in enumerate(chain))
        self.loss = losses.closed(loss, data)
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
    def examples(self) -> int | None:
        """How many examples the data has where all stages are for ``each`` of them; else None."""
        chain, _ = self.given
        return losses.count(self.data) if chain and all(stage.each for stage in chain) and not self.is_open else None

    @property
    def dimension(self) -> int:
        """d, the number of components of x."""
        return self.inner_spaces[0].size

    def _check_data(self) -> None:
        if self.is_open:
            raise ValueError(
                f"a function of {self.name!r} asks for data, but the problem has none; "
                "give Problem(data=…), problem.bind(data) or solve(cases=…)."
            )

    def path(self, x: Array) -> list[Array]:
        """x and what it leads to in each space, vectors."""
        self._check_data()
        path = [x]
        for i in range(len(self.stages)):
            path.append(self.link(i)(path[-1]))
        return path

    def _loss(self, y: Array) -> Array:
        return jnp.asarray(self.loss(self.inner_spaces[-1].unravel(y)))

    def forward(self, x: ArrayLike) -> Array:
        """y(x), shape (m,), in [y]."""
        return self.path(jnp.asarray(x))[-1]

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
        """dy/dx over the whole chain, shape (m, d), in [y]/[x].

        Of a chain for each example, it is taken example by example; a chain is cut at its narrowest space
        (``stages.jacobian``).
        """
        self._check_data()
        x = jnp.asarray(x)
        if self.examples is None:
            spaces = self.inner_spaces
            maps = [self.link(i) for i in range(len(self.stages))]
            return stages.jacobian(self.derivatives, maps, [space.size for space in spaces], x)
        spaces = (self.inner_spaces[0], *(space.of_one() for space in self.inner_spaces[1:]))
        chain, _ = self.given

        def one(example: Any) -> Array:
            links = zip(chain, spaces, spaces[1:], strict=False)
            maps = [_between(stages.forward_of(stage, example), a, b) for stage, a, b in links]
            return stages.jacobian(self.derivatives, maps, [space.size for space in spaces], x)

        rows = jax.vmap(one)(self.data)  # (examples, m of one, d); a space is raveled leaf by leaf
        parts = jnp.split(rows, np.cumsum(spaces[-1].sizes)[:-1].tolist(), axis=1)
        return jnp.concatenate([part.reshape(-1, len(x)) for part in parts])

    def link(self, i: int) -> Function:
        """The map of the i-th stage between vectors."""
        return _between(self.stages[i].forward, self.inner_spaces[i], self.inner_spaces[i + 1])

    def linearize(self, x: ArrayLike) -> tuple[Array, Function, Function]:
        """y(x), shape (m,), with v -> (dy/dx) v and w -> (dy/dx)^T w at x, (d,) -> (m,) and (m,) -> (d,); no matrix is
        formed, each product is one pass."""
        return self.derivatives.linearize(self.forward, jnp.asarray(x))

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
            return jnp.broadcast_to(jnp.ravel(self.loss.goal(y.dtype)), y.shape) - y
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

    def walk_back(self, y: Array, x: Array) -> tuple[Array, int]:
        """From y back through the local inverses of the last stages, nearest to the path of the present x: the point
        that is reached, and how many stages are left before it; 0 where it is an x."""
        path, left = self.path(x), len(self.stages)
        while left and (inverse := self.stages[left - 1].inverse) is not None:
            left -= 1
            space, following = self.inner_spaces[left], self.inner_spaces[left + 1]
            y = space.ravel(inverse(following.unravel(y), space.unravel(path[left])))
        return y, left

    def pull_back(self, y: Array, x: Array) -> Array:
        """The x with y(x) = y that the local inverses of all stages give, nearest to the present x.

        Raises ValueError where a stage has no inverse.
        """
        u, left = self.walk_back(y, x)
        if left:
            raise ValueError(
                f"stage {self.stages[left - 1].name!r} of {self.name!r} has no inverse, but inverse simulation needs "
                "one for every stage, or a first-order rule for the rest; give Stage(forward, inverse=…), wrap the "
                "stage in numerical_inverse, or train it by InverseSimulator(inner=methods.adam(1e-3))."
            )
        return u

    def spaces(self, x: ArrayLike) -> dict[str, Array]:
        """Every space by name, from x over the stages to the loss."""
        path = self.path(jnp.asarray(x))
        return {
            **{space.name: point for space, point in zip(self.inner_spaces, path, strict=True)},
            "loss": self._loss(path[-1]),
        }

    def check(self) -> Report:
        """Test what was stated: the gradient by its Taylor remainder, the inverses, the minima (see
        ``check.check``)."""
        return check(self)

    def __repr__(self) -> str:
        spaces = " -> ".join(f"{space.name}[{space.size}]" for space in self.inner_spaces)
        return f"Problem({self.name}: {spaces} -> loss)"
