"""What became of each path."""

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from thalweg.analysis.alignment import PATH_DIMS, coordinates
from thalweg.analysis.cycles import at_rest, final_period
from thalweg.analysis.divergence import divergence
from thalweg.chain.problem import Problem

OUTCOMES = ("converged", "stalled", "diverged", "cycling", "moving")
EXACT_HESSIAN = 100  # above this many components the Hessian of every end point would cost too much


def outcome(trace: xr.Dataset, problem: Problem) -> xr.DataArray:
    """One of ``OUTCOMES`` per path as an integer with flag meanings, dims (variant, start); judged at the last row.

    - diverged: x or loss is not finite, or the loss has ended above its start and its maximum rose in every quarter.
    - converged: the decrease of L still predicted at the last point, g^T |H|^-1 g / 2 (half the squared Newton
      decrement, Boyd and Vandenberghe 2004, section 9.5.1), is below 1e-6 (float64: 1e-10) of the decrease so far or
      rounding, and H has no negative eigenvalue. It does not depend on the units of x. Above 100 components, where H
      would be too large, the gradient has fallen below 1e-4 (1e-6) of its largest recorded bound instead.
    - cycling: the last rows come back after 2 to 32 recorded steps to within 1e-3 of the moves between them.
    - stalled: the last quarter of the path gained less than 1e-3 of the decrease still predicted, or did not move; so
      at this pace a thousand such quarters would not do. Saddle points count here.
    - moving: none of these.

    The coordinate ``space`` (variant, start) says where a path diverged: the space of the chain that was first not
    finite (see ``divergence``), "loss" where all stayed finite and the loss grew; "" where it did not diverge.
    """
    x = np.asarray(trace.x.transpose(*PATH_DIMS, "x_dim"))
    loss = np.asarray(trace.loss.transpose(*PATH_DIMS), np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        codes = _judge(x, loss, _predicted_decrease(problem, x[:, :, -1]))
    first = divergence(trace)["space"].values
    space = np.where(codes == OUTCOMES.index("diverged"), np.where(first == "", "loss", first), "")
    flags = {"flag_values": np.arange(len(OUTCOMES), dtype=np.int8), "flag_meanings": " ".join(OUTCOMES)}
    known = {**coordinates(trace, PATH_DIMS[:2]), "space": (PATH_DIMS[:2], space)}
    return xr.DataArray(codes, known, PATH_DIMS[:2], "outcome", flags)


def _predicted_decrease(problem: Problem, x: np.ndarray) -> np.ndarray:
    """g^T |H|^-1 g / 2 at each point, infinite at saddle points; for large problems |g|^2, which is only compared."""

    def at(point: jax.Array) -> jax.Array:
        g = problem.gradient(point)
        if problem.dimension > EXACT_HESSIAN:
            return g @ g
        h = problem.hessian(point)
        root = jnp.sqrt(jnp.abs(jnp.diag(h)))
        root = jnp.where(root > 0, root, 1)  # scaled to a unit diagonal, so that units do not spoil the eigenvalues
        eigenvalues, v = jnp.linalg.eigh(h / jnp.outer(root, root))
        along = v.T @ (g / root)
        small = x.shape[-1] * jnp.finfo(point.dtype).eps * jnp.max(jnp.abs(eigenvalues))
        gain = jnp.sum(jnp.where(along == 0, 0, along**2 / jnp.maximum(jnp.abs(eigenvalues), small))) / 2
        return jnp.where(eigenvalues[0] < -jnp.sqrt(small), jnp.inf, gain)

    with jax.enable_x64(x.dtype == np.float64):
        points = x.reshape(-1, x.shape[-1])
        compute = jax.jit(lambda points: jax.lax.map(at, points, batch_size=1024))
        return np.asarray(compute(points), np.float64).reshape(x.shape[:-1])


def _judge(x: np.ndarray, loss: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    start, end, eps = loss[..., 0], loss[..., -1], float(np.finfo(x.dtype).eps)
    quarter = max(1, loss.shape[-1] // 4)
    finite = np.isfinite(loss).all(-1) & np.isfinite(x).all((-2, -1))
    exact = x.shape[-1] <= EXACT_HESSIAN

    maxima = np.stack([part.max(-1) for part in np.array_split(loss, 4, axis=-1) if part.shape[-1]])
    diverged = ~finite | ((end > start) & (np.diff(maxima, axis=0) > 0).all(0) & (len(maxima) > 1))

    rounding = 8 * eps * np.abs(end)
    small = 1e-6 if eps > 1e-10 else 1e-10
    converged = predicted <= (small * np.abs(start - end) + rounding if exact else small * np.abs(start - end))

    cycling, still = final_period(x) > 1, at_rest(x)
    gained = loss[..., -1 - quarter] - end if loss.shape[-1] > quarter else np.zeros_like(end)
    stalled = still | (exact & (np.abs(gained) < 1e-3 * predicted))

    return np.select([diverged, converged, cycling, stalled], [2, 0, 3, 1], 4).astype(np.int8)
