"""``minimize``: ``solve`` for one start, in SciPy's clothes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from reprlib import repr as shown
from typing import TYPE_CHECKING, Any, final

import jax
import numpy as np

from thalweg.chain.problem import Problem
from thalweg.chain.programs import compiled_once
from thalweg.engine.endings import OUTCOMES, Outcome, why
from thalweg.engine.traces import constants
from thalweg.methods import BFGS, LBFGS, NewtonCG, TrustRegion
from thalweg.methods.method import Bounded, Method
from thalweg.methods.sweeps import variants
from thalweg.numerics.constants import anew, released
from thalweg.numerics.reading import nearest, real, whole
from thalweg.verbs.solve import solve

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

METHODS: dict[str, Callable[..., Method]] = {
    "trust-region": TrustRegion,
    "trust-exact": TrustRegion,
    "trust-ncg": TrustRegion,
    "trust-krylov": TrustRegion,
    "bfgs": BFGS,
    "l-bfgs": LBFGS,
    "l-bfgs-b": LBFGS,
    "newton-cg": NewtonCG,
}
MODERATE = 50  # components up to which a Hessian is cheap
MAX_STEPS = 15_000  # as SciPy's L-BFGS-B
MOVED = "; x0 was outside of the bounds, and the nearest point within took its place"
STATUS = (0, 2, 3, 1)  # of SciPy's BFGS, for the outcomes of ``solve`` in their order


def minimize(
    fun: Callable[..., Any],
    x0: Any,
    args: Any = (),
    method: str | Method | None = None,
    bounds: Any = None,
    tol: float | None = None,
    options: Mapping[str, Any] | None = None,
) -> "OptimizeResult":
    """Minimize ``fun(x, *args)`` from ``x0`` in float64, as ``scipy.optimize.minimize`` with derivatives by JAX.

    Args:
        fun: the loss, written with jax.numpy: x of shape (d,), in [x], to a scalar, in [L].
        x0: where to start, d finite numbers. Outside of the bounds the nearest point within takes its place.
        args: what fun gets beside x; a tuple, or the one argument.
        method: a name, in any case: "trust-exact", "trust-ncg", "trust-krylov" or "trust-region" (all of which are
            ``methods.TrustRegion``), "BFGS", "L-BFGS-B" or "L-BFGS", "Newton-CG"; or a method of thalweg. None is
            "trust-region" up to 50 components, else "L-BFGS".
        bounds: d pairs (low, high), None or infinite where x is free, equal where it is fixed, or
            ``scipy.optimize.Bounds``. For methods that keep to them, which "BFGS" and "Newton-CG" do not.
        tol: ``gtol`` where options give none; where neither is given, what ``solve`` asks for, in any units.
        options: "maxiter" (15000 steps), "gtol" (tol), "ftol" and "xtol" (0, which is off), as ``solve`` takes them.

    Returns:
        A ``scipy.optimize.OptimizeResult`` with x, the best point, (d,) in [x]; fun and jac, the loss in [L] and its
        gradient there; nit, the steps; nfev, njev, nhev, the evaluations of the loss, its gradient and its Hessian or
        products with it (-1 where a method hides them in a loop of its own); success, message and status: 0 converged,
        1 exhausted, 2 stalled, 3 diverged; projected, whether x0 was outside of the bounds.
    Raises:
        ValueError: before anything is compiled, for anything of the above that does not fit.
    Cost:
        A step is one trial of a method, so there are more steps than SciPy has iterations. The first call compiles for
        a second or more; later ones with the same fun, args, bounds and method do not. Many starts or data sets at once
        go to ``solve``.
    Example:
        >>> found = tw.minimize(lambda x: (x[0] - 2.0) ** 2 + (x[1] + 1.0) ** 2, [0.0, 0.0], method="BFGS")
        >>> found.success, found.x.round(6).tolist()
        (True, [2.0, -1.0])
    """
    from scipy.optimize import OptimizeResult

    x = _point(x0)
    box = None if bounds is None else _box(bounds, x)
    begun = x if box is None else np.clip(x, *box)
    projected = bool(np.any(begun != x))
    chosen, settings = _method(method, len(x), box is not None), _settings(tol, options)
    with jax.enable_x64(True):
        problem = _kept(anew(lambda: _given(fun, args if isinstance(args, tuple) else (args,), begun, box)))
        fits = solve(problem, chosen, begun, dtype="float64", **settings).isel(variant=0, start=0)
        best = fits["x"].values
        jac = np.array(_gradient(problem, best))
    outcome = int(fits["outcome"])
    status = STATUS[outcome]
    reason = fits["reason"].attrs["flag_meanings"].split()[int(fits["reason"])]
    sentence = f"{reason} is met" if outcome == Outcome.CONVERGED else why(reason).format(**fits.attrs)
    sentence = "maxiter steps are taken" if reason == "max_steps" else sentence  # in SciPy's words
    values, gradients, products, _, hessians = fits["evaluations"].values.tolist()
    return OptimizeResult(
        x=best + 0.0,  # a bound may be -0
        fun=float(fits["loss"]),
        jac=jac,
        nit=int(fits["steps"]),
        nfev=values,
        njev=gradients,
        nhev=max(hessians + products, -1),
        success=status == 0,
        status=status,
        message=f"{OUTCOMES[outcome].capitalize()}: {sentence}{MOVED if projected else ''}.",
        projected=projected,
    )


@final
@dataclass(frozen=True)
class _Given:
    """What was given, equal to what was given before where both compile to the same.

    A function may read what has changed since, so what JAX traces of it is compared as well.
    """

    fun: Callable[..., Any] = field(hash=False)
    trace: str
    numbers: str
    problem: Problem = field(compare=False)


@lru_cache(maxsize=8)
def _kept(given: _Given) -> Problem:
    """The first of equal problems, for which programs are compiled."""
    return given.problem


@compiled_once
def _gradient(problem: Problem, x: Any) -> Any:
    return problem.gradient(x)


def _given(fun: Any, args: tuple[Any, ...], x: np.ndarray, box: tuple[np.ndarray, np.ndarray] | None) -> _Given:
    if not callable(fun):
        raise ValueError(f"fun is {fun!r}, but it must be a function; give the function and not its value.")

    def loss(x: Any) -> Any:
        return fun(x, *args)

    loss.__name__ = getattr(fun, "__name__", "<lambda>")
    problem = Problem(loss=loss, start=x, domain=box, name="fun")
    traced = jax.make_jaxpr(problem.value)(x)
    numbers = sha256()
    for number in [*constants(traced), *(box or ())]:
        numbers.update(np.asarray(number).tobytes())
    released(traced)
    return _Given(fun, str(traced), numbers.hexdigest(), problem)


def _point(x0: Any) -> np.ndarray:
    try:
        x = np.atleast_1d(real(x0))
    except (TypeError, ValueError):
        x = np.empty(0)
    if x.ndim != 1 or x.size == 0 or not np.all(np.isfinite(x)):
        raise ValueError(f"x0 is {shown(x0)}, but it must be a vector of finite numbers; give e.g. [1.0, 2.0].")
    return x


def _box(bounds: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), each of shape (d,)."""
    from scipy.optimize import Bounds

    try:
        if isinstance(bounds, Bounds):
            low, high = (np.broadcast_to(real(side), x.shape) for side in (bounds.lb, bounds.ub))
        else:
            pairs = [(-np.inf if low is None else low, np.inf if high is None else high) for low, high in bounds]
            low, high = real(pairs).reshape(len(x), 2).T
    except (TypeError, ValueError):
        low, high = x, x - 1
    if not np.all((low <= high) & (low < np.inf) & (high > -np.inf)):
        raise ValueError(
            f"bounds are {shown(bounds)}, but x takes {len(x)} pairs (low, high) of numbers with low <= high; give "
            "e.g. (0.0, 1.0) for each component, (0.0, None) where it is free above."
        )
    return low, high


def _method(method: Any, d: int, bounded: bool) -> Method:
    if method is None:
        method = "trust-region" if d <= MODERATE else "l-bfgs"
    name = method
    if isinstance(method, str):
        if method.lower() not in METHODS:
            raise ValueError(nearest(method.lower(), METHODS, "a method that minimize has"))
        method = METHODS[method.lower()]()
    if isinstance(method, type) or not isinstance(method, Method) or variants(method) > 1:
        raise ValueError(f"method is {method!r}, but minimize takes a name or one method; give e.g. 'BFGS'.")
    if not bounded:
        return method
    if not isinstance(method, Bounded):
        raise ValueError(f"bounds were given, but {name!r} has no use for them; choose 'trust-region' or 'L-BFGS-B'.")
    return method if method.bounded else replace(method, bounded=True)


def _settings(tol: float | None, options: Any) -> dict[str, Any]:
    """What ``solve`` takes."""
    settings = {"maxiter": MAX_STEPS, "gtol": tol, "ftol": 0.0, "xtol": 0.0}
    if not isinstance(options, Mapping | None):
        raise ValueError(f"options are {options!r}, but they go by name; give e.g. options={{'maxiter': 100}}.")
    for name in options or ():
        if name not in settings:
            raise ValueError(nearest(str(name), settings, "an option of minimize"))
    settings |= options or {}
    return {"max_steps": whole(settings.pop("maxiter"), "maxiter", 0), **settings}
