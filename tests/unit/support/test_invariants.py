"""The checks of recorded runs find what they are there to find."""

from typing import Any

import pytest

from tests.support import invariants
from tests.support.api import Seen
from tests.support.invariants import Run
from vaina.testing.builders import make_pod


def engine_event(action: str, at: float, number: str = "c1", **labels: str) -> dict[str, Any]:
    attributes = {
        "io.kubernetes.pod.uid": "u1",
        "io.kubernetes.container.name": "app",
        "vaina.dev/attempt": "0",
    }
    return {
        "Type": "container",
        "Action": action,
        "timeNano": int(at * 1e9),
        "Actor": {"ID": number, "Attributes": {**attributes, **labels}},
    }


def seen(node: str = "", version: str = "1", type_: str = "MODIFIED", uid: str = "u1") -> Seen[Any]:
    return Seen(0.0, type_, make_pod("web", uid=uid, node=node, resource_version=version))


def a_run(**changes: Any) -> Run:
    values = {
        "node": "n1", "id": "c1", "uid": "u1", "name": "", "attempt": 0, "address": "10.244.0.2", "started": 1.0,
        "ended": 2.0,
    } | changes  # fmt: skip
    return Run(**values)


def test_runs_are_read_from_an_engines_events() -> None:
    events = {
        "n1": [
            engine_event("create", 1),
            engine_event("start", 2),
            engine_event("die", 3),
            engine_event("start", 4, "c2", **{"vaina.dev/attempt": "1"}),
            {"Type": "image", "Action": "pull", "timeNano": 5, "Actor": {"ID": "busybox", "Attributes": {}}},
            {
                "Type": "container",
                "Action": "start",
                "timeNano": 5,
                "Actor": {"ID": "other", "Attributes": {}},
            },
        ]
    }
    found = invariants.runs(events)
    assert [(run.id, run.attempt, run.started, run.ended) for run in found] == [
        ("c1", 0, 2.0, 3.0),
        ("c2", 1, 4.0, float("inf")),
    ]


@pytest.mark.parametrize(
    ("nodes", "wrong"),
    [
        (["", "n1", "n1"], 0),
        (["n1"], 0),
        (["", "n1", "n2"], 1),
        (["", "n1", ""], 1),
    ],
)
def test_second_binding_is_found(nodes: list[str], wrong: int) -> None:
    assert len(invariants.bound_twice([seen(node) for node in nodes])) == wrong


@pytest.mark.parametrize(
    ("check", "found", "wrong"),
    [
        (invariants.started_twice, [a_run(), a_run(started=5, ended=6)], 1),
        (invariants.started_twice, [a_run(), a_run(attempt=1, started=5)], 0),
        (invariants.on_two_nodes, [a_run(), a_run(node="n2")], 1),
        (invariants.on_two_nodes, [a_run(), a_run(node="n2", uid="u2")], 0),
        (invariants.two_at_once, [a_run(), a_run(attempt=1, started=1.5)], 1),
        (invariants.two_at_once, [a_run(), a_run(attempt=1, started=2.0)], 0),
        (invariants.address_shared, [a_run(), a_run(uid="u2", node="n2", started=1.5)], 1),
        (invariants.address_shared, [a_run(), a_run(uid="u2", started=2.0)], 0),
        (invariants.address_shared, [a_run(address=""), a_run(address="", uid="u2")], 0),
    ],
)
def test_runs_that_must_not_be_are_found(check: Any, found: list[Run], wrong: int) -> None:
    assert len(check(found)) == wrong


def test_pod_that_vanished_without_a_deletion_is_found() -> None:
    history = [seen(uid="u1"), seen(uid="u2"), seen(uid="u3"), seen(uid="u3", type_="DELETED")]
    assert len(invariants.vanished(history, there=["u2"])) == 1


def test_version_that_goes_back_is_found() -> None:
    assert invariants.went_back([seen(version="5"), seen(version="6")]) == []
    assert len(invariants.went_back([seen(version="6"), seen(version="6")])) == 1
