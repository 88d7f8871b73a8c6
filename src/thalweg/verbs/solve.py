"""``solve``: every start of every method until it is done."""

import time
import warnings
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from thalweg import tolerances
from thalweg.chain.problem import Problem
from thalweg.engine.endings import OUTCOMES, Ending, outcomes, reasons
from thalweg.engine.evaluations import EVALUATIONS
from thalweg.engine.failures import tell_of_the_host
from thalweg.engine.hardware import devices, present
from thalweg.engine.plan import Task, plan
from thalweg.engine.recycling import Finishing, Rules
from thalweg.engine.shards import Progress, advance, build
from thalweg.engine.supply import Supply, Tile
from thalweg.methods.method import Method
from thalweg.numerics.reading import whole
from thalweg.verbs.arguments import task
from thalweg.verbs.trace import assemble_fits, fetch_xarray, history

if TYPE_CHECKING:
    import xarray as xr

KIND = {"gtol": tolerances.gtol, "ftol": tolerances.ftol, "xtol": tolerances.xtol}


def solve(
    problem: Problem,
    methods: Method | Mapping[str, Method] | Sequence[Method],
    starts: Any = None,
    *,
    cases: Any = None,
    gtol: float | None = None,
    ftol: float | None = None,
    xtol: float | None = None,
    until: tolerances.Condition | None = None,
    max_steps: int = 1000,
    max_seconds: float | None = None,
    key: int = 0,
    dtype: Any = None,
    progress: Progress = None,
) -> "xr.Dataset":
    """Take steps of every variant of every method from every start until each is done.

    Starts share lanes: when one is done, the next takes its lane, so that none waits for another. Lanes are laid over
    all devices, and x may be divided among them, as in ``run``.

    Args:
        problem: the chain x -> y -> L.
        methods: one method, a list, or a dict of names; each may be a ``sweep``.
        starts: points of shape (n, d) in [x], or a pytree like ``problem.start`` with a leading axis; ``problem.start``
            if None. With cases also (cases, n, d), where each has starts of its own.
        cases: data sets, a pytree of arrays with one leading axis: the same problem is solved with each as its
            ``data``, from every start.
        gtol, ftol, xtol: a start has converged where one of them is met; 0 switches one off (see ``tolerances``). A
            gtol that is given, in [L]/[x], is met by the gradient alone. If None, it is 1e-6 together with a short step
            to go, ``tolerances.step`` of 1e-6 (3.5e-4 in float32), and a very short one is enough alone, of 3.7e-11
            (1e-6): so small and large units of L and x end alike. ftol and xtol, pure numbers, are off if None.
        until: instead of these, tolerances combined by ``&`` and ``|``.
        max_steps: steps of one start, 0 or more.
        max_seconds: time for all in s, positive, after which the present steps are the last; None for no limit.
        key: seed of the random keys that methods get, one for each start; a whole number of 0 or more.
        dtype: "float32" or "float64", which is also what None means: what float32 cannot hold is no answer.
        progress: show a progress bar; None for calls of more than a second in a terminal. Or a function (done, total)
            that is called ten times a second; where it gives False, the call ends as by Ctrl-C.
    Returns:
        A Dataset with dims ``variant, start`` (``variant, case, start`` with cases), ``x_dim`` and ``evaluation``
        (docs/schema.md has all):

        - ``x`` in [x] and ``loss`` in [L]: the best point seen, or the one where a tolerance was met;
          ``gradient_norm``: max_i |dL/dx_i| there, in [L]/[x], with bounds of the projected gradient; ``first_x``
          (start, x_dim): the start itself; ``last_x, last_loss``: where it ended;
        - ``steps``, and ``evaluations`` of each kind: value, gradient, product (of the Hessian with a vector),
          jacobian, hessian; -1 where a method evaluates in a loop of its own, so that they cannot be counted;
        - ``outcome``, an integer with flag meanings: converged (a tolerance is met), stalled (no step improves in this
          arithmetic, but no tolerance is met; it rests at a saddle point; or the gradient is not finite at the lowest
          loss, as at a kink), diverged (the loss is not finite, or the gradient elsewhere), exhausted
          (steps, time or Ctrl-C ended it); ``reason``, an integer with flag meanings, tells which tolerance or budget
          it was.

        Ctrl-C and ``max_seconds`` return what is done until then; starts that had not begun have 0 steps and the loss
        NaN.

        A saddle point or maximum is no end for ``TrustRegion`` and ``Newton(saddle_free=True)``, and ``Newton`` is
        stalled there (reason ``saddle``). Other methods do not know the curvature, ``NewtonCG`` only along its
        directions: one that comes to lie there, or starts there, meets ``gtol`` (``analysis.basins`` with the problem
        tells).

        Results do not depend on threads, nor on how many starts there are, where lanes are small and cheap: up to 4 kB
        of state (``BFGS`` and ``TrustRegion`` of 20 components, gradient descent of 100) and 1e4 operations of one
        loss. Larger lanes are not filled up where starts are few, and XLA rounds otherwise: then ends agree as far as
        the tolerance decides, and the steps to them may differ by some.
    Raises:
        ValueError: before anything is compiled, for anything of the above that does not fit, for ``until`` beside one
            of gtol, ftol and xtol, and for a method that this problem cannot serve.
    Cost:
        The steps of all starts, and less than a block of 8 more for each, of 32 on a GPU; memory of a few tiles of
        lanes, whatever the number of starts, beside the starts and their results.
    Example:
        >>> problem = tw.problems.rosenbrock(2)
        >>> fits = tw.solve(problem, tw.methods.BFGS(), [[-1.2, 1.0], [0.0, 0.0]])
        >>> fits.x.values[0].round(4).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
        >>> [tw.analysis.OUTCOMES[code] for code in fits.outcome.values[0]]
        ['converged', 'converged']
    """
    max_steps = whole(max_steps, "max_steps", 0)
    bounds, seconds = {"gtol": gtol, "ftol": ftol, "xtol": xtol}, _seconds(max_seconds)
    conditions = _conditions(bounds, until)
    given = task("solve", problem, methods, starts, cases=cases, key=key, dtype=dtype, double=True)
    if gtol is None and until is None:
        conditions = [tolerances.default(float(np.finfo(given.dtype).eps)), *conditions]
    return _finish(given, reduce(or_, conditions) if conditions else None, max_steps, seconds, progress)


def _finish(
    task: Task, until: tolerances.Condition | None, max_steps: int, max_seconds: float, progress: Progress
) -> "xr.Dataset":
    """Plan, compile, step, assemble."""
    hardware, verb = present(), Finishing(until)
    rules = Rules(jax.tree.map(task.dtype.type, until), np.int32(min(max_steps, 2**31 - 1)))
    began = time.perf_counter()
    with jax.enable_x64(task.x64):
        plans = [plan(task, name, verb, rules, hardware, devices()) for name in task.methods]
    fetch_xarray()
    programs = build([plan.build for plan in plans], task.x64)
    compiled = time.perf_counter()
    supplies = [Supply(plan.items, plan.hardware) for plan in plans]
    tiles = [
        Tile(program, supply, compiled + max_seconds)
        for program, supply in zip(programs, supplies, strict=True)
        for _ in range(min(program.hardware.threads, -(-supply.items.total // program.width)))
    ]
    total = sum(supply.items.total for supply in supplies)
    state = lambda: (sum(supply.done for supply in supplies), total, "starts")  # noqa: E731
    host = any(plan.of.cost.host for plan in plans)
    finished = advance(tiles, min(plan.hardware.threads for plan in plans), task.x64, progress, state, host)
    cut = Ending.MAX_SECONDS if finished else Ending.INTERRUPTED
    for tile in tiles:
        tile.abandon(cut)
    tell_of_the_host(task.problem)
    _tell([error for supply in supplies for error in supply.raised], total)
    parts = [supply.finish(program, cut) for supply, program in zip(supplies, programs, strict=True)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    codes = columns.pop("code")
    columns |= {"outcome": outcomes(codes), "reason": codes.astype(np.int8)}
    flags = {"outcome": OUTCOMES, "reason": reasons(until)}
    attributes = history(task, began, compiled, max_steps=max_steps, **({} if finished else {"interrupted": 1}))
    return assemble_fits(task, columns, flags, EVALUATIONS, attributes)


def _tell(raised: list[Exception], total: int) -> None:
    """What functions raised: the first of it, where nothing else came of the call, or else a warning."""
    if len(raised) == total:
        raise raised[0]
    if raised:
        lost = f"{raised[0]} This ended {len(raised)} of {total} starts, which are diverged; the others are done."
        warnings.warn(lost, RuntimeWarning, stacklevel=4)


def _conditions(bounds: dict[str, Any], until: Any) -> list[tolerances.Condition]:
    """Those that were given: bounds, of which 0 switches one off, or the person's own condition."""
    if until is None:
        given = [(name, bound) for name, bound in bounds.items() if bound is not None]
        return [KIND[name](bound) for name, bound in given if not _is_zero(bound)]
    if not isinstance(until, tolerances.Condition):
        raise ValueError(
            f"until is {until!r}, but it must combine tolerances; write e.g. tolerances.gtol(1e-8) & "
            "tolerances.xtol(1e-8)."
        )
    if beside := [name for name, bound in bounds.items() if bound is not None]:
        raise ValueError(
            f"until was given beside {' and '.join(beside)}, but it takes their place; leave out one or the other."
        )
    return [until]


def _is_zero(bound: Any) -> bool:
    return isinstance(bound, (int, float)) and bound == 0


def _seconds(max_seconds: Any) -> float:
    if max_seconds is None:
        return np.inf
    if isinstance(max_seconds, bool) or not isinstance(max_seconds, (int, float)) or not max_seconds > 0:
        raise ValueError(f"max_seconds is {max_seconds!r}, but a budget is a positive number; give e.g. 60.0.")
    return float(max_seconds)
