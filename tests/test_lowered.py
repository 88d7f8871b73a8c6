"""What XLA is given: the precision of products, and what each platform can compile."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from every_method import EVERY

import thalweg as tw
from thalweg.engine import mesh
from thalweg.engine.hardware import CPU, GPU, devices
from thalweg.engine.plan import plan
from thalweg.engine.recording import Recording
from thalweg.engine.recycling import Finishing, Rules
from thalweg.engine.traces import equations
from thalweg.numerics.products import products_in_full
from thalweg.verbs.arguments import task

D = 40  # components, so many that products are no sums along lanes
RANDOM = np.random.default_rng(0)
MATRIX = (np.eye(D) + 0.1 * RANDOM.normal(size=(D, D)) / D**0.5).astype(np.float32)
BACK = np.linalg.inv(MATRIX)
USUAL, HIGH, FULL = "DEFAULT, DEFAULT", "HIGH, HIGH", "HIGHEST, HIGHEST"


@jax.named_scope("theirs")  # which is in the names of what they and their derivatives compute
def product(matrix, x):
    return jax.lax.dot(matrix, x)  # a call of jnp.dot would have a name of its own


MATRICES = tw.Stage(lambda x: jnp.sinh(product(MATRIX, x)), lambda y, x: product(BACK, jnp.arcsinh(y)))


@pytest.fixture
def lowered(monkeypatch):
    """The programs of a verb with a method, as the text that XLA is given."""

    def of(verb, problem, method, platform="cpu", hardware=CPU):
        texts = []

        def lower(f, _, *shapes):
            texts.append(f.trace(*shapes).lower(lowering_platforms=(platform,)).as_text(debug_info=True))
            return type("Lowered", (), {"as_text": lambda _: texts[-1]})()

        until = tw.tolerances.gtol(1e-6)
        recording = Recording([space.name for space in problem.chain.spaces], (), True), ()
        job = {"run": recording, "solve": (Finishing(until), Rules(until, 10))}[verb]
        with monkeypatch.context() as patched:
            patched.setattr(mesh, "compiled", lower)
            given = task(verb, problem, {"m": method}, None, dtype="float32", half=True)
            planned = plan(given, "m", *job, hardware, devices())
            for make in (planned.build, *(planned.marches(np.arange(3)) if verb == "run" else ())):
                make()
        return texts

    return of


def precisions(texts):
    """Those of all products in programs: of a person's, and of others."""
    theirs, ours = set(), set()
    for text in texts:
        names = dict(re.findall(r"^(#loc\d*) = loc\((.*)\)$", text, re.MULTILINE))
        for given, location in re.findall(
            r" = stablehlo\.(?:dot|conv).* precision = \[(.*?)\].*loc\((#loc\d*)\)$", text, re.M
        ):
            (theirs if "theirs" in names[location] else ours).add(given)
    return theirs, ours


@pytest.mark.parametrize("name", EVERY)
def test_products_are_in_full_but_for_those_of_a_person(name, lowered):
    problem = tw.Problem(MATRICES, loss=tw.SquaredError(1.0), start=np.linspace(1, 2, D), domain=(-5.0, 5.0))
    theirs, ours = precisions(lowered("run", problem, EVERY[name]))
    assert theirs <= {USUAL} and ours <= {FULL}
    with jax.default_matmul_precision("tensorfloat32"):
        theirs, ours = precisions(lowered("solve", problem, EVERY[name]))
    assert theirs <= {HIGH} and ours <= {FULL}
    assert name == "from_scipy" or theirs  # it evaluates in programs of its own


def of_trace(f, *arguments):
    """The precision of each product in what f traces, in order; None where nothing was said."""
    found = (
        e.params["precision"] for e in equations(jax.make_jaxpr(f)(*arguments)) if e.primitive.name == "dot_general"
    )
    return [precision and precision[0].name for precision in found]


def test_jacobians_of_stages_are_multiplied_in_full():
    chain = tw.Problem(
        lambda x: product(MATRIX[:2], x), lambda u: product(MATRIX[:, :2], u), loss=jnp.sum, start=np.ones(D)
    )
    assert of_trace(chain.jacobian, chain.start)[-1] == "HIGHEST"
    assert set(of_trace(chain.jacobian, chain.start)[:-1]) == {None}


def test_a_rule_that_a_person_wrote_is_theirs():
    @jax.custom_vjp
    def f(x):
        return product(MATRIX, x)

    f.defvjp(lambda x: (f(x), None), lambda _, w: (product(MATRIX.T, w),))
    problem = tw.Problem(f, loss=tw.SquaredError(1.0), start=np.ones(D))

    def gradients(x):
        with products_in_full():
            pull = problem.linearize(x)[2]
            return problem.gradient(x), pull(x), product(MATRIX, x)

    *theirs, ours = of_trace(gradients, problem.start)
    assert len(theirs) > 3 and set(theirs) == {"DEFAULT"} and ours == "HIGHEST"


@pytest.mark.parametrize("derivatives", [tw.AutoDiff(), tw.FiniteDifference()])
def test_geometry_and_observers_multiply_in_full(derivatives):
    problem = tw.Problem(MATRICES, loss=tw.SquaredError(1.0), start=np.ones(D), derivatives=derivatives)
    wide = tw.Problem(loss=lambda x: jnp.sum(x**4), start=np.ones(300), derivatives=derivatives)
    assert set(of_trace(lambda x: tw.geometry.spectrum(wide, x, 2), wide.start)) == {"HIGHEST"}
    seen = of_trace(lambda x: tw.training.gradient_ratios(problem, x), problem.start)
    assert set(seen) == {"DEFAULT", "HIGHEST"} if derivatives == tw.FiniteDifference() else set(seen) == {"DEFAULT"}


@pytest.mark.parametrize("made", [tw.problems.quadratic(np.ones(D), rotation_key=0), tw.problems.poisson(8)])
def test_products_of_the_library_of_problems_are_in_full(made):
    found = of_trace(made.value_and_gradient, made.start)
    assert found and set(found) == {"HIGHEST"}


def test_a_trace_is_kept_for_the_choice_of_its_call():
    problem, method = tw.Problem(MATRICES, loss=tw.SquaredError(1.0), start=np.ones(D)), {"m": EVERY["adam"]}
    made = []
    for choice in (None, "BF16_BF16_F32", None):
        with jax.default_matmul_precision(choice):
            made.append(
                plan(task("run", problem, method, None), "m", Recording(["x"], (), True), (), CPU, devices()).of
            )
    assert made[0] is made[2] is not made[1]


def test_inverses_that_are_found_are_in_full():
    stage = tw.numerical_inverse(lambda x: jnp.sinh(product(MATRIX, x)))
    found = of_trace(stage.inverse, jnp.ones(D), jnp.ones(D))
    assert {"DEFAULT", "HIGHEST"} == set(found)


@pytest.fixture
def learning():
    """A network in front of physics, as in docs/tutorials/physics.md."""
    physics, examples = tw.problems.oscillators(), tw.problems.physics.oscillators.examples(16)
    start = [RANDOM.normal(size=(4, 9)).astype(np.float32), RANDOM.normal(size=(9, 24)).astype(np.float32)]
    network = lambda layers, example: jnp.tanh(example["target"] @ layers[0]) @ layers[1]  # noqa: E731
    return tw.training.problem(physics, network, start, examples, batch_size=8)


TRAINED = {
    "scale-invariant": tw.methods.InverseSimulator(inner=tw.methods.adam(1e-3)),
    "half-inverse": tw.methods.JacobianPower(kappa=0.5, truncation=1e-10),
}
ON_THE_HOST = {"CMAES", "damped_newtonian", "gradient_flow", "from_scipy"}  # which JAX lowers where the device is alone


def calls(texts):
    """The libraries that programs call, by the first word of the names."""
    return {name.split("_")[0] for text in texts for name in re.findall(r"custom_call @(\w+)", text)}


@pytest.mark.parametrize("name", sorted(EVERY.keys() - ON_THE_HOST))
@pytest.mark.parametrize("d", [2, D])
def test_every_method_can_be_compiled_for_a_gpu(name, d, lowered):
    """And says nothing of the order of memory there, which XLA chooses, nor calls a library of a CPU."""
    stage = tw.Stage(lambda x: x + 0.1 * jnp.sin(x), lambda y, x: y - 0.1 * jnp.sin(y))
    problem = tw.Problem(stage, loss=tw.SquaredError(1.0), start=np.linspace(1, 2, d), domain=(-5.0, 5.0))
    verb = "run" if d == D else "solve"
    texts = lowered(verb, problem, EVERY[name], "cuda", GPU)
    assert texts and calls(texts) <= {"cusolver", "cu", "AllocateBuffer"}
    assert precisions(texts)[1] <= {FULL}


@pytest.mark.parametrize("name", TRAINED)
def test_training_through_physics_can_be_compiled_for_a_gpu(name, lowered, learning):
    assert calls(lowered("run", learning, TRAINED[name], "cuda", GPU)) <= {"cusolver"}


def test_half_inverse_gradients_stay_on_a_gpu_and_take_their_matrix_in_float64(lowered, learning):
    """8 examples of 4 numbers: J J^T (32, 32) and its eigenvectors, of x in float32."""
    text = "".join(lowered("run", learning, TRAINED["half-inverse"], "cuda", GPU))
    assert "callback" not in text
    assert re.search(r"dot_general.*HIGHEST.*-> tensor<\d+x32x32xf64>", text)
    assert re.search(r"custom_call @cusolver_syevd_ffi.*tensor<\d+x32x32xf64>", text)


@pytest.mark.slow
def test_an_order_of_memory_is_that_of_the_machine_for_what_a_step_maps_itself(lowered):
    """An inverse of each example, by small algebra: in the order of a CPU, XLA did not compile it for an H200."""
    examples = tw.problems.physics.oscillators.examples(4)
    method = tw.methods.InverseSimulator(inner=tw.methods.adam(1e-3))

    def texts(*machine):
        physics = tw.problems.oscillators("cubic", 8)  # another one each time, since JAX keeps what it mapped
        network = lambda x, example: x @ example["target"]  # noqa: E731
        return lowered("run", tw.training.problem(physics, network, np.ones((8, 4)), examples), method, *machine)

    assert calls(texts()) == {"LayoutConstraint"} and calls(texts("cuda", GPU)) == set()
