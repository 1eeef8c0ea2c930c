"""Encrypted values: upstream's format, every key reads, the first writes, and nothing is read at another key."""

import base64
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from apiserver.storage import codec
from apiserver.storage.encryption.transform import IDENTITY, Transformer, Way, aesgcm
from apiserver.storage.interface import Key, Stale, Stored, Unreadable
from apiserver.storage.keys import kind_prefix
from apiserver.storage.values import Values
from vaina.kinds import SECRET
from vaina.testing.builders import make_config_map

KEY = Key("/registry/secrets/default/a")
OLD, NEW = aesgcm("key1", bytes(range(32))), aesgcm("key2", bytes(range(1, 33)))
META = ("v1", "Secret")
DATA = make_config_map("a").SerializeToString(deterministic=True)


def test_a_value_names_its_provider_and_key_and_holds_a_nonce_and_what_is_sealed() -> None:
    stored = Transformer([OLD]).write(KEY, b"secret")
    assert stored.startswith(b"k8s:enc:aesgcm:v1:key1:")
    assert len(stored) == len(b"k8s:enc:aesgcm:v1:key1:") + 12 + 16 + len(b"secret")
    assert b"secret" not in stored
    assert stored != Transformer([OLD]).write(KEY, b"secret")


def test_what_upstreams_transformer_wrote_is_read() -> None:
    # By k8s.io/apiserver v0.37.2, NewGCMTransformer with the key of OLD.
    stored = b"k8s:enc:aesgcm:v1:key1:" + base64.b64decode(
        "Io8iwxvqMnomtIitV35cOfOqSuusHhX24Ja2E6aqCNajrhilhNORuvKTEJpR"
    )
    assert Transformer([OLD]).read(KEY, stored) == (b"k8s\x00from upstream", False)


@pytest.mark.parametrize(
    ("writes", "reads", "is_stale"),
    [
        ([OLD], [OLD], False),
        ([OLD], [NEW, OLD], True),
        ([NEW], [NEW, OLD], False),
        ([IDENTITY], [OLD, IDENTITY], True),
        ([OLD], [IDENTITY, OLD], True),
        ([IDENTITY], [IDENTITY, OLD], False),
        # Two keys of one name.
        ([aesgcm("key1", bytes(16))], [OLD, aesgcm("key1", bytes(16))], True),
    ],
)
def test_all_ways_read_and_what_the_first_did_not_write_is_stale(
    writes: list[Way], reads: list[Way], is_stale: bool
) -> None:
    stored = Transformer(writes).write(KEY, b"k8s\x00x")
    assert Transformer(reads).read(KEY, stored) == (b"k8s\x00x", is_stale)


@pytest.mark.parametrize(
    ("stored", "ways", "why"),
    [
        (b"k8s\x00x", [OLD], "no matching prefix found"),
        (b"k8s:enc:aesgcm:v1:key9:" + bytes(40), [OLD], "no matching key was found for the provided AES transformer"),
        (b"k8s:enc:aescbc:v1:key1:" + bytes(40), [OLD, IDENTITY], "no matching prefix found"),
        (b"k8s:enc:aesgcm:v1:key1:" + bytes(40), [IDENTITY], "no matching prefix found"),
        (b"k8s:enc:aesgcm:v1:key1:" + bytes(11), [OLD], "the stored data was shorter than the required size"),
        (b"k8s:enc:aesgcm:v1:key1:" + bytes(40), [OLD], "cipher: message authentication failed"),
    ],
)  # fmt: skip
def test_what_no_key_reads_is_unreadable_in_upstreams_words(stored: bytes, ways: list[Way], why: str) -> None:
    with pytest.raises(Unreadable) as caught:
        Transformer(ways).read(KEY, stored)
    assert caught.value.message.endswith(f"data from the storage is not transformable revision=0: {why}")


def test_a_value_that_was_copied_to_another_key_is_not_read() -> None:
    stored = Transformer([OLD]).write(KEY, b"k8s\x00x")
    with pytest.raises(Unreadable, match="message authentication failed"):
        Transformer([OLD]).read(Key("/registry/secrets/tenant/a"), stored)


@given(st.binary(max_size=300), st.integers(0, 2**32))
def test_no_changed_byte_goes_unnoticed(value: bytes, seed: int) -> None:
    transformer, rng = Transformer([OLD]), Random(seed)
    stored = bytearray(transformer.write(KEY, value))
    assert transformer.read(KEY, bytes(stored)) == (value, False)
    stored[rng.randrange(len(stored))] ^= 1 << rng.randrange(8)
    with pytest.raises(Unreadable):
        transformer.read(KEY, bytes(stored))


def test_only_kinds_that_are_named_are_encrypted() -> None:
    values = Values({kind_prefix(SECRET): Transformer([OLD])})
    assert values.encode(KEY, DATA, META, 0).startswith(b"k8s:enc:")
    other = Key("/registry/configmaps/default/a")
    assert values.encode(other, DATA, ("v1", "ConfigMap"), 0).startswith(b"k8s\x00")
    with pytest.raises(Unreadable, match="identity transformer tried to read encrypted data"):
        values.decode(other, Transformer([OLD]).write(other, b"x"), 5)


def test_what_another_key_wrote_is_read_and_is_stale_until_it_is_written_again() -> None:
    values = Values({kind_prefix(SECRET): Transformer([OLD])})
    written = values.encode(KEY, DATA, META, 3)
    fresh = values.decode(KEY, written, 7)
    assert (type(fresh), fresh) == (Stored, Stored(KEY, DATA, fresh.version, META))
    values.use({kind_prefix(SECRET): Transformer([NEW, OLD])})
    assert values.decode(KEY, written, 7) == Stale(KEY, DATA, fresh.version, META)
    assert type(values.decode(KEY, values.encode(KEY, DATA, META, 0), 8)) is Stored
    values.use({})
    with pytest.raises(Unreadable):
        values.decode(KEY, written, 7)


def test_transformations_are_counted_under_upstreams_name() -> None:
    registry = CollectorRegistry()
    values = Values({kind_prefix(SECRET): Transformer([OLD, IDENTITY])}, registry)
    values.decode(KEY, values.encode(KEY, DATA, META, 0), 1)
    values.decode(KEY, codec.encode_value(DATA, META, 0), 1)
    with pytest.raises(Unreadable):
        values.decode(KEY, b"k8s:enc:nothing", 1)

    def count(what: str, prefix: str, status: str) -> float | None:
        labels = {
            "resource": "secrets",
            "transformation_type": what,
            "transformer_prefix": prefix,
            "status": status,
        }
        return registry.get_sample_value("apiserver_storage_transformation_operations_total", labels)

    assert count("to_storage", "k8s:enc:aesgcm:v1:", "OK") == 1
    assert count("from_storage", "k8s:enc:aesgcm:v1:", "OK") == 1
    assert count("from_storage", "identity", "OK") == 1
    assert count("from_storage", "unknown", "unknown-non-grpc") == 1
