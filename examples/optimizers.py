# %% [markdown]
# # Optimizers, by hand and by name
#
# A lecture on optimizers, told again: derivatives of functions and of losses, a line fitted to what is no line, paths
# down a surface with many valleys, and a fit of two parameters by stochastic gradient descent, RMSProp and Adam. Next
# to each figure stands the one that the lecture prints, and where the two differ, why.
#
# Everything follows one path: a **problem** (what is to be made small) and **methods** (how) go into `run`, which takes
# a fixed number of steps and keeps every one. What it returns, the **trace**, is judged and drawn afterwards.
#
# Run it as `python examples/optimizers.py [folder]`, or cell by cell in an editor that knows `# %%`.

# %%
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import final

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import thalweg as tw

folder = Path(sys.argv[1] if "__file__" in globals() and len(sys.argv) > 1 else "figures")
folder.mkdir(parents=True, exist_ok=True)
written = []


def save(figure, name):
    """Write a figure, and remember its name for the last line."""
    figure.savefig(folder / name, dpi=120)
    written.append(name)


def show(title, **columns):
    """A small table."""
    print(f"\n{title}\n{pd.DataFrame(columns).to_string(index=False, float_format='{:.9g}'.format)}")


def points(path, digits):
    """Points as a table shows them."""
    return [f"({', '.join(f'{number:.{digits}f}' for number in point)})" for point in path]


# %% [markdown]
# ## A derivative
#
# f(x) = 4x, at a hundred points. A problem of thalweg takes vectors, so this one has a single component; `gradient` is
# automatic differentiation, and `jax.vmap` takes it at all points at once, `jax.jit` in one compiled program.

# %%
x = np.arange(0, 10, 0.1)
straight = tw.Problem(loss=lambda x: 4 * x[0], start=[0.0], domain=(0.0, 10.0), name="f(x) = 4x")
f, df = jax.jit(jax.vmap(straight.value_and_gradient))(x[:, None])
head = {"x": x[:5], "f": np.round(np.asarray(f[:5], float), 6), "df": df[:5, 0]}
show("f = 4x and its derivative", **head, lecture_f=[0, 0.4, 0.8, 1.2, 1.6], lecture_df=[4] * 5)

figure = tw.plot.landscape(straight)
ax = figure.axes[0]
ax.plot(x, df, color="#D55E00", label="derivative")
ax.set(ylabel="f, df/dx")
ax.legend(handles=ax.get_lines()[-2:])
save(figure, "derivative.png")

# %% [markdown]
# ## The derivative of a loss
#
# The model y = theta x predicts; the loss is the mean squared error to what was observed. This is a chain
# theta -> y -> L, and a `Problem` is written as one: a stage that predicts, then a loss. Both get the data as their
# last argument.
#
# With y = 4x observed, dL/dtheta at theta = 2 is by hand 2 (2 - 4) mean(x²) = -4 · 32.835 = -131.34. (The lecture
# prints the right number under the label "Loss".)


# %%
def line_through_origin(x, observed, theta0):
    return tw.Problem(
        lambda theta, data: theta[0] * data["x"],
        loss=lambda y, data: jnp.mean((y - data["observed"]) ** 2),
        start=[theta0],
        data={"x": x, "observed": observed},
        name="theta x",
    )


by_hand = -4 * np.mean(x**2)
automatic = float(jax.jit(line_through_origin(x, 4 * x, 2.0).gradient)(jnp.array([2.0]))[0])
show("dL/dtheta at theta = 2", by=["hand", "autodiff", "lecture"], value=[by_hand, automatic, -131.34])

# %% [markdown]
# ## Gradient descent on one parameter
#
# Now the truth is 4x³ + 3, which no line meets; the best slope is theta = 238.0443. The lecture calls this SGD, but
# nothing in it is stochastic: each step sees all hundred points.
#
# Its start is a random number, `uniform(PRNGKey(577))`. JAX has changed how it draws: only with a setting of old does
# the same key still give the same number. So a start that matters is better written down. And the rule to stop,
# |L_k - L_(k-1)| < 1e-6, is a question to the trace; `run` does not stop.

# %%
theta0 = 0.15920352935791016
with jax.threefry_partitionable(False):
    drawn = jax.random.uniform(jax.random.PRNGKey(577)).item()
show(
    "uniform(PRNGKey(577))",
    drawn=["as then", "as today"],
    number=[drawn, jax.random.uniform(jax.random.PRNGKey(577)).item()],
    lecture=[theta0, "-"],
)

observed = 4 * x**3 + 3
x32 = jnp.arange(0, 10, 0.1, dtype=jnp.float32)
rounded = line_through_origin(np.asarray(x32), np.asarray(4 * x32**3 + 3), theta0)  # as the lecture has it
descent = tw.methods.gradient_descent(learning_rate=0.01)
single = tw.run(rounded, descent, steps=20, dtype="float32")
double = tw.run(line_through_origin(x, observed, theta0), descent, steps=20, dtype="float64")


def stops_at(losses, criterion=1e-6):
    """The first step whose loss differs from the one before by less than the criterion; -1 if there is none."""
    below = np.abs(np.diff(losses)) < criterion
    return int(below.argmax()) + 1 if below.any() else -1


theta, loss = single.x.values[0, 0, :, 0].astype(float), single.loss.values[0, 0].astype(float)
show(
    "gradient descent on theta x, in float32",
    iteration=np.arange(1, 10),
    theta=theta[1:10].round(3),
    lecture=[156.378, 210.008, 228.42, 234.74, 236.91, 237.655, 237.911, 237.998, 238.029],
    loss=loss[1:10].round(3),
    lecture_loss=[
        570793.625,
        377615.0,
        354848.0,
        352164.781,
        351848.594,
        351811.281,
        351806.875,
        351806.406,
        351806.312,
    ],
)
show(
    "converged at",
    precision=["float32", "float64"],
    ours=[stops_at(loss), stops_at(double.loss.values[0, 0])],
    lecture=[10, "-"],
)

# %% [markdown]
# Ten is an effect of the precision: near 3.5e5 neighboring numbers of float32 are 0.03 apart, so a difference below
# 1e-6 means that both losses are equal bit for bit. In float64 it takes longer. The error shrinks by the same factor
# every step, 1 - 0.01 · 2 mean(x²) = 0.3433:
#
# theta_k = 238.0443 + (theta_0 - 238.0443) · 0.3433^k.
#
# The figure of the lecture has ten traces, the truth and one line for each of nine iterations. Here a line for every
# recorded step is one call, and the slider is a movie (`tw.plot.animate(trace, view="predictions", …)`, saved as .html
# for one with a slider).

# %%
nine = single.isel(step=slice(1, 10))
save(tw.plot.predictions(nine, t=x, observed=observed), "predictions.png")
slider = tw.plot.animate(nine, view="predictions", t=x, observed=observed)
show(
    "the figure with a slider",
    what=["truth and lines", "positions"],
    ours=[1 + slider.frames, slider.frames],
    lecture=[10, 9],
)

# %% [markdown]
# ## A surface with many valleys
#
# Ackley's function, on the grid of the lecture. The minimum is 0 at the origin, where the square root in the formula
# has no derivative: plain `jax.grad` gives NaN there, thalweg's version 0. (The formula in the lecture's text has a
# bracket in the wrong place; its code is right.)

# %%
ackley = tw.problems.ackley(2)


def ackley_of_the_lecture(x):
    far, waves = jnp.sqrt(jnp.mean(x**2)), jnp.mean(jnp.cos(2 * jnp.pi * x))
    return -20 * jnp.exp(-0.2 * far) - jnp.exp(waves) + jnp.e + 20


axis = np.arange(-10, 10, 0.1)
grid = np.stack(np.meshgrid(axis, axis), axis=-1)
values = np.asarray(jax.jit(jax.vmap(jax.vmap(ackley.value)))(grid), float)
show(
    "Ackley",
    what=["f(0, 0)", "f(4, 4)", "grid", "highest", "lowest"],
    ours=[values[100, 100], values[140, 140], values.shape, values.max().round(6), values.min().round(6)],
    lecture=[0.0, 11.0134207, (200, 200), 19.35903, 0.0],
)
slopes = jax.jit(lambda x: (ackley.gradient(x), jax.grad(ackley_of_the_lecture)(x)))(jnp.zeros(2))
show("its gradient at the origin", by=["thalweg", "plain jax.grad"], gradient=[slope.tolist() for slope in slopes])
save(tw.plot.landscape(ackley, domain=(-10.0, 10.0), kind="surface"), "ackley.png")

# %% [markdown]
# ## A method of one's own
#
# The lecture goes down Ackley one coordinate at a time: first x, then y with the new x. A method is a frozen dataclass
# with `init` and `step`; nothing else is needed to run it beside the others.


# %%
@final
@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class CoordinateDescent:
    """x_i <- x_i - learning_rate dL/dx_i for one i after the other, each at the point the last one left."""

    learning_rate: float

    def init(self, problem, x, key):
        return ()

    def step(self, problem, x, state):
        for i in range(x.shape[0]):
            x = x.at[i].add(-self.learning_rate * problem.gradient(x)[i])
        return x, state


turns = {"one by one": CoordinateDescent(0.1), "both at once": tw.methods.gradient_descent(0.1)}
coordinates = tw.run(ackley, turns, steps=21, dtype="float32")
exact = tw.run(ackley, turns["one by one"], steps=21, dtype="float64")
one, both = coordinates.x.values[:, 0]
show(
    "Ackley from (4, 4), learning rate 0.1",
    iteration=[0, 10],
    one_by_one=points(one[[1, 11]], 3),
    lecture=["(3.910, 3.908)", "(3.653, 3.985)"],
    both_at_once=points(both[[1, 11]], 3),
)
movie = tw.plot.animate(coordinates, ackley)
save(movie.figure, "coordinates.png")

# %% [markdown]
# Neither arrives. The nearest minimum is (3.983, 3.983), with f = 10.998, and there the curvature is so large that
# gradient descent is stable only below 2 / lambda = 0.0375. At 0.1 the path is chaotic: within 20 steps rounding has
# grown until float32 and float64 part in the first digits, and no digit of the lecture's later points means anything.

# %%
basin = np.array([3.98307, 3.98307])
sharpness = np.linalg.eigvalsh(jax.jit(ackley.hessian)(basin))[-1]
apart = np.abs(one[20] - exact.x.values[0, 0, 20]).max()
show(
    "why",
    what=["curvature at (3.983, 3.983)", "largest stable rate", "frames of the figure"],
    ours=[round(float(sharpness), 3), round(2 / float(sharpness), 5), movie.frames],
    lecture=[53.279, 0.03754, 22],
)
print(f"at iteration 19 float32 is {apart:.2f} from float64 (on the machine of the lecture 0.57)")

# %% [markdown]
# ## Adam, and a slip
#
# The lecture writes Adam by hand, with a weight decay of 0.7, and its path goes straight to the origin, through every
# valley on the way. It should not. The decay was meant for the coordinates; the code multiplies it with `theta`, a
# variable left over from the fit above, which is 238.0389. So 0.7 · 238.0389 = 166.6 is added to every gradient, where
# Ackley's own never exceeds 8.6: the optimizer sees a tilted plane, and Adam, whose steps have the length of the
# learning rate, walks down its diagonal by 0.01 a step until it happens upon the origin and is stopped.
#
# A constant in the gradient is a plane in the loss:

# %%
stale = float(theta[10])
betas = {"b1": 0.99, "b2": 0.999, "eps": 1e-8}
tilted = tw.Problem(
    loss=lambda x: ackley.value(x) + 0.7 * stale * jnp.sum(x),
    start=[4.0, 4.0],
    minima=ackley.minima,
    domain=ackley.domain,
    name="Ackley and a plane",
)
slip = tw.run(tilted, {"Adam of the lecture": tw.methods.adam(0.01, **betas)}, steps=400)
walked = slip.x.values[0, 0]


def arrives(path, minimum=0.0, criterion=1e-2):
    """The first row that is within the criterion of the minimum in every coordinate; -1 if there is none."""
    near = np.all(np.abs(path - minimum) < criterion, axis=-1)
    return int(near.argmax()) if near.any() else -1


show(
    "Adam with the stale theta",
    iteration=[10, 50, 100, 150, 200, 240],
    point=points(walked[[10, 50, 100, 150, 200, 240]], 3),
    lecture=["x = y = 3.900", "3.500", "2.999", "2.498", "1.997", "1.597"],
)
movie = tw.plot.animate(slip, ackley)
save(movie.figure, "adam_slip.png")
show("its end", what=["steps to the origin", "frames"], ours=[arrives(walked), movie.frames], lecture=[399, 401])

# %% [markdown]
# Done right there are three answers, and none looks like the lecture's figure. Without decay, Adam stays in the valley
# next to its start. With the decay in the gradient (L2, as `torch.optim.Adam` has it) likewise, a little nearer to the
# origin. Decoupled (AdamW), the decay shrinks the point itself by 0.7 % a step, which no valley can hold: it is this,
# not the gradient, that leads to the origin.

# %%
adams = tw.run(
    ackley,
    {
        "Adam": tw.methods.adam(0.01, **betas),
        "Adam, L2 decay 0.7": tw.methods.adam(0.01, **betas, weight_decay=0.7),
        "AdamW, decay 0.7": tw.methods.adamw(0.01, **betas, weight_decay=0.7),
    },
    steps=1000,
    dtype="float64",
)
ends = [arrives(path) for path in adams.x.values[:, 0]]
show(
    "Adam on Ackley from (4, 4)",
    method=adams.variant.values,
    converged=[end if end >= 0 else "-" for end in ends],
    end=points([path[end] for path, end in zip(adams.x.values[:, 0], ends, strict=True)], 4),
    in_turn=["-", "-", 290],
    end_in_turn=["(3.9831, 3.9831)", "(3.919, 3.919)", "(0.0072, 0.0045)"],
)
save(tw.plot.paths(adams, ackley), "adam.png")
saved = tw.plot.animate(adams.isel(step=slice(0, 401, 8)), ackley, view=("surface", "contour")).save(folder / "adam")
written.append(saved.path.name)

# %% [markdown]
# On the right is the lecture's order, one coordinate in turn after the other, with the decay put right: it takes 290
# steps and ends off the diagonal. Both at once, as optax and torch do it, take 293 and stay on it.
#
# ## Two parameters
#
# The model theta1 x² + theta2 y² is fitted to examples of 3x² + 9y². Asked for 50 examples the lecture makes 49, a grid
# of 7 by 7; `quadratic_fit` does the same, or draws points with `key=`. A `batch_size` makes `run` show each step so
# many of them.
#
# The lecture has these runs commented out, so there are no numbers to meet but the truth, (3, 9), and what follows
# from the formulas on a grid of 100 examples. What its code would do wrong: both parameters start equal, as they
# share a key; the second is updated with the first one's new value; batches ignore the key; the rule to stop compares
# the losses of two different examples; RMSProp averages with 1 - learning_rate in place of 1 - smoothing_constant,
# and its centered form takes roots of negative numbers; the loss surface has theta1 and theta2 exchanged.

# %%
scattered = tw.problems.quadratic_fit(50, key=577)
largest = 2 * (scattered.data["x"] ** 4 + scattered.data["y"] ** 4)  # the curvature of each example's own loss
whole = np.linalg.eigvalsh(jax.jit(scattered.hessian)(scattered.start))[-1]
print(f"\nlargest stable rate: all examples {2 / whole:.2g}, the worst alone {2 / largest.max():.2g};")
print(f"at 1e-4, {np.sum(2 / largest < 1e-4)} of {len(largest)} examples push away from what they should fit")

stochastic = tw.problems.quadratic_fit(50, key=577, batch_size=1)
batched = tw.problems.quadratic_fit(50, batch_size=16)
surface = tw.problems.quadratic_fit(100)
torch = {"decay": 0.99, "eps_in_sqrt": False}
runs = {
    "one by one": tw.run(stochastic, {"SGD": tw.methods.gradient_descent(1e-4)}, steps=50, key=1),
    "batches of 16": tw.run(batched, {"SGD": tw.methods.gradient_descent(1e-4)}, steps=50, key=1),
    "all": tw.run(
        surface,
        {
            "RMSProp": tw.methods.rmsprop(0.1, **torch),
            "RMSProp, momentum, decay": tw.methods.rmsprop(0.1, momentum=0.9, weight_decay=0.1, **torch),
            "RMSProp, centered": tw.methods.rmsprop(0.1, centered=True, **torch),
            "Adam": tw.methods.adam(0.1),
        },
        steps=500,
        dtype="float64",
    ),
}


def history(trace, criterion=1e-2):
    """What the lecture's optimizers return, of the first variant."""
    theta, losses = trace.x.values[0, 0], trace.loss.values[0, 0]
    return {
        "theta1s": theta[:, 0],
        "theta2s": theta[:, 1],
        "losses": losses,
        "max_n_iterations": stops_at(losses, criterion) - 1,
    }


for examples in ("one by one", "batches of 16"):
    kept = history(runs[examples])
    end = kept["theta1s"][-1], kept["theta2s"][-1]
    print(f"SGD, {examples}: theta = ({end[0]:.4f}, {end[1]:.4f}) after {len(kept['losses']) - 1} steps; truth (3, 9)")

formulas = {
    "RMSProp": {10: "(3.81275, 4.21649)", 100: "(3.26810, 8.67000)"},
    "RMSProp, momentum, decay": {1: "(1.00000, 1.00000)", 10: "(7.22346, 11.73658)", 100: "(2.95437, 8.99319)"},
    "RMSProp, centered": {1: "(1.00504, 1.00504)", 100: "(3.20675, 8.75551)"},
    "Adam": {1: "(0.10000, 0.10000)", 10: "(0.99267, 0.99469)", 200: "(3.48827, 8.42031)"},
}
known = [(name, step) for name, figures in formulas.items() for step in figures]
show(
    "theta on the grid of 100 examples, all of them at each step",
    method=[name for name, _ in known],
    step=[step for _, step in known],
    theta=points([runs["all"].x.sel(variant=name, step=step).values[0] for name, step in known], 5),
    by_the_formulas=[formulas[name][step] for name, step in known],
)
first = arrives(runs["all"].x.sel(variant="Adam").values[0], np.array([3.0, 9.0]))
print(f"Adam is within 0.01 of (3, 9) after {first} steps (by the formulas: 389)")

# %% [markdown]
# Who won: the loss at the end, the distance to (3, 9), and the step at which 99 % of the decrease was won. Decay keeps
# RMSProp off the minimum; momentum carries it past and back.
#
# The lecture's last figure has the truth and the predicted surface on the left, and on the right the loss over both
# parameters with the path on it. Here any views stand side by side: the paths on the loss as a surface and over its
# contours.

# %%
print()
print(tw.analysis.table(runs["all"], surface).drop(columns="alignment").to_string(float_format="{:.3g}".format))
save(tw.plot.animate(runs["all"], surface, view=("surface", "contour")).figure, "fit.png")
save(tw.plot.curves(runs["all"]), "losses.png")
save(tw.plot.paths(runs["one by one"], scattered), "stochastic.png")

# %% [markdown]
# ## Where the time goes
#
# Every trace knows how long its programs took to compile and to run.

# %%
clocked = {"theta x": single, "coordinates": coordinates, "Adam": adams, **runs}
show(
    "seconds",
    run=list(clocked),
    compile=[round(trace.compile_seconds, 2) for trace in clocked.values()],
    run_itself=[round(trace.run_seconds, 3) for trace in clocked.values()],
)

# %%
print(f"\nfigures: {' '.join(written)}")
