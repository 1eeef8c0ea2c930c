"""Many creates in one call: each has an answer of its own, the one that it would have had alone."""

from collections.abc import Callable
from typing import Any

import pytest

from apiserver.context import INTERNAL
from apiserver.fast_paths import FAST_PATHS
from apiserver.storage.interface import Stored
from apiserver.storage.keys import object_key
from tests.support import apiserver
from tests.support.apiserver import Harness
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.errors import AlreadyExists, ApiError, BadRequest, Forbidden, Invalid, NotFound
from vaina.kinds import EVENT
from vaina.testing.builders import make_container, make_pod


def _wrong() -> list[tuple[pod_pb2.Pod, type[ApiError]]]:
    gated = make_pod("classy")
    gated.spec.priority_class_name = "none"
    old = make_pod("old")
    old.metadata.resource_version = "7"
    nameless = make_pod("x")
    nameless.metadata.name = ""
    unreadable = make_pod("unreadable")
    unreadable.spec.containers[0].resources.requests["cpu"].string = "much"
    return [
        (make_pod("taken"), AlreadyExists),
        (make_pod("web", namespace="nowhere"), NotFound),
        (gated, Forbidden),
        (old, BadRequest),
        (nameless, Invalid),
        (unreadable, BadRequest),
        (make_pod("bad", containers=[make_container(image="")]), Invalid),
    ]


@pytest.mark.parametrize(("pod", "refusal"), _wrong(), ids=lambda value: getattr(value, "__name__", ""))
async def test_one_that_is_refused_does_not_hold_up_the_others(
    make_apiserver: Callable[..., Harness], pod: pod_pb2.Pod, refusal: type[ApiError]
) -> None:
    api = make_apiserver()
    await api.client.pods.create(make_pod("taken"))
    copy = pod_pb2.Pod()
    copy.CopyFrom(pod)
    with pytest.raises(refusal) as alone:
        await api.client.pods.create(copy)
    first, refused, last = await api.client.pods.create_batch([make_pod("a"), pod, make_pod("b")])
    assert [made.metadata.name for made in (first, last) if isinstance(made, pod_pb2.Pod)] == ["a", "b"]
    assert type(refused) is refusal
    assert str(refused) == str(alone.value)


async def test_the_second_of_one_name_finds_it_taken(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    first, second = await api.client.pods.create_batch([make_pod("a"), make_pod("a")])
    assert isinstance(first, pod_pb2.Pod)
    assert isinstance(second, AlreadyExists)


async def test_names_are_made_and_made_again_while_they_are_taken(
    make_apiserver: Callable[..., Harness],
) -> None:
    api = make_apiserver()
    pods = [make_pod("") for _ in range(70)]
    for pod in pods:
        pod.metadata.generate_name = "web-"
    made = await api.client.pods.create_batch(pods)
    names = {pod.metadata.name for pod in made if isinstance(pod, pod_pb2.Pod)}
    assert len(names) == 70
    assert all(name.startswith("web-") for name in names)


async def test_what_is_answered_is_what_is_stored(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    pods = [
        pod
        for pod in await api.client.pods.create_batch([make_pod("a"), make_pod("b")])
        if isinstance(pod, pod_pb2.Pod)
    ]
    assert [await api.client.pods.get(pod.metadata.name, "default") for pod in pods] == pods
    versions = [int(pod.metadata.resource_version) for pod in pods]
    assert versions[0] < versions[1]


def _said(number: int) -> event_pb2.Event:
    event = event_pb2.Event(
        type="Normal", reason="Scheduled", message=f"Successfully assigned default/pod-{number} to n"
    )
    event.metadata.name, event.metadata.namespace = f"pod-{number}.17f3c9cea0e54b6c", "default"
    about = event.involved_object
    about.name, about.namespace, about.uid, about.resource_version = (
        f"pod-{number}",
        "default",
        f"u{number}",
        f"{number}",
    )
    event.first_timestamp.seconds = 7
    return event


def _replica(number: int) -> pod_pb2.Pod:
    pod = make_pod(f"pod-{number}", created=None)
    pod.metadata.ClearField("uid")
    return pod


@pytest.mark.parametrize("make", [_said, _replica])
async def test_of_those_that_differ_in_their_texts_one_is_read_with_templates(
    make: Callable[[int], Any],
) -> None:
    api, read = apiserver.make_apiserver(fast_paths=FAST_PATHS), list[bytes]()
    first = make(1)
    store = api.app.stores[first.DESCRIPTOR.name]

    def parse(data: bytes) -> Any:
        read.append(data)
        return type(first).FromString(data)

    data = [make(number).SerializeToString() for number in (1, 2, 3)]
    assert all(
        isinstance(made, Stored) for made in await store.create_all([(INTERNAL, one) for one in data], parse)
    )
    assert read == data[:1]


async def test_what_lives_for_a_time_is_stored_with_it(make_apiserver: Callable[..., Harness]) -> None:
    api = make_apiserver()
    event = event_pb2.Event(type="Normal", reason="Seen")
    event.metadata.name, event.metadata.namespace = "seen", "default"
    event.involved_object.namespace = "default"
    (made,) = await api.client.events.create_batch([event])
    assert not isinstance(made, ApiError)
    stored = await api.storage.get(object_key(EVENT, "default", "seen"))  # type: ignore[arg-type]  # a Kind[Event] is a Kind
    assert stored is not None
    assert stored.ttl_seconds == 3600
