"""What became of each path."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.analysis.cycles import at_rest, final_period
from thalweg.analysis.divergence import divergence
from thalweg.analysis.selection import LANE_DIMS, coordinates, judged_paths
from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once
from thalweg.engine.endings import OUTCOMES, Outcome
from thalweg.numerics.lanczos import spectral_measure
from thalweg.numerics.products import products_in_full

EXACT = 100  # components up to which all eigenvalues of the Hessian are found
FORMED = 1000  # and up to which it is formed, so that it can be balanced
PRODUCTS = 100  # with it beyond ``EXACT``, from the gradient, and as many from elsewhere
BATCH_BYTES = 2**26  # of Hessians, or of Lanczos bases, that are held together
BALANCING = 30  # rounds, each of which halves the logarithm of what the units of x do to the Hessian
SMALL = {True: 1e-10, False: 1e-6}  # of the decrease so far, by whether x is in float64
LASTING = 2 / 3  # of the rise of the quarter before, which that of the last has, or else the loss comes to rest
PACE = 1e-3  # of the predicted decrease, which the last quarter of a path must gain or else it is stalled


def outcome(trace: xr.Dataset, problem: Problem) -> xr.DataArray:
    """What became of each path, one of ``OUTCOMES``, judged at its last row.

    The first that holds:

    - diverged: x or loss is not finite; or the loss has ended above its start by more than rounding, its maximum rose
      in every quarter, and in the last one by two thirds of what it did in the one before, or more. A rise that dies
      out, as toward a maximum, is none.
    - converged: the decrease of L that is still predicted at the last point, g^T |H|^-1 g / 2 (half the squared Newton
      decrement), is below 1e-6 (float64: 1e-10) of the decrease so far or below rounding, 8 eps |L|. At a saddle point
      or maximum, where H has a negative eigenvalue, it is infinite; negative is what is below -sqrt(d eps) of the
      largest in size.
    - cycling: the last rows come back after 2 to 32 recorded steps to within 1e-3 of the moves between them, to stay
      (see ``final_period``).
    - stalled: the last quarter of the path gained less than 1e-3 of the decrease still predicted, or the last two moves
      are within 100 roundings of x; so at this pace a thousand such quarters would not do. Saddle points and maxima
      count here.
    - moving: none of these.

    Up to 100 components the predicted decrease is that of all of H. Beyond, it is what 100 steps of conjugate gradients
    win on the quadratic model (Lanczos from g, orthogonalized): exact where these reach all that g has parts along, and
    else the decrease that can be had at that price, a lower bound; a negative eigenvalue is looked for there and from
    one other vector. None of this depends on the unit of L. Up to 1000 components the rows and columns of H are brought
    to one size first, so that the units of x do not matter, each component may have its own; above, components of x
    should be of like size. ``exhausted`` is said of fits alone.

    Args:
        trace: what ``run`` returned, or a selection of it.
        problem: the problem that was run.
    Returns:
        Codes with ``flag_meanings``, dims (variant, start). The coordinate ``space`` (variant, start) says where a path
        diverged: the space of the chain that was first not finite (see ``divergence``), "loss" where all stayed finite
        and the loss grew; "" where it did not diverge.
    Raises:
        ValueError: for a Dataset without x and loss by variant, start and step.
    Cost:
        For each path one gradient and one Hessian; above 1000 components 200 products with it, memory of 100 points.
    Source:
        Boyd and Vandenberghe (2004), section 9.5.1, for the Newton decrement; Golub and Meurant (2010), chapter 7, for
        its value by Lanczos.
    """
    trace = judged_paths(trace, "x", "loss")
    x, loss = trace["x"].values, np.asarray(trace["loss"], np.float64)
    gone = _diverged(x, loss)
    ends = np.where(gone[..., None], x[:, :, 0], x[:, :, -1])  # as many as there are, so that one program serves all
    predicted = _predicted_decrease(problem, ends.reshape(-1, x.shape[-1])).reshape(gone.shape)
    with np.errstate(invalid="ignore", over="ignore"):
        codes = np.where(gone, Outcome.DIVERGED, _judge(x, loss, predicted)).astype(np.int8)
    first = divergence(trace)["space"].values
    space = np.where(gone, np.where(first == "", "loss", first), "")
    flags = {"flag_values": np.arange(len(OUTCOMES), dtype=np.int8), "flag_meanings": " ".join(OUTCOMES)}
    known = {**coordinates(trace, LANE_DIMS), "space": (LANE_DIMS, space)}
    return xr.DataArray(codes, known, LANE_DIMS, "outcome", flags)


def _diverged(x: np.ndarray, loss: np.ndarray) -> np.ndarray:
    finite = np.isfinite(loss).all(-1) & np.isfinite(x).all((-2, -1))
    quarters = [part for part in np.array_split(loss, 4, axis=-1) if part.shape[-1]]
    maxima, rows = np.stack([part.max(-1) for part in quarters]), [part.shape[-1] for part in quarters]
    with np.errstate(invalid="ignore"):
        rises, rounding = np.diff(maxima, axis=0), 8 * float(jnp.finfo(x.dtype).eps) * np.abs(maxima[-1])
        lasts = rises[-1:] * rows[-2:-1] >= LASTING * rises[-2:-1] * rows[-1]
        goes_on = (rises > 0).all(0) & lasts.all(0) & (len(maxima) > 1)
        grows = goes_on & (loss[..., -1] > loss[..., 0] + rounding)
    return ~finite | grows


def _judge(x: np.ndarray, loss: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """What became of paths that have not diverged."""
    start, end, eps = loss[..., 0], loss[..., -1], float(jnp.finfo(x.dtype).eps)
    quarter = max(1, loss.shape[-1] // 4)
    gained = loss[..., -1 - quarter] - end if loss.shape[-1] > quarter else np.zeros_like(end)
    converged = predicted <= SMALL[x.dtype == np.float64] * np.abs(start - end) + 8 * eps * np.abs(end)
    stalled = at_rest(x) | (np.abs(gained) < PACE * predicted)
    tests = [converged, final_period(x) > 1, stalled]
    return np.select(tests, [Outcome.CONVERGED, Outcome.CYCLING, Outcome.STALLED], Outcome.MOVING)


def _predicted_decrease(problem: Problem, x: np.ndarray) -> np.ndarray:
    """g^T |H|^-1 g / 2 at points (n, d), infinite at saddle points and where L goes down a straight line."""
    d = x.shape[-1]
    with jax.enable_x64(x.dtype == np.float64):
        points = x.astype(np.result_type(x.dtype, np.float32))
        batch = min(len(points), max(1, BATCH_BYTES // (points.itemsize * d * (d if d <= FORMED else PRODUCTS))))
        unit, gain = (np.asarray(part, np.float64) for part in _models(problem, jnp.asarray(points), batch))
        unit = np.where(np.isfinite(gain), unit, 1)  # at the saddle itself it is 0
        return unit * (unit * gain)


@compiled_once
def _models(problem: Problem, points: Array, batch: int) -> tuple[Array, Array]:
    """The largest |dL/dx_i| at each point, and the predicted decrease of L divided by its square."""
    d = points.shape[-1]

    @products_in_full()
    def at(point: Array) -> tuple[Array, Array]:
        g = problem.gradient(point)
        unit = jnp.max(jnp.abs(g))
        g = g / jnp.where(unit > 0, unit, 1)  # the squares of 1e-20 would be lost in float32
        if d <= FORMED:
            h, root, straight = _balanced(problem.hessian(point), g)
            product, g = lambda v: h @ v, g / root
        else:
            h, straight = None, jnp.zeros((), bool)
            product = lambda v: problem.hessian_product(point, v)[2]  # noqa: E731
        if h is not None and d <= EXACT:
            values, vectors = jnp.linalg.eigh(h)
            weights = (vectors.T @ g) ** 2
        else:
            elsewhere = jax.random.normal(jax.random.key(0), g.shape, g.dtype)  # g may have no part along a descent
            starts = jnp.stack([g, elsewhere])
            values, weights = jax.lax.map(lambda start: spectral_measure(product, start, PRODUCTS), starts)
            weights = weights.at[1].set(0)
        rounding, size, lowest = d * float(jnp.finfo(g.dtype).eps), jnp.max(jnp.abs(values)), jnp.min(values)
        gain = jnp.sum(jnp.where(weights == 0, 0, weights / jnp.maximum(jnp.abs(values), rounding * size))) / 2
        return unit, jnp.where(straight | (lowest < -(rounding**0.5) * size), jnp.inf, gain)

    return jax.lax.map(at, points, batch_size=batch)


def _balanced(h: Array, g: Array) -> tuple[Array, Array, Array]:
    """The Hessian with rows and columns divided by ``root``, so that all are of one size and units of x do not spoil
    its spectrum; ``root``; and whether the model is a straight line where it goes down."""
    root = jnp.sqrt(jnp.abs(jnp.diag(h)))  # which does it alone where H is positive definite
    root = jnp.where(root > 0, root, 1)

    def balance(_: int, root: Array) -> Array:
        largest = jnp.max(jnp.abs(h / root / root[:, None]), axis=1)
        return root * jnp.where(largest > 0, jnp.sqrt(largest), 1)

    root = jax.lax.fori_loop(0, BALANCING, balance, root)
    return h / root / root[:, None], root, jnp.any((jnp.max(jnp.abs(h), axis=1) == 0) & (g != 0))
