"""Fields have a line each that says what they are for: all that a Pod holds, and most of the other kinds."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from vaina.kinds import KINDS, Kind
from vaina.objects.field_docs import fields_of

#: kind -> fields of its messages that have no line yet; the numbers may only shrink
LEFT = {
    "DeviceClass": 8, "ResourceClaim": 75, "ResourceClaimTemplate": 40, "ResourceSlice": 59, "DeviceTaintRule": 9,
}  # fmt: skip


def messages(outer: Descriptor, seen: set[str]) -> Iterator[Descriptor]:
    """Give a message and all that it holds, each once."""
    if outer.full_name in seen:
        return
    seen.add(outer.full_name)
    yield outer
    for doc in fields_of(outer):
        if doc.message is not None:
            yield from messages(doc.message, seen)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_fields_have_a_line(kind: Kind[Any]) -> None:
    without = [
        f"{message.name}.{doc.name}"
        for message in messages(kind.message.DESCRIPTOR, set())
        for doc in fields_of(message)
        if not doc.text
    ]
    assert len(without) == LEFT.get(kind.kind, 0), without


def test_a_line_is_a_sentence_that_fits_on_two() -> None:
    seen: set[str] = set()
    for kind in KINDS:
        for message in messages(kind.message.DESCRIPTOR, seen):
            for doc in fields_of(message):
                if doc.text:
                    assert doc.text[0].isupper() or doc.text.startswith(("$", "linux", "false", "amd64")), doc
                    assert doc.text.endswith("."), doc
                    assert len(doc.text) <= 150, doc
