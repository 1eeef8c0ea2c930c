"""One normal form, whichever way an object comes."""

from typing import Any

import pytest

from vaina.api.apps.v1 import controller_revision_pb2
from vaina.api.core.v1 import event_pb2, node_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2
from vaina.api.policy.v1 import pod_disruption_budget_pb2
from vaina.errors import BadRequest
from vaina.objects.normalise import normalise


def test_structs_that_are_empty_are_cleared() -> None:
    pod = pod_pb2.Pod(spec={"containers": [{"name": "a", "liveness_probe": {}}], "volumes": [{"name": "v"}]})
    pod.metadata.SetInParent()
    pod.status.SetInParent()
    pod.spec.containers[0].resources.SetInParent()
    pod.spec.containers[0].liveness_probe.handler.SetInParent()
    pod.spec.volumes[0].volume_source.SetInParent()
    normalise(pod)
    assert not pod.HasField("metadata")
    assert not pod.HasField("status")
    assert not pod.spec.containers[0].HasField("resources")
    assert not pod.spec.volumes[0].HasField("volume_source")
    assert pod.spec.containers[0].HasField("liveness_probe")
    assert not pod.spec.containers[0].liveness_probe.HasField("handler")


def test_pointers_that_are_empty_stay() -> None:
    pod = pod_pb2.Pod(
        spec={"volumes": [{"name": "v", "volume_source": {"empty_dir": {}}}], "security_context": {}}
    )
    normalise(pod)
    assert pod.spec.volumes[0].volume_source.HasField("empty_dir")
    assert pod.spec.HasField("security_context")


def test_times_are_cut() -> None:
    event = event_pb2.Event()
    event.first_timestamp.seconds, event.first_timestamp.nanos = 5, 7
    event.event_time.seconds, event.event_time.nanos = 5, 1_234_567
    event.last_timestamp.SetInParent()
    event.metadata.deletion_timestamp.SetInParent()
    normalise(event)
    assert event.first_timestamp.nanos == 0
    assert event.event_time.nanos == 1_234_000
    assert not event.HasField("last_timestamp")
    assert not event.HasField("metadata")


@pytest.mark.parametrize(
    ("seconds", "nanos", "time", "micro"),
    [
        (5, -1, (5, 0), (5, 0)),
        (5, -1_500, (5, 0), (4, 999_999_000)),
        (5, 2_000_000_001, (5, 0), (7, 0)),
        (5, -(2**31), (5, 0), (2, 852_517_000)),
        (0, -(2**31), None, (-3, 852_517_000)),
    ],
)
def test_a_time_with_fractions_that_are_none_is_read_as_go_reads_it(
    seconds: int, nanos: int, time: tuple[int, int] | None, micro: tuple[int, int]
) -> None:
    event = event_pb2.Event()
    for stamp in (event.first_timestamp, event.event_time):
        stamp.seconds, stamp.nanos = seconds, nanos
    normalise(event)
    assert event.HasField("first_timestamp") is (time is not None)
    assert (event.first_timestamp.seconds, event.first_timestamp.nanos) == (time or (0, 0))
    assert (event.event_time.seconds, event.event_time.nanos) == micro


def test_a_time_that_no_number_holds_is_refused() -> None:
    event = event_pb2.Event()
    event.event_time.seconds, event.event_time.nanos = 2**63 - 1, 2**31 - 1
    with pytest.raises(BadRequest, match=r"^eventTime: time is out of range$"):
        normalise(event)


def test_quantities_become_canonical() -> None:
    node = node_pb2.Node()
    node.status.capacity["memory"].string = "1024Mi"
    node.status.capacity["cpu"].string = "0.5"
    node.status.capacity["none"].SetInParent()
    normalise(node)
    assert {key: node.status.capacity[key].string for key in node.status.capacity} == {
        "memory": "1Gi",
        "cpu": "500m",
        "none": "0",
    }


def test_none_at_all_is_something_else_than_nothing_said() -> None:
    budget = pod_disruption_budget_pb2.PodDisruptionBudget()
    budget.spec.max_unavailable.int_val = 0
    budget.spec.max_unavailable.SetInParent()
    normalise(budget)
    assert budget.spec.HasField("max_unavailable")
    assert not budget.spec.HasField("min_available")


def test_a_revision_that_keeps_nothing_has_no_data() -> None:
    revision = controller_revision_pb2.ControllerRevision()
    revision.data.SetInParent()
    normalise(revision)
    assert not revision.HasField("data")


def test_a_port_keeps_the_arm_that_counts() -> None:
    pod = pod_pb2.Pod(spec={"containers": [{"name": "a", "liveness_probe": {"handler": {"tcp_socket": {}}}}]})
    port = pod.spec.containers[0].liveness_probe.handler.tcp_socket.port
    port.int_val, port.str_val = 80, "left over"
    normalise(pod)
    assert port == meta_pb2.IntOrString(int_val=80)
    port.type, port.str_val = 1, "http"
    normalise(pod)
    assert port == meta_pb2.IntOrString(type=1, str_val="http")


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (
            {"containers": [{}, {"resources": {"requests": {"cpu": {"string": "x"}}}}]},
            "spec.containers[1].resources.requests[cpu]: quantities must match",
        ),
        ({"overhead": {"cpu": {"string": "1Kii"}}}, "spec.overhead[cpu]: unable to parse quantity's suffix"),
        (
            {"containers": [{"readiness_probe": {"handler": {"tcp_socket": {"port": {"type": 7}}}}}]},
            "spec.containers[0].readinessProbe.tcpSocket.port: impossible IntOrString.Type",
        ),
    ],
)
def test_what_has_no_normal_form_is_refused_with_its_path(spec: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        normalise(pod_pb2.Pod(spec=spec))
    assert caught.value.message.startswith(why)


@pytest.mark.parametrize("raw", [b"{", b"[" * 100_000, b"\xff", b"{}{}", b" "])
def test_raw_json_must_be_json(raw: bytes) -> None:
    pod = pod_pb2.Pod(metadata={"managed_fields": [{"fields_v1": {"raw": raw}}]})
    with pytest.raises(BadRequest, match=r"^metadata.managedFields\[0\].fieldsV1: invalid JSON"):
        normalise(pod)


def test_normalising_twice_changes_nothing() -> None:
    pod = pod_pb2.Pod(
        spec={"containers": [{"name": "a", "resources": {"requests": {"cpu": {"string": "0.1"}}}}]}
    )
    normalise(pod)
    once = pod.SerializeToString(deterministic=True)
    normalise(pod)
    assert pod.SerializeToString(deterministic=True) == once
