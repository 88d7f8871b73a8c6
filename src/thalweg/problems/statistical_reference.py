"""Nonlinear regressions whose best parameters are certified to 11 digits: NIST's Statistical Reference Datasets."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import final

import jax
import numpy as np

from thalweg import formula
from thalweg.chain.problem import Problem
from thalweg.problems.models import Model

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"


@final
@dataclass(frozen=True, eq=False)
class NistFile:
    """A regression of the Statistical Reference Datasets: d parameters, m observations, all numbers in float64.

    ``response`` is what the model predicts, a function of ``observations``: their logarithm in Nelson, else the same.
    The standard deviations are estimates that go with the certified values. All is as NIST prints it, even where Rat43
    states 9 degrees of freedom and means 11.
    """

    name: str
    model: str  # the formula of the predicted response
    names: tuple[str, ...]  # of the parameters, (d,)
    starts: np.ndarray  # (2, d), the far start and the near one
    certified: np.ndarray  # (d,)
    standard_deviations: np.ndarray  # (d,)
    residual_sum_of_squares: float
    residual_standard_deviation: float
    degrees_of_freedom: int
    observations: np.ndarray  # (m,)
    response: np.ndarray  # (m,)
    response_name: str  # y, or log[y] in Nelson
    predictors: dict[str, np.ndarray]  # each (m,)


_VOLUME = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
_PRESSURE = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
_MISRA1A = NistFile(
    name="Misra1a",
    model="b1*(1-exp[-b2*x])",
    names=("b1", "b2"),
    starts=np.array([[500, 1e-4], [250, 5e-4]]),
    certified=np.array([2.3894212918e02, 5.5015643181e-04]),
    standard_deviations=np.array([2.7070075241e00, 7.2668688436e-06]),
    residual_sum_of_squares=1.2455138894e-01,
    residual_standard_deviation=1.0187876330e-01,
    degrees_of_freedom=12,
    observations=_VOLUME,
    response=_VOLUME,
    response_name="y",
    predictors={"x": _PRESSURE},
)


def read(path: str | Path) -> NistFile:
    """Read a file of the section nonlinear regression of NIST StRD, exactly as published.

    Args:
        path: of a file such as Misra1a.dat.
    Returns:
        A ``NistFile``, all numbers in float64.
    Raises:
        ValueError: where there is no such file, or it is not complete.
    Source:
        NIST Statistical Reference Datasets, nonlinear regression, itl.nist.gov/div898/strd.
    """
    try:
        return _parse(Path(path).read_text(encoding="ascii"))
    except OSError as error:
        reason = error.strerror or "it is not readable"
    except UnicodeDecodeError:
        reason = "it is not ASCII text"
    except ValueError as error:
        reason = str(error).rstrip(".")
    raise ValueError(
        f"{str(path)!r} cannot be read as a nonlinear regression of NIST StRD: {reason}; "
        "give a file as NIST publishes it, such as Misra1a.dat."
    )


def nist(path: str | Path, start: int = 1) -> Problem:
    """L(b) = sum of (y_i - model(x_i; b))^2, NIST's residual sum of squares, from a file as NIST publishes it.

    x is the dict of the parameters b1, b2, …, each in its own [x], and y the predicted responses, in the [y] of the
    observations; [L] = [y]^2. NIST states no units beside the numbers. The minimum is NIST's certified one, which need
    not be the only one. NIST states no domain; here it is the smallest box around both starts and the minimum, widened
    by a tenth on each side, and none where a parameter is the same in all three.

    Args:
        path: of a file of the section nonlinear regression, such as Misra1a.dat.
        start: 1 for the start of the file that is far from the minimum, 2 for the near one.
    Raises:
        ValueError: where there is no such file, where it is not complete, or unless start is 1 or 2.
    Source:
        NIST Statistical Reference Datasets, nonlinear regression, itl.nist.gov/div898/strd.
    Example:
        >>> problem = tw.problems.misra1a(start=2)  # the same as tw.problems.nist("Misra1a.dat", start=2)
        >>> problem.start.tolist()
        [250.0, 0.0005]
    """
    return _problem(read(path), start)


def misra1a(start: int = 1) -> Problem:
    """L(b) = sum over 14 observations of (y_i - b1 (1 - exp(-b2 x_i)))^2: volume adsorbed against pressure.

    Start 1 is (500, 1e-4), start 2 (250, 5e-4); minimum (238.94212918, 5.5015643181e-4), L = 0.12455138894; domain as
    in ``nist``. Of lower difficulty, though b1 and b2 differ by six orders of magnitude. b1 is a volume, in [y], and b2
    the inverse of a pressure; together they are [x]; [L] = [y]^2. The units are not published.

    Args:
        start: 1 for the start that is far from the minimum, 2 for the near one.
    Raises:
        ValueError: unless start is 1 or 2.
    Source:
        Misra (1978), Dental Research: Monomolecular Adsorption Study, as NIST StRD publishes it.
    Example:
        >>> problem = tw.problems.misra1a()
        >>> problem.start.tolist(), problem.minima.tolist()
        ([500.0, 0.0001], [[238.94212918, 0.00055015643181]])
    """
    return _problem(_MISRA1A, start)


def _problem(file: NistFile, start: int) -> Problem:
    if start not in (1, 2):
        raise ValueError(f"start is {start!r}, but a NIST file has the starts 1 (far) and 2 (near); choose one.")
    parsed = formula.parse(file.model, (*file.names, *file.predictors))
    model = Model(parsed, file.names, file.predictors, file.response_name, file.response)
    known = np.vstack([file.starts, file.certified])
    low, high = known.min(axis=0), known.max(axis=0)
    margin = high / 10 - low / 10
    domain = (low - margin, high + margin) if np.all(low < high) else None
    return model.problem(file.name, file.starts[int(start) - 1], domain, minima=[file.certified])


def _parse(text: str) -> NistFile:
    name = _find(r"\ANIST/ITL StRD *\nDataset Name: +(\w+)", text, "the heading 'NIST/ITL StRD' and 'Dataset Name:'")[1]
    section = r"^Model:.*\n +(\d{1,3}) Parameters.*\n((?:.*\n)*?) +Starting [Vv]alues"
    count, lines = _find(section, text, "the model above 'Starting Values'").groups()
    # The formula language knows pi, so a line that defines it is dropped.
    lines = re.sub(r"^ *pi *= *3\.14159\d*(E0)? *$", "", lines, flags=re.MULTILINE)
    equation = _find(r"\A([^=]+)=([^=]+)\+ *e\Z", lines.strip(), "a model of the form 'response = formula + e'")
    transform, model = (" ".join(side.split()) for side in equation.groups())
    rows = re.findall(rf"^ *b(\d+) *= *({_NUMBER}) +({_NUMBER}) +({_NUMBER}) +({_NUMBER}) *$", text, re.MULTILINE)
    names = tuple(f"b{i + 1}" for i in range(int(count)))
    if not rows or tuple(f"b{row[0]}" for row in rows) != names:
        raise ValueError(f"it has {len(rows)} complete rows of parameters where the model has {count}, b1 to b{count}")
    table = _numbers([row[1:] for row in rows])

    header = _find(r"^Data:((?: +[A-Za-z]\w*)+) *$", text, "the line 'Data:' with the names of the columns")
    columns = header[1].split()
    observed = _observations(text[header.end() :], columns)
    stated = int(_find(r"^Number of Observations: +([1-9]\d{0,8}) *$", text, "'Number of Observations:'")[1])
    if len(observed) != stated:
        raise ValueError(f"it has {len(observed)} observations where 'Number of Observations:' says {stated}")

    predictors = dict(zip(columns[1:], observed.T[1:], strict=True))
    formula.parse(model, (*names, *predictors))
    with jax.enable_x64(True):
        values = formula.parse(transform, columns[:1])({columns[0]: observed[:, 0]})
        response = np.broadcast_to(np.asarray(values), len(observed))
    if not np.all(np.isfinite(response)):
        raise ValueError(f"the response {transform} is not finite for every observation")
    return NistFile(
        name=name,
        model=model,
        names=names,
        starts=table[:, :2].T,
        certified=table[:, 2],
        standard_deviations=table[:, 3],
        residual_sum_of_squares=_quantity("Residual Sum of Squares", text),
        residual_standard_deviation=_quantity("Residual Standard Deviation", text),
        degrees_of_freedom=int(_find(r"^Degrees of Freedom: +(\d{1,9}) *$", text, "'Degrees of Freedom:'")[1]),
        observations=observed[:, 0],
        response=response,
        response_name=transform,
        predictors=predictors,
    )


def _find(pattern: str, text: str, what: str) -> re.Match[str]:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise ValueError(f"it lacks {what}")
    return found


def _quantity(label: str, text: str) -> float:
    return float(_numbers([_find(rf"^{label}: +({_NUMBER}) *$", text, f"a number for '{label}:'")[1]])[0])


def _observations(text: str, columns: list[str]) -> np.ndarray:
    rows = [line.split() for line in text.split("\n") if line.strip()]
    for i, row in enumerate(rows):
        if len(row) != len(columns) or not all(re.fullmatch(_NUMBER, entry) for entry in row):
            given = " ".join(row)[:60]
            raise ValueError(f"its observation {i + 1} is {given!r} where {len(columns)} numbers are due")
    return _numbers(rows).reshape(-1, len(columns))


def _numbers(entries: list) -> np.ndarray:
    values = np.array(entries, np.float64)
    if not np.all(np.isfinite(values)):
        raise ValueError("it holds a number too large for float64")
    return values
