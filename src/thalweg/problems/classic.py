"""Plain losses L(x), without a stage, on which optimizers have always been compared."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.problem import Problem
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import whole


def quadratic(spectrum: Sequence[float], rotation_key: int | None = None) -> Problem:
    """L = x^T A x / 2, where A has the eigenvalues ``spectrum``.

    A is diagonal, or with ``rotation_key`` turned by an orthogonal matrix. d2L/dx2 = A. Start (1, …, 1); minimum 0, or
    none where an eigenvalue is negative (a saddle); domain |x_i| <= 2. [x] and [L] are of your choice.

    Args:
        spectrum: the eigenvalues, shape (d,), finite, in [L]/[x]^2.
        rotation_key: a seed of NumPy's generator, a whole number of at least 0, with which the orthogonal matrix is
            drawn uniformly; None for a diagonal A.
    Raises:
        ValueError: where spectrum is not one or more finite numbers, or rotation_key no seed.
    Source:
        None: made to see what eigenvalues alone decide. Rotation of Mezzadri (2007), How to generate random matrices
        from the classical compact groups, Notices of the AMS 54.
    Example:
        >>> float(tw.problems.quadratic([1.0, 10.0]).value([1.0, 1.0]))
        5.5
    """
    eigenvalues = np.asarray(spectrum, float)
    if eigenvalues.ndim != 1 or eigenvalues.size == 0 or not np.all(np.isfinite(eigenvalues)):
        raise ValueError(f"spectrum is {spectrum!r}, but it must be finite eigenvalues; give e.g. [1.0, 10.0].")
    d = eigenvalues.size
    axes = None if rotation_key is None else _rotation(d, whole(rotation_key, "rotation_key", 0))

    def loss(x: Array) -> Array:
        with products_in_full():
            along = x if axes is None else jnp.asarray(axes, x.dtype) @ x
        return jnp.sum(jnp.asarray(eigenvalues, x.dtype) * along**2) / 2

    return Problem(
        loss=loss,
        start=np.ones(d),
        minima=[np.zeros(d)] if np.all(eigenvalues >= 0) else None,
        domain=(-2.0, 2.0),
        name=f"quadratic(d={d})",
    )


def rosenbrock(d: int = 2) -> Problem:
    """L = sum over i < d of 100 (x_{i+1} - x_i^2)^2 + (1 - x_i)^2: a curved valley, flat along its floor.

    Start (-1.2, 1, -1.2, …), L = 24.2 for d = 2; minimum (1, …, 1), L = 0; domain |x_i| <= 2.048. From d = 4 on there
    is a second, local minimum near (-1, 1, …, 1), which is not stated (Shang and Qiu 2006). [x] = [L] = 1, pure
    numbers.

    Args:
        d: components of x, a whole number of at least 2.
    Raises:
        ValueError: where d is none.
    Source:
        Rosenbrock (1960), An automatic method for finding the greatest or least value of a function, Computer Journal
        3, for d = 2. Domain of De Jong (1975), An analysis of the behavior of a class of genetic adaptive systems.
        Shang and Qiu (2006), A note on the extended Rosenbrock function, Evolutionary Computation 14.
    Example:
        >>> float(tw.problems.rosenbrock(d=3).value([1.0, 1.0, 2.0]))
        100.0
    """
    d = whole(d, "d", 2)
    return Problem(
        loss=lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2),
        start=np.resize([-1.2, 1.0], d),
        minima=[np.ones(d)],
        domain=(-2.048, 2.048),
        name=f"rosenbrock(d={d})",
    )


def himmelblau() -> Problem:
    """L = (x0^2 + x1 - 11)^2 + (x0 + x1^2 - 7)^2: four minima, all with L = 0.

    Start (0, 0), L = 170; minima (3, 2), (-2.8051, 3.1313), (-3.7793, -3.2832), (3.5844, -1.8481), stated to all digits
    of float64; domain |x_i| <= 5. [x] = [L] = 1, pure numbers.

    Source:
        Himmelblau (1972), Applied Nonlinear Programming, McGraw-Hill.
    Example:
        >>> tw.problems.himmelblau().minima.round(3).tolist()
        [[3.0, 2.0], [-2.805, 3.131], [-3.779, -3.283], [3.584, -1.848]]
    """
    return Problem(
        loss=lambda x: (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2,
        start=[0.0, 0.0],
        minima=[
            [3.0, 2.0],
            [-2.805118086952745, 3.131312518250573],
            [-3.779310253377747, -3.2831859912861696],
            [3.5844283403304917, -1.8481265269644036],
        ],
        domain=(-5.0, 5.0),
        name="himmelblau",
    )


def beale() -> Problem:
    """L = (1.5 - x0 (1 - x1))^2 + (2.25 - x0 (1 - x1^2))^2 + (2.625 - x0 (1 - x1^3))^2: a valley that leads away, too.

    Start (1, 1), L = 14.203125; minimum (3, 0.5), L = 0; domain |x_i| <= 4.5. As |x0| grows with x1 near 1, L can fall
    to 0.452 but no further, so a path may drift away there. [x] = [L] = 1, pure numbers.

    Source:
        Beale (1958), On an iterative method for finding a local minimum of a function of more than one variable,
        Technical Report 25, Princeton. Start of Moré, Garbow and Hillstrom (1981), Testing unconstrained optimization
        software, ACM Transactions on Mathematical Software 7, problem 5.
    Example:
        >>> problem = tw.problems.beale()
        >>> problem.start.tolist(), problem.minima.tolist()
        ([1.0, 1.0], [[3.0, 0.5]])
    """

    def loss(x: Array) -> Array:
        powers = jnp.stack([x[1], x[1] ** 2, x[1] ** 3])
        return jnp.sum((jnp.asarray([1.5, 2.25, 2.625], x.dtype) - x[0] * (1 - powers)) ** 2)

    return Problem(loss=loss, start=[1.0, 1.0], minima=[[3.0, 0.5]], domain=(-4.5, 4.5), name="beale")


def ackley(d: int = 2) -> Problem:
    """L = 20 (1 - exp(-0.2 r)) + e - exp(mean cos(2 pi x_i)) with r = sqrt(mean x_i^2): a funnel full of local minima.

    Start (4, …, 4), L = 11.0134207; minimum 0, L = 0 exactly; domain |x_i| <= 32.768. The minimum is the tip of a cone,
    where L has no derivative. There the gradient given is 0, and the Hessian that of the cosines, (2 pi)^2 e / d times
    the identity; automatic differentiation of the formula as it is written gives NaN. [x] = [L] = 1, pure numbers.

    Args:
        d: components of x, a whole number of at least 1.
    Raises:
        ValueError: where d is none.
    Source:
        Ackley (1987), A Connectionist Machine for Genetic Hillclimbing, Kluwer; d components and constants by Bäck
        (1996), Evolutionary Algorithms in Theory and Practice, Oxford University Press.
    Example:
        >>> problem = tw.problems.ackley(d=3)
        >>> problem.start.tolist(), problem.minima.tolist()
        ([4.0, 4.0, 4.0], [[0.0, 0.0, 0.0]])
    """
    d = whole(d, "d", 1)

    def loss(x: Array) -> Array:
        square = jnp.mean(x**2)
        # The double where: neither branch may meet sqrt'(0), since 0 * inf in the unused one would give NaN.
        r = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
        # cos(2 pi x) - 1 = -2 sin(pi x)^2, and expm1, keep all digits near the minimum.
        return -20 * jnp.expm1(-0.2 * r) - math.e * jnp.expm1(-2 * jnp.mean(jnp.sin(jnp.pi * x) ** 2))

    return Problem(
        loss=loss, start=np.full(d, 4.0), minima=[np.zeros(d)], domain=(-32.768, 32.768), name=f"ackley(d={d})"
    )


def rastrigin(d: int = 2) -> Problem:
    """L = 10 d + sum over i of x_i^2 - 10 cos(2 pi x_i): a local minimum near every point of integers.

    Start (4, …, 4), L = 16 d, close to a local minimum; minimum 0, L = 0 exactly (the only one stated); domain
    |x_i| <= 5.12. [x] = [L] = 1, pure numbers.

    Args:
        d: components of x, a whole number of at least 1.
    Raises:
        ValueError: where d is none.
    Source:
        Rastrigin (1974), Systems of Extremal Control (in Russian), Nauka; d components by Mühlenbein, Schomisch and
        Born (1991), The parallel genetic algorithm as function optimizer, Parallel Computing 17.
    Example:
        >>> round(float(tw.problems.rastrigin(d=3).value([4.0, 4.0, 4.0])), 3)
        48.0
    """
    d = whole(d, "d", 1)
    return Problem(
        # 1 - cos(2 pi x) = 2 sin(pi x)^2 keeps all digits near the minimum.
        loss=lambda x: jnp.sum(x**2 + 20 * jnp.sin(jnp.pi * x) ** 2),
        start=np.full(d, 4.0),
        minima=[np.zeros(d)],
        domain=(-5.12, 5.12),
        name=f"rastrigin(d={d})",
    )


def _rotation(d: int, key: int) -> np.ndarray:
    q, r = np.linalg.qr(np.random.default_rng(key).normal(size=(d, d)))
    return q * np.sign(np.diag(r))  # the signs make the draw uniform (Mezzadri 2007)
