"""Networks in front of physics."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.batches import shown
from thalweg.chain.derivatives import in_y
from thalweg.chain.examples import arrays, check_axis
from thalweg.chain.losses import MeanLoss
from thalweg.chain.problem import Problem
from thalweg.chain.space import Space, abstract
from thalweg.chain.stages import Stage
from thalweg.methods import InverseSimulator
from thalweg.numerics.products import products_in_full
from thalweg.numerics.reading import first_line, share

__all__ = ["distance", "gradient_ratios", "problem", "proxy_loss", "saturation", "validation_loss"]

Observer = Callable[[Problem, Array], Array]


def __dir__() -> list[str]:
    return __all__


def problem(
    physics: Problem,
    network: Callable[[Any, Any], Any],
    parameters: Any,
    examples: Any,
    batch_size: int | None = None,
    name: str | None = None,
) -> Problem:
    """The problem to learn u = network(x, example) so that physics from u has little loss: x -> u -> … -> y -> L.

    The loss is the mean over examples, L = mean_i loss(y_i, example_i). Space ``u`` and those of the physics have a
    leading axis of examples; a trace holds those of the first batch, and the loss over all examples. The Jacobian is
    taken example by example.

    Args:
        physics: the problem of one example, u -> … -> y -> L, whose functions may ask for the example.
        network: (parameters, example) -> u like ``physics.start``, in [u], for one example; any function, such as the
            apply of a flax module or an equinox module that is combined from its parameters.
        parameters: where training starts, a pytree of real arrays: the x of the problem. Several seeds are ``starts``
            of ``run``, the same pytree with a leading axis.
        examples: a pytree of arrays with one leading axis; network, stages, inverses and loss get one example each.
        batch_size: examples of a minibatch, a pure number; all at once if None.
        name: for tables and figures; "learning" and the name of the physics if None.
    Returns:
        A ``Problem`` with spaces x (d parameters), u and those of the physics, and the loss in [L] of the physics.
    Raises:
        ValueError: where physics is no ``Problem``, where the network does not give what the physics takes, and for
            what ``Problem`` refuses.
    Cost:
        Shapes alone are traced; a loss costs a pass of network and physics per example.
    Example:
        >>> physics = tw.problems.physics.sine.problem()  # two controls
        >>> examples = tw.problems.physics.sine.examples(8, key=0)
        >>> def network(weights, example):
        ...     return jnp.tanh(weights @ example["target"])
        >>> learning = tw.training.problem(physics, network, np.zeros((2, 2)), examples, batch_size=4)
        >>> learning.dimension, learning.batch_size, sorted(learning.spaces(learning.start))
        (4, 4, ['loss', 'u', 'x', 'y'])
    """
    if not isinstance(physics, Problem):
        raise ValueError(
            f"physics is a {type(physics).__name__}, but it must be the Problem of one example; write "
            "Problem(Stage(forward, inverse), loss=…, start=…)."
        )
    _check_network(network)
    Space.of("x", parameters).ravel_point(parameters, "parameters")
    examples = arrays(examples)
    check_axis(examples, "examples")
    first = jax.tree.map(lambda leaf: np.asarray(leaf)[0], examples)
    given, taken = abstract(network, "network", parameters, first), physics.chain.spaces[0]
    shapes = tuple(leaf.shape for leaf in jax.tree.leaves(given))
    if jax.tree.structure(given) != taken.treedef or shapes != taken.shapes:
        raise ValueError(
            f"network gives shape {shapes} for an example, but the physics {physics.name!r} takes {taken.shapes}; let "
            "it return an array like physics.start."
        )
    return Problem(
        Stage(network, name="u", each=True),
        *(Stage(stage.forward, stage.inverse, stage.name, each=True) for stage in physics.given.stages),
        loss=MeanLoss(physics.given.loss),  # pyright: ignore[reportArgumentType]
        start=parameters,
        data=examples,
        batch_size=batch_size,
        derivatives=physics.derivatives,
        name=name or f"learning {physics.name}",
        units={"u" if space == "x" else space: unit for space, unit in physics.units.items()},
    )


@runtime_checkable
class _Linen(Protocol):
    """A module of flax, whose parameters are apart."""

    def init(self, *arguments: Any) -> Any: ...
    def apply(self, *arguments: Any) -> Any: ...


def _check_network(network: Any) -> None:
    """ValueError for a network that is no function of its parameters."""
    holds = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(network)) and not isinstance(network, partial)
    if isinstance(network, _Linen) and not holds:
        how = "give network.apply"
    elif holds and any(kind.__module__.startswith("flax.") for kind in type(network).__mro__):
        how = "write graph, params = nnx.split(network), and give params and lambda p, e: nnx.merge(graph, p)(e['x'])"
    elif holds:
        how = (
            "write params, static = eqx.partition(network, eqx.is_inexact_array) and give params and lambda p, e: "
            "eqx.combine(p, static)(e['x'])"
        )
    else:
        return
    raise ValueError(
        f"network is a {type(network).__name__}, but it must be a function of parameters and an example; {how}."
    )


def proxy_loss(
    physics: Problem | Stage | Sequence[Stage],
    loss: Callable[..., Any] | None = None,
    method: InverseSimulator | None = None,
) -> Callable[..., Array]:
    """The proxy loss of scale-invariant training, f(prediction, example) -> scalar, for anyone's training loop.

    f = |u - u~|^2 / 2, where u is the prediction of a network and u~, held fixed, what a step of ``method`` on the
    physics leads to from u; with its ``proxy="l1"`` |u - u~|_1. The gradient of f by u is u - u~ (its sign), whatever
    the scale of the Jacobian of the physics.

    Args:
        physics: the problem of one example, or a stage or stages, u -> … -> y, each with an inverse.
        loss: loss(y) or loss(y, target), in [L], for stages; a ``Problem`` has its own.
        method: how y is moved and walked back; ``InverseSimulator(learning_rate=1)`` if None.
    Returns:
        f(u, example) for the prediction of one example, in [u]^2, or [u] for "l1"; the example may be left out if
        nothing asks for it. Map it for a batch: ``jnp.mean(jax.vmap(f)(predictions, examples))``.
    Raises:
        ValueError: for stages without a loss, and where a stage has no inverse; when f is called, for the prediction of
            a batch.
    Cost:
        A forward pass and an inverse of the physics per call of f.
    Source:
        Holl, Koltun and Thuerey (2022), arXiv:2109.15048, algorithm 1.
    Example:
        >>> stage = tw.Stage(lambda u: 1000 * u, inverse=lambda y, u: y / 1000)
        >>> f = tw.training.proxy_loss(stage, lambda y: jnp.sum((y - 2000.0) ** 2))
        >>> import jax
        >>> jax.jit(jax.grad(f))(jnp.array([5.0])).tolist()  # u - u~ = 5 - 2, whatever the factor 1000
        [3.0]
    """
    method = method or InverseSimulator()
    if not isinstance(physics, Problem) and loss is None:
        raise ValueError("proxy_loss was given stages without a loss, but it needs one; give proxy_loss(stage, loss).")
    stages = physics.given.stages if isinstance(physics, Problem) else _stages(physics)
    for i, stage in enumerate(stages):
        if stage.inverse is None:
            name = stage.name or f"y{i + 1}"
            raise ValueError(
                f"proxy_loss was given stage {name!r} without an inverse, but it walks back through every stage; give "
                "Stage(forward, inverse=…) or wrap the stage in numerical_inverse."
            )

    def f(prediction: Any, example: Any = None) -> Array:
        fixed = jax.lax.stop_gradient(prediction)
        shapes = [np.shape(leaf) for leaf in jax.tree.leaves(fixed)]
        if isinstance(physics, Problem):
            taken = physics.chain.spaces[0].shapes
            if tuple(shapes) != taken:
                raise ValueError(_of_a_batch(f"shape {shapes}", f"{list(taken)}"))
            one = physics if example is None else physics.bind(example)
        else:
            try:
                one = _posed(stages, loss, fixed, example)
            except ValueError as error:
                if _takes_rows(stages, loss, fixed, example):
                    raise ValueError(_of_a_batch(f"shape {shapes}", first_line(error))) from error
                raise
        space = one.chain.spaces[0]
        u = space.ravel(fixed)
        target = jax.lax.stop_gradient(one.pull_back(method.target(one, u), u))
        return method.proxy_loss(space.ravel(prediction) - target)

    return f


def _stages(given: Any) -> list[Stage]:
    several = [given] if isinstance(given, Stage) or callable(given) else given
    return [stage if isinstance(stage, Stage) else Stage(stage) for stage in several]


def _posed(stages: Sequence[Stage], loss: Any, prediction: Any, example: Any) -> Problem:
    """The problem of one example, which starts anywhere."""
    start = jax.tree.map(lambda leaf: np.zeros(np.shape(leaf)), prediction)
    return Problem(*stages, loss=loss, start=start, data=example)


def _takes_rows(stages: Sequence[Stage], loss: Any, predictions: Any, examples: Any) -> bool:
    """Whether the stages would take the first row of what was given."""
    many = min((np.ndim(leaf) for leaf in jax.tree.leaves(predictions)), default=0) > 1  # or a row is a number
    if not many or any(np.ndim(leaf) == 0 for leaf in jax.tree.leaves(examples)):
        return False
    try:
        _posed(stages, loss, *jax.tree.map(lambda leaf: leaf[0], (predictions, examples)))
    except ValueError:
        return False
    return True


def _of_a_batch(given: str, taken: str) -> str:
    return (
        f"the proxy loss was given a prediction of {given}, but it takes that of one example ({taken}); map it over a "
        "batch by jax.vmap, as in jnp.mean(jax.vmap(f)(predictions, examples))."
    )


def validation_loss(examples: Any) -> Observer:
    """An observer for ``run(record=…)``: the loss over examples that training does not see.

    Args:
        examples: a pytree of arrays like the data of the problem, with a leading axis of any length.
    Returns:
        ``validation_loss(problem, x)`` -> L, a scalar in [L], by that name in the trace.
    Raises:
        ValueError: by ``run``, where the functions of the problem cannot take these examples.
    Cost:
        A forward pass over these examples per recorded row.
    Example:
        >>> fit = tw.Problem(lambda x, data: x * data, loss=lambda y: jnp.mean(y**2), start=[2.0], data=np.ones(3))
        >>> float(tw.training.validation_loss(np.full(5, 3.0))(fit, jnp.array([2.0])))
        36.0
    """
    return _named("validation_loss", lambda problem, x: problem.bind(examples).value(x))


def distance(truth: Callable[[Any], Any], space: str = "u", examples: Any = None) -> Observer:
    """An observer for ``run(record=…)``: the distance in a space to what is known, mean_i |u_i - truth(example_i)|.

    Args:
        truth: truth(example) -> the known point of one example, like a point of the space, in the units of the space.
        space: the name of a space of the problem with a leading axis of examples, such as "u" or "y".
        examples: others than those of training, such as those of a validation; those of the problem if None.
    Returns:
        ``distance_<space>(problem, x)`` -> the mean Euclidean distance, a scalar in the units of the space, such as
        [u], by that name in the trace.
    Raises:
        ValueError: by ``run``, for a space that the problem does not have.
    Cost:
        A forward pass over the examples per recorded row.
    Example:
        >>> fit = tw.Problem(lambda x, data: x * data, loss=lambda y: jnp.mean(y**2), start=[2.0], data=np.ones(3))
        >>> observer = tw.training.distance(lambda example: 0.5 * example, space="y")
        >>> observer.__name__, float(observer(fit, jnp.array([2.0])))
        ('distance_y', 1.5)
    """

    def seen(problem: Problem, x: Array) -> Array:
        over = problem if examples is None else problem.bind(examples)
        known = [one.name for one in over.chain.spaces]
        if space not in known:
            raise ValueError(f"space is {space!r}, but {problem.name!r} has {', '.join(known)}; choose one of these.")
        points = over.chain.spaces[known.index(space)].unravel(over.path(x)[known.index(space)])
        miss = jax.tree.map(jnp.subtract, points, jax.vmap(truth)(over.data))
        squares = [jnp.sum(leaf.reshape(leaf.shape[0], -1) ** 2, axis=1) for leaf in jax.tree.leaves(miss)]
        return jnp.mean(jnp.sqrt(sum(squares, jnp.zeros(()))))

    return _named(f"distance_{space}", seen)


def saturation(hidden: Callable[[Any, Any], Any], limit: float = 0.95) -> Observer:
    """An observer for ``run(record=…)``: the share of neurons that hardly learn, their activation near its bound.

    The mean of |a| > limit over the activations a of all examples of the first batch. A neuron there has next to no
    gradient.

    Args:
        hidden: hidden(parameters, example) -> the activations of a network that are bounded by 1, those of tanh, in any
            pytree; pure numbers.
        limit: where saturation begins, a pure number from 0 to 1.
    Returns:
        ``saturation(problem, x)`` -> a scalar from 0 to 1, a pure number, by that name in the trace.
    Raises:
        ValueError: unless limit is from 0 to 1.
    Cost:
        One call of ``hidden`` per example of the first batch and recorded row.
    Example:
        >>> observer = tw.training.saturation(lambda weights, example: jnp.tanh(weights * example))
        >>> fit = tw.Problem(lambda x, data: x * data, loss=lambda y: jnp.mean(y**2), start=[2.0], data=np.arange(4.0))
        >>> float(observer(fit, jnp.array([2.0])))  # tanh of 0, 2, 4 and 6
        0.75
    """
    share(limit, "limit")

    def seen(problem: Problem, x: Array) -> Array:
        batch = shown(problem)
        activations = jax.vmap(hidden, (None, 0))(batch.chain.spaces[0].unravel(x), batch.data)
        return jnp.mean(jnp.concatenate([jnp.ravel(jnp.abs(leaf) > limit) for leaf in jax.tree.leaves(activations)]))

    return _named("saturation", seen)


@products_in_full()
def gradient_ratios(problem: Problem, x: Array) -> Array:
    """An observer for ``run(record=…)``: |dL/ds| / |dL/dy| for every space s before y, x first.

    How much larger or smaller a step of gradient descent is there than in y: the scales that the Jacobians of the
    stages put between the spaces.

    Args:
        problem: a chain of n stages, x -> … -> y -> L.
        x: a point, shape (d,), in [x].
    Returns:
        An array of shape (n,), in [y]/[s]; of the spaces x, y1, … y(n-1).
    Raises:
        ValueError: for a problem that asks for data and has none.
    Cost:
        A forward pass and one reverse pass.
    Example:
        >>> chain = tw.Problem(lambda x: 10 * x, lambda y: 3 * y, loss=lambda y: jnp.sum(y**2), start=[1.0])
        >>> np.round(tw.training.gradient_ratios(chain, jnp.array([1.0])), 3).astype(int).tolist()
        [30, 3]
    """
    path = problem.path(x)
    gradient = problem.loss_gradient(path[-1])
    norms = [jnp.linalg.norm(gradient)]
    for i in reversed(range(len(problem.stages))):
        derivatives = in_y(problem.derivatives, path[i]) if i else problem.derivatives
        _, _, pull = derivatives.linearize(problem.link(i), path[i])
        gradient = pull(gradient)
        norms.append(jnp.linalg.norm(gradient))
    return jnp.stack(norms[:0:-1]) / norms[0]


def _named(name: str, observer: Observer) -> Observer:
    observer.__name__ = name
    return observer
