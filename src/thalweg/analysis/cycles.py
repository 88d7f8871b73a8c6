"""Whether a path has come to rest, or goes round and round."""

import jax.numpy as jnp
import numpy as np

ROUNDINGS = 100  # of x within which a move is none
RETURN = 1e-3  # of the moves between them, within which points of a cycle come back
NEAR = 0.1  # of these moves, which a path may be away from its cycle
DRIFT, FAR = 8, 1e-5  # roundings of x for each row, but no more of x, that are no drift


def at_rest(x: np.ndarray) -> np.ndarray:
    """Whether the last two moves of paths x (…, step, d) are within 100 roundings of x, shape (…): one alone may vanish
    where a path turns. One row is at rest."""
    eps, ends = float(jnp.finfo(x.dtype).eps), x[..., -3:, :].astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        size, moves = _length(ends[..., -1, :]), _length(ends - ends[..., -1:, :]).max(-1)
        return (moves <= ROUNDINGS * eps * size) & (size < np.inf)


def final_period(x: np.ndarray, most: int = 32) -> np.ndarray:
    """The period with which paths end, in rows: 1 at rest, p on a cycle of p points.

    It is 1 where the last two moves are within 100 roundings of x; else the smallest p from 2 to ``most`` for which the
    last p rows lie within 1e-3 of the largest move between them of the p rows before, and are there to stay; else 0, as
    for chaos, for paths still on their way, and where the last rows are not finite. Rows are those given: of a path
    recorded every second step, a cycle of two looks like rest.

    A path that converges slowly, with a multiplier near -1, comes back nearly as well. There to stay is one that is
    nearer to its cycle than a tenth of the largest move. With r and s how far it has come in so many rows and in twice
    as many, that is r^2 / (s - 2 r), as where it shrinks by the same factor in both; and it does not drift where s is
    below 3 r / 2 or 8 roundings a row. The rows are half of all, and the last 3 p at least; where there are fewer, what
    comes back must do so to rounding. 2 p + 1 rows it takes.

    Args:
        x: paths, shape (…, step, d), in [x].
        most: the longest period to look for, at least 1.
    Returns:
        The periods, shape (…), whole numbers from 0 to ``most``.
    Cost:
        The last 2 ``most`` rows, ``most`` times.
    """
    rest, rows, last = at_rest(x), x.shape[-2], x[..., -2 * most - 1 :, :].astype(np.float64)
    period = np.zeros(last.shape[:-2], int)
    with np.errstate(invalid="ignore", over="ignore"):
        moves, size = _length(np.diff(last, axis=-2)), _length(last[..., -1, :])
        drift = min(DRIFT * rows * float(jnp.finfo(x.dtype).eps), FAR)
        for p in reversed(range(2, min(most, (rows - 1) // 2) + 1)):
            lag = max(p, (rows // 2 - p) // (2 * p) * p)
            here, before, once, twice = (
                x[..., rows - p - back : rows - back, :].astype(np.float64)
                for back in (0, p, lag, min(2 * lag, rows - p))
            )
            returns, r, s = (_length(here - there).max(-1) for there in (before, once, twice))
            largest, rounding = moves[..., -p:].max(-1), drift * size
            stays = (s <= 1.5 * r) | (s <= rounding) | (r**2 <= NEAR * largest * (s - 2 * r - rounding))
            stays = stays if rows >= 3 * p else returns <= rounding
            period[(returns <= RETURN * largest) & stays] = p
        period[rest] = 1
        return np.where(np.isfinite(_length(last)).all(-1), period, 0)


def _length(v: np.ndarray) -> np.ndarray:
    return np.linalg.norm(v, axis=-1)
