"""Where a fit may begin of which nobody says where: points whose scales come from the data and the formula."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from thalweg.chain.losses import OfTarget
from thalweg.chain.problem import Problem
from thalweg.formula import Formula
from thalweg.numerics.arithmetic import Operation
from thalweg.numerics.reading import whole
from thalweg.problems.dimensions import dimensions
from thalweg.problems.groups import texts
from thalweg.problems.linear import linear, projected
from thalweg.problems.models import Model, model_of
from thalweg.problems.responses import indicator

MOST_ROWS = 500  # observations by which points are judged
OFFSETS = 0.5  # the share of points at which sums within functions vanish at an observation
POSITIVE = 0.75  # the share of positive numbers
WIDE = 0.25  # the share of points that are drawn from six more decades
EVEN = 1e-3  # parts of a step by which evenly spaced observations may be off
DECADES = 6.0  # that the sizes of the data span at most


def guesses(problem: Problem, n: int = 4096, key: int = 0) -> np.ndarray:
    """Points x where the fit of a formula may begin, the best first: those of the least L = |(y - model(x)) / sigma|^2.

    Parameters are x, each in its own [x], y in the unit of its column, and [L] = [y]^2 without sigma.
    Parameters in which the formula is linear are the best ones for the others (variable projection). Of the others each
    has the dimension that makes the terms of the formula agree, a rate 1/[time], say, and is drawn with a random sign
    from the decades that the data cover in it, a pure number around 1, a quarter of the points from six decades more.
    At half of the points sums within functions vanish at one of the observations: x - m puts a peak m at one, exp(a +
    b*x) is 1 there. Waves faster than evenly spaced observations can tell are last. A parameter with a start is drawn
    from a tenth of it to ten times it, one with a range within that; all are within their bounds.

    Args:
        problem: a ``regression`` or ``nist``.
        n: how many points, a pure number, 1 or more.
        key: the seed, a whole number, 0 or more.
    Returns:
        An array of shape (n, d) in [x], float64, by the sum of squares over up to 500 of the observations, finite ones
        first.
    Raises:
        ValueError: for a problem that is no formula of parameters, and for an n or a key that is no such number.
    Cost:
        n sums of squares over up to 500 observations, by NumPy: nothing is compiled.
    Source:
        Golub and Pereyra (1973), SIAM J. Numer. Anal. 10, for the parameters in which the formula is linear.
    Example:
        >>> t = np.array([0.0, 1.0, 2.0, 4.0])
        >>> decay = tw.problems.regression({"t": t, "y": 300 * np.exp(-0.5 * t)}, "a*exp(-k*t)", "y")
        >>> tw.problems.guesses(decay, 1000)[0].round(1).tolist()
        [299.9, 0.5]
    """
    model = model_of(problem)
    if model is None:
        raise ValueError(
            f"{problem.name!r} is no formula of parameters, from which scales of a start could be read; give starts."
        )
    generator, shared = np.random.default_rng(whole(key, "key", 0)), _Shared.of(problem, model)
    values, best = _drawn(shared, whole(n, "n", 1), generator)
    rows = np.sort(generator.permutation(len(model.observed))[:MOST_ROWS])
    points, squares = _completed(shared, values, best, rows, _weights(problem, model)[rows], n)
    points = points[:, shared.places]
    points = np.clip(points, *problem.domain) if model.bounded and problem.domain is not None else points
    squares = np.where(np.isfinite(points).all(axis=1), squares, np.inf)
    points = np.where(np.isfinite(points), points, problem.start)
    return points[np.argsort(squares, kind="stable")]


def _weights(problem: Problem, model: Model) -> np.ndarray:
    """1/sigma of each observation."""
    sigma = problem.loss.sigma if isinstance(problem.loss, OfTarget) else None
    if sigma is None or np.ndim(sigma) == 0:
        return np.full(model.observed.shape, 1.0 if sigma is None else 1 / float(np.asarray(sigma)))
    return 1 / np.asarray(sigma)[: len(model.observed)]  # without priors, which come after


@final
class _Shared(NamedTuple):
    """The parameters of the formula, which groups share to begin with, and what is said of them."""

    formula: Formula
    names: tuple[str, ...]  # of parameters
    places: list[int]  # of the components of x among them
    predictors: dict[str, np.ndarray]  # and what is fixed, each (m,)
    observed: np.ndarray
    constants: tuple[str, ...]  # which of these are parameters that are fixed, or tell responses apart
    started: dict[str, tuple[float, float]]  # where those begin of which a start was given
    ranged: dict[str, tuple[float, float]]
    bounds: dict[str, tuple[float, float]]

    @classmethod
    def of(cls, problem: Problem, model: Model) -> "_Shared":
        owners = {name: name for name in (*model.parameters, *model.fixed)}
        owners |= {
            member: name for group in model.groups for name in group.parameters for member in group.members(name)
        }
        names = tuple(dict.fromkeys(owners[name] for name in model.parameters))
        first = {owners[name]: i for i, name in reversed(list(enumerate(model.parameters)))}
        columns = {name: column for name, column in model.predictors.items() if name in model.formula.names}
        fixed = {name: np.full(len(model.observed), value) for name, value in model.fixed.items()}
        for group in model.groups:  # of which every member is fixed
            codes = group.codes(model.predictors[group.column])
            whole = [name for name in group.parameters if name not in names]
            fixed |= {name: np.array([model.fixed[one] for one in group.members(name)])[codes] for name in whole}
        if (which := model.responses) is not None:
            cells = texts(model.predictors[which.column])
            fixed |= {indicator(which, label): (cells == label).astype(float) for label in which.labels}
        fixed = {name: column for name, column in fixed.items() if name in model.formula.names}

        def sides(which: Any, box: Any) -> dict[str, tuple[float, float]]:
            return {name: (box[0][i], box[1][i]) for name, i in first.items() if model.parameters[i] in which}

        return cls(
            model.formula,
            names,
            [names.index(owners[name]) for name in model.parameters],
            columns | fixed,
            model.observed,
            tuple(fixed),
            sides(model.started, model.ranges),
            sides(model.ranged, model.ranges),
            sides(model.parameters, problem.domain) if model.bounded else {},
        )


def _drawn(shared: _Shared, n: int, generator: np.random.Generator) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """n numbers for each parameter, but for those in which the formula is linear and which are named."""
    best = linear(shared.formula, [name for name in shared.names if name not in shared.ranged])
    free = [name for name in shared.names if name not in best]
    said = shared.started | shared.ranged
    wide = generator.uniform(size=n) < WIDE
    scales = _Scales.of(shared)
    values = {name: scales.numbers(name, wide, generator) for name in free}
    phases = [part for part, _ in _waves(shared.formula)]
    for part, name in _offsets(shared.formula, [name for name in free if name not in said]):
        root = _root(part, name, {**dict.fromkeys(best, 1.0), **values}, shared.predictors, generator)
        here = (generator.uniform(size=n) < OFFSETS) & np.isfinite(root)
        root = np.remainder(np.where(here, root, 0), 2 * np.pi) if part in phases else root
        values[name] = np.where(here, root, values[name])
    for name in free:
        if name in said:
            values[name] = _between(*said[name], n, generator)
        if name in shared.bounds:
            values[name] = _within(values[name], *shared.bounds[name], generator)
    return values, best


def _completed(
    shared: _Shared,
    values: Mapping[str, np.ndarray],
    best: tuple[str, ...],
    rows: np.ndarray,
    weights: np.ndarray,
    n: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The points with the best of the other parameters, (n, d), and the sums of squares over the rows, (n,)."""
    known: dict[str, Any] = {name: column[rows] for name, column in shared.predictors.items()}
    known |= {name: column[:, None] for name, column in values.items()}
    if not values:  # the formula is linear in all, and its best point alone
        known[""] = np.zeros((1, 1))
    coefficients, squares = projected(shared.formula, best, known, shared.observed[rows], weights)
    if not values:
        coefficients, squares = np.repeat(coefficients, n, axis=0), np.repeat(squares, n)
    squares = np.where(_aliased(shared, values, best, n), np.inf, squares)
    columns = {**values, **dict(zip(best, coefficients.T, strict=True))}
    return np.stack([columns[name] for name in shared.names], axis=1), squares


@final
class _Scales(NamedTuple):
    """The dimension of each parameter, and the decades of the sizes that the data have in theirs."""

    powers: Mapping[str, np.ndarray]  # of the units of each predictor and of the response, (k + 1,)
    decades: Sequence[tuple[float, float]]  # log10 of the least and the largest size, k + 1 of them

    @classmethod
    def of(cls, shared: _Shared) -> "_Scales":
        names = [*shared.names, *shared.constants]
        predictors = [name for name in shared.predictors if name not in shared.constants]
        powers = dimensions(shared.formula, names, predictors)
        known = [_sizes(shared.predictors[name]) for name in predictors]
        low, high = _sizes(shared.observed)
        span = np.ptp(shared.observed)
        response = (np.log10(span / 10) if span > 0 else low, high)
        return cls(dict(zip(names, powers, strict=True)), [*known, response])

    def numbers(self, name: str, wide: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Numbers in the units of a parameter, of random signs."""
        n, powers = len(wide), self.powers[name]
        size = generator.uniform(-0.5, 0.5, n) + (0 if powers.any() else generator.uniform(-0.5, 0.5, n))
        for power, (low, high) in zip(powers, self.decades, strict=True):
            size = size + power * generator.uniform(low, high, n)
        size = size + np.where(wide, generator.uniform(-DECADES / 2, DECADES / 2, n), 0)
        return 10.0 ** np.clip(size, -300, 300) * np.where(generator.uniform(size=n) < POSITIVE, 1, -1)


def _sizes(column: np.ndarray) -> tuple[float, float]:
    """log10 of the least and the largest size of numbers of a column: of its steps, and of itself or its span."""
    column = column[np.isfinite(column)]  # NaN where a response does not go by it
    sizes = np.abs(column[column != 0])
    if not sizes.size:
        return 0.0, 0.0
    high, steps = max(sizes.max(), np.ptp(column)), np.diff(np.unique(column))
    low = min(sizes.min(), np.median(steps)) if steps.size else sizes.min()
    return float(max(np.log10(low), np.log10(high) - DECADES)), float(np.log10(high))


def _root(
    part: Formula,
    name: str,
    values: Mapping[str, Any],
    predictors: Mapping[str, np.ndarray],
    generator: np.random.Generator,
) -> np.ndarray:
    """Where a part of the formula that is linear in a parameter vanishes, each time at another observation."""
    n = len(values[name])
    at: dict[str, Any] = dict(values)
    if predictors:
        rows = generator.integers(len(next(iter(predictors.values()))), size=n)
        at |= {predictor: column[rows] for predictor, column in predictors.items()}
    rest, more = part.in_numpy(at | {name: 0.0}), part.in_numpy(at | {name: 1.0})
    with np.errstate(all="ignore"):
        return np.broadcast_to(-rest / (more - rest), n)


def _between(low: float, high: float, n: int, generator: np.random.Generator) -> np.ndarray:
    """Numbers of a range, by their logarithm where it is of several decades of one sign."""
    if low * high > 0 and not 0.1 < low / high < 10:
        least, most = sorted([abs(low), abs(high)])
        return np.sign(low) * np.exp(generator.uniform(np.log(least), np.log(most), n))
    return generator.uniform(low, high, n)


def _within(values: np.ndarray, low: float, high: float, generator: np.random.Generator) -> np.ndarray:
    """Numbers within bounds: as they are, mirrored at a bound that they cross, or else any."""
    mirrored = np.where(values < low, 2 * low - values, np.where(values > high, 2 * high - values, values))
    inside = (low <= mirrored) & (mirrored <= high)
    if inside.all():
        return mirrored
    return np.where(inside, mirrored, _between(low, high, len(values), generator))


def _offsets(formula: Formula, names: Sequence[str]) -> list[tuple[Formula, str]]:
    """Sums that are no denominators, the inner ones first, each with the parameters that can make it vanish."""
    denominators = _denominators(formula)
    sums = [
        part
        for i, part in enumerate(formula.parts())
        if isinstance(part.steps[0], Operation)
        and part.steps[0].arity == 2
        and part.steps[0].name in "+-"
        and i > 0
        and i not in denominators
    ]
    return [(part, name) for part in reversed(sums) for name in names if name in linear(part, [name])]


def _waves(formula: Formula) -> list[tuple[Formula, str]]:
    """The arguments of periodic functions, each with the name of its function."""
    parts = formula.parts()
    return [
        (parts[i + 1], step.name)
        for i, step in enumerate(formula.steps)
        if isinstance(step, Operation) and step.name in ("sin", "cos", "tan")
    ]


def _aliased(shared: _Shared, values: Mapping[str, np.ndarray], best: Sequence[str], n: int) -> np.ndarray:
    """Where a wave is faster than evenly spaced observations can tell from a slow one: over half a turn a step."""
    aliased = np.zeros(n, bool)
    if len(shared.predictors) - len(shared.constants) != 1:
        return aliased
    name = next(name for name in shared.predictors if name not in shared.constants)
    known = shared.predictors[name]
    steps = np.unique(known[np.isfinite(known)])
    if len(steps) < 3 or np.ptp(np.diff(steps)) > EVEN * np.diff(steps).min():
        return aliased
    known = dict.fromkeys(best, np.ones((n, 1))) | {key: column[:, None] for key, column in values.items()}
    known |= {key: shared.predictors[key][0] for key in shared.constants}
    for part, _ in _waves(shared.formula):
        turns = part.in_numpy(known | {name: steps[:2]})
        with np.errstate(all="ignore"):
            aliased |= np.broadcast_to(np.abs(np.diff(turns)) > np.pi, (n, 1))[:, 0] if np.ndim(turns) == 2 else False
    return aliased


def _denominators(formula: Formula) -> set[int]:
    """The steps at which the divisor of a quotient begins."""
    found: set[int] = set()
    pending: list[tuple[str, int]] = []  # operations, and how many operands are to come
    for i, step in enumerate(formula.steps):
        if pending:
            operation, left = pending.pop()
            if operation == "/" and left == 1:
                found.add(i)
            if left > 1:
                pending.append((operation, left - 1))
        if isinstance(step, Operation):
            pending.append((step.name, step.arity))
    return found
