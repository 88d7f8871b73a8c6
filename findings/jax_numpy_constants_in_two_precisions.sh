#!/bin/sh
# jax 0.10.2 and 0.12.0.1 (CPU, Python 3.13), 2026-11: a function that closes over a NumPy array of float64 and was compiled in
# JAX's default precision, where the array counts as float32, cannot be compiled with 64 bits as long as the first program is
# kept: "Cannot lower jaxpr with verifier errors", since the kept trace's float32 constant is taken for the array. With a copy of
# the array, made within the function, both precisions compile.
# Source: run here; jax/_src/core.py, jaxpr_const_args, tells constants apart by id().
set -e
PYTHON="${PYTHON:-python3.13}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/two.py" <<'END'
import sys

import jax
import jax.numpy as jnp
import numpy as np

DATA = np.array([0.1, 0.2])


def loss(x):
    return jnp.sum((x - DATA) ** 2)


def copied(x):
    return jnp.sum((x - DATA.copy()) ** 2)


single = jax.jit(lambda x: loss(x))
print(single(jnp.ones(2)))
with jax.enable_x64(True):
    x = jnp.ones(2)
    print("copied", jax.jit(lambda x: copied(x))(x).dtype)
    try:
        print("shared", jax.jit(lambda x: loss(x))(x).dtype)
    except ValueError as error:
        print("shared", str(error).splitlines()[0])
END
for release in 0.10.2 0.12.0.1; do
    "$PYTHON" -m venv "$folder/$release"
    "$folder/$release/bin/python" -m pip install --quiet --disable-pip-version-check "jax==$release" "jaxlib==$release" >/dev/null 2>&1
    "$folder/$release/bin/python" "$folder/two.py" > "$folder/$release.txt" 2>/dev/null
    echo "jax $release"
    cat "$folder/$release.txt"
done
for release in 0.10.2 0.12.0.1; do
    grep -q "^copied float64" "$folder/$release.txt"
    grep -q "^shared Cannot lower jaxpr with verifier errors" "$folder/$release.txt"
done
