"""How intertwined the basins of a grid of starts are."""

import math

import numpy as np


def side(points: np.ndarray) -> int:
    """n where the points are n x n of two components, the last running fastest, else 0."""
    n = math.isqrt(len(points))
    if points.shape[1] != 2 or n * n != len(points) or n < 2:
        return 0
    rows, columns = np.moveaxis(points.reshape(n, n, 2), -1, 0)
    regular = np.all(rows == rows[:, :1]) and np.all(columns == columns[:1])
    return n if regular and np.all(np.diff(rows[:, 0]) > 0) and np.all(np.diff(columns[0]) > 0) else 0


def entropies(image: np.ndarray, box: int) -> tuple[float, float]:
    """The mean of S over all boxes, and over those with more than one label."""
    many = len(image) // box
    boxes = image[: many * box, : many * box].reshape(many, box, many, box).swapaxes(1, 2).reshape(many**2, box**2)
    labels = image.max() + 2
    keys, counts = np.unique(boxes + 1 + labels * np.arange(many**2)[:, None], return_counts=True)
    p = counts / box**2
    s = np.bincount(keys // labels, -p * np.log(p))
    mixed = np.bincount(keys // labels) > 1
    return float(s.mean()), float(s[mixed].mean()) if mixed.any() else math.nan
