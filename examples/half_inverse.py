# %% [markdown]
# # Half-inverse gradients
#
# A network steers two coupled oscillators: from their initial state it says the controls that bring them to a target.
# Half-inverse gradients pull the step in y back through network and physics at once, by the Jacobian to the power -1/2
# of its singular values (Schnell, Holl and Thuerey 2022, arXiv:2203.10131). The numbers of the
# [Physics-based Deep Learning book](https://physicsbaseddeeplearning.org) and of the paper's code stand beside ours.
#
#     python examples/half_inverse.py [folder for the figures]

# %%
import sys
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import thalweg as tw

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "figures")
FOLDER.mkdir(parents=True, exist_ok=True)
FIGURES = []


def save(figure, name):
    figure.savefig(FOLDER / name, dpi=120)
    FIGURES.append(name)


def dense(sizes, key):
    """Glorot's uniform weights, and biases of zero."""
    keys, glorot = jax.random.split(jax.random.key(key), len(sizes)), jax.nn.initializers.glorot_uniform()
    return [{"w": glorot(k, (m, n)), "b": jnp.zeros(n)} for k, (m, n) in zip(keys, pairwise(sizes), strict=False)]


def layers(parameters, h, activation):
    for layer in parameters[:-1]:
        h = activation(h @ layer["w"] + layer["b"])
    return h @ parameters[-1]["w"] + parameters[-1]["b"]


def stacked(seeds):
    """Parameters of several seeds as starts of a run."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *seeds)


# %% [markdown]
# ## Coupled oscillators
#
# 4096 initial states, which are also the targets; 24 controls; 1444 weights. Half-inverse gradients take batches of 32
# at the learning rate 1, Adam and scale-invariant training batches of 256 at 1e-3, as published. Two seeds are lanes.

# %%
physics = tw.problems.oscillators()
examples = tw.problems.physics.oscillators.examples(4096)
seeds = [dense((4, 20, 20, 20, 24), key) for key in (0, 1)]


def control(parameters, example):
    return layers(parameters, example["target"], jnp.tanh)


def learning(batch_size):
    return tw.training.problem(physics, control, seeds[0], examples, batch_size=batch_size)


adam = tw.methods.adam(1e-3, eps=1e-7)
record = [tw.training.gradient_ratios]
half = tw.run(
    learning(32), {"half-inverse": tw.methods.JacobianPower(0.5, 1e-10)}, stacked(seeds), steps=4 * 128, every=128
)
first = tw.run(
    learning(256),
    {"Adam": adam, "scale-invariant": tw.methods.InverseSimulator(inner=adam)},
    stacked(seeds),
    steps=20 * 16,
    every=16,
    record=record,
)
print("Loss per sample after epochs, two seeds, and as published")
for epoch, published in enumerate((1.44, 5.44e-5, 1.06e-5, 3.16e-6, 1.19e-6)):
    values = "  ".join(f"{v:.2e}" for v in half.loss[0, :, epoch].values)
    print(f"{'half-inverse':16} {epoch:3}   {values}  ({published:.2e})")
for name, published in (("Adam", {1: 0.44, 20: 2.7e-3}), ("scale-invariant", {1: 0.47, 20: 2.4e-3})):
    for epoch, loss in published.items():
        values = "  ".join(f"{v:.2e}" for v in first.loss.sel(variant=name)[:, epoch].values)
        print(f"{name:16} {epoch:3}   {values}  ({loss:.2e})")
ratios = first.gradient_ratios.sel(variant="Adam")[0, 0].values
print(f"gradient in the weights {ratios[0]:.3g} times, in the controls {ratios[1]:.3g} times that in y, at the start")
save(tw.plot.curves(first), "oscillators.png")

# %% [markdown]
# ## One step, seen in three spaces
#
# The same start and the same batch: where the first step leads the weights, the controls and the states.

# %%
batch = learning(32)
steps = tw.run(
    batch,
    {
        "half-inverse": tw.methods.JacobianPower(0.5, 1e-10),
        "Adam": tw.methods.adam(1e-2),
        "GD": tw.methods.gradient_descent(0.1),
    },
    steps=1,
)
save(tw.plot.training_step(steps, batch, targets={"y": examples["target"][:32]}), "step.png")

# %% [markdown]
# ## Against the clock
#
# A half-inverse step costs many of Adam's. `step_seconds` measures each method alone on this machine, on batches of 32.

# %%
methods = {
    "half-inverse": tw.methods.JacobianPower(0.5, 1e-10),
    "Adam": adam,
    "scale-invariant": tw.methods.InverseSimulator(inner=adam),
}
race = tw.run(batch, methods, steps=384, every=32)
seconds = tw.analysis.step_seconds(batch, methods, repeats=3)
costs = ", ".join(f"{name} {1e3 * float(cost):.3g} ms" for name, cost in zip(methods, seconds, strict=True))
print(f"\nOne step of 32 examples: {costs}")
save(tw.plot.curves(race), "against_steps.png")
save(tw.plot.curves(race, against=seconds), "against_seconds.png")

# %% [markdown]
# ## Cubic springs
#
# Stronger coupling, 96 controls of a relu network, batches of 128, relative truncation 1e-6.

# %%
stiff = tw.problems.oscillators(kind="cubic")


def relu_control(parameters, example):
    return layers(parameters, example["target"], jax.nn.relu)


cubic = tw.training.problem(stiff, relu_control, dense((4, 20, 20, 20, 96), 0), examples, batch_size=128)
trace = tw.run(cubic, tw.methods.JacobianPower(0.5, 1e-6), steps=7 * 32, every=32)
print("\nCubic springs, loss per sample after epochs 0 to 7:", "  ".join(f"{v:.2e}" for v in trace.loss[0, 0].values))

# %% [markdown]
# ## The power
#
# Seven tanh neurons fit (sin 6x, cos 9x), where the second output is scaled by lambda. For lambda = 0.01 the gradient
# hardly sees it. The power kappa runs from gradient descent (-1) over half-inverse gradients (1/2) to Gauss-Newton (1).

# %%
inputs = np.random.default_rng(0).uniform(-1, 1, 1024).astype(np.float32)
waves = {"x": inputs, "target": np.stack([np.sin(6 * inputs), np.cos(9 * inputs)], 1)}
tanh_seeds = [dense((1, 7, 2), key) for key in range(3)]


def scaled(scale):
    factors = np.array([1.0, scale], np.float32)
    return tw.training.problem(
        tw.Problem(
            tw.Stage(lambda u: factors * u, lambda y, u: y / factors, name="y"),
            loss=tw.SquaredError(lambda example: example["target"], 0.5),
            start=np.zeros(2),
        ),
        lambda parameters, example: layers(parameters, example["x"][None], jnp.tanh),
        tanh_seeds[0],
        waves,
        batch_size=256,
        name=f"lambda = {scale:g}",
    )


compared = {
    "half-inverse": tw.methods.JacobianPower(0.5, 1e-6),
    "Gauss-Newton": tw.sweep(tw.methods.JacobianPower(1.0, 1e-6), learning_rate=[0.03, 0.3]),
    "Adam": tw.sweep(tw.methods.adam(0.01), learning_rate=[0.01, 0.03, 0.1]),
}
print("\nSeven neurons, loss after 10,000 steps, three seeds (without the second output it is 0.24)")
for scale in (1.0, 0.01):
    trace = tw.run(scaled(scale), compared, stacked(tanh_seeds), steps=10_000, every=500)
    for name, rows in trace.isel(step=-1).loss.groupby("method"):
        best = rows[int(np.argmin(rows.median("start").values))]
        values = "  ".join(f"{v:.2e}" for v in best.values)
        print(f"lambda {scale:<5g} {name:13} learning rate {float(best.learning_rate):<5g}  {values}")
    save(tw.plot.curves(trace.isel(variant=[0, 2, 4])), f"neurons_{scale:g}.png")
powers = tw.sweep(tw.methods.JacobianPower(0.5, 1e-6), learning_rate=[0.1, 1.0], kappa=np.linspace(-1, 1, 9))
swept = tw.run(scaled(0.01), powers, stacked(tanh_seeds), steps=500, every=500)
save(tw.plot.sweep(swept, "kappa"), "kappa.png")

# %%
print("\nfigures:", *FIGURES)
