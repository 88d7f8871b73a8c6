"""The pages that a teacher opens first: each runs from beginning to end and writes what it says, and nothing else."""

from pathlib import Path

import pytest

PAGES = {script.stem for script in (Path(__file__).resolve().parents[1] / "examples").glob("*.py")}
MEASURED = {"fields", "sine", "optimizers"}  # by test_learning_fields and test_lecture_b, for their tables


@pytest.mark.parametrize("name", sorted(PAGES - MEASURED))
@pytest.mark.exhaustive  # the build of the documentation runs them, too
def test_each_page_writes_the_figures_it_names(page, name):
    lines, folder = page(name)
    assert len(lines) > 3 and any(folder.iterdir())
