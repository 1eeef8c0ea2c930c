"""What a soak has counted, as JSON for bench/reports.

Written before anything is asserted, so that a soak that fails tells as well.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.support.invariants import Run
from tests.support.mixed_load import expected_runs

#: a folder of the checkout; nothing is written without it
FOLDER = os.environ.get("VAINA_SOAK_REPORTS", "")  # noqa: TID251 (a setting of the test run)
#: what `traces_of_pods.things` counts
SORTS_OF_THINGS = (
    "container", "link", "namespace", "mount", "folder", "log", "address", "cgroup", "rule",
)  # fmt: skip


def write(name: str, content: Mapping[str, Any]) -> None:
    """Write a report, if one is wanted: one run of each seed, and the sums of their numbers."""
    if not FOLDER:
        return
    file = Path(FOLDER) / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(file.read_text())["runs"] if file.exists() else []
    runs = [one for one in before if one["seed"] != content["seed"]] + [dict(content)]
    sums = {
        key: round(sum(one[key] for one in runs), 1)
        for key, value in content.items()
        if key != "seed" and isinstance(value, int | float)
    }
    runs.sort(key=lambda one: one["seed"])
    file.write_text(json.dumps({"sums": sums, "runs": runs}, indent=2) + "\n")


def count_left(found: Mapping[str, list[str]]) -> dict[str, int]:
    """Return how many things of each sort are left, those of which there are none included."""
    return {sort: len(found.get(sort, ())) for sort in sorted({*SORTS_OF_THINGS, *found})}


def restarts(runs: Iterable[Run], names: Mapping[str, str]) -> dict[str, int]:
    """Return how often containers of a mixed load were started again, and how many of these starts no spec
    asked for.

    Args:
        runs: of everything on the nodes.
        names: of the load's Pods, by uid.
    """
    count = Counter((run.uid, run.name) for run in runs if run.name and run.uid in names)
    return {
        "containers_started": sum(count.values()),
        "restarts": sum(count.values()) - len(count),
        "restarts_that_no_spec_asked_for": sum(
            max(0, times - expected_runs(names[uid])) for (uid, _), times in count.items()
        ),
    }
