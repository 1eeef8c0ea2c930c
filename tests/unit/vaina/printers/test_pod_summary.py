"""The one word that says how a Pod is: kubectl's rules."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from vaina.api.core.v1 import pod_pb2
from vaina.printers.pod_summary import summarise

RUNNING = {"running": {}}
DONE = {"terminated": {"exit_code": 0, "reason": "Completed"}}


def status(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, **more}


def make(
    containers: list[dict[str, Any]],
    inits: list[dict[str, Any]] | None = None,
    *,
    phase: str = "Running",
    sidecars: tuple[str, ...] = (),
    conditions: dict[str, str] | None = None,
    **more: Any,
) -> pod_pb2.Pod:
    inits = inits or []
    return pod_pb2.Pod(
        spec={
            "containers": [{"name": item["name"]} for item in containers] or [{"name": "a"}],
            "init_containers": [
                {"name": item["name"], **({"restart_policy": "Always"} if item["name"] in sidecars else {})}
                for item in inits
            ],
        },
        status={
            "phase": phase,
            "container_statuses": containers,
            "init_container_statuses": inits,
            "conditions": [{"type": key, "status": value} for key, value in (conditions or {}).items()],
            **more,
        },
    )


CASES = [
    ("a new pod is Pending", make([], phase="Pending"), "Pending", 0, 1),
    ("a running pod with a ready container", make([status("a", RUNNING, ready=True)]), "Running", 1, 1),
    ("a container that waits says why", make([status("a", {"waiting": {"reason": "ErrImagePull"}})], phase="Pending"), "ErrImagePull", 0, 1),
    ("a crash shows its reason", make([status("a", {"terminated": {"exit_code": 1, "reason": "Error"}})]), "Error", 0, 1),
    ("an exit without a reason shows its code", make([status("a", {"terminated": {"exit_code": 3}})]), "ExitCode:3", 0, 1),
    ("a signal without a reason shows it", make([status("a", {"terminated": {"exit_code": 137, "signal": 9}})]), "Signal:9", 0, 1),
    ("all done", make([status("a", DONE)], phase="Succeeded"), "Completed", 0, 1),
    (
        "one done, one running and the pod ready",
        make([status("a", DONE), status("b", RUNNING, ready=True)], conditions={"Ready": "True"}),
        "Running", 1, 2,
    ),
    (
        "one done and one failed: the failure is what counts, whichever comes first",
        make([status("a", DONE), status("b", {"terminated": {"exit_code": 1, "reason": "Error"}})], phase="Failed"),
        "Error", 0, 2,
    ),
    ("one done, one running and the pod not ready", make([status("a", DONE), status("b", RUNNING, ready=True)]), "NotReady", 1, 2),
    ("init containers are counted", make([], [status("i", RUNNING), status("j", {})], phase="Pending"), "Init:0/2", 0, 1),
    ("the second init container", make([], [status("i", DONE), status("j", RUNNING)], phase="Pending"), "Init:1/2", 0, 1),
    ("an init container that failed", make([], [status("i", {"terminated": {"exit_code": 1, "reason": "Error"}})]), "Init:Error", 0, 1),
    ("an init container that failed without a reason", make([], [status("i", {"terminated": {"exit_code": 2}})]), "Init:ExitCode:2", 0, 1),
    (
        "an init container that waits",
        make([], [status("i", {"waiting": {"reason": "CrashLoopBackOff"}})]),
        "Init:CrashLoopBackOff", 0, 1,
    ),
    (
        "a sidecar counts as a container",
        make([status("a", RUNNING, ready=True)], [status("s", RUNNING, ready=True, started=True)], sidecars=("s",)),
        "Running", 2, 2,
    ),
    ("a reason of the pod wins over its phase", make([], phase="Failed", reason="Evicted"), "Evicted", 0, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pod", "word", "ready", "total"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_pod_in_one_word(pod: pod_pb2.Pod, word: str, ready: int, total: int) -> None:
    found = summarise(pod)
    assert (found.status, found.ready, found.total) == (word, ready, total)


def test_a_pod_that_ends_is_terminating() -> None:
    pod = make([status("a", RUNNING, ready=True)])
    pod.metadata.deletion_timestamp.seconds = 1
    assert summarise(pod).status == "Terminating"
    pod.status.reason = "NodeLost"
    assert summarise(pod).status == "Unknown"


def test_a_gated_pod_says_so() -> None:
    pod = make([], phase="Pending")
    pod.status.conditions.add(type="PodScheduled", status="False", reason="SchedulingGated")
    assert summarise(pod).status == "SchedulingGated"


def test_restarts_say_when_the_last_one_was() -> None:
    ended = {"terminated": {"exit_code": 1, "finished_at": Timestamp(seconds=1000)}}
    pod = make([status("a", RUNNING, restart_count=3, last_state=ended)])
    assert summarise(pod).restarts_text(1125.0) == "3 (2m5s ago)"
    assert summarise(make([status("a", RUNNING)])).restarts_text(0) == "0"
