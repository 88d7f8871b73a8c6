"""What becomes of a path or a fit: one vocabulary, and one list of the reasons why a lane of ``solve`` ends."""

from enum import IntEnum
from typing import Self

import numpy as np

from thalweg.tolerances import Condition, alternatives, label


class Outcome(IntEnum):
    """What became of a path of ``run`` or a fit of ``solve``; the codes are those of both Datasets."""

    CONVERGED = 0
    STALLED = 1  # no step improves, but no tolerance is met
    DIVERGED = 2  # something is not finite, or the loss went up for good
    EXHAUSTED = 3  # a fit alone: steps, time or Ctrl-C ended it
    CYCLING = 4  # a path alone: it comes back again and again
    MOVING = 5  # a path alone: on its way when the run ended


OUTCOMES = tuple(outcome.name.lower() for outcome in Outcome)


class Ending(IntEnum):
    """Why a lane is done: a code, the outcome that it means, and why, in words that know ``dtype`` and ``max_steps``.

    A tolerance that is met has the code ``MET``, the next one ``MET`` + 1, in the order they were written.
    """

    outcome: Outcome
    sentence: str

    def __new__(cls, code: int, outcome: Outcome, sentence: str) -> Self:
        made = int.__new__(cls, code)
        made._value_, made.outcome, made.sentence = code, outcome, sentence
        return made

    VACANT = -1, Outcome.EXHAUSTED, "never began"
    RUNNING = 0, Outcome.EXHAUSTED, "still running"
    STUCK = 1, Outcome.STALLED, "no step improves in {dtype}"
    NOT_FINITE = 2, Outcome.DIVERGED, "loss or gradient is not finite"
    MAX_STEPS = 3, Outcome.EXHAUSTED, "after {max_steps} steps"
    MAX_SECONDS = 4, Outcome.EXHAUSTED, "out of time"
    INTERRUPTED = 5, Outcome.EXHAUSTED, "Ctrl-C"
    RAISED = 6, Outcome.DIVERGED, "a function raised an exception"
    SADDLE = 7, Outcome.STALLED, "at a saddle point or maximum"
    MET = 8, Outcome.CONVERGED, "a tolerance is met"


def reasons(until: Condition | None) -> list[str]:
    """The names of the codes from ``RUNNING`` on: of the endings, then of the tolerances."""
    fixed = [ending.name.lower() for ending in Ending if Ending.RUNNING <= ending < Ending.MET]
    return [*fixed, *(label(condition) for condition in alternatives(until))]


def outcomes(codes: np.ndarray) -> np.ndarray:
    """What each code means, as the integers of ``Outcome``."""
    means = np.array([ending.outcome for ending in Ending if ending >= Ending.RUNNING], np.int8)
    return means[np.minimum(codes, Ending.MET)]


def why(reason: str) -> str:
    """The sentence of an ending by its name, as in ``reasons``; a tolerance is its own."""
    return Ending[reason.upper()].sentence if reason.upper() in Ending.__members__ else reason
