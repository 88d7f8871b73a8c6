# %% [markdown]
# # Minimizing functions of one number
#
# A loss of one number can be drawn whole, so that one sees what an optimizer does and why it fails. This page follows
# a lecture on univariate optimization, in our words and with thalweg alone: every number that the lecture prints, or
# that follows from its code, stands beside the one that comes out here.
#
#     python examples/univariate.py [folder for the figures]

# %%
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import thalweg as tw
from thalweg.methods import (
    GaussNewton,
    GridSearch,
    Newton,
    SimulatedAnnealing,
    damped_newtonian,
    gradient_descent,
    gradient_flow,
    momentum,
)
from thalweg.methods.flow import newtonian_momentum

FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else "figures")
FOLDER.mkdir(parents=True, exist_ok=True)
FIGURES = []


def save(figure, name):
    figure.savefig(FOLDER / name, dpi=120)
    FIGURES.append(name)


def compare(heading, *rows):
    """A small table: what it is, the number here, the number of the lecture."""
    print(f"\n{heading}\n{'':50}{'here':>18}{'lecture':>18}")
    for what, here, lecture in rows:
        print(f"{what:50}{here:>18.9g}{lecture:>18}")


# %% [markdown]
# ## What is minimized
#
# A model with the parameter theta is fitted to N examples by the mean of its squared errors, the *empirical risk*.
# It is a function of theta that depends on the examples by chance, and tends to the *true risk* as N grows. For
# y = 1.5 x + noise the true risk at theta = 0 is 1.5^2 + 0.5^2 = 2.5, and the standard deviation of the empirical one
# is 2.5 sqrt(2/N).

# %%
draw = np.random.default_rng(0)
rows = []
for n in (100, 1000, 10_000):
    x = draw.normal(size=n)
    data = {"x": x, "y": 1.5 * x + 0.5 * draw.normal(size=n)}
    fit = tw.Problem(
        tw.Stage(lambda theta, data: theta[0] * data["x"]),
        loss=lambda predicted, data: jnp.mean((predicted - data["y"]) ** 2),
        start=[0.0],
        data=data,
    )
    rows.append((f"risk at 0 of {n} examples", float(fit.value([0.0])), f"2.5 ± {2.5 * np.sqrt(2 / n):.3f}"))
compare("Empirical risk (right: true risk)", *rows)

# %% [markdown]
# ## Landscapes
#
# Three losses on [-1, 1]: a parabola; a parabola with ripples; and noise, of which nothing that one has seen tells
# what comes next. The ripples have an amplitude of 0.5 in the lecture's picture, but of 0.05 in all its experiments:
# both are here. `stationary_points` finds every place where the slope vanishes.

# %%
convex, rough, rugged, noise = (
    tw.problems.convex(),
    tw.problems.rugged(a=0.5),
    tw.problems.rugged(a=0.05),
    tw.problems.worst_case(500),
)
level = {problem.name: tw.analysis.stationary_points(problem) for problem in (convex, rough, rugged)}
save(tw.plot.landscape(convex, stationary=level[convex.name]), "convex.png")
save(tw.plot.landscape(rough, stationary=level[rough.name]), "rough.png")
save(tw.plot.landscape(rugged, stationary=level[rugged.name]), "rugged.png")
save(tw.plot.landscape(noise), "noise.png")
minima = level[rugged.name].where(level[rugged.name].kind == 0, drop=True)  # the 8 minima, from left to right
print("\nMinima of the ripples of 0.05, and the longest step at each")
columns = minima.assign(longest=2 / minima.curvature)[["x", "loss", "curvature", "longest"]]
print(columns.to_dataframe().to_string(index=False))
compare(
    "Landscapes",
    ("parabola: minimum", float(level[convex.name].x[0]), "0"),
    ("ripples of 0.5: stationary points", level[rough.name].sizes["point"], "20"),
    ("  of which minima", int((level[rough.name].kind == 0).sum()), "10"),
    ("  lowest at", rough.minima[0, 0], "-0.0521281948"),
    ("ripples of 0.05: stationary points", level[rugged.name].sizes["point"], "15"),
    ("  lowest minimum at", float(minima.x[3]), "-0.0501302061"),
    ("  its loss", float(minima.loss[3]), "-0.247375147"),
    ("  its curvature", float(minima.curvature[3]), "46.899366"),
    ("  minimum on the right at", float(minima.x[7]), "0.738804878"),
    ("  2 / its curvature", 2 / float(minima.curvature[7]), "0.205209741"),
)

# %% [markdown]
# ## Try everything
#
# Where nothing is known, as in the noise, no method beats a search of the whole grid. It costs 1/eps values to come
# within eps in one dimension and (1/eps)^d in d, which at 10 microseconds a value ends the idea soon.

# %%
search = GridSearch(points=500)
trace = tw.run(noise, search, steps=search.evaluations(1))
seconds = {d: 1e-5 * GridSearch(100).evaluations(d) for d in (2, 3, 5, 7)}
compare(
    "Grid search (right: the lowest place of the noise; the lecture's times for 100 points a side)",
    ("lowest of 500 places", float(trace.x[0, 0, -1, 0]), f"{noise.minima[0, 0]:.6g}"),
    ("d = 2 takes, in s", seconds[2], "0.1"),
    ("d = 3 takes, in s", seconds[3], "10"),
    ("d = 5 takes, in days", seconds[5] / 86400, "1.157"),
    ("d = 7 takes, in years", seconds[7] / (365.25 * 86400), "31.7"),
)

# %% [markdown]
# ## A minimum is a root of the slope
#
# Where the slope changes its sign from - to + there is a minimum between. Bisection halves that interval, so that each
# digit costs 3.3 halvings; Newton's method and the secant need a handful of steps, if they start near enough.
# Durand and Kerner's method finds all roots of a polynomial at once.


# %%
def slope(x):
    return 2 * x + 1.5 * jnp.cos(30 * x)


halvings = {eps: int(tw.roots.bisection(lambda x: x, -1, 0.7, eps, "float64").steps) for eps in (1e-3, 1e-6, 1e-12)}
near = {
    "bisection": tw.roots.bisection(slope, 0.3, 0.4, dtype="float64"),
    "secant": tw.roots.secant(slope, 0.34, 0.36, dtype="float64"),
    "Newton": tw.roots.newton(slope, 0.34, dtype="float64"),
}
cubic = tw.roots.durand_kerner([1, -3, 3, -5], dtype="float64")
compare(
    "Roots",
    *[
        (f"halvings of [-1, 0.7] to {eps:g}", n, a)
        for (eps, n), a in zip(halvings.items(), ("11", "21", "41"), strict=True)
    ],
    *[(f"slope = 0 by {name}, {int(r.steps)} steps", float(r.root), "0.350319165") for name, r in near.items()],
    ("x^3 - 3 x^2 + 3 x - 5: real root", float(cubic.root.real.max()), "2.58740105"),
    ("  its complex pair, imaginary part", float(cubic.root.imag.max()), "1.37472964"),
)

# %% [markdown]
# ## Gradient descent
#
# x <- x - eta dL/dx. thalweg takes a fixed number of steps and records them all; the lecture stops when a step is
# shorter than 1e-6, *in the norm over all starts together*, so that one slow start keeps all others running. Its
# histories leave out the start and the step that was too short. `history` applies that rule to a trace.


# %%
def history(trace, tolerance=1e-6, most=1000):
    steps = np.linalg.norm(np.diff(trace.x.values[0, :, :, 0], axis=1), axis=0)
    small = np.flatnonzero(steps < tolerance)
    return trace.isel(step=slice(1, 1 + min(small[0] if small.size else most, most)))


def ends_at(trace):
    """How many starts end nearest to each minimum, from left to right."""
    nearest = np.abs(trace.x.values[0, :, -1] - minima.x.values).argmin(axis=1)
    return np.bincount(nearest, minlength=8)


hundred = np.linspace(-1, 1, 100)[:, None]
steps = {f"eta = {eta}": gradient_descent(eta) for eta in (0.005, 0.2)}
trace = tw.run(rugged, steps, np.vstack([hundred, [[0.3], [0.7]]]), steps=1001, dtype="float64")
small, large = trace.isel(variant=[0]), trace.isel(variant=[1])
one, many = history(small.isel(start=[100])), history(small.isel(start=slice(100)))
compare(
    "Gradient descent, eta = 0.005",
    ("from 0.3: rows of the history", one.sizes["step"], "45"),
    ("  last x", float(one.x[0, 0, -1, 0]), "0.350315337"),
    ("  last loss", float(one.loss[0, 0, -1]), "-0.121486913"),
    ("  distance that the stop rule leaves", float(minima.x[5] - one.x[0, 0, -1, 0]), "3.8e-06"),
    ("from 100 starts: rows of the history", many.sizes["step"], "174"),
    ("  mean loss at the end", float(many.loss[0, :, -1].mean()), "0.00306534548"),
    ("  lowest loss at the end", float(many.loss[0, :, -1].min()), "-0.247375147"),
)
print("ends by minimum, left to right:", *ends_at(many), " (lecture: 20 11 11 11 11 11 11 14)")

# %% [markdown]
# ## Steps that are too long
#
# With eta = 0.2 the paths never settle: they jump between the valleys without end. The lecture calls it a
# contradiction that their *mean* loss is far lower. It is none: a path that cannot stay in a narrow valley does not get
# caught in a bad one. One start in a hundred stays: the rightmost minimum alone is flat enough, 2/f'' = 0.205 > 0.2.

# %%
erratic, band = history(large.isel(start=[101])), history(large.isel(start=slice(100)))
late = band.loss[0, :, -500:]
locked = np.flatnonzero(np.ptp(late.values, axis=1) < 1e-9)
exponent = tw.analysis.lyapunov(rugged, gradient_descent(0.2), [0.7], dtype="float64")
compare(
    "Gradient descent, eta = 0.2",
    ("from 0.7: x after step 1", float(erratic.x[0, 0, 0, 0]), "0.584318778"),
    ("  after step 4", float(erratic.x[0, 0, 3, 0]), "0.403614607"),
    ("  rows of the history", erratic.sizes["step"], "1000"),
    ("  lowest x", float(erratic.x.min()), "-0.552"),
    ("  highest x", float(erratic.x.max()), "0.585"),
    ("  mean loss of the last 500", float(erratic.loss[0, 0, -500:].mean()), "-0.135 ± 0.01"),
    ("  Lyapunov exponent", float(exponent[0, 0]), "1.54"),
    ("from 100 starts: mean loss of the last 500", float(late.mean()), "-0.130 ± 0.003"),
    ("  starts that stay where they are", len(locked), "1"),
    ("  their loss", float(late[locked[0], -1]), "0.33723"),
)
shown = trace.isel(start=slice(0, 100, 2), step=slice(0, 101))
save(tw.plot.curves(shown), "step_sizes.png")

# %% [markdown]
# ## How long a step may be
#
# Near a minimum of curvature f'' one step multiplies the distance by 1 - eta f''. It shrinks for eta < 2/f'', goes back
# and forth for ever at 2/f'', and grows beyond. On the parabola x_n = (1 - eta)^n x_0.

# %%
rates = {f"eta = {eta}": gradient_descent(eta) for eta in (1.98, 1.99, 2.0, 2.02)}
bound = tw.run(convex, rates, [[0.5], [1.0]], steps=1001, dtype="float64")
by_rate = [history(bound.isel(variant=[i], start=[int(i == 1)])) for i in range(4)]
fine = tw.problems.ackley(2)
steep = tw.run(tw.problems.pbdl(), gradient_descent(0.01), steps=0, record=[tw.geometry.sharpness])
valley = tw.run(fine, gradient_descent(0.01), [[4.0, 4.0]], steps=1000, record=[tw.geometry.sharpness])
compare(
    "The bound 2/f''",
    ("eta = 1.98: rows", by_rate[0].sizes["step"], "684"),
    ("  last x", abs(float(by_rate[0].x[0, 0, -1, 0])), "4.98431841e-07"),
    ("eta = 1.99 from 1: last x, 0.99^1000", abs(float(by_rate[1].x[0, 0, -1, 0])), "4.3171247e-05"),
    ("eta = 2: last x", float(by_rate[2].x[0, 0, -1, 0]), "0.5"),
    ("eta = 2.02: last x", abs(float(by_rate[3].x[0, 0, -1, 0])), "199132325.826"),
    (
        "2/f'' of L = y0^2 + y1^2, y = (x0, x1^2) at (3, 3)",
        2 / float(steep.sharpness[0, 0, 0]),
        "0.0185185185",
    ),
    ("2/f'' of Ackley's function near (4, 4)", 2 / float(valley.sharpness[0, 0, -1]), "0.0375383"),
)
save(tw.plot.curves(bound.isel(start=[0], step=slice(0, 61)), "x"), "bound.png")

# %% [markdown]
# ## Rest, cycles, chaos
#
# From 0.3, on the ripples: for each eta the points where the path is in the end. It rests until 2/41.789 = 0.04786,
# then jumps between two points, then four, and soon between all: chaos, where the Lyapunov exponent, the rate at which
# neighbors part, is positive. No digit of a chaotic path means anything: with an exponent of 1.54 all 16 are gone after
# 24 steps. Means and ranges do.

# %%
etas = tw.sweep(gradient_descent(0.1), learning_rate=np.linspace(0.02, 0.22, 600))
diagram = tw.analysis.bifurcation(rugged, etas, steps=800, keep=150, dtype="float64")
exponents = tw.analysis.lyapunov(rugged, etas, steps=500, copies=4, dtype="float64")
cascade = tw.sweep(gradient_descent(0.1), learning_rate=np.linspace(0.04, 0.07, 200))
doublings = tw.analysis.doublings(rugged, cascade, steps=1000)
save(tw.plot.bifurcation(diagram, exponents, doublings=doublings.values), "bifurcation.png")
three = tw.analysis.lyapunov(
    rugged, tw.sweep(gradient_descent(0.1), learning_rate=[0.1, 0.15, 0.2]), steps=2000, dtype="float64"
)
compare(
    "Rest, cycles, chaos",
    ("from rest to two points at", float(doublings[0]), "0.047859041"),
    ("from two points to four at", float(doublings[1]), ""),
    *[
        (f"Lyapunov exponent at eta = {eta:g}", value, words)
        for eta, value, words in zip([0.1, 0.15, 0.2], three.values[:, 0], ["0.91", "1.22", "1.54"], strict=True)
    ],
)

# %% [markdown]
# ## The limit of small steps
#
# A ball without mass on the loss, held back by friction gamma, follows gamma dx/dt = -dL/dx: gradient descent is this
# *gradient flow* in steps of dt = eta gamma. Small steps follow it; those of eta = 0.05 pass over the minimum.

# %%
flows = {"flow": gradient_flow(0.05), "GD 0.05": gradient_descent(0.05)}
times = tw.run(rugged, flows, steps=20, dtype="float64")
descents = tw.sweep(gradient_descent(0.05), learning_rate=[0.02, 0.05])
short, long = tw.run(rugged, descents, steps=1000, dtype="float64").x.values[:, 0, :, 0]
compare(
    "Gradient flow and gradient descent from 0.3",
    ("flow at t = 1", float(times.x.sel(variant="flow", step=20)[0, 0]), "0.350319165"),
    ("eta = 0.02 at t = 1", short[50], "0.350319165"),
    ("eta = 0.05 at last, lower", long[-2:].min(), "0.336307"),
    ("eta = 0.05 at last, upper", long[-2:].max(), "0.361721"),
)
save(tw.plot.curves(times.isel(step=slice(0, 16)), "x"), "flow.png")

# %% [markdown]
# ## Momentum is mass
#
# A ball of mass m obeys m x'' = -gamma x' - dL/dx. With both derivatives as differences, friction at the velocity of
# the step to come, this is heavy-ball momentum with alpha = m/(m + gamma dt) and eta = dt^2/(m + gamma dt); see
# docs/momentum.md. The lecture prints alpha = 1 - gamma dt/m, which does not follow from its own difference equation
# and has no limit for a small mass: where m < gamma dt its alpha is negative. Both, against the equation itself, on
# x^2/2 for gamma = 0.5 and dt = 0.1; the table has a mass of 1, the figure one of 0.02, for
# which the printed form diverges by friction alone.

# %%
bowl = tw.problems.quadratic([1.0])
maps = {"equation": tw.sweep(damped_newtonian(0.1, friction=0.5), mass=[1.0, 0.02])}
for mass in (1.0, 0.02):
    maps[f"consistent mass={mass}"] = momentum(**newtonian_momentum(mass, friction=0.5, time_step=0.1))
    maps[f"as printed mass={mass}"] = momentum(0.1**2 / mass, 1 - 0.5 * 0.1 / mass)
swing = tw.run(bowl, maps, [[1.0]], steps=50, dtype="float64")
off = np.abs(swing.x[:, 0, 50, 0] - swing.x[0, 0, 50, 0])
light = swing.isel(variant=[1, 4, 5], step=slice(0, 7))
save(tw.plot.curves(light, "x", scale="linear"), "momentum_mechanics.png")
inert = history(tw.run(rugged, momentum(0.0005, 0.7), [[0.9]], steps=1001, dtype="float64"))
heavy = tw.run(rugged, momentum(0.01, 0.9), hundred, steps=1001, dtype="float64")
deep = history(heavy)
compare(
    "Momentum",
    ("error at t = 5, as printed", float(off[3]), "0.0316"),
    ("error at t = 5, consistent", float(off[2]), "0.00118"),
    ("eta = 0.0005, alpha = 0.7 from 0.9: rows", inert.sizes["step"], "331"),
    ("  first x", float(inert.x[0, 0, 0, 0]), "0.899319104"),
    ("  last x", float(inert.x[0, 0, -1, 0]), "0.738863329"),
    ("eta = 0.01, alpha = 0.9 from 100 starts: rows", deep.sizes["step"], "255"),
    ("  mean loss at the end", float(deep.loss[0, :, -1].mean()), "-0.177799310"),
    ("  in the lowest minimum (without momentum: 11)", int(ends_at(deep)[3]), "31"),
)
print("ends by minimum, left to right:", *ends_at(deep), " (lecture: 3 6 18 31 31 6 4 1)")
both = {"GD, 0.005": gradient_descent(0.005), "momentum, 0.01, 0.9": momentum(0.01, 0.9)}
save(tw.plot.curves(tw.run(rugged, both, hundred, steps=250)), "momentum.png")

# %% [markdown]
# Learning rate, momentum, start, method and precision are *hyperparameters*, and to choose them is an optimization of
# its own. In thalweg each is an axis of a run: here the median loss after 300 steps of 50 starts for 400 pairs.

# %%
grid = tw.sweep(momentum(0.1), learning_rate=np.geomspace(1e-4, 0.5, 20), momentum=np.linspace(0, 0.98, 20))
save(tw.plot.heatmap(tw.run(rugged, grid, hundred[::2], steps=300, every=300)), "tuning.png")

# %% [markdown]
# ## Newton's method, with differences
#
# x <- x - f'/f'' is gradient descent with a learning rate of its own at each place, eta = 1/f''. The lecture takes both
# derivatives from central differences of step 1e-5. The first is then good to ten digits; the second loses them to
# rounding, and is best near 1e-4. It costs 2 d values for a gradient in d dimensions and 2 d^2 + 1 for a Hessian.
# Three slips of the lecture's class: its only stop test is |f''| < tolerance, so that it always takes all 1000 steps;
# it accepts a derivative and ignores it; and its history does hold the start. Where f'' < 0 Newton climbs to a maximum;
# `saddle_free=True` does not.

# %%
differences = tw.FiniteDifference(step=1e-5)
parabola = tw.Problem(loss=convex.loss, start=[0.5], domain=(-1.0, 1.0), derivatives=differences, name="parabola")
ripples = tw.Problem(
    loss=rough.loss, start=[0.6], domain=(-1.0, 1.0), minima=rough.minima, derivatives=differences, name="ripples"
)
on_parabola, on_ripples = (tw.run(p, Newton(), steps=1000, dtype="float64") for p in (parabola, ripples))
ways = {"Newton": Newton(), "saddle-free": Newton(saddle_free=True)}
climb = tw.run(rough, ways, [[0.69]], steps=20, dtype="float64")
path = on_ripples.x.values[0, 0, :, 0]
with jax.enable_x64(True):
    at, sine = jnp.array([1.0]), lambda x: jnp.sin(x[0])
    errors = []
    for scheme, words in (("central", "2.25e-08"), ("forward", "0.0004208"), ("backward", "0.0004206")):
        first = tw.FiniteDifference(1e-3, scheme).gradient(sine, at)[0] - np.cos(1.0)
        errors.append((f"error of the first derivative, {scheme}", abs(float(first)), words))
    for scheme, words in (("central", "7e-08"), ("forward", "0.00054")):
        second = tw.FiniteDifference(1e-3, scheme).hessian(sine, at)[0, 0] + np.sin(1.0)
        errors.append((f"error of the second derivative, {scheme}", abs(float(second)), words))
compare("Differences of sin at 1 with a step of 0.001", *errors)
compare(
    "Newton's method by differences",
    ("parabola: |x| after 1 step", abs(float(on_parabola.x[0, 0, 1, 0])), "< 1e-6"),
    ("  |x| at the end", abs(float(on_parabola.x[0, 0, -1, 0])), "< 1e-12"),
    ("  rows", on_parabola.sizes["step"], "1001"),
    *[(f"ripples from 0.6: x after {i}", path[i], w) for i, w in ((1, "0.56733361"), (2, "0.57351969"))],
    ("  x at the end", path[-1], "0.5734076852"),
    ("  loss at the end", float(on_ripples.loss[0, 0, -1]), "-0.3697401676"),
    ("from 0.69: slope 0 and a loss of, Newton", float(climb.loss[0, 0, -1]), "a maximum"),
    ("  saddle-free", float(climb.loss[1, 0, -1]), "a minimum"),
)
save(tw.plot.paths(climb, rough), "newton.png")

# %% [markdown]
# ## Annealing
#
# A walk that accepts a rise with the probability exp(-rise/T) leaves bad valleys while T is high and keeps to good ones
# when it has been lowered. On the ripples of 0.5, from 200 starts:

# %%
walks = {"annealing": SimulatedAnnealing(first=1.0, last=0.01, steps=300, width=0.2), "GD": gradient_descent(1e-3)}
starts = tw.starts.uniform(rough.domain, 200, key=0)
annealed = tw.run(rough, walks, starts, steps=350, key=1)
found = (np.abs(annealed.x[:, :, -1, 0] - rough.minima[0, 0]) < 0.1).mean("start").values
print(f"\nshare of starts in the lowest minimum: annealing {found[0]:.0%}, gradient descent {found[1]:.0%}")
save(tw.plot.curves(annealed), "annealing.png")

# %% [markdown]
# ## Precision
#
# The erratic path once more, in four precisions. Each departs from float64 when rounding has grown to the size of the
# valleys: after 3, 4 and 10 steps. The short formats have so few numbers that the path soon goes in a circle.

# %%
digits = tw.analysis.precision(rugged, gradient_descent(0.2), [[0.7]], steps=1000)
for i, name in enumerate(digits.dtype.values):
    parted, x = int(digits.parted[i, 0, 0]), digits.x.values[i, 0, 0, -500:, 0]
    mean = float(digits.loss[i, 0, 0, -500:].mean())
    print(f"{name:9} departs at step {parted:3}   mean loss {mean:.3f}   {np.unique(x).size:3} points in 500 steps")
side_by_side = digits.isel(variant=0, drop=True).rename(dtype="variant").isel(step=slice(0, 31))
save(tw.plot.curves(side_by_side, "x"), "precision.png")

# %% [markdown]
# ## Basins
#
# Which minimum a start reaches. Gradient descent with small steps rolls into the valley it starts in; momentum rolls
# over bumps into deeper ones; steps that are nearly too long for the valleys tear the outer basins to pieces.

# %%
rolls = {
    "GD, 0.005": gradient_descent(0.005),
    "momentum, 0.01, 0.9": momentum(0.01, 0.9),
    "GD, 0.04": gradient_descent(0.04),
}
line = tw.starts.grid(rugged.domain, 1000)
strips = tw.analysis.basins(tw.run(rugged, rolls, line, steps=2000, every=2000, dtype="float64"), radius=0.01)
save(tw.plot.basins(strips), "basins.png")

# %% [markdown]
# One dimension more, and the boundary between basins can be a fractal: Newton's method for the three complex roots of
# z^3 = 1 (Cayley 1879). However near to a boundary one starts, all three roots are near.

# %%
unity = tw.problems.roots_of_unity(3)
plane = tw.run(unity, GaussNewton(1.0), tw.starts.grid(unity.domain, 400), steps=100, every=100)
save(tw.plot.basins(tw.analysis.basins(plane)), "fractal.png")

# %% [markdown]
# ## A movie
#
# A frame for each row of a history: the lecture's movies have 174, 1000, 255, 1000 and 1001. These are the first 100 of
# the 255 with momentum, for every second start. The lecture needs a program that writes video; `save` makes do with
# imageio-ffmpeg, and writes .gif and .html without it.

# %%
reel = tw.plot.animate(heavy.isel(start=slice(0, 100, 2), step=slice(0, 100)), rugged, "curve").save(
    FOLDER / "momentum", fps=15
)
FIGURES.append(reel.path.name)

# %% [markdown]
# ## What the lecture gets wrong
#
# - Its picture of the landscape has ripples of 0.5, its experiments of 0.05.
# - It stops all starts together, which takes 174 steps where the median start needs 48; and |dx| < 1e-6 leaves x 3.8e-6
#   away from the minimum.
# - Its histories leave out the start, except Newton's; Newton never stops, and ignores the derivative it is given.
# - A step of 1e-5 is too short for second differences in float64, and of no use in float32.
# - alpha = 1 - gamma dt/m does not follow from the line above it.
# - The lower mean loss of erratic paths is no contradiction.

# %%
print("\nfigures:", *FIGURES)
