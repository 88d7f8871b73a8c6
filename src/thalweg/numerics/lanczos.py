"""The largest eigenvalues of a symmetric operator that is known by its products with vectors alone."""

from collections.abc import Callable
from typing import NamedTuple, final

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.numerics.precision import at_least_single
from thalweg.numerics.reading import whole


@final
class Eigenpairs(NamedTuple):
    """Of the k largest eigenvalues. ``residuals`` bound the distance of each value to an eigenvalue."""

    values: Array  # (k,), descending; -inf where the start reaches fewer dimensions than k
    vectors: Array  # (k, d), each of length 1
    residuals: Array  # (k,), |A v - value v|
    products: Array  # how many were taken


@final
class _Krylov(NamedTuple):
    basis: Array  # (m, d), orthonormal rows, zero from ``size`` on
    projected: Array  # (m, m), the operator on the basis
    size: Array
    following: Array  # (d,), the unit vector that extends the basis next
    length: Array  # of what it was before, the coupling of the basis to the rest
    values: Array  # (m,), of the projected operator, descending
    parts: Array  # (m, m), its eigenvectors, the columns
    norm: Array  # of the operator, at least
    products: Array
    done: Array


@final
class _Recurrence(NamedTuple):
    projected: Array  # (products, products), tridiagonal
    size: Array
    last: Array  # (d,), of length 1, as the next
    following: Array
    length: Array
    value: Array
    done: Array


def lanczos(
    product: Callable[[Array], Array],
    start: Array,
    k: int = 1,
    basis: int = 32,
    products: int = 1000,
    tolerance: float | None = None,
) -> Eigenpairs:
    """The k largest (algebraic) eigenvalues of a symmetric operator A that is known by its products alone.

    Each product extends an orthonormal basis of at most ``basis`` vectors, against all of which it is orthogonalized
    twice; the values are those of A projected on it. Where the basis is full its upper half of eigenvectors is kept
    (thick restart). It ends where |beta_j s_j|, the length of the residual, is at most ``tolerance`` times each value
    or the rounding of A, where the basis is invariant under A, or after ``products``. Of a repeated eigenvalue one copy
    is found, since all vectors that a single start leads to have the same part there. Numbers that are not finite end
    it and are returned.

    Args:
        product: v -> A v, shapes (d,).
        start: shape (d,), not zero and by chance not orthogonal to what is sought.
        k: how many, 1 to ``basis``.
        basis: the most vectors that are held.
        products: the most that are taken.
        tolerance: relative, a pure number; sqrt(eps) if None.
    Returns:
        ``Eigenpairs`` of values (k,), descending, in the units of A, vectors (k, d), residuals (k,), and how many
        products were taken.
    Raises:
        ValueError: where k or basis is below 1, and where k is more than the basis or d.
    Cost:
        at most ``products`` products; memory of basis + about 5 vectors of d components, twice the basis where
        products > basis.
    Source:
        Golub and Van Loan (2013), sections 10.1 and 10.3; Parlett (1998), section 13.2; Wu and Simon (2000) for the
        restart.
    Example:
        >>> scales = jnp.array([1.0, 2.0, 5.0])
        >>> print(tw.geometry.lanczos(lambda v: scales * v, jnp.ones(3), k=2).values.round(2))
        [5. 2.]
    """
    d, k = start.shape[0], whole(k, "k", 1)
    m = min(whole(basis, "basis", 1), d)
    if k > m:
        raise ValueError(
            f"k is {k}, but a basis of {m} vectors in {d} components has {m} eigenvalues; give at most that."
        )
    relative = float(jnp.finfo(start.dtype).eps) ** 0.5 if tolerance is None else tolerance
    kept = (m + k) // 2

    def extended(at: _Krylov) -> _Krylov:
        if products > m > kept:
            at = jax.lax.cond(at.size == m, lambda at: _restarted(at, kept), lambda at: at, at)
        vectors = at.basis.at[at.size].set(at.following)
        new, along = _orthogonal(product(at.following), vectors)
        length = _length(new)
        projected = at.projected.at[at.size].set(along).at[:, at.size].set(along)
        count = at.size + 1
        values, parts, norm = _ritz(projected, count)
        norm = jnp.maximum(norm, at.norm)
        rounding = _rounding(norm, start)
        goal = jnp.maximum(relative * jnp.abs(values[:k]), rounding)
        sufficient = (count >= k) & jnp.all(length * jnp.abs(parts[count - 1, :k]) <= goal)
        invariant = (length <= rounding) | (count == d)
        return _Krylov(
            basis=vectors,
            projected=projected,
            size=count,
            following=new / jnp.where(length > 0, length, 1),
            length=length,
            values=values,
            parts=parts,
            norm=norm,
            products=at.products + 1,
            done=sufficient | invariant | ~jnp.isfinite(length),
        )

    zero, none = jnp.zeros((), start.dtype), jnp.zeros((), jnp.int32)
    empty, square = jnp.zeros((m, d), start.dtype), jnp.zeros((m, m), start.dtype)
    first = start / _length(start)
    at = _Krylov(empty, square, none, first, zero, square[0], square, zero, none, jnp.zeros((), bool))
    at = jax.lax.while_loop(lambda at: ~at.done & (at.products < products), extended, at)
    known = jnp.arange(k) < at.size
    return Eigenpairs(
        values=jnp.where(known, at.values[:k], -jnp.inf),
        vectors=jnp.where(known[:, None], at.parts[:, :k].T @ at.basis, 0),
        residuals=jnp.where(known, at.length * jnp.abs(at.parts[at.size - 1, :k]), jnp.inf),
        products=at.products,
    )


def largest(product: Callable[[Array], Array], start: Array, products: int, tolerance: float) -> tuple[Array, Array]:
    """The largest eigenvalue of the symmetric operator ``product``, and how many products were taken.

    Lanczos without a basis: each vector is orthogonal to the last two, and about four of d components are held. In few
    products little orthogonality is lost, and what is lost repeats values that are already found (Paige 1980). It ends
    as ``lanczos`` does; the value is a lower bound.
    """

    def extended(at: _Recurrence) -> _Recurrence:
        i = at.size
        new = product(at.following) - at.length * at.last
        along = at.following @ new
        new = new - along * at.following
        coupled = at.projected.at[i, i - 1].set(at.length).at[i - 1, i].set(at.length)  # at i = 0 the length is 0
        projected = coupled.at[i, i].set(along)
        length = _length(new)
        values, parts, norm = _ritz(projected, i + 1)
        residual = length * jnp.abs(parts[i, 0])
        rounding = _rounding(norm, start)
        done = (residual <= tolerance * jnp.abs(values[0])) | (length <= rounding) | ~jnp.isfinite(length)
        following = new / jnp.where(length > 0, length, 1)
        return _Recurrence(projected, i + 1, at.following, following, length, values[0], done)

    zero, square = jnp.zeros((), start.dtype), jnp.zeros((products, products), start.dtype)
    first, none = start / _length(start), jnp.zeros((), jnp.int32)
    at = _Recurrence(square, none, jnp.zeros_like(start), first, zero, zero, jnp.zeros((), bool))
    at = jax.lax.while_loop(lambda at: ~at.done & (at.size < products), extended, at)
    return at.value, at.size


def _restarted(at: _Krylov, kept: int) -> _Krylov:
    """The basis with only so many of the upper eigenvectors."""
    upper = jnp.arange(len(at.values)) < kept
    vectors = jnp.where(upper[:, None], at.parts.T, 0) @ at.basis
    diagonal = jnp.diag(jnp.where(upper, at.values, 0))
    return at._replace(basis=vectors, projected=diagonal, size=jnp.asarray(kept, at.size.dtype))


def bidiagonal_power(
    push: Callable[[Array], Array], pull: Callable[[Array], Array], b: Array, f: Callable[[Array], Array], products: int
) -> Array:
    """J^T f(J J^T) b by Golub and Kahan's bidiagonalization, from v -> J v and w -> J^T w, b and w of shape (m,).

    From b on, J^T Q^T = V^T L^T with orthonormal rows of Q (k, m) and V and a lower bidiagonal L = P S R^T, so that it
    is |b| J^T Q^T P f(S^2) P^T e_1. J J^T is never formed, so that singular values are exact to the rounding of J,
    where the recurrence of J J^T has half of the digits. Rows of Q are orthogonalized against all before, twice; those
    of V need not be, and are not kept (Simon and Zha 2000). ``f`` takes singular values, shape (k,), those beyond an
    invariant space or within the rounding of the largest as zeros, and gives a factor for each.

    At most ``products`` with each of J and J^T, in the precision of b, and one more; the rest is in float32 at least.
    Memory: ``products`` vectors. Zero where b is. Source: Golub and Kahan (1965); Higham (2008), section 13.2.1.
    """
    k, wide = min(whole(products, "products", 1), b.shape[0]), at_least_single(b.dtype)
    eps, norm = float(jnp.finfo(b.dtype).eps), _length(b.astype(wide))

    def pulled(w: Array) -> Array:
        return pull(w.astype(b.dtype)).astype(wide)

    def extended(i: Array, at: tuple[Array, ...]) -> tuple[Array, ...]:
        basis, lower, u, v, coupling, largest = at
        basis = basis.at[i].set(u)
        v, diagonal = _unit(pulled(u) - coupling * v, eps * largest)
        largest = jnp.maximum(largest, diagonal)
        new, _ = _orthogonal(push(v.astype(b.dtype)).astype(wide) - diagonal * u, basis)
        u, following = _unit(new, eps * largest)
        lower = lower.at[i, i].set(diagonal).at[i + 1, i].set(following, mode="drop")
        return basis, lower, u, v, following, jnp.maximum(largest, following)

    zero, first = jnp.zeros((), wide), b.astype(wide) / jnp.where(norm > 0, norm, 1)
    begin = jnp.zeros((k, len(b)), wide), jnp.zeros((k, k), wide), first, 0 * pulled(first), zero, zero
    basis, lower, *_ = jax.lax.fori_loop(0, k, extended, begin)
    parts, values, _ = jnp.linalg.svd(lower)
    values = jnp.where(values > 8 * eps * values[0], values, 0)
    return (norm * pulled((parts @ (f(values) * parts[0])) @ basis)).astype(b.dtype)


def _unit(v: Array, rounding: Array) -> tuple[Array, Array]:
    """v / |v| and |v|, both zero where v is but for some roundings."""
    length = _length(v)
    ends = length <= 4 * rounding
    return jnp.where(ends, 0, v / jnp.where(ends, 1, length)), jnp.where(ends, 0, length)


def spectral_measure(product: Callable[[Array], Array], b: Array, products: int) -> tuple[Array, Array]:
    """Ritz values and weights, shapes (k,), with b^T f(A) b ~ sum f(values) weights: Gauss quadrature.

    Exact where k products reach all that b has parts along; else, for f(z) = 1 / z and a positive definite A, a lower
    bound, and what k steps of conjugate gradients find. Values beyond an invariant space are zeros of weight 0.
    Memory: ``products`` vectors. Source: Golub and Meurant (2010), chapter 7.
    """
    m = min(whole(products, "products", 1), b.shape[0])
    norm = _length(b)

    def extended(i: Array, at: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        basis, projected, following, largest = at
        basis = basis.at[i].set(following)
        new, along = _orthogonal(product(following), basis)
        projected = projected.at[i].set(along).at[:, i].set(along)
        length, largest = _length(new), jnp.maximum(largest, _length(along))
        ends = length <= _rounding(largest, b)
        return basis, projected, jnp.where(ends, 0, new / jnp.where(ends, 1, length)), largest

    first = b / jnp.where(norm > 0, norm, 1)
    square = jnp.zeros((m, m), b.dtype)
    begin = jnp.zeros((m, b.shape[0]), b.dtype), square, first, jnp.zeros((), b.dtype)
    values, parts = _eigh(jax.lax.fori_loop(0, m, extended, begin)[1])
    return values, (norm * parts[0]) ** 2


def _orthogonal(new: Array, basis: Array) -> tuple[Array, Array]:
    """``new`` without its parts along the orthonormal rows of ``basis``, and these parts."""
    along = basis @ new
    new = new - along @ basis
    again = basis @ new  # twice is enough (Parlett 1998, section 6.9)
    return new - again @ basis, along + again


def _ritz(projected: Array, count: Array) -> tuple[Array, Array, Array]:
    """Eigenvalues, descending, and vectors of the leading ``count`` rows and columns, and a bound of their size; what
    lies beyond comes last."""
    norm = jnp.max(jnp.sum(jnp.abs(projected), axis=1))
    beyond = jnp.arange(projected.shape[0]) >= count
    lowest = -2 * jnp.where(norm > 0, norm, 1)
    values, parts = _eigh(projected + jnp.diag(jnp.where(beyond, lowest, 0)))
    return values[::-1], parts[:, ::-1], norm


def _rounding(norm: Array, v: Array) -> Array:
    """What rounding leaves of a product with an operator of this norm, a vector like v, that is zero but for it."""
    return 16 * len(v) ** 0.5 * float(jnp.finfo(v.dtype).eps) * norm


def _length(v: Array) -> Array:
    """Of a vector whose squares may be out of range, as those of 1e-20 are in float32."""
    square = v @ v

    def scaled() -> Array:
        largest = jnp.max(jnp.abs(v))
        return largest * jnp.linalg.norm(v / jnp.where(largest > 0, largest, 1))

    within = (square > float(jnp.finfo(v.dtype).tiny) ** 0.5) & (square < jnp.inf)
    return jax.lax.cond(within, lambda: jnp.sqrt(square), scaled)


def _eigh(a: Array) -> tuple[Array, Array]:
    """Eigenvalues and eigenvectors of a small matrix; in float32 where its own format is shorter than LAPACK has."""
    values, vectors = jnp.linalg.eigh(a.astype(at_least_single(a.dtype)))
    return values.astype(a.dtype), vectors.astype(a.dtype)
