"""The dimensions that parameters of a formula must have for its terms to agree, as powers of those of the data."""

from collections.abc import Sequence

import numpy as np

from thalweg.formula import Formula
from thalweg.numerics.arithmetic import Operation

SURE, LIKELY = 10.0, 1.0  # how much terms of a sum, and arguments of functions, tell


def dimensions(formula: Formula, parameters: Sequence[str], predictors: Sequence[str]) -> np.ndarray:
    """Powers of the units of each predictor and, last, of the response, in those of each parameter: (d, k + 1).

    The terms of a sum have one dimension, and so have a formula and its response; exponents and arguments of exp, log,
    sin, … are pure numbers. These are linear equations in the powers. Where they leave some open, as of a*b, these are
    the smallest; where they contradict each other, as people's formulas do, the best compromise, to halves.
    """
    symbols = [*parameters, *predictors, "response"]
    size = len(symbols) + len(formula.steps)  # and one for the result of each power, which may be anything
    rows: list[np.ndarray] = []
    free = iter(range(len(symbols), size))

    def leaf(step: float | str) -> np.ndarray:
        return np.eye(size)[symbols.index(step)] if isinstance(step, str) else np.zeros(size)

    def combine(operation: Operation, of: list[np.ndarray]) -> np.ndarray:
        name = operation.name
        if name.startswith("integer_pow "):
            return of[0] * int(name.split()[1])
        match name:
            case "+" | "-" | "minimum" | "maximum" if len(of) == 2:
                rows.append((SURE if of[0].any() and of[1].any() else LIKELY) * (of[0] - of[1]))
                return of[0] if of[0].any() else of[1]
            case "select":  # the responses share the unit that stands for all of theirs
                rows.append(SURE * (of[1] - of[2]))
                return of[1]
            case "+" | "-" | "abs":
                return of[0]
            case "*":
                return of[0] + of[1]
            case "/":
                return of[0] - of[1]
            case "sqrt":
                return of[0] / 2
            case "sign":
                return np.zeros(size)
            case "**":
                rows.extend([LIKELY * of[0], SURE * of[1]])
                return np.eye(size)[next(free)]
            case _:
                rows.append(LIKELY * of[0])
                return np.zeros(size)

    whole = formula.fold(leaf, combine)
    rows.append(SURE * (whole - leaf("response")))
    table, d = np.array(rows), len(parameters)
    known, unknown = np.r_[d : len(symbols)], np.r_[:d, len(symbols) : size]
    powers = np.linalg.lstsq(table[:, unknown], -table[:, known], rcond=1e-9)[0][:d]
    return np.round(2 * powers) / 2
