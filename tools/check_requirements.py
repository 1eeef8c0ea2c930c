"""List the rows of docs/requirements.md, each with the tests that show them.

Called by `make verify-requirements`.

A row is shown by a test on the real cluster (tests/flow, tests/cluster) that is marked
`@pytest.mark.requirement("A4")`; marked tests elsewhere show parts of it. Rows of later issues stand in OPEN,
by name; the check fails when a row that is not on that list is not shown, and when a row on it is (the list
may only shrink). Markers are read from the source text, so that nothing needs to be imported or running.
"""

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

ROWS = re.findall(
    r"^\| ([A-E]\d+) \|", (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8"), re.MULTILINE
)
#: folders of tests on the real cluster
CLUSTER = {"flow", "cluster"}
#: rows that wait for a later issue: what is missing
OPEN: dict[str, str] = {}


def marked(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (row, test name) of every marker in a module; a `pytestmark` counts for the module."""
    for node in ast.walk(tree):
        decorators = getattr(node, "decorator_list", [])
        name = getattr(node, "name", "")
        for call in decorators:
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.requirement":
                for argument in call.args:
                    if isinstance(argument, ast.Constant):
                        yield str(argument.value), name


def main() -> int:
    """Print the table; return 1 when a row is neither shown nor open."""
    shown: dict[str, list[str]] = defaultdict(list)
    parts: dict[str, int] = defaultdict(int)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT)
        for row, name in marked(ast.parse(path.read_text())):
            if place.parts[1] in CLUSTER:
                shown[row].append(f"{place}::{name}")
            else:
                parts[row] += 1
    problems = [f"{row}: no such row" for row in {*shown, *parts} if row not in ROWS]
    for row in ROWS:
        elsewhere = f" (+{parts[row]} elsewhere)" if parts[row] else ""
        if shown[row]:
            print(f"{row:4} {len(shown[row]):2} test(s)  {shown[row][0]}{elsewhere}")
        elif row in OPEN:
            print(f"{row:4} open        {OPEN[row]}{elsewhere}")
        else:
            print(f"{row:4} MISSING{elsewhere}")
            problems.append(f"{row}: no test on the real cluster is marked with it")
        if shown[row] and row in OPEN:
            problems.append(f"{row}: is shown, and stands on the list of open rows")
    for problem in problems:
        print(f"verify-requirements: {problem}", file=sys.stderr)
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
