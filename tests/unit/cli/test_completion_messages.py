"""The few fields that a Tab reads and writes are those of the messages, and what is no message is no crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.completion.messages import containers_of, get_request, list_request, names_of, unwrapped
from vaina.api.core.v1 import pod_pb2
from vaina.api.meta.v1 import meta_pb2, request_pb2
from vaina.client.rest.envelope import wrap
from vaina.testing.builders import make_pod


@pytest.mark.parametrize(
    ("namespace", "limit", "more"), [("", 500, ""), ("other", 1, "a" * 300), ("ñ", 0, "x")]
)
def test_requests_are_those_of_the_api(namespace: str, limit: int, more: str) -> None:
    want = request_pb2.ListRequest(
        namespace=namespace, limit=limit, continue_token=more, resource_version="" if more else "0"
    )
    assert request_pb2.ListRequest.FromString(list_request(namespace, limit, more)) == want
    want_get = request_pb2.GetRequest(namespace=namespace, name="web-0")
    assert request_pb2.GetRequest.FromString(get_request(namespace, "web-0")) == want_get


def test_names_of_a_list_are_read_and_where_it_goes_on() -> None:
    pods = pod_pb2.PodList(items=[make_pod("web-0", labels={"app": "web"}), make_pod("ñandú"), make_pod("")])
    pods.metadata.continue_token, pods.metadata.remaining_item_count = "next", 2**40
    pods.items[0].metadata.creation_timestamp.seconds = 2**33
    assert names_of(pods.SerializeToString()) == (["web-0", "ñandú"], "next")
    assert names_of(meta_pb2.PartialObjectMetadataList().SerializeToString()) == ([], "")


def test_a_pods_containers_are_read_the_usual_ones_first() -> None:
    pod = make_pod("web")
    del pod.spec.containers[:]
    pod.spec.init_containers.add(name="before", image="a")
    pod.spec.containers.add(name="app", image="b")
    pod.spec.ephemeral_containers.add().ephemeral_container_common.name = "tools"
    pod.status.phase = "Running"
    assert containers_of(pod.SerializeToString()) == ["app", "before", "tools"]
    assert containers_of(unwrapped(wrap("v1", "Pod", pod.SerializeToString()))) == ["app", "before", "tools"]


@given(st.binary(max_size=60))
def test_what_is_no_message_is_refused_or_has_no_names(data: bytes) -> None:
    for read in (names_of, containers_of, unwrapped):
        try:
            read(data)
        except ValueError:
            continue
