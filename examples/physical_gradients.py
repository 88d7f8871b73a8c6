# %% [markdown]
# # Physical gradients
#
# How three optimizers see the same physics, x -> y -> L. This page follows a lecture that itself follows the
# [Physics-based Deep Learning book](https://physicsbaseddeeplearning.org), with the lecture's numbers beside ours.
#
#     python examples/physical_gradients.py [folder for the figures]

# %%
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import scipy.optimize

import thalweg as tw

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "figures")
FOLDER.mkdir(parents=True, exist_ok=True)
FIGURES = []


def save(figure, name):
    figure.savefig(FOLDER / name, dpi=120)
    FIGURES.append(name)


def compare(heading, *rows):
    """A small table: what it is, the numbers here, those of the lecture."""
    print(f"\n{heading}\n{'':46}{'here':>26}{'lecture':>26}")
    for what, here, lecture in rows:
        words = " ".join(f"{number:.9g}" for number in np.ravel(np.asarray(here, float)))
        print(f"{what:46}{words:>26}{lecture:>26}")


# %% [markdown]
# ## Three spaces
#
# The physics y = (x0, x1^2), the loss L = |y|^2, and the local inverse of the physics, which keeps to the branch of the
# present x. `check` tells whether the inverse is one.

# %%
physics = tw.Stage(
    lambda x: jnp.array([x[0], x[1] ** 2]), inverse=lambda y, x: jnp.array([y[0], jnp.copysign(jnp.sqrt(y[1]), x[1])])
)
problem = tw.Problem(
    physics, loss=lambda y: jnp.sum(y**2), start=[3.0, 3.0], minima=[[0.0, 0.0]], domain=(-4.0, 4.0), name="lecture A"
)
print(problem.check())
spaces = problem.spaces(problem.start)
compare(
    "At x = (3, 3)",
    ("y", spaces["y"], "3 9"),
    ("L", spaces["loss"], "90"),
    ("dL/dy", problem.loss_gradient(spaces["y"]), "6 18"),
    ("dy/dx", problem.jacobian(problem.start), "1 0 0 6"),
    ("dL/dx", problem.gradient(problem.start), "6 108"),
    ("d2L/dx2", problem.hessian(problem.start), "2 0 0 108"),
)

# %% [markdown]
# ## Three ways back to x
#
# Each method takes a step in the loss and pulls it back: gradient descent with the transposed Jacobian, Newton's method
# with the Hessian in x, the inverse simulator (PG in the lecture) by a Newton step in y and then the inverse itself.
# The learning rates make first steps of about the same length.

# %%
methods = {
    "GD": tw.methods.gradient_descent(learning_rate=0.01),
    "Newton": tw.methods.Newton(learning_rate=1 / 3),
    "PG": tw.methods.InverseSimulator(learning_rate=0.3),
}
trace = tw.run(problem, methods, steps=10)
last = {name: trace.x.sel(variant=name)[0] for name in methods}
ends = {"GD": "2.4512184 0.96171147", "Newton": "0.05202458 0.92383826", "PG": "0.08474258 0.50421"}
lengths = {"GD": "1.0816654", "Newton": "1.0540926", "PG": "1.0247534"}
away = tw.analysis.distance(trace, problem)[:, 0, -1]
compare(
    "Ten steps from (3, 3)",
    *[(f"{name}: x after 10 steps", last[name][-1], ends[name]) for name in methods],
    *[(f"{name}: length of step 1", np.linalg.norm(last[name][1] - last[name][0]), lengths[name]) for name in methods],
    *[
        (f"{n}: distance at the end", float(away.sel(variant=n)), d)
        for n, d in zip(methods, ["2.63", "0.925", "0.51"], strict=True)
    ],
)
print()
print(tw.analysis.table(trace, problem).to_string())
save(tw.plot.paths(trace, problem, space=["x", "y"]), "paths.png")
save(tw.plot.curves(trace), "loss.png")

# %% [markdown]
# In y the path of the inverse simulator is a straight line to the target, on the ray (1, 3). A step of gradient descent
# is in y, to first order, y - eta J J^T dL/dy; what is missing is h^2 = 1.08^2.

# %%
jacobian, eta = problem.jacobian(problem.start), 0.01
first = spaces["y"] - eta * jacobian @ jacobian.T @ problem.loss_gradient(spaces["y"])
y = {name: trace.y.sel(variant=name)[0] for name in methods}
compare(
    "Paths in y",
    ("GD, step 1, first order", first, "2.94 2.52"),
    ("GD, step 1", y["GD"][1], "2.94 3.6864"),
    ("  missing", float(y["GD"][1, 1] - first[1]), "1.1664"),
    ("GD, step 9", y["GD"][9], "2.50124311 1.00389457"),
    ("Newton, step 9", y["Newton"][9], "0.0780368671 1.08018208"),
    ("PG, step 10", y["PG"][10], "0.0847425747 0.254227724"),
    ("PG, y1 / y0, smallest and largest", [(r := y["PG"][:, 1] / y["PG"][:, 0]).min(), r.max()], "3 3"),
)

# %% [markdown]
# ## Alignment
#
# How well does the first step point to the solution? The lecture takes the dot product of its direction with (1, 1), of
# which sqrt 2 is the largest; `alignment` is the cosine, without that factor. The *inverse gradient*, a Newton step in
# y that the inverse of the Jacobian pulls back, is between Newton and PG: it is the linear version of the inverse.
# Methods that divide the gradient by its size, component by component, point exactly there, whatever the physics.

# %%
more = methods | {
    "IG": tw.methods.InverseGradient(learning_rate=0.3),
    "Adam": tw.methods.adam(0.3),
    "AdaGrad": tw.methods.adagrad(0.3, initial_accumulator_value=0.0, eps=1e-10),
    "RMSProp": tw.methods.rmsprop(0.1, decay=0.99, eps_in_sqrt=False),
}
several = tw.run(problem, more, steps=10, dtype="float64")
cosine = np.sqrt(2) * tw.analysis.alignment(several, problem)[:, 0, 0]
words = {"GD": "1.05393", "Newton": "1.264911", "PG": "1.356443", "IG": "1.3416408", "Adam": "1.4142136"}
compare(
    "sqrt 2 times the alignment of step 1",
    *[(name, float(cosine.sel(variant=name)), words[name]) for name in ("GD", "Newton", "IG", "PG", "Adam")],
    ("IG: x after 10 steps", several.x.sel(variant="IG")[0, -1], "0.0847425747 0.590623213"),
    ("Adam: x after 10 steps", several.x.sel(variant="Adam")[0, -1], "0.228747457 0.629585976"),
    ("AdaGrad: x after 10 steps", several.x.sel(variant="AdaGrad")[0, -1], "1.6611936 1.90064547"),
    ("RMSProp: x after 10 steps", several.x.sel(variant="RMSProp")[0, -1], "0.146501693 1.01798174"),
)
save(tw.plot.paths(several, problem, space=["x", "y"]), "more_methods.png")

# %% [markdown]
# ## How long a step may be
#
# Along x1 gradient descent is x1 <- x1 (1 - 4 eta x1^2): it does not pass over 0 up to eta = 1/36, has period two
# at 1/18, and grows beyond.

# %%
rates = [1 / 36, 1 / 18, 1 / 18 + 1e-4]
limits = tw.run(problem, tw.sweep(methods["GD"], learning_rate=rates), steps=6, dtype="float64").x[:, 0, :, 1]
compare(
    "x1 of gradient descent",
    ("eta = 1/36, step 1", float(limits[0, 1]), "0"),
    ("eta = 1/18, steps 1 to 4", limits[1, 1:5], "-3 3 -3 3"),
    ("beyond, step 6 (right: larger than)", float(limits[2, 6]), "3"),
)

# %% [markdown]
# ## Which branch
#
# y1 = x1^2 has two inverses. The lecture always takes the positive root, so that a path that starts at (3, -3) jumps
# across; the local inverse stays on its side. For eta > 1 there is no root: NaN, which the trace keeps.

# %%
positive = tw.Stage(physics.forward, inverse=lambda y, x: jnp.array([y[0], jnp.sqrt(y[1])]))
lecture = tw.Problem(positive, loss=problem.loss, start=[3.0, -3.0])
below, too_far = [[3.0, -3.0]], tw.methods.InverseSimulator(learning_rate=1.1)
compare(
    "PG from (3, -3), step 1",
    ("local inverse", tw.run(problem, methods["PG"], below, steps=1).x[0, 0, 1], "2.1 -2.5099801"),
    ("the lecture's", tw.run(lecture, methods["PG"], below, steps=1).x[0, 0, 1], "2.1 2.5099801"),
    ("the lecture's, eta = 1.1", tw.run(lecture, too_far, below, steps=1).x[0, 0, 1], "nan"),
)

# %% [markdown]
# ## Without an inverse
#
# Where nobody knows the inverse it is found numerically. The lecture minimizes |y(x) - target|^2 by L-BFGS-B with
# differences; its error of 1e-6, which it calls the accuracy of floating point, is the tolerance of that optimizer.
# (In newer versions of SciPy it must be cast to float64, else it is 1.6e-4.) `numerical_inverse` is exact to rounding.


# %%
def scipy_inverse(y, x):
    target = np.asarray(y, np.float64)
    return scipy.optimize.fmin_l_bfgs_b(
        lambda x: np.sum((np.array([x[0], x[1] ** 2]) - target) ** 2), np.asarray(x, np.float64), approx_grad=True
    )[0]


theirs = [np.array([3.0, 3.0])]
for _ in range(10):
    x0, x1 = theirs[-1]
    theirs.append(scipy_inverse([0.7 * x0, 0.7 * x1**2], theirs[-1]))
numerical = tw.Problem(tw.numerical_inverse(physics.forward), loss=problem.loss, start=[3.0, 3.0])
ours = tw.run(numerical, methods["PG"], steps=10, dtype="float64").x[0, 0]
exact = several.x.sel(variant="PG")[0].values
compare(
    "PG on a numerical inverse",
    ("inverse of (2, 2), SciPy", scipy_inverse([2, 2], [3, 3]), "2.00000003 1.41421353"),
    ("x after 10 steps, SciPy", theirs[-1], "0.08474171 0.50421247"),
    ("mean error of the path, SciPy", np.abs(theirs - exact).mean(), "1e-06"),
    ("x after 10 steps, ours", ours[-1], "0.08474257 0.50421"),
    ("mean error of the path, ours", float(np.abs(ours - exact).mean()), ""),
)

# %% [markdown]
# ## The scale problem
#
# Why does it matter? Give the second component of y other units, y = (x0, alpha x1). The inverse simulator and Newton
# take the same path for every alpha. Gradient descent must be so slow that the steeper component stays stable,
# eta < 1/alpha^2, and then the other one hardly moves: its learning rate carries the units [x]^2/[L].

# %%
scaled = {alpha: tw.problems.scaling(alpha) for alpha in (1.0, 3.0)}
paths = {
    alpha: tw.run(p, methods | {"GD": tw.methods.gradient_descent(0.3 / alpha**2)}, steps=10)
    for alpha, p in scaled.items()
}
print("\ndistance to the solution after 10 steps, y = (x0, alpha x1)")
print(f"{'alpha':>8}" + "".join(f"{name:>12}" for name in methods))
for alpha, p in scaled.items():
    ends = tw.analysis.distance(paths[alpha], p)[:, 0, -1].values
    print(f"{alpha:8g}" + "".join(f"{end:12.5f}" for end in ends))
save(tw.plot.paths(paths[3.0], scaled[3.0], space=["x", "y"]), "scale.png")

# %%
print("\nfigures:", *FIGURES)
