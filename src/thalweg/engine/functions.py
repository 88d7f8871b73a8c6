"""A method, and what a verb makes of it, as functions of one lane that are traced once."""

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol, final
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import jaxpr_as_fun

from thalweg.chain.batches import Shuffle
from thalweg.chain.objective import Objective
from thalweg.chain.problem import Problem
from thalweg.engine.endings import Ending
from thalweg.engine.evaluations import EVALUATIONS, UNKNOWN, Counted, in_loops
from thalweg.engine.hardware import Cost, Hardware
from thalweg.engine.lanes import Item, Lane, Settings, Stepper, along_lanes, hyperparameter, point
from thalweg.engine.sharing import varying_leaves
from thalweg.engine.traces import calls_host, equations, factors, mixed, one_by_one, operations, transforms
from thalweg.methods.method import Method
from thalweg.numerics.constants import anew, released
from thalweg.numerics.layout import memory_order
from thalweg.numerics.once import Once
from thalweg.numerics.products import products_in_full


class Verb(Protocol):
    """What becomes of one lane: in ``run`` it records every row, in ``solve`` it ends. ``begin`` looks at it at its
    start; ``advance`` takes a step, if one is due, on a problem with the data that this step sees; ``kept`` is what is
    written, of a problem with all data."""

    @property
    def in_step(self) -> bool: ...  # all lanes begin and end together: what does not differ between them is kept once
    @property
    def single(self) -> bool: ...  # a row is written after every step
    @property
    def signature(self) -> Any: ...  # all that its programs depend on
    def rules(self, dtype: np.dtype) -> Any: ...  # shapes of ``Settings.rules``
    def memo(self, x: Array) -> Any: ...  # what a lane remembers at its start
    def begin(self, stepper: Stepper, problem: Objective, settings: Settings, lane: Lane) -> Lane: ...
    def advance(self, stepper: Stepper, problem: Objective, settings: Settings, lane: Lane) -> Lane: ...
    def kept(self, stepper: Stepper, problem: Problem, settings: Settings, lane: Lane) -> dict[str, Array]: ...
    def blame(self, problem: Problem, method: Method, dtype: np.dtype) -> None: ...  # ValueError, if not the method's


@final
class Functions:
    """``load(settings, item)`` and ``advance(settings, lane)`` give a lane, ``kept(settings, lane)`` what is written of
    it; all are functions of one lane. ``axes`` tells which leaves of a lane differ between lanes; ``first`` and
    ``each`` count the evaluations before the first step and of every step; ``programs`` are compiled from these. A step
    sees so many ``outputs``, the components of y, of so many ``examples``. All have so many ``equations`` when traced.

    ``swept`` tells which hyperparameters have one value per lane; ``case`` is one of the data sets, or None. Values of
    hyperparameters, starts, data, keys, tolerances and budgets are arguments of the compiled program.
    """

    def __init__(
        self,
        problem: Problem,
        method: Method,
        swept: tuple[bool, ...],
        case: Any,
        verb: Verb,
        dtype: np.dtype,
        cheap: float,
    ) -> None:
        self.verb, self.problem, self.programs = verb, along_lanes(problem), Once()
        self.shuffle = Shuffle(self.problem, dtype) if verb.in_step and problem.batch_size else None
        sample = self.shuffle.sample() if self.shuffle else self._bound(case)
        self.outputs, self.examples = sample.chain.spaces[-1].size, sample.examples.count
        number, x = hyperparameter(dtype), point(problem, dtype)[0]
        value = jax.make_jaxpr(lambda x: sample.value(x))(x)
        dear = calls_host(value) or operations(value) > cheap
        self.stepper = Stepper.of(sample, method, swept, dtype, dear)
        shared = [number for own in swept if not own]
        self.settings = Settings(shared, jax.ShapeDtypeStruct((), jnp.uint32), verb.rules(dtype))
        data = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), case)
        self.item = Item(jax.ShapeDtypeStruct((), jnp.int32), x, [number for own in swept if own], data)
        self.load, load, self.lane, self.first = self._traced(self._load, self.settings, self.item)
        self.advance, advance, _, self.each = self._traced(self._advance, self.settings, self.lane)
        self.kept, kept, self.row, _ = self._traced(self._kept, self.settings, self.lane)
        traces = load, advance, kept
        self.equations = sum(1 for trace in traces for _ in equations(trace))
        host, alone = any(map(calls_host, traces)), any(map(one_by_one, traces))
        self.cost = Cost(dear or host, host, alone)
        self.transforms, self.factors = transforms(advance), any(map(factors, traces))
        if not self.stepper.reports:  # the last look, which no step follows
            self.first = self.first + (self.each if self.stepper.looks else np.isin(EVALUATIONS, ("value", "gradient")))
        if UNKNOWN in (*self.first, *self.each):
            self.first = self.each = np.full(len(EVALUATIONS), UNKNOWN)
        leaves, structure = jax.tree.flatten(self.lane)
        common = len(jax.tree.leaves(self.settings))
        self.varies = varying_leaves(load, advance, common) if verb.in_step else [True] * len(leaves)
        self.axes: Any = structure.unflatten([0 if varies else None for varies in self.varies])

    def _traced(self, f: Callable[..., Any], *shapes: Any) -> tuple[Callable[..., Any], Any, Any, np.ndarray]:
        """f to be mapped over lanes, its trace, the shapes of what f gives, and how much of each kind it evaluates.

        Lanes are mapped in this trace, whose NumPy arrays become JAX's (``numerics.constants``). But where a step of
        ``run`` computes in another precision, f is traced again: a person may have differentiated it, which JAX cannot
        map in a trace.
        """
        self.counts: Counter[str] | None = None
        traced, shape = jax.make_jaxpr(lambda *a: f(*a), return_shape=True)(*shapes)
        traced = released(traced)
        counts = np.full(len(EVALUATIONS), UNKNOWN)
        if self.counts is not None and not in_loops(traced.jaxpr):
            counts = np.array([self.counts[kind] for kind in EVALUATIONS])
        flat = jaxpr_as_fun(traced)
        structure = jax.tree.structure(shape)

        def again(*arguments: Any) -> Any:  # what does not depend on the arguments comes back as a number of Python
            return structure.unflatten([jnp.asarray(leaf) for leaf in flat(*jax.tree.leaves(arguments))])

        mixes = self.verb.in_step and mixed(traced, self.item.x.dtype)
        return f if mixes else again, traced.jaxpr, shape, counts

    def _bound(self, case: Any) -> Problem:
        return self.problem if case is None else self.problem.bind(case)

    def _seen(self, case: Any, batches: Any) -> tuple[Objective, Any]:
        """The problem that a step sees, and the examples of the next step."""
        batch = case
        if self.shuffle:
            batch, batches = self.shuffle.draw(batches)
        problem = Counted(self._bound(batch))
        self.counts = problem.counts
        return problem, batches

    @products_in_full()
    def _load(self, settings: Settings, item: Item) -> Lane:
        """A lane at its start."""
        key = jax.random.fold_in(jax.random.key(settings.seed), item.item)
        batches = self.shuffle.start(settings.seed) if self.shuffle else ()
        problem, _ = self._seen(item.case, batches)
        state, none = self.stepper.init(problem, settings, item, key), jnp.zeros((), jnp.int32)
        lane = Lane(*item, batches, state, none + Ending.RUNNING, none, self.verb.memo(item.x))
        return self.verb.begin(self.stepper, problem, settings, lane)

    @products_in_full()
    def _advance(self, settings: Settings, lane: Lane) -> Lane:
        problem, batches = self._seen(lane.case, lane.batches)
        return self.verb.advance(self.stepper, problem, settings, lane._replace(batches=batches))

    def _kept(self, settings: Settings, lane: Lane) -> dict[str, Array]:
        return self.verb.kept(self.stepper, self.problem, settings, lane)


_functions: WeakKeyDictionary[Problem, Once] = WeakKeyDictionary()


def functions(
    problem: Problem,
    method: Method,
    swept: tuple[bool, ...],
    case: Any,
    verb: Verb,
    dtype: np.dtype,
    hardware: Hardware,
) -> Functions:
    """From the cache where the structure was traced before; they and their programs go with the problem."""
    config: Any = jax.config
    shapes = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(case))
    posed = jax.tree.structure(case), shapes, dtype, config.jax_default_matmul_precision
    signature = jax.tree.structure(method), swept, posed, verb.signature, hardware.cheap, hardware.order
    once = _functions.setdefault(problem, Once())

    def traced() -> Functions:
        with memory_order(hardware.order):  # of what a step maps itself, such as examples
            return Functions(problem, method, swept, case, verb, dtype, hardware.cheap)

    return once(signature, lambda: anew(traced))
