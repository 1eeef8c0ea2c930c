"""Answers that are no objects of the API, as plain values: for JSON and YAML that people and the page read."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from vaina.objects.times import format_time


def plain_values(message: Message) -> dict[str, Any]:
    """Return an answer as plain values, keys in the order of the fields.

    Numbers and booleans are always there, texts and lists where they say something; int64 are numbers, and
    times are RFC 3339 with microseconds.
    """
    values: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            if len(value):
                values[field.json_name] = [_plain(item) for item in value]
        elif field.message_type is not None:
            if message.HasField(field.name):
                values[field.json_name] = _plain(value)
        elif value or field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
            values[field.json_name] = value
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, Timestamp):
        return format_time(value, micro=True)
    return plain_values(value) if isinstance(value, Message) else value
