"""The contract of all methods."""

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, final

from jax import Array

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem


class Method(Protocol):
    """A frozen dataclass, registered as a pytree, whose leaves are its scalar hyperparameters.

    What changes the structure of a step (a rule, a flag) is a static field. A method is written for one point x of
    shape (d,); ``run`` and ``solve`` map it over lanes. It draws no conclusions, prints nothing and never stops.

    A method that evaluates the loss where it ends may also have ``report(x, state) -> Report``, which spares ``solve``
    another evaluation there. One that builds large matrices has ``workspace(rows, columns, itemsize) -> int``, the
    bytes of a step whose Jacobian has so many rows and columns: ``run`` and ``solve`` refuse what would not fit.
    """

    def init(self, problem: "Problem", x: Array, key: Array) -> Any:
        """The state before the first step, any pytree of arrays; ``key`` is this lane's own random key."""
        ...

    def step(self, problem: "Problem", x: Array, state: Any) -> tuple[Array, Any]:
        """One step: the next x, of the same shape and dtype, and the next state."""
        ...


@final
class Report(NamedTuple):
    """What a method knows of the present x."""

    value: Array  # L, in [L]
    gradient: Array  # what vanishes at a solution, (d,): dL/dx, or with bounds x - P(x - dL/dx)
    stuck: Array  # whether no further step can improve on x in this arithmetic
    saddle: Array | bool = False  # whether x is known to be no minimum, so that a small gradient is no end
