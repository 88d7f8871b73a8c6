"""Benchmarks in one figure: shares of problems or targets against cost, and losses over sorted starts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from thalweg.analysis.selection import LANE_DIMS, PATH_DIMS, coordinates, judged, with_dims
from thalweg.engine.endings import Outcome

NOISE = 1e-8  # differences below this part of the losses are those of where a method stopped


def performance_profile(table: pd.DataFrame | xr.DataArray, cost: str = "evaluations") -> xr.DataArray:
    """The share of problems that each solver solves at no more than tau times the cost of the best solver.

    rho_s(tau) = |{p: r_ps <= tau}| / n_p with r_ps = t_ps / min over s of t_ps, a step function, continuous from the
    right, with values in 0 … 1. rho_s(1) is the share of problems on which s is the best, ties included, and the last
    value the share that s solves at all. A problem that no solver solves counts in n_p. The best is the best of all
    solvers in the table: leave one out and the order of two others may turn (Gould and Scott 2016).

    Args:
        table: cost t_ps > 0 in any unit, problems as rows and solvers as columns, or a DataArray with the dims problem
            and solver; NaN or infinite where a solver failed. Of fits whose starts are the problems it is
            ``fits.steps.where(fits.outcome == 0).rename(variant="solver", start="problem")``.
        cost: what was counted, in the plural; figures say it.
    Returns:
        The share, dims (solver, ratio), a pure number; ``ratio`` is 1 and every tau where a share rises. The value at
        any tau >= 1 is ``profile.sel(ratio=tau, method="ffill")``.
    Raises:
        ValueError: for a table without a problem or solver, with other dims, with text, or with a cost that is not
            positive.
    Cost:
        n_s n_p log(n_s n_p).
    Source:
        Dolan and Moré (2002), Math. Program. 91, eq. 2.1.
    """
    costs = _costs(table)
    values = costs.to_numpy()
    with np.errstate(invalid="ignore", over="ignore"):  # no solver solves the problem: infinity over infinity
        ratios = np.where(np.isfinite(values), values / values.min(axis=1, keepdims=True), np.inf)
    words = f"cost relative to the best solver (cost = {cost})"
    shares = _shares(ratios, [1.0], ("solver", "ratio"), {"solver": list(costs.columns)}, words)
    return shares.assign_attrs(long_name=f"share of problems ({len(costs)})", cost=cost)


def data_profile(
    table: pd.DataFrame | xr.DataArray, dimension: Mapping[Any, int] | pd.Series, cost: str = "function evaluations"
) -> xr.DataArray:
    """The share of problems that each solver solves within the cost of alpha simplex gradients.

    d_s(alpha) = |{p: t_ps / (n_p + 1) <= alpha}| / |P|, where n_p is the dimension of problem p, and n_p + 1
    evaluations give the gradient on a simplex. It does not depend on the other solvers.

    Args:
        table: cost t_ps > 0 in evaluations, as in ``performance_profile``.
        dimension: n_p >= 1 by the problem's label in the table.
        cost: what was counted, in the plural; figures say it.
    Returns:
        The share, dims (solver, simplex_gradients), a pure number in 0 … 1; the coordinate is 0 and every alpha where a
        share rises. The value at any alpha >= 0 is ``profile.sel(simplex_gradients=alpha, method="ffill")``.
    Raises:
        ValueError: as ``performance_profile`` does, and for a dimension that is missing or no whole number >= 1.
    Cost:
        n_s n_p log(n_s n_p).
    Source:
        Moré and Wild (2009), SIAM J. Optim. 20, eq. 2.8.
    """
    costs = _costs(table)
    simplex = np.array([[_dimension(dimension, problem) + 1] for problem in costs.index])
    words = f"simplex gradients (cost = {cost} / (n + 1))"
    dims = ("solver", "simplex_gradients")
    shares = _shares(costs.to_numpy() / simplex, [0.0], dims, {"solver": list(costs.columns)}, words)
    return shares.assign_attrs(long_name=f"share of problems ({len(costs)})", cost=cost)


def ecdf(
    trace: xr.Dataset | Mapping[str, xr.Dataset], targets: Sequence[float] | Mapping[str, Sequence[float]]
) -> xr.DataArray:
    """The share of all pairs of a start and a target that each variant reaches within so many steps.

    A pair is reached at the first recorded step whose loss is at or below the target; pairs of all starts, targets and
    problems weigh the same. The result is the empirical distribution of these runtimes, without the simulated restarts
    of COCO: what is not reached by the last step counts as never reached. A loss that is not finite reaches nothing.

    Args:
        trace: what ``run`` returned, or several by the name of their problem, all with the same variants.
        targets: losses in [L], with several traces a list for each name; COCO takes 51 between 100 and 1e-8 above the
            minimum, even in the logarithm.
    Returns:
        The share, dims (variant, step), a pure number in 0 … 1, with the coordinates of the variants; ``step`` is the
        first and last recorded step and every one where a share rises. The value at any step is
        ``share.sel(step=k, method="ffill")``.
    Raises:
        ValueError: for a Dataset without loss by variant, start and step, for targets that are none or not finite, and
            for names or variants that do not agree.
    Cost:
        One pass over the losses for each target.
    Source:
        Hansen et al. (2016), arXiv:1605.03560.
    """
    several = isinstance(trace, Mapping) and not isinstance(trace, xr.Dataset)
    traces: Any = trace if several else {"": trace}
    goals: Any = targets if several else {"": targets}
    if several and not (traces and isinstance(goals, Mapping) and set(goals) == set(traces)):
        raise ValueError(
            f"traces are given for {_names(traces)} and targets for {_names(goals)}; give both by the same names, "
            "e.g. ecdf({'ackley': trace}, {'ackley': [1.0, 0.1]})."
        )
    losses = {name: judged(given, {"loss": PATH_DIMS}, "run").loss for name, given in traces.items()}
    first = next(iter(losses.values()))
    for name, loss in losses.items():
        if loss.variant.values.tolist() != first.variant.values.tolist():
            raise ValueError(
                f"the trace {name!r} has other variants than the first; run the same methods on each problem."
            )
    runtimes = np.concatenate([_runtimes(loss, _targets(goals[name])) for name, loss in losses.items()])
    ends = [end for loss in losses.values() for end in loss.step.values[[0, -1]]]
    shares = _shares(runtimes, ends, ("variant", "step"), coordinates(first, ("variant",)), "steps")
    words = f"share of pairs of start and target ({len(runtimes)}{f', {len(traces)} problems' if several else ''})"
    names = {} if several else {"problem": traces[""].attrs.get("problem", "problem")}
    return shares.assign_attrs(long_name=words, cost="steps", **names)


def waterfall(fits: xr.Dataset) -> xr.Dataset:
    """The starts of each variant, sorted by the loss that they ended with, so that minima found often are level.

    Losses that are not finite come last, as they are.

    Args:
        fits: what ``solve`` returned, or a selection of it; of several cases, one.
    Returns:
        A Dataset with dims (variant, rank), ``rank`` 0 being the lowest loss: ``loss`` in [L], ``start``, the label of
        the start that it belongs to, ``outcome``, and ``level``, whether it is the lowest loss of all but for where the
        method stopped; level ones are in the order of their starts.
    Raises:
        ValueError: for several cases, and for a Dataset without loss and outcome by variant and start.
    Cost:
        A sort for each variant.
    Source:
        Raue et al. (2013), PLoS ONE 8:e74335, for the plot of multi-start fits.
    """
    if isinstance(fits, xr.Dataset) and "case" in fits.dims:
        raise ValueError(
            f"the fits have {fits.sizes['case']} cases, but a waterfall is of one; select it, e.g. fits.isel(case=0)."
        )
    known = {"x", "gradient_norm"} & set(fits.variables if isinstance(fits, xr.Dataset) else ())
    fits = judged(fits, dict.fromkeys(("loss", "outcome"), LANE_DIMS), "solve", dict.fromkeys(known, LANE_DIMS))
    level = _level(fits)
    loss = np.where(level, fits.loss.min(), np.where(np.isfinite(fits.loss), fits.loss, np.inf))
    order = np.argsort(loss, axis=1, kind="stable")
    fits = fits[["loss", "outcome"]].assign(level=(("variant", "start"), level))
    ranked = fits.isel(start=xr.DataArray(order, dims=("variant", "rank"))).reset_coords("start")
    return ranked.assign_coords(rank=np.arange(order.shape[1]))


def _level(fits: xr.Dataset) -> np.ndarray:
    """Which fits have the lowest loss of all but for where they stopped, shape (variant, start).

    A converged fit x with gradient g and the lowest one x' with g' differ by at most |x - x'|_1 max(|g|, |g'|) where
    the loss is convex between a fit and its minimum; without points and gradients, by ``NOISE`` of the losses.
    """
    loss = fits.loss.values.astype(float)
    finite = np.isfinite(loss)
    if not finite.any():
        return finite
    above = np.where(finite, loss, np.inf) - loss[finite].min()
    bound = np.full(loss.shape, NOISE * max(abs(loss[finite].min()), above[finite].max()))
    if {"x", "gradient_norm"} <= set(fits.variables):
        best = np.unravel_index(np.argmin(np.where(finite, loss, np.inf)), loss.shape)
        x, slope = fits.x.values, fits.gradient_norm.values
        apart, slope = np.abs(x - x[best]).sum(axis=-1), np.maximum(slope, slope[best])
        done = (fits.outcome.values == Outcome.CONVERGED) & np.isfinite(apart * slope)
        bound = np.maximum(bound, np.where(done, apart * slope, 0))
    return above <= bound


def _costs(table: Any) -> pd.DataFrame:
    """The table with positive costs, infinite where a solver failed, and the names of the solvers as text."""
    dims = ("problem", "solver")
    if isinstance(table, xr.DataArray) and set(table.dims) <= set(dims) <= {*table.dims, *table.coords}:
        table = with_dims(table.to_dataset(name="cost"), {"cost": dims})["cost"].to_pandas()
    if not isinstance(table, pd.DataFrame):
        given = f"dims {', '.join(map(str, table.dims))}" if isinstance(table, xr.DataArray) else type(table).__name__
        raise ValueError(
            f"the table of costs is given as {given}, but it has problems as rows and solvers as columns; "
            "give a pandas.DataFrame, or an xarray.DataArray with the dims problem and solver."
        )
    if table.empty:
        raise ValueError(
            f"the table has {len(table)} problems and {table.shape[1]} solvers, but it needs one of each at least; "
            "give problems as rows and solvers as columns."
        )
    solvers = [str(name) for name in table.columns]
    for name, dtype in zip(solvers, table.dtypes, strict=True):
        if solvers.count(name) > 1 or dtype.kind not in "iuf":
            fault = f"has the type {dtype}" if dtype.kind not in "iuf" else "comes more than once"
            raise ValueError(
                f"the column {name!r} {fault}, but a solver has one column of numbers; give its costs, NaN where it "
                "failed, and the names of the problems as the index."
            )
    values = table.to_numpy(float, na_value=np.nan)
    if (values <= 0).any():
        row, column = np.argwhere(values <= 0)[0]
        raise ValueError(
            f"the cost of {solvers[column]!r} on {table.index[row]!r} is {values[row, column]:g}, but a cost is "
            "positive; give NaN or infinity where a solver failed."
        )
    return pd.DataFrame(np.where(np.isfinite(values), values, np.inf), table.index, solvers)


def _dimension(dimension: Any, problem: Any) -> int:
    if not isinstance(dimension, (Mapping, pd.Series)) or problem not in dimension:
        raise ValueError(
            f"the dimension of problem {problem!r} is missing; give a dict or pandas.Series with that of each problem."
        )
    n = dimension[problem]
    if not (isinstance(n, (int, float, np.integer, np.floating)) and n >= 1 and n % 1 == 0):
        raise ValueError(f"the dimension of problem {problem!r} is {n!r}, but it must be a whole number of at least 1.")
    return int(n)


def _targets(targets: Any) -> np.ndarray:
    try:
        values = np.asarray(targets, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or values.size == 0 or not np.isfinite(values).all():
        raise ValueError(f"targets are {targets!r}, but they are a list of finite losses; give e.g. [1.0, 0.1, 0.01].")
    return values


def _runtimes(loss: xr.DataArray, targets: np.ndarray) -> np.ndarray:
    """The first step at which each target is reached, infinite where none is, shape (targets * starts, variants)."""
    values, steps = np.asarray(loss, np.float64), loss.step.values
    values = np.where(np.isfinite(values), values, np.inf)
    rows = []
    for target in targets:
        reached = values <= target
        rows.append(np.where(reached.any(-1), steps[reached.argmax(-1)], np.inf).T)
    return np.concatenate(rows)


def _shares(
    values: np.ndarray, ends: Sequence[float], dims: tuple[str, str], names: Mapping[str, Any], words: str
) -> xr.DataArray:
    """The distribution function of each column of ``values``, at ``ends`` and wherever one of them rises."""
    at = np.unique(np.append(values[np.isfinite(values)], ends)).astype(np.asarray(ends).dtype)
    shares = [np.searchsorted(np.sort(column), at, side="right") / len(values) for column in values.T]
    return xr.DataArray(np.array(shares), {**names, dims[1]: (dims[1], at, {"long_name": words})}, dims, "share")


def _names(given: Any) -> str:
    return ", ".join(map(repr, given)) or "none" if isinstance(given, Mapping) else "no name"
