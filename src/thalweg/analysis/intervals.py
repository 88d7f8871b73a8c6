"""How far each parameter can move before the fit becomes too bad: profile-likelihood intervals."""

import math
from functools import lru_cache
from typing import final

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jax import Array

from thalweg.analysis.prediction import LEVEL, check_level, quantile_of
from thalweg.analysis.refits import is_bounded, refit, squares_of
from thalweg.analysis.spread import Judged, check_plain, judged, sigma_of
from thalweg.analysis.uncertainties import best_fit
from thalweg.analysis.whole import Table
from thalweg.chain.problem import Problem

CLOSE = 1e-10  # parts of the quantile to which an end is found
STRIDES = {"factor": 3.0, "maxiter": 12}  # of the search for a bracket: up to a million standard errors
LOWER, ROUNDING = 1e-6, 1e-12  # of s^2 and of |r|^2, by which no refit falls below a minimum
SEEN = 1e-9  # parts of x, below which an end is no other number than the fit
FAR = 1e3  # quantiles, in the place of what is not finite

OPEN = "L stays below the level"
BOUND = "at its bound"
LEAP = "L leaps over the level"
NO_MINIMUM = "L falls below that of the fit"
FIXED = "fixed"
NO_FREEDOM = "no degree of freedom is left"


def profile_intervals(
    fits: xr.Dataset, problem: Problem, level: float = LEVEL, bounded: bool | None = None
) -> pd.DataFrame:
    """Intervals of the parameters of the best fit by their profiles, which know that a model is curved.

    The profile of a parameter is RSS(c) = min |r|^2 over all others, where it is held at c, with r = (y - target) /
    sigma. Its interval ends, to both sides, where tau = sqrt(RSS(c) - RSS) / s has the quantile (1 + level) / 2 of
    Student's t with m - d degrees of freedom: RSS(c) = RSS + s^2 F(level; 1, m - d). Where sigma is absolute, s is 1
    and the quantile that of the normal distribution, RSS(c) = RSS + chi^2(level; 1). For a model that is linear in its
    parameters these are x -+ t standard errors (``uncertainty``). So has R's ``confint`` of ``nls``, and MINOS with an
    absolute sigma.

    The fit is first taken to its minimum; a parameter at a bound has the bound for one end, and d does not count it.

    Args:
        fits: what ``solve`` returned, or a selection of it.
        problem: the problem that was solved, whose loss is a ``SquaredError``.
        level: of the intervals, a pure number between 0 and 1.
        bounded: whether parameters stay in the problem's domain; None where a person gave bounds to a
            ``problems.regression``, and for every problem with a domain that is no formula.
    Returns:
        A DataFrame with a row for each parameter: ``value``, ``lower`` and ``upper`` in [x], and a ``note`` on each end
        that is no root of tau: infinite where L stays below the level for a million standard errors; the bound, where
        that comes first; where L leaps over the level, as where the model gives no number beyond; NaN where L falls
        below that of the fit, which then was no minimum, where a parameter is fixed and where no degree of freedom is
        left.
    Raises:
        ValueError: for a level that is none; for ``bounded`` without a domain; as ``best_fit`` and ``uncertainty`` do.
    Cost:
        About eight rounds of 4 d fits with a parameter held, from where those before ended; one program.
    Source:
        Bates and Watts (1988), section 6.1; James and Roos (1975) for MINOS.
    Example:
        >>> table = {"x": [0.0, 1.0, 2.0, 3.0, 4.0], "y": [3.0, 1.9, 1.1, 0.7, 0.5]}
        >>> decay = tw.problems.regression(table, "a*exp(-k*x)", "y")
        >>> intervals = tw.analysis.profile_intervals(tw.solve(decay, tw.methods.LevenbergMarquardt()), decay)
        >>> print(intervals[["lower", "upper"]].round(3))
                   lower  upper
        parameter
        a          2.853  3.158
        k          0.432  0.527
    """
    check_level(level)
    bounded, d = is_bounded(problem, bounded), problem.dimension
    best = best_fit(fits)
    check_plain(problem, "profile intervals")
    judged(best, problem)  # refuses what is no sum of squares
    profiled, nobody = _profiled(problem), np.zeros((2 * d, d), bool)
    here = {"held": nobody, "value": np.zeros(2 * d), "scale": np.ones(2 * d)}  # as many as later: one program
    top = refit(profiled, np.tile(best["x"].values, (2 * d, 2, 1)), here, bounded).isel(case=0, start=0)
    least = judged(top, problem)
    q = quantile_of(problem, least.spread, level)
    low, high = problem.domain if bounded and problem.domain is not None else np.array([[-np.inf] * d, [np.inf] * d])
    if np.isfinite([float(least.spread.scale), q]).all():
        ends, notes = _ends(_Profiles(profiled, bounded, top, least, sigma_of(problem), (low, high), q))
    else:
        ends, notes = np.full((d, 2), np.nan), np.full((d, 2), NO_FREEDOM)
    words = [FIXED if same else _note(*map(str, pair)) for same, pair in zip(low == high, notes, strict=True)]
    names = pd.Index(problem.chain.spaces[0].labels, name="parameter")
    lower, upper = np.where(low == high, np.nan, ends.T)
    return Table({"value": top["x"].values, "lower": lower, "upper": upper, "note": words}, index=names)


def _note(lower: str, upper: str) -> str:
    both = {"lower": lower, "upper": upper}
    return upper if lower == upper else "; ".join(f"{end} end: {note}" for end, note in both.items() if note)


@lru_cache(maxsize=4)
def _profiled(problem: Problem) -> Problem:
    """The same sum of squares where a component is held at a value: the residual there, and one more, how far x is from
    the value, which the other components do not change and the first step makes 0."""
    factor = math.sqrt(2 * problem.loss.factor)

    def residual(x: Array, at: dict[str, Array]) -> Array:
        there = jnp.where(at["held"], at["value"], x)
        apart = jnp.sum(jnp.where(at["held"], (x - at["value"]) / at["scale"], 0))
        return jnp.append(problem.residual(there) / factor, apart)

    return squares_of(residual, problem)


def _ends(profiles: "_Profiles") -> tuple[np.ndarray, np.ndarray]:
    """Where tau is the quantile, to both sides of each parameter, (d, 2), and what is to be said where it is not."""
    lanes = np.arange(len(profiles.each))
    found, why = np.full(len(lanes), np.inf), np.where(np.isfinite(profiles.reach), BOUND, OPEN).astype(object)
    from scipy.optimize.elementwise import bracket_root, find_root  # which takes a while to import

    within = bracket_root(profiles.off, 0.0 * lanes, profiles.q + 0.0 * lanes, xmin=0.0, args=(lanes,), **STRIDES)
    held = lanes[within.success]
    if held.size:
        bracket, close = [side[held] for side in within.bracket], {"fatol": CLOSE * profiles.q, "xrtol": 1e-14}
        root = find_root(profiles.off, tuple(bracket), args=(held,), tolerances=close)
        found[held] = root.x
        off = np.abs(root.f_x) > 1e-6 * profiles.q  # of exact data both ends are the fit, to rounding
        seen = root.x * profiles.scale[profiles.each[held]] > SEEN * np.abs(profiles.x[profiles.each[held]])
        why[held] = np.where(off & seen, LEAP, "")
    why[profiles.fell] = NO_MINIMUM
    found = np.where(why == NO_MINIMUM, np.nan, np.minimum(found, profiles.reach))
    return profiles.value(found).reshape(-1, 2), why.reshape(-1, 2)


@final
class _Profiles:
    """tau(u) of each parameter to both sides, u standard errors from a fit: lanes (lower, upper) of the first
    parameter, then of the next. All are refitted together, each from where its own refits have led so far."""

    def __init__(
        self,
        problem: Problem,
        bounded: bool,
        top: xr.Dataset,
        least: Judged,
        sigma: np.ndarray,
        box: tuple[np.ndarray, np.ndarray],
        q: float,
    ) -> None:
        self.problem, self.bounded, self.x, self.loss, self.q = problem, bounded, top["x"].values, float(top["loss"]), q
        d, self.unit = len(self.x), float(least.spread.scale)
        self.scale, self.along = _steps(least, sigma)
        self.each, self.sign = np.repeat(np.arange(d), 2), np.tile([-1.0, 1.0], d)
        self.reach = np.maximum(self.sign * (np.ravel(box, "F") - self.x[self.each]) / self.scale[self.each], 0)
        self.near, self.inside = np.zeros(2 * d), np.tile(self.x, (2 * d, 1))  # u of the farthest below q, and x there
        self.known = {(lane, 0.0): 0.0 for lane in range(2 * d)}  # tau
        self.fell = np.zeros(2 * d, bool)  # below the fit

    def value(self, u: np.ndarray) -> np.ndarray:
        """Where each parameter is held."""
        return self.x[self.each] + self.sign * u * self.scale[self.each]

    def off(self, u: np.ndarray, lanes: np.ndarray) -> np.ndarray:
        """tau(u) - q of these lanes, no further than at the bound; 0 where a search is to end."""
        asked = list(zip(lanes.tolist(), np.minimum(u, self.reach[lanes]).tolist(), strict=True))
        if new := dict(pair for pair in asked if pair not in self.known):
            at = self.near.copy()
            at[list(new)] = list(new.values())
            tau, x = self._refitted(at)
            for lane, there in new.items():
                self.known[lane, there] = float(tau[lane])
                if self.near[lane] < there and tau[lane] < self.q:
                    self.near[lane], self.inside[lane] = there, x[lane]
        return np.where(self.fell[lanes], 0.0, np.array([self.known[pair] for pair in asked]) - self.q)

    def _refitted(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """tau and x of all lanes: the better of two refits, from where the last led and from where that points."""
        lanes, value = np.arange(len(u)), self.value(u)
        with np.errstate(all="ignore"):
            ahead = np.where(self.near > 0, u / self.near, 0)[:, None] * (self.inside - self.x)
        linear = (self.sign * u)[:, None] * self.along[self.each]
        points = np.stack([self.x + np.where(self.near[:, None] > 0, ahead, linear), self.inside], axis=1)
        points = np.where(np.isfinite(points), points, self.x)
        points[lanes, :, self.each] = value[:, None]
        cases = {"held": self.each[:, None] == np.arange(len(self.x)), "value": value, "scale": self.scale[self.each]}
        fits = refit(self.problem, points, cases, self.bounded)
        loss = np.where(np.isfinite(fits["loss"].values), fits["loss"].values, np.inf)
        best = np.argmin(loss, axis=1)
        x, rise = fits["x"].values[lanes, best], loss[lanes, best] - self.loss
        self.fell |= rise < -LOWER * self.unit**2 - ROUNDING * self.loss
        with np.errstate(all="ignore"):
            return np.fmin(np.sqrt(np.maximum(rise, 0)) / self.unit, FAR * self.q), x


def _steps(least: Judged, sigma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The standard error of each parameter, (d,), and the step by which it takes the others along, a row of (d, d).

    Of one that is held, or not determined, it is what moves y by one residual standard deviation, alone."""
    unit, error, root = float(least.spread.scale), np.asarray(least.spread.error), np.asarray(least.spread.root)
    lengths = np.linalg.norm(np.asarray(least.jacobian) / sigma[:, None], axis=0)
    alone = 1 / np.where(np.isfinite(lengths) & (lengths > 0), lengths, 1)
    scale = unit * np.where(np.isfinite(error) & (error > 0), error, alone)
    along = np.nan_to_num(root @ root.T) * scale  # C_jk / sqrt(C_jj)
    np.fill_diagonal(along, scale)
    return scale, along
