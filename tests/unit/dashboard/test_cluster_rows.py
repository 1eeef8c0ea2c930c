"""What the cluster view keeps of Pods and Nodes: the word, how it is, what it asks for, whom it belongs to."""

import pytest

from dashboard.cluster.rows import Health, PodRow, Rows, node_row
from dashboard.cluster.selection import parse_selection
from vaina.api.core.v1 import pod_pb2
from vaina.errors import BadRequest
from vaina.testing.builders import make_container, make_node, make_pod, owner_ref
from vaina.testing.clock import EPOCH


def row(pod: pod_pb2.Pod) -> PodRow:
    return Rows().pod(pod)


def with_state(**state: object) -> pod_pb2.Pod:
    pod = make_pod(node="node-1", phase="Running", ready=False)
    status = pod.status.container_statuses.add(name="app")
    for kind, values in state.items():
        part = getattr(status.state, kind)
        part.SetInParent()
        for name, value in values.items():  # type: ignore[attr-defined]  # a dict
            setattr(part, name, value)
    return pod


def unschedulable() -> pod_pb2.Pod:
    pod = make_pod()
    pod.status.conditions.add(type="PodScheduled", status="False", reason="Unschedulable")
    return pod


def lost() -> pod_pb2.Pod:
    pod = make_pod(node="node-1", phase="Running", deleted=EPOCH)
    pod.status.reason = "NodeLost"
    return pod


@pytest.mark.parametrize(
    ("pod", "word", "health"),
    [
        (make_pod(), "Pending", Health.WAITING),
        (unschedulable(), "Unschedulable", Health.TROUBLE),
        (make_pod(node="n", phase="Running", ready=True), "Running", Health.WELL),
        (make_pod(node="n", phase="Succeeded"), "Succeeded", Health.ENDED),
        (make_pod(node="n", phase="Failed"), "Failed", Health.TROUBLE),
        (make_pod(node="n", phase="Running", ready=True, deleted=EPOCH), "Terminating", Health.WAITING),
        (lost(), "Unknown", Health.TROUBLE),
        (with_state(waiting={"reason": "ContainerCreating"}), "ContainerCreating", Health.WAITING),
        (with_state(waiting={"reason": "CrashLoopBackOff"}), "CrashLoopBackOff", Health.TROUBLE),
        (with_state(waiting={"reason": "ImagePullBackOff"}), "ImagePullBackOff", Health.TROUBLE),
        (with_state(terminated={"reason": "Error", "exit_code": 1}), "Error", Health.TROUBLE),
        (with_state(running={}), "NotReady", Health.WAITING),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_pods_word_and_how_it_is(pod: pod_pb2.Pod, word: str, health: Health) -> None:
    assert (row(pod).word, row(pod).health) == (word, health)


def test_what_a_pod_asks_for_and_since_when_it_is_as_it_is() -> None:
    pod = make_pod(
        requests={"cpu": "250m", "memory": "1Gi"}, phase="Running", ready=True, ready_since=EPOCH + 7
    )
    found = row(pod)
    assert (found.cpu, found.memory, found.since) == (250, 1024, EPOCH + 7)
    assert row(make_pod(created=EPOCH + 3)).since == EPOCH + 3


def test_requests_that_cannot_be_read_do_not_hide_the_pod() -> None:
    assert row(make_pod(containers=[make_container(requests={"cpu": "many"})])).cpu == 0


def test_a_word_of_any_length_is_cut() -> None:
    assert len(row(with_state(waiting={"reason": "x" * 1000})).word) == 64


def test_pods_with_the_same_labels_share_them() -> None:
    rows = Rows()
    labels = {"app": "web", "tier": "a"}
    first, second = rows.pod(make_pod("a", labels=labels)), rows.pod(make_pod("b", labels=labels))
    assert first.labels is second.labels


@pytest.mark.parametrize(
    ("changes", "word", "health"),
    [
        ({}, "Ready", Health.WELL),
        ({"ready": False}, "NotReady", Health.TROUBLE),
        ({"unschedulable": True}, "Ready,SchedulingDisabled", Health.WAITING),
        ({"pressure": "MemoryPressure"}, "Ready,MemoryPressure", Health.TROUBLE),
        ({"ready": False, "unschedulable": True}, "NotReady,SchedulingDisabled", Health.TROUBLE),
    ],
)
def test_a_nodes_word_and_how_it_is(changes: dict[str, object], word: str, health: Health) -> None:
    node = make_node(ready=changes.get("ready", True) is True)
    node.spec.unschedulable = changes.get("unschedulable") is True
    if "pressure" in changes:
        node.status.conditions.add(type=str(changes["pressure"]), status="True")
    node.status.conditions.add(type="DiskPressure", status="False")
    found = node_row(node)
    assert (found.word, found.health) == (word, health)
    assert (found.cpu, found.memory, found.pods) == (4000, 8192, 110)


OF_DEPLOYMENT = make_pod(
    labels={"app": "web", "pod-template-hash": "7d9f"}, owner=owner_ref("ReplicaSet", "web-7d9f", "u")
)
OF_CRON_JOB = make_pod(namespace="night", owner=owner_ref("Job", "clean-29384", "u", api_version="batch/v1"))


@pytest.mark.parametrize(
    ("pod", "asked", "has"),
    [
        (OF_DEPLOYMENT, "cluster", True),
        (OF_DEPLOYMENT, "cluster?namespace=default", True),
        (OF_DEPLOYMENT, "cluster?namespace=night", False),
        (OF_DEPLOYMENT, "cluster?selector=app%20in%20(web,db),tier!%3Da", True),
        (OF_DEPLOYMENT, "cluster?selector=app%3Ddb", False),
        (OF_DEPLOYMENT, "cluster?owner=ReplicaSet%2Fweb-7d9f", True),
        (OF_DEPLOYMENT, "cluster?owner=Deployment%2Fweb", True),
        (OF_DEPLOYMENT, "cluster?owner=web", True),
        (OF_DEPLOYMENT, "cluster?owner=Deployment%2Fweb-7d9f", False),
        (OF_DEPLOYMENT, "cluster?owner=web&namespace=night", False),
        (OF_CRON_JOB, "cluster?owner=CronJob%2Fclean", True),
        (OF_CRON_JOB, "cluster?owner=clean-29384", True),
        (make_pod(), "cluster?owner=web", False),
    ],
)
def test_who_is_selected(pod: pod_pb2.Pod, asked: str, has: bool) -> None:
    assert parse_selection(asked).has(row(pod)) is has


@pytest.mark.parametrize(
    "asked", ["cluster?selector=a%3D%3D%3Db", "cluster?color=red", "cluster?" + "&".join(["owner=a"] * 9)]
)
def test_what_cannot_be_read_is_refused(asked: str) -> None:
    with pytest.raises(BadRequest):
        parse_selection(asked)
