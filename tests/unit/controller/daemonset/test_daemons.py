"""Which nodes get a DaemonSet's Pod: tables after upstream's TestNodeShouldRunDaemonPod."""

import pytest

from controller.daemonset.reconcile import DaemonSet, EndedPods, fit, new_pod, node_of, tolerations_of
from vaina.api.core.v1 import node_pb2
from vaina.testing.builders import make_node, make_pod


def daemon_set(**spec: object) -> DaemonSet:
    made = DaemonSet()
    made.metadata.name, made.metadata.namespace, made.metadata.uid = "log", "default", "uid-ds"
    made.spec.selector.match_labels["app"] = "log"
    made.spec.template.metadata.labels["app"] = "log"
    pod = made.spec.template.spec
    pod.containers.add(name="app", image="a")
    for key, value in spec.items():
        if key == "node_selector":
            assert isinstance(value, dict)
            pod.node_selector.update(value)
        elif key == "tolerations":
            assert isinstance(value, list)
            for toleration in value:
                pod.tolerations.add(**toleration)
        elif key == "affinity":
            assert isinstance(value, tuple)
            required = pod.affinity.node_affinity.required_during_scheduling_ignored_during_execution
            required.node_selector_terms.add().match_expressions.add(
                key=value[0], operator=value[1], values=value[2]
            )
        else:
            setattr(pod, key, value)
    return made


def node(*taints: tuple[str, str], labels: dict[str, str] | None = None) -> node_pb2.Node:
    made = make_node("n1", labels=labels or {})
    for key, effect in taints:
        made.spec.taints.add(key=key, effect=effect)
    return made


CORDONED = ("node.kubernetes.io/unschedulable", "NoSchedule")
UNREACHABLE = ("node.kubernetes.io/unreachable", "NoExecute")
NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")
OURS = ("dedicated", "NoSchedule")
AWAY = ("dedicated", "NoExecute")
SOFT = ("dedicated", "PreferNoSchedule")


@pytest.mark.parametrize(
    ("made", "there", "runs", "stays"),
    [
        (daemon_set(), node(), True, True),
        (daemon_set(node_name="n1"), node(), True, True),
        (daemon_set(node_name="other"), node(), False, False),
        (daemon_set(node_selector={"disk": "ssd"}), node(), False, False),
        (daemon_set(node_selector={"disk": "ssd"}), node(labels={"disk": "ssd"}), True, True),
        (daemon_set(affinity=("disk", "In", ["ssd", "hdd"])), node(labels={"disk": "hdd"}), True, True),
        (daemon_set(affinity=("disk", "NotIn", ["hdd"])), node(labels={"disk": "hdd"}), False, False),
        (daemon_set(affinity=("disk", "NotIn", ["hdd"])), node(), True, True),
        (daemon_set(affinity=("disk", "Exists", [])), node(), False, False),
        (daemon_set(affinity=("disk", "DoesNotExist", [])), node(), True, True),
        (daemon_set(affinity=("size", "Gt", ["3"])), node(labels={"size": "4"}), True, True),
        (daemon_set(affinity=("size", "Lt", ["3"])), node(labels={"size": "4"}), False, False),
        (daemon_set(affinity=("size", "Gt", ["3"])), node(labels={"size": "big"}), False, False),
        # what every daemon bears
        (daemon_set(), node(CORDONED), True, True),
        (daemon_set(), node(UNREACHABLE), True, True),
        (daemon_set(), node(("node.kubernetes.io/memory-pressure", "NoSchedule")), True, True),
        (daemon_set(), node(("node.kubernetes.io/disk-pressure", "NoSchedule")), True, True),
        (daemon_set(), node(NETWORK), False, True),
        (daemon_set(host_network=True), node(NETWORK), True, True),
        # what it must say itself
        (daemon_set(), node(OURS), False, True),
        (daemon_set(), node(AWAY), False, False),
        (daemon_set(), node(SOFT), True, True),
        (daemon_set(tolerations=[{"key": "dedicated", "operator": "Exists"}]), node(OURS, AWAY), True, True),
        (
            daemon_set(tolerations=[{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}]),
            node(OURS, AWAY), False, False,
        ),
        (daemon_set(tolerations=[{"operator": "Exists"}]), node(OURS, AWAY, NETWORK), True, True),
    ],
)  # fmt: skip
def test_which_nodes(made: DaemonSet, there: node_pb2.Node, runs: bool, stays: bool) -> None:
    assert fit(made, there) == (runs, stays)


def test_a_pod_names_its_node_and_bears_what_daemons_bear() -> None:
    made = daemon_set(affinity=("disk", "In", ["ssd"]))
    pod = new_pod(made, "hash", "n7", "log-abcde")
    (term,) = (
        pod.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms
    )
    assert [(item.key, item.operator, list(item.values)) for item in term.match_fields] == [
        ("metadata.name", "In", ["n7"])
    ]
    assert node_of(pod) == "n7"
    assert {(item.key, item.effect) for item in pod.spec.tolerations} >= {CORDONED, UNREACHABLE}
    assert dict(pod.metadata.labels)["controller-revision-hash"] == "hash"
    assert "pod-template-generation" not in pod.metadata.labels
    # The template is shared: nothing of it has changed.
    assert made.spec.template.spec.affinity.node_affinity.required_during_scheduling_ignored_during_execution.node_selector_terms[
        0
    ].match_expressions


def test_a_pod_says_of_which_template_it_is() -> None:
    made = daemon_set()
    made.metadata.annotations["deprecated.daemonset.template.generation"] = "7"
    assert new_pod(made, "hash", "n7", "log-abcde").metadata.labels["pod-template-generation"] == "7"


def test_a_toleration_that_is_there_is_not_added_again() -> None:
    made = daemon_set(
        tolerations=[
            {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}
        ]
    )
    keys = [item.key for item in tolerations_of(made.spec.template.spec)]
    assert keys.count("node.kubernetes.io/unschedulable") == 1


def test_where_a_pod_belongs() -> None:
    assert node_of(make_pod("a", node="n2")) == "n2"
    assert node_of(make_pod("a")) == ""


def test_a_node_waits_longer_each_time_and_begins_again_after_a_while() -> None:
    ended = EndedPods()
    assert ended.wait("u", 1, "n1", 0.0) == 0.0
    waits = []
    now = 0.0
    for _ in range(4):
        ended.note("u", 1, "n1", now)
        waits.append(ended.wait("u", 1, "n1", now))
        now += waits[-1]
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert ended.wait("u", 1, "other", now) == 0.0
    assert ended.wait("u", 1, "n1", now + 1800.0) == 0.0
    ended.note("u", 1, "n1", now + 1800.0)
    assert ended.wait("u", 1, "n1", now + 1800.0) == 1.0


def test_a_daemon_set_that_was_changed_begins_with_short_waits_again() -> None:
    ended = EndedPods()
    for _ in range(8):
        ended.note("u", 1, "n1", 0.0)
    assert ended.wait("u", 1, "n1", 0.0) == 128.0
    assert ended.wait("u", 2, "n1", 0.0) == 0.0
    ended.note("u", 2, "n1", 0.0)
    assert ended.wait("u", 2, "n1", 0.0) == 1.0
