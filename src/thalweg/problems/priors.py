"""What is known of parameters beforehand: a mean and a standard deviation, one more residual each."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from thalweg.chain.losses import OfTarget, SquaredError
from thalweg.numerics.reading import finite, length, shown

Priors = Mapping[str, tuple[float, float]]  # mean and standard deviation by parameter


def said(priors: Any) -> dict[str, tuple[float, float]]:
    """Means and standard deviations by name; ValueError for what is none."""
    if priors is not None and not (isinstance(priors, Mapping) and all(isinstance(name, str) for name in priors)):
        raise ValueError(f"priors is {shown(priors)}, but it goes by parameter; give e.g. {{'b1': (0.1, 0.02)}}.")
    return {name: _pair(name, given) for name, given in (priors or {}).items()}


def _pair(name: str, given: Any) -> tuple[float, float]:
    pair = list(given) if length(given) == 2 else []
    known = all(isinstance(number, (int, float, np.integer, np.floating)) and finite(number) for number in pair)
    if not pair or not known or not pair[1] > 0:
        raise ValueError(
            f"the prior of {name!r} is {shown(given)}, but it must be a mean and a positive standard deviation; give "
            "e.g. (0.1, 0.02)."
        )
    return float(pair[0]), float(pair[1])


def of_groups(
    priors: Priors, members: Mapping[str, Sequence[str]], fixed: Collection[str]
) -> dict[str, tuple[float, float]]:
    """What is known of k is known of k[A] and k[B], where these are its members, but for those that are fixed alone, or
    of which something else is known."""
    of_all = dict[str, tuple[float, float]]()
    for parameter, names in members.items():
        if parameter in priors:
            free = [name for name in names if name not in fixed]
            of_all |= dict.fromkeys(free or names, priors[parameter])
    return of_all | {name: pair for name, pair in priors.items() if name not in members}


def check_free(priors: Priors, free: Sequence[str]) -> None:
    """ValueError for a prior of a parameter that is fixed."""
    for name in priors:
        if name not in free:
            raise ValueError(f"{name!r} is fixed and has a prior; leave one of them out.")


def beside(loss: OfTarget, priors: Priors) -> OfTarget:
    """The loss with a residual more for each prior; ValueError where nothing tells how these weigh."""
    if not priors:
        return loss
    if not isinstance(loss, SquaredError) or not loss.absolute_sigma:
        raise ValueError(
            "priors were given, but only beside squares over an absolute sigma is it known how they weigh; give sigma "
            "and absolute_sigma=True (--sigma dy --absolute-sigma), and no other loss."
        )
    means, deviations = np.array(list(priors.values())).T
    observed, sigma = np.asarray(loss.target), np.asarray(loss.sigma)
    return SquaredError(np.append(observed, means), sigma=np.append(sigma, deviations), absolute_sigma=True)
