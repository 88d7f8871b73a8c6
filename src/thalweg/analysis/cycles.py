"""Whether a path has come to rest, or goes round and round."""

import jax.numpy as jnp
import numpy as np

ROUNDINGS = 100  # of x within which a move is none
RETURN = 1e-3  # of the moves between them, within which points of a cycle come back


def at_rest(x: np.ndarray) -> np.ndarray:
    """Whether the last move of paths x (…, step, d) is within 100 roundings of x, shape (…); one row is at rest."""
    eps, ends = float(jnp.finfo(x.dtype).eps), x[..., -2:, :].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        size, move = _length(ends[..., -1, :]), _length(ends[..., -1, :] - ends[..., 0, :])
        return (move <= ROUNDINGS * eps * size) & (size < np.inf)


def final_period(x: np.ndarray, most: int = 32) -> np.ndarray:
    """The period with which paths end, in rows: 1 at rest, p on a cycle of p points.

    It is 1 where the last move is within 100 roundings of x; else the smallest p from 2 to ``most`` for which the last
    p rows lie within 1e-3 of the largest move between them of the p rows before, which takes 2 p + 1 rows; else 0, as
    for chaos, for paths still on their way, and where the last rows are not finite. Rows are those given: of a path
    recorded every second step, a cycle of two looks like rest.

    Args:
        x: paths, shape (…, step, d), in [x].
        most: the longest period to look for, at least 1.
    Returns:
        The periods, shape (…), whole numbers from 0 to ``most``.
    Cost:
        The last 2 ``most`` rows, ``most`` / 2 times.
    """
    rest, last = at_rest(x), x[..., -2 * most - 1 :, :].astype(np.float64)
    period = np.zeros(last.shape[:-2], int)
    with np.errstate(invalid="ignore", over="ignore"):
        moves = _length(np.diff(last, axis=-2))
        for p in reversed(range(2, min(most, moves.shape[-1] // 2) + 1)):
            returns = _length(last[..., -p:, :] - last[..., -2 * p : -p, :]).max(-1)
            period[returns <= RETURN * moves[..., -p:].max(-1)] = p
        period[rest] = 1
        return np.where(np.isfinite(_length(last)).all(-1), period, 0)


def _length(v: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v, axis=-1)
