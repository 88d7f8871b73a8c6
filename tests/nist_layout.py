"""The tables of ``tests/data`` in the layout in which NIST publishes its regressions, in words of our own."""

import csv
import tomllib
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("data")
PROBLEMS: dict[str, dict[str, Any]] = tomllib.loads((DATA / "nist.toml").read_text(), parse_float=str)  # all digits
NAMES = list(PROBLEMS)
CAPITAL = ("Rat42", "Rat43", "Roszman1", "Thurber")  # where NIST heads its table 'Starting Values', not 'values'


def write(folder: Path) -> list[Path]:
    """A file for each problem, in an empty folder."""
    files = [folder / f"{name}.dat" for name in NAMES]
    for file in files:
        file.write_text(layout(file.stem), encoding="ascii")
    return files


def layout(name: str) -> str:
    columns, *rows = csv.reader((DATA / "nist" / f"{name}.csv").read_text().splitlines())
    data = ["Data:  " + "".join(f"{column:>20}" for column in columns)]
    data += ["".join(f"{entry:>20}" for entry in row) for row in rows]
    text: list[str] = []
    for line, block in ((1, _heading(name)), (25, _model(name)), (38, _table(name)), (60, data)):
        text += [""] * (line - 1 - len(text)) + block
    return "\n".join(text) + "\n"


def _heading(name: str) -> list[str]:
    """It mentions the starting values, the data and a formula, as NIST's do, before they come."""
    given, d = PROBLEMS[name], len(PROBLEMS[name]["parameters"])
    return [
        "NIST/ITL StRD",
        f"Dataset Name:  {name:<17} ({name}.dat)",
        "",
        "File Format:   ASCII",
        f"               Starting Values   (lines 41 to {40 + d:>3})",
        f"               Certified Values  (lines 41 to {45 + d:>3})",
        f"               Data              (lines 61 to {60 + given['observations']:>3})",
        "",
        "Description:   Written by the tests of thalweg from tables of their own.",
        "               Here are words, even where one reads",
        "               f(x) = 2*exp(-x) + e.",
        "",
        f"Reference:     {given['source']}",
        "",
        f"Data:          {given['observations']} observations",
        f"               {given['level']} difficulty",
    ]


def _model(name: str) -> list[str]:
    lines = f"{PROBLEMS[name]['model'].strip()}  +  e".split("\n")
    count = len(PROBLEMS[name]["parameters"])
    return ["Model:         formula", f"               {count} Parameters", "", *(" " * 15 + line for line in lines)]


def _table(name: str) -> list[str]:
    given, values = PROBLEMS[name], "Values" if name in CAPITAL else "values"
    rows = [
        f"  b{i} = {far!s:>11} {near!s:>11} {certified:>19} {deviation:>17}"
        for i, (far, near, certified, deviation) in enumerate(given["parameters"], 1)
    ]
    return [
        f"          Starting {values}                  Certified Values",
        "",
        "        Start 1     Start 2           Parameter     Standard Deviation",
        *rows,
        "",
        f"Residual Sum of Squares:          {given['residual_sum_of_squares']:>26}",
        f"Residual Standard Deviation:      {given['residual_standard_deviation']:>26}",
        f"Degrees of Freedom:               {given['degrees_of_freedom']:>16}",
        f"Number of Observations:           {given['observations']:>16}",
    ]
