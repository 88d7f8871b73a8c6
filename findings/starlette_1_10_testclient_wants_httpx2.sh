#!/bin/sh
# starlette 1.10.0, 2026-11: starlette.testclient imports httpx2, a package of its own that replaces httpx there. Where only httpx 0.28.1 is
# installed the import still works, and warns by StarletteDeprecationWarning, which is a UserWarning and no DeprecationWarning: so Python shows it,
# and filters for DeprecationWarning do not catch it. A test suite with warnings as errors (pytest's filterwarnings = error) does not collect.
# With httpx2 installed beside or instead there is no warning, and both can be installed at once.
# Source: run here; starlette/testclient.py of 1.10.0.
set -e
PYTHON="${PYTHON:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$PYTHON" -m venv "$folder/env"
install() { "$folder/env/bin/python" -m pip install --quiet --disable-pip-version-check "$@" >/dev/null 2>&1; }
install starlette==1.10.0 httpx==0.28.1
cat > "$folder/client.py" <<'END'
import sys
import warnings

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    from starlette import testclient

said = [(one.category.__name__, issubclass(one.category, DeprecationWarning)) for one in seen if "httpx" in str(one.message)]
print(testclient.httpx.__name__, said)
assert (testclient.httpx.__name__, said) == {
    "httpx": ("httpx", [("StarletteDeprecationWarning", False)]),
    "both": ("httpx2", []),
}[sys.argv[1]]
END
"$folder/env/bin/python" "$folder/client.py" httpx
install httpx2==2.16.2
"$folder/env/bin/python" "$folder/client.py" both
