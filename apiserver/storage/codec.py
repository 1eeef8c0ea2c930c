r"""Stored bytes: the envelope, the position of a write, and the version on the way out. Pure.

Stored is `k8s\0` followed by `Unknown{typeMeta, raw}`, as Kubernetes stores protobuf. `raw` is the encoded
object, whose `metadata.resourceVersion` is empty. Writes at a position other than 0 of their batch begin with
a metadata record that holds the position and nothing else; protobuf merges the two records when it parses. No
object can be mistaken for it: metadata without a name is never stored.

`metadata` is field 1 of every kind and `resourceVersion` field 6 of metadata: a test checks that.
"""

from functools import lru_cache
from typing import Any

from google.protobuf.message import Message

from apiserver.storage import versions
from apiserver.storage.interface import Key, Stored, Unreadable, Version
from apiserver.storage.keys import kind_of
from vaina.api.meta.v1 import meta_pb2, raw_pb2
from vaina.api.runtime.v1 import runtime_pb2
from vaina.kinds import Kind
from vaina.objects.envelope import MAGIC, envelope_head
from vaina.objects.normalise import normalise
from vaina.objects.watch import INITIAL_EVENTS_END

#: what every encrypted value starts with, whatever encrypted it (apiserver `storage/value/encrypt/identity`)
ENCRYPTED = b"k8s:enc:"

#: how Kubernetes ends its envelopes: contentEncoding and contentType, both empty; ours leave them out
_FOREIGN_TAIL = b'\x1a\x00"\x00'
_METADATA = 0x0A
_RESOURCE_VERSION = 0x32
#: `object`, the last field of a RawWatchEvent
_OBJECT = 0x12
#: `resource_version` of a RawWatchResponse
_RESUME_AFTER = 0x12
#: digits of the largest position
_POSITION_DIGITS = 3
#: by its number of digits, what stands before a number in a metadata record that holds nothing but a version
_VERSION_TAGS = tuple(bytes((_METADATA, length + 2, _RESOURCE_VERSION, length)) for length in range(21))


def stamp(data: bytes, version: Version) -> bytes:
    """Return an encoded object with `metadata.resourceVersion` set, by appending (0.4 µs; parse and encode: 5
    µs).

    Whatever the object had there is overridden: the last of a scalar's values wins.
    """
    return data + version_record(version)


def encode_value(data: bytes, type_meta: tuple[str, str], position: int) -> bytes:
    """Return the bytes to store of an object without a version, at a position of its batch (0 to 998)."""
    record = version_record(position) if position else b""
    return b"".join((envelope_head(*type_meta), varint(len(record) + len(data)), record, data))


@lru_cache(maxsize=4096)
def varint(size: int) -> bytes:
    """Return a length below 2^28 as protobuf writes it, by hand: mostly a fifth of the price of a message."""
    if size < 1 << 7:
        return bytes((size,))
    if size < 1 << 14:
        return bytes((size & 0x7F | 0x80, size >> 7))
    if size < 1 << 21:
        return bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14))
    return bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14 & 0x7F | 0x80, size >> 21))


def decode_value(key: Key, value: bytes, revision: int, ttl_seconds: int = 0) -> Stored:
    """Return what was stored at a revision, in the form that we store.

    What others stored (an older version, another apiserver, etcdctl) comes in here and nowhere else, and goes
    out to clients as it is. So the object is parsed once: one value that is none of its kind would break
    every list and watch of the kind in each client. Raises Unreadable.
    """
    if not value.startswith(MAGIC):
        # As `apimachinery/pkg/runtime/serializer/protobuf` says it.
        why = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        raise Unreadable(key, revision, why)
    try:
        envelope = runtime_pb2.Unknown.FromString(value[len(MAGIC) :])
    except Exception as error:  # upb raises google.protobuf.message.DecodeError, or ValueError on bad UTF-8
        raise Unreadable(key, revision, "the envelope cannot be read as protobuf") from error
    data, position = split_position(envelope.raw)
    type_meta = _type_meta(envelope.type_meta.api_version, envelope.type_meta.kind)
    kind = kind_of(key)
    if kind is not None:
        message = _parse(kind, key, data, revision)
        # Empty strings are not written by us, whatever raw ends with: what is longer than we would write it
        # is not ours.
        if value.endswith(_FOREIGN_TAIL) and envelope.ByteSize() + len(MAGIC) < len(value):
            normalise(message)
            data = message.SerializeToString(deterministic=True)
    return Stored(key, data, versions.version_of(revision, position), type_meta, ttl_seconds)


@lru_cache(maxsize=256)
def _type_meta(api_version: str, kind: str) -> tuple[str, str]:
    """Return one pair for all objects of a kind: each would hold 180 bytes of its own in the watch cache."""
    return api_version, kind


def _parse(kind: Kind[Any], key: Key, data: bytes, revision: int) -> Message:
    try:
        message: Message = kind.message.FromString(data)
    except Exception as error:  # as above
        raise Unreadable(key, revision, f"the {kind.kind} cannot be read as protobuf") from error
    return message


def split_position(raw: bytes) -> tuple[bytes, int]:
    """Return the object as it was given to storage, and the position it was written at."""
    if len(raw) < 4 or raw[0] != _METADATA or raw[2] != _RESOURCE_VERSION or raw[1] != raw[3] + 2:
        return raw, 0
    length = raw[3]
    digits = raw[4 : 4 + length]
    if length > _POSITION_DIGITS or not digits.isdigit():
        return raw, 0
    return raw[4 + length :], int(digits)


def bookmark(version: Version, *, initial_events_end: bool = False) -> bytes:
    """Return the object of a BOOKMARK event: a version, and whether the current state ends there (KEP-3157)."""
    metadata = meta_pb2.ObjectMeta(resource_version=str(version))
    if initial_events_end:
        metadata.annotations[INITIAL_EVENTS_END] = "true"
    return meta_pb2.PartialObjectMetadata(metadata=metadata).SerializeToString()


def event_frame(event_type: str, stamped: bytes) -> bytes:
    """Return the part of a `RawWatchResponse` that holds one event, at a third of a message's price."""
    return _before(event_type, len(stamped)) + stamped


def stamped_event_frame(event_type: str, data: bytes, version: Version) -> bytes:
    """Return what `event_frame` does of an object that is stamped with a version (`stamp`)."""
    # Hot: `version_record`, once more, in place.
    digits = b"%d" % version
    record = _VERSION_TAGS[len(digits)]
    return b"".join((_before(event_type, len(data) + len(record) + len(digits)), data, record, digits))


@lru_cache(maxsize=4096)
def _before(event_type: str, size: int) -> bytes:
    """Return what an event begins with before an object of so many bytes; a load has few sizes."""
    head = raw_pb2.RawWatchEvent(type=event_type).SerializeToString()
    if size:
        head += bytes((_OBJECT,)) + varint(size)
    return b"\x0a" + varint(len(head) + size) + head


def version_frame(version: Version) -> bytes:
    """Return the part of a `RawWatchResponse` that says after which version to resume."""
    digits = b"%d" % version
    return bytes((_RESUME_AFTER, len(digits))) + digits


def version_record(number: int) -> bytes:
    """Return an encoded `metadata` field that holds nothing but a `resourceVersion`."""
    digits = b"%d" % number
    return _VERSION_TAGS[len(digits)] + digits
