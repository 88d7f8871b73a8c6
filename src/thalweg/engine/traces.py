"""Reading what JAX has traced and XLA has compiled: the equations of a trace, its arrays, its calls of libraries."""

from collections.abc import Iterator
from typing import Any

from jax.extend.core import ClosedJaxpr, Jaxpr


def equations(jaxpr: Jaxpr | ClosedJaxpr) -> Iterator[Any]:
    """Every equation of a trace and of the traces within it, such as the bodies of loops."""
    for equation in jaxpr.eqns:
        yield equation
        for part in within(equation):
            yield from equations(part)


def within(equation: Any) -> list[Jaxpr | ClosedJaxpr]:
    """The traces that an equation holds itself: the body of a loop, the branches of a condition."""
    values = [v for value in equation.params.values() for v in (value if isinstance(value, tuple) else (value,))]
    return [value for value in values if isinstance(value, (Jaxpr, ClosedJaxpr))]


def constants(traced: ClosedJaxpr) -> Iterator[Any]:
    """The arrays that a trace and those within it hold, which are not in its text."""
    yield from traced.consts
    for equation in equations(traced):
        for part in within(equation):
            if isinstance(part, ClosedJaxpr):
                yield from part.consts


def transforms(traced: Jaxpr | ClosedJaxpr) -> bool:
    """Whether a trace takes Fourier transforms."""
    return any(equation.primitive.name == "fft" for equation in equations(traced))


def calls_lapack(program: Any) -> bool:
    """Whether a compiled program calls LAPACK. Its text tells: which primitives do is for JAX to decide, by their
    sizes and the platform."""
    return 'custom_call_target="lapack' in program.as_text()
