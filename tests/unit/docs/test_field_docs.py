"""Every field of every kind has a line that says what it is for."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from vaina.kinds import KINDS, Kind
from vaina.objects.field_docs import fields_of


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
def test_every_field_has_a_line(kind: Kind[Any]) -> None:
    without = [
        f"{message.name}.{doc.name}"
        for message in messages(kind.message.DESCRIPTOR, set())
        for doc in fields_of(message)
        if not doc.text
    ]
    assert without == []


def test_a_line_is_a_sentence_that_fits_on_two() -> None:
    seen: set[str] = set()
    for kind in KINDS:
        for message in messages(kind.message.DESCRIPTOR, seen):
            for doc in fields_of(message):
                if doc.text:
                    assert doc.text[0].isupper() or doc.text.startswith(("$", "linux", "false", "amd64")), doc
                    assert doc.text.endswith("."), doc
                    assert len(doc.text) <= 150, doc
