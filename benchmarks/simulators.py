"""Fits of simulators, each of which takes most of the time, against SciPy's ``least_squares`` with the same function.

Two parameters of an epidemic, S' = -b S I, I' = b S I - c I, from 20 noisy values of I, or of a curve a exp(-b t), or
of a network of torch where that is installed.
SciPy gets the function compiled by JAX with its Jacobian where there is one, and takes differences where not, by its
default "2-point" and by "3-point", as central as ours. Ratios are of medians of interleaved runs, ours without
compiling; digits are those of the parameters against SciPy's tightest answer. Below 1 thalweg is faster.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import least_squares

import thalweg as tw

TIMES, START, TRUTH = np.arange(1.0, 21.0), np.array([0.6, 0.2]), [0.9, 0.3]
METHODS = {name: getattr(tw.methods, name)() for name in ("LevenbergMarquardt", "TrustRegion", "BFGS")}
REPEATS = 5
PROGRAM = (
    "import math, sys; a, b = map(float, sys.argv[1:]); print(*[repr(a * math.exp(-b * t)) for t in range(1, 21)])"
)


class Case(NamedTuple):
    """A stage for thalweg, the same function of NumPy arrays for SciPy, and its Jacobian where there is one."""

    stage: Any
    plain: Callable[[np.ndarray], np.ndarray]
    jacobian: Any = "2-point"
    derivatives: Any = None


def motion(t, y, x):
    return jnp.stack([-x[0] * y[0] * y[1], x[0] * y[0] * y[1] - x[1] * y[1]])


def epidemic(adjoint):
    def infected(x):
        saved, steps = diffrax.SaveAt(ts=jnp.asarray(TIMES, x.dtype)), diffrax.PIDController(1e-9, 1e-11)
        start = jnp.array([0.99, 0.01], x.dtype)
        return diffrax.diffeqsolve(
            diffrax.ODETerm(motion),
            diffrax.Tsit5(),
            0.0,
            20.0,
            0.01,
            start,
            x,
            saveat=saved,
            stepsize_controller=steps,
            adjoint=adjoint,
            max_steps=4096,
        ).ys[:, 1]

    return compiled(infected, jax.jacfwd if isinstance(adjoint, diffrax.ForwardMode) else jax.jacrev)


def guarded(x):
    """An integration by 1000 small steps that raises outside of its range."""
    x = eqx.error_if(x, (x < 0).any(), "rates are positive")

    def step(y, _):
        y = y + 0.02 * motion(0.0, y, x)
        return y, y[1]

    return jax.lax.scan(step, jnp.array([0.99, 0.01], x.dtype), length=1000)[1][49::50]


def compiled(f, differentiate):
    """A stage of JAX; SciPy gets it and its Jacobian compiled, in float64."""
    value, jacobian = jax.jit(f), jax.jit(differentiate(f))

    def in_float64(g):
        def of_numpy(x):
            with jax.enable_x64(True):
                return np.asarray(g(jnp.asarray(x)))

        return of_numpy

    return Case(f, in_float64(value), in_float64(jacobian))


def integrated(x):
    def slope(_, y):
        return [-x[0] * y[0] * y[1], x[0] * y[0] * y[1] - x[1] * y[1]]

    return solve_ivp(slope, (0, 20), [0.99, 0.01], t_eval=TIMES, rtol=1e-9, atol=1e-11).y[1]


def program(x):
    words = [sys.executable, "-S", "-c", PROGRAM, *map(repr, x.tolist())]
    return np.array(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split(), float)


def called_back(x):
    shape = jax.ShapeDtypeStruct((20,), x.dtype)
    return jax.pure_callback(
        lambda x: integrated(np.asarray(x, float)).astype(x.dtype), shape, x, vmap_method="sequential"
    )


def network():
    """A network of torch of three layers, with its Jacobian; of the tests' dependencies torch is none."""
    import torch

    sizes, draw, layers = (3, 1024, 1024, 1), torch.Generator().manual_seed(0), []
    for i, o in pairwise(sizes):
        layer = torch.nn.Linear(i, o).double()
        torch.nn.init.normal_(layer.weight, std=i**-0.5, generator=draw)
        layers += [layer, torch.nn.Tanh()]
    whole = torch.nn.Sequential(*layers[:-1]).requires_grad_(False)
    times = torch.from_numpy(TIMES / 20)[:, None]

    def curve(x):
        return whole(torch.cat([x.expand(20, 2), times], 1))[:, 0]

    def forward(x):
        return curve(torch.from_numpy(x)).numpy()

    def jacobian(x):
        return torch.func.jacrev(curve)(torch.from_numpy(x)).numpy()

    return Case(tw.Stage.from_host(forward, jacobian=jacobian), forward, jacobian)


CASES = {
    "diffrax, default adjoint": epidemic(diffrax.RecursiveCheckpointAdjoint()),
    "diffrax, DirectAdjoint": epidemic(diffrax.DirectAdjoint()),
    "diffrax, ForwardMode": epidemic(diffrax.ForwardMode()),
    "equinox, raises out of range": compiled(guarded, jax.jacfwd),
    "pure_callback of solve_ivp": Case(called_back, integrated, derivatives=tw.FiniteDifference()),
    "solve_ivp, from_host": Case(tw.Stage.from_host(integrated), integrated),
    "solve_ivp, forward differences": Case(
        tw.Stage.from_host(integrated), integrated, derivatives=tw.FiniteDifference(scheme="forward")
    ),
    "a program, from_host": Case(tw.Stage.from_host(program), program),
}
if find_spec("torch"):
    CASES["a network of torch, from_host"] = network()


def seconds(f):
    began = time.perf_counter()
    f()
    return time.perf_counter() - began


def report() -> None:
    print(f"## Simulators\n\n{__doc__}")
    print("| simulator | method | digits | steps | seconds | of SciPy, as it is | of SciPy, 3-point |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, case in CASES.items():
        observed = case.plain(np.array(TRUTH)) * (1 + 0.02 * np.random.default_rng(0).normal(size=20))
        problem = tw.Problem(
            case.stage,
            loss=tw.SquaredError(observed),
            start=START,
            domain=([0.05] * 2, [3.0] * 2),
            derivatives=case.derivatives,
        )

        def fit(jac, case=case, observed=observed, **given):
            return least_squares(lambda x: case.plain(x) - observed, START, jac=jac, **given)

        best = fit("3-point" if case.jacobian == "2-point" else case.jacobian, xtol=1e-15, ftol=1e-15, gtol=1e-15).x
        others = [case.jacobian] + ["3-point"] * (case.jacobian == "2-point")
        for label, method in METHODS.items():
            fits = tw.solve(problem, method, gtol=1e-7)
            runs = [
                [
                    tw.solve(problem, method, gtol=1e-7).attrs["run_seconds"],
                    *(seconds(lambda jac=jac: fit(jac)) for jac in others),
                ]
                for _ in range(REPEATS)
            ]
            ours, *theirs = np.median(runs, axis=0)
            digits = np.clip(-np.log10(np.abs(fits.x.values[0, 0] / best - 1)), 0, 16).min()
            ratios = [f"{ours / other:.2f}" for other in theirs] + [""] * (2 - len(theirs))
            print(
                f"| {name} | {label} | {digits:.1f} | {fits.steps.item()} | {ours:.3g} | {' | '.join(ratios)} |",
                flush=True,
            )


if __name__ == "__main__":
    report()
