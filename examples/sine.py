# %% [markdown]
# # Learning across scales
#
# A network learns to solve y(x) = y* for many y*, where y is a sine in one direction of x and a line in another, and
# their scales differ by xi^2. The gradient of the loss sees the steep direction alone; a step of Newton's method, taken
# in x before the network is asked, sees both (Holl, Koltun and Thuerey 2022, arXiv:2109.15048, section 4.1).
#
# The set-up is the published one: layers of 32, 64 and 32 neurons, batches of 100, Adam at 1e-3, turned by 45 degrees;
# there for ten minutes on a GPU, here for 2,000 steps.
#
#     python examples/sine.py [folder for the figures]

# %%
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import thalweg as tw
from thalweg.problems.physics import sine

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "figures")
FOLDER.mkdir(parents=True, exist_ok=True)
FIGURES = []


def save(figure, name):
    figure.savefig(FOLDER / name, dpi=120)
    FIGURES.append(name)


# %% [markdown]
# ## A step that knows the scales
#
# The published method does not invert the sine. It takes a step of Newton's method on L = |y(x) - y*|^2 / 2, always
# downhill (saddle-free), and in flat directions no longer than what would change the loss by 0.2 at the present slope.
# As the inverse of a stage, this says where the network should have led.


# %%
def physics(xi, phi):
    exact = sine.problem(xi=xi, phi=phi)
    return tw.Problem(
        tw.saddle_free_inverse(exact.stages[0].forward, max_decrease=0.2),
        loss=tw.SquaredError(target=lambda example: example["target"], factor=0.5),
        start=exact.start,
        data=exact.data,
        name=exact.name,
    )


# %% [markdown]
# ## Training
#
# The same network, the same batches, the same Adam: once on the loss, once on |x - x~|_1, where x~ is what the step
# above leads to. The distance is that to the nearest solution, which the analytic inverse knows.

# %%
keys = jax.random.split(jax.random.key(0), 4)
relu = eqx.nn.Lambda(jax.nn.relu)
net = eqx.nn.Sequential(
    [
        *(eqx.nn.Linear(2, 32, key=keys[0]), relu, eqx.nn.Linear(32, 64, key=keys[1]), relu),
        *(eqx.nn.Linear(64, 32, key=keys[2]), relu, eqx.nn.Linear(32, 2, key=keys[3])),
    ]
)
parameters, static = eqx.partition(net, eqx.is_inexact_array)
others = sine.examples(1000, key=1)


def network(parameters, example):
    return eqx.combine(parameters, static)(example["target"])


def train(xi, phi=45):
    inverse = sine.problem(xi=xi, phi=phi).stages[0].inverse

    def distance(problem, x):
        """[x]"""
        weights = problem.chain.spaces[0].unravel(x)
        said = jax.vmap(network, (None, 0))(weights, others)
        return jnp.mean(jnp.linalg.norm(said - jax.vmap(inverse)(jnp.asarray(others["target"], x.dtype), said), axis=1))

    adam = tw.methods.adam(1e-3)
    return tw.run(
        tw.training.problem(physics(xi, phi), network, parameters, sine.examples(10_000), batch_size=100),
        {"Adam": adam, "scale-invariant": tw.methods.InverseSimulator(inner=adam, proxy="l1")},
        steps=2000,
        every=50,
        record={"distance": distance},
    )


# %% [markdown]
# ## From 1 to 64
#
# In the last fifth of the steps, the mean distance divided by xi. A method that knows no scale has the same for all.

# %%
SCALES = (1.0, 4.0, 16.0, 32.0, 64.0)
traces = {xi: train(xi) for xi in SCALES}
ends = {xi: trace.distance[:, 0, -9:].mean("step").values / xi for xi, trace in traces.items()}
print(f"\ndistance of x / xi, mean of steps 1600 to 2000\n{'xi':>6}{'Adam':>12}{'scale-invariant':>18}{'ratio':>8}")
for xi, (plain, invariant) in ends.items():
    print(f"{xi:6g}{plain:12.5f}{invariant:18.5f}{plain / invariant:8.1f}")
for xi in (1.0, 32.0):
    save(tw.plot.curves(traces[xi], "distance"), f"distance_xi_{xi:g}.png")

NAMES = ["Adam", "scale-invariant"]


def by(name, values, ends):
    """distance of x / xi against one property of the physics."""
    coords = {"method": NAMES, name: list(values)}
    return tw.plot.sweep(xr.DataArray(np.transpose(ends), coords, ["method", name], "distance of x / xi"), name)


save(by("xi", SCALES, [ends[xi] for xi in SCALES]), "distance_by_scale.png")

# %% [markdown]
# ## From 0 to 45 degrees
#
# Not turned, the two scales lie along the components of x, and Adam, which normalizes each weight by itself, can tell
# them apart; turned, every component has both.

# %%
ANGLES = (0.0, 15.0, 45.0)
turned = {
    phi: (traces[16.0] if phi == 45 else train(16.0, phi)).distance[:, 0, -9:].mean("step") / 16 for phi in ANGLES
}
print(f"\nxi = 16, turned\n{'phi':>6}{'Adam':>12}{'scale-invariant':>18}")
for phi, (plain, invariant) in turned.items():
    print(f"{phi:6g}{float(plain):12.5f}{float(invariant):18.5f}")
save(by("phi", ANGLES, [turned[phi].values for phi in ANGLES]), "distance_by_angle.png")

# %%
print("\nfigures:", *FIGURES)
