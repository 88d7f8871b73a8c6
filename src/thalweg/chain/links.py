"""The chain x -> y1 -> … -> y -> L as maps between vectors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain import examples, host, losses, stages
from thalweg.chain.derivatives import Derivatives
from thalweg.chain.differences import Function
from thalweg.chain.host import HostFunction
from thalweg.chain.losses import MeanLoss, OfTarget
from thalweg.chain.signatures import asks
from thalweg.chain.space import RESERVED, Space
from thalweg.chain.stages import Stage
from thalweg.numerics.products import products_as_chosen


@final
@dataclass(frozen=True, eq=False)
class Chain:
    """Stages and the loss at their end, with the spaces that they lead through.

    As a person wrote them functions may ask for data, and x is the one space that is known; ``closed`` hands them the
    data, and all spaces are known, x first and y last. Below, points are vectors.
    """

    stages: tuple[Stage, ...]
    loss: Any  # a function of y or of y and the data, or a ``MeanLoss``
    spaces: tuple[Space, ...]

    @staticmethod
    def written(
        given: Sequence[Stage | Callable[[Any], Any]], loss: Callable[..., Any] | MeanLoss, x: Space
    ) -> "Chain":
        """The chain as a person gave it, its stages named; ValueError for names that are taken."""
        chain = [stage if isinstance(stage, Stage) else Stage(stage) for stage in given]
        defaults = ["y"] if len(chain) == 1 else [f"y{i + 1}" for i in range(len(chain))]
        chain = [
            Stage(stage.forward, stage.inverse, stage.name or default, stage.each)
            for stage, default in zip(chain, defaults, strict=True)
        ]
        names = [stage.name for stage in chain]
        for name in names:
            if names.count(name) > 1 or name in RESERVED:
                raise ValueError(
                    f"a stage is named {name!r}, but the names of spaces must differ from each other and from "
                    f"{', '.join(RESERVED)}; choose another name."
                )
        return Chain(tuple(chain), loss, (x,))

    @property
    def takes_data(self) -> bool:
        """Whether some function cannot be evaluated without data."""
        return losses.takes_data(self.loss) or any(
            stage.each or asks(stage.forward, 1) or asks(stage.inverse, 2) for stage in self.stages
        )

    @property
    def mapped(self) -> bool:
        """Whether there are stages, and all are for ``each`` example."""
        return bool(self.stages) and all(stage.each for stage in self.stages)

    def closed(self, data: Any) -> "Chain":
        """The chain with ``data`` for the functions that ask for them; ValueError where a function does not fit what
        comes before it."""
        mean = self.loss if isinstance(self.loss, MeanLoss) and data is not None else None
        if data is not None and (mean or any(stage.each for stage in self.stages)):
            examples.check_axis(data)
        try:
            return self._handed(data, mean)
        except ValueError as error:
            if rows := examples.ends(data):  # which may be why
                raise ValueError(f"{str(error).removesuffix('.')}, and the data has {rows}.") from error
            raise

    def _handed(self, data: Any, mean: MeanLoss | None) -> "Chain":
        chain = tuple(stages.closed(stage, data, i == 0) for i, stage in enumerate(self.stages))
        loss, spaces = losses.closed(self.loss, data), self.spaces[:1]
        for stage in chain:
            spaces += (spaces[-1].after(stage),)
        if mean and not isinstance(mean.loss, OfTarget):
            example = jax.eval_shape(partial(jax.tree.map, lambda leaf: leaf[0]), data)
            given = [example] if asks(mean.loss, 1) else []
            spaces[-1].of_one().check_loss(mean.loss, "the loss of one example", *given)
        spaces[-1].check_loss(loss)
        return Chain(chain, loss, spaces)

    def measured(self, start: Any, data: Any) -> "Chain":
        """The chain whose functions of the host know what they return, each called once where the start leads to."""
        host_too = any(isinstance(stage.forward, HostFunction) for stage in self.stages)
        if not host_too or (data is None and self.takes_data):
            return self
        chain, point = list[Stage](), start
        for stage in self.stages:
            chain.append(Stage(host.measured(stage.forward, point, data), stage.inverse, stage.name, stage.each))
            with jax.enable_x64(True):
                point = stages.closed(chain[-1], data, len(chain) == 1).forward(jax.tree.map(jnp.asarray, point))
        return Chain(tuple(chain), self.loss, self.spaces)

    def link(self, i: int) -> Function:
        """The map of the i-th stage."""
        return _between(self.stages[i].forward, self.spaces[i], self.spaces[i + 1])

    def path(self, x: Array) -> list[Array]:
        """x and what it leads to in each space."""
        path = [x]
        for i in range(len(self.stages)):
            path.append(self.link(i)(path[-1]))
        return path

    def loss_at(self, y: Array) -> Array:
        """L(y)."""
        with products_as_chosen():
            return jnp.asarray(self.loss(self.spaces[-1].unravel(y)))

    def walk_back(self, y: Array, path: Sequence[Array]) -> tuple[Array, int]:
        """From y back through the inverses of the last stages that have one, near ``path``: the point that is reached,
        and how many stages are left before it."""
        left = len(self.stages)
        while left and (inverse := self.stages[left - 1].inverse) is not None:
            left -= 1
            space, following = self.spaces[left], self.spaces[left + 1]
            with products_as_chosen():
                y = space.ravel(inverse(following.unravel(y), space.unravel(path[left])))
        return y, left

    def pull_back(self, y: Array, path: Sequence[Array], name: str) -> Array:
        """From y back through the inverses of all stages, near ``path``; ValueError that
        names the problem where one has none."""
        x, left = self.walk_back(y, path)
        if left:
            inner = "" if left == len(self.stages) else ", or train it by InverseSimulator(inner=methods.adam(1e-3))"
            raise ValueError(
                f"stage {self.stages[left - 1].name!r} of {name!r} has no inverse, but inverse simulation needs one "
                f"for every stage; give Stage(forward, inverse=…) or wrap the stage in numerical_inverse{inner}."
            )
        return x

    def value_and_jacobian(self, derivatives: Derivatives, x: Array) -> tuple[Array, Array]:
        """y and dy/dx over the whole chain, cut at its narrowest space."""
        maps = [self.link(i) for i in range(len(self.stages))]
        return stages.value_and_jacobian(derivatives, maps, [space.size for space in self.spaces], x)

    def value_and_jacobian_of_each(
        self, derivatives: Derivatives, written: Sequence[Stage], data: Any, x: Array
    ) -> tuple[Array, Array]:
        """The same of a chain that is mapped over examples, taken example by example from the stages as written."""
        spaces = (self.spaces[0], *(space.of_one() for space in self.spaces[1:]))

        def one(example: Any) -> tuple[Array, Array]:
            links = zip(written, spaces, spaces[1:], strict=False)
            maps = [_between(stages.forward_of(stage, example), a, b) for stage, a, b in links]
            return stages.value_and_jacobian(derivatives, maps, [space.size for space in spaces], x)

        def together(rows: Array) -> Array:  # (examples, m of one, …): a space is raveled leaf by leaf
            parts = jnp.split(rows, np.cumsum(spaces[-1].sizes)[:-1].tolist(), axis=1)
            return jnp.concatenate([part.reshape(-1, *rows.shape[2:]) for part in parts])

        y, jacobian = jax.vmap(one)(data)
        return together(y), together(jacobian)


def _between(forward: Callable[[Any], Any], before: Space, after: Space) -> Function:
    """A stage's map between vectors."""
    return products_as_chosen()(lambda x: after.ravel(forward(before.unravel(x))))
