"""Local facts of a loss at a point x, shape (d,): functions (problem, x) that ``run(record=…)`` can observe."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from thalweg.numerics.lanczos import Eigenpairs, lanczos, largest
from thalweg.numerics.linalg import EIGH, eigh
from thalweg.numerics.reading import whole

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem
    from thalweg.methods.method import Method

__all__ = ["condition", "lanczos", "preconditioned_sharpness", "sharpness", "spectrum"]

EXACT = 64  # components up to which the Hessian is formed
LARGE = 10_000  # components above which the number of products is bounded
FEW = 16  # products there for one eigenvalue
MANY = 1000  # products otherwise
LARGEST_MATRIX = 4096
Product = Callable[[Array], Array]


def __dir__() -> list[str]:
    return __all__


def sharpness(problem: "Problem", x: ArrayLike) -> Array:
    """The largest (algebraic) eigenvalue of the Hessian d2L/dx2, a scalar in [L]/[x]^2.

    Gradient descent is stable at a minimum below a learning rate of 2 / sharpness. Up to ``EXACT`` components from the
    Hessian. Above, by ``lanczos``: to sqrt(eps) relative for d <= ``LARGE``; beyond, the best lower bound of at most
    ``FEW`` products with the Hessian (32 gradients; memory of about 5 vectors of d components), to 1 % or so, to a few
    where the largest eigenvalues stand close together. The start of the iteration is the same at every call.
    Source: Cohen et al. (2021), arXiv:2103.00065, for its role in training.
    """
    return _largest(problem, jnp.asarray(x), 1)[0]


def spectrum(problem: "Problem", x: ArrayLike, k: int) -> Array:
    """The k largest (algebraic) eigenvalues of the Hessian d2L/dx2, descending, repeated ones as often as they are:
    shape (k,), in [L]/[x]^2.

    Computed as ``sharpness`` is, above ``LARGE`` with a basis of ``FEW`` + 2 (k - 1) vectors. Above ``EXACT``
    components, copies of repeated eigenvalues are looked for from new starts at right angles to what is found, until
    there is none: at least twice the products that one start takes. Raises ValueError where k is more than d.
    """
    return _largest(problem, jnp.asarray(x), k)


def condition(problem: "Problem", x: ArrayLike) -> Array:
    """The ratio |lambda|_max / |lambda|_min of the eigenvalues of the Hessian d2L/dx2, a scalar, at least 1; infinite
    where the Hessian is singular.

    Exact, from the Hessian: d^2 numbers and about d^3 multiplications. Raises ValueError above ``LARGEST_MATRIX``
    components.
    """
    x = jnp.asarray(x)
    if len(x) > LARGEST_MATRIX:
        raise ValueError(
            f"{problem.name!r} has {len(x)} components, but the condition is taken of a Hessian of at most "
            f"{LARGEST_MATRIX}; use spectrum(problem, x, k), which forms none."
        )
    size = jnp.abs(_eigenvalues(problem.hessian(x)))
    return jnp.max(size) / jnp.min(size)


def preconditioned_sharpness(problem: "Problem", x: ArrayLike, method: "Method", state: Any) -> Array:
    """The largest eigenvalue of P^(-1/2) (d2L/dx2) P^(-1/2), a scalar, with P = method.preconditioner(state).

    P is the positive diagonal by which an adaptive method divides its step x <- x - learning_rate P^-1 (…), shape (d,)
    or (); 1 where the method has no ``preconditioner``, and this is the sharpness. In [L]/[x]^2 over the units of P.
    Computed as ``sharpness`` is. Source: Cohen et al. (2022), arXiv:2207.14484, section 3.
    """
    x = jnp.asarray(x)
    preconditioner = getattr(method, "preconditioner", None)
    if preconditioner is None:
        return sharpness(problem, x)
    return _largest(problem, x, 1, jnp.broadcast_to(1 / jnp.sqrt(preconditioner(state)), x.shape))[0]


def _largest(problem: "Problem", x: Array, k: int, scale: Array | None = None) -> Array:
    """The k largest eigenvalues of S H S, S = diag(scale)."""
    d = len(x)
    if whole(k, "k", 1) > d:
        raise ValueError(f"k is {k}, but the Hessian of {problem.name!r} has {d} eigenvalues; give at most that.")
    return _compiled(problem, x, k, scale)


@partial(jax.jit, static_argnums=(0, 2))  # called by itself each operation would be compiled for itself
def _compiled(problem: "Problem", x: Array, k: int, scale: Array | None) -> Array:
    d = len(x)

    def scaled(v: Array) -> Array:
        return v if scale is None else scale * v

    if d <= max(EXACT, 4 * k):
        h = problem.hessian(x)
        return _eigenvalues(h if scale is None else scale[:, None] * h * scale)[::-1][:k]

    def product(v: Array) -> Array:
        return scaled(problem.hessian_product(x, scaled(v))[2])

    def start(i: int | Array) -> Array:
        return jax.random.uniform(jax.random.fold_in(jax.random.key(0), i), x.shape, x.dtype, -1, 1)

    few = d > LARGE
    if few and k == 1:
        return largest(product, start(0), FEW, 1e-2)[0][None]
    basis = (FEW if few else 32) + 2 * (k - 1)

    def found(product: Product, start: Array, many: int) -> Eigenpairs:
        return lanczos(product, start, many, basis, basis if few else MANY, 1e-2 if few else None)

    first = found(product, start(0), k)
    return first.values if k == 1 else _with_copies(product, found, start, first)


def _with_copies(
    product: Product,
    found: Callable[[Product, Array, int], Eigenpairs],
    start: Callable[[Array], Array],
    first: Eigenpairs,
) -> Array:
    """The k largest eigenvalues where ``first`` may hold one copy of each: while the operator has a larger one than the
    k-th at right angles to all vectors that are known, it takes the place of the k-th.

    No sum of the largest values found so exceeds the true one (Ky Fan 1949).
    """
    k = len(first.values)

    def more(state: tuple[Array, Array, Array, Array]) -> Array:
        _, _, tries, larger = state
        return larger & (tries <= k)

    def insert(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        values, vectors, tries, _ = state
        size, least = jnp.abs(values[0]), jnp.min(jnp.where(values > -jnp.inf, values, values[0]))
        size = jnp.maximum(size, jnp.abs(least))

        def across(v: Array) -> Array:
            return v - (vectors @ v) @ vectors

        def rest(v: Array) -> Array:  # what is known is moved below the rest, should rounding lead back to it
            return across(product(across(v))) + (least - size) * (v - across(v))

        new = found(rest, across(start(tries)), 1)
        larger = new.values[0] > values[-1] + 10 * jnp.finfo(values.dtype).eps * size
        order = jnp.argsort(-jnp.append(values, new.values))[:k]
        values = jnp.where(larger, jnp.append(values, new.values)[order], values)
        vectors = jnp.where(larger, jnp.concatenate([vectors, new.vectors])[order], vectors)
        return values, vectors, tries + 1, larger

    state = (first.values, first.vectors, jnp.ones((), jnp.int32), jnp.ones((), bool))
    return jax.lax.while_loop(more, insert, state)[0]


def _eigenvalues(h: Array) -> Array:
    """Ascending."""
    return eigh(h)[0] if h.shape[0] <= EIGH else jnp.linalg.eigvalsh(h)
