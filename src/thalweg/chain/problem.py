"""The chain x -> y -> L and what is known of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain import examples
from thalweg.chain.check import Report, check
from thalweg.chain.derivatives import Derivatives, in_x, in_y
from thalweg.chain.differences import Function
from thalweg.chain.examples import Examples
from thalweg.chain.links import Chain
from thalweg.chain.losses import MeanLoss, OfTarget, squares
from thalweg.chain.space import Space
from thalweg.chain.stages import Stage
from thalweg.numerics.linalg import solve
from thalweg.numerics.products import products_in_full
from thalweg.numerics.sharding import divided


@final
@dataclass(frozen=True, eq=False, init=False, repr=False)  # itself and no other: programs are kept for each problem
class Problem:
    """A loss over a chain of stages, L(y(x)), with what is known of it.

    It never changes: ``bind``, ``within`` and ``with_derivatives`` give another. Below, x is a vector of d components
    and y one of m; L is a scalar. All methods can be traced, mapped and compiled.

    Args:
        *stages: ``Stage``s or plain callables (stages without an inverse), x -> y1 -> … -> y. With no stage at all, y
            is x and the loss is a plain function of x.
        loss: y -> scalar, in [L]. ``SquaredError`` where L is a sum of squares, ``RobustError`` with outliers,
            ``PoissonDeviance`` of counts, ``MeanLoss`` for a loss of one example.
        start: where a run begins, in [x]: a vector or any pytree of real arrays. Functions of the user get this
            structure; methods see its ravelled vector of d components. A single array of JAX with its first axis
            divided among devices is a start from which ``run`` and ``solve`` keep x and the state divided so.
        minima: known minima of L in [x], a sequence of points like ``start``.
        domain: (low, high), the box of interest in [x]; each a number, a vector or a pytree like ``start``: all low
            ends, then all high ends, and no pair for each component.
        data: what functions that ask for one more argument get as their last one: stage(x, data), inverse(y, x, data),
            loss(y, data); any pytree of arrays, where a list of numbers is one. Without it, such a problem is open:
            ``bind`` and ``solve(cases=…)`` give it data.
        batch_size: examples of a minibatch, 1 … n, where all arrays of ``data`` have one leading axis of n examples:
            each step of ``run`` sees so many, drawn without replacement until all were seen. What is recorded, and
            ``solve``, is over all data. The loss should be a mean over examples, so that a batch has the same scale.
        derivatives: ``AutoDiff()`` or ``FiniteDifference(...)``; every method takes its derivatives from here.
        name: for tables and figures.
        units: names of the units of spaces, such as ``{"x": "m", "loss": "J"}``, or one for each component with commas
            between, ``{"x": "kg, m/s"}``; recorded in the trace.
    Raises:
        ValueError: before anything is compiled, where start is not finite, where a stage cannot take what the one
            before it gives, where an inverse does not return the shape of its stage's input, where the loss is not a
            scalar, where minima or domain do not fit start, and where data has no batch of batch_size examples, no
            arrays, or examples of several counts.
    Cost:
        a trace of each stage, inverse and the loss, of shapes alone; nothing is compiled or evaluated.
    Example:
        >>> problem = tw.Problem(lambda x: x**2, loss=tw.SquaredError([1.0, 4.0]), start=[3.0, 3.0], name="roots")
        >>> problem
        Problem(roots: x[2] -> y[2] -> loss)
        >>> print(problem.value([3.0, 3.0]), problem.gradient([3.0, 3.0]))
        89.0 [96. 60.]
    """

    given: Chain  # as a person wrote it; functions may ask for data
    chain: Chain  # the same with the data handed to them
    start: np.ndarray
    minima: np.ndarray
    domain: tuple[np.ndarray, np.ndarray] | None
    data: Any
    batch_size: int | None
    derivatives: Derivatives
    name: str
    units: dict[str, str]
    sharding: Any  # of the components of start, a ``NamedSharding`` where several devices had them

    def __init__(
        self,
        *stages: Stage | Callable[[Any], Any],
        loss: Callable[..., Any] | MeanLoss | None = None,
        start: Any = None,
        minima: Sequence[Any] | np.ndarray | None = None,
        domain: tuple[Any, Any] | None = None,
        data: Any = None,
        batch_size: int | None = None,
        derivatives: Derivatives | None = None,
        name: str = "problem",
        units: dict[str, str] | None = None,
    ) -> None:
        if loss is None:
            raise ValueError(
                "Problem was given no loss; where the function is the loss write Problem(loss=f, start=…), where it "
                "leads to y Problem(f, loss=SquaredError(target), start=…)."
            )
        x = Space.of("x", start)
        vector, data = x.ravel_point(start, "start"), examples.arrays(data)
        given = Chain.written(stages, loss, x).measured(x.tree(vector), data)
        size = None if batch_size is None else examples.batch_size(batch_size, data, given.takes_data)
        chain = _closed(given, data)
        if size is not None:
            given.closed(examples.first(data, size))  # refuses functions that cannot take a batch
        points = [x.ravel_point(point, "a minimum") for point in (() if minima is None else minima)]
        box = None if domain is None else x.ravel_box(domain)
        vars(self).update(  # the one place, with ``_changed``, where a problem is written to
            given=given,
            chain=chain,
            start=vector,
            minima=np.array(points).reshape(-1, x.size),
            domain=box,
            data=data,
            batch_size=size,
            derivatives=in_x(derivatives, vector, box),
            name=name,
            units=dict(units or {}),
            sharding=divided(start),
        )

    def _changed(self, **changes: Any) -> "Problem":
        other = object.__new__(Problem)
        vars(other).update(vars(self) | changes)
        return other

    def bind(self, data: Any) -> "Problem":
        """The same problem with other data, which every function that asks for one more argument gets.

        Args:
            data: any pytree of arrays that the functions take; None makes a problem that asks for data open again.
        Raises:
            ValueError: where a function cannot take them.
        """
        data = examples.arrays(data)
        return self._changed(data=data, chain=_closed(self.given, data))

    def within(self, domain: tuple[Any, Any] | None) -> "Problem":
        """The same problem with another box of interest.

        Args:
            domain: (low, high) in [x], each a number, a vector or a pytree like ``start``; None for no box.
        Raises:
            ValueError: where it does not fit start, or unless low < high in every component.
        """
        box = None if domain is None else self.chain.spaces[0].ravel_box(domain)
        return self._changed(domain=box, derivatives=in_x(self.derivatives, self.start, box))

    def with_derivatives(self, derivatives: Derivatives) -> "Problem":
        """The same problem with derivatives by another rule.

        Args:
            derivatives: ``AutoDiff()`` or ``FiniteDifference(...)``.
        Raises:
            ValueError: for anything else, and for steps that do not fit x.
        """
        return self._changed(derivatives=in_x(derivatives, self.start, self.domain))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages, their functions with the data where they ask for them."""
        return self.chain.stages

    @property
    def loss(self) -> Any:
        """The loss as a function of y, with the data where it asks for them."""
        return self.chain.loss

    @property
    def takes_data(self) -> bool:
        """Whether a function asks for data."""
        return self.given.takes_data

    @property
    def is_open(self) -> bool:
        """Whether the problem asks for data that it does not have yet."""
        return self.data is None and self.takes_data

    @property
    def examples(self) -> Examples:
        """How many examples the data has, ``mapped`` where all stages are for ``each`` of them; else one."""
        mapped = self.given.mapped and not self.is_open
        return Examples(examples.count(self.data), True) if mapped else Examples()

    @property
    def dimension(self) -> int:
        """d, the number of components of x."""
        return self.chain.spaces[0].size

    def path(self, x: Array) -> list[Array]:
        """x and what it leads to in each space, vectors.

        Raises:
            ValueError: while the problem is open.
        """
        self._check_data()
        return self.chain.path(x)

    def _check_data(self) -> None:
        if self.is_open:
            raise ValueError(
                f"a function of {self.name!r} asks for data, but the problem has none; "
                "give Problem(data=…), problem.bind(data) or solve(cases=…)."
            )

    def forward(self, x: ArrayLike) -> Array:
        """y(x), shape (m,), in [y]."""
        return self.path(jnp.asarray(x))[-1]

    def value(self, x: ArrayLike) -> Array:
        """L(y(x)), a scalar in [L]."""
        return self.chain.loss_at(self.forward(x))

    def values(self, points: ArrayLike) -> Array:
        """L at each of n points of shape (n, d), all together: shape (n,), in [L]."""
        return jax.vmap(self.value)(jnp.asarray(points))

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

        Cost:
            as many passes as the narrowest space has components; a chain for each example goes example by example.
        """
        return self.forward_and_jacobian(x)[1]

    def forward_and_jacobian(self, x: ArrayLike) -> tuple[Array, Array]:
        """y(x) and dy/dx in one pass, shapes (m,) and (m, d), in [y] and [y]/[x]; cost as of ``jacobian``."""
        self._check_data()
        x = jnp.asarray(x)
        if self.examples.mapped:
            return self.chain.value_and_jacobian_of_each(self.derivatives, self.given.stages, self.data, x)
        return self.chain.value_and_jacobian(self.derivatives, x)

    def link(self, i: int) -> Function:
        """The map of the i-th stage between vectors."""
        return self.chain.link(i)

    def linearize(self, x: ArrayLike) -> tuple[Array, Function, Function]:
        """y(x), shape (m,), with v -> (dy/dx) v and w -> (dy/dx)^T w at x, (d,) -> (m,) and (m,) -> (d,). No matrix is
        formed; each product costs one pass."""
        return self.derivatives.linearize(self.forward, jnp.asarray(x))

    def loss_gradient(self, y: ArrayLike) -> Array:
        """dL/dy, shape (m,), in [L]/[y]."""
        y = jnp.asarray(y)
        return in_y(self.derivatives, y).gradient(self.chain.loss_at, y)

    def loss_hessian(self, y: ArrayLike) -> Array:
        """d2L/dy2, shape (m, m), in [L]/[y]^2."""
        y = jnp.asarray(y)
        return in_y(self.derivatives, y).hessian(self.chain.loss_at, y)

    def newton_in_y(self, y: ArrayLike) -> Array:
        """The Newton step of the loss in its own space, -(d2L/dy2)^-1 dL/dy, shape (m,), in [y].

        For ``SquaredError`` and ``PoissonDeviance`` this is target - y, for ``RobustError`` a step of each component.
        """
        y = jnp.asarray(y)
        if isinstance(self.loss, OfTarget):
            return self.loss.newton(y, self.chain.spaces[-1].shapes[0])
        return -solve(self.loss_hessian(y), self.loss_gradient(y))

    def residual(self, x: ArrayLike) -> Array:
        """r(x) with L = |r|^2 / 2, shape (m,), in [L]^(1/2).

        Raises:
            ValueError: unless the loss is a ``SquaredError``: only then is L known to be a sum of squares.
        """
        squares(self.loss, self.name)
        return self.residual_at(self.forward(x))

    def residual_at(self, y: ArrayLike) -> Array:
        """The same of y, shape (m,)."""
        return squares(self.loss, self.name).residual(jnp.asarray(y), self.chain.spaces[-1].shapes[0])

    def least_squares(self, x: ArrayLike) -> tuple[Array, Array]:
        """(r, J) with L(x + h) = |r + J h|^2 / 2 + const to second order in y, shapes (m,) and (m, d).

        For ``SquaredError`` r is the residual and J its Jacobian. For another loss, r = C^-1 dL/dy and J = C^T dy/dx
        with d2L/dy2 = C C^T; not finite where the loss is not convex in y, but for ``RobustError``, which sees to that,
        and ``PoissonDeviance``, which takes the expectation of d2L/dy2.

        Source:
            Schraudolph (2002), Neural Computation 14, for losses that are no squares.
        """
        return self.least_squares_at(*self.forward_and_jacobian(x))

    @products_in_full()
    def least_squares_at(self, y: Array, jacobian: Array) -> tuple[Array, Array]:
        """The same of y and dy/dx, shapes (m,) and (m, d)."""
        if isinstance(self.loss, OfTarget):
            return self.loss.least_squares(y, jacobian, self.chain.spaces[-1].shapes[0])
        root = jnp.linalg.cholesky(self.loss_hessian(y))
        return jax.scipy.linalg.solve_triangular(root, self.loss_gradient(y), lower=True), root.T @ jacobian

    def walk_back(self, y: Array, x: Array) -> tuple[Array, int]:
        """From y back through the local inverses of the last stages, nearest to the path of the present x: the point
        that is reached, and how many stages are left before it; 0 where it is an x."""
        return self.chain.walk_back(y, self.path(x))

    def pull_back(self, y: Array, x: Array) -> Array:
        """The x with y(x) = y that the local inverses of all stages give, nearest to the present x; shape (d,).

        Raises:
            ValueError: where a stage has no inverse.
        """
        return self.chain.pull_back(y, self.path(x), self.name)

    def spaces(self, x: ArrayLike) -> dict[str, Array]:
        """The point in every space by name, from x over the stages to the loss."""
        path = self.path(jnp.asarray(x))
        named = {space.name: point for space, point in zip(self.chain.spaces, path, strict=True)}
        return {**named, "loss": self.chain.loss_at(path[-1])}

    def check(self) -> Report:
        """Test what was stated: start, the gradient by its Taylor remainder, inverses and minima (``check.check``).

        Returns:
            a report that is true where all passed, and tells what was found when printed.
        Cost:
            some tens of values, a gradient and a Hessian for each minimum, in float64.
        """
        return check(self)

    def __repr__(self) -> str:
        spaces = " -> ".join(f"{space.name}[{space.size}]" for space in self.chain.spaces)
        return f"Problem({self.name}: {spaces} -> loss)"


def _closed(given: Chain, data: Any) -> Chain:
    """The chain with its data; as it was written while it asks for some."""
    return given if data is None and given.takes_data else given.closed(data)
