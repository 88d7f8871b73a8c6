"""Networks in front of physics."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.batches import shown
from thalweg.chain.losses import MeanLoss
from thalweg.chain.problem import Problem
from thalweg.chain.space import abstract
from thalweg.chain.stages import Stage
from thalweg.methods import InverseSimulator
from thalweg.numerics.reading import share

Observer = Callable[[Problem, Array], Array]


def problem(
    physics: Problem,
    network: Callable[[Any, Any], Any],
    parameters: Any,
    examples: Any,
    batch_size: int | None = None,
    name: str | None = None,
) -> Problem:
    """The problem to learn u = network(x, example) so that physics from u has little loss: x -> u -> … -> y -> L.

    Args:
        physics: the problem of one example, u -> … -> y -> L, whose functions may ask for the example.
        network: (parameters, example) -> u like ``physics.start``, for one example; any function, such as the apply of
            a flax module or an equinox module that is combined from its parameters.
        parameters: where training starts, a pytree of real arrays: the x of the problem. Several seeds are ``starts``
            of ``run``, the same pytree with a leading axis.
        examples: a pytree of arrays with one leading axis; network, stages, inverses and loss get one example each.
        batch_size: examples of a minibatch; all at once without.

    The loss is the mean over examples, in [L]. Space ``u`` and those of the physics have a leading axis of examples; a
    trace holds those of the first batch, and the loss over all examples. The Jacobian is taken example by example.

    Raises ValueError where the network does not give what the physics takes, and for what ``Problem`` refuses.
    """
    if not isinstance(physics, Problem):
        raise ValueError(
            f"physics is a {type(physics).__name__}, but it must be the Problem of one example; write "
            "Problem(Stage(forward, inverse), loss=…, start=…)."
        )
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


def proxy_loss(
    physics: Problem | Stage | Sequence[Stage],
    loss: Callable[..., Any] | None = None,
    method: InverseSimulator | None = None,
) -> Callable[..., Array]:
    """f(prediction, example) -> scalar, for anyone's training loop: the proxy loss of scale-invariant training.

    f = |u - u~|^2 / 2, where u is the prediction of a network and u~, held fixed, what a step of ``method``
    (``InverseSimulator(learning_rate=1)`` without) on the physics leads to from u; with its ``proxy="l1"``
    |u - u~|_1. The gradient of f by u is u - u~ (its sign), whatever the scale of the Jacobian of the physics.

    ``physics`` is the problem of one example, or a stage or stages with ``loss(y)`` or ``loss(y, target)``. Predictions
    are those of one example, f(u, example), where the example may be left out if nothing asks for it; map it for a
    batch: ``jnp.mean(jax.vmap(f)(predictions, examples))``. Units: [u]^2, or [u]. Cost: a forward pass and an inverse.
    Source: Holl, Koltun and Thuerey (2022), arXiv:2109.15048, algorithm 1.

    Raises ValueError where a stage has no inverse, or for stages without a loss.
    """
    method = method or InverseSimulator()
    if not isinstance(physics, Problem) and loss is None:
        raise ValueError("proxy_loss was given stages without a loss, but it needs one; give proxy_loss(stage, loss).")

    def f(prediction: Any, example: Any = None) -> Array:
        fixed = jax.lax.stop_gradient(prediction)
        if isinstance(physics, Problem):
            one = physics if example is None else physics.bind(example)
        else:
            stages = [physics] if isinstance(physics, Stage) else physics
            start = jax.tree.map(lambda leaf: np.zeros(leaf.shape), fixed)
            one = Problem(*stages, loss=loss, start=start, data=example)  # pyright: ignore[reportArgumentType]
        space = one.chain.spaces[0]
        u = space.ravel(fixed)
        target = jax.lax.stop_gradient(one.pull_back(method.target(one, u), u))
        return method.proxy_loss(space.ravel(prediction) - target)

    return f


def validation_loss(examples: Any) -> Observer:
    """An observer for ``run(record=…)``: L over ``examples`` that training does not see, in [L]."""
    return _named("validation_loss", lambda problem, x: problem.bind(examples).value(x))


def distance(truth: Callable[[Any], Any], space: str = "u", examples: Any = None) -> Observer:
    """An observer: mean_i |u_i - truth(example_i)|, the Euclidean distance in ``space`` to what is known there.

    ``truth(example)`` is like a point of the space of one example; ``examples`` are others than those of training,
    such as those of a validation. In units of the space. Raises ValueError for a space that the problem does not have.
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
    """An observer: the share of neurons, over the examples of the first batch, whose activation is beyond ``limit``.

    ``hidden(parameters, example)`` gives the activations of a network that are bounded by 1, those of tanh, in any
    pytree. A neuron there has next to no gradient. Raises ValueError unless limit is from 0 to 1.
    """
    share(limit, "limit")

    def seen(problem: Problem, x: Array) -> Array:
        batch = shown(problem)
        activations = jax.vmap(hidden, (None, 0))(batch.chain.spaces[0].unravel(x), batch.data)
        return jnp.mean(jnp.concatenate([jnp.ravel(jnp.abs(leaf) > limit) for leaf in jax.tree.leaves(activations)]))

    return _named("saturation", seen)


def gradient_ratios(problem: Problem, x: Array) -> Array:
    """An observer: |dL/ds| / |dL/dy| for every space s before y, x first, in [y]/[s].

    How much larger or smaller a step of gradient descent is there than in y: the scales that the Jacobians of the
    stages put between the spaces. Cost: a forward pass and one reverse pass.
    """
    path = problem.path(x)
    gradient = problem.loss_gradient(path[-1])
    norms = [jnp.linalg.norm(gradient)]
    for i in reversed(range(len(problem.stages))):
        _, _, pull = problem.derivatives.linearize(problem.link(i), path[i])
        gradient = pull(gradient)
        norms.append(jnp.linalg.norm(gradient))
    return jnp.stack(norms[:0:-1]) / norms[0]


def _named(name: str, observer: Observer) -> Observer:
    observer.__name__ = name
    return observer
