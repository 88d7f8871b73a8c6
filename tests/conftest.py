"""What several test files need."""

from pathlib import Path

import jax
import pytest

COMPILED: list[str] = []
jax.monitoring.register_event_duration_secs_listener(
    lambda event, duration, **_: (
        COMPILED.append(event) if event == "/jax/core/compile/backend_compile_duration" else None
    )
)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published data and figures beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.fail(f"published data and figures are missing; put them in the folder {folder}, beside the repository.")
    return folder


@pytest.fixture
def compiled() -> list[str]:
    """An entry for each program that XLA has compiled so far in this process."""
    return COMPILED
