# %% [markdown]
# # The proxy loss in a loop of one's own
#
# `training.proxy_loss(physics)` is a plain function of a prediction whose gradient is that of scale-invariant training
# (Holl, Koltun and Thuerey 2022, arXiv:2109.15048). Here it is the loss of three training loops, in bare JAX, in
# equinox and in flax, each with optax's Adam, which learn to steer two coupled oscillators.
#
#     python examples/loops.py [folder for the figures]

# %%
import sys
from itertools import pairwise
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

import thalweg as tw

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "figures")
FOLDER.mkdir(parents=True, exist_ok=True)
FIGURES = []


def save(figure, name):
    figure.savefig(FOLDER / name, dpi=120)
    FIGURES.append(name)


STEPS, BATCH = 600, 128

physics = tw.problems.oscillators()
examples = tw.problems.physics.oscillators.examples(2048)
proxy = tw.training.proxy_loss(physics)
order = np.random.default_rng(0).integers(0, 2048, (STEPS, BATCH))


def proxies(controls, batch):
    """The mean proxy loss of a batch."""
    return jnp.mean(jax.vmap(proxy)(controls, batch))


def misses(control):
    """What training is for: the loss of the physics, over all examples."""
    return float(jnp.mean(jax.vmap(lambda example: physics.bind(example).value(control(example)))(examples)))


def batch(step):
    return jax.tree.map(lambda leaf: leaf[order[step]], examples)


# %% [markdown]
# ## Bare JAX
#
# A network is a function of a pytree.


# %%
def dense(parameters, x):
    for w, b in parameters[:-1]:
        x = jnp.tanh(x @ w + b)
    w, b = parameters[-1]
    return x @ w + b


keys, glorot = jax.random.split(jax.random.key(0), 4), jax.nn.initializers.glorot_uniform()
sizes = (4, 20, 20, 20, 24)
bare = [(glorot(key, (m, n)), jnp.zeros(n)) for key, (m, n) in zip(keys, pairwise(sizes), strict=True)]
rule = optax.adam(2e-3)


@jax.jit
def bare_step(parameters, state, batch):
    gradient = jax.grad(lambda p: proxies(jax.vmap(lambda x: dense(p, x))(batch["target"]), batch))(parameters)
    update, state = rule.update(gradient, state)
    return optax.apply_updates(parameters, update), state


start, state = bare, rule.init(bare)
for step in range(STEPS):
    bare, state = bare_step(bare, state, batch(step))
results = {
    "bare JAX": (misses(lambda e: dense(start, e["target"])), misses(lambda e: dense(bare, e["target"]))),
}

# %% [markdown]
# ## Equinox
#
# A network is a module, whose arrays are what is differentiated.

# %%
model = eqx.nn.MLP(4, 24, 20, 3, activation=jnp.tanh, key=jax.random.key(0))


@eqx.filter_jit
def equinox_step(model, state, batch):
    gradient = eqx.filter_grad(lambda model: proxies(jax.vmap(model)(batch["target"]), batch))(model)
    update, state = rule.update(gradient, state)
    return eqx.apply_updates(model, update), state


before, state = misses(lambda e: model(e["target"])), rule.init(eqx.filter(model, eqx.is_array))
for step in range(STEPS):
    model, state = equinox_step(model, state, batch(step))
results["equinox"] = before, misses(lambda e: model(e["target"]))


# %% [markdown]
# ## Flax
#
# A network is a module with state of its own; `nnx.Optimizer` holds the rule.


# %%
class Dense(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.List([nnx.Linear(m, n, rngs=rngs) for m, n in pairwise(sizes[:-1])])
        self.last = nnx.Linear(sizes[-2], sizes[-1], rngs=rngs)

    def __call__(self, x):
        for layer in self.hidden:
            x = jnp.tanh(layer(x))
        return self.last(x)


network = Dense(nnx.Rngs(0))
optimizer = nnx.Optimizer(network, rule, wrt=nnx.Param)


@nnx.jit
def flax_step(network, optimizer, batch):
    gradient = nnx.grad(lambda network: proxies(network(batch["target"]), batch))(network)
    optimizer.update(network, gradient)


before = misses(lambda e: network(e["target"]))
for step in range(STEPS):
    flax_step(network, optimizer, batch(step))
results["flax"] = before, misses(lambda e: network(e["target"]))

print(f"{'loop':10}{'loss before':>14}{'after ' + str(STEPS) + ' steps':>20}")
for name, (first, last) in results.items():
    print(f"{name:10}{first:14.4f}{last:20.5f}")

# %% [markdown]
# ## The same by `run`
#
# The modules serve as networks of a training problem too: what is not an array is put back in by a closure.

# %%
arrays, static = eqx.partition(eqx.nn.MLP(4, 24, 20, 3, activation=jnp.tanh, key=jax.random.key(0)), eqx.is_array)
definition, weights = nnx.split(Dense(nnx.Rngs(0)))
inner = tw.methods.InverseSimulator(inner=tw.methods.adam(2e-3))
for name, apply, parameters in (
    ("equinox", lambda p, example: eqx.combine(p, static)(example["target"]), arrays),
    ("flax", lambda p, example: nnx.merge(definition, p)(example["target"]), weights),
):
    problem = tw.training.problem(physics, apply, parameters, examples, batch_size=BATCH, name=name)
    trace = tw.run(problem, {"scale-invariant": inner, "Adam": tw.methods.adam(2e-3)}, steps=STEPS, every=60)
    print(f"\n{problem}\n{trace.loss[:, 0, [0, -1]].to_pandas().to_string()}")
    save(tw.plot.curves(trace), f"{name}.png")

# %%
print("\nfigures:", *FIGURES)
