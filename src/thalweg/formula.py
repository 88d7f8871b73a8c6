"""Formulas typed as text, such as ``x0**2 + 0.5*sin(30*x0)``, as JAX functions, without ``eval``.

A formula is read in three passes, each of which only lets through what it knows: its words (numbers, known names,
operators, brackets), then the syntax tree that Python's ``ast`` builds from them, then a flat list of steps in prefix
order. Nothing here recurses, so a formula that is accepted can also be evaluated.
"""

import ast
import keyword
import math
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.numerics import arithmetic
from thalweg.numerics.arithmetic import Operation
from thalweg.numerics.expression import Formula, Step
from thalweg.numerics.reading import shown

__all__ = ["compile"]


def __dir__() -> list[str]:
    return __all__


MAX_LENGTH: Final = 2000  # characters
MAX_NODES: Final = 500  # numbers, names, operators and calls
MAX_DEPTH: Final = 50  # brackets inside brackets, operations inside operations

FUNCTIONS: Final = arithmetic.FUNCTIONS
CONSTANTS: Final[dict[str, float]] = {"pi": math.pi, "e": math.e}

_ARITY: Final = {name: operation.arity for name, operation in FUNCTIONS.items()}
_OPERATORS: Final[dict[type[ast.AST], Operation]] = {
    ast.Add: arithmetic.PLUS, ast.Sub: arithmetic.MINUS, ast.Mult: arithmetic.MULTIPLY, ast.Div: arithmetic.DIVIDE,
    ast.Pow: arithmetic.RAISE, ast.UAdd: arithmetic.SAME, ast.USub: arithmetic.NEGATE,
}  # fmt: skip
_AXES: Final = ("x", "y", "z")
_INDEXED: Final = tuple(f"x{i}" for i in range(1000))
_TOO_DEEP: Final = f"nests too deeply; keep to a depth of {MAX_DEPTH}"
_WORD: Final = re.compile(
    r"""(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
      | (?P<name>[^\W\d_]\w*)
      | (?P<quoted>'[^']*'|"[^"]*"|`[^`]*`)
      | (?P<operator>\*\*|[-+*/,])
      | (?P<open>[(\[])
      | (?P<close>[)\]])
      | (?P<other>[\w.]+|[^ ])""",
    re.VERBOSE,
)
_UNQUOTABLE: Final = re.compile(r"[\\'\"`\0\ud800-\udfff]")  # Python reads no source with the last two
LIBRARY: Final = re.compile(rf"(?<![\w.])(?:np|jnp|numpy|math)\.(?=(?:{'|'.join({*FUNCTIONS, *CONSTANTS})})\b)")


@final
@dataclass(frozen=True, repr=False)
class VectorFormula:
    """A formula as a function f(x) of one vector, where x[i] is the variable names[i]."""

    formula: Formula
    names: tuple[str, ...]

    def __repr__(self) -> str:
        usual = self.names == self.formula.names
        return f"compile({self.formula.text!r})" if usual else f"compile({self.formula.text!r}, {list(self.names)})"

    @property
    def dimension(self) -> int:
        """The length of x."""
        return len(self.names)

    def __call__(self, x: Any) -> Array:
        """f(x), a scalar in the dtype of x; raises ValueError unless x has shape (dimension,)."""
        x = jnp.asarray(x)
        if x.shape != (self.dimension,):
            raise ValueError(
                f"x has shape {x.shape} where the formula takes {_listing(self.names)}; "
                f"pass a vector of shape ({self.dimension},)."
            )
        value = self.formula({name: x[self.names.index(name)] for name in self.formula.names})
        return value.astype(jnp.result_type(x, 0.0))  # a formula without variables has no dtype of x


def parse(text: str, variables: Collection[str], quoted: Collection[str] = ()) -> Formula:
    """The formula that a text writes in the given variables, checked word by word.

    A formula consists of decimal numbers, variables, ``pi`` and ``e``, ``+ - * / **``, parentheses, and calls of
    ``FUNCTIONS``, also as ``exp[-x]`` or ``np.exp(-x)``. A variable that is called ``pi`` or ``e`` comes before them.

    Args:
        text: the formula, up to 2000 characters, 500 numbers, names and operations, and a depth of 50.
        variables: the names that may occur in it, each a letter followed by letters, digits and underscores.
        quoted: names that may occur in it in quotes, 'CO(GT)', "CO(GT)" or `CO(GT)`: all but quotes, backslashes and
            what no text can hold.
    Returns:
        A ``Formula``: called with a mapping of its variables to numbers or arrays, it gives the value.
    Raises:
        ValueError: for a name that cannot be a variable or comes twice, and for a text that is no formula: which word,
            at which column, and what to write there.
    Cost:
        Linear in the length of the text; nothing is compiled.
    Example:
        >>> tw.formula.parse("a*exp(-k*x)", ["a", "k", "x"]).names
        ('a', 'k', 'x')
    """
    if not isinstance(text, str):
        raise ValueError(f"the formula is {shown(text)}, but it must be a text; write one such as '2*x0 + sin(x1)'.")
    names = {unicodedata.normalize("NFKC", name): name for name in _checked(variables)}  # as Python reads them
    if len(text) > MAX_LENGTH:
        raise ValueError(f"The formula has {len(text)} characters; shorten it to at most {MAX_LENGTH}.")
    line = LIBRARY.sub(lambda match: " " * len(match[0]), re.sub(r"\s", " ", text, flags=re.ASCII))
    if not line.strip(" "):
        raise ValueError("The formula is empty at column 1; write one such as 2*x0 + sin(x1).")
    _check_words(line, variables, quoted)
    steps = _steps(line, _tree(line), names | {name: name for name in quoted})
    return Formula.of(text, steps)


def compile(text: str, variables: Sequence[str] | None = None) -> VectorFormula:
    """The function f(x) of a vector that a text writes, where x[i] is ``variables[i]``; a loss of ``Problem``, say.

    It has the language of ``parse`` and the precedence of Python: ``-2**2`` is -4 and ``2**3**2`` is 512. What the
    language guarantees, for a text from anyone: nothing of it is executed, and no attribute, index, string, keyword or
    name but those listed is let through; the work of reading and of evaluating it is bounded by its length; what is
    accepted can be evaluated. Numbers are floats before any arithmetic, in the dtype of x, so that
    ``10**10**10`` is inf, and division by 0 or the root of a negative number is inf or NaN, never an error. A whole
    power of up to two digits is made of products. Derivatives are right at 0 where they are finite: 0 of ``0**x0``.

    Args:
        text: the formula, as of ``parse``.
        variables: the names of the components of x, in this order. Without them they are x0, x1, … up to the largest
            index in the text, at most x999, or else x, y, z up to the last one in it.
    Returns:
        f: x of shape (d,), in [x], with d the number of variables -> a scalar, in [L], in the floating dtype of x. It
        has ``dimension`` and ``names``, and can be traced, mapped, differentiated and compiled. Numbers in the text
        have the units that make its terms agree, which nothing checks.
    Raises:
        ValueError: as ``parse``; without ``variables``, for a text that has none; and, when f is called, for an x of
            another shape.
    Cost:
        Of reading, as ``parse``. A call is one operation of JAX for each operation in the text.
    Example:
        >>> f = tw.formula.compile("100*(x1 - x0**2)**2 + (1 - x0)**2")
        >>> f.names, float(f(jnp.array([0.0, 1.0])))
        (('x0', 'x1'), 101.0)
    """
    if variables is not None:
        return VectorFormula(parse(text, variables), tuple(variables))
    family = _AXES if isinstance(text, str) and re.search(r"\b[xyz]\b", text) else _INDEXED
    formula = parse(text, family)
    if not formula.names:
        raise ValueError("The formula has no variable from column 1 on; write x0, x1, ... or x, y, z in it.")
    return VectorFormula(formula, family[: 1 + max(map(family.index, formula.names))])


def number(text: str) -> float:
    """The finite value, in float64, of a formula without variables, such as ``1/3`` or ``2*pi``.

    Args:
        text: the formula, as of ``parse``.
    Returns:
        A float, a pure number.
    Raises:
        ValueError: as ``parse``, and where the value is infinite or undefined.
    Cost:
        One operation of JAX for each operation in the text; each compiles once in a process.
    Example:
        >>> tw.formula.number("1/4")
        0.25
    """
    formula = parse(text, ())
    with jax.enable_x64(True):
        value = float(formula({}))
    if not math.isfinite(value):
        raise _refusal(text, 0, len(text), f"has the value {value}; write a finite number")
    return value


def _checked(variables: Collection[str]) -> tuple[str, ...]:
    if not isinstance(variables, Collection) or not all(isinstance(name, str) for name in variables):
        raise ValueError(f"the variables are {shown(variables)}, but they must be names; give a list such as ['x'].")
    for name in variables:
        read = unicodedata.normalize("NFKC", name)
        fit = re.fullmatch(r"[^\W\d_]\w*", name) and read.isidentifier() and name.isidentifier()
        if not fit or read in FUNCTIONS or keyword.iskeyword(read):
            raise ValueError(
                f"{name!r} cannot be a variable; use a letter followed by letters, digits and underscores "
                "that is no function and no keyword of Python."
            )
    if len({unicodedata.normalize("NFKC", name) for name in variables}) < len(variables):
        raise ValueError(f"The variables {_listing(variables)} are not distinct; give each its own name.")
    return tuple(variables)


def _check_words(line: str, variables: Collection[str], quoted: Collection[str]) -> None:
    known = {*variables, *CONSTANTS, *FUNCTIONS}
    opened: list[re.Match[str]] = []

    def refusal(word: re.Match[str], reason: str) -> ValueError:
        return _refusal(line, word.start(), word.end(), reason)

    for word in _WORD.finditer(line):
        match word.lastgroup:
            case "number" if not math.isfinite(float(word[0])):
                raise refusal(word, "is too large; write a number below 1.7e308")
            case "name" if word[0] not in known:
                raise refusal(
                    word,
                    f"is unknown; use the variables ({_listing(variables)}), the constants "
                    f"({', '.join(CONSTANTS)}) and the functions ({', '.join(FUNCTIONS)})",
                )
            case "quoted" if _UNQUOTABLE.search(word[0][1:-1]):
                raise refusal(word, "has a sign that no name in quotes may have; give the column another name")
            case "quoted" if word[0][1:-1] not in quoted:
                raise refusal(word, f"is no name that may stand in quotes; use {_listing(quoted)}")
            case "quoted" if re.search(r"\w$|['\"`] *$", line[: word.start()]):
                raise refusal(word, "follows a name; write * between factors")
            case "open":
                opened.append(word)
                if len(opened) > MAX_DEPTH:
                    raise refusal(word, _TOO_DEEP)
            case "close" if not opened or opened.pop()[0] + word[0] not in ("()", "[]"):
                raise refusal(word, "does not match an opening bracket; balance the brackets")
            case "other" if word[0] == "^":
                raise refusal(word, "is not an operator; write ** for a power")
            case "other" if word[0][0].isdigit():
                raise refusal(word, "is not a number; write 2, 0.5 or 1e-3, and * between factors")
            case "other":
                raise refusal(word, "is not allowed; use numbers, names, + - * / **, brackets and commas")
    if opened:
        raise refusal(opened[-1], "is never closed; balance the brackets")


def _tree(line: str) -> ast.expr:
    try:
        # Within parentheses leading blanks are harmless and col_offset counts from 1.
        return ast.parse(f"({line})".replace("`", "'"), mode="eval").body
    except SyntaxError as error:
        start = min(max((error.offset or 0) - 2, 0), len(line.rstrip(" ")) - 1)
        end = max((error.end_offset or 0) - 2, start + 1)
        reason = "cannot be read; put one operator between operands and one comma between arguments"
        raise _refusal(line, start, end, reason) from None
    except (RecursionError, MemoryError):
        raise _refusal(line, 0, len(line), _TOO_DEEP) from None


def _steps(line: str, tree: ast.expr, names: Mapping[str, str]) -> tuple[Step, ...]:
    steps: list[Step] = []
    pending = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise _refusal(line, *_span(line, node), _TOO_DEEP)
        step, operands = _step(line, node, names)
        steps.append(step)
        # A long sum or product leans to the left, which is no nesting.
        chain = node.left if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Pow) else None
        pending += [(operand, depth + (operand is not chain)) for operand in reversed(operands)]
    if len(steps) > MAX_NODES:
        raise ValueError(f"The formula has {len(steps)} nodes; simplify it to at most {MAX_NODES}.")
    return tuple(steps)


def _step(line: str, node: ast.expr, names: Mapping[str, str]) -> tuple[Step, Sequence[ast.expr]]:
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value), ()
        case ast.Constant(value=str() as name) | ast.Name(id=name) if name in names:
            return names[name], ()
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name], ()
        case ast.UnaryOp(op=operator, operand=operand) if type(operator) in _OPERATORS:
            return _OPERATORS[type(operator)], [operand]
        case ast.BinOp(left=left, op=ast.Pow(), right=right) if (power := _integer(line, right)) is not None:
            return arithmetic.whole_power(power), [left]
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            return _OPERATORS[type(operator)], [left, right]
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if _ARITY.get(name) == len(args):
            return FUNCTIONS[name], args
        case ast.Subscript(value=ast.Name(id=name), slice=operand) if _ARITY.get(name) == 1:
            return FUNCTIONS[name], [operand]
        case ast.Call() | ast.Subscript():
            reason = "is not a call; write sin(a) for one argument, maximum(a, b) for two, and * to multiply"
        case ast.Name(id=name):
            reason = f"is a function without argument; write {name}(...)"
        case _:
            reason = "is not allowed; use numbers, names, + - * / **, ( ) and calls such as sin(x)"
    raise _refusal(line, *_span(line, node), reason)


def _integer(line: str, node: ast.expr) -> int | None:
    # Larger powers are left to jnp.power, as repeated multiplication loses digits.
    source = line[slice(*_span(line, node))].replace(" ", "")
    return int(float(source)) if re.fullmatch(r"-?\d\d?(\.0*)?", source) else None


def _span(line: str, node: ast.expr) -> tuple[int, int]:
    # Python counts bytes of UTF-8, in which letters such as α are two. The parenthesis that _tree adds shifts all by
    # one, and a tuple includes it.
    source = f"({line}".encode()
    start, end = (len(source[:at].decode()) - 1 for at in (node.col_offset, node.end_col_offset or 0))
    return max(start, 0), end


def _refusal(text: str, start: int, end: int, reason: str) -> ValueError:
    start = len(text) - len(text[start:].lstrip(" "))
    excerpt = text[start:end].rstrip(" ") if end - start <= 40 else f"{text[start : start + 37]}..."
    return ValueError(f"{excerpt!r} at column {start + 1} of the formula {reason}.")


def _listing(names: Collection[str]) -> str:
    shown = list(names) if len(names) <= 6 else [*list(names)[:3], "...", list(names)[-1]]
    return ", ".join(shown) or "none"
