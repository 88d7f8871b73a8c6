"""One fit beside its data: residuals, and the covariance of its parameters, from one Jacobian."""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.chain import targets
from thalweg.chain.losses import OfTarget, PoissonDeviance, RobustError, SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once
from thalweg.numerics.products import products_in_full
from thalweg.problems.models import model_of
from thalweg.problems.priors import Priors

FLAT = 1e-8  # the cosine of the residual with a column of J that is rounding: 1e-10 at true minima
EXACT = 1e-13  # parts of the target to which residuals are rounding, whose cosines say nothing
APART = 1e-6  # the component of a direction without effect that does not move a parameter
DEPENDENT = 100  # roundings by which dependent columns may differ: a formula makes some tens in each entry


def check_squares(problem: Problem) -> None:
    """ValueError unless the loss of the problem is known to be a sum of squares."""
    if not isinstance(problem.loss, SquaredError):
        raise ValueError(
            f"the loss of {problem.name!r} is a function that is not known to be a sum of squares, but standard errors "
            "come from residuals; give loss=SquaredError(target)."
        )


def check_plain(problem: Problem, what: str) -> None:
    """ValueError for what is known of sums of squares only, where the loss is robust or of counts."""
    if isinstance(problem.loss, OfTarget) and not isinstance(problem.loss, SquaredError):
        raise ValueError(
            f"{what} were asked of {problem.name!r}, whose loss is a {type(problem.loss).__name__}, but they are made "
            "of residuals of equal weight; ask them of a fit by squares."
        )
    if priors_of(problem):
        raise ValueError(
            f"{what} were asked of {problem.name!r}, which has priors, but they are made of observations alone; ask "
            "them of a fit without priors."
        )


def check_residuals(problem: Problem) -> None:
    """ValueError unless the loss of the problem is known to be a sum over residuals."""
    if not isinstance(problem.loss, OfTarget):
        check_squares(problem)


def rounding_of(fits: xr.Dataset) -> float:
    """Parts of x to which a point at a bound may be off it, in the precision of the fits."""
    return 4 * float(np.finfo(fits["x"].dtype).eps) if fits["x"].dtype.kind == "f" else 0.0


@final
class Spread(NamedTuple):
    """How well the data determine a fit of d parameters: the covariance is scale^2 S root root^T S, S = diag(error)."""

    deviation: Array  # s
    scale: Array  # s, or 1 where sigma is absolute; Huber's where the loss is robust
    error: Array  # standard errors over the scale, (d,)
    root: Array  # of the correlation matrix, (d, d); NaN for what is held or not determined
    held: Array  # flags, (d,)
    freedom: Array  # m less the parameters that are free


@final
class Judged(NamedTuple):
    """A fit beside its data."""

    y: Array  # predicted, (m,)
    jacobian: Array  # dy/dx, (m, d)
    target: Array  # observed, (m,)
    residual: Array  # (y - target) / sigma, (m,), of counts over the root of y, as Pearson has it
    spread: Spread


def judged(best: xr.Dataset, problem: Problem) -> Judged:
    """One fit beside its data, in float64; compiled once for a problem."""
    check_residuals(problem)
    with jax.enable_x64(True):
        return jax.device_get(judged_at(problem, rounding_of(best), jnp.asarray(best["x"], np.float64)))


@compiled_once
@products_in_full()
def judged_at(problem: Problem, rounding: float, x: Array) -> Judged:
    """A fit beside its data, and how well these determine it; components at a bound are known to ``rounding``,
    relatively."""
    loss, shape, eps = problem.loss, problem.chain.spaces[-1].shapes[0], jnp.finfo(x.dtype).eps
    y, jacobian = problem.forward_and_jacobian(x)
    m, d = jacobian.shape
    target = jnp.ravel(loss.goal(y.dtype, shape))

    def over(values: Array) -> Array:  # sigma, which of counts is the root of their means
        counts = isinstance(loss, PoissonDeviance)
        return targets.over(jnp.sqrt(y), values, y.shape) if counts else loss.weighted(values, shape)

    residual, weighted = over(y - target), over(jacobian)
    pull = residual * loss.weights(residual) if isinstance(loss, RobustError) else residual
    lengths, size = jnp.linalg.norm(weighted, axis=0), jnp.linalg.norm(pull)
    least = jnp.where(size > EXACT * jnp.linalg.norm(over(target)), FLAT * size, jnp.inf)
    held = _held(problem, x, rounding, weighted.T @ pull / lengths, least)
    lengths = jnp.where(lengths == 0, 1, lengths)  # a column of zeros is that of a parameter on which nothing depends
    scaled = jnp.where(held, 0, weighted / lengths)
    triangle = jnp.concatenate([jnp.linalg.qr(scaled, mode="r"), jnp.diag(held.astype(x.dtype))])
    _, s, vt = jnp.linalg.svd(triangle, full_matrices=False)
    observed = observations_of(problem)
    free = s <= DEPENDENT * d * eps * s[0]  # directions along which no prediction changes
    open_ = jnp.linalg.norm(jnp.where(free[:, None], vt, 0), axis=0) > APART  # parameters that these move
    freedom = observed - d + jnp.sum(held) + jnp.sum(free)  # priors are none
    root = vt.T * jnp.where(free, 0, 1 / jnp.where(free, 1, s))  # (J^T J)^-1 = root root^T in scaled columns
    root = jnp.where((held | open_)[:, None], jnp.nan, root)
    spread = jnp.linalg.norm(root, axis=1)
    degrees = jnp.where(freedom > 0, freedom, jnp.nan)
    deviation = jnp.linalg.norm(residual[:observed]) / jnp.sqrt(degrees)
    scale = jnp.ones(()) if loss.absolute_sigma else deviation
    if isinstance(loss, RobustError):
        scale = _of_pulls(size / jnp.sqrt(degrees), loss.curvatures(residual), m - freedom)
    known = Spread(deviation, scale, spread / lengths, root / spread[:, None], held, freedom)
    return Judged(y[:observed], jacobian[:observed], target[:observed], residual[:observed], known)


def priors_of(problem: Problem) -> Priors:
    """Mean and standard deviation of parameters of which they are known beforehand."""
    model = model_of(problem)
    return model.priors if model else {}


def observations_of(problem: Problem) -> int:
    """m, the components of y but for those that have a prior."""
    return problem.chain.spaces[-1].size - len(priors_of(problem))


def _of_pulls(deviation: Array, curvatures: Array, parameters: Array) -> Array:
    """Huber's scale of standard errors, (1 + p/m var(c)/mean(c)^2) sqrt(|psi|^2 / (m - p)) / mean(c), with c = psi' the
    curvatures of the m residuals: s where all are 1. NaN where most are beyond f_scale, so that the mean is not
    positive."""
    mean = jnp.mean(curvatures)
    corrected = 1 + parameters / len(curvatures) * jnp.var(curvatures) / mean**2
    return jnp.where(mean > 0, corrected * deviation / mean, jnp.nan)


def weights_of(problem: Problem, residual: Any) -> np.ndarray | None:
    """How much each residual counts, (m,), where the loss is robust."""
    if not isinstance(problem.loss, RobustError):
        return None
    with jax.enable_x64(True):
        return np.asarray(problem.loss.weights(jnp.asarray(residual)))


def sigma_of(problem: Problem) -> np.ndarray:
    """The standard deviations of the target, (m,), which are 1 where the loss has none."""
    sigma = 1.0 if problem.loss.sigma is None else np.asarray(problem.loss.sigma, float)
    return np.broadcast_to(sigma, problem.chain.spaces[-1].shapes[0]).ravel()[: observations_of(problem)]


def in_errors(g: np.ndarray, spread: Spread) -> np.ndarray:
    """Rows of derivatives dy/dx, (n, d), by errors of parameters that are independent and of size one: C = A A^T, g A
    over the scale. What is held does not vary, and of what is not determined a row must not depend."""
    held, open_ = np.asarray(spread.held), np.isnan(np.asarray(spread.error)) & ~np.asarray(spread.held)
    still = held | open_
    root = np.where(still[:, None], 0, np.asarray(spread.root))
    found = np.where(still, 0, g * np.where(still, 0, np.asarray(spread.error))) @ root
    return np.where(np.any(open_ & (g != 0), axis=1, keepdims=True), np.nan, found)


def leverages(fit: Judged, problem: Problem) -> np.ndarray:
    """h, by which each prediction follows its own datum, (m,): the diagonal of J (J^T J)^-1 J^T over free parameters;
    NaN where the data do not determine these."""
    return np.sum(in_errors(np.asarray(fit.jacobian) / sigma_of(problem)[:, None], fit.spread) ** 2, axis=1)


def _held(problem: Problem, x: Array, rounding: float, slope: Array, least: Array) -> Array:
    """Components at a bound beyond which L falls, by a slope of |r| above ``least``, or that equal bounds fix."""
    if problem.domain is None:
        return jnp.zeros(x.shape, bool)
    low, high = (jnp.asarray(side) for side in problem.domain)
    below, above = (x <= low + rounding * jnp.abs(low)), (x >= high - rounding * jnp.abs(high))
    return (below & ~(slope <= least)) | (above & ~(slope >= -least)) | (low == high)  # also where it is not finite
