#!/bin/sh
# scipy 1.18.1 and numpy 2.5.5 (Python 3.13), scipy 1.17.1 and numpy 2.4.6 (Python 3.11), 2026-11: twenty calls of solve_ivp on a
# small system take about six times as long in four threads as one after the other, not the same time: two cores hand the lock of
# the interpreter over at every small call of NumPy. A pool of threads is the wrong tool to fit an ODE from many starts.
# Source: run here; one after the other 0.04 s, in threads 0.25 s.
# Here it is why Stage.from_host measures both ways and takes the faster one.
set -e
PYTHON="${PYTHON:-python3.13}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/threads.py" <<'END'
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import scipy
from scipy.integrate import solve_ivp


def infected(b):
    def motion(t, y):
        return [-b * y[0] * y[1], b * y[0] * y[1] - 0.3 * y[1]]

    return solve_ivp(motion, (0, 20), [0.99, 0.01], rtol=1e-9, atol=1e-11).y[1, -1]


def seconds(run):
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


rates = [0.6, 0.7, 0.8, 0.9] * 5
list(map(infected, rates))
with ThreadPoolExecutor(4) as pool:
    list(pool.map(infected, rates))
    ratios = [seconds(lambda: list(pool.map(infected, rates))) / seconds(lambda: list(map(infected, rates))) for _ in range(5)]
print("scipy", scipy.__version__, "in threads against one after the other", round(statistics.median(ratios), 1))
assert statistics.median(ratios) > 2
END
"$PYTHON" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check scipy==1.18.1 numpy==2.5.5 >/dev/null 2>&1
"$folder/venv/bin/python" "$folder/threads.py"
