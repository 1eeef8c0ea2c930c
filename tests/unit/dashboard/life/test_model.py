"""What the page shows of a Pod: what is known of it on the left, what is shown on the right."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from dashboard.life.model import Chosen, choose, life_of
from dashboard.texts import MAX_LETTERS
from tests.support.shown_objects import make_trace
from tests.unit.vaina.why.pods import (
    AGO_5M,
    NOW,
    conditions,
    crashing,
    event,
    node,
    pod_of,
    refused,
    runs,
    terminated,
    waiting,
)
from vaina.api.trace.v1 import trace_pb2
from vaina.clock import timestamp
from vaina.why.evidence import Evidence

Shown = Mapping[str, Any]
PROBES = {
    "livenessProbe": {"httpGet": {"port": 8080, "path": "/healthz"}},
    "readinessProbe": {"exec": {"command": ["cat", "/ready"]}},
    "startupProbe": {"tcpSocket": {"port": 80}},
}


def show(
    status: Mapping[str, Any],
    spec: Mapping[str, Any] | None = None,
    *,
    trace: trace_pb2.PodTrace | None = None,
    events: Any = (),
) -> Shown:
    pod = pod_of(status, spec)
    chosen = Chosen(pod.metadata.uid, pod, trace, ())
    given = Evidence("web", "default", NOW, pod, events, trace, node())
    return life_of(given, chosen, None)


@dataclass(frozen=True)
class Case:
    name: str
    status: Mapping[str, Any]
    at: Callable[[Shown], Any]
    want: Any
    spec: Mapping[str, Any] = field(default_factory=dict)
    events: Any = ()


def first(shown: Shown) -> Any:
    return shown["containers"][0]


CASES = [
    Case(
        "a container that waits says for what", {"phase": "Pending", "containerStatuses": [waiting("ErrImagePull", "no such image")]},
        lambda it: first(it)["state"], {"is": "waiting", "reason": "ErrImagePull", "message": "no such image"},
    ),
    Case(
        "a restarted one says how it ended before", crashing(3), lambda it: (first(it)["restarts"], first(it)["last"]["exitCode"]), (4, 3)
    ),
    Case(
        "a running one says since when", {"phase": "Running", "containerStatuses": [runs()]},
        lambda it: first(it)["state"], {"is": "running", "since": NOW - 300},
    ),
    Case(
        "probes say what they ask, and whether they are passed", {"phase": "Running", "containerStatuses": [runs(ready=False, started=True)]},
        lambda it: [(one["which"], one["asks"].split(" delay")[0], one["passed"]) for one in first(it)["probes"]],
        [("startup", "tcp-socket :80", True), ("liveness", "http-get http://:8080/healthz", None), ("readiness", "exec [cat /ready]", False)],
        spec={"containers": [{"name": "main", "image": "busybox", **PROBES}]},
    ),
    Case(
        "a failed probe says what it was answered, and when", {"phase": "Running", "containerStatuses": [runs(ready=False)]},
        lambda it: [(one.get("failed"), one.get("failedAt")) for one in first(it)["probes"]],
        [("Readiness probe failed: 503", NOW - 9)],
        spec={"containers": [{"name": "main", "image": "busybox", "readinessProbe": PROBES["readinessProbe"]}]},
        events=(event("Unhealthy", "Readiness probe failed: 503", ago=9), event("Unhealthy", "Readiness probe failed: 1", container="b", ago=1)),
    ),
    Case(
        "containers come in the order in which they start, with their parts",
        {"phase": "Pending"}, lambda it: [(one["name"], one["role"]) for one in it["containers"]],
        [("first", "init"), ("beside", "sidecar"), ("main", "container")],
        spec={"initContainers": [{"name": "first", "image": "b"}, {"name": "beside", "image": "b", "restartPolicy": "Always"}]},
    ),
    Case(
        "Events come newest first, with how often and by whom", {"phase": "Running"},
        lambda it: [(one["reason"], one["count"], one["last"]) for one in it["events"]],
        [("BackOff", 1, NOW - 5), ("Pulled", 1, NOW - 60)],
        events=(event("Pulled", "Image there"), event("BackOff", "again", ago=5)),
    ),
    Case(
        "a Pod without a node says what it waits for", refused("0/3 nodes are available: 3 Insufficient cpu."),
        lambda it: (it["steps"]["waitsFor"], it["why"]["findings"][0]["what"], it["node"]),
        ("Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.", "No node takes it: not enough cpu", ""),
        spec={"nodeName": ""},
    ),
    Case(
        "a healthy Pod is said to be well", {"phase": "Running", "conditions": conditions(Ready="True"), "containerStatuses": [runs()]},
        lambda it: (it["why"]["healthy"], it["state"], it["ready"], it["nodeReady"]), (True, "Running", True, True),
    ),
    Case(
        "what an image's process said last is told", {"phase": "Running", "containerStatuses": [runs(lastState=terminated(1, "Error", "<b>bold</b>"))]},
        lambda it: first(it)["last"]["message"], "<b>bold</b>",
    ),
    Case(
        "megabytes of words are cut", {"phase": "Running"}, lambda it: (len(it["events"][0]["message"]), len(it["events"])), (MAX_LETTERS, 100),
        events=[event("Loud", "x" * 1_000_000)] * 150,
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_shown(case: Case) -> None:
    assert case.at(show(case.status, case.spec, events=case.events)) == case.want


def test_steps_are_told_with_what_they_waited_for() -> None:
    trace = make_trace()
    steps = show({"phase": "Running"}, trace=trace)["steps"]
    assert [row["step"] for row in steps["rows"]][:2] == ["ADMITTED", "SCHEDULED"]
    assert all(row["done"] and row["who"] for row in steps["rows"])
    assert steps["complete"]
    assert steps["waitsFor"] == ""
    # Every moment between the first step and the last belongs to a step, to a named wait, or to less than 50 ms.
    named = [gap for row in steps["rows"] for gap in row["before"]]
    assert steps["end"] - steps["begin"] == pytest.approx(
        steps["busySeconds"] + sum(gap["end"] - gap["start"] for gap in named), abs=0.3
    )


def test_steps_to_come_are_told_too() -> None:
    rows = show({"phase": "Pending"}, trace=make_trace(3))["steps"]["rows"]
    assert [row["done"] for row in rows] == [True] * 3 + [False] * 4


def test_a_pod_without_a_trace_has_no_recorded_steps() -> None:
    assert not show({"phase": "Running"})["steps"]["recorded"]


def test_a_gone_pod_is_told_from_its_trace() -> None:
    trace = make_trace()
    trace.status.pod_deleted_time.CopyFrom(timestamp(NOW - 60))
    chosen = choose(None, [trace])
    assert chosen is not None
    shown = life_of(Evidence("jumpod", "team", NOW, trace=trace), chosen, None)
    assert (shown["gone"], shown["deletedAt"], shown["node"]) == (True, NOW - 60, trace.status.node_name)
    assert shown["why"]["findings"][0]["what"] == "It is gone for 60s"
    assert "containers" not in shown


def test_a_pod_that_goes_while_it_is_looked_at_keeps_its_containers() -> None:
    pod = pod_of({"phase": "Running", "containerStatuses": [runs()]})
    shown = life_of(Evidence("web", "default", NOW), Chosen("u", None, None, ()), None, before=pod)
    assert (shown["gone"], first(shown)["name"]) == (True, "main")


def traced(uid: str, second: int) -> trace_pb2.PodTrace:
    trace = trace_pb2.PodTrace()
    trace.spec.pod_uid = uid
    trace.metadata.creation_timestamp.seconds = second
    return trace


TRACES = [traced("old", 1), traced("new", 3), traced("middle", 2)]


@dataclass(frozen=True)
class Choice:
    name: str
    pod: str
    asked: str
    want: str | None
    others: tuple[str, ...] = ()
    there: bool = False


CHOICES = [
    Choice("the Pod that is there", "new", "", "new", ("middle", "old"), there=True),
    Choice(
        "the Pod that is there, without a trace",
        "untraced",
        "",
        "untraced",
        ("new", "middle", "old"),
        there=True,
    ),
    Choice("of those that are gone the newest", "", "", "new", ("middle", "old")),
    Choice("the one that is asked for", "new", "old", "old", ("new", "middle")),
    Choice("none where the one that is asked for left nothing", "new", "unknown", None),
]


@pytest.mark.parametrize("case", CHOICES, ids=lambda case: case.name)
def test_of_several_with_a_name_one_is_chosen(case: Choice) -> None:
    pod = pod_of({"startTime": AGO_5M}, meta={"uid": case.pod}) if case.pod else None
    chosen = choose(pod, TRACES, case.asked)
    if chosen is None:
        assert case.want is None
        return
    assert (chosen.uid, chosen.pod is not None) == (case.want, case.there)
    assert tuple(one.spec.pod_uid for one in chosen.others) == case.others
