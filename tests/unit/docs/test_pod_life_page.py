"""Every test that docs/pod-life.md names is there, in the column that it stands in."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROWS = [
    [cell.strip() for cell in line.strip("|\n ").split("|")]
    for line in (ROOT / "docs" / "pod-life.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and "`test_" in line
]


def names_in(*folders: str) -> set[str]:
    files = (path for folder in folders for path in (ROOT / "tests" / folder).rglob("test_*.py"))
    return {
        name
        for path in files
        for name in re.findall(
            r"^\s*(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }


@pytest.mark.parametrize(("column", "folders"), [(1, ("unit", "property")), (2, ("cluster",))])
def test_each_test_is_there(column, folders):
    named = {name for row in ROWS for name in re.findall(r"`(test_\w+)`", row[column])}
    assert len(named) > 15
    assert named <= names_in(*folders)


def test_each_line_is_shown_in_this_process_or_on_the_cluster():
    assert len(ROWS) > 20
    assert all("`test_" in row[1] or "`test_" in row[2] for row in ROWS)
