"""Small physics x -> y -> L with an inverse: the toys on which inverse simulators are compared with gradients."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.numerics.reading import whole


def pbdl() -> Problem:
    """y = (x0, x1^2), L = |y|^2: the toy of the book Physics-based Deep Learning.

    Start (3, 3), L = 90; minimum (0, 0), where d2L/dx1^2 = 0; domain |x_i| <= 4. The inverse keeps the sign of x1 and
    is NaN for y1 < 0. The loss is a plain function, as in the book, and not known to be a sum of squares.
    [x] = [y] = [L] = 1, pure numbers.

    Source:
        Thuerey et al. (2021), Physics-based Deep Learning, arXiv:2109.05237, "Simple Example comparing Different
        Optimizers".
    Example:
        >>> problem = tw.problems.pbdl()
        >>> problem.forward([3.0, 3.0]).tolist(), float(problem.value([3.0, 3.0]))
        ([3.0, 9.0], 90.0)
    """

    def forward(x: Array) -> Array:
        return jnp.stack([x[0], x[1] ** 2])

    def inverse(y: Array, x: Array) -> Array:
        return jnp.stack([y[0], jnp.copysign(jnp.sqrt(y[1]), x[1])])

    return Problem(
        Stage(forward, inverse),
        loss=lambda y: jnp.sum(y**2),
        start=[3.0, 3.0],
        minima=[[0.0, 0.0]],
        domain=(-4.0, 4.0),
        name="pbdl",
    )


def scaling(alpha: float = 1.0) -> Problem:
    """y = (x0, alpha x1), L = |y|^2: the condition number of the Hessian is alpha^2, or its inverse.

    Start (3, 3), L = 9 + 9 alpha^2; minimum (0, 0); domain |x_i| <= 4. The start is the same in x for every alpha: a
    method is scale-invariant when its path in x does not depend on alpha. Newton's does not, gradient descent's does.
    [x] and [y] are of your choice, [L] = [y]^2.

    Args:
        alpha: what one [x] of the second component is in y, finite and not zero, in [y]/[x].
    Raises:
        ValueError: where alpha is 0 or not finite.
    Source:
        Holl, Koltun and Thuerey (2022), Scale-invariant Learning by Physics Inversion, arXiv:2109.15048.
    Example:
        >>> tw.problems.scaling(alpha=10.0).forward([3.0, 3.0]).tolist()
        [3.0, 30.0]
    """
    alpha = _nonzero(alpha, "alpha")

    def forward(x: Array) -> Array:
        return jnp.stack([x[0], alpha * x[1]])

    def inverse(y: Array, x: Array) -> Array:
        return jnp.stack([y[0], y[1] / alpha])

    return Problem(
        Stage(forward, inverse),
        loss=SquaredError(),
        start=[3.0, 3.0],
        minima=[[0.0, 0.0]],
        domain=(-4.0, 4.0),
        name=f"scaling(alpha={alpha:g})",
    )


def exponential() -> Problem:
    """y = (x0, exp(x1)), L = |y - (0, 1)|^2: the gradient explodes for large x1 and vanishes for small x1.

    Start (3, 3), L = 9 + (e^3 - 1)^2 = 373.2577; minimum (0, 0); domain |x_i| <= 4. The inverse is (y0, log(y1)), NaN
    for y1 < 0. [x] = [y] = [L] = 1, pure numbers. ``physics.exponential`` has one component, and data.

    Source:
        None: made for gradients that explode and vanish as Holl, Koltun and Thuerey (2022), arXiv:2109.15048, discuss.
    Example:
        >>> round(float(tw.problems.exponential().value([3.0, 3.0])), 2)
        373.26
    """

    def forward(x: Array) -> Array:
        return jnp.stack([x[0], jnp.exp(x[1])])

    def inverse(y: Array, x: Array) -> Array:
        return jnp.stack([y[0], jnp.log(y[1])])

    return Problem(
        Stage(forward, inverse),
        loss=SquaredError(target=np.array([0.0, 1.0])),
        start=[3.0, 3.0],
        minima=[[0.0, 0.0]],
        domain=(-4.0, 4.0),
        name="exponential",
    )


def sine(xi: float = 1.0, phi: float = 0.0) -> Problem:
    """y = (sin(u0) / xi, xi u1) with u = R x, L = |y - y*|^2 / 2, where R turns x by ``phi``: a sine and a line.

    Start (0, 0), L = (0.09 / xi^2 + 0.25 xi^2) / 2. The target y* = (0.3 / xi, -0.5 xi) is in range for every xi, and
    the minima are u = (arcsin 0.3 + 2 pi k, -0.5) and (pi - arcsin 0.3 + 2 pi k, -0.5); those in the domain |x_i| <= pi
    are stated, the nearest to the start first. The Jacobian has the condition number xi^2, or its inverse, at the
    start. The inverse stays between the two turning points of the sine around the guess, where the solution nearest to
    it is; NaN for |xi y0| > 1. [x] is a radian, [y] = [L] = 1, pure numbers. ``physics.sine`` has other constants, and
    data.

    Args:
        xi: by how much the components of y are scaled apart, finite and not zero, a pure number.
        phi: the angle of R in degrees, finite.
    Raises:
        ValueError: where xi is 0 or not finite, or phi is not finite.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, section 4.1; Thuerey et al. (2021), Physics-based Deep
        Learning, arXiv:2109.05237.
    Example:
        >>> tw.problems.sine(xi=32.0).minima.round(4).tolist()
        [[0.3047, -0.5], [2.8369, -0.5]]
    """
    xi, angle = _nonzero(xi, "xi"), math.radians(phi)
    if not math.isfinite(angle):
        raise ValueError(f"phi is {phi}, but it must be a finite number of degrees; give e.g. phi=15.")
    cos, sin = math.cos(angle), math.sin(angle)
    solutions = [
        (cos * u0 - sin * 0.5, -cos * 0.5 - sin * u0)
        for k in range(-2, 3)
        for u0 in (math.asin(0.3) + 2 * math.pi * k, math.pi - math.asin(0.3) + 2 * math.pi * k)
    ]
    return Problem(
        turned_sine(angle, 1.0, xi, 1 / xi),
        loss=SquaredError(target=np.array([0.3 / xi, -0.5 * xi]), factor=0.5),
        start=[0.0, 0.0],
        minima=sorted((x for x in solutions if max(map(abs, x)) <= math.pi), key=lambda x: math.hypot(*x)),
        domain=(-math.pi, math.pi),
        name=f"sine(xi={xi:g}, phi={phi:g})",
    )


def turned_sine(angle: float, across: float, along: float, height: float = 1.0) -> Stage:
    """y = (height sin(across u0), along u1), where u is x turned by ``angle``, in radians.

    The inverse stays between the two turning points of the sine around the guess, where the solution nearest to it is;
    NaN for |y0| > |height|.
    """
    cos, sin = math.cos(angle), math.sin(angle)

    def turn(x: Array) -> Array:
        return jnp.stack([cos * x[0] - sin * x[1], sin * x[0] + cos * x[1]])

    def turn_back(u: Array) -> Array:
        return jnp.stack([cos * u[0] + sin * u[1], cos * u[1] - sin * u[0]])

    def forward(x: Array) -> Array:
        u = turn(x)
        return jnp.stack([height * jnp.sin(across * u[0]), along * u[1]])

    def inverse(y: Array, x: Array) -> Array:
        # On branch k, from (k - 1/2) pi to (k + 1/2) pi, the sine rises for even k and falls for odd k.
        k = jnp.round(across * turn(x)[0] / jnp.pi)
        principal = jnp.arcsin(y[0] / height)
        return turn_back(
            jnp.stack([(k * jnp.pi + jnp.where(k % 2 == 0, principal, -principal)) / across, y[1] / along])
        )

    return Stage(forward, inverse)


def roots_of_unity(n: int = 3) -> Problem:
    """y = z^n for the complex number z = x0 + i x1, y = (Re z^n, Im z^n), L = |y - (1, 0)|^2 / 2: n minima on a circle.

    Start (1.5, 1); the minima are the n roots of unity exp(2 pi i k / n), k = 0 … n - 1, L = 0; domain |x_i| <= 2. At
    0, for n > 1, gradient and Jacobian vanish. ``GaussNewton(1.0)`` takes the steps z <- z - (z^n - 1) / (n z^(n-1)) of
    Newton's method for the roots of z^n - 1, whose basins have a fractal boundary. [x] = [y] = [L] = 1, pure numbers.

    Args:
        n: the power, a whole number of at least 1.
    Raises:
        ValueError: where n is none.
    Source:
        Cayley (1879), The Newton-Fourier imaginary problem, American Journal of Mathematics 2, who asked for the
        basins.
    Example:
        >>> tw.problems.roots_of_unity(n=4).minima.round(3).tolist()[:2]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    n = whole(n, "n", 1)

    def forward(x: Array) -> Array:
        re, im = x
        for bit in f"{n:b}"[1:]:  # of the power, by squaring, in real numbers, which run along lanes
            re, im = re**2 - im**2, 2 * re * im
            if bit == "1":
                re, im = re * x[0] - im * x[1], re * x[1] + im * x[0]
        return jnp.stack([re, im])

    angles = 2 * np.pi * np.arange(n) / n
    return Problem(
        forward,
        loss=SquaredError(target=np.array([1.0, 0.0]), factor=0.5),
        start=[1.5, 1.0],
        minima=[[np.cos(angle), np.sin(angle)] for angle in angles],
        domain=(-2.0, 2.0),
        name=f"roots_of_unity(n={n})",
    )


def _nonzero(value: float, name: str) -> float:
    if not math.isfinite(value) or value == 0:
        raise ValueError(f"{name} is {value}, but it must be finite and not zero; give e.g. {name}=10.")
    return float(value)
