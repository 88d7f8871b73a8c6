"""Whether what a problem states is true: its derivatives, its inverses, its minima."""

from dataclasses import dataclass
from typing import Protocol, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from thalweg.chain.derivatives import Derivatives
from thalweg.chain.differences import FiniteDifference
from thalweg.chain.links import Chain
from thalweg.chain.space import Space
from thalweg.chain.stages import Stage
from thalweg.numerics.lanczos import largest

STEPS = np.geomspace(1e-1, 1e-6, 21)  # h of the Taylor test
STEEPEST = 4.5  # slope: a loss without curvature has 3 or 4
LARGE = 1000  # components above which no Hessian is formed
PRODUCTS = 32  # with the Hessian, there


class Stated(Protocol):
    """What ``check`` asks of a ``Problem``: what it states, and what that is tested by."""

    @property
    def name(self) -> str: ...
    @property
    def start(self) -> np.ndarray: ...
    @property
    def minima(self) -> np.ndarray: ...
    @property
    def domain(self) -> tuple[np.ndarray, np.ndarray] | None: ...
    @property
    def derivatives(self) -> Derivatives: ...
    @property
    def stages(self) -> tuple[Stage, ...]: ...
    @property
    def chain(self) -> Chain: ...
    @property
    def dimension(self) -> int: ...
    def value(self, x: ArrayLike) -> Array: ...
    def gradient(self, x: ArrayLike) -> Array: ...
    def hessian(self, x: ArrayLike) -> Array: ...
    def hessian_product(self, x: ArrayLike, v: ArrayLike) -> tuple[Array, Array, Array]: ...
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
@dataclass(frozen=True, repr=False)
class Report:
    """The findings of ``Problem.check``, which read as a table; true where all passed."""

    problem: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        return all(finding.passed for finding in self.findings)

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        width = max(len(finding.statement) for finding in self.findings)
        lines = [
            f"  {'pass' if f.passed else 'FAIL'}  {f.statement:<{width}}  {f.measured}  (allowed: {f.allowed})"
            for f in self.findings
        ]
        return "\n".join([f"{self.problem}: {'all passed' if self.passed else 'something is wrong'}", *lines])


def check(problem: Stated) -> Report:
    """Test in float64, at the start and at some points near it, what the problem states.

    - The start: what it leads to in each space, the loss and its gradient are finite.
    - The gradient: |L(x + h v) - L(x) - h v.dL/dx| falls as h^2 (slope from 1.9 to 4.5 over the decades of h above
      rounding, where a loss may have no curvature), v a random direction in units of x; the standard Taylor test.
    - Differences, where they give the derivatives: half the step changes the gradient by at most 1 % of its largest
      component (in units of x), in float32 and in float64.
    - Each inverse: inverse(forward(u), u) = u, to 1e-6 relative to u.
    - Each minimum: the gradient vanishes, to 1e-6 of the gradient at the start (in units of x), and the Hessian has no
      eigenvalue below -1e-6 of its largest.

    Points stay in the domain if the start is there. Returns a ``Report``. Cost: some tens of values, a gradient and a
    Hessian per minimum; above 1000 components 64 products of the Hessian, and the bounds of its eigenvalues are those
    that these find.
    """
    with jax.enable_x64(True):
        draw = np.random.default_rng(0)
        size = np.where(problem.start != 0, np.abs(problem.start), 1.0)
        low, high = _room(problem)
        points = np.clip(problem.start + 0.03 * size * draw.uniform(-1, 1, (3, problem.dimension)), low, high)
        v = size * draw.uniform(0.5, 1, problem.dimension)
        v = np.where(points[0] + STEPS[0] * v > high, -v, v)
        v *= min(1.0, np.min(np.where(v > 0, high - points[0], points[0] - low) / np.abs(v)) / STEPS[0])
        findings: list[Finding | None] = [_start(problem), _slope(problem, points[0], v)]
        findings += [_differences(problem, points[0], size, dtype) for dtype in (np.float32, np.float64)]
        findings += [_inverse(problem, i, np.vstack([problem.start, points])) for i in range(len(problem.stages))]
        findings += [_minimum(problem, minimum, size) for minimum in problem.minima]
    return Report(problem.name, tuple(finding for finding in findings if finding is not None))


def _room(problem: Stated) -> tuple[np.ndarray, np.ndarray]:
    """The domain, or all of space for components that start beyond it."""
    low, high = problem.domain or (np.full(problem.dimension, -np.inf), np.full(problem.dimension, np.inf))
    inside = (low <= problem.start) & (problem.start <= high)
    return np.where(inside, low, -np.inf), np.where(inside, high, np.inf)


def _start(problem: Stated) -> Finding:
    """The first of the spaces, the loss and its gradient that is not finite there, on the way from x to L and back."""
    spaces = [*problem.chain.spaces[1:], None]
    for space, point in zip(spaces, list(problem.spaces(problem.start).values())[1:], strict=True):
        if broken := _not_finite(np.ravel(point), "the loss" if space is None else space):
            return Finding("start", False, broken, "finite numbers")
    gradient, x = np.asarray(problem.gradient(problem.start)), problem.chain.spaces[0]
    broken = _not_finite(gradient, Space("dL/dx", x.treedef, x.shapes, x.keys))
    return Finding("start", not broken, broken or "loss and gradient are finite", "finite numbers")


def _not_finite(numbers: np.ndarray, of: Space | str) -> str:
    """The first number that is not finite, the name of its component, and how many others are not; or nothing."""
    broken = np.flatnonzero(~np.isfinite(numbers))
    if not broken.size:
        return ""
    name = of if isinstance(of, str) else f"{of.name}[{of.labels[broken[0]]}]"
    return f"{name} is {numbers[broken[0]]}" + (f", and {broken.size - 1} more" if broken.size > 1 else "")


def _slope(problem: Stated, x: np.ndarray, v: np.ndarray) -> Finding:
    value = float(problem.value(x))
    first_order = value + STEPS * float(np.asarray(problem.gradient(x)) @ v)
    values = np.asarray(jax.vmap(problem.value)(jnp.asarray(x + STEPS[:, None] * v)))
    with np.errstate(invalid="ignore"):  # of infinities
        remainder = np.abs(values - first_order)
    above = remainder > 1e3 * np.finfo(float).eps * np.abs(values).max()  # below is rounding
    statement, allowed = "gradient (Taylor remainder)", "slope >= 1.9"
    if not np.all(np.isfinite(remainder)):
        return Finding(statement, False, "not finite near the start", allowed)
    if above.sum() < 3:
        return Finding(statement, True, "linear to rounding", allowed)
    slope = float(np.polyfit(np.log(STEPS[above][-9:]), np.log(remainder[above][-9:]), 1)[0])
    allowed = allowed if slope <= STEEPEST else f"slope <= {STEEPEST}"
    return Finding(statement, 1.9 <= slope <= STEEPEST, f"slope {slope:.2f}", allowed)


def _differences(problem: Stated, x: np.ndarray, size: np.ndarray, dtype: type) -> Finding | None:
    rule = problem.derivatives
    if not isinstance(rule, FiniteDifference):
        return None
    with jax.enable_x64(dtype is np.float64):
        point = jnp.asarray(x, dtype)
        gradient, finer = (size * np.asarray(r.gradient(problem.value, point)) for r in (rule, rule.halved(point)))
    error = np.abs(finer - gradient) / max(np.max(np.abs(gradient)), 1e-300)
    worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
    where = problem.chain.spaces[0].labels[worst]
    measured = f"half the step changes dL/dx[{where}] by {error[worst]:.1e}"
    return Finding(f"differences in {np.dtype(dtype)}", bool(error[worst] <= 0.01), measured, "0.01 of the largest")


def _inverse(problem: Stated, i: int, points: np.ndarray) -> Finding | None:
    stage, space, following = problem.stages[i], problem.chain.spaces[i], problem.chain.spaces[i + 1]
    if stage.inverse is None:
        return None
    errors = []
    for x in points:
        u = problem.spaces(x)[space.name]
        y = following.ravel(stage.forward(space.unravel(u)))
        back = space.ravel(stage.inverse(following.unravel(y), space.unravel(u)))
        errors.append(float(jnp.max(jnp.abs(back - u)) / jnp.maximum(jnp.max(jnp.abs(u)), 1e-300)))
    worst = float(np.max(errors))  # NaN where there is one
    return Finding(f"inverse of {stage.name}", worst <= 1e-6, f"error {worst:.1e}", "1e-6 of u")


def _minimum(problem: Stated, minimum: np.ndarray, size: np.ndarray) -> Finding:
    at_start = np.max(np.abs(np.asarray(problem.gradient(problem.start)) * size))
    gradient = np.max(np.abs(np.asarray(problem.gradient(minimum)) * size))
    lowest, highest = _curvatures(problem, minimum, size)
    ratio = gradient / at_start if 0 < at_start < np.inf else gradient
    lowest /= max(abs(highest), 1e-300)
    where = ", ".join(f"{value:.4g}" for value in minimum[:4]) + (", …" if len(minimum) > 4 else "")
    return Finding(
        f"minimum ({where})",
        bool(ratio <= 1e-6 and lowest >= -1e-6),
        f"gradient {ratio:.1e}, lowest curvature {lowest:.1e}",
        "1e-6 of the gradient at the start, -1e-6 of the largest curvature",
    )


def _curvatures(problem: Stated, x: np.ndarray, size: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest eigenvalue of the Hessian in units of ``size``."""
    if len(x) <= LARGE:
        hessian = np.asarray(problem.hessian(x)) * np.outer(size, size)
        values = np.linalg.eigvalsh(np.nan_to_num(hessian, nan=-np.inf))
        return float(values[0]), float(values[-1])

    start = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, len(x)))

    @jax.jit  # since both ends are sought by one program
    def end(sign: Array) -> Array:
        return largest(
            lambda v: sign * size * problem.hessian_product(jnp.asarray(x), size * v)[2], start, PRODUCTS, 1e-3
        )[0]

    return -float(end(jnp.array(-1.0))), float(end(jnp.array(1.0)))
