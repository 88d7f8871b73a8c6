"""What a method may offer beyond a step: engine, geometry and verbs ask the Protocols, and nothing else."""

from dataclasses import FrozenInstanceError

import jax
import numpy as np
import optax
import pytest

import thalweg as tw
from thalweg.methods.method import Bounded, Method, NeedsRoom, Preconditions, Reports, called, method, static
from thalweg.numerics.host import HostTable

M = tw.methods
OFFERS = {
    "gradient_descent": (M.gradient_descent(0.1), {Preconditions}),
    "Newton": (M.Newton(), {NeedsRoom}),
    "BFGS": (M.BFGS(), {Reports, NeedsRoom}),
    "LBFGS": (M.LBFGS(), {Reports, Bounded}),
    "TrustRegion": (M.TrustRegion(), {Reports, Bounded}),
    "LevenbergMarquardt": (M.LevenbergMarquardt(), {Reports, Bounded, NeedsRoom}),
    "JacobianPower": (M.JacobianPower(), {NeedsRoom}),
    "KrylovPower": (M.KrylovPower(), set()),
    "from_scipy": (M.from_scipy(), {Reports, NeedsRoom, Bounded}),
}


@pytest.mark.parametrize("name", OFFERS)
def test_methods_offer_what_they_have(name):
    made, offers = OFFERS[name]
    assert isinstance(made, Method)
    assert {one for one in (Reports, NeedsRoom, Preconditions, Bounded) if isinstance(made, one)} == offers


def test_what_has_no_step_is_no_method():
    assert not isinstance(optax.adam(0.1), Method) and not isinstance("adam", Method)


def test_methods_are_called_by_their_rules():
    assert called(M.gradient_descent(0.1)) == ("sgd",)
    assert called(M.nesterov(0.1)) == ("sgd", "nesterov")
    assert called(M.rmsprop(0.1, centered=True)) == ("rmsprop", "centered")
    assert called(M.adam(0.1, weight_decay=0.1)) == ("adam",)
    assert called(M.from_optax(optax.lion(0.1))) == ("FirstOrder",)
    assert called(M.Newton()) == ("Newton",)


def test_a_method_is_frozen_and_its_numbers_are_leaves():
    @method
    class Scaled:
        factor: float
        power: int = static(default=2)

    scaled = Scaled(0.5)
    assert jax.tree.leaves(scaled) == [0.5] and scaled.power == 2
    assert jax.tree.structure(scaled) != jax.tree.structure(Scaled(0.5, power=3))
    with pytest.raises(FrozenInstanceError):
        scaled.factor = 1.0


def test_lanes_that_are_alike_share_an_object_of_the_host():
    table, given = HostTable(), (np.array([3, 4, 3]), np.array([[1.0], [2.0], [1.0]]))
    numbers = table.add(lambda seed, start: [int(seed), start.tolist()], *given)
    assert numbers[0] == numbers[2] != numbers[1] and len(table) == 2
    assert table.of(np.array(numbers)) == {numbers[0]: [3, [1.0]], numbers[1]: [4, [2.0]]}
    table.drop(set(numbers))
    assert len(table) == 0
