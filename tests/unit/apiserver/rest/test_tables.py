"""Tables: columns as upstream's, and cells of the types that they say."""

from typing import Any

import pytest

from apiserver.rest.served import DELETE_OPTIONS
from apiserver.rest.tables import Rows, rows_of
from tests.support.shown_objects import NOW
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import (
    EVENT,
    KINDS,
    LIMIT_RANGE,
    NODE,
    POD,
    PRIORITY_CLASS,
    REPLICA_SET,
    STORAGE_CLASS,
    Kind,
)
from vaina.testing.builders import make_pod

#: column -> type, format, priority; as `pkg/printers/internalversion/printers.go` of 1.37 has them
WANT: list[tuple[Kind[Any], list[tuple[str, str, str, int]]]] = [
    (
        POD,
        [
            ("Name", "string", "name", 0), ("Ready", "string", "", 0), ("Status", "string", "", 0),
            ("Restarts", "string", "", 0), ("Age", "string", "", 0), ("IP", "string", "", 1),
            ("Node", "string", "", 1), ("Nominated Node", "string", "", 1), ("Readiness Gates", "string", "", 1),
        ],
    ),
    (
        NODE,
        [
            ("Name", "string", "name", 0), ("Status", "string", "", 0), ("Roles", "string", "", 0),
            ("Age", "string", "", 0), ("Version", "string", "", 0), ("Internal-IP", "string", "", 1),
            ("External-IP", "string", "", 1), ("OS-Image", "string", "", 1), ("Kernel-Version", "string", "", 1),
            ("Container-Runtime", "string", "", 1),
        ],
    ),
    (
        EVENT,
        [
            ("Last Seen", "string", "", 0), ("Type", "string", "", 0), ("Reason", "string", "", 0),
            ("Object", "string", "", 0), ("Subobject", "string", "", 1), ("Source", "string", "", 1),
            ("Message", "string", "", 0), ("First Seen", "string", "", 1), ("Count", "string", "", 1),
            ("Name", "string", "name", 1),
        ],
    ),
    (
        REPLICA_SET,
        [
            ("Name", "string", "name", 0), ("Desired", "integer", "", 0), ("Current", "integer", "", 0),
            ("Ready", "integer", "", 0), ("Age", "string", "", 0), ("Containers", "string", "", 1),
            ("Images", "string", "", 1), ("Selector", "string", "", 1),
        ],
    ),
    (
        PRIORITY_CLASS,
        [
            ("Name", "string", "name", 0), ("Value", "integer", "", 0), ("Global-Default", "boolean", "", 0),
            ("Age", "string", "", 0), ("PreemptionPolicy", "string", "", 0),
        ],
    ),
    (
        STORAGE_CLASS,
        [
            ("Name", "string", "name", 0), ("Provisioner", "string", "", 0), ("ReclaimPolicy", "string", "", 0),
            ("VolumeBindingMode", "string", "", 0), ("AllowVolumeExpansion", "string", "", 0), ("Age", "string", "", 0),
        ],
    ),
    (LIMIT_RANGE, [("Name", "string", "name", 0), ("Created At", "date", "", 0)]),
]  # fmt: skip


def _table_of(kind: Kind[Any]) -> Rows:
    found = rows_of(kind)
    assert found is not None
    return found


@pytest.mark.parametrize(("kind", "want"), WANT, ids=[kind.kind for kind, _ in WANT])
def test_columns_are_upstreams(kind: Kind[Any], want: list[tuple[str, str, str, int]]) -> None:
    found = _table_of(kind).columns
    assert [(it.name, it.type, it.format, it.priority) for it in found] == want
    assert all(it.description for it in found)


def test_what_is_no_resource_has_no_table() -> None:
    assert rows_of(DELETE_OPTIONS) is None


_TYPES = {"string": (str, int), "date": (str,), "integer": (int,), "boolean": (bool, str)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_has_a_cell_a_column_of_its_type(kind: Kind[Any]) -> None:
    table = _table_of(kind)
    for cell, column in zip(table.row(kind.message(), NOW).cells, table.columns, strict=True):
        assert isinstance(cell, _TYPES[column.type]), column


def test_a_pod_that_is_over_says_so_beside_its_cells() -> None:
    done, running = make_pod("a"), make_pod("b")
    done.status.phase, running.status.phase = "Failed", "Running"
    table = _table_of(POD)
    assert [*table.row(done, NOW).conditions] == [
        {"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}
    ]
    assert not table.row(running, NOW).conditions


def test_numbers_and_booleans_stay_what_they_are() -> None:
    found = PRIORITY_CLASS.message(metadata={"name": "high"}, value=7, global_default=True)
    assert _table_of(PRIORITY_CLASS).row(found, NOW).cells[:3] == ["high", 7, True]


def test_a_pod_has_all_cells_wide_ones_too() -> None:
    pod = pod_pb2.Pod(
        metadata={"name": "web", "creation_timestamp": {"seconds": int(NOW) - 60}},
        spec={"node_name": "n1", "containers": [{"name": "a"}]},
        status={"phase": "Pending"},
    )
    assert _table_of(POD).row(pod, NOW).cells == [
        "web", "0/1", "Pending", "0", "60s", "<none>", "n1", "<none>", "<none>",
    ]  # fmt: skip
