"""Every rule of optax on the pytree of a network, against optax's own loop; ``python tests/test_optax.py`` writes
docs/optax.md anew."""

import inspect
import re
from functools import cache, partial, update_wrapper
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import thalweg as tw

PAGE = Path(__file__).resolve().parents[1] / "docs" / "optax.md"
DRAW = np.random.default_rng(0)
INPUTS = DRAW.normal(size=(16, 3))
TARGETS = np.sin(INPUTS.sum(axis=1))
START = {
    "in": {"w": DRAW.normal(size=(3, 8)) / 2, "b": np.full(8, 0.1)},
    "out": {"w": DRAW.normal(size=(8, 1)) / 2, "b": np.full(1, 0.1)},
}
STEPS = 20


def loss(network):
    """Of two layers, bounded whatever a rule does with them."""
    hidden = jnp.tanh(INPUTS @ network["in"]["w"] + network["in"]["b"])
    return jnp.mean((jnp.tanh(hidden @ network["out"]["w"] + network["out"]["b"])[:, 0] - TARGETS) ** 2)


PROBLEM = tw.Problem(loss=loss, start=START)


def matrices(tree):
    """A mask by shape."""
    return jax.tree.map(lambda leaf: leaf.ndim > 1, tree)


def labels(tree):
    """Labels by path."""
    return jax.tree_util.tree_map_with_path(lambda path, _: "weights" if path[-1].key == "w" else "biases", tree)


# What rules are given that cannot do without, by the name of the argument.
ARGUMENTS = {
    "adv_optimizer": optax.chain(optax.contrib.normalize(), optax.sgd(0.05)),
    "base_optimizer": optax.sgd(0.02),
    "clipping": 0.01,
    "decay": 0.9,
    "eta": 0.01,
    "every_k_schedule": 4,
    "f": lambda updates, _: jax.tree.map(lambda leaf: -0.02 * leaf, updates),
    "fast_optimizer": optax.sgd(0.02),
    "freeze_mask": matrices,
    "gamma": 0.55,
    "inner": optax.adam(0.02),
    "inner_factory": optax.adam,
    "l2_norm_clip": 1.0,
    "learning_rate": 0.02,
    "mask": matrices,
    "max_backtracking_steps": 10,
    "max_consecutive_errors": 2,
    "max_delta": 0.01,
    "max_linesearch_steps": 10,
    "max_norm": 0.1,
    "measure": optax.tree.norm,
    "measure_name": "norm",
    "measures": {"norm": optax.tree.norm},
    "noise_multiplier": 0.1,
    "opt": optax.adam(0.02),
    "optimizer": optax.sgd(0.02),
    "param_labels": labels,
    "seed": 0,
    "should_transform_fn": lambda step: step % 2 == 0,
    "slow_step_size": 0.5,
    "step_size": -0.02,
    "step_size_fn": lambda step: -0.02 / (1 + step),
    "sync_period": 3,
    "threshold": 0.01,
    "transforms": {"weights": optax.sgd(0.02), "biases": optax.adam(0.02)},
    "tx": optax.sgd(0.02),
}
# What their update may ask for of the loss, least first.
ASKED = (), ("value",), ("value", "grad", "value_fn"), ("obj_fn",), ("grad_fn",)


def rules() -> dict[str, Any]:
    """Everything in optax and optax.contrib that returns a transformation, or can become one."""
    found = {}
    for module in (optax, optax.contrib):
        for name, made in vars(module).items():
            if name.startswith("_") or not (inspect.isfunction(made) or isinstance(made, partial | type)):
                continue
            if inspect.isclass(made):
                gives = hasattr(made, "gradient_transformation")
            else:
                returns = inspect.signature(made).return_annotation
                unknown = returns is inspect.Signature.empty
                gives = "GradientTransformation" in str(inspect.getsource(made) if unknown else returns)
            if gives:
                found[f"{module.__name__}.{name}"] = made
    return dict(sorted(found.items()))


RULES = rules()


def arguments(name: str) -> dict[str, Any]:
    """What a rule is given; a new optax may ask for more."""
    required = [
        p.name
        for p in inspect.signature(RULES[name]).parameters.values()
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
    ]
    unknown = [one for one in required if one not in ARGUMENTS]
    assert not unknown, f"{name} needs {unknown}: say in ARGUMENTS what it is given"
    one_leaf = {"f": lambda leaf, _: -0.02 * leaf} if name.endswith("tree_map") else {}
    return {**{one: ARGUMENTS[one] for one in required}, **one_leaf}


def own_loop(rule: Any, asked: tuple[str, ...], steps: int, start: Any = START, loss: Any = loss) -> Any:
    """A loop of optax's own, in float64, on the pytree of the network; a single step is not worth to be compiled."""
    with jax.enable_x64(True):
        point, rule = jax.tree.map(jnp.asarray, start), optax.with_extra_args_support(rule)

        def step(point, state):
            value, gradient = jax.value_and_grad(loss)(point)
            known = {"value": value, "grad": gradient, "value_fn": loss, "obj_fn": loss}
            known["grad_fn"] = lambda point, _: jax.grad(loss)(point)
            update, state = rule.update(gradient, state, point, **{name: known[name] for name in asked})
            return optax.apply_updates(point, update), state

        state, step = rule.init(point), step if steps == 1 else jax.jit(step)
        for _ in range(steps):
            point, state = step(point, state)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(point)])


def asked_by(rule: Any) -> tuple[Any, tuple[str, ...]]:
    """The first step of optax's own loop, and what it must be given for that."""
    for asked in ASKED:
        try:
            return own_loop(rule, asked, 1), asked
        except (TypeError, ValueError, AttributeError) as error:
            refused = error
    raise refused


def ours(method: Any, problem: Any = PROBLEM, steps: int = STEPS) -> Any:
    return tw.run(problem, method, steps=steps, dtype="float64").x.values[0, 0, -1]


def descending(rule: Any) -> Any:
    """A part of a rule that climbs, turned down and made small: elsewhere it would soon have no digits left."""

    def made(*several, **given):
        return optax.chain(rule(*several, **given), optax.scale(-0.02))

    return update_wrapper(made, rule)


def close(found: Any, expected: Any) -> bool:
    return bool(np.max(np.abs(found - expected)) <= 1e-6 * (1 + np.max(np.abs(expected))))


@cache
def line(name: str) -> str:
    """What the page says of a rule, which is what it does."""
    rule, given = RULES[name], arguments(name)
    several = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(rule).parameters.values())
    parts = {"clip": optax.clip(0.1), "adam": optax.adam(0.02)} if several else {}
    positional = tuple(parts.items() if name.endswith("named_chain") else parts.values())
    expected, asked = None, ()
    try:
        first, asked = asked_by(rule(*positional, **given))
        if loss(PROBLEM.chain.spaces[0].unravel(first)) > loss(START):
            rule = descending(rule)
        expected = own_loop(rule(*positional, **given), asked, STEPS)
    except Exception:  # what optax's own loop cannot do is refused here
        pass
    try:
        found = ours(tw.methods.from_optax(rule(*positional)) if several else tw.methods.from_optax(rule, **given))
    except ValueError as error:
        refusal = str(error)
        if "TracerBool" in refusal:  # of a number; what it says is to be done
            with pytest.raises(ValueError) as raised:
                ours(tw.methods.from_optax(rule(**given)))
            refusal = str(raised.value)
        told = re.search(r"\((.*)\); choose|gives (a state|an update) ", refusal)
        assert told and refusal.startswith("the rule ") and refusal.endswith("."), refusal
        here = f"refused: {told[1] or told[2] + ' that is not shaped as before the step'}"
    else:
        assert expected is not None, f"{name} runs here, but not in a loop of optax's own"
        assert close(found, expected), name
        here = "equal" + (f"; asks for {', '.join(asked)}" if asked else "")
    with_what = ", ".join(given | parts) or "its defaults"
    return f"| `{name}` | {with_what} | {here} |"


HEAD = f"""# The rules of optax

`tw.methods.from_optax` makes a method of any rule, given as a function with its arguments or as a finished
transformation, an `optax.chain`, a mask, an `optax.MultiSteps`. The rule sees x and its gradient as the pytree that the
problem's `start` is, and gets of the loss what it asks for by optax's names.

"Equal" means: {STEPS} steps on a network of two layers, whose start is a pytree of four arrays, end where a loop of
optax's own ends, to 1e-6 of the largest weight; parts that climb are scaled by -0.02. "Refused" means: `run` and
`solve` raise a ValueError before anything is compiled, which names the rule and gives this reason.
`tests/test_optax.py` finds the rules in the installed optax, and fails where this page says something else; run it as a
script to write the page anew.

| rule | given | here |
|---|---|---|
"""


def page() -> str:
    return HEAD + "\n".join(line(name) for name in RULES) + "\n"


def test_the_page_lists_every_rule():
    text = PAGE.read_text()
    assert text.startswith(HEAD)
    assert re.findall(r"^\| `([\w.]+)` \|", text, re.MULTILINE) == list(RULES)


QUICK = "muon", "lookahead", "sam"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name.rpartition(".")[2] in QUICK else pytest.mark.exhaustive) for name in RULES],
)
def test_a_rule_is_that_of_optax_or_refused_as_the_page_says(name):
    assert f"\n{line(name)}\n" in PAGE.read_text()


if __name__ == "__main__":
    PAGE.write_text(page())
