#!/bin/sh
# jax 0.10.2 and 0.12.0.1 on a CPU, 2026-11: XLA:CPU holds a pass "cpu_multi_output_fusion" that is off. Without it each output of an
# elementwise program is a loop of its own, which reads its operands and computes anew what it shares with others: two averages of m and g,
# as in Adam, are two loops over both. The only switch is XLA_FLAGS=--xla_backend_extra_options=xla_cpu_use_multi_output_fusion, for the
# whole process and before its first computation: XLA's own --help does not list the name, and compiler_options of jit and of
# lower().compile() cannot reach it, since a field that is a map takes no string (INVALID_ARGUMENT "... is not a valid message value").
# Optimizers that carry many numbers of a lane gain most: a BFGS over 512 lanes took two thirds of its time, and XLA compiled a tenth less.
# Source: run here; the name of the option stands in the library (strings libjax_common.so).
set -e
PYTHON="${PYTHON:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/loops.py" <<'END'
import sys

import jax
import jax.numpy as jnp


def both(m, g):
    return 0.9 * m + 0.1 * g, 0.99 * m + 0.01 * g * g


x = jnp.ones(4096)
loops = jax.jit(both).lower(x, x).compile().as_text().count(" fusion(")
print(jax.__version__, sys.argv[1], "loops:", loops)
assert loops == {"plain": 2, "flag": 1}[sys.argv[1]]
option = {"xla_backend_extra_options": "xla_cpu_use_multi_output_fusion"}
try:
    jax.jit(both).lower(x, x).compile(option)
except jax.errors.JaxRuntimeError as error:
    print(str(error)[:120])
    assert "is not a valid message value" in str(error)
else:
    raise AssertionError("the option is taken now")
END
version=$("$PYTHON" -c 'import sys; print("0.10.2" if sys.version_info < (3, 12) else "0.12.0.1")')
"$PYTHON" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "jax==$version" "jaxlib==$version" >/dev/null
export JAX_PLATFORMS=cpu
"$folder/venv/bin/python" "$folder/loops.py" plain
XLA_FLAGS=--xla_backend_extra_options=xla_cpu_use_multi_output_fusion "$folder/venv/bin/python" "$folder/loops.py" flag
