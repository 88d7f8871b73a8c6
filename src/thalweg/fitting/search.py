"""The best fit of a model of which nobody says where it begins."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, final

import numpy as np
import xarray as xr

from thalweg.chain.problem import Problem
from thalweg.engine.endings import Outcome
from thalweg.fitting.sameness import Sameness
from thalweg.methods.method import Method
from thalweg.problems.guesses import guesses
from thalweg.problems.models import model_of
from thalweg.tolerances import decrement, step
from thalweg.verbs.solve import solve

# A regression's parameters and residuals may have any units, so that no bound of the gradient means the same to all.
# With these each of NIST's reaches its certified parameters from both starts, and a search that is stuck on the way
# does not count as one that has arrived.
REGRESSION = decrement(1e-20) | step(1e-10)
MOST_STEPS = 10_000
DRAWN = 4096  # points, of which
FITTED = 64  # are fitted, half of them the best, half of the best quarter
SHORT = 300  # steps of a fit in the race
ENOUGH = 3  # fits that reach the lowest minimum
ROUNDS = 4  # of points, until so many do
LAST = 8  # of the fits that are not done in the race, which are taken to their end,
MIRRORED = 1.0  # what a negative number weighs, beside the logarithm of its size
NEAR = 100.0  # where their sum of squares is at most so many times the lowest
SECONDS = ("compile_seconds", "run_seconds")
MOST_ROWS = 4000  # observations; of more, as many take part in the race


@final
class Search(NamedTuple):
    """What a search did and saw, of the observations that took part in its rounds."""

    drawn: int  # points
    fitted: int  # of them
    ended: int  # fits that came to an end, at a minimum or where rounding rules
    reached: int  # of these, at the lowest
    minima: tuple[float, ...]  # sums of squares of different minima, the lowest first, in [L]

    @property
    def unseen(self) -> float:
        """The probability that another fit ends at a minimum that was not seen: w (w + 1) / n (n - 1) of w minima in n
        fits (Boender and Rinnooy Kan 1987, for searches from a uniform distribution and no prior knowledge)."""
        w, n = len(self.minima), self.ended
        return min(1.0, w * (w + 1) / (n * (n - 1))) if n > 1 else 1.0


def search(
    problem: Problem, methods: Mapping[str, Method], *, key: int = 0, max_steps: int = MOST_STEPS, **settings: Any
) -> tuple[xr.Dataset, Search]:
    """Fits of a formula from points whose scales come from its data, until the lowest minimum is reached several times.

    A round draws 4096 points (``problems.guesses``) and takes 64 of them up to 300 steps. Where fewer than three fits
    reached the lowest minimum, or one that is not done is lower, the best of these go on to their end. There are up to
    four rounds, until three fits have reached the lowest minimum. Of more than 4000 observations so many, drawn at
    random, take part in them, and the best fits go on with all.

    Args:
        problem: a ``regression`` or ``nist``.
        methods: by name.
        key: the seed.
        max_steps: of one fit at the end.
        settings: as ``solve`` has them.
    Returns:
        The fits, with the dims of ``solve``, starts numbered through all rounds, and what was seen.
    """
    race = _thinned(problem, key)
    settings |= {"key": key}
    rounds: list[xr.Dataset] = []
    fits = xr.Dataset()
    for turn in range(ROUNDS):
        points = _chosen(guesses(race, DRAWN, key + turn))
        fits = solve(race, methods, points, max_steps=min(SHORT, max_steps), **settings)
        rounds.append(_ended(fits, race, methods, max_steps=max_steps, **settings))
        fits = _joined(rounds)
        if _seen(fits, race).reached >= min(ENOUGH, len(points)) or "interrupted" in fits.attrs:
            break
    seen = _seen(fits, race)._replace(drawn=DRAWN * len(rounds), fitted=sum(part.sizes["start"] for part in rounds))
    if race is not problem:
        best = np.argsort(_losses(fits).min(axis=0), kind="stable")[:LAST]
        fits = solve(problem, methods, fits.x.values[0, best], max_steps=max_steps, **settings)
    return _plainest_first(fits, problem), seen


def _plainest_first(fits: xr.Dataset, problem: Problem) -> xr.Dataset:
    """The fits in another order. Of those at the lowest minimum, which may be mirror images or aliases of each other,
    that of the smallest numbers, and with the fewest negative ones, is the first, and so ``best_fit``."""
    losses, points = _losses(fits), np.asarray(fits.x.values, np.float64)
    lowest = losses <= Sameness.of(problem, fits.attrs["dtype"]).ceiling(losses.min())
    if not np.isfinite(losses.min()) or not lowest.any():
        return fits
    sizes = np.abs(points)
    least = np.maximum(sizes[lowest].min(axis=0), np.finfo(float).tiny)
    worth = np.log(np.maximum(sizes / least, 1)).sum(axis=2) + MIRRORED * (points < 0).sum(axis=2)
    worth = np.where(lowest, np.round(worth, 3), np.inf).min(axis=0)
    return fits.isel(start=np.argsort(worth, kind="stable")).assign_coords(start=fits.start.values)


def _thinned(problem: Problem, key: int) -> Problem:
    """The problem of as many of the observations as take part in the race."""
    model = model_of(problem)
    if model is None or len(model.observed) <= MOST_ROWS:
        return problem
    rows = np.sort(np.random.default_rng(key).permutation(len(model.observed))[:MOST_ROWS])
    some, loss = model.rows(rows), problem.loss
    kept = np.concatenate([rows, np.arange(len(model.observed), np.size(loss.target))])  # and the priors, which follow
    errors = {} if loss.sigma is None else {"sigma": np.asarray(loss.sigma)[kept]}
    loss = replace(loss, target=np.asarray(loss.target)[kept], **errors)
    return some.problem(problem.name, problem.start, problem.domain, loss=loss)


def _chosen(points: np.ndarray) -> np.ndarray:
    """The best points, and others evenly among the best quarter; one where all are the same, of a linear formula."""
    if np.all(points == points[0]):
        return points[:1]
    best, others = points[: FITTED // 2], points[FITTED // 2 : len(points) // 4]
    return np.concatenate([best, others[np.linspace(0, len(others) - 1, FITTED - len(best)).astype(int)]])


def _joined(rounds: list[xr.Dataset]) -> xr.Dataset:
    """One Dataset of all starts, with the seconds of all rounds."""
    if len(rounds) == 1:
        return rounds[0]
    joined = xr.concat(rounds, "start", data_vars="all", coords="minimal", combine_attrs="override")
    seconds = {name: sum(part.attrs[name] for part in rounds) for name in SECONDS}
    return joined.assign_coords(start=np.arange(joined.sizes["start"])).assign_attrs(rounds[-1].attrs | seconds)


def _losses(fits: xr.Dataset) -> np.ndarray:
    loss = np.asarray(fits.loss.values, np.float64)
    return np.where(np.isfinite(loss), loss, np.inf)


def _ended(
    fits: xr.Dataset, problem: Problem, methods: Mapping[str, Method], max_steps: int, **settings: Any
) -> xr.Dataset:
    """The fits, of which the best that are not done go on from where they are, if need be."""
    lowest, seen = _losses(fits).min(axis=0), _seen(fits, problem)
    ceiling = NEAR * lowest.min() if seen.reached < ENOUGH else seen.minima[0]
    open_ = (fits.outcome.values == Outcome.EXHAUSTED).any(axis=0) & (lowest <= ceiling)
    which = np.flatnonzero(open_)[np.argsort(lowest[open_], kind="stable")][:LAST]
    if not which.size or max_steps <= SHORT or "interrupted" in fits.attrs:
        return fits
    further = solve(problem, methods, fits.last_x.values[0, which], max_steps=max_steps, **settings)
    fits = fits.copy(deep=True)
    for name in fits.data_vars:
        if name != "first_x":
            own = fits[name].values
            added = own[:, which] if name in ("steps", "evaluations") else 0
            own[:, which] = further[name].values + added
    seconds = {name: fits.attrs[name] + further.attrs[name] for name in SECONDS}
    return fits.assign_attrs(further.attrs | seconds)


def _seen(fits: xr.Dataset, problem: Problem) -> Search:
    """The minima of different height where fits of any method ended."""
    same = Sameness.of(problem, fits.attrs["dtype"])
    ended = np.isin(fits.outcome.values, (Outcome.CONVERGED, Outcome.STALLED)) & np.isfinite(fits.loss.values)
    losses = np.sort(fits.loss.values[ended].astype(np.float64))
    minima: list[float] = []
    for loss in losses:
        if not minima or loss > same.ceiling(minima[-1]):
            minima.append(float(loss))
    reached = int((losses <= same.ceiling(minima[0])).sum()) if minima else 0
    return Search(0, 0, len(losses), reached, tuple(minima))
