"""The contract of all methods."""

from typing import TYPE_CHECKING, Any, Protocol

from jax import Array

if TYPE_CHECKING:
    from thalweg.problem import Problem


class Method(Protocol):
    """A frozen dataclass, registered as a pytree, whose leaves are its scalar hyperparameters.

    What changes the structure of a step (a rule, a flag) is a static field. A method is written for one point x of
    shape (d,); ``run`` maps it over lanes. It draws no conclusions, prints nothing and never stops.
    """

    def init(self, problem: "Problem", x: Array, key: Array) -> Any:
        """The state before the first step, any pytree of arrays; ``key`` is this lane's own random key."""
        ...

    def step(self, problem: "Problem", x: Array, state: Any) -> tuple[Array, Any]:
        """One step: the next x, of the same shape and dtype, and the next state."""
        ...
