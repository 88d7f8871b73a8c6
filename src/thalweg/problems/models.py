"""What the formula of a fit predicts, with its data: the function that a ``regression`` is of."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import jax.numpy as jnp
import numpy as np
from jax import Array

from thalweg.chain.losses import OfTarget, SquaredError
from thalweg.chain.problem import Problem
from thalweg.chain.stages import Stage
from thalweg.formula import Formula
from thalweg.problems import responses
from thalweg.problems.groups import Group
from thalweg.problems.parameters import Said
from thalweg.problems.priors import Priors
from thalweg.problems.responses import Equation, Rows


@final
@dataclass(frozen=True, eq=False)
class Model:
    """What a formula predicts for m observations: a function of the dict of its d parameters, with the data. Those that
    have a prior follow.

    The data are kept in float64, and the prediction, shape (m,), is in the dtype of the parameters.
    """

    formula: Formula
    parameters: tuple[str, ...]
    predictors: dict[str, np.ndarray]  # each (m,), numbers, or words that only groups go by
    response: str  # the name of what is observed
    observed: np.ndarray  # (m,)
    fixed: Mapping[str, float] = field(default_factory=dict)  # parameters that are none, but constants
    bounded: bool = False  # whether a person gave bounds
    ranges: tuple[np.ndarray, np.ndarray] | None = None  # from which random starts are drawn, each (d,)
    sigma: str = ""  # the name of the standard deviations of what is observed, where these are known
    told: str = ""  # what was read of the table and what was left out, in one line
    groups: tuple[Group, ...] = ()  # of parameters that have several values
    priors: Priors = field(default_factory=dict)  # of parameters, whose values follow the predictions
    started: frozenset[str] = frozenset()  # parameters of which a person gave a start,
    ranged: frozenset[str] = frozenset()  # or a range
    responses: Group | None = None  # which observations are of which response, of several,
    parts: tuple[Formula, ...] = ()  # and the formula of each

    @classmethod
    def of(
        cls,
        equations: Sequence[Equation],
        rows: Rows,
        free: tuple[str, ...],
        about: Said,
        sigma: Any,
        groups: Sequence[Group],
        priors: Priors,
    ) -> "Model":
        """The model of one response or several, of parameters that are ``free``, and of which something is said."""
        several = rows.responses
        return cls(
            responses.together(equations, several) if several else equations[0].formula,
            free,
            rows.columns,
            ", ".join(one.response for one in equations),
            rows.observed,
            about.fixed,
            bool(about.bounds),
            about.places(free).ranges,
            sigma if isinstance(sigma, str) else "" if sigma is None else "sigma",
            rows.told,
            (*([several] if several else []), *groups),
            priors,
            frozenset(about.start),
            frozenset(about.ranges),
            several,
            tuple(one.formula for one in equations),
        )

    @property
    def text(self) -> str:
        """The formula of each response with its name."""
        return self.formula.text if self.responses else f"{self.response} = {self.formula.text}"

    @property
    def unsaid(self) -> bool:
        """Whether nobody said where some parameter may begin."""
        return not self.started | self.ranged >= set(self.parameters)

    def rows(self, which: np.ndarray) -> "Model":
        """The model of some of the observations."""
        predictors = {name: column[which] for name, column in self.predictors.items()}
        return replace(self, predictors=predictors, observed=self.observed[which])

    def __call__(self, parameters: Mapping[str, Array]) -> Array:
        y = self.predict(parameters, self.predictors, self.observed.shape)
        return jnp.append(y, jnp.stack([parameters[name] for name in self.priors])) if self.priors else y

    def predict(self, parameters: Mapping[str, Any], predictors: Mapping[str, Any], shape: tuple[int, ...]) -> Array:
        """The response at values of the predictors, in the dtype of the parameters."""
        dtype = jnp.result_type(*parameters.values())
        # As NumPy's they are data to the formula, which by their zeros knows what does not depend on a parameter.
        names = self.formula.names
        told = {name: values for name, values in {**self.fixed, **predictors}.items() if name in names}
        known: dict[str, Any] = {name: np.asarray(values, dtype) for name, values in told.items()}
        for group in self.groups:
            codes = group.codes(predictors[group.column])
            known |= {name: self._members(group.members(name), parameters, dtype)[codes] for name in group.parameters}
        if self.responses is None:
            return jnp.broadcast_to(self.formula({**parameters, **known}), shape)
        codes, values = self.responses.codes(predictors[self.responses.column]), {**parameters, **known}
        rows = [np.flatnonzero(codes == i) for i in range(len(self.parts))]
        each = []
        for one, own in zip(self.parts, rows, strict=True):
            mine = {name: value[own] if np.ndim(value) else value for name, value in values.items()}
            each.append(jnp.broadcast_to(one(mine), own.shape))
        return jnp.concatenate(each)[np.argsort(np.concatenate(rows))]

    def _members(self, names: Sequence[str], parameters: Mapping[str, Any], dtype: Any) -> Any:
        """The values of the members of one parameter: data where all are fixed."""
        if all(name in self.fixed for name in names):
            return np.array([self.fixed[name] for name in names], dtype)
        return jnp.stack([jnp.asarray({**self.fixed, **parameters}[name], dtype) for name in names])

    def problem(
        self,
        name: str,
        start: np.ndarray,
        domain: tuple[np.ndarray, np.ndarray] | None,
        minima: Sequence[np.ndarray] = (),
        loss: OfTarget | None = None,
    ) -> Problem:
        """The sum of squares of observed minus predicted, from vectors of d parameters."""
        return Problem(
            Stage(self),
            loss=SquaredError(target=self.observed) if loss is None else loss,
            start=self._point(start),
            minima=[self._point(minimum) for minimum in minima],
            domain=None if domain is None else (self._point(domain[0]), self._point(domain[1])),
            name=name,
        )

    def _point(self, values: np.ndarray) -> dict[str, float]:
        # JAX sorts the keys of a dict as text, b10 before b2, and leaves those of an OrderedDict as they are.
        kind = dict if list(self.parameters) == sorted(self.parameters) else OrderedDict
        return kind(zip(self.parameters, values.tolist(), strict=True))


def model_of(problem: Problem) -> Model | None:
    """The formula that a problem fits, where it is one."""
    forward = problem.stages[0].forward if len(problem.stages) == 1 else None
    return forward if isinstance(forward, Model) else None
