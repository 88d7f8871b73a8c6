"""The contract of all methods, and what a method may offer beyond it."""

from dataclasses import MISSING, dataclass, field
from functools import cache
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, dataclass_transform, final, runtime_checkable

from jax import Array
from jax.tree_util import register_dataclass

from thalweg.chain.objective import Objective
from thalweg.methods.writing import in_sweep, of_fields

Class = TypeVar("Class", bound=type)


@runtime_checkable
class Method(Protocol):
    """What all methods are: a step x <- step(x) and its state, of one point.

    A method is a frozen dataclass, registered as a pytree (``method`` makes it so), whose leaves are its scalar
    hyperparameters; what changes the structure of a step (a rule, a flag) is a ``static`` field. It is written for one
    point x of shape (d,), in [x]; ``run`` and ``solve`` map it over lanes. It draws no conclusions, prints nothing and
    never stops. What it may offer beyond: ``Reports``, ``Looks``, ``NeedsRoom``, ``Preconditions``, ``Bounded`` and
    ``Ruled``.

    Example:
        >>> from thalweg.methods.method import method
        >>> @method
        ... class Halving:
        ...     factor: float = 0.5
        ...     def init(self, problem, x, key):
        ...         return ()
        ...     def step(self, problem, x, state):
        ...         return self.factor * x, state
        >>> print(isinstance(Halving(), tw.methods.Method))
        True
        >>> print(tw.run(tw.problems.quadratic([1.0]), Halving(), steps=2).x.values.ravel())
        [1.   0.5  0.25]
    """

    def init(self, problem: Objective, x: Array, key: Array) -> Any:
        """The state before the first step, any pytree of arrays; ``key`` is this lane's own random key."""
        ...

    def step(self, problem: Objective, x: Array, state: Any) -> tuple[Array, Any]:
        """One step: the next x, of the same shape and dtype, and the next state."""
        ...


@final
class Report(NamedTuple):
    """What a method knows of the present x.

    Args:
        value: L, a scalar in [L].
        gradient: what vanishes at a solution, shape (d,), in [L]/[x]: dL/dx, or with bounds x - P(x - dL/dx).
        stuck: whether no further step can improve on x in this arithmetic.
        saddle: whether x is known to be no minimum, so that a small gradient is no end.
        rests: whether x is known to be no minimum and the method comes to rest there all the same.
        step: the whole step from x of the method's model of L, shape (d,), in [x], not finite where there is none. None
            for a method that tells of a step when it was taken: then the one that led to x.
        promise: how much lower than at its beginning that model has L at the end of this step, in [L], not finite where
            there is none. None for a method without a model.
        size: of x, by which the step is measured, (d,) in [x]; None for |x_i|, or where x_i is near 0 its largest on
            the way.
    Example:
        >>> method, problem, x = tw.methods.BFGS(), tw.problems.quadratic([1.0, 10.0]), jnp.array([1.0, 1.0])
        >>> print(method.report(x, method.init(problem, x, None)).gradient)
        [ 1. 10.]
    """

    value: Array
    gradient: Array
    stuck: Array
    saddle: Array | bool = False
    rests: Array | bool = False
    step: Array | None = None
    promise: Array | None = None
    size: Array | None = None


@runtime_checkable
class Reports(Protocol):
    """A method that evaluates the loss where it ends, which spares ``solve`` another evaluation there."""

    def report(self, x: Array, state: Any) -> Report: ...


@runtime_checkable
class Looks(Protocol):
    """A method whose step asks for more than a value and a gradient, and so knows more of x at no further cost."""

    def look(self, problem: Objective, x: Array, after: Array) -> Report:
        """What it knows of x, from which its step leads to ``after``."""
        ...


@runtime_checkable
class NeedsRoom(Protocol):
    """A method that builds large matrices: ``run`` and ``solve`` refuse what would not fit."""

    def workspace(self, rows: int, columns: int, itemsize: int) -> int:
        """Bytes of a step whose Jacobian has so many rows and columns; with no rows, of its columns x columns."""
        ...


@runtime_checkable
class Preconditions(Protocol):
    """A method that divides its steps, component by component."""

    def preconditioner(self, state: Any) -> Array:
        """P, by which a step is divided, shape (d,) or ()."""
        ...


@runtime_checkable
class Bounded(Protocol):
    """A dataclass that keeps x in the problem's domain where ``bounded`` says so; it begins there, at the nearest point
    to a start outside."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    bounded: bool


@runtime_checkable
class Ruled(Protocol):
    """A method of a class that serves many rules, and is called by its own."""

    def called(self) -> tuple[str, ...]:
        """The name of the rule, and what flags it has."""
        ...


@runtime_checkable
class Written(Protocol):
    """A method that a function makes, whose call is another than that of its class."""

    def written(self) -> str:
        """The call, of numbers that are not stacked."""
        ...


def called(method: Any) -> tuple[str, ...]:
    """What kind of method it is: the name of its rule, with the flags that are set, or of its class."""
    return method.called() if _is_ruled(type(method)) else (type(method).__name__,)


@cache
def _is_ruled(kind: type) -> bool:
    return issubclass(kind, Ruled)


def static(*, default: Any = MISSING) -> Any:
    """A field that is structure: another value is another program."""
    return field(default=default, metadata={"static": True})


@dataclass_transform(frozen_default=True, field_specifiers=(field, static))
def method(cls: Class) -> Class:
    """A final frozen dataclass whose fields are the leaves of a pytree, but for ``static`` ones.

    It shows itself as the call that makes it; a class may say by ``written`` what that is, for one without sweeps.
    """
    made: Any = dataclass(frozen=True, repr=False)(cls)
    made.__repr__ = _shown
    return final(register_dataclass(made))


def _shown(self: Any) -> str:
    return in_sweep(self) or (self.written() if isinstance(self, Written) else of_fields(self))
