"""Where a method ends for each value of a hyperparameter: rest, cycles, chaos, and the values between them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.analysis.cycles import final_period
from thalweg.analysis.lyapunov import flattened, one_start
from thalweg.chain.problem import Problem
from thalweg.engine.plan import Task
from thalweg.engine.shards import Progress
from thalweg.methods.sweeps import hyperparameters, leaf_name
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import whole
from thalweg.verbs.arguments import task
from thalweg.verbs.run import follow

CLOSE = 1e-6  # relative distance of two values within which they are one doubling
NEWTON, HALVINGS = 30, 45  # steps that find a cycle, and halvings of an interval of the hyperparameter


def bifurcation(
    problem: Problem,
    method: Any,
    start: Any = None,
    steps: int = 1000,
    keep: int = 200,
    *,
    dtype: Any = None,
    progress: Progress = None,
) -> xr.Dataset:
    """The last ``keep`` iterates of ``steps`` from one start, for every variant of a method.

    Args:
        problem: the chain x -> y -> L.
        method: a ``sweep``, or a dict of several.
        start: one point in [x]; ``problem.start`` if None.
        steps: how many, 1 or more.
        keep: how many of the last points are recorded, 1 … ``steps``.
        dtype: as in ``run``.
        progress: as in ``run``; what is stopped before the last ``keep`` points raises KeyboardInterrupt.
    Returns:
        A Dataset with dims ``variant, iterate`` and one ``<space>_dim`` per space: ``x``, every space and ``loss``; and
        ``period`` (variant): 1 at rest, p on a cycle of p points, up to 32; 0 for what never returns, such as chaos.
        The coordinate ``iterate`` is the number of the step.
    Raises:
        ValueError: for more to keep than there are steps, for several starts, and as ``run`` does.
    Cost:
        ``steps`` steps for each variant.
    """
    steps = whole(steps, "steps", 1)
    keep = whole(keep, "keep", 1)
    if keep > steps:
        raise ValueError(f"keep is {keep}, but there are {steps} steps; keep at most as many.")
    return _late(one_start(task("bifurcation", problem, method, start, dtype=dtype, half=True)), steps, keep, progress)


def _late(given: Task, steps: int, keep: int, progress: Progress = None) -> xr.Dataset:
    trace = follow(given, steps, steps - keep + 1, 1, progress=progress)
    if trace.sizes["step"] < 2:
        raise KeyboardInterrupt
    late = trace.isel(start=0, step=slice(1, None)).rename(step="iterate").drop_vars("start")
    late["period"] = "variant", final_period(late["x"].transpose("variant", "iterate", "x_dim").values)
    return late


def doublings(
    problem: Problem, method: Any, start: Any = None, steps: int = 1000, *, longest: int = 16
) -> xr.DataArray:
    """The values of a swept hyperparameter at which a cycle of p points gives way to one of 2 p.

    A cycle is a fixed point z = F^p(z) of p updates of z = (x, state). It loses its stability to one of twice the
    period where DF^p has the eigenvalue -1. The sweep is only asked which cycles there are; each cycle is then found by
    Newton's method on z - F^p(z), and the value where det(DF^p + 1) changes its sign by bisection, in float64.

    Args:
        problem: the chain x -> y -> L.
        method: one method, swept over one hyperparameter, fine enough to see each cycle in turn.
        start: one point in [x]; ``problem.start`` if None.
        steps: before the cycle is looked at, 1 or more.
        longest: the longest cycle p to look for, at most 16.
    Returns:
        The values, dim ``doubling``, in the units of the hyperparameter, NaN where the cycle could not be followed; the
        coordinate ``period`` holds p. Ratios of successive differences tend to Feigenbaum's 4.6692.
    Raises:
        ValueError: unless exactly one hyperparameter is swept, for several starts, and as ``run`` does.
    Cost:
        A ``bifurcation``, and for each doubling some 45 x 30 Jacobians of p updates after ``steps`` steps.
    Source:
        Feigenbaum (1978), J. Stat. Phys. 19, 25-52.
    """
    given = one_start(task("doublings", problem, method, start, dtype="float64"))
    name, values = _swept(method)
    first, steps = given.points[0], whole(steps, "steps", 1)
    period = _late(given, steps, min(steps, 12 * longest))["period"].values
    order = np.argsort(values)
    values, period = values[order], period[order]
    search = _search(problem, method, name, steps)
    known = np.flatnonzero(period)
    found: list[tuple[int, float]] = []
    for i, j in pairwise(known):
        p = int(min(period[i], period[j]))
        if max(period[i], period[j]) == 2 * p <= 2 * longest:
            (low, high), away = ((i, j), 1) if period[i] == p else ((j, i), -1)
            # Just before the doubling a path that comes to rest slowly looks like a cycle of 2 p, so go further.
            beyond = [high + away * k for k in (0, 1, 3, 7, 15, 31, 63) if 0 <= high + away * k < len(values)]
            tries = (search(values[low], values[k], first, p) for k in beyond if period[k] == 2 * p)
            where = next((where for where in tries if np.isfinite(where)), np.nan)
            found = _added(found, p, float(where))
    return xr.DataArray(
        np.array([where for _, where in found]),
        {"period": ("doubling", np.array([p for p, _ in found], int))},
        "doubling",
        name,
        {"problem": problem.name},
    )


def _added(found: list[tuple[int, float]], p: int, where: float) -> list[tuple[int, float]]:
    """The doublings with one more. Around one paths take long to come to rest and their periods go to and fro, so that
    it is met several times: it counts once, where it was followed."""
    again = bool(found) and found[-1][0] == p and not abs(where - found[-1][1]) > CLOSE * abs(where)
    if not again:
        return [*found, (p, where)]
    before = found[-1][1]
    return [*found[:-1], (p, before if np.isfinite(before) else where)]


def _swept(method: Any) -> tuple[str, np.ndarray]:
    axes = {name: leaf for name, leaf in hyperparameters(method).items() if np.unique(leaf).size > 1}
    if len(axes) != 1:
        raise ValueError(
            f"{', '.join(axes) or 'nothing'} is swept, but period doublings lie along one hyperparameter; "
            "give e.g. sweep(gradient_descent(0.1), learning_rate=np.linspace(0.1, 1, 200))."
        )
    return next(iter(axes.items()))


def _search(problem: Problem, method: Any, name: str, steps: int) -> Callable[..., float]:
    """A function of (stable, beyond, start, p): the value between the first two at which the cycle of p points has the
    multiplier -1, or NaN."""

    def at(value: Array) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, leaf: value if leaf_name(path) == name else jnp.ravel(jnp.asarray(leaf, value.dtype))[0],
            method,
        )

    def settle(value: Array, x: Array) -> tuple[Array, Any]:
        """(x, state) after many steps."""
        m = at(value)
        return jax.lax.fori_loop(
            0, steps, lambda _, lane: m.step(problem, *lane), (x, m.init(problem, x, jax.random.key(0)))
        )

    def round_trip(value: Array, lane: Any, z: Array, p: Array) -> Array:
        """F^p(z)."""
        x, state = jax.lax.fori_loop(0, p, lambda _, lane: at(value).step(problem, *lane), flattened(*lane)[1](z))
        return flattened(x, state)[0]

    @jax.jit
    @products_in_full()
    def search(low: Array, high: Array, x: Array, p: Array) -> Array:
        lane = settle(low, x)
        z = flattened(*lane)[0]
        one = jnp.eye(len(z))

        def cycle(value: Array, z: Array) -> tuple[Array, Array]:
            """The cycle near z, and det(DF^p + 1) there."""
            jacobian = jax.jacfwd(round_trip, 2)

            def improve(_: Any, z: Array) -> Array:
                return z - jnp.linalg.solve(one - jacobian(value, lane, z, p), z - round_trip(value, lane, z, p))

            z = jax.lax.fori_loop(0, NEWTON, improve, z)
            return z, jnp.linalg.det(jacobian(value, lane, z, p) + one)

        z, sign = cycle(low, z)

        def halve(_: Any, bracket: Any) -> Any:
            low, high, z = bracket
            middle = (low + high) / 2
            there, value = cycle(middle, z)
            before = value * sign > 0
            return jnp.where(before, middle, low), jnp.where(before, high, middle), jnp.where(before, there, z)

        changes = cycle(high, z)[1] * sign < 0
        low, high, _ = jax.lax.fori_loop(0, HALVINGS, halve, (low, high, z))
        return jnp.where(changes, (low + high) / 2, jnp.nan)

    def call(stable: float, beyond: float, start: np.ndarray, p: int) -> float:
        with jax.enable_x64(True):
            return float(search(*(jnp.asarray(v, jnp.float64) for v in (stable, beyond, start)), p))

    return call
