"""Whether nearby paths part: Lyapunov exponents of the update of a method, an optimizer taken as a dynamical system."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax import Array

from thalweg.chain.derivatives import AutoDiff
from thalweg.chain.objective import Objective
from thalweg.chain.problem import Problem
from thalweg.engine.plan import Task
from thalweg.engine.shards import Progress
from thalweg.methods.method import called, method, static
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import whole
from thalweg.verbs.arguments import starting_points, task
from thalweg.verbs.run import follow

UNROLLED = 8  # vectors that are made orthogonal along lanes; LAPACK does it for more


def lyapunov(
    problem: Problem,
    method: Any,
    start: Any = None,
    steps: int = 1000,
    exponents: int = 1,
    *,
    transient: int = 100,
    copies: int = 16,
    dtype: Any = None,
    progress: Progress = None,
) -> xr.DataArray:
    """The largest Lyapunov exponents of the update of a method, per step.

    The update maps z = (x, state) to the next z. Tangent vectors are taken along by its derivative (jvp), and made
    orthonormal after every step (QR); an exponent is the mean logarithm of the growth of one of them. Positive: chaos;
    negative: a cycle or a fixed point; minus infinity: a superstable one; NaN: the path is not finite any more.
    Whole numbers of a state, such as a step counter, are not perturbed.

    Args:
        problem: the chain x -> y -> L.
        method: one method or a dict of names; each may be a ``sweep``. Any method whose step has derivatives serves.
        start: one point in [x]; ``problem.start`` if None.
        steps: over how many steps the mean is taken, 1 or more.
        exponents: how many, at most the number of components of x and of the real numbers of the state.
        transient: steps before those, 0 or more.
        copies: paths to average over, one from the start and the others from within the square root of rounding of it,
            where chaos soon makes them independent.
        dtype: as in ``run``.
        progress: as in ``run``; what is stopped before its last step raises KeyboardInterrupt.
    Returns:
        The exponents, dims (variant, exponent), the largest first, in 1/step.
    Raises:
        ValueError: for more exponents than z has numbers, for several starts, and as ``run`` does.
    Cost:
        For each step and copy that of a step, and ``exponents`` times as much for its tangents.
    Source:
        Benettin, Galgani, Giorgilli and Strelcyn (1980), Meccanica 15, 9-30.
    """
    steps, transient = whole(steps, "steps", 1), whole(transient, "transient", 0)
    count, copies = whole(exponents, "exponents", 1), whole(copies, "copies", 1)
    given = one_start(task("lyapunov", problem, method, start, dtype=dtype, half=True))
    first, small = starting_points(problem, start, np.dtype(np.float64)), float(jnp.finfo(given.dtype).eps) ** 0.5
    apart = np.random.default_rng(0).uniform(-small, small, (copies, first.size))
    apart[0] = 0
    starts = (first + apart * np.maximum(np.abs(first), 1)).astype(given.dtype)
    given = given._replace(methods={name: Tangents(m, count) for name, m in given.methods.items()}, points=starts)
    trace = follow(given, transient + steps, transient, steps, record=[growth], progress=progress)
    if "interrupted" in trace.attrs:
        raise KeyboardInterrupt
    sums = trace["growth"].astype(np.float64)
    before, after = sums.sel(step=transient, drop=True), sums.sel(step=transient + steps, drop=True)
    rate = xr.where(after == -np.inf, after, (after - before) / steps).mean("start", skipna=False)
    rate = rate.rename(growth_dim="exponent").assign_coords(exponent=np.arange(1, count + 1)).rename("lyapunov")
    return rate.transpose("variant", "exponent").assign_attrs(trace.attrs, units="1/step")


def one_start(given: Task) -> Task:
    """The task, where it has one start."""
    if len(given.points) != 1:
        raise ValueError(f"start holds {len(given.points)} points, but one path is followed; give one point.")
    return given


def growth(problem: Problem, x: Array, method: "Tangents", state: Any) -> Array:
    """What the tangent vectors have grown so far, the sum of logarithms, (exponents,)."""
    return state[2][0]


@method
class Tangents:
    """A method that takes tangent vectors of its update along; its state is (state, vectors, sums of growth),
    the last two in float32 at least."""

    method: Any
    exponents: int = static()

    def called(self) -> tuple[str, ...]:
        return called(self.method)

    def init(self, problem: Objective, x: Array, key: Array) -> Any:
        state = self.method.init(problem, x, key)
        size = flattened(x, state)[0].size
        if self.exponents > size:
            raise ValueError(
                f"exponents is {self.exponents}, but x and the state have {size} real numbers; ask for at most as many."
            )
        wide = jnp.promote_types(x.dtype, jnp.float32)
        vectors = jax.random.normal(jax.random.key(0), (self.exponents, size), wide)
        return state, orthonormal(vectors, vectors)[0], jnp.zeros((2, self.exponents), wide)

    def step(self, problem: Objective, x: Array, state: Any) -> tuple[Array, Any]:
        state, vectors, sums = state
        z, back = flattened(x, state)

        @products_in_full()
        def update(z: Array) -> Array:
            return flattened(*self.method.step(problem, *back(z)))[0]

        wide, pushed = vectors.dtype, vectors.astype(z.dtype)
        after = jax.vmap(AutoDiff().tangents(update, z))(pushed)
        vectors, lengths = orthonormal(after.astype(wide), vectors)
        if wide != z.dtype:  # what was pushed is not of length 1
            lengths /= orthonormal(pushed.astype(wide), vectors)[1]
        x, state = self.method.step(problem, x, state)
        return x, (state, vectors, compensated(sums, jnp.log(lengths)))


def compensated(sums: Array, more: Array) -> Array:
    """(sum, what it has lost to rounding), shape (2, n), with ``more`` (n,) added. Source: Kahan (1965), CACM 8, 40."""
    total, lost = sums
    more = more - lost
    after = total + more
    return jnp.stack([after, jnp.where(jnp.isfinite(after), (after - total) - more, 0)])


def flattened(x: Array, state: Any) -> tuple[Array, Callable[[Array], tuple[Array, Any]]]:
    """z, the real numbers of x and of the state in one vector, and what makes x and the state of another z."""
    leaves, treedef = jax.tree.flatten((x, state))
    leaves = [jnp.asarray(leaf) for leaf in leaves]
    real = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    ends = np.cumsum([leaves[i].size for i in real])[:-1]

    def back(z: Array) -> tuple[Array, Any]:
        whole = list(leaves)
        for i, part in zip(real, jnp.split(z, ends), strict=True):
            whole[i] = part.reshape(leaves[i].shape).astype(leaves[i].dtype)
        return jax.tree.unflatten(treedef, whole)

    return jnp.concatenate([leaves[i].ravel().astype(x.dtype) for i in real]), back


def orthonormal(vectors: Array, before: Array) -> tuple[Array, Array]:
    """The rows made orthonormal in turn, and their lengths when the part along earlier ones is gone; a row of length 0
    keeps the direction it had before."""
    if len(vectors) > UNROLLED:
        q, r = jnp.linalg.qr(vectors.T)
        return q.T, jnp.abs(jnp.diag(r))
    rows, lengths = [], []
    for vector, old in zip(vectors, before, strict=True):
        for row in rows:
            vector = vector - (row @ vector) * row
        length = jnp.linalg.norm(vector)
        rows.append(jnp.where(length > 0, vector / jnp.where(length > 0, length, 1), old))
        lengths.append(length)
    return jnp.stack(rows), jnp.stack(lengths)
