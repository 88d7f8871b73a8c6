"""The pages that a teacher opens first: each runs from beginning to end and writes what it says, and nothing else."""

from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("name", [script.stem for script in EXAMPLES])
def test_each_page_writes_the_figures_it_names(page, name):
    lines, folder = page(name)
    heading, _, names = lines[-1].partition(" ")
    assert heading == "figures:"
    written = sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
    assert written and written == sorted(names.split())
    assert all((folder / file).stat().st_size > 1000 for file in written)
    assert [file.name for file in folder.parent.iterdir()] == [folder.name]
