"""The continuous limits of gradient descent and of momentum, integrated by diffrax to the rounding."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from thalweg.chain.calls import call
from thalweg.chain.objective import Objective
from thalweg.methods.method import Method, method
from thalweg.numerics.precision import at_least_single
from thalweg.numerics.reading import positive

TOLERANCES = {"float64": 1e-10, "float32": 1e-6}  # of a step of diffrax, relative and absolute
MOST_STEPS = 4096  # of diffrax in one step here


def gradient_flow(time_step: float, friction: float = 1.0) -> Method:
    """friction dx/dt = -dL/dx, the limit of gradient descent with learning_rate = time_step/friction for short steps.

    One step advances by ``time_step`` of a time [t] of your own. L falls along it, by |dL/dx|^2/friction per time.
    Integrated by Dormand and Prince's method of order 8 with adaptive steps at tolerances of 1e-10 in float64, 1e-6 in
    float32; where a path leaves, or would need more than 4096 steps of these, x is NaN from then on. Invariant to
    orthogonal maps of x, and a scaling of L is one of time.

    Args:
        time_step: > 0, in [t].
        friction: > 0, in [L] [t]/[x]^2.
    Returns:
        a method.
    Raises:
        ValueError: where diffrax is not installed, or for numbers that are not positive.
    Cost:
        per step at least 12 gradients, in a loop that cannot be counted.
    Source:
        Hairer, Nørsett and Wanner (1993), Solving Ordinary Differential Equations I, for the integrator.
    Example:
        >>> trace = tw.run(tw.problems.quadratic([1.0]), tw.methods.gradient_flow(1.0), steps=2)
        >>> print(trace.x.values.ravel().round(3))
        [1.    0.368 0.135]
    """
    _need_diffrax("gradient_flow")
    positive(time_step, "time_step")
    positive(friction, "friction")
    return GradientFlow(time_step, friction)


def damped_newtonian(time_step: float, mass: float = 1.0, friction: float = 1.0) -> Method:
    """mass d2x/dt2 = -friction dx/dt - dL/dx from rest, the limit of ``momentum`` (see ``flow.newtonian_momentum``).

    As ``gradient_flow``, which is its limit for mass -> 0. The energy mass |dx/dt|^2/2 + L falls by friction |dx/dt|^2
    per time.

    Args:
        time_step: of one step, > 0, in a time [t] of your own.
        mass: > 0, in [L] [t]^2/[x]^2.
        friction: >= 0, in [L] [t]/[x]^2.
    Returns:
        a method, whose state is the velocity.
    Raises:
        ValueError: where diffrax is not installed, or for numbers out of range.
    Cost:
        per step at least 12 gradients, in a loop that cannot be counted; memory of d numbers.
    Source:
        Polyak (1964), USSR Computational Mathematics and Mathematical Physics 4, 1-17, section 2.
    Example:
        >>> swing = tw.methods.damped_newtonian(time_step=0.1, mass=2.0, friction=0.0)
        >>> print(tw.sweep(swing, friction=[0.0, 0.5]).friction)
        [0.  0.5]
    """
    _need_diffrax("damped_newtonian")
    positive(time_step, "time_step")
    positive(mass, "mass")
    positive(friction, "friction", zero=True)
    return DampedNewtonian(time_step, mass, friction)


def newtonian_momentum(mass: float, friction: float, time_step: float) -> dict[str, float]:
    """``learning_rate`` and ``momentum`` of the heavy ball for this mass and friction, for ``methods.momentum``.

    With d_k = x_k - x_{k-1}, m (d_{k+1} - d_k)/dt^2 = -gamma d_{k+1}/dt - dL/dx(x_k) is solved by
    d_{k+1} = m/(m + gamma dt) d_k - dt^2/(m + gamma dt) dL/dx(x_k): the factors are momentum and learning rate. For m
    -> 0 this is gradient descent with learning_rate = dt/gamma. See docs/momentum.md. Its path follows that of
    ``damped_newtonian`` to first order in dt.

    Args:
        mass: m >= 0, in [L] [t]^2/[x]^2.
        friction: gamma >= 0, in [L] [t]/[x]^2.
        time_step: dt > 0, in [t].
    Returns:
        both numbers by their names.
    Raises:
        ValueError: unless time_step > 0, mass and friction >= 0, and one of these > 0.
    Source:
        Polyak (1964); Qian (1999), Neural Networks 12, 145-151.
    Example:
        >>> tw.methods.flow.newtonian_momentum(mass=1.0, friction=0.0, time_step=0.5)
        {'learning_rate': 0.25, 'momentum': 1.0}
    """
    positive(time_step, "time_step")
    positive(mass, "mass", zero=True)
    positive(friction, "friction", zero=True)
    inertia = mass + friction * time_step
    if not inertia > 0:
        raise ValueError("mass and friction are both 0, but something must resist the force; give one of them.")
    return {"learning_rate": time_step**2 / inertia, "momentum": mass / inertia}


@method
class GradientFlow:
    """The steps of ``gradient_flow``."""

    time_step: float
    friction: float

    def written(self) -> str:
        return call("gradient_flow", named=vars(self), usual={"friction": 1.0})

    def init(self, problem: Objective, x: Array, key: Array) -> tuple[()]:
        return ()

    def step(self, problem: Objective, x: Array, state: tuple[()]) -> tuple[Array, tuple[()]]:
        return _advanced(lambda x: -problem.gradient(x) / self.friction, x, self.time_step), state


@method
class DampedNewtonian:
    """The steps of ``damped_newtonian``; the state is the velocity."""

    time_step: float
    mass: float
    friction: float

    def written(self) -> str:
        return call("damped_newtonian", named=vars(self), usual={"mass": 1.0, "friction": 1.0})

    def init(self, problem: Objective, x: Array, key: Array) -> Array:
        return jnp.zeros_like(x)

    def step(self, problem: Objective, x: Array, state: Array) -> tuple[Array, Array]:
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

    kinds = jax.tree.map(lambda leaf: leaf.dtype, now)
    dtype = at_least_single(jax.tree.leaves(kinds)[0])  # no stepsize can be controlled in shorter formats
    now = jax.tree.map(lambda leaf: leaf.astype(dtype), now)
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
    return jax.tree.map(lambda leaf, kind: jnp.where(arrived, leaf[0], jnp.nan).astype(kind), solution.ys, kinds)
