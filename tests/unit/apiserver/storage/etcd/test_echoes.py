"""What comes back from etcd as it was sent need not be read; everything else must be."""

from random import Random

import pytest
from aetcd.rpc import kv_pb2

from apiserver.storage import codec
from apiserver.storage.etcd.echoes import MAX_VALUE_BYTES, MAX_VALUES, Echoes, Sent
from apiserver.storage.etcd.leases import lease_id
from apiserver.storage.interface import Key, Stored, Version

META = ("v1", "ConfigMap")
RAW = b"\x0a\x03\x0a\x01a"
#: the version at position 0 of revision 7
FIRST = Version(7 * 128)


def sent(name: str, data: bytes = RAW, position: int = 0) -> tuple[bytes, Sent]:
    key = f"/registry/configmaps/{name}"
    return key.encode(), Sent(codec.encode_value(data, META, position), Key(key), data, META, position)


@pytest.mark.parametrize("ttl", [0, 60])
@pytest.mark.parametrize("position", [0, 5])
def test_an_echo_is_what_reading_it_gives(position: int, ttl: int) -> None:
    echoes = Echoes()
    key, value = sent("a", position=position)
    lease = lease_id(ttl, Random(1)) if ttl else 0
    kv = kv_pb2.KeyValue(key=key, value=value.value, mod_revision=7, lease=lease)
    assert echoes.read(kv, FIRST) is None
    echoes.expect(key, value)
    assert (
        echoes.read(kv, FIRST)
        == codec.decode_value(value.key, value.value, 7, ttl)
        == Stored(value.key, RAW, Version(7 * 128 + position), META, ttl)
    )
    assert not len(echoes)


def test_what_somebody_else_put_at_the_key_is_read() -> None:
    echoes = Echoes()
    key, value = sent("a")
    _, other = sent("a", RAW + RAW)
    echoes.expect(key, value)
    assert echoes.read(kv_pb2.KeyValue(key=key, value=other.value), FIRST) is None


def test_what_never_comes_back_and_what_is_large_is_not_kept() -> None:
    echoes = Echoes()
    for number in range(3 * MAX_VALUES):
        echoes.expect(*sent(str(number)))
    assert len(echoes) == MAX_VALUES
    newest, value = sent(str(3 * MAX_VALUES - 1))
    assert echoes.read(kv_pb2.KeyValue(key=newest, value=value.value), FIRST) is not None
    before = len(echoes)
    echoes.expect(*sent("large", b"x" * MAX_VALUE_BYTES))
    assert len(echoes) == before
