"""Whether what a problem states is true: its derivatives, its inverses, its minima."""

from dataclasses import dataclass
from typing import Protocol, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain.links import Chain
from thalweg.chain.stages import Stage


class Stated(Protocol):
    """What ``check`` asks of a ``Problem``: what it states, and what that is tested by."""

    @property
    def name(self) -> str: ...
    @property
    def start(self) -> np.ndarray: ...
    @property
    def minima(self) -> np.ndarray: ...
    @property
    def stages(self) -> tuple[Stage, ...]: ...
    @property
    def chain(self) -> Chain: ...
    @property
    def dimension(self) -> int: ...
    def value(self, x: ArrayLike) -> Array: ...
    def gradient(self, x: ArrayLike) -> Array: ...
    def hessian(self, x: ArrayLike) -> Array: ...
    def spaces(self, x: ArrayLike) -> dict[str, Array]: ...


@final
@dataclass(frozen=True)
class Finding:
    """One statement that was tested: what was measured, and the bound that it has to keep."""

    statement: str
    passed: bool
    measured: str
    allowed: str


@final
@dataclass(frozen=True)
class Report:
    """The findings of ``Problem.check``; true where all passed, readable when printed."""

    problem: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        width = max(len(finding.statement) for finding in self.findings)
        lines = [
            f"  {'pass' if f.passed else 'FAIL'}  {f.statement:<{width}}  {f.measured}  (allowed: {f.allowed})"
            for f in self.findings
        ]
        return "\n".join([f"{self.problem}: {'all passed' if self.passed else 'something is wrong'}", *lines])


def check(problem: Stated) -> Report:
    """Test in float64, at the start and at some points near it, what the problem states.

    - The gradient: |L(x + h v) - L(x) - h v.dL/dx| falls as h^2 (slope at least 1.9 over the decades of h above
      rounding), v a random direction in units of x; the standard Taylor test.
    - Each inverse: inverse(forward(u), u) = u, to 1e-6 relative to u.
    - Each minimum: the gradient vanishes, to 1e-6 of the gradient at the start (in units of x), and the Hessian has no
      eigenvalue below -1e-6 of its largest.

    Returns a ``Report``. Cost: some tens of values, a gradient and a Hessian per minimum.
    """
    with jax.enable_x64(True):
        draw = np.random.default_rng(0)
        size = np.where(problem.start != 0, np.abs(problem.start), 1.0)
        points = problem.start + 0.03 * size * draw.uniform(-1, 1, (3, problem.dimension))
        findings = [_slope(problem, points[0], size * draw.uniform(0.5, 1, problem.dimension))]
        findings += [_inverse(problem, i, np.vstack([problem.start, points])) for i in range(len(problem.stages))]
        findings += [_minimum(problem, minimum, size) for minimum in problem.minima]
    return Report(problem.name, tuple(finding for finding in findings if finding is not None))


def _slope(problem: Stated, x: np.ndarray, v: np.ndarray) -> Finding:
    h = np.geomspace(1e-1, 1e-6, 21)
    value = float(problem.value(x))
    first_order = value + h * float(np.asarray(problem.gradient(x)) @ v)
    values = np.asarray(jax.vmap(problem.value)(jnp.asarray(x + h[:, None] * v)))
    remainder = np.abs(values - first_order)
    above = remainder > 1e3 * np.finfo(float).eps * np.abs(values).max()  # below is rounding
    statement, allowed = "gradient (Taylor remainder)", "slope >= 1.9"
    if not np.all(np.isfinite(remainder)):
        return Finding(statement, False, "not finite near the start", allowed)
    if above.sum() < 3:
        return Finding(statement, True, "linear to rounding", allowed)
    slope = float(np.polyfit(np.log(h[above][-9:]), np.log(remainder[above][-9:]), 1)[0])
    return Finding(statement, slope >= 1.9, f"slope {slope:.2f}", allowed)


def _inverse(problem: Stated, i: int, points: np.ndarray) -> Finding | None:
    stage, space, following = problem.stages[i], problem.chain.spaces[i], problem.chain.spaces[i + 1]
    if stage.inverse is None:
        return None
    inverse, worst = stage.inverse, 0.0
    for x in points:
        u = problem.spaces(x)[space.name]
        y = following.ravel(stage.forward(space.unravel(u)))
        back = space.ravel(inverse(following.unravel(y), space.unravel(u)))
        worst = max(worst, float(jnp.max(jnp.abs(back - u)) / jnp.maximum(jnp.max(jnp.abs(u)), 1e-300)))
        worst = worst if np.isfinite(back).all() else np.inf
    return Finding(f"inverse of {stage.name}", worst <= 1e-6, f"error {worst:.1e}", "1e-6 of u")


def _minimum(problem: Stated, minimum: np.ndarray, size: np.ndarray) -> Finding:
    at_start = np.max(np.abs(np.asarray(problem.gradient(problem.start)) * size))
    gradient = np.max(np.abs(np.asarray(problem.gradient(minimum)) * size))
    curvatures = np.linalg.eigvalsh(
        np.nan_to_num(np.asarray(problem.hessian(minimum)) * np.outer(size, size), nan=-np.inf)
    )
    ratio = gradient / at_start if at_start > 0 else gradient
    lowest = curvatures[0] / max(abs(curvatures[-1]), 1e-300)
    where = ", ".join(f"{value:.4g}" for value in minimum[:4]) + (", …" if len(minimum) > 4 else "")
    return Finding(
        f"minimum ({where})",
        bool(ratio <= 1e-6 and lowest >= -1e-6),
        f"gradient {ratio:.1e}, lowest curvature {lowest:.1e}",
        "1e-6 of the gradient at the start, -1e-6 of the largest curvature",
    )
