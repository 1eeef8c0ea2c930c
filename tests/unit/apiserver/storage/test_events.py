"""From etcd's watch to storage's events: positions, fragments, what resuming leaves out."""

from random import Random

import pytest
from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage import codec
from apiserver.storage.etcd.events import EventReader
from apiserver.storage.etcd.leases import lease_id, ttl_of
from apiserver.storage.interface import EventType, Key, Unreadable, Version
from vaina.errors import Expired

PREFIX = Key("/registry/")
META = ("v1", "ConfigMap")


def put(name: str, revision: int, position: int = 0, created: int = 0) -> kv_pb2.Event:
    kv = kv_pb2.KeyValue(
        key=f"/registry/configmaps/{name}".encode(), mod_revision=revision, create_revision=created or revision,
        value=codec.encode_value(b"\x0a\x03\x0a\x01a", META, position),
    )  # fmt: skip
    return kv_pb2.Event(type=kv_pb2.Event.PUT, kv=kv)


def gone(name: str, revision: int, before: int = 0) -> kv_pb2.Event:
    kv = kv_pb2.KeyValue(key=f"/registry/configmaps/{name}".encode(), mod_revision=revision)
    event = kv_pb2.Event(type=kv_pb2.Event.DELETE, kv=kv)
    if before:
        event.prev_kv.CopyFrom(put(name, before).kv)
    return event


def answer(
    *events: kv_pb2.Event, revision: int = 0, fragment: bool = False, created: bool = False
) -> rpc_pb2.WatchResponse:
    response = rpc_pb2.WatchResponse(events=events, fragment=fragment, created=created)
    response.header.revision = revision or (events[-1].kv.mod_revision if events else 0)
    return response


def reader(after: int = 0, unreadable: list[Unreadable] | None = None) -> EventReader:
    return EventReader(Version(after), PREFIX, (unreadable if unreadable is not None else []).append)


def read(found: EventReader, *responses: rpc_pb2.WatchResponse) -> list[tuple[str, str, int]]:
    return [
        (event.type.value, event.key.rpartition("/")[2], event.version)
        for response in responses
        for event in found.read(response)
    ]


def test_writes_have_the_positions_that_are_stored_in_them() -> None:
    assert read(reader(), answer(put("a", 5, 0), put("b", 5, 2, created=3), put("c", 6))) == [
        ("ADDED", "a", 5000), ("MODIFIED", "b", 5002), ("ADDED", "c", 6000),
    ]  # fmt: skip


def test_deletions_have_positions_after_the_event_before_them() -> None:
    events = [gone("a", 5, 4), gone("b", 5), put("c", 6, 7), gone("d", 6), gone("e", 6), gone("f", 7)]
    assert read(reader(), answer(*events)) == [
        ("DELETED", "a", 5000), ("DELETED", "b", 5001), ("ADDED", "c", 6007), ("DELETED", "d", 6008),
        ("DELETED", "e", 6009), ("DELETED", "f", 7000),
    ]  # fmt: skip


def test_a_deletion_carries_the_last_state_at_its_own_version() -> None:
    (event,) = reader().read(answer(gone("a", 5, 4)))
    assert event.object is not None
    assert event.previous is not None
    assert (event.object.version, event.previous.version) == (5000, 4000)
    assert event.object.data == event.previous.data


def test_resuming_within_a_revision_counts_the_events_that_it_leaves_out() -> None:
    events = [gone("a", 5), gone("b", 5), gone("c", 5)]
    assert read(reader(after=5000), answer(*events)) == [("DELETED", "b", 5001), ("DELETED", "c", 5002)]
    assert read(reader(after=5002), answer(*events)) == []


def test_a_version_that_several_events_share_cannot_be_gone_on_after() -> None:
    events = [gone(f"{number}", 5) for number in range(1001)]
    assert [version for *_, version in read(reader(), answer(*events))][-3:] == [5998, 5998, 5998]
    assert [name for _, name, _ in read(reader(after=5997), answer(*events))] == ["998", "999", "1000"]
    for shared, of in ((5998, events), (6000, [put("a", 6), put("b", 6)])):
        with pytest.raises(Expired):
            reader(after=shared).read(answer(*of))


def test_positions_never_go_back_within_a_revision() -> None:
    events = [gone("a", 5), gone("b", 5), put("c", 5), gone("d", 5)]
    assert read(reader(), answer(*events)) == [
        ("DELETED", "a", 5000), ("DELETED", "b", 5001), ("ADDED", "c", 5001), ("DELETED", "d", 5002),
    ]  # fmt: skip
    # The object of c has the version that is stored in it, which a has as well.
    for shared in (5000, 5001):
        with pytest.raises(Expired):
            reader(after=shared).read(answer(*events))
    assert read(reader(after=5002), answer(*events)) == []


def test_fragments_are_gathered_until_they_are_whole() -> None:
    found = reader()
    assert found.read(answer(gone("a", 5), fragment=True)) == []
    assert found.read(answer(gone("b", 5), fragment=True)) == []
    assert read(found, answer(gone("c", 5))) == [
        ("DELETED", "a", 5000), ("DELETED", "b", 5001), ("DELETED", "c", 5002),
    ]  # fmt: skip


def test_progress_is_a_bookmark_of_a_whole_revision() -> None:
    found = reader(after=5000)
    assert read(found, answer(revision=9)) == [("BOOKMARK", "", 9 * 1000 + 999)]
    created = answer(revision=9, created=True)
    assert found.read(created) == []


@pytest.mark.parametrize("value", [b"{}", codec.encode_value(b"\x0a\x05a", META, 0)])
def test_what_is_no_object_is_an_event_without_one_and_named(value: bytes) -> None:
    bad, named = put("b", 5), list[Unreadable]()
    bad.kv.value = value
    events = reader(unreadable=named).read(answer(put("a", 5), bad, put("c", 5, 2)))
    assert [(event.type, event.version, event.object is None) for event in events] == [
        ("ADDED", 5000, False), ("ADDED", 5001, True), ("ADDED", 5002, False),
    ]  # fmt: skip
    assert [error.key for error in named] == ["/registry/configmaps/b"]


def test_a_lease_of_ours_tells_its_time_to_live() -> None:
    assert ttl_of(lease_id(3600, Random(1))) == 3600
    assert ttl_of(lease_id(10**9, Random(1))) == (1 << 24) - 1
    assert ttl_of(0) == 0
    assert ttl_of(7587862094689712129) == 0
    assert lease_id(1, Random(1)).bit_length() <= 63


def test_bookmarks_have_no_object() -> None:
    (event,) = reader().read(answer(revision=9))
    assert (event.type, event.object, event.previous) == (EventType.BOOKMARK, None, None)
