"""Losses of residuals that a few wrong observations do not rule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple, final

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain import targets
from thalweg.chain.calls import call
from thalweg.numerics.reading import finite, nearest, shown

FLAT: Final = 0.1  # of the slope over the residual: the least curvature by which steps go, positive for outliers, too


@final
class Kind(NamedTuple):
    """rho(s) of the square s of a residual over f_scale, with rho(0) = 0 and rho'(0) = 1, and its derivatives."""

    rho: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    bend: Callable[[Array], Array]


def _beyond(s: Array) -> Array:
    """s where it is above 1: with it derivatives of what holds there are finite below, too."""
    return jnp.where(s > 1, s, 1)


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "soft_l1": Kind(
            lambda s: 2 * s / (jnp.sqrt(1 + s) + 1),  # 2 (sqrt(1 + s) - 1), with all digits near 0
            lambda s: (1 + s) ** -0.5,
            lambda s: -0.5 * (1 + s) ** -1.5,
        ),
        "huber": Kind(
            lambda s: jnp.where(s > 1, 2 * jnp.sqrt(_beyond(s)) - 1, s),
            lambda s: jnp.where(s > 1, _beyond(s) ** -0.5, jnp.ones_like(s)),
            lambda s: jnp.where(s > 1, -0.5 * _beyond(s) ** -1.5, jnp.zeros_like(s)),
        ),
        "cauchy": Kind(jnp.log1p, lambda s: 1 / (1 + s), lambda s: -((1 + s) ** -2)),
        "arctan": Kind(jnp.arctan, lambda s: 1 / (1 + s**2), lambda s: -2 * s / (1 + s**2) ** 2),
    }
)


@final
@dataclass(frozen=True, eq=False, repr=False)
class RobustError:
    """The loss L(y) = factor * sum_i C^2 rho((z_i / C)^2), with z = (y - target) / sigma and C = f_scale.

    For |z_i| well below C it is factor * z_i^2, as of ``SquaredError``; above, an observation pulls less than its
    square would. With s = (z / C)^2, rho and the kinds are those of ``scipy.optimize.least_squares``, whose cost is
    that of factor = 1/2:

    - "soft_l1": 2 (sqrt(1 + s) - 1), which becomes 2 |z| C;
    - "huber": s up to 1, and 2 sqrt(s) - 1 above;
    - "cauchy": ln(1 + s), under which an outlier pulls the less the farther it is;
    - "arctan": arctan(s), under which no observation costs more than C^2 pi/2.

    The first two are convex in y; the others may have several minima, also of a linear model. Least-squares methods
    solve all of them: the residual and Jacobian that they see have the gradient of L, and where it is positive its
    curvature in y, and at least a tenth of its slope over z.

    Args:
        target: where y should be, in [y], as of ``SquaredError``.
        kind: "soft_l1", "huber", "cauchy" or "arctan".
        f_scale: C, positive, in [y], or where there is a sigma a pure number: the size of a residual from which on an
            observation counts less.
        factor: in [L]/[y]^2, a plain number.
        sigma: the standard deviations of the target's components, > 0, in [y], up to a common factor.
    Raises:
        ValueError: for another kind, an f_scale that is not positive, and as ``SquaredError`` does.
    Cost:
        O(m), and no Hessian in y where a method would need one.
    Source:
        Huber (1964); Triggs et al. (2000), Bundle Adjustment, section 4.3, for the residuals of such losses.
    Example:
        >>> robust = tw.RobustError([1.0, 1.2, 0.8, 9.0], "cauchy", f_scale=0.1)
        >>> mean = tw.Problem(lambda x: x * jnp.ones(4), loss=robust, start=[1.0])
        >>> print(tw.solve(mean, tw.methods.LevenbergMarquardt()).x.values.round(3))
        [[[1.002]]]
    """

    target: ArrayLike | Callable[[Any], Any] = 0.0
    kind: str = "soft_l1"
    f_scale: float = 1.0
    factor: float = 1.0
    sigma: ArrayLike | None = None

    def __post_init__(self) -> None:
        check_kind(self.kind)
        check_scale(self.f_scale)
        targets.check_sigma(self.sigma)

    def __repr__(self) -> str:
        given = {"f_scale": self.f_scale, "factor": self.factor, "sigma": self.sigma}
        usual = {"f_scale": 1.0, "factor": 1.0, "sigma": None}
        return call("RobustError", [targets.written(self.target), self.kind], given, usual)

    @property
    def absolute_sigma(self) -> bool:
        """False: outliers are errors that no sigma knows, so that standard errors come from the residuals."""
        return False

    def __call__(self, y: Array) -> Array:
        z = self.weighted(y - self.goal(y.dtype, y.shape), y.shape)
        return self.factor * self.f_scale**2 * jnp.sum(KINDS[self.kind].rho((z / self.f_scale) ** 2))

    def weighted(self, difference: Array, shape: tuple[int, ...]) -> Array:
        """(y - target) / sigma, as of ``SquaredError``."""
        return targets.over(self.sigma, difference, shape)

    def goal(self, dtype: Any, shape: tuple[int, ...]) -> Array:
        """The target in a precision, in the shape of y."""
        return targets.goal(self.target, dtype, shape)

    def weights(self, z: Array) -> Array:
        """How much residuals over sigma count: rho' of each, 1 near 0."""
        return KINDS[self.kind].slope((z / self.f_scale) ** 2)

    def curvatures(self, z: Array) -> Array:
        """Half the second derivative of C^2 rho((z / C)^2) in each z: 1 near 0, negative for outliers of some kinds."""
        s = (z / self.f_scale) ** 2
        return KINDS[self.kind].slope(s) + 2 * s * KINDS[self.kind].bend(s)

    def newton(self, y: Array, shape: tuple[int, ...]) -> Array:
        """The step to the lowest point of each component's parabola, (m,)."""
        slope, curvature = self.parabola(y, shape)
        return -slope / curvature

    def least_squares(self, y: Array, jacobian: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """(r, J) with J^T r = dL/dx and J^T J by the curvatures, of y, (m,), and dy/dx, (m, d)."""
        slope, curvature = self.parabola(y, shape)
        return slope / jnp.sqrt(curvature), jnp.sqrt(curvature)[:, None] * jacobian

    def parabola(self, y: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """dL/dy and the curvature by which steps go, positive, of each component of y, (m,), given raveled."""
        z = self.weighted(y - jnp.ravel(self.goal(y.dtype, shape)), shape)
        weights = self.weights(z)
        curvatures = jnp.maximum(self.curvatures(z), FLAT * weights)
        slope, curvature = (self.weighted(2 * self.factor * a, shape) for a in (weights * z, curvatures))
        return slope, self.weighted(curvature, shape)


def check_kind(kind: Any) -> None:
    """ValueError for what is no kind of robust loss."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(nearest(kind if isinstance(kind, str) else shown(kind), KINDS, "a robust loss"))


def check_scale(f_scale: Any) -> None:
    """ValueError unless f_scale is a positive, finite number."""
    number = isinstance(f_scale, (int, float, np.number)) and not isinstance(f_scale, bool)
    if not number or not f_scale > 0 or not finite(f_scale):
        raise ValueError(
            f"f_scale is {shown(f_scale)}, but it must be a positive, finite number, the size of a residual from which "
            "on an observation counts less; give e.g. 0.1."
        )
