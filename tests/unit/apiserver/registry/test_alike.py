"""Names are cut out of encoded objects, and put into what became of another."""

from collections.abc import Mapping
from typing import Any

import pytest

from apiserver.registry.alike import cut_name, keeps_name, mould_of
from vaina.api.core.v1 import pod_pb2
from vaina.kinds import KINDS
from vaina.testing.builders import make_pod

_UID = "0b7f1c5e-7a0f-4a4e-9d0f-3f1d2b5c6a7e"


def _bytes(name: str, labels: Mapping[str, str] | None = None) -> bytes:
    pod = make_pod(name, labels=labels or {})
    pod.metadata.uid = _UID
    return pod.SerializeToString(deterministic=True)


def _named(name: str) -> bytes:
    pod = pod_pb2.Pod()
    pod.metadata.name = name
    return pod.SerializeToString()


@pytest.mark.parametrize("labels", [{}, {"app": "x" * 60}, {f"k{n}": "x" * 60 for n in range(200)}])
@pytest.mark.parametrize("name", ["a", "a.b-1", "x" * 63, ".".join(["y" * 60] * 2)])
def test_objects_that_differ_in_their_names_are_the_same_without_them(
    name: str, labels: dict[str, str]
) -> None:
    found, other = cut_name(_bytes(name, labels=labels)), cut_name(_bytes("other", labels=labels))
    assert found is not None
    assert other is not None
    assert (found.name, found.meta_size, found.rest) == (name, other.meta_size, other.rest)
    assert keeps_name(found, pod_pb2.Pod)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x0a", b"\x0a\x03", b"\x0a\x03\x0a", b"\x0a\x03\x0a\x09a", b"\x0a\x01\x0a\x01a", b"\x12\x03\x0a\x01a",
        b"\xff" * 20, b"\x0a\x80\x80\x80\x01\x0a\x01a", _bytes(""), _bytes("Bad_Name"), _bytes("x" * 128), _bytes("é"),
    ],
)  # fmt: skip
def test_what_has_no_name_where_encoders_write_it_is_not_cut(data: bytes) -> None:
    assert cut_name(data) is None


@pytest.mark.parametrize("second", [_named("b"), b"\x0a\x02\x0a\x00"], ids=["another", "an empty one"])
def test_another_name_in_what_is_left_is_found(second: bytes) -> None:
    cut = cut_name(_bytes("a") + second)
    assert cut is not None
    assert not keeps_name(cut, pod_pb2.Pod)


@pytest.mark.parametrize("labels", [{}, {f"k{n}": "x" * 60 for n in range(200)}])
def test_a_mould_gives_what_encoding_gives(labels: dict[str, str]) -> None:
    leader = make_pod("leader", labels=labels)
    leader.metadata.uid = _UID
    leader.metadata.generate_name = "lead"
    mould = mould_of(leader.SerializeToString(deterministic=True), "leader", leader.metadata.uid)
    assert mould is not None
    for name, uid in (("a", "u"), ("x" * 120, "17f3c9ce-a0e5-4b6c-8f60-4c8c3c5f1f44")):
        leader.metadata.name, leader.metadata.uid = name, uid
        assert mould.cast(name, uid) == leader.SerializeToString(deterministic=True)


def test_what_holds_its_uid_twice_has_no_mould() -> None:
    pod = make_pod("a")
    pod.metadata.uid = pod.metadata.annotations["uid"] = "0b7f1c5e"
    assert mould_of(pod.SerializeToString(deterministic=True), "a", "0b7f1c5e") is None
    assert mould_of(_bytes("a"), "b", _UID) is None
    assert mould_of(_bytes("a"), "a", "") is None


def test_names_stand_first_in_every_kind() -> None:
    for kind in KINDS:
        metadata: Any = kind.message.DESCRIPTOR.fields_by_name["metadata"]
        assert metadata.number == 1
        assert metadata.message_type.fields_by_name["name"].number == 1
