"""One map between two spaces, and the derivative of a chain of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import jax
from jax import Array

from thalweg.chain.signatures import asks

if TYPE_CHECKING:
    from thalweg.chain.derivatives import Derivatives


@final
@dataclass(frozen=True, eq=False)
class Stage:
    """One map between two spaces, ``forward(x) -> y``.

    ``inverse(y, x)`` is the *local* inverse: the solution u of ``forward(u) = y`` that is nearest to the guess x, so
    that inverse(forward(x), x) = x. Where y is outside the range of forward it may return anything, NaN by custom.
    ``name`` names the space that the stage leads to; without one, a single stage leads to ``y`` and several lead to
    ``y1 … yn``.

    With ``each``, both are written for one example of the problem's data, ``forward(x, example)`` and ``inverse(y, x,
    example)``, and are mapped over all of them: y has a leading axis of examples. The first stage of a chain sees all
    of x for every example (parameters of a network), a later one its example of the space before.
    """

    forward: Callable[..., Any]
    inverse: Callable[..., Any] | None = None
    name: str | None = None
    each: bool = False


def closed(stage: Stage, data: Any, shared: bool) -> Stage:
    """The stage with ``data`` as the last argument of its functions where they ask for it, mapped over examples where
    it is for ``each``; ``shared`` where all examples have the same x."""
    forward = _closed(stage.forward, (None if shared else 0,), data, stage.each)
    inverse = stage.inverse and _closed(stage.inverse, (0, None if shared else 0), data, stage.each)
    return Stage(forward, inverse, stage.name, stage.each)


def _closed(f: Any, axes: tuple[int | None, ...], data: Any, each: bool) -> Any:
    if data is None:
        return f
    name = getattr(f, "__name__", "<lambda>")
    if each:
        f = jax.vmap(_with_example(f, len(axes)), (*axes, 0))
    elif not asks(f, len(axes)):
        return f

    def handed(*arguments: Any) -> Any:
        return f(*arguments, data)

    handed.__name__ = name  # and not functools.wraps, with which it would seem to ask
    return handed


def _with_example(f: Any, given: int) -> Any:
    """``f``, as a function that takes an example too."""
    if asks(f, given):
        return f

    def without(*arguments: Any) -> Any:
        return f(*arguments[:-1])

    without.__name__ = getattr(f, "__name__", "<lambda>")
    return without


def forward_of(stage: Stage, example: Any) -> Callable[[Any], Any]:
    """The map of one example."""
    return lambda x: _with_example(stage.forward, 1)(x, example)


def jacobian(
    derivatives: "Derivatives", maps: Sequence[Callable[[Array], Array]], sizes: Sequence[int], x: Array
) -> Array:
    """d(map_n … map_1)/dx, shape (sizes[-1], sizes[0]), for maps between vectors of ``sizes``.

    Exact derivatives cut the chain at its narrowest inner space, where that is narrower than both ends, and multiply
    the two Jacobians, so that the passes are as many as the narrowest spaces have components.
    """

    def through(maps: Sequence[Callable[[Array], Array]], x: Array) -> Array:
        for f in maps:
            x = f(x)
        return x

    narrowest = min(range(1, len(maps)), key=lambda i: sizes[i], default=0)
    if not derivatives.exact or narrowest == 0 or sizes[narrowest] >= min(sizes[0], sizes[-1]):
        return derivatives.jacobian(lambda x: through(maps, x), x)
    first, last = maps[:narrowest], maps[narrowest:]
    after = jacobian(derivatives, last, sizes[narrowest:], through(first, x))
    return after @ jacobian(derivatives, first, sizes[: narrowest + 1], x)
