"""Tables as people have them: one small table in the forms that instruments, spreadsheets and NumPy write."""

import bz2
import gzip
import io
import lzma

import numpy as np
import pandas as pd
import pytest

from thalweg import problems
from thalweg.problems.tables import read_table

X, Y = np.array([0.5, 1.5, 2.5, 4.25]), np.array([10.25, 6.5, 1003.75, -1.5])
PLAIN = "x,y\n0.5,10.25\n1.5,6.5\n2.5,1003.75\n4.25,-1.5\n"
EUROPEAN = "x;y\n0,5;10,25\n1,5;6,5\n2,5;1003,75\n4,25;-1,5\n"


def saved(delimiter, **more):
    text = io.StringIO()
    np.savetxt(text, np.column_stack([X, Y]), delimiter=delimiter, header=f"x{delimiter}y", **more)
    return text.getvalue()


def framed(**more):
    return pd.DataFrame({"x": X, "y": Y}).to_csv(**more)


def lines(*given):
    return "\n".join(given) + "\n"


READ = {
    "plain": PLAIN,
    "byte-order mark": "\ufeff" + PLAIN,
    "UTF-16": PLAIN.encode("utf-16"),
    "Windows-1252": "x,y,note\n0.5,10.25,50 \xb0\n1.5,6.5,\n2.5,1003.75,\xb5m\n4.25,-1.5,\n".encode("cp1252"),
    "Windows' line ends": PLAIN.replace("\n", "\r\n"),
    "old line ends": PLAIN.replace("\n", "\r"),
    "no last line end": PLAIN[:-1],
    "blank lines": PLAIN.replace("\n", "\n\n"),
    "semicolons": PLAIN.replace(",", ";"),
    "semicolons and decimal commas": EUROPEAN,
    "the separator told": "sep=;\n" + EUROPEAN,
    "tabs": PLAIN.replace(",", "\t"),
    "tabs and decimal commas": EUROPEAN.replace(";", "\t"),
    "bars": PLAIN.replace(",", " | "),
    "one blank": PLAIN.replace(",", " "),
    "blanks and decimal commas": EUROPEAN.replace(";", "   "),
    "blanks before": lines("   x      y", " 0.5  10.25", " 1.5   6.5", " 2.5 1003.75", "4.25   -1.5"),
    "blanks, and names of two words": lines("x (s)   y", "0.5   10.25", "1.5  6.5", "2.5  1003.75", "4.25  -1.5"),
    "commas and blanks": PLAIN.replace(",", ", "),
    "quoted": framed(index=False, quoting=1),
    "quoted decimal commas": lines('"x","y"', '"0,5","10,25"', '"1,5","6,5"', '"2,5","1003,75"', '"4,25","-1,5"'),
    "thousands with commas": PLAIN.replace("1003.75", '"1,003.75"'),
    "thousands with points": EUROPEAN.replace("1003,75", "1.003,75"),
    "thousands with blanks": EUROPEAN.replace("1003,75", "1 003,75"),
    "thousands with apostrophes": PLAIN.replace("1003.75", "1'003.75"),
    "trailing commas": lines("x,y,,", "0.5,10.25,,", "1.5,6.5,,", "2.5,1003.75,,", "4.25,-1.5,,"),
    "trailing commas in rows": lines("x,y", "0.5,10.25,", "1.5,6.5,", "2.5,1003.75,", "4.25,-1.5,"),
    "trailing semicolons, and lines of them": EUROPEAN.replace("\n", ";;\n") + ";;;\n;;;\n",
    "savetxt": saved(" "),
    "savetxt with commas": saved(","),
    "savetxt with tabs": saved("\t"),
    "savetxt without comments": saved(" ", comments=""),
    "savetxt for MATLAB": saved(",", comments="% "),
    "comments": "# measured by N.N.\n# at 20 degrees\n" + PLAIN.replace("\n1.5", "\n# lamp off\n1.5"),
    "names in the last comment": "# by N.N.\n# x y\n" + PLAIN.replace(",", " ").partition("\n")[2],
    "comments of C": "// by N.N.\n" + PLAIN,
    "units below": PLAIN.replace("x,y\n", "x,y\ns,m/s\n"),
    "units below, in brackets": EUROPEAN.replace("x;y\n", "x;y\n[s];[10^3 kg]\n"),
    "units and a description below": PLAIN.replace("x,y\n", "x,y\ns,-\ntime,count\n"),
    "units and a description below, of Origin": PLAIN.replace("x,y\n", "x,y\ns,V\n,Comments\n"),
    "remarks behind rows": PLAIN.replace(",", " ").replace("6.5\n", "6.5  # lamp off\n"),
    "header of LabVIEW": "LabVIEW\t\nVersion\t2\n***End***\t\n" + lines(
        "x\ty\tComment", "0.5\t10.25\t", "1.5\t6.5\t", "2.5\t1003.75\t", "4.25\t-1.5\tlast"
    ),
    "lines above": "Instrument: Z-80\nSerial 1234\n\n" + PLAIN,
    "lines above, with commas": "Instrument,Z-80,rev 2\n" + PLAIN,
    "pandas with its index": framed(),
    "R with its row names": lines('"x" "y"', '"1" 0.5 10.25', '"2" 1.5 6.5', '"3" 2.5 1003.75', '"4" 4.25 -1.5'),
    "row names with commas": lines('"x","y"', '"a",0.5,10.25', '"b",1.5,6.5', '"c",2.5,1003.75', '"d",4.25,-1.5'),
    "a column of words": lines("x,site,y", "0.5,a,10.25", "1.5,b,6.5", '2.5,"c, d",1003.75', "4.25,,-1.5"),
    "exponents of Fortran": lines("x y", "0.5D0 1.025D+01", ".5d+0 6.5", "2.5 1.00375D3", "4.25 -1.5D+00")
    .replace(".5d+0 6.5", "1.5D0 6.5"),
    "signs and bare points": PLAIN.replace("\n0.5", "\n+.5").replace("-1.5", "-1.5e+00"),
    "a minus of typesetters": PLAIN.replace("-1.5", "\u22121.5"),
    "missing cells": PLAIN + "7,\n,8\nNA,1\n2,n/a\n3,NaN\n-,1\n?,1\nnull,2\n3,#N/A\n",
    "compressed": gzip.compress(PLAIN.encode()),
    "compressed by bzip2": bz2.compress(PLAIN.encode()),
    "compressed by xz": lzma.compress(EUROPEAN.encode()),
}  # fmt: skip
# What is refused, with what the sentence says; and what then is given beside the file.
BOTH = "which can be 1.234 or 1234"
REFUSED = {
    "no names": ("0.5,10.25\n1.5,6.5\n", "numbers where the names of columns", {"names": ["x", "y"]}, [10.25, 6.5]),
    "no names, dates": ("2020-01-01,1\n2020-01-02,2\n", "numbers where the names", {"names": ["x", "y"]}, [1, 2]),
    "a comma that can be both": (
        "x;y\n1;1,234\n2;2,345\n", f"'1,234' in line 2, column 'y', {BOTH}", {"decimal": ","}, [1.234, 2.345],
    ),
    "the same, thousands": ("x;y\n1;1,234\n2;2,345\n", BOTH, {"decimal": "."}, [1234, 2345]),
    "quotes around it": ('x,y\n1,"1,234"\n2,"999"\n', BOTH, {"decimal": "."}, [1234, 999]),
    "a point beside decimal commas": (
        "x;y\n1,5;1.234\n2,5;2.345\n", f"'1.234' in line 2, column 'y', {BOTH}", {"decimal": ","}, [1234, 2345],
    ),
    "in the same column": ("x;y\n1;1.234\n2;12,5\n", BOTH, {"decimal": ","}, [1234, 12.5]),
    "a comma beside decimal points": ('x;y\n1;1,234\n2;12.5\n', BOTH, {"decimal": "."}, [1234, 12.5]),
    "points and commas": ("x;y\n1;12.5\n2;12,5\n", "'12,5' in line 3, column 'y', with a comma where '12.5'", {}, None),
    "words": ("x,y\n1,2\n2,many\n", "'many' in line 3, column 'y', but a fit needs", {"missing": ["many"]}, [2]),
    "a limit of detection": ("x,y\n1,<0.2\n2,3\n", "'<0.2' in line 2", {"missing": ["<0.2"]}, [3]),
    "decimal commas between commas": ("x,y\n1,5,2,5\n2,5,3,5\n", "line 2 has 4 cells where the names are 2", {}, None),
    "ragged": ("x y\n1 2\n3\n", "line 3 has 1 cells where the names are 2", {}, None),
    "a word in the first row": ("x,y\n1,many\n2,3\n", "'many' in line 2, column 'y'", {"missing": ["many"]}, [3]),
    "infinite": ("x,y\n1,inf\n2,3\n", "'inf' in line 2, column 'y'", {"missing": ["inf"]}, [3]),
    "stars": ("x y\n1 ****\n2 3\n", "'****' in line 2, column 'y'", {"missing": ["****"]}, [3]),
    "too large": ("x,y\n1,1e999\n", "'1e999' in line 2, column 'y', but a fit needs finite numbers", {}, None),
    "a day or a month": ("x,y\n1,03/04/2020\n2,05/04/2020\n", "can be 2020-04-03 or 2020-03-04; write", {}, None),
    "a day and a month": ("x,y\n1,13/04/2020\n2,04/13/2020\n", "begins with the month where others", {}, None),
    "no day": ("x,y\n1,2020-02-30\n2,2020-02-28\n", "'2020-02-30' in line 2, column 'y', which is no day", {}, None),
    "midnight": ("x,y\n1,23:59:00\n2,00:01:00\n", "'00:01:00' in line 3, column 'y', after a later time", {}, None),
    "some zones": ("x,y\n1,2020-02-03 10:00Z\n2,2020-02-03 10:00\n", "only some of the column have", {}, None),
    "binary": (bytes(range(256)), "it is not text", {}, None),
    "empty": ("\n\n", "it is empty", {}, None),
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    def write(content, name="data.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("form", READ)
def test_forms_of_one_table(form, written):
    problem = problems.regression(written(READ[form]), "b*'x (s)'" if "two words" in form else "b*x", "y")
    model = problem.stages[0].forward
    np.testing.assert_array_equal(next(iter(model.predictors.values())), X)
    np.testing.assert_array_equal(model.observed, Y)
    rows = 13 if form == "missing cells" else 4
    assert model.told.startswith(f"{written(READ[form])}: {rows} rows of ") and "\n" not in model.told


SAID = {
    "semicolons and decimal commas": "separated by semicolons",
    "savetxt": "named by the comment in line 1",
    "units below": "line 2 with units left out",
    "units and a description below": "line 2 with units left out; line 3 with units left out",
    "lines above": "2 lines above the names left out",
    "missing cells": "9 rows left out where 'y', 'x' is missing",
    "R with its row names": "the first cell of each line is its name",
    "Windows-1252": "read as Windows-1252",
}


@pytest.mark.parametrize("form", SAID)
def test_what_was_read_is_said(form, written):
    assert SAID[form] in problems.regression(written(READ[form]), "b*x", "y").stages[0].forward.told


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_table_or_two_is_refused_and_the_way_out_leads_on(form, written):
    content, reason, cure, right = REFUSED[form]
    with pytest.raises(ValueError) as refusal:
        read_table(written(content)).complete(["y"])
    sentence = str(refusal.value)
    assert reason in sentence and "\n" not in sentence and sentence[-1] == "." and "; " in sentence
    if right is not None:
        np.testing.assert_array_equal(read_table(written(content), **cure).complete(["y"])["y"], right)


def test_sentinels(written):
    path = written("x;T\n1;13,5\n2;-200\n3;-200,0\n4;11,5\n-200;9,5\n")
    table = read_table(path, missing=[-200]).complete(["T", "x"])
    np.testing.assert_array_equal(table["T"], [13.5, 11.5])
    assert str(table).endswith("3 rows left out where 'T', 'x' is missing")
    assert read_table(path)["T"].min() == -200


DATES = {
    "days": (["2020-01-01", "2020-01-02", "2021-01-01"], [0, 1 / 365.25, 366 / 365.25], "years of 365.25 days"),
    "months": (["2020-01", "2020-03", "2021-01"], [0, 60 / 365.25, 366 / 365.25], "years"),
    "slashes": (["2020/1/31", "2020/02/01", "2020/2/2"], [0, 1 / 365.25, 2 / 365.25], "years"),
    "days before months": (["30/01/2020", "31/01/2020", "01/02/2020"], [0, 1 / 365.25, 2 / 365.25], "years"),
    "months before days": (["1/30/2020", "1/31/2020", "2/1/2020"], [0, 1 / 365.25, 2 / 365.25], "years"),
    "points": (["03.04.2020", "04.04.2020", "03.05.2020"], [0, 1 / 365.25, 30 / 365.25], "years"),
    "months in letters": (["30-Jan-2020", "31 Jan 2020", "1 February 2020"], [0, 1 / 365.25, 2 / 365.25], "years"),
    "moments": (["2020-01-01 23:59:30", "2020-01-02 00:00:00", "2020-01-02T00:00:30.5"], [0, 30, 60.5], "seconds"),
    "zones": (["2020-01-01T10:00Z", "2020-01-01T12:01+02:00", "2020-01-01T05:02-05:00"], [0, 60, 120], "seconds since"),
    "moments with points": (["10.03.2004 18.00.00", "10.03.2004 18.01.00", "11.03.2004 18.00.00"], [0, 60, 86400], "s"),
    "clock": (["09:59:30", "10:00:00", "10:01:00,5"], [0, 30, 90.5], "seconds since 09:59:30"),
    "halves of the day": (["11:59 AM", "12:01 PM", "1:00 PM"], [0, 120, 3660], "seconds"),
    "clock with points": (["18.00.00", "19.00.00", "20.00.00"], [0, 3600, 7200], "seconds"),
}  # fmt: skip


@pytest.mark.parametrize("form", DATES)
def test_dates_and_times(form, written):
    cells, right, said = DATES[form]
    table = read_table(written("x;y\n" + "".join(f"{cell};{i}\n" for i, cell in enumerate(cells)))).complete(["x"])
    np.testing.assert_allclose(table["x"], right, rtol=1e-15, atol=1e-12)
    assert f"'x' in {said}" in str(table)


def test_dates_begin_at_the_first_of_the_file(written):
    table = read_table(written("x,y\n2020-01-01 00:00,-1\n2020-01-01 00:01,2\n2020-01-01 00:02,3\n")).where("y>0")
    np.testing.assert_array_equal(table["x"], [60, 120])


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_files_of_pandas_are_read_or_their_package_is_named(suffix, tmp_path, monkeypatch):
    frame = pd.DataFrame({"x": X, "y": Y, "day": pd.date_range("2020-01-01", periods=4)})
    path = tmp_path / f"data.{suffix}"
    path.write_bytes(b"PK")
    rows = pd.DataFrame([frame.columns, *frame.itertuples(index=False)], dtype=object)
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: rows)
    monkeypatch.setattr(pd, "read_parquet", lambda *_, **__: frame)
    table = read_table(path)
    np.testing.assert_array_equal(np.stack([table["x"], table["y"]]), [X, Y])
    np.testing.assert_allclose(table["day"], np.arange(4) / 365.25)

    package = {"xlsx": "openpyxl", "parquet": "pyarrow"}[suffix]

    def missing(*_, **__):
        raise ImportError("Missing optional dependency.", name="openpyxl" if suffix == "xlsx" else None)

    monkeypatch.setattr(pd, "read_excel", missing)
    monkeypatch.setattr(pd, "read_parquet", missing)
    sentence = rf"needs the package {package}, which is not installed; pip install {package}, or save"
    with pytest.raises(ValueError, match=sentence):
        read_table(path)


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(EUROPEAN.encode())))
    table = read_table("-")
    np.testing.assert_array_equal(table["y"], Y)
    assert str(table).startswith("standard input: 4 rows of 2 columns")


# Rows to leave out.

SITES = (
    "t,site,CO(GT),decimal date\n0,north,1.5,2000\n1,south,2.5,2001\n2,north,-200,2002\n3,,3.5,2003\n4,north,,2004\n"
)
WHERE = {
    "t>0": [1, 2, 3, 4],
    "t >= 1 and t<3": [1, 2],
    "0<t<=2": [1, 2],
    "t<1 or t>3": [0, 4],
    "t<1 or t>1 and t!=3": [0, 2, 4],
    "(t<1 or t>1) and t != 3": [0, 2, 4],
    "not t==2": [0, 1, 3, 4],
    "not (t==2 or t=3)": [0, 1, 4],
    "site=='north'": [0, 2, 4],
    "site=north": [0, 2, 4],  # a word that some cell is
    "north != site and t<2": [1],
    'site != "north" & t<2': [1],
    "'north'==site and 'CO(GT)'>-100": [0],
    "'CO(GT)' > 0": [0, 1, 3],
    "`CO(GT)` < 0 | t == 0": [0, 2],
    "'decimal date' - 2000 == t": [0, 1, 2, 3, 4],
    "'CO(GT)' != 1.5": [1, 2, 3],  # nothing is said of a cell that is missing
    "t**2 + 1 > 2*(t+1)": [3, 4],
    "abs(t-2) <= 1": [1, 2, 3],
}
NO_CONDITION = {
    "t": "is no comparison; write e.g.",
    "t>": "is no comparison",
    "t>0 and": "is no comparison",
    "": "the condition is empty",
    "tt>0": "'tt' at column 1 of the formula is unknown; use the variables",
    "t>__import__('os')": "formula",
    "site>'north'": "orders words, which have no order here",
    "site>1": "'north' in line 2, column 'site', but a fit needs finite numbers",
    "(t>1": "never closed",
    "site==west": "'west' is not a cell of column 'site'; choose from north, south",
    "'CO'>1": "is no name that may stand in quotes; use t, site",
}


@pytest.mark.parametrize("condition", WHERE)
def test_rows_of_which_a_condition_holds(condition, written):
    table = read_table(written(SITES)).where(condition)
    np.testing.assert_array_equal(table["t"], WHERE[condition])
    gone = 5 - len(WHERE[condition])
    assert str(table).endswith(f"{gone} row{'s' if gone != 1 else ''} left out, not being where {condition}")
    columns = {"t": np.arange(5.0), "site": ["north", "south", "north", "", "north"], "y": np.arange(5.0),
               "CO(GT)": [1.5, 2.5, -200, 3.5, np.nan], "decimal date": 2000.0 + np.arange(5)}  # fmt: skip
    if len(WHERE[condition]) > 1:
        model = problems.regression(columns, "b*t", "y", where=condition).stages[0].forward
        np.testing.assert_array_equal(model.observed, WHERE[condition])


DAYS = "day,clock,y\n2024-01-03,08:30,1\n2024-01-01,08:00,2\n2024-02-10,09:15,3\n"
ON = {
    "day>2024-01-01": [1, 3],
    "'2024-01-01' < day": [1, 3],
    "2023-12-01<=day<2024-01-04": [1, 2],
    "day == 2024-02-10 or clock<8:15": [2, 3],
    "day != 10 Feb 2024": [1, 2],
    "clock >= 08:30": [1, 3],
}


@pytest.mark.parametrize("condition", ON)
def test_dates_and_times_are_compared_as_they_are_written(condition, written):
    np.testing.assert_array_equal(read_table(written(DAYS)).where(condition)["y"], ON[condition])


def test_dates_are_compared_with_dates(written):
    with pytest.raises(ValueError, match="'2024-01-03' is compared with column 'y', but a fit needs finite numbers"):
        read_table(written(DAYS)).where("y>2024-01-03")
    with pytest.raises(ValueError, match="2024-01-03 is a date, but column 'day' is of no file"):
        problems.regression({"day": np.arange(3.0), "y": np.arange(3.0)}, "b*day", "y", where="day>2024-01-03")


def test_names_with_dots_need_no_quotes(written):
    """Temp.K, as R makes them, and none that is a part of another."""
    for model in ("a + b*Temp.K + c*Temp", "a + b*'Temp.K' + c*Temp"):
        fitted = problems.regression(written("Temp.K,Temp,y\n1,2,3\n2,5,4\n3,6,9\n4,0,1\n"), model, "y")
        assert fitted.stages[0].forward.formula.text == "a + b*'Temp.K' + c*Temp"
        assert sorted(fitted.stages[0].forward.predictors) == ["Temp", "Temp.K"]


def test_a_title_above_a_sheet_is_left_out(tmp_path, monkeypatch):
    path = tmp_path / "data.xlsx"
    path.write_bytes(b"PK")
    rows = [["Decay of batch 7", None], [None, None], ["x", "y"], *zip(X, Y, strict=True)]
    monkeypatch.setattr(pd, "read_excel", lambda *_, **__: pd.DataFrame(rows, dtype=object))
    table = read_table(path)
    np.testing.assert_array_equal(np.stack([table["x"], table["y"]]), [X, Y])
    assert "1 line above the names left out" in str(table)


@pytest.mark.parametrize("condition", NO_CONDITION)
def test_what_is_no_condition(condition, written):
    with pytest.raises(ValueError, match=NO_CONDITION[condition]) as refusal:
        read_table(written(SITES)).where(condition)
    assert "\n" not in str(refusal.value)


def test_a_fit_of_rows_that_are_wanted_and_complete(written):
    names = {"t": "decimal date", "index": "t", "CO": "CO(GT)"}
    problem = problems.regression(
        written(SITES), "a + b*(t-2000) + 0*'CO'", "index", where="index<4", missing=[-200], rename=names
    )
    model = problem.stages[0].forward
    np.testing.assert_array_equal(model.observed, [0, 1, 3])
    np.testing.assert_array_equal(model.predictors["t"], [2000, 2001, 2003])
    assert model.told.endswith("1 row left out, not being where index<4; 1 row left out where 'CO' is missing")


@pytest.mark.slow
def test_a_large_table_is_read_in_seconds(written):
    import time

    values = np.random.default_rng(0).normal(size=(100_000, 4))
    path = written(pd.DataFrame(values, columns=list("abcd")).to_csv(index=False))
    start = time.process_time()
    np.testing.assert_array_equal(read_table(path).complete(["a", "d"])["d"], values[:, 3])
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("1 2 3 4 -999", "one cell of 'y' is -999, far from all others, and used: missing=[-999]"),
        ("0.1 99 0.2 99 0.3", "2 cells of 'y' are 99, far"),
        ("0.1 0.2 99 0.4 0.5", None),  # once, and above: as likely a number
        ("-900 500 -999 700 20", None),
    ],
)
def test_marks_of_nothing_are_told_where_they_are_used(cells, told, workplace):
    rows = [f"{i},{cell}" for i, cell in enumerate(cells.split())]
    (workplace / "marks.csv").write_text("\n".join(["x,y", *rows]))
    model = problems.regression("marks.csv", "a + b*x", "y").stages[0].forward
    assert (told in model.told) if told else "far from all others" not in model.told
    if told:
        mark = "-999" if "-999" in told else "99"
        left = problems.regression("marks.csv", "a + b*x", "y", missing=[float(mark)]).stages[0].forward
        assert "far from all others" not in left.told


LABVIEW = """LabVIEW Measurement\t
Separator\tTab
***End_of_Header***\t
\t
Channels\t2\t\t
X0\t0.0\t0.0\t
***End_of_Header***\t\t\t
X_Value\tVoltage\tCurrent\tComment
0.0\t1.5\t0.1\t
0.1\t1.2\t0.2\tfirst
0.2\t0.9\t0.3\t
"""
PLATE = "Plate:,P1\nRead:,570 nm\n\nWell,Dose (uM),OD\nA1,0,1.4\nA2,1,0.7\nA3,10,0.2\n\nEnd of data\nsigned, AB\n"


@pytest.mark.parametrize(
    ("text", "names", "said"),
    [
        (LABVIEW, ["X_Value", "Voltage", "Current", "Comment"], ["7 lines above the names left out"]),
        (PLATE, ["Well", "Dose (uM)", "OD"], ["2 lines above the names left out", "2 lines below the table left out"]),
        (PLATE.replace("\n\nEnd of data\nsigned, AB\n", "\n"), ["Well", "Dose (uM)", "OD"], ["2 lines above"]),
    ],
)
def test_what_stands_above_and_below_a_table_is_left_out(text, names, said, workplace):
    (workplace / "export.txt").write_text(text)
    table = read_table("export.txt")
    assert list(table) == names and len(table[names[1]]) == 3
    assert all(part in str(table) for part in said)


def test_a_short_line_within_a_table_is_no_end_of_it(workplace):
    (workplace / "broken.csv").write_text("x,y,z\n1,2,3\n4,5,6\n7,8\n9,10,11\n")
    with pytest.raises(ValueError, match="line 4 has 2 cells where the names are 3"):
        read_table("broken.csv")
