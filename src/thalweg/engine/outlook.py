"""What is left to go and to win at a point, by the model that a method has of the loss: numbers without units."""

from typing import Any, NamedTuple, final

import jax.numpy as jnp
from jax import Array

from thalweg.methods.method import Report
from thalweg.numerics.layout import largest
from thalweg.numerics.linalg import product

ROUNDINGS = 100  # of a loss, which a stuck method may still see to be won


@final
class Secant(NamedTuple):
    """The curvature along the last move: the model of a method that has none."""

    x: Array
    gradient: Array  # there, before the last move
    curvature: Array  # g^T s / s^T s with the change g by the move s, NaN before the first

    @staticmethod
    def first(x: Array) -> "Secant":
        return Secant(x, x, jnp.full((), jnp.nan, x.dtype))

    def seen(self, x: Array, g: Array) -> "Secant":
        s = x - self.x
        moved, size = jnp.any(s != 0), largest(jnp.abs(s))
        size = jnp.where(moved, size, 1)  # whose square may be beyond all numbers, or below
        unit = s / size
        curvature = product((g - self.gradient) / size, unit) / jnp.where(moved, product(unit, unit), 1)
        return Secant(x, g, jnp.where(moved, curvature, self.curvature))

    @property
    def known(self) -> Array:
        return (self.curvature > 0) & (self.curvature < jnp.inf)

    @property
    def step(self) -> Array:
        return jnp.where(self.known, -self.gradient / self.curvature, jnp.nan)

    @property
    def promise(self) -> Array:
        return jnp.where(self.known, product(self.gradient, self.gradient) / (2 * self.curvature), jnp.nan)


@final
class Outlook(NamedTuple):
    """What a lane knows of the way ahead."""

    largest: Array  # |x_i| on its way, (d,)
    step: Array  # the whole step, of each component's own size at most this
    promise: Array  # of L
    move: Any  # the last step of x, likewise, infinite where it stayed; None unless steps are judged when taken
    secant: Any  # of a method without a model, else None

    @staticmethod
    def first(x: Array, report: Report | None, looks: bool) -> "Outlook":
        """At the start, for a method that reports so, or does not report."""
        none = jnp.full((), jnp.inf, x.dtype)
        models = looks or (report is not None and report.promise is not None)
        after = report is not None and report.step is None and models
        return Outlook(jnp.abs(x), none, none, none if after else None, None if models else Secant.first(x))

    def moved(self, x: Array, after: Array) -> "Outlook":
        """After a step from x."""
        if self.move is None:
            return self
        size = self._size(jnp.maximum(self.largest, jnp.abs(after)), after)
        return self._replace(move=jnp.where(jnp.any(after != x), _relative(after - x, size), jnp.inf))

    def seen(self, x: Array, report: Report) -> "Outlook":
        """At x, of which a method tells this."""
        largest = jnp.maximum(self.largest, jnp.abs(x))
        step, promise, secant = report.step, report.promise, self.secant
        if secant is not None:
            secant = secant.seen(x, report.gradient)
            step, promise = secant.step, secant.promise
        if promise is None:  # unknown, as where a method is stuck: a bound of the gradient beside decides
            step = promise = jnp.full((), jnp.inf, x.dtype)
        elif step is None:  # of the last step, if that was whole, or of the one before where x stayed
            stays = self.move == jnp.inf
            step = jnp.where(stays, self.step, jnp.where(jnp.isfinite(promise), self.move, jnp.inf))
            promise = jnp.where(stays & (promise != 0), self.promise, promise)
        else:
            step = _relative(step, self._size(largest, x) if report.size is None else report.size)
        flat = jnp.all(report.gradient == 0)
        step, promise = (jnp.where(flat, 0, jnp.where(jnp.isnan(a), jnp.inf, a)) for a in (step, promise))
        return Outlook(largest, step, promise, self.move, secant)

    def measures(self, report: Report) -> dict[str, Array]:
        """What is compared with the bounds of ``step`` and ``decrement``."""
        eps, size = float(jnp.finfo(self.step.dtype).eps), jnp.abs(report.value)
        won = self.promise <= ROUNDINGS * eps * size
        there = (self.promise == 0) | (report.stuck & ((self.step <= eps**0.25) | won))
        blind = report.promise is None and self.secant is None
        unknown = (report.stuck | blind) & ~jnp.isfinite(self.step)
        step = jnp.where(there, 0, jnp.where(unknown, eps**0.5, self.step))
        measures = {"step": step, "decrement": jnp.where(there, 0, self.promise / size)}
        return {name: jnp.where(report.saddle, jnp.inf, measure) for name, measure in measures.items()}

    @staticmethod
    def _size(largest: Array, x: Array) -> Array:
        return jnp.maximum(jnp.abs(x), float(jnp.finfo(x.dtype).eps) ** 0.25 * largest)


def _relative(s: Array, size: Array) -> Array:
    return largest(jnp.where(s == 0, 0, jnp.abs(s) / size))
