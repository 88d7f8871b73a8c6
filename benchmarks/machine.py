"""Where and with what the benchmarks ran."""

import platform
from datetime import date
from importlib.metadata import version

import psutil

from thalweg.engine.lanes import CORES

PACKAGES = ("jax", "optax", "optimistix", "scipy", "numpy")

memory = round(psutil.virtual_memory().total / 2**30)
print("# Results of `make bench`\n")
print(
    f"{date.today()}, {platform.system()} {platform.machine()}, {CORES} cores, {memory} GB, Python "
    f"{platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in PACKAGES)}.\n"
)
