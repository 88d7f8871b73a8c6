#!/bin/sh
# pandas 2.3.3 and 3.0.0, 2026-11: type(frame).__module__ was "pandas.core.frame" and is "pandas" now, of every public class. Code that
# tells a data frame without importing pandas by the prefix "pandas." (a usual way to keep it optional) takes each for something else,
# silently: the test is false, no error is raised, and the branch for frames (here: rows with missing cells are left out) never runs.
# type(frame).__module__.partition(".")[0] == "pandas" holds of both.
# Source: run here; "The __module__ attribute now points to public modules" in What's new in 3.0.0 of pandas' documentation.
set -e
PYTHON="${PYTHON:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/module.py" <<'END'
import sys

import pandas as pd

for made in pd.DataFrame({"y": [1.0, None]}), pd.Series([1.0]), pd.Index([1]):
    module = type(made).__module__
    print(pd.__version__, type(made).__name__, module, module.startswith("pandas."), module.partition(".")[0] == "pandas")
    assert module.startswith("pandas.") is (sys.argv[1] == "2.3.3") and module.partition(".")[0] == "pandas"
END
for version in 2.3.3 3.0.0; do
    "$PYTHON" -m venv "$folder/$version"
    "$folder/$version/bin/python" -m pip install --quiet --disable-pip-version-check "pandas==$version" "numpy<2.4" >/dev/null 2>&1
    "$folder/$version/bin/python" "$folder/module.py" "$version"
done
