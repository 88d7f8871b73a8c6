"""Strategies for what a person types: whole sentences of each small language, what they mean, and near misses of them.

A near miss is a sentence with a few cuts, doublings, swaps and foreign signs, so that it gets past the first checks.
"""

import bz2
import gzip
import lzma
import math
import time
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import HealthCheck, given, settings

from thalweg import formula

for name, examples in (("quick", 50), ("exhaustive", 10_000)):
    settings.register_profile(
        name, max_examples=examples, derandomize=True, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
SLOW = 20.0  # seconds of a processor, from which on one input hangs

# What a message of another program has in it.
FOREIGN = ("Traceback", "invalid literal", "codec can't", "Tracer<", "positional argument", "NoneType",
           "could not convert", "broadcast", "must be real number", "not subscriptable", "list index")  # fmt: skip


def holds(profile: str, strategy: Any, judge: Any) -> float:
    """``judge`` passes for each example of a strategy, and soon; the share of those that it says were taken, and not
    refused in a sentence: where all are refused, or none, nothing is shown."""
    taken: list[bool] = []

    def timed(example: Any) -> None:
        begun = time.process_time()
        taken.append(bool(judge(example)))
        assert time.process_time() - begun < SLOW

    settings.get_profile(profile)(given(strategy)(timed))()
    return sum(taken) / len(taken)


def check_sentence(error: BaseException, shell: bool = False) -> None:
    """A ``ValueError`` of one sentence that a person can read, which a shell gets on one line whatever it quotes."""
    assert type(error) is ValueError, repr(error)
    said = " ".join(str(error).split()) if shell else str(error)
    assert said.strip() and "\n" not in said.strip() and said.rstrip().endswith((".", "?")), repr(said)
    assert len(said) < 6000 and not any(word in said for word in FOREIGN), said


def answer(read: Any, *given: Any, **named: Any) -> Any:
    """What a function makes of its input, or None where it refuses it in a sentence."""
    try:
        return read(*given, **named)
    except ValueError as error:
        check_sentence(error)
        return None


def typed(read: Any, *given: Any) -> Any:
    """The same of a word of the command line."""
    try:
        return read(*given)
    except ValueError as error:
        check_sentence(error, shell=True)
        return None


SIGNS = [
    *"()[]{}=:;,.'\"`<>&|!^~%#$@\\ +-*/_0159exÀ²é٣\t\n\r\0\x0b\u00a0\u2028\ud800😀",
    "**", "==", "!=", "<=", ">=", " and ", " or ", " not ", "1e999", "nan", "inf", "1" * 400, "np.", "__class__",
    "lambda:", "import os", "geom(1,2,3)", "0x1", "1_0", "1j", "-", "--", "=", "None", "()", "''",
]  # fmt: skip


@st.composite
def near_misses(draw: Any, sentences: Any) -> str:
    """A text that few edits part from a sentence, or that is none."""
    text = draw(sentences)
    for _ in range(draw(st.integers(1, 4))):
        at, to = sorted(draw(st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))))
        to = min(to, at + draw(st.sampled_from([1, 1, 3, 10])))
        kind = draw(st.sampled_from(["cut", "put", "put", "double", "swap", "many"]))
        sign = draw(st.sampled_from(SIGNS))
        middle = {"cut": "", "put": sign, "double": text[at:to] * 2, "swap": text[at:to][::-1]}
        text = text[:at] + middle.get(kind, text[at:to] * draw(st.sampled_from([9, 60, 300]))) + text[to:]
    return text[:2500]


# Formulas.

NAMES = ("x0", "x1", "ä", "ß", "größe", "k_1", "x")
QUOTED = ("CO(GT)", "decimal date", "µ²", "12", "a.b", "²")
UNARY = [name for name, operation in formula.FUNCTIONS.items() if operation.arity == 1]
NUMBERS = ("0", "1", "2", "3.", ".5", "0.25", "1e-1", "2E0", "12", "007.5", "1.5e+0", "pi", "e")
LIBRARIES = ("", "", "", "np.", "jnp.", "math.", "numpy.")


def _joined(part: Any) -> Any:
    blank = st.sampled_from(["", "", " ", "  ", "\t", "\n"])
    operator = st.builds(lambda a, sign, b: a + sign + b, blank, st.sampled_from("+-*/"), blank)
    power = st.sampled_from(["2", "3", "-1", "- 2", "0", "0.5", "1.0", "12", "2.", "(2)", "-12", "99"])
    return st.one_of(
        st.tuples(part, operator, part),
        st.tuples(st.just("("), part, st.just(")")),
        st.tuples(st.just("("), part, st.sampled_from([")**", ")  ** "]), power, blank),
        st.tuples(part, st.just("**"), part),
        st.tuples(st.sampled_from(["-", "+", "- "]), part),
        st.tuples(st.sampled_from(LIBRARIES), st.sampled_from(UNARY), st.just("("), part, st.just(" )")),
        st.tuples(st.sampled_from(UNARY), st.just("["), part, st.just("]")),
        st.tuples(st.sampled_from(["minimum(", "maximum( "]), part, st.just(", "), part, st.just(")")),
    ).map("".join)


_leaves = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(NUMBERS), st.sampled_from(QUOTED).map(lambda name: f"'{name}'")
)
formulas = st.recursive(_leaves, _joined, max_leaves=12)
_reals = st.floats(-3, 3, allow_subnormal=False).map(lambda x: round(x, 3))
points = st.lists(_reals, min_size=len(NAMES) + len(QUOTED), max_size=len(NAMES) + len(QUOTED)).map(
    lambda numbers: dict(zip((*NAMES, *QUOTED), numbers, strict=True))
)

# Tables: cells in the dialects of instruments and spreadsheets.

DIALECTS = [(",", "."), (";", "."), (";", ","), ("\t", "."), ("\t", ","), ("|", "."), (" ", ".")]
PACKED = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")


def _cells(decimal: str) -> Any:
    """A number, and how it stands in a file."""
    number = st.one_of(
        st.floats(-1e6, 1e6, allow_subnormal=False), st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-10**6, 10**6).map(float),
    )  # fmt: skip
    text = st.sampled_from(["{!r}", "{:.6f}", "{:.4e}", "{:g}", "{:+.3f}", "{:.2E}"])

    def written(value: float, form: str) -> tuple[float, str]:
        cell = form.format(value)
        return float(cell), cell.replace(".", decimal)

    return st.builds(written, number, text)


@st.composite
def tables(draw: Any) -> tuple[bytes, dict[str, list[float]], str]:
    """The bytes of a table, what its columns are, and its decimal mark."""
    separator, decimal = draw(st.sampled_from(DIALECTS))
    names = draw(st.lists(st.sampled_from(["x", "y", "T_air", "größe", "A.1"]), min_size=2, max_size=4, unique=True))
    rows = draw(st.lists(st.tuples(*[_cells(decimal)] * len(names)), min_size=2, max_size=8))
    lines = [separator.join(cell for _, cell in row) for row in rows]
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), "# a comment, with; signs")
    lines.insert(0, separator.join(names))
    if draw(st.booleans()):
        lines.insert(0, "# measured by N.N.")
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = end.join(lines) + draw(st.sampled_from(["", end, end + end]))
    data = PACKED[draw(st.sampled_from(list(PACKED)))](text.encode(draw(st.sampled_from(ENCODINGS))))
    return data, {name: [row[i][0] for row in rows] for i, name in enumerate(names)}, decimal


ODD = (b"\0", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b'"', b"'", b",", b";", b"\t", b"|", b"\n", b"\r", b"#",
       b"sep=;\n",       b"1e999", b"NaN", b"inf", b"-200", b"1,234", b"2020-02-30", b"9999-12-31", b"0000-00-00",
       b"31.12.2020 25:00",
       b"23:59", b"999:59", b"1Zzz2020", b"3 xyz 2020", b"***End_of_Header***", b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ",
       "٣".encode(), "\u2212".encode(), b"1_0", b"0x1F", b"1" * 400, b"=1+1", b"", b" ", b"\x1a",
       b"2020-01-01 10:00+99:99", b"0001-01-01 00:00+23:00", b"\xc3", b"\x80", b"\x81")  # fmt: skip


@st.composite
def near_bytes(draw: Any, files: Any) -> bytes:
    """A file that few edits part from a good one."""
    data = draw(files)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.sampled_from([0, 0, 1, 2, 5, 20])))
        odd = draw(st.one_of(st.sampled_from(ODD), st.binary(max_size=4)))
        data = data[:at] + draw(st.sampled_from([odd, b"", data[at:to] * 2, odd * 40])) + data[to:]
    return data


# Conditions on rows, as a text and as what holds of a row.

COLUMNS = {
    "x": np.array([0.0, 1.0, 2.5, np.nan, -3.0]),
    "y": np.array([1.0, 1.0, 4.0, 2.0, 100.0]),
    "CO(GT)": np.array([-200.0, 1.5, 2.5, 3.5, 0.0]),
    "site": np.array(["north", "south", "north", "", "Ost 2"]),
}
_SIDES = {
    "x": lambda row: row["x"], "y": lambda row: row["y"], "'CO(GT)'": lambda row: row["CO(GT)"],
    "2*x + 1": lambda row: 2 * row["x"] + 1, "x^2": lambda row: row["x"] ** 2, "-y": lambda row: -row["y"],
    "0": lambda row: 0.0, "1": lambda row: 1.0, "2.5": lambda row: 2.5, "-200": lambda row: -200.0,
    "pi": lambda row: math.pi,
}  # fmt: skip
_SIGNS = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "=": lambda a, b: a == b, "<>": lambda a, b: a != b,
    "≤": lambda a, b: a <= b, "≠": lambda a, b: a != b,
}  # fmt: skip


def _compared(a: str, sign: str, b: str) -> tuple[str, Any]:
    def truth(row: Any) -> bool:
        left, right = _SIDES[a](row), _SIDES[b](row)
        return not (math.isnan(left) or math.isnan(right)) and bool(_SIGNS[sign](left, right))

    return f"{a}{sign} {b}", truth


def _worded(sign: str, word: str, quote: str) -> tuple[str, Any]:
    return f"site {sign} {quote}{word}{quote}", lambda row: bool(_SIGNS[sign](row["site"], word))


def _combined(part: Any) -> Any:
    return st.one_of(
        st.builds(lambda a, b, sign: (f"({a[0]}) {sign} ({b[0]})", lambda row: a[1](row) and b[1](row)),
                  part, part, st.sampled_from(["and", "&", "&&", "AND"])),
        st.builds(lambda a, b, sign: (f"({a[0]}) {sign} ({b[0]})", lambda row: a[1](row) or b[1](row)),
                  part, part, st.sampled_from(["or", "|", "||"])),
        st.builds(lambda a, sign: (f"{sign}({a[0]})", lambda row: not a[1](row)), part, st.sampled_from(["not ", "!"])),
        st.builds(lambda a: (f"({a[0]})", a[1]), part),
    )  # fmt: skip


conditions = st.recursive(
    st.one_of(
        st.builds(_compared, *map(st.sampled_from, (list(_SIDES), list(_SIGNS), list(_SIDES)))),
        st.builds(_worded, st.sampled_from(["==", "!=", "="]), st.sampled_from(["north", "south", "Ost 2", "west"]),
                  st.sampled_from(["'", '"'])),
    ),
    _combined, max_leaves=6,
)  # fmt: skip

# Values from Python where numbers are due.

ODD_VALUES = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.binary(max_size=3), st.integers(-3, 5), st.complex_numbers(),
    st.sampled_from([10**400, -(10**400), 10**5000, 2**62, 2**63, 2**64, 10**18, 1e308, -1e308, 5e-324]), st.floats(),
    st.sampled_from([{}, {"a": 1.0}, {1: 2}, (), np.float32, print, range(3), {1.0}, np.zeros((0, 2))]),
    st.sampled_from([np.array(1.0), np.array([1, 2], np.int8), np.array(["a"]), np.array([None, 1.0], object),
                     np.datetime64("2020-01-01"), np.float16(1), np.complex128(1), np.array([True])]),
)  # fmt: skip
odd = st.one_of(ODD_VALUES, st.lists(ODD_VALUES, max_size=3), st.lists(st.lists(ODD_VALUES, max_size=2), max_size=2))

# Words of the command line.

VALUES = ["0.1", "1/3", "2*pi", "1e-3", "-2", "0", "1", "2", "3", "0.1;0.2", "geom(1e-3,1,4)", "true", "false", "none"]
ODD_WORDS = ["1e18", "nan", "inf", "-1", "2.5", "1e400", "1;", ";", "geom(1,2)", "geom(0,1,3)", "geom(1,2,1e9)", "(",
             "=", "1=2", "0x1", "1_0", "٣", "²", "x", "1e999**0", "9**9**9", "'", "1 2", "10**400"]  # fmt: skip


@st.composite
def words(draw: Any, known: dict[str, Any], parameters: Any) -> str:
    """name:key=value,… of the library."""
    name = draw(st.sampled_from(sorted(known)))
    keys = [*parameters(known[name])]
    chosen = draw(st.lists(st.sampled_from(keys), max_size=4, unique=True)) if keys else []
    value = st.one_of(st.sampled_from(VALUES), st.sampled_from(VALUES), st.sampled_from(ODD_WORDS))
    pairs = ",".join(f"{key}={draw(value)}" for key in chosen)
    return name + (":" if pairs else "") + pairs


_ends = st.one_of(st.sampled_from(["0", "1", "-2.5", "1e3", "1/3", "", "inf", "-inf"]), st.sampled_from(ODD_WORDS))
_parameter = st.sampled_from(["a", "b1", "k[T=5]", "größe", "x0", "x1", "'k'", "", " "])
named = {
    "--start": st.lists(st.builds("{}={}".format, _parameter, _ends), min_size=1, max_size=3).map(",".join)
    | st.lists(_ends, min_size=1, max_size=3).map(",".join),
    "--range": st.builds("{}={}:{}".format, _parameter, _ends, _ends),
    "--prior": st.builds("{}={}{}{}".format, _parameter, _ends, st.sampled_from(["+-", "±", " +/- ", "-"]), _ends),
    "--sigma": _ends | st.builds("{}={},{}={}".format, _parameter, _ends, _parameter, _ends),
    "--group": st.builds("{}:{},{}".format, st.sampled_from(["batch", "'a:b'", "", "T"]), _parameter, _parameter),
    "--at": st.builds("x={}:{}:{}".format, _ends, _ends, _ends) | st.builds("x={},{}".format, _ends, _ends),
}
LINES = ["--steps {}", "--start={}", "--starts {}", "--seed {}", "--every {}", "--dtype {}", "--no-such {}", "--start"]
_option = st.builds(str.format, st.sampled_from(LINES), st.one_of(_ends, st.sampled_from(["float64", "1,2", "x0=1"])))
options = st.lists(_option, max_size=3)

# Models of a table.

_model = st.recursive(
    st.sampled_from(["a", "b", "k", "x", "'CO(GT)'", "A.1", "größe", "2", "0.5", "e", "pi", "y", "site"]),
    _joined, max_leaves=8,
)  # fmt: skip
_named = st.sampled_from(["a", "b", "k", "q"])
_pairs = st.tuples(st.floats(), st.floats())
_renamed = st.dictionaries(st.sampled_from(["x", "t", "", "1"]), st.sampled_from(["x", "y", "A.1", "q"]), max_size=2)
_more = {
    "sigma": st.sampled_from(["y", "0.1 + 0.02*y", "5%", "no such", "site", "-1"]) | odd,
    "where": conditions.map(lambda condition: condition[0]) | odd,
    "rename": _renamed | odd,
    "start": st.dictionaries(_named, st.floats(), max_size=2) | odd,
    "fixed": st.dictionaries(_named, st.floats(), max_size=1) | odd,
    "bounds": st.dictionaries(_named, _pairs, max_size=2) | odd,
    "domain": st.dictionaries(_named, _pairs, max_size=2) | odd,
    "priors": st.dictionaries(_named, _pairs | odd, max_size=1) | odd,
    "loss": st.sampled_from(["linear", "huber", "cauchy", "poisson", "soft"]) | odd,
    "groups": st.sampled_from(["site", "x", "q"]) | odd,
    "f_scale": odd,
    "absolute_sigma": odd,
}


@st.composite
def models(draw: Any) -> dict[str, Any]:
    """What is said to a regression: mostly what it can be, and up to two things more, so that each is looked at."""
    typed = st.builds("{}*{}".format, st.sampled_from(["a", "k", "a*x + b"]), _model)
    model = draw(st.sampled_from(["a*x + b", "y = a*exp(-k*x)"]) | typed | near_misses(typed))
    y = draw(st.sampled_from(["y", "y", "log(y)", "2*y", "x", "no such", "", "site"]) | odd)
    more = draw(st.lists(st.sampled_from(sorted(_more)), max_size=2, unique=True))
    return {"model": model, **({} if model.startswith("y =") else {"y": y}), **{key: draw(_more[key]) for key in more}}
