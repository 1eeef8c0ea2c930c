"""Print what came of upstream's conformance tests: `conformance.py report.json` (Ginkgo's JSON report)."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def tests_of(report: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return name -> state and first line of the failure, of each test that ran."""
    found = {}
    for suite in report:
        for spec in suite["SpecReports"] or ():
            if spec["LeafNodeType"] != "It" or spec["State"] in ("skipped", "pending"):
                continue
            name = " ".join((*(spec["ContainerHierarchyTexts"] or ()), spec["LeafNodeText"]))
            lines = spec.get("Failure", {}).get("Message", "").strip().splitlines()
            found[name] = (spec["State"], lines[0][:160] if lines else "")
    return found


def main() -> None:
    """Print the tests that did not pass, and how many did."""
    tests = tests_of(json.loads(Path(sys.argv[1]).read_text()))
    for name, (state, why) in sorted(tests.items()):
        if state != "passed":
            print(f"{state}: {name}\n    {why}")
    counted = Counter(state for state, _ in tests.values())
    print(f"{counted['passed']} passed, {len(tests) - counted['passed']} failed")


if __name__ == "__main__":
    main()
