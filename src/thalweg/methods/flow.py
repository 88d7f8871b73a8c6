"""The continuous limits of gradient descent and of momentum, integrated by diffrax to the rounding."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import register_dataclass

from thalweg.methods.method import Method
from thalweg.numerics.reading import positive

if TYPE_CHECKING:
    from thalweg.chain.problem import Problem

TOLERANCES = {"float64": 1e-10, "float32": 1e-6}  # of a step of diffrax, relative and absolute
MOST_STEPS = 4096  # of diffrax in one step here


def gradient_flow(time_step: float, friction: float = 1.0) -> Method:
    """friction dx/dt = -dL/dx, the limit of gradient descent with learning_rate = time_step/friction for short steps.

    One step advances by ``time_step`` > 0 of a time [t] of your own; ``friction`` > 0 is in [L] [t]/[x]^2. L falls
    along it, by |dL/dx|^2/friction per time. Integrated by Dormand and Prince's method of order 8 with adaptive steps
    (Hairer, Norsett, Wanner 1993) at tolerances of 1e-10 in float64, 1e-6 in float32; where a path leaves, or would
    need more than 4096 steps of these, x is NaN from then on. Invariant to orthogonal maps of x, and a scaling of L is
    one of time. Cost per step: at least 12 gradients.

    Raises ValueError where diffrax is not installed, or for numbers that are not positive.
    """
    _need_diffrax("gradient_flow")
    positive(time_step, "time_step")
    positive(friction, "friction")
    return GradientFlow(time_step, friction)


def damped_newtonian(time_step: float, mass: float = 1.0, friction: float = 1.0) -> Method:
    """mass d2x/dt2 = -friction dx/dt - dL/dx from rest, the limit of ``momentum`` (see ``newtonian_momentum``).

    As ``gradient_flow``, which is its limit for mass -> 0. ``mass`` > 0 is in [L] [t]^2/[x]^2, ``friction`` >= 0 in
    [L] [t]/[x]^2. The energy mass |dx/dt|^2/2 + L falls by friction |dx/dt|^2 per time (Polyak 1964, section 2).

    Raises ValueError where diffrax is not installed, or for numbers out of range.
    """
    _need_diffrax("damped_newtonian")
    positive(time_step, "time_step")
    positive(mass, "mass")
    positive(friction, "friction", zero=True)
    return DampedNewtonian(time_step, mass, friction)


def newtonian_momentum(mass: float, friction: float, time_step: float) -> dict[str, float]:
    """``learning_rate`` and ``momentum`` of the heavy ball for this mass and friction:
    ``momentum(**newtonian_momentum(mass=1.0, friction=0.5, time_step=0.1))``.

    With d_k = x_k - x_{k-1}, m (d_{k+1} - d_k)/dt^2 = -gamma d_{k+1}/dt - dL/dx(x_k) is solved by
    d_{k+1} = m/(m + gamma dt) d_k - dt^2/(m + gamma dt) dL/dx(x_k): the factors are momentum and learning rate. For
    m -> 0 this is gradient descent with learning_rate = dt/gamma. See docs/momentum.md. Units as in
    ``damped_newtonian``, whose path it follows to first order in dt.

    Raises ValueError unless time_step > 0, mass and friction >= 0, and one of these > 0.
    """
    positive(time_step, "time_step")
    positive(mass, "mass", zero=True)
    positive(friction, "friction", zero=True)
    inertia = mass + friction * time_step
    if not inertia > 0:
        raise ValueError("mass and friction are both 0, but something must resist the force; give one of them.")
    return {"learning_rate": time_step**2 / inertia, "momentum": mass / inertia}


@final
@register_dataclass
@dataclass(frozen=True)
class GradientFlow:
    """The steps of ``gradient_flow``."""

    time_step: float
    friction: float

    def init(self, problem: "Problem", x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: "Problem", x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        return _advanced(lambda x: -problem.gradient(x) / self.friction, x, self.time_step), state


@final
@register_dataclass
@dataclass(frozen=True)
class DampedNewtonian:
    """The steps of ``damped_newtonian``; the state is the velocity."""

    time_step: float
    mass: float
    friction: float

    def init(self, problem: "Problem", x: Array, key: Array) -> Array:
        return jnp.zeros_like(x)

    def step(self, problem: "Problem", x: Array, state: Array) -> tuple[Array, Array]:
        def motion(now: tuple[Array, Array]) -> tuple[Array, Array]:
            x, velocity = now
            return velocity, -(self.friction * velocity + problem.gradient(x)) / self.mass

        return _advanced(motion, (x, state), self.time_step)


def _need_diffrax(name: str) -> None:
    try:
        import diffrax  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{name} needs diffrax, which is not installed; pip install 'thalweg[solvers]'.") from error


def _advanced(motion: Callable[[Any], Any], now: Any, time: Array | float) -> Any:
    """What follows from ``now`` after ``time`` of dnow/dt = motion(now), NaN where that is not reached."""
    import diffrax

    dtype = jax.tree.leaves(now)[0].dtype
    finite = jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(now)]))
    end = jnp.where(finite, jnp.asarray(time, dtype), 0)  # a lane that is lost costs the others no time
    tolerance = TOLERANCES[dtype.name]
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, _: motion(y)),
        diffrax.Dopri8(scan_kind="lax"),
        jnp.zeros((), dtype),
        end,
        jnp.asarray(time, dtype),
        now,
        saveat=diffrax.SaveAt(t1=True),
        stepsize_controller=diffrax.PIDController(tolerance, tolerance),
        adjoint=diffrax.ForwardMode(),
        max_steps=MOST_STEPS,
        throw=False,
    )
    arrived = finite & (solution.result == diffrax.RESULTS.successful)
    return jax.tree.map(lambda leaf: jnp.where(arrived, leaf[0], jnp.nan), solution.ys)
