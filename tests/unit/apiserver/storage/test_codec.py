"""The stored form: Kubernetes' envelope, the position inside, the version on the way out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apiserver.storage import codec, versions
from apiserver.storage.interface import Key, Stored, Version
from vaina.api.core.v1 import config_pb2, pod_pb2
from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.errors import InternalError
from vaina.kinds import KINDS, Kind

KEY = Key("/registry/pods/default/a")
META = ("v1", "Pod")


def pod(**metadata: Any) -> pod_pb2.Pod:
    message = pod_pb2.Pod()
    message.metadata.name = "a"
    message.metadata.labels["app"] = "web"
    for name, value in metadata.items():
        setattr(message.metadata, name, value)
    message.spec.containers.add(name="main", image="busybox")
    return message


def raw_of(value: bytes) -> bytes:
    return runtime_pb2.Unknown.FromString(value[4:]).raw


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_has_its_metadata_where_the_codec_writes_versions(kind: Kind[Any]) -> None:
    field = kind.message.DESCRIPTOR.fields_by_name["metadata"]
    assert (field.number, field.message_type) == (1, meta_pb2.ObjectMeta.DESCRIPTOR)
    assert meta_pb2.ObjectMeta.DESCRIPTOR.fields_by_name["resource_version"].number == 6


def test_stored_is_the_envelope_of_kubernetes() -> None:
    data = pod().SerializeToString()
    value = codec.encode_value(data, META, 0)
    assert value.startswith(b"k8s\x00")
    assert runtime_pb2.Unknown.FromString(value[4:]) == runtime_pb2.Unknown(
        type_meta=runtime_pb2.TypeMeta(api_version="v1", kind="Pod"), raw=data
    )


@pytest.mark.parametrize("position", [0, 1, 9, 10, 99, 100, 998])
def test_the_position_is_in_the_resource_version_of_what_is_stored(position: int) -> None:
    message = pod()
    value = codec.encode_value(message.SerializeToString(deterministic=True), META, position)
    stored = pod_pb2.Pod.FromString(raw_of(value))
    assert stored.metadata.resource_version == (str(position) if position else "")
    message.metadata.resource_version = stored.metadata.resource_version
    assert stored == message


@given(position=st.integers(0, 998), revision=st.integers(1, 2**40), data=st.binary(max_size=50))
def test_what_is_stored_comes_back(position: int, revision: int, data: bytes) -> None:
    # Objects begin with their metadata, which has a name; field 999 nobody knows.
    data = pod().SerializeToString() + b"\xba\x3e" + bytes((len(data),)) + data
    value = codec.encode_value(data, META, position)
    version = versions.version_of(revision, position)
    assert codec.decode_value(KEY, value, revision, 7) == Stored(KEY, data, version, META, 7)


@given(value=st.text(max_size=20))
def test_nothing_that_users_write_is_taken_for_a_position(value: str) -> None:
    message = config_pb2.ConfigMap(data={"k": value + "\n\x032\x015"})
    message.metadata.name = "\x03"
    data = message.SerializeToString()
    assert codec.split_position(data) == (data, 0)


def test_a_resource_version_that_somebody_else_stored_is_no_position() -> None:
    data = pod(resource_version="12").SerializeToString()
    assert codec.split_position(data) == (data, 0)


@given(version=st.integers(0, 2**63 - 1))
def test_a_stamp_sets_the_version_and_nothing_else(version: int) -> None:
    message = pod(resource_version="17")
    stamped = pod_pb2.Pod.FromString(codec.stamp(message.SerializeToString(), Version(version)))
    message.metadata.resource_version = str(version)
    assert stamped == message


@pytest.mark.parametrize(
    "value", [b"", b'{"kind": "Pod"}', b"k8s\x00\xff\xff\xff", b"k8s\x00\x0a\x03\x0a\x01\xff"]
)
def test_what_is_no_envelope_is_named_by_its_key_and_nothing_else(value: bytes) -> None:
    with pytest.raises(InternalError) as caught:
        codec.decode_value(KEY, value, 5)
    assert KEY in caught.value.message


def test_an_event_is_encoded_as_a_part_of_a_response() -> None:
    parts = [
        codec.event_frame("ADDED", b"x"),
        codec.event_frame("DELETED", b""),
        codec.version_frame(Version(9)),
    ]
    assert raw_pb2.RawWatchResponse.FromString(b"".join(parts)) == raw_pb2.RawWatchResponse(
        events=[raw_pb2.RawWatchEvent(type="ADDED", object=b"x"), raw_pb2.RawWatchEvent(type="DELETED")],
        resource_version="9",
    )


@pytest.mark.parametrize("size", [0, 1, 100, 110, 127, 128, 16_300, 16_384, 3_000_000])
def test_an_event_is_framed_as_protobuf_writes_it(size: int) -> None:
    data = b"x" * size
    event = raw_pb2.RawWatchEvent(type="MODIFIED", object=codec.stamp(data, Version(1234)))
    assert (
        codec.stamped_event_frame("MODIFIED", data, Version(1234))
        == codec.event_frame("MODIFIED", event.object)
        == raw_pb2.RawWatchResponse(events=[event]).SerializeToString()
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_bookmark_is_an_object_of_any_kind_with_a_version_alone(kind: Kind[Any]) -> None:
    plain = kind.message.FromString(codec.bookmark(Version(9)))
    end = kind.message.FromString(codec.bookmark(Version(9), initial_events_end=True))
    assert plain == kind.message(metadata={"resource_version": "9"})
    assert end == kind.message(
        metadata={"resource_version": "9", "annotations": {"k8s.io/initial-events-end": "true"}}
    )


def test_what_kubernetes_stored_comes_in_our_normal_form() -> None:
    """Its bytes have every empty message written out, and its envelope ends with two empty strings."""
    theirs = b"\n\x04\n\x02ab\x12\n\x12\x08\n\x01c\x12\x01i\x42\x00\x1a\x00"
    envelope = (
        b"k8s\0" + b"\n\t\n\x02v1\x12\x03Pod" + b"\x12" + bytes([len(theirs)]) + theirs + b'\x1a\x00"\x00'
    )
    stored = codec.decode_value(Key("/registry/pods/default/ab"), envelope, 5)
    assert stored.data == b"\n\x04\n\x02ab\x12\x08\x12\x06\n\x01c\x12\x01i"
