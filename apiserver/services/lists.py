"""A list as it goes out, joined from stored bytes: a message that holds each object would copy each twice more, 5 ms for 4 MB instead of 1."""

from collections.abc import Sequence
from typing import Final

from apiserver.storage.codec import varint, version_record
from apiserver.storage.interface import Stored
from vaina.api.meta.v1 import meta_pb2, raw_pb2

#: `items`, a field of a RawList and of every kind's list
_ITEM: Final = b"\x12"


def encode_list(metadata: meta_pb2.ListMeta, items: Sequence[Stored]) -> bytes:
    """Return an encoded RawList.

    Args:
        metadata: its version, and what is left.
        items: stored objects; each goes out with its version.
    """
    parts = [raw_pb2.RawList(metadata=metadata).SerializeToString()]
    for item in items:
        data, record = item.data, version_record(item.version)
        parts += (_ITEM, varint(len(data) + len(record)), data, record)
    return b"".join(parts)
