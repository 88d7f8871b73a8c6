"""What several test files need."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published data and figures beside the repository."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.fail(f"the published data and figures are missing; put the folder 'shared' beside the repository, at {folder}.")
    return folder
