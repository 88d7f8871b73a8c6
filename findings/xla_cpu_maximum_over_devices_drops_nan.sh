#!/bin/sh
# jax 0.10.2 and 0.12.0.1, XLA:CPU with several devices, 2026-11: the maximum of an array that is divided among devices leaves NaN out, where
# that of the same array on one device is NaN, as is the sum of the divided one. Each device's own maximum is NaN where it has one; the
# all-reduce that follows compares, and a comparison with NaN is false. So "is the largest component of the gradient below the tolerance?" is
# answered yes for a gradient that is partly NaN, and only where the array is sharded. jnp.any(jnp.isnan(a)) is right in both cases.
# Source: run here; jax.numpy.max documents that NaN propagates, as NumPy's does.
set -e
PYTHON="${PYTHON:-python3}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/maximum.py" <<'END'
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

whole = np.arange(8.0, dtype=np.float32)
whole[2] = np.nan
mesh = Mesh(np.array(jax.devices()), ("parts",))
found = {}
for name, spec in ("one device", PartitionSpec()), ("divided", PartitionSpec("parts")):
    a = jax.device_put(whole, NamedSharding(mesh, spec))
    found[name] = [float(f(a)) for f in (jax.jit(jnp.max), jax.jit(jnp.min), jax.jit(jnp.sum))] + [bool(jax.jit(lambda a: jnp.any(jnp.isnan(a)))(a))]
    print(jax.__version__, name, "max min sum any-nan:", *found[name])
assert np.isnan(found["one device"][:3]).all() and found["one device"][3]
assert np.isfinite(found["divided"][0]) and np.isnan(found["divided"][2]) and found["divided"][3]
END
version=$("$PYTHON" -c 'import sys; print("0.10.2" if sys.version_info < (3, 12) else "0.12.0.1")')
"$PYTHON" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "jax==$version" "jaxlib==$version" >/dev/null
JAX_PLATFORMS=cpu XLA_FLAGS=--xla_force_host_platform_device_count=4 "$folder/venv/bin/python" "$folder/maximum.py"
