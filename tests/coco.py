"""Instances of COCO's suite bbob by their numbers, drawn as its published code draws them (bbob2009 in its legacy)."""

import math

import numpy as np


def uniform(n, seed):
    """Minimal standard numbers of Lewis, Goodman and Miller (1969), shuffled through 32 places."""
    seed = max(abs(seed), 1)
    kept = [0] * 32

    def following(seed):
        return (16807 * seed) % 2147483647

    for i in range(39, -1, -1):
        seed = following(seed)
        if i < 32:
            kept[i] = seed
    drawn, numbers = kept[0], np.empty(n)
    for i in range(n):
        seed = following(seed)
        place = drawn // 67108865
        drawn, kept[place] = kept[place], seed
        numbers[i] = drawn / 2147483647
    return numbers


def normal(n, seed):
    u = uniform(2 * n, seed)
    return np.sqrt(-2 * np.log(u[:n])) * np.cos(2 * np.pi * u[n:])


def rotation(d, seed):
    """Orthonormal columns by Gram and Schmidt."""
    columns = normal(d * d, seed).reshape(d, d, order="F")
    for i in range(d):
        for j in range(i):
            columns[:, i] -= columns[:, i] @ columns[:, j] * columns[:, j]
        columns[:, i] /= np.linalg.norm(columns[:, i])
    return columns


def places(d, seed):
    """Shifts of four decimals, none of which is 0."""
    x = 8 * np.floor(1e4 * uniform(d, seed)) / 1e4 - 4
    return np.where(x == 0, -1e-5, x)


def instance(function, number, d):
    """x_opt, f_opt, R and Q as bbob-jax names them, and what 5 and 20 to 24 have besides."""
    seed = {4: 3, 18: 17}.get(function, function) + 10000 * number
    shift = places(d, seed)
    signs = np.where(uniform(d, seed) < 0.5, -1.0, 1.0)
    ratio = 100 * 100 * normal(1, seed)[0] / normal(1, seed + 1)[0]
    level = min(1000.0, max(-1000.0, math.floor(ratio + 0.5) / 100))
    R, Q = turns(function, rotation(d, seed + 1000000), rotation(d, seed))
    more = {}
    if function == 4:
        shift[::2] = np.abs(shift[::2])
    if function == 5:
        more = {"_ls_x_opt": 5 * np.sign(shift), "_ls_s": np.sign(shift) * 10 ** (np.arange(d) / (d - 1))}
    if function == 8:
        shift = 0.75 * shift
    if function in (9, 19):
        shift = np.zeros(d)
    if function == 12:
        shift = places(d, seed + 1000000)
    if function == 20:
        shift = 4.2096874633 / 2 * signs
        more = {"_sw_ones": signs, "_sw_x_opt_shape": shift}
    if function in (21, 22):
        shift, more = peaks(function, seed, d, R)
    if function == 24:
        shift = 1.25 * np.sign(normal(d, seed))
        more = {"_x_opt_shape": shift}
    return {"x_opt": shift, "f_opt": np.asarray(level), "R": R, "Q": Q, **more}


def turns(function, first, second):
    """R and Q where bbob-jax has COCO's rotations, transposed where it multiplies from the other side."""
    if function in (6, 7, 13, 19, 21, 22, 23, 24):
        return second, first
    if function in (15, 16, 17, 18):
        return first, second
    return {9: second.T, 10: first.T}.get(function, first), first


def peaks(function, seed, d, R):
    n, width, first = (101, 5.0, np.sqrt(1000.0)) if function == 21 else (21, 4.9, 1000.0)
    at = 2 * width * uniform(d * n, seed).reshape(n, d) - width
    at[0] *= 0.8
    order = np.argsort(uniform(n - 1, seed), kind="stable")
    conditions = np.append(first, 1000.0 ** (order / (n - 2)))
    orders = [np.argsort(uniform(d, seed + 1000 * i), kind="stable") for i in range(n)]
    shapes = conditions[:, None] ** (np.array(orders) / (d - 1) - 0.5)
    heights = np.append(10.0, 1.1 + 8 * np.arange(n - 1) / (n - 2))
    return at[0], {"_gal_w": heights, "_gal_y_rot": at @ R.T, "_gal_c_diags": shapes}
