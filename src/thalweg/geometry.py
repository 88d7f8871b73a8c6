"""Local facts of a loss at a point x, shape (d,): functions (problem, x) that ``run(record=…)`` can observe."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once
from thalweg.methods.method import Method, Preconditions
from thalweg.numerics.lanczos import Eigenpairs, lanczos, largest
from thalweg.numerics.linalg import EIGH, eigh
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import whole

__all__ = ["condition", "lanczos", "preconditioned_sharpness", "sharpness", "spectrum"]

EXACT = 64  # components up to which the Hessian is formed
LARGE = 10_000  # components above which the number of products is bounded
FEW = 16  # products there for one eigenvalue
MANY = 1000  # products otherwise
LARGEST_MATRIX = 4096
Product = Callable[[Array], Array]


def __dir__() -> list[str]:
    return __all__


def sharpness(problem: Problem, x: ArrayLike) -> Array:
    """The largest (algebraic) eigenvalue of the Hessian d2L/dx2.

    Gradient descent is stable at a minimum below a learning rate of 2 / sharpness.

    Args:
        problem: the chain x -> y -> L.
        x: one point, shape (d,), in [x].
    Returns:
        a scalar, in [L]/[x]^2. Up to ``EXACT`` components from the Hessian. Above, by ``lanczos``: to sqrt(eps)
        relative for d <= ``LARGE``; beyond, the best lower bound of at most ``FEW`` products with the Hessian, to 1 %
        or so, to a few where the largest eigenvalues stand close together.
    Raises:
        ValueError: where the problem has no data that it asks for.
    Cost:
        a Hessian of d passes up to ``EXACT`` components; above ``LARGE`` at most 32 gradients and memory of about 5
        vectors of d components. The start of the iteration is the same at every call.
    Source:
        Cohen et al. (2021), arXiv:2103.00065, for its role in training.
    Example:
        >>> print(f"{tw.geometry.sharpness(tw.problems.quadratic([1.0, 3.0]), [2.0, 2.0]):.3f}")
        3.000
    """
    return _largest(problem, jnp.asarray(x), 1)[0]


def spectrum(problem: Problem, x: ArrayLike, k: int) -> Array:
    """The k largest (algebraic) eigenvalues of the Hessian d2L/dx2, repeated ones as often as they are.

    Args:
        problem: the chain x -> y -> L.
        x: one point, shape (d,), in [x].
        k: how many, 1 to d.
    Returns:
        shape (k,), descending, in [L]/[x]^2. Computed as ``sharpness`` is, above ``LARGE`` components with a basis of
        ``FEW`` + 2 (k - 1) vectors.
    Raises:
        ValueError: where k is below 1 or more than d.
    Cost:
        as ``sharpness``; above ``EXACT`` components at least twice the products that one start takes, since copies of
        repeated eigenvalues are looked for from new starts at right angles to what is found, until there is none.
    Source:
        Ky Fan (1949), for why no sum of the values exceeds the true one; those of ``lanczos``.
    Example:
        >>> print(np.asarray(tw.geometry.spectrum(tw.problems.quadratic([1.0, 3.0]), [2.0, 2.0], k=2)).round(3))
        [3. 1.]
    """
    return _largest(problem, jnp.asarray(x), k)


def condition(problem: Problem, x: ArrayLike) -> Array:
    """The ratio |lambda|_max / |lambda|_min of the eigenvalues of the Hessian d2L/dx2.

    Args:
        problem: the chain x -> y -> L.
        x: one point, shape (d,), in [x].
    Returns:
        a scalar, a pure number, at least 1; infinite where the Hessian is singular.
    Raises:
        ValueError: above ``LARGEST_MATRIX`` components.
    Cost:
        exact, from the Hessian: d passes, d^2 numbers and about d^3 multiplications.
    Source:
        Golub and Van Loan (2013), section 2.6.2.
    Example:
        >>> print(f"{tw.geometry.condition(tw.problems.quadratic([1.0, 3.0]), [2.0, 2.0]):.3f}")
        3.000
    """
    x = jnp.asarray(x)
    if len(x) > LARGEST_MATRIX:
        raise ValueError(
            f"{problem.name!r} has {len(x)} components, but the condition is taken of a Hessian of at most "
            f"{LARGEST_MATRIX}; use spectrum(problem, x, k), which forms none."
        )
    size = jnp.abs(_eigenvalues(problem.hessian(x)))
    return jnp.max(size) / jnp.min(size)


def preconditioned_sharpness(problem: Problem, x: ArrayLike, method: Method, state: Any) -> Array:
    """The largest eigenvalue of P^(-1/2) (d2L/dx2) P^(-1/2), with P = method.preconditioner(state).

    P is the positive diagonal by which an adaptive method divides its step x <- x - learning_rate P^-1 (…), shape (d,)
    or (); 1 where the method has no ``preconditioner``, and this is the sharpness.

    Args:
        problem: the chain x -> y -> L.
        x: one point, shape (d,), in [x].
        method: such as ``methods.adam(0.1)``; as an observer of four arguments it gets the method that runs.
        state: of the method at x.
    Returns:
        a scalar, in [L]/[x]^2 over the units of P, computed as ``sharpness`` is.
    Raises:
        ValueError: where the problem has no data that it asks for.
    Cost:
        that of ``sharpness``.
    Source:
        Cohen et al. (2022), arXiv:2207.14484, section 3.
    Example:
        >>> problem, method = tw.problems.quadratic([1.0, 3.0]), tw.methods.gradient_descent(0.1)
        >>> print(f"{tw.geometry.preconditioned_sharpness(problem, [2.0, 2.0], method, ()):.3f}")
        3.000
    """
    x = jnp.asarray(x)
    if not isinstance(method, Preconditions):
        return sharpness(problem, x)
    return _largest(problem, x, 1, jnp.broadcast_to(1 / jnp.sqrt(method.preconditioner(state)), x.shape))[0]


def _largest(problem: Problem, x: Array, k: int, scale: Array | None = None) -> Array:
    """The k largest eigenvalues of S H S, S = diag(scale)."""
    d = len(x)
    if whole(k, "k", 1) > d:
        raise ValueError(f"k is {k}, but the Hessian of {problem.name!r} has {d} eigenvalues; give at most that.")
    return _compiled(problem, x, k, scale)


@compiled_once
@products_in_full()
def _compiled(problem: Problem, x: Array, k: int, scale: Array | None) -> Array:
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
