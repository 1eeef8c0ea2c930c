"""A few fields of a message are read as the whole message would read them."""

import pytest

from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.objects.excerpt import excerpt
from vaina.testing.builders import make_pod


def test_fields_are_read_and_all_else_is_skipped() -> None:
    pod = make_pod("web", node="node-1")
    pod.status.phase = "Running"
    read = excerpt(pod_pb2.Pod, ("spec.nodeName", "spec.schedulerName", "status.phase")).FromString
    for data in (pod.SerializeToString(), b""):
        whole, part = pod_pb2.Pod.FromString(data), read(data)
        for name in ("node_name", "scheduler_name"):
            assert getattr(part.spec, name) == getattr(whole.spec, name)  # type: ignore[attr-defined]  # made at run time
        assert part.status.phase == whole.status.phase  # type: ignore[attr-defined]  # as above


def test_parts_of_a_message_are_merged_as_ever() -> None:
    first, second = pod_pb2.Pod(), pod_pb2.Pod()
    first.spec.node_name, second.spec.node_name = "a", "b"
    second.spec.restart_policy = "Never"
    read = excerpt(pod_pb2.Pod, ("spec.nodeName",)).FromString
    data = second.SerializeToString() + first.SerializeToString()
    assert read(data).spec.node_name == pod_pb2.Pod.FromString(data).spec.node_name == "a"  # type: ignore[attr-defined]  # as above


def test_maps_of_texts_are_read_and_merged() -> None:
    first, second = make_pod("web", labels={"app": "web", "tier": "a"}), make_pod("web", labels={"tier": "b"})
    read = excerpt(pod_pb2.Pod, ("metadata.labels",)).FromString
    for data in (first.SerializeToString() + second.SerializeToString(), first.SerializeToString(), b""):
        whole = pod_pb2.Pod.FromString(data)
        assert dict(read(data).metadata.labels) == dict(whole.metadata.labels)  # type: ignore[attr-defined]  # as above


def test_only_texts_that_there_are_can_be_read() -> None:
    with pytest.raises(KeyError, match="nodename"):
        excerpt(pod_pb2.Pod, ("spec.nodename",))
    for path in ("count", "metadata.ownerReferences", "metadata.generation"):
        with pytest.raises(ValueError, match="no text"):
            excerpt(event_pb2.Event, (path,))
