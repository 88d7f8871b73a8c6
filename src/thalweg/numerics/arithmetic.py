"""The arithmetic of formulas: JAX's operations, with derivatives that are right where factors are 0 or infinite.

The chain rule multiplies a partial derivative by what comes before it. Where a predictor is 0, sqrt(k*x) does not
change with k, but the partial derivative of the root is infinite there, and 0 times infinity is NaN. Two rules cure
this, in forward and in reverse mode and for second derivatives, since each makes every factor finite:

- Each value knows where it stands *still*: where no variable, however it moves, changes it. Numbers and data do
  everywhere, k*x where x is 0. Partial derivatives are 0 where the result stands still.
- Where a value overflows, or is infinite since a predictor is 0, the partial derivatives are large instead of
  infinite. What follows is either infinite itself, or has the derivative 0 there, as 1/(1+exp(b*x)) has.

What is known before anything is compiled, numbers and predictors, is computed by NumPy.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.custom_derivatives import SymbolicZero

from thalweg.numerics import trigonometry

LARGE: Final = 0.2  # the power of a precision's largest number that stands for infinity: four factors of it are finite


@final
class Term(NamedTuple):
    """The value of a part of a formula, and what its derivatives need to know."""

    value: Any  # np.ndarray where it is known before anything is compiled, else Array
    still: Any = False  # where nothing changes it: a bool, True of constants alone, or an array of bools
    steep: bool = False  # whether it can be infinite
    vanishing: bool = False  # whether it is an exponential, so that 0 is an underflow, where nothing changes it

    @classmethod
    def constant(cls, value: np.ndarray) -> "Term":
        return cls(value, True, bool(np.isinf(value).any()))

    @property
    def zero(self) -> Any:
        """Where it stands still at 0."""
        return _settled(_both(self.still, self.value == 0)) if self.still is not False else False


@final
class Operation(NamedTuple):
    """An operation of the language: on numbers, on arrays of JAX, with the rules for its derivatives."""

    name: str
    arity: int
    numpy: Callable[..., Any]
    plain: Callable[..., Array]
    careful: Callable[..., Array] | None = None  # of (still, *operands)
    steep: bool = False  # whether it overflows for finite operands
    zeros: str = ""  # "any": an operand that stands still at 0 makes the result do so; "first": the first one
    singular: bool = False  # whether a derivative is infinite for a finite operand

    def __call__(self, *terms: Term) -> Term:
        values = [term.value for term in terms]
        if all(isinstance(value, np.ndarray) for value in values):
            return Term.constant(np.asarray(self.numpy(*values), values[0].dtype))
        still: Any = True
        for term in terms:
            still = _both(still, term.still)
        for term in terms[: {"any": 2, "first": 1}.get(self.zeros, 0)]:
            still = _either(still, term.zero)
        if self.singular and terms[0].vanishing:
            still = _either(still, terms[0].value == 0)
        still = _settled(still)
        poles = self.name == "/" and terms[1].zero is not False
        steep = self.steep or poles or any(term.steep for term in terms) or (self.singular and still is not False)
        if self.careful is None or not steep:
            return Term(self.plain(*values), still, steep)
        result = self.careful(None if still is False or still is True else still, *values)
        return Term(result, still, steep, vanishing=self.name == "exp")


def _both(a: Any, b: Any) -> Any:
    return b if a is True else a if b is True else False if a is False or b is False else a & b


def _either(a: Any, b: Any) -> Any:
    return b if a is False else a if b is False else True if a is True or b is True else a | b


def _settled(still: Any) -> Any:
    """False where it is known that nothing stands still."""
    return False if isinstance(still, (np.ndarray, np.bool_)) and not still.any() else still


def _careful(compute: Callable[..., Array], *partials: Callable[..., Array]) -> Callable[..., Array]:
    """The operation with the given partial derivatives, functions of the result and the operands: 0 where the result
    stands still, and finite where it, or another factor of theirs, is not."""

    @jax.custom_jvp
    def operation(still: Any, *operands: Any) -> Array:
        del still
        return compute(*operands)

    @partial(operation.defjvp, symbolic_zeros=True)
    def _(primals: Any, tangents: Any) -> tuple[Array, Any]:
        still, *operands = primals
        result = operation(still, *operands)
        # Where it stands still, derivatives are taken elsewhere, so that none of any order is infinite.
        safe = operands if still is None else [jnp.where(still, 1, operand) for operand in operands]
        total = jnp.zeros_like(result)
        for slope, tangent in zip(partials, tangents[1:], strict=True):
            if not isinstance(tangent, SymbolicZero):
                factor = slope(result, *safe)
                total = total + (factor if still is None else jnp.where(still, 0, factor)) * tangent
        return result, total

    return operation


def _large(factor: Array, where: Array) -> Array:
    """The factor, but large with its sign, and constant, where it is infinite or, being undefined there, ``where``."""
    dtype = jnp.result_type(factor)
    large = jnp.asarray(float(jnp.finfo(dtype).max) ** LARGE, dtype)
    return jnp.where(where, jnp.where(factor < 0, -large, large), factor)


def _finite(factor: Any) -> Array:
    return _large(factor, jnp.isinf(factor))


def _power_by_base(result: Array, base: Array, exponent: Array) -> Array:
    # Infinite factors are replaced before they are multiplied: a second derivative would multiply 0 with them.
    endless = jnp.isinf(result) | jnp.isinf(base)
    some = jnp.where((exponent == 0) | endless, 1, base)  # x**0 is 1 for every x
    factor = exponent * POWER(None, some, exponent - 1)
    return _large(jnp.where(endless, jnp.where(exponent < 0, 0, 1), factor), jnp.isinf(result))


def _power_by_exponent(result: Array, base: Array, exponent: Array) -> Array:
    del exponent
    some = jnp.where((base == 0) | jnp.isinf(base), 1, base)  # 0**b is 0 for every b
    return _large(jnp.where(jnp.isinf(result), 1, result) * jnp.log(some), jnp.isinf(result))


POWER: Final = _careful(jnp.power, _power_by_base, _power_by_exponent)
EXP: Final = _careful(jnp.exp, lambda result, x: _finite(result))
SINH: Final = _careful(jnp.sinh, lambda result, x: _finite(COSH(None, x)))
COSH: Final = _careful(jnp.cosh, lambda result, x: _finite(SINH(None, x)))
TIMES: Final = _careful(jnp.multiply, lambda result, x, y: _finite(y), lambda result, x, y: _finite(x))
OVER: Final = _careful(
    jnp.divide, lambda result, x, y: _finite(1 / y), lambda result, x, y: _finite(-jnp.divide(result, y))
)
LOG: Final = _careful(jnp.log, lambda result, x: 1 / x)
LOG10: Final = _careful(jnp.log10, lambda result, x: 1 / (x * np.asarray(np.log(10), x.dtype)))
SQRT: Final = _careful(jnp.sqrt, lambda result, x: 0.5 / jnp.sqrt(x))
ARCSIN: Final = _careful(jnp.arcsin, lambda result, x: lax.rsqrt((1 - x) * (1 + x)))
ARCCOS: Final = _careful(jnp.arccos, lambda result, x: -lax.rsqrt((1 - x) * (1 + x)))


def _unary(name: str, careful: Callable[..., Array] | None = None, **more: Any) -> Operation:
    return Operation(name, 1, NUMPY[name], JAX[name], careful, **more)


JAX: Final = {
    "sin": trigonometry.sin, "cos": trigonometry.cos, "tan": jnp.tan,
    "arcsin": jnp.arcsin, "arccos": jnp.arccos, "arctan": jnp.arctan,
    "sinh": jnp.sinh, "cosh": jnp.cosh, "tanh": jnp.tanh, "exp": jnp.exp, "log": jnp.log, "log10": jnp.log10,
    "sqrt": jnp.sqrt, "abs": jnp.abs, "sign": jnp.sign,
}  # fmt: skip
NUMPY: Final = {
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos, "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "exp": np.exp, "log": np.log, "log10": np.log10,
    "sqrt": np.sqrt, "abs": np.abs, "sign": np.sign,
}  # fmt: skip

FUNCTIONS: Final[dict[str, Operation]] = {
    "sin": _unary("sin"), "cos": _unary("cos"), "tan": _unary("tan"),
    "arcsin": _unary("arcsin", ARCSIN, singular=True), "arccos": _unary("arccos", ARCCOS, singular=True),
    "arctan": _unary("arctan"),
    "asin": _unary("arcsin", ARCSIN, singular=True), "acos": _unary("arccos", ARCCOS, singular=True),
    "atan": _unary("arctan"),
    "sinh": _unary("sinh", SINH, steep=True), "cosh": _unary("cosh", COSH, steep=True), "tanh": _unary("tanh"),
    "exp": _unary("exp", EXP, steep=True),
    "log": _unary("log", LOG, singular=True), "ln": _unary("log", LOG, singular=True),
    "log10": _unary("log10", LOG10, singular=True),
    "sqrt": _unary("sqrt", SQRT, singular=True), "abs": _unary("abs"), "sign": _unary("sign"),
    "minimum": Operation("minimum", 2, np.minimum, jnp.minimum),
    "maximum": Operation("maximum", 2, np.maximum, jnp.maximum),
}  # fmt: skip
PLUS: Final = Operation("+", 2, np.add, jnp.add)
MINUS: Final = Operation("-", 2, np.subtract, jnp.subtract)
MULTIPLY: Final = Operation("*", 2, np.multiply, jnp.multiply, TIMES, zeros="any")
DIVIDE: Final = Operation("/", 2, np.divide, jnp.divide, OVER, zeros="first")
RAISE: Final = Operation("**", 2, np.power, jnp.power, POWER, steep=True, zeros="first", singular=True)
SAME: Final = Operation("+", 1, np.positive, jnp.positive)
NEGATE: Final = Operation("-", 1, np.negative, jnp.negative)


def whole_power(n: int) -> Operation:
    """x -> x**n, made of products: faster than a general power, and with the right derivatives at 0."""

    def numpy(x: np.ndarray) -> np.ndarray:
        return np.power(x, x.dtype.type(n))

    careful = _careful(
        partial(lax.integer_pow, y=n), lambda result, x: _finite(n * lax.integer_pow(x, n - 1)) if n else x * 0
    )
    return Operation(f"integer_pow {n}", 1, numpy, partial(lax.integer_pow, y=n), careful, singular=n < 0)
