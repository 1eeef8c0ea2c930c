"""The golden objects of Kubernetes, both ways: bytes to JSON, JSON to bytes."""

import json
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.internal.decoder import _DecodeVarint  # type: ignore[attr-defined]
from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]
from google.protobuf.message import Message

from tests.support.golden import golden_bytes, golden_json, needs_data, stored_kinds
from vaina.kinds import Kind
from vaina.objects.manifest import decode_documents, decode_json, encode_json, encode_yaml, to_dict
from vaina.objects.normalise import normalise

pytestmark = needs_data
kinds = pytest.mark.parametrize("kind", stored_kinds(), ids=lambda kind: kind.kind)


def without_zeros(raw: bytes, descriptor: Descriptor) -> bytes:
    """Drop what upstream writes and proto3 does not: scalars without presence that are zero.

    All else keeps its place.
    """
    out, position = b"", 0
    while position < len(raw):
        start = position
        tag, position = _DecodeVarint(raw, position)
        field = descriptor.fields_by_number[tag >> 3]
        if tag & 7 == 0:
            value, position = _DecodeVarint(raw, position)
            if value or field.has_presence or field.is_repeated:
                out += raw[start:position]
            continue
        assert tag & 7 == 2
        size, position = _DecodeVarint(raw, position)
        content = raw[position : position + size]
        position += size
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            content = without_zeros(content, field.message_type)
        elif not content and not field.has_presence and not field.is_repeated:
            continue
        out += _VarintBytes(tag) + _VarintBytes(len(content)) + content
    return out


@kinds
def test_upstreams_bytes_have_no_unknown_field(kind: Kind[Message]) -> None:
    message = kind.message.FromString(golden_bytes(kind))
    size = message.ByteSize()
    message.DiscardUnknownFields()
    assert message.ByteSize() == size


@kinds
def test_our_bytes_are_upstreams_without_its_zeros(kind: Kind[Message]) -> None:
    raw = golden_bytes(kind)
    message = kind.message.FromString(raw)
    assert message.SerializeToString(deterministic=True) == without_zeros(raw, kind.message.DESCRIPTOR)


@kinds
def test_upstreams_bytes_become_upstreams_json(kind: Kind[Message]) -> None:
    message = kind.message.FromString(golden_bytes(kind))
    assert to_dict(kind, message) == golden_json(kind)
    assert json.loads(encode_json(kind, message)) == golden_json(kind)


@kinds
def test_upstreams_json_becomes_the_same_message(kind: Kind[Message]) -> None:
    expected = kind.message.FromString(golden_bytes(kind))
    normalise(expected)
    decoded = decode_json(json.dumps(golden_json(kind)), kind=kind)
    assert decoded.message == expected
    assert decoded.message.SerializeToString(deterministic=True) == expected.SerializeToString(
        deterministic=True
    )


@kinds
def test_yaml_comes_back_as_the_same_message(kind: Kind[Message]) -> None:
    expected: Any = kind.message.FromString(golden_bytes(kind))
    normalise(expected)
    assert [item.message for item in decode_documents(encode_yaml(kind, expected))] == [expected]


@kinds
def test_the_empty_object_shows_what_upstream_shows(kind: Kind[Message]) -> None:
    shown = to_dict(kind, kind.message())
    assert shown["metadata"] == {}
    assert decode_json(json.dumps(shown), kind=kind).message == kind.message()
