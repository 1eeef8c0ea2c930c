"""Answers of etcd's watch whose events are left as bytes.

Most are own writes that come back: they are known by these (`own_writes`), and are not parsed.

Pure. Made of the descriptors of etcd's API, so that numbers and merging are protobuf's own.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from aetcd.rpc import rpc_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

_PACKAGE: Final = "vaina.etcd"


class WatchAnswer(Protocol):
    """A WatchResponse."""

    header: rpc_pb2.ResponseHeader
    created: bool
    canceled: bool
    compact_revision: int
    cancel_reason: str
    fragment: bool
    #: encoded `mvccpb.Event`s
    events: Sequence[bytes]


def _make() -> Any:
    file = FileDescriptorProto(name="answers.proto", package=_PACKAGE, syntax="proto3")
    for message in (rpc_pb2.ResponseHeader, rpc_pb2.WatchResponse):
        message.DESCRIPTOR.CopyToProto(file.message_type.add())
    for field in file.message_type[1].field:
        if field.name == "header":
            field.type_name = f".{_PACKAGE}.ResponseHeader"
        elif field.name == "events":
            field.type = FieldDescriptorProto.TYPE_BYTES
            field.ClearField("type_name")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.WatchResponse"))


_MESSAGE: Final = _make()


def read_answer(data: bytes) -> WatchAnswer:
    """Read an encoded WatchResponse. Raises DecodeError."""
    return cast("WatchAnswer", _MESSAGE.FromString(data))
