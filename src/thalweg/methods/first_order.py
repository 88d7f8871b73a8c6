"""First-order methods: every update rule of optax, on the gradient of the problem."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial, update_wrapper
from numbers import Real
from typing import Any, final, get_args

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
from jax import Array
from jax.flatten_util import ravel_pytree

from thalweg.chain.calls import call
from thalweg.chain.objective import Objective, Smooth
from thalweg.chain.signatures import name_of
from thalweg.chain.space import Space
from thalweg.methods.method import method, static
from thalweg.numerics.reading import first_line

# Rules that treat every component alike and by itself: a flat vector shows them as much as a pytree does, and a program
# of one array compiles in half the time of one of eight.
_COMPONENTWISE = frozenset({optax.adagrad, optax.adam, optax.adamw, optax.rmsprop, optax.sgd})


@cache  # since a signature takes longer to read than a short run to plan
def _called(rule: Callable[..., Any], options: tuple[tuple[str, Any], ...]) -> tuple[str, ...]:
    usual = {name for name, p in inspect.signature(rule).parameters.items() if p.default is True}
    return name_of(rule, "FirstOrder"), *(name for name, value in options if value is True and name not in usual)


def _qualified(rule: Any) -> str:
    """Where optax has it: optax.lion, optax.contrib.muon."""
    name = name_of(rule)
    places = (("optax.", vars(optax)), ("optax.contrib.", vars(optax.contrib)))
    return next((f"{place}{name}" for place, known in places if known.get(name) is rule), name)


@method
class FirstOrder:
    """x <- x + rule(dL/dx), with ``rule`` any optax update rule. ``from_optax`` and the functions beside it make one.

    The rule sees x and dL/dx as the pytree that ``start`` is, so that what it does by leaf, by shape or by path it does
    as in a loop of optax's own; of the loss it gets what it asks for by optax's names: ``value``, ``grad``,
    ``value_fn``, ``obj_fn`` and ``grad_fn``.

    The pull-back of the loss is the transposed Jacobian: dL/dx = (dy/dx)^T dL/dy, whose units [L]/[x] are not those of
    a step in [x]; the learning rate carries [x]^2/[L] where the rule does not normalize.

    Args:
        rule: a function that makes an ``optax.GradientTransformation`` (``optax.adam``, …); structure.
        hyper: its numeric arguments by name, which are leaves and can be swept.
        options: its remaining arguments as pairs, which are structure.
        made_by: the function that made it, such as ``methods.adam``, by which it shows itself; structure.
    Raises:
        ValueError: from ``run`` and ``solve``, where the rule does not take these arguments or cannot take a step.
    Cost:
        per step one gradient; of a rule that searches along a line what the search takes, in a loop that cannot be
        counted.
    Source:
        DeepMind et al. (2020), The DeepMind JAX Ecosystem, optax.
    Example:
        >>> import optax
        >>> method = tw.methods.FirstOrder(optax.sgd, {"learning_rate": 0.5})
        >>> print(tw.run(tw.problems.quadratic([1.0]), method, steps=2).x.values.ravel())
        [1.   0.5  0.25]
    """

    rule: Callable[..., optax.GradientTransformation] = static()
    hyper: dict[str, Any]
    options: tuple[tuple[str, Any], ...] = static(default=())
    made_by: Callable[..., Any] | None = static(default=None)

    def written(self) -> str:
        """``adam(learning_rate=0.1)``, or ``from_optax(optax.lion, learning_rate=0.1)``."""
        if isinstance(self.rule, _Finished):
            return "from_optax(…)"
        rule, held = (self.rule.func, self.rule.keywords) if isinstance(self.rule, partial) else (self.rule, {})
        named = {**self.hyper, **dict(self.options), **held}
        if self.made_by is None:
            return f"from_optax({_qualified(rule)}, {call('', named=named)[1:]}".replace(", )", ")")
        known = inspect.signature(self.made_by).parameters
        usual = {name: p.default for name, p in known.items() if p.default is not p.empty}
        order = [name for name in known if name in named]
        return call(name_of(self.made_by), named={name: named[name] for name in order}, usual=usual)

    def called(self) -> tuple[str, ...]:
        """The name of the rule, and its flags that are not usual."""
        return _called(self.rule, self.options)

    def _rule(self, problem: str) -> "_Rule":
        return _Rule(partial(self.rule, **self.hyper, **dict(self.options)), self.called()[0], problem)

    @property
    def _componentwise(self) -> bool:
        return self.rule in _COMPONENTWISE and dict(self.options).get("mask") is None

    def _seen(self, space: Space) -> Space:
        """The space of x as the rule sees it."""
        return Space.of(space.name, np.empty(space.size)) if self._componentwise else space

    def init(self, problem: Objective, x: Array, key: Array) -> Any:
        return self._rule(problem.name).init(self._seen(problem.chain.spaces[0]).unravel(x))

    def step(self, problem: Objective, x: Array, state: Any) -> tuple[Array, Any]:
        return self.follow(problem, problem.chain.spaces[0], x, state)

    def follow(self, loss: Smooth, space: Space, x: Array, state: Any) -> tuple[Array, Any]:
        """A step on a loss over the points of ``space``."""
        space, value = self._seen(space), with_derivative(loss.value, loss.value_and_gradient)
        point, gradient = space.unravel(x), loss.gradient(x)

        def value_of(point: Any) -> Array:
            return value(space.ravel(point))

        def gradient_at(point: Any, _: Any = None) -> Any:
            return space.unravel(loss.gradient(space.ravel(point)))

        given, known = space.unravel(gradient), dict[str, Any]()
        if not self._componentwise:  # of which none asks for more than a gradient
            known = {"value": loss.value(x), "grad": given, "value_fn": value_of}
            known |= {"obj_fn": value_of, "grad_fn": gradient_at}
        update, state = self._rule(loss.name).update(given, state, point, known)
        return space.ravel(optax.apply_updates(point, update)), state

    def preconditioner(self, state: Any) -> Array:
        """P, the diagonal by which the rule divides its mean of gradients, so that x <- x - learning_rate P^-1 m.

        sqrt(v^) + eps (adam, adamw), sqrt(v + eps) (rmsprop, adagrad), shape (d,), in [L]/[x]; 1 for other rules. NaN
        before the first step of adam. Source: Cohen et al. (2022), arXiv:2207.14484, section 3.
        """
        numbers = {**self.hyper, **dict(self.options)}
        eps = numbers.get("eps", 0.0)

        def kept(name: str) -> Array:
            return ravel_pytree(optax.tree.get(state, name))[0]

        match name_of(self.rule, "FirstOrder"):
            case "adam" | "adamw":
                return jnp.sqrt(kept("nu") / (1 - numbers["b2"] ** kept("count"))) + eps
            case "rmsprop":
                v = kept("nu") - (kept("mu") ** 2 if numbers.get("centered") else 0)
                return jnp.sqrt(v + eps) if numbers.get("eps_in_sqrt", True) else jnp.sqrt(v) + eps
            case "adagrad":
                return jnp.sqrt(kept("sum_of_squares") + eps)
        return jnp.ones(())


@final
@dataclass(frozen=True)
class _Rule:
    """A rule with its numbers, whose errors name it."""

    make: Callable[[], Any]
    name: str
    problem: str

    def init(self, point: Any) -> Any:
        try:
            return self._made().init(point)
        except Exception as error:
            raise ValueError(self._refusal(error)) from error

    def update(self, gradient: Any, state: Any, point: Any, known: dict[str, Any]) -> tuple[Any, Any]:
        """Of what is known of the loss a rule gets what it takes."""
        rule = self._made()
        while True:
            try:
                update, after = rule.update(gradient, state, point, **known)
                break
            except TypeError as error:  # rules do not tell beforehand what they, or a rule within them, would take
                said = str(error)
                unwanted = {name for name in known if "nexpected keyword" in said and f"'{name}'" in said}
                if not unwanted:
                    raise ValueError(self._refusal(error)) from error
                known = {name: value for name, value in known.items() if name not in unwanted}
            except Exception as error:
                raise ValueError(self._refusal(error)) from error
        for what, now, before in (("an update", update, point), ("a state", after, state)):
            if jax.tree.map(jnp.shape, now) != jax.tree.map(jnp.shape, before):
                raise ValueError(
                    f"the rule {self.name} of optax gives {what} on {self.problem!r} that is not shaped as before the "
                    "step, but x stays in its space and a state in its own; choose a rule that steps by one gradient, "
                    "that of the whole loss."
                )
        return update, after

    def _made(self) -> optax.GradientTransformationExtraArgs:
        made = self.make()
        if isinstance(made, optax.MultiSteps):
            update: Any = made.update  # of a state that is its own
            return optax.GradientTransformationExtraArgs(made.init, update)
        if not isinstance(made, optax.GradientTransformation):
            raise TypeError(f"it gives a {type(made).__name__}, which is no optax.GradientTransformation")
        return optax.with_extra_args_support(made)

    def _refusal(self, error: Exception) -> str:
        return (
            f"the rule {self.name} of optax was given x, dL/dx and L of {self.problem!r}, but it cannot take a step "
            f"from these ({type(error).__name__}: {first_line(error)}); choose another rule, or finish this one with "
            "numbers that cannot be swept, as in from_optax(optax.adam(0.1))."
        )


def from_optax(
    rule: Callable[..., optax.GradientTransformation] | optax.GradientTransformation | optax.MultiSteps,
    **arguments: Any,
) -> FirstOrder:
    """A method from an optax rule: x <- x + rule(dL/dx), on the pytree that the problem's ``start`` is.

    docs/optax.md lists the rules of optax and what each takes here.

    Args:
        rule: a function that makes a transformation, such as ``optax.lion``, or a finished transformation,
            ``optax.lion(1e-3)``, with nothing to sweep.
        **arguments: of the rule. Numbers become hyperparameters that can be swept; flags, functions (such as
            schedules), pytrees (such as masks and labels), None and what the rule annotates as a whole number (a
            memory, a period) become structure.
    Returns:
        a ``FirstOrder``.
    Raises:
        ValueError: where arguments are given beside a finished transformation, and for what is neither a function nor
            a transformation.
    Cost:
        per step one gradient and what the rule does.
    Source:
        DeepMind et al. (2020), The DeepMind JAX Ecosystem, optax.
    Example:
        >>> import optax
        >>> lion = tw.methods.from_optax(optax.lion, learning_rate=0.25, b1=0.95)
        >>> trace = tw.run(tw.problems.quadratic([1.0]), lion, steps=2)
        >>> print(trace.rule.item(), trace.x.values.ravel().round(2))
        lion [1.   0.75 0.5 ]
    """
    if isinstance(rule, optax.GradientTransformation | optax.MultiSteps):
        if arguments:
            raise ValueError(
                f"from_optax was given a finished transformation and {', '.join(arguments)}; "
                "give the rule itself, such as from_optax(optax.adam, learning_rate=0.1)."
            )
        return FirstOrder(_Finished(rule), {})
    if not callable(rule):
        raise ValueError(
            f"from_optax was given {rule!r}, but it takes a rule of optax; give e.g. optax.adam and its learning_rate."
        )
    whole = {k for k, p in inspect.signature(rule).parameters.items() if _is_whole(p.annotation)}
    hyper = {k: v for k, v in arguments.items() if _is_number(v) and k not in whole}
    options = {k: v for k, v in arguments.items() if k not in hyper}
    held = {k: v for k, v in options.items() if not _can_be_hashed(v)}
    if held:  # as structure must be: the rule keeps them, and is another one for other objects
        rule = update_wrapper(partial(rule, **held), rule)
    return FirstOrder(rule, hyper, tuple((k, v) for k, v in options.items() if k not in held))


def _is_number(value: Any) -> bool:
    if isinstance(value, Array | np.ndarray):
        return value.ndim == 0
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_whole(annotation: Any) -> bool:
    """Whether an argument is a whole number, or else no number at all."""
    kinds = get_args(annotation) or (annotation,)
    return (int in kinds or "int" in kinds) and float not in kinds


def _can_be_hashed(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


@final
@dataclass(frozen=True)
class _Finished:
    rule: optax.GradientTransformation | optax.MultiSteps

    def __call__(self) -> Any:
        return self.rule


def with_derivative(
    value: Callable[[Array], Array], both: Callable[[Array], tuple[Array, Array]]
) -> Callable[[Array], Array]:
    """``value``, with a derivative that JAX is given instead of taking it."""

    @jax.custom_jvp
    def function(x: Array) -> Array:
        return value(x)

    @function.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        there, derivative = both(*primals)
        return there, derivative @ tangents[0]

    return function
