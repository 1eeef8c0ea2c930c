"""What comes back from etcd as it was sent need not be read; everything else must be."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from aetcd.rpc import kv_pb2, rpc_pb2
from google.protobuf.message import DecodeError

from apiserver.storage import codec
from apiserver.storage.etcd.answers import read_answer
from apiserver.storage.etcd.events import EventReader
from apiserver.storage.etcd.leases import lease_id
from apiserver.storage.etcd.own_writes import MAX_VALUE_BYTES, MAX_VALUES, OwnWrites, Sent
from apiserver.storage.interface import Alike, Key, Known, StorageEvent, Unreadable, Version

META = ("v1", "ConfigMap")
RAW = b"\x0a\x03\x0a\x01a"


def sent(name: str, data: bytes = RAW, position: int = 0) -> tuple[bytes, Sent]:
    # Of a kind that nobody knows: any bytes will do.
    key = f"/registry/things/{name}"
    return key.encode(), Sent(codec.encode_value(data, META, position), Key(key), data, META, position)


def event(key: bytes, value: bytes, lease: int = 0, created: int = 7, **more: Any) -> bytes:
    kv = kv_pb2.KeyValue(
        key=key, value=value, create_revision=created, mod_revision=7, version=8 - created, lease=lease
    )
    return kv_pb2.Event(type=kv_pb2.Event.PUT, kv=kv, **more).SerializeToString()


def read(own_writes: OwnWrites, *events: bytes) -> list[StorageEvent]:
    answer = read_answer(rpc_pb2.WatchResponse().SerializeToString())
    answer.events.extend(events)
    unreadable: list[Unreadable] = []
    found = EventReader(Version(0), Key("/registry/"), unreadable.append, own_writes).read(answer)
    return found if not unreadable else []


@pytest.mark.parametrize("ttl", [0, 60])
@pytest.mark.parametrize("created", [7, 5])
@pytest.mark.parametrize("positions", [(0, 5), (0, 0, 0), (9, 998)])
@pytest.mark.parametrize("size", [1, 90, 91, 8000])
def test_echoes_are_what_reading_them_gives(
    size: int, positions: tuple[int, ...], created: int, ttl: int
) -> None:
    own_writes, known = OwnWrites(), Known(("n",), Alike())
    lease = lease_id(ttl, Random(1)) if ttl else 0
    # The second and third are of a form that is known.
    sents = [sent(f"a{place}", bytes([65 + place]) * size, at) for place, at in enumerate(positions)]
    events = [event(key, value.value, lease, created) for key, value in sents]
    expected = read(own_writes, *events)
    assert [(item.version, item.object and item.object.ttl_seconds) for item in expected] == [
        (7 * 1000 + at, ttl) for at in positions
    ]
    for key, value in sents:
        own_writes.expect(key, value._replace(known=known))
    found = read(own_writes, *events)
    assert [item._replace(known=None) for item in found] == expected
    assert not len(own_writes)
    if size > 1:  # smaller ones are parsed
        assert [item.known for item in found] == [known] * len(found)
    # Once: whoever writes the same later says so again.
    assert read(own_writes, *events) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"BBBB", b"BBBC"),
        lambda data: data + b"\x1a\x02\x0a\x00",
        lambda data: data + data,
        lambda data: b"\x08\x00" + data,
        lambda data: data[:-4],
        lambda data: data + b"BBBB",
    ],
)
def test_what_is_not_written_just_so_is_parsed(change: Callable[[bytes], bytes]) -> None:
    own_writes = OwnWrites()
    first, second = sent("a", b"A" * 200), sent("b", b"B" * 200)
    own_writes.expect(*first)
    own_writes.expect(*second)
    assert len(read(own_writes, event(first[0], first[1].value))) == 1
    odd = change(event(second[0], second[1].value))
    try:
        expected: object = read(OwnWrites(), odd)
    except DecodeError as error:
        with pytest.raises(DecodeError, match=str(error)):
            read(own_writes, odd)
    else:
        assert read(own_writes, odd) == expected


def test_the_state_before_comes_along() -> None:
    own_writes = OwnWrites()
    key, value = sent("a", b"A" * 200)
    before = kv_pb2.KeyValue(key=key, value=value.value, create_revision=5, mod_revision=5)
    for _ in range(2):
        own_writes.expect(key, value)
        (found,) = read(own_writes, event(key, value.value, created=5, prev_kv=before))
        assert found.previous is not None
        assert found.previous.version == 5000


def test_what_never_comes_back_and_what_is_large_is_not_kept() -> None:
    own_writes = OwnWrites()
    for number in range(3 * MAX_VALUES):
        own_writes.expect(*sent(str(number), b"x" * 100))
    assert len(own_writes) == MAX_VALUES
    newest, value = sent(str(3 * MAX_VALUES - 1), b"x" * 100)
    assert len(read(own_writes, event(newest, value.value))) == 1
    assert len(own_writes) == MAX_VALUES - 1
    before = len(own_writes)
    own_writes.expect(*sent("large", b"x" * MAX_VALUE_BYTES))
    assert len(own_writes) == before
