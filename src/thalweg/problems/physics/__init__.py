"""Physics with data: each module has ``problem``, the physics of one example, and ``examples``, which draws many."""

from thalweg.problems.physics import (
    burgers,
    exponential,
    heat,
    navier_stokes,
    oscillators,
    poisson,
    quantum_dipole,
    sine,
)

__all__ = ["burgers", "exponential", "heat", "navier_stokes", "oscillators", "poisson", "quantum_dipole", "sine"]


def __dir__() -> list[str]:
    return __all__
