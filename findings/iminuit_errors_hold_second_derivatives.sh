#!/bin/sh
# iminuit 2.33.0 and scipy 1.17.1, 2026-11: two programs that minimize the same sum of squares, and agree on the parameters to six
# digits, differ in their standard errors by several per cent. HESSE of iminuit (and R's drc) inverts the second derivatives of the
# sum, curve_fit (and R's nls, lmfit, NIST) J^T J of the first derivatives of the model; the difference, residuals times the model's
# curvature, is as large as the fit is bad, and has the expectation 0. On the reaction rates of Treloar's Puromycin (Bates and Watts
# 1988, p. 269) the errors of both parameters are 4 % or more apart. MINOS, which needs no derivatives, is asymmetric there.
# Source: run here; the HESSE section of iminuit's documentation; Seber and Wild (1989), Nonlinear Regression, section 2.2.
set -e
PYTHON="${PYTHON:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$PYTHON" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check iminuit==2.33.0 scipy==1.17.1 numpy >/dev/null 2>&1
cat > "$folder/errors.py" <<'END'
import numpy as np
from iminuit import Minuit
from iminuit.cost import LeastSquares
from scipy.optimize import curve_fit

concentration = np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.10], 2)
rate = np.array([76.0, 47, 97, 107, 123, 139, 159, 152, 191, 201, 207, 200])


def model(c, v, k):
    return v * c / (k + c)


best, covariance = curve_fit(model, concentration, rate, [200, 0.1], xtol=1e-12, ftol=1e-12)
s = np.sqrt(np.sum((rate - model(concentration, *best)) ** 2) / 10)
fit = Minuit(LeastSquares(concentration, rate, s, model), v=200, k=0.1)
fit.tol = 1e-6
fit.migrad()
fit.hesse()
first, second = np.sqrt(np.diag(covariance)), np.array(fit.errors)
fit.minos()
print("parameters", *(f"{value:.5g}" for value in best), "apart", f"{np.max(np.abs(np.array(fit.values) / best - 1)):.0e}")
print("standard errors", *(f"{value:.4g}" for value in first), "HESSE", *(f"{value:.4g}" for value in second))
print("MINOS of k", f"{fit.merrors['k'].lower:.5f} {fit.merrors['k'].upper:.5f}")
assert np.max(np.abs(np.array(fit.values) / best - 1)) < 1e-4
assert np.min(np.abs(second / first - 1)) > 0.03
assert fit.merrors["k"].upper > 1.05 * -fit.merrors["k"].lower
END
"$folder/venv/bin/python" "$folder/errors.py"
