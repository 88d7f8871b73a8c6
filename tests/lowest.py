"""The oldest releases that pyproject.toml allows, as requirements for pip: ``python tests/lowest.py > lowest.txt``."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
lines = project["dependencies"] + [line for name, extra in extras.items() if name != "lint" for line in extra]
for line in lines:
    requirement, _, marker = line.partition(";")
    name, _, version = re.sub(r",<.*", "", requirement).partition(">=")
    at_most = re.search(r"python_version < '3\.(\d+)'", marker)
    at_least = re.search(r"python_version >= '3\.(\d+)'", marker)
    minor = sys.version_info.minor
    if (not at_most or minor < int(at_most[1])) and (not at_least or minor >= int(at_least[1])):
        print(f"{name.strip()}=={version.strip()}")
