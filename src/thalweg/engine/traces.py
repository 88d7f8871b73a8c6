"""Reading what JAX has traced and XLA has compiled: the equations of a trace, its arrays, its calls of libraries."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from thalweg.numerics.constants import within

# What JAX may leave to LAPACK.
FACTORS = {
    "cholesky", "cholesky_update", "eig", "eigh", "geqp3", "geqrf", "hessenberg", "householder_product", "lu", "ormqr",
    "qr", "schur", "svd", "triangular_solve", "tridiagonal", "tridiagonal_solve",
}  # fmt: skip


def equations(jaxpr: Jaxpr | ClosedJaxpr) -> Iterator[Any]:
    """Every equation of a trace and of the traces within it, such as the bodies of loops."""
    for equation in jaxpr.eqns:
        yield equation
        for part in within(equation):
            yield from equations(part)


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


def mixed(traced: ClosedJaxpr, dtype: Any) -> bool:
    """Whether a trace in a shorter precision computes in float64."""
    variables = (variable for equation in equations(traced) for variable in equation.outvars)
    return dtype != np.float64 and any(variable.aval.dtype == np.float64 for variable in variables)


def calls_host(traced: Jaxpr | ClosedJaxpr) -> bool:
    """Whether a trace calls Python."""
    return any(_calls_host(equation) for equation in equations(traced))


def factors(traced: Jaxpr | ClosedJaxpr) -> bool:
    """Whether a trace has algebra that JAX may leave to LAPACK."""
    return any(equation.primitive.name in FACTORS for equation in equations(traced))


def one_by_one(traced: Jaxpr | ClosedJaxpr) -> bool:
    """Whether a trace calls Python for each lane, and not once for many."""
    batched = "expand_dims", "broadcast_all", "legacy_vectorized"
    return any(_calls_host(e) and e.params.get("vmap_method") not in batched for e in equations(traced))


def _calls_host(equation: Any) -> bool:
    return equation.primitive.name in ("pure_callback", "io_callback", "debug_callback", "debug_print")


def operations(traced: Jaxpr | ClosedJaxpr) -> float:
    """About how many numbers a trace computes; infinite where a loop may take any number of turns, as the solver of an
    equation does. XLA's own analysis counts the body of a loop once."""

    def cost(equation: Any) -> float:
        inner = [operations(part) for part in within(equation)]
        match equation.primitive.name:
            case "while":
                return math.inf
            case "scan":
                return equation.params["length"] * sum(inner)
            case "cond":
                return max(inner)
            case "dot_general":
                (contracted, _), _ = equation.params["dimension_numbers"]
                shape = equation.invars[0].aval.shape
                return 2 * _size(equation.outvars) * math.prod(shape[axis] for axis in contracted)
        return sum(inner) or _size(equation.outvars)

    return sum(cost(equation) for equation in traced.eqns)


def _size(variables: Any) -> int:
    return sum(math.prod(variable.aval.shape) for variable in variables)


def calls_lapack(program: Any) -> bool:
    """Whether a compiled program calls LAPACK. Its text tells: which primitives do is for JAX to decide, by their
    sizes and the platform."""
    return 'custom_call_target="lapack' in program.as_text()
