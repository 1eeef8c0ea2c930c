"""Effective requests, class of service, readiness, conditions, owners, selectable fields."""

from typing import Any

import pytest

from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.clock import timestamp
from vaina.kinds import CONFIG_MAP, EVENT, KINDS, NODE, POD
from vaina.objects import conditions, fields, meta, nodes, pods
from vaina.testing.builders import make_container, make_node, make_pod, owner_ref

Mi = 1 << 20


def make(*containers: dict[str, Any], inits: tuple[dict[str, Any], ...] = (), **spec: Any) -> pod_pb2.Pod:
    """Make a Pod of containers as {cpu: .., memory: .., limits: {..}, always: bool}."""

    def one(given: dict[str, Any]) -> dict[str, Any]:
        limits = given.get("limits", {})
        requests = {key: value for key, value in given.items() if key not in ("limits", "always")}
        made: dict[str, Any] = {"resources": {
            "requests": {key: {"string": value} for key, value in requests.items()},
            "limits": {key: {"string": value} for key, value in limits.items()},
        }}  # fmt: skip
        return made | ({"restart_policy": "Always"} if given.get("always") else {})

    return pod_pb2.Pod(
        spec={"containers": [one(c) for c in containers], "init_containers": [one(c) for c in inits], **spec}
    )


REQUESTS = [
    ("nothing is asked for", make({}), {}),
    ("containers add up", make({"cpu": "100m", "memory": "64Mi"}, {"cpu": "1"}), {"cpu": 1100, "memory": 64 * Mi}),
    ("the greatest init container counts", make({"cpu": "100m"}, inits=({"cpu": "2"}, {"cpu": "1"})), {"cpu": 2000}),
    ("small init containers do not count", make({"cpu": "1"}, {"cpu": "1"}, inits=({"cpu": "1500m"},)), {"cpu": 2000}),
    ("a sidecar adds to the containers", make({"cpu": "1"}, inits=({"cpu": "500m", "always": True},)), {"cpu": 1500}),
    (
        "an init container runs beside the sidecars before it",
        make({"cpu": "1"}, inits=({"cpu": "500m", "always": True}, {"cpu": "2"})),
        {"cpu": 2500},
    ),
    (
        "but not beside those after it",
        make({"cpu": "1"}, inits=({"cpu": "2"}, {"cpu": "500m", "always": True})),
        {"cpu": 2000},
    ),
    ("overhead comes on top", make({"cpu": "1"}, overhead={"cpu": {"string": "250m"}, "memory": {"string": "1Mi"}}), {"cpu": 1250, "memory": Mi}),
    (
        "requests of the whole pod stand instead",
        make({"cpu": "1", "example.com/gpu": "2"}, resources={"requests": {"cpu": {"string": "3"}, "example.com/gpu": {"string": "9"}}}),
        {"cpu": 3000, "example.com/gpu": 2},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pod", "wanted"), [case[1:] for case in REQUESTS], ids=[case[0] for case in REQUESTS]
)
def test_effective_requests(pod: pod_pb2.Pod, wanted: dict[str, int]) -> None:
    assert pods.pod_requests(pod) == wanted


def test_limits_add_up_and_overhead_counts_where_there_is_a_limit() -> None:
    pod = make(
        {"limits": {"cpu": "1"}},
        {"limits": {"cpu": "1"}},
        overhead={"cpu": {"string": "1"}, "memory": {"string": "1"}},
    )
    assert pods.pod_limits(pod) == {"cpu": 3000}


BOTH = {"cpu": "1", "memory": "1Gi"}
QOS = [
    ("nothing at all", make({}), "BestEffort"),
    ("only an extended resource", make({"example.com/gpu": "1"}), "BestEffort"),
    ("zero requests", make({"cpu": "0"}), "BestEffort"),
    ("a request", make({"cpu": "1m"}), "Burstable"),
    ("requests and limits are equal", make({**BOTH, "limits": BOTH}), "Guaranteed"),
    ("equal in other words", make({"cpu": "1000m", "memory": "1024Mi", "limits": BOTH}), "Guaranteed"),
    ("one container has no limits", make({**BOTH, "limits": BOTH}, {}), "Burstable"),
    ("limits are higher", make({**BOTH, "limits": {"cpu": "2", "memory": "1Gi"}}), "Burstable"),
    ("only one resource is limited", make({"cpu": "1", "limits": {"cpu": "1"}}), "Burstable"),
    ("limits without requests, before defaulting", make({"limits": BOTH}), "Burstable"),
    ("an init container without", make({**BOTH, "limits": BOTH}, inits=({},)), "Burstable"),
    (
        "the whole pod's own resources decide",
        make(
            {},
            resources={
                side: {key: {"string": value} for key, value in BOTH.items()}
                for side in ("requests", "limits")
            },
        ),
        "Guaranteed",
    ),
]


@pytest.mark.parametrize(("pod", "wanted"), [case[1:] for case in QOS], ids=[case[0] for case in QOS])
def test_class_of_service(pod: pod_pb2.Pod, wanted: str) -> None:
    assert pods.qos_class(pod) == wanted


def test_readiness_and_end() -> None:
    assert pods.is_ready(make_pod(ready=True))
    assert not pods.is_ready(make_pod(ready=False))
    assert not pods.is_ready(make_pod())
    assert pods.is_terminal(make_pod(phase="Failed"))
    assert not pods.is_terminal(make_pod(phase="Running"))


def test_a_condition_changes_its_time_only_with_its_status() -> None:
    status = pod_pb2.PodStatus()
    ready = pod_pb2.PodCondition(type="Ready", status="False", reason="Starting")
    assert conditions.set_condition(status, ready, 100.0)
    assert not conditions.set_condition(status, ready, 200.0)
    assert conditions.set_condition(
        status, pod_pb2.PodCondition(type="Ready", status="False", reason="Other"), 300.0
    )
    found = conditions.get_condition(status, "Ready")
    assert found is not None
    assert (found.reason, found.last_transition_time.seconds) == ("Other", 100)
    assert conditions.set_condition(status, pod_pb2.PodCondition(type="Ready", status="True"), 400.0)
    assert status.conditions[0].last_transition_time.seconds == 400
    assert len(status.conditions) == 1
    assert not ready.HasField("last_transition_time")


def test_nodes() -> None:
    node = make_node("n", labels={"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "extra"})
    assert nodes.is_ready(node)
    assert not nodes.is_ready(make_node(ready=False))
    assert nodes.is_schedulable(node)
    assert nodes.roles(node) == ["extra", "worker"]
    assert nodes.address(node) == "10.0.0.1"
    assert nodes.address(node, "ExternalIP") == ""
    assert nodes.allocatable(node) == {"cpu": 4000, "memory": 8 << 30, "pods": 110}


def test_keys_and_owners() -> None:
    pod = make_pod("a", owner=owner_ref("ReplicaSet", "web", "u1"))
    assert meta.object_key(pod) == "default/a"
    assert meta.object_key(make_node("n")) == "n"
    assert meta.split_key("default/a") == ("default", "a")
    assert meta.split_key("n") == ("", "n")
    with pytest.raises(ValueError, match="unexpected key format"):
        meta.split_key("a/b/c")
    owner = meta.controller_of(pod.metadata)
    assert owner is not None
    assert owner.name == "web"
    assert meta.is_controlled_by(pod.metadata, "u1")
    assert not meta.is_controlled_by(make_pod().metadata, "u1")
    assert list(meta.owners(pod.metadata)) == ["u1"]
    reference = meta.new_controller_ref(pod, "v1", "Pod")
    assert (reference.name, reference.uid, reference.controller) == ("a", pod.metadata.uid, True)


def test_ends_and_finalizers() -> None:
    pod = make_pod(deleted=5.0, finalizers=["a", "b"])
    assert meta.remove_finalizer(pod.metadata, "a")
    assert not meta.remove_finalizer(pod.metadata, "a")
    assert list(pod.metadata.finalizers) == ["b"]


def test_every_field_that_a_kind_promises_can_be_selected() -> None:
    for kind in KINDS:
        names = fields.selectable_names(kind)
        assert set(kind.indexed_fields) <= set(names), kind.kind
        assert set(fields.selectable_fields(kind, kind.message())) == set(names)


def test_values_of_fields() -> None:
    pod = make_pod("a", node="n1", phase="Running")
    found = fields.selectable_fields(POD, pod)
    assert (found["metadata.name"], found["spec.nodeName"], found["status.phase"]) == ("a", "n1", "Running")
    assert found["spec.hostNetwork"] == "false"
    getter = fields.field_getter(POD, "spec.nodeName")
    assert getter is not None
    assert getter(pod) == "n1"
    assert fields.field_getter(POD, "spec.nothing") is None
    assert fields.field_getter(NODE, "metadata.namespace") is None
    assert fields.field_getter(CONFIG_MAP, "metadata.namespace") is not None
    event = event_pb2.Event(reporting_component="kubelet")
    assert fields.selectable_fields(EVENT, event)["source"] == "kubelet"


def test_metadata_of_any_kind() -> None:
    assert isinstance(meta.metadata(make_node()), meta_pb2.ObjectMeta)
    assert make_container("x").name == "x"
    assert timestamp(1.9).seconds == 1
