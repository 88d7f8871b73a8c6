"""NIST's regressions: every file as published, its certified fit, and what is refused."""

import decimal
import re
from decimal import Decimal

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given, settings
from nist_layout import NAMES

from thalweg import problems
from thalweg.problems import statistical_reference as fits


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def of_certified(problem):
    """The sum of squares, the residual, its Jacobian and the Hessian at the certified parameters."""
    facts = jax.jit(lambda b: (problem.value(b), *problem.least_squares(b), problem.hessian(b)))
    return [np.asarray(fact) for fact in facts(problem.minima[0])]


def test_all_27_files_have_what_they_name_at_the_lines_they_name(nist):
    assert len(NAMES) == 27 and sorted(path.stem for path in nist(NAMES[0]).parent.glob("*.dat")) == NAMES
    for name in NAMES:
        lines = nist(name).read_text().splitlines()
        spans = [map(int, re.search(r"\(lines +(\d+) to +(\d+)\)", line).groups()) for line in lines[4:7]]
        starts, certified, data = (lines[first - 1 : last] for first, last in spans)
        assert [line.split()[0] for line in starts] == [f"b{i + 1}" for i in range(len(starts))]
        assert certified[: len(starts)] == starts and certified[-1].startswith("Number of Observations:")
        assert data == lines[60:] and all(re.fullmatch(r"[-+.\dE ]+", line) for line in data)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_certified_fit(nist, name):
    file, problem = fits.read(nist(name)), problems.nist(nist(name))
    loss, residual, jacobian, hessian = of_certified(problem)
    if name == "Lanczos1":  # the printed parameters do not have the digits of the printed sum; see the test of it below
        assert loss > 1e4 * file.residual_sum_of_squares
    else:
        np.testing.assert_allclose(loss, file.residual_sum_of_squares, rtol=1e-9)
    # In units of the standard deviations the curvatures have a common scale, and the Gauss-Newton step is meaningful:
    # it changes none of the 11 digits printed by more than rounding does.
    unit = file.standard_deviations
    step = -np.linalg.lstsq(jacobian * unit, residual, rcond=None)[0] * unit
    np.testing.assert_allclose(step / file.certified, 0, atol=1e-9)
    assert np.linalg.eigvalsh(hessian * np.outer(unit, unit))[0] > 0


@pytest.mark.parametrize("name", NAMES)
def test_file_and_problem_agree(nist, name):
    file = fits.read(nist(name))
    d, m = len(file.names), len(file.observations)
    assert file.name == name
    assert file.names == tuple(f"b{i + 1}" for i in range(d))
    assert file.starts.shape == (2, d)
    assert file.certified.shape == file.standard_deviations.shape == (d,)
    assert file.response.shape == (m,)
    assert all(values.shape == (m,) and values.dtype == np.float64 for values in file.predictors.values())
    assert file.degrees_of_freedom == (9 if name == "Rat43" else m - d)  # published so: Rat43 has 15 - 4 = 11
    variance = file.residual_sum_of_squares / (m - d)
    np.testing.assert_allclose(file.residual_standard_deviation, np.sqrt(variance), rtol=1e-9)
    for start in (1, 2):
        problem = problems.nist(nist(name), start)
        assert problem.name == name
        assert problem.chain.spaces[0].labels == file.names
        assert [(space.name, space.size) for space in problem.chain.spaces] == [("x", d), ("y", m)]
        np.testing.assert_array_equal(problem.start, file.starts[start - 1])
        np.testing.assert_array_equal(problem.minima, [file.certified])
        low, high = problem.domain
        for point in (*file.starts, file.certified):
            assert np.all((low < point) & (point < high))


def by_numpy(name, b, x):
    """Models of every written form, typed again from the published formulas."""
    match name:
        case "Misra1a":
            return b[0] * (1 - np.exp(-b[1] * x["x"]))
        case "ENSO":
            angles = [2 * np.pi * x["x"] / period for period in (12, b[3], b[6])]
            pairs = [(b[1], b[2]), (b[4], b[5]), (b[7], b[8])]
            return b[0] + sum(p * np.cos(t) + q * np.sin(t) for t, (p, q) in zip(angles, pairs, strict=True))
        case "Gauss1":
            bells = [b[i] * np.exp(-((x["x"] - b[i + 1]) ** 2) / b[i + 2] ** 2) for i in (2, 5)]
            return b[0] * np.exp(-b[1] * x["x"]) + sum(bells)
        case "Hahn1":
            return np.polyval(b[3::-1], x["x"]) / np.polyval([*b[:3:-1], 1], x["x"])
        case "Nelson":
            return b[0] - b[1] * x["x1"] * np.exp(-b[2] * x["x2"])
        case "Roszman1":
            return b[0] - b[1] * x["x"] - np.arctan(b[2] / (x["x"] - b[3])) / np.pi
        case "Rat43":
            return b[0] / (1 + np.exp(b[1] - b[2] * x["x"])) ** (1 / b[3])


@pytest.mark.parametrize("name", ["Misra1a", "ENSO", "Gauss1", "Hahn1", "Nelson", "Roszman1", "Rat43"])
def test_prediction_is_the_published_model(nist, name):
    file, problem = fits.read(nist(name)), problems.nist(nist(name))
    response = np.log(file.observations) if name == "Nelson" else file.observations
    np.testing.assert_allclose(file.response, response, rtol=1e-15)
    predict = jax.jit(lambda b: (problem.forward(b), problem.value(b)))
    for start in file.starts:
        y, loss = predict(start)
        expected = by_numpy(name, start, file.predictors)
        np.testing.assert_allclose(y, expected, rtol=1e-12)
        np.testing.assert_allclose(loss, np.sum((response - expected) ** 2), rtol=1e-12)


def test_lanczos1_is_what_exact_arithmetic_gives(nist):
    lines = nist("Lanczos1").read_text().splitlines()
    b = [Decimal(line.split()[4]) for line in lines if line.startswith("  b")]
    with decimal.localcontext(prec=50):
        residuals = []
        for y, x in (map(Decimal, line.split()) for line in lines[60:]):
            residuals.append(y - sum(b[i] * (-b[i + 1] * x).exp() for i in (0, 2, 4)))
        exact = float(sum(r * r for r in residuals))
    loss, residual, _, _ = of_certified(problems.nist(nist("Lanczos1")))
    # 28,000 times the certified 1.4307867721E-25, as parameters of 11 digits leave residuals of 1e-11 and not 1e-13.
    assert exact == pytest.approx(3.983363989081516e-21, rel=1e-12)
    # float64 rounds predictions of up to 2.5 by 2e-16 and more; of residuals of 1e-11 that leaves five digits.
    np.testing.assert_allclose(residual / np.sqrt(2), [-float(r) for r in residuals], rtol=0, atol=4 * 2.5 * 2.2e-16)
    np.testing.assert_allclose(loss, exact, rtol=5e-5)


def test_misra1a_is_the_published_file(nist):
    published, file = fits.read(nist("Misra1a")), fits._MISRA1A
    np.testing.assert_equal(vars(file), vars(published))
    for start in (1, 2):
        ours, theirs = problems.misra1a(start), problems.nist(nist("Misra1a"), start)
        np.testing.assert_array_equal(ours.start, theirs.start)
        np.testing.assert_array_equal(ours.domain, theirs.domain)
    np.testing.assert_equal(of_certified(ours), of_certified(theirs))


def test_problem_built_in_float32_has_all_digits_in_float64():
    # This is what run(problem, dtype="float64") does with a problem that was built before.
    with jax.enable_x64(False):
        problem = problems.misra1a()
    np.testing.assert_allclose(jax.jit(problem.value)(problem.minima[0]), 1.2455138894e-01, rtol=1e-9)


@pytest.mark.parametrize("x64", [False, True])
def test_float32_stays_float32(x64):
    with jax.enable_x64(x64):
        problem = problems.misra1a()
        value, y = jax.jit(lambda b: (problem.value(b), problem.forward(b)))(problem.minima[0].astype(np.float32))
    assert y.dtype == np.float32
    np.testing.assert_allclose(value, 1.2455138894e-01, rtol=1e-3)


@pytest.fixture
def written(tmp_path):
    """Writes a file, and says whether it is refused; anything but a ValueError of one sentence is a failure."""

    def refusal(content: bytes) -> str | None:
        path = tmp_path / "written.dat"
        path.write_bytes(content)
        try:
            problem = problems.nist(path)
        except ValueError as error:
            message = str(error)
            assert message.startswith(f"'{path}' cannot be read as a nonlinear regression of NIST StRD: "), message
            assert message.endswith("; give a file as NIST publishes it, such as Misra1a.dat."), message
            assert "\n" not in message
            return message
        assert np.all(np.isfinite(problem.start))
        return None

    return refusal


@pytest.mark.parametrize("name", ["Misra1a", "Nelson", "Roszman1", "Hahn1", "ENSO"])
def test_file_truncated_at_any_line_is_refused(nist, written, name):
    lines = nist(name).read_bytes().splitlines(keepends=True)
    for count in range(len(lines)):
        assert written(b"".join(lines[:count])) is not None, count
    assert written(b"".join(lines)) is None
    assert written(b"".join(lines).rstrip()) is None
    assert written(b"".join(lines).replace(b"\n", b"\r\n")) is None


@pytest.mark.parametrize(
    "old, new, reason",
    [
        (b"NIST/ITL StRD", b"NIST/ITL", "it lacks the heading"),
        (b"Model:", b"", "it lacks the model"),
        (b"y = b1*(1-exp[-b2*x])  +  e", b"", "it lacks a model of the form 'response = formula + e'"),
        (b"  +  e", b"", "it lacks a model of the form 'response = formula + e'"),
        (b"exp[-b2*x]", b"ex[-b2*x]", "'ex' at column 7 of the formula is unknown"),
        (b"exp[-b2*x]", b"exp[-b3*x]", "'b3' at column 12 of the formula is unknown"),
        (b"y = b1", b"log[-y] = b1", "the response log[-y] is not finite"),
        (b"y = b1", b"z = b1", "'z' at column 1 of the formula is unknown"),
        (b"2 Parameters", b"3 Parameters", "it has 2 complete rows of parameters where the model has 3, b1 to b3"),
        (b"  b2 =", b"  b3 =", "it has 2 complete rows"),
        (b" 0.0005 ", b" half ", "it has 1 complete rows"),
        (b"Residual Sum of Squares:", b"Sum:", "it lacks a number for 'Residual Sum of Squares:'"),
        (b"Degrees of Freedom:", b"Degrees:", "it lacks 'Degrees of Freedom:'"),
        (b"Observations:                         14", b"Observations:  15", "it has 14 observations where"),
        (b"Data:                     y                   x", b"", "it lacks the line 'Data:'"),
        (b"14.73E0             114.9E0", b"14.73E0", "its observation 2 is '14.73E0' where 2 numbers are due"),
        (b"14.73E0             114.9E0", b"14.73E0 114.9E0 1", "its observation 2 is '14.73E0 114.9E0 1'"),
        (b"14.73E0             114.9E0", b"14.73E0 nan", "its observation 2 is '14.73E0 nan'"),
        (b"14.73E0             114.9E0", b"14.73E0 1_0", "its observation 2 is '14.73E0 1_0'"),
        (b"14.73E0             114.9E0", b"14.73E999 1", "it holds a number too large for float64"),
        (b"Misra (1978)", b"M\xefsra (1978)", "it is not ASCII text"),
    ],
)
def test_refusal_says_why(nist, written, old, new, reason):
    content = nist("Misra1a").read_bytes()
    assert old in content
    message = written(content.replace(old, new))
    assert message is not None
    assert reason in message


def test_no_file_and_no_nist_file_are_refused(tmp_path, written):
    for path in (tmp_path / "absent.dat", tmp_path, str(tmp_path / "a\0b")):
        with pytest.raises(ValueError, match=r"cannot be read as a nonlinear regression of NIST StRD: .*; give a file"):
            fits.read(path)
    for content in (b"", b"\n", b"1,2\n3,4\n", np.random.default_rng(0).bytes(5000), bytes(5000)):
        assert written(content) is not None


@pytest.mark.parametrize("start", [0, 3, -1, 1.5, "1", None])
def test_unknown_start_is_refused(start):
    with pytest.raises(ValueError, match=r"^start is .*, but a NIST file has the starts 1 .* and 2 .*; choose one\.$"):
        problems.misra1a(start)


edits = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 8), st.binary(max_size=8) | st.sampled_from(
    [b"\n", b" ", b"=", b"b1", b"y", b"x", b"1e400", b"-", b"**99", b"exp[", b"]", b"\r", b"Data: y", b"Model:", b"0"]
))  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=150, database=None)
@given(st.sampled_from(["Misra1a", "Nelson", "Roszman1", "Kirby2"]), st.lists(edits, min_size=1, max_size=4))
def test_mangled_file_is_refused_or_valid(nist, tmp_path_factory, name, changes):
    content = nist(name).read_bytes()
    for place, removed, inserted in changes:
        at = int(place * len(content))
        content = content[:at] + inserted + content[at + removed :]
    path = tmp_path_factory.getbasetemp() / "mangled.dat"
    path.write_bytes(content)
    try:
        file, problem = fits.read(path), problems.nist(path, 2)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert problem.dimension == len(file.names) == len(file.certified)
        assert np.all(np.isfinite(file.response))
