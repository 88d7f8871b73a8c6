"""``solve``: every start of every method until it is done."""

import time
from collections.abc import Mapping, Sequence
from functools import partial, reduce
from operator import or_
from typing import Any

import jax
import numpy as np
import xarray as xr

from thalweg.chain.problem import Problem
from thalweg.engine.evaluations import EVALUATIONS
from thalweg.engine.lanes import CORES
from thalweg.engine.recycling import INTERRUPTED, MAX_SECONDS, OUTCOMES, Program, outcomes, program, reasons
from thalweg.engine.shards import advance, build
from thalweg.engine.supply import Supply, Tile
from thalweg.methods.method import Method
from thalweg.numerics.precision import precision
from thalweg.numerics.reading import whole
from thalweg.tolerances import Condition
from thalweg.tolerances import ftol as _ftol
from thalweg.tolerances import gtol as _gtol
from thalweg.tolerances import xtol as _xtol
from thalweg.verbs import arguments
from thalweg.verbs.trace import assemble_fits

DEFAULTS = (1e-6, 0.0, 0.0)


def solve(
    problem: Problem,
    methods: Method | Mapping[str, Method] | Sequence[Method],
    starts: Any = None,
    *,
    cases: Any = None,
    gtol: float = 1e-6,
    ftol: float = 0.0,
    xtol: float = 0.0,
    until: Condition | None = None,
    max_steps: int = 1000,
    max_seconds: float | None = None,
    key: int = 0,
    dtype: Any = None,
    progress: bool | None = None,
) -> xr.Dataset:
    """Take steps of every variant of every method from every start until each is done.

    Starts share lanes: when one is done, the next takes its lane, so that none waits for another.

    Args:
        problem: the chain x -> y -> L.
        methods: one method, a list, or a dict of names; each may be a ``sweep``.
        starts: points of shape (n, d) in [x], or a pytree like ``problem.start`` with a leading axis; ``problem.start``
            if None.
        cases: data sets, a pytree of arrays with one leading axis: the same problem is solved with each as its
            ``data``, from every start.
        gtol, ftol, xtol: a start has converged where one of them is met; 0 switches one off (see ``tolerances``).
        until: instead of these, tolerances combined by ``&`` and ``|``.
        max_steps: steps of one start, 0 or more.
        max_seconds: time for all, after which the present steps are the last.
        key: seed of the random keys that methods get, one for each start.
        dtype: "float32" or "float64"; JAX's default if None.
        progress: show a progress bar; None for calls of more than a second in a terminal.

    Returns a Dataset with dims ``variant, start`` (``variant, case, start`` with cases), ``x_dim`` and ``evaluation``:

    - ``x, loss``: the best point seen, or the one where a tolerance was met; ``gradient_norm``: max_i |dL/dx_i| there,
      in [L]/[x], with bounds of the projected gradient; ``first_x`` (start, x_dim): the start itself; ``last_x,
      last_loss``: where it ended;
    - ``steps``, and ``evaluations`` of each kind: value, gradient, product (of the Hessian with a vector), jacobian,
      hessian; -1 where a method evaluates in a loop of its own, so that they cannot be counted;
    - ``outcome``, an integer with flag meanings: converged (a tolerance is met), stalled (no step improves in this
      arithmetic, but no tolerance is met), diverged (loss or gradient is not finite), exhausted (steps, time or Ctrl-C
      ended it); ``reason``, an integer with flag meanings, tells which tolerance or budget it was.

    Ctrl-C and ``max_seconds`` return what is done until then; starts that had not begun have 0 steps and the loss NaN.
    Results do not depend on how many starts there are, nor on threads.

    Raises ValueError, before anything is compiled, for anything of the above that does not fit and for a method that
    this problem cannot serve.
    """
    if not isinstance(problem, Problem):
        raise ValueError(
            f"solve was given a {type(problem).__name__}, but it takes a Problem; "
            "write Problem(*stages, loss=…, start=…)."
        )
    max_steps, key = whole(max_steps, "max_steps", 0), whole(key, "key", 0)
    until = _condition(gtol, ftol, xtol, until)
    seconds = _seconds(max_seconds)
    named, kind = arguments.named_methods(methods), precision(dtype)
    points = arguments.points(problem, starts, kind).astype(kind)
    with jax.enable_x64(kind == np.float64):
        data = arguments.cases(problem, cases, kind)
        return _execute(problem, named, points, data, until, max_steps, seconds, key, kind, progress)


def _execute(
    problem: Problem,
    methods: dict[str, Method],
    points: np.ndarray,
    cases: Any,
    until: Condition | None,
    max_steps: int,
    max_seconds: float,
    key: int,
    dtype: np.dtype,
    progress: bool | None,
) -> xr.Dataset:
    """Compile, step, assemble."""
    began, x64 = time.perf_counter(), dtype == np.float64
    common = {
        "until": jax.tree.map(dtype.type, until),
        "max_steps": np.int32(min(max_steps, 2**31 - 1)),
        "seed": np.uint32(key % 2**32),
    }
    supplies = {name: Supply(method, points, cases, common) for name, method in methods.items()}
    makers = [partial(_program, problem, name, methods[name], until, supplies[name]) for name in methods]
    programs = build(makers, x64)
    compiled = time.perf_counter()
    tiles = [
        Tile(made, supply, compiled + max_seconds)
        for made, supply in zip(programs, supplies.values(), strict=True)
        for _ in range(min(CORES, -(-supply.total // made.width)))
    ]
    total = sum(supply.total for supply in supplies.values())
    finished = advance(tiles, x64, progress, lambda: (sum(s.done for s in supplies.values()), total, "starts"))
    meanings = reasons(until)
    cut = meanings.index(MAX_SECONDS if finished else INTERRUPTED)
    for tile in tiles:
        tile.abandon(cut)
    parts = [supply.finish(made, cut) for supply, made in zip(supplies.values(), programs, strict=True)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    codes = columns.pop("code")
    columns |= {"outcome": outcomes(until)[codes], "reason": codes.astype(np.int8)}
    attributes = {
        "dtype": dtype.name,
        "key": key,
        "max_steps": max_steps,
        "compile_seconds": compiled - began,
        "run_seconds": time.perf_counter() - compiled,
        **({} if finished else {"interrupted": 1}),
    }
    flags = {"outcome": OUTCOMES, "reason": meanings}
    sizes = {"variant": -1, **({} if cases is None else {"case": len(jax.tree.leaves(cases)[0])}), "start": len(points)}
    return assemble_fits(problem, methods, sizes, points, columns, flags, EVALUATIONS, attributes)


def _program(problem: Problem, name: str, method: Method, until: Condition | None, supply: Supply) -> Program:
    with arguments.named(name, problem):
        return program(problem, method, supply.swept, supply.first_case(), until, supply.total, supply.points.dtype)


def _condition(gtol: Any, ftol: Any, xtol: Any, until: Any) -> Condition | None:
    """One condition from the three bounds, of which 0 switches one off, or the person's own."""
    if until is None:
        given = [f(bound) for f, bound in ((_gtol, gtol), (_ftol, ftol), (_xtol, xtol)) if not _is_zero(bound)]
        return reduce(or_, given) if given else None
    if not isinstance(until, Condition):
        raise ValueError(
            f"until is {until!r}, but it must combine tolerances; write e.g. tolerances.gtol(1e-8) & "
            "tolerances.xtol(1e-8)."
        )
    if (gtol, ftol, xtol) != DEFAULTS:
        raise ValueError("until was given beside gtol, ftol or xtol, but it takes their place; leave these out.")
    return until


def _is_zero(bound: Any) -> bool:
    return isinstance(bound, (int, float)) and bound == 0


def _seconds(max_seconds: Any) -> float:
    if max_seconds is None:
        return np.inf
    if isinstance(max_seconds, bool) or not isinstance(max_seconds, (int, float)) or not max_seconds > 0:
        raise ValueError(f"max_seconds is {max_seconds!r}, but a budget is a positive number; give e.g. 60.0.")
    return float(max_seconds)
