"""What comes back from etcd as it was sent need not be read; everything else must be."""

from random import Random

import pytest
from aetcd.rpc import kv_pb2, rpc_pb2

from apiserver.storage import codec
from apiserver.storage.etcd.echoes import MAX_VALUE_BYTES, MAX_VALUES, Echoes, Sent
from apiserver.storage.etcd.events import EventReader
from apiserver.storage.etcd.leases import lease_id
from apiserver.storage.interface import Alike, EventType, Key, Known, StorageEvent, Stored, Version

META = ("v1", "ConfigMap")
RAW = b"\x0a\x03\x0a\x01a"


def sent(name: str, data: bytes = RAW, position: int = 0) -> tuple[bytes, Sent]:
    key = f"/registry/configmaps/{name}"
    return key.encode(), Sent(codec.encode_value(data, META, position), Key(key), data, META, position)


@pytest.mark.parametrize("ttl", [0, 60])
@pytest.mark.parametrize("position", [0, 5])
def test_an_echo_is_what_reading_it_gives(position: int, ttl: int) -> None:
    echoes, known = Echoes(), Known(("n",), Alike())
    key, value = sent("a", position=position)
    lease = lease_id(ttl, Random(1)) if ttl else 0
    kv = kv_pb2.KeyValue(key=key, value=value.value, create_revision=7, mod_revision=7, lease=lease)
    answer = rpc_pb2.WatchResponse(events=[kv_pb2.Event(type=kv_pb2.Event.PUT, kv=kv)])

    def read() -> StorageEvent:
        (event,) = EventReader(Version(0), Key("/registry/"), lambda _: None, echoes).read(answer)
        return event

    stored = Stored(value.key, RAW, Version(7 * 1000 + position), META, ttl)
    expected = StorageEvent(EventType.ADDED, value.key, stored.version, stored)
    assert read() == expected
    echoes.expect(key, value._replace(known=known))
    # Once: whoever writes the same later says so again.
    assert [read() for _ in range(2)] == [expected._replace(known=known), expected]
    assert not len(echoes)


def test_what_somebody_else_put_at_the_key_is_read() -> None:
    echoes = Echoes()
    key, value = sent("a")
    _, other = sent("a", RAW + RAW)
    echoes.expect(key, value)
    assert echoes.take(kv_pb2.KeyValue(key=key, value=other.value)) is None


def test_what_never_comes_back_and_what_is_large_is_not_kept() -> None:
    echoes = Echoes()
    for number in range(3 * MAX_VALUES):
        echoes.expect(*sent(str(number)))
    assert len(echoes) == MAX_VALUES
    newest, value = sent(str(3 * MAX_VALUES - 1))
    assert echoes.take(kv_pb2.KeyValue(key=newest, value=value.value)) == value
    before = len(echoes)
    echoes.expect(*sent("large", b"x" * MAX_VALUE_BYTES))
    assert len(echoes) == before
