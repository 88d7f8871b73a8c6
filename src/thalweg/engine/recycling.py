"""What ``solve`` does: lanes that take the next start as soon as they are done with one."""

from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.objective import Objective
from thalweg.chain.problem import Problem
from thalweg.engine.endings import Ending
from thalweg.engine.lanes import Lane, Settings, Stepper
from thalweg.engine.outlook import Outlook
from thalweg.methods.method import Method, Report
from thalweg.numerics.layout import largest
from thalweg.tolerances import Condition, alternatives, kinds, met

ROUNDINGS = 8  # of a loss, within which it counts as equal


@final
class Rules(NamedTuple):
    """When a lane is done."""

    until: Any  # tolerances, a ``Condition`` or None
    max_steps: Any


@final
class Memo(NamedTuple):
    """What a lane remembers: the last look and the best of all."""

    loss: Array  # at the point before the last step
    norm: Any  # of the gradient there, the largest component; None where no method asks
    first: Any  # the same at its start
    change: Array  # of x by the last step, relative to x; infinite where it did not move
    best_x: Array
    best_loss: Array
    best_norm: Array  # of its gradient, the largest component
    outlook: Any  # what is left to go, or None where no tolerance asks


@final
class Finishing:
    """Look at where a lane is; where it is not done, take a step."""

    in_step = single = False

    def __init__(self, until: Condition | None) -> None:
        self.until = until
        self.signature = "solve", jax.tree.structure(until)

    def rules(self, dtype: np.dtype) -> Rules:
        number = jax.ShapeDtypeStruct((), dtype)
        return Rules(jax.tree.map(lambda _: number, self.until), jax.ShapeDtypeStruct((), jnp.int32))

    def memo(self, x: Array) -> Memo:
        number = jnp.full((), jnp.inf, x.dtype)
        return Memo(number, number, number, number, x, number, number, None)

    def blame(self, problem: Problem, method: Method, dtype: np.dtype) -> None:
        """Nothing is given beside the method."""

    def kept(self, stepper: Stepper, problem: Problem, settings: Settings, lane: Lane) -> dict[str, Any]:
        return result(lane)

    def begin(self, stepper: Stepper, problem: Objective, settings: Settings, lane: Lane) -> Lane:
        if not stepper.looks:
            lane = lane._replace(memo=lane.memo._replace(norm=None, first=None))
        report = stepper.report(problem, settings, lane) if stepper.reports else None
        if kinds(self.until) & {"step", "decrement"}:
            lane = lane._replace(memo=lane.memo._replace(outlook=Outlook.first(lane.x, report, stepper.looks)))
        return lane if report is None else self._look(settings, lane, report)

    def advance(self, stepper: Stepper, problem: Objective, settings: Settings, lane: Lane) -> Lane:
        """A step of a lane that is running, and a look. After the step of a method that reports a look is free; that of
        one that looks shares all with its step; that before the step of another shares the gradient."""
        if stepper.reports:
            lane = self._moved(lane, *stepper.step(problem, settings, lane))
            return self._look(settings, lane, stepper.report(problem, settings, lane))

        def step() -> tuple[Array, list[Array]]:
            return stepper.step(problem, settings, lane)

        if stepper.looks:
            after, state = step()
            report = stepper.look(problem, settings, lane, after)
            lane = self._ahead(lane, report)
            code = self._judge(settings.rules, lane, report)
        else:
            report = stepper.report(problem, settings, lane)
            lane = self._ahead(lane, report)
            code, stay = self._judge(settings.rules, lane, report), lambda: (lane.x, lane.state)
            after, state = jax.lax.cond(code == Ending.RUNNING, step, stay) if stepper.dear else step()
        if not state:
            code = self._still(lane, report, code, after)
        return self._moved(self._seen(lane, report, code), after, state)

    def _look(self, settings: Settings, lane: Lane, report: Report) -> Lane:
        lane = self._ahead(lane, report)
        return self._seen(lane, report, self._judge(settings.rules, lane, report))

    def _ahead(self, lane: Lane, report: Report) -> Lane:
        """What is left to go, where a tolerance asks."""
        outlook = lane.memo.outlook
        ahead = None if outlook is None else outlook.seen(lane.x, report)
        return lane._replace(memo=lane.memo._replace(outlook=ahead))

    def _seen(self, lane: Lane, report: Report, code: Array) -> Lane:
        """Is it done here, and is here the best so far?"""
        x, memo, value, norm = lane.x, lane.memo, report.value, steepness(report)
        # The best point is the lowest, and the one where a tolerance was met. A loss that is equal but for rounding
        # counts as lower: it comes later, with a smaller gradient. The start is the best of one point, whatever it is.
        rounding = ROUNDINGS * jnp.finfo(x.dtype).eps * jnp.abs(memo.best_loss)
        better = (value <= memo.best_loss + rounding) | (lane.steps == 0) | (code >= Ending.SADDLE)
        if memo.norm is not None:
            memo = memo._replace(norm=norm, first=jnp.where(lane.steps == 0, norm, memo.first))
        memo = memo._replace(
            loss=value,
            best_x=jnp.where(better, x, memo.best_x),
            best_loss=jnp.where(better, value, memo.best_loss),
            best_norm=jnp.where(better, norm, memo.best_norm),
        )
        return lane._replace(code=code, memo=memo)

    def _still(self, lane: Lane, report: Report, code: Array, after: Array) -> Array:
        """Without a memory a step that does not move is the last, and where the curvature is known one that wins
        nothing and leaves the gradient as it was."""
        stays = jnp.all(after == lane.x)
        if report.rests is not False:
            won = jnp.abs(jnp.sum(report.gradient * (after - lane.x)))
            little = won <= ROUNDINGS * jnp.finfo(after.dtype).eps * jnp.abs(report.value)
            stays |= (steepness(report) >= lane.memo.norm) & little & jnp.logical_not(report.saddle)
        ending = jnp.where(report.rests, jnp.int32(Ending.SADDLE), jnp.int32(Ending.STUCK))
        return jnp.where((code == Ending.RUNNING) & stays, ending, code)

    def _moved(self, lane: Lane, after: Array, state: list[Array]) -> Lane:
        """The lane after a step, unless it is done."""
        x, going = lane.x, lane.code == Ending.RUNNING
        moved, change = jnp.any(after != x), 0.0
        if "xtol" in kinds(self.until):  # a division for each component, so not where nobody asks
            change = largest(jnp.where(after == x, 0, jnp.abs((after - x) / x)))
        memo = lane.memo._replace(change=jnp.where(moved, change, jnp.inf).astype(x.dtype))
        if memo.outlook is not None:
            memo = memo._replace(outlook=memo.outlook.moved(x, after))
        return lane._replace(x=jnp.where(going, after, x), state=state, steps=lane.steps + going, memo=memo)

    def _judge(self, rules: Rules, lane: Lane, report: Report) -> Array:
        """Why a lane is done, the first reason that holds, or ``RUNNING``.

        A gradient that is not finite where L is, and no higher than ever before, is a kink or an edge from which no
        step leads: it has stalled. Else what is not finite comes before all tolerances, and these before ``STUCK``: a
        search that cannot improve has most often arrived. A method that rests at a saddle point is done when a
        tolerance is met and the gradient falls no further: beside a degenerate minimum, where the curvature may be
        negative too, it falls until that is not.
        """
        value, norm, memo = report.value, steepness(report), lane.memo
        moved = memo.change < jnp.inf  # before the first step, and where x stayed, there is no change to judge
        fall = jnp.abs(value - memo.loss)
        fall = jnp.where(fall == 0, 0, fall / jnp.maximum(jnp.abs(value), jnp.abs(memo.loss)))
        measures = {
            "gtol": jnp.where(report.saddle, jnp.inf, norm),
            "ftol": jnp.where(moved, fall, jnp.inf),
            "xtol": jnp.where(report.stuck & jnp.logical_not(report.saddle), 0, memo.change),
        }
        if memo.outlook is not None:
            measures |= memo.outlook.measures(report)
        arrived = [met(condition, measures) for condition in alternatives(rules.until)]
        resting = []
        if report.rests is not False:
            none = float(jnp.finfo(norm.dtype).eps) * memo.first
            level = (norm >= memo.norm) | ((norm <= none) & (lane.steps > 0))
            resting = [(holds & report.rests & level, Ending.SADDLE) for holds in arrived]
            arrived = [holds & ~jnp.asarray(report.rests) for holds in arrived]
        kink = jnp.isfinite(value) & ~jnp.isfinite(norm) & (value <= memo.best_loss)
        choices = [
            (kink, Ending.STUCK),
            (~(jnp.isfinite(value) & jnp.isfinite(norm)), Ending.NOT_FINITE),
            *((holds, Ending.MET + i) for i, holds in enumerate(arrived)),
            *resting,
            (report.stuck & report.saddle, Ending.SADDLE),
            (report.stuck, Ending.STUCK),
            (lane.steps >= rules.max_steps, Ending.MAX_STEPS),
        ]
        reason = jnp.int32(Ending.RUNNING)
        for holds, code in reversed(choices):
            reason = jnp.where(holds, jnp.int32(code), reason)
        return reason


def steepness(report: Report) -> Array:
    """The largest component of the gradient."""
    return largest(jnp.abs(report.gradient))


def result(lane: Lane) -> dict[str, Any]:
    """What is written of a lane that is done."""
    memo = lane.memo
    best = {"x": memo.best_x, "loss": memo.best_loss, "gradient_norm": memo.best_norm}
    return {"item": lane.item, "code": lane.code, "steps": lane.steps, **best, "last_x": lane.x, "last_loss": memo.loss}
