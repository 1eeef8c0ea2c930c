"""Objects that differ in nothing but some texts.

Where these stand is found, and others are put in their place.
"""

from typing import Any

import pytest

from apiserver.registry.create.layout import NAME, UID, Layout, Layouts, Place, layout_of
from vaina.api.core.v1 import event_pb2, pod_pb2
from vaina.kinds import KINDS
from vaina.testing.builders import make_pod

_UID = "0b7f1c5e-7a0f-4a4e-9d0f-3f1d2b5c6a7e"
_MESSAGE: Place = (4,)


def _pod(name: str = "web", uid: str = _UID, labels: int = 0, note: str = "") -> pod_pb2.Pod:
    pod = make_pod(name, labels={f"k{n}": "x" * 60 for n in range(labels)})
    pod.metadata.uid = uid
    if note:
        pod.metadata.annotations["note"] = note
    return pod


def _event(name: str, about: str, message: str) -> event_pb2.Event:
    event = event_pb2.Event(reason="Scheduled", message=message, type="Normal", count=1)
    event.metadata.name, event.metadata.namespace = name, "default"
    event.involved_object.kind, event.involved_object.name = "Pod", about
    event.first_timestamp.seconds = 7
    return event


def _encoded(message: Any) -> bytes:
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def _layout(data: bytes, *places: Place) -> Layout:
    found = layout_of(data, places)
    assert found is not None
    return found


@pytest.mark.parametrize("labels", [0, 1, 200])
@pytest.mark.parametrize("note", ["", "é" * 60, "x" * 16_384])
def test_an_object_of_the_layout_has_its_texts_and_is_made_of_them(labels: int, note: str) -> None:
    layout = _layout(_encoded(_pod("web", labels=labels, note=note)), NAME, UID)
    other = _pod("api", _UID.replace("0", "1"), labels, note)
    data, texts = _encoded(other), [b"api", other.metadata.uid.encode()]
    assert layout.texts(data) == texts
    assert layout.fill(texts) == data


def test_a_layout_that_is_remembered_is_used_for_what_has_it_alone() -> None:
    layouts = Layouts()
    first = layouts.of(_encoded(_pod("web")), (NAME, UID))
    assert first is not None
    assert layouts.of(_encoded(_pod("api")), (NAME, UID)) is first
    ended = _pod("api")
    ended.status.phase = "Failed."
    other = layouts.of(_encoded(ended), (NAME, UID))
    assert other is not None
    assert len(_encoded(ended)) == len(_encoded(_pod("api")))
    assert other.texts(_encoded(ended)) == [b"api", _UID.encode()]
    assert first.texts(_encoded(ended)) is None
    assert layouts.of(_encoded(_pod("")), (NAME, UID)) is None


def test_several_texts_are_found_in_an_event_and_those_that_it_does_not_have_are_left_out() -> None:
    places: tuple[Place, ...] = (NAME, (2, 3), (2, 4), _MESSAGE)
    layout = _layout(_encoded(_event("a.1", "a", "bound a")), *places)
    assert layout.places == (NAME, (2, 3), _MESSAGE)
    other = _encoded(_event("b.2", "b", "bound b"))
    assert layout.texts(other) == [b"b.2", b"b", b"bound b"]
    assert layout.fill([b"b.2", b"b", b"bound b"]) == other


@pytest.mark.parametrize(
    "other",
    [
        _event("a.12", "a", "bound a"), _event("a.1", "a", "bound a."), _event("a.1", "ab", "bound "),
        _event("a.1", "", "bound a"),
    ],
    ids=["a longer name", "a longer message", "longer and shorter", "without a text"],
)  # fmt: skip
def test_texts_of_other_lengths_are_another_layout(other: event_pb2.Event) -> None:
    layout = _layout(_encoded(_event("a.1", "a", "bound a")), NAME, (2, 3), _MESSAGE)
    assert layout.texts(_encoded(other)) is None


def test_anything_else_is_another_layout() -> None:
    event = _event("a.1", "a", "bound a")
    layout = _layout(_encoded(event), NAME, (2, 3), _MESSAGE)
    for field, value in (("reason", "Schedulex"), ("type", "Warnin"), ("count", 2)):
        other = _event("a.1", "a", "bound a")
        setattr(other, field, value)
        assert layout.texts(_encoded(other)) is None
    event.first_timestamp.seconds = 8
    assert layout.texts(_encoded(event)) is None


_TWICE = _encoded(pod_pb2.Pod(metadata={"name": "other"}))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x0a", b"\x0a\x03", b"\x0a\x03\x0a", b"\x0a\x03\x0a\x09a", b"\x0a\x01\x0a\x01a", b"\x12\x03\x0a\x01a", b"\x08\x01",
        b"\xff" * 20, b"\x0a" + b"\x80" * 200_000, _encoded(_pod("")), _encoded(_pod()) + b"\x0b", _encoded(_pod()) + b"\xff",
        _encoded(_pod()) + _TWICE, _encoded(_pod()) + b"\x0a\x02\x0a\x00", _encoded(_pod()) + b"\x8a\x80\x00\x02\x0a\x00",
        b"\x0a\x06\x0a\x01a\x0a\x01b", b"\x0a\x04\x2a\x00\x0a\x01a", _encoded(_pod(labels=300)), _encoded(_pod()) + b"\x8a\x80\x80\x80\x10\x00",
    ],
)  # fmt: skip
def test_what_has_no_name_or_fields_twice_or_in_another_order_has_no_layout(data: bytes) -> None:
    assert layout_of(data, (NAME, UID)) is None


def test_names_and_uids_stand_at_their_numbers_in_every_kind() -> None:
    for kind in KINDS:
        metadata: Any = kind.message.DESCRIPTOR.fields_by_name["metadata"]
        fields = metadata.message_type.fields_by_name
        assert (metadata.number, fields["name"].number) == NAME
        assert (metadata.number, fields["uid"].number) == UID
