"""What the strategies of ``inputs`` found, one example of each kind: a right answer, or a sentence."""

import bz2
import gzip
import lzma

import numpy as np
import pytest
from inputs import check_sentence

import thalweg as tw
from thalweg import formula, problems
from thalweg.problems import conditions
from thalweg.problems.tables import read_table
from thalweg.words import library

HUGE = 10**400  # no float64
ENDLESS = 10**5000  # which Python does not write
DATA = {"x": np.arange(1.0, 7), "y": np.array([1.0, 3, 5, 8, 9, 12])}


@pytest.mark.parametrize("name", ["x", "ä", "größe", "変数"])
def test_powers_behind_names_of_any_letters(name):
    """Python counts bytes, of which ä has two, so that the 2 of 12 was read."""
    for rest, expected in (("*x0**12 + 1", 4097.0), ("*x0**12", 4096.0), (" + x0**-12", 1 + 2.0**-12)):
        assert formula.parse(name + rest, [name, "x0"]).in_numpy({name: 1.0, "x0": 2.0}) == expected
    quoted = formula.parse("'µ²'*x0**12 + '²'", ["x0"], ["µ²", "²"])
    assert quoted.in_numpy({"µ²": 1.0, "²": 1.0, "x0": 2.0}) == 4097.0 and quoted.names == ("x0", "²", "µ²")


def test_a_refusal_points_at_the_word_behind_such_names():
    with pytest.raises(ValueError, match=r"^'\(x0, 1\)' at column 5 of the formula is not allowed"):
        formula.parse("ä + (x0, 1)", ["ä", "x0"])


def fitted(**more):
    return problems.regression(**{"data": DATA, "model": "a*x + b", "y": "y", **more})


SENTENCES = {
    "a formula of bytes": lambda: formula.compile(b"x0"),
    "no formula": lambda: formula.compile(None),
    "variables that are numbers": lambda: formula.compile("x0", [0, 1]),
    "a variable": lambda: formula.compile("x0", 5),
    "a NUL in a name": lambda: formula.parse("'a\0' + 1", [], ["a\0"]),
    "half a letter in a name": lambda: formula.parse("'a\ud800' + 1", [], ["a\ud800"]),
    "more starts than memory": lambda: tw.starts.uniform((-1, 1), 10**14),
    "more starts than numbers": lambda: tw.starts.sphere([0.0], 1.0, 2**62),
    "a grid of more points than memory": lambda: tw.starts.grid((-1, [1, 1]), 10**8),
    "a grid of more axes than NumPy has": lambda: tw.starts.grid(([0] * 65, [1] * 65), 2),
    "a box without components": lambda: tw.starts.grid(([], []), 2),
    "a box as wide as no number": lambda: tw.starts.uniform((-1e308, 1e308), 2),
    "the same, a grid": lambda: tw.starts.grid((-1e308, 1e308), 3),
    "a box of texts": lambda: tw.starts.uniform(("1", "2"), 2),
    "a box of huge numbers": lambda: tw.starts.uniform((0, HUGE), 2),
    "a box that is one number": lambda: tw.starts.uniform(np.array(1.0), 2),
    "a count that Python does not write": lambda: tw.starts.uniform((0, 1), ENDLESS),
    "a sphere of huge radius": lambda: tw.starts.sphere([0.0], HUGE, 2),
    "a sphere that leaves the numbers": lambda: tw.starts.sphere([1e308, 1.0], 1e308, 2),
    "a sphere around a text": lambda: tw.starts.sphere(["1"], 1.0, 2),
    "a sphere around nothing": lambda: tw.starts.sphere([], 1.0, 2),
    "a sweep of more than memory": lambda: tw.sweep(tw.methods.adam(0.1), b1=np.ones(10**6), b2=np.ones(10**7)),
    "a sweep of bytes": lambda: tw.sweep(tw.methods.adam(0.1), b1=b"12"),
    "a sweep of a mapping": lambda: tw.sweep(tw.methods.adam(0.1), b1={1: 2}),
    "a huge hyperparameter": lambda: tw.run(tw.problems.pbdl(), tw.methods.gradient_descent(HUGE), steps=1),
    "a problem of more than memory": lambda: library.named("ackley:d=1e14"),
    "a condition that is none": lambda: fitted(where=False),
    "a condition of many brackets": lambda: fitted(where="(" * 400 + "x>0" + ")" * 400),
    "a condition of many denials": lambda: fitted(where="not " * 400 + "x>0"),
    "a long condition": lambda: fitted(where="x>0 and " * 20_000 + "x>0"),
    "a condition on no columns": lambda: conditions.rows("1>0 and x>0", conditions.Arrays({})),
    "names that are a text": lambda: fitted(rename="t"),
    "names of numbers": lambda: fitted(rename={1: 2}),
    "a response that is an array": lambda: fitted(model="y = a*x", y=np.ones(2)),
    "starts that are a list": lambda: fitted(start=[ENDLESS]),
    "starts of numbers": lambda: fitted(start={1: 1.0}),
    "a column with a mask": lambda: fitted(data=DATA | {"y": np.ma.masked_greater(DATA["y"], 8)}),
    "a huge start": lambda: fitted(start={"a": HUGE}),
    "huge bounds": lambda: fitted(bounds={"a": (0, HUGE)}),
    "bounds that are a number": lambda: fitted(bounds={"a": np.array(1.0)}),
    "a huge prior": lambda: fitted(priors={"a": (HUGE, 1.0)}, sigma=1.0, absolute_sigma=True),
    "a huge scale": lambda: fitted(loss="huber", f_scale=HUGE),
    "a loss that Python does not write": lambda: fitted(loss=ENDLESS),
    "no response, and a line end": lambda: fitted(model="a*x\n", y=None),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_sentences(what):
    with pytest.raises(ValueError) as refused:
        SENTENCES[what]()
    check_sentence(refused.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (gzip.compress(b"x,y\n1,2\n", mtime=0)[:-5], "it is compressed, but not whole"),
        (b"\x1f\x8b\x08 and no more", "it is compressed, but not whole"),
        (b"BZh9 and no more", "it is compressed, but not whole"),
        (b",,\n,,\n", "all its cells are empty"),
        (b'""', "all its cells are empty"),
        (b"x,y\n", "it has no line below the names of its columns"),
        (b"x;y\n\n# nothing\n", "it has no line below the names of its columns"),
        (b"\xff\xfex\0,\0y\0\n", "it begins as text in UTF-16, but is not"),
        (b"\xef\xbb\xbfx,y\n\xff,2\n", "it begins as text in UTF-8, but is not"),
    ],
)
def test_files_that_are_cut(data, reason, tmp_path):
    (tmp_path / "cut.csv").write_bytes(data)
    with pytest.raises(ValueError, match=f"cannot be read as a table: {reason}; give a CSV file"):
        read_table(tmp_path / "cut.csv")


def test_a_start_beside_bounds_at_the_end_of_the_numbers():
    problem = fitted(bounds={"a": (1e308, None), "b": (None, -1e308)})
    assert np.isfinite(problem.start).all() and np.isfinite(problems.start_ranges(problem)).all()


def test_a_grid_of_one_point_has_any_number_of_axes():
    assert tw.starts.grid(([0] * 65, [1] * 65), 1).shape == (1, 65)
    assert tw.starts.grid((0, [1, 2, 3]), 2)[:3].tolist() == [[0, 0, 0], [0, 0, 3], [0, 2, 0]]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_what_a_compressed_table_unpacks_to_is_bounded(pack, tmp_path, monkeypatch):
    text = "x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(500))
    file = tmp_path / "table.csv"
    file.write_bytes(pack(text.encode()))
    assert len(read_table(file)["x"]) == 500
    monkeypatch.setattr("thalweg.problems.layouts.MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="unpacks to over 0 MB; unpack it, and take some of its rows"):
        read_table(file)


@pytest.mark.parametrize(
    "cells", [("1,234,567", "0,5"), ("1.234.567", "0.5"), ("1.234.567", "1,234,567"), ("1.5", "0,5")]
)
@pytest.mark.parametrize("turn", [1, -1])
def test_marks_that_contradict_each_other_are_told(cells, turn, tmp_path):
    """Also where one of them stands for thousands alone, so that no cell has the other."""
    first, second = cells[::turn]
    (tmp_path / "table.csv").write_text(f"x;y\n1;{first}\n2;{second}\n")
    with pytest.raises(ValueError, match=r"of the same column has .*; say which is the decimal mark") as refused:
        read_table(tmp_path / "table.csv")["y"]
    check_sentence(refused.value)
